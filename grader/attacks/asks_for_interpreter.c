/* lab: 1 10
 * tries: to be a program that cannot be started, for want of its interpreter: an error of the
 *   grader, which costs no points
 * says: asks for an interpreter
 * end of description */
__asm__(".section .interp, \"a\"\n.asciz \"/nowhere/ld.so\"\n.previous\n");
