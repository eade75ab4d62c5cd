/* Sockets: <sys/socket.h> and <netinet/in.h>. Addresses and ports in network byte order. */
#ifndef ABI_SOCKET_H
#define ABI_SOCKET_H

#include "abi/types.h"

typedef uint16_t sa_family_t;
typedef uint32_t socklen_t;
typedef uint16_t in_port_t;
typedef uint32_t in_addr_t;

#define AF_UNSPEC     0
#define AF_INET       2
#define PF_INET       AF_INET
#define SOCK_STREAM   1
#define SOCK_DGRAM    2
#define SOCK_RAW      3
#define SOCK_NONBLOCK 04000

#define IPPROTO_IP   0
#define IPPROTO_ICMP 1
#define IPPROTO_UDP  17

struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
};

struct in_addr {
    in_addr_t s_addr;
};

struct sockaddr_in {
    sa_family_t sin_family;
    in_port_t sin_port;
    struct in_addr sin_addr;
    unsigned char sin_zero[8];
};

#define INADDR_ANY       ((in_addr_t)0x00000000) /* host byte order, as POSIX has them */
#define INADDR_BROADCAST ((in_addr_t)0xffffffff)
#define INADDR_LOOPBACK  ((in_addr_t)0x7f000001)
#define INADDR_NONE      ((in_addr_t)0xffffffff)
#define INET_ADDRSTRLEN  16

#define SOL_SOCKET   1
#define SO_REUSEADDR 2 /* sockets that all set it may share a port */
#define SO_TYPE      3
#define SO_ERROR     4
#define SO_BROADCAST 6
#define SO_SNDBUF    7
#define SO_RCVBUF    8
#define SO_RCVTIMEO  20 /* struct timeval; 0 = no limit */
#define SO_SNDTIMEO  21
#define SO_DOMAIN    39
#define SO_PROTOCOL  38

#define IP_TOS     1
#define IP_TTL     2
#define IP_PKTINFO 8 /* recvmsg tells which address a datagram was sent to: struct in_pktinfo */

#define MSG_PEEK       0x02
#define MSG_CTRUNC     0x08 /* there was no room for the ancillary data */
#define MSG_TRUNC      0x20
#define MSG_DONTWAIT   0x40
#define MSG_WAITFORONE 0x10000 /* recvmmsg: after the first datagram as MSG_DONTWAIT */

/* Messages that one recvmmsg or sendmmsg moves; of a longer array it takes the beginning. */
#define MMSG_MAX 128

struct iovec {
    void *iov_base;
    size_t iov_len;
};

/* A datagram of one recvmsg or sendmsg. What is received sets msg_namelen, msg_flags and msg_controllen, the
 * latter to 0 unless an option of the socket asks for ancillary data; who sends some is refused (EINVAL). */
struct msghdr {
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    size_t msg_iovlen;
    void *msg_control;
    size_t msg_controllen;
    int msg_flags;
};

struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len; /* bytes that were moved */
};

/* Ancillary data: pieces that begin with this, one behind the other in msg_control. */
struct cmsghdr {
    socklen_t cmsg_len; /* this header and the data: CMSG_LEN() */
    int cmsg_level;
    int cmsg_type;
};

#define CMSG_ALIGN(n)     (((n) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_LEN(n)       (CMSG_ALIGN(sizeof(struct cmsghdr)) + (n))
#define CMSG_SPACE(n)     (CMSG_ALIGN(sizeof(struct cmsghdr)) + CMSG_ALIGN(n))
#define CMSG_DATA(header) ((unsigned char *)(header) + CMSG_ALIGN(sizeof(struct cmsghdr)))

/* Of level IPPROTO_IP and type IP_PKTINFO. */
struct in_pktinfo {
    int ipi_ifindex;             /* the interface that the datagram came in by */
    struct in_addr ipi_spec_dst; /* our address that an answer should come from */
    struct in_addr ipi_addr;     /* where it was sent to; that may be a broadcast address */
};

#define SHUT_RD   0
#define SHUT_WR   1
#define SHUT_RDWR 2

struct timeval {
    int64_t tv_sec;
    int64_t tv_usec;
};

/* An ICMP datagram socket (AF_INET, SOCK_DGRAM, IPPROTO_ICMP) sends echo requests and receives the replies
 * to them. What is written and read begins with the ICMP header; the kernel owns its identifier (which
 * is the socket's port) and checksum. */

#endif
