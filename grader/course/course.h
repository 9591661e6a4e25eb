/* course.h - the room course/: a class is graded.
 *
 *   intake/ --> plan.c: who handed in what, and which verdicts that wants
 *                  |
 *               units.c: those that nobody has given yet, one unit a submission
 *                  |
 *               local.c, slurm.c, parallel.c: engines that run `grader unit` for each
 *                  |
 *               unit.c: grades, and puts each lab's verdicts into the store as it is done
 *                  |
 *               gather.c: errors once more, alone; then report/ writes what comes out
 *
 * Everything is a file, written whole or not at all, whose name says what it was made from; so
 * whatever is killed, whenever, the next run takes up what is there.
 *
 *   build/class/verdicts/KEY.json      what a lab's part is worth (verdicts.c)
 *   build/class/NAME/seed              of the random numbers, secret
 *               /parts/HASH/NN-name/   part files, by their contents
 *               /class.json            the plan
 *               /units-HASH.json       what was left to do
 *               /units/HASH-N.json     what a unit did, one file each
 *               /errors/KEY.json       verdicts with an ERROR in them, not in the store
 *               /graded.log            a line for each lab that was graded
 */
#ifndef COURSE_H
#define COURSE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/files.h"
#include "lib/lab.h"
#include "lib/settings.h"
#include "prepare/prepare.h"

#define CLASSES "build/class"

struct course {
    char folder[PATH_ROOM]; /* build/class/NAME */
    const struct settings *settings;
    struct labs labs;
    bool chosen[LABS_MAX]; /* that count */
    struct targets_found targets;
    char fingerprints[LABS_MAX][33]; /* of checks, seed and machine: verdict_key() */
    uint64_t seed;
    bool own; /* a student's own earlier parts are linked */
    cJSON *plan;
    int lock;
};

/* Gets labs, machine and seed ready for a class of that folder; `alone`: and sees to it that no
 * other does. EXIT_ALL, or the status to end with after saying why. */
int course_open(struct course *c, const char *folder, const struct settings *s, bool alone);
void course_close(struct course *c);

/* --- plan.c ---------------------------------------------------------------------------------- */

/* Reads all submissions (SUBMISSIONS=, ROSTER=, DEADLINE=) and makes the plan. False after saying
 * what is wrong. The plan:
 *   name, seed, own, deadline, labs[], versions{}
 *   students[]   id, name, email, group, folder, listed (in the roster),
 *                tries[]: source, form, when, when_from, late, and what handin_read() says, with
 *                         "keys": NN-name -> key of its verdicts
 *                counts: the number of the try that does; absent: nothing was handed in
 *   strangers[]  entries that are no hand-ins */
bool plan_make(struct course *c);
bool plan_load(struct course *c);

/* The try that counts, or NULL. */
const cJSON *try_counting(const cJSON *student);
/* "handed in", "not handed in" or "unclear" */
const char *try_lab_state(const cJSON *handed, const char *lab);

/* --- verdicts.c ------------------------------------------------------------------------------ */

/* What a lab's verdicts depend on has a name: the part's bytes, the checks, the seed, the machine
 * and the emulators' versions. */
void verdict_prepare(struct course *c);
void verdict_key(char key[33], const struct course *c, const struct lab *lab,
                 const char *parts);
cJSON *verdict_load(const struct course *c, const char *key); /* NULL: not in the store */
bool verdict_stored(const char *key);
/* With an ERROR in it, it goes to the class' errors, where gather finds it. False with errno. */
bool verdict_store(const struct course *c, const char *key, const cJSON *verdict);
/* One that could not be given, with "tries", how often; NULL: there is none. */
cJSON *error_load(const struct course *c, const char *key);
/* What was an ERROR is tried again from the beginning. */
void errors_forget(const struct course *c);

/* --- units.c --------------------------------------------------------------------------------- */

/* What is left to do: an array of {parts, labs: [{lab, key}]}; no key is in it twice. `again`:
 * without what has been tried twice since the class was begun, and was an ERROR both times. */
cJSON *units_left(const struct course *c, bool again);
/* Writes them to a file whose name follows from its contents. False with errno. */
bool units_write(const struct course *c, const cJSON *units, char *path);
int units_labs(const cJSON *units); /* how many labs are in them */

/* --- unit.c ---------------------------------------------------------------------------------- */

/* Grades one unit of a file; the same command for every engine. Returns the exit status. */
int unit_run(struct course *c, const char *units_path, int number);

/* --- gather.c -------------------------------------------------------------------------------- */

/* Errors once more, alone; then all that comes out is written. Returns the exit status. */
int course_gather(struct course *c);

#endif
