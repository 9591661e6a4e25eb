/* 10-nested.c - the checks of lab 10.
 *
 * Target model: decisions, merged VMCSs and composed tables, against an oracle. Target silicon:
 * the composed tables are walked by the emulated Intel CPU; and the student's hypervisor has that
 * CPU for itself, watched from outside. Target machine: the student's hypervisor as a guest of
 * the VMM; the kernel's tracepoints say what L2 did and who was told.
 */
#define _GNU_SOURCE
#include "../subjects/10-nested.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../silicon/silicon.h"
#include "check.h"
#include "guest_hypervisor.h"
#include "guest_image.h"
#include "guest_loader.h"
#include "x86.h"

GUEST_IMAGE(l2, "l2.bin");
GUEST_IMAGE(probe, "probe.bin");

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool random_bool(struct judge *judge)
{
    return judge_random(judge) & 1;
}

static uint32_t random_below(struct judge *judge, uint32_t limit)
{
    return (uint32_t)judge_random_below(judge, limit);
}

static void random_fill(struct judge *judge, void *bytes, size_t size)
{
    uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)judge_random(judge);
}

static const void *answer_of(struct judge *judge, uint32_t entry, const void *in,
                             size_t in_size, size_t out_size)
{
    const struct run_spec spec = {.entry = entry, .input = in, .input_size = in_size};

    return judge_run(judge, &spec, out_size)->answer;
}

/* === who answers an exit ======================================================================= */

static struct lab10_owners_input owners;

/* Adds an exit of L2 under a level's controls; it is filled in by the caller. */
static struct nested_exit *exit_add(struct judge *judge, uint32_t level, uint32_t reason)
{
    struct nested_exit *e = &owners.exits[owners.exit_count].exit;

    if (owners.exit_count == LAB10_EXITS)
        judge_error(judge, "too many exits in one run");
    owners.exits[owners.exit_count++].level = level;
    *e = (struct nested_exit){.reason = reason,
                              .interruption_info = (uint32_t)judge_random(judge),
                              .error_code = random_below(judge, 64),
                              .msr = (uint32_t)judge_random(judge),
                              .operand = judge_random(judge)};
    return e;
}

static void owner_expect(struct judge *judge, const struct lab10_owners_output *out,
                         uint32_t i, bool l1, const char *why)
{
    const struct nested_exit *e = &owners.exits[i].exit;
    const uint32_t want = l1 ? OWNER_L1 : OWNER_L0;

    CHECK(judge, out->owners[i] == want,
          "an exit of L2 goes to L1 if L1's controls ask for it, else to L0",
          "%s, qualification %#" PRIx64 ": owner %s, not %s; %s", vmx_exit_name(e->reason),
          e->qualification,
          out->owners[i] == OWNER_L1   ? "L1"
          : out->owners[i] == OWNER_L0 ? "L0"
                                       : "unknown",
          l1 ? "L1" : "L0", why);
}

static const struct lab10_owners_output *owners_run(struct judge *judge)
{
    return answer_of(judge, LAB10_OWNERS, &owners, sizeof owners,
                     sizeof(struct lab10_owners_output));
}

/* Reasons for which one bit of the controls decides; 0: nobody has a say. */
static const struct {
    uint32_t reason, pin, primary;
    bool always, never;
} plain[] = {
    {VMX_EXIT_EXTERNAL_INTERRUPT, 0, 0, false, true},
    {VMX_EXIT_EPT_VIOLATION, 0, 0, false, true},
    {VMX_EXIT_EPT_MISCONFIGURATION, 0, 0, false, true},
    {VMX_EXIT_APIC_WRITE, 0, 0, false, true},
    {VMX_EXIT_VIRTUALIZED_EOI, 0, 0, false, true},
    {VMX_EXIT_WBINVD, 0, 0, false, true},
    {VMX_EXIT_TRIPLE_FAULT, 0, 0, true, false},
    {VMX_EXIT_TASK_SWITCH, 0, 0, true, false},
    {VMX_EXIT_CPUID, 0, 0, true, false},
    {VMX_EXIT_INVD, 0, 0, true, false},
    {VMX_EXIT_XSETBV, 0, 0, true, false},
    {VMX_EXIT_VMCALL, 0, 0, true, false},
    {VMX_EXIT_VMLAUNCH, 0, 0, true, false},
    {VMX_EXIT_VMREAD, 0, 0, true, false},
    {VMX_EXIT_VMRESUME, 0, 0, true, false},
    {VMX_EXIT_VMXOFF, 0, 0, true, false},
    {VMX_EXIT_VMXON, 0, 0, true, false},
    {VMX_EXIT_INVEPT, 0, 0, true, false},
    {VMX_EXIT_INVVPID, 0, 0, true, false},
    {VMX_EXIT_HLT, 0, PRIMARY_HLT_EXITING, false, false},
    {VMX_EXIT_INVLPG, 0, PRIMARY_INVLPG_EXITING, false, false},
    {VMX_EXIT_RDTSC, 0, PRIMARY_RDTSC_EXITING, false, false},
    {VMX_EXIT_MOV_DR, 0, PRIMARY_MOV_DR_EXITING, false, false},
    {VMX_EXIT_PAUSE, 0, PRIMARY_PAUSE_EXITING, false, false},
    {VMX_EXIT_INTERRUPT_WINDOW, 0, PRIMARY_INTERRUPT_WINDOW_EXITING, false, false},
    {VMX_EXIT_PREEMPTION_TIMER, PIN_PREEMPTION_TIMER, 0, false, false},
};

/* MOVs to and from control registers: does the level want it? */
static bool cr_access_make(struct judge *judge, const struct vmx_controls *c,
                           struct nested_exit *e)
{
    const unsigned number = (const unsigned[]){0, 3, 4, 8}[random_below(judge, 4)];
    const unsigned type = random_below(judge, 2);
    const uint64_t mask = number == 0 ? c->cr0_mask : c->cr4_mask;
    const uint64_t shadow = number == 0 ? c->cr0_shadow : c->cr4_shadow;
    const unsigned bit = random_below(judge, 32);

    e->qualification = number | type << 4 | random_below(judge, 16) << 8;
    /* Outside of the mask anything, inside as L2 reads it; half of the time but for a bit. */
    e->operand = (shadow & mask) | (e->operand & ~mask);
    if (random_bool(judge))
        e->operand ^= 1ull << bit;
    if (number == 3)
        return c->primary & (type ? PRIMARY_CR3_STORE_EXITING : PRIMARY_CR3_LOAD_EXITING);
    if (number == 8 || type == 1)
        return false;
    for (unsigned i = 0; i < 64; i++)
        if (mask >> i & 1 && (e->operand >> i & 1) != (shadow >> i & 1))
            return true;
    return false;
}

static void exits_go_to_who_asked(struct judge *judge)
{
    bool want[LAB10_EXITS];

    for (uint32_t level = 0; level < LAB10_LEVELS; level++) {
        struct vmx_controls *c = &owners.controls[level];

        random_fill(judge, c, sizeof *c);
        for (uint32_t i = 0; i < COUNT(plain); i++) {
            exit_add(judge, level, plain[i].reason)->qualification = judge_random(judge);
            want[owners.exit_count - 1] =
                plain[i].always || (!plain[i].never && ((c->pin & plain[i].pin) ||
                                                        (c->primary & plain[i].primary)));
        }
        for (uint32_t i = 0; i < 60; i++) {
            struct nested_exit *e = exit_add(judge, level, VMX_EXIT_CR_ACCESS);

            want[owners.exit_count - 1] = cr_access_make(judge, c, e);
        }
    }
    const struct lab10_owners_output *out = owners_run(judge);

    for (uint32_t i = 0; i < owners.exit_count; i++) {
        const struct vmx_controls *c = &owners.controls[owners.exits[i].level];
        char why[160];

        snprintf(why, sizeof why,
                 "vmcs12: pin %#x, primary %#x, CR0 mask %#" PRIx64 " shadow %#" PRIx64
                 ", operand %#" PRIx64,
                 c->pin, c->primary, c->cr0_mask, c->cr0_shadow,
                 owners.exits[i].exit.operand);
        owner_expect(judge, out, i, want[i], why);
    }
}

/* Every mask and match of three bits once, with every error code of three bits in turn. */
static void page_faults_are_filtered(struct judge *judge)
{
    bool want[LAB10_EXITS];

    for (uint32_t level = 0; level < LAB10_LEVELS; level++) {
        struct vmx_controls *c = &owners.controls[level];

        c->exception_bitmap = ((uint32_t)judge_random(judge) & ~(1u << 14)) | (level & 1)
                                                                                  << 14;
        c->page_fault_error_code_mask = level < 2 ? 0 : 1 + random_below(judge, 31);
        c->page_fault_error_code_match =
            level < 4 ? 0 : random_below(judge, 32) & c->page_fault_error_code_mask;
        if (level == 7) /* a match that no error code has */
            c->page_fault_error_code_match |= 1u << 9;
        for (uint32_t code = 0; code < 32; code++) {
            struct nested_exit *e = exit_add(judge, level, VMX_EXIT_EXCEPTION_OR_NMI);
            const bool equal =
                ((code ^ c->page_fault_error_code_match) & c->page_fault_error_code_mask) ==
                    0 &&
                !(c->page_fault_error_code_match & ~c->page_fault_error_code_mask);

            e->interruption_info = 0x80000b0e;
            e->error_code = code;
            want[owners.exit_count - 1] = equal ? level & 1 : !(level & 1);
        }
        for (uint32_t vector = 0; vector < 32; vector++) {
            struct nested_exit *e = exit_add(judge, level, VMX_EXIT_EXCEPTION_OR_NMI);

            e->interruption_info = 0x80000300 | vector;
            if (vector == 2)
                e->interruption_info = 0x80000202; /* an NMI */
            want[owners.exit_count - 1] =
                vector != 2 && (c->exception_bitmap >> vector & 1);
            if (vector == 14)
                owners.exit_count--;
        }
    }
    const struct lab10_owners_output *out = owners_run(judge);

    for (uint32_t i = 0; i < owners.exit_count; i++) {
        const struct vmx_controls *c = &owners.controls[owners.exits[i].level];
        char event[64], why[240];

        vmx_event_describe(owners.exits[i].exit.interruption_info, event, sizeof event);
        snprintf(why, sizeof why,
                 "%s, error code %#x; vmcs12: exception bitmap %#x, #PF mask %#x match %#x",
                 event, owners.exits[i].exit.error_code, c->exception_bitmap,
                 c->page_fault_error_code_mask, c->page_fault_error_code_match);
        owner_expect(judge, out, i, want[i], why);
    }
}

