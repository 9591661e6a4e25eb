/* 04-int-iret.c - the checks of lab 04.
 *
 * Target model: the part's functions on a guest that is mere memory; what they should have done
 * is worked out here, byte by byte, from the manual. Target machine: the same guest twice, once
 * with the processor's own INT and IRET, once with the part's. Target silicon: an emulated Intel
 * CPU runs on the part's tables, takes the events that the part has encoded, and exits as the
 * part's exception bitmap says.
 */
#define _GNU_SOURCE
#include "../subjects/04-int-iret.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../silicon/silicon.h"
#include "check.h"
#include "exit_loop.h"
#include "guest_image.h"
#include "guest_loader.h"
#include "x86.h"

GUEST_IMAGE(rings, "rings.bin");
GUEST_IMAGE(events, "events.bin");

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *errno_name(int result)
{
    return result == 0              ? "0"
           : result == GUEST_FAULTS ? "GUEST_FAULTS"
           : result > 0             ? "a number"
                                    : strerrorname_np(-result);
}

static bool coin(struct judge *judge)
{
    return judge_random(judge) & 1;
}

static uint64_t below(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit);
}

static void random_fill(struct judge *judge, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)judge_random(judge);
}

static const void *part_run(struct judge *judge, uint32_t entry, const void *in,
                            size_t size, size_t answer)
{
    const struct run_spec spec = {.entry = entry, .input = in, .input_size = size};

    return judge_run(judge, &spec, answer)->answer;
}

/* A number of `size` bytes out of memory, lowest byte first. */
static uint64_t bytes_value(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | at[size];
    return value;
}

