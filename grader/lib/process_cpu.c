/* process_cpu.c - from /proc/PID/stat. */
#define _GNU_SOURCE
#include "lib/process_cpu.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Its text up to the name's end is not ours to trust: the name may have anything in it. */
double process_cpu(pid_t pid)
{
    unsigned long user = 0, kernel = 0;
    char path[64], text[1024], *at;
    size_t size;
    FILE *file; /* (file_read() goes by a file's size, which is 0 here) */

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    at = strrchr(text, ')');
    if (at)
        sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}
