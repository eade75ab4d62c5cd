/* Capture: copies of the frames that pass the network devices.
 *
 *     fd = socket(AF_PACKET, SOCK_RAW, interface index, or 0 for all of them)
 *
 * Each read() gives one record, followed by as much of its frame as there is room for; without a frame it
 * waits. A frame is as it is on the wire, checksums included; those of loopback are bare IP datagrams. What
 * finds the queue of PACKET_QUEUE_MAX frames full is missed and counted. poll() and O_NONBLOCK work as ever;
 * nothing can be sent. Everything ends with close(). */
#ifndef ABI_PACKET_H
#define ABI_PACKET_H

#include "abi/types.h"

#define AF_PACKET 17
#define PF_PACKET AF_PACKET

#define PACKET_QUEUE_MAX 128
#define PACKET_BYTES_MAX 2016 /* of a frame; more is cut off */

#define PACKET_RECEIVED 0
#define PACKET_SENT     1

struct packet_record {
    uint64_t time_ns;   /* since boot */
    uint32_t length;    /* of the frame, bytes */
    uint32_t captured;  /* bytes that follow this record */
    uint32_t missed;    /* frames between the record before and this one */
    uint32_t interface; /* index, as SIOCGIFINDEX gives it */
    uint32_t direction; /* PACKET_RECEIVED or PACKET_SENT */
    uint32_t loopback;  /* 1: it has no Ethernet header */
};

#endif
