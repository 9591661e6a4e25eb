/* trace.c - the verb trace: the exit sequence of the last run, from the kernel's own notes, as
 * a page for the browser or, with TEXT=1, as text. */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_names.h"
#include "grading/results.h"
#include "grading/traces.h"
#include "lib/files.h"
#include "lib/json.h"
#include "lib/lab.h"
#include "report/boot_page.h"
#include "report/boot_story.h"
#include "report/report.h"
#include "report/rounds.h"
#include "report/terminal.h"
#include "report/trace_page.h"
#include "report/trace_text.h"
#include "verbs/lab_verb.h"
#include "verbs/verbs.h"

/* Lists what else can be looked at: first what failed. */
static void runs_list(const struct lab *lab, const struct settings *s, const cJSON *results)
{
    const cJSON *check;
    char folder[PATH_ROOM], event[40];

    traces_folder(folder, lab, s);
    printf("\nRecorded runs of this lab (CHECK=):\n");
    for (int failed = 1; failed >= 0; failed--)
        cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
        {
            const char *id = json_text(check, "id");
            const cJSON *verdict = results_verdict(results, lab, id);

            if ((strcmp(json_text(verdict, "verdict"), "fail") == 0) != failed ||
                !trace_kept(folder, id))
                continue;
            printf("  %-5s %s%s%s\n", failed ? "FAIL" : "ok", id, failed ? "  at " : "",
                   point_text(cJSON_GetObjectItem(verdict, "point"), event));
        }
}

static int page_failed(void)
{
    fprintf(stderr,
            "grader: could not write the page: %s (is build/trace another user's?)\n",
            strerror(errno));
    return EXIT_GRADER;
}

/* The exit where a check failed; 0: it did not, or elsewhere. */
static size_t point_exit(const cJSON *verdict)
{
    const cJSON *point = cJSON_GetObjectItem(verdict, "point");

    return strcmp(json_text(point, "kind"), "exit") == 0 ? (size_t)json_int(point, "number")
                                                         : 0;
}

static int boot_show(char *path, const struct kvm_events *events,
                     const struct trace_head *head, const struct page_about *about)
{
    if (!boot_page_write(path, events, head, about))
        return page_failed();
    printf("The boot as one picture (a file of its own: send it home):\n  %s\n", path);
    return EXIT_ALL;
}

/* What the kernel recorded: as text, or totals and the page. */
static int events_show(char *path, const struct page_about *about, bool text)
{
    size_t size;
    struct trace_head *head = (struct trace_head *)(void *)file_read(path, SIZE_MAX, &size);
    struct kvm_events events;
    const bool boot = strcmp(about->lab->name, CAPSTONE_LAB) == 0;
    int status = EXIT_ALL;

    if (!head || size < sizeof *head || head->magic != TRACE_MAGIC) {
        fprintf(stderr, "grader: %s cannot be read; grade again\n", path);
        free(head);
        return EXIT_GRADER;
    }
    events.list = (struct kvm_event *)(void *)(head + 1);
    events.count = (size - sizeof *head) / sizeof *events.list;
    if (text) {
        printf("\n");
        trace_text_print(&events, point_exit(about->verdict));
        if (boot)
            boot_story_print(&events);
    } else {
        trace_totals_print(&events);
        status = trace_page_write(path, &events, head, about) ? EXIT_ALL : page_failed();
    }
    if (!text && status == EXIT_ALL)
        printf("The exits, for a browser (here, as text: TEXT=1):\n  %s\n", path);
    if (!text && status == EXIT_ALL && boot)
        status = boot_show(path, &events, head, about);
    free(head);
    return status;
}

/* What the check itself kept, if anything: as text, or a page. */
static int view_show(char *path, const struct page_about *about, bool text)
{
    char *kept = file_read(path, 16u << 20, NULL);
    int status = EXIT_ALL;

    if (!kept)
        return EXIT_ALL;
    if (text)
        view_text_print(kept);
    else if (!view_page_write(path, kept, about))
        status = page_failed();
    else
        printf("A picture of the run, for a browser (here, as text: TEXT=1):\n  %s\n",
               path);
    free(kept);
    return status;
}

