/* faults.c - what is known of a refused access: records, the log, FPD. */
#define _GNU_SOURCE
#include "checks.h"

void fault_records_are_bit_exact(struct judge *judge)
{
    struct script *s = script_new(judge);

    s->in.page_count = 1;
    for (int i = 0; i < 60; i++) {
        struct lab09_fault fault = random_fault(judge);

        fault.page |= i % 2 ? random_bits(judge, 11, 0) : 0;
        OP(s, .kind = LAB09_ENCODE, .fault = fault);
        OP(s, .kind = LAB09_DECODE, .high = judge_random(judge),
           .low = judge_random(judge));
    }
    script_compare(s, "a fault record has the fields of VT-d 10.4.14, encoded and decoded");
}

/* Bits that look alike, one at a time: what was in the registers, and what happens then. */
static void log_edges(struct script *s, uint16_t source)
{
    static const struct {
        bool fault, same, take;
        uint32_t status;
        const char *because;
    } cases[] = {
        {false, true, false, 1, "PFO is set: nothing is recorded, although F is clear"},
        {false, true, false, 2, "F decides whether the record is free, not PPF"},
        {true, true, false, 0, "F decides whether the record is free, not PPF"},
        {true, false, false, 0, "F decides whether the record is free, not PPF"},
        {false, true, false, 0x5a5a5a58, "other bits of the status stay as they are"},
        {true, false, false, 0xa5a5a5a6, "other bits of the status stay as they are"},
        {true, true, true, 0x5a5a5a5b, "other bits of the status stay as they are"},
        {false, true, true, 0xa5a5a5a5, "other bits of the status stay as they are"},
        {true, true, true, 0, "F decides whether there is something to take, not PPF"},
        {false, true, true, 2, "F decides whether there is something to take, not PPF"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab09_fault fault = random_fault(s->judge);

        fault.source = cases[i].same ? source : source ^ 0x8000;
        OP(s, .kind = LAB09_LOG_SET, .status = cases[i].status,
           .high = (uint64_t)cases[i].fault << 63 | source | random_bits(s->judge, 62, 62) |
                   random_bits(s->judge, 39, 32),
           .low = random_bits(s->judge, 63, 12));
        OP(s, .kind = cases[i].take ? LAB09_LOG_TAKE : LAB09_LOG_ADD, .fault = fault);
        op_because(s, cases[i].because);
        OP(s, .kind = LAB09_LOG_GET);
        op_because(s, cases[i].because);
    }
    OP(s, .kind = LAB09_LOG_SET);
}

static void log_steps(struct script *s, const uint16_t sources[3])
{
    for (int i = 0; i < 300; i++) {
        struct lab09_fault fault = random_fault(s->judge);

        fault.source = sources[judge_random_below(s->judge, 3)];
        if (i % 50 == 49) /* as if software had cleared one bit and not yet the other */
            OP(s, .kind = LAB09_LOG_SET, .high = judge_random(s->judge) & ~(1ull << 63),
               .low = random_bits(s->judge, 63, 12), .status = i == 99 ? 0 : 1);
        else if (judge_random_below(s->judge, 4) == 0)
            OP(s, .kind = LAB09_LOG_TAKE);
        else
            OP(s, .kind = LAB09_LOG_ADD, .fault = fault);
        if (i % 100 == 49) /* nothing pending, but something was lost */
            OP(s, .kind = LAB09_LOG_TAKE);
        if (i % 2)
            OP(s, .kind = LAB09_LOG_GET);
    }
}

void one_record_collapses_or_overflows(struct judge *judge)
{
    struct script *s = script_new(judge);
    const uint16_t base = (uint16_t)judge_random(judge);
    const uint16_t sources[3] = {base, base ^ 1, base ^ 0x100};

    s->in.page_count = 1;
    log_edges(s, base);
    log_steps(s, sources);
    script_compare(s, "the record keeps the first fault; PFO says that one was lost");
}

/* A fault of each reason behind the context entry's reading, of a page that is in no IOTLB. */
static void deep_faults_put(struct script *s, uint16_t source, uint64_t table,
                            uint64_t iova)
{
    const uint64_t context = context_of(s, source), low = word_get(s, context),
                   high = word_get(s, context + 8), address = ones(51, 12);
    const struct {
        uint64_t at, word;
    } cases[] = {
        {context, low | 0x10},                                 /* CONTEXT_RESERVED */
        {context + 8, high | 7},                               /* CONTEXT_INVALID: AW */
        {context, (low & ~address) | nowhere(s)},              /* the same: no table */
        {entry_address(s, table, 3, iova, 3), nowhere(s) | 3}, /* TABLE_UNREADABLE */
        {entry_address(s, table, 3, iova, 2), nowhere(s) | 3},
        {entry_address(s, table, 3, iova, 1), 1ull << 62 | 3}, /* ENTRY_RESERVED */
        {entry_address(s, table, 3, iova, 2), 0},              /* NO_READ, NO_WRITE */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint64_t was = word_get(s, cases[i].at);

        OP(s, .kind = LAB09_POKE, .physical = cases[i].at, .size = cases[i].word);
        translate_put(s, source, iova, random_bool(s->judge));
        OP(s, .kind = LAB09_LOG_TAKE);
        op_because(s, low & VTD_CONTEXT_FPD ? "the context entry has FPD: for every reason"
                                            : "the context entry has no FPD");
        OP(s, .kind = LAB09_POKE, .physical = cases[i].at, .size = was);
    }
}

/* Translations that fault, with FPD here and there: what is in the registers? */
void faults_of_translations_are_recorded(struct judge *judge)
{
    struct script *s = script_new(judge);
    uint16_t sources[6];
    uint64_t iova = random_bits(judge, 38, 12), fresh = iova ^ 1ull << 20;

    for (unsigned i = 0; i < 6; i++) {
        uint64_t context, table;

        sources[i] = (uint16_t)(0x4000 | i << 3 | random_bits(judge, 2, 0));
        table = device_make(s, sources[i], (uint16_t)i, 3, 0);
        leaf_make(s, table, 3, iova, 1, i == 5 ? 2 : 1);
        leaf_make(s, table, 3, fresh, 1, 3);
        context = context_of(s, sources[i]);
        word_set(s, context,
                 (word_get(s, context) | (i % 2 ? VTD_CONTEXT_FPD : 0)) &
                     ~(i == 2 || i == 3 ? VTD_CONTEXT_PRESENT : 0));
        if (i >= 4)
            deep_faults_put(s, sources[i], table, fresh);
    }
    for (unsigned i = 0; i < 2; i++) {
        OP(s, .kind = LAB09_HOLE, .physical = context_of(s, sources[1]) + 8 * i);
        translate_put(s, sources[1], iova, true);
        OP(s, .kind = LAB09_LOG_TAKE);
        op_because(s, "a word of the context entry cannot be read: its FPD does not count");
    }
    OP(s, .kind = LAB09_HOLE);
    for (int n = 0; n < 140; n++) {
        unsigned i = (unsigned)judge_random_below(judge, 6);
        bool no_bus = n % 9 == 8;

        translate_put(s, no_bus ? 0x9900 : sources[i],
                      n % 11 == 10
                          ? 1ull << 39
                          : iova + (n % 5 == 4) * VTD_PAGE + random_bits(judge, 11, 0),
                      random_bool(judge));
        OP(s, .kind = n % 3 == 2 ? LAB09_LOG_TAKE : LAB09_LOG_GET);
        op_because(
            s, no_bus  ? "the last access was of a device on a bus without a context table"
               : i % 2 ? "the last access was of a device whose context entry has FPD"
                       : "the last access was of a device whose context entry has no FPD");
    }
    script_compare(s, "a fault of iommu_translate() is in the log, unless FPD is set");
}
