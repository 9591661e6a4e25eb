/* traces.c - the recorded runs of a lab, in build/traces. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grading/results.h"
#include "grading/traces.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "lib/settings.h"

/* Named as the results of the same submission are: build/traces[-NAME-HASH]/LAB. */
void traces_folder(char *folder, const struct lab *lab, const struct settings *s)
{
    char results[PATH_ROOM];
    const char *name = results + strlen("build/results");

    results_path(results, s->from);
    path_make(folder, "build/traces%.*s/%s", (int)(strlen(name) - strlen(".json")), name,
              lab->name);
}

/* What shows most of a lab, when nothing has failed. */
static const char *const best[] = {
    [1] = "first_guest_runs_until_it_halts",
    [2] = "what_no_slot_answers_is_mmio",
    [3] = "counters_agree_with_the_kernel",
    [4] = "patched_way_exits_twice",
    [5] = "caches_save_references",
    [6] = "random_walk_exits_where_you_decided",
    [7] = "halted_vcpu_is_woken",
    [8] = "interrupts_reach_the_guest",
    [9] = "demand_works_on_the_device",
    [10] = "exits_of_l2_go_to_their_level",
    [11] = "linux_answers",
};

const char *trace_best(const struct lab *lab)
{
    const int count = sizeof best / sizeof best[0];
    const char *id = lab->number > 0 && lab->number < count ? best[lab->number] : NULL;

    return id && lab_check(lab, id) ? id : "";
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
