/* nested_controls.c - part 10: who answers an exit of L2; the VMCS that really
 * runs. The contract is in common/include/nested_controls.h. */
#include "nested_controls.h"

#include <string.h>

#include "x86.h"

#define VECTOR_PAGE_FAULT 14u
#define PORTS             0x10000u

static inline bool bitmap_bit(const uint8_t *bitmap, uint32_t number)
{
    return bitmap[number / 8] >> number % 8 & 1;
}

/* Is the bit of one of the ports set, or do they pass the last? (Part 06.) */
static inline bool ports_bit(const struct nested_bitmaps *b, uint32_t port, uint32_t bytes)
{
    for (uint32_t p = port; p < port + bytes && p < PORTS; p++)
        if (bitmap_bit(p < PORTS / 2 ? b->io_a : b->io_b, p % (PORTS / 2)))
            return true;
    return port + bytes > PORTS;
}

/* The same for an MSR; one that has no bit counts as set. */
static inline bool msr_bit(const struct nested_bitmaps *b, uint32_t msr, bool is_write)
{
    const uint8_t *bitmap = b->msr + (is_write ? 2048 : 0);

    if (msr < 0x2000)
        return bitmap_bit(bitmap, msr);
    if (msr >= 0xc0000000 && msr < 0xc0002000)
        return bitmap_bit(bitmap + 1024, msr - 0xc0000000);
    return true;
}

/* Exits that happen under any controls. */
static inline bool no_control_prevents(uint32_t reason)
{
    switch (reason) {
    case VMX_EXIT_TRIPLE_FAULT:
    case VMX_EXIT_TASK_SWITCH:
    case VMX_EXIT_CPUID:
    case VMX_EXIT_INVD:
    case VMX_EXIT_XSETBV:
    case VMX_EXIT_VMCALL ... VMX_EXIT_VMXON:
    case VMX_EXIT_INVEPT:
    case VMX_EXIT_INVVPID:
        return true;
    default:
        return false;
    }
}

/* The primary control that alone decides about a reason; 0: there is none. */
static inline uint32_t primary_control(uint32_t reason)
{
    switch (reason) {
    case VMX_EXIT_HLT:
        return PRIMARY_HLT_EXITING;
    case VMX_EXIT_INVLPG:
        return PRIMARY_INVLPG_EXITING;
    case VMX_EXIT_RDTSC:
        return PRIMARY_RDTSC_EXITING;
    case VMX_EXIT_MOV_DR:
        return PRIMARY_MOV_DR_EXITING;
    case VMX_EXIT_PAUSE:
        return PRIMARY_PAUSE_EXITING;
    case VMX_EXIT_INTERRUPT_WINDOW:
        return PRIMARY_INTERRUPT_WINDOW_EXITING;
    default:
        return 0;
    }
}

/* Does L1 want an exception of L2's? */
static inline bool exception_exits(const struct nested_exit *e,
                                   const struct vmx_controls *c)
{
    const uint32_t vector = e->interruption_info & VMX_EVENT_VECTOR;
    const uint32_t type = (e->interruption_info & VMX_EVENT_TYPE) >> VMX_EVENT_TYPE_SHIFT;

    /* TODO 1: by the bitmap; but an NMI is none, and a #PF has a filter. */
    (void)vector, (void)type, (void)c;
    return false;
}

/* Does it want a MOV to or from a control register? */
static inline bool cr_access_exits(const struct nested_exit *e,
                                   const struct vmx_controls *c)
{
    /* TODO 1: which register, which way? Whose are the bits that change? */
    (void)e, (void)c;
    return false;
}

/* Does it want IN, OUT, INS or OUTS? */
static inline bool port_exits(const struct nested_exit *e, const struct vmx_controls *c,
                              const struct nested_bitmaps *b)
{
    const uint32_t port = e->qualification >> 16 & 0xffff;
    const uint32_t bytes = (e->qualification & 7) + 1;

    /* TODO 1: two controls have a say. Is one stronger? */
    (void)port, (void)bytes, (void)c, (void)b;
    return false;
}

