/* domain.c - tables that the student's attach, detach, map and unmap have made, compared with
 * a list of what was mapped and attached. */
#define _GNU_SOURCE
#include "checks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define POOL 64

/* A script that begins with empty tables: root in page 0, domain n's table in page n + 1.
 */
struct space *space_new(struct judge *judge)
{
    struct space *v = memory_get(judge, sizeof *v);
    struct lab09_model_input *in;

    v->s = script_new(judge);
    in = &v->s->in;
    in->pool_base = random_bits(judge, in->haw - 2u, 24);
    in->root_table = in->pool_base;
    in->page_count = in->pool_pages = POOL;
    in->taken[0] = 1;
    for (uint32_t i = 0; i < POOL; i++)
        in->address[i] = in->pool_base + i * VTD_PAGE;
    for (uint32_t i = POOL - 8; i < POOL;
         i++) /* what was in a page before must not matter */
        memset(in->pages[i], 0xff, VTD_PAGE);
    for (uint32_t d = 0; d < LAB09_DOMAINS; d++) {
        in->taken[d + 1] = 1;
        in->domains[d].table = in->pool_base + (d + 1) * VTD_PAGE;
        in->domains[d].levels = d % 2 ? 3 : 4;
        in->domains[d].id = (uint16_t)(d * 0x101 + judge_random_below(judge, 0xf0));
    }
    return v;
}

void want_put(struct space *v, int64_t want, const char *because, struct lab09_op op)
{
    op_put(v->s, op);
    v->wants[v->s->in.op_count - 1] = want;
    op_because(v->s, because);
}

struct mapping *mapping_find(struct space *v, uint32_t domain, uint64_t page)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (v->mapped[i].domain == domain && v->mapped[i].page == page)
            return &v->mapped[i];
    return NULL;
}

static bool mapping_any(struct space *v, uint32_t domain, uint64_t iova, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += VTD_PAGE)
        if (mapping_find(v, domain, iova + at))
            return true;
    return false;
}

void map_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t physical,
             uint64_t size, uint64_t rights)
{
    bool taken = mapping_any(v, domain, iova, size);

    WANT(v, taken ? -EEXIST : 0, taken ? "a page of the range is mapped" : NULL,
         .kind = LAB09_MAP, .domain = domain, .iova = iova, .physical = physical,
         .size = size, .rights = rights);
    for (uint64_t at = 0; !taken && at < size; at += VTD_PAGE) {
        if (v->count == MAPPED_MAX)
            judge_error(v->s->judge, "the check maps too much");
        v->mapped[v->count++] =
            (struct mapping){domain, iova + at, (physical + at) | rights};
    }
}

void unmap_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t size)
{
    WANT(v, 0, NULL, .kind = LAB09_UNMAP, .domain = domain, .iova = iova, .size = size);
    for (uint32_t i = 0; i < v->count; i++)
        if (v->mapped[i].domain == domain && v->mapped[i].page >= iova &&
            v->mapped[i].page < iova + size)
            v->mapped[i--] = v->mapped[--v->count];
}

void attach_put(struct space *v, uint32_t domain, uint16_t source)
{
    bool busy = v->attached[source] != 0;

    WANT(v, busy ? -EBUSY : 0, busy ? "the device is attached already" : NULL,
         .kind = LAB09_ATTACH, .domain = domain, .source = source);
    if (!busy)
        v->attached[source] = (int)domain + 1;
}

void detach_put(struct space *v, uint32_t domain, uint16_t source)
{
    int in = v->attached[source] - 1;
    bool there = in >= 0 && v->s->in.domains[in].id == v->s->in.domains[domain].id;

    WANT(v, there ? 0 : -ENOENT,
         there ? NULL : "the device is not attached to a domain with this id",
         .kind = LAB09_DETACH, .domain = domain, .source = source);
    if (there)
        v->attached[source] = 0;
}

/* --- what the part made ------------------------------------------------------------- */

