/* runtime.h - the runtime's files and what they do for each other.
 *
 *   reset.S      reset -> real mode -> protected mode -> 64-bit mode
 *   start.S      stack, runtime_main(); how exceptions of the runtime itself get to C
 *   main.c       takes the job, enters the guest, answers exits, closes the log
 *   vmx.c        VMX on: the processor's permission, capabilities, the current VMCS
 *   vmcs_fill.c  the VMCS, field by field, in its groups
 *   enter.S      the world switch: VMLAUNCH and VMRESUME, and where VM exits arrive
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include "silicon_job.h"

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA   0x10
#define SELECTOR_TSS    0x18

/* --- start.S, main.c ------------------------------------------------------------------------ */

/* Loads GDT, TSS and IDT of the runtime; VM exits come back to them. */
void host_tables_load(void);
/* The runtime ran into an exception: ends the job. Called by start.S. */
_Noreturn void host_fault(uint64_t vector, uint64_t rip);

struct host_tables {
    uint64_t gdt[5];
    uint8_t tss[104];
    uint64_t idt[2 * 32]; /* exceptions only: the runtime takes no interrupts */
};
extern struct host_tables host_tables;

/* --- vmx.c ------------------------------------------------------------------------------------ */

/* What the processor demands of and offers in each set of controls. Bits 31:0 have to be 1,
 * of bits 63:32 those that are 0 have to be 0. (SDM 3D A.2 to A.5) */
struct vmx_capabilities {
    uint64_t basic, pin, primary, secondary, exit, entry, ept_vpid;
};

/* Turns VMX on and makes a fresh VMCS current. 0, or the enum silicon_end that says why not. */
enum silicon_end vmx_start(struct vmx_capabilities *capabilities);

/* --- vmcs_fill.c ------------------------------------------------------------------------------ */

/* Fills the current VMCS. False: the processor does not offer a control that is wanted;
 * *missing = field << 32 | its bits. */
bool vmcs_fill(const struct vmx_guest_state *guest, const struct vmx_controls *controls,
               const struct vmx_capabilities *capabilities, uint64_t *missing);

/* --- enter.S ---------------------------------------------------------------------------------- */

/* Enters the guest with its general registers (numbered as in enum silicon_register; RSP is
 * in the VMCS); returns at the next VM exit with what the guest left in them.
 * 0: a VM exit. 1: failed, no current VMCS. 2: failed, VM_INSTRUCTION_ERROR says why. */
int vmx_enter(uint64_t registers[16], bool launched);

/* Where the processor continues at a VM exit: the VMCS's HOST_RIP. */
void vmx_exit_arrive(void);

#endif
