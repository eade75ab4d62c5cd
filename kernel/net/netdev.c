/* Network devices: the table of them, their poll threads, and the way in and out of the stack.
 *
 *   netdev_register, find, get          the table; devices are never taken out of it
 *   netdev_up, down, set_polled, set_mtu, set_link
 *   netdev_interrupt, poll_round        the receive side: from interrupt to poll thread to driver
 *   netdev_input                        received frames on their way up
 *   netdev_transmit, transmit_all       frames on their way down
 *   netdev_tx_defer, resume             those that wait for ring room
 *   netdev_tx_wait                      a sender waits for room
 *
 * No wake-up is lost between interrupt and poll thread: netdev_schedule() turns the interrupt off
 * before it sets `scheduled`, and poll_wait() clears `scheduled` before it returns to poll. So whatever
 * the interrupt announced is seen by that poll or by the next, and the interrupt is off only while
 * a poll is still to come.
 */
#include "net/netdev.h"

#include "abi/errno.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "net/capture.h"
#include "net/net.h"
#include "net/predict.h"
#include "net/train.h"
#include "proc/kthread.h"
#include "proc/sleeplock.h"

#define MTU_MIN    68 /* RFC 791, 3.2: every module must be able to pass on so much in one piece */
#define ROUNDS_MAX 4  /* of a poll thread before it yields, whatever they bring */

static struct {
    /* One change of a device's state at a time: open and stop may sleep. */
    struct sleeplock admin_lock;
    struct spinlock lock;
    /* [lock] for writers; an entry is set before `count` covers it. */
    struct netdev *devices[NETDEV_MAX];
    int count;
} table;

void netdev_init(void)
{
    sleeplock_init(&table.admin_lock, "netdev admin");
    spinlock_init(&table.lock, "netdev table");
    table.count = 0;
}

/* --- The poll thread --- */

/* [lab 7] */
/* An idle device that is looked at all the time would cost half a core of the host. */
static uint64_t look_interval(const struct netdev *dev)
{
    return dev->idle_looks < NETDEV_IDLE_LOOKS ? NETDEV_POLL_INTERVAL : NETDEV_IDLE_INTERVAL;
}

/* [lab 7] */
/* Sleeps until the device has something to do or, in polled mode, until it is time to look. */
static void poll_wait(struct netdev *dev)
{
    const uint16_t polled = IFF_UP | IFF_POLLED;
    int result = 0;
    spinlock_acquire(&dev->lock);
    while (!dev->scheduled && result == 0) {
        bool look = (dev->flags & polled) == polled;
        uint64_t deadline = look ? clock_ns() + look_interval(dev) : NEVER;
        result = waitq_sleep_uninterruptible(&dev->poll_wait, deadline);
    }
    dev->scheduled = false;
    spinlock_release(&dev->lock);
}

/* [lab 7] */
/* Enters the device, unless it is down. netdev_down() waits until it is left again. */
static bool poll_enter(struct netdev *dev)
{
    spinlock_acquire(&dev->lock);
    dev->polling = (dev->flags & IFF_UP) != 0;
    spinlock_release(&dev->lock);
    return dev->polling;
}

/* [lab 7] */
/* Leaves the device, and wakes a netdev_down() that has been waiting for this. */
static void poll_leave(struct netdev *dev)
{
    spinlock_acquire(&dev->lock);
    dev->polling = false;
    if (!(dev->flags & IFF_UP))
        waitq_wake(&dev->poll_wait);
    spinlock_release(&dev->lock);
}

/* [lab 7] */
/* One poll, and if that found less than its budget the interrupt on and another look. `polling` is set
 * meanwhile, and who leaves a device that has gone down tells netdev_down(), which waits for that. In polled
 * mode the interrupt is left off, and poll_wait() sees to the next look. `scheduled` is poll_wait()'s. */
bool netdev_poll_round(struct netdev *dev)
{
    if (!poll_enter(dev))
        return false;
    dev->counters.polls++;
    int found = dev->ops->poll(dev, NETDEV_POLL_BUDGET);
    dev->idle_looks = found > 0 ? 0 : dev->idle_looks + 1;
    bool more = found >= NETDEV_POLL_BUDGET;
    if (!more && !(READ_ONCE(dev->flags) & IFF_POLLED)) {
        /* A frame that came in since the poll raised no interrupt: irq_on looks once more. */
        more = dev->ops->irq_on(dev);
        if (more)
            dev->ops->irq_off(dev);
    }
    poll_leave(dev);
    return more;
}

