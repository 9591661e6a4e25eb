/* unassign.c - the device is taken from the guest: what goes, in which order, and what goes
 * on when a call fails (target model). */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>

/* Everything assigned; returns the operation that takes it away. Checkpoint 0 is behind
 * it. */
static uint32_t teardown_add(struct script *s, struct layout *l)
{
    uint32_t op;

    routes_fill(s, 3);
    *l = layout_add(s, SLOTS, 0);
    l->assign_interrupt =
        OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID, .size = VECTOR);
    for (unsigned i = 1; i <= 3; i++) /* ours is not the last one for long */
        OP(s, .kind = LAB08_ROUTE, .at = GSI + i, .size = VECTOR + i);
    op = OP(s, .kind = LAB08_UNASSIGN);
    OP(s, .kind = LAB08_CHECKPOINT);
    return op;
}

/* The payload of an operation's first such call; where the plan has made it fail,
 * nobody has looked at it, and having tried is all that counts. */
static bool call_tried(const struct script *s, uint32_t op, struct call_id id, size_t size,
                       const void **payload)
{
    size_t at = call_at(s, op, id, 0);

    *payload = payload_at(s, at, size);
    return at != NONE && s->e->calls[at].record->injected;
}

static void nothing_wired_check(const struct script *s, uint32_t op, const char *asked)
{
    const struct kvm_irqfd *irqfd;
    const struct vfio_irq_set *set;
    const void *routing;
    bool refused;
    bool irqfd_tried = call_tried(s, op, irqfd_id, sizeof *irqfd, (const void **)&irqfd);
    bool set_tried = call_tried(s, op, irqs_id, sizeof *set, (const void **)&set);

    CHECK(s->judge,
          set_tried ||
              (set && set->count == 0 && set->index == VFIO_PCI_MSI_IRQ_INDEX &&
               set->flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)),
          asked, "the MSI was not disconnected (VFIO_DEVICE_SET_IRQS, DATA_NONE, count 0)");
    CHECK(s->judge, set_tried || set->argsz == sizeof *set, asked,
          "VFIO_DEVICE_SET_IRQS got argsz %u; without data it is the head alone, %zu",
          set->argsz, sizeof *set);
    CHECK(s->judge,
          irqfd_tried ||
              (irqfd && irqfd->flags == KVM_IRQFD_FLAG_DEASSIGN && irqfd->gsi == GSI),
          asked, "the irqfd was not taken off (KVM_IRQFD_FLAG_DEASSIGN, gsi %u)", GSI);
    CHECK(s->judge,
          irqfd_tried || s->e->calls[call_at(s, op, irqfd_id, 0)].record->result == 0,
          asked, "KVM_IRQFD failed: its eventfd was closed before");
    refused = call_tried(s, op, routing_id, 8, &routing);
    if (!refused)
        kvm_routes_check(s, op, false, asked);
    eventfd_outlives_check(s, op, true, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, refused,
                 refused ? "KVM refused to take our route out: *routes" : "*routes", asked);
    CHECK(s->judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked,
          "an eventfd was left");
}

static void nothing_assigned_check(const struct script *s, uint32_t op,
                                   const struct layout *l)
{
    static const char asked[] = "device_unassign() takes all of it away";
    const struct lab08_state *state = &s->out->results[op].state;
    const struct kvm_userspace_memory_region *region =
        payload_at(s, call_at(s, op, slot_id, 0), sizeof *region);

    nothing_wired_check(s, op, asked);
    CHECK(s->judge, calls_of(s, op, unmap_id) == SLOTS - 1, asked,
          "%u ranges were unmapped; mapped were %u", calls_of(s, op, unmap_id), SLOTS - 1);
    CHECK(s->judge, region && region->memory_size == 0 && region->slot == l->bar, asked,
          "the BAR's slot was not removed");
    CHECK(s->judge,
          state->bar_slot == -1 && state->range_count == 0 && !state->has_routes &&
              state->eventfd == -1 && state->gsi == 0,
          asked,
          "bar_slot %d, range_count %u, routes %s, eventfd %s, gsi %u; due is -1, 0, NULL, "
          "-1, 0",
          state->bar_slot, state->range_count, state->has_routes ? "set" : "NULL",
          state->eventfd > 0 ? "not -1" : "-1", state->gsi);
}

