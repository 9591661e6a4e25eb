/* guest_hypervisor.h - contract of part 10, second half: a hypervisor that is itself a program
 * without an operating system, and the guest that it has to run.
 *
 *   small_hypervisor.svm.c   inside of your VMM: AMD-V, as the machine's CPU has it    (svm.h)
 *   small_hypervisor.vmx.c   on the emulated Intel CPU, with nothing below it         (vmx.h)
 *
 * Each of the two is a program of its own: it is compiled and linked alone, with what stands
 * in common/guest/ and common/silicon/ (start, world switch, memcpy(), memset()) and without a
 * C library. All memory that it needs is its own static memory. Both do the same for the same
 * guest; "L1" is your hypervisor, "L2" its guest.
 *
 *   L1-physical                                   L2-physical
 *   +---------------------------+                 +------------------+ 0
 *   | your program, this job    |   nested page   | GDT, page tables,|
 *   +---------------------------+   tables that   | stack, mailbox,  |
 *   | L2's memory, l2_size bytes| <-------------- | L2's program     |
 *   +---------------------------+   you build     +------------------+ l2_size
 *   | one more page: late_to    | <-- - - - - - - |    late_gpa      | not before L2 asks
 *   +---------------------------+                 +------------------+
 *                                                 everything else: a hole
 *
 * L2's memory is ready to run: its page tables (at GPA l2_cr3) map the first 1 GiB one to one,
 * its GDT and its program are in place. All addresses below are multiples of 4 KiB, but not of
 * 2 MiB: map L2 page by page. Every byte of the job that is not named here is 0.
 */
#ifndef GUEST_HYPERVISOR_H
#define GUEST_HYPERVISOR_H

#include <stdint.h>

/* Why hypervisor_main() came back.
 *   NO_SUPPORT   Intel: CPUID does not offer VMX; IA32_FEATURE_CONTROL is locked without VMX; a
 *                control is not offered. AMD: CPUID does not offer SVM. The CPU's MSRs for VMX
 *                and SVM are there only if CPUID says so.
 *   NOT_ENTERED  the CPU refused to enter L2. end_detail: VM_INSTRUCTION_ERROR where VMLAUNCH or
 *                VMRESUME failed; the exit reason where it has bit 31 (an entry that failed on
 *                L2's state); VMEXIT_INVALID on AMD.
 *   UNEXPECTED   any other exit that is not in the list below, a port access too that is not as
 *                described there. end_detail: the exit reason, or AMD's exit code. */
enum hypervisor_end {
    HYPERVISOR_HALTED = 1, /* L2 executed HLT */
    HYPERVISOR_HOLE,       /* L2 touched a hole; end_detail = the L2-physical address */
    HYPERVISOR_UNEXPECTED,
    HYPERVISOR_NO_SUPPORT,
    HYPERVISOR_NOT_ENTERED,
};

/* The exits that L1 answers, counted in job->exits. */
enum hypervisor_exit {
    HYPERVISOR_CALL,  /* VMMCALL (AMD) or VMCALL (Intel) */
    HYPERVISOR_CPUID, /* CPUID */
    HYPERVISOR_PORT,  /* IN or OUT (not INS, OUTS) with AL or EAX, at job->port */
    HYPERVISOR_PAGE, /* a nested page fault or EPT violation that L1 repairs: the late page's */
    HYPERVISOR_HLT, /* HLT */
    HYPERVISOR_EXITS,
};

struct hypervisor_job {
    /* for L1 */
    uint64_t l2_base, l2_size; /* L2-physical [0, l2_size) is L1-physical l2_base + ... */
    uint64_t late_gpa;         /* a hole until L2 touches it; from then on L1's late_to */
    uint64_t late_to;
    uint64_t l2_rip, l2_rsp, l2_cr3, l2_gdt; /* where L2 starts: 64-bit mode, CPL 0 */
    uint64_t call_key;                       /* a call's answer is RBX XOR this, in RAX */
    /* L2's CPUID with EAX = cpuid_leaf gets cpuid_answer (EAX, EBX, ECX, EDX); with any other EAX
     * it gets what L1's own CPUID says for that EAX and ECX: some leaves have subleafs. */
    uint32_t cpuid_leaf;
    uint32_t cpuid_answer[4];
    uint32_t port; /* L1's device: the OUTs to it, the IN from it */
    /* from L1 */
    uint64_t port_sum; /* the values of all OUTs, added up; an IN gives this sum */
    uint64_t exits[HYPERVISOR_EXITS];
    uint64_t end; /* enum hypervisor_end */
    uint64_t end_detail;
};

/* Runs L2 until it ends, as the comments above say; fills what is "from L1".
 *   - L2 starts with all general registers 0 but RSP, interrupts off (RFLAGS = 2).
 *   - Exits of L2: those of enum hypervisor_exit, and nothing that the CPU does not force on
 *     you. All other instructions, exceptions and ports are L2's own: of all ports only
 *     job->port exits, what L2 writes elsewhere is for L0. (What leads to no exit you may choose:
 *     a VPID, unrestricted guest, TLB flushes. L2 executes no RDMSR and no WRMSR, so an MSR bitmap
 *     is yours to choose; so is LOAD_EFER at the entry: L2's EFER is that of L1, but for LMA and
 *     LME, which IA32E_MODE_GUEST says. AMD: you may intercept SHUTDOWN, which on Intel always
 *     exits.)
 *   - Intel: the processor stays in VMX operation, and its VMCS current: VMXOFF is for whoever
 *     called (common/silicon/program.S).
 *   - An instruction that was answered is done: L2 goes on behind it. A memory access that was
 *     repaired is not: L2 tries it again.
 *   - A call, CPUID or IN changes the registers that the instruction has as its results; all
 *     others keep what L2 had in them. (CPUID and IN EAX clear bits 63:32 of theirs.)
 *   - L2's memory is mapped, and from its first touch on the late page; nothing else ever is.
 *     What is mapped allows everything, and (EPT) is write-back memory, by pages of 4 KiB.
 *   - Exits are counted when they are answered, HLT as well; a hole is not counted. */
void hypervisor_main(struct hypervisor_job *job);

/* The world switch (common/guest/svm_enter.S, common/silicon/enter.S) swaps L2's general
 * registers; they are numbered as the processor numbers them. RSP is in VMCB and VMCS; so is
 * RAX on AMD: svm_enter() copies it there and back. */
enum l2_register {
    L2_RAX,
    L2_RCX,
    L2_RDX,
    L2_RBX,
    L2_RSP,
    L2_RBP,
    L2_RSI,
    L2_RDI,
    L2_R8,
    L2_REGISTERS = 16,
};

#endif
