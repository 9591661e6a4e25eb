/* check.h - how a check is declared, how it runs the subject, how it fails.
 *
 * A lab's checks are one table (LAB_CHECKS at the end of grader/checks/NN-name.c): all that
 * the kit ever says about a check stands there once. Each check is executed by cmocka in a
 * process of its own; it runs the subject (in yet another process, behind the agent), looks
 * at the evidence and ends in one of four ways:
 *
 *   returns            PASS
 *   CHECK(...) false   FAIL: the points are lost; the texts say what was asked and seen
 *   check_skip()       SKIP: the target is not there
 *   judge_error()      ERROR: our own fault, nobody loses a point
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge/evidence.h"
#include "lib/cage.h"

/* TARGET_SILICON: the subject runs as for TARGET_MODEL; what it made is then executed by the
 * emulated Intel CPU (../silicon/silicon.h). */
enum target { TARGET_MODEL = 1, TARGET_MACHINE, TARGET_SILICON };

struct judge;

/* Elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct check {
    const char *id;    /* a sentence without spaces: read_only_slot_refuses_writes */
    const char *title; /* for the report, at most 58 characters */
    int tenths;        /* points, in tenths; 0: not everybody's emulator can do it */
    enum target target;
    /* Target machine: one in which no check has run. (The kernel reports only about three
     * refused transfers of the device in five seconds: a check that wants to read such reports
     * needs a machine of its own, if another check has used them up.) */
    bool fresh_machine;
    void (*run)(struct judge *judge);
    const char *why;     /* one line: why it matters */
    const char *handout; /* section of the lab's README.md */
    const char *slide;   /* the title of the slide in the course's deck */
    const char *manual;  /* document and section */
    const char *hints[3];
    const char *explanation; /* shown after passing */
};

struct lab_checks {
    const char *name;  /* NN-name */
    const char *title; /* in words */
    const struct check *checks;
    size_t count;
};

/* Defined once by each lab's checks program. */
extern const struct lab_checks lab_checks;

/* --- running the subject --------------------------------------------------------------- */

#define RUN_SHARED_MAX 2

struct run_spec {
    uint32_t entry; /* an enum of grader/subjects/NN-name.h */
    uint32_t flags; /* RUN_*; RUN_PRETEND_KVM is implied by a plan */
    const void *input;
    size_t input_size;
    const struct kvm_plan *plan; /* exit_count struct plan_exit follow in *exits */
    const struct plan_exit *exits;
    const struct window *windows;
    uint32_t window_count;
    /* With RUN_HOLD: called while the subject stands at a checkpoint. It may look into the
     * machine's memory (judge_physical_read()); its evidence so far is not there yet. */
    void (*at_checkpoint)(struct judge *judge, unsigned checkpoint);
    /* What the subject's guests are to get at checkpoints; implies RUN_HOLD. */
    const struct handover *handovers;
    uint32_t handover_count;
    /* Not 0: runs of this number (up to RUN_SHARED_MAX) are one and the same for all checks of a
     * grading. The first check that asks has it made; the others get its evidence, whatever came
     * of it. So it has to be made of judge_shared_random() alone, and without RUN_HOLD. */
    uint32_t shared;
    uint32_t deadline_ms; /* on a machine of normal speed; 0: 3 s (model), 10 s (machine) */
};

/* Runs the subject on the check's target. Fails the check, with the reason, if the subject
 * crashed, ran into its deadline or ended without answering. The evidence lives until the
 * check ends. output_size: what the answer has to have at least. */
const struct evidence *judge_run(struct judge *judge, const struct run_spec *spec,
                                 size_t output_size);

/* The same, but any end of the subject is fine: the check looks at it. */
const struct evidence *judge_run_any_end(struct judge *judge, const struct run_spec *spec);

/* Reads the machine's physical memory from outside: page tables of the IOMMU, registers of the
 * remapping hardware. Ends the check with ERROR where that cannot be done. */
void judge_physical_read(struct judge *judge, uint64_t address, void *buffer, size_t size);

/* A part that is a program of its own (grader/submission/build.c): name is its file's without ".c". Flat
 * binary, at most size_max bytes; FAIL if it has more. */
const void *judge_program(struct judge *judge, const char *name, size_t size_max,
                          size_t *size);

/* True if the subject was compiled with ASan and UBSan (SANITIZE=1). */
bool judge_sanitized(const struct judge *judge);
/* Where the emulator runs. */
enum cage judge_cage(const struct judge *judge);

/* --- values that the subject cannot foresee --------------------------------------------- */

/* The next number of the check's own sequence, which follows from the run's seed. */
uint64_t judge_random(struct judge *judge);
/* A number of the grading: each check gets the same for the same n. */
uint64_t judge_shared_random(const struct judge *judge, uint64_t n);
/* From 0 to limit - 1. */
uint64_t judge_random_below(struct judge *judge, uint64_t limit);

/* --- numbers for people ------------------------------------------------------------------ */

#define FIGURES_MAX 16 /* a check */

/* Notes a number that was measured in this run; the report shows it in a table under the
 * lab, and the results file keeps it. It is no verdict: call it behind the CHECKs that make
 * it true, with what the evidence says. name: "exits per pair, hardware way", at most 47
 * characters; unit: "us", "exits" or "", at most 15. */
void judge_figure(struct judge *judge, const char *name, double value, const char *unit);

/* Keeps data of this run for `make trace`, which puts it into grader/pages/KIND.html. kind:
 * "walk", "bitmap", "interrupt" or "fault"; the page says what the JSON has to have. No verdict. */
void judge_view(struct judge *judge, const char *kind, const char *json);

/* Names the event that the CHECKs from here on are about: if one of them fails, the report says
 * it and the page of `make trace` opens there. kind: "exit", or the picture's; number: from 1, as
 * the page counts, 0 for the last one. A run, or a picture, that is recorded sets it to its last
 * event. */
void judge_points_at(struct judge *judge, const char *kind, size_t number);
/* The same, for an event of the kernel's trace: the exit that it belongs to. */
void judge_points_at_event(struct judge *judge, const struct evidence *evidence,
                           const struct kvm_event *event);

/* --- verdicts ---------------------------------------------------------------------------- */

/* Fails the check if condition is false. asked: a sentence, constant. The rest is a format
 * that says what was seen, in the field's units. */
#define CHECK(judge, condition, asked, ...)                                                \
    do {                                                                                   \
        if (!(condition))                                                                  \
            check_fail(judge, asked, __VA_ARGS__);                                         \
    } while (0)

_Noreturn void check_fail(struct judge *judge, const char *asked, const char *seen, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void check_skip(struct judge *judge, const char *reason);
_Noreturn void judge_error(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
