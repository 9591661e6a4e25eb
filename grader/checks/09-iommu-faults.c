/* 09-iommu-faults.c - the checks of lab 09.
 *
 * Target model: scripts of operations. What tables mean is found out by a walk of the
 * judge's own, which first collects entries and then judges them; what was mapped, by a
 * list of pages. Target machine: QEMU's trace of the emulated IOMMU, the machine's page
 * tables read from outside, and guest RAM.
 */
#define _GNU_SOURCE
#include "../subjects/09-iommu-faults.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "dma_device.h"

#define TEXT_MAX  300
#define READS_ANY UINT32_MAX

static void *memory_get(struct judge *judge, size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        judge_error(judge, "out of memory");
    return memory; /* lives as long as the check's process */
}

static uint64_t random_bits(struct judge *judge, unsigned high, unsigned low)
{
    return (judge_random(judge) << (63 - (high - low)) >> (63 - (high - low))) << low;
}

static bool random_bool(struct judge *judge)
{
    return judge_random(judge) & 1;
}

/* Bits high to low of a value, moved down. */
static uint64_t field(uint64_t value, unsigned high, unsigned low)
{
    return value << (63 - high) >> (63 - high) >> low;
}

/* The same bits set, in place. */
static uint64_t ones(unsigned high, unsigned low)
{
    return high < low ? 0 : (~0ull >> (63 - high) >> low) << low;
}

/* === a script for the model ========================================================== */

struct cached {
    bool valid;
    uint16_t domain;
    uint64_t page, physical, rights;
};

struct script {
    struct judge *judge;
    struct lab09_model_input in;
    const struct lab09_model_output *out;
    const char *because[LAB09_OPS];
    bool count_reads; /* how many words a translation reads has to be right, too */

    /* the judge's own view, brought along operation by operation after the run */
    struct cached cache[IOTLB_ENTRIES];
    uint32_t reads;
    uint64_t hole;      /* the word that cannot be read; 0: none */
    uint64_t low, high; /* of the fault record */
    uint32_t status;
};

static struct script *script_new(struct judge *judge)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->in.haw = (uint8_t)(40 + judge_random_below(judge, 10));
    s->in.mgaw = 48;
    s->in.sagaw = 6; /* 39 and 48 bits */
    return s;
}

static struct lab09_op *op_put(struct script *s, struct lab09_op op)
{
    if (s->in.op_count == LAB09_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[s->in.op_count] = op;
    return &s->in.ops[s->in.op_count++];
}

#define OP(s, ...) op_put(s, (struct lab09_op){__VA_ARGS__})

/* Why the operation that was put last has its result. */
static void op_because(struct script *s, const char *why)
{
    s->because[s->in.op_count - 1] = why;
}

static void translate_put(struct script *s, uint16_t source, uint64_t iova, bool write)
{
    OP(s, .kind = LAB09_TRANSLATE, .source = source, .iova = iova, .write = write);
}

static void script_run(struct script *s)
{
    size_t pages = s->in.page_count * sizeof s->in.pages[0];
    const struct run_spec spec = {.entry = LAB09_MODEL,
                                  .input = &s->in,
                                  .input_size =
                                      offsetof(struct lab09_model_input, pages) + pages};

    s->out = (const void *)judge_run(s->judge, &spec,
                                     offsetof(struct lab09_model_output, pages) + pages)
                 ->answer;
}

/* --- in words ------------------------------------------------------------------------ */

static const char *reason_name(uint64_t reason)
{
    static const char *const names[] = {
        "VTD_OK",
        "VTD_ROOT_NOT_PRESENT",
        "VTD_CONTEXT_NOT_PRESENT",
        "VTD_CONTEXT_INVALID",
        "VTD_BEYOND_WIDTH",
        "VTD_NO_WRITE",
        "VTD_NO_READ",
        "VTD_TABLE_UNREADABLE",
        "VTD_ROOT_UNREADABLE",
        "VTD_CONTEXT_UNREADABLE",
        "VTD_ROOT_RESERVED",
        "VTD_CONTEXT_RESERVED",
        "VTD_ENTRY_RESERVED",
    };

    return reason < sizeof names / sizeof names[0] ? names[reason]
                                                   : "no reason that we know";
}

static const char *errno_text(int64_t value, char *buffer, size_t size)
{
    const char *name = value < -1 && value > -200 ? strerrorname_np((int)-value) : NULL;

    if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, value);
    return buffer;
}

static const char *source_text(uint16_t source)
{
    static char text[4][16];
    static unsigned next;
    char *at = text[next++ % 4];

    snprintf(at, sizeof text[0], "%02x:%02x.%x", source >> 8, source >> 3 & 0x1f,
             source & 7);
    return at;
}

static const char *fault_text(const struct lab09_fault *f, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s of page 0x%" PRIx64 " by %s, reason 0x%x",
             f->write ? "write" : "read", f->page, source_text(f->source), f->reason);
    return buffer;
}

static void op_text(const struct script *s, const struct lab09_op *op, char *b, size_t size)
{
    char fault[120];

    switch (op->kind) {
    case LAB09_ATTACH:
    case LAB09_DETACH:
        snprintf(b, size, "iommu_%s(domain with id %u, source %s)",
                 op->kind == LAB09_ATTACH ? "attach" : "detach",
                 s->in.domains[op->domain].id, source_text(op->source));
        break;
    case LAB09_MAP:
        snprintf(b, size,
                 "iommu_map(domain %u of %u levels, iova 0x%" PRIx64 ", physical 0x%" PRIx64
                 ", size 0x%" PRIx64 ", rights 0x%" PRIx64 ")",
                 s->in.domains[op->domain].id, s->in.domains[op->domain].levels, op->iova,
                 op->physical, op->size, op->rights);
        break;
    case LAB09_UNMAP:
        snprintf(b, size, "iommu_unmap(domain %u, iova 0x%" PRIx64 ", size 0x%" PRIx64 ")",
                 s->in.domains[op->domain].id, op->iova, op->size);
        break;
    case LAB09_TRANSLATE:
        snprintf(b, size, "iommu_translate(%s by %s at iova 0x%" PRIx64 ")",
                 op->write ? "write" : "read", source_text(op->source), op->iova);
        break;
    case LAB09_ENCODE:
        snprintf(b, size, "vtd_fault_encode(%s)",
                 fault_text(&op->fault, fault, sizeof fault));
        break;
    case LAB09_DECODE:
        snprintf(b, size, "vtd_fault_decode(high 0x%016" PRIx64 ", low 0x%016" PRIx64 ")",
                 op->high, op->low);
        break;
    case LAB09_LOG_TAKE:
        snprintf(b, size, "vtd_fault_log_take()");
        break;
    default:
        snprintf(b, size, "the fault registers");
        break;
    }
}

static void result_text(const struct lab09_op *op, const struct lab09_result *r, char *b,
                        size_t size)
{
    char text[120];

    switch (op->kind) {
    case LAB09_TRANSLATE:
        if (r->value == VTD_OK && r->reads == READS_ANY)
            snprintf(b, size, "VTD_OK, physical 0x%" PRIx64, r->physical);
        else if (r->value == VTD_OK)
            snprintf(b, size, "VTD_OK, physical 0x%" PRIx64 ", %u words read from memory",
                     r->physical, r->reads);
        else
            snprintf(b, size, "reason 0x%" PRIx64 " (%s), physical 0x%" PRIx64,
                     (uint64_t)r->value, reason_name((uint64_t)r->value), r->physical);
        break;
    case LAB09_ENCODE:
        snprintf(b, size, "high 0x%016" PRIx64 ", low 0x%016" PRIx64, r->high, r->low);
        break;
    case LAB09_DECODE:
        snprintf(b, size, "F %s, %s", r->value ? "set" : "clear",
                 fault_text(&r->fault, text, sizeof text));
        break;
    case LAB09_LOG_TAKE:
        snprintf(b, size, "%s%s; lost is %s", r->value ? "true: " : "false",
                 r->value ? fault_text(&r->fault, text, sizeof text) : "",
                 r->lost ? "true" : "false");
        break;
    case LAB09_LOG_GET:
        snprintf(b, size,
                 "high 0x%016" PRIx64 ", low 0x%016" PRIx64
                 ", status 0x%x (PFO %u, PPF %u)",
                 r->high, r->low, r->status, r->status & 1, r->status >> 1 & 1);
        break;
    default:
        errno_text(r->value, b, size);
        break;
    }
}

/* --- comparing ----------------------------------------------------------------------- */

static bool fault_same(const struct lab09_fault *a, const struct lab09_fault *b)
{
    return a->page == b->page && a->source == b->source && a->reason == b->reason &&
           !a->write == !b->write;
}

static bool result_same(uint32_t kind, const struct lab09_result *want,
                        const struct lab09_result *got)
{
    switch (kind) {
    case LAB09_TRANSLATE:
        return want->value == got->value && want->physical == got->physical &&
               (want->value != VTD_OK || want->reads == READS_ANY ||
                want->reads == got->reads);
    case LAB09_ENCODE:
        return want->high == got->high && want->low == got->low;
    case LAB09_DECODE:
        return !want->value == !got->value && fault_same(&want->fault, &got->fault);
    case LAB09_LOG_TAKE:
        return !want->value == !got->value && !want->lost == !got->lost &&
               fault_same(&want->fault, &got->fault);
    case LAB09_LOG_GET:
        return want->high == got->high && want->low == got->low &&
               want->status == got->status;
    case LAB09_ATTACH:
    case LAB09_DETACH:
    case LAB09_MAP:
    case LAB09_UNMAP:
        return want->value == got->value;
    default:
        return true;
    }
}

