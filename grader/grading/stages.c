/* stages.c - see stages.h. */
#define _GNU_SOURCE
#include "grading/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

static bool is_error(const cJSON *verdict)
{
    return strcmp(json_text(verdict, "verdict"), "error") == 0;
}

static void text_set(cJSON *verdict, const char *name, const char *text)
{
    cJSON_DeleteItemFromObject(verdict, name);
    cJSON_AddStringToObject(verdict, name, text);
}

/* "id,id": the checks that ended in ERROR; NULL: none. */
static char *errors_list(const struct grading *g)
{
    const cJSON *verdict;
    char *list = NULL, *longer;

    cJSON_ArrayForEach(verdict, g->checks)
    {
        if (!is_error(verdict))
            continue;
        if (asprintf(&longer, "%s%s%s", list ? list : "", list ? "," : "",
                     verdict->string) < 0)
            longer = NULL;
        free(list);
        list = longer;
    }
    return list;
}

/* The errors' verdicts leave the list of checks, so that there is room for new ones. */
static void errors_set_aside(struct grading *g)
{
    cJSON *verdict = g->checks->child;

    g->before = cJSON_CreateObject();
    while (verdict) {
        cJSON *next = verdict->next;

        if (is_error(verdict))
            cJSON_AddItemToObject(g->before, verdict->string,
                                  cJSON_Duplicate(verdict, true));
        verdict = next;
    }
    cJSON_ArrayForEach(verdict, g->before)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(g->checks, verdict->string);
    }
}

/* What came again is still an ERROR; the rest has a verdict, and a note. */
static void again_settle(struct grading *g)
{
    const cJSON *was;
    char note[400];

    cJSON_ArrayForEach(was, g->before)
    {
        cJSON *now = cJSON_GetObjectItemCaseSensitive(g->checks, was->string);

        if (!now || is_error(now))
            continue;
        snprintf(note, sizeof note,
                 "it was run twice: the first time something else went wrong (%.250s)",
                 json_text(was, "seen"));
        text_set(now, "note", note);
    }
}

/* Twice an ERROR, while the reference passes here and now: it comes from the submission. */
static void control_settle(struct grading *g)
{
    cJSON *verdict;
    char text[2600];

    cJSON_ArrayForEach(verdict, g->checks)
    {
        const cJSON *control =
            cJSON_GetObjectItemCaseSensitive(g->control, verdict->string);

        if (!is_error(verdict))
            continue;
        if (strcmp(json_text(control, "verdict"), "pass") != 0) {
            text_set(verdict, "note",
                     "a control run of the reference did not pass here either");
            continue;
        }
        snprintf(text, sizeof text,
                 "%s. (It came twice, and a control run of the reference, with the same "
                 "seed on this computer, passed.)",
                 json_text(verdict, "seen"));
        text_set(verdict, "seen", text);
        text_set(verdict, "asked", "the check can come to its end");
        text_set(verdict, "verdict", "fail");
    }
}

/* Where labs are handed out, the reference is not there to be run. */
static void control_omit(struct grading *g)
{
    cJSON *verdict;

    cJSON_ArrayForEach(verdict, g->checks)
    {
        if (is_error(verdict))
            text_set(verdict, "note",
                     "it came twice; whether it is your part or this computer only a kit "
                     "with the reference can tell (this one has none to compare with)");
    }
}

static bool stage_begin(struct grading *g, enum grading_stage stage)
{
    free(g->repeated);
    g->repeated = errors_list(g);
    if (!g->repeated)
        return false;
    g->stage = stage;
    return true;
}

bool stage_next(struct grading *g)
{
    switch (g->stage) {
    case STAGE_FIRST:
        if (!g->built || !stage_begin(g, STAGE_AGAIN))
            return false;
        errors_set_aside(g);
        return true;
    case STAGE_AGAIN:
        again_settle(g);
        if (kit_is_handed_out()) {
            control_omit(g);
            return false;
        }
        if (!stage_begin(g, STAGE_CONTROL))
            return false;
        g->control = cJSON_CreateObject();
        return true;
    case STAGE_CONTROL:
        control_settle(g);
        break;
    }
    return false;
}
