/* gradescope.c - results.json of a Gradescope autograder: a test a check. HIDE=seen keeps what was
 * asked and seen from students, HIDE=id keeps a check from them altogether (it still counts). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "report/exports.h"
#include "report/record.h"

static void output_add(cJSON *test, const cJSON *check, const cJSON *verdict,
                       const struct settings *s)
{
    char *text = NULL, read[400];

    if (strcmp(check_word(verdict), "fail") != 0) {
        cJSON_AddStringToObject(test, "output", json_text(verdict, "seen"));
        return;
    }
    read_text(check, read, sizeof read);
    if (hidden(s, "seen")) {
        cJSON_AddStringToObject(test, "output", read);
        return;
    }
    if (asprintf(&text, "asked: %s\nseen: %s\nwhy: %s\nread: %s",
                 json_text(verdict, "asked"), json_text(verdict, "seen"),
                 json_text(check, "why"), read) >= 0)
        cJSON_AddStringToObject(test, "output", text);
    free(text);
}

static void test_add(cJSON *tests, const struct lab *lab, const cJSON *check,
                     const cJSON *verdict, const struct settings *s)
{
    cJSON *test = cJSON_CreateObject();
    bool passed = strcmp(check_word(verdict), "pass") == 0;
    double points = json_int(check, "tenths") / 10.0;
    char name[200];

    snprintf(name, sizeof name, "Lab %02d: %.150s", lab->number, json_text(check, "title"));
    cJSON_AddStringToObject(test, "name", name);
    cJSON_AddStringToObject(test, "name_format", "text");
    cJSON_AddNumberToObject(test, "score", passed ? points : 0);
    cJSON_AddNumberToObject(test, "max_score", points);
    cJSON_AddStringToObject(test, "status", passed ? "passed" : "failed");
    output_add(test, check, verdict, s);
    cJSON_AddStringToObject(test, "output_format", "text");
    cJSON_AddStringToObject(test, "visibility",
                            hidden(s, json_text(check, "id")) ? "hidden" : "visible");
    cJSON_AddItemToArray(tests, test);
}

static void lab_tests_add(cJSON *tests, char *messages, size_t size, const struct lab *lab,
                          const cJSON *record, const struct settings *s)
{
    const cJSON *check, *verdict;
    size_t used = strlen(messages);

    snprintf(messages + used, size - used, "%s%s", used ? "\n" : "",
             json_text(record_lab(record, lab), "messages"));
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        verdict = record_check(record, lab, json_text(check, "id"));
        if (verdict)
            test_add(tests, lab, check, verdict, s);
    }
}

static void gradescope_write(FILE *out, const struct labs *labs, const cJSON *records,
                             const struct settings *s)
{
    const cJSON *record = cJSON_GetArrayItem(records, 0);
    cJSON *json = cJSON_CreateObject(), *tests = cJSON_CreateArray();
    char messages[8000] = "", *text;

    for (int i = 0; i < labs->count; i++)
        lab_tests_add(tests, messages, sizeof messages, &labs->list[i], record, s);
    cJSON_AddStringToObject(json, "output", messages);
    cJSON_AddStringToObject(json, "output_format", "text");
    cJSON_AddStringToObject(json, "visibility", "visible");
    cJSON_AddStringToObject(json, "stdout_visibility", "hidden");
    cJSON_AddItemToObject(json, "tests", tests);
    text = cJSON_Print(json);
    fprintf(out, "%s\n", text ? text : "{}");
    free(text);
    cJSON_Delete(json);
}

const struct export export_gradescope = {"gradescope", "results.json of an autograder",
                                         gradescope_write, true, false};
