/* Sockets: datagram endpoints of UDP, and of ICMP echo for ping, with the semantics of POSIX.
 *
 * This file makes and ends sockets, gives them names, and is what the file layer sees of them: a
 * socket is the object of a struct file, so dup, fork, poll, read and write work as for any other.
 * How the parts share the work, their locks, and why a delivery may race with close:
 * socket_internal.h.
 *
 * Sending sleeps until the device takes a frame, if need be; then a datagram is handed down at once,
 * and the lower layers' refusal is the result. Receiving sleeps on socket->changed.
 */
#include "net/socket.h"

#include "abi/errno.h"
#include "lib/byteorder.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "net/capture.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/socket_internal.h"

static struct pool sockets;
static const struct file_ops socket_file_ops;

/* The pool bounds how many sockets there can be; whoever comes late gets an error, not the
 * kernel's last page. */
void socket_init(void)
{
    if (pool_init(&sockets, "sockets", sizeof(struct socket), SOCKET_MAX) < 0)
        panic("socket: no memory at boot for %d sockets", SOCKET_MAX);
    socket_table_init();
}

/* --- Creation --- */

/* The protocol number, or which of the three arguments is at fault, in POSIX's terms. */
static int protocol_choose(int domain, int type, int protocol)
{
    if (domain != AF_INET)
        return -EAFNOSUPPORT;
    if (type == SOCK_STREAM || type == SOCK_RAW)
        return -EPROTOTYPE;
    if (type != SOCK_DGRAM)
        return -EINVAL;
    if (protocol == 0)
        return IPPROTO_UDP;
    return protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ? protocol : -EPROTONOSUPPORT;
}

/* A new socket is in no table: until it has a port, nothing can be delivered to it. */
int socket_create(int domain, int type, int protocol, struct file **file)
{
    if (domain == AF_PACKET)
        return capture_create(type, protocol, file);
    int chosen = protocol_choose(domain, type & ~SOCK_NONBLOCK, protocol);
    if (chosen < 0)
        return chosen;
    /* All zero: unbound, unconnected, no limits of time. */
    struct socket *socket = pool_alloc(&sockets);
    if (!socket)
        return -ENOBUFS;
    spinlock_init(&socket->lock, "socket");
    waitq_init(&socket->changed, &socket->lock);
    list_node_init(&socket->table_node);
    list_init(&socket->queue);
    socket->protocol = chosen;
    socket->version = 1;
    socket->capacity = socket->send_capacity = SOCKET_CAPACITY_DEFAULT;
    socket->ttl = IP_TTL_DEFAULT;

    *file = file_create(&socket_file_ops, socket, O_RDWR | (type & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    if (!*file) {
        pool_free(&sockets, socket);
        return -ENFILE;
    }
    return 0;
}

/* The operations tell what a file is: no other has these. */
struct socket *socket_from_file(struct file *file)
{
    return file->ops == &socket_file_ops ? file->object : NULL;
}

/* --- Names --- */

int socket_bind(struct socket *socket, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in name;
    int result = socket_address_check(address, length, &name);
    if (result < 0)
        return result;
    /* Only a unicast address of ours: it becomes the source of what is sent (RFC
     * 1122, 3.2.1.3, 4.1.3.6). */
    if (name.sin_addr.s_addr != 0 && !ip_is_own(name.sin_addr.s_addr))
        return -EADDRNOTAVAIL;
    return socket_table_bind(socket, name.sin_addr.s_addr, name.sin_port);
}

/* Takes back what connect() did. The port stays: it may have been told to others. */
static int socket_disconnect(struct socket *socket)
{
    socket_table_connect(socket, 0, NULL);
    return 0;
}

/* Sends nothing: it notes the peer, and asks for the way now so that an unreachable one is told
 * at once and the local address is the one that this way has (RFC 1122, 3.3.4.3). */
int socket_connect(struct socket *socket, const struct sockaddr *address, socklen_t length)
{
    if (length >= sizeof(address->sa_family) && address->sa_family == AF_UNSPEC)
        return socket_disconnect(socket);
    struct sockaddr_in peer;
    int result = socket_address_check(address, length, &peer);
    if (result < 0)
        return result;
    if (socket->protocol == IPPROTO_ICMP)
        peer.sin_port = 0;
    else if (peer.sin_port == 0)
        return -EINVAL; /* no receiver has port 0: it means "none" (RFC 768) */

    spinlock_acquire(&socket->lock);
    be32_t source = socket->bound_address;
    bool broadcast_allowed = socket->broadcast_allowed;
    spinlock_release(&socket->lock);
    struct ip_destination way;
    result = ip_route(source, peer.sin_addr.s_addr, &way);
    if (result < 0)
        return result;
    if (way.broadcast && !broadcast_allowed)
        return -EACCES;
    result = socket_ensure_port(socket);
    if (result == 0)
        socket_table_connect(socket, way.source, &peer);
    return result;
}

/* Two threads may do this at once; the table lets one of them bind, and both have what they
 * need. */
int socket_ensure_port(struct socket *socket)
{
    int result = socket_table_bind(socket, 0, 0);
    return result == -EINVAL ? 0 : result; /* it has one already */
}

int socket_getsockname(struct socket *socket, struct sockaddr_in *address)
{
    spinlock_acquire(&socket->lock);
    *address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = socket->local_port, .sin_addr = {socket->local_address}};
    spinlock_release(&socket->lock);
    return 0;
}

int socket_getpeername(struct socket *socket, struct sockaddr_in *address)
{
    spinlock_acquire(&socket->lock);
    bool connected = socket->connected;
    *address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = socket->peer_port, .sin_addr = {socket->peer_address}};
    spinlock_release(&socket->lock);
    return connected ? 0 : -ENOTCONN;
}

