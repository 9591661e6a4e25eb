/* driver.protected32.c - a guest's driver for the edu device: registers, a factorial,
 * DMA and interrupts, with nothing between it and the device.
 *
 * Mailbox, filled before the run:
 *   0 what to do (DO_*)      1 GPA of BAR 0      2 first number for the liveness register
 *   3 rounds, direct         4 GPA of the copy of BAR 0 that has no memory slot (trapped)
 *   5 rounds, trapped        6 number of the factorial
 *   7 vector of the device   8 number of DMA transfers
 *   9 ticks after which an interrupt counts as lost       10 raises
 *   32 + 4 n: source, destination, length, command of transfer n
 * Written by the guest:
 *   16 id register   17 sum, direct   18 sum, trapped   19 the factorial
 *   20 interrupts taken   21 all interrupt statuses seen, or-ed   22 sum of raised statuses
 *   23 what it waited for when an interrupt did not come (DO_*)   24 transfers done
 * It marks where it is by writing to port 0x80; a 255 there is its end. */
#include "guest.h"

#define DO_REGISTERS 1u
#define DO_TRAPPED   2u
#define DO_FACTORIAL 4u
#define DO_DMA       8u
#define DO_RAISE     16u

#define MARK_PORT 0x80
#define MARK_END  255
#define PAUSE_MAX 10000000u /* ticks */

#define LIVENESS   0x04
#define FACTORIAL  0x08
#define STATUS     0x20 /* 1: computing, 80h: interrupt when done */
#define IRQ_STATUS 0x24
#define IRQ_RAISE  0x60
#define IRQ_ACK    0x64
#define DMA_FROM   0x80
#define DMA_TO     0x88
#define DMA_LENGTH 0x90
#define DMA_START  0x98 /* 1: start, 2: device to memory, 4: interrupt when done */

/* The local APIC (SDM 3A 11.4.1). */
#define APIC          0xfee00000u
#define APIC_EOI      (APIC + 0xb0)
#define APIC_SPURIOUS (APIC + 0xf0)

struct interrupt_frame;

static uint64_t idt[256];
static volatile uint32_t taken, statuses;

#define REGISTER(offset) AT32((uint32_t)MAILBOX(1) + (offset))

__attribute__((interrupt)) static void device_interrupt(struct interrupt_frame *frame)
{
    uint32_t status = REGISTER(IRQ_STATUS);

    (void)frame;
    REGISTER(IRQ_ACK) = status;
    statuses |= status;
    MAILBOX(22) += status;
    taken++;
    AT32(APIC_EOI) = 0;
}

/* An interrupt gate of ring 0 (SDM 3A 6.11): offset, selector 8, present, type Eh. */
static void interrupts_prepare(void)
{
    uint32_t handler = (uint32_t)(uintptr_t)device_interrupt;
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {sizeof idt - 1, (uint32_t)(uintptr_t)idt};

    idt[(uint8_t)MAILBOX(7)] = (handler & 0xffffu) | 8u << 16 |
                               (uint64_t)((handler & 0xffff0000u) | 0x8e00u) << 32;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    AT32(APIC_SPURIOUS) = 0x1ff; /* on; spurious vector FFh */
    __asm__ volatile("sti");
}

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Waits until `count` interrupts have come. Spins: the machine loses the interrupt
 * shadow of STI, so "sti; hlt" could sleep for ever. A long pause between two looks at
 * the clock is the machine's, which stood still: it counts as a short one. */
static int interrupts_wait(uint32_t count, uint32_t doing)
{
    uint64_t waited = 0, last = ticks();

    while (taken < count) {
        uint64_t now = ticks();

        waited += now - last < PAUSE_MAX ? now - last : PAUSE_MAX;
        last = now;
        if (waited > MAILBOX(9)) {
            MAILBOX(23) = doing;
            return 0;
        }
    }
    return 1;
}

static uint32_t liveness_rounds(uint32_t bar, uint32_t rounds)
{
    uint32_t sum = 0, number = (uint32_t)MAILBOX(2);

    for (uint32_t i = 0; i < rounds; i++) {
        AT32(bar + LIVENESS) = number + i;
        sum = sum * 3 + AT32(bar + LIVENESS);
    }
    return sum;
}

static void registers(void)
{
    MAILBOX(16) = REGISTER(0); /* the first touch */
    out8(MARK_PORT, 1);
    MAILBOX(17) = liveness_rounds((uint32_t)MAILBOX(1), (uint32_t)MAILBOX(3));
    out8(MARK_PORT, 2);
}

static void trapped(void)
{
    out8(MARK_PORT, 3);
    MAILBOX(18) = liveness_rounds((uint32_t)MAILBOX(4), (uint32_t)MAILBOX(5));
    out8(MARK_PORT, 4);
}

static int factorial(void)
{
    uint32_t before = taken; /* the interrupt may be there before the next line is */

    REGISTER(STATUS) = 0x80;
    REGISTER(FACTORIAL) = (uint32_t)MAILBOX(6);
    if (!interrupts_wait(before + 1, DO_FACTORIAL))
        return 0;
    MAILBOX(19) = REGISTER(FACTORIAL);
    REGISTER(STATUS) = 0;
    return 1;
}

static int transfer(const volatile uint64_t *order)
{
    uint32_t before = taken;

    REGISTER(DMA_FROM) = (uint32_t)order[0];
    REGISTER(DMA_TO) = (uint32_t)order[1];
    REGISTER(DMA_LENGTH) = (uint32_t)order[2];
    REGISTER(DMA_START) = (uint32_t)order[3];
    if ((order[3] & 4) && !interrupts_wait(before + 1, DO_DMA))
        return 0;
    while (REGISTER(DMA_START) & 1)
        ;
    MAILBOX(24)++;
    return 1;
}

static int transfers(void)
{
    for (uint32_t i = 0; i < MAILBOX(8); i++)
        if (!transfer(&MAILBOX(32 + 4 * i)))
            return 0;
    return 1;
}

static int raises(void)
{
    for (uint32_t i = 0; i < MAILBOX(10); i++) {
        uint32_t before = taken;

        REGISTER(IRQ_RAISE) = 0x10000u + i;
        if (!interrupts_wait(before + 1, DO_RAISE))
            return 0;
    }
    return 1;
}

void guest_main(void)
{
    uint32_t what = (uint32_t)MAILBOX(0);
    int ok = 1;

    if (what & DO_REGISTERS)
        registers();
    if (what & DO_TRAPPED)
        trapped();
    if (what & (DO_FACTORIAL | DO_DMA | DO_RAISE))
        interrupts_prepare();
    if (what & DO_FACTORIAL)
        ok = factorial();
    if (ok && (what & DO_DMA))
        ok = transfers();
    if (ok && (what & DO_RAISE))
        raises();
    MAILBOX(20) = taken;
    MAILBOX(21) = statuses;
    out8(MARK_PORT, MARK_END);
}
