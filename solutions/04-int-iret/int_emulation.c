/* int_emulation.c - part 04, second file: INT and IRET without the processor's help.
 * The contract of every function is in common/include/int_emulation.h. */
#include "int_emulation.h"

#include <errno.h>

#include "exit_loop.h"
#include "memory_slots.h"
#include "x86.h"

/* The guest gets an exception: `return faults(...)`. */
static int faults(struct guest_fault *fault, uint8_t vector, uint32_t error_code)
{
    *fault = (struct guest_fault){.vector = vector, .error_code = error_code};
    return GUEST_FAULTS;
}

/* Reads a gate: guest_gate_encode() backwards. 0 or -EFAULT. */
static int gate_fetch(const struct vm *vm, const struct cpu_state *cpu, uint8_t vector,
                      struct guest_gate *gate)
{
    uint64_t words[2];

    if (guest_read(vm, cpu->sregs.idt.base + vector * 16u, words, sizeof words) < 0)
        return -EFAULT;
    *gate = (struct guest_gate){
        .handler = (words[0] & 0xffff) | (words[0] >> 48) << 16 | words[1] << 32,
        .selector = (uint16_t)(words[0] >> 16),
        .type = words[0] >> 40 & 0x1f,
        .dpl = words[0] >> 45 & 3,
        .ist = words[0] >> 32 & 7,
        .present = words[0] >> 47 & 1,
    };
    return 0;
}

/* Reads a code segment's descriptor: step 5 of INT and step 2 of IRET, and the beginning of the
 * next. ext: ERROR_CODE_EXT, or 0. Returns as they do. */
static int code_read(const struct vm *vm, const struct cpu_state *cpu, uint16_t selector,
                     uint32_t ext, struct kvm_segment *code, struct guest_fault *fault)
{
    int r;

    if ((selector & 0xfffc) == 0)
        return faults(fault, VECTOR_GP, ext);
    r = segment_read(vm, &cpu->sregs, selector, code);
    if (r < 0)
        return r;
    if (!segment_is_code(code))
        return faults(fault, VECTOR_GP, (selector & 0xfffcu) | ext);
    return segment_is_conforming(code) ? -ENOTSUP : 0;
}

//@begin
//@ /* TODO 5: INT, in the header's order: a function for the gate, one for the handler's
//@  * segment (code_read() begins it), one for the stack, one for the frame. A fault must leave
//@  * no trace. */
//@
/* Steps 1 to 4: the gate. */
static int gate_read(const struct vm *vm, const struct cpu_state *cpu,
                     const struct guest_event *event, struct guest_gate *gate,
                     struct guest_fault *fault)
{
    uint32_t error =
        event->vector * 8u | ERROR_CODE_IDT | (event->software ? 0 : ERROR_CODE_EXT);

    if (event->vector * 16u + 15 > cpu->sregs.idt.limit)
        return faults(fault, VECTOR_GP, error);
    if (gate_fetch(vm, cpu, event->vector, gate) < 0)
        return -EFAULT;
    if (gate->type != GATE_INTERRUPT && gate->type != GATE_TRAP)
        return faults(fault, VECTOR_GP, error);
    if (event->software && gate->dpl < selector_rpl(cpu->sregs.cs.selector))
        return faults(fault, VECTOR_GP, error);
    return gate->present ? 0 : faults(fault, VECTOR_NP, error);
}

/* Steps 5 to 8: the handler's code segment. */
static int handler_segment(const struct vm *vm, const struct cpu_state *cpu,
                           uint16_t selector, uint32_t ext, struct kvm_segment *code,
                           struct guest_fault *fault)
{
    uint32_t error = (selector & 0xfffcu) | ext;
    int r = code_read(vm, cpu, selector, ext, code, fault);

    if (r != 0)
        return r;
    if (code->dpl > selector_rpl(cpu->sregs.cs.selector))
        return faults(fault, VECTOR_GP, error);
    if (!code->present)
        return faults(fault, VECTOR_NP, error);
    return segment_is_64bit(code) ? 0 : faults(fault, VECTOR_GP, error);
}

