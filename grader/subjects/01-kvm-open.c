/* 01-kvm-open.c - dispatcher of lab 01: the life of the three objects, step by step. */
#define _GNU_SOURCE
#include "01-kvm-open.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest_ram.h"
#include "kvm_open.h"
#include "subject.h"

struct life {
    const struct lab01_input *in;
    struct lab01_output *out;
    struct kvm kvms[2];
    struct vm vms[2];
    struct vcpu vcpus[2][2];
};

/* Values that no function under test leaves behind by accident. */
#define POISON 0x5a

/* Where an object may lie: nobody has cleared it. The error too; NULL if there is none. */
static struct vmm_error *poisoned(const struct life *life, void *object, size_t size,
                                  struct vmm_error *error)
{
    memset(object, POISON, size);
    memset(error, POISON, sizeof *error);
    return life->in->no_error ? NULL : error;
}

static bool error_changed(const struct vmm_error *error)
{
    const unsigned char *bytes = (const void *)error;

    for (size_t i = 0; i < sizeof *error; i++)
        if (bytes[i] != POISON)
            return true;
    return false;
}

static void step_note(struct lab01_step *step, int result, int fd,
                      const struct vmm_error *e)
{
    step->called = 1;
    step->result = result;
    step->fd = fd;
    step->error_changed = e && error_changed(e);
    if (result < 0 && e) {
        step->error.step = (int32_t)e->step;
        step->error.kind = (int32_t)e->kind;
        step->error.errnum = e->errnum;
        step->error.detail = e->detail;
    }
}

static void new_vm_note(struct lab01_new_vm *note, const struct vm *vm,
                        const struct kvm *kvm)
{
    note->knows_kvm = vm->kvm == kvm;
    for (int i = 0; i < VM_SLOTS_MAX; i++)
        note->slots_used += vm->slots[i].size != 0;
    note->pio_devices = vm->pio.count;
    note->mmio_devices = vm->mmio.count;
}

static void new_vcpu_note(struct lab01_new_vcpu *note, const struct vcpu *vcpu,
                          const struct vm *vm)
{
    note->knows_vm = vcpu->vm == vm;
    note->id = vcpu->id;
    for (int i = 0; i < VCPU_EXIT_REASONS; i++)
        note->counters_set += vcpu->exits[i] != 0;
    note->counters_set += vcpu->interrupted != 0;
    /* As bytes: a bool that nobody has set need not be one. */
    memcpy(&note->kick_requested, &vcpu->kick_requested, sizeof vcpu->kick_requested);
    memcpy(&note->thread, &vcpu->thread, sizeof vcpu->thread);
    note->traced = vcpu->trace != NULL;
}

/* The next descriptor is the lowest free one: with stdin closed that is 0. */
static void zero_free(const struct life *life, enum lab01_zero next)
{
    if (life->in->zero == (uint32_t)next)
        close(STDIN_FILENO);
}

static int vcpu_build(struct life *life, unsigned vm, unsigned i)
{
    struct vcpu *vcpu = &life->vcpus[vm][i];
    struct lab01_step *step = &life->out->vcpus[vm][i];
    struct vmm_error error, *e = poisoned(life, vcpu, sizeof *vcpu, &error);

    zero_free(life, LAB01_ZERO_VCPU);
    int r = vcpu_create(vcpu, &life->vms[vm], life->in->vcpu_ids[i], e);

    step_note(step, r, vcpu->fd, e);
    step->size = (uint32_t)vcpu->run_size;
    step->run_mapped = vcpu->run != NULL;
    new_vcpu_note(&life->out->new_vcpus[vm][i], vcpu, &life->vms[vm]);
    return r;
}

static int vm_build(struct life *life, unsigned i)
{
    struct vm *vm = &life->vms[i];
    struct kvm *kvm = &life->kvms[life->in->kvm_count > 1 ? i : 0];
    struct vmm_error error, *e = poisoned(life, vm, sizeof *vm, &error);

    zero_free(life, LAB01_ZERO_VM);
    int r = vm_create(vm, kvm, e);
    step_note(&life->out->vms[i], r, vm->fd, e);
    new_vm_note(&life->out->new_vms[i], vm, kvm);
    for (unsigned id = 0; r >= 0 && id < life->in->vcpu_count; id++)
        r = vcpu_build(life, i, id);
    return r;
}

static int kvm_build(struct life *life, struct kvm *kvm, struct lab01_step *step)
{
    struct vmm_error error, *e = poisoned(life, kvm, sizeof *kvm, &error);

    zero_free(life, LAB01_ZERO_KVM);
    int r = kvm_open(kvm, life->in->path, e);
    step_note(step, r, kvm->fd, e);
    step->size = (uint32_t)kvm->run_size;
    return r;
}

static void objects_build(struct life *life)
{
    int r = kvm_build(life, &life->kvms[0], &life->out->open);

    life->out->api_version = life->kvms[0].api_version;
    if (r >= 0 && life->in->kvm_count > 1)
        r = kvm_build(life, &life->kvms[1], &life->out->open_second);
    if (r >= 0 && life->in->extension)
        life->out->extension = kvm_extension(&life->kvms[0], (int)life->in->extension);
    for (unsigned i = 0; r >= 0 && i < life->in->vm_count; i++)
        r = vm_build(life, i);
}

static void objects_destroy(struct life *life)
{
    for (int vm = 1; vm >= 0; vm--) {
        for (int i = 1; i >= 0; i--)
            vcpu_destroy(&life->vcpus[vm][i]);
        vm_destroy(&life->vms[vm]);
    }
    for (int i = 1; i >= 0; i--)
        kvm_close(&life->kvms[i]);
}

static void objects_note(struct life *life)
{
    struct lab01_output *out = life->out;

    out->kvm_fd = life->kvms[0].fd;
    out->second_kvm_fd = life->kvms[1].fd;
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
    struct life life = {
        .in = subject->input, .out = subject->output, .kvms = {{.fd = -1}, {.fd = -1}}};

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
static void guest_run(struct life *life, struct guest_ram *ram)
{
    struct kvm_userspace_memory_region region = {.memory_size = ram->size,
                                                 .userspace_addr = (uintptr_t)ram->hva};
    struct vcpu *vcpu = &life->vcpus[0][0];
    struct kvm_regs regs = {.rflags = 2, .rip = life->in->guest_at};
    struct kvm_sregs sregs;

    memcpy(ram->hva + life->in->guest_at, life->in->guest, life->in->guest_size);
    if (ioctl(life->vms[0].fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ||
        ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 ||
        ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
        return;
    subject_checkpoint_alone(); /* the guest gets its number */
    if (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
        return;
    life->out->ran = 1;
    if (vcpu->run)
        life->out->exit_reason = vcpu->run->exit_reason;
}

static void guest_halts(struct subject *subject)
{
    struct life life = life_begin(subject);
    struct guest_ram ram;

    objects_build(&life);
    if (life.out->vcpus[0][0].called && guest_ram_create(&ram, "ram", 0x10000) == 0)
        guest_run(&life, &ram);
    subject_checkpoint();
    objects_destroy(&life);
}

const subject_entry subject_entries[] = {
    [LAB01_LIFE] = life_run,
    [LAB01_GUEST] = guest_halts,
};
const size_t subject_entry_count = sizeof subject_entries / sizeof subject_entries[0];
