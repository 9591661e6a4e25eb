/* lab: 6
 * tries: a bitmap that lets every port pass, so that the guest's accesses reach the emulator's
 * own doors: e9h prints, 8900h breaks into the debugger and ends the run, 92h and cf9h reset
 * whole: yes
 * says: which belongs to no passed device: the CPU was not given this bitmap
 * end of description */
#include <string.h>

#include "io_bitmap.h"

void io_bitmap_init(struct io_bitmap *bitmap)
{
    memset(bitmap, 0, sizeof *bitmap);
}

int io_bitmap_pass(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    (void)first, (void)count;
    io_bitmap_init(bitmap);
    return 0;
}

int io_bitmap_intercept(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    return io_bitmap_pass(bitmap, first, count);
}

bool io_access_exits(const struct io_controls *controls, uint16_t port, unsigned size)
{
    (void)controls, (void)port, (void)size;
    return false;
}

void io_bitmap_merge(struct io_bitmap *merged, const struct io_controls *parties,
                     size_t count)
{
    (void)parties, (void)count;
    io_bitmap_init(merged);
}

int io_bitmap_assign(struct io_bitmap *bitmap, const struct io_device *devices,
                     size_t count, struct io_conflict *conflict)
{
    (void)devices, (void)count, (void)conflict;
    io_bitmap_init(bitmap);
    return 0;
}
