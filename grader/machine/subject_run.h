/* subject_run.h - one run of a subject: start it in its cage, watch it, collect evidence. */
#ifndef SUBJECT_RUN_H
#define SUBJECT_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/call_supervisor.h"
#include "machine/protocol.h"

/* A received RUN request, taken apart; the pointers lie in the frame. */
struct run_job {
    const struct run_request *request;
    const struct window *windows;
    const struct kvm_plan *plan; /* NULL where none was sent */
    const void *input;
};

/* What the agent runs with, the same for all runs. */
struct run_place {
    int channel;     /* where evidence goes */
    int program;     /* memfd of the subject's ELF image */
    int subject_uid; /* who the subject becomes, or -1 where we cannot change it */
};

/* Splits a frame's payload. False if its sizes do not add up. */
bool run_job_parse(struct run_job *job, const void *payload, size_t size);

/* Runs it and sends all evidence frames up to END. 0, or -errno if the channel failed. */
int subject_run(const struct run_place *place, const struct run_job *job);

#endif
