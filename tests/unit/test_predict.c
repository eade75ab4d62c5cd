/* Header prediction (net/predict.c): which datagrams take the shortcut, and that nobody can tell afterwards. */
#include "socket_fixture.h"

#include "abi/packet.h"
#include "net/socket_internal.h"
#include "net/wire.h"

#define FRAME_BYTES 1600
#define IP_AT       14
#define UDP_AT      34

struct arrival {
    uint8_t bytes[FRAME_BYTES];
    size_t length;
    uint16_t flags; /* of the mbuf */
};

static struct fakenet second; /* of the tests that need two devices */

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void ip_fix(uint8_t *ip)
{
    put16(ip + 10, 0);
    uint16_t sum = checksum_finish(checksum_add(0, ip, (ip[0] & 15u) * 4));
    memcpy(ip + 10, &sum, 2);
}

/* The datagram in a frame from the peer to us. */
static struct arrival frame_with(const struct datagram *datagram)
{
    struct arrival a = {.flags = datagram->mbuf_flags};
    memcpy(a.bytes, eth.dev.mac, 6);
    memcpy(a.bytes + 6, (uint8_t[]){0x52, 0x54, 0, 0, 0, 0x99}, 6);
    put16(a.bytes + 12, ETHER_TYPE_IP);
    a.length = IP_AT + datagram_build(datagram, a.bytes + IP_AT);
    return a;
}

static struct arrival frame_of(const char *text)
{
    struct datagram datagram = datagram_with(text, strlen(text));
    return frame_with(&datagram);
}

/* For the next poll. */
static void queue(const struct arrival *a)
{
    struct mbuf *m = fakenet_mbuf(&eth, a->bytes, a->length);
    m->flags = a->flags;
    mbuf_set_owner(m, MBUF_RX_RING);
    list_push_back(&eth.incoming, &m->node);
}

static void poll_all(void)
{
    while (netdev_poll_round(&eth.dev)) {
    }
}

/* As after a change of addresses. */
static void forget(void) { assert_int_equal(ip_set_netmask(&eth.dev, ip_netmask(&eth.dev)), 0); }

static struct socket *socket_on_port_7(void)
{
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    return socket;
}

static void expect(struct socket *socket, const char *text)
{
    char got[64];
    ssize_t n = receive(socket, got, sizeof(got), 0);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, (size_t)n);
}

/* --- which take it --- */

static void test_all_but_the_first(void **state)
{
    (void)state;
    struct socket *socket = socket_on_port_7();
    for (int poll = 1; poll <= 2; poll++) {
        const char *texts[] = {"one", "two", "six"};
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
            struct arrival a = frame_of(texts[i]);
            queue(&a);
        }
        poll_all();
        assert_int_equal(counter(NET_udp_predicted), 3 * poll - 1);
        LIST_FOR_EACH (node, &socket->queue) {
            const struct mbuf *m = LIST_ENTRY(node, struct mbuf, node);
            assert_ptr_equal(m->ip_header, m->data - 28);
            assert_int_equal(m->ip_header_length, 20);
        }
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
            expect(socket, texts[i]);
    }
    assert_int_equal(counter(NET_ether_received), 6);
    assert_int_equal(counter(NET_ip_received), 6);
    assert_int_equal(counter(NET_ip_delivered), 6);
    assert_int_equal(counter(NET_udp_received), 6);
    assert_int_equal(counter(NET_socket_queued), 6);
    assert_int_equal(eth.dev.counters.rx_packets, 6);
    assert_int_equal(eth.dev.counters.rx_bytes, 6 * 45);
}

/* Identification, TTL and no UDP checksum may differ; each of these changes is to the second of two frames. */
static void test_what_may_differ(void **state)
{
    (void)state;
    struct socket *socket = socket_on_port_7();
    struct arrival first = frame_of("abc");
    for (int change = 0; change < 4; change++) {
        struct arrival a = frame_of("xyz");
        put16(a.bytes + IP_AT + 4, change == 0 ? 0xbeef : 0);
        a.bytes[IP_AT + 8] = change == 1 ? 7 : first.bytes[IP_AT + 8];
        ip_fix(a.bytes + IP_AT);
        if (change == 2)
            put16(a.bytes + UDP_AT + 6, 0);
        if (change == 3) {
            put16(a.bytes + UDP_AT + 6, 0x1234); /* wrong, but nobody looks again */
            a.flags = MBUF_CSUM_VERIFIED;
        }
        forget();
        queue(&first);
        queue(&a);
        poll_all();
        assert_int_equal(counter(NET_udp_predicted), change + 1);
        expect(socket, "abc");
        expect(socket, "xyz");
    }
}

