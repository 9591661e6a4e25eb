/* own_parts.c - see own_parts.h. */
#define _GNU_SOURCE
#include "grading/own_parts.h"

#include <stdio.h>
#include <string.h>

#include "grading/results.h"
#include "lib/json.h"

#define NAMED_MAX 3

int lab_earned(const cJSON *results, const struct lab *lab)
{
    const cJSON *check;
    int earned = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *verdict = results_verdict(results, lab, json_text(check, "id"));

        if (strcmp(json_text(verdict, "verdict"), "pass") == 0)
            earned += json_int(check, "tenths");
    }
    return earned;
}

void own_parts_note(const struct labs *labs, const struct lab *lab, const char *from,
                    char note[OWN_PARTS_NOTE])
{
    char path[PATH_ROOM], list[120] = "";
    size_t used = 0;
    int named = 0;
    cJSON *results;

    results_path(path, from);
    results = results_load(path);
    for (int i = 0; i < labs->count && named < NAMED_MAX; i++) {
        const struct lab *other = &labs->list[i];
        const int earned = lab_earned(results, other), of = lab_tenths(other);

        if (other->number >= lab->number || earned == of)
            continue;
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%slab %02d has %g of %g",
                             named++ ? ", " : "", other->number, earned / 10.0, of / 10.0);
    }
    cJSON_Delete(results);
    note[0] = 0;
    if (named)
        snprintf(note, OWN_PARTS_NOTE,
                 "On your own parts (OWN=1): %s. What fails may come from there.", list);
}
