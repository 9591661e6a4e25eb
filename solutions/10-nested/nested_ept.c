/* nested_ept.c - part 10: two mappings become the one that the processor walks.
 * The contract of every function is in common/include/nested_ept.h. */
#include "nested_ept.h"

#include <errno.h>
#include <string.h>

//@begin
//@ /* TODO 7: a walk of one EPT. EPT01's entries are read at host-physical addresses, EPT12's at
//@  * L1-physical ones: is that one function or two? */
//@
#define LEVELS 4

/* Where a walk ended. */
enum walk_end { WALK_PAGE, WALK_NOT_PRESENT, WALK_MISCONFIGURED, WALK_UNREADABLE };

struct walk {
    enum walk_end end;
    uint64_t address; /* PAGE: what gpa is translated to. UNREADABLE: of the entry */
    uint64_t rights;  /* PAGE */
    uint64_t size;    /* PAGE */
};

static uint64_t level_size(int level)
{
    return NESTED_PAGE << 9 * (level - 1);
}

static uint64_t entry_address(uint64_t table, uint64_t gpa, int level)
{
    return table + (gpa / level_size(level) & 511) * 8;
}

static uint64_t *memory_at(const struct nested_ept *ept, uint64_t hpa)
{
    return (uint64_t *)(void *)(ept->hva + (hpa - ept->hpa));
}

static bool misconfigured(uint64_t entry)
{
    return !(entry & NESTED_EPT_READ);
}

static bool is_page(uint64_t entry, int level)
{
    return level == 1 || (level < LEVELS && (entry & NESTED_EPT_LARGE));
}

static void walk01(const struct nested_ept *ept, uint64_t l1_gpa, struct walk *w);

/* Reads an entry. EPT12's are L1-physical: L0 has to translate before it can read. */
static bool entry_read(const struct nested_ept *ept, bool is_12, uint64_t address,
                       uint64_t *entry)
{
    struct walk w;

    if (is_12) {
        walk01(ept, address, &w);
        if (w.end != WALK_PAGE || !(w.rights & NESTED_EPT_READ))
            return false;
        address = w.address;
    }
    *entry = *memory_at(ept, address);
    return true;
}

static void walk(const struct nested_ept *ept, bool is_12, uint64_t table, uint64_t gpa,
                 struct walk *w)
{
    uint64_t rights = NESTED_EPT_RIGHTS, entry;

    for (int level = LEVELS; level > 0; level--) {
        const uint64_t address = entry_address(table, gpa, level);
        const uint64_t offset = level_size(level) - 1;

        *w = (struct walk){.end = WALK_UNREADABLE, .address = address};
        if (!entry_read(ept, is_12, address, &entry))
            return;
        w->end = entry & NESTED_EPT_RIGHTS ? WALK_MISCONFIGURED : WALK_NOT_PRESENT;
        if (misconfigured(entry))
            return;
        rights &= entry;
        table = entry & NESTED_EPT_ADDRESS;
        if (is_page(entry, level)) {
            *w = (struct walk){WALK_PAGE, (table & ~offset) | (gpa & offset), rights,
                               level_size(level)};
            return;
        }
    }
}

static void walk01(const struct nested_ept *ept, uint64_t l1_gpa, struct walk *w)
{
    walk(ept, false, ept->root01, l1_gpa, w);
}

/* Puts a page into EPT02. False: no more tables. */
static bool page_fill(struct nested_ept *ept, uint64_t gpa, const struct walk *w12,
                      const struct walk *w01)
{
    const uint64_t size = w12->size < w01->size ? w12->size : w01->size;
    uint64_t *entry = memory_at(ept, entry_address(ept->root02, gpa, LEVELS));

    for (int level = LEVELS; level_size(level) > size; level--) {
        uint64_t table = *entry & NESTED_EPT_ADDRESS;

        if (!*entry || is_page(*entry, level)) {
            if (ept->pool_used == ept->pool_pages)
                return false;
            table = ept->pool + ept->pool_used++ * NESTED_PAGE;
            memset(memory_at(ept, table), 0, NESTED_PAGE);
            *entry = table | NESTED_EPT_RIGHTS;
        }
        entry = memory_at(ept, entry_address(table, gpa, level - 1));
    }
    *entry = (w01->address & ~(size - 1)) | NESTED_EPT_WB |
             (size > NESTED_PAGE ? NESTED_EPT_LARGE : 0) | (w12->rights & w01->rights);
    return true;
}

/* Both mappings, one after the other. Whose miss is it if access is not allowed? */
static enum nested_ept_result compose(struct nested_ept *ept, uint64_t gpa, uint64_t access,
                                      struct walk *w12, struct walk *w01)
{
    walk(ept, true, ept->root12, gpa, w12);
    if (w12->end == WALK_UNREADABLE)
        return NESTED_L0_MISS;
    if (w12->end == WALK_MISCONFIGURED)
        return NESTED_REFLECT_MISCONFIGURATION;
    if (w12->end == WALK_NOT_PRESENT || (w12->rights & access) != access)
        return NESTED_REFLECT_VIOLATION;
    walk01(ept, w12->address, w01);
    if (w01->end != WALK_PAGE || (w01->rights & access) != access)
        return NESTED_L0_MISS;
    return page_fill(ept, gpa, w12, w01) ? NESTED_FILLED : NESTED_NO_TABLES;
}

//@end
void nested_ept_violation(struct nested_ept *ept, uint64_t gpa, uint64_t qualification,
                          struct nested_ept_answer *answer)
{
    //@begin
    //@ /* TODO 8: EPT12 first, then EPT01; the first that says no is the one to blame. */
    //@ (void)ept, (void)gpa, (void)qualification;
    //@ *answer = (struct nested_ept_answer){0};
    const uint64_t access = qualification & NESTED_EPT_RIGHTS;
    struct walk w12, w01;

    *answer = (struct nested_ept_answer){
        .result = compose(ept, gpa, access, &w12, &w01),
    };
    if (answer->result == NESTED_REFLECT_VIOLATION)
        answer->qualification = (qualification & 0x187) | w12.rights << 3;
    if (answer->result == NESTED_L0_MISS) {
        answer->l1_gpa = w12.address;
        answer->l1_access = w12.end == WALK_UNREADABLE ? NESTED_EPT_READ : access;
    }
    //@end
}

long nested_ept_fill(struct nested_ept *ept, uint64_t from, uint64_t to)
{
    //@begin
    //@ /* TODO 9: page after page; how far to the next one? */
    //@ (void)ept, (void)from, (void)to;
    //@ return -ENOSYS;
    long filled = 0;

    for (uint64_t gpa = from; gpa < to;) {
        struct walk w12, w01;
        uint64_t size = NESTED_PAGE;
        enum nested_ept_result result = compose(ept, gpa, 0, &w12, &w01);

        if (result == NESTED_NO_TABLES)
            return -ENOMEM;
        if (result == NESTED_FILLED) {
            size = w12.size < w01.size ? w12.size : w01.size;
            filled++;
        }
        gpa = (gpa & ~(size - 1)) + size;
    }
    return filled;
    //@end
}

void nested_ept_forget(struct nested_ept *ept)
{
    //@begin
    //@ /* TODO 10: no entry of EPT02 may survive. */
    //@ (void)ept;
    memset(memory_at(ept, ept->root02), 0, NESTED_PAGE);
    ept->pool_used = 0;
    //@end
}
