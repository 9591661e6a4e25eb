/* irt.c - part 07, first third: what becomes of a device's interrupt request.
 * The contract, with both formats of an entry drawn, is in common/include/irte.h. */
#include "irte.h"

/* TODO 1: write down which bits are reserved, from the two drawings in irte.h. */

enum irt_fault irt_lookup(const struct irt *irt, const struct interrupt_request *request,
                          struct irt_result *result)
{
    /* TODO 2: which entry does the request name? Does it exist, is it well formed, may
     * this source use it? The header has the order. Then decode it. */
    (void)irt, (void)request;
    *result = (struct irt_result){.fault = IRT_NOT_PRESENT};
    return result->fault;
}
