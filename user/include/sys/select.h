/* <sys/select.h>: select(), in terms of poll(). */
#ifndef USER_SYS_SELECT_H
#define USER_SYS_SELECT_H

#include "abi/file.h"
#include <sys/time.h>

#define FD_SETSIZE 64

typedef struct {
    uint64_t bits;
} fd_set;

#define FD_ZERO(set)      ((void)((set)->bits = 0))
#define FD_SET(fd, set)   ((void)((set)->bits |= 1ull << (fd)))
#define FD_CLR(fd, set)   ((void)((set)->bits &= ~(1ull << (fd))))
#define FD_ISSET(fd, set) ((int)((set)->bits >> (fd)&1))

int select(int count, fd_set *restrict readable, fd_set *restrict writable, fd_set *restrict failed,
           struct timeval *restrict timeout);

#endif