/* One for each device, for as long as the kernel runs. A flood of frames must not keep the hart from who
 * reads them. But the few that came in during a poll go up at once, behind those of that poll: their
 * reader need not be woken twice. */
static void poll_thread(void *argument)
{
    struct netdev *dev = argument;
    for (;;) {
        poll_wait(dev);
        uint64_t before = dev->counters.rx_packets;
        for (unsigned round = 1; netdev_poll_round(dev); round++) {
            if (round % ROUNDS_MAX != 0 && dev->counters.rx_packets - before < NETDEV_POLL_BUDGET)
                continue;
            thread_yield();
            before = dev->counters.rx_packets;
        }
    }
}

/* [lab 7] */
/* `scheduled` stays set until the thread has seen it, so it does not matter whether the thread
 * sleeps now. */
static void poll_thread_wake(struct netdev *dev)
{
    spinlock_acquire(&dev->lock);
    dev->scheduled = true;
    waitq_wake(&dev->poll_wait);
    spinlock_release(&dev->lock);
}

/* [lab 7] */
/* The order matters: with the interrupt off first, none can be swallowed between here and the
 * poll. */
void netdev_schedule(struct netdev *dev)
{
    dev->ops->irq_off(dev);
    poll_thread_wake(dev);
}

/* Handlers of one device do not run at the same time, so the counter has one writer. */
void netdev_interrupt(struct netdev *dev)
{
    dev->counters.interrupts++;
    netdev_schedule(dev);
}

/* --- The table --- */

/* Gives the device the next index. */
static int table_enter(struct netdev *dev)
{
    int result = -ENOSPC;
    spinlock_acquire(&table.lock);
    if (table.count < NETDEV_MAX) {
        table.devices[table.count] = dev;
        dev->index = table.count + 1;
        /* Readers take no lock: the entry is there before the count says so. */
        __atomic_store_n(&table.count, dev->index, __ATOMIC_RELEASE);
        result = 0;
    }
    spinlock_release(&table.lock);
    return result;
}

/* The device stays down, so nothing uses it before its driver and the stack are ready for it. */
int netdev_register(struct netdev *dev)
{
    spinlock_init(&dev->lock, dev->name);
    waitq_init(&dev->poll_wait, &dev->lock);
    waitq_init(&dev->tx_room, &dev->lock);
    list_init(&dev->tx_waiting);
    dev->tx_waiting_count = 0;
    dev->scheduled = dev->polling = dev->tx_full = false;
    dev->flags &= (uint16_t)~IFF_UP;
    if (!(dev->flags & IFF_LOOPBACK))
        dev->flags |= IFF_BROADCAST | IFF_MULTICAST;
    /* The thread sleeps until netdev_up(), so it may start before the device is in the table; the
     * other way round a device without a thread would have to be taken out again. */
    if (__atomic_load_n(&table.count, __ATOMIC_ACQUIRE) == NETDEV_MAX)
        return -ENOSPC;
    if (!kthread_create(dev->name, poll_thread, dev))
        return -ENOMEM;
    return table_enter(dev);
}

/* Devices are never taken out, so what is found stays valid without a lock or a count of
 * references. */
struct netdev *netdev_get(int index)
{
    if (index < 1 || index > __atomic_load_n(&table.count, __ATOMIC_ACQUIRE))
        return NULL;
    return table.devices[index - 1];
}

struct netdev *netdev_find(const char *name)
{
    struct netdev *dev = NULL;
    for (int i = 1; (dev = netdev_get(i)) != NULL; i++) {
        if (strcmp(dev->name, name) == 0)
            break;
    }
    return dev;
}

/* --- Administrative state --- */

/* Several bits of the flags have different writers; each changes its own. */
static void flags_change(struct netdev *dev, uint16_t clear, uint16_t set)
{
    spinlock_acquire(&dev->lock);
    dev->flags = (uint16_t)((dev->flags & ~clear) | set);
    spinlock_release(&dev->lock);
    net_config_changed();
}

/* Tells the others on the wire where our address is, now that they can hear it (RFC 5227, 2.3). */
static void announce(struct netdev *dev)
{
    if (!(dev->flags & IFF_LOOPBACK) && netdev_is_running(dev) && ip_address(dev) != 0)
        arp_announce(dev, ip_address(dev));
}