/* Does it want RDMSR or WRMSR? */
static inline bool msr_exits(const struct nested_exit *e, const struct vmx_controls *c,
                             const struct nested_bitmaps *b)
{
    return !(c->primary & PRIMARY_USE_MSR_BITMAPS) ||
           msr_bit(b, e->msr, e->reason == VMX_EXIT_WRMSR);
}

/* TODO 1: would it have exited on L1's processor? */

enum exit_owner nested_exit_owner(const struct nested_exit *exit,
                                  const struct vmx_controls *controls12,
                                  const struct nested_bitmaps *bitmaps12)
{
    (void)exit, (void)controls12, (void)bitmaps12;
    return 0;
}

/* What a level wants of eight ports: byte i of one of its I/O bitmaps. */
static uint8_t io_byte(const struct vmx_controls *c, const uint8_t *bitmap, uint32_t i)
{
    /* TODO 2: if the level uses it. And if not? */
    (void)c, (void)bitmap, (void)i;
    return 0;
}

/* The same for eight MSRs. */
static uint8_t msr_byte(const struct vmx_controls *c, const uint8_t *bitmap, uint32_t i)
{
    /* TODO 2 */
    (void)c, (void)bitmap, (void)i;
    return 0;
}

void nested_bitmaps_merge(const struct nested_bitmaps *bitmaps02,
                          const struct vmx_controls *controls01,
                          const struct nested_bitmaps *bitmaps01,
                          const struct vmx_controls *controls12,
                          const struct nested_bitmaps *bitmaps12)
{
    for (uint32_t i = 0; i < BITMAP_BYTES; i++) {
        bitmaps02->io_a[i] = io_byte(controls01, bitmaps01->io_a, i) |
                             io_byte(controls12, bitmaps12->io_a, i);
        bitmaps02->io_b[i] = io_byte(controls01, bitmaps01->io_b, i) |
                             io_byte(controls12, bitmaps12->io_b, i);
        bitmaps02->msr[i] = msr_byte(controls01, bitmaps01->msr, i) |
                            msr_byte(controls12, bitmaps12->msr, i);
    }
}

/* What vmcs02 never has, and what it always has. */
#define PRIMARY_OFF (PRIMARY_USE_TPR_SHADOW | PRIMARY_UNCONDITIONAL_IO_EXITING)
#define PRIMARY_ON                                                                         \
    (PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS | PRIMARY_SECONDARY_CONTROLS)
#define SECONDARY_OFF                                                                      \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE |               \
     SECONDARY_APIC_REGISTER_VIRTUALIZATION | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY |       \
     SECONDARY_UNRESTRICTED_GUEST)

/* Where mask is 1, `ones` counts, elsewhere `zeros`. */
static inline uint64_t choose(uint64_t mask, uint64_t ones, uint64_t zeros)
{
    return (ones & mask) | (zeros & ~mask);
}

static void execution_controls_merge(struct vmx_controls *c02,
                                     const struct vmx_controls *c01,
                                     const struct vmx_controls *c12,
                                     const struct nested_pages *pages)
{
    c02->io_bitmap_a = pages->io_bitmap_a;
    c02->io_bitmap_b = pages->io_bitmap_b;
    c02->msr_bitmap = pages->msr_bitmap;
    c02->vpid = pages->vpid;
    /* TODO 3: pin, primary, secondary; which EPT. The macros above may help. */
    (void)c01, (void)c12;
}

/* Does a #PF exit to this level, any at all? */
static inline bool page_faults_wanted(const struct vmx_controls *c)
{
    return c->exception_bitmap >> VECTOR_PAGE_FAULT & 1 || c->page_fault_error_code_mask ||
           c->page_fault_error_code_match;
}

static void exceptions_merge(struct vmx_controls *c02, const struct vmx_controls *c01,
                             const struct vmx_controls *c12)
{
    /* TODO 3: the OR; but #PF has a filter, and two filters are not one. */
    (void)c02, (void)c01, (void)c12;
}

