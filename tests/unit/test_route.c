/* net/route.c: addresses and routes, by the rows I6 to I8, R1 to R4 and B1 of the requirement table. */
#include "ip_fixture.h"

/* --- kinds of addresses --- */

/* B1 */
static void test_broadcast_addresses(void **state)
{
    (void)state;
    assert_true(ip_is_broadcast(&eth0.dev, ALL));
    assert_true(ip_is_broadcast(&eth0.dev, BE32(0x0a0002ff)));
    assert_true(ip_is_broadcast(&eth0.dev, BE32(0x0affffff)));
    assert_false(ip_is_broadcast(&eth0.dev, BE32(0xc0a801ff)));
    assert_false(ip_is_broadcast(&eth0.dev, OWN));
    assert_false(ip_is_broadcast(&eth0.dev, BE32(0x0a0003ff)));
    assert_int_equal(ip_set_address(&eth0.dev, OWN, BE32(0xfffffffe)), 0); /* RFC 3021 */
    assert_false(ip_is_broadcast(&eth0.dev, OWN));
    assert_true(ip_is_multicast(BE32(0xe0000000)));
    assert_true(ip_is_multicast(BE32(0xefffffff)));
    assert_false(ip_is_multicast(BE32(0xdfffffff)));
    assert_false(ip_is_multicast(BE32(0xf0000000)));
}

/* A network larger than its address's class has one broadcast address; where a smaller one would
 * end, there is a host. */
static void test_broadcast_of_a_supernet(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t host = BE32(0xc0a801ff);
    assert_int_equal(ip_set_address(&eth1.dev, OWN1, BE32(0xfffffc00)), 0); /* 192.168.0.0/22 */
    assert_true(ip_is_broadcast(&eth1.dev, BE32(0xc0a803ff)));
    assert_false(ip_is_broadcast(&eth1.dev, host));
    assert_int_equal(ip_route(0, host, &way), 0);
    assert_false(way.broadcast);
}

static void test_own_addresses(void **state)
{
    (void)state;
    assert_true(ip_is_own(OWN));
    assert_true(ip_is_own(OWN1));
    assert_true(ip_is_own(BE32(0x7f000001)));
    assert_true(ip_is_own(BE32(0x7fabcdef)));
    assert_false(ip_is_own(0));
    assert_false(ip_is_own(PEER));
    assert_false(ip_is_own(BE32(0x0a0002ff)));
}

/* --- routes --- */

static struct rtentry route(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = {.rt_flags = gateway ? RTF_GATEWAY : 0};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {destination}};
    memcpy(&entry.rt_dst, &in, sizeof(in));
    in.sin_addr.s_addr = mask;
    memcpy(&entry.rt_genmask, &in, sizeof(in));
    in.sin_addr.s_addr = gateway;
    memcpy(&entry.rt_gateway, &in, sizeof(in));
    strlcpy(entry.rt_dev, dev, sizeof(entry.rt_dev));
    return entry;
}

static int route_add(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = route(destination, mask, gateway, dev);
    return ip_route_add(&entry);
}

static int route_delete(be32_t destination, be32_t mask, be32_t gateway, const char *dev)
{
    struct rtentry entry = route(destination, mask, gateway, dev);
    return ip_route_delete(&entry);
}

static void assert_way(be32_t destination, struct fakenet *through, be32_t next_hop, be32_t source)
{
    struct ip_destination way;
    assert_int_equal(ip_route(0, destination, &way), 0);
    assert_ptr_equal(way.dev, &through->dev);
    assert_int_equal(way.next_hop, next_hop);
    assert_int_equal(way.source, source);
}

