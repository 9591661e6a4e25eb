/* 02-memory-slots.c - the checks of lab 02.
 *
 * Each check writes a script of operations and, beside each operation, what it has to
 * return. The expected values come from a view of guest memory that knows no ranges: page
 * by page, byte by byte. Target model: the log of calls shows what KVM was told. Target
 * machine: a guest runs in the slots; its memory and the kernel's tracepoints are read.
 */
#include "02-memory-slots/checks.h"

#define API(section) "Linux Documentation/virt/kvm/api.rst, " section

static const struct check checks[] = {
    {
        .id = "bad_arguments_are_refused",
        .title = "refuses what cannot be a slot",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = bad_arguments_are_refused,
        .why = "A mistake that is refused where it is made costs a minute, not an evening.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35") "; common/include/memory_slots.h",
        .hints =
            {"Go through the first line of the list in the contract: each comma is one "
             "condition.",
             "Three numbers have to be multiples of the page size; a pointer is a number "
             "after a cast to uintptr_t. A flag is unknown if it is none of the two.",
             "flags & ~(MEMORY_SLOT_LOG_DIRTY | MEMORY_SLOT_READONLY) has to be 0; "
             "check all of this before you look at the slots that are there."},
        .explanation = "KVM would refuse most of these as well, with the same EINVAL for "
                       "all. Unknown flags are the exception that bites: a newer kernel "
                       "may give them a meaning.",
    },
    {
        .id = "slots_end_at_the_gpa_limit",
        .title = "refuses ranges that pass GPA_LIMIT or wrap around",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = slots_end_at_the_gpa_limit,
        .why = "gpa + size can be small although both are huge: arithmetic is modulo 2^64.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = "Intel SDM 3A, 4.1.4; common/include/memory_slots.h",
        .hints = {"What is 0xfffffffffffff000 + 0x2000 in 64 bits?",
                  "A sum can wrap around; a difference a - b cannot when b <= a is known. "
                  "A slot may end exactly at the limit.",
                  "gpa >= GPA_LIMIT || size > GPA_LIMIT - gpa"},
        .explanation = "The same trick (compare with what is left, do not add) serves in "
                       "gpa_to_hva(), where the numbers come from the guest.",
    },
    {
        .id = "slots_may_touch_but_not_overlap",
        .title = "refuses overlaps, accepts slots that touch",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = slots_may_touch_but_not_overlap,
        .why = "One address can have only one memory behind it; any two slots may have "
               "neighbouring addresses.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"Draw two ranges in all the ways they can lie: left, right, touching, "
                  "half over, inside, around, the same.",
                  "Two ranges do not overlap if one ends before or where the other starts. "
                  "Turn that sentence around.",
                  "a < b_end && b < a_end, with ends that are not part of the range."},
        .explanation = "Half-open ranges [start, end) make touching and overlapping "
                       "different by one character. The check tries hundreds of random "
                       "pairs, at page, 2 MiB and 1 TiB size.",
    },
    {
        .id = "slots_fill_the_entries_in_order",
        .title = "puts slots into entries 0 to 15 and tells KVM",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = slots_fill_the_entries_in_order,
        .why = "The index in vm->slots is the number that KVM knows the slot by.",
        .handout = "Steps, 2",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"An entry with size 0 is free. Which of the free ones is taken?",
                  "struct kvm_userspace_memory_region has five fields, and you have been "
                  "given a value for each. A full table is the last thing to find out.",
                  "Search from 0 for size == 0; none: -ENOSPC, but only after the overlap "
                  "check. Then ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region), then "
                  "vm->slots[n] = ..., return n."},
        .explanation = "KVM itself allows 32764 slots on x86. A VMM keeps few: each change "
                       "makes the kernel copy its table and wait for running vCPUs.",
    },
    {
        .id = "removed_slots_are_free_again",
        .title = "removes slots and uses their entries again",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = removed_slots_are_free_again,
        .why = "Memory and devices come and go while a guest runs.",
        .handout = "Steps, 3",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints =
            {"There is no ioctl to remove a slot: it is done with the one you know.",
             "memory_size 0, the same slot number. The number comes from the caller: is "
             "it one of a slot in use?",
             "slot < 0 || slot >= VM_SLOTS_MAX || vm->slots[slot].size == 0 is -ENOENT; "
             "else the ioctl, then an empty entry."},
        .explanation = "An entry that was forgotten in the mirror would be memory that the "
                       "VMM can see and the guest cannot.",
    },
    {
        .id = "log_dirty_changes_one_flag",
        .title = "switches dirty logging, and nothing else",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = log_dirty_changes_one_flag,
        .why =
            "A ROM that becomes writable because its writes are logged is a security hole.",
        .handout = "Steps, 4",
        .slide = "RAM Management",
        .manual = API("4.35, 4.8"),
        .hints =
            {"Which fields may the ioctl change in a slot that is there, and which must "
             "stay as they are?",
             "The whole region is said again, with one bit different. If that bit is "
             "already right, there is nothing to say.",
             "Copy vm->slots[slot], set or clear MEMORY_SLOT_LOG_DIRTY in the copy, "
             "return 0 if the flags are equal, else tell KVM."},
        .explanation = "Telling KVM costs a grace period of all vCPUs, even if nothing "
                       "changes: that is why an unnecessary call counts as wrong.",
    },
    {
        .id = "failing_ioctl_changes_nothing",
        .title = "changes nothing when KVM says no",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = failing_ioctl_changes_nothing,
        .why = "A mirror that shows what was wanted, not what is, is worse than none.",
        .handout = "Steps, 1",
        .slide = "RAM Management",
        .manual = API("4.35") "; common/include/memory_slots.h",
        .hints =
            {"In which order do you tell KVM and note it down?",
             "KVM first. errno is read right after the failed call; the mirror changes "
             "only after a call that worked.",
             "One helper for all three functions: if (ioctl(...) < 0) return -errno; "
             "vm->slots[slot] = *wanted; return 0;"},
        .explanation = "Do, then note: the same order keeps a journal, a cache or a mirror "
                       "true in every program.",
    },
    {
        .id = "gpa_to_hva_stays_inside_one_slot",
        .title = "translates GPAs, inside one slot only",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = gpa_to_hva_stays_inside_one_slot,
        .why = "The guest chooses these numbers: a wrong answer is a way out of the VM.",
        .handout = "Steps, 5",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints = {"Two slots that touch in guest-physical memory: do their host addresses "
                  "touch as well?",
                  "Find the slot of the first byte; then ask whether length fits into what "
                  "is left of that slot. Add nothing to gpa.",
                  "offset = gpa - slot->gpa; NULL if length == 0 or length > slot->size - "
                  "offset; else slot->hva + offset."},
        .explanation =
            "gpa + length > end is the classic mistake: with length 2^64 - 8 the "
            "sum is small. Real VMMs had such bugs in their device models, and "
            "they were guest-to-host escapes.",
    },
    {
        .id = "copies_cross_touching_slots",
        .title = "reads and writes across slots that touch",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = copies_cross_touching_slots,
        .why = "The guest does not know where your slots end; its buffers lie across.",
        .handout = "Steps, 6",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints =
            {"How much can be copied at once, starting at gpa?",
             "As much as is left of the slot that holds gpa, then go on at the next "
             "address: which slot is it in?",
             "while (length > 0): slot of gpa, run = min(length, what is left), memcpy, "
             "advance gpa, buffer, length by run."},
        .explanation = "In this check host addresses go down where guest addresses go up, "
                       "with a page between: one memcpy for all would show.",
    },
    {
        .id = "copies_are_all_or_nothing",
        .title = "copies all or nothing, with the right error",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = copies_are_all_or_nothing,
        .why = "Half a packet in the guest's memory is an error that nobody can repair.",
        .handout = "Steps, 6",
        .slide = "RAM Management",
        .manual = "common/include/memory_slots.h",
        .hints =
            {"When do you know that the whole range can be copied?",
             "Walk over the range twice: once to see, once to copy. A read-only slot "
             "does not end the first walk: a hole may follow.",
             "First walk: a hole is -EFAULT at once; read-only is noted, and -EROFS only "
             "at the end (and only for writes). Wrapping needs no extra test if no "
             "slot reaches 2^64."},
        .explanation = "Why -EFAULT before -EROFS? A hole is wrong for every access, "
                       "read-only only for writes: the first is the more general answer.",
    },
    {
        .id = "dirty_log_fetch_never_overruns",
        .title = "fetches the dirty log only if it fits",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = dirty_log_fetch_never_overruns,
        .why = "KVM is not told how big the buffer is: it writes what the slot needs.",
        .handout = "Steps, 8",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints = {"How many bytes are there for a slot of 1 page? Of 64? Of 65?",
                  "Pages / 64, rounded up, times 8. The ioctl gets slot and pointer; the "
                  "rest of the structure is zero.",
                  "(pages + 63) / 64 * 8; -ENOENT, then -EINVAL without "
                  "MEMORY_SLOT_LOG_DIRTY or with too little room, then KVM_GET_DIRTY_LOG."},
        .explanation = "The kernel's unit is the long: one page needs 8 bytes. A bitmap "
                       "sized in bytes works until the heap behind it is used.",
    },
    {
        .id = "dirty_log_pages_are_addresses",
        .title = "turns the bitmap into addresses",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = dirty_log_pages_are_addresses,
        .why = "Migration copies pages by address; a missed page is a broken guest.",
        .handout = "Steps, 9",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints =
            {"Bit n is page n of the slot, not of the guest.",
             "Count every dirty page, but store only max of them. The last word has bits "
             "for pages that the slot does not have.",
             "for page in 0 to size / 4096 - 1: if bitmap[page / 64] >> (page % 64) & 1, "
             "store slot->gpa + page * 4096 if there is room, and count. All of it in "
             "uint64_t: "
             "an int has no bit 32 (1 << 32), and 32 bits of page * 4096 end at 4 GiB."},
        .explanation = "Returning the full count lets the caller see that its list was too "
                       "short, and by how much: snprintf() does the same.",
    },
    {
        .id = "guest_writes_land_in_your_ram",
        .title = "a guest's pattern lands in your memory",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = guest_writes_land_in_your_ram,
        .why = "This is the H mapping: guest-physical to host memory, by your slots.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints = {"If the checks on the model pass, this one does.",
                  "Guest memory is two slots that touch at 256 KiB; the second half of the "
                  "RAM comes first. The guest writes across the border.",
                  "KVM has to be told the hva that came with each slot; guest_write() puts "
                  "the program there, guest_read() looks at what it did."},
        .explanation =
            "After the first touch of a page no exit was needed: KVM filled in the "
            "nested page tables from your slots, page by page, and from then on "
            "the CPU walks them alone.",
    },
    {
        .id = "what_no_slot_answers_is_mmio",
        .title = "holes, ROM writes and removed slots are MMIO exits",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = what_no_slot_answers_is_mmio,
        .why = "This is how devices at memory addresses are emulated at all.",
        .handout = "Run it",
        .slide = "Hardware passthrough",
        .manual = API("4.35, 5 (KVM_EXIT_MMIO)"),
        .hints =
            {"An access that should be MMIO and is not found memory there: whose?",
             "The guest writes to a read-only slot, next to and far from all slots, and "
             "to a slot that is removed between two runs.",
             "The READONLY flag has to reach KVM; removing has to tell KVM memory_size "
             "0 for the same slot number."},
        .explanation =
            "For the CPU all three are the same: a nested page fault (on Intel: "
            "an EPT violation). KVM looks for a slot, finds none that permits the "
            "access, decodes the instruction and asks the VMM.",
    },
    {
        .id = "dirty_log_names_the_written_pages",
        .title = "the dirty log names the pages the guest wrote",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = dirty_log_names_the_written_pages,
        .why = "Live migration sends these pages again, and only these.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.8"),
        .hints = {"If the checks on the model pass, this one does.",
                  "The guest writes some pages and only reads others. The log is fetched "
                  "after each run, and once more when nothing has happened.",
                  "Flag to KVM, fetch for the right slot (it is slot 1 here), bit n to "
                  "slot->gpa + n * 4096."},
        .explanation = "KVM finds out by taking the write permission away and waiting for "
                       "the fault, or by the dirty bits of the nested page tables; Intel's "
                       "Page-Modification Logging writes the list in hardware.",
    },
    {
        .id = "two_vms_stay_isolated",
        .title = "two VMs with the same GPAs stay isolated",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = two_vms_stay_isolated,
        .why = "Isolation is what a VM is for.",
        .handout = "Run it",
        .slide = "RAM Management",
        .manual = API("4.35"),
        .hints =
            {"What do your functions remember between two calls?",
             "All state belongs into struct vm: a static variable is one for both VMs.",
             "A cache of the slot that was found last has to be per VM, and has to be "
             "forgotten when slots change: begin without one."},
        .explanation =
            "Both guests used the same guest-physical addresses at the same time. "
            "Each VM has nested page tables of its own; nothing else keeps them "
            "apart.",
    },
};

const struct lab_checks lab_checks = {
    .name = "02-memory-slots",
    .title = "Memory slots",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
