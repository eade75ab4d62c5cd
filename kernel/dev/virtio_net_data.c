/* The virtio network device (virtio 1.2, 5.1): frames in, frames out.
 *
 * Two queues. The receive ring is always full: each entry is one mbuf, and a received one is passed
 * up only when a new one has taken its place; otherwise it is counted as dropped and posted again.
 * A frame takes one descriptor either way: the device's header of 12 bytes lies in the mbuf's
 * headroom, directly in front of the Ethernet header.
 *
 * Sent mbufs are taken back when the device is polled, and when the ring is full. A frame that
 * finds it full even then waits in the netdev's queue; only while frames wait there is the transmit
 * interrupt on, and the poll that follows moves them into the ring, in order.
 *
 * Doorbells. Frames sent while the poll thread is at work (`polling`) are shown to the device by
 * one kick at its end. The flag and the ring are under one lock: either a sender sees polling false
 * and kicks, or the poll's end comes after it and kicks for it.
 *
 * Locks: rx_lock and tx_lock guard the rings. Inside them only the mbuf pool's and the netdev's own
 * lock are taken; none is held when frames are passed up. The interrupt handler takes neither.
 */
#include "dev/virtio_net_internal.h"

#include "abi/errno.h"
#include "proc/clock.h"

#define HEADER_SIZE ((uint32_t)sizeof(struct virtio_net_header))
#define TX_STALL    (5 * NS_PER_SEC) /* a host that is slow for a moment is no broken device */

_Static_assert(sizeof(struct virtio_net_header) == 12, "header with VERSION_1 (5.1.6)");
_Static_assert(MBUF_HEADROOM >= 12 + 14 + 20 + 8, "room in front for every header");
_Static_assert(MBUF_DATA_SIZE + 12 >= 1526, "receive buffers of the least size (5.1.6.3.1)");

/* Both rings' doorbells are counted in one place, each under its own lock: hence the atomic. */
static void kick_count(struct virtio_net *net, struct virtq *queue)
{
    if (virtq_kick(queue))
        __atomic_fetch_add(&net->dev.counters.doorbells, 1, __ATOMIC_RELAXED);
}

void virtio_net_request_attention(struct virtio_net *net)
{
    __atomic_store_n(&net->attention, true, __ATOMIC_RELEASE);
    netdev_schedule(&net->dev);
}

/* --- receiving --- */

/* [lab 2] */
/* rx_lock. Posts an empty mbuf, its header room included. The ring has room for it. */
static void rx_post(struct virtio_net *net, struct mbuf *m)
{
    m->data += MBUF_RX_ALIGN;
    if (virtq_add_in(net->rx, m->data - HEADER_SIZE, HEADER_SIZE + MBUF_DATA_SIZE, m))
        mbuf_free(m);
}

/* [lab 2] */
/* Makes the mbuf a received frame of what the device wrote. Flags that we do not know, lengths and
 * offsets in the header are not looked at, nor is num_buffers without MRG_RXBUF (5.1.6.4.2). */
static void rx_accept(struct virtio_net *net, struct mbuf *m, uint32_t written)
{
    const struct virtio_net_header *header = (const void *)(m->data - HEADER_SIZE);
    m->length = written - HEADER_SIZE;
    /* DATA_VALID: the device has verified the checksum. NEEDS_CSUM: the frame comes from this very
     * host, which has not computed it, since no wire could have damaged the frame (5.1.6.4.1). Both
     * bits mean something only with GUEST_CSUM. */
    if ((net->device->features & VIRTIO_NET_F_GUEST_CSUM) &&
        (header->flags & (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_NEEDS_CSUM)))
        m->flags |= MBUF_CSUM_VERIFIED;
}

/* [lab 2] */
/* rx_lock. Passes one received mbuf into the queue, and puts a fresh one in its place; or puts
 * itself back. */
