/* pages.c - what has to be mapped: a plain list of pages, which knows no tables. What the
 * student's tables map is read out of the pool into such a list, and compared. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

uint64_t leaf_size(const struct leaf *leaf)
{
    return KIB4 << 9 * (leaf->level - 1);
}

struct world *world_new(const struct script *s)
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

/* The same world with its first leaves. (Most of the room for leaves is never touched.) */
static struct world *world_copy(const struct world *w, unsigned leaves)
{
    struct world *copy = malloc(sizeof *copy);

    if (!copy)
        judge_error(w->judge, "out of memory");
    memcpy(copy, w, offsetof(struct world, leaves) + leaves * sizeof w->leaves[0]);
    copy->count = leaves;
    return copy;
}

/* What an operation came to: 0, and *w is as in next; or -ENOMEM, and *w stays. */
static int world_take(struct world *w, struct world *next, bool enough)
{
    if (enough)
        memcpy(w, next,
               offsetof(struct world, leaves) + next->count * sizeof next->leaves[0]);
    free(next);
    return enough ? 0 : -ENOMEM;
}

/* Tables for these pages: the root, and one for each group of leaves that needs one. */
unsigned world_tables(const struct world *w)
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

/* The page at gpa of a range that is mapped: as large as possible. */
static struct leaf leaf_fitting(const struct world *w, const struct lab05_op *op,
                                uint64_t done)
{
    struct leaf leaf = {.gpa = op->gpa + done,
                        .hpa = op->hpa + done,
                        .bits = op->access | (uint64_t)op->type << 3,
                        .level = 1};

    for (int level = 2; level <= (w->cpu->page_1g ? 3 : 2); level++) {
        const uint64_t size = KIB4 << 9 * (level - 1);

        if (leaf.gpa % size == 0 && leaf.hpa % size == 0 && op->size - done >= size)
            leaf.level = level;
    }
    return leaf;
}

static int world_map(struct world *w, const struct lab05_op *op)
{
    const int r = map_errno(w, op);
    struct world *all;
    uint64_t done = 0;

    if (r < 0)
        return r;
    all = world_copy(w, w->count);
    /* More leaves than there can be in all the tables: the pool is too small anyway. */
    while (done < op->size && all->count < LEAVES_MAX &&
           all->count - w->count <= w->room * 512) {
        leaf_add(all, leaf_fitting(w, op, done));
        done += leaf_size(&all->leaves[all->count - 1]);
    }
    if (done == op->size)
        world_sort(all);
    return world_take(w, all, done == op->size && world_tables(all) <= w->room);
}

/* A page in pieces, so that none lies across from or to; how often it was split. */
static unsigned leaf_cut(struct world *w, struct leaf leaf, uint64_t from, uint64_t to)
{
    unsigned splits = 1;

    if (!leaf_touches(&leaf, from, to) ||
        (leaf.gpa >= from && leaf.gpa + leaf_size(&leaf) <= to)) {
        leaf_add(w, leaf);
        return 0;
    }
    leaf.level--;
    for (unsigned n = 0; n < 512; n++) {
        splits += leaf_cut(w, leaf, from, to);
        leaf.gpa += leaf_size(&leaf);
        leaf.hpa += leaf_size(&leaf);
    }
    return splits;
}

static int change_errno(const struct world *w, const struct lab05_op *op)
{
    const bool protect = op->kind == LAB05_PROTECT;
    const int r = range_errno(op->gpa, op->size);

    if (protect && r != -EINVAL && !rights_possible(w, op->access))
        return -EINVAL;
    if (r == 0 && protect && world_mapped(w, op->gpa, op->gpa + op->size) != op->size)
        return -ENOENT;
    return r;
}

