/* caches.c - checks of the caches: which references they save, and when they have to forget. */
#include "checks.h"

#define GVAS        12
#define CROWD_PAGES 72 /* two times 16 for the guest, 19 for the EPT, at most */
#define NEIGHBOURS  ((1ull << 46) + 100 * MIB2) /* GPA of two pages beside the crowd's */

/* Two VMs with the same linear addresses, in 2 MiB and 4 KiB pages, on one CPU's caches. */
struct crowd {
    struct guest guests[2];
    uint64_t gvas[GVAS];
    struct image *image;
};

/* A guest's entry that leads to a table: sometimes W is cleared, sometimes NX set. */
static void table_limit(uint64_t *entry, uint64_t dice)
{
    if (dice < 2)
        *entry &= ~GUEST_WRITABLE;
    else if (dice == 2)
        *entry |= GUEST_NO_EXECUTE;
}

/* Maps gva in both dimensions, if no other page is in the way. */
static void crowd_page_make(struct guest *g, uint64_t gva, bool large)
{
    static const uint64_t rights[] = {RWX, RWX, RWX, RX, RW};
    struct judge *judge = g->image->s->judge;
    const uint64_t gpa = (1ull << 46) + judge_random_below(judge, 40) * MIB2 +
                         judge_random_below(judge, 512) * KIB4;
    const int level = large ? 2 : 1;
    uint64_t *above = image_word(g->image, guest_entry(g, gva, 2));

    if (*above & GUEST_LARGE || (large && *above))
        return;
    guest_leaf(g, gva, gpa, level,
               (judge_random(judge) & 2) | 4 | judge_random_below(judge, 4) / 3 << 63);
    if (!large) /* the entries above allow less, too */
        table_limit(above, judge_random_below(judge, 7));
    if (ept_entry(g->image, g->root, gpa, level) == 0)
        return;
    ept_leaf(g->image, g->root, gpa, judge_random(judge) % (1ull << 46), level,
             rights[judge_random_below(judge, 5)] | 6 << 3);
    if (judge_random_below(judge, 3) == 0) /* the tables above allow less than the page */
        *image_word(g->image, ept_entry(g->image, g->root, gpa, 2)) &= ~EPT_WRITE;
}

static void crowd_make(struct crowd *c, struct script *s)
{
    struct judge *judge = s->judge;

    c->image = image_new(s);
    for (unsigned i = 0; i < GVAS; i++) /* near, at the same place of a cache, far */
        c->gvas[i] = i == 0   ? random_gva(judge)
                     : i < 4  ? c->gvas[i - 1] ^ KIB4 << judge_random_below(judge, 5)
                     : i < 10 ? c->gvas[i - 4] ^ MIB2 << judge_random_below(judge, 5)
                              : random_gva(judge);
    for (unsigned v = 0; v < 2; v++) {
        struct guest *g = &c->guests[v];

        *g = guest_new(c->image, image_page(c->image),
                       1 + (int)judge_random_below(judge, 2));
        for (unsigned i = 0; i < GVAS; i++)
            crowd_page_make(g, c->gvas[i], i == 9 && c->gvas[9] >> 21 != c->gvas[5] >> 21);
        for (uint64_t n = 0; n < 2; n++)
            ept_leaf(c->image, g->root, NEIGHBOURS + n * KIB4, HPA_BASE, 1,
                     (n ? RWX : EPT_READ) | 6 << 3);
    }
}

static uint64_t crowd_gva(struct judge *judge, const struct crowd *c)
{
    const uint64_t i = judge_random_below(judge, GVAS), page = c->gvas[i] & ~(KIB4 - 1);

    return page + judge_random_below(judge, KIB4) +
           (i == 9 ? (page ^ judge_random_below(judge, 512) * KIB4) - page : 0);
}

static void crowd_walk(struct model *m, const struct crowd *c, const char *asked)
{
    struct judge *judge = m->s->judge;
    const uint64_t kind =
        judge_random_below(judge, 3) ? EPT_READ : 1ull << judge_random_below(judge, 3);

    nested_put(m, (uint32_t)judge_random_below(judge, 2), crowd_gva(judge, c),
               kind | judge_random_below(judge, 4) / 3 << 3, true, asked);
}

