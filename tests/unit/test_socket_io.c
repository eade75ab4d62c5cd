/* Sockets: sending, receiving, the bounded queue, sleeping, shutdown (net/socket_send.c, socket_receive.c). */
#include "socket_fixture.h"

#include "net/netdev.h"
#include "net/socket_batch.h"
#include "net/socket_internal.h"
#include "net/wire.h"

static struct socket *bound_socket(void)
{
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    return socket;
}

static void arrive(const void *payload, size_t n)
{
    struct datagram datagram = datagram_with(payload, n);
    datagram_arrive(&datagram);
}

/* --- Sending --- */

static void test_send_needs_an_address(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct uio uio = host_uio("x", 1);
    struct sockaddr_in to = name_of(PEER_ADDRESS, 9);
    assert_int_equal(send_to(socket, "x", 1, 0, 0), -EDESTADDRREQ);
    assert_int_equal(socket_sendto(socket, &uio, 0, (struct sockaddr *)&to, 15), -EINVAL);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 0), -EINVAL);
    to.sin_family = 10;
    assert_int_equal(socket_sendto(socket, &uio, 0, (struct sockaddr *)&to, 16), -EAFNOSUPPORT);
    assert_int_equal(socket_sendto(socket, &uio, MSG_PEEK, NULL, 0), -EOPNOTSUPP);
    assert_int_equal(send_to(socket, "x", 1, BE32(0x08080808), 9), -ENETUNREACH);
    assert_int_equal(eth.frame_count, 0);
}

static void test_first_send_binds(void **state)
{
    (void)state;
    size_t length;
    struct socket *socket = udp_socket();
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    uint16_t port = local_port(socket);
    assert_true(port >= 49152);
    assert_int_equal(get16(sent_packet(&length) + 20), port);
    assert_int_equal(local_address(socket), 0);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    assert_int_equal(local_port(socket), port);
}

/* U8: what bind() has said is the source, not what the way would choose. */
static void test_bound_address_is_the_source(void **state)
{
    (void)state;
    const be32_t own = BE32(0x7f000001), other = BE32(0x7f000002);
    struct socket *sender = udp_socket(), *receiver = udp_socket();
    struct sockaddr_in from;
    uint8_t got[8];
    assert_int_equal(bind_to(receiver, own, 9), 0);
    assert_int_equal(bind_to(sender, other, 10), 0);
    assert_int_equal(send_to(sender, "abc", 3, own, 9), 3);
    host_thread_run("lo");
    struct uio uio = host_uio(got, sizeof(got));
    assert_int_equal(socket_recvfrom(receiver, &uio, MSG_DONTWAIT, &from), 3);
    assert_int_equal(from.sin_addr.s_addr, other);
    assert_int_equal(from.sin_port, htons(10));
}

static void test_connected_socket_may_send_elsewhere(void **state)
{
    (void)state;
    size_t length;
    struct socket *socket = udp_socket();
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    assert_int_equal(send_to(socket, "x", 1, 0, 0), 1);
    assert_int_equal(get16(sent_packet(&length) + 22), 9);
    fakenet_clear(&eth);
    assert_int_equal(send_to(socket, "x", 1, OTHER_ADDRESS, 10), 1);
    be32_t other = OTHER_ADDRESS;
    assert_memory_equal(sent_packet(&length) + 16, &other, 4);
    assert_int_equal(get16(sent_packet(&length) + 22), 10);
}

static void test_broadcast_needs_permission(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(send_to(socket, "x", 1, SUBNET_ALL, 9), -EACCES);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    assert_int_equal(send_to(socket, "x", 1, SUBNET_ALL, 9), 1);
    assert_int_equal(eth.frame_count, 1);
    assert_memory_equal(eth.frames[0].bytes, ether_broadcast, 6); /* B2 */
}

static void test_oversize_is_refused(void **state)
{
    (void)state;
    static uint8_t bytes[65508];
    struct socket *socket = udp_socket(), *ping = ping_socket();
    assert_int_equal(send_to(socket, bytes, 1472, PEER_ADDRESS, 9), 1472);
    assert_int_equal(send_to(socket, bytes, 1473, PEER_ADDRESS, 9), -EMSGSIZE);
    assert_int_equal(send_to(socket, bytes, 65507, PEER_ADDRESS, 9), -EMSGSIZE);
    assert_int_equal(send_to(socket, bytes, 65508, PEER_ADDRESS, 9), -EMSGSIZE);
    assert_int_equal(send_to(socket, bytes, SIZE_MAX - 27, PEER_ADDRESS, 9), -EMSGSIZE);
    bytes[0] = ICMP_ECHO_REQUEST;
    assert_int_equal(send_to(ping, bytes, 1480, PEER_ADDRESS, 0), 1480);
    assert_int_equal(send_to(ping, bytes, 1481, PEER_ADDRESS, 0), -EMSGSIZE);
    assert_int_equal(netdev_set_mtu(&eth.dev, 600), 0);
    assert_int_equal(send_to(socket, bytes, 573, PEER_ADDRESS, 9), -EMSGSIZE);
    assert_int_equal(eth.frame_count, 2);
}

