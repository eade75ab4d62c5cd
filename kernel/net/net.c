/* The network stack's start, and the number of its configuration. */
#include "net/net.h"

#include "lib/printf.h"
#include "net/capture.h"

/* 9 MiB: two receive rings of 1024, several of 256, and what sockets queue. */
#define NET_MBUFS 4096

unsigned net_config_version;

/* Who reads the new number sees the change whole. */
void net_config_changed(void) { __atomic_fetch_add(&net_config_version, 1, __ATOMIC_RELEASE); }

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
