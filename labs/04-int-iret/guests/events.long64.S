/* events.long64.S - a program in ring 3 to which things happen: it asks for injected events, and
 * it makes exceptions. For the emulated Intel CPU (it speaks to the runtime by VMCALL).
 *
 * The script at SCRIPT: mailbox 2 operations of 8 bytes. What arrives at a handler is noted in
 * the log, 64 bytes each: vector, RSP, and the six words from there. R15 is where the program
 * goes on, whether the handler or the VMM decides so. */

    .globl guest_main
guest_main:
    ret /* never called */

    .set MAILBOX, 0x8000; .set SCRIPT, 0x28000; .set LOG, 0x30000
    .set USER_STACK, 0x20000
    .set NOT_THERE, 0x400000; .set READ_ONLY, 0x600000; .set KERNELS, 0x800000
    .set RESERVED, 0xa00000; .set NO_FETCH, 0xc00000

    .section .rodata.table, "a"; .balign 8
    .quad 0x53474e49524d5254 /* MAGIC */
    .quad program, handlers, asked
operations:
    .quad event, e_de, e_db, e_bp, e_ud, e_gp, e_ss, e_read, e_write, e_kernels
    .quad e_readonly, e_reserved, e_fetch, e_nofetch, e_int6, e_int13, e_int14, e_int64
    .text

program:
    mov $LOG, %r13d
    mov $SCRIPT, %r14d
    mov MAILBOX+16, %r12
1:  test %r12, %r12; jz 2f
    mov (%r14), %rax
    mov $next, %r15d
    mov $USER_STACK, %esp
    jmp *operations(,%rax,8)
next:
    add $8, %r14; dec %r12; jmp 1b
2:  mov $0x100, %eax; vmcall /* SILICON_CALL_END */
    ud2

/* The event comes with the VM entry behind VMCALL. */
event: mov $0x102, %eax; vmcall /* SILICON_CALL_EVENT */
asked: .fill 16, 1, 0x90; jmp next

e_de: xor %edx, %edx; xor %ecx, %ecx; div %ecx
e_db: .byte 0xf1; jmp next /* INT1 */
e_bp: int3; jmp next
e_ud: ud2
e_gp: hlt
e_ss: mov $0x8000000000000000, %rbp; mov (%rbp), %al
e_read: mov NOT_THERE, %eax; jmp next
e_write: mov %eax, NOT_THERE; jmp next
e_kernels: mov KERNELS, %eax; jmp next
e_readonly: mov %eax, READ_ONLY; jmp next
e_reserved: mov RESERVED, %eax; jmp next
e_fetch: mov $NOT_THERE, %eax; jmp *%rax
e_nofetch: mov $NO_FETCH, %eax; jmp *%rax
e_int6: int $6; jmp next
e_int13: int $13; jmp next
e_int14: int $14; jmp next
e_int64: int $64; jmp next

/* One handler a vector, 16 bytes each. */
    .balign 16
handlers:
    .set vector, 0
    .rept 256
    movl $vector, %ebx; jmp noted; .balign 16
    .set vector, vector + 1
    .endr

noted:
    mov %rbx, (%r13)
    mov %rsp, 8(%r13)
    .irp at, 0, 8, 16, 24, 32, 40
    mov \at(%rsp), %rax; mov %rax, 16+\at(%r13)
    .endr
    add $64, %r13
    pushq $0x1b; pushq $USER_STACK; pushq $0x202; pushq $0x23; pushq %r15
    iretq

    .section .note.GNU-stack, "", @progbits
