/* irt.c - part 07, first third: what becomes of a device's interrupt request.
 * The contract, with both formats of an entry drawn, is in common/include/irte.h. */
#include "irte.h"

//@begin
//@ /* TODO 1: write down which bits are reserved, from the two drawings in irte.h. */
//@
#define REQUEST_REMAPPABLE (1u << 4)
#define REQUEST_SHV        (1u << 3)

#define RESERVED_HIGH         (~0ull << 20)
#define REMAPPED_RESERVED_LOW (0x7ull << 12 | 0xffull << 24)
#define XAPIC_RESERVED_LOW    (0xffull << 32 | 0xffffull << 48)
#define POSTED_RESERVED_LOW   (0x3full << 2 | 0x3ull << 12 | 0x3fffull << 24)
#define POSTED_RESERVED_HIGH  (0xfffull << 20)

static unsigned field(uint64_t word, unsigned shift, uint64_t mask)
{
    return (unsigned)(word >> shift & mask);
}

static uint32_t request_index(const struct interrupt_request *request)
{
    uint32_t handle = (request->address >> 5 & 0x7fff) | (request->address >> 2 & 1) << 15;

    return request->address & REQUEST_SHV ? handle + (request->data & 0xffff) : handle;
}

static bool entry_reserved(const struct irt *irt, const struct irte *entry)
{
    unsigned delivery = field(entry->low, IRTE_DLM_SHIFT, 7);

    if (field(entry->high, IRTE_SVT_SHIFT, 3) == 3)
        return true;
    if (entry->low & IRTE_IM)
        return entry->low & POSTED_RESERVED_LOW || entry->high & POSTED_RESERVED_HIGH;
    if (entry->low & REMAPPED_RESERVED_LOW || entry->high & RESERVED_HIGH)
        return true;
    return delivery == 3 || delivery == 6 ||
           (!irt->x2apic && entry->low & XAPIC_RESERVED_LOW);
}

static bool source_allowed(const struct irte *entry, uint16_t source)
{
    static const uint16_t compared[] = {0xffff, 0xfffb, 0xfff9, 0xfff8};
    uint16_t sid = (uint16_t)entry->high;
    unsigned bus = source >> 8;

    switch (field(entry->high, IRTE_SVT_SHIFT, 3)) {
    case 0:
        return true;
    case 1:
        return ((source ^ sid) & compared[field(entry->high, IRTE_SQ_SHIFT, 3)]) == 0;
    default:
        return bus >= (sid >> 8) && bus <= (sid & 0xffu);
    }
}

static void entry_decode(const struct irt *irt, const struct irte *entry,
                         struct irt_result *result)
{
    result->posted = entry->low & IRTE_IM;
    result->vector = (uint8_t)field(entry->low, IRTE_V_SHIFT, 0xff);
    if (result->posted) {
        result->urgent = entry->low & IRTE_URG;
        result->descriptor =
            (entry->low >> IRTE_PDAL_SHIFT) << 6 | (entry->high >> IRTE_PDAH_SHIFT) << 32;
        return;
    }
    result->delivery = field(entry->low, IRTE_DLM_SHIFT, 7);
    result->logical = entry->low & IRTE_DM;
    result->hint = entry->low & IRTE_RH;
    result->level = entry->low & IRTE_TM;
    result->destination = (uint32_t)(entry->low >> IRTE_DST_SHIFT);
    if (!irt->x2apic)
        result->destination = result->destination >> 8 & 0xff;
}

//@end
enum irt_fault irt_lookup(const struct irt *irt, const struct interrupt_request *request,
                          struct irt_result *result)
{
    //@begin
    //@ /* TODO 2: which entry does the request name? Does it exist, is it well formed, may
    //@  * this source use it? The header has the order. Then decode it. */
    //@ (void)irt, (void)request;
    //@ *result = (struct irt_result){.fault = IRT_NOT_PRESENT};
    const struct irte *entry;

    *result = (struct irt_result){.fault = IRT_OK, .recorded = true};
    if (!(request->address & REQUEST_REMAPPABLE))
        return result->fault = IRT_COMPATIBILITY;
    if (request->address & REQUEST_SHV && request->data >> 16)
        return result->fault = IRT_REQUEST_RESERVED;
    result->index = request_index(request);
    if (result->index >= irt->count)
        return result->fault = IRT_INDEX_TOO_LARGE;
    entry = &irt->entries[result->index];
    result->recorded = !(entry->low & IRTE_FPD);
    if (!(entry->low & IRTE_P))
        return result->fault = IRT_NOT_PRESENT;
    if (entry_reserved(irt, entry))
        return result->fault = IRT_ENTRY_RESERVED;
    if (!source_allowed(entry, request->source))
        return result->fault = IRT_SOURCE_REFUSED;
    result->recorded = false;
    entry_decode(irt, entry, result);
    //@end
    return result->fault;
}
