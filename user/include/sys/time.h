/* <sys/time.h> */
#ifndef USER_SYS_TIME_H
#define USER_SYS_TIME_H

#include "abi/socket.h" /* struct timeval, which SO_RCVTIMEO takes */
#include <sys/types.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone); /* counts from boot */

#endif
