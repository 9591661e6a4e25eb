/* silicon.c - on silicon: what was synced, or posted while the guest runs, is delivered by the
 * processor, without exits. */
#include "checks.h"

#include <inttypes.h>
#include <string.h>

#include "judge/guest_image.h"
#include "posted_interrupt.h"
#include "silicon/silicon.h"

GUEST_IMAGE(virtual_guest, "virtual.bin");

#define VAPIC_HPA     SILICON_FREE_HPA
#define SILICON_POSTS 48

/* Without an exit for EOI, register 80Bh of the x2APIC: writes of MSRs up to 1FFFh are the
 * bits from byte 800h on. (SDM 3C 25.6.9) */
static void eoi_let_through(struct silicon *s)
{
    uint8_t bits = 0xff & ~(1u << (0x80b % 8));

    silicon_put(s, SILICON_MSR_BITMAP_HPA + 0x800 + 0x80b / 8, &bits, 1);
}

static void virtual_apic_use(struct silicon *s, const struct lab07_snapshot *last,
                             const uint8_t *page)
{
    struct vmx_controls *c = &s->job.controls;

    c->pin |= PIN_EXTERNAL_INTERRUPT_EXITING; /* a condition for the last control here */
    c->primary |= PRIMARY_USE_TPR_SHADOW | PRIMARY_SECONDARY_CONTROLS;
    c->secondary |= SECONDARY_VIRTUALIZE_X2APIC_MODE | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY;
    c->virtual_apic = VAPIC_HPA;
    s->job.guest.interrupt_status = (last->rvi & 0xff) | (last->svi & 0xff) << 8;
    silicon_put(s, VAPIC_HPA, page, VAPIC_PAGE_SIZE);
}

static uint32_t mailbox_word(const struct silicon *s, uint32_t at)
{
    uint32_t word;

    memcpy(&word, s->windows[0].bytes + at, sizeof word);
    return word;
}

/* Posts some vectors, in any order; one pid_sync() moves them. */
static const struct lab07_script_output *silicon_script(struct judge *judge, uint32_t tpr,
                                                        struct vectors *posted)
{
    call_add((struct lab07_call){.op = LAB07_TPR, .value = tpr});
    call_add((struct lab07_call){.op = LAB07_RUN, .a = 1});
    for (uint32_t i = 0; i < SILICON_POSTS; i++) {
        uint32_t vector = mixed_vector(judge, i);

        vectors_put(posted, vector, true);
        call_add((struct lab07_call){.op = LAB07_POST, .a = vector});
    }
    call_add((struct lab07_call){.op = LAB07_SYNC});
    return script_run(judge);
}

/* From the n-th interrupt on, the guest has taken what is posted and above VTPR, and that is
 * removed from posted. Returns how many interrupts that makes. */
static uint32_t silicon_order_compare(struct judge *judge, const struct silicon *s,
                                      uint32_t n, struct vectors *posted, uint32_t tpr)
{
    const uint8_t *mailbox = s->windows[0].bytes;
    uint32_t taken = mailbox_word(s, TAKEN_AT);

    for (unsigned v = 256; v-- > 0;) {
        if (!vectors_has(posted, v) || v / 16 <= tpr / 16)
            continue;
        CHECK(judge, n < taken && mailbox[ORDER_AT + n] == v,
              "the CPU delivers all that was posted, highest vector first",
              "interrupt %u was to be %02Xh; the guest took %02Xh (%u in all)", n + 1, v,
              n < taken ? mailbox[ORDER_AT + n] : 0, taken);
        vectors_put(posted, v, false);
        n++;
    }
    return n;
}

static void silicon_taken_all(struct judge *judge, const struct silicon *s, uint32_t n,
                              const struct vectors *held, uint32_t tpr)
{
    uint32_t taken = mailbox_word(s, TAKEN_AT), irr[8];

    CHECK(judge, taken == n, "the CPU delivers nothing else",
          "the guest took %u interrupts, %u were above VTPR %02Xh", taken, n, tpr);
    for (unsigned i = 0; i < 8; i++)
        memcpy(&irr[i], s->windows[1].bytes + VAPIC_IRR + i * 16, 4);
    registers_compare(judge, irr, held, "VIRR", "what VTPR holds back, after the run");
}

