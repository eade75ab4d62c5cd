/* Datagrams in and out of a socket.
 *
 * Sending: the names and options are read once under the socket's lock, then, without a lock, the
 * way is found, and waited for if its device's queue is full, the payload copied from the user, and
 * the datagram passed down. Receiving: a datagram is taken off the queue under the lock and copied
 * to the user without it, so two readers never see the same one. The datagrams of a batch, sent by
 * one system call, share the path and the doorbell.
 *
 * The queue is bounded twice: by the socket's own capacity, and by the share of the mbuf pool that
 * all sockets together may hold. The rest stays for the devices, so sockets that nobody reads
 * cannot stop the machine's reception and sending.
 */
#include "net/socket_internal.h"

#include "abi/errno.h"
#include "lib/byteorder.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/wire.h"
#include "proc/clock.h"

/* --- Sending --- */

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

/* The pending error, for one caller to report. A batch that has moved something already reports
 * that: the error then stays. Lock held. */
static int error_take(struct socket *socket, const struct socket_batch *batch)
{
    return batch && batch->later ? socket->error : socket_take_error(socket);
}

/* Reads all of it under one lock, so that a datagram is sent either before or after another
 * thread's connect(), never half to one peer. A pending error (RFC 1122, 4.1.3.3) and a shutdown
 * are reported before anything else is looked at; nothing is sent then. */
