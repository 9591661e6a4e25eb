/* memory_slots.c - part 02: the guest's physical memory.
 * The contract of every function is in common/include/memory_slots.h. */
#include "memory_slots.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

/* TODO 1: small helpers pay off here. Which questions do several functions ask?
 * "Is this slot number in use?", "which slot holds this address?", "tell KVM". */

int memory_slot_add(struct vm *vm, uint64_t gpa, uint64_t size, void *hva, uint32_t flags)
{
    /* TODO 2: check in the order of the contract, then tell KVM, then note it down. */
    (void)vm, (void)gpa, (void)size, (void)hva, (void)flags;
    return -ENOSYS;
}

int memory_slot_remove(struct vm *vm, int slot)
{
    /* TODO 3: how does KVM know that a slot is to go? */
    (void)vm, (void)slot;
    return -ENOSYS;
}

int memory_slot_log_dirty(struct vm *vm, int slot, bool enable)
{
    /* TODO 4: the same ioctl once more, with one flag changed. */
    (void)vm, (void)slot, (void)enable;
    return -ENOSYS;
}

void *gpa_to_hva(const struct vm *vm, uint64_t gpa, uint64_t length)
{
    /* TODO 5: the guest chooses gpa and length: think of sums that wrap around. */
    (void)vm, (void)gpa, (void)length;
    return NULL;
}

/* TODO 6: reading and writing walk over slots in the same way. Once to see whether it
 * can be done, once to do it? */

int guest_read(const struct vm *vm, uint64_t gpa, void *buffer, uint64_t length)
{
    (void)vm, (void)gpa, (void)buffer, (void)length;
    return -ENOSYS;
}

int guest_write(struct vm *vm, uint64_t gpa, const void *buffer, uint64_t length)
{
    (void)vm, (void)gpa, (void)buffer, (void)length;
    return -ENOSYS;
}

size_t dirty_log_bytes(uint64_t size)
{
    /* TODO 7: pages -> bits -> whole 64-bit words -> bytes. */
    (void)size;
    return 0;
}

int dirty_log_fetch(struct vm *vm, int slot, uint64_t *bitmap, size_t bitmap_bytes)
{
    /* TODO 8: KVM writes as much as it likes: make sure it fits. */
    (void)vm, (void)slot, (void)bitmap, (void)bitmap_bytes;
    return -ENOSYS;
}

ssize_t dirty_log_pages(const struct vm *vm, int slot, const uint64_t *bitmap,
                        uint64_t *gpas, size_t max)
{
    /* TODO 9: bit n of the bitmap is page n of the slot. */
    (void)vm, (void)slot, (void)bitmap, (void)gpas, (void)max;
    return -ENOSYS;
}
