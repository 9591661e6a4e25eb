/* ept_walk.c - part 05: extended page tables, walked as the CPU does it.
 * The contract is in common/include/ept.h. */
#include <stddef.h>

#include "ept.h"

/* The way down: where entries were read, what they were. */
struct path {
    uint64_t at[EPT_LEVELS + 1], entry[EPT_LEVELS + 1]; /* by level */
    int first, last;
};

/* Where the region of gpa may lie in the cache; NULL: there is no cache. */
static inline struct ept_cache_entry *cache_slot(struct ept_cache *cache, uint64_t gpa)
{
    return cache ? &cache->entries[(gpa >> 21) % EPT_CACHE_SIZE] : NULL;
}

/* Does it know the page table that translates gpa? */
static inline bool cache_hits(const struct ept_cache_entry *slot, const struct ept *ept,
                              uint64_t gpa)
{
    return slot && slot->valid && slot->root == ept->root && slot->region == gpa >> 21;
}

/* *walk for a walk that came to a leaf. */
static inline void translated_fill(struct ept_walk *walk, const struct path *path,
                                   uint64_t gpa, uint64_t rights)
{
    const uint64_t leaf = path->entry[path->last];

    walk->page_size = ept_level_size(path->last);
    walk->hpa = (leaf & EPT_ADDRESS) | (gpa & (walk->page_size - 1));
    walk->rights = rights;
    walk->memory_type = (unsigned)(leaf >> EPT_TYPE_SHIFT) & 7;
}

/* What is learnt of gpa's region by a walk that came to a page of 4 KiB: where its page table
 * is, and what the three entries above allow. */
static inline void cache_fill(struct ept_cache_entry *slot, const struct ept *ept,
                              uint64_t gpa, const struct path *path)
{
    *slot = (struct ept_cache_entry){.valid = true,
                                     .root = ept->root,
                                     .region = gpa >> 21,
                                     .table = path->entry[2] & EPT_ADDRESS,
                                     .rights = path->entry[4] & path->entry[3] &
                                               path->entry[2] & EPT_RIGHTS};
}

/* TODO 9: what makes a present entry a misconfiguration, at each level? */

/* TODO 10: reading the entries, and setting A and D in them afterwards: a function each
 * keeps ept_walk() short. struct path remembers what was read, and where. */

void ept_walk(const struct ept *ept, const struct host_memory *memory,
              struct ept_cache *cache, uint64_t gpa, uint64_t access, struct ept_walk *walk)
{
    /* TODO 11: look into the cache, walk, compare, set A and D, fill the cache. */
    (void)ept, (void)memory, (void)cache, (void)gpa, (void)access;
    *walk = (struct ept_walk){.outcome = 0};
}
