/* slurm.c - the engine of a cluster: a job array, a task a unit, and a job that gathers when all
 * have ended. The nodes see this folder under the same name. What Slurm was given is noted, so
 * that a run that was killed does not go on beside the next. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "course/engines.h"
#include "lib/command.h"
#include "report/terminal.h"

#define ARRAY_MAX    1000 /* tasks in one array: Slurm's own limit, where nobody changed it */
#define POLL_SECONDS 1
#define SILENT_MAX   120 /* times that Slurm may not answer */

static bool slurm_there(const struct settings *s)
{
    static const char *const programs[] = {"sbatch", "squeue", "scancel"};

    (void)s;
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (!program_there(programs[i])) {
            fprintf(stderr,
                    "grader: ENGINE=slurm: %s is not here: sudo apt install "
                    "slurm-client, on a computer that belongs to a cluster\n",
                    programs[i]);
            return false;
        }
    return true;
}

static void jobs_path(const struct course *c, char *path)
{
    path_make(path, "%s/slurm.jobs", c->folder);
}

/* Adds a job's number to those that were given to Slurm. */
static bool job_note(const struct course *c, const char *job)
{
    char path[PATH_ROOM], *before, *text = NULL;
    bool ok;

    jobs_path(c, path);
    before = file_read(path, 1u << 20, NULL);
    ok = asprintf(&text, "%s%s\n", before ? before : "", job) > 0 &&
         file_write(path, text, strlen(text));
    free(before);
    free(text);
    return ok;
}

enum queued { QUEUED, ENDED, SILENT };

/* Is a job waiting or running? */
static enum queued job_look(const char *job)
{
    char *output = NULL;
    char *argv[] = {"squeue", "--noheader", "--jobs", (char *)(uintptr_t)job, NULL};
    int status = command_run(argv, &output, 30);
    enum queued state = SILENT;

    if (status == 0)
        state = output[strspn(output, " \n")] ? QUEUED : ENDED;
    else if (output && strstr(output, "Invalid job id"))
        state = ENDED;
    free(output);
    return state;
}

/* Waits for its end; says how far it is. False: Slurm does not answer any more. */
static bool job_wait(const struct course *c, const char *job, int units)
{
    int silent = 0;

    for (;;) {
        enum queued state = job_look(job);

        if (state == ENDED)
            break;
        silent = state == SILENT ? silent + 1 : 0;
        if (silent > SILENT_MAX) {
            fprintf(stderr, "grader: Slurm does not answer; run make class again when it "
                            "does\n");
            return false;
        }
        if (units)
            progress_line("grading: %d submissions with Slurm, of %s", units, c->folder);
        sleep(POLL_SECONDS);
    }
    progress_line("%s", "");
    return true;
}

bool slurm_jobs_end(const struct course *c)
{
    char path[PATH_ROOM], *jobs, *save;
    bool ok = true;

    jobs_path(c, path);
    jobs = file_read(path, 1u << 20, NULL);
    if (!jobs)
        return true;
    if (!slurm_there(c->settings)) {
        free(jobs);
        return false;
    }
    for (char *job = strtok_r(jobs, "\n", &save); ok && job;
         job = strtok_r(NULL, "\n", &save)) {
        char *output = NULL, *argv[] = {"scancel", job, NULL};

        command_run(argv, &output, 30);
        free(output);
        ok = job_wait(c, job, 0);
    }
    free(jobs);
    return ok && unlink(path) == 0;
}

