/* guest_ram.c - memory for guests: a memfd, so that it can be seen from outside. */
#define _GNU_SOURCE
#include "guest_ram.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int guest_ram_create(struct guest_ram *ram, const char *name, size_t size)
{
    char label[64];
    int error;

    *ram = (struct guest_ram){.fd = -1};
    snprintf(label, sizeof label, "guest-%s", name);
    int fd = memfd_create(label, MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0)
        goto fail;
    void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (hva == MAP_FAILED)
        goto fail;
    *ram = (struct guest_ram){.fd = fd, .hva = hva, .size = size};
    return 0;
fail:
    error = errno;
    close(fd);
    return -error;
}

void guest_ram_destroy(struct guest_ram *ram)
{
    if (ram->hva)
        munmap(ram->hva, ram->size);
    if (ram->fd >= 0)
        close(ram->fd);
    *ram = (struct guest_ram){.fd = -1};
}
