/* device_assign.c - part 08, second half: registers, memory and interrupts of the
 * device become the guest's. The contract of every function is in
 * common/include/device_assign.h. */
#include "device_assign.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memory_slots.h"

/* Given: what KVM has to be told about interrupts. The first three return -1 where they
 * fail or find nothing; the others undo. */
static inline int routes_tell(struct device_assignment *a, const struct irq_routes *routes)
{
    struct {
        struct kvm_irq_routing head;
        struct kvm_irq_routing_entry entries[IRQ_ROUTES_MAX];
    } table = {.head = {.nr = routes->count}};

    memcpy(table.entries, routes->entries, sizeof table.entries);
    return ioctl(a->vm->fd, KVM_SET_GSI_ROUTING, &table);
}

static inline int route_find(const struct irq_routes *routes, uint32_t gsi)
{
    for (unsigned i = 0; i < routes->count; i++)
        if (routes->entries[i].gsi == gsi)
            return (int)i;
    return -1;
}

static inline int irqfd_set(struct device_assignment *a, uint32_t flags)
{
    struct kvm_irqfd irqfd = {.fd = (uint32_t)a->eventfd, .gsi = a->gsi, .flags = flags};

    return ioctl(a->vm->fd, KVM_IRQFD, &irqfd);
}

/* Takes our route out, if there is one. If KVM refuses, the table stays what KVM knows. */
static inline void route_remove(struct device_assignment *a)
{
    struct irq_routes *routes = a->routes, wanted;
    int at = routes ? route_find(routes, a->gsi) : -1;

    if (at >= 0) {
        wanted = *routes;
        wanted.count--;
        memmove(&wanted.entries[at], &wanted.entries[at + 1],
                (wanted.count - (unsigned)at) * sizeof wanted.entries[0]);
        if (routes_tell(a, &wanted) == 0)
            *routes = wanted;
    }
    a->routes = NULL;
    a->gsi = 0;
}

static inline void eventfd_close(struct device_assignment *a)
{
    if (a->eventfd >= 0)
        close(a->eventfd);
    a->eventfd = -1;
}

/* Unmaps what the notes say, the last one first. */
static inline void ranges_unmap(struct device_assignment *a)
{
    while (a->range_count > 0) {
        const struct dma_range *range = &a->ranges[--a->range_count];

        vfio_dma_unmap(a->device, range->gpa, range->size, NULL);
    }
}

int msi_message(uint32_t apic_id, uint32_t vector, struct kvm_irq_routing_msi *msi)
{
    /* TODO 8: two numbers, put where the drawing in the contract says. */
    (void)apic_id, (void)vector, (void)msi;
    return -ENOSYS;
}

int device_assign_bar(struct device_assignment *a, uint64_t gpa, struct vfio_error *error)
{
    /* TODO 9: part 02 does not care what kind of memory is behind an hva. */
    (void)a, (void)gpa, (void)error;
    return -ENOSYS;
}

/* TODO 10: which slots are the guest's memory, what may the device do with each, and
 * what has been done when the third of five cannot be mapped? */

int device_assign_memory(struct device_assignment *a, struct vfio_error *error)
{
    (void)a, (void)error;
    return -ENOSYS;
}

/* TODO 11: one more route, as route_remove() takes one out: if KVM refuses, the table has
 * to be what KVM knows. */

/* TODO 12: four objects, made in the order of the contract: consumer first, producer
 * last. */

int device_assign_interrupt(struct device_assignment *a, struct irq_routes *routes,
                            uint32_t gsi, uint32_t apic_id, uint32_t vector,
                            struct vfio_error *error)
{
    struct kvm_irq_routing_entry entry = {.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI};
    int r;

    if (a->routes)
        return vfio_error_set(error, VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, EBUSY, 0);
    if (msi_message(apic_id, vector, &entry.u.msi) < 0)
        return vfio_error_set(error, VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, EINVAL, 0);
    if (route_find(routes, gsi) >= 0)
        return vfio_error_set(error, VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, EEXIST, 0);
    if (routes->count >= IRQ_ROUTES_MAX)
        return vfio_error_set(error, VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, ENOSPC, 0);
    /* TODO 12: the wire. Where it fails, what is there to undo? */
    r = -ENOSYS;
    return r;
}

void device_unassign(struct device_assignment *a)
{
    /* TODO 13: first nothing new may come, then what is there is taken away. */
    (void)a;
}
