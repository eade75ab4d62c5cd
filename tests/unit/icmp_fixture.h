/* What the ICMP tests share: one device with an address, a peer that it knows, and messages from that peer. */
#ifndef ICMP_FIXTURE_H
#define ICMP_FIXTURE_H

#include "fakenet.h"

#include "fs/file.h"
#include "lib/byteorder.h"
#include "net/net.h"
#include "net/socket.h"
#include "net/wire.h"

#define OWN    BE32(0x0a00020f) /* 10.0.2.15/24 */
#define MASK24 BE32(0xffffff00)
#define PEER   BE32(0x0a000202)
#define ALL    BE32(0xffffffff)
#define PORT   BE16(7777)

static struct fakenet eth0;
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
static struct frame frame;

static inline int setup(void **state)
{
    (void)state;
    static uint64_t hours;
    fakenet_stack_init();
    hours += 2; /* no test takes so long: each finds the bucket full */
    host_clock_advance(hours * 3600 * NS_PER_SEC);
    fakenet_init(&eth0, "eth0", 1);
    ip_set_address(&eth0.dev, OWN, MASK24);
    frame.length = 0;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0806);
    frame_arp(&frame, 1, peer, PEER, NULL, OWN); /* we know the peer */
    fakenet_receive(&eth0, frame.bytes, frame.length);
    fakenet_clear(&eth0);
    frame.length = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    netdev_down(&loopback_device);
    fakenet_clear(&eth0);
    fakenet_assert_no_leak();
    assert_int_equal(host_files_used(), 0);
    return 0;
}

/* Puts Ethernet and IP in front of an ICMP message and receives it. */
static inline void receive_from(const uint8_t *to_mac, be32_t from, be32_t to, uint8_t type,
                                uint8_t code, be32_t rest, const void *data, size_t n)
{
    frame.length = 0;
    frame_ether(&frame, to_mac, peer, 0x0800);
    frame_ip(&frame, IPPROTO_ICMP, from, to, 8 + n);
    frame_icmp(&frame, type, code, rest, data, n);
    fakenet_receive(&eth0, frame.bytes, frame.length);
}

static inline void receive(uint8_t type, uint8_t code, be32_t rest, const void *data, size_t n)
{
    receive_from(eth0.dev.mac, PEER, OWN, type, code, rest, data, n);
}

static inline bool sum_is_right(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static inline struct file *socket_open_to(int protocol, be32_t peer_address)
{
    struct file *file = NULL;
    assert_int_equal(socket_create(AF_INET, SOCK_DGRAM, protocol, &file), 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = PORT, .sin_addr = {peer_address}};
    struct sockaddr address;
    memcpy(&address, &to, sizeof(address));
    assert_int_equal(socket_connect(socket_from_file(file), &address, sizeof(address)), 0);
    return file;
}

static inline struct file *socket_open(int protocol) { return socket_open_to(protocol, PEER); }

#endif