/* Step 9: where the frame goes. */
static int stack_choose(const struct vm *vm, const struct cpu_state *cpu, unsigned ist,
                        unsigned dpl, uint32_t ext, uint64_t *rsp,
                        struct guest_fault *fault)
{
    const struct kvm_segment *tr = &cpu->sregs.tr;
    unsigned at = ist ? 28 + 8 * ist : 4 + 8 * dpl;

    *rsp = cpu->regs.rsp;
    if (!ist && dpl == selector_rpl(cpu->sregs.cs.selector))
        return 0;
    if (at + 7 > tr->limit)
        return faults(fault, VECTOR_TS, (tr->selector & 0xfffcu) | ext);
    return guest_read(vm, tr->base + at, rsp, sizeof *rsp) < 0 ? -EFAULT : 0;
}

static int frame_push(struct vm *vm, const struct cpu_state *cpu,
                      const struct guest_event *event, uint64_t *rsp)
{
    const uint64_t rf = event->software ? 0 : RFLAGS_RF;
    const uint64_t frame[6] = {event->error_code,      event->return_rip,
                               cpu->sregs.cs.selector, cpu->regs.rflags | rf,
                               cpu->regs.rsp,          cpu->sregs.ss.selector};
    unsigned first = event->has_error_code ? 0 : 1;
    uint64_t size = (6 - first) * sizeof frame[0];

    *rsp = (*rsp & ~0xfull) - size;
    return guest_write(vm, *rsp, &frame[first], size);
}

//@end
int interrupt_deliver(struct vm *vm, struct cpu_state *cpu, const struct guest_event *event,
                      struct guest_fault *fault)
{
    //@begin
    //@ (void)vm, (void)cpu, (void)event, (void)fault, (void)gate_fetch, (void)code_read;
    //@ return -ENOSYS;
    const uint32_t ext = event->software ? 0 : ERROR_CODE_EXT;
    struct kvm_segment code;
    struct guest_gate gate;
    uint64_t rsp;
    int r = gate_read(vm, cpu, event, &gate, fault);

    if (r == 0)
        r = handler_segment(vm, cpu, gate.selector, ext, &code, fault);
    if (r == 0)
        r = stack_choose(vm, cpu, gate.ist, code.dpl, ext, &rsp, fault);
    if (r == 0 && !address_canonical(gate.handler))
        r = faults(fault, VECTOR_GP, ext);
    if (r == 0)
        r = frame_push(vm, cpu, event, &rsp);
    if (r != 0)
        return r;
    if (code.dpl != selector_rpl(cpu->sregs.cs.selector))
        cpu->sregs.ss = segment_null(code.dpl);
    code.selector = (uint16_t)((code.selector & 0xfffc) | code.dpl);
    cpu->sregs.cs = code;
    cpu->regs.rip = gate.handler;
    cpu->regs.rsp = rsp;
    cpu->regs.rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
    if (gate.type == GATE_INTERRUPT)
        cpu->regs.rflags &= ~RFLAGS_IF;
    return 0;
    //@end
}

struct iret_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Step 5 of IRET, with the frame's SS. cpl: the new one. */
static int return_stack(const struct vm *vm, const struct cpu_state *cpu, uint16_t selector,
                        unsigned cpl, struct kvm_segment *stack, struct guest_fault *fault)
{
    uint32_t error = selector & 0xfffcu;
    int r;

    if (error == 0) {
        *stack = segment_null(selector);
        return cpl != 3 && selector_rpl(selector) == cpl ? 0 : faults(fault, VECTOR_GP, 0);
    }
    r = segment_read(vm, &cpu->sregs, selector, stack);
    if (r < 0)
        return r;
    if (selector_rpl(selector) != cpl || stack->dpl != cpl || !segment_is_writable(stack))
        return faults(fault, VECTOR_GP, error);
    return stack->present ? 0 : faults(fault, VECTOR_SS, error);
}

