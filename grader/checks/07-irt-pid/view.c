/* view.c - one schedule as data for `make trace` (grader/pages/interrupt.html): the
 * shortest that fails or, where none does, the one with the most switches.
 */
#include "checks.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "posted_interrupt.h"

static void view_state_add(cJSON *row, const uint64_t words[LAB07_WORDS])
{
    cJSON *pir = cJSON_AddArrayToObject(row, "pir");
    char text[24];

    for (unsigned v = 0; v < 256; v++)
        if (words[v / 64] >> v % 64 & 1)
            cJSON_AddItemToArray(pir, cJSON_CreateNumber(v));
    cJSON_AddNumberToObject(row, "on", (double)(words[4] & 1));
    cJSON_AddNumberToObject(row, "sn", (double)(words[4] >> 1 & 1));
    cJSON_AddStringToObject(row, "nv", vector_name(words[4] >> PID_NV_SHIFT & 0xff, text));
    snprintf(text, sizeof text, "%#x", (unsigned)(words[4] >> PID_NDST_SHIFT));
    cJSON_AddStringToObject(row, "ndst", text);
    cJSON_AddStringToObject(row, "state", state_name(words[LAB07_STATE_WORD]));
}

static void view_steps_add(cJSON *view, const struct schedules *s,
                           const struct lab07_record *path, uint32_t length)
{
    cJSON *steps = cJSON_AddArrayToObject(view, "steps");
    uint64_t words[LAB07_WORDS];

    memcpy(words, s->in->words, sizeof words);
    for (uint32_t i = 0; i < length; i++) {
        const struct lab07_record *r = &path[i];
        char text[200];
        cJSON *row;

        record_describe(r, text, sizeof text);
        if (r->kind == LAB07_STEP)
            words[r->word] = step_result(r);
        if (!text[0])
            continue;
        row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "actor", r->actor);
        cJSON_AddBoolToObject(row, "step", r->kind == LAB07_STEP);
        cJSON_AddStringToObject(row, "text", text);
        view_state_add(row, words);
        cJSON_AddItemToArray(steps, row);
    }
}

void schedule_view(const struct schedules *s, const char *what)
{
    cJSON *view = cJSON_CreateObject(), *start, *actors;
    char *text;

    cJSON_AddStringToObject(view, "what", what);
    cJSON_AddStringToObject(view, "reason", s->failed ? s->reason : "");
    cJSON_AddNumberToObject(view, "schedules", s->complete);
    start = cJSON_AddObjectToObject(view, "start");
    view_state_add(start, s->in->words);
    actors = cJSON_AddArrayToObject(view, "actors");
    for (uint32_t i = 0; i < s->in->actor_count; i++)
        cJSON_AddItemToArray(actors, cJSON_CreateString(actor_name(s, i)));
    if (s->failed)
        view_steps_add(view, s, s->best_path, s->best_length);
    else
        view_steps_add(view, s, s->example, s->example_length);
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(s->judge, "interrupt", text);
    cJSON_free(text);
    cJSON_Delete(view);
}
