/* prepare.h - the room prepare/: packages, kernel, machine. What a target needs is made when it
 * is first needed and when it is stale; what is not there has a reason, in a sentence that
 * names the command that mends it. */
#ifndef PREPARE_H
#define PREPARE_H

#include <stdbool.h>

#include "lib/files.h"
#include "lib/settings.h"

struct targets_found {
    char machine[PATH_ROOM]; /* folder of the snapshot */
    char no_machine[700];    /* or why there is none; empty: there is */
    char no_model[300];
    char no_silicon[300];
    char no_sandbox[300]; /* why bubblewrap cannot be used; empty: it can */
    bool incomplete;      /* one that was asked for is not there */
};

/* Makes sure of kernel and machine. Says what it does if that takes longer. False: it
 * could not be built although everything needed is there (said on stderr). */
bool targets_prepare(struct targets_found *found, const struct settings *s);

/* --- machine.c ------------------------------------------------------------------------------- */

/* Folder of the machine's snapshot, which is made if need be; false (said why). */
bool machine_prepare(char *folder, const struct settings *s);
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