static void test_sender_is_told_of_a_full_device(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    eth.refuse = -ENOBUFS;
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -ENOBUFS);
    eth.refuse = 0;
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    assert_int_equal(counter(NET_udp_sent), 1);
}

/* As if the queue in front of the device were full: only its number of frames counts. */
static void device_fill(void) { netdev_tx_set_full(&eth.dev, true); }

static int device_gets_room(struct waitq *queue, uint64_t deadline)
{
    assert_ptr_equal(queue, &eth.dev.tx_room);
    (void)deadline;
    assert_int_equal(eth.frame_count, 0);
    netdev_tx_set_full(&eth.dev, false);
    return 0;
}

static void test_blocking_send_waits_for_room(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    device_fill();
    host_sleep_hook = device_gets_room;
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
    assert_int_equal(host_sleeps(), 1);
    assert_int_equal(eth.frame_count, 1);
    assert_true(eth.frames[0].flags & MBUF_ADMITTED);
}

static ssize_t write_with(struct socket *socket, uint32_t flags)
{
    struct uio uio = host_uio("x", 1);
    file_of(socket)->flags |= flags;
    return file_of(socket)->ops->write(file_of(socket), &uio);
}

static void test_nonblocking_send_never_waits(void **state)
{
    (void)state;
    struct sockaddr_in to = name_of(PEER_ADDRESS, 9);
    struct uio uio = host_uio("x", 1);
    struct socket *socket = udp_socket();
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    device_fill();
    assert_int_equal(socket_sendto(socket, &uio, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)),
                     -EAGAIN);
    assert_int_equal(write_with(socket, O_NONBLOCK), -EAGAIN);
    assert_int_equal(host_sleeps(), 0);
    netdev_tx_set_full(&eth.dev, false);
    assert_int_equal(write_with(socket, 0), 1);
    assert_false(eth.frames[0].flags & MBUF_ADMITTED); /* it may be refused like any other's */
}

static void test_send_timeout(void **state)
{
    (void)state;
    struct timeval time = {.tv_sec = 2, .tv_usec = 500000};
    struct socket *socket = udp_socket();
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)), 0);
    device_fill();
    uint64_t before = clock_ns();
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -EAGAIN);
    assert_int_equal(clock_ns() - before, 2500 * NS_PER_MS);
    assert_int_equal(eth.frame_count, 0);
    netdev_tx_set_full(&eth.dev, false);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1);
}

static int sleeper_is_killed(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    return -EINTR;
}

static int link_goes_down(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    netdev_set_link(&eth.dev, false);
    return 0;
}

static void test_wait_for_room_ends_with_the_reason(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    device_fill();
    host_sleep_hook = sleeper_is_killed;
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -EINTR);
    host_sleep_hook = link_goes_down;
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -ENETDOWN);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -ENETDOWN); /* and at once */
    assert_int_equal(host_sleeps(), 2);
    assert_int_equal(eth.frame_count, 0);
}

/* What waits in ARP goes on when an answer comes, in a thread that cannot wait. */
static void test_datagram_that_waits_for_arp_is_not_admitted(void **state)
{
    (void)state;
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 9};
    const be32_t unknown = BE32(0x0a000209);
    struct socket *socket = udp_socket();
    assert_int_equal(send_to(socket, "x", 1, unknown, 9), 1);
    fakenet_clear(&eth); /* the request */
    struct frame reply = {.length = 0};
    frame_ether(&reply, eth.dev.mac, mac, ETHER_TYPE_ARP);
    frame_arp(&reply, ARP_REPLY, mac, unknown, eth.dev.mac, OWN_ADDRESS);
    fakenet_receive(&eth, reply.bytes, reply.length);
    assert_int_equal(eth.frame_count, 1);
    assert_false(eth.frames[0].flags & MBUF_ADMITTED);
}

static void test_sender_is_told_of_an_empty_pool(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct list taken;
    list_init(&taken);
    while (mbuf_count(MBUF_POOL) > 0)
        list_push_back(&taken, &mbuf_alloc(MBUF_STACK)->node);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -ENOBUFS);
    mbuf_free_all(&taken);
}

