/* building.c - checks of ept_tables.c: what the tables say in the end, and what the
 * functions returned. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "checks.h"
#include "judge/random.h"

#define POOL  40u /* pages, for building */
#define TRIES 8u

/* Operations of which nobody knows beforehand which comes when. */
struct some_order {
    struct lab05_op ops[80];
    size_t count;
};

static void some_order_add(struct script *s, struct some_order *order, struct lab05_op op)
{
    if (order->count == COUNT(order->ops))
        judge_error(s->judge, "more than %zu operations", COUNT(order->ops));
    order->ops[order->count++] = op;
}

static void some_order_put(struct script *s, struct world *w, struct some_order *order,
                           const char *asked)
{
    random_order(s->judge, order->ops, order->count, sizeof *order->ops);
    for (size_t i = 0; i < order->count; i++)
        build_put(s, w, asked, order->ops[i]);
}

/* A mapping with one number in it that is wrong, or just possible. */
static void bad_maps_put(struct script *s, struct world *w, const struct lab05_op *good,
                         const char *asked)
{
    struct judge *judge = s->judge;
    struct some_order order = {.count = 0};
    const uint64_t end = 1ull << 48, hpa_end = 1ull << 46;
    const uint64_t gpa = good->gpa, odd = 1 + judge_random_below(judge, KIB4 - 1);

#define BUT(...)                                                                           \
    do {                                                                                   \
        struct lab05_op but = *good;                                                       \
        but.__VA_ARGS__;                                                                   \
        some_order_add(s, &order, but);                                                    \
    } while (0)
    BUT(size = 0);
    BUT(size = KIB4 + odd);
    BUT(gpa = gpa + odd);
    BUT(hpa = gpa + odd);
    BUT(hpa = hpa_end);
    BUT(hpa = hpa_end - 2 * KIB4);
    BUT(hpa = -(2 * KIB4)); /* the sum wraps around */
    for (uint64_t rights = 0; rights < 9; rights++)
        BUT(access = rights); /* the possible ones: already mapped */
    for (unsigned bit = 3; bit < 9; bit++)
        BUT(access = EPT_READ | 1ull << bit);
    BUT(access = RWX | 1ull << (9 + judge_random_below(judge, 55)));
    for (uint32_t type = 0; type < 9; type++)
        BUT(type = type);
    BUT(gpa = end - 2 * KIB4);
    BUT(gpa = end);
    BUT(gpa = -(3 * KIB4));
    BUT(gpa = -(2 * KIB4));
    BUT(size = -gpa);
    BUT(gpa = end - 3 * KIB4); /* this one fits */
    BUT(gpa = end - KIB4 + odd);
    BUT(gpa = end, but.type = 7);
    BUT(gpa = end, but.access = EPT_WRITE);
#undef BUT
    some_order_put(s, w, &order, asked);
}

/* Unmapping and protecting where there is nothing to be had. */
static void bad_changes_put(struct script *s, struct world *w, uint64_t gpa,
                            const char *asked)
{
    const uint64_t end = 1ull << 48, odd = 1 + judge_random_below(s->judge, KIB4 - 1);
    const struct {
        uint64_t gpa, size;
    } ranges[] = {{gpa, 0},    {gpa + odd, KIB4}, {gpa, odd},
                  {end, KIB4}, {-KIB4, 2 * KIB4}, {end - KIB4, 2 * KIB4}};
    struct some_order order = {.count = 0};

    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        some_order_add(s, &order,
                       (struct lab05_op){.kind = LAB05_UNMAP,
                                         .gpa = ranges[i].gpa,
                                         .size = ranges[i].size});
        for (uint64_t rights = 0; rights < 10; rights++)
            some_order_add(s, &order,
                           (struct lab05_op){.kind = LAB05_PROTECT,
                                             .gpa = ranges[i].gpa,
                                             .size = ranges[i].size,
                                             .access = rights});
    }
    some_order_put(s, w, &order, asked);
}

