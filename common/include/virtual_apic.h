/* virtual_apic.h - contract of part 07, second third: interrupts that wait for a guest,
 * and which one is next.
 *
 * The virtual-APIC page looks like the registers of a local APIC (SDM 3C 30.1). A
 * register of 256 bits, one for each vector, is 8 pieces of 32 bits, each at the start of
 * 16 bytes:
 *
 *   vector v  ->  byte offset = register + (v / 32) * 16,  bit v % 32
 *
 *   080h VTPR   task priority, written by the guest
 *   0A0h VPPR   processor priority: what an interrupt has to be above of
 *   100h VISR   in service: delivered, not ended yet (no EOI)
 *   200h VIRR   requested: waiting for delivery
 *
 * With it goes the *guest interrupt status* of the VMCS (SDM 3C 25.4.2): RVI, the highest
 * vector in VIRR, and SVI, the highest one in VISR; 0: none.
 *
 * A vector's priority class is its upper half, bits 7:4. All of this belongs to one vCPU
 * and is touched by nobody but the thread that runs it: no atomics. Callers keep RVI
 * the highest of VIRR and SVI the highest of VISR; so does each function.
 *
 * To deliver an interrupt is to let its handler run now: it is not waiting any more
 * (VIRR), it is in service (VISR) until the guest writes EOI, and holds back its class
 * and those below.
 *
 * Source: Intel SDM volume 3C, 30.1 and 30.2 (virtual-interrupt delivery); the processor
 * does exactly this where that control is set.
 */
#ifndef VIRTUAL_APIC_H
#define VIRTUAL_APIC_H

#include <stdint.h>

#define VAPIC_PAGE_SIZE 4096u
#define VAPIC_TPR       0x080u
#define VAPIC_PPR       0x0a0u
#define VAPIC_ISR       0x100u
#define VAPIC_IRR       0x200u

struct virtual_apic {
    uint8_t *page; /* VAPIC_PAGE_SIZE bytes, aligned to it */
    uint8_t rvi, svi;
};

/* Requests the interrupts whose bits are set: bit n is vector word * 64 + n, with a word
 * of 0 to 3. What VIRR holds already stays, RVI never gets lower. (SDM 3C 30.6, steps 5
 * and 6) */
void vapic_request(struct virtual_apic *apic, unsigned word, uint64_t bits);

/* PPR virtualization (SDM 3C 30.1.3): VPPR = VTPR & FFh if VTPR's class >= SVI's class,
 * else SVI & F0h. Both are registers of 32 bits: bits 31:8 of VTPR may hold anything and
 * do not count; those of VPPR become 0, whatever they were. */
void vapic_update_ppr(struct virtual_apic *apic);

/* The vector that could be delivered now, or -1: RVI, if its class is above VPPR's class.
 * VPPR is brought up to date first. (SDM 3C 30.2.1) */
int vapic_pending(struct virtual_apic *apic);

/* Delivers it: out of VIRR, into VISR; RVI, SVI and VPPR as SDM 3C 30.2.2 has it. Returns
 * the vector, or -1 if none is pending (only VPPR may have changed then). */
int vapic_deliver(struct virtual_apic *apic);

/* The guest has written EOI (SDM 3C 30.1.4): the highest vector in service is done. SVI
 * and VPPR follow. Where nothing is in service, nothing happens (VPPR stays as it is,
 * too). */
void vapic_eoi(struct virtual_apic *apic);

#endif
