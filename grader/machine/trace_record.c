/* trace_record.c - tracefs: the kernel's own record of every VM entry and exit. */
#define _GNU_SOURCE
#include "machine/trace_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/frames.h"

#define TRACE_PAGE   4096u
#define BUFFER_KB    "6144"
#define PAGES_MAX    (7u << 20)
#define EVENTS       TRACEFS "/events/kvm"
#define RAW_PAGES    TRACEFS "/per_cpu/cpu0/trace_pipe_raw"
#define BUFFER_STATS TRACEFS "/per_cpu/cpu0/stats"

static bool file_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool ok;

    if (fd < 0)
        return false;
    ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

bool trace_record_prepare(void)
{
    return file_put(TRACEFS "/tracing_on", "0") &&
           file_put(TRACEFS "/buffer_size_kb", BUFFER_KB) &&
           file_put(TRACEFS "/trace_clock", "mono") &&
           file_put(TRACEFS "/options/overwrite", "0") && file_put(EVENTS "/enable", "1");
}

void trace_record_start(void)
{
    file_put(TRACEFS "/trace", "");
    file_put(TRACEFS "/tracing_on", "1");
}

void trace_record_stop(void)
{
    file_put(TRACEFS "/tracing_on", "0");
}

/* "overrun: N" and "dropped events: N" of the buffer's statistics. */
uint32_t trace_record_lost(void)
{
    char line[128];
    unsigned value, lost = 0;
    FILE *file = fopen(BUFFER_STATS, "re");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "overrun: %u", &value) == 1 ||
            sscanf(line, "dropped events: %u", &value) == 1)
            lost += value;
    if (file)
        fclose(file);
    return lost;
}

int trace_record_send(int channel, uint32_t *lost)
{
    int fd = open(RAW_PAGES, O_RDONLY | O_NONBLOCK | O_CLOEXEC), r;
    uint8_t *pages = malloc(PAGES_MAX);
    size_t size = 0;

    *lost = trace_record_lost();
    while (fd >= 0 && pages && size + TRACE_PAGE <= PAGES_MAX) {
        ssize_t n = read(fd, pages + size, TRACE_PAGE);

        if (n <= 0)
            break;
        memset(pages + size + n, 0, TRACE_PAGE - (size_t)n);
        size += TRACE_PAGE;
    }
    if (fd < 0 || !pages)
        *lost += 1; /* a record that could not be read is not an empty one */
    r = frame_send(channel, FRAME_TRACE, NULL, 0, pages, size);
    free(pages);
    if (fd >= 0)
        close(fd);
    return r;
}

static int format_send(int channel, const char *name, const char *path)
{
    char text[16384];
    size_t name_size = strlen(name) + 1, size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return -errno;
    while (size < sizeof text && (n = read(fd, text + size, sizeof text - size)) > 0)
        size += (size_t)n;
    close(fd);
    return n < 0 ? -errno
                 : frame_send(channel, FRAME_FORMAT_TEXT, name, name_size, text, size);
}

int trace_formats_send(int channel)
{
    DIR *dir = opendir(EVENTS);
    struct dirent *entry;
    int r = format_send(channel, "header_page", TRACEFS "/events/header_page");

    while (r == 0 && dir && (entry = readdir(dir))) {
        char path[512];

        snprintf(path, sizeof path, EVENTS "/%s/format", entry->d_name);
        if (entry->d_name[0] != '.' && access(path, R_OK) == 0)
            r = format_send(channel, entry->d_name, path);
    }
    if (dir)
        closedir(dir);
    return r < 0 ? r : frame_send(channel, FRAME_FORMAT_TEXT, NULL, 0, NULL, 0);
}
