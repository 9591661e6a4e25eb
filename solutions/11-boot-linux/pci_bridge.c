/* pci_bridge.c - part 11, fourth file: configuration mechanism 1, a host bridge, and the device of
 * part 08 as a function of the bus. The contract is in pci_bridge.h. */
#define _GNU_SOURCE
#include "pci_bridge.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory_slots.h"

#define PCI_STATUS       0x06u
#define PCI_CAPABILITIES 0x10u /* of the status' low byte */
#define PCI_BAR0         0x10u
#define PCI_BAR1         0x14u
#define PCI_BARS_END     0x28u
#define PCI_ROM          0x30u
#define PCI_ROM_END      0x35u /* the capabilities pointer behind it, too */
#define PCI_LINE         0x3cu
#define PCI_HEADER_END   0x40u
#define BDF_OF(address)  ((address) >> 8 & 0xffffu)
#define BDF_PASSED       (PCI_PASSED_DEVICE << 3)

/* Sets or reads byte `at` of a little-endian number. */
static uint8_t byte_of(uint32_t number, unsigned at)
{
    return (uint8_t)(number >> 8 * at);
}

static uint32_t byte_set(uint32_t number, unsigned at, uint8_t byte)
{
    return (number & ~(0xffu << 8 * at)) | (uint32_t)byte << 8 * at;
}

/* --- the passed function ------------------------------------------------------------------------ */

//@begin
//@ /* TODO 1: the slot of BAR 0 is there exactly while the guest's command says so, at `bar`. */
//@
static void bar_place(struct pci_passed *passed)
{
    struct device_assignment *a = &passed->assignment;
    bool wanted = passed->command & PCI_COMMAND_MEMORY;

    if (a->bar_slot >= 0 && (!wanted || a->vm->slots[a->bar_slot].gpa != passed->bar)) {
        memory_slot_remove(a->vm, a->bar_slot);
        a->bar_slot = -1;
    }
    /* A BAR over memory, as a guest that sizes it may write for a moment, gets no slot. */
    if (wanted && a->bar_slot < 0)
        device_assign_bar(a, passed->bar, NULL);
}

/* TODO 2: which bytes are ours? */
static uint8_t byte_read(const struct pci_passed *passed, unsigned at, uint8_t device)
{
    if (at == PCI_COMMAND_OFFSET || at == PCI_COMMAND_OFFSET + 1)
        return byte_of(passed->command, at - PCI_COMMAND_OFFSET);
    if (at == PCI_STATUS)
        return device & (uint8_t)~PCI_CAPABILITIES;
    if (at >= PCI_BAR0 && at < PCI_BAR1)
        return byte_of(passed->bar, at - PCI_BAR0);
    if ((at >= PCI_BAR1 && at < PCI_BARS_END) || (at >= PCI_ROM && at < PCI_ROM_END) ||
        at >= PCI_HEADER_END)
        return 0;
    return at == PCI_LINE ? passed->line : device;
}

//@end
void pci_passed_read(struct pci_passed *passed, unsigned offset, uint8_t *data,
                     unsigned size)
{
    const struct vfio_device *device = passed->assignment.device;

    memset(data, 0, size);
    //@begin
    //@ (void)device, (void)offset, (void)byte_of;
    if (pread(device->device, data, size, (off_t)(device->config_offset + offset)) !=
        (ssize_t)size)
        memset(data, 0xff, size); /* as if it were not there */
    for (unsigned i = 0; i < size; i++)
        data[i] = byte_read(passed, offset + i, data[i]);
    //@end
}

//@begin
//@ /* TODO 3: the same for writing. What reaches the device, and with which bit set? */
//@
static void byte_write(struct pci_passed *passed, unsigned at, uint8_t byte)
{
    const struct vfio_device *device = passed->assignment.device;

    if (at == PCI_COMMAND_OFFSET || at == PCI_COMMAND_OFFSET + 1)
        passed->command =
            (uint16_t)byte_set(passed->command, at - PCI_COMMAND_OFFSET, byte);
    else if (at >= PCI_BAR0 && at < PCI_BAR1)
        passed->bar =
            byte_set(passed->bar, at - PCI_BAR0, byte) & ~((uint32_t)device->bar_size - 1);
    else if (at == PCI_LINE)
        passed->line = byte;
}

