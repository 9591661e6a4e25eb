/* oracle.c - INT and IRET, worked out by hand from the manual: what should come out of a case. */
#include <errno.h>
#include <string.h>

#include "memory.h"
#include "x86.h"

/* The segment register after loading: what stands in the descriptor's bytes. */
static struct kvm_segment oracle_segment(const uint8_t *ram, uint16_t selector)
{
    const uint8_t *d = ram + GDT_AT + (selector & 0xfff8);
    struct kvm_segment s = {
        .selector = selector,
        .base = bytes_value(d + 2, 3) + ((uint64_t)d[7] << 24),
        .limit = (uint32_t)(bytes_value(d, 2) + (d[6] & 15u) * 65536u),
        .type = d[5] & 15,
        .s = (d[5] & 16) != 0,
        .dpl = d[5] / 32 & 3,
        .present = d[5] / 128,
        .avl = (d[6] & 16) != 0,
        .l = (d[6] & 32) != 0,
        .db = (d[6] & 64) != 0,
        .g = d[6] / 128,
    };

    if (s.g)
        s.limit = s.limit * 4096u + 4095u;
    return s;
}

static struct kvm_segment oracle_null(uint16_t selector)
{
    return (struct kvm_segment){.selector = selector, .dpl = selector % 4, .unusable = 1};
}

/* Descriptors that INT and IRET can see: within the limit, not in an LDT. */
static bool oracle_in_gdt(const struct cpu_state *cpu, uint16_t selector)
{
    return selector / 8 != 0 && selector / 4 % 2 == 0 &&
           (selector & 0xfff8u) + 8u <= cpu->sregs.gdt.limit + 1u;
}

bool oracle_memory(uint64_t at, uint64_t size)
{
    at -= LAB04_AT;
    return at < LAB04_RAM && size <= LAB04_RAM - at;
}

/* 0, or why this much cannot be written. */
static int oracle_writable(uint64_t at, uint64_t size)
{
    if (!oracle_memory(at, size))
        return -EFAULT;
    return at - LAB04_AT + size > LAB04_ROM ? -EROFS : 0;
}

static bool oracle_canonical(uint64_t address)
{
    return address < 1ull << 47 || address >= 0xffff800000000000ull;
}

/* What should come out of a case. */
static void want_fault(struct outcome_wanted *w, int step, uint8_t vector, uint32_t code)
{
    w->result = GUEST_FAULTS;
    w->step = step;
    w->fault = (struct guest_fault){.vector = vector, .error_code = code};
}

static void want_error(struct outcome_wanted *w, int step, int error)
{
    w->result = error;
    w->step = step;
}

/* Steps 1 to 8 of interrupt_deliver(). True: go on. */
static bool oracle_gate(const struct lab04_case *c, const uint8_t *ram,
                        struct outcome_wanted *w)
{
    const uint32_t ext = !c->event.software, code = c->event.vector * 8u + 2 + ext;
    const uint8_t *gate = ram + IDT_AT + 16u * c->event.vector;
    const unsigned cpl = c->cpu.sregs.cs.selector % 4, type = gate[5] & 31;
    const uint16_t selector = (uint16_t)bytes_value(gate + 2, 2);
    const uint32_t selector_code = (selector & ~3u) + ext;
    const struct kvm_segment s = oracle_segment(ram, selector);

    if (c->event.vector * 16u + 16u > c->cpu.sregs.idt.limit + 1u)
        want_fault(w, 1, 13, code);
    else if (type != 14 && type != 15)
        want_fault(w, 2, 13, code);
    else if (c->event.software && (gate[5] / 32 & 3u) < cpl)
        want_fault(w, 3, 13, code);
    else if (gate[5] < 128)
        want_fault(w, 4, 11, code);
    else if (selector < 4)
        want_fault(w, 5, 13, ext);
    else if (!oracle_in_gdt(&c->cpu, selector) || !s.s || s.type < 8)
        want_fault(w, 6, 13, selector_code);
    else if (s.type & 4)
        want_error(w, 6, -ENOTSUP);
    else if (s.dpl > cpl)
        want_fault(w, 6, 13, selector_code);
    else if (!s.present)
        want_fault(w, 7, 11, selector_code);
    else if (!s.l || s.db)
        want_fault(w, 8, 13, selector_code);
    else
        return true;
    return false;
}

/* Steps 9 and 10, and where the frame goes. */
static bool oracle_stack(const struct lab04_case *c, const uint8_t *ram,
                         struct outcome_wanted *w, unsigned dpl)
{
    const uint32_t ext = !c->event.software;
    const uint8_t *gate = ram + IDT_AT + 16u * c->event.vector;
    const unsigned ist = gate[4] & 7;
    const uint64_t handler = bytes_value(gate, 2) | bytes_value(gate + 6, 6) << 16;
    const unsigned field = ist ? 36 + 8 * (ist - 1) : 4 + 8 * dpl;
    uint64_t rsp = c->cpu.regs.rsp;

