/* nested_controls.c - part 10: who answers an exit of L2; the VMCS that really runs.
 * The contract of every function is in common/include/nested_controls.h. */
#include "nested_controls.h"

#include <string.h>

#include "x86.h"

//@begin
//@ /* TODO 1: would it have exited on L1's processor? One small question a kind of exit. */
//@
#define VECTOR_NMI        2u
#define VECTOR_PAGE_FAULT 14u
#define PORTS             0x10000u

static bool bitmap_bit(const uint8_t *bitmap, uint32_t number)
{
    return bitmap[number / 8] >> number % 8 & 1;
}

static bool exception_exits(const struct nested_exit *e, const struct vmx_controls *c)
{
    const uint32_t vector = e->interruption_info & VMX_EVENT_VECTOR;
    const uint32_t type = (e->interruption_info & VMX_EVENT_TYPE) >> VMX_EVENT_TYPE_SHIFT;
    const bool bit = c->exception_bitmap >> (vector & 31) & 1;

    if (type == VMX_EVENT_NMI)
        return false;
    if (vector != VECTOR_PAGE_FAULT)
        return bit;
    return bit == ((e->error_code & c->page_fault_error_code_mask) ==
                   c->page_fault_error_code_match);
}

static bool port_exits(const struct nested_exit *e, const struct vmx_controls *c,
                       const struct nested_bitmaps *b)
{
    const uint32_t port = (uint32_t)(e->qualification >> 16) & 0xffff;
    const uint32_t end = port + (uint32_t)(e->qualification & 7) + 1;

    if (!(c->primary & PRIMARY_USE_IO_BITMAPS))
        return c->primary & PRIMARY_UNCONDITIONAL_IO_EXITING;
    for (uint32_t p = port; p < end && p < PORTS; p++)
        if (bitmap_bit(p < PORTS / 2 ? b->io_a : b->io_b, p % (PORTS / 2)))
            return true;
    return end > PORTS;
}

static bool msr_exits(const struct nested_exit *e, const struct vmx_controls *c,
                      const struct nested_bitmaps *b)
{
    const uint8_t *bitmap = b->msr + (e->reason == VMX_EXIT_WRMSR ? 2048 : 0);

    if (!(c->primary & PRIMARY_USE_MSR_BITMAPS))
        return true;
    if (e->msr < 0x2000)
        return bitmap_bit(bitmap, e->msr);
    if (e->msr >= 0xc0000000 && e->msr < 0xc0002000)
        return bitmap_bit(bitmap + 1024, e->msr - 0xc0000000);
    return true;
}

static bool cr_access_exits(const struct nested_exit *e, const struct vmx_controls *c)
{
    const unsigned type = e->qualification >> 4 & 3;

    switch (e->qualification & 15) {
    case 0:
        return type == 0 && ((e->operand ^ c->cr0_shadow) & c->cr0_mask);
    case 4:
        return type == 0 && ((e->operand ^ c->cr4_shadow) & c->cr4_mask);
    case 3:
        return (type == 0 && (c->primary & PRIMARY_CR3_LOAD_EXITING)) ||
               (type == 1 && (c->primary & PRIMARY_CR3_STORE_EXITING));
    default:
        return false;
    }
}

static bool l1_wants(const struct nested_exit *e, const struct vmx_controls *c,
                     const struct nested_bitmaps *b)
{
    switch (e->reason) {
    case VMX_EXIT_EXCEPTION_OR_NMI:
        return exception_exits(e, c);
    case VMX_EXIT_TRIPLE_FAULT:
    case VMX_EXIT_TASK_SWITCH:
    case VMX_EXIT_CPUID:
    case VMX_EXIT_INVD:
    case VMX_EXIT_XSETBV:
    case VMX_EXIT_VMCALL ... VMX_EXIT_VMXON:
    case VMX_EXIT_INVEPT:
    case VMX_EXIT_INVVPID:
        return true;
    case VMX_EXIT_HLT:
        return c->primary & PRIMARY_HLT_EXITING;
    case VMX_EXIT_INVLPG:
        return c->primary & PRIMARY_INVLPG_EXITING;
    case VMX_EXIT_RDTSC:
        return c->primary & PRIMARY_RDTSC_EXITING;
    case VMX_EXIT_MOV_DR:
        return c->primary & PRIMARY_MOV_DR_EXITING;
    case VMX_EXIT_PAUSE:
        return c->primary & PRIMARY_PAUSE_EXITING;
    case VMX_EXIT_INTERRUPT_WINDOW:
        return c->primary & PRIMARY_INTERRUPT_WINDOW_EXITING;
    case VMX_EXIT_PREEMPTION_TIMER:
        return c->pin & PIN_PREEMPTION_TIMER;
    case VMX_EXIT_CR_ACCESS:
        return cr_access_exits(e, c);
    case VMX_EXIT_IO_INSTRUCTION:
        return port_exits(e, c, b);
    case VMX_EXIT_RDMSR:
    case VMX_EXIT_WRMSR:
        return msr_exits(e, c, b);
    default:
        return false;
    }
}

