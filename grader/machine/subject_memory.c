/* subject_memory.c - a sum over /proc. */
#define _GNU_SOURCE
#include "machine/subject_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PAGE         4096u
#define SOCKET_BYTES (512u << 10) /* net.core.wmem_max, as the kernel counts it, and some */
#define FILES_MAX    512          /* that are told apart; those beyond count each time */
#define UNSEEN_FREE  4            /* mapped and closed files that count as what is mapped */

/* A file in memory, seen as a descriptor or as a mapping. */
struct seen {
    dev_t device;
    ino_t inode;
};

struct sum {
    uint64_t bytes;
    struct seen seen[FILES_MAX];
    int count;
    int unseen; /* files that are mapped only */
    bool too_many;
};

/* Is it new? Then it is known from now on. */
static bool file_new(struct sum *sum, dev_t device, ino_t inode)
{
    for (int i = 0; i < sum->count; i++)
        if (sum->seen[i].inode == inode && sum->seen[i].device == device)
            return false;
    if (sum->count < FILES_MAX)
        sum->seen[sum->count++] = (struct seen){device, inode};
    return true;
}

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

/* What its descriptors hold. Ours are known, and not the subject's. */
static void descriptors_add(struct sum *sum, const char *pid, bool ours)
{
    char path[300];
    struct dirent *entry;
    struct stat s;

    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (fstatat(dirfd(dir), entry->d_name, &s, 0) < 0)
            continue;
        if (S_ISREG(s.st_mode) && s.st_nlink == 0 && file_new(sum, s.st_dev, s.st_ino) &&
            !ours)
            sum->bytes += (uint64_t)s.st_blocks * 512;
        if (S_ISSOCK(s.st_mode) && !ours && file_new(sum, s.st_dev, s.st_ino))
            sum->bytes += SOCKET_BYTES;
    }
    if (dir)
        closedir(dir);
}

/* A line of /proc/PID/maps: from-to rights offset device inode name */
static void mapping_add(struct sum *sum, const char *line)
{
    uint64_t from, to, inode;
    unsigned major, minor;
    int name = 0;

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64 " %n", &from, &to,
               &major, &minor, &inode, &name) < 5 ||
        inode == 0 || !strstr(line + name, " (deleted)") ||
        !file_new(sum, makedev(major, minor), inode))
        return;
    sum->bytes += ++sum->unseen > UNSEEN_FREE ? SUBJECT_FILE_MAX : to - from;
}

static void mappings_add(struct sum *sum, const char *pid, char *text)
{
    char path[300];
    size_t size = 0;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && size < SUBJECT_MAPS_MAX &&
           (n = read(fd, text + size, SUBJECT_MAPS_MAX - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    sum->too_many |= size == SUBJECT_MAPS_MAX;
    text[size] = 0;
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save))
        mapping_add(sum, line);
}

/* What each process but ourselves has: itself and its descriptors, or what it maps. */
static void processes_add(struct sum *sum, char *text, bool mappings)
{
    struct dirent *entry;
    DIR *proc = opendir("/proc");

    while (proc && (entry = readdir(proc))) {
        int pid = atoi(entry->d_name);

        if (pid <= 0 || pid == getpid())
            continue;
        if (mappings) {
            mappings_add(sum, entry->d_name, text);
        } else {
            sum->bytes += resident(entry->d_name);
            descriptors_add(sum, entry->d_name, false);
        }
    }
    if (proc)
        closedir(proc);
}

uint64_t subject_memory(void)
{
    struct sum sum = {.bytes = 0};
    char *text = malloc(SUBJECT_MAPS_MAX + 1);

    descriptors_add(&sum, "self", true);
    processes_add(&sum, text, false); /* first, all that is open: the rest is mapped only */
    if (text)
        processes_add(&sum, text, true);
    free(text);
    return sum.too_many ? UINT64_MAX : sum.bytes;
}
