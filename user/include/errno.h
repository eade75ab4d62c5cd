/* <errno.h>: error numbers, and the last one. */
#ifndef USER_ERRNO_H
#define USER_ERRNO_H

#include "abi/errno.h"

extern int errno; /* a process has one thread, so this is a plain variable */

#endif
