/* What the parts of the socket layer share; nobody else includes this.
 *
 *   socket.c          creation and end of a socket, its file operations, bind, connect, shutdown
 *   socket_table.c    which socket a datagram or an ICMP error belongs to; ports
 *   socket_send.c     sendto
 *   socket_receive.c  recvfrom, the receive queue, poll
 *   socket_options.c  setsockopt, getsockopt
 *
 * Locks. The port table has one lock, each socket another; order: table, then socket. The names of
 * a socket (local, peer) are written with both held, so either is enough to read them: the lookup
 * holds the table's lock only, sendto the socket's only. No lock is held while data is copied from
 * or to a user, nor while a datagram goes down the stack.
 *
 * Lifetime. A socket with a port stands in the table. A delivery finds it there under the table's
 * lock and takes the socket's lock before it lets go of the table's; close first takes the socket
 * out of the table and then acquires its lock once. So whoever had found it is done before it is
 * freed, and no reference count is needed.
 */
#ifndef NET_SOCKET_INTERNAL_H
#define NET_SOCKET_INTERNAL_H

#include "abi/errno.h"
#include "lib/list.h"
#include "lib/types.h"
#include "net/mbuf.h"
#include "net/socket_batch.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define SOCKET_MAX 256

/* A queued datagram keeps a whole mbuf, whatever its length. SO_RCVBUF counts it as this many bytes, so what
 * it promises is there. The default keeps 256 datagrams of any size: four rounds of a poll thread, so that a
 * reader need not be at hand after each.
 */
#define SOCKET_DATAGRAM_COST    4096u
#define SOCKET_CAPACITY_MIN     SOCKET_DATAGRAM_COST
#define SOCKET_CAPACITY_DEFAULT (256 * SOCKET_DATAGRAM_COST)
#define SOCKET_CAPACITY_MAX     (1024 * SOCKET_DATAGRAM_COST)
_Static_assert(SOCKET_DATAGRAM_COST >= MBUF_SIZE, "no promise without memory");

struct socket {
    struct spinlock lock;
    int protocol; /* [I] IPPROTO_UDP or IPPROTO_ICMP */

    /* Names: [table lock and lock] to write, either to read. Port 0: not bound yet, not in the
     * table. */
    struct list_node table_node; /* [table lock] */
    be32_t bound_address;        /* as bind() gave it; 0: any of ours */
    be32_t local_address;        /* the same, or what connect() has chosen */
    be16_t local_port;           /* of an ICMP socket: the identifier of its echo requests */
    be32_t peer_address;
    be16_t peer_port; /* of an ICMP socket: 0 */
    bool connected;
    bool reuse_address; /* others with the same mark may share the port; read without a lock */

    struct list queue;    /* [lock] of mbufs, oldest first */
    unsigned queued;      /* [lock] how many */
    unsigned capacity;    /* [lock] bytes, see SOCKET_DATAGRAM_COST */
    uint64_t dropped;     /* [lock] for want of room */
    int error;            /* [lock] positive errno that an ICMP error has left, 0: none */
    bool shut_read;       /* [lock] */
    bool shut_write;      /* [lock] */
    struct waitq changed; /* [lock] woken when a datagram, an error or a shutdown came */

    /* Options: [lock] */
    bool broadcast_allowed;
    bool packet_info; /* read without a lock */
    uint8_t ttl;
    uint8_t tos;
    unsigned send_capacity;
    uint64_t receive_timeout; /* ns, 0: none */
    uint64_t send_timeout;    /* ns, 0: none */

    /* [lock] Goes up with each change of what a datagram's path depends on; never 0. */
    unsigned version;
    /* [lock] How the last batch's last train went. It may be gone on with while path.socket_version and
     * path.config_version are what they were, and the neighbour is the same. */
    struct {
        struct socket_path path;
        struct train_lead lead;
    } kept;
};

/* Checks a caller's address: 0, -EINVAL (too short), -EAFNOSUPPORT. The copy is aligned, whatever the
 * caller's buffer was; the bytes behind the address mean nothing. */
static inline int socket_address_check(const struct sockaddr *address, socklen_t length,
                                       struct sockaddr_in *out)
{
    if (length < sizeof(*out))
        return -EINVAL;
    if (address->sa_family != AF_INET)
        return -EAFNOSUPPORT;
    const char *port = __builtin_assume_aligned(address->sa_data, _Alignof(struct sockaddr));
    const char *host = __builtin_assume_aligned(port + sizeof(out->sin_port), 2);
    out->sin_family = AF_INET;
    __builtin_memcpy(&out->sin_port, port, sizeof(out->sin_port)); /* a few instructions, no call */
    __builtin_memcpy(&out->sin_addr, host, sizeof(out->sin_addr));
    return 0;
}

/* Lock held. What was kept for sending does not hold any more. */
static inline void socket_changed(struct socket *socket)
{
    if (++socket->version == 0)
        socket->version = 1;
}

/* Gives the socket an ephemeral port if it has none. 0 or -EADDRINUSE. No lock held. */
int socket_ensure_port(struct socket *socket);

/* --- socket_table.c; no lock held on entry --- */
void socket_table_init(void);
/* Gives the socket a port (0: a free ephemeral one) and enters it. 0, -EINVAL (has one),
 * -EADDRINUSE. */
int socket_table_bind(struct socket *socket, be32_t address, be16_t port);
/* Sets (or with NULL dissolves) the association with a peer; needs a port. */
void socket_table_connect(struct socket *socket, be32_t local, const struct sockaddr_in *peer);
/* When it returns, no delivery knows the socket any more. */
void socket_table_remove(struct socket *socket);

/* --- socket_receive.c --- */
/* Lock held. Takes m: queues it and wakes readers, or drops and counts it. */
void socket_queue_add(struct socket *socket, struct mbuf *m);
/* The same for n datagrams, oldest first. */
void socket_queue_add_run(struct socket *socket, struct list *datagrams, unsigned n);
void socket_queue_flush(struct socket *socket); /* no lock held */
/* Lock held. The pending error (positive, 0: none), which is thereby reported. */
int socket_take_error(struct socket *socket);
/* The same for one datagram of a batch, NULL: of none. */
int socket_batch_error(struct socket *socket, const struct socket_batch *batch);
/* A mbuf of its own with the same payload and addresses, owner MBUF_STACK; NULL: the pool is
 * empty. */
struct mbuf *socket_datagram_copy(const struct mbuf *m);
int socket_poll(struct socket *socket, struct waiter *waiter);
/* Payload length of the datagram that would be read next; 0: none. */
unsigned socket_next_length(struct socket *socket);

/* --- socket_send.c --- */
/* The next batch may go on with the train of this one. No lock held. */
void socket_train_keep(struct socket *socket, const struct socket_batch *batch);
/* The devices learn of what the batch has sent; it holds no mbufs for sending any more. No lock held. */
void socket_batch_flush(struct socket_batch *batch);

#endif
