/* net/arp.c and net/arp_table.c, by the rows L4 to L9 and A1 to A6 of the requirement table. */
#include "fakenet.h"

#include "lib/byteorder.h"
#include "net/arp_table.h"
#include "net/net.h"
#include "net/wire.h"

#define OWN        BE32(0x0a00020f) /* 10.0.2.15/24 */
#define MASK       BE32(0xffffff00)
#define PEER       BE32(0x0a000202)
#define OTHER      BE32(0x0a000203)
#define SECONDS(n) ((n)*NS_PER_SEC)

static struct fakenet eth0;
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9}, stranger[6] = {2, 0, 0, 0, 0, 8};
static struct frame frame;

static int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    ip_set_address(&eth0.dev, OWN, MASK);
    for (int i = 0; i < 3; i++, host_clock_advance(SECONDS(2)))
        host_thread_run("arp"); /* the announcements */
    fakenet_clear(&eth0);
    COUNTER(arp_announcements_sent) = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arp_flush(NULL);
    fakenet_clear(&eth0);
    fakenet_assert_no_leak();
    return 0;
}

static void packet(const uint8_t *to, uint16_t operation, const uint8_t *mac, be32_t sender,
                   be32_t target)
{
    frame.length = 0;
    frame_ether(&frame, to, mac, 0x0806);
    frame_arp(&frame, operation, mac, sender, NULL, target);
}

static void receive(const uint8_t *to, uint16_t operation, const uint8_t *mac, be32_t sender,
                    be32_t target)
{
    packet(to, operation, mac, sender, target);
    fakenet_receive(&eth0, frame.bytes, frame.length);
}

static int send(be32_t to, uint8_t mark)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    *(uint8_t *)mbuf_append(m, 1) = mark;
    return arp_output(&eth0.dev, m, to);
}

/* The entry as a user sees it; its flags, or -ENXIO. */
static int look_up(be32_t address, uint8_t *mac)
{
    struct arpreq request = {.arp_dev = "eth0"};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(&request.arp_pa, &in, sizeof(in));
    int result = arp_entry_get(&request);
    if (result == 0 && mac)
        memcpy(mac, request.arp_ha.sa_data, 6);
    return result < 0 ? result : request.arp_flags;
}

static struct arpreq request_for(be32_t address, const uint8_t *mac, int flags)
{
    struct arpreq request = {.arp_flags = flags, .arp_ha = {.sa_family = ARPHRD_ETHER}};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(&request.arp_pa, &in, sizeof(in));
    memcpy(request.arp_ha.sa_data, mac, 6);
    return request;
}

static const struct arp_packet *sent_packet(unsigned i)
{
    assert_true(i < eth0.frame_count);
    assert_int_equal(eth0.frames[i].length, 42);
    return (const struct arp_packet *)(eth0.frames[i].bytes + 14);
}

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

/* A3: what is known is brought up to date by any packet of its sender, whatever the operation and the target. */
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

/* Our own packet that a hub sends back is neither a conflict nor a question. */
static void test_own_packet_comes_back(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, eth0.dev.mac, OWN, OWN);
    assert_int_equal(COUNTER(arp_conflicts), 0);
    assert_int_equal(eth0.frame_count, 0);
    assert_int_equal(arp_list(NULL, 0), 0);
}

/* --- resolving --- */

