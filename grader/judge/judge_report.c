/* judge_report.c - what the judge says to the grader: a JSON line for each thing. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

#include "judge/judge.h"

static const char *const verdict_names[] = {
    [VERDICT_PASS] = "pass",   [VERDICT_FAIL] = "fail",       [VERDICT_SKIP] = "skip",
    [VERDICT_ERROR] = "error", [VERDICT_PLACE_LOST] = "lost",
};

static const char *const target_names[] = {
    [TARGET_MODEL] = "model",
    [TARGET_MACHINE] = "machine",
    [TARGET_SILICON] = "silicon",
};

static void json_print(cJSON *json, int fd)
{
    char *text = cJSON_PrintUnformatted(json);

    if (text)
        dprintf(fd, "%s\n", text);
    free(text);
    cJSON_Delete(json);
}

/* A line may be longer than what a pipe takes in one piece. */
static void report_print(const struct judge_options *options, cJSON *json)
{
    if (lockf(options->report_lock, F_LOCK, 0) == 0) {
        json_print(json, options->report);
        lockf(options->report_lock, F_ULOCK, 0);
    }
}

static cJSON *check_json(const struct check *check)
{
    cJSON *json = cJSON_CreateObject(), *hints = cJSON_AddArrayToObject(json, "hints");

    cJSON_AddStringToObject(json, "id", check->id);
    cJSON_AddStringToObject(json, "title", check->title);
    cJSON_AddNumberToObject(json, "tenths", check->tenths);
    cJSON_AddStringToObject(json, "target", target_names[check->target]);
    cJSON_AddStringToObject(json, "why", check->why);
    cJSON_AddStringToObject(json, "handout", check->handout);
    cJSON_AddStringToObject(json, "slide", check->slide);
    cJSON_AddStringToObject(json, "manual", check->manual);
    for (int i = 0; i < 3 && check->hints[i]; i++)
        cJSON_AddItemToArray(hints, cJSON_CreateString(check->hints[i]));
    cJSON_AddStringToObject(json, "explanation", check->explanation);
    return json;
}

int checks_list(void)
{
    cJSON *json = cJSON_CreateObject(), *list;

    cJSON_AddStringToObject(json, "name", lab_checks.name);
    cJSON_AddStringToObject(json, "title", lab_checks.title);
    list = cJSON_AddArrayToObject(json, "checks");
    for (size_t i = 0; i < lab_checks.count; i++)
        cJSON_AddItemToArray(list, check_json(&lab_checks.checks[i]));
    json_print(json, 1);
    return 0;
}

static void figures_add(cJSON *json, const struct outcome *outcome)
{
    cJSON *list = outcome->figure_count ? cJSON_AddArrayToObject(json, "figures") : NULL;

    for (uint32_t i = 0; i < outcome->figure_count; i++) {
        cJSON *figure = cJSON_CreateObject();

        cJSON_AddStringToObject(figure, "name", outcome->figures[i].name);
        cJSON_AddNumberToObject(figure, "value", outcome->figures[i].value);
        cJSON_AddStringToObject(figure, "unit", outcome->figures[i].unit);
        cJSON_AddItemToArray(list, figure);
    }
}

static void point_add(cJSON *json, const struct point *point)
{
    cJSON *object = cJSON_AddObjectToObject(json, "point");

    cJSON_AddStringToObject(object, "kind", point->kind);
    cJSON_AddNumberToObject(object, "number", point->number);
}

void outcome_report(const struct judge_options *options, const struct check *check,
                    const struct outcome *outcome, double seconds, const char *note)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "id", check->id);
    cJSON_AddStringToObject(json, "verdict", verdict_names[outcome->verdict]);
    cJSON_AddStringToObject(json, "asked", outcome->asked);
    cJSON_AddStringToObject(json, "seen", outcome->seen);
    cJSON_AddStringToObject(json, "note", note);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    figures_add(json, outcome);
    if (outcome->verdict == VERDICT_FAIL && outcome->point.kind[0])
        point_add(json, &outcome->point);
    report_print(options, json);
}

void cost_report(const struct targets *t)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "cost", t->cost + cpu_self());
    report_print(t->options, json);
}