//@end
enum exit_owner nested_exit_owner(const struct nested_exit *exit,
                                  const struct vmx_controls *controls12,
                                  const struct nested_bitmaps *bitmaps12)
{
    //@begin
    //@ (void)exit, (void)controls12, (void)bitmaps12;
    //@ return 0;
    return l1_wants(exit, controls12, bitmaps12) ? OWNER_L1 : OWNER_L0;
    //@end
}

//@begin
//@ /* TODO 2: what a level wants, as a byte of a bitmap. Then OR. */
//@
static uint8_t io_byte(const struct vmx_controls *c, const uint8_t *bitmap, uint32_t i)
{
    if (c->primary & PRIMARY_USE_IO_BITMAPS)
        return bitmap[i];
    return c->primary & PRIMARY_UNCONDITIONAL_IO_EXITING ? 0xff : 0;
}

static uint8_t msr_byte(const struct vmx_controls *c, const uint8_t *bitmap, uint32_t i)
{
    return c->primary & PRIMARY_USE_MSR_BITMAPS ? bitmap[i] : 0xff;
}

//@end
void nested_bitmaps_merge(const struct nested_bitmaps *bitmaps02,
                          const struct vmx_controls *controls01,
                          const struct nested_bitmaps *bitmaps01,
                          const struct vmx_controls *controls12,
                          const struct nested_bitmaps *bitmaps12)
{
    //@begin
    //@ (void)bitmaps02, (void)controls01, (void)bitmaps01, (void)controls12, (void)bitmaps12;
    for (uint32_t i = 0; i < BITMAP_BYTES; i++) {
        bitmaps02->io_a[i] = io_byte(controls01, bitmaps01->io_a, i) |
                             io_byte(controls12, bitmaps12->io_a, i);
        bitmaps02->io_b[i] = io_byte(controls01, bitmaps01->io_b, i) |
                             io_byte(controls12, bitmaps12->io_b, i);
        bitmaps02->msr[i] = msr_byte(controls01, bitmaps01->msr, i) |
                            msr_byte(controls12, bitmaps12->msr, i);
    }
    //@end
}

//@begin
//@ /* TODO 3: the controls, field by field as the contract lists them. */
//@
#define APIC_CONTROLS                                                                      \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC_MODE |               \
     SECONDARY_APIC_REGISTER_VIRTUALIZATION | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)
#define PRIMARY_OFF (PRIMARY_USE_TPR_SHADOW | PRIMARY_UNCONDITIONAL_IO_EXITING)
#define PRIMARY_ON                                                                         \
    (PRIMARY_USE_IO_BITMAPS | PRIMARY_USE_MSR_BITMAPS | PRIMARY_SECONDARY_CONTROLS)

static void execution_controls_merge(struct vmx_controls *c02,
                                     const struct vmx_controls *c01,
                                     const struct vmx_controls *c12,
                                     const struct nested_pages *pages)
{
    c02->pin = (c01->pin | c12->pin) & ~PIN_POSTED_INTERRUPTS;
    c02->primary = ((c01->primary | c12->primary) & ~PRIMARY_OFF) | PRIMARY_ON;
    c02->secondary = ((c01->secondary | c12->secondary) &
                      ~(APIC_CONTROLS | SECONDARY_UNRESTRICTED_GUEST)) |
                     NESTED_SECONDARY;
    c02->io_bitmap_a = pages->io_bitmap_a;
    c02->io_bitmap_b = pages->io_bitmap_b;
    c02->msr_bitmap = pages->msr_bitmap;
    c02->vpid = pages->vpid;
    c02->ept_pointer =
        c12->secondary & SECONDARY_ENABLE_EPT ? pages->ept_pointer : c01->ept_pointer;
}

static bool page_faults_wanted(const struct vmx_controls *c)
{
    return c->exception_bitmap >> VECTOR_PAGE_FAULT & 1 || c->page_fault_error_code_mask ||
           c->page_fault_error_code_match;
}

static void exceptions_merge(struct vmx_controls *c02, const struct vmx_controls *c01,
                             const struct vmx_controls *c12)
{
    const uint32_t bit = 1u << VECTOR_PAGE_FAULT;
    const bool w01 = page_faults_wanted(c01), w12 = page_faults_wanted(c12);
    const struct vmx_controls *one = w01 ? c01 : c12;

    c02->exception_bitmap = c01->exception_bitmap | c12->exception_bitmap;
    if (w01 && w12) {
        c02->exception_bitmap |= bit;
        return;
    }
    c02->page_fault_error_code_mask = one->page_fault_error_code_mask;
    c02->page_fault_error_code_match = one->page_fault_error_code_match;
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

/* Where mask is 1, `ones` counts, elsewhere `zeros`. */
static uint64_t choose(uint64_t mask, uint64_t ones, uint64_t zeros)
{
    return (ones & mask) | (zeros & ~mask);
}

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

    *g02 = vmcs12->guest;
    g02->cr0 = choose(vmcs01->controls.cr0_mask, vmcs01->guest.cr0, vmcs12->guest.cr0);
    g02->cr4 = choose(vmcs01->controls.cr4_mask, vmcs01->guest.cr4, vmcs12->guest.cr4);
    if (!(vmcs12->controls.entry & ENTRY_LOAD_EFER))
        g02->efer = choose(EFER_LMA | EFER_LME, long_mode, vmcs01->guest.efer);
    g02->interrupt_status = 0;
}

