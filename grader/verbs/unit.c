/* unit.c - the verb unit: one unit of a class' work. What every engine runs; nobody types it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "course/course.h"
#include "verbs/verbs.h"

static int unit_verb(const struct settings *s)
{
    struct course course = {.lock = -1};
    char folder[PATH_ROOM], *slash;
    int status;

    if (!s->units || !s->unit || !strchr(s->units, '/')) {
        fprintf(stderr, "grader: unit UNITS=build/class/NAME/units-HASH.json UNIT=n\n");
        return EXIT_USAGE;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever engine started it */
    path_make(folder, "%s", s->units);
    slash = strrchr(folder, '/');
    *slash = 0;
    status = course_open(&course, folder, s, false);
    if (status == EXIT_ALL && !plan_load(&course))
        status = EXIT_GRADER;
    if (status == EXIT_ALL)
        status = unit_run(&course, s->units, atoi(s->unit));
    course_close(&course);
    return status;
}

const struct verb verb_unit = {
    .name = "unit",
    .run = unit_verb,
    .whom = FOR_INSTRUCTOR,
};
