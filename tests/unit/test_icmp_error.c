/* net/icmp.c: errors sent and received, by the rows C3 to C12 of the requirement table. Received ones are
 * looked for where users see them: in the sockets that sent what the error is about. */
#include "icmp_fixture.h"

/* --- errors about what we received --- */

/* A datagram of an unused protocol, to be answered with C9 unless a rule forbids it. */
static struct ip_header *strange_datagram(const uint8_t *to_mac, be32_t from, be32_t to, size_t n)
{
    frame.length = 0;
    frame_ether(&frame, to_mac, peer, 0x0800);
    frame_ip(&frame, 200, from, to, n);
    frame_data(&frame, 0x30, n);
    return (struct ip_header *)(frame.bytes + 14);
}

static void receive_frame(void) { fakenet_receive(&eth0, frame.bytes, frame.length); }

/* C3, C9: protocol unreachable, with the header and the data behind it as they came. */
static void test_protocol_unreachable(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 7, 8, 9, 100, 528, 529, 1480};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        size_t quoted = MIN(20 + sizes[i], 548);
        strange_datagram(eth0.dev.mac, PEER, OWN, sizes[i]);
        receive_frame();
        const struct fakenet_frame *sent = &eth0.frames[i];
        const struct ip_header *ip = (const struct ip_header *)(sent->bytes + 14);
        assert_int_equal(eth0.frame_count, i + 1);
        assert_int_equal(sent->length, 14 + 20 + 8 + quoted);
        assert_true(sent->length <= 14 + 576);
        assert_int_equal(ip->source, OWN);
        assert_int_equal(ip->destination, PEER);
        assert_int_equal(ip->protocol, IPPROTO_ICMP);
        assert_int_equal(ip->tos, 0);
        assert_int_equal(sent->bytes[34], ICMP_UNREACHABLE);
        assert_int_equal(sent->bytes[35], ICMP_UNREACHABLE_PROTOCOL);
        assert_memory_equal(sent->bytes + 38, "\0\0\0\0", 4);
        assert_memory_equal(sent->bytes + 42, frame.bytes + 14, quoted);
        assert_true(sum_is_right(sent->bytes + 34, 8 + quoted));
    }
    assert_int_equal(COUNTER(icmp_errors_sent), ARRAY_SIZE(sizes));
}

/* Port unreachable, from the UDP layer, which has taken its header off: the quotation has it all the same. */
static void test_port_unreachable(void **state)
{
    (void)state;
    frame_ether(&frame, eth0.dev.mac, peer, 0x0800);
    frame_ip(&frame, IPPROTO_UDP, PEER, OWN, 12);
    frame_data(&frame, 0, 12);
    memcpy(frame.bytes + 34, (uint8_t[]){1, 2, 3, 4, 0, 12, 0, 0}, 8);
    receive_frame();
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(eth0.frames[0].bytes[35], ICMP_UNREACHABLE_PORT);
    assert_memory_equal(eth0.frames[0].bytes + 42, frame.bytes + 14, 32);
}

/* C5, C6: nothing that went to more than one host. */
static void test_no_error_about_broadcasts(void **state)
{
    (void)state;
    strange_datagram(ether_broadcast, PEER, ALL, 8);
    receive_frame();
    strange_datagram(eth0.dev.mac, PEER, BE32(0x0a0002ff), 8); /* unicast on the link */
    receive_frame();
    assert_int_equal(COUNTER(icmp_errors_suppressed), 2);
    assert_int_equal(eth0.frame_count, 0);
}

