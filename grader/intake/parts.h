/* parts.h - inside of the room intake/: which of a hand-in's files are the labs' parts. */
#ifndef PARTS_H
#define PARTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <time.h>

#include "intake/intake.h"

enum part_rank {
    RANK_IN_LABS,   /* labs/NN-name/part.c */
    RANK_IN_FOLDER, /* NN-name/part.c */
    RANK_BY_NAME,   /* part.c, anywhere */
    RANK_RENAMED,   /* part-1.c, part (1).c, PART.C: a platform or browser did that */
};

struct candidate {
    const struct lab *lab;
    int part; /* of the lab */
    enum part_rank rank;
    char *path, *text;
    size_t size;
};

struct parts {
    const struct labs *labs;
    struct candidate *list;
    size_t count;
    cJSON *files, *notes;
    size_t bytes, files_seen;
    time_t newest;
    bool refused;      /* a limit was reached */
    char why[300];     /* and which */
    cJSON *misspelled; /* object: part -> path of a file that may be meant */
};

struct parts parts_begin(const struct labs *labs);
void parts_free(struct parts *p);

void parts_note(struct parts *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Nothing more is taken. Returns false. */
bool parts_refuse(struct parts *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A file has been met. Returns false if nothing of it matters, not even its name. */
bool parts_path_matters(const char *path);
/* Is its text wanted? */
bool parts_want(const struct parts *p, const char *path);
/* Has it, with its text (which is taken over) or without (NULL). */
void parts_meet(struct parts *p, const char *path, char *text, size_t size, time_t when);
/* Counts bytes that were unpacked or read; false: too many (refused). */
bool parts_count(struct parts *p, size_t bytes);

/* Chooses, and writes NN-name/part.c under a folder. Returns the object "labs" of intake.h, and
 * the name that follows from all that was written ("": nothing was). NULL with errno: it could
 * not be written. */
cJSON *parts_choose(struct parts *p, const char *folder, char key[33]);

/* --- walk.c, archive.c ----------------------------------------------------------------------- */

/* All files of an entry (a folder, an archive, or a file), under a name to show. */
void item_walk(struct parts *p, const char *path, const char *shown);

bool name_is_archive(const char *name);
/* All files of an archive, which is given by its bytes. */
void archive_walk(struct parts *p, const char *bytes, size_t size, const char *shown,
                  int depth);

#endif
