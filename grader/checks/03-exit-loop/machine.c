/* machine.c - the loop in the machine: tracepoints and guest memory are the evidence. */
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "exit_loop.h"
#include "exit_names.h"
#include "guest_loader.h"
#include "judge/guest_image.h"

GUEST_IMAGE(tour, "tour.bin");
GUEST_IMAGE(ask, "ask.bin");
GUEST_IMAGE(counter, "counter.bin");
GUEST_IMAGE(triple_fault, "triple_fault.bin");

#define TOUR_PORT     0x300u
#define TOUR_MMIO     0x200000u
#define MAILBOX_BYTES 256u

static void guest_begin(struct judge *judge, struct lab03_input *in, const uint8_t *image,
                        size_t size, enum guest_mode mode)
{
    *in = (struct lab03_input){.kick_at = LAB03_NEVER,
                               .mode = mode,
                               .image_size = (uint32_t)size,
                               .steps = {LAB03_STEP_RUN},
                               .device_count = 2,
                               .devices = {{.base = TOUR_PORT, .length = 64},
                                           {.base = TOUR_MMIO, .length = 64, .bus = 1}}};
    memcpy(in->image, image, size);
    random_fill(judge, in->answers, sizeof in->answers);
    random_fill(judge, in->mailbox, sizeof in->mailbox);
}

static uint64_t kernel_interruptions(const struct evidence *e)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count; i++)
        n += e->events.list[i].kind == EVENT_USERSPACE_EXIT &&
             (int32_t)e->events.list[i].value == -EINTR;
    return n;
}

/* How often the kernel entered the guest and KVM_RUN then came back with EINTR: kicks that found a
 * guest. */
static uint32_t kernel_pulls(const struct evidence *e)
{
    uint32_t pulls = 0;
    bool inside = false;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        inside |= event->kind == EVENT_ENTRY;
        if (event->kind != EVENT_USERSPACE_EXIT)
            continue;
        pulls += inside && (int32_t)event->value == -EINTR;
        inside = false;
    }
    return pulls;
}

/* How often KVM_RUN came back with EINTR and had not entered: it found immediate_exit set, or a
 * signal pending. */
static uint32_t kernel_refusals(const struct evidence *e)
{
    return (uint32_t)kernel_interruptions(e) - kernel_pulls(e);
}

static const struct evidence *guest_run(struct judge *judge, const struct lab03_input *in)
{
    static const struct window mailbox = {
        .name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = MAILBOX_BYTES};
    const struct run_spec spec = {.entry = LAB03_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = in,
                                  .input_size = sizeof *in,
                                  .windows = &mailbox,
                                  .window_count = 1};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_output));

    CHECK(judge, output_of(e)->ready, "a guest can be loaded (parts 01 and 02)",
          "one of their functions failed");
    handler_expect(judge, output_of(e)->no_handler);
    CHECK(judge, kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY) > 0,
          "vcpu_run() runs the guest", "the kernel has no VM entry; it returned %d",
          output_of(e)->runs[0].result);
    CHECK(judge, !output_of(e)->stuck, "vcpu_run() comes back",
          "it was still running 4 seconds later; KVM_RUN was called %u times with "
          "immediate_exit = 1 (EINTR at once, no guest ran)",
          kernel_refusals(e));
    return e;
}

/* How often the kernel told user space of a reason (KVM_RUN returned 0). */
static uint64_t kernel_exits(const struct evidence *e, uint32_t reason)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count; i++)
        n += e->events.list[i].kind == EVENT_USERSPACE_EXIT &&
             (int32_t)e->events.list[i].value >= 0 && e->events.list[i].reason == reason;
    return n;
}

static void counters_expect(struct judge *judge, const struct evidence *e)
{
    const struct lab03_output *out = output_of(e);

    for (uint32_t reason = 0; reason < VCPU_EXIT_REASONS - 1; reason++)
        CHECK(judge, out->exits[reason] == kernel_exits(e, reason),
              "vcpu->exits[] agrees with the kernel's kvm_userspace_exit records",
              "%s: the kernel has %" PRIu64 ", vcpu->exits[%u] says %" PRIu64,
              exit_name(reason), kernel_exits(e, reason), reason, out->exits[reason]);
    CHECK(judge, out->interrupted == kernel_interruptions(e),
          "vcpu->interrupted agrees with the kernel's kvm_userspace_exit records",
          "the kernel has %" PRIu64 " with EINTR, vcpu->interrupted says %" PRIu64,
          kernel_interruptions(e), out->interrupted);
}

