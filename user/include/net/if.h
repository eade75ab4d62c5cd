/* <net/if.h>: interface requests, all ioctl()s on any socket. */
#ifndef USER_NET_IF_H
#define USER_NET_IF_H

#include "abi/netconf.h"

#define IF_NAMESIZE IFNAMSIZ

#endif
