/* vmcs.c - the VMCS that runs, and what L1 finds after an exit: nested_enter() and
 * nested_reflect(), field by field against what the contract says of each. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "x86.h"

#define NOT_OFFERED 16u /* cases that are refused, at the end */

static struct lab10_vmcs_input vmcss;

#define APIC_BITS                                                                          \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE |               \
     SECONDARY_APIC_REGISTER_VIRTUALIZATION | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)

/* #PF: the bit (1), a filter (2), a match that no error code has (4). */
static void page_fault_wish(struct judge *judge, struct vmx_controls *c, uint32_t kind)
{
    c->exception_bitmap &= ~(1u << 14);
    c->page_fault_error_code_mask = c->page_fault_error_code_match = 0;
    if (kind & 1)
        c->exception_bitmap |= 1u << 14;
    if (kind & 2) {
        c->page_fault_error_code_mask = 1 + random_below(judge, 31);
        c->page_fault_error_code_match =
            random_below(judge, 32) & c->page_fault_error_code_mask;
    }
    if (kind & 4)
        c->page_fault_error_code_match = 1 + random_below(judge, 31);
}

static void vmcs_cases_make(struct judge *judge)
{
    random_fill(judge, &vmcss, sizeof vmcss);
    vmcss.case_count = LAB10_CASES;
    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        struct lab10_vmcs_case *c = &vmcss.cases[i];

        c->vmcs12.controls.pin &= NESTED_PIN;
        c->vmcs12.controls.secondary &= NESTED_SECONDARY;
        c->vmcs12.controls.primary &= ~PRIMARY_USE_TPR_SHADOW;
        c->vmcs12.controls.primary |= PRIMARY_SECONDARY_CONTROLS;
        c->vmcs01.controls.primary |= PRIMARY_SECONDARY_CONTROLS;
        if (i < 16) { /* both want the timer */
            c->vmcs01.controls.pin |= PIN_PREEMPTION_TIMER;
            c->vmcs12.controls.pin |= PIN_PREEMPTION_TIMER;
        }
        page_fault_wish(judge, &c->vmcs01.controls, i % 6);
        page_fault_wish(judge, &c->vmcs12.controls, i / 6 % 6);
    }
}

/* " (HLT_EXITING)" for a bit of a field that is controls. */
static void bit_name(const char *name, unsigned bit, char *buffer, size_t size)
{
    static const struct {
        const char *name;
        enum vmcs_field field;
    } fields[] = {{"pin", VMCS_PIN_BASED_CONTROLS},
                  {"primary", VMCS_PRIMARY_PROCESSOR_CONTROLS},
                  {"secondary", VMCS_SECONDARY_PROCESSOR_CONTROLS},
                  {"exit", VMCS_VM_EXIT_CONTROLS},
                  {"entry", VMCS_VM_ENTRY_CONTROLS}};
    char control[80];

    buffer[0] = 0;
    for (size_t i = 0; i < COUNT(fields); i++)
        if (strcmp(fields[i].name, name) == 0 && bit < 32) {
            vmx_controls_describe(fields[i].field, 1u << bit, control, sizeof control);
            snprintf(buffer, size, " (%s)", control);
        }
}

/* For a bit of CR0 or CR4, or of a shadow: who owns it. */
static void owner_describe(uint32_t i, const char *name, unsigned bit, char *buffer,
                           size_t size)
{
    const struct vmx_controls *a = &vmcss.cases[i].vmcs01.controls,
                              *b = &vmcss.cases[i].vmcs12.controls;
    const bool cr4 = strncmp(name, "cr4", 3) == 0;
    const bool l0 = (cr4 ? a->cr4_mask : a->cr0_mask) >> bit & 1,
               l1 = (cr4 ? b->cr4_mask : b->cr0_mask) >> bit & 1;

    buffer[0] = 0;
    if (!cr4 && strncmp(name, "cr0", 3) != 0)
        return;
    snprintf(buffer, size, "; its mask bit is %d in vmcs01, %d in vmcs12: %s", l0, l1,
             l0 && l1 ? "L0 and L1 own it"
             : l0     ? "L0 owns it"
             : l1     ? "L1 owns it"
                      : "nobody owns it, it is L2's");
}

