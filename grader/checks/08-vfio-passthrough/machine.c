/* machine.c - a driver in a guest uses the true device (target machine). Registers: the
 * kernel's tracepoints. DMA: guest memory, and the IOMMU's own trace from outside the
 * machine. Interrupts: what KVM injected, and what the guest counted. */
#define _GNU_SOURCE
#include "checks.h"

#include <inttypes.h>
#include <string.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "judge/guest_image.h"

#define SOURCE_ID 0x28u /* 00:05.0 */

GUEST_IMAGE(driver_guest, "driver.bin");

/* What the guest does, and where its mailbox has what (guests/driver.protected32.c). */
#define DO_REGISTERS 1u
#define DO_TRAPPED   2u
#define DO_FACTORIAL 4u
#define DO_DMA       8u
#define DO_RAISE     16u
#define EDU_ID       0x010000edu
#define EDU_BUFFER   0x40000u
#define WAIT_TICKS   12000000000ull /* some seconds: an interrupt takes microseconds */
#define WINDOW_RAM   0
#define WINDOW_ROM   1

struct drive {
    struct judge *judge;
    struct lab08_guest in;
    const struct evidence *e;
    const struct lab08_guest_output *out;
};

static struct drive *drive_new(struct judge *judge, uint32_t what)
{
    struct drive *d = memory_get(judge, sizeof *d);

    d->judge = judge;
    d->in = (struct lab08_guest){
        .bar_gpa = 0x40000000u + judge_random_below(judge, 1024) * 0x100000u,
        .gsi = 24 + (uint32_t)judge_random_below(judge, 200),
        .vector = 0x30 + (uint32_t)judge_random_below(judge, 0xc0),
        .interrupt = 1,
        .image_size = (uint32_t)GUEST_IMAGE_SIZE(driver_guest),
        .mailbox = {[0] = what, [4] = LAB08_TRAPPED_GPA, [9] = WAIT_TICKS}};
    d->in.mailbox[1] = d->in.bar_gpa;
    d->in.mailbox[7] = d->in.vector;
    memcpy(d->in.image, driver_guest, d->in.image_size);
    return d;
}

static uint64_t mailbox(const struct drive *d, unsigned n)
{
    return window_u64(d->e, 1, WINDOW_RAM, GUEST_MAILBOX_GPA + 8 * n);
}

static void drive_explain(const struct drive *d)
{
    static const char *const steps[] = {[LAB08_STEP_PARTS] = "the earlier parts",
                                        [LAB08_STEP_OPEN] = "vfio_open()",
                                        [LAB08_STEP_BAR] = "device_assign_bar()",
                                        [LAB08_STEP_MEMORY] = "device_assign_memory()",
                                        [LAB08_STEP_INTERRUPT] =
                                            "device_assign_interrupt()",
                                        [LAB08_STEP_RUN] = "vcpu_run()",
                                        [LAB08_STEP_DONE] = "nothing"};
    uint32_t step = d->out->step <= LAB08_STEP_DONE ? d->out->step : 0;
    char words[300] = "", number[40];

    if (d->out->error.kind != VFIO_OK)
        vfio_error_describe(&d->out->error, words, sizeof words);
    CHECK(d->judge, d->out->step == LAB08_STEP_DONE,
          "the true device can be given to a guest", "%s returned %s%s%s",
          step ? steps[step] : "?",
          errno_number_text(d->out->result, number, sizeof number), words[0] ? ": " : "",
          words);
    CHECK(d->judge, d->out->status == RUN_KICKED, "the guest's driver runs to its end",
          "the run ended with status %u (3: as asked, 2: triple fault)", d->out->status);
}

static void drive_go(struct drive *d, uint32_t deadline_ms)
{
    static const struct window windows[] = {
        {.name = "guest-ram", .length = LAB08_GUEST_RAM},
        {.name = "guest-rom", .length = LAB08_ROM_SIZE}};
    const struct run_spec spec = {.entry = LAB08_GUEST,
                                  .flags = RUN_TRACE | RUN_DEVICE,
                                  .input = &d->in,
                                  .input_size = sizeof d->in,
                                  .windows = windows,
                                  .window_count = 2,
                                  .deadline_ms = deadline_ms};

    d->e = judge_run(d->judge, &spec, sizeof *d->out);
    d->out = (const void *)d->e->answer;
    drive_explain(d);
    CHECK(d->judge, d->e->windows[1][WINDOW_RAM].length == LAB08_GUEST_RAM,
          "the guest's memory is there when it has run", "it could not be read");
}

/* --- registers */

/* What the guest's rounds with the liveness register add up to: it reads as the
 * complement. */
