/* The split virtqueue (virtio 1.2, 2.7).
 *
 * Three areas in memory shared with the device: the descriptor table, which describes segments; the
 * available ring, in which the driver lists heads of chains; and the used ring, in which the device
 * lists the heads it is done with. Beside them, out of the device's reach, the queue keeps a record
 * of each chain.
 *
 * Invariants, under the driver's lock:
 *   - a descriptor is on the free list or belongs to exactly one outstanding chain; free_count
 * counts the former;
 *   - as many chains are outstanding as have been added and not been taken back: added - used_next;
 *   - links and lengths are taken from the record, never read back from the descriptor table;
 *   - chains[id].token is not NULL exactly if id is the head of an outstanding chain;
 *   - ring indices run freely through 16 bits (2.7.6, 2.7.8): only their differences mean
 * something.
 *
 * Barriers are named after the situation (arch/barrier.h). The places where they are needed, S0 to
 * S10, are marked; S3, S5, S8, S9 and S10 are in the register accessors, the interrupt handler and
 * virtio_reset().
 */
#include "virtio/virtq.h"

#include "abi/errno.h"
#include "arch/barrier.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"

/* Layout of the shared areas (2.7.5, 2.7.6, 2.7.8). All natural alignment, little-endian. */
#define DESCRIPTOR_NEXT  0x1u /* the chain goes on at `next` */
#define DESCRIPTOR_WRITE 0x2u /* for the device to write; without it, to read */

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

#define AVAILABLE_NO_INTERRUPT 1u

struct available_ring {
    uint16_t flags;
    uint16_t index;
    uint16_t heads[]; /* `size` of them; then used_event, if EVENT_IDX is negotiated */
};

#define USED_NO_NOTIFY 1u

struct used_element {
    uint32_t id;
    uint32_t length;
};

struct used_ring {
    uint16_t flags;
    uint16_t index;
    /* `size` of them; then avail_event, if EVENT_IDX is negotiated. */
    struct used_element elements[];
};

#define DESCRIPTOR_ALIGN 16u /* 2.7.1 */
#define USED_ALIGN       4u
#define QUEUE_SIZE_LIMIT 32768u

_Static_assert(sizeof(struct descriptor) == 16, "descriptor layout");
_Static_assert(sizeof(struct used_element) == 8, "used element layout");
_Static_assert(PAGE_SIZE % DESCRIPTOR_ALIGN == 0, "pages are aligned for the descriptor table");

/* One for each descriptor. `next` links the free list and each chain; the rest counts at a chain's
 * head. */
struct chain {
    void *token;       /* NULL: not the head of an outstanding chain */
    uint64_t position; /* how many chains were added before it */
    uint32_t writable; /* bytes that the device may have written */
    uint16_t next;
    uint16_t last;  /* the chain's last descriptor */
    uint16_t count; /* descriptors in the chain */
};

struct virtq {
    struct virtio_device *device; /* [I], as all up to the record of chains */
    unsigned index;
    unsigned size;
    size_t ring_pages, own_pages;
    struct descriptor *descriptors;
    struct available_ring *available;
    volatile struct used_ring *used;
    uint16_t *used_event;           /* behind the available ring: the driver writes it */
    volatile uint16_t *avail_event; /* behind the used ring: the device writes it */

    bool event_index; /* EVENT_IDX is negotiated; changed by virtq_start */
    bool broken;      /* the device broke a rule; until the next virtq_start */

    /* [driver's lock] */
    uint16_t free_head;
    unsigned free_count; /* descriptors */
    /* How many chains have been added, and shown to the device. Their low 16 bits are available indices; all
     * of them tell which chains it knows, however long it keeps one. */
    uint64_t added, published;
    uint16_t used_next; /* used index of the next element to take */
    uint16_t used_seen; /* up to here the used ring has been checked and fenced */
    struct chain chains[];
};

static size_t pages_for(size_t bytes) { return ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE; }

