/* The e1000's transmit ring (8254x manual, 3.3 and 3.4).
 *
 * A frame takes one descriptor, and one more in front of it if the device is to compute a checksum at another
 * place than it did last: a context, which moves no data. There is room only if both would fit. Each frame's
 * last descriptor asks for a report (RS), a context does not; the device's DD bit there means that it is done
 * with the whole frame.
 *
 * Sent mbufs are taken back when the device is polled, and when the ring is full. A frame that
 * finds it full even then waits in the netdev's queue; only while frames wait there is the
 * interrupt TXDW on, and the poll that follows moves them into the ring, in order.
 *
 * Doorbells. Frames sent while the poll thread is at work (`polling`) are shown to the device by
 * one write of its tail register at its end. The flag and the ring are under one lock: either a
 * sender sees polling false and writes, or the poll's end comes after it and writes for it.
 */
#include "dev/e1000_internal.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "proc/clock.h"

#define FRAME_DESCRIPTORS 2u /* a frame takes at most so many */
#define TX_STALL          (2 * NS_PER_SEC)

/* [lab 3] */
static unsigned next_of(const struct e1000_tx *tx, unsigned slot)
{
    return slot + 1 < tx->size ? slot + 1 : 0;
}

/* [lab 3] */
/* How many frames fit, whatever they are. To the device head == tail means empty, so one descriptor always
 * stays free (3.4). */
static unsigned room(const struct e1000_tx *tx)
{
    unsigned used = tx->tail - tx->clean + (tx->tail < tx->clean ? tx->size : 0);
    return (tx->size - 1 - used) / FRAME_DESCRIPTORS;
}

/* netdev_transmit() counts drops of its own without the lock, hence the atomic increment. */
static int drop(struct mbuf *m, uint64_t *counter, int error)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
    mbuf_free(m);
    return error;
}

/* --- filling the ring; all under tx_lock --- */

/* [lab 3] */
static void slot_put(struct e1000_tx *tx, uint64_t address, uint32_t command, uint8_t options,
                     struct mbuf *m)
{
    tx->descriptors[tx->tail] =
        (struct e1000_tx_descriptor){.address = address, .command = command, .options = options};
    tx->mbufs[tx->tail] = m;
    tx->tail = next_of(tx, tx->tail);
}

/* [lab 3] */
/* Has the device compute what MBUF_CSUM_PARTIAL asks for, from csum_start to the end of the frame.
 * It remembers the last context (3.3.6), and most frames want the same. No RS: nobody looks at its
 * DD bit. */
static void context_put(struct e1000_tx *tx, const struct mbuf *m)
{
    unsigned start = m->csum_start, store = start + m->csum_offset;
    assert(start > 0 && store <= UINT8_MAX);
    uint64_t context = E1000_TX_CONTEXT_START(start) | E1000_TX_CONTEXT_STORE(store);
    if (context == tx->context)
        return;
    tx->context = context;
    slot_put(tx, context, E1000_TX_DEXT | E1000_TX_CONTEXT_IPV4, 0, NULL);
}

/* [lab 3] */
/* Fills a short frame with zeros up to Ethernet's least length. The device could, QEMU's does not.
 * A checksum to the frame's end is the same with them. */
static void pad(struct mbuf *m)
{
    if (m->length >= ETHERNET_FRAME_MIN)
        return;
    uint32_t missing = ETHERNET_FRAME_MIN - m->length;
    memset(mbuf_append(m, missing), 0, missing);
}

/* [lab 3] */
/* Puts a frame into the ring, which has room. Each frame asks for a report (RS), or nobody would
 * learn that its mbuf is free again; the card appends the check sequence (IFCS; 3.3.3.1). Inline, as are
 * the next two: two calls each, which the compiler would make, are 34 instructions of each frame. */
static inline void frame_put(struct e1000 *nic, struct mbuf *m)
{
    uint32_t command = E1000_TX_EOP | E1000_TX_IFCS | E1000_TX_RS;
    uint8_t options = 0;

    nic->dev.counters.tx_packets++;
    nic->dev.counters.tx_bytes += m->length;
    pad(m);
    if (m->flags & MBUF_CSUM_PARTIAL) {
        context_put(&nic->tx, m);
        command |= E1000_TX_DEXT | E1000_TX_DATA;
        options = E1000_TX_OPTION_TXSM;
    }
    mbuf_set_owner(m, MBUF_TX_RING);
    slot_put(&nic->tx, (uintptr_t)m->data, command | m->length, options, m);
}

/* [lab 3] */
/* The last descriptor of the oldest frame that the device has; only if it has one. */
static inline unsigned oldest_frame(const struct e1000_tx *tx)
{
    unsigned slot = tx->clean;
    while (!tx->mbufs[slot])
        slot = next_of(tx, slot);
    return slot;
}

