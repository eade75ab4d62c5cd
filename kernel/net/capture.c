/* Capture: copies of frames for programs that look at the wire (tcpdump). What a program does with its
 * copies, and how slow it is, never touches the frames themselves.
 *
 * Each listener has a ring of fixed slots in memory of its own, so the mbuf pool and its arithmetic do not
 * know of captures. A frame goes into the rings of all listeners that want its device; a full ring misses
 * it, and the next record tells how many were missed.
 *
 * One lock covers the list of listeners and their rings. A reader marks the oldest slot as being read and
 * copies it to its user without the lock: nobody writes there, because a slot is free only when the reader
 * has gone on. Several readers of one listener take turns.
 *
 * A frame whose checksum is left to the device is completed in the copy, so that a listener sees what the
 * wire will see.
 */
#include "net/capture.h"

#include "abi/errno.h"
#include "abi/socket.h"
#include "lib/list.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "net/counters.h"
#include "net/net.h"

#define LISTENERS_MAX 8

struct slot {
    struct packet_record record;
    uint8_t bytes[PACKET_BYTES_MAX];
};
_Static_assert(PAGE_SIZE % sizeof(struct slot) == 0, "slots fill their pages");

#define RING_PAGES (PACKET_QUEUE_MAX * sizeof(struct slot) / PAGE_SIZE)

struct listener {
    struct list_node node; /* [lock] */
    uint32_t interface;    /* [I] 0: all */
    struct slot *ring;     /* [I] */
    unsigned first, count; /* [lock] slots in use */
    bool reading;          /* [lock] the first one is being copied to a user */
    uint32_t missed;       /* [lock] since the last frame that had room */
    struct waitq changed;  /* [lock] readers, and who polls */
};

static struct spinlock lock;
static struct list listeners; /* [lock] */
static struct pool pool;
unsigned capture_listeners;

/* Without memory for it there is no capture, and everything else goes on. */
void capture_init(void)
{
    spinlock_init(&lock, "capture");
    list_init(&listeners);
    capture_listeners = 0;
    pool_init(&pool, "captures", sizeof(struct listener), LISTENERS_MAX);
}

/* --- Frames come in --- */

/* What the device would do: the sum from csum_start to the end, the pseudo-header's being there already. */
static void checksum_complete(uint8_t *bytes, uint32_t captured, const struct mbuf *m)
{
    uint32_t start = m->csum_start, store = start + m->csum_offset;
    if (captured < m->length || store + sizeof(uint16_t) > captured)
        return; /* cut off: the sum cannot be made */
    uint16_t sum = checksum_finish(checksum_add(0, bytes + start, captured - start));
    if (sum == 0)
        sum = 0xffff; /* 0 would say "no checksum" (RFC 768) */
    memcpy(bytes + store, &sum, sizeof(sum));
}

/* Lock held. */
static void slot_fill(struct slot *slot, const struct netdev *dev, const struct mbuf *m,
                      uint32_t direction)
{
    uint32_t captured = MIN(m->length, PACKET_BYTES_MAX);
    slot->record = (struct packet_record){
        .time_ns = clock_ns(),
        .length = m->length,
        .captured = captured,
        .interface = (uint32_t)dev->index,
        .direction = direction,
        .loopback = (dev->flags & IFF_LOOPBACK) != 0,
    };
    memcpy(slot->bytes, m->data, captured);
    if (m->flags & MBUF_CSUM_PARTIAL)
        checksum_complete(slot->bytes, captured, m);
}

/* Lock held. */
static void listener_give(struct listener *listener, const struct netdev *dev, const struct mbuf *m,
                          uint32_t direction)
{
    if (listener->count == PACKET_QUEUE_MAX) {
        listener->missed++;
        net_count(NET_capture_missed);
        return;
    }
    struct slot *slot = &listener->ring[(listener->first + listener->count) % PACKET_QUEUE_MAX];
    slot_fill(slot, dev, m, direction);
    slot->record.missed = listener->missed;
    listener->missed = 0;
    listener->count++;
    net_count(NET_capture_copied);
    waitq_wake(&listener->changed);
}

