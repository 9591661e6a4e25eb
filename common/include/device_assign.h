/* device_assign.h - contract of part 08, second half: the device becomes the guest's.
 *
 *                 guest                              device
 *    registers    load/store at bar_gpa  --------->  BAR 0    no VM exit: a memory slot
 *    DMA          guest-physical memory  <---------  IOVA     = GPA: the IOMMU translates
 *    interrupt    its own IDT <-- vector <-- irqfd <--  MSI   no VMM: the kernel
 *
 * Source: Documentation/virt/kvm/api.rst of Linux, 4.35 (KVM_SET_USER_MEMORY_REGION),
 * 4.52 (KVM_SET_GSI_ROUTING), 4.75 (KVM_IRQFD); SDM 3A 11.11 (Message Signalled
 * Interrupts). */
#ifndef DEVICE_ASSIGN_H
#define DEVICE_ASSIGN_H

#include "vfio_device.h"
#include "vmm.h"

/* KVM keeps one table of interrupt routes a VM, and each KVM_SET_GSI_ROUTING replaces
 * all of it. So whoever adds a route has to tell the others again. */
#define IRQ_ROUTES_MAX 16

struct irq_routes {
    unsigned count;
    struct kvm_irq_routing_entry entries[IRQ_ROUTES_MAX]; /* what KVM has */
};

struct dma_range {
    uint64_t gpa, size;
};

struct device_assignment {
    struct vm *vm;
    struct vfio_device *device;
    int bar_slot;                          /* memory slot of the BAR, or -1 */
    struct dma_range ranges[VM_SLOTS_MAX]; /* mapped for DMA */
    unsigned range_count;                  /* 0: none */
    struct irq_routes *routes;             /* of the VM; NULL: no interrupt assigned */
    uint32_t gsi;                          /* ours among them */
    int eventfd;                           /* between MSI and irqfd, or -1 */
};

/* How an assignment begins: nothing of the device is the guest's yet. */
static inline struct device_assignment device_assignment_of(struct vm *vm,
                                                            struct vfio_device *device)
{
    return (struct device_assignment){
        .vm = vm, .device = device, .bar_slot = -1, .eventfd = -1};
}

/* The write that a device does to interrupt a CPU (SDM 3A 11.11.1, 11.11.2):
 *
 *   address  31        20 19            12 11      4  3  2  1 0
 *           +------------+----------------+---------+--+--+---+
 *           |    FEEh    | destination ID |    0    |RH|DM| 0 |   RH = DM = 0: physical,
 *           +------------+----------------+---------+--+--+---+   to that CPU alone
 *
 *   data     31      16 15  14 13   11 10   8 7       0
 *           +----------+---+--+-------+------+---------+
 *           |    0     | TM|L |   0   | mode | vector  |   TM = L = 0: edge; mode 0: fixed
 *           +----------+---+--+-------+------+---------+
 *
 * Fills address_lo, address_hi (0) and data of *msi. vector: 16 to 255, those below are
 * reserved (SDM 3A 11.5.2); apic_id: 0 to 254, 255 is everybody. Returns 0, or -EINVAL:
 * another vector or apic_id. *msi is unchanged then. */
int msi_message(uint32_t apic_id, uint32_t vector, struct kvm_irq_routing_msi *msi);

/* Makes BAR 0 a memory slot of the guest at gpa: read-write, no dirty log. Fills
 * bar_slot. Returns 0, -EBUSY (it has one already; ARGUMENT), or what memory_slot_add()
 * returned. Step BAR_SLOT. */
int device_assign_bar(struct device_assignment *assignment, uint64_t gpa,
                      struct vfio_error *error);

/* Lets the device reach the guest's memory at the guest's own addresses (IOVA = GPA):
 * every slot of the VM but that of the BAR, in the order of their numbers; a read-only
 * slot for reading only. Slots in use need not stand side by side. When all are mapped,
 * and only then, the device becomes bus master; also where there is no memory at all
 * (MSI needs it, too). Fills ranges. All or nothing: on failure what was mapped is
 * unmapped again, the last one first, each even if another cannot be. If it was
 * vfio_bus_master() that failed, the device did not become bus master: there is nothing to
 * switch off.
 * Returns 0, -EBUSY (ranges are mapped already; ARGUMENT, step DMA_MAP), or what
 * failed. */
int device_assign_memory(struct device_assignment *assignment, struct vfio_error *error);

/* Brings the device's MSI to the guest as `vector` of CPU `apic_id`, in this order, so
 * that no interrupt comes before somebody waits for it: eventfd (EFD_CLOEXEC,
 * EFD_NONBLOCK, counting from 0), the route `gsi` added to *routes and KVM told all of them
 * (KVM_SET_GSI_ROUTING), KVM_IRQFD, vfio_msi_connect(). Fills routes, gsi and eventfd.
 * *routes belongs to the caller and has to outlive the assignment; others may add their
 * routes to it meanwhile. It is what KVM has: it changes only if KVM has taken the
 * change, here as in device_unassign(), and the routes of others keep their order.
 * On failure all is undone in the opposite order (irqfd off, route out and KVM told,
 * eventfd closed), the assignment is as before, and KVM has the routes that it had. The
 * error is that of the call that failed, whatever happens while undoing; if KVM refuses
 * to take our route out again, it stays in *routes. Returns 0, or (step ROUTING, kind
 * ARGUMENT) -EBUSY: an interrupt is assigned already, -EINVAL: as msi_message(),
 * -EEXIST: gsi has a route, -ENOSPC: the table is full, checked in this order; or what
 * failed. */
int device_assign_interrupt(struct device_assignment *assignment, struct irq_routes *routes,
                            uint32_t gsi, uint32_t apic_id, uint32_t vector,
                            struct vfio_error *error);

/* Takes the device away from the guest, in this order: bus master off (always: it does
 * no harm where it was not on, or where the device is closed); MSI
 * disconnected, irqfd taken off (KVM_IRQFD_FLAG_DEASSIGN), our route taken out of the
 * table and KVM told, eventfd closed; the ranges unmapped, the last one first; the
 * BAR's slot removed. What is not there is skipped; what fails does not stop the rest.
 * Our route stays in the table if KVM refuses to be told otherwise. Afterwards the
 * assignment is as it began, whatever has failed. */
void device_unassign(struct device_assignment *assignment);

#endif
