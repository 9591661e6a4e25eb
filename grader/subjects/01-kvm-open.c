/* 01-kvm-open.c - dispatcher of lab 01: the life of the three objects, step by step. */
#define _GNU_SOURCE
#include "01-kvm-open.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest_ram.h"
#include "kvm_open.h"
#include "subject.h"

struct life {
    const struct lab01_input *in;
    struct lab01_output *out;
    struct kvm kvm;
    struct vm vms[2];
    struct vcpu vcpus[2][2];
};

/* Values that no function under test leaves behind by accident. */
static void error_poison(struct vmm_error *error)
{
    memset(error, 0x5a, sizeof *error);
}

static void step_note(struct lab01_step *step, int result, int fd,
                      const struct vmm_error *e)
{
    step->called = 1;
    step->result = result;
    step->fd = fd;
    if (result < 0) {
        step->error.step = (int32_t)e->step;
        step->error.kind = (int32_t)e->kind;
        step->error.errnum = e->errnum;
        step->error.detail = e->detail;
    }
}

static void vcpus_build(struct life *life, unsigned vm)
{
    for (unsigned i = 0; i < life->in->vcpu_count; i++) {
        struct vcpu *vcpu = &life->vcpus[vm][i];
        struct lab01_step *step = &life->out->vcpus[vm][i];
        struct vmm_error error;

        error_poison(&error);
        int r = vcpu_create(vcpu, &life->vms[vm], life->in->vcpu_ids[i], &error);
        step_note(step, r, vcpu->fd, &error);
        step->size = (uint32_t)vcpu->run_size;
        step->run_mapped = vcpu->run != NULL;
        if (r < 0)
            return;
    }
}

static void objects_build(struct life *life)
{
    struct vmm_error error;

    error_poison(&error);
    int r = kvm_open(&life->kvm, life->in->path, &error);
    step_note(&life->out->open, r, life->kvm.fd, &error);
    life->out->open.size = (uint32_t)life->kvm.run_size;
    life->out->api_version = life->kvm.api_version;
    if (r < 0)
        return;
    if (life->in->extension)
        life->out->extension = kvm_extension(&life->kvm, (int)life->in->extension);
    for (unsigned i = 0; i < life->in->vm_count; i++) {
        error_poison(&error);
        r = vm_create(&life->vms[i], &life->kvm, &error);
        step_note(&life->out->vms[i], r, life->vms[i].fd, &error);
        if (r < 0)
            return;
        vcpus_build(life, i);
    }
}

static void objects_destroy(struct life *life)
{
    for (int vm = 1; vm >= 0; vm--) {
        for (int i = 1; i >= 0; i--)
            vcpu_destroy(&life->vcpus[vm][i]);
        vm_destroy(&life->vms[vm]);
    }
    kvm_close(&life->kvm);
}

static void objects_note(struct life *life)
{
    struct lab01_output *out = life->out;

    out->kvm_fd = life->kvm.fd;
    for (int vm = 0; vm < 2; vm++) {
        out->vm_fds[vm] = life->vms[vm].fd;
        for (int i = 0; i < 2; i++) {
            out->vcpu_fds[vm][i] = life->vcpus[vm][i].fd;
            out->run_pointers += life->vcpus[vm][i].run != NULL;
        }
    }
}

static struct life life_begin(struct subject *subject)
{
    struct life life = {.in = subject->input, .out = subject->output, .kvm = {.fd = -1}};

    subject->output_size = sizeof *life.out;
    for (int vm = 0; vm < 2; vm++) {
        life.vms[vm].fd = -1;
        life.vcpus[vm][0].fd = life.vcpus[vm][1].fd = -1;
    }
    return life;
}

static void life_run(struct subject *subject)
{
    struct life life = life_begin(subject);

    objects_build(&life);
    subject_checkpoint();
    objects_destroy(&life);
    objects_destroy(&life);
    objects_note(&life);
    subject_checkpoint();
}

/* Memory and registers without parts 02 and 03: this is about the vCPU that 01 made. */
static int guest_run(struct life *life, struct guest_ram *ram)
{
    struct kvm_userspace_memory_region region = {.memory_size = ram->size,
                                                 .userspace_addr = (uintptr_t)ram->hva};
    struct vcpu *vcpu = &life->vcpus[0][0];
    struct kvm_regs regs = {.rflags = 2};
    struct kvm_sregs sregs;

    memcpy(ram->hva, life->in->guest, life->in->guest_size);
    if (ioctl(life->vms[0].fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ||
        ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return 0;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 ||
        ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0 || ioctl(vcpu->fd, KVM_RUN, 0) < 0)
        return 0;
    return vcpu->run && vcpu->run->exit_reason == KVM_EXIT_HLT;
}

static void guest_halts(struct subject *subject)
{
    struct life life = life_begin(subject);
    struct guest_ram ram;

    objects_build(&life);
    if (life.out->vcpus[0][0].called && guest_ram_create(&ram, "ram", 0x10000) == 0)
        life.out->halted = guest_run(&life, &ram);
    subject_checkpoint();
    objects_destroy(&life);
}

const subject_entry subject_entries[] = {
    [LAB01_LIFE] = life_run,
    [LAB01_GUEST] = guest_halts,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
