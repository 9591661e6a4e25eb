/* start.S - where the runtime begins, and where its own exceptions arrive. */
    .section .start, "ax"
    .globl _start
_start:
    leaq stack_end(%rip), %rsp
    call runtime_main
1:  hlt
    jmp 1b

/* A stub for each of the 32 exceptions, 16 bytes apart: vector and RIP to host_fault(). Where
 * the processor pushes an error code (SDM 3A 6.15), RIP lies above it. */
    .text
    .balign 16
    .globl exception_stubs
exception_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
    movq 8(%rsp), %rsi
    .else
    movq (%rsp), %rsi
    .endif
    movl $vector, %edi
    jmp host_fault
    .set vector, vector + 1
    .endr

    .bss
    .balign 16
    .skip 16384
stack_end:

    .section .note.GNU-stack, "", @progbits
