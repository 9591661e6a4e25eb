/* class.c - the verb class: all submissions of a course. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "course/engines.h"
#include "verbs/verbs.h"

#define JOBS_MAX 256

/* NAME=, or what the folder of all submissions is called; letters, digits, '-', '_' and '.'. */
static bool name_choose(char name[100], const struct settings *s)
{
    char *path = realpath(s->submissions, NULL);
    const char *from = s->name ? s->name : path ? strrchr(path, '/') + 1 : "";
    size_t n = 0;

    for (; *from && n < 99; from++)
        name[n++] = (*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z') ||
                            (*from >= '0' && *from <= '9') || strchr("-_.", *from)
                        ? *from
                        : '_';
    name[n] = 0;
    free(path);
    if (name[0] && name[0] != '.' && strcmp(name, "verdicts") != 0)
        return true;
    fprintf(stderr, "grader: NAME=%s cannot be the name of a class\n", name);
    return false;
}

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
    cJSON *units = units_left(c);
    char path[PATH_ROOM];
    int count = cJSON_GetArraySize(units);
    bool ok = true;

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
    struct stat at;
    const struct engine *engine = engine_find(s);
    int jobs = jobs_choose(s), status;

    if (!s->submissions || stat(s->submissions, &at) < 0 || !S_ISDIR(at.st_mode)) {
        fprintf(stderr,
                "grader: SUBMISSIONS=%s is no folder; it should hold a folder or an "
                "archive per student\n",
                s->submissions ? s->submissions : "");
        return EXIT_USAGE;
    }
    if (!engine || !jobs || !name_choose(name, s))
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
        "      NAME=name LABS=1-6      what comes out is in build/class/NAME; labs that "
        "count\n"
        "      ROSTER=file.csv         id,name,email,group: the order, and who is missing\n"
        "      DEADLINE=2027-01-31T23:59+01:00   later ones are marked\n"
        "      JOBS=n                  side by side (as many as there are cores)\n"
        "      ENGINE=slurm            a job array; PARTITION=, TIME=, MEMORY= are "
        "sbatch's\n"
        "      ENGINE=parallel         GNU parallel; HOSTS=a,b over ssh, with this folder "
        "there\n",
};
