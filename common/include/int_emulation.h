/* int_emulation.h - contract of part 04, second file: INT and IRET without the processor's
 * help.
 *
 * A VMM of the time before VT-x ran the whole guest in ring 3, so it had to find the guest's
 * INT and IRET in its text and put something in their place that leads to the VMM (binary
 * translation). We do the same with the simplest thing that exits: an OUT of two bytes.
 *
 *   int imm8    CD ib        becomes    out imm8, al    E6 ib      port = vector
 *   iretq       48 CF        becomes    out CFh, al     E6 CF
 *
 * The OUT leaves for user space (ring 3 needs IOPL 3 for that), and the VMM does by hand what
 * the processor would have done.
 *
 * Where are these instructions? Not wherever the two bytes stand: CD 80 may be half of an
 * immediate value, or data. The guest's maker (a compiler, a translator) tells us the sites.
 * And a guest may have an OUT of its own to port 80h: what an exit means is decided by its
 * address, not by its port.
 *
 * Source: Intel SDM 2A/2B, INT n and IRET; 3A 6.12.1 and 6.14 (64-bit mode), 6.13 (error code).
 */
#ifndef INT_EMULATION_H
#define INT_EMULATION_H

#include "cpu_state.h"
#include "interrupt_tables.h"

/* Exceptions that they may raise. */
#define VECTOR_TS 10 /* invalid TSS */
#define VECTOR_NP 11 /* segment or gate not present */
#define VECTOR_SS 12 /* stack segment */
#define VECTOR_GP 13 /* general protection */

/* An error code that names a table's entry (SDM 3A 6.13):
 *
 *   15               3   2     1     0
 *   |  selector index  | TI | IDT | EXT |   EXT: while an event from outside the program (not
 *                                           INT n) was being delivered; IDT: a vector
 */
#define ERROR_CODE_EXT (1u << 0)
#define ERROR_CODE_IDT (1u << 1)

struct guest_fault {
    uint8_t vector;
    uint32_t error_code;
};

/* Something to deliver through the guest's IDT. */
struct guest_event {
    uint8_t vector;
    bool software; /* INT n; else an exception of the class fault */
    bool has_error_code;
    uint32_t error_code;
    uint64_t return_rip; /* what is pushed: behind an INT, at a faulting instruction */
};

/* Returned by the next two: the guest gets *fault instead; neither *cpu nor guest memory has
 * changed. (Positive: it is no error of the VMM.) */
#define GUEST_FAULTS 1

/* Delivers an event in 64-bit mode. CPL is sregs.cs.selector's bits 1:0. Each step may fault;
 * they are made in this order (EXT stands for 0 if event->software, else 1):
 *
 *    1. the gate's 16 bytes lie within IDTR.limit              else #GP(vector * 8 + 2 + EXT)
 *    2. the gate's bits 44:40 are 14 or 15                         else #GP(vector * 8 + 2 + EXT)
 *    3. software only: gate DPL >= CPL                         else #GP(vector * 8 + 2)
 *    4. the gate is present                                    else #NP(vector * 8 + 2 + EXT)
 *    5. the gate's selector is not null (bits 15:2)            else #GP(EXT)
 *    6. it is in the GDT (bit 2 clear, all 8 bytes of the descriptor within GDTR.limit), a code
 *       segment with DPL <= CPL                                else #GP(selector & FFFCh + EXT)
 *    7. that segment is present                                else #NP(selector & FFFCh + EXT)
 *    8. it has L = 1 and D = 0                                 else #GP(selector & FFFCh + EXT)
 *    9. the new stack pointer: ISTn of the TSS if the gate says so; else, if the segment's DPL
 *       is less than CPL, the TSS's RSP for that DPL; else RSP as it is. Its 8 bytes in the
 *       TSS lie within TR.limit                            else #TS(TR selector & FFFCh + EXT)
 *   10. the handler is canonical                               else #GP(EXT)
 *
 * Then: the new stack pointer is rounded down to a multiple of 16, and the frame pushed:
 *
 *      new RSP --> error code   (only with event->has_error_code)
 *                  RIP          return_rip
 *                  CS           each 8 bytes, selectors zero-extended
 *                  RFLAGS       for an exception with RF set (SDM 3B 18.3.1.1)
 *                  RSP          the old ones, always, in 64-bit mode
 *                  SS      <--  below a multiple of 16
 *
 * CS comes from the descriptor, the selector's bits 1:0 are the new CPL. If CPL changes, SS
 * becomes null: selector = new CPL, dpl = new CPL, unusable = 1, all else 0; if it does not,
 * SS stays. RIP is the handler. RFLAGS: TF, NT, RF and VM are cleared, for an interrupt gate
 * IF as well.
 *
 * Not asked for: conforming code segments (-ENOTSUP, in step 6, as soon as it is known to be
 * code: before its DPL is looked at), shadow stacks, #SS for a stack that is not canonical (it
 * is in no memory).
 * Returns 0, GUEST_FAULTS, -ENOTSUP, or an error of guest_read() and guest_write(): -EFAULT, a
 * table or the stack is in no memory; -EROFS, the stack is in a read-only slot. Nothing has
 * changed then. */