/* R1, R2 */
static void test_on_link_or_gateway(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_way(PEER, &eth0, PEER, OWN);
    assert_way(BE32(0xc0a80163), &eth1, BE32(0xc0a80163), OWN1);
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_way(PEER, &eth0, PEER, OWN);
    assert_int_equal(route_add(BE32(0x08080000), BE32(0xffff0000), BE32(0xc0a80101), ""), 0);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(route_add(FAR, ALL, GATEWAY, "eth0"), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_int_equal(route_delete(FAR, ALL, GATEWAY, ""), 0);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(route_delete(FAR, ALL, GATEWAY, ""), -ESRCH);
    assert_int_equal(route_add(FAR, ALL, GATEWAY, ""), 0);
    assert_int_equal(route_delete(FAR, ALL, PEER, ""), -ESRCH);
    assert_int_equal(route_delete(FAR, ALL, 0, ""), 0); /* the gateway need not be named */
    assert_int_equal(route_delete(FAR, ALL, 0, ""), -ESRCH);
}

/* R3: the second of two default gateways serves while the first one's link is dead; a dead network is not
 * looked for elsewhere. */
static void test_dead_link(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(route_add(0, 0, BE32(0xc0a80101), ""), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    netdev_set_link(&eth0.dev, false);
    assert_way(FAR, &eth1, BE32(0xc0a80101), OWN1);
    assert_int_equal(ip_route(0, PEER, &way), -ENETDOWN);
    netdev_down(&eth1.dev);
    assert_int_equal(ip_route(0, FAR, &way), -ENETDOWN);
    netdev_set_link(&eth0.dev, true);
    assert_way(FAR, &eth0, GATEWAY, OWN);
}

/* I8 and other addresses that are no destinations. */
static void test_invalid_destinations(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t wrong[] = {0, BE32(0x00000001), BE32(0xf0000000), BE32(0xfffffffe)};
    route_add(0, 0, GATEWAY, "");
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_route(0, wrong[i], &way), -EINVAL);
}

/* I6, I7, I8 */
static void test_sources(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(ip_route(OWN1, PEER, &way), 0);
    assert_int_equal(way.source, OWN1);
    const be32_t wrong[] = {PEER, ALL, BE32(0x0a0002ff), BE32(0xe0000001), BE32(0x7f000001)};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_route(wrong[i], PEER, &way), -EADDRNOTAVAIL);
    /* I8: nor 0.0.0.0, where a route leads through an interface that has no address. */
    assert_int_equal(ip_set_address(&eth1.dev, 0, 0), 0);
    assert_int_equal(route_add(FAR, ALL, 0, "eth1"), 0);
    assert_int_equal(ip_route(0, FAR, &way), -EADDRNOTAVAIL);
    assert_int_equal(ip_route(OWN, FAR, &way), 0);
}

/* I7: what goes to ourselves goes through loopback, and 127/8 through nothing else. */
static void test_to_self(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t own[][2] = {{BE32(0x7f000001), BE32(0x7f000001)},
                             {BE32(0x7f000009), BE32(0x7f000001)},
                             {BE32(0x7fffffff), BE32(0x7f000001)},
                             {OWN, OWN},
                             {OWN1, OWN1}};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        assert_int_equal(ip_route(0, own[i][0], &way), 0);
        assert_ptr_equal(way.dev, &loopback_device);
        assert_int_equal(way.source, own[i][1]);
        assert_false(way.broadcast);
        assert_false(ip_is_broadcast(&loopback_device, own[i][0]));
    }
    /* Whatever the table says. */
    assert_int_equal(route_delete(BE32(0x7f000000), BE32(0xff000000), 0, "lo"), 0);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(ip_route(0, BE32(0x7f000009), &way), 0);
    assert_ptr_equal(way.dev, &loopback_device);
    netdev_down(&loopback_device);
    assert_int_equal(ip_route(0, BE32(0x7f000001), &way), -ENETDOWN);
}

