/* Datagrams as messages: what sendmsg, recvmsg and, for several in one call, sendmmsg and recvmmsg need of
 * the socket layer. The way of nearly all datagrams is in this header, to be inlined: of a batch only the
 * first needs to know more than the one before it. As in socket.h: thread context, no spinlock held, negated
 * errnos.
 */
#ifndef NET_SOCKET_BATCH_H
#define NET_SOCKET_BATCH_H

#include "abi/errno.h"
#include "net/socket.h"
#include "net/train.h"

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
    struct train train;       /* of those like the last one; and mbufs for those to come */

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

/* Whether the path leads to `to`, NULL: to the peer, and has room. */
static inline bool socket_path_fits(const struct socket_path *path, const struct sockaddr_in *to)
{
    if (path->to_peer != !to || netdev_tx_is_full(path->way.dev))
        return false;
    return !to ||
           (to->sin_addr.s_addr == path->ip.destination && to->sin_port == path->destination_port);
}

/* Gets empty mbufs for the batch; false: the pool has none. */
bool socket_batch_provide(struct socket_batch *batch);

/* One that is like those of the train. */
static inline ssize_t socket_batch_send(struct socket_batch *batch, struct uio *uio)
{
    size_t n = uio->remaining;
    if (!train_has_empty(&batch->train) && !socket_batch_provide(batch))
        return -ENOBUFS;
    int result = train_add(&batch->train, uio);
    return result < 0 ? result : (ssize_t)n;
}

/* The first of a batch: goes on with the path and the train that the socket has kept, if they lead to `to`
 * and nothing has changed meanwhile: the socket, the configuration, for the train also the neighbour, of
 * whom ARP is asked as ever. */
bool socket_batch_resume(struct socket *socket, int flags, const struct sockaddr_in *to,
                         struct socket_batch *batch);

/* One that does not follow, or is not part of a batch. */
ssize_t socket_send_first(struct socket *socket, struct uio *uio, int flags,
                          const struct sockaddr *to, socklen_t length, struct socket_batch *batch);

/* As socket_sendto, as part of a batch; NULL: not. The flags are the same for all of it. `to` is aligned,
 * but need not be `length` bytes long if that is too short for an address. What goes the way of the
 * datagram before it, and is like it, follows in its train, and nothing is read or looked up again: the
 * whole batch is one call, and may be thought to happen at one time. */
static inline ssize_t socket_send(struct socket *socket, struct uio *uio, int flags,
                                  const struct sockaddr_in *to, socklen_t length,
                                  struct socket_batch *batch)
{
    bool plain = !to || (length >= sizeof(*to) && to->sin_family == AF_INET);
    if (batch && plain && (batch->path_known || socket_batch_resume(socket, flags, to, batch)) &&
        train_takes(&batch->train, uio->remaining) && socket_path_fits(&batch->path, to))
        return socket_batch_send(batch, uio);
    return socket_send_first(socket, uio, flags, (const struct sockaddr *)to, length, batch);
}

/* What a receive brings. */
struct socket_received {
    ssize_t length;  /* as socket_recvfrom returns it */
    bool has_origin; /* false: there was no datagram, the socket is shut down; the rest is 0 */
    be16_t port;     /* where it came from, */
    be32_t address;
    be32_t destination;       /* the address of ours, of a group or of all that it was sent to, */
    const struct netdev *dev; /* and where it came in; NULL: the user has not asked (IP_PKTINFO) */
};

/* Scalars, one by one: so they stay in registers where this is inlined. */
static inline void socket_origin_set(struct socket_received *received, const struct mbuf *m,
                                     bool packet_info)
{
    received->has_origin = true;
    received->port = m->source_port;
    received->address = m->source;
    received->destination = m->destination;
    received->dev = packet_info ? m->dev : NULL;
}

/* The origin as an address; AF_UNSPEC: there is none. */
static inline struct sockaddr_in socket_origin_name(const struct socket_received *received)
{
    return (struct sockaddr_in){.sin_family = received->has_origin ? AF_INET : AF_UNSPEC,
                                .sin_port = received->port,
                                .sin_addr = {received->address}};
}

/* What IP_PKTINFO tells who has asked. */
void socket_packet_info(const struct netdev *dev, be32_t destination, struct in_pktinfo *info);

/* Counts a datagram that is lost to a bad buffer; the error. */
int socket_buffer_is_bad(struct socket_batch *batch, int error);

/* One of the batch's; it stays in the list until the batch is done with all. */
static inline ssize_t socket_batch_read(struct socket_batch *batch, struct mbuf *m, struct uio *uio,
                                        int flags)
{
    size_t length = m->length, copied = MIN(length, uio->remaining);
    batch->read++;
    int result = uio_put(uio, m->data, copied);
    if (result < 0)
        return socket_buffer_is_bad(batch, result);
    return (ssize_t)(flags & MSG_TRUNC ? length : copied);
}

/* The first datagram of a batch, or the only one of a call. */
void socket_receive_first(struct socket *socket, struct uio *uio, int flags,
                          struct socket_batch *batch, struct socket_received *received);

/* As socket_recvfrom, as part of a batch; NULL: not. In the header, since all that a batch has taken is read
 * here. */
static inline struct socket_received socket_receive(struct socket *socket, struct uio *uio,
                                                    int flags, struct socket_batch *batch)
{
    struct socket_received received;
    if (!batch || batch->unread == &batch->taken.head) {
        struct socket_received first; /* by itself: `received` needs no memory then */
        socket_receive_first(socket, uio, flags, batch, &first);
        received = first;
        return received;
    }
    struct mbuf *m = LIST_ENTRY(batch->unread, struct mbuf, node);
    batch->unread = batch->unread->next;
    socket_origin_set(&received, m, batch->packet_info);
    received.length = socket_batch_read(batch, m, uio, flags);
    return received;
}

#endif
