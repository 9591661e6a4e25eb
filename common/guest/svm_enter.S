/* svm_enter.S - the world switch with VMRUN.
 *
 * VMRUN switches RIP, RSP, RFLAGS, RAX, segments and control registers; the other general
 * registers are swapped here. CLGI holds back interrupts while the worlds are mixed; VMLOAD
 * and VMSAVE switch what VMRUN leaves alone (FS, GS, TR, LDTR, the SYSCALL and SYSENTER MSRs).
 * Each of the four is an instruction that L0 may have to emulate. (APM 2, 15.5, 15.17)
 */
#define VMCB_RAX 0x5f8

    .text
/* void svm_enter(struct vmcb *vmcb, uint64_t registers[16]) */
    .globl svm_enter
svm_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rsi /* behind VMRUN registers[] and vmcb are found here */
    pushq %rdi
    movq 0x00(%rsi), %rax
    movq %rax, VMCB_RAX(%rdi)
    movq %rdi, %rax
    movq 0x08(%rsi), %rcx
    movq 0x10(%rsi), %rdx
    movq 0x18(%rsi), %rbx
    movq 0x28(%rsi), %rbp
    movq 0x38(%rsi), %rdi
    movq 0x40(%rsi), %r8
    movq 0x48(%rsi), %r9
    movq 0x50(%rsi), %r10
    movq 0x58(%rsi), %r11
    movq 0x60(%rsi), %r12
    movq 0x68(%rsi), %r13
    movq 0x70(%rsi), %r14
    movq 0x78(%rsi), %r15
    movq 0x30(%rsi), %rsi
    clgi
    vmload %rax
    vmrun %rax
    vmsave %rax
    stgi
    pushq %rsi /* L2's */
    movq 16(%rsp), %rsi
    movq %rcx, 0x08(%rsi)
    movq %rdx, 0x10(%rsi)
    movq %rbx, 0x18(%rsi)
    movq %rbp, 0x28(%rsi)
    popq 0x30(%rsi)
    movq %rdi, 0x38(%rsi)
    movq %r8, 0x40(%rsi)
    movq %r9, 0x48(%rsi)
    movq %r10, 0x50(%rsi)
    movq %r11, 0x58(%rsi)
    movq %r12, 0x60(%rsi)
    movq %r13, 0x68(%rsi)
    movq %r14, 0x70(%rsi)
    movq %r15, 0x78(%rsi)
    popq %rdi
    movq VMCB_RAX(%rdi), %rax
    movq %rax, 0x00(%rsi)
    popq %rsi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits
