/* 08-vfio-passthrough.c - dispatcher of lab 08: one device, one VM, a script or a guest. */
#define _GNU_SOURCE
#include "08-vfio-passthrough.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

#define DEVICE_ADDRESS "0000:00:05.0"
#define GROUP_LINK     "/sys/bus/pci/devices/" DEVICE_ADDRESS "/iommu_group"
#define EDU_DMA_BITS   28
#define IOAPIC_PINS    24

struct lab {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram, rom;
    struct vfio_device device, second;
    struct vfio_request request, second_request;
    struct device_assignment assignment;
    struct irq_routes routes;
    char group_path[64];
};

/* Nothing that the part does not fill in may look as if it had. */
static void device_spoil(struct lab *lab)
{
    memset(&lab->device, LAB08_JUNK, sizeof lab->device);
    memset(&lab->second, LAB08_JUNK, sizeof lab->second);
}

static void group_find(struct lab *lab)
{
    char link[256];
    ssize_t n = readlink(GROUP_LINK, link, sizeof link - 1);

    link[n > 0 ? n : 0] = 0;
    const char *number = strrchr(link, '/');
    snprintf(lab->group_path, sizeof lab->group_path, "/dev/vfio/%.20s",
             number ? number + 1 : "?");
}

/* --- LAB08_SCRIPT ------------------------------------------------------------------ */

/* What others do meanwhile with what the part uses. */
static int other_op(struct lab *lab, const struct lab08_op *op)
{
    struct pollfd signalled = {.fd = lab->assignment.eventfd, .events = POLLIN};
    const struct kvm_irq_routing_entry route = {
        .gsi = (uint32_t)op->at,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = {.address_lo = 0xfee00000u, .data = (uint32_t)op->size}};
    uint16_t command = (uint16_t)op->at;

    switch (op->kind) {
    case LAB08_COMMAND:
        return (int)pwrite(lab->device.device, &command, sizeof command,
                           (off_t)lab->device.config_offset + PCI_COMMAND_OFFSET);
    case LAB08_ROUTE:
        if (lab->routes.count < IRQ_ROUTES_MAX)
            lab->routes.entries[lab->routes.count++] = route;
        return 0;
    case LAB08_CLOSE_STDIN:
        return close(STDIN_FILENO);
    case LAB08_SIGNALLED:
        return poll(&signalled, 1, 0);
    default:
        subject_checkpoint();
        return 0;
    }
}

static int assign_op(struct lab *lab, const struct lab08_op *op, struct vfio_error *error)
{
    switch (op->kind) {
    case LAB08_ASSIGN_BAR:
        return device_assign_bar(&lab->assignment, op->at, error);
    case LAB08_ASSIGN_MEMORY:
        return device_assign_memory(&lab->assignment, error);
    case LAB08_ASSIGN_INTERRUPT:
        return device_assign_interrupt(&lab->assignment, &lab->routes, (uint32_t)op->at,
                                       (uint32_t)op->offset, (uint32_t)op->size, error);
    case LAB08_UNASSIGN:
        device_unassign(&lab->assignment);
        return 0;
    default:
        return other_op(lab, op);
    }
}

static int op_run(struct lab *lab, const struct lab08_op *op, struct lab08_result *result)
{
    struct vfio_error *error = op->no_error ? NULL : &result->error;
    uint8_t *hva = op->offset == LAB08_NO_HVA ? NULL : lab->ram.hva + op->offset;
    struct vfio_device *device = op->second ? &lab->second : &lab->device;

    switch (op->kind) {
    case LAB08_OPEN:
        return vfio_open(device, op->second ? &lab->second_request : &lab->request, error);
    case LAB08_CLOSE:
        vfio_close(device);
        return 0;
    case LAB08_MASTER:
        return vfio_bus_master(device, op->flags != 0, error);
    case LAB08_MAP:
        return vfio_dma_map(device, op->at, hva, op->size, op->flags, error);
    case LAB08_UNMAP:
        return vfio_dma_unmap(&lab->device, op->at, op->size, error);
    case LAB08_SLOT:
        return memory_slot_add(&lab->vm, op->at, op->size, hva, op->flags);
    case LAB08_SLOT_REMOVE:
        return memory_slot_remove(&lab->vm, (int)op->at);
    default:
        return assign_op(lab, op, error);
    }
}

static int32_t there(int fd)
{
    return fd >= 0 ? 1 : -1;
}

static void state_note(const struct lab *lab, const struct lab08_op *op,
                       struct lab08_state *state)
{
    const struct vfio_device *d = op->second ? &lab->second : &lab->device;
    const struct device_assignment *a = &lab->assignment;

