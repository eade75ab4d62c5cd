/* The port table: which socket a datagram belongs to.
 *
 * Sockets that have a port stand in a hash table keyed by it. Among a protocol's sockets on one port
 * the one that says most about its addresses wins: connected before bound to an address, that
 * before bound to any. A datagram to a broadcast address goes to every socket that matches, as
 * copies; several can match only where all have agreed to share the port (SO_REUSEADDR).
 *
 * An ICMP socket uses the same table: its port is the identifier of its echo requests.
 *
 * Locks and lifetime: socket_internal.h.
 */
#include "net/socket_internal.h"

#include "abi/errno.h"
#include "lib/byteorder.h"
#include "net/counters.h"
#include "net/net.h"
#include "proc/clock.h"

#define TABLE_BUCKETS 64

/* The dynamic ports (RFC 6335, 6). */
#define EPHEMERAL_FIRST 49152u
#define EPHEMERAL_COUNT (65536u - EPHEMERAL_FIRST)

static struct {
    struct spinlock lock;
    struct list buckets[TABLE_BUCKETS]; /* [lock] of sockets, by table_node */
} table;

/* Who sent a datagram and to whom, as the lookup compares it with the sockets' names. */
struct flow {
    int protocol;
    be32_t local;
    be16_t local_port;
    be32_t peer;
    be16_t peer_port;
};

static struct socket *socket_of(struct list_node *node)
{
    return LIST_ENTRY(node, struct socket, table_node);
}

static struct list *bucket_of(be16_t port) { return &table.buckets[ntohs(port) % TABLE_BUCKETS]; }

void socket_table_init(void)
{
    spinlock_init(&table.lock, "socket table");
    for (unsigned i = 0; i < TABLE_BUCKETS; i++)
        list_init(&table.buckets[i]);
}

/* --- Ports --- */

/* [lab 6] */
/* Table lock held. Would a socket with this name get datagrams that are another's? What counts is
 * what bind() asked for: the narrower local address of a connected socket is gone when the
 * association is dissolved. `share`: sockets that agree to share (SO_REUSEADDR) are no obstacle. */
static bool port_is_taken(const struct socket *socket, be32_t address, be16_t port, bool share)
{
    LIST_FOR_EACH (node, bucket_of(port)) {
        const struct socket *other = socket_of(node);
        if (other->protocol != socket->protocol || other->local_port != port)
            continue;
        if (share && READ_ONCE(other->reuse_address))
            continue;
        if (other->bound_address == 0 || address == 0 || other->bound_address == address)
            return true;
    }
    return false;
}

/* Table lock held. A free dynamic port, 0 if there is none. The search begins anywhere in the
 * range, so that a port is not guessed from the one before (RFC 6056, 3.3.1); the clock's low bits,
 * spread by a multiplication, are all the randomness there is. */
static be16_t port_find_free(const struct socket *socket, be32_t address)
{
    unsigned start = (unsigned)((clock_ns() * 0x9e3779b97f4a7c15ull) >> 40);
    for (unsigned i = 0; i < EPHEMERAL_COUNT; i++) {
        be16_t port = htons((uint16_t)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT));
        if (!port_is_taken(socket, address, port, false))
            return port;
    }
    return 0;
}

/* Everything about a port is decided under the table's lock: two sockets that want the same one
 * at the same time come one after the other, and so do two threads that bind the same socket. */
int socket_table_bind(struct socket *socket, be32_t address, be16_t port)
{
    int result = 0;
    spinlock_acquire(&table.lock);
    if (socket->local_port != 0) {
        result = -EINVAL;
    } else if (port == 0) {
        port = port_find_free(socket, address);
        result = port == 0 ? -EADDRINUSE : 0;
    } else if (port_is_taken(socket, address, port, READ_ONCE(socket->reuse_address))) {
        result = -EADDRINUSE;
    }
    if (result == 0) {
        spinlock_acquire(&socket->lock);
        socket->bound_address = socket->local_address = address;
        socket->local_port = port;
        spinlock_release(&socket->lock);
        list_push_front(bucket_of(port), &socket->table_node);
    }
    spinlock_release(&table.lock);
    return result;
}

/* The bucket depends on the port only, so the socket stays where it is. What is queued stays
 * too: it came while the socket was open to it. An address that bind() has set stays above all: it
 * may be newer than `local`, and is the one that others were kept from. */
void socket_table_connect(struct socket *socket, be32_t local, const struct sockaddr_in *peer)
{
    spinlock_acquire(&table.lock);
    spinlock_acquire(&socket->lock);
    socket->connected = peer != NULL;
    socket->peer_address = peer ? peer->sin_addr.s_addr : 0;
    socket->peer_port = peer ? peer->sin_port : 0;
    socket->local_address = peer && socket->bound_address == 0 ? local : socket->bound_address;
    socket->error = 0; /* it was about the former peer */
    socket_changed(socket);
    spinlock_release(&socket->lock);
    spinlock_release(&table.lock);
}

/* Harmless for a socket that never had a port: its node is linked to nothing. */
void socket_table_remove(struct socket *socket)
{
    spinlock_acquire(&table.lock);
    list_remove(&socket->table_node);
    spinlock_release(&table.lock);

    /* A delivery that found the socket before holds its lock still: wait until it is through. */
    spinlock_acquire(&socket->lock);
    spinlock_release(&socket->lock);
}

/* --- Finding the socket --- */

/* [lab 6] */
/* Table lock held, as for all of the lookup. A name that is 0 matches everything; of a connected
 * socket the peer has to match as well, which keeps strangers out. */
