/* files.c - files, folders, locks. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/files.h"

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
    /* Others may read it, where the file system has such a thing (WSL's /mnt/c has not). */
    ok = bytes_put(fd, bytes, size) &&
         (fchmod(fd, 0644) == 0 || errno == EPERM || errno == ENOTSUP || errno == ENOSYS) &&
         fsync(fd) == 0;
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

void folder_prune(const char *folder, const char *keep, long seconds)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && (!keep || strcmp(path, keep) != 0) &&
            stat(path, &s) == 0 && time(NULL) - s.st_mtime > seconds)
            folder_remove(path);
    }
    if (dir)
        closedir(dir);
}

/* "grades.csv.aB3dE9", "new.Xy12Zz": what mkstemp() and mkdtemp() make for us. */
static bool name_is_fresh(const char *name)
{
    size_t length = strlen(name);
    const char *ends[] = {"new", ".csv", ".json", ".xml", ".html", ".txt", ".zip", ".sh"};

    if (length < 8 || name[length - 7] != '.' ||
        strspn(name + length - 6, "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != 6)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t tail = strlen(ends[i]);

        if (length - 7 >= tail && strncmp(name + length - 7 - tail, ends[i], tail) == 0)
            return true;
    }
    return false;
}

void leftovers_prune(const char *folder, long seconds)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char path[PATH_ROOM];
        struct stat s;

        path_make(path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || lstat(path, &s) < 0)
            continue;
        if (name_is_fresh(entry->d_name)) {
            if (time(NULL) - s.st_mtime > seconds)
                folder_remove(path);
        } else if (S_ISDIR(s.st_mode)) {
            leftovers_prune(path, seconds);
        }
    }
    if (dir)
        closedir(dir);
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
