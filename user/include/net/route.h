/* <net/route.h>: route requests. */
#ifndef USER_NET_ROUTE_H
#define USER_NET_ROUTE_H

#include "abi/netconf.h"

#endif
