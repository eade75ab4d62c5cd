/* IPv4 (RFC 791; RFC 1122, 3.2.1): what is received and what is sent. Addresses and routes are in
 * route.c.
 *
 *   ip_input    checks a datagram, takes its header off, hands it to ICMP or UDP
 *   ip_output   puts a header in front and hands the datagram to the link
 *
 * A received datagram goes through the checks in the order in which they become possible: the header is all
 * there (ip.too_short, bad_version, bad_header_length), then it is intact (bad_checksum), then its fields
 * make sense (bad_length, bad_options), then it is for us (bad_source, not_for_us, unicast_in_broadcast,
 * fragment, unknown_protocol). The first check that fails is counted, and no other. From then on
 * m->ip_header points at the header, which stays in front of the data: an ICMP error quotes it.
 *
 * All that is sent has "don't fragment" set. That makes the datagrams atomic, so their
 * identification means nothing and is 0 (RFC 6864, 4.1); a router whose next link is too small
 * answers with an error, and that reaches the socket. A received fragment is dropped and counted.
 */
#include "net/net.h"

#include "abi/errno.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/wire.h"

/* --- Receiving --- */

/* [lab 5] */
/* Whether the options can be told apart: each has a length that covers itself and stays inside the
 * header (RFC 791, 3.1). None of them changes what a host does with a datagram, so they are all
 * passed over. */
static bool options_are_sound(const struct ip_header *header, unsigned header_length)
{
    const uint8_t *option = (const uint8_t *)(header + 1);
    const uint8_t *end = (const uint8_t *)header + header_length;
    while (option < end && *option != IP_OPTION_END) {
        if (*option == IP_OPTION_NONE) {
            option++;
            continue;
        }
        if (end - option < 2 || option[1] < 2 || option[1] > end - option)
            return false;
        option += option[1];
    }
    return true;
}

/* [lab 5] */
/* Whether one host can have sent this, through the device it came from (RFC 1122, 3.2.1.3). On a
 * wire, our own addresses are as wrong as loopback ones; who has one of 0/8 does not know its own yet,
 * and cannot be answered. */
static bool source_is_valid(const struct netdev *dev, const struct mbuf *m, be32_t source)
{
    unsigned first = ntohl(source) >> 24;
    if (first == 0 || first >= 224 || ip_is_broadcast(dev, source))
        return false;
    return (m->flags & MBUF_LOOPBACK) || !ip_is_own(source);
}

/* [lab 5] */
/* Our own addresses on other interfaces count as well: the address belongs to the host (RFC
 * 1122, 3.3.4.2, the weak model). The first test is the one that nearly every datagram passes. */
static bool destination_is_ours(const struct netdev *dev, const struct mbuf *m, be32_t destination)
{
    if (destination == ip_address(dev) && destination != 0)
        return true;
    if (ip_is_broadcast(dev, destination))
        return true;
    if (!ip_is_own(destination))
        return false;
    /* 127/8 is ours only inside. */
    return (m->flags & MBUF_LOOPBACK) || ntohl(destination) >> 24 != 127;
}

/* [lab 5] */
/* The sum over a header without options, as nearly all are: five words, whose carries gather above them. */
static uint32_t plain_header_sum(const struct ip_header *header)
{
    const wire_word *word = (const wire_word *)header;
    return checksum_fold_32((uint64_t)word[0] + word[1] + word[2] + word[3] + word[4]);
}

/* [lab 5] */
/* Whether the header is complete and intact, and the datagram all there. *reason: the counter if
 * not. Trims what follows the datagram in the frame: Ethernet pads short ones. */
static bool header_is_sound(struct mbuf *m, enum net_counter *reason)
{
    const struct ip_header *header = (const struct ip_header *)m->data;
    *reason = NET_ip_too_short;
    if (m->length < sizeof(*header))
        return false;
    *reason = NET_ip_bad_version;
    if (ip_header_version(header) != 4)
        return false;
    unsigned header_length = ip_header_length(header);
    *reason = NET_ip_bad_header_length;
    if (header_length < sizeof(*header) || header_length > m->length)
        return false;
    *reason = NET_ip_bad_checksum;
    uint32_t sum = header_length == sizeof(*header) ? plain_header_sum(header)
                                                    : checksum_add(0, header, header_length);
    if (checksum_finish(sum) != 0)
        return false;
    unsigned total_length = ntohs(header->total_length);
    *reason = NET_ip_bad_length;
    if (total_length < header_length || total_length > m->length)
        return false;
    mbuf_truncate(m, total_length);
    *reason = NET_ip_bad_options;
    return header_length == sizeof(*header) || options_are_sound(header, header_length);
}

