/* Driver for the virtio block device (virtio 1.2, 5.2).
 *
 * Each thread that reads, writes or flushes takes a request record, passes it to the device as a
 * chain of header, data and status byte, and sleeps until the interrupt handler has found it done;
 * so as many requests are under way as there are records, and they may finish in any order. Header
 * and status byte lie in the record, not on the thread's stack, because kernel stacks are not
 * identity-mapped.
 *
 * A device that breaks the ring's rules, asks for a reset, or has not answered within BLK_TIMEOUT (its
 * interrupt may be lost, so the ring is looked at once more) is given up for good: a sleeping thread
 * resets it, and only then, when it owns no memory any more, do the requests end with -EIO. Everything
 * after that ends with -EIO at once.
 */
#include "dev/virtio_blk.h"

#include "abi/errno.h"
#include "dev/block.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "proc/clock.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"
#include "virtio/virtq.h"

#define BLK_QUEUE        0u
#define BLK_QUEUE_SIZE   64u
#define BLK_SEGMENTS_MAX 3u
#define BLK_REQUESTS_MAX (BLK_QUEUE_SIZE / BLK_SEGMENTS_MAX)
#define BLK_TIMEOUT      (30 * NS_PER_SEC)
#define STATUS_UNTOUCHED 0xffu

struct blk_request {
    struct virtio_blk_header header; /* the device's while the request is under way, as is status */
    uint8_t status;
    bool done;           /* [lock], as all below */
    int result;          /* 0 or a negated errno, once done */
    uint32_t data_bytes; /* that the device is to write */
    struct waitq wait;   /* the thread whose request it is */
    struct list_node node;
};

/* OFF -> RUNNING: at boot. RUNNING -> FAILED: any context, on finding the device in error. FAILED
 * -> RESETTING -> OFF: by one thread, because a reset is waited for. */
enum blk_state { BLK_OFF, BLK_RUNNING, BLK_FAILED, BLK_RESETTING };

struct virtio_blk {
    struct block_device disk;
    struct virtio_device *device; /* [I] */
    struct spinlock lock;
    struct virtq *queue;     /* [lock] */
    enum blk_state state;    /* [lock] */
    struct list free;        /* [lock] of requests */
    struct waitq free_wait;  /* [lock] threads that found no free request */
    unsigned waiting;        /* [lock] how many of them have none yet */
    unsigned requests_count; /* [I] how many of the records are in use at most */
    struct blk_request requests[BLK_REQUESTS_MAX];
};

_Static_assert(sizeof(struct virtio_blk) <= PAGE_SIZE, "a disk's record is one page");

/* Lock held. The device is not to be trusted any more: wakes a thread, which resets it. */
static void blk_fail(struct virtio_blk *blk)
{
    if (blk->state != BLK_RUNNING)
        return;
    blk->state = BLK_FAILED;
    for (unsigned i = 0; i < blk->requests_count; i++)
        waitq_wake(&blk->requests[i].wait);
    waitq_wake(&blk->free_wait);
}

/* Lock held. The record is its thread's again, which takes the result from it and frees it: nothing here may
 * touch it after that. */
static void blk_complete(struct blk_request *request, int result)
{
    request->result = result;
    request->done = true;
    waitq_wake(&request->wait);
}

/* What the device says about a request. Status is its last byte; it counts only if the device has
 * written that far (2.7.8.3, 5.2.6). */
static int blk_result(const struct blk_request *request, uint32_t written)
{
    if (written != request->data_bytes + 1)
        return -EIO;
    switch (READ_ONCE(request->status)) {
    case VIRTIO_BLK_S_OK:
        return 0;
    case VIRTIO_BLK_S_UNSUPP:
        return -EOPNOTSUPP;
    default:
        return -EIO;
    }
}

/* Lock held, device running. Ends the requests that are done; returns how many. */
static unsigned blk_collect(struct virtio_blk *blk)
{
    void *token;
    uint32_t written;
    unsigned count = 0;
    int got = 0;

    /* Once more after enabling: what was finished in between raises no interrupt (2.7.14). */
    do {
        for (; (got = virtq_get(blk->queue, &token, &written)) > 0; count++)
            blk_complete(token, blk_result(token, written));
    } while (virtq_irq_enable(blk->queue));
    if (got < 0)
        blk_fail(blk);
    return count;
}

/* Interrupt handler: requests may have been answered. */
static void answers_collect(struct virtio_blk *blk)
{
    spinlock_acquire(&blk->lock);
    if (blk->state == BLK_RUNNING)
        blk_collect(blk);
    spinlock_release(&blk->lock);
}

/* The capacity is 64 bits wide, so read in halves of one generation, and stored in one go: who checks a range
 * meanwhile sees the old value or the new one. In units of 512 bytes, whatever the block size (5.2.4). */
static int blk_read_capacity(struct virtio_blk *blk)
{
    uint32_t half[2];
    int error =
        virtio_config_read(blk->device, VIRTIO_BLK_CONFIG_CAPACITY, half, sizeof(half[0]), 2);
    if (!error)
        WRITE_ONCE(blk->disk.sectors, half[0] | (uint64_t)half[1] << 32);
    return error;
}

