/* class.c - the verb class: all submissions of a course. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "course/engines.h"
#include "verbs/class_name.h"
#include "verbs/verbs.h"

#define JOBS_MAX 256

static int jobs_choose(const struct settings *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN), jobs;
    char *end;

    if (!s->jobs)
        return cores < 1 ? 1 : (int)cores;
    jobs = strtol(s->jobs, &end, 10);
    if (*s->jobs && !*end && jobs >= 1 && jobs <= JOBS_MAX)
        return (int)jobs;
    fprintf(stderr, "grader: JOBS=%s is no number from 1 to %d\n", s->jobs, JOBS_MAX);
    return 0;
}

static bool units_run(struct course *c, const struct engine *engine, int jobs)
{
    cJSON *units;
    char path[PATH_ROOM];
    bool ok = true;
    int count;

    errors_forget(c);
    units = units_left(c, false);
    count = cJSON_GetArraySize(units);
    printf("%d submissions to grade, %d labs; %s/graded.log says which\n", count,
           units_labs(units), c->folder);
    fflush(stdout);
    if (count > 0 && !units_write(c, units, path)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        ok = false;
    }
    ok = ok && (count == 0 || engine->run(c, path, units, jobs));
    cJSON_Delete(units);
    return ok;
}

static int class_verb(const struct settings *s)
{
    struct course course = {.lock = -1};
    char name[100], folder[PATH_ROOM];
    const struct engine *engine = engine_find(s);
    int jobs = jobs_choose(s), status;

    if (!engine || !jobs || !class_name_choose(name, s))
        return EXIT_USAGE;
    path_make(folder, CLASSES "/%s", name);
    status = course_open(&course, folder, s, true);
    if (status == EXIT_ALL && !slurm_jobs_end(&course))
        status = EXIT_GRADER;
    if (status == EXIT_ALL && !plan_make(&course))
        status = EXIT_USAGE;
    if (status == EXIT_ALL)
        status = units_run(&course, engine, jobs) ? course_gather(&course) : EXIT_GRADER;
    course_close(&course);
    return status;
}

const struct verb verb_class = {
    .name = "class",
    .run = class_verb,
    .whom = FOR_INSTRUCTOR,
    .help =
        "make class SUBMISSIONS=dir  grade all that a learning platform handed out\n"
        "      NAME=name LABS=1-6      results in build/class/NAME; the labs that count\n"
        "      ROSTER=file.csv         id,name,email,group: the order, and who is missing\n"
        "      DEADLINE=2027-01-31T23:59+01:00   later ones are marked\n"
        "      JOBS=n                  side by side (as many as there are cores)\n"
        "      ENGINE=slurm            a job array (PARTITION=, TIME=, MEMORY= of sbatch)\n"
        "      ENGINE=parallel         GNU parallel; HOSTS=a,b have this folder, too\n",
};