/* [lab 5] */
/* Whether this host is to take the datagram. *reason: the counter if not. */
static bool datagram_is_for_us(const struct netdev *dev, const struct mbuf *m,
                               enum net_counter *reason)
{
    const struct ip_header *header = (const struct ip_header *)m->data;
    *reason = NET_ip_bad_source;
    if (!source_is_valid(dev, m, header->source))
        return false;
    *reason = NET_ip_not_for_us;
    if (!destination_is_ours(dev, m, header->destination))
        return false;
    /* RFC 1122, 3.3.6: what comes in a link broadcast is addressed to a broadcast address. */
    *reason = NET_ip_unicast_in_broadcast;
    if ((m->flags & (MBUF_LINK_BROADCAST | MBUF_LINK_MULTICAST)) &&
        !ip_is_broadcast(dev, header->destination))
        return false;
    *reason = NET_ip_fragment;
    return (header->fragment & BE16(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET)) == 0;
}

/* [lab 5] */
/* Hands a checked datagram, its header off, to its protocol. */
static void deliver(struct netdev *dev, struct mbuf *m, uint8_t protocol)
{
    switch (protocol) {
    case IPPROTO_UDP:
        net_count(NET_ip_delivered);
        udp_input(dev, m);
        break;
    case IPPROTO_ICMP:
        net_count(NET_ip_delivered);
        icmp_input(dev, m);
        break;
    default:
        net_count(NET_ip_unknown_protocol);
        icmp_send_error(dev, m, ICMP_UNREACHABLE, ICMP_UNREACHABLE_PROTOCOL);
    }
}

/* [lab 5] */
/* The checks of the file's head, then to ICMP or UDP. The header's fields that others need are copied
 * into the mbuf, once, here. */
void ip_input(struct netdev *dev, struct mbuf *m)
{
    enum net_counter reason;
    net_count(NET_ip_received);
    if (!header_is_sound(m, &reason) || !datagram_is_for_us(dev, m, &reason)) {
        net_count(reason);
        mbuf_free(m);
        return;
    }
    const struct ip_header *header = (const struct ip_header *)m->data;
    m->ip_header = m->data;
    m->ip_header_length = (uint16_t)ip_header_length(header);
    m->source = header->source;
    m->destination = header->destination;
    if (m->ip_header_length == sizeof(*header) && header->destination == ip_address(dev))
        m->flags |= MBUF_IP_PLAIN;
    mbuf_pull(m, m->ip_header_length);
    deliver(dev, m, header->protocol);
}

/* --- Sending --- */

/* [lab 5] */
/* The Ethernet address of a group: its last 23 bits behind a fixed prefix (RFC 1112, 6.4). */
static int multicast_output(struct netdev *dev, struct mbuf *m, be32_t group)
{
    uint32_t bits = ntohl(group) & 0x7fffff;
    uint8_t mac[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED = {
        0x01, 0x00, 0x5e, (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
    return ether_output(dev, m, mac, ETHER_TYPE_IP);
}

/* [lab 5] */
/* Who gets the frame: the way may know, loopback has no link addresses, all and groups need no asking, a
 * neighbour is resolved. */
static int link_output(struct mbuf *m, const struct ip_destination *way)
{
    if (way->neighbour_known)
        return ether_output(way->dev, m, way->neighbour, ETHER_TYPE_IP);
    if (way->dev->flags & IFF_LOOPBACK)
        return netdev_transmit(way->dev, m);
    if (way->broadcast)
        return ether_output(way->dev, m, ether_broadcast, ETHER_TYPE_IP);
    if (ip_is_multicast(way->next_hop))
        return multicast_output(way->dev, m, way->next_hop);
    return arp_output(way->dev, m, way->next_hop);
}

/* [lab 5] */
static int refuse(struct mbuf *m, enum net_counter reason, int error)
{
    net_count(reason);
    mbuf_free(m);
    return error;
}

/* [lab 5] */
/* Nothing is looked up here: whoever sends many datagrams to one place finds the way once. The source is the
 * way's. Like each layer that pushes a header this moves csum_start along. */
int ip_output(struct mbuf *m, const struct ip_send *send, const struct ip_destination *way)
{
    if (send->ttl == 0)
        return refuse(m, NET_ip_send_invalid, -EINVAL);
    if (m->length + sizeof(struct ip_header) > way->dev->mtu)
        return refuse(m, NET_ip_send_too_long, -EMSGSIZE);
    struct ip_header *header = mbuf_push(m, sizeof(*header));
    m->csum_start = (uint16_t)(m->csum_start + sizeof(*header));
    header->version_length = IP_VERSION_LENGTH_PLAIN;
    header->tos = send->tos;
    header->total_length = htons((uint16_t)m->length);
    header->id = 0;
    header->fragment = BE16(IP_DONT_FRAGMENT);
    header->ttl = send->ttl;
    header->protocol = send->protocol;
    header->checksum = 0;
    header->source = way->source;
    header->destination = send->destination;
    header->checksum = checksum_finish(plain_header_sum(header));
    m->flags |= MBUF_IP_PLAIN;
    net_count(NET_ip_sent);
    return link_output(m, way);
}
