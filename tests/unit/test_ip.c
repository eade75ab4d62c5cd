/* net/ip.c and net/route.c, by the rows I1 to I14, R1, R2, R3, B1 to B3 of the requirement table. */
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
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
static struct frame frame;

static int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    fakenet_init(&eth1, "eth1", 2);
    ip_set_address(&eth0.dev, OWN, MASK24);
    ip_set_address(&eth1.dev, OWN1, MASK24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arp_flush(NULL);
    netdev_down(&loopback_device);
    fakenet_clear(&eth0);
    fakenet_clear(&eth1);
    fakenet_assert_no_leak();
    return 0;
}

/* A datagram of an unused protocol to us: accepted, it shows in ip.unknown_protocol. */
static struct ip_header *datagram(const uint8_t *to, be32_t source, be32_t destination,
                                  size_t payload)
{
    frame.length = 0;
    frame_ether(&frame, to, peer, 0x0800);
    frame_ip(&frame, 200, source, destination, payload);
    frame_data(&frame, 1, payload);
    return (struct ip_header *)(frame.bytes + 14);
}

static void receive(void) { fakenet_receive(&eth0, frame.bytes, frame.length); }

static void receive_fixed(void)
{
    frame_ip_fix(&frame, 14);
    receive();
}

/* --- receiving --- */

static void test_accepted(void **state)
{
    (void)state;
    datagram(eth0.dev.mac, PEER, OWN, 26);
    receive();
    assert_int_equal(COUNTER(ip_received), 1);
    assert_int_equal(COUNTER(ip_unknown_protocol), 1);
}

/* Every length: too short for a header, or for what its header says (I3). */
static void test_truncated(void **state)
{
    (void)state;
    datagram(eth0.dev.mac, PEER, OWN, 30);
    assert_int_equal(frame.length, 64);
    for (frame.length = 14; frame.length < 64; frame.length++) {
        receive();
        fakenet_assert_no_leak();
    }
    assert_int_equal(COUNTER(ip_too_short), 20);
    assert_int_equal(COUNTER(ip_bad_length), 30);
    assert_int_equal(COUNTER(ip_unknown_protocol), 0);
    receive();
    assert_int_equal(COUNTER(ip_unknown_protocol), 1);
}

/* I1 */
static void test_version(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 16; version++) {
        datagram(eth0.dev.mac, PEER, OWN, 26)->version_length = (uint8_t)(version << 4 | 5);
        receive_fixed();
    }
    assert_int_equal(COUNTER(ip_bad_version), 15);
    assert_int_equal(COUNTER(ip_unknown_protocol), 1);
}

