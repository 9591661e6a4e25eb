/* 04-int-iret.c - dispatcher of lab 04: calls the part's functions on guests that are mere
 * memory, and runs guests on the real KVM. */
#include "04-int-iret.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kernel_calls.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

/* --- a guest that is mere memory ------------------------------------------------------------ */

static uint8_t ram[LAB04_RAM];

/* Nothing that the part is to call needs KVM. Touching slots, in no order: whoever takes a
 * pointer instead of guest_read() and guest_write() comes to the end of one. */
static void memory_only(struct vm *vm, uint64_t gpa)
{
    *vm = (struct vm){.fd = -1};
    for (uint32_t i = 0, at = 0; i < VM_SLOTS_MAX; i++, at = (at + 0x7000) % LAB04_RAM)
        vm->slots[i] =
            (struct memory_slot){.gpa = gpa + at,
                                 .size = GUEST_PAGE_SIZE,
                                 .hva = ram + at,
                                 .flags = at == LAB04_ROM ? MEMORY_SLOT_READONLY : 0};
}

static void encode(struct subject *subject)
{
    const struct lab04_encode_input *in = subject->input;
    struct lab04_encode_output *out = subject->output;

    subject->output_size = sizeof *out;
    for (uint32_t i = 0; i < LAB04_ENCODINGS; i++) {
        guest_gate_encode(&in->gates[i], out->gates[i]);
        guest_tss_encode(in->bases[i], out->tss[i]);
    }
}

static struct interrupt_tables tables_of(const struct lab04_tables *in)
{
    struct interrupt_tables tables = {.gdt = in->gdt,
                                      .tss = in->tss,
                                      .idt = in->idt,
                                      .rsp0 = in->rsp0,
                                      .gates = in->gates,
                                      .gate_count = in->gate_count};

    memcpy(tables.ist, in->ist, sizeof tables.ist);
    return tables;
}

static void tables_write(struct subject *subject)
{
    const struct lab04_tables_input *in = subject->input;
    struct lab04_tables_output *out = subject->output;
    struct vm vm;

    const uint32_t kept = in->count < LAB04_KEPT ? in->count : LAB04_KEPT;

    subject->output_size = sizeof *out - (LAB04_KEPT - kept) * sizeof out->ram[0];
    for (uint32_t i = 0; i < in->count; i++) {
        struct interrupt_tables tables = tables_of(&in->tables[i]);

        tables.gdt += LAB04_AT;
        tables.tss += LAB04_AT;
        tables.idt += LAB04_AT;
        memory_only(&vm, LAB04_AT);
        memset(ram, in->fill[i], sizeof ram);
        out->results[i] = interrupt_tables_write(&vm, &tables);
        if (i < kept)
            memcpy(out->ram[i], ram, sizeof ram);
    }
}

/* Where ram differs from what it was. */
static void changes_note(const uint8_t *before, struct lab04_case_result *result)
{
    uint32_t from = 0, to = LAB04_RAM;

    while (from < LAB04_RAM && memcmp(ram + from, before + from, GUEST_PAGE_SIZE) == 0)
        from += GUEST_PAGE_SIZE;
    while (to > from && memcmp(ram + to - GUEST_PAGE_SIZE, before + to - GUEST_PAGE_SIZE,
                               GUEST_PAGE_SIZE) == 0)
        to -= GUEST_PAGE_SIZE;
    while (from < to && ram[from] == before[from])
        from++;
    while (to > from && ram[to - 1] == before[to - 1])
        to--;
    result->changed_from = from;
    result->changed_to = to;
    for (uint32_t i = 0; i < sizeof result->changed && from + i < to; i++)
        result->changed[i] = ram[from + i];
}

static void case_emulate(const struct lab04_case *c, const uint8_t *start,
                         struct lab04_case_result *result)
{
    static uint8_t before[LAB04_RAM];
    struct vm vm;

