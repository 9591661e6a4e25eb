/* int_emulation.c - part 04, second file: INT and IRET without the processor's help.
 * The contract of every function is in common/include/int_emulation.h. */
#include "int_emulation.h"

#include <errno.h>

#include "exit_loop.h"
#include "memory_slots.h"
#include "x86.h"

/* TODO 5: INT, in the header's order. Work on a copy; a fault must leave no trace. */

int interrupt_deliver(struct vm *vm, struct cpu_state *cpu, const struct guest_event *event,
                      struct guest_fault *fault)
{
    (void)vm, (void)cpu, (void)event, (void)fault;
    return -ENOSYS;
}

/* TODO 6: IRET. The frame lies in the guest's memory: whoever runs in the guest may have
 * written it. That is why each field is checked. */

int interrupt_return(const struct vm *vm, struct cpu_state *cpu, struct guest_fault *fault)
{
    (void)vm, (void)cpu, (void)fault;
    return -ENOSYS;
}

/* TODO 7: the exit. Read the registers, see whether this OUT is one of ours, emulate, write
 * the registers. */

/* TODO 8: patching, all or nothing: first look at every site, then write. */

int int_traps_install(struct int_traps *traps, struct vcpu *vcpu, const uint64_t *sites,
                      unsigned count)
{
    (void)traps, (void)vcpu, (void)sites, (void)count;
    return -ENOSYS;
}
