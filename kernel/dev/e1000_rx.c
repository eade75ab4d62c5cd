/* The e1000's receive ring (8254x manual, 3.2).
 *
 * Every descriptor always has an mbuf. The device owns those from its head up to, but not
 * including, the tail that it was told: so one less than there are, because head == tail means that
 * it has none (3.2.6). A received mbuf is passed up only when a new one has taken its place;
 * otherwise it is counted as dropped and posted again.
 *
 * The tail moves in large steps: what has been taken is given back when it is three quarters of the
 * ring. That saves doorbells, and under QEMU it saves frames. QEMU keeps frames that find the ring
 * full; but at the next write of the tail it delivers all of them at once, and drops those for
 * which the new room is too small.
 *
 * Where the device is, is seen from the descriptors' DD bits, never from its head register: that
 * may run ahead of what has been written to memory (13.4.28).
 */
#include "dev/e1000_internal.h"

#include "abi/errno.h"
#include "arch/barrier.h"

#define BUFFER_SIZE 2048u /* RCTL.BSIZE: the device writes so many bytes whatever the frame */

_Static_assert(MBUF_DATA_SIZE >= BUFFER_SIZE, "the device must not write beyond an mbuf");

/* [lab 3] */
static unsigned next_of(const struct e1000_rx *rx, unsigned slot)
{
    return slot + 1 < rx->size ? slot + 1 : 0;
}

/* [lab 3] */
static unsigned previous_of(const struct e1000_rx *rx, unsigned slot)
{
    return (slot > 0 ? slot : rx->size) - 1;
}

/* [lab 3] */
/* Makes the mbuf, which is as new, the descriptor's, and the descriptor as new. */
static void slot_fill(struct e1000_rx *rx, unsigned slot, struct mbuf *m)
{
    m->data += MBUF_RX_ALIGN;
    rx->mbufs[slot] = m;
    rx->descriptors[slot] = (struct e1000_rx_descriptor){.address = (uintptr_t)m->data};
}

/* A frame that was received and not taken is lost, and counted at its last descriptor. */
void e1000_rx_empty(struct e1000 *nic)
{
    const unsigned received = E1000_RX_DD | E1000_RX_EOP;
    struct e1000_rx *rx = &nic->rx;
    for (unsigned slot = 0; slot < rx->size; slot++) {
        if (rx->mbufs[slot] && (rx->descriptors[slot].status & received) == received)
            nic->dev.counters.rx_reset++;
        mbuf_free(rx->mbufs[slot]);
        rx->mbufs[slot] = NULL;
    }
}

/* [lab 3] */
/* The head may be written only while reception is off (13.4.28). */
int e1000_rx_start(struct e1000 *nic)
{
    struct e1000_rx *rx = &nic->rx;
    for (unsigned slot = 0; slot < rx->size; slot++) {
        struct mbuf *m = mbuf_alloc(MBUF_RX_RING);
        if (!m) {
            e1000_rx_empty(nic);
            return -ENOMEM;
        }
        slot_fill(rx, slot, m);
    }
    rx->next = rx->taken = 0;
    rx->skipping = false;

    uint64_t base = (uintptr_t)rx->descriptors;
    e1000_write(nic, E1000_RDBAL, (uint32_t)base);
    e1000_write(nic, E1000_RDBAH, (uint32_t)(base >> 32));
    e1000_write(nic, E1000_RDLEN, rx->size * (uint32_t)sizeof(struct e1000_rx_descriptor));
    e1000_write(nic, E1000_RDH, 0);
    dma_publish();
    e1000_write(nic, E1000_RDT, previous_of(rx, 0));
    return 0;
}

/* [lab 3] */
bool e1000_rx_pending(const struct e1000 *nic)
{
    return READ_ONCE(nic->rx.descriptors[nic->rx.next].status) & E1000_RX_DD;
}

/* [lab 3] */
/* Judges a done descriptor: whether it holds a good frame, all of it. Counts why not. A frame
 * longer than a buffer fills several descriptors, of which only the last has EOP (3.2.3.1): it is
 * dropped as one. */
