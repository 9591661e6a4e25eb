/* attacks.c - the verb attacks: hostile submissions. None may gain a point, outlive its run,
 * or disturb the next one.
 *
 * An attack is a file in grader/attacks/ that begins with a comment of "key: value" lines:
 *   lab: numbers         which labs it is handed in for, or "all" (but the capstone, whose
 *                        reference takes its time): each on its own
 *   tries: sentence      what it wants
 *   only: check          runs that one (what takes a machine's time is tried once)
 *   says: text           what the report has to contain (a compiler's message, or what a
 *                        check has seen); several lines: any of them
 *   with: file           C that more than one attack needs, from the same folder (a .h): it is
 *                        appended before the attack
 * NAME.c is appended to the lab's starter (or replaces it, with "whole: yes"); NAME.sh is run
 * in a copy of the starter's folder and may do to it what it likes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grading/grading.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/json.h"
#include "report/terminal.h"
#include "verbs/replay.h"
#include "verbs/verbs.h"

#define ATTACKS     "grader/attacks"
#define ATTACKS_MAX 200
#define SECONDS_MAX 90.0
#define WORKERS     2

struct attack {
    char name[100]; /* of its file */
    const struct lab *lab;
    char folder[PATH_ROOM];
    char only[80]; /* the check that it is about; "": all */
    char *text;
};

struct run {
    struct labs labs;
    struct attack attacks[ATTACKS_MAX];
    struct grading gradings[2 * ATTACKS_MAX]; /* each attack, then the reference */
    int count;
    int failed;
};

/* The n-th value of a key in the leading comment; "" if there is none. */
static void value_find(const struct attack *a, const char *key, int n, char *value,
                       size_t size)
{
    const char *end = strstr(a->text, "end of description");
    char wanted[40];

    value[0] = 0;
    snprintf(wanted, sizeof wanted, "%s: ", key);
    for (const char *at = a->text; (at = strstr(at, wanted)) && (!end || at < end);) {
        at += strlen(wanted);
        if (n-- == 0) {
            snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
            return;
        }
    }
}

/* Is the number in a list of numbers, "1 3 10"? */
static bool number_listed(const char *list, int number)
{
    for (char *end; *list; list = end) {
        if (strtol(list, &end, 10) == number && end > list)
            return true;
        if (end == list)
            return false;
    }
    return false;
}

static bool name_ends(const char *name, const char *end)
{
    size_t length = strlen(name), ending = strlen(end);

    return length > ending && strcmp(name + length - ending, end) == 0;
}

static bool text_append(const char *path, const char *text, bool whole)
{
    FILE *file = fopen(path, whole ? "we" : "ae");
    bool ok = file && fputs(text, file) >= 0;

    return file && fclose(file) == 0 && ok;
}

/* Puts the attack, behind what it shares with others, into a part. */
static bool attack_append(const struct attack *a, const char *part)
{
    char whole[8], with[100], path[PATH_ROOM];
    char *shared = NULL;
    bool ok;

    value_find(a, "whole", 0, whole, sizeof whole);
    value_find(a, "with", 0, with, sizeof with);
    path_make(path, ATTACKS "/%s", with);
    if (with[0] && !(shared = file_read(path, 1u << 20, NULL)))
        return false;
    ok = text_append(part, shared ? shared : "", whole[0] != 0) &&
         text_append(part, a->text, false);
    free(shared);
    return ok;
}

/* The submission's folder: the starter, with the attack in it. */
static bool attack_prepare(struct attack *a)
{
    const struct lab *lab = a->lab;
    char from[PATH_ROOM], to[PATH_ROOM], place[PATH_ROOM];
    char *argv[] = {"sh", "-c", "cd \"$1\" && sh -e \"$2\"", "sh", place, to, NULL};
    bool ok;

    path_make(a->folder, "build/tmp/attack.XXXXXX");
    ok = folder_make("build/tmp") && mkdtemp(a->folder);
    path_make(place, "%s/%s", a->folder, lab->name);
    ok = ok && folder_make(place);
    for (int i = 0; ok && i < lab->part_count; i++) {
        char *starter = NULL;
        char *print[] = {"sh", "grader/verbs/starters.sh", "print", from, NULL};

        path_make(from, "solutions/%s/%s", lab->name, lab->parts[i]);
        path_make(to, "%s/%s/%s", a->folder, lab->name, lab->parts[i]);
        ok = command_run(print, &starter, 30) == 0 &&
             file_write(to, starter, strlen(starter));
        free(starter);
    }
    if (name_ends(a->name, ".c")) {
        path_make(to, "%s/%s/%s", a->folder, lab->name, lab->parts[0]);
        return ok && attack_append(a, to);
    }
    path_make(from, ATTACKS "/%s", a->name);
    char *script = realpath(from, NULL);
    path_make(to, "%s", script ? script : "");
    free(script);
    return ok && command_run(argv, NULL, 0) == 0;
}

