/* trace_record.h - recording the kernel's KVM tracepoints around a run (tracefs). */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#define TRACEFS "/sys/kernel/tracing"

/* Switches all KVM events on, recording off. Done once, before the machine's snapshot:
 * switching an event patches kernel code, which is slow and, with two CPUs, unsafe under
 * TCG. False: no tracefs or no KVM events. */
bool trace_record_prepare(void);

/* Empties the buffer and records from now on; stops recording. */
void trace_record_start(void);
void trace_record_stop(void);

/* Events that did not fit into the buffer so far. */
uint32_t trace_record_lost(void);

/* Sends what was recorded as one FRAME_TRACE; *lost = events that did not fit. 0 or -errno. */
int trace_record_send(int channel, uint32_t *lost);

/* Sends the format file of every KVM event as FRAME_FORMAT_TEXT, then an empty one. */
int trace_formats_send(int channel);

#endif