//@end
int nested_enter(struct nested_vmcs *vmcs02, const struct nested_vmcs *vmcs01,
                 const struct nested_vmcs *vmcs12, const struct nested_pages *pages)
{
    //@begin
    //@ /* TODO 4: refuse what was not offered; then controls, guest state, host state. */
    //@ (void)vmcs02, (void)vmcs01, (void)vmcs12, (void)pages;
    //@ return -1;
    const struct vmx_controls *c01 = &vmcs01->controls, *c12 = &vmcs12->controls;
    struct vmx_controls *c02 = &vmcs02->controls;

    if ((c12->pin & ~NESTED_PIN) || (c12->secondary & ~NESTED_SECONDARY) ||
        (c12->primary & PRIMARY_USE_TPR_SHADOW))
        return 7;
    memset(vmcs02, 0, sizeof *vmcs02);
    execution_controls_merge(c02, c01, c12, pages);
    exceptions_merge(c02, c01, c12);
    entry_merge(c02, c01, c12);
    c02->preemption_timer = timer_merge(c01, c12);
    c02->cr0_mask = c01->cr0_mask | c12->cr0_mask;
    c02->cr4_mask = c01->cr4_mask | c12->cr4_mask;
    c02->cr0_shadow = choose(c12->cr0_mask, c12->cr0_shadow, vmcs12->guest.cr0);
    c02->cr4_shadow = choose(c12->cr4_mask, c12->cr4_shadow, vmcs12->guest.cr4);
    guest_state_merge(&vmcs02->guest, vmcs01, vmcs12);
    vmcs02->host = vmcs01->host;
    return 0;
    //@end
}

//@begin
//@ /* TODO 5: a control register of L2 as L1 should find it; L1 after its VM exit. */
//@
static uint64_t cr_reflect(uint64_t before, uint64_t mask12, uint64_t mask02,
                           uint64_t shadow02, uint64_t real02)
{
    return choose(mask12, before, choose(mask02, shadow02, real02));
}

static void l1_continue(struct vmx_guest_state *l1, const struct nested_vmcs *vmcs12)
{
    const struct nested_host_state *host = &vmcs12->host;

    l1->cr0 = host->cr0;
    l1->cr3 = host->cr3;
    l1->cr4 = host->cr4;
    l1->rsp = host->rsp;
    l1->rip = host->rip;
    if (vmcs12->controls.exit & EXIT_LOAD_EFER)
        l1->efer = host->efer;
    l1->rflags = RFLAGS_RESERVED;
    l1->dr7 = 0x400;
    l1->activity_state = l1->interruptibility_state = 0;
}

//@end
void nested_reflect(struct nested_vmcs *vmcs01, struct nested_vmcs *vmcs12,
                    const struct nested_vmcs *vmcs02)
{
    //@begin
    //@ /* TODO 6: what L1 finds in vmcs12; then L1 itself. */
    //@ (void)vmcs01, (void)vmcs12, (void)vmcs02;
    const struct vmx_guest_state before = vmcs12->guest;
    const struct vmx_controls *c02 = &vmcs02->controls;
    struct vmx_controls *c12 = &vmcs12->controls;
    struct vmx_guest_state *g12 = &vmcs12->guest;

    vmcs12->exit = vmcs02->exit;
    *g12 = vmcs02->guest;
    g12->cr0 = cr_reflect(before.cr0, c12->cr0_mask, c02->cr0_mask, c02->cr0_shadow,
                          vmcs02->guest.cr0);
    g12->cr4 = cr_reflect(before.cr4, c12->cr4_mask, c02->cr4_mask, c02->cr4_shadow,
                          vmcs02->guest.cr4);
    g12->interrupt_status = before.interrupt_status;
    if (!(c12->exit & EXIT_SAVE_EFER))
        g12->efer = before.efer;
    c12->entry_interruption_info &= ~VMX_EVENT_VALID;
    c12->entry &= ~ENTRY_IA32E_MODE_GUEST;
    if (vmcs02->guest.efer & EFER_LMA)
        c12->entry |= ENTRY_IA32E_MODE_GUEST;
    l1_continue(&vmcs01->guest, vmcs12);
    //@end
}
