/* sandbox.c - bubblewrap on the host. */
#define _GNU_SOURCE
#include "judge/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"

#define BWRAP "bwrap"

/* The agent's program as a descriptor: whoever we become can execute it. */
static int program_load(const char *path)
{
    char buffer[65536];
    int in = open(path, O_RDONLY | O_CLOEXEC), out = memfd_create("agent", MFD_CLOEXEC);
    ssize_t n = -1;

    while (in >= 0 && out >= 0 && (n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, (size_t)n) != n)
            n = -2;
    if (in >= 0)
        close(in);
    if (n != 0 && out >= 0) {
        close(out);
        out = -1;
    }
    return out;
}

_Noreturn static void agent_exec(int program, bool runtime, int channel, pid_t parent)
{
    char path[32], number[16];
    const char *args[48];
    int n = 0;

    root_drop(); /* limits count by user, and root has none. First: it would undo the next line */
    child_bind(parent);
    child_apart(-1, -1, -1, (const int[]){program, channel, -1});
    snprintf(path, sizeof path, "/proc/self/fd/%d", program);
    snprintf(number, sizeof number, "%d", channel);
    for (const char *const *word =
             (const char *const[]){BWRAP, "--unshare-all", "--as-pid-1",
                                   "--die-with-parent", "--clearenv", "--cap-drop", "ALL",
                                   "--proc", "/proc", "--dev", "/dev", "--dir", "/tmp",
                                   NULL};
         *word; word++)
        args[n++] = *word;
    for (const char *const *folder = (const char *const[]){"/usr", "/lib", "/lib64", NULL};
         runtime && *folder; folder++) {
        args[n++] = "--ro-bind-try";
        args[n++] = *folder;
        args[n++] = *folder;
    }
    /* Both are file systems in memory that outlive a subject. */
    args[n++] = "--remount-ro";
    args[n++] = "/dev";
    args[n++] = "--remount-ro";
    args[n++] = "/";
    args[n++] = "--";
    args[n++] = path;
    args[n++] = "sandbox";
    args[n++] = number;
    args[n] = NULL;
    execvp(BWRAP, (char *const *)args);
    _exit(127);
}

pid_t sandbox_agent_start(const char *agent, bool runtime, int *channel)
{
    int sockets[2], program = program_load(agent);
    pid_t parent = getpid(), pid;

    if (program < 0)
        return -ENOENT;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        close(program);
        return -errno;
    }
    pid = fork();
    if (pid == 0)
        agent_exec(program, runtime, sockets[1], parent);
    close(sockets[1]);
    close(program);
    *channel = sockets[0];
    if (pid < 0) {
        close(sockets[0]);
        return -errno;
    }
    return pid;
}

/* --- a tool on a file ------------------------------------------------------------------------- */

_Noreturn static void tool_exec(enum cage cage, const struct cage_wish *wish,
                                const char *const *words, int output, pid_t parent)
{
    struct command c = {.count = 0};
    char name[64];

    child_bind(parent);
    cage_file(cage, wish, name, sizeof name);
    command_add_words(
        &c, (const char *const[]){"prlimit", "--cpu=5", "--as=1000000000", "--", NULL});
    cage_begin(&c, cage, wish);
    for (; *words; words++)
        command_add(&c, "%s", strcmp(*words, "FILE") == 0 ? name : *words);
    if (c.cut)
        _exit(126);
    child_apart(-1, output, -1, (const int[]){wish->file_fd, -1});
    execvp(c.argv[0], c.argv);
    _exit(127);
}

bool sandbox_tool_run(enum cage cage, const char *file, const char *const *words,
                      char *output, size_t size)
{
    const struct cage_wish wish = {.file = file,
                                   .file_fd = open(file, O_RDONLY | O_CLOEXEC)};
    int pipes[2], status = -1;
    size_t length = 0;
    pid_t parent = getpid(), pid;
    ssize_t n;

    output[0] = 0;
    if (wish.file_fd < 0)
        return false;
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        close(wish.file_fd);
        return false;
    }
    pid = fork();
    if (pid == 0)
        tool_exec(cage, &wish, words, pipes[1], parent);
    close(pipes[1]);
    close(wish.file_fd);
    while (pid > 0 && length + 1 < size &&
           (n = read(pipes[0], output + length, size - 1 - length)) > 0)
        length += (size_t)n;
    output[length] = 0;
    close(pipes[0]); /* one that has more to say is ended by SIGPIPE */
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && (length + 1 == size || status == 0);
}
