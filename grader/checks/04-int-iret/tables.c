/* tables.c - GDT, TSS and IDT: what the part writes into the guest's memory, against the same
 * tables drawn here, byte by byte. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

static struct guest_gate random_gate(struct judge *judge)
{
    return (struct guest_gate){.handler = random_canonical(judge),
                               .selector = (uint16_t)judge_random(judge),
                               .vector = (uint8_t)judge_random(judge),
                               .type = random_bool(judge) ? GATE_TRAP : GATE_INTERRUPT,
                               .dpl = (uint8_t)judge_random_below(judge, 4),
                               .ist = (uint8_t)judge_random_below(judge, 8),
                               .present = random_bool(judge)};
}

/* The gate byte by byte (SDM 3A figure 6-8). */
void gate_draw(const struct guest_gate *gate, uint8_t at[16])
{
    memset(at, 0, 16);
    bytes_set(at, gate->handler, 2);
    bytes_set(at + 2, gate->selector, 2);
    at[4] = gate->ist;
    at[5] = (uint8_t)(gate->type + gate->dpl * 32 + gate->present * 128);
    bytes_set(at + 6, gate->handler >> 16, 2);
    bytes_set(at + 8, gate->handler >> 32, 4);
}

/* The TSS's descriptor (SDM 3A figure 8-4). */
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

void gates_are_encoded(struct judge *judge)
{
    static struct lab04_encode_input in;
    uint8_t want[16];

    for (unsigned i = 0; i < LAB04_ENCODINGS; i++) {
        in.gates[i] = random_gate(judge);
        in.bases[i] = judge_random(judge) >> judge_random_below(judge, 64);
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
    tss_draw(LAB04_AT + t->tss, ram + t->gdt + 40);
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
    uint64_t at = 0x1000 + judge_random_below(judge, 256);

    for (unsigned i = 0, from = (unsigned)judge_random_below(judge, 3); i < 3; i++) {
        *order[(from + i) % 3] = at;
        at += 0x1000 + judge_random_below(judge, 0x800);
    }
    t->rsp0 = judge_random(judge);
    random_fill(judge, t->ist, sizeof t->ist);
    t->gate_count = (uint32_t)judge_random_below(judge, LAB04_GATES);
    for (uint32_t i = 0; i < t->gate_count; i++)
        t->gates[i] = random_gate(judge);
}

#define BAD_TRIES 15 /* of LAB04_TRIES, the last */

/* Each of the three tables, where not all of it can be written. */
static int table_misplace(struct judge *judge, struct lab04_tables *t, unsigned how)
{
    static const uint32_t sizes[] = {IDT_BYTES, TSS_BYTES, GDT_BYTES};
    uint64_t *const at[] = {&t->idt, &t->tss, &t->gdt};
    const bool read_only = how >= 3;

    /* Behind memory lies read-only memory's end: whoever writes piece by piece meets that first.
     * So what is in no memory begins before it. */
    *at[how % 3] = read_only ? LAB04_ROM - sizes[how % 3] + 1
                             : -(1 + judge_random_below(judge, sizes[how % 3] - 1));
    if (read_only && how % 3)
        *at[how % 3] += judge_random_below(judge, 0x800);
    return read_only ? -EROFS : -EFAULT;
}

/* Two tables are bad, in different ways: the one that is written first is reported. */
static int tables_misplace(struct judge *judge, struct lab04_tables *t, unsigned how)
{
    const unsigned first = how / 2 ? 2 : 1; /* the GDT, or the TSS; then the IDT */
    const int result = table_misplace(judge, t, first + (how % 2 ? 3 : 0));

    table_misplace(judge, t, how % 2 ? 0 : 3);
    return result;
}

static int table_spoil(struct judge *judge, struct lab04_tables *t, unsigned how)
{
    struct guest_gate *gate;

    t->gate_count = 8 + (uint32_t)judge_random_below(judge, 100);
    for (uint32_t i = 0; i < t->gate_count; i++)
        t->gates[i] = random_gate(judge);
    gate =
        &t->gates[how % 2 ? t->gate_count - 1 : judge_random_below(judge, t->gate_count)];
    switch (how) {
    case 0:
        gate->type = (uint8_t)judge_random_below(judge, 14);
        return -EINVAL;
    case 1:
        gate->dpl = 4;
        return -EINVAL;
    case 2:
        gate->ist = 8;
        return -EINVAL;
    case 3:
        gate->handler ^= 1ull << (47 + judge_random_below(judge, 17));
        return -EINVAL;
    case 4:
        gate->type = 16 + GATE_TRAP;
        return -EINVAL;
    default:
        return how < 11 ? table_misplace(judge, t, how - 5)
                        : tables_misplace(judge, t, how - 11);
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

void tables_are_written(struct judge *judge)
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
              : i >= LAB04_TRIES - 4  ? "two tables that cannot be written"
              : results[i] == -EFAULT ? "a table that begins before memory"
              : results[i] == -EROFS  ? "a table that ends in read-only memory"
                                      : "one gate is bad",
              out->results[i], results[i] ? "-" : "", result_name(results[i]));
        memset(want, in.fill[i], sizeof want);
        if (results[i] == -EFAULT || results[i] == -EROFS)
            continue; /* what has been written by then is not promised */
        if (results[i] == 0)
            tables_draw(&in.tables[i], want);
        ram_expect(judge, &in.tables[i], out->ram[i], want);
    }
}