/* Runs; results are as they have to be; the judge then reads the part's memory. */
void space_run(struct space *v, const char *asked)
{
    struct script *s = v->s;

    script_run(s);
    for (uint32_t i = 0; i < s->in.op_count; i++)
        if (s->in.ops[i].kind != LAB09_TRANSLATE)
            op_expect(s, i, &(struct lab09_result){.value = v->wants[i]}, asked);
    memcpy(s->in.pages, s->out->pages, s->in.page_count * sizeof s->in.pages[0]);
}

/* The page of the pool at that address is a table, reached for the first time. */
static void table_expect(struct space *v, uint64_t address, bool seen[POOL],
                         const char *what)
{
    static const char asked[] = "each table lies in a page of its own, taken from the pool";
    uint64_t n = (address - v->s->in.pool_base) / VTD_PAGE;

    CHECK(v->s->judge, address >= v->s->in.pool_base && n < POOL, asked,
          "%s leads to 0x%" PRIx64 ", which is not in the pool", what, address);
    CHECK(v->s->judge, v->s->out->taken[n], asked,
          "%s leads to 0x%" PRIx64 ", a page that was not taken with table_take()", what,
          address);
    CHECK(v->s->judge, !seen[n], asked, "%s leads to 0x%" PRIx64 ", which has another use",
          what, address);
    seen[n] = true;
}

/* A level-1 entry as it has to be. Returns 1 if it is a mapping. */
static uint32_t leaf_expect(struct space *v, uint32_t domain, uint64_t iova, uint64_t entry)
{
    static const char asked[] = "the entries at level 1 are what was mapped";
    const struct mapping *m = mapping_find(v, domain, iova);

    CHECK(v->s->judge, !m || entry == m->entry, asked,
          "domain %u, iova 0x%" PRIx64 ": the entry is 0x%016" PRIx64 ", not 0x%016" PRIx64,
          v->s->in.domains[domain].id, iova, entry, m ? m->entry : 0);
    CHECK(v->s->judge, m || entry == 0, asked,
          "domain %u, iova 0x%" PRIx64 ": the entry is 0x%016" PRIx64
          ", but this page is not mapped",
          v->s->in.domains[domain].id, iova, entry);
    return m != NULL;
}

/* All that can be reached from the table. Returns how many mappings there are. */
static uint32_t tree_expect(struct space *v, uint32_t domain, uint64_t table,
                            unsigned level, uint64_t iova, bool seen[POOL])
{
    uint32_t found = 0;

    for (uint64_t n = 0; n < 512; n++) {
        uint64_t entry = word_get(v->s, table + 8 * n), at = iova + (n << level_low[level]);

        if (level == 1) {
            found += leaf_expect(v, domain, at, entry);
        } else if (entry != 0) {
            CHECK(v->s->judge, (entry & ~ones(51, 12)) == 3,
                  "an entry that leads to a table has R, W and an address, nothing else",
                  "domain %u, level %u, iova 0x%" PRIx64 ": 0x%016" PRIx64,
                  v->s->in.domains[domain].id, level, at, entry);
            table_expect(v, entry & ones(51, 12), seen, "an entry");
            found += tree_expect(v, domain, entry & ones(51, 12), level - 1, at, seen);
        }
    }
    return found;
}

static void trees_expect(struct space *v)
{
    bool seen[POOL] = {true};
    uint32_t found = 0;

    for (uint32_t d = 0; d < LAB09_DOMAINS; d++) {
        seen[d + 1] = true;
        found += tree_expect(v, d, v->s->in.domains[d].table, v->s->in.domains[d].levels, 0,
                             seen);
    }
    CHECK(v->s->judge, found == v->count, "the entries at level 1 are what was mapped",
          "%u pages are mapped, not %u", found, v->count);
}

static void context_expect(struct space *v, uint16_t source, const uint64_t entry[2])
{
    int domain = v->attached[source] - 1;
    uint64_t low = 0, high = 0;

    if (domain >= 0) {
        low = v->s->in.domains[domain].table | 1;
        high = (uint64_t)v->s->in.domains[domain].id << 8 |
               (v->s->in.domains[domain].levels == 3 ? 1 : 2);
    }
    CHECK(v->s->judge, entry[0] == low && entry[1] == high,
          "the context entry says domain, width and table, or is 0",
          "device %s: high 0x%016" PRIx64 " low 0x%016" PRIx64 ", not high 0x%016" PRIx64
          " low 0x%016" PRIx64,
          source_text(source), entry[1], entry[0], high, low);
}

