/* report.c - verdicts for people: 80 columns, colour on a terminal only. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grading/grading.h"
#include "grading/traces.h"
#include "judge/text.h"
#include "lib/json.h"
#include "lib/names.h"
#include "report/report.h"
#include "report/terminal.h"

#define WIDTH        80
#define DETAILS_MAX  3 /* failing checks that are explained at once */
#define LABEL_INDENT 15
#define TITLE_WIDTH  28

const char *points_text(int tenths, char buffer[16])
{
    if (tenths % 10)
        snprintf(buffer, 16, "%d.%d", tenths / 10, tenths % 10);
    else
        snprintf(buffer, 16, "%d", tenths / 10);
    return buffer;
}

static void detail(const char *label, const char *text)
{
    if (!text[0])
        return;
    printf("%*s%-7s ", LABEL_INDENT - 8, "", label);
    print_wrapped(text, LABEL_INDENT, WIDTH);
}

static const cJSON *verdict_of(const struct grading *g, const char *id)
{
    return cJSON_GetObjectItemCaseSensitive(g->checks, id);
}

const char *from_words(const struct settings *s, char buffer[80])
{
    snprintf(buffer, 80, strcmp(s->from, "labs") == 0 ? "" : " FROM=%.72s", s->from);
    return buffer;
}

/* The command that repeats just this check; to be copied, so on one line. */
static void again_print(const struct grading *g, const struct settings *s, const char *id)
{
    printf("%*sagain\n  make grade LAB=%d CHECK=%s SEED=%llu", LABEL_INDENT - 8, "",
           g->lab->number, id, (unsigned long long)g->seed);
    if (strcmp(s->from, "labs") != 0) {
        char *from = name_quote(s->from);

        /* (make drops a blank at the beginning) */
        printf(" FROM=%s%s", s->from[0] == ' ' ? "./" : "", from ? from : "?");
        free(from);
    }
    printf("%s%s\n", s->own ? " OWN=1" : "", s->sanitize ? " SANITIZE=1" : "");
}

/* "exit 17", "the last step": what the check pointed at; "": nothing */
const char *point_text(const cJSON *point, char buffer[40])
{
    const char *kind = json_text(point, "kind");
    const char *event = strcmp(kind, "exit") == 0     ? kind
                        : strcmp(kind, "walk") == 0   ? "reference"
                        : strcmp(kind, "fault") == 0  ? "event"
                        : strcmp(kind, "bitmap") == 0 ? "access"
                                                      : "step";
    int number = json_int(point, "number");

    if (!kind[0])
        return "";
    if (number)
        snprintf(buffer, 40, "%s %d", event, number);
    else
        snprintf(buffer, 40, "the last %s", event);
    return buffer;
}

/* What was recorded of the failed run, if it got that far, and where in it to look. */
static void trace_offer(const struct grading *g, const struct settings *s, const char *id)
{
    char text[300], event[40], from[80];
    const char *at = point_text(cJSON_GetObjectItem(verdict_of(g, id), "point"), event);

    if (!trace_there(g->lab, s, id))
        return;
    snprintf(text, sizeof text, "make trace LAB=%d CHECK=%.100s%.80s%s%s", g->lab->number,
             id, from_words(s, from), at[0] ? "\n(opens at " : "", at);
    if (at[0])
        strcat(text, ")");
    detail("see", text);
}

static void failure_explain(const struct grading *g, const struct settings *s,
                            const cJSON *check)
{
    const cJSON *verdict = verdict_of(g, json_text(check, "id"));
    char read[400];

    snprintf(read, sizeof read, "handout \"%s\"; slide \"%s\"; %s",
             json_text(check, "handout"), json_text(check, "slide"),
             json_text(check, "manual"));
    detail("asked", json_text(verdict, "asked"));
    detail("seen", json_text(verdict, "seen"));
    detail("why", json_text(check, "why"));
    detail("read", read);
    trace_offer(g, s, json_text(check, "id"));
    again_print(g, s, json_text(check, "id"));
}

static void check_line(const cJSON *check, const char *word, const char *colour, int earned)
{
    char got[16], of[16];

    printf("  %s%-5s%s %-60s %4s / %s\n", paint(colour), word, paint("off"),
           json_text(check, "title"), points_text(earned, got),
           points_text(json_int(check, "tenths"), of));
}

static void check_print(const struct grading *g, const struct settings *s,
                        const cJSON *check, int *details)
{
    const cJSON *verdict = verdict_of(g, json_text(check, "id"));
    const char *word = json_text(verdict, "verdict");

    if (strcmp(word, "pass") == 0) {
        check_line(check, "ok", "green", json_int(check, "tenths"));
    } else if (strcmp(word, "fail") == 0) {
        check_line(check, "FAIL", "red", 0);
        if (++*details <= DETAILS_MAX)
            failure_explain(g, s, check);
        else
            detail("id", json_text(check, "id"));
    } else if (strcmp(word, "skip") == 0) {
        check_line(check, "SKIP", "yellow", 0);
        detail("because", json_text(verdict, "seen"));
    } else if (word[0]) {
        check_line(check, "ERROR", "yellow", 0);
        detail("ours", json_text(verdict, "seen"));
    }
    detail("note", json_text(verdict, "note"));
}

