/* nested_controls.h - contract of part 10, first half: three VMCSs for two
 * levels.
 *
 * The processor knows one level: a root and its guests. Your hypervisor (L0)
 * runs a hypervisor (L1), which believes to run a guest (L2). In truth L0 runs
 * both, one at a time:
 *
 *        L1 believes                        the processor does
 *
 *   L2 <-- vmcs12 -- L1              L2 <-- vmcs02 --+
 *                                                    +-- L0
 *                    L1              L1 <-- vmcs01 --+
 *
 *   vmcs01   L0's, for L1
 *   vmcs12   L1's, for L2: mere memory to us; L1 reads and writes it by exits
 *   vmcs02   L0's, for L2: merged from the two
 *
 * L1's VMLAUNCH is an exit to L0: nested_enter() makes vmcs02, and L0 runs
 * that. An exit of L2 comes to L0, always: there is no other root. Either L0
 * answers it, and L1 never hears of it; or it is reflected: nested_reflect()
 * writes into vmcs12 what L1 expects to find there, and lets L1 go on at the
 * host state of vmcs12, as the processor would have done.
 *
 * Source: Intel SDM 3C, 25.6 (execution controls), 26.1 to 26.3 (what exits),
 * 27.2.1 (checks), 28.2 to 28.5 (what an exit writes and loads); Ben-Yehuda et
 * al., "The Turtles Project", 2010.
 */
#ifndef NESTED_CONTROLS_H
#define NESTED_CONTROLS_H

#include "vmx.h"

#define BITMAP_BYTES 4096u /* I/O bitmap A or B; MSR bitmap */

/* Where the bitmaps are that a level's controls name (bytes; never NULL). */
struct nested_bitmaps {
    uint8_t *io_a, *io_b, *msr;
};

/* --- who answers an exit of L2 -------------------------------------------- */

enum exit_owner { OWNER_L1 = 1, OWNER_L0 };

/* What vmcs02 says after an exit, and two registers of L2. */
struct nested_exit {
    uint32_t reason;            /* basic */
    uint32_t interruption_info; /* EXCEPTION_OR_NMI: the event */
    uint32_t error_code;        /* of that, if it has one */
    uint32_t msr;               /* RDMSR, WRMSR: ECX */
    uint64_t qualification;
    uint64_t operand; /* CR_ACCESS: what a MOV to CR wants to write */
};

/* The owner is L1 if the exit would have happened on a processor that L1 had
 * for itself, with the controls and bitmaps of vmcs12. If L0 wants it too, L1
 * comes first: to L1 its own controls are the hardware. What L1 did not ask for
 * is L0's.
 *
 *   reason                   L1's if
 *   EXTERNAL_INTERRUPT, NMI  never: an interrupt is the machine's, and that is
 *                            L0's
 *   EPT_VIOLATION,           never at first: nested_ept.h looks whose it is
 *     EPT_MISCONFIGURATION
 *   another exception        its bit is set in the exception bitmap; for #PF
 *                            (14) if the bit equals ((error code AND mask) ==
 *                            match)
 *   TRIPLE_FAULT, TASK_SWITCH, CPUID, INVD, XSETBV, VMCALL and what else is VMX
 *     (reasons 18 to 27: VMCALL to VMXON), INVEPT, INVVPID
 *                            always: these exit whatever the controls say
 *   HLT, INVLPG, RDTSC, MOV_DR, PAUSE, INTERRUPT_WINDOW
 *                            its primary control is set
 *   PREEMPTION_TIMER         its pin-based control is set
 *   CR_ACCESS                MOV to CR0 or CR4: in a bit of the mask, operand
 *                            and read shadow differ; MOV to, from CR3: its
 *                            primary control is set; MOV from CR0, from CR4
 *                            and with CR8: never. CLTS, LMSW: do not occur here
 *   IO_INSTRUCTION           with USE_IO_BITMAPS: a byte of the access has its
 *                            bit set, or the access runs past port FFFFh;
 *                            without: UNCONDITIONAL_IO_EXITING is set
 *   RDMSR, WRMSR             with USE_MSR_BITMAPS: its bit is set, or the MSR
 *                            is in none of the two ranges; without: always
 *   any other                never: L1 was not offered what leads to it
 *                            (RDTSCP, WBINVD, APIC...), or it is about a VM
 *                            entry, which was L0's (INVALID_GUEST_STATE)
 *
 * MSR bitmap, from byte   0: reads of MSRs 0 to 1FFFh
 *                      1024: reads of C0000000h to C0001FFFh
 *                      2048: writes of the low ones
 *                      3072: writes of the high ones
 * I/O bitmaps: A ports 0 to 7FFFh, B 8000h to FFFFh. Bit n of byte m: number
 * 8 m + n. 1 = exit.
 *
 * Qualification of IO_INSTRUCTION (SDM 3C table 28-5):
 *
 *    31  16 15 7 6 5 4 3 2       0
 *   | port |  0 | I R S D | bytes-1 |   D 1 = IN; S INS or OUTS; R REP; I the
 *                                       port is an immediate: they do not count
 * Qualification of CR_ACCESS (SDM 3C table 28-3):
 *
 *    11 8 7 6 5  4 3    0
 *   | reg | 0 | type | CR |   type 0: MOV to control register CR, 1: MOV from
 *                             it; reg: the general register */
