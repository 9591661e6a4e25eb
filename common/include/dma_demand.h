/* dma_demand.h - contract of part 09, second half: a buffer that is mapped when the device
 * touches it. The part's code is in dma_faults.c.
 *
 *            your process                            the device
 *   +------------------------+  one mapping a page     |
 *   | page 0 | page 1 | ...  | <------ IOMMU <---------+  transfer(iova, length)
 *   +------------------------+           |
 *      ^  map the page, again            | refused: reads get zeros, writes are dropped,
 *      |                                 v and the device notices nothing
 *      +-------- the kernel's report: who, read or write, which page, why
 *
 * The device cannot wait for us, as a CPU would in a page fault: the transfer has to be
 * made once more, as a whole. So this works only for devices and transfers that can be
 * repeated.
 *
 * Source: VT-d, chapter 7 (non-recoverable faults; page requests, for devices that can wait);
 * drivers/iommu/intel/dmar.c of Linux (the text of reports).
 */
#ifndef DMA_DEMAND_H
#define DMA_DEMAND_H

#include "iommu_domain.h"

/* One transfer between the device and memory. */
struct dma_transfer {
    bool to_memory;  /* else from memory to the device */
    uint32_t offset; /* in the device's own memory */
    uint32_t length; /* bytes */
    uint64_t iova;
};

/* How the device, its address space and the kernel's reports are reached. Functions return
 * 0 or -errno, if nothing else is said. */
struct dma_engine {
    void *owner;
    /* Makes a transfer and waits for its end; that all was refused is no error. */
    int (*transfer)(void *owner, const struct dma_transfer *transfer);
    /* The next line of the kernel's log: 1; 0: there is none at present; or -errno. It is
     * cut off at size - 1 characters. */
    int (*report)(void *owner, char *line, size_t size);
    int (*map)(void *owner, uint64_t iova, void *hva, uint64_t size, uint64_t rights);
    int (*unmap)(void *owner, uint64_t iova, uint64_t size);
};

#define DMA_LINE_MAX         256 /* enough for any report, with the NUL */
#define DMA_BUFFER_PAGES_MAX 64

/* Pages 0 to pages - 1 lie at hva + n * 4096 and, if mapped, at iova + n * 4096. */
struct dma_buffer {
    const struct dma_engine *engine;
    uint16_t source; /* of the device */
    uint8_t *hva;
    uint64_t iova;
    unsigned pages;
    uint64_t rights; /* VTD_SL_READ (the device may read), VTD_SL_WRITE, or both */
    uint64_t mapped; /* bit n: page n is mapped */
    uint64_t faults; /* pages that were mapped because the device touched them; not those
                        that dma_buffer_map() has mapped for somebody else */
};

/* --- given (common/vmm/dma_buffer.c) ------------------------------------------------- */

/* Maps pages [first, first + count), each by a call of its own (so that each can be
 * unmapped alone), from first upwards. Returns 0, or
 *   -EINVAL  count is 0, or the range leaves the buffer (sums may wrap around)
 *   -EEXIST  one of the pages is mapped already
 *   -errno   of engine->map(): the pages that this call had mapped are unmapped again */
int dma_buffer_map(struct dma_buffer *buffer, unsigned first, unsigned count);

/* Unmaps those pages of [first, first + count) that are mapped. One that cannot be unmapped
 * does not stop the others, and stays marked as mapped. Returns 0, -EINVAL as above, or the
 * first -errno of engine->unmap(). */
int dma_buffer_unmap(struct dma_buffer *buffer, unsigned first, unsigned count);

/* --- the part ------------------------------------------------------------------------ */

/* One line of the kernel's log, as read from /dev/kmsg or printed by dmesg:
 *
 *   4,612,2318821,-;DMAR: [DMA Read NO_PASID] Request device [00:05.0] fault addr 0x200000
 *   [fault reason 0x06] PTE Read access is not set                        (all in one line)
 *
 * True if "DMAR: [DMA Read NO_PASID] ..." or "... Write ..." up to the reason's "]" stands
 * in it; what is before and after may be anything, also the beginning of another report; if
 * several reports stand in it, the first counts. Numbers are hexadecimal with lower- or
 * upper-case digits: bus, device and reason of one or two (the kernel prints two), function
 * of one, the address of 1 to 16. Device is at most 1f, function at most 7. *fault is
 * filled in then; page is the address rounded down to 4096.
 * False for any other line (with a PASID, about interrupts, cut off): *fault is
 * untouched. */
bool dmar_report_parse(const char *line, struct vtd_fault *fault);

/* Makes a transfer whose pages may not be mapped yet. Repeats:
 *
 *   make the transfer; read the kernel's log to its end, line by line, and map each page that
 *   the device was refused before the next line is read; until a transfer brings no report.
 *
 * Reports of other devices, and lines that are no report, do not count. A second report of
 * a page that this round has mapped is fine: one fault may be reported twice. Each page
 * that is mapped adds 1 to buffer->faults. Returns 0, or
 *   -EINVAL  length is 0, or the transfer leaves the buffer (sums may wrap around): nothing
 *            is done
 *   -EFAULT  our device was refused a page that is not in the buffer
 *   -EIO     for another reason than NO_READ and NO_WRITE; or a page that was mapped before
 *            this round's transfer: mapping does not help
 *   -EACCES  the buffer's rights do not allow what the device wanted
 *   -errno   of the engine's functions; none of them is called after that
 * Each report is checked in this order, also one of a page that this round has mapped. What
 * the report says that the device wanted decides about rights, not its reason (5 and 6 are
 * both cured by a mapping) nor the transfer's direction. The first report that cannot be
 * repaired ends the work: lines behind it are not read any more, and what is mapped stays
 * mapped. The number of rounds has no limit of its own: each one maps a page or is the
 * last. */
int dma_demand_transfer(struct dma_buffer *buffer, const struct dma_transfer *transfer);

#endif
