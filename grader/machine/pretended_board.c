/* pretended_board.c - what the pretended KVM answers about a PC's board: interrupt controllers,
 * timer, lines, CPUID, registers. */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "machine/supervised_call.h"

/* Copies the structure of an ioctl into the log. */
static int64_t structure_keep(struct supervised_call *call, void *payload, size_t size)
{
    if (!subject_read(call, call->record.args[1], payload, size))
        return -EFAULT;
    call->payload = payload;
    call->record.payload = (uint32_t)size;
    return 0;
}

int64_t board_vm_ioctl(struct supervised_call *call, void *payload)
{
    switch ((uint32_t)call->record.args[0]) {
    case KVM_SET_TSS_ADDR: /* the argument is the address */
    case KVM_CREATE_IRQCHIP:
        return 0;
    case (uint32_t)KVM_CREATE_PIT2:
        return structure_keep(call, payload, sizeof(struct kvm_pit_config));
    case (uint32_t)KVM_IRQ_LINE:
        return structure_keep(call, payload, sizeof(struct kvm_irq_level));
    default:
        return -ENOTTY;
    }
}

/* The plan's entries, then as many that mean nothing as it takes to have cpuid_count. */
static struct kvm_cpuid_entry2 cpuid_entry(const struct kvm_plan *plan, uint32_t n)
{
    if (n < PLAN_CPUID)
        return plan->cpuid[n];
    return (struct kvm_cpuid_entry2){.function = 0x80000100u + n, .eax = n, .edx = ~n};
}

int64_t board_cpuid_answer(const struct kvm_plan *plan, struct supervised_call *call)
{
    const uint64_t at = call->record.args[1];
    struct kvm_cpuid2 head;

    if (!subject_read(call, at, &head, sizeof head))
        return -EFAULT;
    call->record.args[2] = head.nent;
    if (head.nent < plan->cpuid_count)
        return -E2BIG;
    for (uint32_t n = 0; n < plan->cpuid_count; n++) {
        const struct kvm_cpuid_entry2 entry = cpuid_entry(plan, n);

        if (!subject_write(call, at + sizeof head + n * sizeof entry, &entry, sizeof entry))
            return -EFAULT;
    }
    head.nent = plan->cpuid_count;
    return subject_write(call, at, &head, sizeof head) ? 0 : -EFAULT;
}

static int64_t cpuid_keep(struct supervised_call *call, void *payload)
{
    struct kvm_cpuid2 head;
    size_t size;

    if (!subject_read(call, call->record.args[1], &head, sizeof head))
        return -EFAULT;
    size = sizeof head + (size_t)head.nent * sizeof(struct kvm_cpuid_entry2);
    return size > PLAN_PAYLOAD ? -E2BIG : structure_keep(call, payload, size);
}

/* A vCPU's registers as they might be: nothing in them is what PVH asks for. */
static int64_t sregs_answer(struct supervised_call *call)
{
    struct kvm_sregs sregs = {.cr0 = 0xe0000010u,
                              .cr2 = 0x1234000,
                              .cr3 = 0x5000,
                              .cr4 = 0x20,
                              .efer = 0x500,
                              .apic_base = 0xfee00900u,
                              .gdt = {.base = 0x7000, .limit = 0x37},
                              .idt = {.base = 0x8000, .limit = 0xfff}};

    memset(&sregs.cs, 0x11, sizeof sregs.cs);
    memset(&sregs.tr, 0x22, sizeof sregs.tr);
    return subject_write(call, call->record.args[1], &sregs, sizeof sregs) ? 0 : -EFAULT;
}

int64_t board_vcpu_ioctl(struct supervised_call *call, void *payload)
{
    switch ((uint32_t)call->record.args[0]) {
    case (uint32_t)KVM_SET_CPUID2:
        return cpuid_keep(call, payload);
    case (uint32_t)KVM_GET_SREGS:
        return sregs_answer(call);
    case (uint32_t)KVM_SET_SREGS:
        return structure_keep(call, payload, sizeof(struct kvm_sregs));
    case (uint32_t)KVM_SET_REGS:
        return structure_keep(call, payload, sizeof(struct kvm_regs));
    default:
        return -ENOTTY;
    }
}
