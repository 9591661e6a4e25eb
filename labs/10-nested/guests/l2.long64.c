/* l2.long64.c - the guest's guest: does what its script says, step by step, and lets its number
 * go through everything that it gets to see.
 *
 * Mailbox (at its own GPA 8000h):
 *   0 number   1 an Intel CPU: VMCALL, not VMMCALL   2 L1's port   3 CPUID leaf   4 late page
 *   5 L0's port   6 calls of a step CALLS   7 a hole   8 last word of its memory
 *   16 the number at the end   17 steps done   18..20 the CPU's name, from CPUID leaf 0
 *   32.. the script
 *
 * In each step, R14 is its place in the script and R15 the number so far: whoever looks at the
 * registers during an exit sees where L2 is. */
#include "guest.h"

enum step {
    STEP_HALT,
    STEP_CALL,
    STEP_CPUID,
    STEP_NAME,
    STEP_OUT32,
    STEP_OUT8,
    STEP_IN32,
    STEP_IN8,
    STEP_LATE_READ,
    STEP_LATE_WRITE,
    STEP_LATE_RUN,
    STEP_LAST,
    STEP_FLAGS,
    STEP_SUBLEAF,
    STEP_L0,
    STEP_CALLS,
    /* the last one of a script */
    STEP_HOLE,
    STEP_OUT16,
    STEP_OUT_BESIDE,
    STEP_OUTS,
    STEP_FORBIDDEN,
};

#define LEAF_FEATURES   7      /* its subleaf 0 has bits in EBX, subleaf 1 has none */
#define FLAGS_OF_RESULT 0x8d5u /* of arithmetic; the others are what somebody set */

static uint64_t number, place;

static void mix(uint64_t value)
{
    number = (number ^ value) * 0x9e3779b97f4a7c15ull;
    number ^= number >> 32;
}

/* What an exit's observer can see. */
#define WITNESS                                                                            \
    register uint64_t r14 __asm__("r14") = place;                                          \
    register uint64_t r15 __asm__("r15") = number;
#define WITNESSED "r"(r14), "r"(r15)

static void call(void)
{
    uint64_t rax = number >> 7, rbx = number, rcx = number << 3, rdx = ~number;
    WITNESS

    if (MAILBOX(1))
        __asm__ volatile("vmcall"
                         : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx)
                         : WITNESSED
                         : "memory");
    else
        __asm__ volatile("vmmcall"
                         : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx)
                         : WITNESSED
                         : "memory");
    mix(rax);
    mix(rbx);
    mix(rcx);
    mix(rdx);
}

/* All of the registers: the upper halves have to be 0 afterwards. */
static void cpuid(uint64_t leaf, uint32_t subleaf, uint64_t out[4])
{
    uint64_t rax = leaf | number << 32, rbx = number, rcx = subleaf | number << 32,
             rdx = ~number;
    WITNESS

    __asm__ volatile("cpuid"
                     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx)
                     : WITNESSED
                     : "memory");
    out[0] = rax;
    out[1] = rbx;
    out[2] = rcx;
    out[3] = rdx;
}

static void out(uint16_t port, int bytes, uint64_t value)
{
    WITNESS

    if (bytes == 4)
        __asm__ volatile("outl %%eax, %%dx" : : "a"(value), "d"(port), WITNESSED);
    else if (bytes == 2)
        __asm__ volatile("outw %%ax, %%dx" : : "a"(value), "d"(port), WITNESSED);
    else
        __asm__ volatile("outb %%al, %%dx" : : "a"(value), "d"(port), WITNESSED);
}

static void out_string(uint16_t port)
{
    WITNESS

    __asm__ volatile("outsb" : : "S"(&number), "d"(port), WITNESSED);
}

static void in(uint16_t port, int bytes)
{
    uint64_t rax = number;
    WITNESS

    if (bytes == 4)
        __asm__ volatile("inl %%dx, %%eax" : "+a"(rax) : "d"(port), WITNESSED);
    else
        __asm__ volatile("inb %%dx, %%al" : "+a"(rax) : "d"(port), WITNESSED);
    mix(rax);
}

