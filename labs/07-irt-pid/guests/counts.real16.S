/* counts.real16.S - a handler for each of the 256 vectors, which counts.
 *
 *   0x8000  word: 1 = halt between interrupts, 0 = spin     (written by the VMM)
 *   0x8004  dword: interrupts taken
 *   0x8400  256 dwords: interrupts taken, by vector
 *   0x9000  bytes: the vectors, in the order in which they were taken
 *
 * The end of an interrupt is an OUT to port 20h.
 */
    .set MODE, 0x8000
    .set TAKEN, 0x8004
    .set COUNTS, 0x8400
    .set ORDER, 0x9000

    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    xorw %di, %di /* the interrupt vector table: 256 times offset, segment */
    movw $(handlers - _start), %ax
    movw $256, %cx
    cld
1:  stosw
    movw %ax, %bx
    movw %cs, %ax
    stosw
    leaw 8(%bx), %ax
    loop 1b
    sti
idle:
    cmpw $1, MODE
    jne idle
    hlt
    jmp idle

/* In: the vector on the stack. */
interrupt:
    pushw %bp
    movw %sp, %bp
    pushl %eax
    pushl %ebx
    movl TAKEN, %ebx
    movb 2(%bp), %al
    movb %al, ORDER(%bx)
    movzbl %al, %eax
    shlw $2, %ax
    movw %ax, %bx
    incl COUNTS(%bx)
    movb $0x20, %al
    outb %al, $0x20
    incl TAKEN /* last: the VMM waits for it */
    popl %ebx
    popl %eax
    popw %bp
    addw $2, %sp
    iretw

    .balign 8
handlers:
    .set vector, 0
    .rept 256
    .balign 8
    pushw $vector
    jmp interrupt
    .set vector, vector + 1
    .endr
