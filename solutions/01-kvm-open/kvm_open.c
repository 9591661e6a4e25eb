/* kvm_open.c - part 01: from /dev/kvm to a vCPU that could run.
 * The contract of every function is in common/include/kvm_open.h. */
#include "kvm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

//@begin
//@ /* TODO 1: which VMM_ERR_* stands for an errno? Some errnos mean the same at every step,
//@  * some only at one. A function for it saves you from writing it seven times. */
/* What an errno means does depend on who answered it: EINVAL from KVM_CREATE_VCPU is about
 * the id, EACCES from open is about groups. The rest means the same everywhere. */
static enum vmm_error_kind error_kind(enum vmm_step step, int errnum)
{
    if (errnum == EMFILE || errnum == ENFILE)
        return VMM_ERR_TOO_MANY_FILES;
    if (errnum == ENOMEM)
        return VMM_ERR_NO_MEMORY;

    switch (step) {
    case VMM_STEP_OPEN_DEVICE:
        if (errnum == ENOENT || errnum == ENXIO || errnum == ENODEV)
            return VMM_ERR_NO_DEVICE;
        if (errnum == EACCES || errnum == EPERM)
            return VMM_ERR_NO_PERMISSION;
        break;
    case VMM_STEP_API_VERSION:
        if (errnum == ENOTTY)
            return VMM_ERR_NOT_KVM;
        break;
    case VMM_STEP_CREATE_VM:
        if (errnum == EBUSY)
            return VMM_ERR_BUSY;
        break;
    case VMM_STEP_CREATE_VCPU:
        if (errnum == EEXIST)
            return VMM_ERR_VCPU_EXISTS;
        if (errnum == EINVAL)
            return VMM_ERR_VCPU_ID;
        break;
    default:
        break;
    }
    return VMM_ERR_SYSCALL;
}

/* Reports the call that has just failed; must come before anything else changes errno. */
static int call_failed(struct vmm_error *error, enum vmm_step step)
{
    int errnum = errno;

    return vmm_error_set(error, step, error_kind(step, errnum), errnum, 0);
}

/* Reports a call that worked and whose answer we cannot live with. */
static int answer_refused(struct vmm_error *error, enum vmm_step step,
                          enum vmm_error_kind kind, int64_t detail, int result)
{
    vmm_error_set(error, step, kind, 0, detail);
    return result;
}

static int api_version_check(struct kvm *kvm, struct vmm_error *error)
{
    int version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);

    if (version < 0)
        return call_failed(error, VMM_STEP_API_VERSION);
    if (version != KVM_API_VERSION)
        return answer_refused(error, VMM_STEP_API_VERSION, VMM_ERR_API_VERSION, version,
                              -ENOTSUP);
    kvm->api_version = version;
    return 0;
}

static int extensions_check(const struct kvm *kvm, struct vmm_error *error)
{
    for (const int *capability = kvm_required_extensions; *capability >= 0; capability++) {
        int value = ioctl(kvm->fd, KVM_CHECK_EXTENSION, (unsigned long)*capability);

        if (value < 0)
            return call_failed(error, VMM_STEP_CHECK_EXTENSION);
        if (value == 0)
            return answer_refused(error, VMM_STEP_CHECK_EXTENSION,
                                  VMM_ERR_MISSING_EXTENSION, *capability, -ENOTSUP);
    }
    return 0;
}

static int run_size_get(struct kvm *kvm, struct vmm_error *error)
{
    int size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (size < 0)
        return call_failed(error, VMM_STEP_RUN_SIZE);
    if ((size_t)size < sizeof(struct kvm_run))
        return answer_refused(error, VMM_STEP_RUN_SIZE, VMM_ERR_RUN_SIZE, size, -EPROTO);
    kvm->run_size = (size_t)size;
    return 0;
}

//@end
int kvm_open(struct kvm *kvm, const char *path, struct vmm_error *error)
{
//@begin
//@ /* TODO 2: open, KVM_GET_API_VERSION, KVM_CHECK_EXTENSION for each required one,
//@  * KVM_GET_VCPU_MMAP_SIZE; and back out of all of it where one fails. */
//@ (void)kvm, (void)path, (void)error;
//@ return -ENOSYS;
    int r;

    *kvm = (struct kvm){.fd = open(path, O_RDWR | O_CLOEXEC)};
    if (kvm->fd < 0)
        return call_failed(error, VMM_STEP_OPEN_DEVICE);
    r = api_version_check(kvm, error);
    if (r == 0)
        r = extensions_check(kvm, error);
    if (r == 0)
        r = run_size_get(kvm, error);
    if (r < 0)
        kvm_close(kvm);
    return r;
//@end
}

void kvm_close(struct kvm *kvm)
{
//@begin
//@ /* TODO 3: close what kvm_open() opened; harmless when called twice. */
//@ (void)kvm;
    if (kvm->fd >= 0)
        close(kvm->fd);
    *kvm = (struct kvm){.fd = -1};
//@end
}

int kvm_extension(const struct kvm *kvm, int capability)
{
//@begin
//@ /* TODO 4: one ioctl. */
//@ (void)kvm, (void)capability;
//@ return -ENOSYS;
    int value = ioctl(kvm->fd, KVM_CHECK_EXTENSION, (unsigned long)capability);

    return value < 0 ? -errno : value;
//@end
}

int vm_create(struct vm *vm, struct kvm *kvm, struct vmm_error *error)
{
//@begin
//@ /* TODO 5: KVM_CREATE_VM answers with a new descriptor. What if a signal arrives? */
//@ (void)vm, (void)kvm, (void)error;
//@ return -ENOSYS;
    int fd;

    do
        fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
    while (fd < 0 && errno == EINTR);

    *vm = (struct vm){.fd = fd, .kvm = kvm};
    if (fd < 0) {
        vm->fd = -1;
        return call_failed(error, VMM_STEP_CREATE_VM);
    }
    return 0;
//@end
}

void vm_destroy(struct vm *vm)
{
//@begin
//@ /* TODO 6: the VM owns one descriptor. */
//@ (void)vm;
    if (vm->fd >= 0)
        close(vm->fd);
    *vm = (struct vm){.fd = -1};
//@end
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned id, struct vmm_error *error)
{
//@begin
//@ /* TODO 7: KVM_CREATE_VCPU, then mmap. Two things can fail: the second one has
//@  * something to clean up. */
//@ (void)vcpu, (void)vm, (void)id, (void)error;
//@ return -ENOSYS;
    int r;

    *vcpu = (struct vcpu){.fd = -1, .id = id, .vm = vm};
    vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
    if (vcpu->fd < 0) {
        r = call_failed(error, VMM_STEP_CREATE_VCPU);
        if (error && (error->kind == VMM_ERR_VCPU_EXISTS || error->kind == VMM_ERR_VCPU_ID))
            error->detail = id;
        vcpu_destroy(vcpu);
        return r;
    }
    void *run = mmap(NULL, vm->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     vcpu->fd, 0);
    if (run == MAP_FAILED) {
        r = call_failed(error, VMM_STEP_MAP_RUN);
        vcpu_destroy(vcpu);
        return r;
    }
    vcpu->run = run;
    vcpu->run_size = vm->kvm->run_size;
    return 0;
//@end
}

void vcpu_destroy(struct vcpu *vcpu)
{
//@begin
//@ /* TODO 8: the mapping first, then the descriptor. */
//@ (void)vcpu;
    if (vcpu->run)
        munmap(vcpu->run, vcpu->run_size);
    if (vcpu->fd >= 0)
        close(vcpu->fd);
    *vcpu = (struct vcpu){.fd = -1};
//@end
}
