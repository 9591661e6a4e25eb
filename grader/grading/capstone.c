/* capstone.c - lab 11: on whose parts it stands, and what its last grading said. */
#define _GNU_SOURCE
#include "grading/capstone.h"

#include <stdio.h>
#include <string.h>

#include "grading/own_parts.h"
#include "grading/results.h"
#include "lib/json.h"

static const int stands_on[] = {1, 2, 3, 8};
#define STANDS_ON (sizeof stands_on / sizeof stands_on[0])

int capstone_earned(const struct labs *labs, const char *from, int *of)
{
    char path[PATH_ROOM];
    cJSON *results;
    int earned = -1;

    results_path(path, from);
    results = results_load(path);
    for (int i = 0; i < labs->count; i++) {
        const struct lab *lab = &labs->list[i];

        if (!lab_is_capstone(lab) ||
            !cJSON_HasObjectItem(cJSON_GetObjectItem(results, "labs"), lab->name))
            continue;
        earned = lab_earned(results, lab);
        *of = lab_tenths(lab);
    }
    cJSON_Delete(results);
    return earned;
}

static void number_add(char *list, size_t size, int number)
{
    const size_t used = strlen(list);

    snprintf(list + used, size - used, "%s%02d", used ? ", " : "", number);
}

void capstone_submission(struct submission *submission, const struct labs *labs,
                         const struct settings *s, char note[CAPSTONE_NOTE])
{
    char path[PATH_ROOM], own[40] = "", reference[40] = "";
    cJSON *results;

    note[0] = 0;
    if (s->own || s->not_own || strcmp(s->from, "labs") != 0)
        return;
    results_path(path, s->from);
    results = results_load(path);
    for (int i = 0; i < labs->count; i++)
        for (size_t k = 0; k < STANDS_ON; k++) {
            const struct lab *lab = &labs->list[i];

            if (lab->number != stands_on[k])
                continue;
            if (lab_earned(results, lab) == lab_tenths(lab)) {
                submission->own = s->from;
                submission->own_labs |= 1u << lab->number;
                number_add(own, sizeof own, lab->number);
            } else {
                number_add(reference, sizeof reference, lab->number);
            }
        }
    cJSON_Delete(results);
    snprintf(note, CAPSTONE_NOTE, "Your own parts: %s%s%s%s.", own[0] ? own : "none",
             reference[0] ? "; the reference's: " : "", reference,
             reference[0] ? " (their labs lack points)" : "");
}
