/* ept.c - EPT02 on the model: who is to blame for a miss, what is filled in, what is forgotten. */
#include "ept_world.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* L1's memory beside the tables: small pages, large ones, huge ones. */
#define L1_SMALL 0x40000000ull        /* 2 MiB of 4 KiB pages, then 2 pages of 2 MiB */
#define L1_GROWS (L1_SMALL + 4 * MB2) /* small ones, that L0 replaces by a large one */
#define L1_SPLIT (L1_SMALL + 5 * MB2) /* a large one, that L0 replaces by small ones */
#define L1_ODD   (L1_SMALL + 6 * MB2) /* small pages; the entry above them is misconfigured */
#define L1_HUGE  0x80000000ull        /* 1 GiB, one page */
#define L1_TOP   0xffffffe00000ull    /* the last 2 MiB, small pages */
#define L1_GONE  0x13000000ull /* nothing: a table of EPT12 that L0 has not got at hand */
#define L1_BLIND 0x13001000ull /* another, whose entry in EPT01 is misconfigured */
#define HPAS     0xffffffffff000ull /* bits 51:12 */

/* An address of the host, a multiple of size. */
static uint64_t random_hpa(struct judge *judge, uint64_t size)
{
    return judge_random(judge) & HPAS & ~(size - 1);
}

/* One page in eight is misconfigured in EPT01. */
static uint64_t random_rights01(struct judge *judge)
{
    return random_below(judge, 8) ? random_rights(judge)
                                  : (const uint64_t[]){W, X, W | X}[random_below(judge, 3)];
}

static void world_map01(struct judge *judge)
{
    for (uint64_t i = 0; i < 512; i++) {
        map01(judge, L1_SMALL + i * PAGE, 1,
              random_hpa(judge, PAGE) | random_rights01(judge));
        map01(judge, L1_TOP + i * PAGE, 1,
              random_hpa(judge, PAGE) | random_rights01(judge));
        map01(judge, L1_GROWS + i * PAGE, 1, random_hpa(judge, PAGE) | RWX);
    }
    for (uint64_t i = 1; i < 3; i++)
        map01(judge, L1_SMALL + i * MB2, 2,
              random_hpa(judge, MB2) | (i == 1 ? RWX : R | X));
    map01(judge, L1_HUGE, 3, random_hpa(judge, GB1) | 1ull << 51 | R | W);
    map01(judge, L1_BLIND, 1, (HPA + PAGES_01 * PAGE) | W | X);
    map01(judge, L1_ODD, 1, random_hpa(judge, PAGE) | RWX);
    *entry_make(judge, false, L1_ODD, 2) &= ~R;
    *entry_make(judge, false, L1_TOP, 3) &= ~W;
}

/* An L1 address in any kind of page of EPT01's. */
static uint64_t random_l1(struct judge *judge)
{
    switch (random_below(judge, 16)) {
    case 15:
        return L1_ODD;
    case 10 ... 14:
        return L1_TOP + random_below(judge, 512) * PAGE;
    case 0 ... 4:
        return L1_SMALL + random_below(judge, 512) * PAGE;
    case 5 ... 7:
        return L1_SMALL + MB2 + random_below(judge, 1024) * PAGE;
    default:
        return L1_HUGE + random_below(judge, 0x40000) * PAGE;
    }
}

/* GPAs of L2, by what they are for. */
#define GPA_SMALL   0x0ull      /* 4 KiB pages of every kind */
#define GPA_2M      MB2         /* 3 pages of 2 MiB: over small, large, huge ones of L1's */
#define GPA_1G_HUGE (1 * GB1)   /* 1 GiB over 1 GiB */
#define GPA_1G_MIX  (2 * GB1)   /* 1 GiB over small and large ones, and over nothing */
#define GPA_GONE    (3 * GB1)   /* its table cannot be read by L0 */
#define GPA_BAD     (4 * GB1)   /* misconfigured above the page */
#define GPA_STEP    (5 * GB1)   /* a page of 2 MiB, then small ones */
#define GPA_BLIND   (6 * GB1)   /* its table is misconfigured in EPT01 */
#define GPA_NARROW  (512 * GB1) /* the entry at the top allows reading only */
#define GPA_NOTHING (1024 * GB1)      /* EPT12 has no entry at the top */
#define GPA_TOP     (511 * 512 * GB1) /* the last entry at the top; small pages */
#define GPA_FEW     16u  /* pages at GPA_NARROW, GPA_STEP + 2 MiB and GPA_TOP */
#define GPA_SMALLS  400u /* pages at GPA_SMALL that are looked at */