static void op_expect(const struct script *s, uint32_t i, const struct lab09_result *want,
                      const char *asked)
{
    const struct lab09_op *op = &s->in.ops[i];
    const struct lab09_result *got = &s->out->results[i];
    char what[TEXT_MAX], wanted[TEXT_MAX], seen[TEXT_MAX];

    if (result_same(op->kind, want, got))
        return;
    op_text(s, op, what, sizeof what);
    result_text(op, want, wanted, sizeof wanted);
    result_text(op, got, seen, sizeof seen);
    CHECK(s->judge, false, asked, "operation %u, %s: %s, not %s%s%s", i, what, seen, wanted,
          s->because[i] ? ": " : "", s->because[i] ? s->because[i] : "");
}

/* === the judge's own IOMMU =========================================================== */

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

static const unsigned level_low[] = {0, 12, 21, 30,
                                     39}; /* lowest bit that a level translates */

/* All entries on the way to a page, as far as they lead; then the reason is looked for. */
struct path {
    unsigned levels,
        count; /* count: entries that could be read; the first is the top level's */
    uint64_t entries[4];
    bool broken; /* the next one could not be read */
};

static bool maps_page(uint64_t entry, unsigned level)
{
    return level == 1 || (level != 4 && field(entry, 7, 7));
}

static struct path path_collect(struct script *s, uint64_t table, unsigned levels,
                                uint64_t iova)
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
static bool pair_read(struct script *s, uint64_t address, uint64_t pair[2])
{
    return word_read(s, address, &pair[0]) && word_read(s, address + 8, &pair[1]);
}

static int context_judge(struct script *s, uint16_t source, uint64_t context[2],
                         bool *known)
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
static void script_compare(struct script *s, const char *asked)
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

/* === tables made by the judge ======================================================== */

static bool address_is_used(const struct script *s, uint64_t address)
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
static uint64_t nowhere(struct script *s)
{
    uint64_t address;

    do
        address = random_bits(s->judge, s->in.haw - 1u, 12);
    while (address_is_used(s, address));
    return address;
}

static uint64_t word_get(struct script *s, uint64_t address)
{
    uint64_t word = 0;

    word_read(s, address, &word);
    return word;
}

static void word_set(struct script *s, uint64_t address, uint64_t word)
{
    poke_judge(s, &(struct lab09_op){.physical = address, .size = word});
}

