/* translate.c - one access of a device: the walk, the reasons of a refusal, the IOTLB. */
#define _GNU_SOURCE
#include "checks.h"

/* --- the walk ----------------------------------------------------------------------- */

#define TREES 4

/* A few trees with pages of all sizes and rights; iovas[] are addresses in them. */
struct forest {
    uint16_t sources[TREES];
    uint64_t tables[TREES];
    unsigned levels[TREES];
    uint64_t iovas[TREES][6];
};

static void tree_grow(struct script *s, struct forest *f, int t)
{
    uint64_t limit = f->levels[t] == 3 ? 39 : 48;
    uint64_t *iovas = f->iovas[t];

    for (unsigned n = 0; n < 6; n++) {
        unsigned level = n < 3 ? 1 : n < 5 ? 2 : 3;
        uint64_t rights = 1 + judge_random_below(s->judge, 3);

        iovas[n] = random_bits(s->judge, (unsigned)limit - 1, 12);
        if (n == 1) /* a neighbour of the first page */
            iovas[n] = iovas[0] ^ VTD_PAGE;
        leaf_make(s, f->tables[t], f->levels[t], iovas[n], level, rights);
    }
}

static void forest_make(struct script *s, struct forest *f)
{
    for (int t = 0; t < TREES; t++) {
        f->sources[t] =
            (uint16_t)(random_source(s->judge, t < 2 ? 0 : 0x80) & ~3) | (uint16_t)t;
        f->levels[t] = t % 2 ? 3 : 4;
        f->tables[t] = device_make(s, f->sources[t], (uint16_t)judge_random(s->judge),
                                   f->levels[t], 0);
        tree_grow(s, f, t);
    }
}

void walk_finds_the_page(struct judge *judge)
{
    struct script *s = script_new(judge);
    struct forest f;

    forest_make(s, &f);
    for (int n = 0; n < 240; n++) {
        int t = n % TREES;
        uint64_t iova = f.iovas[t][judge_random_below(judge, 6)];

        /* within the page's first 4 KiB, its first 2 MiB, its 1 GiB, or next to it */
        iova ^= random_bits(judge,
                            n % 8 < 5    ? 11
                            : n % 8 == 5 ? 20
                            : n % 8 == 6 ? 29
                                         : 12,
                            0);
        translate_put(s, f.sources[t], iova, random_bool(judge));
    }
    script_compare(s, "iommu_translate() finds the page, or says what is not allowed");
}

/* --- reasons ------------------------------------------------------------------------- */

#define OTHER_PAGE (1ull << 17) /* away; it has the same entry of the IOTLB */

/* Sets a word for one translation, and then back to what it was. Another page pushes out
 * what may have got into the IOTLB. */
static void with_word(struct script *s, uint64_t address, uint64_t word, uint16_t source,
                      uint64_t iova, const char *because)
{
    bool write = random_bool(s->judge);

    OP(s, .kind = LAB09_POKE, .physical = address, .size = word);
    translate_put(s, source, iova, write);
    op_because(s, because);
    OP(s, .kind = LAB09_POKE, .physical = address, .size = word_get(s, address));
    translate_put(s, source, iova ^ OTHER_PAGE, false);
}

static void root_reasons(struct script *s, uint16_t source, uint64_t iova)
{
    uint64_t at = root_of(s, source), word = word_get(s, at);
    struct judge *j = s->judge;

    with_word(s, at, word & ~1ull, source, iova, "P of the root entry is 0");
    with_word(s, at, (word & ~1ull) | ones(11, 1), source, iova,
              "P of the root entry is 0; then no other bit counts");
    with_word(s, at, word | 1ull << (1 + judge_random_below(j, 11)), source, iova,
              "a bit of 11:1 of the root entry is set");
    with_word(s, at, word | 1ull << s->in.haw, source, iova,
              "the context table's address is beyond the host's address width");
    with_word(s, at, word | 1ull << 63, source, iova, "bit 63 of the root entry is set");
    with_word(s, at + 8, 1ull << judge_random_below(j, 64), source, iova,
              "a bit of the root entry's high word is set");
    with_word(s, at, nowhere(s) | 1, source, iova,
              "there is no memory at the context table");
}