static uint32_t liveness_sum(uint32_t number, uint64_t rounds)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < rounds; i++)
        sum = 3 * sum - (number + (uint32_t)i) - 1;
    return sum;
}

/* Where in the trace the guest marked its n-th phase. */
static size_t mark_at(const struct drive *d, uint64_t mark)
{
    const struct kvm_events *events = &d->e->events;

    for (size_t i = 0; i < events->count; i++)
        if (events->list[i].kind == EVENT_PIO &&
            events->list[i].address == LAB08_MARK_PORT && events->list[i].value == mark)
            return i;
    check_fail(d->judge, "the guest's driver runs to its end",
               "the kernel's trace has no write of %" PRIu64 " to port 0x80", mark);
}

/* Exits between two marks because of an access to [from, from + size). */
static unsigned touches(const struct drive *d, size_t first, size_t last, uint64_t from,
                        uint64_t size)
{
    unsigned n = 0;

    for (size_t i = first; i < last; i++) {
        const struct kvm_event *e = &d->e->events.list[i];
        uint64_t address = e->kind == EVENT_EXIT ? e->info2 : e->address;

        if ((e->kind == EVENT_EXIT && e->reason == SVM_EXIT_NPF) || e->kind == EVENT_MMIO)
            n += address - from < size;
    }
    return n;
}

static double nanoseconds(const struct drive *d, size_t first, size_t last,
                          uint64_t accesses)
{
    return (double)(d->e->events.list[last].time_ns - d->e->events.list[first].time_ns) /
           (double)accesses;
}

void registers_need_no_exit(struct judge *judge)
{
    static const char asked[] = "after the first touch no register access leaves the guest";
    struct drive *d = drive_new(judge, DO_REGISTERS | DO_TRAPPED);
    const uint64_t rounds = 2000 + judge_random_below(judge, 500), slow = 200;
    uint32_t number = (uint32_t)judge_random(judge);
    size_t marks[5];
    unsigned direct, trapped;

    d->in.mailbox[2] = number;
    d->in.mailbox[3] = rounds;
    d->in.mailbox[5] = slow;
    drive_go(d, 0);
    CHECK(judge, mailbox(d, 16) == EDU_ID && mailbox(d, 17) == liveness_sum(number, rounds),
          "the guest reaches the device's registers at the BAR's GPA",
          "it read id %#" PRIx64 " and the sum %#" PRIx64 "; due is %#x and %#x",
          mailbox(d, 16), mailbox(d, 17), EDU_ID, liveness_sum(number, rounds));
    for (uint64_t mark = 1; mark <= 4; mark++)
        marks[mark] = mark_at(d, mark);
    CHECK(judge, touches(d, 0, marks[1], d->in.bar_gpa, 0x100000) > 0, asked,
          "the kernel never saw a first touch of the BAR at %#" PRIx64, d->in.bar_gpa);
    direct = touches(d, marks[1], marks[2], d->in.bar_gpa, 0x100000);
    trapped = touches(d, marks[3], marks[4], LAB08_TRAPPED_GPA, PAGE);
    CHECK(judge, direct == 0, asked,
          "%u exits for %" PRIu64 " accesses to the BAR's registers; due are 0", direct,
          2 * rounds);
    CHECK(judge, d->out->mmio_exits == 2 * slow && trapped >= 2 * slow,
          "where there is no slot, each access is an exit",
          "%" PRIu64 " accesses made %" PRIu64 " MMIO exits", 2 * slow, d->out->mmio_exits);
    judge_figure(judge, "register access, BAR as memory slot",
                 nanoseconds(d, marks[1], marks[2], 2 * rounds), "ns");
    judge_figure(judge, "register access, trapped (MMIO exit)",
                 nanoseconds(d, marks[3], marks[4], 2 * slow), "ns");
    judge_figure(judge, "exits per access, BAR as memory slot", direct, "");
}

/* --- DMA */

static void transfer_set(struct drive *d, uint64_t from, uint64_t to, uint64_t length,
                         uint64_t command)
{
    uint64_t *order = &d->in.mailbox[32 + 4 * d->in.mailbox[8]++];

    order[0] = from;
    order[1] = to;
    order[2] = length;
    order[3] = command;
}

static void interrupts_check(const struct drive *d, uint64_t due)
{
    static const char asked[] = "each interrupt of the device reaches the guest's handler";

    CHECK(d->judge, mailbox(d, 23) == 0, asked,
          "interrupt %" PRIu64 " did not come (the guest waited for %s)",
          mailbox(d, 20) + 1,
          mailbox(d, 23) == DO_FACTORIAL ? "the factorial"
          : mailbox(d, 23) == DO_DMA     ? "a DMA transfer"
                                         : "an interrupt that it had asked for");
    CHECK(d->judge, mailbox(d, 20) == due, asked,
          "the guest's handler ran %" PRIu64 " times; due are %" PRIu64, mailbox(d, 20),
          due);
}

