/* Sending datagrams.
 *
 * The names and options are read once under the socket's lock; then, without a lock, the way is found, and
 * waited for if its device's queue is full, the payload copied from the user, and the datagram passed down.
 *
 * The datagrams of a batch, sent by one system call, share the path, the neighbour's address, one visit to
 * the mbuf pool and the doorbell; those of one length also their headers (net/train.h).
 */
#include "net/socket_internal.h"

#include "abi/errno.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/wire.h"
#include "proc/clock.h"

#define BATCH_BUFFERS 32 /* mbufs that a batch takes from the pool at a time, at most */

/* Where the datagram goes: `to` if given, also on a connected socket, else the peer. The source
 * is an address of ours that bind() has set or, on the way to its own peer, that connect() has
 * chosen; 0 leaves it to the route (RFC 1122, 3.2.1.3: always an own unicast address). Lock
 * held. */
static int path_address(const struct socket *socket, const struct sockaddr_in *to,
                        struct socket_path *path)
{
    if (!to && !socket->connected)
        return -EDESTADDRREQ;
    path->to_peer = !to;
    path->ip.destination = to ? to->sin_addr.s_addr : socket->peer_address;
    path->destination_port = to ? to->sin_port : socket->peer_port;
    path->ip.source = to ? socket->bound_address : socket->local_address;
    if (socket->protocol == IPPROTO_UDP && path->destination_port == 0)
        return -EINVAL;
    return 0;
}

/* Reads all of it under one lock, so that a datagram is sent either before or after another
 * thread's connect(), never half to one peer. A pending error (RFC 1122, 4.1.3.3) and a shutdown
 * are reported before anything else is looked at; nothing is sent then. */
static int path_read(struct socket *socket, const struct sockaddr_in *to, struct socket_path *path,
                     const struct socket_batch *batch)
{
    spinlock_acquire(&socket->lock);
    int result = -socket_batch_error(socket, batch);
    if (result == 0 && socket->shut_write)
        result = -EPIPE;
    if (result == 0)
        result = path_address(socket, to, path);
    path->ip.protocol = (uint8_t)socket->protocol;
    path->ip.ttl = socket->ttl;
    path->ip.tos = socket->tos;
    path->source_port = socket->local_port;
    path->broadcast_allowed = socket->broadcast_allowed;
    path->timeout = socket->send_timeout;
    path->socket_version = socket->version;
    spinlock_release(&socket->lock);
    return result;
}

/* Finds the way, and waits until its device has room for a datagram. After a wait the way is looked
 * up anew: the device that has gone down meanwhile is no way any more, and that ends the wait. What the
 * batch has sent goes out before it waits. */
static int way_find(struct socket_path *path, bool nonblocking, struct socket_batch *batch)
{
    uint64_t deadline = NEVER;
    for (;;) {
        path->config_version = __atomic_load_n(&net_config_version, __ATOMIC_ACQUIRE);
        int result = ip_route(path->ip.source, path->ip.destination, &path->way);
        if (result < 0 || !netdev_tx_is_full(path->way.dev))
            return result;
        if (nonblocking)
            return -EAGAIN;
        if (deadline == NEVER && path->timeout)
            deadline = clock_ns() + path->timeout;
        if (batch)
            socket_batch_flush(batch);
        result = netdev_tx_wait(path->way.dev, deadline);
        if (result < 0)
            return result == -ETIMEDOUT ? -EAGAIN : result; /* POSIX, SO_SNDTIMEO */
    }
}

/* The path for a datagram to `to`, NULL: to the peer. A socket without a port gets one with its
 * first datagram. */
static int path_find(struct socket *socket, const struct sockaddr_in *to, bool nonblocking,
                     struct socket_path *path, struct socket_batch *batch)
{
    int result = path_read(socket, to, path, batch);
    if (result == 0 && path->source_port == 0) {
        result = socket_ensure_port(socket);
        if (result == 0)
            result = path_read(socket, to, path, batch);
    }
    if (result < 0)
        return result;
    result = way_find(path, nonblocking, batch);
    if (result < 0)
        return result;
    /* A program that reaches many hosts by mistake harms them all: it has to say that it means
     * to. */
    return path->way.broadcast && !path->broadcast_allowed ? -EACCES : 0;
}

/* Finds the batch's path, unless it is known. What went the other one is on its way then. */
static int batch_path(struct socket *socket, const struct sockaddr_in *to, bool nonblocking,
                      struct socket_batch *batch)
{
    if (batch->path_known && socket_path_fits(&batch->path, to))
        return 0;
    train_end(&batch->train);
    int result = path_find(socket, to, nonblocking, &batch->path, batch);
    batch->path_known = result == 0;
    if (result == 0)
        arp_find_neighbour(&batch->path.way);
    return result;
}

/* A batch goes to the pool once for many mbufs. */
bool socket_batch_provide(struct socket_batch *batch)
{
    return mbuf_alloc_many(&batch->train.mbufs, MIN(batch->left, BATCH_BUFFERS), MBUF_STACK) > 0;
}

/* An empty mbuf that is not the train's any more. */
static struct mbuf *batch_buffer(struct socket_batch *batch)
{
    struct train *train = &batch->train;
    if (!train_has_empty(train) && !socket_batch_provide(batch))
        return NULL;
    struct list_node *node = train->last->next;
    list_remove(node);
    return LIST_ENTRY(node, struct mbuf, node);
}

/* The user's bytes in an mbuf of their own. How much the way takes in one piece, IP knows; what
 * no mbuf takes, no way does. */
