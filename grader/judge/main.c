/* main.c - a lab's checks program: runs its checks one after the other, each in a process of
 * its own, and reports a JSON line for each. Started by the grader, never by hand:
 *
 *   checks --list                    the declarations, as JSON
 *   checks --subject F --agent F [--machine DIR | --no-machine WHY] [--no-model WHY]
 *          [--no-silicon WHY] [--model-in-machine] [--traces DIR] [--only ID] [--runtime] --seed N --report FD
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"
#include "text.h"

/* The kernel bug of TCG's code patching (CONTRIBUTING, "Traps of the machine"). */
#define MACHINE_FAULT "Oops: int3"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const verdict_names[] = {
    [VERDICT_PASS] = "pass",   [VERDICT_FAIL] = "fail",       [VERDICT_SKIP] = "skip",
    [VERDICT_ERROR] = "error", [VERDICT_PLACE_LOST] = "lost",
};

static const char *const target_names[] = {
    [TARGET_MODEL] = "model",
    [TARGET_MACHINE] = "machine",
    [TARGET_SILICON] = "silicon",
};

static void json_print(cJSON *json, int fd)
{
    char *text = cJSON_PrintUnformatted(json);

    if (text)
        dprintf(fd, "%s\n", text);
    free(text);
    cJSON_Delete(json);
}

/* A line may be longer than what a pipe takes in one piece. */
static void report_print(const struct judge_options *options, cJSON *json)
{
    if (lockf(options->report_lock, F_LOCK, 0) == 0) {
        json_print(json, options->report);
        lockf(options->report_lock, F_ULOCK, 0);
    }
}

static cJSON *check_json(const struct check *check)
{
    cJSON *json = cJSON_CreateObject(), *hints = cJSON_AddArrayToObject(json, "hints");

    cJSON_AddStringToObject(json, "id", check->id);
    cJSON_AddStringToObject(json, "title", check->title);
    cJSON_AddNumberToObject(json, "tenths", check->tenths);
    cJSON_AddStringToObject(json, "target", target_names[check->target]);
    cJSON_AddStringToObject(json, "why", check->why);
    cJSON_AddStringToObject(json, "handout", check->handout);
    cJSON_AddStringToObject(json, "slide", check->slide);
    cJSON_AddStringToObject(json, "manual", check->manual);
    for (int i = 0; i < 3; i++)
        cJSON_AddItemToArray(hints, cJSON_CreateString(check->hints[i]));
    cJSON_AddStringToObject(json, "explanation", check->explanation);
    return json;
}

static int checks_list(void)
{
    cJSON *json = cJSON_CreateObject(), *list;

    cJSON_AddStringToObject(json, "name", lab_checks.name);
    cJSON_AddStringToObject(json, "title", lab_checks.title);
    list = cJSON_AddArrayToObject(json, "checks");
    for (size_t i = 0; i < lab_checks.count; i++)
        cJSON_AddItemToArray(list, check_json(&lab_checks.checks[i]));
    json_print(json, 1);
    return 0;
}

/* --- one check --------------------------------------------------------------------------------- */

/* The same check has the same sequence for a seed, whichever others run before it. */
static uint64_t check_seed(uint64_t seed, const char *id)
{
    for (; *id; id++)
        seed = (seed ^ (uint8_t)*id) * 0x100000001b3ull;
    return seed;
}

/* CPU seconds of this process alone. Its children's are not the judge's: they are Bochs. */
static double cpu_self(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

_Noreturn static void check_child(struct targets *targets, const struct check *check,
                                  struct outcome *shared, pid_t parent)
{
    struct judge judge = {
        .check = check,
        .targets = targets,
        .random = check_seed(targets->options->seed, check->id),
    };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    dup2(null, 1); /* cmocka's own words; the verdict goes through *shared */
    dup2(null, 2);
    check_execute(&judge);
    judge.outcome.cost = cpu_self();
    *shared = judge.outcome;
    _exit(0);
}

/* What judging cost, without the machine: for make bench. */
static void cost_report(const struct targets *t)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddNumberToObject(json, "cost", t->cost + cpu_self());
    report_print(t->options, json);
}

