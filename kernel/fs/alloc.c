/* The two bitmaps: which blocks and which inode numbers are in use. A bitmap block's buffer lock
 * guards its bits, so two threads never take the same one. */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/buf.h"
#include "fs/log.h"
#include "lib/assert.h"

/* A bitmap with the items it stands for, made when it is used: all of it follows from the
 * layout. */
struct bitmap {
    const char *name;
    uint32_t start; /* its first block */
    uint32_t first; /* items below are never given out */
    uint32_t limit; /* items are numbered below this */
    uint32_t *hint; /* where to look first; relaxed atomic, and only a hint */
};

static struct bitmap block_bitmap(void)
{
    const struct fs_layout *layout = &fs_volume.layout;
    return (struct bitmap){.name = "block",
                           .start = layout->block_map_start,
                           .first = layout->data_start,
                           .limit = layout->blocks,
                           .hint = &fs_volume.block_hint};
}

static struct bitmap inode_bitmap(void)
{
    const struct fs_layout *layout = &fs_volume.layout;
    return (struct bitmap){.name = "inode",
                           .start = layout->inode_map_start,
                           .first = FS_ROOT_INODE,
                           .limit = layout->inodes,
                           .hint = &fs_volume.inode_hint};
}

/* Finds a zero bit in [from, end), which lie in one bitmap block; returns `end` if there is
 * none. */
static uint32_t bits_find_free(const uint8_t *bits, uint32_t from, uint32_t end)
{
    for (uint32_t i = from; i < end; i++) {
        uint32_t bit = i % FS_BITS_PER_BLOCK;
        if (bit % 8 == 0 && end - i >= 8 && bits[bit / 8] == 0xff)
            i += 7;
        else if (!(bits[bit / 8] & (1u << bit % 8)))
            return i;
    }
    return end;
}

/* Takes the first free item of [from, to). 0, -ENOSPC, -EIO. */
static int bitmap_take(const struct bitmap *map, uint32_t from, uint32_t to, uint32_t *item)
{
    while (from < to) {
        struct buf *buf;
        uint32_t in_block = FS_BITS_PER_BLOCK - from % FS_BITS_PER_BLOCK;
        uint32_t end = to - from < in_block ? to : from + in_block;
        int error = buf_read(map->start + from / FS_BITS_PER_BLOCK, &buf);
        if (error)
            return error;
        uint32_t found = bits_find_free(buf->data, from, end);
        if (found < end) {
            uint32_t bit = found % FS_BITS_PER_BLOCK;
            buf->data[bit / 8] |= (uint8_t)(1u << bit % 8);
            log_add(buf);
            buf_release(buf);
            *item = found;
            return 0;
        }
        buf_release(buf);
        from = end;
    }
    return -ENOSPC;
}

/* Goes on from where the last item was found, then once more from the beginning. */
static int bitmap_alloc(const struct bitmap *map, uint32_t *item)
{
    uint32_t hint = __atomic_load_n(map->hint, __ATOMIC_RELAXED);
    if (hint < map->first || hint >= map->limit)
        hint = map->first;
    int error = bitmap_take(map, hint, map->limit, item);
    if (error == -ENOSPC)
        error = bitmap_take(map, map->first, hint, item);
    if (!error)
        __atomic_store_n(map->hint, *item + 1, __ATOMIC_RELAXED);
    return error;
}

/* Clears the item's bit. What is wrong is reported; the caller has nothing to undo. */
static void bitmap_free(const struct bitmap *map, uint32_t item)
{
    struct buf *buf;
    /* Numbers from the disk were checked when they were read. */
    assert(item >= map->first && item < map->limit);
    uint32_t bit = item % FS_BITS_PER_BLOCK;
    uint8_t mask = (uint8_t)(1u << bit % 8);
    if (buf_read(map->start + item / FS_BITS_PER_BLOCK, &buf)) {
        fs_damaged("%s %u is lost, its bitmap block cannot be read", map->name, item);
        return;
    }
    bool used = buf->data[bit / 8] & mask;
    buf->data[bit / 8] &= (uint8_t)~mask;
    log_add(buf);
    buf_release(buf);
    if (!used)
        fs_damaged("%s %u was in use but free in the bitmap", map->name, item);
    /* Low numbers first: the disk stays dense, and a test's numbers repeat. */
    if (item < __atomic_load_n(map->hint, __ATOMIC_RELAXED))
        __atomic_store_n(map->hint, item, __ATOMIC_RELAXED);
}

int block_alloc(uint32_t *block)
{
    struct bitmap map = block_bitmap();
    int error = bitmap_alloc(&map, block);
    if (error)
        return error;
    /* Zeroed through the log: a crash never shows the content of a file that had the block
     * before. */
    struct buf *buf = buf_zero(*block);
    log_add(buf);
    buf_release(buf);
    return 0;
}

void block_free(uint32_t block)
{
    struct bitmap map = block_bitmap();
    bitmap_free(&map, block);
}

int inode_number_alloc(uint32_t *number)
{
    struct bitmap map = inode_bitmap();
    return bitmap_alloc(&map, number);
}

void inode_number_free(uint32_t number)
{
    struct bitmap map = inode_bitmap();
    bitmap_free(&map, number);
}
