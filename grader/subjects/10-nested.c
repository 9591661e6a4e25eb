/* 10-nested.c - dispatcher of lab 10: hands cases to the part; runs its hypervisor as a guest. */
#define _GNU_SOURCE
#include "10-nested.h"

#include <string.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

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

static struct {
    struct kvm kvm;
    struct vm vm;
    struct vcpu vcpu;
    struct guest_ram ram;
} stage;

static void port_access(void *owner, const struct bus_access *access)
{
    struct lab10_guest_output *out = owner;

    if (!access->is_write)
        return;
    out->writes++;
    out->written = 0;
    memcpy(&out->written, access->data, access->size);
}

/* The objects of parts 01 to 03, and what a boot loader would have done. */
static bool stage_build(const struct lab10_guest_input *in, struct lab10_guest_output *out)
{
    static struct device device = {.name = "L0", .length = 4, .access = port_access};
    struct vmm_error error;
    bool ok;

    device.base = in->port;
    device.owner = out;
    if (kvm_open(&stage.kvm, KVM_DEVICE_PATH, &error) < 0 ||
        vm_create(&stage.vm, &stage.kvm, &error) < 0 ||
        guest_ram_create(&stage.ram, "ram", LAB10_RAM) < 0 ||
        memory_slot_add(&stage.vm, 0, LAB10_RAM, stage.ram.hva, 0) < 0 ||
        vcpu_create(&stage.vcpu, &stage.vm, 0, &error) < 0 || vcpu_kick_init() < 0)
        return false;
    ok = device_bus_add(&stage.vm.pio, &device) == 0 &&
         guest_load(&stage.vcpu, in->bytes, in->image_size, GUEST_LONG64) == 0;
    for (uint32_t i = 0; ok && i < in->piece_count; i++)
        ok = guest_write(&stage.vm, in->pieces[i].gpa, in->bytes + in->pieces[i].at,
                         in->pieces[i].length) == 0;
    return ok;
}

static void guest_run(struct subject *subject)
{
    const struct lab10_guest_input *in = subject->input;
    struct lab10_guest_output *out = subject->output;
    struct run_stop stop = {.status = 0};

    subject->output_size = sizeof *out;
    out->ready = stage_build(in, out);
    if (!out->ready)
        return;
    out->result = vcpu_run(&stage.vcpu, &stop);
    out->status = stop.status;
    out->detail = stop.detail;
    subject_checkpoint();
}

const subject_entry subject_entries[] = {
    [LAB10_OWNERS] = owners_run,   [LAB10_BITMAPS] = bitmaps_run, [LAB10_ENTER] = enter_run,
    [LAB10_REFLECT] = reflect_run, [LAB10_EPT] = ept_run,         [LAB10_GUEST] = guest_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
