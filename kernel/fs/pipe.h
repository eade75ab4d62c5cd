/* Pipes. */
#ifndef FS_PIPE_H
#define FS_PIPE_H

#include "lib/types.h"

struct file;

/* Bytes that a pipe holds; a write of at most that many is not mixed with others (POSIX
 * PIPE_BUF). */
#define PIPE_SIZE 4096u

void pipe_init(void);

/* A pipe and its two ends, a reference to each for the caller. 0, -ENFILE, -ENOMEM. A write when no
 * reader is left returns -EPIPE; the signal that goes with it is the system call's business. */
int pipe_create(struct file **reader, struct file **writer);

#endif
