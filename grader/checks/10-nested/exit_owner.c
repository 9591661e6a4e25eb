/* exit_owner.c - whose is an exit of L2? nested_exit_owner() and nested_bitmaps_merge(), exit
 * after exit and bit after bit, under random controls and bitmaps. */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>

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
    return part_run(judge, LAB10_OWNERS, &owners, sizeof owners,
                    sizeof(struct lab10_owners_output));
}

/* Reasons that always exit (no bit), or for which one bit decides. All others never go to L1. */
static const struct {
    uint32_t reason, pin, primary;
} plain[] = {
    {VMX_EXIT_TRIPLE_FAULT, 0, 0},
    {VMX_EXIT_TASK_SWITCH, 0, 0},
    {VMX_EXIT_CPUID, 0, 0},
    {VMX_EXIT_INVD, 0, 0},
    {VMX_EXIT_XSETBV, 0, 0},
    {VMX_EXIT_VMCALL, 0, 0},
    {VMX_EXIT_VMCLEAR, 0, 0},
    {VMX_EXIT_VMLAUNCH, 0, 0},
    {VMX_EXIT_VMPTRLD, 0, 0},
    {VMX_EXIT_VMPTRST, 0, 0},
    {VMX_EXIT_VMREAD, 0, 0},
    {VMX_EXIT_VMRESUME, 0, 0},
    {VMX_EXIT_VMWRITE, 0, 0},
    {VMX_EXIT_VMXOFF, 0, 0},
    {VMX_EXIT_VMXON, 0, 0},
    {VMX_EXIT_INVEPT, 0, 0},
    {VMX_EXIT_INVVPID, 0, 0},
    {VMX_EXIT_HLT, 0, PRIMARY_HLT_EXITING},
    {VMX_EXIT_INVLPG, 0, PRIMARY_INVLPG_EXITING},
    {VMX_EXIT_RDTSC, 0, PRIMARY_RDTSC_EXITING},
    {VMX_EXIT_MOV_DR, 0, PRIMARY_MOV_DR_EXITING},
    {VMX_EXIT_PAUSE, 0, PRIMARY_PAUSE_EXITING},
    {VMX_EXIT_INTERRUPT_WINDOW, 0, PRIMARY_INTERRUPT_WINDOW_EXITING},
    {VMX_EXIT_PREEMPTION_TIMER, PIN_PREEMPTION_TIMER, 0},
};

static bool plain_wanted(const struct vmx_controls *c, uint32_t reason)
{
    for (uint32_t i = 0; i < COUNT(plain); i++)
        if (plain[i].reason == reason)
            return !(plain[i].pin | plain[i].primary) || (c->pin & plain[i].pin) ||
                   (c->primary & plain[i].primary);
    return false;
}

/* More than the reason decides: cr_access_make(), and the other checks. */
static bool is_plain(uint32_t reason)
{
    return reason != VMX_EXIT_EXCEPTION_OR_NMI && reason != VMX_EXIT_CR_ACCESS &&
           reason != VMX_EXIT_IO_INSTRUCTION && reason != VMX_EXIT_RDMSR &&
           reason != VMX_EXIT_WRMSR;
}

/* MOVs to and from control registers: does the level want it? */
static bool cr_access_make(struct judge *judge, const struct vmx_controls *c,
                           struct nested_exit *e)
{
    const unsigned number = (const unsigned[]){0, 3, 4, 8}[random_below(judge, 4)];
    const unsigned type = random_below(judge, 2);
    const uint64_t mask = number == 0 ? c->cr0_mask : c->cr4_mask;
    const uint64_t shadow = number == 0 ? c->cr0_shadow : c->cr4_shadow;
    const unsigned bit = random_below(judge, 64);

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

void exits_go_to_who_asked(struct judge *judge)
{
    bool want[LAB10_EXITS];

    for (uint32_t level = 0; level < LAB10_LEVELS; level++) {
        struct vmx_controls *c = &owners.controls[level];

        random_fill(judge, c, sizeof *c);
        if (level & 1) { /* each control once set, once clear */
            c->pin = ~c[-1].pin;
            c->primary = ~c[-1].primary;
        }
        for (uint32_t reason = 0; reason < VMX_EXIT_REASON_COUNT; reason++) {
            if (!is_plain(reason))
                continue;
            exit_add(judge, level, reason)->qualification = judge_random(judge);
            want[owners.exit_count - 1] = plain_wanted(c, reason);
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

static void page_fault_add(struct judge *judge, uint32_t level, uint32_t code, bool *want)
{
    const struct vmx_controls *c = &owners.controls[level];
    const uint32_t mask = c->page_fault_error_code_mask,
                   match = c->page_fault_error_code_match;
    const bool equal = ((code ^ match) & mask) == 0 && !(match & ~mask);
    struct nested_exit *e = exit_add(judge, level, VMX_EXIT_EXCEPTION_OR_NMI);

    e->interruption_info = 0x80000b0e;
    e->error_code = code;
    want[owners.exit_count - 1] = equal == (c->exception_bitmap >> 14 & 1);
}

/* INT1, INT3 and INTO give other types of event than the exceptions themselves. */
static uint32_t event_type(uint32_t vector, bool by_instruction)
{
    if (vector == 2)
        return VMX_EVENT_NMI;
    if (vector == 1 && by_instruction)
        return VMX_EVENT_PRIVILEGED_SOFTWARE_EXCEPTION;
    if ((vector == 3 || vector == 4) && by_instruction)
        return VMX_EVENT_SOFTWARE_EXCEPTION;
    return VMX_EVENT_HARDWARE_EXCEPTION;
}

/* All but #PF, and an NMI. */
static void exceptions_add(struct judge *judge, uint32_t level, bool *want)
{
    for (uint32_t vector = 0; vector < 32; vector++) {
        const uint32_t type = event_type(vector, level & 1);

        if (vector == 14)
            continue;
        exit_add(judge, level, VMX_EXIT_EXCEPTION_OR_NMI)->interruption_info =
            VMX_EVENT_VALID | type << VMX_EVENT_TYPE_SHIFT | vector;
        want[owners.exit_count - 1] =
            type != VMX_EVENT_NMI &&
            (owners.controls[level].exception_bitmap >> vector & 1);
    }
}

/* Masks and matches of five bits; and of all bits. */
static void page_fault_filter_make(struct judge *judge, uint32_t level)
{
    struct vmx_controls *c = &owners.controls[level];

    c->exception_bitmap = ((uint32_t)judge_random(judge) & ~(1u << 14)) | (level & 1) << 14;
    c->page_fault_error_code_mask = level < 2 ? 0 : 1 + random_below(judge, 31);
    c->page_fault_error_code_match =
        level < 4 ? 0 : random_below(judge, 32) & c->page_fault_error_code_mask;
    if (level == 6) {
        c->page_fault_error_code_mask = (uint32_t)judge_random(judge);
        c->page_fault_error_code_match =
            (uint32_t)judge_random(judge) & c->page_fault_error_code_mask;
    }
    if (level == 7) /* a match that no error code has */
        c->page_fault_error_code_match |= 1u << 9;
}

/* Every error code of five bits in turn, and some of all bits that match. */
void page_faults_are_filtered(struct judge *judge)
{
    bool want[LAB10_EXITS];

    for (uint32_t level = 0; level < LAB10_LEVELS; level++) {
        const struct vmx_controls *c = &owners.controls[level];

        page_fault_filter_make(judge, level);
        exceptions_add(judge, level, want);
        for (uint32_t code = 0; code < 32; code++)
            page_fault_add(judge, level, code, want);
        for (uint32_t i = 0; i < 8; i++)
            page_fault_add(
                judge, level,
                c->page_fault_error_code_match |
                    ((uint32_t)judge_random(judge) & ~c->page_fault_error_code_mask),
                want);
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

    e->qualification = (bytes - 1) | random_below(judge, 16) << 3 | (uint64_t)port << 16;
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
    if (random_below(judge, 6) == 0)
        e->msr = (uint32_t)judge_random(judge);
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

void ports_and_msrs_go_by_bitmap(struct judge *judge)
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

void merged_bitmaps_miss_nothing(struct judge *judge)
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
    const struct lab10_bitmaps_output *out =
        part_run(judge, LAB10_BITMAPS, &in, sizeof in, sizeof(struct lab10_bitmaps_output));

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
