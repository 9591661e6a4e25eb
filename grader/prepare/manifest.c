/* manifest.c - size, hash and time of the files that were made once. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/files.h"
#include "lib/hash.h"
#include "prepare/manifest.h"

#define TEXT_ROOM 1024

/* Adds a line; false: there is no room for it. */
__attribute__((format(printf, 2, 3))) static bool line_add(char *text, const char *format,
                                                           ...)
{
    size_t used = strlen(text);
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(text + used, TEXT_ROOM - used, format, list);
    va_end(list);
    return n >= 0 && (size_t)n < TEXT_ROOM - used;
}

/* "ram 536870912", and its hash. */
static bool contents_text(const char *folder, const char *const *files, char *text)
{
    text[0] = 0;
    for (; *files; files++) {
        struct hash *hash = hash_new();
        char path[PATH_ROOM], key[33];
        struct stat s;
        bool ok;

        path_make(path, "%s/%s", folder, *files);
        ok = hash_contents(hash, path) && stat(path, &s) == 0;
        hash_finish(hash, key);
        if (!ok || !line_add(text, "%s %jd %s\n", *files, (intmax_t)s.st_size, key))
            return false;
    }
    return true;
}

static bool times_text(const char *folder, const char *const *files, char *text)
{
    text[0] = 0;
    for (; *files; files++) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s", folder, *files);
        if (stat(path, &s) < 0 ||
            !line_add(text, "%s %jd %jd.%09ld\n", *files, (intmax_t)s.st_size,
                      (intmax_t)s.st_mtim.tv_sec, s.st_mtim.tv_nsec))
            return false;
    }
    return true;
}

static bool text_keep(const char *folder, const char *name, const char *text)
{
    char path[PATH_ROOM];

    path_make(path, "%s/%s", folder, name);
    return file_write(path, text, strlen(text));
}

static bool text_is(const char *folder, const char *name, const char *text)
{
    char path[PATH_ROOM], *kept;
    bool same;

    path_make(path, "%s/%s", folder, name);
    kept = file_read(path, TEXT_ROOM, NULL);
    same = kept && strcmp(kept, text) == 0;
    free(kept);
    return same;
}

/* (Without it the hashes are asked for again: a folder that cannot be written to is no error.) */
static bool times_keep(const char *folder, const char *const *files)
{
    char times[TEXT_ROOM];

    return times_text(folder, files, times) && text_keep(folder, "times", times);
}

bool manifest_write(const char *folder, const char *const *files)
{
    char contents[TEXT_ROOM];

    return contents_text(folder, files, contents) && times_keep(folder, files) &&
           text_keep(folder, "manifest", contents);
}

/* Sizes only: is it worth while to read half a gigabyte? */
static bool sizes_hold(const char *folder, const char *const *files)
{
    char path[PATH_ROOM], *kept, *line;
    bool same = true;

    path_make(path, "%s/manifest", folder);
    kept = line = file_read(path, TEXT_ROOM, NULL);
    for (; kept && same && *files; files++) {
        char file[PATH_ROOM], start[300];
        struct stat s;

        path_make(file, "%s/%s", folder, *files);
        same = stat(file, &s) == 0 && line;
        if (same) {
            snprintf(start, sizeof start, "%s %jd ", *files, (intmax_t)s.st_size);
            same = strncmp(line, start, strlen(start)) == 0;
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
    }
    free(kept);
    return kept && same;
}

bool manifest_holds(const char *folder, const char *const *files)
{
    char now[TEXT_ROOM];

    if (!sizes_hold(folder, files))
        return false;
    if (times_text(folder, files, now) && text_is(folder, "times", now))
        return true;
    if (!contents_text(folder, files, now) || !text_is(folder, "manifest", now))
        return false;
    times_keep(folder, files);
    return true;
}
