/* ept_world.c - two mappings in one memory: how a run's EPT01 and EPT12 are made, and the oracle
 * that says where both together lead. */
#include "ept_world.h"

#include <string.h>

struct lab10_ept_input world;
static uint32_t used01, used12; /* pages of tables so far */
/* n-th page from L1_TABLES on: which one of the host's */
static uint32_t l1_table_page[PAGES_L1];

uint64_t *word_at(uint8_t *memory, uint64_t hpa)
{
    return (uint64_t *)(void *)(memory + (hpa - HPA));
}

static uint64_t host_of_l1_table(uint64_t l1)
{
    return HPA + (PAGES_01 + l1_table_page[(l1 - L1_TABLES) / PAGE]) * PAGE + l1 % PAGE;
}

uint64_t noise(struct judge *judge, unsigned level, bool is_page)
{
    uint64_t bits = 0xfff0000000000000 | 0xf00;

    if (is_page)
        bits |= EPT_TYPE | EPT_IGNORE_PAT;
    if (level == 1)
        bits |= LARGE;
    return judge_random(judge) & bits;
}

uint64_t *entry_make(struct judge *judge, bool is_12, uint64_t gpa, unsigned level)
{
    uint64_t table = is_12 ? host_of_l1_table(L1_TABLES) : HPA;

    for (unsigned at = 4;; at--) {
        uint64_t *entry = word_at(world.memory, table + (gpa >> (3 + 9 * at) & 511) * 8);

        if (at == level)
            return entry;
        if (!(*entry & RWX) && is_12)
            *entry = (L1_TABLES + used12++ * PAGE) | RWX | noise(judge, at, false);
        else if (!(*entry & RWX))
            *entry = (HPA + used01++ * PAGE) | RWX | noise(judge, at, false);
        if (used01 > PAGES_01 || used12 > PAGES_L1)
            judge_error(judge, "too many tables");
        table = is_12 ? host_of_l1_table(*entry & ADDRESS) : *entry & ADDRESS;
    }
}

/* Sets the entry for a page; a random half of them with bits that do not count. */
static void page_set(struct judge *judge, uint64_t *at, unsigned level, uint64_t entry)
{
    *at = entry | (level > 1 ? LARGE : 0);
    if (random_bool(judge))
        *at |= noise(judge, level, true);
}

void map01(struct judge *judge, uint64_t l1, unsigned level, uint64_t entry)
{
    page_set(judge, entry_make(judge, false, l1, level), level, entry);
}

void map12(struct judge *judge, uint64_t gpa, unsigned level, uint64_t entry)
{
    page_set(judge, entry_make(judge, true, gpa, level), level, entry);
}

void world_begin(struct judge *judge)
{
    memset(&world, 0, sizeof world);
    used01 = used12 = 1;
    for (uint32_t i = 0; i < PAGES_L1; i++) { /* in random order */
        uint32_t other = random_below(judge, i + 1);

        l1_table_page[i] = l1_table_page[other];
        l1_table_page[other] = i;
    }
    for (uint32_t i = 0; i < PAGES_L1; i++)
        map01(judge, L1_TABLES + i * PAGE, 1,
              (HPA + (PAGES_01 + l1_table_page[i]) * PAGE) | (i & 1 ? RWX : R));
    random_fill(judge, world.memory + PAGE_POOL * PAGE,
                64 * 1024); /* what was there before */
    world.ept = (struct nested_ept){.hpa = HPA,
                                    .size = LAB10_MEMORY,
                                    .root01 = HPA,
                                    .root12 = L1_TABLES,
                                    .root02 = HPA + PAGE_ROOT02 * PAGE,
                                    .pool = HPA + PAGE_POOL * PAGE,
                                    .pool_pages = PAGES_POOL};
}

uint64_t random_rights(struct judge *judge)
{
    static const uint64_t rights[] = {R, R | W, R | X, RWX, RWX, RWX, 0};

    return rights[random_below(judge, COUNT(rights))];
}

/* One step down; the oracle's way to walk: entry by entry, from a table and a level. */
static struct seen look(uint8_t *memory, bool is_12, uint64_t table, uint64_t gpa,
                        unsigned level, uint64_t rights)
{
    const unsigned shift = 3 + 9 * level;
    const uint64_t at = table + (gpa >> shift & 511) * 8;
    struct seen s = {.what = GONE, .address = at};
    uint64_t entry;

    if (is_12) {
        struct seen host = look(memory, false, HPA, at, 4, RWX);

        if (host.what != SEEN)
            return s;
        entry = *word_at(memory, host.address);
    } else {
        entry = *word_at(memory, at);
    }
    s.what = !(entry & RWX) ? ABSENT : !(entry & R) ? BAD : SEEN;
    if (s.what != SEEN)
        return s;
    rights &= entry;
    if (level == 1 || (level < 4 && entry & LARGE)) {
        const uint64_t size = 1ull << shift;

        return (struct seen){SEEN, (entry & ADDRESS) / size * size + gpa % size, rights,
                             size};
    }
    return look(memory, is_12, entry & ADDRESS, gpa, level - 1, rights);
}

struct nested_ept_answer answer_expected(uint64_t gpa, uint64_t qualification,
                                         struct seen *page)
{
    const uint64_t access = qualification & RWX;
    const struct seen s12 = look(world.memory, true, L1_TABLES, gpa, 4, RWX);
    struct nested_ept_answer a = {0};
    struct seen s01;

    if (s12.what == GONE)
        return (struct nested_ept_answer){NESTED_L0_MISS, 0, s12.address, R};
    if (s12.what == BAD) {
        a.result = NESTED_REFLECT_MISCONFIGURATION;
        return a;
    }
    if (s12.what == ABSENT || (access & ~s12.rights)) {
        a.result = NESTED_REFLECT_VIOLATION;
        a.qualification =
            access | (s12.what == SEEN ? s12.rights << 3 : 0) | (qualification & 3ull << 7);
        return a;
    }
    s01 = look(world.memory, false, HPA, s12.address, 4, RWX);
    if (s01.what != SEEN || (access & ~s01.rights))
        return (struct nested_ept_answer){NESTED_L0_MISS, 0, s12.address, access};
    a.result = NESTED_FILLED;
    *page = (struct seen){SEEN, s01.address, s01.rights & s12.rights,
                          s01.size < s12.size ? s01.size : s12.size};
    return a;
}

struct lab10_op *op_add(struct judge *judge, uint32_t kind, uint64_t a, uint64_t b)
{
    if (world.op_count == LAB10_OPS)
        judge_error(judge, "too many operations");
    world.ops[world.op_count] = (struct lab10_op){.kind = kind, .a = a, .b = b};
    return &world.ops[world.op_count++];
}

const struct lab10_ept_output *world_run(struct judge *judge)
{
    return part_run(judge, LAB10_EPT, &world, sizeof world,
                    sizeof(struct lab10_ept_output));
}