/* The largest power of two that neither the device nor the driver finds too large (2.7). */
static unsigned size_choose(unsigned max, unsigned wanted)
{
    unsigned size = MIN(wanted, QUEUE_SIZE_LIMIT);
    while (size > max)
        size /= 2;
    return size;
}

/* The areas lie one behind the other, each event field behind its ring; offsets in bytes. */
struct layout {
    size_t available, used_event, used, avail_event, total;
};

static struct layout ring_layout(unsigned size)
{
    struct layout at;
    at.available = sizeof(struct descriptor) * size;
    at.used_event = at.available + sizeof(struct available_ring) + sizeof(uint16_t) * size;
    at.used = ALIGN_UP(at.used_event + sizeof(uint16_t), USED_ALIGN);
    at.avail_event = at.used + sizeof(struct used_ring) + sizeof(struct used_element) * size;
    at.total = at.avail_event + sizeof(uint16_t);
    return at;
}

/* Every descriptor free, in ascending order, and all indices at their start. */
static void record_reset(struct virtq *queue)
{
    for (unsigned id = 0; id < queue->size; id++)
        queue->chains[id] = (struct chain){.next = (uint16_t)(id + 1)};
    queue->free_head = 0;
    queue->free_count = queue->size;
    queue->added = queue->published = 0;
    queue->used_next = queue->used_seen = 0;
    queue->broken = false;
}

struct virtq *virtq_create(struct virtio_device *device, unsigned index, unsigned wanted)
{
    assert(IS_POWER_OF_TWO(wanted));
    unsigned size = size_choose(device->transport->queue_size_max(device, index), wanted);
    if (size == 0) {
        kprintf("%s: queue %u does not exist\n", device->name, index);
        return NULL;
    }
    /* The record lies in pages of its own: the device is never told their address. */
    struct layout at = ring_layout(size);
    size_t ring_pages = pages_for(at.total);
    size_t own_pages = pages_for(sizeof(struct virtq) + size * sizeof(struct chain));
    uint8_t *ring = pages_alloc(ring_pages);
    struct virtq *queue = pages_alloc(own_pages);
    if (!ring || !queue) {
        kprintf("%s: no memory for queue %u of %u entries\n", device->name, index, size);
        if (ring)
            pages_free(ring, ring_pages);
        if (queue)
            pages_free(queue, own_pages);
        return NULL;
    }
    queue->device = device;
    queue->index = index;
    queue->size = size;
    queue->ring_pages = ring_pages;
    queue->own_pages = own_pages;
    queue->descriptors = (struct descriptor *)ring;
    queue->available = (struct available_ring *)(ring + at.available);
    queue->used_event = (uint16_t *)(ring + at.used_event);
    queue->used = (struct used_ring *)(ring + at.used);
    queue->avail_event = (uint16_t *)(ring + at.avail_event);
    record_reset(queue);
    return queue;
}

/* The device has been reset, so it knows none of these addresses any more. */
void virtq_destroy(struct virtq *queue)
{
    if (!queue)
        return;
    pages_free(queue->descriptors, queue->ring_pages);
    pages_free(queue, queue->own_pages);
}

int virtq_start(struct virtq *queue)
{
    struct virtio_device *device = queue->device;
    assert(queue->free_count == queue->size);
    unsigned max = device->transport->queue_size_max(device, queue->index);
    if (max < queue->size) {
        kprintf("%s: queue %u now takes %u entries, expected %u\n", device->name, queue->index, max,
                queue->size);
        return -EINVAL;
    }
    /* Zeroes used.flags too, as 2.7.10.1 wants. S9, the fence between this and the registers that
     * make the queue live, is in the transport's register writes. */
    memset(queue->descriptors, 0, queue->ring_pages * PAGE_SIZE);
    record_reset(queue);
    queue->event_index = device->features & VIRTIO_F_EVENT_IDX;
    virtq_irq_disable(queue);
    int error = device->transport->queue_start(device, queue->index, queue->size,
                                               (uintptr_t)queue->descriptors,
                                               (uintptr_t)queue->available, (uintptr_t)queue->used);
    if (error)
        kprintf("%s: queue %u does not start, error %d\n", device->name, queue->index, error);
    return error;
}