static void world_map12(struct judge *judge)
{
    for (uint64_t i = 0; i < 512; i++)
        map12(judge, GPA_SMALL + i * PAGE, 1, random_l1(judge) | random_rights(judge));
    for (uint64_t i = 0; i < 8;
         i++) /* misconfigured, all the three kinds; or not present, with */
        map12(judge, GPA_SMALL + i * 37 * PAGE, 1, /* bits that do not count */
              random_l1(judge) | (const uint64_t[]){W, X, W | X, 0}[i % 4] | 6 << 3);
    map12(judge, GPA_2M, 2, L1_SMALL | RWX);
    map12(judge, GPA_2M + MB2, 2, (L1_SMALL + MB2) | R | W);
    map12(judge, GPA_2M + 2 * MB2, 2, (L1_HUGE + 77 * MB2) | RWX);
    map12(judge, GPA_1G_HUGE, 3, L1_HUGE | R | X);
    map12(judge, GPA_1G_MIX, 3, L1_SMALL | RWX);
    *entry_make(judge, true, GPA_GONE, 3) = L1_GONE | RWX;
    *entry_make(judge, true, GPA_BLIND, 3) = L1_BLIND | RWX;
    *entry_make(judge, true, GPA_BAD, 3) = (L1_TABLES + PAGE) | W | X;
    map12(judge, GPA_STEP, 2, (L1_SMALL + MB2) | RWX);
    for (uint64_t i = 0; i < GPA_FEW; i++) {
        map12(judge, GPA_NARROW + i * PAGE, 1, random_l1(judge) | RWX);
        map12(judge, GPA_STEP + MB2 + i * PAGE, 1, random_l1(judge) | RWX);
        map12(judge, GPA_TOP + i * PAGE, 1, random_l1(judge) | RWX);
    }
    map12(judge, GPA_STEP + 2 * MB2, 2, (L1_SMALL + 2 * MB2) | RWX);
    map12(judge, GPA_NARROW + GPA_FEW * PAGE, 1, random_l1(judge) | W);
    map12(judge, GPA_TOP, 1, L1_ODD | RWX);
    map12(judge, GPA_TOP + PAGE, 1, L1_TOP | RWX);
    *entry_make(judge, true, GPA_NARROW, 4) &= ~(W | X);
    *entry_make(judge, true, GPA_NARROW, 4) |= LARGE; /* does not count there */
    *entry_make(judge, true, GPA_TOP, 4) |= LARGE;
    *entry_make(judge, true, GPA_NOTHING, 4) = noise(judge, 4, true);
}

static uint64_t random_gpa(struct judge *judge)
{
    const uint64_t offset = random_below(judge, 4096);

    switch (random_below(judge, 15)) {
    case 14:
        return GPA_STEP + random_below(judge, 512 + GPA_FEW) * PAGE + offset;
    case 13:
        return GPA_TOP + random_below(judge, GPA_FEW + 1) * PAGE + offset;
    case 12:
        return GPA_BLIND + random_below(judge, 1u << 30);
    case 0:
        return GPA_2M + random_below(judge, 3 * 512) * PAGE + offset;
    case 1:
        return GPA_1G_HUGE + random_below(judge, 1u << 30);
    case 2:
        return GPA_1G_MIX + random_below(judge, 4 * 512) * PAGE + offset;
    case 3:
        return GPA_GONE + random_below(judge, 1u << 30);
    case 4:
        return GPA_BAD + random_below(judge, 1u << 30);
    case 5:
        return GPA_NARROW + random_below(judge, GPA_FEW + 1) * PAGE + offset;
    case 6:
        return GPA_NOTHING + judge_random_below(judge, 1ull << 39);
    default:
        return GPA_SMALL + random_below(judge, GPA_SMALLS) * PAGE + offset;
    }
}

