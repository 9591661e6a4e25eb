/* 10-nested.c - dispatcher of lab 10: hands cases to the part; runs its hypervisor as a guest. */
#define _GNU_SOURCE
#include "10-nested.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"
#include "svm.h"

static struct nested_bitmaps bitmaps_of(struct lab10_bitmaps *b)
{
    return (struct nested_bitmaps){b->io_a, b->io_b, b->msr};
}

static void owners_run(struct subject *subject)
{
    static struct lab10_owners_input in;
    struct lab10_owners_output *out = subject->output;

    memcpy(&in, subject->input, sizeof in);
    for (uint32_t i = 0; i < in.exit_count && i < LAB10_EXITS; i++) {
        const uint32_t level = in.exits[i].level % LAB10_LEVELS;
        const struct nested_bitmaps bitmaps = bitmaps_of(&in.bitmaps[level]);

        out->owners[i] =
            nested_exit_owner(&in.exits[i].exit, &in.controls[level], &bitmaps);
    }
    subject->output_size = sizeof *out;
}

static void bitmaps_run(struct subject *subject)
{
    static struct lab10_bitmaps_input in;
    struct lab10_bitmaps_output *out = subject->output;

    memcpy(&in, subject->input, sizeof in);
    for (uint32_t i = 0; i < in.case_count && i < LAB10_LEVELS; i++) {
        const struct nested_bitmaps to = bitmaps_of(&out->bitmaps02[i]),
                                    b01 = bitmaps_of(&in.cases[i].bitmaps01),
                                    b12 = bitmaps_of(&in.cases[i].bitmaps12);

        memset(&out->bitmaps02[i], 0x5a, sizeof out->bitmaps02[i]);
        nested_bitmaps_merge(&to, &in.cases[i].controls01, &b01, &in.cases[i].controls12,
                             &b12);
    }
    subject->output_size = sizeof *out;
}

static void enter_run(struct subject *subject)
{
    const struct lab10_vmcs_input *in = subject->input;
    struct lab10_vmcs_output *out = subject->output;

    memcpy(out->cases, in->cases, sizeof out->cases);
    for (uint32_t i = 0; i < in->case_count && i < LAB10_CASES; i++) {
        struct lab10_vmcs_case *c = &out->cases[i];

        out->results[i] = nested_enter(&c->vmcs02, &c->vmcs01, &c->vmcs12, &c->pages);
    }
    subject->output_size = sizeof *out;
}

static void reflect_run(struct subject *subject)
{
    const struct lab10_vmcs_input *in = subject->input;
    struct lab10_vmcs_output *out = subject->output;

    memcpy(out->cases, in->cases, sizeof out->cases);
    for (uint32_t i = 0; i < in->case_count && i < LAB10_CASES; i++) {
        struct lab10_vmcs_case *c = &out->cases[i];

        nested_reflect(&c->vmcs01, &c->vmcs12, &c->vmcs02);
    }
    subject->output_size = sizeof *out;
}

static void ept_op_run(struct nested_ept *ept, const struct lab10_op *op,
                       struct lab10_ept_output *out, uint32_t i)
{
    switch (op->kind) {
    case LAB10_VIOLATION:
        nested_ept_violation(ept, op->a, op->b, &out->answers[i]);
        break;
    case LAB10_FILL:
        out->results[i] = nested_ept_fill(ept, op->a, op->b);
        break;
    case LAB10_FORGET:
        nested_ept_forget(ept);
        break;
    case LAB10_WRITE:
        memcpy(ept->hva + (op->a - ept->hpa), &op->b, sizeof op->b);
        break;
    default:
        break;
    }
}

static void ept_run(struct subject *subject)
{
    const struct lab10_ept_input *in = subject->input;
    struct lab10_ept_output *out = subject->output;
    struct nested_ept ept = in->ept;

    memcpy(out->memory, in->memory, sizeof out->memory);
    ept.hva = out->memory;
    for (uint32_t i = 0; i < in->op_count && i < LAB10_OPS; i++)
        ept_op_run(&ept, &in->ops[i], out, i);
    out->pool_used = ept.pool_used;
    subject->output_size = sizeof *out;
}

