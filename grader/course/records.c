/* records.c - from plan and verdicts to what came of each student's work. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "course/outcome.h"
#include "lib/json.h"
#include "lib/when.h"

static bool has_word(const cJSON *verdicts, const char *word)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(verdicts, "checks"))
    {
        if (strcmp(json_text(check, "verdict"), word) == 0)
            return true;
    }
    return false;
}

/* The seed is the instructor's: of the lab, and of each check. */
static void seeds_remove(cJSON *done)
{
    cJSON *check;

    cJSON_DeleteItemFromObject(done, "seed");
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(done, "checks"))
    {
        cJSON_DeleteItemFromObject(check, "seed");
    }
}

/* A lab's verdicts of a try; what could not be judged has no points. */
static cJSON *lab_make(const struct course *c, const struct lab *lab, const cJSON *handed)
{
    const char *key = json_text(cJSON_GetObjectItem(handed, "keys"), lab->name);
    const char *state = try_lab_state(handed, lab->name);
    cJSON *done = key[0] ? verdict_load(c, key) : NULL;

    if (key[0] && !done)
        done = error_load(c, key);
    if (key[0] && (!done || has_word(done, "error")))
        state = "error";
    else if (key[0] && has_word(done, "skip"))
        state = "skipped checks";
    else if (key[0])
        state = "graded";
    else if (!state[0])
        state = "not handed in";
    if (!done)
        done = cJSON_CreateObject();
    if (strcmp(state, "graded") != 0)
        cJSON_DeleteItemFromObject(done, "points");
    if (strcmp(state, "not handed in") == 0)
        cJSON_AddNumberToObject(done, "points", 0);
    seeds_remove(done);
    cJSON_DeleteItemFromObject(done, "state");
    cJSON_AddStringToObject(done, "state", state);
    return done;
}

static void problem_add(cJSON *record, const char *text)
{
    const char *before = json_text(record, "problem");
    char both[1200];

    if (strstr(before, text))
        return;
    snprintf(both, sizeof both, "%.550s%s%.550s", before, before[0] ? "; " : "", text);
    cJSON_DeleteItemFromObject(record, "problem");
    cJSON_AddStringToObject(record, "problem", both);
}

/* What one lab means for the whole. */
static void lab_settle(cJSON *record, const struct lab *lab, const cJSON *done)
{
    const char *state = json_text(done, "state");
    char text[200];

    if (strcmp(state, "graded") == 0 || strcmp(state, "not handed in") == 0)
        return;
    snprintf(text, sizeof text, "lab %02d: %s", lab->number,
             strcmp(state, "unclear") == 0 ? "it is not clear which file is meant"
             : strcmp(state, "error") == 0 ? "the grader could not judge it, twice"
                                           : "some checks cannot run here");
    problem_add(record, text);
}

static void labs_add(const struct course *c, cJSON *record, const cJSON *handed)
{
    cJSON *labs = cJSON_AddObjectToObject(record, "labs");
    double points = 0, of = 0;
    bool known = true;

    for (int i = 0; i < c->labs.count; i++) {
        const struct lab *lab = &c->labs.list[i];
        const cJSON *earned;
        cJSON *done;

        if (!c->chosen[i])
            continue;
        done = lab_make(c, lab, handed);
        cJSON_AddItemToObject(labs, lab->name, done);
        lab_settle(record, lab, done);
        earned = cJSON_GetObjectItem(done, "points");
        known &= earned != NULL;
        points += earned ? earned->valuedouble : 0;
        of += lab_tenths(lab) / 10.0;
    }
    if (known)
        cJSON_AddNumberToObject(record, "points", points);
    cJSON_AddNumberToObject(record, "of", of);
}

/* Of an archive that could not be opened nothing is known, not even that it is worth 0. */
static void points_forget(cJSON *record, const char *state)
{
    cJSON *lab;

    cJSON_DeleteItemFromObject(record, "points");
    cJSON_ArrayForEach(lab, cJSON_GetObjectItem(record, "labs"))
    {
        cJSON_DeleteItemFromObject(lab, "points");
        cJSON_ReplaceItemInObject(lab, "state", cJSON_CreateString(state));
    }
}

