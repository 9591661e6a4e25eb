/* subject_memory.c - a sum over /proc. */
#define _GNU_SOURCE
#include "machine/subject_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

static uint64_t resident(const char *pid)
{
    char path[300], text[128];
    uint64_t all = 0, pages = 0;
    ssize_t n = 0;

    snprintf(path, sizeof path, "/proc/%s/statm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof text - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = 0;
    return sscanf(text, "%" SCNu64 " %" SCNu64, &all, &pages) == 2 ? pages * PAGE : 0;
}

static uint64_t files(const char *pid)
{
    char path[300];
    uint64_t bytes = 0;
    struct dirent *entry;
    struct stat s;

    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (fstatat(dirfd(dir), entry->d_name, &s, 0) == 0 && S_ISREG(s.st_mode) &&
            s.st_nlink == 0)
            bytes += (uint64_t)s.st_blocks * 512;
    if (dir)
        closedir(dir);
    return bytes;
}

uint64_t subject_memory(void)
{
    uint64_t bytes = 0;
    struct dirent *entry;
    DIR *proc = opendir("/proc");

    while (proc && (entry = readdir(proc))) {
        int pid = atoi(entry->d_name);

        if (pid > 0 && pid != getpid())
            bytes += resident(entry->d_name) + files(entry->d_name);
    }
    if (proc)
        closedir(proc);
    return bytes;
}
