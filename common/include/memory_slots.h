/* memory_slots.h - contract of part 02: the guest's physical memory.
 *
 * The guest believes in a physical address space that starts at 0. It is made of slots:
 * each maps a range of guest-physical addresses (GPA) to memory of the VMM's process
 * (HVA). An access outside all slots is no fault: KVM hands it to the VMM as MMIO.
 *
 *   GPA 0          1 MiB               HVA
 *    +--------------+   slot 0   +--------------+
 *    |  guest RAM   | ---------> |  our mmap    |
 *    +--------------+            +--------------+
 *    |     hole     |  no slot: MMIO exit
 *    +--------------+   slot 1   +--------------+
 *    |     ROM      | ---------> |  our mmap    |  read-only: writes are MMIO exits
 *    +--------------+            +--------------+
 *
 * vm->slots mirrors what KVM was told: an entry is in use exactly if KVM has that slot.
 * A function that fails changes neither. What the other fields of an unused entry hold (size == 0)
 * does not matter.
 *
 * Source: Documentation/virt/kvm/api.rst of Linux, 4.35 (KVM_SET_USER_MEMORY_REGION) and
 * 4.8 (KVM_GET_DIRTY_LOG).
 */
#ifndef MEMORY_SLOTS_H
#define MEMORY_SLOTS_H

#include <sys/types.h>

#include "vmm.h"

#define MEMORY_SLOT_LOG_DIRTY                                                              \
    ((uint32_t)KVM_MEM_LOG_DIRTY_PAGES) /* note which pages were written */
#define MEMORY_SLOT_READONLY                                                               \
    ((uint32_t)KVM_MEM_READONLY) /* a guest write is an MMIO exit */

/* Physical addresses have at most 52 bits (SDM 3A 4.1.4): a slot must end at or below
 * this. */
#define GPA_LIMIT (1ull << 52)

/* Adds a slot in the lowest free entry and tells KVM about it. gpa, size (bytes) and hva
 * are multiples of GUEST_PAGE_SIZE.
 * Returns the slot number (0 to VM_SLOTS_MAX - 1), or
 *   -EINVAL  size is 0; gpa, size or hva is not page-aligned; hva is NULL; a flag that is
 *            not one of MEMORY_SLOT_*; the range passes GPA_LIMIT or wraps around
 *   -EEXIST  the range shares a page with a slot in use (touching ends are no overlap)
 *   -ENOSPC  all VM_SLOTS_MAX entries are in use
 *   -errno   of the ioctl; EINTR and EAGAIN too: no call of this part is tried again
 * Several may apply: they are checked in this order. */
int memory_slot_add(struct vm *vm, uint64_t gpa, uint64_t size, void *hva, uint32_t flags);

/* Removes a slot (KVM: the same slot number with memory_size 0). The memory behind it stays
 * with its owner. Returns 0, -ENOENT (no such slot in use), or -errno of the ioctl. */
int memory_slot_remove(struct vm *vm, int slot);

/* Switches dirty logging of a slot on or off; its other flags stay. KVM is not called where
 * nothing would change. Returns 0, -ENOENT, or -errno of the ioctl. */
int memory_slot_log_dirty(struct vm *vm, int slot, bool enable);

/* Where the VMM can touch guest-physical [gpa, gpa + length): a host pointer, or NULL if
 * any byte of it lies outside one single slot, if length is 0, or if the sum wraps. */
void *gpa_to_hva(const struct vm *vm, uint64_t gpa, uint64_t length);

/* Copies length bytes out of / into guest memory. Slots that touch may be crossed.
 * All or nothing: -EFAULT if any byte has no slot (or the range wraps), and for writes
 * -EROFS if any byte lies in a read-only slot; nothing has been copied then. If both
 * apply: -EFAULT. length 0 is fine. Returns 0 on success. */
int guest_read(const struct vm *vm, uint64_t gpa, void *buffer, uint64_t length);
int guest_write(struct vm *vm, uint64_t gpa, const void *buffer, uint64_t length);

/* Bytes that KVM_GET_DIRTY_LOG writes for a slot of `size` bytes: one bit a page, rounded
 * up to whole 64-bit words, however small the slot. */
size_t dirty_log_bytes(uint64_t size);

/* Fetches the slot's dirty bitmap and clears it in the kernel. bitmap has room for
 * bitmap_bytes. Returns 0, or -ENOENT (no such slot), -EINVAL (the slot does not log, or
 * bitmap_bytes < dirty_log_bytes(slot size): KVM would write past the end), or -errno. */
int dirty_log_fetch(struct vm *vm, int slot, uint64_t *bitmap, size_t bitmap_bytes);

/* Turns a fetched bitmap into the addresses of dirty pages, ascending, at most max of them.
 * Returns how many pages are dirty (which may be more than max; the rest is not stored),
 * or -ENOENT. Bits past the end of the slot do not count. */
ssize_t dirty_log_pages(const struct vm *vm, int slot, const uint64_t *bitmap,
                        uint64_t *gpas, size_t max);

#endif
