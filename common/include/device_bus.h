/* device_bus.h - contract of part 03, first half: who answers an I/O port or an MMIO
 * address.
 *
 * A device is a range and a function. A bus is a short list of devices that do not
 * overlap. There are two buses in a VM: I/O ports (PIO) and memory-mapped I/O (MMIO).
 */
#ifndef DEVICE_BUS_H
#define DEVICE_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_BUS_MAX 16

/* One access, as the device sees it. */
struct bus_access {
    uint64_t address; /* the first byte, as on the bus */
    uint64_t offset;  /* the same, from the device's base */
    uint32_t size;    /* bytes: 1, 2 or 4 on the PIO bus; 1 to 8 on the MMIO bus */
    bool is_write;
    uint8_t *data; /* size bytes, little endian: read them (write) or fill them (read) */
};

struct device {
    const char *name;
    uint64_t base;
    uint64_t length; /* bytes, or ports */
    void *owner;     /* handed to access() */
    void (*access)(void *owner, const struct bus_access *access);
};

struct device_bus {
    const struct device *devices[DEVICE_BUS_MAX];
    unsigned count;
    uint64_t unclaimed; /* accesses that no device answered */
};

/* Puts a device on the bus; the device stays the caller's and must outlive the bus.
 * Returns 0, -EINVAL (length 0, no access function, or the range wraps), -EEXIST (overlaps
 * a device that is there), -ENOSPC (DEVICE_BUS_MAX devices). Checked in this order. */
int device_bus_add(struct device_bus *bus, const struct device *device);

/* The device whose range holds all of [address, address + size), or NULL. size is at least 1:
 * an access touches something. address + size may be past 2^64. */
const struct device *device_bus_find(const struct device_bus *bus, uint64_t address,
                                     uint32_t size);

/* Performs one access: calls the device with offset filled in. Where no device holds the
 * whole access, a read fills data with ones (an empty bus floats high), a write is dropped,
 * and `unclaimed` counts up. access->offset is ignored on the way in. */
void device_bus_access(struct device_bus *bus, const struct bus_access *access);

#endif
