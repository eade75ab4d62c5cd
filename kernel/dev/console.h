/* The console: the terminal that the serial port is, with line editing, as device /dev/console.
 *
 * A reader gets a line when it is complete. While it is typed:
 *
 *   Backspace, DEL   erase a character
 *   ^W   erase a word
 *   ^U   erase the line
 *   ^D   end of file; behind typed text: hand over what is there without a newline
 *   ^C   discard the line, and what waits to be read, and kill the foreground process group (SIGINT)
 *   ^P   print the process table
 *
 * Carriage return counts as newline. What does not fit is refused with a bell and counted.
 *
 * The foreground group is set with ioctl(TIOCSPGRP). There are no signal handlers here, so a shell
 * must not stand in it: it puts each job into a group of its own, makes that the foreground one,
 * and goes back to 0 when the job is done. With foreground group 0, ^C kills nobody and gives the
 * reader an empty line, so that a shell prints its prompt again.
 */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

#include "lib/types.h"

/* Sets the serial port up, so that console_write_sync() works. First of all, on the boot hart. */
void console_init(void);

/* Lets input and interrupt-driven output begin and registers the device node's operations. After
 * irq_init(), file_init() and proc_init(). 0 or a negated errno. */
int console_attach(void);

/* The kernel's log, for kprintf_init(): prints the whole text in one piece before it returns. Any
 * context, any lock held. With length 0 it only sends what programs have written so far: call it
 * before the machine stops. */
void console_write_sync(const char *text, size_t length);

#endif