void bad_ranges_are_refused(struct judge *judge)
{
    static const char asked[] =
        "what can never be mapped is refused, in the contract's order";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t gpa = judge_random_below(judge, 1 << 20) * KIB4;
    const struct lab05_op good = {.kind = LAB05_MAP,
                                  .gpa = gpa,
                                  .hpa = 8 * gpa,
                                  .size = 3 * KIB4,
                                  .access = RW,
                                  .type = MT_WB};

    create_put(s);
    build_put(s, w, asked, good);
    bad_maps_put(s, w, &good, asked);
    bad_changes_put(s, w, gpa, asked);
    BUILD(s, w, "unmapping the whole address space is fine", .kind = LAB05_UNMAP,
          .size = 1ull << 48);
    BUILD(s, w, asked, .kind = LAB05_MAP, .hpa = (1ull << 46) - MIB2,
          .gpa = (1ull << 48) - MIB2, .size = MIB2, .access = RX);
    build_expect(s, w, asked);
}

/* Two trees from one pool, of CPUs that differ in all: what one of them is like says nothing about
 * the other. */
static void two_trees_differ(struct judge *judge)
{
    static const char asked[] = "each tree keeps to what its own CPU can do";
    struct script *s = script_new(judge, POOL, POOL);
    const int64_t pointer = (int64_t)(HPA_BASE | 6 | 3 << 3);
    unsigned left = POOL - 2;

    s->in.cpu[1] =
        (struct lab05_cpu){.physical_bits = 40, .execute_only = 1, .access_dirty = 1};
    for (uint32_t n = 0; n < 2; n++)
        VALUE(s, 0, asked, .kind = LAB05_CREATE, .ept = n);
    VALUE(s, pointer, asked, .kind = LAB05_POINTER);
    VALUE(s, pointer + 0x1040, asked, .kind = LAB05_POINTER, .ept = 1);
    for (uint32_t n = 0; n < 2;
         n++) /* X alone, then an HPA of 43 bits: three tables each */
        VALUE(s, n ? 0 : -EINVAL, asked, .kind = LAB05_MAP, .ept = n, .size = KIB4,
              .access = EPT_FETCH, .type = MT_WB);
    for (uint32_t n = 0; n < 2; n++)
        VALUE(s, n ? -EINVAL : 0, asked, .kind = LAB05_MAP, .ept = n, .gpa = GIB1,
              .hpa = 1ull << 42, .size = KIB4, .access = RW, .type = MT_WB);
    left -= 6;
    for (uint32_t n = 0; n < 2;
         n++) { /* one table for a page of 1 GiB, two for 512 of 2 MiB */
        struct want *want = OP(s, asked, .kind = LAB05_MAP, .ept = n, .gpa = 1ull << 40,
                               .hpa = 16 * GIB1, .size = GIB1, .access = RW, .type = MT_WB);

        left -= n ? 2 : 1;
        want->counted = true;
        want->r.free_count = left;
    }
    VALUE(s, -EINVAL, asked, .kind = LAB05_PROTECT, .gpa = 1ull << 40, .size = GIB1,
          .access = EPT_FETCH);
    VALUE(s, 0, asked, .kind = LAB05_PROTECT, .ept = 1, .gpa = 1ull << 40, .size = GIB1,
          .access = EPT_FETCH);
    script_run(s);
    results_expect(s);
}