/* I2: each bit of the header. */
static void test_checksum(void **state)
{
    (void)state;
    datagram(eth0.dev.mac, PEER, OWN, 26);
    for (unsigned bit = 8; bit < 160; bit++) {
        frame.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        receive();
        frame.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(COUNTER(ip_bad_checksum), 152);
    assert_int_equal(COUNTER(ip_unknown_protocol), 0);
}

/* I3: header length below 5 words or beyond the frame, total length below the header. */
static void test_lengths(void **state)
{
    (void)state;
    for (unsigned words = 0; words < 5; words++) {
        datagram(eth0.dev.mac, PEER, OWN, 26)->version_length = (uint8_t)(0x40 | words);
        receive();
    }
    datagram(eth0.dev.mac, PEER, OWN, 26)->version_length = 0x4f; /* 60 bytes of 46 */
    receive();
    assert_int_equal(COUNTER(ip_bad_header_length), 6);
    datagram(eth0.dev.mac, PEER, OWN, 26)->total_length = BE16(19);
    receive_fixed();
    datagram(eth0.dev.mac, PEER, OWN, 26)->total_length = BE16(47);
    receive_fixed();
    datagram(eth0.dev.mac, PEER, OWN, 26)->total_length = BE16(65535);
    receive_fixed();
    assert_int_equal(COUNTER(ip_bad_length), 3);
    assert_int_equal(COUNTER(ip_unknown_protocol), 0);
}

/* I3: what Ethernet pads is not part of the datagram. Seen in what an error quotes. */
static void test_padding_is_trimmed(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(ip_route(0, PEER, &way), 0);
    datagram(eth0.dev.mac, PEER, OWN, 26)->total_length = BE16(20 + 10);
    receive_fixed();
    struct frame answer = {.length = 0};
    frame_ether(&answer, eth0.dev.mac, peer, 0x0806);
    frame_arp(&answer, 2, peer, PEER, eth0.dev.mac, OWN);
    fakenet_receive(&eth0, answer.bytes, answer.length);
    assert_int_equal(eth0.frames[eth0.frame_count - 1].length, 14 + 20 + 8 + 30);
}

/* I4: only for us, whichever of our interfaces it comes through. */
static void test_destination(void **state)
{
    (void)state;
    const be32_t ours[] = {OWN, OWN1, ALL, BE32(0x0a0002ff), BE32(0x0affffff)};
    const be32_t others[] = {PEER, BE32(0x0a000210), BE32(0x0a0003ff), BE32(0xe0000001),
                             0,    BE32(0xc0a801ff) /* the other interface's broadcast */};
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
        datagram(eth0.dev.mac, PEER, ours[i], 26);
        receive();
        assert_int_equal(COUNTER(ip_unknown_protocol), i + 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        datagram(eth0.dev.mac, PEER, others[i], 26);
        receive();
        assert_int_equal(COUNTER(ip_not_for_us), i + 1);
    }
}

/* I5, I8: broadcast, group, loopback and unset sources, and our own, from a wire. */
static void test_source(void **state)
{
    (void)state;
    const be32_t wrong[] = {
        0, ALL, BE32(0x0a0002ff), BE32(0xe0000001), BE32(0xf0000001), BE32(0x7f000001), OWN, OWN1};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        datagram(eth0.dev.mac, wrong[i], OWN, 26);
        receive();
        assert_int_equal(COUNTER(ip_bad_source), i + 1);
    }
    assert_int_equal(COUNTER(ip_unknown_protocol), 0);
}

/* I7: from a wire, 127/8 is nobody. */
static void test_loopback_destination_from_the_wire(void **state)
{
    (void)state;
    datagram(eth0.dev.mac, PEER, BE32(0x7f000001), 26);
    receive();
    assert_int_equal(COUNTER(ip_not_for_us), 1);
}

/* I12: TTL is for routers. */
static void test_ttl_is_ignored(void **state)
{
    (void)state;
    for (uint8_t ttl = 0; ttl < 2; ttl++) {
        datagram(eth0.dev.mac, PEER, OWN, 26)->ttl = ttl;
        receive_fixed();
    }
    assert_int_equal(COUNTER(ip_unknown_protocol), 2);
}

/* B2, B3: a link broadcast carries broadcasts only. */
static void test_unicast_in_link_broadcast(void **state)
{
    (void)state;
    const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
    datagram(ether_broadcast, PEER, OWN, 26);
    receive();
    datagram(group, PEER, OWN, 26);
    receive();
    assert_int_equal(COUNTER(ip_unicast_in_broadcast), 2);
    datagram(ether_broadcast, PEER, ALL, 26);
    receive();
    datagram(ether_broadcast, PEER, BE32(0x0a0002ff), 26);
    receive();
    assert_int_equal(COUNTER(ip_unknown_protocol), 2);
}

static void test_fragments_are_counted(void **state)
{
    (void)state;
    const be16_t fields[] = {BE16(0x2000), BE16(1), BE16(0x1fff), BE16(0x2001)};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        datagram(eth0.dev.mac, PEER, OWN, 26)->fragment = fields[i];
        receive_fixed();
    }
    assert_int_equal(COUNTER(ip_fragment), 4);
    datagram(eth0.dev.mac, PEER, OWN, 26)->fragment = BE16(0x4000);
    receive_fixed();
    assert_int_equal(COUNTER(ip_unknown_protocol), 1);
}

static void receive_options(const uint8_t *options, size_t n)
{
    frame.length = 0;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
    frame_ip(&frame, 200, PEER, OWN, n + 8);
    memcpy(frame.bytes + frame.length, options, n);
    frame.length += n;
    frame_data(&frame, 1, 8);
    frame.bytes[14] = (uint8_t)(0x45 + n / 4);
    receive_fixed();
}

