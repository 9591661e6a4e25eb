/* feedback_text.c - feedback in 80 columns. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "report/feedback.h"
#include "report/record.h"
#include "report/report.h"
#include "report/terminal.h"

#define WIDTH 80

static void labelled(FILE *out, const char *label, const char *text)
{
    if (!text[0])
        return;
    fprintf(out, "       %-7s ", label);
    write_wrapped(out, text, 15, WIDTH);
}

static void files_write(FILE *out, const cJSON *handed)
{
    const cJSON *file, *note;

    fprintf(out, "\nThis is what was handed in:\n");
    cJSON_ArrayForEach(file, cJSON_GetObjectItem(handed, "files"))
    {
        const char *taken = json_text(file, "taken");

        fprintf(out, "  %s (%d bytes)%s%s\n", json_text(file, "path"),
                json_int(file, "bytes"), taken[0] ? ": taken as " : "", taken);
    }
    cJSON_ArrayForEach(note, cJSON_GetObjectItem(handed, "notes"))
    {
        fputs("  note: ", out);
        write_wrapped(out, note->valuestring, 8, WIDTH);
    }
}

static void check_write(FILE *out, const struct lab *lab, const cJSON *check,
                        const cJSON *verdict)
{
    const char *word = check_word(verdict);
    bool failed = strcmp(word, "fail") == 0;
    char got[16], of[16], read[400];
    int tenths = json_int(check, "tenths");

    fprintf(out, "  %-5s %-60s %4s / %s\n",
            failed                      ? "FAIL"
            : strcmp(word, "pass") == 0 ? "ok"
            : strcmp(word, "skip") == 0 ? "SKIP"
                                        : "ERROR",
            json_text(check, "title"),
            points_text(strcmp(word, "pass") == 0 ? tenths : 0, got),
            points_text(tenths, of));
    if (failed) {
        read_text(check, read, sizeof read);
        labelled(out, "asked", json_text(verdict, "asked"));
        labelled(out, "seen", json_text(verdict, "seen"));
        labelled(out, "why", json_text(check, "why"));
        labelled(out, "read", read);
        fprintf(out, "       again\n  make grade LAB=%d CHECK=%s\n", lab->number,
                json_text(check, "id"));
    } else if (strcmp(word, "pass") != 0) {
        labelled(out, "because", json_text(verdict, "seen"));
    }
}

static void messages_write(FILE *out, const char *messages)
{
    while (*messages) {
        size_t n = strcspn(messages, "\n");

        fputs("    ", out);
        write_clean(out, messages, n);
        fputc('\n', out);
        messages += n + (messages[n] == '\n');
    }
}

static void lab_write(FILE *out, const struct lab *lab, const cJSON *record)
{
    const cJSON *done = record_lab(record, lab), *check;
    int tenths = record_tenths(done);
    char got[16], of[16];

    if (!done)
        return;
    fprintf(out, "\nLab %02d  %s: %s of %s points\n", lab->number,
            json_text(lab->declared, "title"),
            tenths < 0 ? "not known of" : points_text(tenths, got),
            points_text(lab_tenths(lab), of));
    if (strcmp(json_text(done, "state"), "graded") != 0)
        fprintf(out, "  %s\n", json_text(done, "state"));
    messages_write(out, json_text(done, "messages"));
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *verdict = record_check(record, lab, json_text(check, "id"));

        if (verdict)
            check_write(out, lab, check, verdict);
    }
}

static void head_write(FILE *out, const cJSON *record)
{
    const cJSON *student = cJSON_GetObjectItem(record, "student");
    const cJSON *of = cJSON_GetObjectItem(record, "of");
    char got[16], all[16];
    int tenths = record_tenths(record);

    fprintf(out, "Feedback for %s%s(%s), %s\n", json_text(student, "name"),
            json_text(student, "name")[0] ? " " : "", json_text(student, "id"),
            json_text(record, "class"));
    fprintf(out, "Points: %s of %s\n",
            tenths < 0 ? "not known yet" : points_text(tenths, got),
            points_text(of ? (int)(of->valuedouble * 10 + 0.5) : 0, all));
    if (json_text(record, "submitted")[0])
        fprintf(out, "Handed in: %s%s\n", json_text(record, "submitted"),
                record_late(record) ? ", late" : "");
    if (json_text(record, "problem")[0]) {
        fputs("Note: ", out);
        write_wrapped(out, json_text(record, "problem"), 6, WIDTH);
    }
}

void feedback_text(FILE *out, const struct labs *labs, const cJSON *record)
{
    const cJSON *versions = cJSON_GetObjectItem(record, "versions");

    head_write(out, record);
    if (cJSON_GetObjectItem(record, "handed_in"))
        files_write(out, cJSON_GetObjectItem(record, "handed_in"));
    for (int i = 0; i < labs->count; i++)
        lab_write(out, &labs->list[i], record);
    fprintf(out, "\nMade by the kit %s, checks %s, QEMU %s, Bochs %s, Linux %s\n",
            json_text(versions, "kit"), json_text(versions, "checks"),
            json_text(versions, "qemu"), json_text(versions, "bochs"),
            json_text(versions, "kernel"));
}
