/* pci.c - the PCI bus (target model): configuration cycles by the ports, on a device whose
 * configuration space the agent plays. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "checks.h"

#define PASSED       (PCI_PASSED_DEVICE << 11)
#define GSI          11u
#define BAR_SIZE     0x100000u
#define NO_SLOT      UINT64_MAX
#define CONFIG_BYTES 64u

struct cycles {
    struct judge *judge;
    struct kvm_plan plan;
    struct lab11_pci in;
    const struct evidence *e;
    const struct lab11_pci_output *out;
};

static struct cycles *cycles_new(struct judge *judge)
{
    struct cycles *c = calloc(1, sizeof *c);

    if (!c)
        judge_error(judge, "out of memory");
    c->judge = judge;
    c->plan = plan_make();
    c->plan.vfio = (struct vfio_plan){
        .api_version = VFIO_API_VERSION,
        .type1v2 = 1,
        .group_flags = VFIO_GROUP_FLAGS_VIABLE,
        .device_flags = VFIO_DEVICE_FLAGS_PCI,
        .bar_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                     VFIO_REGION_INFO_FLAG_MMAP,
        .config_flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE,
        .msi_flags = VFIO_IRQ_INFO_EVENTFD,
        .msi_count = 1,
        .bar_size = BAR_SIZE,
        .config_offset = 0x200000,
        .config_size = 256};
    random_fill(judge, c->plan.vfio.config, sizeof c->plan.vfio.config);
    c->plan.vfio.config[PCI_COMMAND_OFFSET] = 0;
    c->plan.vfio.config[6] |= 0x10; /* there are capabilities */
    snprintf(c->in.group_path, sizeof c->in.group_path, "/dev/vfio/9");
    snprintf(c->in.address, sizeof c->in.address, "0000:00:05.0");
    c->in.gsi = GSI;
    return c;
}

static uint32_t op_add(struct cycles *c, uint32_t kind, uint32_t port, uint32_t size,
                       uint32_t data)
{
    const uint32_t n = c->in.op_count++;

    if (n >= LAB11_OPS)
        judge_error(c->judge, "the check's script is too long");
    c->in.ops[n] = (struct lab11_pci_op){kind, port, size, data};
    return n;
}

static void address_add(struct cycles *c, uint32_t address)
{
    op_add(c, LAB11_PCI_WRITE, PCI_ADDRESS_PORT, 4, address);
}

/* A configuration cycle; the number of the operation that has its data. */
static uint32_t config_read(struct cycles *c, uint32_t function, uint32_t offset,
                            uint32_t size)
{
    address_add(c, PCI_ENABLE | function | (offset & 0xfc));
    return op_add(c, LAB11_PCI_READ, PCI_DATA_PORT + offset % 4, size, 0);
}

static uint32_t config_write(struct cycles *c, uint32_t function, uint32_t offset,
                             uint32_t size, uint32_t data)
{
    address_add(c, PCI_ENABLE | function | (offset & 0xfc));
    return op_add(c, LAB11_PCI_WRITE, PCI_DATA_PORT + offset % 4, size, data);
}

static void cycles_run(struct cycles *c)
{
    const struct run_spec spec = {
        .entry = LAB11_PCI, .input = &c->in, .input_size = sizeof c->in, .plan = &c->plan};
    char number[40];

    c->e = judge_run(c->judge, &spec, sizeof *c->out);
    c->out = (const void *)c->e->answer;
    CHECK(c->judge, c->out->ready, "the earlier parts give the guest memory",
          "they did not (labs 01 and 02)");
    CHECK(c->judge, c->out->init == 0, "pci_bridge_init() puts its ports on the bus",
          "it returned %s", errno_text(c->out->init, number, sizeof number));
    CHECK(c->judge, c->out->again == -EEXIST, "it says so where the ports are taken",
          "a second one returned %s", errno_text(c->out->again, number, sizeof number));
    CHECK(c->judge, c->out->open == 0, "part 08 opens the device",
          "vfio_open() returned %s", errno_text(c->out->open, number, sizeof number));
}

static uint32_t mask_of(uint32_t size)
{
    return size == 4 ? 0xffffffff : (1u << 8 * size) - 1;
}

