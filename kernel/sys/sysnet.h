/* What the other system calls need of the socket calls: ioctl() on a socket. */
#ifndef SYS_SYSNET_H
#define SYS_SYSNET_H

#include "lib/types.h"

struct file;

/* ioctl() on `file`, which is a socket. `user_argument` is the caller's pointer, not yet checked:
 * the size of what it points to, and the direction of the copies, follow from the request. 0,
 * -EFAULT, -EINVAL, -ENOTTY (no such request), or the request's own error. Process context, no lock
 * held. */
int64_t sysnet_ioctl(struct file *file, unsigned long request, uintptr_t user_argument);

#endif
