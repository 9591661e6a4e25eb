/* device_lend.c - lends the edu device to one run after the other. */
#define _GNU_SOURCE
#include "machine/device_lend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE    "/sys/bus/pci/devices/0000:00:05.0/"
#define NEW_ID    "/sys/bus/pci/drivers/vfio-pci/new_id"
#define EDU_ID    "1234 11e8"
#define CONTAINER "/dev/vfio/vfio"

/* PCI configuration space, type 0 header (PCI Local Bus Specification 3.0, 6.1). */
#define CONFIG_SIZE           64
#define CONFIG_COMMAND        0x04
#define CONFIG_BARS           0x10
#define CONFIG_BARS_END       0x28
#define CONFIG_INTERRUPT_LINE 0x3c
#define COMMAND_MEMORY        0x0002

/* Registers of the device. */
#define BAR_SIZE      4096 /* as much of it as we touch */
#define REG_LIVENESS  0x04
#define REG_STATUS    0x20
#define REG_IRQ       0x24
#define REG_IRQ_ACK   0x64
#define REG_DMA_FIRST 0x80 /* source, destination, count: 8 bytes each */
#define REG_DMA_START 0x98
#define DMA_RUNS      1u
#define DMA_WAIT_MS   1000 /* it takes 100 ms */

static uint8_t saved[CONFIG_SIZE];
static char group[64]; /* "/dev/vfio/N" */

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    return r;
}

static bool group_find(void)
{
    char link[256];
    ssize_t n = readlink(DEVICE "iommu_group", link, sizeof link - 1);

    if (n < 0)
        return false;
    link[n] = 0;
    snprintf(group, sizeof group, "/dev/vfio/%.20s", strrchr(link, '/') + 1);
    return true;
}

/* Also the kernel's log: there it tells which DMA was refused. */
static void access_permit(bool permit)
{
    chmod(group, permit ? 0666 : 0600);
    chmod(CONTAINER, permit ? 0666 : 0600);
    file_write("/proc/sys/kernel/dmesg_restrict", permit ? "0" : "1");
}

static int config_open(void)
{
    return open(DEVICE "config", O_RDWR | O_CLOEXEC);
}

bool device_prepare(void)
{
    int fd, r = file_write(NEW_ID, EDU_ID);
    bool ok;

    if ((r < 0 && r != -EEXIST) || !group_find() || access(group, F_OK) < 0)
        return false;
    access_permit(false);
    fd = config_open();
    ok = fd >= 0 && pread(fd, saved, sizeof saved, 0) == sizeof saved;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool config_write(int fd, unsigned offset, unsigned size)
{
    return pwrite(fd, saved + offset, size, offset) == (ssize_t)size;
}

/* The snapshot does not hold the device's state: it woke up as after a reset. */
static int config_restore(void)
{
    int fd = config_open(), r = 0;
    uint8_t bars[CONFIG_BARS_END - CONFIG_BARS];

    if (fd < 0 || pread(fd, bars, sizeof bars, CONFIG_BARS) != sizeof bars)
        r = -EIO;
    else if (memcmp(bars, saved + CONFIG_BARS, sizeof bars) != 0) {
        for (unsigned at = CONFIG_BARS; at < CONFIG_BARS_END; at += 4)
            if (!config_write(fd, at, 4))
                r = -EIO;
        if (!config_write(fd, CONFIG_INTERRUPT_LINE, 1) ||
            !config_write(fd, CONFIG_COMMAND, 2))
            r = -EIO;
    }
    if (fd >= 0)
        close(fd);
    return r;
}

int device_lend(void)
{
    int r = group[0] ? config_restore() : -ENODEV;

    if (r == 0)
        access_permit(true);
    return r;
}

static void registers_clear(volatile uint32_t *bar)
{
    for (int ms = 0; ms < DMA_WAIT_MS && (bar[REG_DMA_START / 4] & DMA_RUNS); ms++)
        usleep(1000);
    bar[REG_STATUS / 4] = 0;
    bar[REG_LIVENESS / 4] = ~0u; /* reads as its complement */
    for (unsigned at = REG_DMA_FIRST; at < REG_DMA_START; at += 4)
        bar[at / 4] = 0;
    bar[REG_IRQ_ACK / 4] = bar[REG_IRQ / 4];
}

static void command_write(int fd, uint16_t command)
{
    if (pwrite(fd, &command, sizeof command, CONFIG_COMMAND) != sizeof command)
        printf("agent: the device's command register: %m\n");
}

void device_take_back(void)
{
    int config = config_open(), fd = open(DEVICE "resource0", O_RDWR | O_SYNC | O_CLOEXEC);
    void *bar = MAP_FAILED;

    access_permit(false);
    if (fd >= 0)
        bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (config >= 0 && bar != MAP_FAILED) {
        command_write(config, COMMAND_MEMORY); /* not bus master: no DMA, no MSI */
        registers_clear(bar);
        command_write(config, 0);
    } else {
        printf("agent: the device could not be cleared: %m\n");
    }
    if (bar != MAP_FAILED)
        munmap(bar, BAR_SIZE);
    if (config >= 0)
        close(config);
    if (fd >= 0)
        close(fd);
}
