/* guest_ram.h - a piece of memory that can be lent to a guest. */
#ifndef GUEST_RAM_H
#define GUEST_RAM_H

#include <stddef.h>
#include <stdint.h>

/* Anonymous, page-aligned and shared, so that it can be looked at from outside under its
 * name (/proc/PID/fd shows memfd:guest-NAME). The object owns descriptor and mapping. */
struct guest_ram {
    int fd;
    uint8_t *hva;
    size_t size; /* bytes */
};

/* Makes `size` bytes of zeroed memory. Returns 0 or -errno. */
int guest_ram_create(struct guest_ram *ram, const char *name, size_t size);

/* Unmaps and closes; forgiving, as all destroyers here. No slot may refer to it any more. */
void guest_ram_destroy(struct guest_ram *ram);

#endif