/* The IOMMU's own record: has the device used this address, by the page? */
static bool translated(const struct drive *d, uint64_t iova)
{
    for (size_t i = 0; i < d->e->device.count; i++)
        if (d->e->device.list[i].kind == DEVICE_TRANSLATED &&
            d->e->device.list[i].source == SOURCE_ID &&
            d->e->device.list[i].iova == (iova & ~(uint64_t)(PAGE - 1)))
            return true;
    return false;
}

static void pattern_set(struct drive *d, uint64_t gpa, uint32_t size)
{
    d->in.pattern_gpa = gpa;
    d->in.pattern_size = size;
    for (uint32_t i = 0; i < size; i++)
        d->in.pattern[i] = (uint8_t)judge_random(d->judge);
}

/* Memory from 0x20000 on is nobody's but the device's. */
static void rest_unchanged(const struct drive *d, uint64_t at, uint32_t size)
{
    const uint8_t *before = d->e->windows[0][WINDOW_RAM].bytes,
                  *after = d->e->windows[1][WINDOW_RAM].bytes;

    CHECK(d->judge, d->e->windows[0][WINDOW_RAM].length == LAB08_GUEST_RAM,
          "the guest's memory is there before it runs", "it could not be read");
    for (uint64_t i = 0x20000; i < LAB08_GUEST_RAM; i++)
        CHECK(d->judge, before[i] == after[i] || i - at < size,
              "DMA changes what it was told to change, and nothing else",
              "the byte at GPA %#" PRIx64 " was %#04x and is %#04x", i, before[i],
              after[i]);
}

void dma_moves_both_ways(struct judge *judge)
{
    static const char asked[] = "memory goes into the device and comes back by DMA";
    struct drive *d = drive_new(judge, DO_DMA);
    uint32_t size = 3000 + (uint32_t)judge_random_below(judge, 1096);
    uint64_t from = 0x20000 + judge_random_below(judge, 0x8000) * 2,
             to = 0x30000 + judge_random_below(judge, 0x7000) * 2;
    size_t wrong = 0;

    pattern_set(d, from, size);
    transfer_set(d, from, EDU_BUFFER, size, 1 | 4);
    transfer_set(d, EDU_BUFFER, to, size, 1 | 2 | 4);
    drive_go(d, 0);
    interrupts_check(d, 2);
    while (wrong < size &&
           d->e->windows[1][WINDOW_RAM].bytes[to + wrong] == d->in.pattern[wrong])
        wrong++;
    CHECK(judge, wrong == size, asked,
          "byte %zu of %u at GPA %#" PRIx64 " is %#04x; due is %#04x", wrong, size, to,
          d->e->windows[1][WINDOW_RAM].bytes[to + wrong], d->in.pattern[wrong]);
    CHECK(judge, translated(d, from) && translated(d, to), asked,
          "the IOMMU has seen no access of the device to IOVA %#" PRIx64,
          translated(d, from) ? to : from);
    CHECK(judge, device_events_count(&d->e->device, DEVICE_FAULT) == 0, asked,
          "the IOMMU refused %zu accesses",
          device_events_count(&d->e->device, DEVICE_FAULT));
    rest_unchanged(d, to, size);
}

/* Was an access to this page refused, and how? */
static const struct device_event *fault_at(const struct drive *d, uint64_t iova, bool write)
{
    for (size_t i = 0; i < d->e->device.count; i++) {
        const struct device_event *e = &d->e->device.list[i];

        if (e->kind == DEVICE_FAULT && e->write == write && e->iova / PAGE == iova / PAGE)
            return e;
    }
    return NULL;
}

void device_stays_in_the_guest(struct judge *judge)
{
    static const char asked[] = "the device reaches the guest's memory and nothing else";
    struct drive *d = drive_new(judge, DO_DMA);
    const uint64_t rom = LAB08_ROM_GPA + judge_random_below(judge, 15) * PAGE + 64;
    const uint64_t hole = LAB08_GUEST_RAM + judge_random_below(judge, 32) * PAGE;

    pattern_set(d, rom, 64);
    transfer_set(d, EDU_BUFFER, rom, 64, 1 | 2);
    transfer_set(d, EDU_BUFFER, hole, 64, 1 | 2);
    d->in.interrupt = 0;
    drive_go(d, 0);
    CHECK(judge, mailbox(d, 24) == 2, "the guest's driver runs to its end",
          "%" PRIu64 " of 2 transfers were made", mailbox(d, 24));
    CHECK(judge,
          d->e->windows[1][WINDOW_ROM].length == LAB08_ROM_SIZE &&
              memcmp(d->e->windows[1][WINDOW_ROM].bytes + (rom - LAB08_ROM_GPA),
                     d->in.pattern, 64) == 0,
          asked, "the device has written to GPA %#" PRIx64 ", which is read-only", rom);
    CHECK(judge, fault_at(d, rom, true) != NULL, asked,
          "the IOMMU has not refused the write to GPA %#" PRIx64 ", which is read-only",
          rom);
    CHECK(judge, fault_at(d, hole, true) != NULL && !translated(d, hole), asked,
          "the IOMMU has not refused the write to GPA %#" PRIx64 ", where the guest has no "
          "memory",
          hole);
}