static const char *status_settle(cJSON *record, const cJSON *student, const cJSON *handed)
{
    if (!handed)
        return "missing";
    if (json_text(student, "problem")[0])
        problem_add(record, json_text(student, "problem"));
    if (json_text(handed, "refused")[0]) {
        points_forget(record, "unreadable");
        problem_add(record, json_text(handed, "refused"));
        return "unreadable";
    }
    if (!json_text(handed, "parts")[0]) {
        points_forget(record, "unclear");
        problem_add(record, "no part of any lab was found in it");
    } else if (!json_text(record, "problem")[0] &&
               cJSON_GetArraySize(cJSON_GetObjectItem(handed, "keys")) == 0) {
        points_forget(record, "not handed in");
        problem_add(record, "none of the labs that count is in it, but others are");
    }
    return json_text(record, "problem")[0] ? "needs a person" : "graded";
}

static void tries_add(cJSON *record, const cJSON *student, const cJSON *handed)
{
    cJSON *others = cJSON_AddArrayToObject(record, "other_tries");
    const cJSON *other;

    if (handed)
        cJSON_AddItemToObject(record, "handed_in", cJSON_Duplicate(handed, true));
    cJSON_DeleteItemFromObject(cJSON_GetObjectItem(record, "handed_in"), "keys");
    cJSON_ArrayForEach(other, cJSON_GetObjectItem(student, "tries"))
    {
        char when[40];
        cJSON *brief;

        if (other == handed)
            continue;
        brief = cJSON_CreateObject();
        cJSON_AddStringToObject(brief, "source", json_text(other, "source"));
        cJSON_AddStringToObject(
            brief, "submitted",
            when_text((time_t)cJSON_GetNumberValue(cJSON_GetObjectItem(other, "when")),
                      when));
        cJSON_AddItemToArray(others, brief);
    }
}

static cJSON *student_brief(const cJSON *student)
{
    static const char *const names[] = {"id", "name", "email", "group"};
    cJSON *brief = cJSON_CreateObject();

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cJSON_AddStringToObject(brief, names[i], json_text(student, names[i]));
    return brief;
}

static cJSON *record_make(const struct course *c, const cJSON *student)
{
    const cJSON *handed = try_counting(student);
    cJSON *record = cJSON_CreateObject();
    const cJSON *when = cJSON_GetObjectItem(handed, "when");
    char text[40];

    cJSON_AddNumberToObject(record, "format", 1);
    cJSON_AddStringToObject(record, "class", json_text(c->plan, "name"));
    cJSON_AddItemToObject(record, "student", student_brief(student));
    cJSON_AddStringToObject(record, "folder", json_text(student, "folder"));
    cJSON_AddBoolToObject(record, "listed",
                          cJSON_IsTrue(cJSON_GetObjectItem(student, "listed")));
    cJSON_AddItemToObject(record, "versions",
                          cJSON_Duplicate(cJSON_GetObjectItem(c->plan, "versions"), true));
    cJSON_AddStringToObject(record, "source", json_text(handed, "source"));
    cJSON_AddStringToObject(record, "submitted",
                            when_text(when ? (time_t)when->valuedouble : 0, text));
    cJSON_AddBoolToObject(record, "late",
                          cJSON_IsTrue(cJSON_GetObjectItem(handed, "late")));
    labs_add(c, record, handed);
    cJSON_AddStringToObject(record, "status", status_settle(record, student, handed));
    tries_add(record, student, handed);
    return record;
}

cJSON *records_make(const struct course *c)
{
    cJSON *records = cJSON_CreateArray();
    const cJSON *student;

    cJSON_ArrayForEach(student, cJSON_GetObjectItem(c->plan, "students"))
    {
        cJSON_AddItemToArray(records, record_make(c, student));
    }
    return records;
}
