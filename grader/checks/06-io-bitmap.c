/* 06-io-bitmap.c - the checks of lab 06.
 *
 * Target model: scripts of operations on a few bitmaps. After the answer has come, the
 * script is replayed on a port space that has one byte for each port (`struct space`), port
 * by port, and compared: results, all 65,536 bits, all decisions. Target silicon: the
 * student's bitmaps are given to the emulated Intel CPU, which executes I/O instructions that
 * we chose; its exits, its qualifications and what it left in the registers are compared
 * with the student's answers.
 */
#include "06-io-bitmap/checks.h"

#define SDM(section) "Intel SDM 3C, " section

static const struct check checks[] = {
    {
        .id = "ranges_change_exactly_their_ports",
        .title = "ranges change the bits of their ports, no others",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = ranges_change_exactly_their_ports,
        .why = "A wrong bit is a device that the guest should not have, or cannot reach.",
        .handout = "Steps, 1 to 3",
        .slide = "I/O Mapping",
        .manual = SDM("25.6.4"),
        .hints =
            {"Which byte and which bit belong to port 8001h? In which of the two bitmaps?",
             "Bitmap A has ports 0 to 7fffh, B the others; bit n % 8 of byte n / 8. Pass "
             "clears, intercept sets, init makes all ones.",
             "port < 0x8000 ? &a[port / 8] : &b[(port - 0x8000) / 8], bit port % 8; loop "
             "over the ports of the range."},
        .explanation =
            "A guest that is given nothing has two pages of ones. KVM does without them: "
            "it sets \"unconditional I/O exiting\", which comes to the same.",
    },
    {
        .id = "bad_ranges_change_nothing",
        .title = "refuses ranges that are none, without a trace",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = bad_ranges_change_nothing,
        .why = "A range that wraps opens ports at the other end of the port space.",
        .handout = "Steps, 3",
        .slide = "I/O Mapping",
        .manual = "common/include/io_bitmap.h",
        .hints = {"first and count are 32-bit numbers: what is first + count for the "
                  "largest ones?",
                  "count 0 is -EINVAL and is looked at first. Everything else that does "
                  "not fit is -ERANGE. Check before the first bit is changed.",
                  "if (count == 0) -EINVAL; if (first >= IO_PORTS || count > IO_PORTS - "
                  "first) -ERANGE."},
        .explanation = "Subtracting from a limit cannot wrap, adding to a start can. You "
                       "met the same in lab 02 with guest-physical addresses.",
    },
    {
        .id = "every_port_and_size_is_decided",
        .title = "decides every port and size as the CPU does",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = every_port_and_size_is_decided,
        .why = "An access of 4 bytes touches 4 ports; one of them may be somebody else's.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3"),
        .hints = {"How many ports does OUT DX, EAX touch?",
                  "One bit that is 1 among the ports touched is enough, also where some "
                  "lie in A and others in B.",
                  "for i in 0 to size - 1: if the bit of port + i is 1, it exits. Never "
                  "look at whole bytes of the page."},
        .explanation = "The bits are looked at in the CPU for each I/O instruction, from "
                       "memory: a VMM may change them while the guest runs elsewhere.",
    },
    {
        .id = "accesses_that_wrap_always_exit",
        .title = "lets accesses that wrap around exit",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = accesses_that_wrap_always_exit,
        .why = "What lies behind port ffffh is not a port: nobody can have allowed it.",
        .handout = "Steps, 4",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3"),
        .hints = {"Which ports does an access of 4 bytes at fffeh touch?",
                  "Port ffffh is followed by port 0. Such an access exits whatever the "
                  "bits say. One that ends at ffffh does not wrap.",
                  "With the bitmaps in use: if (port + size > 0x10000) return true."},
        .explanation = "The manual says it in a single sentence, and only for the bitmaps: "
                       "with both controls off, the access is simply executed.",
    },
    {
        .id = "controls_decide_before_the_bitmap",
        .title = "asks the two controls first",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = controls_decide_before_the_bitmap,
        .why = "A bitmap that no control switches on protects nothing.",
        .handout = "Steps, 4",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("25.6.2, 26.1.3"),
        .hints = {"Two controls make four cases. Which of them need the bitmap?",
                  "\"Use I/O bitmaps\" decides first; the other control has an effect only "
                  "without it. The bitmap may be NULL when it is not used.",
                  "if (!(primary & PRIMARY_USE_IO_BITMAPS)) return primary & "
                  "PRIMARY_UNCONDITIONAL_IO_EXITING;"},
        .explanation = "Both controls off is passthrough of the whole machine: the guest "
                       "could even power it off.",
    },
    {
        .id = "merge_passes_what_all_parties_allow",
        .title = "merges what several parties allow",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = merge_passes_what_all_parties_allow,
        .why = "With nested guests two hypervisors have a say: either may want the exit.",
        .handout = "Steps, 5",
        .slide = "Hardware passthrough",
        .manual = SDM("25.6.4, 26.1.3"),
        .hints = {"If one party says exit and the other pass, what has to happen?",
                  "Ask io_access_exits() for each party, with its controls. Nobody asked "
                  "means nobody allowed. merged may be one of the inputs.",
                  "For each port: exits = count == 0, or any party's "
                  "io_access_exits(party, port, 1); then write that one bit."},
        .explanation =
            "Ones mean exit, so allowing together is an OR of the bits. In lab 10 a guest "
            "hypervisor has bitmaps, too: what it passes is not what you pass.",
    },
    {
        .id = "passed_devices_pass_and_nothing_else",
        .title = "passes the ports of passed devices only",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = passed_devices_pass_and_nothing_else,
        .why =
            "This is the slide: the bits of the device's ports are changed, and no others.",
        .handout = "Steps, 6 and 7",
        .slide = "I/O Mapping",
        .manual = SDM("25.6.4"),
        .hints =
            {"What is in the bitmap before the first device is looked at?",
             "Begin with all ports exiting, then let the ports of passed devices pass. "
             "Emulated ones need no bit of their own; they may overlap each other.",
             "Check all; io_bitmap_init(); for each device with IO_DEVICE_PASSED: clear "
             "its range."},
        .explanation = "A list of devices is what a VMM's command line says; the bitmap is "
                       "what the CPU understands.",
    },
    {
        .id = "device_conflicts_are_named",
        .title = "names the device that cannot be passed, and why",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = device_conflicts_are_named,
        .why = "A device that is passed is dedicated to one guest; half of it is not.",
        .handout = "Steps, 6 and 7",
        .slide = "Hardware passthrough",
        .manual = "common/include/io_bitmap.h",
        .hints = {"Two ranges have ports in common: which is the lowest of these?",
                  "Look at the devices in order; each first for its own range, then "
                  "against those before it, lowest index first. Two emulated ones never "
                  "conflict. Only then touch the bitmap.",
                  "low = max(first, other first); common if low is below both ends. -EBUSY "
                  "if one of the two is passed. Fill *conflict only on failure, and only "
                  "if it is not NULL."},
        .explanation = "KVM knows nothing of this: whether an assignment makes sense is "
                       "the VMM's decision, as it is with VFIO groups in lab 08.",
    },
    {
        .id = "qualification_is_decoded",
        .title = "decodes the exit qualification",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = qualification_is_decoded,
        .why = "It is all that a VMM learns of the access; decoding the instruction is not "
               "needed.",
        .handout = "Steps, 8 and 9",
        .slide = "I/O Mapping",
        .manual = SDM("28.2.1, table 28-5; 28.2.5, table 28-8"),
        .hints =
            {"Draw the 64 bits, and write below each field what it is for REP OUTSB.",
             "Undefined bits may be anything. REP counts only with string; the count is as "
             "wide as the address size says; linear and address size are 0 without string.",
             "size = (q & 7) + 1, port = q >> 16 & 0xffff, address size = 2 << (info >> 7 "
             "& 7); count = rep ? RCX masked to it : 1."},
        .explanation = "A processor may define those bits one day. A VMM that ignores them "
                       "then still works.",
    },
    {
        .id = "impossible_accesses_are_refused",
        .title = "refuses what no instruction can have caused",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = impossible_accesses_are_refused,
        .why =
            "A value that cannot be is a bug somewhere: it has to be found, not emulated.",
        .handout = "Steps, 8 to 10",
        .slide = "I/O Mapping",
        .manual = SDM("table 28-5"),
        .hints =
            {"Which sizes can an access have? Which instructions have an immediate port?",
             "Sizes 1, 2, 4. INS and OUTS always take the port from DX; an immediate has 8 "
             "bits. REP without string is refused only when encoding. Nothing is written "
             "on failure.",
             "Decode into a variable of your own and copy it to *io at the end; use one "
             "function for both directions to say what is possible."},
        .explanation = "A qualification can also come from a guest hypervisor, or from a "
                       "file: then it is input, and hostile.",
    },
    {
        .id = "encoding_is_the_way_back",
        .title = "encodes a qualification",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = encoding_is_the_way_back,
        .why = "A VMM that runs a guest hypervisor has to report exits to it.",
        .handout = "Steps, 10",
        .slide = "I/O Mapping",
        .manual = SDM("table 28-5"),
        .hints = {"Which fields of struct io_exit are in the qualification?",
                  "The size is stored minus one; the port begins at bit 16; undefined bits "
                  "are 0.",
                  "port << 16 | immediate << 6 | rep << 5 | string << 4 | in << 3 | (size "
                  "- 1)."},
        .explanation = "Lab 10 needs it: the exit was taken by L0, and L1 wants to hear of "
                       "it in its own VMCS.",
    },
    {
        .id = "registers_move_with_the_elements",
        .title = "moves RSI, RDI, RCX and RIP",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = registers_move_with_the_elements,
        .why =
            "If the VMM gets it wrong, the guest copies its disk sectors to wrong places.",
        .handout = "Steps, 11 and 12",
        .slide = "I/O Mapping",
        .manual = "Intel SDM 2, INS, OUTS, REP; SDM 1, 3.4.1.1",
        .hints = {"Which register does INS use, and which OUTS? What does DF do?",
                  "An address size of 2 leaves bits 63:16 alone, 4 makes bits 63:32 zero, "
                  "but only where something was written. RIP moves only when all is done.",
                  "index = in ? rdi : rsi; index +- done * size; with rep: rcx - done; "
                  "both written with the address size; if done == count: rip += length."},
        .explanation =
            "A VMM may stop in the middle of a REP, e.g. to let an interrupt in: RIP still "
            "points to the instruction, and the registers say how much is left.",
    },
    {
        .id = "input_changes_its_part_of_rax",
        .title = "puts what was read into AL, AX or EAX",
        .tenths = 2,
        .target = TARGET_MODEL,
        .run = input_changes_its_part_of_rax,
        .why = "A driver that keeps something in AH would lose it.",
        .handout = "Steps, 13",
        .slide = "I/O Mapping",
        .manual = "Intel SDM 1, 3.4.1.1",
        .hints =
            {"What happens to the upper half of RAX when EAX is written? And when AL is?",
             "AL and AX leave the rest alone, EAX clears bits 63:32. INS and OUT do not "
             "change RAX.",
             "size 4: value. Otherwise (rax & ~mask) | (value & mask), mask the low size "
             "bytes."},
        .explanation = "This asymmetry came with 64-bit mode: a 32-bit result clears the "
                       "rest, so that the CPU need not wait for the old value.",
    },
    {
        .id = "passed_device_is_driven_without_an_exit",
        .title = "a passed device is driven with no exit at all",
        .tenths = 7,
        .target = TARGET_SILICON,
        .run = passed_device_is_driven_without_an_exit,
        .why = "This is what passthrough is for: the VMM is not involved any more.",
        .handout = "Run it",
        .slide = "Passed-through device",
        .manual = SDM("25.6.4, 26.1.3"),
        .hints = {"If the checks of io_bitmap_assign() pass, this one does.",
                  "Your two pages are given to a VMX CPU as they are. 1 means exit, in "
                  "both of them.",
                  "Look at the bits of ports 6fh to 72h and 7fh to 90h: only 70h, 71h and "
                  "80h to 8fh are 0."},
        .explanation =
            "The guest wrote bytes into the clock's memory and the DMA page registers and "
            "read them back; the CPU looked at a bit each time, and the VMM slept.",
    },
    {
        .id = "random_walk_exits_where_you_decided",
        .title = "the CPU exits where you said, and you can read why",
        .tenths = 9,
        .target = TARGET_SILICON,
        .run = random_walk_exits_where_you_decided,
        .why =
            "The CPU is the judge of your bitmap, of your decisions and of your decoding.",
        .handout = "Run it",
        .slide = "I/O Mapping",
        .manual = SDM("26.1.3, table 28-5"),
        .hints = {"Does the check speak of the bitmap, of io_access_exits() or of "
                  "io_exit_decode()?",
                  "The accesses are near the ends of passed ranges, across 7fffh/8000h and "
                  "across ffffh/0, in all forms; make the checks on the model pass first.",
                  "Compare the qualification in the report with table 28-5, bit by bit; "
                  "the guest-linear address is the CPU's and is handed on as it is."},
        .explanation = "500 instructions, and the CPU agreed with you about each of them.",
    },
    {
        .id = "registers_move_as_the_cpu_moves_them",
        .title = "your registers are those that the CPU leaves",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = registers_move_as_the_cpu_moves_them,
        .why =
            "An emulated string instruction must not differ from a real one in anything.",
        .handout = "Run it",
        .slide = "Hardware passthrough",
        .manual = "Intel SDM 2, INS, OUTS, REP; SDM 1, 3.4.1.1",
        .hints = {"Here the accesses pass: the CPU itself moves the registers, and yours "
                  "are compared.",
                  "Both directions, both address sizes of 64-bit mode, counts up to 300, "
                  "and upper halves of registers that are not zero.",
                  "A prefix 67h makes the CPU count in ECX and address with ESI or EDI; it "
                  "then writes these, so bits 63:32 become zero."},
        .explanation = "What you wrote is the microcode of INS and OUTS, but for the data.",
    },
};

const struct lab_checks lab_checks = {
    .name = "06-io-bitmap",
    .title = "I/O bitmap",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
