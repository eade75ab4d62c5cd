/* The pool of packet buffers.
 *
 *   mbuf_alloc, mbuf_free       take from and give back to the pool
 *   mbuf_set_owner_all, and in mbuf.h mbuf_set_owner, mbuf_count: who has how many
 *
 * All mbufs are made at boot and none is ever given back to the page allocator, so how much memory
 * packets take is fixed, and running out is an ordinary event that is counted. The last one freed
 * is the first one taken: it is the one the caches still hold.
 *
 * Invariant: an mbuf is on the free list exactly when its owner is MBUF_POOL, and `owned` has as
 * many per owner as there are mbufs with that owner. The counts are atomics of their own, so that a
 * change of owner takes no lock.
 */
#include "net/mbuf.h"

#include "abi/errno.h"
#include "lib/assert.h"
#include "mm/kalloc.h"
#include "proc/spinlock.h"

#define BLOCK_MBUFS 16
#define BLOCK_PAGES (BLOCK_MBUFS * MBUF_SIZE / PAGE_SIZE)
_Static_assert(BLOCK_MBUFS *MBUF_SIZE % PAGE_SIZE == 0, "whole pages");

static struct {
    struct spinlock lock;
    struct list free;        /* [lock] */
    uint64_t alloc_failures; /* atomic */
} pool = {.lock = SPINLOCK_INITIALIZER("mbuf pool"), .free = LIST_INITIALIZER(pool.free)};

struct mbuf_accounts mbuf_accounts;

static void pool_add(struct mbuf *m)
{
    m->owner = MBUF_POOL;
    spinlock_acquire(&pool.lock);
    list_push_back(&pool.free, &m->node);
    spinlock_release(&pool.lock);
    mbuf_accounts.total++;
    __atomic_fetch_add(&mbuf_accounts.owned[MBUF_POOL], 1, __ATOMIC_RELAXED);
}

/* The pages stay where they are for good. What was got before memory ran out is kept: a small
 * pool is better than none. */
int mbuf_init(unsigned count)
{
    for (unsigned i = 0; i < count; i += BLOCK_MBUFS) {
        uint8_t *block = pages_alloc(BLOCK_PAGES);
        if (!block)
            return -ENOMEM;
        for (unsigned n = 0; n < BLOCK_MBUFS && i + n < count; n++)
            pool_add((struct mbuf *)(block + n * MBUF_SIZE));
    }
    return 0;
}

/* Every field but the owner and the link; the contents are not touched, which is why taking a
 * buffer costs the same for any size. */
void mbuf_reset(struct mbuf *m)
{
    m->data = m->buffer + MBUF_HEADROOM;
    m->length = 0;
    m->flags = 0;
    m->csum_start = m->csum_offset = 0;
    m->ip_header_length = 0;
    m->ip_header = NULL;
    m->dev = NULL;
    m->source = m->destination = 0;
    m->source_port = 0;
}

/* The lock covers the list alone; the buffer is made ready after that, by its new owner. */
struct mbuf *mbuf_alloc(enum mbuf_owner owner)
{
    spinlock_acquire(&pool.lock);
    struct list_node *node = list_pop_front(&pool.free);
    spinlock_release(&pool.lock);
    if (!node) {
        __atomic_fetch_add(&pool.alloc_failures, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
    mbuf_set_owner(m, owner);
    mbuf_reset(m);
    return m;
}

unsigned mbuf_alloc_many(struct list *list, unsigned n, enum mbuf_owner owner)
{
    unsigned got = 0;
    spinlock_acquire(&pool.lock);
    struct list_node *last = &pool.free.head;
    for (; got < n && last->next != &pool.free.head; got++) {
        last = last->next;
        struct mbuf *m = LIST_ENTRY(last, struct mbuf, node);
        m->owner = (uint8_t)owner;
        mbuf_reset(m);
    }
    if (got > 0)
        list_move_front(list, &pool.free, last);
    spinlock_release(&pool.lock);
    mbuf_owned_move(MBUF_POOL, owner, got);
    if (got < n)
        __atomic_fetch_add(&pool.alloc_failures, n - got, __ATOMIC_RELAXED);
    return got;
}

/* Goes to the front of the list, to be taken next, while the caches still hold it. */
void mbuf_free(struct mbuf *m)
{
    if (!m)
        return;
    /* A free mbuf here means that it was freed twice: two owners would soon write into one packet. */
    assert(m->owner != MBUF_POOL);
    mbuf_set_owner(m, MBUF_POOL);
    spinlock_acquire(&pool.lock);
    list_push_front(&pool.free, &m->node);
    spinlock_release(&pool.lock);
}

/* They usually come from one owner, so the counts are changed once for all in a row that do. */
void mbuf_set_owner_all(struct list *list, enum mbuf_owner owner)
{
    struct list_node *node = list->head.next;
    while (node != &list->head) {
        uint8_t from = LIST_ENTRY(node, struct mbuf, node)->owner;
        unsigned n = 0;
        /* It would be freed twice, or taken from the pool's list. */
        assert(from != MBUF_POOL);
        do {
            LIST_ENTRY(node, struct mbuf, node)->owner = (uint8_t)owner;
            node = node->next;
            n++;
        } while (node != &list->head && LIST_ENTRY(node, struct mbuf, node)->owner == from);
        mbuf_owned_move(from, owner, n);
    }
}

void mbuf_free_many(struct list *queue)
{
    mbuf_set_owner_all(queue, MBUF_POOL);
    spinlock_acquire(&pool.lock);
    list_splice_front(&pool.free, queue);
    spinlock_release(&pool.lock);
}

const char *mbuf_owner_name(enum mbuf_owner owner)
{
    static const char *const names[MBUF_OWNERS] = {
        [MBUF_POOL] = "free",           [MBUF_RX_RING] = "rx_ring",       [MBUF_STACK] = "stack",
        [MBUF_ARP_WAIT] = "arp_wait",   [MBUF_REASSEMBLY] = "reassembly", [MBUF_SOCKET] = "socket",
        [MBUF_DEV_QUEUE] = "dev_queue", [MBUF_TX_RING] = "tx_ring",
    };
    return names[owner];
}

uint64_t mbuf_alloc_failures(void)
{
    return __atomic_load_n(&pool.alloc_failures, __ATOMIC_RELAXED);
}
