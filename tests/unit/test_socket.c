/* Sockets: creation, names, ports, which socket a datagram belongs to (net/socket.c,
 * net/socket_table.c). The data path is in test_socket_io.c. */
#include "socket_fixture.h"

#include "net/socket_internal.h"

#define LOOPBACK     BE32(0x7f000001)
#define LOOPBACK_TWO BE32(0x7f000002)
#define LIMITED_ALL  BE32(0xffffffff)

static int create(int domain, int type, int protocol)
{
    struct file *file;
    int result = socket_create(domain, type, protocol, &file);
    if (result == 0)
        file_release(file);
    return result;
}

/* --- Creation --- */

static void test_create_knows_what_it_has(void **state)
{
    (void)state;
    assert_int_equal(create(AF_INET, SOCK_DGRAM, 0), 0);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, IPPROTO_UDP), 0);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), 0);
    assert_int_equal(create(10, SOCK_DGRAM, 0), -EAFNOSUPPORT);
    assert_int_equal(create(AF_INET, SOCK_STREAM, 0), -EPROTOTYPE);
    assert_int_equal(create(AF_INET, SOCK_RAW, 0), -EPROTOTYPE);
    assert_int_equal(create(AF_INET, 77, 0), -EINVAL);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, 6), -EPROTONOSUPPORT);
}

static void test_create_nonblocking(void **state)
{
    (void)state;
    struct file *file;
    assert_int_equal(socket_create(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, &file), 0);
    uint8_t byte;
    struct uio uio = host_uio(&byte, 1);
    assert_int_equal(file->ops->read(file, &uio), -EAGAIN);
    file_release(file);
}

static void test_running_out_is_an_error(void **state)
{
    (void)state;
    host_files_limit(0);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, 0), -ENFILE);
    host_files_limit(HOST_NO_LIMIT);
    static struct file *files[SOCKET_MAX];
    for (unsigned i = 0; i < SOCKET_MAX; i++)
        assert_int_equal(socket_create(AF_INET, SOCK_DGRAM, 0, &files[i]), 0);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, 0), -ENOBUFS);
    for (unsigned i = 0; i < SOCKET_MAX; i++)
        file_release(files[i]);
    assert_int_equal(create(AF_INET, SOCK_DGRAM, 0), 0);
}

static void test_other_files_are_no_sockets(void **state)
{
    (void)state;
    static const struct file_ops ops;
    struct file *file = file_create(&ops, NULL, 0);
    assert_null(socket_from_file(file));
    file_release(file);
}

/* --- bind --- */

static void test_bind_checks_the_address(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct sockaddr_in name = name_of(0, 7);
    assert_int_equal(socket_bind(socket, (struct sockaddr *)&name, 15), -EINVAL);
    name.sin_family = AF_UNSPEC;
    assert_int_equal(socket_bind(socket, (struct sockaddr *)&name, 16), -EAFNOSUPPORT);
    /* I6: what is bound is what is sent from: only a unicast address of ours. */
    assert_int_equal(bind_to(socket, PEER_ADDRESS, 7), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(socket, SUBNET_ALL, 7), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(socket, LIMITED_ALL, 7), -EADDRNOTAVAIL);
    assert_int_equal(local_port(socket), 0);
    assert_int_equal(bind_to(socket, OWN_ADDRESS, 7), 0);
    assert_int_equal(local_port(socket), 7);
    assert_int_equal(local_address(socket), OWN_ADDRESS);
    assert_int_equal(bind_to(socket, OWN_ADDRESS, 8), -EINVAL);
    assert_int_equal(local_port(socket), 7);
}

static void test_bind_conflicts(void **state)
{
    (void)state;
    struct socket *any = udp_socket(), *own = udp_socket(), *other = udp_socket();
    assert_int_equal(bind_to(own, OWN_ADDRESS, 7), 0);
    assert_int_equal(bind_to(other, OWN_ADDRESS, 7), -EADDRINUSE);
    assert_int_equal(bind_to(any, 0, 7), -EADDRINUSE);
    assert_int_equal(bind_to(other, LOOPBACK, 7), 0);
    assert_int_equal(bind_to(any, 0, 8), 0);
    assert_int_equal(bind_to(ping_socket(), 0, 7), 0); /* another protocol's ports */
    socket_end(own);
    socket_end(other);
    assert_int_equal(bind_to(udp_socket(), 0, 7), 0); /* free again */
}