/* A device with a tree of its own, or (table not 0) that one. Returns the tree's table. */
static uint64_t device_make(struct script *s, uint16_t source, uint16_t id, unsigned levels,
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
static uint64_t entry_address(struct script *s, uint64_t table, unsigned levels,
                              uint64_t iova, unsigned level)
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
static uint64_t leaf_make(struct script *s, uint64_t table, unsigned levels, uint64_t iova,
                          unsigned level, uint64_t rights)
{
    uint64_t entry = entry_address(s, table, levels, iova, level);

    word_set(s, entry,
             random_bits(s->judge, s->in.haw - 1u, level_low[level]) | noise(s, level) |
                 rights | (level > 1 ? VTD_SL_LARGE : 0));
    return entry;
}

/* A source-id on a bus that is not much used, so that few context tables are needed. */
static uint16_t random_source(struct judge *judge, unsigned bus)
{
    return (uint16_t)(bus << 8 | judge_random_below(judge, 256));
}

/* === the walk ======================================================================== */

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

static void walk_finds_the_page(struct judge *judge)
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

static uint64_t root_of(const struct script *s, uint16_t source)
{
    return s->in.root_table + (source >> 8) * 16u;
}

static uint64_t context_of(struct script *s, uint16_t source)
{
    return (word_get(s, root_of(s, source)) & ones(63, 12)) + (source & 0xffu) * 16u;
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

static void walk_names_the_reason(struct judge *judge)
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

/* Two devices that share a domain, one in another, and the same few pages in both. */
struct cache_case {
    uint16_t sources[3], ids[3];
    uint64_t tables[3], iovas[CACHE_PAGES], entries[3][CACHE_PAGES];
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
    c->ids[2] = c->ids[0] ^ (uint16_t)(1u << judge_random_below(s->judge, 16));
    c->iovas[0] = random_bits(s->judge, 38, 21) | 0x3000;
    for (unsigned n = 1; n < CACHE_PAGES; n++)
        c->iovas[n] = cache_iova(c, n);
    for (int t = 0; t < 3; t++) {
        c->sources[t] = (uint16_t)(t == 2 ? 0x1108 : 0x20 + t);
        c->tables[t] =
            device_make(s, c->sources[t], c->ids[t], 3, t == 1 ? c->tables[0] : 0);
        for (unsigned n = 0; n < CACHE_PAGES; n++)
            c->entries[t][n] = t == 1 ? c->entries[0][n] : cache_leaf(s, c, t, n);
    }
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
    unsigned t = (unsigned)judge_random_below(j, 3),
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

static void cached_translations_spare_the_walk(struct judge *judge)
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

/* === faults ========================================================================== */

static struct lab09_fault random_fault(struct judge *judge)
{
    return (struct lab09_fault){.page = random_bits(judge, 63, 12),
                                .source = (uint16_t)judge_random(judge),
                                .reason = (uint8_t)(1 + judge_random_below(judge, 0xff)),
                                .write = random_bool(judge)};
}

static void fault_records_are_bit_exact(struct judge *judge)
{
    struct script *s = script_new(judge);

    s->in.page_count = 1;
    for (int i = 0; i < 60; i++) {
        struct lab09_fault fault = random_fault(judge);

        fault.page |= i % 2 ? random_bits(judge, 11, 0) : 0;
        OP(s, .kind = LAB09_ENCODE, .fault = fault);
        OP(s, .kind = LAB09_DECODE, .high = judge_random(judge),
           .low = judge_random(judge));
    }
    script_compare(s, "a fault record has the fields of VT-d 10.4.14, encoded and decoded");
}

/* Bits that look alike, one at a time: what was in the registers, and what happens then. */
static void log_edges(struct script *s, uint16_t source)
{
    static const struct {
        bool fault, same, take;
        uint32_t status;
        const char *because;
    } cases[] = {
        {false, true, false, 1, "PFO is set: nothing is recorded, although F is clear"},
        {false, true, false, 2, "F decides whether the record is free, not PPF"},
        {true, true, false, 0, "F decides whether the record is free, not PPF"},
        {true, false, false, 0, "F decides whether the record is free, not PPF"},
        {false, true, false, 0x5a5a5a58, "other bits of the status stay as they are"},
        {true, false, false, 0xa5a5a5a6, "other bits of the status stay as they are"},
        {true, true, true, 0x5a5a5a5b, "other bits of the status stay as they are"},
        {false, true, true, 0xa5a5a5a5, "other bits of the status stay as they are"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab09_fault fault = random_fault(s->judge);

        fault.source = cases[i].same ? source : source ^ 0x8000;
        OP(s, .kind = LAB09_LOG_SET, .status = cases[i].status,
           .high = (uint64_t)cases[i].fault << 63 | source | random_bits(s->judge, 62, 62) |
                   random_bits(s->judge, 39, 32),
           .low = random_bits(s->judge, 63, 12));
        OP(s, .kind = cases[i].take ? LAB09_LOG_TAKE : LAB09_LOG_ADD, .fault = fault);
        op_because(s, cases[i].because);
        OP(s, .kind = LAB09_LOG_GET);
        op_because(s, cases[i].because);
    }
    OP(s, .kind = LAB09_LOG_SET);
}

static void log_steps(struct script *s, const uint16_t sources[3])
{
    for (int i = 0; i < 300; i++) {
        struct lab09_fault fault = random_fault(s->judge);

        fault.source = sources[judge_random_below(s->judge, 3)];
        if (i % 50 == 49) /* as if software had cleared one bit and not yet the other */
            OP(s, .kind = LAB09_LOG_SET, .high = judge_random(s->judge) & ~(1ull << 63),
               .low = random_bits(s->judge, 63, 12), .status = i == 99 ? 0 : 1);
        else if (judge_random_below(s->judge, 4) == 0)
            OP(s, .kind = LAB09_LOG_TAKE);
        else
            OP(s, .kind = LAB09_LOG_ADD, .fault = fault);
        if (i % 100 == 49) /* nothing pending, but something was lost */
            OP(s, .kind = LAB09_LOG_TAKE);
        if (i % 2)
            OP(s, .kind = LAB09_LOG_GET);
    }
}

static void one_record_collapses_or_overflows(struct judge *judge)
{
    struct script *s = script_new(judge);
    const uint16_t base = (uint16_t)judge_random(judge);
    const uint16_t sources[3] = {base, base ^ 1, base ^ 0x100};

    s->in.page_count = 1;
    log_edges(s, base);
    log_steps(s, sources);
    script_compare(s, "the record keeps the first fault; PFO says that one was lost");
}

/* Translations that fault, with FPD here and there: what is in the registers? */
static void faults_of_translations_are_recorded(struct judge *judge)
{
    struct script *s = script_new(judge);
    uint16_t sources[6];
    uint64_t iova = random_bits(judge, 38, 12);

    for (unsigned i = 0; i < 6; i++) {
        uint64_t context;

        sources[i] = (uint16_t)(0x4000 | i << 3 | random_bits(judge, 2, 0));
        leaf_make(s, device_make(s, sources[i], (uint16_t)i, 3, 0), 3, iova, 1,
                  i == 5 ? 2 : 1);
        context = context_of(s, sources[i]);
        word_set(s, context,
                 (word_get(s, context) | (i % 2 ? VTD_CONTEXT_FPD : 0)) &
                     ~(i == 2 || i == 3 ? VTD_CONTEXT_PRESENT : 0));
    }
    for (unsigned i = 0; i < 2; i++) {
        OP(s, .kind = LAB09_HOLE, .physical = context_of(s, sources[1]) + 8 * i);
        translate_put(s, sources[1], iova, true);
        OP(s, .kind = LAB09_LOG_TAKE);
        op_because(s, "a word of the context entry cannot be read: its FPD does not count");
    }
    OP(s, .kind = LAB09_HOLE);
    for (int n = 0; n < 140; n++) {
        unsigned i = (unsigned)judge_random_below(judge, 6);
        bool no_bus = n % 9 == 8;

        translate_put(s, no_bus ? 0x9900 : sources[i],
                      n % 11 == 10
                          ? 1ull << 39
                          : iova + (n % 5 == 4) * VTD_PAGE + random_bits(judge, 11, 0),
                      random_bool(judge));
        OP(s, .kind = n % 3 == 2 ? LAB09_LOG_TAKE : LAB09_LOG_GET);
        op_because(
            s, no_bus  ? "the last access was of a device on a bus without a context table"
               : i % 2 ? "the last access was of a device whose context entry has FPD"
                       : "the last access was of a device whose context entry has no FPD");
    }
    script_compare(s, "a fault of iommu_translate() is in the log, unless FPD is set");
}

/* === the tables that the part makes ================================================== */

#define POOL       64
#define MAPPED_MAX 900

struct mapping {
    uint32_t domain;
    uint64_t page, entry;
};

struct space {
    struct script *s;
    struct mapping mapped[MAPPED_MAX];
    uint32_t count;
    int attached[65536]; /* domain + 1 by source */
    int64_t wants[LAB09_OPS];
};

/* A script that begins with empty tables: root in page 0, domain n's table in page n + 1.
 */
static struct space *space_new(struct judge *judge)
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

static void want_put(struct space *v, int64_t want, const char *because, struct lab09_op op)
{
    op_put(v->s, op);
    v->wants[v->s->in.op_count - 1] = want;
    op_because(v->s, because);
}

#define WANT(v, want, because, ...)                                                        \
    want_put(v, want, because, (struct lab09_op){__VA_ARGS__})

static struct mapping *mapping_find(struct space *v, uint32_t domain, uint64_t page)
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

static void map_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t physical,
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

static void unmap_put(struct space *v, uint32_t domain, uint64_t iova, uint64_t size)
{
    WANT(v, 0, NULL, .kind = LAB09_UNMAP, .domain = domain, .iova = iova, .size = size);
    for (uint32_t i = 0; i < v->count; i++)
        if (v->mapped[i].domain == domain && v->mapped[i].page >= iova &&
            v->mapped[i].page < iova + size)
            v->mapped[i--] = v->mapped[--v->count];
}

static void attach_put(struct space *v, uint32_t domain, uint16_t source)
{
    bool busy = v->attached[source] != 0;

    WANT(v, busy ? -EBUSY : 0, busy ? "the device is attached already" : NULL,
         .kind = LAB09_ATTACH, .domain = domain, .source = source);
    if (!busy)
        v->attached[source] = (int)domain + 1;
}

static void detach_put(struct space *v, uint32_t domain, uint16_t source)
{
    int in = v->attached[source] - 1;
    bool there = in >= 0 && v->s->in.domains[in].id == v->s->in.domains[domain].id;

    WANT(v, there ? 0 : -ENOENT,
         there ? NULL : "the device is not attached to a domain with this id",
         .kind = LAB09_DETACH, .domain = domain, .source = source);
    if (there)
        v->attached[source] = 0;
}

/* Runs; results are as they have to be; the judge then reads the part's memory. */
static void space_run(struct space *v, const char *asked)
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

static void attach_writes_root_and_context(struct judge *judge)
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

static void map_writes_level_1_entries(struct judge *judge)
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

static void unmap_clears_the_range(struct judge *judge)
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

static void map_does_all_or_nothing(struct judge *judge)
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
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 3);
    WANT(v, -ENOMEM, "the table for the second half cannot be had", .kind = LAB09_MAP,
         .domain = 3, .iova = 0x3fe000, .physical = 0x1000, .size = 0x3ff000, .rights = 3);
    WANT(v, 0, NULL, .kind = LAB09_POOL, .size = 20);
    map_put(v, 3, 0x3fe000, 0x1000, 0x4000, 3);
    op_because(v->s, "nothing of the attempt that failed may be in the way");
    space_run(v, "iommu_map() refuses what cannot be, in the contract's order");
    trees_expect(v);
}

/* --- stale translations -------------------------------------------------------------- */

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

static void unmap_leaves_nothing_stale(struct judge *judge)
{
    struct stale_case *c = memory_get(judge, sizeof *c);
    struct script *s;

    c->v = space_new(judge);
    s = c->v->s;
    c->iova = random_bits(judge, 37, 21);
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
    unmap_put(c->v, STALE_A, c->iova, STALE_A_PAGES * VTD_PAGE); /* with a hole */
    stale_pass(c, STALE_A_PAGES, true);

    space_run(c->v, "map, unmap, attach and detach return what the contract says");
    for (uint32_t i = 0; i < s->in.op_count; i++)
        if (s->in.ops[i].kind == LAB09_TRANSLATE)
            access_expect(c->v, i, c->expected[i].entry ? &c->expected[i] : NULL,
                          c->walked[i]);
    for (uint32_t i = 0; i < s->in.op_count; i++)
        witness_expect(c->v, i);
}

/* === DMA ============================================================================= */

struct dma_script {
    struct judge *judge;
    struct lab09_dma_input in;
    const struct lab09_dma_output *out;
    const struct evidence *e;
    uint32_t line_count;
    bool is_report[LAB09_LINES];
    struct lab09_fault faults[LAB09_LINES];
};

static struct dma_script *dma_new(struct judge *judge)
{
    struct dma_script *d = memory_get(judge, sizeof *d);

    d->judge = judge;
    d->in.ram_pages = 8;
    for (uint32_t i = 0; i < sizeof d->in.ram; i++)
        d->in.ram[i / VTD_PAGE][i % VTD_PAGE] = (uint8_t)judge_random(judge);
    return d;
}

static void dma_op_put(struct dma_script *d, struct lab09_dma_op op)
{
    if (d->in.op_count == LAB09_DMA_OPS)
        judge_error(d->judge, "the check's script is too long");
    d->in.ops[d->in.op_count++] = op;
}

#define DMA_OP(d, ...) dma_op_put(d, (struct lab09_dma_op){__VA_ARGS__})

static void dma_run(struct dma_script *d, const struct run_spec *how)
{
    struct run_spec spec = *how;

    spec.entry = LAB09_DMA;
    spec.input = &d->in;
    spec.input_size = sizeof d->in;
    d->e = judge_run(d->judge, &spec, sizeof *d->out);
    d->out = (const void *)d->e->answer;
    if (d->out->opened < 0)
        judge_error(d->judge, "the device could not be opened: %s",
                    strerror(-d->out->opened));
}

/* --- the kernel's text --------------------------------------------------------------- */

/* The next line of the script: its number. NULL: no report that counts. */
static uint32_t line_put(struct dma_script *d, const char *text,
                         const struct lab09_fault *f)
{
    uint32_t n = d->line_count++;

    if (n == LAB09_LINES)
        judge_error(d->judge, "the check has too many lines");
    snprintf(d->in.lines[n], LAB09_LINE_MAX, "%s", text);
    d->is_report[n] = f != NULL;
    if (f) {
        d->faults[n] = *f;
        d->faults[n].page = field(f->page, 63, 12) << 12;
    }
    return n;
}

static uint32_t report_put(struct dma_script *d, const struct lab09_fault *f, bool upper)
{
    static const char *const texts[] = {"PTE Write access is not set", "Unknown", ""};
    char line[LAB09_LINE_MAX];
    const char *text = texts[judge_random_below(d->judge, 3)];

    snprintf(
        line, sizeof line,
        upper
            ? "3,%u,%u,-;DMAR: [DMA %s NO_PASID] Request device [%02X:%02X.%X] fault addr "
              "0x%" PRIX64 " [fault reason 0x%02X] %s"
            : "%u,%u,-;DMAR: [DMA %s NO_PASID] Request device [%02x:%02x.%x] fault addr "
              "0x%" PRIx64 " [fault reason 0x%02x] %s",
        (unsigned)judge_random_below(d->judge, 9000),
        (unsigned)judge_random_below(d->judge, 1u << 31), f->write ? "Write" : "Read",
        f->source >> 8, f->source >> 3 & 0x1f, f->source & 7, f->page, f->reason, text);
    if (f->page & 0x1000) /* as dmesg prints it */
        return line_put(d, strchr(line, ';') + 1, f);
    return line_put(d, line, f);
}

/* A report behind other text of the same driver, as where two messages ran together. */
static void late_report_put(struct dma_script *d, const char *before)
{
    struct lab09_fault f = random_fault(d->judge);
    char line[LAB09_LINE_MAX];

    f.page = random_bits(d->judge, 38, 12);
    snprintf(line, sizeof line,
             "4,5,6,-;%sDMAR: [DMA %s NO_PASID] Request device [%02x:%02x.%x] fault addr "
             "0x%" PRIx64 " [fault reason 0x%02x]",
             before, f.write ? "Write" : "Read", f.source >> 8, f.source >> 3 & 0x1f,
             f.source & 7, f.page, f.reason);
    line_put(d, line, &f);
}

static const char *const other_lines[] = {
    "",
    "4,5,6,-;DMAR: DRHD: handling fault status reg 2",
    "6,1,0,-;pci 0000:00:05.0: [1234:11e8] type 00 class 0x00ff00",
    "4,5,6,-;DMAR: [DMA Read PASID 0x4] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06] PTE Read access is not set",
    "4,5,6,-;DMAR: [INTR-REMAP] Request device [00:05.0] fault index 0x10 "
    "[fault reason 0x22] Present field in the IRTE entry is clear",
    "4,5,6,-;DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault addr 0x200000",
    "4,5,6,-;DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06",
    "4,5,6,-;DMAR: [DMA Fetch NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x06] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.8] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:20.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr none "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [100:05.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:005.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.00] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr "
    "0x10000000000200000 [fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x105] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [:05.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:.0] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.] fault addr 0x200000 "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x "
    "[fault reason 0x05] ?",
    "4,5,6,-;DMAR: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x200000 "
    "[fault reason 0x] ?",
    "4,5,6,-;IOMMU: [DMA Write NO_PASID] Request device [00:05.0] fault addr 0x1000 "
    "[fault reason 0x05] ?",
};

static void kernel_reports_are_decoded(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    char a[120], b[120];

    for (int i = 0; i < 60; i++) {
        struct lab09_fault f = random_fault(judge);

        f.page = random_bits(judge, i % 3 ? 38 : 63, i % 2 ? 12 : 0);
        report_put(d, &f, i % 4 == 3);
    }
    late_report_put(d, "DMAR: DRHD: handling fault status reg 2; ");
    late_report_put(d, "DMAR: [DMA Read PASID 0x4] Request ");
    late_report_put(d, "DMAR: [DMA Read NO_PASID] Request device [00:0");
    for (size_t i = 0; i < sizeof other_lines / sizeof other_lines[0]; i++)
        line_put(d, other_lines[i], NULL);
    for (uint32_t i = 0; i < d->line_count; i++)
        DMA_OP(d, .kind = LAB09_PARSE, .line = i);
    dma_run(d, &(struct run_spec){0});
    for (uint32_t i = 0; i < d->line_count; i++) {
        const struct lab09_dma_result *r = &d->out->results[i];
        const struct lab09_fault *want = &d->faults[i];

        CHECK(judge, (r->value != 0) == d->is_report[i],
              "dmar_report_parse() takes reports of DMA faults, and nothing else",
              "it returned %s for: %s", r->value ? "true" : "false", d->in.lines[i]);
        CHECK(judge, !d->is_report[i] || fault_same(&r->fault, want),
              "dmar_report_parse() finds who, what, where and why", "%s, not %s, in: %s",
              fault_text(&r->fault, a, sizeof a), fault_text(want, b, sizeof b),
              d->in.lines[i]);
        CHECK(judge, d->is_report[i] || (r->fault.page == ~0ull && r->fault.reason == 0xee),
              "*fault is untouched where the line is no report", "it was changed for: %s",
              d->in.lines[i]);
    }
}

/* --- demand mapping with a pretended device ------------------------------------------ */

/* What has to be called, and returned, in order. */
struct demand_truth {
    struct lab09_call calls[LAB09_CALLS];
    uint32_t call_count, turn, maps;
    uint64_t mapped, faults;
    uint32_t unread; /* lines of the last turn */
    int result;
};

static void truth_call(struct demand_truth *t, struct lab09_call call)
{
    t->calls[t->call_count++] = call;
}

static int report_truth(const struct dma_script *d, struct demand_truth *t, uint32_t buffer,
                        const struct lab09_fault *f, uint64_t before)
{
    uint64_t iova = d->in.buffers[buffer].iova, n = (f->page - iova) / VTD_PAGE;

    if (f->page < iova || f->page >= iova + d->in.buffers[buffer].pages * VTD_PAGE)
        return -EFAULT;
    if ((f->reason != 5 && f->reason != 6) || field(before, (unsigned)n, (unsigned)n))
        return -EIO;
    if (!field(d->in.buffers[buffer].rights, f->write, f->write))
        return -EACCES;
    if (field(t->mapped, (unsigned)n, (unsigned)n))
        return 1;
    t->maps++;
    truth_call(t, (struct lab09_call){
                      .kind = LAB09_CALL_MAP,
                      .iova = f->page,
                      .size = VTD_PAGE,
                      .rights = d->in.buffers[buffer].rights,
                      .hva = (int64_t)((d->in.buffers[buffer].ram_page + n) * VTD_PAGE),
                      .result = t->maps == d->in.map_fails_at ? d->in.map_error : 0});
    if (t->maps == d->in.map_fails_at)
        return d->in.map_error;
    t->mapped |= 1ull << n;
    t->faults++;
    return 1;
}

/* One transfer and its reports: 1 if some page was refused, 0, or -errno. */
static int round_truth(const struct dma_script *d, struct demand_truth *t,
                       const struct lab09_dma_op *op)
{
    const struct lab09_turn *turn = &d->in.turns[t->turn++];
    uint64_t before = t->mapped;
    int refused = 0;

    t->unread = turn->line_count;
    truth_call(t, (struct lab09_call){.kind = LAB09_CALL_TRANSFER,
                                      .iova = op->iova,
                                      .size = op->length,
                                      .rights = op->to_memory,
                                      .hva = op->offset,
                                      .result = turn->result});
    if (turn->result < 0)
        return turn->result;
    for (uint32_t i = turn->first_line; i < turn->first_line + turn->line_count; i++) {
        int r = 1;

        t->unread--;
        if (!d->is_report[i] || d->faults[i].source != d->in.buffers[op->buffer].source)
            continue;
        r = report_truth(d, t, op->buffer, &d->faults[i], before);
        if (r < 0)
            return r;
        refused = 1;
    }
    return turn->report_result < 0 ? turn->report_result : refused;
}

/* Pages that are mapped beforehand, by the core: no fault brought them. */
static void premap_truth(const struct dma_script *d, struct demand_truth *t,
                         const struct lab09_dma_op *op)
{
    for (uint64_t n = op->first; n < op->first + op->count; n++) {
        t->mapped |= 1ull << n;
        truth_call(
            t, (struct lab09_call){
                   .kind = LAB09_CALL_MAP,
                   .iova = d->in.buffers[op->buffer].iova + n * VTD_PAGE,
                   .size = VTD_PAGE,
                   .rights = d->in.buffers[op->buffer].rights,
                   .hva = (int64_t)((d->in.buffers[op->buffer].ram_page + n) * VTD_PAGE)});
    }
    t->result = 0;
}

static void demand_truth(const struct dma_script *d, struct demand_truth *t,
                         const struct lab09_dma_op *op)
{
    const uint64_t start = d->in.buffers[op->buffer].iova,
                   end = start + d->in.buffers[op->buffer].pages * VTD_PAGE;

    if (op->kind == LAB09_PREMAP) {
        premap_truth(d, t, op);
        return;
    }
    t->result = -EINVAL;
    if (op->length == 0 || op->iova < start || op->iova >= end ||
        op->length > end - op->iova)
        return;
    do
        t->result = round_truth(d, t, op);
    while (t->result > 0);
}

static void call_text(const struct lab09_call *c, char *b, size_t size)
{
    static const char *const names[] = {"nothing more", "transfer", "map", "unmap"};

    if (c->kind == LAB09_CALL_MAP)
        snprintf(b, size,
                 "map(iova 0x%" PRIx64 ", hva RAM + 0x%" PRIx64 ", size 0x%" PRIx64
                 ", rights %" PRIu64 ")",
                 c->iova, c->hva, c->size, c->rights);
    else
        snprintf(b, size, "%s(iova 0x%" PRIx64 ", size 0x%" PRIx64 ")", names[c->kind & 3],
                 c->iova, c->size);
}

static bool call_same(const struct lab09_call *a, const struct lab09_call *b)
{
    return a->kind == b->kind && a->iova == b->iova && a->size == b->size &&
           a->rights == b->rights && a->hva == b->hva;
}

/* Runs the last scenario: one buffer, some DEMANDs. */
static void demand_compare(struct dma_script *d, const char *scenario)
{
    struct demand_truth *t = memory_get(d->judge, sizeof *t);
    char got[200], want[200];

    dma_run(d, &(struct run_spec){0});
    for (uint32_t i = 0; i < d->in.op_count; i++) {
        const struct lab09_dma_result *r = &d->out->results[i];
        uint32_t first = t->call_count;

        demand_truth(d, t, &d->in.ops[i]);
        for (uint32_t c = first; c < t->call_count; c++) {
            struct lab09_call none = {0};
            const struct lab09_call *seen =
                c < d->out->call_count ? &d->out->calls[c] : &none;

            call_text(seen, got, sizeof got);
            call_text(&t->calls[c], want, sizeof want);
            CHECK(d->judge, call_same(seen, &t->calls[c]),
                  "the engine is called as the reports demand", "%s: call %u is %s, not %s",
                  scenario, c, got, want);
        }
        CHECK(d->judge, r->value == t->result,
              "dma_demand_transfer() returns what happened",
              "%s: transfer %u returned %s, not %s", scenario, i,
              errno_text(r->value, got, sizeof got),
              errno_text(t->result, want, sizeof want));
        CHECK(d->judge, r->faults == t->faults && r->mapped == t->mapped,
              "each page is mapped once, at its first touch, and counted",
              "%s: after transfer %u, faults is %" PRIu64 " and mapped 0x%" PRIx64
              ", not %" PRIu64 " and 0x%" PRIx64,
              scenario, i, r->faults, r->mapped, t->faults, t->mapped);
    }
    CHECK(d->judge, d->out->call_count == t->call_count,
          "the engine is called as the reports demand", "%s: %u calls, not %u", scenario,
          d->out->call_count, t->call_count);
    CHECK(d->judge, d->out->lines_unread == t->unread,
          "lines are read up to the end, or to the first that cannot be repaired",
          "%s: %u lines of the log are unread at the end, not %u", scenario,
          d->out->lines_unread, t->unread);
}

/* A buffer of `pages` pages in a script of its own. */
static struct dma_script *demand_new(struct judge *judge, uint32_t pages, uint64_t rights)
{
    struct dma_script *d = dma_new(judge);

    d->in.buffers[0].iova = random_bits(judge, 37, 12);
    d->in.buffers[0].pages = pages;
    d->in.buffers[0].rights = rights;
    d->in.buffers[0].ram_page = (uint32_t)judge_random_below(judge, 8 - pages % 8);
    d->in.buffers[0].source = (uint16_t)judge_random(judge);
    return d;
}

static void demand_put(struct dma_script *d, uint64_t offset, uint32_t length,
                       bool to_memory)
{
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + offset,
           .length = length, .to_memory = to_memory,
           .offset = (uint32_t)judge_random_below(d->judge, 100));
}

/* The transfer that comes next has no lines yet. */
static struct lab09_turn *turn_put(struct dma_script *d)
{
    struct lab09_turn *turn = &d->in.turns[d->in.turn_count++];

    if (d->in.turn_count > LAB09_TURNS)
        judge_error(d->judge, "the check has too many transfers");
    turn->first_line = d->line_count;
    return turn;
}

/* The current transfer is refused page n, says the kernel (with other lines around it). */
static struct lab09_fault *refusal_put(struct dma_script *d, uint64_t n, bool write)
{
    struct lab09_turn *turn = &d->in.turns[d->in.turn_count - 1];
    struct lab09_fault f = {.page = d->in.buffers[0].iova + n * VTD_PAGE,
                            .source = (uint16_t)d->in.buffers[0].source,
                            .reason = write ? 5 : 6,
                            .write = write};
    uint32_t line;

    line_put(d, other_lines[judge_random_below(d->judge, 3)], NULL);
    line = report_put(d, &f, false);
    turn->line_count = d->line_count - turn->first_line;
    return &d->faults[line];
}

/* The line that was put last is about another device, or another page, or another reason.
 */
static void refusal_change(struct dma_script *d, const struct lab09_fault *f)
{
    d->line_count--;
    report_put(d, f, false);
}

/* What the report says that the device wanted decides, not its reason, nor the transfer. */
static void directions_try(struct judge *judge)
{
    for (uint64_t rights = 1; rights < 3; rights++)
        for (int n = 0; n < 2; n++) {
            struct dma_script *d = demand_new(judge, 4, rights);
            bool writes = rights == 2;
            struct lab09_fault f;

            demand_put(d, 0x1000, 100, writes != (n == 0));
            turn_put(d);
            f = *refusal_put(d, 1, writes);
            f.reason = n == 1 ? (writes ? 6 : 5) : f.reason;
            refusal_change(d, &f);
            turn_put(d);
            demand_compare(d, n ? "reason and kind of access disagree: the kind counts"
                                : "report and transfer disagree: the report counts");
        }
}

static void demand_maps_each_page_once(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 6, 3);
    struct lab09_fault other;

    demand_put(d, judge_random_below(judge, 4096), 64, true); /* one page */
    turn_put(d);
    refusal_put(d, 0, true);
    turn_put(d);
    demand_put(d, 0x800, 0x27ff, false); /* pages 0 to 2, one report at a time, one twice */
    turn_put(d);
    refusal_put(d, 1, false);
    refusal_put(d, 1, false);
    turn_put(d);
    refusal_put(d, 2, false);
    turn_put(d);
    demand_put(d, 0x800, 0x1000, true); /* all mapped */
    turn_put(d);
    demand_put(d, 0x3000, 0x3000,
               true); /* the rest in one go; another device's faults between */
    turn_put(d);
    refusal_put(d, 4, true);
    other = *refusal_put(d, 5, true);
    other.source ^= 1;
    refusal_change(d, &other);
    other.page += 0x100000;
    refusal_put(d, 3, true);
    refusal_put(d, 0, true);
    refusal_change(d, &other);
    turn_put(d);
    refusal_put(d, 5, true);
    turn_put(d);
    refusal_put(d, 0, true);
    refusal_change(d, &other); /* foreign reports alone: nothing was refused to us */
    demand_compare(d, "demand mapping");

    d = demand_new(judge, DMA_BUFFER_PAGES_MAX, 1); /* a big buffer, to its last byte */
    demand_put(d, 63 * VTD_PAGE - 5, 4101, false);
    turn_put(d);
    refusal_put(d, 62, false);
    turn_put(d);
    refusal_put(d, 63, false);
    turn_put(d);
    demand_compare(d, "the last page of 64");

    d = demand_new(judge, DMA_BUFFER_PAGES_MAX, 1); /* what two premapped pages leave */
    DMA_OP(d, .kind = LAB09_PREMAP, .first = 7, .count = 2);
    demand_put(d, 0, 64 * VTD_PAGE, false);
    for (uint64_t n = 0; n < DMA_BUFFER_PAGES_MAX; n++)
        if (n != 7 && n != 8) {
            turn_put(d);
            refusal_put(d, n, false);
        }
    turn_put(d);
    demand_compare(d, "62 pages one by one, two were mapped before");
    directions_try(judge);
}