/* L7: the newest datagram waits, and is sent when the answer comes. L9: what is unknown is not unreachable. */
static void test_resolution(void **state)
{
    (void)state;
    assert_int_equal(send(PEER, 1), 0);
    assert_int_equal(send(PEER, 2), 0);
    assert_int_equal(eth0.frame_count, 1); /* one request for both */
    const struct arp_packet *request = sent_packet(0);
    assert_memory_equal(eth0.frames[0].bytes, ether_broadcast, 6);
    assert_int_equal(request->operation, BE16(ARP_REQUEST));
    assert_memory_equal(request->sender_mac, eth0.dev.mac, 6);
    assert_int_equal(request->sender_ip, OWN);
    assert_int_equal(request->target_ip, PEER);
    assert_int_equal(mbuf_count(MBUF_ARP_WAIT), 1);
    assert_int_equal(COUNTER(arp_wait_replaced), 1);
    assert_int_equal(look_up(PEER, NULL), 0);
    receive(eth0.dev.mac, ARP_REPLY, peer, PEER, OWN);
    assert_int_equal(eth0.frame_count, 2);
    assert_memory_equal(eth0.frames[1].bytes, peer, 6);
    assert_int_equal(eth0.frames[1].bytes[14], 2);
    assert_int_equal(mbuf_count(MBUF_ARP_WAIT), 0);
}

/* L6: one request a second, three in all; then who waits is dropped, and who comes is told for a while. */
static void test_resolution_fails(void **state)
{
    (void)state;
    uint64_t start = clock_ns();
    send(PEER, 1);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(host_thread_run("arp"), start + SECONDS(i));
        host_clock_set(start + SECONDS(i) - 1);
        host_thread_run("arp");
        assert_int_equal(eth0.frame_count, i); /* not too early */
        send(PEER, 1);
        assert_int_equal(eth0.frame_count, i);
        host_clock_advance(1);
        host_thread_run("arp");
        assert_int_equal(eth0.frame_count, i + 1);
        assert_memory_equal(eth0.frames[i].bytes, ether_broadcast, 6);
    }
    assert_int_equal(COUNTER(arp_wait_failed), 0);
    host_clock_advance(SECONDS(1));
    assert_int_equal(host_thread_run("arp"), clock_ns() + ARP_HOLD_DOWN);
    assert_int_equal(eth0.frame_count, 3);
    assert_int_equal(COUNTER(arp_wait_failed), 1);
    assert_int_equal(COUNTER(arp_failed), 1);
    assert_int_equal(mbuf_count(MBUF_ARP_WAIT), 0);
    assert_int_equal(send(PEER, 1), -EHOSTUNREACH);
    assert_int_equal(COUNTER(arp_unreachable), 1);
    host_clock_advance(ARP_HOLD_DOWN);
    assert_int_equal(host_thread_run("arp"), NEVER);
    assert_int_equal(arp_list(NULL, 0), 0);
    assert_int_equal(send(PEER, 1), 0); /* from the start */
    assert_int_equal(eth0.frame_count, 4);
}

/* A packet from the neighbour ends the hold-down. */
static void test_failed_neighbour_comes_back(void **state)
{
    (void)state;
    send(PEER, 1);
    for (int i = 0; i < 4; i++, host_clock_advance(SECONDS(1)))
        host_thread_run("arp");
    assert_int_equal(send(PEER, 1), -EHOSTUNREACH);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OTHER);
    assert_int_equal(send(PEER, 1), 0);
    assert_memory_equal(eth0.frames[eth0.frame_count - 1].bytes, peer, 6);
}

static void test_no_mbuf_for_the_request(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    struct list taken;
    list_init(&taken);
    for (struct mbuf *each; (each = mbuf_alloc(MBUF_STACK)) != NULL;)
        list_push_back(&taken, &each->node);
    assert_int_equal(arp_output(&eth0.dev, m, PEER), 0);
    assert_int_equal(COUNTER(arp_no_mbuf), 1);
    mbuf_free_all(&taken);
    host_clock_advance(SECONDS(1));
    host_thread_run("arp");
    assert_int_equal(eth0.frame_count, 1); /* the next one is sent */
}

/* --- ageing --- */

