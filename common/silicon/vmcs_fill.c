/* vmcs_fill.c - the VMCS, field by field, in its groups (SDM 3C 25.3).
 *
 * The order of the VMWRITEs does not matter; VM entry checks the whole. (SDM 3C chapter 27)
 */
#include "cpu.h"
#include "runtime.h"

#define MSR_EFER 0xc0000080

/* --- controls --------------------------------------------------------------------------------- */

/* Adds what the processor demands; notes what it does not offer. */
static uint64_t control_adjust(enum vmcs_field field, uint32_t wanted, uint64_t capability,
                               uint64_t *missing)
{
    uint32_t required = (uint32_t)capability, allowed = (uint32_t)(capability >> 32);

    if (wanted & ~allowed && !*missing)
        *missing = (uint64_t)field << 32 | (wanted & ~allowed);
    return (wanted | required) & allowed;
}

static void execution_controls_fill(const struct vmx_controls *c,
                                    const struct vmx_capabilities *can, uint64_t *missing)
{
    uint32_t primary = c->primary | (c->secondary ? PRIMARY_SECONDARY_CONTROLS : 0);

    vmcs_write(VMCS_PIN_BASED_CONTROLS,
               control_adjust(VMCS_PIN_BASED_CONTROLS, c->pin, can->pin, missing));
    vmcs_write(
        VMCS_PRIMARY_PROCESSOR_CONTROLS,
        control_adjust(VMCS_PRIMARY_PROCESSOR_CONTROLS, primary, can->primary, missing));
    if (primary & PRIMARY_SECONDARY_CONTROLS)
        vmcs_write(VMCS_SECONDARY_PROCESSOR_CONTROLS,
                   control_adjust(VMCS_SECONDARY_PROCESSOR_CONTROLS, c->secondary,
                                  can->secondary, missing));

    /* Which exceptions exit; for #PF the error code has its say (25.6.3). */
    vmcs_write(VMCS_EXCEPTION_BITMAP, c->exception_bitmap);
    vmcs_write(VMCS_PAGE_FAULT_ERROR_CODE_MASK, c->page_fault_error_code_mask);
    vmcs_write(VMCS_PAGE_FAULT_ERROR_CODE_MATCH, c->page_fault_error_code_match);

    /* Which ports (25.6.4) and MSRs (25.6.9) exit. */
    vmcs_write(VMCS_IO_BITMAP_A, c->io_bitmap_a);
    vmcs_write(VMCS_IO_BITMAP_B, c->io_bitmap_b);
    vmcs_write(VMCS_MSR_BITMAP, c->msr_bitmap);

    /* Which bits of CR0 and CR4 are the host's, and what the guest reads there (25.6.6). */
    vmcs_write(VMCS_CR0_GUEST_HOST_MASK, c->cr0_mask);
    vmcs_write(VMCS_CR0_READ_SHADOW, c->cr0_shadow);
    vmcs_write(VMCS_CR4_GUEST_HOST_MASK, c->cr4_mask);
    vmcs_write(VMCS_CR4_READ_SHADOW, c->cr4_shadow);
    vmcs_write(VMCS_CR3_TARGET_COUNT, 0);

    vmcs_write(VMCS_TSC_OFFSET, 0);
    if (c->secondary & SECONDARY_ENABLE_EPT)
        vmcs_write(VMCS_EPT_POINTER, c->ept_pointer);
    if (c->secondary & SECONDARY_ENABLE_VPID)
        vmcs_write(VMCS_VIRTUAL_PROCESSOR_ID, c->vpid);
    if (c->pin & PIN_PREEMPTION_TIMER)
        vmcs_write(VMCS_PREEMPTION_TIMER_VALUE, c->preemption_timer);
}

/* The virtual APIC (25.6.8) and posted interrupts (30.6). */
static void apic_controls_fill(const struct vmx_controls *c)
{
    if (c->primary & PRIMARY_USE_TPR_SHADOW) {
        vmcs_write(VMCS_VIRTUAL_APIC_ADDRESS, c->virtual_apic);
        vmcs_write(VMCS_TPR_THRESHOLD, c->tpr_threshold);
    }
    if (c->secondary & SECONDARY_VIRTUALIZE_APIC_ACCESSES)
        vmcs_write(VMCS_APIC_ACCESS_ADDRESS, c->apic_access);
    if (c->secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) {
        vmcs_write(VMCS_EOI_EXIT_BITMAP_0, c->eoi_exit_bitmap[0]);
        vmcs_write(VMCS_EOI_EXIT_BITMAP_1, c->eoi_exit_bitmap[1]);
        vmcs_write(VMCS_EOI_EXIT_BITMAP_2, c->eoi_exit_bitmap[2]);
        vmcs_write(VMCS_EOI_EXIT_BITMAP_3, c->eoi_exit_bitmap[3]);
    }
    if (c->pin & PIN_POSTED_INTERRUPTS) {
        vmcs_write(VMCS_POSTED_INTERRUPT_NOTIFICATION_VECTOR, c->notification_vector);
        vmcs_write(VMCS_POSTED_INTERRUPT_DESCRIPTOR_ADDRESS,
                   c->posted_interrupt_descriptor);
    }
}

