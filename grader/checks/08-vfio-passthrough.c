/* 08-vfio-passthrough.c - the checks of lab 08: what each is called, what it is worth, and what
 * is said where it fails. The checks themselves stand in the folder 08-vfio-passthrough:
 * script.c first, which the others on target model are written in.
 *
 * Target model: the agent answers for VFIO and KVM as the check's plan says; judged is
 * what was asked of them, in which order, and what was left behind. Target machine: a
 * driver in a guest uses a true device. */
#include "08-vfio-passthrough/checks.h"

#define VFIO_RST           "Linux Documentation/driver-api/vfio.rst"
#define API(section)       "Linux Documentation/virt/kvm/api.rst, " section
#define PCI_COMMAND_MANUAL "PCI Local Bus Specification 3.0, 6.2.2"

static const struct check checks[] = {
    {
        .id = "open_follows_the_protocol",
        .title = "takes the device, step by step",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = open_follows_the_protocol,
        .why = "VFIO hands out a device only inside a protection domain: the order is the "
               "point.",
        .handout = "Steps, 1",
        .slide = "Passed-through device",
        .manual = VFIO_RST ", VFIO Usage Example",
        .hints =
            {"The contract numbers the calls. Which one does the report say is missing?",
             "Container, group into container, IOMMU, device: each needs the one before. "
             "SET_CONTAINER takes a pointer to the container's descriptor.",
             "open, VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION, open, GET_STATUS, "
             "SET_CONTAINER, VFIO_SET_IOMMU, GET_DEVICE_FD(address), GET_INFO, "
             "GET_REGION_INFO(0), (7), GET_IRQ_INFO(1), mmap; index and argsz go in "
             "first."},
        .explanation =
            "Before VFIO_SET_IOMMU there is nothing to get: the group's devices are "
            "cut off from all memory first, and only then handed out.",
    },
    {
        .id = "refuses_what_cannot_be_used",
        .title = "refuses a device that cannot be used",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = refuses_what_cannot_be_used,
        .why = "A call that succeeds can still say no: its answer has to be read.",
        .handout = "Errors",
        .slide = "Passed-through device",
        .manual = VFIO_RST ", Groups, Devices, and IOMMUs",
        .hints = {"No call fails here. What do the flags say, and the sizes and counts?",
                  "The report names step and kind that were due. After the bad answer no "
                  "further step may follow, and all is closed again.",
                  "Test all needed flags at once: (flags & needed) != needed. VIABLE comes "
                  "before CONTAINER_SET. errnum: ENOTSUP, EPERM, EBUSY or ENODEV as in the "
                  "list."},
        .explanation =
            "A group is viable when no device of it is left to a driver of the host: "
            "otherwise your guest and that driver could reach each other by DMA.",
    },
    {
        .id = "failures_have_names",
        .title = "says which step failed, and why",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = failures_have_names,
        .why =
            "\"Operation not permitted\" alone helps nobody: was it the node or the IOMMU?",
        .handout = "Errors",
        .slide = "Passed-through device",
        .manual = "common/include/vfio_error.h",
        .hints =
            {"Does each call's result reach an if?",
             "vfio_call_failed(error, step) knows the kinds: call it at once, before "
             "anything else can change errno, and return what it returns.",
             "pread() and pwrite() can fail as well, and so can mmap(), which says "
             "MAP_FAILED, not NULL. The error is fixed before vfio_close() cleans up."},
        .explanation =
            "EPERM from VFIO_SET_IOMMU means that interrupts are not remapped: a "
            "device could write to FEExxxxxh and forge any interrupt of the host.",
    },
    {
        .id = "failed_open_leaves_nothing",
        .title = "a failed open leaves nothing behind",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = failed_open_leaves_nothing,
        .why = "A group can be opened once: a leaked descriptor makes the next try fail.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"What is open when the call fails that the report names?",
             "One function that undoes what is there, in reverse, serves every failure.",
             "Mark everything as not there first (-1, NULL); on r < 0 call vfio_close(), "
             "which skips what is -1 and sets to -1 what it closes."},
        .explanation =
            "Undoing by one tolerant function instead of a ladder of labels: there is "
            "one order to get right, and it is also the order of a normal end.",
    },
    {
        .id = "command_register_is_set",
        .title = "changes two bits of the command register",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = command_register_is_set,
        .why = "Without MEM the registers read as ones; without BM neither DMA nor MSI "
               "happens.",
        .handout = "Steps, 2",
        .slide = "DMA devices",
        .manual = PCI_COMMAND_MANUAL,
        .hints = {"Read, change, write back: 16 bits.",
                  "Configuration space is a region: where it begins, VFIO has told you.",
                  "pread(device, &command, 2, config_offset + 4), then "
                  "(command & ~clear) | set, then pwrite() of the same two bytes."},
        .explanation =
            "The kernel's offset for region 7 happens to be 7 << 40. It is not a "
            "promise: the structure is.",
    },
    {
        .id = "dma_map_keeps_within_reach",
        .title = "maps for DMA only what the device can reach",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = dma_map_keeps_within_reach,
        .why = "A device with 28 address lines cuts the address off: it hits other memory.",
        .handout = "Steps, 5",
        .slide = "DMA devices",
        .manual = VFIO_RST ", VFIO_IOMMU_MAP_DMA; QEMU docs/specs/edu.rst, DMA",
        .hints =
            {"What is the last byte of the range? Can computing it overflow?",
             "A range may end exactly at the last address: compare last bytes, not ends.",
             "last = iova + size - 1; last < iova: it wraps. With dma_bits < 64: "
             "last >> dma_bits != 0 is out of reach."},
        .explanation =
            "The IOMMU checks what the device puts on the bus. Bits that the device "
            "has no lines for never get there, so nobody else can notice.",
    },
    {
        .id = "unmap_reports_what_was_missing",
        .title = "hands on what VFIO says about mappings",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = unmap_reports_what_was_missing,
        .why = "VFIO_IOMMU_UNMAP_DMA succeeds when nothing was mapped; only size tells.",
        .handout = "Steps, 6",
        .slide = "IOMMU",
        .manual = "Linux include/uapi/linux/vfio.h, VFIO_IOMMU_UNMAP_DMA",
        .hints =
            {"Which field of the structure does the kernel write?",
             "size comes back as the number of bytes that were unmapped.",
             "unmap.size < size after the call: NOT_MAPPED, ENOENT, detail unmap.size."},
        .explanation =
            "In version 2 of the type 1 IOMMU a mapping is taken back whole or not at "
            "all: half a mapping cannot be unmapped.",
    },
    {
        .id = "guest_memory_is_reachable",
        .title = "maps the guest's memory at its own addresses",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = guest_memory_is_reachable,
        .why = "The guest's driver knows guest-physical addresses only, and gives the "
               "device these.",
        .handout = "Steps, 10",
        .slide = "IOMMU and virtualization",
        .manual = API("4.35") "; " VFIO_RST,
        .hints =
            {"Which slots are memory of the guest, and which one is not?",
             "IOVA is the slot's gpa, vaddr its hva. What may the device do with a "
             "read-only slot?",
             "For each slot with size != 0 that is not bar_slot: vfio_dma_map(gpa, hva, "
             "size, READ, and WRITE unless MEMORY_SLOT_READONLY); then "
             "vfio_bus_master(true), also if there was none."},
        .explanation =
            "Two tables now hold the same thing: the nested page tables for the CPU "
            "and the IOMMU's for the device. That is why passthrough pins memory.",
    },
    {
        .id = "memory_is_mapped_all_or_nothing",
        .title = "maps the guest's memory whole or not at all",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = memory_is_mapped_all_or_nothing,
        .why = "A half-mapped guest works until the device meets the other half.",
        .handout = "Steps, 10",
        .slide = "IOMMU and virtualization",
        .manual = VFIO_RST,
        .hints =
            {"What has been done when the third of five mappings fails?",
             "Note each range that was mapped: undoing is the way back along the list.",
             "Note a range in ranges[range_count++] once it is mapped; on failure "
             "ranges_unmap(), and no bus master. Failing to become bus master counts as "
             "well."},
        .explanation =
            "Keep the error of the first failure: what happens while undoing is of "
            "no interest to whoever has to mend it.",
    },
    {
        .id = "messages_have_their_format",
        .title = "an MSI has the SDM's address and data",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = messages_have_their_format,
        .why = "An interrupt message is a memory write: its bits name CPU and vector.",
        .handout = "Steps, 8",
        .slide = "Interrupts",
        .manual = "SDM 3A 11.11.1, 11.11.2",
        .hints =
            {"The drawing in the contract has all the bits.",
             "The APIC id stands in bits 19:12 of the address, the vector in bits 7:0 of "
             "the data; the rest is constant.",
             "0xfee00000 | apic_id << 12, 0, vector; vectors 16 to 255, APIC ids 0 to "
             "254."},
        .explanation =
            "With interrupt remapping these writes are looked up in a table first "
            "(lab 07): the bits then mean an index, not a CPU.",
    },
    {
        .id = "interrupt_is_one_wire",
        .title = "joins MSI, eventfd, irqfd and route",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = interrupt_is_one_wire,
        .why = "Then an interrupt goes from device to guest without waking the VMM.",
        .handout = "Steps, 12",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"Follow the wire: who writes to the eventfd, who reads it, and where to then?",
             "KVM_SET_GSI_ROUTING replaces the whole table: the VM has other routes.",
             "eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); old routes plus ours to KVM; "
             "KVM_IRQFD {fd, gsi}; VFIO_DEVICE_SET_IRQS with that descriptor as data."},
        .explanation =
            "An eventfd is a counter with two ends. Here both ends are in the kernel, "
            "and your process only introduces them to each other.",
    },
    {
        .id = "failed_wiring_is_undone",
        .title = "a failed wiring is undone",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = failed_wiring_is_undone,
        .why = "A route without a device behind it takes the GSI away from the next one.",
        .handout = "Steps, 12",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"Which of the four objects exist when the third step fails?",
             "KVM has to be told the old table again, and *routes has to be that table.",
             "Change a copy of the table, tell KVM, and only then *routes = copy. On "
             "failure: irqfd off (if it was on), route out and KVM told, eventfd closed."},
        .explanation =
            "Arguments are checked before anything is made: then there is nothing "
            "to undo.",
    },
    {
        .id = "unassigning_is_orderly",
        .title = "takes the device from the guest in order",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = unassigning_is_orderly,
        .why = "Memory that a device still writes to must not become somebody else's.",
        .handout = "Steps, 13",
        .slide = "DMA devices",
        .manual = VFIO_RST "; " PCI_COMMAND_MANUAL,
        .hints =
            {"What can the device still do at each of your steps?",
             "Bus master off first: it ends DMA and MSI. Then source before sink. What "
             "fails does not stop the rest.",
             "vfio_bus_master(false); vfio_msi_connect(-1); KVM_IRQFD with DEASSIGN; route "
             "out and KVM told; close the eventfd; ranges backwards; "
             "memory_slot_remove()."},
        .explanation =
            "A teardown that gives up half-way leaks all that comes after: so it has "
            "no result, and goes on.",
    },
    {
        .id = "closing_is_orderly",
        .title = "gives the device back in order",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = closing_is_orderly,
        .why = "VFIO_GROUP_UNSET_CONTAINER is refused while a device is open.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"Reverse the order in which vfio_open() took things.",
             "Bus master off, reset where the device can, BAR unmapped, device closed; "
             "then the group leaves the container.",
             "VFIO_DEVICE_RESET only if can_reset; munmap(bar, bar_size); close(device); "
             "VFIO_GROUP_UNSET_CONTAINER; close(group); close(container); -1 and NULL."},
        .explanation =
            "The kernel would clean up after a dead process all the same; but a VMM "
            "that hot-unplugs a device lives on.",
    },
    {
        .id = "registers_need_no_exit",
        .title = "the guest uses registers without VM exits",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = registers_need_no_exit,
        .why = "This is what passthrough is for: the VMM is out of the way.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = API("4.35"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "The BAR has to be a slot at the GPA that device_assign_bar() got, with the "
             "address where you mapped it as hva.",
             "memory_slot_add(vm, gpa, bar_size, bar, 0): read-write, no dirty log."},
        .explanation =
            "The first touch is a nested page fault: KVM finds the slot and fills in "
            "the tables. All further accesses are the CPU's own.",
    },
    {
        .id = "dma_moves_both_ways",
        .title = "the device reads and writes guest memory",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = dma_moves_both_ways,
        .why = "The guest's driver gives the device its own addresses, and they are right.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VFIO_RST,
        .hints =
            {"If the checks on the model pass, this one does.",
             "Zeros in memory: a read of an address that is not mapped gives zeros. No "
             "interrupt: MSI needs bus master, too.",
             "IOVA = GPA for all slots, bus master on, then the interrupt."},
        .explanation =
            "The IOMMU's own trace (QEMU's, outside the machine) shows each page that "
            "was translated: the numbers behind \"IOVA\" in the report of a failure.",
    },
    {
        .id = "device_stays_in_the_guest",
        .title = "the device cannot leave the guest's memory",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = device_stays_in_the_guest,
        .why = "A guest's driver can ask for any address: the IOMMU has to say no.",
        .handout = "Run it",
        .slide = "IOMMU",
        .manual = "VT-d specification, chapter 7 (translation faults)",
        .hints =
            {"What may the device do with a read-only slot?",
             "The guest asks for a write into its ROM and for one where it has no memory.",
             "VFIO_DMA_MAP_FLAG_READ alone for a slot with MEMORY_SLOT_READONLY; and map "
             "slots, not one range from the first to the last."},
        .explanation =
            "The device is told nothing: its write just vanishes, and a fault record "
            "says who tried. Lab 09 reads these records.",
    },
    {
        .id = "interrupts_reach_the_guest",
        .title = "the guest's own handler takes the interrupts",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = interrupts_reach_the_guest,
        .why = "Device, irqfd, local APIC, handler: the VMM's process is never woken.",
        .handout = "Run it",
        .slide = "Interrupts management",
        .manual = API("4.52, 4.75"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "No interrupt at all: is the device bus master? An MSI is a write.",
             "device_assign_memory() ends with vfio_bus_master(true); the route carries "
             "the vector and the CPU that the call names."},
        .explanation =
            "Each interrupt still costs exits of the kernel's: the injection, and the "
            "handler's EOI. Posted interrupts (lab 07) take these away, too.",
    },
    {
        .id = "device_is_free_again",
        .title = "the device can be given again and again",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = device_is_free_again,
        .why = "A host lends a device to one guest after the other.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = VFIO_RST,
        .hints =
            {"If the checks on the model pass, this one does.",
             "EBUSY at the second round: what is still open from the first?",
             "device_unassign(), then vfio_close(): group and container are closed last."},
        .explanation =
            "/proc/PID/fd showed one container, one group, one device and one eventfd "
            "while the guest had it, and none of them afterwards.",
    },
};

const struct lab_checks lab_checks = {
    .name = "08-vfio-passthrough",
    .title = "VFIO passthrough",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
