/* The loopback device "lo": what is sent through it is received from it, by its poll thread, so
 * that the receiver's code never runs on the sender's stack nor under what the sender holds. Its
 * frames are bare IP datagrams.
 *
 * It behaves like any driver: a bounded queue in place of the ring, and in place of the interrupt a
 * call of netdev_schedule() by the sender, which happens only when the poll thread has asked for
 * it.
 */
#include "net/net.h"

#include "abi/errno.h"
#include "lib/printf.h"

#define LOOPBACK_QUEUE_MAX 256 /* datagrams */
#define LOOPBACK_MTU       1500

struct netdev loopback_device;

static struct {
    struct spinlock lock;
    struct list queue; /* [lock] */
    unsigned length;   /* [lock] of the queue */
    bool open;         /* [lock] */
    bool notify;       /* [lock] the poll thread wants to be woken: the "interrupt" is on */
} loopback;

static int loopback_open(struct netdev *dev)
{
    (void)dev;
    spinlock_acquire(&loopback.lock);
    loopback.open = true;
    loopback.notify = false;
    spinlock_release(&loopback.lock);
    return 0;
}

/* What is still queued goes the way of frames in a device's rings, and is counted as they are. */
static void loopback_stop(struct netdev *dev)
{
    spinlock_acquire(&loopback.lock);
    loopback.open = false;
    dev->counters.tx_reset += loopback.length;
    loopback.length = 0;
    mbuf_free_all(&loopback.queue);
    netdev_tx_set_full(dev, false);
    spinlock_release(&loopback.lock);
}

/* Lock held. 0, or why there is no place for the datagram. */
static int queue_push(struct netdev *dev, struct mbuf *m)
{
    if (!loopback.open) {
        /* netdev_transmit() counts drops of its own without the lock. */
        __atomic_fetch_add(&dev->counters.tx_down, 1, __ATOMIC_RELAXED);
        return -ENETDOWN;
    }
    if (loopback.length >= LOOPBACK_QUEUE_MAX && !(m->flags & MBUF_ADMITTED)) {
        dev->counters.tx_ring_full++;
        return -ENOBUFS;
    }
    dev->counters.tx_packets++;
    dev->counters.tx_bytes += m->length;
    m->flags &= (uint16_t)~MBUF_ADMITTED; /* what is received never waits */
    mbuf_set_owner(m, MBUF_DEV_QUEUE);
    list_push_back(&loopback.queue, &m->node);
    if (++loopback.length == LOOPBACK_QUEUE_MAX)
        netdev_tx_set_full(dev, true);
    return 0;
}

static int loopback_transmit(struct netdev *dev, struct mbuf *m, bool more)
{
    (void)more;
    /* What never leaves this memory needs no checksum, so this "device" completes and verifies it
     * at once. */
    if (m->flags & MBUF_CSUM_PARTIAL)
        m->flags = (uint8_t)((m->flags & MBUF_ADMITTED) | MBUF_CSUM_VERIFIED);
    spinlock_acquire(&loopback.lock);
    int result = queue_push(dev, m);
    bool notify = loopback.notify && result == 0;
    if (notify)
        loopback.notify = false;
    spinlock_release(&loopback.lock);
    if (result < 0)
        mbuf_free(m);
    else if (notify)
        netdev_schedule(dev);
    return result;
}

/* The datagrams are taken in one go and passed up with the lock free: what they cause to be sent
 * may come right back here. */
static int loopback_poll(struct netdev *dev, int budget)
{
    struct list taken;
    struct list_node *node;
    int count = 0;
    list_init(&taken);
    spinlock_acquire(&loopback.lock);
    while (count < budget && (node = list_pop_front(&loopback.queue)) != NULL) {
        list_push_back(&taken, node);
        count++;
    }
    bool was_full = loopback.length >= LOOPBACK_QUEUE_MAX;
    loopback.length -= (unsigned)count;
    if (was_full && loopback.length < LOOPBACK_QUEUE_MAX)
        netdev_tx_set_full(dev, false);
    spinlock_release(&loopback.lock);
    netdev_input(dev, &taken);
    return count;
}

/* Both under the lock, so a datagram is either seen here or its sender sees `notify`. */
static bool loopback_irq_on(struct netdev *dev)
{
    (void)dev;
    spinlock_acquire(&loopback.lock);
    loopback.notify = true;
    bool waiting = loopback.length > 0;
    spinlock_release(&loopback.lock);
    return waiting;
}

static void loopback_irq_off(struct netdev *dev)
{
    (void)dev;
    spinlock_acquire(&loopback.lock);
    loopback.notify = false;
    spinlock_release(&loopback.lock);
}

void loopback_init(void)
{
    static const struct netdev_ops ops = {
        .open = loopback_open,
        .stop = loopback_stop,
        .transmit = loopback_transmit,
        .poll = loopback_poll,
        .irq_on = loopback_irq_on,
        .irq_off = loopback_irq_off,
    };
    spinlock_init(&loopback.lock, "loopback");
    list_init(&loopback.queue);
    loopback.length = 0;
    loopback_device = (struct netdev){
        .name = "lo",
        .ops = &ops,
        .mtu = LOOPBACK_MTU,
        .mtu_max = MBUF_DATA_SIZE,
        .flags = IFF_LOOPBACK,
        .link_up = true,
        .offload_checksum = true,
    };
    int result = netdev_register(&loopback_device);
    if (result == 0)
        result = netdev_up(&loopback_device);
    if (result == 0)
        result = ip_set_address(&loopback_device, BE32(INADDR_LOOPBACK), BE32(0xff000000));
    if (result < 0)
        kprintf("lo: not available: error %d\n", -result);
}
