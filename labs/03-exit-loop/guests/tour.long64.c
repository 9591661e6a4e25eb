/* tour.long64.c - every kind of access that a device can answer, in each direction.
 *
 * Mailbox, filled before the run: 0 to 9 numbers to write. Written by the guest: 16 to 25
 * what it read. The guest ends with HLT. */
#include "guest.h"

#define PORT 0x300     /* up to PORT + 11: single accesses at +0, +1, +4, strings at +8 */
#define MMIO 0x200000u /* no memory there */

static void ports(void)
{
    out8(PORT, (uint8_t)MAILBOX(0));
    out16(PORT + 1, (uint16_t)MAILBOX(1));
    out32(PORT + 4, (uint32_t)MAILBOX(2));
    MAILBOX(16) = in8(PORT);
    MAILBOX(17) = in16(PORT + 1);
    MAILBOX(18) = in32(PORT + 4);
}

/* One instruction moves several elements. */
static void strings(void)
{
    outs8(PORT + 8, (const void *)&MAILBOX(3), 5);
    outs32(PORT + 8, (const void *)&MAILBOX(4), 4);
    ins8(PORT + 8, (void *)&MAILBOX(19), 7);
    ins32(PORT + 8, (void *)&MAILBOX(20), 3);
}

static void memory(void)
{
    AT8(MMIO + 1) = (uint8_t)MAILBOX(6);
    AT16(MMIO + 2) = (uint16_t)MAILBOX(7);
    AT32(MMIO + 4) = (uint32_t)MAILBOX(8);
    AT64(MMIO + 8) = MAILBOX(9);
    MAILBOX(22) = AT8(MMIO + 1);
    MAILBOX(23) = AT16(MMIO + 2);
    MAILBOX(24) = AT32(MMIO + 4);
    MAILBOX(25) = AT64(MMIO + 8);
}

void guest_main(void)
{
    ports();
    strings();
    memory();
}