void execute_only_needs_the_cpu(struct judge *judge)
{
    static const char asked[] = "X alone can be mapped if the CPU can do it, and only then";

    for (unsigned i = 0; i < 2; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);
        const uint64_t gpa = judge_random_below(judge, 1 << 20) * KIB4;

        s->in.cpu[0].execute_only = i == 0;
        s->in.cpu[0].physical_bits = i ? 52 : 36 + (uint8_t)judge_random_below(judge, 10);
        s->in.cpu[0].access_dirty = i == 1;
        if (i == 1) /* HPAs of 52 bits */
            s->in.memory_hpa = (8 + judge_random_below(judge, 8)) << 48;
        create_put(s);
        VALUE(s, (int64_t)(s->in.memory_hpa | 6 | 3 << 3 | (uint64_t)i << 6),
              "the EPTP has the root's address, the memory type, levels - 1 and A/D",
              .kind = LAB05_POINTER);
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = gpa, .size = 2 * KIB4, .access = 4);
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = gpa + MIB2, .size = KIB4, .access = 5);
        BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = gpa + MIB2, .size = KIB4,
              .access = 4);
        for (uint64_t rights = 2; rights <= 6; rights += 4) { /* W, and W with X */
            BUILD(s, w, "W without R is impossible on every CPU", .kind = LAB05_MAP,
                  .gpa = gpa + 4 * MIB2, .size = KIB4, .access = rights);
            BUILD(s, w, "W without R is impossible on every CPU", .kind = LAB05_PROTECT,
                  .gpa = gpa + MIB2, .size = KIB4, .access = rights);
        }
        BUILD(s, w, "the HPA has to be below 1 << physical_bits", .kind = LAB05_MAP,
              .gpa = gpa + 2 * MIB2, .size = KIB4, .access = 5,
              .hpa = 1ull << s->in.cpu[0].physical_bits);
        BUILD(s, w, "the HPA has to be below 1 << physical_bits", .kind = LAB05_MAP,
              .gpa = gpa + 2 * MIB2, .size = KIB4, .access = 5,
              .hpa = (1ull << s->in.cpu[0].physical_bits) - KIB4);
        build_expect(s, w, asked);
    }
    two_trees_differ(judge);
}

/* A multiple of one page size, plus or minus a few smaller pages. */
static uint64_t random_border(struct judge *judge)
{
    static const uint64_t sizes[] = {KIB4, MIB2, GIB1};
    uint64_t at =
        (1 + judge_random_below(judge, 3)) * GIB1 + judge_random_below(judge, 4) * MIB2;

    if (judge_random_below(judge, 2))
        at += (judge_random_below(judge, 5) - 2) * sizes[judge_random_below(judge, 3)];
    if (judge_random_below(judge, 3) == 0)
        at += (judge_random_below(judge, 9) - 4) * KIB4;
    return at;
}

void pages_are_as_large_as_possible(struct judge *judge)
{
    static const char asked[] = "from gpa upwards, each page is as large as fits";

    for (unsigned i = 0; i < 4; i++) {
        struct script *s = script_new(judge, 2 * POOL, 2 * POOL);
        struct world *w = world_new(s);
        const uint64_t hpa_shifts[] = {0, KIB4, MIB2, GIB1, 3 * MIB2, 5 * GIB1 - 2 * KIB4};
        uint64_t base = judge_random_below(judge, 1 << 16) * 8 * GIB1;

        s->in.cpu[0].page_1g = i != 3;
        create_put(s);
        for (unsigned n = 0; n < 8; n++, base += 16 * GIB1) {
            const uint64_t a = random_border(judge), b = random_border(judge);
            const uint64_t size = a < b ? b - a : a - b;

            BUILD(s, w, asked, .kind = LAB05_MAP,
                  .gpa = (base + (a < b ? a : b)) % (1ull << 47),
                  .hpa = GIB1 * 8 + (a < b ? a : b) +
                         hpa_shifts[n ? judge_random_below(judge, 6) : 0],
                  .size = size + KIB4, .access = random_rights(judge),
                  .type = random_type(judge));
        }
        BUILD(s, w, "pages of 1 GiB only if the CPU has them", .kind = LAB05_MAP,
              .gpa = (1ull << 47) + judge_random_below(judge, 1 << 16) * GIB1,
              .hpa = 4 * GIB1, .size = 5 * GIB1 / 2 + 3 * MIB2 / 2, .access = RW,
              .type = MT_WB);
        build_expect(s, w, asked);
    }
}

