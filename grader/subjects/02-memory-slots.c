/* 02-memory-slots.c - dispatcher of lab 02: carries out a script on the student's part. */
#define _GNU_SOURCE
#include "02-memory-slots.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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
        return memory_slot_remove(vm,
                                  op->flags ? (int)lab->out->results[op->slot] : op->slot);
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
    case LAB02_FAR_PAGES:
        at = lab->rams[op->ram].hva + op->offset;
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

/* Notes how a step went; true if it went well. */
static bool step_done(struct lab *lab, enum lab02_step step, int result)
{
    lab->out->step = step;
    lab->out->result = result;
    return result >= 0;
}

static bool rams_make(struct lab *lab)
{
    for (int i = 0; i < LAB02_RAMS; i++) {
        struct guest_ram *ram = &lab->rams[i];

        if (lab->in->rams[i].size == 0)
            continue;
        if (!step_done(lab, LAB02_STEP_RAM,
                       guest_ram_create(ram, lab->in->rams[i].name, lab->in->rams[i].size)))
            return false;
        lab->out->ram_hva[i] = (uintptr_t)ram->hva;
    }
    return true;
}

/* All that follows vm->slots looks like further slots. */
static void behind_fill(struct vm *vm, const struct lab02_slot *behind, uint8_t *ram)
{
    const struct memory_slot slot = {.gpa = behind->gpa,
                                     .size = behind->size,
                                     .hva = ram + behind->hva,
                                     .flags = behind->flags};
    uint8_t *at = (uint8_t *)vm + offsetof(struct vm, slots) + sizeof vm->slots;

    if (slot.size == 0)
        return;
    for (; at + sizeof slot <= (uint8_t *)(vm + 1); at += sizeof slot)
        memcpy(at, &slot, sizeof slot);
}

static bool vm_make(struct lab *lab, uint32_t i)
{
    struct vm *vm = &lab->vms[i];

    if (!step_done(lab, LAB02_STEP_VM_CREATE, vm_create(vm, &lab->kvm, NULL)))
        return false;
    behind_fill(vm, &lab->in->behind[i], lab->rams[0].hva);
    return !lab->in->with_vcpus ||
           step_done(lab, LAB02_STEP_VCPU_CREATE, vcpu_create(&lab->vcpus[i], vm, 0, NULL));
}

static bool objects_make(struct lab *lab)
{
    bool ok = rams_make(lab) && step_done(lab, LAB02_STEP_KVM_OPEN,
                                          kvm_open(&lab->kvm, KVM_DEVICE_PATH, NULL));

    if (lab->in->stdin_closed)
        close(STDIN_FILENO);
    for (uint32_t i = 0; ok && i < lab->in->vm_count; i++)
        ok = vm_make(lab, i);
    return ok && step_done(lab, LAB02_STEP_READY, 0);
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
    if (!objects_make(&lab))
        return;
    for (uint32_t i = 0; i < lab.in->op_count; i++) {
        if (lab.in->marks)
            syscall(SYS_munmap, (uintptr_t)i, (size_t)0);
        lab.out->results[i] = op_run(&lab, &lab.in->ops[i]);
    }
    subject_checkpoint();
    objects_destroy(&lab);
}

const subject_entry subject_entries[] = {
    [LAB02_SCRIPT] = script_run,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
