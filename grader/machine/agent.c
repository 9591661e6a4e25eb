/* agent.c - starts subjects and collects raw evidence; never judges (protocol.h).
 *
 *   agent            as process 1 of the QEMU machine
 *   agent sandbox N  as process 1 of a bubblewrap sandbox; N = descriptor of its channel
 *   agent run FILE   by hand, in `make shell`: a subject with an arena of its own, and no cage
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "machine/device_lend.h"
#include "machine/frames.h"
#include "machine/machine_init.h"
#include "machine/subject_run.h"
#include "machine/trace_record.h"

#define SUBJECT_UID 64000 /* nobody else's, owns nothing */

struct agent {
    struct run_place place;
    bool in_machine;
    struct ready ready;
};

#define PIECES 16 /* of the calibration loop */

static int shorter(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* How much time a fixed amount of work takes here: deadlines scale with it. Measured in
 * pieces: a machine that has just woken up stumbles now and then, and that is not its speed. */
static uint32_t calibrate(void)
{
    uint32_t pieces[PIECES];
    struct timespec a, b;

    for (int n = 0; n < PIECES; n++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        for (volatile uint32_t i = 0; i < 1000000 / PIECES; i++)
            ;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        pieces[n] =
            (uint32_t)((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
    }
    qsort(pieces, PIECES, sizeof *pieces, shorter);
    return pieces[PIECES * 3 / 4] * PIECES;
}

static int subject_keep(struct agent *agent, const void *image, size_t size)
{
    int fd = memfd_create("subject", MFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (agent->place.program >= 0)
        close(agent->place.program);
    agent->place.program = fd;
    return write_exactly(fd, image, size);
}

/* If it does not work, the subject finds none, and its report says so. */
static int kernel_keep(const struct agent *agent, const void *image, size_t size)
{
    int fd = agent->in_machine
                 ? open(GUEST_KERNEL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                 : -1;

    if (fd < 0)
        return 0;
    if (write_exactly(fd, image, size) < 0)
        unlink(GUEST_KERNEL);
    close(fd);
    return 0;
}

static int run_refuse(const struct agent *agent, int errnum)
{
    const struct run_end end = {.outcome = RUN_NOT_STARTED, .status = errnum};

    return frame_send(agent->place.channel, FRAME_END, &end, sizeof end, NULL, 0);
}

static int hello_answer(struct agent *agent)
{
    int r;

    struct timespec now;

    agent->ready.calibration = calibrate();
    clock_gettime(CLOCK_MONOTONIC, &now);
    agent->ready.time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    r = frame_send(agent->place.channel, FRAME_READY, &agent->ready, sizeof agent->ready,
                   NULL, 0);
    if (agent->in_machine)
        machine_warm_up();
    return r;
}

static int frame_serve(struct agent *agent, const struct frame_header *header,
                       const void *payload)
{
    struct run_job job;

    switch (header->type) {
    case FRAME_HELLO:
        return hello_answer(agent);
    case FRAME_FORMATS:
        return trace_formats_send(agent->place.channel);
    case FRAME_SUBJECT:
        return subject_keep(agent, payload, header->length);
    case FRAME_KERNEL:
        return kernel_keep(agent, payload, header->length);
    case FRAME_RUN:
        if (agent->place.program < 0 || !run_job_parse(&job, payload, header->length))
            return run_refuse(agent, EINVAL);
        return subject_run(&agent->place, &job);
    case FRAME_CONTINUE:
    case FRAME_STOP:
        return 0; /* to a run that has just ended */
    default:
        return run_refuse(agent, ENOSYS);
    }
}

/* In the machine: runs when it has to, however many processes the subject has. */
static void precedence_take(void)
{
    const struct sched_param lowest = {.sched_priority = 1};

    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) < 0)
        perror("agent: precedence");
}

static void serve(struct agent *agent)
{
    for (;;) {
        struct frame_header header;
        void *payload;
        int r = frame_receive(agent->place.channel, &header, &payload);

        if (r == 0)
            r = frame_serve(agent, &header, payload);
        free(payload);
        if (r == 0)
            continue;
        if (!agent->in_machine)
            return;
        usleep(1000); /* nobody is connected (yet, or any more) */
    }
}

static int arena_at_its_place(void)
{
    const struct arena_header header = {.magic = ARENA_MAGIC};
    int fd = memfd_create("arena", 0);

    return fd < 0 || ftruncate(fd, ARENA_SIZE) < 0 ||
                   pwrite(fd, &header, sizeof header, 0) != sizeof header ||
                   (fd != ARENA_FD && dup2(fd, ARENA_FD) < 0)
               ? -1
               : 0;
}

/* The subject's first entry point, with no input. What it prints is all that there is to see; where
 * it stops for the agent to look, it goes on. */
static int run_by_hand(char **argv)
{
    int status = 0;
    pid_t pid = arena_at_its_place() < 0 ? -1 : fork();

    if (pid == 0) {
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
        kill(pid, SIGCONT);
    if (pid < 0)
        perror("agent: run");
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    struct agent agent = {.place = {.channel = -1, .program = -1, .subject_uid = -1},
                          .ready = {.version = PROTOCOL_VERSION}};

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (argc == 3 && strcmp(argv[1], "sandbox") == 0) {
        agent.place.channel = atoi(argv[2]);
        serve(&agent);
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run_by_hand(argv + 2);
    if (getpid() != 1) {
        fprintf(stderr,
                "agent: meant to be process 1 of a machine, or: agent sandbox FD\n");
        return 2;
    }
    agent.in_machine = true;
    agent.place.subject_uid = SUBJECT_UID;
    machine_init();
    if (machine_option("shell"))
        machine_shell();
    machine_large_pages();
    agent.ready.has_kvm = machine_hold_kvm();
    agent.ready.has_trace = trace_record_prepare();
    agent.ready.has_device = device_prepare();
    agent.place.channel = machine_channel_open();
    precedence_take();
    printf("agent: ready\n");
    serve(&agent);
}
