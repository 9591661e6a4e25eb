/* lab: 1
 * tries: have the assembler read a file without an end
 * says: does not compile
 * says: the compiler was still busy
 * says: memory
 * end of description */
__asm__(".section .rodata\n.incbin \"/dev/zero\"\n.text\n");
