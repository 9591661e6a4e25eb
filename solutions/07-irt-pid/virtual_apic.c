/* virtual_apic.c - part 07, second third: interrupts that wait for a guest, which is next.
 * The contract of every function is in common/include/virtual_apic.h. */
#include "virtual_apic.h"

//@begin
//@ /* TODO 3: a 256-bit register is 8 pieces of 32 bits, 16 bytes apart. Helpers that set,
//@  * clear and find the highest bit of one make the rest short. */
//@
static uint32_t *reg(const struct virtual_apic *apic, unsigned offset)
{
    return (uint32_t *)(void *)(apic->page + offset);
}

/* The piece of a 256-bit register that holds a vector. */
static uint32_t *piece(const struct virtual_apic *apic, unsigned offset, unsigned vector)
{
    return reg(apic, offset + vector / 32 * 16);
}

/* The highest vector of a 256-bit register, or 0. */
static uint8_t highest(const struct virtual_apic *apic, unsigned offset)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t bits = *reg(apic, offset + (unsigned)i * 16);

        if (bits)
            return (uint8_t)(i * 32 + 31 - __builtin_clz(bits));
    }
    return 0;
}

//@end
void vapic_request(struct virtual_apic *apic, unsigned word, uint64_t bits)
{
    //@begin
    //@ /* TODO 4: 64 bits are two pieces. RVI is the highest of all that is waiting. */
    //@ (void)apic, (void)word, (void)bits;
    *piece(apic, VAPIC_IRR, word * 64) |= (uint32_t)bits;
    *piece(apic, VAPIC_IRR, word * 64 + 32) |= (uint32_t)(bits >> 32);
    apic->rvi = highest(apic, VAPIC_IRR);
    //@end
}

void vapic_update_ppr(struct virtual_apic *apic)
{
    //@begin
    //@ /* TODO 5: the higher of two priority classes, but not the same bits of both. */
    //@ (void)apic;
    uint32_t tpr = *reg(apic, VAPIC_TPR) & 0xff;

    *reg(apic, VAPIC_PPR) = tpr >> 4 >= apic->svi >> 4 ? tpr : apic->svi & 0xf0u;
    //@end
}

int vapic_pending(struct virtual_apic *apic)
{
    //@begin
    //@ /* TODO 6: classes are compared, not vectors. */
    //@ (void)apic;
    //@ return -1;
    vapic_update_ppr(apic);
    return apic->rvi >> 4 > *reg(apic, VAPIC_PPR) >> 4 ? apic->rvi : -1;
    //@end
}

int vapic_deliver(struct virtual_apic *apic)
{
    //@begin
    //@ /* TODO 7: from waiting to in service; then who is the highest in each? */
    //@ (void)apic;
    //@ return -1;
    int vector = vapic_pending(apic);

    if (vector < 0)
        return -1;
    *piece(apic, VAPIC_ISR, (unsigned)vector) |= 1u << vector % 32;
    *piece(apic, VAPIC_IRR, (unsigned)vector) &= ~(1u << vector % 32);
    apic->svi = (uint8_t)vector;
    apic->rvi = highest(apic, VAPIC_IRR);
    vapic_update_ppr(apic);
    return vector;
    //@end
}

void vapic_eoi(struct virtual_apic *apic)
{
    //@begin
    //@ /* TODO 8: who ends, and who was interrupted by it? */
    //@ (void)apic;
    if (apic->svi == 0)
        return;
    *piece(apic, VAPIC_ISR, apic->svi) &= ~(1u << apic->svi % 32);
    apic->svi = highest(apic, VAPIC_ISR);
    vapic_update_ppr(apic);
    //@end
}