/* The device is open before the flag says so: transmit and poll look at the flag and then trust
 * the driver. */
static int up(struct netdev *dev)
{
    if (dev->flags & IFF_UP)
        return 0;
    if (dev->broken)
        return -EIO;
    int result = dev->ops->open(dev);
    if (result < 0)
        return result;
    flags_change(dev, 0, IFF_UP);
    poll_thread_wake(dev); /* its first round turns the interrupt on */
    announce(dev);
    return 0;
}

int netdev_up(struct netdev *dev)
{
    sleeplock_acquire(&table.admin_lock);
    int result = up(dev);
    sleeplock_release(&table.admin_lock);
    return result;
}

/* The other way round than up(): first nobody enters the device any more, then it is stopped. */
static void down(struct netdev *dev)
{
    spinlock_acquire(&dev->lock);
    dev->flags &= (uint16_t)~IFF_UP;
    waitq_wake(&dev->tx_room);
    while (dev->polling)
        waitq_sleep_uninterruptible(&dev->poll_wait, NEVER);
    spinlock_release(&dev->lock);
    net_config_changed();
    dev->ops->stop(dev);
    arp_flush(dev);
}

int netdev_down(struct netdev *dev)
{
    sleeplock_acquire(&table.admin_lock);
    if (dev->flags & IFF_UP)
        down(dev);
    sleeplock_release(&table.admin_lock);
    return 0;
}

/* [lab 7] */
/* In polled mode the interrupt is off when this returns; the rest is the thread's next round, which is
 * scheduled here, whether the device is up or not. An interrupt that is already on its way costs one more
 * round. */
int netdev_set_polled(struct netdev *dev, bool polled)
{
    flags_change(dev, IFF_POLLED, polled ? IFF_POLLED : 0);
    /* The poll thread leaves the interrupt as it finds it in polled mode, and turns it on
     * otherwise. */
    if (polled && (READ_ONCE(dev->flags) & IFF_UP))
        dev->ops->irq_off(dev);
    poll_thread_wake(dev);
    return 0;
}

/* Only what is sent from now on is measured by it; received frames are bounded by their buffers. */
int netdev_set_mtu(struct netdev *dev, unsigned mtu)
{
    if (mtu < MTU_MIN || mtu > dev->mtu_max)
        return -EINVAL;
    WRITE_ONCE(dev->mtu, (uint16_t)mtu);
    net_config_changed();
    return 0;
}

/* Senders that wait for room learn that there is no way any more. May be called in an interrupt
 * handler, so nothing is sent here: the announcement is left to ARP's thread. */
void netdev_set_link(struct netdev *dev, bool link_up)
{
    if (READ_ONCE(dev->link_up) == link_up)
        return;
    spinlock_acquire(&dev->lock);
    WRITE_ONCE(dev->link_up, link_up);
    waitq_wake(&dev->tx_room);
    spinlock_release(&dev->lock);
    net_config_changed();
    kprintf("%s: link %s\n", dev->name, link_up ? "up" : "down");
    announce(dev);
}

/* --- Frames --- */

/* Loopback's frames are bare datagrams, which who captures has seen when they were sent. The mark lets the
 * layers above accept 127/8 from it, and from nobody else. */
static void loopback_input(struct netdev *dev, struct list *frames)
{
    struct list_node *node;
    while ((node = list_pop_front(frames))) {
        struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
        m->flags |= MBUF_LOOPBACK;
        ip_input(dev, m);
    }
}

void netdev_input(struct netdev *dev, struct list *frames)
{
    uint64_t packets = 0, bytes = 0;
    mbuf_set_owner_all(frames, MBUF_STACK);
    LIST_FOR_EACH (node, frames) {
        struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
        m->dev = dev;
        packets++;
        bytes += m->length;
    }
    dev->counters.rx_packets += packets;
    dev->counters.rx_bytes += bytes;
    if (dev->flags & IFF_LOOPBACK)
        loopback_input(dev, frames);
    else
        predict_input(dev, frames);
}

/* A device that cannot send is found out here, so that drivers see frames only while they are
 * open. */
