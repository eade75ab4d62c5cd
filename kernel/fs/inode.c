/* Inodes in memory: a table of those that somebody refers to.
 *
 * A spinlock guards who is in the table and the reference counts; each inode's content is guarded
 * by its own sleeplock and read from disk by whoever needs it first. An inode whose last name and
 * last reference are gone is freed here, in log operations of its own.
 */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/buf.h"
#include "fs/fs.h"
#include "fs/log.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "proc/spinlock.h"

/* Every open file, every process's directory and every path that is being walked refers to one. */
#define INODE_MAX 512
#define BUCKETS   64

_Static_assert(FS_MODE_TYPE == S_IFMT && FS_MODE_FILE == S_IFREG, "on-disk modes are the user's");
_Static_assert(FS_MODE_DIRECTORY == S_IFDIR && FS_MODE_DEVICE == S_IFCHR, "on-disk modes");

static struct {
    struct spinlock lock;
    struct list buckets[BUCKETS]; /* [lock] by inode number */
    struct pool pool;
} table;

int inode_table_init(void)
{
    spinlock_init(&table.lock, "inode table");
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&table.buckets[i]);
    if (table.pool.capacity > 0)
        return 0; /* an earlier mount failed */
    return pool_init(&table.pool, "inode", sizeof(struct inode), INODE_MAX);
}

static struct inode *bucket_find(struct list *bucket, uint32_t number)
{
    LIST_FOR_EACH (node, bucket) {
        struct inode *inode = LIST_ENTRY(node, struct inode, hash_node);
        if (inode->number == number)
            return inode;
    }
    return NULL;
}

struct inode *inode_find(uint32_t number)
{
    struct list *bucket = &table.buckets[number % BUCKETS];
    spinlock_acquire(&table.lock);
    struct inode *inode = bucket_find(bucket, number);
    if (!inode && (inode = pool_alloc(&table.pool)) != NULL) {
        inode->number = number;
        sleeplock_init(&inode->lock, "inode");
        list_push_front(bucket, &inode->hash_node);
    }
    if (inode)
        inode->references++;
    spinlock_release(&table.lock);
    return inode;
}

static uint32_t inode_block(uint32_t number)
{
    return fs_volume.layout.inode_table_start + number / FS_INODES_PER_BLOCK;
}

static struct fs_disk_inode *inode_slot(struct buf *buf, uint32_t number)
{
    return (struct fs_disk_inode *)buf->data + number % FS_INODES_PER_BLOCK;
}

/* What every user of a loaded inode relies on. Pointers to blocks are checked when they are
 * followed. */
static int inode_check(uint32_t number, const struct fs_disk_inode *disk)
{
    uint32_t type = disk->mode & FS_MODE_TYPE;
    if (type != FS_MODE_FILE && type != FS_MODE_DIRECTORY && type != FS_MODE_DEVICE)
        return fs_damaged("inode %u is used but has mode %o", number, disk->mode);
    if (disk->size > FS_FILE_SIZE_MAX)
        return fs_damaged("inode %u has size %lu", number, (unsigned long)disk->size);
    /* Directories have no holes, so one larger than the disk would only keep its readers busy. */
    if (type == FS_MODE_DIRECTORY && disk->size / FS_BLOCK_SIZE > fs_volume.layout.blocks)
        return fs_damaged("directory %u has size %lu", number, (unsigned long)disk->size);
    return 0;
}

static int inode_read_slot(uint32_t number, struct fs_disk_inode *disk)
{
    struct buf *buf;
    int error = buf_read(inode_block(number), &buf);
    if (error)
        return error;
    *disk = *inode_slot(buf, number);
    buf_release(buf);
    return 0;
}

/* Reads the inode from the disk. Locked. */
static int inode_fill(struct inode *inode)
{
    if (inode->number == 0 || inode->number >= fs_volume.layout.inodes)
        return fs_damaged("inode %u does not exist", inode->number);
    int error = inode_read_slot(inode->number, &inode->disk);
    if (!error)
        error = inode_check(inode->number, &inode->disk);
    if (!error)
        inode->valid = true;
    return error;
}

int inode_load(struct inode *inode)
{
    inode_lock(inode);
    int error = inode->valid ? 0 : inode_fill(inode);
    inode_unlock(inode);
    return error;
}