static void violation_add(struct judge *judge, uint64_t gpa)
{
    const uint64_t access = 1ull << random_below(judge, 3);

    /* All but 8:7 is not L1's business: the rights by EPT02 and the bits above. */
    op_add(judge, LAB10_VIOLATION, gpa, access | (judge_random(judge) & ~RWX));
}

static const char *result_name(uint32_t result)
{
    static const char *const names[] = {
        "?",       "FILLED",   "REFLECT_VIOLATION", "REFLECT_MISCONFIGURATION",
        "L0_MISS", "NO_TABLES"};

    return names[result < COUNT(names) ? result : 0];
}

/* EPT02 as the subject left it: a table has to lie in its place. */
static struct seen look02(const struct lab10_ept_output *out, uint64_t gpa)
{
    uint64_t table = world.ept.root02, rights = RWX;

    for (unsigned level = 4; level > 0; level--) {
        const unsigned shift = 3 + 9 * level;
        uint64_t entry;

        if (table != world.ept.root02 &&
            (table < world.ept.pool || table > HPA + LAB10_MEMORY - PAGE))
            return (struct seen){GONE, table, 0, 0};
        memcpy(&entry, out->memory + (table - HPA) + (gpa >> shift & 511) * 8,
               sizeof entry);
        if (!(entry & RWX))
            return (struct seen){.what = ABSENT};
        rights &= entry;
        if (level == 1 || (level < 4 && entry & LARGE)) {
            const uint64_t size = 1ull << shift;

            if ((entry & 0xff8) != (MT_WB << EPT_TYPE_SHIFT | (level > 1 ? LARGE : 0)) ||
                entry >> 52 || (entry & ADDRESS) % size)
                return (struct seen){BAD, entry, 0, 0};
            return (struct seen){SEEN, (entry & ADDRESS) / size * size + gpa % size, rights,
                                 size};
        }
        if ((entry & 0xfff) != RWX || entry >> 52)
            return (struct seen){BAD, entry, 0, 0};
        table = entry & ADDRESS;
    }
    return (struct seen){.what = ABSENT};
}

static void translation_expect(struct judge *judge, const struct lab10_ept_output *out,
                               uint64_t gpa, const struct seen *page)
{
    const struct seen got = look02(out, gpa);

    CHECK(judge, got.what != GONE && got.what != BAD,
          "EPT02 consists of tables from the pool and entries as the contract draws them",
          "for GPA %#" PRIx64 " it leads to %s %#" PRIx64, gpa,
          got.what == GONE ? "a table at" : "the entry", got.address);
    if (!page) {
        CHECK(judge, got.what == ABSENT, "what was not filled in is not there",
              "GPA %#" PRIx64 " is translated to %#" PRIx64, gpa, got.address);
        return;
    }
    CHECK(judge, got.what == SEEN, "EPT02 translates what was filled in",
          "GPA %#" PRIx64 " is not present; it was to be HPA %#" PRIx64, gpa,
          page->address);
    CHECK(judge, got.address == page->address && got.size == page->size,
          "a page is as large as the smaller one of the two, and leads where both together "
          "do",
          "GPA %#" PRIx64 ": HPA %#" PRIx64 ", page of %#" PRIx64
          " bytes; not HPA %#" PRIx64 ", %#" PRIx64 " bytes",
          gpa, got.address, got.size, page->address, page->size);
    CHECK(judge, got.rights == page->rights, "a page allows what both allow",
          "GPA %#" PRIx64 ": rights %#" PRIx64 ", not %#" PRIx64
          " (1 read, 2 write, 4 fetch)",
          gpa, got.rights, page->rights);
}

static void world_make(struct judge *judge)
{
    world_begin(judge);
    world_map01(judge);
    world_map12(judge);
}

