/* cpu_state.c - registers of a vCPU, descriptors in the form of segment registers. */
#include "cpu_state.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "memory_slots.h"

/* Of a descriptor's type (SDM 3A table 3-1) */
#define TYPE_CODE       8u
#define TYPE_CONFORMING 4u /* of code */
#define TYPE_WRITABLE   2u /* of data */

#define SELECTOR_LDT 4u

int cpu_state_get(const struct vcpu *vcpu, struct cpu_state *cpu)
{
    if (ioctl(vcpu->fd, KVM_GET_REGS, &cpu->regs) < 0 ||
        ioctl(vcpu->fd, KVM_GET_SREGS, &cpu->sregs) < 0)
        return -errno;
    return 0;
}

int cpu_state_set(const struct vcpu *vcpu, const struct cpu_state *cpu)
{
    if (ioctl(vcpu->fd, KVM_SET_SREGS, &cpu->sregs) < 0 ||
        ioctl(vcpu->fd, KVM_SET_REGS, &cpu->regs) < 0)
        return -errno;
    return 0;
}

/* See the drawing in x86.h. */
static struct kvm_segment segment_decode(uint16_t selector, uint64_t d)
{
    struct kvm_segment segment = {
        .selector = selector,
        .base = (d >> 16 & 0xffffff) | (d >> 56 & 0xff) << 24,
        .limit = (uint32_t)((d & 0xffff) | (d >> 48 & 0xf) << 16),
        .type = d >> 40 & 0xf,
        .s = d >> 44 & 1,
        .dpl = d >> 45 & 3,
        .present = d >> 47 & 1,
        .avl = d >> 52 & 1,
        .l = d >> 53 & 1,
        .db = d >> 54 & 1,
        .g = d >> 55 & 1,
    };

    if (segment.g)
        segment.limit = segment.limit << 12 | 0xfff;
    return segment;
}

int segment_read(const struct vm *vm, const struct kvm_sregs *sregs, uint16_t selector,
                 struct kvm_segment *segment)
{
    const unsigned at = selector & 0xfff8u;
    uint64_t descriptor;

    *segment = (struct kvm_segment){.selector = selector};
    if (at == 0 || (selector & SELECTOR_LDT) || at + 7 > sregs->gdt.limit)
        return 0;
    if (guest_read(vm, sregs->gdt.base + at, &descriptor, sizeof descriptor) < 0)
        return -EFAULT;
    *segment = segment_decode(selector, descriptor);
    return 0;
}

struct kvm_segment segment_null(uint16_t selector)
{
    return (struct kvm_segment){
        .selector = selector, .dpl = (uint8_t)selector_rpl(selector), .unusable = 1};
}

bool segment_is_code(const struct kvm_segment *segment)
{
    return segment->s && (segment->type & TYPE_CODE);
}

bool segment_is_conforming(const struct kvm_segment *segment)
{
    return segment->type & TYPE_CONFORMING;
}

bool segment_is_64bit(const struct kvm_segment *segment)
{
    return segment->l && !segment->db;
}

bool segment_is_writable(const struct kvm_segment *segment)
{
    return segment->s && !(segment->type & TYPE_CODE) && (segment->type & TYPE_WRITABLE);
}