/* What the tour guest does, in its order: element size, count, where, direction, and the
 * mailbox slot that it writes from or reads into. */
struct tour_step {
    uint32_t size, count;
    uint64_t address;
    bool write;
    uint32_t slot;
};

static const struct tour_step tour_steps[] = {
    {1, 1, TOUR_PORT, true, 0},       {2, 1, TOUR_PORT + 1, true, 1},
    {4, 1, TOUR_PORT + 4, true, 2},   {1, 1, TOUR_PORT, false, 16},
    {2, 1, TOUR_PORT + 1, false, 17}, {4, 1, TOUR_PORT + 4, false, 18},
    {1, 5, TOUR_PORT + 8, true, 3},   {4, 4, TOUR_PORT + 8, true, 4},
    {1, 7, TOUR_PORT + 8, false, 19}, {4, 3, TOUR_PORT + 8, false, 20},
    {1, 1, TOUR_MMIO + 1, true, 6},   {2, 1, TOUR_MMIO + 2, true, 7},
    {4, 1, TOUR_MMIO + 4, true, 8},   {8, 1, TOUR_MMIO + 8, true, 9},
    {1, 1, TOUR_MMIO + 1, false, 22}, {2, 1, TOUR_MMIO + 2, false, 23},
    {4, 1, TOUR_MMIO + 4, false, 24}, {8, 1, TOUR_MMIO + 8, false, 25},
};

#define TOUR_STEPS (sizeof tour_steps / sizeof tour_steps[0])

/* The step as the devices saw it; reads leave their bytes in the expected mailbox. */
static uint32_t tour_step_follow(struct judge *judge, const struct lab03_input *in,
                                 const struct lab03_output *out,
                                 const struct tour_step *step, uint32_t call,
                                 uint8_t *mailbox)
{
    uint8_t *data = mailbox + step->slot * 8;

    for (uint32_t i = 0; i < step->count; i++, call++, data += step->size) {
        const struct lab03_access *seen = &out->accesses[call];

        CHECK(judge,
              call < out->access_count && seen->address == step->address &&
                  seen->size == step->size && seen->is_write == step->write,
              "devices see the guest's accesses, one by one and in order",
              "access %u was a %s of %u at %#" PRIx64 "; the guest did a %s of %u at "
              "%#" PRIx64,
              call + 1, seen->is_write ? "write" : "read", seen->size, seen->address,
              step->write ? "write" : "read", step->size, step->address);
        if (!step->write)
            memcpy(data, &in->answers[call], step->size);
        CHECK(judge, memcmp(seen->data, data, step->size) == 0,
              "devices get what the guest wrote",
              "access %u at %#" PRIx64 ": %#" PRIx64 ", the guest wrote %#" PRIx64,
              call + 1, step->address, number_of(seen->data, step->size),
              number_of(data, step->size));
    }
    return call;
}

/* How many bytes the kernel saw go through an address in one direction. */
static uint64_t kernel_bytes(const struct evidence *e, uint64_t address, bool write)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_PIO && event->address == address &&
            (event->write != 0) == write)
            bytes += (uint64_t)event->size * event->count;
    }
    return bytes;
}

/* Is there a record of this single access, with its value? */
static bool kernel_saw(const struct evidence *e, const struct tour_step *step,
                       uint64_t value)
{
    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if ((event->kind == EVENT_PIO || event->kind == EVENT_MMIO) &&
            event->address == step->address && (event->write != 0) == step->write &&
            event->size == step->size && event->value == value)
            return true;
    }
    return false;
}

static void tour_kernel_expect(struct judge *judge, const struct evidence *e,
                               const uint8_t *mailbox)
{
    for (size_t i = 0; i < TOUR_STEPS; i++) {
        const struct tour_step *step = &tour_steps[i];
        uint64_t value = number_of(mailbox + step->slot * 8, step->size);

        CHECK(judge, step->count > 1 || kernel_saw(e, step, value),
              "the kernel's kvm_pio and kvm_mmio records have the values of the devices",
              "no record of a %s of %u at %#" PRIx64 " with value %#" PRIx64,
              step->write ? "write" : "read", step->size, step->address, value);
    }
    CHECK(judge,
          kernel_bytes(e, TOUR_PORT + 8, true) == 5 + 16 &&
              kernel_bytes(e, TOUR_PORT + 8, false) == 7 + 12,
          "string instructions move all of their elements",
          "the kernel saw %" PRIu64 " bytes go out and %" PRIu64 " come in; %d and %d are "
          "what the guest does",
          kernel_bytes(e, TOUR_PORT + 8, true), kernel_bytes(e, TOUR_PORT + 8, false),
          5 + 16, 7 + 12);
}

