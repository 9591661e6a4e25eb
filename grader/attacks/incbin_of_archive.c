/* lab: 1
 * tries: have the assembler carry the reference's archive into the subject
 * says: file not found: build/lib/01-kvm-open.a
 * end of description */
__asm__(".section .rodata\n.incbin \"build/lib/01-kvm-open.a\"\n.text\n");
