/* UDP (net/udp.c): rows U1, U4-U7, U9-U11 of the requirement table, with byte arrays in and frames
 * out. */
#include "socket_fixture.h"

#include "net/wire.h"

#define FRAME_UDP_AT 34

/* A socket on port 7, and the length of what it got: -EAGAIN if nothing. */
static ssize_t outcome(const struct datagram *datagram)
{
    uint8_t got[2048];
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    datagram_arrive(datagram);
    ssize_t n = receive(socket, got, sizeof(got), 0);
    if (n > 0)
        assert_memory_equal(got, datagram->payload, (size_t)n);
    socket_end(socket);
    return n;
}

/* --- U10: lengths --- */

static void test_truncated_datagrams_are_dropped(void **state)
{
    (void)state;
    static const uint8_t payload[56];
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    struct datagram datagram = datagram_with(payload, sizeof(payload));
    for (size_t cut = 1; cut <= 64; cut++) {
        datagram_arrive_cut(&datagram, cut);
        assert_int_equal(counter(NET_udp_bad_length), cut);
    }
    assert_int_equal(receive(socket, NULL, 0, 0), -EAGAIN);
}

static void test_length_field_below_the_header_is_dropped(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abcd", 4);
    for (int length = 1; length < 8; length++) {
        datagram.udp_length = length;
        assert_int_equal(outcome(&datagram), -EAGAIN);
        assert_int_equal(counter(NET_udp_bad_length), length);
    }
}

static void test_length_field_beyond_the_packet_is_dropped(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abcd", 4);
    datagram.udp_length = 13;
    assert_int_equal(outcome(&datagram), -EAGAIN);
    assert_int_equal(counter(NET_udp_bad_length), 1);
}

static void test_shorter_length_field_trims(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abcd", 4);
    datagram.udp_length = 10;
    assert_int_equal(outcome(&datagram), 2);
    datagram.udp_length = 8;
    assert_int_equal(outcome(&datagram), 0);
}

/* --- U5, U7: received checksums --- */

static void test_wrong_checksum_is_dropped(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.checksum = CHECKSUM_WRONG;
    assert_int_equal(outcome(&datagram), -EAGAIN);
    assert_int_equal(counter(NET_udp_bad_checksum), 1);
    assert_int_equal(eth.frame_count, 0); /* silently */
}

static void test_any_flipped_bit_is_noticed(void **state)
{
    (void)state;
    uint8_t payload[5] = "hello";
    struct datagram good = datagram_with(payload, sizeof(payload));
    uint8_t packet[64];
    datagram_build(&good, packet);
    int right = get16(packet + 26);
    for (unsigned bit = 0; bit < 40; bit++) {
        struct datagram bad = good;
        bad.checksum = right;
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(outcome(&bad), -EAGAIN);
        payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(counter(NET_udp_bad_checksum), 40);
    assert_int_equal(outcome(&good), 5);
}

static void test_no_checksum_is_accepted(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.checksum = 0;
    assert_int_equal(outcome(&datagram), 3);
}

static void test_checksum_that_the_device_verified_is_believed(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.checksum = CHECKSUM_WRONG;
    datagram.mbuf_flags = MBUF_CSUM_VERIFIED;
    assert_int_equal(outcome(&datagram), 3);
}

/* The pseudo-header is part of the sum: a datagram that was meant for another host does not pass.
 */
static void test_checksum_covers_the_addresses(void **state)
{
    (void)state;
    struct datagram other = datagram_with("abc", 3), datagram = other;
    uint8_t packet[64];
    other.destination = OTHER_ADDRESS;
    datagram_build(&other, packet);
    datagram.checksum = get16(packet + 26);
    assert_int_equal(outcome(&datagram), -EAGAIN);
    assert_int_equal(counter(NET_udp_bad_checksum), 1);
}

/* --- U9: sources --- */

/* "By UDP or by the IP layer" (RFC 1122, 4.1.3.6): through both of them nothing gets to the socket.
 */
static void test_invalid_sources_are_dropped(void **state)
{
    (void)state;
    static const be32_t invalid[] = {0, BE32(0xffffffff), BE32(0xe0000001), SUBNET_ALL};
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(invalid); i++) {
        struct datagram datagram = datagram_with("abc", 3);
        datagram.source = invalid[i];
        datagram_arrive_in_frame(&datagram);
        assert_int_equal(counter(NET_ip_bad_source), i + 1);
    }
    assert_int_equal(receive(socket, NULL, 0, 0), -EAGAIN);
    assert_int_equal(eth.frame_count, 0);
}

