/* The string functions that only user programs use; the others are in kernel/lib/string.c. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}

/* No closing 0 if the text fills all n, zeros to the end if it does not (C99, 7.21.2.4). */
char *strncpy(char *restrict to, const char *restrict from, size_t n)
{
    size_t length = strnlen(from, n);

    memcpy(to, from, length);
    memset(to + length, 0, n - length);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strstr(const char *text, const char *part)
{
    size_t length = strlen(part);

    for (; strncmp(text, part, length) != 0; text++) {
        if (*text == 0)
            return NULL;
    }
    return (char *)text;
}

size_t strspn(const char *s, const char *accepted)
{
    size_t n = 0;
    while (s[n] && strchr(accepted, s[n]))
        n++;
    return n;
}

size_t strcspn(const char *s, const char *rejected)
{
    size_t n = 0;
    while (s[n] && !strchr(rejected, s[n]))
        n++;
    return n;
}

/* The rest is remembered behind the separator that is overwritten. */
char *strtok_r(char *restrict s, const char *restrict separators, char **restrict rest)
{
    if (!s)
        s = *rest;
    s += strspn(s, separators);
    if (*s == 0) {
        *rest = s;
        return NULL;
    }
    char *end = s + strcspn(s, separators);
    *rest = *end ? end + 1 : end;
    *end = 0;
    return s;
}

char *strtok(char *restrict s, const char *restrict separators)
{
    static char *rest;
    return strtok_r(s, separators, &rest);
}

char *strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, s, size) : NULL;
}

int strncasecmp(const char *a, const char *b, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        int difference = tolower((unsigned char)a[i]) - tolower((unsigned char)b[i]);
        if (difference || a[i] == 0)
            return difference;
    }
    return 0;
}

int strcasecmp(const char *a, const char *b) { return strncasecmp(a, b, SIZE_MAX); }

static const struct {
    int error;
    const char *text;
} error_texts[] = {
    {0, "Success"},
    {EPERM, "Operation not permitted"},
    {ENOENT, "No such file or directory"},
    {ESRCH, "No such process"},
    {EINTR, "Interrupted system call"},
    {EIO, "Input/output error"},
    {ENXIO, "No such device or address"},
    {E2BIG, "Argument list too long"},
    {ENOEXEC, "Not an executable program"},
    {EBADF, "Bad file descriptor"},
    {ECHILD, "No child processes"},
    {EAGAIN, "Resource temporarily unavailable"},
    {ENOMEM, "Out of memory"},
    {EACCES, "Permission denied"},
    {EFAULT, "Bad address"},
    {EBUSY, "Device or resource busy"},
    {EEXIST, "File exists"},
    {EXDEV, "Link to another device"},
    {ENODEV, "No such device"},
    {ENOTDIR, "Not a directory"},
    {EISDIR, "Is a directory"},
    {EINVAL, "Invalid argument"},
    {ENFILE, "Too many open files in the system"},
    {EMFILE, "Too many open files"},
    {ENOTTY, "Request not supported by this kind of file"},
    {EFBIG, "File too large"},
    {ENOSPC, "No space left"},
    {ESPIPE, "Illegal seek"},
    {EROFS, "Read-only file system"},
    {EMLINK, "Too many links"},
    {EPIPE, "Broken pipe"},
    {ERANGE, "Result out of range"},
    {ENAMETOOLONG, "Name too long"},
    {ENOSYS, "System call not implemented"},
    {ENOTEMPTY, "Directory not empty"},
    {EPROTO, "Protocol error"},
    {EOVERFLOW, "Value too large"},
    {ENOTSOCK, "Not a socket"},
    {EDESTADDRREQ, "Destination address required"},
    {EMSGSIZE, "Message too long"},
    {EPROTOTYPE, "Wrong protocol type for socket"},
    {ENOPROTOOPT, "No such socket option"},
    {EPROTONOSUPPORT, "Protocol not supported"},
    {EOPNOTSUPP, "Operation not supported"},
    {EAFNOSUPPORT, "Address family not supported"},
    {EADDRINUSE, "Address already in use"},
    {EADDRNOTAVAIL, "Address not available"},
    {ENETDOWN, "Network is down"},
    {ENETUNREACH, "Network is unreachable"},
    {ENOBUFS, "No buffer space available"},
    {EISCONN, "Socket is connected"},
    {ENOTCONN, "Socket is not connected"},
    {ETIMEDOUT, "Timed out"},
    {ECONNREFUSED, "Connection refused"},
    {EHOSTUNREACH, "Host is unreachable"},
    {EALREADY, "Already in progress"},
    {EINPROGRESS, "In progress"},
};

char *strerror(int error)
{
    for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++) {
        if (error_texts[i].error == error)
            return (char *)error_texts[i].text;
    }
    return "Unknown error";
}
