/* subject_run.c - one run of a subject: its cage, its deadline, the evidence. */
#define _GNU_SOURCE
#include "subject_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "device_lend.h"
#include "forbidden_calls.h"
#include "frames.h"
#include "subject_memory.h"
#include "trace_record.h"

#define KVM_DEVICE "/dev/kvm"
#define MIB        (1ull << 20)

/* The cage. Generous for a lab, small for a machine of 512 MiB. */
#define LIMIT_MEMORY    (320 * MIB) /* address space, bytes */
#define LIMIT_FILE      (64 * MIB)  /* one file, so also one memfd */
#define LIMIT_LOCKED    (64 * MIB)  /* with a device: memory that it may reach by DMA */
#define LIMIT_LINUX     (192 * MIB) /* the same two where the guest is a Linux */
#define LIMIT_PROCESSES 16
#define LIMIT_FILES     256
#define LIMIT_TOGETHER  (512 * MIB) /* of all its processes and files in memory */
#define MEMORY_LOOK_MS  20
#define IDLE_LOOK_MS    250
#define IDLE_LIMIT_US   8000000 /* of a guest Linux that waits for an interrupt in vain */

struct run {
    const struct run_place *place;
    const struct run_job *job;
    pid_t pid;
    int arena, output, signals;
    int keys; /* with RUN_TERMINAL: leads to the subject's input; or -1 */
    struct call_supervisor *supervisor; /* NULL without RUN_PRETEND_KVM */
    char printed[RUN_OUTPUT_MAX];
    uint32_t printed_size;
    struct run_end end;
    int channel_error;
};

bool run_job_parse(struct run_job *job, const void *payload, size_t size)
{
    const struct run_request *request = payload;
    const uint8_t *at = (const uint8_t *)payload + sizeof *request;
    size_t windows;

    if (size < sizeof *request)
        return false;
    windows = request->window_count * sizeof(struct window);
    if (request->window_count > RUN_WINDOWS_MAX || request->input_size > ARENA_INPUT_MAX ||
        (request->plan_size != 0 && request->plan_size < sizeof(struct kvm_plan)) ||
        size != sizeof *request + windows + request->plan_size + request->input_size)
        return false;
    job->request = request;
    job->windows = (const struct window *)(const void *)at;
    job->plan = request->plan_size ? (const void *)(at + windows) : NULL;
    job->input = at + windows + request->plan_size;
    return true;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void evidence_send(struct run *run, uint32_t type, const void *head,
                          size_t head_size, const void *body, size_t body_size)
{
    int r = frame_send(run->place->channel, type, head, head_size, body, body_size);

    if (r < 0 && !run->channel_error)
        run->channel_error = r;
}

/* --- the subject's side, between fork and exec ------------------------------------------- */

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

static void limits_set(const struct run_request *request)
{
    if (!(request->flags & RUN_NO_DEADLINE))
        limit_set(RLIMIT_CPU, request->deadline_ms / 1000 + 2);
    if (!(request->flags & RUN_SANITIZED))
        limit_set(RLIMIT_AS, LIMIT_MEMORY);
    limit_set(RLIMIT_FSIZE, request->flags & RUN_LINUX ? LIMIT_LINUX : LIMIT_FILE);
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
    limits_set(run->job->request);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (forbidden_calls_install() < 0)
        start_fail(failure, "forbid system calls");
    if (supervise >= 0) {
        int listener = call_filter_install();

        if (listener < 0)
            start_fail(failure, "supervise system calls");
        if (listener_pass(supervise, listener) < 0)
            start_fail(failure, "hand over the system calls");
        /* Both stay open until exec closes them: close() would already wait for an answer. */
    }
    syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
    /* A subject that is too large for its cage is not our failure. */
    start_fail(errno == ENOMEM ? -1 : failure, "execute the subject");
}

/* --- evidence at a checkpoint: the subject has stopped itself ----------------------------- */

/* A memfd may have any name, a line of this list too. */
static void line_clean(char *text, size_t size)
{
    text[size] = 0;
    for (; *text; text++)
        if ((unsigned char)*text < 32)
            *text = '?';
}

/* A line per descriptor: number, flags of /proc/PID/fdinfo (octal), where it leads. */
static void fds_send(struct run *run, uint32_t checkpoint)
{
    char text[LIMIT_FILES * 160], path[64];
    size_t size = 0;
    DIR *dir;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/fd", run->pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)) && size + 200 < sizeof text) {
        char link[320], info[320], target[128], line[128];
        unsigned flags = 0;
        ssize_t n;

        snprintf(link, sizeof link, "/proc/%d/fd/%s", run->pid, entry->d_name);
        snprintf(info, sizeof info, "/proc/%d/fdinfo/%s", run->pid, entry->d_name);
        n = readlink(link, target, sizeof target - 1);
        if (n < 0)
            continue;
        line_clean(target, (size_t)n);
        FILE *file = fopen(info, "re");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "flags: %o", &flags) == 1)
                break;
        if (file)
            fclose(file);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s %o %s\n",
                                 entry->d_name, flags, target);
    }
    if (dir)
        closedir(dir);
    evidence_send(run, FRAME_FDS, &checkpoint, sizeof checkpoint, text, size);
}

