/* Directories: files of fixed-size entries, searched from the front. */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/buf.h"
#include "lib/string.h"

_Static_assert(sizeof(struct dirent) == sizeof(struct fs_disk_entry),
               "entries are given out as is");
_Static_assert(sizeof(((struct fs_disk_entry *)0)->name) == NAME_MAX + 1, "length of names");

typedef bool (*entry_test)(const struct fs_disk_entry *entry, const char *name);

/* Names on a damaged disk may lack the closing 0, so the comparisons are bounded. */
static bool entry_is_named(const struct fs_disk_entry *entry, const char *name)
{
    return entry->inode != 0 && strncmp(entry->name, name, sizeof(entry->name)) == 0;
}

static bool entry_is_free(const struct fs_disk_entry *entry, const char *name)
{
    (void)name;
    return entry->inode == 0;
}

static bool entry_is_content(const struct fs_disk_entry *entry, const char *name)
{
    (void)name;
    return entry->inode != 0 && !entry_is_named(entry, ".") && !entry_is_named(entry, "..");
}

/* The first entry that passes the test: 0, -ENOENT, -EIO. `number` and `offset` may be NULL. */
static int dir_scan(struct inode *directory, entry_test test, const char *name, uint32_t *number,
                    uint64_t *offset)
{
    uint64_t size = directory->disk.size;
    for (uint64_t at = 0; at < size; at += FS_BLOCK_SIZE) {
        uint32_t block, count = (uint32_t)(MIN(size - at, FS_BLOCK_SIZE) / sizeof(struct dirent));
        struct buf *buf;
        int error = inode_map(directory, at / FS_BLOCK_SIZE, &block);
        if (!error && block == 0)
            error = fs_damaged("directory %u has a hole", directory->number);
        if (!error)
            error = buf_read(block, &buf);
        if (error)
            return error;
        const struct fs_disk_entry *entries = (const struct fs_disk_entry *)buf->data;
        uint32_t i = 0;
        while (i < count && !test(&entries[i], name))
            i++;
        if (i < count && number)
            *number = entries[i].inode;
        if (i < count && offset)
            *offset = at + i * sizeof(*entries);
        buf_release(buf);
        if (i < count)
            return 0;
    }
    return -ENOENT;
}

int dir_find(struct inode *directory, const char *name, uint32_t *number, uint64_t *offset)
{
    return dir_scan(directory, entry_is_named, name, number, offset);
}

int dir_is_empty(struct inode *directory)
{
    int error = dir_scan(directory, entry_is_content, NULL, NULL, NULL);
    return error == -ENOENT ? 0 : error ? error : -ENOTEMPTY;
}

/* An entry lies within one block, so it is written as a whole or not at all. */
static int entry_write(struct inode *directory, struct fs_disk_entry *entry, uint64_t offset)
{
    struct uio uio = {.base = (uintptr_t)entry, .remaining = sizeof(*entry)};
    ssize_t moved = inode_write(directory, &uio, offset);
    return moved < 0 ? (int)moved : 0;
}

int dir_add(struct inode *directory, const char *name, uint32_t number)
{
    struct fs_disk_entry entry = {.inode = number};
    uint64_t offset;
    int error = dir_scan(directory, entry_is_free, NULL, NULL, &offset);
    /* No slot to use again: at the end, behind the last whole entry. */
    if (error == -ENOENT)
        offset = ALIGN_DOWN(directory->disk.size, sizeof(entry));
    else if (error)
        return error;
    strlcpy(entry.name, name, sizeof(entry.name));
    return entry_write(directory, &entry, offset);
}

int dir_remove(struct inode *directory, uint64_t offset)
{
    struct fs_disk_entry entry = {.inode = 0};
    return entry_write(directory, &entry, offset);
}

ssize_t dir_read(struct inode *directory, struct uio *uio, uint64_t *offset)
{
    struct fs_disk_entry entry;
    ssize_t total = 0;
    if (uio->remaining < sizeof(entry))
        return -EINVAL;
    *offset = ALIGN_UP(*offset, sizeof(entry));
    while (uio->remaining >= sizeof(entry)) {
        /* Through memory of our own: a name without its end must not get out. */
        struct uio one = {.base = (uintptr_t)&entry, .remaining = sizeof(entry)};
        ssize_t moved = inode_read(directory, &one, *offset);
        if (moved < 0)
            return total > 0 ? total : moved;
        if (moved < (ssize_t)sizeof(entry))
            break;
        entry.name[NAME_MAX] = 0;
        if (entry.inode != 0) {
            int error = uio_put(uio, &entry, sizeof(entry));
            if (error)
                return total > 0 ? total : error;
            total += (ssize_t)sizeof(entry);
        }
        *offset += sizeof(entry);
    }
    return total;
}
