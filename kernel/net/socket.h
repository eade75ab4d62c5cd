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
#include "net/train.h"

struct socket;

/* socket(): AF_INET with SOCK_DGRAM and protocol 0, IPPROTO_UDP or IPPROTO_ICMP. *file gets a
 * new file with one reference. -EAFNOSUPPORT, -EPROTOTYPE, -EPROTONOSUPPORT, -EINVAL, -ENFILE,
 * -ENOBUFS. AF_PACKET: see net/capture.h; such a file is no socket otherwise. */
int socket_create(int domain, int type, int protocol, struct file **file);
/* The socket behind a file, or NULL if it is something else (then -ENOTSOCK). */
struct socket *socket_from_file(struct file *file);

int socket_bind(struct socket *socket, const struct sockaddr *address, socklen_t length);
int socket_connect(struct socket *socket, const struct sockaddr *address, socklen_t length);
/* What a received datagram says about its way. */
struct socket_origin {
    struct sockaddr_in from;  /* sin_family AF_UNSPEC: there was none, the socket is shut down */
    be32_t destination;       /* an address of ours, of a group, or of all */
    const struct netdev *dev; /* where it came in; NULL: the user has not asked (IP_PKTINFO) */
};
/* What IP_PKTINFO tells who has asked. */
void socket_origin_info(const struct socket_origin *origin, struct in_pktinfo *info);

/* `to` may be NULL (connected). flags: MSG_DONTWAIT. The count sent. While the device's queue is full
 * it waits for room, until the socket's send timeout: -EAGAIN, as at once with MSG_DONTWAIT; -EINTR;
 * -ENETDOWN when the device goes down. -ENOBUFS: the mbuf pool is exhausted. */
ssize_t socket_sendto(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                      socklen_t length);
/* `from` may be NULL. flags: MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC. The bytes copied, or with
 * MSG_TRUNC the datagram's length; what does not fit is discarded. -EAGAIN, -EINTR, a pending
 * error. */
ssize_t socket_recvfrom(struct socket *socket, struct uio *uio, int flags, bool nonblocking,
                        struct sockaddr_in *from);

/* What a socket, its options and the routes say about sending to one place. */
struct socket_path {
    struct ip_send ip;
    struct ip_destination way;
    be16_t source_port, destination_port;
    bool broadcast_allowed;
    bool to_peer;     /* of a connected socket, without an address */
    uint64_t timeout; /* ns, 0: none */
    /* When it was found: the socket's own, and net_config_version. */
    unsigned socket_version, config_version;
};

/* Several datagrams in one system call (recvmmsg, sendmmsg). Who makes the call begins the batch, passes it
 * with each datagram, then counts `left` down and sets `later`, and in the end, whatever the last result
 * was, ends it. The rest is the socket layer's. */
struct socket_batch {
    unsigned left; /* datagrams that the call still means to move, the next one included; never 0 */
    bool later;    /* a pending error ends the batch and stays, for the next call to report */
    uint64_t deadline; /* of receiving: clock_ns() time or NEVER; -EAGAIN after it */

    bool path_known; /* `path` is that of the last datagram sent */
    struct socket_path path;
    struct netdev *unflushed; /* may have frames that it does not know of yet; NULL: none */
    struct list fresh;        /* mbufs for datagrams to come */
    struct train train;       /* of those like the last one */

    struct list taken;        /* off the socket's queue */
    struct list_node *unread; /* the first of them that was not read; the list's head: none */
    unsigned read;            /* since they were last counted */
    bool packet_info;         /* the socket's, when they were taken */
};

/* `count` datagrams at most, not 0. */
void socket_batch_begin(struct socket_batch *batch, unsigned count);
/* The devices learn of what was sent; what was taken for the batch and not read is in the queue again. */
void socket_batch_end(struct socket *socket, struct socket_batch *batch);
bool socket_is_empty(const struct socket *socket); /* a glance without a lock */
/* The next datagram would have to be waited for, as far as can be seen. */
static inline bool socket_batch_must_wait(const struct socket *socket,
                                          const struct socket_batch *batch)
{
    return batch->unread == &batch->taken.head && socket_is_empty(socket);
}

/* As socket_sendto, as part of a batch; NULL: not. */
ssize_t socket_send(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                    socklen_t length, struct socket_batch *batch);

static inline void socket_origin_fill(struct socket_origin *origin, const struct mbuf *m,
                                      bool packet_info)
{
    origin->from = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = m->source_port, .sin_addr = {m->source}};
    origin->destination = m->destination;
    origin->dev = packet_info ? m->dev : NULL;
}

/* Counts a datagram that is lost to a bad buffer; the error. */
int socket_buffer_is_bad(struct socket_batch *batch, int error);

/* One of the batch's; it stays in the list until the batch is done with all. */
static inline ssize_t socket_batch_read(struct socket_batch *batch, struct mbuf *m, struct uio *uio,
                                        int flags, struct socket_origin *origin)
{
    size_t length = m->length, copied = MIN(length, uio->remaining);
    size_t told = flags & MSG_TRUNC ? length : copied;
    if (origin)
        socket_origin_fill(origin, m, batch->packet_info);
    batch->read++;
    int result = uio_put(uio, m->data, copied);
    return result < 0 ? socket_buffer_is_bad(batch, result) : (ssize_t)told;
}

/* The first datagram of a batch, or the only one of a call. */
ssize_t socket_receive_first(struct socket *socket, struct uio *uio, int flags, bool nonblocking,
                             struct socket_origin *origin, struct socket_batch *batch);

/* As socket_recvfrom, as part of a batch; NULL: not. `origin` may be NULL. In the header, since all that a
 * batch has taken is read here. */
static inline ssize_t socket_receive(struct socket *socket, struct uio *uio, int flags,
                                     bool nonblocking, struct socket_origin *origin,
                                     struct socket_batch *batch)
{
    if (!batch || batch->unread == &batch->taken.head)
        return socket_receive_first(socket, uio, flags, nonblocking, origin, batch);
    struct mbuf *m = LIST_ENTRY(batch->unread, struct mbuf, node);
    batch->unread = batch->unread->next;
    return socket_batch_read(batch, m, uio, flags, origin);
}

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