static void test_broadcast_and_groups(void **state)
{
    (void)state;
    struct ip_destination way;
    assert_int_equal(ip_route(0, ALL, &way), 0);
    assert_ptr_equal(way.dev, &eth0.dev);
    assert_true(way.broadcast);
    assert_int_equal(ip_route(OWN1, ALL, &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_int_equal(ip_route(0, BE32(0xc0a801ff), &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_true(way.broadcast);
    assert_int_equal(ip_route(0, PEER, &way), 0);
    assert_false(way.broadcast);
    assert_int_equal(ip_route(0, BE32(0xe00000fb), &way), 0);
    assert_int_equal(way.next_hop, BE32(0xe00000fb));
    route_add(0, 0, BE32(0xc0a80101), "");
    assert_int_equal(ip_route(0, BE32(0xe00000fb), &way), 0);
    assert_ptr_equal(way.dev, &eth1.dev);
    assert_int_equal(way.next_hop, BE32(0xe00000fb));
    netdev_down(&eth0.dev);
    netdev_down(&eth1.dev);
    assert_int_equal(ip_route(0, ALL, &way), -ENETUNREACH);
    assert_int_equal(ip_route(OWN1, ALL, &way), -ENETDOWN);
}

static void test_route_requests_are_checked(void **state)
{
    (void)state;
    assert_int_equal(route_add(0, 0, FAR, ""), -ENETUNREACH);         /* gateway not on-link */
    assert_int_equal(route_add(0, 0, GATEWAY, "eth1"), -ENETUNREACH); /* not there */
    assert_int_equal(route_add(0, 0, OWN, ""), -EINVAL);              /* ourselves */
    assert_int_equal(route_add(0, 0, BE32(0xe0000001), ""), -EINVAL); /* a group */
    assert_int_equal(route_add(0, 0, BE32(0x0a0002ff), ""), -EINVAL); /* all on the link */
    assert_int_equal(route_add(0, 0, 0, ""), -EINVAL);                /* no way */
    assert_int_equal(route_add(0, 0, GATEWAY, "eth9"), -ENODEV);
    assert_int_equal(route_delete(0, 0, GATEWAY, "eth9"), -ENODEV);
    assert_int_equal(route_add(FAR, MASK24, GATEWAY, ""), -EINVAL); /* bits outside the mask */
    assert_int_equal(route_add(0, BE32(0x00ffffff), GATEWAY, ""), -EINVAL);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), -EEXIST);
    assert_int_equal(route_add(BE32(0x0a000200), MASK24, 0, "eth0"), -EEXIST);
    assert_int_equal(route_add(0, 0, FAR, ""), -ENETUNREACH); /* behind a gateway is not on-link */
    struct rtentry entry = route(0, 0, GATEWAY, "");
    struct sockaddr_in none = {.sin_family = AF_INET};
    memcpy(&entry.rt_gateway, &none, sizeof(none));
    assert_int_equal(ip_route_add(&entry), -EINVAL);
}

static void test_route_table_is_bounded(void **state)
{
    (void)state;
    uint32_t i = 0;
    int result = 0;
    while (result == 0)
        result = route_add(htonl(0x14000000 + (i++ << 8)), MASK24, GATEWAY, "");
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(ip_route_list(NULL, 0), 64);
    assert_int_equal(ip_set_address(&eth1.dev, BE32(0x1e000001), MASK24), -ENOSPC);
    assert_int_equal(ip_address(&eth1.dev), OWN1);
}

static void test_route_list(void **state)
{
    (void)state;
    struct rtentry list[8];
    route_add(0, 0, GATEWAY, "");
    route_add(FAR, ALL, GATEWAY, "");
    netdev_set_link(&eth1.dev, false);
    assert_int_equal(ip_route_list(list, 2), 5);
    assert_int_equal(ip_route_list(list, 8), 5);
    assert_int_equal(list[0].rt_flags, RTF_UP | RTF_GATEWAY | RTF_HOST);
    assert_int_equal(list[4].rt_flags, RTF_UP | RTF_GATEWAY);
    assert_string_equal(list[4].rt_dev, "eth0");
    struct sockaddr_in in;
    memcpy(&in, &list[4].rt_gateway, sizeof(in));
    assert_int_equal(in.sin_addr.s_addr, GATEWAY);
    unsigned up = 0;
    for (int i = 0; i < 5; i++)
        up += list[i].rt_flags & RTF_UP;
    assert_int_equal(up, 4);
}

/* --- addresses --- */

static void test_addresses_are_checked(void **state)
{
    (void)state;
    const be32_t wrong[][2] = {
        {ALL, MASK24},
        {BE32(0xe0000001), MASK24},
        {BE32(0x00000001), MASK24},
        {BE32(0x7f000002), MASK24},
        {BE32(0x0a000200), MASK24},
        {BE32(0x0a0002ff), MASK24},
        {OWN, BE32(0xff00ff00)},
        {BE32(0xf0000001), MASK24},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_set_address(&eth0.dev, wrong[i][0], wrong[i][1]), -EINVAL);
    assert_int_equal(ip_set_address(&eth0.dev, OWN1, MASK24), -EADDRINUSE);
    assert_int_equal(ip_set_address(&loopback_device, BE32(0x0a000901), MASK24), -EINVAL);
    assert_int_equal(ip_address(&eth0.dev), OWN);
    assert_int_equal(ip_netmask(&eth0.dev), MASK24);
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x0a000101), 0), 0);
    assert_int_equal(ip_netmask(&eth0.dev), BE32(0xff000000)); /* its class's */
}