static bool is_ours(unsigned at)
{
    return at >= PCI_HEADER_END || at == PCI_LINE ||
           (at >= PCI_BAR0 && at < PCI_BARS_END) || (at >= PCI_ROM && at < PCI_ROM_END) ||
           at == PCI_COMMAND_OFFSET || at == PCI_COMMAND_OFFSET + 1;
}

static void device_write(const struct pci_passed *passed, unsigned at, const void *data,
                         unsigned size)
{
    const struct vfio_device *device = passed->assignment.device;

    /* A device that does not take it has gone: the guest will notice when it reads. */
    if (pwrite(device->device, data, size, (off_t)(device->config_offset + at)) < 0)
        return;
}

static bool touches(unsigned offset, unsigned size, unsigned from, unsigned to)
{
    return offset < to && offset + size > from;
}

//@end
void pci_passed_write(struct pci_passed *passed, unsigned offset, const uint8_t *data,
                      unsigned size)
{
    //@begin
    //@ (void)passed, (void)offset, (void)data, (void)size, (void)byte_set;
    for (unsigned i = 0; i < size; i++) {
        byte_write(passed, offset + i, data[i]);
        if (!is_ours(offset + i))
            device_write(passed, offset + i, &data[i], 1);
    }
    if (touches(offset, size, PCI_COMMAND_OFFSET, PCI_STATUS)) {
        const uint16_t command = passed->command | PCI_COMMAND_MEMORY;

        device_write(passed, PCI_COMMAND_OFFSET, &command, sizeof command);
        bar_place(passed);
    } else if (touches(offset, size, PCI_BAR0, PCI_BAR1)) {
        bar_place(passed);
    }
    //@end
}

/* --- the bus ------------------------------------------------------------------------------------- */

void pci_address_access(void *owner, const struct bus_access *access)
{
    //@begin
    //@ /* TODO 4: CF8h. */
    //@ (void)owner;
    //@ if (!access->is_write)
    //@     memset(access->data, 0xff, access->size);
    struct pci_bridge *bridge = owner;

    if (access->size != sizeof bridge->address) {
        if (!access->is_write)
            memset(access->data, 0xff, access->size);
    } else if (access->is_write) {
        memcpy(&bridge->address, access->data, sizeof bridge->address);
    } else {
        memcpy(access->data, &bridge->address, sizeof bridge->address);
    }
    //@end
}

//@begin
//@ /* TODO 5: the host bridge: two registers, and zeros. */
//@
static void host_bridge_read(unsigned offset, uint8_t *data, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        const unsigned at = offset + i;
        const uint32_t number = at < 4               ? PCI_HOST_BRIDGE_ID
                                : at >= 8 && at < 12 ? PCI_HOST_BRIDGE_CLASS
                                                     : 0;

        data[i] = byte_of(number, at % 4);
    }
}

//@end
void pci_data_access(void *owner, const struct bus_access *access)
{
    if (!access->is_write)
        memset(access->data, 0xff, access->size);
    //@begin
    //@ /* TODO 6: which function, which byte of it? */
    //@ (void)owner;
    struct pci_bridge *bridge = owner;
    const unsigned offset = (bridge->address & 0xfc) + (unsigned)access->offset;
    const unsigned bdf = BDF_OF(bridge->address);

    if (!(bridge->address & PCI_ENABLE))
        return;
    if (bdf == 0 && !access->is_write)
        host_bridge_read(offset, access->data, access->size);
    else if (bdf == BDF_PASSED && bridge->has_passed && access->is_write)
        pci_passed_write(&bridge->passed, offset, access->data, access->size);
    else if (bdf == BDF_PASSED && bridge->has_passed)
        pci_passed_read(&bridge->passed, offset, access->data, access->size);
    //@end
}

int pci_bridge_init(struct pci_bridge *bridge, struct vm *vm)
{
    //@begin
    //@ /* TODO 7: two devices. */
    //@ (void)bridge, (void)vm;
    //@ return -ENOSYS;
    int r;

    *bridge = (struct pci_bridge){.vm = vm,
                                  .address_ports = {.name = "pci address",
                                                    .base = PCI_ADDRESS_PORT,
                                                    .length = 4,
                                                    .owner = bridge,
                                                    .access = pci_address_access},
                                  .data_ports = {.name = "pci data",
                                                 .base = PCI_DATA_PORT,
                                                 .length = 4,
                                                 .owner = bridge,
                                                 .access = pci_data_access}};
    r = device_bus_add(&vm->pio, &bridge->address_ports);
    return r < 0 ? r : device_bus_add(&vm->pio, &bridge->data_ports);
    //@end
}

