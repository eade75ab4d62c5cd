/* The network stack's start. */
#include "net/net.h"

#include "lib/printf.h"
#include "net/capture.h"

/* 9 MiB: two receive rings of 1024, several of 256, and what sockets queue. */
#define NET_MBUFS 4096

void net_init(void)
{
    if (mbuf_init(NET_MBUFS) < 0)
        kprintf("net: memory for %u of %u packet buffers only\n", mbuf_total(), NET_MBUFS);
    /* What others register with or send through comes first; loopback is a device with an address,
     * so it needs all of them. */
    capture_init();
    netdev_init();
    arp_init();
    ip_init();
    socket_init();
    loopback_init();
}
