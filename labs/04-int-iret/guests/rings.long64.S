/* rings.long64.S - a program in ring 3, and handlers in ring 0, as small as they can be.
 *
 * The program starts at `program` in ring 3, by way of the VMM's tables; guest_main() is never
 * called. First it does INT 80h as often as mailbox 0 says; then what the script at SCRIPT
 * asks for, mailbox 2 entries; last INT 81h, whose handler writes a number that depends on all
 * of this to port 3F0h and halts (or does VMCALL, if mailbox 3 is not 0).
 *
 * Each entry of the script: operation (8 bytes), bytes to subtract from the stack pointer (8),
 * RFLAGS to have (8), unused (8). Each handler and each return from one leaves an entry of 128
 * bytes in the log at LOG:
 *
 *   0 vector (a return: 100h)   8 RSP   16 RFLAGS   24 CS   32 SS   40 to 87: six words of the
 *                                                                   stack
 * The table behind MAGIC says where things are: the grader looks for it in the image. Whoever
 * patches INT and IRET gets the sites from there: the text also has the bytes CD 80 and 48 CF
 * where they are numbers. */

    .globl guest_main
guest_main:
    ret /* never called */

    .set MAILBOX, 0x8000; .set SCRIPT, 0x28000; .set LOG, 0x30000
    .set USER_STACK, 0x20000
    .set PRIME, 0x01000193

    .section .rodata.table, "a"; .balign 8
    .quad 0x53474e49524d5254 /* MAGIC */
    .quad program
    .quad h80, h81, h82, h83, h84, h85, h86, h87, h8b, h8c, hcf, h0b, h0d
    .quad (sites_end - sites) / 8
sites:
    .text

/* One of the instructions that a VMM without hardware support has to find. */
    .macro SITE instruction:vararg
    .pushsection .rodata.table; .quad 770f; .popsection
770: \instruction
    .endm

/* Notes what the processor has left, in the entry at R15. Changes RAX. */
    .macro NOTE vector
    movq $\vector, (%r15)
    mov %rsp, 8(%r15)
    pushfq; popq 16(%r15)
    mov %cs, %eax; mov %rax, 24(%r15)
    mov %ss, %eax; mov %rax, 32(%r15)
    .irp at, 0, 8, 16, 24, 32, 40
    mov \at(%rsp), %rax; mov %rax, 40+\at(%r15)
    .endr
    lea 128(%r15), %r15
    .endm

/* --- ring 3 --- */
program:
    mov $LOG, %r15d
    mov MAILBOX, %r12 /* pairs */
    mov MAILBOX+8, %r13 /* the number */
1:  test %r12, %r12; jz 2f
    mov $0xcf4880cd, %ebx /* its bytes: CD 80 48 CF */
    SITE int $0x80
    add %rbx, %r13
    dec %r12; jmp 1b
2:  mov $SCRIPT, %r14d
    mov MAILBOX+16, %rbp
3:  test %rbp, %rbp; jz 4f
    mov $USER_STACK, %esp
    sub 8(%r14), %rsp
    mov (%r14), %rax
    mov operations(,%rax,8), %rbx
    pushq 16(%r14); popfq
    jmp *%rbx
back:
    NOTE 0x100
    add $32, %r14; dec %rbp; jmp 3b
4:  SITE int $0x81
    ud2

op0: SITE int $0x80; jmp back /* interrupt gate */
op1: SITE int $0x82; jmp back /* trap gate */
op2: SITE int $0x83; jmp back /* its handler does INT 84h */
op3: SITE int $0x85; jmp back /* the same, from a stack pointer 8 bytes lower */
op4: SITE int $0x86; jmp back /* by IST */
op5: SITE int $0x87; jmp back /* not for ring 3 */
op6: SITE int $0x88; jmp back /* not present */
op7: SITE int $0x89; jmp back /* no gate */
op8: out %al, $0x80; jmp back /* a port, and no more */
op9: SITE int $0x8b; jmp back /* its handler's first IRET has a bad CS */
op10: SITE int $0xcf; jmp back
op11: SITE int $0x8c; jmp back /* its handler does INT 87h */

    .pushsection .rodata.operations, "a"; .balign 8
operations: .quad op0, op1, op2, op3, op4, op5, op6, op7, op8, op9, op10, op11
    .popsection

/* --- ring 0 --- */
h80: mov %r12, %rcx; jrcxz 1f /* no flag changes */
    imul $PRIME, %r13, %r13
    add %rsp, %r13 /* on which stack are we? */
    add 8(%rsp), %r13 /* and who called? */
    incq MAILBOX+64
    SITE iretq
1:  NOTE 0x80; SITE iretq
h82: NOTE 0x82; SITE iretq
h83: NOTE 0x83; SITE int $0x84; SITE iretq
h84: NOTE 0x84; SITE iretq
h85: NOTE 0x85; push %rax; SITE int $0x84; pop %rax; SITE iretq
h86: NOTE 0x86; SITE iretq
h87: NOTE 0x87; SITE iretq
hcf: NOTE 0xcf; SITE iretq
h8c: NOTE 0x8c; SITE int $0x87; SITE iretq
h8b: NOTE 0x8b; movq $0x0b, 8(%rsp); SITE iretq
    movq $0x23, 8(%rsp); SITE iretq
/* Exceptions: note, go on behind the instruction of two bytes. */
h0b: NOTE 0x0b; addq $2, 8(%rsp); add $8, %rsp; SITE iretq
h0d: NOTE 0x0d; addq $2, 8(%rsp); add $8, %rsp; SITE iretq
h81: mov $0x3f0, %edx; mov %r13d, %eax; out %eax, %dx
    cmpq $0, MAILBOX+24; je 1f
    mov $0x100, %eax; vmcall
1:  hlt; jmp 1b
    .section .rodata.table
sites_end: .text

    .section .note.GNU-stack, "", @progbits
