/* lab: 8 9
 * tries: have the core take the device, which is the work of lab 08
 * says: undefined reference to `dma_device_open'
 * end of description */
#include "dma_device.h"

__attribute__((constructor)) static void borrow(void)
{
    static struct dma_device device;

    dma_device_open(&device);
}
