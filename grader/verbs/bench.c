/* bench.c - the verb bench: measured figures beside their bounds (medians). The kit's tests
 * never time anything; this does, and only this. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "grading/grading.h"
#include "judge/evidence.h"
#include "judge/qemu.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/process_cpu.h"
#include "machine/frames.h"
#include "report/terminal.h"
#include "subjects/bench.h"
#include "verbs/linux_boot.h"
#include "verbs/verbs.h"

#define RUNS_DEFAULT 7
#define RUNS_MAX     101
#define BENCH_PATH   "build/bench.json"
#define EXITS        2000 /* a slice */

struct bench {
    const struct settings *settings;
    struct labs labs;
    struct targets_found targets;
    int runs;
    bool failed; /* something could not be measured */
    cJSON *figures;
};

static int number_compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, number_compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* One row. at_most: the bound is an upper one. */
static void figure(struct bench *b, const char *name, double value, double bound,
                   bool at_most, const char *unit)
{
    bool held = at_most ? value <= bound : value >= bound;
    cJSON *json = cJSON_CreateObject();

    printf("  %-46s %8.3f %-4s %s %-6g %s%5.2f%s\n", name, value, unit,
           at_most ? "<=" : ">=", bound, paint(held ? "green" : "red"), value / bound,
           paint("off"));
    fflush(stdout);
    cJSON_AddStringToObject(json, "name", name);
    cJSON_AddNumberToObject(json, "median", value);
    cJSON_AddStringToObject(json, "unit", unit);
    cJSON_AddNumberToObject(json, "bound", bound);
    cJSON_AddNumberToObject(json, "ratio", value / bound);
    cJSON_AddBoolToObject(json, "held", held);
    cJSON_AddItemToArray(b->figures, json);
}

/* Seconds that `build/bin/grader grade` takes, as the student waits for it. */
static double grade_seconds(const char *lab)
{
    char word[80], *output = NULL;
    char *argv[] = {"build/bin/grader", "grade", "FROM=solutions", lab ? word : NULL, NULL};
    double start = now_seconds();
    int status;

    snprintf(word, sizeof word, "LAB=%s", lab ? lab : "");
    status = command_run(argv, &output, 0);
    free(output);
    return status == 0 ? now_seconds() - start : 1e9;
}

static void bench_grade(struct bench *b, const char *lab, const char *name, double bound)
{
    double seconds[RUNS_MAX];

    grade_seconds(lab); /* warm */
    for (int i = 0; i < b->runs; i++) {
        progress_line("%s: run %d of %d", name, i + 1, b->runs);
        seconds[i] = grade_seconds(lab);
    }
    progress_line("%s", "");
    figure(b, name, median(seconds, b->runs), bound, true, "s");
}

static void bench_restore(struct bench *b)
{
    double seconds[RUNS_MAX];
    char why[1000];

    for (int i = 0; i < b->runs; i++) {
        struct machine m;
        double start = now_seconds();

        seconds[i] = machine_restore(&m, b->targets.machine, why, sizeof why) == 0
                         ? now_seconds() - start
                         : 1e9;
        machine_stop(&m);
        if (m.console >= 0)
            close(m.console);
    }
    figure(b, "restore of the machine to a ready agent", median(seconds, b->runs), 0.1,
           true, "s");
}

