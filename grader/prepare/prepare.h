/* prepare.h - the room prepare/: packages, kernel, machine. What a target needs is made when it
 * is first needed and when it is stale; what is not there has a reason, in a sentence that
 * names the command that mends it. */
#ifndef PREPARE_H
#define PREPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/cage.h"
#include "lib/files.h"
#include "lib/settings.h"

struct targets_found {
    char machine[PATH_ROOM];      /* folder of the snapshot */
    char boot_machine[PATH_ROOM]; /* the capstone's; boot_machine_prepare() fills it */
    char no_machine[700];         /* or why there is none; empty: there is */
    char no_model[500];
    char no_silicon[500];
    enum cage cage;       /* of compilers, tools and Bochs */
    char no_cage[900];    /* why there is none; empty: there is */
    char no_sandbox[500]; /* why subjects cannot run in bubblewrap; empty: they can */
};

/* Makes sure of kernel and machine. Says what it does if that takes longer. False: it
 * could not be built although everything needed is there (said on stderr). */
bool targets_prepare(struct targets_found *found, const struct settings *s);

/* Makes sure of the capstone's machine as well, if there is a target machine at all. */
bool boot_machine_prepare(struct targets_found *found, const struct settings *s);

/* Can what others wrote be compiled here? Else says that the verb is skipped, and why. */
bool others_graded(const struct targets_found *found, const char *verb);

/* --- ownership.c ----------------------------------------------------------------------------- */

/* May we write in build/, and in what is in it? If not, *why names the first thing, and the
 * command that mends it. */
bool build_is_ours(char *why, size_t size);

/* --- machine.c ------------------------------------------------------------------------------- */

/* Folder of the machine's snapshot, which is made if need be; false (said why). boot: of the
 * capstone's machine. */
bool machine_prepare(char *folder, const struct settings *s, bool boot);
/* Is the machine there already? Makes nothing. */
bool machine_made(const struct settings *s);

/* --- kernel.c -------------------------------------------------------------------------------- */

/* Where the unpacked kernel is, or will be. */
void kernel_folder(char *folder, const struct settings *s);
/* Is what lies there as it was made? */
bool kernel_intact(const char *folder);
bool kernel_there(const struct settings *s);
/* Folder of the unpacked kernel, or false (said why). */
bool kernel_prepare(char *folder, const struct settings *s);

#endif