void counters_agree_with_the_kernel(struct judge *judge)
{
    static struct lab03_input in;
    uint8_t mailbox[MAILBOX_BYTES];
    uint32_t call = 0;

    guest_begin(judge, &in, tour, GUEST_IMAGE_SIZE(tour), GUEST_LONG64);
    memcpy(mailbox, in.mailbox, sizeof mailbox);
    const struct evidence *e = guest_run(judge, &in);
    for (size_t i = 0; i < TOUR_STEPS; i++) {
        const struct tour_step *step = &tour_steps[i];

        /* A narrow read is stored as a whole slot. */
        if (!step->write && step->count == 1)
            memset(mailbox + step->slot * 8, 0, 8);
        call = tour_step_follow(judge, &in, output_of(e), step, call, mailbox);
    }
    status_expect(judge, e, 0, RUN_HALTED, "the guest halted after its accesses");
    CHECK(judge, output_of(e)->access_count == call, "devices are called once an access",
          "%u calls, the guest did %u accesses", output_of(e)->access_count, call);
    for (uint32_t slot = 0; slot < MAILBOX_BYTES / 8; slot++)
        CHECK(judge, window_u64(e, 0, 0, slot * 8) == number_of(mailbox + slot * 8, 8),
              "what devices answered is in the guest's memory",
              "at GPA %#x: %#" PRIx64 ", it was to be %#" PRIx64,
              GUEST_MAILBOX_GPA + slot * 8, window_u64(e, 0, 0, slot * 8),
              number_of(mailbox + slot * 8, 8));
    counters_expect(judge, e);
    tour_kernel_expect(judge, e, mailbox);
}

#define ASK_BEHIND_IN 5u /* mov dx, 0310h has 3 bytes, in eax, dx has 2 */

void kicked_instruction_is_complete(struct judge *judge)
{
    static struct lab03_input in;

    guest_begin(judge, &in, ask, GUEST_IMAGE_SIZE(ask), GUEST_REAL16);
    in.kick_at = 0;
    in.steps[1] = LAB03_STEP_RUN;
    uint32_t answer = (uint32_t)in.answers[0];
    const struct evidence *e = guest_run(judge, &in);
    const struct lab03_run *kicked = &output_of(e)->runs[0];

    status_expect(judge, e, 0, RUN_KICKED, "the device called vcpu_kick() during an IN");
    CHECK(judge, kicked->rip == ASK_BEHIND_IN && (uint32_t)kicked->rax == answer,
          "in a kicked run the guest has finished the instruction of its exit, no more",
          "KVM_GET_REGS: rip %#" PRIx64 ", eax %#x; behind the IN rip is %#x, eax %#x",
          kicked->rip, (uint32_t)kicked->rax, ASK_BEHIND_IN, answer);
    status_expect(judge, e, 1, RUN_HALTED, "the run after the kicked one");
    CHECK(judge, window_u32(e, 0, 0, 0) == answer && output_of(e)->access_count == 1,
          "the guest goes on with the answer that the device gave",
          "at GPA 8000h: %#x, the device answered %#x (asked %u times)",
          window_u32(e, 0, 0, 0), answer, output_of(e)->access_count);
}

void triple_fault_is_a_shutdown(struct judge *judge)
{
    static struct lab03_input in;
    const struct tour_step number = {2, 1, 0x320, true, 0};

    guest_begin(judge, &in, triple_fault, GUEST_IMAGE_SIZE(triple_fault), GUEST_REAL16);
    const struct evidence *e = guest_run(judge, &in);
    status_expect(judge, e, 0, RUN_SHUTDOWN, "the guest had a triple fault");
    CHECK(judge, kernel_saw(e, &number, (uint16_t)in.mailbox[0]),
          "the guest ran: it wrote its number to port 320h first",
          "the kernel has no record of %#x", (uint16_t)in.mailbox[0]);
    counters_expect(judge, e);
}

