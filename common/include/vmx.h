/* vmx.h - Intel's VMX: the fields of the VMCS, its controls, the exits; with the SDM's names.
 *
 * A VMCS (virtual-machine control structure) is what one virtual CPU is to the processor. Its
 * layout in memory is the processor's own business; software reads and writes it field by
 * field with VMREAD and VMWRITE. The fields form six groups (SDM 3C 25.3):
 *
 *   guest-state area        loaded at VM entry, saved at VM exit
 *   host-state area         loaded at VM exit
 *   VM-execution controls   what leads to a VM exit
 *   VM-exit controls        how an exit is done
 *   VM-entry controls       how an entry is done, and an event to deliver with it
 *   VM-exit information     why the last exit came
 *
 * A field's number says what it is (SDM 3C 25.11.2):
 *
 *    31       15 14 13 12 11  10 9               1  0
 *   |  reserved | width | 0 | type |    index       | A |    width: 0 = 16 bits, 1 = 64,
 *                                                         2 = 32, 3 = natural
 *   type: 0 control, 1 exit information, 2 guest, 3 host.   A = 1: upper half of 64 bits
 *
 * Source: Intel SDM volume 3C, chapters 25 to 28, appendices A to C; volume 4 for MSRs.
 */
#ifndef VMX_H
#define VMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- the fields (SDM 3D, appendix B) ------------------------------------------------------ */

