/* Packet buffers. An mbuf is a short header, then room for a whole frame with headroom in front, so that no
 * layer allocates or moves data: each pushes its header in front of what is there.
 *
 * Ownership: passing an mbuf to any *_input, *_output or transmit function gives it away, whatever the
 * result. Each mbuf knows its owner; the counts per owner are readable from user space, so that a leak
 * test is arithmetic. Nothing is shared: an mbuf has one owner at a time, and only its owner touches it.
 */
#ifndef NET_MBUF_H
#define NET_MBUF_H

#include "lib/assert.h"
#include "lib/list.h"
#include "lib/types.h"
#include "mm/kalloc.h"

struct netdev;
struct train;

enum mbuf_owner {
    MBUF_POOL,       /* free */
    MBUF_RX_RING,    /* posted to a device for reception */
    MBUF_STACK,      /* in the hands of one call chain */
    MBUF_ARP_WAIT,   /* waits for an address to be resolved */
    MBUF_REASSEMBLY, /* fragment of an incomplete datagram */
    MBUF_SOCKET,     /* in a socket's receive queue, or being read by a batch */
    MBUF_DEV_QUEUE,  /* waits for room in a device's transmit ring, or in loopback's queue */
    MBUF_TX_RING,    /* handed to a device for transmission */
    MBUF_OWNERS,
};

/* mbuf.flags */
#define MBUF_LINK_BROADCAST 0x01 /* received in a link-layer broadcast frame (RFC 1122, 2.4) */
#define MBUF_LINK_MULTICAST 0x02 /* received in a link-layer multicast frame */
#define MBUF_CSUM_VERIFIED  0x04 /* received: the device has verified the transport checksum */
#define MBUF_CSUM_PARTIAL   0x08 /* to send: the device completes the checksum, see csum_start */
#define MBUF_LOOPBACK       0x10 /* came through loopback, from our own addresses or 127/8 */
/* To send: there was room for it, or its sender waits for room (net/netdev.h). */
#define MBUF_ADMITTED 0x20
/* To send: another frame follows, or netdev_flush(); gone when the driver gets it. */
#define MBUF_MORE 0x40
/* Headers of the form that nearly all have, so that datagrams like this one can be treated together. Received
 * (net/predict.h): Ethernet's lies in front of IP's; IP's has no options, and gives the device's own address.
 * To send (net/train.h): it is the same for each datagram of this length on this way; UDP's, to send only,
 * but for the checksum. */
#define MBUF_ETHER_PLAIN 0x80
#define MBUF_IP_PLAIN    0x100
#define MBUF_UDP_PLAIN   0x200
/* To send: `train` waits for the headers; gone when the driver gets it. */
#define MBUF_TRAIN       0x400
#define MBUF_LEADS_TRAIN (MBUF_TRAIN | MBUF_ETHER_PLAIN | MBUF_IP_PLAIN | MBUF_UDP_PLAIN)

#define MBUF_HEADROOM 64 /* virtio header 12 + Ethernet 14 + IP 20 + transport 8, rounded up */
/* A driver moves data up by this before it posts the mbuf: then the UDP header and the payload behind it lie
 * at multiples of 8, as they do in user buffers, and a device's header begins with a cache line. */
#define MBUF_RX_ALIGN 14
/* What an empty mbuf with the standard headroom can take, at the least. */
#define MBUF_DATA_SIZE 2048
/* From one mbuf to the next. They begin at multiples of 256 bytes, so that what a short datagram takes of one
 * lies on one page; and 16 of them take 9 pages instead of 16: QEMU keeps the translations of a few hundred
 * pages at hand, and a full receive ring, one after the other, goes through all of its mbufs. */
#define MBUF_SIZE 2304

struct mbuf {
    struct list_node node; /* in the queue of the owner */
    uint8_t *data;         /* first valid byte */
    uint32_t length;       /* valid bytes */
    uint8_t owner;         /* enum mbuf_owner; changed only by mbuf_set_owner */
    uint16_t flags;
    uint16_t csum_start;       /* MBUF_CSUM_PARTIAL: offset from data where the sum begins, */
    uint16_t csum_offset;      /* and from there where it is stored */
    uint16_t ip_header_length; /* received: length of the IP header, options included */
    be16_t source_port;        /* in a socket's queue: of the address that it came from */
    union {
        uint8_t *ip_header;  /* received: start of the IP header, for ICMP errors that quote it */
        struct train *train; /* to send, MBUF_TRAIN */
    };
    struct netdev *dev; /* received: where; to send: through which */
    be32_t source;      /* in a socket's queue: where it came from */
    be32_t destination; /* and to which of our addresses it went */
    /* Aligned, so that a payload put in by a user lies as it does in most user buffers. */
    uint8_t buffer[MBUF_HEADROOM + ALIGN_UP(MBUF_RX_ALIGN, 8) + MBUF_DATA_SIZE]
        __attribute__((aligned(8)));
};
_Static_assert(offsetof(struct mbuf, buffer) == 64, "all but the buffer is one cache line");
_Static_assert(sizeof(struct mbuf) <= MBUF_SIZE, "an mbuf has its place");

