/* What the system calls on sockets share, and what others need of them: ioctl() on a socket. */
#ifndef SYS_SYSNET_H
#define SYS_SYSNET_H

#include "abi/socket.h"
#include "lib/types.h"

struct file;
struct socket;

/* The socket behind descriptor argument 0, and its file unless `file` is NULL; both borrowed. 0, -EBADF,
 * -ENOTSOCK. */
int sysnet_argument_socket(struct socket **socket, struct file **file);

/* Copies an address of `length` bytes in, at most sizeof(*address) of them. 0, -EFAULT, -EINVAL (negative
 * length). */
int sysnet_address_from_user(struct sockaddr *address, uintptr_t user, socklen_t length);

/* ioctl() on `file`, which is a socket. `user_argument` is the caller's pointer, not yet checked:
 * the size of what it points to, and the direction of the copies, follow from the request. 0,
 * -EFAULT, -EINVAL, -ENOTTY (no such request), or the request's own error. Process context, no lock
 * held. */
int64_t sysnet_ioctl(struct file *file, unsigned long request, uintptr_t user_argument);

#endif
