/* walk.c - all files of a folder, without following a link. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake/parts.h"
#include "submission/submission.h"

#define DEPTH_MAX 24

/* A regular file: an archive, a part, or one that is only listed. */
static void file_walk(struct parts *p, const char *path, const char *shown,
                      const struct stat *s)
{
    size_t size = (size_t)s->st_size, limit = PART_BYTES + 1;
    bool archive = name_is_archive(shown);
    char *text = NULL;

    if (archive)
        limit = HANDIN_BYTES;
    if ((archive || parts_want(p, shown)) && size <= limit) {
        if (!parts_count(p, size))
            return;
        text = file_read(path, limit, &size);
        if (!text) {
            parts_note(p, "%s cannot be read: %s", shown, strerror(errno));
            return;
        }
    } else if (archive) {
        parts_note(p, "%s has %zu bytes, more than is opened (%u MiB)", shown, size,
                   HANDIN_BYTES >> 20);
    } else if (parts_want(p, shown)) {
        parts_note(p, "%s has %zu bytes; a part may have %u", shown, size, PART_BYTES);
    }
    if (!archive || !text) {
        parts_meet(p, shown, text, size, s->st_mtime);
        return;
    }
    if (s->st_mtime > p->newest)
        p->newest = s->st_mtime;
    archive_walk(p, text, size, shown, 1);
    free(text);
}

static void entry_walk(struct parts *p, const char *path, const char *shown, int depth);

static void folder_walk(struct parts *p, const char *path, const char *shown, int depth)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);

    if (count < 0)
        parts_note(p, "the folder %s cannot be read: %s", shown, strerror(errno));
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char inner[PATH_ROOM], seen[PATH_ROOM];

        path_make(inner, "%s/%s", path, name);
        path_make(seen, "%s/%s", shown, name);
        if (strcmp(name, ".") && strcmp(name, "..") && strcmp(name, ".git") && !p->refused)
            entry_walk(p, inner, seen, depth + 1);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void entry_walk(struct parts *p, const char *path, const char *shown, int depth)
{
    struct stat s;

    if (lstat(path, &s) < 0)
        parts_note(p, "%s cannot be read: %s", shown, strerror(errno));
    else if (S_ISLNK(s.st_mode))
        parts_note(p, "%s is a link and was left out", shown);
    else if (S_ISDIR(s.st_mode) && depth > DEPTH_MAX)
        parts_note(p, "%s lies too deep and was left out", shown);
    else if (S_ISDIR(s.st_mode))
        folder_walk(p, path, shown, depth);
    else if (!S_ISREG(s.st_mode))
        parts_note(p, "%s is not a regular file and was left out", shown);
    else if (parts_path_matters(shown))
        file_walk(p, path, shown, &s);
}

void item_walk(struct parts *p, const char *path, const char *shown)
{
    entry_walk(p, path, shown, 0);
}
