/* junit.c - JUnit XML as CI systems read it: a suite a student and lab, a case a check. What the
 * grader could not judge is an error, what was left out is skipped. */
#define _GNU_SOURCE
#include <string.h>

#include "lib/json.h"
#include "report/exports.h"
#include "report/record.h"

static int words_count(const cJSON *lab, const char *word)
{
    const cJSON *verdict;
    int n = 0;

    cJSON_ArrayForEach(verdict, cJSON_GetObjectItem(lab, "checks"))
    {
        n += strcmp(check_word(verdict), word) == 0;
    }
    return n;
}

static void attribute(FILE *out, const char *name, const char *text)
{
    fprintf(out, " %s=\"", name);
    for (; *text; text++)
        if (*text == '\n')
            fputs("&#10;", out);
        else
            markup_text(out, (const char[]){*text, 0});
    fputc('"', out);
}

static void outcome_write(FILE *out, const cJSON *check, const cJSON *verdict,
                          const struct settings *s)
{
    const char *word = check_word(verdict);
    bool failed = strcmp(word, "fail") == 0, skipped = strcmp(word, "skip") == 0;
    const char *kind = failed ? "failure" : skipped ? "skipped" : "error";

    if (strcmp(word, "pass") == 0)
        return;
    fprintf(out, "      <%s", kind);
    attribute(out, "message", hidden(s, "seen") ? "" : json_text(verdict, "seen"));
    if (skipped) {
        fputs("/>\n", out);
        return;
    }
    fprintf(out, " type=\"%s\">asked: ", kind);
    markup_text(out, json_text(verdict, "asked"));
    fputs("\nwhy: ", out);
    markup_text(out, json_text(check, "why"));
    fprintf(out, "</%s>\n", kind);
}

static void case_write(FILE *out, const struct lab *lab, const cJSON *check,
                       const cJSON *verdict, const struct settings *s)
{
    double seconds = cJSON_GetNumberValue(cJSON_GetObjectItem(verdict, "seconds"));

    fputs("    <testcase", out);
    attribute(out, "name", json_text(check, "id"));
    attribute(out, "classname", lab->name);
    fprintf(out, " time=\"%.3f\">\n", seconds >= 0 ? seconds : 0);
    outcome_write(out, check, verdict, s);
    fputs("    </testcase>\n", out);
}

static void suite_write(FILE *out, const struct lab *lab, const cJSON *record,
                        const struct settings *s)
{
    const cJSON *done = record_lab(record, lab), *check, *verdict;
    const char *id = json_text(cJSON_GetObjectItem(record, "student"), "id");
    char name[200];
    double seconds = cJSON_GetNumberValue(cJSON_GetObjectItem(done, "seconds"));
    int tests = cJSON_GetArraySize(cJSON_GetObjectItem(done, "checks"));

    if (tests == 0)
        return;
    snprintf(name, sizeof name, "%.120s%s%s", id, id[0] ? "/" : "", lab->name);
    fputs("  <testsuite", out);
    attribute(out, "name", name);
    fprintf(out,
            " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" time=\"%.3f\">\n",
            tests, words_count(done, "fail"), words_count(done, "error"),
            words_count(done, "skip"), seconds >= 0 ? seconds : 0);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        verdict = record_check(record, lab, json_text(check, "id"));
        if (verdict)
            case_write(out, lab, check, verdict, s);
    }
    fputs("  </testsuite>\n", out);
}

static void junit_write(FILE *out, const struct labs *labs, const cJSON *records,
                        const struct settings *s)
{
    const cJSON *record;

    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
    cJSON_ArrayForEach(record, records)
    {
        for (int i = 0; i < labs->count; i++)
            suite_write(out, &labs->list[i], record, s);
    }
    fputs("</testsuites>\n", out);
}

const struct export export_junit = {"junit", "JUnit XML, for CI systems", junit_write,
                                    false, true};