#define VMCS_FIELDS(X)                                                                     \
    X(VIRTUAL_PROCESSOR_ID, 0x0000)                                                        \
    X(POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0x0002)                                        \
    X(GUEST_ES_SELECTOR, 0x0800)                                                           \
    X(GUEST_CS_SELECTOR, 0x0802)                                                           \
    X(GUEST_SS_SELECTOR, 0x0804)                                                           \
    X(GUEST_DS_SELECTOR, 0x0806)                                                           \
    X(GUEST_FS_SELECTOR, 0x0808)                                                           \
    X(GUEST_GS_SELECTOR, 0x080a)                                                           \
    X(GUEST_LDTR_SELECTOR, 0x080c)                                                         \
    X(GUEST_TR_SELECTOR, 0x080e)                                                           \
    X(GUEST_INTERRUPT_STATUS, 0x0810)                                                      \
    X(HOST_ES_SELECTOR, 0x0c00)                                                            \
    X(HOST_CS_SELECTOR, 0x0c02)                                                            \
    X(HOST_SS_SELECTOR, 0x0c04)                                                            \
    X(HOST_DS_SELECTOR, 0x0c06)                                                            \
    X(HOST_FS_SELECTOR, 0x0c08)                                                            \
    X(HOST_GS_SELECTOR, 0x0c0a)                                                            \
    X(HOST_TR_SELECTOR, 0x0c0c)                                                            \
    X(IO_BITMAP_A, 0x2000)                                                                 \
    X(IO_BITMAP_B, 0x2002)                                                                 \
    X(MSR_BITMAP, 0x2004)                                                                  \
    X(VM_EXIT_MSR_STORE_ADDRESS, 0x2006)                                                   \
    X(VM_EXIT_MSR_LOAD_ADDRESS, 0x2008)                                                    \
    X(VM_ENTRY_MSR_LOAD_ADDRESS, 0x200a)                                                   \
    X(TSC_OFFSET, 0x2010)                                                                  \
    X(VIRTUAL_APIC_ADDRESS, 0x2012)                                                        \
    X(APIC_ACCESS_ADDRESS, 0x2014)                                                         \
    X(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x2016)                                         \
    X(EPT_POINTER, 0x201a)                                                                 \
    X(EOI_EXIT_BITMAP_0, 0x201c)                                                           \
    X(EOI_EXIT_BITMAP_1, 0x201e)                                                           \
    X(EOI_EXIT_BITMAP_2, 0x2020)                                                           \
    X(EOI_EXIT_BITMAP_3, 0x2022)                                                           \
    X(GUEST_PHYSICAL_ADDRESS, 0x2400)                                                      \
    X(VMCS_LINK_POINTER, 0x2800)                                                           \
    X(GUEST_IA32_DEBUGCTL, 0x2802)                                                         \
    X(GUEST_IA32_PAT, 0x2804)                                                              \
    X(GUEST_IA32_EFER, 0x2806)                                                             \
    X(HOST_IA32_PAT, 0x2c00)                                                               \
    X(HOST_IA32_EFER, 0x2c02)                                                              \
    X(PIN_BASED_CONTROLS, 0x4000)                                                          \
    X(PRIMARY_PROCESSOR_CONTROLS, 0x4002)                                                  \
    X(EXCEPTION_BITMAP, 0x4004)                                                            \
    X(PAGE_FAULT_ERROR_CODE_MASK, 0x4006)                                                  \
    X(PAGE_FAULT_ERROR_CODE_MATCH, 0x4008)                                                 \
    X(CR3_TARGET_COUNT, 0x400a)                                                            \
    X(VM_EXIT_CONTROLS, 0x400c)                                                            \
    X(VM_EXIT_MSR_STORE_COUNT, 0x400e)                                                     \
    X(VM_EXIT_MSR_LOAD_COUNT, 0x4010)                                                      \
    X(VM_ENTRY_CONTROLS, 0x4012)                                                           \
    X(VM_ENTRY_MSR_LOAD_COUNT, 0x4014)                                                     \
    X(VM_ENTRY_INTERRUPTION_INFO, 0x4016)                                                  \
    X(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x4018)                                               \
    X(VM_ENTRY_INSTRUCTION_LENGTH, 0x401a)                                                 \
    X(TPR_THRESHOLD, 0x401c)                                                               \
    X(SECONDARY_PROCESSOR_CONTROLS, 0x401e)                                                \
    X(VM_INSTRUCTION_ERROR, 0x4400)                                                        \
    X(EXIT_REASON, 0x4402)                                                                 \
    X(EXIT_INTERRUPTION_INFO, 0x4404)                                                      \
    X(EXIT_INTERRUPTION_ERROR_CODE, 0x4406)                                                \
    X(IDT_VECTORING_INFO, 0x4408)                                                          \
    X(IDT_VECTORING_ERROR_CODE, 0x440a)                                                    \
    X(EXIT_INSTRUCTION_LENGTH, 0x440c)                                                     \
    X(EXIT_INSTRUCTION_INFO, 0x440e)                                                       \
    X(GUEST_ES_LIMIT, 0x4800)                                                              \
    X(GUEST_CS_LIMIT, 0x4802)                                                              \
    X(GUEST_SS_LIMIT, 0x4804)                                                              \
    X(GUEST_DS_LIMIT, 0x4806)                                                              \
    X(GUEST_FS_LIMIT, 0x4808)                                                              \
    X(GUEST_GS_LIMIT, 0x480a)                                                              \
    X(GUEST_LDTR_LIMIT, 0x480c)                                                            \
    X(GUEST_TR_LIMIT, 0x480e)                                                              \
    X(GUEST_GDTR_LIMIT, 0x4810)                                                            \
    X(GUEST_IDTR_LIMIT, 0x4812)                                                            \
    X(GUEST_ES_ACCESS_RIGHTS, 0x4814)                                                      \
    X(GUEST_CS_ACCESS_RIGHTS, 0x4816)                                                      \
    X(GUEST_SS_ACCESS_RIGHTS, 0x4818)                                                      \
    X(GUEST_DS_ACCESS_RIGHTS, 0x481a)                                                      \
    X(GUEST_FS_ACCESS_RIGHTS, 0x481c)                                                      \
    X(GUEST_GS_ACCESS_RIGHTS, 0x481e)                                                      \
    X(GUEST_LDTR_ACCESS_RIGHTS, 0x4820)                                                    \
    X(GUEST_TR_ACCESS_RIGHTS, 0x4822)                                                      \
    X(GUEST_INTERRUPTIBILITY_STATE, 0x4824)                                                \
    X(GUEST_ACTIVITY_STATE, 0x4826)                                                        \
    X(GUEST_IA32_SYSENTER_CS, 0x482a)                                                      \
    X(PREEMPTION_TIMER_VALUE, 0x482e)                                                      \
    X(HOST_IA32_SYSENTER_CS, 0x4c00)                                                       \
    X(CR0_GUEST_HOST_MASK, 0x6000)                                                         \
    X(CR4_GUEST_HOST_MASK, 0x6002)                                                         \
    X(CR0_READ_SHADOW, 0x6004)                                                             \
    X(CR4_READ_SHADOW, 0x6006)                                                             \
    X(EXIT_QUALIFICATION, 0x6400)                                                          \
    X(GUEST_LINEAR_ADDRESS, 0x640a)                                                        \
    X(GUEST_CR0, 0x6800)                                                                   \
    X(GUEST_CR3, 0x6802)                                                                   \
    X(GUEST_CR4, 0x6804)                                                                   \
    X(GUEST_ES_BASE, 0x6806)                                                               \
    X(GUEST_CS_BASE, 0x6808)                                                               \
    X(GUEST_SS_BASE, 0x680a)                                                               \
    X(GUEST_DS_BASE, 0x680c)                                                               \
    X(GUEST_FS_BASE, 0x680e)                                                               \
    X(GUEST_GS_BASE, 0x6810)                                                               \
    X(GUEST_LDTR_BASE, 0x6812)                                                             \
    X(GUEST_TR_BASE, 0x6814)                                                               \
    X(GUEST_GDTR_BASE, 0x6816)                                                             \
    X(GUEST_IDTR_BASE, 0x6818)                                                             \
    X(GUEST_DR7, 0x681a)                                                                   \
    X(GUEST_RSP, 0x681c)                                                                   \
    X(GUEST_RIP, 0x681e)                                                                   \
    X(GUEST_RFLAGS, 0x6820)                                                                \
    X(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x6822)                                              \
    X(GUEST_IA32_SYSENTER_ESP, 0x6824)                                                     \
    X(GUEST_IA32_SYSENTER_EIP, 0x6826)                                                     \
    X(HOST_CR0, 0x6c00)                                                                    \
    X(HOST_CR3, 0x6c02)                                                                    \
    X(HOST_CR4, 0x6c04)                                                                    \
    X(HOST_FS_BASE, 0x6c06)                                                                \
    X(HOST_GS_BASE, 0x6c08)                                                                \
    X(HOST_TR_BASE, 0x6c0a)                                                                \
    X(HOST_GDTR_BASE, 0x6c0c)                                                              \
    X(HOST_IDTR_BASE, 0x6c0e)                                                              \
    X(HOST_IA32_SYSENTER_ESP, 0x6c10)                                                      \
    X(HOST_IA32_SYSENTER_EIP, 0x6c12)                                                      \
    X(HOST_RSP, 0x6c14)                                                                    \
    X(HOST_RIP, 0x6c16)