/* Three pages of that size, with holes between them; then ranges on and around them. */
static void overlaps_put(struct script *s, struct world *w, uint64_t base, uint64_t size)
{
    static const char asked[] =
        "a range that shares a page with one that is mapped is refused";
    struct judge *judge = s->judge;

    for (uint64_t n = 0; n < 3; n++)
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 2 * n * size, .hpa = 8 * GIB1,
              .size = size, .access = RW, .type = MT_WB);
    for (int n = 0; n < 24; n++) {
        uint64_t a = (judge_random_below(judge, 9) * size) / 2,
                 b = (judge_random_below(judge, 9) * size) / 2;

        if (judge_random_below(judge, 2))
            a += KIB4, b -= KIB4;
        a = (base - 2 * size + (a < b ? a : b)) & ~(KIB4 - 1);
        b = ((b > size ? b : size) + KIB4) & ~(KIB4 - 1);
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = a, .size = b,
              .hpa = 32 * GIB1 + a % GIB1, .access = random_rights(judge), .type = MT_WB);
    }
    BUILD(s, w, "pages beside the range stay free", .kind = LAB05_MAP,
          .gpa = (1ull << 46) + base, .size = 3 * MIB2 / 2, .access = RW, .type = MT_WB);
}

void mapped_pages_are_not_mapped_again(struct judge *judge)
{
    struct script *s = script_new(judge, 2 * POOL, 2 * POOL);
    struct world *w = world_new(s);

    create_put(s);
    for (int level = 1; level <= 3; level++) /* far from each other */
        overlaps_put(s, w,
                     (2048 * (uint64_t)level + judge_random_below(judge, 1000)) * GIB1,
                     KIB4 << 9 * (level - 1));
    build_expect(s, w, "what was refused has left nothing behind");
}

/* The CPU has used some pages: A and D are set in their leaves, A above. */
static void use_pages(struct script *s, struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count && w->count; i++) {
        struct leaf *leaf = &w->leaves[judge_random_below(s->judge, w->count)];
        const bool write = leaf->bits & EPT_WRITE && judge_random_below(s->judge, 2);

        OP(s, "", .kind = LAB05_TOUCH, .gpa = leaf->gpa, .access = write ? 2 : 1)->any =
            true;
        leaf->bits |= EPT_ACCESSED | (write ? EPT_DIRTY : 0);
        w->touched = leaf->gpa;
    }
}

/* Some operation on and around the pages that are there. */
static struct lab05_op random_change(struct judge *judge, const struct world *w)
{
    const bool used = judge_random_below(judge, 3); /* rather one that has A, or D, too */
    const struct leaf *leaf = &w->leaves[judge_random_below(judge, w->count)];

    for (unsigned i = 0; used && i < w->count; i++)
        if (w->leaves[i].gpa == w->touched)
            leaf = &w->leaves[i];

    const uint64_t size = leaf_size(leaf);
    uint64_t from = leaf->gpa, to = from + size;

    if (leaf->level > 1 && judge_random_below(judge, 4)) {
        const uint64_t unit = judge_random_below(judge, 2) ? KIB4 : size / 512;

        from += judge_random_below(judge, size / unit) * unit;
        to = judge_random_below(judge, 2)
                 ? from + (1 + judge_random_below(judge, (to - from) / unit)) * unit
                 : to + judge_random_below(judge, 3) * unit;
    } else if (judge_random_below(judge, 3) == 0) {
        to += judge_random_below(judge, 4) * size;
    }
    if (to > 1ull << 48)
        to = 1ull << 48;
    return (struct lab05_op){.kind =
                                 judge_random_below(judge, 2) ? LAB05_UNMAP : LAB05_PROTECT,
                             .gpa = from,
                             .size = to - from,
                             .access = random_rights(judge)};
}

/* A page of 1 GiB that was written to, split for rights that it has already, and a new neighbour
 * in the same table. */
