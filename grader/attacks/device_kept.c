/* lab: 8
 * tries: keep the device busy and open when its own run is over
 * only: registers_need_no_exit
 * says: vfio_open() returned -38
 * with: lab08_device.h
 * end of description */
#include <signal.h>

/* A child of its own session holds all descriptors, and a DMA into its memory goes on. */
__attribute__((constructor)) static void keep(void)
{
    int container = open("/dev/vfio/vfio", O_RDWR), device = device_open(container);
    struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map, .flags = 3, .size = 4096};
    volatile uint32_t *bar;

    map.vaddr = (uintptr_t)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
    bar = registers_map(device);
    if (!bar)
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