/* A word for a shell's script. */
static void quoted(FILE *out, const char *word)
{
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

/* The script of a job; `tail` is not quoted. */
static bool script_write(const struct course *c, const char *name, char *const *words,
                         const char *tail, char *path)
{
    char *text = NULL, *folder = get_current_dir_name();
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out && folder;

    if (ok) {
        fputs("#!/bin/sh\ncd ", out);
        quoted(out, folder);
        fputs(" || exit 3\nexec build/bin/grader", out);
        for (; *words; words++) {
            fputc(' ', out);
            quoted(out, *words);
        }
        fprintf(out, "%s\n", tail);
    }
    ok = out && fclose(out) == 0 && ok;
    path_make(path, "%s/%s", c->folder, name);
    ok = ok && file_write(path, text, size);
    free(text);
    free(folder);
    return ok;
}

#define OPTIONS_MAX 24

struct options {
    char *argv[OPTIONS_MAX];
    int count;
};

static void option(struct options *o, const char *name, const char *value)
{
    if (value && o->count < OPTIONS_MAX - 1 &&
        asprintf(&o->argv[o->count], "%s%s", name, value) >= 0)
        o->argv[++o->count] = NULL;
}

/* Gives Slurm a job; its number in job. False after saying why not. */
static bool job_submit(const struct course *c, struct options *o, const char *script,
                       char job[32])
{
    const struct settings *s = c->settings;
    char *output = NULL, log[PATH_ROOM];
    int status;

    path_make(log, "%s/units.log", c->folder);
    option(o, "--output=", log);
    option(o, "--open-mode=", "append");
    option(o, "--ntasks=", "1");
    option(o, "--partition=", s->partition);
    option(o, "--time=", s->time);
    option(o, "--mem=", s->memory);
    option(o, "", script);
    status = command_run(o->argv, &output, 60);
    snprintf(job, 32, "%.*s", output ? (int)strspn(output, "0123456789") : 0,
             output ? output : "");
    if (status != 0 || !job[0])
        fprintf(stderr, "grader: sbatch: %s\n", output ? output : strerror(errno));
    free(output);
    for (int i = 0; i < o->count; i++)
        free(o->argv[i]);
    return status == 0 && job[0] && job_note(c, job);
}

/* The units from `first` on, `count` of them; with JOBS=, at most so many at a time. */
static bool array_submit(const struct course *c, const char *units_path, int first,
                         int count, int workers, char job[32])
{
    struct options o = {.count = 0};
    char script[PATH_ROOM], name[60], tail[80], range[60], unit[PATH_ROOM + 8], *words[3];

    path_make(unit, "UNITS=%s", units_path);
    engine_words(c->settings, words);
    snprintf(name, sizeof name, "slurm-%d.sh", first);
    snprintf(tail, sizeof tail, " UNIT=$((%d + SLURM_ARRAY_TASK_ID))", first);
    if (c->settings->jobs)
        snprintf(range, sizeof range, "0-%d%%%d", count - 1, workers);
    else
        snprintf(range, sizeof range, "0-%d", count - 1);
    if (!script_write(c, name, (char *[]){"unit", unit, words[0], words[1], NULL}, tail,
                      script)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        return false;
    }
    option(&o, "sbatch", "");
    option(&o, "--parsable", "");
    option(&o, "--job-name=", "class-units");
    option(&o, "--array=", range);
    return job_submit(c, &o, script, job);
}

static bool gather_submit(const struct course *c, const char *after, char job[32])
{
    struct options o = {.count = 0};
    char script[PATH_ROOM], name[PATH_ROOM], *words[3];

    path_make(name, "NAME=%s", strrchr(c->folder, '/') + 1);
    engine_words(c->settings, words);
    if (!script_write(c, "slurm-gather.sh",
                      (char *[]){"gather", name, words[0], words[1], NULL}, "", script)) {
        fprintf(stderr, "grader: cannot write to %s: %s\n", c->folder, strerror(errno));
        return false;
    }
    option(&o, "sbatch", "");
    option(&o, "--parsable", "");
    option(&o, "--job-name=", "class-gather");
    option(&o, "--dependency=afterany", after);
    return job_submit(c, &o, script, job);
}

static bool slurm_run(const struct course *c, const char *units_path, const cJSON *units,
                      int workers)
{
    int count = cJSON_GetArraySize(units);
    char *after = strdup(""), job[32], path[PATH_ROOM];
    bool ok = after != NULL;

    for (int first = 0; ok && first < count; first += ARRAY_MAX) {
        int some = count - first < ARRAY_MAX ? count - first : ARRAY_MAX;
        char *more = NULL;

        ok = array_submit(c, units_path, first, some, workers, job) &&
             asprintf(&more, "%s:%s", after, job) > 0;
        free(after);
        after = more;
    }
    ok = ok && gather_submit(c, after, job);
    free(after);
    if (ok)
        printf("Slurm: %d tasks, and job %s gathers\n", count, job);
    fflush(stdout);
    ok = ok && job_wait(c, job, count);
    jobs_path(c, path);
    if (ok)
        unlink(path);
    return ok;
}

const struct engine engine_of_slurm = {"slurm", "a cluster's job array", slurm_there,
                                       slurm_run};
