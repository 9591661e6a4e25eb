/* vfio_device.h - contract of part 08, first half: a PCI device in the hands of a
 * process.
 *
 *   container  /dev/vfio/vfio    an IOMMU address space: what is mapped here is all that
 *      ^                         the devices in it can reach
 *      | VFIO_GROUP_SET_CONTAINER
 *   group      /dev/vfio/N       the smallest set of devices that the IOMMU can tell apart
 *      |
 *      | VFIO_GROUP_GET_DEVICE_FD
 *      v
 *   device     one descriptor, with a region for each BAR and one for configuration space
 *
 *      offset 0 ...             region info's offset ...
 *      +---------------+   +---------------+
 *      | BAR 0: mmap() |   | configuration |  pread(), pwrite()
 *      +---------------+   +---------------+
 *
 * Source: Documentation/driver-api/vfio.rst and include/uapi/linux/vfio.h of Linux; PCI
 * Local Bus Specification 3.0, 6.2 (configuration space). */
#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfio_error.h"

#define VFIO_CONTAINER_PATH "/dev/vfio/vfio"

/* The command register, 16 bits at offset 4 of configuration space (PCI 3.0, 6.2.2):
 *
 *    15        11 10  9  8  7  6  5  4  3  2  1  0
 *   +------------+---+--+--+--+--+--+--+--+--+--+--+
 *   |  reserved  |INTx disable ...     |  |BM|MEM|IO|
 *   +------------+---+--+--+--+--+--+--+--+--+--+--+
 *
 * MEM: the device answers at its memory BARs. BM: the device may begin transactions itself:
 * DMA, and also MSI, which is a write to memory. */
#define PCI_COMMAND_OFFSET 4u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u

/* Which device, and how far its DMA can reach. The strings are the caller's. */
struct vfio_request {
    const char *group_path; /* "/dev/vfio/N" */
    const char *address;    /* "0000:00:05.0": domain:bus:device.function */
    unsigned dma_bits;      /* address lines of the device, 12 to 64: edu has 28 */
};

struct vfio_device {
    int container, group, device; /* descriptors, or -1 */
    uint8_t *bar;                 /* BAR 0, mapped; or NULL */
    size_t bar_size;              /* bytes; 0 with bar NULL */
    uint64_t config_offset;       /* where configuration space begins in `device`; 0: not
                                     known (at offset 0 there is a BAR) */
    unsigned dma_bits;
    bool can_reset; /* VFIO_DEVICE_FLAGS_RESET */
};

/* Takes the device, in exactly this order of calls:
 *
 *    1  OPEN_CONTAINER  VFIO_CONTAINER_PATH, for reading and writing, close-on-exec
 *    2  API_VERSION     must be VFIO_API_VERSION, else -ENOTSUP
 *    3  CHECK_IOMMU     VFIO_TYPE1v2_IOMMU must be there, else -ENOTSUP
 *    4  OPEN_GROUP      for reading and writing, close-on-exec
 *    5  GROUP_STATUS    VFIO_GROUP_FLAGS_VIABLE, else -EPERM; then: it has no container,
 *                       else -EBUSY
 *    6  SET_CONTAINER
 *    7  SET_IOMMU       VFIO_TYPE1v2_IOMMU
 *    8  GET_DEVICE      (the kernel makes its descriptor close-on-exec)
 *    9  DEVICE_INFO     VFIO_DEVICE_FLAGS_PCI, else -ENODEV
 *   10  BAR_INFO        BAR 0: readable, writable, mmap-able, and its size a positive
 *                       multiple of 4096, else -ENOTSUP
 *   11  CONFIG_INFO     readable, writable, at least 64 bytes, else -ENOTSUP
 *   12  IRQ_INFO        MSI: at least one, with VFIO_IRQ_INFO_EVENTFD, else -ENOTSUP
 *   13  MAP_BAR         all of BAR 0, shared, for reading and writing
 *   14  COMMAND         PCI_COMMAND_MEMORY is set and PCI_COMMAND_MASTER is not; no other
 *                       bit changes. Read and written as 16 bits: the next 16 are the
 *                       status register, whose ones are cleared by writing them back.
 *                       Fewer than 2 bytes read or written: -EIO (SYSCALL)
 *
 * argsz of every structure is its size. Kinds of errors: vfio_error.h. Where a call
 * fails, its errno is returned. On failure all that was opened or mapped is closed and
 * unmapped again and *device reads as vfio_close() leaves it. Returns 0 on success. */
int vfio_open(struct vfio_device *device, const struct vfio_request *request,
              struct vfio_error *error);

/* Gives the device back, in this order: PCI_COMMAND_MASTER off, reset (where it can),
 * BAR unmapped, device closed, VFIO_GROUP_UNSET_CONTAINER, group closed, container
 * closed. What is not there is skipped: each step whose descriptor is -1, or whose
 * field (config_offset, can_reset, bar) is 0. What fails does not stop the rest: also
 * VFIO_GROUP_UNSET_CONTAINER, where the group never came into the container. Afterwards
 * descriptors are -1, bar is NULL, and bar_size, config_offset and can_reset are 0;
 * dma_bits stays. */
void vfio_close(struct vfio_device *device);

/* Sets or clears PCI_COMMAND_MASTER; no other bit changes. 0, or -EIO (fewer than 2 bytes:
 * SYSCALL), or -errno; always at step COMMAND. */
int vfio_bus_master(struct vfio_device *device, bool enable, struct vfio_error *error);

/* Lets the device reach `size` bytes of our memory from hva on, at the addresses from iova
 * on. access: VFIO_DMA_MAP_FLAG_READ (the device may read), _WRITE, or both. The memory is
 * pinned. Returns 0, or
 *   -EINVAL  (ARGUMENT) size is 0; iova, hva or size is no multiple of 4096; hva is NULL;
 *            access is 0 or has other bits; the range wraps around 2^64
 *   -ERANGE  (IOVA_OUT_OF_REACH) its last byte is past the device's last address,
 *            2^dma_bits - 1. The IOMMU would not notice: the device drops the upper bits
 *            and reaches something else
 *   -errno   of VFIO_IOMMU_MAP_DMA
 * Checked in this order. */
int vfio_dma_map(struct vfio_device *device, uint64_t iova, void *hva, uint64_t size,
                 uint32_t access, struct vfio_error *error);

/* Takes a mapping back. Returns 0, -EINVAL (ARGUMENT: size is 0, or iova or size is no
 * multiple of 4096), -ENOENT (NOT_MAPPED: the kernel unmapped fewer than size bytes: it
 * says so in the structure, the call succeeds), or -errno of VFIO_IOMMU_UNMAP_DMA. */
int vfio_dma_unmap(struct vfio_device *device, uint64_t iova, uint64_t size,
                   struct vfio_error *error);

/* Connects the device's first MSI with an eventfd, or (eventfd -1) disconnects it:
 * DATA_NONE, ACTION_TRIGGER, start 0, count 0. argsz is the head and the data that
 * follows it: one descriptor of 32 bits, or nothing. VFIO sets the MSI capability up itself.
 * 0 or -errno. */
int vfio_msi_connect(struct vfio_device *device, int eventfd, struct vfio_error *error);

#endif
