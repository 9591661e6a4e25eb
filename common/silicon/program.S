/* program.S - where a program that has the emulated CPU for itself begins, and ends.
 *
 * reset.S has entered 64-bit mode and copied the program to 1 MiB and its job to 8 MiB. What a
 * VMCS's host state asks for on top of that is a task register: VM exits load it, and none may
 * be null (SDM 3C 27.2.3). So here are a GDT, a TSS, a stack. An exception ends the machine:
 * there is no IDT, so it becomes a triple fault.
 */
#define JOB        0x800000
#define BREAK_PORT 0x8900

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
    movl $JOB, %edi
    call hypervisor_main
    /* Hands over to the debugger, for good. */
    movw $BREAK_PORT, %dx
    movb $'D', %al
2:  outb %al, %dx
    jmp 2b

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

    .bss
    .balign 16
program_tss:
    .skip 104
    .balign 16
    .skip 16384
program_stack_end:

    .section .note.GNU-stack, "", @progbits