/* --- U1: closed ports --- */

static void test_closed_port_is_answered(void **state)
{
    (void)state;
    uint8_t packet[64];
    size_t length;
    struct datagram datagram = datagram_with("abcdefgh", 8);
    size_t n = datagram_build(&datagram, packet);
    datagram_arrive_in_frame(&datagram);
    assert_int_equal(counter(NET_udp_no_port), 1);
    const uint8_t *answer = sent_packet(&length);
    assert_int_equal(answer[9], IPPROTO_ICMP);
    assert_memory_equal(answer + 16, &datagram.source, 4);
    assert_int_equal(answer[20], ICMP_UNREACHABLE);
    assert_int_equal(answer[21], ICMP_UNREACHABLE_PORT);
    assert_true(length >= 20 + 8 + 28);
    assert_memory_equal(answer + 28, packet, MIN(n, length - 28)); /* C3: quoted unchanged */
}

static void test_broadcast_to_a_closed_port_is_not_answered(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.destination = SUBNET_ALL;
    datagram_arrive_in_frame(&datagram);
    assert_int_equal(counter(NET_udp_no_port), 1);
    assert_int_equal(eth.frame_count, 0);
}

static void test_wrong_checksum_to_a_closed_port_is_not_answered(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.checksum = CHECKSUM_WRONG;
    datagram_arrive_in_frame(&datagram);
    assert_int_equal(eth.frame_count, 0);
}

/* --- U4, U6: what is sent --- */

/* Sends n bytes and checks every field of the header. */
static void check_sent(struct socket *socket, const uint8_t *payload, size_t n)
{
    size_t length;
    fakenet_clear(&eth);
    assert_int_equal(send_to(socket, payload, n, PEER_ADDRESS, 9), n);
    const uint8_t *packet = sent_packet(&length), *udp = packet + 20;
    assert_int_equal(length, 28 + n);
    assert_int_equal(packet[9], IPPROTO_UDP);
    assert_int_equal(get16(udp), 1234);
    assert_int_equal(get16(udp + 2), 9);
    assert_int_equal(get16(udp + 4), 8 + n);
    assert_int_not_equal(get16(udp + 6), 0);
    assert_int_equal(reference_checksum(OWN_ADDRESS, PEER_ADDRESS, udp, 8 + n), 0);
    if (n)
        assert_memory_equal(udp + 8, payload, n);
}

static void test_sent_header_and_checksum(void **state)
{
    (void)state;
    uint8_t payload[1472];
    for (unsigned i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7 + 3);
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 1234), 0);
    static const size_t sizes[] = {0, 1, 2, 3, 17, 512, 1471, 1472};
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
        check_sent(socket, payload, sizes[i]);
    assert_int_equal(counter(NET_udp_sent), ARRAY_SIZE(sizes));
}

/* Of all two-byte payloads exactly one makes the computed sum 0. */
static void test_computed_zero_is_sent_as_ones(void **state)
{
    (void)state;
    size_t length;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 1234), 0);
    assert_int_equal(send_to(socket, "\0\0", 2, PEER_ADDRESS, 9), 2);
    /* Adding the complement of the rest to the sum brings it to all ones. */
    uint16_t missing = get16(sent_packet(&length) + 26);
    uint8_t payload[2] = {(uint8_t)(missing >> 8), (uint8_t)missing};
    fakenet_clear(&eth);
    assert_int_equal(send_to(socket, payload, 2, PEER_ADDRESS, 9), 2);
    assert_int_equal(get16(sent_packet(&length) + 26), 0xffff);
}

