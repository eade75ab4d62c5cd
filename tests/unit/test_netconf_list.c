/* The lists that netstat, ifconfig, route and arp show (net/netconf_list.c). */
#include "socket_fixture.h"

#include "net/arp_table.h"

#define LIST_MAX 256u

static be32_t address_get(const struct sockaddr *from)
{
    struct sockaddr_in in;
    memcpy(&in, from, sizeof(in));
    assert_int_equal(in.sin_family, AF_INET);
    return in.sin_addr.s_addr;
}

/* A list into a heap block of exactly `room` entries; the caller frees it. */
static void *list_get(unsigned long request, size_t entry_size, uint32_t room, struct netlist *list)
{
    void *entries = host_memory(room * entry_size);
    struct uio uio = host_uio(entries, room * entry_size);
    *list = (struct netlist){.count = room};
    assert_int_equal(netconf_list(request, list, &uio), 0);
    assert_int_equal(uio.remaining, (room - list->count) * entry_size);
    return entries;
}

static void test_interface_list(void **state)
{
    (void)state;
    struct netlist list;
    struct ifreq *all = list_get(SIOCGIFCONF, sizeof(*all), 5, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.available, 2);
    assert_string_equal(all[0].ifr_name, "lo");
    assert_int_equal(address_get(&all[0].ifr_addr), BE32(0x7f000001));
    assert_string_equal(all[1].ifr_name, "eth0");
    assert_int_equal(address_get(&all[1].ifr_addr), OWN_ADDRESS);
    host_memory_free(all);
    all = list_get(SIOCGIFCONF, sizeof(*all), 1, &list);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.available, 2);
    host_memory_free(all);
    all = list_get(SIOCGIFCONF, sizeof(*all), 0, &list);
    assert_int_equal(list.available, 2);
    host_memory_free(all);
}

static void test_route_and_arp_lists(void **state)
{
    (void)state;
    struct netlist list;
    struct rtentry *routes = list_get(SIOCGRTLIST, sizeof(*routes), LIST_MAX, &list);
    assert_int_equal(list.count, 2); /* both interfaces' own networks */
    host_memory_free(routes);
    struct arpreq *neighbours = list_get(SIOCGARPLIST, sizeof(*neighbours), LIST_MAX, &list);
    assert_int_equal(list.count, 2);
    host_memory_free(neighbours);
}

/* The ARP cache is the largest table: its list has no end before it. */
static void test_arp_list_of_a_full_cache(void **state)
{
    (void)state;
    struct netlist list;
    for (uint32_t i = 0; i < ARP_ENTRIES_MAX; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(0x14000001 + i)}};
        struct arpreq request = {.arp_ha = {.sa_family = ARPHRD_ETHER, .sa_data = {2}}};
        memcpy(&request.arp_pa, &address, sizeof(address));
        strlcpy(request.arp_dev, "eth0", sizeof(request.arp_dev));
        assert_int_equal(arp_entry_set(&request), 0);
    }
    struct arpreq *entries = list_get(SIOCGARPLIST, sizeof(*entries), 2000, &list);
    assert_int_equal(list.available, ARP_ENTRIES_MAX);
    assert_int_equal(list.count, ARP_ENTRIES_MAX);
    host_memory_free(entries);
}

static void test_socket_list_over_several_pages(void **state)
{
    (void)state;
    struct netlist list;
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(bind_to(udp_socket(), 0, 0), 0);
    struct sockinfo *sockets = list_get(SIOCGSOCKLIST, sizeof(*sockets), 4000, &list);
    assert_int_equal(list.count, 60);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(sockets[i].protocol, IPPROTO_UDP);
    host_memory_free(sockets);
}

static void test_list_errors(void **state)
{
    (void)state;
    uint8_t entries[4096];
    size_t pages = host_pages_used();
    struct uio uio = host_uio(entries, sizeof(entries));
    struct netlist list = {.count = 4};
    assert_int_equal(netconf_list(SIOCGIFMTU, &list, &uio), -ENOTTY);
    host_uio_fault(0);
    assert_int_equal(netconf_list(SIOCGRTLIST, &list, &uio), -EFAULT);
    list.count = 4;
    host_uio_fault(2);
    assert_int_equal(netconf_list(SIOCGCOUNTERS, &list, &uio), -EFAULT);
    host_pages_limit(0);
    list.count = 4;
    assert_int_equal(netconf_list(SIOCGRTLIST, &list, &uio), -ENOMEM);
    host_pages_limit(HOST_NO_LIMIT);
    assert_int_equal(host_pages_used(), pages);
}

static const struct netcounter *counter_find(const struct netcounter *all, uint32_t count,
                                             const char *group, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(all[i].group, group) == 0 && strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    fail_msg("no counter %s.%s", group, name);
    return NULL;
}

static void test_counter_list(void **state)
{
    (void)state;
    struct netlist list;
    struct datagram datagram = datagram_with("abc", 3);
    datagram.checksum = CHECKSUM_WRONG;
    datagram_arrive_in_frame(&datagram);
    eth.dev.counters.rx_no_mbuf = 0x123456789ull;
    struct netcounter *all = list_get(SIOCGCOUNTERS, sizeof(*all), LIST_MAX, &list);
    assert_int_equal(list.count, list.available);
    const struct netcounter *found = counter_find(all, list.count, "udp", "bad_checksum");
    assert_int_equal(found->value, 1);
    assert_int_equal(found->is_drop, 1);
    assert_int_equal(found->is_gauge, 0);
    found = counter_find(all, list.count, "udp", "received");
    assert_int_equal(found->value, 1);
    assert_int_equal(found->is_drop, 0);
    found = counter_find(all, list.count, "eth0", "rx_no_mbuf");
    assert_true(found->value == 0x123456789ull);
    assert_int_equal(found->is_drop, 1);
    uint64_t mbufs = 0;
    for (unsigned owner = 0; owner < MBUF_OWNERS; owner++) {
        found = counter_find(all, list.count, "mbuf", mbuf_owner_name(owner));
        assert_int_equal(found->is_gauge, 1);
        mbufs += found->value;
    }
    assert_int_equal(mbufs, counter_find(all, list.count, "mbuf", "total")->value);
    assert_int_equal(counter_find(all, list.count, "mbuf", "alloc_failures")->value,
                     mbuf_alloc_failures());
    host_memory_free(all);
    uint32_t available = list.available;
    all = list_get(SIOCGCOUNTERS, sizeof(*all), 3, &list);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.available, available);
    host_memory_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_interface_list),
        FIXTURE_TEST(test_route_and_arp_lists),
        FIXTURE_TEST(test_arp_list_of_a_full_cache),
        FIXTURE_TEST(test_socket_list_over_several_pages),
        FIXTURE_TEST(test_list_errors),
        FIXTURE_TEST(test_counter_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