/* Wakes whoever waits for a datagram: there will be none. A socket shut down stays bound, and
 * what arrives for it is dropped and counted rather than answered by "port unreachable". */
int socket_shutdown(struct socket *socket, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    spinlock_acquire(&socket->lock);
    bool connected = socket->connected;
    if (connected) {
        socket->shut_read |= how != SHUT_WR;
        socket->shut_write |= how != SHUT_RD;
        socket_changed(socket);
        waitq_wake(&socket->changed);
    }
    spinlock_release(&socket->lock);
    return connected ? 0 : -ENOTCONN;
}

/* --- As a file --- */

/* A read of no bytes would have to discard a datagram; like every other file's, it does nothing. */
static ssize_t socket_file_read(struct file *file, struct uio *uio)
{
    if (uio->remaining == 0)
        return 0;
    return socket_recvfrom(file->object, uio, file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, NULL);
}

/* A write of no bytes sends an empty datagram: unlike a read, it loses nothing. */
static ssize_t socket_file_write(struct file *file, struct uio *uio)
{
    return socket_sendto(file->object, uio, file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, NULL, 0);
}

static int socket_file_poll(struct file *file, struct waiter *waiter)
{
    return socket_poll(file->object, waiter);
}

/* Any socket is a handle to the configuration: those requests are about no socket in particular. */
static int socket_file_ioctl(struct file *file, unsigned long request, void *argument)
{
    if (request != FIONREAD)
        return netconf_ioctl(request, argument);
    *(int32_t *)argument = (int32_t)socket_next_length(file->object);
    return 0;
}

/* A socket has neither number nor size on a disk; its type is what programs ask for. */
static int socket_file_stat(struct file *file, struct stat *stat)
{
    (void)file;
    *stat = (struct stat){.st_mode = S_IFSOCK | 0666, .st_nlink = 1};
    return 0;
}

/* The last descriptor is gone, so nobody receives or polls; deliveries may still be on their
 * way, and the table waits for those. */
static void socket_file_close(struct file *file)
{
    struct socket *socket = file->object;
    socket_table_remove(socket);
    socket_queue_flush(socket);
    pool_free(&sockets, socket);
}

static const struct file_ops socket_file_ops = {
    .read = socket_file_read,
    .write = socket_file_write,
    .poll = socket_file_poll,
    .ioctl = socket_file_ioctl,
    .stat = socket_file_stat,
    .close = socket_file_close,
};
