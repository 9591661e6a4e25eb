/* course.c - what every command about a class begins with. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "course/course.h"
#include "lib/status.h"

#define LEFT_SECONDS 3600 /* what is younger may be another's, who is at it */

/* A class' seed is kept, so that what is killed goes on with the same numbers, and it is longer
 * than one that is typed: students must not find it by trying. */
static bool seed_settle(struct course *c)
{
    char path[PATH_ROOM], text[32], *kept;

    path_make(path, "%s/seed", c->folder);
    kept = file_read(path, sizeof text, NULL);
    if (c->settings->seed_text)
        c->seed = c->settings->seed;
    else if (kept)
        c->seed = strtoull(kept, NULL, 10);
    else if (getrandom(&c->seed, sizeof c->seed, 0) != sizeof c->seed)
        return false;
    else
        c->seed >>= 12;
    free(kept);
    snprintf(text, sizeof text, "%llu\n", (unsigned long long)c->seed);
    return file_write(path, text, strlen(text));
}

static bool lock_settle(struct course *c)
{
    char path[PATH_ROOM];
    FILE *file;

    path_make(path, "%s/lock", c->folder);
    file = fopen(path, "ae");
    if (!file)
        return false;
    c->lock = dup(fileno(file));
    fclose(file);
    if (c->lock >= 0 && flock(c->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    fprintf(stderr, "grader: another make class is at work in %s\n", c->folder);
    errno = 0;
    return false;
}

int course_open(struct course *c, const char *folder, const struct settings *s, bool alone)
{
    *c = (struct course){.settings = s, .lock = -1, .own = s->own != NULL};
    path_make(c->folder, "%s", folder);
    if (!labs_load(&c->labs))
        return EXIT_GRADER;
    if (!labs_choose(&c->labs, s->lab ? s->lab : s->labs, c->chosen))
        return EXIT_USAGE;
    for (int i = 0; i < c->labs.count; i++) /* unless it is named */
        c->chosen[i] &= s->lab || s->labs || !lab_is_capstone(&c->labs.list[i]);
    if (!folder_make(c->folder) || (alone && !lock_settle(c)) || !seed_settle(c)) {
        if (errno)
            fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        return EXIT_GRADER;
    }
    if (alone)
        leftovers_prune(CLASSES, LEFT_SECONDS);
    if (!targets_prepare(&c->targets, s))
        return EXIT_GRADER;
    for (int i = 0; i < c->labs.count; i++)
        if (c->chosen[i] && lab_is_capstone(&c->labs.list[i]) &&
            !boot_machine_prepare(&c->targets, s))
            return EXIT_GRADER;
    if (c->targets.cage == CAGE_NONE) {
        fprintf(stderr,
                "grader: other people's submissions are only compiled in a cage: "
                "%s\n",
                c->targets.no_cage);
        return EXIT_GRADER;
    }
    verdict_prepare(c);
    return EXIT_ALL;
}

void course_close(struct course *c)
{
    cJSON_Delete(c->plan);
    labs_free(&c->labs);
    if (c->lock >= 0)
        close(c->lock);
}
