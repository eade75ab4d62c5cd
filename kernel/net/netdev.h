/* Network devices: the boundary between drivers and the stack. virtio-net, e1000 and loopback look the same
 * to everything above, and the stack looks the same to every driver.
 *
 * Receiving. A device's interrupt handler calls netdev_interrupt() and does nothing else. Each device has one
 * poll thread: it calls ops->poll until that returns less than its budget, re-enables the interrupt, looks
 * once more (a frame that came in between raises none), and sleeps. In polled mode it never re-enables the
 * interrupt and looks every NETDEV_POLL_INTERVAL instead, or every NETDEV_IDLE_INTERVAL at a device that has
 * brought nothing for the last NETDEV_IDLE_LOOKS looks. The mode can be switched at any time.
 *
 * Sending. netdev_transmit() may be called by any thread. A driver whose ring is full parks the frame with
 * netdev_tx_defer() and takes it back with netdev_tx_resume() when it has reclaimed room, so order is kept
 * and a loss is counted. When that queue is full as well (`tx_full`), a sender that can wait does so in
 * netdev_tx_wait(): so a program is slowed down to what the wire carries, and loses nothing.
 */
#ifndef NET_NETDEV_H
#define NET_NETDEV_H

#include "abi/netconf.h"
#include "lib/list.h"
#include "lib/types.h"
#include "net/mbuf.h"
#include "proc/clock.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define NETDEV_NAME_MAX      16
#define NETDEV_MAX           8
#define NETDEV_POLL_BUDGET   128
#define NETDEV_POLL_INTERVAL (25 * NS_PER_US)
#define NETDEV_IDLE_INTERVAL (1000 * NS_PER_US)
#define NETDEV_IDLE_LOOKS    2000
/* Frames that may wait for ring room, per device; MBUF_ADMITTED ones come on top. */
#define NETDEV_TX_DEFER_MAX     128
#define ETHERNET_ADDRESS_LENGTH 6
/* Link addresses are compared and copied by halfwords. */
#define ETHER_ALIGNED __attribute__((aligned(2)))

struct netdev;

/* What a driver provides. ops->poll is called by the device's poll thread only; transmit by any thread, also
 * at the same time as poll. No lock is held in any call: the driver has its own. */
struct netdev_ops {
    /* Thread context. Makes the device ready: receive ring full, interrupt off. 0 or a negated errno. */
    int (*open)(struct netdev *dev);
    /* Thread context. Stops the device and frees every mbuf it holds. No poll runs, but transmit may still be
     * called by a thread that saw the device up a moment ago: it then drops the frame, -ENETDOWN. */
    void (*stop)(struct netdev *dev);
    /* Thread context, no lock held; m (a whole frame, Ethernet header included) is the driver's from here
     * on, whatever the result. `more`: another frame follows at once, the doorbell may wait for it. Frames
     * sent while ops->poll runs share one doorbell at its end. 0, or the error for which it was dropped and
     * counted: -ENOBUFS, -ENETDOWN, -EMSGSIZE. */
    int (*transmit)(struct netdev *dev, struct mbuf *m, bool more);
    /* The same for several frames, oldest first; the list is empty then. NULL: they are sent one by one. */
    void (*transmit_all)(struct netdev *dev, struct list *frames, bool more);
    /* Thread context, no lock held. Rings the doorbell for frames that were sent with `more`, if it was not
     * rung since. NULL: the device has none. */
    void (*flush)(struct netdev *dev);
    /* Poll thread. Reclaims sent frames, takes at most `budget` received ones, refills the receive ring,
     * then, no lock held, passes them to netdev_input(). Returns how many: less than budget means it saw the
     * receive ring empty. */
    int (*poll)(struct netdev *dev, int budget);
    /* Poll thread. Asks for an interrupt at the next received frame. Returns true if one is there already:
     * then no interrupt may come for it, and the caller polls again. */
    bool (*irq_on)(struct netdev *dev);
    /* Any context, also while the device is down. Asks for no more interrupts; one already under way may
     * still come. */
    void (*irq_off)(struct netdev *dev);
    /* Thread context. Applies dev->flags' IFF_PROMISC and IFF_ALLMULTI. NULL: the device receives all. */
    int (*set_receive_mode)(struct netdev *dev);
};

/* Each counter has one writer side as noted; read without a lock. */
struct netdev_counters {
    uint64_t rx_packets, rx_bytes; /* handed up: poll thread */
    uint64_t rx_no_mbuf;           /* dropped: no mbuf to replace the received one */
    uint64_t rx_bad_length;        /* dropped: device reported an impossible length */
    uint64_t rx_errors;            /* dropped: device marked it bad */
    uint64_t rx_reset; /* dropped: received, but not handed up when the device was reset */
    uint64_t tx_packets, tx_bytes; /* accepted by the ring: under the driver's transmit lock */
    uint64_t tx_deferred;          /* had to wait for ring room (not a loss) */
    uint64_t tx_ring_full;         /* dropped: ring and waiting queue were full */
    uint64_t tx_down;              /* dropped: device or link down */
    uint64_t tx_too_long;          /* dropped: larger than the device takes */
    uint64_t tx_reset; /* dropped: of tx_packets, not known to be sent when the device was reset */
    uint64_t interrupts, polls, doorbells, restarts;
};