/* Room for as many mappings as a process may have (vm.max_map_count). */
#define MAPS_MAX (16u << 20)

static void maps_send(struct run *run, uint32_t checkpoint)
{
    char path[64], *text = malloc(MAPS_MAX);
    size_t size = 0;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/maps", run->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (text && fd >= 0 && (n = read(fd, text + size, MAPS_MAX - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    evidence_send(run, FRAME_MAPS, &checkpoint, sizeof checkpoint, text, size);
    free(text);
}

/* Opens the subject's memfd called name, or returns -1. */
static int subject_memfd_open(const struct run *run, const char *name)
{
    char path[64], wanted[64];
    int fd = -1;
    DIR *dir;
    struct dirent *entry;

    snprintf(wanted, sizeof wanted, "/memfd:%.31s (deleted)", name);
    snprintf(path, sizeof path, "/proc/%d/fd", run->pid);
    dir = opendir(path);
    while (dir && fd < 0 && (entry = readdir(dir))) {
        char link[320], target[128];
        ssize_t n;

        snprintf(link, sizeof link, "/proc/%d/fd/%s", run->pid, entry->d_name);
        n = readlink(link, target, sizeof target - 1);
        if (n < 0)
            continue;
        target[n] = 0;
        if (strcmp(target, wanted) == 0)
            fd = open(link, O_RDONLY | O_CLOEXEC);
    }
    if (dir)
        closedir(dir);
    return fd;
}

static void windows_send(struct run *run, uint32_t checkpoint)
{
    for (uint32_t i = 0; i < run->job->request->window_count; i++) {
        const struct window *window = &run->job->windows[i];
        struct window_data head = {.checkpoint = checkpoint, .window = i};
        uint8_t *bytes = malloc(window->length);
        int fd = subject_memfd_open(run, window->name);
        ssize_t n = -1;

        if (fd >= 0 && bytes)
            n = pread(fd, bytes, window->length, (off_t)window->offset);
        head.length = n > 0 ? (uint32_t)n : 0;
        evidence_send(run, FRAME_WINDOW, &head, sizeof head, bytes, head.length);
        free(bytes);
        if (fd >= 0)
            close(fd);
    }
}

/* The deadline goes on meanwhile: the judge does not take long. */
static void judge_wait(struct run *run, uint32_t checkpoint)
{
    struct frame_header header = {0};
    void *payload = NULL;
    int r;

    evidence_send(run, FRAME_CHECKPOINT, NULL, 0, &checkpoint, sizeof checkpoint);
    r = frame_receive(run->place->channel, &header, &payload);
    free(payload);
    if (r == 0 && header.type != FRAME_CONTINUE)
        r = -EPROTO;
    if (r < 0 && !run->channel_error)
        run->channel_error = r;
}

