/* pretended_vfio.c - what VFIO answers, according to the plan. The plan's word is all:
 * nothing here knows in which order the calls have to come; the log shows it to whoever
 * judges. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "machine/supervised_call.h"

#define CONTAINER_PATH "/dev/vfio/vfio"
#define GROUP_PATH     "/dev/vfio/" /* and a number */

enum call_object vfio_object_of(const char *path)
{
    size_t length = strlen(GROUP_PATH);

    if (strcmp(path, CONTAINER_PATH) == 0)
        return OBJECT_CONTAINER;
    return strncmp(path, GROUP_PATH, length) == 0 && path[length] >= '0' &&
                   path[length] <= '9'
               ? OBJECT_GROUP
               : OBJECT_NONE;
}

/* The call's structure, as payload of its record. Every one of VFIO's begins with its size.
 * NULL: it is not there, or shorter than `least`. */
static void *structure_note(struct supervised_call *call, void *payload, size_t least)
{
    uint32_t size = 0;

    if (!subject_read(call, call->record.args[1], &size, sizeof size) || size < least)
        return NULL;
    if (size > PLAN_PAYLOAD)
        size = PLAN_PAYLOAD;
    if (!subject_read(call, call->record.args[1], payload, size))
        return NULL;
    call->payload = payload;
    call->record.payload = size;
    return payload;
}

/* Gives the structure back, with the answers in it; the record keeps what was asked. */
static int64_t structure_answer(struct supervised_call *call, const void *structure,
                                size_t size)
{
    return subject_write(call, call->record.args[1], structure, size) ? 0 : -EFAULT;
}

static int64_t container_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                               void *payload)
{
    struct vfio_iommu_type1_dma_unmap unmap;

    switch ((uint32_t)call->record.args[0]) {
    case VFIO_GET_API_VERSION:
        return plan->api_version;
    case VFIO_CHECK_EXTENSION:
        return call->record.args[1] == VFIO_TYPE1v2_IOMMU ? plan->type1v2 : 0;
    case VFIO_SET_IOMMU:
        return 0;
    case VFIO_IOMMU_MAP_DMA:
        return structure_note(call, payload, sizeof(struct vfio_iommu_type1_dma_map))
                   ? 0
                   : -EINVAL;
    case VFIO_IOMMU_UNMAP_DMA:
        if (!structure_note(call, payload,
                            offsetof(struct vfio_iommu_type1_dma_unmap, data)))
            return -EINVAL;
        memcpy(&unmap, payload, offsetof(struct vfio_iommu_type1_dma_unmap, data));
        unmap.size -= unmap.size < plan->unmap_short ? unmap.size : plan->unmap_short;
        return structure_answer(call, &unmap,
                                offsetof(struct vfio_iommu_type1_dma_unmap, data));
    default:
        return -ENOTTY;
    }
}

static int64_t device_create(const struct vfio_plan *plan, struct supervised_call *call,
                             char *name)
{
    size_t there = plan->config_cut ? plan->config_cut : plan->config_size;
    size_t begin = there < sizeof plan->config ? there : sizeof plan->config;
    int64_t r;

    subject_read_string(call, call->record.args[1], name, 64);
    call->payload = name;
    call->record.payload = (uint32_t)strlen(name) + 1;
    r = object_create(call, OBJECT_DEVICE, plan->config_offset + there, true);
    if (r == 0 && pwrite(call->install, plan->config, begin, (off_t)plan->config_offset) !=
                      (ssize_t)begin)
        r = -ENOMEM;
    return r;
}

static int64_t group_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                           void *payload)
{
    struct vfio_group_status *status;

    switch ((uint32_t)call->record.args[0]) {
    case VFIO_GROUP_GET_STATUS:
        status = structure_note(call, payload, sizeof *status);
        return status ? structure_answer(
                            call,
                            &(struct vfio_group_status){.argsz = sizeof *status,
                                                        .flags = plan->group_flags},
                            sizeof *status)
                      : -EINVAL;
    case VFIO_GROUP_SET_CONTAINER:
        if (!subject_read(call, call->record.args[1], payload, sizeof(int32_t)))
            return -EFAULT;
        call->payload = payload;
        call->record.payload = sizeof(int32_t);
        return 0;
    case VFIO_GROUP_UNSET_CONTAINER:
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return device_create(plan, call, payload);
    default:
        return -ENOTTY;
    }
}

static int64_t region_answer(const struct vfio_plan *plan, struct supervised_call *call,
                             const struct vfio_region_info *asked)
{
    struct vfio_region_info info = {.argsz = sizeof info, .index = asked->index};

    if (asked->index == VFIO_PCI_BAR0_REGION_INDEX) {
        info.flags = plan->bar_flags;
        info.size = plan->bar_size;
        info.offset = plan->bar_offset;
    } else if (asked->index == VFIO_PCI_CONFIG_REGION_INDEX) {
        info.flags = plan->config_flags;
        info.size = plan->config_size;
        info.offset = plan->config_offset;
    }
    return structure_answer(call, &info, sizeof info);
}

static int64_t irq_answer(const struct vfio_plan *plan, struct supervised_call *call,
                          const struct vfio_irq_info *asked)
{
    struct vfio_irq_info info = {.argsz = sizeof info, .index = asked->index};

    if (asked->index == VFIO_PCI_MSI_IRQ_INDEX) {
        info.flags = plan->msi_flags;
        info.count = plan->msi_count;
    } else if (asked->index == VFIO_PCI_INTX_IRQ_INDEX) { /* every device has one */
        info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE;
        info.count = 1;
    }
    return structure_answer(call, &info, sizeof info);
}

static int64_t device_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                            void *payload)
{
    const struct vfio_device_info info = {.argsz = sizeof info,
                                          .flags = plan->device_flags,
                                          .num_regions = VFIO_PCI_NUM_REGIONS,
                                          .num_irqs = VFIO_PCI_NUM_IRQS};

    switch ((uint32_t)call->record.args[0]) {
    case VFIO_DEVICE_GET_INFO: /* its later fields are optional */
        return structure_note(call, payload, offsetof(struct vfio_device_info, cap_offset))
                   ? structure_answer(call, &info,
                                      offsetof(struct vfio_device_info, cap_offset))
                   : -EINVAL;
    case VFIO_DEVICE_GET_REGION_INFO:
        return structure_note(call, payload, sizeof(struct vfio_region_info))
                   ? region_answer(plan, call, payload)
                   : -EINVAL;
    case VFIO_DEVICE_GET_IRQ_INFO:
        return structure_note(call, payload, sizeof(struct vfio_irq_info))
                   ? irq_answer(plan, call, payload)
                   : -EINVAL;
    case VFIO_DEVICE_SET_IRQS:
        return structure_note(call, payload, sizeof(struct vfio_irq_set)) ? 0 : -EINVAL;
    case VFIO_DEVICE_RESET:
        return 0;
    default:
        return -ENOTTY;
    }
}

int64_t vfio_ioctl(const struct vfio_plan *plan, struct supervised_call *call,
                   void *payload)
{
    switch (call->record.object) {
    case OBJECT_CONTAINER:
        return container_ioctl(plan, call, payload);
    case OBJECT_GROUP:
        return group_ioctl(plan, call, payload);
    default:
        return device_ioctl(plan, call, payload);
    }
}