/* A transfer of page 1 of four whose first report is as given. */
static void refusal_try(struct judge *judge, const char *scenario, uint64_t rights,
                        int64_t page, uint8_t reason, bool write)
{
    struct dma_script *d = demand_new(judge, 4, rights);
    struct lab09_fault f;

    demand_put(d, 0x1000, 100, write);
    turn_put(d);
    f = *refusal_put(d, 1, write);
    f.page += (uint64_t)(page - 1) * VTD_PAGE;
    f.reason = reason;
    refusal_change(d, &f);
    turn_put(d);
    demand_compare(d, scenario);
}

static void bad_transfers_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 4, 3);

    demand_put(d, 0, 0, true);
    demand_put(d, 4 * VTD_PAGE, 1, true);
    demand_put(d, 3 * VTD_PAGE, 4097, true);
    demand_put(d, 0ull - 1, 64, true);
    demand_put(d, 0ull - d->in.buffers[0].iova - 64, 0x200, true); /* wraps around */
    demand_put(d, VTD_PAGE, UINT32_MAX, true);
    demand_put(d, 3 * VTD_PAGE, 4096, true);
    turn_put(d);
    demand_compare(d, "transfers that leave the buffer, or are empty");
}

static void engine_errors_try(struct judge *judge)
{
    struct dma_script *d = demand_new(judge, 4, 3);

    demand_put(d, 0, 8, true);
    turn_put(d)->result = -EIO - (int)judge_random_below(judge, 20);
    demand_compare(d, "transfer() fails");
    d = demand_new(judge, 4, 3);
    demand_put(d, 0, 8, true);
    turn_put(d)->report_result = -EPIPE;
    refusal_put(d, 0, true);
    demand_compare(d, "report() fails after a line");
    d = demand_new(judge, 4, 3);
    d->in.map_fails_at = 2;
    d->in.map_error = -ENOMEM;
    demand_put(d, 0, 8192, true);
    turn_put(d);
    refusal_put(d, 1, true);
    refusal_put(d, 0, true);
    refusal_put(d, 2, true);
    demand_compare(d, "map() fails for the second page");
}

