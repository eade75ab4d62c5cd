/* Packet trains: see train.h. */
#include "net/train.h"

#include "net/counters.h"

bool train_start(struct mbuf *m)
{
    struct train *train = m->train;
    if (!headers_are_aligned(m->data))
        return false;
    train->headers = *headers_of(m->data);
    m->flags = (m->flags & MBUF_CSUM_PARTIAL) | MBUF_ADMITTED;
    train->payload_length = m->length - HEADERS_SIZE;
    train->dev = m->dev;
    train->flags = m->flags;
    train->csum_start = m->csum_start;
    train->csum_offset = m->csum_offset;
    train->sum = headers_udp_sum(&train->headers);
    list_push_back(&train->frames, &m->node);
    return true;
}

int64_t train_payload_copy(const struct train *train, struct mbuf *m, struct uio *uio)
{
    int result = uio_get(uio, m->data, train->payload_length);
    if (result < 0 || (train->flags & MBUF_CSUM_PARTIAL))
        return result;
    return checksum_add(train->sum, m->data, train->payload_length);
}

bool train_send(struct train *train, bool more)
{
    unsigned n = train->followers;
    if (list_empty(&train->frames))
        return false;
    if (n > 0) {
        net_count_many(NET_udp_sent, n);
        net_count_many(NET_udp_in_train, n);
        net_count_many(NET_ip_sent, n);
        net_count_many(NET_ether_sent, n);
    }
    train->followers = 0;
    netdev_transmit_all(train->dev, &train->frames, more);
    return true;
}