static void bytes_set(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* === tables ===================================================================================== */

static uint64_t random_canonical(struct judge *judge)
{
    uint64_t low = judge_random(judge) >> 17;

    return coin(judge) ? low : low | 0xffff800000000000ull;
}

static struct guest_gate random_gate(struct judge *judge)
{
    return (struct guest_gate){.handler = random_canonical(judge),
                               .selector = (uint16_t)judge_random(judge),
                               .vector = (uint8_t)judge_random(judge),
                               .type = coin(judge) ? GATE_TRAP : GATE_INTERRUPT,
                               .dpl = (uint8_t)below(judge, 4),
                               .ist = (uint8_t)below(judge, 8),
                               .present = coin(judge)};
}

/* The gate byte by byte (SDM 3A figure 6-8). */
static void gate_draw(const struct guest_gate *gate, uint8_t at[16])
{
    memset(at, 0, 16);
    bytes_set(at, gate->handler, 2);
    bytes_set(at + 2, gate->selector, 2);
    at[4] = gate->ist;
    at[5] = (uint8_t)(gate->type + gate->dpl * 32 + gate->present * 128);
    bytes_set(at + 6, gate->handler >> 16, 2);
    bytes_set(at + 8, gate->handler >> 32, 4);
}

/* The TSS's descriptor (SDM 3A figure 7-4). */
static void tss_draw(uint64_t base, uint8_t at[16])
{
    memset(at, 0, 16);
    bytes_set(at, 103, 2);
    bytes_set(at + 2, base, 3);
    at[5] = 0x89;
    at[7] = (uint8_t)(base >> 24);
    bytes_set(at + 8, base >> 32, 4);
}

static void words_expect(struct judge *judge, const uint64_t got[2], const uint8_t want[16],
                         const char *what, uint64_t address)
{
    const uint64_t low = bytes_value(want, 8), high = bytes_value(want + 8, 8);

    CHECK(judge, got[0] == low && got[1] == high, "gates and descriptors as they are drawn",
          "%s %#" PRIx64 ": words %016" PRIx64 " %016" PRIx64 ", not %016" PRIx64
          " %016" PRIx64,
          what, address, got[0], got[1], low, high);
}

static void gates_are_encoded(struct judge *judge)
{
    static struct lab04_encode_input in;
    uint8_t want[16];

    for (unsigned i = 0; i < LAB04_ENCODINGS; i++) {
        in.gates[i] = random_gate(judge);
        in.bases[i] = judge_random(judge) >> below(judge, 64);
    }
    const struct lab04_encode_output *out =
        part_run(judge, LAB04_ENCODE, &in, sizeof in, sizeof *out);
    for (unsigned i = 0; i < LAB04_ENCODINGS; i++) {
        char what[96];
        const struct guest_gate *g = &in.gates[i];

        snprintf(what, sizeof what,
                 "gate (type %u, dpl %u, ist %u, present %u) to %#x:", g->type, g->dpl,
                 g->ist, g->present, g->selector);
        gate_draw(g, want);
        words_expect(judge, out->gates[i], want, what, g->handler);
        tss_draw(in.bases[i], want);
        words_expect(judge, out->tss[i], want, "TSS descriptor, base", in.bases[i]);
    }
}

/* Five flat segments: what stands in their bytes 5 and 6. */
static const uint8_t flat_rights[5][2] = {
    {0, 0}, {0x9b, 0xaf}, {0x93, 0xcf}, {0xf3, 0xcf}, {0xfb, 0xaf}};

static void tables_draw(const struct lab04_tables *t, uint8_t *ram)
{
    uint8_t *tss = ram + t->tss;

    memset(ram + t->gdt, 0, GDT_BYTES);
    for (unsigned i = 1; i < 5; i++) {
        memset(ram + t->gdt + 8 * i, 0xff, 2);
        memcpy(ram + t->gdt + 8 * i + 5, flat_rights[i], 2);
    }
    tss_draw(t->tss, ram + t->gdt + 40);
    memset(tss, 0, TSS_BYTES);
    bytes_set(tss + 4, t->rsp0, 8);
    for (unsigned n = 1; n <= 7; n++)
        bytes_set(tss + 0x24 + 8 * (n - 1), t->ist[n - 1], 8);
    bytes_set(tss + 0x66, 0x68, 2);
    memset(ram + t->idt, 0, IDT_BYTES);
    for (uint32_t i = 0; i < t->gate_count; i++)
        gate_draw(&t->gates[i], ram + t->idt + 16 * t->gates[i].vector);
}

/* Somewhere in memory, not overlapping, in a random order, at odd places. */
static void tables_place(struct judge *judge, struct lab04_tables *t)
{
    uint64_t *order[] = {&t->gdt, &t->tss, &t->idt};
    uint64_t at = 0x1000 + below(judge, 256);

    for (unsigned i = 0, from = (unsigned)below(judge, 3); i < 3; i++) {
        *order[(from + i) % 3] = at;
        at += 0x1000 + below(judge, 0x800);
    }
    t->rsp0 = judge_random(judge);
    random_fill(judge, t->ist, sizeof t->ist);
    t->gate_count = (uint32_t)below(judge, LAB04_GATES);
    for (uint32_t i = 0; i < t->gate_count; i++)
        t->gates[i] = random_gate(judge);
}

#define BAD_TRIES 11 /* of LAB04_TRIES, the last */

/* Each of the three tables, where not all of it can be written. */
static int table_misplace(struct judge *judge, struct lab04_tables *t, unsigned how)
{
    static const uint32_t sizes[] = {IDT_BYTES, TSS_BYTES, GDT_BYTES};
    uint64_t *const at[] = {&t->idt, &t->tss, &t->gdt};
    const bool read_only = how >= 3;

    *at[how % 3] = (read_only ? LAB04_ROM : LAB04_RAM) - sizes[how % 3] + 1;
    if (read_only && how % 3)
        *at[how % 3] += below(judge, 0x800);
    return read_only ? -EROFS : -EFAULT;
}

static int table_spoil(struct judge *judge, struct lab04_tables *t, unsigned how)
{
    struct guest_gate *gate;

    t->gate_count = 8 + (uint32_t)below(judge, 100);
    for (uint32_t i = 0; i < t->gate_count; i++)
        t->gates[i] = random_gate(judge);
    gate = &t->gates[how % 2 ? t->gate_count - 1 : below(judge, t->gate_count)];
    switch (how) {
    case 0:
        gate->type = (uint8_t)below(judge, 14);
        return -EINVAL;
    case 1:
        gate->dpl = 4;
        return -EINVAL;
    case 2:
        gate->ist = 8;
        return -EINVAL;
    case 3:
        gate->handler ^= 1ull << (47 + below(judge, 17));
        return -EINVAL;
    case 4:
        gate->type = 16 + GATE_TRAP;
        return -EINVAL;
    default:
        return table_misplace(judge, t, how - 5);
    }
}

static void ram_expect(struct judge *judge, const struct lab04_tables *t,
                       const uint8_t *got, const uint8_t *want)
{
    for (uint32_t at = 0; at < LAB04_RAM; at++) {
        const struct {
            const char *name;
            uint64_t base, size;
        } tables[] = {{"GDT", t->gdt, GDT_BYTES},
                      {"TSS", t->tss, TSS_BYTES},
                      {"IDT", t->idt, IDT_BYTES}};
        const char *name = "memory beside the tables";
        uint64_t base = 0;

        if (got[at] == want[at])
            continue;
        for (unsigned i = 0; i < 3; i++)
            if (at >= tables[i].base && at < tables[i].base + tables[i].size) {
                name = tables[i].name;
                base = tables[i].base;
            }
        check_fail(judge, "GDT, TSS and IDT as the header draws them",
                   "%s, byte %" PRIu64 ": %02x, not %02x (%u gates given)", name, at - base,
                   got[at], want[at], t->gate_count);
    }
}

static void tables_are_written(struct judge *judge)
{
    static struct lab04_tables_input in;
    static uint8_t want[LAB04_RAM];
    int results[LAB04_TRIES] = {0};

    in.count = LAB04_TRIES;
    random_fill(judge, in.fill, sizeof in.fill);
    for (unsigned i = 0; i < LAB04_TRIES; i++) {
        tables_place(judge, &in.tables[i]);
        if (i >= LAB04_TRIES - BAD_TRIES)
            results[i] = table_spoil(judge, &in.tables[i], i - (LAB04_TRIES - BAD_TRIES));
    }
    const struct lab04_tables_output *out =
        part_run(judge, LAB04_TABLES, &in, sizeof in, sizeof *out);
    for (unsigned i = 0; i < LAB04_TRIES; i++) {
        CHECK(judge, out->results[i] == results[i],
              "interrupt_tables_write() returns what the header says",
              "%s: it returned %d, not %s%s",
              results[i] == 0         ? "good tables"
              : results[i] == -EFAULT ? "a table that ends one byte behind memory"
              : results[i] == -EROFS  ? "a table that ends in read-only memory"
                                      : "one gate is bad",
              out->results[i], results[i] ? "-" : "", errno_name(results[i]));
        memset(want, in.fill[i], sizeof want);
        if (results[i] == -EFAULT || results[i] == -EROFS)
            continue; /* what has been written by then is not promised */
        if (results[i] == 0)
            tables_draw(&in.tables[i], want);
        ram_expect(judge, &in.tables[i], out->ram[i], want);
    }
}

/* === INT and IRET, worked out by hand ============================================================ */

#define GDT_AT   0x5000u
#define TSS_AT   0x5fd0u /* IST2 is in two pages */
#define IDT_AT   0x6108u /* so is the gate of vector 239 */
#define STACK_AT 0x9000u /* three of 4 KiB */

/* Descriptors to choose from: byte 5 (type, S, DPL, P) and the upper half of byte 6 (G, D/B, L).
 * The rest is random: bases and limits mean nothing to 64-bit code. */
enum {
    D_NULL,
    D_KERNEL_CODE,
    D_KERNEL_DATA,
    D_USER_DATA,
    D_USER_CODE,
    D_SYSTEM,
    D_KERNEL_CODE_ABSENT,
    D_USER_CODE_ABSENT,
    D_CODE_1,
    D_CODE_2,
    D_CODE32_0,
    D_CODE_LD,
    D_USER_READONLY,
    D_USER_DATA_ABSENT,
    D_DATA_1,
    D_DATA_2,
    D_CODE_EXECUTE_ONLY,
    D_KERNEL_DATA_ABSENT,
    D_CODE32_3,
    D_USER_DOWN,
    D_KERNEL_READONLY,
    D_CONFORMING_0,
    D_CONFORMING_3,
    D_CONFORMING_0_ABSENT,
    D_CONFORMING_3_ABSENT,
    D_CODE32_3_ABSENT,
    D_USER_READONLY_ABSENT,
    DESCRIPTORS,
};

static const uint8_t descriptor_rights[DESCRIPTORS][2] = {
    [D_KERNEL_CODE] = {0x9b, 0xa0},
    [D_KERNEL_DATA] = {0x93, 0xc0},
    [D_USER_DATA] = {0xf3, 0xc0},
    [D_USER_CODE] = {0xfb, 0xa0},
    [D_SYSTEM] = {0x8b, 0x00},
    [D_KERNEL_CODE_ABSENT] = {0x1b, 0xa0},
    [D_USER_CODE_ABSENT] = {0x7b, 0xa0},
    [D_CODE_1] = {0xbb, 0xa0},
    [D_CODE_2] = {0xdb, 0x20},
    [D_CODE32_0] = {0x9b, 0xc0},
    [D_CODE_LD] = {0x9b, 0xe0},
    [D_USER_READONLY] = {0xf1, 0xc0},
    [D_USER_DATA_ABSENT] = {0x73, 0xc0},
    [D_DATA_1] = {0xb3, 0xc0},
    [D_DATA_2] = {0xd3, 0x40},
    [D_CODE_EXECUTE_ONLY] = {0x99, 0x20},
    [D_KERNEL_DATA_ABSENT] = {0x13, 0xc0},
    [D_CODE32_3] = {0xfb, 0xc0},
    [D_USER_DOWN] = {0xf7, 0xc0},
    [D_KERNEL_READONLY] = {0x91, 0xc0},
    [D_CONFORMING_0] = {0x9f, 0xa0},
    [D_CONFORMING_3] = {0xff, 0xa0},
    [D_CONFORMING_0_ABSENT] = {0x1f, 0xa0},
    [D_CONFORMING_3_ABSENT] = {0x7f, 0xa0},
    [D_CODE32_3_ABSENT] = {0x7b, 0xc0},
    [D_USER_READONLY_ABSENT] = {0x71, 0xc0},
};

static const uint8_t code_of_ring[] = {D_KERNEL_CODE, D_CODE_1, D_CODE_2, D_USER_CODE};
static const uint8_t data_of_ring[] = {D_KERNEL_DATA, D_DATA_1, D_DATA_2, D_USER_DATA};

static void emulate_memory_make(struct judge *judge, uint8_t *ram)
{
    random_fill(judge, ram, LAB04_RAM);
    memset(ram + GDT_AT, 0, 8);
    for (unsigned i = 1; i < DESCRIPTORS; i++) {
        ram[GDT_AT + 8 * i + 5] = descriptor_rights[i][0];
        ram[GDT_AT + 8 * i + 6] =
            (uint8_t)(descriptor_rights[i][1] | (ram[GDT_AT + 8 * i + 6] & 0x1f));
    }
    for (unsigned n = 0; n < 11; n++) /* RSP0-2 and, from n = 4 on, IST1-7 */
        bytes_set(ram + TSS_AT + 4 + 8 * n, STACK_AT + 0x1000 + below(judge, 0x2000), 8);
    /* The frame of RSP0 is in two pages. */
    bytes_set(ram + TSS_AT + 4, STACK_AT + 0x2000 + 16 + below(judge, 16), 8);
}

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

static bool oracle_memory(uint64_t at, uint64_t size)
{
    return at < LAB04_RAM && size <= LAB04_RAM - at;
}

/* 0, or why this much cannot be written. */
static int oracle_writable(uint64_t at, uint64_t size)
{
    if (!oracle_memory(at, size))
        return -EFAULT;
    return at + size > LAB04_ROM ? -EROFS : 0;
}

static bool oracle_canonical(uint64_t address)
{
    return address < 1ull << 47 || address >= 0xffff800000000000ull;
}

/* What should come out of a case. */
struct outcome_wanted {
    int result;
    int step; /* that decided it, for messages; 0: none */
    struct guest_fault fault;
    struct cpu_state cpu;
    uint64_t frame_at;
    uint64_t frame[6];
    unsigned frame_words;
};

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

static void oracle_deliver(const struct lab04_case *c, const uint8_t *ram,
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

static void oracle_return(const struct lab04_case *c, const uint8_t *ram,
                          struct outcome_wanted *w)
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
        frame[i] = bytes_value(ram + c->cpu.regs.rsp + 8 * i, 8);
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

/* --- cases ---------------------------------------------------------------------------------- */

static uint16_t selector_make(unsigned index, unsigned rpl)
{
    return (uint16_t)(index * 8 + rpl);
}

static void case_begin(struct judge *judge, struct lab04_case *c, unsigned cpl)
{
    struct kvm_sregs *sregs = &c->cpu.sregs;

    memset(c, 0, sizeof *c);
    random_fill(judge, &c->cpu.regs, sizeof c->cpu.regs);
    c->cpu.regs.rsp = STACK_AT + below(judge, 0x3000);
    c->cpu.regs.rflags = (judge_random(judge) & 0x3d7fd5) | 2; /* no VM */
    sregs->cs.selector = selector_make(code_of_ring[cpl], cpl);
    sregs->ss.selector = selector_make(data_of_ring[cpl], cpl);
    sregs->cs.dpl = sregs->ss.dpl = (uint8_t)cpl;
    sregs->tr = (struct kvm_segment){
        .base = TSS_AT, .limit = TSS_BYTES - 1, .type = TSS_BUSY, .present = 1};
    sregs->tr.selector =
        selector_make(1 + (unsigned)below(judge, 100), (unsigned)below(judge, 4));
    sregs->gdt = (struct kvm_dtable){.base = GDT_AT, .limit = DESCRIPTORS * 8 - 1};
    sregs->idt = (struct kvm_dtable){.base = IDT_AT, .limit = IDT_BYTES - 1};
}

/* Spoils one thing so that this step of interrupt_deliver() cannot go well. */
/* A stack of which not all is memory, or not all can be written. */
static uint64_t stack_bad(struct judge *judge)
{
    switch (below(judge, 3)) {
    case 0:
        return below(judge, 32);
    case 1:
        return LAB04_RAM + 16 * below(judge, 9) + 16;
    default:
        return LAB04_ROM + 16 + below(judge, LAB04_RAM - LAB04_ROM - 16);
    }
}

static void deliver_spoil(struct judge *judge, struct lab04_case *c,
                          struct guest_gate *gate, unsigned step)
{
    static const uint8_t no_code[] = {D_KERNEL_DATA, D_USER_DATA, D_SYSTEM, D_DATA_1};
    static const uint8_t conforming[] = {D_CONFORMING_0, D_CONFORMING_3,
                                         D_CONFORMING_0_ABSENT, D_CONFORMING_3_ABSENT};
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;

    switch (step) {
    case 1:
        c->cpu.sregs.idt.limit = (uint16_t)(c->event.vector * 16 + below(judge, 15));
        break;
    case 2:
        do
            gate->type = (uint8_t)below(judge, 32);
        while (gate->type == GATE_INTERRUPT || gate->type == GATE_TRAP);
        break;
    case 3:
        c->event.software = true;
        c->event.has_error_code = false;
        gate->dpl = (uint8_t)below(judge, cpl ? cpl : 1);
        break;
    case 4:
        gate->present = 0;
        break;
    case 5:
        gate->selector = (uint16_t)below(judge, 4);
        break;
    case 6:
        gate->selector = selector_make(no_code[below(judge, 4)], (unsigned)below(judge, 4));
        if (below(judge, 3) == 0)
            gate->selector = selector_make(D_KERNEL_CODE, 4); /* of an LDT */
        else if (coin(judge)) /* one byte is past the limit */
            c->cpu.sregs.gdt.limit = (uint16_t)((gate->selector & 0xfff8) + 6);
        else if (cpl < 3)
            gate->selector = selector_make(code_of_ring[cpl + 1], 0);
        break;
    case 7:
        gate->selector = selector_make(D_KERNEL_CODE_ABSENT, (unsigned)below(judge, 4));
        break;
    case 8:
        gate->selector = selector_make(coin(judge) ? D_CODE32_0 : D_CODE_LD, 0);
        break;
    case 9:
        c->cpu.sregs.tr.limit =
            (gate->ist ? 28u + 8 * gate->ist : 4u) + (uint32_t)below(judge, 7);
        break;
    case 10:
        gate->handler ^= 1ull << (47 + below(judge, 17));
        break;
    case 11:
        c->write_at[0] = TSS_AT + (gate->ist ? 28u + 8 * gate->ist : 4u);
        c->write_value[0] = stack_bad(judge);
        break;
    default:
        gate->selector =
            selector_make(conforming[below(judge, 4)], (unsigned)below(judge, 4));
    }
}

#define DELIVER_STEPS 12

/* Limits that are exactly enough. */
static void deliver_tighten(struct judge *judge, struct lab04_case *c,
                            const struct guest_gate *gate)
{
    c->cpu.sregs.idt.limit = (uint16_t)(c->event.vector * 16 + 15);
    if (coin(judge))
        c->cpu.sregs.gdt.limit = (uint16_t)((gate->selector & 0xfff8) + 7);
    if (gate->ist)
        c->cpu.sregs.tr.limit = 28u + 8 * gate->ist + 7;
    else
        c->cpu.sregs.tr.limit = 4 + 8 * 2 + 7;
}

static void gate_place(uint8_t *ram, const struct lab04_case *c,
                       const struct guest_gate *gate)
{
    gate_draw(gate, ram + IDT_AT + 16u * c->event.vector);
    /* Type 16 to 31 has bit 4 of the byte, which is always 0 in a good gate. */
}

/* One case a vector: the gates do not get in each other's way. spoil: 0, or the step. */
static void deliver_make(struct judge *judge, struct lab04_emulate_input *in, unsigned i,
                         unsigned spoil)
{
    struct lab04_case *c = &in->cases[i];
    /* Steps 3, 9 and 11 only happen to programs in an outer ring; what comes of a conforming
     * segment of ring 3 (12) can only be seen in an inner one. */
    const unsigned cpl =
        (spoil != 12 && coin(judge)) || spoil == 3 || spoil == 9 || spoil == 11
            ? 3
            : (unsigned)below(judge, spoil == 12 ? 3 : 4);
    struct guest_gate gate = {.handler = random_canonical(judge),
                              .type = coin(judge) ? GATE_TRAP : GATE_INTERRUPT,
                              .ist = (uint8_t)(coin(judge) ? below(judge, 8) : 0),
                              .present = 1};
    unsigned target = coin(judge) ? 0 : (unsigned)below(judge, cpl + 1);

    case_begin(judge, c, cpl);
    c->cpu.regs.rflags |= coin(judge) ? RFLAGS_VM : 0; /* to be cleared, whatever it says */
    gate.selector = selector_make(target == 0 && coin(judge) ? D_CODE_EXECUTE_ONLY
                                                             : code_of_ring[target],
                                  (unsigned)below(judge, 4));
    c->event.vector = (uint8_t)i;
    c->event.software = coin(judge);
    c->event.has_error_code = !c->event.software && coin(judge);
    c->event.error_code = (uint32_t)judge_random(judge);
    c->event.return_rip = judge_random(judge);
    gate.dpl = (uint8_t)(c->event.software ? cpl + below(judge, 4 - cpl) : below(judge, 4));
    if (spoil == 0 && coin(judge))
        deliver_tighten(judge, c, &gate);
    if (spoil == 9 || spoil == 11)
        gate.selector = selector_make(D_KERNEL_CODE, 0);
    if (spoil)
        deliver_spoil(judge, c, &gate, spoil);
    /* What comes later may be wrong as well: the first one counts. */
    if (spoil && spoil < 10 && coin(judge))
        deliver_spoil(judge, c, &gate, spoil + 1 + (unsigned)below(judge, 10 - spoil));
    gate_place(in->ram, c, &gate);
}

static void return_frame_put(struct lab04_emulate_input *in, const struct lab04_case *c,
                             const uint64_t frame[5])
{
    for (unsigned i = 0; i < 5 && oracle_memory(c->cpu.regs.rsp, 40); i++)
        bytes_set(in->ram + c->cpu.regs.rsp + 8 * i, frame[i], 8);
}

/* Spoils a frame; kinds as the steps of interrupt_return() has them, several a step. */
static void return_spoil(struct judge *judge, struct lab04_case *c, uint64_t frame[5],
                         unsigned how)
{
    const unsigned cpl = c->cpu.sregs.cs.selector % 4, rpl = frame[1] % 4;
    static const uint8_t no_stack[] = {D_USER_READONLY, D_USER_CODE, D_KERNEL_READONLY,
                                       D_SYSTEM, D_KERNEL_CODE};
    static const uint8_t not_ours[] = {D_CODE32_3, D_CONFORMING_0, D_CONFORMING_3,
                                       D_CONFORMING_0_ABSENT, D_CONFORMING_3_ABSENT};

    switch (how) {
    case 1:
        c->cpu.regs.rflags |= RFLAGS_NT;
        if (coin(judge)) /* seen before the stack is */
            c->cpu.regs.rsp = LAB04_RAM - below(judge, 40);
        break;
    case 2:
        frame[1] = below(judge, 4);
        break;
    case 3: /* to a more privileged ring */
        frame[1] = cpl ? selector_make(code_of_ring[cpl - 1], cpl - 1)
                       : selector_make(D_KERNEL_DATA, rpl);
        break;
    case 4: /* RPL is not DPL */
        frame[1] = selector_make(code_of_ring[rpl], rpl < 3 ? rpl + 1 : 3);
        if (rpl == 3)
            frame[1] = selector_make(D_CODE_2, 3);
        break;
    case 5:
        frame[1] =
            coin(judge) ? selector_make(D_USER_CODE, 4 + 3) : selector_make(DESCRIPTORS, 3);
        break;
    case 6:
        frame[1] = selector_make(coin(judge) ? D_USER_CODE_ABSENT : D_CODE32_3_ABSENT, 3);
        break;
    case 7:
        frame[4] = rpl == 3 ? (coin(judge) ? 3 : below(judge, 3)) : (rpl + 1) % 4;
        break;
    case 8:
        frame[4] = selector_make(coin(judge) ? D_USER_READONLY_ABSENT
                                             : no_stack[below(judge, COUNT(no_stack))],
                                 rpl);
        break;
    case 9: /* a stack of another ring, or asked for with another RPL */
        frame[4] = coin(judge) ? selector_make(data_of_ring[(rpl + 1) % 4], rpl)
                               : selector_make(data_of_ring[rpl], (rpl + 1) % 4);
        break;
    case 10:
        frame[1] = selector_make(D_USER_CODE, 3);
        frame[4] = selector_make(D_USER_DATA_ABSENT, 3);
        break;
    case 11:
        frame[0] ^= 1ull << (47 + below(judge, 17));
        break;
    case 12:
        frame[1] = selector_make(not_ours[below(judge, COUNT(not_ours))],
                                 coin(judge) ? 3 : (unsigned)below(judge, 4));
        break;
    case 13:
        c->cpu.regs.rsp = LAB04_RAM - 39 + below(judge, 100);
        break;
    default:
        frame[4] = coin(judge) ? selector_make(DESCRIPTORS + 3, rpl)
                               : selector_make(data_of_ring[rpl], 4 + rpl);
    }
}

#define RETURN_SPOILS 14

/* Each case has its own place for the frame. */
static void return_make(struct judge *judge, struct lab04_emulate_input *in, unsigned i,
                        unsigned spoil)
{
    struct lab04_case *c = &in->cases[i];
    const unsigned cpl = coin(judge) ? 0 : (unsigned)below(judge, 4);
    const unsigned to = coin(judge) ? 3 : cpl + (unsigned)below(judge, 4 - cpl);
    uint64_t frame[5] = {random_canonical(judge), selector_make(code_of_ring[to], to),
                         judge_random(judge), judge_random(judge),
                         selector_make(data_of_ring[to], to)};

    case_begin(judge, c, cpl);
    c->is_return = 1;
    c->cpu.regs.rflags &= ~RFLAGS_NT;
    c->cpu.regs.rsp = 0x8000 + i * 48 + below(judge, 8);
    if (to == 3 && coin(judge))
        frame[4] = selector_make(D_USER_DOWN, 3);
    if (to != 3 && coin(judge))
        frame[4] = to; /* null */
    if (spoil)
        return_spoil(judge, c, frame, spoil);
    if (spoil && spoil < 9 && below(judge, 3) == 0)
        return_spoil(judge, c, frame, coin(judge) ? 11 : 9);
    /* Only the lower half of a selector's 8 bytes counts. */
    frame[1] |= judge_random(judge) << 16;
    frame[4] |= judge_random(judge) << 16;
    return_frame_put(in, c, frame);
}

static void situation_describe(const struct lab04_case *c, char text[160])
{
    const unsigned cpl = c->cpu.sregs.cs.selector % 4;

    if (c->is_return)
        snprintf(text, 160, "IRET in ring %u", cpl);
    else
        snprintf(text, 160, "%s %u%s in ring %u", c->event.software ? "INT" : "exception",
                 c->event.vector, c->event.has_error_code ? " (error code)" : "", cpl);
}

/* The registers that INT and IRET change, by name. */
static void registers_expect(struct judge *judge, const struct cpu_state *got,
                             const struct cpu_state *want, const char *asked,
                             const char *what)
{
    const struct {
        const char *name;
        uint64_t got, want;
    } fields[] = {
        {"RIP", got->regs.rip, want->regs.rip},
        {"RSP", got->regs.rsp, want->regs.rsp},
        {"RFLAGS", got->regs.rflags, want->regs.rflags},
        {"CS's selector", got->sregs.cs.selector, want->sregs.cs.selector},
        {"SS's selector", got->sregs.ss.selector, want->sregs.ss.selector},
        {"SS's dpl", got->sregs.ss.dpl, want->sregs.ss.dpl},
        {"SS's unusable", got->sregs.ss.unusable, want->sregs.ss.unusable},
    };

    for (unsigned i = 0; i < COUNT(fields); i++)
        CHECK(judge, fields[i].got == fields[i].want, asked,
              "%s: %s is %#" PRIx64 ", not %#" PRIx64, what, fields[i].name, fields[i].got,
              fields[i].want);
    CHECK(judge, memcmp(&got->sregs.cs, &want->sregs.cs, sizeof got->sregs.cs) == 0, asked,
          "%s: CS's hidden part (base, limit, type, dpl, l, ...) is not its descriptor's",
          what);
    CHECK(judge, memcmp(&got->sregs.ss, &want->sregs.ss, sizeof got->sregs.ss) == 0, asked,
          "%s: SS's hidden part is not what it should be", what);
    CHECK(judge, memcmp(got, want, sizeof *got) == 0, asked,
          "%s: some other register has changed", what);
}

static void frame_expect(struct judge *judge, const struct lab04_case_result *r,
                         const struct outcome_wanted *w, const uint8_t *ram,
                         const char *what)
{
    static const char *const names[] = {"error code", "RIP", "CS", "RFLAGS", "RSP", "SS"};
    uint8_t got[48];

    memcpy(got, ram + w->frame_at, 8 * w->frame_words);
    for (uint32_t at = r->changed_from; at < r->changed_to; at++)
        if (at >= w->frame_at && at < w->frame_at + 8 * w->frame_words &&
            at - r->changed_from < sizeof r->changed)
            got[at - w->frame_at] = r->changed[at - r->changed_from];
    for (unsigned i = 0; i < w->frame_words; i++)
        CHECK(judge, bytes_value(got + 8 * i, 8) == w->frame[i],
              "the frame as the processor pushes it",
              "%s: the word of %s (at GPA %#" PRIx64 ") is %#" PRIx64 ", not %#" PRIx64,
              what, names[6 - w->frame_words + i], w->frame_at + 8 * i,
              bytes_value(got + 8 * i, 8), w->frame[i]);
    CHECK(judge,
          r->changed_from == r->changed_to ||
              (r->changed_from >= w->frame_at &&
               r->changed_to <= w->frame_at + 8 * w->frame_words),
          "nothing but the frame is written",
          "%s: bytes between GPA %#x and %#x have changed; the frame is %u words at "
          "%#" PRIx64,
          what, r->changed_from, r->changed_to, w->frame_words, w->frame_at);
}

static void case_expect(struct judge *judge, const struct lab04_emulate_input *in,
                        uint32_t i, const struct lab04_case_result *r)
{
    static uint8_t ram[LAB04_RAM];
    const struct lab04_case *c = &in->cases[i];
    struct outcome_wanted w;
    char what[160];

    memcpy(ram, in->ram, sizeof ram);
    for (unsigned n = 0; n < 2; n++)
        if (c->write_at[n])
            bytes_set(ram + c->write_at[n], c->write_value[n], 8);
    if (c->is_return)
        oracle_return(c, ram, &w);
    else
        oracle_deliver(c, ram, &w);
    situation_describe(c, what);
    CHECK(judge, r->result == w.result, "each step in the header's order, and its result",
          "%s, step %d: returned %s (%d), not %s", what, w.step, errno_name(r->result),
          r->result, errno_name(w.result));
    CHECK(judge,
          w.result != GUEST_FAULTS || (r->fault.vector == w.fault.vector &&
                                       r->fault.error_code == w.fault.error_code),
          "a fault has the vector and the error code of the header",
          "%s, step %d: vector %u, error code %#x; not vector %u, error code %#x", what,
          w.step, r->fault.vector, r->fault.error_code, w.fault.vector, w.fault.error_code);
    registers_expect(judge, &r->cpu, &w.cpu,
                     w.result ? "what fails changes no register"
                              : "registers as the processor leaves them",
                     what);
    frame_expect(judge, r, &w, ram, what);
}

static void cases_judge(struct judge *judge, struct lab04_emulate_input *in)
{
    const struct lab04_emulate_output *out =
        part_run(judge, LAB04_EMULATE, in, sizeof *in, sizeof *out);

    for (uint32_t i = 0; i < in->count; i++)
        case_expect(judge, in, i, &out->results[i]);
}

static struct lab04_emulate_input emulate_in; /* one a process: each check has its own */

static void int_pushes_the_frame(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        deliver_make(judge, &emulate_in, emulate_in.count, 0);
    cases_judge(judge, &emulate_in);
}

static void int_faults_in_order(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        deliver_make(judge, &emulate_in, emulate_in.count,
                     1 + emulate_in.count % DELIVER_STEPS);
    cases_judge(judge, &emulate_in);
}

static void iret_goes_back(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 256; emulate_in.count++)
        return_make(judge, &emulate_in, emulate_in.count, 0);
    cases_judge(judge, &emulate_in);
}

static void iret_trusts_no_frame(struct judge *judge)
{
    emulate_memory_make(judge, emulate_in.ram);
    for (; emulate_in.count < 280; emulate_in.count++)
        return_make(judge, &emulate_in, emulate_in.count,
                    1 + emulate_in.count % RETURN_SPOILS);
    cases_judge(judge, &emulate_in);
}

/* === patching ==================================================================================== */

/* Text full of bytes that look like INT and IRET; some of them are. */
static void text_make(struct judge *judge, struct lab04_patch *p, unsigned sites)
{
    static const uint8_t likely[] = {0xcd, 0x48, 0xcf, 0xe6, 0x80};
    unsigned at = 0;

    for (unsigned i = 0; i < LAB04_TEXT; i++)
        p->text[i] = coin(judge) ? likely[below(judge, 5)] : (uint8_t)judge_random(judge);
    p->text_at = LAB04_TEXT_SLOT + below(judge, LAB04_ROM - 1 - LAB04_TEXT);
    p->site_count = sites;
    for (unsigned i = 0; i < sites; i++) {
        at += (unsigned)below(judge, LAB04_TEXT / (sites + 1) - 2);
        p->sites[i] = p->text_at + at;
        p->text[at] = coin(judge) ? 0x48 : 0xcd;
        p->text[at + 1] = p->text[at] == 0x48 ? 0xcf : (uint8_t)judge_random(judge);
        if (p->text[at + 1] == 0x7e)
            p->text[at + 1] = 0xcf;
        at += 2;
    }
    /* In no particular order. */
    for (unsigned i = sites; i > 1; i--) {
        unsigned j = (unsigned)below(judge, i);
        uint64_t site = p->sites[i - 1];

        p->sites[i - 1] = p->sites[j];
        p->sites[j] = site;
    }
}

static uint8_t *site_bytes(struct lab04_patch *p, unsigned site)
{
    return p->text + (p->sites[site] - p->text_at);
}

enum {
    BAD_NO_SITES,
    BAD_SAME,
    BAD_ONE_HIGHER,
    BAD_ONE_LOWER,
    BAD_BELOW_MEMORY,
    BAD_HALF_BEHIND,
    BAD_OTHER_OPCODE,
    BAD_OTHER_48,
    BAD_OTHER_CF,
    BAD_PATCHED,
    BAD_7E,
    BAD_PORT_TAKEN,
    BAD_BUS_FULL,
    BAD_READ_ONLY,
    BAD_HALF_READ_ONLY,
    /* Two are bad: which one counts? */
    BAD_TWO,
    BAD_TWO_HALF_BEHIND,
    BAD_TWO_READ_ONLY,
    BAD_READ_ONLY_BUS_FULL,
    PATCH_SPOILS,
};

static void opcode_spoil(struct lab04_patch *p, unsigned site, uint8_t first,
                         uint8_t second)
{
    site_bytes(p, site)[0] = first;
    site_bytes(p, site)[1] = second;
}

/* What is not at a place of the text, but elsewhere in memory: there all bytes are CDh. */
static void site_move(struct lab04_patch *p, unsigned site, uint64_t at)
{
    p->sites[site] = LAB04_TEXT_SLOT + at;
}

/* Read-only memory, and requests of which two things are wrong. */
static int patch_spoil_late(struct judge *judge, struct lab04_patch *p, unsigned how)
{
    const unsigned last = p->site_count - 1;

    switch (how) {
    case BAD_TWO_HALF_BEHIND:
        site_bytes(p, last)[0] = 0xcc;
        site_move(p, 0, LAB04_RAM - 1);
        return -EFAULT;
    case BAD_READ_ONLY_BUS_FULL:
        p->occupied = DEVICE_BUS_MAX; /* fall through */
    case BAD_READ_ONLY:
        site_move(p, last, LAB04_ROM + below(judge, LAB04_RAM - LAB04_ROM - 1));
        return -EROFS;
    case BAD_HALF_READ_ONLY:
        site_move(p, last, LAB04_ROM - 1);
        return -EROFS;
    case BAD_TWO_READ_ONLY: /* all are looked at before it comes to writing */
        site_move(p, 0, LAB04_ROM);
        site_bytes(p, last)[0] = 0xcc;
        return -EILSEQ;
    default: /* the first in the list */
        p->sites[last] = 8;
        site_bytes(p, 0)[0] = 0xcc;
        return -EILSEQ;
    }
}

/* Makes a request that has to be refused; returns how. */
static int patch_spoil(struct judge *judge, struct lab04_patch *p, unsigned how)
{
    const unsigned site = (unsigned)below(judge, p->site_count);

    switch (how) {
    case BAD_NO_SITES:
        p->site_count = 0;
        return -EINVAL;
    case BAD_SAME:
    case BAD_ONE_HIGHER:
        p->sites[p->site_count++] = p->sites[site] + (how == BAD_ONE_HIGHER);
        return -EINVAL;
    case BAD_ONE_LOWER: /* and no third that touches both */
        p->sites[1] = p->sites[0] - 1;
        p->site_count = 2;
        return -EINVAL;
    case BAD_BELOW_MEMORY:
        site_move(p, site, ~below(judge, 2));
        return -EFAULT;
    case BAD_HALF_BEHIND:
        site_move(p, site, LAB04_RAM - 1);
        return -EFAULT;
    case BAD_OTHER_OPCODE:
        opcode_spoil(p, site, coin(judge) ? 0xcc : 0xce, (uint8_t)judge_random(judge));
        return -EILSEQ;
    case BAD_OTHER_48:
        opcode_spoil(p, site, 0x48, coin(judge) ? 0xcd : 0x80);
        return -EILSEQ;
    case BAD_OTHER_CF: /* IRET with another REX prefix */
        opcode_spoil(p, site, (uint8_t)(0x49 + below(judge, 7)), 0xcf);
        return -EILSEQ;
    case BAD_PATCHED:
        site_bytes(p, site)[0] = 0xe6;
        return -EILSEQ;
    case BAD_7E:
        opcode_spoil(p, site, 0xcd, 0x7e);
        return -ENOTSUP;
    case BAD_PORT_TAKEN:
        p->occupied = 1;
        return -EEXIST;
    case BAD_BUS_FULL:
        p->occupied = DEVICE_BUS_MAX;
        return -ENOSPC;
    default:
        return patch_spoil_late(judge, p, how);
    }
}

#define PATCH_GOOD 12

static void patch_text_expect(struct judge *judge, struct lab04_patch *p,
                              const struct lab04_patch_result *r, bool patched)
{
    static bool is_site[LAB04_TEXT];

    memset(is_site, 0, sizeof is_site);
    for (unsigned i = 0; patched && i < p->site_count; i++) {
        uint64_t at = p->sites[i] - p->text_at;

        is_site[at] = true;
        CHECK(
            judge, r->text[at] == 0xe6 && r->text[at + 1] == p->text[at + 1],
            "each site becomes an OUT of the same length, with the second byte as its port",
            "%02x %02x became %02x %02x", p->text[at], p->text[at + 1], r->text[at],
            r->text[at + 1]);
    }
    for (unsigned at = 0; at < LAB04_TEXT; at++) {
        if (is_site[at]) {
            at++;
            continue;
        }
        CHECK(judge, r->text[at] == p->text[at],
              patched ? "bytes that are no site stay as they are, whatever they look like"
                      : "a call that fails patches nothing",
              "byte %02x of the text (offset %u) became %02x", p->text[at], at,
              r->text[at]);
    }
    CHECK(judge, r->elsewhere == 0, "nothing outside the text is written",
          "%u bytes have changed", r->elsewhere);
}

static void patch_sites_expect(struct judge *judge, struct lab04_patch *p,
                               const struct lab04_patch_result *r)
{
    CHECK(judge,
          r->site_count == p->site_count && r->devices == 1 && r->device_base == 0 &&
              r->device_length == 256,
          "all sites are kept, and a device for ports 0 to FFh is on the bus",
          "%u sites given, count %u; %u devices, base %#" PRIx64 ", %" PRIu64 " ports",
          p->site_count, r->site_count, r->devices, r->device_base, r->device_length);
    for (unsigned i = 0; i < p->site_count; i++) {
        const uint8_t *bytes = site_bytes(p, i);
        const struct trap_site *seen = NULL;

        for (unsigned k = 0; k < r->site_count; k++)
            if (r->sites[k].gpa == p->sites[i])
                seen = &r->sites[k];
        CHECK(judge, seen && seen->is_iret == (bytes[0] == 0x48), "a site is INT or IRET",
              "%02x %02x: %s", bytes[0], bytes[1],
              !seen           ? "not among traps->sites"
              : seen->is_iret ? "taken for IRET"
                              : "taken for INT");
        CHECK(judge, seen->is_iret || seen->vector == bytes[1], "a site has its vector",
              "%02x %02x: vector is %#x", bytes[0], bytes[1], seen->vector);
    }
}

static void only_named_sites_are_patched(struct judge *judge)
{
    static struct lab04_patch_input in;
    int results[LAB04_PATCHES] = {0};

    in.count = PATCH_GOOD + PATCH_SPOILS + 2;
    for (unsigned i = 0; i < in.count; i++)
        text_make(judge, &in.patches[i],
                  i == 0 ? TRAP_SITES_MAX : 2 + (unsigned)below(judge, 20));
    for (unsigned i = 0; i < PATCH_SPOILS; i++)
        results[PATCH_GOOD + i] = patch_spoil(judge, &in.patches[PATCH_GOOD + i], i);
    /* One site too many; sites that touch are no overlap; and INT 7Fh is like others. */
    text_make(judge, &in.patches[in.count - 2], TRAP_SITES_MAX + 1);
    results[in.count - 2] = -EINVAL;
    struct lab04_patch *touching = &in.patches[in.count - 1];
    touching->site_count = 2;
    touching->text_at = LAB04_TEXT_SLOT + 0x3000 - 101; /* the first is in two slots */
    touching->sites[0] = touching->text_at + 100;
    touching->sites[1] = touching->text_at + 102;
    memcpy(site_bytes(touching, 0), "\xcd\x7f\x48\xcf", 4);

    const struct lab04_patch_output *out =
        part_run(judge, LAB04_PATCH, &in, sizeof in, sizeof *out);
    for (unsigned i = 0; i < in.count; i++) {
        const struct lab04_patch_result *r = &out->results[i];

        CHECK(judge, r->result == results[i],
              "int_traps_install() returns what the header says",
              "request %u (%u sites): it returned %d, not %s%s", i,
              in.patches[i].site_count, r->result, results[i] ? "-" : "",
              errno_name(results[i]));
        patch_text_expect(judge, &in.patches[i], r, results[i] == 0);
        if (results[i] == 0)
            patch_sites_expect(judge, &in.patches[i], r);
        else
            CHECK(judge, r->site_count == 0 && r->devices == in.patches[i].occupied,
                  "a call that fails leaves no site and no device",
                  "after -%s: traps->count %u, %u devices on the bus",
                  errno_name(results[i]), r->site_count, r->devices);
    }
}

/* === events ======================================================================================= */

static bool oracle_has_code(const struct lab04_event *e)
{
    static const uint8_t with[] = {8, 10, 11, 12, 13, 14, 17};

    for (unsigned i = 0; i < sizeof with; i++)
        if (e->event.type == 3 && e->event.vector == with[i])
            return e->guest.cr0 & 1;
    return false;
}

static bool oracle_vector_good(const struct entry_event *e)
{
    switch (e->type) {
    case 0:
    case 4:
        return e->vector < 256;
    case 2:
        return e->vector == 2;
    case 3:
        return e->vector < 32 && e->vector != 2;
    case 5:
        return e->vector == 1;
    case 6:
        return e->vector == 3 || e->vector == 4;
    default:
        return false;
    }
}

static int oracle_event(const struct lab04_event *e)
{
    const struct entry_event *v = &e->event;
    const bool instruction = v->type >= 4;
    const uint32_t blocked = e->guest.interruptibility_state;

    if (!oracle_vector_good(v) || v->has_error_code != oracle_has_code(e) ||
        (v->has_error_code && v->error_code >> 16))
        return -EINVAL;
    if (instruction ? v->instruction_length < 1 || v->instruction_length > 15
                    : v->instruction_length != 0)
        return -EINVAL;
    if (v->type == 0 && (!(e->guest.rflags & 0x200) || (blocked & 3)))
        return -EAGAIN;
    return v->type == 2 && (blocked & 11) ? -EAGAIN : 0;
}

/* An event that can be, for a guest that can take it. */
static struct lab04_event event_good(struct judge *judge, uint32_t type)
{
    static const uint32_t vectors[] = {0, 0, 2, 0, 0, 1, 3, 0};
    struct lab04_event e = {
        .event = {.type = type, .vector = vectors[type]},
        .guest = {.cr0 = (judge_random(judge) & ~1ull) | (below(judge, 4) != 0),
                  .rflags = judge_random(judge) | 0x200,
                  .interruptibility_state = (uint32_t)judge_random(judge) & ~11u}};

    if (type == 0 || type == 4)
        e.event.vector = (uint32_t)below(judge, 256);
    if (type == 3)
        do
            e.event.vector = (uint32_t)below(judge, 32);
        while (e.event.vector == 2);
    if (type == 6)
        e.event.vector += coin(judge);
    if (type >= 4)
        e.event.instruction_length = 1 + (uint32_t)below(judge, 15);
    e.event.has_error_code = oracle_has_code(&e);
    e.event.error_code = (uint32_t)below(judge, 0x10000);
    if (!e.event.has_error_code && coin(judge))
        e.event.error_code = (uint32_t)judge_random(judge); /* ignored */
    if (type != 0) /* these blockings are nothing to them */
        e.guest.rflags ^= coin(judge) ? 0x200 : 0;
    if (type >= 3)
        e.guest.interruptibility_state |= (uint32_t)below(judge, 16);
    if (type == 0 && coin(judge))
        e.guest.interruptibility_state |= BLOCKING_BY_NMI;
    return e;
}

static void event_spoil(struct judge *judge, struct lab04_event *e, unsigned how)
{
    switch (how) {
    case 0:
        e->event = (struct entry_event){.type = coin(judge) ? 1 : 7};
        break;
    case 1:
        e->event.type = 8 + (uint32_t)below(judge, 8);
        break;
    case 2:
        e->event.vector = (uint32_t)below(judge, 300);
        break;
    case 3:
        e->event.has_error_code = !e->event.has_error_code;
        break;
    case 4:
        do
            *e = event_good(judge, 3);
        while (!e->event.has_error_code);
        e->event.error_code |= 1u << (16 + (coin(judge) ? 0 : below(judge, 16)));
        break;
    case 5:
        e->event.instruction_length = coin(judge) ? 0 : 16 + (uint32_t)below(judge, 3);
        break;
    case 6:
        e->event.instruction_length ^= 1u << below(judge, 5);
        break;
    case 7:
        e->guest.cr0 ^= 1;
        break;
    case 8:
        e->guest.rflags &= ~0x200ull;
        break;
    default:
        e->guest.interruptibility_state |= 1u << below(judge, 4);
    }
}

static const uint32_t good_types[] = {0, 2, 3, 3, 4, 5, 6};

static void event_describe(const struct lab04_event *e, char text[200])
{
    snprintf(text, 200,
             "type %u, vector %u, %s (%#x), length %u; guest: CR0.PE %u, IF %u, "
             "interruptibility %#x",
             e->event.type, e->event.vector,
             e->event.has_error_code ? "error code" : "no error code", e->event.error_code,
             e->event.instruction_length, (unsigned)(e->guest.cr0 & 1),
             (unsigned)(e->guest.rflags >> 9 & 1), e->guest.interruptibility_state);
}

static void event_expect(struct judge *judge, const struct lab04_events_input *in,
                         uint32_t i, const struct lab04_event_result *r)
{
    const struct lab04_event *e = &in->events[i];
    const int want = oracle_event(e);
    uint32_t info = 0x80000000u | e->event.type << 8 | e->event.vector |
                    (uint32_t)e->event.has_error_code << 11;
    uint32_t code = e->event.has_error_code ? e->event.error_code : 0;
    uint32_t length = e->event.instruction_length;
    char what[200];

    event_describe(e, what);
    CHECK(judge, r->result == want,
          "good events are taken, others refused with their reason",
          "%s: returned %d, not %s%s", what, r->result, want ? "-" : "", errno_name(want));
    if (want) {
        info = in->controls.entry_interruption_info;
        code = in->controls.entry_exception_error_code;
        length = in->controls.entry_instruction_length;
    }
    CHECK(judge,
          r->info == info && r->error_code == code && r->instruction_length == length,
          want ? "what is refused changes no field" : "the three fields of the VM entry",
          "%s: info %#x, error code %#x, length %u; not %#x, %#x, %u", what, r->info,
          r->error_code, r->instruction_length, info, code, length);
    CHECK(judge, r->elsewhere == 0, "no other control is touched",
          "%s: %u bytes have changed", what, r->elsewhere);
}

static void events_judge(struct judge *judge, bool spoil)
{
    static struct lab04_events_input in;

    random_fill(judge, &in.controls, sizeof in.controls);
    for (; in.count < LAB04_EVENTS_MAX; in.count++) {
        struct lab04_event *e = &in.events[in.count];

        *e = event_good(judge, good_types[below(judge, COUNT(good_types))]);
        if (spoil)
            event_spoil(judge, e, in.count % 10);
        if (spoil && coin(judge)) /* -EINVAL comes before -EAGAIN */
            event_spoil(judge, e, 8 + (unsigned)below(judge, 2));
    }
    const struct lab04_events_output *out =
        part_run(judge, LAB04_EVENTS, &in, sizeof in, sizeof *out);
    for (uint32_t i = 0; i < in.count; i++)
        event_expect(judge, &in, i, &out->results[i]);
}

static void good_events_are_encoded(struct judge *judge)
{
    events_judge(judge, false);
}

static void bad_events_are_refused(struct judge *judge)
{
    events_judge(judge, true);
}

/* === exits ========================================================================================= */

/* What the processor makes of the three fields, for a page fault (SDM 3C 25.6.3). */
static bool page_fault_exits(uint32_t bitmap, uint32_t mask, uint32_t match, uint32_t code)
{
    const bool bit = bitmap & 0x4000, equal = (code & mask) == match;

    return equal ? bit : !bit;
}

static struct exception_wish wish_random(struct judge *judge, uint32_t i)
{
    const uint32_t mask = (uint32_t)judge_random(judge) & 0x3f;
    struct exception_wish w = {.vectors = (uint32_t)judge_random(judge) & ~0x4004u,
                               .page_faults = (enum page_fault_exits)(i % 4),
                               .mask = mask,
                               .match = (uint32_t)judge_random(judge) & mask};

    if (i % 4 < 2) /* not asked for: may be anything */
        w.match = (uint32_t)judge_random(judge);
    switch (i < 24 ? 9 : i % 12) {
    case 0:
        w.vectors |= 0x4000;
        break;
    case 1:
        w.vectors |= 4;
        break;
    case 2:
    case 3:
        w.match |= 1u << below(judge, 32);
        break;
    case 4:
        w.page_faults = (enum page_fault_exits)(4 + below(judge, 100));
        break;
    default:
        break;
    }
    return w;
}

static bool wish_good(const struct exception_wish *w)
{
    return !(w->vectors & 0x4004) && (unsigned)w->page_faults < 4 &&
           ((unsigned)w->page_faults < 2 || (w->match | w->mask) == w->mask);
}

static bool wish_page_fault(const struct exception_wish *w, uint32_t code)
{
    const bool chosen = (code & w->mask) == w->match;

    return w->page_faults == PAGE_FAULTS_EXIT ||
           (w->page_faults == PAGE_FAULTS_MATCHING && chosen) ||
           (w->page_faults == PAGE_FAULTS_OTHER && !chosen);
}

static const char *const page_fault_names[] = {"STAY", "EXIT", "MATCHING", "OTHER"};

static void wish_expect(struct judge *judge, const struct lab04_exits_input *in,
                        const struct lab04_exits_output *out, uint32_t i)
{
    const struct exception_wish *w = &in->wishes[i];
    const struct vmx_controls *c = &in->controls[i];
    const bool good = wish_good(w), plain = (unsigned)w->page_faults < 2;

    CHECK(judge, out->results[i] == (good ? 0 : -EINVAL),
          "exception_exits_set() returns what the header says",
          "vectors %#x, page faults %u, mask %#x, match %#x: returned %d", w->vectors,
          w->page_faults, w->mask, w->match, out->results[i]);
    CHECK(judge, out->elsewhere[i] == 0, "no other control is touched",
          "%u bytes have changed", out->elsewhere[i]);
    if (!good) {
        CHECK(judge,
              out->bitmap[i] == c->exception_bitmap &&
                  out->mask[i] == c->page_fault_error_code_mask &&
                  out->match[i] == c->page_fault_error_code_match,
              "what is refused changes no field", "bitmap %#x, mask %#x, match %#x",
              out->bitmap[i], out->mask[i], out->match[i]);
        return;
    }
    CHECK(judge, (out->bitmap[i] & ~0x4000u) == w->vectors,
          "the bitmap has a bit for each vector that is to exit", "wanted %#x: bitmap %#x",
          w->vectors, out->bitmap[i]);
    CHECK(judge, !plain || (out->mask[i] == 0 && out->match[i] == 0),
          "mask and match are 0 where nothing is to be compared",
          "PAGE_FAULTS_%s: %#x, %#x", page_fault_names[w->page_faults], out->mask[i],
          out->match[i]);
    for (uint32_t code = 0; code < 64; code++)
        CHECK(judge,
              page_fault_exits(out->bitmap[i], out->mask[i], out->match[i], code) ==
                  wish_page_fault(w, code),
              "page faults exit as they are wished to",
              "PAGE_FAULTS_%s, mask %#x, match %#x: with bitmap %#x, mask %#x, match %#x "
              "the error code %#x %s",
              page_fault_names[w->page_faults], w->mask, w->match, out->bitmap[i],
              out->mask[i], out->match[i], code,
              wish_page_fault(w, code) ? "stays in the guest" : "exits");
}

static bool oracle_exits(const struct vmx_controls *c, const struct entry_event *e)
{
    if (e->type == 4)
        return false;
    if (e->type == 0 || e->type == 2)
        return c->pin >> (e->type == 0 ? 0 : 3) & 1;
    if (e->vector == 14)
        return page_fault_exits(c->exception_bitmap, c->page_fault_error_code_mask,
                                c->page_fault_error_code_match, e->error_code);
    return c->exception_bitmap >> e->vector & 1;
}

static void bitmap_says_what_exits(struct judge *judge)
{
    static struct lab04_exits_input in;

    in.wish_count = LAB04_WISHES;
    in.query_count = LAB04_QUERIES;
    random_fill(judge, in.controls, sizeof in.controls);
    for (uint32_t i = 0; i < LAB04_WISHES; i++) {
        struct vmx_controls *c = &in.controls[i];

        in.wishes[i] = wish_random(judge, i);
        c->page_fault_error_code_mask &= 7;
        c->page_fault_error_code_match &= coin(judge) ? c->page_fault_error_code_mask : 7;
    }
    for (uint32_t i = 0; i < LAB04_QUERIES; i++) {
        in.queries[i] = event_good(judge, good_types[i % COUNT(good_types)]).event;
        if (i % 3 == 0)
            in.queries[i] = (struct entry_event){.type = 3,
                                                 .vector = 14,
                                                 .has_error_code = true,
                                                 .error_code = (uint32_t)below(judge, 8)};
        if (i % 16 == 1) /* its vector looks like a page fault's */
            in.queries[i] =
                (struct entry_event){.type = 4, .vector = 14, .instruction_length = 2};
    }
    const struct lab04_exits_output *out =
        part_run(judge, LAB04_EXITS, &in, sizeof in, sizeof *out);
    for (uint32_t i = 0; i < LAB04_WISHES; i++) {
        wish_expect(judge, &in, out, i);
        for (uint32_t q = 0; q < LAB04_QUERIES; q++) {
            const bool want = oracle_exits(&in.controls[i], &in.queries[q]);

            CHECK(
                judge, out->exits[i][q] == want, "event_exits() says what the CPU will do",
                "type %u, vector %u, error code %#x; pin %#x, bitmap %#x, mask %#x, match "
                "%#x: it %s",
                in.queries[q].type, in.queries[q].vector, in.queries[q].error_code,
                in.controls[i].pin, in.controls[i].exception_bitmap,
                in.controls[i].page_fault_error_code_mask,
                in.controls[i].page_fault_error_code_match,
                want ? "exits" : "stays in the guest");
        }
    }
}

/* === guests ======================================================================================== */

#define TABLE_MAGIC 0x53474e49524d5254ull

/* In rings.long64.c. */
#define SCRIPT_AT   0x28000u
#define LOG_AT      0x30000u
#define USER_STACK  0x20000u
#define FINAL_PORT  0x3f0u
#define PAIR_PRIME  0x01000193u
#define PAIR_ADDEND 0xcf4880cdu

enum {
    R_80,
    R_81,
    R_82,
    R_83,
    R_84,
    R_85,
    R_86,
    R_87,
    R_8B,
    R_8C,
    R_CF,
    R_0B,
    R_0D,
    HANDLERS
};

/* Numbers of sites, in the order of the text. */
enum {
    S_PAIR,
    S_END,
    S_OPS, /* operations 0 to 7, 9, 10, 11 */
    S_PAIR_IRET = S_OPS + 11,
    S_83_INT = S_PAIR_IRET + 3,
    S_85_INT = S_83_INT + 3,
    S_8C_INT = S_85_INT + 5,
    S_8B_IRET = S_8C_INT + 2,
    SITES = S_8B_IRET + 4,
};

/* The table that a guest has behind TABLE_MAGIC. */
static const uint64_t *guest_table(struct judge *judge, const uint8_t *image, size_t size)
{
    static uint64_t table[64];
    const uint64_t magic = TABLE_MAGIC;
    const uint8_t *at = memmem(image, size, &magic, sizeof magic);

    if (!at)
        judge_error(judge, "the guest has no table");
    at += sizeof magic;
    size -= (size_t)(at - image);
    memcpy(table, at, size < sizeof table ? size : sizeof table);
    return table;
}

struct rings {
    uint64_t program, handlers[HANDLERS], sites[SITES];
    struct lab04_tables tables;
    uint64_t nonce, pairs;
    struct {
        uint64_t operation, below, flags, reserved;
    } script[96];
    uint64_t script_count;
};

static void rings_table_read(struct judge *judge, struct rings *g)
{
    const uint64_t *table = guest_table(judge, rings, GUEST_IMAGE_SIZE(rings));

    if (table[1 + HANDLERS] != SITES)
        judge_error(judge, "the guest has %u sites, not %u", (unsigned)table[1 + HANDLERS],
                    (unsigned)SITES);
    g->program = table[0];
    memcpy(g->handlers, table + 1, sizeof g->handlers);
    memcpy(g->sites, table + 2 + HANDLERS, sizeof g->sites);
}

static void rings_tables_make(struct judge *judge, struct rings *g)
{
    static const struct {
        uint8_t vector, handler, type, dpl, ist, absent;
    } gates[] = {
        {0x80, R_80, GATE_INTERRUPT, 3, 0, 0}, {0x81, R_81, GATE_INTERRUPT, 3, 0, 0},
        {0x82, R_82, GATE_TRAP, 3, 0, 0},      {0x83, R_83, GATE_TRAP, 3, 0, 0},
        {0x84, R_84, GATE_INTERRUPT, 0, 0, 0}, {0x85, R_85, GATE_INTERRUPT, 3, 0, 0},
        {0x86, R_86, GATE_INTERRUPT, 3, 1, 0}, {0x87, R_87, GATE_INTERRUPT, 0, 0, 0},
        {0x88, R_80, GATE_INTERRUPT, 3, 0, 1}, {0x8b, R_8B, GATE_INTERRUPT, 3, 0, 0},
        {0x8c, R_8C, GATE_INTERRUPT, 3, 0, 0}, {0xcf, R_CF, GATE_INTERRUPT, 3, 0, 0},
        {0x0b, R_0B, GATE_INTERRUPT, 0, 0, 0}, {0x0d, R_0D, GATE_INTERRUPT, 0, 0, 0},
    };
    struct lab04_tables *t = &g->tables;

    t->gdt = 0x4800 + 8 * below(judge, 64);
    t->tss = 0x5000 + 8 * below(judge, 64);
    t->idt = 0x5800 + 16 * below(judge, 64);
    t->rsp0 = 0x24000 + below(judge, 0x1000);
    for (unsigned i = 0; i < 7; i++)
        t->ist[i] = 0x26000 + below(judge, 0x1000);
    for (t->gate_count = 0; t->gate_count < COUNT(gates); t->gate_count++)
        t->gates[t->gate_count] = (struct guest_gate){
            .handler = g->handlers[gates[t->gate_count].handler],
            .selector = KERNEL_CODE_SELECTOR,
            .vector = gates[t->gate_count].vector,
            .type = gates[t->gate_count].type,
            .dpl = gates[t->gate_count].dpl,
            .ist = gates[t->gate_count].ist,
            .present = !gates[t->gate_count].absent,
        };
}

/* A guest that does `pairs` INT/IRET pairs, then `steps` operations of those given. */
static void rings_begin(struct judge *judge, struct rings *g, uint64_t pairs,
                        uint64_t steps, const uint8_t *operations, unsigned operation_count)
{
    memset(g, 0, sizeof *g);
    rings_table_read(judge, g);
    rings_tables_make(judge, g);
    g->nonce = judge_random(judge);
    g->pairs = pairs;
    g->script_count = steps;
    for (uint64_t i = 0; i < steps; i++) {
        /* Each at least once; all flags but TF and RF; IOPL stays 3. */
        g->script[i].operation =
            operations[i < operation_count ? i : below(judge, operation_count)];
        g->script[i].below = below(judge, 0x1000);
        g->script[i].flags = (judge_random(judge) & 0x244ed5) | 0x3002;
    }
}

static uint64_t rings_kernel_rsp(const struct rings *g, unsigned words)
{
    return g->tables.rsp0 / 16 * 16 - 8 * words;
}

/* The number that the guest has at its end. */
static uint32_t rings_number(const struct rings *g)
{
    uint64_t number = g->nonce;

    for (uint64_t i = 0; i < g->pairs; i++)
        number =
            number * PAIR_PRIME + rings_kernel_rsp(g, 5) + USER_CODE_SELECTOR + PAIR_ADDEND;
    return (uint32_t)number;
}

/* --- what should be in the log ----------------------------------------------------------------- */

struct log_entry {
    uint64_t vector, rsp, rflags, cs, ss, words[6], unused[5];
};

struct log_wanted {
    const struct rings *g;
    struct log_entry entries[384];
    unsigned words[384]; /* how many of an entry's are known */
    unsigned count;
    uint64_t rsp, rflags, cs, ss; /* where the guest is now */
};

/* The guest's INT or fault arrives at a handler, which makes its note. code: -1, or the error
 * code. at: address to return to. */
static void log_arrive(struct log_wanted *w, uint64_t vector, uint64_t at, int code,
                       uint64_t keep_if)
{
    struct log_entry *e = &w->entries[w->count];
    const unsigned words = code < 0 ? 5 : 6;
    const uint64_t frame[6] = {(uint64_t)(unsigned)code,
                               at,
                               w->cs,
                               w->rflags | (code < 0 ? 0 : RFLAGS_RF),
                               w->rsp,
                               w->ss};
    uint64_t stack = w->cs & 3 ? w->g->tables.rsp0 : w->rsp;

    if (vector == 0x86)
        stack = w->g->tables.ist[0];
    w->rsp = stack / 16 * 16 - 8 * words;
    w->rflags &= ~(RFLAGS_NT | (keep_if ? 0 : RFLAGS_IF));
    w->ss = w->cs & 3 ? 0 : w->ss;
    w->cs = KERNEL_CODE_SELECTOR;
    *e = (struct log_entry){vector, w->rsp, w->rflags, w->cs, w->ss, {0}, {0}};
    memcpy(e->words, frame + 6 - words, 8 * words);
    w->words[w->count++] = words;
}

static void log_step(struct log_wanted *w, uint64_t operation)
{
    const uint64_t *sites = w->g->sites;
    const uint64_t at = sites[S_OPS + operation - (operation > 8)], behind = at + 2;

    switch (operation) {
    case 0:
        log_arrive(w, 0x80, behind, -1, 0);
        break;
    case 1:
        log_arrive(w, 0x82, behind, -1, 1);
        break;
    case 2:
        log_arrive(w, 0x83, behind, -1, 1);
        log_arrive(w, 0x84, sites[S_83_INT] + 2, -1, 0);
        break;
    case 3:
        log_arrive(w, 0x85, behind, -1, 0);
        w->rsp -= 8;
        log_arrive(w, 0x84, sites[S_85_INT] + 2, -1, 0);
        break;
    case 4:
        log_arrive(w, 0x86, behind, -1, 0);
        break;
    case 5:
        log_arrive(w, 0x0d, at, 0x87 * 8 + 2, 0);
        break;
    case 6:
        log_arrive(w, 0x0b, at, 0x88 * 8 + 2, 0);
        break;
    case 7:
        log_arrive(w, 0x0d, at, 0x89 * 8 + 2, 0);
        break;
    case 9:
        log_arrive(w, 0x8b, behind, -1, 0);
        log_arrive(w, 0x0d, sites[S_8B_IRET], KERNEL_CODE_SELECTOR, 0);
        break;
    case 10:
        log_arrive(w, 0xcf, behind, -1, 0);
        break;
    case 11:
        log_arrive(w, 0x8c, behind, -1, 0);
        log_arrive(w, 0x87, sites[S_8C_INT] + 2, -1, 0);
        break;
    default:
        break;
    }
}

static void log_want(struct log_wanted *w, const struct rings *g)
{
    *w = (struct log_wanted){.g = g};
    for (uint64_t i = 0; i < g->script_count; i++) {
        const uint64_t rsp = USER_STACK - g->script[i].below;

        w->rsp = rsp;
        w->rflags = g->script[i].flags;
        w->cs = USER_CODE_SELECTOR;
        w->ss = USER_DATA_SELECTOR;
        log_step(w, g->script[i].operation);
        w->entries[w->count++] = (struct log_entry){
            0x100, rsp, g->script[i].flags, USER_CODE_SELECTOR, USER_DATA_SELECTOR,
            {0},   {0}};
    }
}

static void log_number_expect(struct judge *judge, const char *way, unsigned i,
                              const struct log_entry *want, const char *field, uint64_t got,
                              uint64_t wanted)
{
    CHECK(judge, got == wanted, "frames and registers as INT and IRET have to leave them",
          "%s, note %u of the guest (%s %#" PRIx64 "): %s is %#" PRIx64 ", not %#" PRIx64,
          way, i, want->vector == 0x100 ? "back in ring 3," : "handler of vector",
          want->vector, field, got, wanted);
}

/* QEMU 7.2 without KVM is no Intel CPU in two bits of a fault's frame in 64-bit mode: its error
 * code for a gate is vector * 16 + 2 instead of vector * 8 + 2 (SDM 3A 6.13), and RF is not set
 * in the RFLAGS that are pushed (SDM 3B 18.3.1.1). The emulated Intel CPU has both as the SDM
 * says. So these are corrected in a log of the machine's CPU, if they are exactly so. */
static void log_correct(const struct rings *g, uint8_t *log)
{
    static struct log_wanted w;

    log_want(&w, g);
    for (unsigned i = 0; i < w.count; i++) {
        const struct log_entry *want = &w.entries[i];
        struct log_entry *got = (struct log_entry *)(void *)(log + i * sizeof *got);
        const uint64_t code = want->words[0];

        if (w.words[i] != 6)
            continue;
        if ((code & ERROR_CODE_IDT) && got->words[0] == (code >> 3) * 16 + ERROR_CODE_IDT)
            got->words[0] = code;
        got->words[3] |= RFLAGS_RF;
    }
}

static void log_expect(struct judge *judge, const struct rings *g, const uint8_t *log,
                       const char *way)
{
    static const char *const frame[] = {"the error code",  "the frame's RIP",
                                        "the frame's CS",  "the frame's RFLAGS",
                                        "the frame's RSP", "the frame's SS"};
    static struct log_wanted w;

    log_want(&w, g);
    for (unsigned i = 0; i < w.count; i++) {
        const struct log_entry *want = &w.entries[i];
        struct log_entry got;

        memcpy(&got, log + i * sizeof got, sizeof got);
        log_number_expect(judge, way, i, want, "the vector", got.vector, want->vector);
        log_number_expect(judge, way, i, want, "CS", got.cs, want->cs);
        log_number_expect(judge, way, i, want, "SS", got.ss, want->ss);
        for (unsigned n = 0; n < w.words[i]; n++)
            log_number_expect(judge, way, i, want, frame[6 - w.words[i] + n], got.words[n],
                              want->words[n]);
        log_number_expect(judge, way, i, want, "RSP", got.rsp, want->rsp);
        log_number_expect(judge, way, i, want, "RFLAGS", got.rflags, want->rflags);
    }
}

/* === on the machine ================================================================================ */

enum { WINDOW_MAILBOX, WINDOW_LOG };

static const struct lab04_guest_output *guest_output(const struct evidence *e)
{
    return (const struct lab04_guest_output *)(const void *)e->answer;
}

/* `flags`: RUN_TRACE, or 0. */
static const struct evidence *rings_run(struct judge *judge, const struct rings *g,
                                        bool patched)
{
    static const struct window windows[] = {
        {.name = "guest-ram", .offset = GUEST_MAILBOX_GPA, .length = 128},
        {.name = "guest-ram", .offset = LOG_AT, .length = LAB04_GUEST_RAM - LOG_AT}};
    static struct lab04_guest_input in;
    const struct run_spec spec = {.entry = LAB04_GUEST,
                                  .flags = RUN_TRACE,
                                  .input = &in,
                                  .input_size = sizeof in,
                                  .windows = windows,
                                  .window_count = COUNT(windows),
                                  .deadline_ms = 20000};

    in = (struct lab04_guest_input){.patched = patched,
                                    .image_size = (uint32_t)GUEST_IMAGE_SIZE(rings),
                                    .site_count = SITES,
                                    .script_size = sizeof g->script,
                                    .program = g->program,
                                    .rsp = USER_STACK,
                                    .iopl = 3,
                                    .script_at = SCRIPT_AT,
                                    .mailbox = {g->pairs, g->nonce, g->script_count, 0},
                                    .tables = g->tables};
    memcpy(in.sites, g->sites, sizeof g->sites);
    memcpy(in.script, g->script, sizeof g->script);
    memcpy(in.image, rings, in.image_size);
    const struct evidence *e = judge_run(judge, &spec, sizeof(struct lab04_guest_output));
    const struct lab04_guest_output *out = guest_output(e);
    CHECK(judge, out->ready, "a guest can be loaded (parts 01 to 03)",
          "one of their functions failed");
    CHECK(judge, out->tables_result == 0, "interrupt_tables_write() returns 0",
          "it returned %d", out->tables_result);
    CHECK(judge, out->install_result == 0, "int_traps_install() returns 0",
          "it returned %d for the guest's %u sites", out->install_result, (unsigned)SITES);
    CHECK(judge, out->start_result == 0, "guest_start_user() returns 0", "it returned %d",
          out->start_result);
    return e;
}

/* The guest has got to its end, by its own word to a port, as the kernel saw it. */
static void rings_end_expect(struct judge *judge, const struct rings *g,
                             const struct evidence *e)
{
    const struct lab04_guest_output *out = guest_output(e);
    const uint32_t want = rings_number(g);
    const struct kvm_event *final = NULL;

    for (size_t i = 0; i < e->events.count; i++)
        if (e->events.list[i].kind == EVENT_PIO && e->events.list[i].write &&
            e->events.list[i].address == FINAL_PORT)
            final = &e->events.list[i];
    CHECK(judge, out->trap_error == 0, "traps->error stays 0",
          "it is %d (%s): the emulation gave up", out->trap_error,
          errno_name(out->trap_error));
    CHECK(
        judge, final && out->run_result == 0 && out->status == RUN_HALTED,
        "the guest runs to its end and halts",
        "vcpu_run() returned %d, status %u (1 is a halt, 2 a triple fault); RIP %#llx, CS "
        "%#x%s",
        out->run_result, out->status, (unsigned long long)out->ended.regs.rip,
        out->ended.sregs.cs.selector, final ? "" : "; nothing was written to port 3F0h");
    CHECK(judge, (uint32_t) final->value == want,
          "every pair has gone through ring 0, on the stack of RSP0, and back",
          "%" PRIu64 " pairs: the guest wrote %#x to port 3F0h, not %#x", g->pairs,
          (uint32_t) final->value, want);
    CHECK(judge, window_u64(e, 0, WINDOW_MAILBOX, 64) == g->pairs,
          "the handler in ring 0 has run once a pair", "%" PRIu64 " times, not %" PRIu64,
          window_u64(e, 0, WINDOW_MAILBOX, 64), g->pairs);
}

static size_t exits_of(const struct evidence *e, uint32_t reason)
{
    return kvm_events_count(&e->events, EVENT_EXIT, reason);
}

/* By the kernel's clock, from the first VM entry to the last OUT. */
static double span_us(const struct evidence *e)
{
    uint64_t from = 0, to = 0;

    for (size_t i = 0; i < e->events.count; i++) {
        const struct kvm_event *event = &e->events.list[i];

        if (event->kind == EVENT_ENTRY && !from)
            from = event->time_ns;
        if (event->kind == EVENT_EXIT && event->reason == SVM_EXIT_IOIO)
            to = event->time_ns;
    }
    return (double)(to - from) / 1e3;
}

#define HARDWARE_PAIRS 100000u
#define PATCHED_PAIRS  1000u

static struct rings guest; /* one a process: each check has its own */

static void pairs_figures(struct judge *judge, const struct evidence *e, const char *exits,
                          const char *time, uint64_t pairs)
{
    const size_t all = exits_of(e, KVM_EVENT_ANY);

    judge_figure(judge, exits, (double)(all - 2) / (double)pairs, "exits");
    judge_figure(judge, time, span_us(e) / (double)pairs, "us");
}

static void hardware_way_needs_no_exit(struct judge *judge)
{
    rings_begin(judge, &guest, HARDWARE_PAIRS, 0, NULL, 0);
    const struct evidence *e = rings_run(judge, &guest, false);
    rings_end_expect(judge, &guest, e);
    const size_t all = exits_of(e, KVM_EVENT_ANY), ticks = exits_of(e, SVM_EXIT_INTR),
                 faults = exits_of(e, SVM_EXIT_NPF), io = exits_of(e, SVM_EXIT_IOIO),
                 halts = exits_of(e, SVM_EXIT_HLT);
    CHECK(judge,
          io == 1 && halts == 1 && all == io + halts + ticks + faults && faults < 100,
          "INT and IRET cause no VM exit",
          "%u pairs: %zu exits, of them %zu host interrupts, %zu first touches of a page, "
          "%zu "
          "port accesses (1 is the guest's last), %zu halts",
          HARDWARE_PAIRS, all, ticks, faults, io, halts);
    pairs_figures(judge, e, "exits per INT/IRET pair, hardware way",
                  "time per INT/IRET pair, hardware way", HARDWARE_PAIRS);
}

/* The port accesses of the pairs come from the two sites in turn. */
static void pair_exits_expect(struct judge *judge, const struct evidence *e)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->events.count && n < 2 * PATCHED_PAIRS; i++) {
        const struct kvm_event *event = &e->events.list[i];
        const uint64_t want = guest.sites[n % 2 ? S_PAIR_IRET : S_PAIR];

        if (event->kind != EVENT_EXIT || event->reason != SVM_EXIT_IOIO)
            continue;
        CHECK(judge, event->rip == want, "INT and IRET exit in turn, each once a pair",
              "port exit %" PRIu64 " came from RIP %#" PRIx64 ", not %#" PRIx64 " (%s)",
              n + 1, event->rip, want, n % 2 ? "the IRET" : "the INT");
        n++;
    }
}

