/* files.h - files that are there whole or not at all, folders, locks. */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_ROOM 4096

/* Whole file as text (NUL behind it); NULL with errno. Caller frees. */
char *file_read(const char *path, size_t limit, size_t *size);

/* Writes a file so that it is there whole or not at all. False with errno. */
bool file_write(const char *path, const void *bytes, size_t size);

/* Makes a path of at most PATH_ROOM bytes. One that would be longer becomes "", which no
 * file has: what is done with it fails. */
void path_make(char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool folder_make(const char *path);   /* with its parents */
bool folder_remove(const char *path); /* with all that is in it */
/* Removes what is older than `seconds` in a folder, but for one entry (or NULL). Another
 * grader may be using what is younger. */
void folder_prune(const char *folder, const char *keep, long seconds);
/* Removes what writers that were killed left in a folder and those below it: fresh files and folders,
 * NAME.XXXXXX, older than `seconds`. */
void leftovers_prune(const char *folder, long seconds);
bool file_copy(const char *from, const char *to);

/* Takes a lock file (created if need be) until lock_drop(); waits. -1 with errno. */
int lock_take(const char *path);
void lock_drop(int lock);

#endif