/* A connected socket has a narrower local address, but will have the old one when it is dissolved.
 */
static void test_connecting_gives_no_port_away(void **state)
{
    (void)state;
    struct socket *any = udp_socket();
    assert_int_equal(bind_to(any, 0, 7), 0);
    assert_int_equal(connect_to(any, PEER_ADDRESS, 9), 0);
    assert_int_equal(bind_to(udp_socket(), LOOPBACK, 7), -EADDRINUSE);
}

static void test_ephemeral_ports(void **state)
{
    (void)state;
    uint16_t first = 0, previous = 0;
    bool jumps = false;
    for (int i = 0; i < 20; i++) {
        struct socket *socket = udp_socket();
        host_clock_advance(12345);
        assert_int_equal(bind_to(socket, 0, 0), 0);
        uint16_t port = local_port(socket);
        assert_true(port >= 49152);
        assert_int_not_equal(port, previous);
        jumps |= i > 0 && port != previous + 1;
        if (i == 0)
            first = port;
        previous = port;
    }
    assert_true(jumps);
    assert_int_not_equal(first, 49152);
}

/* At the same moment the search begins at the same port: it must go on to the next, past the
 * range's end too. */
static void test_ephemeral_ports_do_not_collide(void **state)
{
    (void)state;
    uint16_t ports[40];
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        struct socket *socket = udp_socket();
        assert_int_equal(bind_to(socket, 0, 0), 0);
        ports[i] = local_port(socket);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(ports[i], ports[k]);
    }
}

/* --- connect --- */

static void test_connect_names_both_ends(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct sockaddr_in peer;
    assert_int_equal(socket_getpeername(socket, &peer), -ENOTCONN);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    assert_int_equal(local_address(socket), OWN_ADDRESS);
    assert_true(local_port(socket) >= 49152);
    assert_int_equal(socket_getpeername(socket, &peer), 0);
    assert_int_equal(peer.sin_family, AF_INET);
    assert_int_equal(peer.sin_addr.s_addr, PEER_ADDRESS);
    assert_int_equal(peer.sin_port, htons(9));
}

static void test_connect_errors(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct sockaddr_in name = name_of(PEER_ADDRESS, 9);
    assert_int_equal(socket_connect(socket, (struct sockaddr *)&name, 15), -EINVAL);
    name.sin_family = AF_UNSPEC;
    assert_int_equal(socket_connect(socket, (struct sockaddr *)&name, 1), -EINVAL);
    name.sin_family = 10;
    assert_int_equal(socket_connect(socket, (struct sockaddr *)&name, 16), -EAFNOSUPPORT);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 0), -EINVAL);
    assert_int_equal(connect_to(socket, 0, 9), -EINVAL); /* I8 */
    assert_int_equal(connect_to(socket, BE32(0x08080808), 9), -ENETUNREACH);
    assert_int_equal(connect_to(socket, SUBNET_ALL, 9), -EACCES);
    assert_int_equal(local_port(socket), 0);
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    assert_int_equal(connect_to(socket, SUBNET_ALL, 9), 0);
}

static void test_connect_can_be_repeated_and_dissolved(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct sockaddr_in peer;
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    assert_int_equal(connect_to(socket, LOOPBACK, 10), 0);
    assert_int_equal(local_address(socket), LOOPBACK);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    assert_int_equal(socket_connect(socket, &none, sizeof(none.sa_family)), 0);
    assert_int_equal(socket_getpeername(socket, &peer), -ENOTCONN);
    assert_int_equal(local_address(socket), 0);
    assert_int_equal(local_port(socket), 7);
}

/* A connect() that has asked for the way, and another process that shares the socket binds it
 * before the table's lock is taken: what bind() has promised holds. */
static void test_bind_while_another_connects(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct sockaddr_in peer = name_of(PEER_ADDRESS, 9);
    assert_int_equal(bind_to(socket, LOOPBACK, 7), 0);
    socket_table_connect(socket, OWN_ADDRESS, &peer); /* the way's source, when it was still free */
    assert_int_equal(local_address(socket), LOOPBACK);
    assert_int_equal(bind_to(udp_socket(), OWN_ADDRESS, 7), 0);
}

