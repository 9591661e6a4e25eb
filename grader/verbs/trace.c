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
#define ROWS_AROUND 8  /* and on each side of the exit where the check failed */

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

static bool recorded(const char *folder, const char *id)
{
    char events[PATH_ROOM], view[PATH_ROOM];

    path_make(events, "%s/%s", folder, id);
    path_make(view, "%s/%s" VIEW_SUFFIX, folder, id);
    return access(events, F_OK) == 0 || access(view, F_OK) == 0;
}

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
                !recorded(folder, id))
                continue;
            printf("  %-5s %s%s%s\n", failed ? "FAIL" : "ok", id, failed ? "  at " : "",
                   point_text(cJSON_GetObjectItem(verdict, "point"), event));
        }
}

static void round_print(const struct round *r, uint64_t start_ns, bool nested)
{
    char what[80], took[24] = "-";

    round_describe(r, what, sizeof what);
    if (r->end_ns)
        snprintf(took, sizeof took, "%.1f",
                 (double)(r->end_ns - r->exit->time_ns) / 1000.0);
    printf("%8.3f %s%6" PRIx64 " %-9s %-6s %8s %s\n",
           (double)(r->exit->time_ns - start_ns) / 1e6,
           !nested      ? ""
           : r->from_l2 ? "L2 "
                        : "L1 ",
           r->exit->rip, svm_exit_name(r->exit->reason), round_answer(r), took, what);
}

/* "L2 4.1%, L1 31.0%, ...": of the time from the first entry to the last one. */
static void shares_print(const struct kvm_events *events)
{
    const bool nested = rounds_nested(events);
    const char *const names[LANES] = {"L2", nested ? "L1" : "guest",
                                      nested ? "L0: KVM" : "KVM", "VMM"};
    const int first = nested ? LANE_L2 : LANE_GUEST;
    uint64_t ns[LANES], all = 0;

    rounds_times(events, ns);
    for (int i = first; i < LANES; i++)
        all += ns[i];
    printf("Share of time:");
    for (int i = first; i < LANES; i++)
        printf("%s %s %.1f%%", i > first ? "," : "", names[i],
               all ? 100 * (double)ns[i] / (double)all : 0);
    printf("\n");
}

/* Whose exits they were, and who got them. */
static void levels_print(const struct kvm_events *events)
{
    struct rounds rounds = rounds_begin(events);
    size_t from_l2 = 0, reflected = 0, all = 0;
    struct round r;

    if (!rounds_nested(events))
        return;
    for (; rounds_next(&rounds, &r); all++) {
        from_l2 += r.from_l2;
        reflected += r.reflected;
    }
    printf("L2 made %zu: L0 kept %zu, and handed %zu on to L1, which made %zu itself.\n",
           from_l2, from_l2 - reflected, reflected, all - from_l2);
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
    levels_print(events);
    shares_print(events);
}

static void legend_print(const struct kvm_events *events)
{
    if (rounds_nested(events))
        printf("L2 L1   who was running when the exit came; each comes to L0 first\n"
               "answer  kernel, VMM: L0 kept it, in KVM or in your process; L1: it was "
               "handed on\n");
    else
        printf("answer  kernel: KVM dealt with it itself; VMM: KVM_RUN returned to your "
               "process\n");
    printf("took    microseconds until the guest went on (-: it did not)\n"
           "npf     nested page fault (Intel: EPT violation): a page's first use, or no "
           "slot\n"
           "<- ->   the guest writes, reads: bytes (x times): value (of a string the "
           "first);\n"
           "        all ones is what is read where no device answers\n");
}

/* Both ends of a long run, and what is around `at` (0: nothing). */
static bool row_wanted(size_t n, size_t count, size_t at)
{
    return count <= 2 * ROWS_MAX || n <= ROWS_MAX || n + ROWS_MAX > count ||
           (at && n + ROWS_AROUND >= at && n <= at + ROWS_AROUND);
}

/* at: the number of the exit where the check failed, or 0 */
static void events_print(const struct kvm_events *events, size_t at)
{
    size_t count = kvm_events_count(events, EVENT_EXIT, KVM_EVENT_ANY), left = 0;
    struct rounds rounds = rounds_begin(events);
    uint64_t start = events->count ? events->list[0].time_ns : 0;
    const bool nested = rounds_nested(events);
    struct round round;

    printf("    #  time ms %s   rip VM exit   answer  took us details\n",
           nested ? "   " : "");
    for (size_t n = 1; rounds_next(&rounds, &round); n++) {
        if (!row_wanted(n, count, at)) {
            left++;
            continue;
        }
        if (left)
            printf("      ... %zu more ...\n", left);
        left = 0;
        printf("%c%4zu ", n == at ? '>' : ' ', n);
        round_print(&round, start, nested);
    }
    totals_print(events);
    legend_print(events);
}

static int page_failed(void)
{
    fprintf(stderr, "grader: could not write the page: %s\n", strerror(errno));
    return EXIT_GRADER;
}

/* The exit where a check failed; 0: it did not, or elsewhere. */
static size_t point_exit(const cJSON *verdict)
{
    const cJSON *point = cJSON_GetObjectItem(verdict, "point");

    return strcmp(json_text(point, "kind"), "exit") == 0 ? (size_t)json_int(point, "number")
                                                         : 0;
}

/* What the kernel recorded: as text, or totals and the page. */
static int events_show(char *path, const struct page_about *about, bool text)
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
    if (text) {
        printf("\n");
        events_print(&events, point_exit(about->verdict));
    } else {
        totals_print(&events);
        status = trace_page_write(path, &events, head, about) ? EXIT_ALL : page_failed();
    }
    if (!text && status == EXIT_ALL)
        printf("The exits, for a browser (here, as text: TEXT=1):\n  %s\n", path);
    free(head);
    return status;
}

/* What the check itself kept, if anything. */
static int view_show(char *path, const struct page_about *about)
{
    char *kept = file_read(path, 16u << 20, NULL);
    int status = EXIT_ALL;

    if (!kept)
        return EXIT_ALL;
    if (!view_page_write(path, kept, about))
        status = page_failed();
    else
        printf("A picture of the run, for a browser:\n  %s\n", path);
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
        status = view_show(path, &about);
    if (!s->check)
        runs_list(lab, s, results);
    cJSON_Delete(results);
    return status;
}

/* Without CHECK=: a run that failed is what one wants to see, or else the newest. */
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
            recorded(folder, one))
            snprintf(id, size, "%s", one);
    }
    cJSON_Delete(results);
    return id[0] || run_choose(id, size, lab, s);
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
    if (s->check ? run_choose(id, sizeof id, lab, s) : run_default(id, sizeof id, lab, s))
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
