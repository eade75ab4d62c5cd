/* <limits.h>: the compiler's limits and the file system's. */
#ifndef USER_LIMITS_H
#define USER_LIMITS_H

#include "abi/file.h" /* NAME_MAX, PATH_MAX, OPEN_MAX, IOV_MAX */

#define CHAR_BIT   __CHAR_BIT__
#define UCHAR_MAX  255
#define SHRT_MAX   __SHRT_MAX__
#define USHRT_MAX  (2 * SHRT_MAX + 1)
#define INT_MAX    __INT_MAX__
#define INT_MIN    (-INT_MAX - 1)
#define UINT_MAX   (2u * INT_MAX + 1)
#define LONG_MAX   __LONG_MAX__
#define LONG_MIN   (-LONG_MAX - 1)
#define ULONG_MAX  (2ul * LONG_MAX + 1)
#define LLONG_MAX  __LONG_LONG_MAX__
#define LLONG_MIN  (-LLONG_MAX - 1)
#define ULLONG_MAX (2ull * LLONG_MAX + 1)

#endif
