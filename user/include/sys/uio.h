/* <sys/uio.h>: a buffer in pieces. */
#ifndef USER_SYS_UIO_H
#define USER_SYS_UIO_H

#include "abi/socket.h" /* struct iovec */
#include <sys/types.h>

#endif