    memory_only(&vm, LAB04_AT);
    memcpy(before, start, sizeof before);
    for (int i = 0; i < 2; i++)
        if (c->write_at[i])
            memcpy(before + c->write_at[i], &c->write_value[i], 8);
    memcpy(ram, before, sizeof ram);
    result->cpu = c->cpu;
    result->fault = (struct guest_fault){.vector = 0xee, .error_code = 0xeeeeeeee};
    result->result = c->is_return
                         ? interrupt_return(&vm, &result->cpu, &result->fault)
                         : interrupt_deliver(&vm, &result->cpu, &c->event, &result->fault);
    changes_note(before, result);
}

static void emulate(struct subject *subject)
{
    const struct lab04_emulate_input *in = subject->input;
    struct lab04_emulate_output *out = subject->output;

    subject->output_size = sizeof *out;
    for (uint32_t i = 0; i < in->count; i++)
        case_emulate(&in->cases[i], in->ram, &out->results[i]);
}

static void port_access(void *owner, const struct bus_access *access)
{
    uint32_t *writes = owner;

    *writes += access->is_write && access->size == 1;
}

static uint32_t port_writes;

static const struct device port_device = {.name = "port 80h",
                                          .base = 0x80,
                                          .length = 1,
                                          .owner = &port_writes,
                                          .access = port_access};

/* One device: at port 80h. More: beside each other, from port 100h on. */
static void bus_occupy(struct device_bus *bus, uint32_t count)
{
    static struct device others[DEVICE_BUS_MAX];

    if (count == 1)
        device_bus_add(bus, &port_device);
    for (uint32_t i = 0; count > 1 && i < count && i < DEVICE_BUS_MAX; i++) {
        others[i] = port_device;
        others[i].base = 0x100 + i;
        device_bus_add(bus, &others[i]);
    }
}

static uint32_t bytes_changed(const uint8_t *bytes, uint8_t was, size_t count)
{
    uint32_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += bytes[i] != was;
    return n;
}

static void patch_try(const struct lab04_patch *in, struct lab04_patch_result *out)
{
    static struct int_traps traps;
    struct vm vm;
    struct vcpu vcpu = {.fd = -1, .vm = &vm};
    const uint64_t at = in->text_at - LAB04_TEXT_SLOT;

    memory_only(&vm, LAB04_TEXT_SLOT);
    memset(&traps, 0, sizeof traps);
    memset(ram, 0xcd, sizeof ram);
    memcpy(ram + at, in->text, LAB04_TEXT);
    bus_occupy(&vm.pio, in->occupied);
    out->result = int_traps_install(&traps, &vcpu, in->sites, in->site_count);
    out->site_count = traps.count;
    out->devices = vm.pio.count;
    out->device_base = traps.device.base;
    out->device_length = traps.device.length;
    memcpy(out->sites, traps.sites, sizeof traps.sites);
    memcpy(out->text, ram + at, LAB04_TEXT);
    out->elsewhere =
        bytes_changed(ram, 0xcd, at) +
        bytes_changed(ram + at + LAB04_TEXT, 0xcd, LAB04_RAM - at - LAB04_TEXT);
}

static void patch(struct subject *subject)
{
    const struct lab04_patch_input *in = subject->input;
    struct lab04_patch_output *out = subject->output;

    subject->output_size = sizeof *out;
    for (uint32_t i = 0; i < in->count; i++)
        patch_try(&in->patches[i], &out->results[i]);
}

/* --- fields of the VMCS ------------------------------------------------------------------------ */

static uint32_t bytes_different(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    uint32_t n = 0;

    for (size_t i = 0; i < size; i++)
        n += x[i] != y[i];
    return n;
}

static void events(struct subject *subject)
{
    const struct lab04_events_input *in = subject->input;
    struct lab04_events_output *out = subject->output;

    subject->output_size = sizeof *out;
    for (uint32_t i = 0; i < in->count; i++) {
        struct lab04_event_result *r = &out->results[i];
        struct vmx_controls controls = in->controls;

        r->result =
            entry_event_encode(&in->events[i].event, &in->events[i].guest, &controls);
        r->info = controls.entry_interruption_info;
        r->error_code = controls.entry_exception_error_code;
        r->instruction_length = controls.entry_instruction_length;
        controls.entry_interruption_info = in->controls.entry_interruption_info;
        controls.entry_exception_error_code = in->controls.entry_exception_error_code;
        controls.entry_instruction_length = in->controls.entry_instruction_length;
        r->elsewhere = bytes_different(&controls, &in->controls, sizeof controls);
    }
}