static void patched_way_exits_twice(struct judge *judge)
{
    rings_begin(judge, &guest, PATCHED_PAIRS, 0, NULL, 0);
    const struct evidence *e = rings_run(judge, &guest, true);
    const struct lab04_guest_output *out = guest_output(e);
    rings_end_expect(judge, &guest, e);
    pair_exits_expect(judge, e);
    CHECK(judge, exits_of(e, SVM_EXIT_IOIO) == 2 * PATCHED_PAIRS + 2,
          "two exits a pair, no more and no less",
          "%u pairs, INT 81h and one OUT at the end: %zu port exits, not %u", PATCHED_PAIRS,
          exits_of(e, SVM_EXIT_IOIO), 2 * PATCHED_PAIRS + 2);
    CHECK(judge,
          out->ints == PATCHED_PAIRS + 1 && out->irets == PATCHED_PAIRS && out->faults == 0,
          "traps counts what it has emulated",
          "ints %" PRIu64 ", irets %" PRIu64 ", faults %" PRIu64 "; it was %u, %u and 0",
          out->ints, out->irets, out->faults, PATCHED_PAIRS + 1, PATCHED_PAIRS);
    pairs_figures(judge, e, "exits per INT/IRET pair, patched way",
                  "time per INT/IRET pair, patched way", PATCHED_PAIRS);
}

