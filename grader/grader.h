/* grader.h - what the files of the grader program share.
 *
 * The grader runs in the kit's top folder. It plans what to do from the settings, has
 * submissions compiled (build.c), lets each lab's checks program judge them (grading.c),
 * and reports (report.c, results.c). It never runs a submission itself.
 */
#ifndef GRADER_H
#define GRADER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "capstone.h"

/* Exit status of the program. */
enum { EXIT_ALL = 0, EXIT_POINTS = 1, EXIT_USAGE = 2, EXIT_GRADER = 3 };

#define LABS_MAX   16
#define PARTS_MAX  4
#define PATH_ROOM  4096
#define PART_BYTES (1u << 20) /* the largest part file that is taken */

/* --- settings.c: NAME=value words behind the verb ---------------------------------------- */

struct settings {
    const char *lab, *check, *from, *target;
    const char *seed_text;
    const char *own, *sanitize, *yes, *times, *text, *named;
    const char *command_line, *device; /* of make boot */
    const char *kernel, *modules;
    bool not_own; /* OWN=0 was said */
    uint64_t seed;
};

uint64_t seed_random(void);

/* Fills *s, or explains what is wrong on stderr and returns false. */
bool settings_parse(struct settings *s, int count, char **words);

/* --- lab.c ---------------------------------------------------------------------------------- */

struct lab {
    int number;
    char name[40]; /* NN-name */
    char parts[PARTS_MAX][40];
    int part_count;
    cJSON *declared; /* what `checks --list` says: title and the checks */
};

struct labs {
    struct lab list[LABS_MAX];
    int count;
};

/* Finds the labs of the kit and asks their checks programs for the declarations. */
bool labs_load(struct labs *labs);
void labs_free(struct labs *labs);

/* The lab that LAB= names ("1", "01", "01-kvm-open"), or NULL after saying which there are. */
const struct lab *lab_find(const struct labs *labs, const char *text);

/* For verbs about one lab: finds the one that LAB= names and runs the verb on it; says
 * `usage` where LAB= is missing. */
int lab_verb(const struct settings *s, const char *usage,
             int (*run)(const struct lab *lab, const struct labs *labs,
                        const struct settings *s));

/* The capstone's points are not among the kit's 100: it is shown apart. It is the last lab. */
bool lab_is_capstone(const struct lab *lab);

/* One of its declared checks, or NULL. */
const cJSON *lab_check(const struct lab *lab, const char *id);
int lab_tenths(const struct lab *lab);

const char *json_text(const cJSON *object, const char *name); /* "" where there is none */
int json_int(const cJSON *object, const char *name);

/* --- files.c --------------------------------------------------------------------------------- */

/* Whole file as text (NUL behind it); NULL with errno. Caller frees. */
char *file_read(const char *path, size_t limit, size_t *size);

/* Writes a file so that it is there whole or not at all. False with errno. */
bool file_write(const char *path, const void *bytes, size_t size);

/* Makes a path of at most PATH_ROOM bytes. One that would be longer becomes "", which no
 * file has: what is done with it fails. */