enum exit_owner nested_exit_owner(const struct nested_exit *exit,
                                  const struct vmx_controls *controls12,
                                  const struct nested_bitmaps *bitmaps12);

/* Bitmaps for vmcs02: every access that vmcs01 or vmcs12 wants to exit does,
 * and no other. A level without USE_IO_BITMAPS wants all ports or none
 * (UNCONDITIONAL_IO_EXITING); one without USE_MSR_BITMAPS wants all MSRs.
 * bitmaps02 are pages of their own: none of them is one of bitmaps01 or
 * bitmaps12 (both of these go on to be used). */
void nested_bitmaps_merge(const struct nested_bitmaps *bitmaps02,
                          const struct vmx_controls *controls01,
                          const struct nested_bitmaps *bitmaps01,
                          const struct vmx_controls *controls12,
                          const struct nested_bitmaps *bitmaps12);

/* --- the VMCS that runs --------------------------------------------------- */

/* Loaded at an exit to the hypervisor that owns the VMCS. (Segments are left
 * out: flat.) */
struct nested_host_state {
    uint64_t cr0, cr3, cr4, rsp, rip, efer;
};

/* What an exit says. */
struct nested_exit_info {
    uint32_t reason, interruption_info, interruption_error_code;
    uint32_t idt_vectoring_info, idt_vectoring_error_code;
    uint32_t instruction_length, instruction_info, reserved;
    uint64_t qualification, guest_linear_address, guest_physical_address;
};

struct nested_vmcs {
    struct vmx_controls controls;
    struct vmx_guest_state guest;
    struct nested_host_state host;
    struct nested_exit_info exit;
};

/* What L0 offers to L1 (by the capability MSRs that L1 reads); all that is 0
 * here is not offered. */
#define NESTED_PIN       (PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING | PIN_PREEMPTION_TIMER)
#define NESTED_SECONDARY (SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID)

/* L0's own, for L2. */
struct nested_pages {
    uint64_t io_bitmap_a, io_bitmap_b, msr_bitmap; /* HPA of the merged ones */
    uint64_t ept_pointer;                          /* to EPT02 */
    uint16_t vpid;                                 /* no other vCPU has it */
};