/* --- bitmaps ------------------------------------------------------------------------------------- */

/* Which bit says "exit" for port or MSR number. */
static bool port_bit(const struct lab10_bitmaps *b, uint32_t port)
{
    const uint8_t *bytes = port & 0x8000 ? b->io_b : b->io_a;

    return bytes[(port & 0x7fff) >> 3] & 1 << (port & 7);
}

static void bitmaps_random(struct judge *judge, struct lab10_bitmaps *b)
{
    uint8_t *bytes = (uint8_t *)b;

    for (size_t i = 0; i < sizeof *b; i++) /* one bit in eight */
        bytes[i] =
            (uint8_t)(judge_random(judge) & judge_random(judge) & judge_random(judge));
}

static bool port_make(struct judge *judge, uint32_t level, struct nested_exit *e)
{
    static const uint32_t edges[] = {0x7ffd, 0x7ffe, 0x7fff, 0xfffd, 0xfffe, 0xffff};
    const struct vmx_controls *c = &owners.controls[level];
    const uint32_t bytes = 1u << random_below(judge, 3);
    const uint32_t port = random_below(judge, 3) ? random_below(judge, 0x10000)
                                                 : edges[random_below(judge, COUNT(edges))];

    e->qualification = (bytes - 1) | random_below(judge, 2) << 3 |
                       random_below(judge, 2) << 6 | (uint64_t)port << 16;
    if (!(c->primary & PRIMARY_USE_IO_BITMAPS))
        return c->primary & PRIMARY_UNCONDITIONAL_IO_EXITING;
    for (uint32_t i = 0; i < bytes; i++)
        if (port + i >= 0x10000 || port_bit(&owners.bitmaps[level], port + i))
            return true;
    return false;
}

static bool msr_make(struct judge *judge, uint32_t level, struct nested_exit *e)
{
    static const uint32_t edges[] = {0x1fff,     0x2000,     0xbfffffff,
                                     0xc0000000, 0xc0001fff, 0xc0002000};
    const uint8_t *bitmap = owners.bitmaps[level].msr;

    e->msr = random_below(judge, 0x2000) | (random_bool(judge) ? 0xc0000000 : 0);
    if (random_below(judge, 6) == 0)
        e->msr = edges[random_below(judge, COUNT(edges))];
    if (!(owners.controls[level].primary & PRIMARY_USE_MSR_BITMAPS))
        return true;
    if ((e->msr & 0xffffe000) == 0xc0000000)
        bitmap += 1024;
    else if (e->msr & 0xffffe000)
        return true;
    if (e->reason == VMX_EXIT_WRMSR)
        bitmap += 2048;
    return bitmap[(e->msr & 0x1fff) >> 3] & 1 << (e->msr & 7);
}

static void ports_and_msrs_go_by_bitmap(struct judge *judge)
{
    bool want[LAB10_EXITS];

    for (uint32_t level = 0; level < LAB10_LEVELS; level++) {
        owners.controls[level].primary =
            (level & 3 ? PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS : 0) |
            (level & 4 ? PRIMARY_UNCONDITIONAL_IO_EXITING : 0);
        bitmaps_random(judge, &owners.bitmaps[level]);
        for (uint32_t i = 0; i < 120; i++) {
            const uint32_t reason = i < 70  ? VMX_EXIT_IO_INSTRUCTION
                                    : i & 1 ? VMX_EXIT_RDMSR
                                            : VMX_EXIT_WRMSR;
            struct nested_exit *e = exit_add(judge, level, reason);

            want[owners.exit_count - 1] = reason == VMX_EXIT_IO_INSTRUCTION
                                              ? port_make(judge, level, e)
                                              : msr_make(judge, level, e);
        }
    }
    const struct lab10_owners_output *out = owners_run(judge);

    for (uint32_t i = 0; i < owners.exit_count; i++) {
        const struct nested_exit *e = &owners.exits[i].exit;
        char why[160];

        if (e->reason == VMX_EXIT_IO_INSTRUCTION)
            snprintf(why, sizeof why, "%u bytes at port %#x; vmcs12's primary controls %#x",
                     (uint32_t)(e->qualification & 7) + 1,
                     (uint32_t)(e->qualification >> 16),
                     owners.controls[owners.exits[i].level].primary);
        else
            snprintf(why, sizeof why, "MSR %#x; vmcs12's primary controls %#x", e->msr,
                     owners.controls[owners.exits[i].level].primary);
        owner_expect(judge, out, i, want[i], why);
    }
}

/* What a level wants of one access, as a bit. kind: 0 port, 1 MSR (number: bit of the page). */
static bool level_wants(const struct vmx_controls *c, const struct lab10_bitmaps *b,
                        unsigned kind, uint32_t number)
{
    if (kind == 1)
        return !(c->primary & PRIMARY_USE_MSR_BITMAPS) ||
               b->msr[number / 8] >> number % 8 & 1;
    if (c->primary & PRIMARY_USE_IO_BITMAPS)
        return port_bit(b, number);
    return c->primary & PRIMARY_UNCONDITIONAL_IO_EXITING;
}

static void merged_bitmaps_miss_nothing(struct judge *judge)
{
    static struct lab10_bitmaps_input in;

    in.case_count = LAB10_LEVELS;
    for (uint32_t i = 0; i < LAB10_LEVELS; i++) {
        random_fill(judge, &in.cases[i].controls01, sizeof in.cases[i].controls01);
        random_fill(judge, &in.cases[i].controls12, sizeof in.cases[i].controls12);
        in.cases[i].controls01.primary =
            (i & 1 ? 0 : PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS) |
            (i & 4 ? PRIMARY_UNCONDITIONAL_IO_EXITING : 0);
        in.cases[i].controls12.primary =
            (i & 2 ? 0 : PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS) |
            (i == 4 || i == 2 ? PRIMARY_UNCONDITIONAL_IO_EXITING : 0);
        bitmaps_random(judge, &in.cases[i].bitmaps01);
        bitmaps_random(judge, &in.cases[i].bitmaps12);
    }
    const struct lab10_bitmaps_output *out = answer_of(judge, LAB10_BITMAPS, &in, sizeof in,
                                                       sizeof(struct lab10_bitmaps_output));

    for (uint32_t i = 0; i < LAB10_LEVELS; i++)
        for (uint32_t n = 0; n < 3 * 0x8000; n++) {
            const unsigned kind = n / 0x10000;
            const uint32_t number = n % 0x10000;
            const bool w01 = level_wants(&in.cases[i].controls01, &in.cases[i].bitmaps01,
                                         kind, number),
                       w12 = level_wants(&in.cases[i].controls12, &in.cases[i].bitmaps12,
                                         kind, number),
                       got = kind ? out->bitmaps02[i].msr[number / 8] >> number % 8 & 1
                                  : port_bit(&out->bitmaps02[i], number);

            CHECK(judge, got == (w01 || w12),
                  "a merged bitmap has exactly the bits that one of the levels wants",
                  "%s %#x is %d; L0 wants %d, L1 wants %d (primary controls: vmcs01 %#x, "
                  "vmcs12 %#x)",
                  kind ? "bit of the MSR bitmap" : "port", number, got, w01, w12,
                  in.cases[i].controls01.primary, in.cases[i].controls12.primary);
        }
}

/* === the VMCS that runs ========================================================================= */

static struct lab10_vmcs_input vmcss;

#define APIC_BITS                                                                          \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE |               \
     SECONDARY_APIC_REGISTER_VIRTUALIZATION | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)

/* #PF: nothing, the bit, or the bit with a filter. */
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
        if (i < 16) { /* both want the timer */
            c->vmcs01.controls.pin |= PIN_PREEMPTION_TIMER;
            c->vmcs12.controls.pin |= PIN_PREEMPTION_TIMER;
        }
        page_fault_wish(judge, &c->vmcs01.controls, i % 4);
        page_fault_wish(judge, &c->vmcs12.controls, i / 4 % 4);
    }
}

/* One field of a case: what it was to be and what it is. */
static void field_expect(struct judge *judge, uint32_t i, const char *where,
                         const char *name, uint64_t got, uint64_t want, uint64_t v01,
                         uint64_t v12)
{
    CHECK(judge, got == want, "each field is as the contract says",
          "case %u, %s %s: %#" PRIx64 ", not %#" PRIx64 " (vmcs01 has %#" PRIx64
          ", vmcs12 %#" PRIx64 ")",
          i, where, name, got, want, v01, v12);
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

static void controls_expected(const struct lab10_vmcs_case *c, struct vmx_controls *want)
{
    const struct vmx_controls *a = &c->vmcs01.controls, *b = &c->vmcs12.controls;
    const bool pf_a = a->exception_bitmap & 1u << 14 || a->page_fault_error_code_mask,
               pf_b = b->exception_bitmap & 1u << 14 || b->page_fault_error_code_mask;

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
    return answer_of(judge, entry, &vmcss, sizeof vmcss, sizeof(struct lab10_vmcs_output));
}

/* The last cases ask for something that L1 was not offered. */
static void merged_controls_are_right(struct judge *judge)
{
    static const uint32_t secondary[] = {APIC_BITS, SECONDARY_UNRESTRICTED_GUEST, 1u << 20};
    const uint32_t good = LAB10_CASES - 5;

    vmcs_cases_make(judge);
    vmcss.cases[good].vmcs12.controls.pin |= PIN_POSTED_INTERRUPTS;
    vmcss.cases[good + 1].vmcs12.controls.primary |= PRIMARY_USE_TPR_SHADOW;
    for (uint32_t i = 0; i < 3; i++)
        vmcss.cases[good + 2 + i].vmcs12.controls.secondary |= secondary[i];
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
            controls_expected(&vmcss.cases[i], &want);
            controls_compare(judge, i, "vmcs02's", &out->cases[i].vmcs02.controls, &want);
        } else {
            CHECK(judge,
                  memcmp(&out->cases[i].vmcs02, &vmcss.cases[i].vmcs02,
                         sizeof(struct nested_vmcs)) == 0,
                  "an entry that is refused leaves vmcs02 as it is", "case %u: it changed",
                  i);
        }
    }
}

