/* event_injection.h - contract of part 04, third file: events that the VMM sends into a guest,
 * and events of the guest that reach the VMM.
 *
 * Both are fields of the VMCS, here of struct vmx_controls (vmx.h): values in, values out, no
 * VMX instruction. A VM entry with a bad value fails (VM-instruction error 7) before the guest
 * has run a single instruction, and says no more than that; so they are checked here.
 *
 * Source: Intel SDM 3C: 25.6.3 (exception bitmap), 25.8.3 (event injection), 26.2 (exits by
 * exceptions), 27.2.1.3 and 27.3.1.4 (checks on VM entries), 27.6 (event injection); in
 * editions before 2023 these chapters have numbers one less.
 */
#ifndef EVENT_INJECTION_H
#define EVENT_INJECTION_H

#include "vmx.h"

/* An event, wherever it comes from. */
struct entry_event {
    uint32_t type;   /* enum vmx_event_type */
    uint32_t vector; /* 0 to 255 */
    bool has_error_code;
    uint32_t error_code;
    uint32_t instruction_length; /* bytes of the INT n, INT1, INT3 or INTO; else 0 */
};

/* What the guest is like when it would get the event. */
struct entry_guest {
    uint64_t cr0, rflags;
    uint32_t interruptibility_state; /* VMCS_GUEST_INTERRUPTIBILITY_STATE */
};

#define BLOCKING_BY_STI    (1u << 0) /* the instruction behind STI */
#define BLOCKING_BY_MOV_SS (1u << 1) /* the instruction behind MOV SS or POP SS */
#define BLOCKING_BY_NMI    (1u << 3) /* an NMI's handler has not done its IRET */

/* Fills entry_interruption_info, entry_exception_error_code and entry_instruction_length of
 * *controls; the last two are 0 where they are not used.
 *
 *    31   30       12 11  10   8 7         0
 *   | V |  0          | E | type |  vector  |    V = 1; E: deliver an error code
 *
 * Returns 0; -EINVAL if the event can never be; -EAGAIN if it is good, but this guest cannot
 * take it now (wait: PRIMARY_INTERRUPT_WINDOW_EXITING tells when). *controls is unchanged then.
 * -EINVAL comes first. Rules:
 *   - type is 0, 2, 3, 4, 5 or 6; vector at most 255.
 *   - NMI: vector 2. Hardware exception: vector at most 31, and not 2. Software exception (INT3,
 *     INTO): vector 3 or 4. Privileged software exception (INT1): vector 1. (The processor
 *     does not check the last two and the 2; we do.)
 *   - has_error_code exactly for a hardware exception 8, 10, 11, 12, 13, 14 or 17 in protected
 *     mode (CR0.PE = 1): in real mode no exception has one. Its bits 31:16 are 0. Without
 *     has_error_code, error_code is ignored.
 *   - instruction_length is 1 to 15 for types 4, 5 and 6, and 0 for all others.
 *   - -EAGAIN: an external interrupt while RFLAGS.IF is 0, or blocking by STI or MOV SS is on;
 *     an NMI while one of the three blockings is on. Nothing stops the other types. */
int entry_event_encode(const struct entry_event *event, const struct entry_guest *guest,
                       struct vmx_controls *controls);

/* --- which exceptions of the guest leave it -------------------------------------------- */

/* Page faults are chosen by their error code (P, W/R, U/S, ... SDM 3A 4.7). */
enum page_fault_exits {
    PAGE_FAULTS_STAY,     /* none leaves the guest */
    PAGE_FAULTS_EXIT,     /* all do */
    PAGE_FAULTS_MATCHING, /* those with (error code & mask) == match */
    PAGE_FAULTS_OTHER,    /* all but those */
};

struct exception_wish {
    uint32_t vectors; /* bit n: exception n is to exit; bit 14 must be 0: see below */
    enum page_fault_exits page_faults;
    uint32_t mask, match; /* for the last two kinds */
};

/* Fills exception_bitmap, page_fault_error_code_mask and page_fault_error_code_match. The bitmap
 * has a bit for each vector; for page faults the processor first compares: if (error code &
 * mask) == match, bit 14 means what the others mean; if not, it means the opposite.
 * Where mask and match are not asked for (the first two kinds), both become 0.
 * Returns 0, or -EINVAL (and *controls is unchanged): bit 14 or bit 2 of vectors is set (NMIs
 * have a control of their own, PIN_NMI_EXITING), page_faults is none of the four, or, for the
 * last two kinds only, match has a bit that mask has not: it could never match. */
int exception_exits_set(const struct exception_wish *wish, struct vmx_controls *controls);

/* Does this event, arising in a guest with these controls, lead to a VM exit? External
 * interrupts: as PIN_EXTERNAL_INTERRUPT_EXITING says; NMIs: PIN_NMI_EXITING; INT n never, with
 * any vector; all others (types 3, 5 and 6) by the bitmap. The event is known to be good. */
bool event_exits(const struct vmx_controls *controls, const struct entry_event *event);

#endif
