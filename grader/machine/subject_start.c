/* subject_start.c - from fork to exec: the subject's cage. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"
#include "machine/forbidden_calls.h"
#include "machine/subject_inside.h"
#include "machine/subject_memory.h"

#define MIB (1ull << 20)

/* The cage. Generous for a lab, small for a machine of 512 MiB. */
#define LIMIT_MEMORY    (320 * MIB) /* address space, bytes */
#define LIMIT_LOCKED    (64 * MIB)  /* with a device: memory that it may reach by DMA */
#define LIMIT_LINUX     (192 * MIB) /* that, and one file, where the guest is a Linux */
#define LIMIT_PROCESSES 16

/* Ends the new process before it is the subject. The agent hears of it through `failure`,
 * which exec closes: what goes wrong here is ours. (-1: it is the subject's.) */
_Noreturn static void start_fail(int failure, const char *what)
{
    int error = errno;

    dprintf(2, "cannot %s: %s\n", what, strerror(error));
    if (failure >= 0 && write(failure, &error, sizeof error) < 0)
        _exit(125);
    _exit(126);
}

static void limit_set(__rlimit_resource_t resource, rlim_t value)
{
    setrlimit(resource, &(struct rlimit){value, value});
}

/* More than what we have ourselves: only as long as we are root. */
static void limits_raise(const struct run_request *request)
{
    if (request->flags & RUN_DEVICE)
        limit_set(RLIMIT_MEMLOCK, request->flags & RUN_LINUX ? LIMIT_LINUX : LIMIT_LOCKED);
}

static void limits_set(const struct run_request *request, int uid)
{
    /* (In the machine, whose CPU time goes on while QEMU waits, the judge ends it.) */
    if (!(request->flags & RUN_NO_DEADLINE) && uid < 0)
        limit_set(RLIMIT_CPU, request->deadline_ms / 1000 + 2);
    if (!(request->flags & RUN_SANITIZED))
        limit_set(RLIMIT_AS, LIMIT_MEMORY);
    /* one file, so also one memfd */
    limit_set(RLIMIT_FSIZE, request->flags & RUN_LINUX ? LIMIT_LINUX : SUBJECT_FILE_MAX);
    limit_set(RLIMIT_NPROC, LIMIT_PROCESSES);
    limit_set(RLIMIT_NOFILE, LIMIT_FILES);
    limit_set(RLIMIT_CORE, 0);
}

static int listener_pass(int socket, int listener)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec byte = {(char[]){0}, 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &listener, sizeof listener);
    return sendmsg(socket, &message, 0) < 0 ? -1 : 0;
}

static int listener_receive(int socket)
{
    char control[CMSG_SPACE(sizeof(int))], byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header;
    int listener = -1;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 &&
        (header = CMSG_FIRSTHDR(&message)) != NULL)
        memcpy(&listener, CMSG_DATA(header), sizeof listener);
    return listener;
}

/* Should memory run out all the same, the kernel is to end the subject, not somebody's
 * editor. The agent's /proc/self belongs to root as long as it may not be dumped. */
static int victim_volunteer(void)
{
    int fd, r;

    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    r = fd >= 0 && write(fd, "1000", 4) == 4 ? 0 : -1;
    if (fd >= 0)
        close(fd);
    return r;
}

static int identity_drop(int uid)
{
    if (uid < 0)
        return 0;
    return setgroups(0, NULL) < 0 || setgid((gid_t)uid) < 0 || setuid((uid_t)uid) < 0 ? -1
                                                                                      : 0;
}

_Noreturn static void subject_exec(const struct run *run, int keys, int output,
                                   int supervise, int failure)
{
    char *const argv[] = {"subject", NULL}, *const envp[] = {"PATH=/bin", NULL};
    sigset_t none;

    /* Out of the way first: any of them may have the number that another is to get. */
    int arena = fcntl(run->arena, F_DUPFD_CLOEXEC, 10);
    int program = fcntl(run->place->program, F_DUPFD_CLOEXEC, 10);
    if (supervise >= 0)
        supervise = fcntl(supervise, F_DUPFD_CLOEXEC, 10);
    failure = fcntl(failure, F_DUPFD_CLOEXEC, 10);

    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    output = fcntl(output, F_DUPFD_CLOEXEC, 10);
    keys = keys >= 0 ? fcntl(keys, F_DUPFD_CLOEXEC, 10) : open("/dev/null", O_RDONLY);
    dup2(keys, 0);
    dup2(output, 1);
    dup2(output, 2);
    dup2(arena, ARENA_FD);
    syscall(SYS_close_range, ARENA_FD + 1, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
    if (victim_volunteer() < 0)
        start_fail(failure, "volunteer for the out-of-memory killer");
    limits_raise(run->job->request);
    if (identity_drop(run->place->subject_uid) < 0)
        start_fail(failure, "change the user");
    limits_set(run->job->request, run->place->subject_uid);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (supervise >= 0) { /* first: descriptors can be sent no more afterwards */
        int listener = call_filter_install();

        if (listener < 0)
            start_fail(failure, "supervise system calls");
        if (listener_pass(supervise, listener) < 0)
            start_fail(failure, "hand over the system calls");
        /* Both stay open until exec closes them: close() would already wait for an answer. */
    }
    if (forbidden_calls_install() < 0)
        start_fail(failure, "forbid system calls");
    syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
    /* A subject that is too large for its cage is not our failure. */
    start_fail(errno == ENOMEM ? -1 : failure, "execute the subject");
}

/* 0 when exec has worked, else the errno of what failed before it. */
static int start_result(int failure)
{
    int error = 0;

    return read(failure, &error, sizeof error) == sizeof error ? error : 0;
}

static void supervisor_start(struct run *run, int socket)
{
    int listener = listener_receive(socket);

    if (listener >= 0)
        run->supervisor =
            call_supervisor_new(listener, run->job->plan, run->job->request->plan_size);
}

static void pair_close(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    pair[0] = pair[1] = -1;
}

int subject_start(struct run *run)
{
    bool pretend = (run->job->request->flags & RUN_PRETEND_KVM) && run->job->plan;
    bool terminal = run->job->request->flags & RUN_TERMINAL;
    int output[2] = {-1, -1}, sockets[2] = {-1, -1}, failure[2] = {-1, -1},
        keys[2] = {-1, -1};
    int error = 0;

    if ((terminal && pipe2(keys, O_CLOEXEC) < 0) || pipe2(output, O_CLOEXEC) < 0 ||
        pipe2(failure, O_CLOEXEC) < 0 ||
        (pretend && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) ||
        (run->pid = fork()) < 0) {
        error = errno;
    } else if (run->pid == 0) {
        subject_exec(run, keys[0], output[1], sockets[1], failure[1]);
    } else {
        run->output = output[0];
        output[0] = -1;
        run->keys = keys[1];
        if (terminal)
            fcntl(keys[1], F_SETFL, O_NONBLOCK);
        keys[1] = -1;
        close(failure[1]); /* so that the other end's closing is felt */
        if (pretend)
            close(sockets[1]);
        sockets[1] = failure[1] = -1;
        if (pretend)
            supervisor_start(run, sockets[0]);
        error = start_result(failure[0]);
        if (error == 0 && pretend && !run->supervisor)
            error = ENOMEM;
    }
    pair_close(keys);
    pair_close(output);
    pair_close(sockets);
    pair_close(failure);
    return error;
}
