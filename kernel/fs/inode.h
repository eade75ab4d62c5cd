/* Inodes and directories: what the files of fs/ share among themselves. Others use fs.h.
 *
 * Locks, in the order in which they are taken: log_begin(), fs_volume.names, an inode's lock, a
 * buffer. Without `names` a thread holds at most one inode's lock; with it a directory's and then
 * another's. So no order among inodes is needed, even on a damaged disk where directories contain
 * each other.
 *
 * Every number that comes from the disk is checked before it is used; one that cannot be right is
 * reported by fs_damaged(), and what was asked for fails with -EIO.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include "abi/file.h"
#include "fs/fs_format.h"
#include "lib/list.h"
#include "mm/uio.h"
#include "proc/sleeplock.h"

/* An inode in memory. It exists while somebody holds a reference. */
struct inode {
    struct list_node hash_node; /* [table lock] */
    uint32_t references;        /* [table lock] */
    uint32_t number;            /* [I] */
    struct sleeplock lock;
    bool valid;                /* [lock] disk holds the inode's content */
    struct fs_disk_inode disk; /* [lock]; the type within mode is [I] once valid */
};

/* The mounted file system. */
struct fs_volume {
    struct fs_layout layout; /* [I] */
    bool read_only;          /* [I] */
    struct inode *root;      /* [I] */
    struct sleeplock names;  /* changes of directories and link counts, one at a time */
    uint64_t damage_reports; /* relaxed atomic: calls of fs_damaged() */
    uint32_t block_hint;     /* relaxed atomic, as the next: where to look for something free */
    uint32_t inode_hint;
};

extern struct fs_volume fs_volume;

/* Counts and reports (the first few times) what is wrong on the disk. Returns -EIO. */
int fs_damaged(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline bool block_is_data(uint32_t block)
{
    return block >= fs_volume.layout.data_start && block < fs_volume.layout.blocks;
}

/* --- alloc.c: inside a log operation, no buffer held --- */

/* A block of zeros, or an inode number. 0, -ENOSPC, -EIO. */
int block_alloc(uint32_t *block);
int inode_number_alloc(uint32_t *number);

/* Problems are reported, not returned: the block or number then stays in use. */
void block_free(uint32_t block);
void inode_number_free(uint32_t number);

/* --- inode.c --- */

int inode_table_init(void); /* 0 or -ENOMEM */

/* A reference to inode `number`, without looking at the disk, so that a directory may be locked;
 * inode_load() completes it. NULL: the table is full. */
struct inode *inode_find(uint32_t number);
int inode_load(struct inode *inode);                  /* no other inode locked. 0, -EIO */
int inode_get(uint32_t number, struct inode **inode); /* both. 0, -EIO, -ENFILE */

/* A new inode, without a name (links 0) as yet, inside a log operation. -ENOSPC, -ENFILE, -EIO. */
int inode_create(uint32_t mode, uint32_t device, struct inode **inode);

void inode_lock(struct inode *inode);
void inode_unlock(struct inode *inode);
/* Locked, in a log operation: the inode's fields go to disk. 0, -EIO. The log then keeps the inode's
 * block in memory, so later stores in the same operation cannot fail. Who would leave a damaged
 * disk behind if they did stores the inode first of all, while nothing has changed yet. */
int inode_store(struct inode *inode);

static inline bool inode_is(const struct inode *inode, uint32_t type)
{
    return (inode->disk.mode & FS_MODE_TYPE) == type;
}

/* --- inode_data.c --- */

/* The most that one inode_write() moves, so that it fits into one log operation. */
#define INODE_WRITE_MAX (8 * FS_BLOCK_SIZE)

/* Locked. The bytes moved; 0 at the end. What lies in holes reads as zeros. -EFAULT, -EIO. */
ssize_t inode_read(struct inode *inode, struct uio *uio, uint64_t offset);

/* Locked, in a log operation. At most INODE_WRITE_MAX bytes; the bytes moved, possibly fewer than
 * asked. Writes the inode itself too. -EFAULT, -EIO, -ENOSPC, -EFBIG. */
ssize_t inode_write(struct inode *inode, struct uio *uio, uint64_t offset);

/* Frees all content in as many log operations as it takes; not locked, not in an operation.
 * Interrupted by a crash, it leaves a shorter file. 0, -EIO, -EROFS. */
int inode_truncate(struct inode *inode);

/* The block of pointers that holds block `index` of the file; 0 if it is a hole. Locked. 0,
 * -EIO. */
int inode_map(struct inode *inode, uint64_t index, uint32_t *block);

/* --- dir.c: the directory is locked --- */

/* Looks for `name`: its inode number, and where its entry lies. 0, -ENOENT, -EIO. */
int dir_find(struct inode *directory, const char *name, uint32_t *number, uint64_t *offset);
int dir_is_empty(struct inode *directory); /* nothing but . and ..: 0, -ENOTEMPTY, -EIO */

/* In a log operation. dir_add: `name` is not there yet. */
int dir_add(struct inode *directory, const char *name, uint32_t number);
int dir_remove(struct inode *directory, uint64_t offset);

/* read() of a directory: whole records of used entries. The bytes given; *offset moves on behind
 * them. -EINVAL: the buffer is too small for one. */
ssize_t dir_read(struct inode *directory, struct uio *uio, uint64_t *offset);

/* --- path.c: nothing is locked --- */

/* Walks to the directory that holds the last component of `path`, and gives that component, empty
 * if the path is the root itself. *slash: the path ends with one, so that it can only name a
 * directory. *directory gets a reference. Errors as path_lookup. */
int path_parent(struct inode *start, const char *path, struct inode **directory,
                char name[NAME_MAX + 1], bool *slash);

/* --- inode_file.c --- */

extern const struct file_ops inode_file_ops; /* struct file's object is an inode */

#endif
