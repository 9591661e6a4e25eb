/* 11-boot-linux.h - orders and reports of lab 11's subject. */
#ifndef SUBJECTS_11_BOOT_LINUX_H
#define SUBJECTS_11_BOOT_LINUX_H

#include <stdint.h>

#include "linux_vm.h"
#include "machine/protocol.h"

enum lab11_entry {
    LAB11_BOOT = 0, /* struct lab11_boot -> struct lab11_boot_output */
    LAB11_UART,     /* struct lab11_uart -> struct lab11_uart_output */
    LAB11_FILES,    /* struct lab11_files -> struct lab11_files_output */
    LAB11_BOARD,    /* struct lab11_board -> struct lab11_board_output */
    LAB11_PCI,      /* struct lab11_pci -> struct lab11_pci_output */
    LAB11_ENTRIES
};

/* In the log of calls, an munmap() of 0 bytes at address N stands before operation N, and one
 * more behind the last. */

/* --- LAB11_UART ------------------------------------------------------------------------- */

#define LAB11_OPS 400

enum lab11_uart_kind { LAB11_READ = 1, LAB11_WRITE, LAB11_RECEIVE };

struct lab11_uart_op {
    uint32_t kind;
    uint32_t offset, size; /* 1, 2 or 4 bytes from a register on */
    uint8_t data[4];       /* RECEIVE: the first */
};

struct lab11_uart {
    uint64_t base;
    uint32_t gsi, op_count;
    struct lab11_uart_op ops[LAB11_OPS];
};

struct lab11_uart_result {
    uint8_t data[4];     /* as the device left them; before: 5Ah */
    uint32_t taken;      /* RECEIVE */
    uint32_t sent_count; /* bytes sent since the beginning */
};

#define LAB11_SENT 1024

struct lab11_uart_output {
    int32_t ready; /* KVM and VM are there */
    int32_t init;  /* uart_init() */
    int32_t again; /* the same, at the same ports */
    uint32_t sent_count;
    uint8_t sent[LAB11_SENT];
    struct lab11_uart_result results[LAB11_OPS];
};

/* --- LAB11_FILES ------------------------------------------------------------------------ */

#define LAB11_FILES_RAM (8u << 20) /* a memfd "guest-ram", at GPA 0 */

struct lab11_files {
    uint64_t ram_size; /* as the request says it */
    uint64_t rsdp;
    uint64_t kernel_end;       /* for boot_parameters_write() */
    uint32_t load, parameters; /* what to call */
    uint32_t kernel_size, initramfs_size;
    uint32_t command_line_length; /* of letters */
    char command_line[64];        /* how it begins */
    uint8_t bytes[768 << 10];     /* kernel, then initramfs */
};

struct lab11_files_output {
    int32_t ready;
    int32_t load, parameters; /* results */
    uint32_t entry;
    uint64_t end;
};

/* --- LAB11_BOARD ------------------------------------------------------------------------ */

/* Operations: 0 board_create(), 1 board_cpuid(), 2 boot_vcpu_start(). */
struct lab11_board {
    uint32_t vcpu_id, entry;
};

struct lab11_board_output {
    int32_t ready;
    int32_t create, cpuid, start;
};

/* --- LAB11_PCI -------------------------------------------------------------------------- */

enum lab11_pci_kind {
    LAB11_PCI_READ = 1,
    LAB11_PCI_WRITE,
    LAB11_PCI_PASS,
    LAB11_PCI_REMOVE
};

struct lab11_pci_op {
    uint32_t kind;
    uint32_t port, size, data;
};

struct lab11_pci {
    char group_path[64];
    char address[32];
    uint32_t gsi, op_count;
    struct lab11_pci_op ops[LAB11_OPS];
};

struct lab11_pci_result {
    uint32_t data;
    int32_t result;    /* PASS */
    uint64_t slot_gpa; /* of the memory slot that is BAR 0; ~0: there is none */
    uint64_t slot_size;
    uint32_t slot_is_bar; /* what is behind it is the device's mapped BAR */
    uint32_t eventfds;    /* 1: both are open */
};

struct lab11_pci_output {
    int32_t ready;
    int32_t init, again, open;
    struct lab11_pci_result results[LAB11_OPS];
};

/* --- LAB11_BOOT ------------------------------------------------------------------------- */

/* Files of the machine. */
#define LAB11_KERNEL    "/boot/vmlinux"
#define LAB11_OTHER     GUEST_KERNEL /* one that somebody brought */
#define LAB11_INITRAMFS "/boot/initramfs"

#define LAB11_RAM_MIB 128

struct lab11_boot {
    uint32_t terminal; /* keys from standard input, console to standard output */
    uint32_t has_pci;
    uint32_t device; /* pass it through */
    uint32_t ram_mib;
    uint32_t cpus;  /* 0: one */
    uint32_t other; /* boot LAB11_OTHER */
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
