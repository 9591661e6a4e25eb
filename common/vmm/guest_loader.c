/* guest_loader.c - what firmware and a boot loader would have done for the guest. */
#include "guest_loader.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "memory_slots.h"
#include "x86.h"

#define CPUID_ENTRIES_MAX 256

static int page_tables_write(struct vm *vm)
{
    struct guest_page_tables tables;

    guest_page_tables_make(&tables);
    return guest_write(vm, GUEST_PML4_GPA, &tables, sizeof tables);
}

static int gdt_write(struct vm *vm, enum guest_mode mode)
{
    uint64_t gdt[GUEST_GDT_ENTRIES];

    guest_gdt_make(gdt, mode);
    return guest_write(vm, GUEST_GDT_GPA, gdt, sizeof gdt);
}

/* Flat segments: the hidden parts of CS, DS, ... as if loaded from the GDT. */
static void segments_set_flat(struct kvm_sregs *sregs, enum guest_mode mode)
{
    struct kvm_segment code = {
        .limit = 0xffffffff,
        .selector = SELECTOR_CODE,
        .type = 11,
        .present = 1,
        .s = 1,
        .g = 1,
        .db = mode == GUEST_PROTECTED32,
        .l = mode == GUEST_LONG64,
    };
    struct kvm_segment data = code;

    data.selector = SELECTOR_DATA;
    data.type = 3;
    data.db = 1;
    data.l = 0;
    sregs->cs = code;
    sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
    sregs->gdt.base = GUEST_GDT_GPA;
    sregs->gdt.limit = GUEST_GDT_ENTRIES * 8 - 1;
    sregs->cr0 |= CR0_PE;
}

/* Real mode: a segment's base is 16 times its selector. */
static void segments_set_real(struct kvm_sregs *sregs)
{
    sregs->cs.selector = GUEST_LOAD_GPA >> 4;
    sregs->cs.base = GUEST_LOAD_GPA;
    sregs->ds.selector = sregs->es.selector = sregs->ss.selector = 0;
    sregs->ds.base = sregs->es.base = sregs->ss.base = 0;
}

/* A vCPU starts without any CPU features, and KVM then refuses long mode's registers. */
static int vcpu_features_set(const struct vcpu *vcpu)
{
    struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX];
    } cpuid = {.head = {.nent = CPUID_ENTRIES_MAX}};

    if (ioctl(vcpu->vm->kvm->fd, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ||
        ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid) < 0)
        return -errno;
    return 0;
}

static int vcpu_registers_set(struct vcpu *vcpu, enum guest_mode mode)
{
    struct kvm_regs regs = {
        .rip = mode == GUEST_REAL16 ? 0 : GUEST_LOAD_GPA,
        .rsp = GUEST_STACK_GPA,
        .rflags = RFLAGS_RESERVED,
    };
    struct kvm_sregs sregs;

    if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
        return -errno;
    if (mode == GUEST_REAL16)
        segments_set_real(&sregs);
    else
        segments_set_flat(&sregs, mode);
    if (mode == GUEST_LONG64) {
        sregs.cr3 = GUEST_PML4_GPA;
        sregs.cr4 |= CR4_PAE;
        sregs.cr0 |= CR0_PG;
        sregs.efer |= EFER_LME | EFER_LMA;
    }
    if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
        return -errno;
    if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
        return -errno;
    return 0;
}

int guest_load(struct vcpu *vcpu, const void *image, size_t size, enum guest_mode mode)
{
    struct vm *vm = vcpu->vm;
    int r;

    if (mode != GUEST_REAL16 && mode != GUEST_PROTECTED32 && mode != GUEST_LONG64)
        return -EINVAL;
    r = guest_write(vm, GUEST_LOAD_GPA, image, size);
    if (r == 0 && mode != GUEST_REAL16)
        r = gdt_write(vm, mode);
    if (r == 0 && mode == GUEST_LONG64)
        r = page_tables_write(vm);
    if (r == 0 && mode == GUEST_LONG64)
        r = vcpu_features_set(vcpu);
    if (r == 0)
        r = vcpu_registers_set(vcpu, mode);
    return r;
}
