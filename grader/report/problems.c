/* problems.c - failures as a compiler would say them, for editors. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/files.h"
#include "lib/json.h"
#include "report/report.h"
#include "report/terminal.h"

#define PART_BYTES_MAX (1u << 20)

/* A line of one of the lab's parts. */
struct place {
    int part, line;
};

/* "ept_walk.c:31", in the text of a verdict: the kit knows of a line in a part. */
static bool place_in_text(struct place *place, const struct lab *lab, const char *text)
{
    for (int i = 0; i < lab->part_count; i++) {
        const char *name = lab->parts[i], *at = strstr(text, name);

        if (at && at[strlen(name)] == ':' && isdigit((unsigned char)at[strlen(name) + 1])) {
            *place = (struct place){i, atoi(at + strlen(name) + 1)};
            return true;
        }
    }
    return false;
}

/* The line of "TODO n" in a part's text; 0: it has none (any more). */
static int todo_line(const char *text, int number)
{
    char mark[24];
    const char *at = text;
    const size_t length = (size_t)snprintf(mark, sizeof mark, "TODO %d", number);
    int line = 1;

    while ((at = strstr(at, mark)) && isdigit((unsigned char)at[length]))
        at += length;
    for (const char *c = text; at && c < at; c++)
        line += *c == '\n';
    return at ? line : 0;
}

/* The step of the handout that the check names ("Steps, 9"), while its TODO stands. */
static bool place_of_step(struct place *place, const struct lab *lab, const cJSON *check,
                          const char *from)
{
    const char *step = strstr(json_text(check, "handout"), "Steps, ");

    for (int i = 0; step && i < lab->part_count; i++) {
        char path[PATH_ROOM], *text;

        path_make(path, "%s/%s/%s", from, lab->name, lab->parts[i]);
        text = file_read(path, PART_BYTES_MAX, NULL);
        *place =
            (struct place){i, text ? todo_line(text, atoi(step + strlen("Steps, "))) : 0};
        free(text);
        if (place->line)
            return true;
    }
    return false;
}

static void on_one_line(const char *text)
{
    for (bool space = false; *text; text++) {
        const bool blank = isspace((unsigned char)*text);

        if (blank && !space)
            putchar(' ');
        else if (!blank)
            print_clean(text, 1);
        space = blank;
    }
}

static void problem_print(const struct grading *g, const cJSON *check, const char *from)
{
    const char *id = json_text(check, "id");
    const cJSON *verdict = cJSON_GetObjectItemCaseSensitive(g->checks, id);
    struct place place = {0, 1};

    if (strcmp(json_text(verdict, "verdict"), "fail") != 0)
        return;
    if (!place_in_text(&place, g->lab, json_text(verdict, "seen")) &&
        !place_of_step(&place, g->lab, check, from))
        place = (struct place){0, 1};
    printf("%s/%s/%s:%d: error: ", from, g->lab->name, g->lab->parts[place.part],
           place.line);
    on_one_line(json_text(verdict, "asked"));
    printf(": ");
    on_one_line(json_text(verdict, "seen"));
    printf(" [%s]\n", id);
}

void problems_print(const struct grading *g, const char *from)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        problem_print(g, check, from);
    }
}
