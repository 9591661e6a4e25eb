/* memory_slots.c - part 02: the guest's physical memory.
 * The contract of every function is in common/include/memory_slots.h. */
#include "memory_slots.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

//@begin
//@ /* TODO 1: small helpers pay off here. Which questions do several functions ask?
//@  * "Is this slot number in use?", "which slot holds this address?", "tell KVM". */
//@
#define FLAGS_KNOWN (MEMORY_SLOT_LOG_DIRTY | MEMORY_SLOT_READONLY)

static bool page_aligned(uint64_t value)
{
    return value % GUEST_PAGE_SIZE == 0;
}

static bool slot_in_use(const struct vm *vm, int slot)
{
    return slot >= 0 && slot < VM_SLOTS_MAX && vm->slots[slot].size != 0;
}

/* Both ranges are known not to wrap. */
static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* Tells KVM and, if KVM agrees, our mirror. size 0 removes the slot. */
static int slot_set(struct vm *vm, int slot, const struct memory_slot *wanted)
{
    struct kvm_userspace_memory_region region = {
        .slot = (uint32_t)slot,
        .flags = wanted->flags,
        .guest_phys_addr = wanted->gpa,
        .memory_size = wanted->size,
        .userspace_addr = (uintptr_t)wanted->hva,
    };

    if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return -errno;
    vm->slots[slot] = *wanted;
    return 0;
}

static bool slot_overlaps_any(const struct vm *vm, uint64_t gpa, uint64_t size)
{
    for (int i = 0; i < VM_SLOTS_MAX; i++)
        if (slot_in_use(vm, i) &&
            ranges_overlap(gpa, size, vm->slots[i].gpa, vm->slots[i].size))
            return true;
    return false;
}

static int slot_find_free(const struct vm *vm)
{
    for (int i = 0; i < VM_SLOTS_MAX; i++)
        if (!slot_in_use(vm, i))
            return i;
    return -ENOSPC;
}

/* The slot that holds gpa, or NULL. Subtracting cannot wrap where adding can. */
static const struct memory_slot *slot_holding(const struct vm *vm, uint64_t gpa)
{
    for (int i = 0; i < VM_SLOTS_MAX; i++)
        if (slot_in_use(vm, i) && gpa >= vm->slots[i].gpa &&
            gpa - vm->slots[i].gpa < vm->slots[i].size)
            return &vm->slots[i];
    return NULL;
}

//@end
int memory_slot_add(struct vm *vm, uint64_t gpa, uint64_t size, void *hva, uint32_t flags)
{
    //@begin
    //@ /* TODO 2: check in the order of the contract, then tell KVM, then note it down. */
    //@ (void)vm, (void)gpa, (void)size, (void)hva, (void)flags;
    //@ return -ENOSYS;
    const struct memory_slot wanted = {
        .gpa = gpa, .size = size, .hva = hva, .flags = flags};
    int slot, r;

    if (size == 0 || !hva || (flags & ~FLAGS_KNOWN) != 0)
        return -EINVAL;
    if (!page_aligned(gpa) || !page_aligned(size) || !page_aligned((uintptr_t)hva))
        return -EINVAL;
    if (gpa >= GPA_LIMIT || size > GPA_LIMIT - gpa)
        return -EINVAL;
    if (slot_overlaps_any(vm, gpa, size))
        return -EEXIST;
    slot = slot_find_free(vm);
    if (slot < 0)
        return slot;
    r = slot_set(vm, slot, &wanted);
    return r < 0 ? r : slot;
    //@end
}

int memory_slot_remove(struct vm *vm, int slot)
{
    //@begin
    //@ /* TODO 3: how does KVM know that a slot is to go? */
    //@ (void)vm, (void)slot;
    //@ return -ENOSYS;
    struct memory_slot none = {0};

    if (!slot_in_use(vm, slot))
        return -ENOENT;
    return slot_set(vm, slot, &none);
    //@end
}

int memory_slot_log_dirty(struct vm *vm, int slot, bool enable)
{
    //@begin
    //@ /* TODO 4: the same ioctl once more, with one flag changed. */
    //@ (void)vm, (void)slot, (void)enable;
    //@ return -ENOSYS;
    struct memory_slot wanted;

    if (!slot_in_use(vm, slot))
        return -ENOENT;
    wanted = vm->slots[slot];
    if (enable)
        wanted.flags |= MEMORY_SLOT_LOG_DIRTY;
    else
        wanted.flags &= ~MEMORY_SLOT_LOG_DIRTY;
    if (wanted.flags == vm->slots[slot].flags)
        return 0;
    return slot_set(vm, slot, &wanted);
    //@end
}

