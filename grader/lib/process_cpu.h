/* process_cpu.h - how much of a processor a process has had. */
#ifndef PROCESS_CPU_H
#define PROCESS_CPU_H

#include <sys/types.h>

/* CPU seconds of a process, its threads' together; 0 where it is gone. */
double process_cpu(pid_t pid);

#endif
