/* <err.h>: each message is formatted first and goes out as one line in one write(). */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void message_print(const char *fmt, va_list args, const char *reason)
{
    char text[2 * PATH_MAX]; /* a path, and what is to be said about it */

    vsnprintf(text, sizeof text, fmt, args);
    fprintf(stderr, "%s: %s%s%s\n", getprogname(), text, reason ? ": " : "", reason ? reason : "");
}

void warn(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, strerror(errno));
    va_end(args);
}

void warnx(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, NULL);
    va_end(args);
}

void err(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, strerror(errno));
    va_end(args);
    exit(status);
}

void errx(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, NULL);
    va_end(args);
    exit(status);
}
