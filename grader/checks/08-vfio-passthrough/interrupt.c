/* interrupt.c - the wire from MSI to vCPU: message, routes, eventfd, irqfd; and what is left
 * of it when a call fails (target model). */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void message_check(struct judge *judge, uint32_t apic, uint32_t vector,
                          const struct lab08_message *is)
{
    static const char asked[] = "an MSI has the address and data of the SDM";
    bool good = apic < 255 && vector > 15 && vector < 256;
    uint32_t junk = LAB08_JUNK * 0x01010101u;
    uint32_t low = good ? 0xfee00000u + apic * 0x1000u : junk, data = good ? vector : junk;
    uint32_t high = good ? 0 : junk;

    CHECK(judge, is->result == (good ? 0 : -EINVAL), asked,
          "msi_message(APIC id %u, vector %u) returned %d; due is %d", apic, vector,
          is->result, good ? 0 : -EINVAL);
    CHECK(judge, is->low == low && is->high == high && is->data == data,
          good ? asked : "a message that is refused leaves *msi as it was",
          "APIC id %u, vector %u: address %#x:%08x, data %#x; due is %#x:%08x, %#x", apic,
          vector, is->high, is->low, is->data, high, low, data);
}

void messages_have_their_format(struct judge *judge)
{
    static struct lab08_messages in = {.count = LAB08_MESSAGES_MAX};
    const struct lab08_message *out;

    for (uint32_t i = 0; i < in.count; i++) {
        in.list[i].apic_id = (uint32_t)judge_random_below(judge, i % 8 ? 258 : 70000);
        in.list[i].vector = (uint32_t)judge_random_below(judge, i % 8 ? 260 : 70000);
        if (i < 600) /* each once */
            in.list[i].vector = i, in.list[i].apic_id = i < 300 ? 0 : i - 300;
    }
    out = part_run(judge, LAB08_MESSAGES, &in, sizeof in, sizeof *out * in.count);
    for (uint32_t i = 0; i < in.count; i++)
        message_check(judge, in.list[i].apic_id, in.list[i].vector, &out[i]);
}

static struct kvm_irq_routing_entry our_route(void)
{
    struct kvm_irq_routing_entry entry = {.gsi = GSI, .type = KVM_IRQ_ROUTING_MSI};

    entry.u.msi.address_lo = 0xfee00000u | APIC_ID << 12;
    entry.u.msi.data = VECTOR;
    return entry;
}

/* Others' routes that the VM has already. */
void routes_fill(struct script *s, unsigned count)
{
    s->in.routes.count = count;
    for (unsigned i = 0; i < count; i++) {
        struct kvm_irq_routing_entry *e = &s->in.routes.entries[i];

        e->gsi = i;
        e->type = KVM_IRQ_ROUTING_MSI;
        e->u.msi.address_lo = 0xfee00000u;
        e->u.msi.data = 0x20 + (uint32_t)judge_random_below(s->judge, 64);
    }
}

/* OPEN and ASSIGN_INTERRUPT; returns the number of the latter. */
uint32_t interrupt_add(struct script *s, unsigned routes)
{
    routes_fill(s, routes);
    OP(s, .kind = LAB08_OPEN);
    return OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID,
              .size = VECTOR);
}

static bool route_is(const struct kvm_irq_routing_entry *is,
                     const struct kvm_irq_routing_entry *due)
{
    return is->gsi == due->gsi && is->type == due->type && is->flags == due->flags &&
           is->u.msi.address_lo == due->u.msi.address_lo &&
           is->u.msi.address_hi == due->u.msi.address_hi &&
           is->u.msi.data == due->u.msi.data;
}

/* Others' routes: those of the input, then those that were added in the script. */
static unsigned routes_due(const struct script *s, struct kvm_irq_routing_entry *due)
{
    unsigned count = s->in.routes.count;

    memcpy(due, s->in.routes.entries, sizeof s->in.routes.entries);
    for (uint32_t op = 0; op < s->in.op_count; op++)
        if (s->in.ops[op].kind == LAB08_ROUTE)
            due[count++] = (struct kvm_irq_routing_entry){
                .gsi = (uint32_t)s->in.ops[op].at,
                .type = KVM_IRQ_ROUTING_MSI,
                .u.msi = {.address_lo = 0xfee00000u, .data = (uint32_t)s->in.ops[op].size}};
    return count;
}

