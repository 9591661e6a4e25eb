/* qemu.h - the throw-away machine: boot it once, keep a snapshot, restore it per lab.
 *
 * A machine's folder holds all it needs:
 *   ram        guest RAM, a sparse file; restores map it copy-on-write
 *   state      device state (QEMU's migration stream)
 *   formats    the kernel's trace event formats (trace.h)
 * and what prepare/manifest.h remembers of them, so that damage is noticed.
 */
#ifndef QEMU_H
#define QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "machine/protocol.h"

#define MACHINE_NONE                                                                       \
    {                                                                                      \
        .channel = -1, .qmp = -1, .console = -1, .state = -1, .events = -1, .memory = -1,  \
        .ram = -1                                                                          \
    }

struct machine {
    pid_t pid;   /* QEMU, or 0 */
    int channel; /* frames to the agent, or -1 */
    int qmp;     /* QEMU's monitor, or -1 */
    int console; /* memfd: what the kernel and QEMU printed */
    int state;   /* the snapshot's device state, or -1 */
    int events;  /* memfd: QEMU's trace of the IOMMU (device_events.h), or -1 */
    int ram;     /* the snapshot's RAM, or -1 */
    int memory;  /* memfd: through which machine_physical_read() passes bytes, or -1 */
    struct ready ready;
};

/* Boots kernel and initramfs, waits for the agent, saves the snapshot into dir (which
 * exists and is empty). On failure *why says in a line what went wrong. 0 or -errno;
 * -EAGAIN: the kernel measured its clock wrongly, boot again. */
int machine_build(const char *dir, const char *kernel, const char *initramfs, char *why,
                  size_t why_size);

/* Starts QEMU from the snapshot. It dies with the calling process. 0 or -errno. */
int machine_wake(struct machine *machine, const char *dir);

/* Waits until a woken machine's agent answers. 0 or -errno, *why as above. */
int machine_wait(struct machine *machine, char *why, size_t why_size);

/* Both. */
int machine_restore(struct machine *machine, const char *dir, char *why, size_t why_size);

/* How much of the IOMMU's trace there is, in bytes; and the text from an offset on (caller
 * frees; NULL: no memory). What a finished DMA did is in it. */
size_t machine_events_size(const struct machine *machine);
char *machine_events_text(const struct machine *machine, size_t from);

/* Reads the machine's physical memory, or a device's registers (in pieces of 4 and 8 bytes),
 * from outside, while the machine runs. 0 or -EIO. */
int machine_physical_read(struct machine *machine, uint64_t address, void *buffer,
                          size_t size);

/* Ends QEMU, if it still runs, and closes everything but the console. */
void machine_stop(struct machine *machine);

/* The last bytes of the console, as text; caller frees. Never NULL but for no memory. */
char *machine_console_tail(const struct machine *machine, size_t size);

/* Waits a moment for QEMU to be gone; if it is, its wait status in *status and true. */
bool machine_ended(struct machine *machine, int *status);

/* Boots without a snapshot, with these two as its console's input and output. The process, or
 * -errno; it ends when the machine is off, and dies with the caller. */
pid_t machine_interactive(const char *kernel, const char *initramfs, int input, int output);

#endif
