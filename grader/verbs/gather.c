/* gather.c - the verb gather: what comes out of a class, from the verdicts that are there. */
#define _GNU_SOURCE
#include <stdio.h>

#include "course/course.h"
#include "verbs/verbs.h"

static int gather_verb(const struct settings *s)
{
    struct course course = {.lock = -1};
    char folder[PATH_ROOM];
    int status;

    if (!s->name) {
        fprintf(stderr, "grader: which class? make gather NAME=name\n");
        return EXIT_USAGE;
    }
    path_make(folder, CLASSES "/%s", s->name);
    status = course_open(&course, folder, s, false);
    if (status == EXIT_ALL)
        status = plan_load(&course) ? course_gather(&course) : EXIT_USAGE;
    course_close(&course);
    return status;
}

const struct verb verb_gather = {
    .name = "gather",
    .run = gather_verb,
    .whom = FOR_INSTRUCTOR,
    .help = "make gather NAME=name       write what comes out of a class once more\n",
};
