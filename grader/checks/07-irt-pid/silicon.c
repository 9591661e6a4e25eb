/* silicon.c - on silicon: what was synced is delivered by the processor, without exits. */
#include "checks.h"

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

static void silicon_order_compare(struct judge *judge, const struct silicon *s,
                                  struct vectors *posted, uint32_t tpr)
{
    const uint8_t *mailbox = s->windows[0].bytes;
    uint32_t taken, n = 0;

    memcpy(&taken, mailbox + TAKEN_AT, sizeof taken);
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
    CHECK(judge, taken == n, "the CPU delivers nothing else",
          "the guest took %u interrupts, %u were above VTPR %02Xh", taken, n, tpr);
}

void silicon_delivers_without_exits(struct judge *judge)
{
    uint32_t tpr = 0x30 + (uint32_t)judge_random_below(judge, 64);
    struct vectors posted = {{0}};
    struct lab07_snapshot after = {.rvi = 0};
    const struct lab07_script_output *out = silicon_script(judge, tpr, &posted);
    struct silicon *s = silicon_new(judge);

    silicon_guest(s, virtual_guest, GUEST_IMAGE_SIZE(virtual_guest), GUEST_REAL16);
    eoi_let_through(s);
    virtual_apic_use(s, &out->snapshots[out->call_count - 1], out->page);
    silicon_window(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, MAILBOX_WINDOW);
    silicon_window(s, VAPIC_HPA, VAPIC_PAGE_SIZE);
    silicon_run_to_end(s, "the guest takes its interrupts and comes to its end");
    silicon_order_compare(judge, s, &posted, tpr);
    CHECK(judge, s->log.record_count == 1, "interrupts are delivered without a VM exit",
          "%u VM exits; the one at the guest's end is the only one allowed",
          s->log.record_count);
    for (unsigned i = 0; i < 8; i++)
        memcpy(&after.irr[i], s->windows[1].bytes + VAPIC_IRR + i * 16, 4);
    registers_compare(judge, after.irr, &posted, "VIRR",
                      "what VTPR holds back, after the run");
}