enum vmcs_field {
#define VMCS_FIELD(name, number) VMCS_##name = number,
    VMCS_FIELDS(VMCS_FIELD)
#undef VMCS_FIELD
};

/* --- the controls (SDM 3C 25.6 to 25.8) ----------------------------------------------------- */

/* Pin-based: events that come from outside. */
#define PIN_EXTERNAL_INTERRUPT_EXITING (1u << 0)
#define PIN_NMI_EXITING                (1u << 3)
#define PIN_PREEMPTION_TIMER           (1u << 6)
#define PIN_POSTED_INTERRUPTS          (1u << 7)

/* Primary processor-based: instructions of the guest. */
#define PRIMARY_INTERRUPT_WINDOW_EXITING (1u << 2)
#define PRIMARY_HLT_EXITING              (1u << 7)
#define PRIMARY_INVLPG_EXITING           (1u << 9)
#define PRIMARY_RDTSC_EXITING            (1u << 12)
#define PRIMARY_CR3_LOAD_EXITING         (1u << 15)
#define PRIMARY_CR3_STORE_EXITING        (1u << 16)
#define PRIMARY_USE_TPR_SHADOW           (1u << 21)
#define PRIMARY_MOV_DR_EXITING           (1u << 23)
#define PRIMARY_UNCONDITIONAL_IO_EXITING (1u << 24)
#define PRIMARY_USE_IO_BITMAPS           (1u << 25) /* and the control above has no effect */
#define PRIMARY_USE_MSR_BITMAPS          (1u << 28)
#define PRIMARY_PAUSE_EXITING            (1u << 30)
#define PRIMARY_SECONDARY_CONTROLS       (1u << 31)