static double cpu_self(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* CPU time of grader and judges, without machine and compiler, by wall time of a whole run. */
static void bench_cost(struct bench *b)
{
    double shares[RUNS_MAX];

    for (int i = 0; i < b->runs; i++) {
        struct grading list[LABS_MAX] = {0};
        double start = now_seconds(), cost = cpu_self();

        for (int l = 0; l < b->labs.count - 1; l++) /* the last one is the capstone */
            list[l] = (struct grading){
                .lab = &b->labs.list[l],
                .submission = {.folder = "solutions", .label = "solutions"},
                .seed = b->settings->seed + (uint64_t)i};
        gradings_run(list, b->labs.count - 1, &b->labs, &b->targets, 2, NULL);
        cost = cpu_self() - cost;
        for (int l = 0; l < b->labs.count - 1; l++)
            cost += list[l].cost;
        shares[i] = 100 * cost / (now_seconds() - start);
        gradings_free(list, b->labs.count - 1);
    }
    figure(b, "grader's own CPU time, of the wall time", median(shares, b->runs), 5, true,
           "%");
}

/* One of the subject's entries, in the machine. */
static bool subject_measure(struct bench *b, const char *subject, uint32_t entry, void *out,
                            size_t out_size)
{
    struct {
        struct run_request request;
        struct bench_input input;
    } job = {.request = {.deadline_ms = 60000,
                         .entry = entry,
                         .input_size = sizeof job.input,
                         .nonce = 1},
             .input = {.exits = EXITS}};
    struct evidence e = {0};
    struct machine m;
    char why[1000];
    size_t size;
    char *image = file_read(subject, SIZE_MAX, &size);
    bool ok = image && machine_restore(&m, b->targets.machine, why, sizeof why) == 0;

    if (ok) {
        const struct evidence_source source = {.channel = m.channel, .nonce = 1};
        size_t length = sizeof job.request + sizeof job.input;

        ok = frame_send(m.channel, FRAME_SUBJECT, NULL, 0, image, size) == 0 &&
             frame_send(m.channel, FRAME_RUN, NULL, 0, &job, length) == 0 &&
             evidence_receive(&e, &source) == 0 && e.complete &&
             e.header.output_size >= out_size;
        if (ok)
            memcpy(out, e.answer, out_size);
        machine_stop(&m);
        close(m.console);
    }
    evidence_free(&e);
    free(image);
    return ok;
}

static bool slices_whole(const struct bench_output *out)
{
    for (int i = 0; i < BENCH_SLICES; i++)
        if (!out->bare[i] || !out->core[i])
            return false;
    return true;
}

static void bench_pio(struct bench *b)
{
    const struct submission reference = {
        .folder = "solutions", .label = "solutions", .trusted = true};
    struct bench_output out;
    struct built built;
    double ratios[BENCH_SLICES], rates[BENCH_SLICES];

    subject_build(&built, &b->labs.list[0], &b->labs, &reference, "bench");
    if (!built.ok || !subject_measure(b, built.subject, 0, &out, sizeof out) ||
        !slices_whole(&out)) {
        b->failed = true;
        printf("  the run loop could not be measured: %s\n",
               built.messages ? built.messages : "");
    } else {
        for (int i = 0; i < BENCH_SLICES; i++) {
            ratios[i] = (double)out.bare[i] / (double)out.core[i];
            rates[i] = EXITS * 1e6 / (double)out.core[i];
        }
        figure(b, "run loop and bus: PIO exits/s, of a bare KVM_RUN",
               median(ratios, BENCH_SLICES), 0.97, false, "");
        printf("    (%.1f thousand exits a second through the run loop)\n",
               median(rates, BENCH_SLICES));
    }
    built_free(&built);
}

/* Walks through the reference's tables: in the machine, and so slower than they could be; what
 * counts is the ratio. */
static void bench_walks(struct bench *b)
{
    const struct submission reference = {
        .folder = "solutions", .label = "solutions", .trusted = true};
    const double all = (double)BENCH_SLICES * BENCH_WALKS;
    struct bench_walks_output out;
    struct built built;
    double ratios[BENCH_SLICES], rates[BENCH_SLICES];

    subject_build(&built, &b->labs.list[0], &b->labs, &reference, "bench");
    if (!built.ok || !subject_measure(b, built.subject, 1, &out, sizeof out) || out.wrong ||
        !out.part[BENCH_SLICES - 1]) {
        b->failed = true;
        printf("  walks could not be measured: %s\n", built.messages ? built.messages : "");
    } else {
        for (int i = 0; i < BENCH_SLICES; i++) {
            ratios[i] = (double)out.textbook[i] / (double)out.part[i];
            rates[i] = BENCH_WALKS * 1e3 / (double)out.part[i];
        }
        figure(b, "lab 05: walks/s with caches, of a textbook's",
               median(ratios, BENCH_SLICES), 1, false, "");
        figure(b, "lab 05: references/walk, random in 1 MiB",
               (double)out.part_references / all, 3, true, "");
        printf(
            "    (%.2f million walks a second; the textbook makes %.0f references each)\n",
            median(rates, BENCH_SLICES), (double)out.textbook_references / all);
    }
    built_free(&built);
}

/* The machine's CPU time from the start of the VMM to the guest's prompt; 1e9: no prompt. */
static double boot_once(const struct bench *b, const char *subject)
{
    static struct lab11_boot boot;
    struct machine m;
    char why[1000];
    double cpu = 0, seconds = 1e9;

    linux_boot_request(&boot, NULL, NULL);
    if (machine_restore(&m, b->targets.boot_machine, why, sizeof why) < 0)
        return seconds;
    cpu = process_cpu(m.pid);
    if (linux_boot_start(m.channel, subject, &boot) && linux_boot_prompt(m.channel))
        seconds = process_cpu(m.pid) - cpu;
    machine_stop(&m);
    close(m.console);
    return seconds;
}

static void bench_boot(struct bench *b)
{
    const struct submission reference = {
        .folder = "solutions", .label = "solutions", .trusted = true};
    const struct lab *lab = &b->labs.list[b->labs.count - 1];
    double seconds[RUNS_MAX];
    struct built built;

    subject_build(&built, lab, &b->labs, &reference, lab->name);
    if (!built.ok) {
        b->failed = true;
        printf("  the boot of Linux could not be measured: %s\n",
               built.messages ? built.messages : "");
    } else {
        for (int i = 0; i < b->runs; i++)
            seconds[i] = boot_once(b, built.subject);
        figure(b, "Linux in the VMM, start to prompt, CPU time", median(seconds, b->runs),
               5, true, "s");
    }
    built_free(&built);
}

static bool figures_save(const struct bench *b)
{
    cJSON *json = cJSON_CreateObject();
    char when[40], *text;
    time_t now = time(NULL);
    bool ok;

    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    cJSON_AddStringToObject(json, "when", when);
    cJSON_AddNumberToObject(json, "runs", b->runs);
    cJSON_AddNumberToObject(json, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddItemReferenceToObject(json, "figures", b->figures);
    text = cJSON_Print(json);
    ok = text && file_write(BENCH_PATH, text, strlen(text));
    free(text);
    cJSON_Delete(json);
    return ok;
}

static int bench_verb(const struct settings *s)
{
    struct bench b = {.settings = s, .runs = RUNS_DEFAULT};
    int status = EXIT_ALL;

    if (s->times)
        b.runs = (int)strtol(s->times, NULL, 10);
    if (b.runs < 1 || b.runs > RUNS_MAX) {
        fprintf(stderr, "grader: TIMES= takes 1 to %d\n", RUNS_MAX);
        return EXIT_USAGE;
    }
    if (!labs_load(&b.labs) || !targets_prepare(&b.targets, s) ||
        !boot_machine_prepare(&b.targets, s))
        return EXIT_GRADER;
    b.figures = cJSON_CreateArray();
    printf("  %-46s %8s %-4s %9s  ratio\n", "figure (median)", "measured", "", "bound");
    for (int i = 0; i < b.labs.count; i++) {
        char name[80];

        snprintf(name, sizeof name, "make grade LAB=%d, warm", b.labs.list[i].number);
        /* The device of labs 08 and 09 takes 0.1 s for each DMA. */
        bool device = b.labs.list[i].number == 8 || b.labs.list[i].number == 9;
        bench_grade(&b, b.labs.list[i].name, name,
                    lab_is_capstone(&b.labs.list[i]) ? 15.0
                    : device                         ? 2.5
                                                     : 1.0);
    }
    bench_grade(&b, NULL, "make grade, all ten labs, warm", 8.0);
    bench_restore(&b);
    bench_cost(&b);
    bench_boot(&b);
    bench_pio(&b);
    bench_walks(&b);
    if (b.failed)
        status = EXIT_GRADER;
    if (!figures_save(&b)) {
        fprintf(stderr, "grader: cannot write %s: %s\n", BENCH_PATH, strerror(errno));
        status = EXIT_GRADER;
    }
    cJSON_Delete(b.figures);
    labs_free(&b.labs);
    return status;
}

const struct verb verb_bench = {
    .name = "bench",
    .run = bench_verb,
    .whom = FOR_MAINTAINER,
    .help = "make bench [TIMES=n]        measured figures beside their bounds\n",
};
