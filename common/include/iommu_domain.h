/* iommu_domain.h - contract of part 09, first half: an IOMMU in a model, from both sides.
 *
 *   software (iommu_tables.c)                  hardware (iommu_translate.c)
 *   attach, detach, map, unmap   -- tables -->  translate: IOTLB, else walk
 *          |                                       |            |
 *          +---------- invalidate ---------------->+            v
 *                                              fault record (dma_faults.c)
 *
 * All formats are in vtd.h. A domain is an IOVA address space: a tree of second-level
 * tables. A device is attached to one domain; several devices may share one.
 *
 * Source: VT-d chapters 3, 6 (6.2.4 IOTLB, 6.5 invalidation) and 7.
 */
#ifndef IOMMU_DOMAIN_H
#define IOMMU_DOMAIN_H

#include <stddef.h>

#include "vtd.h"

/* --- memory for tables --------------------------------------------------------------- */

#define TABLE_POOL_MAX 128
#define TABLE_NONE     UINT64_MAX

/* Pages put aside for tables: software sees them from hva on, the IOMMU from base on. */
struct table_pool {
    uint8_t *hva;
    uint64_t base; /* physical */
    unsigned page_count;
    bool taken[TABLE_POOL_MAX];
};

/* The lowest free page, filled with zeros: its physical address, or TABLE_NONE. */
static inline uint64_t table_take(struct table_pool *pool)
{
    for (unsigned i = 0; i < pool->page_count; i++) {
        if (pool->taken[i])
            continue;
        pool->taken[i] = true;
        for (unsigned n = 0; n < VTD_PAGE; n++)
            pool->hva[i * VTD_PAGE + n] = 0;
        return pool->base + i * VTD_PAGE;
    }
    return TABLE_NONE;
}

/* Where software sees the table at that physical address. */
static inline uint64_t *table_at(const struct table_pool *pool, uint64_t physical)
{
    return (uint64_t *)(void *)(pool->hva + (physical - pool->base));
}

/* --- the IOMMU ----------------------------------------------------------------------- */

/* The IOTLB: translations of 4 KiB pages, tagged with the domain. A page may lie only in
 * entry (iova / 4096) % IOTLB_ENTRIES; what was there before is lost. */
#define IOTLB_ENTRIES 16

struct iotlb_entry {
    bool valid;
    uint16_t domain;   /* DID */
    uint64_t iova;     /* of the 4 KiB page */
    uint64_t physical; /* of the 4 KiB page, also where it is part of a large one */
    uint64_t rights;   /* VTD_SL_READ and VTD_SL_WRITE: the AND over all levels */
};

/* What software finds in the fault registers (see below). */
struct vtd_fault_log {
    struct vtd_frcd record;
    uint32_t status; /* VTD_FSTS_* */
};

struct iommu {
    struct table_pool *pool;
    uint64_t root_table; /* physical address of the root table (RTADDR_REG) */

    /* what it can do (CAP_REG) */
    uint8_t haw;   /* host address width, in bits: 39 to 52 */
    uint8_t mgaw;  /* maximum guest address width, in bits: 30 to 48 */
    uint8_t sagaw; /* supported address widths: bit n set: AW n of a context entry is
                      offered. Only bits 1 and 2 can be set */

    struct iotlb_entry iotlb[IOTLB_ENTRIES];
    struct vtd_fault_log faults;
};

struct iommu_domain {
    struct iommu *iommu;
    uint16_t id;     /* DID */
    unsigned levels; /* 3 or 4 */
    uint64_t table;  /* physical address of the table at the top level */
};

/* --- software's side: iommu_tables.c ------------------------------------------------- */

/* Lets the device with that source-id use the domain: root entry (with a context table of
 * its own, if the bus has none yet), context entry (TT 0, FPD 0, AW of the domain's levels,
 * its DID and table; ignored bits 0). An entry that is not present may hold anything, and
 * is written as a whole. The IOMMU may read between any two writes of this file, and must
 * never find half of an entry. Returns 0, or
 *   -EBUSY   the device is attached already, to whatever domain
 *   -ENOMEM  no page for a context table; nothing has changed */
int iommu_attach(struct iommu_domain *domain, uint16_t source);

/* Takes the device out of the domain: both words of its context entry are 0 afterwards, and
 * the IOTLB holds nothing of the domain (other devices in it just walk again), even if a
 * device has accessed memory meanwhile; what it holds of others stays. Context tables stay.
 * Returns 0, or -ENOENT: the device is not attached, or to a domain with another id (all 16
 * bits count, and nothing else: two domains with one id are one to the IOMMU). */
int iommu_detach(struct iommu_domain *domain, uint16_t source);

