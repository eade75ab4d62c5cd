/* A socket as a file (read, write, poll, ioctl, stat), and what ICMP brings to sockets: errors,
 * and the replies that ping waits for. */
#include "socket_fixture.h"

#include "net/socket_internal.h"
#include "net/wire.h"

#define LOOPBACK BE32(0x7f000001)

static struct socket *connected_socket(void)
{
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    return socket;
}

static void arrive(const void *payload, size_t n)
{
    struct datagram datagram = datagram_with(payload, n);
    datagram_arrive(&datagram);
}

static int poll_now(struct socket *socket)
{
    struct file *file = file_of(socket);
    return file->ops->poll(file, NULL);
}

static void test_read_and_write(void **state)
{
    (void)state;
    struct file *file = file_of(connected_socket());
    uint8_t got[8];
    size_t length;
    arrive("abc", 3);
    struct uio uio = host_uio(got, 0);
    assert_int_equal(file->ops->read(file, &uio), 0); /* does not cost the datagram */
    uio = host_uio(got, sizeof(got));
    assert_int_equal(file->ops->read(file, &uio), 3);
    file->flags |= O_NONBLOCK;
    assert_int_equal(file->ops->read(file, &uio), -EAGAIN);
    uio = host_uio("hello", 5);
    assert_int_equal(file->ops->write(file, &uio), 5);
    sent_packet(&length);
    assert_int_equal(length, 33);
}

static void test_poll_bits(void **state)
{
    (void)state;
    struct socket *socket = connected_socket();
    uint8_t byte;
    assert_int_equal(poll_now(udp_socket()), POLLOUT);
    assert_int_equal(poll_now(socket), POLLOUT);
    arrive("abc", 3);
    assert_int_equal(poll_now(socket), POLLIN | POLLOUT);
    assert_int_equal(receive(socket, &byte, 1, 0), 1);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(1000), ECONNREFUSED);
    assert_int_equal(poll_now(socket), POLLOUT | POLLERR);
    assert_int_equal(receive(socket, &byte, 1, 0), -ECONNREFUSED);
    assert_int_equal(poll_now(socket), POLLOUT);
    assert_int_equal(socket_shutdown(socket, SHUT_RD), 0);
    assert_int_equal(poll_now(socket), POLLIN | POLLOUT);
    assert_int_equal(socket_shutdown(socket, SHUT_WR), 0);
    assert_int_equal(poll_now(socket), POLLIN | POLLOUT | POLLHUP);
}

static void test_poll_joins_the_queue_that_is_woken(void **state)
{
    (void)state;
    struct socket *socket = connected_socket();
    struct file *file = file_of(socket);
    struct waiter waiter = {0};
    assert_int_equal(file->ops->poll(file, &waiter), POLLOUT);
    assert_ptr_equal(waiter.queue, &socket->changed);
    unsigned wakes = host_wakes(waiter.queue);
    arrive("abc", 3);
    assert_int_equal(host_wakes(waiter.queue), wakes + 1);
    waiter_remove(&waiter);
}

static void test_stat_and_readable_bytes(void **state)
{
    (void)state;
    struct file *file = file_of(connected_socket());
    struct stat stat;
    int32_t readable = -1;
    assert_int_equal(file->ops->stat(file, &stat), 0);
    assert_true(S_ISSOCK(stat.st_mode));
    assert_int_equal(file->ops->ioctl(file, FIONREAD, &readable), 0);
    assert_int_equal(readable, 0);
    arrive("abc", 3);
    arrive("defgh", 5);
    assert_int_equal(file->ops->ioctl(file, FIONREAD, &readable), 0);
    assert_int_equal(readable, 3); /* of the next one only */
    assert_int_equal(file->ops->ioctl(file, 0x1234, &readable), -ENOTTY);
}

/* --- ICMP errors: U3, C10 --- */