/* Makes vmcs02 for L1's VMLAUNCH or VMRESUME. Returns 0, or 7 ("VM entry with
 * invalid control fields", for L1's VM-instruction error) if vmcs12 has a
 * pin-based or secondary control that is not offered, or USE_TPR_SHADOW;
 * *vmcs02 is left as it is then. vmcs02->exit becomes 0. Both vmcs01 and vmcs12
 * have SECONDARY_CONTROLS. (Without it all secondary controls count as 0.)
 *
 * Controls
 *   pin, primary, secondary  what one of the two wants, but for:
 *     - virtual APIC and posted interrupts: they are L1's, who is not running.
 *       Off: POSTED_INTERRUPTS, USE_TPR_SHADOW, VIRTUALIZE_APIC_ACCESSES,
 *       VIRTUALIZE_X2APIC_MODE, APIC_REGISTER_VIRTUALIZATION and
 *       VIRTUAL_INTERRUPT_DELIVERY; their fields are 0
 *     - USE_IO_BITMAPS and USE_MSR_BITMAPS on, whoever uses them, and
 *       UNCONDITIONAL_IO_EXITING off: the bitmaps are merged
 *     - ENABLE_EPT, ENABLE_VPID, SECONDARY_CONTROLS on; UNRESTRICTED_GUEST off:
 *       L1 has not got it
 *   io_bitmap_*, msr_bitmap, vpid   from pages
 *   ept_pointer              from pages if L1 has ENABLE_EPT; else vmcs01's
 *                            (L2's physical addresses are L1's then)
 *   exception_bitmap         the OR
 *   #PF                      bit 14 of it with mask and match: a level for
 *                            which no #PF exits (all three are 0) leaves it to
 *                            the other: its three as they are. If both want
 *                            some, all of them exit (bit 1, mask and match 0)
 *   preemption_timer         of the one who uses it; if both do the smaller, if
 *                            none does 0
 *   cr0_mask, cr4_mask       the OR: a bit that one of them owns is not L2's
 *   cr0_shadow, cr4_shadow   what L2 reads in a bit that is not its own: if L1
 *                            owns it, L1's shadow; else what L1 put into
 *                            vmcs12's guest CR0, CR4. Bits outside of the mask
 *                            do not count
 *   exit                     vmcs01's: it leads to L0
 *   entry                    vmcs01's, but IA32E_MODE_GUEST is vmcs12's
 *   entry_interruption_info, its error code and length
 *                            vmcs12's: it is L1 who injects
 * Guest state: vmcs12's, but
 *   cr0, cr4                 bits that L0 owns (vmcs01's mask) as in vmcs01's
 *                            guest state
 *   efer                     vmcs12's if its entry controls have LOAD_EFER;
 *                            else vmcs01's guest EFER, with LMA and LME as
 *                            IA32E_MODE_GUEST of vmcs12 says
 *   interrupt_status         0
 * Host state: vmcs01's. */
int nested_enter(struct nested_vmcs *vmcs02, const struct nested_vmcs *vmcs01,
                 const struct nested_vmcs *vmcs12, const struct nested_pages *pages);

/* Reflects the exit in vmcs02->exit: L2 has stopped, L1 goes on.
 * In vmcs12:
 *   exit                     as in vmcs02
 *   guest                    as in vmcs02, but
 *     cr0, cr4               each bit is what L2 would find there on L1's
 *                            processor: if nobody owns it, vmcs02's guest
 *                            state; if L1 does, as it was (L2 cannot have
 *                            changed it); if only L0 does, vmcs02's shadow
 *     efer                   only if vmcs12's exit controls have SAVE_EFER;
 *                            else as it was
 *     interrupt_status       as it was
 *   entry_interruption_info  bit 31 is cleared: the event has been delivered
 *   IA32E_MODE_GUEST         (entry controls) as LMA of L2's EFER, in vmcs02
 *   preemption_timer         stays
 * In vmcs01's guest state, L1 after its VM exit:
 *   cr0, cr3, cr4, rsp, rip  vmcs12's host state
 *   efer                     vmcs12's host state if its exit controls have
 *                            LOAD_EFER; else as it was
 *   rflags = 2, dr7 = 400h, activity and interruptibility state 0
 * All else, segments too, stays as it is. vmcs02 is only read. */
void nested_reflect(struct nested_vmcs *vmcs01, struct nested_vmcs *vmcs12,
                    const struct nested_vmcs *vmcs02);

#endif
