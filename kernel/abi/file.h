/* Files: open flags, seek, stat, directory entries, poll, terminal requests. */
#ifndef ABI_FILE_H
#define ABI_FILE_H

#include "abi/types.h"

#define O_RDONLY    0
#define O_WRONLY    1
#define O_RDWR      2
#define O_ACCMODE   3
#define O_CREAT     0100
#define O_EXCL      0200
#define O_TRUNC     01000
#define O_APPEND    02000
#define O_NONBLOCK  04000
#define O_DIRECTORY 0200000

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

#define S_IFMT         0170000
#define S_IFSOCK       0140000
#define S_IFREG        0100000
#define S_IFDIR        0040000
#define S_IFCHR        0020000
#define S_IFIFO        0010000
#define S_ISREG(mode)  (((mode)&S_IFMT) == S_IFREG)
#define S_ISDIR(mode)  (((mode)&S_IFMT) == S_IFDIR)
#define S_ISCHR(mode)  (((mode)&S_IFMT) == S_IFCHR)
#define S_ISFIFO(mode) (((mode)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(mode) (((mode)&S_IFMT) == S_IFSOCK)

struct stat {
    uint32_t st_dev;
    uint32_t st_mode;
    uint64_t st_ino;
    uint32_t st_nlink;
    uint32_t st_rdev;
    int64_t st_size;
    uint32_t st_blksize;
    uint32_t st_blocks; /* of 512 bytes */
};

#define NAME_MAX 59
#define PATH_MAX 256
#define OPEN_MAX 32 /* descriptors a process */
#define IOV_MAX  16 /* pieces of one buffer, struct iovec */

/* read() on a directory gives whole records of this form; d_ino 0 is not given out. */
struct dirent {
    uint32_t d_ino;
    char d_name[NAME_MAX + 1];
};

/* Device numbers: major << 8 | minor, as mknod takes them. */
#define DEVICE_NUMBER(major, minor) ((uint32_t)(major) << 8 | (minor))
#define DEVICE_MAJOR_CONSOLE        5 /* minor 1: /dev/console */
#define DEVICE_MAJOR_MEMORY         1 /* minor 3: /dev/null, 5: /dev/zero */
#define DEVICE_MAJOR_PCI            8 /* minor 0: /dev/pci; see abi/pci.h */

struct pollfd {
    int fd;
    int16_t events;
    int16_t revents;
};
typedef unsigned long nfds_t;
#define POLLIN   0x001
#define POLLOUT  0x004
#define POLLERR  0x008
#define POLLHUP  0x010
#define POLLNVAL 0x020

/* Console: the process group that ^C kills (tcgetpgrp, tcsetpgrp). Argument: pid_t *. */
#define TIOCGPGRP 0x540f
#define TIOCSPGRP 0x5410
#define FIONREAD  0x541b /* int *: bytes (sockets: size of the next datagram) that can be read now */

#endif
