/* The types that the other headers here use: what the compiler brings and what POSIX adds. Nothing
 * else, since user programs get all of it through the POSIX-named headers. */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef long ssize_t;
typedef int pid_t;

/* Integers that hold a value in network byte order. The compiler does not tell them from plain
 * integers; the reader does. */
typedef uint16_t be16_t;
typedef uint32_t be32_t;

#endif
