/* Interface, route, ARP and counter requests: <net/if.h>, <net/route.h>, <net/if_arp.h> and rvnet's own.
 * All are ioctl()s on any socket. */
#ifndef ABI_NETCONF_H
#define ABI_NETCONF_H

#include "abi/socket.h"

#define IFNAMSIZ 16

struct ifreq {
    char ifr_name[IFNAMSIZ];
    union {
        struct sockaddr ifr_addr;
        struct sockaddr ifr_netmask;
        struct sockaddr ifr_broadaddr;
        struct sockaddr ifr_hwaddr;
        int16_t ifr_flags;
        int32_t ifr_ifindex;
        int32_t ifr_mtu;
        char ifr_padding[24];
    };
};

struct ifconf {
    int32_t ifc_len; /* bytes: size of the buffer in, bytes filled out */
    union {
        char *ifc_buf;
        struct ifreq *ifc_req;
    };
};

#define IFF_UP        0x1
#define IFF_BROADCAST 0x2
#define IFF_LOOPBACK  0x8
#define IFF_RUNNING   0x40 /* link is up; read only */
#define IFF_PROMISC   0x100
#define IFF_ALLMULTI  0x200
#define IFF_MULTICAST 0x1000
#define IFF_POLLED    0x4000 /* rvnet: the device is polled, its interrupt stays off */

#define ARPHRD_ETHER    1
#define ARPHRD_LOOPBACK 772

struct rtentry {
    struct sockaddr rt_dst;     /* AF_INET */
    struct sockaddr rt_gateway; /* 0.0.0.0: on-link */
    struct sockaddr rt_genmask;
    uint16_t rt_flags;
    char rt_dev[IFNAMSIZ]; /* empty: the interface that reaches the gateway */
};
#define RTF_UP      0x1
#define RTF_GATEWAY 0x2
#define RTF_HOST    0x4

struct arpreq {
    struct sockaddr arp_pa; /* AF_INET */
    struct sockaddr arp_ha; /* ARPHRD_ETHER, 6 bytes of sa_data */
    int32_t arp_flags;
    char arp_dev[IFNAMSIZ];
};
#define ATF_COM  0x2 /* complete */
#define ATF_PERM 0x4 /* entered by hand, does not expire */

#define SIOCADDRT      0x890b
#define SIOCDELRT      0x890c
#define SIOCGIFCONF    0x8912
#define SIOCGIFFLAGS   0x8913
#define SIOCSIFFLAGS   0x8914
#define SIOCGIFADDR    0x8915
#define SIOCSIFADDR    0x8916
#define SIOCGIFBRDADDR 0x8919
#define SIOCGIFNETMASK 0x891b
#define SIOCSIFNETMASK 0x891c
#define SIOCGIFMTU     0x8921
#define SIOCSIFMTU     0x8922
#define SIOCGIFHWADDR  0x8927
#define SIOCGIFINDEX   0x8933
#define SIOCDARP       0x8953
#define SIOCGARP       0x8954
#define SIOCSARP       0x8955

/* rvnet's own: an address with its mask, set as one. With the two requests above, the mask of the
 * address's class holds in between, which not every address is legal with, nor every gateway
 * reached. */
struct ifprefixreq {
    char ifp_name[IFNAMSIZ];
    struct sockaddr ifp_addr; /* AF_INET, both; 0.0.0.0: none any more */
    struct sockaddr ifp_netmask;
};
#define SIOCSIFPREFIX 0x89f4

/* rvnet's own: how long an ARP entry stays without being confirmed, a uint32_t of seconds, at least 1. */
#define SIOCGARPTIMEOUT 0x89f5
#define SIOCSARPTIMEOUT 0x89f6

/* rvnet's own lists: the caller gives an array, `count` is its size in and the number of entries filled out;
 * `available` is how many there are. */
struct netlist {
    uint32_t count;
    uint32_t available;
    void *entries;
};
#define SIOCGRTLIST   0x89f0 /* of struct rtentry */
#define SIOCGARPLIST  0x89f1 /* of struct arpreq */
#define SIOCGCOUNTERS 0x89f2 /* of struct netcounter */
#define SIOCGSOCKLIST 0x89f3 /* of struct sockinfo */

/* One counter: where it belongs ("ip", "arp", "udp", "icmp", "ether", "socket", "mbuf", "virtio0", ...),
 * its name, and whether it counts packets that were dropped. */
struct netcounter {
    char group[IFNAMSIZ];
    char name[32];
    uint64_t value;
    uint32_t is_drop;
    uint32_t is_gauge; /* a present number (mbufs by owner), not a sum */
};

struct sockinfo {
    int32_t protocol;
    uint32_t queued_datagrams;
    uint32_t queued_bytes;
    uint32_t capacity_bytes;
    uint64_t dropped; /* for want of room in the queue */
    struct sockaddr_in local;
    struct sockaddr_in peer;
};

#endif
