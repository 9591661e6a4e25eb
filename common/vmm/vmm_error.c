/* vmm_error.c - the one place where a typed error becomes a sentence. */
#include "vmm_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const step_names[] = {
    [VMM_STEP_NONE] = "no step",
    [VMM_STEP_OPEN_DEVICE] = "open the KVM device",
    [VMM_STEP_API_VERSION] = "ask for the API version",
    [VMM_STEP_CHECK_EXTENSION] = "check an extension",
    [VMM_STEP_RUN_SIZE] = "ask for the size of kvm_run",
    [VMM_STEP_CREATE_VM] = "create a VM",
    [VMM_STEP_CREATE_VCPU] = "create a vCPU",
    [VMM_STEP_MAP_RUN] = "map kvm_run",
};

/* Reason and fix; "%" PRId64 stands for error->detail where the kind has one. */
static const char *const kind_texts[] = {
    [VMM_OK] = "no error",
    [VMM_ERR_NO_DEVICE] = "there is no KVM here; load kvm_intel or kvm_amd, and switch "
                          "virtualization on in the firmware",
    [VMM_ERR_NO_PERMISSION] = "not allowed; join the group that owns /dev/kvm "
                              "(usually: adduser $USER kvm, then log in again)",
    [VMM_ERR_NOT_KVM] = "this file is not KVM; name /dev/kvm",
    [VMM_ERR_API_VERSION] = "the API version is %" PRId64 ", we speak 12; use a Linux "
                            "newer than 2.6.22",
    [VMM_ERR_MISSING_EXTENSION] = "KVM lacks extension %" PRId64 "; use a newer kernel",
    [VMM_ERR_RUN_SIZE] = "kvm_run has %" PRId64 " bytes, too few; the headers and the "
                         "kernel do not fit",
    [VMM_ERR_TOO_MANY_FILES] = "too many open files; close some or raise ulimit -n",
    [VMM_ERR_NO_MEMORY] = "out of memory",
    [VMM_ERR_BUSY] = "the CPU's virtualization is in use by another hypervisor; stop it",
    [VMM_ERR_VCPU_EXISTS] = "vCPU %" PRId64 " exists already; give each its own id",
    [VMM_ERR_VCPU_ID] = "vCPU id %" PRId64 " is out of range; see KVM_CAP_MAX_VCPU_ID",
    [VMM_ERR_SYSCALL] = "the kernel refused",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int vmm_error_set(struct vmm_error *error, enum vmm_step step, enum vmm_error_kind kind,
                  int errnum, int64_t detail)
{
    if (error)
        *error = (struct vmm_error){
            .step = step, .kind = kind, .errnum = errnum, .detail = detail};
    return errnum ? -errnum : -EPROTO;
}

int vmm_error_describe(const struct vmm_error *error, char *buffer, size_t size)
{
    size_t step = (size_t)error->step, kind = (size_t)error->kind;
    char reason[160];

    if (kind >= COUNT(kind_texts) || step >= COUNT(step_names))
        return snprintf(buffer, size, "unknown error (step %zu, kind %zu)", step, kind);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(reason, sizeof reason, kind_texts[kind], error->detail);
#pragma GCC diagnostic pop
    if (error->errnum == 0)
        return snprintf(buffer, size, "cannot %s: %s", step_names[step], reason);
    return snprintf(buffer, size, "cannot %s: %s (%s)", step_names[step], reason,
                    strerror(error->errnum));
}
