/* command.c - other programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/command.h"
#include "lib/files.h"

#define OUTPUT_MAX 65536
#define STARVED    10 /* so many times its deadline, then this computer is too busy */

double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool program_there(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/usr/bin:/bin"), file[PATH_ROOM];
    bool found = false;

    for (char *save, *dir = strtok_r(copy, ":", &save); dir && !found;
         dir = strtok_r(NULL, ":", &save)) {
        path_make(file, "%s/%s", dir, name);
        found = access(file, X_OK) == 0;
    }
    free(copy);
    return found;
}

void command_add(struct command *c, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (c->count < COMMAND_WORDS - 1 && vasprintf(&c->argv[c->count], format, list) >= 0)
        c->count++;
    else
        c->cut = true;
    va_end(list);
    c->argv[c->count] = NULL;
}

void command_add_words(struct command *c, const char *const *words)
{
    for (; *words; words++)
        command_add(c, "%s", *words);
}

void command_free(struct command *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->argv[i]);
}

/* For how long processors of this computer have had nothing to do, in seconds of all of them
 * together; below 0: it does not say. */
static double idle_seconds(void)
{
    unsigned long long idle = 0, disk = 0;
    FILE *file = fopen("/proc/stat", "re");
    bool said =
        file && fscanf(file, "cpu %*u %*u %*u %llu %llu", &idle, &disk) == 2; /* in ticks */

    if (file)
        fclose(file);
    return said ? (double)(idle + disk) / (double)sysconf(_SC_CLK_TCK) : -1;
}

/* A deadline that a busy computer puts off: it only counts once processors have been idle for
 * half of it. */
struct patience {
    double seconds, begin, idle_begin;
    double next; /* when to look */
};

static struct patience patience_begin(int seconds)
{
    return (struct patience){.seconds = seconds,
                             .begin = now_seconds(),
                             .idle_begin = idle_seconds(),
                             .next = now_seconds() + seconds};
}

/* 0: it may go on; -1: it has had its time; COMMAND_STARVED. */
static int patience_look(struct patience *p)
{
    double now = now_seconds();

    if (p->seconds == 0 || now < p->next)
        return 0;
    if (p->idle_begin < 0 || idle_seconds() - p->idle_begin >= p->seconds / 2)
        return -1;
    p->next = now + p->seconds / 4;
    return now - p->begin < p->seconds * STARVED ? 0 : COMMAND_STARVED;
}

/* How long poll() may wait, in milliseconds. */
static int patience_wait(const struct patience *p)
{
    double left = p->next - now_seconds();

    return p->seconds == 0 ? -1 : left > 0 ? 1 + (int)(left * 1000) : 0;
}

/* Reads until the end, or an error; keeps the first OUTPUT_MAX bytes. 0, or why the patience
 * ended. */
static int output_collect(int fd, char *buffer, struct patience *patience)
{
    size_t size = 0;

    for (;;) {
        char piece[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int over = patience_look(patience);

        if (over)
            return over;
        if (poll(&p, 1, patience_wait(patience)) <= 0)
            continue;
        ssize_t n = read(fd, piece, sizeof piece);
        if (n <= 0)
            return 0;
        size_t room = OUTPUT_MAX - size;
        size_t take = (size_t)n < room ? (size_t)n : room;
        memcpy(buffer + size, piece, take);
        size += take;
        buffer[size] = 0;
    }
}

static int status_decode(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(char *const argv[], char **output, int seconds)
{
    struct patience patience = patience_begin(seconds);
    int pipes[2] = {-1, -1}, status, over = 0;
    pid_t parent = getpid(), pid;

    if (output) {
        *output = calloc(1, OUTPUT_MAX + 1);
        if (!*output || pipe2(pipes, O_CLOEXEC) < 0)
            return -1;
    }
    pid = fork();
    if (pid == 0) {
        child_bind(parent);
        signal(SIGPIPE, SIG_DFL); /* ignored signals stay ignored across exec */
        if (output)
            child_apart(-1, pipes[1], pipes[1], NULL);
        else
            child_files(0, 1, 2, NULL);
        execvp(argv[0], argv);
        dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (output) {
        close(pipes[1]);
        over = pid < 0 ? 0 : output_collect(pipes[0], *output, &patience);
        close(pipes[0]);
    }
    if (pid < 0)
        return -1;
    if (over)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return over ? over : status_decode(status);
}
