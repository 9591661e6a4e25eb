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

#define SETTLE_MS 150  /* editors save in several steps */
#define POLL_MS   700  /* where the file system does not tell */
#define WATCH_MS  3000 /* and where it does, for what it does not tell */

struct watch {
    const struct settings *settings;
    const struct lab *lab; /* or NULL: all */
    const struct labs *labs;
    int inotify; /* -1: look at the files' times instead */
    uint64_t stamps[LABS_MAX];
};

/* Network and host-shared file systems (WSL's /mnt/c is 9p) do not report changes that another
 * machine makes. */
static bool changes_are_told(const char *path)
{
    static const long silent[] = {
        0x01021997 /* 9p */,     0x6969 /* nfs */,         0x517b /* smb */,
        0xff534d42 /* cifs */,   0xfe534d42 /* smb2, 3 */, 0x65735546 /* fuse, virtiofs */,
        0x786f4256 /* vboxsf */, 0xbacbacbc /* vmhgfs */,  0x7c7c6673 /* prl_fs */,
        0x5346414f /* afs */,    0x6b414653 /* kafs */,    0x00c36400 /* ceph */,
        0x73757245 /* coda */,   0x47504653 /* gpfs */,    0x0bd00bd0 /* lustre */,
    };
    struct statfs s;

    if (statfs(path, &s) < 0)
        return false;
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        if ((s.f_type & 0xffffffff) == silent[i])
            return false;
    return true;
}

static bool is_watched(const struct watch *w, int lab)
{
    return !w->lab || w->lab == &w->labs->list[lab];
}

/* Changes when a part of the lab gets another time, size or place on the disk. */
static uint64_t parts_stamp(const struct watch *w, const struct lab *lab)
{
    uint64_t stamp = 14695981039346656037ull;

    for (int p = 0; p < lab->part_count; p++) {
        char path[PATH_ROOM];
        struct stat s = {0};

        path_make(path, "%s/%s/%s", w->settings->from, lab->name, lab->parts[p]);
        if (stat(path, &s) < 0)
            s.st_size = -1;
        stamp = (stamp ^ (uint64_t)s.st_mtim.tv_nsec ^ (uint64_t)s.st_mtim.tv_sec << 20 ^
                 (uint64_t)s.st_size ^ (uint64_t)s.st_ino << 32) *
                1099511628211ull;
    }
    return stamp;
}

/* Has a lab changed since it was asked for last? Returns the last one that has, or NULL; *count:
 * how many. */
static const struct lab *changed_find(struct watch *w, int *count)
{
    const struct lab *changed = NULL;

    *count = 0;
    for (int i = 0; i < w->labs->count; i++) {
        uint64_t stamp = is_watched(w, i) ? parts_stamp(w, &w->labs->list[i]) : 0;

        if (stamp == w->stamps[i])
            continue;
        w->stamps[i] = stamp;
        changed = &w->labs->list[i];
        ++*count;
    }
    return changed;
}

/* Asks for news of the folders as they are now: one that was removed or replaced (git does both)
 * is asked again, and its old watch is gone by itself. */
static void folders_watch(struct watch *w)
{
    const uint32_t news = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                          IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
    char path[PATH_ROOM];

    if (w->inotify < 0)
        return;
    path_make(path, "%s", w->settings->from);
    inotify_add_watch(w->inotify, path, IN_CREATE | IN_MOVED_TO);
    for (int i = 0; i < w->labs->count; i++) {
        path_make(path, "%s/%s", w->settings->from, w->labs->list[i].name);
        if (is_watched(w, i))
            inotify_add_watch(w->inotify, path, news);
    }
}

static void watch_begin(struct watch *w)
{
    int changed;

    w->inotify =
        changes_are_told(w->settings->from) ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
    if (w->inotify < 0)
        printf(
            "(This file system does not report changes: looking every %.1f s instead.)\n",
            POLL_MS / 1000.0);
    folders_watch(w);
    changed_find(w, &changed);
}

/* Returns when a part has changed and things have settled: of this lab, or NULL: of several. */
static const struct lab *change_wait(struct watch *w)
{
    char events[4096];
    const struct lab *lab;
    int count;

    for (;;) {
        struct pollfd p = {.fd = w->inotify, .events = POLLIN};

        poll(&p, w->inotify >= 0 ? 1 : 0, w->inotify >= 0 ? WATCH_MS : POLL_MS);
        usleep(SETTLE_MS * 1000);
        while (w->inotify >= 0 && read(w->inotify, events, sizeof events) > 0)
            ;
        folders_watch(w);
        lab = changed_find(w, &count);
        if (count)
            return count == 1 ? lab : NULL;
    }
}

/* In a process of its own, as if typed again; with new numbers unless SEED= was given. */
static void grade_again(const struct watch *w, const struct lab *lab)
{
    pid_t parent = getpid(), pid;

    if (isatty(1))
        printf("\033[H\033[2J");
    printf(lab ? "Grading again: %s\n" : "Grading all labs\n", lab ? lab->name : "");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct settings s = *w->settings;

        child_bind(parent);
        if (!s.seed_text)
            s.seed = seed_random();
        if (lab)
            s.lab = lab->name;
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
    grade_again(&w, w.lab);
    while (times < 0 || --times > 0)
        grade_again(&w, change_wait(&w));
    labs_free(&labs);
    return EXIT_ALL;
}

const struct verb verb_watch = {
    .name = "watch",
    .run = watch_verb,
    .whom = FOR_STUDENT,
    .help = "make watch [LAB=n]          grade again whenever you save: the lab that was "
            "saved\n",
};
