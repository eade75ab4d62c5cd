/* Sockets, as sys/ and the file layer see them. POSIX semantics; every function returns a
 * negated errno on failure. Thread context, no spinlock held. Addresses are already in kernel
 * memory, data goes through a uio. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "abi/netconf.h"
#include "fs/file.h"
#include "lib/types.h"
#include "mm/uio.h"
#include "net/net.h"

struct socket;

/* socket(): AF_INET with SOCK_DGRAM and protocol 0, IPPROTO_UDP or IPPROTO_ICMP. *file gets a
 * new file with one reference. -EAFNOSUPPORT, -EPROTOTYPE, -EPROTONOSUPPORT, -EINVAL, -ENFILE,
 * -ENOBUFS. AF_PACKET: see net/capture.h; such a file is no socket otherwise. */
int socket_create(int domain, int type, int protocol, struct file **file);
/* The socket behind a file, or NULL if it is something else (then -ENOTSOCK). */
struct socket *socket_from_file(struct file *file);

int socket_bind(struct socket *socket, const struct sockaddr *address, socklen_t length);
int socket_connect(struct socket *socket, const struct sockaddr *address, socklen_t length);

/* `to` may be NULL (connected). flags: MSG_DONTWAIT. The count sent. While the device's queue is full
 * it waits for room, until the socket's send timeout: -EAGAIN, as at once with MSG_DONTWAIT; -EINTR;
 * -ENETDOWN when the device goes down. -ENOBUFS: the mbuf pool is exhausted. */
ssize_t socket_sendto(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                      socklen_t length);
/* `from` may be NULL. flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC. The bytes copied, or with
 * MSG_TRUNC the datagram's length; what does not fit is discarded. -EAGAIN, -EINTR, a pending
 * error. */
ssize_t socket_recvfrom(struct socket *socket, struct uio *uio, int flags,
                        struct sockaddr_in *from);

int socket_getsockname(struct socket *socket, struct sockaddr_in *address);
int socket_getpeername(struct socket *socket, struct sockaddr_in *address);
int socket_shutdown(struct socket *socket, int how);
int socket_setsockopt(struct socket *socket, int level, int option, const void *value,
                      socklen_t length);
int socket_getsockopt(struct socket *socket, int level, int option, void *value, socklen_t *length);

/* For SIOCGSOCKLIST: fills at most room; returns how many there are. */
uint32_t socket_list(struct sockinfo *entries, uint32_t room);

/* Interface, route, ARP and counter requests (abi/netconf.h); `argument` is a kernel copy of the
 * fixed-size structure. The list requests are netconf_list(): the entries go through uio. 0 or a
 * negated errno. */
int netconf_ioctl(unsigned long request, void *argument);
int netconf_list(unsigned long request, struct netlist *list, struct uio *entries);

#endif