/* --- interrupts */

static uint32_t factorial_of(uint32_t n)
{
    uint32_t product = 1;

    for (uint32_t i = 2; i <= n; i++)
        product *= i;
    return product;
}

static unsigned injected(const struct drive *d)
{
    unsigned n = 0;

    for (size_t i = 0; i < d->e->events.count; i++)
        n += d->e->events.list[i].kind == EVENT_INJECT &&
             d->e->events.list[i].value == d->in.vector;
    return n;
}

void interrupts_reach_the_guest(struct judge *judge)
{
    struct drive *d = drive_new(judge, DO_FACTORIAL | DO_RAISE);
    const uint32_t n = 5 + (uint32_t)judge_random_below(judge, 25);
    const uint64_t raises = 20 + judge_random_below(judge, 20);
    uint64_t sum = 1;

    for (uint64_t i = 0; i < raises; i++)
        sum += 0x10000u + i;
    d->in.mailbox[6] = n;
    d->in.mailbox[10] = raises;
    drive_go(d, 0);
    interrupts_check(d, raises + 1);
    CHECK(judge, mailbox(d, 19) == factorial_of(n), "the device computes for the guest",
          "%u! is %#" PRIx64 "; due is %#x (modulo 2^32)", n, mailbox(d, 19),
          factorial_of(n));
    CHECK(judge, mailbox(d, 22) == sum, "the handler reads and acknowledges each status",
          "the statuses add up to %#" PRIx64 "; due is %#" PRIx64, mailbox(d, 22), sum);
    CHECK(judge, injected(d) >= raises + 1, "KVM itself brings the interrupts to the vCPU",
          "the kernel's trace has %u injections of vector %#x; due are %" PRIu64,
          injected(d), d->in.vector, raises + 1);
    /* The end: one OUT, and the kick that answers it. */
    CHECK(judge, kvm_events_count(&d->e->events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY) <= 2,
          "no interrupt needs the VMM",
          "KVM_RUN came back %zu times; due are 2, at the guest's end",
          kvm_events_count(&d->e->events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY));
}

/* --- again and again */

void device_is_free_again(struct judge *judge)
{
    static const char asked[] = "what was given away comes back whole";
    static const char *const names[] = {"/dev/vfio/vfio", "/dev/vfio/1",
                                        "anon_inode:[vfio-device]", EVENTFD};
    struct drive *d = drive_new(judge, DO_REGISTERS);

    d->in.rounds = 6;
    d->in.mailbox[2] = (uint32_t)judge_random(judge);
    d->in.mailbox[3] = 10;
    drive_go(d, 0);
    CHECK(judge, d->out->rounds == d->in.rounds, asked,
          "the device was given and taken %u times; due are %u", d->out->rounds,
          d->in.rounds);
    CHECK(judge, mailbox(d, 16) == EDU_ID, asked,
          "the guest read id %#" PRIx64 "; due is %#x", mailbox(d, 16), EDU_ID);
    CHECK(judge, evidence_fds(d->e, 0, names[2], NULL) == 1, asked,
          "/proc/PID/fd shows %u VFIO devices while the guest has it; due is 1",
          evidence_fds(d->e, 0, names[2], NULL));
    for (unsigned checkpoint = 0; checkpoint <= 2; checkpoint += 2)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            unsigned due = checkpoint == 0;
            unsigned is = evidence_fds(d->e, checkpoint, names[i], NULL);

            if (i == 1) /* the group's number is not ours to know */
                is = evidence_fds(d->e, checkpoint, "/dev/vfio/", NULL) -
                     evidence_fds(d->e, checkpoint, names[0], NULL);
            CHECK(judge, is == due, asked, "%s: /proc/PID/fd shows %u of %s; due is %u",
                  checkpoint ? "after vfio_close()" : "while the guest has it", is,
                  i == 1 ? "the group" : names[i], due);
        }
    CHECK(judge, evidence_maps(d->e, 2, "anon_inode:[vfio-device]", NULL) == 0, asked,
          "after vfio_close() the BAR is still mapped");
}