static void reads_as(const struct cycles *c, uint32_t op, uint32_t due, const char *what)
{
    const uint32_t mask = mask_of(c->in.ops[op].size), is = c->out->results[op].data & mask;

    CHECK(c->judge, is == (due & mask), "each configuration cycle gets its answer",
          "%s: %u bytes are to read %#x, they read %#x", what, c->in.ops[op].size,
          due & mask, is);
}

static uint32_t config_of(const struct cycles *c, uint32_t offset)
{
    uint32_t value;

    memcpy(&value, c->plan.vfio.config + offset, sizeof value);
    return value;
}

/* --- the bus --------------------------------------------------------------------------------------- */

void config_cycles_find_functions(struct judge *judge)
{
    struct cycles *c = cycles_new(judge);
    const uint32_t note = (uint32_t)judge_random(judge);
    const uint32_t absent[] = {1u << 11, 1u << 8, PASSED, 1u << 16, PASSED | 1u << 16};
    uint32_t ops[16], n = 0;

    address_add(c, note);
    ops[n++] = op_add(c, LAB11_PCI_READ, PCI_ADDRESS_PORT, 4, 0);
    op_add(c, LAB11_PCI_WRITE, PCI_ADDRESS_PORT, 1, 0x12);
    op_add(c, LAB11_PCI_WRITE, PCI_ADDRESS_PORT + 2, 2, 0x1234);
    ops[n++] = op_add(c, LAB11_PCI_READ, PCI_ADDRESS_PORT, 4, 0);
    ops[n++] = op_add(c, LAB11_PCI_READ, PCI_ADDRESS_PORT, 2, 0);
    ops[n++] = config_read(c, 0, 0, 4);
    ops[n++] = config_read(c, 0, 2, 2);
    ops[n++] = config_read(c, 0, 8, 4);
    ops[n++] = config_read(c, 0, 11, 1);
    ops[n++] = config_read(c, 0, 4, 4);
    config_write(c, 0, 0, 4, 0);
    ops[n++] = config_read(c, 0, 0, 4);
    address_add(c, 0); /* not enabled */
    ops[n++] = op_add(c, LAB11_PCI_READ, PCI_DATA_PORT, 4, 0);
    for (unsigned i = 0; i < 5; i++)
        ops[n++] = config_read(c, absent[i], 0, 4);
    cycles_run(c);
    reads_as(c, ops[0], note, "CF8h after a write of 4 bytes");
    reads_as(c, ops[1], note, "CF8h after writes of 1 and 2 bytes, which are none to it");
    reads_as(c, ops[2], 0xffff, "CF8h by halves");
    reads_as(c, ops[3], PCI_HOST_BRIDGE_ID, "the host bridge's ID");
    reads_as(c, ops[4], PCI_HOST_BRIDGE_ID >> 16, "the host bridge's device ID");
    reads_as(c, ops[5], PCI_HOST_BRIDGE_CLASS, "the host bridge's class");
    reads_as(c, ops[6], PCI_HOST_BRIDGE_CLASS >> 24, "the last byte of its class");
    reads_as(c, ops[7], 0, "the host bridge's command and status");
    reads_as(c, ops[8], PCI_HOST_BRIDGE_ID, "the host bridge's ID after a write to it");
    reads_as(c, ops[9], ~0u, "CFCh while bit 31 of CF8h is clear");
    for (unsigned i = 0; i < 5; i++)
        reads_as(c, ops[10 + i], ~0u, "a function that is not there");
}

/* --- BAR 0 ------------------------------------------------------------------------------------------- */

static void slot_is(const struct cycles *c, uint32_t op, uint64_t gpa, const char *when)
{
    const struct lab11_pci_result *r = &c->out->results[op];

    CHECK(c->judge, r->slot_gpa == gpa,
          "the BAR is memory of the guest exactly while its command says so",
          "%s: the slot is to be %s%#" PRIx64 ", it is %s%#" PRIx64, when,
          gpa == NO_SLOT ? "gone: " : "at ", gpa, r->slot_gpa == NO_SLOT ? "gone: " : "at ",
          r->slot_gpa);
    CHECK(c->judge, gpa == NO_SLOT || (r->slot_size == BAR_SIZE && r->slot_is_bar),
          "behind the slot are the device's registers", "%s: it has %" PRIu64 " bytes, %s",
          when, r->slot_size,
          r->slot_is_bar ? "and is the BAR" : "but is not the BAR that VFIO mapped");
}

