/* uart.h - contract of part 11, first file: a serial port, as every PC has had it since 1987.
 *
 * A 16550A is eight ports and one interrupt line. What a kernel prints on its console goes
 * through it byte by byte: each is one OUT, so one VM exit, and one call of uart_access().
 *
 *   offset  read                          write                          with DLAB (LCR bit 7)
 *     0     RBR: the next byte received   THR: a byte to send            divisor, low byte
 *     1     IER: which interrupts         IER: the lower four bits       divisor, high byte
 *     2     IIR: why is the line up?      FCR: FIFO on/off, clear        (as without)
 *     3     LCR: line control             LCR                            (as without)
 *     4     MCR: modem control            MCR                            (as without)
 *     5     LSR: line status              ignored                        (as without)
 *     6     MSR: modem status             ignored                        (as without)
 *     7     SCR: scratch, any byte        SCR                            (as without)
 *
 * Nothing here takes time: a byte that is written to THR is sent at once, and THR is empty
 * again. The divisor (the speed) and the line's parameters are kept, and mean nothing.
 *
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers). */
#ifndef UART_H
#define UART_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm.h"

#define UART_PORTS 8u
#define UART_FIFO  16u /* bytes that wait to be read, with the FIFO on; 1 with it off */

#define UART_RBR_THR 0u
#define UART_IER     1u
#define UART_IIR_FCR 2u
#define UART_LCR     3u
#define UART_MCR     4u
#define UART_LSR     5u
#define UART_MSR     6u
#define UART_SCR     7u

#define UART_IER_RECEIVED 0x01u /* interrupt while there is a byte to be read */
#define UART_IER_EMPTY    0x02u /* interrupt when THR has become empty */

/* IIR. Bits 7 and 6 say that the FIFO is on. Of two reasons the one with priority is named:
 *
 *    7  6  5  4  3  2  1  0
 *   +--+--+-----+--------+--+
 *   | FIFO|  0  | reason | 1|   1: no interrupt. 0: reason 010 = byte received (priority),
 *   +--+--+-----+--------+--+                              001 = THR empty                 */
#define UART_IIR_NONE     0x01u
#define UART_IIR_EMPTY    0x02u
#define UART_IIR_RECEIVED 0x04u
#define UART_IIR_FIFO     0xc0u

#define UART_FCR_ENABLE 0x01u /* a change of this bit empties the FIFO */
#define UART_FCR_CLEAR  0x02u /* empties it, and is not kept */

#define UART_LCR_DLAB 0x80u

/* In loop-back mode the outputs of MCR are the inputs of MSR, and what is sent is received:
 *
 *   MCR  bit 0 DTR -> bit 5 DSR  MSR      MCR  bit 2 OUT1 -> bit 6 RI   MSR
 *        bit 1 RTS -> bit 4 CTS                bit 3 OUT2 -> bit 7 DCD            */
#define UART_MCR_LOOP 0x10u
#define UART_MCR_BITS 0x1fu /* the others read as 0 */
#define UART_MSR_LINE 0xb0u /* not in loop-back mode: DCD, DSR, CTS: somebody is there */

#define UART_LSR_DATA  0x01u /* there is a byte to be read */
#define UART_LSR_EMPTY 0x60u /* THR and what is behind it are empty: always */

struct uart {
    struct device device;
    pthread_mutex_t lock; /* vCPU and console are two threads */
    int vm_fd;
    uint32_t gsi;
    bool line; /* as KVM was told last */

    uint8_t ier, fcr, lcr, mcr, scr, divisor[2];
    bool empty_pending; /* THR has become empty, and IIR has not said so yet */
    uint8_t fifo[UART_FIFO];
    unsigned first, count; /* bytes wait at first, first + 1, ... modulo UART_FIFO */

    void (*send)(void *owner, uint8_t byte); /* where bytes go; may be NULL */
    void *owner;
};

/* The state after a reset: all registers 0, nothing received, line down. The device is put on
 * vm->pio, UART_PORTS ports from base on. The uart stays the caller's. Returns 0 or what
 * device_bus_add() returned. */
int uart_init(struct uart *uart, struct vm *vm, uint64_t base, uint32_t gsi);

/* The device's access function (owner: the uart). An access of several bytes is as many of
 * one, lowest port first.
 *
 *   - The line is up exactly while IIR names a reason; after each access KVM is told
 *     (KVM_IRQ_LINE on the VM: gsi, level), but only if that has changed.
 *   - THR becomes empty: when a byte is written to it, in loop-back mode too; and when
 *     UART_IER_EMPTY is switched on (it is empty then, and was not said to be). Reading IIR takes
 *     that back, but only if it is the reason that IIR named.
 *   - A byte in loop-back mode goes into the own FIFO, and not to send(); where there is no
 *     room it is lost. */
void uart_access(void *owner, const struct bus_access *access);

/* A byte from outside, from any thread. False if there is no room: it was not taken, try again
 * later. Tells KVM about the line as above. */
bool uart_receive(struct uart *uart, uint8_t byte);

#endif