/* Secondary processor-based. */
#define SECONDARY_VIRTUALIZE_APIC_ACCESSES     (1u << 0)
#define SECONDARY_ENABLE_EPT                   (1u << 1)
#define SECONDARY_VIRTUALIZE_X2APIC_MODE       (1u << 4)
#define SECONDARY_ENABLE_VPID                  (1u << 5)
#define SECONDARY_UNRESTRICTED_GUEST           (1u << 7)
#define SECONDARY_APIC_REGISTER_VIRTUALIZATION (1u << 8)
#define SECONDARY_VIRTUAL_INTERRUPT_DELIVERY   (1u << 9)

#define EXIT_HOST_ADDRESS_SPACE_SIZE (1u << 9) /* the host is in 64-bit mode */
#define EXIT_ACKNOWLEDGE_INTERRUPT   (1u << 15)
#define EXIT_SAVE_EFER               (1u << 20)
#define EXIT_LOAD_EFER               (1u << 21)

#define ENTRY_IA32E_MODE_GUEST (1u << 9)
#define ENTRY_LOAD_EFER        (1u << 15)

/* EPT pointer (SDM 3C 25.6.11): the root's address with these. */
#define EPTP_WRITE_BACK   6ull
#define EPTP_WALK_4       (3ull << 3) /* levels - 1 */
#define EPTP_ACCESS_DIRTY (1ull << 6)

/* --- events: one format for entry, exit and IDT vectoring (SDM 3C 25.8.3, 25.9.2, 25.9.3) ---
 *
 *    31   30       13 12 11  10   8 7         0
 *   | V |  reserved  | ? | E | type |  vector  |    V valid; E deliver (or has) an error code
 */
#define VMX_EVENT_VECTOR     0xffu
#define VMX_EVENT_TYPE_SHIFT 8
#define VMX_EVENT_TYPE       (7u << VMX_EVENT_TYPE_SHIFT)
#define VMX_EVENT_ERROR_CODE (1u << 11)
#define VMX_EVENT_VALID      (1u << 31)

enum vmx_event_type {
    VMX_EVENT_EXTERNAL_INTERRUPT = 0,
    VMX_EVENT_NMI = 2,
    VMX_EVENT_HARDWARE_EXCEPTION = 3,
    VMX_EVENT_SOFTWARE_INTERRUPT = 4,            /* INT n */
    VMX_EVENT_PRIVILEGED_SOFTWARE_EXCEPTION = 5, /* INT1 */
    VMX_EVENT_SOFTWARE_EXCEPTION = 6,            /* INT3, INTO */
    VMX_EVENT_OTHER_EVENT = 7,
};

/* --- exits (SDM 3D, appendix C) --------------------------------------------------------------- */

#define VMX_EXIT_REASONS(X)                                                                \
    X(EXCEPTION_OR_NMI, 0)                                                                 \
    X(EXTERNAL_INTERRUPT, 1)                                                               \
    X(TRIPLE_FAULT, 2)                                                                     \
    X(INTERRUPT_WINDOW, 7)                                                                 \
    X(TASK_SWITCH, 9)                                                                      \
    X(CPUID, 10)                                                                           \
    X(HLT, 12)                                                                             \
    X(INVD, 13)                                                                            \
    X(INVLPG, 14)                                                                          \
    X(RDTSC, 16)                                                                           \
    X(VMCALL, 18)                                                                          \
    X(VMCLEAR, 19)                                                                         \
    X(VMLAUNCH, 20)                                                                        \
    X(VMPTRLD, 21)                                                                         \
    X(VMPTRST, 22)                                                                         \
    X(VMREAD, 23)                                                                          \
    X(VMRESUME, 24)                                                                        \
    X(VMWRITE, 25)                                                                         \
    X(VMXOFF, 26)                                                                          \
    X(VMXON, 27)                                                                           \
    X(CR_ACCESS, 28)                                                                       \
    X(MOV_DR, 29)                                                                          \
    X(IO_INSTRUCTION, 30)                                                                  \
    X(RDMSR, 31)                                                                           \
    X(WRMSR, 32)                                                                           \
    X(INVALID_GUEST_STATE, 33)                                                             \
    X(MSR_LOADING, 34)                                                                     \
    X(PAUSE, 40)                                                                           \
    X(TPR_BELOW_THRESHOLD, 43)                                                             \
    X(APIC_ACCESS, 44)                                                                     \
    X(VIRTUALIZED_EOI, 45)                                                                 \
    X(GDTR_IDTR_ACCESS, 46)                                                                \
    X(LDTR_TR_ACCESS, 47)                                                                  \
    X(EPT_VIOLATION, 48)                                                                   \
    X(EPT_MISCONFIGURATION, 49)                                                            \
    X(INVEPT, 50)                                                                          \
    X(RDTSCP, 51)                                                                          \
    X(PREEMPTION_TIMER, 52)                                                                \
    X(INVVPID, 53)                                                                         \
    X(WBINVD, 54)                                                                          \
    X(XSETBV, 55)                                                                          \
    X(APIC_WRITE, 56)