static void exits(struct subject *subject)
{
    const struct lab04_exits_input *in = subject->input;
    struct lab04_exits_output *out = subject->output;

    subject->output_size = sizeof *out;
    for (uint32_t i = 0; i < in->wish_count; i++) {
        const struct vmx_controls *before = &in->controls[i];
        struct vmx_controls controls = *before;

        out->results[i] = exception_exits_set(&in->wishes[i], &controls);
        out->bitmap[i] = controls.exception_bitmap;
        out->mask[i] = controls.page_fault_error_code_mask;
        out->match[i] = controls.page_fault_error_code_match;
        controls.exception_bitmap = before->exception_bitmap;
        controls.page_fault_error_code_mask = before->page_fault_error_code_mask;
        controls.page_fault_error_code_match = before->page_fault_error_code_match;
        out->elsewhere[i] = bytes_different(&controls, before, sizeof controls);
        for (uint32_t q = 0; q < in->query_count; q++)
            out->exits[i][q] = event_exits(before, &in->queries[q]);
    }
}

/* --- a vCPU that is mere memory ----------------------------------------------------------------- */

static struct {
    struct cpu_state cpu;
    uint32_t calls, failing; /* ioctls so far; the one that fails */
    uint32_t sets;
} pretended;

int kernel_ioctl_pretended(unsigned long request, long argument)
{
    struct cpu_state *cpu = &pretended.cpu;
    void *payload = (void *)argument;

    if (++pretended.calls == pretended.failing) {
        errno = EINTR; /* no call is tried again */
        return -1;
    }
    pretended.sets += request == KVM_SET_REGS || request == KVM_SET_SREGS;
    if (request == KVM_GET_REGS)
        memcpy(payload, &cpu->regs, sizeof cpu->regs);
    else if (request == KVM_GET_SREGS)
        memcpy(payload, &cpu->sregs, sizeof cpu->sregs);
    else if (request == KVM_SET_REGS)
        memcpy(&cpu->regs, payload, sizeof cpu->regs);
    else if (request == KVM_SET_SREGS)
        memcpy(&cpu->sregs, payload, sizeof cpu->sregs);
    return 0;
}

/* The part's own ioctl() (kernel_calls.syms), if it calls one: it is to meet the same KVM. */
int ioctl_of_parts(int fd, unsigned long request, void *payload);
int ioctl_of_parts(int fd, unsigned long request, void *payload)
{
    return ioctl(fd, request, payload);
}

static void vcpu_pretend(struct vcpu *vcpu, struct vm *vm, const struct cpu_state *cpu,
                         uint32_t failing)
{
    static struct kvm_run run;

    *vcpu = (struct vcpu){
        .fd = KERNEL_PRETENDED_FD, .vm = vm, .run = &run, .run_size = sizeof run};
    pretended.cpu = *cpu;
    pretended.calls = pretended.sets = 0;
    pretended.failing = failing;
}

/* --- LAB04_GUEST, port accesses ----------------------------------------------------------------- */

static struct lab04_access_result *behind_notes;

static void behind_access(void *owner, const struct bus_access *access)
{
    struct lab04_access_result *r = behind_notes;
    const uint32_t size = access->size < 8 ? access->size : 8;

    (void)owner;
    r->behind++;
    r->seen = *access;
    r->seen.data = NULL;
    memcpy(r->seen_data, access->data, size);
    for (uint32_t i = 0; !access->is_write && i < size; i++)
        access->data[i] = (uint8_t)~access->data[i];
}

static const struct device behind_device = {
    .name = "ports behind", .base = 0x40, .length = 0x80, .access = behind_access};

/* Another VM's vCPU with traps of its own, which has nothing to do with what follows. */
static void other_install(uint64_t site)
{
    static struct int_traps traps;
    static struct vm vm;
    static struct vcpu vcpu;

    memory_only(&vm, LAB04_AT);
    memset(&traps, 0, sizeof traps);
    vcpu = (struct vcpu){.fd = -1, .vm = &vm};
    int_traps_install(&traps, &vcpu, &site, 1);
}