/* One field of a case: what it was to be and what it is; and the lowest bit that is wrong. */
static void field_expect(struct judge *judge, uint32_t i, const char *where,
                         const char *name, uint64_t got, uint64_t want, uint64_t v01,
                         uint64_t v12)
{
    const unsigned bit = got == want ? 0 : (unsigned)__builtin_ctzll(got ^ want);
    char control[90], owner[90];

    bit_name(name, bit, control, sizeof control);
    owner_describe(i, name, bit, owner, sizeof owner);
    CHECK(judge, got == want, "each field is as the contract says",
          "case %u, %s %s: %#" PRIx64 ", not %#" PRIx64 " (vmcs01 has %#" PRIx64
          ", vmcs12 %#" PRIx64 ")\nThe lowest wrong bit is %u%s: %d, not %d; vmcs01 has %d "
          "there, vmcs12 %d%s",
          i, where, name, got, want, v01, v12, bit, control, (int)(got >> bit & 1),
          (int)(want >> bit & 1), (int)(v01 >> bit & 1), (int)(v12 >> bit & 1), owner);
}

static uint32_t timer_expected(const struct vmx_controls *a, const struct vmx_controls *b)
{
    const bool ta = a->pin & PIN_PREEMPTION_TIMER, tb = b->pin & PIN_PREEMPTION_TIMER;

    if (ta && tb)
        return a->preemption_timer < b->preemption_timer ? a->preemption_timer
                                                         : b->preemption_timer;
    return ta ? a->preemption_timer : tb ? b->preemption_timer : 0;
}

/* By bits: who owns the bit decides what L2 reads. */
static uint64_t shadow_expected(uint64_t mask12, uint64_t shadow12, uint64_t guest12)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 64; i++)
        value |= ((mask12 >> i & 1 ? shadow12 : guest12) >> i & 1) << i;
    return value;
}

static bool page_fault_wanted(const struct vmx_controls *c)
{
    return c->exception_bitmap & 1u << 14 || c->page_fault_error_code_mask ||
           c->page_fault_error_code_match;
}

static void controls_expected(const struct lab10_vmcs_case *c, struct vmx_controls *want)
{
    const struct vmx_controls *a = &c->vmcs01.controls, *b = &c->vmcs12.controls;
    const bool pf_a = page_fault_wanted(a), pf_b = page_fault_wanted(b);

    *want = (struct vmx_controls){
        .pin = (a->pin | b->pin) & ~PIN_POSTED_INTERRUPTS,
        .primary = a->primary | b->primary,
        .secondary = a->secondary | SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID,
        .exit = a->exit,
        .entry = (a->entry & ~ENTRY_IA32E_MODE_GUEST) | (b->entry & ENTRY_IA32E_MODE_GUEST),
        .exception_bitmap = a->exception_bitmap | b->exception_bitmap,
        .entry_interruption_info = b->entry_interruption_info,
        .entry_exception_error_code = b->entry_exception_error_code,
        .entry_instruction_length = b->entry_instruction_length,
        .preemption_timer = timer_expected(a, b),
        .vpid = c->pages.vpid,
        .io_bitmap_a = c->pages.io_bitmap_a,
        .io_bitmap_b = c->pages.io_bitmap_b,
        .msr_bitmap = c->pages.msr_bitmap,
        .ept_pointer =
            b->secondary & SECONDARY_ENABLE_EPT ? c->pages.ept_pointer : a->ept_pointer,
        .cr0_mask = a->cr0_mask | b->cr0_mask,
        .cr4_mask = a->cr4_mask | b->cr4_mask,
        .cr0_shadow = shadow_expected(b->cr0_mask, b->cr0_shadow, c->vmcs12.guest.cr0),
        .cr4_shadow = shadow_expected(b->cr4_mask, b->cr4_shadow, c->vmcs12.guest.cr4),
    };
    want->primary |= 1u << 25 | 1u << 28 | 1u << 31;
    want->primary &= ~(1u << 21 | 1u << 24);
    want->secondary &= ~(APIC_BITS | SECONDARY_UNRESTRICTED_GUEST);
    if (!(pf_a && pf_b)) {
        want->page_fault_error_code_mask =
            a->page_fault_error_code_mask | b->page_fault_error_code_mask;
        want->page_fault_error_code_match =
            a->page_fault_error_code_match | b->page_fault_error_code_match;
    }
    if (pf_a && pf_b)
        want->exception_bitmap |= 1u << 14;
}

