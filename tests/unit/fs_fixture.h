/* What the file-system tests share: a mounted disk in memory, and short forms of what they do with
 * files. */
#ifndef FS_FIXTURE_H
#define FS_FIXTURE_H

#include "host.h"

#include "fs_check.h"
#include "fs_disk.h"

#include "abi/file.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/fs_format.h"
#include "fs/inode.h"

extern struct fs_check fs_before; /* the file system as it was mounted */

/* Makes an image with an empty /dev, loads and mounts it. */
void fs_mount_new(unsigned megabytes);

/* Setup: the same, 8 MiB. Teardown: every file is closed again, the image is in order, nothing was
 * reported. */
int fs_setup(void **unused);
int fs_teardown(void **unused);

/* Fails the test if the image on the disk is not in order. */
void fs_check_now(struct fs_check *check);

struct file *open_ok(const char *path, int flags);
int open_error(const char *path, int flags); /* 0 if it can be opened (and closed again) */
ssize_t file_write(struct file *file, const void *data, size_t n);
ssize_t file_read(struct file *file, void *data, size_t n);
void file_make(const char *path, const void *data, size_t n);
struct stat file_stat(const char *path);

#endif
