/* class_page.c - a class at a glance. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/when.h"
#include "report/check_stats.h"
#include "report/class_page.h"
#include "report/feedback.h"
#include "report/record.h"
#include "report/report.h"

#define BINS       10
#define TEACH_MAX  10 /* checks to teach again */
#define SLOW_MAX   10
#define SLOW_TIMES 3 /* as long as the median */

static int status_count(const cJSON *records, const char *status)
{
    const cJSON *record;
    int n = 0;

    cJSON_ArrayForEach(record, records)
    {
        n += strcmp(json_text(record, "status"), status) == 0;
    }
    return n;
}

static void heading(FILE *out, const char *text)
{
    fprintf(out, "<h2>%s</h2>\n", text);
}

static void cell(FILE *out, const char *text)
{
    fputs("<td>", out);
    markup_text(out, text);
    fputs("</td>", out);
}

static void bar(FILE *out, int part, int whole)
{
    fprintf(out, "<span class=\"bar\" style=\"width:%drem\"></span> %d",
            whole ? 12 * part / whole : 0, part);
}

/* --- the head --------------------------------------------------------------------------------- */

static void numbers_write(FILE *out, const cJSON *plan, const cJSON *records)
{
    const cJSON *record, *deadline = cJSON_GetObjectItem(plan, "deadline");
    char when[40];
    int late = 0;

    cJSON_ArrayForEach(record, records)
    {
        late += record_late(record);
    }
    fprintf(out,
            "<p><strong>%d students</strong>: %d graded, %d missing, %d unreadable, "
            "%d need a person; %d late",
            cJSON_GetArraySize(records), status_count(records, "graded"),
            status_count(records, "missing"), status_count(records, "unreadable"),
            status_count(records, "needs a person"), late);
    if (deadline && deadline->valuedouble > 0)
        fprintf(out, " (deadline %s)", when_text((time_t)deadline->valuedouble, when));
    fputs(".</p>\n", out);
}

static void versions_write(FILE *out, const cJSON *plan)
{
    const cJSON *item;

    fputs("<p class=\"soft\">Made by", out);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(plan, "versions"))
    {
        fprintf(out, " %s ", item->string);
        markup_text(out, item->valuestring);
        fputs(item->next ? "," : ".", out);
    }
    fprintf(out,
            " The same numbers again: <code>SEED=%s</code>; it is for the instructor only, "
            "and so is this page.</p>\n",
            json_text(plan, "seed"));
}

/* --- how the points are spread ---------------------------------------------------------------- */

