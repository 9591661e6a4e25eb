/* event_injection.c - part 04, third file: events into a guest, and events out of it.
 * The contract of every function is in common/include/event_injection.h. */
#include "event_injection.h"

#include <errno.h>

#include "x86.h"

/* TODO 9: three questions about an event: may this type have this vector? Does it have an
 * error code? Can the guest take it now? */

int entry_event_encode(const struct entry_event *event, const struct entry_guest *guest,
                       struct vmx_controls *controls)
{
    (void)event, (void)guest, (void)controls;
    return -ENOSYS;
}

int exception_exits_set(const struct exception_wish *wish, struct vmx_controls *controls)
{
    /* TODO 10: four wishes about page faults, and one bit with a mask and a match. Make a
     * table: which comparison always holds? */
    (void)wish, (void)controls;
    return -ENOSYS;
}

bool event_exits(const struct vmx_controls *controls, const struct entry_event *event)
{
    /* TODO 11: who is asked, for which type? */
    (void)controls, (void)event;
    return false;
}