/* [lab 3] */
/* Whether the device is done with the frame that it has had longest; false if it has none. */
static inline bool oldest_is_done(const struct e1000_tx *tx)
{
    return tx->clean != tx->shown &&
           (READ_ONCE(tx->descriptors[oldest_frame(tx)].status) & E1000_TX_DD);
}

/* [lab 3] */
/* Takes sent frames back, which ends waiting_since and a stall, and moves waiting ones into the room
 * there is then. The device is done with frames in order, so the first one that it is not done with
 * ends the search. */
static void reclaim(struct e1000 *nic)
{
    struct e1000_tx *tx = &nic->tx;
    struct list sent;

    list_init(&sent);
    while (oldest_is_done(tx)) {
        unsigned slot = oldest_frame(tx);
        list_push_back(&sent, &tx->mbufs[slot]->node);
        tx->mbufs[slot] = NULL;
        tx->clean = next_of(tx, slot);
        tx->waiting_since = 0;
        tx->stalled = false; /* nobody has acted on it yet */
    }
    dma_consume(); /* the device has read the frames before their memory is used again */
    mbuf_free_all(&sent);
    while (nic->dev.tx_waiting_count > 0 && room(tx) > 0)
        frame_put(nic, netdev_tx_resume(&nic->dev));
}

/* Rings the doorbell: what lies before the tail is the device's (13.4.40). */
static void show(struct e1000 *nic)
{
    struct e1000_tx *tx = &nic->tx;
    if (tx->shown == tx->tail)
        return;
    dma_publish();
    e1000_write(nic, E1000_TDT, tx->tail);
    tx->shown = tx->tail;
    __atomic_fetch_add(&nic->dev.counters.doorbells, 1, __ATOMIC_RELAXED);
}

/* Asks for an interrupt when a frame is done. True: one is done already, none may come for it. */
static bool interrupt_ask(struct e1000 *nic)
{
    nic->tx.interrupt = true;
    e1000_want(nic, E1000_INTERRUPT_TXDW);
    e1000_write(nic, E1000_ICR, E1000_INTERRUPT_TXDW); /* what was reported before is known */
    e1000_write(nic, E1000_IMS, E1000_INTERRUPT_TXDW);
    e1000_read(nic, E1000_STATUS); /* the writes have arrived */
    device_barrier();
    return oldest_is_done(&nic->tx);
}

/* Frames wait for room. If nothing has got done for long although the link is up, the device is
 * stuck. Found out by who sends and at the end of polls: senders that wait for room have one made
 * now and then. */
static void stall_check(struct e1000 *nic)
{
    struct e1000_tx *tx = &nic->tx;
    uint64_t now = clock_ns();
    if (tx->waiting_since == 0 || !nic->dev.link_up) {
        tx->waiting_since = now;
    } else if (now - tx->waiting_since > TX_STALL && !tx->stalled) {
        tx->stalled = true;
        e1000_request_attention(nic);
    }
}

/* Shows the device what is new. If frames still wait, asks for an interrupt; should the device have
 * made room meanwhile, goes round again: with fewer frames each time. */
static void flush(struct e1000 *nic)
{
    for (;;) {
        show(nic);
        if (nic->dev.tx_waiting_count == 0)
            break;
        if (!interrupt_ask(nic)) {
            stall_check(nic);
            return;
        }
        reclaim(nic);
    }
    if (nic->tx.interrupt) {
        nic->tx.interrupt = false;
        e1000_unwant(nic, E1000_INTERRUPT_TXDW);
    }
}

/* [lab 3] */
/* Consumes m whatever the result, as every transmit does. A device that does not run refuses it (tx_down,
 * -ENETDOWN) unless it is `recovering`: then the frame waits. One longer than the MTU and its header is
 * refused (tx_too_long, -EMSGSIZE). None overtakes those that wait. The device is shown it at once,
 * unless `more` follow or a poll is under way, and even then if frames wait. */
static int submit(struct e1000 *nic, struct mbuf *m, bool more)
{
    struct netdev *dev = &nic->dev;
    struct e1000_tx *tx = &nic->tx;
    if (!tx->running && !tx->recovering)
        return drop(m, &dev->counters.tx_down, -ENETDOWN);
    if (m->length > dev->mtu_max + ETHERNET_HEADER)
        return drop(m, &dev->counters.tx_too_long, -EMSGSIZE);

    int error = 0;
    if (!tx->running)
        return netdev_tx_defer(dev, m);
    if (room(tx) == 0)
        reclaim(nic);
    /* Room means that no frame waits: order is kept. */
    if (room(tx) == 0)
        error = netdev_tx_defer(dev, m);
    else
        frame_put(nic, m);
    if (dev->tx_waiting_count > 0 || (!more && !tx->polling))
        flush(nic);
    return error;
}

