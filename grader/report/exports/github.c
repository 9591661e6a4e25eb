/* github.c - annotations: lines that GitHub Actions shows beside the part (workflow commands). */
#define _GNU_SOURCE
#include <string.h>

#include "lib/json.h"
#include "report/exports.h"
#include "report/record.h"

/* '%', line ends, and in a property ':' and ',' are written by their numbers. */
static void command_text(FILE *out, const char *text, bool property)
{
    for (; *text; text++)
        if (strchr("%\r\n", *text) || (property && strchr(":,", *text)))
            fprintf(out, "%%%02X", (unsigned char)*text);
        else
            fputc(*text, out);
}

static void annotation(FILE *out, const struct lab *lab, const cJSON *check,
                       const cJSON *verdict, const struct settings *s)
{
    const char *word = check_word(verdict);

    if (strcmp(word, "pass") == 0)
        return;
    fprintf(out, "::%s file=labs/%s/%s,title=",
            strcmp(word, "fail") == 0   ? "error"
            : strcmp(word, "skip") == 0 ? "notice"
                                        : "warning",
            lab->name, lab->parts[0]);
    command_text(out, json_text(check, "title"), true);
    fputs("::", out);
    if (!hidden(s, "seen")) {
        command_text(out, json_text(verdict, "asked"), false);
        fputs("%0Aseen: ", out);
        command_text(out, json_text(verdict, "seen"), false);
        fputs("%0A", out);
    }
    fprintf(out, "make grade LAB=%d CHECK=%s\n", lab->number, json_text(check, "id"));
}

static void github_write(FILE *out, const struct labs *labs, const cJSON *records,
                         const struct settings *s)
{
    const cJSON *record = cJSON_GetArrayItem(records, 0), *check, *verdict;

    for (int i = 0; i < labs->count; i++)
        cJSON_ArrayForEach(check, cJSON_GetObjectItem(labs->list[i].declared, "checks"))
        {
            verdict = record_check(record, &labs->list[i], json_text(check, "id"));
            if (verdict)
                annotation(out, &labs->list[i], check, verdict, s);
        }
}

const struct export export_github = {"github", "annotations in GitHub Actions",
                                     github_write, false, false};
