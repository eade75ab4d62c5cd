/* Ethernet (RFC 894; RFC 1122, 2.3.3).
 *
 *   ether_input    checks a received frame, takes its header off, hands it to ARP or IP
 *   ether_output   puts a header in front and hands the frame to the device
 *
 * Frames in IEEE 802.3 form are accepted if they carry IP or ARP as RFC 1042 says; all that is sent
 * is in RFC 894 form. Nothing is padded here: a device that needs frames of 60 bytes pads them
 * itself.
 */
#include "net/net.h"

#include "lib/string.h"
#include "net/counters.h"
#include "net/wire.h"

const uint8_t ether_broadcast[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED = {0xff, 0xff, 0xff,
                                                                        0xff, 0xff, 0xff};

/* [lab 4] */
/* Whether a frame to this address is for us; notes in the mbuf if it is for others as well, which
 * IP must know (RFC 1122, 2.4). Which groups we listen to is decided there, by the IP address. */
static bool destination_accept(const struct netdev *dev, struct mbuf *m, const uint8_t *destination)
{
    if (destination[0] & ETHER_GROUP_BIT) {
        bool broadcast = memcmp(destination, ether_broadcast, sizeof(ether_broadcast)) == 0;
        m->flags |= broadcast ? MBUF_LINK_BROADCAST : MBUF_LINK_MULTICAST;
        return true;
    }
    return ether_address_equal(destination, dev->mac);
}

/* [lab 4] */
/* Takes an RFC 1042 header off, and what follows the frame's data. The type it gives, or -1: it is
 * something else. */
static int snap_type(struct mbuf *m, unsigned data_length)
{
    static const uint8_t expected[] = {0xaa, 0xaa, 0x03, 0, 0, 0};
    const struct snap_header *snap = (const struct snap_header *)m->data;
    if (data_length < sizeof(*snap) || data_length > m->length)
        return -1;
    if (memcmp(snap, expected, sizeof(expected)) != 0)
        return -1;
    mbuf_truncate(m, data_length);
    mbuf_pull(m, sizeof(*snap));
    m->flags &= (uint16_t)~MBUF_ETHER_PLAIN;
    return ntohs(snap->type);
}

/* [lab 4] */
static void drop(struct mbuf *m, enum net_counter reason)
{
    net_count(reason);
    mbuf_free(m);
}

/* [lab 4] */
/* Hands a frame whose header is off to the protocol it carries. */
static void deliver(struct netdev *dev, struct mbuf *m, int type)
{
    switch (type) {
    case ETHER_TYPE_IP:
        ip_input(dev, m);
        break;
    case ETHER_TYPE_ARP:
        arp_input(dev, m);
        break;
    default:
        drop(m, NET_ether_unknown_type);
    }
}

/* [lab 4] */
/* Nothing of the header is looked at before its length has been checked, and it is checked once. */
void ether_input(struct netdev *dev, struct mbuf *m)
{
    const struct ether_header *header = (const struct ether_header *)m->data;
    net_count(NET_ether_received);
    if (m->length < sizeof(*header)) {
        drop(m, NET_ether_too_short);
        return;
    }
    if (!destination_accept(dev, m, header->destination)) {
        drop(m, NET_ether_not_for_us);
        return;
    }
    if (header->source[0] & ETHER_GROUP_BIT) { /* nobody's address */
        drop(m, NET_ether_bad_source);
        return;
    }
    int type = ntohs(header->type);
    m->flags |= MBUF_ETHER_PLAIN;
    mbuf_pull(m, sizeof(*header));
    if (type <= ETHER_LENGTH_MAX && (type = snap_type(m, (unsigned)type)) < 0) {
        drop(m, NET_ether_length_field);
        return;
    }
    deliver(dev, m, type);
}

/* [lab 4] */
/* The offset of a checksum that the device completes counts from the front of the frame, so it
 * moves along. */
int ether_output(struct netdev *dev, struct mbuf *m, const uint8_t *destination, uint16_t type)
{
    struct ether_header *header = mbuf_push(m, sizeof(*header));
    m->csum_start = (uint16_t)(m->csum_start + sizeof(*header));
    ether_address_copy(header->destination, destination);
    ether_address_copy(header->source, dev->mac);
    header->type = htons(type);
    m->flags |= MBUF_ETHER_PLAIN;
    net_count(NET_ether_sent);
    return netdev_transmit(dev, m);
}