static int payload_take(struct uio *uio, struct socket_batch *batch, struct mbuf **out)
{
    size_t n = uio->remaining;
    struct mbuf *m = batch ? batch_buffer(batch) : mbuf_alloc(MBUF_STACK);
    if (!m)
        return -ENOBUFS;
    int result = -EMSGSIZE;
    if (n <= mbuf_tailroom(m))
        result = uio_get(uio, mbuf_append(m, (uint32_t)n), n);
    if (result < 0)
        mbuf_free(m);
    *out = m;
    return result;
}

/* The user writes an echo request; its identifier and checksum are the kernel's (RFC 792), so that
 * replies find their way back and no program can send for another. */
static int ping_output(struct mbuf *m, const struct socket_path *path)
{
    struct icmp_header *header = (struct icmp_header *)m->data;
    if (m->length < sizeof(*header) || header->type != ICMP_ECHO_REQUEST || header->code != 0) {
        mbuf_free(m);
        return -EINVAL;
    }
    header->echo.identifier = path->source_port;
    header->checksum = 0;
    header->checksum = checksum_finish(checksum_add(0, m->data, m->length));
    return ip_output(m, &path->ip, &path->way);
}

/* From here on the frames that the batch sends are those of `dev`, NULL: it sends none. */
static void batch_turn_to(struct socket_batch *batch, struct netdev *dev)
{
    if (batch->unflushed && batch->unflushed != dev)
        netdev_flush(batch->unflushed);
    batch->unflushed = dev;
}

void socket_batch_flush(struct socket_batch *batch)
{
    if (train_send(&batch->train, false))
        batch->unflushed = NULL; /* of its device, which knows of all now */
    batch_turn_to(batch, NULL);
    mbuf_free_all(&batch->train.mbufs);
}

/* The device need not hear of this datagram at once: of all that are sent through it in a row it hears
 * together, before the first that takes another way or has to wait, or at the end. A neighbour that is not
 * known yet is asked for, and this datagram waits: none can follow it that easily. */
static void batch_add(struct socket_batch *batch, struct mbuf *m, const struct ip_destination *way)
{
    train_end(&batch->train);
    batch_turn_to(batch, way->dev);
    m->flags |= MBUF_MORE;
    if (way->neighbour_known) {
        m->flags |= MBUF_TRAIN;
        m->train = &batch->train;
    }
}

bool socket_batch_resume(struct socket *socket, int flags, const struct sockaddr_in *to,
                         struct socket_batch *batch)
{
    if (flags & ~MSG_DONTWAIT)
        return false;
    const struct socket_path *kept = &socket->kept.path;
    struct ip_destination *way = &batch->path.way;
    unsigned config_version = __atomic_load_n(&net_config_version, __ATOMIC_ACQUIRE);
    spinlock_acquire(&socket->lock);
    bool valid = kept->socket_version == socket->version &&
                 kept->config_version == config_version && socket->error == 0 &&
                 socket_path_fits(kept, to);
    if (valid) {
        batch->path = *kept;
        batch->train.lead = socket->kept.lead;
    }
    spinlock_release(&socket->lock);
    if (!valid)
        return false;
    batch->path_known = true;
    batch_turn_to(batch, way->dev);
    arp_find_neighbour(way);
    if (!way->neighbour_known ||
        !ether_address_equal(way->neighbour, batch->train.lead.headers.ether.destination))
        train_end(&batch->train);
    return true;
}

void socket_train_keep(struct socket *socket, const struct socket_batch *batch)
{
    spinlock_acquire(&socket->lock);
    socket->kept.path = batch->path;
    socket->kept.lead = batch->train.lead;
    spinlock_release(&socket->lock);
}

/* Each step either refuses, before anything was allocated, or hands on. From udp_output on, the
 * datagram belongs to the layers below, and what they return is what the caller is told. */
static NOINLINE ssize_t send_through_layers(struct socket *socket, struct uio *uio,
                                            bool nonblocking, const struct sockaddr_in *to,
                                            struct socket_batch *batch)
{
    struct socket_path own, *path = batch ? &batch->path : &own;
    int result = batch ? batch_path(socket, to, nonblocking, batch)
                       : path_find(socket, to, nonblocking, path, NULL);
    if (result < 0)
        return result;
    size_t n = uio->remaining;
    struct mbuf *m;
    result = payload_take(uio, batch, &m);
    if (result < 0)
        return result;
    if (!nonblocking)
        m->flags |= MBUF_ADMITTED;
    if (batch)
        batch_add(batch, m, &path->way);
    if (socket->protocol == IPPROTO_ICMP)
        result = ping_output(m, path);
    else
        result = udp_output(m, &path->ip, &path->way, path->source_port, path->destination_port);
    return result < 0 ? result : (ssize_t)n;
}

ssize_t socket_send_first(struct socket *socket, struct uio *uio, int flags,
                          const struct sockaddr *to, socklen_t length, struct socket_batch *batch)
{
    struct sockaddr_in address;
    if (flags & ~MSG_DONTWAIT)
        return -EOPNOTSUPP;
    int result = to ? socket_address_check(to, length, &address) : 0;
    if (result < 0)
        return result;
    return send_through_layers(socket, uio, (flags & MSG_DONTWAIT) != 0, to ? &address : NULL,
                               batch);
}

ssize_t socket_sendto(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                      socklen_t length)
{
    return socket_send_first(socket, uio, flags, to, length, NULL);
}
