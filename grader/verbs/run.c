/* run.c - the verb run: one's own VMM at work. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "grading/grading.h"
#include "grading/traces.h"
#include "judge/evidence.h"
#include "judge/qemu.h"
#include "lib/lab.h"
#include "machine/frames.h"
#include "prepare/prepare.h"
#include "report/report.h"
#include "submission/submission.h"
#include "verbs/lab_verb.h"
#include "verbs/verbs.h"

#define DEADLINE_MS 20000

static void descriptors_print(const struct evidence *e)
{
    const char *line = e->fds[0];

    if (!line)
        return;
    printf("\nWhat the kernel held after vcpu_create() (/proc/PID/fd):\n"
           "  fd  flags    file\n");
    for (; *line; line += strspn(line, "\n")) {
        size_t n = strcspn(line, "\n");

        if (memmem(line, n, "kvm", 3))
            printf("  %.*s\n", (int)n, line); /* number, flags (octal), target */
        line += n;
    }
}

static void exits_print(const struct evidence *e)
{
    static const uint32_t codes[] = {SVM_EXIT_IOIO,  SVM_EXIT_NPF,  SVM_EXIT_HLT,
                                     SVM_EXIT_CPUID, SVM_EXIT_INTR, SVM_EXIT_SHUTDOWN};

    printf("\nWhat the kernel recorded (tracepoints of KVM):\n");
    printf("  %6zu VM entries\n  %6zu VM exits:",
           kvm_events_count(&e->events, EVENT_ENTRY, KVM_EVENT_ANY),
           kvm_events_count(&e->events, EVENT_EXIT, KVM_EVENT_ANY));
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (kvm_events_count(&e->events, EVENT_EXIT, codes[i]))
            printf(" %s %zu", svm_exit_name(codes[i]),
                   kvm_events_count(&e->events, EVENT_EXIT, codes[i]));
    printf("\n  %6zu of them went on to user space, that is to your VMM\n",
           kvm_events_count(&e->events, EVENT_USERSPACE_EXIT, KVM_EVENT_ANY));
}

static void evidence_print(const struct evidence *e)
{
    printf("%s", e->output ? e->output : "");
    if (e->end.outcome == RUN_TIMED_OUT)
        printf("\nIt still ran after %.0f s and was stopped.\n", e->end.elapsed_us / 1e6);
    if (e->end.outcome == RUN_SIGNALLED)
        printf("\nIt was ended by signal %d (%s).\n", e->end.status,
               strsignal(e->end.status));
    descriptors_print(e);
    exits_print(e);
}

static bool subject_send(int channel, const char *path)
{
    size_t size;
    char *image = file_read(path, SIZE_MAX, &size);
    bool ok = image && frame_send(channel, FRAME_SUBJECT, NULL, 0, image, size) == 0;

    free(image);
    return ok;
}

static int subject_run_once(const char *subject, const char *machine)
{
    const struct run_request request = {
        .flags = RUN_TRACE, .deadline_ms = DEADLINE_MS, .nonce = 1};
    char formats[PATH_ROOM], why[1000];
    struct evidence e = {0};
    struct machine m;
    struct evidence_source source = {.nonce = request.nonce, .formats_path = formats};
    int status = EXIT_GRADER;

    path_make(formats, "%s/formats", machine);
    if (machine_restore(&m, machine, why, sizeof why) < 0) {
        fprintf(stderr, "grader: %s\n", why);
        return EXIT_GRADER;
    }
    struct deadline deadline = deadline_begin(&m, DEADLINE_MS);

    source.channel = m.channel;
    source.deadline = &deadline;
    if (subject_send(m.channel, subject) &&
        frame_send(m.channel, FRAME_RUN, NULL, 0, &request, sizeof request) == 0 &&
        evidence_receive(&e, &source) == 0) {
        evidence_print(&e);
        status = e.complete ? EXIT_ALL : EXIT_POINTS;
    } else {
        fprintf(stderr, "grader: the machine went away while your VMM ran\n");
    }
    evidence_free(&e);
    machine_stop(&m);
    close(m.console);
    return status;
}

/* --- labs whose part is no VMM by itself ------------------------------------------------------ */