/* Both ways leave the same log, and it is the right one. */
static void both_ways_judge(struct judge *judge, const uint8_t *operations, unsigned count)
{
    const struct evidence *runs[2];
    uint8_t *logs[2];

    rings_begin(judge, &guest, 2, COUNT(guest.script), operations, count);
    for (unsigned patched = 0; patched < 2; patched++) {
        runs[patched] = rings_run(judge, &guest, patched);
        rings_end_expect(judge, &guest, runs[patched]);
        logs[patched] = runs[patched]->windows[0][WINDOW_LOG].bytes;
        if (!logs[patched] ||
            runs[patched]->windows[0][WINDOW_LOG].length < LAB04_GUEST_RAM - LOG_AT)
            judge_error(judge, "the guest's memory is missing");
        if (!patched)
            log_correct(&guest, logs[patched]);
        log_expect(judge, &guest, logs[patched], patched ? "patched way" : "hardware way");
    }
    for (uint32_t at = 0; at < LAB04_GUEST_RAM - LOG_AT; at++)
        CHECK(judge, logs[0][at] == logs[1][at],
              "both ways leave the same in memory, bit for bit",
              "note %u of the guest, byte %u: hardware way %02x, patched way %02x",
              at / 128, at % 128, logs[0][at], logs[1][at]);
    for (unsigned patched = 0; patched < 2; patched++) {
        uint32_t want = 0, got = guest_output(runs[patched])->port_writes;

        for (uint64_t i = 0; i < guest.script_count; i++)
            want += guest.script[i].operation == 8;
        CHECK(judge, got == want, "an OUT that is no patched site reaches its device",
              "%s way: the guest wrote %u times to port 80h, its device saw %u",
              patched ? "patched" : "hardware", want, got);
    }
}

