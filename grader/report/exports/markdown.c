/* markdown.c - a summary in Markdown, for a CI's job page. */
#define _GNU_SOURCE
#include <string.h>

#include "lib/json.h"
#include "report/exports.h"
#include "report/record.h"
#include "report/report.h"

/* Text in a table's cell: nothing in it is markup. */
static void cell_text(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            fputc(' ', out);
        else if (strchr("\\`*_{}[]<>#|!&", *text))
            fprintf(out, "&#%d;", *text);
        else
            fputc(*text, out);
}

static void lab_row(FILE *out, const struct lab *lab, const cJSON *record)
{
    const cJSON *done = record_lab(record, lab), *verdict;
    int failed = 0, tenths = record_tenths(done);
    char got[16], of[16];

    if (!done)
        return;
    cJSON_ArrayForEach(verdict, cJSON_GetObjectItem(done, "checks"))
    {
        failed += strcmp(check_word(verdict), "pass") != 0;
    }
    fprintf(out, "| %02d %s | %s | %s | %d |\n", lab->number,
            json_text(lab->declared, "title"), tenths < 0 ? "?" : points_text(tenths, got),
            points_text(lab_tenths(lab), of), failed);
}

static void failures_write(FILE *out, const struct lab *lab, const cJSON *record,
                           const struct settings *s)
{
    const cJSON *check, *verdict;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        verdict = record_check(record, lab, json_text(check, "id"));
        if (!verdict || strcmp(check_word(verdict), "pass") == 0)
            continue;
        fprintf(out, "- **Lab %02d, %s**: ", lab->number, check_word(verdict));
        cell_text(out, json_text(check, "title"));
        if (!hidden(s, "seen")) {
            fputs(". Asked: ", out);
            cell_text(out, json_text(verdict, "asked"));
            fputs(". Seen: ", out);
            cell_text(out, json_text(verdict, "seen"));
        }
        fprintf(out, ". `make grade LAB=%d CHECK=%s`\n", lab->number,
                json_text(check, "id"));
    }
}

static void record_write(FILE *out, const struct labs *labs, const cJSON *record,
                         const struct settings *s)
{
    const char *id = json_text(cJSON_GetObjectItem(record, "student"), "id");
    const cJSON *of = cJSON_GetObjectItem(record, "of");
    int tenths = record_tenths(record);
    char got[16], all[16];

    fputs("## ", out);
    cell_text(out, id);
    fprintf(out,
            "%s%s of %s points\n\n| lab | points | of | not passed |\n|---|---|---|---|\n",
            id[0] ? ": " : "", tenths < 0 ? "?" : points_text(tenths, got),
            points_text(of ? (int)(of->valuedouble * 10 + 0.5) : 0, all));
    for (int i = 0; i < labs->count; i++)
        lab_row(out, &labs->list[i], record);
    fputc('\n', out);
    for (int i = 0; i < labs->count; i++)
        failures_write(out, &labs->list[i], record, s);
    fputc('\n', out);
}

static void markdown_write(FILE *out, const struct labs *labs, const cJSON *records,
                           const struct settings *s)
{
    const cJSON *record;

    cJSON_ArrayForEach(record, records)
    {
        record_write(out, labs, record, s);
    }
}

const struct export export_markdown = {"markdown", "a summary, for a CI's job page",
                                       markdown_write, false, true};
