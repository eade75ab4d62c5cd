/* net/socket_send.c, socket_receive.c: several datagrams in one system call. Above all, that no doorbell is
 * lost: whatever happens in a batch, at its end, and whenever it sleeps, no device holds frames that it has
 * not been told of. */
#include "socket_fixture.h"

#include "net/socket_batch.h"
#include "net/wire.h"

static struct socket_batch batch;
static struct fakenet eth1;

#define BATCH_COUNT 8

static void begin(void) { socket_batch_begin(&batch, BATCH_COUNT); }

/* The next message of the batch, one byte; address 0: to the peer. */
static ssize_t add(struct socket *socket, be32_t address, int flags)
{
    struct sockaddr_in to = name_of(address, 9);
    struct uio uio = host_uio("x", 1);
    ssize_t result = socket_send(socket, &uio, flags, address ? &to : NULL, sizeof(to), &batch);
    batch.later |= result >= 0;
    batch.left -= result >= 0;
    return result;
}

static void assert_all_announced(void)
{
    assert_int_equal(eth.unannounced, 0);
    assert_int_equal(eth1.unannounced, 0);
}

/* Datagrams like each other go to the device together, in the end. */
static void test_one_doorbell_for_a_batch(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin();
    for (int i = 0; i < 5; i++)
        assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
    assert_int_equal(eth.frame_count, 0);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(eth.frames[i].more, i < 4);
        assert_false(eth.frames[i].flags & MBUF_MORE); /* as a frame it is like any other */
    }
    assert_int_equal(eth.flushes, 0);
    socket_batch_end(socket, &batch); /* nothing is left to do */
    assert_int_equal(eth.flushes, 0);
    assert_int_equal(send_to(socket, "x", 1, PEER_ADDRESS, 9), 1); /* and no mark stays */
    assert_false(eth.frames[5].more);
}

/* Those that have no neighbour go down one by one. */
static void test_one_doorbell_without_a_train(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    begin();
    for (int i = 0; i < 5; i++)
        assert_int_equal(add(socket, SUBNET_ALL, 0), 1);
    assert_int_equal(eth.unannounced, 5);
    assert_int_equal(eth.flushes, 0);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.flushes, 1);
    assert_all_announced();
    socket_batch_end(socket, &batch); /* nothing is left to do */
    assert_int_equal(eth.flushes, 1);
}

static void test_nothing_sent_needs_no_doorbell(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin();
    assert_int_equal(add(socket, 0, 0), -EDESTADDRREQ);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.flushes, 0);
}

/* Each kind of early end comes after a good message. */
static void test_early_end(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    for (int kind = 0; kind < 5; kind++) {
        be32_t address = kind == 2 ? SUBNET_ALL : PEER_ADDRESS; /* a device refuses no train */
        begin();
        assert_int_equal(add(socket, address, 0), 1);
        struct sockaddr_in to = name_of(address, 9);
        static uint8_t large[1500];
        struct uio uio = host_uio(large, kind == 1 ? 1500 : 1);
        if (kind == 0)
            host_uio_fault(0);
        if (kind == 2)
            eth.refuse = -ENOBUFS;
        if (kind == 3)
            to.sin_family = AF_UNSPEC;
        ssize_t result = socket_send(socket, &uio, 0, &to, kind == 4 ? 3 : sizeof(to), &batch);
        static const ssize_t wanted[] = {-EFAULT, -EMSGSIZE, -ENOBUFS, -EAFNOSUPPORT, -EINVAL};
        assert_int_equal(result, wanted[kind]);
        socket_batch_end(socket, &batch);
        assert_all_announced();
        assert_int_equal(eth.frame_count, kind + 1);
        eth.refuse = 0;
    }
}

/* From one device to another and back: the one that is left hears of its frames at once. */
static void test_two_devices(void **state)
{
    (void)state;
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 9};
    const be32_t there = BE32(0x0a000302);
    fakenet_init(&eth1, "eth1", 2);
    assert_int_equal(ip_set_address(&eth1.dev, BE32(0x0a00030f), OWN_MASK), 0);
    struct frame reply = {.length = 0};
    frame_ether(&reply, eth1.dev.mac, mac, ETHER_TYPE_ARP);
    frame_arp(&reply, ARP_REQUEST, mac, there, eth1.dev.mac, BE32(0x0a00030f));
    fakenet_receive(&eth1, reply.bytes, reply.length);
    fakenet_clear(&eth1);
    struct socket *socket = udp_socket();

    begin();
    for (int round = 0; round < 2; round++) {
        assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
        assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
        assert_int_equal(eth1.frame_count, round);
        assert_int_equal(add(socket, there, 0), 1);
        assert_int_equal(eth.frame_count, 2 * (round + 1));
        assert_all_announced();
    }
    assert_int_equal(add(socket, BE32(INADDR_LOOPBACK), 0), 1); /* which has no doorbell */
    assert_int_equal(eth1.frame_count, 2);
    assert_all_announced();
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 4);
    assert_int_equal(eth1.frame_count, 2);
    netdev_down(&eth1.dev);
    for (int i = 0; i < 2; i++) /* the datagram to loopback, and the ICMP error that answers it */
        netdev_poll_round(&loopback_device);
    fakenet_clear(&eth1);
}

