/* Streams. One buffer serves a stream's reading or writing, whichever happens.
 *
 * When the buffer goes out: standard output and files, after each call that has put a newline into
 * it, or when it is full; standard error, after each call. So a line printed by one printf(), and
 * nothing else in between, is one write(), and lines of different processes do not mix on the
 * console. Reading from standard input first writes out what standard output holds: a prompt.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum flush_when { FLUSH_AT_NEWLINE, FLUSH_ALWAYS };

struct stream {
    int fd;
    enum flush_when flush_when;
    bool writing; /* the buffer holds output */
    bool newline; /* and a newline is in it */
    bool end, failed;
    int pushed_back; /* by ungetc(): the character + 1; 0 if none */
    size_t used;     /* writing: bytes to go out; reading: bytes in the buffer */
    size_t next;     /* reading: the next of them */
    FILE *following; /* the list of streams made by fdopen() */
    char buffer[BUFSIZ];
};

static struct stream standard[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2, .flush_when = FLUSH_ALWAYS}};
FILE *const stdin = &standard[0], *const stdout = &standard[1], *const stderr = &standard[2];

static FILE *opened; /* all streams made by fdopen() */

/* Writes everything, however many pieces the kernel makes of it. */
static int write_all(int fd, const char *from, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, from, n);
        if (written <= 0)
            return EOF;
        from += written;
        n -= (size_t)written;
    }
    return 0;
}

/* What cannot be written is dropped, and the stream marked: the next call would fail likewise. */
static int stream_flush(FILE *stream)
{
    if (!stream->writing || stream->used == 0)
        return 0;
    int result = write_all(stream->fd, stream->buffer, stream->used);
    if (result)
        stream->failed = true;
    stream->used = 0;
    stream->newline = false;
    return result;
}

/* NULL: whatever stream holds output. */
int fflush(FILE *stream)
{
    if (stream)
        return stream_flush(stream);

    int result = stream_flush(stdout) | stream_flush(stderr);
    for (FILE *each = opened; each; each = each->following)
        result |= stream_flush(each);
    return result;
}

static void put_character(void *context, char c)
{
    FILE *stream = context;

    if (!stream->writing) { /* input that was read ahead is given up */
        stream->writing = true;
        stream->used = stream->next = 0;
    }
    if (stream->used == sizeof stream->buffer)
        stream_flush(stream);
    stream->buffer[stream->used++] = c;
    stream->newline |= c == '\n';
}

/* After each call: lets the buffer go if it is time. */
static int put_done(FILE *stream)
{
    if (stream->flush_when == FLUSH_ALWAYS || stream->newline)
        stream_flush(stream);
    return stream->failed ? EOF : 0;
}

int vfprintf(FILE *stream, const char *fmt, va_list args)
{
    int length = format(put_character, stream, fmt, args);
    return put_done(stream) ? EOF : length;
}

int vprintf(const char *fmt, va_list args) { return vfprintf(stdout, fmt, args); }

int printf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vprintf(fmt, args);
    va_end(args);
    return length;
}

int fprintf(FILE *stream, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vfprintf(stream, fmt, args);
    va_end(args);
    return length;
}

/* A stream that lives for one call. */
int dprintf(int fd, const char *fmt, ...)
{
    struct stream stream = {.fd = fd, .flush_when = FLUSH_ALWAYS};
    va_list args;
    va_start(args, fmt);
    int length = vfprintf(&stream, fmt, args);
    va_end(args);
    return length;
}

int sprintf(char *to, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(to, SIZE_MAX, fmt, args);
    va_end(args);
    return length;
}

size_t fwrite(const void *restrict from, size_t size, size_t count, FILE *restrict stream)
{
    const char *bytes = from;

    for (size_t i = 0; i < size * count; i++)
        put_character(stream, bytes[i]);
    return put_done(stream) || size == 0 ? 0 : count;
}

int fputs(const char *text, FILE *stream)
{
    size_t n = strlen(text);
    return n == 0 || fwrite(text, n, 1, stream) == 1 ? 0 : EOF;
}