/* Each bit of the headers changed, the IP checksum once left as it was and once made right again:
 * identification, TTL and a checksum of IP that is right are the only ones that may differ. */
static void test_what_must_not(void **state)
{
    (void)state;
    socket_on_port_7();
    struct arrival first = frame_of("abc");
    for (int bit = 0; bit < (UDP_AT + 8) * 8; bit++) {
        int at = bit / 8;
        bool may = at == IP_AT + 4 || at == IP_AT + 5 || at == IP_AT + 8;
        for (int fix = 0; fix <= 1; fix++) {
            struct arrival a = first;
            a.bytes[at] ^= (uint8_t)(1u << bit % 8);
            if (fix)
                ip_fix(a.bytes + IP_AT);
            uint64_t before = counter(NET_udp_predicted);
            forget();
            queue(&first);
            queue(&a);
            poll_all();
            bool checksum_only =
                at == IP_AT + 10 || at == IP_AT + 11; /* ip_fix() undoes the change */
            bool took = counter(NET_udp_predicted) > before;
            assert_int_equal(took, fix && (may || checksum_only));
        }
    }
}

/* What is special about the first frame is not expected of the next one. */
static void test_nothing_is_learned_from_what_is_special(void **state)
{
    (void)state;
    socket_on_port_7();
    struct datagram all = datagram_with("abc", 3);
    all.destination = SUBNET_ALL;
    struct arrival broadcast = frame_with(&all), options = frame_of("abc"), snap = frame_of("abc");

    memmove(options.bytes + UDP_AT + 4, options.bytes + UDP_AT, 11);
    memset(options.bytes + UDP_AT, 1, 4); /* no operation */
    options.bytes[IP_AT] = 0x46;
    put16(options.bytes + IP_AT + 2, 24 + 11);
    ip_fix(options.bytes + IP_AT);
    options.length += 4;

    memmove(snap.bytes + IP_AT + 8, snap.bytes + IP_AT, 31);
    memcpy(snap.bytes + IP_AT, (uint8_t[]){0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, 8);
    put16(snap.bytes + 12, 31 + 8);
    snap.length += 8;

    const struct arrival *special[] = {&broadcast, &options, &snap};
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        queue(special[i]);
        queue(special[i]);
        poll_all();
        assert_int_equal(counter(NET_socket_queued), 2 * (i + 1));
    }
    assert_int_equal(counter(NET_udp_predicted), 0);
    assert_int_equal(counter(NET_ether_not_for_us), 0);

    /* What lies in front of the IP header of the last one, where an Ethernet header would, is none. */
    struct arrival shifted = snap;
    memmove(shifted.bytes, snap.bytes + 8, snap.length - 8);
    queue(&snap);
    queue(&shifted);
    poll_all();
    assert_int_equal(counter(NET_udp_predicted), 0);
    assert_int_equal(counter(NET_ether_not_for_us), 1);
}

/* Whether a datagram is taken depends on the addresses of all interfaces: after each change the layers look
 * again, and in each of these cases they decide otherwise. */
