/* intake.h - the room intake/: what a learning platform hands out becomes, for each student,
 * part files in a folder of ours and a list of what was there.
 *
 *   a folder or archive of all of them
 *     |  forms.c: whose is it, of when? (the names that platforms give)
 *     v
 *   struct handin: a student's try; one or several entries of that folder
 *     |  walk.c, archive.c: every file in it, also in archives inside, within limits
 *     v
 *   parts.c: files that are parts by their names; doubles and misspellings are told
 *     |
 *     v
 *   build/class/NAME/parts/HASH/NN-name/part.c, and a summary (JSON)
 *
 * No name from an archive or folder ever becomes a path of ours. */
#ifndef INTAKE_H
#define INTAKE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/files.h"
#include "lib/lab.h"

#define HANDIN_BYTES (64u << 20) /* of all files in one, unpacked */
#define HANDIN_FILES 20000u
#define NESTED_MAX   2 /* archives in archives */

/* A student's try, as the folder of all submissions shows it. Strings are its own. */
struct handin {
    char *id;   /* what the platform calls the student; the entry's name if nothing else */
    char *name; /* "" if the entry does not say it */
    char *email;
    char *attempt;         /* tells tries of one student apart; "" */
    char *source;          /* the first entry's name: what feedback is filed under */
    const char *form;      /* "moodle", "canvas", ... */
    time_t when;           /* 0: not known */
    const char *when_from; /* "its name", "the newest file", ... */
    bool late;             /* the platform says so */
    char **items;          /* entries of the folder */
    char **shown;          /* their names without the platform's prefix */
    size_t item_count;
};

struct handins {
    char folder[PATH_ROOM];
    struct handin *list;
    size_t count;
    cJSON *strangers; /* array of names: entries that are no hand-ins */
};

/* Finds them all in a folder. False with errno. */
bool handins_find(struct handins *handins, const char *folder);
void handins_free(struct handins *handins);

/* Reads one, in a process of its own with limits on memory and time, and writes its parts to a
 * folder under `place` whose name comes from their contents. Returns an object:
 *   parts     name of that folder; absent if nothing could be taken
 *   labs      object: NN-name -> "handed in", "not handed in" or "unclear"
 *   files     array of {path, bytes, taken}; `taken` names the part
 *   notes     array of sentences about doubles, misspellings, files left out
 *   refused   why it could not be read; absent if it could
 *   newest    time of the newest file, seconds since 1970 */
cJSON *handin_read(const struct handins *handins, const struct handin *handin,
                   const struct labs *labs, const char *place);

#endif
