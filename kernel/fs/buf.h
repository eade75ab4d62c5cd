/* The buffer cache: a bounded number of one-block buffers between the file system and the disk.
 *
 * A block is in at most one buffer, and whoever holds the buffer's lock is the only one who looks
 * at or changes its content. Changes reach the disk only through the log (log_add), never from
 * here.
 *
 * A thread holds at most one buffer at a time. So waiting for a free buffer cannot deadlock, and
 * neither can a damaged disk on which a block of pointers leads back to itself.
 */
#ifndef FS_BUF_H
#define FS_BUF_H

#include "lib/list.h"
#include "lib/types.h"
#include "proc/sleeplock.h"

struct block_device;

#define BUFFER_COUNT 256

struct buf {
    uint32_t block;             /* [cache lock] changes only while references is 0 */
    uint32_t references;        /* [cache lock] who holds it or waits for it, and the log */
    struct list_node hash_node; /* [cache lock] */
    struct list_node lru_node;  /* [cache lock] on the list of unused buffers */
    bool in_log;                /* [log lock] part of the running transaction */
    struct sleeplock lock;
    bool valid;    /* [lock] data is the block's content */
    uint8_t *data; /* [lock] one page; the pointer is [I] */
};

/* Takes the memory for all buffers and forgets what they held. Before anything else here, and again
 * only when nothing uses the cache (a mount that failed is tried again). 0 or -ENOMEM. */
int buf_init(struct block_device *disk);

/* *buf becomes the buffer of `block`, locked, with the block's content. Waits if all buffers are in
 * use. 0 or -EIO; the caller has checked that the block exists. */
int buf_read(uint32_t block, struct buf **buf);

/* The same for a block that is about to get new content: all zero, not read from disk. */
struct buf *buf_zero(uint32_t block);

void buf_release(struct buf *buf); /* unlocks it and gives it back */

/* For the log: one more reference, so that the content stays in memory; and its end. */
void buf_pin(struct buf *buf);
void buf_unpin(struct buf *buf);

/* Moves one block to or from the disk past the cache, for the log and the superblock. 0, -EIO,
 * -EINVAL, -EROFS. */
int buf_disk_read(uint32_t block, void *data);
int buf_disk_write(uint32_t block, const void *data);
int buf_disk_flush(void);

#endif