/* A table, KVM's or ours: others' routes in their order, and ours or not. */
void routes_check(const struct script *s, const struct kvm_irq_routing_entry *entries,
                  unsigned count, bool ours, const char *whose, const char *asked)
{
    const struct kvm_irq_routing_entry mine = our_route();
    struct kvm_irq_routing_entry due[IRQ_ROUTES_MAX];
    unsigned others = routes_due(s, due), found = 0, n = 0;

    CHECK(s->judge, count == others + ours, asked, "%s has %u routes; due are %u", whose,
          count, others + ours);
    for (unsigned i = 0; i < count; i++) {
        if (route_is(&entries[i], &mine)) {
            found++;
            continue;
        }
        CHECK(s->judge, n < others && route_is(&entries[i], &due[n]), asked,
              "%s: entry %u is GSI %u with address %#x, data %#x; due is GSI %u with %#x, "
              "%#x",
              whose, i, entries[i].gsi, entries[i].u.msi.address_lo, entries[i].u.msi.data,
              n < others ? due[n].gsi : GSI,
              n < others ? due[n].u.msi.address_lo : mine.u.msi.address_lo,
              n < others ? due[n].u.msi.data : mine.u.msi.data);
        n++;
    }
    CHECK(s->judge, found == ours, asked,
          "%s has %u routes of GSI %u with address %#x, data %#x; due is %d", whose, found,
          GSI, mine.u.msi.address_lo, mine.u.msi.data, ours);
}

/* The table that KVM was told last in an operation. */
void kvm_routes_check(const struct script *s, uint32_t op, bool ours, const char *asked)
{
    unsigned calls = calls_of(s, op, routing_id);
    const struct kvm_irq_routing *told =
        calls ? payload_at(s, call_at(s, op, routing_id, calls - 1), sizeof *told) : NULL;

    CHECK(s->judge, told, asked, "KVM_SET_GSI_ROUTING was not called in %s",
          op_name(s, op));
    routes_check(s, told->entries, told->nr, ours, "KVM", asked);
}

static void wires_check(const struct script *s, uint32_t op)
{
    static const char asked[] = "MSI, eventfd and irqfd are one wire";
    const struct kvm_irqfd *irqfd =
        payload_at(s, call_at(s, op, irqfd_id, 0), sizeof *irqfd);
    const struct vfio_irq_set *set =
        payload_at(s, call_at(s, op, irqs_id, 0), sizeof *set + 4);
    int32_t fd = -1;

    CHECK(s->judge, irqfd && irqfd->gsi == GSI && irqfd->flags == 0, asked,
          "KVM_IRQFD got gsi %u, flags %#x; due is gsi %u, flags 0", irqfd ? irqfd->gsi : 0,
          irqfd ? irqfd->flags : 0, GSI);
    CHECK(s->judge, set, asked,
          "VFIO_DEVICE_SET_IRQS came without a descriptor (argsz %zu)", sizeof *set + 4);
    memcpy(&fd, set->data, sizeof fd);
    CHECK(s->judge, set->argsz == sizeof *set + 4, asked,
          "VFIO_DEVICE_SET_IRQS got argsz %u; head and descriptor have %zu bytes",
          set->argsz, sizeof *set + 4);
    CHECK(s->judge,
          set->index == VFIO_PCI_MSI_IRQ_INDEX && set->start == 0 && set->count == 1 &&
              set->flags == (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER),
          asked,
          "VFIO_DEVICE_SET_IRQS got index %u, start %u, count %u, flags %#x; due is 1 "
          "(MSI), 0, 1, %#x",
          set->index, set->start, set->count, set->flags,
          VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
    CHECK(s->judge, (int32_t)irqfd->fd == fd, asked,
          "the device signals descriptor %d, KVM waits for %u", fd, irqfd->fd);
}

/* The same, and the eventfd is descriptor 0, which is one like any other. */
uint32_t zero_interrupt_add(struct script *s, unsigned routes)
{
    const uint32_t op = interrupt_add(s, routes);
    const struct lab08_op assign = s->in.ops[op];

    s->in.ops[op] = (struct lab08_op){.kind = LAB08_CLOSE_STDIN};
    return op_add(s, assign);
}

/* `routes` of the 16 entries are taken before. */
static void one_wire_check(struct judge *judge, unsigned routes, bool zero)
{
    static const char asked[] = "KVM is told all routes, the VM's others too";
    struct script *s = script_new(judge);
    static const struct call_id order[] = {IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
                                           IOCTL(OBJECT_VM, KVM_IRQFD),
                                           IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS)};
    uint32_t op = zero ? zero_interrupt_add(s, routes) : interrupt_add(s, routes),
             signalled;
    unsigned flags = 0;

    OP(s, .kind = LAB08_CHECKPOINT);
    signalled = OP(s, .kind = LAB08_SIGNALLED);
    script_run(s, NULL, 0);
    untouched_check(s, op);
    op_returns(s, op, 0, "device_assign_interrupt() returns 0");
    kvm_routes_check(s, op, true, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, true, "*routes", asked);
    wires_check(s, op);
    order_check(s, op, order, 3, "who waits for an interrupt is there before who makes it");
    CHECK(judge,
          evidence_fds(s->e, 0, EVENTFD, &flags) == 1 && (flags & O_CLOEXEC) &&
              (flags & O_NONBLOCK),
          "one eventfd, close-on-exec and non-blocking",
          "%u eventfds, flags %#o; due is one with %#o",
          evidence_fds(s->e, 0, EVENTFD, NULL), flags, O_CLOEXEC | O_NONBLOCK);
    op_returns(s, signalled, 0, "the eventfd counts from 0: no interrupt has come yet");
}