static void test_bad_buffer_sends_nothing(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    host_uio_fault(0);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), -EFAULT);
    assert_int_equal(eth.frame_count, 0);
}

/* --- Receiving --- */

static void test_receive_tells_the_source(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    struct sockaddr_in from;
    uint8_t got[8];
    arrive("abc", 3);
    struct uio uio = host_uio(got, sizeof(got));
    assert_int_equal(socket_recvfrom(socket, &uio, 0, &from), 3);
    assert_memory_equal(got, "abc", 3);
    assert_int_equal(from.sin_family, AF_INET);
    assert_int_equal(from.sin_addr.s_addr, PEER_ADDRESS);
    assert_int_equal(from.sin_port, htons(1000));
    assert_int_equal(counter(NET_socket_read), 1);
}

/* U8: a socket that is bound to no address can be told which one a datagram was sent to. */
static void test_packet_info(void **state)
{
    (void)state;
    const be32_t loopback = BE32(0x7f000002);
    const struct {
        be32_t sent_to, answer_from;
        int interface;
    } cases[] = {{OWN_ADDRESS, OWN_ADDRESS, eth.dev.index},
                 {SUBNET_ALL, OWN_ADDRESS, eth.dev.index},
                 {loopback, loopback, loopback_device.index}};
    struct socket *socket = bound_socket();
    assert_int_equal(get_option(socket, IPPROTO_IP, IP_PKTINFO), 0);
    for (int asked = 0; asked <= 1; asked++) {
        assert_int_equal(set_option(socket, IPPROTO_IP, IP_PKTINFO, asked), 0);
        assert_int_equal(get_option(socket, IPPROTO_IP, IP_PKTINFO), asked);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            uint8_t bytes[8];
            struct uio uio = host_uio(bytes, sizeof(bytes));
            struct datagram datagram = datagram_with("abc", 3);
            datagram.destination = cases[i].sent_to;
            if (cases[i].interface == eth.dev.index)
                datagram_arrive(&datagram);
            else
                assert_int_equal(send_to(socket, "abc", 3, loopback, 7), 3);
            host_thread_run("lo");
            struct socket_received got = socket_receive(socket, &uio, MSG_DONTWAIT, NULL);
            assert_int_equal(got.length, 3);
            assert_int_equal(got.dev != NULL, asked);
            if (asked) {
                struct in_pktinfo info;
                socket_packet_info(got.dev, got.destination, &info);
                assert_int_equal(info.ipi_ifindex, cases[i].interface);
                assert_int_equal(info.ipi_addr.s_addr, cases[i].sent_to);
                assert_int_equal(info.ipi_spec_dst.s_addr, cases[i].answer_from);
            }
        }
    }
}

static void test_zero_length_is_a_datagram(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t byte;
    size_t length;
    arrive("", 0);
    assert_int_equal(receive(socket, &byte, 1, 0), 0);
    assert_int_equal(receive(socket, &byte, 1, 0), -EAGAIN);
    assert_int_equal(send_to(socket, "", 0, PEER_ADDRESS, 9), 0);
    sent_packet(&length);
    assert_int_equal(length, 28);
}

static void test_short_buffer_discards_the_rest(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t got[4];
    arrive("abcdef", 6);
    arrive("ghijkl", 6);
    arrive("mnopqr", 6);
    assert_int_equal(receive(socket, got, 4, 0), 4);
    assert_memory_equal(got, "abcd", 4);
    assert_int_equal(receive(socket, got, 2, MSG_TRUNC), 6);
    assert_memory_equal(got, "gh", 2);
    assert_int_equal(receive(socket, got, 0, MSG_TRUNC), 6);
    assert_int_equal(receive(socket, got, 4, 0), -EAGAIN);
}

static void test_peek_leaves_the_datagram(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    struct sockaddr_in from;
    uint8_t got[8];
    arrive("abcdef", 6);
    arrive("x", 1);
    assert_int_equal(receive(socket, got, 2, MSG_PEEK), 2);
    assert_int_equal(receive(socket, got, 2, MSG_PEEK | MSG_TRUNC), 6);
    host_uio_fault(0);
    assert_int_equal(receive(socket, got, 8, MSG_PEEK), -EFAULT); /* nothing is lost */
    struct uio uio = host_uio(got, sizeof(got));
    assert_int_equal(socket_recvfrom(socket, &uio, MSG_PEEK | MSG_DONTWAIT, &from), 6);
    assert_memory_equal(got, "abcdef", 6);
    assert_int_equal(from.sin_addr.s_addr, PEER_ADDRESS);
    assert_int_equal(counter(NET_socket_read), 0);
    assert_int_equal(counter(NET_socket_bad_buffer), 0);
    assert_int_equal(receive(socket, got, 8, 0), 6);
    assert_int_equal(receive(socket, got, 8, 0), 1);
}