static void rx_take(struct virtio_net *net, struct mbuf *m, uint32_t written, struct list *received,
                    struct list *fresh)
{
    struct list_node *node = NULL;
    if (written <= HEADER_SIZE)
        net->dev.counters.rx_bad_length++;
    else if (!(node = list_take_front(fresh)))
        net->dev.counters.rx_no_mbuf++;
    if (!node) {
        mbuf_reset(m);
        rx_post(net, m);
        return;
    }
    rx_post(net, LIST_ENTRY(node, struct mbuf, node));
    rx_accept(net, m, written);
    list_push_back(received, &m->node);
}

/* [lab 2] */
/* rx_lock. Takes what is done now, at most `most` frames, those dropped included; returns how many. The
 * mbufs that take their places come from the pool in one go. */
static int rx_take_done(struct virtio_net *net, unsigned most, struct list *received)
{
    unsigned done = MIN(virtq_done_count(net->rx), most), taken = 0;
    void *token;
    uint32_t written;
    struct list fresh;

    if (done == 0)
        return 0;
    list_init(&fresh);
    mbuf_alloc_many(&fresh, done, MBUF_RX_RING);
    while (taken < done && virtq_get(net->rx, &token, &written) > 0) {
        rx_take(net, token, written, received, &fresh);
        taken++;
    }
    mbuf_free_all(&fresh); /* a bad frame keeps its own mbuf */
    return (int)taken;
}

/* [lab 2] */
/* Takes rx_lock, and what has been received, at most `budget` frames; none while the device does not run. A
 * frame is dropped, counts for the budget and leaves its mbuf in the ring if there is nothing behind the
 * device's header (rx_bad_length) or no fresh mbuf for its place (rx_no_mbuf). One kick at the end; but while
 * there is more, so that a poll follows at once, only when half of the ring is to be shown: a register access
 * has to wait for QEMU's lock, which its other thread holds as long as it delivers. A broken ring of a device
 * that runs needs attention. */
static int rx_collect(struct virtio_net *net, int budget, struct list *received)
{
    int count = 0, taken;

    spinlock_acquire(&net->rx_lock);
    if (net->running) {
        while (count < budget &&
               (taken = rx_take_done(net, (unsigned)(budget - count), received)) > 0)
            count += taken;
        net->rx_hidden += (unsigned)count;
        if (count < budget || net->rx_hidden >= virtq_size(net->rx) / 2) {
            kick_count(net, net->rx);
            net->rx_hidden = 0;
        }
    }
    /* That of a device that was given up stays broken: each poll would ask for another one. */
    bool broken = net->running && virtq_broken(net->rx);
    spinlock_release(&net->rx_lock);
    if (broken)
        virtio_net_request_attention(net);
    return count;
}

/* [lab 2] */
int virtio_net_rx_fill(struct virtio_net *net)
{
    while (virtq_free_count(net->rx) > 0) {
        struct mbuf *m = mbuf_alloc(MBUF_RX_RING);
        if (!m)
            return -ENOMEM;
        rx_post(net, m);
    }
    return 0;
}

void virtio_net_rx_kick(struct virtio_net *net)
{
    spinlock_acquire(&net->rx_lock);
    kick_count(net, net->rx);
    spinlock_release(&net->rx_lock);
}

/* --- sending; all under tx_lock --- */

/* netdev_transmit() counts drops of its own without the lock, hence the atomic increment. */
static int tx_drop(struct mbuf *m, uint64_t *counter, int error)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
    mbuf_free(m);
    return error;
}

/* [lab 2] */
/* Puts a frame into the ring, which has room. In the header everything is 0 but what asks for a
 * checksum, and only frames of a device with the feature CSUM ask for one (5.1.6.2.1). */
static inline void tx_put(struct virtio_net *net, struct mbuf *m)
{
    uint32_t frame_length = m->length;
    struct virtio_net_header *header = mbuf_push(m, HEADER_SIZE);
    *header = (struct virtio_net_header){.gso_type = VIRTIO_NET_HDR_GSO_NONE};
    if (m->flags & MBUF_CSUM_PARTIAL) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = m->csum_start;
        header->csum_offset = m->csum_offset;
    }
    if (virtq_add_out(net->tx, m->data, m->length, m)) {
        tx_drop(m, &net->dev.counters.tx_down, -EIO); /* broken, and soon to be reset */
        return;
    }
    mbuf_set_owner(m, MBUF_TX_RING);
    net->dev.counters.tx_packets++;
    net->dev.counters.tx_bytes += frame_length;
}

