/* machine.c - on the machine: a vCPU of the real KVM, posters on other threads. */
#include "checks.h"

#include <inttypes.h>
#include <string.h>

#include "guest_loader.h"
#include "judge/guest_image.h"

GUEST_IMAGE(counts, "counts.bin");

#define COUNTS_AT 0x400u

static void guest_begin(struct judge *judge, struct lab07_guest_input *in)
{
    *in = (struct lab07_guest_input){.posters = 3,
                                     .image_size = (uint32_t)GUEST_IMAGE_SIZE(counts),
                                     .apic_id = (uint32_t)judge_random(judge)};
    memcpy(in->image, counts, in->image_size);
}

static void round_add(struct judge *judge, struct lab07_guest_input *in, uint32_t when,
                      uint32_t count)
{
    struct lab07_round *round = &in->rounds[in->round_count++];
    struct vectors used = {{0}};

    round->when = when;
    while (round->count < count) {
        uint32_t vector = mixed_vector(judge, round->count);

        if (!vectors_has(&used, vector))
            round->vectors[round->count++] = (uint8_t)vector;
        vectors_put(&used, vector, true);
    }
}

static const struct evidence *guest_run(struct judge *judge,
                                        const struct lab07_guest_input *in)
{
    static const char *const whens[] = {"running", "ready", "halted"};
    static const struct window mailbox = {
        .name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = MAILBOX_WINDOW};
    const struct run_spec spec = {.entry = LAB07_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = in,
                                  .input_size = sizeof *in,
                                  .windows = &mailbox,
                                  .window_count = 1,
                                  .deadline_ms = 20000};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab07_guest_output));
    const struct lab07_guest_output *out = (const void *)e->answer;

    CHECK(judge, out->ready, "a guest can be loaded (parts 01 to 03)",
          "one of their functions failed");
    CHECK(judge, kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY) > 0,
          "the guest runs", "the kernel has no VM entry");
    CHECK(judge, e->windows[0][0].length == MAILBOX_WINDOW, "the guest's memory is there",
          "no memfd guest-ram of the size that the dispatcher has made");
    CHECK(judge, !out->run_error, "the vCPU can be run and be given interrupts",
          "vcpu_run() or KVM_INTERRUPT failed in round %u", out->rounds_done + 1);
    CHECK(judge, out->bad_notifications == 0,
          "notifications go to the vCPU's processor, with ANV or WNV", "%u of %u did not",
          out->bad_notifications, out->notifications);
    CHECK(judge, !out->lost, "what is posted arrives",
          "round %u (%u interrupts while the vCPU was %s): for 3 seconds nothing came "
          "to the guest any more; it has taken %u in all",
          out->lost, in->rounds[(out->lost - 1) % LAB07_ROUNDS].count,
          whens[in->rounds[(out->lost - 1) % LAB07_ROUNDS].when % 3],
          window_u32(e, 0, 0, TAKEN_AT));
    return e;
}

/* The vectors that the kernel gave the guest, in order; returns how many. If a VM exit (a page
 * fault of the second level) comes in between, KVM injects the same one again: what counts is
 * the last one before each EOI of the guest's. */
static uint32_t kernel_injected(const struct evidence *e, uint8_t *vectors, uint32_t max)
{
    uint32_t n = 0;
    int last = -1;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_INJECT)
            last = (int)event->value;
        if (event->kind == EVENT_PIO && event->address == LAB07_EOI_PORT && last >= 0 &&
            n < max) {
            vectors[n++] = (uint8_t)last;
            last = -1;
        }
    }
    return n;
}

static void counts_compare(struct judge *judge, const struct evidence *e,
                           const struct lab07_guest_input *in)
{
    uint8_t injected[1024];
    uint32_t total = kernel_injected(e, injected, sizeof injected), posted[256] = {0};
    uint32_t kernel[256] = {0};

    for (uint32_t i = 0; i < total; i++)
        kernel[injected[i]]++;
    for (uint32_t i = 0; i < in->round_count; i++)
        for (uint32_t n = 0; n < in->rounds[i].count; n++)
            posted[in->rounds[i].vectors[n]]++;
    for (uint32_t v = 0; v < 256; v++) {
        uint32_t taken = window_u32(e, 0, 0, COUNTS_AT + v * 4);

        CHECK(judge, taken == posted[v],
              "each handler of the guest ran as often as its vector was posted",
              "vector %02Xh: posted %u times, the guest's count at GPA %#x is %u", v,
              posted[v], GUEST_MAILBOX_GPA + COUNTS_AT + v * 4, taken);
        CHECK(judge, kernel[v] == posted[v],
              "the kernel injected each vector as often as it was posted",
              "vector %02Xh: posted %u times, kvm_inj_virq %u times", v, posted[v],
              kernel[v]);
    }
}

