/* svm.c - small_hypervisor.svm.c as a guest of the VMM: the kernel's tracepoints say what L2 did
 * and who was told. */
#include "l2.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define L1_IMAGE_MAX 0x40000u

static struct lab10_guest_input guest_in;

static void piece_add(uint64_t gpa, const void *bytes, uint32_t length)
{
    uint32_t at = L1_IMAGE_MAX, n = guest_in.piece_count++;

    if (n)
        at = guest_in.pieces[n - 1].at + guest_in.pieces[n - 1].length;
    guest_in.pieces[n].gpa = gpa;
    guest_in.pieces[n].at = at;
    guest_in.pieces[n].length = length;
    memcpy(guest_in.bytes + at, bytes, length);
}

static const struct evidence *svm_run(struct judge *judge, enum step end)
{
    const uint64_t l2_base = 0x100000 + random_below(judge, 0x80) * PAGE,
                   late_to = 0x300000 + random_below(judge, 0x80) * PAGE;
    const struct window windows[] = {
        {.name = "guest-ram",
         .offset = MAILBOX_AT,
         .length = sizeof(struct hypervisor_job)},
        {.name = "guest-ram", .offset = l2_base + MAILBOX_AT, .length = 512},
        {.name = "guest-ram", .offset = late_to, .length = 16},
    };
    const struct run_spec spec = {.entry = LAB10_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = &guest_in,
                                  .input_size = sizeof guest_in,
                                  .windows = windows,
                                  .window_count = COUNT(windows)};
    size_t size;
    const void *image = judge_program(judge, "small_hypervisor.svm", L1_IMAGE_MAX, &size);

    memset(&guest_in, 0, sizeof guest_in);
    life_begin(judge, l2_base, late_to, false, end);
    memcpy(guest_in.bytes, image, size);
    guest_in.image_size = (uint32_t)size;
    guest_in.port = life.l0_port;
    piece_add(MAILBOX_AT, &life.job, sizeof life.job);
    piece_add(l2_base, life.memory, L2_SIZE);
    piece_add(late_to, life.late, sizeof life.late);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab10_guest_output));
    const struct lab10_guest_output *out = (const void *)e->answer;

    life_follow();
    CHECK(judge, out->ready, "a guest can be loaded (parts 01 and 02)",
          "one of their functions failed");
    CHECK(judge, kvm_events_count(&e->events, EVENT_NESTED_ENTRY, KVM_EVENT_ANY) > 0,
          "L1 enters L2 with VMRUN",
          "the kernel saw no VMRUN that succeeded; L1 ended with %s, job->end is %" PRIu64
          " (4 = no support), detail %#" PRIx64 "%s",
          out->status == 2 ? "a shutdown (triple fault)" : "HLT",
          window_u64(e, 0, 0, offsetof(struct hypervisor_job, end)),
          window_u64(e, 0, 0, offsetof(struct hypervisor_job, end_detail)),
          kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_VMRUN)
              ? "; it saw one that it refused: is the VMCB consistent?"
              : "");
    return e;
}

static const struct kvm_event *event_next(const struct evidence *e, size_t *at,
                                          enum kvm_event_kind kind)
{
    while (*at < e->events.count) {
        const struct kvm_event *event = &e->events.list[(*at)++];

        if (event->kind == kind)
            return event;
    }
    return NULL;
}

void l2_runs_under_l1(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);
    size_t at = 0;
    const struct kvm_event *first = event_next(e, &at, EVENT_NESTED_ENTRY);

    CHECK(judge, first->info1 == life.job.l2_rip, "L2 starts where the job says",
          "the kernel's first nested entry is at RIP %#" PRIx64 ", not %#" PRIx64,
          first->info1, life.job.l2_rip);
    CHECK(judge, first->info2, "L2's memory is behind nested paging",
          "the kernel says that the VMCB has it off");
    CHECK(judge, window_u64(e, 0, 1, 17 * 8) > 0 || life.place == 0, "L2's program runs",
          "L2 has not written to its memory");
    first = event_next(e, &at, EVENT_NESTED_REFLECT);
    CHECK(judge, first, "L2's first exit comes to L1", "the kernel reflected none");
}

static uint32_t svm_code(uint32_t i)
{
    static const uint32_t codes[] = {SVM_EXIT_VMMCALL, SVM_EXIT_CPUID, SVM_EXIT_IOIO,
                                     SVM_EXIT_NPF, SVM_EXIT_HLT};

    return codes[life.exits[i].kind];
}

static int number_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, number_compare);
    return count ? list[count / 2] : 0;
}

