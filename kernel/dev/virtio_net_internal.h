/* What the parts of the virtio network driver share: its record, and the functions by which one calls
 * another. virtio_net.c finds, starts, stops and recovers the device; virtio_net_data.c moves frames;
 * virtio_net_control.c gives it commands.
 */
#ifndef DEV_VIRTIO_NET_INTERNAL_H
#define DEV_VIRTIO_NET_INTERNAL_H

#include "dev/virtio_net.h"
#include "net/netdev.h"
#include "proc/sleeplock.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"
#include "virtio/virtq.h"

#define ETHERNET_HEADER  14u
#define CONTROL_SEGMENTS 2u /* of a command: what the device reads, and its answer */

struct virtio_net {
    struct netdev dev;
    struct virtio_device *device; /* [I] */
    uint64_t understood;          /* [I] features to accept if offered */
    uint64_t needed;              /* [I] features that it offered once, and that are built upon */

    struct sleeplock life; /* serialises open, stop and recovery */
    uint64_t recovered_at; /* [life] clock_ns() of the last recovery; 0: none */

    bool attention; /* atomic: the poll thread is to look at the device's state */
    bool running; /* the device is live; changed with rx_lock and tx_lock held, read under either */

    struct spinlock rx_lock;
    struct virtq *rx;   /* [rx_lock] */
    unsigned rx_hidden; /* [rx_lock] buffers posted since the last kick */

    struct spinlock tx_lock;
    struct virtq *tx; /* [tx_lock] */
    bool polling;     /* [tx_lock] the poll's end will kick */
    bool recovering;  /* [tx_lock] not running, but soon again: frames wait */
    /* [tx_lock] clock_ns() since when frames wait and none has got sent; 0: it is not so */
    uint64_t tx_waiting_since;
    bool tx_stalled; /* [tx_lock] that has been too long */

    struct virtq *control;             /* [life] NULL: the device has none */
    struct virtio_net_command command; /* [life] while `commanding` the device's */
    bool commanding;                   /* [life] to write; the interrupt handler looks at it */
    struct spinlock control_lock;
    struct waitq control_done; /* [control_lock] who waits for an answer */
};

/* --- virtio_net_data.c --- */

/* The operations of struct netdev_ops. */
int virtio_net_transmit(struct netdev *dev, struct mbuf *m, bool more);
void virtio_net_transmit_all(struct netdev *dev, struct list *frames, bool more);
void virtio_net_flush(struct netdev *dev);
int virtio_net_poll(struct netdev *dev, int budget);
bool virtio_net_irq_on(struct netdev *dev);
void virtio_net_irq_off(struct netdev *dev);

/* Fills the receive ring, without showing it to the device yet: so nobody else uses it, and no lock is
 * needed. 0, or -ENOMEM with part of it filled. */
int virtio_net_rx_fill(struct virtio_net *net);
/* Shows the device the filled ring. It is live. */
void virtio_net_rx_kick(struct virtio_net *net);
/* Whether nothing has got sent for too long. */
bool virtio_net_tx_has_stalled(struct virtio_net *net);
/* Drops, and counts, the frames that wait for room in the transmit ring. */
void virtio_net_drop_waiting(struct virtio_net *net);
/* Any context, the ring locks may be held: has the poll thread call virtio_net_attend(). */
void virtio_net_request_attention(struct virtio_net *net);

/* --- virtio_net_control.c --- */

/* The operation of struct netdev_ops: 0; -EOPNOTSUPP: the device cannot be told; -EIO: it refuses or
 * does not answer; -EBUSY: it has not answered an earlier command yet. */
int virtio_net_set_receive_mode(struct netdev *dev);
/* The same under `life`, on a live device. */
int virtio_net_receive_mode_apply(struct virtio_net *net);
/* Interrupt handler: the answer to a command may be there. */
void virtio_net_control_event(struct virtio_net *net);
/* After the device's reset, which ends its ownership: forgets the command that it has not answered. */
void virtio_net_control_empty(struct virtio_net *net);

/* --- virtio_net.c --- */

/* Poll thread, no lock held: finds out what the device has to say, and recovers it if it has
 * failed. */
void virtio_net_attend(struct virtio_net *net);

#endif
