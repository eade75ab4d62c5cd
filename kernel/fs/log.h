/* The log: makes all changes of an operation reach the disk, or none of them, whenever the power
 * fails.
 *
 * An operation (create a file, write some blocks, ...) stands between log_begin() and log_end(),
 * and gives every block it has changed to log_add(). Operations that overlap share one transaction;
 * when the last one ends, the transaction is committed. log_begin() comes before any inode or
 * buffer lock, since it may wait for others to end, and they may need that lock.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include "lib/types.h"

struct buf;
struct fs_layout;

/* The most blocks that one operation may change. */
#define LOG_OPERATION_BLOCKS 32

/* Replays a finished transaction that a crash left in the log, then opens the log. The buffer cache
 * is set up but still empty. 0, -EIO, -ENOMEM; -EROFS: read-only disk with something to replay;
 * -EINVAL: the log names blocks that do not exist. */
int log_mount(const struct fs_layout *layout, bool read_only);

/* Enters an operation; waits while the log is full or being committed. 0; -EROFS: read-only disk;
 * -EIO: an earlier commit failed, so that nothing more is written. On an error there is nothing to
 * end. */
int log_begin(void);

/* Leaves it. The last of the overlapping operations commits for all: 0, or -EIO if that failed. The
 * others do not wait for it; log_sync() does. */
int log_end(void);

/* The buffer, whose lock the caller holds, belongs to the operation: it stays in memory until its
 * content is on disk. Changes between here and the release of the buffer are included. */
void log_add(struct buf *buf);

/* Returns when everything that was changed before the call is on disk. 0 or -EIO. No operation
 * open. */
int log_sync(void);

#endif