unsigned virtq_size(const struct virtq *queue) { return queue->size; }
unsigned virtq_free_count(const struct virtq *queue)
{
    return queue->broken ? 0 : queue->free_count;
}
bool virtq_broken(const struct virtq *queue) { return READ_ONCE(queue->broken); }

/* [lab 1] */
/* A rule was broken: says so once, and stops taking anything from this queue. */
static NOINLINE int violation(struct virtq *queue, const char *what, unsigned found,
                              const char *expected, unsigned number)
{
    kprintf("%s: queue %u: device returned %s %u, expected %s %u\n", queue->device->name,
            queue->index, what, found, expected, number);
    queue->broken = true;
    queue->used_seen = queue->used_next;
    return -EIO;
}

/* [lab 1] */
/* Fills a free descriptor in (2.7.13.1); returns the free one behind it. */
static inline uint16_t descriptor_fill(struct virtq *queue, uint16_t id,
                                       struct virtq_segment segment, bool write, uint16_t flags)
{
    uint16_t next = queue->chains[id].next;
    queue->descriptors[id] = (struct descriptor){(uintptr_t)segment.data, segment.length,
                                                 write ? flags | DESCRIPTOR_WRITE : flags,
                                                 flags & DESCRIPTOR_NEXT ? next : 0};
    return next;
}

/* [lab 1] */
/* Records a chain whose descriptors are filled in, and lists it. */
static inline void chain_enter(struct virtq *queue, uint16_t head, uint16_t last, unsigned count,
                               uint32_t writable, void *token)
{
    struct chain *chain = &queue->chains[head];
    chain->token = token;
    chain->writable = writable;
    chain->last = last;
    chain->count = (uint16_t)count;
    chain->position = queue->added;
    queue->free_count -= count;
    /* 2.7.13.2. The slot is free: no more chains are outstanding than there are slots. */
    queue->available->heads[queue->added & (queue->size - 1)] = head;
    queue->added++;
}

/* [lab 1] */
/* Of several descriptors. What the device reads comes first, what it writes after that (2.7.4.2). */
static int chain_add(struct virtq *queue, const struct virtq_segment *segments, unsigned n_out,
                     unsigned count, void *token)
{
    uint16_t head = queue->free_head, id = head, last = head;
    uint32_t writable = 0;
    for (unsigned i = 0; i < count; i++) {
        last = id;
        id = descriptor_fill(queue, id, segments[i], i >= n_out,
                             i + 1 < count ? DESCRIPTOR_NEXT : 0);
        writable += i >= n_out ? segments[i].length : 0;
    }
    queue->free_head = id;
    chain_enter(queue, head, last, count, writable, token);
    return 0;
}

/* [lab 1] */
/* Of one. For itself for the sake of frames. */
static ALWAYS_INLINE int single_add(struct virtq *queue, void *data, uint32_t length, bool write,
                                    void *token)
{
    assert(token);
    if (queue->broken)
        return -EIO;
    if (queue->free_count == 0)
        return -ENOSPC;
    uint16_t id = queue->free_head;
    queue->free_head = descriptor_fill(queue, id, (struct virtq_segment){data, length}, write, 0);
    chain_enter(queue, id, id, 1, write ? length : 0, token);
    return 0;
}

/* [lab 1] */
int virtq_add_out(struct virtq *queue, void *data, uint32_t length, void *token)
{
    return single_add(queue, data, length, false, token);
}

/* [lab 1] */
int virtq_add_in(struct virtq *queue, void *data, uint32_t length, void *token)
{
    return single_add(queue, data, length, true, token);
}

