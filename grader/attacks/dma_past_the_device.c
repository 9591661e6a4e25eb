/* lab: 8
 * tries: take the machine down with a DMA that the device cannot do
 * only: dma_moves_both_ways
 * says: your DMA of 5000 bytes at 0x40000 runs past the device's buffer
 * says: vfio_open() returned -38
 * (From version 10 on, QEMU leaves such a transfer out and goes on: what is seen then is the starter.)
 * with: lab08_device.h
 * end of description */

__attribute__((constructor)) static void past(void)
{
    int container = open("/dev/vfio/vfio", O_RDWR), device = device_open(container);
    volatile uint32_t *bar = registers_map(device);

    if (!bar)
        return;
    bar[0x88 / 4] = 0x40000;
    bar[0x90 / 4] = 5000;
    bar[0x98 / 4] = 1;
    sleep(2);
}