static uint64_t bits_from(uint64_t mask, uint64_t ones, uint64_t zeros)
{
    return shadow_expected(mask, ones, zeros);
}

static void merged_state_is_l2s(struct judge *judge)
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

static void reflected_exit_is_in_vmcs12(struct judge *judge)
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

static void l1_goes_on_at_its_host_state(struct judge *judge)
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

/* === EPT02 ======================================================================================= */

#define PAGE    4096ull
#define MB2     (2ull << 20)
#define GB1     (1ull << 30)
#define R       NESTED_EPT_READ
#define W       NESTED_EPT_WRITE
#define X       NESTED_EPT_FETCH
#define RWX     NESTED_EPT_RIGHTS
#define LARGE   NESTED_EPT_LARGE
#define ADDRESS NESTED_EPT_ADDRESS

/* The host's memory of a run, in pages: EPT01's tables, memory of L1 in which EPT12 lies, EPT02's
 * root, its pool. */
#define HPA         (SILICON_RAM_HPA + SILICON_GUEST_SIZE)
#define PAGES_01    16u
#define PAGES_L1    64u
#define PAGE_ROOT02 (PAGES_01 + PAGES_L1)
#define PAGE_POOL   (PAGE_ROOT02 + 1)
#define PAGES_POOL  (LAB10_MEMORY / 4096 - PAGE_POOL)

#define L1_TABLES 0x10000000ull /* L1-physical: EPT12 is here, its pages in random order */

static struct lab10_ept_input world;
static uint32_t used01, used12; /* pages of tables so far */
static uint32_t
    l1_table_page[PAGES_L1]; /* n-th page from L1_TABLES on: which one of the host's */

static uint64_t *word_at(uint8_t *memory, uint64_t hpa)
{
    return (uint64_t *)(void *)(memory + (hpa - HPA));
}

static uint64_t host_of_l1_table(uint64_t l1)
{
    return HPA + (PAGES_01 + l1_table_page[(l1 - L1_TABLES) / PAGE]) * PAGE + l1 % PAGE;
}

/* Sets the entry that translates gpa at a level (4 to 1), and makes the tables above it. */
static uint64_t *entry_make(struct judge *judge, bool is_12, uint64_t gpa, unsigned level)
{
    uint64_t table = is_12 ? host_of_l1_table(L1_TABLES) : HPA;

    for (unsigned at = 4;; at--) {
        uint64_t *entry = word_at(world.memory, table + (gpa >> (3 + 9 * at) & 511) * 8);

        if (at == level)
            return entry;
        if (!(*entry & RWX) && is_12)
            *entry = (L1_TABLES + used12++ * PAGE) | RWX;
        else if (!(*entry & RWX))
            *entry = (HPA + used01++ * PAGE) | RWX;
        if (used01 > PAGES_01 || used12 > PAGES_L1)
            judge_error(judge, "too many tables");
        table = is_12 ? host_of_l1_table(*entry & ADDRESS) : *entry & ADDRESS;
    }
}

static void map01(struct judge *judge, uint64_t l1, unsigned level, uint64_t entry)
{
    *entry_make(judge, false, l1, level) = entry | (level > 1 ? LARGE : 0);
}

static void map12(struct judge *judge, uint64_t gpa, unsigned level, uint64_t entry)
{
    *entry_make(judge, true, gpa, level) = entry | (level > 1 ? LARGE : 0);
}

static void world_begin(struct judge *judge)
{
    memset(&world, 0, sizeof world);
    used01 = used12 = 1;
    for (uint32_t i = 0; i < PAGES_L1; i++) { /* in random order */
        uint32_t other = random_below(judge, i + 1);

        l1_table_page[i] = l1_table_page[other];
        l1_table_page[other] = i;
    }
    for (uint32_t i = 0; i < PAGES_L1; i++)
        map01(judge, L1_TABLES + i * PAGE, 1,
              (HPA + (PAGES_01 + l1_table_page[i]) * PAGE) | (i & 1 ? RWX : R));
    random_fill(judge, world.memory + PAGE_POOL * PAGE,
                64 * 1024); /* what was there before */
    world.ept = (struct nested_ept){.hpa = HPA,
                                    .size = LAB10_MEMORY,
                                    .root01 = HPA,
                                    .root12 = L1_TABLES,
                                    .root02 = HPA + PAGE_ROOT02 * PAGE,
                                    .pool = HPA + PAGE_POOL * PAGE,
                                    .pool_pages = PAGES_POOL};
}

/* Rights that are no misconfiguration; sometimes none. */
static uint64_t random_rights(struct judge *judge)
{
    static const uint64_t rights[] = {R, R | W, R | X, RWX, RWX, RWX, 0};

    return rights[random_below(judge, COUNT(rights))];
}

/* L1's memory beside the tables: small pages, large ones, huge ones. */
#define L1_SMALL 0x40000000ull /* 2 MiB of 4 KiB pages, then 2 pages of 2 MiB */
#define L1_HUGE  0x80000000ull /* 1 GiB, one page */
#define L1_GONE  0x13000000ull /* nothing: a table of EPT12 that L0 has not got at hand */

static void world_map01(struct judge *judge)
{
    for (uint64_t i = 0; i < 512; i++)
        map01(judge, L1_SMALL + i * PAGE, 1,
              (judge_random(judge) & 0xffffff000) | random_rights(judge));
    for (uint64_t i = 1; i < 3; i++)
        map01(judge, L1_SMALL + i * MB2, 2,
              (judge_random(judge) & 0xfffe00000) | (i == 1 ? RWX : R | X));
    map01(judge, L1_HUGE, 3, 0x1c0000000 | R | W);
}

/* An L1 address in any kind of page of EPT01's. */
static uint64_t random_l1(struct judge *judge)
{
    switch (random_below(judge, 3)) {
    case 0:
        return L1_SMALL + random_below(judge, 512) * PAGE;
    case 1:
        return L1_SMALL + MB2 + random_below(judge, 1024) * PAGE;
    default:
        return L1_HUGE + random_below(judge, 0x40000) * PAGE;
    }
}

/* GPAs of L2, by what they are for. */
#define GPA_SMALL   0x0ull      /* 4 KiB pages of every kind */
#define GPA_2M      MB2         /* 3 pages of 2 MiB: over small, large, huge ones of L1's */
#define GPA_1G_HUGE (1 * GB1)   /* 1 GiB over 1 GiB */
#define GPA_1G_MIX  (2 * GB1)   /* 1 GiB over small and large ones, and over nothing */
#define GPA_GONE    (3 * GB1)   /* its table cannot be read by L0 */
#define GPA_BAD     (4 * GB1)   /* misconfigured above the page */
#define GPA_NARROW  (512 * GB1) /* the entry at the top allows reading only */
#define GPA_NOTHING (1024 * GB1) /* EPT12 has no entry at the top */
#define GPA_SMALLS  400u         /* pages at GPA_SMALL that are looked at */

static void world_map12(struct judge *judge)
{
    for (uint64_t i = 0; i < 512; i++)
        map12(judge, GPA_SMALL + i * PAGE, 1, random_l1(judge) | random_rights(judge));
    for (uint64_t i = 0; i < 8;
         i++) /* misconfigured, all the three kinds; or not present, with */
        map12(judge, GPA_SMALL + i * 37 * PAGE, 1, /* bits that do not count */
              random_l1(judge) | (const uint64_t[]){W, X, W | X, 0}[i % 4] | 6 << 3);
    map12(judge, GPA_2M, 2, L1_SMALL | RWX);
    map12(judge, GPA_2M + MB2, 2, (L1_SMALL + MB2) | R | W);
    map12(judge, GPA_2M + 2 * MB2, 2, (L1_HUGE + 77 * MB2) | RWX);
    map12(judge, GPA_1G_HUGE, 3, L1_HUGE | R | X);
    map12(judge, GPA_1G_MIX, 3, L1_SMALL | RWX);
    *entry_make(judge, true, GPA_GONE, 3) = L1_GONE | RWX;
    *entry_make(judge, true, GPA_BAD, 3) = (L1_TABLES + PAGE) | W | X;
    for (uint64_t i = 0; i < 8; i++)
        map12(judge, GPA_NARROW + i * PAGE, 1, random_l1(judge) | RWX);
    *entry_make(judge, true, GPA_NARROW, 4) &= ~(W | X);
}

/* --- what the two say ----------------------------------------------------------------------------- */

struct seen {
    enum { SEEN, ABSENT, BAD, GONE } what;
    uint64_t address, rights, size;
};

/* One step down; the oracle's way to walk: entry by entry, from a table and a level. */
static struct seen look(uint8_t *memory, bool is_12, uint64_t table, uint64_t gpa,
                        unsigned level, uint64_t rights)
{
    const unsigned shift = 3 + 9 * level;
    const uint64_t at = table + (gpa >> shift & 511) * 8;
    struct seen s = {.what = GONE, .address = at};
    uint64_t entry;

    if (is_12) {
        struct seen host = look(memory, false, HPA, at, 4, RWX);

        if (host.what != SEEN)
            return s;
        entry = *word_at(memory, host.address);
    } else {
        entry = *word_at(memory, at);
    }
    s.what = !(entry & RWX) ? ABSENT : !(entry & R) ? BAD : SEEN;
    if (s.what != SEEN)
        return s;
    rights &= entry;
    if (level == 1 || (level < 4 && entry & LARGE)) {
        const uint64_t size = 1ull << shift;

        return (struct seen){SEEN, (entry & ADDRESS) / size * size + gpa % size, rights,
                             size};
    }
    return look(memory, is_12, entry & ADDRESS, gpa, level - 1, rights);
}

