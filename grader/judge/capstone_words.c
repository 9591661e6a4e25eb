/* capstone_words.c - see capstone_words.h. */
#define _GNU_SOURCE
#include "judge/capstone_words.h"

#include <errno.h>
#include <string.h>

#include "linux_vm.h"

const char *capstone_step(uint32_t step)
{
    static const char *const names[] = {"nothing",
                                        "kvm_open() and vm_create()",
                                        "board_create()",
                                        "vcpu_create()",
                                        "memory_slot_add()",
                                        "board_cpuid()",
                                        "uart_init()",
                                        "pci_bridge_init()",
                                        "vfio_open() and pci_bridge_pass()",
                                        "boot_linux()",
                                        "vcpu_run()",
                                        "the end"};

    return step < sizeof names / sizeof names[0] ? names[step] : "?";
}

const char *capstone_error(uint32_t step, int error)
{
    if (step == LINUX_VM_BOOT && error == ENOEXEC)
        return "the kernel is no ELF file for x86-64, no bzImage and no multiboot image, "
               "or is "
               "damaged";
    if (step == LINUX_VM_BOOT && error == ENOTSUP)
        return "the kernel has no PVH note: it cannot be entered without a firmware";
    if (step == LINUX_VM_BOOT && error == EFBIG)
        return "kernel and initramfs do not fit into the guest's memory";
    if (step == LINUX_VM_BOOT && error == E2BIG)
        return "the command line is too long";
    return strerrordesc_np(error) ? strerrordesc_np(error) : "?";
}