static void context_reasons(struct script *s, uint16_t source, uint64_t iova)
{
    uint64_t at = context_of(s, source), word = word_get(s, at), high = word_get(s, at + 8);
    struct judge *j = s->judge;

    with_word(s, at, word & ~1ull, source, iova, "P of the context entry is 0");
    with_word(s, at, (word & ~1ull) | 0xff0, source, iova,
              "P of the context entry is 0; then no other bit counts");
    with_word(s, at, word | 1ull << (4 + judge_random_below(j, 8)), source, iova,
              "a bit of 11:4 of the context entry is set");
    with_word(s, at, word | 1ull << s->in.haw, source, iova,
              "the table's address is beyond the host's address width");
    with_word(s, at + 8, high | 0x80, source, iova, "bit 71 of the context entry is set");
    with_word(s, at + 8, high | 1ull << (24 + judge_random_below(j, 40)), source, iova,
              "a bit of 127:88 of the context entry is set");
    for (uint64_t tt = 1; tt < 4; tt++)
        with_word(s, at, word | tt << 2, source, iova, "this TT is not offered");
    for (uint64_t aw = 0; aw < 8; aw++)
        if (aw != 1 && aw != 2)
            with_word(s, at + 8, (high & ~7ull) | aw, source, iova,
                      "this AW is not offered");
    with_word(s, at, word | 0xc | 0x10, source, iova,
              "reserved bits are looked at before TT and AW");
    with_word(s, at, nowhere(s) | 1, source, iova, "there is no memory at SLPTPTR");
}

/* The entry at that level on the way to iova. */
static void entry_reasons(struct script *s, uint16_t source, uint64_t table,
                          unsigned levels, uint64_t iova, unsigned level)
{
    uint64_t at = entry_address(s, table, levels, iova, level), word = word_get(s, at);
    struct judge *j = s->judge;

    with_word(s, at, word & ~3ull, source, iova, "R and W of an entry are 0");
    with_word(s, at, (word & ~3ull) | 1ull << 62 | 1ull << 11, source, iova,
              "R and W of an entry are 0; then no other bit counts");
    for (uint64_t right = 1; right < 3; right++)
        with_word(s, at, (word & ~3ull) | right, source, iova,
                  "one entry on the way has one of the rights");
    with_word(s, at, word | 1ull << 11, source, iova, "bit 11 of an entry is set");
    with_word(s, at, word | 1ull << 62, source, iova, "bit 62 of an entry is set");
    with_word(s, at, word | 1ull << (s->in.haw + judge_random_below(j, 52u - s->in.haw)),
              source, iova, "an entry's address is beyond the host's address width");
    with_word(s, at, (word & ~3ull) | 1 | 1ull << 62, source, iova,
              "reserved bits are looked at before rights");
    if (level == 4) {
        with_word(s, at, word | 0x80, source, iova, "bit 7 is reserved at level 4");
        with_word(s, at, (word & ~ones(51, 12)) | 0x80, source, iova,
                  "bit 7 is reserved at level 4");
    }
    if (level == 2 || level == 3) {
        with_word(s, at,
                  (word & ~ones(51, 12)) | 0x80 | 1ull << (11 + level_low[level] - 12),
                  source, iova, "a large page's address has a bit within the page");
        with_word(s, at, (word & ~ones(51, 12)) | 0x80 | 1ull << 12, source, iova,
                  "a large page's address has a bit within the page");
    }
    if (level > 1)
        with_word(s, at, (word & ~ones(51, 12)) | nowhere(s), source, iova,
                  "there is no memory where an entry leads to");
}

