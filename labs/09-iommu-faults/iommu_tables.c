/* iommu_tables.c - part 09: the tables of an IOMMU, as software builds them.
 * The contract of every function is in common/include/iommu_domain.h. */
#include "iommu_domain.h"

#include <errno.h>

/* TODO 1: helpers that several functions need. Where is the context entry of a source-id?
 * Where is the level-1 entry of an IOVA, and what if a table on the way is missing? */

int iommu_attach(struct iommu_domain *domain, uint16_t source)
{
    /* TODO 2: root entry, then context entry. The IOMMU may look at any moment. */
    (void)domain, (void)source;
    return -ENOSYS;
}

int iommu_detach(struct iommu_domain *domain, uint16_t source)
{
    /* TODO 3: the entry goes, and what was cached with its help. */
    (void)domain, (void)source;
    return -ENOSYS;
}

int iommu_map(struct iommu_domain *domain, uint64_t iova, uint64_t physical, uint64_t size,
              uint64_t rights)
{
    /* TODO 4: check in the order of the contract, then look for pages in the way, then map.
     * If a table cannot be had half way, what is there to undo? */
    (void)domain, (void)iova, (void)physical, (void)size, (void)rights;
    return -ENOSYS;
}

int iommu_unmap(struct iommu_domain *domain, uint64_t iova, uint64_t size)
{
    /* TODO 5: the entries, and what the IOTLB has of them. In which order? */
    (void)domain, (void)iova, (void)size;
    return -ENOSYS;
}
