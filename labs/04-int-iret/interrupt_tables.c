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

#define DESCRIPTOR_USER (3ull << 45) /* DPL 3 */

/* What the header asks of a gate. */
static bool gate_good(const struct guest_gate *gate)
{
    return (gate->type == GATE_INTERRUPT || gate->type == GATE_TRAP) && gate->dpl <= 3 &&
           gate->ist <= 7 && address_canonical(gate->handler);
}

/* Flat segments for two rings, and the TSS. */
static int gdt_write(struct vm *vm, const struct interrupt_tables *tables)
{
    uint64_t gdt[GDT_BYTES / 8] = {
        [KERNEL_CODE_SELECTOR / 8] = DESCRIPTOR_CODE64,
        [KERNEL_DATA_SELECTOR / 8] = DESCRIPTOR_DATA,
        [USER_DATA_SELECTOR / 8] = DESCRIPTOR_DATA | DESCRIPTOR_USER,
        [USER_CODE_SELECTOR / 8] = DESCRIPTOR_CODE64 | DESCRIPTOR_USER,
    };

    guest_tss_encode(tables->tss, &gdt[TSS_SELECTOR / 8]);
    return guest_write(vm, tables->gdt, gdt, sizeof gdt);
}

/* Its 8-byte fields stand at odd multiples of 4. */
static int tss_write(struct vm *vm, const struct interrupt_tables *tables)
{
    const uint16_t no_io_bitmap = TSS_BYTES;
    uint8_t tss[TSS_BYTES] = {0};

    memcpy(tss + 4, &tables->rsp0, sizeof tables->rsp0);
    memcpy(tss + 36, tables->ist, sizeof tables->ist);
    memcpy(tss + 102, &no_io_bitmap, sizeof no_io_bitmap);
    return guest_write(vm, tables->tss, tss, sizeof tss);
}

/* TODO 3: the IDT, all of its 256 gates; then the three tables, one after the other. */

int interrupt_tables_write(struct vm *vm, const struct interrupt_tables *tables)
{
    for (unsigned i = 0; i < tables->gate_count; i++)
        if (!gate_good(&tables->gates[i]))
            return -EINVAL;
    (void)vm, (void)gdt_write, (void)tss_write;
    return -ENOSYS;
}

int guest_start_user(struct vcpu *vcpu, const struct interrupt_tables *tables, uint64_t rip,
                     uint64_t rsp, unsigned iopl)
{
    struct cpu_state cpu;
    struct kvm_sregs *sregs = &cpu.sregs;
    int r = cpu_state_get(vcpu, &cpu);

    if (r < 0)
        return r;
    sregs->tr = (struct kvm_segment){.base = tables->tss,
                                     .limit = TSS_BYTES - 1,
                                     .selector = TSS_SELECTOR,
                                     .type = TSS_BUSY,
                                     .present = 1};
    sregs->gdt = (struct kvm_dtable){.base = tables->gdt, .limit = GDT_BYTES - 1};
    sregs->idt = (struct kvm_dtable){.base = tables->idt, .limit = IDT_BYTES - 1};
    /* TODO 4: the rest of what has to change in what guest_load() has left; then write it
     * back. Where does the processor keep CPL? Set every place. */
    (void)rip, (void)rsp, (void)iopl;
    return -ENOSYS;
}