/* An upper entry takes the right, but what is wrong further down comes first. */
static void rights_end_last(struct script *s, uint16_t source, uint64_t table,
                            unsigned levels, uint64_t iova, unsigned upper)
{
    uint64_t at = entry_address(s, table, levels, iova, upper), word = word_get(s, at),
             below = entry_address(s, table, levels, iova, upper - 1),
             next = word_get(s, below);

    for (unsigned n = 0; n < 8; n++) { /* right, access, what is wrong below */
        uint64_t bad = upper > 2 ? (next & ~ones(51, 12)) | nowhere(s) : next | 1ull << 11;

        OP(s, .kind = LAB09_POKE, .physical = at,
           .size = (word & ~3ull) | (n & 1 ? 1u : 2u));
        OP(s, .kind = LAB09_POKE, .physical = below,
           .size = n & 4 ? bad : next | 1ull << 62);
        translate_put(s, source, iova, n & 2);
        op_because(s, "rights are judged at the page; what is wrong below is met before");
        OP(s, .kind = LAB09_POKE, .physical = below, .size = next);
        OP(s, .kind = LAB09_POKE, .physical = at, .size = word);
        translate_put(s, source, iova ^ OTHER_PAGE, false);
    }
}

/* Entries of two words of which one cannot be read. */
static void half_entries(struct script *s, uint16_t source, uint64_t iova)
{
    const uint64_t entries[] = {root_of(s, source), context_of(s, source)};

    for (int i = 0; i < 4; i++) {
        uint64_t at = entries[i / 2], word = word_get(s, at);

        OP(s, .kind = LAB09_HOLE, .physical = at + (i % 2 ? 8u : 0u));
        with_word(s, at, word, source, iova, "one word of an entry cannot be read");
        with_word(s, at, word & ~1ull, source, iova,
                  "one word of an entry cannot be read, and its P is 0");
    }
    OP(s, .kind = LAB09_HOLE);
}

static void width_reasons(struct script *s, uint8_t mgaw)
{
    static const uint8_t widths[] = {38, 39, 40, 47, 48};
    const uint16_t sources[2] = {0x0110, 0x0118};
    uint64_t tables[2];

    s->in.mgaw = mgaw;
    for (int t = 0; t < 2; t++) {
        tables[t] = device_make(s, sources[t], (uint16_t)(7 + t), t ? 3 : 4, 0);
        for (size_t w = 0; w < sizeof widths; w++) {
            uint64_t limit = 1ull << widths[w];

            if (widths[w] <= (t ? 39 : 48))
                leaf_make(s, tables[t], t ? 3 : 4, limit - VTD_PAGE, 1, 3);
            translate_put(s, sources[t], limit - 1, random_bool(s->judge));
            translate_put(s, sources[t], limit, random_bool(s->judge));
        }
        translate_put(s, sources[t], UINT64_MAX, random_bool(s->judge));
    }
}

static void root_is_nowhere(struct judge *judge)
{
    struct script *s = script_new(judge);

    s->in.page_count = 1;
    s->in.address[0] = 0x1000;
    s->in.root_table = 0x5000;
    translate_put(s, 0x28, 0x1000, false);
    op_because(s, "there is no memory at the root table");
    script_compare(s, "a root entry that cannot be read is reason 8");
}

static void several_reasons(struct judge *judge)
{
    struct script *s = script_new(judge);

    for (unsigned levels = 3; levels <= 4; levels++) {
        uint16_t source = (uint16_t)(random_source(judge, 0x41) & ~1u) | (levels & 1);
        uint64_t iova = random_bits(judge, levels == 3 ? 38 : 47, 0);
        uint64_t table = device_make(s, source, (uint16_t)levels, levels, 0);

        leaf_make(s, table, levels, iova, 1, 3);
        leaf_make(s, table, levels, iova ^ OTHER_PAGE, 1, 3);
        for (unsigned upper = levels; upper > 1; upper--)
            rights_end_last(s, source, table, levels, iova, upper);
        half_entries(s, source, iova);
    }
    script_compare(s, "of several reasons, iommu_translate() gives the first one");
}

