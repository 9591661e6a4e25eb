/* rings.long64.c - a program in ring 3, and handlers in ring 0, as small as they can be.
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
#include "guest.h"

void guest_main(void)
{
}

/* clang-format off */
__asm__(
    ".set MAILBOX, 0x8000\n .set SCRIPT, 0x28000\n .set LOG, 0x30000\n"
    ".set USER_STACK, 0x20000\n"
    ".set PRIME, 0x01000193\n"

    ".section .rodata.table, \"a\"\n .balign 8\n"
    "  .quad 0x53474e49524d5254\n" /* MAGIC */
    "  .quad program\n"
    "  .quad h80, h81, h82, h83, h84, h85, h86, h87, h8b, h8c, hcf, h0b, h0d\n"
    "  .quad (sites_end - sites) / 8\n"
    "sites:\n"
    ".text\n"

    /* One of the instructions that a VMM without hardware support has to find. */
    ".macro SITE instruction:vararg\n"
    "  .pushsection .rodata.table\n .quad 770f\n .popsection\n"
    "770: \\instruction\n"
    ".endm\n"

    /* Notes what the processor has left, in the entry at R15. Changes RAX. */
    ".macro NOTE vector\n"
    "  movq $\\vector, (%r15)\n"
    "  mov %rsp, 8(%r15)\n"
    "  pushfq\n popq 16(%r15)\n"
    "  mov %cs, %eax\n mov %rax, 24(%r15)\n"
    "  mov %ss, %eax\n mov %rax, 32(%r15)\n"
    "  .irp at, 0, 8, 16, 24, 32, 40\n"
    "  mov \\at(%rsp), %rax\n mov %rax, 40+\\at(%r15)\n"
    "  .endr\n"
    "  lea 128(%r15), %r15\n"
    ".endm\n"

    /* --- ring 3 --- */
    "program:\n"
    "  mov $LOG, %r15d\n"
    "  mov MAILBOX, %r12\n"     /* pairs */
    "  mov MAILBOX+8, %r13\n"   /* the number */
    "1: test %r12, %r12\n jz 2f\n"
    "  mov $0xcf4880cd, %ebx\n" /* its bytes: CD 80 48 CF */
    "  SITE int $0x80\n"
    "  add %rbx, %r13\n"
    "  dec %r12\n jmp 1b\n"
    "2: mov $SCRIPT, %r14d\n"
    "  mov MAILBOX+16, %rbp\n"
    "3: test %rbp, %rbp\n jz 4f\n"
    "  mov $USER_STACK, %esp\n"
    "  sub 8(%r14), %rsp\n"
    "  mov (%r14), %rax\n"
    "  mov operations(,%rax,8), %rbx\n"
    "  pushq 16(%r14)\n popfq\n"
    "  jmp *%rbx\n"
    "back:\n"
    "  NOTE 0x100\n"
    "  add $32, %r14\n dec %rbp\n jmp 3b\n"
    "4: SITE int $0x81\n"
    "  ud2\n"

    "op0: SITE int $0x80\n jmp back\n" /* interrupt gate */
    "op1: SITE int $0x82\n jmp back\n" /* trap gate */
    "op2: SITE int $0x83\n jmp back\n" /* its handler does INT 84h */
    "op3: SITE int $0x85\n jmp back\n" /* the same, from a stack pointer 8 bytes lower */
    "op4: SITE int $0x86\n jmp back\n" /* by IST */
    "op5: SITE int $0x87\n jmp back\n" /* not for ring 3 */
    "op6: SITE int $0x88\n jmp back\n" /* not present */
    "op7: SITE int $0x89\n jmp back\n" /* no gate */
    "op8: out %al, $0x80\n jmp back\n" /* a port, and no more */
    "op9: SITE int $0x8b\n jmp back\n" /* its handler's first IRET has a bad CS */
    "op10: SITE int $0xcf\n jmp back\n"
    "op11: SITE int $0x8c\n jmp back\n" /* its handler does INT 87h */

    ".pushsection .rodata.operations, \"a\"\n .balign 8\n"
    "operations: .quad op0, op1, op2, op3, op4, op5, op6, op7, op8, op9, op10, op11\n"
    ".popsection\n"

    /* --- ring 0 --- */
    "h80: mov %r12, %rcx\n jrcxz 1f\n" /* no flag changes */
    "  imul $PRIME, %r13, %r13\n"
    "  add %rsp, %r13\n" /* on which stack are we? */
    "  add 8(%rsp), %r13\n" /* and who called? */
    "  incq MAILBOX+64\n"
    "  SITE iretq\n"
    "1: NOTE 0x80\n SITE iretq\n"
    "h82: NOTE 0x82\n SITE iretq\n"
    "h83: NOTE 0x83\n SITE int $0x84\n SITE iretq\n"
    "h84: NOTE 0x84\n SITE iretq\n"
    "h85: NOTE 0x85\n push %rax\n SITE int $0x84\n pop %rax\n SITE iretq\n"
    "h86: NOTE 0x86\n SITE iretq\n"
    "h87: NOTE 0x87\n SITE iretq\n"
    "hcf: NOTE 0xcf\n SITE iretq\n"
    "h8c: NOTE 0x8c\n SITE int $0x87\n SITE iretq\n"
    "h8b: NOTE 0x8b\n movq $0x0b, 8(%rsp)\n SITE iretq\n"
    "  movq $0x23, 8(%rsp)\n SITE iretq\n"
    /* Exceptions: note, go on behind the instruction of two bytes. */
    "h0b: NOTE 0x0b\n addq $2, 8(%rsp)\n add $8, %rsp\n SITE iretq\n"
    "h0d: NOTE 0x0d\n addq $2, 8(%rsp)\n add $8, %rsp\n SITE iretq\n"
    "h81: mov $0x3f0, %edx\n mov %r13d, %eax\n out %eax, %dx\n"
    "  cmpq $0, MAILBOX+24\n je 1f\n"
    "  mov $0x100, %eax\n vmcall\n"
    "1: hlt\n jmp 1b\n"
    ".section .rodata.table\n"
    "sites_end:\n .text\n");
/* clang-format on */
