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

//@begin
//@ /* TODO 1: the other steps of vfio_open(). Group them into functions that fit on a screen;
//@  * each leaves what it has opened in *device, so that vfio_close() can undo a half-done
//@  * open as well. */
//@
static int group_open(struct vfio_device *device, const char *path,
                      struct vfio_error *error)
{
    struct vfio_group_status status = {.argsz = sizeof status};

    device->group = open(path, O_RDWR | O_CLOEXEC);
    if (device->group < 0)
        return vfio_call_failed(error, VFIO_STEP_OPEN_GROUP);
    if (ioctl(device->group, VFIO_GROUP_GET_STATUS, &status) < 0)
        return vfio_call_failed(error, VFIO_STEP_GROUP_STATUS);
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        return vfio_error_set(error, VFIO_STEP_GROUP_STATUS, VFIO_ERR_NOT_VIABLE, EPERM, 0);
    if (status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)
        return vfio_error_set(error, VFIO_STEP_GROUP_STATUS, VFIO_ERR_GROUP_BUSY, EBUSY, 0);
    if (ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container) < 0)
        return vfio_call_failed(error, VFIO_STEP_SET_CONTAINER);
    if (ioctl(device->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        return vfio_call_failed(error, VFIO_STEP_SET_IOMMU);
    return 0;
}

static int device_get(struct vfio_device *device, const char *address,
                      struct vfio_error *error)
{
    struct vfio_device_info info = {.argsz = sizeof info};

    device->device = ioctl(device->group, VFIO_GROUP_GET_DEVICE_FD, address);
    if (device->device < 0)
        return vfio_call_failed(error, VFIO_STEP_GET_DEVICE);
    if (ioctl(device->device, VFIO_DEVICE_GET_INFO, &info) < 0)
        return vfio_call_failed(error, VFIO_STEP_DEVICE_INFO);
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
        return vfio_error_set(error, VFIO_STEP_DEVICE_INFO, VFIO_ERR_NOT_PCI, ENODEV,
                              info.flags);
    device->can_reset = (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
    return 0;
}

static int bar_ask(struct vfio_device *device, struct vfio_region_info *bar,
                   struct vfio_error *error)
{
    int good =
        region_ask(device, bar, REGION_READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP, PAGE_BYTES);

    if (good < 0)
        return vfio_call_failed(error, VFIO_STEP_BAR_INFO);
    if (!good || bar->size % PAGE_BYTES != 0)
        return vfio_error_set(error, VFIO_STEP_BAR_INFO, VFIO_ERR_NO_BAR, ENOTSUP,
                              bar->flags);
    return 0;
}

static int bar_map(struct vfio_device *device, const struct vfio_region_info *bar,
                   struct vfio_error *error)
{
    void *at = mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_SHARED, device->device,
                    (off_t)bar->offset);

    if (at == MAP_FAILED)
        return vfio_call_failed(error, VFIO_STEP_MAP_BAR);
    device->bar = at;
    device->bar_size = bar->size;
    return 0;
}

//@end
//@begin
//@ /* TODO 2: the command register: read 16 bits, change two of them, write them back. */
//@
static int command_change(struct vfio_device *device, uint16_t set, uint16_t clear,
                          struct vfio_error *error)
{
    off_t at = (off_t)(device->config_offset + PCI_COMMAND_OFFSET);
    uint16_t command;
    int r = command_result(pread(device->device, &command, sizeof command, at), error);

    if (r < 0)
        return r;
    command = (uint16_t)((command & ~clear) | set);
    return command_result(pwrite(device->device, &command, sizeof command, at), error);
}

//@end
int vfio_bus_master(struct vfio_device *device, bool enable, struct vfio_error *error)
{
    //@begin
    //@ (void)device, (void)enable, (void)error;
    //@ return -ENOSYS;
    return command_change(device, enable ? PCI_COMMAND_MASTER : 0,
                          enable ? 0 : PCI_COMMAND_MASTER, error);
    //@end
}

int vfio_open(struct vfio_device *device, const struct vfio_request *request,
              struct vfio_error *error)
{
    //@begin
    //@ /* TODO 3: begin with everything marked as not there; on any failure, vfio_close(). */
    //@ (void)device, (void)request, (void)error;
    //@ return -ENOSYS;
    struct vfio_region_info bar = {.argsz = sizeof bar,
                                   .index = VFIO_PCI_BAR0_REGION_INDEX};
    int r;

    *device = (struct vfio_device){
        .container = -1, .group = -1, .device = -1, .dma_bits = request->dma_bits};
    r = container_open(device, error);
    if (r == 0)
        r = group_open(device, request->group_path, error);
    if (r == 0)
        r = device_get(device, request->address, error);
    if (r == 0)
        r = bar_ask(device, &bar, error);
    if (r == 0)
        r = config_ask(device, error);
    if (r == 0)
        r = msi_ask(device, error);
    if (r == 0)
        r = bar_map(device, &bar, error);
    if (r == 0)
        r = command_change(device, PCI_COMMAND_MEMORY, PCI_COMMAND_MASTER, error);
    if (r < 0)
        vfio_close(device);
    return r;
    //@end
}

void vfio_close(struct vfio_device *device)
{
    //@begin
    //@ /* TODO 4: the opposite order, and nothing may stop it half-way. How does one know that
    //@  * something is there? */
    if (device->device >= 0 && device->config_offset != 0)
        vfio_bus_master(device, false, NULL);
    if (device->device >= 0 && device->can_reset)
        ioctl(device->device, VFIO_DEVICE_RESET);
    if (device->bar)
        munmap(device->bar, device->bar_size);
    descriptor_close(&device->device);
    if (device->group >= 0)
        ioctl(device->group, VFIO_GROUP_UNSET_CONTAINER);
    descriptor_close(&device->group);
    descriptor_close(&device->container);
    //@end
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
    //@begin
    //@ /* TODO 5: what the kernel cannot know is how many address lines the device has. */
    //@ (void)device, (void)map, (void)error;
    //@ return -ENOSYS;
    const uint32_t known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
    uint64_t last = iova + size - 1;

    if (size == 0 || !hva || ((iova | size | (uintptr_t)hva) % PAGE_BYTES) != 0 ||
        access == 0 || (access & ~known) != 0 || last < iova)
        return vfio_error_set(error, VFIO_STEP_DMA_MAP, VFIO_ERR_ARGUMENT, EINVAL, 0);
    if (device->dma_bits < 64 && last >> device->dma_bits != 0)
        return vfio_error_set(error, VFIO_STEP_DMA_MAP, VFIO_ERR_IOVA_OUT_OF_REACH, ERANGE,
                              (int64_t)last);
    if (ioctl(device->container, VFIO_IOMMU_MAP_DMA, &map) < 0)
        return vfio_call_failed(error, VFIO_STEP_DMA_MAP);
    return 0;
    //@end
}

int vfio_dma_unmap(struct vfio_device *device, uint64_t iova, uint64_t size,
                   struct vfio_error *error)
{
    //@begin
    //@ /* TODO 6: the kernel says in the structure how much it has unmapped. */
    //@ (void)device, (void)iova, (void)size, (void)error;
    //@ return -ENOSYS;
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof unmap, .iova = iova, .size = size};

    if (size == 0 || (iova | size) % PAGE_BYTES != 0)
        return vfio_error_set(error, VFIO_STEP_DMA_UNMAP, VFIO_ERR_ARGUMENT, EINVAL, 0);
    if (ioctl(device->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
        return vfio_call_failed(error, VFIO_STEP_DMA_UNMAP);
    if (unmap.size < size)
        return vfio_error_set(error, VFIO_STEP_DMA_UNMAP, VFIO_ERR_NOT_MAPPED, ENOENT,
                              (int64_t)unmap.size);
    return 0;
    //@end
}

int vfio_msi_connect(struct vfio_device *device, int eventfd, struct vfio_error *error)
{
    //@begin
    //@ /* TODO 7: struct vfio_irq_set ends with data: here one descriptor, or nothing. */
    //@ (void)device, (void)eventfd, (void)error;
    //@ return -ENOSYS;
    struct {
        struct vfio_irq_set set;
        int32_t eventfd;
    } irqs = {.set = {.argsz = sizeof irqs.set,
                      .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
                      .index = VFIO_PCI_MSI_IRQ_INDEX},
              .eventfd = eventfd};

    if (eventfd >= 0) {
        irqs.set.argsz = sizeof irqs;
        irqs.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        irqs.set.count = 1;
    }
    if (ioctl(device->device, VFIO_DEVICE_SET_IRQS, &irqs) < 0)
        return vfio_call_failed(error, VFIO_STEP_SET_IRQS);
    return 0;
    //@end
}
