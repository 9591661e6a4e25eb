/* program.h - what a program that has the emulated CPU for itself finds there.
 *
 * Paging is on, the first 4 GiB are mapped one to one; interrupts are off; CS, the data
 * segments and TR are 08h, 10h and 18h of a GDT. There is no IDT. VMX is not on yet, nor
 * permitted (if there is no firmware before you). */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "cpu.h"

#define PROGRAM_CODE 0x08
#define PROGRAM_DATA 0x10
#define PROGRAM_TSS  0x18

/* MSRs that VMX is asked about and switched on with (SDM 3D, appendix A; volume 4). */
#define MSR_IA32_FEATURE_CONTROL 0x3a
#define FEATURE_CONTROL_LOCK     (1ull << 0)
#define FEATURE_CONTROL_VMX      (1ull << 2) /* VMXON outside of SMX */
#define MSR_VMX_BASIC            0x480 /* bits 30:0: the revision of VMXON region and VMCS */
#define MSR_VMX_TRUE_PIN         0x48d /* what must be 1 (31:0) and may be 1 (63:32) */
#define MSR_VMX_TRUE_PRIMARY     0x48e
#define MSR_VMX_TRUE_EXIT        0x48f
#define MSR_VMX_TRUE_ENTRY       0x490
#define MSR_VMX_SECONDARY        0x48b
#define MSR_VMX_CR0_FIXED0       0x486 /* bits of CR0 that must be 1 in VMX operation */
#define MSR_VMX_CR4_FIXED0       0x488
#define MSR_EFER                 0xc0000080

extern uint64_t program_gdt[];
extern uint8_t program_tss[104];

/* The world switch: VMLAUNCH, or VMRESUME if the VMCS has been launched. Loads L2's registers
 * (RSP is in the VMCS), and comes back at the next VM exit with what L2 left in them. It sets
 * HOST_RSP itself; HOST_RIP has to be vmx_exit_arrive.
 * 0: a VM exit. 1: failed, no current VMCS. 2: failed, VM_INSTRUCTION_ERROR says why. */
int vmx_enter(uint64_t registers[16], bool launched);
void vmx_exit_arrive(void);

#endif
