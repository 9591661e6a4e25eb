/* 07-irt-pid.c - the checks of lab 07.
 *
 * Target model: entries of the table against an oracle (entries.c), calls one by one (calls.c),
 * and every order of steps of several processors (orders.c makes the scenes, schedules.c
 * follows them). Target machine: what a guest counted. Target silicon: what the emulated Intel
 * CPU delivered.
 */
#include "07-irt-pid/checks.h"

#define VTD(section) "Intel VT-d specification, " section
#define SDM(section) "Intel SDM 3C, " section

static const struct check checks[] = {
    {
        .id = "request_names_its_entry",
        .title = "finds the entry that a request names, or says why not",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = request_names_its_entry,
        .why = "A device writes an address; a wrong index is somebody else's interrupt.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("5.1.2, 5.1.3, 7 (fault reasons)"),
        .hints =
            {"Where are the 16 bits of the handle, and which one is not beside the "
             "others? When does the subhandle count?",
             "Bit 2 of the address is bit 15 of the handle. Handle and subhandle are "
             "added, and the sum may need 17 bits.",
             "index in a uint32_t: (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15, "
             "plus data & 0xffff if SHV; then compare with count."},
        .explanation =
            "With SHV a device with many MSI messages needs one handle: its entries "
            "stand side by side, and the data says which.",
    },
    {
        .id = "malformed_entry_is_a_fault",
        .title = "entries that are absent or malformed are faults",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = malformed_entry_is_a_fault,
        .why =
            "Reserved bits get a meaning in later hardware: who sets them has a bug today.",
        .handout = "Steps, 1",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("7 (fault reasons), 9.10, 9.11"),
        .hints =
            {"The two formats have different reserved bits. Which bit says which format "
             "it is?",
             "xAPIC mode has more of them: only 8 bits of DST mean anything. And two "
             "fields have values that are reserved.",
             "Write one mask for each word of each format. P first; FPD of an entry that "
             "was read decides `recorded`, also where P = 0."},
        .explanation =
            "FPD exists because a device that goes mad faults thousands of times a "
            "second: the log is silenced, the interrupt stays blocked.",
    },
    {
        .id = "source_is_validated",
        .title = "an entry serves only those whom it is for",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = source_is_validated,
        .why = "Without it a guest with a device could fake any other device's interrupt.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("5.1.4, 9.10 (SVT, SQ, SID)"),
        .hints =
            {"SVT says what SID means: a source, or two bus numbers. What does SQ leave "
             "out?",
             "A source-id's function is bits 2:0; SQ leaves out bit 2, bits 2:1 or all "
             "three. A range of buses includes both ends.",
             "((source ^ sid) & mask[sq]) == 0 with masks FFFFh, FFFBh, FFF9h, FFF8h; "
             "or sid >> 8 <= bus && bus <= (sid & 0xff)."},
        .explanation =
            "SQ is for devices that send under several function numbers (phantom "
            "functions), bus ranges for what stands behind a bridge that puts its "
            "own name on everything.",
    },
    {
        .id = "entry_is_decoded",
        .title = "both formats of an entry are decoded",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = entry_is_decoded,
        .why = "This is the fork in the road: a host's processor, or a vCPU's descriptor.",
        .handout = "Steps, 2",
        .slide = "Interrupt Remapping Table",
        .manual = VTD("9.10, 9.11"),
        .hints =
            {"Which fields exist in one format only? They have to be 0 in the other.",
             "The descriptor's address comes in two pieces: bits 31:6 in the low word, "
             "63:32 in the high one. An xAPIC ID is bits 47:40.",
             "descriptor = (low >> 38) << 6 | (high >> 32) << 32"},
        .explanation =
            "The slide's \"entry maps to the vector of a VM or to a PID\" is one "
            "bit, IM; all others change their meaning with it.",
    },
    {
        .id = "post_decides_in_one_step",
        .title = "posts one bit, and notifies exactly when it should",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = post_decides_in_one_step,
        .why = "One notification too few loses an interrupt, one too many costs a VM exit.",
        .handout = "Steps, 10",
        .slide = "Interrupt delivery",
        .manual = VTD("5.2.3"),
        .hints =
            {"What are the four combinations of ON and SN, and what does urgent change?",
             "That the bit in PIR was 1 already says nothing about ON.",
             "Notify if ON = 0 and (SN = 0 or urgent), with NV and NDST from the same "
             "value of control in which you set ON."},
        .explanation =
            "ON makes notifications rare: a burst of a hundred interrupts costs one. "
            "The slide leaves ON out; without it each post would notify.",
    },
    {
        .id = "state_changes_set_their_fields",
        .title = "running, ready, halted: SN, NV, NDST, nothing else",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = state_changes_set_their_fields,
        .why = "The descriptor is how the VMM tells the hardware where the vCPU is.",
        .handout = "Steps, 11",
        .slide = "PID update",
        .manual = VTD("5.2.5, 9.12") "; common/include/posted_interrupt.h",
        .hints =
            {"Take the table of the header: which fields does each state change?",
             "ON is not yours to change, but in pid_sync() and pid_halt(). A store of "
             "the whole word would change it.",
             "load, then compare-exchange (seen & ~fields) | value until it succeeds."},
        .explanation = "NDST follows the vCPU from processor to processor; KVM does it in "
                       "vmx_vcpu_pi_load().",
    },
    {
        .id = "sync_moves_all_of_pir",
        .title = "a VM entry moves PIR into VIRR and raises RVI",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = sync_moves_all_of_pir,
        .why = "From here on the interrupt is the guest's: nothing of it may stay behind.",
        .handout = "Steps, 14",
        .slide = "PID update",
        .manual = SDM("30.1.1, 30.6"),
        .hints =
            {"Four words of PIR, eight pieces of VIRR. Where does the piece of vector 32 "
             "begin?",
             "A piece is 32 bits every 16 bytes. VIRR keeps what waits there already, and "
             "so does RVI.",
             "vapic_request(): two pieces, |=; RVI = the highest bit of all of VIRR."},
        .explanation =
            "The slide says that NV has to be \"set accordingly\" when PIR is not "
            "empty; what the processor looks at on entry is RVI.",
    },
    {
        .id = "highest_vector_is_next",
        .title = "the highest vector is delivered first, EOI follows",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = highest_vector_is_next,
        .why = "A disk's interrupt must not be interrupted by a mouse, but by a timer.",
        .handout = "Steps, 7",
        .slide = "Interrupt delivery",
        .manual = SDM("30.1.3, 30.1.4, 30.2"),
        .hints =
            {"Two things can hold an interrupt back: the task priority and what is in "
             "service. What is compared?",
             "Only classes, bits 7:4: 4Fh does not interrupt 41h. After an EOI the next "
             "lower one in service counts again.",
             "pending: RVI >> 4 > VPPR >> 4. deliver: VISR |=, VIRR &= ~, SVI = vector, "
             "RVI = highest of VIRR. eoi: clear SVI's bit, SVI = highest of VISR. VPPR "
             "each time."},
        .explanation =
            "The processor does just this when virtual-interrupt delivery is on: "
            "your functions are its microcode.",
    },
    {
        .id = "running_vcpu_loses_nothing",
        .title = "every order: a running guest gets all that is posted",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = running_vcpu_loses_nothing,
        .why = "A race that shows once in a month is found by trying every order, not by "
               "luck.",
        .handout = "Case 1: running",
        .slide = "Interrupts management",
        .manual = SDM("30.6") "; " VTD("5.2.3"),
        .hints =
            {"Read the schedule from above: after which line is the interrupt beyond "
             "help? Who thought that somebody else would look?",
             "Whoever finds ON = 1 relies on a look at PIR that is still to come. So when "
             "may ON become 0?",
             "pid_sync(): clear ON first, then exchange each word of PIR with 0. "
             "pid_post(): PIR first, then one compare-exchange that sets ON."},
        .explanation =
            "Put the bell back before you read the letters: then whoever writes a "
            "new one rings again.",
    },
    {
        .id = "ready_vcpu_finds_all_posted",
        .title = "every order: a ready vCPU finds all when it goes on",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = ready_vcpu_finds_all_posted,
        .why = "With SN = 1 nobody calls: what was posted has to be looked for.",
        .handout = "Case 2: ready",
        .slide = "Interrupts management",
        .manual = VTD("5.2.5") "; " SDM("30.6"),
        .hints =
            {"An interrupt that is posted while SN = 1 sends no notification. Which line "
             "of yours finds it, and could it be posted after that line?",
             "The look at PIR has to come after SN has become 0. And ON says nothing "
             "about what was posted while SN was 1.",
             "pid_run(): SN = 0 in a compare-exchange. pid_sync(), always: clear ON, "
             "exchange all four words, whatever ON was."},
        .explanation =
            "First open the door, then look who waited outside. The other way round "
            "somebody arrives between the look and the opening.",
    },
    {
        .id = "halted_vcpu_is_woken",
        .title = "every order: a halted vCPU is woken",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = halted_vcpu_is_woken,
        .why =
            "A lost wake-up is a virtual machine that hangs until somebody touches a key.",
        .handout = "Case 3: halted",
        .slide = "Interrupts management",
        .manual = VTD("5.2.5") "; Linux arch/x86/kvm/vmx/posted_intr.c",
        .hints =
            {"There are three at work: thread, poster, handler. Which of them thinks in "
             "the schedule that another one will do it?",
             "Be findable before you call for notifications; look at PIR after you have. "
             "Whoever takes the state from HALTED to READY is the one who does the rest.",
             "pid_halt(): state, then control (ON = SN = 0, NV = WNV), then PIR. Leaving: "
             "compare-exchange HALTED to READY; only the winner sets SN; pid_wakeup() "
             "calls wake() last."},
        .explanation =
            "Every sleep has this shape: say that you sleep, then look once more, "
            "then sleep. Linux' futex and wait queues are the same.",
    },
    {
        .id = "threads_lose_nothing",
        .title = "four threads post, one vCPU takes, none is lost",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = threads_lose_nothing,
        .why = "The orders above are tried one at a time; here all happens at once.",
        .handout = "Run it",
        .slide = "Posted Interrupts",
        .manual = "common/include/posted_interrupt.h",
        .hints =
            {"If one of the checks of every order fails, look at that one: it shows the "
             "steps.",
             "Any number of threads post: what if two set bits of the same word?",
             "step_fetch_or64() sets a bit and leaves those of others; a load and a store "
             "do not."},
        .explanation =
            "That it went well proves little: the orders that lose are rare. `make "
            "test SUITE=stress` runs it under ThreadSanitizer as well.",
    },
    {
        .id = "guest_counts_what_was_posted",
        .title = "a guest's handlers run as often as was posted",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = guest_counts_what_was_posted,
        .why = "Here the whole way is real: descriptor, kick, injection, handler, EOI.",
        .handout = "Run it",
        .slide = "Interrupts management",
        .manual = "Linux Documentation/virt/kvm/api.rst, 4.16 (KVM_INTERRUPT)",
        .hints =
            {"If the model checks pass, this one does: start with the first of them that "
             "fails.",
             "The failing round says in which state the vCPU was. `make trace LAB=7` "
             "shows what was injected.",
             "running: notify() with ANV kicks the vCPU, and pid_sync() comes before each "
             "entry. halted: pid_wakeup() has to call wake()."},
        .explanation =
            "The kernel's kvm_inj_virq records and the guest's counts agree with "
            "what was posted.",
    },
    {
        .id = "silicon_delivers_without_exits",
        .title = "an Intel CPU delivers what was posted, without exits",
        .tenths = 7,
        .target = TARGET_SILICON,
        .run = silicon_delivers_without_exits,
        .why = "The slide's second option: the guest is interrupted, the VMM is not asked.",
        .handout = "On silicon",
        .slide = "Interrupts",
        .manual = SDM("25.4.2, 30.1, 30.2"),
        .hints =
            {"The CPU reads the page that your pid_sync() has filled, and the RVI that it "
             "returned. What does the model check of pid_sync() say?",
             "A vector that the CPU does not find stands in the wrong piece of VIRR; one "
             "that never comes has no RVI that leads to it.",
             "Piece v / 32 at 200h + (v / 32) * 16, bit v % 32; RVI = the highest one."},
        .explanation =
            "Delivery, EOI and the next one: all inside of the guest. 48 posts, and "
            "the only VM exit was the guest's goodbye.",
    },
    {
        .id = "silicon_takes_what_is_posted",
        .title = "an Intel CPU takes what is posted while the guest runs",
        .tenths = 0, /* Bochs 2.7 cannot do it; points are the same everywhere */
        .target = TARGET_SILICON,
        .run = silicon_takes_what_is_posted,
        .why = "The notification reaches a running guest, and no VMM hears of it.",
        .handout = "On silicon",
        .slide = "Interrupts management",
        .manual = SDM("30.6"),
        .hints =
            {"The CPU reads the descriptor that your pid_run() and pid_post() have made. "
             "What do their model checks say?",
             "Nothing is taken at all: which vector did notify() send, and to whom? The "
             "CPU "
             "only knows ANV.",
             "PIR bit v is bit v % 64 of word v / 64; ON is bit 0 of control; NV and NDST "
             "stand beside it."},
        .explanation =
            "Posted-interrupt processing: ANV arrives inside of the guest, PIR goes into "
            "VIRR, ON becomes 0, and the highest vector is delivered; with IF = 0 it waits "
            "in VIRR. With bit 7 of the pin-based controls off, the same vector is VM exit "
            "1, and PIR stays as it was.",
    },
    {
        .id = "ready_guest_gets_highest_first",
        .title = "what waited comes in order, without a notification",
        .tenths = 5,
        .target = TARGET_MACHINE,
        .run = ready_guest_gets_highest_first,
        .why = "After a pause the guest should see the urgent first, not the oldest.",
        .handout = "Case 2: ready",
        .slide = "VM States",
        .manual = SDM("30.2") "; Linux Documentation/virt/kvm/api.rst, 4.16",
        .hints = {"Who sorts interrupts that have been posted in any order?",
                  "VIRR needs no sorting: its highest bit is next.",
                  "vapic_deliver() takes RVI, then finds the new highest bit of VIRR."},
        .explanation =
            "Interrupts have no order of arrival: PIR and IRR are sets. A device "
            "that needs order keeps a queue in memory.",
    },
};

const struct lab_checks lab_checks = {
    .name = "07-irt-pid",
    .title = "Posted interrupts",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