void path_make(char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool folder_make(const char *path);   /* with its parents */
bool folder_remove(const char *path); /* with all that is in it */
bool file_copy(const char *from, const char *to);

/* Takes a lock file (created if need be) until lock_drop(); waits. -1 with errno. */
int lock_take(const char *path);
void lock_drop(int lock);

/* Runs a program and waits. What it prints goes to *output (at most 64 KiB; caller frees)
 * if output is not NULL, else where ours goes. seconds: killed with its group after that
 * (0, or no output: never). Returns its exit status, 128 + signal, or -1: not started or timed out. */
int command_run(char *const argv[], char **output, int seconds);

/* Is it in PATH? */
bool program_there(const char *name);

double now_seconds(void);

/* --- hash.c ------------------------------------------------------------------------------------ */

struct hash;
struct hash *hash_new(void);
void hash_bytes(struct hash *hash, const void *bytes, size_t size);
void hash_text(struct hash *hash, const char *text);
bool hash_file(struct hash *hash, const char *path); /* name and contents */
void hash_stat(struct hash *hash, const char *path); /* name, size and time */
bool hash_folder(struct hash *hash, const char *path, const char *suffix);
/* Ends the hash: 32 hex digits. */
void hash_finish(struct hash *hash, char key[33]);

/* --- prepare.c: the machine, made when first needed and when stale ------------------------------ */

struct targets_found {
    char machine[PATH_ROOM];      /* folder of the snapshot */
    char boot_machine[PATH_ROOM]; /* the capstone's; boot_machine_prepare() fills it */
    char no_machine[700];         /* or why there is none; empty: there is */
    char no_model[300];
    char no_silicon[300];
    char no_sandbox[300]; /* why bubblewrap cannot be used; empty: it can */
};

/* Makes sure of kernel and machine. Says what it does if that takes longer. False: it
 * could not be built although everything needed is there (said on stderr). */
bool targets_prepare(struct targets_found *found, const struct settings *s);

/* Makes sure of the capstone's machine as well, if there is a target machine at all. */
bool boot_machine_prepare(struct targets_found *found, const struct settings *s);

/* Is the machine there already? Makes nothing. */
bool machine_made(const struct settings *s);

/* Folder of the unpacked kernel, or false (said why). */
bool kernel_prepare(char *folder, const struct settings *s);

/* --- build.c: from part files to the subject ------------------------------------------------------ */

struct submission {
    const char *folder; /* holds NN-name/part.c */
    const char *label;  /* what to call that folder in messages */
    const char *own;    /* whose parts 1 .. N-1 to link too; NULL: the reference's */
    uint32_t own_labs;  /* not 0: only those of the labs whose bits are set */
    bool sanitize;
    bool trusted;           /* one's own: may do without a sandbox where there is none */
    const char *no_sandbox; /* why there is none, or NULL */
};

struct built {
    char subject[PATH_ROOM]; /* the ELF image, if ok */
    char *messages;          /* compiler warnings, or why it failed */
    bool ok;
    bool ours; /* the failure is not the submission's */
};

/* Compiles a lab's part of a submission and links it with the given dispatcher
 * (build/subjects/NAME.o). Takes it from the cache if nothing has changed. */
void subject_build(struct built *built, const struct lab *lab, const struct labs *labs,
                   const struct submission *submission, const char *dispatcher);
void built_free(struct built *built);
/* The submission that FROM=, OWN= and SANITIZE= name. */
struct submission submission_from(const struct settings *s);

/* --- grading.c ------------------------------------------------------------------------------------- */

/* One lab of one submission on its way from part file to verdicts. */
struct grading {
    const struct lab *lab;
    struct submission submission;
    const char *only;            /* a single check's id, or NULL */
    const char *traces;          /* folder for recorded events, or NULL */
    bool no_machine, no_silicon; /* leave these targets out */
    uint64_t seed;

    cJSON *checks;             /* object: id -> {verdict, asked, seen, note, seconds} */
    char *messages;            /* the compiler's */
    char parts[CAPSTONE_NOTE]; /* on whose parts it stands, in words; "": as always */
    bool reported;             /* the worker has said how the build went */
    bool built, ours_failed;
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

/* --- results.c: build/results.json -------------------------------------------------------------------- */

/* The file that keeps the results for a submission folder. */
void results_path(char *path, const char *from);
cJSON *results_load(const char *path); /* an empty object where there is none */
/* What the last grading said of a check, or NULL. */
const cJSON *results_verdict(const cJSON *results, const struct lab *lab, const char *id);
/* Puts the gradings into the file. False with errno. */
bool results_merge(const char *path, const struct grading *list, int count);

/* --- report.c -------------------------------------------------------------------------------------------- */

bool colours(void);                  /* on a terminal, and not forbidden by NO_COLOR */
const char *paint(const char *name); /* "green", ... or "" */
/* "0.5", "12" */
const char *points_text(int tenths, char buffer[16]);
/* Prints text in lines of `width` columns; each but the first is indented by `indent`. */
void print_wrapped(const char *text, int indent, int width);
/* "exit 17", "the last step": a verdict's "point" in words; "": it has none */
const char *point_text(const cJSON *point, char buffer[40]);
void report_print(const struct grading *grading, const struct settings *s);
/* And what the capstone's last grading said, if there was one. */
void report_total(const struct grading *list, int count, const struct labs *labs,
                  const char *from);
/* One line that is overwritten by the next; nothing where there is no terminal. */
void progress_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- verbs -------------------------------------------------------------------------------------------------- */

int verb_grade(const struct settings *s);
int verb_progress(const struct settings *s);
int verb_hint(const struct settings *s);
int verb_reset(const struct settings *s);
int verb_watch(const struct settings *s);
int verb_trace(const struct settings *s);
int verb_run(const struct settings *s);
int verb_boot(const struct settings *s);
int verb_shell(const struct settings *s);
int verb_doctor(const struct settings *s);
int verb_mutants(const struct settings *s);
int verb_attacks(const struct settings *s);
int verb_bench(const struct settings *s);
int verb_help(const struct settings *s);

/* --- trace.c ---------------------------------------------------------------------------------------- */

/* Where recorded runs of a lab are kept (PATH_ROOM bytes); "": nowhere. */
void traces_folder(char *folder, const struct lab *lab, const struct settings *s);

/* Is there anything that `make trace` can show of a check, or (NULL) of the lab? */
bool trace_there(const struct lab *lab, const struct settings *s, const char *check);

/* --- trace_page.c -------------------------------------------------------------------------------- */

struct kvm_events;
struct trace_head;

/* Whose run a page shows, and what came of it: where it failed the page opens. */
struct page_about {
    const struct lab *lab;
    const char *id;
    const cJSON *verdict; /* of the check; NULL: not known */
};

/* Writes a recorded run of a check as a page of its own; its path in path[PATH_ROOM]. False
 * with errno. */
bool trace_page_write(char *path, const struct kvm_events *events,
                      const struct trace_head *head, const struct page_about *about);

/* The same for what a check kept with judge_view(): kept is the file's text (its first line,
 * the kind, is cut off). */
bool view_page_write(char *path, char *kept, const struct page_about *about);

#endif