static void demand_gives_up_with_a_reason(struct judge *judge)
{
    struct dma_script *d;

    bad_transfers_try(judge);
    refusal_try(judge, "the page behind the buffer", 3, 4, 6, false);
    refusal_try(judge, "the page before the buffer", 3, -1, 6, false);
    refusal_try(judge, "another reason, outside the buffer", 3, 5, 12, true);
    refusal_try(judge, "the device may only read, and writes", 1, 1, 5, true);
    refusal_try(judge, "the device may only write, and reads", 2, 1, 6, false);
    refusal_try(judge, "reserved bits in an entry", 3, 1, 12, true);
    refusal_try(judge, "the context entry is not present", 1, 1, 2, true);
    engine_errors_try(judge);
    d = demand_new(judge, 4, 1); /* allowed, then not: the same page in the same round */
    demand_put(d, 0x1000, 64, true);
    turn_put(d);
    refusal_put(d, 1, false);
    refusal_put(d, 1, true);
    refusal_put(d, 2, false);
    turn_put(d);
    demand_compare(d, "a second report of a page, which rights do not allow");
    d = demand_new(judge, 4, 3); /* mapped, and refused all the same */
    demand_put(d, 0x1000, 64, true);
    turn_put(d);
    refusal_put(d, 1, true);
    turn_put(d);
    refusal_put(d, 1, true);
    demand_compare(d, "a page that is mapped is refused again");
}

/* === the machine ===================================================================== */