/* The answer that the contract gives; *page: what is filled in. */
static struct nested_ept_answer answer_expected(uint64_t gpa, uint64_t qualification,
                                                struct seen *page)
{
    const uint64_t access = qualification & RWX;
    const struct seen s12 = look(world.memory, true, L1_TABLES, gpa, 4, RWX);
    struct nested_ept_answer a = {0};
    struct seen s01;

    if (s12.what == GONE)
        return (struct nested_ept_answer){NESTED_L0_MISS, 0, s12.address, R};
    if (s12.what == BAD) {
        a.result = NESTED_REFLECT_MISCONFIGURATION;
        return a;
    }
    if (s12.what == ABSENT || (access & ~s12.rights)) {
        a.result = NESTED_REFLECT_VIOLATION;
        a.qualification =
            access | (s12.what == SEEN ? s12.rights << 3 : 0) | (qualification & 3ull << 7);
        return a;
    }
    s01 = look(world.memory, false, HPA, s12.address, 4, RWX);
    if (s01.what != SEEN || (access & ~s01.rights))
        return (struct nested_ept_answer){NESTED_L0_MISS, 0, s12.address, access};
    a.result = NESTED_FILLED;
    *page = (struct seen){SEEN, s01.address, s01.rights & s12.rights,
                          s01.size < s12.size ? s01.size : s12.size};
    return a;
}

static struct lab10_op *op_add(struct judge *judge, uint32_t kind, uint64_t a, uint64_t b)
{
    if (world.op_count == LAB10_OPS)
        judge_error(judge, "too many operations");
    world.ops[world.op_count] = (struct lab10_op){.kind = kind, .a = a, .b = b};
    return &world.ops[world.op_count++];
}

static uint64_t random_gpa(struct judge *judge)
{
    const uint64_t offset = random_below(judge, 4096);

    switch (random_below(judge, 12)) {
    case 0:
        return GPA_2M + random_below(judge, 3 * 512) * PAGE + offset;
    case 1:
        return GPA_1G_HUGE + random_below(judge, 1u << 30);
    case 2:
        return GPA_1G_MIX + random_below(judge, 4 * 512) * PAGE + offset;
    case 3:
        return GPA_GONE + random_below(judge, 1u << 30);
    case 4:
        return GPA_BAD + random_below(judge, 1u << 30);
    case 5:
        return GPA_NARROW + random_below(judge, 9) * PAGE + offset;
    case 6:
        return GPA_NOTHING + judge_random_below(judge, 1ull << 39);
    default:
        return GPA_SMALL + random_below(judge, GPA_SMALLS) * PAGE + offset;
    }
}

static void violation_add(struct judge *judge, uint64_t gpa)
{
    const uint64_t access = 1ull << random_below(judge, 3);

    /* The rights by EPT02, and a bit above: not L1's business. */
    op_add(judge, LAB10_VIOLATION, gpa,
           access | random_below(judge, 8) << 3 | random_below(judge, 4) << 7 |
               random_below(judge, 2) << 12);
}

static const struct lab10_ept_output *world_run(struct judge *judge)
{
    return answer_of(judge, LAB10_EPT, &world, sizeof world,
                     sizeof(struct lab10_ept_output));
}

static const char *result_name(uint32_t result)
{
    static const char *const names[] = {
        "?",       "FILLED",   "REFLECT_VIOLATION", "REFLECT_MISCONFIGURATION",
        "L0_MISS", "NO_TABLES"};

    return names[result < COUNT(names) ? result : 0];
}

/* EPT02 as the subject left it: a table has to lie in its place. */
static struct seen look02(const struct lab10_ept_output *out, uint64_t gpa)
{
    uint64_t table = world.ept.root02, rights = RWX;

    for (unsigned level = 4; level > 0; level--) {
        const unsigned shift = 3 + 9 * level;
        uint64_t entry;

        if (table != world.ept.root02 &&
            (table < world.ept.pool || table > HPA + LAB10_MEMORY - PAGE))
            return (struct seen){GONE, table, 0, 0};
        memcpy(&entry, out->memory + (table - HPA) + (gpa >> shift & 511) * 8,
               sizeof entry);
        if (!(entry & RWX))
            return (struct seen){.what = ABSENT};
        rights &= entry;
        if (level == 1 || (level < 4 && entry & LARGE)) {
            const uint64_t size = 1ull << shift;

            if ((entry & 0x3f8) != (NESTED_EPT_WB | (level > 1 ? LARGE : 0)) ||
                entry >> 52 || (entry & ADDRESS) % size)
                return (struct seen){BAD, entry, 0, 0};
            return (struct seen){SEEN, (entry & ADDRESS) / size * size + gpa % size, rights,
                                 size};
        }
        if ((entry & 0xfff) != RWX)
            return (struct seen){BAD, entry, 0, 0};
        table = entry & ADDRESS;
    }
    return (struct seen){.what = ABSENT};
}

static void translation_expect(struct judge *judge, const struct lab10_ept_output *out,
                               uint64_t gpa, const struct seen *page)
{
    const struct seen got = look02(out, gpa);

    CHECK(judge, got.what != GONE && got.what != BAD,
          "EPT02 consists of tables from the pool and entries as the contract draws them",
          "for GPA %#" PRIx64 " it leads to %s %#" PRIx64, gpa,
          got.what == GONE ? "a table at" : "the entry", got.address);
    if (!page) {
        CHECK(judge, got.what == ABSENT, "what was not filled in is not there",
              "GPA %#" PRIx64 " is translated to %#" PRIx64, gpa, got.address);
        return;
    }
    CHECK(judge, got.what == SEEN, "EPT02 translates what was filled in",
          "GPA %#" PRIx64 " is not present; it was to be HPA %#" PRIx64, gpa,
          page->address);
    CHECK(judge, got.address == page->address && got.size == page->size,
          "a page is as large as the smaller one of the two, and leads where both together "
          "do",
          "GPA %#" PRIx64 ": HPA %#" PRIx64 ", page of %#" PRIx64
          " bytes; not HPA %#" PRIx64 ", %#" PRIx64 " bytes",
          gpa, got.address, got.size, page->address, page->size);
    CHECK(judge, got.rights == page->rights, "a page allows what both allow",
          "GPA %#" PRIx64 ": rights %#" PRIx64 ", not %#" PRIx64
          " (1 read, 2 write, 4 fetch)",
          gpa, got.rights, page->rights);
}

static void world_make(struct judge *judge)
{
    world_begin(judge);
    world_map01(judge);
    world_map12(judge);
}

/* --- the checks ------------------------------------------------------------------------------------ */

static const uint64_t eager[][2] = {
    {GPA_SMALL, GPA_SMALL + GPA_SMALLS *PAGE},
    {GPA_2M, GPA_2M + 3 * MB2},
    {GPA_1G_HUGE, GPA_1G_HUGE + GB1},
    {GPA_1G_MIX + MB2 + 5 * PAGE, GPA_1G_MIX + 3 * MB2 + 9 * PAGE},
    {GPA_GONE, GPA_GONE + 100 * PAGE},
    {GPA_NARROW, GPA_NARROW + 10 * PAGE},
};

/* Page for page, what a range should give; how many entries that are. */
static long range_expect(struct judge *judge, const struct lab10_ept_output *out,
                         const uint64_t range[2])
{
    long entries = 0;

    for (uint64_t gpa = range[0]; gpa < range[1]; gpa += PAGE) {
        struct seen page = {0};
        const bool there = answer_expected(gpa, 0, &page).result == NESTED_FILLED;

        entries += there && (gpa % page.size == 0 || gpa == range[0]);
        if (!there || page.size < GB1 || judge_random_below(judge, 1000) == 0)
            translation_expect(judge, out, gpa, there ? &page : NULL);
    }
    return entries;
}

static void ept02_is_the_composition(struct judge *judge)
{
    world_make(judge);
    for (uint32_t i = 0; i < COUNT(eager); i++)
        op_add(judge, LAB10_FILL, eager[i][0], eager[i][1]);
    const struct lab10_ept_output *out = world_run(judge);

    for (uint32_t i = 0; i < COUNT(eager); i++) {
        const long want = range_expect(judge, out, eager[i]);

        CHECK(judge, out->results[i] == want,
              "nested_ept_fill() returns how many entries map pages of the range",
              "[%#" PRIx64 ", %#" PRIx64 "): it returned %" PRId64 ", not %ld", eager[i][0],
              eager[i][1], out->results[i], want);
    }
    translation_expect(judge, out, GPA_NOTHING, NULL);

    world.ept.pool_pages = 2; /* three are needed */
    world.op_count = 0;
    op_add(judge, LAB10_FILL, GPA_SMALL, GPA_SMALL + GPA_SMALLS * PAGE);
    out = world_run(judge);
    CHECK(judge, out->results[0] == -ENOMEM, "a used-up pool is -ENOMEM",
          "with 2 pages for tables nested_ept_fill() returned %" PRId64, out->results[0]);
}

/* Is gpa on a page that one of the operations has filled in? */
static bool filled_before(const struct lab10_op *ops, uint32_t count, uint64_t gpa,
                          struct seen *page)
{
    struct seen other;

    for (uint32_t i = 0; i < count; i++)
        if (ops[i].kind == LAB10_VIOLATION &&
            answer_expected(ops[i].a, ops[i].b, &other).result == NESTED_FILLED &&
            ops[i].a / other.size == gpa / other.size)
            return answer_expected(gpa, 0, page).result == NESTED_FILLED;
    return false;
}

static void answers_expect(struct judge *judge, const struct lab10_ept_output *out)
{
    for (uint32_t i = 0; i < world.op_count; i++) {
        struct seen page;
        const struct nested_ept_answer want = answer_expected(world.ops[i].a,
                                                              world.ops[i].b, &page),
                                       *got = &out->answers[i];

        CHECK(judge, got->result == want.result,
              "a miss goes to the level whose tables it misses in",
              "GPA %#" PRIx64 ", access %#" PRIx64 ": %s (%u), not %s", world.ops[i].a,
              (uint64_t)(world.ops[i].b & RWX), result_name(got->result), got->result,
              result_name(want.result));
        CHECK(judge, got->qualification == want.qualification,
              "a reflected violation is described as L1's own EPT would have it",
              "GPA %#" PRIx64 ", qualification by EPT02 %#" PRIx64
              ": reflected as %#" PRIx64 ", not %#" PRIx64,
              world.ops[i].a, world.ops[i].b, got->qualification, want.qualification);
        CHECK(judge, got->l1_gpa == want.l1_gpa && got->l1_access == want.l1_access,
              "L0's own miss is an access to an L1-physical address",
              "GPA %#" PRIx64 ": access %#" PRIx64 " to %#" PRIx64 ", not %#" PRIx64
              " to %#" PRIx64,
              world.ops[i].a, got->l1_access, got->l1_gpa, want.l1_access, want.l1_gpa);
    }
}

