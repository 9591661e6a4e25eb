/* dma_buffer.c - a buffer whose pages are mapped for a device one by one (dma_demand.h). */
#include <errno.h>

#include "dma_demand.h"

int dma_buffer_map(struct dma_buffer *buffer, unsigned first, unsigned count)
{
    if (count == 0 || first >= buffer->pages || count > buffer->pages - first)
        return -EINVAL;
    for (unsigned n = first; n < first + count; n++)
        if (buffer->mapped >> n & 1)
            return -EEXIST;
    for (unsigned n = first; n < first + count; n++) {
        int r = buffer->engine->map(buffer->engine->owner, buffer->iova + n * VTD_PAGE,
                                    buffer->hva + n * VTD_PAGE, VTD_PAGE, buffer->rights);

        if (r < 0) {
            if (n > first)
                dma_buffer_unmap(buffer, first, n - first);
            return r;
        }
        buffer->mapped |= 1ull << n;
    }
    return 0;
}

int dma_buffer_unmap(struct dma_buffer *buffer, unsigned first, unsigned count)
{
    int result = 0;

    if (count == 0 || first >= buffer->pages || count > buffer->pages - first)
        return -EINVAL;
    for (unsigned n = first; n < first + count; n++) {
        int r;

        if (!(buffer->mapped >> n & 1))
            continue;
        r = buffer->engine->unmap(buffer->engine->owner, buffer->iova + n * VTD_PAGE,
                                  VTD_PAGE);
        if (r == 0)
            buffer->mapped &= ~(1ull << n);
        else if (result == 0)
            result = r;
    }
    return result;
}
