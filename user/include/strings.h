/* <strings.h>: what BSD programs take from it. */
#ifndef USER_STRINGS_H
#define USER_STRINGS_H

#include <stddef.h>
#include <string.h>

int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t most);

static inline void bzero(void *to, size_t n) { memset(to, 0, n); }

#endif
