/* The network stack's own interfaces, layer by layer from the wire up.
 *
 * Conventions, stated once:
 * - IP addresses and ports are in network byte order everywhere (be32_t, be16_t), as in sockaddr_in and on
 *   the wire; lengths and offsets are in host order.
 * - *_input and *_output take the mbuf away from the caller, whatever the result (see mbuf.h).
 * - *_input return nothing: what is wrong with a frame is counted where it was found, and the frame freed.
 * - *_output push a header; who does so moves csum_start along.
 * - No lock is held when calling up the stack or into transmit. Lock order: port table -> socket; the ARP
 *   cache's, the route table's and a device's locks are leaves; the pool's is innermost, so an mbuf may be
 *   freed anywhere.
 * - Every drop has its own counter (net/counters.h): frames in = delivered + sum of drops + queued.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "abi/netconf.h"
#include "lib/byteorder.h"
#include "lib/types.h"
#include "net/mbuf.h"
#include "net/netdev.h"

/* Brings up the pool, loopback (address 127.0.0.1/8, up), ARP, IP, UDP and the socket layer. Boot, once. */
void net_init(void);

/* Goes up after each change of an address, a route, or what a device is (up, link, MTU). What was
 * concluded from them at another number may be wrong now: whether a frame is for us, which way a datagram
 * goes. */
extern unsigned net_config_version;
void net_config_changed(void); /* any context */

/* --- checksum.c: the Internet checksum (RFC 1071) --- */

/* Adds n bytes, which may begin at any address, to a running one's complement sum; an odd length is
 * padded with a zero byte, so only the last piece may be odd. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t n);

/* The same, and copies them to where they do not overlap. */
uint32_t checksum_copy(uint32_t sum, void *to, const void *from, size_t n);

/* A sum in fewer bits. The first step leaves at most one carry, the second takes it in. */
static inline uint32_t checksum_fold_32(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    return (uint32_t)((sum & UINT32_MAX) + (sum >> 32));
}