/* Each page read first, then written to, read again, and fetched from (a read before: what is
 * cached then is not enough); and an address without a page. */
static void crowd_sweep(struct model *m, const struct crowd *c, const char *asked)
{
    static const uint64_t kinds[] = {EPT_READ, EPT_WRITE, EPT_READ, EPT_FETCH};

    for (unsigned k = 0; k < 4; k++)
        for (uint32_t v = 0; v < 2; v++)
            for (unsigned i = 0; i < GVAS; i++) {
                if (k == 1 || k == 3)
                    nested_put(m, v, c->gvas[i], EPT_READ, true, asked);
                nested_put(m, v, c->gvas[i], kinds[k], true, asked);
            }
    nested_put(m, 0, random_gva(m->s->judge), EPT_WRITE, true, asked);
}

/* Two neighbours, one of which may only be read: what the leaf forbids is not cached for the
 * region. */
static void neighbours_walk(struct model *m)
{
    static const char asked[] = "of a region the tables' rights are cached, not the leaf's";

    for (uint32_t v = 0; v < 2; v++) {
        walk_put(m, v, NEIGHBOURS, 0x180 | EPT_READ, true, asked);
        walk_put(m, v, NEIGHBOURS + KIB4, 0x180 | EPT_WRITE, true, asked);
        walk_put(m, v, NEIGHBOURS, 0x180 | EPT_WRITE, true, asked);
    }
}

enum { PATTERN_WALKS = 300, COLD_WALKS = 30, PATTERN_REGIONS = 20, PATTERN_PAGES = 256 };

/* The address of the i-th access of a pattern, from its base on. */
static uint64_t pattern_at(struct judge *judge, unsigned pattern, uint64_t i)
{
    return pattern == 0   ? i * 512
           : pattern == 1 ? judge_random_below(judge, PATTERN_PAGES * KIB4)
                          : i % PATTERN_REGIONS * MIB2;
}

/* What the patterns need: 1 MiB in a row, and a page every 2 MiB. */
static void pattern_pages_make(struct guest *g, uint64_t base)
{
    const uint64_t memory = 1ull << 45;

    for (uint64_t i = 0; i < PATTERN_PAGES + PATTERN_REGIONS; i++) {
        const uint64_t at = i < PATTERN_PAGES ? i * KIB4 : (i - PATTERN_PAGES) * MIB2;

        guest_leaf(g, base + at, memory + at, 1, GUEST_WRITABLE);
        ept_leaf(g->image, g->root, memory + at, memory / 2 + at, 1, RWX | 6 << 3);
    }
}

static double reads_per_walk(const struct script *s, uint32_t first, uint32_t count)
{
    uint64_t reads = 0;

    for (uint32_t i = first; i < first + count; i++)
        reads += s->out.results[i].reads;
    return (double)reads / count;
}

/* References per walk of three patterns of accesses, from the log of the student's reads. */
static void patterns_run(struct judge *judge)
{
    static const char asked[] =
        "three patterns of accesses make the references they have to";
    static const char *const names[3][2] = {
        {"references/walk, sequential, no caches", "references/walk, sequential, caches"},
        {"references/walk, random, no caches", "references/walk, random, caches"},
        {"references/walk, 2 MiB stride, no caches",
         "references/walk, 2 MiB stride, caches"}};
    struct script *s = script_new(judge, 64, 0);
    struct image *image = image_new(s);
    struct guest g = guest_new(image, image_page(image), 1);
    const uint64_t base = random_gva(judge) & ~(GIB1 - 1);
    struct model *m;
    uint32_t first[3][2];

    pattern_pages_make(&g, base);
    m = model_start(image, &g, 1);
    for (unsigned n = 0; n < 6; n++) {
        first[n / 2][n % 2] = s->in.op_count;
        for (unsigned i = 0; i < (n % 2 ? PATTERN_WALKS : COLD_WALKS); i++)
            nested_put(m, 0, base + pattern_at(judge, n / 2, i), EPT_READ, n % 2, asked);
        invept_put(m, INVEPT_ALL, 0);
    }
    model_expect(m, "without access_dirty, a walk writes nothing");
    for (unsigned n = 0; n < 6; n++)
        judge_figure(
            judge, names[n / 2][n % 2],
            reads_per_walk(s, first[n / 2][n % 2], n % 2 ? PATTERN_WALKS : COLD_WALKS), "");
}

