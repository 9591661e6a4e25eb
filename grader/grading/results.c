/* results.c - what the last gradings said, in build/results.json: written whole or not at
 * all, one grader at a time. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "grading/grading.h"
#include "grading/results.h"
#include "lib/files.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "lib/names.h"

#define FORMAT 1

/* labs: build/results.json; another folder: build/results-NAME-HASH.json */
void results_path(char *path, const char *from)
{
    struct hash *hash;
    char key[33], name[NAME_ROOM];

    if (strcmp(from, "labs") == 0) {
        path_make(path, "build/results.json");
        return;
    }
    if (strcmp(from, "solutions") == 0) {
        path_make(path, "build/results-solutions.json");
        return;
    }
    name_plain(name, name_last(from));
    hash = hash_new();
    hash_text(hash, from);
    hash_finish(hash, key);
    path_make(path, "build/results-%s-%.8s.json", name, key);
}

cJSON *results_load(const char *path)
{
    char *text = file_read(path, 64u << 20, NULL);
    cJSON *json = text ? cJSON_Parse(text) : NULL;

    free(text);
    if (json && json_int(json, "format") == FORMAT)
        return json;
    cJSON_Delete(json);
    json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "format", FORMAT);
    cJSON_AddObjectToObject(json, "labs");
    return json;
}

const cJSON *results_verdict(const cJSON *results, const struct lab *lab, const char *id)
{
    const cJSON *result =
        cJSON_GetObjectItem(cJSON_GetObjectItem(results, "labs"), lab->name);

    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItem(result, "checks"), id);
}

static void set_text(cJSON *object, const char *name, const char *text)
{
    cJSON_DeleteItemFromObject(object, name);
    cJSON_AddStringToObject(object, name, text);
}

static void set_number(cJSON *object, const char *name, double number)
{
    cJSON_DeleteItemFromObject(object, name);
    cJSON_AddNumberToObject(object, name, number);
}

static void set_null(cJSON *object, const char *name)
{
    cJSON_DeleteItemFromObject(object, name);
    cJSON_AddNullToObject(object, name);
}

static bool was_judged(const cJSON *verdict)
{
    const char *word = json_text(verdict, "verdict");

    return strcmp(word, "pass") == 0 || strcmp(word, "fail") == 0;
}

static void time_text(char text[40], time_t when)
{
    strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", gmtime(&when));
}

/* What came of a check now. An earlier verdict about the same bytes outlives one that is none;
 * then the newer one stands beside it, as "newer". */
static void verdict_merge(cJSON *checks, const cJSON *verdict, const char *when,
                          const char *seed)
{
    cJSON *earlier = cJSON_GetObjectItemCaseSensitive(checks, verdict->string);
    cJSON *fresh = cJSON_Duplicate(verdict, true);

    set_text(fresh, "when", when);
    set_text(fresh, "seed", seed);
    if (earlier && was_judged(earlier) && !was_judged(verdict)) {
        cJSON_DeleteItemFromObject(earlier, "newer");
        cJSON_AddItemToObject(earlier, "newer", fresh);
        return;
    }
    cJSON_DeleteItemFromObject(checks, verdict->string);
    cJSON_AddItemToObject(checks, verdict->string, fresh);
}

static int tenths_earned(const cJSON *checks, const struct lab *lab)
{
    const cJSON *declared;
    int earned = 0;

    cJSON_ArrayForEach(declared, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *known =
            cJSON_GetObjectItemCaseSensitive(checks, json_text(declared, "id"));

        if (strcmp(json_text(known, "verdict"), "pass") == 0)
            earned += json_int(declared, "tenths");
    }
    return earned;
}

/* Whose results these are. */
static void owner_note(cJSON *json, const char *folder)
{
    char *from = name_clean(folder), *name = name_clean(name_last(folder));

    set_text(json, "from", from ? from : "");
    set_text(json, "name", name ? name : "");
    free(from);
    free(name);
}

/* The lab's verdicts, about the bytes that were compiled: those about others are gone. Where
 * nothing was read at all, nothing is known of the bytes, and they stay. */
static cJSON *checks_about(cJSON *lab, const char *parts)
{
    if (parts[0] && strcmp(json_text(lab, "parts"), parts) != 0) {
        cJSON_DeleteItemFromObject(lab, "checks");
        set_text(lab, "parts", parts);
    }
    if (!cJSON_HasObjectItem(lab, "checks"))
        cJSON_AddObjectToObject(lab, "checks");
    return cJSON_GetObjectItem(lab, "checks");
}

static void lab_merge(cJSON *lab, const struct grading *g)
{
    cJSON *checks = checks_about(lab, g->parts);
    const cJSON *verdict;
    char when[40], seed[32];
    time_t now = time(NULL);

    time_text(when, now);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    cJSON_ArrayForEach(verdict, g->checks)
    {
        verdict_merge(checks, verdict, when, seed);
    }
    set_text(lab, "title", json_text(g->lab->declared, "title"));
    set_text(lab, "when", when);
    set_number(lab, "time", (double)now);
    set_text(lab, "seed", seed);
    if (g->incomplete)
        set_null(lab, "points"); /* a number would be taken for a grade */
    else
        set_number(lab, "points", tenths_earned(checks, g->lab) / 10.0);
    set_number(lab, "of", lab_tenths(g->lab) / 10.0);
    set_number(lab, "seconds", g->seconds);
    set_text(lab, "messages", g->messages ? g->messages : "");
}

int results_errors(const cJSON *results, const struct lab *lab)
{
    const cJSON *check,
        *result = cJSON_GetObjectItem(cJSON_GetObjectItem(results, "labs"), lab->name);
    int errors = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(result, "checks"))
    {
        errors +=
            strcmp(json_text(cJSON_GetObjectItem(check, "newer"), "verdict"), "error") == 0;
    }
    return errors;
}

cJSON *results_lab(const struct grading *g)
{
    cJSON *lab = cJSON_CreateObject();

    lab_merge(lab, g);
    return lab;
}

bool results_merge(const char *path, const struct grading *list, int count)
{
    int lock = lock_take("build/results.lock"), error;
    cJSON *json, *labs;
    char *text;
    bool ok;

    if (lock < 0)
        return false;
    json = results_load(path);
    labs = cJSON_GetObjectItem(json, "labs");
    owner_note(json, count > 0 ? list[0].submission.folder : "");
    for (int i = 0; i < count; i++) {
        cJSON *lab = cJSON_GetObjectItem(labs, list[i].lab->name);

        if (!lab)
            lab = cJSON_AddObjectToObject(labs, list[i].lab->name);
        lab_merge(lab, &list[i]);
    }
    text = cJSON_Print(json);
    ok = text && file_write(path, text, strlen(text));
    error = errno;
    free(text);
    cJSON_Delete(json);
    lock_drop(lock);
    errno = error;
    return ok;
}