static inline uint16_t checksum_fold_16(uint32_t sum)
{
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

/* The pseudo-header of UDP (RFC 768): addresses, protocol, length in host order. */
static inline uint32_t checksum_pseudo(be32_t source, be32_t destination, uint8_t protocol,
                                       uint16_t length)
{
    return checksum_fold_32((uint64_t)source + destination + htons(protocol) + htons(length));
}

/* Folds and complements: the value to store in a header, in memory order. Over data that already contains a
 * right checksum it gives 0. */
static inline uint16_t checksum_finish(uint32_t sum) { return (uint16_t)~checksum_fold_16(sum); }

/* --- loopback.c --- */
extern struct netdev loopback_device; /* "lo" */
void loopback_init(void);

/* --- ether.c --- */
extern const uint8_t ether_broadcast[ETHERNET_ADDRESS_LENGTH];
void ether_input(struct netdev *dev, struct mbuf *m);
/* m begins with the payload; destination at an even address; type in host order. 0 or the error of
 * netdev_transmit. */
int ether_output(struct netdev *dev, struct mbuf *m, const uint8_t *destination, uint16_t type);

/* The way of a datagram that is sent: found by ip_route(), used by ip_output(). */
struct ip_destination {
    struct netdev *dev;
    be32_t source;   /* our address on dev */
    be32_t next_hop; /* the destination itself or a gateway */
    bool broadcast;
    bool neighbour_known; /* `neighbour` is the next hop's address: ARP need not be asked */
    uint8_t neighbour[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED;
};

/* --- arp.c (RFC 826, 1122 2.3.2, 5227) --- */
void arp_init(void);
void arp_input(struct netdev *dev, struct mbuf *m);
/* Sends an IP datagram to an on-link next hop: at once if its address is known, else after resolving it (one
 * datagram waits per entry, the newest). 0: sent or waiting. -EHOSTUNREACH: resolution has failed lately. */
int arp_output(struct netdev *dev, struct mbuf *m, be32_t next_hop);
/* Fills in the neighbour of a way, if its address is known now, for several datagrams to be sent at once. */
void arp_find_neighbour(struct ip_destination *way);
/* Asks whether another host uses an address that dev is to get (RFC 5227, 2.1.1): 0, or -EADDRINUSE. Sleeps
 * for the time that takes, some 60 ms; thread context. The device is running. */
int arp_probe(struct netdev *dev, be32_t address);
/* Announces the address (RFC 5227, 2.3), twice, ARP_ANNOUNCE_INTERVAL apart: after it was set, and when the
 * link comes back. */
void arp_announce(struct netdev *dev, be32_t address);
/* Drops every entry of a device, permanent ones too; NULL: of all. */
void arp_flush(struct netdev *dev);
/* For ioctl: 0, -ENXIO (no such entry), -ENOSPC, -EINVAL, -ENETUNREACH (neither on-link nor an entry). */
int arp_entry_get(struct arpreq *request);
int arp_entry_set(const struct arpreq *request);
int arp_entry_delete(const struct arpreq *request);
/* Fills at most room; returns how many there are. */
uint32_t arp_list(struct arpreq *entries, uint32_t room);

/* How long an entry stays without being confirmed, ns (RFC 1122, 2.3.2.1: configurable). */
extern uint64_t arp_timeout;
int arp_set_timeout(uint32_t seconds); /* 0 or -EINVAL; holds for the entries there are, too */

/* --- ip.c (RFC 791, 1122 3.2.1, 3.3) --- */
struct ip_send {
    be32_t source; /* one of our unicast addresses, or 0: the outgoing interface's */
    be32_t destination;
    uint8_t protocol;
    uint8_t ttl; /* 1..255; 0 is refused (RFC 1122, 3.2.1.7) */
    uint8_t tos;
};
#define IP_TTL_DEFAULT 64

void ip_init(void);
void ip_input(struct netdev *dev, struct mbuf *m); /* m begins with the IP header */
/* Finds the way to a destination. 0, -ENETUNREACH (no route), -ENETDOWN (its interface or link is down),
 * -EINVAL (0.0.0.0 or otherwise not a valid destination), -EADDRNOTAVAIL (source is not one of ours). */
int ip_route(be32_t source, be32_t destination, struct ip_destination *way);
/* Prepends the header and sends on a way found by ip_route. m begins with the transport header. 0, -EMSGSIZE
 * (larger than the MTU), -EINVAL, or an error of the layers below. */
int ip_output(struct mbuf *m, const struct ip_send *send, const struct ip_destination *way);
bool ip_is_own(be32_t address); /* a unicast address of ours, 127/8 included */
bool ip_is_multicast(be32_t address);

/* By netdev index; read without a lock. In the header, since each datagram is compared with them. The
 * broadcast addresses are all-ones where there is none, since that is one on every interface. */
extern struct ip_interface {
    be32_t address; /* 0: none */
    be32_t mask;
    be32_t subnet_broadcast, net_broadcast; /* the latter by the class of `address` */
} ip_interfaces[NETDEV_MAX + 1];

static inline be32_t ip_address(const struct netdev *dev) /* 0: none */
{
    return READ_ONCE(ip_interfaces[dev->index].address);
}

static inline be32_t ip_netmask(const struct netdev *dev)
{
    return READ_ONCE(ip_interfaces[dev->index].mask);
}

static inline be32_t ip_subnet_broadcast(const struct netdev *dev) /* 0: none */
{
    be32_t address = READ_ONCE(ip_interfaces[dev->index].subnet_broadcast);
    return address != BE32(INADDR_BROADCAST) ? address : 0;
}

/* All-ones, subnet-directed and net-directed on dev (RFC 1122, 3.3.6). */
static inline bool ip_is_broadcast(const struct netdev *dev, be32_t address)
{
    const struct ip_interface *on = &ip_interfaces[dev->index];
    return address == BE32(INADDR_BROADCAST) || address == READ_ONCE(on->subnet_broadcast) ||
           address == READ_ONCE(on->net_broadcast);
}

/* --- route.c (RFC 1122, 3.3.1): ip_route, ip_is_own and ip_is_multicast above, and ---
 * addresses, one per interface, and routes. 0 or a negated errno. Setting an address or a mask renews the
 * interface's on-link route; a new address is announced, 0 removes it. mask 0: that of the class. */
int ip_set_address(struct netdev *dev, be32_t address, be32_t mask);
int ip_set_netmask(struct netdev *dev, be32_t mask); /* -EADDRNOTAVAIL: there is no address */
/* Whether dev could have the address: what ip_set_address would say. */
int ip_check_address(const struct netdev *dev, be32_t address, be32_t mask);
/* The device on which address is on-link; NULL if on none. */
struct netdev *ip_on_link(be32_t address);
/* -EEXIST, -ENETUNREACH (gateway not on-link), -ENOSPC, -EINVAL. */
int ip_route_add(const struct rtentry *entry);
int ip_route_delete(const struct rtentry *entry); /* -ESRCH */
uint32_t ip_route_list(struct rtentry *entries, uint32_t room);

/* --- icmp.c (RFC 792, 1122 3.2.2) --- */
/* m begins with the ICMP header; m->ip_header is set. */
void icmp_input(struct netdev *dev, struct mbuf *m);
/* Answers a received datagram (m->ip_header is set) with an error about it, unless the rules of RFC 1122
 * 3.2.2 forbid one, and frees it. */
void icmp_send_error(struct netdev *dev, struct mbuf *m, uint8_t type, uint8_t code);

/* --- udp.c (RFC 768, 1122 4.1) --- */
/* m begins with the UDP header; m->ip_header, source and destination are set and valid. */
void udp_input(struct netdev *dev, struct mbuf *m);
/* The rest of that for n datagrams between the same two ports, whose headers are checked and off. The list is
 * empty then. */
void udp_deliver(struct netdev *dev, struct list *datagrams, unsigned n, be16_t port);
/* m holds the payload only, and fits the MTU of the way found by ip_route. 0 or a negated errno. */
int udp_output(struct mbuf *m, const struct ip_send *send, const struct ip_destination *way,
               be16_t source_port, be16_t destination_port);

/* --- socket.c: what the protocols tell sockets --- */
void socket_init(void);
/* Queues a datagram (m->source, source_port, destination set) at the socket bound to this port, by longest
 * match of local and peer address. Of UDP, m begins with the payload; of ICMP, with the header of an echo
 * reply, whose identifier is the port. False: there is none, m is still the caller's. When the socket's queue
 * is full, m is dropped and counted, and the result is true. Poll thread. */
bool socket_deliver(struct mbuf *m, uint8_t protocol, be16_t local_port);
/* The same for a list of n datagrams from one sender to one unicast address of ours. False: they are the
 * caller's still; else the list is empty. */
bool socket_deliver_run(struct list *datagrams, unsigned n, uint8_t protocol, be16_t local_port);
/* An ICMP error came in about a datagram that we sent (RFC 1122, 3.2.2, 4.1.3.3): the socket connected to
 * that peer gets `error` (a positive errno) as its pending SO_ERROR, and whoever waits on it is woken. */
void socket_icmp_error(uint8_t protocol, be32_t local, be16_t local_port, be32_t peer,
                       be16_t peer_port, int error);

#endif