#define OUTSIDE_MAX 16

/* What the IOMMU refused, seen from outside: each page of each transfer once. */
struct refusals {
    struct lab09_fault list[OUTSIDE_MAX];
    unsigned count, records;
};

static void refusals_gather(const struct evidence *e, struct refusals *r)
{
    for (size_t i = 0; i < e->device.count; i++) {
        const struct device_event *event = &e->device.list[i];
        const struct lab09_fault f = {.page = field(event->iova, 63, 12) << 12,
                                      .source = event->source,
                                      .reason = (uint8_t)event->reason,
                                      .write = event->write};

        if (event->kind == DEVICE_FAULT_RECORD)
            r->records++;
        if (event->kind == DEVICE_FAULT && r->count < OUTSIDE_MAX &&
            (r->count == 0 || !fault_same(&r->list[r->count - 1], &f)))
            r->list[r->count++] = f;
    }
}

/* A buffer anywhere within the device's reach. */
static void buffer_make(struct dma_script *d, unsigned n, uint32_t ram_page, uint32_t pages,
                        uint64_t rights)
{
    d->in.buffers[n].source = DMA_DEVICE_SOURCE;
    d->in.buffers[n].pages = pages;
    d->in.buffers[n].ram_page = ram_page;
    d->in.buffers[n].rights = rights;
    d->in.buffers[n].iova =
        (uint64_t)(n + 1) << 25 | (1 + judge_random_below(d->judge, 4000)) * VTD_PAGE;
}

static void move_put(struct dma_script *d, unsigned buffer, uint64_t at, uint32_t offset,
                     uint32_t length, bool to_memory)
{
    DMA_OP(d, .kind = LAB09_MOVE, .iova = d->in.buffers[buffer].iova + at, .offset = offset,
           .length = length, .to_memory = to_memory);
}

static void ram_expect(const struct dma_script *d, unsigned checkpoint, const uint8_t *want)
{
    uint32_t size = d->in.ram_pages * (uint32_t)VTD_PAGE;
    const uint8_t *got = d->e->windows[checkpoint][0].bytes;

    CHECK(d->judge, got && d->e->windows[checkpoint][0].length == size,
          "the memory can be looked at", "it is not there");
    for (uint32_t i = 0; i < size; i++)
        CHECK(d->judge, got[i] == want[i],
              "the transfers change what they have to, and no other byte of the RAM",
              "RAM + 0x%x is 0x%02x, not 0x%02x", i, got[i], want[i]);
}

#define RAM_WINDOW                                                                         \
    .windows = &(const struct window){.name = "guest-ram", .length = 8 * 4096},            \
    .window_count = 1

static void reports_expect(const struct dma_script *d, const struct refusals *r)
{
    static const char asked[] = "your reports are what the IOMMU did, seen from outside";
    char a[120], b[120];

    for (unsigned i = 0; i < r->count; i++) {
        CHECK(d->judge, i < d->out->report_count, asked,
              "report %u is missing: %s; your dmar_report_parse() took %u lines", i,
              fault_text(&r->list[i], a, sizeof a), d->out->report_count);
        CHECK(d->judge, fault_same(&d->out->reports[i], &r->list[i]), asked,
              "report %u: %s, not %s", i, fault_text(&d->out->reports[i], a, sizeof a),
              fault_text(&r->list[i], b, sizeof b));
    }
    CHECK(d->judge, d->out->report_count == r->count, asked, "%u reports, not %u",
          d->out->report_count, r->count);
}

/* Buffer 0 the device may only read; buffer 1 all. Three accesses are refused. */
static void refused_accesses_are_reported(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    struct refusals r = {0};
    uint8_t want[LAB09_RAM_PAGES * 4096];
    uint32_t from = (uint32_t)judge_random_below(judge, 1000),
             to = (uint32_t)judge_random_below(judge, 1000);

    d->in.real = 1;
    buffer_make(d, 0, 1, 2, VTD_SL_READ);
    buffer_make(d, 1, 4, 3, VTD_SL_RIGHTS);
    move_put(d, 1, from, 64, 256, false); /* not mapped: refused */
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 0, .first = 0, .count = 1);
    move_put(d, 0, to, 64, 128, true); /* read-only: refused */
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 1, .first = 0, .count = 2);
    move_put(d, 1, from, 64, 2000, false);          /* repaired */
    move_put(d, 1, VTD_PAGE + to, 164, 1500, true); /* and back, to the next page */
    DMA_OP(d, .kind = LAB09_RELEASE, .buffer = 1, .first = 1, .count = 1);
    move_put(d, 1, VTD_PAGE + to, 100, 1500, true); /* unmapped again: refused */
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE, RAM_WINDOW});

    refusals_gather(d->e, &r);
    CHECK(judge, r.count == 3, "the IOMMU refuses three transfers",
          "QEMU's trace has %u refusals", r.count);
    reports_expect(d, &r);
    memcpy(want, d->in.ram, sizeof want);
    memmove(want + 5 * VTD_PAGE + to, want + 4 * VTD_PAGE + from + 100, 1500);
    ram_expect(d, 0, want);
}

/* --- the machine's own tables -------------------------------------------------------- */

#define VTD_REGISTERS 0xfed90000ull
#define REG_CAP       0x08
#define REG_RTADDR    0x20

/* What the judge read while the subject stood still. */
static struct script *dump;
static uint64_t dump_iovas[4];

static uint64_t physical_word(struct judge *judge, uint64_t address)
{
    uint64_t word;

    judge_physical_read(judge, address, &word, sizeof word);
    return word;
}

/* Copies a page of the machine's memory, if it is not there yet. */
static void page_dump(struct judge *judge, uint64_t address)
{
    uint32_t n = dump->in.page_count;

    address &= ones(51, 12);
    if (address_is_used(dump, address) || n == LAB09_PAGES)
        return;
    dump->in.address[n] = address;
    judge_physical_read(judge, address, dump->in.pages[n], VTD_PAGE);
    dump->in.page_count++;
}

static void tables_dump(struct judge *judge, unsigned checkpoint)
{
    uint64_t cap = physical_word(judge, VTD_REGISTERS + REG_CAP), context[2];
    bool known;

    if (checkpoint != 0)
        return;
    dump->in.mgaw = (uint8_t)(field(cap, 21, 16) + 1);
    dump->in.sagaw = (uint8_t)field(cap, 12, 8);
    dump->in.haw = dump->in.mgaw; /* QEMU has one width for both */
    dump->in.root_table = physical_word(judge, VTD_REGISTERS + REG_RTADDR) & ones(51, 12);
    page_dump(judge, dump->in.root_table);
    page_dump(judge, word_get(dump, root_of(dump, DMA_DEVICE_SOURCE)));
    if (context_judge(dump, DMA_DEVICE_SOURCE, context, &known) != VTD_OK)
        judge_error(judge, "the machine's context entry of the device makes no sense");
    for (int i = 0; i < 4; i++) {
        struct path path = {.broken = true};
        uint64_t table = context[0];

        for (int depth = 0; depth < 5 && path.broken; depth++) {
            page_dump(judge, table);
            path = path_collect(dump, context[0] & ones(63, 12),
                                (unsigned)field(context[1], 2, 0) + 2, dump_iovas[i]);
            table = path.count ? path.entries[path.count - 1] : 0;
        }
    }
}

/* A page of the transfers as the IOMMU itself translated it, or refused it. */
static void agree_with_hardware(const struct script *s, const struct evidence *e)
{
    static const char asked[] =
        "on the machine's own tables you come to what its IOMMU came to";

    for (uint32_t n = 0; n < s->in.op_count; n++)
        for (size_t i = 0; i < e->device.count; i++) {
            const struct device_event *event = &e->device.list[i];
            const struct lab09_op *op = &s->in.ops[n];
            uint64_t page = field(op->iova, 63, 12) << 12;

            if (field(event->iova, 63, 12) << 12 != page)
                continue;
            CHECK(s->judge,
                  event->kind != DEVICE_TRANSLATED || op->write ||
                      s->out->results[n].physical == (event->physical | (op->iova & 0xfff)),
                  asked, "iova 0x%" PRIx64 ": physical 0x%" PRIx64 ", not 0x%" PRIx64,
                  op->iova, s->out->results[n].physical,
                  event->physical | (op->iova & 0xfff));
            CHECK(s->judge,
                  event->kind != DEVICE_FAULT || op->write != event->write ||
                      s->out->results[n].value == event->reason,
                  asked, "iova 0x%" PRIx64 ": reason 0x%" PRIx64 ", not 0x%x", op->iova,
                  (uint64_t)s->out->results[n].value, event->reason);
        }
}

static void your_walk_agrees_with_the_machine(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);

    dump = script_new(judge);
    d->in.real = 1;
    buffer_make(d, 0, 0, 4, VTD_SL_RIGHTS);
    buffer_make(d, 1, 4, 4, VTD_SL_READ);
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 0, .first = 1, .count = 2);
    DMA_OP(d, .kind = LAB09_PREMAP, .buffer = 1, .first = 2, .count = 1);
    move_put(d, 0, 2 * VTD_PAGE - 100, 0, 300, false); /* pages 1 and 2 */
    move_put(d, 1, 2 * VTD_PAGE + 8, 0, 64, true);     /* refused */
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    for (unsigned i = 0; i < 4; i++)
        dump_iovas[i] = d->in.buffers[i / 3].iova + (i < 3 ? i : 2) * VTD_PAGE;
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE | RUN_HOLD,
                                  RAM_WINDOW,
                                  .at_checkpoint = tables_dump});
    CHECK(judge, device_events_count(&d->e->device, DEVICE_TRANSLATED) > 0,
          "the device's transfer is translated", "QEMU's trace has no translation");
    for (unsigned i = 0; i < 16; i++) /* each page is read, written, written and read */
        translate_put(dump, DMA_DEVICE_SOURCE,
                      dump_iovas[i / 4] | random_bits(judge, 11, 0),
                      i % 4 == 1 || i % 4 == 2);
    script_compare(dump, "iommu_translate() walks the tables that Linux has made");
    agree_with_hardware(dump, d->e);
}