void silicon_delivers_without_exits(struct judge *judge)
{
    uint32_t tpr = 0x30 + (uint32_t)judge_random_below(judge, 64);
    struct vectors posted = {{0}};
    const struct lab07_script_output *out = silicon_script(judge, tpr, &posted);
    struct silicon *s = silicon_new(judge);

    silicon_guest(s, virtual_guest, GUEST_IMAGE_SIZE(virtual_guest), GUEST_REAL16);
    eoi_let_through(s);
    virtual_apic_use(s, &out->snapshots[out->call_count - 1], out->page);
    silicon_window(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, MAILBOX_WINDOW);
    silicon_window(s, VAPIC_HPA, VAPIC_PAGE_SIZE);
    silicon_run_to_end(s, "the guest takes its interrupts and comes to its end");
    uint32_t taken = silicon_order_compare(judge, s, 0, &posted, tpr);
    CHECK(judge, s->log.record_count == 1, "interrupts are delivered without a VM exit",
          "%u VM exits; the one at the guest's end is the only one allowed",
          s->log.record_count);
    silicon_taken_all(judge, s, taken, &posted, tpr);
}

/* --- posted while the guest runs: the processor does what pid_sync() does -------------------- */

/* (Aligned to a page because Bochs 3.0 wants that; the SDM asks for 64 bytes.) */
#define PID_HPA         (SILICON_FREE_HPA + VAPIC_PAGE_SIZE)
#define PID_USED        5 /* words that mean something */
#define BATCH_POSTS     24u
#define NOTIFY_AT       0x8u
#define TAKEN_FIRST_AT  0x18u
#define TAKEN_SECOND_AT 0x1cu

/* What was posted to a running vCPU, and the notification of the first post. */
struct batch {
    struct vectors posted;
    uint64_t pid[PID_USED];
    uint32_t notification[2]; /* vector, APIC ID */
};

static void batch_post(struct judge *judge, struct vectors *posted)
{
    for (uint32_t i = 0; i < BATCH_POSTS; i++) {
        uint32_t vector = mixed_vector(judge, i);

        vectors_put(posted, vector, true);
        call_add((struct lab07_call){.op = LAB07_POST, .a = vector});
    }
}

static void batch_take(struct judge *judge, struct batch *b,
                       const struct lab07_snapshot *posts)
{
    CHECK(judge, posts[0].notifications == 1,
          "the first post to a running vCPU notifies it", "notify() was called %u times",
          posts[0].notifications);
    memcpy(b->pid, posts[BATCH_POSTS - 1].words, sizeof b->pid);
    b->notification[0] = posts[0].vector;
    b->notification[1] = posts[0].destination;
}

/* Two batches for the vCPU on the emulated processor (APIC ID 0): one is there when the guest
 * starts, the other one is posted later. */
static void batches_make(struct judge *judge, struct batch batch[2])
{
    call_add((struct lab07_call){.op = LAB07_RUN, .a = 0});
    batch_post(judge, &batch[0].posted);
    call_add((struct lab07_call){.op = LAB07_SYNC});
    batch_post(judge, &batch[1].posted);
    const struct lab07_script_output *out = script_run(judge);
    batch_take(judge, &batch[0], &out->snapshots[1]);
    batch_take(judge, &batch[1], &out->snapshots[BATCH_POSTS + 2]);
}

/* The guest sends the notifications itself, through the true APIC of its processor. In the bitmap,
 * reads of low MSRs are from byte 0 on, writes from 800h on. (SDM 3C 25.6.9) */
static void apic_let_through(struct silicon *s)
{
    static const uint32_t msrs[] = {0x1b, 0x80b, 0x80f, 0x830};
    uint8_t bits[0x1000];

    memset(bits, 0xff, sizeof bits);
    for (unsigned i = 0; i < COUNT(msrs); i++) {
        bits[msrs[i] / 8] &= (uint8_t) ~(1u << msrs[i] % 8);
        bits[0x800 + msrs[i] / 8] &= (uint8_t) ~(1u << msrs[i] % 8);
    }
    silicon_put(s, SILICON_MSR_BITMAP_HPA, bits, sizeof bits);
}

static void descriptor_use(struct silicon *s, const struct batch batch[2])
{
    s->job.controls.notification_vector = POSTED_ACTIVE_VECTOR;
    s->job.controls.posted_interrupt_descriptor = PID_HPA;
    silicon_put(s, PID_HPA, batch[0].pid, sizeof batch[0].pid);
    for (unsigned i = 0; i < PID_USED; i++)
        silicon_write_add(s, PID_HPA + 8 * i, batch[1].pid[i]);
    for (unsigned i = 0; i < 2; i++)
        silicon_put(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA + NOTIFY_AT + 8 * i,
                    batch[i].notification, sizeof batch[i].notification);
}