enum vmx_exit_reason {
#define VMX_EXIT_REASON(name, number) VMX_EXIT_##name = number,
    VMX_EXIT_REASONS(VMX_EXIT_REASON)
#undef VMX_EXIT_REASON
        VMX_EXIT_REASON_COUNT = 64
};

/* The exit-reason field: the basic reason, and bit 31 if the VM entry itself failed. */
#define VMX_EXIT_BASIC_REASON  0xffffu
#define VMX_EXIT_ENTRY_FAILURE (1u << 31)

/* --- a VMCS as plain data ------------------------------------------------------------- */

/* A segment register: what a descriptor says, in the VMCS's own form (SDM 3C 25.4.1).
 * access_rights: bits 3:0 type, 4 S, 6:5 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G, 16 unusable. */
struct vmx_segment {
    uint32_t selector;
    uint32_t limit;
    uint32_t access_rights;
    uint32_t reserved;
    uint64_t base;
};

#define SEGMENT_UNUSABLE (1u << 16)

enum vmx_segment_index { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR };

struct vmx_guest_state {
    uint64_t cr0, cr3, cr4, dr7;
    uint64_t rsp, rip, rflags, efer;
    struct vmx_segment segments[8]; /* enum vmx_segment_index */
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
    uint32_t activity_state, interruptibility_state;
    uint32_t interrupt_status; /* bits 7:0 RVI, 15:8 SVI (virtual-interrupt delivery) */
    uint32_t reserved;
};

/* Controls that are wanted; those that a processor requires are added by vmcs_fill(). */
struct vmx_controls {
    uint32_t pin, primary, secondary, exit, entry;
    uint32_t exception_bitmap;
    uint32_t page_fault_error_code_mask, page_fault_error_code_match;
    uint32_t entry_interruption_info, entry_exception_error_code;
    uint32_t entry_instruction_length;
    uint32_t tpr_threshold;
    uint32_t preemption_timer; /* used with PIN_PREEMPTION_TIMER */
    uint16_t vpid, notification_vector;
    uint64_t io_bitmap_a, io_bitmap_b, msr_bitmap;
    uint64_t ept_pointer;
    uint64_t virtual_apic, apic_access, posted_interrupt_descriptor;
    uint64_t eoi_exit_bitmap[4];
    uint64_t cr0_mask, cr0_shadow, cr4_mask, cr4_shadow;
};

/* --- in words (common/vmm/vmx_names.c) ------------------------------------------------
 * For checks and tools; a part is not linked with them. */

/* "EPT_VIOLATION", or "?" */
const char *vmx_exit_name(uint32_t basic_reason);
/* "GUEST_RIP", or "?" */
const char *vmcs_field_name(uint32_t field);
/* "hardware exception 13, error code": an event field of entry, exit or IDT vectoring. */
void vmx_event_describe(uint32_t info, char *buffer, size_t size);
/* What an exit qualification says, for the reasons that have one; else empty.
 * E.g. for EPT_VIOLATION "write, page allows r--, while translating a linear address". */
void vmx_qualification_describe(uint32_t basic_reason, uint64_t qualification, char *buffer,
                                size_t size);
/* The controls that are set, by name, e.g. for the primary ones "HLT_EXITING
 * USE_IO_BITMAPS". field: VMCS_PIN_BASED_CONTROLS, ..._PROCESSOR_CONTROLS, VM_EXIT_CONTROLS,
 * VM_ENTRY_CONTROLS */
void vmx_controls_describe(uint32_t field, uint32_t value, char *buffer, size_t size);

#endif