/* --- demand mapping ------------------------------------------------------------------ */

/* What the emulated IOMMU did, for `make trace` (grader/pages/fault.html): QEMU's trace, with
 * the accesses to one page that follow each other as one. */
static void faults_view(struct judge *judge, const struct evidence *e, uint64_t iova,
                        uint32_t pages)
{
    cJSON *view = cJSON_CreateObject(), *events, *last = NULL;
    const struct device_event *before = NULL;
    char *text, words[160];

    snprintf(words, sizeof words, "%#" PRIx64, iova);
    cJSON_AddStringToObject(view, "iova", words);
    cJSON_AddNumberToObject(view, "pages", pages);
    events = cJSON_AddArrayToObject(view, "events");
    for (size_t i = 0; i < e->device.count; i++) {
        const struct device_event *event = &e->device.list[i];
        const uint64_t page = event->iova / VTD_PAGE - iova / VTD_PAGE;

        if (before && event->kind == before->kind && event->kind == DEVICE_FAULT &&
            event->iova / VTD_PAGE == before->iova / VTD_PAGE) {
            cJSON *times = cJSON_GetObjectItem(last, "times");

            cJSON_SetNumberValue(times, cJSON_GetNumberValue(times) + 1);
            continue;
        }
        before = event;
        last = cJSON_CreateObject();
        cJSON_AddStringToObject(last, "kind",
                                event->kind == DEVICE_FAULT        ? "refused"
                                : event->kind == DEVICE_TRANSLATED ? "translated"
                                                                   : "recorded");
        cJSON_AddNumberToObject(
            last, "page",
            event->kind == DEVICE_FAULT_RECORD || page >= pages ? -1 : (double)page);
        cJSON_AddNumberToObject(last, "times", 1);
        device_event_describe(event, words, sizeof words);
        cJSON_AddStringToObject(last, "text", words);
        cJSON_AddItemToArray(events, last);
    }
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(judge, "fault", text);
    cJSON_free(text);
    cJSON_Delete(view);
}

static void demand_works_on_the_device(struct judge *judge)
{
    struct dma_script *d = dma_new(judge);
    struct refusals r = {0};
    uint8_t want[LAB09_RAM_PAGES * 4096];
    const struct lab09_dma_result *results;
    uint64_t pages = 0;
    uint32_t from = (uint32_t)(VTD_PAGE - 100 - judge_random_below(judge, 900)),
             to = (uint32_t)(2 * VTD_PAGE - 100 - judge_random_below(judge, 900));

    d->in.real = 1;
    buffer_make(d, 0, 2, 4, VTD_SL_RIGHTS);
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + from, .length = 1800);
    DMA_OP(d, .kind = LAB09_DEMAND, .iova = d->in.buffers[0].iova + to, .length = 1300,
           .to_memory = 1, .offset = 400);
    DMA_OP(d, .kind = LAB09_CHECKPOINT);
    dma_run(d, &(struct run_spec){.flags = RUN_DEVICE, RAM_WINDOW});
    results = d->out->results;
    refusals_gather(d->e, &r);
    faults_view(judge, d->e, d->in.buffers[0].iova, 4);
    for (int i = 0; i < 2; i++) {
        char text[40];

        CHECK(judge, results[i].value == 0, "both transfers come to an end",
              "dma_demand_transfer() %d returned %s", i,
              errno_text(results[i].value, text, sizeof text));
    }
    for (unsigned i = 0; i < r.count; i++)
        pages |= 1ull << field(r.list[i].page - d->in.buffers[0].iova, 17, 12);
    CHECK(judge, pages == 7 && r.records == 3,
          "pages 0, 1 and 2 are refused at first, one record each",
          "pages with bits 0x%" PRIx64 " were refused; %u fault records", pages, r.records);
    CHECK(judge, results[1].faults == 3 && results[1].mapped == 7,
          "as many faults are counted as pages were touched for the first time",
          "faults is %" PRIu64 ", mapped 0x%" PRIx64 ", not 3 and 0x7", results[1].faults,
          results[1].mapped);
    memcpy(want, d->in.ram, sizeof want);
    memcpy(want + 2 * VTD_PAGE + to, d->in.ram[2] + from + 400, 1300);
    ram_expect(d, 0, want);
    judge_figure(judge, "accesses of 4 bytes that were refused",
                 (double)device_events_count(&d->e->device, DEVICE_FAULT), "");
    judge_figure(judge, "faults that were recorded", r.records, "");
}

/* === the table ======================================================================= */

#define VTD(section) "Intel VT-d specification, " section

