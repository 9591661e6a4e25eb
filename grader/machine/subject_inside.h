/* subject_inside.h - inside of a run: what subject_run.c, subject_start.c, subject_watch.c and
 * checkpoint.c share. */
#ifndef SUBJECT_INSIDE_H
#define SUBJECT_INSIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "machine/subject_run.h"

#define LIMIT_FILES 256 /* open ones, of the subject */

struct run {
    const struct run_place *place;
    const struct run_job *job;
    pid_t pid;
    int arena, output, signals;
    int keys; /* with RUN_TERMINAL: leads to the subject's input; or -1 */
    struct call_supervisor *supervisor; /* NULL without RUN_PRETEND_KVM */
    char printed[RUN_OUTPUT_MAX];
    uint32_t printed_size;
    struct run_end end;
    int channel_error;
};

/* --- subject_run.c ------------------------------------------------------------------------- */

/* Sends a frame; the first failure stays in run->channel_error. */
void evidence_send(struct run *run, uint32_t type, const void *head, size_t head_size,
                   const void *body, size_t body_size);

/* --- subject_start.c ----------------------------------------------------------------------- */

/* Forks the subject; fills pid, output, keys and supervisor. 0, or the errno of what failed. */
int subject_start(struct run *run);

/* --- subject_watch.c ----------------------------------------------------------------------- */

/* Returns when the subject is gone, or was ended; fills run->end. */
void subject_watch(struct run *run);
/* Takes a frame of the judge: what it hands over; KEYS go to the subject. True: it was STOP, or there is no judge any
 * more. */
bool stop_received(struct run *run);
/* Keeps what the subject has printed since. */
void output_read(struct run *run);
/* Ends whatever the subject left behind. */
void leftovers_kill(struct run *run);

/* --- checkpoint.c -------------------------------------------------------------------------- */

/* Sends what the stopped subject has (descriptors, mappings, windows) and lets it go on. */
void checkpoint_take(struct run *run);
/* Opens the subject's memfd called name, or returns -1; also if there are several. */
int subject_memfd_open(const struct run *run, const char *name, bool write);

/* --- handover.c ---------------------------------------------------------------------------- */

/* The subject stands: puts the bytes into its memory, or ends it. */
void handover_take(struct run *run, const struct handover *handover);

#endif
