/* progress.c - the verb progress: the board, and the next step. */
#define _GNU_SOURCE
#include <string.h>

#include "grader.h"

#define BAR_WIDTH  30
#define ALL_POINTS 100

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

int verb_progress(const struct settings *s)
{
    char path[PATH_ROOM], got[16], of[16];
    const struct lab *next = NULL;
    struct labs labs;
    cJSON *results;
    int total = 0, all = 0;

    if (!labs_load(&labs))
        return EXIT_GRADER;
    results_path(path, s->from);
    results = results_load(path);
    printf("%sNon-Root Mode%s   ten labs in hardware-assisted virtualization\n\n",
           paint("bold"), paint("off"));
    for (int i = 0; i < labs.count; i++) {
        const struct lab *lab = &labs.list[i];
        const cJSON *result =
            cJSON_GetObjectItem(cJSON_GetObjectItem(results, "labs"), lab->name);
        int earned = lab_earned(result, lab), tenths = lab_tenths(lab);

        printf("  %02d  %-22s ", lab->number, json_text(lab->declared, "title"));
        bar_print(earned, tenths);
        printf(" %5s / %-3s  %s\n", points_text(earned, got), points_text(tenths, of),
               result ? "" : "not graded yet");
        total += earned;
        all += tenths;
        if (!next && earned < tenths)
            next = lab;
    }
    printf("\n  %s of %s points\n\n", points_text(total, got), points_text(all, of));
    if (next)
        printf("Next: lab %02d. Read labs/%s/README.md, fill in its part, then: make grade "
               "LAB=%d\n",
               next->number, next->name, next->number);
    else
        printf("All done.\n");
    printf("make help lists everything that can be typed.\n");
    cJSON_Delete(results);
    labs_free(&labs);
    return EXIT_ALL;
}
