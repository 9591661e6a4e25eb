/* vfio_error.h - errors of device passthrough as values: what failed, at which step,
 * and what to do about it. The same idea as vmm_error.h. */
#ifndef VFIO_ERROR_H
#define VFIO_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum vfio_step {
    VFIO_STEP_NONE = 0,
    VFIO_STEP_OPEN_CONTAINER, /* open("/dev/vfio/vfio") */
    VFIO_STEP_API_VERSION,    /* VFIO_GET_API_VERSION */
    VFIO_STEP_CHECK_IOMMU,    /* VFIO_CHECK_EXTENSION */
    VFIO_STEP_OPEN_GROUP,     /* open("/dev/vfio/N") */
    VFIO_STEP_GROUP_STATUS,   /* VFIO_GROUP_GET_STATUS */
    VFIO_STEP_SET_CONTAINER,  /* VFIO_GROUP_SET_CONTAINER */
    VFIO_STEP_SET_IOMMU,      /* VFIO_SET_IOMMU */
    VFIO_STEP_GET_DEVICE,     /* VFIO_GROUP_GET_DEVICE_FD */
    VFIO_STEP_DEVICE_INFO,    /* VFIO_DEVICE_GET_INFO */
    VFIO_STEP_BAR_INFO,       /* VFIO_DEVICE_GET_REGION_INFO of BAR 0 */
    VFIO_STEP_CONFIG_INFO,    /* the same of the configuration space */
    VFIO_STEP_IRQ_INFO,       /* VFIO_DEVICE_GET_IRQ_INFO of MSI */
    VFIO_STEP_MAP_BAR,        /* mmap() of BAR 0 */
    VFIO_STEP_COMMAND,        /* the command register in configuration space */
    VFIO_STEP_DMA_MAP,        /* VFIO_IOMMU_MAP_DMA */
    VFIO_STEP_DMA_UNMAP,      /* VFIO_IOMMU_UNMAP_DMA */
    VFIO_STEP_SET_IRQS,       /* VFIO_DEVICE_SET_IRQS */
    VFIO_STEP_BAR_SLOT,       /* memory_slot_add() for the BAR */
    VFIO_STEP_EVENTFD,        /* eventfd() */
    VFIO_STEP_ROUTING,        /* KVM_SET_GSI_ROUTING */
    VFIO_STEP_IRQFD,          /* KVM_IRQFD */
};

/* Why it failed, in terms of what a user can do. */
enum vfio_error_kind {
    VFIO_OK = 0,
    VFIO_ERR_NO_VFIO,       /* OPEN_CONTAINER: ENOENT, ENXIO, ENODEV: vfio is not loaded */
    VFIO_ERR_NO_PERMISSION, /* OPEN_CONTAINER, OPEN_GROUP: EACCES, EPERM */
    VFIO_ERR_API_VERSION,   /* API_VERSION: not VFIO_API_VERSION; detail = the answer */
    VFIO_ERR_NO_TYPE1V2,    /* CHECK_IOMMU: the answer is 0 */
    VFIO_ERR_NOT_BOUND,     /* OPEN_GROUP: ENOENT: no device of it is bound to vfio-pci */
    VFIO_ERR_GROUP_BUSY, /* OPEN_GROUP: EBUSY; GROUP_STATUS: it has a container already */
    VFIO_ERR_NOT_VIABLE, /* GROUP_STATUS: a device of it has another driver */
    VFIO_ERR_NO_INTERRUPT_REMAPPING, /* SET_IOMMU: EPERM */
    VFIO_ERR_NO_SUCH_DEVICE,         /* GET_DEVICE: ENODEV: not in this group */
    VFIO_ERR_NOT_PCI,                /* DEVICE_INFO: not a PCI device; detail = flags */
    VFIO_ERR_NO_BAR,                 /* BAR_INFO: cannot be mapped; detail = flags */
    VFIO_ERR_NO_CONFIG,              /* CONFIG_INFO: cannot be used; detail = flags */
    VFIO_ERR_NO_MSI,            /* IRQ_INFO: none, or without eventfd; detail = count */
    VFIO_ERR_ARGUMENT,          /* DMA_MAP, DMA_UNMAP, BAR_SLOT, ROUTING: see there */
    VFIO_ERR_IOVA_OUT_OF_REACH, /* DMA_MAP: past the device's last address; detail = the
                                   last address that was asked for */
    VFIO_ERR_IOVA_IN_USE,       /* DMA_MAP: EEXIST */
    VFIO_ERR_LOCKED_MEMORY,     /* DMA_MAP: ENOMEM: RLIMIT_MEMLOCK */
    VFIO_ERR_NOT_MAPPED,        /* DMA_UNMAP: less was mapped; detail = bytes unmapped */
    VFIO_ERR_TOO_MANY_FILES,    /* EMFILE, ENFILE, at any step */
    VFIO_ERR_NO_MEMORY,         /* ENOMEM, at any other step */
    VFIO_ERR_SYSCALL,           /* anything else: errnum says what. COMMAND: also EIO for
                                   fewer than 2 bytes */
};

/* A function of part 08 that takes an error (which may be NULL) and fails fills it and returns
 * -errnum; on success *error is left as it is. No call is tried again: EINTR and EAGAIN are
 * reported like any errno (SYSCALL). What fails while something is undone or closed is not
 * reported: the first error is the one. */
struct vfio_error {
    enum vfio_step step;
    enum vfio_error_kind kind;
    int errnum;     /* positive; the function returned its negative */
    int64_t detail; /* see the kinds above; 0 where none is named */
};

/* Fills *error (which may be NULL) and returns -errnum, so that a caller can write
 * `return vfio_error_set(...)`. */
int vfio_error_set(struct vfio_error *error, enum vfio_step step, enum vfio_error_kind kind,
                   int errnum, int64_t detail);

/* The same for a call that has failed with this errno at this step: which kind that is
 * stands in the list above. detail is 0. vfio_call_failed() takes the errno from
 * `errno`. */
int vfio_step_failed(struct vfio_error *error, enum vfio_step step, int errnum);
int vfio_call_failed(struct vfio_error *error, enum vfio_step step);

/* Writes one line of English (the step, the reason, the fix) to buffer, always terminated.
 * Returns the length that the whole line has, as snprintf does. */
int vfio_error_describe(const struct vfio_error *error, char *buffer, size_t size);

#endif
