/* dma_faults.c - part 09: how a refused access becomes known, and what can be done about it.
 * The contracts are in common/include/iommu_domain.h and dma_demand.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dma_demand.h"

struct vtd_frcd vtd_fault_encode(const struct vtd_fault *fault)
{
    /* TODO 9: the drawing is in vtd.h. */
    (void)fault;
    return (struct vtd_frcd){0};
}

bool vtd_fault_decode(const struct vtd_frcd *record, struct vtd_fault *fault)
{
    /* TODO 10: and back. */
    (void)record, (void)fault;
    return false;
}

void vtd_fault_log_add(struct vtd_fault_log *log, const struct vtd_fault *fault)
{
    /* TODO 11: four cases, in the order of the contract. */
    (void)log, (void)fault;
}

bool vtd_fault_log_take(struct vtd_fault_log *log, struct vtd_fault *fault, bool *lost)
{
    /* TODO 12: what software does in the fault interrupt's handler. */
    (void)log, (void)fault;
    *lost = false;
    return false;
}

/* Given: a report in pieces, as it stands in the text. */
struct report {
    char kind[6]; /* "Read", "Write", or another word */
    unsigned bus, device, function, reason;
    unsigned long long address;
};

/* Does a report begin here, and is all of it there? Nobody has looked at the pieces yet.
 * (%n is written only if everything before it was found, the last "]" too.) */
static inline bool report_scan(const char *at, struct report *r)
{
    int end = 0;

    return sscanf(at,
                  "DMAR: [DMA %5[A-Za-z] NO_PASID] Request device [%2x:%2x.%1x] fault addr "
                  "0x%16llx [fault reason 0x%2x]%n",
                  r->kind, &r->bus, &r->device, &r->function, &r->address, &r->reason,
                  &end) == 6 &&
           end != 0;
}

/* TODO 13: the kernel's text. Which pieces can be right, and what becomes of them? */

bool dmar_report_parse(const char *line, struct vtd_fault *fault)
{
    (void)line, (void)fault;
    return false;
}

/* TODO 14: one report, one decision; then the loop around it. */

int dma_demand_transfer(struct dma_buffer *buffer, const struct dma_transfer *transfer)
{
    uint64_t size = buffer->pages * VTD_PAGE, at = transfer->iova - buffer->iova;
    int r;

    if (transfer->length == 0 || transfer->iova < buffer->iova || at >= size ||
        transfer->length > size - at)
        return -EINVAL;
    r = -ENOSYS;
    return r;
}