/* [lab 2] */
/* Takes sent frames back, which ends tx_waiting_since and a stall, and moves waiting ones into the room
 * there is then. A broken ring needs attention; what waits stays where it is meanwhile. */
static void tx_reclaim(struct virtio_net *net)
{
    void *token;
    uint32_t written;
    int got;
    struct list sent;
    list_init(&sent);
    while ((got = virtq_get(net->tx, &token, &written)) > 0)
        list_push_back(&sent, &((struct mbuf *)token)->node);
    if (!list_empty(&sent)) {
        net->tx_waiting_since = 0;
        net->tx_stalled = false; /* nobody has acted on it yet */
    }
    mbuf_free_all(&sent);
    if (got < 0) {
        virtio_net_request_attention(net); /* what waits is kept for the time after */
        return;
    }
    while (net->dev.tx_waiting_count > 0 && virtq_free_count(net->tx) > 0)
        tx_put(net, netdev_tx_resume(&net->dev));
}

/* [lab 2] */
/* Frames wait for room. A device that has sent nothing for long although the link is up is stuck. Found out
 * by who sends, and at the end of polls. */
static void tx_stall_check(struct virtio_net *net)
{
    uint64_t now = clock_ns();
    if (net->tx_waiting_since == 0 || !net->dev.link_up) {
        net->tx_waiting_since = now;
    } else if (now - net->tx_waiting_since > TX_STALL && !net->tx_stalled) {
        net->tx_stalled = true;
        virtio_net_request_attention(net);
    }
}

bool virtio_net_tx_has_stalled(struct virtio_net *net)
{
    spinlock_acquire(&net->tx_lock);
    bool stalled = net->tx_stalled;
    spinlock_release(&net->tx_lock);
    return stalled;
}

/* [lab 2] */
/* Shows the device what is new. If frames still wait, asks for an interrupt, and else for none; should the
 * device have made room meanwhile, none would come, so goes round again: with fewer frames each time. If none
 * has got sent for TX_STALL while the link is up, the device is stuck (tx_stalled), and needs attention. */
static void tx_flush(struct virtio_net *net)
{
    for (;;) {
        kick_count(net, net->tx);
        if (net->dev.tx_waiting_count == 0) {
            virtq_irq_disable(net->tx);
            return;
        }
        if (!virtq_irq_enable(net->tx)) {
            tx_stall_check(net);
            return;
        }
        tx_reclaim(net);
    }
}

/* [lab 2] */
/* Consumes m whatever the result, as every transmit does. A device that does not run refuses it (tx_down,
 * -ENETDOWN) unless it is `recovering`, or soon will be because its ring is broken: then the frame waits.
 * One longer than the MTU and its header is refused (tx_too_long, -EMSGSIZE). None overtakes those that
 * wait. The device is shown it at once, unless `more` follow or a poll is under way, and even then if frames
 * wait. */
static inline int tx_submit(struct virtio_net *net, struct mbuf *m, bool more)
{
    struct netdev *dev = &net->dev;
    if (!net->running && !net->recovering)
        return tx_drop(m, &dev->counters.tx_down, -ENETDOWN);
    if (m->length > dev->mtu_max + ETHERNET_HEADER)
        return tx_drop(m, &dev->counters.tx_too_long, -EMSGSIZE);

    int error = 0;
    if (!net->running)
        return netdev_tx_defer(dev, m);
    bool room = virtq_free_count(net->tx) > 0;
    if (!room) {
        tx_reclaim(net);
        room = virtq_free_count(net->tx) > 0;
    }
    /* Behind the frames that wait already, so that order is kept. */
    if (dev->tx_waiting_count > 0 || !room)
        error = netdev_tx_defer(dev, m);
    else
        tx_put(net, m);
    if (dev->tx_waiting_count > 0 || (!more && !net->polling))
        tx_flush(net);
    return error;
}