//@begin
//@ /* TODO 6: IRET. The frame lies in the guest's memory: whoever runs in the guest may have
//@  * written it. That is why each field is checked. Steps 2 to 4 are a function like
//@  * return_stack(); which bits of RFLAGS may be loaded is another. */
//@
/* Steps 2 to 4. */
static int return_code(const struct vm *vm, const struct cpu_state *cpu, uint16_t selector,
                       struct kvm_segment *code, struct guest_fault *fault)
{
    uint32_t error = selector & 0xfffcu;
    int r = code_read(vm, cpu, selector, 0, code, fault);

    if (r != 0)
        return r;
    if (selector_rpl(selector) < selector_rpl(cpu->sregs.cs.selector) ||
        code->dpl != selector_rpl(selector))
        return faults(fault, VECTOR_GP, error);
    if (!code->present)
        return faults(fault, VECTOR_NP, error);
    return segment_is_64bit(code) ? 0 : -ENOTSUP;
}

/* Which bits of RFLAGS a program of this privilege may set by IRET. */
static uint64_t flags_loadable(unsigned cpl, uint64_t rflags)
{
    uint64_t mask = RFLAGS_STATUS | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF |
                    RFLAGS_AC | RFLAGS_ID;

    if (cpl <= (rflags & RFLAGS_IOPL) >> 12)
        mask |= RFLAGS_IF;
    if (cpl == 0)
        mask |= RFLAGS_IOPL | RFLAGS_VIF | RFLAGS_VIP;
    return mask;
}

//@end
int interrupt_return(const struct vm *vm, struct cpu_state *cpu, struct guest_fault *fault)
{
    //@begin
    //@ (void)vm, (void)cpu, (void)fault, (void)return_stack;
    //@ return -ENOSYS;
    struct iret_frame frame;
    struct kvm_segment code, stack;
    uint64_t mask = flags_loadable(selector_rpl(cpu->sregs.cs.selector), cpu->regs.rflags);
    int r;

    if (cpu->regs.rflags & RFLAGS_NT)
        return faults(fault, VECTOR_GP, 0);
    if (guest_read(vm, cpu->regs.rsp, &frame, sizeof frame) < 0)
        return -EFAULT;
    r = return_code(vm, cpu, (uint16_t)frame.cs, &code, fault);
    if (r == 0)
        r = return_stack(vm, cpu, (uint16_t)frame.ss, selector_rpl(code.selector), &stack,
                         fault);
    if (r == 0 && !address_canonical(frame.rip))
        r = faults(fault, VECTOR_GP, 0);
    if (r != 0)
        return r;
    cpu->sregs.cs = code;
    cpu->sregs.ss = stack;
    cpu->regs.rip = frame.rip;
    cpu->regs.rsp = frame.rsp;
    cpu->regs.rflags = (cpu->regs.rflags & ~mask) | (frame.rflags & mask);
    return 0;
    //@end
}

#define SITE_BYTES   2
#define OPCODE_INT   0xcd
#define OPCODE_OUT   0xe6
#define IRET_FIRST   0x48 /* REX.W */
#define IRET_SECOND  0xcf
#define VECTOR_NO_GO 0x7e

/* NULL: none of ours. */
static const struct trap_site *site_at(const struct int_traps *traps, uint64_t rip)
{
    for (unsigned i = 0; i < traps->count; i++)
        if (traps->sites[i].gpa == rip)
            return &traps->sites[i];
    return NULL;
}

//@begin
//@ /* TODO 7: what a site asks for: INT or IRET, and if that faults, the exception that the
//@  * guest has earned. */
//@
/* INT or IRET, and if that faults the exception. *counter: which of the numbers grows. */
static int site_emulate(struct int_traps *traps, const struct trap_site *site,
                        struct cpu_state *cpu, uint64_t **counter)
{
    struct vm *vm = traps->vcpu->vm;
    struct guest_event event = {
        .vector = site->vector, .software = true, .return_rip = site->gpa + SITE_BYTES};
    struct guest_fault fault;
    int r = site->is_iret ? interrupt_return(vm, cpu, &fault)
                          : interrupt_deliver(vm, cpu, &event, &fault);