/* [lab 3] */
/* Puts frames into the ring as long as nothing stands in their way, so that it need be asked about only once;
 * those that are left are for submit(). */
static inline void put_all(struct e1000 *nic, struct list *frames)
{
    const uint32_t longest = nic->dev.mtu_max + ETHERNET_HEADER;
    unsigned left = nic->tx.running ? room(&nic->tx) : 0; /* room means that no frame waits */
    struct list_node *node = frames->head.next;
    for (; left > 0 && node != &frames->head; left--) {
        struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
        if (m->length > longest)
            break;
        node = node->next;
        frame_put(nic, m);
    }
    list_drop_before(frames, node);
}

/* --- the interface of this file --- */

int e1000_transmit(struct netdev *dev, struct mbuf *m, bool more)
{
    struct e1000 *nic = dev->driver;
    spinlock_acquire(&nic->tx_lock);
    int error = submit(nic, m, more);
    spinlock_release(&nic->tx_lock);
    return error;
}

void e1000_transmit_all(struct netdev *dev, struct list *frames, bool more)
{
    struct e1000 *nic = dev->driver;
    mbuf_set_owner_all(frames, MBUF_TX_RING); /* as nearly all will be */
    spinlock_acquire(&nic->tx_lock);
    put_all(nic, frames);
    LIST_FOR_EACH_SAFE (node, following, frames)
        submit(nic, LIST_ENTRY(node, struct mbuf, node), true);
    list_init(frames);
    if (!more && nic->tx.running && !nic->tx.polling)
        flush(nic);
    spinlock_release(&nic->tx_lock);
}

/* Nothing to do while a poll runs: its end does it. */
void e1000_flush(struct netdev *dev)
{
    struct e1000 *nic = dev->driver;
    spinlock_acquire(&nic->tx_lock);
    if (nic->tx.running && !nic->tx.polling)
        flush(nic);
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_poll_begin(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    if (nic->tx.running) {
        nic->tx.polling = true;
        reclaim(nic);
    }
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_poll_end(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    nic->tx.polling = false;
    if (nic->tx.running)
        flush(nic);
    spinlock_release(&nic->tx_lock);
}

bool e1000_tx_has_stalled(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    bool stalled = nic->tx.stalled;
    spinlock_release(&nic->tx_lock);
    return stalled;
}

/* Head and tail may be written only while transmission is off (13.4.39). A reset has made the
 * device forget its context. */
void e1000_tx_start(struct e1000 *nic)
{
    struct e1000_tx *tx = &nic->tx;
    uint64_t base = (uintptr_t)tx->descriptors;
    spinlock_acquire(&nic->tx_lock);
    tx->clean = tx->shown = tx->tail = 0;
    tx->context = 0;
    tx->stalled = tx->interrupt = false;
    tx->waiting_since = 0;
    e1000_write(nic, E1000_TDBAL, (uint32_t)base);
    e1000_write(nic, E1000_TDBAH, (uint32_t)(base >> 32));
    e1000_write(nic, E1000_TDLEN, tx->size * (uint32_t)sizeof(struct e1000_tx_descriptor));
    e1000_write(nic, E1000_TDH, 0);
    e1000_write(nic, E1000_TDT, 0);
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_run(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    nic->tx.running = true;
    reclaim(nic);
    flush(nic);
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_set_recovering(struct e1000 *nic, bool recovering)
{
    spinlock_acquire(&nic->tx_lock);
    nic->tx.recovering = recovering;
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_halt(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    nic->tx.running = false;
    spinlock_release(&nic->tx_lock);
}

/* A frame that the device has not reported as done is lost, and counted. */
void e1000_tx_empty(struct e1000 *nic)
{
    spinlock_acquire(&nic->tx_lock);
    for (unsigned slot = 0; slot < nic->tx.size; slot++) {
        if (nic->tx.mbufs[slot] && !(nic->tx.descriptors[slot].status & E1000_TX_DD))
            nic->dev.counters.tx_reset++;
        mbuf_free(nic->tx.mbufs[slot]);
        nic->tx.mbufs[slot] = NULL;
    }
    spinlock_release(&nic->tx_lock);
}

void e1000_tx_drop_waiting(struct e1000 *nic)
{
    struct mbuf *m;
    spinlock_acquire(&nic->tx_lock);
    while ((m = netdev_tx_resume(&nic->dev)))
        drop(m, &nic->dev.counters.tx_down, 0);
    spinlock_release(&nic->tx_lock);
}