static void miss_goes_to_its_level(struct judge *judge)
{
    world_make(judge);
    for (uint32_t i = 0; i < 600; i++)
        violation_add(judge, random_gpa(judge));
    answers_expect(judge, world_run(judge));

    world.ept.pool_pages = 1;
    world.op_count = 0;
    op_add(judge, LAB10_VIOLATION, GPA_1G_HUGE,
           R | 3 << 7); /* one table is enough for it */
    op_add(judge, LAB10_VIOLATION, GPA_2M + 2 * MB2, R | 3 << 7);
    const struct lab10_ept_output *out = world_run(judge);

    CHECK(judge,
          out->answers[0].result == NESTED_FILLED &&
              out->answers[1].result == NESTED_NO_TABLES,
          "a used-up pool is told", "one page for tables, two are needed: %s, then %s",
          result_name(out->answers[0].result), result_name(out->answers[1].result));
}

#define AGAIN 5u

/* A page that L2 reads first, when EPT01 has it read-only; then L0 makes it writable, L2 writes. */
static void again_add(struct judge *judge, uint32_t n)
{
    const uint64_t gpa = GPA_SMALL + (GPA_SMALLS + n) * PAGE, l1 = L1_SMALL + n * PAGE;
    uint64_t *entry = entry_make(judge, false, l1, 1);

    map12(judge, gpa, 1, l1 | RWX);
    *entry = (*entry & ADDRESS) | R;
    op_add(judge, LAB10_VIOLATION, gpa, R | 3 << 7);
    op_add(judge, LAB10_WRITE, HPA + (uint64_t)((uint8_t *)entry - world.memory),
           *entry | W);
    op_add(judge, LAB10_VIOLATION, gpa, W | 3 << 7);
}

static void again_expect(struct judge *judge, const struct lab10_ept_output *out)
{
    for (uint32_t i = 0; i < 3 * AGAIN; i++)
        if (world.ops[i].kind == LAB10_WRITE)
            *word_at(world.memory, world.ops[i].a) = world.ops[i].b;
    for (uint32_t i = 2; i < 3 * AGAIN; i += 3) {
        struct seen page;

        answer_expected(world.ops[i].a, W, &page);
        translation_expect(judge, out, world.ops[i].a, &page);
    }
}

static void page_is_filled_on_demand(struct judge *judge)
{
    world_make(judge);
    for (uint32_t n = 0; n < AGAIN; n++)
        again_add(judge, n);
    for (uint32_t i = 0; i < 200; i++)
        violation_add(judge, random_gpa(judge));
    const struct lab10_ept_output *out = world_run(judge);

    again_expect(judge, out);
    for (uint32_t i = 0; i < 400; i++) {
        const uint64_t gpa = i < 200 ? world.ops[3 * AGAIN + i].a : random_gpa(judge);
        struct seen page;

        translation_expect(judge, out, gpa,
                           filled_before(world.ops, world.op_count, gpa, &page) ? &page
                                                                                : NULL);
    }
}

/* L1 changes entries of EPT12, says INVEPT; again and again, more often than the pool lasts. */
static void forgotten_ept02_maps_nothing(struct judge *judge)
{
    const uint32_t rounds = 2 * PAGES_POOL;
    const struct lab10_ept_output *out;
    uint64_t gpa = 0;
    struct seen page;

    world_make(judge);
    for (uint32_t i = 0; i < 5; i++)
        violation_add(judge, GPA_1G_HUGE);
    op_add(judge, LAB10_FILL, GPA_SMALL, GPA_2M + MB2);
    op_add(judge, LAB10_FORGET, 0, 0);
    out = world_run(judge);
    for (uint32_t i = 0; i < 200; i++)
        translation_expect(judge, out, random_gpa(judge), NULL);

    world.op_count = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        const uint64_t l1 = L1_HUGE + random_below(judge, 0x40000) * PAGE;
        uint64_t *entry;

        gpa = GPA_SMALL + random_below(judge, 512) * PAGE;
        entry = entry_make(judge, true, gpa, 1);
        op_add(judge, LAB10_WRITE, HPA + (uint64_t)((uint8_t *)entry - world.memory),
               l1 | R | W);
        op_add(judge, LAB10_FORGET, 0, 0);
        op_add(judge, LAB10_VIOLATION, gpa, R | 3 << 7);
    }
    out = world_run(judge);
    for (uint32_t i = 0; i < world.op_count; i++) {
        CHECK(judge,
              world.ops[i].kind != LAB10_VIOLATION ||
                  out->answers[i].result == NESTED_FILLED,
              "after nested_ept_forget() the pool is as good as new",
              "round %u: %s, not FILLED", i / 3 + 1, result_name(out->answers[i].result));
        if (world.ops[i].kind == LAB10_WRITE)
            *word_at(world.memory, world.ops[i].a) = world.ops[i].b;
    }
    answer_expected(gpa, R, &page);
    translation_expect(judge, out, gpa, &page);
    for (uint32_t i = 0; i < 512; i++)
        if (GPA_SMALL + i * PAGE != gpa)
            translation_expect(judge, out, GPA_SMALL + i * PAGE, NULL);
}

/* === EPT02 on the CPU ============================================================================ */

#define PATTERN_FROM 0x02000000ull /* HPAs whose content says where they are */
#define PATTERN_TO   0x04000000ull
#define PATTERN_STEP 256u
#define PROBES       300u
#define PROBE_LIST   0x100000u /* guests/probe.long64.c */
#define PROBE_ANSWER 0x180000u
#define PROBE_GPAS   (4 * MB2) /* L2-physical, above what the guest itself needs */
#define PROBE_L1     0x60000000ull

/* L2's own memory through two mappings that cancel out; and pages to be probed: small over small,
 * large over small, small over large, large over large. */
static void silicon_world_make(struct judge *judge)
{
    const uint64_t twist = 1 + random_below(judge, 255);

    world_begin(judge);
    for (uint64_t i = 0; i < 512; i++) { /* the pages of 2 MiB, in another order */
        map12(judge, i * PAGE, 1, (PROBE_L1 + (i ^ twist) * PAGE) | RWX);
        map01(judge, PROBE_L1 + (i ^ twist) * PAGE, 1,
              (SILICON_RAM_HPA + i * PAGE) | RWX | 6 << 3);
    }
    for (uint64_t i = 0; i < 512; i++)
        map01(judge, PROBE_L1 + MB2 + i * PAGE, 1,
              (PATTERN_FROM + random_below(judge, 4096) * PAGE) | random_rights(judge) |
                  6 << 3);
    for (uint64_t i = 0; i < 4; i++)
        map01(judge, PROBE_L1 + (2 + i) * MB2, 2,
              (PATTERN_FROM + (8 + random_below(judge, 8)) * MB2) | (i & 1 ? RWX : R | X) |
                  6 << 3);
    for (uint64_t i = 0; i < 512; i++)
        map12(judge, PROBE_GPAS + i * PAGE, 1,
              (PROBE_L1 + MB2 + random_below(judge, 5 * 512) * PAGE) |
                  random_rights(judge));
    map12(judge, PROBE_GPAS + MB2, 2, (PROBE_L1 + MB2) | RWX);
    map12(judge, PROBE_GPAS + 2 * MB2, 2, (PROBE_L1 + 2 * MB2) | R | W);
    map12(judge, PROBE_GPAS + 3 * MB2, 2, (PROBE_L1 + 3 * MB2) | RWX);
    op_add(judge, LAB10_FILL, 0, PROBE_GPAS + 6 * MB2);
}

static void probes_make(struct judge *judge, uint64_t list[1 + 2 * PROBES])
{
    list[0] = PROBES;
    for (uint32_t i = 0; i < PROBES; i++) {
        list[1 + 2 * i] = PROBE_GPAS + random_below(judge, 5 * 512) * PAGE +
                          PATTERN_STEP * random_below(judge, 15);
        list[2 + 2 * i] = i % 3 == 0;
    }
}

static bool record_is(const struct silicon *s, uint32_t n, uint64_t gpa)
{
    return n < s->log.record_count && s->records[n].exit_reason == VMX_EXIT_EPT_VIOLATION &&
           s->records[n].guest_physical_address == gpa;
}

/* Each probe either reaches the right bytes, or exits at its GPA. */
static void probes_expect(struct judge *judge, const struct silicon *s,
                          const uint64_t *list)
{
    const uint64_t *answers = (const uint64_t *)(const void *)s->windows[0].bytes;
    uint32_t exits = 0;

    for (uint32_t i = 0; i < PROBES; i++) {
        const uint64_t access = list[2 + 2 * i] ? W : R;
        const uint64_t gpa =
            list[1 + 2 * i] + (access == W ? 8 : 0); /* what is read stays */
        struct seen page = {0};
        const bool allowed = answer_expected(gpa, access, &page).result == NESTED_FILLED;
        const uint64_t want = access == W ? 1 : silicon_pattern(s->job.nonce, page.address);
        char last[300] = "none";

        if (exits < s->log.record_count)
            silicon_record_describe(&s->records[exits], last, sizeof last);
        if (!allowed) {
            CHECK(judge, record_is(s, exits, gpa),
                  "a hole, or a right that one of the levels withholds, is an exit",
                  "%s GPA %#" PRIx64 ": the CPU's next exit is: %s",
                  access == W ? "write to" : "read from", gpa, last);
            exits++;
            continue;
        }
        CHECK(judge, !record_is(s, exits, gpa) || answers[i] == want,
              "an access that both levels allow does not exit",
              "%s GPA %#" PRIx64 " (HPA %#" PRIx64 "): %s",
              access == W ? "write to" : "read from", gpa, page.address, last);
        CHECK(judge, answers[i] == want, "a read reaches the byte where both mappings lead",
              "read from GPA %#" PRIx64 ": %#" PRIx64 ", but at HPA %#" PRIx64
              " is %#" PRIx64,
              gpa, answers[i], page.address, want);
    }
}