static void exit_and_entry_controls_fill(const struct vmx_controls *c,
                                         const struct vmx_capabilities *can,
                                         uint64_t *missing)
{
    /* We run in 64-bit mode; EFER is switched at both borders. */
    const uint32_t exit =
        c->exit | EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_EFER | EXIT_LOAD_EFER;
    const uint32_t entry = c->entry | ENTRY_LOAD_EFER;

    vmcs_write(VMCS_VM_EXIT_CONTROLS,
               control_adjust(VMCS_VM_EXIT_CONTROLS, exit, can->exit, missing));
    vmcs_write(VMCS_VM_EXIT_MSR_STORE_COUNT, 0);
    vmcs_write(VMCS_VM_EXIT_MSR_LOAD_COUNT, 0);

    vmcs_write(VMCS_VM_ENTRY_CONTROLS,
               control_adjust(VMCS_VM_ENTRY_CONTROLS, entry, can->entry, missing));
    vmcs_write(VMCS_VM_ENTRY_MSR_LOAD_COUNT, 0);

    /* An event that is delivered with the entry (25.8.3). */
    vmcs_write(VMCS_VM_ENTRY_INTERRUPTION_INFO, c->entry_interruption_info);
    vmcs_write(VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, c->entry_exception_error_code);
    vmcs_write(VMCS_VM_ENTRY_INSTRUCTION_LENGTH, c->entry_instruction_length);
}

/* --- the two worlds --------------------------------------------------------------------------- */

static void guest_state_fill(const struct vmx_guest_state *g)
{
    for (unsigned i = SEG_ES; i <= SEG_TR; i++) {
        const struct vmx_segment *s = &g->segments[i];

        vmcs_write(VMCS_GUEST_ES_SELECTOR + 2 * i, s->selector);
        vmcs_write(VMCS_GUEST_ES_LIMIT + 2 * i, s->limit);
        vmcs_write(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i, s->access_rights);
        vmcs_write(VMCS_GUEST_ES_BASE + 2 * i, s->base);
    }
    vmcs_write(VMCS_GUEST_GDTR_BASE, g->gdtr_base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, g->gdtr_limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, g->idtr_base);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, g->idtr_limit);

    vmcs_write(VMCS_GUEST_CR0, g->cr0);
    vmcs_write(VMCS_GUEST_CR3, g->cr3);
    vmcs_write(VMCS_GUEST_CR4, g->cr4);
    vmcs_write(VMCS_GUEST_DR7, g->dr7);
    vmcs_write(VMCS_GUEST_IA32_EFER, g->efer);
    vmcs_write(VMCS_GUEST_IA32_DEBUGCTL, 0);
    vmcs_write(VMCS_GUEST_IA32_SYSENTER_CS, 0);
    vmcs_write(VMCS_GUEST_IA32_SYSENTER_ESP, 0);
    vmcs_write(VMCS_GUEST_IA32_SYSENTER_EIP, 0);

    vmcs_write(VMCS_GUEST_RSP, g->rsp);
    vmcs_write(VMCS_GUEST_RIP, g->rip);
    vmcs_write(VMCS_GUEST_RFLAGS, g->rflags);

    vmcs_write(VMCS_GUEST_ACTIVITY_STATE, g->activity_state);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY_STATE, g->interruptibility_state);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmcs_write(VMCS_VMCS_LINK_POINTER, ~0ull); /* no shadow VMCS (25.4.2) */
}

/* What the processor shall be after a VM exit: what it is now. */
static void host_state_fill(void)
{
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR3, cr3_read());
    vmcs_write(VMCS_HOST_CR4, cr4_read());
    vmcs_write(VMCS_HOST_IA32_EFER, msr_read(MSR_EFER));

    vmcs_write(VMCS_HOST_CS_SELECTOR, SELECTOR_CODE64);
    vmcs_write(VMCS_HOST_SS_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_DS_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_ES_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_FS_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_GS_SELECTOR, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_TR_SELECTOR, SELECTOR_TSS);
    vmcs_write(VMCS_HOST_FS_BASE, 0);
    vmcs_write(VMCS_HOST_GS_BASE, 0);
    vmcs_write(VMCS_HOST_TR_BASE, (uintptr_t)host_tables.tss);
    vmcs_write(VMCS_HOST_GDTR_BASE, (uintptr_t)host_tables.gdt);
    vmcs_write(VMCS_HOST_IDTR_BASE, (uintptr_t)host_tables.idt);

    vmcs_write(VMCS_HOST_IA32_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_IA32_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_IA32_SYSENTER_EIP, 0);

    vmcs_write(VMCS_HOST_RIP, (uintptr_t)vmx_exit_arrive); /* RSP: vmx_enter() */
}

bool vmcs_fill(const struct vmx_guest_state *guest, const struct vmx_controls *controls,
               const struct vmx_capabilities *capabilities, uint64_t *missing)
{
    *missing = 0;
    execution_controls_fill(controls, capabilities, missing);
    apic_controls_fill(controls);
    exit_and_entry_controls_fill(controls, capabilities, missing);
    guest_state_fill(guest);
    if (controls->secondary & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)
        vmcs_write(VMCS_GUEST_INTERRUPT_STATUS, guest->interrupt_status);
    host_state_fill();
    return *missing == 0;
}
