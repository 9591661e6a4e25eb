/* guard.c - a process that adopts whoever is left, and ends him. */
#define _GNU_SOURCE
#include "lib/guard.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/command.h"
#include "lib/status.h"

#define LOOK_MS 500 /* between two looks for orphans while the verb works */
#define GIVE_UP                                                                            \
    20.0 /* seconds: what the kernel does not end then (a disk that hangs) stays */

#define MOMENT 2.0 /* seconds for who is to end by himself (GUARD_SPARED) */

/* The parent of a process, from /proc/PID/stat: "PID (name) state parent ...". 0: it is gone. */
static pid_t parent_of(const char *pid, bool *spared)
{
    char path[300], text[512] = "";
    int parent = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    *spared = strstr(text, "(" GUARD_SPARED ")") != NULL;
    const char *behind = strrchr(text, ')'); /* the name may hold anything */
    return behind && sscanf(behind, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Kills our children, but for one (0: all), and but for those of the name GUARD_SPARED. */
static void children_kill(pid_t spared, bool spares)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    while (proc && (entry = readdir(proc))) {
        pid_t pid = atoi(entry->d_name);
        bool named = false;

        if (pid > 0 && pid != spared && parent_of(entry->d_name, &named) == getpid() &&
            !(named && spares))
            kill(pid, SIGKILL);
    }
    if (proc)
        closedir(proc);
}

/* Buries who has died. True: the verb is among them. */
static bool dead_reap(pid_t verb, int *status)
{
    bool ended = false;
    pid_t pid;
    int how;

    while ((pid = waitpid(-1, &how, WNOHANG)) > 0)
        if (pid == verb) {
            *status = how;
            ended = true;
        }
    return ended;
}

/* Until there is nobody left: who is killed leaves his children to us. */
static void children_end(void)
{
    const double start = now_seconds(), until = start + GIVE_UP;
    int status;

    while (now_seconds() < until) {
        children_kill(0, now_seconds() < start + MOMENT);
        dead_reap(0, &status);
        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
            return;
        usleep(1000);
    }
}

/* Until the verb ends (its wait status) or the grader is gone (-1). Whoever has lost his parent
 * meanwhile has no business any more. */
static int verb_watch(pid_t verb, int grader, const sigset_t *unblocked)
{
    struct pollfd gone = {.fd = grader, .events = POLLIN};
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000l};
    int status = -1;

    while (!dead_reap(verb, &status)) {
        if (ppoll(&gone, 1, &look, unblocked) > 0)
            return -1;
        children_kill(verb, true);
    }
    return status;
}

static void nothing(int signal)
{
    (void)signal;
}

/* The guard's life. The verb waits for `go`: who ends our group before we have left it ends the
 * verb too, which has started nothing. */
_Noreturn static void guard_main(int grader, pid_t parent,
                                 int (*work)(int count, char **words), int count,
                                 char **words)
{
    int go[2], status;
    sigset_t child, before;
    pid_t self = getpid(), verb;
    char byte = 0;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    if (getppid() != parent || pipe(go) < 0 || (verb = fork()) < 0)
        _exit(EXIT_GRADER);
    if (verb == 0) {
        child_bind(self);
        sigprocmask(SIG_SETMASK, &before, NULL);
        close(grader);
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(EXIT_GRADER);
        close(go[0]);
        exit(work(count, words));
    }
    signal(SIGCHLD, nothing); /* ends the wait */
    child_apart(-1, -1, -1, NULL);
    if (write(go[1], &byte, 1) != 1)
        _exit(EXIT_GRADER);
    close(go[0]);
    close(go[1]);
    status = verb_watch(verb, grader, &before);
    children_end();
    if (status >= 0 && write(grader, &status, sizeof status) < 0)
        _exit(EXIT_GRADER);
    _exit(0);
}

/* What ended the verb is what the caller sees. */
static int status_repeat(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

/* --- the caller's terminal, and signals to us ------------------------------------------------ */

static bool terminal_get(struct termios *terminal)
{
    return tcgetattr(STDIN_FILENO, terminal) == 0 && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* A verb that ended in its midst may have left it raw. */
static void terminal_put(const struct termios *before)
{
    struct termios now;
    sigset_t set;

    if (!terminal_get(&now) || now.c_lflag == before->c_lflag)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    sigprocmask(SIG_BLOCK, &set, NULL);
    tcsetattr(STDIN_FILENO, TCSADRAIN, before);
}

static volatile sig_atomic_t asked; /* to end, by this signal */

static void end_note(int signal)
{
    asked = signal;
}

/* Not those that the caller has us ignore (nohup). They end read(). */
static void signals_take(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const struct sigaction note = {.sa_handler = end_note};
        struct sigaction before;

        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(ends[i], &note, NULL);
    }
}

int guarded(int (*work)(int count, char **words), int count, char **words)
{
    int sockets[2], status;
    pid_t parent = getpid(), guard;
    struct termios terminal;
    const bool has_terminal = terminal_get(&terminal);
    ssize_t n;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 ||
        (guard = fork()) < 0) {
        fprintf(stderr, "grader: cannot start: %s\n", strerror(errno));
        return EXIT_GRADER;
    }
    if (guard == 0) {
        close(sockets[0]);
        guard_main(sockets[1], parent, work, count, words);
    }
    close(sockets[1]);
    signals_take();
    do
        n = read(sockets[0], &status, sizeof status);
    while (n < 0 && errno == EINTR && !asked);
    close(sockets[0]);
    children_end(); /* the guard; and all the others, if it was killed */
    if (has_terminal)
        terminal_put(&terminal);
    if (asked)
        return status_repeat(asked); /* (a wait status is the signal's number) */
    if (n == sizeof status)
        return status_repeat(status);
    fprintf(stderr, "grader: the process that guards this run was killed\n");
    return EXIT_GRADER;
}
