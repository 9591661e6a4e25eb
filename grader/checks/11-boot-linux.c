/* 11-boot-linux.c - the checks of lab 11, the capstone.
 *
 * Target model: the agent plays KVM and VFIO, and logs what it was told. Target machine: Debian's
 * kernel boots, twice; the console is rebuilt from KVM's records, the kernel in guest memory is
 * compared with its file, and the device's transfers are seen from outside.
 */
#include "11-boot-linux/checks.h"

#define UART_SHEET "PC16550D data sheet, 8"
#define PVH        "Xen docs/misc/pvh.pandoc"
#define API(s)     "Linux Documentation/virt/kvm/api.rst, " s

static const struct check checks[] = {
    {
        .id = "uart_registers_answer",
        .title = "UART: every register reads as the data sheet says",
        .tenths = 12,
        .target = TARGET_MODEL,
        .run = uart_registers_answer,
        .why = "A driver writes, reads back, and decides from that which chip it has.",
        .handout = "Steps, 2",
        .slide = "A serial port",
        .manual = UART_SHEET ".1 to 8.10",
        .hints =
            {"Two registers change their meaning with bit 7 of another one. Which?",
             "While DLAB is set, offsets 0 and 1 are the divisor: a byte that is written "
             "there is not sent, and IER keeps its value.",
             "IER keeps 4 bits, MCR 5; LSR and MSR ignore writes; in loop-back mode MSR "
             "is MCR's bits 0, 1, 2, 3 at 5, 4, 6, 7. Wide accesses: byte by byte."},
        .explanation = "Linux looks for the port exactly so: 0 and 0Fh into IER, a pattern "
                       "into MCR in "
                       "loop-back mode and the answer in MSR, FCR on and the two bits in "
                       "IIR. One wrong "
                       "bit, and there is no console.",
    },
    {
        .id = "uart_fifo_keeps_order",
        .title = "UART: received bytes wait in order, and no more than fit",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = uart_fifo_keeps_order,
        .why = "Keys that are typed before the guest reads must not be lost or swapped.",
        .handout = "Steps, 1",
        .slide = "A serial port",
        .manual = UART_SHEET ".5 (FCR)",
        .hints = {"How many bytes may wait while the FIFO is off?",
                  "An array of 16, an index of the first, and a count. When is it emptied?",
                  "Emptied by FCR bit 1, and whenever bit 0 changes: on or off. Capacity: "
                  "fcr & 1 ? 16 : 1; a byte more is refused, or (loop-back) lost."},
        .explanation =
            "A real 16550A would note an overrun and lose the byte. Ours says no instead, "
            "and the console's thread tries again: a guest that is slow loses nothing.",
    },
    {
        .id = "uart_line_follows_reasons",
        .title = "UART: its interrupt line goes up and down when it should",
        .tenths = 16,
        .target = TARGET_MODEL,
        .run = uart_line_follows_reasons,
        .why = "A line that never falls, or rises too late, is a console that stops.",
        .handout = "The interrupt line",
        .slide = "The interrupt line",
        .manual = UART_SHEET ".6 (IIR); " API("4.25 (KVM_IRQ_LINE)"),
        .hints =
            {"The input of the interrupt controller is edge-triggered: only a rise counts. "
             "What if the line is still up when the next byte has been sent?",
             "Two reasons: a byte waits, THR is empty. The second is taken back by "
             "reading IIR, but only if IIR named it. The first only by reading RBR.",
             "After each access: up = (reason != none); if it differs from what KVM "
             "was told last, KVM_IRQ_LINE. Switching IER bit 1 on makes THR empty anew."},
        .explanation = "Linux' driver sends up to 16 bytes, and waits for the interrupt "
                       "that says that "
                       "THR is empty. Without the rise when IER bit 1 is switched on, the "
                       "first of them "
                       "is never sent.",
    },
    {
        .id = "kernel_lies_where_it_says",
        .title = "ELF: segments, end and entry of a kernel",
        .tenths = 12,
        .target = TARGET_MODEL,
        .run = kernel_lies_where_it_says,
        .why = "There is no decompressor to mend what the loader puts in the wrong place.",
        .handout = "Steps, 3",
        .slide = "From ELF to memory",
        .manual = "System V ABI, 5 (Program Header, Note Section); " PVH,
        .hints =
            {"A program header has two addresses. Which one can a loader use that knows "
             "nothing of the kernel's page tables?",
             "p_paddr; p_filesz bytes are copied, p_memsz bytes belong to it. Notes: the "
             "sizes in the head are without padding, the next note begins behind it.",
             "A note is ours if type is 18, namesz is 4 and the name is \"Xen\" with its "
             "NUL. The entry is its first 4 bytes; e_entry is another one (64 bits)."},
        .explanation = "vmlinux is linked to run at ffffffff81000000h and to lie at "
                       "1000000h: its first instructions, at the PVH entry, make the page "
                       "tables that turn one into the other.",
    },
    {
        .id = "bad_kernels_are_refused",
        .title = "ELF: refuses what it cannot load, and touches nothing",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = bad_kernels_are_refused,
        .why = "A file comes from outside: its numbers are claims, not facts.",
        .handout = "Steps, 3",
        .slide = "From ELF to memory",
        .manual = "System V ABI, 4 (ELF Header); common/include/boot.h",
        .hints =
            {"For each number in the file: what if it is as large as it can be?",
             "offset + size may wrap. file_holds(), which is given, subtracts instead.",
             "Three passes over the headers: all sane (-ENOEXEC)? a note (-ENOTSUP)? an "
             "end within RAM (-EFBIG)? Only then the pass that copies."},
        .explanation =
            "VMMs have been broken into by kernel files: the loader runs with the "
            "VMM's rights, before there is any guest to be confined.",
    },
    {
        .id = "parameters_lie_in_memory",
        .title = "start_info, memory map, command line, initramfs",
        .tenths = 12,
        .target = TARGET_MODEL,
        .run = parameters_lie_in_memory,
        .why = "It is all that a kernel knows of its machine before it can ask.",
        .handout = "Steps, 4",
        .slide = "start_info",
        .manual = "Linux include/xen/interface/hvm/start_info.h",
        .hints = {"start_info has only addresses. What stands at each?",
                  "The three structures follow each other at 6000h: offsetof() of struct "
                  "boot_parameters gives their addresses. No initramfs: no module.",
                  "initramfs at (ram_size - size) rounded down to 4096; the map ends at "
                  "ram_size, so its last size is ram_size - 1 MiB."},
        .explanation =
            "A BIOS would have been asked for the map by INT 15h, E820h. That the "
            "hole from 9FC00h to 1 MiB is still in it is a habit from 1981.",
    },
    {
        .id = "parameters_that_do_not_fit",
        .title = "says so when initramfs or command line do not fit",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = parameters_that_do_not_fit,
        .why = "An initramfs over the kernel is a crash that nobody can explain.",
        .handout = "Steps, 4",
        .slide = "start_info",
        .manual = "common/include/boot.h, boot_parameters_write()",
        .hints =
            {"Which subtraction can become negative?",
             "Compare the size with ram_size before you subtract; then the address with "
             "kernel_end. Equal is fine.",
             "size > ram_size: -EFBIG. gpa < kernel_end: -EFBIG. Then strlen() > 2047: "
             "-E2BIG."},
        .explanation =
            "The kernel's .bss counts, too: it is not in the file, and the kernel "
            "clears it before it has read its initramfs.",
    },
    {
        .id = "board_is_made_in_order",
        .title = "TSS address, interrupt controllers, timer",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = board_is_made_in_order,
        .why = "A vCPU gets its local APIC when it is made: the controllers come first.",
        .handout = "Steps, 5",
        .slide = "The board",
        .manual = API("4.24, 4.59, 4.71"),
        .hints =
            {"Three ioctls on the VM; one takes an address, one nothing, one a structure.",
             "KVM_SET_TSS_ADDR takes the address itself, not a pointer to it.",
             "ioctl(vm->fd, KVM_SET_TSS_ADDR, BOARD_TSS_GPA), KVM_CREATE_IRQCHIP, "
             "KVM_CREATE_PIT2 with .flags = KVM_PIT_SPEAKER_DUMMY; -errno at the first "
             "that fails."},
        .explanation =
            "With the dummy speaker KVM answers port 61h as well. Without it Linux, "
            "which measures its clocks there, would wait for ever.",
    },
    {
        .id = "cpuid_is_the_vcpus_own",
        .title = "CPUID: what KVM supports, and who this vCPU is",
        .tenths = 12,
        .target = TARGET_MODEL,
        .run = cpuid_is_the_vcpus_own,
        .why = "CPUID is where a kernel learns that it is a guest, and which CPU it is on.",
        .handout = "Steps, 6",
        .slide = "CPUID",
        .manual = API("4.46, 4.88") "; SDM 2A, CPUID, leaves 1 and 0Bh",
        .hints =
            {"KVM fills in leaf 1 as the host's CPU has it, APIC ID of that CPU included.",
             "E2BIG is no error but \"more room, please\". The TSC deadline timer is not "
             "in the list: ask for KVM_CAP_TSC_DEADLINE_TIMER.",
             "Leaf 1: EBX = (EBX & ffffh) | 1 << 16 | id << 24; ECX |= 1 << 31; bit 24 by "
             "the capability. Leaves 0Bh, 1Fh, all subleaves: EDX = id."},
        .explanation =
            "If CPUID says another APIC ID than the MADT, Linux trusts its own CPU "
            "and warns of broken firmware; with two CPUs it would not find the "
            "second.",
    },
    {
        .id = "vcpu_starts_as_pvh_wants",
        .title = "the vCPU's first state: 32 bits, flat, no paging",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = vcpu_starts_as_pvh_wants,
        .why = "A CPU after reset is in real mode at FFFFFFF0h: nobody is there.",
        .handout = "Steps, 7",
        .slide = "First state",
        .manual = PVH " (\"Initial state\"); SDM 3A, 2.5, 3.4.5",
        .hints =
            {"A segment register has a hidden part: that is what counts, there is no GDT.",
             "KVM_GET_SREGS first: what the contract does not name has to stay.",
             "limit ffffffffh, g = 1, db = 1, s = 1, present = 1; CS type 11, the others "
             "3; TR type 11 with s = 0 and limit 67h. CR0: PE on, PG off; CR4 = EFER = 0."},
        .explanation = "The kernel loads a GDT of its own within ten instructions. Until "
                       "then it runs on the hidden parts alone.",
    },
    {
        .id = "linux_answers",
        .title = "Linux boots, and a program in it answers",
        .tenths = 22,
        .target = TARGET_MACHINE,
        .run = linux_answers,
        .why = "This is what a VMM is for.",
        .handout = "Run it",
        .slide = "Pitfalls",
        .manual = "Linux Documentation/arch/x86/boot.rst; handout \"When it hangs\"",
        .hints =
            {"Do the model checks pass? Start with the first that does not. Then `make "
             "boot CMDLINE=\"loglevel=8\"` shows how far the kernel gets.",
             "Nothing at all on the console: entry, segments, memory map, or the UART's "
             "IER test. It stops after some lines: an interrupt is lost.",
             "`make trace LAB=11` shows the last exits: a HLT that nobody ends is an "
             "interrupt that did not come; a shutdown is a triple fault."},
        .explanation =
            "Your VMM has answered some two thousand exits for that. KVM answered "
            "more than twice as many without asking you: page faults, timer, HLT.",
    },
    {
        .id = "kernel_is_the_true_one",
        .title = "it is the file's kernel that writes on the console",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = kernel_is_the_true_one,
        .why = "Text on a console proves nothing; whose instruction wrote it does.",
        .handout = "What the checks look at",
        .slide = "What the run looks like",
        .manual = "Linux Documentation/trace/events.rst; events/kvm/kvm_pio",
        .hints = {"Compare what lies at 1000000h with the file: byte for byte?",
                  "Every PT_LOAD is copied whole, from p_offset, by guest_write().",
                  "The console's bytes have to come from the guest's OUT to 3F8h, nothing "
                  "else."},
        .explanation =
            "At the end the text is not the file's any more: the kernel has "
            "replaced instructions for this CPU, and locks that one CPU does not "
            "need.",
    },
    {
        .id = "linux_sees_the_board",
        .title = "Linux has found memory, timer and interrupts",
        .tenths = 10,
        .target = TARGET_MACHINE,
        .run = linux_sees_the_board,
        .why = "A kernel that boots by luck, with half of its machine, will not stay up.",
        .handout = "Run it",
        .slide = "The board",
        .manual = "Linux Documentation/filesystems/proc.rst (iomem, interrupts)",
        .hints =
            {"The report names what Linux has not found: memory, a CPU flag, an interrupt.",
             "Memory comes from start_info's map, flags from board_cpuid(), ttyS0's "
             "interrupts from the UART's line.",
             "`make boot`, then: cat /proc/iomem /proc/interrupts; grep flags "
             "/proc/cpuinfo."},
        .explanation =
            "With the deadline timer, setting the next tick is one WRMSR that KVM "
            "answers by itself; without it, Linux writes to the APIC's registers.",
    },
    {
        .id = "config_cycles_find_functions",
        .title = "PCI: configuration cycles, the host bridge, and nobody",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = config_cycles_find_functions,
        .why = "A bus is enumerated by asking all 8192 functions; most are not there.",
        .handout = "Steps, 8",
        .slide = "PCI configuration",
        .manual = "PCI 3.0, 3.2.2.3.2, 6.1",
        .hints =
            {"What does a read find where no device drives the bus?",
             "CF8h is a register for accesses of 4 bytes only. CFCh + n reaches byte n of "
             "the register that it names.",
             "offset = (address & fch) + access->offset; bits 23:8 are bus, device, "
             "function: 0 is the bridge, 5 << 3 the passed one, others read ones."},
        .explanation = "Linux believes that mechanism 1 works only if CF8h keeps what it "
                       "wrote, and if there is a host bridge somewhere on bus 0.",
    },
    {
        .id = "bar_is_sized_and_placed",
        .title = "PCI: BAR 0 tells its size, and moves where the guest wants",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = bar_is_sized_and_placed,
        .why = "The guest decides where a device's registers lie: your slot has to follow.",
        .handout = "Steps, 9",
        .slide = "BAR sizing",
        .manual = "PCI 3.0, 6.2.5.1",
        .hints =
            {"How does a driver find out how large a BAR is?",
             "The low bits of a BAR cannot be written: after ones it reads as minus its "
             "size. None of that goes to the true device.",
             "bar = written & ~(bar_size - 1), byte by byte. After a write to command or "
             "BAR: slot removed if it is not wanted or elsewhere, then made if wanted."},
        .explanation = "While it sizes a BAR, Linux switches decoding off, so that the "
                       "address of ones does not answer for something else.",
    },
    {
        .id = "passed_function_keeps_its_secrets",
        .title = "PCI: what the guest sees of the device, and what not",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = passed_function_keeps_its_secrets,
        .why = "The host still owns the device: its command and BARs are not the guest's.",
        .handout = "Steps, 9",
        .slide = "BAR sizing",
        .manual = "PCI 3.0, 6.2; Linux Documentation/driver-api/vfio.rst",
        .hints =
            {"Go through the contract's list: from whom comes each byte?",
             "The command reads as the guest wrote it, but the device always gets "
             "PCI_COMMAND_MEMORY as well: your mapping of its registers has to live.",
             "Two functions: byte_read(at, what the device says) and byte_write(at, byte), "
             "and a test \"is this byte ours?\" for both directions."},
        .explanation = "A capability that is shown has to work. MSI would have to be "
                       "translated; a list that is empty is honest.",
    },
    {
        .id = "interrupt_line_is_wired",
        .title = "PCI: INTA from the device to the guest and back",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = interrupt_line_is_wired,
        .why = "A level stays until somebody serves the device: nobody may go deaf for it.",
        .handout = "The wire",
        .slide = "INTx is a level",
        .manual = API("4.75") "; Linux include/uapi/linux/vfio.h",
        .hints =
            {"Who masks the line when it comes, and who says that it may come again?",
             "Two eventfds: trigger goes VFIO -> KVM, resample KVM -> VFIO. Which action "
             "of VFIO_DEVICE_SET_IRQS is each?",
             "ACTION_TRIGGER with trigger, ACTION_UNMASK with resample, then KVM_IRQFD "
             "with KVM_IRQFD_FLAG_RESAMPLE and .resamplefd. On failure: close, "
             "device_unassign()."},
        .explanation =
            "KVM notices the guest's end-of-interrupt at the I/O APIC, lowers the "
            "line, signals resample; VFIO unmasks; if the device still asserts, it "
            "begins anew.",
    },
    {
        .id = "linux_drives_the_device",
        .title = "Linux drives the device, and takes its interrupts",
        .tenths = 12,
        .target = TARGET_MACHINE,
        .run = linux_drives_the_device,
        .why = "Three parts of yours and an unmodified kernel: nobody told it of VFIO.",
        .handout = "Run it",
        .slide = "INTx is a level",
        .manual = "Linux Documentation/driver-api/uio-howto.rst (uio_pci_generic)",
        .hints =
            {"`make boot DEVICE=edu`, then: cat /sys/bus/pci/devices/*/resource; dmesg | "
             "grep -i pci.",
             "No device: configuration cycles. A device without memory: BAR 0. No "
             "interrupt: the wire.",
             "No interrupt at all: has VFIO got trigger (ACTION_TRIGGER), and KVM the same "
             "eventfd for GSI 11? The guest's INTx disable bit (command, bit 10) has to "
             "reach "
             "the device, too."},
        .explanation = "The guest's reads of the device's registers cost no exit: lab 08's "
                       "memory slot, at the address that Linux chose.",
    },
    {
        .id = "device_reaches_guest_memory",
        .title = "the device reads and writes a Linux page by DMA",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = device_reaches_guest_memory,
        .why = "The guest's physical addresses are what the device puts on the bus.",
        .handout = "Run it",
        .slide = "What you will build",
        .manual = "Linux Documentation/driver-api/vfio.rst",
        .hints =
            {"Is all memory of the VM mapped for DMA before the guest runs?",
             "device_assign_memory() of part 08 does it; and the guest's command has to "
             "reach the device with its bus master bit.",
             "pci_passed_write() at 04h: pwrite() of command | PCI_COMMAND_MEMORY, 2 "
             "bytes."},
        .explanation = "All of the guest's memory is pinned for that: the host cannot know "
                       "which page the device will be told next.",
    },
};

const struct lab_checks lab_checks = {.name = "11-boot-linux",
                                      .title = "Boot Linux",
                                      .checks = checks,
                                      .count = sizeof checks / sizeof checks[0]};
