/* <fcntl.h>: opening files and their flags. */
#ifndef USER_FCNTL_H
#define USER_FCNTL_H

#include "abi/file.h"
#include <sys/types.h>

int open(const char *path, int flags, ...);
int creat(const char *path, mode_t mode);
int fcntl(int fd, int command, ...);

#endif
