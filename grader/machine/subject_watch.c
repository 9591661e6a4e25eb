/* subject_watch.c - the subject while it runs: its deadline, its memory, its output, its end. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "machine/subject_inside.h"
#include "machine/subject_memory.h"

#define LIMIT_TOGETHER (512ull << 20) /* of all its processes and files in memory */
#define MEMORY_LOOK_MS 20

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void output_read(struct run *run)
{
    char buffer[65536];
    ssize_t n = read(run->output, buffer, sizeof buffer);
    size_t room = sizeof run->printed - run->printed_size;

    if (n <= 0)
        return;
    run->end.output_total += (uint32_t)n;
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

/* Looks every MEMORY_LOOK_MS. Not in the machine, whose own memory is the limit. */
static bool memory_exceeded(const struct run *run, uint64_t now, uint64_t *look)
{
    if (run->place->subject_uid >= 0 || now < *look)
        return false;
    *look = now + MEMORY_LOOK_MS * 1000;
    return subject_memory() > LIMIT_TOGETHER;
}

/* How long the watch may sleep; -1: for ever. */
static int wait_of(const struct run *run, uint64_t now, uint64_t deadline)
{
    bool sandbox = run->place->subject_uid < 0;

    if (run->job->request->flags & RUN_NO_DEADLINE)
        return sandbox ? MEMORY_LOOK_MS : -1;
    int ms = (int)((deadline - now) / 1000 + 1);
    return sandbox && ms > MEMORY_LOOK_MS ? MEMORY_LOOK_MS : ms;
}

/* leftovers_kill() does the rest: who waited for the subject alone here would wait for its
 * turn among all the processes that it has made. */
static void subject_end(struct run *run, uint32_t outcome)
{
    run->end.outcome = outcome;
    kill(run->pid, SIGKILL);
}

void subject_watch(struct run *run)
{
    const struct run_request *request = run->job->request;
    uint64_t start = now_us(), deadline = start + (uint64_t)request->deadline_ms * 1000,
             look = start + MEMORY_LOOK_MS * 1000;
    struct pollfd events[3] = {{.fd = run->signals, .events = POLLIN},
                               {.fd = run->output, .events = POLLIN},
                               {.fd = -1, .events = POLLIN}};
    bool gone = false;

    if (run->supervisor)
        events[2].fd = call_supervisor_fd(run->supervisor);
    while (!gone) {
        uint64_t now = now_us();
        struct signalfd_siginfo info;

        if (now >= deadline && !(request->flags & RUN_NO_DEADLINE)) {
            subject_end(run, RUN_TIMED_OUT);
            break;
        }
        if (memory_exceeded(run, now, &look)) {
            subject_end(run, RUN_TOO_LARGE);
            break;
        }
        if (poll(events, 3, wait_of(run, now, deadline)) <= 0)
            continue;
        if (events[2].revents && !call_supervisor_step(run->supervisor))
            events[2].fd = -1;
        if (events[1].revents)
            output_read(run);
        if (events[1].revents & (POLLHUP | POLLERR))
            events[1].fd = -1;
        if (events[0].revents && read(run->signals, &info, sizeof info) > 0)
            gone = subject_reap(run);
    }
    run->end.elapsed_us = (uint32_t)(now_us() - start);
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
