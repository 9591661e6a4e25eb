/* lab: 1
 * tries: have its exits overflow the trace buffer: is that not the grader's fault?
 * only: first_guest_runs_until_it_halts
 * says: the kernel's record of the run was full
 * end of description */
#include <string.h>

/* Asks a port for ever; every time is a VM exit. */
__attribute__((constructor)) static void flood(void)
{
    static const unsigned char code[] = {0xe4, 0x10, 0xeb, 0xfc};
    int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    void *ram = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = 4096,
                                                 .userspace_addr = (unsigned long)ram};
    struct kvm_regs regs = {.rflags = 2};
    struct kvm_sregs sregs;

    if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
        return;
    memcpy(ram, code, sizeof code);
    sregs.cs.base = sregs.cs.selector = 0;
    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
    ioctl(vcpu, KVM_SET_SREGS, &sregs);
    ioctl(vcpu, KVM_SET_REGS, &regs);
    for (int i = 0; i < 80000; i++)
        if (ioctl(vcpu, KVM_RUN, 0) < 0)
            break;
    close(vcpu);
    close(vm);
    close(kvm);
}
