/* exit_loop.c - part 03, second half: run a vCPU until there is a reason to stop.
 * The contract of every function is in common/include/exit_loop.h. */
#define _GNU_SOURCE
#include "exit_loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "event_trace.h"

//@begin
//@ /* TODO 4: the exit loop only dispatches. Give each kind of exit a function that either
//@  * deals with it or says that the run is over. */
//@
/* What to do after an exit has been looked at. */
enum exit_action { RESUME, STOP };

static enum exit_action exit_stop(struct run_stop *stop, enum run_status status,
                                  uint64_t detail)
{
    *stop = (struct run_stop){.status = status, .detail = detail};
    return STOP;
}

/* INS/OUTS move `count` elements through one port in a single exit. */
static enum exit_action exit_io(struct vcpu *vcpu)
{
    const struct kvm_run *run = vcpu->run;
    uint8_t *data = (uint8_t *)vcpu->run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++) {
        device_bus_access(&vcpu->vm->pio,
                          &(struct bus_access){
                              .address = run->io.port,
                              .size = run->io.size,
                              .is_write = run->io.direction == KVM_EXIT_IO_OUT,
                              .data = data + (size_t)i * run->io.size,
                          });
    }
    return RESUME;
}

static enum exit_action exit_mmio(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;

    device_bus_access(&vcpu->vm->mmio, &(struct bus_access){
                                           .address = run->mmio.phys_addr,
                                           .size = run->mmio.len,
                                           .is_write = run->mmio.is_write,
                                           .data = run->mmio.data,
                                       });
    return RESUME;
}

static enum exit_action exit_dispatch(struct vcpu *vcpu, struct run_stop *stop)
{
    const struct kvm_run *run = vcpu->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        return exit_io(vcpu);
    case KVM_EXIT_MMIO:
        return exit_mmio(vcpu);
    case KVM_EXIT_HLT:
        return exit_stop(stop, RUN_HALTED, 0);
    case KVM_EXIT_SHUTDOWN:
        return exit_stop(stop, RUN_SHUTDOWN, 0);
    case KVM_EXIT_FAIL_ENTRY:
        return exit_stop(stop, RUN_FAIL_ENTRY,
                         run->fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
        return exit_stop(stop, RUN_INTERNAL_ERROR, run->internal.suberror);
    default:
        return exit_stop(stop, RUN_UNKNOWN_EXIT, run->exit_reason);
    }
}

static void exit_count(struct vcpu *vcpu)
{
    uint32_t reason = vcpu->run->exit_reason;

    vcpu->exits[reason < VCPU_EXIT_REASONS ? reason : VCPU_EXIT_REASONS - 1]++;
    if (vcpu->trace)
        event_trace_add(vcpu->trace, vcpu->run);
}

/* KVM_RUN came back with EINTR. Was it a kick, and if so, was it for us? Clear
 * immediate_exit before looking: a kick that comes in between sets it again. */
static enum exit_action run_interrupted(struct vcpu *vcpu, struct run_stop *stop)
{
    vcpu->interrupted++;
    __atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (atomic_exchange(&vcpu->kick_requested, false))
        return exit_stop(stop, RUN_KICKED, 0);
    return RESUME;
}

/* The handler has nothing to do: that it exists is what makes KVM_RUN return. */
static void kick_handler(int signal)
{
    (void)signal;
}

//@end
int vcpu_kick_init(void)
{
    //@begin
    //@ /* TODO 5: without a handler the signal would end the process. */
    //@ return -ENOSYS;
    struct sigaction action = {.sa_handler = kick_handler, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    return sigaction(VCPU_KICK_SIGNAL, &action, NULL) < 0 ? -errno : 0;
    //@end
}

int vcpu_run(struct vcpu *vcpu, struct run_stop *stop)
{
    //@begin
    //@ /* TODO 6: the loop. Who has to know which thread we are, before the first KVM_RUN,
    //@  * and when does that end? */
    //@ (void)vcpu, (void)stop;
    //@ return -ENOSYS;
    enum exit_action action = RESUME;
    int result = 0;

    atomic_store(&vcpu->thread, (int)syscall(SYS_gettid));
    while (result == 0 && action == RESUME) {
        if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
            exit_count(vcpu);
            action = exit_dispatch(vcpu, stop);
        } else if (errno == EINTR) {
            action = run_interrupted(vcpu, stop);
        } else {
            result = -errno;
        }
    }
    atomic_store(&vcpu->thread, 0);
    return result;
    //@end
}

void vcpu_kick(struct vcpu *vcpu)
{
    //@begin
    //@ /* TODO 7: three things have to happen, and their order decides whether a kick can be
    //@  * lost. Draw both threads side by side first. */
    //@ (void)vcpu;
    int thread;

    atomic_store(&vcpu->kick_requested, true);
    __atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    thread = atomic_load(&vcpu->thread);
    if (thread)
        syscall(SYS_tgkill, getpid(), thread, VCPU_KICK_SIGNAL);
    //@end
}
