/* handover.c - a number reaches the subject's guest when no code of the subject's can read it
 * before the guest does: the subject stands, it has one thread and no handler, and there is nobody
 * else. What it does next is what stands behind its checkpoint: the dispatcher's KVM_RUN. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/subject_inside.h"

#define PF_USER_WORKER 0x4000u /* linux/sched.h: runs in the kernel only */

/* KVM gives a process that runs a guest such a thread, to look after large pages. */
static bool thread_of_the_kernel(pid_t process, const char *thread)
{
    char path[320], text[512];
    unsigned flags = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", process, thread);
    FILE *file = fopen(path, "re");
    const size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
           (flags & PF_USER_WORKER);
}

/* Threads that run code of the subject's. */
static unsigned threads_count(pid_t process)
{
    char folder[64];
    const struct dirent *entry;
    unsigned n = 0;

    snprintf(folder, sizeof folder, "/proc/%d/task", process);
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.' && !thread_of_the_kernel(process, entry->d_name);
    if (dir)
        closedir(dir);
    return n;
}

/* A number of /proc/PID/status; base: 10 or 16. False: there is no such line. */
static bool status_number(pid_t pid, const char *name, int base, uint64_t *number)
{
    char path[64], line[256];
    size_t length = strlen(name);
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        found = strncmp(line, name, length) == 0 && line[length] == ':';
        if (found)
            *number = strtoull(line + length + 1, NULL, base);
    }
    if (file)
        fclose(file);
    return found;
}

/* Somebody beside the subject and us who has memory (threads of the kernel have none). */
static bool others_live(const struct run *run)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    bool found = false;
    uint64_t size;

    while (dir && !found && (entry = readdir(dir))) {
        const pid_t pid = (pid_t)atoi(entry->d_name);

        found = pid > 1 && pid != run->pid && status_number(pid, "VmSize", 10, &size);
    }
    if (dir)
        closedir(dir);
    return found || !dir;
}

/* 0, or who could still run (enum handover_refused), or the signal that has a handler. */
static int company_find(const struct run *run)
{
    uint64_t caught = 0;

    if (threads_count(run->pid) != 1)
        return HANDOVER_THREADS;
    if (others_live(run))
        return HANDOVER_PROCESSES;
    if (!status_number(run->pid, "SigCgt", 16, &caught))
        return HANDOVER_THREADS;
    return caught ? __builtin_ffsll((long long)caught) : 0;
}

void handover_take(struct run *run, const struct handover *handover)
{
    const size_t size =
        handover->length < HANDOVER_BYTES ? handover->length : HANDOVER_BYTES;
    int refused = handover->alone ? company_find(run) : 0;
    int fd = subject_memfd_open(run, handover->name, true);

    if (refused == 0 && (fd < 0 || pwrite(fd, handover->bytes, size,
                                          (off_t)handover->offset) != (ssize_t)size))
        refused = HANDOVER_NO_MEMORY;
    if (fd >= 0)
        close(fd);
    if (refused) {
        run->end.outcome = RUN_NOT_ALONE;
        run->end.status = refused;
        kill(run->pid, SIGKILL);
    }
}
