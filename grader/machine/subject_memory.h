/* subject_memory.h - how much memory a subject and its children have. Limits count by
 * process and by file; all of them together can still use up the host. */
#ifndef SUBJECT_MEMORY_H
#define SUBJECT_MEMORY_H

#include <stdint.h>

/* Bytes of all processes that we see but ourselves: resident, and in files in memory (memfd,
 * mapped or not). What two of them share counts twice. */
uint64_t subject_memory(void);

#endif