#define SHOWN_MAX 2

/* From lab 04 on a part is what a VMM, KVM or the processor does beside running a guest. What
 * there is to see of it is the run of a check; which one, and what is seen. */
static const struct shown {
    int lab;
    const char *checks[SHOWN_MAX], *what;
} shown[] = {
    {4,
     {"hardware_way_needs_no_exit", "patched_way_exits_twice"},
     "A guest's ring-3 program makes INT/IRET pairs, the hardware's way and the patched "
     "way."},
    {5, {"caches_save_references"}, "Walks in two dimensions, with and without caches."},
    {6,
     {"passed_device_is_driven_without_an_exit"},
     "A guest drives a passed device behind your bitmap, on the emulated Intel CPU."},
    {7,
     {"guest_counts_what_was_posted"},
     "A guest counts the vectors that were posted to it."},
    {8, {"registers_need_no_exit"}, "A guest reads the registers of a real PCI device."},
    {9,
     {"demand_works_on_the_device"},
     "A device's accesses fault, and your part maps page after page."},
    {10,
     {"exits_of_l2_go_to_their_level"},
     "Your small hypervisor runs L2 under your VMM."},
};

static const struct shown *shown_find(const struct lab *lab)
{
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (shown[i].lab == lab->number)
            return &shown[i];
    return NULL;
}

/* Its results are not kept: this is for looking. Its trace is. */
static int check_show(const struct lab *lab, const struct labs *labs,
                      const struct targets_found *targets, const struct settings *s,
                      const char *id)
{
    char traces[PATH_ROOM], from[80];
    struct grading g = {.lab = lab,
                        .submission = submission_from(s),
                        .only = id,
                        .traces = traces,
                        .seed = s->seed};
    int status;

    traces_folder(traces, lab, s);
    gradings_run(&g, 1, labs, targets, 1, NULL);
    report_print(&g, s);
    if (trace_there(lab, s, id))
        printf("  What happened in it: make trace LAB=%d CHECK=%s%s\n", lab->number, id,
               from_words(s, from));
    printf("\n");
    status = g.ours_failed || g.errors ? EXIT_GRADER : g.earned ? EXIT_ALL : EXIT_POINTS;
    gradings_free(&g, 1);
    return status;
}

static int lab_show(const struct lab *lab, const struct labs *labs,
                    const struct settings *s, const struct shown *show)
{
    struct targets_found targets;
    int status = EXIT_ALL;

    if (!targets_prepare(&targets, s))
        return EXIT_GRADER;
    printf("%s\n(This part is no VMM by itself: these are runs of a check.)\n\n",
           show->what);
    for (int i = 0; i < SHOWN_MAX && show->checks[i]; i++) {
        int one = check_show(lab, labs, &targets, s, show->checks[i]);

        status = one > status ? one : status;
    }
    return status;
}

static int lab_vmm_run(const struct lab *lab, const struct labs *labs,
                       const struct settings *s)
{
    struct submission submission = submission_from(s);
    struct targets_found targets;
    struct built built;
    int status;

    if (shown_find(lab))
        return lab_show(lab, labs, s, shown_find(lab));
    if (!targets_prepare(&targets, s))
        return EXIT_GRADER;
    if (targets.no_machine[0]) {
        fprintf(stderr, "grader: no machine to run it in: %s\n", targets.no_machine);
        return EXIT_GRADER;
    }
    submission.cage = targets.cage;
    submission.no_cage = targets.no_cage;
    subject_build(&built, lab, labs, &submission, "run");
    if (built.messages && built.messages[0])
        fprintf(stderr, "%s\n", built.messages);
    status = built.ok ? subject_run_once(built.subject, targets.machine) : EXIT_POINTS;
    built_free(&built);
    return status;
}

static int run_verb(const struct settings *s)
{
    return lab_verb(s, "run what? make run LAB=1 runs the VMM with your part 01",
                    lab_vmm_run);
}

const struct verb verb_run = {
    .name = "run",
    .run = run_verb,
    .whom = FOR_STUDENT,
    .help = "make run LAB=n              your part at work, in the machine\n",
};