/* [lab 1] */
int virtq_add(struct virtq *queue, const struct virtq_segment *segments, unsigned n_out,
              unsigned n_in, void *token)
{
    assert(token && n_out + n_in > 0);
    if (queue->broken)
        return -EIO;
    if (n_out + n_in > queue->free_count)
        return -ENOSPC;
    return chain_add(queue, segments, n_out, n_out + n_in, token);
}

/* [lab 1] */
/* Chains that the device has, or will have at the next kick. */
static unsigned outstanding(const struct virtq *queue)
{
    return (uint16_t)(queue->added - queue->used_next);
}

/* [lab 1] */
/* Does the device ask for a doorbell, now that the available index went from `old` to `new`?
 * (2.7.10) */
static bool notify_wanted(const struct virtq *queue, uint16_t old, uint16_t new)
{
    if (!queue->event_index)
        return !(queue->used->flags & USED_NO_NOTIFY);
    /* It does if entry number avail_event is one of those just shown, counted through the wrap. */
    uint16_t event = *queue->avail_event;
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* QEMU (7.2, TCG) leaves a guest's fences out of the code it makes as long as the machine can have only one
 * hart, though its devices run on a thread of their own: our store could still wait in the host's store
 * buffer while our load is done. A register access takes QEMU's lock, and that orders the two on every host.
 * Without it an interrupt or a doorbell is lost once in many thousands, and the machine sleeps on a full
 * ring. */
static void emulator_barrier(struct virtq *queue)
{
    queue->device->transport->status_get(queue->device);
}

/* [lab 1] */
/* The place where a chain becomes the device's: fences S0 to S2, in this order. */
bool virtq_kick(struct virtq *queue)
{
    uint64_t added = queue->added;
    uint16_t old = (uint16_t)queue->published, new = (uint16_t)added;
    if (old == new || queue->broken)
        return false;
    /* S0, S1: payload, descriptors and slots, and our last loads from a buffer posted again, come
     * before the index that gives them away (2.7.13.3.1). Once for the whole batch. */
    dma_publish();
    WRITE_ONCE(queue->available->index, new);
    queue->published = added;
    /* S2: either the device sees the new index, or we see that it asks for a doorbell (2.7.13.4.1). */
    dma_handshake();
    if (!notify_wanted(queue, old, new)) {
        emulator_barrier(queue);
        if (!notify_wanted(queue, old, new))
            return false;
    }
    queue->device->transport->notify(queue->device, queue->index);
    return true;
}

/* [lab 1] */
/* Looks how far the device has come. True: elements from used_next up to used_seen may be read. Its code is
 * read by tests/system/test_barriers.py, so it stays a function of its own. */
static NOINLINE bool used_look(struct virtq *queue)
{
    if (queue->broken)
        return false;
    uint16_t index = queue->used->index;
    uint16_t done = (uint16_t)(index - queue->used_next);
    if (done == 0)
        return false;
    if (done > outstanding(queue)) {
        violation(queue, "a number of buffers,", done, "at most", outstanding(queue));
        return false;
    }
    /* S4: the index is loaded before the elements and the buffers, and before any store that uses a
     * descriptor again. */
    dma_consume();
    queue->used_seen = index;
    return true;
}

/* [lab 1] */
/* Puts a chain's descriptors back on the free list, last in, first out: the warmest are used again.
 */
static void *chain_release(struct virtq *queue, struct chain *chain, uint16_t head)
{
    void *token = chain->token;
    chain->token = NULL;
    queue->chains[chain->last].next = queue->free_head;
    queue->free_head = head;
    queue->free_count += chain->count;
    return token;
}

/* [lab 1] */
unsigned virtq_done_count(struct virtq *queue)
{
    if (queue->used_next == queue->used_seen)
        used_look(queue);
    return (uint16_t)(queue->used_seen - queue->used_next);
}

/* [lab 1] */
/* Was the chain added since the last kick? Then the device cannot know of it: an id given back twice would
 * otherwise pass as the chain that has taken its place. */
static bool chain_is_hidden(const struct virtq *queue, const struct chain *chain)
{
    return chain->position >= queue->published;
}

/* [lab 1] */
/* Apart from the rest for the sake of what has been seen already. */
static NOINLINE int get_unseen(struct virtq *queue, void **token, uint32_t *written)
{
    if (!used_look(queue))
        return queue->broken ? -EIO : 0;
    return virtq_get(queue, token, written);
}

/* [lab 1] */
int virtq_get(struct virtq *queue, void **token, uint32_t *written)
{
    if (queue->used_next == queue->used_seen)
        return get_unseen(queue, token, written);

    /* One load each: what is checked is what is used, whatever the device writes meanwhile. */
    volatile struct used_element *element =
        &queue->used->elements[queue->used_next & (queue->size - 1)];
    uint32_t id = element->id, length = element->length;
    if (id >= queue->size)
        return violation(queue, "buffer id", id, "below", queue->size);
    struct chain *chain = &queue->chains[id];
    if (!chain->token)
        return violation(queue, "buffer id", id, "one it holds, of", outstanding(queue));
    if (chain_is_hidden(queue, chain))
        return violation(queue, "buffer id", id, "one it was shown, of", outstanding(queue));
    if (length > chain->writable)
        return violation(queue, "written length", length, "at most", chain->writable);

    queue->used_next++;
    *token = chain_release(queue, chain, (uint16_t)id);
    *written = length;
    return 1;
}

bool virtq_irq_enable(struct virtq *queue)
{
    /* The entry we wait for is the next one that we take, which may lie behind the device's index.
     * With EVENT_IDX flags stays 0 (2.7.7.1). */
    if (queue->event_index)
        WRITE_ONCE(*queue->used_event, queue->used_next);
    else
        WRITE_ONCE(queue->available->flags, 0);
    /* S6: either the device sees that we want an interrupt, or we see what it has finished
     * (2.7.14). */
    dma_handshake();
    emulator_barrier(queue);
    return !queue->broken && queue->used->index != queue->used_next;
}

/* No fence (S7): it is a hint. With EVENT_IDX the event is put as far away as can be: at the entry
 * taken last, which comes again after 65536 more. */
void virtq_irq_disable(struct virtq *queue)
{
    if (queue->event_index)
        WRITE_ONCE(*queue->used_event, (uint16_t)(READ_ONCE(queue->used_next) - 1));
    else
        WRITE_ONCE(queue->available->flags, AVAILABLE_NO_INTERRUPT);
}

/* [lab 1] */
/* No cursor: it is called a ring's length of times at most, and only when a device is stopped. */
void *virtq_reclaim(struct virtq *queue)
{
    for (unsigned id = 0; queue->free_count < queue->size && id < queue->size; id++) {
        if (queue->chains[id].token)
            return chain_release(queue, &queue->chains[id], (uint16_t)id);
    }
    return NULL;
}

void virtq_dump(const struct virtq *queue)
{
    kprintf("%s queue %u: size %u, free %u%s%s\n", queue->device->name, queue->index, queue->size,
            queue->free_count, queue->event_index ? ", event index" : "",
            queue->broken ? ", broken" : "");
    kprintf("  available: added %u, published %u, flags %u, used_event %u\n",
            (uint16_t)queue->added, (uint16_t)queue->published, queue->available->flags,
            *queue->used_event);
    kprintf("  used: index %u, taken %u, flags %u, avail_event %u\n", queue->used->index,
            queue->used_next, queue->used->flags, *queue->avail_event);
    for (unsigned id = 0; id < queue->size; id++) {
        if (queue->chains[id].token)
            kprintf("  chain %u: %u descriptors, %u bytes writable, token %p\n", id,
                    queue->chains[id].count, queue->chains[id].writable, queue->chains[id].token);
    }
}