static bool socket_matches(const struct socket *socket, const struct flow *flow)
{
    if (socket->protocol != flow->protocol || socket->local_port != flow->local_port)
        return false;
    if (socket->local_address != 0 && socket->local_address != flow->local)
        return false;
    return !socket->connected ||
           (socket->peer_address == flow->peer && socket->peer_port == flow->peer_port);
}

/* [lab 6] */
/* Table lock held. The socket that matches in most points, NULL if none does; how many match at
 * all. */
static struct socket *table_find(const struct flow *flow, unsigned *matches)
{
    struct socket *best = NULL;
    int best_score = -1;
    *matches = 0;
    LIST_FOR_EACH (node, bucket_of(flow->local_port)) {
        struct socket *socket = socket_of(node);
        if (!socket_matches(socket, flow))
            continue;
        int score = socket->connected + (socket->local_address != 0);
        if (score > best_score) {
            best_score = score;
            best = socket;
        }
        (*matches)++;
    }
    return best;
}

/* [lab 6] */
/* Table lock held, which is why this is the slow path: it allocates and copies under it. Gives
 * every matching socket but one a copy of its own; the one gets the original. */
static void deliver_copies(const struct mbuf *m, const struct flow *flow,
                           const struct socket *except)
{
    LIST_FOR_EACH (node, bucket_of(flow->local_port)) {
        struct socket *socket = socket_of(node);
        if (socket == except || !socket_matches(socket, flow))
            continue;
        struct mbuf *copy = socket_datagram_copy(m);
        if (!copy) {
            net_count(NET_socket_no_copy);
            continue;
        }
        net_count(NET_socket_copies);
        spinlock_acquire(&socket->lock);
        socket_queue_add(socket, copy);
        spinlock_release(&socket->lock);
    }
}

/* [lab 6] */
/* The table's lock is let go as soon as the socket's is held: queueing and waking on one socket does not
 * hold up the lookups of others. */
bool socket_deliver(struct mbuf *m, uint8_t protocol, be16_t local_port)
{
    const struct flow flow = {protocol, m->destination, local_port, m->source, m->source_port};
    unsigned matches;
    spinlock_acquire(&table.lock);
    struct socket *socket = table_find(&flow, &matches);
    if (!socket) {
        spinlock_release(&table.lock);
        return false;
    }
    if (matches > 1 && ip_is_broadcast(m->dev, m->destination))
        deliver_copies(m, &flow, socket);
    spinlock_acquire(&socket->lock);
    spinlock_release(&table.lock);
    socket_queue_add(socket, m);
    spinlock_release(&socket->lock);
    return true;
}

/* One look-up and one lock for all of them. */
bool socket_deliver_run(struct list *datagrams, unsigned n, uint8_t protocol, be16_t local_port)
{
    const struct mbuf *first = LIST_ENTRY(list_front(datagrams), struct mbuf, node);
    const struct flow flow = {protocol, first->destination, local_port, first->source,
                              first->source_port};
    unsigned matches;
    spinlock_acquire(&table.lock);
    struct socket *socket = table_find(&flow, &matches);
    if (!socket) {
        spinlock_release(&table.lock);
        return false;
    }
    spinlock_acquire(&socket->lock);
    spinlock_release(&table.lock);
    socket_queue_add_run(socket, datagrams, n);
    spinlock_release(&socket->lock);
    return true;
}

/* Only a connected socket hears of errors: to the program behind another, an error without the
 * address it is about would be of no use. */
void socket_icmp_error(uint8_t protocol, be32_t local, be16_t local_port, be32_t peer,
                       be16_t peer_port, int error)
{
    struct flow flow = {protocol, local, local_port, peer, protocol == IPPROTO_UDP ? peer_port : 0};
    unsigned matches;
    spinlock_acquire(&table.lock);
    struct socket *socket = table_find(&flow, &matches);
    if (!socket || !socket->connected) {
        spinlock_release(&table.lock);
        net_count(NET_socket_icmp_unclaimed);
        return;
    }
    spinlock_acquire(&socket->lock);
    spinlock_release(&table.lock);
    socket->error = error;
    waitq_wake(&socket->changed);
    spinlock_release(&socket->lock);
    net_count(NET_socket_icmp_errors);
}

/* --- For netstat --- */

/* Table lock held: it guards the names, the socket's lock the queue. */
static void entry_fill(struct sockinfo *entry, struct socket *socket)
{
    *entry = (struct sockinfo){
        .protocol = socket->protocol,
        .local = {.sin_family = AF_INET,
                  .sin_port = socket->local_port,
                  .sin_addr = {socket->local_address}},
        .peer = {.sin_family = AF_INET,
                 .sin_port = socket->peer_port,
                 .sin_addr = {socket->peer_address}},
    };
    spinlock_acquire(&socket->lock);
    entry->queued_datagrams = socket->queued;
    entry->queued_bytes = socket->queued * SOCKET_DATAGRAM_COST;
    entry->capacity_bytes = socket->capacity;
    entry->dropped = socket->dropped;
    spinlock_release(&socket->lock);
}

uint32_t socket_list(struct sockinfo *entries, uint32_t room)
{
    uint32_t count = 0;
    spinlock_acquire(&table.lock);
    for (unsigned i = 0; i < TABLE_BUCKETS; i++) {
        LIST_FOR_EACH (node, &table.buckets[i]) {
            if (count < room)
                entry_fill(&entries[count], socket_of(node));
            count++;
        }
    }
    spinlock_release(&table.lock);
    return count;
}
