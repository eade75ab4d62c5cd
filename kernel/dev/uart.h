/* The serial port: a 16550 with its FIFOs on. Bytes in, bytes out; what lines are is the console's
 * business (dev/console.h), which is this driver's only user. */
#ifndef DEV_UART_H
#define DEV_UART_H

#include "lib/types.h"

/* Sets the port up with its interrupts off: from here on uart_write_sync() works. Boot hart, once.
 */
void uart_init(void);

/* What the interrupt handler calls, no lock held. */
struct uart_client {
    void (*receive)(char c); /* a byte has come in */
    void (*room)(void);      /* uart_queue() takes bytes again, after it has refused some */
};

/* Registers the interrupt handler and lets interrupts come. After irq_init(). 0 or irq_register's
 * error. */
int uart_attach(const struct uart_client *client);

/* Queues bytes for sending, each newline as carriage return and newline, and starts sending.
 * Returns how many of them it took: fewer than n when the queue is full. Any context. */
size_t uart_queue(const char *bytes, size_t n);
bool uart_has_room(void); /* uart_queue() would take a byte now */

/* For the kernel's log: sends everything queued and then the text, before it returns. Any context,
 * any lock held, this driver's own too. Waits for the port, for a bounded time, and drops what a
 * dead port does not take. */
void uart_write_sync(const char *text, size_t length);

struct uart_counters {
    uint64_t receive_overruns; /* bytes lost in the port: it was not read in time */
    uint64_t receive_errors;   /* parity, framing, break */
    uint64_t send_timeouts;    /* uart_write_sync() gave up */
};
const struct uart_counters *uart_get_counters(void);

#endif
