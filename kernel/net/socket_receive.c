/* Receiving datagrams: a socket's queue, and the ways out of it.
 *
 * A datagram is taken off the queue under the lock and copied to the user without it, so two readers never
 * see the same one. A batch, received by one system call, takes all it can use at one time; what it then
 * does not use goes back.
 *
 * The queue is bounded twice: by the socket's own capacity, and by the share of the mbuf pool that
 * all sockets together may hold. The rest stays for the devices, so sockets that nobody reads
 * cannot stop the machine's reception and sending.
 */
#include "net/socket_internal.h"

#include "abi/errno.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/net.h"
#include "proc/clock.h"

/* --- The queue --- */

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

/* All at once if there is room for all; else one at a time, which finds out where it ends. */
void socket_queue_add_run(struct socket *socket, struct list *datagrams, unsigned n)
{
    if (socket->shut_read || (socket->queued + n) * SOCKET_DATAGRAM_COST > socket->capacity ||
        mbuf_count(MBUF_SOCKET) + n > mbuf_total() / 2) {
        struct list_node *node;
        while ((node = list_pop_front(datagrams)))
            socket_queue_add(socket, LIST_ENTRY(node, struct mbuf, node));
        return;
    }
    mbuf_set_owner_all(datagrams, MBUF_SOCKET);
    list_splice_back(&socket->queue, datagrams);
    socket->queued += n;
    net_count_many(NET_socket_queued, n);
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

/* A batch that has moved something already reports that: the error then stays. */
int socket_batch_error(struct socket *socket, const struct socket_batch *batch)
{
    return batch && batch->later ? socket->error : socket_take_error(socket);
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
        int error = socket_batch_error(socket, batch);
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

/* Lock held. What the rest of the batch can use of the queue, so that it need not come back for each. */
static void batch_take(struct socket *socket, struct socket_batch *batch)
{
    unsigned n = MIN(socket->queued, batch->left - 1);
    struct list_node *last = &socket->queue.head;
    batch->packet_info = socket->packet_info;
    if (n == 0)
        return;
    socket->queued -= n;
    batch->unread = last->next;
    while (n-- > 0)
        last = last->next;
    list_move_front(&batch->taken, &socket->queue, last);
}

/* The mbufs that the batch has read are free, and counted. */
static void batch_release(struct socket_batch *batch)
{
    struct list read;
    list_init(&read);
    if (batch->unread != batch->taken.head.next)
        list_move_front(&read, &batch->taken, batch->unread->prev);
    net_count_many(NET_socket_read, batch->read);
    batch->read = 0;
    mbuf_free_all(&read);
}

/* What has been taken and not read goes back to where it was, for this reader or another one. */
static void batch_put_back(struct socket *socket, struct socket_batch *batch)
{
    if (list_empty(&batch->taken))
        return;
    spinlock_acquire(&socket->lock);
    LIST_FOR_EACH (node, &batch->taken)
        socket->queued++;
    list_splice_front(&socket->queue, &batch->taken);
    batch->unread = &batch->taken.head;
    waitq_wake(&socket->changed);
    spinlock_release(&socket->lock);
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
static int datagram_wait(struct socket *socket, int flags, struct socket_batch *batch,
                         struct mbuf **out)
{
    spinlock_acquire(&socket->lock);
    int result = queue_wait(socket, (flags & MSG_DONTWAIT) != 0, batch);
    if (result == 0 && (flags & MSG_PEEK)) {
        result = queue_peek(socket, out);
    } else if (result == 0) {
        *out = queue_pop(socket);
        if (batch)
            batch_take(socket, batch);
    }
    spinlock_release(&socket->lock);
    return result;
}

/* RFC 1122, 4.1.3.5: a server with several addresses can tell which of them it was asked by. */
void socket_packet_info(const struct netdev *dev, be32_t destination, struct in_pktinfo *info)
{
    be32_t answer_from = ip_is_own(destination) ? destination : ip_address(dev);
    *info = (struct in_pktinfo){
        .ipi_ifindex = dev->index, .ipi_spec_dst = {answer_from}, .ipi_addr = {destination}};
}

/* The datagram is off the queue before the user's memory is touched: if that turns out to be
 * bad, the datagram is lost to this caller alone, and counted. */
int socket_buffer_is_bad(struct socket_batch *batch, int error)
{
    if (batch)
        batch->read--;
    net_count(NET_socket_bad_buffer);
    return error;
}

/* Of a call for one datagram; a peek leaves the original where it is. */
static ssize_t single_read(struct mbuf *m, struct uio *uio, int flags)
{
    size_t length = m->length, copied = MIN(length, uio->remaining);
    int result = uio_put(uio, m->data, copied);
    mbuf_free(m);
    if (!(flags & MSG_PEEK) && result < 0)
        return socket_buffer_is_bad(NULL, result);
    if (!(flags & MSG_PEEK))
        net_count(NET_socket_read);
    return result < 0 ? result : (ssize_t)(flags & MSG_TRUNC ? length : copied);
}

/* A batch holds no mbufs that it does not need while it waits. */
void socket_receive_first(struct socket *socket, struct uio *uio, int flags,
                          struct socket_batch *batch, struct socket_received *received)
{
    struct mbuf *m = NULL;
    *received = (struct socket_received){.length = -EOPNOTSUPP};
    if (flags & ~(MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT))
        return;
    if (batch && !list_empty(&batch->taken))
        batch_release(batch);
    received->length = datagram_wait(socket, flags, batch, &m);
    if (received->length < 0 || !m)
        return;
    socket_origin_set(received, m, READ_ONCE(socket->packet_info));
    if (batch && !(flags & MSG_PEEK)) {
        list_push_front(&batch->taken, &m->node);
        received->length = socket_batch_read(batch, m, uio, flags);
    } else {
        received->length = single_read(m, uio, flags);
    }
}

ssize_t socket_recvfrom(struct socket *socket, struct uio *uio, int flags, struct sockaddr_in *from)
{
    struct socket_received received;
    socket_receive_first(socket, uio, flags, NULL, &received);
    if (received.length >= 0 && from)
        *from = socket_origin_name(&received);
    return received.length;
}

/* --- Batches --- */

void socket_batch_begin(struct socket_batch *batch, unsigned count)
{
    batch->left = count;
    batch->later = false;
    batch->deadline = NEVER;
    batch->path_known = false;
    batch->unflushed = NULL;
    train_init(&batch->train);
    list_init(&batch->taken);
    batch->unread = &batch->taken.head;
    batch->read = 0;
}

bool socket_is_empty(const struct socket *socket) { return READ_ONCE(socket->queued) == 0; }

void socket_batch_end(struct socket *socket, struct socket_batch *batch)
{
    if (batch->train.led)
        socket_train_keep(socket, batch);
    if (batch->unflushed || !list_empty(&batch->train.mbufs))
        socket_batch_flush(batch);
    if (!list_empty(&batch->taken)) {
        batch_release(batch);
        batch_put_back(socket, batch);
    }
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

/* For FIONREAD. A datagram of length 0 cannot be told from none; poll() can. */
unsigned socket_next_length(struct socket *socket)
{
    spinlock_acquire(&socket->lock);
    struct list_node *node = list_front(&socket->queue);
    unsigned length = node ? LIST_ENTRY(node, struct mbuf, node)->length : 0;
    spinlock_release(&socket->lock);
    return length;
}
