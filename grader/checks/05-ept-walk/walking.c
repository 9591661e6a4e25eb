/* walking.c - checks of ept_walk.c on tables that the judge made, and of the walk in two
 * dimensions without caches. */
#include "checks.h"

/* Addresses that share no table below the root: each in an entry of its own there. Two that
 * are drawn freely can meet, and the large page of one then covers the other. */
static void apart_draw(struct judge *judge, uint64_t *addresses, unsigned count)
{
    const uint64_t first = judge_random_below(judge, 512);

    for (uint64_t i = 0; i < count; i++)
        addresses[i] = (first + 57 * i) % 512 << 39 | judge_random_below(judge, 1ull << 39);
}

/* An access of some kind, in one of the three forms that there are. */
static uint64_t random_access(struct judge *judge)
{
    static const uint64_t forms[] = {0, EPT_ACCESS_LINEAR,
                                     EPT_ACCESS_LINEAR | EPT_ACCESS_FINAL};
    const uint64_t form = forms[judge_random_below(judge, 3)];

    return form |
           (form == EPT_ACCESS_LINEAR ? EPT_READ : 1ull << judge_random_below(judge, 3));
}

#define PLACES       24
#define PLACES_PAGES 64 /* more than tables for them */

/* Pages of all sizes at random places; tables on the way with all kinds of rights. The first is
 * one whose PD allows reading only, and nothing below it matters before the leaf is found. */
static void places_make(struct image *image, uint64_t root, uint64_t places[PLACES],
                        uint64_t extra)
{
    struct judge *judge = image->s->judge;

    for (unsigned i = 0; i < PLACES; i++) {
        const int level = i == 0 ? 1 : 1 + (int)judge_random_below(judge, 3);
        uint64_t at;

        places[i] = i % 3 && i > 2
                        ? (places[i - 1] & ~(GIB1 - 1)) | judge_random_below(judge, GIB1)
                        : random_gpa(judge);
        if (i % 3 && i > 2 && level == 3)
            places[i] = random_gpa(judge);
        at = ept_entry(image, root, places[i], level);
        if (at == 0 || *image_word(image, at) & RWX)
            continue; /* another page, or a table, is there already */
        for (int n = 4; n > level; n--)
            if (judge_random_below(judge, 3) == 0) { /* some tables allow less than all */
                uint64_t *word = image_word(image, ept_entry(image, root, places[i], n));

                *word = (*word & ~RWX) | random_rights(judge);
            }
        ept_leaf(image, root, places[i], judge_random(judge) % (1ull << 46), level,
                 random_rights(judge) | random_type(judge) << 3 |
                     (judge_random(judge) & extra));
    }
    *image_word(image, ept_entry(image, root, places[0], 2)) &= ~(RWX & ~EPT_READ);
}

static uint64_t place_near(struct judge *judge, const uint64_t places[PLACES])
{
    const uint64_t gpa = places[judge_random_below(judge, PLACES)];

    switch (judge_random_below(judge, 6)) {
    case 0:
        return random_gpa(judge);
    case 1: /* a neighbour at some level */
        return (gpa ^ (KIB4 << 9 * judge_random_below(judge, 4))) % (1ull << 48);
    default:
        return (gpa & ~(KIB4 - 1)) | judge_random_below(judge, KIB4);
    }
}

#define IGNORED (0xfff0000000000000ull | 3ull << 10)

static void random_walks(struct judge *judge, uint8_t access_dirty, unsigned count,
                         const char *asked, const char *asked_memory)
{
    struct script *s = script_new(judge, PLACES_PAGES, 0);
    struct image *image = image_new(s);
    const uint64_t root = image_page(image);
    uint64_t places[PLACES];
    struct model *m;

    s->in.cpu[0].access_dirty = access_dirty;
    places_make(image, root, places, IGNORED | EPT_IGNORE_PAT | EPT_ACCESSED | EPT_DIRTY);
    m = model_new(s);
    m->roots[0] = root;
    VALUE(s, 0, "", .kind = LAB05_ADOPT, .hpa = root);
    walk_put(m, 0, places[0], EPT_ACCESS_LINEAR | EPT_ACCESS_FINAL | EPT_READ, false,
             asked);
    walk_put(m, 0, places[0], EPT_ACCESS_LINEAR | EPT_ACCESS_FINAL | EPT_WRITE, false,
             asked);
    for (unsigned i = 0; i < count; i++)
        walk_put(m, 0, place_near(judge, places), random_access(judge), false, asked);
    model_expect(m, asked_memory);
}

