/* unit.c - one unit of work: the labs of one submission that nobody has graded yet. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "course/course.h"
#include "grading/grading.h"
#include "grading/results.h"
#include "lib/command.h"
#include "lib/json.h"
#include "lib/status.h"

#define UNITS_BYTES (64u << 20)

/* The list comes first: from it the rest is found, in unit_progress(). */
struct unit {
    struct grading list[LABS_MAX];
    const char *keys[LABS_MAX];
    bool kept[LABS_MAX];
    const struct course *course;
    bool failed; /* something could not be written */
};

/* So that it can be seen what was run, when, and that it was run once. */
static void log_line(const struct course *c, const struct grading *g, const char *key)
{
    char path[PATH_ROOM], line[300], host[80] = "";
    time_t now = time(NULL);
    int fd, n;

    path_make(path, "%s/graded.log", c->folder);
    gethostname(host, sizeof host - 1);
    n = snprintf(line, sizeof line, "%lld %s %s %s %d tenths, %d errors, %.1f s\n",
                 (long long)now, host, key, g->lab->name, g->earned, g->errors, g->seconds);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, line, (size_t)n) != n)
        fprintf(stderr, "grader: cannot write to %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* A lab's verdicts go to the store as soon as they are there: a kill loses what was running. */
static void done_keep(struct unit *u, int count)
{
    for (int i = 0; i < count; i++) {
        const struct grading *g = &u->list[i];
        cJSON *verdict;

        if (!g->done || u->kept[i])
            continue;
        u->kept[i] = true;
        verdict = results_lab(g);
        if (verdict_store(u->course, u->keys[i], verdict)) {
            log_line(u->course, g, u->keys[i]);
        } else {
            fprintf(stderr, "grader: the verdicts of %s could not be kept: %s\n",
                    g->lab->name, strerror(errno));
            u->failed = true;
        }
        cJSON_Delete(verdict);
    }
}

static void unit_progress(const struct grading *list, int count)
{
    done_keep((struct unit *)(uintptr_t)list, count);
}

static const struct lab *lab_named(const struct course *c, const char *name)
{
    for (int i = 0; i < c->labs.count; i++)
        if (strcmp(c->labs.list[i].name, name) == 0)
            return &c->labs.list[i];
    return NULL;
}

/* Does this computer grade as the one that made the plan? */
static bool key_right(struct unit *u, const struct lab *lab, const cJSON *json,
                      const char *wanted)
{
    char key[33];

    verdict_key(key, u->course, lab, json_text(json, "parts"));
    if (strcmp(key, wanted) == 0)
        return true;
    fprintf(stderr, "grader: this computer has other checks, another QEMU or another Bochs "
                    "than the one that made the plan\n");
    u->failed = true;
    return false;
}

/* Leaves out what somebody has stored since: a unit of an engine that was thought dead. */
static int unit_fill(struct unit *u, const cJSON *json, const char *parts)
{
    const cJSON *item;
    int count = 0;

    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "labs"))
    {
        const struct lab *lab = lab_named(u->course, json_text(item, "lab"));

        if (!lab || count == LABS_MAX || verdict_stored(json_text(item, "key")))
            continue;
        if (!key_right(u, lab, json, json_text(item, "key")))
            return 0;
        u->keys[count] = json_text(item, "key");
        u->list[count++] = (struct grading){
            .lab = lab,
            .submission = {.folder = parts,
                           .label = "submission",
                           .own = u->course->own ? parts : NULL},
            .seed = u->course->seed,
        };
    }
    return count;
}

/* The one result file of a unit: what it did, where, and how long that took. */
static bool result_write(const struct unit *u, int count, const char *units_path,
                         int number, double seconds)
{
    cJSON *result = cJSON_CreateObject(), *labs = cJSON_AddObjectToObject(result, "labs");
    const char *base = strrchr(units_path, '/');
    char path[PATH_ROOM], host[80] = "", *text;
    bool ok;

    gethostname(host, sizeof host - 1);
    for (int i = 0; i < count; i++)
        cJSON_AddStringToObject(labs, u->list[i].lab->name, u->keys[i]);
    cJSON_AddStringToObject(result, "host", host);
    cJSON_AddNumberToObject(result, "seconds", seconds);
    text = cJSON_PrintUnformatted(result);
    path_make(path, "%s/units", u->course->folder);
    ok = text && folder_make(path);
    path_make(path, "%s/units/%.*s-%d.json", u->course->folder,
              (int)strcspn(base ? base + 1 : units_path, "."), base ? base + 1 : units_path,
              number);
    ok = ok && file_write(path, text, strlen(text));
    free(text);
    cJSON_Delete(result);
    return ok;
}

static int unit_grade(struct course *c, const cJSON *json, const char *units_path,
                      int number)
{
    struct unit u = {.course = c};
    char parts[PATH_ROOM];
    double began = now_seconds();
    int count, errors = 0;

    path_make(parts, "%s/parts/%s", c->folder, json_text(json, "parts"));
    count = unit_fill(&u, json, parts);
    gradings_run(u.list, count, &c->labs, &c->targets, 1, unit_progress);
    done_keep(&u, count);
    if (u.failed || !result_write(&u, count, units_path, number, now_seconds() - began))
        errors++;
    for (int i = 0; i < count; i++)
        errors += u.list[i].errors;
    gradings_free(u.list, count);
    return errors ? EXIT_GRADER : EXIT_ALL;
}

int unit_run(struct course *c, const char *units_path, int number)
{
    char *text = file_read(units_path, UNITS_BYTES, NULL);
    cJSON *units = text ? cJSON_Parse(text) : NULL;
    const cJSON *unit = cJSON_GetArrayItem(units, number);
    int status = EXIT_USAGE;

    free(text);
    if (unit)
        status = unit_grade(c, unit, units_path, number);
    else
        fprintf(stderr, "grader: there is no unit %d in %s\n", number, units_path);
    cJSON_Delete(units);
    return status;
}