static uint32_t pass_add(struct cycles *c)
{
    return op_add(c, LAB11_PCI_PASS, 0, 0, 0);
}

static void passed_check(const struct cycles *c, uint32_t op)
{
    char number[40];

    CHECK(c->judge, c->out->results[op].result == 0, "pci_bridge_pass() gives the device",
          "it returned %s", errno_text(c->out->results[op].result, number, sizeof number));
}

/* As Linux does it: decoding off, ones, read, back; then to where it wants the BAR. */
void bar_is_sized_and_placed(struct judge *judge)
{
    struct cycles *c = cycles_new(judge);
    const uint32_t to =
        PCI_WINDOW_GPA + BAR_SIZE * (1 + (uint32_t)judge_random_below(judge, 200));
    const uint32_t pass = pass_add(c), at_start = config_read(c, PASSED, 0x10, 4);
    const uint32_t on = config_write(c, PASSED, 4, 2, PCI_COMMAND_MEMORY);
    const uint32_t off = config_write(c, PASSED, 4, 2, 0);
    const uint32_t ones = config_write(c, PASSED, 0x10, 4, 0xffffffff);
    const uint32_t size = config_read(c, PASSED, 0x10, 4);
    const uint32_t moved = config_write(c, PASSED, 0x10, 4, to | 0xfff);
    const uint32_t reads = config_read(c, PASSED, 0x10, 4);
    const uint32_t again = config_write(c, PASSED, 4, 2, PCI_COMMAND_MEMORY);
    const uint32_t half = config_write(c, PASSED, 0x12, 2, (to + BAR_SIZE) >> 16);
    const uint32_t rest = config_write(c, PASSED, 0x14, 4, 0xffffffff);
    const uint32_t next = config_read(c, PASSED, 0x14, 4);
    const uint32_t bar = config_read(c, PASSED, 0x10, 4);

    cycles_run(c);
    passed_check(c, pass);
    slot_is(c, pass, NO_SLOT, "before the guest's first write");
    reads_as(c, at_start, PCI_WINDOW_GPA, "BAR 0 before the guest's first write");
    slot_is(c, on, PCI_WINDOW_GPA, "command 0002h");
    slot_is(c, off, NO_SLOT, "command 0000h");
    slot_is(c, ones, NO_SLOT, "ones in BAR 0, and decoding off");
    reads_as(c, size, ~(BAR_SIZE - 1), "BAR 0 after ones: its size");
    slot_is(c, moved, NO_SLOT, "an address in BAR 0, and decoding off");
    reads_as(c, reads, to, "BAR 0 after an address with low bits");
    slot_is(c, again, to, "command 0002h again");
    slot_is(c, half, to + BAR_SIZE, "the upper half of BAR 0 changes while decoding is on");
    slot_is(c, rest, to + BAR_SIZE, "ones in BAR 1");
    reads_as(c, next, 0, "BAR 1, which there is not");
    reads_as(c, bar, to + BAR_SIZE, "BAR 0 in the end");
}

/* --- everything else ---------------------------------------------------------------------------------- */

/* The last bytes that were written to the device's configuration space within an operation. */
static bool device_got(const struct cycles *c, uint32_t op, uint32_t offset, uint64_t size,
                       uint64_t *value)
{
    const size_t end = operation_at(c->judge, c->e, op + 1);
    bool found = false;

    for (size_t i = operation_at(c->judge, c->e, op); i < end; i++) {
        const struct call_record *r = c->e->calls[i].record;

        if (r->kind != CALL_WRITE || r->args[1] != c->plan.vfio.config_offset + offset ||
            r->args[0] != size)
            continue;
        memcpy(value, c->e->calls[i].payload, sizeof *value);
        found = true;
    }
    return found;
}