/* Interrupt handler: the disk was resized, or the device has stopped working (2.1.2). */
static void config_look(struct virtio_blk *blk)
{
    if (!virtio_needs_reset(blk->device)) {
        blk_read_capacity(blk);
        return;
    }
    kprintf("%s: the device asks for a reset\n", blk->device->name);
    spinlock_acquire(&blk->lock);
    blk_fail(blk);
    spinlock_release(&blk->lock);
}

static void blk_interrupt(struct virtio_device *device, uint32_t events)
{
    if (events & VIRTIO_INTERRUPT_QUEUE)
        answers_collect(device->context);
    if (events & VIRTIO_INTERRUPT_CONFIG)
        config_look(device->context);
}

/* Lock held in state FAILED, given up during the reset, held again. Ends every request. Should the
 * device not even confirm the reset, then the requests end all the same: no thread can wait for
 * ever, and nothing a driver can do would keep such a device from memory. */
static void blk_reset(struct virtio_blk *blk)
{
    struct blk_request *request;

    blk->state = BLK_RESETTING;
    spinlock_release(&blk->lock);
    virtio_reset(blk->device);
    kprintf("%s: %s given up\n", blk->device->name, blk->disk.name);
    spinlock_acquire(&blk->lock);
    while ((request = virtq_reclaim(blk->queue)))
        blk_complete(request, -EIO);
    blk->state = BLK_OFF;
    waitq_wake(&blk->free_wait);
}

/* Lock held. Sleeps on `queue`, or if the device has failed does what is to be done about that. The
 * deadline is that of `request`: past it, the device has failed, unless the interrupt handler has found
 * the answer before this thread ran again. A wait for a record has neither. */
static void blk_wait(struct virtio_blk *blk, struct waitq *queue, uint64_t deadline,
                     const struct blk_request *request)
{
    if (blk->state == BLK_FAILED) {
        blk_reset(blk);
        return;
    }
    /* A reset under way ends by itself. */
    if (blk->state != BLK_RUNNING)
        deadline = NEVER;
    if (waitq_sleep_uninterruptible(queue, deadline) != -ETIMEDOUT || blk->state != BLK_RUNNING ||
        (request && request->done))
        return;
    if (blk_collect(blk) > 0) {
        kprintf("%s: done, but without an interrupt\n", blk->device->name);
    } else {
        kprintf("%s: no answer within %llu s\n", blk->device->name, BLK_TIMEOUT / NS_PER_SEC);
        blk_fail(blk);
    }
}

/* Lock held. A free request record; NULL: there is none, or the device does not run. */
static struct blk_request *blk_request_pop(struct virtio_blk *blk)
{
    struct list_node *node = blk->state == BLK_RUNNING ? list_pop_front(&blk->free) : NULL;
    return node ? LIST_ENTRY(node, struct blk_request, node) : NULL;
}

/* Lock held. A free request record, waiting for one if need be, behind those who wait already: a thread that
 * comes back with its next request would be faster each time. NULL if the device is given up. The wait has
 * an end, because each record is held by a thread whose own wait has one. */
static struct blk_request *blk_request_get(struct virtio_blk *blk)
{
    struct blk_request *request = blk->waiting == 0 ? blk_request_pop(blk) : NULL;
    blk->waiting++;
    while (!request && blk->state != BLK_OFF) {
        blk_wait(blk, &blk->free_wait, NEVER, NULL);
        request = blk_request_pop(blk);
    }
    blk->waiting--;
    return request;
}

/* Lock held. Passes a request to the device and waits for its end; the result is in the request. */
static void blk_request_run(struct virtio_blk *blk, struct blk_request *request, void *data,
                            uint32_t bytes)
{
    struct virtq_segment segments[BLK_SEGMENTS_MAX] = {
        {&request->header, sizeof(request->header)},
    };
    unsigned count = 1;
    if (bytes > 0)
        segments[count++] = (struct virtq_segment){data, bytes};
    segments[count++] = (struct virtq_segment){&request->status, sizeof(request->status)};
    /* The device writes the status always, the data of a read too. */
    unsigned n_in = request->header.type == VIRTIO_BLK_T_IN ? count - 1 : 1;
    request->data_bytes = request->header.type == VIRTIO_BLK_T_IN ? bytes : 0;
    request->status = STATUS_UNTOUCHED;
    request->done = false;

    /* There is room: records are so few that all their chains fit. */
    int error = virtq_add(blk->queue, segments, count - n_in, n_in, request);
    if (error) {
        blk_complete(request, -EIO);
        return;
    }
    virtq_kick(blk->queue);
    uint64_t deadline = clock_ns() + BLK_TIMEOUT;
    while (!request->done)
        blk_wait(blk, &request->wait, deadline, request);
}