void *gpa_to_hva(const struct vm *vm, uint64_t gpa, uint64_t length)
{
    //@begin
    //@ /* TODO 5: the guest chooses gpa and length: think of sums that wrap around. */
    //@ (void)vm, (void)gpa, (void)length;
    //@ return NULL;
    const struct memory_slot *slot = slot_holding(vm, gpa);

    if (!slot || length == 0 || length > slot->size - (gpa - slot->gpa))
        return NULL;
    return slot->hva + (gpa - slot->gpa);
    //@end
}

//@begin
//@ /* TODO 6: reading and writing walk over slots in the same way. Once to see whether it
//@  * can be done, once to do it? */
//@
/* How many bytes from gpa on lie in one slot, at most length. */
static uint64_t run_in_slot(const struct memory_slot *slot, uint64_t gpa, uint64_t length)
{
    uint64_t rest = slot->size - (gpa - slot->gpa);

    return length < rest ? length : rest;
}

/* Can all of [gpa, gpa + length) be accessed? 0, -EFAULT or -EROFS. */
static int guest_range_check(const struct vm *vm, uint64_t gpa, uint64_t length, bool write)
{
    bool readonly = false;

    while (length > 0) {
        const struct memory_slot *slot = slot_holding(vm, gpa);

        if (!slot)
            return -EFAULT;
        if (slot->flags & MEMORY_SLOT_READONLY)
            readonly = true;
        uint64_t run = run_in_slot(slot, gpa, length);
        gpa += run; /* stays below GPA_LIMIT, where no slot is */
        length -= run;
    }
    return write && readonly ? -EROFS : 0;
}

//@end
int guest_read(const struct vm *vm, uint64_t gpa, void *buffer, uint64_t length)
{
    //@begin
    //@ (void)vm, (void)gpa, (void)buffer, (void)length;
    //@ return -ENOSYS;
    uint8_t *out = buffer;
    int r = guest_range_check(vm, gpa, length, false);

    while (r == 0 && length > 0) {
        const struct memory_slot *slot = slot_holding(vm, gpa);
        uint64_t run = run_in_slot(slot, gpa, length);

        memcpy(out, slot->hva + (gpa - slot->gpa), run);
        out += run;
        gpa += run;
        length -= run;
    }
    return r;
    //@end
}

int guest_write(struct vm *vm, uint64_t gpa, const void *buffer, uint64_t length)
{
    //@begin
    //@ (void)vm, (void)gpa, (void)buffer, (void)length;
    //@ return -ENOSYS;
    const uint8_t *in = buffer;
    int r = guest_range_check(vm, gpa, length, true);

    while (r == 0 && length > 0) {
        const struct memory_slot *slot = slot_holding(vm, gpa);
        uint64_t run = run_in_slot(slot, gpa, length);

        memcpy(slot->hva + (gpa - slot->gpa), in, run);
        in += run;
        gpa += run;
        length -= run;
    }
    return r;
    //@end
}

size_t dirty_log_bytes(uint64_t size)
{
    //@begin
    //@ /* TODO 7: pages -> bits -> whole 64-bit words -> bytes. */
    //@ (void)size;
    //@ return 0;
    uint64_t pages = size / GUEST_PAGE_SIZE;

    return (size_t)((pages + 63) / 64 * 8);
    //@end
}

int dirty_log_fetch(struct vm *vm, int slot, uint64_t *bitmap, size_t bitmap_bytes)
{
    //@begin
    //@ /* TODO 8: KVM writes as much as it likes: make sure it fits. */
    //@ (void)vm, (void)slot, (void)bitmap, (void)bitmap_bytes;
    //@ return -ENOSYS;
    struct kvm_dirty_log log = {.slot = (uint32_t)slot, .dirty_bitmap = bitmap};

    if (!slot_in_use(vm, slot))
        return -ENOENT;
    if (!(vm->slots[slot].flags & MEMORY_SLOT_LOG_DIRTY) ||
        bitmap_bytes < dirty_log_bytes(vm->slots[slot].size))
        return -EINVAL;
    if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log) < 0)
        return -errno;
    return 0;
    //@end
}

ssize_t dirty_log_pages(const struct vm *vm, int slot, const uint64_t *bitmap,
                        uint64_t *gpas, size_t max)
{
    //@begin
    //@ /* TODO 9: bit n of the bitmap is page n of the slot. */
    //@ (void)vm, (void)slot, (void)bitmap, (void)gpas, (void)max;
    //@ return -ENOSYS;
    uint64_t pages;
    size_t found = 0;

    if (!slot_in_use(vm, slot))
        return -ENOENT;
    pages = vm->slots[slot].size / GUEST_PAGE_SIZE;
    for (uint64_t page = 0; page < pages; page++) {
        if (!(bitmap[page / 64] >> (page % 64) & 1))
            continue;
        if (found < max)
            gpas[found] = vm->slots[slot].gpa + page * GUEST_PAGE_SIZE;
        found++;
    }
    return (ssize_t)found;
    //@end
}