static int world_change(struct world *w, const struct lab05_op *op)
{
    const uint64_t to = op->gpa + op->size;
    const int r = change_errno(w, op);
    unsigned splits = 0, kept = 0;
    struct world *cut;

    if (r < 0)
        return r;
    cut = world_copy(w, 0);
    for (unsigned i = 0; i < w->count; i++)
        splits += leaf_cut(cut, w->leaves[i], op->gpa, to);
    for (unsigned i = 0; i < cut->count; i++) {
        struct leaf *leaf = &cut->leaves[i];
        const bool inside = leaf->gpa >= op->gpa && leaf->gpa < to;

        if (inside && op->kind == LAB05_PROTECT)
            leaf->bits = (leaf->bits & ~RWX) | op->access;
        if (!inside || op->kind == LAB05_PROTECT)
            cut->leaves[kept++] = *leaf;
    }
    cut->count = kept;
    return world_take(w, cut, splits <= w->room - world_tables(w));
}

static int world_do(struct world *w, const struct lab05_op *op)
{
    return op->kind == LAB05_MAP ? world_map(w, op) : world_change(w, op);
}

/* How many pages have to be free for it. */
unsigned build_needs(const struct world *w, const struct lab05_op *op)
{
    struct world *copy = world_copy(w, w->count);
    unsigned free_pages = 0;

    copy->room = world_tables(w);
    while (world_do(copy, op) == -ENOMEM)
        copy->room = world_tables(w) + ++free_pages;
    free(copy);
    return free_pages;
}

/* The operation, what it has to return, and how many pages are free then. */
int build_put(struct script *s, struct world *w, const char *asked, struct lab05_op op)
{
    const int r = world_do(w, &op);
    struct want *want = op_put(s, asked, op);

    want->counted = true;
    want->r.value = r;
    want->r.free_count = w->room - world_tables(w);
    return r;
}

void leave_put(struct script *s, struct world *w, unsigned left)
{
    VALUE(s, 0, "", .kind = LAB05_LEAVE, .size = left);
    w->room = world_tables(w) + left;
}

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
    return r->s->out.memory[page];
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

static bool leaf_equal(const struct leaf *a, const struct leaf *b)
{
    return a->gpa == b->gpa && a->hpa == b->hpa && a->bits == b->bits &&
           a->level == b->level;
}

static void leaves_compare(const struct reading *r, const struct world *w)
{
    const struct leaf none = {.gpa = UINT64_MAX};

    for (unsigned i = 0; i < w->count || i < r->found->count; i++) {
        const struct leaf *due = i < w->count ? &w->leaves[i] : &none,
                          *got = i < r->found->count ? &r->found->leaves[i] : &none;
        char want[160], seen[160];

        if (leaf_equal(due, got))
            continue;
        leaf_describe(due, want, sizeof want);
        leaf_describe(got, seen, sizeof seen);
        CHECK(r->s->judge, due->gpa <= got->gpa, r->asked, "your tables have %s, where %s",
              seen, due == &none ? "nothing more is due" : "nothing is to be mapped");
        CHECK(r->s->judge, due->gpa == got->gpa, r->asked, "missing in your tables: %s",
              want);
        CHECK(r->s->judge, false, r->asked, "your tables have %s; due: %s", seen, want);
    }
}

/* A stays in the entries that lead to the tables of w->kept, and a split page's has none. */
static void accessed_expect(const struct script *s, const struct world *w)
{
    uint64_t table = s->out.roots[0];

    for (int level = 4; w->kept_level && level > 1; level--) {
        const uint64_t page = (table - s->in.memory_hpa) / KIB4;
        const uint64_t entry = s->out.memory[page][w->kept >> (12 + 9 * (level - 1)) & 511];

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
void tree_expect(const struct script *s, const struct world *w, const char *asked)
{
    struct reading r = {.s = s, .asked = asked, .found = world_new(s)};
    const struct lab05_result *last = &s->out.results[s->in.op_count - 1];

    table_read(&r, s->out.roots[0], 4, 0);
    leaves_compare(&r, w);
    accessed_expect(s, w);
    CHECK(s->judge, r.tables + last->free_count == w->room, asked,
          "%u pages of the pool are taken, but only %u tables can be reached",
          w->room - last->free_count, r.tables);
    free(r.found);
}

/* Builds, asks for results, compares. */
void build_expect(struct script *s, const struct world *w, const char *asked)
{
    script_run(s);
    results_expect(s);
    tree_expect(s, w, asked);
}

void create_put(struct script *s)
{
    VALUE(s, 0, "ept_create() takes one page for the root", .kind = LAB05_CREATE);
}
