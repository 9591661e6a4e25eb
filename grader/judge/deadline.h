/* deadline.h - how long a run in the machine may take. The machine's clock is no judge of that: it
 * goes on while QEMU waits for a processor. So QEMU is watched from outside, by its CPU time and
 * by its own time (machine/own_time.h), and the agent is told when it is enough.
 * (In the sandbox the agent itself sees what its subject uses: subject_watch.c.) */
#ifndef DEADLINE_H
#define DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/qemu.h"

struct deadline {
    pid_t pid;   /* of QEMU */
    int channel; /* of the agent */
    uint64_t budget_us;
    uint64_t begin_us, begin_wait_us, begin_cpu_us;
    uint64_t stopped_us; /* own time at which the agent was told; 0: not yet */
};

/* A run begins, which may take so many milliseconds of QEMU's time. */
struct deadline deadline_begin(const struct machine *machine, uint32_t ms);

/* Own time of the run so far, microseconds: the CPU time, if that is more. */
uint64_t deadline_own_us(const struct deadline *deadline);

/* To be called now and then. Tells the agent, once, to end a subject that has had its time. 0;
 * -ETIME: the agent does not do it, the machine hangs; -EBUSY: QEMU was kept from running for so
 * long that nothing can be said. */
int deadline_look(struct deadline *deadline);

#endif
