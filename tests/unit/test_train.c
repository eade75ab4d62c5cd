/* Packet trains (net/train.c): which datagrams of a batch share their headers, and that nobody can tell
 * afterwards. */
#include "socket_fixture.h"

#include "abi/packet.h"
#include "net/socket_batch.h"
#include "net/wire.h"

#define UDP_SUM_AT      (14 + 20 + 6)
#define ANOTHER_ADDRESS BE32(0x0a000210) /* that we may have */

static struct socket_batch batch;

static void begin(unsigned count) { socket_batch_begin(&batch, count); }

/* The next message of the batch; address 0: to the peer. */
static ssize_t add(struct socket *socket, const void *bytes, size_t n, be32_t address,
                   uint16_t port)
{
    struct sockaddr_in to = name_of(address, port);
    struct uio uio = host_uio((void *)bytes, n);
    ssize_t result = socket_send(socket, &uio, 0, address ? &to : NULL, sizeof(to), &batch);
    batch.later |= result >= 0;
    batch.left -= result >= 0;
    return result;
}

static ssize_t add_text(struct socket *socket, const char *text)
{
    return add(socket, text, strlen(text), PEER_ADDRESS, 9);
}

static void expect_frame(unsigned number, const char *text)
{
    size_t n = strlen(text);
    assert_true(number < eth.frame_count);
    assert_int_equal(eth.frames[number].length, 42 + n);
    assert_memory_equal(eth.frames[number].bytes + 42, text, n);
}

/* --- which belong to one --- */

static void test_all_but_the_first_follow(void **state)
{
    (void)state;
    const char *texts[] = {"one", "two", "six"};
    struct socket *socket = udp_socket();
    begin(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_text(socket, texts[i]), 3);
    assert_int_equal(eth.frame_count, 0);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 3);
    for (unsigned i = 0; i < 3; i++)
        expect_frame(i, texts[i]);
    assert_int_equal(counter(NET_udp_in_train), 2);
    assert_int_equal(counter(NET_udp_sent), 3);
    assert_int_equal(counter(NET_ip_sent), 3);
    assert_int_equal(counter(NET_ether_sent), 3);
}

/* The batch's last datagram goes out with it, and does not overtake those that wait, like them or not. */
static void test_the_last_in_order(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin(1);
    assert_int_equal(add_text(socket, "abc"), 3);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 1);

    const char *texts[] = {"one", "two", "last"};
    begin(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_text(socket, texts[i]), strlen(texts[i]));
    socket_batch_end(socket, &batch);
    for (unsigned i = 0; i < 3; i++)
        expect_frame(1 + i, texts[i]);
}

/* Each of these differs from the one before it in one thing, and the order stays. */
static void test_what_ends_a_train(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(connect_to(socket, PEER_ADDRESS, 9), 0);
    struct {
        const char *text;
        be32_t address;
        uint16_t port;
    } messages[] = {
        {"abc", PEER_ADDRESS, 9},
        {"abcd", PEER_ADDRESS, 9},
        {"abce", PEER_ADDRESS, 10},
        {"abcf", OTHER_ADDRESS, 10},
        {"abcg", 0, 0},
        {"abch", PEER_ADDRESS, 9},
        {"", PEER_ADDRESS, 9},
    };
    begin(16);
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        assert_true(add(socket, messages[i].text, strlen(messages[i].text), messages[i].address,
                        messages[i].port) >= 0);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, ARRAY_SIZE(messages));
    for (unsigned i = 0; i < ARRAY_SIZE(messages); i++)
        expect_frame(i, messages[i].text);
    assert_int_equal(counter(NET_udp_in_train), 0);
    assert_int_equal(eth.unannounced, 0);
}

