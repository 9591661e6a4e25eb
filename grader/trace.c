/* trace.c - the verb trace: the exit sequence of the last run, from the kernel's own notes, as
 * a page for the browser or, with TEXT=1, as text: a row a round (rounds.h). */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "exit_names.h"
#include "grader.h"
#include "rounds.h"

#define ROWS_MAX 60 /* shown from each end of a long run */

/* Runs of one's own labs and of the reference are kept; of others only the results. */
void traces_folder(char *folder, const struct lab *lab, const struct settings *s)
{
    if (strcmp(s->from, "labs") == 0)
        path_make(folder, "build/traces/%s", lab->name);
    else if (strcmp(s->from, "solutions") == 0)
        path_make(folder, "build/traces-solutions/%s", lab->name);
    else
        folder[0] = 0;
}

/* The file of the check asked for, or the newest of the lab. False: there is none. */
static bool trace_choose(char *path, char *id, size_t id_size, const struct lab *lab,
                         const struct settings *s)
{
    const char *check = s->check;
    char folder[PATH_ROOM];
    struct dirent *entry;
    struct timespec newest = {0};
    DIR *dir;

    traces_folder(folder, lab, s);
    path[0] = 0;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char file[PATH_ROOM];
        struct stat status;

        path_make(file, "%s/%s", folder, entry->d_name);
        if (stat(file, &status) < 0 || !S_ISREG(status.st_mode) ||
            !lab_check(lab, entry->d_name))
            continue;
        if (check ? strcmp(check, entry->d_name) != 0
                  : status.st_mtim.tv_sec < newest.tv_sec ||
                        (status.st_mtim.tv_sec == newest.tv_sec &&
                         status.st_mtim.tv_nsec < newest.tv_nsec))
            continue;
        newest = status.st_mtim;
        path_make(path, "%s", file);
        snprintf(id, id_size, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return path[0] != 0;
}

static void traces_list(const struct lab *lab, const struct settings *s)
{
    char folder[PATH_ROOM];
    struct dirent *entry;
    DIR *dir;

    traces_folder(folder, lab, s);
    dir = opendir(folder);
    printf("\nRecorded runs of this lab (CHECK=):\n");
    while (dir && (entry = readdir(dir)))
        if (lab_check(lab, entry->d_name))
            printf("  %s\n", entry->d_name);
    if (dir)
        closedir(dir);
}

static void round_print(const struct round *r, uint64_t start_ns)
{
    char what[80], took[24] = "-";

    round_describe(r, what, sizeof what);
    if (r->end_ns)
        snprintf(took, sizeof took, "%.1f",
                 (double)(r->end_ns - r->exit->time_ns) / 1000.0);
    printf("%8.3f %6" PRIx64 " %-9s %-6s %8s  %s\n",
           (double)(r->exit->time_ns - start_ns) / 1e6, r->exit->rip,
           svm_exit_name(r->exit->reason), round_is_users(r) ? "VMM" : "kernel", took,
           what);
}

static void totals_print(const struct kvm_events *events)
{
    size_t user[64] = {0}, interrupted = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct kvm_event *e = &events->list[i];

        if (e->kind != EVENT_USERSPACE_EXIT)
            continue;
        if (is_interrupted(e))
            interrupted++;
        else if (e->reason < 64)
            user[e->reason]++;
    }
    printf("\n%zu VM exits. Returns of KVM_RUN to your VMM:",
           kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY));
    for (uint32_t reason = 0; reason < 64; reason++)
        if (user[reason])
            printf(" %s %zu", exit_name(reason), user[reason]);
    if (interrupted)
        printf(" EINTR %zu", interrupted);
    printf("\n");
}

static void legend_print(void)
{
    printf(
        "answer  kernel: KVM dealt with it itself; VMM: KVM_RUN returned to your process\n"
        "took    microseconds until the guest went on (-: it did not)\n"
        "npf     nested page fault (Intel: EPT violation): first touch of a page, or no "
        "slot\n"
        "<- ->   the guest writes, reads: bytes (x times): value; of a string the first "
        "one\n"
        "        (all ones is what is read where no device answers)\n");
}

static void events_print(const struct kvm_events *events)
{
    size_t rounds = kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY), n = 0;
    size_t at = rounds_begin(events);
    uint64_t start = events->count ? events->list[0].time_ns : 0;

    printf(" time ms    rip VM exit   answer  took us  details\n");
    while (at < events->count) {
        struct round round = round_take(events, &at);

        if (n == ROWS_MAX && rounds > 2 * ROWS_MAX)
            printf("      ... %zu more rounds ...\n", rounds - 2 * ROWS_MAX);
        if (n < ROWS_MAX || n + ROWS_MAX >= rounds)
            round_print(&round, start);
        n++;
    }
    totals_print(events);
    legend_print();
}

static int text_show(const struct kvm_events *events, const struct lab *lab, const char *id,
                     const struct settings *s)
{
    printf("%sLab %02d, %s%s: what the kernel recorded\n\n", paint("bold"), lab->number, id,
           paint("off"));
    events_print(events);
    if (!s->check)
        traces_list(lab, s);
    return EXIT_ALL;
}

static int page_show(const struct kvm_events *events, const struct trace_head *head,
                     const struct lab *lab, const char *id, const struct settings *s)
{
    char path[PATH_ROOM];

    if (!trace_page_write(path, events, head, lab, id)) {
        fprintf(stderr, "grader: could not write the page: %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    printf("%sLab %02d, %s%s: what the kernel recorded\n", paint("bold"), lab->number, id,
           paint("off"));
    totals_print(events);
    printf("The page, for a browser:\n  %s\n(as text: make trace LAB=%d CHECK=%s TEXT=1)\n",
           path, lab->number, id);
    traces_list(lab, s);
    return EXIT_ALL;
}

static int trace_show(const struct lab *lab, const struct labs *labs,
                      const struct settings *s)
{
    char path[PATH_ROOM], id[256];
    struct kvm_events events;
    struct trace_head *head;
    size_t size;
    int status;

    (void)labs;
    if (s->check && !lab_check(lab, s->check)) {
        fprintf(stderr, "grader: lab %s has no CHECK=%s\n", lab->name, s->check);
        return EXIT_USAGE;
    }
    if (!trace_choose(path, id, sizeof id, lab, s)) {
        fprintf(
            stderr,
            "grader: nothing recorded%s. Only checks of target machine are, and only if\n"
            "your part gets as far as KVM_RUN. First: make grade LAB=%d\n",
            s->check ? " for this check" : "", lab->number);
        return EXIT_POINTS;
    }
    head = (struct trace_head *)(void *)file_read(path, SIZE_MAX, &size);
    if (!head || size < sizeof *head || head->magic != TRACE_MAGIC) {
        fprintf(stderr, "grader: %s cannot be read; grade again\n", path);
        free(head);
        return EXIT_GRADER;
    }
    events.list = (struct kvm_event *)(void *)(head + 1);
    events.count = (size - sizeof *head) / sizeof *events.list;
    status =
        s->text ? text_show(&events, lab, id, s) : page_show(&events, head, lab, id, s);
    free(head);
    return status;
}

int verb_trace(const struct settings *s)
{
    return lab_verb(s, "the trace of which lab? make trace LAB=1", trace_show);
}