static void access_try(const struct lab04_access_input *in, const struct lab04_access *a,
                       struct lab04_access_result *r)
{
    static struct int_traps traps;
    struct bus_access access = {
        .address = a->port, .size = a->size, .is_write = a->is_write, .data = r->data};
    struct vcpu vcpu;
    struct vm vm;

    memory_only(&vm, LAB04_AT);
    memcpy(ram, in->ram, sizeof ram);
    for (int i = 0; i < 2; i++)
        if (a->write_at[i])
            memcpy(ram + a->write_at[i], &a->write_value[i], 8);
    memset(&traps, 0, sizeof traps);
    device_bus_add(&traps.behind, &behind_device);
    vcpu_pretend(&vcpu, &vm, &a->cpu, 0);
    memcpy(r->data, a->data, sizeof r->data);
    behind_notes = r;
    r->install_result = int_traps_install(&traps, &vcpu, in->sites, in->site_count);
    other_install(in->other_site);
    vcpu_pretend(&vcpu, &vm, &a->cpu, a->failing);
    if (r->install_result == 0)
        device_bus_access(&vm.pio, &access);
    r->error = traps.error;
    r->kicked = vcpu.kick_requested;
    r->ints = traps.ints;
    r->irets = traps.irets;
    r->faults = traps.faults;
    r->sets = pretended.sets;
    r->unclaimed = (uint32_t)traps.behind.unclaimed;
    r->cpu = pretended.cpu;
}

static void accesses_try(const struct lab04_access_input *in,
                         struct lab04_access_output *out)
{
    for (uint32_t i = 0; i < in->count; i++)
        access_try(in, &in->accesses[i], &out->results[i]);
}

/* --- LAB04_GUEST, guests ------------------------------------------------------------------------- */

static struct {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram memory;
    struct cpu_state reset; /* the vCPU's registers when it was new */
    struct int_traps traps;
} stage;

static int stage_build(void)
{
    int r = vcpu_kick_init();

    if (r == 0)
        r = kvm_open(&stage.kvm, KVM_DEVICE_PATH, NULL);
    if (r == 0)
        r = vm_create(&stage.vm, &stage.kvm, NULL);
    if (r == 0)
        r = vcpu_create(&stage.vcpu, &stage.vm, 0, NULL);
    if (r == 0)
        r = guest_ram_create(&stage.memory, "ram", LAB04_GUEST_RAM);
    if (r == 0)
        r = memory_slot_add(&stage.vm, 0, LAB04_GUEST_RAM, stage.memory.hva, 0);
    return r < 0 ? r : cpu_state_get(&stage.vcpu, &stage.reset);
}

/* Nothing is left of a guest that was here before. */
static int stage_clear(void)
{
    memset(stage.memory.hva, 0, LAB04_GUEST_RAM);
    memset(&stage.traps, 0, sizeof stage.traps);
    stage.vm.pio = (struct device_bus){0};
    port_writes = 0;
    return cpu_state_set(&stage.vcpu, &stage.reset);
}

static int stage_load(const struct lab04_guest_input *in, const struct lab04_guest_run *run,
                      bool again)
{
    int r = again ? stage_clear() : 0;

    if (r == 0)
        r = guest_load(&stage.vcpu, in->image, in->image_size, GUEST_LONG64);
    memcpy(stage.memory.hva + GUEST_MAILBOX_GPA, run->mailbox, sizeof run->mailbox);
    memcpy(stage.memory.hva + in->script_at, run->script, sizeof run->script);
    return r;
}

/* The way that was asked for: the processor's, or ours. */
static int traps_prepare(const struct lab04_guest_input *in, bool patched)
{
    if (!patched)
        return device_bus_add(&stage.vm.pio, &port_device);
    device_bus_add(&stage.traps.behind, &port_device);
    return int_traps_install(&stage.traps, &stage.vcpu, in->sites, in->site_count);
}

static void guest_note(struct lab04_guest_result *out)
{
    out->trap_error = stage.traps.error;
    out->port_writes = port_writes;
    out->ints = stage.traps.ints;
    out->irets = stage.traps.irets;
    out->faults = stage.traps.faults;
    cpu_state_get(&stage.vcpu, &out->ended);
}