/* Those for which ARP has to ask, groups, all, and an echo request go through the layers each. */
static void test_what_has_none(void **state)
{
    (void)state;
    const be32_t unknown = BE32(0x0a000277), group = BE32(0xe0000009);
    const be32_t to[] = {unknown, SUBNET_ALL, group, BE32(INADDR_LOOPBACK)};
    struct socket *socket = udp_socket(), *ping = ping_socket();
    assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
        begin(8);
        for (int n = 0; n < 3; n++)
            assert_int_equal(add(socket, "abc", 3, to[i], 9), 3);
        socket_batch_end(socket, &batch);
    }
    static const uint8_t request[8] = {ICMP_ECHO_REQUEST};
    begin(8);
    for (int n = 0; n < 3; n++)
        assert_int_equal(add(ping, request, sizeof(request), PEER_ADDRESS, 0), sizeof(request));
    socket_batch_end(ping, &batch);
    assert_int_equal(counter(NET_udp_in_train), 0);
    assert_int_equal(counter(NET_udp_sent), 12);
    while (netdev_poll_round(&loopback_device)) {
    }
}

/* The device's queue is told after so many, whatever the batch still has. */
static void test_a_long_one_goes_in_parts(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    char text[] = "00";
    begin(64);
    for (int i = 0; i < 64; i++) {
        text[0] = (char)('0' + i / 10);
        text[1] = (char)('0' + i % 10);
        assert_int_equal(add_text(socket, text), 2);
        assert_in_range(eth.frame_count, i > TRAIN_MAX ? i - TRAIN_MAX : 0, i + 1);
    }
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 64);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(eth.frames[i].bytes[42], '0' + i / 10);
        assert_int_equal(eth.frames[i].bytes[43], '0' + i % 10);
    }
    assert_int_equal(eth.unannounced, 0);
    assert_int_equal(counter(NET_udp_in_train), 63);
}

/* The driver's queue takes the whole train, though the sender asked once whether there is room; the next one
 * has to wait. */
static void test_room_for_all_or_none(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    eth.room = 0;
    eth.dev.tx_waiting_count = NETDEV_TX_DEFER_MAX - 1; /* as if so many waited already */
    begin(8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_text(socket, "abc"), 3);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.dev.counters.tx_ring_full, 0);
    assert_int_equal(eth.dev.counters.tx_deferred, 3);
    struct sockaddr_in to = name_of(PEER_ADDRESS, 9);
    struct uio uio = host_uio("abc", 3);
    begin(8);
    assert_int_equal(socket_send(socket, &uio, MSG_DONTWAIT, &to, sizeof(to), &batch), -EAGAIN);
    socket_batch_end(socket, &batch);
    eth.room = FAKENET_ROOM_UNLIMITED;
    for (int i = 0; i < 3; i++)
        mbuf_free(netdev_tx_resume(&eth.dev));
    eth.dev.tx_waiting_count = 0;
}

/* --- what can go wrong --- */

static void test_bad_buffer_within(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin(8);
    assert_int_equal(add_text(socket, "abc"), 3);
    assert_int_equal(add_text(socket, "def"), 3);
    host_uio_fault(0);
    assert_int_equal(add_text(socket, "ghi"), -EFAULT);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 2);
    expect_frame(1, "def");
    assert_int_equal(counter(NET_udp_sent), 2);
    assert_int_equal(eth.unannounced, 0);
}

/* The path is the new one's, the train still the old one's: no datagram goes where the other one should. */
static void test_bad_buffer_on_another_path(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin(8);
    assert_int_equal(add(socket, "abc", 3, PEER_ADDRESS, 9), 3);
    host_uio_fault(0);
    assert_int_equal(add(socket, "def", 3, PEER_ADDRESS, 10), -EFAULT);
    assert_int_equal(add(socket, "ghi", 3, PEER_ADDRESS, 10), 3);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 2);
    assert_int_equal(get16(eth.frames[1].bytes + 36), 10);

    begin(8); /* and what was provided for a batch that sends nothing is given back */
    host_uio_fault(0);
    assert_int_equal(add_text(socket, "abc"), -EFAULT);
    socket_batch_end(socket, &batch);
}

static void test_no_mbuf_within(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    struct list all;
    begin(2); /* takes one for the next as well, no more */
    assert_int_equal(add_text(socket, "abc"), 3);
    list_init(&all);
    mbuf_alloc_many(&all, mbuf_count(MBUF_POOL), MBUF_STACK);
    assert_int_equal(add_text(socket, "def"), 3);
    batch.left = 1;
    assert_int_equal(add_text(socket, "ghi"), -ENOBUFS);
    socket_batch_end(socket, &batch);
    mbuf_free_all(&all);
    assert_int_equal(eth.frame_count, 2);
}