int inode_get(uint32_t number, struct inode **result)
{
    struct inode *inode = inode_find(number);
    if (!inode)
        return -ENFILE;
    int error = inode_load(inode);
    if (error)
        inode_release(inode);
    else
        *result = inode;
    return error;
}

int inode_store(struct inode *inode)
{
    struct buf *buf;
    int error = buf_read(inode_block(inode->number), &buf);
    if (error)
        return error;
    *inode_slot(buf, inode->number) = inode->disk;
    log_add(buf);
    buf_release(buf);
    return 0;
}

/* A number whose inode is free as well. A damaged bitmap may hand out one that is in use, perhaps
 * that of the directory which the caller has locked; such a number then stays marked as used. */
static int inode_number_take(uint32_t *number)
{
    struct fs_disk_inode disk;
    int error = inode_number_alloc(number);
    if (!error)
        error = inode_read_slot(*number, &disk);
    if (!error && disk.mode != 0)
        error = fs_damaged("inode %u is in use but free in the bitmap", *number);
    return error;
}

int inode_create(uint32_t mode, uint32_t device, struct inode **result)
{
    uint32_t number;
    int error = inode_number_take(&number);
    if (error)
        return error;
    struct inode *inode = inode_find(number);
    if (!inode) {
        inode_number_free(number);
        return -ENFILE;
    }
    inode_lock(inode);
    inode->disk = (struct fs_disk_inode){.mode = mode, .device = device};
    inode->valid = true;
    error = inode_store(inode);
    inode->valid = !error;
    inode_unlock(inode);
    if (error) {
        inode_number_free(number);
        inode_release(inode);
    } else {
        /* From here on its release without a name frees the number. */
        *result = inode;
    }
    return error;
}

struct inode *inode_hold(struct inode *inode)
{
    if (!inode)
        return NULL;
    spinlock_acquire(&table.lock);
    inode->references++;
    spinlock_release(&table.lock);
    return inode;
}

/* Gives the content, then the inode itself back to the disk. 0, or the error that left an inode
 * without a name, which the next mount tries to free again. */
static int inode_destroy(struct inode *inode)
{
    int error = inode_truncate(inode);
    if (!error)
        error = log_begin();
    if (error)
        return error;
    inode_lock(inode);
    inode->disk = (struct fs_disk_inode){.mode = 0};
    /* Once the number is free it may be found again, as a new inode. */
    inode->valid = false;
    error = inode_store(inode);
    inode_unlock(inode);
    if (!error)
        inode_number_free(inode->number);
    int ended = log_end();
    return error ? error : ended;
}

/* Drops the reference; returns whether the inode has been taken out of the table with it. */
static bool inode_put(struct inode *inode)
{
    spinlock_acquire(&table.lock);
    /* With one reference left it is ours alone, so its fields are read without its lock. Without a
     * name nobody can begin to refer to it while it is destroyed. But as soon as its number is
     * free, it may become a new file, which others have left without a name again: so the question
     * is repeated. */
    while (inode->references == 1 && inode->valid && inode->disk.links == 0) {
        spinlock_release(&table.lock);
        int error = inode_destroy(inode);
        spinlock_acquire(&table.lock);
        if (error)
            break;
    }
    bool last = --inode->references == 0;
    if (last)
        list_remove(&inode->hash_node);
    spinlock_release(&table.lock);
    return last;
}

void inode_release(struct inode *inode)
{
    if (inode && inode_put(inode))
        pool_free(&table.pool, inode);
}

void inode_lock(struct inode *inode) { sleeplock_acquire(&inode->lock); }
void inode_unlock(struct inode *inode) { sleeplock_release(&inode->lock); }

uint32_t inode_mode(const struct inode *inode) { return inode->disk.mode; }

ssize_t inode_read_kernel(struct inode *inode, void *to, uint64_t offset, size_t n)
{
    struct uio uio = {.base = (uintptr_t)to, .remaining = n};
    if (inode_is(inode, FS_MODE_DIRECTORY))
        return -EISDIR;
    if (!inode_is(inode, FS_MODE_FILE))
        return -EINVAL;
    inode_lock(inode);
    ssize_t moved = inode_read(inode, &uio, offset);
    inode_unlock(inode);
    return moved;
}