/* What the device would do with such a frame (virtio 1.2, 5.1.6.2). */
static void test_partial_checksum_can_be_completed_by_the_device(void **state)
{
    (void)state;
    eth.dev.offload_checksum = true;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 1234), 0);
    assert_int_equal(send_to(socket, "hello", 5, PEER_ADDRESS, 9), 5);
    const struct fakenet_frame *frame = &eth.frames[0];
    assert_true(frame->flags & MBUF_CSUM_PARTIAL);
    assert_int_equal(frame->csum_start, FRAME_UDP_AT);
    assert_int_equal(frame->csum_offset, 6);
    uint8_t *udp = frame->bytes + FRAME_UDP_AT;
    uint16_t sum = checksum_finish(checksum_add(0, udp, 13));
    memcpy(udp + 6, &sum, 2);
    assert_int_equal(reference_checksum(OWN_ADDRESS, PEER_ADDRESS, udp, 13), 0);
}

/* --- U11, I10, I13 --- */

static void test_ttl_and_tos_are_the_sockets(void **state)
{
    (void)state;
    size_t length;
    struct socket *socket = udp_socket();
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    assert_int_equal(sent_packet(&length)[8], IP_TTL_DEFAULT);
    assert_int_equal(set_option(socket, IPPROTO_IP, IP_TTL, 3), 0);
    assert_int_equal(set_option(socket, IPPROTO_IP, IP_TOS, 0x10), 0);
    fakenet_clear(&eth);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    assert_int_equal(sent_packet(&length)[8], 3);
    assert_int_equal(sent_packet(&length)[1], 0x10);
}

/* --- The books --- */

/* Received = delivered to a socket + the sum of the drops. */
static void test_every_datagram_is_accounted_for(void **state)
{
    (void)state;
    struct datagram datagram = datagram_with("abc", 3);
    outcome(&datagram);
    datagram.udp_length = 7;
    outcome(&datagram);
    datagram = datagram_with("abc", 3);
    datagram.checksum = CHECKSUM_WRONG;
    outcome(&datagram);
    datagram.checksum = CHECKSUM_RIGHT;
    datagram_arrive(&datagram); /* no socket now */
    assert_int_equal(counter(NET_udp_received), 4);
    assert_int_equal(counter(NET_socket_queued) + counter(NET_udp_bad_length) +
                         counter(NET_udp_bad_checksum) + counter(NET_udp_no_port),
                     4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_truncated_datagrams_are_dropped),
        FIXTURE_TEST(test_length_field_below_the_header_is_dropped),
        FIXTURE_TEST(test_length_field_beyond_the_packet_is_dropped),
        FIXTURE_TEST(test_shorter_length_field_trims),
        FIXTURE_TEST(test_wrong_checksum_is_dropped),
        FIXTURE_TEST(test_any_flipped_bit_is_noticed),
        FIXTURE_TEST(test_no_checksum_is_accepted),
        FIXTURE_TEST(test_checksum_that_the_device_verified_is_believed),
        FIXTURE_TEST(test_checksum_covers_the_addresses),
        FIXTURE_TEST(test_invalid_sources_are_dropped),
        FIXTURE_TEST(test_closed_port_is_answered),
        FIXTURE_TEST(test_broadcast_to_a_closed_port_is_not_answered),
        FIXTURE_TEST(test_wrong_checksum_to_a_closed_port_is_not_answered),
        FIXTURE_TEST(test_sent_header_and_checksum),
        FIXTURE_TEST(test_computed_zero_is_sent_as_ones),
        FIXTURE_TEST(test_partial_checksum_can_be_completed_by_the_device),
        FIXTURE_TEST(test_ttl_and_tos_are_the_sockets),
        FIXTURE_TEST(test_every_datagram_is_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
