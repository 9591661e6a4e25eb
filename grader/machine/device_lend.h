/* device_lend.h - the PCI device that a subject may drive: QEMU's "edu"
 * (docs/specs/edu.txt of QEMU), bound to vfio-pci. Only runs that ask for it
 * (RUN_DEVICE) get it. */
#ifndef DEVICE_LEND_H
#define DEVICE_LEND_H

#include <stdbool.h>

/* Once, before the machine's snapshot: gives the device to vfio-pci and remembers its
 * configuration, which is lost in the snapshot. False: no device, or no VFIO. */
bool device_prepare(void);

/* Before a run: the configuration is there, and every user may open the group and read the
 * kernel's log (/dev/kmsg: refused DMA is reported there). 0 or -errno. */
int device_lend(void);

/* After a run, when all processes of the subject are gone: waits for a DMA that still
 * goes on (what it does belongs to this run), clears the registers, locks the group
 * away. */
void device_take_back(void);

#endif
