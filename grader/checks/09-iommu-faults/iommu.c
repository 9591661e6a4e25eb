/* iommu.c - the judge's own IOMMU, against which the student's is compared. What tables mean is
 * found out by a walk that first collects entries and then judges them. Also: tables that
 * the judge makes for both. */
#define _GNU_SOURCE
#include "checks.h"

#include <string.h>

/* --- the judge's own IOMMU ---------------------------------------------------------- */

static bool word_read(struct script *s, uint64_t address, uint64_t *word)
{
    s->reads++;
    for (uint32_t i = 0; i < s->in.page_count && address != s->hole; i++)
        if (address >= s->in.address[i] && address < s->in.address[i] + VTD_PAGE) {
            memcpy(word, s->in.pages[i] + (address - s->in.address[i]), sizeof *word);
            return true;
        }
    return false;
}

const unsigned level_low[] = {0, 12, 21, 30, 39};

static bool maps_page(uint64_t entry, unsigned level)
{
    return level == 1 || (level != 4 && field(entry, 7, 7));
}

struct path path_collect(struct script *s, uint64_t table, unsigned levels, uint64_t iova)
{
    struct path p = {.levels = levels};

    for (unsigned level = levels; level >= 1; level--) {
        unsigned low = level_low[level];
        uint64_t entry;

        if (!word_read(s, table + 8 * field(iova, low + 8, low), &entry)) {
            p.broken = true;
            return p;
        }
        p.entries[p.count++] = entry;
        if (field(entry, 1, 0) == 0 || maps_page(entry, level))
            return p;
        table = field(entry, 51, 12) << 12;
    }
    return p;
}

static bool entry_is_clean(const struct script *s, uint64_t entry, unsigned level)
{
    uint64_t forbidden = ones(62, 62) | ones(11, 11) | ones(51, s->in.haw);

    if (level == 4)
        forbidden |= ones(7, 7);
    else if (maps_page(entry, level))
        forbidden |= ones(level_low[level] - 1, 12);
    return (entry & forbidden) == 0;
}

/* What the path is worth. *cached gets page and rights if it leads to a page. */
static int path_judge(const struct script *s, const struct path *p, uint64_t iova,
                      bool write, struct cached *cached)
{
    int denied = write ? VTD_NO_WRITE : VTD_NO_READ;
    uint64_t rights = 3, last = 0;
    unsigned level = p->levels, low;

    for (unsigned i = 0; i < p->count; i++, level--) {
        last = p->entries[i];
        if (field(last, 1, 0) == 0)
            return denied;
        if (!entry_is_clean(s, last, level))
            return VTD_ENTRY_RESERVED;
        rights &= last;
    }
    if (p->broken)
        return p->count == 0 ? VTD_CONTEXT_INVALID : VTD_TABLE_UNREADABLE;
    low = level_low[level + 1];
    cached->page = field(iova, 63, 12) << 12;
    cached->rights = rights;
    cached->physical = field(last, 51, low) << low;
    if (low > 12)
        cached->physical |= field(iova, low - 1, 12) << 12;
    return field(rights, write, write) ? VTD_OK : denied;
}

/* Reads a two-word entry. */
bool pair_read(struct script *s, uint64_t address, uint64_t pair[2])
{
    return word_read(s, address, &pair[0]) && word_read(s, address + 8, &pair[1]);
}

int context_judge(struct script *s, uint16_t source, uint64_t context[2], bool *known)
{
    uint64_t root[2];

    *known = false;
    if (!pair_read(s, s->in.root_table + field(source, 15, 8) * 16, root))
        return VTD_ROOT_UNREADABLE;
    if (!field(root[0], 0, 0))
        return VTD_ROOT_NOT_PRESENT;
    if ((root[0] & (ones(11, 1) | ones(63, s->in.haw))) != 0 || root[1] != 0)
        return VTD_ROOT_RESERVED;
    if (!pair_read(s, (root[0] & ones(63, 12)) + field(source, 7, 0) * 16, context))
        return VTD_CONTEXT_UNREADABLE;
    *known = true;
    if (!field(context[0], 0, 0))
        return VTD_CONTEXT_NOT_PRESENT;
    if ((context[0] & (ones(11, 4) | ones(63, s->in.haw))) != 0 ||
        (context[1] & (ones(7, 7) | ones(63, 24))) != 0)
        return VTD_CONTEXT_RESERVED;
    if (field(context[0], 3, 2) != 0 ||
        !field(s->in.sagaw, (unsigned)field(context[1], 2, 0),
               (unsigned)field(context[1], 2, 0)))
        return VTD_CONTEXT_INVALID;
    return VTD_OK;
}

