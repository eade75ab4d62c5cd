/* Packet trains: datagrams that one system call sends to one place, all of the same length. The term is R.
 * Jain's and S. Routhier's ("Packet Trains", IEEE Journal on Selected Areas in Communications, September
 * 1986).
 *
 * What the layers put in front of them differs in nothing but UDP's checksum. So the first goes down through
 * them; the others get a copy of its headers, and go to the device together, with one visit to its lock.
 *
 * A train lives no longer than its batch (struct socket_batch), whose path is looked up once as well. But its
 * socket keeps both, path and lead: the next batch goes on with them, without a first that goes through the
 * layers, as long as nothing has changed that they depend on.
 */
#ifndef NET_TRAIN_H
#define NET_TRAIN_H

#include "lib/list.h"
#include "lib/string.h"
#include "mm/uio.h"
#include "net/headers.h"
#include "net/net.h"

#define TRAIN_NONE SIZE_MAX
#define TRAIN_MAX  32 /* followers at a time: a device's queue takes them however long it is */

/* What the layers have made of the first: all that the others need of them. */
struct train_lead {
    size_t payload_length; /* bytes, of the datagrams that the train takes; TRAIN_NONE: none yet */
    struct netdev *dev;
    uint16_t flags; /* of each mbuf, with the offsets that belong to MBUF_CSUM_PARTIAL */
    uint16_t csum_start, csum_offset;
    uint32_t sum;           /* headers_udp_sum() */
    struct headers headers; /* with MBUF_CSUM_PARTIAL UDP's checksum is every datagram's */
};

/* One thread's: no lock. */
struct train {
    struct train_lead lead;
    bool led; /* by a datagram of this batch */
    /* The frames that the device does not have yet, oldest first; behind them empty mbufs, for those to
     * come. */
    struct list mbufs;
    struct list_node *last; /* of the frames; the list's head: there are none */
    unsigned followers;     /* among the frames: those that train_add() has made */
};

static inline void train_init(struct train *train)
{
    train->lead.payload_length = TRAIN_NONE;
    train->led = false;
    train->followers = 0;
    list_init(&train->mbufs);
    train->last = &train->mbufs.head;
}

static inline bool train_has_frames(const struct train *train)
{
    return train->last != &train->mbufs.head;
}

static inline bool train_has_empty(const struct train *train)
{
    return train->last->next != &train->mbufs.head;
}

/* Whether a datagram on the train's path is like its first one. */
static inline bool train_takes(const struct train *train, size_t payload_length)
{
    return payload_length == train->lead.payload_length;
}

/* Gives the device what it does not have yet; `more`: a flush will follow. False: there was nothing. Thread
 * context, no lock held. */
bool train_send(struct train *train, bool more);

/* The slow half of train_payload(). */
int64_t train_payload_copy(const struct train *train, struct mbuf *m, struct uio *uio);

/* The user's datagram in the mbuf. The sum over it and the headers, unless the device makes that; or
 * -EFAULT. */
static inline int64_t train_payload(const struct train *train, struct mbuf *m, struct uio *uio)
{
    const struct train_lead *lead = &train->lead;
    const void *from = uio_in_place(uio, lead->payload_length);
    if (!from)
        return train_payload_copy(train, m, uio);
    if (!(lead->flags & MBUF_CSUM_PARTIAL))
        return checksum_copy(lead->sum, m->data, from, lead->payload_length);
    memcpy(m->data, from, lead->payload_length);
    return 0;
}

/* Fills the next empty mbuf, of which there is one, with the user's datagram, whose length train_takes(). 0;
 * -EFAULT: it stays empty. The headers are copied with what lies in front of them: that is six words.
 * Inline, because nearly all datagrams that are sent are sent here. */
static inline int train_add(struct train *train, struct uio *uio)
{
    const struct train_lead *lead = &train->lead;
    struct mbuf *m = LIST_ENTRY(train->last->next, struct mbuf, node);
    int64_t sum = train_payload(train, m, uio);
    if (sum < 0)
        return (int)sum;
    m->data -= HEADERS_SIZE;
    m->length = (uint32_t)(lead->payload_length + HEADERS_SIZE);
    m->flags = lead->flags;
    struct headers *headers = headers_of(m->data);
    *headers = lead->headers;
    if (lead->flags & MBUF_CSUM_PARTIAL) {
        m->csum_start = lead->csum_start;
        m->csum_offset = lead->csum_offset;
    } else {
        uint16_t checksum = checksum_finish((uint32_t)sum);
        headers->udp.checksum = checksum ? checksum : 0xffff; /* 0 would say "none" (RFC 768) */
    }
    train->last = &m->node;
    if (++train->followers == TRAIN_MAX)
        train_send(train, true);
    return 0;
}

/* Sends what there is, and takes no more: the next datagram goes through the layers. A flush will follow. */
static inline void train_end(struct train *train)
{
    train->lead.payload_length = TRAIN_NONE;
    train->led = false;
    if (train_has_frames(train))
        train_send(train, true);
}

/* From netdev_transmit(): the layers have agreed (MBUF_LEADS_TRAIN) that these are the headers of
 * m->train, which takes m as its first. False: it does not. */
bool train_start(struct mbuf *m);

#endif
