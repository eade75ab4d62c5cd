/* The content of inodes: where its blocks are, reading, writing, truncation.
 *
 * Pointers are found in the inode itself or one or two blocks of pointers away (fs_format.h). Each
 * pointer is checked when it is followed. Only one buffer is held at a time: a block of pointers is
 * released before the bitmap or the next block is looked at, and the inode's lock keeps everybody
 * else out meanwhile.
 */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/buf.h"
#include "fs/log.h"
#include "lib/string.h"

/* Where a pointer to a block of the file is recorded: a slot of the inode, and on the way from
 * there the entries in `depth` blocks of pointers. */
struct map_path {
    uint32_t *slot;
    unsigned depth;
    uint32_t entry[2];
};

/* Which way leads to block `index`, which is below FS_FILE_BLOCKS_MAX. */
static void map_locate(struct inode *inode, uint64_t index, struct map_path *path)
{
    if (index < FS_DIRECT) {
        *path = (struct map_path){.slot = &inode->disk.direct[index]};
        return;
    }
    index -= FS_DIRECT;
    if (index < FS_POINTERS_PER_BLOCK) {
        *path = (struct map_path){&inode->disk.indirect, 1, {(uint32_t)index}};
        return;
    }
    index -= FS_POINTERS_PER_BLOCK;
    *path = (struct map_path){
        &inode->disk.double_indirect,
        2,
        {(uint32_t)(index / FS_POINTERS_PER_BLOCK), (uint32_t)(index % FS_POINTERS_PER_BLOCK)}};
}

/* Reads entry `entry` of the block of pointers `table`; fills it with a new block if it is 0 and
 * `allocate` is set. */
static int map_entry(struct inode *inode, uint32_t table, uint32_t entry, bool allocate,
                     uint32_t *block)
{
    struct buf *buf;
    int error = buf_read(table, &buf);
    if (error)
        return error;
    uint32_t value = ((uint32_t *)buf->data)[entry];
    buf_release(buf);
    if (value == 0 && allocate) {
        error = block_alloc(&value);
        if (error)
            return error;
        /* The table was released meanwhile, but the inode's lock kept the entry as it was. */
        error = buf_read(table, &buf);
        if (error) {
            block_free(value);
            return error;
        }
        ((uint32_t *)buf->data)[entry] = value;
        log_add(buf);
        buf_release(buf);
        inode->disk.blocks++;
    }
    *block = value;
    return 0;
}

/* Where block `index` of the file lies; 0 = nowhere, if it is not to be allocated. */
static int map_block(struct inode *inode, uint64_t index, bool allocate, uint32_t *block)
{
    struct map_path path;
    map_locate(inode, index, &path);
    if (*path.slot == 0 && allocate) {
        int error = block_alloc(path.slot);
        if (error)
            return error;
        inode->disk.blocks++;
    }
    *block = *path.slot;
    for (unsigned level = 0; *block != 0; level++) {
        if (!block_is_data(*block))
            return fs_damaged("inode %u points to block %u", inode->number, *block);
        if (level == path.depth)
            return 0;
        int error = map_entry(inode, *block, path.entry[level], allocate, block);
        if (error)
            return error;
    }
    return 0;
}

int inode_map(struct inode *inode, uint64_t index, uint32_t *block)
{
    return map_block(inode, index, false, block);
}

/* --- Reading and writing --- */

/* Reads a piece that lies within one block. */
static int piece_read(struct inode *inode, struct uio *uio, uint64_t offset, uint32_t bytes)
{
    static const uint8_t zeros[FS_BLOCK_SIZE];
    uint32_t block;
    struct buf *buf;
    int error = map_block(inode, offset / FS_BLOCK_SIZE, false, &block);
    if (error)
        return error;
    if (block == 0)
        return uio_put(uio, zeros, bytes);
    error = buf_read(block, &buf);
    if (error)
        return error;
    error = uio_put(uio, buf->data + offset % FS_BLOCK_SIZE, bytes);
    buf_release(buf);
    return error;
}

