/* The kernel's log. Any context, any lock held; messages of different harts do not mix. A message is at most
 * 255 characters. */
#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include "lib/types.h"

void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Reports a bug in the kernel itself, stops every hart and ends QEMU with exit code 255. Nothing that
 * arrives from the wire, a device, a user or a lack of memory may lead here. */
void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Where text goes and how the machine stops: set once, by main.c, before anything is printed. write(text,
 * length): called with a whole message, in any context, with any lock held; it does its own locking. halt():
 * called after a panic's message; does not return. */
void kprintf_init(void (*write)(const char *text, size_t length), void (*halt)(void));

#endif
