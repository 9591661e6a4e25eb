/* linux_vm.c - the parts put together: a PC that runs Linux. */
#define _GNU_SOURCE
#include "linux_vm.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "acpi_tables.h"
#include "board.h"
#include "foreign_kernel.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "vfio_device.h"

#define PCI_DMA_BITS 28 /* address lines of the edu device */
#define FULL_WAIT_US 2000

/* --- the console: bytes out, and a thread that types --------------------------------------- */

static void console_send(void *owner, uint8_t byte)
{
    const struct linux_vm *machine = owner;

    while (machine->console >= 0 && write(machine->console, &byte, 1) < 0 && errno == EINTR)
        ;
}

/* False: the run has ended meanwhile. */
static bool key_type(struct linux_vm *machine, uint8_t key)
{
    struct pollfd end = {.fd = machine->end, .events = POLLIN};

    while (!uart_receive(&machine->uart, key)) {
        if (poll(&end, 1, 0) > 0)
            return false;
        usleep(FULL_WAIT_US); /* the guest has not fetched the last ones yet */
    }
    return true;
}

static void *console_thread(void *owner)
{
    struct linux_vm *machine = owner;
    struct pollfd events[2] = {{.fd = machine->keys, .events = POLLIN},
                               {.fd = machine->end, .events = POLLIN}};
    uint8_t key;

    while (poll(events, 2, -1) > 0 || errno == EINTR) {
        if (events[1].revents)
            break;
        if (events[0].revents &&
            (read(machine->keys, &key, 1) != 1 || !key_type(machine, key)))
            events[0].fd = -1; /* nobody types any more */
    }
    return NULL;
}

/* --- step by step ---------------------------------------------------------------------------- */

static int processors_make(struct linux_vm *machine, unsigned cpus)
{
    int r;

    machine->step = LINUX_VM_KVM;
    r = kvm_open(&machine->kvm, KVM_DEVICE_PATH, NULL);
    if (r == 0)
        r = vm_create(&machine->vm, &machine->kvm, NULL);
    if (r < 0)
        return r;
    machine->step = LINUX_VM_BOARD;
    r = board_create(&machine->vm);
    if (r < 0)
        return r;
    machine->step = LINUX_VM_VCPU;
    r = vcpu_create(&machine->vcpu, &machine->vm, 0, NULL);
    for (unsigned i = 1; r == 0 && i < cpus; i++) {
        struct linux_cpu *cpu = &machine->others[machine->other_count];

        *cpu = (struct linux_cpu){.machine = machine};
        r = vcpu_create(&cpu->vcpu, &machine->vm, i, NULL);
        machine->other_count += r == 0;
    }
    return r;
}

static int memory_make(struct linux_vm *machine, uint64_t size)
{
    int r;

    machine->step = LINUX_VM_MEMORY;
    r = guest_ram_create(&machine->ram, "ram", size);
    if (r < 0)
        return r;
    r = memory_slot_add(&machine->vm, 0, size, machine->ram.hva, 0);
    return r < 0 ? r : 0;
}

static int board_fill(struct linux_vm *machine)
{
    int r;

    machine->step = LINUX_VM_CPUID;
    r = board_cpuid(&machine->vcpu);
    for (unsigned i = 0; r == 0 && i < machine->other_count; i++)
        r = board_cpuid(&machine->others[i].vcpu);
    if (r < 0)
        return r;
    machine->step = LINUX_VM_UART;
    r = uart_init(&machine->uart, &machine->vm, LINUX_UART_PORT, LINUX_UART_GSI);
    machine->uart.send = console_send;
    machine->uart.owner = machine;
    return r < 0 ? r : platform_init(&machine->platform, &machine->vcpu);
}

static int pci_make(struct linux_vm *machine, const struct linux_vm_request *request)
{
    const struct vfio_request wanted = {.group_path = request->group_path,
                                        .address = request->address,
                                        .dma_bits = PCI_DMA_BITS};
    int r;

    if (!request->has_pci)
        return 0;
    machine->step = LINUX_VM_PCI;
    r = pci_bridge_init(&machine->pci, &machine->vm);
    if (r < 0 || !request->group_path)
        return r;
    machine->step = LINUX_VM_DEVICE;
    r = vfio_open(&machine->device, &wanted, &machine->device_error);
    return r < 0 ? r
                 : pci_bridge_pass(&machine->pci, &machine->device, LINUX_PCI_GSI,
                                   &machine->device_error);
}

