/* posted_interrupt.c - part 07, last third: an interrupt finds its vCPU, running or not.
 * The contract of every function is in common/include/posted_interrupt.h. */
#include "posted_interrupt.h"

//@begin
//@ /* TODO 9: three functions change some fields of control and keep the others, while ON may
//@  * be set by anybody at any time. Write that once. */
//@
/* Replaces the bits of `fields` in control. */
static void control_change(struct posted_interrupt_descriptor *pid, uint64_t fields,
                           uint64_t value)
{
    uint64_t seen = step_load64(&pid->control);

    while (!step_compare_exchange64(&pid->control, &seen, (seen & ~fields) | value))
        ;
}

static uint64_t target(uint8_t vector, uint32_t apic_id)
{
    return (uint64_t)vector << PID_NV_SHIFT | (uint64_t)apic_id << PID_NDST_SHIFT;
}

static bool posted_any(struct posted_interrupt_descriptor *pid)
{
    for (int i = 0; i < 4; i++)
        if (step_load64(&pid->pir[i]))
            return true;
    return false;
}

/* Leaves VCPU_HALTED: true for the one who did it. */
static bool halt_end(struct posted_vcpu *vcpu)
{
    uint64_t state = VCPU_HALTED;

    if (!step_compare_exchange64(vcpu->state, &state, VCPU_READY))
        return false;
    step_fetch_or64(&vcpu->pid->control, PID_SN);
    return true;
}

//@end
void pid_post(struct posted_vcpu *vcpu, uint8_t vector, bool urgent)
{
    //@begin
    //@ /* TODO 10: first the interrupt, then the decision. Between your look at control and
    //@  * your change of it somebody else may have changed it. */
    //@ (void)vcpu, (void)vector, (void)urgent;
    struct posted_interrupt_descriptor *pid = vcpu->pid;
    uint64_t seen;

    step_fetch_or64(&pid->pir[vector / 64], 1ull << vector % 64);
    seen = step_load64(&pid->control);
    do {
        if (seen & PID_ON || (seen & PID_SN && !urgent))
            return;
    } while (!step_compare_exchange64(&pid->control, &seen, seen | PID_ON));
    vcpu->notify(vcpu->owner, (uint8_t)(seen >> PID_NV_SHIFT),
                 (uint32_t)(seen >> PID_NDST_SHIFT));
    //@end
}

void pid_run(struct posted_vcpu *vcpu, uint32_t apic_id)
{
    //@begin
    //@ /* TODO 11: the table in the header says what control holds in each state. */
    //@ (void)vcpu, (void)apic_id;
    step_store64(vcpu->state, VCPU_RUNNING);
    control_change(vcpu->pid, PID_SN | PID_NV | PID_NDST,
                   target(POSTED_ACTIVE_VECTOR, apic_id));
    //@end
}

void pid_ready(struct posted_vcpu *vcpu)
{
    //@begin
    //@ /* TODO 12 */
    //@ (void)vcpu;
    step_store64(vcpu->state, VCPU_READY);
    step_fetch_or64(&vcpu->pid->control, PID_SN);
    //@end
}

bool pid_halt(struct posted_vcpu *vcpu, uint32_t apic_id)
{
    //@begin
    //@ /* TODO 13: whoever is to wake you has to find you halted. And an interrupt that was
    //@  * posted before your notifications went to WNV? */
    //@ (void)vcpu, (void)apic_id;
    //@ return false;
    step_store64(vcpu->state, VCPU_HALTED);
    control_change(vcpu->pid, PID_ON | PID_SN | PID_NV | PID_NDST,
                   target(POSTED_WAKEUP_VECTOR, apic_id));
    return !posted_any(vcpu->pid) || !halt_end(vcpu);
    //@end
}

uint8_t pid_sync(struct posted_vcpu *vcpu)
{
    //@begin
    //@ /* TODO 14: which comes first, ON or PIR? Draw both orders with somebody who posts in
    //@  * between. */
    //@ (void)vcpu;
    //@ return 0;
    step_fetch_and64(&vcpu->pid->control, ~PID_ON);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bits = step_exchange64(&vcpu->pid->pir[i], 0);

        if (bits)
            vapic_request(vcpu->apic, i, bits);
    }
    return vcpu->apic->rvi;
    //@end
}

void pid_wakeup(struct posted_vcpu *vcpu)
{
    //@begin
    //@ /* TODO 15: you may be late. And what does the thread find when it wakes? */
    //@ (void)vcpu;
    if (halt_end(vcpu))
        vcpu->wake(vcpu->owner);
    //@end
}
