/* uart_watch.c - the console, from the kernel's records of the guest's OUTs. */
#include "judge/uart_watch.h"

#include "linux_vm.h"

#define LCR_PORT (LINUX_UART_PORT + UART_LCR)
#define MCR_PORT (LINUX_UART_PORT + UART_MCR)

bool uart_watch_byte(struct uart_watch *watch, const struct kvm_event *event)
{
    if (!event->write)
        return false;
    if (event->address == LCR_PORT)
        watch->dlab = event->value & UART_LCR_DLAB;
    if (event->address == MCR_PORT)
        watch->loop = event->value & UART_MCR_LOOP;
    return event->address == LINUX_UART_PORT && event->size == 1 && event->count == 1 &&
           !watch->dlab && !watch->loop;
}
