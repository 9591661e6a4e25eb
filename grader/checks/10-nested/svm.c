/* svm.c - small_hypervisor.svm.c as a guest of the VMM: the kernel's tracepoints say what L2 did
 * and who was told. */
#include "l2.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_loop.h"
#include "mapping.h"
#include "svm.h"

#define L1_IMAGE_MAX 0x40000u
#define L1_MEMORY    GUEST_LOAD_GPA /* of the program: image, tables, VMCB */
#define L1_SIZE      L1_IMAGE_MAX

/* Of svm_ends_are_told(): in five lives L2 touches the late page, in two a hole. */
#define FAULTS 7u
#define HOLES  2u

#define PORT_MAP_SIZE      (3 * PAGE)
#define INTERCEPT_SHUTDOWN (1u << 31)

/* One of each life, in order; then, of a single life, the others. */
enum { WINDOW_JOB, WINDOW_L2, WINDOW_LATE, WINDOW_L1, WINDOWS };

static struct lab10_guest_input guest_in;
static uint32_t bytes_used;

static void piece_add(uint32_t n, uint32_t i, uint64_t gpa, const void *bytes,
                      uint32_t length)
{
    guest_in.lives[n].pieces[i].gpa = gpa;
    guest_in.lives[n].pieces[i].at = bytes_used;
    guest_in.lives[n].pieces[i].length = length;
    memcpy(guest_in.bytes + bytes_used, bytes, length);
    bytes_used += length;
}

/* Where L2's memory is 0 it is not sent. */
static void life_add(struct judge *judge, uint32_t n, enum ending ending)
{
    const uint32_t low = MAILBOX_AT + PAGE;
    const uint64_t l2_base = 0x100000 + random_below(judge, 0x80) * PAGE,
                   late_to = 0x300000 + random_below(judge, 0x80) * PAGE;

    life_begin(judge, n, l2_base, late_to, false, ending);
    guest_in.lives[n].port = life->l0_port;
    guest_in.lives[n].without_svm = ending == ENDS_NO_SUPPORT;
    piece_add(n, 0, MAILBOX_AT, &life->job, sizeof life->job);
    piece_add(n, 1, l2_base, life->memory, low);
    piece_add(n, 2, l2_base + GUEST_LOAD_GPA, life->memory + GUEST_LOAD_GPA,
              L2_SIZE - GUEST_LOAD_GPA);
    piece_add(n, 3, late_to, life->late, sizeof life->late);
}

static void window_add(struct run_spec *spec, uint64_t offset, uint32_t length)
{
    static struct window windows[RUN_WINDOWS_MAX];
    struct window *window = &windows[spec->window_count++];

    *window = (struct window){.name = "guest-ram", .offset = offset, .length = length};
    spec->windows = windows;
}

/* Lives of L1 that end as `endings` say, each in a VM of its own. */
static const struct evidence *svm_run(struct judge *judge, const enum ending *endings,
                                      uint32_t count)
{
    struct run_spec spec = {.entry = LAB10_GUEST, .flags = RUN_TRACE, .input = &guest_in};
    const struct evidence *e;
    size_t size;
    const void *image = judge_program(judge, "small_hypervisor.svm", L1_IMAGE_MAX, &size);

    memcpy(guest_in.bytes, image, size);
    guest_in.image_size = bytes_used = (uint32_t)size;
    guest_in.life_count = count;
    for (uint32_t i = 0; i < count; i++) {
        life_add(judge, i, endings[i]);
        window_add(&spec, i * LAB10_RAM + MAILBOX_AT, sizeof(struct hypervisor_job));
    }
    if (count == 1) {
        window_add(&spec, life->job.l2_base + MAILBOX_AT, 512);
        window_add(&spec, life->job.late_to, 16);
        window_add(&spec, L1_MEMORY, L1_SIZE);
    }
    spec.input_size = offsetof(struct lab10_guest_input, bytes) + bytes_used;
    e = judge_run(judge, &spec, sizeof(struct lab10_guest_output));
    for (uint32_t i = 0; i < count; i++) {
        life = &lives[i];
        life_follow();
    }
    return e;
}

/* Whose exception was it that nobody could take? The first shutdown's: L2 runs from a VMRUN on, until
 * an exit is handed to L1. */
static const char *shutdown_owner(const struct evidence *e)
{
    bool l2 = false;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_SHUTDOWN)
            break;
        l2 = event->kind == EVENT_NESTED_ENTRY ||
             (l2 && event->kind != EVENT_NESTED_REFLECT);
    }
    return l2 ? "an exception in L2, whose SHUTDOWN L1 does not intercept: what state did "
                "you "
                "start L2 with (RIP, CR3, nested CR3, segments)?"
              : "an exception in L1's own code, which has no IDT";
}

