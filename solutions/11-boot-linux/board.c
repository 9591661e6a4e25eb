/* board.c - part 11, third file: interrupt controllers, timer, CPUID. The contract is in
 * board.h. */
#include "board.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

int board_create(struct vm *vm)
{
    //@begin
    //@ /* TODO 1: three calls; the order matters. */
    //@ (void)vm;
    //@ return -ENOSYS;
    const struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};

    if (ioctl(vm->fd, KVM_SET_TSS_ADDR, BOARD_TSS_GPA) < 0 ||
        ioctl(vm->fd, KVM_CREATE_IRQCHIP) < 0 || ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
        return -errno;
    return 0;
    //@end
}

//@begin
//@ /* TODO 2: all that KVM supports, whatever number of entries that takes. */
//@
static int cpuid_fetch(int kvm_fd, struct kvm_cpuid2 **cpuid)
{
    for (uint32_t room = BOARD_CPUID_FIRST; room <= BOARD_CPUID_MAX; room *= 2) {
        struct kvm_cpuid2 *list =
            calloc(1, sizeof *list + room * sizeof(struct kvm_cpuid_entry2));
        int error;

        if (!list)
            return -ENOMEM;
        list->nent = room;
        *cpuid = list;
        if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, list) == 0)
            return 0;
        error = errno;
        free(list);
        if (error != E2BIG)
            return -error;
    }
    return -E2BIG;
}

/* TODO 3: what is this vCPU's own. */
static void entry_fit(struct kvm_cpuid_entry2 *entry, unsigned id, bool deadline)
{
    switch (entry->function) {
    case 1:
        entry->ebx = (entry->ebx & 0xffff) | 1u << 16 | id << 24;
        entry->ecx &= ~CPUID_TSC_DEADLINE;
        entry->ecx |= CPUID_HYPERVISOR | (deadline ? CPUID_TSC_DEADLINE : 0);
        break;
    case 0x0b:
    case 0x1f:
        entry->edx = id;
        break;
    default:
        break;
    }
}

//@end
int board_cpuid(struct vcpu *vcpu)
{
    //@begin
    //@ (void)vcpu;
    //@ return -ENOSYS;
    bool deadline =
        ioctl(vcpu->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    struct kvm_cpuid2 *cpuid;
    int r = cpuid_fetch(vcpu->vm->kvm->fd, &cpuid);

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < cpuid->nent; i++)
        entry_fit(&cpuid->entries[i], vcpu->id, deadline);
    r = ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0 ? -errno : 0;
    free(cpuid);
    return r;
    //@end
}
