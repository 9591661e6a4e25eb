/* ask.real16.S - reads a number from a port, leaves it in memory and in EAX, halts. */
    .code16
    .globl _start
_start:
    movw $0x310, %dx
    inl %dx, %eax
    movl %eax, 0x8000 /* mailbox 0 */
    hlt