/* From one call of L2's to the next: how many exits to L0, how long. And an exit of L1's own: the
 * CPUIDs at its start (common/guest/hypervisor.S). */
static void cost_show(struct judge *judge, const struct evidence *e)
{
    static double exits[4096], times2[4096], times1[4096];
    const struct kvm_event *call = NULL, *cpuid = NULL;
    size_t n2 = 0, n1 = 0;
    unsigned count = 0;

    for (size_t i = 0; i < e->events.count && n1 < 4000 && n2 < 4000; i++) {
        const struct kvm_event *event = &e->events.list[i];

        count += event->kind == EVENT_EXIT;
        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_CPUID && !call) {
            if (cpuid)
                times1[n1++] = (double)(event->time_ns - cpuid->time_ns) / 1000;
            cpuid = event;
        }
        if (event->kind != EVENT_NESTED_REFLECT || event->reason != SVM_EXIT_VMMCALL)
            continue;
        if (call) {
            times2[n2] = (double)(event->time_ns - call->time_ns) / 1000;
            exits[n2++] = count;
        }
        call = event;
        count = 0;
    }
    judge_figure(judge, "exits to L0 for one exit of L2 to L1", median(exits, n2), "exits");
    judge_figure(judge, "time for one exit of L1", median(times1, n1), "us");
    judge_figure(judge, "time for one exit of L2 to L1", median(times2, n2), "us");
}

/* The exits that the kernel handed on to L1, in order, and the one that it did not. */
void exits_of_l2_go_to_their_level(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);
    const struct kvm_event *event;
    uint32_t n = 0, kept = 0, l0_writes = 0;
    size_t at = 0;

    for (; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL; n++)
        CHECK(judge, n < life.exit_count && event->reason == svm_code(n),
              "L1 gets the exits that the contract names, in the order of L2's steps",
              "the kernel's exit %u to L1 is %s (%#x, info %#" PRIx64 "), not %s", n + 1,
              svm_exit_name(event->reason), event->reason, event->info1,
              n < life.exit_count ? kind_name(life.exits[n].kind) : "one more");
    CHECK(judge, n == life.exit_count, "L1 runs L2 to its end",
          "the kernel reflected %u exits of L2, not %u", n, life.exit_count);
    for (at = 0; (event = event_next(e, &at, EVENT_NESTED_EXIT)) != NULL;)
        kept += event->reason == SVM_EXIT_IOIO && event->info1 >> 16 == life.l0_port;
    for (at = 0; (event = event_next(e, &at, EVENT_PIO)) != NULL;)
        l0_writes += event->address == life.l0_port && event->value == life.l0_value;
    CHECK(judge, kept == life.l0_writes && l0_writes == life.l0_writes,
          "a port that L1 does not ask for is L0's: L2 reaches your VMM's device",
          "%u OUTs of L2 to port %#x exited to L0, the VMM's device got %u with the right "
          "number; "
          "there was to be %u",
          kept, life.l0_port, l0_writes, life.l0_writes);
    cost_show(judge, e);
}

static const void *window_bytes(struct judge *judge, const struct evidence *e,
                                unsigned window)
{
    CHECK(judge, e->windows[0][window].length, "the guest's memory is there after the run",
          "it could not be read");
    return e->windows[0][window].bytes;
}

void svm_exits_are_answered(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);

    job_expect(judge, window_bytes(judge, e, 0));
    l2_expect(judge, window_bytes(judge, e, 1), "AuthenticAMD", window_bytes(judge, e, 2));
}

void nested_fault_is_repaired_or_ends_l2(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HOLE);
    const struct kvm_event *event;
    uint64_t faults[2] = {0};
    uint32_t n = 0;

    for (size_t at = 0; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL;)
        if (event->reason == SVM_EXIT_NPF && n++ < 2)
            faults[n - 1] = event->info2;
    CHECK(judge, n == 2, "two nested page faults are L1's: the late page, and the hole",
          "the kernel reflected %u (%#" PRIx64 ", %#" PRIx64 ")", n, faults[0], faults[1]);
    CHECK(judge,
          faults[0] / PAGE == life.job.late_gpa / PAGE &&
              faults[1] / PAGE == life.hole / PAGE,
          "the faults are at the late page and at the hole",
          "the kernel says %#" PRIx64 " and %#" PRIx64 ", not %#" PRIx64 " and %#" PRIx64,
          faults[0], faults[1], life.job.late_gpa, life.hole);
    end_expect(judge, window_bytes(judge, e, 0), true);
}
