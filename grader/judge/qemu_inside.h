/* qemu_inside.h - inside of qemu.h: what qemu.c, qemu_monitor.c, snapshot.c, machine_wake.c and
 * machine_look.c share. */
#ifndef QEMU_INSIDE_H
#define QEMU_INSIDE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "judge/qemu.h"

#define WAKE_SECONDS 60

/* --- qemu.c -------------------------------------------------------------------------------- */

#define ARGS_MAX 64

struct arguments {
    char *item[ARGS_MAX];
    int count;
};

void argument_add(struct arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arguments_free(struct arguments *arguments);

/* Writes a sentence into why; always -EIO. */
int why_write(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What is the same for booting and restoring: they have to be the same machine. ram: the file that
 * its RAM is, and whether it changes it; NULL: RAM of its own. */
void machine_arguments(struct arguments *a, const char *ram, bool share);
/* What to boot; extra: ends the kernel's command line. */
void boot_arguments(struct arguments *a, const char *kernel, const char *initramfs,
                    const char *extra);

/* Starts QEMU with a channel and a monitor; it inherits the descriptors of *m that are there. One
 * that has its RAM as a descriptor is to run a subject: it is not root's. 0 or -errno. */
int qemu_start(struct machine *m, struct arguments *a);

/* From now on, reading from this socket takes no longer. */
void receive_timeout_set(int fd, int seconds);

/* --- qemu_monitor.c ------------------------------------------------------------------------ */

#define QMP_BEGIN "{\"execute\":\"qmp_capabilities\"}"

/* The next line (caller deletes). NULL: none came, or it was no JSON. */
cJSON *qmp_line_read(int fd);
/* Sends a command and returns its "return" value (caller deletes), or NULL. */
cJSON *qmp_command(struct machine *m, const char *json);
/* The same, where only success matters. */
bool qmp_do(struct machine *m, const char *json);

/* --- snapshot.c ---------------------------------------------------------------------------- */

/* For the monitor, on saving and on waking: RAM is a shared file, do not copy it into the
 * state. */
extern const char snapshot_ram_word[];

/* --- machine_wake.c ------------------------------------------------------------------------ */

/* Waits for the agent's answer to HELLO; it is in m->ready. */
bool agent_ready(struct machine *m, int seconds);
/* Says HELLO first. */
bool agent_hello(struct machine *m, int seconds);

/* --- machine_look.c ------------------------------------------------------------------------ */

/* What the IOMMU does with the device's accesses goes to a file of ours. */
void events_arguments(struct arguments *a, int events);

#endif
