/* own_time.c - sums over /proc. */
#define _GNU_SOURCE
#include "machine/own_time.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t us_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_nsec / 1000;
}

uint64_t clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return us_of(&t);
}

/* The text of a small file of /proc; "" if it is gone. */
static void text_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
}

bool waits_known(void)
{
    return access("/proc/self/schedstat", R_OK) == 0;
}

/* "cpu_ns wait_ns timeslices" */
static uint64_t thread_wait_us(const char *tasks, const char *tid)
{
    char path[600], text[128];
    uint64_t cpu, wait;

    snprintf(path, sizeof path, "%s/%s/schedstat", tasks, tid);
    text_read(path, text, sizeof text);
    return sscanf(text, "%" SCNu64 " %" SCNu64, &cpu, &wait) == 2 ? wait / 1000 : 0;
}

void process_wait_us(pid_t pid, uint64_t *together, uint64_t *longest)
{
    uint64_t sum = 0, most = 0;
    struct dirent *entry;
    char tasks[64];
    DIR *dir;

    snprintf(tasks, sizeof tasks, "/proc/%d/task", pid);
    dir = opendir(tasks);
    while (dir && (entry = readdir(dir))) {
        uint64_t wait = entry->d_name[0] == '.' ? 0 : thread_wait_us(tasks, entry->d_name);

        sum += wait;
        most = wait > most ? wait : most;
    }
    if (dir)
        closedir(dir);
    if (together)
        *together = sum;
    if (longest)
        *longest = most;
}

uint64_t process_cpu_us(pid_t pid)
{
    struct timespec used = {0};
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) == 0)
        clock_gettime(clock, &used);
    return us_of(&used);
}

/* The processes of /proc but for ourselves; NULL at the end. */
static struct dirent *other_next(DIR *proc)
{
    struct dirent *entry;

    while (proc && (entry = readdir(proc))) {
        int pid = atoi(entry->d_name);

        if (pid > 0 && pid != getpid())
            return entry;
    }
    return NULL;
}

/* Its own time and that of children it has waited for, in clock ticks: fields 14 to 17, which
 * stand behind the name in brackets. */
static uint64_t family_ticks(const char *pid)
{
    uint64_t used[4] = {0};
    char path[300], text[1024];
    const char *at;

    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    text_read(path, text, sizeof text);
    at = strrchr(text, ')');
    if (at)
        sscanf(at + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &used[0], &used[1], &used[2], &used[3]);
    return used[0] + used[1] + used[2] + used[3];
}

static uint64_t timeval_us(const struct timeval *t)
{
    return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

uint64_t others_cpu_us(void)
{
    const uint64_t tick = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    struct rusage reaped;
    struct dirent *entry;
    DIR *proc = opendir("/proc");
    uint64_t us = 0;

    while ((entry = other_next(proc)))
        us += family_ticks(entry->d_name) * tick;
    if (proc)
        closedir(proc);
    getrusage(RUSAGE_CHILDREN, &reaped);
    return us + timeval_us(&reaped.ru_utime) + timeval_us(&reaped.ru_stime);
}

uint64_t others_wait_us(void)
{
    struct dirent *entry;
    DIR *proc = opendir("/proc");
    uint64_t most = 0, longest;

    while ((entry = other_next(proc))) {
        process_wait_us(atoi(entry->d_name), NULL, &longest);
        most = longest > most ? longest : most;
    }
    if (proc)
        closedir(proc);
    return most;
}