/* Time from the first VM entry to the last return to user space, in milliseconds. */
static double kernel_span_ms(const struct evidence *e)
{
    uint64_t from = 0, to = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        if (e->events.list[i].kind == EVENT_ENTRY && !from)
            from = e->events.list[i].time_ns;
        if (e->events.list[i].kind == EVENT_USERSPACE_EXIT)
            to = e->events.list[i].time_ns;
    }
    return to > from ? (double)(to - from) / 1e6 : 0;
}

void spinning_guest_is_stopped(struct judge *judge)
{
    static struct lab03_input in;

    guest_begin(judge, &in, counter, GUEST_IMAGE_SIZE(counter), GUEST_REAL16);
    in.mailbox[0] &= 0xffff;
    in.strays = 2;
    in.kick_after_ms = 15 + (uint32_t)judge_random_below(judge, 6);
    const struct evidence *e = guest_run(judge, &in);
    status_expect(judge, e, 0, RUN_KICKED, "the guest counts for ever, then a kick came");
    CHECK(judge, output_of(e)->runs[0].immediate_exit == 0,
          "the kick is used up: the next KVM_RUN enters the guest",
          "after the run immediate_exit is still 1: from now on KVM_RUN returns EINTR at "
          "once, and no guest runs");
    CHECK(judge, kernel_interruptions(e) >= 2,
          "signals that are no kick do not end the run; the kick does",
          "two signals and a kick were sent; the kernel saw KVM_RUN interrupted %" PRIu64
          " times",
          kernel_interruptions(e));
    CHECK(judge, kernel_span_ms(e) >= in.kick_after_ms / 2.0,
          "the guest runs until its deadline",
          "the kick came %u ms after the start; by the kernel's clock the guest had "
          "only %.1f ms",
          in.kick_after_ms, kernel_span_ms(e));
    CHECK(judge, window_u64(e, 0, 0, 0) != in.mailbox[0],
          "the guest counted in its memory meanwhile",
          "the number at GPA 8000h is still %#x", window_u32(e, 0, 0, 0));
    counters_expect(judge, e);
}

#define TRIES   10000u
#define WATCHED 200u /* one kick in so many finds a guest that runs, for sure */

/* A forger's numbers are cheap; guests that ran and were pulled out are in the kernel's record. */
static void pulls_expect(struct judge *judge, const struct evidence *e, uint32_t due)
{
    const uint32_t pulls = kernel_pulls(e);

    CHECK(judge, pulls >= due,
          "kicks find guests that run, and KVM_RUN comes back with EINTR",
          "%u kicks came when the guest was counting; the kernel saw %u times that a guest "
          "was entered and KVM_RUN then ended with EINTR, and KVM_RUN was called %u times "
          "with immediate_exit = 1 (EINTR at once, no guest ran): who clears it?",
          due, pulls, kernel_refusals(e));
}

void no_kick_is_lost(struct judge *judge)
{
    struct lab03_kicks_input in = {.tries = TRIES,
                                   .sleepers = 400,
                                   .sleep_us = 60,
                                   .watched = WATCHED,
                                   .image_size = (uint32_t)GUEST_IMAGE_SIZE(counter),
                                   .seed = judge_random(judge)};
    const struct run_spec spec = {.entry = LAB03_KICKS,
                                  .flags = RUN_TRACE,
                                  .input = &in,
                                  .input_size = sizeof in,
                                  .deadline_ms = 60000};

    memcpy(in.image, counter, in.image_size);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab03_kicks_output));
    const struct lab03_kicks_output *out = (const void *)e->answer;
    CHECK(judge, out->ready, "vcpu_kick_init() works and a guest can be loaded",
          "one of them failed");
    handler_expect(judge, out->no_handler);
    CHECK(judge, !out->lost, "no kick is lost, whenever it comes",
          "kick %u of %u was lost: 4 seconds later vcpu_run() had not come back",
          out->tries, TRIES);
    CHECK(judge, out->tries == TRIES && out->kicked == TRIES && out->others == 0,
          "each kick ends one run with RUN_KICKED",
          "%u kicks, %u runs ended with RUN_KICKED, %u otherwise", out->tries, out->kicked,
          out->others);
    pulls_expect(judge, e, TRIES / WATCHED);
}