void walks_translate_or_say_why_not(struct judge *judge)
{
    random_walks(judge, 0, 1200,
                 "a walk ends with the HPA, or with what the CPU would say of a violation",
                 "without access_dirty, a walk writes nothing");
}

void accessed_and_dirty_are_set(struct judge *judge)
{
    for (unsigned i = 0; i < 4; i++)
        random_walks(judge, 1, 20 + 150 * i,
                     "with access_dirty, a guest's page table is read and written to",
                     "A in each entry that a translation used, D in the leaf that was "
                     "written to, nothing if the walk fails");
}

/* Each bit of an entry is flipped, and then groups of them. */
static void entry_vary(struct model *m, uint64_t at, uint64_t gpa, const char *asked)
{
    const uint64_t whole = *model_word(m, at);

    for (unsigned i = 0; i < 64 + 8 + 8 + 8; i++) {
        uint64_t entry = whole ^ 1ull << i % 64;

        if (i >= 80)
            entry = (whole & ~RWX) | (i - 80);
        else if (i >= 72) /* not present: nothing else counts */
            entry = judge_random(m->s->judge) & ~RWX;
        else if (i >= 64)
            entry = (whole & ~EPT_TYPE) | (uint64_t)(i - 64) << 3;
        poke_put(m, at, entry);
        walk_put(m, 0, gpa, random_access(m->s->judge), false, asked);
    }
    poke_put(m, at, whole);
}

void misconfigured_entries_are_found(struct judge *judge)
{
    static const char asked[] =
        "a present entry with a reserved bit, type or rights is a misconfiguration, "
        "and nothing else is";

    for (unsigned i = 0; i < 4; i++) {
        struct script *s = script_new(judge, 8, 0);
        struct image *image = image_new(s);
        const uint64_t root = image_page(image);
        uint64_t gpas[3];
        struct model *m;

        s->in.cpu[0] = (struct lab05_cpu){
            .physical_bits = (uint8_t)(i ? 36 + judge_random_below(judge, 17) : 52),
            .execute_only = i % 2,
            .page_1g = i >= 2};
        apart_draw(judge, gpas, 3);
        for (int level = 1; level <= 3; level++)
            ept_leaf(image, root, gpas[level - 1], judge_random(judge) % (1ull << 35),
                     level, random_rights(judge) | random_type(judge) << 3);
        m = model_new(s);
        m->roots[0] = root;
        VALUE(s, 0, "", .kind = LAB05_ADOPT, .hpa = root);
        for (int leaf = 1; leaf <= 3; leaf++)
            for (int level = leaf; level <= 4; level++)
                entry_vary(m, ept_entry(image, root, gpas[leaf - 1], level), gpas[leaf - 1],
                           asked);
        model_expect(m, "without access_dirty, a walk writes nothing");
    }
}

/* --- two dimensions ---------------------------------------------------------------------- */

/* All page sizes of the guest's tables, the guest's page and the EPT's page. */
void a_cold_walk_makes_24_references(struct judge *judge)
{
    static const char asked[] = "each reference of a walk in two dimensions, in its order";
    static const uint64_t kinds[] = {EPT_READ, EPT_WRITE, EPT_FETCH};

    for (int tables = 1; tables <= 3; tables++) {
        struct script *s = script_new(judge, 48, 0);
        struct image *image = image_new(s);
        struct guest g = guest_new(image, image_page(image), tables);
        uint64_t gvas[9];
        struct model *m;

        s->in.cpu[0].access_dirty = tables != 2;
        apart_draw(judge, gvas, 9);
        for (int i = 0; i < 9; i++) {
            const uint64_t gpa =
                (1ull << 46) + ((uint64_t)i << 39) + judge_random_below(judge, GIB1);

            gvas[i] = canonical(gvas[i]);
            guest_leaf(&g, gvas[i], gpa, 1 + i / 3, GUEST_WRITABLE | GUEST_USER);
            ept_leaf(image, g.root,
                     (gpa & ~((KIB4 << 9 * (i / 3)) - 1)) + gvas[i] % (KIB4 << 9 * (i / 3)),
                     judge_random(judge) % (1ull << 46), 1 + i % 3, RWX | 6 << 3);
        }
        m = model_start(image, &g, 1);
        OP(s, "without caches, INVLPG has nothing to forget", .kind = LAB05_INVLPG,
           .gpa = gvas[0]);
        OP(s, "without caches, a CR3 load just stores it", .kind = LAB05_LOAD_CR3,
           .gpa = m->cr3[0]);
        for (int i = 0; i < 27; i++) {
            const struct want *want =
                nested_put(m, 0, gvas[i % 9],
                           kinds[judge_random_below(judge, 3)] |
                               (judge_random_below(judge, 2) ? NESTED_USER : 0),
                           false, asked);

            if (tables == 1 && i == 0 && want->ref_count != 24)
                judge_error(judge, "the model makes %u references", want->ref_count);
        }
        model_expect(m, "the guest's tables and the EPT are as the CPU leaves them");
    }
}