static void test_not_beyond_a_change_of_addresses(void **state)
{
    (void)state;
    struct rtentry own_route = {.rt_flags = RTF_UP};
    struct sockaddr_in network = name_of(OWN_ADDRESS & OWN_MASK, 0), mask = name_of(OWN_MASK, 0);
    memcpy(&own_route.rt_dst, &network, sizeof(network));
    memcpy(&own_route.rt_genmask, &mask, sizeof(mask));
    struct socket *socket = socket_on_port_7();
    struct arrival a = frame_of("abc");
    struct {
        be32_t ours, mask, others; /* addresses of this and of the other device */
        enum net_counter drop;
    } cases[] = {
        {OWN_ADDRESS ^ BE32(1), BE32(0xffffff00), 0, NET_ip_not_for_us},
        {OWN_ADDRESS, BE32(0xffffff00), PEER_ADDRESS, NET_ip_bad_source},
        {0, 0, 0, NET_ip_not_for_us},
    };
    fakenet_init(&second, "eth1", 2);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(ip_set_address(&second.dev, 0, 0), 0);
        assert_int_equal(ip_set_address(&eth.dev, OWN_ADDRESS, BE32(0xffffff00)), 0);
        /* Without its own route an interface loses its address and no route with it. */
        if (cases[i].ours == 0)
            assert_int_equal(ip_route_delete(&own_route), 0);
        uint64_t predicted = counter(NET_udp_predicted), dropped = counter(cases[i].drop);
        for (int n = 0; n < 3; n++) {
            queue(&a);
            poll_all();
            expect(socket, "abc");
        }
        assert_int_equal(counter(NET_udp_predicted), predicted + 2);
        assert_int_equal(ip_set_address(&second.dev, cases[i].others, cases[i].mask), 0);
        assert_int_equal(ip_set_address(&eth.dev, cases[i].ours, cases[i].mask), 0);
        queue(&a);
        queue(&a);
        poll_all();
        assert_int_equal(counter(NET_udp_predicted), predicted + 2);
        assert_int_equal(counter(cases[i].drop), dropped + 2);
        assert_int_equal(counter(NET_socket_queued), 3 * (i + 1));
    }
}

/* What the other device is sent is not what this one expects. */
static void test_each_device_has_its_own(void **state)
{
    (void)state;
    struct socket *socket = socket_on_port_7();
    struct arrival a = frame_of("abc");
    fakenet_init(&second, "eth1", 2);
    assert_int_equal(ip_set_address(&second.dev, BE32(0x0a000164), BE32(0xffffff00)), 0);
    queue(&a);
    poll_all();
    expect(socket, "abc");
    fakenet_receive(&second, a.bytes, a.length); /* to the other one's link address */
    assert_int_equal(counter(NET_ether_not_for_us), 1);
    assert_int_equal(counter(NET_udp_predicted), 0);
    queue(&a);
    poll_all();
    assert_int_equal(counter(NET_udp_predicted), 1);
}

/* Each datagram to a port that nobody has is answered at once. */
static void test_port_that_nobody_has(void **state)
{
    (void)state;
    struct arrival a = frame_of("abc");
    for (int i = 0; i < 3; i++)
        queue(&a);
    poll_all();
    assert_int_equal(counter(NET_udp_predicted), 0);
    assert_int_equal(counter(NET_udp_no_port), 3);
    assert_int_equal(eth.frame_count, 3);
}

/* A socket may be gone by the time that a run is handed up: its first datagram came by the usual way. */
static void test_socket_is_gone(void **state)
{
    (void)state;
    struct arrival a = frame_of("abc");
    struct list run;
    list_init(&run);
    for (int i = 0; i < 3; i++) {
        struct mbuf *m = fakenet_mbuf(&eth, a.bytes, a.length);
        m->ip_header = m->data + IP_AT;
        m->ip_header_length = UDP_AT - IP_AT;
        m->source = PEER_ADDRESS;
        m->destination = OWN_ADDRESS;
        mbuf_pull(m, UDP_AT + 8);
        list_push_back(&run, &m->node);
    }
    udp_deliver(&eth.dev, &run, 3, htons(7));
    assert_true(list_empty(&run));
    assert_int_equal(counter(NET_udp_no_port), 3);
    assert_int_equal(eth.frame_count, 3);
    assert_memory_equal(eth.frames[2].bytes + 42, a.bytes + IP_AT, 31);
}

