/* exit_loop.h - contract of part 03, second half: run a vCPU until there is a reason to
 * stop.
 *
 *          +------------------------------- VMM (root, user mode) ---+
 *          v                                                         |
 *   KVM_RUN --> guest runs (non-root) --> VM exit --> KVM --> exit_reason
 *
 * Most exits never get here: the kernel answers them (page faults, host interrupts). What
 * arrives in user space is in vcpu->run->exit_reason with its details beside it.
 *
 * Source: Documentation/virt/kvm/api.rst of Linux, 4.10 (KVM_RUN) and 5 (struct kvm_run).
 */
#ifndef EXIT_LOOP_H
#define EXIT_LOOP_H

#include "vmm.h"

/* The signal that pulls a thread out of KVM_RUN. */
#define VCPU_KICK_SIGNAL 10 /* SIGUSR1 */

/* Why vcpu_run() came back. */
enum run_status {
    RUN_HALTED = 1,     /* KVM_EXIT_HLT */
    RUN_SHUTDOWN,       /* KVM_EXIT_SHUTDOWN: triple fault */
    RUN_KICKED,         /* vcpu_kick() was called */
    RUN_FAIL_ENTRY,     /* KVM_EXIT_FAIL_ENTRY; detail = hardware_entry_failure_reason */
    RUN_INTERNAL_ERROR, /* KVM_EXIT_INTERNAL_ERROR; detail = suberror */
    RUN_UNKNOWN_EXIT,   /* an exit reason that this VMM does not handle; detail = reason */
};

struct run_stop {
    enum run_status status;
    uint64_t detail; /* 0 where none is named above */
};

/* Installs the (empty) handler of VCPU_KICK_SIGNAL, which is the process's and so serves all its
 * vCPUs, without disturbing system calls elsewhere (SA_RESTART). The caller calls it once per
 * process, before the first vcpu_run(); a second call does the same again. Returns 0 or -errno. */
int vcpu_kick_init(void);

/* Runs the vCPU on the calling thread until one of the run_status reasons; fills *stop.
 *   - KVM_EXIT_IO: each of the `count` elements of `size` bytes is one access to the same
 *     port on vm->pio, in order; the data lies at run + io.data_offset.
 *   - KVM_EXIT_MMIO: one access of mmio.len bytes on vm->mmio.
 *   - Every exit to user space counts up vcpu->exits[reason] (the last entry counts all
 *     reasons past it), and is noted with event_trace_add() if vcpu->trace is set: both before
 *     it is answered, so that a device finds it counted.
 *   - EINTR counts up vcpu->interrupted. It ends the run only if a kick was requested; a
 *     signal that means nothing to us does not.
 * Returns 0, or -errno if KVM_RUN itself failed (EINTR is no failure; EAGAIN is one). After a
 * PIO or MMIO exit the guest has not finished its instruction until KVM_RUN is called again; a
 * run that is kicked is consistent: its pending access has been completed. */
int vcpu_run(struct vcpu *vcpu, struct run_stop *stop);

/* Makes vcpu_run() return RUN_KICKED, from any thread, the vCPU's own included (a device's
 * access() may call it). It may be called before, during or after the run; one kick (or
 * several before they are seen) ends exactly one run, the current or the next. A kick is
 * never lost: not even when it comes after the VMM has looked at its flags and before the
 * kernel has entered the guest (that is what run->immediate_exit is for). A kick that waits when
 * vcpu_run() begins may end that run with or without a call of KVM_RUN (which comes back at
 * once): nothing is pending in the kernel then.
 *
 * The flag and immediate_exit have to be visible to others before vcpu->thread is read. A CPU may
 * do a load before a store that stands before it in the program (SDM 3A, Memory Ordering): between
 * the two belongs a full barrier, be it a sequentially consistent store to immediate_exit, a fence
 * or a locked instruction. A plain store is not enough. */
void vcpu_kick(struct vcpu *vcpu);

#endif
