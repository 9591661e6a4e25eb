/* results.c - what the last gradings said, in build/results.json: written whole or not at
 * all, one grader at a time. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grading/grading.h"
#include "grading/results.h"
#include "lib/files.h"
#include "lib/hash.h"
#include "lib/json.h"

#define FORMAT 1

/* labs: build/results.json; another folder: build/results-NAME-HASH.json */
void results_path(char *path, const char *from)
{
    struct hash *hash;
    char key[33], name[40];
    size_t n = 0;

    if (strcmp(from, "labs") == 0) {
        path_make(path, "build/results.json");
        return;
    }
    if (strcmp(from, "solutions") == 0) {
        path_make(path, "build/results-solutions.json");
        return;
    }
    for (const char *c = strrchr(from, '/') ? strrchr(from, '/') + 1 : from;
         *c && n < sizeof name - 1; c++)
        name[n++] = strchr(" /\\'\"", *c) ? '_' : *c;
    name[n] = 0;
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

/* What was graded, to know whether an earlier verdict is about the same. */
static void parts_key(const struct grading *g, char key[33])
{
    struct hash *hash = hash_new();

    for (int i = 0; i < g->lab->part_count; i++) {
        char path[PATH_ROOM];

        path_make(path, "%s/%s/%s", g->submission.folder, g->lab->name, g->lab->parts[i]);
        hash_file(hash, path);
    }
    hash_finish(hash, key);
}

static bool was_judged(const cJSON *verdict)
{
    const char *word = json_text(verdict, "verdict");

    return strcmp(word, "pass") == 0 || strcmp(word, "fail") == 0;
}

/* A check that was not asked for, or not judged, keeps its earlier verdict if the part is
 * still the same. */
static void lab_merge(cJSON *lab, const struct grading *g)
{
    cJSON *checks = cJSON_GetObjectItem(lab, "checks");
    const cJSON *declared, *verdict;
    int earned = 0;
    char when[40], seed[32], key[33];
    time_t now = time(NULL);

    parts_key(g, key);
    if (strcmp(json_text(lab, "parts"), key) != 0) {
        cJSON_DeleteItemFromObject(lab, "checks");
        checks = NULL;
    }
    if (!checks)
        checks = cJSON_AddObjectToObject(lab, "checks");
    cJSON_ArrayForEach(verdict, g->checks)
    {
        if (!was_judged(verdict) && cJSON_HasObjectItem(checks, verdict->string))
            continue;
        cJSON_DeleteItemFromObject(checks, verdict->string);
        cJSON_AddItemToObject(checks, verdict->string, cJSON_Duplicate(verdict, true));
    }
    cJSON_ArrayForEach(declared, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        const cJSON *known =
            cJSON_GetObjectItemCaseSensitive(checks, json_text(declared, "id"));

        if (strcmp(json_text(known, "verdict"), "pass") == 0)
            earned += json_int(declared, "tenths");
    }
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    set_text(lab, "title", json_text(g->lab->declared, "title"));
    set_text(lab, "parts", key);
    set_text(lab, "when", when);
    set_number(lab, "time", (double)now);
    set_text(lab, "seed", seed);
    if (g->incomplete)
        set_null(lab, "points"); /* a number would be taken for a grade */
    else
        set_number(lab, "points", earned / 10.0);
    set_number(lab, "of", lab_tenths(g->lab) / 10.0);
    set_number(lab, "seconds", g->seconds);
    set_text(lab, "messages", g->messages ? g->messages : "");
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
