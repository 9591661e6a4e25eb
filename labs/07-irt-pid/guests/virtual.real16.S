/* virtual.real16.S - a guest whose interrupts come from the virtual-APIC page: the processor
 * delivers them, no VMM is asked. For the emulated Intel CPU.
 *
 *   0x8004  dword: interrupts taken
 *   0x9000  bytes: their vectors, in order
 *
 * EOI is a write to the x2APIC's register 80Bh, which the processor virtualizes.
 */
    .set TAKEN, 0x8004
    .set ORDER, 0x9000
    .set X2APIC_EOI, 0x80b
    .set CALL_END, 0x100 /* SILICON_CALL_END */

    .code16
    .globl _start
_start:
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
    sti /* all that can be delivered comes here, one after the other */
    nop
    nop
    nop
    cli
    movl $CALL_END, %eax
    vmcall

/* In: the vector on the stack. */
interrupt:
    movw %sp, %bp
    movw TAKEN, %bx
    movb 0(%bp), %al
    movb %al, ORDER(%bx)
    incl TAKEN
    movl $X2APIC_EOI, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
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
