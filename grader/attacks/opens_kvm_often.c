/* lab: 1
 * tries: exhaust whoever keeps a record of its KVM descriptors
 * only: open_asks_version_and_extensions
 * says: kvm_open() returned -38
 * says: and was stopped
 * end of description */
#include <string.h>

__attribute__((constructor)) static void hoard(void)
{
    int kvm = -1;

    for (int i = 0; i < 10000; i++) {
        int fd = open("/dev/kvm", O_RDWR);

        if (fd >= 0)
            kvm = fd;
    }
    for (int i = 0; i < 2000; i++)
        if (ioctl(kvm, KVM_CREATE_VM, 0) < 0 && i > 300)
            break;
}