/* I14: known and unknown ones are passed over, broken ones refused, none read past the header. */
static void test_options(void **state)
{
    (void)state;
    const uint8_t good[][8] = {
        {1, 1, 1, 1, 1, 1, 1, 1},       {0, 9, 9, 9, 9, 9, 9, 9},   {7, 7, 4, 0, 0, 0, 0, 0},
        {0x99, 2, 0x98, 6, 1, 2, 3, 4}, {131, 7, 4, 1, 2, 3, 4, 0},
    };
    const uint8_t bad[][8] = {
        {7, 9, 4, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 1, 7},   {7, 0, 0, 0, 0, 0, 0, 0},
        {7, 1, 0, 0, 0, 0, 0, 0}, {7, 255, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1, 7, 3},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        receive_options(good[i], 8);
        assert_int_equal(COUNTER(ip_unknown_protocol), i + 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        receive_options(bad[i], 8);
        assert_int_equal(COUNTER(ip_bad_options), i + 1);
    }
}

/* --- kinds of addresses --- */

/* B1 */
static void test_broadcast_addresses(void **state)
{
    (void)state;
    assert_true(ip_is_broadcast(&eth0.dev, ALL));
    assert_true(ip_is_broadcast(&eth0.dev, BE32(0x0a0002ff)));
    assert_true(ip_is_broadcast(&eth0.dev, BE32(0x0affffff)));
    assert_false(ip_is_broadcast(&eth0.dev, BE32(0xc0a801ff)));
    assert_false(ip_is_broadcast(&eth0.dev, OWN));
    assert_false(ip_is_broadcast(&eth0.dev, BE32(0x0a0003ff)));
    assert_int_equal(ip_set_address(&eth0.dev, OWN, BE32(0xfffffffe)), 0); /* RFC 3021 */
    assert_false(ip_is_broadcast(&eth0.dev, OWN));
    assert_true(ip_is_multicast(BE32(0xe0000000)));
    assert_true(ip_is_multicast(BE32(0xefffffff)));
    assert_false(ip_is_multicast(BE32(0xdfffffff)));
    assert_false(ip_is_multicast(BE32(0xf0000000)));
}

static void test_own_addresses(void **state)
{
    (void)state;
    assert_true(ip_is_own(OWN));
    assert_true(ip_is_own(OWN1));
    assert_true(ip_is_own(BE32(0x7f000001)));
    assert_true(ip_is_own(BE32(0x7fabcdef)));
    assert_false(ip_is_own(0));
    assert_false(ip_is_own(PEER));
    assert_false(ip_is_own(BE32(0x0a0002ff)));
}

/* --- routes --- */

static struct rtentry route(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = {.rt_flags = gateway ? RTF_GATEWAY : 0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {destination}};
    memcpy(&entry.rt_dst, &in, sizeof(in));
    in.sin_addr.s_addr = mask;
    memcpy(&entry.rt_genmask, &in, sizeof(in));
    in.sin_addr.s_addr = gateway;
    memcpy(&entry.rt_gateway, &in, sizeof(in));
    strlcpy(entry.rt_dev, dev, sizeof(entry.rt_dev));
    return entry;
}

static int route_add(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = route(destination, mask, gateway, dev);
    return ip_route_add(&entry);
}

static int route_delete(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = route(destination, mask, gateway, dev);
    return ip_route_delete(&entry);
}

static void assert_way(be32_t destination, struct fakenet *through, be32_t next_hop, be32_t source)
{
    struct ip_destination way;
    assert_int_equal(ip_route(0, destination, &way), 0);
    assert_ptr_equal(way.dev, &through->dev);
    assert_int_equal(way.next_hop, next_hop);
    assert_int_equal(way.source, source);
}

/* R1, R2 */
static void test_on_link_or_gateway(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_way(PEER, &eth0, PEER, OWN);
    assert_way(BE32(0xc0a80163), &eth1, BE32(0xc0a80163), OWN1);
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_way(PEER, &eth0, PEER, OWN);
    assert_int_equal(route_add(BE32(0x08080000), BE32(0xffff0000), BE32(0xc0a80101), ""), 0);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(route_add(FAR, ALL, GATEWAY, "eth0"), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_int_equal(route_delete(FAR, ALL, GATEWAY, ""), 0);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(route_delete(FAR, ALL, GATEWAY, ""), -ESRCH);
}

/* R3: the second of two default gateways serves while the first one's link is dead; a dead network is not looked
 * for elsewhere. */
static void test_dead_link(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(route_add(0, 0, BE32(0xc0a80101), ""), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    netdev_set_link(&eth0.dev, false);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(ip_route(0, PEER, &way), -ENETDOWN);
    netdev_down(&eth1.dev);
    assert_int_equal(ip_route(0, FAR, &way), -ENETDOWN);
    netdev_set_link(&eth0.dev, true);
    assert_way(FAR, &eth0, GATEWAY, OWN);
}

/* I8 and other addresses that are no destinations. */
static void test_invalid_destinations(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t wrong[] = {0, BE32(0x00000001), BE32(0xf0000000), BE32(0xfffffffe)};
    route_add(0, 0, GATEWAY, "");
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_route(0, wrong[i], &way), -EINVAL);
}

/* I6, I7 */
static void test_sources(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(ip_route(OWN1, PEER, &way), 0);
    assert_int_equal(way.source, OWN1);
    const be32_t wrong[] = {PEER, ALL, BE32(0x0a0002ff), BE32(0xe0000001), BE32(0x7f000001)};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_route(wrong[i], PEER, &way), -EADDRNOTAVAIL);
}

/* I7: what goes to ourselves goes through loopback, and 127/8 through nothing else. */
static void test_to_self(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t own[][2] = {{BE32(0x7f000001), BE32(0x7f000001)},
                             {BE32(0x7f000009), BE32(0x7f000001)},
                             {OWN, OWN},
                             {OWN1, OWN1}};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        assert_int_equal(ip_route(0, own[i][0], &way), 0);
        assert_ptr_equal(way.dev, &loopback_device);
        assert_int_equal(way.source, own[i][1]);
        assert_false(way.broadcast);
    }
    netdev_down(&loopback_device);
    assert_int_equal(ip_route(0, BE32(0x7f000001), &way), -ENETDOWN);
}