/* --- the checks ------------------------------------------------------------------------------------ */

static const uint64_t eager[][2] = {
    {GPA_SMALL, GPA_SMALL + GPA_SMALLS *PAGE},
    {GPA_2M, GPA_2M + 3 * MB2},
    {GPA_1G_HUGE, GPA_1G_HUGE + GB1},
    {GPA_1G_MIX + MB2 + 5 * PAGE, GPA_1G_MIX + 3 * MB2 + 9 * PAGE},
    {GPA_GONE, GPA_GONE + 100 * PAGE},
    {GPA_BLIND, GPA_BLIND + 100 * PAGE},
    {GPA_STEP + 5 * PAGE, GPA_STEP + MB2 + (GPA_FEW + 2) * PAGE},
    {GPA_NARROW, GPA_NARROW + (GPA_FEW + 2) * PAGE},
    {GPA_TOP, GPA_TOP + (GPA_FEW + 2) * PAGE},
    {GPA_TOP + GB1, GPA_TOP + GB1}, /* no page at all */
    {GPA_STEP + 2 * MB2 - 3 * PAGE, GPA_STEP + 2 * MB2 + 7 * PAGE},
    {GPA_2M, GPA_2M + 2 * MB2}, /* once more */
};

/* Page for page, what a range should give; how many entries that are. */
static long range_expect(struct judge *judge, const struct lab10_ept_output *out,
                         const uint64_t range[2])
{
    long entries = 0;

    for (uint64_t gpa = range[0]; gpa < range[1]; gpa += PAGE) {
        struct seen page = {0};
        const bool there = answer_expected(gpa, 0, &page).result == NESTED_FILLED;

        entries += there && (gpa % page.size == 0 || gpa == range[0]);
        if (!there || page.size < GB1 || judge_random_below(judge, 1000) == 0)
            translation_expect(judge, out, gpa, there ? &page : NULL);
    }
    return entries;
}

void ept02_is_the_composition(struct judge *judge)
{
    world_make(judge);
    for (uint32_t i = 0; i < COUNT(eager); i++)
        op_add(judge, LAB10_FILL, eager[i][0], eager[i][1]);
    const struct lab10_ept_output *out = world_run(judge);

    for (uint32_t i = 0; i < COUNT(eager); i++) {
        const long want = range_expect(judge, out, eager[i]);

        CHECK(judge, out->results[i] == want,
              "nested_ept_fill() returns how many entries map pages of the range",
              "[%#" PRIx64 ", %#" PRIx64 "): it returned %" PRId64 ", not %ld", eager[i][0],
              eager[i][1], out->results[i], want);
    }
    translation_expect(judge, out, GPA_NOTHING, NULL);

    world.ept.pool_pages = 2; /* three are needed */
    world.op_count = 0;
    op_add(judge, LAB10_FILL, GPA_SMALL, GPA_SMALL + GPA_SMALLS * PAGE);
    out = world_run(judge);
    CHECK(judge, out->results[0] == -ENOMEM, "a used-up pool is -ENOMEM",
          "with 2 pages for tables nested_ept_fill() returned %" PRId64, out->results[0]);
}

/* Is gpa on a page that one of the operations has filled in? */
static bool filled_before(const struct lab10_op *ops, uint32_t count, uint64_t gpa,
                          struct seen *page)
{
    struct seen other;

    for (uint32_t i = 0; i < count; i++)
        if (ops[i].kind == LAB10_VIOLATION &&
            answer_expected(ops[i].a, ops[i].b, &other).result == NESTED_FILLED &&
            ops[i].a / other.size == gpa / other.size)
            return answer_expected(gpa, 0, page).result == NESTED_FILLED;
    return false;
}

