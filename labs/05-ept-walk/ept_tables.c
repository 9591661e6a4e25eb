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

/* --- yours ---------------------------------------------------------------------------- */

/* TODO 1: checks that several functions share: is this range well-formed, are these rights
 * possible, is every page of the range mapped, is none? */

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

/* TODO 6: splitting. Only the two ends of a range can lie inside a large page. Count the
 * tables that both ends need before you make the first: they may share some. */

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
