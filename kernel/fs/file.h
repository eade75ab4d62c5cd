/* Open files and descriptor tables. A file is anything a descriptor names: an inode, a device, a pipe end,
 * a socket. What it can do stands in its file_ops, so this layer knows none of them. */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "abi/file.h"
#include "lib/types.h"
#include "mm/uio.h"
#include "proc/waitq.h"

struct file;
struct inode;

/* Any operation may be NULL: the result is then -EINVAL (read, write), -ENOTTY (ioctl), always ready
 * (poll). All are called in thread context, no spinlock held, and may sleep. */
struct file_ops {
    /* Bytes moved (0 at the end of file), or a negated errno. A short count is not an error. With
     * O_NONBLOCK in file->flags they return -EAGAIN instead of sleeping. */
    ssize_t (*read)(struct file *file, struct uio *uio);
    ssize_t (*write)(struct file *file, struct uio *uio);
    /* The POLL* bits that hold now. If waiter is not NULL, it is first added (waiter_add) to the queue
     * that is woken when one of them may change; the caller removes it. */
    int (*poll)(struct file *file, struct waiter *waiter);
    /* `argument` is a kernel copy of the caller's structure, of the size that sys/ knows for `request`;
     * it is copied back on success. */
    int (*ioctl)(struct file *file, unsigned long request, void *argument);
    int (*stat)(struct file *file, struct stat *stat);
    int64_t (*seek)(struct file *file, int64_t offset, int whence); /* NULL: -ESPIPE */
    int (*sync)(struct file *file);                                 /* fsync; NULL: -EINVAL */
    /* The last reference is gone. Frees file->object. */
    void (*close)(struct file *file);
};

struct file {
    const struct file_ops *ops; /* [I] */
    void *object;               /* [I] inode, pipe, socket...; owned by the file */
    uint32_t references;        /* atomic */
    uint32_t flags;             /* O_*; changed only by fcntl, read without a lock */
    uint64_t offset;            /* inodes: [the inode's lock] */
};

void file_init(void);
unsigned file_open_count(void); /* for sysinfo */

/* A new file with one reference, which owns `object` from here on; NULL if the file table is full (then
 * the caller still owns `object`). */
struct file *file_create(const struct file_ops *ops, void *object, uint32_t flags);
struct file *file_hold(struct file *file); /* one more reference; returns file */
void file_release(struct file *file);      /* drops one; the last one closes */

/* A process's descriptors and current directory. Used only by its own process, so it needs no lock. */
struct fdtable {
    struct file *files[OPEN_MAX];
    struct inode *directory;
};

struct fdtable *fdtable_create(void); /* empty, directory = root; NULL: no memory */
struct fdtable *fdtable_clone(const struct fdtable *table); /* for fork; NULL: no memory */
void fdtable_destroy(struct fdtable *table);                /* closes everything; may sleep */

/* The lowest free descriptor >= from, which stays free; -EMFILE. */
int fd_find_free(const struct fdtable *table, int from);
/* Puts the file into the lowest free descriptor >= from. Returns it, or -EMFILE (the reference stays the
 * caller's). */
int fd_install(struct fdtable *table, struct file *file, int from);
/* The file behind a descriptor, borrowed from the table; NULL if there is none. */
struct file *fd_lookup(const struct fdtable *table, int fd);
/* Takes the file out of the table and hands its reference to the caller; NULL if there is none. */
struct file *fd_remove(struct fdtable *table, int fd);

/* Device nodes. A driver registers the operations that opening a node of its major number gives; such a
 * file's object is the minor number, as (void *)(uintptr_t)minor. 0 or -EINVAL. */
int device_register(unsigned major, const struct file_ops *ops);
const struct file_ops *device_ops(unsigned major); /* NULL: no such device */

#endif