/* name and place of a field of a struct, by X(name) */
#define CONTROL_FIELDS(X)                                                                  \
    X(pin)                                                                                 \
    X(primary)                                                                             \
    X(secondary)                                                                           \
    X(exit)                                                                                \
    X(entry)                                                                               \
    X(exception_bitmap)                                                                    \
    X(page_fault_error_code_mask)                                                          \
    X(page_fault_error_code_match)                                                         \
    X(entry_interruption_info)                                                             \
    X(entry_exception_error_code)                                                          \
    X(entry_instruction_length)                                                            \
    X(tpr_threshold)                                                                       \
    X(preemption_timer)                                                                    \
    X(vpid)                                                                                \
    X(notification_vector)                                                                 \
    X(io_bitmap_a)                                                                         \
    X(io_bitmap_b)                                                                         \
    X(msr_bitmap)                                                                          \
    X(ept_pointer)                                                                         \
    X(virtual_apic)                                                                        \
    X(apic_access)                                                                         \
    X(posted_interrupt_descriptor)                                                         \
    X(eoi_exit_bitmap[0])                                                                  \
    X(eoi_exit_bitmap[1])                                                                  \
    X(eoi_exit_bitmap[2])                                                                  \
    X(eoi_exit_bitmap[3])                                                                  \
    X(cr0_mask)                                                                            \
    X(cr0_shadow)                                                                          \
    X(cr4_mask)                                                                            \
    X(cr4_shadow)

#define GUEST_FIELDS(X)                                                                    \
    X(cr0)                                                                                 \
    X(cr3)                                                                                 \
    X(cr4)                                                                                 \
    X(dr7)                                                                                 \
    X(rsp)                                                                                 \
    X(rip)                                                                                 \
    X(rflags)                                                                              \
    X(efer)                                                                                \
    X(segments[SEG_ES].base)                                                               \
    X(segments[SEG_CS].selector)                                                           \
    X(segments[SEG_CS].access_rights)                                                      \
    X(segments[SEG_TR].base)                                                               \
    X(segments[SEG_TR].limit)                                                              \
    X(gdtr_base)                                                                           \
    X(idtr_base)                                                                           \
    X(gdtr_limit)                                                                          \
    X(idtr_limit)                                                                          \
    X(activity_state)                                                                      \
    X(interruptibility_state)                                                              \
    X(interrupt_status)