int puts(const char *line) { return printf("%s\n", line) < 0 ? EOF : 0; }

int fputc(int c, FILE *stream)
{
    put_character(stream, (char)c);
    return put_done(stream) ? EOF : (unsigned char)c;
}

int putc(int c, FILE *stream) { return fputc(c, stream); }
int putchar(int c) { return fputc(c, stdout); }

void perror(const char *what)
{
    const char *text = strerror(errno);

    if (what && *what)
        fprintf(stderr, "%s: %s\n", what, text);
    else
        fprintf(stderr, "%s\n", text);
}

/* The b of "rb" means nothing here and is passed over. */
static int mode_to_flags(const char *mode)
{
    bool both = strchr(mode, '+') != NULL;

    switch (*mode) {
    case 'r':
        return both ? O_RDWR : O_RDONLY;
    case 'w':
        return (both ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
    case 'a':
        return (both ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
    default:
        errno = EINVAL;
        return -1;
    }
}

FILE *fdopen(int fd, const char *mode)
{
    if (mode_to_flags(mode) < 0)
        return NULL;
    FILE *stream = malloc(sizeof *stream);
    if (stream) {
        *stream = (struct stream){.fd = fd, .following = opened};
        opened = stream;
    }
    return stream;
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    int flags = mode_to_flags(mode);
    int fd = flags < 0 ? -1 : open(path, flags, 0666);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, mode);

    if (fd >= 0 && !stream)
        close(fd);
    return stream;
}

/* The three standard streams are not on the list and not from malloc(): they are only closed. */
int fclose(FILE *stream)
{
    int result = stream_flush(stream) | close(stream->fd);

    for (FILE **link = &opened; *link; link = &(*link)->following) {
        if (*link == stream) {
            *link = stream->following;
            free(stream);
            break;
        }
    }
    return result ? EOF : 0;
}

int fileno(FILE *stream) { return stream->fd; }
int feof(FILE *stream) { return stream->end; }
int ferror(FILE *stream) { return stream->failed; }
void clearerr(FILE *stream) { stream->end = stream->failed = false; }

/* Gets more input; false at the end or on an error. The end stays the end until clearerr() (C11,
 * 7.21.7.1), even where more could come behind it, as on the console. */
static bool stream_fill(FILE *stream)
{
    stream_flush(stream);
    stream->writing = false;
    if (stream->end)
        return false;
    if (stream == stdin)
        stream_flush(stdout);

    ssize_t n = read(stream->fd, stream->buffer, sizeof stream->buffer);
    stream->end |= n == 0;
    stream->failed |= n < 0;
    stream->used = n > 0 ? (size_t)n : 0;
    stream->next = 0;
    return n > 0;
}

/* After a write the buffer holds output, which fgetc() first lets go. */
int fgetc(FILE *stream)
{
    if (stream->pushed_back) {
        int c = stream->pushed_back - 1;
        stream->pushed_back = 0;
        return c;
    }
    if ((stream->writing || stream->next == stream->used) && !stream_fill(stream))
        return EOF;
    return (unsigned char)stream->buffer[stream->next++];
}

int getc(FILE *stream) { return fgetc(stream); }
int getchar(void) { return fgetc(stdin); }

int ungetc(int c, FILE *stream)
{
    if (c == EOF || stream->pushed_back)
        return EOF;
    stream->pushed_back = (unsigned char)c + 1;
    stream->end = false;
    return c;
}

/* NULL: nothing was left, or an error, which half a line must not hide (C11, 7.21.7.2). */
char *fgets(char *restrict to, int size, FILE *restrict stream)
{
    int n = 0, c = 0;

    while (n < size - 1 && c != '\n' && (c = fgetc(stream)) != EOF)
        to[n++] = (char)c;
    if (size < 1 || (c == EOF && (n == 0 || !stream->end)))
        return NULL;
    to[n] = 0;
    return to;
}

size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict stream)
{
    char *bytes = to;
    size_t n = 0;
    int c;

    while (n < size * count && (c = fgetc(stream)) != EOF)
        bytes[n++] = (char)c;
    return size > 0 ? n / size : 0;
}
