/* main.c - a lab's checks program: runs its checks one after the other, each in a process of
 * its own, and reports a JSON line for each. Started by the grader, never by hand:
 *
 *   checks --list                    the declarations, as JSON
 *   checks --subject F --agent F [--machine DIR | --no-machine WHY] [--no-model WHY]
 *          [--no-silicon WHY] [--cage NAME] [--model-in-machine] [--traces DIR] [--only ID,...]
 *          [--keep FILE] [--record DIR] [--replay DIR] [--runtime] --seed N --report FD
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge/judge.h"
#include "lib/child.h"

static bool image_load(struct targets *t)
{
    struct stat s;
    int fd = open(t->options->subject, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &s) < 0)
        return false;
    t->image_size = (size_t)s.st_size;
    t->image = mmap(NULL, t->image_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return t->image != MAP_FAILED;
}

/* "--name value" words; a few have no value. False: not something that the grader says. */
static bool options_parse(struct judge_options *o, int argc, char **argv)
{
    const char *seed = "0", *report = "1", *cage = "";
    const struct {
        const char *name;
        const char **value;
    } valued[] = {
        {"--subject", &o->subject},
        {"--agent", &o->agent},
        {"--machine", &o->machine},
        {"--no-machine", &o->no_machine},
        {"--no-model", &o->no_model},
        {"--no-silicon", &o->no_silicon},
        {"--traces", &o->traces},
        {"--only", &o->only},
        {"--keep", &o->keep},
        {"--record", &o->record},
        {"--replay", &o->replay},
        {"--seed", &seed},
        {"--cage", &cage},
        {"--report", &report},
    };

    for (int i = 1; i < argc; i++) {
        size_t known = 0;

        o->model_in_machine |= strcmp(argv[i], "--model-in-machine") == 0;
        o->model_runtime |= strcmp(argv[i], "--runtime") == 0;
        while (known < COUNT(valued) && strcmp(argv[i], valued[known].name) != 0)
            known++;
        if (known < COUNT(valued) && i + 1 < argc)
            *valued[known].value = argv[++i];
    }
    o->seed = strtoull(seed, NULL, 0);
    o->report = atoi(report);
    o->cage = cage_named(cage);
    return o->subject && o->agent && (o->machine || o->no_machine);
}

static bool wanted(const struct judge_options *o, const struct check *check)
{
    size_t length = strlen(check->id);

    for (const char *at = o->only; at && *at; at += strspn(at, ",")) {
        size_t n = strcspn(at, ",");

        if (n == length && strncmp(at, check->id, n) == 0)
            return true;
        at += n;
    }
    return !o->only;
}

static bool place_wanted(const struct targets *t, enum target place)
{
    for (size_t i = 0; i < lab_checks.count; i++)
        if (wanted(t->options, &lab_checks.checks[i]) &&
            place_of(t, &lab_checks.checks[i]) == place)
            return true;
    return false;
}

/* Judges all wanted checks of a place, one after the other. */
static void place_judge(struct targets *t, enum target place)
{
    if (place == TARGET_MACHINE && t->options->machine && place_wanted(t, place))
        targets_wake(t);
    for (size_t i = 0; i < lab_checks.count; i++)
        if (wanted(t->options, &lab_checks.checks[i]) &&
            place_of(t, &lab_checks.checks[i]) == place)
            check_judge(t, &lab_checks.checks[i]);
    targets_close(t);
    cost_report(t);
}

/* The two places work side by side, each under a process of its own. */
static bool places_judge(struct targets *t)
{
    pid_t parent = getpid(), pid = -1;
    int status = 0;

    if (place_wanted(t, TARGET_MODEL)) {
        pid = fork();
        if (pid < 0)
            return false;
        if (pid == 0) {
            child_bind(parent);
            place_judge(t, TARGET_MODEL);
            _exit(0);
        }
    }
    place_judge(t, TARGET_MACHINE);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

int main(int argc, char **argv)
{
    struct judge_options options = {.report = 1};
    struct targets targets = {.options = &options,
                              .model = {.channel = -1},
                              .machine = {.channel = -1, .machine = MACHINE_NONE}};

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return checks_list();
    if (!options_parse(&options, argc, argv)) {
        fprintf(stderr, "%s: started by the grader; see make help\n", argv[0]);
        return 2;
    }
    fcntl(options.report, F_SETFD, FD_CLOEXEC);
    options.report_lock = memfd_create("report-lock", MFD_CLOEXEC);
    for (int i = 0; i < RUN_SHARED_MAX; i++)
        targets.shared[i] = memfd_create("shared-run", MFD_CLOEXEC);
    if (!image_load(&targets)) {
        fprintf(stderr, "%s: cannot read %s: %s\n", argv[0], options.subject,
                strerror(errno));
        return 3;
    }
    return places_judge(&targets) ? 0 : 3;
}