void walk_names_the_reason(struct judge *judge)
{
    struct script *s = script_new(judge);

    for (unsigned levels = 3; levels <= 4; levels++) {
        uint16_t source = (uint16_t)(random_source(judge, 0x40) & ~1u) | (levels & 1);
        uint64_t iova = random_bits(judge, levels == 3 ? 38 : 47, 0), table;

        table = device_make(s, source, (uint16_t)levels, levels, 0);
        leaf_make(s, table, levels, iova, 1, 3);
        leaf_make(s, table, levels, iova ^ OTHER_PAGE, 1, 3);
        root_reasons(s, source, iova);
        context_reasons(s, source, iova);
        for (unsigned level = 1; level <= levels; level++)
            entry_reasons(s, source, table, levels, iova, level);
        translate_put(s, source, iova, random_bool(judge));
    }
    root_is_nowhere(judge);
    script_compare(s, "iommu_translate() gives the reason that vtd.h names, in its order");
    several_reasons(judge);
    s = script_new(judge);
    s->in.sagaw = random_bool(judge) ? 2 : 4;
    for (unsigned levels = 3; levels <= 4; levels++) {
        uint64_t table = device_make(s, (uint16_t)levels, 1, levels, 0);

        leaf_make(s, table, levels, 0x5000, 1, 3);
        translate_put(s, (uint16_t)levels, 0x5000, false);
        op_because(s, "sagaw says which AW are offered");
    }
    script_compare(s, "an AW that the IOMMU does not offer is reason 3");
    for (int large = 0; large < 2; large++) {
        s = script_new(judge);
        width_reasons(s, (uint8_t)(large ? 46 + judge_random_below(judge, 3) : 38));
        script_compare(s, "an IOVA beyond MGAW or the domain's width is reason 4");
    }
}

/* --- IOTLB --------------------------------------------------------------------------- */

#define CACHE_PAGES 10

/* Two devices that share a domain, two in others, whose ids differ in one bit of either
 * byte; and the same few pages in all. */
enum { CACHE_DEVICES = 4 };

struct cache_case {
    uint16_t sources[CACHE_DEVICES], ids[CACHE_DEVICES];
    uint64_t tables[CACHE_DEVICES], iovas[CACHE_PAGES], entries[CACHE_DEVICES][CACHE_PAGES];
};

/* Pages 0 to 3 lie side by side; 4 to 6 have page 0's entry of the IOTLB; the others are in
 * large pages. */
static uint64_t cache_iova(struct cache_case *c, unsigned n)
{
    if (n < 4)
        return c->iovas[0] + n * VTD_PAGE;
    if (n < 7)
        return c->iovas[0] + (n - 3) * IOTLB_ENTRIES * VTD_PAGE;
    return (c->iovas[0] ^ 1ull << 30) + n * VTD_PAGE;
}

static uint64_t cache_leaf(struct script *s, const struct cache_case *c, int t, unsigned n)
{
    uint64_t rights = 1 + judge_random_below(s->judge, 3);

    if (n > 6)
        return leaf_make(s, c->tables[t], 3, c->iovas[n] & ~ones(20, 0), 2, 3);
    return leaf_make(s, c->tables[t], 3, c->iovas[n], 1, n < 4 ? 3 : n == 4 ? 1 : rights);
}

static void cache_case_make(struct script *s, struct cache_case *c)
{
    c->ids[0] = c->ids[1] = (uint16_t)judge_random(s->judge);
    c->ids[2] = c->ids[0] ^ (uint16_t)(1u << judge_random_below(s->judge, 8));
    c->ids[3] = c->ids[0] ^ (uint16_t)(0x100u << judge_random_below(s->judge, 8));
    c->iovas[0] = random_bits(s->judge, 38, 21) | 1ull << 37 | 0x3000;
    for (unsigned n = 1; n < CACHE_PAGES; n++)
        c->iovas[n] = cache_iova(c, n);
    for (int t = 0; t < CACHE_DEVICES; t++) {
        c->sources[t] = (uint16_t)(t >= 2 ? 0x1108 + t : 0x20 + t);
        c->tables[t] =
            device_make(s, c->sources[t], c->ids[t], 3, t == 1 ? c->tables[0] : 0);
        for (unsigned n = 0; n < CACHE_PAGES; n++)
            c->entries[t][n] = t == 1 ? c->entries[0][n] : cache_leaf(s, c, t, n);
    }
}

/* The same page of devices in other domains, right after the first one's; and what is taken
 * from these domains, or 4 GiB before the page, leaves the first one's where it is. */
