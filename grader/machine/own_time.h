/* own_time.h - how long somebody has been at it, by a clock that a busy computer does not run
 * faster: time in which it ran or slept, without that in which it waited for a processor
 * (run_delay of /proc/PID/schedstat). Deadlines count this and CPU time, never the wall's. */
#ifndef OWN_TIME_H
#define OWN_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Wall time may be so many times as long before a run is given up as starved. */
#define STARVED_TIMES 40

/* Of CLOCK_MONOTONIC, in microseconds. */
uint64_t clock_us(void);

/* Does this kernel say how long a thread has waited? Without it, waits are 0. */
bool waits_known(void);

/* Microseconds for which the threads of a process have waited for a processor so far: of all of
 * them together, and of the one that waited longest (either may be NULL). */
void process_wait_us(pid_t pid, uint64_t *together, uint64_t *longest);

/* CPU time of a process, microseconds; 0 if there is none such. */
uint64_t process_cpu_us(pid_t pid);

/* For process 1: of everybody else in its PID namespace, and of children it has reaped. */
uint64_t others_cpu_us(void);
uint64_t others_wait_us(void); /* of the thread that waited longest */

#endif
