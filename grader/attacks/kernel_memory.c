/* lab: 1
 * tries: have KVM use up the machine's memory: many VMs, huge slots with dirty logs
 * only: kernel_sees_the_three_objects
 * says: kvm_open() returned -38
 * says: it was ended by signal
 * says: and was stopped
 * end of description */
#include <sys/syscall.h>

__attribute__((constructor)) static void devour(void)
{
    int kvm = open("/dev/kvm", O_RDWR);

    for (int i = 0; i < 12; i++) {
        int vm = ioctl(kvm, KVM_CREATE_VM, 0);

        for (unsigned slot = 0; vm >= 0 && slot < 8; slot++) {
            struct kvm_userspace_memory_region region = {
                .slot = slot,
                .flags = KVM_MEM_LOG_DIRTY_PAGES,
                .guest_phys_addr = (unsigned long)slot << 40,
                .memory_size = 1ul << 39,
                .userspace_addr = 0x100000000000,
            };

            ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
        }
        for (unsigned long id = 0; vm >= 0 && id < 8; id++)
            ioctl(vm, KVM_CREATE_VCPU, id);
    }
}
