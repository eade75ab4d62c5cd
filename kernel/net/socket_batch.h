/* Datagrams as messages: what sendmsg, recvmsg and, for several in one call, sendmmsg and recvmmsg need of the
 * socket layer. The way of nearly all datagrams is in this header, to be inlined: of a batch only the first
 * needs to know more than the one before it. As in socket.h: thread context, no spinlock held, negated errnos.
 */
#ifndef NET_SOCKET_BATCH_H
#define NET_SOCKET_BATCH_H

#include "abi/errno.h"
#include "net/socket.h"
#include "net/train.h"

/* What a received datagram says about its way. */
struct socket_origin {
    struct sockaddr_in from;  /* sin_family AF_UNSPEC: there was none, the socket is shut down */
    be32_t destination;       /* an address of ours, of a group, or of all */
    const struct netdev *dev; /* where it came in; NULL: the user has not asked (IP_PKTINFO) */
};
/* What IP_PKTINFO tells who has asked. */
void socket_origin_info(const struct socket_origin *origin, struct in_pktinfo *info);

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

/* Whether a datagram of n bytes goes the way of the one before it, and is like it. Nothing is read or looked up
 * again then: the whole batch is one call, and may be thought to happen at one time. */
static inline bool socket_batch_follows(const struct socket_batch *batch,
                                        const struct sockaddr_in *to, size_t n)
{
    return batch->path_known && train_takes(&batch->train, n) && socket_path_fits(&batch->path, to);
}

/* Gets empty mbufs for the batch; false: the pool has none. */
bool socket_batch_provide(struct socket_batch *batch);

/* Of one that follows. */
static inline ssize_t socket_batch_send(struct socket_batch *batch, struct uio *uio)
{
    size_t n = uio->remaining;
    if (!train_has_empty(&batch->train) && !socket_batch_provide(batch))
        return -ENOBUFS;
    int result = train_add(&batch->train, uio);
    return result < 0 ? result : (ssize_t)n;
}

/* One that does not, or is not part of a batch. */
ssize_t socket_send_first(struct socket *socket, struct uio *uio, int flags,
                          const struct sockaddr_in *to, socklen_t length,
                          struct socket_batch *batch);

/* As socket_sendto, as part of a batch; NULL: not. The flags are the same for all of it. `to` is aligned, but
 * need not be `length` bytes long if that is too short for an address. */
static inline ssize_t socket_send(struct socket *socket, struct uio *uio, int flags,
                                  const struct sockaddr_in *to, socklen_t length,
                                  struct socket_batch *batch)
{
    bool plain = !to || (length >= sizeof(*to) && to->sin_family == AF_INET);
    if (batch && plain && socket_batch_follows(batch, to, uio->remaining))
        return socket_batch_send(batch, uio);
    return socket_send_first(socket, uio, flags, to, length, batch);
}

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

#endif
