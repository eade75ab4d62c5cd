/* <sys/types.h> */
#ifndef USER_SYS_TYPES_H
#define USER_SYS_TYPES_H

#include "abi/types.h"

typedef uint32_t mode_t;
typedef uint32_t dev_t;
typedef uint64_t ino_t;
typedef uint32_t nlink_t;
typedef int64_t off_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef int64_t time_t;
typedef int64_t suseconds_t;
typedef uint32_t useconds_t;
typedef int clockid_t;

#endif
