/* vmm_error.h - errors as values: what failed, at which step, and what to do about it.
 *
 * Every function of the VMM that can fail returns a negative errno. The ones whose
 * failure a user has to act on also fill a struct vmm_error; vmm_error_describe() is the
 * one place that turns it into words.
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

#include <stddef.h>
#include <stdint.h>

/* The step that failed: one per kernel call that the VMM makes on its way to a vCPU. */
enum vmm_step {
    VMM_STEP_NONE = 0,
    VMM_STEP_OPEN_DEVICE,     /* open("/dev/kvm") */
    VMM_STEP_API_VERSION,     /* ioctl(KVM_GET_API_VERSION) */
    VMM_STEP_CHECK_EXTENSION, /* ioctl(KVM_CHECK_EXTENSION) */
    VMM_STEP_RUN_SIZE,        /* ioctl(KVM_GET_VCPU_MMAP_SIZE) */
    VMM_STEP_CREATE_VM,       /* ioctl(KVM_CREATE_VM) */
    VMM_STEP_CREATE_VCPU,     /* ioctl(KVM_CREATE_VCPU) */
    VMM_STEP_MAP_RUN,         /* mmap() of the vCPU's struct kvm_run */
};

/* Why it failed, in terms of what a user can do. */
enum vmm_error_kind {
    VMM_OK = 0,
    VMM_ERR_NO_DEVICE,         /* ENOENT, ENXIO or ENODEV from open: KVM is not loaded */
    VMM_ERR_NO_PERMISSION,     /* EACCES or EPERM from open: not in group kvm */
    VMM_ERR_NOT_KVM,           /* ENOTTY from KVM_GET_API_VERSION: some other file */
    VMM_ERR_API_VERSION,       /* a version other than 12; detail = the version seen */
    VMM_ERR_MISSING_EXTENSION, /* KVM_CHECK_EXTENSION answered 0; detail = the KVM_CAP_* */
    VMM_ERR_RUN_SIZE,       /* too small for struct kvm_run; detail = the size in bytes */
    VMM_ERR_TOO_MANY_FILES, /* EMFILE or ENFILE, at any step */
    VMM_ERR_NO_MEMORY,      /* ENOMEM, at any step */
    VMM_ERR_BUSY,           /* EBUSY from KVM_CREATE_VM: someone else owns VT-x/AMD-V */
    VMM_ERR_VCPU_EXISTS,    /* EEXIST from KVM_CREATE_VCPU; detail = the vCPU id */
    VMM_ERR_VCPU_ID,        /* EINVAL from KVM_CREATE_VCPU; detail = the vCPU id */
    VMM_ERR_SYSCALL,        /* anything else: errnum says what */
};

struct vmm_error {
    enum vmm_step step;
    enum vmm_error_kind kind;
    int errnum;     /* the positive errno of the failed call, 0 if no call failed */
    int64_t detail; /* see the kinds above; 0 where none is named */
};

/* Fills *error (which may be NULL) and returns -errnum, or -EPROTO where errnum is 0, so
 * that a caller can write `return vmm_error_set(...)` (not where its contract promises
 * another number). */
int vmm_error_set(struct vmm_error *error, enum vmm_step step, enum vmm_error_kind kind,
                  int errnum, int64_t detail);

/* Writes one line of English (the step, the reason, the fix) to buffer, always
 * terminated. Returns the length that the whole line has, as snprintf does. */
int vmm_error_describe(const struct vmm_error *error, char *buffer, size_t size);

#endif
