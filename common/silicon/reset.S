/* reset.S - from the processor's reset to 64-bit mode: the last 4 KiB of the ROM.
 *
 * At reset the processor is in real mode, but its CS has base FFFF0000h: the first
 * instruction comes from FFFFFFF0h, in the ROM (SDM 3A 10.1.4). There is no memory set up,
 * no BIOS, nobody else. We enter protected mode, map the first 4 GiB one to one, enter 64-bit
 * mode, copy the runtime and its job from the ROM to memory, and jump to the runtime.
 *
 * Memory survives a reset. After one, or when it jumps to AGAIN (program.S), the runtime is as it
 * was at first, and the job as it was left.
 */
#define RUNTIME      0x100000
#define RUNTIME_ROOM 0x80000
#define JOB          0x800000
#define PML4         0x1000 /* PDPT at 2000h, four PDs from 3000h */
#define STARTS       0x7000 /* of the runtime, the first one included */

    .section .text, "ax"

/* Filled in by whoever builds the ROM (grader/silicon/bochs.c): physical addresses, and lengths
 * in units of 4 bytes. */
    .globl rom_header
rom_header:
runtime_from:   .long 0
runtime_length: .long 0
job_from:       .long 0
job_length:     .long 0

    .code64
    jmp long_mode /* AGAIN: FFFFF010h */

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
    movl $PML4, %eax
    movq %rax, %cr3
    incl STARTS
    cmpl $1, STARTS
    je 1f
    movl $RUNTIME, %edi /* for .bss, which was zero at power-on */
    movl $RUNTIME_ROOM / 4, %ecx
    xorl %eax, %eax
    rep stosl
    jmp 2f
1:  movl job_from(%rip), %esi
    movl job_length(%rip), %ecx
    movl $JOB, %edi
    rep movsl
2:  movl runtime_from(%rip), %esi
    movl runtime_length(%rip), %ecx
    movl $RUNTIME, %edi
    rep movsl
    movl $RUNTIME, %eax
    jmp *%rax

    .section .reset, "ax"
    .code16
    jmp real_mode /* at FFFFFFF0h */

    .section .note.GNU-stack, "", @progbits
