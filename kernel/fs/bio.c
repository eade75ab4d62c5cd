/* The buffer cache, see buf.h.
 *
 * One spinlock guards who is where: a hash table of all buffers by block number, and a list of the
 * unused ones, least recently used in front. The disk is read under the buffer's own sleeplock
 * only: two threads that want the same block meet there, the second finds the content of the first,
 * and nobody else waits.
 */
#include "fs/buf.h"
#include "fs/fs_format.h"

#include "abi/errno.h"
#include "dev/block.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "proc/spinlock.h"

#define BUCKETS           128
#define SECTORS_PER_BLOCK (FS_BLOCK_SIZE / SECTOR_SIZE)

_Static_assert(FS_BLOCK_SIZE == PAGE_SIZE, "a buffer is a page");

static struct {
    struct spinlock lock;
    struct waitq unused_wait;     /* [lock] for a buffer to become unused */
    struct list buckets[BUCKETS]; /* [lock] */
    struct list unused;           /* [lock] */
    struct block_device *disk;    /* [I] */
    struct buf buffers[BUFFER_COUNT];
} cache;

int buf_init(struct block_device *disk)
{
    spinlock_init(&cache.lock, "buffer cache");
    waitq_init(&cache.unused_wait, &cache.lock);
    cache.disk = disk;
    list_init(&cache.unused);
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&cache.buckets[i]);
    for (unsigned i = 0; i < BUFFER_COUNT; i++) {
        struct buf *buf = &cache.buffers[i];
        *buf = (struct buf){.data = buf->data ? buf->data : page_alloc()};
        if (!buf->data)
            return -ENOMEM;
        sleeplock_init(&buf->lock, "buffer");
        list_node_init(&buf->hash_node);
        list_push_back(&cache.unused, &buf->lru_node);
    }
    return 0;
}

static struct buf *bucket_find(struct list *bucket, uint32_t block)
{
    LIST_FOR_EACH (node, bucket) {
        struct buf *buf = LIST_ENTRY(node, struct buf, hash_node);
        if (buf->block == block)
            return buf;
    }
    return NULL;
}

/* The buffer of the block, or an unused one turned into it; NULL if all are in use. Cache lock
 * held. */
static struct buf *buf_claim(uint32_t block)
{
    struct list *bucket = &cache.buckets[block % BUCKETS];
    struct buf *buf = bucket_find(bucket, block);
    if (buf)
        return buf;
    struct list_node *node = list_front(&cache.unused);
    if (!node)
        return NULL;
    buf = LIST_ENTRY(node, struct buf, lru_node);
    list_remove(&buf->hash_node);
    list_push_front(bucket, &buf->hash_node);
    buf->block = block;
    /* Nobody holds the sleeplock of an unused buffer, so this field is ours. */
    buf->valid = false;
    return buf;
}

/* The block's buffer, whatever its content, referenced and locked. */
static struct buf *buf_lock(uint32_t block)
{
    struct buf *buf;
    spinlock_acquire(&cache.lock);
    /* After a wait another thread may have brought the block in: each try searches anew. */
    while ((buf = buf_claim(block)) == NULL)
        waitq_sleep_uninterruptible(&cache.unused_wait, NEVER);
    buf->references++;
    list_remove(&buf->lru_node);
    spinlock_release(&cache.lock);
    sleeplock_acquire(&buf->lock);
    return buf;
}

int buf_read(uint32_t block, struct buf **result)
{
    struct buf *buf = buf_lock(block);
    if (!buf->valid) {
        int error = buf_disk_read(block, buf->data);
        if (error) {
            /* Still not valid: who comes next tries the disk again. */
            buf_release(buf);
            return -EIO;
        }
        buf->valid = true;
    }
    *result = buf;
    return 0;
}

struct buf *buf_zero(uint32_t block)
{
    struct buf *buf = buf_lock(block);
    memset(buf->data, 0, FS_BLOCK_SIZE);
    buf->valid = true;
    return buf;
}

void buf_release(struct buf *buf)
{
    sleeplock_release(&buf->lock);
    buf_unpin(buf);
}

void buf_pin(struct buf *buf)
{
    spinlock_acquire(&cache.lock);
    buf->references++;
    spinlock_release(&cache.lock);
}

void buf_unpin(struct buf *buf)
{
    spinlock_acquire(&cache.lock);
    if (--buf->references == 0) {
        list_push_back(&cache.unused, &buf->lru_node);
        waitq_wake(&cache.unused_wait);
    }
    spinlock_release(&cache.lock);
}

int buf_disk_read(uint32_t block, void *data)
{
    return block_read(cache.disk, (uint64_t)block * SECTORS_PER_BLOCK, data, FS_BLOCK_SIZE);
}

int buf_disk_write(uint32_t block, const void *data)
{
    return block_write(cache.disk, (uint64_t)block * SECTORS_PER_BLOCK, data, FS_BLOCK_SIZE);
}

int buf_disk_flush(void) { return block_flush(cache.disk); }