void capture_copy(const struct netdev *dev, const struct mbuf *m, uint32_t direction)
{
    spinlock_acquire(&lock);
    LIST_FOR_EACH (node, &listeners) {
        struct listener *listener = LIST_ENTRY(node, struct listener, node);
        if (listener->interface == 0 || listener->interface == (uint32_t)dev->index)
            listener_give(listener, dev, m, direction);
    }
    spinlock_release(&lock);
}

/* --- As a file --- */

/* Waits for a frame, and for the turn to read it. Lock held. */
static int slot_take(struct listener *listener, bool nonblocking, struct slot **slot)
{
    while (listener->count == 0 || listener->reading) {
        if (nonblocking)
            return -EAGAIN;
        int result = waitq_sleep(&listener->changed, NEVER);
        if (result < 0)
            return result;
    }
    listener->reading = true;
    *slot = &listener->ring[listener->first];
    return 0;
}

/* Lock held. */
static void slot_give_back(struct listener *listener)
{
    listener->reading = false;
    listener->first = (listener->first + 1) % PACKET_QUEUE_MAX;
    listener->count--;
    waitq_wake(&listener->changed);
}

/* The record says how much of the frame follows. A frame whose reader gave bad memory is lost to it, as a
 * datagram is. */
static ssize_t capture_read(struct file *file, struct uio *uio)
{
    struct listener *listener = file->object;
    struct slot *slot = NULL;
    if (uio->remaining < sizeof(struct packet_record))
        return -EINVAL;
    spinlock_acquire(&lock);
    int result = slot_take(listener, (file->flags & O_NONBLOCK) != 0, &slot);
    spinlock_release(&lock);
    if (result < 0)
        return result;
    struct packet_record *record = &slot->record;
    record->captured = (uint32_t)MIN(record->captured, uio->remaining - sizeof(*record));
    ssize_t n = (ssize_t)(sizeof(*record) + record->captured);
    result = uio_put(uio, record, sizeof(*record));
    if (result == 0)
        result = uio_put(uio, slot->bytes, record->captured);
    spinlock_acquire(&lock);
    slot_give_back(listener);
    spinlock_release(&lock);
    return result < 0 ? result : n;
}

static int capture_poll(struct file *file, struct waiter *waiter)
{
    struct listener *listener = file->object;
    spinlock_acquire(&lock);
    if (waiter)
        waiter_add(&listener->changed, waiter);
    int ready = listener->count > 0 && !listener->reading ? POLLIN : 0;
    spinlock_release(&lock);
    return ready;
}

static int capture_stat(struct file *file, struct stat *stat)
{
    (void)file;
    *stat = (struct stat){.st_mode = S_IFSOCK | 0444, .st_nlink = 1};
    return 0;
}

static void listener_free(struct listener *listener)
{
    pages_free(listener->ring, RING_PAGES);
    pool_free(&pool, listener);
}

/* Out of the list under the lock: from then on nobody gives it frames. */
static void capture_close(struct file *file)
{
    struct listener *listener = file->object;
    spinlock_acquire(&lock);
    list_remove(&listener->node);
    WRITE_ONCE(capture_listeners, capture_listeners - 1);
    spinlock_release(&lock);
    listener_free(listener);
}

static const struct file_ops capture_file_ops = {
    .read = capture_read,
    .poll = capture_poll,
    .stat = capture_stat,
    .close = capture_close,
};

/* The list is joined last, when nothing can fail any more. */
int capture_create(int type, int interface, struct file **file)
{
    if ((type & ~SOCK_NONBLOCK) != SOCK_RAW)
        return -EPROTOTYPE;
    if (interface != 0 && !netdev_get(interface))
        return -ENODEV;
    struct listener *listener = pool_alloc(&pool);
    if (!listener)
        return -ENOBUFS;
    listener->ring = pages_alloc(RING_PAGES);
    if (!listener->ring) {
        pool_free(&pool, listener);
        return -ENOBUFS;
    }
    listener->interface = (uint32_t)interface;
    waitq_init(&listener->changed, &lock);
    *file = file_create(&capture_file_ops, listener,
                        O_RDONLY | (type & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    if (!*file) {
        listener_free(listener);
        return -ENFILE;
    }
    spinlock_acquire(&lock);
    list_push_back(&listeners, &listener->node);
    WRITE_ONCE(capture_listeners, capture_listeners + 1);
    spinlock_release(&lock);
    return 0;
}
