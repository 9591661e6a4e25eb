/* reset.S - from the processor's reset to 64-bit mode: the last 4 KiB of the ROM.
 *
 * At reset the processor is in real mode, but its CS has base FFFF0000h: the first
 * instruction comes from FFFFFFF0h, in the ROM (SDM 3A 10.1.4). There is no memory set up,
 * no BIOS, nobody else. We enter protected mode, copy the runtime and its job from the ROM
 * to memory, map the first 4 GiB one to one, enter 64-bit mode and jump to the runtime.
 */
#define RUNTIME 0x100000
#define JOB     0x800000
#define PML4    0x1000 /* PDPT at 2000h, four PDs from 3000h */

    .section .text, "ax"

/* Filled in by whoever builds the ROM (grader/silicon/bochs.c): physical addresses, bytes. */
    .globl rom_header
rom_header:
runtime_from:   .long 0
runtime_length: .long 0
job_from:       .long 0
job_length:     .long 0

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 08h: code, 32 bits, flat */
    .quad 0x00cf93000000ffff /* 10h: data, flat */
    .quad 0x00af9b000000ffff /* 18h: code, 64 bits */
gdt_register:
    .word . - gdt - 1
    .long gdt

    .code16
real_mode:
    cli
    lgdtl %cs:(gdt_register - rom_header + 0xf000) /* CS begins at FFFF0000h */
    movl %cr0, %eax
    orb $1, %al /* PE */
    movl %eax, %cr0
    ljmpl $0x08, $protected_mode

    .code32
protected_mode:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    cld
    movl runtime_from, %esi
    movl runtime_length, %ecx
    movl $RUNTIME, %edi
    rep movsb
    movl job_from, %esi
    movl job_length, %ecx
    movl $JOB, %edi
    rep movsb

    /* Memory is zero after power-on: only what is present has to be written. */
    movl $PML4 + 0x1003, PML4
    movl $PML4 + 0x2003, PML4 + 0x1000
    movl $PML4 + 0x3003, PML4 + 0x1008
    movl $PML4 + 0x4003, PML4 + 0x1010
    movl $PML4 + 0x5003, PML4 + 0x1018
    movl $PML4 + 0x2000, %edi
    movl $0x83, %eax /* present, writable, 2 MiB */
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x200000, %eax
    cmpl $PML4 + 0x6000, %edi
    jb 1b

    movl $PML4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx /* EFER */
    rdmsr
    orl $0x100, %eax /* LME */
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax /* PG */
    movl %eax, %cr0
    ljmpl $0x18, $long_mode

    .code64
long_mode:
    movl $RUNTIME, %eax
    jmp *%rax

    .section .reset, "ax"
    .code16
    jmp real_mode /* at FFFFFFF0h */

    .section .note.GNU-stack, "", @progbits