ssize_t inode_read(struct inode *inode, struct uio *uio, uint64_t offset)
{
    ssize_t total = 0;
    while (uio->remaining > 0 && offset < inode->disk.size) {
        uint64_t left = MIN(uio->remaining, inode->disk.size - offset);
        uint32_t bytes = (uint32_t)MIN(left, FS_BLOCK_SIZE - offset % FS_BLOCK_SIZE);
        int error = piece_read(inode, uio, offset, bytes);
        if (error)
            return total > 0 ? total : error;
        offset += bytes;
        total += bytes;
    }
    return total;
}

/* Writes a piece that lies within one block. */
static int piece_write(struct inode *inode, struct uio *uio, uint64_t offset, uint32_t bytes)
{
    uint32_t block;
    struct buf *buf;
    int error = map_block(inode, offset / FS_BLOCK_SIZE, true, &block);
    if (!error)
        error = buf_read(block, &buf);
    if (error)
        return error;
    uint8_t *to = buf->data + offset % FS_BLOCK_SIZE;
    error = uio_get(uio, to, bytes);
    if (error) {
        /* What was copied before the bad address may stay in the file, but not behind its end:
         * there everything is zero, for the case that the file grows over it. */
        uint64_t size = inode->disk.size;
        uint32_t inside = size > offset ? (uint32_t)MIN(size - offset, bytes) : 0;
        memset(to + inside, 0, bytes - inside);
    }
    log_add(buf);
    buf_release(buf);
    return error;
}

ssize_t inode_write(struct inode *inode, struct uio *uio, uint64_t offset)
{
    ssize_t total = 0;
    if (offset >= FS_FILE_SIZE_MAX)
        return -EFBIG;
    /* A directory's entry must not be there if its writer is told that it failed. */
    int error = inode_store(inode);
    if (error)
        return error;
    uint64_t left = MIN(MIN(uio->remaining, INODE_WRITE_MAX), FS_FILE_SIZE_MAX - offset);
    while (left > 0 && !error) {
        uint32_t bytes = (uint32_t)MIN(left, FS_BLOCK_SIZE - offset % FS_BLOCK_SIZE);
        error = piece_write(inode, uio, offset, bytes);
        if (error)
            break;
        offset += bytes;
        total += bytes;
        left -= bytes;
        inode->disk.size = MAX(inode->disk.size, offset);
    }
    /* After an error too: blocks may have been allocated. */
    int stored = inode_store(inode);
    if (stored)
        return stored;
    return total > 0 ? total : error;
}

/* --- Truncation --- */

/* One log operation of a truncation. Blocks are freed from the end of the file backwards, so that
 * it is a shorter file at every moment. What limits an operation is the number of bitmap blocks it
 * changes: at most TRIM_BITMAPS and those of one more batch. */
#define TRIM_BITMAPS 8
#define TRIM_BATCH   8

struct trim {
    struct inode *inode;
    uint32_t bitmap_block; /* of the bitmap, where the last freed block has its bit */
    unsigned bitmaps;
};

/* Frees one block, of data or of pointers, and books it. */
static void trim_free(struct trim *trim, uint32_t block)
{
    if (!block_is_data(block)) {
        fs_damaged("inode %u points to block %u", trim->inode->number, block);
        return;
    }
    if (trim->bitmaps == 0 || trim->bitmap_block != block / FS_BITS_PER_BLOCK) {
        trim->bitmap_block = block / FS_BITS_PER_BLOCK;
        trim->bitmaps++;
    }
    block_free(block);
    if (trim->inode->disk.blocks > 0)
        trim->inode->disk.blocks--;
}

/* From block `blocks` on nothing is left: the file ends there at the latest. */
static void trim_size(struct trim *trim, uint64_t blocks)
{
    trim->inode->disk.size = MIN(trim->inode->disk.size, blocks * FS_BLOCK_SIZE);
}

/* Frees what the entries of a block of pointers lead to, from the last one down. *left: entries not
 * yet cleared. */
