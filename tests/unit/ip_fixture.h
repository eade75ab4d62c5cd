/* What the IP tests share: two devices, each with an address. */
#ifndef IP_FIXTURE_H
#define IP_FIXTURE_H

#include "fakenet.h"

#include "lib/byteorder.h"
#include "net/net.h"
#include "net/wire.h"

#define OWN     BE32(0x0a00020f) /* 10.0.2.15/24 on eth0 */
#define PEER    BE32(0x0a000202)
#define GATEWAY BE32(0x0a000201)
#define OWN1    BE32(0xc0a80105) /* 192.168.1.5/24 on eth1 */
#define MASK24  BE32(0xffffff00)
#define FAR     BE32(0x08080808)
#define ALL     BE32(0xffffffff)

static struct fakenet eth0, eth1;

static inline int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    fakenet_init(&eth1, "eth1", 2);
    ip_set_address(&eth0.dev, OWN, MASK24);
    ip_set_address(&eth1.dev, OWN1, MASK24);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arp_flush(NULL);
    netdev_down(&loopback_device);
    fakenet_clear(&eth0);
    fakenet_clear(&eth1);
    fakenet_assert_no_leak();
    return 0;
}

#endif
