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

/* Does the entry map a page? If not, it leads to a table. */
static inline bool is_leaf(unsigned level, uint64_t entry)
{
    return level == 1 || (level < 4 && (entry & VTD_SL_LARGE));
}

/* What must be 0 in an entry that is present. */
static inline uint64_t reserved_bits(const struct walk *w, unsigned level, uint64_t entry)
{
    uint64_t reserved = VTD_SL_RESERVED | (beyond_host(w) & VTD_SL_ADDRESS);

    if (is_leaf(level, entry))
        return reserved | ((vtd_level_size(level) - 1) & VTD_SL_ADDRESS);
    return reserved | VTD_SL_LARGE;
}

static inline bool beyond_width(const struct walk *w)
{
    return w->request->iova >> w->iommu->mgaw != 0 ||
           w->request->iova >> VTD_AW_BITS(w->levels) != 0;
}

/* Puts the refusal into the log. */
static inline void fault_note(const struct walk *w, enum vtd_reason reason)
{
    const struct vtd_fault fault = {.source = w->request->source,
                                    .write = w->request->write,
                                    .reason = (uint8_t)reason,
                                    .page = w->request->iova & ~(VTD_PAGE - 1)};

    vtd_fault_log_add(&w->iommu->faults, &fault);
}

/* The root entry, as an example of a step: *table is where the context table lies. */
static inline enum vtd_reason root_find(const struct walk *w, uint64_t *table)
{
    uint64_t root[2];

    if (!entry_read(w, w->iommu->root_table + 16 * VTD_BUS(w->request->source), root))
        return VTD_ROOT_UNREADABLE;
    if (!(root[0] & VTD_ROOT_PRESENT))
        return VTD_ROOT_NOT_PRESENT;
    if ((root[0] & (VTD_ROOT_RESERVED_LOW | beyond_host(w))) || root[1])
        return VTD_ROOT_RESERVED;
    *table = root[0] & VTD_TABLE_ADDRESS;
    return VTD_OK;
}

//@begin
//@ /* TODO 6: a function for each step keeps the order of the contract readable: the context
//@  * entry, as root_find() does the root entry; the walk; the IOTLB in front of it. */
//@
static enum vtd_reason context_find(struct walk *w)
{
    uint64_t table, *context = w->context;
    enum vtd_reason reason = root_find(w, &table);

    if (reason != VTD_OK)
        return reason;
    if (!entry_read(w, table + 16 * VTD_DEVFN(w->request->source), context))
        return VTD_CONTEXT_UNREADABLE;
    w->have_context = true;
    if (!(context[0] & VTD_CONTEXT_PRESENT))
        return VTD_CONTEXT_NOT_PRESENT;
    if ((context[0] & (VTD_CONTEXT_RESERVED_LOW | beyond_host(w))) ||
        (context[1] & VTD_CONTEXT_RESERVED_HIGH))
        return VTD_CONTEXT_RESERVED;
    w->levels = (unsigned)(context[1] & VTD_CONTEXT_AW) + 2;
    if ((context[0] & VTD_CONTEXT_TT) || !(w->iommu->sagaw >> VTD_AW(w->levels) & 1))
        return VTD_CONTEXT_INVALID;
    return VTD_OK;
}

static enum vtd_reason tables_walk(struct walk *w)
{
    uint64_t iova = w->request->iova, table = w->context[0] & VTD_TABLE_ADDRESS, entry;

    w->rights = VTD_SL_RIGHTS;
    for (unsigned level = w->levels;; level--) {
        if (!w->memory->read(w->memory->owner, table + 8 * vtd_index(iova, level), &entry))
            return level == w->levels ? VTD_CONTEXT_INVALID : VTD_TABLE_UNREADABLE;
        if (!(entry & VTD_SL_RIGHTS))
            return denied(w);
        if (entry & reserved_bits(w, level, entry))
            return VTD_ENTRY_RESERVED;
        w->rights &= entry;
        if (is_leaf(level, entry)) {
            w->page = (entry & VTD_SL_ADDRESS) +
                      (iova & (vtd_level_size(level) - 1) & VTD_SL_ADDRESS);
            return w->rights & right_needed(w) ? VTD_OK : denied(w);
        }
        table = entry & VTD_SL_ADDRESS;
    }
}

/* From the IOTLB, or else by a walk, which fills it. */
static enum vtd_reason page_find(struct walk *w)
{
    uint64_t page = w->request->iova & ~(VTD_PAGE - 1);
    uint16_t domain = (uint16_t)(w->context[1] >> VTD_CONTEXT_DID_SHIFT);
    struct iotlb_entry *cached = &w->iommu->iotlb[page / VTD_PAGE % IOTLB_ENTRIES];
    enum vtd_reason reason;

    if (cached->valid && cached->domain == domain && cached->iova == page &&
        (cached->rights & right_needed(w))) {
        w->page = cached->physical;
        return VTD_OK;
    }
    reason = tables_walk(w);
    if (reason == VTD_OK)
        *cached = (struct iotlb_entry){.valid = true,
                                       .domain = domain,
                                       .iova = page,
                                       .physical = w->page,
                                       .rights = w->rights};
    return reason;
}

//@end
enum vtd_reason iommu_translate(struct iommu *iommu, const struct vtd_memory *memory,
                                const struct vtd_request *request, uint64_t *physical)
{
    //@begin
    //@ /* TODO 7: context, width, IOTLB, walk; then the fault log. */
    //@ (void)iommu, (void)memory, (void)request;
    //@ *physical = 0;
    //@ return VTD_OK;
    struct walk w = {.iommu = iommu, .memory = memory, .request = request};
    enum vtd_reason reason = context_find(&w);

    if (reason == VTD_OK)
        reason = beyond_width(&w) ? VTD_BEYOND_WIDTH : page_find(&w);
    if (reason != VTD_OK && !(w.have_context && (w.context[0] & VTD_CONTEXT_FPD)))
        fault_note(&w, reason);
    *physical = reason == VTD_OK ? w.page + request->iova % VTD_PAGE : 0;
    return reason;
    //@end
}

void iotlb_invalidate(struct iommu *iommu, uint16_t domain, uint64_t iova, uint64_t size)
{
    //@begin
    //@ /* TODO 8: look at each entry: is it of this domain, and in this range? */
    //@ (void)iommu, (void)domain, (void)iova, (void)size;
    for (unsigned i = 0; i < IOTLB_ENTRIES; i++) {
        struct iotlb_entry *entry = &iommu->iotlb[i];

        if (entry->domain == domain && entry->iova >= iova && entry->iova - iova < size)
            entry->valid = false;
    }
    //@end
}
