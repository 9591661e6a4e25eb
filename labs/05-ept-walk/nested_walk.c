/* nested_walk.c - part 05: the two-dimensional walk, and the caches that make it cheap.
 * The contract is in common/include/nested_walk.h. */
#include "nested_walk.h"

#include <errno.h>
#include <stddef.h>

static inline struct translation_entry *translation_slot(const struct guest_mmu *mmu,
                                                         uint64_t gva)
{
    return &mmu->caches->translations[(gva >> 12) % NESTED_CACHE_SIZE];
}

static inline struct guest_table_entry *guest_table_slot(const struct guest_mmu *mmu,
                                                         uint64_t gva)
{
    return &mmu->caches->guest_tables[(gva >> 21) % NESTED_CACHE_SIZE];
}

/* What the cache has about gva, or NULL. */
static inline struct translation_entry *translation_find(const struct guest_mmu *mmu,
                                                         uint64_t gva)
{
    struct translation_entry *t = mmu->caches ? translation_slot(mmu, gva) : NULL;

    return t && t->valid && t->root == mmu->ept->root && t->number == gva >> 12 ? t : NULL;
}

static inline struct guest_table_entry *guest_table_find(const struct guest_mmu *mmu,
                                                         uint64_t gva)
{
    struct guest_table_entry *t = mmu->caches ? guest_table_slot(mmu, gva) : NULL;

    return t && t->valid && t->root == mmu->ept->root && t->number == gva >> 21 ? t : NULL;
}

/* How far the guest's walk has come. */
struct descent {
    int level;
    uint64_t hpa;         /* where the entry of that level is */
    uint64_t entry;       /* what it says */
    uint64_t flags_above; /* W, U, NX of the entries above it, as in guest_table_entry */
};

static inline uint64_t flags_with(uint64_t flags, uint64_t entry)
{
    const uint64_t both = GUEST_WRITABLE | GUEST_USER;

    return (flags & entry & both) | ((flags | entry) & GUEST_NO_EXECUTE);
}

/* Which kinds of access the guest's entries allow. */
static inline uint64_t guest_rights(uint64_t flags, bool user)
{
    if (user && !(flags & GUEST_USER))
        return 0;
    return EPT_READ | (flags & GUEST_WRITABLE ? EPT_WRITE : 0) |
           (flags & GUEST_NO_EXECUTE ? 0 : EPT_FETCH);
}

/* Always false: the walk ends. present: FAULT_PRESENT or 0. */
static inline bool page_fault(struct nested_walk *walk, uint64_t access, uint32_t present)
{
    walk->outcome = NESTED_PAGE_FAULT;
    walk->error_code = present | (access & EPT_WRITE ? FAULT_WRITE : 0) |
                       (access & NESTED_USER ? FAULT_USER : 0) |
                       (access & EPT_FETCH ? FAULT_FETCH : 0);
    return false;
}

/* TODO 12: what fails is not kept. */

/* TODO 13: the pieces of a walk: one GPA through the EPT, one guest entry, the guest's
 * rights. Each either goes on or says in *walk why the walk ends. */

void nested_walk(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                 struct nested_walk *walk)
{
    /* TODO 14: a translation that is known costs nothing; else walk, and fill or forget. */
    (void)mmu, (void)gva, (void)access;
    *walk = (struct nested_walk){.outcome = 0};
}

void nested_invlpg(const struct guest_mmu *mmu, uint64_t gva)
{
    /* TODO 15: what each instruction forgets is in the contract: no less, and no more. */
    (void)mmu, (void)gva;
}

void nested_load_cr3(struct guest_mmu *mmu, uint64_t cr3)
{
    (void)mmu, (void)cr3;
}

int nested_invept(struct nested_caches *caches, unsigned type, uint64_t root)
{
    (void)caches, (void)type, (void)root;
    return -ENOSYS;
}