/* The life that is spoken of from now on; it has been lived. */
static void life_choose(struct judge *judge, const struct evidence *e, uint32_t n)
{
    const struct lab10_guest_output *out = (const void *)e->answer;

    life = &lives[n];
    CHECK(judge, out->lives[n].ready, "a guest can be loaded (parts 01 and 02)",
          "one of their functions failed");
    CHECK(judge, out->lives[n].status != RUN_SHUTDOWN, "L1 comes to its end",
          "%s: the guest ended with a shutdown (triple fault): %s",
          ending_name(life->ending), shutdown_owner(e));
}

static const struct evidence *svm_run_one(struct judge *judge, enum ending ending)
{
    const struct evidence *e = svm_run(judge, &ending, 1);

    life_choose(judge, e, 0);
    CHECK(judge, kvm_events_count(&e->events, EVENT_NESTED_ENTRY, KVM_EVENT_ANY) > 0,
          "L1 enters L2 with VMRUN",
          "the kernel saw no VMRUN that succeeded; job->end is %" PRIu64
          " (4 = no support, 5 = not entered), detail %#" PRIx64 "%s",
          window_u64(e, 0, WINDOW_JOB, offsetof(struct hypervisor_job, end)),
          window_u64(e, 0, WINDOW_JOB, offsetof(struct hypervisor_job, end_detail)),
          kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_VMRUN)
              ? "; it saw one that it refused: is the VMCB consistent?"
              : "");
    return e;
}

static const void *window_bytes(struct judge *judge, const struct evidence *e,
                                unsigned window)
{
    CHECK(judge, e->windows[0][window].length, "the guest's memory is there after the run",
          "it could not be read");
    return e->windows[0][window].bytes;
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
    const struct evidence *e = svm_run_one(judge, ENDS_BY_HLT);
    size_t at = 0;
    const struct kvm_event *first = event_next(e, &at, EVENT_NESTED_ENTRY);

    CHECK(judge, first->info1 == life->job.l2_rip, "L2 starts where the job says",
          "the kernel's first nested entry is at RIP %#" PRIx64 ", not %#" PRIx64,
          first->info1, life->job.l2_rip);
    CHECK(judge, first->info2, "L2's memory is behind nested paging",
          "the kernel says that the VMCB has it off");
    CHECK(judge, window_u64(e, 0, 1, 17 * 8) > 0 || life->place == 0, "L2's program runs",
          "L2 has not written to its memory");
    first = event_next(e, &at, EVENT_NESTED_REFLECT);
    CHECK(judge, first, "L2's first exit comes to L1", "the kernel reflected none");
}

