/* watch.c - the verb watch: grade again whenever a part is saved. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/child.h"
#include "lib/files.h"
#include "lib/lab.h"
#include "verbs/verbs.h"

#define SETTLE_MS 150 /* editors save in several steps */
#define POLL_MS   700 /* where the file system does not tell */

struct watch {
    const struct settings *settings;
    const struct lab *lab; /* or NULL: all */
    const struct labs *labs;
    int inotify; /* -1: look at the files' times instead */
    uint64_t stamp;
};

/* Network and host-shared file systems (WSL's /mnt/c is 9p) do not report changes. */
static bool changes_are_told(const char *path)
{
    static const long silent[] = {0x01021997 /* 9p */, 0x6969 /* nfs */,
                                  0xff534d42 /* cifs */, 0x65735546 /* fuse */,
                                  0x786f4256 /* vboxsf */};
    struct statfs s;

    if (statfs(path, &s) < 0)
        return false;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        if ((s.f_type & 0xffffffff) == silent[i])
            return false;
    return true;
}

/* Changes when any part's time or size does. */
static uint64_t parts_stamp(const struct watch *w)
{
    uint64_t stamp = 14695981039346656037ull;

    for (int i = 0; i < w->labs->count; i++) {
        const struct lab *lab = &w->labs->list[i];

        for (int p = 0; (!w->lab || w->lab == lab) && p < lab->part_count; p++) {
            char path[PATH_ROOM];
            struct stat s = {0};

            path_make(path, "%s/%s/%s", w->settings->from, lab->name, lab->parts[p]);
            if (stat(path, &s) < 0)
                s.st_size = -1;
            stamp = (stamp ^ (uint64_t)s.st_mtim.tv_nsec ^
                     (uint64_t)s.st_mtim.tv_sec << 20 ^ (uint64_t)s.st_size) *
                    1099511628211ull;
        }
    }
    return stamp;
}

static void watch_begin(struct watch *w)
{
    w->inotify =
        changes_are_told(w->settings->from) ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
    for (int i = 0; w->inotify >= 0 && i < w->labs->count; i++) {
        char path[PATH_ROOM];

        if (w->lab && w->lab != &w->labs->list[i])
            continue;
        path_make(path, "%s/%s", w->settings->from, w->labs->list[i].name);
        if (inotify_add_watch(w->inotify, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE) <
            0) {
            close(w->inotify);
            w->inotify = -1;
        }
    }
    if (w->inotify < 0)
        printf(
            "(This file system does not report changes: looking every %.1f s instead.)\n",
            POLL_MS / 1000.0);
    w->stamp = parts_stamp(w);
}

/* Returns when a part has changed and things have settled. */
static void change_wait(struct watch *w)
{
    char events[4096];

    for (;;) {
        struct pollfd p = {.fd = w->inotify, .events = POLLIN};

        poll(&p, w->inotify >= 0 ? 1 : 0, w->inotify >= 0 ? -1 : POLL_MS);
        usleep(SETTLE_MS * 1000);
        while (w->inotify >= 0 && read(w->inotify, events, sizeof events) > 0)
            ;
        uint64_t stamp = parts_stamp(w);
        if (stamp != w->stamp) {
            w->stamp = stamp;
            return;
        }
    }
}

/* In a process of its own, as if typed again; with new numbers unless SEED= was given. */
static void grade_again(const struct watch *w)
{
    pid_t parent = getpid(), pid;

    if (isatty(1))
        printf("\033[H\033[2J");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct settings s = *w->settings;

        child_bind(parent);
        if (!s.seed_text)
            s.seed = seed_random();
        int status = verb_grade.run(&s);
        fflush(stdout);
        _exit(status);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    printf("\nWatching. Save a part to grade again; Ctrl-C ends.\n");
    fflush(stdout);
}

static int watch_verb(const struct settings *s)
{
    struct watch w = {.settings = s, .inotify = -1};
    struct labs labs;
    long times = s->times ? strtol(s->times, NULL, 10) : -1;

    if (!labs_load(&labs))
        return EXIT_GRADER;
    w.labs = &labs;
    if (s->lab && !(w.lab = lab_find(&labs, s->lab)))
        return EXIT_USAGE;
    watch_begin(&w);
    grade_again(&w);
    while (times < 0 || --times > 0) {
        change_wait(&w);
        grade_again(&w);
    }
    labs_free(&labs);
    return EXIT_ALL;
}

const struct verb verb_watch = {
    .name = "watch",
    .run = watch_verb,
    .whom = FOR_STUDENT,
    .help = "make watch [LAB=n]          grade again whenever you save\n",
};
