/* stale.c - what an IOTLB must not know any more after unmap and detach, and what a device may
 * meet that reads while tables are written. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* An access to a page, and what it has to give. hit: 4 words read are enough. */
static void access_expect(struct space *v, uint32_t i, const struct mapping *m, bool stale)
{
    const struct lab09_op *op = &v->s->in.ops[i];
    const struct lab09_result *got = &v->s->out->results[i];
    struct lab09_result want = {.value = op->write ? VTD_NO_WRITE : VTD_NO_READ,
                                .reads = READS_ANY};

    CHECK(v->s->judge, m || got->value != VTD_OK,
          "after an unmap (or detach) no translation of it is left in the IOTLB",
          "operation %u: %s by %s at iova 0x%" PRIx64 " still reaches 0x%" PRIx64
          ", but the page is not mapped any more: a stale translation",
          i, op->write ? "a write" : "a read", source_text(op->source), op->iova,
          got->physical);
    if (m && stale)
        want = (struct lab09_result){
            .physical = (m->entry & ones(51, 12)) | (op->iova & 0xfff), .reads = READS_ANY};
    else if (m)
        want = (struct lab09_result){
            .physical = (m->entry & ones(51, 12)) | (op->iova & 0xfff), .reads = 4};
    op_expect(v->s, i, &want,
              stale ? "a page is translated as it is mapped now"
                    : "what was not unmapped stays in the IOTLB");
}

/* The script, and for each translation what was mapped when it was made. */
struct stale_case {
    struct space *v;
    struct mapping expected[LAB09_OPS];
    bool walked[LAB09_OPS]; /* it may have to be walked for; else the IOTLB has it */
    uint64_t iova;
    uint16_t source, other; /* devices of domains A and B */
};

enum { STALE_A = 1, STALE_B = 3, STALE_A_PAGES = 12, STALE_PAGES = 16 };

static uint64_t random_page(struct space *v)
{
    return random_bits(v->s->judge, v->s->in.haw - 2u, 12);
}

/* A translation of each page: 0 to 11 are domain A's, 12 to 15 B's. */
static void stale_pass(struct stale_case *c, uint64_t pages, bool walked)
{
    for (uint64_t n = 0; n < pages; n++) {
        bool a = n < STALE_A_PAGES;
        uint64_t iova = c->iova + n * VTD_PAGE;
        const struct mapping *m = mapping_find(c->v, a ? STALE_A : STALE_B, iova);

        translate_put(c->v->s, a ? c->source : c->other,
                      iova | random_bits(c->v->s->judge, 11, 0),
                      random_bool(c->v->s->judge));
        if (m)
            c->expected[c->v->s->in.op_count - 1] = *m;
        c->walked[c->v->s->in.op_count - 1] = walked;
    }
}

/* The same id with other tables: what detach left would be found. */
static void stale_other_tables(struct stale_case *c)
{
    c->v->s->in.domains[5].id = c->v->s->in.domains[STALE_A].id;
    detach_put(c->v, STALE_A, c->source);
    attach_put(c->v, 5, c->source);
    translate_put(c->v->s, c->source, c->iova + 11 * VTD_PAGE, false);
    for (uint64_t n = STALE_A_PAGES; n < STALE_PAGES; n++) { /* B's are still cached */
        translate_put(c->v->s, c->other, c->iova + n * VTD_PAGE, n & 1);
        c->expected[c->v->s->in.op_count - 1] =
            *mapping_find(c->v, STALE_B, c->iova + n * VTD_PAGE);
    }
    detach_put(c->v, 5, c->source);
    attach_put(c->v, STALE_A, c->source);
}

static void stale_round(struct stale_case *c, unsigned round)
{
    uint64_t first = judge_random_below(c->v->s->judge, 10);

    stale_pass(c, STALE_PAGES, true);
    if (round % 3 == 2) { /* the other domain: nothing of A's goes */
        unmap_put(c->v, STALE_B, c->iova, 4 * VTD_PAGE);
        map_put(c->v, STALE_B, c->iova, random_page(c->v), 4 * VTD_PAGE, 3);
    }
    stale_pass(c, STALE_PAGES, false);
    unmap_put(c->v, STALE_A, c->iova + first * VTD_PAGE, (1 + first % 3) * VTD_PAGE);
    if (round % 2) /* another place for the first of them */
        map_put(c->v, STALE_A, c->iova + first * VTD_PAGE, random_page(c->v), VTD_PAGE, 3);
    if (round == 4)
        stale_other_tables(c);
}

/* A device that reads while tables are written: what it caches in between has to go, too,
 * and it never meets half of an entry. */