/* Hands the attack in for one lab: its grading, then the reference's. */
static void attack_add(struct run *run, const struct settings *s, const char *name,
                       const char *text, const struct lab *lab)
{
    struct attack *a = &run->attacks[run->count];
    struct grading *g = &run->gradings[2 * run->count];

    *a = (struct attack){.lab = lab, .text = strdup(text)};
    snprintf(a->name, sizeof a->name, "%.99s", name);
    if (!a->text || !attack_prepare(a)) {
        printf("FAIL  %s could not be prepared: %s\n", a->name, strerror(errno));
        run->failed++;
        if (a->folder[0])
            folder_remove(a->folder);
        free(a->text);
        *a = (struct attack){0};
        return;
    }
    value_find(a, "only", 0, a->only, sizeof a->only);
    g[0] = (struct grading){.lab = lab,
                            .submission = {.folder = a->folder, .label = "attack"},
                            .only = a->only[0] ? a->only : NULL,
                            .seed = s->seed};
    g[1] = (struct grading){.lab = lab,
                            .submission = {.folder = "solutions", .label = "solutions"},
                            .seed = s->seed};
    run->count++;
}

/* Reads an attack's file and adds it for each lab that it names. */
static void attack_read(struct run *run, const struct settings *s, const char *name)
{
    struct attack file = {0};
    char path[PATH_ROOM], labs[60];
    int before = run->count;

    path_make(path, ATTACKS "/%s", name);
    file.text = file_read(path, 1u << 20, NULL);
    if (file.text)
        value_find(&file, "lab", 0, labs, sizeof labs);
    for (int i = 0; file.text && i < run->labs.count && run->count < ATTACKS_MAX; i++) {
        const struct lab *lab = &run->labs.list[i];

        if ((strcmp(labs, "all") == 0 && !lab_is_capstone(lab)) ||
            number_listed(labs, lab->number))
            attack_add(run, s, name, file.text, lab);
    }
    if (run->count == before) {
        printf("FAIL  %s names no lab\n", name);
        run->failed++;
    }
    free(file.text);
}