static void test_error_reaches_the_connected_socket(void **state)
{
    (void)state;
    uint8_t byte;
    struct socket *socket = udp_socket(), *other = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    assert_int_equal(bind_to(other, 0, 8), 0);
    unsigned wakes = host_wakes(&socket->changed);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
    assert_int_equal(host_wakes(&socket->changed), wakes + 1);
    assert_int_equal(receive(socket, &byte, 1, 0), -ECONNREFUSED);
    assert_int_equal(receive(socket, &byte, 1, 0), -EAGAIN); /* once */
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
    assert_int_equal(send_to(socket, "x", 1, 0, 0), -ECONNREFUSED);
    assert_int_equal(send_to(socket, "x", 1, 0, 0), 1);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(get_option(other, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(counter(NET_socket_icmp_errors), 3);
}

static void test_error_of_another_flow_is_not_ours(void **state)
{
    (void)state;
    struct socket *socket = udp_socket(), *unconnected = udp_socket(), *ping = ping_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    assert_int_equal(bind_to(unconnected, 0, 8), 0);
    assert_int_equal(bind_to(ping, 0, 7), 0);
    assert_int_equal(connect_to(ping, PEER_ADDRESS, 0), 0);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(10), ECONNREFUSED);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), OTHER_ADDRESS, htons(9), ECONNREFUSED);
    socket_icmp_error(IPPROTO_UDP, LOOPBACK, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(8), PEER_ADDRESS, htons(9), ECONNREFUSED);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(get_option(unconnected, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(get_option(ping, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(counter(NET_socket_icmp_unclaimed), 4);
    /* An echo request's error finds its socket by identifier and peer. */
    socket_icmp_error(IPPROTO_ICMP, OWN_ADDRESS, htons(7), PEER_ADDRESS, 0, EHOSTUNREACH);
    assert_int_equal(get_option(ping, SOL_SOCKET, SO_ERROR), EHOSTUNREACH);
}

static void test_reconnecting_forgets_the_error(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
    assert_int_equal(connect_to(socket, OTHER_ADDRESS, 9), 0);
    assert_int_equal(get_option(socket, SOL_SOCKET, SO_ERROR), 0);
}

/* --- ping --- */

static const uint8_t request[12] = {
    ICMP_ECHO_REQUEST, 0, 0xee, 0xee, 0xee, 0xee, 0, 9, 'p', 'i', 'n', 'g'};

/* An echo reply as icmp_input hands it over. */
static bool reply_arrive(be32_t source, uint16_t identifier)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    uint8_t *bytes = mbuf_append(m, sizeof(request));
    memcpy(bytes, request, sizeof(request));
    bytes[0] = ICMP_ECHO_REPLY;
    m->source = source;
    m->destination = OWN_ADDRESS;
    m->dev = &eth.dev;
    bool delivered = socket_deliver(m, IPPROTO_ICMP, htons(identifier));
    if (!delivered)
        mbuf_free(m);
    return delivered;
}

static void test_ping_request_is_completed(void **state)
{
    (void)state;
    size_t length;
    struct socket *socket = ping_socket();
    assert_int_equal(send_to(socket, request, sizeof(request), PEER_ADDRESS, 77), sizeof(request));
    const uint8_t *packet = sent_packet(&length);
    assert_int_equal(length, 20 + sizeof(request));
    assert_int_equal(packet[9], IPPROTO_ICMP);
    assert_int_equal(packet[20], ICMP_ECHO_REQUEST);
    assert_int_equal(get16(packet + 24), local_port(socket));
    assert_true(local_port(socket) >= 49152);
    assert_int_equal(get16(packet + 26), 9);
    assert_memory_equal(packet + 28, "ping", 4);
    assert_int_equal(checksum_finish(checksum_add(0, packet + 20, sizeof(request))), 0);
}

static void test_ping_sends_echo_requests_only(void **state)
{
    (void)state;
    struct socket *socket = ping_socket();
    uint8_t bad[12];
    assert_int_equal(send_to(socket, request, 7, PEER_ADDRESS, 0), -EINVAL);
    memcpy(bad, request, sizeof(bad));
    bad[0] = ICMP_ECHO_REPLY;
    assert_int_equal(send_to(socket, bad, sizeof(bad), PEER_ADDRESS, 0), -EINVAL);
    bad[0] = ICMP_ECHO_REQUEST;
    bad[1] = 1;
    assert_int_equal(send_to(socket, bad, sizeof(bad), PEER_ADDRESS, 0), -EINVAL);
    assert_int_equal(eth.frame_count, 0);
}

/* C17: replies reach the user, each the socket that asked. */
static void test_ping_replies_are_matched(void **state)
{
    (void)state;
    struct socket *one = ping_socket(), *two = ping_socket();
    struct sockaddr_in from;
    uint8_t got[32];
    assert_int_equal(bind_to(one, 0, 500), 0);
    assert_int_equal(bind_to(two, 0, 501), 0);
    assert_int_equal(connect_to(two, PEER_ADDRESS, 1234), 0);
    assert_true(reply_arrive(PEER_ADDRESS, 500));
    assert_true(reply_arrive(PEER_ADDRESS, 501));
    assert_false(reply_arrive(PEER_ADDRESS, 502));
    assert_false(reply_arrive(OTHER_ADDRESS, 501)); /* connected elsewhere */
    struct uio uio = host_uio(got, sizeof(got));
    assert_int_equal(socket_recvfrom(one, &uio, MSG_DONTWAIT, &from), sizeof(request));
    assert_int_equal(got[0], ICMP_ECHO_REPLY);
    assert_int_equal(from.sin_addr.s_addr, PEER_ADDRESS);
    assert_int_equal(from.sin_port, 0);
    assert_int_equal(receive(one, got, sizeof(got), 0), -EAGAIN);
    assert_int_equal(receive(two, got, sizeof(got), 0), sizeof(request));
    assert_int_equal(receive(two, got, sizeof(got), 0), -EAGAIN);
}

/* An identifier is no UDP port. */
static void test_ping_and_udp_are_kept_apart(void **state)
{
    (void)state;
    struct socket *udp = udp_socket();
    assert_int_equal(bind_to(udp, 0, 500), 0);
    assert_false(reply_arrive(PEER_ADDRESS, 500));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_read_and_write),
        FIXTURE_TEST(test_poll_bits),
        FIXTURE_TEST(test_poll_joins_the_queue_that_is_woken),
        FIXTURE_TEST(test_stat_and_readable_bytes),
        FIXTURE_TEST(test_error_reaches_the_connected_socket),
        FIXTURE_TEST(test_error_of_another_flow_is_not_ours),
        FIXTURE_TEST(test_reconnecting_forgets_the_error),
        FIXTURE_TEST(test_ping_request_is_completed),
        FIXTURE_TEST(test_ping_sends_echo_requests_only),
        FIXTURE_TEST(test_ping_replies_are_matched),
        FIXTURE_TEST(test_ping_and_udp_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
