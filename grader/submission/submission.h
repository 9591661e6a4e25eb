/* submission.h - the room submission/: from the part files of somebody unknown to a subject that
 * can be run. Nothing of a submission is believed: regular files only are copied, compiled in
 * a cage that shows nothing but compiler and headers, and linked in another one with our
 * objects. */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cage.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "lib/settings.h"

#define PART_BYTES (1u << 20) /* the largest part file that is taken */

struct submission {
    const char *folder; /* holds NN-name/part.c */
    const char *label;  /* what to call that folder in messages */
    const char *own;    /* whose parts 1 .. N-1 to link too; NULL: the reference's */
    uint32_t own_labs;  /* not 0: only those of the labs whose bits are set */
    bool sanitize;
    bool debug;          /* compiled for a debugger: every line and variable is there */
    bool trusted;        /* one's own: may do without a cage where there is none */
    enum cage cage;      /* where it is compiled */
    const char *no_cage; /* why there is none, where there is none */
};

struct built {
    char subject[PATH_ROOM]; /* the ELF image, if ok */
    char *messages;          /* compiler warnings, or why it failed */
    char parts[33];          /* a name for the part files' bytes as they were read; "": they
                                were not, and the failure is ours */
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

#endif
