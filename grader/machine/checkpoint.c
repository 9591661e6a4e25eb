/* checkpoint.c - evidence at a checkpoint: the subject has stopped itself. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/frames.h"
#include "machine/subject_inside.h"
#include "machine/subject_memory.h"

/* A memfd may have any name, a line of this list too. */
static void line_clean(char *text, size_t size)
{
    text[size] = 0;
    for (; *text; text++)
        if ((unsigned char)*text < 32)
            *text = '?';
}

/* A line per descriptor: number, flags of /proc/PID/fdinfo (octal), where it leads. */
static void fds_send(struct run *run, uint32_t checkpoint)
{
    char text[LIMIT_FILES * 160], path[64];
    size_t size = 0;
    DIR *dir;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/fd", run->pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)) && size + 200 < sizeof text) {
        char link[320], info[320], target[128], line[128];
        unsigned flags = 0;
        ssize_t n;

        snprintf(link, sizeof link, "/proc/%d/fd/%s", run->pid, entry->d_name);
        snprintf(info, sizeof info, "/proc/%d/fdinfo/%s", run->pid, entry->d_name);
        n = readlink(link, target, sizeof target - 1);
        if (n < 0)
            continue;
        line_clean(target, (size_t)n);
        FILE *file = fopen(info, "re");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "flags: %o", &flags) == 1)
                break;
        if (file)
            fclose(file);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s %o %s\n",
                                 entry->d_name, flags, target);
    }
    if (dir)
        closedir(dir);
    evidence_send(run, FRAME_FDS, &checkpoint, sizeof checkpoint, text, size);
}

/* One with more mappings than a line each has room for is ended: the judge keeps the text of all
 * checkpoints, and what is cut off would be taken for unmapped. */
static void maps_send(struct run *run, uint32_t checkpoint)
{
    char path[64], *text = malloc(SUBJECT_MAPS_MAX);
    size_t size = 0;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/maps", run->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (text && fd >= 0 && size < SUBJECT_MAPS_MAX &&
           (n = read(fd, text + size, SUBJECT_MAPS_MAX - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    if (size == SUBJECT_MAPS_MAX) {
        run->end.outcome = RUN_TOO_LARGE;
        kill(run->pid, SIGKILL);
    }
    evidence_send(run, FRAME_MAPS, &checkpoint, sizeof checkpoint, text, size);
    free(text);
}

/* Is descriptor name of the subject's such a memfd? */
static bool memfd_called(const char *link, const char *wanted)
{
    char target[128];
    ssize_t n = readlink(link, target, sizeof target - 1);

    target[n > 0 ? n : 0] = 0;
    return strcmp(target, wanted) == 0;
}

/* Is it the same one as fd? (A descriptor may have been duplicated.) */
static bool memfd_same(int fd, const char *link)
{
    struct stat one, other;

    return fstat(fd, &one) == 0 && stat(link, &other) == 0 && one.st_ino == other.st_ino &&
           one.st_dev == other.st_dev;
}

int subject_memfd_open(const struct run *run, const char *name, bool write)
{
    char path[64], wanted[64];
    bool several = false;
    int fd = -1;
    DIR *dir;
    struct dirent *entry;

    snprintf(wanted, sizeof wanted, "/memfd:%.31s (deleted)", name);
    snprintf(path, sizeof path, "/proc/%d/fd", run->pid);
    dir = opendir(path);
    while (dir && !several && (entry = readdir(dir))) {
        char link[320];

        snprintf(link, sizeof link, "/proc/%d/fd/%s", run->pid, entry->d_name);
        if (!memfd_called(link, wanted))
            continue;
        if (fd < 0)
            fd = open(link, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        else
            several = !memfd_same(fd, link);
    }
    if (dir)
        closedir(dir);
    if (several) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void windows_send(struct run *run, uint32_t checkpoint)
{
    for (uint32_t i = 0; i < run->job->request->window_count; i++) {
        const struct window *window = &run->job->windows[i];
        struct window_data head = {.checkpoint = checkpoint, .window = i};
        uint8_t *bytes = malloc(window->length);
        int fd = subject_memfd_open(run, window->name, false);
        ssize_t n = -1;

        if (fd >= 0 && bytes)
            n = pread(fd, bytes, window->length, (off_t)window->offset);
        head.length = n > 0 ? (uint32_t)n : 0;
        evidence_send(run, FRAME_WINDOW, &head, sizeof head, bytes, head.length);
        free(bytes);
        if (fd >= 0)
            close(fd);
    }
}

/* The deadline goes on meanwhile: the judge does not take long. */
static void judge_wait(struct run *run, uint32_t checkpoint)
{
    evidence_send(run, FRAME_CHECKPOINT, NULL, 0, &checkpoint, sizeof checkpoint);
    if (stop_received(run)) {
        run->end.outcome = RUN_TIMED_OUT;
        kill(run->pid, SIGKILL);
    }
}

void checkpoint_take(struct run *run)
{
    uint32_t checkpoint = run->end.checkpoints++;

    if (checkpoint >= RUN_CHECKPOINTS_MAX) {
        run->end.outcome = RUN_TOO_STOPPED;
        kill(run->pid, SIGKILL);
        return;
    }
    fds_send(run, checkpoint);
    maps_send(run, checkpoint);
    windows_send(run, checkpoint);
    if (run->job->request->flags & RUN_HOLD)
        judge_wait(run, checkpoint);
    kill(run->pid, SIGCONT);
}
