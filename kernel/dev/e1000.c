/* Driver for Intel's 8254x Ethernet controllers, as a netdev: finding, starting, stopping and
 * recovering them. Registers are the business of e1000_hw.c, frames that of e1000_rx.c and
 * e1000_tx.c.
 *
 * Probing silences the device, reads its address and reserves the rings' memory. Each open resets
 * it and sets it up from the start, in the order of chapter 14 of the 8254x manual; each stop
 * resets it, which is what makes it let go of the rings. So the driver recovers from an error of
 * the device by a stop and an open, with the frames that wait kept.
 *
 * The interrupt handler reads the cause register once, which clears it and drops the line
 * (13.4.17), and then acts on what it saw, if it is `wanted`: what the mask lets through, or is
 * about to. The causes stay latched while they are masked; those that a poll has dealt with are
 * cleared by a read before the mask is opened, so that they raise no second interrupt. What is read
 * there and was not dealt with has the caller poll again.
 *
 * Every access costs as much as some hundred instructions, so a wake-up has five: the causes, the mask
 * shut, the tail of what is sent, the causes, the mask opened.
 */
#include "dev/e1000.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "dev/e1000_internal.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "mm/kalloc.h"

/* QEMU's socket back end takes 68 KiB from its peer at once: some 640 frames of 64 bytes of payload. They fit
 * into the room that one write of the tail makes (e1000_rx.c). */
#define RX_RING_SIZE 1024u
#define TX_RING_SIZE 256u
#define MTU_DEFAULT  1500u

_Static_assert(sizeof(struct e1000) <= PAGE_SIZE, "a device's record is one page");

/* --- starting and stopping; all under `life` --- */

/* Stops the device and frees the mbufs in its rings; frames that wait stay. If it does not confirm
 * the reset, it is cut off from memory: then it is out of use, but the mbufs are ours all the same.
 */
static int device_halt(struct e1000 *nic)
{
    e1000_tx_halt(nic);
    __atomic_store_n(&nic->wanted, 0, __ATOMIC_RELAXED);
    int error = e1000_reset(nic);
    if (error) {
        pci_disable(nic->function);
        nic->dev.broken = true;
    }
    e1000_rx_empty(nic);
    e1000_tx_empty(nic);
    return error;
}

/* In the order of 14.3 to 14.5: reset, modes and addresses, rings, transmission, reception,
 * interrupts. */
static int device_start(struct e1000 *nic)
{
    int error = e1000_reset(nic);
    if (error)
        return error;
    e1000_configure(nic);
    e1000_tx_start(nic);
    error = e1000_rx_start(nic);
    if (error) {
        kprintf("%s: cannot start, error %d\n", nic->dev.name, error);
        return error;
    }
    e1000_transmit_enable(nic);
    e1000_receive_enable(nic);
    e1000_tx_run(nic);
    /* Last of all; those of received frames are irq_on's. */
    e1000_want(nic, E1000_INTERRUPT_LSC);
    e1000_write(nic, E1000_IMS, E1000_INTERRUPT_LSC);
    netdev_set_link(&nic->dev, e1000_link_is_up(nic));
    return 0;
}

static int e1000_open(struct netdev *dev)
{
    struct e1000 *nic = dev->driver;
    sleeplock_acquire(&nic->life);
    int error = dev->broken ? -EIO : device_start(nic);
    sleeplock_release(&nic->life);
    return error;
}

static void e1000_stop(struct netdev *dev)
{
    struct e1000 *nic = dev->driver;
    sleeplock_acquire(&nic->life);
    device_halt(nic);
    e1000_tx_drop_waiting(nic);
    sleeplock_release(&nic->life);
}

/* While the device is down there is nothing to do: device_start() looks at the flags. */
static int e1000_set_receive_mode(struct netdev *dev)
{
    struct e1000 *nic = dev->driver;
    sleeplock_acquire(&nic->life);
    if (nic->tx.running)
        e1000_receive_enable(nic);
    sleeplock_release(&nic->life);
    return 0;
}

/* --- recovery --- */

void e1000_request_attention(struct e1000 *nic)
{
    __atomic_store_n(&nic->attention, true, __ATOMIC_RELEASE);
    netdev_schedule(&nic->dev);
}

