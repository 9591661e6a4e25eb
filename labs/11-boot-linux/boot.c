/* boot.c - part 11, second file: a kernel, its initramfs and its parameters in guest memory, and
 * a vCPU that begins there. The contract is in boot.h. */
#include "boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "memory_slots.h"
#include "x86.h"

/* True if the file has all of [offset, offset + size). */
static bool file_holds(const struct boot_file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

/* TODO 1: is it a kernel of the right kind, and does all that it speaks of lie inside the
 * file? Copy headers out of the file with memcpy(): nothing says that they are aligned. */

int boot_kernel_load(struct vm *vm, const struct boot_request *request,
                     struct boot_kernel *kernel)
{
    (void)vm, (void)request, (void)kernel, (void)file_holds;
    return -ENOSYS;
}

/* TODO 4: as high as it goes, at a page boundary, and not below the kernel's end. */

int boot_parameters_write(struct vm *vm, const struct boot_request *request,
                          uint64_t kernel_end)
{
    (void)vm, (void)request, (void)kernel_end;
    return -ENOSYS;
}

/* TODO 6: what the CPU would have after the loader's last instruction. */

int boot_vcpu_start(struct vcpu *vcpu, uint32_t entry)
{
    (void)vcpu, (void)entry;
    return -ENOSYS;
}

int boot_linux(struct vcpu *vcpu, const struct boot_request *request)
{
    struct boot_kernel kernel = {0};
    int r = boot_kernel_load(vcpu->vm, request, &kernel);

    if (r == 0)
        r = boot_parameters_write(vcpu->vm, request, kernel.end);
    if (r == 0)
        r = boot_vcpu_start(vcpu, kernel.entry);
    return r;
}
