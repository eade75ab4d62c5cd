/* The memory and string functions of <string.h> that the system uses. The compiler itself emits calls
 * to the mem* functions. Also linked into user programs. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "abi/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t most);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* Copies at most size - 1 characters and always ends the copy with a 0. Returns strlen(from), so a
 * result >= size means that the copy was cut. */
size_t strlcpy(char *to, const char *from, size_t size);

#endif