/* What the device cannot send is lost, and counted there; nobody waits for a doorbell. */
static void test_link_goes_down_within(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    begin(8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_text(socket, "abc"), 3);
    netdev_set_link(&eth.dev, false);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 0);
    assert_int_equal(eth.dev.counters.tx_down, 3);
    assert_int_equal(eth.flushes, 1);
    netdev_set_link(&eth.dev, true);
    begin(8);
    assert_int_equal(add_text(socket, "abc"), 3);
    socket_batch_end(socket, &batch);
    assert_int_equal(eth.frame_count, 1);
}

/* Each frame once, when it leaves. */
static void test_captured_once(void **state)
{
    (void)state;
    struct file *file;
    struct socket *socket = udp_socket();
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0, &file), 0);
    const char *texts[] = {"one", "two", "six"};
    begin(8);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add_text(socket, texts[i]), 3);
    socket_batch_end(socket, &batch);
    uint8_t got[sizeof(struct packet_record) + PACKET_BYTES_MAX];
    for (int i = 0; i < 3; i++) {
        struct uio uio = host_uio(got, sizeof(got));
        assert_true(file->ops->read(file, &uio) > 0);
        assert_memory_equal(got + sizeof(struct packet_record) + 42, texts[i], 3);
    }
    struct uio uio = host_uio(got, sizeof(got));
    assert_int_equal(file->ops->read(file, &uio), -EAGAIN);
    file_release(file);
}

/* A checksum that comes out as 0 is sent as 0xffff, by all of a train. */
static void test_checksum_of_zero(void **state)
{
    (void)state;
    struct socket *socket = udp_socket();
    assert_int_equal(bind_to(socket, 0, 7), 0);
    /* The payload that takes the place of the checksum of a payload of 0 makes the sum all ones. */
    uint16_t payload = 0;
    assert_int_equal(send_to(socket, &payload, 2, PEER_ADDRESS, 9), 2);
    memcpy(&payload, eth.frames[0].bytes + UDP_SUM_AT, 2);
    begin(4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(socket, &payload, 2, PEER_ADDRESS, 9), 2);
    socket_batch_end(socket, &batch);
    for (int i = 1; i < 4; i++)
        assert_int_equal(get16(eth.frames[i].bytes + UDP_SUM_AT), 0xffff);
}

/* --- from one batch to the next --- */

/* One batch of three; how many of them followed. */
static uint64_t three(struct socket *socket, be32_t address)
{
    uint64_t before = counter(NET_udp_in_train);
    unsigned frames = eth.frame_count;
    begin(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(socket, "abc", 3, address, 9), 3);
    socket_batch_end(socket, &batch);
    for (unsigned i = frames; i < eth.frame_count; i++)
        expect_frame(i, "abc");
    assert_int_equal(eth.frame_count, frames + 3);
    return counter(NET_udp_in_train) - before;
}

static void test_goes_on_in_the_next_batch(void **state)
{
    (void)state;
    struct socket *socket = udp_socket(), *other = udp_socket();
    assert_int_equal(three(socket, PEER_ADDRESS), 2);
    assert_int_equal(three(socket, PEER_ADDRESS), 3);
    assert_int_equal(three(other, PEER_ADDRESS), 2); /* another's is another */
    assert_int_equal(three(socket, OTHER_ADDRESS), 2);
    assert_int_equal(three(socket, OTHER_ADDRESS), 3);
    assert_int_equal(three(other, PEER_ADDRESS), 3);
    /* What is sent by itself goes through the layers, and changes nothing. */
    assert_int_equal(send_to(socket, "abc", 3, PEER_ADDRESS, 9), 3);
    assert_int_equal(three(socket, OTHER_ADDRESS), 3);
    /* One of another length does not follow, but needs no new path. */
    begin(2);
    assert_int_equal(add_text(socket, "four"), 4);
    assert_int_equal(add_text(socket, "five"), 4);
    socket_batch_end(socket, &batch);
    assert_int_equal(counter(NET_udp_in_train), 18 + 1);
    assert_int_equal(eth.unannounced, 0);
}

