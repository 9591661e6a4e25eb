/* lab08_device.h - takes the device of lab 08 without the part's help, for attacks that misuse it. */
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

static int device_open(int container)
{
    int group = group_open();

    ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:00:05.0");
}

/* The registers of a device that may access memory; NULL without it. */
static volatile uint32_t *registers_map(int device)
{
    const uint16_t command = 6; /* memory space, bus master */
    void *bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);

    if (bar == MAP_FAILED || pwrite(device, &command, 2, (7ll << 40) + 4) != 2)
        return NULL;
    return bar;
}