    *counter = site->is_iret ? &traps->irets : &traps->ints;
    if (r != GUEST_FAULTS)
        return r;
    *counter = &traps->faults;
    event = (struct guest_event){.vector = fault.vector,
                                 .has_error_code = true,
                                 .error_code = fault.error_code,
                                 .return_rip = site->gpa};
    r = interrupt_deliver(vm, cpu, &event, &fault);
    return r == GUEST_FAULTS ? -ELOOP : r;
}

//@end
/* The exit. Is this OUT one of ours? Its address says so, not its port. */
static void traps_access(void *owner, const struct bus_access *access)
{
    struct int_traps *traps = owner;
    const struct trap_site *site = NULL;
    struct cpu_state cpu;
    int r = cpu_state_get(traps->vcpu, &cpu);

    if (r == 0 && access->is_write && access->size == 1)
        site = site_at(traps, cpu.regs.rip);
    if (r == 0 && !site) {
        device_bus_access(&traps->behind, access);
        return;
    }
    //@begin
    //@ /* TODO 7, the rest: emulate, write the registers, count. Or give up; r < 0: the
    //@  * registers could not even be read. */
    //@ traps->error = r;
    uint64_t *counter;

    if (r == 0)
        r = site_emulate(traps, site, &cpu, &counter);
    if (r == 0)
        r = cpu_state_set(traps->vcpu, &cpu);
    if (r == 0) {
        ++*counter;
    } else {
        traps->error = r;
        vcpu_kick(traps->vcpu);
    }
    //@end
}

/* What stands at gpa? Fills *site, or returns what int_traps_install() has to. */
static int site_read(const struct vm *vm, uint64_t gpa, struct trap_site *site)
{
    uint8_t bytes[SITE_BYTES];

    if (guest_read(vm, gpa, bytes, sizeof bytes) < 0)
        return -EFAULT;
    *site = (struct trap_site){
        .gpa = gpa, .is_iret = bytes[0] == IRET_FIRST && bytes[1] == IRET_SECOND};
    if (site->is_iret)
        return 0;
    site->vector = bytes[1];
    if (bytes[0] != OPCODE_INT)
        return -EILSEQ;
    return site->vector == VECTOR_NO_GO ? -ENOTSUP : 0;
}

/* No two of them share a byte. */
static bool sites_apart(const uint64_t *sites, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            if (sites[i] - sites[j] + 1 <= 2)
                return false;
    return true;
}

/* Only the first byte changes; both are written, so that both have to be writable. */
static int site_write(struct vm *vm, const struct trap_site *site, uint8_t first)
{
    const uint8_t bytes[SITE_BYTES] = {first, site->is_iret ? IRET_SECOND : site->vector};

    return guest_write(vm, site->gpa, bytes, sizeof bytes);
}

/* Takes the patches of the first `count` sites back. */
static void sites_restore(struct vm *vm, const struct trap_site *sites, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        site_write(vm, &sites[i], sites[i].is_iret ? IRET_FIRST : OPCODE_INT);
}

int int_traps_install(struct int_traps *traps, struct vcpu *vcpu, const uint64_t *sites,
                      unsigned count)
{
    int r = 0;

    if (count == 0 || count > TRAP_SITES_MAX || !sites_apart(sites, count))
        return -EINVAL;
    for (unsigned i = 0; i < count && r == 0; i++)
        r = site_read(vcpu->vm, sites[i], &traps->sites[i]);
    if (r < 0)
        return r;
    traps->vcpu = vcpu;
    traps->device = (struct device){
        .name = "INT and IRET", .length = 256, .owner = traps, .access = traps_access};
    //@begin
    //@ /* TODO 8: all sites are good: patch them, all or none, and get onto the bus. What if the
    //@  * third write fails? */
    //@ (void)sites_restore;
    //@ return -ENOSYS;
    unsigned patched = 0;

    while (r == 0 && patched < count) {
        r = site_write(vcpu->vm, &traps->sites[patched], OPCODE_OUT);
        patched += r == 0;
    }
    if (r == 0)
        r = device_bus_add(&vcpu->vm->pio, &traps->device);
    if (r < 0)
        sites_restore(vcpu->vm, traps->sites, patched);
    else
        traps->count = count;
    return r;
    //@end
}