static bool frame_is_good(struct e1000 *nic, const struct e1000_rx_descriptor *descriptor)
{
    struct netdev_counters *counters = &nic->dev.counters;
    bool end = descriptor->status & E1000_RX_EOP, whole = end && !nic->rx.skipping;
    nic->rx.skipping = !end;
    if (!end)
        return false;
    if (!whole || descriptor->length == 0 || descriptor->length > BUFFER_SIZE) {
        counters->rx_bad_length++;
        return false;
    }
    if (descriptor->errors & E1000_RX_ERROR_FRAME) {
        counters->rx_errors++;
        return false;
    }
    return true;
}

/* [lab 3] */
/* The device's verdict on the transport checksum, if it gives one (3.2.9). A bad one is not
 * believed: the stack looks itself, and counts. */
static bool checksum_is_verified(const struct e1000_rx_descriptor *descriptor)
{
    return !(descriptor->status & E1000_RX_IXSM) && (descriptor->status & E1000_RX_TCPCS) &&
           !(descriptor->errors & E1000_RX_ERROR_TCPE);
}

/* [lab 3] */
/* The next of the mbufs that were taken from the pool, for a good frame. */
static struct mbuf *replacement_take(struct e1000 *nic, struct list *fresh)
{
    struct list_node *node = list_take_front(fresh);
    if (!node) {
        nic->dev.counters.rx_no_mbuf++;
        return NULL;
    }
    return LIST_ENTRY(node, struct mbuf, node);
}

/* [lab 3] */
/* Takes the frame out of a done descriptor, and puts a fresh mbuf or the same one in. */
static void slot_take(struct e1000 *nic, unsigned slot, struct list *received, struct list *fresh)
{
    /* A copy: what is judged is what is used, whatever the device writes. */
    struct e1000_rx_descriptor done = nic->rx.descriptors[slot];
    struct mbuf *m = nic->rx.mbufs[slot], *replacement = NULL;

    if (frame_is_good(nic, &done))
        replacement = replacement_take(nic, fresh);
    if (!replacement) {
        mbuf_reset(m);
        slot_fill(&nic->rx, slot, m);
        return;
    }
    slot_fill(&nic->rx, slot, replacement);
    m->length = done.length;
    if (checksum_is_verified(&done))
        m->flags |= MBUF_CSUM_VERIFIED;
    list_push_back(received, &m->node);
}

/* [lab 3] */
/* How many descriptors are done from the next one on, at most `most`: less than there are. */
static unsigned done_count(const struct e1000_rx *rx, unsigned most)
{
    unsigned slot = rx->next, count = 0;
    while (count < most && (READ_ONCE(rx->descriptors[slot].status) & E1000_RX_DD)) {
        slot = next_of(rx, slot);
        count++;
    }
    return count;
}

/* [lab 3] */
/* Takes what is done now; returns how many. The mbufs that take their places come from the pool in one go. */
static unsigned take_done(struct e1000 *nic, unsigned most, struct list *received)
{
    struct e1000_rx *rx = &nic->rx;
    unsigned done = done_count(rx, MIN(most, rx->size - 1));
    struct list fresh;

    if (done == 0)
        return 0;
    /* Length and errors mean something only behind the loads that showed DD (3.2.3). */
    dma_consume();
    list_init(&fresh);
    mbuf_alloc_many(&fresh, done, MBUF_RX_RING);
    for (unsigned i = 0; i < done; i++) {
        slot_take(nic, rx->next, received, &fresh);
        rx->next = next_of(rx, rx->next);
    }
    mbuf_free_all(&fresh); /* a bad frame keeps its own mbuf */
    return done;
}

/* [lab 3] */
/* The descriptors before the tail are the device's (13.4.29). It never runs out for good: with none left
 * all have been taken, which is more than the step. */
static void give_back(struct e1000 *nic)
{
    struct e1000_rx *rx = &nic->rx;
    if (rx->taken < rx->size / 4 * 3)
        return;
    rx->taken = 0;
    dma_publish();
    e1000_write(nic, E1000_RDT, previous_of(rx, rx->next));
    __atomic_fetch_add(&nic->dev.counters.doorbells, 1, __ATOMIC_RELAXED);
}

/* [lab 3] */
int e1000_rx_collect(struct e1000 *nic, int budget, struct list *received)
{
    unsigned most = (unsigned)budget, count = 0, done;
    while (count < most && (done = take_done(nic, most - count, received)) > 0)
        count += done;
    nic->rx.taken += count;
    give_back(nic);
    return (int)count;
}
