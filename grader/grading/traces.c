/* traces.c - the recorded runs of a lab, in build/traces. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grading/traces.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "lib/settings.h"

/* Runs of one's own labs and of the reference are kept; of others only the results. */
void traces_folder(char *folder, const struct lab *lab, const struct settings *s)
{
    if (strcmp(s->from, "labs") == 0)
        path_make(folder, "build/traces/%s", lab->name);
    else if (strcmp(s->from, "solutions") == 0)
        path_make(folder, "build/traces-solutions/%s", lab->name);
    else
        folder[0] = 0;
}

/* The check that an entry of the folder belongs to; "": none. It may have two files: ID, what
 * the kernel recorded, and ID.view, what the check kept for a page. */
static void id_of(char *id, size_t size, const struct lab *lab, const char *file)
{
    size_t length = strlen(file), suffix = strlen(VIEW_SUFFIX);

    if (length > suffix && strcmp(file + length - suffix, VIEW_SUFFIX) == 0)
        length -= suffix;
    snprintf(id, size, "%.*s", (int)length, file);
    if (!lab_check(lab, id))
        id[0] = 0;
}

static bool newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

bool trace_newest(char *id, size_t size, const struct lab *lab, const struct settings *s)
{
    struct timespec newest = {0};
    char folder[PATH_ROOM];
    struct dirent *entry;
    DIR *dir;

    traces_folder(folder, lab, s);
    id[0] = 0;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char file[PATH_ROOM], one[256];
        struct stat status;

        path_make(file, "%s/%s", folder, entry->d_name);
        id_of(one, sizeof one, lab, entry->d_name);
        if (!one[0] || stat(file, &status) < 0 ||
            (s->check && strcmp(s->check, one) != 0) || !newer(&status.st_mtim, &newest))
            continue;
        newest = status.st_mtim;
        snprintf(id, size, "%s", one);
    }
    if (dir)
        closedir(dir);
    return id[0] != 0;
}

bool trace_there(const struct lab *lab, const struct settings *s, const char *check)
{
    const struct settings wanted = {.from = s->from, .check = check};
    char id[256];

    return trace_newest(id, sizeof id, lab, &wanted);
}

bool trace_kept(const char *folder, const char *id)
{
    char events[PATH_ROOM], view[PATH_ROOM];

    path_make(events, "%s/%s", folder, id);
    path_make(view, "%s/%s" VIEW_SUFFIX, folder, id);
    return access(events, F_OK) == 0 || access(view, F_OK) == 0;
}
