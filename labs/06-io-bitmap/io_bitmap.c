/* io_bitmap.c - part 06, first half: which I/O ports the guest drives itself.
 * The contract of every function is in common/include/io_bitmap.h. */
#include "io_bitmap.h"

#include <errno.h>
#include <string.h>

#include "vmx.h"

/* TODO 1: small helpers pay off here. Which byte and which bit belong to a port? Is a
 * range of ports one that exists? Several functions ask. */

void io_bitmap_init(struct io_bitmap *bitmap)
{
    /* TODO 2: what does a bit that is 1 mean? */
    (void)bitmap;
}

int io_bitmap_pass(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    /* TODO 3: check the whole range, then change bits. */
    (void)bitmap, (void)first, (void)count;
    return -ENOSYS;
}

int io_bitmap_intercept(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    (void)bitmap, (void)first, (void)count;
    return -ENOSYS;
}

bool io_access_exits(const struct io_controls *controls, uint16_t port, unsigned size)
{
    /* TODO 4: the controls first; then every port that the access touches. */
    (void)controls, (void)port, (void)size;
    return false;
}

void io_bitmap_merge(struct io_bitmap *merged, const struct io_controls *parties,
                     size_t count)
{
    /* TODO 5: one party that says "exit" is enough. merged may be one of the bitmaps that
     * you still have to read. */
    (void)merged, (void)parties, (void)count;
}

/* TODO 6: what does "these two devices cannot both be there" mean, as a function? */

int io_bitmap_assign(struct io_bitmap *bitmap, const struct io_device *devices,
                     size_t count, struct io_conflict *conflict)
{
    /* TODO 7: look at all devices before you touch the bitmap. */
    (void)bitmap, (void)devices, (void)count, (void)conflict;
    return -ENOSYS;
}
