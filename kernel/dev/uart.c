/* The 16550 serial port (National Semiconductor PC16550D data sheet; section numbers refer to it).
 *
 * Sending: bytes go into a ring; transmit_pump() moves them to the port's 16-byte FIFO whenever
 * that is empty, and by the "transmitter empty" interrupt. Nobody waits here: who finds the ring
 * full is told how much was taken and hears from client->room() later. Only the kernel's log waits
 * for the port, because it must work with interrupts off and while the kernel dies.
 *
 * Receiving: the handler empties the port's FIFO and hands each byte to the client.
 *
 * Invariant: once a client is attached, INTERRUPT_SEND is on exactly while the ring holds something
 * or somebody was refused, so that the handler comes to call client->room().
 */
#include "dev/uart.h"

#include "arch/irq.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "proc/spinlock.h"

/* Registers (8.0); the divisor ones appear while LINE_DIVISOR is set. */
#define REG_DATA             (UART0 + 0)
#define REG_INTERRUPT_ENABLE (UART0 + 1)
#define REG_INTERRUPT_ID     (UART0 + 2) /* read */
#define REG_FIFO             (UART0 + 2) /* write */
#define REG_LINE_CONTROL     (UART0 + 3)
#define REG_MODEM_CONTROL    (UART0 + 4)
#define REG_LINE_STATUS      (UART0 + 5)
#define REG_DIVISOR_LOW      (UART0 + 0)
#define REG_DIVISOR_HIGH     (UART0 + 1)

#define INTERRUPT_RECEIVE   0x01 /* 8.7 */
#define INTERRUPT_SEND      0x02
#define FIFO_ON_AND_CLEARED 0x07 /* 8.5; interrupt at the first byte received */
#define LINE_8_BITS         0x03 /* 8.1; no parity, one stop bit */
#define LINE_DIVISOR        0x80
#define MODEM_DTR_RTS_OUT2  0x0b /* 8.8; OUT2 gates the interrupt on some boards */
#define STATUS_DATA_READY   0x01 /* 8.4 */
#define STATUS_OVERRUN      0x02
#define STATUS_ERRORS       0x1c /* parity, framing, break */
#define STATUS_SEND_EMPTY   0x20

/* The virt machine's port is clocked with 3.6864 MHz: 3686400 / 16 / 115200. */
#define DIVISOR_115200 2
#define SEND_FIFO_SIZE 16
#define RING_SIZE      4096u /* a power of two */

/* Status reads that uart_write_sync() spends on one byte: 16 bytes at 115200 baud take 1.4 ms. */
#define SYNC_SPINS 1000000

static struct {
    struct spinlock lock;
    char ring[RING_SIZE];
    /* [lock] next to send, next free; free-running, so the difference is the fill. */
    uint32_t head, tail;
    bool refused;                     /* [lock] somebody was turned away since the ring was full */
    bool attached;                    /* [lock] */
    const struct uart_client *client; /* [I] once attached */
    struct uart_counters counters;    /* receive: interrupt handler only; send_timeouts: [lock] */
} uart = {.lock = SPINLOCK_INITIALIZER("uart")};

/* Reading the status clears its error bits (8.4), so they are counted wherever it is read. */
static uint8_t line_status(void)
{
    uint8_t status = mmio_read8(REG_LINE_STATUS);

    if (status & STATUS_OVERRUN)
        __atomic_fetch_add(&uart.counters.receive_overruns, 1, __ATOMIC_RELAXED);
    if (status & STATUS_ERRORS)
        __atomic_fetch_add(&uart.counters.receive_errors, 1, __ATOMIC_RELAXED);
    return status;
}

/* The steps of a 16550: speed while the divisor is visible, then the frame, then the FIFOs;
 * interrupts stay off until somebody wants them. */
void uart_init(void)
{
    mmio_write8(REG_INTERRUPT_ENABLE, 0);
    mmio_write8(REG_LINE_CONTROL, LINE_DIVISOR);
    mmio_write8(REG_DIVISOR_LOW, DIVISOR_115200);
    mmio_write8(REG_DIVISOR_HIGH, 0);
    mmio_write8(REG_LINE_CONTROL, LINE_8_BITS);
    mmio_write8(REG_FIFO, FIFO_ON_AND_CLEARED);
    mmio_write8(REG_MODEM_CONTROL, MODEM_DTR_RTS_OUT2);
}

/* Lock held for both. The indices run freely and wrap together at 2^32, a multiple of the size. */
static uint32_t ring_free(void) { return RING_SIZE - (uart.tail - uart.head); }
static void ring_push(char c) { uart.ring[uart.tail++ % RING_SIZE] = c; }

