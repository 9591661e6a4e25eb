/* 02-memory-slots.c - dispatcher of lab 02: carries out a script on the student's part. */
#include "02-memory-slots.h"

#include <string.h>

#include "exit_loop.h"
#include "guest_loader.h"
#include "guest_ram.h"
#include "kvm_open.h"
#include "memory_slots.h"
#include "subject.h"

struct lab {
    const struct lab02_input *in;
    struct lab02_output *out;
    struct kvm kvm;
    struct vm vms[LAB02_VMS];
    struct vcpu vcpus[LAB02_VMS];
    bool loaded[LAB02_VMS];
    struct guest_ram rams[LAB02_RAMS];
};

/* --- operations -------------------------------------------------------------------------- */

static int64_t slot_add(struct lab *lab, const struct lab02_op *op)
{
    void *hva = NULL;

    if (op->ram != LAB02_NO_RAM)
        hva = (void *)((uintptr_t)lab->rams[op->ram].hva + op->offset);
    return memory_slot_add(&lab->vms[op->vm], op->gpa, op->length, hva, op->flags);
}

static int64_t to_hva(struct lab *lab, const struct lab02_op *op)
{
    const void *hva = gpa_to_hva(&lab->vms[op->vm], op->gpa, op->length);

    if (!hva)
        return LAB02_NO_HVA;
    return (int64_t)((uintptr_t)hva - (uintptr_t)lab->rams[op->ram].hva);
}

static int64_t ram_fill(struct lab *lab, const struct lab02_op *op)
{
    memcpy(lab->rams[op->ram].hva + op->offset, lab->out->pool + op->at, op->length);
    return 0;
}

static int64_t mirror_copy(struct lab *lab, const struct lab02_op *op)
{
    for (int i = 0; i < LAB02_SLOTS; i++) {
        const struct memory_slot *slot = &lab->vms[op->vm].slots[i];

        lab->out->mirrors[op->slot][i] = (struct lab02_slot){.gpa = slot->gpa,
                                                             .size = slot->size,
                                                             .hva = (uintptr_t)slot->hva,
                                                             .flags = slot->flags};
    }
    return 0;
}

static int64_t load(struct lab *lab, const struct lab02_op *op)
{
    int r = guest_load(&lab->vcpus[op->vm], lab->out->pool + op->at, op->length,
                       (enum guest_mode)op->flags);

    lab->loaded[op->vm] = r == 0;
    return r;
}

/* A vCPU without a program would run what lies at the reset vector: nothing. */
static int64_t run(struct lab *lab, const struct lab02_op *op)
{
    struct run_stop stop = {.status = 0};
    int r;

    if (!lab->loaded[op->vm])
        return LAB02_NO_RUN;
    r = vcpu_run(&lab->vcpus[op->vm], &stop);
    return r < 0 ? r : (int64_t)((uint64_t)stop.status | stop.detail << 8);
}

static int64_t op_run(struct lab *lab, const struct lab02_op *op)
{
    struct vm *vm = &lab->vms[op->vm];
    uint8_t *at = lab->out->pool + op->at;
    void *to = lab->out->pool + op->to;

    switch (op->kind) {
    case LAB02_ADD:
        return slot_add(lab, op);
    case LAB02_REMOVE:
        return memory_slot_remove(vm, op->slot);
    case LAB02_LOG_DIRTY:
        return memory_slot_log_dirty(vm, op->slot, op->length != 0);
    case LAB02_TO_HVA:
        return to_hva(lab, op);
    case LAB02_READ:
        return guest_read(vm, op->gpa, at, op->length);
    case LAB02_WRITE:
        return guest_write(vm, op->gpa, at, op->length);
    case LAB02_LOG_BYTES:
        return (int64_t)dirty_log_bytes(op->length);
    case LAB02_FETCH:
        return dirty_log_fetch(vm, op->slot, (void *)at, op->length);
    case LAB02_PAGES:
        return dirty_log_pages(vm, op->slot, (void *)at, to, op->length);
    case LAB02_FILL:
        return ram_fill(lab, op);
    case LAB02_MIRROR:
        return mirror_copy(lab, op);
    case LAB02_LOAD:
        return load(lab, op);
    default:
        return run(lab, op);
    }
}

/* --- objects ----------------------------------------------------------------------------- */

static bool rams_make(struct lab *lab)
{
    for (int i = 0; i < LAB02_RAMS; i++) {
        if (lab->in->rams[i].size == 0)
            continue;
        if (guest_ram_create(&lab->rams[i], lab->in->rams[i].name, lab->in->rams[i].size) <
            0)
            return false;
        lab->out->ram_hva[i] = (uintptr_t)lab->rams[i].hva;
    }
    return true;
}

static bool objects_make(struct lab *lab)
{
    if (!rams_make(lab) || kvm_open(&lab->kvm, KVM_DEVICE_PATH, NULL) < 0)
        return false;
    for (uint32_t i = 0; i < lab->in->vm_count; i++) {
        if (vm_create(&lab->vms[i], &lab->kvm, NULL) < 0)
            return false;
        if (lab->in->with_vcpus && vcpu_create(&lab->vcpus[i], &lab->vms[i], 0, NULL) < 0)
            return false;
    }
    return true;
}

static void objects_destroy(struct lab *lab)
{
    for (uint32_t i = 0; i < lab->in->vm_count; i++) {
        if (lab->in->with_vcpus)
            vcpu_destroy(&lab->vcpus[i]);
        vm_destroy(&lab->vms[i]);
    }
    kvm_close(&lab->kvm);
}

static void script_run(struct subject *subject)
{
    static struct lab lab;

    lab.in = subject->input;
    lab.out = subject->output;
    subject->output_size = offsetof(struct lab02_output, pool) + lab.in->pool_size;
    memcpy(lab.out->pool, lab.in->pool, lab.in->pool_size);
    lab.out->ready = objects_make(&lab);
    if (!lab.out->ready)
        return;
    for (uint32_t i = 0; i < lab.in->op_count; i++)
        lab.out->results[i] = op_run(&lab, &lab.in->ops[i]);
    subject_checkpoint();
    objects_destroy(&lab);
}

const subject_entry subject_entries[] = {
    [LAB02_SCRIPT] = script_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
