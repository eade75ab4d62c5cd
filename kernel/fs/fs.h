/* The file system as the rest of the kernel sees it: mounting, paths, and what can be done with
 * names.
 *
 * All functions run in thread context with no spinlock held and may sleep; they return 0 or a
 * negated errno. `start` is the directory where a relative path begins; NULL means the root. Paths
 * are in kernel memory, closed by a 0. Modes: the type and permission bits of abi/file.h;
 * permissions are kept but not enforced, since there are no users. After an error of the disk while
 * a change was being written, every further change gives -EIO; on a read-only disk changes give
 * -EROFS; reading goes on in both cases.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include "lib/types.h"

struct file;
struct inode;
struct stat;

/* Mounts disk 0 as the root, after finishing or dropping what a crash left behind. Called once,
 * from a thread. -ENODEV: no disk. -EINVAL: not a file system of ours, or a damaged one (the log
 * says what). -EROFS: the disk is read-only and its log still has to be replayed. -EIO: the disk
 * failed, or the root directory is damaged. -ENOMEM. */
int fs_mount_root(void);

/* The root directory, borrowed; NULL until it is mounted. */
struct inode *fs_root(void);

/* Returns when everything that was changed before the call is on disk. -EIO. */
int fs_sync(void);

/* What `path` names, with one reference for the caller (inode_release). -ENOENT, -ENOTDIR,
 * -ENAMETOOLONG (a component is too long), -ENFILE (inode table full), -EIO. */
int path_lookup(struct inode *start, const char *path, struct inode **inode);

/* One more reference; returns inode. NULL is allowed. */
struct inode *inode_hold(struct inode *inode);

/* Drops a reference (NULL is allowed). The last one frees a file that has no name any more, which
 * writes to disk: never called inside a log operation. */
void inode_release(struct inode *inode);

/* Type and permissions, as in S_ISDIR(inode_mode(inode)); bytes. */
uint32_t inode_mode(const struct inode *inode);

/* Reads up to n bytes at `offset` into kernel memory, for exec. The bytes read: fewer than n only
 * at the end of the file. -EISDIR, -EINVAL (a device), -EIO. */
ssize_t inode_read_kernel(struct inode *inode, void *to, uint64_t offset, size_t n);

/* open(): O_* flags of abi/file.h; `mode` gives the permission bits of a file that O_CREAT makes.
 * *file gets a new file with one reference. Device nodes give their driver's operations (-ENXIO: no
 * driver). -EEXIST, -EISDIR, -ENOTDIR, -ENOSPC, -EROFS, -ENFILE, -EINVAL, and all of
 * path_lookup's. */
int fs_open(struct inode *start, const char *path, int flags, uint32_t mode, struct file **file);

/* mkdir(), and mknod() for S_IFREG and S_IFCHR with a DEVICE_NUMBER. */
int fs_mkdir(struct inode *start, const char *path, uint32_t mode);
int fs_mknod(struct inode *start, const char *path, uint32_t mode, uint32_t device);

/* link(): -EPERM for directories, -EMLINK. */
int fs_link(struct inode *start, const char *existing, const char *path);

/* unlink(); removes empty directories too, since there is no rmdir call. -ENOTEMPTY, -EBUSY (the
 * root), -EINVAL (`.` or `..`). A file that is open lives on until its last close. */
int fs_unlink(struct inode *start, const char *path);

#endif