static void contexts_expect(struct space *v)
{
    bool seen[POOL] = {true};

    for (unsigned source = 0; source < 65536; source++) {
        uint64_t root[2] = {0}, context[2] = {0};

        pair_read(v->s, v->s->in.root_table + (source >> 8) * 16, root);
        CHECK(v->s->judge, root[1] == 0 && (root[0] & ones(11, 0)) <= 1,
              "a root entry has P and an address, nothing else",
              "bus 0x%x: high 0x%" PRIx64 " low 0x%" PRIx64, source >> 8, root[1], root[0]);
        CHECK(v->s->judge, (root[0] & 1) || !v->attached[source],
              "the bus of an attached device has a context table",
              "P of bus 0x%x's root entry is 0, but %s is attached", source >> 8,
              source_text((uint16_t)source));
        if (!(root[0] & 1))
            continue;
        if (source % 256 == 0)
            table_expect(v, root[0] & ones(63, 12), seen, "a root entry");
        pair_read(v->s, (root[0] & ones(63, 12)) + (source & 0xff) * 16, context);
        context_expect(v, (uint16_t)source, context);
    }
}

/* --- the checks --------------------------------------------------------------------- */

/* What an entry that is not present may hold: bus 0c has no context table, but a root entry
 * full of noise; 0d has a table with noise for some of its devices. */
static void noisy_entries(struct space *v)
{
    struct lab09_model_input *in = &v->s->in;
    uint64_t root[] = {judge_random(v->s->judge) & ~1ull, judge_random(v->s->judge),
                       (in->pool_base + (LAB09_DOMAINS + 1) * VTD_PAGE) | 1, 0};

    in->taken[LAB09_DOMAINS + 1] = 1;
    memcpy(in->pages[0] + 0x0c * 16, root, sizeof root);
    attach_put(v, 1, 0x0c33);
    for (uint16_t source = 0x0d40; source < 0x0d48; source++) {
        uint64_t entry[2] = {judge_random(v->s->judge) & ~1ull, judge_random(v->s->judge)};

        entry[0] |= VTD_CONTEXT_FPD;
        entry[1] = (entry[1] & ~ones(23, 8)) | (uint64_t)in->domains[0].id << 8;
        memcpy(in->pages[LAB09_DOMAINS + 1] + (source & 0xff) * 16, entry, sizeof entry);
        detach_put(v, 0, source);
        op_because(v->s, "P of the context entry is 0: its id does not count");
        attach_put(v, source % 3, source);
    }
}

/* Ids that differ in their high byte; one table with two ids; one id with two tables. */
static void ids_decide(struct space *v)
{
    struct lab09_model_input *in = &v->s->in;

    in->domains[3].id = in->domains[1].id;
    in->domains[4].table = in->domains[2].table;
    in->domains[5].id =
        in->domains[0].id ^ (uint16_t)(1u << (8 + judge_random_below(v->s->judge, 8)));
    if (in->domains[5].id == in->domains[1].id || in->domains[5].id == in->domains[2].id ||
        in->domains[5].id == in->domains[4].id)
        in->domains[5].id ^= 0x8000;
    for (uint32_t d = 0; d < 3; d++) {
        attach_put(v, d, (uint16_t)(0x0200 | d));
        detach_put(v, d == 0 ? 5 : d == 1 ? 3 : 4, (uint16_t)(0x0200 | d));
    }
}

