/* linux_vm.h - given: all parts together, from /dev/kvm to a Linux that runs.
 *
 *   01 kvm_open, vm_create    board_create    01 vcpu_create    02 memory_slot_add
 *   board_cpuid    uart_init    platform, ACPI    [08 vfio_open, pci_bridge_pass]
 *   boot_linux (or foreign_kernel_boot)    03 vcpu_run, and a thread that types
 */
#ifndef LINUX_VM_H
#define LINUX_VM_H

#include "boot.h"
#include "exit_loop.h"
#include "guest_ram.h"
#include "pci_bridge.h"
#include "platform.h"
#include "uart.h"

#include <pthread.h>

#define LINUX_UART_PORT 0x3f8u
#define LINUX_UART_GSI  4u
#define LINUX_PCI_GSI   11u
#define LINUX_CPUS_MAX  4u

struct linux_vm_request {
    struct boot_file kernel, initramfs;
    const char *command_line;
    uint64_t ram_size;
    const char *group_path; /* of the device to pass, "/dev/vfio/N"; NULL: none */
    const char *address;    /* its "0000:00:05.0" */
    bool has_pci;
    unsigned cpus; /* 0: one */
    int keys;      /* what is read here is typed into the UART; -1: nothing */
    int console;   /* where what the UART sends is written; -1: nowhere */
    /* Called when all is ready for the first instruction, and when the run has ended but all
     * is still there; may be NULL. */
    void (*ready)(void), (*ended)(void);
};

/* The last step that was tried. */
enum linux_vm_step {
    LINUX_VM_KVM = 1, /* kvm_open(), vm_create() */
    LINUX_VM_BOARD,   /* board_create() */
    LINUX_VM_VCPU,    /* vcpu_create() */
    LINUX_VM_MEMORY,  /* guest RAM and its slot */
    LINUX_VM_CPUID,   /* board_cpuid() */
    LINUX_VM_UART,    /* uart_init() */
    LINUX_VM_PCI,     /* pci_bridge_init() */
    LINUX_VM_DEVICE,  /* vfio_open(), pci_bridge_pass() */
    LINUX_VM_BOOT,    /* boot_linux() */
    LINUX_VM_RUN,     /* vcpu_run() */
    LINUX_VM_ENDED,
};

/* A processor beside the first one. KVM has it wait until the guest sends INIT and SIPI. */
struct linux_cpu {
    struct linux_vm *machine;
    struct vcpu vcpu;
    pthread_t thread;
    bool is_running;
    int result; /* of vcpu_run() */
    struct run_stop stop;
};

struct linux_vm {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu; /* the one that starts */
    struct linux_cpu others[LINUX_CPUS_MAX - 1];
    unsigned other_count;
    struct guest_ram ram;
    struct uart uart;
    struct platform platform;
    struct pci_bridge pci;
    struct vfio_device device;
    struct vfio_error device_error;
    enum linux_vm_step step;
    struct run_stop stop;
    uint64_t exits[VCPU_EXIT_REASONS], unclaimed; /* counters, when all else is gone */
    int keys, console, end;
};

/* Runs a Linux until it powers off, resets, or cannot go on. Everything that it made is gone
 * afterwards but counters and the stop. Returns 0, or what the step that failed returned. */
int linux_vm_run(struct linux_vm *machine, const struct linux_vm_request *request);

#endif
