/* cpu_state.h - the registers of a vCPU, and what stands in a descriptor; for code that does by
 * hand what a processor does (part 04).
 *
 * Source: Intel SDM 3A 3.4.2 (selectors), 3.4.5 (descriptors), 6.14.1 (64-bit gates).
 */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "vmm.h"

/* All that INT and IRET read and write, in KVM's own form. */
struct cpu_state {
    struct kvm_regs regs;
    struct kvm_sregs sregs;
};

/* KVM_GET_REGS and KVM_GET_SREGS; the same with SET. 0 or -errno. */
int cpu_state_get(const struct vcpu *vcpu, struct cpu_state *cpu);
int cpu_state_set(const struct vcpu *vcpu, const struct cpu_state *cpu);

/* A selector: bits 1:0 requested privilege level, bit 2 table (1: LDT), 15:3 index. */
static inline unsigned selector_rpl(uint16_t selector)
{
    return selector & 3;
}

/* Bits 63:47 are all equal. */
static inline bool address_canonical(uint64_t address)
{
    return (int64_t)address >> 47 == 0 || (int64_t)address >> 47 == -1;
}

/* The segment register as it would be after loading the selector from the GDT; nothing is
 * checked. Where the GDT has no such descriptor (the selector's table bit is set, or not all 8
 * bytes lie within the limit), or selector's index is 0: a segment with s = 0, which is
 * neither code nor data. Returns 0, or -EFAULT: the GDT is in no memory. */
int segment_read(const struct vm *vm, const struct kvm_sregs *sregs, uint16_t selector,
                 struct kvm_segment *segment);

/* A segment register that holds a null selector: its dpl is the selector's RPL. */
struct kvm_segment segment_null(uint16_t selector);

/* Code, also if it is only half good; for 64-bit mode; data that can be written. */
bool segment_is_code(const struct kvm_segment *segment);
bool segment_is_conforming(const struct kvm_segment *segment); /* of code */
bool segment_is_64bit(const struct kvm_segment *segment);      /* of code: L = 1, D = 0 */
bool segment_is_writable(const struct kvm_segment *segment);   /* data, and writable */

#endif
