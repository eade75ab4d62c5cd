/* What the ARP tests share: one device with an address, and a peer on its wire. */
#ifndef ARP_FIXTURE_H
#define ARP_FIXTURE_H

#include "fakenet.h"

#include "lib/byteorder.h"
#include "net/arp_table.h"
#include "net/net.h"
#include "net/wire.h"

#define OWN        BE32(0x0a00020f) /* 10.0.2.15/24 */
#define MASK       BE32(0xffffff00)
#define PEER       BE32(0x0a000202)
#define OTHER      BE32(0x0a000203)
#define SECONDS(n) ((n)*NS_PER_SEC)

static struct fakenet eth0;
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9}, stranger[6] = {2, 0, 0, 0, 0, 8};
static struct frame frame;

static inline int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    ip_set_address(&eth0.dev, OWN, MASK);
    for (int i = 0; i < 3; i++, host_clock_advance(SECONDS(2)))
        host_thread_run("arp"); /* the announcements */
    fakenet_clear(&eth0);
    COUNTER(arp_announcements_sent) = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    arp_flush(NULL);
    fakenet_clear(&eth0);
    fakenet_assert_no_leak();
    return 0;
}

static inline void packet(const uint8_t *to, uint16_t operation, const uint8_t *mac, be32_t sender,
                          be32_t target)
{
    frame.length = 0;
    frame_ether(&frame, to, mac, 0x0806);
    frame_arp(&frame, operation, mac, sender, NULL, target);
}

static inline void receive(const uint8_t *to, uint16_t operation, const uint8_t *mac, be32_t sender,
                           be32_t target)
{
    packet(to, operation, mac, sender, target);
    fakenet_receive(&eth0, frame.bytes, frame.length);
}

static inline int send(be32_t to, uint8_t mark)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    *(uint8_t *)mbuf_append(m, 1) = mark;
    return arp_output(&eth0.dev, m, to);
}

/* The entry as a user sees it; its flags, or -ENXIO. */
static inline int look_up(be32_t address, uint8_t *mac)
{
    struct arpreq request = {.arp_dev = "eth0"};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(&request.arp_pa, &in, sizeof(in));
    int result = arp_entry_get(&request);
    if (result == 0 && mac)
        memcpy(mac, request.arp_ha.sa_data, 6);
    return result < 0 ? result : request.arp_flags;
}

static inline struct arpreq request_for(be32_t address, const uint8_t *mac, int flags)
{
    struct arpreq request = {.arp_flags = flags, .arp_ha = {.sa_family = ARPHRD_ETHER}};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(&request.arp_pa, &in, sizeof(in));
    memcpy(request.arp_ha.sa_data, mac, 6);
    return request;
}

static inline const struct arp_packet *sent_packet(unsigned i)
{
    assert_true(i < eth0.frame_count);
    assert_int_equal(eth0.frames[i].length, 42);
    return (const struct arp_packet *)(eth0.frames[i].bytes + 14);
}

#endif
