/* grading.h - the room grading/: runs the labs' checks programs and collects their verdicts. */
#ifndef GRADING_H
#define GRADING_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "grading/capstone.h"
#include "lib/lab.h"
#include "prepare/prepare.h"
#include "submission/submission.h"

/* An ERROR stands only if the reference, in a fresh place, with the same check and seed, fails as
 * well. First the check is run again: what came from outside does not come twice. */
enum grading_stage { STAGE_FIRST, STAGE_AGAIN, STAGE_CONTROL };

/* One lab of one submission on its way from part file to verdicts. */
struct grading {
    const struct lab *lab;
    struct submission submission;
    const char *only;            /* a single check's id, or NULL */
    const char *traces;          /* folder for recorded events, or NULL */
    const char *keep;            /* file for the newest run's request, or NULL */
    bool no_machine, no_silicon; /* leave these targets out */
    uint64_t seed;

    cJSON *checks; /* object: id -> {verdict, asked, seen, note, seconds} */
    enum grading_stage stage;
    char *repeated; /* ids of the checks of this stage, with commas; NULL in the first */
    cJSON *before;  /* their verdicts in the stage before */
    cJSON *control; /* what the reference got in the last stage */
    char *messages; /* the compiler's */
    bool reported;  /* the worker has said how the build went */
    bool built, ours_failed;
    char parts[33];             /* struct built */
    char beside[CAPSTONE_NOTE]; /* whose parts it stands on, in words; "": as always */
    double seconds, cost; /* wall; CPU time of the judge, without machine and compiler */
    int earned, lost, unjudged, errors; /* tenths; errors: checks */
    bool done;

    pid_t pid; /* of its worker */
    int pipe;
    char *line; /* received, not yet complete */
    size_t line_size;
    double started;
};

/* Runs gradings, `workers` at a time; calls progress (may be NULL) after each verdict. */
void gradings_run(struct grading *list, int count, const struct labs *labs,
                  const struct targets_found *targets, int workers,
                  void (*progress)(const struct grading *list, int count));
void gradings_free(struct grading *list, int count);

/* Verdict of a check: "pass", "fail", "skip", "error", or "" if it was not asked for. */
const char *grading_verdict(const struct grading *grading, const char *id);

#endif
