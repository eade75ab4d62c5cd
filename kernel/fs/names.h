/* Creating inodes by name, for the other files of fs/. What everybody may use stands in fs.h. */
#ifndef FS_NAMES_H
#define FS_NAMES_H

#include "lib/types.h"

struct inode;

/* Makes an inode of `mode` (type and permissions) and its name. *inode, unless NULL, gets a
 * reference. -EEXIST, -EISDIR (the path of a file ends with a slash), -EMLINK, -ENOSPC, -EROFS,
 * -EIO, and path_lookup's errors. */
int fs_create(struct inode *start, const char *path, uint32_t mode, uint32_t device,
              struct inode **inode);

#endif
