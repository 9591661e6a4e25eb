/* hint.c - the verb hint: one level at a time, the explanation after passing. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grading/results.h"
#include "lib/files.h"
#include "lib/json.h"
#include "lib/lab.h"
#include "report/terminal.h"
#include "verbs/lab_verb.h"
#include "verbs/verbs.h"

#define HINTS_PATH "build/hints.json"
#define LEVELS     3
#define OTHERS_MAX 3      /* other checks that are named behind a hint */
#define LIST       "list" /* CHECK=list: all of them */

static cJSON *levels_load(void)
{
    char *text = file_read(HINTS_PATH, 1u << 20, NULL);
    cJSON *json = text ? cJSON_Parse(text) : NULL;

    free(text);
    return json ? json : cJSON_CreateObject();
}

static bool levels_save(const cJSON *levels)
{
    char *text = cJSON_Print(levels);
    bool ok = text && file_write(HINTS_PATH, text, strlen(text));

    free(text);
    return ok;
}

static const char *known_verdict(const cJSON *results, const struct lab *lab,
                                 const char *id)
{
    return json_text(results_verdict(results, lab, id), "verdict");
}

/* The one asked for, else the first that has not passed; NULL: all have. */
static const cJSON *check_choose(const struct lab *lab, const cJSON *results,
                                 const struct settings *s)
{
    const cJSON *check;

    if (s->check)
        return lab_check(lab, s->check);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        if (strcmp(known_verdict(results, lab, json_text(check, "id")), "pass") != 0)
            return check;
    }
    return NULL;
}

/* What else is open, in a line or two; the whole list would bury the hint. */
static void others_print(const struct lab *lab, const cJSON *results, const cJSON *chosen)
{
    const cJSON *check;
    int open = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const char *id = json_text(check, "id");

        if (check == chosen || strcmp(known_verdict(results, lab, id), "pass") == 0)
            continue;
        if (open++ < OTHERS_MAX)
            printf("%s%s\n", open == 1 ? "Also open (CHECK=):\n  " : "  ", id);
    }
    if (open > OTHERS_MAX)
        printf("  and %d more: make hint LAB=%d CHECK=" LIST "\n", open - OTHERS_MAX,
               lab->number);
}

static void checks_list(const struct lab *lab, const cJSON *results)
{
    const cJSON *check;

    printf("Checks of lab %02d (give one as CHECK=):\n", lab->number);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const char *verdict = known_verdict(results, lab, json_text(check, "id"));

        printf("  %-5s %s\n",
               strcmp(verdict, "pass") == 0 ? "ok"
               : verdict[0]                 ? verdict
                                            : "-",
               json_text(check, "id"));
    }
}

static void explanation_print(const cJSON *check)
{
    printf("%s%s%s: passed.\n  ", paint("bold"), json_text(check, "id"), paint("off"));
    print_wrapped(json_text(check, "explanation"), 2, 80);
    printf("  (%s)\n", json_text(check, "manual"));
}

/* ALL=1: the explanation of every check that has passed, and what is still to come. */
static void explanations_print(const struct lab *lab, const cJSON *results)
{
    const cJSON *check;
    int hidden = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        if (strcmp(known_verdict(results, lab, json_text(check, "id")), "pass") == 0) {
            explanation_print(check);
            printf("\n");
        } else {
            hidden++;
        }
    }
    if (hidden)
        printf("%d more, once their checks pass: make hint LAB=%d\n", hidden, lab->number);
}

/* Shows the next level and remembers it. */
static int hint_print(const struct lab *lab, const cJSON *check)
{
    const char *id = json_text(check, "id");
    cJSON *levels = levels_load();
    int level = json_int(levels, id);
    const cJSON *hints = cJSON_GetObjectItem(check, "hints");
    bool saved;

    if (cJSON_GetArraySize(hints) == 0) {
        printf(
            "This kit was handed out without hints. Where to read: handout \"%s\";\n%s\n",
            json_text(check, "handout"), json_text(check, "manual"));
        cJSON_Delete(levels);
        return EXIT_ALL;
    }

    if (level < LEVELS)
        level++;
    printf("%s%s%s\n  ", paint("bold"), id, paint("off"));
    print_wrapped(json_text(check, "title"), 2, 80);
    for (int i = 0; i < level; i++) {
        printf("  hint %d: ", i + 1);
        print_wrapped(cJSON_GetStringValue(cJSON_GetArrayItem(hints, i)), 10, 80);
    }
    if (level < LEVELS)
        printf("  (the next hint: make hint LAB=%d CHECK=%s)\n", lab->number, id);
    else
        printf("  (that was the last hint; the explanation comes once the check passes)\n");
    cJSON_DeleteItemFromObject(levels, id);
    cJSON_AddNumberToObject(levels, id, level);
    saved = levels_save(levels);
    cJSON_Delete(levels);
    if (!saved)
        fprintf(stderr, "grader: cannot remember the hint in %s: %s\n", HINTS_PATH,
                strerror(errno));
    return saved ? EXIT_ALL : EXIT_GRADER;
}

static int hint_give(const struct lab *lab, const struct labs *labs,
                     const struct settings *s)
{
    char path[PATH_ROOM];
    cJSON *results;
    const cJSON *check;
    int status = EXIT_ALL;

    (void)labs;
    results_path(path, s->from);
    results = results_load(path);
    check = check_choose(lab, results, s);
    if (s->check && strcmp(s->check, LIST) == 0) {
        checks_list(lab, results);
    } else if (s->all && !s->check) {
        explanations_print(lab, results);
    } else if (s->check && !check) {
        fprintf(stderr, "grader: lab %s has no CHECK=%s\n", lab->name, s->check);
        checks_list(lab, results);
        status = EXIT_USAGE;
    } else if (!check) {
        printf("Lab %02d has all its points. The explanations: make hint LAB=%d ALL=1,\n"
               "of one check CHECK=<id>; CHECK=" LIST " shows which there are.\n",
               lab->number, lab->number);
    } else if (strcmp(known_verdict(results, lab, json_text(check, "id")), "pass") == 0) {
        explanation_print(check);
    } else {
        status = hint_print(lab, check);
        if (!s->check)
            others_print(lab, results, check);
    }
    cJSON_Delete(results);
    return status;
}

static int hint_verb(const struct settings *s)
{
    return lab_verb(s, "a hint for which lab? make hint LAB=1", hint_give);
}

const struct verb verb_hint = {
    .name = "hint",
    .run = hint_verb,
    .whom = FOR_STUDENT,
    .help = "make hint LAB=n [CHECK=id]  the next of three hints; passed: the explanation\n"
            "      CHECK=list              which checks there are\n"
            "      ALL=1                   explanations of all checks that passed\n",
};