static void log_expect(struct script *s, const struct lab09_fault *fault)
{
    if (field(s->status, 0, 0))
        return;
    if (field(s->high, 63, 63)) {
        if (field(s->high, 15, 0) != fault->source)
            s->status |= 1;
        return;
    }
    s->status |= 2;
    s->low = field(fault->page, 63, 12) << 12;
    s->high = 1ull << 63 | (fault->write ? 0 : 1ull << 62) | (uint64_t)fault->reason << 32 |
              fault->source;
}

static int page_judge(struct script *s, const struct lab09_op *op,
                      const uint64_t context[2], uint64_t *physical)
{
    unsigned levels = (unsigned)field(context[1], 2, 0) + 2;
    unsigned width = levels == 3 ? 39 : 48;
    uint16_t domain = (uint16_t)field(context[1], 23, 8);
    uint64_t page = field(op->iova, 63, 12);
    struct cached *slot = &s->cache[page % IOTLB_ENTRIES], fresh = {.valid = true};
    struct path path;
    int reason;

    if (field(op->iova, 63, width < s->in.mgaw ? width : s->in.mgaw) != 0)
        return VTD_BEYOND_WIDTH;
    if (slot->valid && slot->domain == domain && slot->page == page << 12 &&
        field(slot->rights, op->write, op->write)) {
        *physical = slot->physical + field(op->iova, 11, 0);
        return VTD_OK;
    }
    path = path_collect(s, field(context[0], 63, 12) << 12, levels, op->iova);
    reason = path_judge(s, &path, op->iova, op->write, &fresh);
    if (reason != VTD_OK)
        return reason;
    fresh.domain = domain;
    *slot = fresh;
    *physical = fresh.physical + field(op->iova, 11, 0);
    return VTD_OK;
}

static void translate_judge(struct script *s, const struct lab09_op *op,
                            struct lab09_result *r)
{
    uint64_t context[2];
    bool known;

    s->reads = 0;
    r->value = context_judge(s, op->source, context, &known);
    if (r->value == VTD_OK)
        r->value = page_judge(s, op, context, &r->physical);
    r->reads = s->reads;
    if (r->value != VTD_OK && !(known && field(context[0], 1, 1)))
        log_expect(s, &(struct lab09_fault){.source = op->source,
                                            .write = op->write != 0,
                                            .reason = (uint8_t)r->value,
                                            .page = field(op->iova, 63, 12) << 12});
}

static void cache_forget(struct script *s, uint16_t domain, uint64_t iova, uint64_t size)
{
    for (int i = 0; i < IOTLB_ENTRIES; i++) {
        struct cached *c = &s->cache[i];

        if (c->domain == domain && c->page >= iova && c->page - iova < size)
            c->valid = false;
    }
}

static void poke_judge(struct script *s, const struct lab09_op *op)
{
    for (uint32_t i = 0; i < s->in.page_count; i++)
        if (op->physical - s->in.address[i] < VTD_PAGE)
            memcpy(s->in.pages[i] + (op->physical - s->in.address[i]), &op->size, 8);
}

static void decode_judge(const struct lab09_op *op, struct lab09_result *r)
{
    r->value = (int64_t)field(op->high, 63, 63);
    r->fault = (struct lab09_fault){.page = field(op->low, 63, 12) << 12,
                                    .source = (uint16_t)field(op->high, 15, 0),
                                    .reason = (uint8_t)field(op->high, 39, 32),
                                    .write = !field(op->high, 62, 62)};
}

static void take_judge(struct script *s, struct lab09_result *r)
{
    const struct lab09_op record = {.low = s->low, .high = s->high};

    decode_judge(&record, r);
    r->lost = field(s->status, 0, 0) != 0;
    s->status &= ~1u;
    if (r->value)
        s->status &= ~2u;
    else
        r->fault = (struct lab09_fault){.page = ~0ull, .reason = 0xee};
    s->high &= ~(1ull << 63);
}

static void registers_judge(struct script *s, const struct lab09_op *op,
                            struct lab09_result *r)
{
    if (op->kind == LAB09_LOG_SET) {
        s->low = op->low;
        s->high = op->high;
        s->status = op->status;
    }
    r->low = s->low;
    r->high = s->high;
    r->status = s->status;
}

/* What the operation has to do to tables that the judge made. */
static void op_judge(struct script *s, const struct lab09_op *op, struct lab09_result *r)
{
    switch (op->kind) {
    case LAB09_TRANSLATE:
        translate_judge(s, op, r);
        break;
    case LAB09_INVALIDATE:
        cache_forget(s, op->id, op->iova, op->size);
        break;
    case LAB09_POKE:
        poke_judge(s, op);
        break;
    case LAB09_HOLE:
        s->hole = op->physical;
        break;
    case LAB09_ENCODE:
        r->low = field(op->fault.page, 63, 12) << 12;
        r->high = 1ull << 63 | (op->fault.write ? 0 : 1ull << 62) |
                  (uint64_t)op->fault.reason << 32 | op->fault.source;
        break;
    case LAB09_DECODE:
        decode_judge(op, r);
        break;
    case LAB09_LOG_ADD:
        log_expect(s, &op->fault);
        break;
    case LAB09_LOG_TAKE:
        take_judge(s, r);
        break;
    default:
        registers_judge(s, op, r);
        break;
    }
}