static void ept02_translates_on_the_cpu(struct judge *judge)
{
    const struct silicon_range ranges[] = {{SILICON_RAM_HPA, SILICON_RAM_HPA + MB2},
                                           {PATTERN_FROM, PATTERN_TO}};
    static uint64_t list[1 + 2 * PROBES];
    struct silicon *s = silicon_new(judge);
    const struct lab10_ept_output *out;
    uint64_t bad;

    silicon_world_make(judge);
    probes_make(judge, list);
    out = world_run(judge);
    CHECK(judge,
          silicon_ept_confined(out->memory, HPA, LAB10_MEMORY, world.ept.root02, ranges,
                               COUNT(ranges), &bad),
          "EPT02 leads nowhere but to pages of EPT01's",
          "its entry %#" PRIx64 " leads elsewhere (and the CPU was not started)", bad);
    silicon_guest(s, probe, GUEST_IMAGE_SIZE(probe), GUEST_LONG64);
    silicon_put(s, SILICON_RAM_HPA + PROBE_LIST, list, sizeof list);
    silicon_put(s, HPA, out->memory, LAB10_MEMORY);
    s->job.fill = (struct silicon_fill){PATTERN_FROM, PATTERN_TO, PATTERN_STEP};
    s->job.controls.ept_pointer = world.ept.root02 | EPTP_WALK_4 | EPTP_WRITE_BACK;
    s->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
    silicon_window(s, SILICON_RAM_HPA + PROBE_ANSWER, PROBES * 8);
    silicon_run_to_end(s, "a guest whose memory is translated by EPT02 gets to its end");
    probes_expect(judge, s, list);
}

/* === the small hypervisor: what L2 does ========================================================== */

/* As in guests/l2.long64.c. */
enum step {
    STEP_HALT,
    STEP_CALL,
    STEP_CPUID,
    STEP_NAME,
    STEP_OUT32,
    STEP_OUT8,
    STEP_IN32,
    STEP_IN8,
    STEP_LATE_READ,
    STEP_LATE_WRITE,
    STEP_L0,
    STEP_CALLS,
    STEP_HOLE,
};

#define L2_SIZE    0x14000u
#define STEPS_MAX  32u
#define MAILBOX_AT GUEST_MAILBOX_GPA
#define CALLS      60u

/* What the run is about, and what has to come of it. */
static struct {
    struct hypervisor_job job;
    uint8_t memory[L2_SIZE]; /* of L2 */
    uint64_t late[512];      /* content of the page late_to */
    uint64_t hole;
    uint32_t l0_port;
    /* the oracle's */
    uint64_t number, place;
    bool touched;
    struct {
        enum hypervisor_exit kind;
        bool hole;
        uint64_t place, number;
    } exits[STEPS_MAX + CALLS];
    uint32_t exit_count;
    uint32_t l0_value; /* last OUT to L0's port */
    uint32_t l0_writes;
} life;

static void mailbox_set(uint32_t n, uint64_t value)
{
    memcpy(life.memory + MAILBOX_AT + n * 8, &value, sizeof value);
}

static uint64_t script_at(uint32_t n)
{
    uint64_t value;

    memcpy(&value, life.memory + MAILBOX_AT + (32 + n) * 8, sizeof value);
    return value;
}

/* Each kind of step, in random order; then some more; then the end. */
static void script_make(struct judge *judge, bool with_l0, enum step end)
{
    uint8_t steps[STEPS_MAX];
    uint32_t count = 0, at = 32;

    for (uint8_t kind = STEP_CALL; kind <= STEP_LATE_WRITE; kind++)
        steps[count++] = kind;
    for (uint32_t i = 0; i < 6; i++)
        steps[count++] = (uint8_t)(STEP_CALL + random_below(judge, STEP_IN8));
    for (uint32_t i = count - 1; i > 0; i--) {
        const uint32_t other = random_below(judge, i + 1);
        const uint8_t kept = steps[i];

        steps[i] = steps[other];
        steps[other] = kept;
    }
    if (with_l0)
        steps[count++] = STEP_CALLS;
    if (end == STEP_HOLE)
        steps[count++] = STEP_HOLE;
    if (with_l0) /* before any answer of L1's */
        mailbox_set(at++, STEP_L0);
    for (uint32_t i = 0; i < count; i++)
        mailbox_set(at++, steps[i]);
}

/* L2's memory as a boot loader would leave it. */
static void l2_load(void)
{
    static struct guest_page_tables tables;
    uint64_t gdt[GUEST_GDT_ENTRIES];

    memset(life.memory, 0, sizeof life.memory);
    guest_gdt_make(gdt, GUEST_LONG64);
    guest_page_tables_make(&tables);
    memcpy(life.memory + GUEST_GDT_GPA, gdt, sizeof gdt);
    memcpy(life.memory + GUEST_PML4_GPA, &tables, sizeof tables);
    memcpy(life.memory + GUEST_LOAD_GPA, l2, GUEST_IMAGE_SIZE(l2));
}

static void life_begin(struct judge *judge, uint64_t l2_base, uint64_t late_to, bool vmcall,
                       enum step end)
{
    struct hypervisor_job *job = &life.job;

    memset(&life, 0, sizeof life);
    l2_load();
    random_fill(judge, life.late, sizeof life.late);
    life.l0_port = 0x4000 + random_below(judge, 0x1000) * 4;
    life.hole = random_bool(judge) ? L2_SIZE : 3 * MB2 + random_below(judge, 0x2000) * PAGE;
    *job = (struct hypervisor_job){
        .l2_base = l2_base,
        .l2_size = L2_SIZE,
        .late_gpa = 0x10000000 + random_below(judge, 0x20000) * PAGE,
        .late_to = late_to,
        .l2_rip = GUEST_LOAD_GPA,
        .l2_rsp = GUEST_STACK_GPA,
        .l2_cr3 = GUEST_PML4_GPA,
        .l2_gdt = GUEST_GDT_GPA,
        .call_key = judge_random(judge),
        .cpuid_leaf = 0x40000000 + random_below(judge, 256),
        .port = (random_bool(judge) ? 0x8004 : 0x1004) + random_below(judge, 0x1000) * 4,
    };
    random_fill(judge, job->cpuid_answer, sizeof job->cpuid_answer);
    mailbox_set(0, judge_random(judge));
    mailbox_set(1, vmcall);
    mailbox_set(2, job->port);
    mailbox_set(3, job->cpuid_leaf);
    mailbox_set(4, job->late_gpa);
    mailbox_set(5, life.l0_port);
    mailbox_set(6, CALLS);
    mailbox_set(7, life.hole);
    script_make(judge, !vmcall, end);
}

static void mix(uint64_t value)
{
    life.number = (life.number ^ value) * 0x9e3779b97f4a7c15ull;
    life.number ^= life.number >> 32;
}

static void exit_note(enum hypervisor_exit kind, bool hole)
{
    life.exits[life.exit_count].kind = kind;
    life.exits[life.exit_count].hole = hole;
    life.exits[life.exit_count].place = life.place;
    life.exits[life.exit_count++].number = life.number;
    if (!hole)
        life.job.exits[kind]++;
}

static void late_touch(void)
{
    if (!life.touched)
        exit_note(HYPERVISOR_PAGE, false);
    life.touched = true;
}

static void call_follow(void)
{
    const uint64_t n = life.number;

    exit_note(HYPERVISOR_CALL, false);
    mix(n ^ life.job.call_key);
    mix(n);
    mix(n << 3);
    mix(~n);
}

static void port_follow(uint64_t kind)
{
    const uint64_t sum = life.job.port_sum, n = life.number;

    exit_note(HYPERVISOR_PORT, false);
    if (kind == STEP_OUT32)
        life.job.port_sum += n & 0xffffffff;
    else if (kind == STEP_OUT8)
        life.job.port_sum += n & 0xff;
    else
        mix(kind == STEP_IN32 ? sum & 0xffffffff : (n >> 8 << 8) | (sum & 0xff));
}

/* The oracle: one step of L2, with a hypervisor that keeps its contract. */
static void step_follow(uint64_t kind)
{
    switch (kind) {
    case STEP_CALL:
        call_follow();
        break;
    case STEP_CALLS:
        for (uint32_t i = 0; i < CALLS; i++)
            call_follow();
        break;
    case STEP_CPUID:
        exit_note(HYPERVISOR_CPUID, false);
        for (int i = 0; i < 4; i++)
            mix(life.job.cpuid_answer[i]);
        break;
    case STEP_NAME:
        exit_note(HYPERVISOR_CPUID, false);
        break;
    case STEP_LATE_READ:
        late_touch();
        mix(life.late[0]);
        break;
    case STEP_LATE_WRITE:
        late_touch();
        life.late[1] = life.number;
        break;
    case STEP_L0:
        life.l0_value = (uint32_t)life.number;
        life.l0_writes++;
        break;
    case STEP_HOLE:
        exit_note(HYPERVISOR_PAGE, true);
        break;
    default:
        port_follow(kind);
    }
}

/* From the start to HLT or the hole. */
static void life_follow(void)
{
    memcpy(&life.number, life.memory + MAILBOX_AT, sizeof life.number);
    for (life.place = 0; script_at((uint32_t)life.place) != STEP_HALT; life.place++) {
        step_follow(script_at((uint32_t)life.place));
        if (script_at((uint32_t)life.place) == STEP_HOLE)
            return;
    }
    exit_note(HYPERVISOR_HLT, false);
}

static const char *kind_name(uint32_t kind)
{
    static const char *const names[] = {"call", "CPUID", "port", "page", "HLT"};

    return kind < COUNT(names) ? names[kind] : "?";
}

