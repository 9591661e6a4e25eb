/* 03-exit-loop.c - the checks of lab 03.
 *
 * Target model: the agent plays KVM. Each exit is written by it, and at every KVM_RUN it
 * notes kvm_run as the VMM left it, so answers to reads are seen from outside. Target
 * machine: real exits; the kernel's tracepoints and guest memory are the evidence.
 */
#include "03-exit-loop/checks.h"

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "bus_refuses_ambiguous_devices",
        .title = "refuses devices that a lookup could not tell apart",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bus_refuses_ambiguous_devices,
        .why = "Two devices at one address: which one answers would be an accident.",
        .handout = "Steps, 1",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_add()",
        .hints =
            {"Draw the ranges. Which is the last address of each? Which one may a range "
             "end at?",
             "Compare last addresses, not ends: base + length of a range that reaches "
             "the end of the address space is 0.",
             "last = base + length - 1; it wraps exactly if last < base. Two ranges "
             "overlap if each one's base is <= the other's last."},
        .explanation =
            "An end that is excluded cannot be written down for the last range of "
            "the address space. That is why hardware, too, has base and limit.",
    },
    {
        .id = "bus_finds_whole_accesses_only",
        .title = "finds the device that holds all of an access",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bus_finds_whole_accesses_only,
        .why = "A device that answers for bytes beyond its range reads its neighbour's.",
        .handout = "Steps, 2",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_find()",
        .hints = {"Which byte of the access is the last one? Is it inside?",
                  "Work with distances: how far is the address from the base, how many "
                  "bytes of the device are left from there?",
                  "address >= base && size <= length && address - base <= length - size"},
        .explanation = "None of the three terms can wrap: subtracting what is known to be "
                       "smaller is safe where adding is not.",
    },
    {
        .id = "bus_answers_for_absent_devices",
        .title = "hands an access on, or answers for nobody",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = bus_answers_for_absent_devices,
        .why = "Guests probe for hardware: what is not there has to look like it.",
        .handout = "Steps, 3",
        .slide = "I/O Mapping",
        .manual = "common/include/device_bus.h, device_bus_access()",
        .hints = {"What does a guest read from a port behind which there is no device?",
                  "All bits are one: no chip pulls the lines of the bus low. Count it.",
                  "Copy *access, fill in offset = address - base, call access(); without a "
                  "device: unclaimed++, and memset(data, 0xff, size) if it is a read."},
        .explanation = "PCI enumeration rests on it: vendor id FFFFh means that no card is "
                       "in the slot.",
    },
    {
        .id = "port_access_reaches_its_device",
        .title = "IN and OUT reach their device, answers the guest",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = port_access_reaches_its_device,
        .why = "This is device emulation: the exit carries the question and the answer.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = API("5, KVM_EXIT_IO"),
        .hints =
            {"Where does kvm_run keep the bytes of an OUT? And where does KVM look for "
             "those of an IN?",
             "The data is not in run->io but io.data_offset bytes behind the start of "
             "kvm_run; direction says who writes them.",
             "data = (uint8_t *)run + run->io.data_offset; one device_bus_access() on "
             "vm->pio with address = port; then KVM_RUN again."},
        .explanation = "The device writes right into the page that kernel and VMM share: "
                       "the next KVM_RUN takes the answer from there into AL, AX or EAX.",
    },
    {
        .id = "string_access_goes_element_by_element",
        .title = "INS and OUTS: every element is an access",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = string_access_goes_element_by_element,
        .why =
            "Disk drivers move whole sectors with one instruction: one exit, many words.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = API("5, KVM_EXIT_IO") "; SDM 1, 19.4",
        .hints = {"io.count says how many; what stays the same from one to the next, and "
                  "what moves on?",
                  "The port stays, the data moves on by io.size bytes each time.",
                  "for (i = 0; i < run->io.count; i++) access data + i * run->io.size"},
        .explanation =
            "The port does not count up: an element after the other goes through "
            "the same door, as with a FIFO.",
    },
    {
        .id = "mmio_access_reaches_its_device",
        .title = "MMIO reaches its device, answers the guest",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = mmio_access_reaches_its_device,
        .why = "Today's devices have registers in memory, not ports.",
        .handout = "Steps, 4",
        .slide = "Passed-through device",
        .manual = API("5, KVM_EXIT_MMIO"),
        .hints =
            {"Which three fields of run->mmio describe the access? Which bus is it on?",
             "Exactly mmio.len bytes of mmio.data count; the others are not yours.",
             "One device_bus_access() on vm->mmio with address = phys_addr, size = len, "
             "data = run->mmio.data."},
        .explanation = "There is no MMIO instruction: a load or store hits an address "
                       "without memory slot, and KVM decodes the instruction for us.",
    },
    {
        .id = "every_end_is_told_apart",
        .title = "tells apart why a run ended",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = every_end_is_told_apart,
        .why = "A guest that halts, one that died and a broken VMM need different answers.",
        .handout = "Steps, 4",
        .slide = "Virtual Machine Control Structure",
        .manual = API("4.10, 5"),
        .hints =
            {"The table of run_status names an exit reason for each, and what detail is.",
             "fail_entry, internal: each reason has its own part of kvm_run. And what "
             "if the ioctl itself failed?",
             "A switch over exit_reason with a default; -errno (saved at once) if "
             "KVM_RUN fails with anything but EINTR. Every way out sets thread to 0."},
        .explanation =
            "The exit reason that the slide places in the VMCS is what KVM reads "
            "first; most reasons it deals with itself, the rest it translates "
            "into these numbers.",
    },
    {
        .id = "exits_are_counted_and_noted",
        .title = "counts exits by reason and notes them",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = exits_are_counted_and_noted,
        .why = "Exits are what virtualization costs: whoever tunes a VM counts them first.",
        .handout = "Steps, 6",
        .slide = "Hardware passthrough",
        .manual = "common/include/exit_loop.h, vmm.h, event_trace.h",
        .hints =
            {"exits[] needs an entry for every number that a reason can have. How many "
             "entries are there, and what if a reason is larger?",
             "Count every return of KVM_RUN that is an exit, those that end the run as "
             "well; the trace may be NULL.",
             "exits[reason < VCPU_EXIT_REASONS ? reason : VCPU_EXIT_REASONS - 1]++; "
             "if (vcpu->trace) event_trace_add(vcpu->trace, vcpu->run);"},
        .explanation = "`perf kvm stat` and QEMU's tracing do the same; here the kernel's "
                       "tracepoints will check your numbers.",
    },
    {
        .id = "interruption_without_a_kick_goes_on",
        .title = "goes on after a signal that is no kick",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = interruption_without_a_kick_goes_on,
        .why = "Timers, terminals and debuggers send signals too; the guest must not stop.",
        .handout = "Steps, 6",
        .slide = "VM States",
        .manual = API("4.10") "; man 7 signal",
        .hints =
            {"KVM_RUN failed with EINTR: what does exit_reason hold now?",
             "Nothing new: look neither at it nor at its data. Count, look for a kick, "
             "call KVM_RUN again.",
             "vcpu->interrupted++; if kick_requested was set: RUN_KICKED; else go on."},
        .explanation =
            "An interrupted KVM_RUN may leave the last exit's record behind: handling "
            "it again would do a device's access twice.",
    },
    {
        .id = "kick_before_a_run_ends_it",
        .title = "a kick before the run ends it, and only it",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = kick_before_a_run_ends_it,
        .why = "Whoever kicks does not know whether the vCPU is running at the moment.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit"),
        .hints =
            {"No signal helps here: there is no thread to send it to. Who remembers the "
             "kick?",
             "vcpu_kick() leaves two traces: a flag for us, one for the kernel. When "
             "are they taken back?",
             "Take both back where the kick is seen, after KVM_RUN returned EINTR; "
             "never at the start of a run."},
        .explanation =
            "\"Start clean\" is the classic mistake: a loop that clears the flag "
            "first throws away the kick that came a moment earlier.",
    },
    {
        .id = "kick_in_a_device_completes_the_access",
        .title = "a kicked run has finished its pending access",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = kick_in_a_device_completes_the_access,
        .why = "A VM saved in the middle of an IN would have lost the answer.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, KVM_EXIT_IO and KVM_EXIT_MMIO; immediate_exit"),
        .hints = {"After an IN exit, when does the guest's EAX change?",
                  "When KVM_RUN is called the next time. So it has to be called once more, "
                  "without running the guest.",
                  "Do not look at kick_requested between an exit and KVM_RUN: with "
                  "immediate_exit set, KVM_RUN completes the access and returns EINTR."},
        .explanation =
            "api.rst asks for it: before state is saved, user space has to enter "
            "the kernel once more so that the operation completes.",
    },
    {
        .id = "kick_is_seen_at_every_instruction",
        .title = "a kick is seen, at whatever instruction it comes",
        .tenths = 11,
        .target = TARGET_MODEL,
        .run = kick_is_seen_at_every_instruction,
        .why =
            "A race that shows once a month is found by trying every moment, not by luck.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit") "; man 2 tgkill",
        .hints =
            {"This check stops one side after each machine instruction and lets the "
             "other side do all of its part: vcpu_run() as well as vcpu_kick(). Go through "
             "your lines like that.",
             "In vcpu_kick(): what if KVM_RUN returns EINTR, or a thread enters it, "
             "between two of your lines? In vcpu_run(), after EINTR: you clear one thing "
             "and look at another. A kick between the two sets both; which order survives "
             "it?",
             "vcpu_kick(): kick_requested, immediate_exit, a full barrier (store it with "
             "__ATOMIC_SEQ_CST), and only then read thread and send the signal. After "
             "EINTR: clear immediate_exit first, then exchange kick_requested with false."},
        .explanation =
            "Say what you want before you ring the bell; put the bell back before "
            "you read the note. Stepping sees the order of instructions only, and a load "
            "may pass a store before it: therefore this check also looks for the "
            "instruction that forbids it (XCHG, LOCK, MFENCE) between the store to "
            "immediate_exit and the load of thread.",
    },
    {
        .id = "kick_signal_restarts_other_calls",
        .title = "the kick's signal disturbs no other system call",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = kick_signal_restarts_other_calls,
        .why = "A VMM reads disks and sockets; they must not fail because of a kick.",
        .handout = "Steps, 5",
        .slide = "KVM",
        .manual = "man 2 sigaction, SA_RESTART; man 7 signal",
        .hints =
            {"What happens to a signal without a handler? And to one that is ignored?",
             "A handler that does nothing, and a flag of sigaction() that makes system "
             "calls go on after it.",
             "sigaction(VCPU_KICK_SIGNAL, {.sa_handler = empty, .sa_flags = SA_RESTART})"},
        .explanation = "KVM_RUN is not restarted by SA_RESTART: it returns EINTR to user "
                       "space in any case. That is why one signal can do both.",
    },
    {
        .id = "counters_agree_with_the_kernel",
        .title = "a guest's exits, as the kernel recorded them",
        .tenths = 10,
        .target = TARGET_MACHINE,
        .run = counters_agree_with_the_kernel,
        .why = "Here the whole way is real: instruction, VM exit, KVM, your loop, back.",
        .handout = "Run it",
        .slide = "Root and non-root modes",
        .manual = API("4.10, 5"),
        .hints = {"If the model checks of ports, strings, MMIO and counters pass, this one "
                  "does. Start with the first of them that fails.",
                  "`make trace LAB=3` shows the exits of this very run beside each other.",
                  "The guest is labs/03-exit-loop/guests/tour.long64.c: compare its lines "
                  "with what your devices were told."},
        .explanation =
            "The records kvm_pio, kvm_mmio and kvm_userspace_exit are written by "
            "the kernel; your counters had to agree with all of them.",
    },
    {
        .id = "kicked_instruction_is_complete",
        .title = "after a kick in an IN, EAX holds the answer",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = kicked_instruction_is_complete,
        .why = "This is the moment at which a live migration would save the registers.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, KVM_EXIT_IO; immediate_exit"),
        .hints = {"The model check about a kick in a device asks for the same.",
                  "rip must be behind the IN and eax its answer when vcpu_run() returns.",
                  "KVM_RUN has to be called after the device answered, with immediate_exit "
                  "set: it completes the IN and returns EINTR."},
        .explanation = "KVM keeps a pending access in the kernel; it is not part of any "
                       "state that KVM_GET_REGS would show.",
    },
    {
        .id = "triple_fault_is_a_shutdown",
        .title = "a triple fault is a shutdown",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = triple_fault_is_a_shutdown,
        .why = "It is how a guest kernel dies when nothing else works; VMMs must notice.",
        .handout = "Steps, 4",
        .slide = "Virtual Machine Control Structure",
        .manual = API("5, KVM_EXIT_SHUTDOWN") "; SDM 3A, 6.15 (#DF)",
        .hints = {"The model check of ends asks for the same.",
                  "exit_reason is KVM_EXIT_SHUTDOWN.",
                  "RUN_SHUTDOWN with detail 0; counted like every other exit."},
        .explanation =
            "A real machine would reset here: the processor signals shutdown and "
            "the chipset pulls the reset line.",
    },
    {
        .id = "spinning_guest_is_stopped",
        .title = "a guest that spins is stopped at its deadline",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = spinning_guest_is_stopped,
        .why = "A guest need never exit by itself; the VMM has to get its thread back.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("4.10") "; man 2 tgkill",
        .hints = {"immediate_exit is read when KVM_RUN is called. The guest runs already. "
                  "What gets it out?",
                  "A signal to the very thread that is inside KVM_RUN. Who knows which?",
                  "vcpu->thread = gettid() before the loop; tgkill(getpid(), thread, "
                  "VCPU_KICK_SIGNAL) in vcpu_kick()."},
        .explanation =
            "The signal makes the kernel interrupt the processor that runs the "
            "guest (an IPI if it is another one): an external-interrupt VM exit.",
    },
    {
        .id = "no_kick_is_lost",
        .title = "10,000 kicks from another thread, each ends one run",
        .tenths = 9,
        .target = TARGET_MACHINE,
        .run = no_kick_is_lost,
        .why = "One lost kick in 10,000 is a VM that hangs every few minutes.",
        .handout = "The kick",
        .slide = "VM States",
        .manual = API("5, immediate_exit"),
        .hints =
            {"The model checks about kicks say more: look at them first.",
             "Between your last look at the flag and the guest there is a gap that only "
             "the kernel can close.",
             "immediate_exit closes it: the kernel reads it after it has taken over, "
             "and a signal from then on ends KVM_RUN as well."},
        .explanation =
            "That 10,000 went well proves little: the gap before KVM_RUN is a few "
            "instructions wide, and few kicks fall into it. The proof is the check "
            "that tries every instruction.",
    },
};

const struct lab_checks lab_checks = {
    .name = "03-exit-loop",
    .title = "The exit loop",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
