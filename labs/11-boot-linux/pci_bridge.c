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

/* TODO 1: the slot of BAR 0 is there exactly while the guest's command says so, at `bar`. */

void pci_passed_read(struct pci_passed *passed, unsigned offset, uint8_t *data,
                     unsigned size)
{
    const struct vfio_device *device = passed->assignment.device;

    memset(data, 0, size);
    (void)device, (void)offset, (void)byte_of;
}

/* TODO 3: the same for writing. What reaches the device, and with which bit set? */

void pci_passed_write(struct pci_passed *passed, unsigned offset, const uint8_t *data,
                      unsigned size)
{
    (void)passed, (void)offset, (void)data, (void)size, (void)byte_set;
}

/* --- the bus ------------------------------------------------------------------------------------- */

void pci_address_access(void *owner, const struct bus_access *access)
{
    /* TODO 4: CF8h. */
    (void)owner;
    if (!access->is_write)
        memset(access->data, 0xff, access->size);
}

/* TODO 5: the host bridge: two registers, and zeros. */

void pci_data_access(void *owner, const struct bus_access *access)
{
    if (!access->is_write)
        memset(access->data, 0xff, access->size);
    /* TODO 6: which function, which byte of it? */
    (void)owner;
}

int pci_bridge_init(struct pci_bridge *bridge, struct vm *vm)
{
    /* TODO 7: two devices. */
    (void)bridge, (void)vm;
    return -ENOSYS;
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

/* TODO 8: from the device's end to the guest's; what was connected when it fails? */

int pci_bridge_pass(struct pci_bridge *bridge, struct vfio_device *device, uint32_t gsi,
                    struct vfio_error *error)
{
    (void)bridge, (void)device, (void)gsi, (void)error, (void)intx_set, (void)irqfd_set,
        (void)eventfds_close;
    return -ENOSYS;
}

void pci_bridge_remove(struct pci_bridge *bridge)
{
    /* TODO 9: the opposite order. */
    (void)bridge;
}