/* Room is looked for each time. */
static void test_next_batch_meets_a_full_device(void **state)
{
    (void)state;
    struct sockaddr_in to = name_of(PEER_ADDRESS, 9);
    struct uio uio = host_uio("abc", 3);
    struct socket *socket = udp_socket();
    assert_int_equal(three(socket, PEER_ADDRESS), 2);
    netdev_tx_set_full(&eth.dev, true);
    begin(8);
    assert_int_equal(socket_send(socket, &uio, MSG_DONTWAIT, &to, sizeof(to), &batch), -EAGAIN);
    socket_batch_end(socket, &batch);
    netdev_tx_set_full(&eth.dev, false);
    assert_int_equal(three(socket, PEER_ADDRESS), 3);
}

static struct rtentry route_entry(be32_t destination, be32_t gateway)
{
    struct rtentry entry = {.rt_flags = RTF_HOST | RTF_GATEWAY | RTF_UP};
    struct sockaddr_in to = name_of(destination, 0), by = name_of(gateway, 0);
    memcpy(&entry.rt_dst, &to, sizeof(to));
    memcpy(&entry.rt_gateway, &by, sizeof(by));
    return entry;
}

/* Of two ways the first one whose device runs is taken: one comes up between two batches, and is deleted. */
static void test_next_batch_finds_a_better_way(void **state)
{
    (void)state;
    static struct fakenet better;
    const be32_t far = BE32(0x0b000001), gateway = BE32(0x0a000302);
    struct socket *socket = udp_socket();
    fakenet_init(&better, "eth1", 2);
    assert_int_equal(ip_set_address(&better.dev, BE32(0x0a000301), OWN_MASK), 0);
    assert_int_equal(netdev_down(&better.dev), 0);
    assert_int_equal(neighbour_set(gateway, 0x98), 0);
    struct rtentry best = route_entry(far, gateway), second = route_entry(far, PEER_ADDRESS);
    assert_int_equal(ip_route_add(&best), 0);
    assert_int_equal(ip_route_add(&second), 0);
    assert_int_equal(three(socket, far), 2);
    assert_int_equal(three(socket, far), 3);
    assert_int_equal(netdev_up(&better.dev), 0);
    fakenet_clear(&better);
    begin(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(socket, "abc", 3, far, 9), 3);
    socket_batch_end(socket, &batch);
    assert_int_equal(better.frame_count, 3);
    fakenet_clear(&better);
    assert_int_equal(ip_route_delete(&best), 0);
    assert_int_equal(three(socket, far), 2);
}

/* --- that nobody can tell --- */

#define MESSAGES_MAX 24
#define RUNS         20000

/* What may happen between two calls. Those without a number to choose from are undone by the next of their
 * kind. */
enum event {
    NOTHING,
    TTL,
    TOS,
    BROADCAST,
    CONNECT,
    DISCONNECT,
    SHUTDOWN,
    ERROR,
    MTU,
    LINK,
    DEVICE,
    ADDRESS,
    MASK,
    GATEWAY,
    NEIGHBOUR_MOVES,
    NEIGHBOURS_FORGOTTEN,
    EVENTS
};

struct message {
    bool ends_call;       /* the one before it was the last of its call, */
    enum event event;     /* and then this happened */
    unsigned event_value; /* which TTL, which neighbour... */
    uint8_t bytes[80];
    size_t offset, length; /* the datagram begins at an even or an odd address */
    be32_t address;
    uint16_t port;
    bool too_long;
};

static struct message random_message(const struct message *usual)
{
    static const be32_t addresses[] = {PEER_ADDRESS,    OTHER_ADDRESS,    0,
                                       SUBNET_ALL,      BE32(0x0a000277), BE32(0xe0000009),
                                       BE32(0x0b000001)};
    struct message m = *usual;
    for (size_t i = 0; i < sizeof(m.bytes); i++)
        m.bytes[i] = (uint8_t)host_random_below(256);
    unsigned kind = host_random_below(16);
    if (kind == 0)
        m.length = host_random_below(64);
    if (kind == 1)
        m.address = addresses[host_random_below(ARRAY_SIZE(addresses))];
    if (kind == 2)
        m.port = (uint16_t)(9 + host_random_below(2));
    if (kind == 3)
        m.offset = host_random_below(16);
    m.too_long = host_random_below(200) == 0;
    m.ends_call = host_random_below(4) == 0;
    m.event = host_random_below(3) == 0 ? (enum event)host_random_below(EVENTS) : NOTHING;
    m.event_value = host_random_below(16);
    return m;
}

