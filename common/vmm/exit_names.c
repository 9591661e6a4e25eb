/* exit_names.c - names of linux/kvm.h's KVM_EXIT_* */
#include "exit_names.h"

#include <linux/kvm.h>

#define NAME(reason) [KVM_EXIT_##reason] = #reason

static const char *const names[] = {
    NAME(UNKNOWN),      NAME(EXCEPTION),       NAME(IO),
    NAME(HYPERCALL),    NAME(DEBUG),           NAME(HLT),
    NAME(MMIO),         NAME(SHUTDOWN),        NAME(FAIL_ENTRY),
    NAME(INTR),         NAME(SET_TPR),         NAME(TPR_ACCESS),
    NAME(NMI),          NAME(INTERNAL_ERROR),  NAME(SYSTEM_EVENT),
    NAME(IOAPIC_EOI),   NAME(HYPERV),          NAME(X86_RDMSR),
    NAME(X86_WRMSR),    NAME(DIRTY_RING_FULL), NAME(AP_RESET_HOLD),
    NAME(X86_BUS_LOCK), NAME(IRQ_WINDOW_OPEN), NAME(XEN),
    NAME(NOTIFY),
};

const char *exit_name(uint32_t reason)
{
    if (reason >= sizeof names / sizeof names[0] || !names[reason])
        return "?";
    return names[reason];
}
