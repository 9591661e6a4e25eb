/* judge.h - inside of the judge: what check.c, targets.c and main.c share. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdio.h>

#include "check.h"
#include "qemu.h"

/* What the grader told us (main.c). */
struct judge_options {
    const char *subject; /* ELF image of the subject */
    const char *agent;   /* ELF image of the agent */
    const char *machine; /* folder of the snapshot, or NULL: target machine is not there */
    const char *no_machine, *no_model, *no_silicon; /* why not, where they are not */
    const char *traces; /* folder to keep recorded events in, or NULL */
    const char *only;   /* id of a single check, or NULL */
    uint64_t seed;
    bool model_in_machine; /* there is no sandbox: the machine serves both targets */
    bool model_runtime;    /* the subject needs the host's libraries (sanitizers) */
    int report;            /* where JSON lines go */
    int report_lock;       /* two processes write there */
};

/* A place where subjects run: an agent behind a channel. */
struct place {
    bool started;
    bool used;    /* a check has run here */
    int channel;  /* -1: not there */
    double scale; /* how many times slower than a machine of normal speed */
    pid_t sandbox;
    struct machine machine;
    char why[700]; /* if it could not be started */
};

/* What stands before the frames of a run that checks share (struct run_spec.shared). */
struct shared_run {
    uint64_t nonce;
    uint64_t device_from, device_to; /* its part of the IOMMU's trace */
    uint32_t whole;                  /* all of it is here */
    uint32_t reserved;
};

struct targets {
    const struct judge_options *options;
    struct place model, machine;
    int timeouts; /* checks that ran into their deadline so far */
    double cost;  /* CPU seconds of checks so far */
    int shared
        [RUN_SHARED_MAX]; /* memfds: struct shared_run, and the frames of such a run */
    void *image;          /* the subject's */
    size_t image_size;
};

/* How the child that runs a check ended. */
enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_SKIP,
    VERDICT_ERROR,
    VERDICT_PLACE_LOST
};

struct figure {
    char name[48];
    char unit[16];
    double value;
};

/* An event of what was kept for `make trace` (judge_points_at()). */
struct point {
    char kind[16]; /* "": none */
    uint32_t number;
};

struct outcome {
    enum verdict verdict;
    bool timed_out;
    double cost; /* CPU seconds of the check's own process */
    char asked[512];
    char seen[2048];
    struct point point;
    uint32_t figure_count;
    struct figure figures[FIGURES_MAX];
};

struct judge {
    const struct check *check;
    struct targets *targets;
    uint64_t random;
    struct evidence *runs[256]; /* freed with the process */
    int run_count;
    struct outcome outcome;
    const struct kvm_event *pointed; /* an event of a run, for outcome.point; or NULL */
    const struct kvm_events *pointed_in;
    char program[160]; /* the ELF file of what judge_program() gave last, or "" */
};

/* --- targets.c ----------------------------------------------------------------------------- */

/* Where a check's subjects run: its target's place, unless that is in the machine too. */
enum target place_of(const struct targets *targets, const struct check *check);
/* Starts the place if it is not up and sends it the subject. NULL: place->why says why. */
struct place *place_get(struct targets *targets, enum target target);
/* Starts the machine, if it will be needed, while other checks run. */
void targets_wake(struct targets *targets);
/* Ends a place; the next place_get() makes a new one. */
void place_drop(struct targets *targets, enum target target);
void targets_close(struct targets *targets);

/* --- check.c ------------------------------------------------------------------------------- */

/* Runs one check under cmocka, in this process. */
void check_execute(struct judge *judge);

#endif
