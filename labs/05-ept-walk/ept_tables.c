/* ept_tables.c - part 05: extended page tables, built.
 * The contract of every function is in common/include/ept.h. */
#include <errno.h>
#include <stddef.h>

#include "ept.h"

/* --- given: to find one's way in the tree ------------------------------------------- */

static inline uint64_t *entry_at(const struct ept *ept, uint64_t table, uint64_t gpa,
                                 int level)
{
    return &ept_pool_table(ept->pool, table)[ept_index(gpa, level)];
}

static inline bool entry_leads_on(uint64_t entry, int level)
{
    return (entry & EPT_RIGHTS) && level > 1 && !(entry & EPT_LARGE);
}

/* The entry that decides about gpa: a leaf, or one that is not present. */
static inline uint64_t *entry_find(const struct ept *ept, uint64_t gpa, int *level)
{
    uint64_t *entry = entry_at(ept, ept->root, gpa, EPT_LEVELS);

    for (*level = EPT_LEVELS; entry_leads_on(*entry, *level);)
        entry = entry_at(ept, *entry & EPT_ADDRESS, gpa, --*level);
    return entry;
}

/* Where the entry that covers gpa at that level ends. */
static inline uint64_t span_end(uint64_t gpa, int level)
{
    return (gpa | (ept_level_size(level) - 1)) + 1;
}

/* --- given: checks that several functions share, and the tables' coming and going ------- */

/* What can be wrong with every range: -EINVAL, then -ERANGE. */
static inline int range_check(uint64_t gpa, uint64_t size)
{
    if (size == 0 || gpa % EPT_PAGE || size % EPT_PAGE)
        return -EINVAL;
    return gpa > EPT_GPA_LIMIT || size > EPT_GPA_LIMIT - gpa ? -ERANGE : 0;
}

/* Is every page of the range mapped (or, every one not mapped)? */
static inline bool range_is(const struct ept *ept, uint64_t gpa, uint64_t size, bool mapped)
{
    int level;

    for (uint64_t at = gpa; at < gpa + size; at = span_end(at, level))
        if (((*entry_find(ept, at, &level) & EPT_RIGHTS) != 0) != mapped)
            return false;
    return true;
}

/* Can [hpa, hpa + size) be mapped, and with that memory type? */
static inline bool target_valid(const struct ept *ept, uint64_t hpa, uint64_t size,
                                unsigned type)
{
    const uint64_t limit = 1ull << ept->cpu.physical_bits;

    return hpa % EPT_PAGE == 0 && hpa < limit && size <= limit - hpa &&
           (type == MT_UC || type == MT_WC || (type >= MT_WT && type <= MT_WB));
}

/* How many tables do both ends of the range need, until a page begins there (or ends)? */
static inline unsigned tables_needed(const struct ept *ept, uint64_t from, uint64_t to)
{
    uint64_t *entries[2];
    int levels[2];
    unsigned count = 0;

    for (int i = 0; i < 2; i++) {
        const uint64_t border = i == 0 ? from : to;

        entries[i] = entry_find(ept, border, &levels[i]);
        if (*entries[i] & EPT_RIGHTS)
            for (int level = levels[i]; border % ept_level_size(level); level--)
                count++;
    }
    /* Where both lie inside the same page, one split serves both. */
    if (entries[0] == entries[1] && (*entries[0] & EPT_RIGHTS))
        for (int level = levels[0];
             from % ept_level_size(level) && to % ept_level_size(level) &&
             from / ept_level_size(level) == to / ept_level_size(level);
             level--)
            count--;
    return count;
}

/* Gives back the tables below this one that are empty, where they cover [from, to). True if
 * this one is empty then. */
static inline bool tables_prune(struct ept *ept, uint64_t table, int level, uint64_t from,
                                uint64_t to)
{
    uint64_t *entries = ept_pool_table(ept->pool, table);

    for (uint64_t at = from; at < to; at = span_end(at, level)) {
        uint64_t *entry = &entries[ept_index(at, level)];
        uint64_t end = span_end(at, level) < to ? span_end(at, level) : to;

        if (!entry_leads_on(*entry, level) ||
            !tables_prune(ept, *entry & EPT_ADDRESS, level - 1, at, end))
            continue;
        ept_pool_give(ept->pool, *entry & EPT_ADDRESS);
        *entry = 0;
    }
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        if (entries[i] & EPT_RIGHTS)
            return false;
    return true;
}

/* --- yours ---------------------------------------------------------------------------- */

/* TODO 1: which rights are possible on this CPU? */

int ept_create(struct ept *ept, struct ept_pool *pool, const struct ept_cpu *cpu,
               bool access_dirty)
{
    /* TODO 2: a tree that maps nothing is one page of zeros. */
    (void)ept, (void)pool, (void)cpu, (void)access_dirty;
    return -ENOSYS;
}

void ept_destroy(struct ept *ept)
{
    ept_unmap(ept, 0, EPT_GPA_LIMIT);
    ept_pool_give(ept->pool, ept->root);
}

uint64_t ept_pointer(const struct ept *ept)
{
    /* TODO 3: the fields are drawn in the contract. */
    (void)ept;
    return 0;
}

/* TODO 4: what ept_map() needs: how large may the page at gpa be? Which entry will hold it,
 * and which tables have to be made on the way? */

int ept_map(struct ept *ept, uint64_t gpa, uint64_t hpa, uint64_t size, uint64_t rights,
            unsigned memory_type)
{
    /* TODO 5: check everything, then page by page. If the pool runs dry in the middle, all
     * that was made has to go: which function of yours does that already? */
    (void)ept, (void)gpa, (void)hpa, (void)size, (void)rights, (void)memory_type;
    return -ENOSYS;
}

/* TODO 6: splits pages until one begins at the border. The pool has the tables that it takes:
 * borders_make() has counted them. */
static void border_make(struct ept *ept, uint64_t border)
{
    (void)ept, (void)border;
}

/* Makes page borders of both ends, or -ENOMEM and nothing changes. */
static inline int borders_make(struct ept *ept, uint64_t from, uint64_t to)
{
    if (tables_needed(ept, from, to) > ept->pool->free_count)
        return -ENOMEM;
    border_make(ept, from);
    border_make(ept, to);
    return 0;
}

int ept_unmap(struct ept *ept, uint64_t gpa, uint64_t size)
{
    /* TODO 7: split, clear the leaves, give back tables that became empty. */
    (void)ept, (void)gpa, (void)size;
    return -ENOSYS;
}

int ept_protect(struct ept *ept, uint64_t gpa, uint64_t size, uint64_t rights)
{
    /* TODO 8: the same borders; other bits of the leaves stay. */
    (void)ept, (void)gpa, (void)size, (void)rights;
    return -ENOSYS;
}