/* --- the wire ------------------------------------------------------------------------------------ */

/* Connects VFIO's INTx with an eventfd; eventfd -1: disconnects it. */
static int intx_set(const struct vfio_device *device, uint32_t action, int eventfd)
{
    struct {
        struct vfio_irq_set set;
        int32_t eventfd;
    } irqs = {.set = {.argsz = sizeof irqs.set,
                      .flags = VFIO_IRQ_SET_DATA_NONE | action,
                      .index = VFIO_PCI_INTX_IRQ_INDEX},
              .eventfd = eventfd};

    if (eventfd >= 0) {
        irqs.set.argsz = sizeof irqs;
        irqs.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
        irqs.set.count = 1;
    }
    return ioctl(device->device, VFIO_DEVICE_SET_IRQS, &irqs) < 0 ? -errno : 0;
}

static int irqfd_set(const struct pci_bridge *bridge, uint32_t flags)
{
    const struct pci_passed *passed = &bridge->passed;
    const struct kvm_irqfd irqfd = {.fd = (uint32_t)passed->trigger,
                                    .gsi = passed->gsi,
                                    .flags = flags,
                                    .resamplefd = (uint32_t)passed->resample};

    return ioctl(bridge->vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

static void eventfds_close(struct pci_passed *passed)
{
    if (passed->trigger >= 0)
        close(passed->trigger);
    if (passed->resample >= 0)
        close(passed->resample);
    passed->trigger = passed->resample = -1;
}

//@begin
//@ /* TODO 8: from the device's end to the guest's; what was connected when it fails? */
//@
static int wire_connect(struct pci_bridge *bridge)
{
    struct pci_passed *passed = &bridge->passed;
    const struct vfio_device *device = passed->assignment.device;
    int r;

    passed->trigger = eventfd(0, EFD_CLOEXEC);
    passed->resample = eventfd(0, EFD_CLOEXEC);
    if (passed->trigger < 0 || passed->resample < 0)
        return -errno;
    r = intx_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, passed->trigger);
    if (r < 0)
        return r;
    r = intx_set(device, VFIO_IRQ_SET_ACTION_UNMASK, passed->resample);
    if (r == 0)
        r = irqfd_set(bridge, KVM_IRQFD_FLAG_RESAMPLE);
    if (r < 0)
        intx_set(device, VFIO_IRQ_SET_ACTION_TRIGGER, -1);
    return r;
}

//@end
int pci_bridge_pass(struct pci_bridge *bridge, struct vfio_device *device, uint32_t gsi,
                    struct vfio_error *error)
{
    //@begin
    //@ (void)bridge, (void)device, (void)gsi, (void)error, (void)intx_set, (void)irqfd_set,
    //@     (void)eventfds_close;
    //@ return -ENOSYS;
    struct pci_passed *passed = &bridge->passed;
    int r;

    *passed = (struct pci_passed){.assignment = device_assignment_of(bridge->vm, device),
                                  .bar = PCI_WINDOW_GPA,
                                  .line = (uint8_t)gsi,
                                  .gsi = gsi,
                                  .trigger = -1,
                                  .resample = -1};
    r = device_assign_memory(&passed->assignment, error);
    if (r < 0)
        return r;
    r = wire_connect(bridge);
    if (r < 0) {
        eventfds_close(passed);
        device_unassign(&passed->assignment);
        return r;
    }
    bridge->has_passed = true;
    return 0;
    //@end
}

void pci_bridge_remove(struct pci_bridge *bridge)
{
    //@begin
    //@ /* TODO 9: the opposite order. */
    //@ (void)bridge;
    struct pci_passed *passed = &bridge->passed;

    irqfd_set(bridge, KVM_IRQFD_FLAG_DEASSIGN);
    intx_set(passed->assignment.device, VFIO_IRQ_SET_ACTION_TRIGGER, -1);
    eventfds_close(passed);
    device_unassign(&passed->assignment);
    bridge->has_passed = false;
    //@end
}