/* Runs a check in a child; the outcome comes back in memory that only we two share. */
static void check_run(struct targets *targets, const struct check *check,
                      struct outcome *outcome)
{
    struct outcome *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid(), pid = -1;
    int status = 0;

    *outcome = (struct outcome){.verdict = VERDICT_ERROR};
    snprintf(outcome->seen, sizeof outcome->seen, "the check's process ended unexpectedly");
    if (shared == MAP_FAILED)
        return;
    *shared = *outcome;
    pid = fork();
    if (pid == 0)
        check_child(targets, check, shared, parent);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    targets->cost += shared->cost;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        *outcome = *shared;
    munmap(shared, sizeof *shared);
}

/* The device's buffer lies at 40000h of its own addresses and has 4096 bytes, and QEMU 7.2
 * refuses the last one; it ends itself (and the machine) rather than do such a transfer. */
#define DEVICE_ABORT "EDU: DMA range "

/* QEMU ended itself because of a DMA that the subject asked for: that is no error of ours. */
static bool device_abort_explain(const char *console, struct outcome *outcome)
{
    const char *at = strstr(console, DEVICE_ABORT);
    uint64_t from, last;

    if (!at || sscanf(at + strlen(DEVICE_ABORT), "%" SCNx64 "-%" SCNx64, &from, &last) != 2)
        return false;
    outcome->verdict = VERDICT_FAIL;
    snprintf(outcome->asked, sizeof outcome->asked,
             "a DMA stays inside the device's buffer: from 0x40000, at most 4095 bytes");
    snprintf(
        outcome->seen, sizeof outcome->seen,
        "your DMA of %" PRIu64 " bytes at 0x%" PRIx64 " runs past the device's buffer; the "
        "whole machine went down with it (it has been replaced; your other checks are not "
        "affected)",
        last - from + 1, from);
    return true;
}

/* Why did the place where the check ran go away, and whose fault is that?
 * True: the machine's own; run the check once more. */
static bool place_lost_explain(struct targets *targets, const struct check *check,
                               struct outcome *outcome)
{
    struct machine *machine = &targets->machine.machine;
    int status = 0;

    if (place_of(targets, check) == TARGET_MODEL) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen,
                 "the sandbox went away during this check");
        return false;
    }
    bool ended = machine_ended(machine, &status);
    char *tail = machine_console_tail(machine, 16384);
    bool fault = tail && strstr(tail, MACHINE_FAULT);

    if (tail)
        text_clean(tail);

    if (ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && tail &&
        device_abort_explain(tail, outcome)) {
        /* all is said */
    } else if (ended && WIFSIGNALED(status)) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen, "QEMU was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (ended && WEXITSTATUS(status) != 0) {
        outcome->verdict = VERDICT_ERROR;
        snprintf(outcome->seen, sizeof outcome->seen, "QEMU ended with status %d",
                 WEXITSTATUS(status));
    } else {
        size_t length = tail ? strlen(tail) : 0;

        outcome->verdict = VERDICT_FAIL;
        snprintf(outcome->asked, sizeof outcome->asked, "the machine survives the run");
        snprintf(
            outcome->seen, sizeof outcome->seen,
            "the whole machine %s while your code ran (it has been replaced; your other "
            "checks are not affected). Its console ends with:\n%s",
            ended ? "went down" : "stopped answering",
            length > 500 ? tail + length - 500
            : length     ? tail
                         : "(nothing)");
    }
    free(tail);
    return fault;
}

static bool target_there(const struct targets *t, const struct check *check,
                         struct outcome *outcome)
{
    const char *const whys[] = {
        [TARGET_MODEL] = t->options->no_model,
        [TARGET_MACHINE] = t->options->no_machine,
        [TARGET_SILICON] = t->options->no_silicon,
    };
    const char *why = whys[check->target];