static void used_page_splits(struct judge *judge)
{
    static const char asked[] = "pages are split even if they have these rights already";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t base =
        (judge_random_below(judge, 400) * 512 + judge_random_below(judge, 500)) * GIB1;

    s->in.cpu[0].access_dirty = 1;
    create_put(s);
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base, .hpa = 8 * GIB1, .size = GIB1,
          .access = RWX, .type = random_type(judge));
    OP(s, "", .kind = LAB05_TOUCH, .gpa = base, .access = 2)->any = true;
    w->leaves[0].bits |= EPT_ACCESSED | EPT_DIRTY;
    w->kept = base;
    w->kept_level = 3;
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + GIB1, .hpa = 0, .size = 2 * KIB4,
          .access = RW, .type = MT_WB);
    BUILD(s, w, asked, .kind = LAB05_PROTECT,
          .gpa = base + judge_random_below(judge, 500) * KIB4, .size = 3 * KIB4,
          .access = RWX);
    build_expect(s, w, asked);
}

void large_pages_split_where_they_must(struct judge *judge)
{
    static const char asked[] =
        "a large page is split only where it has to be, and the pieces are the same page";

    for (unsigned i = 0; i < 5; i++) {
        struct script *s = script_new(judge, 2 * POOL, 2 * POOL);
        struct world *w = world_new(s);
        const uint64_t base = judge_random_below(judge, 100000) * 2 * GIB1;

        s->in.cpu[0].access_dirty = 1;
        create_put(s);
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base, .hpa = 16 * GIB1,
              .size = 2 * GIB1, .access = RWX, .type = random_type(judge));
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 4 * GIB1, .hpa = 16 * GIB1,
              .size = 8 * MIB2 + 5 * KIB4, .access = random_rights(judge),
              .type = random_type(judge));
        BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 8 * GIB1, .hpa = 16 * GIB1,
              .size = MIB2, .access = RWX, .type = MT_WB);
        OP(s, "", .kind = LAB05_TOUCH, .gpa = base + 8 * GIB1, .access = 2)->any = true;
        w->leaves[w->count - 1].bits |= EPT_ACCESSED | EPT_DIRTY;
        BUILD(s, w, "A and D stay when rights change", .kind = LAB05_PROTECT,
              .gpa = base + 8 * GIB1, .size = MIB2, .access = 1);
        BUILD(s, w, "a range with a hole is not protected", .kind = LAB05_PROTECT,
              .gpa = base + 8 * GIB1 - MIB2, .size = 2 * MIB2, .access = RW);
        BUILD(s, w, "a range with a hole is not protected", .kind = LAB05_PROTECT,
              .gpa = base + GIB1, .size = 3 * GIB1 + MIB2 + KIB4, .access = RW);
        BUILD(s, w, "holes in a range that is unmapped are fine", .kind = LAB05_UNMAP,
              .gpa = base + 8 * GIB1 - MIB2, .size = 3 * MIB2 / 2);
        for (unsigned n = 0; n <= 6 * i && w->count; n++) {
            use_pages(s, w, 4);
            build_put(s, w, asked, random_change(judge, w));
        }
        build_expect(s, w, asked);
    }
    used_page_splits(judge);
}

