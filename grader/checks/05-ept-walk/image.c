/* image.c - tables that the judge makes: the memory of a script is filled with EPTs, and with
 * guests whose own tables lie behind them. */
#include <inttypes.h>

#include "checks.h"

struct image *image_new(struct script *s)
{
    struct image *image = memory_get(s->judge, sizeof *image);
    const unsigned count = s->in.memory_pages;

    image->s = s;
    s->in.memory_given = 1;
    for (unsigned i = 0; i < count; i++)
        image->order[i] = (uint8_t)i;
    for (unsigned i = count; i-- > 1;) {
        const unsigned other = (unsigned)judge_random_below(s->judge, i + 1);
        const uint8_t page = image->order[i];

        image->order[i] = image->order[other];
        image->order[other] = page;
    }
    return image;
}

uint64_t image_page(struct image *image)
{
    if (image->used >= image->s->in.memory_pages)
        judge_error(image->s->judge, "the check needs more pages than there are");
    return image->s->in.memory_hpa + image->order[image->used++] * KIB4;
}

uint64_t *image_word(struct image *image, uint64_t hpa)
{
    return &image->s->memory[(hpa - image->s->in.memory_hpa) / KIB4][hpa % KIB4 / 8];
}

/* HPA of the entry for gpa at that level; tables on the way are made. 0: a large page is in
 * the way. */
uint64_t ept_entry(struct image *image, uint64_t root, uint64_t gpa, int level)
{
    uint64_t at = root + (gpa >> 39 & 511) * 8;

    for (int n = 3; n >= level; n--) {
        uint64_t *word = image_word(image, at);

        if (n < 3 && *word & EPT_LARGE)
            return 0;
        if (!(*word & 7))
            *word = image_page(image) | RWX;
        at = (*word & EPT_ADDRESS) + (gpa >> (3 + 9 * n) & 511) * 8;
    }
    return at;
}

/* Maps gpa by a leaf of that level; bits: rights, type, A, D. Returns the entry's HPA. */
uint64_t ept_leaf(struct image *image, uint64_t root, uint64_t gpa, uint64_t hpa, int level,
                  uint64_t bits)
{
    const uint64_t at = ept_entry(image, root, gpa, level);
    const uint64_t size = KIB4 << 9 * (level - 1);

    if (at == 0)
        judge_error(image->s->judge, "there is a larger page at %#" PRIx64, gpa);
    *image_word(image, at) = hpa / size * size | bits | (level > 1 ? EPT_LARGE : 0);
    return at;
}

/* A page of the guest's, as its EPT has it: GPA. */
static uint64_t guest_page(struct guest *g)
{
    const uint64_t hpa = image_page(g->image), gpa = g->tables + (hpa - HPA_BASE);

    ept_leaf(g->image, g->root, gpa, hpa, g->level, g->bits);
    return gpa;
}

struct guest guest_new(struct image *image, uint64_t root, int level)
{
    struct judge *judge = image->s->judge;
    struct guest g = {.image = image, .root = root, .level = level, .bits = RWX | 6 << 3};

    g.tables = (1 + judge_random_below(judge, 1 << 15)) * GIB1;
    g.cr3 = guest_page(&g);
    return g;
}

/* HPA of the guest's entry for gva at that level. */
uint64_t guest_entry(struct guest *g, uint64_t gva, int level)
{
    uint64_t table = g->cr3;

    for (int n = 4;; n--) {
        const uint64_t at = HPA_BASE + (table - g->tables) + (gva >> (3 + 9 * n) & 511) * 8;
        uint64_t *word = image_word(g->image, at);

        if (n == level)
            return at;
        if (!(*word & 1))
            *word = guest_page(g) | 0x67; /* P, W, U, A, D */
        table = *word & EPT_ADDRESS;
    }
}

/* Maps gva to gpa by a leaf of that level. */
void guest_leaf(struct guest *g, uint64_t gva, uint64_t gpa, int level, uint64_t bits)
{
    const uint64_t size = KIB4 << 9 * (level - 1);

    /* Bit 12 of a large page is PAT. */
    *image_word(g->image, guest_entry(g, gva, level)) =
        gpa / size * size | bits | 0x61 |
        (level > 1 ? GUEST_LARGE | judge_random_below(g->image->s->judge, 2) << 12 : 0);
}

struct model *model_start(struct image *image, const struct guest *guests, unsigned count)
{
    struct model *m = model_new(image->s);

    for (unsigned i = 0; i < count; i++) {
        m->roots[i] = guests[i].root;
        VALUE(image->s, 0, "", .kind = LAB05_ADOPT, .ept = i, .hpa = guests[i].root);
        load_cr3_put(m, i, guests[i].cr3 | (judge_random(image->s->judge) & ~EPT_ADDRESS));
    }
    return m;
}