static void controls_compare(struct judge *judge, uint32_t i, const char *where,
                             const struct vmx_controls *got,
                             const struct vmx_controls *want)
{
    const struct vmx_controls *a = &vmcss.cases[i].vmcs01.controls,
                              *b = &vmcss.cases[i].vmcs12.controls;

#define COMPARE(name)                                                                      \
    field_expect(judge, i, where, #name, got->name, want->name, a->name, b->name);
    CONTROL_FIELDS(COMPARE)
#undef COMPARE
}

static void guest_compare(struct judge *judge, uint32_t i, const char *where,
                          const struct vmx_guest_state *got,
                          const struct vmx_guest_state *want)
{
    const struct vmx_guest_state *a = &vmcss.cases[i].vmcs01.guest,
                                 *b = &vmcss.cases[i].vmcs12.guest;

#define COMPARE(name)                                                                      \
    field_expect(judge, i, where, #name, got->name, want->name, a->name, b->name);
    GUEST_FIELDS(COMPARE)
#undef COMPARE
    CHECK(judge, memcmp(got->segments, want->segments, sizeof got->segments) == 0,
          "each field is as the contract says", "case %u, %s: another segment register", i,
          where);
}

static const struct lab10_vmcs_output *vmcss_run(struct judge *judge, uint32_t entry)
{
    return part_run(judge, entry, &vmcss, sizeof vmcss, sizeof(struct lab10_vmcs_output));
}

/* One bit that L1 was not offered. */
static uint32_t bit_refused(struct judge *judge, uint32_t offered)
{
    uint32_t bit;

    do
        bit = 1u << random_below(judge, 32);
    while (bit & offered);
    return bit;
}

/* The last cases ask for something that L1 was not offered. */
static void not_offered_ask(struct judge *judge, struct lab10_vmcs_case *cases)
{
    static const uint32_t secondary[] = {APIC_BITS, SECONDARY_UNRESTRICTED_GUEST};

    cases[0].vmcs12.controls.pin |= PIN_POSTED_INTERRUPTS;
    cases[1].vmcs12.controls.primary |= PRIMARY_USE_TPR_SHADOW;
    for (uint32_t i = 0; i < 2; i++)
        cases[2 + i].vmcs12.controls.secondary |= secondary[i];
    for (uint32_t i = 4; i < NOT_OFFERED; i += 2) {
        cases[i].vmcs12.controls.pin |= bit_refused(judge, NESTED_PIN);
        cases[i + 1].vmcs12.controls.secondary |= bit_refused(judge, NESTED_SECONDARY);
    }
}

static uint64_t bits_from(uint64_t mask, uint64_t ones, uint64_t zeros)
{
    return shadow_expected(mask, ones, zeros);
}

void merged_controls_are_right(struct judge *judge)
{
    const uint32_t good = LAB10_CASES - NOT_OFFERED;

    vmcs_cases_make(judge);
    not_offered_ask(judge, &vmcss.cases[good]);
    const struct lab10_vmcs_output *out = vmcss_run(judge, LAB10_ENTER);

    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        struct vmx_controls want;

        CHECK(
            judge, out->results[i] == (i < good ? 0 : 7),
            "nested_enter() refuses controls that L1 was not offered, and only those",
            "case %u, vmcs12: pin %#x, primary %#x, secondary %#x: it returned %d, not %d",
            i, vmcss.cases[i].vmcs12.controls.pin, vmcss.cases[i].vmcs12.controls.primary,
            vmcss.cases[i].vmcs12.controls.secondary, out->results[i], i < good ? 0 : 7);
        if (i < good) {
            struct vmx_controls got = out->cases[i].vmcs02.controls;

            controls_expected(&vmcss.cases[i], &want);
            /* A bit that nobody owns is read from the register: its shadow may be anything. */
            got.cr0_shadow = bits_from(want.cr0_mask, got.cr0_shadow, want.cr0_shadow);
            got.cr4_shadow = bits_from(want.cr4_mask, got.cr4_shadow, want.cr4_shadow);
            controls_compare(judge, i, "vmcs02's", &got, &want);
        } else {
            CHECK(judge,
                  memcmp(&out->cases[i].vmcs02, &vmcss.cases[i].vmcs02,
                         sizeof(struct nested_vmcs)) == 0,
                  "an entry that is refused leaves vmcs02 as it is", "case %u: it changed",
                  i);
        }
    }
}

void merged_state_is_l2s(struct judge *judge)
{
    static const struct nested_exit_info none;

    vmcs_cases_make(judge);
    const struct lab10_vmcs_output *out = vmcss_run(judge, LAB10_ENTER);

    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        const struct nested_vmcs *a = &vmcss.cases[i].vmcs01, *b = &vmcss.cases[i].vmcs12;
        const struct nested_vmcs *got = &out->cases[i].vmcs02;
        struct vmx_guest_state want = b->guest;

        want.cr0 = bits_from(a->controls.cr0_mask, a->guest.cr0, b->guest.cr0);
        want.cr4 = bits_from(a->controls.cr4_mask, a->guest.cr4, b->guest.cr4);
        want.interrupt_status = 0;
        if (!(b->controls.entry & ENTRY_LOAD_EFER))
            want.efer =
                (a->guest.efer & ~(EFER_LMA | EFER_LME)) |
                (b->controls.entry & ENTRY_IA32E_MODE_GUEST ? EFER_LMA | EFER_LME : 0);
        guest_compare(judge, i, "vmcs02's guest", &got->guest, &want);
        CHECK(judge, memcmp(&got->host, &a->host, sizeof got->host) == 0,
              "vmcs02's host state is L0's",
              "case %u: RIP %#" PRIx64 ", vmcs01 has %#" PRIx64, i, got->host.rip,
              a->host.rip);
        CHECK(judge, memcmp(&got->exit, &none, sizeof none) == 0,
              "a new vmcs02 tells of no exit", "case %u: reason %u", i, got->exit.reason);
        CHECK(judge,
              memcmp(&out->cases[i].vmcs01, a, sizeof *a) == 0 &&
                  memcmp(&out->cases[i].vmcs12, b, sizeof *b) == 0,
              "nested_enter() only reads vmcs01 and vmcs12", "case %u: one of them changed",
              i);
    }
}

/* vmcs02 is one that nested_enter() could have made, after L2 has run a while. */
static void reflect_cases_make(struct judge *judge)
{
    vmcs_cases_make(judge);
    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        struct lab10_vmcs_case *c = &vmcss.cases[i];
        struct vmx_controls *k = &c->vmcs02.controls;

        k->cr0_mask = c->vmcs01.controls.cr0_mask | c->vmcs12.controls.cr0_mask;
        k->cr4_mask = c->vmcs01.controls.cr4_mask | c->vmcs12.controls.cr4_mask;
    }
}

