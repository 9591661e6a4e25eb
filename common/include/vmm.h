/* vmm.h - the three objects of a VMM and who owns what.
 *
 *   struct kvm    /dev/kvm itself: one per process        (part 01 fills it)
 *     struct vm     one virtual machine: its memory slots  (part 02) and device buses (03)
 *       struct vcpu   one virtual CPU: its kvm_run page and how it is run (part 03)
 *
 * Each object owns exactly the descriptors and mappings that are named in it. A vm keeps a
 * pointer to its kvm, a vcpu to its vm: destroy them in the opposite order. Guest RAM
 * belongs to whoever made it (guest_ram.h); a slot only refers to it.
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device_bus.h"

#define GUEST_PAGE_SIZE 4096u
#define VM_SLOTS_MAX    16

struct event_trace;

struct kvm {
    int fd;          /* /dev/kvm, or -1 */
    int api_version; /* what KVM_GET_API_VERSION answered: 12 */
    size_t run_size; /* bytes to map for each vCPU (KVM_GET_VCPU_MMAP_SIZE) */
};

/* One memory slot: guest-physical [gpa, gpa + size) is backed by host-virtual
 * [hva, hva + size). size == 0 marks an unused entry. */
struct memory_slot {
    uint64_t gpa;
    uint64_t size;
    uint8_t *hva;
    uint32_t flags; /* MEMORY_SLOT_* of memory_slots.h */
};

struct vm {
    int fd; /* anon_inode:kvm-vm, or -1 */
    struct kvm *kvm;
    struct memory_slot slots[VM_SLOTS_MAX]; /* the index is KVM's slot number */
    struct device_bus pio;                  /* I/O ports */
    struct device_bus mmio;                 /* guest-physical addresses without a slot */
};

/* Exit reasons are small numbers (KVM_EXIT_IO is 2, ...); anything above the last one
 * that we count separately is counted in the last entry. */
#define VCPU_EXIT_REASONS 64

struct vcpu {
    int fd; /* anon_inode:kvm-vcpu:N, or -1 */
    unsigned id;
    struct vm *vm;
    struct kvm_run *run; /* shared with the kernel, run_size bytes, or NULL */
    size_t run_size;

    uint64_t exits[VCPU_EXIT_REASONS]; /* returns of KVM_RUN to user space, by reason */
    uint64_t interrupted;              /* returns of KVM_RUN with EINTR */

    atomic_bool kick_requested; /* set by vcpu_kick(), consumed by vcpu_run() */
    atomic_int thread;          /* tid that is inside vcpu_run(), or 0 */

    struct event_trace *trace; /* where exits are noted, or NULL */
};

#endif