/* Maps IOVA [iova, iova + size) to [physical, physical + size), in pages of 4 KiB. rights:
 * VTD_SL_READ, VTD_SL_WRITE or both (of the device). Entries that lead to a table have R
 * and W set: what a page allows is said at level 1 alone. All other bits are 0. Returns 0,
 * or
 *   -EINVAL  size is 0; iova, physical or size is no multiple of 4096; rights are 0 or have
 *            other bits; the physical range does not end at or below 1 << haw
 *   -ERANGE  the IOVA range does not end at or below 1 << X: X is the lesser of mgaw and
 *            the bits that the domain's levels translate. (Sums may wrap around 2^64)
 *   -EEXIST  a page of the range is mapped already
 *   -ENOMEM  no page for a table
 * checked in this order. One that fails maps nothing; tables that it took may stay,
 * empty. A device may have used a page before the table for the next one could not be had:
 * after -ENOMEM, too, the IOTLB holds no page of what was undone (what else it holds may go or
 * stay). */
int iommu_map(struct iommu_domain *domain, uint64_t iova, uint64_t physical, uint64_t size,
              uint64_t rights);

/* Unmaps what is mapped in the range: the entries at level 1 are 0 afterwards. Holes are
 * fine. Tables stay, and none is taken from the pool. The IOTLB holds no page of the range
 * and the domain afterwards, even if a device has accessed the range meanwhile; everything
 * else in it stays. Returns 0, or -EINVAL (size 0, or iova or size is no
 * multiple of 4096), -ERANGE as above; nothing has changed then. */
int iommu_unmap(struct iommu_domain *domain, uint64_t iova, uint64_t size);

/* --- hardware's side: iommu_translate.c ---------------------------------------------- */

/* Physical memory as the IOMMU sees it. address is a multiple of 8. False: there is
 * nothing. */
struct vtd_memory {
    void *owner;
    bool (*read)(void *owner, uint64_t address, uint64_t *value);
};

struct vtd_request {
    uint16_t source;
    bool write;
    uint64_t iova; /* any byte */
};

/* Translates one access of a device. *physical is the byte's address if it may be accessed,
 * else 0. Returns VTD_OK or the reason, in this order:
 *
 *   root entry (two words)     ROOT_UNREADABLE, ROOT_NOT_PRESENT, ROOT_RESERVED
 *   context entry (two words)  CONTEXT_UNREADABLE, CONTEXT_NOT_PRESENT, CONTEXT_RESERVED,
 *                              CONTEXT_INVALID (AW, TT)
 *   IOVA                       BEYOND_WIDTH
 *   IOTLB                      a hit with the right that is needed ends here: no table is
 *                              read. Without the right it is no hit
 *   second-level entries       from the top. Unreadable: CONTEXT_INVALID for the first,
 *                              TABLE_UNREADABLE for the others. R and W both 0: NO_READ or
 *                              NO_WRITE, at once. Else ENTRY_RESERVED
 *   the page                   NO_READ or NO_WRITE: a right counts only if all entries on
 *                              the way have it
 *
 * Each word is read at most once, low before high; reading stops where the answer is known,
 * but an entry of two words is read as a whole: one of which either word is unreadable is
 * unreadable, whatever the other says. A walk that ends well goes into the IOTLB.
 * A fault goes into the log (vtd_fault_log_add()), unless FPD forbids it: that is looked at
 * for every fault behind CONTEXT_UNREADABLE, and not for that one or those before. */
enum vtd_reason iommu_translate(struct iommu *iommu, const struct vtd_memory *memory,
                                const struct vtd_request *request, uint64_t *physical);

/* Makes every entry of the domain that maps a page of IOVA [iova, iova + size) invalid, and
 * no other. iova and size are multiples of 4096 (size 0: nothing is in the range), or iova
 * is 0 and size UINT64_MAX: all of the domain. The sum may wrap around 2^64: then the range
 * is all from iova on. */
void iotlb_invalidate(struct iommu *iommu, uint16_t domain, uint64_t iova, uint64_t size);

/* --- faults: dma_faults.c ------------------------------------------------------------ */

struct vtd_fault {
    uint16_t source;
    bool write;     /* what the device wanted to do */
    uint8_t reason; /* enum vtd_reason, or what else the hardware says */
    uint64_t page;  /* IOVA of the page */
};

/* The register's content for a fault, with F set; bits 11:0 of `page` do not count. */
struct vtd_frcd vtd_fault_encode(const struct vtd_fault *fault);

/* Reads a record. *fault is filled in whether F is set or not (what software has cleared
 * can still be read); other bits may be anything. Returns whether F is set. */
bool vtd_fault_decode(const struct vtd_frcd *record, struct vtd_fault *fault);

/* Hardware: a fault has happened (VT-d, chapter 7, primary fault logging). There is one record.
 *   PFO is set: nothing changes.
 *   F is set, and the record is of the same source-id: nothing changes (collapsed).
 *   F is set otherwise: PFO is set.
 *   F is clear: the fault is recorded, and PPF is set.
 * F is that of the record; PPF decides nothing. All other bits of the status stay. */
void vtd_fault_log_add(struct vtd_fault_log *log, const struct vtd_fault *fault);

/* Software: takes the record. If F is set: *fault is the fault, and F and PPF are cleared
 * (the rest of the record stays). In any case *lost says whether PFO was set, which is then
 * cleared. All other bits of the status stay. Returns whether F was set; if not, *fault is
 * untouched. */
bool vtd_fault_log_take(struct vtd_fault_log *log, struct vtd_fault *fault, bool *lost);

#endif