void attach_writes_root_and_context(struct judge *judge)
{
    struct space *v = space_new(judge);
    uint16_t sources[24];

    noisy_entries(v);
    ids_decide(v);
    for (int i = 0; i < 24; i++)
        sources[i] = (uint16_t)(judge_random(judge) & (i % 2 ? 0x03ff : 0xf0ff));
    for (int i = 0; i < 120; i++) {
        uint16_t source = sources[judge_random_below(judge, 24)];
        uint32_t domain = (uint32_t)judge_random_below(judge, LAB09_DOMAINS);

        if (i % 3 == 2 && v->attached[source] && random_bool(judge))
            detach_put(v, (uint32_t)v->attached[source] - 1, source);
        else if (i % 3 == 2)
            detach_put(v, domain, source);
        else
            attach_put(v, domain, source);
    }
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 0);
    WANT(v, -ENOMEM, "no page is left for a context table", .kind = LAB09_ATTACH,
         .source = 0x0e42);
    for (int i = 0; i < 24; i++) /* needs no table: the bus has one, or nobody was there */
        if (v->attached[sources[i]])
            attach_put(v, 0, sources[i]);
    space_run(v, "attach and detach return what the contract says");
    contexts_expect(v);
}

/* A few regions that lie near each other, and far, so that tables are shared and not. */
static uint64_t random_iova(struct judge *judge, const struct space *v, uint32_t domain)
{
    unsigned top = v->s->in.domains[domain].levels == 3 ? 38 : 47;
    uint64_t far = judge_random_below(judge, 3);

    return (far == 0   ? 0
            : far == 1 ? ones(top, 21)
                       : 1ull << (top - 1)) +
           judge_random_below(judge, far == 1 ? 500 : 1020) * VTD_PAGE;
}

void map_writes_level_1_entries(struct judge *judge)
{
    struct space *v = space_new(judge);

    for (int i = 0; i < 90; i++) {
        uint32_t domain = (uint32_t)judge_random_below(judge, 4);

        map_put(v, domain, random_iova(judge, v, domain),
                random_bits(judge, v->s->in.haw - 2u, 12),
                (1 + judge_random_below(judge, 9)) * VTD_PAGE,
                1 + judge_random_below(judge, 3));
    }
    space_run(v, "iommu_map() maps what is free");
    trees_expect(v);
}

void unmap_clears_the_range(struct judge *judge)
{
    struct space *v = space_new(judge);

    map_put(v, 3, 0x5000, 0x1000, 0x4000, 3);
    map_put(v, 3, 0x7000, 0x9000, 0x4000, 3); /* runs into it */
    unmap_put(v, 3, 0x6000, 0x1000);
    unmap_put(v, 3, 0x4000, 0x4000); /* holes at its beginning and in the middle */
    for (int i = 0; i < 120; i++) {
        uint32_t domain = (uint32_t)judge_random_below(judge, 3);
        uint64_t iova = random_iova(judge, v, domain);
        uint64_t size = (1 + judge_random_below(judge, i % 2 ? 9 : 40)) * VTD_PAGE;

        if (i % 2)
            map_put(v, domain, iova, random_bits(judge, v->s->in.haw - 2u, 12), size, 3);
        else if (size <= 38 * VTD_PAGE && field(iova, 20, 12) < 470)
            unmap_put(v, domain, iova, size);
    }
    unmap_put(v, 4, 0x5000, 0x3000); /* nothing was ever there */
    WANT(v, -EINVAL, "size is 0", .kind = LAB09_UNMAP, .iova = 0x1000);
    WANT(v, -EINVAL, "iova is no multiple of 4096", .kind = LAB09_UNMAP, .iova = 0x800,
         .size = 0x1000);
    WANT(v, -EINVAL, "size is no multiple of 4096", .kind = LAB09_UNMAP, .size = 0x1234);
    WANT(v, -ERANGE, "the range passes 2^39, with three levels", .kind = LAB09_UNMAP,
         .domain = 1, .iova = (1ull << 39) - 0x1000, .size = 0x2000);
    WANT(v, -ERANGE, "the range passes 2^48", .kind = LAB09_UNMAP, .size = 1ull << 49);
    WANT(v, -ERANGE, "iova + size wraps around", .kind = LAB09_UNMAP, .iova = 0x100000,
         .size = 0ull - 0x1000);
    space_run(v, "iommu_unmap() returns what the contract says");
    trees_expect(v);
    for (uint64_t n = 0; n < VTD_SL_ENTRIES; n++)
        CHECK(judge, word_get(v->s, v->s->in.domains[4].table + 8 * n) == 0,
              "iommu_unmap() makes no tables",
              "entry %" PRIu64 " of a top table in which nothing was ever mapped is not 0",
              n);
}

