/* 10-nested.c - the checks of lab 10: their table.
 *
 * Target model: decisions, merged VMCSs and composed tables, against an oracle. Target silicon:
 * the composed tables are walked by the emulated Intel CPU; and the student's hypervisor has that
 * CPU for itself, watched from outside. Target machine: the student's hypervisor as a guest of
 * the VMM; the kernel's tracepoints say what L2 did and who was told.
 */
#include "10-nested/checks.h"

static const struct check checks[] = {
    {
        .id = "exits_go_to_who_asked",
        .title = "an exit of L2 goes to the level whose controls want it",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = exits_go_to_who_asked,
        .why = "L1 must see the exits that it asked for, and must not see any other.",
        .handout = "Steps, 1",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/nested_controls.h, nested_exit_owner(); SDM 3C 26.1",
        .hints = {"For each exit ask: on a processor that L1 had for itself, with vmcs12, "
                  "would it have happened?",
                  "Three kinds: exits that no control can prevent, exits with a control "
                  "bit, and exits that are the machine's own business.",
                  "A switch over the reason: a case for exceptions, the timer, MOV CR, "
                  "ports and MSRs; default: no_control_prevents() or the bit that "
                  "primary_control() names. MOV to CR0: ((operand ^ shadow) & mask) != 0."},
        .explanation = "vmcs01 has no say here: what L1 did not want and L2 did all the "
                       "same can only have exited because L0 wanted it.",
    },
    {
        .id = "page_faults_are_filtered",
        .title = "exceptions by bitmap, page faults by mask and match",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = page_faults_are_filtered,
        .why = "With shadow paging L1 wants some page faults and not others: the filter "
               "decides.",
        .handout = "Steps, 1",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/nested_controls.h, nested_exit_owner(); SDM 3C 25.6.3",
        .hints = {"What do mask and match do to an error code? And what does bit 14 say if "
                  "they do not agree?",
                  "The comparison and the bit are combined: the fault exits if the two are "
                  "equal as truth values.",
                  "exits = bit14 == ((error_code & mask) == match). An NMI is no "
                  "exception: the type in bits 10:8 says so."},
        .explanation = "So a clear bit 14 with a mask does not mean \"no page fault\": it "
                       "means those that do not match.",
    },
    {
        .id = "ports_and_msrs_go_by_bitmap",
        .title = "ports and MSRs go by L1's bitmaps",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = ports_and_msrs_go_by_bitmap,
        .why = "A port that L1 gave to L2 must not exit to L1; one that it kept must.",
        .handout = "Steps, 1",
        .slide = "Nested Virtualization Support",
        .manual =
            "common/include/nested_controls.h, nested_exit_owner(); SDM 3C 25.6.4, 25.6.9",
        .hints = {"How many bits does a 4-byte access look at? Which page has the bit of "
                  "port 8000h?",
                  "An access is wanted if one of its bytes is. Without bitmaps another "
                  "control decides; for MSRs there is none.",
                  "USE_IO_BITMAPS: ports_bit(b, port, bytes), and UNCONDITIONAL_IO_EXITING "
                  "does not count; without it, that control alone. MSRs: msr_exits()."},
        .explanation = "The processor would do the same: that is the whole trick of "
                       "emulating a level.",
    },
    {
        .id = "merged_bitmaps_miss_nothing",
        .title = "merged bitmaps: the OR of what both want",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = merged_bitmaps_miss_nothing,
        .why = "The processor has room for one set of bitmaps. A missing bit is an exit "
               "that is never seen.",
        .handout = "Steps, 2",
        .slide = "I/O Mapping",
        .manual = "common/include/nested_controls.h, nested_bitmaps_merge()",
        .hints =
            {"Which value of a bit means exit? So what joins the wishes of two?",
             "A level may not use bitmaps at all. What does it want then? For ports there "
             "are two possibilities, for MSRs one.",
             "Take 0xff or 0 in place of the byte of a level without bitmaps; then |."},
        .explanation = "The OR exits for both; the owner is then found with L1's own "
                       "bitmap, as in the check before.",
    },
    {
        .id = "merged_controls_are_right",
        .title = "vmcs02's controls: both wishes, one processor",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = merged_controls_are_right,
        .why = "vmcs02 is the only VMCS that the processor ever sees while L2 runs.",
        .handout = "Steps, 3 and 4",
        .slide = "VMCS – VM execution control section",
        .manual = "common/include/nested_controls.h, nested_enter(); SDM 3C 25.6 to 25.8",
        .hints = {"Go through the list in the header line by line; the message names the "
                  "field that differs.",
                  "Wishes to exit are joined by OR. Facilities (APIC, posted interrupts) "
                  "belong to who is running: L1 is not.",
                  "#PF: if only one level wants any, its three values as they are; if both "
                  "do, bit 14 set, mask and match 0. Shadow: mask12 ? shadow12 : guest12."},
        .explanation =
            "More exits than both want are no fault: L0 sorts them. Fewer would be.",
    },
    {
        .id = "merged_state_is_l2s",
        .title = "vmcs02's guest state: L2's, but for what L0 owns",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = merged_state_is_l2s,
        .why = "CR0 and CR4 have bits of three owners; the processor runs with the sum.",
        .handout = "Steps, 3 and 4",
        .slide = "Virtual Machine Control Structure",
        .manual =
            "common/include/nested_controls.h, nested_enter(); SDM 3C 25.6.6, 27.3.2.1",
        .hints = {"Whose guest is L2 for the processor? Where does an exit have to lead?",
                  "Bits in vmcs01's mask are L0's: they keep L0's value, whatever L1 wrote "
                  "into vmcs12.",
                  "cr0 = (vmcs01.guest.cr0 & mask01) | (vmcs12.guest.cr0 & ~mask01); EFER "
                  "from vmcs12 only with LOAD_EFER; host state from vmcs01."},
        .explanation = "L1 believes that L2's exits lead to its own host state. They lead "
                       "to L0, which then plays the exit for L1.",
    },
    {
        .id = "reflected_exit_is_in_vmcs12",
        .title = "a reflected exit: what L1 finds in vmcs12",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = reflected_exit_is_in_vmcs12,
        .why = "L1 reads vmcs12 and must find what its own processor would have written.",
        .handout = "Steps, 6",
        .slide = "Virtual Machine Control Structure",
        .manual = "common/include/nested_controls.h, nested_reflect(); SDM 3C 28.2, 28.3",
        .hints = {"Which fields does a VM exit write? Exit information, guest state; and "
                  "two of the entry fields.",
                  "A bit of CR0 has one of three owners: nobody (it is L2's), L1, or L0 "
                  "alone. In each case its value is somewhere else.",
                  "mask12 ? as it was : mask02 ? shadow02 : guest02. Clear bit 31 of the "
                  "entry interruption info; IA32E_MODE_GUEST = LMA of L2."},
        .explanation = "KVM's vmcs12_guest_cr0() has these three lines.",
    },
    {
        .id = "l1_goes_on_at_its_host_state",
        .title = "L1 goes on where its host state says",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = l1_goes_on_at_its_host_state,
        .why = "For L1 a VM exit has happened. It never notices that it was not running.",
        .handout = "Steps, 6",
        .slide = "Root and non-root modes",
        .manual = "common/include/nested_controls.h, nested_reflect(); SDM 3C 28.5",
        .hints =
            {"Where does the processor continue after a VM exit, and with which registers?",
             "vmcs12's host state becomes vmcs01's guest state: L1 is a guest, too.",
             "cr0, cr3, cr4, rsp, rip; efer if LOAD_EFER; rflags 2, dr7 400h, activity and "
             "interruptibility 0."},
        .explanation = "The same four letters, host, mean another level each: L1 is the "
                       "host of L2 and the guest of L0.",
    },
    {
        .id = "ept02_is_the_composition",
        .title = "EPT02 is EPT12 after EPT01, for every page",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = ept02_is_the_composition,
        .why = "One wrong page, and L2 reads memory of someone else.",
        .handout = "Steps, 7 to 9",
        .slide = "Extended Page Tables",
        .manual = "common/include/nested_ept.h, nested_ept_fill()",
        .hints = {"Draw one page of 2 MiB of L1's over 512 small ones of L0's. How large "
                  "can a page of EPT02 be?",
                  "Size: the smaller of the two. Rights: what every entry on both ways "
                  "allows. Address: what the second walk says.",
                  "page = address01 & ~(size - 1); go on at (gpa & ~(size - 1)) + size, or "
                  "4 KiB further where there is nothing."},
        .explanation = "Composition of functions: the EPT that the processor walks needs "
                       "no more references than any other.",
    },
    {
        .id = "miss_goes_to_its_level",
        .title = "a miss is blamed on the level whose tables miss",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = miss_goes_to_its_level,
        .why = "A violation reflected for L0's miss makes L1 repair what is not broken.",
        .handout = "Steps, 8",
        .slide = "Extended Page Tables",
        .manual = "common/include/nested_ept.h, nested_ept_violation(); SDM 3C table 28-7",
        .hints =
            {"Ask EPT12 first: would it have faulted on L1's own processor?",
             "EPT12 lies in memory of L1. The address of its entries is L1-physical: what "
             "if EPT01 has nothing there?",
             "Order: entry unreadable (L0_MISS, READ), absent or not allowed (reflect, "
             "bits 5:3 by EPT12), misconfigured; then EPT01 (L0_MISS at the L1 address)."},
        .explanation = "L0 may take pages away from L1 at any time (swapping, migration): "
                       "L1 and L2 must not notice.",
    },
    {
        .id = "page_is_filled_on_demand",
        .title = "EPT02 is filled on demand, one page at a time",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = page_is_filled_on_demand,
        .why = "L1 maps gigabytes that L2 never touches: L0 copies what is needed.",
        .handout = "Steps, 8",
        .slide = "Extended Page Tables",
        .manual = "common/include/nested_ept.h, nested_ept_violation()",
        .hints =
            {"What happens if L2 touches a page that both allow, but EPT02 does not have?",
             "Fill in that page and nothing else; tables on the way come from the pool, "
             "cleared.",
             "entry_make() goes from root02 down to the level of the page's size. Write "
             "its entry whatever it was: address, MT_WB << 3, EPT_LARGE if not 4 KiB, "
             "rights."},
        .explanation =
            "EPT02 is a cache: it may be dropped at any time and comes back by faults.",
    },
    {
        .id = "forgotten_ept02_maps_nothing",
        .title = "what L1 invalidates is forgotten",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = forgotten_ept02_maps_nothing,
        .why = "After INVEPT an old translation is a hole in L1's isolation.",
        .handout = "Steps, 10",
        .slide = "Extended Page Tables",
        .manual = "common/include/nested_ept.h, nested_ept_forget(); SDM 3C 31.3",
        .hints = {"L1 changed its EPT and executed INVEPT. What does EPT02 still know?",
                  "EPT02 is a cache of EPT12: forget it as a whole; it fills up again.",
                  "Clear the root, pool_used = 0. Whoever takes a table from the pool "
                  "clears it then."},
        .explanation = "The processor drops its own caches with INVEPT; L0 emulates that "
                       "for a cache in memory.",
    },
    {
        .id = "ept02_translates_on_the_cpu",
        .title = "the Intel CPU translates by your EPT02",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = ept02_translates_on_the_cpu,
        .why = "The processor is the judge: bytes arrive from the right place, or an exit "
               "comes.",
        .handout = "Steps, 9",
        .slide = "Extended Page Tables",
        .manual = "common/include/nested_ept.h, nested_ept_fill(); SDM 3C 29.3",
        .hints =
            {"First pass the model checks about EPT02: they say more about a wrong page.",
             "L2's program itself runs through EPT02: if it does not start, its first "
             "pages are wrong.",
             "Leaf entries need the memory type and, for 2 MiB, bit 7; entries above need "
             "R, W and X."},
        .explanation = "The processor knows nothing of two levels: it sees one EPT, and "
                       "that is yours.",
    },
    {
        .id = "l2_is_launched_by_vmx",
        .title = "VMXON, a VMCS filled, VMLAUNCH: L2 runs",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = l2_is_launched_by_vmx,
        .why =
            "This is the moment that the whole course is about: you enter non-root mode.",
        .handout = "Steps, 11 to 16",
        .slide = "Virtual Machine Control Structure",
        .manual = "common/include/guest_hypervisor.h; SDM 3C 24.7, 27.2, 27.3",
        .hints = {"job->end tells how far you came; a triple fault means an exception in "
                  "your program.",
                  "NOT_ENTERED with 7: controls; with 8: host state. An exit with bit 31 "
                  "set: the guest state (reason 33).",
                  "Check: IA32_FEATURE_CONTROL = 5, CR4.VMXE, revision in both regions; "
                  "TRUE capability MSRs; HOST_CS, HOST_TR, HOST_RIP; link pointer all "
                  "ones; CR0.NE and CR4.VMXE in the guest as well."},
        .explanation = "The emulator stopped at your VM exit and looked into the "
                       "processor: L2's registers were still there.",
    },
    {
        .id = "vmx_exits_are_answered",
        .title = "each exit on the Intel CPU is answered and counted",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = vmx_exits_are_answered,
        .why = "An exit loop is a hypervisor's heart: look, answer, go on.",
        .handout = "Steps, 17 and 18",
        .slide = "VMCS – VM execution control section",
        .manual = "common/include/guest_hypervisor.h; SDM 3C 28.2.1, table 28-5",
        .hints =
            {"Which step does the message name? 0-based place in L2's script: what "
             "did the step before ask for?",
             "An instruction that was answered is done: RIP goes on. A page that was "
             "repaired is tried again: RIP stays.",
             "RIP += VMCS_EXIT_INSTRUCTION_LENGTH; IN AL keeps the rest of RAX, IN EAX "
             "clears the upper half; VMRESUME from the second entry on."},
        .explanation = "Six kinds of exits are enough for a guest; a real one has sixty.",
    },
    {
        .id = "vmx_ends_are_told",
        .title = "whatever ends L2 on the Intel CPU, L1 knows why",
        .tenths = 3,
        .target = TARGET_SILICON,
        .run = vmx_ends_are_told,
        .why =
            "A hypervisor that goes on after an exit it does not know corrupts its guest.",
        .handout = "Steps, 12, 17 and 18",
        .slide = "Root and non-root modes",
        .manual = "common/include/guest_hypervisor.h; SDM 3C 24.7, 27.8, 3D 31.4",
        .hints =
            {"Which ending does the message name? Is every violation the late page?",
             "Three say no before L2 runs: CPUID, IA32_FEATURE_CONTROL, and the VM entry "
             "itself. Only the exits of the list are answered.",
             "exit_port(): port, width (AL or EAX), no string. exit_answer(): reason with "
             "bit 31 is NOT_ENTERED. vmx_enter() != 0: VM_INSTRUCTION_ERROR. vmx_on(): "
             "no MSR of VMX before CPUID; a locked MSR is not written."},
        .explanation = "The check let your program run eleven times, on CPUs and jobs that "
                       "say no at another place each time.",
    },
    {
        .id = "l2_runs_under_l1",
        .title = "VMRUN under your VMM: L2 runs in L1 in L0",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = l2_runs_under_l1,
        .why =
            "Three levels on one machine: the kernel of yours, your hypervisor, its guest.",
        .handout = "Steps, 19 to 22",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/guest_hypervisor.h; APM 2, 15.5",
        .hints = {"The kernel saw the VMRUN and refused it? Then the VMCB is inconsistent.",
                  "VMRUN checks: EFER.SVME in the VMCB, an ASID that is not 0, the VMRUN "
                  "intercept.",
                  "svm_on(): EFER.SVME and VM_HSAVE_PA; vmcb: asid = 1, intercepts_svm "
                  "with VMRUN, nested_control = 1, nested_cr3, efer = LME | LMA | SVME."},
        .explanation = "kvm_nested_vmenter is KVM playing your processor: it merges your "
                       "VMCB with its own.",
    },
    {
        .id = "svm_exits_are_answered",
        .title = "each exit under KVM is answered and counted",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = svm_exits_are_answered,
        .why = "The same guest on another processor: what is architecture, what is only "
               "its name?",
        .handout = "Steps, 23",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/guest_hypervisor.h; APM 2, appendix C",
        .hints = {"Compare with your VMX program: which fields say the same?",
                  "There is no instruction length in the VMCB: CPUID has 2 bytes, VMMCALL "
                  "3, HLT 1; for ports EXITINFO2 is the next RIP.",
                  "vmcb.rip = next; IN AL keeps the rest of RAX; registers[L2_RAX], not "
                  "vmcb.rax: svm_enter() copies it."},
        .explanation =
            "L2 did not notice on which processor it ran, but for the name in CPUID.",
    },
    {
        .id = "exits_of_l2_go_to_their_level",
        .title = "the kernel reflects what L1 asked for, keeps the rest",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = exits_of_l2_go_to_their_level,
        .why = "What you decided in nested_exit_owner() KVM decides here, for every exit "
               "of L2.",
        .handout = "Why nested exits multiply",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/guest_hypervisor.h; Turtles Project, section 3",
        .hints =
            {"Which exits did L1 get, which L0? `make trace LAB=10` shows them in order.",
             "Only job->port may be intercepted: all bits of the permission map are 0 but "
             "one.",
             "io_permission_map[port / 8] |= 1 << port % 8; INTERCEPT_PORTS; nothing "
             "else."},
        .explanation = "Look at the figures: one exit of L2 to L1 is several exits to L0, "
                       "for each instruction of L1's world switch is one.",
    },
    {
        .id = "svm_ends_are_told",
        .title = "whatever ends L2 under KVM, L1 knows why",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = svm_ends_are_told,
        .why = "An exit that nobody expected is a bug to be found, not one to be answered.",
        .handout = "Steps, 20 to 23",
        .slide = "Nested Virtualization Support",
        .manual = "common/include/guest_hypervisor.h; APM 2, 15.4, 15.5.1, 15.10.2",
        .hints = {"Which ending does the message name? What is in the VMCB after it?",
                  "EXITINFO1 has the port and the width: both are to be the contract's. "
                  "EXITINFO2 "
                  "is the address of a nested page fault: compare pages.",
                  "exit_port(): EXITINFO1 >> 16 == job->port, IOIO_SIZE_1 or _4, no "
                  "IOIO_STRING; VMEXIT_INVALID is NOT_ENTERED; without CPUID_SVM "
                  "NO_SUPPORT."},
        .explanation = "With a CR3 that cannot be, VMRUN came back at once: VMEXIT_INVALID "
                       "is all that the processor says.",
    },
};

const struct lab_checks lab_checks = {
    .name = "10-nested",
    .title = "Nested virtualization",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