/* What the device holds is lost, what waits is sent after the new start. */
static void device_recover(struct e1000 *nic)
{
    kprintf("%s: reset after an error of the device\n", nic->dev.name);
    nic->dev.counters.restarts++;
    e1000_tx_set_recovering(nic, true);
    int error = device_halt(nic);
    if (!error)
        error = device_start(nic);
    e1000_tx_set_recovering(nic, false);
    if (!error)
        return;
    kprintf("%s: given up\n", nic->dev.name);
    /* Want of memory is no fault of the device's: it may be taken down and up again. */
    if (error != -ENOMEM)
        nic->dev.broken = true;
    netdev_set_link(&nic->dev, false);
    e1000_tx_drop_waiting(nic);
}

void e1000_attend(struct e1000 *nic)
{
    sleeplock_acquire(&nic->life);
    /* First the flag, then the look: what happens in between sets it again. */
    __atomic_store_n(&nic->attention, nic->unwired, __ATOMIC_SEQ_CST);
    if (nic->tx.running) {
        if (e1000_is_gone(nic) || e1000_tx_has_stalled(nic))
            device_recover(nic);
        else
            netdev_set_link(&nic->dev, e1000_link_is_up(nic));
    }
    sleeplock_release(&nic->life);
}

/* --- polling and interrupts --- */

/* Before the causes are read or the mask is opened: who reads them from here on acts on these. */
void e1000_want(struct e1000 *nic, uint32_t causes)
{
    __atomic_fetch_or(&nic->wanted, causes, __ATOMIC_RELAXED);
    device_barrier();
}

void e1000_unwant(struct e1000 *nic, uint32_t causes)
{
    __atomic_fetch_and(&nic->wanted, ~causes, __ATOMIC_RELAXED);
    e1000_write(nic, E1000_IMC, causes);
}

/* Reads and clears the causes; those that are wanted. All ones: the device is gone, which the poll thread
 * finds out when it looks at the link. */
static uint32_t causes_take(struct e1000 *nic)
{
    uint32_t causes = e1000_read(nic, E1000_ICR);
    causes &= __atomic_load_n(&nic->wanted, __ATOMIC_RELAXED);
    if (causes & E1000_INTERRUPT_LSC)
        __atomic_store_n(&nic->attention, true, __ATOMIC_RELEASE);
    return causes;
}

/* Frames that the stack sends while it is handed the received ones go out with one doorbell at the
 * end. */
static int e1000_poll(struct netdev *dev, int budget)
{
    struct e1000 *nic = dev->driver;
    struct list received;
    int count = 0;

    list_init(&received);
    e1000_tx_poll_begin(nic);
    if (nic->tx.running) /* only this thread, or one that waits for the poll's end, clears it */
        count = e1000_rx_collect(nic, budget, &received);
    netdev_input(dev, &received);
    e1000_tx_poll_end(nic);
    if (__atomic_load_n(&nic->attention, __ATOMIC_ACQUIRE))
        e1000_attend(nic);
    return count;
}

/* Each cause is seen by somebody: of one from before the read the poll, the look at the ring or the bits
 * that were read tell; a later one is latched, and raises the interrupt when the mask opens. Should the
 * handler come in between, for another device on this line, it finds the cause wanted already. */
static bool e1000_irq_on(struct netdev *dev)
{
    struct e1000 *nic = dev->driver;
    if (!nic->tx.running)
        return false;
    e1000_want(nic, E1000_INTERRUPTS_RX);
    uint32_t causes = causes_take(nic);
    if ((causes & ~E1000_INTERRUPTS_RX) || e1000_rx_pending(nic))
        return true;
    e1000_write(nic, E1000_IMS, E1000_INTERRUPTS_RX);
    return false;
}

/* A poll follows in any case, and its end asks for TXDW again if frames wait. */
static void e1000_irq_off(struct netdev *dev)
{
    e1000_unwant(dev->driver, E1000_INTERRUPTS_RX | E1000_INTERRUPT_TXDW);
}

/* The line is shared: no cause, or none that was asked for, is another device's interrupt. */
static void e1000_interrupt(void *argument)
{
    struct e1000 *nic = argument;
    if (causes_take(nic))
        netdev_interrupt(&nic->dev);
}

static const struct netdev_ops e1000_ops = {
    .open = e1000_open,
    .stop = e1000_stop,
    .transmit = e1000_transmit,
    .transmit_all = e1000_transmit_all,
    .flush = e1000_flush,
    .poll = e1000_poll,
    .irq_on = e1000_irq_on,
    .irq_off = e1000_irq_off,
    .set_receive_mode = e1000_set_receive_mode,
};

/* --- probing --- */

