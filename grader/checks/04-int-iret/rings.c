/* rings.c - the guest `rings` (rings.long64.S): what it is given, and the log that it has to
 * leave, whoever does its INT and IRET. */
#define _GNU_SOURCE
#include "rings.h"

#include <inttypes.h>
#include <string.h>

#include "judge/guest_image.h"
#include "x86.h"

GUEST_IMAGE(rings, "rings.bin");

#define TABLE_MAGIC 0x53474e49524d5254ull

/* In rings.long64.S. */
#define PAIR_PRIME  0x01000193u
#define PAIR_ADDEND 0xcf4880cdu

const uint64_t *guest_table(struct judge *judge, const uint8_t *image, size_t size)
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

static void rings_table_read(struct judge *judge, struct rings *g)
{
    const uint64_t *table = guest_table(judge, rings, GUEST_IMAGE_SIZE(rings));

    g->image = rings;
    g->image_size = GUEST_IMAGE_SIZE(rings);
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

    t->gdt = 0x4800 + 8 * judge_random_below(judge, 64);
    t->tss = 0x5000 + 8 * judge_random_below(judge, 64);
    t->idt = 0x5800 + 16 * judge_random_below(judge, 64);
    t->rsp0 = 0x24000 + judge_random_below(judge, 0x1000);
    for (unsigned i = 0; i < 7; i++)
        t->ist[i] = 0x26000 + judge_random_below(judge, 0x1000);
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

void rings_begin(struct judge *judge, struct rings *g, uint64_t pairs, uint64_t steps,
                 const uint8_t *operations, unsigned operation_count)
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
            operations[i < operation_count ? i
                                           : judge_random_below(judge, operation_count)];
        g->script[i].below = judge_random_below(judge, 0x1000);
        g->script[i].flags = (judge_random(judge) & 0x244ed5) | 0x3002;
    }
}

static uint64_t rings_kernel_rsp(const struct rings *g, unsigned words)
{
    return g->tables.rsp0 / 16 * 16 - 8 * words;
}

uint32_t rings_number(const struct rings *g)
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
void log_correct(const struct rings *g, uint8_t *log)
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

void log_expect(struct judge *judge, const struct rings *g, const uint8_t *log,
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
