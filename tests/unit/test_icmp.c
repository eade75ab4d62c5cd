/* net/icmp.c: echo, and what is not answered, by the rows C1, C2, C13 to C18 of the requirement table. */
#include "icmp_fixture.h"

/* --- echo --- */

/* C14, C15, C16: the whole of the data come back unchanged, from the address that was asked. */
static void test_echo(void **state)
{
    (void)state;
    uint8_t data[1472];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13);
    const size_t sizes[] = {0, 1, 2, 3, 56, 511, 1472};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t n = sizes[i];
        receive(ICMP_ECHO_REQUEST, 0, BE32(0x12345678), data, n);
        assert_int_equal(eth0.frame_count, i + 1);
        const struct fakenet_frame *sent = &eth0.frames[i];
        const struct ip_header *ip = (const struct ip_header *)(sent->bytes + 14);
        assert_int_equal(sent->length, 14 + 20 + 8 + n);
        assert_memory_equal(sent->bytes, peer, 6);
        assert_int_equal(ip->source, OWN);
        assert_int_equal(ip->destination, PEER);
        assert_int_equal(ip->protocol, IPPROTO_ICMP);
        assert_int_equal(sent->bytes[34], ICMP_ECHO_REPLY);
        assert_memory_equal(sent->bytes + 38, frame.bytes + 38, 4 + n);
        assert_true(sum_is_right(sent->bytes + 34, 8 + n));
        assert_int_equal(sent->flags, 0);
    }
    assert_int_equal(COUNTER(icmp_echo_replies_sent), ARRAY_SIZE(sizes));
}

/* The checksum is changed, not computed anew: at its corners too. */
static void test_echo_checksum_corners(void **state)
{
    (void)state;
    for (uint32_t word = 0xf700 - 3; word <= 0xf700 + 3; word++) {
        fakenet_clear(&eth0);
        receive(ICMP_ECHO_REQUEST, 0, htonl(word), NULL, 0); /* the sum is all ones, or all but */
        assert_true(sum_is_right(eth0.frames[0].bytes + 34, 8));
    }
}

/* The type of service comes back as well (RFC 1122, 3.2.1.6); options do not disturb. */
static void test_echo_with_options(void **state)
{
    (void)state;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
    frame_ip(&frame, IPPROTO_ICMP, PEER, OWN, 4 + 8 + 4);
    frame_data(&frame, 1, 4); /* an option of "no operation" and others */
    memcpy(frame.bytes + 34, (uint8_t[]){1, 1, 1, 0}, 4);
    frame_icmp(&frame, ICMP_ECHO_REQUEST, 0, 5, "abcd", 4);
    frame.bytes[14] = 0x46;
    frame.bytes[15] = 0x10;
    frame_ip_fix(&frame, 14);
    fakenet_receive(&eth0, frame.bytes, frame.length);
    assert_int_equal(eth0.frames[0].length, 14 + 20 + 8 + 4);
    assert_int_equal(eth0.frames[0].bytes[15], 0x10);
    assert_memory_equal(eth0.frames[0].bytes + 42, "abcd", 4);
}

