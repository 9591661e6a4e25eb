/* orphans.c - kills graders at random moments and looks who is left.
 *
 *   orphans TIMES SEED COMMAND...
 *
 * The command gets a pipe as its output and, under a number that nobody told it of, once more: when
 * all is gone, the pipe is at its end. Whoever outlives his parents becomes our child (we are a
 * "subreaper"), so that nobody has to be looked for by name. Last line: how many were clean. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LATEST_MS  2500  /* the latest moment to kill at */
#define PATIENCE   10000 /* ms: until then, all have to be gone */
#define UNTOLD     9     /* the caller's descriptor that is none of theirs */
#define ENOUGH     200   /* children that are named */
#define TARGETS    4
#define GROUP_TOO  1
#define GUARD_ONLY 2

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Our living children, or those of another; how many. */
static int children_of(pid_t parent, pid_t list[ENOUGH])
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int n = 0;

    while (proc && (entry = readdir(proc)) && n < ENOUGH) {
        char path[300], text[512] = "", state;
        int of;

        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
        if (!file)
            continue;
        text[fread(text, 1, sizeof text - 1, file)] = 0;
        fclose(file);
        const char *behind = strrchr(text, ')');
        if (behind && sscanf(behind, ") %c %d", &state, &of) == 2 && of == parent &&
            state != 'Z')
            list[n++] = atoi(entry->d_name);
    }
    if (proc)
        closedir(proc);
    return n;
}

static void name_print(pid_t pid)
{
    char path[64], text[200] = "";

    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    for (size_t i = 0; i < n; i++)
        text[i] = text[i] ? text[i] : ' ';
    printf("    left: %d %s\n", pid, text);
}

_Noreturn static void command_exec(char **command, int output)
{
    setpgid(0, 0);
    dup2(output, 1);
    dup2(output, 2);
    dup2(output, UNTOLD);
    execv(command[0], command);
    _exit(127);
}

static void strike(pid_t grader, int target)
{
    pid_t children[ENOUGH];
    int n = target == GUARD_ONLY ? children_of(grader, children) : 0;

    kill(n > 0 ? children[0] : target == GROUP_TOO ? -grader : grader, SIGKILL);
}

/* Reads until the end of the pipe, or patience's. */
static bool pipe_ends(int fd, long until)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char buffer[4096];

    while (now_ms() < until)
        if (poll(&p, 1, 100) > 0 && read(fd, buffer, sizeof buffer) <= 0)
            return true;
    return false;
}

static bool all_end(long until)
{
    while (now_ms() < until) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
            return true;
        usleep(2000);
    }
    return false;
}

static void left_end(void)
{
    pid_t left[ENOUGH];
    int n = children_of(getpid(), left);

    for (int i = 0; i < n; i++) {
        name_print(left[i]);
        kill(left[i], SIGKILL);
    }
    all_end(now_ms() + PATIENCE);
}

static bool try_once(char **command, long moment, int target)
{
    int pipes[2];
    long until;

    if (pipe2(pipes, 0) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        command_exec(command, pipes[1]);
    }
    close(pipes[1]);
    usleep((useconds_t)moment * 1000);
    strike(pid, target);
    until = now_ms() + PATIENCE;
    bool ended = pipe_ends(pipes[0], until), gone = all_end(until);
    close(pipes[0]);
    if (!ended || !gone)
        printf("  killed after %ld ms (%d): %s%s\n", moment, target,
               ended ? "" : "somebody holds the caller's pipe; ",
               gone ? "" : "somebody is left");
    if (!gone)
        left_end();
    return ended && gone;
}

int main(int argc, char **argv)
{
    int times, clean = 0;

    if (argc < 4)
        return 2;
    times = atoi(argv[1]);
    srandom((unsigned)atoi(argv[2]));
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < times; i++)
        clean += try_once(argv + 3, random() % LATEST_MS, i % TARGETS);
    printf("orphans: %d passed, %d failed\n", clean, times - clean);
    return clean != times;
}
