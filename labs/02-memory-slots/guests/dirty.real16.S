/* dirty.real16.S - touches one 16-bit word in each page of a list.
 *
 * Mailbox, 16-bit numbers:  0 the value to write   1 offset of the word in its page
 *                           2... segment of a page (GPA / 16), + 1 if it shall only be
 *                           read; 0 ends the list
 * In real mode, without a stack, the CPU itself writes nothing: no page tables with
 * accessed bits, no return addresses. What is dirty afterwards was on the list.
 */
    .code16
    .globl _start
_start:
    xorw %ax, %ax
    movw %ax, %ds
    cld
again:
    movw $0x8000, %si
    lodsw
    movw %ax, %dx
    lodsw
    movw %ax, %di
next:
    lodsw
    testw %ax, %ax
    jz done
    testb $1, %al
    jnz read
    movw %ax, %es
    movw %dx, %es:(%di)
    jmp next
read:
    decw %ax
    movw %ax, %es
    movw %es:(%di), %cx
    jmp next
done:
    hlt
    jmp again

    .section .note.GNU-stack, "", @progbits
