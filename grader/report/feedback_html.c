/* feedback_html.c - feedback as a page that needs nothing else. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "report/feedback.h"
#include "report/record.h"
#include "report/report.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--page:#fff;"
    "--good:#1a7f37;--bad:#b3261e;--odd:#8a5a00;--bar:#4a7ab5}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a0a8b2;--line:#3d444d;"
    "--page:#14171b;--good:#57c26b;--bad:#ff8a80;--odd:#e0b050;--bar:#7aa7dd}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);"
    "max-width:72rem;margin:2rem auto;padding:0 1rem}\n"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);"
    "padding:.3rem .5rem;text-align:left;vertical-align:top}\n"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".pass{color:var(--good)}.fail{color:var(--bad)}.odd{color:var(--odd)}"
    ".soft{color:var(--soft)}\n"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid var(--line);"
    "padding-left:.8rem}\n"
    "dl{display:grid;grid-template-columns:5rem 1fr;gap:.1rem .6rem;margin:.3rem 0 .3rem "
    "1rem}"
    "dt{color:var(--soft)}dd{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    ".bar{display:inline-block;height:.7rem;background:var(--bar);vertical-align:middle}\n"
    "code{font-family:ui-monospace,monospace}.wide{overflow-x:auto}\n";

void page_begin(FILE *out, const char *title)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\">\n<title>",
          out);
    markup_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style></head><body>\n<h1>", style);
    markup_text(out, title);
    fputs("</h1>\n", out);
}

void page_end(FILE *out)
{
    fputs("</body></html>\n", out);
}

static void paragraph(FILE *out, const char *label, const char *text)
{
    if (!text[0])
        return;
    fprintf(out, "<dt>%s</dt><dd>", label);
    markup_text(out, text);
    fputs("</dd>\n", out);
}

static void files_write(FILE *out, const cJSON *handed)
{
    const cJSON *file, *note;

    fputs("<h2>What was handed in</h2>\n<table><tr><th>file</th><th class=\"n\">bytes</th>"
          "<th>taken as</th></tr>\n",
          out);
    cJSON_ArrayForEach(file, cJSON_GetObjectItem(handed, "files"))
    {
        fputs("<tr><td>", out);
        markup_text(out, json_text(file, "path"));
        fprintf(out, "</td><td class=\"n\">%d</td><td>", json_int(file, "bytes"));
        markup_text(out, json_text(file, "taken"));
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
    cJSON_ArrayForEach(note, cJSON_GetObjectItem(handed, "notes"))
    {
        fputs("<p class=\"odd\">", out);
        markup_text(out, note->valuestring);
        fputs("</p>\n", out);
    }
}

static void check_write(FILE *out, const struct lab *lab, const cJSON *check,
                        const cJSON *verdict)
{
    const char *word = check_word(verdict);
    bool failed = strcmp(word, "fail") == 0, passed = strcmp(word, "pass") == 0;
    char got[16], of[16], text[400];
    int tenths = json_int(check, "tenths");

    fprintf(out, "<p><strong class=\"%s\">%s</strong> ",
            passed   ? "pass"
            : failed ? "fail"
                     : "odd",
            passed   ? "ok"
            : failed ? "FAIL"
                     : word);
    markup_text(out, json_text(check, "title"));
    fprintf(out, " <span class=\"soft\">%s / %s</span></p>\n",
            points_text(passed ? tenths : 0, got), points_text(tenths, of));
    if (passed)
        return;
    fputs("<dl>", out);
    paragraph(out, failed ? "asked" : "", json_text(verdict, "asked"));
    paragraph(out, failed ? "seen" : "because", json_text(verdict, "seen"));
    if (failed) {
        paragraph(out, "why", json_text(check, "why"));
        read_text(check, text, sizeof text);
        paragraph(out, "read", text);
        snprintf(text, sizeof text, "make grade LAB=%d CHECK=%s", lab->number,
                 json_text(check, "id"));
        paragraph(out, "again", text);
    }
    fputs("</dl>\n", out);
}

static void lab_write(FILE *out, const struct lab *lab, const cJSON *record)
{
    const cJSON *done = record_lab(record, lab), *check;
    int tenths = record_tenths(done);
    char got[16], of[16];

    if (!done)
        return;
    fprintf(out, "<h2>Lab %02d, ", lab->number);
    markup_text(out, json_text(lab->declared, "title"));
    fprintf(out, ": %s of %s points</h2>\n",
            tenths < 0 ? "not known" : points_text(tenths, got),
            points_text(lab_tenths(lab), of));
    if (strcmp(json_text(done, "state"), "graded") != 0)
        fprintf(out, "<p class=\"odd\">%s</p>\n", json_text(done, "state"));
    if (json_text(done, "messages")[0]) {
        fputs("<pre>", out);
        markup_text(out, json_text(done, "messages"));
        fputs("</pre>\n", out);
    }
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *verdict = record_check(record, lab, json_text(check, "id"));

        if (verdict)
            check_write(out, lab, check, verdict);
    }
}

void feedback_html(FILE *out, const struct labs *labs, const cJSON *record)
{
    const cJSON *student = cJSON_GetObjectItem(record, "student");
    const cJSON *versions = cJSON_GetObjectItem(record, "versions");
    const cJSON *of = cJSON_GetObjectItem(record, "of");
    const char *name = json_text(student, "name");
    char title[300], got[16], all[16];
    int tenths = record_tenths(record);

    snprintf(title, sizeof title, "%s: %s", json_text(record, "class"),
             name[0] ? name : json_text(student, "id"));
    page_begin(out, title);
    fprintf(out, "<p><strong>%s of %s points</strong>",
            tenths < 0 ? "Not known yet" : points_text(tenths, got),
            points_text(of ? (int)(of->valuedouble * 10 + 0.5) : 0, all));
    if (json_text(record, "submitted")[0])
        fprintf(out, ", handed in %s%s", json_text(record, "submitted"),
                record_late(record) ? ", <span class=\"odd\">late</span>" : "");
    fputs("</p>\n<p class=\"odd\">", out);
    markup_text(out, json_text(record, "problem"));
    fputs("</p>\n", out);
    for (int i = 0; i < labs->count; i++)
        lab_write(out, &labs->list[i], record);
    if (cJSON_GetObjectItem(record, "handed_in"))
        files_write(out, cJSON_GetObjectItem(record, "handed_in"));
    fputs("<p class=\"soft\">Made by the kit ", out);
    markup_text(out, json_text(versions, "kit"));
    fprintf(out, ", checks %s, QEMU %s, Bochs %s, Linux %s</p>\n",
            json_text(versions, "checks"), json_text(versions, "qemu"),
            json_text(versions, "bochs"), json_text(versions, "kernel"));
    page_end(out);
}
