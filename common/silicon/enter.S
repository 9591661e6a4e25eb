/* enter.S - the world switch.
 *
 * The VMCS holds RIP, RSP, RFLAGS, segments and control registers of both worlds, and the
 * processor switches them. The other general registers are software's business: they are
 * swapped here. (SDM 3C 25.4, 27.3.2, 31.3)
 */
#define HOST_RSP 0x6c14 /* VMCS_HOST_RSP */

    .text
/* int vmx_enter(uint64_t registers[16], bool launched) */
    .globl vmx_enter
vmx_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi /* the VM exit finds registers[] here */
    movl $HOST_RSP, %eax
    vmwrite %rsp, %rax
    testb %sil, %sil /* no instruction below changes ZF */
    movq 0x00(%rdi), %rax
    movq 0x08(%rdi), %rcx
    movq 0x10(%rdi), %rdx
    movq 0x18(%rdi), %rbx
    movq 0x28(%rdi), %rbp
    movq 0x30(%rdi), %rsi
    movq 0x40(%rdi), %r8
    movq 0x48(%rdi), %r9
    movq 0x50(%rdi), %r10
    movq 0x58(%rdi), %r11
    movq 0x60(%rdi), %r12
    movq 0x68(%rdi), %r13
    movq 0x70(%rdi), %r14
    movq 0x78(%rdi), %r15
    movq 0x38(%rdi), %rdi
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  /* Only a failed entry comes here: CF or ZF says how. */
    popq %rdi
    movl $1, %eax
    movl $2, %ecx
    cmovzl %ecx, %eax
    jmp 3f

    .globl vmx_exit_arrive
vmx_exit_arrive:
    pushq %rdi /* the guest's */
    movq 8(%rsp), %rdi
    movq %rax, 0x00(%rdi)
    movq %rcx, 0x08(%rdi)
    movq %rdx, 0x10(%rdi)
    movq %rbx, 0x18(%rdi)
    movq %rbp, 0x28(%rdi)
    movq %rsi, 0x30(%rdi)
    popq 0x38(%rdi)
    movq %r8, 0x40(%rdi)
    movq %r9, 0x48(%rdi)
    movq %r10, 0x50(%rdi)
    movq %r11, 0x58(%rdi)
    movq %r12, 0x60(%rdi)
    movq %r13, 0x68(%rdi)
    movq %r14, 0x70(%rdi)
    movq %r15, 0x78(%rdi)
    popq %rdi
    xorl %eax, %eax
3:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .note.GNU-stack, "", @progbits