static uint32_t timer_merge(const struct vmx_controls *c01, const struct vmx_controls *c12)
{
    const uint32_t t01 =
        c01->pin & PIN_PREEMPTION_TIMER ? c01->preemption_timer : UINT32_MAX;
    const uint32_t t12 =
        c12->pin & PIN_PREEMPTION_TIMER ? c12->preemption_timer : UINT32_MAX;

    if (!((c01->pin | c12->pin) & PIN_PREEMPTION_TIMER))
        return 0;
    return t01 < t12 ? t01 : t12;
}

/* Exit and entry controls, and the event that L1 injects. */
static void entry_merge(struct vmx_controls *c02, const struct vmx_controls *c01,
                        const struct vmx_controls *c12)
{
    c02->exit = c01->exit;
    c02->entry = (uint32_t)choose(ENTRY_IA32E_MODE_GUEST, c12->entry, c01->entry);
    c02->entry_interruption_info = c12->entry_interruption_info;
    c02->entry_exception_error_code = c12->entry_exception_error_code;
    c02->entry_instruction_length = c12->entry_instruction_length;
}

static void guest_state_merge(struct vmx_guest_state *g02, const struct nested_vmcs *vmcs01,
                              const struct nested_vmcs *vmcs12)
{
    const uint64_t long_mode =
        vmcs12->controls.entry & ENTRY_IA32E_MODE_GUEST ? EFER_LMA | EFER_LME : 0;

    /* TODO 4: L2's; but some bits are L0's. */
    (void)g02, (void)vmcs01, (void)long_mode;
}

int nested_enter(struct nested_vmcs *vmcs02, const struct nested_vmcs *vmcs01,
                 const struct nested_vmcs *vmcs12, const struct nested_pages *pages)
{
    const struct vmx_controls *c01 = &vmcs01->controls, *c12 = &vmcs12->controls;
    struct vmx_controls *c02 = &vmcs02->controls;

    /* TODO 4: refuse what L1 was not offered. */
    memset(vmcs02, 0, sizeof *vmcs02);
    execution_controls_merge(c02, c01, c12, pages);
    exceptions_merge(c02, c01, c12);
    entry_merge(c02, c01, c12);
    c02->preemption_timer = timer_merge(c01, c12);
    guest_state_merge(&vmcs02->guest, vmcs01, vmcs12);
    c02->cr0_mask = c01->cr0_mask | c12->cr0_mask;
    c02->cr4_mask = c01->cr4_mask | c12->cr4_mask;
    /* TODO 4: what L2 reads in CR0 and CR4; where its exits lead. */
    return 0;
}

/* L1 after its VM exit. */
static inline void l1_continue(struct vmx_guest_state *l1, const struct nested_vmcs *vmcs12)
{
    const struct nested_host_state *host = &vmcs12->host;

    l1->cr0 = host->cr0;
    l1->cr3 = host->cr3;
    l1->cr4 = host->cr4;
    /* TODO 5: where does it go on? EFER only if L1 wants it. */
    l1->rflags = RFLAGS_RESERVED;
    l1->dr7 = 0x400;
    l1->activity_state = l1->interruptibility_state = 0;
}

/* A control register of L2 as L1 should find it. mask02: not L2's. */
static inline uint64_t cr_reflect(uint64_t before, uint64_t mask12, uint64_t mask02,
                                  uint64_t shadow02, uint64_t real02)
{
    /* TODO 5: each bit has one owner. */
    (void)before, (void)mask12, (void)mask02, (void)shadow02;
    return real02;
}

void nested_reflect(struct nested_vmcs *vmcs01, struct nested_vmcs *vmcs12,
                    const struct nested_vmcs *vmcs02)
{
    const struct vmx_guest_state before = vmcs12->guest;
    const struct vmx_controls *c02 = &vmcs02->controls;
    struct vmx_controls *c12 = &vmcs12->controls;
    struct vmx_guest_state *g12 = &vmcs12->guest;

    /* TODO 6: what L1 finds in vmcs12; then L1 itself. */
    (void)before, (void)c02, (void)g12, (void)vmcs01;
    c12->entry &= ~ENTRY_IA32E_MODE_GUEST;
    if (vmcs02->guest.efer & EFER_LMA)
        c12->entry |= ENTRY_IA32E_MODE_GUEST;
}
