/* export.c - the verb export: the last results in another program's format, on standard output. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "course/course.h"
#include "course/outcome.h"
#include "grading/results.h"
#include "lib/json.h"
#include "prepare/versions.h"
#include "report/exports.h"
#include "verbs/verbs.h"

static const struct export *format_find(const char *name)
{
    for (const struct export *const *e = exports; *e; e++)
        if (name && strcmp((*e)->name, name) == 0)
            return *e;
    fprintf(stderr, "grader: FORMAT=%s; there are:\n", name ? name : "");
    for (const struct export *const *e = exports; *e; e++)
        fprintf(stderr, "  FORMAT=%-11s %s\n", (*e)->name, (*e)->what);
    return NULL;
}

static bool has_error(const cJSON *lab)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab, "checks"))
    {
        if (strcmp(json_text(check, "verdict"), "error") == 0)
            return true;
    }
    return false;
}

/* What `grade` keeps of a folder, as a record (report/record.h). */
static cJSON *record_from(const struct labs *labs, cJSON *results, const struct settings *s)
{
    cJSON *student = cJSON_AddObjectToObject(results, "student"), *lab;
    double points = 0, of = 0;
    bool errors = false;

    cJSON_AddStringToObject(student, "id", s->from);
    cJSON_AddItemToObject(results, "versions", versions_find(labs, s));
    cJSON_ArrayForEach(lab, cJSON_GetObjectItem(results, "labs"))
    {
        if (has_error(lab)) {
            errors = true;
            cJSON_DeleteItemFromObject(lab, "points");
        }
        cJSON_AddStringToObject(lab, "state", has_error(lab) ? "error" : "graded");
        points += cJSON_GetNumberValue(cJSON_GetObjectItem(lab, "points"));
        of += cJSON_GetNumberValue(cJSON_GetObjectItem(lab, "of"));
    }
    if (!errors)
        cJSON_AddNumberToObject(results, "points", points);
    cJSON_AddNumberToObject(results, "of", of);
    cJSON_AddStringToObject(results, "status", errors ? "needs a person" : "graded");
    return results;
}

/* FROM=a folder that was graded. */
static cJSON *records_of_folder(const struct labs *labs, const struct settings *s)
{
    char path[PATH_ROOM];
    cJSON *results, *records;

    results_path(path, s->from);
    results = results_load(path);
    if (cJSON_GetArraySize(cJSON_GetObjectItem(results, "labs")) == 0) {
        fprintf(stderr, "grader: FROM=%s has not been graded yet\n", s->from);
        cJSON_Delete(results);
        return NULL;
    }
    records = cJSON_CreateArray();
    cJSON_AddItemToArray(records, record_from(labs, results, s));
    return records;
}

static int records_write(const struct export *e, const struct labs *labs,
                         const cJSON *records, const struct settings *s)
{
    const cJSON *record;

    if (!e->several && cJSON_GetArraySize(records) != 1) {
        fprintf(stderr, "grader: FORMAT=%s is about one submission, not a class\n",
                e->name);
        return EXIT_USAGE;
    }
    cJSON_ArrayForEach(record, records)
    {
        if (e->whole && !cJSON_GetObjectItem(record, "points")) {
            fprintf(stderr,
                    "grader: some checks could not be judged (ERROR): FORMAT=%s "
                    "would make lost points of them. Grade again\n",
                    e->name);
            return EXIT_GRADER;
        }
    }
    e->write(stdout, labs, records, s);
    return fflush(stdout) == 0 ? EXIT_ALL : EXIT_GRADER;
}

/* FROM=build/class/NAME */
static int class_export(const struct export *e, const struct settings *s)
{
    struct course course = {.lock = -1};
    int status = course_open(&course, s->from, s, false);

    if (status == EXIT_ALL && !plan_load(&course))
        status = EXIT_GRADER;
    if (status == EXIT_ALL) {
        cJSON *records = records_make(&course);

        status = records_write(e, &course.labs, records, s);
        cJSON_Delete(records);
    }
    course_close(&course);
    return status;
}

static int export_verb(const struct settings *s)
{
    const struct export *e = format_find(s->format);
    char plan[PATH_ROOM];
    struct labs labs;
    cJSON *records;
    int status;

    if (!e)
        return EXIT_USAGE;
    path_make(plan, "%s/class.json", s->from);
    if (access(plan, F_OK) == 0)
        return class_export(e, s);
    if (!labs_load(&labs))
        return EXIT_GRADER;
    records = records_of_folder(&labs, s);
    status = records ? records_write(e, &labs, records, s) : EXIT_USAGE;
    cJSON_Delete(records);
    labs_free(&labs);
    return status;
}

const struct verb verb_export = {
    .name = "export",
    .run = export_verb,
    .whom = FOR_INSTRUCTOR,
    .help =
        "make export FORMAT=name     the last results, for other programs: gradescope,\n"
        "      FROM=folder             junit, csv, markdown, github, autolab\n"
        "      HIDE=seen,check_id      show students less (gradescope, junit, markdown)\n",
};