    *state = (struct lab08_state){
        .container = there(d->container),
        .group = there(d->group),
        .device = there(d->device),
        .bar = d->bar ? 1 : -1,
        .eventfd = there(a->eventfd),
        .bar_slot = a->bar_slot,
        .bar_size = d->bar_size,
        .config_offset = d->config_offset,
        .dma_bits = d->dma_bits,
        .can_reset = d->can_reset,
        .range_count = a->range_count,
        .has_routes = a->routes != NULL,
        .gsi = a->gsi,
        .route_count = lab->routes.count,
    };
}

static bool script_prepare(struct lab *lab, const struct lab08_input *in,
                           struct lab08_output *out)
{
    out->ready = kvm_open(&lab->kvm, KVM_DEVICE_PATH, NULL) == 0 &&
                 vm_create(&lab->vm, &lab->kvm, NULL) == 0 &&
                 guest_ram_create(&lab->ram, "ram", LAB08_RAM_SIZE) == 0;
    out->ram_hva = (uintptr_t)lab->ram.hva;
    group_find(lab);
    lab->request = (struct vfio_request){.group_path = in->group_path[0] ? in->group_path
                                                                         : lab->group_path,
                                         .address = in->address,
                                         .dma_bits = in->dma_bits};
    lab->second_request = (struct vfio_request){.group_path = in->second_group_path,
                                                .address = in->second_address,
                                                .dma_bits = in->second_dma_bits};
    lab->routes = in->routes;
    device_spoil(lab);
    lab->assignment = device_assignment_of(&lab->vm, &lab->device);
    return out->ready;
}

static void script_run(struct subject *subject)
{
    static struct lab lab;
    const struct lab08_input *in = subject->input;
    struct lab08_output *out = subject->output;

    subject->output_size = sizeof *out;
    if (!script_prepare(&lab, in, out))
        return;
    for (uint32_t i = 0; i < in->op_count; i++) {
        struct lab08_result *result = &out->results[i];

        memset(&result->error, LAB08_JUNK, sizeof result->error);
        syscall(SYS_munmap, (uintptr_t)i, (size_t)0); /* a mark in the log of calls */
        result->result = op_run(&lab, &in->ops[i], result);
        state_note(&lab, &in->ops[i], &result->state);
        if (in->ops[i].kind == LAB08_OPEN && !in->ops[i].second)
            out->bar_hva = (uintptr_t)lab.device.bar;
        out->routes = lab.routes;
    }
    syscall(SYS_munmap, (uintptr_t)in->op_count, (size_t)0);
}

/* --- LAB08_MESSAGES ---------------------------------------------------------------- */

static void messages_make(struct subject *subject)
{
    const struct lab08_messages *in = subject->input;
    struct lab08_message *out = subject->output;

    subject->output_size = sizeof *out * in->count;
    for (uint32_t i = 0; i < in->count; i++) {
        struct kvm_irq_routing_msi msi;

        memset(&msi, LAB08_JUNK, sizeof msi);
        out[i].result = msi_message(in->list[i].apic_id, in->list[i].vector, &msi);
        out[i].low = msi.address_lo;
        out[i].high = msi.address_hi;
        out[i].data = msi.data;
    }
}

/* --- LAB08_GUEST ------------------------------------------------------------------- */

static void mark_access(void *owner, const struct bus_access *access)
{
    if (access->is_write && access->data[0] == LAB08_MARK_END)
        vcpu_kick(owner);
}

/* The traditional way: each access is an exit, and the VMM does it for the guest. */
static void trapped_access(void *owner, const struct bus_access *access)
{
    const struct vfio_device *device = owner;
    volatile uint32_t *reg = (volatile uint32_t *)(void *)(device->bar + access->offset);
    uint32_t value = 0;

    if (access->size != sizeof value)
        return;
    if (access->is_write) {
        memcpy(&value, access->data, sizeof value);
        *reg = value;
    } else {
        value = *reg;
        memcpy(access->data, &value, sizeof value);
    }
}

/* Interrupt routes need local APICs in the kernel; the IOAPIC would be ours. */
static int apic_create(struct vm *vm)
{
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IOAPIC_PINS}};

    return ioctl(vm->fd, KVM_ENABLE_CAP, &split) < 0 ? -errno : 0;
}

