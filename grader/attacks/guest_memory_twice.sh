# lab: 1
# only: first_guest_runs_until_it_halts
# tries: to have the guest's number put into, and its result read from, memory of its own that has
#        the guest memory's name
# says: there are two of its name
# end of description
cat > kvm_open.c <<'END'
#define _GNU_SOURCE
#include "kvm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error)
{
    (void)error;
    *kvm = (struct kvm){.fd = open(path, O_RDWR | O_CLOEXEC)};
    kvm->run_size = (size_t)ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
    return 0;
}

void kvm_close(struct kvm *kvm)
{
    (void)kvm;
}

int kvm_extension(const struct kvm *kvm, int capability)
{
    (void)kvm, (void)capability;
    return -ENOSYS;
}

int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error)
{
    (void)error;
    *vm = (struct vm){.kvm = kvm, .fd = ioctl(kvm->fd, KVM_CREATE_VM, 0)};
    return ftruncate(memfd_create("guest-ram", MFD_CLOEXEC), 0x10000);
}

void vm_destroy(struct vm *vm)
{
    (void)vm;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error)
{
    (void)error;
    *vcpu = (struct vcpu){.vm = vm, .id = id, .fd = ioctl(vm->fd, KVM_CREATE_VCPU, id)};
    vcpu->run = mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
    return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    (void)vcpu;
}
END
