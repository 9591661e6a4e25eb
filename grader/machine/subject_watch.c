/* subject_watch.c - the subject while it runs: its deadline, its memory, its output, its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "machine/frames.h"
#include "machine/own_time.h"
#include "machine/subject_inside.h"
#include "machine/subject_memory.h"
#include "machine/trace_record.h"

#define LIMIT_TOGETHER (512ull << 20) /* of all its processes and files in memory */
#define ASK_MS         300            /* for a subject to note where it hangs */
#define ASK_LOOK_MS    5
#define LOOK_MS        20 /* between two looks at what it uses */
#define TRACE_LOOK_MS  100
#define IDLE_LIMIT_US  8000000 /* of a guest Linux that waits for an interrupt in vain */
#define UNKNOWN_TIMES  4       /* as much time, where the kernel does not say who waited */

/* What a run in the sandbox has used when; the machine's is the judge's to watch. */
struct watch {
    uint64_t begin_us, begin_wait_us, begin_cpu_us;
    uint64_t budget_us;     /* of own time, and of CPU time */
    uint64_t look_us;       /* when to look at the time next */
    uint64_t memory_us;     /* and at the memory */
    uint64_t trace_us;      /* and at the record of VM exits */
    uint64_t begin_idle_us; /* of the machine, where a Linux boots */
};

void output_read(struct run *run)
{
    char buffer[65536];
    ssize_t n = read(run->output, buffer, sizeof buffer);
    size_t room = sizeof run->printed - run->printed_size;

    if (n <= 0)
        return;
    run->end.output_total += (uint32_t)n;
    if (run->job->request->flags & RUN_TERMINAL)
        evidence_send(run, FRAME_CONSOLE, NULL, 0, buffer, (size_t)n);
    if ((size_t)n < room)
        room = (size_t)n;
    memcpy(run->printed + run->printed_size, buffer, room);
    run->printed_size += (uint32_t)room;
}

/* Looks at children that changed state. True when the subject is gone. */
static bool subject_reap(struct run *run)
{
    bool gone = false;
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != run->pid)
            continue;
        if (WIFSTOPPED(status)) {
            checkpoint_take(run);
            continue;
        }
        gone = true;
        if (run->end.outcome == 0) {
            run->end.outcome = WIFSIGNALED(status) ? RUN_SIGNALLED : RUN_EXITED;
            run->end.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
        }
    }
    return gone;
}

static bool in_sandbox(const struct run *run)
{
    return run->place->subject_uid < 0;
}

/* Not in the machine, whose own memory is the limit. */
static bool memory_exceeded(const struct run *run, struct watch *w, uint64_t now)
{
    if (!in_sandbox(run) || now < w->memory_us)
        return false;
    w->memory_us = now + LOOK_MS * 1000;
    return subject_memory() > LIMIT_TOGETHER;
}

/* How long this machine's CPU has had nothing to do. That is no question of how fast it runs: a
 * busy host makes it slow, not idle. */
static uint64_t machine_idle_us(void)
{
    unsigned long long idle = 0;
    FILE *file = fopen("/proc/stat", "re");

    if (file && fscanf(file, "cpu %*u %*u %*u %llu", &idle) != 1)
        idle = 0;
    if (file)
        fclose(file);
    return idle * 10000;
}

/* Whether a Linux is to boot by itself. It has work to do all the time: one that waits for seconds
 * has lost an interrupt. */
static bool boots_linux(const struct run *run)
{
    const uint32_t flags = run->job->request->flags;

    return (flags & RUN_LINUX) && !(flags & RUN_NO_DEADLINE);
}

static bool idle_exceeded(const struct run *run, const struct watch *w)
{
    return boots_linux(run) && machine_idle_us() - w->begin_idle_us > IDLE_LIMIT_US;
}

static struct watch watch_begin(const struct run *run)
{
    struct watch w = {.begin_us = clock_us(),
                      .budget_us = (uint64_t)run->job->request->deadline_ms * 1000};

    w.memory_us = w.begin_us + LOOK_MS * 1000;
    w.trace_us = w.begin_us + TRACE_LOOK_MS * 1000;
    if (boots_linux(run))
        w.begin_idle_us = machine_idle_us();
    if (!in_sandbox(run))
        return w;
    w.begin_cpu_us = others_cpu_us();
    process_wait_us(getpid(), &w.begin_wait_us, NULL);
    if (!waits_known())
        w.budget_us *= UNKNOWN_TIMES;
    w.look_us = w.begin_us + w.budget_us / 4;
    return w;
}

/* Wall time, less what it waited for a processor, and what we did, who answer its calls. */
static uint64_t own_us(const struct watch *w)
{
    uint64_t wall = clock_us() - w->begin_us, ours;

    process_wait_us(getpid(), &ours, NULL);
    uint64_t waited = ours - w->begin_wait_us + others_wait_us();

    return wall > waited ? wall - waited : 0;
}

/* Whether it has had its time: the outcome, or 0. */
static uint32_t time_judge(const struct run *run, struct watch *w, uint64_t now)
{
    if (!in_sandbox(run) || (run->job->request->flags & RUN_NO_DEADLINE) ||
        now < w->look_us)
        return 0;
    w->look_us = now + LOOK_MS * 1000;
    if (own_us(w) >= w->budget_us || others_cpu_us() - w->begin_cpu_us >= w->budget_us)
        return RUN_TIMED_OUT;
    return (now - w->begin_us) / STARVED_TIMES > w->budget_us ? RUN_STARVED : 0;
}