    if (ist || dpl < c->cpu.sregs.cs.selector % 4u) {
        if (field + 8 > c->cpu.sregs.tr.limit + 1u) {
            want_fault(w, 9, 10, (c->cpu.sregs.tr.selector & ~3u) + ext);
            return false;
        }
        rsp = bytes_value(ram + TSS_AT + field, 8);
    }
    if (!oracle_canonical(handler)) {
        want_fault(w, 10, 13, ext);
        return false;
    }
    w->frame_words = c->event.has_error_code ? 6 : 5;
    w->frame_at = rsp / 16 * 16 - 8 * w->frame_words;
    w->cpu.regs.rip = handler;
    want_error(w, 11, oracle_writable(w->frame_at, 8 * w->frame_words));
    if (w->result == 0)
        return true;
    w->frame_words = 0;
    return false;
}

void oracle_deliver(const struct lab04_case *c, const uint8_t *ram,
                    struct outcome_wanted *w)
{
    const uint8_t *gate = ram + IDT_AT + 16u * c->event.vector;
    const struct kvm_segment s = oracle_segment(ram, (uint16_t)bytes_value(gate + 2, 2));
    const uint64_t flags = c->cpu.regs.rflags | (c->event.software ? 0 : 0x10000);
    const uint64_t frame[] = {c->event.error_code,      c->event.return_rip,
                              c->cpu.sregs.cs.selector, flags,
                              c->cpu.regs.rsp,          c->cpu.sregs.ss.selector};

    *w = (struct outcome_wanted){.cpu = c->cpu};
    if (!oracle_gate(c, ram, w) || !oracle_stack(c, ram, w, s.dpl)) {
        w->cpu = c->cpu;
        return;
    }
    memcpy(w->frame, frame + 6 - w->frame_words, 8 * w->frame_words);
    w->cpu.regs.rsp = w->frame_at;
    w->cpu.regs.rflags &= ~0x34100ull; /* VM, RF, NT, TF */
    if ((gate[5] & 15) == 14)
        w->cpu.regs.rflags &= ~0x200ull;
    if (s.dpl != c->cpu.sregs.cs.selector % 4)
        w->cpu.sregs.ss = oracle_null(s.dpl);
    w->cpu.sregs.cs = s;
    w->cpu.sregs.cs.selector = (uint16_t)(s.selector / 4 * 4 + s.dpl);
}

/* The conditions of interrupt_return(), in their order. True: none is hurt. */
static bool oracle_return_checks(const struct lab04_case *c, const uint8_t *ram,
                                 const uint64_t *frame, struct outcome_wanted *w)
{
    const uint16_t cs = (uint16_t)frame[1], ss = (uint16_t)frame[4];
    const struct kvm_segment code = oracle_segment(ram, cs),
                             stack = oracle_segment(ram, ss);
    const unsigned cpl = c->cpu.sregs.cs.selector % 4, new_cpl = cs % 4;
    const bool code_here = oracle_in_gdt(&c->cpu, cs) && code.s && code.type >= 8;

    if (cs < 4)
        want_fault(w, 2, 13, 0);
    else if (!code_here)
        want_fault(w, 3, 13, cs & ~3u);
    else if (code.type & 4)
        want_error(w, 3, -ENOTSUP);
    else if (new_cpl < cpl || code.dpl != new_cpl)
        want_fault(w, 3, 13, cs & ~3u);
    else if (!code.present)
        want_fault(w, 4, 11, cs & ~3u);
    else if (!code.l || code.db)
        want_error(w, 4, -ENOTSUP);
    else if (ss < 4 && (new_cpl == 3 || ss != new_cpl))
        want_fault(w, 5, 13, 0);
    else if (ss >= 4 &&
             (!oracle_in_gdt(&c->cpu, ss) || ss % 4 != new_cpl || stack.dpl != new_cpl ||
              !stack.s || stack.type >= 8 || !(stack.type & 2)))
        want_fault(w, 5, 13, ss & ~3u);
    else if (ss >= 4 && !stack.present)
        want_fault(w, 5, 12, ss & ~3u);
    else if (!oracle_canonical(frame[0]))
        want_fault(w, 6, 13, 0);
    else
        return true;
    return false;
}

void oracle_return(const struct lab04_case *c, const uint8_t *ram, struct outcome_wanted *w)
{
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;
    const uint64_t old = c->cpu.regs.rflags;
    uint64_t frame[5], fixed = ~0x254dd5ull; /* not CF PF AF ZF SF TF DF OF NT RF AC ID */

    *w = (struct outcome_wanted){.cpu = c->cpu};
    if (old & 0x4000) {
        want_fault(w, 1, 13, 0);
        return;
    }
    if (!oracle_memory(c->cpu.regs.rsp, sizeof frame)) {
        want_error(w, 2, -EFAULT);
        return;
    }
    for (unsigned i = 0; i < 5; i++)
        frame[i] = bytes_value(ram + (c->cpu.regs.rsp - LAB04_AT) + 8 * i, 8);
    if (!oracle_return_checks(c, ram, frame, w))
        return;
    fixed &= cpl <= (old / 4096 & 3) ? ~0x200ull : ~0ull;
    fixed &= cpl == 0 ? ~0x183000ull : ~0ull;
    w->cpu.regs.rip = frame[0];
    w->cpu.sregs.cs = oracle_segment(ram, (uint16_t)frame[1]);
    w->cpu.regs.rflags = (old & fixed) | (frame[2] & ~fixed);
    w->cpu.regs.rsp = frame[3];
    w->cpu.sregs.ss = (uint16_t)frame[4] < 4 ? oracle_null((uint16_t)frame[4])
                                             : oracle_segment(ram, (uint16_t)frame[4]);
}
