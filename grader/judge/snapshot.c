/* snapshot.c - the machine's snapshot: booted, found good, saved, and whole later on. With qemu.c,
 * this is all that a snapshot follows from: changes here make a new one. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge/qemu_inside.h"
#include "machine/frames.h"

#define BOOT_SECONDS  180
#define CLOCK_TEST_US 500000

const char snapshot_ram_word[] =
    "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":"
    "[{\"capability\":\"x-ignore-shared\",\"state\":true}]}}";

static bool qmp_begin(struct machine *m, int seconds)
{
    receive_timeout_set(m->qmp, seconds);
    cJSON *greeting = qmp_line_read(m->qmp);
    bool ok = greeting != NULL;

    cJSON_Delete(greeting);
    return ok && qmp_do(m, QMP_BEGIN) && qmp_do(m, snapshot_ram_word);
}

static bool migration_completed(struct machine *m)
{
    for (int i = 0; i < 3000; i++) {
        cJSON *info = qmp_command(m, "{\"execute\":\"query-migrate\"}");
        const cJSON *status = cJSON_GetObjectItem(info, "status");
        bool done = cJSON_IsString(status) && !strcmp(status->valuestring, "completed");
        bool failed =
            !info || (cJSON_IsString(status) && !strcmp(status->valuestring, "failed"));

        cJSON_Delete(info);
        if (done || failed)
            return done;
        usleep(10000);
    }
    return false;
}

/* Writes each format as: u32 name length, u32 text length, name, text. */
static bool formats_save(struct machine *m, const char *dir)
{
    char path[4096];
    FILE *file;
    bool ok = true, more = true;

    snprintf(path, sizeof path, "%s/formats", dir);
    file = fopen(path, "we");
    if (!file || frame_send(m->channel, FRAME_FORMATS, NULL, 0, NULL, 0) < 0)
        ok = false;
    while (ok && more) {
        struct frame_header header;
        void *payload;

        ok = frame_receive(m->channel, &header, &payload) == 0 &&
             header.type == FRAME_FORMAT_TEXT;
        more = ok && header.length > 0;
        if (more)
            ok = fwrite(&header.length, sizeof header.length, 1, file) == 1 &&
                 fwrite(payload, header.length, 1, file) == 1;
        free(payload);
    }
    if (file && fclose(file) != 0)
        ok = false;
    return ok;
}

static double host_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A kernel that boots on a busy host may measure its clock wrongly, by a factor of ten and
 * more, and would keep that for the life of the snapshot. */
static bool clock_is_right(struct machine *m)
{
    uint64_t guest;
    double host, ratio;

    if (!agent_hello(m, BOOT_SECONDS))
        return false;
    guest = m->ready.time_us;
    host = host_seconds();
    usleep(CLOCK_TEST_US);
    if (!agent_hello(m, BOOT_SECONDS))
        return false;
    ratio = (double)(m->ready.time_us - guest) / 1e6 / (host_seconds() - host);
    return ratio > 0.8 && ratio < 1.25;
}

static int snapshot_take(struct machine *m, const char *dir, char *why, size_t size)
{
    char command[4400];

    if (!formats_save(m, dir))
        return why_write(why, size, "could not read the trace formats (disk full?)");
    usleep(300000); /* let the kernel finish what it began while booting */
    snprintf(command, sizeof command,
             "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat > '%s/state'\"}}",
             dir);
    if (!qmp_do(m, command) || !migration_completed(m))
        return why_write(why, size, "QEMU could not save the machine's state (disk full?)");
    qmp_do(m, "{\"execute\":\"quit\"}");
    waitpid(m->pid, NULL, 0);
    m->pid = 0;
    return 0;
}

int machine_build(const char *dir, const char *kernel, const char *initramfs, char *why,
                  size_t why_size)
{
    struct machine m = MACHINE_NONE;
    struct arguments a = {0};
    char ram[4096];
    int r;

    snprintf(ram, sizeof ram, "%s/ram", dir);
    unlink(ram); /* of an earlier try */
    machine_arguments(&a, ram, true);
    boot_arguments(&a, kernel, initramfs, "");
    r = qemu_start(&m, &a);
    if (r < 0)
        why_write(why, why_size, "could not start QEMU: %s", strerror(-r));
    else if (!qmp_begin(&m, BOOT_SECONDS) || !agent_hello(&m, BOOT_SECONDS)) {
        char *tail = machine_console_tail(&m, 600);

        r = why_write(why, why_size, "the machine did not boot; its console ends with:\n%s",
                      tail ? tail : "");
        free(tail);
    } else if (!m.ready.has_kvm || !m.ready.has_trace)
        r = why_write(why, why_size, "the machine's kernel has no %s",
                      m.ready.has_kvm ? "KVM tracepoints" : "usable /dev/kvm");
    else if (!clock_is_right(&m)) {
        why_write(why, why_size,
                  "its clock runs at the wrong speed (the host is very busy)");
        r = -EAGAIN;
    } else
        r = snapshot_take(&m, dir, why, why_size);
    machine_stop(&m);
    if (m.console >= 0)
        close(m.console);
    arguments_free(&a);
    return r;
}
