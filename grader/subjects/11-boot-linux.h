/* 11-boot-linux.h - orders and reports of lab 11's subject. */
#ifndef SUBJECTS_11_BOOT_LINUX_H
#define SUBJECTS_11_BOOT_LINUX_H

#include <stdint.h>

#include "linux_vm.h"

enum lab11_entry {
    LAB11_BOOT = 0, /* struct lab11_boot -> struct lab11_boot_output */
    LAB11_ENTRIES
};

/* Files of the machine. */
#define LAB11_KERNEL    "/boot/vmlinux"
#define LAB11_INITRAMFS "/boot/initramfs"

#define LAB11_RAM_MIB 128

struct lab11_boot {
    uint32_t terminal; /* keys from standard input, console to standard output */
    uint32_t has_pci;
    uint32_t device; /* pass it through */
    uint32_t ram_mib;
    char command_line[4096];
};

struct lab11_boot_output {
    uint32_t step; /* enum linux_vm_step */
    int32_t result;
    uint32_t status; /* of vcpu_run() */
    uint32_t powered_off, reset;
    uint32_t reserved;
    uint64_t detail;
    uint64_t exits[VCPU_EXIT_REASONS];
    struct vfio_error device_error;
    uint64_t unclaimed; /* accesses to ports that nobody answers */
};

#endif