static void end_expect(struct judge *judge, const struct hypervisor_job *got, bool hole)
{
    const uint64_t end = hole ? HYPERVISOR_HOLE : HYPERVISOR_HALTED;

    CHECK(judge, got->end != 0,
          "hypervisor_main() runs L2 to its end and says how it ended",
          "job->end is 0: it did not come back");
    CHECK(judge, got->end == end, "job->end says how L2 ended",
          "L2 %s; end is %" PRIu64 ", not %" PRIu64 " (detail %#" PRIx64 ")",
          hole ? "touched a hole" : "executed HLT", got->end, end, got->end_detail);
    CHECK(judge, !hole || got->end_detail == life.hole,
          "a hole's address is the L2-physical one",
          "L2 touched %#" PRIx64 ", end_detail is %#" PRIx64, life.hole, got->end_detail);
}

/* What L1 says of itself after a run to HLT. */
static void job_expect(struct judge *judge, const struct hypervisor_job *got)
{
    end_expect(judge, got, false);
    for (uint32_t i = 0; i < HYPERVISOR_EXITS; i++)
        CHECK(judge, got->exits[i] == life.job.exits[i],
              "each exit that is answered is counted",
              "%s: %" PRIu64 " counted, there were %" PRIu64, kind_name(i), got->exits[i],
              life.job.exits[i]);
    CHECK(judge, got->port_sum == life.job.port_sum,
          "the device adds up what L2 writes to it",
          "port_sum is %#" PRIx64 ", not %#" PRIx64, got->port_sum, life.job.port_sum);
}

static void l2_expect(struct judge *judge, const uint64_t *mailbox, const char *cpu,
                      const uint64_t *late)
{
    char name[13] = "";

    for (int i = 0; i < 3; i++) /* EBX, ECX, EDX; the name's order is EBX, EDX, ECX */
        memcpy(name + 4 * (i == 0 ? 0 : 3 - i), &mailbox[18 + i], 4);
    CHECK(judge, mailbox[17] == life.place, "L2 does every step of its script",
          "it came to step %" PRIu64 " of %" PRIu64, mailbox[17], life.place);
    CHECK(judge, mailbox[16] == life.number,
          "L2 sees what a hypervisor that keeps the contract would show it",
          "its number at the end is %#" PRIx64 ", not %#" PRIx64
          ": an answer was wrong, or a "
          "register was lost",
          mailbox[16], life.number);
    CHECK(judge, strcmp(name, cpu) == 0, "any other CPUID leaf is answered by the real CPU",
          "leaf 0 told L2 \"%.12s\", not \"%s\"", name, cpu);
    CHECK(judge, late[1] == life.late[1] && late[0] == life.late[0],
          "what L2 writes to the late page is in L1's page late_to",
          "its second word is %#" PRIx64 ", not %#" PRIx64, late[1], life.late[1]);
}

/* === on the Intel CPU ============================================================================= */

#define JOB_DATA  0x60000u
#define VMX_EXITS 40u

static struct silicon_program program;

static void vmx_run(struct judge *judge, enum step end)
{
    const uint64_t l2_at = 0x8000 + random_below(judge, 16) * PAGE,
                   late_at = 0x40000 + random_below(judge, 16) * PAGE;

    if (silicon_new(judge)->judge != judge) /* SKIPs where there is no Bochs */
        return;
    program = (struct silicon_program){.judge = judge, .exit_limit = VMX_EXITS};
    program.image = judge_program(judge, "small_hypervisor.vmx", SILICON_PROGRAM_MAX,
                                  &program.image_size);
    life_begin(judge, SILICON_JOB_HPA + l2_at, SILICON_JOB_HPA + late_at, true, end);
    program.data_size = JOB_DATA;
    program.data = calloc(1, JOB_DATA);
    memcpy(program.data, &life.job, sizeof life.job);
    memcpy(program.data + l2_at, life.memory, L2_SIZE);
    memcpy(program.data + late_at, life.late, sizeof life.late);
    silicon_program_run(&program);
    life_follow();
    CHECK(judge, !program.hangs, "the program comes to its end",
          "it was still there after 10 seconds, after %u VM exits: somebody executed HLT, "
          "and "
          "nothing wakes the processor (HLT of L2 has to exit)",
          program.exit_count);
    CHECK(judge, program.exit_count > 0,
          "L2 runs on the processor, and comes back by a VM exit",
          "the emulator saw no VM exit%s; job->end is %u, detail %#" PRIx64
          " (2 = a hole, 4 = no support, 5 = not entered: an error number of SDM 3D 31.4)",
          program.shut_down ? ", and then the CPU shut down (triple fault)" : "",
          (unsigned)((struct hypervisor_job *)(void *)program.data)->end,
          ((struct hypervisor_job *)(void *)program.data)->end_detail);
}

/* R14 and R15 are L2's, still in the processor when the emulator stopped at the exit. */
static void exit_witness(struct judge *judge, uint32_t i)
{
    const uint64_t *registers = program.exits[i].registers;

    CHECK(judge,
          registers[SILICON_R14] == life.exits[i].place &&
              registers[SILICON_R15] == life.exits[i].number,
          "the VM exits are those of L2's steps, in order",
          "VM exit %u: L2 was at step %" PRIu64 " with %#" PRIx64
          " in R15; expected the exit for "
          "a %s of step %" PRIu64 " with %#" PRIx64,
          i + 1, registers[SILICON_R14], registers[SILICON_R15],
          kind_name(life.exits[i].kind), life.exits[i].place, life.exits[i].number);
}

static void l2_is_launched_by_vmx(struct judge *judge)
{
    const uint32_t primary = PRIMARY_HLT_EXITING | PRIMARY_USE_IO_BITMAPS;

    vmx_run(judge, STEP_HALT);
    exit_witness(judge, 0);
    CHECK(judge, (program.vmcs.primary & primary) == primary,
          "HLT and the port of L1's device exit, and no other port",
          "the processor's primary controls are %#x, %#x are missing", program.vmcs.primary,
          primary & ~program.vmcs.primary);
    CHECK(judge, program.vmcs.secondary & SECONDARY_ENABLE_EPT,
          "L2's memory is behind an EPT", "the processor's secondary controls are %#x",
          program.vmcs.secondary);
    CHECK(judge, (program.vmcs.ept_pointer & 0x3f) == (EPTP_WALK_4 | EPTP_WRITE_BACK),
          "the EPT pointer names 4 levels, tables in write-back memory",
          "the processor's EPT pointer is %#" PRIx64, program.vmcs.ept_pointer);
}

static void vmx_exits_are_answered(struct judge *judge)
{
    const uint64_t *mailbox, *late;

    vmx_run(judge, STEP_HALT);
    for (uint32_t i = 0; i < life.exit_count && i < program.exit_count; i++)
        exit_witness(judge, i);
    CHECK(judge, program.exit_count == life.exit_count,
          "L2 exits as often as its script says, not more and not less",
          "the emulator saw %u VM exits, not %u; job->end is %" PRIu64 ", detail %#" PRIx64,
          program.exit_count, life.exit_count,
          ((struct hypervisor_job *)(void *)program.data)->end,
          ((struct hypervisor_job *)(void *)program.data)->end_detail);
    mailbox = (void *)(program.data + (life.job.l2_base - SILICON_JOB_HPA) + MAILBOX_AT);
    late = (void *)(program.data + (life.job.late_to - SILICON_JOB_HPA));
    job_expect(judge, (void *)program.data);
    l2_expect(judge, mailbox, "GenuineIntel", late);
}

/* (What L2's number is by then is vmx_exits_are_answered's business.) */
static void vmx_hole_ends_l2(struct judge *judge)
{
    uint64_t place;

    vmx_run(judge, STEP_HOLE);
    CHECK(judge, program.exit_count == life.exit_count,
          "a hole is an exit, and the last one", "the emulator saw %u VM exits, not %u",
          program.exit_count, life.exit_count);
    place = program.exits[life.exit_count - 1].registers[SILICON_R14];
    CHECK(judge, place == life.place, "L2's last exit is at its last step",
          "it was at step %" PRIu64 ", not %" PRIu64, place, life.place);
    end_expect(judge, (void *)program.data, true);
}

/* === under the VMM ================================================================================ */

#define L1_IMAGE_MAX 0x40000u

static struct lab10_guest_input guest_in;

static void piece_add(uint64_t gpa, const void *bytes, uint32_t length)
{
    uint32_t at = L1_IMAGE_MAX, n = guest_in.piece_count++;

    if (n)
        at = guest_in.pieces[n - 1].at + guest_in.pieces[n - 1].length;
    guest_in.pieces[n].gpa = gpa;
    guest_in.pieces[n].at = at;
    guest_in.pieces[n].length = length;
    memcpy(guest_in.bytes + at, bytes, length);
}

static const struct evidence *svm_run(struct judge *judge, enum step end)
{
    const uint64_t l2_base = 0x100000 + random_below(judge, 0x80) * PAGE,
                   late_to = 0x300000 + random_below(judge, 0x80) * PAGE;
    const struct window windows[] = {
        {.name = "guest-ram",
         .offset = MAILBOX_AT,
         .length = sizeof(struct hypervisor_job)},
        {.name = "guest-ram", .offset = l2_base + MAILBOX_AT, .length = 512},
        {.name = "guest-ram", .offset = late_to, .length = 16},
    };
    const struct run_spec spec = {.entry = LAB10_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = &guest_in,
                                  .input_size = sizeof guest_in,
                                  .windows = windows,
                                  .window_count = COUNT(windows)};
    size_t size;
    const void *image = judge_program(judge, "small_hypervisor.svm", L1_IMAGE_MAX, &size);

    memset(&guest_in, 0, sizeof guest_in);
    life_begin(judge, l2_base, late_to, false, end);
    memcpy(guest_in.bytes, image, size);
    guest_in.image_size = (uint32_t)size;
    guest_in.port = life.l0_port;
    piece_add(MAILBOX_AT, &life.job, sizeof life.job);
    piece_add(l2_base, life.memory, L2_SIZE);
    piece_add(late_to, life.late, sizeof life.late);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab10_guest_output));
    const struct lab10_guest_output *out = (const void *)e->answer;

    life_follow();
    CHECK(judge, out->ready, "a guest can be loaded (parts 01 and 02)",
          "one of their functions failed");
    CHECK(judge, kvm_events_count(&e->events, EVENT_NESTED_ENTRY, KVM_EVENT_ANY) > 0,
          "L1 enters L2 with VMRUN",
          "the kernel saw no VMRUN that succeeded; L1 ended with %s, job->end is %" PRIu64
          " (4 = no support), detail %#" PRIx64 "%s",
          out->status == 2 ? "a shutdown (triple fault)" : "HLT",
          window_u64(e, 0, 0, offsetof(struct hypervisor_job, end)),
          window_u64(e, 0, 0, offsetof(struct hypervisor_job, end_detail)),
          kvm_events_count(&e->events, EVENT_EXIT, SVM_EXIT_VMRUN)
              ? "; it saw one that it refused: is the VMCB consistent?"
              : "");
    return e;
}

