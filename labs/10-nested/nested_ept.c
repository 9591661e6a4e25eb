/* nested_ept.c - part 10: two mappings become the one that the processor walks.
 * The contract is in common/include/nested_ept.h. */
#include "nested_ept.h"

#include <errno.h>
#include <string.h>

/* Where a walk ended. */
enum walk_end { WALK_PAGE, WALK_NOT_PRESENT, WALK_MISCONFIGURED, WALK_UNREADABLE };

struct walk {
    enum walk_end end;
    uint64_t address; /* PAGE: where gpa leads. UNREADABLE: of the entry */
    uint64_t rights;  /* PAGE; else 0 */
    uint64_t size;    /* PAGE; else 0 */
};

static inline void walk01(const struct nested_ept *ept, uint64_t l1_gpa, struct walk *w);

static inline uint64_t entry_address(uint64_t table, uint64_t gpa, int level)
{
    return table + ept_index(gpa, level) * sizeof(uint64_t);
}

/* Where L0 itself sees what lies at an HPA. */
static inline uint64_t *memory_at(const struct nested_ept *ept, uint64_t hpa)
{
    return (uint64_t *)(void *)(ept->hva + (hpa - ept->hpa));
}

static inline bool is_page(uint64_t entry, int level)
{
    return level == 1 || (level < EPT_LEVELS && (entry & EPT_LARGE));
}

/* Reads an entry of EPT01 or EPT12. address: as the walk has it; an HPA in EPT01,
 * L1-physical in EPT12. False: L0 cannot. */
static bool entry_read(const struct nested_ept *ept, bool is_12, uint64_t address,
                       uint64_t *entry)
{
    /* TODO 7: what has to happen to an L1-physical address first? */
    (void)ept, (void)is_12, (void)address, (void)entry;
    return false;
}

/* The walk of part 05, through EPT01 or EPT12. */
static inline void walk(const struct nested_ept *ept, bool is_12, uint64_t table,
                        uint64_t gpa, struct walk *w)
{
    uint64_t rights = EPT_RIGHTS, entry;

    for (int level = EPT_LEVELS; level > 0; level--) {
        const uint64_t address = entry_address(table, gpa, level);
        const uint64_t offset = ept_level_size(level) - 1;

        *w = (struct walk){.end = WALK_UNREADABLE, .address = address};
        if (!entry_read(ept, is_12, address, &entry))
            return;
        w->end = entry & EPT_RIGHTS ? WALK_MISCONFIGURED : WALK_NOT_PRESENT;
        if (!(entry & EPT_READ))
            return;
        rights &= entry;
        table = entry & EPT_ADDRESS;
        if (is_page(entry, level)) {
            *w = (struct walk){WALK_PAGE, table | (gpa & offset), rights, offset + 1};
            return;
        }
    }
}

static inline void walk01(const struct nested_ept *ept, uint64_t l1_gpa, struct walk *w)
{
    walk(ept, false, ept->root01, l1_gpa, w);
}

/* The table below an entry of EPT02: its HPA. A new one if there is none, or a
 * page instead. The pool has one more. */
static inline uint64_t table_below(struct nested_ept *ept, uint64_t *entry, int level)
{
    if (!*entry || is_page(*entry, level)) {
        const uint64_t table = ept->pool + ept->pool_used++ * EPT_PAGE;

        memset(memory_at(ept, table), 0, EPT_PAGE); /* before the processor can see it */
        *entry = table | EPT_RIGHTS;
    }
    return *entry & EPT_ADDRESS;
}

/* How many tables a page of that size at gpa needs that are not there. Known before the first
 * is taken: a page that gives way to a table that stays empty would be lost. */
static inline uint32_t tables_missing(const struct nested_ept *ept, uint64_t gpa,
                                      uint64_t size)
{
    uint64_t table = ept->root02;
    uint32_t missing = 0;

    for (int level = EPT_LEVELS; ept_level_size(level) > size; level--) {
        const uint64_t entry =
            missing ? 0 : *memory_at(ept, entry_address(table, gpa, level));

        missing += !entry || is_page(entry, level);
        table = entry & EPT_ADDRESS;
    }
    return missing;
}

/* The entry of EPT02 for a page of that size at gpa, with the tables above it.
 * NULL: the pool is used up. */
static inline uint64_t *entry_make(struct nested_ept *ept, uint64_t gpa, uint64_t size)
{
    uint64_t table = ept->root02;
    int level = EPT_LEVELS;

    if (tables_missing(ept, gpa, size) > ept->pool_pages - ept->pool_used)
        return NULL;
    for (; ept_level_size(level) > size; level--)
        table = table_below(ept, memory_at(ept, entry_address(table, gpa, level)), level);
    return memory_at(ept, entry_address(table, gpa, level));
}

/* Puts a page into EPT02 that both mappings have. False: no more tables. */
static inline bool page_fill(struct nested_ept *ept, uint64_t gpa, const struct walk *w12,
                             const struct walk *w01)
{
    /* TODO 8: how large, where to, with which rights? entry_make(). */
    (void)ept, (void)gpa, (void)w12, (void)w01;
    return false;
}

/* Both mappings, one after the other, and the page is filled in; or: whose miss
 * is it? access: what has to be allowed, or 0. */
static inline enum nested_ept_result compose(struct nested_ept *ept, uint64_t gpa,
                                             uint64_t access, struct walk *w12,
                                             struct walk *w01)
{
    /* TODO 8: EPT12 first, then EPT01; who says no first is to blame. */
    (void)ept, (void)gpa, (void)access, (void)w12, (void)w01;
    return 0;
}

void nested_ept_violation(struct nested_ept *ept, uint64_t gpa, uint64_t qualification,
                          struct nested_ept_answer *answer)
{
    /* TODO 8: what is L1 told of its miss? What is missing in EPT01? */
    (void)ept, (void)gpa, (void)qualification;
    *answer = (struct nested_ept_answer){0};
}

long nested_ept_fill(struct nested_ept *ept, uint64_t from, uint64_t to)
{
    /* TODO 9: page after page; how far to the next one? */
    (void)ept, (void)from, (void)to;
    return -ENOSYS;
}

void nested_ept_forget(struct nested_ept *ept)
{
    /* TODO 10: no entry of EPT02 may survive. */
    (void)ept;
}
