/* device_bus.c - part 03, first half: who answers a port or an MMIO address.
 * The contract of every function is in common/include/device_bus.h. */
#include "device_bus.h"

#include <errno.h>
#include <string.h>

int device_bus_add(struct device_bus *bus, const struct device *device)
{
    //@begin
    //@ /* TODO 1: refuse what would make a lookup ambiguous. */
    //@ (void)bus, (void)device;
    //@ return -ENOSYS;
    uint64_t last = device->base + device->length - 1;

    if (device->length == 0 || !device->access || last < device->base)
        return -EINVAL;
    for (unsigned i = 0; i < bus->count; i++) {
        const struct device *other = bus->devices[i];

        if (device->base <= other->base + (other->length - 1) && other->base <= last)
            return -EEXIST;
    }
    if (bus->count == DEVICE_BUS_MAX)
        return -ENOSPC;
    bus->devices[bus->count++] = device;
    return 0;
    //@end
}

const struct device *device_bus_find(const struct device_bus *bus, uint64_t address,
                                     uint32_t size)
{
    //@begin
    //@ /* TODO 2: all of the access has to lie inside. */
    //@ (void)bus, (void)address, (void)size;
    //@ return NULL;
    for (unsigned i = 0; i < bus->count; i++) {
        const struct device *device = bus->devices[i];

        if (address >= device->base && size <= device->length &&
            address - device->base <= device->length - size)
            return device;
    }
    return NULL;
    //@end
}

void device_bus_access(struct device_bus *bus, const struct bus_access *access)
{
    //@begin
    //@ /* TODO 3: find the device, tell it the offset; and if there is none? */
    //@ (void)bus, (void)access;
    const struct device *device = device_bus_find(bus, access->address, access->size);
    struct bus_access seen = *access;

    if (device) {
        seen.offset = access->address - device->base;
        device->access(device->owner, &seen);
        return;
    }
    bus->unclaimed++;
    if (!access->is_write)
        memset(access->data, 0xff, access->size);
    //@end
}