/* --- port accesses, one at a time ----------------------------------------------------------------- */

#define ACCESS_INT   0xd000u /* sites; in between there is none */
#define ACCESS_OTHER 0xd008u
#define ACCESS_IRET  0xd010u
#define ACCESS_FRAME 0xb000u
#define ACCESS_PORT  0x50u     /* and vector; the device behind has ports 40h to BFh */
#define HANDLER_AT   0x123450u /* plus the vector */

enum {
    SPOIL_NOTHING,
    SPOIL_RIGHTS,
    SPOIL_GP,
    SPOIL_NO_STACK,
    SPOIL_ROM_STACK,
    SPOIL_SEGMENT
};

struct access_case {
    const char *what;
    uint32_t rip, is_write, size, port;
    unsigned spoil;
    uint32_t failing; /* ioctl */
    int error;        /* what traps->error should be */
    uint64_t counts[3];
};

static const struct access_case behind_cases[] = {
    {"OUT", ACCESS_OTHER, 1, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 2 bytes", ACCESS_OTHER, 1, 2, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT to a port that nobody has", ACCESS_OTHER, 1, 1, 0x10, 0, 0, 0, {0}},
    {"IN", ACCESS_OTHER, 0, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"IN of 4 bytes", ACCESS_OTHER, 0, 4, 0x60, 0, 0, 0, {0}},
    {"IN from a port that nobody has", ACCESS_OTHER, 0, 2, 0x10, 0, 0, 0, {0}},
    {"IN with RIP at a site", ACCESS_INT, 0, 1, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 2 bytes with RIP at a site", ACCESS_INT, 1, 2, ACCESS_PORT, 0, 0, 0, {0}},
    {"OUT of 4 bytes with RIP at a site", ACCESS_IRET, 1, 4, 0x50, 0, 0, 0, {0}},
};

static const struct access_case end_cases[] = {
    {"INT", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 0, 0, {1, 0, 0}},
    {"IRET", ACCESS_IRET, 1, 1, 0xcf, 0, 0, 0, {0, 1, 0}},
    {"INT that faults", ACCESS_INT, 1, 1, ACCESS_PORT, SPOIL_RIGHTS, 0, 0, {0, 0, 1}},
    {"IRET that faults", ACCESS_IRET, 1, 1, 0xcf, SPOIL_RIGHTS, 0, 0, {0, 0, 1}},
    {"INT that faults, no gate for #GP, but one for #DF",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_GP,
     0,
     -ELOOP,
     {0}},
    {"INT, its stack in no memory",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_NO_STACK,
     0,
     -EFAULT,
     {0}},
    {"INT, its stack read-only",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_ROM_STACK,
     0,
     -EROFS,
     {0}},
    {"INT to a conforming segment",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_SEGMENT,
     0,
     -ENOTSUP,
     {0}},
    {"INT, ioctl 1 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 1, -EIO, {0}},
    {"INT, ioctl 2 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 2, -EIO, {0}},
    {"INT, ioctl 3 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 3, -EIO, {0}},
    {"INT, ioctl 4 fails", ACCESS_INT, 1, 1, ACCESS_PORT, 0, 4, -EIO, {0}},
    {"IRET, ioctl 3 fails", ACCESS_IRET, 1, 1, 0xcf, 0, 3, -EIO, {0}},
    {"INT that faults, ioctl 3 fails",
     ACCESS_INT,
     1,
     1,
     ACCESS_PORT,
     SPOIL_RIGHTS,
     3,
     -EIO,
     {0}},
};

static uint64_t access_gate_low(uint8_t vector, unsigned descriptor, uint8_t dpl)
{
    const struct guest_gate gate = {.handler = HANDLER_AT + vector,
                                    .selector = selector_make(descriptor, 0),
                                    .type = GATE_INTERRUPT,
                                    .dpl = dpl,
                                    .present = 1};
    uint8_t bytes[16];

    gate_draw(&gate, bytes);
    return bytes_value(bytes, 8);
}

static void access_memory_make(struct judge *judge, struct lab04_access_input *in)
{
    static const uint8_t vectors[] = {VECTOR_NP, VECTOR_GP, 8, ACCESS_PORT};
    const uint64_t frame[5] = {0x4000, selector_make(D_USER_CODE, 3), 0x202, 0x5000,
                               selector_make(D_USER_DATA, 3)};

    emulate_memory_make(judge, in->ram);
    for (unsigned i = 0; i < COUNT(vectors); i++) {
        uint8_t *gate = in->ram + IDT_AT + 16u * vectors[i];

        bytes_set(gate, access_gate_low(vectors[i], D_KERNEL_CODE, 3), 8);
        memset(gate + 8, 0, 8);
    }
    for (unsigned i = 0; i < 5; i++)
        bytes_set(in->ram + ACCESS_FRAME + 8 * i, frame[i], 8);
    bytes_set(in->ram + ACCESS_INT, 0xcd + ACCESS_PORT * 256u, 2);
    bytes_set(in->ram + ACCESS_IRET, 0xcf48, 2);
    in->sites[0] = ACCESS_INT;
    in->sites[1] = ACCESS_IRET;
    in->site_count = 2;
}

static void access_spoil(struct lab04_access *a, unsigned spoil, bool is_iret)
{
    const uint64_t gate = IDT_AT + 16 * ACCESS_PORT;

    if (spoil == SPOIL_NOTHING)
        return;
    a->write_at[0] = is_iret ? ACCESS_FRAME + 8 : gate;
    a->write_value[0] = is_iret ? selector_make(D_KERNEL_DATA, 0)
                                : access_gate_low(ACCESS_PORT, D_KERNEL_CODE, 0);
    if (spoil == SPOIL_GP)
        a->write_at[1] = IDT_AT + 16 * VECTOR_GP; /* becomes 0 */
    if (spoil == SPOIL_SEGMENT)
        a->write_value[0] = access_gate_low(ACCESS_PORT, D_CONFORMING_0, 3);
    if (spoil == SPOIL_NO_STACK || spoil == SPOIL_ROM_STACK) {
        a->write_at[0] = TSS_AT + 4;
        a->write_value[0] = spoil == SPOIL_NO_STACK ? LAB04_RAM + 0x100 : LAB04_ROM + 0x100;
    }
}

static void access_make(struct judge *judge, struct lab04_access *a,
                        const struct access_case *k)
{
    static struct lab04_case c;
    const bool is_iret = k->rip == ACCESS_IRET;

    case_begin(judge, &c, is_iret ? 0 : 3);
    *a = (struct lab04_access){.port = k->port,
                               .size = k->size,
                               .is_write = k->is_write,
                               .failing = k->failing,
                               .cpu = c.cpu};
    a->cpu.regs.rip = k->rip;
    a->cpu.regs.rflags &= ~RFLAGS_NT;
    if (is_iret)
        a->cpu.regs.rsp = ACCESS_FRAME;
    random_fill(judge, a->data, sizeof a->data);
    access_spoil(a, k->spoil, is_iret);
}

static const struct lab04_access_output *accesses_run(struct judge *judge,
                                                      struct lab04_access_input *in,
                                                      const struct access_case *cases,
                                                      unsigned count)
{
    access_memory_make(judge, in);
    for (in->count = 0; in->count < count; in->count++)
        access_make(judge, &in->accesses[in->count], &cases[in->count]);
    const struct lab04_access_output *out =
        part_run(judge, LAB04_ACCESS, in, sizeof *in, sizeof *out);
    for (unsigned i = 0; i < count; i++)
        CHECK(judge, out->results[i].install_result == 0, "int_traps_install() returns 0",
              "it returned %d for 2 sites", out->results[i].install_result);
    return out;
}

/* What is no site's OUT has its answer from the bus behind, and changes nothing else. */
static void behind_expect(struct judge *judge, const struct access_case *k,
                          const struct lab04_access *a, const struct lab04_access_result *r)
{
    const bool claimed = k->port >= 0x40;
    uint8_t data[8];

    memcpy(data, a->data, sizeof data);
    for (unsigned i = 0; !k->is_write && i < k->size; i++)
        data[i] = (uint8_t)(claimed ? ~data[i] : 0xff);
    CHECK(judge, r->behind == claimed && r->unclaimed == !claimed,
          "what is no site's OUT goes to the bus behind, once",
          "%s, port %#x: its device was called %u times, `unclaimed` is %u", k->what,
          k->port, r->behind, r->unclaimed);
    CHECK(judge,
          !claimed || (r->seen.address == k->port && r->seen.size == k->size &&
                       r->seen.is_write == k->is_write &&
                       memcmp(r->seen_data, a->data, k->size) == 0),
          "the device behind sees the access as it was",
          "%s, port %#x: it saw port %#" PRIx64 ", %u bytes, %s", k->what, k->port,
          r->seen.address, r->seen.size, r->seen.is_write ? "OUT" : "IN");
    CHECK(judge, memcmp(data, r->data, sizeof data) == 0,
          "an IN is answered by the bus behind",
          "%s, port %#x, %u bytes: %#" PRIx64 " became %#" PRIx64 ", not %#" PRIx64,
          k->what, k->port, k->size, bytes_value(a->data, 8), bytes_value(r->data, 8),
          bytes_value(data, 8));
    CHECK(judge,
          r->sets == 0 && r->error == 0 && !r->kicked &&
              r->ints + r->irets + r->faults == 0,
          "the guest's own port accesses are not emulated, and not counted",
          "%s: %u ioctls that set registers, error %d, ints %" PRIu64 ", irets %" PRIu64
          ", faults %" PRIu64,
          k->what, r->sets, r->error, r->ints, r->irets, r->faults);
}

static void behind_judge(struct judge *judge)
{
    static struct lab04_access_input in;
    const struct lab04_access_output *out =
        accesses_run(judge, &in, behind_cases, COUNT(behind_cases));

    for (unsigned i = 0; i < COUNT(behind_cases); i++)
        behind_expect(judge, &behind_cases[i], &in.accesses[i], &out->results[i]);
}

static void end_expect(struct judge *judge, const struct access_case *k,
                       const struct lab04_access_result *r)
{
    /* SREGS are set first, REGS second: what fails is the ioctl that `failing` names. */
    const uint32_t sets = k->error == 0 ? 2 : k->failing == LAB04_IOCTLS ? 1 : 0;

    CHECK(judge, r->error == k->error, "traps->error says why it gave up",
          "%s: it is %d, not %s%s", k->what, r->error, k->error ? "-" : "",
          errno_name(k->error));
    CHECK(judge, !!r->kicked == (k->error != 0),
          "a kick ends the run when the emulation gives up, and only then",
          "%s: the vCPU was %s", k->what, r->kicked ? "kicked" : "not kicked");
    CHECK(judge, r->sets == sets, "registers are set once, and not where it gives up",
          "%s: %u ioctls set registers, not %u", k->what, r->sets, sets);
    CHECK(judge,
          r->ints == k->counts[0] && r->irets == k->counts[1] && r->faults == k->counts[2],
          "counted is what the guest has got, nothing else",
          "%s: ints %" PRIu64 ", irets %" PRIu64 ", faults %" PRIu64 "; it was %" PRIu64
          ", %" PRIu64 " and %" PRIu64,
          k->what, r->ints, r->irets, r->faults, k->counts[0], k->counts[1], k->counts[2]);
    CHECK(judge, r->behind + r->unclaimed == 0, "a site's OUT is nobody else's",
          "%s: the bus behind saw it", k->what);
}

static void ends_judge(struct judge *judge)
{
    static struct lab04_access_input in;
    const struct lab04_access_output *out =
        accesses_run(judge, &in, end_cases, COUNT(end_cases));

    for (unsigned i = 0; i < COUNT(end_cases); i++)
        end_expect(judge, &end_cases[i], &out->results[i]);
}

static void frames_are_the_processors(struct judge *judge)
{
    static const uint8_t operations[] = {0, 1, 2, 3, 4, 8, 10, 11};

    both_ways_judge(judge, operations, COUNT(operations));
    behind_judge(judge);
}

static void violations_reach_the_guest(struct judge *judge)
{
    static const uint8_t operations[] = {5, 6, 7, 9, 0};

    both_ways_judge(judge, operations, COUNT(operations));
}

/* What guest_start_user() says to KVM, register by register; KVM would put some of it right. */
static void start_words_expect(struct judge *judge, const struct lab04_guest_output *out)
{
    const struct kvm_sregs *s = &out->starts[0].cpu.sregs, *was = &out->pretended.sregs;
    const struct kvm_segment *const flat[] = {&s->cs, &s->ds, &s->es,
                                              &s->fs, &s->gs, &s->ss};
    static const char *const names[] = {"CS", "DS", "ES", "FS", "GS", "SS"};

    for (unsigned i = 0; i < COUNT(flat); i++)
        CHECK(judge,
              flat[i]->base == 0 && flat[i]->limit == 0xffffffff && flat[i]->g &&
                  flat[i]->type == (i ? 3 : 11) && flat[i]->s && flat[i]->present &&
                  flat[i]->dpl == 3 && !flat[i]->unusable,
              "segments are flat, in the form of kvm_segment",
              "%s: base %#llx, limit %#x, g %u, type %u, s %u, dpl %u, present %u",
              names[i], flat[i]->base, flat[i]->limit, flat[i]->g, flat[i]->type,
              flat[i]->s, flat[i]->dpl, flat[i]->present);
    CHECK(
        judge,
        s->tr.type == TSS_BUSY && !s->tr.s && !s->tr.g && s->tr.present && !s->tr.unusable,
        "TR is the TSS, busy", "KVM was told: type %u, s %u, g %u, present %u, unusable %u",
        s->tr.type, s->tr.s, s->tr.g, s->tr.present, s->tr.unusable);
    CHECK(judge, memcmp(&s->ldt, &was->ldt, sizeof s->ldt) == 0, "LDTR keeps its value",
          "selector %#x became %#x, limit %#x became %#x", was->ldt.selector,
          s->ldt.selector, was->ldt.limit, s->ldt.limit);
    CHECK(judge, out->starts[0].cpu.regs.rflags == 0x3202,
          "RFLAGS has bit 1, IF and IOPL, and nothing of what was there",
          "RFLAGS was %#llx, KVM was told %#llx, not 0x3202", out->pretended.regs.rflags,
          out->starts[0].cpu.regs.rflags);
}

static void start_errors_expect(struct judge *judge, const struct lab04_guest_output *out)
{
    for (unsigned i = 1; i <= LAB04_IOCTLS; i++) {
        CHECK(judge, out->starts[i].result == -EIO,
              "an ioctl that fails makes guest_start_user() fail",
              "its ioctl number %u failed with EIO: it returned %d", i,
              out->starts[i].result);
        CHECK(judge, i > 2 || out->starts[i].sets == 0,
              "registers that could not be read are not set",
              "ioctl number %u, which reads them, failed; %u others set them", i,
              out->starts[i].sets);
    }
}

/* KVM's own view of the registers, before the guest runs. */
static void program_starts_in_ring_3(struct judge *judge)
{
    struct cpu_state want;

    rings_begin(judge, &guest, 1, 0, NULL, 0);
    const struct evidence *e = rings_run(judge, &guest, false);
    const struct lab04_guest_output *out = guest_output(e);
    const struct kvm_sregs *s = &out->started.sregs;
    const struct kvm_segment *const segments[] = {&s->ss, &s->ds, &s->es, &s->fs, &s->gs};
    static const char *const names[] = {"SS", "DS", "ES", "FS", "GS"};

    CHECK(judge,
          s->cs.selector == USER_CODE_SELECTOR && s->cs.dpl == 3 && s->cs.l && !s->cs.db,
          "CS is the user's 64-bit code", "selector %#x, dpl %u, l %u, db %u",
          s->cs.selector, s->cs.dpl, s->cs.l, s->cs.db);
    for (unsigned i = 0; i < COUNT(segments); i++)
        CHECK(judge,
              segments[i]->selector == USER_DATA_SELECTOR && segments[i]->dpl == 3 &&
                  segments[i]->type == 3 && segments[i]->present,
              "SS, DS, ES, FS and GS are the user's data",
              "%s: selector %#x, dpl %u, type %u, present %u", names[i],
              segments[i]->selector, segments[i]->dpl, segments[i]->type,
              segments[i]->present);
    CHECK(judge,
          s->tr.selector == TSS_SELECTOR && s->tr.base == guest.tables.tss &&
              s->tr.limit == TSS_BYTES - 1 && s->tr.type == TSS_BUSY && s->tr.present,
          "TR is the TSS, busy", "selector %#x, base %#llx, limit %#x, type %u, present %u",
          s->tr.selector, s->tr.base, s->tr.limit, s->tr.type, s->tr.present);
    CHECK(judge,
          s->gdt.base == guest.tables.gdt && s->gdt.limit == GDT_BYTES - 1 &&
              s->idt.base == guest.tables.idt && s->idt.limit == IDT_BYTES - 1,
          "GDTR and IDTR have the tables", "GDT %#llx, limit %#x; IDT %#llx, limit %#x",
          s->gdt.base, s->gdt.limit, s->idt.base, s->idt.limit);
    want = out->loaded;
    want.regs.rip = guest.program;
    want.regs.rsp = USER_STACK;
    want.regs.rflags = 0x3202;
    CHECK(judge, memcmp(&want.regs, &out->started.regs, sizeof want.regs) == 0,
          "RIP, RSP and RFLAGS are set, the other registers are kept",
          "RIP %#llx, RSP %#llx, RFLAGS %#llx (should be %#llx, %#llx, %#llx)",
          out->started.regs.rip, out->started.regs.rsp, out->started.regs.rflags,
          want.regs.rip, want.regs.rsp, want.regs.rflags);
    CHECK(judge,
          s->cr0 == out->loaded.sregs.cr0 && s->cr3 == out->loaded.sregs.cr3 &&
              s->cr4 == out->loaded.sregs.cr4 && s->efer == out->loaded.sregs.efer,
          "control registers are kept", "CR0 %#llx, CR3 %#llx, CR4 %#llx, EFER %#llx",
          s->cr0, s->cr3, s->cr4, s->efer);
    start_words_expect(judge, out);
    start_errors_expect(judge, out);
    rings_end_expect(judge, &guest, e);
}

/* A guest for which nothing more can be done: no #GP gate, or no stack in memory. */
static void emulation_gives_up(struct judge *judge)
{
    static const uint8_t violation[] = {5}, call[] = {1};
    static const struct {
        const uint8_t *operation;
        int error;
        const char *what;
    } tries[] = {{violation, -ELOOP, "a #GP, and no gate for it"},
                 {call, -EFAULT, "INT 82h with an RSP0 outside of memory"}};

    for (unsigned i = 0; i < COUNT(tries); i++) {
        rings_begin(judge, &guest, 0, 1, tries[i].operation, 1);
        if (tries[i].error == -ELOOP)
            guest.tables.gate_count--; /* the last one is #GP's */
        else
            guest.tables.rsp0 = LAB04_GUEST_RAM + 0x1000;
        const struct evidence *e = rings_run(judge, &guest, true);
        const struct lab04_guest_output *out = guest_output(e);
        const uint64_t site = guest.sites[S_OPS + tries[i].operation[0]];

        CHECK(judge, out->trap_error == tries[i].error, "traps->error says why it gave up",
              "%s: it is %d, not -%s", tries[i].what, out->trap_error,
              errno_name(tries[i].error));
        CHECK(judge, out->run_result == 0 && out->status == RUN_KICKED,
              "a kick ends the run when the emulation gives up",
              "%s: vcpu_run() returned %d, status %u", tries[i].what, out->run_result,
              out->status);
        CHECK(judge,
              (out->ended.sregs.cs.selector & 3) == 3 && out->ended.regs.rip == site + 2,
              "the guest's registers are as they were",
              "%s: RIP %#llx, CS %#x; the patched OUT is at %#" PRIx64 " (KVM has finished "
              "it)",
              tries[i].what, out->ended.regs.rip, out->ended.sregs.cs.selector, site);
    }
    ends_judge(judge);
}

/* === on silicon ==================================================================================== */

/* In events.long64.c: the pages that fault, and its operations. */
#define PAGE_TARGET 0x200000ull /* where those that are mapped lead */
#define EFER_NXE    (1ull << 11)
#define PTE_NX      (1ull << 63)

/* Ring 3 on the part's tables, as guest_start_user() makes it for KVM. */
static void silicon_ring_3(struct silicon *s, const struct lab04_tables *t, uint64_t rip)
{
    struct vmx_guest_state *g = &s->job.guest;
    const struct vmx_segment data = {
        .selector = USER_DATA_SELECTOR, .limit = 0xffffffff, .access_rights = 0xc0f3};

    for (int i = SEG_ES; i <= SEG_GS; i++)
        g->segments[i] = data;
    g->segments[SEG_CS] = (struct vmx_segment){
        .selector = USER_CODE_SELECTOR, .limit = 0xffffffff, .access_rights = 0xa0fb};
    g->segments[SEG_TR] = (struct vmx_segment){.selector = TSS_SELECTOR,
                                               .base = t->tss,
                                               .limit = TSS_BYTES - 1,
                                               .access_rights = 0x8b};
    g->gdtr_base = t->gdt;
    g->gdtr_limit = GDT_BYTES - 1;
    g->idtr_base = t->idt;
    g->idtr_limit = IDT_BYTES - 1;
    g->rip = rip;
    g->rsp = USER_STACK;
    g->rflags = 0x3202;
}

/* The bytes that the part makes of the tables go into the guest's memory. */
static void silicon_tables(struct silicon *s, const struct lab04_tables *t)
{
    static struct lab04_tables_input in;
    const struct lab04_tables_output *out;

    in.count = 1;
    in.tables[0] = *t;
    out = part_run(s->judge, LAB04_TABLES, &in, sizeof in, sizeof *out);
    CHECK(s->judge, out->results[0] == 0, "interrupt_tables_write() returns 0",
          "it returned %d", out->results[0]);
    silicon_put(s, SILICON_RAM_HPA + t->gdt, out->ram[0] + t->gdt, GDT_BYTES);
    silicon_put(s, SILICON_RAM_HPA + t->tss, out->ram[0] + t->tss, TSS_BYTES);
    silicon_put(s, SILICON_RAM_HPA + t->idt, out->ram[0] + t->idt, IDT_BYTES);
}

#define SILICON_PAIRS 1000u

static void tables_work_on_silicon(struct judge *judge)
{
    static const uint8_t operations[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11};
    struct silicon *s = silicon_new(judge);

    rings_begin(judge, &guest, SILICON_PAIRS, 64, operations, COUNT(operations));
    const uint64_t mailbox[4] = {guest.pairs, guest.nonce, guest.script_count, 1};
    silicon_guest(s, rings, GUEST_IMAGE_SIZE(rings), GUEST_LONG64);
    silicon_tables(s, &guest.tables);
    silicon_put(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(s, SILICON_RAM_HPA + SCRIPT_AT, guest.script, sizeof guest.script);
    silicon_ring_3(s, &guest.tables, guest.program);
    s->job.actions[VMX_EXIT_IO_INSTRUCTION] = SILICON_SKIP;
    const unsigned log = silicon_window(s, SILICON_RAM_HPA + LOG_AT, 0x8000);
    silicon_run_to_end(s, "an Intel CPU runs the guest on the part's tables");
    log_expect(judge, &guest, s->windows[log].bytes, "Intel CPU");
    CHECK(judge, s->log.record_count == 2 && silicon_count(s, VMX_EXIT_IO_INSTRUCTION) == 1,
          "1000 INT/IRET pairs need no VM exit",
          "%u exits; the guest's last OUT and its VMCALL are 2", s->log.record_count);
    CHECK(judge, (uint32_t)s->records[0].rax == rings_number(&guest),
          "every pair has gone through ring 0 and back",
          "the guest wrote %#x to port 3F0h, not %#x", (uint32_t)s->records[0].rax,
          rings_number(&guest));
    judge_figure(judge, "exits in 1000 pairs, emulated Intel CPU",
                 s->log.record_count - 2.0, "exits");
}

struct happenings {
    struct lab04_tables tables;
    uint64_t program, asked;
    uint64_t script[64];
    uint32_t count;
};

static struct happenings happenings;

/* A handler for every vector, any ring may use it. */
static void happenings_begin(struct judge *judge, struct happenings *h)
{
    const uint64_t *table = guest_table(judge, events, GUEST_IMAGE_SIZE(events));

    memset(h, 0, sizeof *h);
    h->program = table[0];
    h->asked = table[2];
    h->tables.gdt = 0x4800 + 8 * below(judge, 64);
    h->tables.tss = 0x5000 + 8 * below(judge, 64);
    h->tables.idt = 0x5800 + 16 * below(judge, 64);
    h->tables.rsp0 = 0x24000 + below(judge, 0x1000);
    for (h->tables.gate_count = 0; h->tables.gate_count < 256; h->tables.gate_count++)
        h->tables.gates[h->tables.gate_count] =
            (struct guest_gate){.handler = table[1] + 16 * h->tables.gate_count,
                                .selector = KERNEL_CODE_SELECTOR,
                                .vector = (uint8_t)h->tables.gate_count,
                                .type = coin(judge) ? GATE_TRAP : GATE_INTERRUPT,
                                .dpl = 3,
                                .present = 1};
}

/* Pages of 2 MiB that fault in one way each (see the guest). */
static void pages_spoil(struct silicon *s)
{
    const uint64_t user = PAGE_TARGET | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_LARGE;
    const uint64_t entries[] = {0, user & ~PTE_WRITABLE, user & ~PTE_USER,
                                user | 1ull << 13, user | PTE_NX};

    silicon_put(s, SILICON_RAM_HPA + GUEST_PML4_GPA + 0x2000 + 8 * 2, entries,
                sizeof entries);
    s->job.guest.efer |= EFER_NXE;
}

static struct silicon *happenings_silicon(struct judge *judge, const struct happenings *h)
{
    struct silicon *s = silicon_new(judge);
    const uint64_t mailbox[3] = {0, 0, h->count};

    silicon_guest(s, events, GUEST_IMAGE_SIZE(events), GUEST_LONG64);
    pages_spoil(s);
    silicon_tables(s, &h->tables);
    silicon_put(s, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(s, SILICON_RAM_HPA + SCRIPT_AT, h->script, sizeof h->script);
    silicon_ring_3(s, &h->tables, h->program);
    silicon_window(s, SILICON_RAM_HPA + LOG_AT, 64 * 65);
    return s;
}

/* Note n of the guest: this event arrived, with this error code (-1: none). rip: 0, or what
 * the frame has to say. */
static void note_expect(struct judge *judge, const struct happenings *h,
                        const struct silicon *s, unsigned n,
                        const struct entry_event *event, uint64_t rip, const char *what)
{
    const uint8_t *note = s->windows[0].bytes + 64 * n;
    const unsigned words = event->has_error_code ? 6 : 5;
    const uint64_t rsp = h->tables.rsp0 / 16 * 16 - 8 * words;
    const uint8_t *frame = note + 16 + 8 * (words - 5);

    CHECK(judge, bytes_value(note, 8) == event->vector && bytes_value(note + 8, 8) == rsp,
          "the event arrives at its handler, on the stack of RSP0",
          "%s: note %u of the guest has vector %" PRIu64 ", RSP %#" PRIx64
          "; not %u, %#" PRIx64,
          what, n, bytes_value(note, 8), bytes_value(note + 8, 8), event->vector, rsp);
    CHECK(judge, !event->has_error_code || bytes_value(note + 16, 8) == event->error_code,
          "the error code lies on the handler's stack", "%s: %#" PRIx64 ", not %#x", what,
          bytes_value(note + 16, 8), event->error_code);
    CHECK(judge, rip == 0 || bytes_value(frame, 8) == rip,
          "the handler returns behind the instruction that the event stands for",
          "%s: the frame's RIP is %#" PRIx64 ", not %#" PRIx64, what, bytes_value(frame, 8),
          rip);
    CHECK(judge,
          bytes_value(frame + 8, 8) == USER_CODE_SELECTOR &&
              bytes_value(frame + 24, 8) == USER_STACK,
          "the event comes in ring 3", "%s: the frame's CS is %#" PRIx64 ", RSP %#" PRIx64,
          what, bytes_value(frame + 8, 8), bytes_value(frame + 24, 8));
}

#define INJECTED 60u

static void events_arrive_on_silicon(struct judge *judge)
{
    static struct lab04_events_input in;
    char what[200];

    happenings_begin(judge, &happenings);
    for (; in.count < INJECTED; in.count++) {
        struct lab04_event *e = &in.events[in.count];

        /* Hardware exceptions 0 to 20 first, each once; then all types but this. */
        *e = event_good(judge,
                        in.count <= 20 ? 3 : good_types[in.count % COUNT(good_types)]);
        if (in.count <= 20)
            e->event.vector = in.count;
        if (e->event.type == 3 && (in.count > 20 || in.count == 2))
            *e = event_good(judge, 0);
        e->guest = (struct entry_guest){.cr0 = CR0_PE | CR0_PG, .rflags = 0x202};
        e->event.has_error_code = oracle_has_code(e);
        e->event.error_code &= 0xffff;
    }
    happenings.count = INJECTED; /* operation 0: ask for the next event */
    const struct lab04_events_output *out =
        part_run(judge, LAB04_EVENTS, &in, sizeof in, sizeof *out);
    struct silicon *s = happenings_silicon(judge, &happenings);
    for (uint32_t i = 0; i < INJECTED; i++) {
        const struct lab04_event_result *r = &out->results[i];

        event_describe(&in.events[i], what);
        CHECK(judge, r->result == 0, "good events are taken", "%s: returned %d", what,
              r->result);
        silicon_event_add(s, r->info, r->error_code, r->instruction_length);
    }
    silicon_run_to_end(s, "an Intel CPU takes the part's events at VM entry");
    for (uint32_t i = 0; i < INJECTED; i++) {
        event_describe(&in.events[i], what);
        note_expect(judge, &happenings, s, i, &in.events[i].event,
                    happenings.asked + in.events[i].event.instruction_length, what);
    }
    CHECK(judge, silicon_count(s, VMX_EXIT_VMCALL) == s->log.record_count,
          "events that are injected cause no exit themselves",
          "%u exits, %u of them the guest's VMCALLs", s->log.record_count,
          silicon_count(s, VMX_EXIT_VMCALL));
}

/* What the operations 1 to 17 of the guest raise. */
static const struct {
    const char *name;
    struct entry_event event;
} raised[] = {
    {"", {0}},
    {"#DE", {3, 0, false, 0, 0}},
    {"#DB by INT1", {5, 1, false, 0, 0}},
    {"#BP by INT3", {6, 3, false, 0, 0}},
    {"#UD", {3, 6, false, 0, 0}},
    {"#GP", {3, 13, true, 0, 0}},
    {"#SS", {3, 12, true, 0, 0}},
    {"#PF, read, not present", {3, 14, true, 4, 0}},
    {"#PF, write, not present", {3, 14, true, 6, 0}},
    {"#PF, read of a kernel page", {3, 14, true, 5, 0}},
    {"#PF, write to a read-only page", {3, 14, true, 7, 0}},
    {"#PF, reserved bit", {3, 14, true, 13, 0}},
    {"#PF, fetch, not present", {3, 14, true, 20, 0}},
    {"#PF, fetch from a no-execute page", {3, 14, true, 21, 0}},
    {"INT 6", {4, 6, false, 0, 0}},
    {"INT 13", {4, 13, false, 0, 0}},
    {"INT 14", {4, 14, false, 0, 0}},
    {"INT 64", {4, 64, false, 0, 0}},
};

/* Runs all of them under the part's fields, and says which should exit. */
static void silicon_exits_judge(struct judge *judge, const struct exception_wish *wish,
                                const struct lab04_exits_output *fields, uint32_t n)
{
    struct silicon *s = happenings_silicon(judge, &happenings);
    uint32_t exits = 0, notes = 0;

    s->job.controls.exception_bitmap = fields->bitmap[n];
    s->job.controls.page_fault_error_code_mask = fields->mask[n];
    s->job.controls.page_fault_error_code_match = fields->match[n];
    s->job.actions[VMX_EXIT_EXCEPTION_OR_NMI] = SILICON_RECOVER;
    silicon_run_to_end(s, "an Intel CPU runs the guest with the part's exception bitmap");
    for (uint32_t i = 0; i < happenings.count; i++) {
        const struct entry_event *event = &raised[happenings.script[i]].event;
        const char *name = raised[happenings.script[i]].name;
        const bool want = event->type != 4 &&
                          (event->vector == 14 ? wish_page_fault(wish, event->error_code)
                                               : wish->vectors >> event->vector & 1);
        const struct silicon_record *r = &s->records[exits];
        const bool seen =
            exits < s->log.record_count && r->exit_reason == VMX_EXIT_EXCEPTION_OR_NMI &&
            (r->interruption_info & 0x7ff) == (event->vector | event->type << 8) &&
            (!event->has_error_code || r->interruption_error_code == event->error_code);

        CHECK(judge, !want || seen, "what is wished to exit exits",
              "%s: wished to exit; vectors %#x, page faults %s, mask %#x, match %#x gave "
              "bitmap %#x, mask %#x, match %#x, and the CPU did not exit for it",
              name, wish->vectors, page_fault_names[wish->page_faults], wish->mask,
              wish->match, fields->bitmap[n], fields->mask[n], fields->match[n]);
        if (want)
            exits++;
        else
            note_expect(judge, &happenings, s, notes++, event, 0, name);
    }
    CHECK(judge, exits + 1 == s->log.record_count, "what is not wished to exit stays",
          "%u exits wished for, %u seen", exits, s->log.record_count - 1);
}

static void exceptions_exit_on_silicon(struct judge *judge)
{
    static struct lab04_exits_input in;

    happenings_begin(judge, &happenings);
    for (happenings.count = 0; happenings.count < 40; happenings.count++)
        happenings.script[happenings.count] = happenings.count < COUNT(raised) - 1
                                                  ? happenings.count + 1
                                                  : 1 + below(judge, COUNT(raised) - 1);
    /* One bit of the error code decides, or two. */
    in.wish_count = 2;
    in.wishes[0] =
        (struct exception_wish){.vectors = (uint32_t)judge_random(judge) & ~0x4004u,
                                .page_faults = PAGE_FAULTS_MATCHING,
                                .mask = coin(judge) ? 0x12 : 3,
                                .match = 2};
    in.wishes[1] = (struct exception_wish){.vectors = ~in.wishes[0].vectors & ~0x4004u,
                                           .page_faults = PAGE_FAULTS_OTHER,
                                           .mask = coin(judge) ? 5 : 0x11,
                                           .match = 1};
    const struct lab04_exits_output *out =
        part_run(judge, LAB04_EXITS, &in, sizeof in, sizeof *out);
    for (uint32_t n = 0; n < in.wish_count; n++) {
        CHECK(judge, out->results[n] == 0, "exception_exits_set() returns 0",
              "it returned %d", out->results[n]);
        silicon_exits_judge(judge, &in.wishes[n], out, n);
    }
}

#define SDM(text) "Intel SDM " text

static const struct check checks[] = {
    {
        .id = "gates_are_encoded",
        .title = "IDT gates and the TSS descriptor, bit by bit",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = gates_are_encoded,
        .why = "The processor reads these bits at every INT, and says nothing about wrong "
               "ones.",
        .handout = "Steps, 1 and 2",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3A 6.14.1, 7.2.3"),
        .hints = {"Compare the words that you got with the drawing in the header, from "
                  "right to left.",
                  "A handler's address lies in three pieces; the TSS's base in four. Which "
                  "bits go where?",
                  "handler 15:0 to bits 15:0, 31:16 to 63:48, 63:32 to the second word. "
                  "Mask each piece before you shift it."},
        .explanation =
            "The pieces are history: the 80286 had the lower halves, the 80386 put its new "
            "bits where there was room, and 64-bit mode appended a word.",
    },
    {
        .id = "tables_are_written",
        .title = "GDT, TSS and IDT in guest memory",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = tables_are_written,
        .why = "With these tables in place, INT needs nobody but the processor.",
        .handout = "Steps, 3",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 3.4.5, 6.14.1, 7.7"),
        .hints =
            {"Are the selectors of the header and the places of your descriptors the same?",
             "Is every byte of the tables written, also those that are zero? Is a bad gate "
             "found before the first byte is?",
             "The TSS's fields are not aligned: RSP0 at 4, IST1 at 36, the I/O map's "
             "offset at 102. Copy them with memcpy()."},
        .explanation = "A vector without a gate is 16 zero bytes: not present. That is all "
                       "that it takes to make INT 89h a fault.",
    },
    {
        .id = "int_pushes_the_frame",
        .title = "INT by hand: gate, stack, frame, registers",
        .tenths = 11,
        .target = TARGET_MODEL,
        .run = int_pushes_the_frame,
        .why = "This is what a VMM without hardware support did for every system call.",
        .handout = "Steps, 5",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, INT n; 3A 6.12.1, 6.14"),
        .hints =
            {"Which stack: the one of the TSS, of the IST, or the current one? What "
             "decides?",
             "In 64-bit mode the frame always has SS and RSP, and RSP is rounded down to "
             "16 first. What is in SS after a change of ring?",
             "rsp = (IST ? IST : ring changes ? RSPn : RSP) & ~15; push SS, RSP, RFLAGS, "
             "CS, RIP; CS.RPL = the new ring; IF = 0 only for an interrupt gate."},
        .explanation = "The null SS is no accident: 64-bit mode does not need a stack "
                       "segment, and null says so without reading the GDT.",
    },
    {
        .id = "int_faults_in_order",
        .title = "INT by hand: who may not pass, and why",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = int_faults_in_order,
        .why =
            "The gate's DPL is all that keeps a program from calling any handler it likes.",
        .handout = "Steps, 5",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, INT n; 3A 6.12.1.1, 6.13"),
        .hints =
            {"The message names the step of the header. Is it there, and at its place?",
             "Limits are the last byte that belongs to the table: all 16 bytes of a gate "
             "have to lie within. And an exception asks no DPL.",
             "Compute the error code once: vector * 8 + 2 for a gate, selector & FFFCh for "
             "a segment, TR's selector for the TSS; plus 1 unless the event is an INT n."},
        .explanation = "Whoever handles #GP sees from its error code whether a selector or "
                       "a vector was at fault: bit 1 says so.",
    },
    {
        .id = "iret_goes_back",
        .title = "IRET by hand: registers and flags",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = iret_goes_back,
        .why = "The way back decides which ring runs next.",
        .handout = "Steps, 6",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("2A, IRET"),
        .hints =
            {"Which bits of RFLAGS may the program in ring 3 choose? Who may change IF?",
             "IF depends on the old CPL and the old IOPL; IOPL itself only on the old CPL. "
             "What is not loaded keeps its value.",
             "new = (old & ~mask) | (frame & mask), where mask grows with the rights of "
             "the ring that executes IRET."},
        .explanation = "If IRET loaded all of RFLAGS, a program could give itself IOPL 3 "
                       "and switch interrupts off.",
    },
    {
        .id = "iret_trusts_no_frame",
        .title = "IRET by hand: a frame is only memory",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = iret_trusts_no_frame,
        .why = "Whoever can write the stack can write the frame: it is input, not state.",
        .handout = "Steps, 6",
        .slide = "Root and non-root modes",
        .manual = SDM("2A, IRET; 3A 5.5, 5.8"),
        .hints = {"Which field of the frame does the message name? What does the header "
                  "ask of it?",
                  "The new ring is CS's RPL. It may not be lower than the old one, and "
                  "both segments have to be of exactly that ring.",
                  "A null SS is fine, but never for ring 3, and only with an RPL that "
                  "equals the new ring. The checks of SS come after all those of CS."},
        .explanation = "A kernel that returns with a forged CS gets #GP in ring 0: the "
                       "place where many real exploits began.",
    },
    {
        .id = "only_named_sites_are_patched",
        .title = "patches the sites that are named, and nothing else",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = only_named_sites_are_patched,
        .why =
            "CD 80 is INT 80h only if it is an instruction: a blind search changes data.",
        .handout = "Steps, 8",
        .slide = "Root and non-root modes",
        .manual = "common/include/int_emulation.h, int_traps_install()",
        .hints = {"Is anything written before the last site has been looked at?",
                  "Two addresses share a byte if they differ by less than 2. Which of two "
                  "errors counts: the first in the list.",
                  "First loop: read and decide. Then put the device on the bus. Second "
                  "loop: write."},
        .explanation =
            "Binary translators had to follow the guest's jumps to know what is an "
            "instruction. A list of sites is that work, done by the guest's maker.",
    },
    {
        .id = "good_events_are_encoded",
        .title = "events become the three fields of a VM entry",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = good_events_are_encoded,
        .why = "So a VMM makes a guest see an interrupt that no device has sent it.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 25.8.3, 27.6"),
        .hints =
            {"Write the drawing of the field as an expression: valid, type, vector, error "
             "code.",
             "Which exceptions push an error code? And in real mode?",
             "Fields that are not used become 0: no stale error code, no stale length."},
        .explanation = "The processor clears the valid bit at the next VM exit, so an "
                       "event is delivered once, unless the VMM writes it again.",
    },
    {
        .id = "bad_events_are_refused",
        .title = "events that the processor would refuse are refused",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bad_events_are_refused,
        .why = "A VM entry with a bad event fails, and says no more than 'invalid control "
               "field'.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 27.2.1.3, 27.3.1.4"),
        .hints = {"Take the rules of the header one by one; which one does the message's "
                  "event break?",
                  "has_error_code has to be right in both directions. CR0.PE decides about "
                  "all of them.",
                  "-EAGAIN only after everything that is -EINVAL. RFLAGS.IF stops external "
                  "interrupts only; each blocking stops NMIs."},
        .explanation = "An event that has to wait is not lost: the VMM asks for an exit "
                       "when the window opens.",
    },
    {
        .id = "bitmap_says_what_exits",
        .title = "the exception bitmap, with mask and match",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bitmap_says_what_exits,
        .why = "A VMM that takes every page fault of its guest is slow; one that takes "
               "none is blind.",
        .handout = "Steps, 10 and 11",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("3C 25.6.3, 26.2"),
        .hints = {"Which comparison holds for every error code? Which for none?",
                  "If the comparison fails, bit 14 means the opposite. So what is bit 14 "
                  "for 'all but these'?",
                  "STAY: 0, mask 0, match 0. EXIT: 1, 0, 0. MATCHING: 1 and the wish's "
                  "numbers. OTHER: 0 and the same numbers."},
        .explanation = "With EPT most VMMs leave all page faults to the guest: bit 14, "
                       "mask and match 0.",
    },
    {
        .id = "program_starts_in_ring_3",
        .title = "the vCPU starts in ring 3",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = program_starts_in_ring_3,
        .why = "A kernel never starts its programs by INT: somebody has to be in ring 3 "
               "first.",
        .handout = "Steps, 4",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 3.4.2, 5.5, 7.2.4"),
        .hints = {"KVM_GET_SREGS, change, KVM_SET_SREGS. Which register is named in the "
                  "message?",
                  "CPL is CS's RPL, SS's DPL, or both, depending on who is asked: set all "
                  "of them.",
                  "TR: base, limit 67h, type 11, present, the selector of the header. The "
                  "rest of kvm_segment: 0."},
        .explanation = "Real kernels do it with the instruction of this lab: they push a "
                       "frame by hand and execute IRET.",
    },
    {
        .id = "hardware_way_needs_no_exit",
        .title = "100,000 INT/IRET pairs, no VM exit",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .run = hardware_way_needs_no_exit,
        .why = "This is what the deck promises of the hardware; here it is counted.",
        .handout = "What the slides say",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3C 26.1"),
        .hints = {"What does the guest's last word say: did it run at all?",
                  "If RIP lies in nowhere, or the guest shut down, look at RSP0 and the "
                  "gates first.",
                  "Compare GDT, IDT and TSS in memory with what checks of target model say "
                  "about them."},
        .explanation = "The exits that remain are the host's own: its timer, and pages "
                       "that were touched for the first time.",
    },
    {
        .id = "patched_way_exits_twice",
        .title = "the patched guest: exactly two exits a pair",
        .tenths = 8,
        .target = TARGET_MACHINE,
        .run = patched_way_exits_twice,
        .why = "The price of the old way, measured on the same guest.",
        .handout = "Steps, 7",
        .slide = "Example: INT execution on the VM",
        .manual = "common/include/int_emulation.h; api.rst 5, KVM_EXIT_IO",
        .hints = {"Is the device called for each OUT? Are the registers written back?",
                  "KVM finishes an OUT by moving RIP behind it, unless somebody has "
                  "changed RIP meanwhile. You have.",
                  "RIP of the exit is the OUT itself: look it up among the sites, emulate, "
                  "cpu_state_set(). For INT return_rip is the site + 2."},
        .explanation =
            "Two exits, four ioctls and two switches between processes' worth of state: "
            "for something that a processor does in some hundred cycles.",
    },
    {
        .id = "frames_are_the_processors",
        .title = "both ways leave the same frames, bit for bit",
        .tenths = 7,
        .target = TARGET_MACHINE,
        .run = frames_are_the_processors,
        .why = "A guest must not see which way it runs: equivalence is what makes it "
               "virtualization.",
        .handout = "Steps, 5 and 6",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.14"),
        .hints = {"Which way does the message name? 'hardware' means the tables, 'patched' "
                  "the emulation.",
                  "Nested INTs stay on the stack they are on, rounded down; IST always "
                  "switches.",
                  "An OUT that is not at a site goes to device_bus_access(&traps->behind, "
                  "...), whatever its port."},
        .explanation =
            "Popek and Goldberg (1974) call this the equivalence property of a VMM.",
    },
    {
        .id = "violations_reach_the_guest",
        .title = "a forbidden INT is the guest's fault, not yours",
        .tenths = 4,
        .target = TARGET_MACHINE,
        .run = violations_reach_the_guest,
        .why = "A program that uses a gate which is not for it must meet its own kernel.",
        .handout = "Steps, 7",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.12.1.1, 6.13, 6.15"),
        .hints = {"GUEST_FAULTS is no error: what does the guest's kernel expect to find "
                  "on its stack?",
                  "A fault pushes the address of the instruction itself, and an error code "
                  "below it.",
                  "On GUEST_FAULTS deliver {fault.vector, error code, return_rip = site}, "
                  "software = false."},
        .explanation = "The same IRET that a user's forged frame breaks is reported to the "
                       "kernel as #GP at the IRET: in ring 0.",
    },
    {
        .id = "emulation_gives_up",
        .title = "where the emulation cannot go on, the run ends",
        .tenths = 3,
        .target = TARGET_MACHINE,
        .run = emulation_gives_up,
        .why = "Going on with half an exception would run the guest from a state that "
               "never was.",
        .handout = "Errors",
        .slide = "Root and non-root modes",
        .manual = SDM("3A 6.15, Interrupt 8"),
        .hints =
            {"Who notices that the exception itself cannot be delivered?",
             "Set traps->error and stop the run; vcpu_kick() may be called by a device.",
             "GUEST_FAULTS from the second interrupt_deliver() becomes -ELOOP; registers "
             "are not written back."},
        .explanation = "A processor would raise #DF, and if that fails as well, shut down: "
                       "a triple fault.",
    },
    {
        .id = "tables_work_on_silicon",
        .title = "an Intel CPU runs on your tables without an exit",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = tables_work_on_silicon,
        .why = "KVM could hide an exit from us; a CPU with its VMCS in our hands cannot.",
        .handout = "What the slides say",
        .slide = "Example: INT execution on the VM",
        .manual = SDM("3C 26.1; 3A 6.14"),
        .hints = {"Do the checks of target model that are about tables pass?",
                  "The CPU takes the frame's place from your TSS, rights from your GDT, "
                  "the address from your IDT.",
                  "If the guest did not get to its end, the last VM exit in the message "
                  "says where it was."},
        .explanation =
            "The same bytes, another maker of CPUs: that is what an architecture is.",
    },
    {
        .id = "events_arrive_on_silicon",
        .title = "an Intel CPU delivers your events",
        .tenths = 6,
        .target = TARGET_SILICON,
        .run = events_arrive_on_silicon,
        .why = "The slide's promise: the processor itself saves the state and looks up the "
               "IDT.",
        .handout = "Steps, 9",
        .slide = "VMCS – VM enter control",
        .manual = SDM("3C 27.6.1"),
        .hints = {"VM-instruction error 7 means: one of the fields is not allowed.",
                  "For types 4, 5 and 6 the CPU adds the instruction length to RIP before "
                  "it pushes it.",
                  "info = 80000000h | type << 8 | vector | error code << 11."},
        .explanation =
            "To the guest it looks as if a device, or its own instruction, had done it.",
    },
    {
        .id = "exceptions_exit_on_silicon",
        .title = "your exception bitmap decides on an Intel CPU",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = exceptions_exit_on_silicon,
        .why = "Here the bitmap meets exceptions that really happen.",
        .handout = "Steps, 10",
        .slide = "VMCS – VM execution control section",
        .manual = SDM("3C 25.6.3, 26.2"),
        .hints =
            {"Which exception does the message name? What did you ask for, what came out?",
             "INT 14 is no page fault: software interrupts do not look at the bitmap.",
             "See the hints of bitmap_says_what_exits: the two are about the same three "
             "fields."},
        .explanation = "An exception that exits has not happened to the guest yet: the VMM "
                       "may repair the cause and resume, or inject it.",
    },
};

const struct lab_checks lab_checks = {
    .name = "04-int-iret",
    .title = "INT and IRET",
    .checks = checks,
    .count = COUNT(checks),
};