void guest_counts_what_was_posted(struct judge *judge)
{
    static struct lab07_guest_input in;
    static const uint32_t whens[] = {LAB07_WHILE_RUNNING, LAB07_WHILE_HALTED,
                                     LAB07_WHILE_READY,   LAB07_WHILE_RUNNING,
                                     LAB07_WHILE_READY,   LAB07_WHILE_HALTED};
    uint32_t halts = 0;

    guest_begin(judge, &in);
    for (uint32_t i = 0; i < COUNT(whens); i++) {
        halts += whens[i] == LAB07_WHILE_HALTED;
        round_add(judge, &in, whens[i], 12 + (uint32_t)judge_random_below(judge, 12));
    }
    const struct evidence *e = guest_run(judge, &in);
    const struct lab07_guest_output *out = (const void *)e->answer;
    counts_compare(judge, e, &in);
    CHECK(judge,
          kvm_events_count(&e->events, EVENT_USERSPACE_EXIT, KVM_EXIT_HLT) >= halts &&
              out->sleeps >= halts && out->wakes >= halts,
          "a halted vCPU sleeps until it is woken",
          "%u rounds with a halted vCPU: it slept %u times, wake() was called %u times",
          halts, out->sleeps, out->wakes);
}

/* All of a round wait when the vCPU goes on: they have to come in order. */
void ready_guest_gets_highest_first(struct judge *judge)
{
    static struct lab07_guest_input in;
    uint8_t injected[1024];
    uint32_t at = 0;

    guest_begin(judge, &in);
    for (uint32_t i = 0; i < 3; i++)
        round_add(judge, &in, LAB07_WHILE_READY,
                  16 + (uint32_t)judge_random_below(judge, 16));
    const struct evidence *e = guest_run(judge, &in);
    const struct lab07_guest_output *out = (const void *)e->answer;
    counts_compare(judge, e, &in);
    kernel_injected(e, injected, sizeof injected);
    CHECK(judge, out->notifications == 0, "a ready vCPU is not notified (SN = 1)",
          "%u notifications were sent while it was ready", out->notifications);
    for (uint32_t i = 0; i < in.round_count; at += in.rounds[i++].count)
        for (uint32_t n = 1; n < in.rounds[i].count; n++)
            CHECK(judge, injected[at + n - 1] > injected[at + n],
                  "what waited while the vCPU was ready comes highest vector first",
                  "round %u: %02Xh came before %02Xh", i + 1, injected[at + n - 1],
                  injected[at + n]);
    for (uint32_t n = 0; n < at; n++)
        CHECK(judge, e->windows[0][0].bytes[ORDER_AT + n] == injected[n],
              "the guest's handlers ran in the order of injection",
              "number %u: handler of %02Xh, the kernel injected %02Xh", n + 1,
              e->windows[0][0].bytes[ORDER_AT + n], injected[n]);
}

/* --- real threads --------------------------------------------------------------------------- */

#define STRESS_ROUNDS 2000u

/* All at once, in the subject alone: its own word. */
static void stress_expect(struct judge *judge)
{
    const struct lab07_stress_input in = {
        .posters = LAB07_POSTERS, .rounds = STRESS_ROUNDS, .seed = judge_random(judge)};
    const struct run_spec spec = {
        .entry = LAB07_STRESS, .input = &in, .input_size = sizeof in, .deadline_ms = 15000};
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab07_stress_output));
    const struct lab07_stress_output *out = (const void *)e->answer;
    uint64_t posted = 0;

    CHECK(
        judge, !out->lost, "no interrupt is lost between real threads",
        "nothing came to the vCPU for 3 seconds, while interrupts were waiting for it; it "
        "had halted %u times, wake() had been called %u times",
        out->halts, out->wakes);
    for (unsigned v = 0; v < 256; v++) {
        posted += out->posted[v];
        CHECK(judge, out->posted[v] == out->taken[v], "what is posted is taken, once",
              "vector %02Xh: posted %" PRIu64 " times, taken %" PRIu64 " times", v,
              out->posted[v], out->taken[v]);
    }
    CHECK(judge, posted == (uint64_t)in.posters * in.rounds && out->stray_taken == 0,
          "what is posted is taken, once",
          "%" PRIu64 " posts of %u; %" PRIu64 " vectors were taken that nobody had posted",
          posted, in.posters * in.rounds, out->stray_taken);
}

/* Then threads post to a vCPU of the real KVM: what arrived, the kernel and the guest's memory say. */
void threads_lose_nothing(struct judge *judge)
{
    static struct lab07_guest_input in;

    stress_expect(judge);
    guest_begin(judge, &in);
    in.posters = LAB07_POSTERS;
    for (uint32_t i = 0; i < LAB07_ROUNDS; i++)
        round_add(judge, &in, LAB07_WHILE_RUNNING,
                  24 + (uint32_t)judge_random_below(judge, LAB07_ROUND_POSTS - 24));
    counts_compare(judge, guest_run(judge, &in), &in);
}
