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

/* One GPA through the EPT. access: without L. False: the walk ends, and *walk says how. */
static inline bool gpa_translate(const struct guest_mmu *mmu, uint64_t gpa, uint64_t access,
                                 struct nested_walk *walk, struct ept_walk *ept)
{
    ept_walk(mmu->ept, mmu->memory, mmu->caches ? &mmu->caches->guest_physical : NULL, gpa,
             access | EPT_ACCESS_LINEAR, ept);
    walk->references += ept->references;
    if (ept->outcome == EPT_TRANSLATED)
        return true;
    walk->outcome =
        ept->outcome == EPT_VIOLATION ? NESTED_VIOLATION : NESTED_MISCONFIGURATION;
    walk->gpa = gpa;
    walk->qualification = ept->qualification;
    return false;
}

/* Reads the guest's entry at d->hpa. False: it is not present, the walk ends. */
static inline bool entry_read(const struct guest_mmu *mmu, uint64_t access,
                              struct nested_walk *walk, struct descent *d)
{
    d->entry = mmu->memory->read(mmu->memory->owner, d->hpa);
    walk->references++;
    return d->entry & GUEST_PRESENT || page_fault(walk, access, 0);
}

/* allowed: by guest and EPT, in this mode. */
static inline void caches_fill(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                               uint64_t allowed, const struct nested_walk *walk,
                               const struct descent *d)
{
    if (!(access & EPT_WRITE))
        allowed &= ~EPT_WRITE; /* D may not be set yet */
    *translation_slot(mmu, gva) =
        (struct translation_entry){.valid = true,
                                   .user = access & NESTED_USER,
                                   .root = mmu->ept->root,
                                   .number = gva >> 12,
                                   .frame = walk->hpa & ~(EPT_PAGE - 1),
                                   .allowed = allowed};
    if (d->level == 1)
        *guest_table_slot(mmu, gva) =
            (struct guest_table_entry){.valid = true,
                                       .root = mmu->ept->root,
                                       .number = gva >> 21,
                                       .table = d->hpa & ~(EPT_PAGE - 1),
                                       .flags = d->flags_above};
}

#define ANY_ROOT UINT64_MAX

static inline bool root_counts(uint64_t root, uint64_t wanted)
{
    return wanted == ANY_ROOT || root == wanted;
}

/* All that a cache knows of a root, or of ANY_ROOT. */
static inline void translations_forget(struct nested_caches *caches, uint64_t root)
{
    for (int i = 0; i < NESTED_CACHE_SIZE; i++)
        if (root_counts(caches->translations[i].root, root))
            caches->translations[i].valid = false;
}

static inline void guest_tables_forget(struct nested_caches *caches, uint64_t root)
{
    for (int i = 0; i < NESTED_CACHE_SIZE; i++)
        if (root_counts(caches->guest_tables[i].root, root))
            caches->guest_tables[i].valid = false;
}

static inline void guest_physical_forget(struct nested_caches *caches, uint64_t root)
{
    for (int i = 0; i < EPT_CACHE_SIZE; i++)
        if (root_counts(caches->guest_physical.entries[i].root, root))
            caches->guest_physical.entries[i].valid = false;
}

/* TODO 12: a walk that fails forgets what was known of its gva. */

/* TODO 13: from CR3 down to the guest's leaf. The helpers above return false where the walk
 * ends. */
static bool guest_descend(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                          struct nested_walk *walk, struct descent *d)
{
    (void)mmu, (void)gva, (void)access, (void)walk, (void)d;
    return false;
}

/* The guest's leaf, by the shortest way that the caches offer. */
static inline bool leaf_find(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                             struct nested_walk *walk, struct descent *d)
{
    const struct guest_table_entry *known = guest_table_find(mmu, gva);

    if (!known)
        return guest_descend(mmu, gva, access, walk, d);
    *d = (struct descent){.level = 1,
                          .hpa = known->table + 8 * ept_index(gva, 1),
                          .flags_above = known->flags};
    return entry_read(mmu, access, walk, d);
}

/* TODO 14: the walk: the guest's leaf, then the guest's rights, then the page. nested_walk()
 * first asks what is known: a translation costs nothing. Fill the caches, or forget. */

void nested_walk(const struct guest_mmu *mmu, uint64_t gva, uint64_t access,
                 struct nested_walk *walk)
{
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
