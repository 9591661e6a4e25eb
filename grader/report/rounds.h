/* rounds.h - a recorded run, round by round: from one VM exit to the VM entry that follows.
 *
 * In between the kernel, and perhaps the VMM, is at work. With a guest hypervisor there are three
 * levels: L2 and L1 take turns as the guest, and an exit of L2 may be handed on to L1, which is
 * then entered instead. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <stdbool.h>

#include "judge/trace.h"

struct round {
    const struct kvm_event *exit;
    const struct kvm_event *user; /* kvm_userspace_exit, or NULL: the kernel answered */
    const struct kvm_event *io;   /* kvm_pio or kvm_mmio, or NULL */
    uint32_t interrupted; /* returns of KVM_RUN with EINTR before the guest went on */
    uint64_t begin_ns;    /* of the entry before the exit; 0: it is not in the record */
    uint64_t user_ns;     /* of the first return to user space; 0: there was none */
    uint64_t end_ns;      /* of the next entry; 0: there was none */
    bool from_l2;         /* L2 was running */
    bool reflected;       /* an exit of L2 that L1 gets */
    const struct kvm_event *asks; /* from L2: what L1 had asked for at its VMRUN, or NULL */
    const struct kvm_event
        *arrived; /* a device's interrupt that came in this round, or NULL */
    const struct kvm_event *injected; /* what the guest gets at the next entry, or NULL */
};

struct rounds {
    const struct kvm_events *events;
    size_t at; /* of the next exit, or the end */
    uint64_t entered_ns;
    bool in_l2;
    const struct kvm_event *asks;
};

struct rounds rounds_begin(const struct kvm_events *events);

/* Takes the next round. False: there was none. */
bool rounds_next(struct rounds *rounds, struct round *round);

/* When the guest starts: time 0 of the pages. */
uint64_t rounds_start_ns(const struct kvm_events *events);

/* Did L1 run an L2? */
bool rounds_nested(const struct kvm_events *events);

/* Who had the processor, and for how long in all. LANE_GUEST is L1 where there is an L2. */
enum lane { LANE_L2, LANE_GUEST, LANE_KERNEL, LANE_VMM, LANES };
void rounds_times(const struct kvm_events *events, uint64_t ns[LANES]);

/* What happened, in the field's words: "port 0x3f8 <- 1: 0x41", "gpa 0x8000"; may be empty. */
void round_describe(const struct round *round, char *buffer, size_t size);

/* Who answered the exit: "kernel", "VMM", or "L1". */
const char *round_answer(const struct round *round);

/* Of an exit of L2, why it went where it went: "L1 asks for it"; else "". */
const char *round_wish(const struct round *round);

/* Did the kernel return to the VMM in this round? */
static inline bool round_is_users(const struct round *round)
{
    return round->user || round->interrupted;
}

/* True for a return of KVM_RUN with EINTR. */
static inline bool is_interrupted(const struct kvm_event *user)
{
    return (int32_t)user->value < 0;
}

#endif