void caches_save_references(struct judge *judge)
{
    static const char asked[] = "a walk reads what no cache knows, and nothing else";

    walks_view(judge);
    for (unsigned round = 0; round < 4; round++) {
        struct script *s = script_new(judge, CROWD_PAGES, 0);
        struct crowd c;
        struct model *m;

        s->in.cpu[0].access_dirty = round & 1;
        s->in.cpu[1].access_dirty = round >> 1 & 1;
        crowd_make(&c, s);
        m = model_start(c.image, c.guests, 2);
        neighbours_walk(m);
        crowd_sweep(m, &c, asked);
        for (unsigned i = 0; i < 250; i++) {
            const uint32_t n = (uint32_t)judge_random_below(judge, 2);

            if (i % 5 == 4) /* ept_walk() itself has a cache, too: the same one */
                walk_put(m, n, c.guests[n].tables + judge_random_below(judge, 8 * KIB4),
                         EPT_ACCESS_LINEAR | EPT_READ, true, asked);
            else
                crowd_walk(m, &c, asked);
        }
        model_expect(m, "D is set with the first write, even if a read came before");
    }
    patterns_run(judge);
}

/* HPA of the entry for an address as the tables are now; 0: it has none at that level. g: the
 * guest whose tables they are; NULL: the EPT's. */
static uint64_t entry_now(struct model *m, uint64_t table, uint64_t address, int level,
                          const struct guest *g)
{
    for (int n = 4;; n--) {
        const uint64_t hpa = g ? table - g->tables + HPA_BASE : table;
        const uint64_t at = hpa + (address >> (3 + 9 * n) & 511) * 8;
        const uint64_t *word = model_word(m, at);

        if (!word || n == level)
            return word ? at : 0;
        if (!(*word & RWX) || (n < 4 && *word & EPT_LARGE))
            return 0;
        table = *word & EPT_ADDRESS;
    }
}

/* Somebody changes a table: an entry of the guest's, or of the EPT. */
static void crowd_change(struct model *m, struct crowd *c, uint32_t n, uint64_t gva)
{
    struct judge *judge = m->s->judge;
    struct guest *g = &c->guests[n];
    uint64_t at = entry_now(m, g->cr3, gva, 1 + (int)judge_random_below(judge, 2), g),
             *word;

    if (judge_random_below(judge, 3) ==
        0) { /* in the EPT: what maps the page, or the guest's page table */
        const uint64_t entry =
            entry_now(m, g->cr3, gva, 1 + (int)judge_random_below(judge, 2), g);

        at = entry ? entry_now(m, g->root, *model_word(m, entry) & EPT_ADDRESS,
                               1 + (int)judge_random_below(judge, 2), NULL)
                   : 0;
    }
    word = model_word(m, at);
    if (!word || !*word)
        return;
    switch (judge_random_below(judge, 4)) {
    case 0:
        poke_put(m, at, *word ^ 1); /* there or not: P, or R (W without R: misconfigured) */
        break;
    case 1:
        poke_put(m, at, *word ^ 2);
        break;
    default:
        if (word && *word & 0x80) /* large: another page */
            poke_put(m, at, *word ^ MIB2 << judge_random_below(judge, 3));
        else if (at % KIB4 / 8 != 511)
            poke_put(m, at, (*word & ~EPT_ADDRESS) | (*(word + 1) & EPT_ADDRESS));
        break;
    }
}

