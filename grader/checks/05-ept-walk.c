/* 05-ept-walk.c - the checks of lab 05.
 *
 * Building is judged by what the tables say in the end: the judge reads them out of the pool
 * and compares them with a plain list of pages that knows no tables. Walking is judged on
 * tables that the judge made, against a model of the CPU: outcome, and the address of each
 * memory reference in its order. On target silicon a CPU follows the student's tables; what
 * it did, the student's walker has to say, and the model too.
 *
 * Where the emulated CPU and the SDM leave room (A flags of a walk that fails; bits of the
 * qualification that depend on features that are off), nothing is compared.
 */
#define _GNU_SOURCE
#include "../subjects/05-ept-walk.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../silicon/silicon.h"
#include "check.h"
#include "guest_image.h"
#include "nested_walk.h"

#define KIB4 (1ull << 12)
#define MIB2 (1ull << 21)
#define GIB1 (1ull << 30)
#define RWX  7ull
#define RW   3ull
#define RX   5ull

#define HPA_BASE 0x40000000ull /* of the memory in the model */
#define POOL     40u           /* pages, for building */

GUEST_IMAGE(probe_guest, "probe.bin");

/* --- a script and what is expected of it -------------------------------------------------- */

#define WALK_REFS 40

/* What an operation has to give. */
struct want {
    bool any; /* nothing is expected */
    struct lab05_result r;
    uint32_t ref_count;
    uint64_t refs[WALK_REFS];
    const char *labels[WALK_REFS];
};

struct script {
    struct judge *judge;
    struct lab05_input in;
    struct want wants[LAB05_OPS];
    const char *asked[LAB05_OPS];
    const struct evidence *e;
    const struct lab05_output *out;
};

static void *memory_get(struct judge *judge, size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        judge_error(judge, "out of memory");
    return memory;
}

static struct script *script_new(struct judge *judge, uint32_t memory_pages, uint32_t pool)
{
    struct script *s = memory_get(judge, sizeof *s);

    s->judge = judge;
    s->in.memory_hpa = HPA_BASE;
    s->in.memory_pages = memory_pages;
    s->in.pool_pages = pool;
    for (int i = 0; i < LAB05_EPTS; i++)
        s->in.cpu[i] = (struct lab05_cpu){.physical_bits = 46, .page_1g = 1};
    return s;
}

/* Returns what is expected of it, to be filled in. */
static struct want *op_put(struct script *s, const char *asked, struct lab05_op op)
{
    const uint32_t i = s->in.op_count++;

    if (i >= LAB05_OPS)
        judge_error(s->judge, "the check's script is too long");
    s->in.ops[i] = op;
    s->asked[i] = asked;
    return &s->wants[i];
}

#define OP(s, asked, ...) op_put(s, asked, (struct lab05_op){__VA_ARGS__})

/* The same for an operation of which only the value counts. */
static void value_put(struct script *s, int64_t value, const char *asked,
                      struct lab05_op op)
{
    op_put(s, asked, op)->r.value = value;
}

#define VALUE(s, want, asked, ...) value_put(s, want, asked, (struct lab05_op){__VA_ARGS__})

/* --- in words ----------------------------------------------------------------------------- */

static void errno_describe(int64_t value, char *buffer, size_t size)
{
    const char *name = value < 0 && value > -200 ? strerrorname_np((int)-value) : NULL;

    if (name)
        snprintf(buffer, size, "-%s", name);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

static void rights_describe(uint64_t rights, char text[4])
{
    text[0] = rights & EPT_READ ? 'r' : '-';
    text[1] = rights & EPT_WRITE ? 'w' : '-';
    text[2] = rights & EPT_FETCH ? 'x' : '-';
    text[3] = 0;
}

static const char *access_name(uint64_t access)
{
    return access & EPT_FETCH ? "fetch" : access & EPT_WRITE ? "write" : "read";
}

static void op_describe(const struct lab05_op *op, char *buffer, size_t size)
{
    char rights[4];

    rights_describe(op->access, rights);
    switch (op->kind) {
    case LAB05_MAP:
        snprintf(buffer, size,
                 "ept_map(gpa %#" PRIx64 ", hpa %#" PRIx64 ", size %#" PRIx64
                 ", rights %#" PRIx64 " (%s), type %u)",
                 op->gpa, op->hpa, op->size, op->access, rights, op->type);
        break;
    case LAB05_UNMAP:
        snprintf(buffer, size, "ept_unmap(gpa %#" PRIx64 ", size %#" PRIx64 ")", op->gpa,
                 op->size);
        break;
    case LAB05_PROTECT:
        snprintf(buffer, size,
                 "ept_protect(gpa %#" PRIx64 ", size %#" PRIx64 ", rights %#" PRIx64
                 " (%s))",
                 op->gpa, op->size, op->access, rights);
        break;
    case LAB05_WALK:
        snprintf(buffer, size, "ept_walk(%sgpa %#" PRIx64 ", %s%s%s)",
                 op->cached ? "with a cache, " : "", op->gpa, access_name(op->access),
                 op->access & EPT_ACCESS_LINEAR ? ", L" : "",
                 op->access & EPT_ACCESS_FINAL ? ", F" : "");
        break;
    case LAB05_NESTED:
        snprintf(buffer, size, "nested_walk(%sVM %u, gva %#" PRIx64 ", %s%s)",
                 op->cached ? "with caches, " : "", op->ept, op->gpa,
                 access_name(op->access), op->access & NESTED_USER ? ", user" : "");
        break;
    case LAB05_INVEPT:
        snprintf(buffer, size, "nested_invept(type %u, root of tree %u)", op->type,
                 op->ept);
        break;
    default:
        snprintf(buffer, size, "%s",
                 op->kind == LAB05_CREATE    ? "ept_create()"
                 : op->kind == LAB05_DESTROY ? "ept_destroy()"
                 : op->kind == LAB05_POINTER ? "ept_pointer()"
                                             : "the operation");
    }
}

static void walk_describe(const struct lab05_result *r, char *buffer, size_t size)
{
    char rights[4];

    rights_describe(r->rights, rights);
    if (r->value == EPT_TRANSLATED)
        snprintf(buffer, size,
                 "TRANSLATED, hpa %#" PRIx64 ", rights %s, page_size %#" PRIx64
                 ", memory_type %u, qualification %#" PRIx64 ", references %u",
                 r->hpa, rights, r->gpa, r->memory_type, r->qualification, r->references);
    else
        snprintf(buffer, size,
                 "%s, qualification %#" PRIx64 ", hpa %#" PRIx64 ", rights %s, page_size "
                 "%#" PRIx64 ", memory_type %u, references %u",
                 r->value == EPT_VIOLATION          ? "VIOLATION"
                 : r->value == EPT_MISCONFIGURATION ? "MISCONFIGURATION"
                                                    : "no outcome",
                 r->qualification, r->hpa, rights, r->gpa, r->memory_type, r->references);
}

static void nested_describe(const struct lab05_result *r, char *buffer, size_t size)
{
    static const char *const outcomes[] = {"no outcome", "TRANSLATED", "PAGE_FAULT",
                                           "VIOLATION", "MISCONFIGURATION"};

    snprintf(buffer, size,
             "%s, hpa %#" PRIx64 ", gpa %#" PRIx64 ", qualification %#" PRIx64
             ", error_code %#x, references %u",
             r->value >= 0 && r->value <= 4 ? outcomes[r->value] : "no outcome", r->hpa,
             r->gpa, r->qualification, r->error_code, r->references);
}

static void result_describe(uint32_t kind, const struct lab05_result *r, char *buffer,
                            size_t size)
{
    if (kind == LAB05_WALK)
        walk_describe(r, buffer, size);
    else if (kind == LAB05_NESTED)
        nested_describe(r, buffer, size);
    else if (kind == LAB05_POINTER)
        snprintf(buffer, size, "%#" PRIx64, (uint64_t)r->value);
    else
        errno_describe(r->value, buffer, size);
}

/* --- running it and comparing --------------------------------------------------------------- */

static void script_run(struct script *s)
{
    const size_t memory = s->in.memory_pages * sizeof s->in.memory[0];
    const size_t ops =
        offsetof(struct lab05_input, ops) + s->in.op_count * sizeof s->in.ops[0];
    const struct run_spec spec = {
        .entry = LAB05_SCRIPT,
        .input = &s->in,
        .input_size =
            s->in.memory_given ? offsetof(struct lab05_input, memory) + memory : ops};

    s->e = judge_run(s->judge, &spec, offsetof(struct lab05_output, memory) + memory);
    s->out = (const void *)s->e->answer;
}

static bool result_fits(uint32_t kind, const struct lab05_result *want,
                        const struct lab05_result *got)
{
    if (want->value != got->value)
        return false;
    if (kind != LAB05_WALK && kind != LAB05_NESTED)
        return true;
    return want->hpa == got->hpa && want->gpa == got->gpa &&
           want->qualification == got->qualification &&
           want->error_code == got->error_code && want->rights == got->rights &&
           want->memory_type == got->memory_type && want->references == got->references;
}

/* The reads of a walk: address by address. */
static void refs_expect(const struct script *s, uint32_t i)
{
    const struct want *want = &s->wants[i];
    const struct lab05_result *got = &s->out->results[i];
    char op[160];

    op_describe(&s->in.ops[i], op, sizeof op);
    CHECK(s->judge, got->reads == want->ref_count, s->asked[i],
          "%s: %u calls of memory->read(), %u are due", op, got->reads, want->ref_count);
    for (uint32_t n = 0; n < want->ref_count && got->log_at + n < LAB05_LOG; n++)
        CHECK(s->judge, s->out->log[got->log_at + n] == want->refs[n], s->asked[i],
              "%s: reference %u of %u reads hpa %#" PRIx64 ", due is %#" PRIx64 ": %s", op,
              n + 1, want->ref_count, s->out->log[got->log_at + n], want->refs[n],
              want->labels[n]);
    CHECK(s->judge, got->writes == want->r.writes, s->asked[i],
          "%s: %u calls of memory->write(), %u are due", op, got->writes, want->r.writes);
}

static void result_expect(const struct script *s, uint32_t i)
{
    const struct lab05_op *op = &s->in.ops[i];
    const struct want *want = &s->wants[i];
    char called[160], due[200], got[200];

    if (want->any)
        return;
    op_describe(op, called, sizeof called);
    result_describe(op->kind, &want->r, due, sizeof due);
    result_describe(op->kind, &s->out->results[i], got, sizeof got);
    CHECK(s->judge, result_fits(op->kind, &want->r, &s->out->results[i]), s->asked[i],
          "%s: %s; due: %s", called, got, due);
    if (op->kind == LAB05_WALK || op->kind == LAB05_NESTED)
        refs_expect(s, i);
}

static void results_expect(const struct script *s)
{
    for (uint32_t i = 0; i < s->in.op_count; i++)
        result_expect(s, i);
}

/* --- what has to be mapped: a list of pages ------------------------------------------------- */

#define LEAVES_MAX 24000

struct leaf {
    uint64_t gpa, hpa;
    uint64_t bits; /* rights, memory type, A, D */
    int level;
};

struct world {
    struct judge *judge;
    const struct lab05_cpu *cpu;
    unsigned room; /* pages that tables may take */
    unsigned count;
    uint64_t touched; /* GPA of a page that the CPU has used */
    uint64_t kept;    /* GPA of a page whose tables stay, and have A */
    int kept_level;   /* of its leaf, before it was split; 0: there is no such page */
    struct leaf leaves[LEAVES_MAX];
};

static uint64_t leaf_size(const struct leaf *leaf)
{
    return KIB4 << 9 * (leaf->level - 1);
}

static struct world *world_new(const struct script *s)
{
    struct world *w = memory_get(s->judge, sizeof *w);

    w->judge = s->judge;
    w->cpu = &s->in.cpu[0];
    w->room = s->in.pool_pages;
    return w;
}

static void leaf_add(struct world *w, struct leaf leaf)
{
    if (w->count >= LEAVES_MAX)
        judge_error(w->judge, "the check maps too many pages");
    w->leaves[w->count++] = leaf;
}

static int leaf_compare(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;

    return (x->gpa > y->gpa) - (x->gpa < y->gpa);
}

static void world_sort(struct world *w)
{
    qsort(w->leaves, w->count, sizeof w->leaves[0], leaf_compare);
}

/* Tables for these pages: the root, and one for each group of leaves that needs one. */
static unsigned world_tables(const struct world *w)
{
    unsigned tables = 1;

    for (int level = 1; level <= 3; level++) {
        uint64_t last = UINT64_MAX;

        for (unsigned i = 0; i < w->count; i++) {
            uint64_t number = w->leaves[i].gpa >> (12 + 9 * level);

            if (w->leaves[i].level <= level && number != last) {
                tables++;
                last = number;
            }
        }
    }
    return tables;
}

static bool leaf_touches(const struct leaf *leaf, uint64_t from, uint64_t to)
{
    return leaf->gpa < to && from < leaf->gpa + leaf_size(leaf);
}

static uint64_t world_mapped(const struct world *w, uint64_t from, uint64_t to)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < w->count; i++) {
        const struct leaf *leaf = &w->leaves[i];
        const uint64_t end = leaf->gpa + leaf_size(leaf);

        if (leaf_touches(leaf, from, to))
            sum += (end < to ? end : to) - (leaf->gpa > from ? leaf->gpa : from);
    }
    return sum;
}

static int range_errno(uint64_t gpa, uint64_t size)
{
    if (size == 0 || gpa % KIB4 || size % KIB4)
        return -EINVAL;
    return (unsigned __int128)gpa + size > (1ull << 48) ? -ERANGE : 0;
}

static bool rights_possible(const struct world *w, uint64_t rights)
{
    static const bool always[8] = {[1] = true, [3] = true, [5] = true, [7] = true};

    return rights < 8 && (always[rights] || (rights == 4 && w->cpu->execute_only));
}

static int map_errno(const struct world *w, const struct lab05_op *op)
{
    const bool type_known =
        op->type == 0 || op->type == 1 || op->type == 4 || op->type == 5 || op->type == 6;
    const int r = range_errno(op->gpa, op->size);

    if (r == -EINVAL || !type_known || !rights_possible(w, op->access) || op->hpa % KIB4 ||
        (unsigned __int128)op->hpa + op->size > (unsigned __int128)1
                                                    << w->cpu->physical_bits)
        return -EINVAL;
    if (r < 0)
        return r;
    return world_mapped(w, op->gpa, op->gpa + op->size) ? -EEXIST : 0;
}

