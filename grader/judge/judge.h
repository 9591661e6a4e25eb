/* judge.h - inside of the judge: what its files share. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdio.h>

#include "judge/check.h"
#include "judge/qemu.h"
#include "lib/cage.h"

/* What the grader told us (main.c). */
struct judge_options {
    const char *subject; /* ELF image of the subject */
    const char *agent;   /* ELF image of the agent */
    const char *machine; /* folder of the snapshot, or NULL: target machine is not there */
    const char *no_machine, *no_model, *no_silicon; /* why not, where they are not */
    const char *traces; /* folder to keep recorded events in, or NULL */
    const char *only;   /* ids of the checks to run, with commas; NULL: all */
    const char *keep;   /* file that gets the newest run's request (make debug), or NULL */
    uint64_t seed;
    enum cage cage;        /* for tools and the emulator */
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
    uint32_t own_us;                 /* struct run_end, as the judge has measured it */
    uint32_t whole;                  /* all of it is here */
};

struct targets {
    const struct judge_options *options;
    struct place model, machine;
    int timeouts; /* checks that ran into their deadline so far */
    double cost;  /* CPU seconds of checks so far */
    double spent; /* own time of their runs, microseconds */
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
    double cost;  /* CPU seconds of the check's own process */
    double spent; /* own time of its runs, microseconds */
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
/* Ends the check here and now; outcome's texts are its caller's. */
_Noreturn void check_end(struct judge *judge, enum verdict verdict);

/* --- one_check.c --------------------------------------------------------------------------- */

/* Runs one check in a child, in its place, and reports its outcome. */
void check_judge(struct targets *targets, const struct check *check);
/* CPU seconds of this process alone. Its children's are not the judge's: they are Bochs. */
double cpu_self(void);

/* --- judge_report.c ------------------------------------------------------------------------ */

/* The declarations of all checks, to standard output; the program's exit status. */
int checks_list(void);
/* How a check ended. note: "", or what else happened. */
void outcome_report(const struct judge_options *options, const struct check *check,
                    const struct outcome *outcome, double seconds, const char *note);
/* What judging cost, without the machine: for make bench. */
void cost_report(const struct targets *targets);

/* --- place_lost.c -------------------------------------------------------------------------- */

/* Why did the place where the check ran go away, and whose fault is that? *outcome says it.
 * True: the machine's own; run the check once more. */
bool place_lost_explain(struct targets *targets, const struct check *check,
                        struct outcome *outcome);

/* --- random.c ------------------------------------------------------------------------------ */

/* Where a check's numbers begin. The same check has the same sequence for a seed, whichever
 * others run before it. */
uint64_t random_seed(uint64_t seed, const char *id);

/* --- keep.c -------------------------------------------------------------------------------- */

/* Keeps what the machine recorded: the check's latest run. */
void judge_trace_keep(struct judge *judge, const struct evidence *e,
                      const struct run_spec *spec);
/* Counts up to the exit that judge_points_at_event() named. When it matters, that is after a
 * failure: a check may look at every one. */
void judge_point_settle(struct judge *judge);

/* --- shared_run.c -------------------------------------------------------------------------- */

/* Begins a shared run's file anew: where its frames are to go. NULL: the run is not shared. */
const int *shared_begin(struct judge *judge, const struct run_spec *spec);
/* The run has been made; *head says of it what the frames do not. */
void shared_finish(struct judge *judge, const struct run_spec *spec,
                   struct shared_run head);
/* True if it has been made: its evidence, from there, and its head. */
bool shared_receive(struct judge *judge, const struct run_spec *spec,
                    struct shared_run *head, struct evidence *e);
/* The machine of all of them has gone. */
void shared_forget(struct targets *targets);

/* --- run_end.c ----------------------------------------------------------------------------- */

/* Fails the check: the guest made more exits than the record has room for; which ones last. */
_Noreturn void run_trace_full_explain(struct judge *judge, const struct evidence *e,
                                      const struct run_spec *spec);
/* Fails the check: says how a run ended that did not answer. */
_Noreturn void run_end_explain(struct judge *judge, const struct evidence *e);

#endif