static int attacks_find(struct run *run, const struct settings *s)
{
    struct dirent **entries;
    int count = scandir(ATTACKS, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (name[0] != '.' && !name_ends(name, ".h") &&
            (!s->check || strcmp(s->check, name) == 0))
            attack_read(run, s, name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return run->count;
}

static bool report_says(const struct attack *a, const struct grading *g)
{
    char wanted[200];
    const cJSON *verdict;

    for (int n = 0; value_find(a, "says", n, wanted, sizeof wanted), wanted[0]; n++) {
        if (g->messages && strstr(g->messages, wanted))
            return true;
        cJSON_ArrayForEach(verdict, g->checks)
        {
            if (strstr(json_text(verdict, "seen"), wanted))
                return true;
        }
    }
    return false;
}

/* What the first ERROR verdict says; "" if there is none. */
static const char *error_text(const struct grading *g)
{
    const cJSON *verdict;

    cJSON_ArrayForEach(verdict, g->checks)
    {
        if (strcmp(json_text(verdict, "verdict"), "error") == 0)
            return json_text(verdict, "seen");
    }
    return "";
}

static bool attack_judge(const struct attack *a, const struct grading *g)
{
    const struct grading *next = g + 1;
    bool ok = true;

#define REQUIRE(condition, ...)                                                            \
    if (!(condition)) {                                                                    \
        printf("FAIL  %s (lab %d): ", a->name, a->lab->number);                            \
        printf(__VA_ARGS__);                                                               \
        putchar('\n');                                                                     \
        ok = false;                                                                        \
    }
    REQUIRE(g->earned == 0, "it gained %d tenths of a point", g->earned)
    REQUIRE(g->errors == 0, "it made the grader fail (%d errors): %s", g->errors,
            error_text(g))
    REQUIRE(g->seconds < SECONDS_MAX, "it took %.0f s", g->seconds)
    REQUIRE(report_says(a, g), "the report does not say what happened, but: %s",
            g->built ? json_text(g->checks->child, "seen") : g->messages)
    REQUIRE(next->earned == lab_tenths(next->lab),
            "the next submission got %d of %d tenths %s", next->earned,
            lab_tenths(next->lab), error_text(next))
#undef REQUIRE
    if (ok)
        printf("ok    %02d  %-32s %5.1f s\n", a->lab->number, a->name, g->seconds);
    return ok;
}

static void attacks_progress(const struct grading *list, int count)
{
    int done = 0;

    for (int i = 0; i < count; i++)
        done += list[i].done;
    progress_line("attacks: %d of %d", done / 2, count / 2);
}

/* Hands the prepared ones in. Returns how many gained nothing. */
static int attacks_try(struct run *run, const struct targets_found *targets)
{
    int passed = 0;

    gradings_run(run->gradings, 2 * run->count, &run->labs, targets, WORKERS,
                 attacks_progress);
    progress_line("%s", "");
    for (int i = 0; i < run->count; i++)
        passed += attack_judge(&run->attacks[i], &run->gradings[2 * i]);
    return passed;
}

/* Is the capstone among the labs of what is tried? */
static bool boots_linux(const struct run *run, const struct settings *s,
                        const struct lab *one)
{
    bool found = !s->check && (!one || lab_is_capstone(one));

    for (int i = 0; i < run->count; i++)
        found |= lab_is_capstone(run->attacks[i].lab);
    return found;
}

/* NAMED=replay: only that. CHECK=: only the attack of that name. */
static int attacks_run(struct run *run, const struct settings *s, const struct lab *one)
{
    struct targets_found targets;
    struct replay_count replay = {0};
    int passed = 0, failed;

    if (!targets_prepare(&targets, s))
        return EXIT_GRADER;
    if (!others_graded(&targets, "attacks"))
        return EXIT_ALL;
    if (!s->named && attacks_find(run, s) == 0) {
        fprintf(stderr, "grader: no attack%s%s\n", s->check ? " called " : "s",
                s->check ? s->check : "");
        return EXIT_USAGE;
    }
    if (boots_linux(run, s, one) && !boot_machine_prepare(&targets, s))
        return EXIT_GRADER;
    if (!s->named)
        passed = attacks_try(run, &targets);
    if (!s->check)
        replay = replay_checks(&run->labs, one, &targets, s->seed);
    failed = run->failed + run->count - passed + replay.unsound;
    printf("attacks: %d passed, %d failed\n", passed + replay.sound, failed);
    return failed ? EXIT_POINTS : EXIT_ALL;
}

/* The labs, the lab that LAB= names, and what NAMED= may be. */
static int attacks_begin(struct run *run, const struct settings *s)
{
    const struct lab *one = NULL;

    if (!labs_load(&run->labs))
        return EXIT_GRADER;
    if (s->named && strcmp(s->named, "replay") != 0) {
        fprintf(stderr, "grader: NAMED=%s: attacks knows NAMED=replay\n", s->named);
        return EXIT_USAGE;
    }
    if (s->lab && !(one = lab_find(&run->labs, s->lab)))
        return EXIT_USAGE;
    return attacks_run(run, s, one);
}

static int attacks_verb(const struct settings *s)
{
    struct run *run = calloc(1, sizeof *run);
    int status;

    if (!run)
        return EXIT_GRADER;
    status = attacks_begin(run, s);
    for (int i = 0; i < ATTACKS_MAX; i++) {
        if (run->attacks[i].folder[0])
            folder_remove(run->attacks[i].folder);
        free(run->attacks[i].text);
    }
    gradings_free(run->gradings, 2 * run->count);
    labs_free(&run->labs);
    free(run);
    return status;
}

const struct verb verb_attacks = {
    .name = "attacks",
    .run = attacks_verb,
    .whom = FOR_MAINTAINER,
    .help =
        "make attacks                hostile submissions: each must gain nothing\n"
        "      NAMED=replay [LAB=n]    only: answers of one seed handed in under others\n",
};
