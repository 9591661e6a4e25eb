/* multiboot.S - the smallest guest that make boot KERNEL= takes by multiboot: says on the serial
 * port whether its loader kept the promises, and switches the machine off.
 *
 *   gcc -m32 -nostdlib -static -Wl,-Ttext=0x200000 -Wl,--build-id=none -o OUT multiboot.S
 */
    .text
    .globl _start
    .align 4
    .long 0x1badb002, 0x3, -(0x1badb002 + 0x3)
_start:
    mov $0x80000, %esp      /* multiboot gives no stack */
    cmp $0x2badb002, %eax
    jne bad
    mov (%ebx), %eax        /* flags: memory, command line, map */
    and $0x45, %eax
    cmp $0x45, %eax
    jne bad
    cmpl $127 * 1024, 8(%ebx) /* KiB above 1 MiB of a guest with 128 MiB */
    jne bad
    mov 16(%ebx), %esi      /* the command line: up to its end */
    call say
    mov $good, %esi
    jmp end
bad:
    mov $wrong, %esi
end:
    call say
    mov $0x2000, %ax        /* PM1 control: S5 */
    mov $0x604, %dx
    out %ax, %dx
    hlt

say:
    mov $0x3f8, %dx
1:  lodsb
    test %al, %al
    jz 2f
    out %al, %dx
    jmp 1b
2:  ret

good:  .asciz "\nmultiboot: as promised\n"
wrong: .asciz "\nmultiboot: not as promised\n"
    .section .note.GNU-stack, "", @progbits
