/* Virtqueues: the one place that knows how buffers are passed to a virtio device and back
 * (virtio 1.2, 2.7, split rings). A driver hands in chains of memory segments, each with a token of
 * its own, and gets the tokens back in whatever order the device is done with them.
 *
 * Between virtq_add(token) and the virtq_get() or virtq_reclaim() that returns it, the segments
 * belong to the device. What the device writes is never trusted: ids and lengths are checked
 * against the queue's own record, which the device cannot reach. A device that breaks the rules
 * makes its queue broken: the violation is logged once, every later call answers -EIO, and the
 * driver resets the device.
 *
 * No locks here. The driver's lock covers all calls on one queue, but for virtq_irq_disable(),
 * which an interrupt handler may call without it, and virtq_broken(), virtq_size() and
 * virtq_dump().
 */
#ifndef VIRTIO_VIRTQ_H
#define VIRTIO_VIRTQ_H

#include "lib/types.h"
#include "virtio/virtio.h"

struct virtq;

/* A piece of physically contiguous, identity-mapped memory. */
struct virtq_segment {
    void *data;
    uint32_t length; /* bytes, at least 1; a chain's total stays below 2^32 (2.7.5.2) */
};

/* Memory for queue `index` of a device that has been negotiated with: of `wanted` entries (a power
 * of two, at most 32768) or the largest power of two that the device allows, if that is less. NULL
 * (logged): the device has no such queue, or memory is exhausted. Boot. */
struct virtq *virtq_create(struct virtio_device *device, unsigned index, unsigned wanted);
void virtq_destroy(struct virtq *queue); /* its device has been reset; NULL is allowed */

/* Step 7 of 3.1.1: makes the queue empty, with interrupts off, and tells the device where it is. To
 * be called after each virtio_negotiate(); no chain is outstanding. 0; -EBUSY, -EINVAL (logged):
 * the device does not take it. */
int virtq_start(struct virtq *queue);

unsigned virtq_size(const struct virtq *queue); /* entries */
/* Entries that no chain occupies; none if the queue is broken. */
unsigned virtq_free_count(const struct virtq *queue);
bool virtq_broken(const struct virtq *queue);

/* Enters a chain: n_out segments that the device reads, then n_in that it writes, and the token
 * (not NULL) to be given back. It is not visible to the device before virtq_kick(). 0; -ENOSPC:
 * fewer entries are free than the chain has segments; -EIO: broken. */
int virtq_add(struct virtq *queue, const struct virtq_segment *segments, unsigned n_out,
              unsigned n_in, void *token);

/* The same for a chain of one segment, as nearly all frames are: the device reads it, or writes it. */
int virtq_add_out(struct virtq *queue, void *data, uint32_t length, void *token);
int virtq_add_in(struct virtq *queue, void *data, uint32_t length, void *token);

/* Shows the device every chain added so far and rings the doorbell, unless the device does not ask
 * for it. One call serves a whole batch. True if the doorbell was rung. Not before
 * virtio_driver_ok(). */
bool virtq_kick(struct virtq *queue);

/* How many chains are done and can be taken back; 0 also if the queue is broken. */
unsigned virtq_done_count(struct virtq *queue);

/* Takes back one chain. 1: *token is its token and *written the number of bytes that the device
 * says it wrote into the writable segments, never more than they hold; what lies beyond is
 * undefined (2.7.8.3). 0: none is done. -EIO: broken. */
int virtq_get(struct virtq *queue, void **token, uint32_t *written);

/* Asks for an interrupt when the next chain is done. True: one is done already, no interrupt may
 * come for it, so look again before sleeping (2.7.14). */
bool virtq_irq_enable(struct virtq *queue);
/* Asks for no more interrupts. A hint: stray ones still come, and must be tolerated (2.7.7.1). */
void virtq_irq_disable(struct virtq *queue);

/* After a successful virtio_reset(), which ends the device's ownership (3.3.1): takes back the
 * chains that never came, one token a call, until NULL. */
void *virtq_reclaim(struct virtq *queue);

/* Prints the queue's state to the log; for the debugger. Takes no lock. */
void virtq_dump(const struct virtq *queue);

#endif