static struct silicon *posting_prepare(struct judge *judge, const struct batch batch[2],
                                       uint32_t tpr, bool processing)
{
    const struct lab07_snapshot none = {.rvi = 0};
    const uint8_t page[VAPIC_PAGE_SIZE] = {[VAPIC_TPR] = (uint8_t)tpr};
    struct silicon *s = silicon_new(judge);

    silicon_guest(s, virtual_guest, GUEST_IMAGE_SIZE(virtual_guest), GUEST_REAL16);
    virtual_apic_use(s, &none, page);
    apic_let_through(s);
    descriptor_use(s, batch);
    s->job.controls.pin |= processing ? PIN_POSTED_INTERRUPTS : 0;
    s->job.controls.exit |=
        EXIT_ACKNOWLEDGE_INTERRUPT; /* it is a condition of the former */
    silicon_window(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, MAILBOX_WINDOW);
    silicon_window(s, VAPIC_HPA, VAPIC_PAGE_SIZE);
    silicon_window(s, PID_HPA, sizeof batch[0].pid);
    return s;
}

/* What the guest took: the first batch at once, the second one when its interrupts were on
 * again, and with it what VTPR holds back of neither. */
static void taking_judge(struct judge *judge, const struct silicon *s,
                         const struct batch batch[2], uint32_t tpr)
{
    struct vectors waiting = batch[0].posted;
    uint32_t taken = silicon_order_compare(judge, s, 0, &waiting, tpr);
    uint32_t first = mailbox_word(s, TAKEN_FIRST_AT),
             second = mailbox_word(s, TAKEN_SECOND_AT);

    CHECK(judge, first == taken && second == taken,
          "a notification is dealt with at once, and interrupts come when IF = 1",
          "due were %u; when the first notification had come, the guest had taken %u; "
          "after the second, with IF = 0, %u",
          taken, first, second);
    for (unsigned i = 0; i < 4; i++)
        waiting.bits[i] |= batch[1].posted.bits[i];
    taken = silicon_order_compare(judge, s, taken, &waiting, tpr);
    silicon_taken_all(judge, s, taken, &waiting, tpr);
}

static void processing_judge(struct judge *judge, const struct batch batch[2], uint32_t tpr)
{
    struct silicon *s = posting_prepare(judge, batch, tpr, true);
    uint64_t left[PID_USED];

    silicon_run_to_end(s, "a running guest takes what is posted, and comes to its end");
    taking_judge(judge, s, batch, tpr);
    memcpy(left, s->windows[2].bytes, sizeof left);
    CHECK(judge,
          !(left[0] | left[1] | left[2] | left[3]) &&
              left[4] == (batch[1].pid[4] & ~PID_ON),
          "the processor moves PIR into VIRR, clears ON and changes nothing else",
          "PIR has %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64
          ", control is %#" PRIx64 ", was %#" PRIx64,
          left[3], left[2], left[1], left[0], left[4], batch[1].pid[4]);
    CHECK(judge, s->log.record_count == PID_USED + 1,
          "what is posted is delivered without a VM exit",
          "%u VM exits; %d are calls of the guest", s->log.record_count, PID_USED + 1);
}

/* Bit 7 of the pin-based controls off: an interrupt like any other. This is about the emulator:
 * without it, nobody could say who has dealt with the notification above. */
static void control_run(struct judge *judge, const struct batch batch[2], uint32_t tpr)
{
    struct silicon *s = posting_prepare(judge, batch, tpr, false);

    silicon_run(s);
    if (s->log.record_count != 1 ||
        s->records[0].exit_reason != VMX_EXIT_EXTERNAL_INTERRUPT ||
        (s->records[0].interruption_info & 0xff) != POSTED_ACTIVE_VECTOR ||
        memcmp(s->windows[2].bytes, batch[0].pid, sizeof batch[0].pid) != 0)
        judge_error(judge,
                    "with bit 7 of the pin-based controls off the notification has to be "
                    "VM exit 1, with PIR untouched; there were %u exits",
                    s->log.record_count);
}

void silicon_takes_what_is_posted(struct judge *judge)
{
    uint32_t tpr = 0x30 + (uint32_t)judge_random_below(judge, 64);
    struct batch batch[2] = {{.pid = {0}}};

    silicon_want_bochs_3(judge, "this Bochs is older than 3.0: it has no posted-interrupt "
                                "processing (Debian 13's has)");
    batches_make(judge, batch);
    processing_judge(judge, batch, tpr);
    control_run(judge, batch, tpr);
}
