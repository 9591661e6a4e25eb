/* interrupt_tables.c - part 04, first file: what a guest needs so that INT and IRET work by
 * themselves. The contract of every function is in common/include/interrupt_tables.h. */
#include "interrupt_tables.h"

#include <errno.h>
#include <string.h>

#include "cpu_state.h"
#include "memory_slots.h"
#include "x86.h"

void guest_gate_encode(const struct guest_gate *gate, uint64_t words[2])
{
    /* TODO 1: the handler's address is cut in three. Draw the boxes of the header, then
     * shift. */
    (void)gate, (void)words;
}

void guest_tss_encode(uint64_t base, uint64_t words[2])
{
    /* TODO 2: an ordinary descriptor's fields, and 8 bytes more for the base. */
    (void)base, (void)words;
}

/* TODO 3: the three tables, one function each. Check all gates before you write any. */

int interrupt_tables_write(struct vm *vm, const struct interrupt_tables *tables)
{
    (void)vm, (void)tables;
    return -ENOSYS;
}

int guest_start_user(struct vcpu *vcpu, const struct interrupt_tables *tables, uint64_t rip,
                     uint64_t rsp, unsigned iopl)
{
    /* TODO 4: change what has to change in what guest_load() has left: read, modify,
     * write. Where does the processor keep CPL? Set every place. */
    (void)vcpu, (void)tables, (void)rip, (void)rsp, (void)iopl;
    return -ENOSYS;
}
