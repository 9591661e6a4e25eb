/* vfio_error.c - the one place where a typed error of passthrough becomes a sentence. */
#include "vfio_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const step_names[] = {
    [VFIO_STEP_NONE] = "no step",
    [VFIO_STEP_OPEN_CONTAINER] = "open /dev/vfio/vfio",
    [VFIO_STEP_API_VERSION] = "ask for VFIO's API version",
    [VFIO_STEP_CHECK_IOMMU] = "ask for the type 1 (v2) IOMMU",
    [VFIO_STEP_OPEN_GROUP] = "open the IOMMU group",
    [VFIO_STEP_GROUP_STATUS] = "ask for the group's status",
    [VFIO_STEP_SET_CONTAINER] = "put the group into the container",
    [VFIO_STEP_SET_IOMMU] = "choose the container's IOMMU",
    [VFIO_STEP_GET_DEVICE] = "get the device from its group",
    [VFIO_STEP_DEVICE_INFO] = "ask what the device is",
    [VFIO_STEP_BAR_INFO] = "ask for BAR 0",
    [VFIO_STEP_CONFIG_INFO] = "ask for the configuration space",
    [VFIO_STEP_IRQ_INFO] = "ask for the device's MSI",
    [VFIO_STEP_MAP_BAR] = "map BAR 0",
    [VFIO_STEP_COMMAND] = "change the PCI command register",
    [VFIO_STEP_DMA_MAP] = "map memory for DMA",
    [VFIO_STEP_DMA_UNMAP] = "unmap memory of DMA",
    [VFIO_STEP_SET_IRQS] = "connect the device's MSI",
    [VFIO_STEP_BAR_SLOT] = "make BAR 0 a memory slot",
    [VFIO_STEP_EVENTFD] = "make an eventfd",
    [VFIO_STEP_ROUTING] = "tell KVM the interrupt routes",
    [VFIO_STEP_IRQFD] = "connect the eventfd with KVM",
};