/* The rules that no frame reaches, since something before refuses it: asked directly. */
static void send_error_about(uint8_t flags, be32_t source, uint16_t fragment, int icmp_type)
{
    struct ip_header *ip = strange_datagram(eth0.dev.mac, source, OWN, 8);
    if (icmp_type >= 0) {
        ip->protocol = IPPROTO_ICMP;
        frame.bytes[34] = (uint8_t)icmp_type;
    }
    ip->fragment = htons(fragment);
    struct mbuf *m = fakenet_mbuf(&eth0, frame.bytes, 14 + 28);
    m->ip_header = mbuf_pull(m, 14);
    m->ip_header_length = 20;
    m->source = source;
    m->destination = OWN;
    m->flags = flags;
    mbuf_pull(m, 20);
    icmp_send_error(&eth0.dev, m, ICMP_UNREACHABLE, ICMP_UNREACHABLE_PROTOCOL);
}

/* C4, C6, C7, C8 */
static void test_forbidden_errors(void **state)
{
    (void)state;
    const be32_t not_one_host[] = {0,
                                   ALL,
                                   BE32(0x0a0002ff),
                                   BE32(0x0affffff),
                                   BE32(0xe0000001),
                                   BE32(0xf0000001),
                                   BE32(0x7f000001),
                                   BE32(0x00000005)};
    const int errors[] = {3, 4, 5, 11, 12, 13, 40};
    uint64_t suppressed = 0;
    send_error_about(MBUF_LINK_BROADCAST, PEER, 0, -1);
    send_error_about(MBUF_LINK_MULTICAST, PEER, 0, -1);
    send_error_about(0, PEER, 1, -1);
    send_error_about(0, PEER, 0x1fff, -1);
    assert_int_equal(COUNTER(icmp_errors_suppressed), suppressed += 4);
    for (size_t i = 0; i < ARRAY_SIZE(not_one_host); i++)
        send_error_about(0, not_one_host[i], 0, -1);
    assert_int_equal(COUNTER(icmp_errors_suppressed), suppressed += ARRAY_SIZE(not_one_host));
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        send_error_about(0, PEER, 0, errors[i]);
    assert_int_equal(COUNTER(icmp_errors_suppressed), suppressed += ARRAY_SIZE(errors));
    assert_int_equal(eth0.frame_count, 0);
    send_error_about(0, PEER, 0x2000, -1); /* the first fragment may be answered */
    send_error_about(0, PEER, 0, ICMP_ECHO_REQUEST);
    assert_int_equal(eth0.frame_count, 2);
}

/* C6: what is no one host on the network of another interface is none here either. */
static void test_no_answer_to_another_networks_broadcast(void **state)
{
    (void)state;
    static struct fakenet eth1;
    const be32_t all_there = BE32(0xc0a801ff);
    fakenet_init(&eth1, "eth1", 2);
    assert_int_equal(ip_set_address(&eth1.dev, BE32(0xc0a80101), MASK24), 0);
    fakenet_clear(&eth1);
    send_error_about(0, all_there, 0, -1);
    receive_from(eth0.dev.mac, all_there, OWN, ICMP_ECHO_REQUEST, 0, 1, NULL, 0);
    assert_int_equal(COUNTER(icmp_errors_no_way), 1);
    assert_int_equal(COUNTER(icmp_echo_no_way), 1);
    assert_int_equal(eth0.frame_count + eth1.frame_count, 0);
}

/* A burst is answered, then one every 10 ms. */
static void test_rate_limit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        send_error_about(0, PEER, 0, -1);
    assert_int_equal(eth0.frame_count, 32);
    assert_int_equal(COUNTER(icmp_errors_rate_limited), 18);
    host_clock_advance(10 * NS_PER_MS);
    send_error_about(0, PEER, 0, -1);
    send_error_about(0, PEER, 0, -1);
    assert_int_equal(eth0.frame_count, 33);
    host_clock_advance(3600 * NS_PER_SEC);
    for (unsigned i = 0; i < 50; i++)
        send_error_about(0, PEER, 0, -1);
    assert_int_equal(eth0.frame_count, 33 + 32);
}

/* Who has read the clock first need not be the first to take a token: then the bucket has been
 * filled up to a later time already, and nothing is due. */
