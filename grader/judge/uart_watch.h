/* uart_watch.h - which of a guest's port accesses put a byte on the serial line. */
#ifndef UART_WATCH_H
#define UART_WATCH_H

#include <stdbool.h>

#include "judge/trace.h"

/* What the guest has said in registers that change what the first port is. */
struct uart_watch {
    bool dlab, loop;
};

/* To be called with every EVENT_PIO of a run, in order. True: it is such a byte. */
bool uart_watch_byte(struct uart_watch *watch, const struct kvm_event *event);

#endif
