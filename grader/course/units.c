/* units.c - what is left to do. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "course/course.h"
#include "lib/hash.h"
#include "lib/json.h"

#define TRIES 2 /* an ERROR is tried once more */

static bool tried_enough(const struct course *c, const char *key)
{
    cJSON *error = error_load(c, key);
    bool enough = json_int(error, "tries") >= TRIES;

    cJSON_Delete(error);
    return enough;
}

/* The labs of a try that nobody has graded, nor is to grade: `taken` has their keys. */
static cJSON *labs_left(const struct course *c, const cJSON *handed, cJSON *taken,
                        bool again)
{
    const cJSON *keys = cJSON_GetObjectItem(handed, "keys");
    cJSON *labs = cJSON_CreateArray();

    for (int i = 0; i < c->labs.count; i++) {
        const char *name = c->labs.list[i].name, *key = json_text(keys, name);
        cJSON *lab;

        if (!key[0] || cJSON_HasObjectItem(taken, key) || verdict_stored(key) ||
            (again && tried_enough(c, key)))
            continue;
        cJSON_AddTrueToObject(taken, key);
        lab = cJSON_CreateObject();
        cJSON_AddStringToObject(lab, "lab", name);
        cJSON_AddStringToObject(lab, "key", key);
        cJSON_AddItemToArray(labs, lab);
    }
    return labs;
}

cJSON *units_left(const struct course *c, bool again)
{
    cJSON *units = cJSON_CreateArray(), *taken = cJSON_CreateObject();
    const cJSON *student;

    cJSON_ArrayForEach(student, cJSON_GetObjectItem(c->plan, "students"))
    {
        const cJSON *handed = try_counting(student);
        cJSON *labs = labs_left(c, handed, taken, again), *unit;

        if (cJSON_GetArraySize(labs) == 0) {
            cJSON_Delete(labs);
            continue;
        }
        unit = cJSON_CreateObject();
        cJSON_AddStringToObject(unit, "parts", json_text(handed, "parts"));
        cJSON_AddItemToObject(unit, "labs", labs);
        cJSON_AddItemToArray(units, unit);
    }
    cJSON_Delete(taken);
    return units;
}

bool units_write(const struct course *c, const cJSON *units, char *path)
{
    char *text = cJSON_Print(units), key[33];
    struct hash *hash = hash_new();
    bool ok;

    hash_text(hash, text ? text : "");
    hash_finish(hash, key);
    path_make(path, "%s/units-%.12s.json", c->folder, key);
    ok = text && file_write(path, text, strlen(text));
    free(text);
    return ok;
}

int units_labs(const cJSON *units)
{
    const cJSON *unit;
    int labs = 0;

    cJSON_ArrayForEach(unit, units)
    {
        labs += cJSON_GetArraySize(cJSON_GetObjectItem(unit, "labs"));
    }
    return labs;
}
