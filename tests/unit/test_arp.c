/* net/arp.c: what is received and announced, by the rows A1 to A6 of the requirement table. */
#include "arp_fixture.h"

/* --- receiving --- */

/* A2: the answer goes to the asker alone, with sender and target exchanged and our address filled in. */
static void test_request_is_answered(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    const uint8_t expected[42] = {2,  0, 0, 0,  0, 9, 0x52, 0x54, 0,    0,    0,  1, 8, 6,
                                  0,  1, 8, 0,  6, 4, 0,    2,    0x52, 0x54, 0,  0, 0, 1,
                                  10, 0, 2, 15, 2, 0, 0,    0,    0,    9,    10, 0, 2, 2};
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(eth0.frames[0].length, 42);
    assert_memory_equal(eth0.frames[0].bytes, expected, 42);
    assert_int_equal(eth0.frames[0].flags, 0);
}

/* A2: only for the own address, and never to a reply. */
static void test_others_are_not_answered(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OTHER);
    receive(eth0.dev.mac, ARP_REPLY, peer, PEER, OWN);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, 0);
    assert_int_equal(eth0.frame_count, 0);
    ip_set_address(&eth0.dev, 0, 0);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, 0);
    assert_int_equal(eth0.frame_count, 0);
}

/* Every length up to a whole frame, in memory that ends there. */
static void test_truncated(void **state)
{
    (void)state;
    packet(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    frame_data(&frame, 0, 22);
    for (size_t n = 0; n <= 64; n++) {
        fakenet_receive(&eth0, frame.bytes, n);
        fakenet_assert_no_leak();
    }
    assert_int_equal(COUNTER(arp_too_short), 28);
    assert_int_equal(eth0.frame_count, 64 - 42 + 1);
}

/* A1: each of the four fields, one at a time. */
static void test_formats(void **state)
{
    (void)state;
    const unsigned offsets[] = {0, 1, 2, 3, 4, 5};
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        packet(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
        frame.bytes[14 + offsets[i]] ^= 0x20;
        fakenet_receive(&eth0, frame.bytes, frame.length);
    }
    assert_int_equal(COUNTER(arp_bad_format), 6);
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(look_up(PEER, NULL), -ENXIO);
}

/* A4: an entry is made only if we are the target. */
static void test_entry_is_made_when_we_are_asked(void **state)
{
    (void)state;
    uint8_t mac[6];
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OTHER);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, PEER); /* an announcement */
    assert_int_equal(look_up(PEER, NULL), -ENXIO);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    assert_int_equal(look_up(PEER, mac), ATF_COM);
    assert_memory_equal(mac, peer, 6);
    fakenet_clear(&eth0);
    assert_int_equal(send(PEER, 7), 0); /* without a request */
    assert_int_equal(eth0.frame_count, 1);
    assert_memory_equal(eth0.frames[0].bytes, peer, 6);
    assert_int_equal(eth0.frames[0].bytes[14], 7);
}

/* A3: what is known is brought up to date by any packet of its sender, whatever the operation and the target.
 */
static void test_entry_is_updated_by_any_packet(void **state)
{
    (void)state;
    const uint16_t operations[] = {ARP_REQUEST, ARP_REPLY, 77};
    uint8_t mac[6], changed[6];
    memcpy(changed, peer, 6);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        changed[5]++;
        receive(ether_broadcast, operations[i], changed, PEER, OTHER);
        look_up(PEER, mac);
        assert_memory_equal(mac, changed, 6);
    }
    assert_int_equal(COUNTER(arp_unknown_operation), 1);
}

/* A5: a probe is answered, and its 0.0.0.0 not remembered; nor is any address that is not a neighbour's. */
static void test_probe_and_impossible_senders(void **state)
{
    (void)state;
    const be32_t senders[] = {0, BE32(0x0a0002ff), BE32(0xffffffff), BE32(0xe0000001),
                              BE32(0x0b000001)};
    for (size_t i = 0; i < ARRAY_SIZE(senders); i++)
        receive(ether_broadcast, ARP_REQUEST, peer, senders[i], OWN);
    assert_int_equal(arp_list(NULL, 0), 0);
    struct rtentry everything = {.rt_dst.sa_family = AF_INET, .rt_dev = "eth0"};
    assert_int_equal(ip_route_add(&everything), 0); /* even where every address is on-link */
    receive(ether_broadcast, ARP_REQUEST, peer, 0, OWN);
    assert_int_equal(arp_list(NULL, 0), 0);
    assert_int_equal(sent_packet(0)->operation, BE16(ARP_REPLY));
    assert_memory_equal(sent_packet(0)->target_mac, peer, 6);
    assert_int_equal(sent_packet(0)->target_ip, 0);
}

static void test_bad_sender_mac(void **state)
{
    (void)state;
    const uint8_t none[6] = {0};
    packet(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    memcpy(frame.bytes + 14 + 8, ether_broadcast, 6);
    fakenet_receive(&eth0, frame.bytes, frame.length);
    memcpy(frame.bytes + 14 + 8, none, 6);
    fakenet_receive(&eth0, frame.bytes, frame.length);
    assert_int_equal(COUNTER(arp_bad_sender), 2);
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(arp_list(NULL, 0), 0);
}

/* A6: a conflict is counted and logged, and the address defended once in ten seconds. */
static void test_conflict(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, stranger, OWN, OWN);
    assert_int_equal(COUNTER(arp_conflicts), 1);
    assert_true(host_log_contains("02:00:00:00:00:08"));
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(sent_packet(0)->sender_ip, OWN);
    assert_int_equal(sent_packet(0)->target_ip, OWN);
    assert_memory_equal(eth0.frames[0].bytes, ether_broadcast, 6);
    host_clock_advance(SECONDS(10) - 1);
    receive(eth0.dev.mac, ARP_REPLY, stranger, OWN, OTHER);
    assert_int_equal(COUNTER(arp_conflicts), 2);
    assert_int_equal(eth0.frame_count, 1);
    host_clock_advance(1);
    receive(ether_broadcast, ARP_REPLY, stranger, OWN, OTHER);
    assert_int_equal(eth0.frame_count, 2);
    assert_int_equal(arp_list(NULL, 0), 0);
}

