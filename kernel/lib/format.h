/* printf-style formatting to any sink; shared by the kernel's log and by user programs.
 * Conversions: d i u x X o c s p %, the flags - 0 + #, a width and precision (also *), h l ll z t.
 * There is no floating point in rvnet. */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include "abi/types.h"

/* Hands each produced character to put(context, c). Returns the number of characters. */
int format(void (*put)(void *context, char c), void *context, const char *fmt, va_list args);

/* As in C99: writes at most size bytes with the closing 0; returns the length the whole text has. */
int vsnprintf(char *to, size_t size, const char *fmt, va_list args);
int snprintf(char *to, size_t size, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

#endif