static void test_bad_buffer_is_counted(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t got[8];
    arrive("abc", 3);
    host_uio_fault(0);
    assert_int_equal(receive(socket, got, 8, 0), -EFAULT);
    assert_int_equal(counter(NET_socket_bad_buffer), 1);
    assert_int_equal(receive(socket, got, 8, MSG_TRUNC | 0x100), -EOPNOTSUPP);
}

/* --- The queue --- */

/* Each datagram is one byte: its number. */
static void arrive_numbered(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        arrive(&(uint8_t){(uint8_t)i}, 1);
}

static void test_queue_is_bounded_and_keeps_the_oldest(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    int capacity = 64 * SOCKET_DATAGRAM_COST;
    uint8_t got;
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &capacity, sizeof(capacity)),
                     0);
    arrive_numbered(0, 70);
    assert_int_equal(counter(NET_socket_queue_full), 6);
    assert_int_equal(socket->dropped, 6);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(receive(socket, &got, 1, 0), 1);
        assert_int_equal(got, i);
    }
    assert_int_equal(receive(socket, &got, 1, 0), -EAGAIN);
    arrive_numbered(0, 1); /* and there is room again */
    assert_int_equal(receive(socket, &got, 1, 0), 1);
}

static void test_capacity_holds_datagrams_of_any_size(void **state)
{
    (void)state;
    static uint8_t payload[1472];
    bound_socket();
    for (int i = 0; i < 64; i++)
        arrive(payload, sizeof(payload));
    assert_int_equal(counter(NET_socket_queued), 64);
    assert_int_equal(counter(NET_socket_queue_full), 0);
}

/* Sockets that nobody reads leave half of the pool to the devices. Here others' queues hold all of
 * that half but three mbufs. */
static void test_all_queues_together_are_bounded(void **state)
{
    (void)state;
    struct list others;
    list_init(&others);
    struct socket *socket = bound_socket();
    while (mbuf_count(MBUF_SOCKET) < mbuf_total() / 2 - 3)
        list_push_back(&others, &mbuf_alloc(MBUF_SOCKET)->node);
    arrive_numbered(0, 5);
    assert_int_equal(mbuf_count(MBUF_SOCKET), mbuf_total() / 2);
    assert_int_equal(counter(NET_socket_share_full), 2);
    assert_int_equal(socket->dropped, 2);
    mbuf_free_all(&others);
}

static void test_close_frees_the_queue(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    arrive_numbered(0, 5);
    socket_end(socket);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 0);
    assert_int_equal(counter(NET_socket_unread), 5);
    arrive_numbered(0, 1); /* nobody is there any more */
    assert_int_equal(counter(NET_udp_no_port), 1);
}

/* --- Sleeping --- */

static int on_sleep_arrive(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    assert_true(deadline == NEVER);
    arrive("abc", 3);
    return 0;
}

static int on_sleep_spurious(struct waitq *queue, uint64_t deadline)
{
    (void)deadline;
    (void)queue;
    host_sleep_hook = on_sleep_arrive;
    return 0;
}

static int on_sleep_killed(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    return -EINTR;
}

static int on_sleep_error(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(1000), ECONNREFUSED);
    return 0;
}

static struct socket *sleeper;

static int on_sleep_shutdown(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    assert_int_equal(socket_shutdown(sleeper, SHUT_RD), 0);
    return 0;
}

static ssize_t receive_blocking(struct socket *socket)
{
    uint8_t got[8];
    struct uio uio = host_uio(got, sizeof(got));
    return socket_recvfrom(socket, &uio, 0, NULL);
}

static void test_receive_sleeps_until_something_comes(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    host_sleep_hook = on_sleep_spurious;
    assert_int_equal(receive_blocking(socket), 3);
    assert_int_equal(host_sleeps(), 2);
    assert_int_equal(host_wakes(&socket->changed), 1);
    host_sleep_hook = on_sleep_error;
    assert_int_equal(receive_blocking(socket), -ECONNREFUSED);
    host_sleep_hook = on_sleep_killed;
    assert_int_equal(receive_blocking(socket), -EINTR);
    sleeper = socket;
    host_sleep_hook = on_sleep_shutdown;
    assert_int_equal(receive_blocking(socket), 0);
}

static void test_nonblocking_never_sleeps(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t byte;
    struct uio uio = host_uio(&byte, 1);
    assert_int_equal(socket_recvfrom(socket, &uio, MSG_DONTWAIT, NULL), -EAGAIN);
    assert_int_equal(host_sleeps(), 0);
}