/* The interface's own route follows its address; routes by gateways that are out of reach go. */
static void test_address_renews_routes(void **state)
{
    (void)state;
    struct ip_destination way;
    route_add(0, 0, GATEWAY, "");
    route_add(BE32(0x14000000), MASK24, BE32(0x0a000263), "");
    uint64_t announced = COUNTER(arp_announcements_sent);
    host_thread_run("arp");
    assert_int_equal(ip_set_address(&eth0.dev, OWN, BE32(0xffffff80)), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_way(BE32(0x0a0002f0), &eth0, GATEWAY, OWN); /* no longer on-link */
    assert_ptr_equal(ip_on_link(GATEWAY), &eth0.dev);
    assert_null(ip_on_link(FAR));
    host_thread_run("arp");
    assert_true(COUNTER(arp_announcements_sent) > announced);
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x1e000001), MASK24), 0);
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
    assert_int_equal(ip_route(0, PEER, &way), -ENETUNREACH);
    assert_way(BE32(0x1e000002), &eth0, BE32(0x1e000002), BE32(0x1e000001));
    assert_int_equal(ip_set_address(&eth0.dev, 0, 0), 0);
    assert_int_equal(ip_address(&eth0.dev), 0);
    assert_int_equal(ip_route(0, BE32(0x1e000002), &way), -ENETUNREACH);
    assert_int_equal(ip_route_list(NULL, 0), 2);
}

/* Who takes over the address of a gateway has no use for the routes by it, through whatever interface they
 * lead: nobody would answer for the next hop. */
static void test_no_route_by_ourselves(void **state)
{
    (void)state;
    const be32_t second = BE32(0x0a000263);
    assert_int_equal(route_add(0, 0, GATEWAY, ""), 0);
    assert_int_equal(route_add(0, 0, second, ""), 0);
    assert_way(FAR, &eth0, GATEWAY, OWN);
    assert_int_equal(ip_set_address(&eth0.dev, GATEWAY, MASK24), 0);
    assert_way(FAR, &eth0, second, GATEWAY);
    assert_int_equal(ip_set_address(&eth1.dev, second, MASK24), 0);
    struct ip_destination way;
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
}

/* A gateway that a route of its own makes a neighbour needs no address in its network. */
static void test_gateway_by_a_host_route_stays(void **state)
{
    (void)state;
    struct ip_destination way;
    const be32_t gateway = BE32(0x1e000001);
    assert_int_equal(route_add(gateway, ALL, 0, "eth0"), 0);
    assert_int_equal(route_add(0, 0, gateway, ""), 0);
    assert_int_equal(ip_set_address(&eth0.dev, OWN, BE32(0xffffff80)), 0);
    assert_way(FAR, &eth0, gateway, OWN);
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x14000001), MASK24), 0);
    assert_way(FAR, &eth0, gateway, BE32(0x14000001));
    assert_int_equal(route_delete(gateway, ALL, 0, "eth0"), 0);
    assert_int_equal(ip_set_address(&eth0.dev, OWN, MASK24), 0);
    assert_int_equal(ip_route(0, FAR, &way), -ENETUNREACH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(broadcast_addresses),
        TEST(broadcast_of_a_supernet),
        TEST(own_addresses),
        TEST(on_link_or_gateway),
        TEST(dead_link),
        TEST(invalid_destinations),
        TEST(sources),
        TEST(to_self),
        TEST(broadcast_and_groups),
        TEST(route_requests_are_checked),
        TEST(route_table_is_bounded),
        TEST(route_list),
        TEST(addresses_are_checked),
        TEST(address_renews_routes),
        TEST(no_route_by_ourselves),
        TEST(gateway_by_a_host_route_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