void protect_needs_every_page(struct judge *judge)
{
    static const char asked[] = "protecting a range with a hole changes nothing";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t base = judge_random_below(judge, 1000) * 4 * GIB1;

    create_put(s);
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base, .hpa = 16 * GIB1,
          .size = 2 * MIB2 + 7 * KIB4, .access = RWX, .type = MT_WB);
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 4 * MIB2, .hpa = 16 * GIB1,
          .size = GIB1, .access = RW, .type = MT_WT);
    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t from = judge_random_below(judge, 4 * 512 + 8) * KIB4;

        BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = base + from,
              .size = (1 + judge_random_below(judge, 900)) * KIB4, .access = RX);
        BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = base + i * KIB4, .access = RX,
              .size = 2 * MIB2 + (8 - i) * KIB4); /* all but the last page is there */
        BUILD(s, w, "both ends of the range are mapped, the hole is between them",
              .kind = LAB05_PROTECT, .gpa = base + i * KIB4, .access = RX,
              .size = 4 * MIB2 + (1 + judge_random_below(judge, 400)) * KIB4);
    }
    for (unsigned i = 0; i < 3; i++) /* in a page, a whole one, in that one again */
        BUILD(s, w, "a range without a hole is protected", .kind = LAB05_PROTECT,
              .gpa = base + (i ? 56 : 54) * MIB2 + (i == 1 ? 0 : KIB4),
              .size = i == 1 ? MIB2 : KIB4, .access = RX);
    leave_put(s, w, 0);
    BUILD(s, w, "-ENOENT comes before -ENOMEM", .kind = LAB05_PROTECT, .gpa = base,
          .size = 100 * MIB2 + KIB4, .access = RX);
    BUILD(s, w, "the pool is exhausted", .kind = LAB05_PROTECT, .gpa = base + 100 * MIB2,
          .size = KIB4, .access = RX);
    build_expect(s, w, asked);
}

/* A thousand times: what leaks is missing then. */
static void pool_stays_full(struct judge *judge)
{
    static const char asked[] = "mapping and unmapping can be repeated for ever";
    struct script *s = script_new(judge, 10, 10);
    const uint64_t gpa = judge_random_below(judge, 1 << 20) * GIB1 / 4 + 511 * KIB4;
    const struct lab05_op map = {.kind = LAB05_MAP,
                                 .gpa = gpa,
                                 .hpa = 16 * GIB1,
                                 .size = 3 * KIB4, /* in two tables */
                                 .access = RW,
                                 .type = MT_WB};

    create_put(s);
    VALUE(s, 0, "", .kind = LAB05_REPEAT, .size = 1000);
    value_put(s, 0, asked, map);
    VALUE(s, 0, asked, .kind = LAB05_UNMAP, .gpa = gpa, .size = map.size);
    value_put(s, 0, asked, map);
    VALUE(s, 0, asked, .kind = LAB05_UNMAP, .gpa = gpa + KIB4, .size = 2 * KIB4);
    VALUE(s, 0, asked, .kind = LAB05_DESTROY);
    script_run(s);
    results_expect(s);
    CHECK(judge, s->out.results[s->in.op_count - 1].free_count == 10,
          "ept_destroy() gives all tables back", "%u of 10 pages are free in the end",
          s->out.results[s->in.op_count - 1].free_count);
}

void empty_tables_go_back(struct judge *judge)
{
    static const char asked[] = "tables that become empty go back to the pool, others stay";

    for (unsigned i = 0; i < 3; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);

        create_put(s);
        for (unsigned n = 0; n < 50; n++) {
            /* few distinct bits, so that paths share tables at every level */
            const uint64_t gpa = judge_random_below(judge, 2) << 46 |
                                 judge_random_below(judge, 2) * 511 << 30 |
                                 judge_random_below(judge, 3) * 255 << 21 |
                                 judge_random_below(judge, 2) * 511 << 12;

            BUILD(s, w, asked, .kind = n % 3 == 2 ? LAB05_UNMAP : LAB05_MAP, .gpa = gpa,
                  .hpa = KIB4 * judge_random_below(judge, 1000),
                  .size = KIB4 << 9 * (judge_random_below(judge, 4) == 0), .access = RW,
                  .type = MT_WB);
        }
        for (uint64_t n = 0; n < 2; n++) /* the last entry keeps a table alone */
            BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = (1ull << 45) + n * 511 * KIB4,
                  .size = KIB4, .access = RW, .type = MT_WB);
        BUILD(s, w, asked, .kind = LAB05_UNMAP, .gpa = 1ull << 45, .size = KIB4);
        if (i == 0)
            BUILD(s, w, asked, .kind = LAB05_UNMAP, .size = 1ull << 48);
        build_expect(s, w, asked);
    }
    pool_stays_full(judge);
}