void interrupt_is_one_wire(struct judge *judge)
{
    one_wire_check(judge, 2 + (unsigned)judge_random_below(judge, 6), true);
    one_wire_check(judge, IRQ_ROUTES_MAX - 1, false);
}

static void interrupt_arguments_check(struct judge *judge)
{
    static const char asked[] = "an interrupt that cannot be routed is refused";
    static const struct {
        unsigned routes;
        uint32_t gsi, apic, vector;
        int due;
    } cases[] = {
        {3, GSI, APIC_ID, 15, EINVAL},     {3, GSI, 255, VECTOR, EINVAL},
        {3, 0, APIC_ID, VECTOR, EEXIST},   {3, 2, APIC_ID, 256, EINVAL},
        {3, 1, APIC_ID, VECTOR, EEXIST},   {3, 2, APIC_ID, VECTOR, EEXIST},
        {16, 15, APIC_ID, VECTOR, EEXIST}, {16, GSI, APIC_ID, VECTOR, ENOSPC},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct script *s = script_new(judge);
        uint32_t op;

        routes_fill(s, cases[i].routes);
        OP(s, .kind = LAB08_OPEN);
        op = OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = cases[i].gsi,
                .offset = cases[i].apic, .size = cases[i].vector);
        OP(s, .kind = LAB08_CHECKPOINT);
        script_run(s, NULL, 0);
        error_check(
            s, op,
            &(struct vfio_error){VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, cases[i].due, 0},
            asked);
        order_check(s, op, NULL, 0, asked);
        CHECK(judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked,
              "an eventfd was left");
    }
}

/* It is assigned already: that is found out before anything else is looked at. */
static void interrupt_twice_check(struct judge *judge)
{
    static const char asked[] = "an interrupt is assigned once";
    struct script *s = script_new(judge);
    uint32_t first = interrupt_add(s, IRQ_ROUTES_MAX - 1);

    OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI + 1, .offset = APIC_ID, .size = VECTOR);
    OP(s, .kind = LAB08_ASSIGN_INTERRUPT, .at = GSI, .offset = APIC_ID, .size = 15);
    script_run(s, NULL, 0);
    for (uint32_t op = first + 1; op < s->in.op_count; op++) {
        error_check(s, op,
                    &(struct vfio_error){VFIO_STEP_ROUTING, VFIO_ERR_ARGUMENT, EBUSY, 0},
                    asked);
        order_check(s, op, NULL, 0, asked);
        CHECK(judge, s->out->results[op].state.gsi == GSI, asked,
              "gsi is %u; the interrupt that is assigned has %u",
              s->out->results[op].state.gsi, GSI);
    }
}

/* A call of the wiring fails, and perhaps one of the calls that undo it. */
struct wiring_failure {
    struct failure failure;
    uint32_t undo; /* request whose second call fails too, or 0 */
    const struct call_id *due;
    size_t due_count;
};

static const struct call_id undone_irqfd[] = {IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING),
                                              IOCTL(OBJECT_VM, KVM_IRQFD),
                                              IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};

static const struct call_id undone_msi[] = {
    IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING), IOCTL(OBJECT_VM, KVM_IRQFD),
    IOCTL(OBJECT_DEVICE, VFIO_DEVICE_SET_IRQS), IOCTL(OBJECT_VM, KVM_IRQFD),
    IOCTL(OBJECT_VM, KVM_SET_GSI_ROUTING)};

