/* dma_device.c - the edu device behind VFIO, ready to move bytes (dma_device.h). */
#define _GNU_SOURCE
#include "dma_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PCI_ADDRESS   "0000:00:05.0"
#define IOMMU_GROUP   "/sys/bus/pci/devices/" PCI_ADDRESS "/iommu_group"
#define BAR_SIZE      4096u /* as much of it as we need */
#define COMMAND       4u    /* in configuration space */
#define COMMAND_FLAGS 6u    /* answers at its memory BARs; may begin transactions */

/* Registers, as indices of 32-bit words. */
#define DMA_SOURCE      (0x80 / 4)
#define DMA_DESTINATION (0x88 / 4)
#define DMA_COUNT       (0x90 / 4)
#define DMA_COMMAND     (0x98 / 4)
#define DMA_START       1u /* reads as 1 while the transfer goes on */
#define DMA_TO_MEMORY   2u

#define WAIT_STEP_US 2000
#define WAIT_STEPS   2000 /* a transfer takes 100 ms */

/* --- taking the device --------------------------------------------------------------- */

static int group_open(void)
{
    char link[256], path[64];
    ssize_t n = readlink(IOMMU_GROUP, link, sizeof link - 1);

    if (n < 0)
        return -1;
    link[n] = 0;
    snprintf(path, sizeof path, "/dev/vfio/%.20s", strrchr(link, '/') + 1);
    return open(path, O_RDWR | O_CLOEXEC);
}

static bool container_join(struct dma_device *d)
{
    d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    d->group = group_open();
    return d->container >= 0 && d->group >= 0 &&
           ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container) == 0 &&
           ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0;
}

static bool registers_map(struct dma_device *d)
{
    struct vfio_region_info bar = {.argsz = sizeof bar,
                                   .index = VFIO_PCI_BAR0_REGION_INDEX};
    void *at;

    d->device = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, PCI_ADDRESS);
    if (d->device < 0 || ioctl(d->device, VFIO_DEVICE_GET_REGION_INFO, &bar) < 0)
        return false;
    at = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->device,
              (off_t)bar.offset);
    if (at == MAP_FAILED)
        return false;
    d->registers = at;
    return true;
}

static bool command_set(const struct dma_device *d)
{
    struct vfio_region_info config = {.argsz = sizeof config,
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};
    uint16_t command;
    off_t at;

    if (ioctl(d->device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
        return false;
    at = (off_t)config.offset + COMMAND;
    if (pread(d->device, &command, sizeof command, at) != sizeof command)
        return false;
    command |= COMMAND_FLAGS;
    return pwrite(d->device, &command, sizeof command, at) == sizeof command;
}

/* Old lines do not concern us. */
static bool log_open(struct dma_device *d)
{
    d->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return d->log >= 0 && lseek(d->log, 0, SEEK_END) >= 0;
}

int dma_device_open(struct dma_device *d)
{
    int error;

    *d = (struct dma_device){.container = -1, .group = -1, .device = -1, .log = -1};
    if (container_join(d) && registers_map(d) && command_set(d) && log_open(d))
        return 0;
    error = errno ? errno : EIO;
    dma_device_close(d);
    return -error;
}

static void descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void dma_device_close(struct dma_device *d)
{
    if (d->registers)
        munmap((void *)d->registers, BAR_SIZE);
    d->registers = NULL;
    descriptor_close(&d->log);
    descriptor_close(&d->device);
    descriptor_close(&d->group);
    descriptor_close(&d->container);
}

/* --- the engine ---------------------------------------------------------------------- */

static int device_transfer(void *owner, const struct dma_transfer *t)
{
    volatile uint32_t *r = ((struct dma_device *)owner)->registers;
    uint32_t own = DMA_DEVICE_BUFFER + t->offset, theirs = (uint32_t)t->iova;

    if (t->offset > DMA_DEVICE_BUFFER_SIZE ||
        t->length > DMA_DEVICE_BUFFER_SIZE - t->offset ||
        t->iova >= DMA_DEVICE_IOVA_LIMIT || t->length > DMA_DEVICE_IOVA_LIMIT - t->iova)
        return -EINVAL;
    r[DMA_SOURCE] = t->to_memory ? own : theirs;
    r[DMA_DESTINATION] = t->to_memory ? theirs : own;
    r[DMA_COUNT] = t->length;
    r[DMA_COMMAND] = DMA_START | (t->to_memory ? DMA_TO_MEMORY : 0);
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (!(r[DMA_COMMAND] & DMA_START))
            return 0;
        usleep(WAIT_STEP_US);
    }
    return -ETIMEDOUT;
}

static int device_report(void *owner, char *line, size_t size)
{
    const struct dma_device *d = owner;
    char record[1024]; /* one record a read(); a shorter buffer would be EINVAL */
    ssize_t n;

    do /* EPIPE: the kernel has overwritten some that we had not read yet */
        n = read(d->log, record, sizeof record - 1);
    while (n < 0 && (errno == EPIPE || errno == EINTR));
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    record[n] = 0;
    snprintf(line, size, "%.*s", (int)strcspn(record, "\n"), record);
    return 1;
}

static int device_map(void *owner, uint64_t iova, void *hva, uint64_t size, uint64_t rights)
{
    const struct dma_device *d = owner;
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = (rights & VTD_SL_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
                 (rights & VTD_SL_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
        .vaddr = (uintptr_t)hva,
        .iova = iova,
        .size = size,
    };

    return ioctl(d->container, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int device_unmap(void *owner, uint64_t iova, uint64_t size)
{
    const struct dma_device *d = owner;
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof unmap, .iova = iova, .size = size};

    return ioctl(d->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}

struct dma_engine dma_device_engine(struct dma_device *device)
{
    return (struct dma_engine){.owner = device,
                               .transfer = device_transfer,
                               .report = device_report,
                               .map = device_map,
                               .unmap = device_unmap};
}
