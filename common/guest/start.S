/* start.S - where guests written in C begin: the loader has set up stack and segments. */
    .section .start, "ax"
    .globl _start
_start:
    call guest_main
1:  hlt /* a guest that returns has nothing more to do */
    jmp 1b

    .section .note.GNU-stack, "", @progbits