static int path_read(struct socket *socket, const struct sockaddr_in *to, struct socket_path *path,
                     const struct socket_batch *batch)
{
    spinlock_acquire(&socket->lock);
    int result = -error_take(socket, batch);
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
        int result = ip_route(path->ip.source, path->ip.destination, &path->way);
        if (result < 0 || !netdev_tx_is_full(path->way.dev))
            return result;
        if (nonblocking)
            return -EAGAIN;
        if (deadline == NEVER && path->timeout)
            deadline = clock_ns() + path->timeout;
        if (batch)
            socket_batch_end(batch);
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

/* Whether the batch's last datagram went to the same place: then nothing is read or looked up
 * again, for the whole batch is one call, and may be thought to happen at one time. Only room on
 * the device must be looked for. */
static bool path_serves(const struct socket_batch *batch, const struct sockaddr_in *to)
{
    const struct socket_path *path = &batch->path;
    if (!batch->path_known || path->to_peer != !to || netdev_tx_is_full(path->way.dev))
        return false;
    return !to ||
           (to->sin_addr.s_addr == path->ip.destination && to->sin_port == path->destination_port);
}

/* Finds the batch's path, unless it is known. */
static int batch_path(struct socket *socket, const struct sockaddr_in *to, bool nonblocking,
                      struct socket_batch *batch)
{
    if (path_serves(batch, to))
        return 0;
    int result = path_find(socket, to, nonblocking, &batch->path, batch);
    batch->path_known = result == 0;
    return result;
}

/* The user's bytes in an mbuf of their own. How much the way takes in one piece, IP knows; what
 * no mbuf takes, no way does. */
static int payload_take(struct uio *uio, struct mbuf **out)
{
    size_t n = uio->remaining;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
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

void socket_batch_end(struct socket_batch *batch)
{
    if (batch->unflushed)
        netdev_flush(batch->unflushed);
    batch->unflushed = NULL;
}

/* The device need not hear of this datagram at once: of all that are sent through it in a row it hears
 * together, before the first that takes another way or has to wait, or at the end. */
static void batch_add(struct socket_batch *batch, struct mbuf *m, struct netdev *dev)
{
    if (batch->unflushed != dev) {
        socket_batch_end(batch);
        batch->unflushed = dev;
    }
    m->flags |= MBUF_MORE;
}

/* Each step either refuses, before anything was allocated, or hands on. From udp_output on, the
 * datagram belongs to the layers below, and what they return is what the caller is told. */
ssize_t socket_send(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                    socklen_t length, struct socket_batch *batch)
{
    if (flags & ~MSG_DONTWAIT)
        return -EOPNOTSUPP;
    struct sockaddr_in address;
    int result = to ? socket_address_check(to, length, &address) : 0;
    if (result < 0)
        return result;
    struct socket_path own, *path = batch ? &batch->path : &own;
    bool nonblocking = (flags & MSG_DONTWAIT) != 0;
    if (batch)
        result = batch_path(socket, to ? &address : NULL, nonblocking, batch);
    else
        result = path_find(socket, to ? &address : NULL, nonblocking, path, NULL);
    if (result < 0)
        return result;
    size_t n = uio->remaining;
    struct mbuf *m;
    result = payload_take(uio, &m);
    if (result < 0)
        return result;
    if (!nonblocking)
        m->flags |= MBUF_ADMITTED;
    if (batch)
        batch_add(batch, m, path->way.dev);
    if (socket->protocol == IPPROTO_ICMP)
        result = ping_output(m, path);
    else
        result = udp_output(m, &path->ip, &path->way, path->source_port, path->destination_port);
    return result < 0 ? result : (ssize_t)n;
}

ssize_t socket_sendto(struct socket *socket, struct uio *uio, int flags, const struct sockaddr *to,
                      socklen_t length)
{
    return socket_send(socket, uio, flags, to, length, NULL);
}

/* --- The receive queue --- */

struct mbuf *socket_datagram_copy(const struct mbuf *m)
{
    struct mbuf *copy = mbuf_alloc(MBUF_STACK);
    if (!copy || m->length > mbuf_tailroom(copy)) {
        mbuf_free(copy);
        return NULL;
    }
    memcpy(mbuf_append(copy, m->length), m->data, m->length);
    copy->dev = m->dev;
    copy->source = m->source;
    copy->source_port = m->source_port;
    copy->destination = m->destination;
    return copy;
}

/* [lab 6] */
/* May one more datagram wait here? If not, the newcomer is dropped and not the oldest: a reader
 * that is late then finds an unbroken beginning. Lock held. Counts the reason. */
static bool queue_has_room(struct socket *socket)
{
    if (socket->shut_read) {
        net_count(NET_socket_shut_down);
        return false;
    }
    if ((socket->queued + 1) * SOCKET_DATAGRAM_COST > socket->capacity) {
        net_count(NET_socket_queue_full);
        socket->dropped++;
        return false;
    }
    if (mbuf_count(MBUF_SOCKET) >= mbuf_total() / 2) {
        net_count(NET_socket_share_full);
        socket->dropped++;
        return false;
    }
    return true;
}

/* [lab 6] */
/* The wake-up is one look at an empty list when nobody waits. */
void socket_queue_add(struct socket *socket, struct mbuf *m)
{
    if (!queue_has_room(socket)) {
        mbuf_free(m);
        return;
    }
    mbuf_set_owner(m, MBUF_SOCKET);
    list_push_back(&socket->queue, &m->node);
    socket->queued++;
    net_count(NET_socket_queued);
    waitq_wake(&socket->changed);
}

/* The mbufs go back to the pool without the lock; nobody else sees the list any more. */
void socket_queue_flush(struct socket *socket)
{
    struct list unread;
    list_init(&unread);
    spinlock_acquire(&socket->lock);
    list_splice_back(&unread, &socket->queue);
    for (; socket->queued > 0; socket->queued--)
        net_count(NET_socket_unread);
    spinlock_release(&socket->lock);
    mbuf_free_all(&unread);
}

/* --- Receiving --- */

/* An error is told once, to whoever asks first: a send, a receive or SO_ERROR. */
int socket_take_error(struct socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
}

/* [lab 6] */
/* Sleeps until there is something to report. 0: a datagram, or the end after a shutdown. A
 * wake-up proves nothing, since another reader may have been faster: the loop looks again, also
 * after a timeout, when a datagram may just have come. The deadline stays that of the call. Lock
 * held, released while asleep. */
static int queue_wait(struct socket *socket, bool nonblocking, const struct socket_batch *batch)
{
    uint64_t deadline = socket->receive_timeout ? clock_ns() + socket->receive_timeout : NEVER;
    if (batch)
        deadline = MIN(deadline, batch->deadline);
    int slept = 0;
    for (;;) {
        int error = error_take(socket, batch);
        if (error)
            return -error;
        if (socket->queued > 0 || socket->shut_read)
            return 0;
        if (nonblocking || slept == -ETIMEDOUT)
            return -EAGAIN;
        if (slept == -EINTR)
            return slept;
        slept = waitq_sleep(&socket->changed, deadline);
    }
}

/* [lab 6] */
/* Lock held. The oldest datagram, off the queue; NULL: none, the socket is shut down. */
static struct mbuf *queue_pop(struct socket *socket)
{
    struct list_node *node = list_pop_front(&socket->queue);
    if (!node)
        return NULL;
    socket->queued--;
    struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
    mbuf_set_owner(m, MBUF_STACK);
    return m;
}

/* Lock held. A private copy of the oldest datagram, which stays where it is: another reader may
 * take the original at any time, and copying to the user needs the lock released. A copy under the
 * lock costs the rare peek one memcpy; every other scheme costs each reader a check. */
static int queue_peek(struct socket *socket, struct mbuf **out)
{
    struct list_node *node = list_front(&socket->queue);
    *out = NULL;
    if (!node)
        return 0;
    *out = socket_datagram_copy(LIST_ENTRY(node, struct mbuf, node));
    return *out ? 0 : -ENOBUFS;
}

/* Waits for a datagram and makes it the caller's: *out, NULL at the end after a shutdown. */
static int datagram_take(struct socket *socket, bool peek, bool nonblocking,
                         const struct socket_batch *batch, struct mbuf **out)
{
    spinlock_acquire(&socket->lock);
    int result = queue_wait(socket, nonblocking, batch);
    if (result == 0 && peek)
        result = queue_peek(socket, out);
    else if (result == 0)
        *out = queue_pop(socket);
    spinlock_release(&socket->lock);
    return result;
}

/* The datagram is off the queue before the user's memory is touched: if that turns out to be
 * bad, the datagram is lost to this caller alone, and counted. Only a peek leaves it. */
ssize_t socket_receive(struct socket *socket, struct uio *uio, int flags, bool nonblocking,
                       struct sockaddr_in *from, struct socket_batch *batch)
{
    if (flags & ~(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT))
        return -EOPNOTSUPP;
    struct mbuf *m = NULL;
    bool peek = (flags & MSG_PEEK) != 0;
    int result = datagram_take(socket, peek, nonblocking || (flags & MSG_DONTWAIT), batch, &m);
    if (result < 0)
        return result;
    if (from)
        *from = (struct sockaddr_in){0};
    if (!m)
        return 0;

    size_t length = m->length, copied = MIN(length, uio->remaining);
    if (from)
        *from = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = m->source_port, .sin_addr = {m->source}};
    result = uio_put(uio, m->data, copied);
    mbuf_free(m);
    if (!peek)
        net_count(result < 0 ? NET_socket_bad_buffer : NET_socket_read);
    if (result < 0)
        return result;
    return (ssize_t)(flags & MSG_TRUNC ? length : copied);
}

ssize_t socket_recvfrom(struct socket *socket, struct uio *uio, int flags, bool nonblocking,
                        struct sockaddr_in *from)
{
    return socket_receive(socket, uio, flags, nonblocking, from, NULL);
}

/* --- Asking --- */

/* A socket belongs to no device, so it is always ready for sending, as far as can be seen here: where
 * the datagram is to go decides whether it has to wait. One that is shut down for reading is
 * ready too: a read returns at once. The waiter joins under the lock under which the bits are
 * read, so nothing that comes after the look goes unnoticed. */
int socket_poll(struct socket *socket, struct waiter *waiter)
{
    int ready = POLLOUT;
    spinlock_acquire(&socket->lock);
    if (waiter)
        waiter_add(&socket->changed, waiter);
    if (socket->queued > 0 || socket->shut_read)
        ready |= POLLIN;
    if (socket->error)
        ready |= POLLERR;
    if (socket->shut_read && socket->shut_write)
        ready |= POLLHUP;
    spinlock_release(&socket->lock);
    return ready;
}

bool socket_queue_is_empty(const struct socket *socket) { return READ_ONCE(socket->queued) == 0; }

/* For FIONREAD. A datagram of length 0 cannot be told from none; poll() can. */
unsigned socket_next_length(struct socket *socket)
{
    spinlock_acquire(&socket->lock);
    struct list_node *node = list_front(&socket->queue);
    unsigned length = node ? LIST_ENTRY(node, struct mbuf, node)->length : 0;
    spinlock_release(&socket->lock);
    return length;
}