/* Where the check failed, if it did: the pages open there. */
static void failure_print(const cJSON *verdict)
{
    char event[40], seen[400];
    const char *at = point_text(cJSON_GetObjectItem(verdict, "point"), event);

    if (strcmp(json_text(verdict, "verdict"), "fail") != 0)
        return;
    snprintf(seen, sizeof seen, "%s", json_text(verdict, "seen"));
    seen[strcspn(seen, "\n")] = 0; /* the report has the rest */
    printf("It failed%s%s:\n  ", at[0] ? " at " : "", at);
    print_wrapped(seen, 2, 80);
}

static int run_show(const struct lab *lab, const char *id, const struct settings *s)
{
    char folder[PATH_ROOM], path[PATH_ROOM];
    struct page_about about = {.lab = lab, .id = id};
    cJSON *results;
    int status = EXIT_ALL;

    results_path(path, s->from);
    results = results_load(path);
    about.verdict = results_verdict(results, lab, id);
    traces_folder(folder, lab, s);
    printf("%sLab %02d, %s%s\n", paint("bold"), lab->number, id, paint("off"));
    failure_print(about.verdict);
    path_make(path, "%s/%s", folder, id);
    if (access(path, F_OK) == 0)
        status = events_show(path, &about, s->text != NULL);
    path_make(path, "%s/%s" VIEW_SUFFIX, folder, id);
    if (status == EXIT_ALL)
        status = view_show(path, &about, s->text != NULL);
    if (!s->check)
        runs_list(lab, s, results);
    cJSON_Delete(results);
    return status;
}

/* Without CHECK=: a run that failed is what one wants to see, or else what shows most of the lab, or
 * else the newest. */
static bool run_default(char *id, size_t size, const struct lab *lab,
                        const struct settings *s)
{
    char folder[PATH_ROOM], path[PATH_ROOM];
    const cJSON *check;
    cJSON *results;

    id[0] = 0;
    traces_folder(folder, lab, s);
    results_path(path, s->from);
    results = results_load(path);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        const char *one = json_text(check, "id");
        const cJSON *verdict = results_verdict(results, lab, one);

        if (!id[0] && strcmp(json_text(verdict, "verdict"), "fail") == 0 &&
            trace_kept(folder, one))
            snprintf(id, size, "%s", one);
    }
    cJSON_Delete(results);
    if (!id[0] && trace_best(lab)[0] && trace_kept(folder, trace_best(lab)))
        snprintf(id, size, "%s", trace_best(lab));
    return id[0] || trace_newest(id, size, lab, s);
}

/* Why there is nothing to see of a check. */
static void nothing_print(const struct lab *lab, const struct settings *s)
{
    const cJSON *check = s->check ? lab_check(lab, s->check) : NULL;
    const bool machine = strcmp(json_text(check, "target"), "machine") == 0;
    char from[80];

    if (check && !machine)
        fprintf(stderr,
                "grader: this check has no picture: it calls functions and compares. (The "
                "calls "
                "one\nby one: make debug LAB=%d CHECK=%s)\n",
                lab->number, s->check);
    else if (check)
        fprintf(
            stderr,
            "grader: no run of this check is recorded: it was not graded, or your part did "
            "not get\nas far as KVM_RUN. First: make grade LAB=%d CHECK=%s%s\n",
            lab->number, s->check, from_words(s, from));
    else
        fprintf(stderr,
                "grader: no run of this lab is recorded. First: make grade LAB=%d%s\n",
                lab->number, from_words(s, from));
}

static int trace_show(const struct lab *lab, const struct labs *labs,
                      const struct settings *s)
{
    char id[256], path[PATH_ROOM];
    cJSON *results;

    (void)labs;
    if (s->check && !lab_check(lab, s->check)) {
        fprintf(stderr, "grader: lab %s has no CHECK=%s\n", lab->name, s->check);
        return EXIT_USAGE;
    }
    if (s->check ? trace_newest(id, sizeof id, lab, s) : run_default(id, sizeof id, lab, s))
        return run_show(lab, id, s);
    nothing_print(lab, s);
    if (trace_there(lab, s, NULL)) {
        results_path(path, s->from);
        results = results_load(path);
        runs_list(lab, s, results);
        cJSON_Delete(results);
    }
    return EXIT_POINTS;
}

static int trace_verb(const struct settings *s)
{
    return lab_verb(s, "the trace of which lab? make trace LAB=1", trace_show);
}

const struct verb verb_trace = {
    .name = "trace",
    .run = trace_verb,
    .whom = FOR_STUDENT,
    .help = "make trace LAB=n [CHECK=id] your last graded run as a page; TEXT=1: as text\n"
            "                              (LAB=11: and the boot as one picture)\n",
};