static const char *crowd_invalidate(struct model *m, uint32_t n, uint64_t gva)
{
    struct judge *judge = m->s->judge;

    switch (judge_random_below(judge, 5)) {
    case 0:
        invlpg_put(m, n, gva);
        return "after INVLPG, nothing stale of that page is used, and the rest is kept";
    case 1:
        load_cr3_put(m, n, m->cr3[n]);
        return "after MOV to CR3, no stale translation of that VM is used, but the EPT's "
               "are "
               "kept";
    case 2:
        invept_put(m, INVEPT_SINGLE, n);
        return "after INVEPT (single), nothing stale of that EPT is used; others are kept";
    case 3:
        invept_put(m, INVEPT_ALL, n);
        return "after INVEPT (all), nothing stale is used";
    default:
        return "until it is invalidated, a cached translation is used";
    }
}

/* The EPT's entry for a page goes wrong, a walk meets it, and it is right again: what was known
 * before is not used. (For the other mode no translation is known: that walk looks.) */
static void page_breaks_and_heals(struct model *m, struct crowd *c, uint32_t n,
                                  uint64_t gva, uint64_t wrong_rights)
{
    static const char asked[] = "a walk that ends in a misconfiguration forgets its gva";
    const uint64_t entry = entry_now(m, c->guests[n].cr3, gva, 1, &c->guests[n]);
    const uint64_t at = entry ? entry_now(m, c->guests[n].root,
                                          *model_word(m, entry) & EPT_ADDRESS, 1, NULL)
                              : 0;
    uint64_t leaf;

    if (at == 0)
        return;
    leaf = *model_word(m, at);
    nested_put(m, n, gva, EPT_READ, true, asked);
    poke_put(m, at, (leaf & ~RWX) | wrong_rights);
    nested_put(m, n, gva, EPT_READ | NESTED_USER, true, asked);
    poke_put(m, at, leaf);
    nested_put(m, n, gva, EPT_READ, true, asked);
}

/* INVLPG in one VM, between two accesses of the other to the same address. */
static void other_vm_invalidates(struct model *m, uint32_t n, uint64_t gva)
{
    static const char asked[] = "INVLPG of one VM leaves the other's translations alone";

    nested_put(m, n, gva, EPT_READ, true, asked);
    invlpg_put(m, 1 - n, gva);
    nested_put(m, n, gva, EPT_READ, true, asked);
}

void stale_translations_are_forgotten(struct judge *judge)
{
    for (unsigned round = 0; round < 6; round++) {
        struct script *s = script_new(judge, CROWD_PAGES, 0);
        const char *asked = "a walk reads what no cache knows, and nothing else";
        struct crowd c;
        struct model *m;

        s->in.cpu[0].access_dirty = round & 1;
        crowd_make(&c, s);
        m = model_start(c.image, c.guests, 2);
        invept_put(m, 0, 0);
        invept_put(m, 3 + (uint32_t)judge_random_below(judge, 9), 0);
        neighbours_walk(m);
        crowd_sweep(m, &c, asked);
        for (uint32_t i = 0; i < 8; i++) {
            page_breaks_and_heals(m, &c, i % 2, c.gvas[i / 2], EPT_WRITE);
            page_breaks_and_heals(m, &c, i % 2, c.gvas[i / 2], EPT_FETCH);
            other_vm_invalidates(m, i % 2, c.gvas[i / 2]);
        }
        for (unsigned i = 0; i < 40; i++) {
            const uint32_t n = (uint32_t)judge_random_below(judge, 2);
            const uint64_t gva = c.gvas[judge_random_below(judge, GVAS)];
            const uint64_t mode = judge_random_below(judge, 2) ? NESTED_USER : 0;

            for (unsigned k = 0; k < 6; k++)
                crowd_walk(m, &c, asked);
            nested_put(m, n, gva, EPT_READ | mode, true, asked);
            crowd_change(m, &c, n, gva);
            asked = crowd_invalidate(m, n, gva);
            nested_put(m, n, gva, EPT_READ | mode, true, asked);
        }
        model_expect(m, "the tables are as guest, VMM and CPU left them");
    }
}