#define SOME_GVAS  12
#define CLEAN_GVAS 4

/* Pages with all kinds of rights, of the guest's and of the EPT's, for tables too. */
static void forbidden_make(struct guest *g, uint64_t gvas[SOME_GVAS])
{
    struct judge *judge = g->image->s->judge;

    for (unsigned i = 0; i < SOME_GVAS; i++) {
        const uint64_t gpa = (1ull << 46) + judge_random_below(judge, 1 << 15) * KIB4;
        const uint64_t bits = (judge_random(judge) & 6) | judge_random_below(judge, 2)
                                                              << 63;

        g->bits = (i % 4 ? RWX : random_rights(judge)) | 6 << 3; /* of further tables */
        gvas[i] = i % 3 ? gvas[i - 1] + MIB2 * (i % 2) + KIB4 : random_gva(judge);
        guest_leaf(g, gvas[i], gpa, 1, bits);
        ept_leaf(g->image, g->root, gpa, gpa % (1ull << 45) + HPA_BASE, 1,
                 judge_random_below(judge, 6)
                     ? random_rights(judge) | judge_random_below(judge, 8) / 7 << 4
                     : 0);
    }
    g->bits = RWX | 6 << 3;
}

/* Damage: the guest's tables forbid, or are not there, or at a GPA that is not mapped. */
static void guest_damage(struct guest *g, const uint64_t gvas[SOME_GVAS], bool unmapped)
{
    struct judge *judge = g->image->s->judge;

    for (unsigned i = 0; i < 4; i++) {
        const uint64_t gva = gvas[judge_random_below(judge, SOME_GVAS)];
        uint64_t *entry = image_word(
            g->image, guest_entry(g, gva, 1 + (int)judge_random_below(judge, 4)));

        *entry ^= i < 3 ? 1ull << (i == 2 ? 63 : 1 + i) : 1;
        if (i == 3 && unmapped)
            *entry = (*entry | 1) + (1ull << 45);
    }
}

/* Pages that only the EPT, or only the guest, limits. */
static void clean_make(struct guest *g, uint64_t gvas[CLEAN_GVAS])
{
    static const uint64_t guests[CLEAN_GVAS] = {6, 6, 4, 2 | GUEST_NO_EXECUTE};
    static const uint64_t epts[CLEAN_GVAS] = {EPT_READ, RX, RWX, RWX};

    for (unsigned i = 0; i < CLEAN_GVAS; i++) {
        const uint64_t gpa = (1ull << 46) + (1ull << 40) + i * KIB4;

        gvas[i] = i ? gvas[i - 1] ^ KIB4 << i : random_gva(g->image->s->judge);
        guest_leaf(g, gvas[i], gpa, 1, guests[i]);
        ept_leaf(g->image, g->root, gpa, gpa % (1ull << 45) + HPA_BASE, 1, epts[i]);
    }
}

/* A guest with many pages, some forbidden by the guest, some by the EPT, at both dimensions. */
void faults_and_violations_differ(struct judge *judge)
{
    static const char asked[] =
        "what the guest's tables forbid is a page fault; what the EPT forbids an exit";

    for (unsigned round = 0; round < 6; round++) {
        struct script *s = script_new(judge, 64, 0);
        struct image *image = image_new(s);
        struct guest g = guest_new(image, image_page(image), 1);
        uint64_t gvas[SOME_GVAS], clean[CLEAN_GVAS];
        struct model *m;

        s->in.cpu[0].access_dirty = round % 2;
        forbidden_make(&g, gvas);
        guest_damage(&g, gvas, round % 3 == 0);
        clean_make(&g, clean);
        m = model_start(image, &g, 1);
        for (unsigned i = 0; i < 24; i++)
            nested_put(m, 0, clean[i / 6], 1ull << i % 3 | i / 3 % 2 << 3, false, asked);
        for (unsigned i = 0; i < 200; i++)
            nested_put(m, 0,
                       gvas[judge_random_below(judge, SOME_GVAS)] +
                           judge_random_below(judge, KIB4),
                       1ull << judge_random_below(judge, 3) | judge_random_below(judge, 2)
                                                                  << 3,
                       false, asked);
        model_expect(m, "a walk that fails changes nothing");
    }
}
