/* 04-int-iret.c - the checks of lab 04.
 *
 * Target model: the part's functions on a guest that is mere memory; what they should have done
 * is worked out here, byte by byte, from the manual. Target machine: the same guest twice, once
 * with the processor's own INT and IRET, once with the part's. Target silicon: an emulated Intel
 * CPU runs on the part's tables, takes the events that the part has encoded, and exits as the
 * part's exception bitmap says.
 */
#include "04-int-iret/checks.h"

#define SDM(text) "Intel SDM " text

static const struct check checks[] = {
    {
        .id = "gates_are_encoded",
        .title = "IDT gates and the TSS descriptor, bit by bit",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = gates_are_encoded,
        .why = "The processor reads these bits at every INT, and says nothing about wrong "
               "ones.",
        .handout = "Steps, 1 and 2",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3A 6.14.1, 8.2.3"),
        .hints = {"Compare the words that you got with the drawing in the header, from "
                  "right to left.",
                  "A handler's address lies in three pieces; the TSS's base in four. Which "
                  "bits go where?",
                  "handler 15:0 to bits 15:0, 31:16 to 63:48, 63:32 to the second word. "
                  "Mask each piece before you shift it."},
        .explanation =
            "The pieces are history: the 80286 had the lower halves, the 80386 put its new "
            "bits where there was room, and 64-bit mode appended a word.",
    },
    {
        .id = "tables_are_written",
        .title = "GDT, TSS and IDT in guest memory",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = tables_are_written,
        .why = "With these tables in place, INT needs nobody but the processor.",
        .handout = "Steps, 3",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 3.4.5, 6.14.1, 8.7"),
        .hints =
            {"Which table does the message name? GDT and TSS need guest_tss_encode(), the "
             "IDT guest_gate_encode().",
             "Is every byte of the IDT written, also those that are zero? And what becomes "
             "of an error that one of the three tables has?",
             "uint64_t idt[256][2], all zero; encode each gate at its vector; one "
             "guest_write() of all 4096 bytes."},
        .explanation = "A vector without a gate is 16 zero bytes: not present. That is all "
                       "that it takes to make INT 89h a fault.",
    },
    {
        .id = "int_pushes_the_frame",
        .title = "INT by hand: gate, stack, frame, registers",
        .tenths = 11,
        .target = TARGET_MODEL,
        .run = int_pushes_the_frame,
        .why = "This is what a VMM without hardware support did for every system call.",
        .handout = "Steps, 5",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, INT n; 3A 6.12.1, 6.14"),
        .hints =
            {"Which stack: the one of the TSS, of the IST, or the current one? What "
             "decides?",
             "In 64-bit mode the frame always has SS and RSP, and RSP is rounded down to "
             "16 first. What is in SS after a change of ring?",
             "rsp = (IST ? IST : ring changes ? RSPn : RSP) & ~15; push SS, RSP, RFLAGS, "
             "CS, RIP; CS.RPL = the new ring; IF = 0 only for an interrupt gate."},
        .explanation = "The null SS is no accident: 64-bit mode does not need a stack "
                       "segment, and null says so without reading the GDT.",
    },
    {
        .id = "int_faults_in_order",
        .title = "INT by hand: who may not pass, and why",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = int_faults_in_order,
        .why =
            "The gate's DPL is all that keeps a program from calling any handler it likes.",
        .handout = "Steps, 5",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, INT n; 3A 6.12.1, 6.13"),
        .hints =
            {"The message names the step of the header. Is it there, and at its place?",
             "Limits are the last byte that belongs to the table: all 16 bytes of a gate "
             "have to lie within. And an exception asks no DPL.",
             "Compute the error code once: vector * 8 + 2 for a gate, selector & FFFCh for "
             "a segment, TR's selector for the TSS; plus 1 unless the event is an INT n."},
        .explanation = "Whoever handles #GP sees from its error code whether a selector or "
                       "a vector was at fault: bit 1 says so.",
    },
    {
        .id = "iret_goes_back",
        .title = "IRET by hand: registers and flags",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = iret_goes_back,
        .why = "The way back decides which ring runs next.",
        .handout = "Steps, 6",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, IRET"),
        .hints =
            {"Which bits of RFLAGS may the program in ring 3 choose? Who may change IF?",
             "IF depends on the old CPL and the old IOPL; IOPL itself only on the old CPL. "
             "What is not loaded keeps its value.",
             "new = (old & ~mask) | (frame & mask), where mask grows with the rights of "
             "the ring that executes IRET."},
        .explanation = "If IRET loaded all of RFLAGS, a program could give itself IOPL 3 "
                       "and switch interrupts off.",
    },
    {
        .id = "iret_trusts_no_frame",
        .title = "IRET by hand: a frame is only memory",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = iret_trusts_no_frame,
        .why = "Whoever can write the stack can write the frame: it is input, not state.",
        .handout = "Steps, 6",
        .slide = "Root and non-root modes",
        .manual = SDM("2A, IRET; 3A 5.5, 5.8"),
        .hints = {"Which field of the frame does the message name? What does the header "
                  "ask of it?",
                  "The new ring is CS's RPL. It may not be lower than the old one, and "
                  "both segments have to be of exactly that ring.",
                  "A null SS is fine, but never for ring 3, and only with an RPL that "
                  "equals the new ring. The checks of SS come after all those of CS."},
        .explanation = "A kernel that returns with a forged CS gets #GP in ring 0: the "
                       "place where many real exploits began.",
    },
    {
        .id = "only_named_sites_are_patched",
        .title = "patches the sites that are named, and nothing else",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = only_named_sites_are_patched,
        .why =
            "CD 80 is INT 80h only if it is an instruction: a blind search changes data.",
        .handout = "Steps, 8",
        .slide = "Root and non-root modes",
        .manual = "common/include/int_emulation.h, int_traps_install()",
        .hints =
            {"After a call that has failed: what is in the guest's text, what is on "
             "the bus, what is traps->count?",
             "A write may fail (a site in ROM), and so may the bus (no room, or a port "
             "is taken). How many sites are patched by then?",
             "Patch one after the other and count; then device_bus_add(). Where one of "
             "them fails: sites_restore() of as many as are patched."},
        .explanation =
            "Binary translators had to follow the guest's jumps to know what is an "
            "instruction. A list of sites is that work, done by the guest's maker.",
    },
    {
        .id = "good_events_are_encoded",
        .title = "events become the three fields of a VM entry",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = good_events_are_encoded,
        .why = "So a VMM makes a guest see an interrupt that no device has sent it.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 25.8.3, 27.6"),
        .hints =
            {"Write the drawing of the field as an expression: valid, type, vector, error "
             "code.",
             "Which exceptions push an error code? And in real mode?",
             "Fields that are not used become 0: no stale error code, no stale length."},
        .explanation = "The processor clears the valid bit at the next VM exit, so an "
                       "event is delivered once, unless the VMM writes it again.",
    },
    {
        .id = "bad_events_are_refused",
        .title = "events that the processor would refuse are refused",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bad_events_are_refused,
        .why = "A VM entry with a bad event fails, and says no more than 'invalid control "
               "field'.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 27.2.1.3, 27.3.1.4"),
        .hints = {"Take the rules of the header one by one; which one does the message's "
                  "event break?",
                  "has_error_code has to be right in both directions. CR0.PE decides about "
                  "all of them.",
                  "-EAGAIN only after everything that is -EINVAL. RFLAGS.IF stops external "
                  "interrupts only; each blocking stops NMIs."},
        .explanation = "An event that has to wait is not lost: the VMM asks for an exit "
                       "when the window opens.",
    },
    {
        .id = "bitmap_says_what_exits",
        .title = "the exception bitmap, with mask and match",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bitmap_says_what_exits,
        .why = "A VMM that takes every page fault of its guest is slow; one that takes "
               "none is blind.",
        .handout = "Steps, 10 and 11",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("3C 25.6.3, 26.2"),
        .hints = {"Which comparison holds for every error code? Which for none?",
                  "If the comparison fails, bit 14 means the opposite. So what is bit 14 "
                  "for 'all but these'?",
                  "STAY: 0, mask 0, match 0. EXIT: 1, 0, 0. MATCHING: 1 and the wish's "
                  "numbers. OTHER: 0 and the same numbers."},
        .explanation = "With EPT most VMMs leave all page faults to the guest: bit 14, "
                       "mask and match 0.",
    },
    {
        .id = "program_starts_in_ring_3",
        .title = "the vCPU starts in ring 3",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = program_starts_in_ring_3,
        .why = "A kernel never starts its programs by INT: somebody has to be in ring 3 "
               "first.",
        .handout = "Steps, 4",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 3.4.2, 5.5, 8.2.4"),
        .hints = {"KVM_GET_SREGS, change, KVM_SET_SREGS. Which register is named in the "
                  "message?",
                  "CPL is CS's RPL, SS's DPL, or both, depending on who is asked: set all "
                  "of them.",
                  "RFLAGS: RFLAGS_RESERVED, RFLAGS_IF and iopl << 12, and nothing of what "
                  "was there. DS, ES, FS and GS are as SS."},
        .explanation = "Real kernels do it with the instruction of this lab: they push a "
                       "frame by hand and execute IRET.",
    },
    {
        .id = "hardware_way_needs_no_exit",
        .title = "100,000 INT/IRET pairs, no VM exit",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = hardware_way_needs_no_exit,
        .why = "This is what the deck promises of the hardware; here it is counted.",
        .handout = "What the slides say",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3C 26.1"),
        .hints = {"What does the guest's last word say: did it run at all?",
                  "If RIP lies in nowhere, or the guest shut down, look at RSP0 and the "
                  "gates first.",
                  "Compare GDT, IDT and TSS in memory with what checks of target model say "
                  "about them."},
        .explanation = "The exits that remain are the host's own: its timer, and pages "
                       "that were touched for the first time.",
    },
    {
        .id = "patched_way_exits_twice",
        .title = "the patched guest: exactly two exits a pair",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = patched_way_exits_twice,
        .why = "The price of the old way, measured on the same guest.",
        .handout = "Steps, 7",
        .slide = "Example: INT execution on the VM",
        .manual = "common/include/int_emulation.h; api.rst 5, KVM_EXIT_IO",
        .hints = {"Is the device called for each OUT? Are the registers written back?",
                  "KVM finishes an OUT by moving RIP behind it, unless somebody has "
                  "changed RIP meanwhile. You have.",
                  "RIP of the exit is the OUT itself: look it up among the sites, emulate, "
                  "cpu_state_set(). For INT return_rip is the site + 2."},
        .explanation =
            "Two exits, four ioctls and two switches between processes' worth of state: "
            "for something that a processor does in some hundred cycles.",
    },
    {
        .id = "frames_are_the_processors",
        .title = "both ways leave the same frames, bit for bit",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = frames_are_the_processors,
        .why = "A guest must not see which way it runs: equivalence is what makes it "
               "virtualization.",
        .handout = "Steps, 5 and 6",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.14"),
        .hints = {"Which way does the message name? 'hardware' means the tables, 'patched' "
                  "the emulation.",
                  "Nested INTs stay on the stack they are on, rounded down; IST always "
                  "switches.",
                  "An OUT that is not at a site goes to device_bus_access(&traps->behind, "
                  "...), whatever its port."},
        .explanation =
            "Popek and Goldberg (1974) call this the equivalence property of a VMM.",
    },
    {
        .id = "violations_reach_the_guest",
        .title = "a forbidden INT is the guest's fault, not yours",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = violations_reach_the_guest,
        .why = "A program that uses a gate which is not for it must meet its own kernel.",
        .handout = "Steps, 7",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.12.1, 6.13, 6.15"),
        .hints = {"GUEST_FAULTS is no error: what does the guest's kernel expect to find "
                  "on its stack?",
                  "A fault pushes the address of the instruction itself, and an error code "
                  "below it.",
                  "On GUEST_FAULTS deliver {fault.vector, error code, return_rip = site}, "
                  "software = false."},
        .explanation = "The same IRET that a user's forged frame breaks is reported to the "
                       "kernel as #GP at the IRET: in ring 0.",
    },
    {
        .id = "emulation_gives_up",
        .title = "where the emulation cannot go on, the run ends",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = emulation_gives_up,
        .why = "Going on with half an exception would run the guest from a state that "
               "never was.",
        .handout = "Errors",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.15, Interrupt 8"),
        .hints =
            {"Who notices that the exception itself cannot be delivered?",
             "Set traps->error and stop the run; vcpu_kick() may be called by a device.",
             "GUEST_FAULTS from the second interrupt_deliver() becomes -ELOOP; registers "
             "are not written back."},
        .explanation = "A processor would raise #DF, and if that fails as well, shut down: "
                       "a triple fault.",
    },
    {
        .id = "tables_work_on_silicon",
        .title = "an Intel CPU runs on your tables without an exit",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = tables_work_on_silicon,
        .why = "KVM could hide an exit from us; a CPU with its VMCS in our hands cannot.",
        .handout = "What the slides say",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3C 26.1; 3A 6.14"),
        .hints = {"Do the checks of target model that are about tables pass?",
                  "The CPU takes the frame's place from your TSS, rights from your GDT, "
                  "the address from your IDT.",
                  "If the guest did not get to its end, the last VM exit in the message "
                  "says where it was."},
        .explanation =
            "The same bytes, another maker of CPUs: that is what an architecture is.",
    },
    {
        .id = "events_arrive_on_silicon",
        .title = "an Intel CPU delivers your events",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = events_arrive_on_silicon,
        .why = "The slide's promise: the processor itself saves the state and looks up the "
               "IDT.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 27.6.1"),
        .hints = {"VM-instruction error 7 means: one of the fields is not allowed.",
                  "For types 4, 5 and 6 the CPU adds the instruction length to RIP before "
                  "it pushes it.",
                  "info = 80000000h | type << 8 | vector | error code << 11."},
        .explanation =
            "To the guest it looks as if a device, or its own instruction, had done it.",
    },
    {
        .id = "exceptions_exit_on_silicon",
        .title = "your exception bitmap decides on an Intel CPU",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = exceptions_exit_on_silicon,
        .why = "Here the bitmap meets exceptions that really happen.",
        .handout = "Steps, 10",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("3C 25.6.3, 26.2"),
        .hints =
            {"Which exception does the message name? What did you ask for, what came out?",
             "INT 14 is no page fault: software interrupts do not look at the bitmap.",
             "See the hints of bitmap_says_what_exits: the two are about the same three "
             "fields."},
        .explanation = "An exception that exits has not happened to the guest yet: the VMM "
                       "may repair the cause and resume, or inject it.",
    },
};

const struct lab_checks lab_checks = {
    .name = "04-int-iret",
    .title = "INT and IRET",
    .checks = checks,
    .count = COUNT(checks),
};
