/* <stdio.h>: streams. Standard output is written a line at a time, standard error a call at a
 * time, so a line of either is one write(). There is no floating point. */
#ifndef USER_STDIO_H
#define USER_STDIO_H

#include "lib/format.h"
#include <stddef.h>

#define EOF    (-1)
#define BUFSIZ 1024

typedef struct stream FILE;
extern FILE *const stdin, *const stdout, *const stderr;

int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *stream, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int dprintf(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int sprintf(char *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int vprintf(const char *fmt, va_list args);
int vfprintf(FILE *stream, const char *fmt, va_list args);
int puts(const char *line);
int putchar(int c);
int fputs(const char *text, FILE *stream);
int fputc(int c, FILE *stream);
int putc(int c, FILE *stream);
size_t fwrite(const void *restrict from, size_t size, size_t count, FILE *restrict stream);
int fflush(FILE *stream); /* NULL: all that are open */
void perror(const char *what);

/* "r", "w" or "a", also with +. */
FILE *fopen(const char *restrict path, const char *restrict mode);
FILE *fdopen(int fd, const char *mode);
int fclose(FILE *stream);
int fileno(FILE *stream);
int fgetc(FILE *stream);
int getc(FILE *stream);
int getchar(void);
int ungetc(int c, FILE *stream); /* one character */
char *fgets(char *restrict to, int size, FILE *restrict stream);
size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict stream);
int feof(FILE *stream);
int ferror(FILE *stream);
void clearerr(FILE *stream);

#endif
