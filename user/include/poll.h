/* <poll.h>: waiting for several descriptors. */
#ifndef USER_POLL_H
#define USER_POLL_H

#include "abi/file.h"

int poll(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
