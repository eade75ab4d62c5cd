/* <stdlib.h>: memory, numbers, the end of the program. */
#ifndef USER_STDLIB_H
#define USER_STDLIB_H

#include <stddef.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX     0x7fffffff

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);

void exit(int status) __attribute__((noreturn)); /* writes out what standard output holds */
void abort(void) __attribute__((noreturn));

int atoi(const char *text);
long atol(const char *text);
long strtol(const char *restrict text, char **restrict end, int base);
unsigned long strtoul(const char *restrict text, char **restrict end, int base);
long long strtoll(const char *restrict text, char **restrict end, int base);
unsigned long long strtoull(const char *restrict text, char **restrict end, int base);
/* BSD's: the whole of a text as a decimal number from least to most. If it is none, then 0, errno EINVAL or
 * ERANGE, and *wrong, which is NULL if it is one, says "invalid", "too small" or "too large". `wrong` may be
 * NULL. */
long long strtonum(const char *text, long long least, long long most, const char **wrong);
int abs(int n);

void qsort(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b));
int rand(void);
void srand(unsigned seed);
char *getenv(const char *name); /* the environment is empty: NULL */

#endif
