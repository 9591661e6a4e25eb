/* csv.c - a grade book: RFC 4180, one row a student. A cell is empty where there is no telling:
 * never 0 for what is not the student's fault. */
#define _GNU_SOURCE
#include "lib/csv.h"
#include "lib/json.h"
#include "report/exports.h"
#include "report/record.h"
#include "report/report.h"

static void tenths_cell(FILE *out, int tenths)
{
    char text[16];

    csv_text(out, tenths < 0 ? "" : points_text(tenths, text), false);
}

static void head_write(FILE *out, const struct labs *labs, const cJSON *first)
{
    csv_text(out, "id", true);
    csv_text(out, "name", false);
    csv_text(out, "email", false);
    csv_text(out, "group", false);
    for (int i = 0; i < labs->count; i++)
        if (record_lab(first, &labs->list[i]))
            csv_text(out, labs->list[i].name, false);
    for (const char *const *column =
             (const char *const[]){"total", "of", "late", "status", "submitted", "source",
                                   "problem", NULL};
         *column; column++)
        csv_text(out, *column, false);
    csv_end(out);
}

static void row_write(FILE *out, const struct labs *labs, const cJSON *record)
{
    const cJSON *student = cJSON_GetObjectItem(record, "student");
    const cJSON *of = cJSON_GetObjectItem(record, "of");

    csv_text(out, json_text(student, "id"), true);
    csv_text(out, json_text(student, "name"), false);
    csv_text(out, json_text(student, "email"), false);
    csv_text(out, json_text(student, "group"), false);
    for (int i = 0; i < labs->count; i++)
        if (record_lab(record, &labs->list[i]))
            tenths_cell(out, record_tenths(record_lab(record, &labs->list[i])));
    tenths_cell(out, record_tenths(record));
    tenths_cell(out, of ? (int)(of->valuedouble * 10 + 0.5) : -1);
    csv_text(out, record_late(record) ? "late" : "", false);
    csv_text(out, json_text(record, "status"), false);
    csv_text(out, json_text(record, "submitted"), false);
    csv_text(out, json_text(record, "source"), false);
    csv_text(out, json_text(record, "problem"), false);
    csv_end(out);
}

static void csv_write(FILE *out, const struct labs *labs, const cJSON *records,
                      const struct settings *s)
{
    const cJSON *record;

    (void)s;
    head_write(out, labs, cJSON_GetArrayItem(records, 0));
    cJSON_ArrayForEach(record, records)
    {
        row_write(out, labs, record);
    }
}

const struct export export_csv = {"csv", "a grade book, one row a student", csv_write,
                                  false, true};
