/* <netinet/in.h>: Internet addresses; htons() and its like. */
#ifndef USER_NETINET_IN_H
#define USER_NETINET_IN_H

#include "abi/socket.h"
#include "lib/byteorder.h"

#define IN_MULTICAST(address)                                                                      \
    (((uint32_t)(address)&0xf0000000) == 0xe0000000) /* host byte order  \
                                                                                */
#define IN_LOOPBACKNET 127

/* There is no IPv6. These are for programs that handle either kind of address; socket(AF_INET6)
 * fails with EAFNOSUPPORT, and no address of this family is ever given out. */
#define AF_INET6         10
#define PF_INET6         AF_INET6
#define INET6_ADDRSTRLEN 46

struct in6_addr {
    uint8_t s6_addr[16];
};

struct sockaddr_in6 {
    sa_family_t sin6_family;
    in_port_t sin6_port;
    uint32_t sin6_flowinfo;
    struct in6_addr sin6_addr;
    uint32_t sin6_scope_id;
};

#endif