static void route_toggle(be32_t destination, be32_t gateway)
{
    struct rtentry entry = route_entry(destination, gateway);
    if (ip_route_delete(&entry) < 0)
        ip_route_add(&entry);
}

/* Results do not matter: they are the same in both runs. */
static void happens(struct socket *socket, enum event event, unsigned value)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    be32_t neighbour = value % 2 ? PEER_ADDRESS : OTHER_ADDRESS;
    switch (event) {
    case TTL:
        set_option(socket, IPPROTO_IP, IP_TTL, 1 + (int)value);
        break;
    case TOS:
        set_option(socket, IPPROTO_IP, IP_TOS, 4 * (int)value);
        break;
    case BROADCAST:
        set_option(socket, SOL_SOCKET, SO_BROADCAST, value % 2);
        break;
    case CONNECT:
        connect_to(socket, neighbour, (uint16_t)(9 + value / 8));
        break;
    case DISCONNECT:
        socket_connect(socket, &nobody, sizeof(nobody));
        break;
    case SHUTDOWN:
        socket_shutdown(socket, SHUT_WR);
        break;
    case ERROR:
        socket_icmp_error(IPPROTO_UDP, local_address(socket), htons(7), neighbour,
                          htons((uint16_t)(9 + value / 8)), ECONNREFUSED);
        break;
    case MTU:
        netdev_set_mtu(&eth.dev, eth.dev.mtu == 68 ? 1500 : 68);
        break;
    case LINK:
        netdev_set_link(&eth.dev, !eth.dev.link_up);
        break;
    case DEVICE:
        eth.dev.flags &IFF_UP ? netdev_down(&eth.dev) : netdev_up(&eth.dev);
        break;
    case ADDRESS:
        ip_set_address(&eth.dev,
                       ip_address(&eth.dev) == OWN_ADDRESS ? ANOTHER_ADDRESS : OWN_ADDRESS,
                       OWN_MASK);
        neighbour_set(neighbour, 0x99);
        break;
    case MASK:
        ip_set_netmask(&eth.dev, ip_netmask(&eth.dev) == OWN_MASK ? BE32(0xfffffffc) : OWN_MASK);
        break;
    case GATEWAY:
        route_toggle(neighbour, neighbour == PEER_ADDRESS ? OTHER_ADDRESS : PEER_ADDRESS);
        break;
    case NEIGHBOUR_MOVES:
        neighbour_set(neighbour, (uint8_t)(0x90 + value / 2));
        break;
    case NEIGHBOURS_FORGOTTEN:
        arp_flush(&eth.dev);
        break;
    default:
        break;
    }
}

/* All that can be seen of some messages that were sent. */
struct outcome {
    uint64_t counters[NET_COUNTER_LIMIT];
    ssize_t results[MESSAGES_MAX];
    unsigned frames;
    uint64_t hash; /* of their bytes, lengths, flags and offsets, in order */
};

static void hash_add(uint64_t *hash, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 1099511628211ull;
}

static void outcome_take(struct outcome *outcome)
{
    memcpy(outcome->counters, net_counters, sizeof(outcome->counters));
    outcome->counters[NET_udp_in_train] = 0;
    outcome->frames = eth.frame_count;
    for (unsigned i = 0; i < eth.frame_count; i++) {
        const struct fakenet_frame *frame = &eth.frames[i];
        uint16_t flags = frame->flags & (uint16_t)~MBUF_ADMITTED;
        hash_add(&outcome->hash, frame->bytes, frame->length);
        hash_add(&outcome->hash, &frame->length, sizeof(frame->length));
        hash_add(&outcome->hash, &flags, sizeof(flags));
        if (!(flags & MBUF_CSUM_PARTIAL))
            continue;
        hash_add(&outcome->hash, &frame->csum_start, sizeof(frame->csum_start));
        hash_add(&outcome->hash, &frame->csum_offset, sizeof(frame->csum_offset));
    }
}