/* Pages of 1 GiB, for a range that begins or ends inside. */
static void large_map(struct script *s, struct world *w, uint64_t gpa)
{
    BUILD(s, w, "", .kind = LAB05_MAP, .gpa = gpa, .hpa = 16 * GIB1, .size = 3 * GIB1,
          .access = RWX, .type = MT_WB);
}

/* With `from` pages free, from + 1, ... and so many as `to`. */
static void full_pool_try(struct script *s, struct world *w, struct lab05_op op,
                          unsigned from, unsigned to)
{
    static const char asked[] =
        "-ENOMEM exactly if too few pages are free, and nothing changes";

    for (unsigned left = from; left <= to; left++) {
        leave_put(s, w, left);
        build_put(s, w, asked, op);
    }
    leave_put(s, w, POOL - world_tables(w));
}

/* What needs pages, relative to three pages of 1 GiB: TRIES of them. */
static void tries_make(struct judge *judge, struct lab05_op tries[TRIES])
{
    const struct lab05_op all[TRIES] = {
        /* both ends in one page of 2 MiB, in one of 1 GiB, in two, at a border */
        {.kind = LAB05_UNMAP,
         .gpa = (1 + judge_random_below(judge, 500)) * KIB4,
         .size = 2 * KIB4},
        {.kind = LAB05_PROTECT,
         .gpa = 5 * KIB4,
         .size = (1 + judge_random_below(judge, 500)) * MIB2,
         .access = EPT_READ},
        {.kind = LAB05_UNMAP,
         .gpa = GIB1 - KIB4 * (1 + judge_random_below(judge, 500)),
         .size = GIB1 + MIB2},
        {.kind = LAB05_UNMAP,
         .gpa = MIB2,
         .size = MIB2 * (1 + judge_random_below(judge, 500)) + KIB4},
        /* both ends in the same 2 MiB, which begin, or end, with the range */
        {.kind = LAB05_UNMAP,
         .gpa = MIB2 * (1 + judge_random_below(judge, 500)),
         .size = KIB4 * (1 + judge_random_below(judge, 510))},
        {.kind = LAB05_PROTECT, .gpa = 9 * MIB2 - KIB4, .size = KIB4, .access = EPT_READ},
        {.kind = LAB05_PROTECT, .gpa = GIB1, .size = GIB1 + 3 * MIB2, .access = RX},
        /* elsewhere: tables at all levels, for many pages */
        {.kind = LAB05_MAP,
         .gpa = (1ull << 46) - 3 * KIB4,
         .hpa = KIB4 * 7,
         .size = 3 * MIB2,
         .access = RW,
         .type = MT_WB},
    };

    memcpy(tries, all, sizeof all);
}

/* First all of them at the same pages, and none has enough: in the end these pages have to be
 * as they were. Then each at pages of its own, with one too few, and with enough. */
void a_full_pool_changes_nothing(struct judge *judge)
{
    static const char asked[] = "what lacks pages leaves the tables as they were";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t base = judge_random_below(judge, 1000) * 128 * GIB1 + 16 * GIB1;
    struct lab05_op tries[TRIES];
    unsigned needs[TRIES];

    tries_make(judge, tries);
    create_put(s);
    large_map(s, w, base);
    for (unsigned i = 0; i < TRIES; i++) {
        tries[i].gpa += base;
        needs[i] = build_needs(w, &tries[i]);
        full_pool_try(s, w, tries[i], 0, needs[i] - 1);
    }
    for (unsigned i = 0; i < TRIES; i++) {
        large_map(s, w, base + (1 + i) * 8 * GIB1);
        tries[i].gpa += (1 + i) * 8 * GIB1;
        full_pool_try(s, w, tries[i], needs[i] - 1, needs[i]);
    }
    build_expect(s, w, asked);
}
