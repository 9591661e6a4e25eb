/* dma_device.h - QEMU's edu device behind VFIO, as a dma_engine: the plumbing under lab 09.
 *
 * Lab 08 does the same in earnest (errors that say what to do, interrupts, a guest as the
 * driver); here the device only has to move bytes. Registers: docs/specs/edu.txt of QEMU.
 */
#ifndef DMA_DEVICE_H
#define DMA_DEVICE_H

#include "dma_demand.h"

#define DMA_DEVICE_SOURCE      0x0028u  /* 00:05.0 */
#define DMA_DEVICE_BUFFER      0x40000u /* its own memory, as its DMA engine sees it */
#define DMA_DEVICE_BUFFER_SIZE 4095u    /* (a transfer that reaches byte 4096 ends QEMU) */
#define DMA_DEVICE_IOVA_LIMIT  (1ull << 28) /* it has 28 address lines */

struct dma_device {
    int container, group, device; /* VFIO's descriptors, or -1 */
    int log; /* /dev/kmsg, at what the kernel says from now on; or -1 */
    volatile uint32_t *registers; /* BAR 0, or NULL */
};

/* Takes the device and lets it begin transfers. 0 or -errno; nothing is left open then. */
int dma_device_open(struct dma_device *device);

/* Gives it back. What is still mapped is unmapped by the kernel. Forgiving. */
void dma_device_close(struct dma_device *device);

/* How part 09 reaches it. `offset` of a transfer counts from DMA_DEVICE_BUFFER; one that
 * leaves the device's memory, or its address lines, is -EINVAL. */
struct dma_engine dma_device_engine(struct dma_device *device);

#endif
