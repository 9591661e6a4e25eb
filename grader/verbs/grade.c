/* grade.c - the verb grade: one lab or all of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grading/grading.h"
#include "grading/own_parts.h"
#include "grading/results.h"
#include "grading/traces.h"
#include "lib/files.h"
#include "lib/names.h"
#include "report/report.h"
#include "report/terminal.h"
#include "verbs/verbs.h"

#define WORKERS 2

static void grade_progress(const struct grading *list, int count)
{
    int judged = 0, of = 0;
    const char *now = "";

    for (int i = 0; i < count; i++) {
        judged += cJSON_GetArraySize(list[i].checks);
        of +=
            list[i].only
                ? 1
                : cJSON_GetArraySize(cJSON_GetObjectItem(list[i].lab->declared, "checks"));
        if (list[i].pid > 0)
            now = list[i].lab->name;
    }
    progress_line("grading %s: %d of %d checks", now, judged, of);
}

/* What to grade, from the settings; 0 after saying what is wrong. */
static int gradings_plan(struct grading *list, const struct labs *labs,
                         const struct settings *s, char traces[][PATH_ROOM])
{
    const struct lab *one = s->lab ? lab_find(labs, s->lab) : NULL;
    int count = 0;

    if (s->lab && !one)
        return 0;
    if (s->check && (!one || !lab_check(one, s->check))) {
        fprintf(stderr,
                one ? "grader: lab %s has no CHECK=%s; `make hint LAB=%d` lists them\n"
                    : "grader: CHECK= needs LAB= as well\n",
                one ? one->name : "", s->check, one ? one->number : 0);
        return 0;
    }
    for (int i = 0; i < labs->count; i++) {
        const struct lab *lab = &labs->list[i];

        if (one ? lab != one : lab_is_capstone(lab))
            continue;
        int at = count++;
        if (!s->sanitize)
            traces_folder(traces[at], lab, s);
        list[at] = (struct grading){
            .lab = lab,
            .submission = submission_from(s),
            .only = s->check,
            .traces = traces[at][0] ? traces[at] : NULL,
            .seed = s->seed,
        };
        if (lab_is_capstone(lab))
            capstone_submission(&list[at].submission, labs, s, list[at].beside);
        else if (s->own)
            own_parts_note(labs, lab, s->from, list[at].beside);
    }
    return count;
}

/* Points of a submission that could not be judged in full are no grade, and must not look like
 * one to a script. (One's own labs are graded as far as it goes.) */
static void incomplete_find(struct grading *list, int count,
                            const struct targets_found *targets)
{
    for (int i = 0; i < count; i++)
        list[i].incomplete = strcmp(list[i].submission.folder, "labs") != 0 &&
                             (list[i].ours_failed ||
                              (targets->incomplete && grading_count(&list[i], "skip") > 0));
}

static int exit_status(const struct grading *list, int count)
{
    int status = EXIT_ALL;

    for (int i = 0; i < count; i++) {
        if (list[i].errors || list[i].ours_failed || list[i].incomplete)
            return EXIT_GRADER;
        if (grading_count(&list[i], "fail") || (list[i].unjudged && !list[i].only) ||
            (list[i].only && !grading_count(&list[i], "pass")))
            status = EXIT_POINTS;
    }
    return status;
}

static void next_step(const struct grading *list, int count, const struct labs *labs,
                      const struct settings *s)
{
    char from[80];

    for (int i = 0; i < count; i++) {
        const struct grading *g = &list[i];

        if (!g->built && !g->ours_failed)
            printf("Next: mend the first error above, then: make grade LAB=%d\n",
                   g->lab->number);
        else if (g->lost)
            printf("Next: read labs/%s/README.md, or take a hint: make hint LAB=%d\n",
                   g->lab->name, g->lab->number);
        else
            continue;
        return;
    }
    if (count != 1 || list[0].only || list[0].unjudged)
        return;
    if (trace_there(list[0].lab, s, NULL))
        printf("Next: see what happened: make trace LAB=%d%s. ", list[0].lab->number,
               from_words(s, from));
    else
        printf("Next: the explanations: make hint LAB=%d. ", list[0].lab->number);
    printf("%s\n", list[0].lab == &labs->list[labs->count - 1] ? "That was the last lab."
                                                               : "Then the next lab.");
}

/* In which cage a submission is compiled. Where none works, one's own labs still can be graded. */
static void cage_mention(const struct grading *list, const struct targets_found *targets)
{
    char cage[80];

    cage_describe(targets->cage, cage, sizeof cage);
    if (!list[0].submission.trusted || targets->no_sandbox[0])
        printf("cage: %s\n", cage);
    if (!targets->no_sandbox[0])
        return;
    printf("Note: ");
    print_wrapped(targets->no_sandbox, 6, 80);
    printf("The checks of target model run in the machine instead.\n");
    if (targets->cage == CAGE_NONE && list[0].submission.trusted)
        printf("Your own part is compiled without a sandbox.\n");
    putchar('\n');
}

static int grade_verb(const struct settings *s)
{
    static char traces[LABS_MAX][PATH_ROOM];
    struct grading list[LABS_MAX] = {0};
    struct labs labs;
    struct targets_found targets;
    char path[PATH_ROOM], kept[PATH_ROOM];
    struct stat folder;
    int count, status;

    if (stat(s->from, &folder) < 0 || !S_ISDIR(folder.st_mode)) {
        char *from = name_clean(s->from);

        fprintf(stderr,
                "grader: FROM=%s is not a folder; it should hold 01-kvm-open/ and so on\n",
                from ? from : "");
        free(from);
        return EXIT_USAGE;
    }
    if (!labs_load(&labs))
        return EXIT_GRADER;
    count = gradings_plan(list, &labs, s, traces);
    if (count == 0)
        return EXIT_USAGE;
    if (!targets_prepare(&targets, s) ||
        (lab_is_capstone(list[count - 1].lab) && !boot_machine_prepare(&targets, s)))
        return EXIT_GRADER;

    cage_mention(list, &targets);
    gradings_run(list, count, &labs, &targets, WORKERS, grade_progress);
    incomplete_find(list, count, &targets);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            putchar('\n');
        report_print(&list[i], s);
    }
    if (count > 1)
        report_total(list, count, &labs, s->from);
    for (int i = 0; s->problems && i < count; i++)
        problems_print(&list[i], s->from);
    if (strcmp(s->from, "labs") == 0)
        next_step(list, count, &labs, s);
    status = exit_status(list, count);
    path_make(kept, "sanitized/%s", s->from); /* no verdicts about the plain part */
    results_path(path, s->sanitize ? kept : s->from);
    if (!results_merge(path, list, count)) {
        fprintf(stderr, "grader: the results above could not be kept in %s: %s\n", path,
                strerror(errno));
        status = EXIT_GRADER;
    }
    gradings_free(list, count);
    labs_free(&labs);
    return status;
}

const struct verb verb_grade = {
    .name = "grade",
    .run = grade_verb,
    .whom = FOR_STUDENT,
    .help = "make grade [LAB=n]          grade all labs, or one\n"
            "      CHECK=id SEED=n         just this check; the same numbers again\n"
            "      FROM=solutions          grade the reference (or any folder), not labs/\n"
            "      OWN=1                   link your own earlier parts, not the "
            "reference's\n"
            "      TARGET=name             only one target: model, machine or silicon\n"
            "      SANITIZE=1              compile with ASan and UBSan (target model)\n"
            "      PROBLEMS=1              failures once more as FILE:LINE: for editors\n"
            "      CAGE=name               where other people's parts are compiled:\n"
            "                              bubblewrap, landlock\n",
};