struct netdev {
    char name[NETDEV_NAME_MAX];                         /* [I] */
    const struct netdev_ops *ops;                       /* [I] */
    void *driver;                                       /* [I] the driver's own record */
    int index;                                          /* [I] 1, 2, ... in order of registration */
    uint8_t mac[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED; /* [I] */
    uint16_t mtu;                                       /* largest IP datagram, bytes */
    uint16_t mtu_max;      /* [I] the largest mtu the device can be given */
    uint16_t flags;        /* IFF_*; [lock] for writers */
    bool link_up;          /* set by the driver through netdev_set_link */
    bool broken;           /* [I after set] the device broke its rules and was given up */
    bool offload_checksum; /* [I] device completes MBUF_CSUM_PARTIAL */

    struct spinlock lock;
    bool scheduled;         /* [lock] the poll thread has work */
    bool polling;           /* [lock] the poll thread is using the device */
    struct waitq poll_wait; /* [lock] the poll thread; who waits for it to leave the device */
    unsigned idle_looks;    /* the poll thread's: how many polls in a row brought nothing */
    bool tx_full;           /* [lock] to write; a look without it is a hint */
    struct waitq tx_room;   /* [lock] senders that wait while tx_full */

    /* Frames that wait for ring room. Guarded by the driver's transmit lock: only the driver's calls of
     * netdev_tx_defer and netdev_tx_resume touch it. */
    struct list tx_waiting;
    unsigned tx_waiting_count;

    struct netdev_counters counters;
};

/* Whether frames can pass: up, with link, and not given up. */
static inline bool netdev_is_running(const struct netdev *dev)
{
    return (READ_ONCE(dev->flags) & IFF_UP) && READ_ONCE(dev->link_up) && !READ_ONCE(dev->broken);
}

void netdev_init(void);

/* Drivers, at boot: enters the device (name, ops, driver, mac, mtu, mtu_max, link_up filled in) into the
 * table and starts its poll thread; it stays down until netdev_up(). 0, -ENOSPC or -ENOMEM. */
int netdev_register(struct netdev *dev);

struct netdev *netdev_find(const char *name); /* NULL: none */
struct netdev *netdev_get(int index);         /* 1..; NULL past the end */

/* The body of a device's poll thread, for it and for tests: polls the device once, unless it is down, and in
 * interrupt mode asks for an interrupt when it has no more. True: there is more to do at once. */
bool netdev_poll_round(struct netdev *dev);

/* Administrative state and mode, for ioctl. Thread context. 0 or a negated errno. */
int netdev_up(struct netdev *dev);
int netdev_down(struct netdev *dev);
int netdev_set_polled(struct netdev *dev, bool polled);
int netdev_set_mtu(struct netdev *dev, unsigned mtu);

/* For drivers ---------------------------------------------------------------------------------------- */

/* Interrupt handler: counts the interrupt, and schedules. */
void netdev_interrupt(struct netdev *dev);
/* Any context: has the poll thread look at the device. Turns the device's interrupt off and wakes the thread.
 */
void netdev_schedule(struct netdev *dev);

/* Poll thread, no lock held: gives the frames that one poll has found to the stack, oldest first, each
 * with its data at the Ethernet header. What is the same for many of them is done once (net/predict.h).
 * The list is empty then. */
void netdev_input(struct netdev *dev, struct list *frames);

/* Under the driver's transmit lock. Parks a frame until there is room: 0, or -ENOBUFS when too many wait
 * already (then the frame is dropped and counted), but for MBUF_ADMITTED ones, which are always taken. */
int netdev_tx_defer(struct netdev *dev, struct mbuf *m);
/* Under the driver's transmit lock. The frame that has waited longest; NULL if none waits. */
struct mbuf *netdev_tx_resume(struct netdev *dev);
/* Under the driver's transmit lock. The queue in front of the device has become full, or has room again: then
 * waiting senders are woken. For drivers with a queue of their own; netdev_tx_defer and resume do it by
 * themselves. */
void netdev_tx_set_full(struct netdev *dev, bool full);

/* Any context. The driver saw the link change. */
void netdev_set_link(struct netdev *dev, bool up);

/* For the stack -------------------------------------------------------------------------------------- */

/* Whether a sender should wait before it sends. A hint, since others send too: who has seen false, or has
 * waited, marks its frame MBUF_ADMITTED and is not refused for want of room. */
static inline bool netdev_tx_is_full(const struct netdev *dev) { return READ_ONCE(dev->tx_full); }

/* Thread context, no lock held: waits until the device's queue has room. 0: it has, or the device is not
 * running any more; -ETIMEDOUT at the deadline (clock_ns() time or NEVER); -EINTR: killed. */
int netdev_tx_wait(struct netdev *dev, uint64_t deadline);

/* How long a sender waits there before it has the driver look at the device, ns. */
extern uint64_t netdev_tx_look_interval;

/* Sends a frame; consumes m. 0, or the error for which it was dropped and counted. Who marks a frame
 * MBUF_MORE owes the device a netdev_flush(), soon and whatever happens: until then the frame may stay in
 * the ring. */
int netdev_transmit(struct netdev *dev, struct mbuf *m);

/* The same for several frames, oldest first, whose loss nobody waits to hear of: it is only counted. The
 * list is empty then. `more`: as if each were marked MBUF_MORE; else the device learns of all it does not
 * know yet. */
void netdev_transmit_all(struct netdev *dev, struct list *frames, bool more);

/* Ends a burst of frames marked MBUF_MORE: the device learns of those that it does not know yet. Thread
 * context, no lock held. */
static inline void netdev_flush(struct netdev *dev)
{
    if (dev->ops->flush)
        dev->ops->flush(dev);
}

#endif