static void checkpoint_take(struct run *run)
{
    uint32_t checkpoint = run->end.checkpoints++;

    if (checkpoint >= RUN_CHECKPOINTS_MAX) {
        run->end.outcome = RUN_TOO_STOPPED;
        kill(run->pid, SIGKILL);
        return;
    }
    fds_send(run, checkpoint);
    maps_send(run, checkpoint);
    windows_send(run, checkpoint);
    if (run->job->request->flags & RUN_HOLD)
        judge_wait(run, checkpoint);
    kill(run->pid, SIGCONT);
}

/* --- watching ---------------------------------------------------------------------------- */

static void output_read(struct run *run)
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

/* Looks every MEMORY_LOOK_MS. Not in the machine, whose own memory is the limit. */
static bool memory_exceeded(const struct run *run, uint64_t now, uint64_t *look)
{
    if (run->place->subject_uid >= 0 || now < *look)
        return false;
    *look = now + MEMORY_LOOK_MS * 1000;
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

/* A boot has work to do all the time: one that waits for seconds has lost an interrupt. */
static bool idle_exceeded(const struct run *run, uint64_t since)
{
    const uint32_t flags = run->job->request->flags;

    return (flags & RUN_LINUX) && !(flags & RUN_NO_DEADLINE) &&
           machine_idle_us() - since > IDLE_LIMIT_US;
}

/* How long the watch may sleep; -1: for ever. */
static int wait_of(const struct run *run, uint64_t now, uint64_t deadline)
{
    bool sandbox = run->place->subject_uid < 0;

    if (run->job->request->flags & RUN_NO_DEADLINE)
        return sandbox ? MEMORY_LOOK_MS : -1;
    int ms = (int)((deadline - now) / 1000 + 1);
    if ((run->job->request->flags & RUN_LINUX) && ms > IDLE_LOOK_MS)
        ms = IDLE_LOOK_MS;
    return sandbox && ms > MEMORY_LOOK_MS ? MEMORY_LOOK_MS : ms;
}

/* leftovers_kill() does the rest: who waited for the subject alone here would wait for its
 * turn among all the processes that it has made. */
static void subject_end(struct run *run, uint32_t outcome)
{
    run->end.outcome = outcome;
    kill(run->pid, SIGKILL);
}

/* Somebody types. What the subject does not read does not keep us: the pipe does not block. */
static void keys_take(struct run *run)
{
    struct frame_header header = {0};
    void *payload = NULL;
    int r = frame_receive(run->place->channel, &header, &payload);

    if (r == 0 && header.type == FRAME_KEYS && header.length == 0)
        kill(run->pid, SIGKILL);
    else if (r == 0 && write(run->keys, payload, header.length) < 0 && errno == EPIPE)
        close(run->keys), run->keys = -1;
    free(payload);
    if (r < 0 && !run->channel_error)
        run->channel_error = r;
}

static void subject_watch(struct run *run)
{
    const struct run_request *request = run->job->request;
    uint64_t start = now_us(), deadline = start + (uint64_t)request->deadline_ms * 1000,
             look = start + MEMORY_LOOK_MS * 1000, idle = machine_idle_us();
    struct pollfd events[4] = {{.fd = run->signals, .events = POLLIN},
                               {.fd = run->output, .events = POLLIN},
                               {.fd = -1, .events = POLLIN},
                               {.fd = -1, .events = POLLIN}};
    bool gone = false;

    if (run->supervisor)
        events[2].fd = call_supervisor_fd(run->supervisor);
    if (run->keys >= 0)
        events[3].fd = run->place->channel;
    while (!gone) {
        uint64_t now = now_us();
        struct signalfd_siginfo info;

        if ((now >= deadline && !(request->flags & RUN_NO_DEADLINE)) ||
            idle_exceeded(run, idle)) {
            subject_end(run, RUN_TIMED_OUT);
            break;
        }
        if (memory_exceeded(run, now, &look)) {
            subject_end(run, RUN_TOO_LARGE);
            break;
        }
        if (poll(events, 4, wait_of(run, now, deadline)) <= 0)
            continue;
        if (events[3].revents)
            keys_take(run);
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

/* Ends whatever the subject left behind. We are process 1: -1 is everybody else. */
static void leftovers_kill(struct run *run)
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

/* --- the whole run ------------------------------------------------------------------------ */

static int arena_create(const struct run_job *job)
{
    struct arena_header header = {.magic = ARENA_MAGIC,
                                  .entry = job->request->entry,
                                  .input_size = job->request->input_size,
                                  .nonce = job->request->nonce};
    int fd = memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, ARENA_SIZE) < 0 ||
        pwrite(fd, &header, sizeof header, 0) != sizeof header ||
        pwrite(fd, job->input, header.input_size, ARENA_INPUT_AT) !=
            (ssize_t)header.input_size)
        goto fail;
    /* The subject may write into it, not resize it under our hands. */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        goto fail;
    return fd;
fail:
    close(fd);
    return -1;
}

static void answer_send(struct run *run)
{
    struct arena_header header = {0};
    uint8_t *output;

    if (pread(run->arena, &header, sizeof header, 0) < 0)
        return;
    if (header.output_size > ARENA_OUTPUT_MAX)
        header.output_size = ARENA_OUTPUT_MAX;
    output = malloc(header.output_size + 1);
    if (output && pread(run->arena, output, header.output_size, ARENA_OUTPUT_AT) >= 0)
        evidence_send(run, FRAME_ANSWER, &header, sizeof header, output,
                      header.output_size);
    free(output);
}

static void evidence_finish(struct run *run)
{
    if (run->supervisor) {
        size_t size;
        const void *log = call_supervisor_log(run->supervisor, &size, &run->end.calls_lost);

        evidence_send(run, FRAME_CALLS, NULL, 0, log, size);
    }
    if (run->job->request->flags & RUN_TRACE) {
        int r = trace_record_send(run->place->channel, &run->end.trace_lost);

        if (r < 0)
            run->channel_error = r;
    }
    evidence_send(run, FRAME_OUTPUT, NULL, 0, run->printed, run->printed_size);
    if (run->arena >= 0)
        answer_send(run);
    evidence_send(run, FRAME_END, &run->end, sizeof run->end, NULL, 0);
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

/* Forks the subject; fills pid, output and supervisor. 0, or the errno of what failed. */
static int subject_start(struct run *run)
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

int subject_run(const struct run_place *place, const struct run_job *job)
{
    struct run *run = calloc(1, sizeof *run);
    sigset_t child;
    int error, result;

    if (!run)
        return -ENOMEM;
    *run = (struct run){.place = place, .job = job, .output = -1, .keys = -1};
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    run->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    run->arena = arena_create(job);
    if (job->request->flags & RUN_HIDE_KVM)
        chmod(KVM_DEVICE, 0600);
    if (job->request->flags & RUN_TRACE)
        trace_record_start();

    error = run->arena < 0 || run->signals < 0 ? ENOMEM : 0;
    if (error == 0 && (job->request->flags & RUN_DEVICE))
        error = -device_lend();
    if (error == 0)
        error = subject_start(run);
    if (error == 0) {
        subject_watch(run);
    } else {
        run->end.outcome = RUN_NOT_STARTED;
        run->end.status = error;
    }
    leftovers_kill(run);
    if (job->request->flags & RUN_DEVICE)
        device_take_back();
    if (job->request->flags & RUN_TRACE)
        trace_record_stop();
    if (job->request->flags & RUN_HIDE_KVM)
        chmod(KVM_DEVICE, 0666);
    if (run->output >= 0)
        output_read(run);

    evidence_finish(run);
    call_supervisor_free(run->supervisor);
    if (run->output >= 0)
        close(run->output);
    if (run->keys >= 0)
        close(run->keys);
    if (run->arena >= 0)
        close(run->arena);
    if (run->signals >= 0)
        close(run->signals);
    result = run->channel_error;
    free(run);
    return result;
}