static int sleeps_announced(struct waitq *queue, uint64_t deadline)
{
    (void)deadline;
    assert_ptr_equal(queue, &eth.dev.tx_room);
    assert_all_announced();
    netdev_tx_set_full(&eth.dev, false);
    return 0;
}

/* Who waits for room waits for the device, which must know of what is there. */
static void test_announced_before_it_waits(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin();
    assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
    netdev_tx_set_full(&eth.dev, true);
    assert_int_equal(add(socket, PEER_ADDRESS, MSG_DONTWAIT), -EAGAIN);
    host_sleep_hook = sleeps_announced;
    assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
    assert_int_equal(host_sleeps(), 1);
    assert_int_equal(eth.frame_count, 1);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 2);
    assert_all_announced();
}

/* What ARP parks goes out when the address is known, in another thread's hands: with a doorbell of
 * its own. */
static void test_parked_frame_is_announced(void **state)
{
    (void)state;
    static const uint8_t mac[] = {2, 0, 0, 0, 0, 9};
    const be32_t unknown = BE32(0x0a000209);
    struct socket *socket = udp_socket();
    begin();
    assert_int_equal(add(socket, unknown, 0), 1);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 1); /* the request */
    fakenet_clear(&eth);
    struct frame reply = {.length = 0};
    frame_ether(&reply, eth.dev.mac, mac, ETHER_TYPE_ARP);
    frame_arp(&reply, ARP_REPLY, mac, unknown, eth.dev.mac, OWN_ADDRESS);
    fakenet_receive(&eth, reply.bytes, reply.length);
    assert_int_equal(eth.frame_count, 1);
    assert_false(eth.frames[0].more);
}

/* The path is found once for messages to one place, and anew for another place; a link that goes
 * down is noticed. */
static void test_path_is_kept(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin();
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 70), 0);
    assert_int_equal(add(socket, PEER_ADDRESS, 0), 1); /* port 9 */
    assert_int_equal(add(socket, 0, 0), 1);            /* the peer's port */
    assert_int_equal(add(socket, PEER_ADDRESS, 0), 1);
    netdev_set_link(&eth.dev, false);
    assert_int_equal(add(socket, 0, 0), -ENETDOWN);
    assert_int_equal(add(socket, PEER_ADDRESS, 0), -ENETDOWN);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 2);
    assert_int_equal(eth.dev.counters.tx_down, 1); /* the third had not gone out yet */
    for (int i = 0; i < 2; i++)
        assert_int_equal(get16(eth.frames[i].bytes + 14 + 20 + 2), i == 1 ? 70 : 9);
    netdev_set_link(&eth.dev, true);
    begin();
    assert_int_equal(add(socket, SUBNET_ALL, 0), -EACCES); /* a refused path is not kept either */
    assert_int_equal(add(socket, SUBNET_ALL, 0), -EACCES);
    socket_batch_end(socket, &batch);
}

/* --- receiving --- */

static ssize_t take(struct socket *socket)
{
    char byte;
    struct uio uio = host_uio(&byte, 1);
    ssize_t result = socket_receive(socket, &uio, 0, &batch).length;
    batch.later |= result >= 0;
    batch.left -= result >= 0;
    return result < 0 ? result : byte;
}

static void arrive(const char *text)
{
    for (; *text; text++) {
        struct datagram datagram = datagram_with(text, 1);
        datagram_arrive(&datagram);
    }
}

/* Datagrams in the queue of the only socket. */
static unsigned queued(void)
{
    struct sockinfo entry;
    assert_int_equal(socket_list(&entry, 1), 1);
    return entry.queued_datagrams;
}

/* What a batch can use is taken off the queue at once, in order, and freed in its end. */
static void test_taken_together(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    arrive("abcd");
    socket_batch_begin(&batch, 3);
    assert_int_equal(take(socket), 'a');
    assert_int_equal(queued(), 1);
    assert_false(socket_batch_must_wait(socket, &batch));
    assert_int_equal(take(socket), 'b');
    assert_int_equal(take(socket), 'c');
    assert_int_equal(mbuf_total() - mbuf_count(MBUF_POOL), 4);
    socket_batch_end(socket, &batch);
    assert_int_equal(mbuf_total() - mbuf_count(MBUF_POOL), 1);
    assert_int_equal(counter(NET_socket_read), 3);
    begin();
    assert_int_equal(take(socket), 'd');
    assert_true(socket_batch_must_wait(socket, &batch));
    socket_batch_end(socket, &batch);
}