static int world_map(struct world *w, const struct lab05_op *op)
{
    const unsigned before = w->count;
    const int r = map_errno(w, op);
    uint64_t done = 0;

    /* More leaves than there can be in all the tables: the pool is too small anyway. */
    while (r == 0 && done < op->size && w->count < LEAVES_MAX) {
        struct leaf leaf = {.gpa = op->gpa + done,
                            .hpa = op->hpa + done,
                            .bits = op->access | (uint64_t)op->type << 3,
                            .level = 1};

        for (int level = 2; level <= (w->cpu->page_1g ? 3 : 2); level++) {
            const uint64_t size = KIB4 << 9 * (level - 1);

            if (leaf.gpa % size == 0 && leaf.hpa % size == 0 && op->size - done >= size)
                leaf.level = level;
        }
        leaf_add(w, leaf);
        done += leaf_size(&leaf);
    }
    world_sort(w);
    if (r < 0 || (done == op->size && world_tables(w) <= w->room))
        return r;
    for (unsigned i = w->count; i-- > 0;)
        if (w->leaves[i].gpa >= op->gpa && w->leaves[i].gpa < op->gpa + op->size)
            w->leaves[i] = w->leaves[--w->count];
    world_sort(w);
    return w->count == before ? -ENOMEM : -EFAULT;
}

/* Splits until no page lies across from or to; how often. */
static unsigned world_cut(struct world *w, uint64_t from, uint64_t to)
{
    unsigned splits = 0;

    for (unsigned i = 0; i < w->count; i++) {
        struct leaf leaf = w->leaves[i];
        const uint64_t end = leaf.gpa + leaf_size(&leaf);

        if (!leaf_touches(&leaf, from, to) || (leaf.gpa >= from && end <= to))
            continue;
        splits++;
        leaf.level--;
        w->leaves[i--] = leaf;
        for (unsigned n = 1; n < 512; n++) {
            leaf.gpa += leaf_size(&leaf);
            leaf.hpa += leaf_size(&leaf);
            leaf_add(w, leaf);
        }
    }
    world_sort(w);
    return splits;
}

static int world_change(struct world *w, const struct lab05_op *op)
{
    const uint64_t to = op->gpa + op->size;
    int r = range_errno(op->gpa, op->size);
    struct world *cut;
    unsigned kept = 0;

    if (op->kind == LAB05_PROTECT && r != -EINVAL && !rights_possible(w, op->access))
        r = -EINVAL;
    if (r == 0 && op->kind == LAB05_PROTECT && world_mapped(w, op->gpa, to) != op->size)
        r = -ENOENT;
    if (r < 0)
        return r;
    cut = memory_get(w->judge, sizeof *cut);
    *cut = *w;
    r = world_cut(cut, op->gpa, to) > w->room - world_tables(w) ? -ENOMEM : 0;
    for (unsigned i = 0; r == 0 && i < cut->count; i++) {
        struct leaf *leaf = &cut->leaves[i];
        const bool inside = leaf->gpa >= op->gpa && leaf->gpa < to;

        if (inside && op->kind == LAB05_PROTECT)
            leaf->bits = (leaf->bits & ~RWX) | op->access;
        if (!inside || op->kind == LAB05_PROTECT)
            cut->leaves[kept++] = *leaf;
    }
    if (r == 0) {
        cut->count = kept;
        *w = *cut;
    }
    free(cut);
    return r;
}

/* The operation, and what it has to return. */
static int build_put(struct script *s, struct world *w, const char *asked,
                     struct lab05_op op)
{
    const int r = op.kind == LAB05_MAP ? world_map(w, &op) : world_change(w, &op);

    value_put(s, r, asked, op);
    return r;
}

#define BUILD(s, w, asked, ...) build_put(s, w, asked, (struct lab05_op){__VA_ARGS__})

/* --- what is mapped: the student's tables, read -------------------------------------------- */

struct reading {
    const struct script *s;
    const char *asked;
    struct world *found;
    bool seen[LAB05_PAGES];
    unsigned tables;
};

static const uint64_t *table_at(struct reading *r, uint64_t hpa, const char *what)
{
    const uint64_t page = (hpa - r->s->in.memory_hpa) / KIB4;

    CHECK(r->s->judge,
          hpa >= r->s->in.memory_hpa && hpa % KIB4 == 0 && page < r->s->in.pool_pages,
          r->asked, "%s at hpa %#" PRIx64 " is no page of the pool", what, hpa);
    CHECK(r->s->judge, !r->seen[page], r->asked,
          "the page at hpa %#" PRIx64 " is used as two tables", hpa);
    r->seen[page] = true;
    r->tables++;
    return r->s->out->memory[page];
}

static void table_read(struct reading *r, uint64_t hpa, int level, uint64_t base)
{
    static const char *const names[] = {"", "the PT", "the PD", "the PDPT", "the PML4"};
    const uint64_t *table = table_at(r, hpa, names[level]);
    const unsigned tables = r->tables;
    const unsigned leaves = r->found->count;

    for (uint64_t i = 0; i < 512; i++) {
        const uint64_t entry = table[i], gpa = base + (i << (12 + 9 * (level - 1)));
        const bool leaf = level == 1 || (level < 4 && entry & EPT_LARGE);

        if (!(entry & RWX))
            continue;
        if (leaf) {
            leaf_add(r->found, (struct leaf){.gpa = gpa,
                                             .hpa = entry & EPT_ADDRESS,
                                             .bits = entry & ~EPT_ADDRESS &
                                                     ~(level > 1 ? EPT_LARGE : 0),
                                             .level = level});
            continue;
        }
        CHECK(r->s->judge, (entry & ~EPT_ADDRESS & ~EPT_ACCESSED) == RWX, r->asked,
              "the level-%d entry for gpa %#" PRIx64 " is %#" PRIx64
              "; an entry that leads to a table has R, W, X and the address",
              level, gpa, entry);
        table_read(r, entry & EPT_ADDRESS, level - 1, gpa);
    }
    CHECK(r->s->judge, level == 4 || r->tables > tables || r->found->count > leaves,
          r->asked, "%s for gpa %#" PRIx64 " is empty and still there", names[level], base);
}

static void leaf_describe(const struct leaf *leaf, char *buffer, size_t size)
{
    char rights[4];

    rights_describe(leaf->bits, rights);
    snprintf(buffer, size,
             "a page of %s: gpa %#" PRIx64 " -> hpa %#" PRIx64 " %s, memory type %" PRIu64
             "%s%s (low bits %#" PRIx64 ")",
             leaf->level == 1   ? "4 KiB"
             : leaf->level == 2 ? "2 MiB"
                                : "1 GiB",
             leaf->gpa, leaf->hpa, rights, leaf->bits >> 3 & 7,
             leaf->bits & EPT_ACCESSED ? ", A" : "", leaf->bits & EPT_DIRTY ? ", D" : "",
             leaf->bits);
}

static void leaves_compare(const struct reading *r, const struct world *w)
{
    for (unsigned i = 0; i < w->count || i < r->found->count; i++) {
        const struct leaf none = {.gpa = UINT64_MAX},
                          *due = i < w->count ? &w->leaves[i] : &none,
                          *got = i < r->found->count ? &r->found->leaves[i] : &none;
        char want[160], seen[160];

        leaf_describe(due, want, sizeof want);
        leaf_describe(got, seen, sizeof seen);
        CHECK(r->s->judge, due->gpa <= got->gpa, r->asked, "your tables have %s, where %s",
              seen, due == &none ? "nothing more is due" : "nothing is to be mapped");
        CHECK(r->s->judge, due->gpa == got->gpa, r->asked, "missing in your tables: %s",
              want);
        CHECK(r->s->judge,
              due->hpa == got->hpa && due->bits == got->bits && due->level == got->level,
              r->asked, "your tables have %s; due: %s", seen, want);
    }
}

/* A stays in the entries that lead to the tables of w->kept, and a split page's has none. */
static void accessed_expect(const struct script *s, const struct world *w)
{
    uint64_t table = s->out->roots[0];

    for (int level = 4; w->kept_level && level > 1; level--) {
        const uint64_t page = (table - s->in.memory_hpa) / KIB4;
        const uint64_t entry =
            s->out->memory[page][w->kept >> (12 + 9 * (level - 1)) & 511];

        if (level <= 3 && entry & EPT_LARGE)
            return;
        CHECK(s->judge, !!(entry & EPT_ACCESSED) == (level > w->kept_level),
              "A stays in the entries that stay; where a page was split it is 0",
              "the level-%d entry for gpa %#" PRIx64 " is %#" PRIx64 "; due is A = %d",
              level, w->kept, entry, level > w->kept_level);
        table = entry & EPT_ADDRESS;
    }
}

/* The tree's tables say what the list says, and no page is taken beside them. */
static void tree_expect(const struct script *s, const struct world *w, const char *asked)
{
    struct reading r = {.s = s, .asked = asked, .found = world_new(s)};
    const struct lab05_result *last = &s->out->results[s->in.op_count - 1];

    table_read(&r, s->out->roots[0], 4, 0);
    leaves_compare(&r, w);
    accessed_expect(s, w);
    CHECK(s->judge, r.tables + last->free_count == w->room, asked,
          "%u pages of the pool are taken, but only %u tables can be reached",
          w->room - last->free_count, r.tables);
    free(r.found);
}

/* Builds, asks for results, compares. */
static void build_expect(struct script *s, const struct world *w, const char *asked)
{
    script_run(s);
    results_expect(s);
    tree_expect(s, w, asked);
}

static void create_put(struct script *s)
{
    VALUE(s, 0, "ept_create() takes one page for the root", .kind = LAB05_CREATE);
}

static uint64_t below(struct judge *judge, uint64_t limit)
{
    return judge_random_below(judge, limit);
}

static uint64_t random_rights(struct judge *judge)
{
    static const uint64_t rights[] = {1, 3, 5, 7};

    return rights[below(judge, 4)];
}

static uint32_t random_type(struct judge *judge)
{
    static const uint32_t types[] = {0, 1, 4, 5, 6};

    return types[below(judge, 5)];
}

/* --- checks: building ------------------------------------------------------------------------ */

static void bad_ranges_are_refused(struct judge *judge)
{
    static const char asked[] =
        "what can never be mapped is refused, in the contract's order";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t gpa = below(judge, 1 << 20) * KIB4, end = 1ull << 48,
                   hpa_end = 1ull << 46;
    const uint64_t odd = 1 + below(judge, KIB4 - 1);
    const struct lab05_op good = {.kind = LAB05_MAP,
                                  .gpa = gpa,
                                  .hpa = 8 * gpa,
                                  .size = 3 * KIB4,
                                  .access = RW,
                                  .type = MT_WB};
    struct lab05_op ops[48];
    unsigned n = 0;

#define BUT(...) (ops[n] = good, ops[n].__VA_ARGS__, n++)
    create_put(s);
    build_put(s, w, asked, good);
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
    BUT(access = RWX | 1ull << (9 + below(judge, 55)));
    for (uint32_t type = 0; type < 9; type++)
        BUT(type = type);
    BUT(gpa = end - 2 * KIB4);
    BUT(gpa = end);
    BUT(gpa = -(3 * KIB4));
    BUT(gpa = -(2 * KIB4));
    BUT(size = -gpa);
    BUT(gpa = end - 3 * KIB4); /* this one fits */
    BUT(gpa = end - KIB4 + odd);
    BUT(gpa = end), ops[n - 1].type = 7;
    BUT(gpa = end), ops[n - 1].access = EPT_WRITE;
    for (unsigned i = 0; i < n; i++)
        build_put(s, w, asked, ops[i]);
    for (unsigned i = 0; i < 6; i++) {
        const struct lab05_op range[] = {{.gpa = gpa},
                                         {.gpa = gpa + odd, .size = KIB4},
                                         {.gpa = gpa, .size = odd},
                                         {.gpa = end, .size = KIB4},
                                         {.gpa = -KIB4, .size = 2 * KIB4},
                                         {.gpa = end - KIB4, .size = 2 * KIB4}};

        BUILD(s, w, asked, .kind = LAB05_UNMAP, .gpa = range[i].gpa, .size = range[i].size);
        for (uint64_t rights = 0; rights < 10; rights++)
            BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = range[i].gpa,
                  .size = range[i].size, .access = rights);
    }
    BUILD(s, w, "unmapping the whole address space is fine", .kind = LAB05_UNMAP,
          .size = end);
    BUILD(s, w, asked, .kind = LAB05_MAP, .hpa = hpa_end - MIB2, .gpa = end - MIB2,
          .size = MIB2, .access = RX);
    build_expect(s, w, asked);
#undef BUT
}

static void execute_only_needs_the_cpu(struct judge *judge)
{
    static const char asked[] = "X alone can be mapped if the CPU can do it, and only then";

    for (unsigned i = 0; i < 2; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);
        const uint64_t gpa = below(judge, 1 << 20) * KIB4;

        s->in.cpu[0].execute_only = i == 0;
        s->in.cpu[0].physical_bits = 36 + (uint8_t)below(judge, 10);
        s->in.cpu[0].access_dirty = i == 1;
        create_put(s);
        VALUE(s, (int64_t)(HPA_BASE | 6 | 3 << 3 | (uint64_t)i << 6),
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
}

/* A multiple of one page size, plus or minus a few smaller pages. */
static uint64_t random_border(struct judge *judge)
{
    static const uint64_t sizes[] = {KIB4, MIB2, GIB1};
    uint64_t at = (1 + below(judge, 3)) * GIB1 + below(judge, 4) * MIB2;

    if (below(judge, 2))
        at += (below(judge, 5) - 2) * sizes[below(judge, 3)];
    if (below(judge, 3) == 0)
        at += (below(judge, 9) - 4) * KIB4;
    return at;
}

static void pages_are_as_large_as_possible(struct judge *judge)
{
    static const char asked[] = "from gpa upwards, each page is as large as fits";

    for (unsigned i = 0; i < 8; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);
        const uint64_t hpa_shifts[] = {0, KIB4, MIB2, GIB1, 3 * MIB2, 5 * GIB1 - 2 * KIB4};
        uint64_t base = below(judge, 1 << 16) * 8 * GIB1;

        s->in.cpu[0].page_1g = i % 4 != 3;
        create_put(s);
        for (unsigned n = 0; n < 4; n++, base += 16 * GIB1) {
            const uint64_t a = random_border(judge), b = random_border(judge);
            const uint64_t size = a < b ? b - a : a - b;

            BUILD(s, w, asked, .kind = LAB05_MAP,
                  .gpa = (base + (a < b ? a : b)) % (1ull << 47),
                  .hpa = GIB1 * 8 + (a < b ? a : b) + hpa_shifts[n ? below(judge, 6) : 0],
                  .size = size + KIB4, .access = random_rights(judge),
                  .type = random_type(judge));
        }
        BUILD(s, w, "pages of 1 GiB only if the CPU has them", .kind = LAB05_MAP,
              .gpa = (1ull << 47) + below(judge, 1 << 16) * GIB1, .hpa = 4 * GIB1,
              .size = 2 * GIB1 + KIB4, .access = RW, .type = MT_WB);
        build_expect(s, w, asked);
    }
}