static void answers_expect(struct judge *judge, const struct lab10_ept_output *out)
{
    for (uint32_t i = 0; i < world.op_count; i++) {
        struct seen page;
        const struct nested_ept_answer want = answer_expected(world.ops[i].a,
                                                              world.ops[i].b, &page),
                                       *got = &out->answers[i];

        CHECK(judge, got->result == want.result,
              "a miss goes to the level whose tables it misses in",
              "GPA %#" PRIx64 ", access %#" PRIx64 ": %s (%u), not %s", world.ops[i].a,
              (uint64_t)(world.ops[i].b & RWX), result_name(got->result), got->result,
              result_name(want.result));
        CHECK(judge, got->qualification == want.qualification,
              "a reflected violation is described as L1's own EPT would have it",
              "GPA %#" PRIx64 ", qualification by EPT02 %#" PRIx64
              ": reflected as %#" PRIx64 ", not %#" PRIx64,
              world.ops[i].a, world.ops[i].b, got->qualification, want.qualification);
        CHECK(judge, got->l1_gpa == want.l1_gpa && got->l1_access == want.l1_access,
              "L0's own miss is an access to an L1-physical address",
              "GPA %#" PRIx64 ": access %#" PRIx64 " to %#" PRIx64 ", not %#" PRIx64
              " to %#" PRIx64,
              world.ops[i].a, got->l1_access, got->l1_gpa, want.l1_access, want.l1_gpa);
    }
}

void miss_goes_to_its_level(struct judge *judge)
{
    struct seen page;

    world_make(judge);
    for (uint32_t i = 0; i < 600; i++)
        violation_add(judge, random_gpa(judge));
    for (uint64_t i = 0; i < GPA_FEW + 2; i++) {
        op_add(judge, LAB10_VIOLATION, GPA_NARROW + i * PAGE, W | 3 << 7);
        op_add(judge, LAB10_VIOLATION, GPA_TOP + i * PAGE, W | 3 << 7);
    }
    answers_expect(judge, world_run(judge));

    world.ept.pool_pages = 1;
    world.op_count = 0;
    op_add(judge, LAB10_VIOLATION, GPA_1G_HUGE,
           R | 3 << 7); /* one table is enough for it */
    op_add(judge, LAB10_VIOLATION, GPA_2M + 2 * MB2, R | 3 << 7);
    const struct lab10_ept_output *out = world_run(judge);

    CHECK(judge,
          out->answers[0].result == NESTED_FILLED &&
              out->answers[1].result == NESTED_NO_TABLES,
          "a used-up pool is told", "one page for tables, two are needed: %s, then %s",
          result_name(out->answers[0].result), result_name(out->answers[1].result));
    answer_expected(GPA_1G_HUGE, R, &page);
    translation_expect(judge, out, GPA_1G_HUGE, &page);
    translation_expect(judge, out, GPA_2M + 2 * MB2, NULL);
}

/* --- what is there already gives way --------------------------------------------------------- */

#define GPA_AGAIN (GPA_SMALL + GPA_SMALLS * PAGE)
#define GPA_GROWS (GPA_2M + 4 * MB2)
#define GPA_SPLIT (GPA_2M + 5 * MB2)
#define AGAIN     8u /* pages whose entry of EPT01 changes */

static void write_add(struct judge *judge, const uint64_t *entry, uint64_t value)
{
    op_add(judge, LAB10_WRITE, HPA + (uint64_t)((const uint8_t *)entry - world.memory),
           value);
}

/* L2 reads a page; L0 changes its entry in EPT01; L2 does what was not allowed before. */
static void again_add(struct judge *judge, uint32_t n)
{
    const uint64_t l1 = L1_SMALL + n * PAGE, access = n & 1 ? W : X;
    uint64_t *entry = entry_make(judge, false, l1, 1);

    map12(judge, GPA_AGAIN + n * PAGE, 1, l1 | RWX);
    *entry = (*entry & ADDRESS) | R | (n & 2 ? RWX & ~access : 0);
    op_add(judge, LAB10_VIOLATION, GPA_AGAIN + n * PAGE, R | 3 << 7);
    write_add(judge, entry,
              (n & 4 ? random_hpa(judge, PAGE) : *entry & ADDRESS) | R | access);
    op_add(judge, LAB10_VIOLATION, GPA_AGAIN + n * PAGE, access | 3 << 7);
}