static void test_broadcast_and_groups(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(ip_route(0, ALL, &way), 0);
    assert_ptr_equal(way.dev, &eth0.dev);
    assert_true(way.broadcast);
    assert_int_equal(ip_route(OWN1, ALL, &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_int_equal(ip_route(0, BE32(0xc0a801ff), &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_true(way.broadcast);
    assert_int_equal(ip_route(0, PEER, &way), 0);
    assert_false(way.broadcast);
    assert_int_equal(ip_route(0, BE32(0xe00000fb), &way), 0);
    assert_int_equal(way.next_hop, BE32(0xe00000fb));
    route_add(0, 0, BE32(0xc0a80101), "");
    assert_int_equal(ip_route(0, BE32(0xe00000fb), &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_int_equal(way.next_hop, BE32(0xe00000fb));
    netdev_down(&eth0.dev);
    netdev_down(&eth1.dev);
    assert_int_equal(ip_route(0, ALL, &way), -ENETUNREACH);
    assert_int_equal(ip_route(OWN1, ALL, &way), -ENETDOWN);
}

static void test_route_requests_are_checked(void **state)
{
    (void)state;
    assert_int_equal(route_add(0, 0, FAR, ""), -ENETUNREACH);         /* gateway not on-link */
    assert_int_equal(route_add(0, 0, GATEWAY, "eth1"), -ENETUNREACH); /* not there */
    assert_int_equal(route_add(0, 0, OWN, ""), -EINVAL);              /* ourselves */
    assert_int_equal(route_add(0, 0, BE32(0xe0000001), ""), -EINVAL); /* a group */
    assert_int_equal(route_add(0, 0, 0, ""), -EINVAL);                /* no way */
    assert_int_equal(route_add(0, 0, GATEWAY, "eth9"), -ENODEV);
    assert_int_equal(route_delete(0, 0, GATEWAY, "eth9"), -ENODEV);
    assert_int_equal(route_add(FAR, MASK24, GATEWAY, ""), -EINVAL); /* bits outside the mask */
    assert_int_equal(route_add(0, BE32(0x00ffffff), GATEWAY, ""), -EINVAL);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), -EEXIST);
    assert_int_equal(route_add(BE32(0x0a000200), MASK24, 0, "eth0"), -EEXIST);
    assert_int_equal(route_add(0, 0, FAR, ""), -ENETUNREACH); /* behind a gateway is not on-link */
    struct rtentry entry = route(0, 0, GATEWAY, "");
    struct sockaddr_in none = {.sin_family = AF_INET};
    memcpy(&entry.rt_gateway, &none, sizeof(none));
    assert_int_equal(ip_route_add(&entry), -EINVAL);
}

static void test_route_table_is_bounded(void **state)
{
    (void)state;
    uint32_t i = 0;
    int result = 0;
    while (result == 0)
        result = route_add(htonl(0x14000000 + (i++ << 8)), MASK24, GATEWAY, "");
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(ip_route_list(NULL, 0), 64);
    assert_int_equal(ip_set_address(&eth1.dev, BE32(0x1e000001), MASK24), -ENOSPC);
    assert_int_equal(ip_address(&eth1.dev), OWN1);
}

static void test_route_list(void **state)
{
    (void)state;
    struct rtentry list[8];
    route_add(0, 0, GATEWAY, "");
    route_add(FAR, ALL, GATEWAY, "");
    netdev_set_link(&eth1.dev, false);
    assert_int_equal(ip_route_list(list, 2), 5);
    assert_int_equal(ip_route_list(list, 8), 5);
    assert_int_equal(list[0].rt_flags, RTF_UP | RTF_GATEWAY | RTF_HOST);
    assert_int_equal(list[4].rt_flags, RTF_UP | RTF_GATEWAY);
    assert_string_equal(list[4].rt_dev, "eth0");
    struct sockaddr_in in;
    memcpy(&in, &list[4].rt_gateway, sizeof(in));
    assert_int_equal(in.sin_addr.s_addr, GATEWAY);
    unsigned up = 0;
    for (int i = 0; i < 5; i++)
        up += list[i].rt_flags & RTF_UP;
    assert_int_equal(up, 4);
}

/* --- addresses --- */

static void test_addresses_are_checked(void **state)
{
    (void)state;
    const be32_t wrong[][2] = {
        {ALL, MASK24},
        {BE32(0xe0000001), MASK24},
        {BE32(0x00000001), MASK24},
        {BE32(0x7f000002), MASK24},
        {BE32(0x0a000200), MASK24},
        {BE32(0x0a0002ff), MASK24},
        {OWN, BE32(0xff00ff00)},
        {BE32(0xf0000001), MASK24},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_set_address(&eth0.dev, wrong[i][0], wrong[i][1]), -EINVAL);
    assert_int_equal(ip_set_address(&eth0.dev, OWN1, MASK24), -EADDRINUSE);
    assert_int_equal(ip_set_address(&loopback_device, BE32(0x0a000901), MASK24), -EINVAL);
    assert_int_equal(ip_address(&eth0.dev), OWN);
    assert_int_equal(ip_netmask(&eth0.dev), MASK24);
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x0a000101), 0), 0);
    assert_int_equal(ip_netmask(&eth0.dev), BE32(0xff000000)); /* its class's */
}

/* The interface's own route follows its address; routes by gateways that are out of reach go. */
static void test_address_renews_routes(void **state)
{
    (void)state;
    struct ip_destination way;
    route_add(0, 0, GATEWAY, "");
    route_add(BE32(0x14000000), MASK24, BE32(0x0a000263), "");
    uint64_t announced = COUNTER(arp_announcements_sent);
    host_thread_run("arp");
    assert_int_equal(ip_set_address(&eth0.dev, OWN, BE32(0xffffff80)), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_way(BE32(0x0a0002f0), &eth0, GATEWAY, OWN); /* no longer on-link */
    assert_ptr_equal(ip_on_link(GATEWAY), &eth0.dev);
    assert_null(ip_on_link(FAR));
    host_thread_run("arp");
    assert_true(COUNTER(arp_announcements_sent) > announced);
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x1e000001), MASK24), 0);
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
    assert_int_equal(ip_route(0, PEER, &way), -ENETUNREACH);
    assert_way(BE32(0x1e000002), &eth0, BE32(0x1e000002), BE32(0x1e000001));
    assert_int_equal(ip_set_address(&eth0.dev, 0, 0), 0);
    assert_int_equal(ip_address(&eth0.dev), 0);
    assert_int_equal(ip_route(0, BE32(0x1e000002), &way), -ENETUNREACH);
    assert_int_equal(ip_route_list(NULL, 0), 2);
}