/* Lock held. Gives the port what it takes without waiting: an empty FIFO takes SEND_FIFO_SIZE bytes
 * (8.5). */
static void transmit_pump(void)
{
    while (uart.head != uart.tail && line_status() & STATUS_SEND_EMPTY) {
        for (int n = 0; n < SEND_FIFO_SIZE && uart.head != uart.tail; n++)
            mmio_write8(REG_DATA, (uint8_t)uart.ring[uart.head++ % RING_SIZE]);
    }
    if (uart.attached) {
        uint8_t send = uart.head != uart.tail || uart.refused ? INTERRUPT_SEND : 0;
        mmio_write8(REG_INTERRUPT_ENABLE, INTERRUPT_RECEIVE | send);
    }
}

/* Lock held. Puts as many bytes into the ring as fit; returns how many. */
static size_t ring_fill(const char *bytes, size_t n)
{
    size_t taken = 0;

    for (; taken < n; taken++) {
        bool newline = bytes[taken] == '\n';
        if (ring_free() < (newline ? 2 : 1))
            break;
        if (newline)
            ring_push('\r');
        ring_push(bytes[taken]);
    }
    return taken;
}

size_t uart_queue(const char *bytes, size_t n)
{
    size_t taken = 0, more;

    spinlock_acquire(&uart.lock);
    do { /* again, as long as the port takes something out of the ring */
        more = ring_fill(bytes + taken, n - taken);
        taken += more;
        uart.refused |= taken < n;
        transmit_pump();
    } while (taken < n && more > 0);
    spinlock_release(&uart.lock);
    return taken;
}

/* Two places, since a newline takes two. Who is told that there is none will be told when there is,
 * as if he had tried. */
bool uart_has_room(void)
{
    spinlock_acquire(&uart.lock);
    bool room = ring_free() >= 2;
    if (!room)
        uart.refused = true;
    spinlock_release(&uart.lock);
    return room;
}

/* Waits until the port takes a byte; false if it never does. */
static bool wait_until_empty(void)
{
    for (int spins = 0; spins < SYNC_SPINS; spins++) {
        if (line_status() & STATUS_SEND_EMPTY)
            return true;
    }
    uart.counters.send_timeouts++;
    return false;
}

/* Lock held, or none that could be taken. False: the port is dead, and the rest need not be
 * tried. */
static bool send_sync(char c)
{
    if (!wait_until_empty())
        return false;
    mmio_write8(REG_DATA, (uint8_t)c);
    return true;
}

static bool send_text_sync(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' && !send_sync('\r'))
            return false;
        if (!send_sync(text[i]))
            return false;
    }
    return true;
}

void uart_write_sync(const char *text, size_t length)
{
    /* A panic inside this driver finds the lock taken by its own hart. */
    interrupts_disable();
    bool nested = spinlock_held(&uart.lock);
    if (!nested)
        spinlock_acquire(&uart.lock);

    bool alive = true;
    while (alive && uart.head != uart.tail)
        alive = send_sync(uart.ring[uart.head++ % RING_SIZE]);
    if (alive)
        send_text_sync(text, length);

    if (!nested)
        spinlock_release(&uart.lock);
    interrupts_restore();
}

/* Reading the interrupt id acknowledges the "transmitter empty" interrupt (8.6); reading the data,
 * the other one. One call at a time, so nobody else reads the data register. */
static void uart_interrupt(void *argument)
{
    (void)argument;
    (void)mmio_read8(REG_INTERRUPT_ID);
    while (line_status() & STATUS_DATA_READY)
        uart.client->receive((char)mmio_read8(REG_DATA));

    spinlock_acquire(&uart.lock);
    transmit_pump();
    /* Half empty before anybody is woken: else each byte sent would wake the writer for one byte
     * more. */
    bool tell = uart.refused && ring_free() >= RING_SIZE / 2;
    if (tell)
        uart.refused = false;
    spinlock_release(&uart.lock);
    if (tell)
        uart.client->room();
}

/* The client is set before the handler can run, and interrupts come on last. */
int uart_attach(const struct uart_client *client)
{
    uart.client = client;
    int error = irq_register(UART0_IRQ, uart_interrupt, NULL);
    if (error)
        return error;

    spinlock_acquire(&uart.lock);
    uart.attached = true;
    transmit_pump(); /* turns the interrupts on */
    spinlock_release(&uart.lock);
    return 0;
}

const struct uart_counters *uart_get_counters(void) { return &uart.counters; }