static void mapped_pages_are_not_mapped_again(struct judge *judge)
{
    static const char asked[] =
        "a range that shares a page with one that is mapped is refused";
    static const uint64_t sizes[] = {KIB4, MIB2, GIB1};

    for (unsigned i = 0; i < 3; i++) {
        const uint64_t size = sizes[i], base = (64 + below(judge, 1000)) * GIB1;
        struct script *s = script_new(judge, LAB05_PAGES, LAB05_PAGES);
        struct world *w = world_new(s);

        create_put(s);
        for (int n = 0; n < 3; n++) /* three pages, and holes between them */
            BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 2 * (uint64_t)n * size,
                  .hpa = 8 * GIB1, .size = size, .access = RW, .type = MT_WB);
        for (int n = 0; n < 24; n++) {
            uint64_t a = (below(judge, 9) * size) / 2, b = (below(judge, 9) * size) / 2;

            if (below(judge, 2))
                a += KIB4, b -= KIB4;
            a = (base - 2 * size + (a < b ? a : b)) & ~(KIB4 - 1);
            b = ((b > size ? b : size) + KIB4) & ~(KIB4 - 1);
            BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = a, .size = b,
                  .hpa = 32 * GIB1 + a % GIB1, .access = random_rights(judge),
                  .type = MT_WB);
        }
        BUILD(s, w, "pages beside the range stay free", .kind = LAB05_MAP,
              .gpa = (1ull << 46) + base, .size = 3 * MIB2 / 2, .access = RW,
              .type = MT_WB);
        build_expect(s, w, asked);
    }
}

/* The CPU has used some pages: A and D are set in their leaves, A above. */
static void use_pages(struct script *s, struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count && w->count; i++) {
        struct leaf *leaf = &w->leaves[below(s->judge, w->count)];
        const bool write = leaf->bits & EPT_WRITE && below(s->judge, 2);

        OP(s, "", .kind = LAB05_TOUCH, .gpa = leaf->gpa, .access = write ? 2 : 1)->any =
            true;
        leaf->bits |= EPT_ACCESSED | (write ? EPT_DIRTY : 0);
        w->touched = leaf->gpa;
    }
}

/* Some operation on and around the pages that are there. */
static struct lab05_op random_change(struct judge *judge, const struct world *w)
{
    const bool used = below(judge, 3); /* rather one that has A, or D, too */
    const struct leaf *leaf = &w->leaves[below(judge, w->count)];

    for (unsigned i = 0; used && i < w->count; i++)
        if (w->leaves[i].gpa == w->touched)
            leaf = &w->leaves[i];

    const uint64_t size = leaf_size(leaf);
    uint64_t from = leaf->gpa, to = from + size;

    if (leaf->level > 1 && below(judge, 4)) {
        const uint64_t unit = below(judge, 2) ? KIB4 : size / 512;

        from += below(judge, size / unit) * unit;
        to = below(judge, 2) ? from + (1 + below(judge, (to - from) / unit)) * unit
                             : to + below(judge, 3) * unit;
    } else if (below(judge, 3) == 0) {
        to += below(judge, 4) * size;
    }
    if (to > 1ull << 48)
        to = 1ull << 48;
    return (struct lab05_op){.kind = below(judge, 2) ? LAB05_UNMAP : LAB05_PROTECT,
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
    const uint64_t base = (below(judge, 400) * 512 + below(judge, 500)) * GIB1;

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
    BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = base + below(judge, 500) * KIB4,
          .size = 3 * KIB4, .access = RWX);
    build_expect(s, w, asked);
}

static void large_pages_split_where_they_must(struct judge *judge)
{
    static const char asked[] =
        "a large page is split only where it has to be, and the pieces are the same page";

    for (unsigned i = 0; i < 8; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);
        const uint64_t base = below(judge, 100000) * 2 * GIB1;

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
        BUILD(s, w, "holes in a range that is unmapped are fine", .kind = LAB05_UNMAP,
              .gpa = base + 8 * GIB1 - MIB2, .size = 3 * MIB2 / 2);
        for (unsigned n = 0; n <= 2 * i && w->count; n++) {
            use_pages(s, w, 4);
            build_put(s, w, asked, random_change(judge, w));
        }
        build_expect(s, w, asked);
    }
    used_page_splits(judge);
}

static void protect_needs_every_page(struct judge *judge)
{
    static const char asked[] = "protecting a range with a hole changes nothing";
    struct script *s = script_new(judge, POOL, POOL);
    struct world *w = world_new(s);
    const uint64_t base = below(judge, 1000) * 4 * GIB1;

    create_put(s);
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base, .hpa = 16 * GIB1,
          .size = 2 * MIB2 + 7 * KIB4, .access = RWX, .type = MT_WB);
    BUILD(s, w, asked, .kind = LAB05_MAP, .gpa = base + 4 * MIB2, .hpa = 16 * GIB1,
          .size = GIB1, .access = RW, .type = MT_WT);
    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t from = below(judge, 4 * 512 + 8) * KIB4;

        BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = base + from,
              .size = (1 + below(judge, 900)) * KIB4, .access = RX);
        BUILD(s, w, asked, .kind = LAB05_PROTECT, .gpa = base + i * KIB4, .access = RX,
              .size = 2 * MIB2 + (8 - i) * KIB4); /* all but the last page is there */
        BUILD(s, w, "both ends of the range are mapped, the hole is between them",
              .kind = LAB05_PROTECT, .gpa = base + i * KIB4, .access = RX,
              .size = 4 * MIB2 + (1 + below(judge, 400)) * KIB4);
    }
    VALUE(s, 0, "", .kind = LAB05_LEAVE, .size = 0);
    w->room = world_tables(w);
    BUILD(s, w, "-ENOENT comes before -ENOMEM", .kind = LAB05_PROTECT, .gpa = base,
          .size = 100 * MIB2 + KIB4, .access = RX);
    BUILD(s, w, "the pool is exhausted", .kind = LAB05_PROTECT, .gpa = base + 100 * MIB2,
          .size = KIB4, .access = RX);
    build_expect(s, w, asked);
}

/* Thousands of times: what leaks is missing then. */
static void pool_stays_full(struct judge *judge)
{
    static const char asked[] = "mapping and unmapping can be repeated for ever";
    struct script *s = script_new(judge, 10, 10);
    const uint64_t gpa = below(judge, 1 << 20) * GIB1 / 4 + 511 * KIB4;
    const struct lab05_op map = {.kind = LAB05_MAP,
                                 .gpa = gpa,
                                 .hpa = 16 * GIB1,
                                 .size = MIB2,
                                 .access = RW,
                                 .type = MT_WB};

    create_put(s);
    VALUE(s, 0, "", .kind = LAB05_REPEAT, .size = 3000);
    value_put(s, 0, asked, map);
    VALUE(s, 0, asked, .kind = LAB05_UNMAP, .gpa = gpa, .size = MIB2);
    value_put(s, 0, asked, map);
    VALUE(s, 0, asked, .kind = LAB05_UNMAP, .gpa = gpa + KIB4, .size = 2 * KIB4);
    VALUE(s, 0, asked, .kind = LAB05_DESTROY);
    script_run(s);
    results_expect(s);
    CHECK(judge, s->out->results[s->in.op_count - 1].free_count == 10,
          "ept_destroy() gives all tables back", "%u of 10 pages are free in the end",
          s->out->results[s->in.op_count - 1].free_count);
}

