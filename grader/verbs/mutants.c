/* mutants.c - the verb mutants: wrong solutions as patches. Each must fail exactly the
 * checks that it names, and every check must be failed by one of them.
 *
 * With NAMED=1, for the kit's own tests: only as many mutants as it takes to have every check
 * named by one, each on the targets of the checks that it names. */
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
#include "verbs/verbs.h"

#define MUTANTS_MAX 2000
#define WORKERS     2

struct mutant {
    char path[PATH_ROOM];
    char folder[PATH_ROOM]; /* a copy of the solution, with the patch */
    char *text;             /* of the patch */
};

struct run {
    struct labs labs;
    struct mutant mutants[MUTANTS_MAX];
    struct grading gradings[MUTANTS_MAX];
    int count;
    int failed;
};

static int name_is_patch(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 6 && strcmp(entry->d_name + length - 6, ".patch") == 0;
}

/* Is id among the words of the patch's line that begins with key? */
static bool line_names(const struct mutant *m, const char *key, const char *id)
{
    const char *line = strstr(m->text, key);
    size_t length = strlen(id);

    if (!line)
        return false;
    for (const char *word = line + strlen(key); *word && *word != '\n';
         word += strcspn(word, " \n")) {
        word += strspn(word, " ");
        if (strncmp(word, id, length) == 0 && strchr(" \n", word[length]))
            return true;
    }
    return false;
}

static bool names_check(const struct mutant *m, const char *id)
{
    return line_names(m, "fails:", id);
}

/* A race that real threads may or may not run into: there another check, which tries every
 * order, is the one that has to fail. */
static bool may_fail(const struct mutant *m, const char *id)
{
    return line_names(m, "perhaps:", id);
}

/* Does it name a check of that target? */
static bool names_target(const struct mutant *m, const struct lab *lab, const char *target)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const char *id = json_text(check, "id");

        if (strcmp(json_text(check, "target"), target) == 0 &&
            (names_check(m, id) || may_fail(m, id)))
            return true;
    }
    return false;
}

/* A name that no check has would be one that nobody misses. */
static bool names_known(const struct mutant *m, const struct lab *lab)
{
    const char *line = strstr(m->text, "fails:");
    char words[2000], *save;

    snprintf(words, sizeof words, "%.*s", line ? (int)strcspn(line, "\n") : 0,
             line ? line : "");
    strtok_r(words, " ", &save);
    for (char *id = strtok_r(NULL, " ", &save); id; id = strtok_r(NULL, " ", &save))
        if (!lab_check(lab, id)) {
            printf("FAIL  %s: there is no check %s\n", m->path, id);
            return false;
        }
    return true;
}

static bool mutant_apply(struct mutant *m, const struct lab *lab)
{
    char folder[PATH_ROOM], from[PATH_ROOM], to[PATH_ROOM], *output = NULL;
    char *argv[] = {"patch", "-s", "-p1", "-d", folder, "-i", from, NULL};
    bool ok;

    path_make(m->folder, "build/tmp/mutant.XXXXXX");
    ok = folder_make("build/tmp") && mkdtemp(m->folder);
    path_make(folder, "%s/%s", m->folder, lab->name);
    ok = ok && folder_make(folder);
    for (int i = 0; ok && i < lab->part_count; i++) {
        path_make(from, "solutions/%s/%s", lab->name, lab->parts[i]);
        path_make(to, "%s/%s", folder, lab->parts[i]);
        ok = file_copy(from, to);
    }
    char *absolute = realpath(m->path, NULL);
    path_make(from, "%s", absolute ? absolute : "");
    free(absolute);
    m->text = file_read(m->path, 1u << 20, NULL);
    ok = ok && m->text && command_run(argv, &output, 30) == 0;
    if (!ok)
        printf("FAIL  %s does not apply: %s\n", m->path, output ? output : strerror(errno));
    free(output);
    return ok;
}

static void mutant_remove(struct mutant *m)
{
    if (m->folder[0])
        folder_remove(m->folder);
    free(m->text);
    *m = (struct mutant){.text = NULL};
}

/* Does it name a check that no mutant before it names? */
static bool names_another(const struct run *run, const struct lab *lab,
                          const struct mutant *m)
{
    const cJSON *check;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const char *id = json_text(check, "id");
        bool known = !names_check(m, id);

        for (int i = 0; i < run->count && !known; i++)
            known = run->gradings[i].lab == lab && names_check(&run->mutants[i], id);
        if (!known)
            return true;
    }
    return false;
}

