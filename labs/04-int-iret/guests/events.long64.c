/* events.long64.c - a program in ring 3 to which things happen: it asks for injected events, and
 * it makes exceptions. For the emulated Intel CPU (it speaks to the runtime by VMCALL).
 *
 * The script at SCRIPT: mailbox 2 operations of 8 bytes. What arrives at a handler is noted in
 * the log, 64 bytes each: vector, RSP, and the six words from there. R15 is where the program
 * goes on, whether the handler or the VMM decides so. */
#include "guest.h"

void guest_main(void)
{
}

/* clang-format off */
__asm__(
    ".set MAILBOX, 0x8000\n .set SCRIPT, 0x28000\n .set LOG, 0x30000\n"
    ".set USER_STACK, 0x20000\n"
    ".set NOT_THERE, 0x400000\n .set READ_ONLY, 0x600000\n .set KERNELS, 0x800000\n"
    ".set RESERVED, 0xa00000\n .set NO_FETCH, 0xc00000\n"

    ".section .rodata.table, \"a\"\n .balign 8\n"
    "  .quad 0x53474e49524d5254\n" /* MAGIC */
    "  .quad program, handlers, asked\n"
    "operations:\n"
    "  .quad event, e_de, e_db, e_bp, e_ud, e_gp, e_ss, e_read, e_write, e_kernels\n"
    "  .quad e_readonly, e_reserved, e_fetch, e_nofetch, e_int6, e_int13, e_int14, e_int64\n"
    ".text\n"

    "program:\n"
    "  mov $LOG, %r13d\n"
    "  mov $SCRIPT, %r14d\n"
    "  mov MAILBOX+16, %r12\n"
    "1: test %r12, %r12\n jz 2f\n"
    "  mov (%r14), %rax\n"
    "  mov $next, %r15d\n"
    "  mov $USER_STACK, %esp\n"
    "  jmp *operations(,%rax,8)\n"
    "next:\n"
    "  add $8, %r14\n dec %r12\n jmp 1b\n"
    "2: mov $0x100, %eax\n vmcall\n" /* SILICON_CALL_END */
    "  ud2\n"

    /* The event comes with the VM entry behind VMCALL. */
    "event: mov $0x102, %eax\n vmcall\n" /* SILICON_CALL_EVENT */
    "asked: .fill 16, 1, 0x90\n jmp next\n"

    "e_de: xor %edx, %edx\n xor %ecx, %ecx\n div %ecx\n"
    "e_db: .byte 0xf1\n jmp next\n" /* INT1 */
    "e_bp: int3\n jmp next\n"
    "e_ud: ud2\n"
    "e_gp: hlt\n"
    "e_ss: mov $0x8000000000000000, %rbp\n mov (%rbp), %al\n"
    "e_read: mov NOT_THERE, %eax\n jmp next\n"
    "e_write: mov %eax, NOT_THERE\n jmp next\n"
    "e_kernels: mov KERNELS, %eax\n jmp next\n"
    "e_readonly: mov %eax, READ_ONLY\n jmp next\n"
    "e_reserved: mov RESERVED, %eax\n jmp next\n"
    "e_fetch: mov $NOT_THERE, %eax\n jmp *%rax\n"
    "e_nofetch: mov $NO_FETCH, %eax\n jmp *%rax\n"
    "e_int6: int $6\n jmp next\n"
    "e_int13: int $13\n jmp next\n"
    "e_int14: int $14\n jmp next\n"
    "e_int64: int $64\n jmp next\n"

    /* One handler a vector, 16 bytes each. */
    "  .balign 16\n"
    "handlers:\n"
    "  .set vector, 0\n"
    "  .rept 256\n"
    "  movl $vector, %ebx\n jmp noted\n .balign 16\n"
    "  .set vector, vector + 1\n"
    "  .endr\n"

    "noted:\n"
    "  mov %rbx, (%r13)\n"
    "  mov %rsp, 8(%r13)\n"
    "  .irp at, 0, 8, 16, 24, 32, 40\n"
    "  mov \\at(%rsp), %rax\n mov %rax, 16+\\at(%r13)\n"
    "  .endr\n"
    "  add $64, %r13\n"
    "  pushq $0x1b\n pushq $USER_STACK\n pushq $0x202\n pushq $0x23\n pushq %r15\n"
    "  iretq\n");
/* clang-format on */