static void empty_tables_go_back(struct judge *judge)
{
    static const char asked[] = "tables that become empty go back to the pool, others stay";

    for (unsigned i = 0; i < 5; i++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);

        create_put(s);
        for (unsigned n = 0; n < 30; n++) {
            /* few distinct bits, so that paths share tables at every level */
            const uint64_t gpa = below(judge, 2) << 46 | below(judge, 2) * 511 << 30 |
                                 below(judge, 3) * 255 << 21 | below(judge, 2) * 511 << 12;

            BUILD(s, w, asked, .kind = n % 3 == 2 ? LAB05_UNMAP : LAB05_MAP, .gpa = gpa,
                  .hpa = KIB4 * below(judge, 1000),
                  .size = KIB4 << 9 * (below(judge, 4) == 0), .access = RW, .type = MT_WB);
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

/* Everything is tried with 0, 1, 2, ... pages left, until there are enough. */
static void full_pool_try(struct judge *judge, const struct lab05_op *first,
                          const struct lab05_op *op)
{
    static const char asked[] =
        "-ENOMEM exactly if too few pages are free, and nothing changes";
    int r = -ENOMEM;

    for (unsigned left = 0; r == -ENOMEM; left++) {
        struct script *s = script_new(judge, POOL, POOL);
        struct world *w = world_new(s);

        create_put(s);
        if (first->size)
            build_put(s, w, asked, *first);
        VALUE(s, 0, "", .kind = LAB05_LEAVE, .size = left);
        w->room = world_tables(w) + left;
        r = build_put(s, w, asked, *op);
        script_run(s);
        results_expect(s);
        /* the pages that are neither free nor tables are ours */
        tree_expect(s, w, asked);
    }
}

static void a_full_pool_changes_nothing(struct judge *judge)
{
    const uint64_t base = (1 + below(judge, 1000)) * 8 * GIB1;
    const struct lab05_op none = {.size = 0}, large = {.kind = LAB05_MAP,
                                                       .gpa = base,
                                                       .hpa = 16 * GIB1,
                                                       .size = 3 * GIB1,
                                                       .access = RWX,
                                                       .type = MT_WB};
    const struct lab05_op tries[][2] = {
        /* tables at all levels, for many pages */
        {none,
         {.kind = LAB05_MAP,
          .gpa = base - 3 * KIB4,
          .hpa = KIB4 * 7,
          .size = 3 * MIB2,
          .access = RW,
          .type = MT_WB}},
        /* both ends in one page of 2 MiB, in one of 1 GiB, in two, at a border */
        {large,
         {.kind = LAB05_UNMAP,
          .gpa = base + (1 + below(judge, 500)) * KIB4,
          .size = 2 * KIB4}},
        {large,
         {.kind = LAB05_PROTECT,
          .gpa = base + 5 * KIB4,
          .size = (1 + below(judge, 500)) * MIB2,
          .access = 1}},
        {large,
         {.kind = LAB05_UNMAP,
          .gpa = base + GIB1 - KIB4 * (1 + below(judge, 500)),
          .size = GIB1 + MIB2}},
        {large,
         {.kind = LAB05_UNMAP,
          .gpa = base + MIB2,
          .size = MIB2 * (1 + below(judge, 500)) + KIB4}},
        /* both ends in the same 2 MiB, which begin, or end, with the range */
        {large,
         {.kind = LAB05_UNMAP,
          .gpa = base + MIB2 * (1 + below(judge, 500)),
          .size = KIB4 * (1 + below(judge, 510))}},
        {large,
         {.kind = LAB05_PROTECT, .gpa = base + 9 * MIB2 - KIB4, .size = KIB4, .access = 1}},
        {large,
         {.kind = LAB05_PROTECT, .gpa = base + GIB1, .size = GIB1 + 3 * MIB2, .access = 5}},
    };

    for (unsigned i = 0; i < sizeof tries / sizeof tries[0]; i++)
        full_pool_try(judge, &tries[i][0], &tries[i][1]);
}

/* --- a model of the CPU: what a walk has to give ------------------------------------------- */

/* One line of one of its caches. Which cache: by the array it is in. */
struct line {
    bool valid, user;
    uint64_t root, number, target, flags;
};

struct model {
    struct script *s;
    uint64_t roots[LAB05_EPTS], cr3[LAB05_EPTS];
    struct line regions[16], pages[16], guest_tables[16];
    struct want *want; /* of the walk that is being modelled */
    bool dry;          /* only asked what would be: nothing is written */
    uint64_t memory[LAB05_PAGES][512];
};

/* The memory of the script is what the model starts with. */
static struct model *model_new(struct script *s)
{
    struct model *m = memory_get(s->judge, sizeof *m);

    m->s = s;
    memcpy(m->memory, s->in.memory, sizeof m->memory);
    return m;
}

static uint64_t *model_word(struct model *m, uint64_t hpa)
{
    const uint64_t at = (hpa - m->s->in.memory_hpa) / 8;

    return hpa >= m->s->in.memory_hpa && at < m->s->in.memory_pages * 512ull
               ? &m->memory[at / 512][at % 512]
               : NULL;
}

static uint64_t model_read(struct model *m, uint64_t hpa, const char *label)
{
    const uint64_t *word = model_word(m, hpa);
    struct want *want = m->want;

    if (want->ref_count < WALK_REFS) {
        want->labels[want->ref_count] = label;
        want->refs[want->ref_count] = hpa;
    }
    want->ref_count++;
    want->r.references++;
    return word ? *word : UINT64_MAX;
}

static struct line *line_find(struct line *lines, uint64_t root, uint64_t number)
{
    struct line *line = &lines[number % 16];

    return line->valid && line->root == root && line->number == number ? line : NULL;
}

/* Bits that have to be 0, from tables 29-1 to 29-7 of the SDM: [leads to a table, leaf]. */
static const uint64_t must_be_zero[5][2] = {
    [4] = {0xf8, 0}, [3] = {0x78, 0x3ffff000}, [2] = {0x78, 0x1ff000}, [1] = {0, 0}};

static bool entry_is_bad(const struct lab05_cpu *cpu, uint64_t entry, int level, bool leaf)
{
    static const char rights_bad[8] = {[2] = 1, [6] = 1};
    static const char type_bad[8] = {[2] = 1, [3] = 1, [7] = 1};

    if (rights_bad[entry & 7] || ((entry & 7) == 4 && !cpu->execute_only))
        return true;
    if ((entry & 0xfffffffffffff) >> cpu->physical_bits)
        return true;
    if (level == 3 && entry & EPT_LARGE && !cpu->page_1g)
        return true;
    return (entry & must_be_zero[level][leaf]) || (leaf && type_bad[entry >> 3 & 7]);
}

static const char *const ept_labels[] = {"", "the EPT's PT entry", "the EPT's PD entry",
                                         "the EPT's PDPT entry", "the EPT's PML4 entry"};

/* How an EPT walk ends; the result is added to m->want->r, the final access' fields too. */
struct step {
    int outcome, level;
    uint64_t hpa, rights, entry, qualification;
};

static struct step model_end(struct model *m, struct step step, uint64_t root, uint64_t gpa,
                             bool cached)
{
    if (cached && line_find(m->regions, root, gpa >> 21))
        m->regions[(gpa >> 21) % 16].valid = false;
    step.hpa = 0;
    return step;
}

static struct step model_ept(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                             bool cached)
{
    const struct lab05_cpu *cpu = &m->s->in.cpu[n];
    const struct line *hit = cached ? line_find(m->regions, m->roots[n], gpa >> 21) : NULL;
    uint64_t table = hit ? hit->target : m->roots[n], at[5] = {0}, upper = 7;
    struct step step = {.level = hit ? 1 : 4, .rights = hit ? hit->flags : 7};

    if (cpu->access_dirty && (access & 0x180) == 0x80)
        access |= 3;
    for (;; step.level--) {
        const int shift = 3 + 9 * step.level;
        bool leaf;

        at[step.level] = table + (gpa >> shift & 511) * 8;
        step.entry = model_read(m, at[step.level], ept_labels[step.level]);
        leaf = step.level == 1 || (step.level < 4 && step.entry & EPT_LARGE);
        upper = step.rights;
        step.rights &= step.entry;
        step.outcome = (step.entry & 7) == 0 ? EPT_VIOLATION
                       : entry_is_bad(cpu, step.entry, step.level, leaf)
                           ? EPT_MISCONFIGURATION
                       : leaf && (access & ~step.rights & 7) ? EPT_VIOLATION
                                                             : EPT_TRANSLATED;
        if (step.outcome == EPT_VIOLATION)
            step.qualification = access | step.rights << 3;
        if (step.outcome != EPT_TRANSLATED)
            return model_end(m, step, m->roots[n], gpa, cached);
        if (leaf)
            break;
        table = step.entry & EPT_ADDRESS;
    }
    step.hpa = (step.entry & EPT_ADDRESS) + gpa % (KIB4 << 9 * (step.level - 1));
    for (int level = step.level; cpu->access_dirty && !m->dry && level <= 4; level++) {
        uint64_t *word = at[level] ? model_word(m, at[level]) : NULL;
        const uint64_t bits = level == step.level && access & 2 ? 0x300 : 0x100;

        if (word && (*word & bits) != bits) {
            *word |= bits;
            m->want->r.writes++;
        }
    }
    if (cached && !hit && step.level == 1)
        m->regions[(gpa >> 21) % 16] = (struct line){.valid = true,
                                                     .root = m->roots[n],
                                                     .number = gpa >> 21,
                                                     .target = table,
                                                     .flags = upper};
    return step;
}

/* ept_walk() as an operation. */
static struct want *walk_put(struct model *m, uint32_t n, uint64_t gpa, uint64_t access,
                             bool cached, const char *asked)
{
    struct want *want = OP(m->s, asked, .kind = LAB05_WALK, .ept = n, .gpa = gpa,
                           .access = access, .cached = cached);
    struct step step;

    m->want = want;
    step = model_ept(m, n, gpa, access, cached);
    want->r.value = step.outcome;
    want->r.qualification = step.qualification;
    if (step.outcome == EPT_TRANSLATED) {
        want->r.hpa = step.hpa;
        want->r.gpa = KIB4 << 9 * (step.level - 1);
        want->r.rights = (uint32_t)step.rights;
        want->r.memory_type = (uint32_t)(step.entry >> 3) & 7;
    }
    return want;
}

/* The rest of a walk whose guest part is done. flags: W, U and NX as they are in an entry. */
static void model_page(struct model *m, const struct lab05_op *op, uint64_t gpa,
                       uint64_t flags)
{
    const bool user = op->access & NESTED_USER;
    const uint64_t kinds =
        (user && !(flags & 4) ? 0 : 1) | (flags & 2) | (flags >> 63 ? 0 : 4);
    struct lab05_result *r = &m->want->r;
    struct step step;

    if (!(kinds & 1) || !(kinds & op->access)) {
        r->value = NESTED_PAGE_FAULT;
        r->error_code = 1;
        return;
    }
    step = model_ept(m, op->ept, gpa, (op->access & 7) | 0x180, op->cached);
    r->value = step.outcome == EPT_TRANSLATED  ? NESTED_TRANSLATED
               : step.outcome == EPT_VIOLATION ? NESTED_VIOLATION
                                               : NESTED_MISCONFIGURATION;
    r->hpa = step.hpa;
    r->gpa = step.outcome == EPT_TRANSLATED ? 0 : gpa;
    r->qualification = step.qualification;
    if (step.outcome == EPT_TRANSLATED && op->cached)
        m->pages[(op->gpa >> 12) % 16] =
            (struct line){.valid = true,
                          .user = user,
                          .root = m->roots[op->ept],
                          .number = op->gpa >> 12,
                          .target = step.hpa & ~(KIB4 - 1),
                          .flags = kinds & step.rights & (op->access & 2 ? 7 : 5)};
}

static void model_guest(struct model *m, const struct lab05_op *op)
{
    static const char *const labels[] = {"", "the guest's PT entry", "the guest's PD entry",
                                         "the guest's PDPT entry",
                                         "the guest's PML4 entry"};
    const uint64_t root = m->roots[op->ept], fixed = 1ull << 63;
    struct line *hit = op->cached ? line_find(m->guest_tables, root, op->gpa >> 21) : NULL;
    struct lab05_result *r = &m->want->r;
    uint64_t next = m->cr3[op->ept] & EPT_ADDRESS, flags = 6, upper, entry, at = 0;
    int level = hit ? 1 : 4;

    if (hit)
        flags = hit->flags;
    for (;; level--) {
        const uint64_t index = op->gpa >> (3 + 9 * level) & 511;
        struct step step = {.hpa = hit ? hit->target + 8 * index : 0};

        if (!hit)
            step = model_ept(m, op->ept, next + 8 * index, 0x81, op->cached);
        if (!hit && step.outcome != EPT_TRANSLATED) {
            r->value =
                step.outcome == EPT_VIOLATION ? NESTED_VIOLATION : NESTED_MISCONFIGURATION;
            r->gpa = next + 8 * index;
            r->qualification = step.qualification;
            return;
        }
        at = step.hpa;
        entry = model_read(m, at, labels[level]);
        if (!(entry & 1)) {
            r->value = NESTED_PAGE_FAULT;
            return;
        }
        upper = flags;
        flags = (flags & entry & 6) | ((flags | entry) & fixed);
        if (level == 1 || (level < 4 && entry & 0x80))
            break;
        next = entry & EPT_ADDRESS;
    }
    const uint64_t size = KIB4 << 9 * (level - 1);

    model_page(m, op, (entry & EPT_ADDRESS) / size * size + op->gpa % size, flags);
    if (op->cached && !hit && level == 1 && r->value == NESTED_TRANSLATED)
        m->guest_tables[(op->gpa >> 21) % 16] = (struct line){.valid = true,
                                                              .root = root,
                                                              .number = op->gpa >> 21,
                                                              .target = at & ~(KIB4 - 1),
                                                              .flags = upper};
}

/* nested_walk() as an operation. */
static struct want *nested_put(struct model *m, uint32_t n, uint64_t gva, uint64_t access,
                               bool cached, const char *asked)
{
    const struct lab05_op op = {
        .kind = LAB05_NESTED, .ept = n, .gpa = gva, .access = access, .cached = cached};
    struct want *want = op_put(m->s, asked, op);
    struct line *page = cached ? line_find(m->pages, m->roots[n], gva >> 12) : NULL;
    struct line *table = cached ? line_find(m->guest_tables, m->roots[n], gva >> 21) : NULL;

    m->want = want;
    if (page && page->user == !!(access & NESTED_USER) && page->flags & access & 7) {
        want->r.value = NESTED_TRANSLATED;
        want->r.hpa = page->target + gva % KIB4;
        return want;
    }
    model_guest(m, &op);
    if (want->r.value == NESTED_PAGE_FAULT)
        want->r.error_code |= (uint32_t)((access & 2) | (access & NESTED_USER ? 4 : 0) |
                                         (access & 4 ? 16 : 0));
    if (want->r.value != NESTED_TRANSLATED && page)
        page->valid = false;
    if (want->r.value != NESTED_TRANSLATED && table)
        table->valid = false;
    return want;
}

static void lines_drop(struct line *lines, bool all, uint64_t root)
{
    for (int i = 0; i < 16; i++)
        if (all || lines[i].root == root)
            lines[i].valid = false;
}

static void invlpg_put(struct model *m, uint32_t n, uint64_t gva)
{
    struct line *page = line_find(m->pages, m->roots[n], gva >> 12);

    OP(m->s, "", .kind = LAB05_INVLPG, .ept = n, .gpa = gva, .cached = 1);
    if (page)
        page->valid = false;
    lines_drop(m->guest_tables, false, m->roots[n]);
}

static void load_cr3_put(struct model *m, uint32_t n, uint64_t cr3)
{
    OP(m->s, "", .kind = LAB05_LOAD_CR3, .ept = n, .gpa = cr3, .cached = 1);
    m->cr3[n] = cr3;
    lines_drop(m->guest_tables, false, m->roots[n]);
    lines_drop(m->pages, false, m->roots[n]);
}

static void invept_put(struct model *m, uint32_t type, uint32_t n)
{
    const bool known = type == 1 || type == 2;

    VALUE(m->s, known ? 0 : -EINVAL, "nested_invept() knows two types",
          .kind = LAB05_INVEPT, .type = type, .ept = n, .hpa = UINT64_MAX);
    for (int i = 0; known && i < 3; i++)
        lines_drop(i == 0   ? m->regions
                   : i == 1 ? m->pages
                            : m->guest_tables,
                   type == 2, m->roots[n]);
}

static void poke_put(struct model *m, uint64_t hpa, uint64_t value)
{
    VALUE(m->s, 0, "", .kind = LAB05_POKE, .hpa = hpa, .size = value);
    *model_word(m, hpa) = value;
}

/* Runs it, compares each walk, and in the end the memory with its A and D flags. */
static void model_expect(struct model *m, const char *asked_memory)
{
    const struct script *s = m->s;

    script_run(m->s);
    results_expect(s);
    for (uint32_t page = 0; page < s->in.memory_pages; page++)
        for (uint32_t i = 0; i < 512; i++)
            CHECK(s->judge, s->out->memory[page][i] == m->memory[page][i], asked_memory,
                  "the entry at hpa %#" PRIx64 " is %#" PRIx64 ", due is %#" PRIx64
                  " (it was %#" PRIx64 ")",
                  (uint64_t)(HPA_BASE + page * KIB4 + i * 8), s->out->memory[page][i],
                  m->memory[page][i], s->in.memory[page][i]);
}

/* --- tables that the judge makes --------------------------------------------------------------- */

struct image {
    struct script *s;
    unsigned used;
    uint8_t order[LAB05_PAGES]; /* pages are used in this order */
};

static struct image *image_new(struct script *s)
{
    struct image *image = memory_get(s->judge, sizeof *image);
    const unsigned count = s->in.memory_pages;

    image->s = s;
    s->in.memory_given = 1;
    for (unsigned i = 0; i < count; i++)
        image->order[i] = (uint8_t)i;
    for (unsigned i = count; i-- > 1;) {
        const unsigned other = (unsigned)below(s->judge, i + 1);
        const uint8_t page = image->order[i];

        image->order[i] = image->order[other];
        image->order[other] = page;
    }
    return image;
}

static uint64_t image_page(struct image *image)
{
    if (image->used >= image->s->in.memory_pages)
        judge_error(image->s->judge, "the check needs more pages than there are");
    return image->s->in.memory_hpa + image->order[image->used++] * KIB4;
}

static uint64_t *image_word(struct image *image, uint64_t hpa)
{
    return &image->s->in.memory[(hpa - image->s->in.memory_hpa) / KIB4][hpa % KIB4 / 8];
}

/* HPA of the entry for gpa at that level; tables on the way are made. 0: a large page is in
 * the way. */
static uint64_t ept_entry(struct image *image, uint64_t root, uint64_t gpa, int level)
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
static uint64_t ept_leaf(struct image *image, uint64_t root, uint64_t gpa, uint64_t hpa,
                         int level, uint64_t bits)
{
    const uint64_t at = ept_entry(image, root, gpa, level);
    const uint64_t size = KIB4 << 9 * (level - 1);

    if (at == 0)
        judge_error(image->s->judge, "there is a larger page at %#" PRIx64, gpa);
    *image_word(image, at) = hpa / size * size | bits | (level > 1 ? EPT_LARGE : 0);
    return at;
}

static uint64_t random_gpa(struct judge *judge)
{
    return judge_random(judge) % (1ull << 48);
}

/* Addresses that share no table below the root: each in an entry of its own there. Two that
 * are drawn freely can meet, and the large page of one then covers the other. */
static void apart_draw(struct judge *judge, uint64_t *addresses, unsigned count)
{
    const uint64_t first = below(judge, 512);

    for (uint64_t i = 0; i < count; i++)
        addresses[i] = (first + 57 * i) % 512 << 39 | below(judge, 1ull << 39);
}

static uint64_t canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16);
}

/* An access of some kind, in one of the three forms that there are. */
static uint64_t random_access(struct judge *judge)
{
    static const uint64_t forms[] = {0, EPT_ACCESS_LINEAR,
                                     EPT_ACCESS_LINEAR | EPT_ACCESS_FINAL};
    const uint64_t form = forms[below(judge, 3)];

    return form | (form == EPT_ACCESS_LINEAR ? EPT_READ : 1ull << below(judge, 3));
}

/* --- checks: walking ---------------------------------------------------------------------------- */

#define PLACES 24

/* Pages of all sizes at random places; tables on the way with all kinds of rights. */
static void places_make(struct image *image, uint64_t root, uint64_t places[PLACES],
                        uint64_t extra)
{
    struct judge *judge = image->s->judge;

    for (unsigned i = 0; i < PLACES; i++) {
        const int level = 1 + (int)below(judge, 3);
        uint64_t at;

        places[i] = i % 3 && i > 2 ? (places[i - 1] & ~(GIB1 - 1)) | below(judge, GIB1)
                                   : random_gpa(judge);
        if (i % 3 && i > 2 && level == 3)
            places[i] = random_gpa(judge);
        at = ept_entry(image, root, places[i], level);
        if (at == 0 || *image_word(image, at) & RWX)
            continue; /* another page, or a table, is there already */
        for (int n = 4; n > level; n--)
            if (below(judge, 3) == 0) { /* some tables allow less than all */
                uint64_t *word = image_word(image, ept_entry(image, root, places[i], n));

                *word = (*word & ~RWX) | random_rights(judge);
            }
        ept_leaf(image, root, places[i], judge_random(judge) % (1ull << 46), level,
                 random_rights(judge) | random_type(judge) << 3 |
                     (judge_random(judge) & extra));
    }
}

static uint64_t place_near(struct judge *judge, const uint64_t places[PLACES])
{
    const uint64_t gpa = places[below(judge, PLACES)];

    switch (below(judge, 6)) {
    case 0:
        return random_gpa(judge);
    case 1: /* a neighbour at some level */
        return (gpa ^ (KIB4 << 9 * below(judge, 4))) % (1ull << 48);
    default:
        return (gpa & ~(KIB4 - 1)) | below(judge, KIB4);
    }
}

#define IGNORED (0xfff0000000000000ull | 3ull << 10)

