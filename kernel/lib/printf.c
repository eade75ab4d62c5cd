#include "lib/printf.h"

#include "lib/format.h"

#define MESSAGE_MAX 256

static void (*output_write)(const char *text, size_t length);
static void (*output_halt)(void);

void kprintf_init(void (*write)(const char *text, size_t length), void (*halt)(void))
{
    output_write = write;
    output_halt = halt;
}

/* A whole message goes out in one call, so that messages of different harts do not mix and this file needs no
 * lock. What is too long ends in a mark, and still in a newline. */
static void message_print(const char *fmt, va_list args, const char *prefix)
{
    static const char cut[] = "...\n";
    char text[MESSAGE_MAX];
    int used = snprintf(text, sizeof text, "%s", prefix);
    int length = used + vsnprintf(text + used, sizeof text - (size_t)used, fmt, args);

    if (length >= MESSAGE_MAX) {
        length = MESSAGE_MAX - 1;
        for (size_t i = 0; i < sizeof cut; i++)
            text[(size_t)length - (sizeof cut - 1) + i] = cut[i];
    }
    if (output_write)
        output_write(text, (size_t)length);
}

void kprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, "");
    va_end(args);
}

void panic(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    message_print(fmt, args, "panic: ");
    va_end(args);
    kprintf("\n");
    if (output_halt)
        output_halt();
    for (;;)
        ;
}
