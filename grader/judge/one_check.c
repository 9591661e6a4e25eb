/* one_check.c - a check in a child process of its own, in a place that outlives it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge/judge.h"
#include "lib/child.h"

/* What a check may need for all the evidence that a subject can make. */
#define MEMORY_MAX (1ul << 30)

double cpu_self(void)
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
        .random = random_seed(targets->options->seed, check->id),
    };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    child_bind(parent);
    memory_limit(MEMORY_MAX);
    dup2(null, 1); /* cmocka's own words; the verdict goes through *shared */
    dup2(null, 2);
    check_execute(&judge);
    judge.outcome.cost = cpu_self();
    *shared = judge.outcome;
    _exit(0);
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
    targets->spent += shared->spent;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        *outcome = *shared;
    munmap(shared, sizeof *shared);
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

void check_judge(struct targets *t, const struct check *check)
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