/* L4, L5: an entry that nobody confirms goes; each packet of its owner confirms it. */
static void test_timeout(void **state)
{
    (void)state;
    uint64_t saved = arp_timeout;
    arp_timeout = SECONDS(60);
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    host_clock_advance(SECONDS(59));
    host_thread_run("arp");
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OTHER);
    host_clock_advance(SECONDS(59));
    assert_int_equal(host_thread_run("arp"), clock_ns() + SECONDS(1));
    assert_int_equal(look_up(PEER, NULL), ATF_COM);
    host_clock_advance(SECONDS(1));
    assert_int_equal(host_thread_run("arp"), NEVER);
    assert_int_equal(look_up(PEER, NULL), -ENXIO);
    assert_int_equal(COUNTER(arp_expired), 1);
    arp_timeout = saved;
}

/* An entry in use is asked for by unicast, and serves until the answer fails to come. */
static void test_refresh(void **state)
{
    (void)state;
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    send(PEER, 1);
    fakenet_clear(&eth0);
    host_clock_advance(arp_timeout);
    host_thread_run("arp");
    assert_int_equal(eth0.frame_count, 1);
    assert_memory_equal(eth0.frames[0].bytes, peer, 6);
    assert_int_equal(sent_packet(0)->operation, BE16(ARP_REQUEST));
    assert_int_equal(send(PEER, 2), 0);
    assert_int_equal(eth0.frames[1].bytes[14], 2); /* did not wait */
    receive(eth0.dev.mac, ARP_REPLY, peer, PEER, OWN);
    assert_int_equal(host_thread_run("arp"), clock_ns() + arp_timeout);
    send(PEER, 3);
    host_clock_advance(arp_timeout);
    for (int i = 0; i < 3; i++, host_clock_advance(SECONDS(1))) {
        host_thread_run("arp");
        assert_int_equal(send(PEER, 4), 0);
    }
    host_thread_run("arp");
    assert_int_equal(send(PEER, 5), -EHOSTUNREACH);
}