/* [lab 2] */
/* Puts frames into the ring as long as nothing stands in their way, so that it need be asked about only once;
 * those that are left are for tx_submit(). */
static inline void tx_put_all(struct virtio_net *net, struct list *frames)
{
    const uint32_t longest = net->dev.mtu_max + ETHERNET_HEADER;
    bool clear = net->running && net->dev.tx_waiting_count == 0;
    unsigned room = clear ? virtq_free_count(net->tx) : 0;
    struct list_node *node = frames->head.next;
    for (; room > 0 && node != &frames->head; room--) {
        struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
        if (m->length > longest)
            break;
        node = node->next;
        tx_put(net, m);
    }
    list_drop_before(frames, node);
}

int virtio_net_transmit(struct netdev *dev, struct mbuf *m, bool more)
{
    struct virtio_net *net = dev->driver;
    spinlock_acquire(&net->tx_lock);
    int error = tx_submit(net, m, more);
    spinlock_release(&net->tx_lock);
    return error;
}

void virtio_net_transmit_all(struct netdev *dev, struct list *frames, bool more)
{
    struct virtio_net *net = dev->driver;
    mbuf_set_owner_all(frames, MBUF_TX_RING); /* as nearly all will be */
    spinlock_acquire(&net->tx_lock);
    tx_put_all(net, frames);
    LIST_FOR_EACH_SAFE (node, following, frames)
        tx_submit(net, LIST_ENTRY(node, struct mbuf, node), true);
    list_init(frames);
    if (!more && net->running && !net->polling)
        tx_flush(net);
    spinlock_release(&net->tx_lock);
}

/* Nothing to do while a poll runs: its end does it. */
void virtio_net_flush(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    spinlock_acquire(&net->tx_lock);
    if (net->running && !net->polling)
        tx_flush(net);
    spinlock_release(&net->tx_lock);
}

/* From here to tx_poll_end() senders leave the doorbell to the poll thread. */
static void tx_poll_begin(struct virtio_net *net)
{
    spinlock_acquire(&net->tx_lock);
    if (net->running) {
        net->polling = true;
        tx_reclaim(net);
    }
    spinlock_release(&net->tx_lock);
}

/* Cleared even if the device was stopped meanwhile: the next one to start must find it false. */
static void tx_poll_end(struct virtio_net *net)
{
    spinlock_acquire(&net->tx_lock);
    net->polling = false;
    if (net->running)
        tx_flush(net);
    spinlock_release(&net->tx_lock);
}

void virtio_net_drop_waiting(struct virtio_net *net)
{
    struct mbuf *m;
    spinlock_acquire(&net->tx_lock);
    while ((m = netdev_tx_resume(&net->dev)))
        tx_drop(m, &net->dev.counters.tx_down, 0);
    spinlock_release(&net->tx_lock);
}

/* --- the poll thread's side --- */

/* Takes what there is under the locks, and passes it up without any: an answer that the stack sends at once
 * comes back into virtio_net_transmit() from here. */
int virtio_net_poll(struct netdev *dev, int budget)
{
    struct virtio_net *net = dev->driver;
    struct list received;

    list_init(&received);
    tx_poll_begin(net);
    int count = rx_collect(net, budget, &received);
    netdev_input(dev, &received);
    tx_poll_end(net);
    if (__atomic_load_n(&net->attention, __ATOMIC_ACQUIRE))
        virtio_net_attend(net);
    return count;
}

/* Not on a stopped device: an unread frame in its ring would have the poll thread go round for ever. */
bool virtio_net_irq_on(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    spinlock_acquire(&net->rx_lock);
    bool pending = net->running && virtq_irq_enable(net->rx);
    spinlock_release(&net->rx_lock);
    return pending;
}

/* No lock: it comes from the interrupt handler too, and is a hint to the device. */
void virtio_net_irq_off(struct netdev *dev)
{
    struct virtio_net *net = dev->driver;
    virtq_irq_disable(net->rx);
}
