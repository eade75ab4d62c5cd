/* net/ip.c: datagrams received and sent, by the rows I1 to I14, B2 and B3 of the requirement table. */
#include "ip_fixture.h"

static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
static struct frame frame;

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

/* I2: each bit of the header, its options included. */
static void test_checksum(void **state)
{
    (void)state;
    unsigned flipped = 0;
    for (unsigned words = 5; words <= 7; words += 2) {
        datagram(eth0.dev.mac, PEER, OWN, 26)->version_length = (uint8_t)(0x40 | words);
        memset(frame.bytes + 34, 1, (words - 5) * 4); /* options of "no operation" */
        frame_ip_fix(&frame, 14);
        for (unsigned bit = 8; bit < words * 32; bit++, flipped++) {
            frame.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
            receive();
            frame.bytes[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_int_equal(COUNTER(ip_bad_checksum), flipped);
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
        0,   ALL,  BE32(0x0a0002ff), BE32(0xe0000001), BE32(0xf0000001), BE32(0x7f000001),
        OWN, OWN1, BE32(0x00000005)};
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
    frame_ip(&frame, 200, PEER, OWN, n);
    memcpy(frame.bytes + frame.length, options, n); /* and nothing behind them */
    frame.length += n;
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
        TEST(output_header),
        TEST(ttl_zero_is_not_sent),
        TEST(too_long),
        TEST(link_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
