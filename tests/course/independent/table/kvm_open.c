/* kvm_open.c - part 01, written by somebody who likes tables: all that can go wrong is data. */
#include "kvm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct meaning {
    enum vmm_step at;
    int number;
    enum vmm_error_kind means;
};

static const struct meaning anywhere[] = {
    {0, EMFILE, VMM_ERR_TOO_MANY_FILES},
    {0, ENFILE, VMM_ERR_TOO_MANY_FILES},
    {0, ENOMEM, VMM_ERR_NO_MEMORY},
};

static const struct meaning somewhere[] = {
    {VMM_STEP_OPEN_DEVICE, ENOENT, VMM_ERR_NO_DEVICE},
    {VMM_STEP_OPEN_DEVICE, ENXIO, VMM_ERR_NO_DEVICE},
    {VMM_STEP_OPEN_DEVICE, ENODEV, VMM_ERR_NO_DEVICE},
    {VMM_STEP_OPEN_DEVICE, EACCES, VMM_ERR_NO_PERMISSION},
    {VMM_STEP_OPEN_DEVICE, EPERM, VMM_ERR_NO_PERMISSION},
    {VMM_STEP_API_VERSION, ENOTTY, VMM_ERR_NOT_KVM},
    {VMM_STEP_CREATE_VM, EBUSY, VMM_ERR_BUSY},
    {VMM_STEP_CREATE_VCPU, EEXIST, VMM_ERR_VCPU_EXISTS},
    {VMM_STEP_CREATE_VCPU, EINVAL, VMM_ERR_VCPU_ID},
};

static int report(struct vmm_error *to, enum vmm_step at, int number, int64_t detail)
{
    enum vmm_error_kind kind = VMM_ERR_SYSCALL;

    for (unsigned i = 0; i < sizeof somewhere / sizeof *somewhere; i++)
        if (somewhere[i].at == at && somewhere[i].number == number)
            kind = somewhere[i].means;
    for (unsigned i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
        if (anywhere[i].number == number)
            kind = anywhere[i].means;
    return vmm_error_set(to, at, kind, number, detail);
}

int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error)
{
    const int *wanted = kvm_required_extensions;
    int got, result;

    kvm->run_size = 0;
    kvm->api_version = 0;
    kvm->fd = open(path, O_CLOEXEC | O_RDWR);
    if (kvm->fd == -1)
        return report(error, VMM_STEP_OPEN_DEVICE, errno, 0);

    if ((got = ioctl(kvm->fd, KVM_GET_API_VERSION, 0)) == -1) {
        result = report(error, VMM_STEP_API_VERSION, errno, 0);
        goto give_up;
    }
    if ((kvm->api_version = got) != 12) {
        vmm_error_set(error, VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, 0, got);
        result = -ENOTSUP;
        goto give_up;
    }
    while (*wanted != -1) {
        got = kvm_extension(kvm, *wanted);
        if (got > 0) {
            wanted++;
            continue;
        }
        if (got < 0) {
            result = report(error, VMM_STEP_CHECK_EXTENSION, -got, 0);
        } else {
            vmm_error_set(error, VMM_STEP_CHECK_EXTENSION, VMM_ERR_MISSING_EXTENSION, 0,
                          *wanted);
            result = -ENOTSUP;
        }
        goto give_up;
    }
    if ((got = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0)) == -1) {
        result = report(error, VMM_STEP_RUN_SIZE, errno, 0);
        goto give_up;
    }
    if (got < (int)sizeof(struct kvm_run)) {
        vmm_error_set(error, VMM_STEP_RUN_SIZE, VMM_ERR_RUN_SIZE, 0, got);
        result = -EPROTO;
        goto give_up;
    }
    kvm->run_size = (size_t)got;
    return 0;

give_up:
    kvm_close(kvm);
    return result;
}

void kvm_close(struct kvm *kvm)
{
    int old = kvm->fd;

    kvm->fd = -1;
    kvm->run_size = 0;
    kvm->api_version = 0;
    if (old != -1)
        close(old);
}

int kvm_extension(const struct kvm *kvm, int capability)
{
    int answer;

    if ((answer = ioctl(kvm->fd, KVM_CHECK_EXTENSION, (long)capability)) != -1)
        return answer;
    return -errno;
}

int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error)
{
    struct vm fresh = {.kvm = kvm};

    for (;;) {
        fresh.fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
        if (fresh.fd != -1 || errno != EINTR)
            break;
    }
    *vm = fresh;
    return fresh.fd == -1 ? report(error, VMM_STEP_CREATE_VM, errno, 0) : 0;
}

void vm_destroy(struct vm *vm)
{
    struct vm nothing = {.fd = -1};

    if (vm->fd != -1)
        close(vm->fd);
    *vm = nothing;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error)
{
    size_t size = vm->kvm->run_size;
    int cause, fd = ioctl(vm->fd, KVM_CREATE_VCPU, (long)id);
    void *shared;

    *vcpu = (struct vcpu){.id = id, .vm = vm, .fd = -1};
    if (fd == -1) {
        cause = errno;
        return report(error, VMM_STEP_CREATE_VCPU, cause,
                      cause == EEXIST || cause == EINVAL ? id : 0);
    }
    shared = mmap(0, size, PROT_WRITE | PROT_READ, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED) {
        vcpu->fd = fd;
        vcpu->run_size = size;
        vcpu->run = shared;
        return 0;
    }
    cause = errno;
    close(fd);
    return report(error, VMM_STEP_MAP_RUN, cause, 0);
}

void vcpu_destroy(struct vcpu *vcpu)
{
    struct vcpu nothing = {.fd = -1};

    if (vcpu->run != NULL)
        munmap((void *)vcpu->run, vcpu->run_size);
    if (vcpu->fd != -1)
        close(vcpu->fd);
    *vcpu = nothing;
}
