/* subject_memory.h - how much memory a subject and its children have. Limits count by
 * process and by file; all of them together can still use up the host. */
#ifndef SUBJECT_MEMORY_H
#define SUBJECT_MEMORY_H

#include <stdint.h>

#define SUBJECT_FILE_MAX                                                                   \
    (64ull << 20) /* bytes of one file in memory, or one shared mapping */
#define SUBJECT_MAPS_MAX (256u << 10) /* bytes of /proc/PID/maps: some 2,500 mappings */

/* Bytes of all processes that we see but ourselves: resident, queued in sockets (at most), and in
 * files in memory. A file that is mapped but not open any more cannot be measured: what is not
 * touched is in no process' resident set. A few of those count as what is mapped, each further one
 * as much as it may have. Processes with more mappings than SUBJECT_MAPS_MAX: UINT64_MAX. */
uint64_t subject_memory(void);

#endif
