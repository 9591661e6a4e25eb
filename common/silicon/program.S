/* program.S - where a program that has the emulated CPU for itself begins, and ends.
 *
 * reset.S has entered 64-bit mode and copied the program to 1 MiB and its job to 8 MiB. What a
 * VMCS's host state asks for on top of that is a task register: VM exits load it, and none may
 * be null (SDM 3C 27.2.3). So here are a GDT, a TSS, a stack. There is no IDT, so an exception
 * becomes a triple fault, and that a reset.
 *
 * The program has as many lives as the job's first word says: when it is done it begins anew,
 * after VMXOFF, or after a reset where firmware is to have written IA32_FEATURE_CONTROL.
 */
#define STARTS     0x7000     /* reset.S */
#define AGAIN      0xfffff010 /* reset.S, in 64-bit mode */
#define JOB        0x800000
#define LIFE_SIZE  32 /* struct silicon_life (grader/silicon/silicon.h) */
#define BREAK_PORT 0x8900

#define IA32_FEATURE_CONTROL 0x3a
#define CR0_NE               (1 << 5)
#define CR4_VMXE             (1 << 13)

    .section .start, "ax"
    .globl _start
_start:
    leaq program_stack_end(%rip), %rsp
    leaq program_tss(%rip), %rax
    leaq program_gdt(%rip), %rbx
    movw %ax, 26(%rbx) /* the base of the TSS descriptor, in its pieces */
    shrq $16, %rax
    movb %al, 28(%rbx)
    movb %ah, 31(%rbx)
    lgdt program_gdt_register(%rip)
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $0x18, %eax
    ltr %ax
    movl STARTS, %ebx
    cmpl JOB, %ebx
    ja 5f
    imull $LIFE_SIZE, %ebx, %ebx
    addl $JOB, %ebx
    movl 8(%rbx), %eax
    testl %eax, %eax
    jz 2f
    movl $IA32_FEATURE_CONTROL, %ecx
    xorl %edx, %edx
    wrmsr
2:  movq 16(%rbx), %rax
    testq %rax, %rax
    jz 3f
    xorb $1, (%rax) /* VMRESUME becomes VMLAUNCH, or the other way round: refused */
3:  movq 0(%rbx), %rdi
    call hypervisor_main

    movl STARTS, %ebx
    imull $LIFE_SIZE, %ebx, %eax
    movq $1, JOB + 24(%rax) /* it came back */
    cmpl JOB, %ebx
    je 5f /* the last one: memory stays as it is */
    lidt no_idt(%rip)
    cmpl $0, JOB + LIFE_SIZE + 8(%rax)
    je 4f
    ud2
4:  movl $2, %eax /* INVEPT, all contexts */
    invept no_idt(%rip), %rax
    vmxoff
    movq %cr0, %rax
    andq $~CR0_NE, %rax
    movq %rax, %cr0
    movq %cr4, %rax
    andq $~CR4_VMXE, %rax
    movq %rax, %cr4
    movl $AGAIN, %eax
    jmp *%rax

    /* Hands over to the debugger, for good. */
5:  movw $BREAK_PORT, %dx
    movb $'D', %al
6:  outb %al, %dx
    jmp 6b

    .data
    .balign 8
    .globl program_gdt, program_tss
program_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 08h: code, 64 bits */
    .quad 0x00cf93000000ffff /* 10h: data */
    .quad 0x0000890000000067 /* 18h: TSS */
    .quad 0
program_gdt_register:
    .word . - program_gdt - 1
    .quad program_gdt
no_idt: /* and no INVEPT descriptor */
    .quad 0, 0

    .bss
    .balign 16
program_tss:
    .skip 104
    .balign 16
    .skip 16384
program_stack_end:

    .section .note.GNU-stack, "", @progbits