static uint64_t load(uint64_t gpa)
{
    uint64_t value;
    WITNESS

    __asm__ volatile("movq (%1), %0" : "=a"(value) : "b"(gpa), WITNESSED : "memory");
    return value;
}

static void store(uint64_t gpa, uint64_t value)
{
    WITNESS

    __asm__ volatile("movq %0, (%1)" : : "a"(value), "b"(gpa), WITNESSED : "memory");
}

/* A function that does nothing, wherever it is. */
static void run(uint64_t gpa)
{
    WITNESS

    __asm__ volatile("call *%0" : : "a"(gpa), WITNESSED : "memory");
}

static uint64_t flags(void)
{
    uint64_t value;

    __asm__ volatile("pushfq; popq %0" : "=r"(value));
    return value & ~(uint64_t)FLAGS_OF_RESULT;
}

static void subleafs(void)
{
    uint64_t answer[4];

    for (uint32_t i = 0; i < 2; i++) {
        cpuid(LEAF_FEATURES, i, answer);
        mix(answer[1] != 0);
    }
}

/* What leads to an exit whatever the controls say: the hypervisor may not know it. */
static void forbidden(void)
{
    WITNESS

    if (MAILBOX(1))
        __asm__ volatile("invd" : : WITNESSED);
    else
        __asm__ volatile("vmrun %%rax" : : "a"(0), WITNESSED);
}

static void step_last(uint64_t kind)
{
    switch (kind) {
    case STEP_HOLE:
        mix(load(MAILBOX(7)));
        break;
    case STEP_OUT16:
        out((uint16_t)MAILBOX(2), 2, number);
        break;
    case STEP_OUT_BESIDE: /* the port is among those that the access covers */
        out((uint16_t)(MAILBOX(2) - 2), 4, number);
        break;
    case STEP_OUTS:
        out_string((uint16_t)MAILBOX(2));
        break;
    case STEP_FORBIDDEN:
        forbidden();
        break;
    default:
        break;
    }
}

static void step(uint64_t kind)
{
    uint64_t answer[4];

    switch (kind) {
    case STEP_CALL:
        call();
        break;
    case STEP_CPUID:
        cpuid(MAILBOX(3), (uint32_t)number, answer);
        for (int i = 0; i < 4; i++)
            mix(answer[i]);
        break;
    case STEP_NAME:
        cpuid(0, 0, answer);
        for (int i = 0; i < 3; i++)
            MAILBOX(18 + i) = answer[1 + i];
        break;
    case STEP_OUT32: /* two of them need more than 32 bits */
        out((uint16_t)MAILBOX(2), 4, number | 1u << 31);
        break;
    case STEP_OUT8:
        out((uint16_t)MAILBOX(2), 1, number);
        break;
    case STEP_IN32:
    case STEP_IN8:
        in((uint16_t)MAILBOX(2), kind == STEP_IN32 ? 4 : 1);
        break;
    case STEP_LATE_READ:
        mix(load(MAILBOX(4)));
        break;
    case STEP_LATE_WRITE:
        store(MAILBOX(4) + 8, number);
        break;
    case STEP_LATE_RUN:
        run(MAILBOX(4) + 16);
        break;
    case STEP_LAST:
        store(MAILBOX(8), number);
        mix(load(MAILBOX(8)));
        break;
    case STEP_FLAGS:
        mix(flags());
        break;
    case STEP_SUBLEAF:
        subleafs();
        break;
    case STEP_L0:
        out((uint16_t)MAILBOX(5), 4, number);
        break;
    case STEP_CALLS:
        for (uint64_t n = MAILBOX(6); n > 0; n--)
            call();
        break;
    default:
        step_last(kind);
    }
}

void guest_main(void)
{
    number = MAILBOX(0);
    for (place = 0; MAILBOX(32 + place) != STEP_HALT; place++) {
        MAILBOX(16) = number;
        MAILBOX(17) = place;
        step(MAILBOX(32 + place));
    }
    MAILBOX(16) = number;
    MAILBOX(17) = place;
    WITNESS
    __asm__ volatile("hlt" : : WITNESSED);
}