/* --- L1 as a guest ------------------------------------------------------------------------------ */

#define CPUID_ENTRIES 256

static struct {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;
    uint32_t writes; /* to the device of L0 */
    uint64_t written;
} stage;

static void port_access(void *owner, const struct bus_access *access)
{
    (void)owner;
    if (!access->is_write)
        return;
    stage.writes++;
    stage.written = 0;
    memcpy(&stage.written, access->data, access->size);
}

static bool svm_take_away(const struct vcpu *vcpu)
{
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
    } cpuid;

    cpuid.head.nent = CPUID_ENTRIES;
    if (ioctl(vcpu->fd, KVM_GET_CPUID2, &cpuid) < 0)
        return false;
    for (uint32_t i = 0; i < cpuid.head.nent; i++)
        if (cpuid.entries[i].function == CPUID_SVM_LEAF)
            cpuid.entries[i].ecx &= ~CPUID_SVM;
    return ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid) == 0;
}

/* The objects of parts 01 to 03, and what a boot loader would have done. */
static bool stage_build(const struct lab10_guest_input *in, uint32_t n)
{
    static struct device device = {.name = "L0", .length = 4, .access = port_access};
    const struct lab10_life *life = &in->lives[n];
    struct vmm_error error;
    bool ok;

    device.base = life->port;
    if (vm_create(&stage.vm, &stage.kvm, &error) < 0 ||
        memory_slot_add(&stage.vm, 0, LAB10_RAM, stage.ram.hva + n * LAB10_RAM, 0) < 0 ||
        vcpu_create(&stage.vcpu, &stage.vm, 0, &error) < 0)
        return false;
    ok = device_bus_add(&stage.vm.pio, &device) == 0 &&
         guest_load(&stage.vcpu, in->bytes, in->image_size, GUEST_LONG64) == 0 &&
         (!life->without_svm || svm_take_away(&stage.vcpu));
    for (uint32_t i = 0; ok && i < LAB10_PIECES; i++)
        ok = guest_write(&stage.vm, life->pieces[i].gpa, in->bytes + life->pieces[i].at,
                         life->pieces[i].length) == 0;
    return ok;
}

static void life_run(const struct lab10_guest_input *in, struct lab10_guest_output *out,
                     uint32_t n)
{
    struct run_stop stop = {.status = 0};

    stage.writes = 0;
    out->lives[n].ready = stage_build(in, n);
    if (!out->lives[n].ready)
        return;
    out->lives[n].result = vcpu_run(&stage.vcpu, &stop);
    out->lives[n].status = stop.status;
    out->lives[n].detail = stop.detail;
    out->lives[n].writes = stage.writes;
    out->lives[n].written = stage.written;
    vcpu_destroy(&stage.vcpu);
    vm_destroy(&stage.vm);
}

static void guest_run(struct subject *subject)
{
    const struct lab10_guest_input *in = subject->input;
    struct lab10_guest_output *out = subject->output;
    struct vmm_error error;

    subject->output_size = sizeof *out;
    if (kvm_open(&stage.kvm, KVM_DEVICE_PATH, &error) < 0 ||
        guest_ram_create(&stage.ram, "ram", LAB10_LIVES * LAB10_RAM) < 0 ||
        vcpu_kick_init() < 0)
        return;
    for (uint32_t i = 0; i < in->life_count && i < LAB10_LIVES; i++)
        life_run(in, out, i);
    subject_checkpoint();
}

const subject_entry subject_entries[] = {
    [LAB10_OWNERS] = owners_run,   [LAB10_BITMAPS] = bitmaps_run, [LAB10_ENTER] = enter_run,
    [LAB10_REFLECT] = reflect_run, [LAB10_EPT] = ept_run,         [LAB10_GUEST] = guest_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
