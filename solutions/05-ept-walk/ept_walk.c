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

//@begin
//@ /* TODO 9: what makes a present entry a misconfiguration, at each level? */
//@
/* Bits that have to be 0 in a present entry, but for the rights and the memory type. */
static uint64_t reserved_bits(const struct ept_cpu *cpu, uint64_t entry, int level,
                              bool leaf)
{
    uint64_t reserved = EPT_ADDRESS & ~((1ull << cpu->physical_bits) - 1);

    if (!leaf)
        reserved |= EPT_TYPE | EPT_IGNORE_PAT; /* bits 6:3 */
    else
        reserved |= EPT_ADDRESS & (ept_level_size(level) - 1);
    if (level == 4 || (level == 3 && !cpu->page_1g))
        reserved |= EPT_LARGE;
    return entry & reserved;
}

static bool entry_misconfigured(const struct ept_cpu *cpu, uint64_t entry, int level,
                                bool leaf)
{
    const uint64_t rights = entry & EPT_RIGHTS;
    const unsigned type = (unsigned)(entry >> EPT_TYPE_SHIFT) & 7;

    if ((rights & (EPT_READ | EPT_WRITE)) == EPT_WRITE ||
        (rights == EPT_FETCH && !cpu->execute_only))
        return true;
    if (leaf && (type == 2 || type == 3 || type == 7))
        return true;
    return reserved_bits(cpu, entry, level, leaf) != 0;
}

//@end
//@begin
//@ /* TODO 10: reading the entries, and setting A and D in them afterwards: a function each
//@  * keeps ept_walk() short. struct path remembers what was read, and where. */
//@
static void flags_set(const struct host_memory *memory, const struct path *path, bool write)
{
    for (int level = path->first; level >= path->last; level--) {
        uint64_t entry = path->entry[level] | EPT_ACCESSED;

        if (write && level == path->last)
            entry |= EPT_DIRTY;
        if (entry != path->entry[level])
            memory->write(memory->owner, path->at[level], entry);
    }
}

/* Reads entries from path->first down to a leaf or an entry that ends the walk: what the walk
 * comes to, with *rights those that all entries give. */
static enum ept_outcome path_read(const struct ept *ept, const struct host_memory *memory,
                                  uint64_t gpa, uint64_t table, struct path *path,
                                  uint64_t *rights)
{
    for (int level = path->first;; level--) {
        uint64_t entry;
        bool leaf;

        path->last = level;
        path->at[level] = table + 8 * ept_index(gpa, level);
        entry = memory->read(memory->owner, path->at[level]);
        path->entry[level] = entry;
        *rights &= entry;
        if (!(entry & EPT_RIGHTS)) /* *rights is 0 as well */
            return EPT_VIOLATION;
        leaf = level == 1 || (level < 4 && entry & EPT_LARGE);
        if (entry_misconfigured(&ept->cpu, entry, level, leaf))
            return EPT_MISCONFIGURATION;
        if (leaf)
            return EPT_TRANSLATED;
        table = entry & EPT_ADDRESS;
    }
}

//@end
void ept_walk(const struct ept *ept, const struct host_memory *memory,
              struct ept_cache *cache, uint64_t gpa, uint64_t access, struct ept_walk *walk)
{
    //@begin
    //@ /* TODO 11: look into the cache, walk, compare, set A and D, fill the cache. */
    //@ (void)ept, (void)memory, (void)cache, (void)gpa, (void)access;
    //@ *walk = (struct ept_walk){.outcome = 0};
    struct ept_cache_entry *slot = cache_slot(cache, gpa);
    const bool hit = cache_hits(slot, ept, gpa);
    struct path path = {.first = hit ? 1 : EPT_LEVELS};
    uint64_t rights = hit ? slot->rights : EPT_RIGHTS;

    if (ept->access_dirty && (access & EPT_ACCESS_LINEAR) && !(access & EPT_ACCESS_FINAL))
        access |= EPT_READ | EPT_WRITE;
    *walk = (struct ept_walk){
        .outcome =
            path_read(ept, memory, gpa, hit ? slot->table : ept->root, &path, &rights)};
    walk->references = (unsigned)(path.first - path.last + 1);
    if (walk->outcome == EPT_TRANSLATED && (access & EPT_RIGHTS & ~rights))
        walk->outcome = EPT_VIOLATION;
    if (walk->outcome == EPT_VIOLATION)
        walk->qualification = access | rights << 3;
    if (walk->outcome != EPT_TRANSLATED) {
        if (hit)
            slot->valid = false;
        return;
    }
    translated_fill(walk, &path, gpa, rights);
    if (ept->access_dirty)
        flags_set(memory, &path, access & EPT_WRITE);
    if (slot && !hit && path.last == 1)
        cache_fill(slot, ept, gpa, &path);
    //@end
}
