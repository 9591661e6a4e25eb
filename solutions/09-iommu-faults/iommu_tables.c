/* iommu_tables.c - part 09: the tables of an IOMMU, as software builds them.
 * The contract of every function is in common/include/iommu_domain.h. */
#include "iommu_domain.h"

#include <errno.h>

/* Given: the two words of the source's context entry. NULL: its bus has no context table. */
static inline uint64_t *context_entry(const struct iommu *iommu, uint16_t source)
{
    const uint64_t *root = table_at(iommu->pool, iommu->root_table) + 2 * VTD_BUS(source);

    if (!(root[0] & VTD_ROOT_PRESENT))
        return NULL;
    return table_at(iommu->pool, root[0] & VTD_TABLE_ADDRESS) + 2 * VTD_DEVFN(source);
}

/* Given: the IOVA range of map and unmap: 0, -EINVAL or -ERANGE. */
static inline int range_check(const struct iommu_domain *domain, uint64_t iova,
                              uint64_t size)
{
    unsigned bits = (unsigned)VTD_AW_BITS(domain->levels);
    uint64_t limit = 1ull << (domain->iommu->mgaw < bits ? domain->iommu->mgaw : bits);

    if (size == 0 || iova % VTD_PAGE != 0 || size % VTD_PAGE != 0)
        return -EINVAL;
    return iova >= limit || size > limit - iova ? -ERANGE : 0;
}

//@begin
//@ /* TODO 1: helpers that several functions need. How is an entry of two words written that
//@  * the IOMMU may read? Where is the level-1 entry of an IOVA, and what if a table on the
//@  * way is missing? */
//@
/* Writes an entry that is not present: P, in the low word, comes last. (Without the word
 * "release" the compiler may write in the order that it likes.) */
static void entry_write(uint64_t entry[2], uint64_t low, uint64_t high)
{
    entry[1] = high;
    __atomic_store_n(&entry[0], low, __ATOMIC_RELEASE);
}

/* The level-1 entry of iova. NULL: a table is missing (or, with `make`, cannot be had). */
static uint64_t *page_entry(const struct iommu_domain *domain, uint64_t iova, bool make)
{
    struct table_pool *pool = domain->iommu->pool;
    uint64_t *table = table_at(pool, domain->table);

    for (unsigned level = domain->levels; level > 1; level--) {
        uint64_t *entry = &table[vtd_index(iova, level)];

        if (!(*entry & VTD_SL_RIGHTS)) {
            uint64_t next = make ? table_take(pool) : TABLE_NONE;

            if (next == TABLE_NONE)
                return NULL;
            *entry = next | VTD_SL_RIGHTS;
        }
        table = table_at(pool, *entry & VTD_SL_ADDRESS);
    }
    return &table[vtd_index(iova, 1)];
}

/* Clears the entries, then what the IOTLB has of them. */
static void range_clear(const struct iommu_domain *domain, uint64_t iova, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += VTD_PAGE) {
        uint64_t *entry = page_entry(domain, iova + at, false);

        if (entry)
            __atomic_store_n(entry, 0, __ATOMIC_RELEASE);
    }
    iotlb_invalidate(domain->iommu, domain->id, iova, size);
}

//@end
int iommu_attach(struct iommu_domain *domain, uint16_t source)
{
    //@begin
    //@ /* TODO 2: root entry, then context entry. The IOMMU may look at any moment. */
    //@ (void)domain, (void)source;
    //@ return -ENOSYS;
    struct iommu *iommu = domain->iommu;
    uint64_t *context = context_entry(iommu, source);

    if (!context) {
        uint64_t table = table_take(iommu->pool);

        if (table == TABLE_NONE)
            return -ENOMEM;
        entry_write(table_at(iommu->pool, iommu->root_table) + 2 * VTD_BUS(source),
                    table | VTD_ROOT_PRESENT, 0);
        context = context_entry(iommu, source);
    }
    if (context[0] & VTD_CONTEXT_PRESENT)
        return -EBUSY;
    entry_write(context, domain->table | VTD_CONTEXT_PRESENT,
                (uint64_t)domain->id << VTD_CONTEXT_DID_SHIFT | VTD_AW(domain->levels));
    return 0;
    //@end
}

int iommu_detach(struct iommu_domain *domain, uint16_t source)
{
    //@begin
    //@ /* TODO 3: the entry goes, and what was cached with its help. */
    //@ (void)domain, (void)source;
    //@ return -ENOSYS;
    uint64_t *context = context_entry(domain->iommu, source);

    if (!context || !(context[0] & VTD_CONTEXT_PRESENT) ||
        (uint16_t)(context[1] >> VTD_CONTEXT_DID_SHIFT) != domain->id)
        return -ENOENT;
    __atomic_store_n(&context[0], 0, __ATOMIC_RELEASE);
    __atomic_store_n(&context[1], 0, __ATOMIC_RELEASE);
    iotlb_invalidate(domain->iommu, domain->id, 0, UINT64_MAX);
    return 0;
    //@end
}

int iommu_map(struct iommu_domain *domain, uint64_t iova, uint64_t physical, uint64_t size,
              uint64_t rights)
{
    uint64_t limit = 1ull << domain->iommu->haw;
    int r = range_check(domain, iova, size);

    if (r == -EINVAL || physical % VTD_PAGE != 0 || rights == 0 ||
        (rights & ~VTD_SL_RIGHTS) != 0 || physical >= limit || size > limit - physical)
        return -EINVAL;
    if (r < 0)
        return r;
    //@begin
    //@ /* TODO 4: look for pages in the way, then map. If a table cannot be had half way, what
    //@  * is there to undo? */
    //@ return -ENOSYS;
    for (uint64_t at = 0; at < size; at += VTD_PAGE) {
        const uint64_t *entry = page_entry(domain, iova + at, false);

        if (entry && *entry != 0)
            return -EEXIST;
    }
    for (uint64_t at = 0; at < size; at += VTD_PAGE) {
        uint64_t *entry = page_entry(domain, iova + at, true);

        if (!entry) {
            range_clear(domain, iova, at);
            return -ENOMEM;
        }
        *entry = (physical + at) | rights;
    }
    return 0;
    //@end
}

int iommu_unmap(struct iommu_domain *domain, uint64_t iova, uint64_t size)
{
    //@begin
    //@ /* TODO 5: the entries, and what the IOTLB has of them. In which order? */
    //@ (void)domain, (void)iova, (void)size;
    //@ return -ENOSYS;
    int r = range_check(domain, iova, size);

    if (r < 0)
        return r;
    range_clear(domain, iova, size);
    return 0;
    //@end
}
