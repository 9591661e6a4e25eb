/* 11-boot-linux.c - dispatcher of lab 11: boots a Linux with all parts. */
#define _GNU_SOURCE
#include "11-boot-linux.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "board.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

#define JUNK 0x5a

#define DEVICE "0000:00:05.0"

/* --- LAB11_BOOT ------------------------------------------------------------------------------ */

static int file_map(struct boot_file *file, const char *path)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC), error;
    void *bytes;

    if (fd < 0 || fstat(fd, &s) < 0)
        return -errno;
    bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    error = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return -error;
    *file = (struct boot_file){bytes, (size_t)s.st_size};
    return 0;
}

/* The device's group, "/dev/vfio/N". */
static int group_find(char *path, size_t size)
{
    char link[256];
    ssize_t n =
        readlink("/sys/bus/pci/devices/" DEVICE "/iommu_group", link, sizeof link - 1);

    if (n < 0)
        return -errno;
    link[n] = 0;
    snprintf(path, size, "/dev/vfio/%.20s", strrchr(link, '/') + 1);
    return 0;
}

static void boot_note(const struct linux_vm *machine, struct lab11_boot_output *out)
{
    out->step = machine->step;
    out->status = machine->stop.status;
    out->detail = machine->stop.detail;
    out->powered_off = machine->platform.powered_off;
    out->reset = machine->platform.reset;
    out->device_error = machine->device_error;
    out->unclaimed = machine->unclaimed;
    memcpy(out->exits, machine->exits, sizeof out->exits);
}

static void boot(struct subject *subject)
{
    const struct lab11_boot *in = subject->input;
    struct lab11_boot_output *out = subject->output;
    static struct linux_vm machine;
    char group[64];
    struct linux_vm_request request = {.command_line = in->command_line,
                                       .ram_size = (uint64_t)in->ram_mib << 20,
                                       .has_pci = in->has_pci,
                                       .cpus = in->cpus,
                                       .address = DEVICE,
                                       .keys = in->terminal ? 0 : -1,
                                       .console = in->terminal ? 1 : -1,
                                       .ready = in->terminal ? NULL : subject_checkpoint,
                                       .ended = in->terminal ? NULL : subject_checkpoint};

    subject->output_size = sizeof *out;
    out->result = file_map(&request.kernel, in->other ? LAB11_OTHER : LAB11_KERNEL);
    if (out->result == 0)
        out->result = file_map(&request.initramfs, LAB11_INITRAMFS);
    if (out->result == 0 && in->device) {
        out->result = group_find(group, sizeof group);
        request.group_path = group;
    }
    if (out->result < 0)
        return;
    out->result = linux_vm_run(&machine, &request);
    boot_note(&machine, out);
}

/* --- the others: on the pretended KVM -------------------------------------------------------- */

static struct {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;
} stage;

static int stage_build(void)
{
    int r = kvm_open(&stage.kvm, KVM_DEVICE_PATH, NULL);

    return r < 0 ? r : vm_create(&stage.vm, &stage.kvm, NULL);
}

static int stage_memory(uint64_t size)
{
    int r = guest_ram_create(&stage.ram, "ram", size);

    return r < 0 ? r : memory_slot_add(&stage.vm, 0, size, stage.ram.hva, 0);
}

static void mark(uint32_t operation)
{
    syscall(SYS_munmap, (unsigned long)operation, 0ul);
}

/* --- LAB11_UART */

static void sent_note(void *owner, uint8_t byte)
{
    struct lab11_uart_output *out = owner;

    out->sent[out->sent_count++ % LAB11_SENT] = byte;
}

static void uart_op(struct uart *uart, const struct lab11_uart *in,
                    const struct lab11_uart_op *op, struct lab11_uart_result *result)
{
    memset(result->data, JUNK, sizeof result->data);
    if (op->kind == LAB11_RECEIVE) {
        result->taken = uart_receive(uart, op->data[0]);
        return;
    }
    if (op->kind == LAB11_WRITE)
        memcpy(result->data, op->data, sizeof result->data);
    device_bus_access(&stage.vm.pio,
                      &(struct bus_access){.address = in->base + op->offset,
                                           .size = op->size,
                                           .is_write = op->kind == LAB11_WRITE,
                                           .data = result->data});
}

static void uart_script(struct subject *subject)
{
    const struct lab11_uart *in = subject->input;
    struct lab11_uart_output *out = subject->output;
    static struct uart uart, other;

    subject->output_size = sizeof *out;
    memset(&uart, JUNK, sizeof uart);
    if (stage_build() < 0)
        return;
    out->ready = 1;
    out->init = uart_init(&uart, &stage.vm, in->base, in->gsi);
    if (out->init < 0)
        return;
    out->again = uart_init(&other, &stage.vm, in->base + UART_PORTS - 1, in->gsi);
    uart.send = sent_note;
    uart.owner = out;
    for (uint32_t i = 0; i < in->op_count && i < LAB11_OPS; i++) {
        mark(i);
        uart_op(&uart, in, &in->ops[i], &out->results[i]);
        out->results[i].sent_count = out->sent_count;
    }
    mark(in->op_count);
}

/* --- LAB11_FILES */

