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

/* Given: three of the steps of vfio_open(). Each question has three outcomes: the call
 * fails, its answer is no, or all is well. What was opened is in *device at once. */
static inline int container_open(struct vfio_device *device, struct vfio_error *error)
{
    int version, answer;

    device->container = open(VFIO_CONTAINER_PATH, O_RDWR | O_CLOEXEC);
    if (device->container < 0)
        return vfio_call_failed(error, VFIO_STEP_OPEN_CONTAINER);
    version = ioctl(device->container, VFIO_GET_API_VERSION);
    if (version < 0)
        return vfio_call_failed(error, VFIO_STEP_API_VERSION);
    if (version != VFIO_API_VERSION)
        return vfio_error_set(error, VFIO_STEP_API_VERSION, VFIO_ERR_API_VERSION, ENOTSUP,
                              version);
    answer = ioctl(device->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU);
    if (answer < 0)
        return vfio_call_failed(error, VFIO_STEP_CHECK_IOMMU);
    if (answer == 0)
        return vfio_error_set(error, VFIO_STEP_CHECK_IOMMU, VFIO_ERR_NO_TYPE1V2, ENOTSUP,
                              0);
    return 0;
}

/* Asks for a region: -1 if the call fails, else whether it has the flags and `least` bytes.
 */
static inline int region_ask(const struct vfio_device *device,
                             struct vfio_region_info *info, uint32_t flags, uint64_t least)
{
    if (ioctl(device->device, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
        return -1;
    return (info->flags & flags) == flags && info->size >= least;
}

static inline int config_ask(struct vfio_device *device, struct vfio_error *error)
{
    struct vfio_region_info config = {.argsz = sizeof config,
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};
    int good = region_ask(device, &config, REGION_READ_WRITE, 64);

    if (good < 0)
        return vfio_call_failed(error, VFIO_STEP_CONFIG_INFO);
    if (!good)
        return vfio_error_set(error, VFIO_STEP_CONFIG_INFO, VFIO_ERR_NO_CONFIG, ENOTSUP,
                              config.flags);
    device->config_offset = config.offset;
    return 0;
}

static inline int msi_ask(struct vfio_device *device, struct vfio_error *error)
{
    struct vfio_irq_info irq = {.argsz = sizeof irq, .index = VFIO_PCI_MSI_IRQ_INDEX};

    if (ioctl(device->device, VFIO_DEVICE_GET_IRQ_INFO, &irq) < 0)
        return vfio_call_failed(error, VFIO_STEP_IRQ_INFO);
    if (irq.count == 0 || !(irq.flags & VFIO_IRQ_INFO_EVENTFD))
        return vfio_error_set(error, VFIO_STEP_IRQ_INFO, VFIO_ERR_NO_MSI, ENOTSUP,
                              irq.count);
    return 0;
}

/* Given: what pread() or pwrite() of the command register returned: 0, or the error. */
static inline int command_result(ssize_t n, struct vfio_error *error)
{
    if (n < 0)
        return vfio_call_failed(error, VFIO_STEP_COMMAND);
    if (n != sizeof(uint16_t))
        return vfio_error_set(error, VFIO_STEP_COMMAND, VFIO_ERR_SYSCALL, EIO, 0);
    return 0;
}

static inline void descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* TODO 1: the other steps of vfio_open(). Group them into functions that fit on a screen;
 * each leaves what it has opened in *device, so that vfio_close() can undo a half-done
 * open as well. */

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

void vfio_close(struct vfio_device *device)
{
    /* TODO 4: the opposite order, and nothing may stop it half-way. How does one know that
     * something is there? */
    device->bar = NULL;
    device->bar_size = 0;
    device->config_offset = 0;
    device->can_reset = false;
}

int vfio_dma_map(struct vfio_device *device, uint64_t iova, void *hva, uint64_t size,
                 uint32_t access, struct vfio_error *error)
{
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                           .flags = access,
                                           .vaddr = (uintptr_t)hva,
                                           .iova = iova,
                                           .size = size};
    /* TODO 5: what the kernel cannot know is how many address lines the device has. */
    (void)device, (void)map, (void)error;
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
