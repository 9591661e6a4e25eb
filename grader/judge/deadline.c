/* deadline.c - see deadline.h. */
#include "judge/deadline.h"

#include <errno.h>

#include "machine/frames.h"
#include "machine/own_time.h"

#define AGENT_US                                                                           \
    10000000u /* own time in which the agent ends a subject that has been stopped */

/* QEMU's threads do one thing after the other: the processor's, the devices'. Its guest cannot
 * make more of them. */
static uint64_t wait_us(pid_t pid)
{
    uint64_t together;

    process_wait_us(pid, &together, NULL);
    return together;
}

struct deadline deadline_begin(const struct machine *machine, uint32_t ms)
{
    return (struct deadline){.pid = machine->pid,
                             .channel = machine->channel,
                             .budget_us = (uint64_t)ms * 1000,
                             .begin_us = clock_us(),
                             .begin_wait_us = wait_us(machine->pid),
                             .begin_cpu_us = process_cpu_us(machine->pid)};
}

uint64_t deadline_own_us(const struct deadline *d)
{
    uint64_t wall = clock_us() - d->begin_us, wait = wait_us(d->pid) - d->begin_wait_us,
             cpu = process_cpu_us(d->pid) - d->begin_cpu_us;
    uint64_t own = wall > wait ? wall - wait : 0;

    return own > cpu ? own : cpu;
}

int deadline_look(struct deadline *d)
{
    uint64_t wall = clock_us() - d->begin_us, own;

    if (wall < d->budget_us / 4) /* two processors at the most, and some error */
        return 0;
    own = deadline_own_us(d);
    if (d->stopped_us)
        return own - d->stopped_us > AGENT_US ? -ETIME : 0;
    if (own >= d->budget_us) {
        d->stopped_us = own;
        return frame_send(d->channel, FRAME_STOP, NULL, 0, NULL, 0);
    }
    return wall / STARVED_TIMES > d->budget_us ? -EBUSY : 0;
}
