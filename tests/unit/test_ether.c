/* net/ether.c: which frames are taken, and what is sent. */
#include "fakenet.h"

#include "lib/byteorder.h"
#include "net/net.h"

static struct fakenet eth0;
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
static struct frame frame;

static int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    frame.length = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fakenet_clear(&eth0);
    fakenet_assert_no_leak();
    return 0;
}

static void receive(void) { fakenet_receive(&eth0, frame.bytes, frame.length); }

/* Every length at which the header is not complete. */
static void test_truncated(void **state)
{
    (void)state;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
    for (frame.length = 0; frame.length < 14; frame.length++)
        receive();
    assert_int_equal(COUNTER(ether_too_short), 14);
    receive(); /* 14 bytes: a frame without data, for IP to refuse */
    assert_int_equal(COUNTER(ether_too_short), 14);
    assert_int_equal(COUNTER(ip_too_short), 1);
    assert_int_equal(COUNTER(ether_received), 15);
}

static void test_destination(void **state)
{
    (void)state;
    const uint8_t other[6] = {0x52, 0x54, 0, 0, 0, 2};
    frame_ether(&frame, other, peer, 0x0800);
    receive();
    assert_int_equal(COUNTER(ether_not_for_us), 1);
    assert_int_equal(COUNTER(ip_received), 0);
    memcpy(frame.bytes, eth0.dev.mac, 6);
    receive();
    memset(frame.bytes, 0xff, 6);
    receive();
    memcpy(frame.bytes, (uint8_t[]){1, 0, 0x5e, 0, 0, 1}, 6);
    receive();
    assert_int_equal(COUNTER(ip_received), 3);
    assert_int_equal(COUNTER(ether_not_for_us), 1);
}

static void test_types(void **state)
{
    (void)state;
    const struct {
        uint16_t type;
        uint64_t *counter;
    } cases[] = {
        {0x0800, &COUNTER(ip_received)},        {0x0806, &COUNTER(arp_received)},
        {0x86dd, &COUNTER(ether_unknown_type)}, {0x0801, &COUNTER(ether_unknown_type)},
        {1500, &COUNTER(ether_length_field)},   {0, &COUNTER(ether_length_field)},
        {1501, &COUNTER(ether_unknown_type)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t before = *cases[i].counter;
        frame.length = 0;
        frame_ether(&frame, eth0.dev.mac, peer, cases[i].type);
        frame_data(&frame, 0, 46);
        receive();
        assert_int_equal(*cases[i].counter, before + 1);
    }
}

static void test_source_is_one_host(void **state)
{
    (void)state;
    const uint8_t group[6] = {3, 0, 0, 0, 0, 9};
    frame_ether(&frame, eth0.dev.mac, group, 0x0800);
    receive();
    assert_int_equal(COUNTER(ether_bad_source), 1);
    assert_int_equal(COUNTER(ip_received), 0);
}

/* RFC 1042 (row L2): IP behind an LLC and SNAP header, with padding behind it. */
static void test_snap(void **state)
{
    (void)state;
    const uint8_t snap[] = {0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06};
    frame_ether(&frame, eth0.dev.mac, peer, 8 + 27);
    memcpy(frame.bytes + frame.length, snap, sizeof(snap));
    frame.length += sizeof(snap);
    frame_data(&frame, 0, 38);
    receive();
    assert_int_equal(COUNTER(arp_received), 1);
    assert_int_equal(COUNTER(arp_too_short), 1); /* 27 bytes: the padding is not seen */
    frame.bytes[13] = 200;                       /* longer than the frame */
    receive();
    frame.bytes[13] = 7; /* shorter than the header */
    receive();
    frame.bytes[13] = 8 + 27;
    frame.bytes[14] = 0xab;
    receive();
    assert_int_equal(COUNTER(ether_length_field), 3);
    for (size_t n = 14; n <= 64; n++) {
        frame.length = n;
        receive();
    }
}

static void test_output(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    memset(mbuf_append(m, 3), 0x77, 3);
    m->flags = MBUF_CSUM_PARTIAL;
    m->csum_start = 20;
    assert_int_equal(ether_output(&eth0.dev, m, peer, 0x0806), 0);
    const uint8_t expected[] = {2, 0, 0, 0, 0, 9, 0x52, 0x54, 0, 0, 0, 1, 8, 6, 0x77, 0x77, 0x77};
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(eth0.frames[0].length, sizeof(expected));
    assert_memory_equal(eth0.frames[0].bytes, expected, sizeof(expected));
    assert_int_equal(eth0.frames[0].csum_start, 34); /* still at the same byte */
    assert_int_equal(COUNTER(ether_sent), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(truncated),          TEST(destination), TEST(types),
        TEST(source_is_one_host), TEST(snap),        TEST(output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