static const struct kvm_event *event_next(const struct evidence *e, size_t *at,
                                          enum kvm_event_kind kind)
{
    while (*at < e->events.count) {
        const struct kvm_event *event = &e->events.list[(*at)++];

        if (event->kind == kind)
            return event;
    }
    return NULL;
}

static void l2_runs_under_l1(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);
    size_t at = 0;
    const struct kvm_event *first = event_next(e, &at, EVENT_NESTED_ENTRY);

    CHECK(judge, first->info1 == life.job.l2_rip, "L2 starts where the job says",
          "the kernel's first nested entry is at RIP %#" PRIx64 ", not %#" PRIx64,
          first->info1, life.job.l2_rip);
    CHECK(judge, first->info2, "L2's memory is behind nested paging",
          "the kernel says that the VMCB has it off");
    CHECK(judge, window_u64(e, 0, 1, 17 * 8) > 0 || life.place == 0, "L2's program runs",
          "L2 has not written to its memory");
    first = event_next(e, &at, EVENT_NESTED_REFLECT);
    CHECK(judge, first, "L2's first exit comes to L1", "the kernel reflected none");
}

static uint32_t svm_code(uint32_t i)
{
    static const uint32_t codes[] = {SVM_EXIT_VMMCALL, SVM_EXIT_CPUID, SVM_EXIT_IOIO,
                                     SVM_EXIT_NPF, SVM_EXIT_HLT};

    return codes[life.exits[i].kind];
}

static int number_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *list, size_t count)
{
    qsort(list, count, sizeof *list, number_compare);
    return count ? list[count / 2] : 0;
}

/* From one call of L2's to the next: how many exits to L0, how long. And an exit of L1's own: the
 * CPUIDs at its start (common/guest/hypervisor.S). */
static void cost_show(struct judge *judge, const struct evidence *e)
{
    static double exits[4096], times2[4096], times1[4096];
    const struct kvm_event *call = NULL, *cpuid = NULL;
    size_t n2 = 0, n1 = 0;
    unsigned count = 0;

    for (size_t i = 0; i < e->events.count && n1 < 4000 && n2 < 4000; i++) {
        const struct kvm_event *event = &e->events.list[i];

        count += event->kind == EVENT_EXIT;
        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_CPUID && !call) {
            if (cpuid)
                times1[n1++] = (double)(event->time_ns - cpuid->time_ns) / 1000;
            cpuid = event;
        }
        if (event->kind != EVENT_NESTED_REFLECT || event->reason != SVM_EXIT_VMMCALL)
            continue;
        if (call) {
            times2[n2] = (double)(event->time_ns - call->time_ns) / 1000;
            exits[n2++] = count;
        }
        call = event;
        count = 0;
    }
    judge_figure(judge, "exits to L0 for one exit of L2 to L1", median(exits, n2), "exits");
    judge_figure(judge, "time for one exit of L1", median(times1, n1), "us");
    judge_figure(judge, "time for one exit of L2 to L1", median(times2, n2), "us");
}

/* The exits that the kernel handed on to L1, in order, and the one that it did not. */
static void exits_of_l2_go_to_their_level(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);
    const struct kvm_event *event;
    uint32_t n = 0, kept = 0, l0_writes = 0;
    size_t at = 0;

    for (; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL; n++)
        CHECK(judge, n < life.exit_count && event->reason == svm_code(n),
              "L1 gets the exits that the contract names, in the order of L2's steps",
              "the kernel's exit %u to L1 is %s (%#x, info %#" PRIx64 "), not %s", n + 1,
              svm_exit_name(event->reason), event->reason, event->info1,
              n < life.exit_count ? kind_name(life.exits[n].kind) : "one more");
    CHECK(judge, n == life.exit_count, "L1 runs L2 to its end",
          "the kernel reflected %u exits of L2, not %u", n, life.exit_count);
    for (at = 0; (event = event_next(e, &at, EVENT_NESTED_EXIT)) != NULL;)
        kept += event->reason == SVM_EXIT_IOIO && event->info1 >> 16 == life.l0_port;
    for (at = 0; (event = event_next(e, &at, EVENT_PIO)) != NULL;)
        l0_writes += event->address == life.l0_port && event->value == life.l0_value;
    CHECK(judge, kept == life.l0_writes && l0_writes == life.l0_writes,
          "a port that L1 does not ask for is L0's: L2 reaches your VMM's device",
          "%u OUTs of L2 to port %#x exited to L0, the VMM's device got %u with the right "
          "number; "
          "there was to be %u",
          kept, life.l0_port, l0_writes, life.l0_writes);
    cost_show(judge, e);
}

static const void *window_bytes(struct judge *judge, const struct evidence *e,
                                unsigned window)
{
    CHECK(judge, e->windows[0][window].length, "the guest's memory is there after the run",
          "it could not be read");
    return e->windows[0][window].bytes;
}

static void svm_exits_are_answered(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HALT);

    job_expect(judge, window_bytes(judge, e, 0));
    l2_expect(judge, window_bytes(judge, e, 1), "AuthenticAMD", window_bytes(judge, e, 2));
}

static void nested_fault_is_repaired_or_ends_l2(struct judge *judge)
{
    const struct evidence *e = svm_run(judge, STEP_HOLE);
    const struct kvm_event *event;
    uint64_t faults[2] = {0};
    uint32_t n = 0;

    for (size_t at = 0; (event = event_next(e, &at, EVENT_NESTED_REFLECT)) != NULL;)
        if (event->reason == SVM_EXIT_NPF && n++ < 2)
            faults[n - 1] = event->info2;
    CHECK(judge, n == 2, "two nested page faults are L1's: the late page, and the hole",
          "the kernel reflected %u (%#" PRIx64 ", %#" PRIx64 ")", n, faults[0], faults[1]);
    CHECK(judge,
          faults[0] / PAGE == life.job.late_gpa / PAGE &&
              faults[1] / PAGE == life.hole / PAGE,
          "the faults are at the late page and at the hole",
          "the kernel says %#" PRIx64 " and %#" PRIx64 ", not %#" PRIx64 " and %#" PRIx64,
          faults[0], faults[1], life.job.late_gpa, life.hole);
    end_expect(judge, window_bytes(judge, e, 0), true);
}

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
                  "A switch over the reason: always true for 2, 9, 10, 13, 18 to 27, 50, "
                  "53, 55; a bit of pin or primary for the others; MOV to CR0: ((operand ^ "
                  "shadow) & mask) != 0."},
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
                  "Loop over port .. port + bytes - 1; past FFFFh: exit. MSRs: byte offset "
                  "0 or 1024 by range, plus 2048 for WRMSR; outside both ranges: exit."},
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
             "From root02 down to the level of the page's size; a missing table: pool + "
             "pool_used++ pages, memset, RWX entry."},
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
        .manual = "common/include/nested_ept.h, nested_ept_forget(); SDM 3D 31.3",
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
        .tenths = 7,
        .target = TARGET_SILICON,
        .run = vmx_exits_are_answered,
        .why = "An exit loop is a hypervisor's heart: look, answer, go on.",
        .handout = "Steps, 17 and 18",
        .slide = "VMCS – VM execution control section",
        .manual = "common/include/guest_hypervisor.h; SDM 3C 28.2.1, table 28-5",
        .hints = {"Which step does the message name? 0-based place in L2's script: what "
                  "did the step before ask for?",
                  "An instruction that was answered is done: RIP goes on. A page that was "
                  "repaired is tried again: RIP stays.",
                  "RIP += VM_EXIT_INSTRUCTION_LENGTH; IN AL keeps the rest of RAX, IN EAX "
                  "clears the upper half; VMRESUME from the second entry on."},
        .explanation = "Six kinds of exits are enough for a guest; a real one has sixty.",
    },
    {
        .id = "vmx_hole_ends_l2",
        .title = "a hole in L2's memory ends L2",
        .tenths = 2,
        .target = TARGET_SILICON,
        .run = vmx_hole_ends_l2,
        .why = "A guest that can touch what is not its own is no guest.",
        .handout = "Steps, 17",
        .slide = "Extended Page Tables",
        .manual = "common/include/guest_hypervisor.h; SDM 3C 28.2.1",
        .hints = {"Is every violation the late page?",
                  "Compare the GPA of the violation with late_gpa, page by page.",
                  "GUEST_PHYSICAL_ADDRESS / 4096 == late_gpa / 4096: repair; else end with "
                  "HYPERVISOR_HOLE and the address."},
        .explanation = "Nothing is mapped by accident: all that is not in the EPT exits.",
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
        .tenths = 4,
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
        .id = "nested_fault_is_repaired_or_ends_l2",
        .title = "a nested page fault: repaired, or the end",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = nested_fault_is_repaired_or_ends_l2,
        .why = "L1 gives memory when L2 asks for it, and only what it wants to give.",
        .handout = "Steps, 23",
        .slide = "Extended Page Tables",
        .manual = "common/include/guest_hypervisor.h; APM 2, 15.25.6",
        .hints = {"Two faults come: which is to be repaired?",
                  "EXITINFO2 is the L2-physical address; compare pages.",
                  "late_gpa: page_map(), RIP stays. Else HYPERVISOR_HOLE with EXITINFO2. "
                  "All levels of the table: present, writable, user."},
        .explanation = "Between L2's first touch and L1's #NPF KVM has walked your tables: "
                       "it is your EPT02 code, in the kernel.",
    },
};

const struct lab_checks lab_checks = {
    .name = "10-nested",
    .title = "Nested virtualization",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
