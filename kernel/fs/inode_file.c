/* Files and directories as open files: open(), and the operations behind their descriptors. */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/log.h"
#include "fs/names.h"

#define OPEN_FLAGS_KEPT (O_ACCMODE | O_APPEND | O_NONBLOCK)

/* The offset is guarded by the inode's lock, so that processes which share the file share it
 * too. */
static ssize_t inode_file_read(struct file *file, struct uio *uio)
{
    struct inode *inode = file->object;
    ssize_t moved;
    inode_lock(inode);
    if (inode_is(inode, FS_MODE_DIRECTORY)) {
        moved = dir_read(inode, uio, &file->offset);
    } else {
        moved = inode_read(inode, uio, file->offset);
        if (moved > 0)
            file->offset += (uint64_t)moved;
    }
    inode_unlock(inode);
    return moved;
}

/* One piece of a write, small enough for one log operation. */
static ssize_t inode_file_write_piece(struct file *file, struct uio *uio)
{
    struct inode *inode = file->object;
    int error = log_begin();
    if (error)
        return error;
    inode_lock(inode);
    uint64_t offset = file->flags & O_APPEND ? inode->disk.size : file->offset;
    ssize_t moved = inode_write(inode, uio, offset);
    if (moved > 0)
        file->offset = offset + (uint64_t)moved;
    inode_unlock(inode);
    error = log_end();
    return error ? error : moved;
}

static ssize_t inode_file_write(struct file *file, struct uio *uio)
{
    ssize_t total = 0, wanted, moved;
    do {
        wanted = (ssize_t)MIN(uio->remaining, INODE_WRITE_MAX);
        moved = wanted > 0 ? inode_file_write_piece(file, uio) : 0;
        if (moved < 0)
            return total > 0 ? total : moved;
        total += moved;
        /* A piece that came out short met an error: the caller sees it with the next write. */
    } while (moved == wanted && uio->remaining > 0);
    return total;
}

static int inode_file_stat(struct file *file, struct stat *stat)
{
    struct inode *inode = file->object;
    inode_lock(inode);
    *stat = (struct stat){.st_mode = inode->disk.mode,
                          .st_ino = inode->number,
                          .st_nlink = inode->disk.links,
                          .st_rdev = inode->disk.device,
                          .st_size = (int64_t)inode->disk.size,
                          .st_blksize = FS_BLOCK_SIZE,
                          .st_blocks = inode->disk.blocks * (FS_BLOCK_SIZE / 512)};
    inode_unlock(inode);
    return 0;
}

/* lseek(). Positions behind the end are allowed: what is written there leaves a hole. */
static int64_t inode_file_seek(struct file *file, int64_t offset, int whence)
{
    struct inode *inode = file->object;
    int64_t base = 0, position;
    inode_lock(inode);
    if (whence == SEEK_CUR)
        base = (int64_t)file->offset;
    else if (whence == SEEK_END)
        base = (int64_t)inode->disk.size;
    else if (whence != SEEK_SET)
        base = -1;
    if (base < 0)
        position = -EINVAL;
    else if (__builtin_add_overflow(base, offset, &position))
        position = -EOVERFLOW;
    else if (position < 0)
        position = -EINVAL;
    else
        file->offset = (uint64_t)position;
    inode_unlock(inode);
    return position;
}

/* Commits are shared by all files, so one is synchronised when all are. */
static int inode_file_sync(struct file *file)
{
    (void)file;
    return log_sync();
}

static void inode_file_close(struct file *file) { inode_release(file->object); }

const struct file_ops inode_file_ops = {
    .read = inode_file_read,
    .write = inode_file_write,
    .stat = inode_file_stat,
    .seek = inode_file_seek,
    .sync = inode_file_sync,
    .close = inode_file_close,
};

/* --- open() --- */

/* Whether the flags suit what the path led to. */
static int open_check(const struct inode *inode, int flags)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (inode_is(inode, FS_MODE_DIRECTORY))
        return writes || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
    if (flags & O_DIRECTORY)
        return -ENOTDIR;
    if (inode_is(inode, FS_MODE_FILE) && writes && fs_volume.read_only)
        return -EROFS;
    return 0;
}

/* The driver's operations take the place of ours, and the minor number that of the inode. */
static int open_device(struct inode *inode, struct file *file)
{
    uint32_t device = inode->disk.device;
    const struct file_ops *ops = device_ops(device >> 8);
    if (!ops)
        return -ENXIO;
    file->ops = ops;
    file->object = (void *)(uintptr_t)(device & 0xff);
    inode_release(inode);
    return 0;
}

/* Opens what was found. It is the object of the file from the beginning, which releases it. */
static int open_inode(struct inode *inode, int flags, struct file *file)
{
    file->object = inode;
    int error = open_check(inode, flags);
    if (error)
        return error;
    if (inode_is(inode, FS_MODE_DEVICE))
        return open_device(inode, file);
    /* Last, so that an open that fails changes nothing. */
    if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY)
        error = inode_truncate(inode);
    return error;
}

/* Finds the file or makes it. Between a look that finds nothing and the creation another process
 * may create it; then it is looked up again. */
static int open_find(struct inode *start, const char *path, int flags, uint32_t mode,
                     struct inode **inode)
{
    for (;;) {
        int error = flags & O_EXCL ? -ENOENT : path_lookup(start, path, inode);
        if (error != -ENOENT || !(flags & O_CREAT))
            return error;
        error = fs_create(start, path, S_IFREG | (mode & 0777), 0, inode);
        if (error != -EEXIST || (flags & O_EXCL))
            return error;
    }
}

int fs_open(struct inode *start, const char *path, int flags, uint32_t mode, struct file **file)
{
    struct inode *inode;
    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return -EINVAL;
    /* O_EXCL means nothing without O_CREAT (POSIX open()). */
    if (!(flags & O_CREAT))
        flags &= ~O_EXCL;
    /* First, so that for want of one no file is made. Without an object it can be released. */
    struct file *opened = file_create(&inode_file_ops, NULL, (uint32_t)flags & OPEN_FLAGS_KEPT);
    if (!opened)
        return -ENFILE;
    int error = open_find(start, path, flags, mode, &inode);
    if (!error)
        error = open_inode(inode, flags, opened);
    if (error)
        file_release(opened);
    else
        *file = opened;
    return error;
}
