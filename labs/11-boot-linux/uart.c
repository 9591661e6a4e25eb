/* uart.c - part 11, first file: a 16550A on the port bus. The contract is in uart.h. */
#include "uart.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

/* TODO 1: what IIR says now; and how many bytes may wait. */

/* Tells KVM about the line, if it is not as it was told last. */
static void line_update(struct uart *uart)
{
    /* TODO 2: KVM_IRQ_LINE. When is the line up? */
    (void)uart;
}

/* TODO 3: a read of each register that does more than give back what is kept. */

static uint8_t register_read(struct uart *uart, unsigned number)
{
    (void)uart, (void)number;
    return 0;
}

/* TODO 4: a write to each register that does more than keep the byte. */

static void register_write(struct uart *uart, unsigned number, uint8_t value)
{
    (void)uart, (void)number, (void)value;
}

void uart_access(void *owner, const struct bus_access *access)
{
    struct uart *uart = owner;

    pthread_mutex_lock(&uart->lock);
    for (uint32_t i = 0; i < access->size; i++)
        if (access->is_write)
            register_write(uart, (unsigned)access->offset + i, access->data[i]);
        else
            access->data[i] = register_read(uart, (unsigned)access->offset + i);
    line_update(uart);
    pthread_mutex_unlock(&uart->lock);
}

bool uart_receive(struct uart *uart, uint8_t byte)
{
    bool taken;

    pthread_mutex_lock(&uart->lock);
    /* TODO 5: into the FIFO, if there is room. */
    (void)byte;
    taken = false;
    line_update(uart);
    pthread_mutex_unlock(&uart->lock);
    return taken;
}

int uart_init(struct uart *uart, struct vm *vm, uint64_t base, uint32_t gsi)
{
    /* TODO 6: as after a reset; then onto the bus. */
    (void)uart, (void)vm, (void)base, (void)gsi;
    return -ENOSYS;
}