/* The ten seconds are those of one address: a new one is defended although the old one just was. */
static void test_conflict_about_a_new_address(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, stranger, OWN, OWN);
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(ip_set_address(&eth0.dev, OTHER, MASK), 0);
    host_thread_run("arp");
    fakenet_clear(&eth0);
    receive(ether_broadcast, ARP_REQUEST, stranger, OTHER, OTHER);
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(sent_packet(0)->sender_ip, OTHER);
    arp_announce(&eth0.dev, OTHER); /* as when the link comes back: the same address */
    receive(ether_broadcast, ARP_REQUEST, stranger, OTHER, OTHER);
    assert_int_equal(eth0.frame_count, 1);
}

/* Our own packet that a hub sends back is neither a conflict nor a question. */
static void test_own_packet_comes_back(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, eth0.dev.mac, OWN, OWN);
    assert_int_equal(COUNTER(arp_conflicts), 0);
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(arp_list(NULL, 0), 0);
}

/* --- announcing --- */

/* A6: twice, two seconds apart, as a request for the own address. */
static void test_announcement(void **state)
{
    (void)state;
    arp_announce(&eth0.dev, OWN);
    assert_int_equal(eth0.frame_count, 0); /* any context: the thread sends */
    assert_int_equal(host_thread_run("arp"), clock_ns() + SECONDS(2));
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(sent_packet(0)->operation, BE16(ARP_REQUEST));
    assert_int_equal(sent_packet(0)->sender_ip, OWN);
    assert_int_equal(sent_packet(0)->target_ip, OWN);
    assert_memory_equal(eth0.frames[0].bytes, ether_broadcast, 6);
    host_clock_advance(SECONDS(2));
    assert_int_equal(host_thread_run("arp"), NEVER);
    assert_int_equal(eth0.frame_count, 2);
    arp_announce(&eth0.dev, OWN);
    ip_set_address(&eth0.dev, 0, 0);
    host_thread_run("arp");
    assert_int_equal(eth0.frame_count, 2); /* it is no longer ours */
}

/* --- probing (A5; RFC 5227, 2.1.1) --- */

/* What the others on the wire do while the address is probed. */
static be32_t answer_sender, answer_target;

static int answer_the_probe(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    host_sleep_hook = NULL;
    receive(ether_broadcast, ARP_REQUEST, stranger, answer_sender, answer_target);
    return 0;
}

/* Three requests for the address from 0.0.0.0, to all, before anything says that it is ours. */
static void test_probe_of_a_free_address(void **state)
{
    (void)state;
    assert_int_equal(arp_probe(&eth0.dev, OTHER), 0);
    assert_int_equal(eth0.frame_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct arp_packet *probe = (const void *)(eth0.frames[i].bytes + 14);
        assert_memory_equal(eth0.frames[i].bytes, ether_broadcast, 6);
        assert_int_equal(probe->operation, BE16(ARP_REQUEST));
        assert_int_equal(probe->sender_ip, 0);
        assert_int_equal(probe->target_ip, OTHER);
    }
    assert_int_equal(COUNTER(arp_probes_sent), 3);
    assert_int_equal(COUNTER(arp_conflicts), 0);
}

static void test_probe_of_a_taken_address(void **state)
{
    (void)state;
    /* Its owner speaks, or another host probes for it at the same time. */
    const be32_t answers[][2] = {{OTHER, PEER}, {0, OTHER}};
    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
        answer_sender = answers[i][0];
        answer_target = answers[i][1];
        host_sleep_hook = answer_the_probe;
        fakenet_clear(&eth0);
        assert_int_equal(arp_probe(&eth0.dev, OTHER), -EADDRINUSE);
        assert_int_equal(eth0.frame_count, 1); /* one answer is enough */
    }
    assert_int_equal(COUNTER(arp_conflicts), 2);
    assert_true(host_log_contains("already in use"));
    /* Afterwards the same packet means nothing. */
    receive(ether_broadcast, ARP_REQUEST, stranger, OTHER, PEER);
    assert_int_equal(COUNTER(arp_conflicts), 2);
}

static void test_packets_about_others_do_not_end_a_probe(void **state)
{
    (void)state;
    answer_sender = 0;
    answer_target = PEER;
    host_sleep_hook = answer_the_probe;
    assert_int_equal(arp_probe(&eth0.dev, OTHER), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(request_is_answered),
        TEST(others_are_not_answered),
        TEST(truncated),
        TEST(formats),
        TEST(entry_is_made_when_we_are_asked),
        TEST(entry_is_updated_by_any_packet),
        TEST(probe_and_impossible_senders),
        TEST(bad_sender_mac),
        TEST(conflict),
        TEST(conflict_about_a_new_address),
        TEST(own_packet_comes_back),
        TEST(announcement),
        TEST(probe_of_a_free_address),
        TEST(probe_of_a_taken_address),
        TEST(packets_about_others_do_not_end_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
