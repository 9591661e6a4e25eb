# lab: 7
# only: running_vcpu_loses_nothing
# tries: do all of a function behind the watcher's back, in one step, so that no order can hurt
# says: sends a notification without having changed ON
# says: a step of pid_
# end of description
cat >posted_interrupt.c <<'PART'
#include "posted_interrupt.h"

/* The watcher says where the words really are: all of them are there, for plain accesses. */
static uint64_t *words_begin(struct posted_vcpu *vcpu, unsigned word)
{
    step_word *at = step_watcher->before(&vcpu->pid->pir[word]);

    return (uint64_t *)(void *)at - word;
}

void pid_post(struct posted_vcpu *vcpu, uint8_t vector, bool urgent)
{
    uint64_t *words = words_begin(vcpu, vector / 64);
    uint64_t seen = words[vector / 64], control = words[4];
    bool notify = !(control & PID_ON) && (urgent || !(control & PID_SN));

    words[vector / 64] |= 1ull << vector % 64;
    words[4] |= notify;
    step_watcher->after(&vcpu->pid->pir[vector / 64], STEP_OR, 1ull << vector % 64, 0, seen);
    if (notify)
        vcpu->notify(vcpu->owner, (uint8_t)(control >> PID_NV_SHIFT),
                     (uint32_t)(control >> PID_NDST_SHIFT));
}

uint8_t pid_sync(struct posted_vcpu *vcpu)
{
    uint64_t *words = words_begin(vcpu, 0), seen = words[0];

    words[4] &= ~PID_ON;
    for (unsigned i = 0; i < 4; i++) {
        if (words[i])
            vapic_request(vcpu->apic, i, words[i]);
        words[i] = 0;
    }
    step_watcher->after(&vcpu->pid->pir[0], STEP_EXCHANGE, 0, 0, seen);
    return vcpu->apic->rvi;
}

void pid_run(struct posted_vcpu *vcpu, uint32_t apic_id)
{
    (void)vcpu, (void)apic_id;
}

void pid_ready(struct posted_vcpu *vcpu)
{
    (void)vcpu;
}

bool pid_halt(struct posted_vcpu *vcpu, uint32_t apic_id)
{
    (void)vcpu, (void)apic_id;
    return false;
}

void pid_wakeup(struct posted_vcpu *vcpu)
{
    (void)vcpu;
}
PART
