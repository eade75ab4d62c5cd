/* Packet trains: see train.h. */
#include "net/train.h"

#include "net/counters.h"

bool train_start(struct mbuf *m)
{
    struct train *train = m->train;
    struct train_lead *lead = &train->lead;
    if (!headers_are_aligned(m->data))
        return false;
    lead->headers = *headers_of(m->data);
    m->flags = (m->flags & MBUF_CSUM_PARTIAL) | MBUF_ADMITTED;
    lead->payload_length = m->length - HEADERS_SIZE;
    lead->dev = m->dev;
    lead->flags = m->flags;
    lead->csum_start = m->csum_start;
    lead->csum_offset = m->csum_offset;
    lead->sum = headers_udp_sum(&lead->headers);
    train->led = true;
    list_insert_after(train->last, &m->node);
    train->last = &m->node;
    return true;
}

int64_t train_payload_copy(const struct train *train, struct mbuf *m, struct uio *uio)
{
    const struct train_lead *lead = &train->lead;
    int result = uio_get(uio, m->data, lead->payload_length);
    if (result < 0 || (lead->flags & MBUF_CSUM_PARTIAL))
        return result;
    return checksum_add(lead->sum, m->data, lead->payload_length);
}

bool train_send(struct train *train, bool more)
{
    unsigned n = train->followers;
    struct list frames;
    if (!train_has_frames(train))
        return false;
    list_init(&frames);
    list_move_front(&frames, &train->mbufs, train->last);
    train->last = &train->mbufs.head;
    if (n > 0) {
        net_count_many(NET_udp_sent, n);
        net_count_many(NET_udp_in_train, n);
        net_count_many(NET_ip_sent, n);
        net_count_many(NET_ether_sent, n);
    }
    train->followers = 0;
    netdev_transmit_all(train->lead.dev, &frames, more);
    return true;
}