int interrupt_deliver(struct vm *vm, struct cpu_state *cpu, const struct guest_event *event,
                      struct guest_fault *fault);

/* IRETQ in 64-bit mode: takes RIP, CS, RFLAGS, RSP and SS from the stack at RSP. In this order:
 *
 *    1. RFLAGS.NT is clear                                     else #GP(0)
 *    2. the frame's CS is not null                             else #GP(0)
 *    3. it is in the GDT (as above), a code segment; its RPL (bits 1:0) is not less than CPL;
 *       the segment's DPL equals that RPL                      else #GP(selector & FFFCh)
 *    4. that segment is present                                else #NP(selector & FFFCh)
 *    5. the frame's SS is null: fine if the new CPL (CS's RPL) is not 3 and SS's RPL equals it
 *                                                              else #GP(0)
 *       else it is in the GDT, its RPL and DPL equal CS's RPL, a writable data segment
 *                                                              else #GP(selector & FFFCh)
 *       and present                                            else #SS(selector & FFFCh)
 *    6. the frame's RIP is canonical                           else #GP(0)
 *
 * Then CS and SS (a null SS as above, with the frame's selector), RIP and RSP are loaded.
 * RFLAGS: CF, PF, AF, ZF, SF, TF, DF, OF, NT, RF, AC and ID come from the frame; IF only if the
 * old CPL <= IOPL; IOPL, VIF and VIP only if the old CPL is 0; the rest stays.
 *
 * Not asked for: conforming code segments (-ENOTSUP, in step 3, as soon as it is known to be
 * code: before RPL and DPL are looked at), a return to a segment without L = 1 and D = 0
 * (-ENOTSUP, after step 4), and what becomes of DS, ES, FS and GS.
 * Returns 0, GUEST_FAULTS, -ENOTSUP, -EFAULT (as above; a stack may be read-only here). */
int interrupt_return(const struct vm *vm, struct cpu_state *cpu, struct guest_fault *fault);

/* --- finding them, and being found ------------------------------------------------------------ */

#define TRAP_SITES_MAX 64

struct trap_site {
    uint64_t gpa;   /* of the first of its two bytes */
    bool is_iret;   /* else INT */
    uint8_t vector; /* of an INT */
};

struct int_traps {
    struct vcpu *vcpu;
    struct trap_site sites[TRAP_SITES_MAX];
    unsigned count;
    struct device device;     /* on vm->pio: ports 0 to FFh */
    struct device_bus behind; /* who really has these ports */
    uint64_t ints, irets;     /* emulated without a fault, the registers set */
    uint64_t faults;          /* exceptions delivered instead, the registers set */
    int error;                /* 0, or why the emulation gave up; see below */
};

/* Patches the instructions at the given addresses and puts traps->device on the vCPU's PIO
 * bus. traps is zeroed but for `behind`; it must stay where it is.
 * Returns 0, or
 *   -EINVAL   count is 0 or more than TRAP_SITES_MAX, or two sites share a byte
 *   then, for each site in its order:
 *   -EFAULT   no memory there
 *   -EILSEQ   neither CD ib nor 48 CF
 *   -ENOTSUP  INT 7Eh: KVM treats port 7Eh as no other (it moves RIP before the exit)
 *   then, when all have been looked at:
 *   -EROFS    a site lies in a read-only slot, with one byte or both
 *   then -EEXIST or -ENOSPC of device_bus_add().
 * A call that fails has changed neither the guest's text nor the bus, and leaves traps->count
 * 0. traps->error stays 0 here, also where the call fails: it is for what happens later.
 * (Nothing can be taken off a bus: add the device last, and take patches back if that
 * fails.) */
int int_traps_install(struct int_traps *traps, struct vcpu *vcpu, const uint64_t *sites,
                      unsigned count);

/* How traps->device behaves (its access function is yours, and static):
 *   - At an OUT of one byte with the vCPU's RIP at a site: INT or IRET is emulated, and the
 *     registers are set (KVM_SET_SREGS, KVM_SET_REGS). A fault is delivered to the guest as an
 *     exception with its error code; the RIP pushed is the site's.
 *   - Everything else is none of our business: device_bus_access() on `behind`, the data and
 *     the answer untouched; whether it is an OUT or an IN, and whether a device is there.
 *   - Where the VMM cannot go on, traps->error is set and vcpu_kick() ends the run: -errno of
 *     an ioctl (EINTR too: none is tried again), -EFAULT, -EROFS or -ENOTSUP of the functions
 *     above, or -ELOOP: delivering the exception faulted as well. (A processor would go on with a
 *     double fault, SDM 3A 6.15; we do not, not even if the guest has a gate for it.) The VMM
 *     does not set the guest's registers then, and counts nothing. (KVM still finishes the OUT:
 *     RIP stands behind it at last.)
 * KVM sees by RIP that it has been changed. So a handler or an IRET's target that is itself the
 * site that exits would be entered two bytes late: not asked for. */

#endif
