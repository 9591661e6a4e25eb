/* iommu_translate.c - part 09: what the IOMMU does with one access of a device.
 * The contract of every function is in common/include/iommu_domain.h. */
#include "iommu_domain.h"

/* What the tables say so far. */
struct walk {
    struct iommu *iommu;
    const struct vtd_memory *memory;
    const struct vtd_request *request;
    uint64_t context[2];
    bool have_context; /* FPD counts */
    unsigned levels;
    uint64_t page, rights; /* the result */
};

static inline bool entry_read(const struct walk *w, uint64_t address, uint64_t words[2])
{
    return w->memory->read(w->memory->owner, address, &words[0]) &&
           w->memory->read(w->memory->owner, address + 8, &words[1]);
}

/* Bits 63:N of an address in a table. */
static inline uint64_t beyond_host(const struct walk *w)
{
    return ~((1ull << w->iommu->haw) - 1);
}

static inline enum vtd_reason denied(const struct walk *w)
{
    return w->request->write ? VTD_NO_WRITE : VTD_NO_READ;
}

static inline uint64_t right_needed(const struct walk *w)
{
    return w->request->write ? VTD_SL_WRITE : VTD_SL_READ;
}

/* TODO 6: a function for each step keeps the order of the contract readable: root and
 * context entry; the reserved bits of an entry at some level; the walk; the IOTLB in front
 * of it. */

enum vtd_reason iommu_translate(struct iommu *iommu, const struct vtd_memory *memory,
                                const struct vtd_request *request, uint64_t *physical)
{
    /* TODO 7: context, width, IOTLB, walk; then the fault log. */
    (void)iommu, (void)memory, (void)request;
    *physical = 0;
    return VTD_OK;
}

void iotlb_invalidate(struct iommu *iommu, uint16_t domain, uint64_t iova, uint64_t size)
{
    /* TODO 8: look at each entry: is it of this domain, and in this range? */
    (void)iommu, (void)domain, (void)iova, (void)size;
}
