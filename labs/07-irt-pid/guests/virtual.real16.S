/* virtual.real16.S - a guest whose interrupts come from the virtual-APIC page: the processor
 * delivers them, no VMM is asked. For the emulated Intel CPU.
 *
 *   0x8004  dword: interrupts taken
 *   0x8008  dwords: notification, destination, and the same once more; 0: none
 *   0x8018  dword: interrupts taken until the second notification
 *   0x801c  dword: until interrupts were on again after it
 *   0x9000  bytes: their vectors, in order
 *
 * EOI is a write to the x2APIC's register 80Bh, which the processor virtualizes. A notification
 * is a physical interrupt, as an IOMMU would send it: the guest has the true x2APIC's interrupt
 * command register and sends it to its own processor.
 */
    .set TAKEN, 0x8004
    .set NOTIFY, 0x8008
    .set TAKEN_1, 0x8018
    .set TAKEN_2, 0x801c
    .set ORDER, 0x9000
    .set APIC_BASE, 0x1b /* MSRs */
    .set X2APIC_EOI, 0x80b
    .set X2APIC_SPURIOUS, 0x80f
    .set X2APIC_COMMAND, 0x830
    .set CALL_END, 0x100 /* SILICON_CALL_END */
    .set CALL_WRITE, 0x104

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
    cmpl $0, NOTIFY
    jne notified
take:
    sti /* all that can be delivered comes here, one after the other */
    nop
    nop
    nop
    cli
    movl $CALL_END, %eax
    vmcall

notified:
    movl $APIC_BASE, %ecx /* to x2APIC mode, and on */
    rdmsr
    orl $0xc00, %eax
    wrmsr
    movl $X2APIC_SPURIOUS, %ecx
    movl $0x1ff, %eax
    xorl %edx, %edx
    wrmsr
    sti
    movw $NOTIFY, %si
    call notify
    cli
    movl TAKEN, %eax
    movl %eax, TAKEN_1
    movl $5, %edi /* others post: five words of the descriptor */
1:  movl $CALL_WRITE, %eax
    vmcall
    decl %edi
    jnz 1b
    call notify /* with interrupts off */
    movl TAKEN, %eax
    movl %eax, TAKEN_2
    jmp take

/* Sends the pair at SI, and waits a while. */
notify:
    movl $X2APIC_COMMAND, %ecx
    lodsl
    movl %eax, %ebx
    lodsl
    movl %eax, %edx
    movl %ebx, %eax
    wrmsr
    movl $1000, %ecx
1:  decl %ecx
    jnz 1b
    ret

/* In: the vector on the stack. The interrupted loop keeps its registers. */
interrupt:
    pushl %eax
    pushl %ecx
    pushl %edx
    movw %sp, %bp
    movw TAKEN, %bx
    movb 12(%bp), %al
    movb %al, ORDER(%bx)
    incl TAKEN
    movl $X2APIC_EOI, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    popl %edx
    popl %ecx
    popl %eax
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
