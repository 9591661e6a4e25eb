/* rounds.h - a recorded run, round by round: from one VM exit to the VM entry that follows.
 *
 * In between the kernel, and perhaps the VMM, is at work. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "trace.h"

struct round {
    const struct kvm_event *exit;
    const struct kvm_event *user; /* kvm_userspace_exit, or NULL: the kernel answered */
    const struct kvm_event *io;   /* kvm_pio or kvm_mmio, or NULL */
    uint32_t interrupted; /* returns of KVM_RUN with EINTR before the guest went on */
    uint64_t user_ns;     /* of the first return to user space; 0: there was none */
    uint64_t end_ns;      /* of the next entry; 0: there was none */
};

/* Where the first round begins: the index of the first exit, or events->count. */
size_t rounds_begin(const struct kvm_events *events);

/* The round that begins at the exit events[*at]; moves *at to the next exit. */
struct round round_take(const struct kvm_events *events, size_t *at);

/* What happened, in the field's words: "port 0x3f8 <- 1: 0x41", "gpa 0x8000"; may be empty. */
void round_describe(const struct round *round, char *buffer, size_t size);

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