static int trim_entries(struct trim *trim, uint32_t table, uint32_t *left)
{
    *left = FS_POINTERS_PER_BLOCK;
    while (*left > 0 && trim->bitmaps <= TRIM_BITMAPS) {
        uint32_t batch[TRIM_BATCH];
        unsigned count = 0;
        struct buf *buf;
        int error = buf_read(table, &buf);
        if (error)
            return error;
        while (*left > 0 && count < TRIM_BATCH) {
            uint32_t *entry = (uint32_t *)buf->data + --*left;
            if (*entry != 0)
                batch[count++] = *entry;
            *entry = 0;
        }
        log_add(buf);
        buf_release(buf);
        for (unsigned i = 0; i < count; i++)
            trim_free(trim, batch[i]);
    }
    return 0;
}

/* Frees the content from block `first` of the file on, which *pointer leads to through one block of
 * pointers; *pointer becomes 0 when nothing is left of it. */
static int trim_table(struct trim *trim, uint32_t *pointer, uint64_t first)
{
    uint32_t left = 0;
    int error = block_is_data(*pointer) ? trim_entries(trim, *pointer, &left) : 0;
    trim_size(trim, first + left);
    if (!error && left == 0) {
        trim_free(trim, *pointer);
        *pointer = 0;
    }
    return error;
}

/* The last entry of a block of pointers that is in use: *entry and *value, which is 0 if there is
 * none. In the log the block stays in memory: what frees the entry's block must be able to clear
 * the entry. */
static int table_last(uint32_t table, uint32_t *entry, uint32_t *value)
{
    struct buf *buf;
    int error = buf_read(table, &buf);
    if (error)
        return error;
    *value = 0;
    for (*entry = FS_POINTERS_PER_BLOCK; *entry > 0 && *value == 0;)
        *value = ((uint32_t *)buf->data)[--*entry];
    log_add(buf);
    buf_release(buf);
    return 0;
}

/* Frees the last part of what the double indirect block leads to, and in the end that block. */
static int trim_double(struct trim *trim)
{
    uint32_t table = trim->inode->disk.double_indirect, entry, value = 0;
    struct buf *buf;
    int error = block_is_data(table) ? table_last(table, &entry, &value) : 0;
    if (error)
        return error;
    if (value == 0) {
        trim_free(trim, table);
        trim->inode->disk.double_indirect = 0;
        return 0;
    }
    error = trim_table(trim, &value, FS_DIRECT + (1 + (uint64_t)entry) * FS_POINTERS_PER_BLOCK);
    if (error || value != 0)
        return error;
    error = buf_read(table, &buf);
    if (error)
        return error;
    ((uint32_t *)buf->data)[entry] = 0;
    log_add(buf);
    buf_release(buf);
    return 0;
}

/* What fits into one log operation, inside it and with the inode locked. *done: all is freed. */
static int trim_step(struct inode *inode, bool *done)
{
    struct trim trim = {.inode = inode};
    struct fs_disk_inode *disk = &inode->disk;
    *done = false;
    if (disk->double_indirect != 0)
        return trim_double(&trim);
    if (disk->indirect != 0)
        return trim_table(&trim, &disk->indirect, FS_DIRECT);
    for (uint32_t i = FS_DIRECT; i > 0; i--)
        if (disk->direct[i - 1] != 0) {
            trim_free(&trim, disk->direct[i - 1]);
            disk->direct[i - 1] = 0;
        }
    disk->size = 0;
    *done = true;
    return 0;
}

int inode_truncate(struct inode *inode)
{
    bool done = false;
    int error = 0;
    inode_lock(inode);
    done = inode->disk.size == 0 && inode->disk.blocks == 0;
    inode_unlock(inode);
    while (!done && !error) {
        error = log_begin();
        if (error)
            break;
        inode_lock(inode);
        /* First, or blocks could be freed that the inode on the disk still points to. */
        error = inode_store(inode);
        if (!error)
            error = trim_step(inode, &done);
        int stored = inode_store(inode);
        inode_unlock(inode);
        int ended = log_end();
        error = error ? error : stored ? stored : ended;
    }
    return error;
}