/* Runs the script and compares each result with what the judge's own IOMMU does. */
void script_compare(struct script *s, const char *asked)
{
    script_run(s);
    for (uint32_t i = 0; i < s->in.op_count; i++) {
        struct lab09_result want = {0};

        op_judge(s, &s->in.ops[i], &want);
        if (!s->count_reads)
            want.reads = READS_ANY;
        op_expect(s, i, &want, asked);
    }
}

/* --- tables made by the judge ------------------------------------------------------- */

bool address_is_used(const struct script *s, uint64_t address)
{
    for (uint32_t i = 0; i < s->in.page_count; i++)
        if (s->in.address[i] == address)
            return true;
    return false;
}

/* A new page of the IOMMU's memory, anywhere: its physical address. */
static uint64_t page_new(struct script *s)
{
    uint64_t address;

    if (s->in.page_count == LAB09_PAGES)
        judge_error(s->judge, "the check needs too many pages");
    do
        address = random_bits(s->judge, s->in.haw - 1u, 12);
    while (address_is_used(s, address));
    s->in.address[s->in.page_count++] = address;
    return address;
}

/* An address where no page is. */
uint64_t nowhere(struct script *s)
{
    uint64_t address;

    do
        address = random_bits(s->judge, s->in.haw - 1u, 12);
    while (address_is_used(s, address));
    return address;
}

uint64_t word_get(struct script *s, uint64_t address)
{
    uint64_t word = 0;

    word_read(s, address, &word);
    return word;
}

void word_set(struct script *s, uint64_t address, uint64_t word)
{
    poke_judge(s, &(struct lab09_op){.physical = address, .size = word});
}

/* A device with a tree of its own, or (table not 0) that one. Returns the tree's table. */
uint64_t device_make(struct script *s, uint16_t source, uint16_t id, unsigned levels,
                     uint64_t table)
{
    uint64_t root, context;

    if (s->in.root_table == 0)
        s->in.root_table = page_new(s);
    root = s->in.root_table + (source >> 8) * 16u;
    if (word_get(s, root) == 0)
        word_set(s, root, page_new(s) | 1);
    context = (word_get(s, root) & ones(63, 12)) + (source & 0xffu) * 16u;
    if (table == 0)
        table = page_new(s);
    word_set(s, context, table | 1);
    word_set(s, context + 8,
             (uint64_t)id << 8 | random_bits(s->judge, 6, 3) | (levels == 3 ? 1 : 2));
    return table;
}

/* Bits that the IOMMU has to ignore. */
static uint64_t noise(struct script *s, unsigned level)
{
    return random_bits(s->judge, 63, 63) | random_bits(s->judge, 61, 52) |
           random_bits(s->judge, 10, 8) | random_bits(s->judge, 6, 2) |
           (level == 1 ? random_bits(s->judge, 7, 7) : 0);
}

/* Where the entry of that level lies; tables on the way are made. */
uint64_t entry_address(struct script *s, uint64_t table, unsigned levels, uint64_t iova,
                       unsigned level)
{
    for (unsigned at = levels; at > level; at--) {
        uint64_t entry = table + 8 * field(iova, level_low[at] + 8, level_low[at]);

        if (field(word_get(s, entry), 1, 0) == 0)
            word_set(s, entry, page_new(s) | noise(s, at) | 3);
        table = word_get(s, entry) & ones(51, 12);
    }
    return table + 8 * field(iova, level_low[level] + 8, level_low[level]);
}

/* Maps a page of the level's size; returns where its entry lies. */
uint64_t leaf_make(struct script *s, uint64_t table, unsigned levels, uint64_t iova,
                   unsigned level, uint64_t rights)
{
    uint64_t entry = entry_address(s, table, levels, iova, level);

    word_set(s, entry,
             random_bits(s->judge, s->in.haw - 1u, level_low[level]) | noise(s, level) |
                 rights | (level > 1 ? VTD_SL_LARGE : 0));
    return entry;
}

/* A source-id on a bus that is not much used, so that few context tables are needed. */
uint16_t random_source(struct judge *judge, unsigned bus)
{
    return (uint16_t)(bus << 8 | judge_random_below(judge, 256));
}

uint64_t root_of(const struct script *s, uint16_t source)
{
    return s->in.root_table + (source >> 8) * 16u;
}

uint64_t context_of(struct script *s, uint16_t source)
{
    return (word_get(s, root_of(s, source)) & ones(63, 12)) + (source & 0xffu) * 16u;
}