int netdev_transmit(struct netdev *dev, struct mbuf *m)
{
    if (!netdev_is_running(dev)) {
        __atomic_fetch_add(&dev->counters.tx_down, 1, __ATOMIC_RELAXED);
        mbuf_free(m);
        return -ENETDOWN;
    }
    m->dev = dev;
    if ((m->flags & MBUF_LEADS_TRAIN) == MBUF_LEADS_TRAIN && train_start(m))
        return 0; /* it comes back with the others, in netdev_transmit_all() */
    capture(dev, m, PACKET_SENT);
    bool more = (m->flags & MBUF_MORE) != 0;
    /* Loopback's frames come back, and may be answered in place. */
    m->flags = (uint16_t)(m->flags & ~(MBUF_MORE | MBUF_LEADS_TRAIN));
    return dev->ops->transmit(dev, m, more);
}

/* Frames for a device that cannot send; what it had been given before them is not theirs to lose. */
static void drop_all(struct netdev *dev, struct list *frames, bool more)
{
    LIST_FOR_EACH (node, frames)
        __atomic_fetch_add(&dev->counters.tx_down, 1, __ATOMIC_RELAXED);
    mbuf_free_all(frames);
    if (!more)
        netdev_flush(dev);
}

void netdev_transmit_all(struct netdev *dev, struct list *frames, bool more)
{
    struct list_node *node;
    if (!netdev_is_running(dev)) {
        drop_all(dev, frames, more);
        return;
    }
    LIST_FOR_EACH (each, frames) {
        struct mbuf *m = LIST_ENTRY(each, struct mbuf, node);
        m->dev = dev;
        capture(dev, m, PACKET_SENT);
    }
    if (dev->ops->transmit_all) {
        dev->ops->transmit_all(dev, frames, more);
        return;
    }
    while ((node = list_pop_front(frames)))
        dev->ops->transmit(dev, LIST_ENTRY(node, struct mbuf, node), more || !list_empty(frames));
}

/* --- Frames that wait for ring room, and senders that wait for room among them --- */

/* Set and cleared under the driver's transmit lock, so in the order in which the queue changes; and
 * under dev->lock, under which a sender looks before it sleeps, so its wake-up is not lost. */
void netdev_tx_set_full(struct netdev *dev, bool full)
{
    spinlock_acquire(&dev->lock);
    WRITE_ONCE(dev->tx_full, full);
    if (!full)
        waitq_wake(&dev->tx_room);
    spinlock_release(&dev->lock);
}

uint64_t netdev_tx_look_interval = NS_PER_SEC;

/* dev->lock held, released meanwhile. A device that stops without a word gives no interrupt: so a
 * sender that has waited for long has the driver look at it. */
static int tx_room_sleep(struct netdev *dev, uint64_t deadline)
{
    uint64_t look = clock_ns() + netdev_tx_look_interval;
    int result = waitq_sleep(&dev->tx_room, MIN(look, deadline));
    if (result != -ETIMEDOUT || look >= deadline)
        return result;
    spinlock_release(&dev->lock);
    netdev_schedule(dev);
    spinlock_acquire(&dev->lock);
    return 0;
}

int netdev_tx_wait(struct netdev *dev, uint64_t deadline)
{
    int result = 0;
    spinlock_acquire(&dev->lock);
    while (result == 0 && dev->tx_full && netdev_is_running(dev))
        result = tx_room_sleep(dev, deadline);
    spinlock_release(&dev->lock);
    return result;
}

/* [lab 7] */
/* Bounded: a device that never makes room must not take all buffers from the others. Admitted frames are
 * few: each thread that has found room brings one, or a train of them, before it looks again. */
int netdev_tx_defer(struct netdev *dev, struct mbuf *m)
{
    if (dev->tx_waiting_count >= NETDEV_TX_DEFER_MAX && !(m->flags & MBUF_ADMITTED)) {
        dev->counters.tx_ring_full++;
        mbuf_free(m);
        return -ENOBUFS;
    }
    dev->counters.tx_deferred++;
    if (++dev->tx_waiting_count == NETDEV_TX_DEFER_MAX)
        netdev_tx_set_full(dev, true);
    mbuf_set_owner(m, MBUF_DEV_QUEUE);
    list_push_back(&dev->tx_waiting, &m->node);
    return 0;
}

/* [lab 7] */
struct mbuf *netdev_tx_resume(struct netdev *dev)
{
    struct list_node *node = list_pop_front(&dev->tx_waiting);
    if (!node)
        return NULL;
    if (dev->tx_waiting_count-- == NETDEV_TX_DEFER_MAX)
        netdev_tx_set_full(dev, false);
    struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
    mbuf_set_owner(m, MBUF_STACK);
    return m;
}
