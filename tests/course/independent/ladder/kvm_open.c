/* kvm_open.c - part 01, written by somebody who goes down a ladder and back up again. */
#include "kvm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ONE_OF3(x, a, b, c) ((x) == (a) || (x) == (b) || (x) == (c))

static int note(struct vmm_error *e, enum vmm_step s, int64_t d)
{
    int n = errno;
    enum vmm_error_kind k = ONE_OF3(n, EMFILE, ENFILE, ENFILE) ? VMM_ERR_TOO_MANY_FILES
                            : n == ENOMEM                      ? VMM_ERR_NO_MEMORY
                            : s == VMM_STEP_OPEN_DEVICE && ONE_OF3(n, ENOENT, ENXIO, ENODEV)
                                ? VMM_ERR_NO_DEVICE
                            : s == VMM_STEP_OPEN_DEVICE && ONE_OF3(n, EACCES, EPERM, EPERM)
                                ? VMM_ERR_NO_PERMISSION
                            : s == VMM_STEP_API_VERSION && n == ENOTTY ? VMM_ERR_NOT_KVM
                            : s == VMM_STEP_CREATE_VM && n == EBUSY    ? VMM_ERR_BUSY
                            : s == VMM_STEP_CREATE_VCPU && n == EEXIST ? VMM_ERR_VCPU_EXISTS
                            : s == VMM_STEP_CREATE_VCPU && n == EINVAL ? VMM_ERR_VCPU_ID
                                                                       : VMM_ERR_SYSCALL;

    if (k != VMM_ERR_VCPU_EXISTS && k != VMM_ERR_VCPU_ID)
        d = 0;
    return vmm_error_set(e, s, k, n, d);
}

static int refuse(struct vmm_error *e, enum vmm_step s, enum vmm_error_kind k, int64_t d,
                  int r)
{
    (void)vmm_error_set(e, s, k, 0, d);
    return r;
}

static int last_rung(struct kvm *kvm, struct vmm_error *error)
{
    const long n = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (n >= (long)sizeof(struct kvm_run)) {
        kvm->run_size = (size_t)n;
        return 0;
    }
    return n < 0 ? note(error, VMM_STEP_RUN_SIZE, 0)
                 : refuse(error, VMM_STEP_RUN_SIZE, VMM_ERR_RUN_SIZE, n, -EPROTO);
}

static int rung(struct kvm *kvm, const int *c, struct vmm_error *error)
{
    if (*c < 0)
        return last_rung(kvm, error);
    switch (ioctl(kvm->fd, KVM_CHECK_EXTENSION, (unsigned long)*c)) {
    case -1:
        return note(error, VMM_STEP_CHECK_EXTENSION, 0);
    case 0:
        return refuse(error, VMM_STEP_CHECK_EXTENSION, VMM_ERR_MISSING_EXTENSION, *c,
                      -ENOTSUP);
    default:
        return rung(kvm, c + 1, error);
    }
}

static int first_rung(struct kvm *kvm, struct vmm_error *error)
{
    kvm->api_version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);
    if (kvm->api_version == KVM_API_VERSION)
        return rung(kvm, &kvm_required_extensions[0], error);
    if (kvm->api_version >= 0)
        return refuse(error, VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, kvm->api_version,
                      -ENOTSUP);
    return note(error, VMM_STEP_API_VERSION, 0);
}

int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error)
{
    struct kvm k = {.fd = open(path, O_RDWR | O_CLOEXEC)};
    int down = k.fd < 0 ? note(error, VMM_STEP_OPEN_DEVICE, 0) : first_rung(&k, error);

    *kvm = k;
    if (down)
        kvm_close(kvm);
    return down;
}

void kvm_close(struct kvm *kvm)
{
    if (kvm->fd >= 0)
        (void)close(kvm->fd);
    kvm->fd = -1;
    kvm->api_version = 0;
    kvm->run_size = 0;
}

int kvm_extension(const struct kvm *kvm, int capability)
{
    int n = ioctl(kvm->fd, KVM_CHECK_EXTENSION, (unsigned long)capability);

    if (n == -1)
        n = -errno;
    return n;
}

int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error)
{
    vm->fd = -1;
    errno = EINTR;
    while (vm->fd == -1 && errno == EINTR)
        vm->fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
    int result = vm->fd < 0 ? note(error, VMM_STEP_CREATE_VM, 0) : 0;

    *vm = (struct vm){.fd = vm->fd, .kvm = kvm};
    return result;
}

void vm_destroy(struct vm *vm)
{
    if (vm->fd < 0)
        return;
    (void)close(vm->fd);
    *vm = (struct vm){.fd = -1};
}

static int run_area(struct vcpu *vcpu, struct vmm_error *error)
{
    vcpu->run = mmap(NULL, vcpu->vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     vcpu->fd, 0);
    if (vcpu->run != MAP_FAILED)
        return vcpu->run_size = vcpu->vm->kvm->run_size, 0;
    int result = note(error, VMM_STEP_MAP_RUN, 0);

    vcpu->run = NULL;
    vcpu_destroy(vcpu);
    return result;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error)
{
    struct vcpu v = {.vm = vm, .id = id};

    v.fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
    *vcpu = v;
    if (v.fd >= 0)
        return run_area(vcpu, error);
    return note(error, VMM_STEP_CREATE_VCPU, id);
}

void vcpu_destroy(struct vcpu *vcpu)
{
    if (vcpu->run && munmap(vcpu->run, vcpu->run_size) == 0)
        vcpu->run = NULL;
    if (vcpu->fd >= 0)
        (void)close(vcpu->fd);
    *vcpu = (struct vcpu){.fd = -1};
}