/* guest_load() leaves zeros: who keeps the registers, who clears them? */
static void registers_mark(struct cpu_state *cpu)
{
    if (cpu_state_get(&stage.vcpu, cpu) < 0)
        return;
    cpu->regs.rax = cpu->regs.rbx = cpu->regs.rcx = 0x5a5a5a5a5a5a5a5a;
    cpu->regs.rdx = cpu->regs.rsi = cpu->regs.rdi = 0xa5a5a5a5a5a5a5a5;
    cpu->regs.rbp = cpu->regs.r8 = cpu->regs.r15 = 0x1122334455667788;
    cpu_state_set(&stage.vcpu, cpu);
    cpu_state_get(&stage.vcpu, cpu);
}

/* The guest gets its number, and goes. With patches the part is called at each exit, so nothing can
 * be kept from it; without, it is not called any more. */
static int guest_go(bool patched, struct run_stop *stop)
{
    if (patched)
        subject_checkpoint();
    else
        subject_checkpoint_alone();
    return vcpu_run(&stage.vcpu, stop);
}

static void guest_run(const struct lab04_guest_input *in, const struct lab04_guest_run *run,
                      struct lab04_guest_result *out)
{
    const struct interrupt_tables tables = tables_of(&run->tables);
    struct run_stop stop = {0};

    registers_mark(&out->loaded);
    out->tables_result = interrupt_tables_write(&stage.vm, &tables);
    out->install_result = traps_prepare(in, run->patched);
    out->start_result =
        guest_start_user(&stage.vcpu, &tables, in->program, in->rsp, in->iopl);
    cpu_state_get(&stage.vcpu, &out->started);
    if (out->tables_result == 0 && out->install_result == 0 && out->start_result == 0) {
        out->run_result = guest_go(run->patched, &stop);
        out->status = stop.status;
    } else {
        subject_checkpoint();
    }
    guest_note(out);
    subject_checkpoint();
    subject_crash_watch();
}

/* KVM forgets some of what it is told; memory does not. And it has no ioctl that fails. */
static void starts_try(const struct lab04_guest_input *in, struct lab04_guest_output *out)
{
    const struct interrupt_tables tables = tables_of(&in->runs[0].tables);
    struct vcpu vcpu;

    out->pretended = out->runs[0].loaded;
    out->pretended.regs.rflags = 0x254cd7;
    out->pretended.sregs.ldt = (struct kvm_segment){
        .base = 0x7000, .limit = 0x1f, .selector = 0x58, .type = 2, .present = 1};
    for (uint32_t i = 0; i <= LAB04_IOCTLS; i++) {
        vcpu_pretend(&vcpu, &stage.vm, &out->pretended, i);
        out->starts[i].result =
            guest_start_user(&vcpu, &tables, in->program, in->rsp, in->iopl);
        out->starts[i].sets = pretended.sets;
        out->starts[i].cpu = pretended.cpu;
    }
}

static void guest(struct subject *subject)
{
    const struct lab04_guest_input *in = subject->input;
    struct lab04_guest_output *out = subject->output;

    subject->output_size = sizeof *out;
    out->ready = stage_build() == 0;
    for (uint32_t i = 0; out->ready && i < in->run_count; i++) {
        out->ready = stage_load(in, &in->runs[i], i > 0) == 0;
        if (out->ready)
            guest_run(in, &in->runs[i], &out->runs[i]);
    }
    if (!out->ready)
        return;
    starts_try(in, out);
    if (subject->input_size > sizeof *in) {
        accesses_try((const void *)(in + 1), (void *)(out + 1));
        subject->output_size += sizeof(struct lab04_access_output);
    }
}

const subject_entry subject_entries[] = {
    [LAB04_ENCODE] = encode, [LAB04_TABLES] = tables_write, [LAB04_EMULATE] = emulate,
    [LAB04_PATCH] = patch,   [LAB04_EVENTS] = events,       [LAB04_EXITS] = exits,
    [LAB04_GUEST] = guest,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