#define FAIL_ROUTING FAIL_IOCTL(KVM_SET_GSI_ROUTING, 0, ROUTING, EINTR, SYSCALL)
#define FAIL_IRQFD   FAIL_IOCTL(KVM_IRQFD, 0, IRQFD, EINTR, SYSCALL)
#define FAIL_MSI     FAIL_IOCTL(VFIO_DEVICE_SET_IRQS, 0, SET_IRQS, EAGAIN, SYSCALL)

static const struct wiring_failure wiring_failures[] = {
    {FAIL_ROUTING, 0, undone_irqfd, 1},
    {FAIL_IRQFD, 0, undone_irqfd, 3},
    {FAIL_MSI, 0, undone_msi, 5},
    {FAIL_IRQFD, (uint32_t)KVM_SET_GSI_ROUTING, undone_irqfd, 3},
    {FAIL_MSI, (uint32_t)KVM_SET_GSI_ROUTING, undone_msi, 5},
    {FAIL_MSI, (uint32_t)KVM_IRQFD, undone_msi, 5},
};

/* The route is taken out while the eventfd is still there: the last KVM_SET_GSI_ROUTING of the
 * operation, if it was KVM's to answer, found it open. */
void eventfd_outlives_check(const struct script *s, uint32_t op, bool undone,
                            const char *asked)
{
    const unsigned calls = calls_of(s, op, routing_id);
    const struct call_record *last =
        calls ? s->e->calls[call_at(s, op, routing_id, calls - 1)].record : NULL;

    CHECK(s->judge, !undone || !last || last->injected || last->args[2] == 1, asked,
          "%s closed the eventfd before it took the route out (KVM_SET_GSI_ROUTING)",
          op_name(s, op));
}

static void unheard_check(struct judge *judge, const struct wiring_failure *w)
{
    struct script *s = failure_script(judge, &w->failure);
    const uint32_t op = interrupt_add(s, 4);

    s->in.ops[op].no_error = 1;
    script_run(s, NULL, 0);
    op_returns(s, op, -w->failure.errnum, "struct vfio_error may be NULL");
}

static void wiring_failure_check(struct judge *judge, const struct wiring_failure *w)
{
    static const char asked[] = "a failed device_assign_interrupt() is undone, backwards";
    const struct failure *f = &w->failure;
    struct script *s = failure_script(judge, f);
    bool stays = w->undo == (uint32_t)KVM_SET_GSI_ROUTING; /* KVM has our route still */
    uint32_t op = interrupt_add(s, 4);
    const struct lab08_state *state;
    const struct kvm_irqfd *irqfd;

    OP(s, .kind = LAB08_CHECKPOINT);
    if (w->undo)
        fault_set(s, 1, CALL_IOCTL, w->undo, 1, EIO);
    script_run(s, NULL, 0);
    state = &s->out->results[op].state;
    error_check(s, op, &(struct vfio_error){f->step, f->due, f->errnum, 0}, asked);
    order_check(s, op, w->due, w->due_count, asked);
    routes_check(s, s->out->routes.entries, s->out->routes.count, stays,
                 stays ? "KVM refused to take our route out: *routes" : "*routes", asked);
    if (w->due_count > 1 && !stays)
        kvm_routes_check(s, op, false, asked);
    eventfd_outlives_check(s, op, w->due_count > 1, asked);
    irqfd = payload_at(s, call_at(s, op, irqfd_id, 1), sizeof *irqfd);
    CHECK(judge, !irqfd || irqfd->flags == KVM_IRQFD_FLAG_DEASSIGN, asked,
          "the irqfd stayed: no KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN");
    CHECK(judge, evidence_fds(s->e, 0, EVENTFD, NULL) == 0, asked, "an eventfd was left");
    CHECK(judge, !state->has_routes && state->eventfd == -1 && state->gsi == 0, asked,
          "the assignment says: routes %s, eventfd %s, gsi %u; due is NULL, -1, 0",
          state->has_routes ? "set" : "NULL", state->eventfd > 0 ? "not -1" : "-1",
          state->gsi);
    unheard_check(judge, w);
}

void failed_wiring_is_undone(struct judge *judge)
{
    for (size_t i = 0; i < sizeof wiring_failures / sizeof wiring_failures[0]; i++)
        wiring_failure_check(judge, &wiring_failures[i]);
    interrupt_arguments_check(judge);
    interrupt_twice_check(judge);
}
