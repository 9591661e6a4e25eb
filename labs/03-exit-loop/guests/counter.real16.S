/* counter.real16.S - counts in memory for ever, and never leaves by itself. */
    .code16
    .globl _start
_start:
    incl 0x8000 /* mailbox 0 */
    jmp _start