static size_t pages_for(size_t bytes) { return ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE; }

static void ring_free(void *descriptors, struct mbuf **mbufs, unsigned size)
{
    pages_free(descriptors, pages_for(size * sizeof(struct e1000_rx_descriptor)));
    pages_free(mbufs, pages_for(size * sizeof(struct mbuf *)));
}

static void rings_destroy(struct e1000 *nic)
{
    ring_free(nic->rx.descriptors, nic->rx.mbufs, nic->rx.size);
    ring_free(nic->tx.descriptors, nic->tx.mbufs, nic->tx.size);
}

static bool ring_size_is_legal(unsigned size)
{
    return size > 0 && size <= E1000_RING_MAX && size % E1000_RING_STEP == 0;
}

static int rings_create(struct e1000 *nic, unsigned rx_size, unsigned tx_size)
{
    if (!ring_size_is_legal(rx_size) || !ring_size_is_legal(tx_size))
        return -EINVAL;
    nic->rx.size = rx_size;
    nic->rx.descriptors = pages_alloc(pages_for(rx_size * sizeof(*nic->rx.descriptors)));
    nic->rx.mbufs = pages_alloc(pages_for(rx_size * sizeof(struct mbuf *)));
    nic->tx.size = tx_size;
    nic->tx.descriptors = pages_alloc(pages_for(tx_size * sizeof(*nic->tx.descriptors)));
    nic->tx.mbufs = pages_alloc(pages_for(tx_size * sizeof(struct mbuf *)));
    return nic->rx.descriptors && nic->rx.mbufs && nic->tx.descriptors && nic->tx.mbufs ? 0
                                                                                        : -ENOMEM;
}

/* Finds out what the device is, and leaves it silent until it is opened. */
static int discover(struct e1000 *nic)
{
    nic->registers = pci_region_map(nic->function, 0, 0, E1000_REGISTERS_SIZE);
    if (!nic->registers)
        return -ENXIO;
    pci_enable(nic->function);
    e1000_quiet(nic);
    return e1000_mac_read(nic, nic->dev.mac);
}

/* Makes it an interface. What can fail for good comes first, since interfaces stay. */
static int enter(struct e1000 *nic)
{
    struct netdev *dev = &nic->dev;
    dev->ops = &e1000_ops;
    dev->driver = nic;
    dev->mtu = dev->mtu_max = MTU_DEFAULT;
    dev->offload_checksum = true;
    dev->link_up = e1000_link_is_up(nic);
    int error = netdev_register(dev);
    if (error)
        return error;
    const uint8_t *mac = dev->mac;
    kprintf("%s: pci %02x.%x, address %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, checksum offload\n",
            dev->name, nic->function->info.slot, nic->function->info.function, mac[0], mac[1],
            mac[2], mac[3], mac[4], mac[5], dev->mtu);
    error = pci_irq_register(nic->function, e1000_interrupt, nic);
    if (error) {
        kprintf("%s: no interrupt, error %d: polled\n", dev->name, error);
        nic->attention = nic->unwired = true;
        netdev_set_polled(dev, true);
    }
    return 0;
}

int e1000_attach(struct pci_function *function, unsigned rx_size, unsigned tx_size)
{
    static unsigned devices;
    struct e1000 *nic = page_alloc_zeroed();
    if (!nic)
        return -ENOMEM;
    nic->function = function;
    snprintf(nic->dev.name, sizeof(nic->dev.name), "e1000-%u", devices);
    sleeplock_init(&nic->life, "e1000 life");
    spinlock_init(&nic->tx_lock, "e1000 transmit");
    spinlock_init(&nic->pause_lock, "e1000 pause");
    waitq_init(&nic->pause, &nic->pause_lock);

    int error = discover(nic);
    if (!error)
        error = rings_create(nic, rx_size, tx_size);
    if (!error)
        error = enter(nic);
    if (error) {
        rings_destroy(nic);
        page_free(nic);
        return error;
    }
    devices++;
    return 0;
}

static int e1000_probe(struct pci_function *function)
{
    return e1000_attach(function, RX_RING_SIZE, TX_RING_SIZE);
}

static const struct pci_id e1000_ids[] = {
    {0x8086, 0x100e}, /* 82540EM */
    {0x8086, 0x100f}, /* 82545EM, copper */
    {0, 0},
};

const struct pci_driver e1000_pci_driver = {
    .name = "e1000",
    .ids = e1000_ids,
    .probe = e1000_probe,
};
