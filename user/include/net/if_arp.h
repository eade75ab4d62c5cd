/* <net/if_arp.h>: ARP cache requests. */
#ifndef USER_NET_IF_ARP_H
#define USER_NET_IF_ARP_H

#include "abi/netconf.h"

#endif
