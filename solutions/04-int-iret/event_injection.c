/* event_injection.c - part 04, third file: events into a guest, and events out of it.
 * The contract of every function is in common/include/event_injection.h. */
#include "event_injection.h"

#include <errno.h>

#include "x86.h"

/* Bit n: exception n pushes an error code (SDM 3A table 6-1). */
#define ERROR_CODE_VECTORS                                                                 \
    (1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17)
#define VECTOR_DB  1u
#define VECTOR_NMI 2u
#define VECTOR_BP  3u
#define VECTOR_OF  4u
#define VECTOR_PF  14u

/* May an event of this type have this vector? */
static bool vector_fits(const struct entry_event *event)
{
    switch (event->type) {
    case VMX_EVENT_EXTERNAL_INTERRUPT:
    case VMX_EVENT_SOFTWARE_INTERRUPT:
        return event->vector <= 255;
    case VMX_EVENT_NMI:
        return event->vector == VECTOR_NMI;
    case VMX_EVENT_HARDWARE_EXCEPTION:
        return event->vector <= 31 && event->vector != VECTOR_NMI;
    case VMX_EVENT_PRIVILEGED_SOFTWARE_EXCEPTION:
        return event->vector == VECTOR_DB;
    case VMX_EVENT_SOFTWARE_EXCEPTION:
        return event->vector == VECTOR_BP || event->vector == VECTOR_OF;
    default:
        return false;
    }
}

static bool made_by_instruction(const struct entry_event *event)
{
    return event->type == VMX_EVENT_SOFTWARE_INTERRUPT ||
           event->type == VMX_EVENT_PRIVILEGED_SOFTWARE_EXCEPTION ||
           event->type == VMX_EVENT_SOFTWARE_EXCEPTION;
}

/* Only events that stand for an instruction have its length. */
static bool length_fits(const struct entry_event *event)
{
    if (!made_by_instruction(event))
        return event->instruction_length == 0;
    return event->instruction_length >= 1 && event->instruction_length <= 15;
}

//@begin
//@ /* TODO 9: two questions more about an event: does it have an error code, and is it a good
//@  * one? Can the guest take the event now? Then the three fields. */
//@
/* The vector is known to fit the type. */
static bool error_code_fits(const struct entry_event *event, bool protected_mode)
{
    bool has = protected_mode && event->type == VMX_EVENT_HARDWARE_EXCEPTION &&
               (ERROR_CODE_VECTORS >> event->vector & 1);

    return event->has_error_code == has && (!has || event->error_code <= 0xffff);
}

static bool guest_takes(const struct entry_guest *guest, const struct entry_event *event)
{
    uint32_t blocking = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;

    if (event->type == VMX_EVENT_NMI)
        blocking |= BLOCKING_BY_NMI;
    else if (event->type != VMX_EVENT_EXTERNAL_INTERRUPT)
        return true;
    else if (!(guest->rflags & RFLAGS_IF))
        return false;
    return !(guest->interruptibility_state & blocking);
}

//@end
int entry_event_encode(const struct entry_event *event, const struct entry_guest *guest,
                       struct vmx_controls *controls)
{
    //@begin
    //@ (void)event, (void)guest, (void)controls, (void)vector_fits, (void)length_fits;
    //@ return -ENOSYS;
    if (!vector_fits(event) || !error_code_fits(event, guest->cr0 & CR0_PE) ||
        !length_fits(event))
        return -EINVAL;
    if (!guest_takes(guest, event))
        return -EAGAIN;
    controls->entry_interruption_info =
        VMX_EVENT_VALID | event->type << VMX_EVENT_TYPE_SHIFT | event->vector |
        (event->has_error_code ? VMX_EVENT_ERROR_CODE : 0);
    controls->entry_exception_error_code = event->has_error_code ? event->error_code : 0;
    controls->entry_instruction_length = event->instruction_length;
    return 0;
    //@end
}

int exception_exits_set(const struct exception_wish *wish, struct vmx_controls *controls)
{
    //@begin
    //@ /* TODO 10: four wishes about page faults, and one bit with a mask and a match. Make a
    //@  * table: which comparison always holds? */
    //@ (void)wish, (void)controls;
    //@ return -ENOSYS;
    bool chosen =
        wish->page_faults == PAGE_FAULTS_MATCHING || wish->page_faults == PAGE_FAULTS_OTHER;
    bool bit =
        wish->page_faults == PAGE_FAULTS_EXIT || wish->page_faults == PAGE_FAULTS_MATCHING;

    if (wish->vectors & (1u << VECTOR_PF | 1u << VECTOR_NMI))
        return -EINVAL;
    if ((unsigned)wish->page_faults > PAGE_FAULTS_OTHER ||
        (chosen && (wish->match & ~wish->mask)))
        return -EINVAL;
    controls->exception_bitmap = wish->vectors | (bit ? 1u << VECTOR_PF : 0);
    controls->page_fault_error_code_mask = chosen ? wish->mask : 0;
    controls->page_fault_error_code_match = chosen ? wish->match : 0;
    return 0;
    //@end
}

bool event_exits(const struct vmx_controls *controls, const struct entry_event *event)
{
    switch (event->type) {
    case VMX_EVENT_EXTERNAL_INTERRUPT:
        return controls->pin & PIN_EXTERNAL_INTERRUPT_EXITING;
    case VMX_EVENT_NMI:
        return controls->pin & PIN_NMI_EXITING;
    case VMX_EVENT_SOFTWARE_INTERRUPT:
        return false;
    default:
        break;
    }
    //@begin
    //@ /* TODO 11: all others ask the bitmap; page faults have their mask and match. */
    //@ return false;
    const bool bit = controls->exception_bitmap >> (event->vector & 31) & 1;

    if (event->vector == VECTOR_PF &&
        (event->error_code & controls->page_fault_error_code_mask) !=
            controls->page_fault_error_code_match)
        return !bit;
    return bit;
    //@end
}
