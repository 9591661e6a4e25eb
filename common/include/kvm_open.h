/* kvm_open.h - contract of part 01: from /dev/kvm to a vCPU that could run.
 *
 *   open("/dev/kvm") --KVM_CREATE_VM--> vm fd --KVM_CREATE_VCPU--> vcpu fd --mmap--> kvm_run
 *
 * Three rules hold for every function here:
 *   - Errors are typed: a function that takes an error and fails fills *error (if not NULL)
 *     and returns a negative number: -errno of the call that failed, or what is said below.
 *     On success *error is left as it is.
 *   - No leak: a function that fails has closed and unmapped all that it opened, and the
 *     object reads as "not there" (fd == -1, run == NULL).
 *   - Destroying is forgiving: it works on an object that is "not there", and twice. A close()
 *     that fails is not tried again: the number is free all the same (man 2 close).
 *
 * Source: Documentation/virt/kvm/api.rst of Linux, sections 4.1 to 4.7 and 5.
 */
#ifndef KVM_OPEN_H
#define KVM_OPEN_H

#include "vmm.h"
#include "vmm_error.h"

#define KVM_DEVICE_PATH "/dev/kvm"

/* Without these the VMM cannot work; kvm_open() asks for each, in this order.
 * The list ends with -1. Defined in common/vmm/required_extensions.c. */
extern const int kvm_required_extensions[];

/* Opens the device for reading and writing, close-on-exec, and makes sure that it is a
 * KVM which we can use: its API version is KVM_API_VERSION (12), every extension of
 * kvm_required_extensions is there, and the area to map for a vCPU can hold a struct
 * kvm_run. On success *kvm is filled and 0 returned.
 *
 * error->kind by step (any errno that is not listed: VMM_ERR_SYSCALL):
 *   OPEN_DEVICE      ENOENT, ENXIO, ENODEV -> NO_DEVICE;  EACCES, EPERM -> NO_PERMISSION
 *   API_VERSION      ENOTTY -> NOT_KVM;  a version other than 12 -> API_VERSION, -ENOTSUP
 *   CHECK_EXTENSION  answer 0 -> MISSING_EXTENSION, -ENOTSUP
 *   RUN_SIZE         less than sizeof(struct kvm_run) -> RUN_SIZE, -EPROTO
 *   any step         EMFILE, ENFILE -> TOO_MANY_FILES;  ENOMEM -> NO_MEMORY
 *
 * errnum is the errno of the failed call, or 0 where the call succeeded and its answer
 * was the problem. (api.rst 4.1, 4.4, 4.5) */
int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error);

/* Closes the device. *kvm reads as "not there" afterwards. */
void kvm_close(struct kvm *kvm);

/* The value of an extension: 0 = not there, positive = there (some extensions answer with
 * a number, e.g. how many memory slots there are). Negative: -errno. (api.rst 4.4) */
int kvm_extension(const struct kvm *kvm, int capability);

/* Creates an empty virtual machine: no memory, no vCPU, no device (machine type 0). Fills
 * vm->fd and vm->kvm; every other field starts as 0 or NULL. KVM_CREATE_VM may be interrupted
 * by a signal (EINTR): that is not an error, try again, here and at no other call. Returns 0
 * on success.
 * EBUSY -> BUSY, the rest as above, step CREATE_VM. (api.rst 4.2) */
int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error);

/* Closes the VM. The kernel frees it when its vCPUs are closed as well. */
void vm_destroy(struct vm *vm);

/* Creates vCPU number id (also its local APIC id) and maps its struct kvm_run, shared, for
 * reading and writing, kvm->run_size bytes. Fills fd, id, vm, run and run_size; counters and
 * every other field start as 0 or NULL. Returns 0 on success.
 * CREATE_VCPU: EEXIST -> VCPU_EXISTS, EINVAL -> VCPU_ID; steps CREATE_VCPU and MAP_RUN.
 * (api.rst 4.7) */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error);

/* Unmaps kvm_run, then closes the vCPU. */
void vcpu_destroy(struct vcpu *vcpu);

#endif
