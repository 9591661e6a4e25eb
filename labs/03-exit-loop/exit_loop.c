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

/* TODO 4: the exit loop only dispatches. Give each kind of exit a function that either
 * deals with it or says that the run is over. */

int vcpu_kick_init(void)
{
    /* TODO 5: without a handler the signal would end the process. */
    return -ENOSYS;
}

int vcpu_run(struct vcpu *vcpu, struct run_stop *stop)
{
    /* TODO 6: the loop. Who has to know which thread we are, before the first KVM_RUN,
     * and when does that end? */
    (void)vcpu, (void)stop;
    return -ENOSYS;
}

void vcpu_kick(struct vcpu *vcpu)
{
    /* TODO 7: three things have to happen, and their order decides whether a kick can be
     * lost. Draw both threads side by side first. */
    (void)vcpu;
}
