/* confined.c - where an EPT that a student made can lead to, looked at before the CPU is.
 *
 * Every entry with a right counts, misconfigured ones as well: whether the CPU would refuse
 * to follow one is the CPU's business, and ours is not to depend on it. */
#include <stdlib.h>
#include <string.h>

#include "silicon/silicon.h"

#define TABLE_SIZE   4096u
#define ENTRIES      512u
#define LEVELS       4u
#define RIGHTS       7ull /* R, W, X: an entry with none of them leads nowhere */
#define PAGE_BIT     (1ull << 7)
#define ADDRESS      0x000ffffffffff000ull
#define TOP_LEVEL    LEVELS
#define LARGEST_LEAF 3u /* 1 GiB */

struct search {
    const uint8_t *memory;
    uint64_t base, size;
    const struct silicon_range *ranges;
    unsigned range_count;
    uint8_t
        *seen; /* a byte a table page: bit n is set when it was searched as level n + 1 */
    uint64_t *bad;
};

static bool page_confined(const struct search *s, uint64_t hpa, uint64_t size)
{
    for (unsigned i = 0; i < s->range_count; i++)
        if (hpa >= s->ranges[i].from && hpa < s->ranges[i].to &&
            size <= s->ranges[i].to - hpa)
            return true;
    return false;
}

/* Is the whole table among the bytes that we have? */
static bool table_here(const struct search *s, uint64_t hpa)
{
    return hpa >= s->base && s->size >= TABLE_SIZE && hpa - s->base <= s->size - TABLE_SIZE;
}

/* A table may point to itself, or be shared by thousands of entries: once a level is enough,
 * because what it leads to does not depend on the way. */
static bool table_first_seen(struct search *s, uint64_t hpa, unsigned level)
{
    uint8_t *seen = &s->seen[(hpa - s->base) / TABLE_SIZE];
    const uint8_t bit = (uint8_t)(1u << (level - 1));

    if (*seen & bit)
        return false;
    *seen |= bit;
    return true;
}

static bool table_confined(struct search *s, uint64_t hpa, unsigned level);

static bool entry_confined(struct search *s, uint64_t entry, unsigned level)
{
    const uint64_t page_size = 1ull << (12 + 9 * (level - 1));
    const bool leaf = level == 1 || (level <= LARGEST_LEAF && (entry & PAGE_BIT));

    if (!(entry & RIGHTS))
        return true;
    if (leaf)
        return page_confined(s, entry & ADDRESS & ~(page_size - 1), page_size);
    return table_confined(s, entry & ADDRESS, level - 1);
}

static bool table_confined(struct search *s, uint64_t hpa, unsigned level)
{
    if (!table_here(s, hpa))
        return false;
    if (!table_first_seen(s, hpa, level))
        return true;
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry;

        memcpy(&entry, s->memory + (hpa - s->base) + 8 * i, sizeof entry);
        *s->bad = entry; /* until the walk below it is done, which may name another */
        if (!entry_confined(s, entry, level))
            return false;
    }
    return true;
}

bool silicon_ept_confined(const uint8_t *memory, uint64_t base, uint64_t size,
                          uint64_t root_hpa, const struct silicon_range *ranges,
                          unsigned range_count, uint64_t *bad)
{
    struct search s = {
        .memory = memory,
        .base = base,
        .size = size,
        .ranges = ranges,
        .range_count = range_count,
        .seen = calloc(size / TABLE_SIZE + 1, 1),
        .bad = bad,
    };
    bool confined;

    *bad = root_hpa;
    confined = s.seen && table_confined(&s, root_hpa & ADDRESS, TOP_LEVEL);
    free(s.seen);
    return confined;
}