/* L1 gives L2 2 MiB in one piece, EPT01 has small pages; after the first miss a large one. */
static void grows_add(struct judge *judge)
{
    map12(judge, GPA_GROWS, 2, L1_GROWS | RWX);
    op_add(judge, LAB10_VIOLATION, GPA_GROWS + 3 * PAGE, R | 3 << 7);
    write_add(judge, entry_make(judge, false, L1_GROWS, 2),
              random_hpa(judge, MB2) | LARGE | RWX);
    op_add(judge, LAB10_VIOLATION, GPA_GROWS + 9 * PAGE, R | 3 << 7);
}

/* The other way round. */
static void split_add(struct judge *judge)
{
    uint64_t *entry, table;

    map12(judge, GPA_SPLIT, 2, L1_SPLIT | RWX);
    for (uint64_t i = 0; i < 512; i++)
        map01(judge, L1_SPLIT + i * PAGE, 1, random_hpa(judge, PAGE) | RWX);
    entry = entry_make(judge, false, L1_SPLIT, 2);
    table = *entry;
    *entry = random_hpa(judge, MB2) | LARGE | R;
    op_add(judge, LAB10_VIOLATION, GPA_SPLIT + 3 * PAGE, R | 3 << 7);
    write_add(judge, entry, table);
    op_add(judge, LAB10_VIOLATION, GPA_SPLIT + 9 * PAGE, W | 3 << 7);
}

/* From here on the oracle sees what L0 has written. */
static void writes_follow(void)
{
    for (uint32_t i = 0; i < world.op_count; i++)
        if (world.ops[i].kind == LAB10_WRITE)
            *word_at(world.memory, world.ops[i].a) = world.ops[i].b;
}

static void changes_expect(struct judge *judge, const struct lab10_ept_output *out)
{
    struct seen page;

    for (uint64_t n = 0; n < AGAIN; n++) {
        answer_expected(GPA_AGAIN + n * PAGE, R, &page);
        translation_expect(judge, out, GPA_AGAIN + n * PAGE, &page);
    }
    for (uint64_t n = 0; n < 512; n++) {
        answer_expected(GPA_GROWS + n * PAGE, R, &page);
        translation_expect(judge, out, GPA_GROWS + n * PAGE, &page);
        answer_expected(GPA_SPLIT + n * PAGE, R, &page);
        translation_expect(judge, out, GPA_SPLIT + n * PAGE, n == 9 ? &page : NULL);
    }
}

/* As split_add(), but no table is left for the small pages: the large one stays. */
static void failed_split_expect(struct judge *judge)
{
    const struct lab10_ept_output *out;
    struct seen page;

    world_make(judge);
    world.ept.pool_pages = 2;
    split_add(judge);
    answer_expected(GPA_SPLIT + 3 * PAGE, R, &page);
    out = world_run(judge);
    CHECK(judge, out->answers[2].result == NESTED_NO_TABLES, "a used-up pool is told",
          "a large page gives way to small ones, and there is no table for them: %s",
          result_name(out->answers[2].result));
    translation_expect(judge, out, GPA_SPLIT + 3 * PAGE, &page);
}

#define GPA_HUGE_SPLIT (7 * GB1)
#define L1_HUGE_SPLIT  (4 * GB1)

/* The same with 1 GiB: two tables are needed, and one is there. */
static void failed_huge_split_expect(struct judge *judge)
{
    const uint64_t at = random_below(judge, 0x40000) * PAGE;
    const struct lab10_ept_output *out;
    uint64_t *entry, table;
    struct seen page, beside;

    world_make(judge);
    world.ept.pool_pages = 2;
    map12(judge, GPA_HUGE_SPLIT, 3, L1_HUGE_SPLIT | RWX);
    map01(judge, L1_HUGE_SPLIT + at, 1, random_hpa(judge, PAGE) | RWX);
    entry = entry_make(judge, false, L1_HUGE_SPLIT, 3);
    table = *entry;
    *entry = random_hpa(judge, GB1) | LARGE | R;
    op_add(judge, LAB10_VIOLATION, GPA_HUGE_SPLIT + at, R | 3 << 7);
    write_add(judge, entry, table);
    op_add(judge, LAB10_VIOLATION, GPA_HUGE_SPLIT + at, W | 3 << 7);
    answer_expected(GPA_HUGE_SPLIT + at, R, &page);
    answer_expected(GPA_HUGE_SPLIT + (at ^ PAGE), R, &beside);
    out = world_run(judge);
    CHECK(
        judge, out->answers[2].result == NESTED_NO_TABLES, "a used-up pool is told",
        "a page of 1 GiB gives way to small ones, two tables are needed, one is there: %s",
        result_name(out->answers[2].result));
    translation_expect(judge, out, GPA_HUGE_SPLIT + at, &page);
    translation_expect(judge, out, GPA_HUGE_SPLIT + (at ^ PAGE), &beside);
}