/* Who captures sees each frame before what it leads to. */
static void test_captured_in_order(void **state)
{
    (void)state;
    struct file *file;
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0, &file), 0);
    struct arrival a = frame_of("abc");
    queue(&a);
    queue(&a);
    poll_all();
    for (int i = 0; i < 4; i++) {
        struct packet_record record;
        uint8_t got[sizeof(record) + PACKET_BYTES_MAX];
        struct uio uio = host_uio(got, sizeof(got));
        assert_true(file->ops->read(file, &uio) > (ssize_t)sizeof(record));
        memcpy(&record, got, sizeof(record));
        assert_int_equal(record.direction, i % 2 ? PACKET_SENT : PACKET_RECEIVED);
    }
    file_release(file);
}

/* --- that nobody can tell --- */

#define BATCH_MAX 24
#define RUNS      20000
#define GOT_MAX   64

/* Ports: 7 and 8 have a socket each, that of 8 with room for two, 9 has none, 10 a connected one, 11 has two.
 */
static uint16_t random_port(void) { return (uint16_t)(7 + host_random_below(5)); }

/* A frame of the main flow, or of nearly that one. */
static struct arrival random_frame(const struct datagram *flow)
{
    uint8_t payload[64];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)host_random_below(256);
    struct datagram datagram = *flow;
    datagram.payload = payload;
    unsigned kind = host_random_below(24);
    if (kind == 0)
        datagram.length = host_random_below(sizeof(payload));
    if (kind == 1)
        datagram.destination_port = random_port();
    if (kind == 2)
        datagram.source_port = (uint16_t)(1000 + host_random_below(2));
    if (kind == 3)
        datagram.source = OTHER_ADDRESS;
    if (kind == 4)
        datagram.destination = host_random_below(2) ? SUBNET_ALL : BE32(0xffffffff);
    if (kind == 5)
        datagram.checksum = host_random_below(2) ? 0 : CHECKSUM_WRONG;
    if (kind == 6)
        datagram.udp_length = (int)(8 + host_random_below((unsigned)datagram.length + 2));
    struct arrival a = frame_with(&datagram);
    put16(a.bytes + IP_AT + 4, (uint16_t)host_random_below(3));
    a.bytes[IP_AT + 8] = (uint8_t)(60 + host_random_below(2));
    put16(a.bytes + IP_AT + 6, (uint16_t)(kind == 7 ? 0x2000 : kind == 8 ? 0 : 0x4000));
    ip_fix(a.bytes + IP_AT);
    if (kind == 9)
        a.bytes[host_random_below((unsigned)a.length)] ^= (uint8_t)(1u << host_random_below(8));
    if (kind == 10) {
        a.bytes[IP_AT + host_random_below(20)] ^= (uint8_t)(1u << host_random_below(8));
        ip_fix(a.bytes + IP_AT);
    }
    if (kind == 11)
        a.length -= host_random_below((unsigned)a.length + 1);
    if (kind == 12)
        a.length += 1 + host_random_below(20); /* padding */
    if (kind == 13)
        memset(a.bytes, 0xff, 6);
    if (kind == 14)
        a.flags = MBUF_CSUM_VERIFIED;
    return a;
}

/* All that can be seen of what the stack did with some frames. */
struct outcome {
    uint64_t counters[NET_COUNTER_LIMIT], packets, bytes;
    unsigned frames; /* sent */
    struct arrival sent[8];
    unsigned got;
    struct {
        unsigned socket;
        ssize_t length;
        uint8_t bytes[64];
        struct sockaddr_in from;
        be32_t destination;
    } datagrams[GOT_MAX];
};

