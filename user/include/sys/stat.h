/* <sys/stat.h>: what is known about a file. */
#ifndef USER_SYS_STAT_H
#define USER_SYS_STAT_H

#include "abi/file.h"
#include <sys/types.h>

int fstat(int fd, struct stat *info);
int stat(const char *restrict path, struct stat *restrict info);
int mkdir(const char *path, mode_t mode);
int mknod(const char *path, mode_t mode, dev_t device);

#endif
