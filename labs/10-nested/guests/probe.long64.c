/* probe.long64.c - touches addresses from a list, one by one, and notes what it read.
 *
 * At 100000h: how many; then for each one {address, 1 = write}; the answers from 180000h on. An
 * access that is not allowed is noted as it is skipped: its answer stays what it was. */
#include "guest.h"

#define LIST    0x100000u
#define ANSWERS 0x180000u

/* R15 is where the exit handler goes on. */
static void touch(uint64_t address, uint64_t write, volatile uint64_t *answer)
{
    __asm__ volatile("leaq 2f(%%rip), %%r15\n\t"
                     "testq %1, %1\n\t"
                     "jnz 1f\n\t"
                     "movq (%0), %%rax\n\t"
                     "movq %%rax, (%2)\n\t"
                     "jmp 2f\n"
                     "1:\tmovq %0, 8(%0)\n\t"
                     "movq $1, (%2)\n"
                     "2:"
                     :
                     : "r"(address), "r"(write), "r"(answer)
                     : "rax", "r15", "memory", "cc");
}

void guest_main(void)
{
    const uint64_t count = AT64(LIST);

    for (uint64_t i = 0; i < count; i++)
        touch(AT64(LIST + 8 + 16 * i), AT64(LIST + 16 + 16 * i), &AT64(ANSWERS + 8 * i));
    __asm__ volatile("vmcall" : : "a"(0x100)); /* SILICON_CALL_END */
}