static void stale_by_witness(struct stale_case *c)
{
    struct script *s = c->v->s;
    uint64_t fresh = c->iova ^ 1ull << 37; /* no tables are there yet */
    uint16_t second = c->source ^ 2;       /* on the same bus */
    uint16_t elsewhere = c->source ^ 0x400;
    uint64_t root[2] = {random_bits(s->judge, 63, 1), random_bits(s->judge, 63, 0) | 1};

    memcpy(s->in.pages[0] + (elsewhere >> 8) * sizeof root, root, sizeof root);

    OP(s, .kind = LAB09_WITNESS, .id = 1, .source = c->source, .iova = c->iova);
    unmap_put(c->v, STALE_A, c->iova, VTD_PAGE);
    translate_put(s, c->source, c->iova, false);
    op_because(s, "a device read while iommu_unmap() was at work");
    map_put(c->v, STALE_A, c->iova, random_page(c->v), VTD_PAGE, 3);

    OP(s, .kind = LAB09_WITNESS, .id = 1, .source = second, .iova = c->iova);
    attach_put(c->v, STALE_A, second);
    detach_put(c->v, STALE_A, second);
    s->in.domains[5].id = s->in.domains[STALE_A].id;
    attach_put(c->v, 5, second);
    OP(s, .kind = LAB09_WITNESS);
    translate_put(s, second, c->iova, false);
    op_because(s, "a device read while iommu_detach() was at work");
    detach_put(c->v, 5, second);

    OP(s, .kind = LAB09_WITNESS, .id = 1, .source = elsewhere, .iova = c->iova);
    attach_put(c->v, STALE_A, elsewhere); /* its root entry is noise */

    OP(s, .kind = LAB09_WITNESS, .id = 1, .source = c->source,
       .iova = fresh + 510 * VTD_PAGE);
    map_put(c->v, STALE_A, fresh + 509 * VTD_PAGE, random_page(c->v), VTD_PAGE, 3);
    WANT(c->v, 0, NULL, .kind = LAB09_POOL, .size = 0);
    WANT(c->v, -ENOMEM, "the table for the last page cannot be had", .kind = LAB09_MAP,
         .domain = STALE_A, .iova = fresh + 510 * VTD_PAGE, .physical = 0x1000,
         .size = 3 * VTD_PAGE, .rights = 3);
    OP(s, .kind = LAB09_WITNESS);
    translate_put(s, c->source, fresh + 510 * VTD_PAGE, false);
    op_because(s, "a device read while iommu_map() was at work, which then failed");
    WANT(c->v, 0, NULL, .kind = LAB09_POOL, .size = 30);
}

/* While entries are written, an access succeeds or finds something not present. */
static void witness_expect(struct space *v, uint32_t i)
{
    static const uint32_t fine = 1u << VTD_OK | 1u << VTD_ROOT_NOT_PRESENT |
                                 1u << VTD_CONTEXT_NOT_PRESENT | 1u << VTD_NO_READ;
    uint32_t bad = v->s->out->results[i].witnessed & ~fine;
    char what[TEXT_MAX];

    op_text(v->s, &v->s->in.ops[i], what, sizeof what);
    CHECK(v->s->judge, bad == 0,
          "a device that reads while entries are written never meets half of one",
          "operation %u, %s: between two writes to a table a read was refused with reason "
          "0x%x (%s)",
          i, what, (unsigned)__builtin_ctz(bad | 1u << 31),
          reason_name((unsigned)__builtin_ctz(bad | 1u << 31)));
}

void unmap_leaves_nothing_stale(struct judge *judge)
{
    struct stale_case *c = memory_get(judge, sizeof *c);
    struct script *s;

    c->v = space_new(judge);
    s = c->v->s;
    c->iova = random_bits(judge, 36, 21) | 1ull << 36;
    c->source = random_source(judge, 3);
    c->other = c->source ^ 0x11;
    attach_put(c->v, STALE_A, c->source);
    attach_put(c->v, STALE_B, c->other);
    map_put(c->v, STALE_A, c->iova, random_page(c->v), STALE_A_PAGES * VTD_PAGE, 3);
    map_put(c->v, STALE_B, c->iova, random_page(c->v), 24 * VTD_PAGE, 3);
    stale_by_witness(c);
    for (unsigned round = 0; round < 9; round++)
        stale_round(c, round);
    unmap_put(c->v, STALE_A, c->iova + 3 * VTD_PAGE, VTD_PAGE);
    unmap_put(c->v, STALE_A, c->iova - 2 * VTD_PAGE, /* begins where there are no tables */
              (2 + STALE_A_PAGES) * VTD_PAGE);       /* and has holes */
    stale_pass(c, STALE_A_PAGES, true);

    space_run(c->v, "map, unmap, attach and detach return what the contract says");
    for (uint32_t i = 0; i < s->in.op_count; i++)
        if (s->in.ops[i].kind == LAB09_TRANSLATE)
            access_expect(c->v, i, c->expected[i].entry ? &c->expected[i] : NULL,
                          c->walked[i]);
    for (uint32_t i = 0; i < s->in.op_count; i++)
        witness_expect(c->v, i);
}
