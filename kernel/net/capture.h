/* The capture tap on network devices: netdev.c shows it every frame, and programs read copies of them through
 * the files of abi/packet.h. While nobody listens it costs one load and one branch that is not taken. */
#ifndef NET_CAPTURE_H
#define NET_CAPTURE_H

#include "abi/packet.h"
#include "fs/file.h"
#include "net/netdev.h"

void capture_init(void); /* boot, once */

/* socket(AF_PACKET): *file gets a new file with one reference. type: SOCK_RAW, with SOCK_NONBLOCK or without;
 * interface: an index, or 0. -EPROTOTYPE, -ENODEV, -ENOBUFS, -ENFILE. */
int capture_create(int type, int interface, struct file **file);

extern unsigned capture_listeners; /* how many such files there are; read without a lock */

/* The slow half of capture(). */
void capture_copy(const struct netdev *dev, const struct mbuf *m, uint32_t direction);

/* Thread context, no lock held. m is only looked at: a whole frame, or loopback's datagram. */
static inline void capture(const struct netdev *dev, const struct mbuf *m, uint32_t direction)
{
    if (__builtin_expect(READ_ONCE(capture_listeners) != 0, 0))
        capture_copy(dev, m, direction);
}

#endif
