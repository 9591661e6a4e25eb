/* nested_ept.c - part 10: two mappings become the one that the processor walks.
 * The contract of every function is in common/include/nested_ept.h. */
#include "nested_ept.h"

#include <errno.h>
#include <string.h>

/* TODO 7: a walk of one EPT. EPT01's entries are read at host-physical addresses, EPT12's at
 * L1-physical ones: is that one function or two? */

void nested_ept_violation(struct nested_ept *ept, uint64_t gpa, uint64_t qualification,
                          struct nested_ept_answer *answer)
{
    /* TODO 8: EPT12 first, then EPT01; the first that says no is the one to blame. */
    (void)ept, (void)gpa, (void)qualification;
    *answer = (struct nested_ept_answer){0};
}

long nested_ept_fill(struct nested_ept *ept, uint64_t from, uint64_t to)
{
    /* TODO 9: page after page; how far to the next one? */
    (void)ept, (void)from, (void)to;
    return -ENOSYS;
}

void nested_ept_forget(struct nested_ept *ept)
{
    /* TODO 10: no entry of EPT02 may survive. */
    (void)ept;
}
