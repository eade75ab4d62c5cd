/* <netpacket/packet.h>: capture of frames, rvnet's own way. */
#ifndef USER_NETPACKET_PACKET_H
#define USER_NETPACKET_PACKET_H

#include "abi/packet.h"

#endif