static void cache_ids_put(struct script *s, const struct cache_case *c)
{
    for (int t = 2; t < CACHE_DEVICES; t++) {
        translate_put(s, c->sources[0], c->iovas[0], false);
        translate_put(s, c->sources[t], c->iovas[0], false);
        op_because(s, "the IOTLB has this page of another domain");
        translate_put(s, c->sources[0], c->iovas[0], false);
        OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[t], .size = UINT64_MAX);
        translate_put(s, c->sources[0], c->iovas[0], false);
        op_because(s, "another domain was invalidated");
    }
    OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[0], .iova = c->iovas[0] - (1ull << 32),
       .size = VTD_PAGE);
    translate_put(s, c->sources[0], c->iovas[0], false);
    op_because(s, "a page 4 GiB before this one was invalidated");
}

/* What chance may leave out. */
static void cache_edges_put(struct script *s, const struct cache_case *c)
{
    for (int round = 0; round < 2; round++) {
        for (int n = 0; n < 4; n++)
            translate_put(s, c->sources[0], c->iovas[n], false);
        if (round == 0)
            OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[0], .iova = c->iovas[1],
               .size = VTD_PAGE);
    }
    cache_ids_put(s, c);
    for (int round = 0; round < 4; round++) {
        for (uint64_t n = 0; n < IOTLB_ENTRIES; n++) /* each entry, from a large page */
            translate_put(s, c->sources[0],
                          (c->iovas[7] & ~ones(20, 0)) + (64 + n) * VTD_PAGE, false);
        if (round == 0)
            OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[0], .size = UINT64_MAX);
        if (round == 1) /* iova + size wraps around: all pages from iova on */
            OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[0],
               .iova = (c->iovas[7] & ~ones(20, 0)) + (64 + 9) * VTD_PAGE,
               .size = 0 - VTD_PAGE);
        if (round == 2)
            OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[0],
               .iova = (c->iovas[7] & ~ones(20, 0)) + 64 * VTD_PAGE);
    }
    translate_put(s, c->sources[0], c->iovas[4], false);
    OP(s, .kind = LAB09_POKE, .physical = c->entries[0][4],
       .size = word_get(s, c->entries[0][4]) | 3);
    translate_put(s, c->sources[0], c->iovas[4], true);
    op_because(s, "the IOTLB has no right to write, but the tables have it by now");
    translate_put(s, c->sources[0], c->iovas[4], true);
    op_because(s, "the walk has put the right to write into the IOTLB");
}

/* Another page or other rights, behind the IOMMU's back: what is cached stays. */
static void cache_poke(struct script *s, uint64_t entry, bool large)
{
    uint64_t page = random_bits(s->judge, s->in.haw - 1u, large ? 21 : 12);

    OP(s, .kind = LAB09_POKE, .physical = entry,
       .size = page | (large ? 0x83 : judge_random_below(s->judge, 4)));
}

static void cache_step_put(struct script *s, const struct cache_case *c, unsigned step)
{
    struct judge *j = s->judge;
    unsigned t = (unsigned)judge_random_below(j, CACHE_DEVICES),
             n = (unsigned)judge_random_below(j, step < 60 ? 2 : CACHE_PAGES);

    if (step % 7 == 5)
        cache_poke(s, c->entries[t][n], n > 6);
    else if (step % 21 == 6)
        OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[t], .size = UINT64_MAX);
    else if (step % 7 == 6)
        OP(s, .kind = LAB09_INVALIDATE, .id = c->ids[t],
           .iova = c->iovas[n] - (step & 1) * VTD_PAGE,
           .size = (1 + judge_random_below(j, 4)) * VTD_PAGE);
    else
        translate_put(s, c->sources[t], c->iovas[n] | random_bits(j, 11, 0),
                      random_bool(j));
}

void cached_translations_spare_the_walk(struct judge *judge)
{
    struct script *s = script_new(judge);
    struct cache_case c;

    s->count_reads = true;
    cache_case_make(s, &c);
    cache_edges_put(s, &c);
    for (unsigned step = 0; step < 420; step++)
        cache_step_put(s, &c, step);
    script_compare(s, "what is in the IOTLB is translated by it, and nothing else is");
}