static void spread_write(FILE *out, const cJSON *records)
{
    int bins[BINS] = {0}, most = 1;
    const cJSON *record;

    cJSON_ArrayForEach(record, records)
    {
        const cJSON *of = cJSON_GetObjectItem(record, "of");
        int tenths = record_tenths(record), bin;

        if (tenths < 0 || !of || of->valuedouble <= 0 ||
            strcmp(json_text(record, "status"), "missing") == 0)
            continue;
        bin = (int)(tenths * BINS / (of->valuedouble * 10));
        bin = bin >= BINS ? BINS - 1 : bin;
        if (++bins[bin] > most)
            most = bins[bin];
    }
    heading(out, "Points of those who handed in");
    fputs("<table><tr><th>of all points</th><th>students</th></tr>\n", out);
    for (int i = 0; i < BINS; i++) {
        fprintf(out, "<tr><td>%d to %d %%</td><td>", i * 100 / BINS, (i + 1) * 100 / BINS);
        bar(out, bins[i], most);
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

/* --- checks ------------------------------------------------------------------------------------ */

static void seen_write(FILE *out, const struct check_stats *stats)
{
    for (int i = 0; i < SEEN_KEPT && stats->seen[i].count; i++) {
        fprintf(out, "<div>%d&times; ", stats->seen[i].count);
        markup_text(out, stats->seen[i].text);
        fputs("</div>", out);
    }
}

static int failed_compare(const void *a, const void *b)
{
    const struct check_stats *x = a, *y = b;

    return y->failed != x->failed ? y->failed - x->failed : x->number - y->number;
}

static void teach_write(FILE *out, const struct check_stats *stats, int count)
{
    struct check_stats *sorted = malloc(sizeof *sorted * (size_t)(count + 1));

    heading(out, "What to teach again");
    fputs("<p class=\"soft\">Over those who have a point in the lab; who has none is "
          "counted at "
          "the lab below.</p>\n",
          out);
    if (!sorted)
        return;
    memcpy(sorted, stats, sizeof *sorted * (size_t)count);
    qsort(sorted, (size_t)count, sizeof *sorted, failed_compare);
    fputs("<table><tr><th>check</th><th>failed by</th><th>commonest \"seen\"</th>"
          "<th>why it matters</th></tr>\n",
          out);
    for (int i = 0; i < count && i < TEACH_MAX && sorted[i].failed; i++) {
        fprintf(out, "<tr><td>Lab %02d: ", sorted[i].lab->number);
        markup_text(out, json_text(sorted[i].check, "title"));
        fprintf(out, "</td><td class=\"n\">%d of %d</td><td>", sorted[i].failed,
                sorted[i].judged);
        seen_write(out, &sorted[i]);
        fputs("</td>", out);
        cell(out, json_text(sorted[i].check, "why"));
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
    free(sorted);
}

static void lab_head(FILE *out, const struct lab *lab, const cJSON *records)
{
    const cJSON *record;
    int handed = 0, all = 0, without = 0;
    char of[16];

    cJSON_ArrayForEach(record, records)
    {
        const cJSON *done = record_lab(record, lab);

        if (strcmp(json_text(done, "state"), "graded") == 0 && record_tenths(done) >= 0) {
            handed++;
            all += record_tenths(done);
            without += record_tenths(done) == 0;
        }
    }
    fprintf(out, "<h3>Lab %02d, ", lab->number);
    markup_text(out, json_text(lab->declared, "title"));
    fprintf(out, ": %d graded, %.1f of %s points on average, %d without any</h3>\n", handed,
            handed ? all / 10.0 / handed : 0, points_text(lab_tenths(lab), of), without);
}

static void checks_write(FILE *out, const struct check_stats *stats, int count,
                         const cJSON *records)
{
    const struct lab *lab = NULL;

    heading(out, "Every check");
    for (int i = 0; i < count; i++) {
        const struct check_stats *st = &stats[i];

        if (st->lab != lab) {
            fputs(lab ? "</table></details>\n" : "", out);
            lab = st->lab;
            lab_head(out, lab, records);
            fputs("<details><summary>checks</summary><table><tr><th>check</th>"
                  "<th class=\"n\">pass</th><th class=\"n\">fail</th>"
                  "<th class=\"n\">skip</th><th class=\"n\">error</th>"
                  "<th>commonest \"seen\"</th></tr>\n",
                  out);
        }
        fputs("<tr>", out);
        cell(out, json_text(st->check, "title"));
        fprintf(out,
                "<td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d</td>"
                "<td class=\"n\">%d</td><td>",
                st->passed, st->failed, st->skipped, st->errors);
        seen_write(out, st);
        fputs("</td></tr>\n", out);
    }
    fputs(lab ? "</table></details>\n" : "", out);
}

/* --- people ------------------------------------------------------------------------------------ */

static double record_seconds(const cJSON *record)
{
    const cJSON *lab, *seconds;
    double all = 0;

    cJSON_ArrayForEach(lab, cJSON_GetObjectItem(record, "labs"))
    {
        seconds = cJSON_GetObjectItem(lab, "seconds");
        all += seconds ? seconds->valuedouble : 0;
    }
    return all;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_seconds(const cJSON *records)
{
    int n = 0, count = cJSON_GetArraySize(records);
    double *all = calloc((size_t)count + 1, sizeof *all), median;
    const cJSON *record;

    if (!all)
        return 0;
    cJSON_ArrayForEach(record, records)
    {
        double seconds = record_seconds(record);

        if (seconds > 0)
            all[n++] = seconds;
    }
    qsort(all, (size_t)n, sizeof *all, double_compare);
    median = n ? all[n / 2] : 0;
    free(all);
    return median;
}

static void slow_write(FILE *out, const cJSON *records)
{
    double median = median_seconds(records);
    const cJSON *record;
    int n = 0;

    heading(out, "Slow submissions");
    fprintf(out, "<p>The median took %.1f s. %d times as long and more:</p><ul>\n", median,
            SLOW_TIMES);
    cJSON_ArrayForEach(record, records)
    {
        double seconds = record_seconds(record);

        if (median <= 0 || seconds < SLOW_TIMES * median || ++n > SLOW_MAX)
            continue;
        fputs("<li>", out);
        markup_text(out, json_text(cJSON_GetObjectItem(record, "student"), "id"));
        fprintf(out, ": %.1f s</li>\n", seconds);
    }
    fprintf(out, "</ul>%s\n", n ? "" : "<p>None.</p>");
}

static void problems_write(FILE *out, const cJSON *records)
{
    const cJSON *record;

    heading(out, "Needs a person");
    fputs("<table><tr><th>student</th><th>status</th><th>what it is</th></tr>\n", out);
    cJSON_ArrayForEach(record, records)
    {
        if (!json_text(record, "problem")[0])
            continue;
        fputs("<tr>", out);
        cell(out, json_text(cJSON_GetObjectItem(record, "student"), "id"));
        cell(out, json_text(record, "status"));
        cell(out, json_text(record, "problem"));
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void student_row(FILE *out, const struct labs *labs, const cJSON *record)
{
    const cJSON *student = cJSON_GetObjectItem(record, "student");
    char text[16];

    fprintf(out, "<tr><td><a href=\"feedback/%s/feedback.html\">",
            json_text(record, "folder"));
    markup_text(out, json_text(student, "id"));
    fputs("</a></td>", out);
    cell(out, json_text(student, "name"));
    cell(out, json_text(student, "group"));
    for (int i = 0; i < labs->count; i++) {
        const cJSON *done = record_lab(record, &labs->list[i]);
        int tenths = record_tenths(done);

        if (done)
            fprintf(out, "<td class=\"n\">%s</td>",
                    tenths < 0 ? "?" : points_text(tenths, text));
    }
    fprintf(out, "<td class=\"n\"><strong>%s</strong></td>",
            record_tenths(record) < 0 ? "?" : points_text(record_tenths(record), text));
    fprintf(out, "<td class=\"%s\">%s%s</td></tr>\n",
            strcmp(json_text(record, "status"), "graded") == 0 ? "" : "odd",
            json_text(record, "status"), record_late(record) ? ", late" : "");
}

static void students_write(FILE *out, const struct labs *labs, const cJSON *records)
{
    const cJSON *record;

    heading(out, "Students");
    fputs("<div class=\"wide\"><table><tr><th>id</th><th>name</th><th>group</th>", out);
    for (int i = 0; i < labs->count; i++)
        if (record_lab(cJSON_GetArrayItem(records, 0), &labs->list[i]))
            fprintf(out, "<th class=\"n\">%02d</th>", labs->list[i].number);
    fputs("<th class=\"n\">total</th><th>status</th></tr>\n", out);
    cJSON_ArrayForEach(record, records)
    {
        student_row(out, labs, record);
    }
    fputs("</table></div>\n", out);
}

void class_page(FILE *out, const struct labs *labs, const cJSON *plan, const cJSON *records)
{
    struct check_stats *stats;
    int count = check_stats_make(&stats, labs, records);

    page_begin(out, json_text(plan, "name"));
    numbers_write(out, plan, records);
    teach_write(out, stats, count);
    spread_write(out, records);
    problems_write(out, records);
    students_write(out, labs, records);
    checks_write(out, stats, count, records);
    slow_write(out, records);
    versions_write(out, plan);
    page_end(out);
    check_stats_free(stats, count);
}