static const struct check checks[] = {
    {
        .id = "attach_writes_root_and_context",
        .title = "attaches devices: root and context entries",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = attach_writes_root_and_context,
        .why = "These two entries decide which device sees which memory.",
        .handout = "Steps, 2",
        .slide = "IOMMU",
        .manual = VTD("3.4, 9.1, 9.3"),
        .hints =
            {"A source-id is bus, device and function in 16 bits. Which part chooses "
             "the root entry, which one the context entry?",
             "Root entry: bus. Context entry: the lower eight bits. A bus gets its context "
             "table with the first device on it. AW is the number of levels minus 2.",
             "context = (root[2 * bus] & ~0xfff) + 16 * devfn; high word: DID << 8 | AW; "
             "then the low word: table | 1. Detach writes both words 0."},
        .explanation =
            "256 buses, 256 functions each: the root table and the context tables are "
            "a two-level page table whose address is the device's name.",
    },
    {
        .id = "map_writes_level_1_entries",
        .title = "maps pages for the device, and only these",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = map_writes_level_1_entries,
        .why = "What is mapped is all of your memory that the device can reach.",
        .handout = "Steps, 4",
        .slide = "IOMMU",
        .manual = VTD("3.7, 9.8"),
        .hints =
            {"How many bits of the IOVA choose an entry at each level, and which ones?",
             "vtd_index() does it. A missing table is taken from the pool, and its entry "
             "says R and W: the page's own entry decides.",
             "for each page: walk down from domain->levels to 2, table_take() where R and "
             "W "
             "are 0 (entry = table | 3); level 1: entry = physical | rights."},
        .explanation = "The second-level format is close to that of EPT (lab 05): on some "
                       "machines one tree of tables serves CPU and devices.",
    },
    {
        .id = "map_does_all_or_nothing",
        .title = "maps all of a range, or says why not",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = map_does_all_or_nothing,
        .why = "Half a mapping is a window that nobody knows to close.",
        .handout = "Steps, 4",
        .slide = "IOMMU",
        .manual = "common/include/iommu_domain.h",
        .hints =
            {"Several errors may apply at once. Which one comes first?",
             "Compare with what is left (size > limit - iova): sums wrap around. After "
             "-ENOMEM, the pages that you had mapped already are to go, from the IOTLB "
             "too.",
             "-EINVAL for everything about iova, physical, size and rights; -ERANGE; a "
             "pass "
             "over the range for -EEXIST; then map, and on a missing table clear "
             "[iova, iova + what was done)."},
        .explanation =
            "The width of a domain is the lesser of what the IOMMU can take (MGAW) and "
            "what its levels translate: 39 bits for three, 48 for four.",
    },
    {
        .id = "unmap_clears_the_range",
        .title = "unmaps what is there, holes or not",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = unmap_clears_the_range,
        .why = "Memory that is given back must be out of the device's reach.",
        .handout = "Steps, 5",
        .slide = "IOMMU",
        .manual = VTD("3.7, 9.8"),
        .hints =
            {"What is at level 1 where nothing is mapped? And if there is no table?",
             "A missing table maps nothing: go on with the next page.",
             "The same helper as in iommu_map() finds the entry, without making tables; if "
             "it finds one, *entry = 0."},
        .explanation =
            "Empty tables stay here. If they were freed, the IOMMU's paging-structure "
            "caches would have to be invalidated first (VT-d 6.2.5).",
    },
    {
        .id = "walk_finds_the_page",
        .title = "walks 3 and 4 levels to pages of all sizes",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = walk_finds_the_page,
        .why = "This is what the hardware does for each access of a device.",
        .handout = "Steps, 6",
        .slide = "IOMMU",
        .manual = VTD("3.4.3, 3.7"),
        .hints =
            {"Which bits of an entry are the address, and which are ignored?",
             "Bits 51:12 lead on. With bit 7 at level 3 or 2 the walk ends: what of the "
             "IOVA is the offset then?",
             "leaf: level == 1 or (level < 4 and bit 7). physical = address | (iova & "
             "(vtd_level_size(level) - 1)); the rights are the AND of all entries."},
        .explanation =
            "A full walk reads 2 + 2 + 4 words. A device that moves 4 KiB in pieces of "
            "64 bytes would cost 512 of them: hence the IOTLB.",
    },
    {
        .id = "walk_names_the_reason",
        .title = "names the reason of each refusal",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = walk_names_the_reason,
        .why = "The reason says which table is wrong, and who has to mend it.",
        .handout = "Steps, 6",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7.1, appendix A"),
        .hints =
            {"Follow the order of the contract: entry by entry, and for each: readable, "
             "present, reserved bits, values.",
             "An entry that is not present has no reserved bits. The width is checked "
             "before "
             "the first table is read. Reserved bits come before rights.",
             "Reserved in a second-level entry: 62, 11, 51:haw; for a large page the "
             "address "
             "bits within it; bit 7 at level 4. SLPTPTR unreadable is 3, a later table 7."},
        .explanation =
            "Reasons 1 and 2 mean: nobody gave this device any memory. 5 and 6 are the "
            "everyday ones. The others say that the tables themselves are damaged.",
    },
    {
        .id = "cached_translations_spare_the_walk",
        .title = "translates from the IOTLB what lies in it",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = cached_translations_spare_the_walk,
        .why = "Without it, an access costs up to eight reads of tables: 4, and 4 levels.",
        .handout = "Steps, 7",
        .slide = "IOMMU",
        .manual = VTD("6.2.4, 6.5"),
        .hints =
            {"What identifies a translation: the device, or the domain?",
             "A hit needs domain, page and the right that this access needs. Without the "
             "right: walk. A refusal is never cached.",
             "entry = &iotlb[(iova / 4096) % 16]; of a large page, cache the 4 KiB that "
             "were "
             "asked for. iotlb_invalidate(): domain and range must match; mind that iova + "
             "size may wrap for UINT64_MAX."},
        .explanation =
            "Root and context entries are read each time here; real hardware has a "
            "context cache for them, with invalidations of its own.",
    },
    {
        .id = "unmap_leaves_nothing_stale",
        .title = "leaves no stale translation behind",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = unmap_leaves_nothing_stale,
        .why = "A page that is freed and still reachable belongs to somebody else by then.",
        .handout = "Steps, 5",
        .slide = "IOMMU",
        .manual = VTD("6.5"),
        .hints =
            {"The tables are right after your unmap. Who does not read the tables?",
             "Each page of the range has to go from the IOTLB, for this domain and for no "
             "other. What is left of a domain whose device was detached? And what does a "
             "device find that reads between two of your writes?",
             "iommu_unmap(), and the undo of iommu_map(): clear the entries, then "
             "iotlb_invalidate(iommu, id, iova, size). iommu_detach(): the low word, the "
             "high word, iotlb_invalidate(iommu, id, 0, UINT64_MAX)."},
        .explanation =
            "Linux may delay these invalidations (iommu.strict=0) to save time: for a "
            "few milliseconds the device can still reach freed pages.",
    },
    {
        .id = "fault_records_are_bit_exact",
        .title = "encodes and decodes fault records",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = fault_records_are_bit_exact,
        .why = "These 128 bits are all that the hardware tells.",
        .handout = "Steps, 9",
        .slide = "IOMMU and virtualization",
        .manual = VTD("10.4.14 (FRCD_REG)"),
        .hints =
            {"The drawing is in vtd.h. Which field is in which word?",
             "T is 1 for a read. The reason has eight bits, the source-id sixteen; what is "
             "between them is not yours.",
             "high = F | (read ? T : 0) | reason << 32 | source; low = page & ~0xfff. "
             "Decode with (uint8_t)(high >> 32) and (uint16_t)high."},
        .explanation =
            "The lower 12 bits of the address are not recorded: enough to repair a "
            "mapping, not to find the descriptor that was wrong.",
    },
    {
        .id = "one_record_collapses_or_overflows",
        .title = "keeps the first fault and tells of lost ones",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = one_record_collapses_or_overflows,
        .why = "A device can fault millions of times a second, with one place to note it.",
        .handout = "Steps, 11",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7.2.1, 10.4.9 (FSTS_REG)"),
        .hints =
            {"There are four cases. Which one is asked first?",
             "PFO set: nothing. F clear: record, PPF. F set: of the same device, nothing; "
             "of "
             "another, PFO.",
             "take: lost = PFO, clear PFO; if F: decode, clear F and PPF. The rest of the "
             "record stays as it is."},
        .explanation =
            "That is why a driver must not count on one report per refused access: it "
            "gets at least one, for the first.",
    },
    {
        .id = "faults_of_translations_are_recorded",
        .title = "records what it refuses, unless FPD is set",
        .tenths = 2,
        .target = TARGET_MODEL,
        .run = faults_of_translations_are_recorded,
        .why = "A refusal that nobody hears of is data that is silently wrong.",
        .handout = "Steps, 7",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7.2, 9.3 (FPD)"),
        .hints = {"For which faults has the IOMMU seen a context entry?",
                  "FPD counts once the context entry was read, even if its P is 0. Faults "
                  "at the "
                  "root table know nothing of it.",
                  "if (reason && !(context_was_read && (context[0] & VTD_CONTEXT_FPD))) "
                  "vtd_fault_log_add(...) with the page of the IOVA."},
        .explanation =
            "FPD silences a device that went wild, so that the others are still heard.",
    },
    {
        .id = "kernel_reports_are_decoded",
        .title = "reads the kernel's reports",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = kernel_reports_are_decoded,
        .why = "For a process this text is the only way to hear of a DMA fault.",
        .handout = "Steps, 13",
        .slide = "IOMMU and virtualization",
        .manual = "drivers/iommu/intel/dmar.c of Linux; common/include/dma_demand.h",
        .hints =
            {"Where does the report begin in the line, and where does it end for you?",
             "strstr() for \"DMAR: [DMA \", then sscanf(). How do you know that the last "
             "\"]\" was there too?",
             "%n at the end of the format is written only if all before it matched: "
             "initialize it with 0. %2x:%2x.%1x for the device, then compare with 1f and "
             "7."},
        .explanation =
            "Parsing a log is a poor interface, and a rate-limited one. VFIO has no "
            "better for faults that cannot be recovered from.",
    },
    {
        .id = "demand_maps_each_page_once",
        .title = "maps a page when the device touches it",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = demand_maps_each_page_once,
        .why = "Fault, map, again: that is demand paging, for a device.",
        .handout = "Steps, 14",
        .slide = "IOMMU and virtualization",
        .manual = "common/include/dma_demand.h",
        .hints =
            {"When is the transfer made again, and when not?",
             "Read the log to its end after each transfer. A report of another device is "
             "not about you. The same page may be reported twice in one round.",
             "do { before = mapped; transfer; for each report of ours: repair; } while "
             "(there "
             "was one). dma_buffer_map(buffer, page, 1) maps; faults counts the pages."},
        .explanation =
            "A record holds one fault, so a transfer that touches n new pages may take "
            "n + 1 tries. A CPU's page fault costs one, because it can wait.",
    },
    {
        .id = "demand_gives_up_with_a_reason",
        .title = "gives up where mapping does not help",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = demand_gives_up_with_a_reason,
        .why = "A retry that can never succeed is an endless loop.",
        .handout = "Steps, 14",
        .slide = "IOMMU and virtualization",
        .manual = "common/include/dma_demand.h",
        .hints =
            {"Which faults can a mapping repair? In which order are the others named?",
             "Not in the buffer, another reason than 5 and 6, mapped before the transfer, "
             "not allowed by rights: in this order.",
             "Compare fault->page with buffer->iova before you subtract. `before` is the "
             "bitmap as it was when this round's transfer was made."},
        .explanation =
            "An operating system does the same: some page faults bring a page, the "
            "others a signal.",
    },
    {
        .id = "refused_accesses_are_reported",
        .title = "decodes what the real IOMMU refused",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .fresh_machine = true,
        .run = refused_accesses_are_reported,
        .why = "Unmapped, read-only, unmapped again: the device reaches its windows only.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7.2; docs/specs/edu.txt of QEMU"),
        .hints = {"If the checks on the model pass, this one does.",
                  "The device is refused a read (reason 6) and two writes (reason 5); the "
                  "kernel "
                  "writes a line for each.",
                  "The lines come from /dev/kmsg and go through your dmar_report_parse()."},
        .explanation =
            "The device noticed nothing: its transfers ended as always. A refused read "
            "gave it zeros.",
    },
    {
        .id = "your_walk_agrees_with_the_machine",
        .title = "walks the tables that Linux has made",
        .tenths = 5,
        .target = TARGET_MACHINE,
        .run = your_walk_agrees_with_the_machine,
        .why = "Your IOMMU and the machine's have to agree on the same tables.",
        .handout = "Run it",
        .slide = "IOMMU",
        .manual = VTD("3.4, 3.7"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "The tables were read out of the machine while VFIO's mappings were there: "
             "three "
             "levels, 39 bits.",
             "The root table, the context table and the second-level tables are pages of "
             "your vtd_memory; nothing else can be read."},
        .explanation =
            "You have just translated as QEMU's VT-d did: its trace said the same.",
    },
    {
        .id = "demand_works_on_the_device",
        .title = "maps on demand for the real device",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .fresh_machine = true,
        .run = demand_works_on_the_device,
        .why = "The slide's page-fault interrupt, with what this hardware can do.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7.1 to 7.3"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "Two transfers touch three new pages: five tries, three reports.",
             "Each try takes the device a tenth of a second. If it never ends: does your "
             "loop stop when there is no report?"},
        .explanation =
            "As many faults as pages: the device's first touch of each page, and "
            "nothing of the RAM around them was changed.",
    },
};

const struct lab_checks lab_checks = {
    .name = "09-iommu-faults",
    .title = "IOMMU faults",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