/* One request from begin to end. Sleeps; no lock held. */
static int blk_submit(struct virtio_blk *blk, uint32_t type, uint64_t sector, void *data,
                      uint32_t bytes)
{
    int result = -EIO;
    spinlock_acquire(&blk->lock);
    struct blk_request *request = blk_request_get(blk);
    if (request) {
        request->header = (struct virtio_blk_header){.type = type, .sector = sector};
        blk_request_run(blk, request, data, bytes);
        result = request->result;
        list_push_front(&blk->free, &request->node);
        waitq_wake(&blk->free_wait);
    }
    spinlock_release(&blk->lock);
    return result;
}

static int blk_transfer(struct block_device *disk, bool write, uint64_t sector, void *data,
                        uint32_t bytes)
{
    uint32_t type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    return blk_submit(disk->driver, type, sector, data, bytes);
}

/* Sector 0 and no data (5.2.6.1). */
static int blk_flush(struct block_device *disk)
{
    return blk_submit(disk->driver, VIRTIO_BLK_T_FLUSH, 0, NULL, 0);
}

/* A device that offers FLUSH may cache writes; without it, they are durable when done (5.2.5.1). */
static const struct block_ops ops_cached = {.transfer = blk_transfer, .flush = blk_flush};
static const struct block_ops ops_uncached = {.transfer = blk_transfer};

/* As many records as have room in the ring at the same time, so that virtq_add() never finds it full. */
static void blk_init_requests(struct virtio_blk *blk)
{
    blk->requests_count = MIN(virtq_size(blk->queue) / BLK_SEGMENTS_MAX, BLK_REQUESTS_MAX);
    for (unsigned i = 0; i < blk->requests_count; i++) {
        waitq_init(&blk->requests[i].wait, &blk->lock);
        list_push_back(&blk->free, &blk->requests[i].node);
    }
}

/* Step 7 of 3.1.1. The queue comes last: it makes the device the owner of memory. */
static int blk_set_up(struct virtio_blk *blk)
{
    int error = blk_read_capacity(blk);
    if (error)
        return error;
    blk->queue = virtq_create(blk->device, BLK_QUEUE, BLK_QUEUE_SIZE);
    if (!blk->queue)
        return -ENODEV;
    if (virtq_size(blk->queue) < BLK_SEGMENTS_MAX) {
        kprintf("%s: queue of %u entries, expected at least %u\n", blk->device->name,
                virtq_size(blk->queue), BLK_SEGMENTS_MAX);
        return -EINVAL;
    }
    return virtq_start(blk->queue);
}

/* Steps 1 to 8. */
static int blk_start(struct virtio_blk *blk)
{
    int error = virtio_negotiate(blk->device, VIRTIO_BLK_F_RO | VIRTIO_BLK_F_FLUSH);
    if (error)
        return error;
    error = blk_set_up(blk);
    if (error) {
        virtio_fail(blk->device);
        return error;
    }
    blk_init_requests(blk);
    /* All is set before step 8: from then on the handler may be called. */
    virtq_irq_enable(blk->queue);
    blk->state = BLK_RUNNING;
    WRITE_ONCE(blk->device->context, blk);
    virtio_driver_ok(blk->device);
    return 0;
}

/* Enters the disk into the kernel's table. Its name tells the order of probing: disk0 holds the root. */
static int blk_register(struct virtio_blk *blk)
{
    static unsigned disks;
    struct block_device *disk = &blk->disk;
    bool cached = blk->device->features & VIRTIO_BLK_F_FLUSH;

    snprintf(disk->name, sizeof(disk->name), "disk%u", disks);
    disk->ops = cached ? &ops_cached : &ops_uncached;
    disk->driver = blk;
    disk->read_only = blk->device->features & VIRTIO_BLK_F_RO;
    int error = block_register(disk);
    if (error)
        return error;
    disks++;
    kprintf("%s: %s, %lu sectors%s%s\n", disk->name, blk->device->name, disk->sectors,
            cached ? ", write cache" : "", disk->read_only ? ", read-only" : "");
    strlcpy(blk->device->name, disk->name, sizeof(blk->device->name));
    return 0;
}

/* The record and the ring stay for good once the disk is registered. */
static int blk_probe(struct virtio_device *device)
{
    struct virtio_blk *blk = page_alloc_zeroed();
    if (!blk)
        return -ENOMEM;
    blk->device = device;
    spinlock_init(&blk->lock, "virtio_blk");
    list_init(&blk->free);
    waitq_init(&blk->free_wait, &blk->lock);

    int error = blk_start(blk);
    if (!error) {
        error = blk_register(blk);
        if (!error)
            return 0;
        WRITE_ONCE(device->context, NULL);
        /* The queue is live: its memory stays the device's unless the reset takes it back. */
        if (virtio_reset(device))
            return error;
    }
    virtq_destroy(blk->queue);
    page_free(blk);
    return error;
}

const struct virtio_driver virtio_blk_driver = {
    .device_id = VIRTIO_ID_BLOCK,
    .name = "block",
    .probe = blk_probe,
    .interrupt = blk_interrupt,
};
