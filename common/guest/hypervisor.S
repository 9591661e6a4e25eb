/* hypervisor.S - where a hypervisor begins that is a guest itself.
 *
 * Its job is where guests have their mailbox. Before it starts, it exits a few times by itself
 * (CPUID): what L0 needs for an exit of L1 is what an exit of L2 is compared with.
 */
#define JOB   0x8000
#define TRIES 60

    .section .start, "ax"
    .globl _start
_start:
    leaq hypervisor_stack_end(%rip), %rsp
    movl $TRIES, %esi
1:  xorl %eax, %eax
    xorl %ecx, %ecx
    cpuid
    decl %esi
    jnz 1b
    movl $JOB, %edi
    call hypervisor_main
2:  hlt
    jmp 2b

    .bss
    .balign 16
    .skip 16384
hypervisor_stack_end:

    .section .note.GNU-stack, "", @progbits
