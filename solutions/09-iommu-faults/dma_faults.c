/* dma_faults.c - part 09: how a refused access becomes known, and what can be done about it.
 * The contracts are in common/include/iommu_domain.h and dma_demand.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dma_demand.h"

struct vtd_frcd vtd_fault_encode(const struct vtd_fault *fault)
{
    //@begin
    //@ /* TODO 9: the drawing is in vtd.h. */
    //@ (void)fault;
    //@ return (struct vtd_frcd){0};
    return (struct vtd_frcd){
        .low = fault->page & ~(VTD_PAGE - 1),
        .high = VTD_FRCD_FAULT | (fault->write ? 0 : VTD_FRCD_READ) |
                (uint64_t)fault->reason << VTD_FRCD_REASON_SHIFT | fault->source,
    };
    //@end
}

bool vtd_fault_decode(const struct vtd_frcd *record, struct vtd_fault *fault)
{
    //@begin
    //@ /* TODO 10: and back. */
    //@ (void)record, (void)fault;
    //@ return false;
    *fault = (struct vtd_fault){
        .source = (uint16_t)record->high,
        .write = !(record->high & VTD_FRCD_READ),
        .reason = (uint8_t)(record->high >> VTD_FRCD_REASON_SHIFT),
        .page = record->low & ~(VTD_PAGE - 1),
    };
    return record->high & VTD_FRCD_FAULT;
    //@end
}

void vtd_fault_log_add(struct vtd_fault_log *log, const struct vtd_fault *fault)
{
    //@begin
    //@ /* TODO 11: four cases, in the order of the contract. */
    //@ (void)log, (void)fault;
    struct vtd_fault pending;

    if (log->status & VTD_FSTS_PFO)
        return;
    if (!vtd_fault_decode(&log->record, &pending)) {
        log->record = vtd_fault_encode(fault);
        log->status |= VTD_FSTS_PPF;
    } else if (pending.source != fault->source) {
        log->status |= VTD_FSTS_PFO;
    }
    //@end
}

bool vtd_fault_log_take(struct vtd_fault_log *log, struct vtd_fault *fault, bool *lost)
{
    //@begin
    //@ /* TODO 12: what software does in the fault interrupt's handler. */
    //@ (void)log, (void)fault;
    //@ *lost = false;
    //@ return false;
    *lost = log->status & VTD_FSTS_PFO;
    log->status &= ~VTD_FSTS_PFO;
    if (!(log->record.high & VTD_FRCD_FAULT))
        return false;
    vtd_fault_decode(&log->record, fault);
    log->record.high &= ~VTD_FRCD_FAULT;
    log->status &= ~VTD_FSTS_PPF;
    return true;
    //@end
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

//@begin
//@ /* TODO 13: the kernel's text. Which pieces can be right, and what becomes of them? */
//@
static bool report_read(const char *at, struct vtd_fault *fault)
{
    struct report r;

    if (!report_scan(at, &r) || r.device > 0x1f || r.function > 7)
        return false;
    if (strcmp(r.kind, "Read") != 0 && strcmp(r.kind, "Write") != 0)
        return false;
    *fault =
        (struct vtd_fault){.source = (uint16_t)(r.bus << 8 | r.device << 3 | r.function),
                           .write = r.kind[0] == 'W',
                           .reason = (uint8_t)r.reason,
                           .page = r.address & ~(VTD_PAGE - 1)};
    return true;
}

//@end
bool dmar_report_parse(const char *line, struct vtd_fault *fault)
{
    //@begin
    //@ (void)line, (void)fault;
    //@ return false;
    for (const char *at = line; (at = strstr(at, "DMAR: [DMA ")); at++)
        if (report_read(at, fault))
            return true;
    return false;
    //@end
}

//@begin
//@ /* TODO 14: one report, one decision; then the loop around it. */
//@
/* Repairs what the fault is about. before: the pages that were mapped when the transfer began. */
static int fault_repair(struct dma_buffer *buffer, const struct vtd_fault *fault,
                        uint64_t before)
{
    uint64_t page = (fault->page - buffer->iova) / VTD_PAGE;
    int r;

    if (fault->page < buffer->iova || page >= buffer->pages)
        return -EFAULT;
    if ((fault->reason != VTD_NO_READ && fault->reason != VTD_NO_WRITE) ||
        (before >> page & 1))
        return -EIO;
    if (!(buffer->rights & (fault->write ? VTD_SL_WRITE : VTD_SL_READ)))
        return -EACCES;
    if (buffer->mapped >> page & 1)
        return 0;
    r = dma_buffer_map(buffer, (unsigned)page, 1);
    buffer->faults += r == 0;
    return r;
}

/* Reads all reports and repairs. 1: the device was refused something; 0: nothing; or -errno. */
static int reports_repair(struct dma_buffer *buffer, uint64_t before)
{
    char line[DMA_LINE_MAX];
    struct vtd_fault fault;
    int refused = 0, r;

    while ((r = buffer->engine->report(buffer->engine->owner, line, sizeof line)) > 0) {
        if (!dmar_report_parse(line, &fault) || fault.source != buffer->source)
            continue;
        r = fault_repair(buffer, &fault, before);
        if (r < 0)
            break;
        refused = 1;
    }
    return r < 0 ? r : refused;
}

//@end
int dma_demand_transfer(struct dma_buffer *buffer, const struct dma_transfer *transfer)
{
    uint64_t size = buffer->pages * VTD_PAGE, at = transfer->iova - buffer->iova;
    int r;

    if (transfer->length == 0 || transfer->iova < buffer->iova || at >= size ||
        transfer->length > size - at)
        return -EINVAL;
    //@begin
    //@ r = -ENOSYS;
    do {
        uint64_t before = buffer->mapped;

        r = buffer->engine->transfer(buffer->engine->owner, transfer);
        if (r == 0)
            r = reports_repair(buffer, before);
    } while (r > 0);
    //@end
    return r;
}