static uint32_t svm_code(uint32_t i)
{
    static const uint32_t codes[] = {SVM_EXIT_VMMCALL, SVM_EXIT_CPUID, SVM_EXIT_IOIO,
                                     SVM_EXIT_NPF, SVM_EXIT_HLT};

    return codes[life->exits[i].kind];
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

/* Memory of L1, by its address; NULL: it is not the program's. */
static const void *l1_memory(struct judge *judge, const struct evidence *e, uint64_t gpa,
                             uint64_t size)
{
    const uint8_t *bytes = window_bytes(judge, e, WINDOW_L1);

    return gpa >= L1_MEMORY && gpa + size <= L1_MEMORY + L1_SIZE ? bytes + (gpa - L1_MEMORY)
                                                                 : NULL;
}

/* The VMCB of the last VMRUN: the kernel says where it is. */
static const struct vmcb *vmcb_find(struct judge *judge, const struct evidence *e)
{
    const struct kvm_event *event, *last = NULL;
    const struct vmcb *vmcb;

    for (size_t at = 0; (event = event_next(e, &at, EVENT_NESTED_ENTRY)) != NULL;)
        last = event;
    vmcb = last ? l1_memory(judge, e, last->address, sizeof *vmcb) : NULL;
    CHECK(judge, vmcb, "the VMCB is memory of the program",
          "VMRUN was told that it is at %#" PRIx64, last ? last->address : 0);
    return vmcb;
}

static void intercepts_expect(struct judge *judge, const struct evidence *e)
{
    const struct vmcb *vmcb = vmcb_find(judge, e);
    const uint32_t wanted = INTERCEPT_CPUID | INTERCEPT_HLT | INTERCEPT_PORTS,
                   svm = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
    const uint8_t *map = l1_memory(judge, e, vmcb->io_permission_map, PORT_MAP_SIZE);

    CHECK(judge,
          (vmcb->intercepts & ~INTERCEPT_SHUTDOWN) == wanted && vmcb->intercepts_svm == svm,
          "L1 intercepts what the contract names and VMRUN, and nothing else",
          "words 00Ch and 010h of the VMCB are %#x and %#x, not %#x and %#x",
          vmcb->intercepts, vmcb->intercepts_svm, wanted, svm);
    CHECK(judge,
          !(vmcb->intercept_cr | vmcb->intercept_dr | vmcb->intercept_exceptions |
            vmcb->reserved_014[0]),
          "L2's control registers, debug registers and exceptions are its own",
          "words 000h, 004h, 008h and 014h of the VMCB are %#x, %#x, %#x, %#x; all were to "
          "be 0",
          vmcb->intercept_cr, vmcb->intercept_dr, vmcb->intercept_exceptions,
          vmcb->reserved_014[0]);
    CHECK(judge, map, "the I/O permission map is memory of the program",
          "the VMCB has %#" PRIx64, vmcb->io_permission_map);
    for (uint32_t port = 0; port < 8 * PORT_MAP_SIZE; port++)
        CHECK(judge, (map[port / 8] >> port % 8 & 1) == (port == life->job.port),
              "of all ports, job->port exits and no other",
              "job->port is %#x; the bit of port %#x is %d", life->job.port, port,
              map[port / 8] >> port % 8 & 1);
}

/* The exits that the kernel handed on to L1, in order, and the one that it did not. */
void exits_of_l2_go_to_their_level(struct judge *judge)
{
    const struct evidence *e = svm_run_one(judge, ENDS_BY_HLT);
    const struct kvm_event *event;
    uint32_t n = 0, kept = 0, l0_writes = 0;
    size_t at = 0;

    for (; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL; n++) {
        judge_points_at_event(judge, e, event);
        CHECK(judge, n < life->exit_count && event->reason == svm_code(n),
              "L1 gets the exits that the contract names, in the order of L2's steps",
              "the kernel's exit %u to L1 is %s (%#x, info %#" PRIx64 "), not %s", n + 1,
              svm_exit_name(event->reason), event->reason, event->info1,
              n < life->exit_count ? kind_name(life->exits[n].kind) : "one more");
    }
    CHECK(judge, n == life->exit_count, "L1 runs L2 to its end",
          "the kernel reflected %u exits of L2, not %u", n, life->exit_count);
    for (at = 0; (event = event_next(e, &at, EVENT_NESTED_EXIT)) != NULL;)
        kept += event->reason == SVM_EXIT_IOIO && event->info1 >> 16 == life->l0_port;
    for (at = 0; (event = event_next(e, &at, EVENT_PIO)) != NULL;)
        l0_writes += event->address == life->l0_port && event->value == life->l0_value;
    CHECK(judge, kept == life->l0_writes && l0_writes == life->l0_writes,
          "a port that L1 does not ask for is L0's: L2 reaches your VMM's device",
          "%u OUTs of L2 to port %#x exited to L0, the VMM's device got %u with the right "
          "number; "
          "there was to be %u",
          kept, life->l0_port, l0_writes, life->l0_writes);
    intercepts_expect(judge, e);
    cost_show(judge, e);
}

void svm_exits_are_answered(struct judge *judge)
{
    const struct evidence *e = svm_run_one(judge, ENDS_BY_HLT);

    job_expect(judge, window_bytes(judge, e, WINDOW_JOB));
    l2_expect(judge, window_bytes(judge, e, WINDOW_L2), "AuthenticAMD",
              window_bytes(judge, e, WINDOW_LATE));
    mapping_expect(judge, &(struct mapping){.root = vmcb_find(judge, e)->nested_cr3,
                                            .memory = window_bytes(judge, e, WINDOW_L1),
                                            .base = L1_MEMORY,
                                            .size = L1_SIZE});
}

/* In each life that got to run L2 one for the late page; in two of them one for a hole. */
static void faults_expect(struct judge *judge, const struct evidence *e)
{
    const struct kvm_event *event;
    uint32_t n = 0, at_hole = 0;

    for (size_t at = 0; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL;) {
        if (event->reason != SVM_EXIT_NPF)
            continue;
        judge_points_at_event(judge, e, event);
        n++;
        at_hole += at_hole < HOLES && event->info2 == lives[at_hole].hole;
    }
    CHECK(judge, n == FAULTS && at_hole == HOLES,
          "nested page faults are L1's: one at the late page in each life, and the holes",
          "the kernel reflected %u of them, not %u, and %u at a hole, not %u", n, FAULTS,
          at_hole, HOLES);
}

void svm_ends_are_told(struct judge *judge)
{
    static const enum ending endings[] = {ENDS_BELOW,      ENDS_BEHIND,    ENDS_OUT16,
                                          ENDS_OUT_BESIDE, ENDS_OUTS,      ENDS_FORBIDDEN,
                                          ENDS_BAD_STATE,  ENDS_NO_SUPPORT};
    const struct evidence *e = svm_run(judge, endings, COUNT(endings));

    for (uint32_t i = 0; i < COUNT(endings); i++) {
        life_choose(judge, e, i);
        job_expect(judge, window_bytes(judge, e, i));
    }
    faults_expect(judge, e);
}
