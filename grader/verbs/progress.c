/* progress.c - the verb progress: the board, and the next step. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "grading/results.h"
#include "lib/files.h"
#include "lib/json.h"
#include "lib/lab.h"
#include "report/report.h"
#include "report/terminal.h"
#include "verbs/verbs.h"

#define BAR_WIDTH 20

static int lab_earned(const cJSON *result, const struct lab *lab)
{
    const cJSON *check, *checks = cJSON_GetObjectItem(result, "checks");
    int earned = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const cJSON *known =
            cJSON_GetObjectItemCaseSensitive(checks, json_text(check, "id"));

        if (strcmp(json_text(known, "verdict"), "pass") == 0)
            earned += json_int(check, "tenths");
    }
    return earned;
}

static void bar_print(int earned, int of)
{
    int filled = of ? earned * BAR_WIDTH / of : 0;

    printf("[%s", paint("green"));
    for (int i = 0; i < BAR_WIDTH; i++)
        putchar(i < filled ? '#' : '.');
    printf("%s]", paint("off"));
}

/* Has a part been written to since it was graded? */
static bool changed_since(const cJSON *result, const struct lab *lab, const char *from)
{
    for (int i = 0; i < lab->part_count; i++) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s/%s", from, lab->name, lab->parts[i]);
        if (stat(path, &s) == 0 &&
            (double)s.st_mtim.tv_sec >
                cJSON_GetNumberValue(cJSON_GetObjectItem(result, "time")))
            return true;
    }
    return false;
}

static void lab_line(const cJSON *result, const struct lab *lab, int earned,
                     const char *from, int errors)
{
    int tenths = lab_tenths(lab);
    char got[16], of[16];

    printf("  %02d  %-22s ", lab->number, json_text(lab->declared, "title"));
    bar_print(earned, tenths);
    printf(" %4s / %s%s", points_text(earned, got), points_text(tenths, of),
           !result                            ? "   not graded yet"
           : changed_since(result, lab, from) ? "   changed since"
                                              : "");
    if (errors)
        printf("   newer: %d ERROR", errors);
    putchar('\n');
}

static void next_print(const struct lab *next, const cJSON *result)
{
    if (!next)
        printf("All done.\n");
    else if (!result)
        printf("Next: lab %02d. Read labs/%s/README.md, fill in its part, then:\n"
               "  make grade LAB=%d\n",
               next->number, next->name, next->number);
    else
        printf("Next: lab %02d has points left. Read labs/%s/README.md, or:\n"
               "  make grade LAB=%d\n  make hint LAB=%d\n",
               next->number, next->name, next->number, next->number);
}

static int progress_verb(const struct settings *s)
{
    char path[PATH_ROOM], got[16], of[16];
    const struct lab *next = NULL;
    const cJSON *graded, *next_result = NULL;
    struct labs labs;
    cJSON *results;
    const struct lab *apart = NULL; /* the capstone */
    int total = 0, all = 0, apart_earned = 0;

    if (!labs_load(&labs))
        return EXIT_GRADER;
    results_path(path, s->from);
    results = results_load(path);
    graded = cJSON_GetObjectItem(results, "labs");
    printf("%sNon-Root Mode%s   labs in hardware-assisted virtualization\n\n",
           paint("bold"), paint("off"));
    for (int i = 0; i < labs.count; i++) {
        const struct lab *lab = &labs.list[i];
        const cJSON *result = cJSON_GetObjectItem(graded, lab->name);
        int earned = lab_earned(result, lab);

        lab_line(result, lab, earned, s->from, results_errors(results, lab));
        if (lab_is_capstone(lab)) {
            apart = lab;
            apart_earned = earned;
        } else {
            total += earned;
            all += lab_tenths(lab);
        }
        if (!next && earned < lab_tenths(lab)) {
            next = lab;
            next_result = result;
        }
    }
    printf("\n  %s of %s points", points_text(total, got), points_text(all, of));
    if (apart)
        printf("; capstone %s of %s", points_text(apart_earned, got),
               points_text(lab_tenths(apart), of));
    printf("\n\n");
    next_print(next, next_result);
    printf("make help lists everything that can be typed.\n");
    cJSON_Delete(results);
    labs_free(&labs);
    return EXIT_ALL;
}

const struct verb verb_progress = {
    .name = "progress",
    .run = progress_verb,
    .whom = FOR_STUDENT,
    .help = "make, make progress         where you are, and the next step\n",
};