static void test_receive_timeout(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    struct timeval time = {.tv_sec = 2, .tv_usec = 500000}, got;
    socklen_t length = sizeof(got);
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
    assert_int_equal(socket_getsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &got, &length), 0);
    assert_int_equal(length, sizeof(got));
    assert_int_equal(got.tv_sec, 2);
    assert_int_equal(got.tv_usec, 500000);
    uint64_t before = clock_ns();
    assert_int_equal(receive_blocking(socket), -EAGAIN);
    assert_int_equal(clock_ns() - before, 2500 * NS_PER_MS);
    assert_int_equal(host_sleeps(), 1);
}

/* --- Shutdown --- */

static void test_shutdown(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t byte;
    assert_int_equal(socket_shutdown(socket, SHUT_RD), -ENOTCONN);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    assert_int_equal(socket_shutdown(socket, 3), -EINVAL);
    arrive("abc", 3);
    assert_int_equal(socket_shutdown(socket, SHUT_RD), 0);
    assert_int_equal(receive(socket, &byte, 1, 0), 1); /* what was there is still read */
    arrive("abc", 3);
    assert_int_equal(counter(NET_socket_shut_down), 1);
    assert_int_equal(receive(socket, &byte, 1, 0), 0);
    assert_int_equal(receive(socket, &byte, 1, MSG_PEEK), 0);
    struct sockaddr_in from, nobody = {.sin_family = AF_UNSPEC};
    struct uio uio = host_uio(&byte, 1);
    memset(&from, 0xff, sizeof(from));
    assert_int_equal(socket_recvfrom(socket, &uio, 0, &from), 0);
    assert_memory_equal(&from, &nobody, sizeof(from)); /* nothing of the kernel's memory either */
    assert_int_equal(send_to(socket, "x", 1, 0, 0), 1);
    assert_int_equal(socket_shutdown(socket, SHUT_WR), 0);
    assert_int_equal(send_to(socket, "x", 1, 0, 0), -EPIPE);
}

static void test_shutdown_of_sending_leaves_receiving(void **state)
{
    (void)state;
    struct socket *socket = bound_socket();
    uint8_t byte;
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    assert_int_equal(socket_shutdown(socket, SHUT_WR), 0);
    assert_int_equal(receive(socket, &byte, 1, 0), -EAGAIN);
    arrive("a", 1);
    assert_int_equal(receive(socket, &byte, 1, 0), 1);
    assert_int_equal(socket_shutdown(socket, SHUT_RDWR), 0);
    assert_int_equal(receive(socket, &byte, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_send_needs_an_address),
        FIXTURE_TEST(test_first_send_binds),
        FIXTURE_TEST(test_bound_address_is_the_source),
        FIXTURE_TEST(test_connected_socket_may_send_elsewhere),
        FIXTURE_TEST(test_broadcast_needs_permission),
        FIXTURE_TEST(test_oversize_is_refused),
        FIXTURE_TEST(test_sender_is_told_of_a_full_device),
        FIXTURE_TEST(test_blocking_send_waits_for_room),
        FIXTURE_TEST(test_nonblocking_send_never_waits),
        FIXTURE_TEST(test_send_timeout),
        FIXTURE_TEST(test_wait_for_room_ends_with_the_reason),
        FIXTURE_TEST(test_datagram_that_waits_for_arp_is_not_admitted),
        FIXTURE_TEST(test_sender_is_told_of_an_empty_pool),
        FIXTURE_TEST(test_bad_buffer_sends_nothing),
        FIXTURE_TEST(test_receive_tells_the_source),
        FIXTURE_TEST(test_packet_info),
        FIXTURE_TEST(test_zero_length_is_a_datagram),
        FIXTURE_TEST(test_short_buffer_discards_the_rest),
        FIXTURE_TEST(test_peek_leaves_the_datagram),
        FIXTURE_TEST(test_bad_buffer_is_counted),
        FIXTURE_TEST(test_queue_is_bounded_and_keeps_the_oldest),
        FIXTURE_TEST(test_capacity_holds_datagrams_of_any_size),
        FIXTURE_TEST(test_all_queues_together_are_bounded),
        FIXTURE_TEST(test_close_frees_the_queue),
        FIXTURE_TEST(test_receive_sleeps_until_something_comes),
        FIXTURE_TEST(test_nonblocking_never_sleeps),
        FIXTURE_TEST(test_receive_timeout),
        FIXTURE_TEST(test_shutdown),
        FIXTURE_TEST(test_shutdown_of_sending_leaves_receiving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
