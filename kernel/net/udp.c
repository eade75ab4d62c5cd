/* UDP (RFC 768; RFC 1122, 4.1).
 *
 *   udp_input    checks a datagram that IP has accepted, and hands it to its socket
 *   udp_output   puts the header in front of a payload, and hands it to IP
 *
 * A datagram from an invalid source (RFC 1122, 4.1.3.6) does not come here: IP has dropped it.
 *
 * UDP keeps no state of its own: ports belong to the socket layer. Every received datagram ends in
 * exactly one of: a socket (which counts what becomes of it there), or one of this file's drop
 * counters.
 */
#include "net/net.h"

#include "abi/socket.h"
#include "net/counters.h"
#include "net/predict.h"
#include "net/wire.h"

/* [lab 6] */
/* A checksum of 0 means that the sender made none (RFC 768). What a device has verified, loopback
 * among them, is not summed again. */
static bool checksum_is_right(const struct mbuf *m, const struct udp_header *header)
{
    if (header->checksum == 0 || (m->flags & MBUF_CSUM_VERIFIED))
        return true;
    uint32_t sum = checksum_pseudo(m->source, m->destination, IPPROTO_UDP, (uint16_t)m->length);
    return checksum_finish(checksum_add(sum, m->data, m->length)) == 0;
}

/* [lab 6] */
/* Finds what is wrong with a datagram; *reason is the counter for it. Trims what follows the
 * datagram in the IP payload. */
static bool datagram_is_valid(struct mbuf *m, enum net_counter *reason)
{
    const struct udp_header *header = (const struct udp_header *)m->data;
    *reason = NET_udp_bad_length;
    if (m->length < sizeof(*header))
        return false;
    uint16_t length = ntohs(header->length);
    if (length < sizeof(*header) || length > m->length)
        return false;
    mbuf_truncate(m, length);
    *reason = NET_udp_bad_checksum;
    return checksum_is_right(m, header);
}

/* [lab 6] */
/* Delivery gives the socket the payload alone; the headers stay in front of it in the mbuf,
 * untouched, for the case that there is no socket and ICMP has to quote them (RFC 1122, 3.2.2). */
void udp_input(struct netdev *dev, struct mbuf *m)
{
    net_count(NET_udp_received);
    enum net_counter reason;
    if (!datagram_is_valid(m, &reason)) {
        net_count(reason);
        mbuf_free(m);
        return;
    }
    predict_learn(dev, m);
    const struct udp_header *header = (const struct udp_header *)m->data;
    be16_t port = header->destination_port;
    m->source_port = header->source_port;
    mbuf_pull(m, sizeof(*header));
    if (!socket_deliver(m, IPPROTO_UDP, port)) {
        /* RFC 1122, 4.1.3.1. Whether this datagram may be answered at all, ICMP knows. */
        net_count(NET_udp_no_port);
        predict_forget(dev);
        icmp_send_error(dev, m, ICMP_UNREACHABLE, ICMP_UNREACHABLE_PORT);
    }
}

/* A datagram like them had a socket a moment ago; should that be gone, they are answered like all others. */
void udp_deliver(struct netdev *dev, struct list *datagrams, unsigned n, be16_t port)
{
    if (socket_deliver_run(datagrams, n, IPPROTO_UDP, port))
        return;
    predict_forget(dev);
    net_count_many(NET_udp_no_port, n);
    struct list_node *node;
    while ((node = list_pop_front(datagrams)))
        icmp_send_error(dev, LIST_ENTRY(node, struct mbuf, node), ICMP_UNREACHABLE,
                        ICMP_UNREACHABLE_PORT);
}

/* [lab 6] */
/* Fills in the checksum of the datagram in m, whose header has it 0: all of it, or for a device
 * that does the rest only the sum of the pseudo-header, not complemented. */
static void checksum_fill(struct mbuf *m, struct udp_header *header, be32_t destination,
                          const struct ip_destination *way)
{
    uint32_t sum = checksum_pseudo(way->source, destination, IPPROTO_UDP, (uint16_t)m->length);
    if (way->dev->offload_checksum) {
        header->checksum = (uint16_t)~checksum_finish(sum);
        m->flags |= MBUF_CSUM_PARTIAL;
        m->csum_start = 0;
        m->csum_offset = offsetof(struct udp_header, checksum);
        return;
    }
    header->checksum = checksum_finish(checksum_add(sum, m->data, m->length));
    if (header->checksum == 0)
        header->checksum = 0xffff; /* 0 would say "no checksum" (RFC 768) */
}

/* [lab 6] */
/* Whether the datagram fits the way is IP's to say: the limit is the whole packet's. */
int udp_output(struct mbuf *m, const struct ip_send *send, const struct ip_destination *way,
               be16_t source_port, be16_t destination_port)
{
    struct udp_header *header = mbuf_push(m, sizeof(*header));
    *header = (struct udp_header){.source_port = source_port,
                                  .destination_port = destination_port,
                                  .length = htons((uint16_t)m->length)};
    checksum_fill(m, header, send->destination, way);
    m->flags |= MBUF_UDP_PLAIN;
    int result = ip_output(m, send, way);
    if (result == 0)
        net_count(NET_udp_sent);
    return result;
}
