/* trace.c - the verb trace: the exit sequence of the last run, from the kernel's own notes.
 *
 * From one VM exit to the next VM entry the kernel (and perhaps the VMM) is at work. A row
 * is one such round: what the guest did, who answered, and how long it took. */
#define _GNU_SOURCE
#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "exit_names.h"
#include "grader.h"

#define ROWS_MAX 60 /* shown from each end of a long run */

struct round {
    const struct kvm_event *exit;
    const struct kvm_event *user; /* kvm_userspace_exit, or NULL: the kernel answered */
    const struct kvm_event *io;   /* kvm_pio or kvm_mmio, or NULL */
    uint32_t interrupted; /* returns of KVM_RUN with EINTR before the guest went on */
    uint64_t end_ns;      /* of the next entry; 0: there was none */
};

/* The file of the check asked for, or the newest of the lab. False: there is none. */
static bool trace_choose(char *path, char *id, size_t id_size, const struct lab *lab,
                         const char *check)
{
    char folder[PATH_ROOM];
    struct dirent *entry;
    struct timespec newest = {0};
    DIR *dir;

    path_make(folder, "build/traces/%s", lab->name);
    path[0] = 0;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        char file[PATH_ROOM];
        struct stat s;

        path_make(file, "%s/%s", folder, entry->d_name);
        if (stat(file, &s) < 0 || !S_ISREG(s.st_mode) || !lab_check(lab, entry->d_name))
            continue;
        if (check
                ? strcmp(check, entry->d_name) != 0
                : s.st_mtim.tv_sec < newest.tv_sec || (s.st_mtim.tv_sec == newest.tv_sec &&
                                                       s.st_mtim.tv_nsec < newest.tv_nsec))
            continue;
        newest = s.st_mtim;
        path_make(path, "%s", file);
        snprintf(id, id_size, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return path[0] != 0;
}

static void traces_list(const struct lab *lab)
{
    char folder[PATH_ROOM];
    struct dirent *entry;
    DIR *dir;

    path_make(folder, "build/traces/%s", lab->name);
    dir = opendir(folder);
    printf("\nRecorded runs of this lab (CHECK=):\n");
    while (dir && (entry = readdir(dir)))
        if (lab_check(lab, entry->d_name))
            printf("  %s\n", entry->d_name);
    if (dir)
        closedir(dir);
}

static bool is_interrupted(const struct kvm_event *user)
{
    return (int32_t)user->value < 0;
}

/* The round that begins at the exit events[*at]; moves *at to the next exit. */
static struct round round_take(const struct kvm_events *events, size_t *at)
{
    struct round round = {.exit = &events->list[(*at)++]};

    for (; *at < events->count && events->list[*at].kind != EVENT_EXIT; (*at)++) {
        const struct kvm_event *e = &events->list[*at];

        if (e->kind == EVENT_USERSPACE_EXIT && is_interrupted(e))
            round.interrupted++;
        else if (e->kind == EVENT_USERSPACE_EXIT && !round.user)
            round.user = e;
        if (e->kind == EVENT_PIO || e->kind == EVENT_MMIO)
            round.io = e; /* of a read, the last one has the value that was answered */
        if (e->kind == EVENT_ENTRY) {
            round.end_ns = e->time_ns;
            while (*at < events->count && events->list[*at].kind != EVENT_EXIT)
                (*at)++;
            break;
        }
    }
    return round;
}

static void round_print(const struct round *r, uint64_t start_ns)
{
    char what[80] = "", took[24] = "-";

    if (r->io)
        kvm_event_describe(r->io, what, sizeof what);
    else if (r->exit->reason == SVM_EXIT_NPF)
        snprintf(what, sizeof what, "gpa %#" PRIx64, r->exit->info2);
    if (r->interrupted)
        snprintf(what + strlen(what), sizeof what - strlen(what), "%sKVM_RUN: EINTR",
                 what[0] ? "; " : "");
    if (r->end_ns)
        snprintf(took, sizeof took, "%.1f",
                 (double)(r->end_ns - r->exit->time_ns) / 1000.0);
    printf("%8.3f %6" PRIx64 " %-9s %-6s %8s  %s\n",
           (double)(r->exit->time_ns - start_ns) / 1e6, r->exit->rip,
           svm_exit_name(r->exit->reason), r->user || r->interrupted ? "VMM" : "kernel",
           took, what);
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
    size_t rounds = kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY), n = 0, at = 0;
    uint64_t start = events->count ? events->list[0].time_ns : 0;

    printf(" time ms    rip VM exit   answer  took us  details\n");
    while (at < events->count && events->list[at].kind != EVENT_EXIT)
        at++;
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

static int trace_show(const struct lab *lab, const struct labs *labs,
                      const struct settings *s)
{
    char path[PATH_ROOM], id[256];
    struct kvm_events events;
    size_t size;

    (void)labs;
    if (s->check && !lab_check(lab, s->check)) {
        fprintf(stderr, "grader: lab %s has no CHECK=%s\n", lab->name, s->check);
        return EXIT_USAGE;
    }
    if (!trace_choose(path, id, sizeof id, lab, s->check)) {
        fprintf(
            stderr,
            "grader: nothing recorded%s. Only checks of target machine are, and only if\n"
            "your part gets as far as KVM_RUN. First: make grade LAB=%d\n",
            s->check ? " for this check" : "", lab->number);
        return EXIT_POINTS;
    }
    events.list = (struct kvm_event *)(void *)file_read(path, SIZE_MAX, &size);
    if (!events.list) {
        fprintf(stderr, "grader: %s: %s\n", path, strerror(errno));
        return EXIT_GRADER;
    }
    events.count = size / sizeof *events.list;
    printf("%sLab %02d, %s%s: what the kernel recorded\n\n", paint("bold"), lab->number, id,
           paint("off"));
    events_print(&events);
    if (!s->check)
        traces_list(lab);
    free(events.list);
    return EXIT_ALL;
}

int verb_trace(const struct settings *s)
{
    return lab_verb(s, "the trace of which lab? make trace LAB=1", trace_show);
}
