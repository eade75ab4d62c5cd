/* A redo log with group commit, see log.h; its layout on disk stands in fs_format.h.
 *
 * A commit has four steps, each durable (flushed) before the next one starts:
 *
 *   1. copy the changed blocks into the log area
 *   2. write the header that names them        <- from here on the transaction has happened
 *   3. write the changed blocks where they belong
 *   4. clear the header
 *
 * A crash before 2 is complete leaves no valid header, and the old blocks; after it, the next mount
 * repeats 3 from the copies, which may be done any number of times. Only 4 is not followed by a
 * flush: should it be lost, then either the copies are still there and 3 is repeated once more, or
 * the next transaction has begun to overwrite them, which the header's checksum over the copies
 * tells.
 *
 * While a commit runs no operation is open, so the content of the buffers does not change, and they
 * can be written from where they are without their locks.
 */
#include "fs/log.h"

#include "abi/errno.h"
#include "fs/buf.h"
#include "fs/fs_format.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "proc/spinlock.h"

/* A transaction pins at most half of the buffers; the rest keeps the readers going. */
#define TRANSACTION_MAX (BUFFER_COUNT / 2)

static struct {
    struct spinlock lock;
    struct waitq changed;         /* [lock] everything that log_begin and log_sync wait for */
    uint32_t start;               /* [I] block of the header */
    uint32_t capacity;            /* [I] blocks of a transaction */
    bool read_only;               /* [I] */
    struct fs_log_header *header; /* [committing] a page to build headers in */

    unsigned operations;                 /* [lock] open ones */
    unsigned waiting;                    /* [lock] threads that log_begin lets wait */
    unsigned syncing;                    /* [lock] threads in log_sync */
    bool committing;                     /* [lock] one thread writes; nobody else touches the log */
    bool failed;                         /* [lock] a commit failed; stays set */
    uint64_t commits;                    /* [lock] finished ones, to wait for the next */
    uint32_t count;                      /* [lock] blocks of the running transaction */
    struct buf *blocks[TRANSACTION_MAX]; /* [lock] pinned */
} fslog;

static uint32_t copy_block(uint32_t i) { return fslog.start + 1 + i; }

/* Writes the header for the first `count` targets in it; `sum` is the checksum that belongs to
 * it. */
static int header_write(uint32_t count, uint64_t sum)
{
    fslog.header->checksum = sum;
    fslog.header->count = count;
    return buf_disk_write(fslog.start, fslog.header);
}

/* The checksum of the header alone, from which that over the copies goes on. */
static uint64_t header_checksum(void)
{
    fslog.header->checksum = 0;
    return fs_checksum(FS_CHECKSUM_START, fslog.header, sizeof(*fslog.header));
}

/* Step 4. */
static int header_clear(void)
{
    memset(fslog.header, 0, sizeof(*fslog.header));
    fslog.header->magic = FS_LOG_MAGIC;
    return header_write(0, header_checksum());
}

/* --- Recovery --- */

/* Whether the header in memory and its copies form a complete transaction. *page is room for a
 * block. */
static int transaction_check(void *page, bool *complete)
{
    const struct fs_log_header *header = fslog.header;
    uint64_t expected = header->checksum;
    *complete = false;
    if (header->magic != FS_LOG_MAGIC)
        return 0;
    /* A count that the log cannot hold was not written by a commit. */
    if (header->count <= fslog.capacity) {
        uint64_t sum = header_checksum();
        for (uint32_t i = 0; i < header->count; i++) {
            int error = buf_disk_read(copy_block(i), page);
            if (error)
                return error;
            sum = fs_checksum(sum, page, FS_BLOCK_SIZE);
        }
        *complete = sum == expected;
    }
    if (!*complete)
        kprintf("fs: dropping an incomplete transaction from the log\n");
    return 0;
}

/* Step 3 from the copies on disk. */
static int transaction_replay(const struct fs_layout *layout, void *page)
{
    const struct fs_log_header *header = fslog.header;
    for (uint32_t i = 0; i < header->count; i++)
        if (header->targets[i] < layout->inode_map_start || header->targets[i] >= layout->blocks) {
            kprintf("fs: the log names block %u, which is not one of %u..%u\n", header->targets[i],
                    layout->inode_map_start, layout->blocks - 1);
            return -EINVAL;
        }
    kprintf("fs: repeating a transaction of %u blocks from the log\n", header->count);
    for (uint32_t i = 0; i < header->count; i++) {
        int error = buf_disk_read(copy_block(i), page);
        if (!error)
            error = buf_disk_write(header->targets[i], page);
        if (error)
            return error;
    }
    return buf_disk_flush();
}

static int log_recover(const struct fs_layout *layout, void *page)
{
    bool complete, clean;
    int error = buf_disk_read(fslog.start, fslog.header);
    clean = !error && fslog.header->magic == FS_LOG_MAGIC && fslog.header->count == 0;
    if (error || clean)
        return error;
    error = transaction_check(page, &complete);
    if (error)
        return error;
    if (fslog.read_only) {
        if (!complete)
            return 0;
        kprintf("fs: the disk is read-only, but its log has to be replayed: "
                "attach it writable once\n");
        return -EROFS;
    }
    if (complete)
        error = transaction_replay(layout, page);
    if (!error)
        error = header_clear();
    return error ? error : buf_disk_flush();
}