static void test_rate_limit_of_two_harts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        send_error_about(0, PEER, 0, -1);
    uint64_t before = clock_ns();
    host_clock_advance(10 * NS_PER_MS);
    send_error_about(0, PEER, 0, -1); /* by a hart that has read the clock later */
    assert_int_equal(eth0.frame_count, 33);
    host_clock_set(before);
    for (unsigned i = 0; i < 50; i++)
        send_error_about(0, PEER, 0, -1);
    assert_int_equal(eth0.frame_count, 33);
}

/* On loopback there is less room in front of a datagram; local clients are told as well, and by any
 * address of 127/8, the last one too: it is this host's, not that of all. */
static void test_error_on_loopback(void **state)
{
    (void)state;
    const be32_t inside[] = {BE32(0x7f000001), BE32(0x7fffffff)};
    for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
        struct ip_destination way;
        struct ip_send send = {.destination = inside[i], .protocol = 200, .ttl = 1};
        struct mbuf *m = mbuf_alloc(MBUF_STACK);
        memset(mbuf_append(m, 20), 1, 20);
        assert_int_equal(ip_route(0, send.destination, &way), 0);
        assert_int_equal(ip_output(m, &send, &way), 0);
        host_thread_run("lo");
        assert_int_equal(COUNTER(icmp_errors_sent), i + 1);
        assert_int_equal(COUNTER(icmp_received), i + 1);
    }
}

/* --- errors about what we sent --- */