/* --- Which socket a datagram belongs to --- */

static ssize_t received(struct socket *socket)
{
    uint8_t buffer[16];
    return receive(socket, buffer, sizeof(buffer), 0);
}

static void test_ports_are_kept_apart(void **state)
{
    (void)state;
    struct socket *seven = udp_socket(), *eight = udp_socket();
    assert_int_equal(bind_to(seven, 0, 7), 0);
    assert_int_equal(bind_to(eight, 0, 7 + 64), 0); /* same bucket */
    struct datagram datagram = datagram_with("abc", 3);
    datagram_arrive(&datagram);
    assert_int_equal(received(eight), -EAGAIN);
    assert_int_equal(received(seven), 3);
    datagram.destination_port = 7 + 64;
    datagram_arrive(&datagram);
    assert_int_equal(received(seven), -EAGAIN);
    assert_int_equal(received(eight), 3);
}

static void test_connected_socket_hears_only_its_peer(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    struct datagram datagram = datagram_with("abc", 3);
    datagram_arrive(&datagram);
    assert_int_equal(received(socket), 3);
    datagram.source_port = 1001;
    datagram_arrive(&datagram);
    datagram.source_port = 1000;
    datagram.source = OTHER_ADDRESS;
    datagram_arrive(&datagram);
    assert_int_equal(received(socket), -EAGAIN);
    assert_int_equal(counter(NET_udp_no_port), 2);
}

static void test_bound_address_filters(void **state)
{
    (void)state;
    struct socket *loop = udp_socket();
    assert_int_equal(bind_to(loop, LOOPBACK, 7), 0);
    struct datagram datagram = datagram_with("abc", 3);
    datagram_arrive(&datagram);
    assert_int_equal(received(loop), -EAGAIN);
    assert_int_equal(counter(NET_udp_no_port), 1);
}

/* Sockets that share a port: the one that says most wins, in whatever order they were bound. */
static void test_longest_match_wins(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct socket *any = udp_socket(), *own = udp_socket(), *connected = udp_socket();
        struct socket *sequence[] = {any, own, connected};
        for (int i = 0; i < 3; i++) {
            struct socket *socket = sequence[order ? 2 - i : i];
            assert_int_equal(set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1), 0);
            assert_int_equal(bind_to(socket, socket == own ? OWN_ADDRESS : 0, 7), 0);
        }
        assert_int_equal(connect_to(connected, PEER_ADDRESS, 1000), 0);
        struct datagram datagram = datagram_with("abc", 3);
        datagram_arrive(&datagram);
        assert_int_equal(received(connected), 3);
        datagram.source_port = 1001;
        datagram_arrive(&datagram);
        assert_int_equal(received(own), 3);
        assert_int_equal(received(any), -EAGAIN);
        socket_end(any);
        socket_end(own);
        socket_end(connected);
    }
}