int log_mount(const struct fs_layout *layout, bool read_only)
{
    struct fs_log_header *header = fslog.header ? fslog.header : page_alloc();
    void *page = page_alloc();
    int error = -ENOMEM;
    memset(&fslog, 0, sizeof(fslog));
    spinlock_init(&fslog.lock, "log");
    waitq_init(&fslog.changed, &fslog.lock);
    fslog.start = layout->log_start;
    fslog.capacity = MIN(layout->log_blocks - 1, FS_LOG_TARGETS_MAX);
    fslog.read_only = read_only;
    fslog.header = header;
    if (header && page)
        error = log_recover(layout, page);
    page_free(page);
    /* Recovery takes what the disk's log can hold; from here on what the cache can pin counts
     * too. */
    fslog.capacity = MIN(fslog.capacity, TRANSACTION_MAX);
    return error;
}

/* --- Commit --- */

/* Steps 1 and 2. */
static int commit_write(void)
{
    struct fs_log_header *header = fslog.header;
    memset(header, 0, sizeof(*header));
    header->magic = FS_LOG_MAGIC;
    header->count = fslog.count;
    for (uint32_t i = 0; i < fslog.count; i++)
        header->targets[i] = fslog.blocks[i]->block;

    uint64_t sum = header_checksum();
    for (uint32_t i = 0; i < fslog.count; i++) {
        int error = buf_disk_write(copy_block(i), fslog.blocks[i]->data);
        if (error)
            return error;
        sum = fs_checksum(sum, fslog.blocks[i]->data, FS_BLOCK_SIZE);
    }
    int error = buf_disk_flush();
    if (!error)
        error = header_write(fslog.count, sum);
    return error ? error : buf_disk_flush();
}

/* Steps 3 and 4. */
static int commit_install(void)
{
    for (uint32_t i = 0; i < fslog.count; i++) {
        int error = buf_disk_write(fslog.blocks[i]->block, fslog.blocks[i]->data);
        if (error)
            return error;
    }
    int error = buf_disk_flush();
    return error ? error : header_clear();
}

/* Called with the lock held and no operation open; releases the lock while it writes. */
static int log_commit(void)
{
    fslog.committing = true;
    spinlock_release(&fslog.lock);
    int error = commit_write();
    if (!error)
        error = commit_install();
    if (error)
        kprintf("fs: the disk failed (%d) while a change was written: no more changes\n", error);
    spinlock_acquire(&fslog.lock);

    if (error) {
        /* The blocks stay pinned: what is in memory is consistent, what is on disk perhaps
         * older. */
        fslog.failed = true;
    } else {
        for (uint32_t i = 0; i < fslog.count; i++) {
            fslog.blocks[i]->in_log = false;
            buf_unpin(fslog.blocks[i]);
        }
        fslog.count = 0;
    }
    fslog.committing = false;
    fslog.commits++;
    waitq_wake(&fslog.changed);
    return error ? -EIO : 0;
}

/* --- Operations --- */

/* Room for one more operation, if all the open ones use what they may. Lock held. */
static bool log_has_room(void)
{
    return fslog.count + (fslog.operations + 1) * LOG_OPERATION_BLOCKS <= fslog.capacity;
}

/* Nobody may begin. Who waits in log_sync goes first, or a steady stream of operations would keep it waiting.
 * Lock held. */
static bool log_is_closed(void) { return fslog.committing || fslog.syncing > 0 || !log_has_room(); }

int log_begin(void)
{
    int error = 0;
    if (fslog.read_only)
        return -EROFS;
    spinlock_acquire(&fslog.lock);
    /* Who has waited goes before who comes: he has been woken, but a writer that begins anew right after its
     * commit would be faster each time. */
    if (!fslog.failed && (fslog.waiting > 0 || log_is_closed())) {
        fslog.waiting++;
        do
            waitq_sleep_uninterruptible(&fslog.changed, NEVER);
        while (!fslog.failed && log_is_closed());
        fslog.waiting--;
    }
    if (fslog.failed)
        error = -EIO;
    else
        fslog.operations++;
    spinlock_release(&fslog.lock);
    return error;
}

int log_end(void)
{
    int error = 0;
    spinlock_acquire(&fslog.lock);
    assert(fslog.operations > 0);
    fslog.operations--;
    if (fslog.operations == 0 && fslog.count > 0)
        error = log_commit();
    else
        waitq_wake(&fslog.changed);
    spinlock_release(&fslog.lock);
    return error;
}

void log_add(struct buf *buf)
{
    spinlock_acquire(&fslog.lock);
    if (!buf->in_log) {
        assert(fslog.operations > 0 && fslog.count < fslog.capacity);
        buf->in_log = true;
        fslog.blocks[fslog.count++] = buf;
        buf_pin(buf);
    }
    spinlock_release(&fslog.lock);
}

int log_sync(void)
{
    spinlock_acquire(&fslog.lock);
    uint64_t commits = fslog.commits;
    fslog.syncing++;
    while (!fslog.failed && fslog.commits == commits && (fslog.committing || fslog.operations > 0))
        waitq_sleep_uninterruptible(&fslog.changed, NEVER);
    /* The last of them may leave new operations waiting for us. */
    if (--fslog.syncing == 0)
        waitq_wake(&fslog.changed);
    int error = fslog.failed ? -EIO : 0;
    spinlock_release(&fslog.lock);
    return error;
}