static void teardown_order_check(const struct script *s, uint32_t op,
                                 const struct layout *l)
{
    static const struct call_id order[] = {
        IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS),
        IOCTL(OBJECT_VM, KVM_IRQFD),
        IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_CONTAINER, VFIO_IOMMU_UNMAP_DMA),
        IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION),
    };
    static const char asked[] = "first the device is stopped, then what it used goes";
    uint32_t slot = SLOTS;
    size_t written = NONE;
    uint16_t command = command_after(s, op, 0xffff, &written);

    order_check(s, op, order, sizeof order / sizeof order[0], asked);
    CHECK(s->judge, !(command & PCI_COMMAND_MASTER) && written < call_at(s, op, irqs_id, 0),
          asked, "%s",
          command & PCI_COMMAND_MASTER ? "the device is still bus master"
                                       : "bus master went off too late");
    for (unsigned n = 0; n < SLOTS - 1; n++) {
        const struct vfio_iommu_type1_dma_unmap *unmap =
            payload_at(s, call_at(s, op, unmap_id, n), 24);

        slot = slot - 1 == l->bar ? slot - 2 : slot - 1;
        CHECK(s->judge,
              unmap && unmap->iova == l->gpa[slot] && unmap->size == l->size[slot], asked,
              "unmapping %u is of iova %#" PRIx64 "; due is %#" PRIx64 ", %#" PRIx64
              " bytes (the last one mapped goes first)",
              n + 1, unmap ? (uint64_t)unmap->iova : 0, l->gpa[slot], l->size[slot]);
    }
}

/* Only one of the three was assigned: only that one is taken away. */
static void partly_assigned_check(struct judge *judge)
{
    static const struct call_id slot[] = {IOCTL(OBJECT_VM, KVM_SET_USER_MEMORY_REGION)};
    static const struct call_id wire[] = {IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS),
                                          IOCTL(OBJECT_VM, KVM_IRQFD),
                                          IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};
    static const char asked[] = "what was not assigned is not taken away";
    struct script *s = script_new(judge);
    uint32_t op;
    size_t at;

    OP(s, .kind = LAB08_OPEN);
    OP(s, .kind = LAB08_ASSIGN_BAR, .at = 0x800000);
    OP(s, .kind = LAB08_ASSIGN_MEMORY); /* there is none, but bus master is on */
    op = OP(s, .kind = LAB08_UNASSIGN);
    script_run(s, NULL, 0);
    order_check(s, op, slot, 1, asked);
    CHECK(judge, !(command_after(s, op, 0xffff, &at) & PCI_COMMAND_MASTER), asked,
          "no memory was mapped; but bus master was on, and was not switched off");

    s = script_new(judge);
    op = zero_interrupt_add(s, 2) + 1;
    OP(s, .kind = LAB08_UNASSIGN);
    OP(s, .kind = LAB08_CHECKPOINT);
    script_run(s, NULL, 0);
    order_check(s, op, wire, 3, asked);
    nothing_wired_check(s, op,
                        "0 is a descriptor like any other: an interrupt that has it goes");
}

void unassigning_is_orderly(struct judge *judge)
{
    static const struct {
        uint32_t kind, request, nth;
    } failing[] = {
        {0, 0, 0}, /* none */
        {CALL_WRITE, 0, 2},
        {CALL_IOCTL, VFIO_DEVICE_SET_IRQS, 1},
        {CALL_IOCTL, (uint32_t)KVM_IRQFD, 1},
        {CALL_IOCTL, (uint32_t)KVM_SET_GSI_ROUTING, 1},
        {CALL_IOCTL, VFIO_IOMMU_UNMAP_DMA, 0},
    };

    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        struct script *s = script_new(judge);
        struct layout l;
        uint32_t op = teardown_add(s, &l), again;

        again = OP(s, .kind = LAB08_UNASSIGN);
        if (i > 0)
            fault_set(s, 0, failing[i].kind, failing[i].request, failing[i].nth, EIO);
        script_run(s, NULL, 0);
        op_returns(s, l.assign_interrupt, 0, "device_assign_interrupt() returns 0");
        nothing_assigned_check(s, op, &l);
        if (i == 0)
            teardown_order_check(s, op, &l);
        order_check(s, again, NULL, 0, "what is not assigned cannot be taken away");
    }
    partly_assigned_check(judge);
}
