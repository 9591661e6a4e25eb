/* board.h - contract of part 11, third file: what a PC has beside processor, memory and devices.
 *
 *             +-------+   INTR   +---------+       +----------+ <- GSI 4  (the UART)
 *    vCPU <---| local |<---------| I/O APIC|<------|  routing | <- GSI 11 (a PCI device)
 *             | APIC  |          +---------+       |  in KVM  |
 *             |       |<-- 8259 PIC (twice) <------|          |
 *             +-------+   GSI 0 <- 8254 PIT        +----------+
 *
 * KVM has all of these in the kernel (KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2): an interrupt costs
 * no exit to the VMM. A guest's HLT does not come to the VMM any more either: KVM waits
 * itself until there is an interrupt.
 *
 * Source: Documentation/virt/kvm/api.rst of Linux, 4.20 (KVM_GET_SUPPORTED_CPUID is 4.46), 4.24
 * (KVM_CREATE_IRQCHIP), 4.35, 4.71 (KVM_CREATE_PIT2), 4.59 (KVM_SET_TSS_ADDR); SDM 2A, CPUID. */
#ifndef BOARD_H
#define BOARD_H

#include "vmm.h"

/* Three pages that KVM on Intel needs for itself, where no memory is. */
#define BOARD_TSS_GPA 0xfffbd000ull

/* Makes, in this order: the TSS address, the interrupt controllers, the timer (a struct
 * kvm_pit_config with KVM_PIT_SPEAKER_DUMMY: port 61h is the kernel's, too). They are the VM's:
 * before its first vCPU, or KVM refuses. Returns 0 or -errno of the first that failed. */
int board_create(struct vm *vm);

/* Leaf 1:  EBX  31      24 23      16 15       8 7        0
 *              +----------+----------+----------+----------+
 *              | APIC ID  |  logical |  CLFLUSH |  brand   |
 *              +----------+----------+----------+----------+
 *          ECX  bit 31 hypervisor present, bit 24 TSC deadline timer
 * Leaves 0Bh and 1Fh: EDX is the x2APIC ID, in every subleaf. */
#define CPUID_HYPERVISOR   (1u << 31)
#define CPUID_TSC_DEADLINE (1u << 24)

/* Tells KVM what CPUID answers on this vCPU: what KVM supports (KVM_GET_SUPPORTED_CPUID on
 * /dev/kvm), but with the vCPU's own number as APIC ID and x2APIC ID, one logical processor
 * (EBX 23:16 of leaf 1), "hypervisor present", and the TSC deadline timer exactly if the VM has
 * KVM_CAP_TSC_DEADLINE_TIMER. (KVM does not say so by itself: that depends on
 * KVM_CREATE_IRQCHIP.) All other bits stay. KVM answers E2BIG while there is not enough room
 * for all leaves: begin with BOARD_CPUID_FIRST entries, and double.
 * Returns 0, -ENOMEM, or -errno. */
#define BOARD_CPUID_FIRST 32u
#define BOARD_CPUID_MAX   4096u /* -E2BIG where even these are too few */
int board_cpuid(struct vcpu *vcpu);

#endif