    if (!why)
        return true;
    *outcome = (struct outcome){.verdict = VERDICT_SKIP};
    snprintf(outcome->seen, sizeof outcome->seen, "%s", why);
    return false;
}

/* Starts the place in this process, so that it outlives the check's child. */
static bool place_ready(struct targets *t, const struct check *check,
                        struct outcome *outcome)
{
    struct place *place;

    if (check->fresh_machine && t->machine.used)
        place_drop(t, TARGET_MACHINE);
    place = place_get(t, place_of(t, check));
    if (place) {
        place->used = true;
        return true;
    }
    *outcome = (struct outcome){.verdict = VERDICT_ERROR};
    snprintf(outcome->seen, sizeof outcome->seen, "%s",
             place_of(t, check) == TARGET_MODEL ? t->model.why : t->machine.why);
    return false;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void figures_add(cJSON *json, const struct outcome *outcome)
{
    cJSON *list = outcome->figure_count ? cJSON_AddArrayToObject(json, "figures") : NULL;

    for (uint32_t i = 0; i < outcome->figure_count; i++) {
        cJSON *figure = cJSON_CreateObject();

        cJSON_AddStringToObject(figure, "name", outcome->figures[i].name);
        cJSON_AddNumberToObject(figure, "value", outcome->figures[i].value);
        cJSON_AddStringToObject(figure, "unit", outcome->figures[i].unit);
        cJSON_AddItemToArray(list, figure);
    }
}

static void point_add(cJSON *json, const struct point *point)
{
    cJSON *object = cJSON_AddObjectToObject(json, "point");

    cJSON_AddStringToObject(object, "kind", point->kind);
    cJSON_AddNumberToObject(object, "number", point->number);
}

static void outcome_report(const struct judge_options *options, const struct check *check,
                           const struct outcome *outcome, double seconds, const char *note)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "id", check->id);
    cJSON_AddStringToObject(json, "verdict", verdict_names[outcome->verdict]);
    cJSON_AddStringToObject(json, "asked", outcome->asked);
    cJSON_AddStringToObject(json, "seen", outcome->seen);
    cJSON_AddStringToObject(json, "note", note);
    cJSON_AddNumberToObject(json, "seconds", seconds);
    figures_add(json, outcome);
    if (outcome->verdict == VERDICT_FAIL && outcome->point.kind[0])
        point_add(json, &outcome->point);
    report_print(options, json);
}

static void check_judge(struct targets *t, const struct check *check)
{
    struct outcome outcome;
    const char *note = "";
    double start = now();

    if (target_there(t, check, &outcome) && place_ready(t, check, &outcome)) {
        check_run(t, check, &outcome);
        if (outcome.verdict == VERDICT_PLACE_LOST) {
            bool again = place_lost_explain(t, check, &outcome);

            place_drop(t, place_of(t, check));
            if (again && place_ready(t, check, &outcome)) {
                note = "the machine's kernel hit a known fault of TCG: this check was run "
                       "again";
                check_run(t, check, &outcome);
                if (outcome.verdict == VERDICT_PLACE_LOST) {
                    place_lost_explain(t, check, &outcome);
                    place_drop(t, place_of(t, check));
                }
            }
        }
    }
    /* A check that ended in the middle leaves frames behind that are not the next one's. */
    if (outcome.verdict == VERDICT_ERROR)
        place_drop(t, place_of(t, check));
    t->timeouts += outcome.timed_out;
    outcome_report(t->options, check, &outcome, now() - start, note);
}

/* --- the program ------------------------------------------------------------------------------- */

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
    const char *seed = "0", *report = "1";
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
        {"--seed", &seed},
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
    return o->subject && o->agent && (o->machine || o->no_machine);
}

static bool wanted(const struct judge_options *o, const struct check *check)
{
    return !o->only || strcmp(o->only, check->id) == 0;
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
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() == parent)
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