static void lab_mutants_add(struct run *run, const struct lab *lab,
                            const struct settings *s)
{
    char folder[PATH_ROOM];
    struct dirent **entries;
    int count;

    path_make(folder, "grader/mutants/%s", lab->name);
    count = scandir(folder, &entries, name_is_patch, alphasort);
    for (int i = 0; i < count; i++) {
        struct mutant *m = &run->mutants[run->count];

        if (run->count < MUTANTS_MAX)
            path_make(m->path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (run->count == MUTANTS_MAX || !mutant_apply(m, lab)) {
            run->failed++;
            if (run->count < MUTANTS_MAX)
                mutant_remove(m);
            continue;
        }
        if (s->named && !names_another(run, lab, m)) {
            mutant_remove(m);
            continue;
        }
        run->gradings[run->count++] =
            (struct grading){.lab = lab,
                             .submission = {.folder = m->folder, .label = "mutant"},
                             .no_machine = s->named && !names_target(m, lab, "machine"),
                             .no_silicon = s->named && !names_target(m, lab, "silicon"),
                             .seed = s->seed};
    }
    if (count >= 0)
        free(entries);
}

/* (A check that not every emulator can do carries no points.) */
static bool left_out(const struct grading *g, const cJSON *check)
{
    const char *target = json_text(check, "target");
    const char *verdict = grading_verdict(g, json_text(check, "id"));

    return (json_int(check, "tenths") == 0 && strcmp(verdict, "skip") == 0) ||
           (g->no_machine && strcmp(target, "machine") == 0) ||
           (g->no_silicon && strcmp(target, "silicon") == 0);
}

static bool mutant_judge(const struct mutant *m, const struct grading *g)
{
    const cJSON *check;
    bool ok = names_known(m, g->lab);

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(g->lab->declared, "checks"))
    {
        const char *id = json_text(check, "id"), *verdict = grading_verdict(g, id);
        bool named = names_check(m, id);

        if (may_fail(m, id) || left_out(g, check))
            continue;
        if (strcmp(verdict, named ? "fail" : "pass") != 0) {
            printf("FAIL  %s: %s is '%s', should be '%s'\n", m->path, id, verdict,
                   named ? "fail" : "pass");
            ok = false;
        }
    }
    if (ok)
        printf("ok    %s\n", m->path);
    return ok;
}

/* A check that no mutant fails may be one that cannot fail. */
static int unkilled_report(const struct run *run, const struct lab *lab)
{
    const cJSON *check;
    int unkilled = 0;

    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        bool killed = false;

        for (int i = 0; i < run->count; i++)
            killed |= run->gradings[i].lab == lab &&
                      names_check(&run->mutants[i], json_text(check, "id"));
        if (!killed) {
            printf("FAIL  no mutant of %s fails the check %s\n", lab->name,
                   json_text(check, "id"));
            unkilled++;
        }
    }
    return unkilled;
}

static void mutants_progress(const struct grading *list, int count)
{
    int done = 0;

    for (int i = 0; i < count; i++)
        done += list[i].done;
    progress_line("mutants: %d of %d", done, count);
}

static int mutants_run(struct run *run, const struct lab *one, const struct settings *s)
{
    struct targets_found targets;
    int passed = 0, failed;

    if (!targets_prepare(&targets, s) ||
        ((!one || lab_is_capstone(one)) && !boot_machine_prepare(&targets, s)))
        return EXIT_GRADER;
    if (!others_graded(&targets, "mutants"))
        return EXIT_ALL;
    for (int i = 0; i < run->labs.count; i++)
        if (!one || one == &run->labs.list[i])
            lab_mutants_add(run, &run->labs.list[i], s);
    gradings_run(run->gradings, run->count, &run->labs, &targets, WORKERS,
                 mutants_progress);
    progress_line("%s", "");
    for (int i = 0; i < run->count; i++)
        passed += mutant_judge(&run->mutants[i], &run->gradings[i]);
    failed = run->failed + run->count - passed;
    for (int i = 0; i < run->labs.count; i++)
        if (!one || one == &run->labs.list[i])
            failed += unkilled_report(run, &run->labs.list[i]);
    printf("mutants: %d passed, %d failed\n", passed, failed);
    return failed ? EXIT_POINTS : EXIT_ALL;
}

static int mutants_verb(const struct settings *s)
{
    struct run *run = calloc(1, sizeof *run);
    const struct lab *one = NULL;
    int status = EXIT_USAGE;

    if (!run || !labs_load(&run->labs))
        return EXIT_GRADER;
    if (!s->lab || (one = lab_find(&run->labs, s->lab)))
        status = mutants_run(run, one, s);
    for (int i = 0; i < run->count; i++)
        mutant_remove(&run->mutants[i]);
    gradings_free(run->gradings, run->count);
    labs_free(&run->labs);
    free(run);
    return status;
}

const struct verb verb_mutants = {
    .name = "mutants",
    .run = mutants_verb,
    .whom = FOR_MAINTAINER,
    .help =
        "make mutants [LAB=n]        wrong solutions: each must lose what it names\n"
        "      NAMED=1                 only as many as it takes to fail every check once\n",
};