/* Reason and fix; "%" PRId64 stands for error->detail where the kind has one. */
static const char *const kind_texts[] = {
    [VFIO_OK] = "no error",
    [VFIO_ERR_NO_VFIO] = "there is no VFIO here; load vfio-pci and switch the IOMMU on "
                         "(intel_iommu=on)",
    [VFIO_ERR_NO_PERMISSION] = "not allowed; make the node yours (chown in /dev/vfio)",
    [VFIO_ERR_API_VERSION] = "the API version is %" PRId64 ", we speak 0",
    [VFIO_ERR_NO_TYPE1V2] = "no type 1 (v2) IOMMU; load vfio_iommu_type1",
    [VFIO_ERR_NOT_BOUND] = "no such group; bind its device to vfio-pci "
                           "(/sys/bus/pci/drivers/vfio-pci/new_id)",
    [VFIO_ERR_GROUP_BUSY] = "somebody else has the group; end that VMM first",
    [VFIO_ERR_NOT_VIABLE] =
        "the group is not viable; take every device of it away from its "
        "own driver (see iommu_group/devices in sysfs)",
    [VFIO_ERR_NO_INTERRUPT_REMAPPING] =
        "no interrupt remapping, so a device could forge interrupts; switch it on in the "
        "firmware",
    [VFIO_ERR_NO_SUCH_DEVICE] = "no device of that address in this group; compare with "
                                "iommu_group/devices in sysfs",
    [VFIO_ERR_NOT_PCI] = "not a PCI device (flags %" PRId64 ")",
    [VFIO_ERR_NO_BAR] = "BAR 0 cannot be mapped (flags %" PRId64 ")",
    [VFIO_ERR_NO_CONFIG] = "no usable configuration space (flags %" PRId64 ")",
    [VFIO_ERR_NO_MSI] = "%" PRId64 " MSI with eventfd; the device cannot interrupt a guest",
    [VFIO_ERR_ARGUMENT] = "the arguments make no sense; see the contract",
    [VFIO_ERR_IOVA_OUT_OF_REACH] = "the device has too few address lines for %" PRId64
                                   "; give the guest less memory, or use lower addresses",
    [VFIO_ERR_IOVA_IN_USE] = "something is mapped there already; unmap it first",
    [VFIO_ERR_LOCKED_MEMORY] = "so much memory may not be pinned; raise ulimit -l",
    [VFIO_ERR_NOT_MAPPED] =
        "only %" PRId64 " bytes were mapped there; unmap what was mapped",
    [VFIO_ERR_TOO_MANY_FILES] = "too many open files; close some or raise ulimit -n",
    [VFIO_ERR_NO_MEMORY] = "out of memory",
    [VFIO_ERR_SYSCALL] = "the kernel refused",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int vfio_error_set(struct vfio_error *error, enum vfio_step step, enum vfio_error_kind kind,
                   int errnum, int64_t detail)
{
    if (error)
        *error = (struct vfio_error){
            .step = step, .kind = kind, .errnum = errnum, .detail = detail};
    return -errnum;
}

/* Some errnos mean something special at some step; 0: at any other one. */
static const struct {
    enum vfio_step step;
    int errnum;
    enum vfio_error_kind kind;
} meanings[] = {
    {VFIO_STEP_OPEN_CONTAINER, ENOENT, VFIO_ERR_NO_VFIO},
    {VFIO_STEP_OPEN_CONTAINER, ENXIO, VFIO_ERR_NO_VFIO},
    {VFIO_STEP_OPEN_CONTAINER, ENODEV, VFIO_ERR_NO_VFIO},
    {VFIO_STEP_OPEN_CONTAINER, EACCES, VFIO_ERR_NO_PERMISSION},
    {VFIO_STEP_OPEN_CONTAINER, EPERM, VFIO_ERR_NO_PERMISSION},
    {VFIO_STEP_OPEN_GROUP, ENOENT, VFIO_ERR_NOT_BOUND},
    {VFIO_STEP_OPEN_GROUP, EACCES, VFIO_ERR_NO_PERMISSION},
    {VFIO_STEP_OPEN_GROUP, EPERM, VFIO_ERR_NO_PERMISSION},
    {VFIO_STEP_OPEN_GROUP, EBUSY, VFIO_ERR_GROUP_BUSY},
    {VFIO_STEP_SET_IOMMU, EPERM, VFIO_ERR_NO_INTERRUPT_REMAPPING},
    {VFIO_STEP_GET_DEVICE, ENODEV, VFIO_ERR_NO_SUCH_DEVICE},
    {VFIO_STEP_DMA_MAP, EEXIST, VFIO_ERR_IOVA_IN_USE},
    {VFIO_STEP_DMA_MAP, ENOMEM, VFIO_ERR_LOCKED_MEMORY},
    {VFIO_STEP_NONE, EMFILE, VFIO_ERR_TOO_MANY_FILES},
    {VFIO_STEP_NONE, ENFILE, VFIO_ERR_TOO_MANY_FILES},
    {VFIO_STEP_NONE, ENOMEM, VFIO_ERR_NO_MEMORY},
};

int vfio_step_failed(struct vfio_error *error, enum vfio_step step, int errnum)
{
    for (size_t i = 0; i < COUNT(meanings); i++)
        if (meanings[i].errnum == errnum &&
            (meanings[i].step == step || meanings[i].step == VFIO_STEP_NONE))
            return vfio_error_set(error, step, meanings[i].kind, errnum, 0);
    return vfio_error_set(error, step, VFIO_ERR_SYSCALL, errnum, 0);
}

int vfio_call_failed(struct vfio_error *error, enum vfio_step step)
{
    return vfio_step_failed(error, step, errno);
}

int vfio_error_describe(const struct vfio_error *error, char *buffer, size_t size)
{
    size_t step = (size_t)error->step, kind = (size_t)error->kind;
    char reason[256];

    if (kind >= COUNT(kind_texts) || step >= COUNT(step_names))
        return snprintf(buffer, size, "unknown error (step %zu, kind %zu)", step, kind);
        /* The texts are ours, in the table above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(reason, sizeof reason, kind_texts[kind], error->detail);
#pragma GCC diagnostic pop
    if (error->errnum == 0)
        return snprintf(buffer, size, "cannot %s: %s", step_names[step], reason);
    return snprintf(buffer, size, "cannot %s: %s (%s)", step_names[step], reason,
                    strerror(error->errnum));
}
