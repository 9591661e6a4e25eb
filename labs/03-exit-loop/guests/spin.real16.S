/* spin.real16.S - the shortest guest that never ends. */
    .code16
    .globl _start
_start:
    jmp _start