/* A copy that ends where the process' memory does: reading past it is a crash. */
static struct boot_file file_fence(const uint8_t *bytes, uint32_t size)
{
    const size_t room = (size + 4095u) & ~4095u;
    uint8_t *at =
        mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (size == 0 || at == MAP_FAILED)
        return (struct boot_file){.size = 0};
    mprotect(at + room, 4096, PROT_NONE);
    memcpy(at + room - size, bytes, size);
    return (struct boot_file){at + room - size, size};
}

static void files_place(struct subject *subject)
{
    const struct lab11_files *in = subject->input;
    struct lab11_files_output *out = subject->output;
    static char text[8192];
    struct boot_kernel kernel = {.entry = 0x5a5a5a5a, .end = 0x5a5a5a5a};
    struct boot_request request = {
        .kernel = file_fence(in->bytes, in->kernel_size),
        .initramfs = file_fence(in->bytes + in->kernel_size, in->initramfs_size),
        .command_line = text,
        .ram_size = in->ram_size,
        .rsdp = in->rsdp};

    subject->output_size = sizeof *out;
    memset(text, 'x', in->command_line_length < sizeof text ? in->command_line_length : 0);
    memcpy(text, in->command_line, strlen(in->command_line));
    if (stage_build() < 0 || stage_memory(LAB11_FILES_RAM) < 0)
        return;
    out->ready = 1;
    if (in->load)
        out->load = boot_kernel_load(&stage.vm, &request, &kernel);
    if (in->parameters)
        out->parameters = boot_parameters_write(&stage.vm, &request, in->kernel_end);
    out->entry = kernel.entry;
    out->end = kernel.end;
    subject_checkpoint();
}

/* --- LAB11_BOARD */

static void board_calls(struct subject *subject)
{
    const struct lab11_board *in = subject->input;
    struct lab11_board_output *out = subject->output;

    subject->output_size = sizeof *out;
    if (stage_build() < 0)
        return;
    mark(0);
    out->create = board_create(&stage.vm);
    mark(1);
    if (vcpu_create(&stage.vcpu, &stage.vm, in->vcpu_id, NULL) < 0)
        return;
    out->ready = 1;
    out->cpuid = board_cpuid(&stage.vcpu);
    mark(2);
    out->start = boot_vcpu_start(&stage.vcpu, in->entry);
    mark(3);
}

/* --- LAB11_PCI */

static void pci_note(const struct pci_bridge *bridge, const struct vfio_device *device,
                     struct lab11_pci_result *result)
{
    const struct pci_passed *passed = &bridge->passed;
    int slot = passed->assignment.bar_slot;

    result->slot_gpa = UINT64_MAX;
    if (!bridge->has_passed)
        return;
    result->eventfds = passed->trigger >= 0 && passed->resample >= 0;
    if (slot < 0 || slot >= VM_SLOTS_MAX || stage.vm.slots[slot].size == 0)
        return;
    result->slot_gpa = stage.vm.slots[slot].gpa;
    result->slot_size = stage.vm.slots[slot].size;
    result->slot_is_bar = stage.vm.slots[slot].hva == device->bar;
}

static void pci_op(struct pci_bridge *bridge, struct vfio_device *device,
                   const struct lab11_pci *in, const struct lab11_pci_op *op,
                   struct lab11_pci_result *result)
{
    uint8_t data[4];

    memcpy(data, &op->data, sizeof data);
    if (op->kind == LAB11_PCI_PASS)
        result->result = pci_bridge_pass(bridge, device, in->gsi, NULL);
    else if (op->kind == LAB11_PCI_REMOVE && bridge->has_passed)
        pci_bridge_remove(bridge);
    else if (op->kind != LAB11_PCI_REMOVE)
        device_bus_access(&stage.vm.pio,
                          &(struct bus_access){.address = op->port,
                                               .size = op->size,
                                               .is_write = op->kind == LAB11_PCI_WRITE,
                                               .data = data});
    memcpy(&result->data, data, sizeof data);
    pci_note(bridge, device, result);
}

static void pci_script(struct subject *subject)
{
    const struct lab11_pci *in = subject->input;
    struct lab11_pci_output *out = subject->output;
    static struct pci_bridge bridge, other;
    struct vfio_device device;
    const struct vfio_request request = {
        .group_path = in->group_path, .address = in->address, .dma_bits = 28};

    subject->output_size = sizeof *out;
    memset(&bridge, JUNK, sizeof bridge);
    if (stage_build() < 0 || stage_memory(1 << 20) < 0)
        return;
    out->ready = 1;
    out->init = pci_bridge_init(&bridge, &stage.vm);
    if (out->init < 0)
        return;
    out->again = pci_bridge_init(&other, &stage.vm);
    out->open = vfio_open(&device, &request, NULL);
    for (uint32_t i = 0; i < in->op_count && i < LAB11_OPS; i++) {
        mark(i);
        pci_op(&bridge, &device, in, &in->ops[i], &out->results[i]);
    }
    mark(in->op_count);
}

const subject_entry subject_entries[LAB11_ENTRIES] = {[LAB11_BOOT] = boot,
                                                      [LAB11_UART] = uart_script,
                                                      [LAB11_FILES] = files_place,
                                                      [LAB11_BOARD] = board_calls,
                                                      [LAB11_PCI] = pci_script};
const size_t subject_entry_count = LAB11_ENTRIES;
