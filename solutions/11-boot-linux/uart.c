/* uart.c - part 11, first file: a 16550A on the port bus. The contract is in uart.h. */
#include "uart.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

//@begin
//@ /* TODO 1: what IIR says now; and how many bytes may wait. */
//@
static unsigned capacity(const struct uart *uart)
{
    return uart->fcr & UART_FCR_ENABLE ? UART_FIFO : 1;
}

static bool byte_take(struct uart *uart, uint8_t byte)
{
    if (uart->count >= capacity(uart))
        return false;
    uart->fifo[(uart->first + uart->count++) % UART_FIFO] = byte;
    return true;
}

static uint8_t byte_give(struct uart *uart)
{
    uint8_t byte;

    if (uart->count == 0)
        return 0;
    byte = uart->fifo[uart->first];
    uart->first = (uart->first + 1) % UART_FIFO;
    uart->count--;
    return byte;
}

static uint8_t reason(const struct uart *uart)
{
    if ((uart->ier & UART_IER_RECEIVED) && uart->count > 0)
        return UART_IIR_RECEIVED;
    if ((uart->ier & UART_IER_EMPTY) && uart->empty_pending)
        return UART_IIR_EMPTY;
    return UART_IIR_NONE;
}

//@end
/* Tells KVM about the line, if it is not as it was told last. */
static void line_update(struct uart *uart)
{
    //@begin
    //@ /* TODO 2: KVM_IRQ_LINE. When is the line up? */
    //@ (void)uart;
    bool up = reason(uart) != UART_IIR_NONE;
    struct kvm_irq_level level = {.irq = uart->gsi, .level = up};

    if (up == uart->line)
        return;
    uart->line = up;
    ioctl(uart->vm_fd, KVM_IRQ_LINE, &level);
    //@end
}

//@begin
//@ /* TODO 3: a read of each register that does more than give back what is kept. */
//@
static uint8_t iir_read(struct uart *uart)
{
    uint8_t now = reason(uart);

    if (now == UART_IIR_EMPTY)
        uart->empty_pending = false;
    return (uint8_t)(now | (uart->fcr & UART_FCR_ENABLE ? UART_IIR_FIFO : 0));
}

static uint8_t msr_read(const struct uart *uart)
{
    const uint8_t mcr = uart->mcr;

    if (!(mcr & UART_MCR_LOOP))
        return UART_MSR_LINE;
    return (uint8_t)((mcr & 0x01) << 5 | (mcr & 0x02) << 3 | (mcr & 0x0c) << 4);
}

//@end
static uint8_t register_read(struct uart *uart, unsigned number)
{
    //@begin
    //@ (void)uart, (void)number;
    //@ return 0;
    const bool dlab = uart->lcr & UART_LCR_DLAB;

    switch (number) {
    case UART_RBR_THR:
        return dlab ? uart->divisor[0] : byte_give(uart);
    case UART_IER:
        return dlab ? uart->divisor[1] : uart->ier;
    case UART_IIR_FCR:
        return iir_read(uart);
    case UART_LCR:
        return uart->lcr;
    case UART_MCR:
        return uart->mcr;
    case UART_LSR:
        return (uint8_t)(UART_LSR_EMPTY | (uart->count ? UART_LSR_DATA : 0));
    case UART_MSR:
        return msr_read(uart);
    default:
        return uart->scr;
    }
    //@end
}

//@begin
//@ /* TODO 4: a write to each register that does more than keep the byte. */
//@
static void thr_write(struct uart *uart, uint8_t byte)
{
    if (uart->mcr & UART_MCR_LOOP)
        byte_take(uart, byte);
    else if (uart->send)
        uart->send(uart->owner, byte);
    uart->empty_pending = true;
}

static void ier_write(struct uart *uart, uint8_t value)
{
    if ((value & UART_IER_EMPTY) && !(uart->ier & UART_IER_EMPTY))
        uart->empty_pending = true;
    uart->ier = value & 0x0f;
}

static void fcr_write(struct uart *uart, uint8_t value)
{
    if ((value & UART_FCR_CLEAR) || ((value ^ uart->fcr) & UART_FCR_ENABLE))
        uart->first = uart->count = 0;
    uart->fcr = value & UART_FCR_ENABLE;
}

//@end
static void register_write(struct uart *uart, unsigned number, uint8_t value)
{
    //@begin
    //@ (void)uart, (void)number, (void)value;
    const bool dlab = uart->lcr & UART_LCR_DLAB;

    switch (number) {
    case UART_RBR_THR:
        if (dlab)
            uart->divisor[0] = value;
        else
            thr_write(uart, value);
        break;
    case UART_IER:
        if (dlab)
            uart->divisor[1] = value;
        else
            ier_write(uart, value);
        break;
    case UART_IIR_FCR:
        fcr_write(uart, value);
        break;
    case UART_LCR:
        uart->lcr = value;
        break;
    case UART_MCR:
        uart->mcr = value & UART_MCR_BITS;
        break;
    case UART_SCR:
        uart->scr = value;
        break;
    default: /* LSR and MSR are the device's to change */
        break;
    }
    //@end
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
    //@begin
    //@ /* TODO 5: into the FIFO, if there is room. */
    //@ (void)byte;
    //@ taken = false;
    taken = byte_take(uart, byte);
    //@end
    line_update(uart);
    pthread_mutex_unlock(&uart->lock);
    return taken;
}

int uart_init(struct uart *uart, struct vm *vm, uint64_t base, uint32_t gsi)
{
    //@begin
    //@ /* TODO 6: as after a reset; then onto the bus. */
    //@ (void)uart, (void)vm, (void)base, (void)gsi;
    //@ return -ENOSYS;
    memset(uart, 0, sizeof *uart);
    pthread_mutex_init(&uart->lock, NULL);
    uart->vm_fd = vm->fd;
    uart->gsi = gsi;
    uart->device = (struct device){.name = "uart",
                                   .base = base,
                                   .length = UART_PORTS,
                                   .owner = uart,
                                   .access = uart_access};
    return device_bus_add(&vm->pio, &uart->device);
    //@end
}
