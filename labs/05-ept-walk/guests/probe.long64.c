/* probe.long64.c - touches memory where it is told to, one access an order.
 *
 * Mailbox 0: how many orders. They begin at GPA 100000h, 24 bytes each: kind, address, value.
 * What became of order n is left in the n-th 8 bytes from GPA 200000h on: what was read, what
 * the code that was called returned, DONE for a write, or NOTHING.
 *
 * An access that the EPT forbids never completes: after the VM exit, the guest goes on
 * at the address in R15, with all other registers as they were. RBX says which order it was.
 */
#include "guest.h"

#define ORDERS  0x100000
#define RESULTS 0x200000

#define DONE    1ull
#define NOTHING 0x6e6f7468696e67ull

enum kind { READ = 1, WRITE = 2, CALL = 4 };

struct order {
    uint64_t kind, address, value;
};

static uint64_t read_at(uint64_t address, uint64_t n)
{
    uint64_t value = NOTHING;

    __asm__ volatile("leaq 1f(%%rip), %%r15\n\t"
                     "movq (%1), %0\n"
                     "1:"
                     : "+r"(value)
                     : "r"(address), "b"(n)
                     : "r15", "memory");
    return value;
}

static uint64_t write_at(uint64_t address, uint64_t value, uint64_t n)
{
    uint64_t result = NOTHING;

    __asm__ volatile("leaq 1f(%%rip), %%r15\n\t"
                     "movq %2, (%1)\n\t"
                     "movl $1, %k0\n"
                     "1:"
                     : "+r"(result)
                     : "r"(address), "r"(value), "b"(n)
                     : "r15", "memory");
    return result;
}

/* The CALL pushes before it fetches: R14 remembers where the stack was. */
static uint64_t call_at(uint64_t address, uint64_t n)
{
    uint64_t value = NOTHING;

    __asm__ volatile("movq %%rsp, %%r14\n\t"
                     "leaq 1f(%%rip), %%r15\n\t"
                     "callq *%1\n"
                     "1:\tmovq %%r14, %%rsp"
                     : "+a"(value)
                     : "r"(address), "b"(n)
                     : "r14", "r15", "memory");
    return value;
}

void guest_main(void)
{
    const struct order *orders = (const struct order *)ORDERS;
    volatile uint64_t *results = (volatile uint64_t *)RESULTS;
    const uint64_t count = MAILBOX(0);

    for (uint64_t n = 0; n < count; n++) {
        const struct order *o = &orders[n];

        results[n] = o->kind == READ    ? read_at(o->address, n)
                     : o->kind == WRITE ? write_at(o->address, o->value, n)
                                        : call_at(o->address, n);
    }
    __asm__ volatile("vmcall" : : "a"(0x100ull) : "memory"); /* SILICON_CALL_END */
}