static int kernel_place(struct linux_vm *machine, const struct linux_vm_request *request)
{
    struct boot_request boot = {.kernel = request->kernel,
                                .initramfs = request->initramfs,
                                .command_line = request->command_line,
                                .ram_size = request->ram_size};
    int r;

    machine->step = LINUX_VM_BOOT;
    r = acpi_tables_write(&machine->vm, machine->other_count + 1, request->has_pci,
                          &boot.rsdp);
    if (r < 0)
        return r;
    return foreign_kernel_kind(&boot.kernel) == FOREIGN_NONE
               ? boot_linux(&machine->vcpu, &boot)
               : foreign_kernel_boot(&machine->vcpu, &boot);
}

/* --- processors beside the first ----------------------------------------------------------- */

/* KVM_RUN comes back with EAGAIN when a processor has been woken by INIT or SIPI: once more. However
 * one ends, the machine does. */
static void *processor_thread(void *owner)
{
    struct linux_cpu *cpu = owner;

    do
        cpu->result = vcpu_run(&cpu->vcpu, &cpu->stop);
    while (cpu->result == -EAGAIN);
    vcpu_kick(&cpu->machine->vcpu);
    return NULL;
}

static int others_start(struct linux_vm *machine)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < machine->other_count; i++) {
        struct linux_cpu *cpu = &machine->others[i];

        r = -pthread_create(&cpu->thread, NULL, processor_thread, cpu);
        cpu->is_running = r == 0;
    }
    return r;
}

/* If one of them was why the first was kicked, its reason is the machine's. */
static int others_end(struct linux_vm *machine)
{
    int r = 0;

    for (unsigned i = 0; i < machine->other_count; i++) {
        struct linux_cpu *cpu = &machine->others[i];

        if (!cpu->is_running)
            continue;
        vcpu_kick(&cpu->vcpu);
        pthread_join(cpu->thread, NULL);
        if (cpu->result < 0)
            r = cpu->result;
        else if (cpu->stop.status != RUN_KICKED && machine->stop.status == RUN_KICKED)
            machine->stop = cpu->stop;
    }
    return r;
}

static int processors_run(struct linux_vm *machine)
{
    int r = others_start(machine), others;

    if (r == 0)
        r = vcpu_run(&machine->vcpu, &machine->stop);
    others = others_end(machine);
    return r < 0 ? r : others;
}

static int run(struct linux_vm *machine)
{
    const uint64_t one = 1;
    pthread_t typist;
    int r;

    machine->step = LINUX_VM_RUN;
    machine->end = eventfd(0, EFD_CLOEXEC);
    if (machine->end < 0 || vcpu_kick_init() < 0)
        return -EMFILE;
    r = -pthread_create(&typist, NULL, console_thread, machine);
    if (r < 0)
        return r;
    r = processors_run(machine);
    while (write(machine->end, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(typist, NULL);
    if (r == 0)
        machine->step = LINUX_VM_ENDED;
    return r;
}

static void machine_destroy(struct linux_vm *machine)
{
    memcpy(machine->exits, machine->vcpu.exits, sizeof machine->exits);
    for (unsigned i = 0; i < machine->other_count; i++)
        for (unsigned k = 0; k < VCPU_EXIT_REASONS; k++)
            machine->exits[k] += machine->others[i].vcpu.exits[k];
    machine->unclaimed = machine->vm.pio.unclaimed;
    if (machine->pci.has_passed)
        pci_bridge_remove(&machine->pci);
    if (machine->device.container >= 0)
        vfio_close(&machine->device);
    for (unsigned i = 0; i < machine->other_count; i++)
        vcpu_destroy(&machine->others[i].vcpu);
    vcpu_destroy(&machine->vcpu);
    vm_destroy(&machine->vm);
    kvm_close(&machine->kvm);
    guest_ram_destroy(&machine->ram);
    if (machine->end >= 0)
        close(machine->end);
}

int linux_vm_run(struct linux_vm *machine, const struct linux_vm_request *request)
{
    int r;

    *machine = (struct linux_vm){.kvm = {.fd = -1},
                                 .vm = {.fd = -1},
                                 .vcpu = {.fd = -1},
                                 .ram = {.fd = -1},
                                 .device = {.container = -1, .group = -1, .device = -1},
                                 .keys = request->keys,
                                 .console = request->console,
                                 .end = -1};
    r = processors_make(machine, request->cpus);
    if (r == 0)
        r = memory_make(machine, request->ram_size);
    if (r == 0)
        r = board_fill(machine);
    if (r == 0)
        r = pci_make(machine, request);
    if (r == 0)
        r = kernel_place(machine, request);
    if (r == 0 && request->ready)
        request->ready();
    if (r == 0)
        r = run(machine);
    if (machine->step >= LINUX_VM_RUN && request->ended)
        request->ended();
    machine_destroy(machine);
    return r;
}