static void map_refusals_put(struct space *v, uint32_t domain)
{
    uint64_t host = 1ull << v->s->in.haw;
    unsigned bits = v->s->in.domains[domain].levels == 3 ? 39 : 48;
    uint64_t limit = 1ull << (v->s->in.mgaw < bits ? v->s->in.mgaw : bits);
    const struct {
        int want;
        const char *because;
        uint64_t iova, physical, size, rights;
    } cases[] = {
        {-EINVAL, "size is 0", 0x1000, 0x1000, 0, 3},
        {-EINVAL, "iova is no multiple of 4096", 0x1004, 0x1000, 0x1000, 3},
        {-EINVAL, "physical is no multiple of 4096", 0x1000, 0x1800, 0x1000, 3},
        {-EINVAL, "size is no multiple of 4096", 0x1000, 0x1000, 0x1fff, 3},
        {-EINVAL, "rights are 0", 0x1000, 0x1000, 0x1000, 0},
        {-EINVAL, "rights have another bit", 0x1000, 0x1000, 0x1000, 7},
        {-EINVAL, "physical ends beyond 1 << haw", 0x1000, host - 0x1000, 0x2000, 3},
        {-EINVAL, "physical begins at 1 << haw", 0x1000, host, 0x1000, 3},
        {-EINVAL, "physical + size wraps around", 0x1000, 0ull - 0x1000, 0x2000, 3},
        {-EINVAL, "-EINVAL comes before -ERANGE", limit, 0x1000, 0x1000, 4},
        {-ERANGE, "the range begins at the limit", limit, 0x1000, 0x1000, 3},
        {-ERANGE, "the range ends beyond the limit", limit - 0x1000, 0x1000, 0x2000, 3},
        {-ERANGE, "iova + size wraps around", 0ull - 0x1000, 0x1000, 0x2000, 3},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        WANT(v, cases[i].want, cases[i].because, .kind = LAB09_MAP, .domain = domain,
             .iova = cases[i].iova, .physical = cases[i].physical, .size = cases[i].size,
             .rights = cases[i].rights);
    map_put(v, domain, limit - 0x1000, host - 0x1000, 0x1000,
            2); /* the last page of both */
}

void map_does_all_or_nothing(struct judge *judge)
{
    struct space *v = space_new(judge);
    uint64_t block = 1 + judge_random_below(judge, 60);

    v->s->in.mgaw = (uint8_t)(36 + judge_random_below(judge, 12));
    for (uint32_t d = 0; d < 3; d++)
        map_refusals_put(v, d);
    map_put(v, 4, 0x400000 * block, 0x7000, 0x3000, 1);
    map_put(v, 4, 0x400000 * block - 0x2000, 0x9000, 0x3000, 3); /* runs into it */
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 1);
    WANT(v, -ENOMEM, "two tables are needed, one page is free", .kind = LAB09_MAP,
         .domain = 5, .iova = 0x1ff000, .physical = 0x1000, .size = 0x1000, .rights = 3);
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 0);
    WANT(v, -EEXIST,
         "the last page is mapped, and no page is free for a table: "
         "-EEXIST comes first",
         .kind = LAB09_MAP, .domain = 4, .iova = 0x400000 * block - 0x400000,
         .physical = 0x1000, .size = 0x401000, .rights = 3);
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 3);
    WANT(v, -ENOMEM, "the table for the second half cannot be had", .kind = LAB09_MAP,
         .domain = 3, .iova = 0x3fe000, .physical = 0x1000, .size = 0x3ff000, .rights = 3);
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 20);
    map_put(v, 3, 0x3fe000, 0x1000, 0x4000, 3);
    op_because(v->s, "nothing of the attempt that failed may be in the way");
    space_run(v, "iommu_map() refuses what cannot be, in the contract's order");
    trees_expect(v);
}
