/* pretended_kvm.c - what KVM answers, according to the plan. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/supervised_call.h"

#define RUN_DATA_AT 4096

static int64_t extension_value(const struct kvm_plan *plan, uint64_t capability)
{
    for (int i = 0; i < PLAN_EXTENSIONS && plan->extensions[i].capability; i++)
        if ((uint64_t)plan->extensions[i].capability == capability)
            return plan->extensions[i].value;
    return 1;
}

static int64_t system_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    switch ((uint32_t)call->record.args[0]) {
    case KVM_GET_API_VERSION:
        return s->plan.api_version;
    case KVM_CHECK_EXTENSION:
        return extension_value(&s->plan, call->record.args[1]);
    case KVM_GET_VCPU_MMAP_SIZE:
        return s->plan.run_size;
    case (uint32_t)KVM_CREATE_VM:
        return object_create(call, OBJECT_VM, 0, true);
    case (uint32_t)KVM_GET_SUPPORTED_CPUID:
        return board_cpuid_answer(&s->plan, call);
    default:
        return -ENOTTY;
    }
}

static bool eventfd_is(const struct supervised_call *call, uint32_t fd)
{
    char path[64], target[32] = "";

    snprintf(path, sizeof path, "/proc/%u/fd/%u", call->request->pid, fd);
    return readlink(path, target, sizeof target - 1) > 0 &&
           strcmp(target, "anon_inode:[eventfd]") == 0;
}

static int64_t routing_note(struct call_supervisor *s, struct supervised_call *call)
{
    struct kvm_irq_routing head;
    size_t size;

    if (!subject_read(call, call->record.args[1], &head, sizeof head))
        return -EFAULT;
    size = sizeof head + head.nr * sizeof(struct kvm_irq_routing_entry);
    if (size > sizeof s->scratch.payload)
        return -EINVAL;
    if (!subject_read(call, call->record.args[1], s->scratch.payload, size))
        return -EFAULT;
    call->payload = s->scratch.payload;
    call->record.payload = (uint32_t)size;
    call->record.args[2] = !s->irqfd_known || eventfd_is(call, s->irqfd);
    return 0;
}

/* As KVM does, before it looks at anything else of the structure. */
static int64_t irqfd_note(struct call_supervisor *s, struct supervised_call *call)
{
    char path[64], target[32] = "";

    if (!subject_read(call, call->record.args[1], &s->scratch.irqfd,
                      sizeof s->scratch.irqfd))
        return -EFAULT;
    s->irqfd = s->scratch.irqfd.fd;
    s->irqfd_known = true;
    call->payload = &s->scratch.irqfd;
    call->record.payload = sizeof s->scratch.irqfd;
    snprintf(path, sizeof path, "/proc/%u/fd/%u", call->request->pid, s->scratch.irqfd.fd);
    if (readlink(path, target, sizeof target - 1) < 0)
        return -EBADF;
    return strcmp(target, "anon_inode:[eventfd]") == 0 ? 0 : -EINVAL;
}

static int64_t vm_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    struct kvm_userspace_memory_region *region = &s->scratch.region;
    struct kvm_dirty_log log;

    switch ((uint32_t)call->record.args[0]) {
    case KVM_CHECK_EXTENSION:
        return extension_value(&s->plan, call->record.args[1]);
    case (uint32_t)KVM_CREATE_VCPU:
        return object_create(call, OBJECT_VCPU, RUN_DATA_AT + (size_t)s->plan.run_size,
                             true);
    case (uint32_t)KVM_SET_USER_MEMORY_REGION:
        if (!subject_read(call, call->record.args[1], region, sizeof *region))
            return -EFAULT;
        call->payload = region;
        call->record.payload = sizeof *region;
        return 0;
    case (uint32_t)KVM_GET_DIRTY_LOG:
        if (!subject_read(call, call->record.args[1], &log, sizeof log) ||
            !subject_write(call, (uintptr_t)log.dirty_bitmap, s->plan.dirty,
                           s->plan.dirty_words * sizeof(uint64_t)))
            return -EFAULT;
        call->record.args[2] = log.slot;
        return 0;
    case (uint32_t)KVM_SET_GSI_ROUTING:
        return routing_note(s, call);
    case (uint32_t)KVM_IRQFD:
        return irqfd_note(s, call);
    default:
        return board_vm_ioctl(call, s->scratch.payload);
    }
}

static int64_t vcpu_run_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    struct call_run_state *state = &s->scratch.state;
    const struct object *vcpu = object_of(s, call->record.fd);
    const uint32_t halt_reason = KVM_EXIT_HLT;
    struct plan_exit halt = {.error = 0}, *next = &halt;

    if (pread(vcpu->memory, state->head, sizeof state->head, 0) < 0 ||
        pread(vcpu->memory, state->data, sizeof state->data, RUN_DATA_AT) < 0)
        return -EFAULT;
    call->payload = state;
    call->record.payload = sizeof *state;
    if (state->head[offsetof(struct kvm_run, immediate_exit)])
        return -EINTR;

    memcpy(halt.state.head + offsetof(struct kvm_run, exit_reason), &halt_reason,
           sizeof halt_reason);
    if (s->exits_used < s->plan.exit_count)
        next = &s->exits[s->exits_used++];
    if (next->error)
        return -next->error;
    if (pwrite(vcpu->memory, next->state.head + 8, PLAN_RUN_HEAD - 8, 8) < 0 ||
        pwrite(vcpu->memory, next->state.data, PLAN_RUN_DATA, RUN_DATA_AT) < 0)
        return -EFAULT;
    return 0;
}

int64_t kvm_ioctl(struct call_supervisor *s, struct supervised_call *call)
{
    switch (call->record.object) {
    case OBJECT_KVM:
        return system_ioctl(s, call);
    case OBJECT_VM:
        return vm_ioctl(s, call);
    default:
        return (uint32_t)call->record.args[0] == KVM_RUN
                   ? vcpu_run_ioctl(s, call)
                   : board_vcpu_ioctl(call, s->scratch.payload);
    }
}
