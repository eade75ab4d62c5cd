/* <string.h>: the functions of kernel/lib/string.c and those that only programs use. */
#ifndef USER_STRING_H
#define USER_STRING_H

#include "lib/string.h"

char *strcpy(char *restrict to, const char *restrict from);
char *strncpy(char *restrict to, const char *restrict from, size_t n);
char *strcat(char *restrict to, const char *restrict from);
char *strstr(const char *text, const char *part);
size_t strspn(const char *s, const char *accepted);
size_t strcspn(const char *s, const char *rejected);
char *strtok(char *restrict s, const char *restrict separators);
char *strtok_r(char *restrict s, const char *restrict separators, char **restrict rest);
char *strdup(const char *s);
char *strerror(int error);

#endif
