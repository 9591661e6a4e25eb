/* subject.h - the frame of a lab's subject: the process in which the student's part runs.
 *
 * A dispatcher (NN-name.c) has one function per entry point. It takes its orders from the
 * arena's input, calls the part, and puts what the part did into the arena's output. It
 * does not judge: it would do so in the wrong process.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <stddef.h>
#include <stdint.h>

struct subject {
    const void *input;
    size_t input_size;
    void *output;       /* ARENA_OUTPUT_MAX bytes, zeroed */
    size_t output_size; /* set by the entry point */
};

typedef void (*subject_entry)(struct subject *subject);

/* Defined by the lab's dispatcher; numbered by the enum in NN-name.h. */
extern const subject_entry subject_entries[];
extern const size_t subject_entry_count;

/* Stops here so that the agent can look at descriptors, mappings and guest memory. */
void subject_checkpoint(void);

/* The same, for a number that the agent puts into the guest's memory: no signal has a handler any
 * more. What follows is to be the guest. */
void subject_checkpoint_alone(void);

/* From now on a crash is noted in the arena (crash.c), with the way that led there. Whoever has
 * caught SIGSEGV for a purpose calls it again to let go of it. */
void subject_crash_watch(void);
struct arena_header;
void subject_crash_begin(struct arena_header *header); /* main()'s */

#endif
