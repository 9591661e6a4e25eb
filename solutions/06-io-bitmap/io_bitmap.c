/* io_bitmap.c - part 06, first half: which I/O ports the guest drives itself.
 * The contract of every function is in common/include/io_bitmap.h. */
#include "io_bitmap.h"

#include <errno.h>
#include <string.h>

#include "vmx.h"

//@begin
//@ /* TODO 1: small helpers pay off here. Which byte and which bit belong to a port? Is a
//@  * range of ports one that exists? Several functions ask. */
//@
#define PORTS_A 0x8000u /* ports in bitmap A */

static const uint8_t *port_byte(const struct io_bitmap *bitmap, uint32_t port)
{
    return port < PORTS_A ? &bitmap->a[port / 8] : &bitmap->b[(port - PORTS_A) / 8];
}

static bool port_exits(const struct io_bitmap *bitmap, uint32_t port)
{
    return *port_byte(bitmap, port) >> (port % 8) & 1;
}

static void port_set(struct io_bitmap *bitmap, uint32_t port, bool exits)
{
    uint8_t *byte = (uint8_t *)port_byte(bitmap, port);
    const uint8_t bit = (uint8_t)(1u << (port % 8));

    *byte = (uint8_t)(exits ? *byte | bit : *byte & ~bit);
}

/* 0, -EINVAL or -ERANGE. Subtracting cannot wrap where adding can. */
static int range_check(uint32_t first, uint32_t count)
{
    if (count == 0)
        return -EINVAL;
    if (first >= IO_PORTS || count > IO_PORTS - first)
        return -ERANGE;
    return 0;
}

static int range_set(struct io_bitmap *bitmap, uint32_t first, uint32_t count, bool exits)
{
    int r = range_check(first, count);

    for (uint32_t i = 0; r == 0 && i < count; i++)
        port_set(bitmap, first + i, exits);
    return r;
}

//@end
void io_bitmap_init(struct io_bitmap *bitmap)
{
    //@begin
    //@ /* TODO 2: what does a bit that is 1 mean? */
    //@ (void)bitmap;
    memset(bitmap, 0xff, sizeof *bitmap);
    //@end
}

int io_bitmap_pass(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    //@begin
    //@ /* TODO 3: check the whole range, then change bits. */
    //@ (void)bitmap, (void)first, (void)count;
    //@ return -ENOSYS;
    return range_set(bitmap, first, count, false);
    //@end
}

int io_bitmap_intercept(struct io_bitmap *bitmap, uint32_t first, uint32_t count)
{
    //@begin
    //@ (void)bitmap, (void)first, (void)count;
    //@ return -ENOSYS;
    return range_set(bitmap, first, count, true);
    //@end
}

bool io_access_exits(const struct io_controls *controls, uint16_t port, unsigned size)
{
    //@begin
    //@ /* TODO 4: the controls first; then every port that the access touches. */
    //@ (void)controls, (void)port, (void)size;
    //@ return false;
    if (!(controls->primary & PRIMARY_USE_IO_BITMAPS))
        return controls->primary & PRIMARY_UNCONDITIONAL_IO_EXITING;
    if (port + size > IO_PORTS)
        return true;
    for (unsigned i = 0; i < size; i++)
        if (port_exits(controls->bitmap, port + i))
            return true;
    return false;
    //@end
}

void io_bitmap_merge(struct io_bitmap *merged, const struct io_controls *parties,
                     size_t count)
{
    //@begin
    //@ /* TODO 5: one party that says "exit" is enough. merged may be one of the bitmaps that
    //@  * you still have to read. */
    //@ (void)merged, (void)parties, (void)count;
    for (uint32_t port = 0; port < IO_PORTS; port++) {
        bool exits = count == 0;

        for (size_t i = 0; i < count; i++)
            if (io_access_exits(&parties[i], (uint16_t)port, 1))
                exits = true;
        port_set(merged, port, exits);
    }
    //@end
}

//@begin
//@ /* TODO 6: what does "these two devices cannot both be there" mean, as a function? */
//@
/* The lowest port that both have, or IO_PORTS. Both ranges are good ones. */
static uint32_t common_port(const struct io_device *x, const struct io_device *y)
{
    const uint32_t low = x->first > y->first ? x->first : y->first;

    return low < x->first + x->count && low < y->first + y->count ? low : IO_PORTS;
}

/* Can device i be added to those before it? 0 or the error, with what is wrong. */
static int device_check(const struct io_device *devices, size_t i,
                        struct io_conflict *wrong)
{
    const struct io_device *device = &devices[i];
    int r = range_check(device->first, device->count);

    *wrong = (struct io_conflict){.device = i, .with = i, .port = device->first};
    for (size_t j = 0; r == 0 && j < i; j++) {
        if (device->kind == IO_DEVICE_EMULATED && devices[j].kind == IO_DEVICE_EMULATED)
            continue;
        wrong->with = j;
        wrong->port = common_port(device, &devices[j]);
        if (wrong->port != IO_PORTS)
            r = -EBUSY;
    }
    return r;
}

//@end
int io_bitmap_assign(struct io_bitmap *bitmap, const struct io_device *devices,
                     size_t count, struct io_conflict *conflict)
{
    //@begin
    //@ /* TODO 7: look at all devices before you touch the bitmap. */
    //@ (void)bitmap, (void)devices, (void)count, (void)conflict;
    //@ return -ENOSYS;
    for (size_t i = 0; i < count; i++) {
        struct io_conflict wrong;
        int r = device_check(devices, i, &wrong);

        if (r < 0 && conflict)
            *conflict = wrong;
        if (r < 0)
            return r;
    }
    io_bitmap_init(bitmap);
    for (size_t i = 0; i < count; i++)
        if (devices[i].kind == IO_DEVICE_PASSED)
            range_set(bitmap, devices[i].first, devices[i].count, false);
    return 0;
    //@end
}