static uint64_t run(struct message *messages, unsigned n, unsigned options, bool together,
                    struct outcome *outcome)
{
    static uint8_t large[2000];
    memset(outcome, 0, sizeof(*outcome));
    assert_int_equal(fixture_setup(NULL), 0);
    host_clock_set(NS_PER_SEC);
    struct socket *socket = udp_socket();
    eth.dev.offload_checksum = options & 1;
    assert_int_equal(bind_to(socket, options & 2 ? OWN_ADDRESS : 0, 7), 0);
    if (options & 4)
        assert_int_equal(connect_to(socket, OTHER_ADDRESS, 12), 0);
    if (options & 8)
        assert_int_equal(set_option(socket, SOL_SOCKET, SO_BROADCAST, 1), 0);
    if (options & 16)
        assert_int_equal(set_option(socket, IPPROTO_IP, IP_TTL, 3), 0);
    begin(MESSAGES_MAX + 1);
    for (unsigned i = 0; i < n; i++) {
        struct message *m = &messages[i];
        struct sockaddr_in to = name_of(m->address, m->port);
        if (i > 0 && m->ends_call) {
            socket_batch_end(socket, &batch);
            happens(socket, m->event, m->event_value);
            begin(MESSAGES_MAX + 1 - i);
        }
        struct uio uio = m->too_long ? host_uio(large, sizeof(large))
                                     : host_uio(m->bytes + m->offset, m->length);
        outcome->results[i] = socket_send(socket, &uio, 0, m->address ? &to : NULL, sizeof(to),
                                          together ? &batch : NULL);
        batch.left--;
    }
    socket_batch_end(socket, &batch);
    outcome_take(outcome);
    uint64_t in_train = counter(NET_udp_in_train);
    assert_int_equal(eth.unannounced, 0);
    eth.dev.offload_checksum = false;
    assert_int_equal(fixture_teardown(NULL), 0);
    return in_train;
}

/* Some thousand random batches, each sent in a few calls and one by one, with things that happen between
 * the calls: frames, counters and results agree. */
static void test_same_as_without(void **state)
{
    (void)state;
    static struct message messages[MESSAGES_MAX];
    static struct outcome together, apart;
    uint64_t in_trains = 0;
    for (unsigned number = 1; number <= RUNS; number++) {
        host_random_seed(number);
        struct message usual = {.length = host_random_below(64),
                                .port = 9,
                                .address = host_random_below(2) ? PEER_ADDRESS : 0};
        unsigned n = 1 + host_random_below(MESSAGES_MAX), options = host_random_below(32);
        for (unsigned i = 0; i < n; i++)
            messages[i] = random_message(&usual);
        in_trains += run(messages, n, options, true, &together);
        assert_int_equal(run(messages, n, options, false, &apart), 0);
        if (memcmp(&together, &apart, sizeof(together)) == 0)
            continue;
        for (unsigned i = 0; i < NET_COUNTER_LIMIT; i++) {
            if (together.counters[i] != apart.counters[i])
                print_error("counter %u: %lu together, %lu apart\n", i,
                            (unsigned long)together.counters[i], (unsigned long)apart.counters[i]);
        }
        fail_msg("batch %u of %u messages, options %u: together %u frames, apart %u", number, n,
                 options, together.frames, apart.frames);
    }
    assert_true(in_trains > 3 * RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_all_but_the_first_follow),
        FIXTURE_TEST(test_the_last_in_order),
        FIXTURE_TEST(test_what_ends_a_train),
        FIXTURE_TEST(test_what_has_none),
        FIXTURE_TEST(test_a_long_one_goes_in_parts),
        FIXTURE_TEST(test_room_for_all_or_none),
        FIXTURE_TEST(test_bad_buffer_within),
        FIXTURE_TEST(test_bad_buffer_on_another_path),
        FIXTURE_TEST(test_no_mbuf_within),
        FIXTURE_TEST(test_link_goes_down_within),
        FIXTURE_TEST(test_captured_once),
        FIXTURE_TEST(test_checksum_of_zero),
        FIXTURE_TEST(test_goes_on_in_the_next_batch),
        FIXTURE_TEST(test_next_batch_meets_a_full_device),
        FIXTURE_TEST(test_next_batch_finds_a_better_way),
        cmocka_unit_test(test_same_as_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
