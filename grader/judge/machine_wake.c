/* machine_wake.c - from a snapshot to an agent that answers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "judge/qemu_inside.h"
#include "lib/child.h"
#include "machine/frames.h"

bool agent_ready(struct machine *m, int seconds)
{
    struct frame_header header;
    void *payload = NULL;
    bool ok;

    receive_timeout_set(m->channel, seconds);
    ok = frame_receive(m->channel, &header, &payload) == 0 && header.type == FRAME_READY &&
         header.length == sizeof m->ready;
    if (ok)
        memcpy(&m->ready, payload, sizeof m->ready);
    free(payload);
    return ok && m->ready.version == PROTOCOL_VERSION;
}

bool agent_hello(struct machine *m, int seconds)
{
    return frame_send(m->channel, FRAME_HELLO, NULL, 0, NULL, 0) == 0 &&
           agent_ready(m, seconds);
}

/* All that QEMU has to be told, written ahead: it works it off while we do other things. */
static bool wake_words_write(struct machine *m)
{
    char incoming[128];

    snprintf(incoming, sizeof incoming,
             "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:%d\"}}",
             m->state);
    return write_exactly(m->qmp, QMP_BEGIN, strlen(QMP_BEGIN)) == 0 &&
           write_exactly(m->qmp, snapshot_ram_word, strlen(snapshot_ram_word)) == 0 &&
           write_exactly(m->qmp, incoming, strlen(incoming)) == 0 &&
           frame_send(m->channel, FRAME_HELLO, NULL, 0, NULL, 0) == 0;
}

/* QEMU opens its RAM anew by way of /proc/self/fd, for writing, although it does not write to it:
 * whom it runs as has to be allowed to. The file's owner stays. */
static bool ram_lend(int ram)
{
    return fchown(ram, (uid_t)-1, APART_UID) == 0 && fchmod(ram, 0664) == 0;
}

/* What is written in it, not its holes: the same file in memory, or -1. */
static int ram_copy(int ram)
{
    const off_t size = lseek(ram, 0, SEEK_END);
    int copy = memfd_create("ram", MFD_CLOEXEC);
    off_t from, to = 0;
    bool ok = copy >= 0 && size >= 0 && ftruncate(copy, size) == 0;

    while (ok && (from = lseek(ram, to, SEEK_DATA)) >= 0) {
        to = lseek(ram, from, SEEK_HOLE);
        ok = to > from && lseek(copy, from, SEEK_SET) == from;
        while (ok && from < to)
            ok = sendfile(copy, ram, &from, (size_t)(to - from)) > 0;
    }
    if (ok)
        return copy;
    if (copy >= 0)
        close(copy);
    return -1;
}

/* Some file systems know no owners and modes (WSL2's /mnt/c, SMB): a copy in memory does. */
static bool ram_usable(struct machine *m)
{
    if (!root_drops() || ram_lend(m->ram))
        return true;
    int copy = ram_copy(m->ram);
    if (copy < 0)
        return false;
    close(m->ram);
    m->ram = copy;
    return ram_lend(copy);
}

static int snapshot_open(struct machine *m, const char *dir)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/state", dir);
    m->state = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/ram", dir);
    m->ram = open(path, O_RDWR | O_CLOEXEC);
    if (m->state < 0 || m->ram < 0 || !ram_usable(m)) {
        int error = errno;

        machine_stop(m);
        return -error;
    }
    return 0;
}

/* A guest that breaks out finds calls missing: no process, no other user, no priorities. */
static void sandbox_arguments(struct arguments *a)
{
    argument_add(a, "-sandbox");
    argument_add(a,
                 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

int machine_wake(struct machine *m, const char *dir)
{
    struct arguments a = {0};
    char path[64];
    int r;

    *m = (struct machine)MACHINE_NONE;
    r = snapshot_open(m, dir);
    if (r < 0)
        return r;
    m->events = memfd_create("events", MFD_CLOEXEC);
    m->memory = memfd_create("memory", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", m->ram);
    machine_arguments(&a, path, false);
    sandbox_arguments(&a);
    events_arguments(&a, m->events);
    argument_add(&a, "-incoming");
    argument_add(&a, "defer");
    r = qemu_start(m, &a);
    arguments_free(&a);
    if (r == 0 && !wake_words_write(m))
        r = -EPIPE;
    if (r < 0)
        machine_stop(m);
    return r;
}

int machine_wait(struct machine *m, char *why, size_t why_size)
{
    char *tail;
    int r;

    if (agent_ready(m, WAKE_SECONDS))
        return 0;
    tail = machine_console_tail(m, 600);
    r = why_write(why, why_size, "the snapshot did not wake up; its console ends with:\n%s",
                  tail ? tail : "");
    free(tail);
    machine_stop(m);
    return r;
}

int machine_restore(struct machine *m, const char *dir, char *why, size_t why_size)
{
    int r = machine_wake(m, dir);

    if (r < 0)
        return why_write(why, why_size, "could not start QEMU from %s: %s", dir,
                         strerror(-r));
    return machine_wait(m, why, why_size);
}
