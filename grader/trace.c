/* trace.c - the verb trace: the exit sequence of the last run, from the kernel's own notes, as
 * a page for the browser or, with TEXT=1, as text: a row a round (rounds.h). */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit_names.h"
#include "grader.h"
#include "rounds.h"

#define VIEW_SUFFIX ".view"
#define ROWS_MAX    60 /* shown from each end of a long run */

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

/* The check that an entry of the folder belongs to; "": none. It may have two files: ID, what
 * the kernel recorded, and ID.view, what the check kept for a page. */
static void id_of(char *id, size_t size, const struct lab *lab, const char *file)
{
    size_t length = strlen(file), suffix = strlen(VIEW_SUFFIX);

    if (length > suffix && strcmp(file + length - suffix, VIEW_SUFFIX) == 0)
        length -= suffix;
    snprintf(id, size, "%.*s", (int)length, file);
    if (!lab_check(lab, id))
        id[0] = 0;
}

static bool newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

/* The check asked for, or that of the newest run of the lab. False: nothing is kept of it. */
static bool run_choose(char *id, size_t size, const struct lab *lab,
                       const struct settings *s)
{
    struct timespec newest = {0};
    char folder[PATH_ROOM];
    struct dirent *entry;
    DIR *dir;

    traces_folder(folder, lab, s);
    id[0] = 0;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char file[PATH_ROOM], one[256];
        struct stat status;

        path_make(file, "%s/%s", folder, entry->d_name);
        id_of(one, sizeof one, lab, entry->d_name);
        if (!one[0] || stat(file, &status) < 0 ||
            (s->check && strcmp(s->check, one) != 0) || !newer(&status.st_mtim, &newest))
            continue;
        newest = status.st_mtim;
        snprintf(id, size, "%s", one);
    }
    if (dir)
        closedir(dir);
    return id[0] != 0;
}

bool trace_there(const struct lab *lab, const struct settings *s, const char *check)
{
    const struct settings wanted = {.from = s->from, .check = check};
    char id[256];

    return run_choose(id, sizeof id, lab, &wanted);
}

static void runs_list(const struct lab *lab, const struct settings *s)
{
    const cJSON *check;
    char folder[PATH_ROOM];

    traces_folder(folder, lab, s);
    printf("\nRecorded runs of this lab (CHECK=):\n");
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(lab->declared, "checks"))
    {
        char events[PATH_ROOM], view[PATH_ROOM];

        path_make(events, "%s/%s", folder, json_text(check, "id"));
        path_make(view, "%s/%s" VIEW_SUFFIX, folder, json_text(check, "id"));
        if (access(events, F_OK) == 0 || access(view, F_OK) == 0)
            printf("  %s\n", json_text(check, "id"));
    }
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

static int page_failed(void)
{
    fprintf(stderr, "grader: could not write the page: %s\n", strerror(errno));
    return EXIT_GRADER;
}

/* What the kernel recorded: as text, or totals and the page. */
static int events_show(char *path, const struct lab *lab, const char *id,
                       const struct settings *s)
{
    size_t size;
    struct trace_head *head = (struct trace_head *)(void *)file_read(path, SIZE_MAX, &size);
    struct kvm_events events;
    int status = EXIT_ALL;

    if (!head || size < sizeof *head || head->magic != TRACE_MAGIC) {
        fprintf(stderr, "grader: %s cannot be read; grade again\n", path);
        free(head);
        return EXIT_GRADER;
    }
    events.list = (struct kvm_event *)(void *)(head + 1);
    events.count = (size - sizeof *head) / sizeof *events.list;
    if (s->text) {
        printf("\n");
        events_print(&events);
    } else {
        totals_print(&events);
        status = trace_page_write(path, &events, head, lab, id) ? EXIT_ALL : page_failed();
    }
    if (!s->text && status == EXIT_ALL)
        printf("The exits, for a browser (here, as text: TEXT=1):\n  %s\n", path);
    free(head);
    return status;
}

/* What the check itself kept, if anything. */
static int view_show(char *path, const struct lab *lab, const char *id)
{
    char *kept = file_read(path, 16u << 20, NULL);
    int status = EXIT_ALL;

    if (!kept)
        return EXIT_ALL;
    if (!view_page_write(path, kept, lab, id))
        status = page_failed();
    else
        printf("A picture of the run, for a browser:\n  %s\n", path);
    free(kept);
    return status;
}

static int run_show(const struct lab *lab, const char *id, const struct settings *s)
{
    char folder[PATH_ROOM], path[PATH_ROOM];
    int status = EXIT_ALL;

    traces_folder(folder, lab, s);
    printf("%sLab %02d, %s%s\n", paint("bold"), lab->number, id, paint("off"));
    path_make(path, "%s/%s", folder, id);
    if (access(path, F_OK) == 0)
        status = events_show(path, lab, id, s);
    path_make(path, "%s/%s" VIEW_SUFFIX, folder, id);
    if (status == EXIT_ALL)
        status = view_show(path, lab, id);
    if (!s->check)
        runs_list(lab, s);
    return status;
}

static int trace_show(const struct lab *lab, const struct labs *labs,
                      const struct settings *s)
{
    char id[256];

    (void)labs;
    if (s->check && !lab_check(lab, s->check)) {
        fprintf(stderr, "grader: lab %s has no CHECK=%s\n", lab->name, s->check);
        return EXIT_USAGE;
    }
    if (run_choose(id, sizeof id, lab, s))
        return run_show(lab, id, s);
    fprintf(stderr,
            "grader: nothing recorded%s. Runs in the machine are, if your part gets as far "
            "as\nKVM_RUN, and runs that have a picture. First: make grade LAB=%d\n",
            s->check ? " for this check" : "", lab->number);
    return EXIT_POINTS;
}

int verb_trace(const struct settings *s)
{
    return lab_verb(s, "the trace of which lab? make trace LAB=1", trace_show);
}
