/* <sys/ioctl.h>: device requests; those of sockets are in <net/if.h>. */
#ifndef USER_SYS_IOCTL_H
#define USER_SYS_IOCTL_H

#include "abi/file.h"
#include "abi/netconf.h"

int ioctl(int fd, unsigned long request, ...);

#endif
