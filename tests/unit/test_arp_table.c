/* net/arp.c and net/arp_table.c: resolving, ageing and the table, by the rows L4 to L9 of the requirement
 * table. */
#include "arp_fixture.h"

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
    receive(ether_broadcast, ARP_REQUEST, peer, PEER, OWN);
    assert_int_equal(host_thread_run("arp"), clock_ns() + saved);
    assert_int_equal(arp_set_timeout(0), -EINVAL);
    unsigned wakes = host_wakes(NULL);
    assert_int_equal(arp_set_timeout(60), 0); /* the thread learns that it must look earlier */
    assert_int_equal(host_wakes(NULL), wakes + 1);
    assert_int_equal(host_thread_run("arp"), clock_ns() + SECONDS(60));
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

/* An entry in use is asked for by unicast, and serves until the answer fails to come. Then it is
 * gone, not failed: the next datagram asks all, and what answers may be another station. */
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
    fakenet_clear(&eth0);
    host_thread_run("arp");
    assert_int_equal(COUNTER(arp_failed), 1);
    assert_int_equal(look_up(PEER, NULL), -ENXIO);
    assert_int_equal(send(PEER, 5), 0);
    assert_int_equal(eth0.frame_count, 1);
    assert_memory_equal(eth0.frames[0].bytes, ether_broadcast, 6);
    receive(eth0.dev.mac, ARP_REPLY, stranger, PEER, OWN);
    assert_memory_equal(eth0.frames[1].bytes, stranger, 6);
    assert_int_equal(eth0.frames[1].bytes[14], 5);
}

/* The thread sleeps until the earliest deadline, is woken for an earlier one only, and costs nothing
 * otherwise. */
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

/* L4: an entry whose address a new mask has put behind a router can still be looked at and removed. */
static void test_entry_that_is_no_longer_on_link(void **state)
{
    (void)state;
    const be32_t address = BE32(0x0a000263);
    struct arpreq request = request_for(address, peer, ATF_PERM);
    assert_int_equal(arp_entry_set(&request), 0);
    assert_int_equal(ip_set_netmask(&eth0.dev, BE32(0xffffffe0)), 0);
    assert_int_equal(arp_list(NULL, 0), 1);
    assert_int_equal(arp_entry_get(&request), 0);
    assert_string_equal(request.arp_dev, "eth0");
    request = request_for(address, peer, 0);
    assert_int_equal(arp_entry_delete(&request), 0);
    assert_int_equal(arp_list(NULL, 0), 0);
    assert_int_equal(arp_entry_delete(&request), -ENETUNREACH);
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
        TEST(resolution),
        TEST(resolution_fails),
        TEST(failed_neighbour_comes_back),
        TEST(no_mbuf_for_the_request),
        TEST(timeout),
        TEST(refresh),
        TEST(timer_costs_nothing),
        TEST(capacity),
        TEST(table_of_permanent_entries_is_full),
        TEST(permanent_entry),
        TEST(requests_are_checked),
        TEST(entry_that_is_no_longer_on_link),
        TEST(flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