static void test_sharing_needs_the_consent_of_both(void **state)
{
    (void)state;
    struct socket *one = udp_socket(), *two = udp_socket();
    assert_int_equal(bind_to(one, 0, 7), 0);
    assert_int_equal(set_option(two, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(two, 0, 7), -EADDRINUSE);
    assert_int_equal(bind_to(two, 0, 8), 0);
    assert_int_equal(bind_to(one = udp_socket(), 0, 8), -EADDRINUSE);
    assert_int_equal(set_option(one, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(bind_to(one, 0, 8), 0);
}

static void test_broadcast_reaches_every_matching_socket(void **state)
{
    (void)state;
    struct socket *sockets[3];
    for (int i = 0; i < 3; i++) {
        sockets[i] = udp_socket();
        set_option(sockets[i], SOL_SOCKET, SO_REUSEADDR, 1);
        assert_int_equal(bind_to(sockets[i], i == 2 ? OWN_ADDRESS : 0, 7), 0);
    }
    struct datagram datagram = datagram_with("abc", 3);
    datagram.destination = SUBNET_ALL;
    datagram_arrive_in_frame(&datagram);
    datagram.destination = LIMITED_ALL;
    datagram_arrive_in_frame(&datagram);
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in from;
        uint8_t got[3];
        for (int k = 0; k < 2; k++) {
            struct uio uio = host_uio(got, sizeof(got));
            assert_int_equal(socket_recvfrom(sockets[i], &uio, MSG_DONTWAIT, &from), 3);
            assert_memory_equal(got, "abc", 3);
            assert_int_equal(from.sin_addr.s_addr, PEER_ADDRESS);
            assert_int_equal(from.sin_port, htons(1000));
        }
    }
    assert_int_equal(received(sockets[2]), -EAGAIN); /* bound to a unicast address */
    assert_int_equal(counter(NET_socket_copies), 2);
    /* A unicast datagram goes to one only. */
    datagram.destination = OWN_ADDRESS;
    datagram_arrive(&datagram);
    assert_int_equal(counter(NET_socket_queued), 5);
}

static void test_copy_without_mbuf_is_counted(void **state)
{
    (void)state;
    struct socket *sockets[2];
    struct list taken;
    list_init(&taken);
    for (int i = 0; i < 2; i++) {
        sockets[i] = udp_socket();
        set_option(sockets[i], SOL_SOCKET, SO_REUSEADDR, 1);
        assert_int_equal(bind_to(sockets[i], 0, 7), 0);
    }
    while (mbuf_count(MBUF_POOL) > 1)
        list_push_back(&taken, &mbuf_alloc(MBUF_STACK)->node);
    struct datagram datagram = datagram_with("abc", 3);
    datagram.destination = SUBNET_ALL;
    datagram_arrive(&datagram);
    mbuf_free_all(&taken);
    assert_int_equal(counter(NET_socket_no_copy), 1);
    assert_int_equal(counter(NET_socket_queued), 1);
}

/* --- The list for netstat --- */

static void test_list(void **state)
{
    (void)state;
    struct sockinfo entries[2];
    struct socket *socket = udp_socket(), *ping = ping_socket();
    udp_socket(); /* without a port it is in no list */
    assert_int_equal(socket_list(entries, 2), 0);
    assert_int_equal(bind_to(socket, 0, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 1000), 0);
    struct datagram datagram = datagram_with("abc", 3);
    datagram_arrive(&datagram);
    datagram_arrive(&datagram);
    assert_int_equal(socket_list(entries, 2), 1);
    assert_int_equal(entries[0].protocol, IPPROTO_UDP);
    assert_int_equal(entries[0].queued_datagrams, 2);
    assert_int_equal(entries[0].capacity_bytes, SOCKET_CAPACITY_DEFAULT);
    assert_int_equal(entries[0].local.sin_port, htons(7));
    assert_int_equal(entries[0].local.sin_addr.s_addr, OWN_ADDRESS);
    assert_int_equal(entries[0].peer.sin_addr.s_addr, PEER_ADDRESS);
    assert_int_equal(entries[0].peer.sin_port, htons(1000));
    assert_int_equal(bind_to(ping, 0, 5), 0);
    struct sockinfo *one = host_memory(sizeof(*one));
    assert_int_equal(socket_list(one, 1), 2); /* there are two, one was filled */
    host_memory_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_create_knows_what_it_has),
        FIXTURE_TEST(test_create_nonblocking),
        FIXTURE_TEST(test_running_out_is_an_error),
        FIXTURE_TEST(test_other_files_are_no_sockets),
        FIXTURE_TEST(test_bind_checks_the_address),
        FIXTURE_TEST(test_bind_conflicts),
        FIXTURE_TEST(test_connecting_gives_no_port_away),
        FIXTURE_TEST(test_ephemeral_ports),
        FIXTURE_TEST(test_ephemeral_ports_do_not_collide),
        FIXTURE_TEST(test_connect_names_both_ends),
        FIXTURE_TEST(test_connect_errors),
        FIXTURE_TEST(test_connect_can_be_repeated_and_dissolved),
        FIXTURE_TEST(test_bind_while_another_connects),
        FIXTURE_TEST(test_ports_are_kept_apart),
        FIXTURE_TEST(test_connected_socket_hears_only_its_peer),
        FIXTURE_TEST(test_bound_address_filters),
        FIXTURE_TEST(test_longest_match_wins),
        FIXTURE_TEST(test_sharing_needs_the_consent_of_both),
        FIXTURE_TEST(test_broadcast_reaches_every_matching_socket),
        FIXTURE_TEST(test_copy_without_mbuf_is_counted),
        FIXTURE_TEST(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
