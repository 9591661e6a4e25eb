/* kvm_open.c - part 01: from /dev/kvm to a vCPU that could run.
 * The contract of every function is in common/include/kvm_open.h. */
#include "kvm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* TODO 1: which VMM_ERR_* stands for an errno? Some errnos mean the same at every step,
 * some only at one. A function for it saves you from writing it seven times. */

int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error)
{
    /* TODO 2: open, KVM_GET_API_VERSION, KVM_CHECK_EXTENSION for each required one,
     * KVM_GET_VCPU_MMAP_SIZE; and back out of all of it where one fails. */
    (void)kvm, (void)path, (void)error;
    return -ENOSYS;
}

void kvm_close(struct kvm *kvm)
{
    /* TODO 3: close what kvm_open() opened; harmless when called twice. */
    (void)kvm;
}

int kvm_extension(const struct kvm *kvm, int capability)
{
    /* TODO 4: one ioctl. */
    (void)kvm, (void)capability;
    return -ENOSYS;
}

int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error)
{
    /* TODO 5: KVM_CREATE_VM answers with a new descriptor. What if a signal arrives? */
    (void)vm, (void)kvm, (void)error;
    return -ENOSYS;
}

void vm_destroy(struct vm *vm)
{
    /* TODO 6: the VM owns one descriptor. */
    (void)vm;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error)
{
    /* TODO 7: KVM_CREATE_VCPU, then mmap. Two things can fail: the second one has
     * something to clean up. */
    (void)vcpu, (void)vm, (void)id, (void)error;
    return -ENOSYS;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    /* TODO 8: the mapping first, then the descriptor. */
    (void)vcpu;
}