/* The thread sleeps until the earliest deadline, is woken for an earlier one only, and costs nothing otherwise. */
static void test_timer_costs_nothing(void **state)
{
    (void)state;
    assert_int_equal(host_thread_run("arp"), NEVER);
    unsigned wakes = host_wakes(NULL);
    send(PEER, 1);
    assert_int_equal(host_wakes(NULL), wakes + 1);
    host_thread_run("arp");
    host_clock_advance(1);
    send(OTHER, 1);
    assert_int_equal(host_wakes(NULL), wakes + 1); /* it will wake for PEER before that */
    receive(eth0.dev.mac, ARP_REPLY, peer, PEER, OWN);
    for (uint8_t i = 0; i < 20; i++)
        send(PEER, i);
    assert_int_equal(host_wakes(NULL), wakes + 1);
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

/* --- the table --- */

/* A thousand neighbours, all found; the next ones take the place of those confirmed longest ago. */
static void test_capacity(void **state)
{
    (void)state;
    ip_set_address(&eth0.dev, OWN, BE32(0xffff0000));
    for (uint32_t i = 0; i < ARP_ENTRIES_MAX; i++) {
        receive(ether_broadcast, ARP_REQUEST, peer, htonl(0x0a001000 + i), OWN);
        fakenet_clear(&eth0);
    }
    assert_int_equal(arp_list(NULL, 0), ARP_ENTRIES_MAX);
    assert_int_equal(look_up(htonl(0x0a001000), NULL), ATF_COM);
    assert_int_equal(COUNTER(arp_evicted), 0);
    receive(ether_broadcast, ARP_REQUEST, peer, htonl(0x0a001000), OTHER); /* confirmed again */
    assert_int_equal(send(PEER, 1), 0);
    assert_int_equal(COUNTER(arp_evicted), 1);
    assert_int_equal(look_up(htonl(0x0a001000), NULL), ATF_COM);
    assert_int_equal(look_up(htonl(0x0a001001), NULL), -ENXIO);
    assert_int_equal(arp_list(NULL, 0), ARP_ENTRIES_MAX);
}

static void test_table_of_permanent_entries_is_full(void **state)
{
    (void)state;
    ip_set_address(&eth0.dev, OWN, BE32(0xffff0000));
    for (uint32_t i = 0; i < ARP_ENTRIES_MAX; i++) {
        struct arpreq entry = request_for(htonl(0x0a001000 + i), peer, ATF_PERM);
        assert_int_equal(arp_entry_set(&entry), 0);
    }
    struct arpreq entry = request_for(PEER, peer, ATF_PERM);
    assert_int_equal(arp_entry_set(&entry), -ENOSPC);
    assert_int_equal(send(PEER, 1), -ENOBUFS);
    assert_int_equal(COUNTER(arp_table_full), 1);
}

static void test_permanent_entry(void **state)
{
    (void)state;
    uint8_t mac[6];
    struct arpreq entry = request_for(PEER, peer, ATF_PERM);
    send(PEER, 9); /* waits */
    assert_int_equal(arp_entry_set(&entry), 0);
    assert_int_equal(eth0.frame_count, 2);
    assert_int_equal(eth0.frames[1].bytes[14], 9);
    receive(ether_broadcast, ARP_REQUEST, stranger, PEER, OWN);
    host_clock_advance(2 * arp_timeout);
    assert_int_equal(host_thread_run("arp"), NEVER);
    assert_int_equal(look_up(PEER, mac), ATF_COM | ATF_PERM);
    assert_memory_equal(mac, peer, 6);
    assert_int_equal(arp_entry_delete(&entry), 0);
    assert_int_equal(arp_entry_delete(&entry), -ENXIO);
    assert_int_equal(look_up(PEER, NULL), -ENXIO);
}

static void test_requests_are_checked(void **state)
{
    (void)state;
    struct arpreq entry = request_for(BE32(0x08080808), peer, ATF_PERM);
    assert_int_equal(arp_entry_set(&entry), -ENETUNREACH);
    const be32_t wrong[] = {0, BE32(0x0a0002ff), BE32(0x7f000001)};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        entry = request_for(wrong[i], peer, ATF_PERM);
        assert_int_equal(arp_entry_set(&entry), -EINVAL);
    }
    entry = request_for(PEER, ether_broadcast, 0);
    assert_int_equal(arp_entry_set(&entry), -EINVAL);
    entry = request_for(PEER, peer, 0);
    entry.arp_ha.sa_family = 7;
    assert_int_equal(arp_entry_set(&entry), -EINVAL);
    entry = request_for(PEER, peer, 0);
    strlcpy(entry.arp_dev, "eth7", sizeof(entry.arp_dev));
    assert_int_equal(arp_entry_set(&entry), -ENODEV);
    entry.arp_pa.sa_family = 0;
    assert_int_equal(arp_entry_get(&entry), -EINVAL);
    assert_int_equal(arp_list(NULL, 0), 0);
}

/* L4: everything goes, and what waited is counted. */
static void test_flush(void **state)
{
    (void)state;
    struct arpreq list[4], entry = request_for(OTHER, stranger, ATF_PERM);
    receive(ether_broadcast, ARP_REQUEST, peer, BE32(0x0a000204), OWN);
    arp_entry_set(&entry);
    send(PEER, 1);
    assert_int_equal(arp_list(list, 2), 3);
    assert_int_equal(arp_list(list, 4), 3);
    arp_flush(&loopback_device);
    assert_int_equal(arp_list(NULL, 0), 3);
    arp_flush(&eth0.dev);
    assert_int_equal(arp_list(NULL, 0), 0);
    assert_int_equal(COUNTER(arp_wait_flushed), 1);
    assert_int_equal(host_thread_run("arp"), NEVER);
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
        TEST(own_packet_comes_back),
        TEST(resolution),
        TEST(resolution_fails),
        TEST(failed_neighbour_comes_back),
        TEST(no_mbuf_for_the_request),
        TEST(timeout),
        TEST(refresh),
        TEST(timer_costs_nothing),
        TEST(announcement),
        TEST(capacity),
        TEST(table_of_permanent_entries_is_full),
        TEST(permanent_entry),
        TEST(requests_are_checked),
        TEST(flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
