/* files.c - files, folders, locks and other programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "grader.h"

#define OUTPUT_MAX 65536

void path_make(char *path, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (vsnprintf(path, PATH_ROOM, format, list) >= PATH_ROOM)
        path[0] = 0;
    va_end(list);
}

char *file_read(const char *path, size_t limit, size_t *size)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not stop us */
    struct stat s;
    char *text = NULL;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &s) == 0) {
        if (!S_ISREG(s.st_mode))
            errno = EINVAL;
        else if ((size_t)s.st_size > limit)
            errno = EFBIG;
        else if ((text = malloc((size_t)s.st_size + 1)) != NULL)
            n = read(fd, text, (size_t)s.st_size);
    }
    if (n < 0) {
        int error = errno;

        free(text);
        text = NULL;
        errno = error;
    } else {
        text[n] = 0;
        if (size)
            *size = (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return text;
}

static bool bytes_put(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool file_write(const char *path, const void *bytes, size_t size)
{
    char fresh[PATH_ROOM];
    int fd, error;
    bool ok;

    path_make(fresh, "%s.XXXXXX", path);
    fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return false;
    ok = bytes_put(fd, bytes, size) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    error = errno;
    if (close(fd) < 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && rename(fresh, path) < 0) {
        ok = false;
        error = errno;
    }
    if (!ok)
        unlink(fresh);
    errno = error;
    return ok;
}

bool folder_make(const char *path)
{
    char partial[PATH_ROOM];

    snprintf(partial, sizeof partial, "%s", path);
    for (char *slash = strchr(partial + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(partial, 0777) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return mkdir(partial, 0777) == 0 || errno == EEXIST;
}

static int entry_remove(const char *path, const struct stat *s, int type, struct FTW *at)
{
    (void)s, (void)type, (void)at;
    return remove(path);
}

bool folder_remove(const char *path)
{
    return nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

bool file_copy(const char *from, const char *to)
{
    size_t size;
    char *bytes = file_read(from, SIZE_MAX, &size);
    bool ok = bytes && file_write(to, bytes, size);

    free(bytes);
    return ok;
}

int lock_take(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    return fd;
}

void lock_drop(int lock)
{
    if (lock >= 0)
        close(lock);
}

double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads until the end, the deadline (0: none), or an error; keeps the first OUTPUT_MAX
 * bytes. False: the deadline passed. */
static bool output_collect(int fd, char *buffer, double deadline)
{
    size_t size = 0;

    for (;;) {
        char piece[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int wait = deadline > 0 ? (int)((deadline - now_seconds()) * 1000) : -1;

        if (deadline > 0 && wait <= 0)
            return false;
        if (poll(&p, 1, wait) <= 0)
            continue;
        ssize_t n = read(fd, piece, sizeof piece);
        if (n <= 0)
            return true;
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
    int pipes[2] = {-1, -1}, status;
    pid_t parent = getpid(), pid;
    bool in_time = true;

    if (output) {
        *output = calloc(1, OUTPUT_MAX + 1);
        if (!*output || pipe2(pipes, O_CLOEXEC) < 0)
            return -1;
    }
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        signal(SIGPIPE, SIG_DFL); /* ignored signals stay ignored across exec */
        if (output) {
            setpgid(0, 0);
            dup2(open("/dev/null", O_RDONLY), 0);
            dup2(pipes[1], 1);
            dup2(pipes[1], 2);
        }
        execvp(argv[0], argv);
        dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    if (output) {
        close(pipes[1]);
        in_time = pid < 0 ||
                  output_collect(pipes[0], *output, seconds ? now_seconds() + seconds : 0);
        close(pipes[0]);
    }
    if (pid < 0)
        return -1;
    if (!in_time)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return in_time ? status_decode(status) : -1;
}