/* --- sending --- */

static int output(size_t n, be32_t destination, uint8_t ttl)
{
    struct ip_destination way;
    struct ip_send send = {.destination = destination, .protocol = 17, .ttl = ttl, .tos = 0xb8};
    assert_int_equal(ip_route(0, destination, &way), 0);
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    memset(mbuf_append(m, (uint32_t)n), 0x5a, n);
    m->csum_start = 0;
    return ip_output(m, &send, &way);
}

/* I9, I10, I13: the header, byte by byte; the identification of an atomic datagram means nothing. */
static void test_output_header(void **state)
{
    (void)state;
    assert_int_equal(output(3, ALL, 7), 0);
    uint8_t expected[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0,    0,    0,   1, 8,
                          0,    0x45, 0xb8, 0,    23,   0,    0,    0x40, 0,    7,    17,  0, 0,
                          10,   0,    2,    15,   255,  255,  255,  255,  0x5a, 0x5a, 0x5a};
    struct frame fixed = {.length = sizeof(expected)};
    memcpy(fixed.bytes, expected, sizeof(expected));
    frame_ip_fix(&fixed, 14);
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(eth0.frames[0].length, sizeof(expected));
    assert_memory_equal(eth0.frames[0].bytes, fixed.bytes, sizeof(expected));
    assert_int_equal(eth0.frames[0].csum_start, 34);
    assert_int_equal(COUNTER(ip_sent), 1);
}