static void outcome_take(struct outcome *outcome, struct socket *const *sockets, unsigned n)
{
    memset(outcome, 0, sizeof(*outcome));
    memcpy(outcome->counters, net_counters, sizeof(outcome->counters));
    outcome->counters[NET_udp_predicted] = 0;
    outcome->packets = eth.dev.counters.rx_packets;
    outcome->bytes = eth.dev.counters.rx_bytes;
    outcome->frames = eth.frame_count;
    for (unsigned i = 0; i < MIN(eth.frame_count, ARRAY_SIZE(outcome->sent)); i++) {
        outcome->sent[i].length = eth.frames[i].length;
        memcpy(outcome->sent[i].bytes, eth.frames[i].bytes, eth.frames[i].length);
    }
    for (unsigned i = 0; i < n; i++) {
        for (;;) {
            uint8_t bytes[64] = {0};
            struct uio uio = {.base = (uintptr_t)bytes, .remaining = sizeof(bytes)};
            struct socket_received got =
                socket_receive(sockets[i], &uio, MSG_TRUNC | MSG_DONTWAIT, NULL);
            if (got.length == -EAGAIN)
                break;
            assert_true(outcome->got < GOT_MAX);
            outcome->datagrams[outcome->got].socket = i;
            outcome->datagrams[outcome->got].length = got.length;
            memcpy(outcome->datagrams[outcome->got].bytes, bytes, sizeof(bytes));
            outcome->datagrams[outcome->got].from = socket_origin_name(&got);
            outcome->datagrams[outcome->got].destination = got.destination;
            outcome->got++;
        }
    }
}

static void run(const struct arrival *arrivals, unsigned n, bool together, struct outcome *outcome)
{
    static uint64_t now;
    struct socket *sockets[5];
    assert_int_equal(fixture_setup(NULL), 0);
    host_clock_set(now += 100 * NS_PER_SEC); /* the limit on ICMP errors is as at the start again */
    for (unsigned i = 0; i < ARRAY_SIZE(sockets); i++) {
        sockets[i] = udp_socket();
        if (i >= 3)
            assert_int_equal(set_option(sockets[i], SOL_SOCKET, SO_REUSEADDR, 1), 0);
        assert_int_equal(bind_to(sockets[i], 0, (uint16_t[]){7, 8, 10, 11, 11}[i]), 0);
    }
    assert_int_equal(set_option(sockets[1], SOL_SOCKET, SO_RCVBUF, 2 * 4096), 0);
    assert_int_equal(connect_to(sockets[2], PEER_ADDRESS, 1000), 0);
    for (unsigned i = 0; i < n; i++) {
        queue(&arrivals[i]);
        if (!together) {
            poll_all();
            forget();
        }
    }
    poll_all();
    outcome_take(outcome, sockets, ARRAY_SIZE(sockets));
    assert_int_equal(fixture_teardown(NULL), 0);
}

/* Some thousand random batches, each handed up at once and one by one with nothing expected: counters, sockets
 * and answers agree. */
static void test_same_as_without(void **state)
{
    (void)state;
    static struct arrival arrivals[BATCH_MAX];
    static struct outcome together, apart;
    for (unsigned number = 1; number <= RUNS; number++) {
        host_random_seed(number);
        assert_int_equal(fixture_setup(NULL), 0); /* frames bear the device's address */
        struct datagram flow = datagram_with("", 0);
        flow.length = host_random_below(50);
        flow.destination_port = host_random_below(2) ? 7 : random_port();
        unsigned n = 1 + host_random_below(BATCH_MAX);
        for (unsigned i = 0; i < n; i++)
            arrivals[i] = random_frame(&flow);
        assert_int_equal(fixture_teardown(NULL), 0);
        run(arrivals, n, true, &together);
        run(arrivals, n, false, &apart);
        if (memcmp(&together, &apart, sizeof(together)) != 0) {
            for (unsigned i = 0; i < NET_COUNTER_LIMIT; i++) {
                if (together.counters[i] != apart.counters[i])
                    print_error("counter %u: %lu together, %lu apart\n", i,
                                (unsigned long)together.counters[i],
                                (unsigned long)apart.counters[i]);
            }
            fail_msg("batch %u of %u frames: together %u datagrams, %u frames sent; apart %u, %u",
                     number, n, together.got, together.frames, apart.got, apart.frames);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_all_but_the_first),
        FIXTURE_TEST(test_what_may_differ),
        FIXTURE_TEST(test_what_must_not),
        FIXTURE_TEST(test_nothing_is_learned_from_what_is_special),
        FIXTURE_TEST(test_not_beyond_a_change_of_addresses),
        FIXTURE_TEST(test_each_device_has_its_own),
        FIXTURE_TEST(test_port_that_nobody_has),
        FIXTURE_TEST(test_socket_is_gone),
        FIXTURE_TEST(test_captured_in_order),
        cmocka_unit_test(test_same_as_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