/* Makes `count` mbufs, whose memory is taken for good. 0 or -ENOMEM: there are as many as there was memory
 * for. Called once, at boot. */
int mbuf_init(unsigned count);

/* A mbuf of length 0 with MBUF_HEADROOM bytes in front and at least MBUF_DATA_SIZE behind; the contents are
 * undefined, the other fields zero. NULL (counted) when the pool is empty. Any context. */
struct mbuf *mbuf_alloc(enum mbuf_owner owner);
/* As many as there are, at most n, to the end of `list`; one lock for all of them. Returns how many. */
unsigned mbuf_alloc_many(struct list *list, unsigned n, enum mbuf_owner owner);
void mbuf_free(struct mbuf *m); /* any owner's; NULL is allowed */
/* The same for a whole list, which is empty then; one lock, and none if it is empty before. */
void mbuf_free_many(struct list *queue); /* which is not empty */
static inline void mbuf_free_all(struct list *queue)
{
    if (!list_empty(queue))
        mbuf_free_many(queue);
}

/* Who has how many. In the header, because a datagram changes its owner half a dozen times. */
struct mbuf_accounts {
    unsigned total;              /* [I] after mbuf_init */
    unsigned owned[MBUF_OWNERS]; /* atomic */
};
extern struct mbuf_accounts mbuf_accounts;

static inline unsigned mbuf_total(void) { return mbuf_accounts.total; }

/* How many mbufs `owner` holds now. The count may be one off while another hart moves an mbuf; at rest the
 * sum over all owners is mbuf_total(). */
static inline unsigned mbuf_count(enum mbuf_owner owner)
{
    return __atomic_load_n(&mbuf_accounts.owned[owner], __ATOMIC_RELAXED);
}

/* n mbufs change their owner. Two relaxed additions: the counts need only be right when nothing moves. */
static inline void mbuf_owned_move(enum mbuf_owner from, enum mbuf_owner to, unsigned n)
{
    __atomic_fetch_sub(&mbuf_accounts.owned[from], n, __ATOMIC_RELAXED);
    __atomic_fetch_add(&mbuf_accounts.owned[to], n, __ATOMIC_RELAXED);
}

static inline void mbuf_set_owner(struct mbuf *m, enum mbuf_owner owner)
{
    if (m->owner == owner)
        return;
    mbuf_owned_move(m->owner, owner, 1);
    m->owner = owner;
}

/* For a whole list; neither the owner they have nor the new one is the pool. */
void mbuf_set_owner_all(struct list *list, enum mbuf_owner owner);

/* Makes a mbuf as new (data, length, flags, owner kept), to be posted or filled again. */
void mbuf_reset(struct mbuf *m);

static inline uint32_t mbuf_headroom(const struct mbuf *m)
{
    return (uint32_t)(m->data - m->buffer);
}

static inline uint32_t mbuf_tailroom(const struct mbuf *m)
{
    return (uint32_t)(m->buffer + sizeof(m->buffer) - (m->data + m->length));
}

/* Growing and shrinking at the front and at the end; in the header, because each datagram meets them a dozen
 * times. There must be room (assert): a length that came from a wire or a user has been compared with what
 * there is long before.
 *
 * All frames and headers begin at even addresses, which net/wire.h builds on: so a driver that places a
 * received frame, and whoever pushes or pulls a header, moves the front by an even number. */

/* n more bytes in front; returns the new data. */
static inline void *mbuf_push(struct mbuf *m, uint32_t n)
{
    assert(n <= mbuf_headroom(m));
    m->data -= n;
    m->length += n;
    return m->data;
}

/* n bytes fewer in front; returns the new data. */
static inline void *mbuf_pull(struct mbuf *m, uint32_t n)
{
    assert(n <= m->length);
    m->data += n;
    m->length -= n;
    return m->data;
}

/* n more bytes at the end; returns their start. */
static inline void *mbuf_append(struct mbuf *m, uint32_t n)
{
    assert(n <= mbuf_tailroom(m));
    uint8_t *start = m->data + m->length;
    m->length += n;
    return start;
}

/* Cuts the end so that `length` bytes stay. */
static inline void mbuf_truncate(struct mbuf *m, uint32_t length)
{
    assert(length <= m->length);
    m->length = length;
}

const char *mbuf_owner_name(enum mbuf_owner owner);
uint64_t mbuf_alloc_failures(void);

#endif
