/* drive.long64.c - executes I/O instructions from a list, each with registers of its own.
 *
 * Mailbox:  0 GPA of the list   1 how many steps
 * The code of a step is one I/O instruction and a RET; what the instruction left in the
 * registers is written behind it. The end is a VMCALL.
 */
#include "guest.h"

#define CALL_END 0x100ul /* SILICON_CALL_END */

struct step {
    uint8_t code[8];
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t down; /* 1: with DF set */
    uint64_t rax_after, rcx_after, rsi_after, rdi_after;
};

static void step_up(struct step *s)
{
    __asm__ volatile("cld; call *%[code]"
                     : "+a"(s->rax_after), "+c"(s->rcx_after), "+S"(s->rsi_after),
                       "+D"(s->rdi_after)
                     : "d"(s->rdx), [code] "r"(s->code)
                     : "memory", "cc");
}

static void step_down(struct step *s)
{
    __asm__ volatile("std; call *%[code]; cld"
                     : "+a"(s->rax_after), "+c"(s->rcx_after), "+S"(s->rsi_after),
                       "+D"(s->rdi_after)
                     : "d"(s->rdx), [code] "r"(s->code)
                     : "memory", "cc");
}

void guest_main(void)
{
    struct step *steps = (struct step *)MAILBOX(0);
    uint64_t count = MAILBOX(1);

    for (uint64_t i = 0; i < count; i++) {
        struct step *s = &steps[i];

        s->rax_after = s->rax;
        s->rcx_after = s->rcx;
        s->rsi_after = s->rsi;
        s->rdi_after = s->rdi;
        if (s->down)
            step_down(s);
        else
            step_up(s);
    }
    __asm__ volatile("vmcall" : : "a"(CALL_END) : "memory");
    halt();
}
