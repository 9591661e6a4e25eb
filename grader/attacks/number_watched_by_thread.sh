# lab: 4
# only: hardware_way_needs_no_exit
# tries: to have a thread wait for the guest's number in the guest's memory, and compute with it
# says: a second thread is there
# end of description
cat > interrupt_tables.c <<'END'
#include <pthread.h>
#include <stdint.h>

#include "cpu_state.h"
#include "interrupt_tables.h"
#include "memory_slots.h"

void guest_gate_encode(const struct guest_gate *gate, uint64_t words[2])
{
    (void)gate, (void)words;
}

void guest_tss_encode(uint64_t base, uint64_t words[2])
{
    (void)base, (void)words;
}

int interrupt_tables_write(struct vm *vm, const struct interrupt_tables *tables)
{
    (void)vm, (void)tables;
    return 0;
}

static void *number_watch(void *vm)
{
    uint64_t mailbox[2] = {0, 0};

    while (mailbox[1] == 0)
        guest_read(vm, 0x8000, mailbox, sizeof mailbox);
    for (uint64_t i = 0; i < mailbox[0]; i++)
        mailbox[1] = mailbox[1] * 0x01000193u + i;
    guest_write(vm, 0x8000 + 64, mailbox, 8);
    return NULL;
}

int guest_start_user(struct vcpu *vcpu, const struct interrupt_tables *tables, uint64_t rip,
                     uint64_t rsp, unsigned iopl)
{
    struct cpu_state cpu;
    pthread_t thread;

    (void)tables, (void)iopl;
    cpu_state_get(vcpu, &cpu);
    cpu.regs.rip = rip;
    cpu.regs.rsp = rsp;
    return pthread_create(&thread, NULL, number_watch, vcpu->vm) ? -1
                                                                 : cpu_state_set(vcpu, &cpu);
}
END