static int memory_make(struct lab *lab, const struct lab08_guest *in)
{
    int r = guest_ram_create(&lab->ram, "ram", LAB08_GUEST_RAM);

    if (r == 0)
        r = guest_ram_create(&lab->rom, "rom", LAB08_ROM_SIZE);
    if (r == 0)
        r = memory_slot_add(&lab->vm, 0, LAB08_GUEST_RAM, lab->ram.hva, 0);
    if (r >= 0)
        r = memory_slot_add(&lab->vm, LAB08_ROM_GPA, LAB08_ROM_SIZE, lab->rom.hva,
                            MEMORY_SLOT_READONLY);
    if (r < 0)
        return r;
    uint8_t *at = in->pattern_gpa >= LAB08_ROM_GPA
                      ? lab->rom.hva + (in->pattern_gpa - LAB08_ROM_GPA)
                      : lab->ram.hva + in->pattern_gpa;
    memcpy(at, in->pattern, in->pattern_size);
    return guest_write(&lab->vm, GUEST_MAILBOX_GPA, in->mailbox, sizeof in->mailbox);
}

static int parts_make(struct lab *lab, const struct lab08_guest *in)
{
    int r = kvm_open(&lab->kvm, KVM_DEVICE_PATH, NULL);

    if (r == 0)
        r = vm_create(&lab->vm, &lab->kvm, NULL);
    if (r == 0)
        r = apic_create(&lab->vm);
    if (r == 0)
        r = vcpu_create(&lab->vcpu, &lab->vm, 0, NULL);
    if (r == 0)
        r = vcpu_kick_init();
    if (r == 0)
        r = memory_make(lab, in);
    if (r == 0)
        r = guest_load(&lab->vcpu, in->image, in->image_size, GUEST_PROTECTED32);
    return r;
}

/* The part's four steps; *step says which one was the last. */
static int device_give(struct lab *lab, const struct lab08_guest *in,
                       struct lab08_guest_output *out)
{
    int r;

    device_spoil(lab);
    out->step = LAB08_STEP_OPEN;
    r = vfio_open(&lab->device, &lab->request, &out->error);
    if (r < 0)
        return r;
    lab->assignment = device_assignment_of(&lab->vm, &lab->device);
    out->step = LAB08_STEP_BAR;
    r = device_assign_bar(&lab->assignment, in->bar_gpa, &out->error);
    if (r == 0) {
        out->step = LAB08_STEP_MEMORY;
        r = device_assign_memory(&lab->assignment, &out->error);
    }
    if (r == 0 && in->interrupt) {
        out->step = LAB08_STEP_INTERRUPT;
        r = device_assign_interrupt(&lab->assignment, &lab->routes, in->gsi, 0, in->vector,
                                    &out->error);
    }
    return r;
}

static void device_take(struct lab *lab)
{
    device_unassign(&lab->assignment);
    vfio_close(&lab->device);
}

static int guest_run(struct lab *lab, struct lab08_guest_output *out)
{
    struct device mark = {.name = "mark",
                          .base = LAB08_MARK_PORT,
                          .length = 1,
                          .owner = &lab->vcpu,
                          .access = mark_access};
    struct device trapped = {.name = "trapped",
                             .base = LAB08_TRAPPED_GPA,
                             .length = GUEST_PAGE_SIZE,
                             .owner = &lab->device,
                             .access = trapped_access};
    struct run_stop stop = {.status = 0};
    int r = device_bus_add(&lab->vm.pio, &mark);

    if (r == 0)
        r = device_bus_add(&lab->vm.mmio, &trapped);
    if (r == 0)
        r = vcpu_run(&lab->vcpu, &stop);
    out->status = stop.status;
    out->mmio_exits = lab->vcpu.exits[KVM_EXIT_MMIO];
    out->pio_exits = lab->vcpu.exits[KVM_EXIT_IO];
    return r;
}

static int guest_all(struct lab *lab, const struct lab08_guest *in,
                     struct lab08_guest_output *out)
{
    int r;

    out->step = LAB08_STEP_PARTS;
    r = parts_make(lab, in);
    for (; r == 0 && out->rounds < in->rounds; out->rounds++) {
        r = device_give(lab, in, out);
        if (r == 0)
            device_take(lab);
    }
    if (r == 0)
        r = device_give(lab, in, out);
    if (r < 0)
        return r;
    subject_checkpoint();
    out->step = LAB08_STEP_RUN;
    r = guest_run(lab, out);
    subject_checkpoint();
    device_take(lab);
    subject_checkpoint();
    if (r == 0)
        out->step = LAB08_STEP_DONE;
    return r;
}

static void guest(struct subject *subject)
{
    static struct lab lab;
    struct lab08_guest_output *out = subject->output;

    subject->output_size = sizeof *out;
    group_find(&lab);
    lab.request = (struct vfio_request){
        .group_path = lab.group_path, .address = DEVICE_ADDRESS, .dma_bits = EDU_DMA_BITS};
    out->result = guest_all(&lab, subject->input, out);
}

const subject_entry subject_entries[] = {
    [LAB08_SCRIPT] = script_run,
    [LAB08_MESSAGES] = messages_make,
    [LAB08_GUEST] = guest,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