/* Whether the socket wants to know how datagrams came holds for all that are taken together. */
static void test_origin_of_each(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    for (int wanted = 1; wanted >= 0; wanted--) {
        assert_int_equal(set_option(socket, IPPROTO_IP, IP_PKTINFO, wanted), 0);
        arrive("ab");
        begin();
        for (int i = 0; i < 2; i++) {
            char byte;
            struct uio uio = host_uio(&byte, 1);
            struct socket_received got = socket_receive(socket, &uio, 0, &batch);
            assert_int_equal(got.length, 1);
            assert_ptr_equal(got.dev, wanted ? &eth.dev : NULL);
            assert_int_equal(got.address, PEER_ADDRESS);
            assert_int_equal(got.port, htons(1000));
            assert_int_equal(got.destination, OWN_ADDRESS);
        }
        socket_batch_end(socket, &batch);
    }
}

/* A batch that ends early gives back what it has not read, in its old place; who waits is told. */
static void test_unread_goes_back(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    arrive("abc");
    begin();
    assert_int_equal(take(socket), 'a');
    arrive("d");
    host_uio_fault(0);
    assert_int_equal(take(socket), -EFAULT); /* b is lost to that */
    for (int end = 0; end < 2; end++)        /* the second has nothing to do */
        socket_batch_end(socket, &batch);
    assert_int_equal(queued(), 2);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 2);
    assert_int_equal(counter(NET_socket_read), 1);
    assert_int_equal(counter(NET_socket_bad_buffer), 1);
    begin();
    assert_int_equal(take(socket), 'c');
    assert_int_equal(take(socket), 'd');
    socket_batch_end(socket, &batch);
}

static int sleeps_without_mbufs(struct waitq *queue, uint64_t deadline)
{
    (void)deadline;
    (void)queue;
    assert_int_equal(mbuf_count(MBUF_POOL), mbuf_total());
    arrive("b");
    return 0;
}

/* A batch that waits for more holds no buffers meanwhile. */
static void test_waiting_holds_nothing(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    arrive("a");
    begin();
    assert_int_equal(take(socket), 'a');
    host_sleep_hook = sleeps_without_mbufs;
    assert_int_equal(take(socket), 'b');
    assert_int_equal(host_sleeps(), 1);
    socket_batch_end(socket, &batch);
}

/* The time is the batch's, or the socket's if that is over earlier. */
static void test_deadline(void **state)
{
    (void)state;
    struct timeval time = {.tv_sec = 3};
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    uint64_t start = clock_ns();
    begin();
    batch.deadline = start + 2 * NS_PER_SEC;
    arrive("a");
    assert_int_equal(take(socket), 'a');
    assert_int_equal(take(socket), -EAGAIN);
    assert_int_equal(clock_ns() - start, 2 * NS_PER_SEC);
    arrive("a");
    assert_int_equal(take(socket), 'a'); /* what is there needs no time */
    assert_int_equal(socket_setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)), 0);
    batch.deadline = NEVER;
    assert_int_equal(take(socket), -EAGAIN);
    assert_int_equal(clock_ns() - start, 5 * NS_PER_SEC);
    socket_batch_end(socket, &batch);
}

/* A pending error ends a batch that has moved something, and waits for the next call, which reports
 * it once. */
static void test_error_stays(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, OWN_ADDRESS, 7), 0);
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    for (int sending = 0; sending < 2; sending++) {
        begin();
        batch.later = true;
        socket_icmp_error(IPPROTO_UDP, OWN_ADDRESS, htons(7), PEER_ADDRESS, htons(9), ECONNREFUSED);
        for (int i = 0; i < 2; i++)
            assert_int_equal(sending ? add(socket, 0, 0) : take(socket), -ECONNREFUSED);
        begin();
        assert_int_equal(sending ? add(socket, 0, 0) : take(socket), -ECONNREFUSED);
        assert_int_equal(get_option(socket, SOL_SOCKET, SO_ERROR), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_one_doorbell_for_a_batch),
        FIXTURE_TEST(test_one_doorbell_without_a_train),
        FIXTURE_TEST(test_nothing_sent_needs_no_doorbell),
        FIXTURE_TEST(test_early_end),
        FIXTURE_TEST(test_two_devices),
        FIXTURE_TEST(test_announced_before_it_waits),
        FIXTURE_TEST(test_parked_frame_is_announced),
        FIXTURE_TEST(test_path_is_kept),
        FIXTURE_TEST(test_taken_together),
        FIXTURE_TEST(test_origin_of_each),
        FIXTURE_TEST(test_unread_goes_back),
        FIXTURE_TEST(test_waiting_holds_nothing),
        FIXTURE_TEST(test_deadline),
        FIXTURE_TEST(test_error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