static void header_print(const struct grading *g, const struct settings *s)
{
    char title[100], rest[80], *from = name_clean(s->from);
    size_t width, room, cut = 0;

    snprintf(title, sizeof title, "Lab %02d  %s", g->lab->number,
             json_text(g->lab->declared, "title"));
    snprintf(rest, sizeof rest, "/%s  SEED=%llu", g->lab->name,
             (unsigned long long)g->seed);
    room = (size_t)WIDTH - 1 - TITLE_WIDTH - strlen(rest);
    width = from ? text_width(from, strlen(from)) : 0;
    if (width > room)
        cut = text_fit(from, width - room + 3);
    printf("%s%-*s%s%*s%s%s%s\n", paint("bold"), TITLE_WIDTH, title, paint("off"),
           cut ? 0 : (int)(room - width), "", cut ? "..." : "", from ? from + cut : "",
           rest);
    free(from);
}

/* The words of a compiler can be chosen (#line, #error): each line has a mark before it, which no
 * line of a report has. */
static void messages_print(const struct grading *g)
{
    if (!g->messages || !g->messages[0])
        return;
    printf("  %s\n", g->built         ? "The compiler warns:"
                     : g->ours_failed ? "This is the grader's problem, not yours:"
                                      : "Nothing could be judged:");
    for (const char *line = g->messages; *line; line += strspn(line, "\n")) {
        size_t n = strcspn(line, "\n");

        printf("  | ");
        print_clean(line, n);
        putchar('\n');
        line += n;
    }
}

/* Whole numbers as they are, others with three digits that count. */
static void figure_print(const cJSON *figure)
{
    double value = cJSON_GetNumberValue(cJSON_GetObjectItem(figure, "value"));
    char number[40];

    if (value >= 100 || value <= -100 || value == (double)(int64_t)value)
        snprintf(number, sizeof number, "%.0f", value);
    else
        snprintf(number, sizeof number, "%.3g", value);
    printf("    %-48s %10s%s%s\n", json_text(figure, "name"), number,
           json_text(figure, "unit")[0] ? " " : "", json_text(figure, "unit"));
}

/* What the checks measured (judge_figure()), in the order of the checks. */
static void figures_print(const struct grading *g)
{
    const cJSON *check, *figure;
    bool any = false;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        cJSON_ArrayForEach(
            figure, cJSON_GetObjectItem(verdict_of(g, json_text(check, "id")), "figures"))
        {
            if (!any)
                printf("  Measured in this run:\n");
            any = true;
            figure_print(figure);
        }
    }
}

/* Points of checks that were asked for and got no verdict. */
static int asked_unjudged(const struct grading *g)
{
    return g->only
               ? (g->earned + g->lost ? 0 : json_int(lab_check(g->lab, g->only), "tenths"))
               : g->unjudged;
}

static void summary_print(const struct grading *g)
{
    char got[16], of[16];
    int passed = grading_count(g, "pass"), failed = grading_count(g, "fail"),
        skipped = grading_count(g, "skip"), errors = grading_count(g, "error");

    if (g->incomplete)
        printf("  no grade, not all could be judged here: %d passed, %d failed", passed,
               failed);
    else
        printf("  %s of %s points: %d passed, %d failed", points_text(g->earned, got),
               points_text(g->earned + g->lost + asked_unjudged(g), of), passed, failed);
    if (skipped)
        printf(", %d skipped", skipped);
    if (errors)
        printf(", %d errors of the grader (no points lost)", errors);
    printf("   (%.1f s)\n", g->seconds);
}

void report_print(const struct grading *g, const struct settings *s)
{
    const cJSON *check;
    int details = 0;

    progress_line("%s", "");
    header_print(g, s);
    if (g->beside[0]) {
        printf("  ");
        print_wrapped(g->beside, 2, WIDTH);
    }
    messages_print(g);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        if (g->built)
            check_print(g, s, check, &details);
    }
    if (details > DETAILS_MAX)
        printf("  The first %d failures are explained. For another one:\n"
               "  make grade LAB=%d CHECK=<id>\n",
               DETAILS_MAX, g->lab->number);
    figures_print(g);
    summary_print(g);
}

void report_total(const struct grading *list, int count, const struct labs *labs,
                  const char *from)
{
    int earned = 0, of = 0, incomplete = 0, capstone_of,
        capstone = capstone_earned(labs, from, &capstone_of);
    char got[16], all[16];

    for (int i = 0; i < count; i++) {
        incomplete += list[i].incomplete;
        earned += list[i].earned;
        of += lab_tenths(list[i].lab);
    }
    if (incomplete) {
        printf("\nNo total: %d of %d labs could not be judged in full here "
               "(see above)\n",
               incomplete, count);
        return;
    }
    printf("\nTotal: %s%s of %s points%s in %d labs", paint("bold"),
           points_text(earned, got), points_text(of, all), paint("off"), count);
    if (capstone >= 0)
        printf("; capstone %s of %s", points_text(capstone, got),
               points_text(capstone_of, all));
    putchar('\n');
}