static bool device_was_written(const struct cycles *c, uint32_t op)
{
    const size_t end = operation_at(c->judge, c->e, op + 1);

    for (size_t i = operation_at(c->judge, c->e, op); i < end; i++)
        if (c->e->calls[i].record->kind == CALL_WRITE)
            return true;
    return false;
}

static void command_check(const struct cycles *c, uint32_t op, uint16_t command)
{
    const uint16_t due = command | PCI_COMMAND_MEMORY;
    uint64_t value = 0;

    CHECK(c->judge, device_got(c, op, PCI_COMMAND_OFFSET, 2, &value),
          "the device gets the guest's command", "no 2 bytes at 04h were written to it");
    CHECK(c->judge, (uint16_t)value == due,
          "the device gets the guest's command, and keeps its registers mapped",
          "%#x became %#x, not %#x", command, (uint16_t)value, due);
}

void passed_function_keeps_its_secrets(struct judge *judge)
{
    struct cycles *c = cycles_new(judge);
    const uint16_t command = 0x0404;
    const uint8_t line = (uint8_t)judge_random(judge), cache = (uint8_t)judge_random(judge);
    const uint32_t pass = pass_add(c), id = config_read(c, PASSED, 0, 4);
    const uint32_t status = config_read(c, PASSED, 6, 2),
                   both = config_read(c, PASSED, 4, 4);
    const uint32_t list = config_read(c, PASSED, 0x34, 4);
    const uint32_t rom = config_read(c, PASSED, 0x30, 4);
    const uint32_t pin = config_read(c, PASSED, 0x3d, 1);
    const uint32_t wired = config_read(c, PASSED, 0x3c, 1);
    const uint32_t beyond = config_read(c, PASSED, 0x40, 4);
    const uint32_t set = config_write(c, PASSED, 4, 2, command);
    const uint32_t kept = config_read(c, PASSED, 4, 2);
    const uint32_t noted = config_write(c, PASSED, 0x3c, 1, line);
    const uint32_t reads = config_read(c, PASSED, 0x3c, 1);
    const uint32_t hidden = config_write(c, PASSED, 0x44, 4, 0x11111111);
    const uint32_t through = config_write(c, PASSED, 0x0c, 1, cache);
    uint64_t value = 0;

    cycles_run(c);
    passed_check(c, pass);
    reads_as(c, id, config_of(c, 0), "device and vendor: the true ones");
    reads_as(c, status, (config_of(c, 4) >> 16) & ~0x10u, "status, without capabilities");
    reads_as(c, both, config_of(c, 4) & 0xffef0000u,
             "command (not yet written) and status");
    reads_as(c, list, config_of(c, 0x34) & 0xffffff00u, "no pointer to capabilities");
    reads_as(c, rom, 0, "no expansion ROM");
    reads_as(c, pin, config_of(c, 0x3c) >> 8, "the interrupt pin: the true one");
    reads_as(c, wired, GSI, "the interrupt line before it is written");
    reads_as(c, beyond, 0, "40h, which this bridge does not emulate");
    reads_as(c, kept, command, "the command, as written");
    reads_as(c, reads, line, "the interrupt line, as written");
    command_check(c, set, command);
    CHECK(judge, !device_was_written(c, noted) && !device_was_written(c, hidden),
          "what is emulated does not reach the device", "a write to %s did",
          device_was_written(c, noted) ? "3Ch" : "44h");
    CHECK(judge, device_got(c, through, 0x0c, 1, &value) && (uint8_t)value == cache,
          "what is not emulated reaches the device", "a write of %#x to 0Ch did not",
          cache);
}

/* --- the wire ------------------------------------------------------------------------------------------- */

static const struct call *irqs_call(const struct cycles *c, uint32_t op, unsigned n,
                                    struct vfio_irq_set *set)
{
    const struct call *call = operation_call(c->judge, c->e, op, VFIO_DEVICE_SET_IRQS, n);

    if (call)
        memcpy(set, call->payload, sizeof *set);
    return call;
}