/* C16: the address that was asked answers, though the way back is another interface's. */
static void test_echo_of_another_address_of_ours(void **state)
{
    (void)state;
    static struct fakenet eth1;
    const be32_t other = BE32(0xc0a80101);
    fakenet_init(&eth1, "eth1", 2);
    assert_int_equal(ip_set_address(&eth1.dev, other, MASK24), 0);
    fakenet_clear(&eth1);
    receive_from(eth0.dev.mac, PEER, other, ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(((const struct ip_header *)(eth0.frames[0].bytes + 14))->source, other);
    fakenet_clear(&eth1);
}

static void test_echo_to_a_group_is_not_answered(void **state)
{
    (void)state;
    receive_from(ether_broadcast, PEER, ALL, ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    receive_from(ether_broadcast, PEER, BE32(0x0a0002ff), ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    receive_from(eth0.dev.mac, PEER, BE32(0x0a0002ff), ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    assert_int_equal(COUNTER(icmp_echo_broadcast), 3);
    assert_int_equal(eth0.frame_count, 0);
}

static void test_echo_without_a_way_back(void **state)
{
    (void)state;
    receive_from(eth0.dev.mac, BE32(0x08080808), OWN, ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    assert_int_equal(COUNTER(icmp_echo_no_way), 1);
    assert_int_equal(eth0.frame_count, 0);
}

/* An mbuf without room in front is moved, not refused. */
static void test_echo_without_headroom(void **state)
{
    (void)state;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
    frame_ip(&frame, IPPROTO_ICMP, PEER, OWN, 8 + 40);
    frame_icmp(&frame, ICMP_ECHO_REQUEST, 0, 5, frame.bytes, 40);
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    m->data = m->buffer + FRAME_OFFSET;
    m->flags = MBUF_CSUM_VERIFIED; /* says nothing about the reply */
    memcpy(mbuf_append(m, (uint32_t)frame.length), frame.bytes, frame.length);
    struct list frames;
    list_init(&frames);
    list_push_back(&frames, &m->node);
    netdev_input(&eth0.dev, &frames);
    assert_int_equal(eth0.frame_count, 1);
    assert_memory_equal(eth0.frames[0].bytes + 38, frame.bytes + 38, 44);
    assert_int_equal(eth0.frames[0].flags, 0);
}

/* --- what is not answered --- */

/* Every length of a truncated frame, of each kind. */
static void test_truncated(void **state)
{
    (void)state;
    const uint8_t types[] = {0, 3, 4, 5, 8, 11, 12, 13, 15, 17, 40};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        for (size_t n = 0; n <= 64; n++) {
            frame.length = 0;
            frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
            frame_ip(&frame, IPPROTO_ICMP, PEER, OWN, n);
            frame_icmp(&frame, types[i], 0, 0, frame.bytes, n > 8 ? n - 8 : 0);
            frame.length = 34 + n;
            fakenet_receive(&eth0, frame.bytes, frame.length);
            fakenet_assert_no_leak();
            fakenet_clear(&eth0);
        }
    }
    assert_int_equal(COUNTER(icmp_too_short), 8 * ARRAY_SIZE(types));
}

/* C2: each bit of a message. */
static void test_checksum(void **state)
{
    (void)state;
    receive(ICMP_ECHO_REQUEST, 0, 0x1234, "xyz", 3);
    for (unsigned bit = 0; bit < 8 * 11; bit++) {
        frame.bytes[34 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        fakenet_receive(&eth0, frame.bytes, frame.length);
        frame.bytes[34 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(COUNTER(icmp_bad_checksum), 88);
    assert_int_equal(eth0.frame_count, 1);
}

/* C1, C13, C18: unknown types, Source Quench, Redirect, timestamp, information and mask requests. */
static void test_types_without_an_answer(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        if (type != ICMP_ECHO_REQUEST)
            receive((uint8_t)type, 0, 0, NULL, 0);
    }
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(COUNTER(icmp_source_quench), 1);
    assert_int_equal(COUNTER(icmp_redirect), 1);
    assert_int_equal(COUNTER(icmp_echo_no_socket), 1);
    assert_int_equal(COUNTER(icmp_error_bad_quote), 3);
    assert_int_equal(COUNTER(icmp_unknown_type), 255 - 6);
}

/* C17 */
static void test_echo_reply_reaches_the_socket(void **state)
{
    (void)state;
    struct file *file = socket_open(IPPROTO_ICMP);
    struct sockaddr_in own, from;
    socket_getsockname(socket_from_file(file), &own);
    uint8_t reply[64];
    struct uio uio = host_uio(reply, sizeof(reply));
    receive(ICMP_ECHO_REPLY, 0, (be32_t)own.sin_port | (be32_t)BE16(3) << 16, "data", 4);
    assert_int_equal(COUNTER(icmp_echo_replies_delivered), 1);
    assert_int_equal(socket_recvfrom(socket_from_file(file), &uio, MSG_DONTWAIT, &from), 12);
    assert_memory_equal(reply + 8, "data", 4);
    assert_int_equal(from.sin_addr.s_addr, PEER);
    assert_int_equal(from.sin_port, 0);
    receive(ICMP_ECHO_REPLY, 0, (be32_t)(uint16_t)~own.sin_port, "data", 4);
    assert_int_equal(COUNTER(icmp_echo_no_socket), 1);
    file_release(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(echo),
        TEST(echo_checksum_corners),
        TEST(echo_with_options),
        TEST(echo_of_another_address_of_ours),
        TEST(echo_to_a_group_is_not_answered),
        TEST(echo_without_a_way_back),
        TEST(echo_without_headroom),
        TEST(truncated),
        TEST(checksum),
        TEST(types_without_an_answer),
        TEST(echo_reply_reaches_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
