/* triple_fault.real16.S - an exception without a way to handle it.
 *
 * The interrupt table gets a limit of 0. #UD finds no gate: that is a fault (#GP); it finds
 * none either: a double fault (#DF); and none for that: the processor shuts down. */
    .code16
    .globl _start
_start:
    movw 0x8000, %ax /* mailbox 0: a number that only this run knows */
    movw $0x320, %dx
    outw %ax, %dx
    lidtl %cs:(no_table - _start)
    ud2

no_table:
    .word 0 /* limit */
    .long 0 /* base */