/* Nobody's bits from the processor, L1's as they were, L0's as L2 sees them. */
static uint64_t cr_expected(uint64_t mask01, uint64_t mask12, uint64_t real,
                            uint64_t before, uint64_t shadow)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 64; i++) {
        const uint64_t from = mask12 >> i & 1 ? before : mask01 >> i & 1 ? shadow : real;

        value |= from & 1ull << i;
    }
    return value;
}

void reflected_exit_is_in_vmcs12(struct judge *judge)
{
    reflect_cases_make(judge);
    const struct lab10_vmcs_output *out = vmcss_run(judge, LAB10_REFLECT);

    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        const struct lab10_vmcs_case *c = &vmcss.cases[i];
        const struct nested_vmcs *got = &out->cases[i].vmcs12;
        struct vmx_guest_state want = c->vmcs02.guest;
        struct vmx_controls controls = c->vmcs12.controls;
        const uint64_t efer02 = want.efer;

        want.cr0 = cr_expected(c->vmcs01.controls.cr0_mask, controls.cr0_mask, want.cr0,
                               c->vmcs12.guest.cr0, c->vmcs02.controls.cr0_shadow);
        want.cr4 = cr_expected(c->vmcs01.controls.cr4_mask, controls.cr4_mask, want.cr4,
                               c->vmcs12.guest.cr4, c->vmcs02.controls.cr4_shadow);
        want.interrupt_status = c->vmcs12.guest.interrupt_status;
        if (!(controls.exit & EXIT_SAVE_EFER))
            want.efer = c->vmcs12.guest.efer;
        controls.entry_interruption_info &= 0x7fffffff;
        controls.entry = efer02 & EFER_LMA ? controls.entry | ENTRY_IA32E_MODE_GUEST
                                           : controls.entry & ~ENTRY_IA32E_MODE_GUEST;
        CHECK(judge, memcmp(&got->exit, &c->vmcs02.exit, sizeof got->exit) == 0,
              "L1 finds in vmcs12 what the exit said",
              "case %u: reason %u, qualification %#" PRIx64 "; vmcs02 has %u, %#" PRIx64, i,
              got->exit.reason, got->exit.qualification, c->vmcs02.exit.reason,
              c->vmcs02.exit.qualification);
        guest_compare(judge, i, "vmcs12's guest", &got->guest, &want);
        controls_compare(judge, i, "vmcs12's", &got->controls, &controls);
        CHECK(judge, memcmp(&got->host, &c->vmcs12.host, sizeof got->host) == 0,
              "vmcs12's host state is L1's own", "case %u: it changed", i);
    }
}

void l1_goes_on_at_its_host_state(struct judge *judge)
{
    reflect_cases_make(judge);
    const struct lab10_vmcs_output *out = vmcss_run(judge, LAB10_REFLECT);

    for (uint32_t i = 0; i < LAB10_CASES; i++) {
        const struct lab10_vmcs_case *c = &vmcss.cases[i];
        const struct nested_vmcs *got = &out->cases[i].vmcs01;
        struct vmx_guest_state want = c->vmcs01.guest;

        want.cr0 = c->vmcs12.host.cr0;
        want.cr3 = c->vmcs12.host.cr3;
        want.cr4 = c->vmcs12.host.cr4;
        want.rsp = c->vmcs12.host.rsp;
        want.rip = c->vmcs12.host.rip;
        want.efer =
            c->vmcs12.controls.exit & EXIT_LOAD_EFER ? c->vmcs12.host.efer : want.efer;
        want.rflags = 2;
        want.dr7 = 0x400;
        want.activity_state = want.interruptibility_state = 0;
        guest_compare(judge, i, "vmcs01's guest", &got->guest, &want);
        CHECK(judge,
              memcmp(&got->controls, &c->vmcs01.controls, sizeof got->controls) == 0 &&
                  memcmp(&got->host, &c->vmcs01.host, sizeof got->host) == 0 &&
                  memcmp(&got->exit, &c->vmcs01.exit, sizeof got->exit) == 0,
              "of vmcs01 only the guest state changes", "case %u: other fields did", i);
        CHECK(judge, memcmp(&out->cases[i].vmcs02, &c->vmcs02, sizeof c->vmcs02) == 0,
              "vmcs02 is only read", "case %u: it changed", i);
    }
}