static void irqs_check(const struct cycles *c, uint32_t op, unsigned n, uint32_t action)
{
    const char *name = action == VFIO_IRQ_SET_ACTION_TRIGGER ? "TRIGGER" : "UNMASK";
    struct vfio_irq_set set = {0};

    CHECK(c->judge, irqs_call(c, op, n, &set), "INTx is told both eventfds",
          "VFIO_DEVICE_SET_IRQS number %u (%s) is missing", n + 1, name);
    CHECK(c->judge,
          set.index == VFIO_PCI_INTX_IRQ_INDEX && set.count == 1 && set.start == 0 &&
              set.flags == (VFIO_IRQ_SET_DATA_EVENTFD | action) &&
              set.argsz == sizeof set + sizeof(int32_t),
          "INTx is told both eventfds",
          "call %u is to be for index 0, %s by eventfd; it has index %u, flags %#x, count "
          "%u, argsz %u",
          n + 1, name, set.index, set.flags, set.count, set.argsz);
}

static void irqfd_check(const struct cycles *c, uint32_t op, uint32_t flags)
{
    const struct call *call = operation_call(c->judge, c->e, op, KVM_IRQFD, 0);
    struct kvm_irqfd irqfd;

    CHECK(c->judge, call, "the wire's other end is KVM_IRQFD", "it is not called");
    memcpy(&irqfd, call->payload, sizeof irqfd);
    CHECK(
        c->judge, irqfd.gsi == GSI && irqfd.flags == flags,
        "the line is a level: KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE, and taken off again",
        "GSI %u with flags %#x; it is to be %u with %#x", irqfd.gsi, irqfd.flags, GSI,
        flags);
}

static void failure_check(struct judge *judge, uint32_t request, uint32_t nth)
{
    struct cycles *c = cycles_new(judge);
    const uint32_t pass = pass_add(c);
    char number[40];

    c->plan.faults[0] = (struct plan_fault){
        .kind = CALL_IOCTL, .request = request, .nth = nth, .error = EBUSY, .repeat = 1};
    cycles_run(c);
    CHECK(judge, c->out->results[pass].result == -EBUSY,
          "pci_bridge_pass() returns what failed", "EBUSY; it returned %s",
          errno_text(c->out->results[pass].result, number, sizeof number));
    CHECK(judge,
          operation_call(judge, c->e, pass, VFIO_IOMMU_MAP_DMA, 0) == NULL ||
              operation_call(judge, c->e, pass, VFIO_IOMMU_UNMAP_DMA, 0) != NULL,
          "on failure nothing stays", "memory stays mapped for DMA");
}

void interrupt_line_is_wired(struct judge *judge)
{
    struct cycles *c = cycles_new(judge);
    const uint32_t pass = pass_add(c), remove = op_add(c, LAB11_PCI_REMOVE, 0, 0, 0);
    struct vfio_irq_set set = {0};

    cycles_run(c);
    passed_check(c, pass);
    CHECK(judge, operation_call(judge, c->e, pass, VFIO_IOMMU_MAP_DMA, 0),
          "the guest's memory is mapped for DMA", "there is no VFIO_IOMMU_MAP_DMA");
    irqs_check(c, pass, 0, VFIO_IRQ_SET_ACTION_TRIGGER);
    irqs_check(c, pass, 1, VFIO_IRQ_SET_ACTION_UNMASK);
    irqfd_check(c, pass, KVM_IRQFD_FLAG_RESAMPLE);
    CHECK(judge, c->out->results[pass].eventfds, "both eventfds are there",
          "one of trigger and resample is -1");
    irqfd_check(c, remove, KVM_IRQFD_FLAG_DEASSIGN);
    CHECK(judge,
          irqs_call(c, remove, 0, &set) && set.count == 0 &&
              set.index == VFIO_PCI_INTX_IRQ_INDEX &&
              set.flags == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER),
          "INTx is disconnected when the device is taken away",
          "flags %#x, count %u (or no call at all)", set.flags, set.count);
    CHECK(judge, operation_call(judge, c->e, remove, VFIO_IOMMU_UNMAP_DMA, 0),
          "the guest's memory is unmapped again", "there is no VFIO_IOMMU_UNMAP_DMA");
    failure_check(judge, (uint32_t)VFIO_DEVICE_SET_IRQS, 0);
    failure_check(judge, (uint32_t)VFIO_DEVICE_SET_IRQS, 1);
    failure_check(judge, (uint32_t)KVM_IRQFD, 0);
}