static int pending_error(struct file *file)
{
    int error = -1;
    socklen_t length = sizeof(error);
    assert_int_equal(
        socket_getsockopt(socket_from_file(file), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

/* What an error quotes: a datagram from the socket to its peer. */
static size_t quote(uint8_t *to, struct file *file, uint8_t protocol)
{
    struct sockaddr_in own;
    struct frame quoted = {.length = 2}; /* the header lies at a multiple of 4 */
    uint8_t *header = quoted.bytes + 2;
    socket_getsockname(socket_from_file(file), &own);
    frame_ip(&quoted, protocol, OWN, PEER, 8);
    frame_data(&quoted, 0, 8);
    be16_t udp[4] = {own.sin_port, PORT, BE16(8), 0};
    be16_t echo[4] = {BE16(0x0800), 0, own.sin_port, BE16(1)};
    memcpy(header + 20, protocol == IPPROTO_UDP ? udp : echo, 8);
    memcpy(to, header, 28);
    return 28;
}

/* C10, C11, C12: every code finds the socket and becomes the right error; hints change nothing else. */
static void test_errors_reach_the_socket(void **state)
{
    (void)state;
    const struct {
        uint8_t type, code;
        int error;
    } cases[] = {
        {3, 0, ENETUNREACH},   {3, 1, EHOSTUNREACH},  {3, 2, ECONNREFUSED},  {3, 3, ECONNREFUSED},
        {3, 4, EMSGSIZE},      {3, 5, EHOSTUNREACH},  {3, 6, ENETUNREACH},   {3, 7, EHOSTUNREACH},
        {3, 8, EHOSTUNREACH},  {3, 9, ENETUNREACH},   {3, 10, EHOSTUNREACH}, {3, 11, ENETUNREACH},
        {3, 12, EHOSTUNREACH}, {3, 13, EHOSTUNREACH}, {3, 15, EHOSTUNREACH}, {11, 0, EHOSTUNREACH},
        {11, 1, EHOSTUNREACH}, {12, 0, EPROTO},
    };
    struct file *file = socket_open(IPPROTO_UDP);
    uint8_t data[64];
    size_t n = quote(data, file, IPPROTO_UDP);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        receive(cases[i].type, cases[i].code, 0, data, n);
        assert_int_equal(pending_error(file), cases[i].error);
        assert_int_equal(pending_error(file), 0);
    }
    assert_int_equal(COUNTER(icmp_errors_delivered), ARRAY_SIZE(cases));
    receive(3, 16, 0, data, n);
    receive(4, 0, 0, data, n);
    receive(5, 0, 0, data, n);
    assert_int_equal(pending_error(file), 0);
    assert_int_equal(eth0.frame_count, 0); /* C4: and no answer to any */
    struct ip_destination way;
    assert_int_equal(ip_route(0, PEER, &way), 0);
    arp_find_neighbour(&way); /* C11: nor has an error made us forget a neighbour */
    assert_true(way.neighbour_known);
    file_release(file);
}

static void test_error_about_an_echo_request(void **state)
{
    (void)state;
    struct file *file = socket_open(IPPROTO_ICMP);
    uint8_t data[64];
    size_t n = quote(data, file, IPPROTO_ICMP);
    receive(3, 1, 0, data, n);
    assert_int_equal(pending_error(file), EHOSTUNREACH);
    data[20] = ICMP_ECHO_REPLY; /* we sent no such thing from a socket */
    receive(3, 1, 0, data, n);
    assert_int_equal(pending_error(file), 0);
    assert_int_equal(COUNTER(icmp_error_not_ours), 1);
    file_release(file);
}

/* The quotation is not trusted: its lengths, its version, its source. */
static void test_quotations_are_checked(void **state)
{
    (void)state;
    struct file *file = socket_open(IPPROTO_UDP);
    uint8_t data[64] = {0}, good[64] = {0};
    size_t n = quote(good, file, IPPROTO_UDP);
    assert_int_equal(n, 28);
    for (size_t length = 0; length < 28; length++)
        receive(3, 3, 0, good, length);
    assert_int_equal(COUNTER(icmp_error_bad_quote), 28);
    const struct {
        unsigned offset;
        uint8_t value;
    } broken[] = {{0, 0x46}, {0, 0x44}, {0, 0x65}, {0, 0x4f}, {7, 1}, {6, 0x1f}};
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        memcpy(data, good, n);
        data[broken[i].offset] = broken[i].value;
        receive(3, 3, 0, data, n);
    }
    assert_int_equal(COUNTER(icmp_error_bad_quote), 34);
    memcpy(data, good, n);
    memcpy(data + 12, &(be32_t){PEER}, 4); /* not from us */
    receive(3, 3, 0, data, n);
    memcpy(data, good, n);
    data[9] = 6; /* a protocol we do not speak */
    receive(3, 3, 0, data, n);
    assert_int_equal(COUNTER(icmp_error_not_ours), 2);
    assert_int_equal(pending_error(file), 0);
    receive(3, 3, 0, good, n);
    assert_int_equal(pending_error(file), ECONNREFUSED);
    file_release(file);
}

/* What we send to ourselves is on no wire, so what comes from one about it is made up: by whoever has the
 * answer of a server on this host to its client on this host fail. */
static void test_no_error_from_the_wire_about_loopback(void **state)
{
    (void)state;
    const be32_t inside = BE32(0x7f000001);
    struct file *file = socket_open_to(IPPROTO_UDP, inside);
    uint8_t data[64];
    size_t n = quote(data, file, IPPROTO_UDP);
    memcpy(data + 12, &inside, 4);
    memcpy(data + 16, &inside, 4);
    receive(3, 3, 0, data, n);
    assert_int_equal(pending_error(file), 0);
    assert_int_equal(COUNTER(icmp_error_not_ours), 1);
    /* Our own are heard, as nobody is at that port. */
    struct uio nothing = {0};
    assert_int_equal(socket_sendto(socket_from_file(file), &nothing, 0, NULL, 0), 0);
    host_thread_run("lo");
    assert_int_equal(pending_error(file), ECONNREFUSED);
    file_release(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(protocol_unreachable),
        TEST(port_unreachable),
        TEST(no_error_about_broadcasts),
        TEST(forbidden_errors),
        TEST(no_answer_to_another_networks_broadcast),
        TEST(rate_limit),
        TEST(rate_limit_of_two_harts),
        TEST(error_on_loopback),
        TEST(errors_reach_the_socket),
        TEST(error_about_an_echo_request),
        TEST(quotations_are_checked),
        TEST(no_error_from_the_wire_about_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
