/* vfio_device.c - part 08, first half: from an IOMMU group to a mapped device.
 * The contract of every function is in common/include/vfio_device.h. */
#include "vfio_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES        4096u
#define REGION_READ_WRITE (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

/* TODO 1: vfio_open() has fourteen steps. Group them into functions that fit on a
 * screen; each leaves what it has opened in *device, so that vfio_close() can undo a
 * half-done open as well. */

/* TODO 2: the command register: read 16 bits, change two of them, write them back. */

int vfio_bus_master(struct vfio_device *device, bool enable, struct vfio_error *error)
{
    (void)device, (void)enable, (void)error;
    return -ENOSYS;
}

int vfio_open(struct vfio_device *device, const struct vfio_request *request,
              struct vfio_error *error)
{
    /* TODO 3: begin with everything marked as not there; on any failure, vfio_close(). */
    (void)device, (void)request, (void)error;
    return -ENOSYS;
}

/* TODO 4: the opposite order, and nothing may stop it half-way. How does one know that a
 * descriptor is there? */

void vfio_close(struct vfio_device *device)
{
    (void)device;
}

int vfio_dma_map(struct vfio_device *device, uint64_t iova, void *hva, uint64_t size,
                 uint32_t access, struct vfio_error *error)
{
    /* TODO 5: what the kernel cannot know is how many address lines the device has. */
    (void)device, (void)iova, (void)hva, (void)size, (void)access, (void)error;
    return -ENOSYS;
}

int vfio_dma_unmap(struct vfio_device *device, uint64_t iova, uint64_t size,
                   struct vfio_error *error)
{
    /* TODO 6: the kernel says in the structure how much it has unmapped. */
    (void)device, (void)iova, (void)size, (void)error;
    return -ENOSYS;
}

int vfio_msi_connect(struct vfio_device *device, int eventfd, struct vfio_error *error)
{
    /* TODO 7: struct vfio_irq_set ends with data: here one descriptor, or nothing. */
    (void)device, (void)eventfd, (void)error;
    return -ENOSYS;
}