static void random_walks(struct judge *judge, uint8_t access_dirty, unsigned count,
                         const char *asked, const char *asked_memory)
{
    struct script *s = script_new(judge, LAB05_PAGES, 0);
    struct image *image = image_new(s);
    const uint64_t root = image_page(image);
    uint64_t places[PLACES];
    struct model *m;

    s->in.cpu[0].access_dirty = access_dirty;
    places_make(image, root, places, IGNORED | EPT_IGNORE_PAT | EPT_ACCESSED | EPT_DIRTY);
    m = model_new(s);
    m->roots[0] = root;
    VALUE(s, 0, "", .kind = LAB05_ADOPT, .hpa = root);
    for (unsigned i = 0; i < count; i++)
        walk_put(m, 0, place_near(judge, places), random_access(judge), false, asked);
    model_expect(m, asked_memory);
}

static void walks_translate_or_say_why_not(struct judge *judge)
{
    random_walks(judge, 0, 1200,
                 "a walk ends with the HPA, or with what the CPU would say of a violation",
                 "without access_dirty, a walk writes nothing");
}

static void accessed_and_dirty_are_set(struct judge *judge)
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

static void misconfigured_entries_are_found(struct judge *judge)
{
    static const char asked[] =
        "a present entry with a reserved bit, type or rights is a misconfiguration, "
        "and nothing else is";

    for (unsigned i = 0; i < 4; i++) {
        struct script *s = script_new(judge, 64, 0);
        struct image *image = image_new(s);
        const uint64_t root = image_page(image);
        uint64_t gpas[3];
        struct model *m;

        s->in.cpu[0] =
            (struct lab05_cpu){.physical_bits = (uint8_t)(i ? 36 + below(judge, 17) : 52),
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

/* --- checks: two dimensions --------------------------------------------------------------------- */

/* A guest whose tables the judge makes in memory that the EPT maps. */
struct guest {
    struct image *image;
    uint64_t root, cr3; /* HPA of the EPT's root; GPA of the guest's PML4 */
    uint64_t tables;    /* GPA where the memory is mapped */
    int level;          /* by EPT pages of that level */
    uint64_t bits;      /* rights and type of them */
};

/* A page of the guest's, as its EPT has it: GPA. */
static uint64_t guest_page(struct guest *g)
{
    const uint64_t hpa = image_page(g->image), gpa = g->tables + (hpa - HPA_BASE);

    ept_leaf(g->image, g->root, gpa, hpa, g->level, g->bits);
    return gpa;
}

static struct guest guest_new(struct image *image, uint64_t root, int level)
{
    struct judge *judge = image->s->judge;
    struct guest g = {.image = image, .root = root, .level = level, .bits = RWX | 6 << 3};

    g.tables = (1 + below(judge, 1 << 15)) * GIB1;
    g.cr3 = guest_page(&g);
    return g;
}

/* HPA of the guest's entry for gva at that level. */
static uint64_t guest_entry(struct guest *g, uint64_t gva, int level)
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
static void guest_leaf(struct guest *g, uint64_t gva, uint64_t gpa, int level,
                       uint64_t bits)
{
    const uint64_t size = KIB4 << 9 * (level - 1);

    *image_word(g->image, guest_entry(g, gva, level)) =
        gpa / size * size | bits | 0x61 | (level > 1 ? GUEST_LARGE : 0);
}

static uint64_t random_gva(struct judge *judge)
{
    return canonical(judge_random(judge));
}

static struct model *model_start(struct image *image, const struct guest *guests,
                                 unsigned count)
{
    struct model *m = model_new(image->s);

    for (unsigned i = 0; i < count; i++) {
        m->roots[i] = guests[i].root;
        VALUE(image->s, 0, "", .kind = LAB05_ADOPT, .ept = i, .hpa = guests[i].root);
        load_cr3_put(m, i, guests[i].cr3 | below(image->s->judge, 2) << 4);
    }
    return m;
}

/* All page sizes of the guest's tables, the guest's page and the EPT's page. */
static void a_cold_walk_makes_24_references(struct judge *judge)
{
    static const char asked[] = "each reference of a walk in two dimensions, in its order";
    static const uint64_t kinds[] = {EPT_READ, EPT_WRITE, EPT_FETCH};

    for (int tables = 1; tables <= 3; tables++) {
        struct script *s = script_new(judge, LAB05_PAGES, 0);
        struct image *image = image_new(s);
        struct guest g = guest_new(image, image_page(image), tables);
        uint64_t gvas[9];
        struct model *m;

        s->in.cpu[0].access_dirty = tables != 2;
        apart_draw(judge, gvas, 9);
        for (int i = 0; i < 9; i++) {
            const uint64_t gpa = (1ull << 46) + ((uint64_t)i << 39) + below(judge, GIB1);

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
            const struct want *want = nested_put(
                m, 0, gvas[i % 9],
                kinds[below(judge, 3)] | (below(judge, 2) ? NESTED_USER : 0), false, asked);

            if (tables == 1 && i == 0 && want->ref_count != 24)
                judge_error(judge, "the model makes %u references", want->ref_count);
        }
        model_expect(m, "the guest's tables and the EPT are as the CPU leaves them");
    }
}

/* A guest with many pages, some forbidden by the guest, some by the EPT, at both dimensions. */
static void faults_and_violations_differ(struct judge *judge)
{
    static const char asked[] =
        "what the guest's tables forbid is a page fault; what the EPT forbids an exit";

    for (unsigned round = 0; round < 6; round++) {
        struct script *s = script_new(judge, LAB05_PAGES, 0);
        struct image *image = image_new(s);
        struct guest g = guest_new(image, image_page(image), 1);
        uint64_t gvas[12], clean[4];
        struct model *m;

        s->in.cpu[0].access_dirty = round % 2;
        for (unsigned i = 0; i < 12; i++) {
            const uint64_t gpa = (1ull << 46) + below(judge, 1 << 15) * KIB4;
            const uint64_t bits = (judge_random(judge) & 6) | below(judge, 2) << 63;

            g.bits = (i % 4 ? RWX : random_rights(judge)) | 6 << 3; /* of further tables */
            gvas[i] = i % 3 ? gvas[i - 1] + MIB2 * (i % 2) + KIB4 : random_gva(judge);
            guest_leaf(&g, gvas[i], gpa, 1, bits);
            ept_leaf(image, g.root, gpa, gpa % (1ull << 45) + HPA_BASE, 1,
                     below(judge, 6) ? random_rights(judge) | below(judge, 8) / 7 << 4 : 0);
        }
        for (unsigned i = 0; i < 4;
             i++) { /* damage: tables that forbid, or are not there */
            const uint64_t gva = gvas[below(judge, 12)];
            uint64_t *entry =
                image_word(image, guest_entry(&g, gva, 1 + (int)below(judge, 4)));

            *entry ^= i < 3 ? 1ull << (i == 2 ? 63 : 1 + i) : 1;
            if (i == 3 && round % 3 == 0)
                *entry = (*entry | 1) + (1ull << 45); /* to a GPA that is not mapped */
        }
        g.bits = RWX | 6 << 3; /* and pages that only the EPT, or only the guest, limits */
        for (unsigned i = 0; i < 4; i++) {
            const uint64_t gpa = (1ull << 46) + (1ull << 40) + i * KIB4;

            clean[i] = i ? clean[i - 1] ^ KIB4 << i : random_gva(judge);
            guest_leaf(&g, clean[i], gpa, 1, i < 2 ? 6 : i == 2 ? 4 : 2 | 1ull << 63);
            ept_leaf(image, g.root, gpa, gpa % (1ull << 45) + HPA_BASE, 1,
                     (i == 0   ? 1
                      : i == 1 ? RX
                               : RWX));
        }
        m = model_start(image, &g, 1);
        for (unsigned i = 0; i < 24; i++)
            nested_put(m, 0, clean[i / 6], 1ull << i % 3 | i / 3 % 2 << 3, false, asked);
        for (unsigned i = 0; i < 200; i++)
            nested_put(m, 0, gvas[below(judge, 12)] + below(judge, KIB4),
                       1ull << below(judge, 3) | below(judge, 2) << 3, false, asked);
        model_expect(m, "a walk that fails changes nothing");
    }
}

/* --- checks: caches ------------------------------------------------------------------------------ */

#define GVAS 12

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

static void crowd_make(struct crowd *c, struct script *s)
{
    static const uint64_t rights[] = {RWX, RWX, RWX, RX, RW};
    struct judge *judge = s->judge;

    c->image = image_new(s);
    for (unsigned i = 0; i < GVAS; i++) /* near, at the same place of a cache, far */
        c->gvas[i] = i == 0   ? random_gva(judge)
                     : i < 4  ? c->gvas[i - 1] ^ KIB4 << below(judge, 5)
                     : i < 10 ? c->gvas[i - 4] ^ MIB2 << below(judge, 5)
                              : random_gva(judge);
    for (unsigned v = 0; v < 2; v++) {
        c->guests[v] = guest_new(c->image, image_page(c->image), 1 + (int)below(judge, 2));
        for (unsigned i = 0; i < GVAS; i++) {
            const uint64_t gpa =
                (1ull << 46) + below(judge, 40) * MIB2 + below(judge, 512) * KIB4;
            const bool large = i == 9 && c->gvas[i] >> 21 != c->gvas[5] >> 21;

            if (*image_word(c->image, guest_entry(&c->guests[v], c->gvas[i], 2)) &
                GUEST_LARGE)
                continue;
            if (large && *image_word(c->image, guest_entry(&c->guests[v], c->gvas[i], 2)))
                continue;
            guest_leaf(&c->guests[v], c->gvas[i], gpa, large ? 2 : 1,
                       (judge_random(judge) & 2) | 4 | below(judge, 4) / 3 << 63);
            if (!large) /* the entries above allow less, too */
                table_limit(image_word(c->image, guest_entry(&c->guests[v], c->gvas[i], 2)),
                            below(judge, 7));
            if (ept_entry(c->image, c->guests[v].root, gpa, large ? 2 : 1) == 0)
                continue;
            ept_leaf(c->image, c->guests[v].root, gpa, judge_random(judge) % (1ull << 46),
                     large ? 2 : 1, rights[below(judge, 5)] | 6 << 3);
            if (below(judge, 3) == 0) /* the tables above allow less than the page */
                *image_word(c->image, ept_entry(c->image, c->guests[v].root, gpa, 2)) &=
                    ~2ull;
        }
    }
}

static uint64_t crowd_gva(struct judge *judge, const struct crowd *c)
{
    const uint64_t i = below(judge, GVAS), page = c->gvas[i] & ~(KIB4 - 1);

    return page + below(judge, KIB4) +
           (i == 9 ? (page ^ below(judge, 512) * KIB4) - page : 0);
}

static void crowd_walk(struct model *m, const struct crowd *c, const char *asked)
{
    struct judge *judge = m->s->judge;
    const uint64_t kind = below(judge, 3) ? EPT_READ : 1ull << below(judge, 3);

    nested_put(m, (uint32_t)below(judge, 2), crowd_gva(judge, c),
               kind | below(judge, 4) / 3 << 3, true, asked);
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
static void neighbours_walk(struct model *m, uint64_t gpa)
{
    static const char asked[] = "of a region the tables' rights are cached, not the leaf's";

    for (uint32_t v = 0; v < 2; v++) {
        walk_put(m, v, gpa, 0x180 | EPT_READ, true, asked);
        walk_put(m, v, gpa + KIB4, 0x180 | EPT_WRITE, true, asked);
        walk_put(m, v, gpa, 0x180 | EPT_WRITE, true, asked);
    }
}

enum { PATTERN_WALKS = 300, PATTERN_REGIONS = 20, PATTERN_PAGES = 256 };

/* References per walk of one pattern of accesses, from the log of the student's reads. */
static double pattern_run(struct judge *judge, unsigned pattern, bool cached)
{
    static const char asked[] =
        "three patterns of accesses make the references they have to";
    struct script *s = script_new(judge, LAB05_PAGES, 0);
    struct image *image = image_new(s);
    struct guest g = guest_new(image, image_page(image), 1);
    const uint64_t base = random_gva(judge) & ~(GIB1 - 1), memory = 1ull << 45;
    struct model *m;
    uint64_t reads = 0;

    for (uint64_t i = 0; i < PATTERN_PAGES; i++) {
        const uint64_t at = pattern == 2 ? i % PATTERN_REGIONS * MIB2 : i * KIB4;

        guest_leaf(&g, base + at, memory + at, 1, GUEST_WRITABLE);
        ept_leaf(image, g.root, memory + at, memory / 2 + at, 1, RWX | 6 << 3);
    }
    m = model_start(image, &g, 1);
    for (uint64_t i = 0; i < PATTERN_WALKS; i++) {
        const uint64_t at = pattern == 0   ? i * 512
                            : pattern == 1 ? below(judge, PATTERN_PAGES * KIB4)
                                           : i % PATTERN_REGIONS * MIB2;

        nested_put(m, 0, base + at, EPT_READ, cached, asked);
    }
    model_expect(m, "without access_dirty, a walk writes nothing");
    for (uint32_t i = 0; i < s->in.op_count; i++)
        reads += s->out->results[i].reads;
    return (double)reads / PATTERN_WALKS;
}

/* --- a picture of some walks, for `make trace` (grader/pages/walk.html) -------------------------- */

/* Where a reference belongs in the grid of walk.html. */
struct spot {
    uint64_t hpa, gpa;
    int column, row;
};

/* All that a walk without caches reads, in its order: at most 24. Returns how many. */
static unsigned spots_make(struct guest *g, uint64_t gva, struct spot spots[24])
{
    unsigned n = 0;

    for (int column = 0; column < 5; column++) {
        const uint64_t hpa = column < 4 ? guest_entry(g, gva, 4 - column) : 0;
        const uint64_t gpa =
            column < 4 ? g->tables + (hpa - HPA_BASE)
                       : (*image_word(g->image, guest_entry(g, gva, 1)) & EPT_ADDRESS) +
                             gva % KIB4;

        for (int level = 4; level >= 1; level--)
            spots[n++] = (struct spot){ept_entry(g->image, g->root, gpa, level), gpa,
                                       column, 4 - level};
        if (column < 4)
            spots[n++] = (struct spot){hpa, gpa, column, 4};
    }
    return n;
}

static void number_add(cJSON *object, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%#" PRIx64, value);
    cJSON_AddStringToObject(object, name, text);
}

static void reference_add(cJSON *list, struct guest *g, const struct spot *spot)
{
    const uint64_t entry = *image_word(g->image, spot->hpa);
    cJSON *reference = cJSON_CreateObject();
    char rights[] = "---";

    for (int i = 0; spot->row < 4 && i < 3; i++)
        if (entry >> i & 1)
            rights[i] = "rwx"[i];
    cJSON_AddNumberToObject(reference, "column", spot->column);
    cJSON_AddNumberToObject(reference, "row", spot->row);
    number_add(reference, "hpa", spot->hpa);
    number_add(reference, "entry", entry);
    number_add(reference, "gpa", spot->gpa);
    cJSON_AddStringToObject(reference, "rights", spot->row < 4 ? rights : "");
    cJSON_AddItemToArray(list, reference);
}

/* One walk: what the part read, each read beside the spot of the grid that it is. */
static cJSON *walk_view(struct guest *g, const char *title, uint64_t gva,
                        const struct lab05_result *r)
{
    const struct script *s = g->image->s;
    cJSON *walk = cJSON_CreateObject(), *list;
    struct spot spots[24];
    unsigned count = spots_make(g, gva, spots), at = 0;
    char outcome[60];

    cJSON_AddStringToObject(walk, "title", title);
    number_add(walk, "gva", gva);
    cJSON_AddStringToObject(walk, "access", "read");
    snprintf(outcome, sizeof outcome, "translated to HPA %#" PRIx64, r->hpa);
    cJSON_AddStringToObject(walk, "outcome", outcome);
    list = cJSON_AddArrayToObject(walk, "references");
    for (uint32_t i = r->log_at; i < r->log_at + r->reads && i < LAB05_LOG; i++) {
        while (at < count && spots[at].hpa != s->out->log[i])
            at++;
        if (at < count)
            reference_add(list, g, &spots[at++]);
    }
    return walk;
}

/* Cold, then with what the caches have learnt. */
static void walks_view(struct judge *judge)
{
    static const struct {
        const char *title;
        uint64_t distance;
        bool cached;
    } walks[] = {{"without caches", 0, false},     {"with caches, all empty", 0, true},
                 {"the same page again", 8, true}, {"the next page", KIB4, true},
                 {"2 MiB further on", MIB2, true}, {"back to the first page", 0, true}};
    struct script *s = script_new(judge, LAB05_PAGES, 0);
    struct image *image = image_new(s);
    struct guest g = guest_new(image, image_page(image), 1);
    const uint64_t base = (random_gva(judge) & ~(GIB1 - 1)) | 0x123000, memory = 1ull << 45;
    cJSON *view = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(view, "walks");
    struct model *m;
    char *text;

    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        const uint64_t page = walks[i].distance / KIB4 * KIB4;

        guest_leaf(&g, base + page, memory + page, 1, GUEST_WRITABLE);
        ept_leaf(image, g.root, memory + page, memory / 2 + page, 1, RWX | 6 << 3);
    }
    m = model_start(image, &g, 1);
    const uint32_t first = s->in.op_count;

    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++)
        nested_put(m, 0, base + walks[i].distance, EPT_READ, walks[i].cached,
                   "a walk reads what no cache knows, and nothing else");
    model_expect(m, "without access_dirty, a walk writes nothing");
    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++)
        cJSON_AddItemToArray(list, walk_view(&g, walks[i].title, base + walks[i].distance,
                                             &s->out->results[first + i]));
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(judge, "walk", text);
    cJSON_free(text);
    cJSON_Delete(view);
}

static void caches_save_references(struct judge *judge)
{
    static const char asked[] = "a walk reads what no cache knows, and nothing else";
    const uint64_t neighbours = (1ull << 46) + 100 * MIB2; /* beside the crowd's pages */
    static const char *const names[3][2] = {
        {"references/walk, sequential, no caches", "references/walk, sequential, caches"},
        {"references/walk, random, no caches", "references/walk, random, caches"},
        {"references/walk, 2 MiB stride, no caches",
         "references/walk, 2 MiB stride, caches"}};

    for (unsigned round = 0; round < 4; round++) {
        struct script *s = script_new(judge, LAB05_PAGES, 0);
        struct crowd c;
        struct model *m;

        s->in.cpu[0].access_dirty = round & 1;
        s->in.cpu[1].access_dirty = round >> 1 & 1;
        crowd_make(&c, s);
        for (unsigned v = 0; v < 2; v++)
            for (uint64_t n = 0; n < 2; n++)
                ept_leaf(c.image, c.guests[v].root, neighbours + n * KIB4, HPA_BASE, 1,
                         (n ? RWX : EPT_READ) | 6 << 3);
        m = model_start(c.image, c.guests, 2);
        neighbours_walk(m, neighbours);
        crowd_sweep(m, &c, asked);
        for (unsigned i = 0; i < 250; i++) {
            const uint32_t n = (uint32_t)below(judge, 2);

            if (i % 5 == 4) /* ept_walk() itself has a cache, too: the same one */
                walk_put(m, n, c.guests[n].tables + below(judge, 8 * KIB4),
                         EPT_ACCESS_LINEAR | EPT_READ, true, asked);
            else
                crowd_walk(m, &c, asked);
        }
        model_expect(m, "D is set with the first write, even if a read came before");
    }
    for (unsigned pattern = 0; pattern < 3; pattern++)
        for (unsigned cached = 0; cached < 2; cached++)
            judge_figure(judge, names[pattern][cached], pattern_run(judge, pattern, cached),
                         "");
    walks_view(judge);
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
    uint64_t at = entry_now(m, g->cr3, gva, 1 + (int)below(judge, 2), g), *word;

    if (below(judge, 3) ==
        0) { /* in the EPT: what maps the page, or the guest's page table */
        const uint64_t entry = entry_now(m, g->cr3, gva, 1 + (int)below(judge, 2), g);

        at = entry ? entry_now(m, g->root, *model_word(m, entry) & EPT_ADDRESS,
                               1 + (int)below(judge, 2), NULL)
                   : 0;
    }
    word = model_word(m, at);
    if (!word || !*word)
        return;
    switch (below(judge, 4)) {
    case 0:
        poke_put(m, at, *word ^ 1); /* there or not: P, or R (W without R: misconfigured) */
        break;
    case 1:
        poke_put(m, at, *word ^ 2);
        break;
    default:
        if (word && *word & 0x80) /* large: another page */
            poke_put(m, at, *word ^ MIB2 << below(judge, 3));
        else if (at % KIB4 / 8 != 511)
            poke_put(m, at, (*word & ~EPT_ADDRESS) | (*(word + 1) & EPT_ADDRESS));
        break;
    }
}

static const char *crowd_invalidate(struct model *m, uint32_t n, uint64_t gva)
{
    struct judge *judge = m->s->judge;

    switch (below(judge, 5)) {
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
                                  uint64_t gva)
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
    poke_put(m, at, (leaf & ~RWX) | EPT_WRITE);
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

static void stale_translations_are_forgotten(struct judge *judge)
{
    for (unsigned round = 0; round < 6; round++) {
        struct script *s = script_new(judge, LAB05_PAGES, 0);
        const char *asked = "a walk reads what no cache knows, and nothing else";
        struct crowd c;
        struct model *m;

        s->in.cpu[0].access_dirty = round & 1;
        crowd_make(&c, s);
        m = model_start(c.image, c.guests, 2);
        invept_put(m, 0, 0);
        invept_put(m, 3 + (uint32_t)below(judge, 9), 0);
        crowd_sweep(m, &c, asked);
        for (uint32_t i = 0; i < 8; i++) {
            page_breaks_and_heals(m, &c, i % 2, c.gvas[i / 2]);
            other_vm_invalidates(m, i % 2, c.gvas[i / 2]);
        }
        for (unsigned i = 0; i < 40; i++) {
            const uint32_t n = (uint32_t)below(judge, 2);
            const uint64_t gva = c.gvas[below(judge, GVAS)];
            const uint64_t mode = below(judge, 2) ? NESTED_USER : 0;

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

/* --- checks: the CPU walks -------------------------------------------------------------------- */

/* Guest-physical: the first 4 MiB hold the program and what it needs; ALIAS + hpa leads to the
 * same memory as the pages under test, for the guest to prepare and to look. */
#define ORDERS_GPA  0x100000ull
#define RESULTS_GPA 0x200000ull
#define TABLES_GPA  0x300000ull /* the guest's PML4, PDPTs: its first TiB one to one */
#define ALIAS       0xc000000000ull
#define HUGE_GPA    0x8000000000ull /* a page of 1 GiB */

#define POOL_HPA    (SILICON_RAM_HPA + SILICON_GUEST_SIZE)
#define CPU_POOL    100u
#define TARGET_FROM 0x2000000ull /* the memory under test */
#define TARGET_TO   0x3000000ull

#define ORDERS_MAX 2800
#define NOTHING    0x6e6f7468696e67ull /* probe.long64.c */
#define READ_AT    0ull                /* in a page: the pattern */
#define CALL_AT    8ull                /* code that says where it is */
#define WRITE_AT   16ull
#define PLACES_MAX 80
#define BAD_TABLES 5

/* Bits of the qualification that this CPU defines (SDM 3C table 28-7): not 6, which belongs to
 * mode-based execute control, nor those from 9 on. */
#define QUALIFICATION_BITS 0x1bfull

/* IA32_VMX_EPT_VPID_CAP (SDM 3D A.10): execute-only, 1 GiB pages, A and D. */
#define EPT_CAPABILITIES (1ull << 0 | 1ull << 17 | 1ull << 21)

struct order {
    uint64_t kind, address, value;
};

struct lab_cpu {
    struct judge *judge;
    struct silicon *silicon;
    struct script *build, *walk;
    struct world *world;
    struct model *model;
    struct {
        uint64_t gpa, size;
    } places[PLACES_MAX];
    unsigned place_count;
    uint64_t bad_tables[BAD_TABLES]; /* GPAs of PDPTs, for addresses from 2 << 39 on */
    struct order orders[ORDERS_MAX];
    uint32_t ops[ORDERS_MAX][2]; /* its walks in the script, + 1: the PDPT's; the page's */
    unsigned count;
};

static void place_add(struct lab_cpu *c, uint64_t gpa, uint64_t hpa, uint64_t size,
                      uint64_t rights)
{
    static const char asked[] = "the tables map what they were asked to";

    if (BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = gpa, .hpa = hpa,
              .size = size, .access = rights, .type = MT_WB) < 0)
        return;
    if (c->place_count == PLACES_MAX)
        judge_error(c->judge, "too many places");
    c->places[c->place_count].gpa = gpa;
    c->places[c->place_count++].size = size;
}

/* What every guest needs; and PDPTs in pages that allow little, or nothing. */
static struct lab_cpu *cpu_new(struct judge *judge, bool access_dirty)
{
    static const uint64_t rights[BAD_TABLES] = {0, EPT_READ, RX, RW, RWX};
    static const char asked[] = "the tables map what they were asked to";
    struct lab_cpu *c = memory_get(judge, sizeof *c);

    c->judge = judge;
    c->silicon = silicon_new(judge);
    c->build = script_new(judge, CPU_POOL, CPU_POOL);
    c->build->in.memory_hpa = POOL_HPA;
    c->build->in.cpu[0] = (struct lab05_cpu){
        .physical_bits = 40, .execute_only = 1, .page_1g = 1, .access_dirty = access_dirty};
    c->world = world_new(c->build);
    create_put(c->build);
    BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .hpa = SILICON_RAM_HPA,
          .size = SILICON_GUEST_SIZE, .access = RWX, .type = MT_WB);
    BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = ALIAS + TARGET_FROM,
          .hpa = TARGET_FROM, .size = TARGET_TO - TARGET_FROM, .access = RW, .type = MT_WB);
    for (unsigned i = 0; i < BAD_TABLES; i++) {
        c->bad_tables[i] = 0xb000000000ull + i * MIB2 + below(judge, 512) * KIB4;
        if (rights[i])
            BUILD(c->build, c->world, asked, .kind = LAB05_MAP, .gpa = c->bad_tables[i],
                  .hpa = SILICON_RAM_HPA + TABLES_GPA + KIB4, .size = KIB4,
                  .access = rights[i], .type = MT_WB);
    }
    return c;
}

/* The guest's own tables, in pages of 1 GiB, with A and D set. */
static void guest_tables_put(struct lab_cpu *c)
{
    uint64_t tables[3][512] = {{0}};

    for (uint64_t i = 0; i < 2; i++)
        tables[0][i] = (TABLES_GPA + (1 + i) * KIB4) | 0x63;
    for (uint64_t i = 0; i < BAD_TABLES; i++)
        tables[0][2 + i] = c->bad_tables[i] | 0x63;
    for (uint64_t i = 0; i < 1024; i++)
        tables[1 + i / 512][i % 512] = i * GIB1 | 0xe3;
    silicon_put(c->silicon, SILICON_RAM_HPA + TABLES_GPA, tables, sizeof tables);
}

/* The student's tables are there: now they are walked, by the student and the model. */
static void walks_begin(struct lab_cpu *c)
{
    const uint64_t root = c->build->out->roots[0];

    c->walk = script_new(c->judge, CPU_POOL, 0);
    c->walk->in.memory_hpa = POOL_HPA;
    c->walk->in.cpu[0] = c->build->in.cpu[0];
    c->walk->in.memory_given = 1;
    memcpy(c->walk->in.memory, c->build->out->memory, CPU_POOL * KIB4);
    VALUE(c->walk, 0, "", .kind = LAB05_ADOPT, .hpa = root);
}

static void model_begin(struct lab_cpu *c)
{
    static const uint64_t own[][2] = {
        {GUEST_LOAD_GPA, 0x184}, {GUEST_STACK_GPA - 8, 0x182}, {ORDERS_GPA, 0x181},
        {RESULTS_GPA, 0x182},    {GUEST_MAILBOX_GPA, 0x181},   {TABLES_GPA, 0x81}};

    c->model = model_new(c->walk);
    c->model->roots[0] = c->build->out->roots[0];
    for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
        walk_put(c->model, 0, own[i][0], own[i][1], false, "the guest's program runs");
}

/* Where an access would lead; nothing comes of it. */
static struct step model_ask(struct model *m, uint64_t gpa, uint64_t access)
{
    struct want none = {.any = true};
    struct step step;

    m->want = &none;
    m->dry = true;
    step = model_ept(m, 0, gpa, access, false);
    m->dry = false;
    return step;
}

/* An order to the guest, with the walks that it makes. Not given if it would touch other memory
 * than that under test: the guest does nothing that we do not know. True if it will succeed. */
static bool order_put(struct lab_cpu *c, uint64_t kind, uint64_t gva, uint64_t value)
{
    static const char asked[] = "your walker says what the CPU does";
    const uint64_t table = gva >> 39;
    const uint64_t gpa = table < 2 ? gva : gva % (1ull << 39);
    const struct want *want = NULL;
    const unsigned n = c->count;
    const struct step last = model_ask(c->model, gpa, kind | 0x180);

    if (n == ORDERS_MAX || (last.outcome == EPT_TRANSLATED &&
                            (last.hpa < TARGET_FROM || last.hpa >= TARGET_TO)))
        return false;
    c->orders[n] = (struct order){kind, gva, value};
    if (table >= 2) {
        c->ops[n][0] = c->walk->in.op_count + 1;
        want = walk_put(c->model, 0, c->bad_tables[table - 2] + 8 * (gpa >> 30), 0x81,
                        false, asked);
    }
    if (!want || want->r.value == EPT_TRANSLATED) {
        c->ops[n][1] = c->walk->in.op_count + 1;
        want = walk_put(c->model, 0, gpa, kind | 0x180, false, asked);
    }
    c->count++;
    return want->r.value == EPT_TRANSLATED;
}

/* An access to a place, prepared so that what comes of it shows which memory was reached. */
static void probe_put(struct lab_cpu *c, uint64_t gpa, uint64_t kind, uint64_t table)
{
    const uint64_t page = gpa & ~(KIB4 - 1);
    const uint64_t at = kind == EPT_READ ? READ_AT : kind == EPT_FETCH ? CALL_AT : WRITE_AT;
    const uint64_t gva = (page + at) | table << 39;
    struct step step;

    if (c->count + 3 > ORDERS_MAX || c->walk->in.op_count + 6 > LAB05_OPS)
        return;
    step = model_ask(c->model, page, kind | 0x180);
    if (kind == EPT_FETCH && step.hpa >= TARGET_FROM && step.hpa < TARGET_TO)
        order_put(c, EPT_WRITE, ALIAS + step.hpa + CALL_AT,
                  0xb8 | (step.hpa >> 12) << 8 | 0xc3ull << 40); /* mov eax, n; ret */
    if (order_put(c, kind, gva, judge_random(c->judge)) && kind == EPT_WRITE)
        order_put(c, EPT_READ, ALIAS + step.hpa + WRITE_AT, 0);
}

static void random_probe(struct lab_cpu *c)
{
    struct judge *judge = c->judge;
    const unsigned i = (unsigned)below(judge, c->place_count);
    const uint64_t size = c->places[i].size, kind = 1ull << below(judge, 3);
    uint64_t gpa = c->places[i].gpa + below(judge, size), table = 0;

    if (size >= GIB1)
        gpa = c->places[i].gpa + TARGET_FROM + below(judge, TARGET_TO - TARGET_FROM);
    else if (below(judge, 10) == 0) /* next to it */
        gpa = c->places[i].gpa + (below(judge, 2) ? size : -KIB4);
    if (below(judge, 8) == 0 && gpa < 1ull << 39)
        table = 2 + below(judge, BAD_TABLES);
    probe_put(c, gpa, kind, table);
}

/* The student's walks, then the CPU. */
static void cpu_run(struct lab_cpu *c)
{
    struct silicon *si = c->silicon;
    const uint64_t mailbox[1] = {c->count};

    script_run(c->walk);
    silicon_guest(si, probe_guest, GUEST_IMAGE_SIZE(probe_guest), GUEST_LONG64);
    guest_tables_put(c);
    si->job.guest.cr3 = TABLES_GPA;
    silicon_put(si, SILICON_RAM_HPA + GUEST_MAILBOX_GPA, mailbox, sizeof mailbox);
    silicon_put(si, SILICON_RAM_HPA + ORDERS_GPA, c->orders,
                c->count * sizeof c->orders[0]);
    silicon_put(si, POOL_HPA, c->walk->in.memory, CPU_POOL * KIB4);
    si->job.fill = (struct silicon_fill){TARGET_FROM, TARGET_TO, KIB4};
    si->job.controls.ept_pointer =
        c->build->out->roots[0] | EPTP_WALK_4 | EPTP_WRITE_BACK |
        (c->build->in.cpu[0].access_dirty ? EPTP_ACCESS_DIRTY : 0);
    si->job.actions[VMX_EXIT_EPT_VIOLATION] = SILICON_RECOVER;
    si->job.actions[VMX_EXIT_EPT_MISCONFIGURATION] = SILICON_RECOVER;
    silicon_window(si, SILICON_RAM_HPA + RESULTS_GPA, c->count * 8);
    if (c->build->in.cpu[0].access_dirty)
        silicon_window(si, POOL_HPA, CPU_POOL * KIB4);
    silicon_run(si);
    if (si->log.end != SILICON_ENDED) /* tables and guest are as we want them: not theirs */
        judge_error(c->judge, "the probing guest did not get to its end (%u)", si->log.end);
    if ((si->log.ept_vpid_capabilities & EPT_CAPABILITIES) != EPT_CAPABILITIES)
        check_skip(c->judge,
                   "this emulated CPU lacks execute-only pages, 1 GiB pages or A/D "
                   "flags; Bochs 2.7 with cpu model corei7_skylake_x has them");
}

/* What the CPU has shown of an order; what somebody's walks say of it has to be the same. */
struct shown {
    uint64_t result;
    const struct silicon_record *exit; /* NULL: none */
};

static bool exit_fits(const struct shown *cpu, const struct lab05_op *op,
                      const struct lab05_result *walk, uint64_t gva)
{
    const uint32_t reason = walk->value == EPT_VIOLATION ? VMX_EXIT_EPT_VIOLATION
                                                         : VMX_EXIT_EPT_MISCONFIGURATION;
    uint64_t bits = QUALIFICATION_BITS;

    /* Where a guest's page table counts as written to (A and D in use), the SDM sets bits 0
     * and 1 (3C table 28-7, note 1; 29.3.3.2). Bochs 2.7 sets bit 1 only. The SDM is right:
     * that is what ept.h asks for and target model judges; here bit 0 is left out. */
    if ((walk->qualification & 0x183) == 0x83)
        bits &= ~EPT_READ;

    if (!cpu->exit || cpu->exit->exit_reason != reason ||
        cpu->exit->guest_physical_address != op->gpa)
        return false;
    return reason != VMX_EXIT_EPT_VIOLATION ||
           (cpu->exit->guest_linear_address == gva &&
            !((cpu->exit->qualification ^ walk->qualification) & bits));
}

static bool order_fits(const struct lab_cpu *c, unsigned n, const struct shown *cpu,
                       const struct lab05_op *op, const struct lab05_result *walk)
{
    const struct order *order = &c->orders[n];
    const uint64_t page = walk->hpa & ~(KIB4 - 1);

    if (walk->value != EPT_TRANSLATED)
        return cpu->result == NOTHING && exit_fits(cpu, op, walk, order->address);
    if (cpu->exit)
        return false;
    if (order->kind == EPT_FETCH)
        return cpu->result == page >> 12;
    if (order->kind == EPT_WRITE)
        return cpu->result == 1;
    if ((order->address & (KIB4 - 1)) == WRITE_AT) /* behind a write: here it has to be */
        return cpu->result == c->orders[n - 1].value;
    return cpu->result == silicon_pattern(c->silicon->job.nonce, page);
}

static void shown_describe(const struct lab_cpu *c, const struct shown *cpu, char *buffer,
                           size_t size)
{
    if (cpu->exit) {
        silicon_record_describe(cpu->exit, buffer, size);
        return;
    }
    for (uint64_t hpa = TARGET_FROM; hpa < TARGET_TO; hpa += KIB4)
        if (silicon_pattern(c->silicon->job.nonce, hpa) == cpu->result) {
            snprintf(buffer, size, "no exit; it read what lies at hpa %#" PRIx64, hpa);
            return;
        }
    snprintf(buffer, size, "no exit; result %#" PRIx64, cpu->result);
}

/* One order's walks against what the CPU did. results: the student's, or NULL: the model's. */
static void order_expect(const struct lab_cpu *c, unsigned n, const struct shown *cpu,
                         const struct lab05_output *out)
{
    char walked[240], op_text[160], did[300];

    for (unsigned k = 0; k < 2; k++) {
        const uint32_t i = c->ops[n][k] - 1;
        const struct lab05_result *r;

        if (c->ops[n][k] == 0)
            continue;
        r = out ? &out->results[i] : &c->walk->wants[i].r;
        if (k == 0 && r->value == EPT_TRANSLATED && c->ops[n][1])
            continue; /* the guest's table was read: on to the page */
        if (order_fits(c, n, cpu, &c->walk->in.ops[i], r))
            return;
        result_describe(LAB05_WALK, r, walked, sizeof walked);
        op_describe(&c->walk->in.ops[i], op_text, sizeof op_text);
        shown_describe(c, cpu, did, sizeof did);
        if (!out)
            judge_error(c->judge, "CPU and model disagree: %s: %s; the CPU: %s", op_text,
                        walked, did);
        CHECK(c->judge, false, "your walker says what the CPU does", "%s: %s; the CPU: %s",
              op_text, walked, did);
    }
}

/* All orders; records of exits come in the order in which they happened. */
static void orders_expect(const struct lab_cpu *c, const struct lab05_output *out)
{
    const struct silicon *si = c->silicon;
    uint32_t next = 0;

    for (unsigned n = 0; n < c->count; n++) {
        struct shown cpu = {0};
        const struct silicon_record *r = &si->records[next];

        memcpy(&cpu.result, si->windows[0].bytes + 8 * n, 8);
        if (next < si->log.record_count && r->rbx == n &&
            (r->exit_reason == VMX_EXIT_EPT_VIOLATION ||
             r->exit_reason == VMX_EXIT_EPT_MISCONFIGURATION)) {
            cpu.exit = r;
            next++;
        }
        order_expect(c, n, &cpu, out);
    }
    if (next + 1 != si->log.record_count)
        judge_error(c->judge, "%u exits, of which %u belong to accesses",
                    si->log.record_count, next);
}

/* All page sizes, split pages, holes; HPAs in the memory under test. */
static void places_build(struct lab_cpu *c, bool huge)
{
    static const char asked[] = "the tables map what they were asked to";
    struct judge *judge = c->judge;

    if (huge) {
        place_add(c, HUGE_GPA, 0, GIB1, RWX);
        place_add(c, HUGE_GPA + 3 * GIB1, 0, GIB1, random_rights(judge));
    }
    for (unsigned i = 0; i < 30; i++) {
        const uint64_t area = GIB1 * (8 + i / 4) + MIB2 * 8 * (i % 4);
        const uint64_t hpa = TARGET_FROM + MIB2 * below(judge, 8);

        if (i % 3)
            place_add(c, area + KIB4 * below(judge, 512), hpa + KIB4 * below(judge, 512),
                      KIB4 * (1 + below(judge, 4)), random_rights(judge));
        else
            place_add(c, area, hpa, MIB2 * (1 + below(judge, 3)), random_rights(judge));
    }
    for (unsigned i = 0; i < 12; i++) {
        const unsigned p = i * 2 + (unsigned)below(judge, 2); /* each once at most */
        uint64_t from = c->places[p].gpa;
        const uint64_t size = c->places[p].size;

        if (size >= GIB1)
            from += TARGET_FROM + below(judge, 8) * MIB2 + below(judge, 400) * KIB4;
        else if (size >= MIB2)
            from += below(judge, 400) * KIB4;
        build_put(
            c->build, c->world, asked,
            (struct lab05_op){.kind = i % 3 || size < MIB2 ? LAB05_PROTECT : LAB05_UNMAP,
                              .gpa = from,
                              .size = size >= MIB2 ? (1 + below(judge, 60)) * KIB4 : KIB4,
                              .access = random_rights(judge)});
    }
    /* Only tables that say exactly what we expect are given to the CPU: whoever maps the
     * runtime or its log into the guest does not get as far as that. */
    build_expect(c->build, c->world, asked);
}

static void tables_confined(const struct lab_cpu *c)
{
    const struct silicon_range ranges[] = {{SILICON_RAM_HPA, POOL_HPA + CPU_POOL * KIB4},
                                           {TARGET_FROM, TARGET_TO + 8 * MIB2}};
    uint64_t bad = 0;

    CHECK(c->judge,
          silicon_ept_confined((const uint8_t *)c->build->out->memory, POOL_HPA,
                               CPU_POOL * KIB4, c->build->out->roots[0], ranges, 2, &bad),
          "the tables lead only to the guest's memory", "the entry %#" PRIx64 " does not",
          bad);
}

static void cpu_agrees_on_accesses(struct judge *judge)
{
    struct lab_cpu *c = cpu_new(judge, false);

    places_build(c, true);
    walks_begin(c);
    model_begin(c);
    for (unsigned i = 0; i < 1600; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out);
    orders_expect(c, NULL);
}

/* One entry is made wrong, or unusual, in a way that depends on i. */
static uint64_t entry_damage(uint64_t entry, unsigned i)
{
    static const unsigned bits[] = {3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                    20, 21, 29, 40, 51, 52, 57, 58, 60, 61, 63};
    const unsigned kinds = sizeof bits / sizeof bits[0];

    if (i % 3 == 0)
        return (entry & ~RWX) | i / 3 % 8;
    /* Bit 12 of a large page: reserved, says the SDM (3C tables 29-3 and 29-5), and target model
     * judges it so. Bochs 2.7 ignores it (in ordinary paging the bit is PAT): not here. */
    entry ^= 1ull << bits[i % kinds];
    return entry & EPT_LARGE ? entry & ~KIB4 : entry;
}

/* A reserved bit that leads elsewhere where it is not reserved is left alone: the guest shall
 * not get anywhere that we do not know. */
static bool damage_is_safe(uint64_t before, uint64_t after, int level,
                           const struct model *m)
{
    const bool leaf = level == 1 || (level < 4 && after & EPT_LARGE);

    return (before & EPT_LARGE) == (after & EPT_LARGE) && ((before ^ after) & EPT_ADDRESS)
               ? entry_is_bad(&m->s->in.cpu[0], after, level, leaf)
               : (before & EPT_LARGE) == (after & EPT_LARGE) || level == 1 ||
                     entry_is_bad(&m->s->in.cpu[0], after, level, leaf);
}

static void cpu_agrees_on_misconfigurations(struct judge *judge)
{
    static const char asked[] = "the tables map what they were asked to";
    struct lab_cpu *c = cpu_new(judge, false);
    struct image image;

    for (unsigned i = 0; i < 56; i++) { /* each in a table of its own */
        const uint64_t gpa = i < 36 ? 8 * GIB1 + i * MIB2 : (16 + i) * GIB1;

        place_add(c, gpa + (i % 4 ? below(judge, 512) * KIB4 : 0),
                  TARGET_FROM + MIB2 * below(judge, 8), i % 4 ? KIB4 : MIB2, RWX);
    }
    build_expect(c->build, c->world, asked);
    tables_confined(c);
    walks_begin(c);
    image = (struct image){.s = c->walk};
    model_begin(c); /* no order is given by this one */
    for (unsigned i = 0; i < 56; i++) {
        const int leaf = c->places[i].size == KIB4 ? 1 : 2;
        const int level = leaf + (int)(i / 2 % ((i < 36 ? 3u : 4u) - (unsigned)leaf));
        uint64_t *word = image_word(
            &image, ept_entry(&image, c->build->out->roots[0], c->places[i].gpa, level));
        const uint64_t bad = entry_damage(*word, i);

        if (damage_is_safe(*word, bad, level, c->model))
            *word = bad;
    }
    c->walk->in.op_count = 1;
    memset(c->walk->wants, 0, sizeof c->walk->wants);
    model_begin(c);
    for (unsigned i = 0; i < 500; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out);
    orders_expect(c, NULL);
}

static void flags_expect(const struct lab_cpu *c, const uint64_t (*memory)[512],
                         bool student)
{
    for (unsigned i = 0; i < CPU_POOL * 512; i++) {
        const uint64_t hpa = POOL_HPA + 8 * i, walked = memory[i / 512][i % 512];
        uint64_t cpu;

        memcpy(&cpu, c->silicon->windows[1].bytes + 8 * i, 8);
        if (cpu == walked)
            continue;
        if (!student)
            judge_error(c->judge,
                        "CPU and model disagree: entry at hpa %#" PRIx64 ": CPU %#" PRIx64
                        ", model %#" PRIx64,
                        hpa, cpu, walked);
        CHECK(c->judge, false, "A and D are in your tables where the CPU has set them",
              "the entry at hpa %#" PRIx64 " is %#" PRIx64 " after your walks, %#" PRIx64
              " after the CPU's",
              hpa, walked, cpu);
    }
}

static void cpu_sets_the_same_flags(struct judge *judge)
{
    struct lab_cpu *c = cpu_new(judge, true);

    places_build(c, false);
    tables_confined(c);
    walks_begin(c);
    model_begin(c);
    for (unsigned i = 0; i < 120; i++)
        random_probe(c);
    cpu_run(c);
    orders_expect(c, c->walk->out);
    flags_expect(c, c->walk->out->memory, true);
    orders_expect(c, NULL);
    flags_expect(c, c->model->memory, false);
}

/* --- the table ------------------------------------------------------------------------------------- */

static const struct check checks[] = {
    {
        .id = "bad_ranges_are_refused",
        .title = "refuses ranges, rights and types that cannot be",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bad_ranges_are_refused,
        .why = "One wrong entry is enough, and the CPU reports a misconfiguration at some "
               "later time.",
        .handout = "Steps, 1",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.2, 29.3.3.1; common/include/ept.h",
        .hints = {"Which of the numbers can be wrong in themselves, before you look at any "
                  "table?",
                  "Two kinds: what can never be (-EINVAL), and what lies beyond 48 bits "
                  "(-ERANGE); a sum may wrap around.",
                  "gpa > EPT_GPA_LIMIT || size > EPT_GPA_LIMIT - gpa is -ERANGE, but only "
                  "after all the -EINVAL of the function."},
        .explanation = "The same trick as in lab 02: compare with what is left, and "
                       "nothing can wrap around.",
    },
    {
        .id = "execute_only_needs_the_cpu",
        .title = "asks the CPU: X alone, address bits, the EPTP",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = execute_only_needs_the_cpu,
        .why = "What is a page on one CPU is a misconfiguration on another.",
        .handout = "Steps, 3",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 25.6.11, 29.3.3.1; 3D A.10",
        .hints = {"Which fields of struct ept_cpu does your code look at?",
                  "X without R needs execute_only; an HPA has to fit in physical_bits. The "
                  "EPTP says 3 for four levels.",
                  "root | 6 | 3 << 3 | access_dirty << 6; an HPA range must end at or "
                  "below 1 << physical_bits."},
        .explanation = "Execute-only pages serve monitors that want to see each read of "
                       "code. KVM asks the capability MSR, as you do.",
    },
    {
        .id = "pages_are_as_large_as_possible",
        .title = "maps with the largest pages that fit",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = pages_are_as_large_as_possible,
        .why =
            "A page of 2 MiB costs one reference less, and one TLB entry instead of 512.",
        .handout = "Steps, 4",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.2, tables 29-3 and 29-5",
        .hints =
            {"Three things decide how large a page at some gpa can be. gpa is one of them.",
             "gpa, hpa and the rest of the range. 1 GiB only if the CPU has it; 512 GiB "
             "never.",
             "Try level 3, 2, 1: the first with (gpa | hpa) % size == 0 and rest >= size. "
             "Then advance by that size."},
        .explanation =
            "If gpa and hpa differ in their lower 21 bits, no large page fits anywhere in "
            "the range: VMMs align guest RAM to 1 GiB or 2 MiB for that reason.",
    },
    {
        .id = "mapped_pages_are_not_mapped_again",
        .title = "refuses to map what is mapped",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = mapped_pages_are_not_mapped_again,
        .why =
            "To replace a mapping silently is to lose a page, or to give it to two owners.",
        .handout = "Steps, 5",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_map()",
        .hints = {"Where in the range could a page be that is mapped already?",
                  "Anywhere, and it may be larger or smaller than those you are going to "
                  "make. Look before you write.",
                  "Go through the range from decisive entry to decisive entry (entry_find, "
                  "span_end): one that is present is -EEXIST."},
        .explanation = "Stepping by what an entry covers makes the look cheap: a hole of "
                       "512 GiB is one step.",
    },
    {
        .id = "large_pages_split_where_they_must",
        .title = "splits large pages, and no more than needed",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = large_pages_split_where_they_must,
        .why = "A balloon, a watchpoint, a dirty log: they all take one small page out of "
               "a large one.",
        .handout = "Steps, 6",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_unmap()",
        .hints = {"Which pages of a range can be inside a large one in part? Only those at "
                  "two places.",
                  "512 pages of the next smaller size: same rights, same type, same A and "
                  "D, HPAs one after the other. And bit 7?",
                  "For each end: while the entry that covers it is a leaf and end % size "
                  "!= 0: split that leaf. A page of 4 KiB has no bit 7."},
        .explanation =
            "A and D are inherited: the hardware had used the large page, and nobody knows "
            "which part. To drop D would be to lose a write in a dirty log.",
    },
    {
        .id = "protect_needs_every_page",
        .title = "protects all of a range, or nothing",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = protect_needs_every_page,
        .why = "A caller who protects a range wants to rely on all of it.",
        .handout = "Steps, 8",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_protect()",
        .hints = {"When do you know that there is no hole in the range?",
                  "After looking at all of it: before the first entry changes, and before "
                  "the first page is split.",
                  "-ENOENT if any decisive entry in the range is not present; then the "
                  "borders; then the leaves."},
        .explanation = "Unmapping is kinder to holes, as munmap() is: the result is the "
                       "same with and without them.",
    },
    {
        .id = "empty_tables_go_back",
        .title = "gives tables back that became empty",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = empty_tables_go_back,
        .why = "A VMM runs for months; each table that leaks is a page that no guest gets.",
        .handout = "Steps, 7",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, struct ept",
        .hints =
            {"After unmapping, which tables can have become empty? Only the lowest?",
             "A table that goes back empties an entry of the table above. The root stays.",
             "Recursive, bottom up: prune the table below; if it is empty, give it back "
             "and clear the entry; then see whether this one is empty."},
        .explanation = "The pool of this check has 10 pages and 6000 ranges go through it.",
    },
    {
        .id = "a_full_pool_changes_nothing",
        .title = "changes nothing if the pool has too few pages",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = a_full_pool_changes_nothing,
        .why =
            "Half a mapping is worse than none: the caller believes that nothing happened.",
        .handout = "Steps, 5",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h",
        .hints = {"When does each function find out that pages are missing, and what has "
                  "it done by then?",
                  "Map can undo (who removes tables already?). Splitting cannot be undone "
                  "easily: count first.",
                  "Each end needs one table per level that it splits. If both lie in the "
                  "same large page, they share those tables down to where they part."},
        .explanation = "Pages that the call itself gives back do not count: that would "
                       "make the answer depend on the order of its steps.",
    },
    {
        .id = "walks_translate_or_say_why_not",
        .title = "walks to the HPA, or explains the violation",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = walks_translate_or_say_why_not,
        .why = "The exit qualification is all that a VMM learns about a violation.",
        .handout = "Steps, 11",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.2, table 28-7",
        .hints = {"Bits 2:0 say what was tried, bits 5:3 what would have been allowed. By "
                  "which entry?",
                  "By all together: the AND. If an entry is not present, the walk ends "
                  "there, and nothing is allowed.",
                  "rights starts as 7 and is ANDed with each entry. Violation: access | "
                  "rights << 3. Compare at the leaf, not before."},
        .explanation = "KVM reads bits 5:3 to tell a page that is write-protected (for the "
                       "dirty log) from one that is not there.",
    },
    {
        .id = "misconfigured_entries_are_found",
        .title = "finds misconfigured entries, and only those",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = misconfigured_entries_are_found,
        .why = "A misconfiguration is a bug of the VMM, a violation the guest's business: "
               "do not mix them up.",
        .handout = "Steps, 9",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.1, tables 29-1 to 29-7",
        .hints = {"The same bit can be reserved at one level, a memory type at another, "
                  "and ignored at a third.",
                  "Rights first (W without R), then by kind: leads to a table, or leaf; "
                  "then bits above physical_bits. All 0 rights: not present, and no other "
                  "bit counts.",
                  "Table: bits 6:3, in level 4 also 7. Leaf: the address below the page's "
                  "size (29:12, 20:12), types 2, 3, 7. Bits 63:52 and 11:8 never."},
        .explanation = "KVM makes misconfigured entries on purpose: for MMIO, where exit "
                       "49 is quicker to handle than 48.",
    },
    {
        .id = "accessed_and_dirty_are_set",
        .title = "sets A and D where the CPU does",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = accessed_and_dirty_are_set,
        .why = "Live migration and page replacement read these two bits; a lost D is lost "
               "memory.",
        .handout = "Steps, 10",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.5",
        .hints = {"Which entries does a translation use? Which of them can say that a page "
                  "was written to?",
                  "A in all that were read, D in the leaf only; both only if the walk "
                  "succeeds. When does a read count as a write?",
                  "With access_dirty, an access with L and without F is read and write: "
                  "also in the qualification. Write an entry only if it changes."},
        .explanation = "Reading a guest's page table counts as writing because the CPU may "
                       "set the guest's own A and D there.",
    },
    {
        .id = "a_cold_walk_makes_24_references",
        .title = "walks in two dimensions: 24 references",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = a_cold_walk_makes_24_references,
        .why = "This is the price of the EPT, reference by reference.",
        .handout = "Why",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.1; 3A 4.5",
        .hints = {"What kind of address is in CR3, and in each of the guest's entries?",
                  "Guest-physical: so each is translated before it is read. How many "
                  "times, and what comes last?",
                  "4 x (4 EPT entries + the guest's entry) + 4 for the page. Large pages: "
                  "a smaller page number, a larger offset from the gva."},
        .explanation = "With 2 MiB pages in both dimensions it is 15: 3 x (3 + 1) + 3. "
                       "With 5 levels in both, 35.",
    },
    {
        .id = "faults_and_violations_differ",
        .title = "tells the guest's page faults from EPT violations",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = faults_and_violations_differ,
        .why = "The one is delivered to the guest, the other leaves it: they have "
               "different owners.",
        .handout = "Steps, 13",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3A 4.6, 4.7; 3C 29.3.3.2",
        .hints = {"Who forbids the access: an entry of the guest's, or one of the EPT's?",
                  "The guest's rights are compared before the page's GPA is translated: a "
                  "page fault wins. An entry that is not there ends the walk at once.",
                  "Violation on a guest's table: access R with L only, gpa = that of the "
                  "entry. Error code: P only if all entries were present; W, U, I/D say "
                  "what was tried."},
        .explanation = "Without EPT every one of these page faults would be an exit: "
                       "shadow paging had to look at each.",
    },
    {
        .id = "caches_save_references",
        .title = "skips with caches what it has read before",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = caches_save_references,
        .why =
            "Without these caches virtual machines would run at a fraction of their speed.",
        .handout = "Steps, 12",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.4.1; common/include/nested_walk.h",
        .hints = {"Three caches: which question does each answer, and how many references "
                  "does that save?",
                  "An entry is about one root, one number, for translations one mode, and "
                  "the kinds that were allowed. When is W among them?",
                  "translations: 0 references. guest_tables: 1 + the page's EPT walk. "
                  "guest_physical: 1 instead of 4. Fill only when TRANSLATED, W only after "
                  "a write."},
        .explanation = "Real CPUs do the same with other sizes; that is why measured walks "
                       "cost 2 to 5 references, not 24.",
    },
    {
        .id = "stale_translations_are_forgotten",
        .title = "forgets stale translations, keeps the others",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = stale_translations_are_forgotten,
        .why = "A stale entry is a hole in the wall between two VMs; flushing everything "
               "is slow.",
        .handout = "Steps, 15",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3A 4.10.4; 3C 29.4.3",
        .hints = {"Who changed a table, the guest or the VMM? Which caches know something "
                  "that came from it?",
                  "The guest's instructions end combined translations of its own root, and "
                  "none of guest_physical. INVEPT ends all three.",
                  "INVLPG: that page's translation and all guest_tables of the root. CR3: "
                  "all of both. INVEPT single: everything of one root, type 2: of all. A "
                  "failed walk forgets what was known of its gva."},
        .explanation = "A VMM that shrinks a mapping and forgets INVEPT gives the guest a "
                       "page that belongs to someone else by now.",
    },
    {
        .id = "cpu_agrees_on_accesses",
        .title = "an Intel CPU goes where your walker says",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = cpu_agrees_on_accesses,
        .why = "The manual may be read wrongly; the CPU does what it does.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3, table 28-7",
        .hints = {"If the checks on the model pass, this one does.",
                  "Your builder makes the tables, your walker and the CPU follow them. The "
                  "text shows both answers.",
                  "No access_dirty here: reading a guest's page table from a read-only "
                  "page is fine."},
        .explanation =
            "About two thousand reads, writes and calls went through your tables, in pages "
            "of all sizes, some of them split; each exit was compared field by field.",
    },
    {
        .id = "cpu_agrees_on_misconfigurations",
        .title = "the CPU finds the same misconfigured entries",
        .tenths = 3,
        .target = TARGET_SILICON,
        .run = cpu_agrees_on_misconfigurations,
        .why =
            "Exit 49 has no qualification: only the GPA, and you find the entry yourself.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.1",
        .hints = {"If the checks on the model pass, this one does.",
                  "Entries of your tables were damaged after you made them. Compare the "
                  "two answers in the text.",
                  "This CPU has 40 physical-address bits, pages of 1 GiB and no "
                  "execute-only pages."},
        .explanation = "Bits that one CPU ignores can be reserved on the next: software "
                       "sets them to 0 unless it knows.",
    },
    {
        .id = "cpu_sets_the_same_flags",
        .title = "the CPU sets the same A and D flags",
        .tenths = 4,
        .target = TARGET_SILICON,
        .run = cpu_sets_the_same_flags,
        .why = "What hardware writes into your tables, your walker has to write, too.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.5",
        .hints = {"If the checks on the model pass, this one does.",
                  "The tables were dumped from outside when the CPU was done; yours are "
                  "those after your walks.",
                  "Guest page tables count as written to: their pages get D, and a "
                  "read-only one is a violation with bits 0 and 1."},
        .explanation =
            "The stack, the results and the guest's own page tables are dirty as well, "
            "each by one bit in a page of 2 MiB: large pages make dirty logs coarse.",
    },
};

const struct lab_checks lab_checks = {
    .name = "05-ept-walk",
    .title = "EPT walk",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
