/* setsockopt and getsockopt (net/socket_options.c). What IP_TTL and IP_TOS do is in test_udp.c,
 * SO_BROADCAST and SO_RCVTIMEO in test_socket_io.c, SO_REUSEADDR in test_socket.c, SO_ERROR in
 * test_socket_file.c. */
#include "socket_fixture.h"

#include "net/socket_internal.h"

static void test_options(void **state)
{
    (void)state;
    struct socket *socket = udp_socket(), *ping = ping_socket();
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_DOMAIN), AF_INET);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
    assert_int_equal(get_option(ping, SOL_SOCKET, SO_PROTOCOL), IPPROTO_ICMP);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_BROADCAST), 0);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 5), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_BROADCAST), 1);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_ERROR, 0), -ENOPROTOOPT);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_TYPE, 0), -ENOPROTOOPT);
    assert_int_equal(set_option(socket, 6, 1, 0), -ENOPROTOOPT);
    assert_int_equal(get_option(socket, SOL_SOCKET, 999), -ENOPROTOOPT);
    assert_int_equal(get_option(socket, 0, SOL_SOCKET << 16 | SO_TYPE), -ENOPROTOOPT);
    assert_int_equal(get_option(socket, -1, -1), -ENOPROTOOPT);
    int value = 1;
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_BROADCAST, &value, 3), -EINVAL);
}

static void test_ttl_and_tos_bounds(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    static const int bad_ttl[] = {0, 256, -2}, bad_tos[] = {-1, 256};
    for (unsigned i = 0; i < ARRAY_SIZE(bad_ttl); i++)
        assert_int_equal(set_option(socket, IPPROTO_IP, IP_TTL, bad_ttl[i]), -EINVAL);
    for (unsigned i = 0; i < ARRAY_SIZE(bad_tos); i++)
        assert_int_equal(set_option(socket, IPPROTO_IP, IP_TOS, bad_tos[i]), -EINVAL);
    assert_int_equal(set_option(socket, IPPROTO_IP, IP_TTL, 255), 0);
    assert_int_equal(get_option(socket, IPPROTO_IP, IP_TTL), 255);
    assert_int_equal(set_option(socket, IPPROTO_IP, IP_TTL, -1), 0);
    assert_int_equal(get_option(socket, IPPROTO_IP, IP_TTL), IP_TTL_DEFAULT);
}

static void test_short_option_buffer_gets_the_first_bytes(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    uint8_t bytes[2] = {0xee, 0xee};
    socklen_t length = 1;
    assert_int_equal(socket_getsockopt(socket, SOL_SOCKET, SO_TYPE, bytes, &length), 0);
    assert_int_equal(length, 1);
    assert_int_equal(bytes[0], SOCK_DGRAM);
    assert_int_equal(bytes[1], 0xee);
}

static void test_timeouts_are_checked(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    static const struct timeval bad[] = {{-1, 0}, {0, -1}, {0, 1000000}};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &bad[i], 16), -EINVAL);
    struct timeval endless = {.tv_sec = INT64_MAX}, got = {1, 1};
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &endless, 15), -EINVAL);
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &endless, 16), 0);
    socklen_t length = sizeof(got);
    assert_int_equal(socket_getsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &got, &length), 0);
    assert_int_equal(got.tv_sec, 0); /* no limit */
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &endless, 16), 0);
}

static void test_receive_capacity(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct datagram datagram = datagram_with("x", 1);
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_RCVBUF), SOCKET_CAPACITY_DEFAULT);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_RCVBUF, 0), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_RCVBUF), SOCKET_CAPACITY_MIN);
    datagram_arrive(&datagram);
    datagram_arrive(&datagram);
    assert_int_equal(counter(NET_socket_queued), 1); /* never less than one */
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_RCVBUF, INT32_MAX), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_RCVBUF), SOCKET_CAPACITY_MAX);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_RCVBUF, 3 * 4096), 0);
    for (int i = 0; i < 5; i++)
        datagram_arrive(&datagram);
    assert_int_equal(counter(NET_socket_queued), 3);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_SNDBUF, 8192), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_SNDBUF), 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_options),
        FIXTURE_TEST(test_ttl_and_tos_bounds),
        FIXTURE_TEST(test_short_option_buffer_gets_the_first_bytes),
        FIXTURE_TEST(test_timeouts_are_checked),
        FIXTURE_TEST(test_receive_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