void page_is_filled_on_demand(struct judge *judge)
{
    uint32_t first;

    world_make(judge);
    for (uint32_t n = 0; n < AGAIN; n++)
        again_add(judge, n);
    grows_add(judge);
    split_add(judge);
    first = world.op_count;
    for (uint32_t i = 0; i < 200; i++)
        violation_add(judge, random_gpa(judge));
    const struct lab10_ept_output *out = world_run(judge);

    writes_follow();
    changes_expect(judge, out);
    for (uint32_t i = 0; i < 400; i++) {
        const uint64_t gpa = i < 200 ? world.ops[first + i].a : random_gpa(judge);
        struct seen page;

        translation_expect(judge, out, gpa,
                           filled_before(world.ops, world.op_count, gpa, &page) ? &page
                                                                                : NULL);
    }
    failed_split_expect(judge);
    failed_huge_split_expect(judge);
}

/* What was filled is forgotten at once. */
static void forget_judge(struct judge *judge)
{
    const struct lab10_ept_output *out;

    for (uint32_t i = 0; i < 5; i++)
        violation_add(judge, GPA_1G_HUGE);
    op_add(judge, LAB10_FILL, GPA_SMALL, GPA_2M + MB2);
    op_add(judge, LAB10_FILL, GPA_TOP, GPA_TOP + GPA_FEW * PAGE);
    op_add(judge, LAB10_FORGET, 0, 0);
    out = world_run(judge);
    for (uint32_t i = 0; i < 200; i++)
        translation_expect(judge, out, random_gpa(judge), NULL);
}

/* L1 changes entries of EPT12, says INVEPT; again and again, more often than the pool lasts. */
static void forget_again_judge(struct judge *judge)
{
    const struct lab10_ept_output *out;
    uint64_t gpa = 0;
    struct seen page;

    world.op_count = 0;
    for (uint32_t i = 0; i < 2 * PAGES_POOL; i++) {
        const uint64_t l1 = L1_HUGE + random_below(judge, 0x40000) * PAGE;
        uint64_t *entry;

        gpa = GPA_SMALL + random_below(judge, 512) * PAGE;
        entry = entry_make(judge, true, gpa, 1);
        write_add(judge, entry, l1 | R | W);
        op_add(judge, LAB10_FORGET, 0, 0);
        op_add(judge, LAB10_VIOLATION, gpa, R | 3 << 7);
    }
    out = world_run(judge);
    for (uint32_t i = 0; i < world.op_count; i++) {
        CHECK(judge,
              world.ops[i].kind != LAB10_VIOLATION ||
                  out->answers[i].result == NESTED_FILLED,
              "after nested_ept_forget() the pool is as good as new",
              "round %u: %s, not FILLED", i / 3 + 1, result_name(out->answers[i].result));
    }
    writes_follow();
    answer_expected(gpa, R, &page);
    translation_expect(judge, out, gpa, &page);
    for (uint32_t i = 0; i < 512; i++)
        if (GPA_SMALL + i * PAGE != gpa)
            translation_expect(judge, out, GPA_SMALL + i * PAGE, NULL);
}

void forgotten_ept02_maps_nothing(struct judge *judge)
{
    world_make(judge);
    forget_judge(judge);
    forget_again_judge(judge);
}