/* A guest that exits for ever fills the kernel's record: there is nothing more to be learnt. */
static bool trace_full(const struct run *run, struct watch *w, uint64_t now)
{
    if (!(run->job->request->flags & RUN_TRACE) || now < w->trace_us)
        return false;
    w->trace_us = now + TRACE_LOOK_MS * 1000;
    return trace_record_lost() > 0;
}

static uint32_t outcome_judge(const struct run *run, struct watch *w)
{
    uint64_t now = clock_us();

    return memory_exceeded(run, w, now) ? RUN_TOO_LARGE
           : trace_full(run, w, now)    ? RUN_TRACE_FULL
           : idle_exceeded(run, w)      ? RUN_TIMED_OUT
                                        : time_judge(run, w, now);
}

/* How long the watch may sleep; -1: for ever. */
static int wait_of(const struct run *run)
{
    if (in_sandbox(run))
        return LOOK_MS;
    return (run->job->request->flags & RUN_TRACE) || boots_linux(run) ? TRACE_LOOK_MS : -1;
}

/* A subject that hangs is asked where it is: it notes that as it does when it crashes, and dies of
 * it. One that does not is killed all the same. */
static void place_ask(const struct run *run)
{
    siginfo_t info = {.si_pid = 0};

    kill(run->pid, HANG_SIGNAL);
    for (unsigned ms = 0; ms < ASK_MS && info.si_pid == 0; ms += ASK_LOOK_MS) {
        usleep(ASK_LOOK_MS * 1000);
        if (waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
            return;
    }
}

/* leftovers_kill() does the rest: who waited for the subject alone here would wait for its
 * turn among all the processes that it has made. */
static void subject_end(struct run *run, uint32_t outcome)
{
    run->end.outcome = outcome;
    if (outcome == RUN_TIMED_OUT)
        place_ask(run);
    kill(run->pid, SIGKILL);
}

/* What the subject does not read does not keep us: the pipe does not block. */
static void keys_pass(struct run *run, const void *keys, size_t size)
{
    if (run->keys < 0 || write(run->keys, keys, size) >= 0 || errno != EPIPE)
        return;
    close(run->keys);
    run->keys = -1;
}

bool stop_received(struct run *run)
{
    struct frame_header header = {0};
    void *payload = NULL;
    int r = frame_receive(run->place->channel, &header, &payload);

    if (r == 0 && header.type == FRAME_CONTINUE && header.length == sizeof(struct handover))
        handover_take(run, payload);
    if (r == 0 && header.type == FRAME_KEYS)
        keys_pass(run, payload, header.length);
    free(payload);
    if (r < 0 && !run->channel_error)
        run->channel_error = r;
    return r < 0 || header.type == FRAME_STOP;
}

enum { WATCH_SIGNALS, WATCH_OUTPUT, WATCH_CALLS, WATCH_JUDGE, WATCHED };

/* Takes what has come. True: it is over. */
static bool events_take(struct run *run, struct pollfd events[WATCHED])
{
    struct signalfd_siginfo info;

    /* (From Linux 6.11 on it hangs up while its last task is still exiting: to ask again and again
     * would take the machine's only CPU from it.) */
    if (events[WATCH_CALLS].revents &&
        (!call_supervisor_step(run->supervisor) || (events[WATCH_CALLS].revents & POLLHUP)))
        events[WATCH_CALLS].fd = -1;
    if (events[WATCH_OUTPUT].revents)
        output_read(run);
    if (events[WATCH_OUTPUT].revents & (POLLHUP | POLLERR))
        events[WATCH_OUTPUT].fd = -1;
    if (events[WATCH_JUDGE].revents && stop_received(run)) {
        subject_end(run, RUN_TIMED_OUT);
        return true;
    }
    return events[WATCH_SIGNALS].revents && read(run->signals, &info, sizeof info) > 0 &&
           subject_reap(run);
}

void subject_watch(struct run *run)
{
    struct watch w = watch_begin(run);
    struct pollfd events[WATCHED] = {
        [WATCH_SIGNALS] = {.fd = run->signals, .events = POLLIN},
        [WATCH_OUTPUT] = {.fd = run->output, .events = POLLIN},
        [WATCH_CALLS] = {.fd = run->supervisor ? call_supervisor_fd(run->supervisor) : -1,
                         .events = POLLIN},
        [WATCH_JUDGE] = {.fd = run->place->channel, .events = POLLIN}};
    bool gone = false;

    while (!gone) {
        uint32_t outcome;

        if (poll(events, WATCHED, wait_of(run)) > 0)
            gone = events_take(run, events);
        if (!gone && (outcome = outcome_judge(run, &w)) != 0) {
            subject_end(run, outcome);
            gone = true;
        }
    }
    run->end.elapsed_us =
        (uint32_t)(in_sandbox(run) ? own_us(&w) : clock_us() - w.begin_us);
}

/* We are process 1: -1 is everybody else. */
void leftovers_kill(struct run *run)
{
    pid_t pid;

    if (getpid() != 1)
        return;
    do {
        kill(-1, SIGKILL);
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
            run->end.processes_killed++;
        if (pid == 0)
            usleep(1000);
    } while (pid == 0);
}