/* I11 */
static void test_ttl_zero_is_not_sent(void **state)
{
    (void)state;
    assert_int_equal(output(3, ALL, 0), -EINVAL);
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(COUNTER(ip_send_invalid), 1);
}

static void test_too_long(void **state)
{
    (void)state;
    assert_int_equal(output(1480, ALL, 64), 0);
    assert_int_equal(output(1481, ALL, 64), -EMSGSIZE);
    assert_int_equal(COUNTER(ip_send_too_long), 1);
    netdev_set_mtu(&eth0.dev, 68);
    assert_int_equal(output(49, ALL, 64), -EMSGSIZE);
    assert_int_equal(output(48, ALL, 64), 0);
}

static void test_link_addresses(void **state)
{
    (void)state;
    assert_int_equal(output(3, BE32(0x0a0002ff), 64), 0);
    assert_memory_equal(eth0.frames[0].bytes, ether_broadcast, 6);
    assert_int_equal(output(3, BE32(0xefff0102), 64), 0); /* RFC 1112: 23 bits of the group */
    const uint8_t group[6] = {1, 0, 0x5e, 0x7f, 1, 2};
    assert_memory_equal(eth0.frames[1].bytes, group, 6);
    assert_int_equal(output(3, PEER, 64), 0); /* waits for its address */
    assert_int_equal(mbuf_count(MBUF_ARP_WAIT), 1);
    assert_int_equal(output(3, BE32(0x7f000001), 64), 0);
    assert_int_equal(eth0.frame_count, 3);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(accepted),
        TEST(truncated),
        TEST(version),
        TEST(checksum),
        TEST(lengths),
        TEST(padding_is_trimmed),
        TEST(destination),
        TEST(source),
        TEST(loopback_destination_from_the_wire),
        TEST(ttl_is_ignored),
        TEST(unicast_in_link_broadcast),
        TEST(fragments_are_counted),
        TEST(options),
        TEST(broadcast_addresses),
        TEST(own_addresses),
        TEST(on_link_or_gateway),
        TEST(dead_link),
        TEST(invalid_destinations),
        TEST(sources),
        TEST(to_self),
        TEST(broadcast_and_groups),
        TEST(route_requests_are_checked),
        TEST(route_table_is_bounded),
        TEST(route_list),
        TEST(addresses_are_checked),
        TEST(address_renews_routes),
        TEST(output_header),
        TEST(ttl_zero_is_not_sent),
        TEST(too_long),
        TEST(link_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
