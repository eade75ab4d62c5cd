/* Configuration requests (net/netconf.c): what user programs may hand over, and what they get
 * back. */
#include "socket_fixture.h"

static struct ifreq request_for(const char *name)
{
    struct ifreq ifreq;
    memset(&ifreq, 0, sizeof(ifreq));
    strlcpy(ifreq.ifr_name, name, IFNAMSIZ);
    return ifreq;
}

static void address_put(struct sockaddr *to, be32_t address)
{
    struct sockaddr_in in = name_of(address, 0);
    memcpy(to, &in, sizeof(in));
}

static be32_t address_get(const struct sockaddr *from)
{
    struct sockaddr_in in;
    memcpy(&in, from, sizeof(in));
    assert_int_equal(in.sin_family, AF_INET);
    return in.sin_addr.s_addr;
}

static int set_address(unsigned long request, be32_t address)
{
    struct ifreq ifreq = request_for("eth0");
    address_put(&ifreq.ifr_addr, address);
    return netconf_ioctl(request, &ifreq);
}

static int set_prefix(be32_t address, be32_t mask)
{
    struct ifprefixreq prefix = {.ifp_name = "eth0"};
    address_put(&prefix.ifp_addr, address);
    address_put(&prefix.ifp_netmask, mask);
    return netconf_ioctl(SIOCSIFPREFIX, &prefix);
}

static be32_t get_address(unsigned long request)
{
    struct ifreq ifreq = request_for("eth0");
    assert_int_equal(netconf_ioctl(request, &ifreq), 0);
    return address_get(&ifreq.ifr_addr);
}

static int set_flags(int flags)
{
    struct ifreq ifreq = request_for("eth0");
    ifreq.ifr_flags = (int16_t)flags;
    return netconf_ioctl(SIOCSIFFLAGS, &ifreq);
}

static int get_flags(const char *name)
{
    struct ifreq ifreq = request_for(name);
    assert_int_equal(netconf_ioctl(SIOCGIFFLAGS, &ifreq), 0);
    return ifreq.ifr_flags;
}

/* --- Form --- */

static void test_names_are_checked(void **state)
{
    (void)state;
    static const unsigned long requests[] = {
        SIOCGIFFLAGS,   SIOCSIFFLAGS, SIOCGIFADDR, SIOCSIFADDR,   SIOCGIFBRDADDR, SIOCGIFNETMASK,
        SIOCSIFNETMASK, SIOCGIFMTU,   SIOCSIFMTU,  SIOCGIFHWADDR, SIOCGIFINDEX};
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
        /* On the heap, alone: AddressSanitizer sees a look past the name's end. */
        struct ifreq unknown = request_for("eth9");
        assert_int_equal(netconf_ioctl(requests[i], &unknown), -ENODEV);
        struct ifreq *endless = host_copy(&unknown, sizeof(unknown));
        memset(endless, 'x', sizeof(*endless));
        assert_int_equal(netconf_ioctl(requests[i], endless), -EINVAL);
        host_memory_free(endless);
    }
    struct ifreq ifreq = request_for("eth0");
    assert_int_equal(netconf_ioctl(0x1234, &ifreq), -ENOTTY);
}

static void test_device_names_in_routes_and_arp_entries(void **state)
{
    (void)state;
    struct rtentry route = {.rt_flags = RTF_UP};
    address_put(&route.rt_dst, BE32(0x0a000300));
    address_put(&route.rt_genmask, OWN_MASK);
    memset(route.rt_dev, 'x', IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), -EINVAL);
    assert_int_equal(netconf_ioctl(SIOCDELRT, &route), -EINVAL);
    strlcpy(route.rt_dev, "eth9", IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), -ENODEV);
    struct arpreq entry = {.arp_flags = ATF_PERM};
    address_put(&entry.arp_pa, BE32(0x0a000205));
    memset(entry.arp_dev, 'x', IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCSARP, &entry), -EINVAL);
    assert_int_equal(netconf_ioctl(SIOCGARP, &entry), -EINVAL);
    strlcpy(entry.arp_dev, "eth9", IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCDARP, &entry), -ENODEV);
}

/* --- Interfaces --- */

static void test_interface_facts(void **state)
{
    (void)state;
    struct ifreq ifreq = request_for("eth0");
    assert_int_equal(netconf_ioctl(SIOCGIFINDEX, &ifreq), 0);
    assert_int_equal(ifreq.ifr_ifindex, eth.dev.index);
    assert_int_equal(netconf_ioctl(SIOCGIFHWADDR, &ifreq), 0);
    assert_int_equal(ifreq.ifr_hwaddr.sa_family, ARPHRD_ETHER);
    assert_memory_equal(ifreq.ifr_hwaddr.sa_data, eth.dev.mac, 6);
    ifreq = request_for("lo");
    assert_int_equal(netconf_ioctl(SIOCGIFHWADDR, &ifreq), 0);
    assert_int_equal(ifreq.ifr_hwaddr.sa_family, ARPHRD_LOOPBACK);
    assert_int_equal(netconf_ioctl(SIOCGIFBRDADDR, &ifreq), 0);
    assert_int_equal(address_get(&ifreq.ifr_broadaddr), 0);
}

static void test_addresses(void **state)
{
    (void)state;
    assert_int_equal(get_address(SIOCGIFADDR), OWN_ADDRESS);
    assert_int_equal(get_address(SIOCGIFNETMASK), OWN_MASK);
    assert_int_equal(get_address(SIOCGIFBRDADDR), SUBNET_ALL);
    /* A new address has the mask of its class at first. */
    assert_int_equal(set_address(SIOCSIFADDR, BE32(0xac100001)), 0);
    assert_int_equal(get_address(SIOCGIFNETMASK), BE32(0xffff0000));
    assert_int_equal(set_address(SIOCSIFNETMASK, BE32(0xfff00000)), 0);
    assert_int_equal(get_address(SIOCGIFADDR), BE32(0xac100001));
    assert_int_equal(get_address(SIOCGIFBRDADDR), BE32(0xac1fffff));
    assert_int_equal(set_address(SIOCSIFADDR, 0), 0);
    struct ifreq ifreq = request_for("eth0");
    assert_int_equal(netconf_ioctl(SIOCGIFADDR, &ifreq), -EADDRNOTAVAIL);
    assert_int_equal(set_address(SIOCSIFNETMASK, OWN_MASK), -EADDRNOTAVAIL);
}

/* All addresses of so small a network are hosts' (RFC 3021). */
static void test_no_broadcast_address_of_one_or_two_hosts(void **state)
{
    (void)state;
    assert_int_equal(set_prefix(OWN_ADDRESS, BE32(0xfffffffe)), 0);
    assert_int_equal(get_address(SIOCGIFBRDADDR), 0);
    assert_int_equal(set_prefix(OWN_ADDRESS, BE32(0xffffffff)), 0);
    assert_int_equal(get_address(SIOCGIFBRDADDR), 0);
    assert_int_equal(set_prefix(BE32(0x0a00020e), BE32(0xfffffffc)), 0);
    assert_int_equal(get_address(SIOCGIFBRDADDR), OWN_ADDRESS);
}

static void test_bad_addresses_are_refused(void **state)
{
    (void)state;
    static const be32_t bad_addresses[] = {BE32(0xffffffff), BE32(0xe0000001), BE32(0x7f000001),
                                           BE32(0x0a000000), BE32(0x0affffff)};
    static const be32_t bad_masks[] = {0, BE32(0xff00ff00), BE32(0x00ffffff)};
    COUNTER(arp_probes_sent) = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(bad_addresses); i++)
        assert_int_equal(set_address(SIOCSIFADDR, bad_addresses[i]), -EINVAL);
    assert_int_equal(COUNTER(arp_probes_sent), 0); /* nobody on the wire is asked about those */
    for (unsigned i = 0; i < ARRAY_SIZE(bad_masks); i++)
        assert_int_equal(set_address(SIOCSIFNETMASK, bad_masks[i]), -EINVAL);
    struct ifreq ifreq = request_for("eth0");
    address_put(&ifreq.ifr_addr, BE32(0x0a000301));
    ifreq.ifr_addr.sa_family = 10;
    assert_int_equal(netconf_ioctl(SIOCSIFADDR, &ifreq), -EAFNOSUPPORT);
    assert_int_equal(netconf_ioctl(SIOCSIFNETMASK, &ifreq), -EAFNOSUPPORT);
    assert_int_equal(get_address(SIOCGIFADDR), OWN_ADDRESS);
    assert_int_equal(get_address(SIOCGIFNETMASK), OWN_MASK);
}

/* 192.168.5.0 is a host of a /22; with the mask of its class it would be a network. */
static void test_address_and_mask_are_set_as_one(void **state)
{
    (void)state;
    assert_int_equal(set_address(SIOCSIFADDR, BE32(0xc0a80500)), -EINVAL);
    assert_int_equal(set_prefix(BE32(0xc0a80500), BE32(0xfffffc00)), 0);
    assert_int_equal(get_address(SIOCGIFADDR), BE32(0xc0a80500));
    assert_int_equal(get_address(SIOCGIFNETMASK), BE32(0xfffffc00));
    /* A gateway that both networks reach stays, even if that of the class would not. */
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    address_put(&route.rt_dst, 0);
    address_put(&route.rt_genmask, 0);
    address_put(&route.rt_gateway, BE32(0xc0a80701));
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), 0);
    assert_int_equal(set_prefix(BE32(0xc0a80501), BE32(0xfffffc00)), 0);
    assert_int_equal(netconf_ioctl(SIOCDELRT, &route), 0);
    /* What is refused changes nothing. */
    assert_int_equal(set_prefix(BE32(0xc0a80400), BE32(0xfffffc00)), -EINVAL);
    assert_int_equal(set_prefix(BE32(0xc0a80502), BE32(0xff00ff00)), -EINVAL);
    assert_int_equal(set_prefix(BE32(0xc0a80502), 0), -EINVAL);
    struct ifprefixreq prefix = {.ifp_name = "eth9"};
    assert_int_equal(netconf_ioctl(SIOCSIFPREFIX, &prefix), -ENODEV);
    strlcpy(prefix.ifp_name, "eth0", IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCSIFPREFIX, &prefix), -EAFNOSUPPORT);
    memset(prefix.ifp_name, 'x', IFNAMSIZ);
    assert_int_equal(netconf_ioctl(SIOCSIFPREFIX, &prefix), -EINVAL);
    assert_int_equal(get_address(SIOCGIFADDR), BE32(0xc0a80501));
    assert_int_equal(get_address(SIOCGIFNETMASK), BE32(0xfffffc00));
    assert_int_equal(set_prefix(0, BE32(0xfffffc00)), 0);
    struct ifreq ifreq = request_for("eth0");
    assert_int_equal(netconf_ioctl(SIOCGIFADDR, &ifreq), -EADDRNOTAVAIL);
}

static void test_mtu(void **state)
{
    (void)state;
    static const int bad[] = {-1, 0, 67, 1501, INT32_MIN};
    struct ifreq ifreq = request_for("eth0");
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        ifreq.ifr_mtu = bad[i];
        assert_int_equal(netconf_ioctl(SIOCSIFMTU, &ifreq), -EINVAL);
    }
    ifreq.ifr_mtu = 600;
    assert_int_equal(netconf_ioctl(SIOCSIFMTU, &ifreq), 0);
    ifreq.ifr_mtu = 0;
    assert_int_equal(netconf_ioctl(SIOCGIFMTU, &ifreq), 0);
    assert_int_equal(ifreq.ifr_mtu, 600);
}

/* --- Flags --- */

static unsigned mode_calls;
static int mode_result;

static int count_mode(struct netdev *dev)
{
    (void)dev;
    assert_int_equal(host_locks_held(), 0);
    mode_calls++;
    return mode_result;
}

/* The fake device with a driver that filters. */
static void filter_install(int result)
{
    static struct netdev_ops ops;
    ops = *eth.dev.ops;
    ops.set_receive_mode = count_mode;
    eth.dev.ops = &ops;
    mode_calls = 0;
    mode_result = result;
}

static void test_up_and_down(void **state)
{
    (void)state;
    int flags = get_flags("eth0");
    assert_true(flags & IFF_UP);
    assert_true(flags & IFF_RUNNING);
    assert_true(get_flags("lo") & IFF_LOOPBACK);
    assert_int_equal(set_flags(flags & ~IFF_UP), 0);
    assert_int_equal(eth.stopped, 1);
    assert_int_equal(get_flags("eth0") & (IFF_UP | IFF_RUNNING), 0);
    assert_int_equal(set_flags(flags), 0);
    assert_int_equal(eth.opened, 2);
    assert_int_equal(get_flags("eth0"), flags);
    eth.dev.link_up = false;
    assert_int_equal(get_flags("eth0"), flags & ~IFF_RUNNING);
}

static void test_facts_cannot_be_set(void **state)
{
    (void)state;
    int flags = get_flags("eth0");
    assert_int_equal(set_flags((flags | IFF_LOOPBACK) & ~IFF_BROADCAST), 0);
    assert_int_equal(get_flags("eth0"), flags);
}

static void test_receive_mode(void **state)
{
    (void)state;
    int flags = get_flags("eth0");
    filter_install(0);
    assert_int_equal(set_flags(flags | IFF_PROMISC), 0);
    assert_int_equal(get_flags("eth0"), flags | IFF_PROMISC);
    assert_int_equal(set_flags(flags | IFF_PROMISC), 0);
    assert_int_equal(mode_calls, 1); /* only a change bothers the driver */
    assert_int_equal(set_flags(flags | IFF_ALLMULTI), 0);
    assert_int_equal(get_flags("eth0"), flags | IFF_ALLMULTI);
    filter_install(-EIO);
    assert_int_equal(set_flags(flags), -EIO);
    assert_int_equal(get_flags("eth0"), flags | IFF_ALLMULTI);
}

static void test_polled_mode(void **state)
{
    (void)state;
    int flags = get_flags("eth0");
    assert_int_equal(set_flags(flags | IFF_POLLED), 0);
    assert_int_equal(get_flags("eth0"), flags | IFF_POLLED);
    assert_int_equal(set_flags(flags), 0);
    assert_int_equal(get_flags("eth0"), flags);
}

/* --- Routes and ARP --- */

static void test_routes(void **state)
{
    (void)state;
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    address_put(&route.rt_dst, 0);
    address_put(&route.rt_genmask, 0);
    address_put(&route.rt_gateway, PEER_ADDRESS);
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), 0);
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), -EEXIST);
    struct ip_destination way;
    assert_int_equal(ip_route(0, BE32(0x08080808), &way), 0);
    assert_int_equal(way.next_hop, PEER_ADDRESS);
    assert_int_equal(netconf_ioctl(SIOCDELRT, &route), 0);
    assert_int_equal(netconf_ioctl(SIOCDELRT, &route), -ESRCH);
    assert_int_equal(ip_route(0, BE32(0x08080808), &way), -ENETUNREACH);
}

static void test_route_families(void **state)
{
    (void)state;
    struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
    struct sockaddr *addresses[] = {&route.rt_dst, &route.rt_genmask, &route.rt_gateway};
    address_put(&route.rt_dst, BE32(0x0a000300));
    address_put(&route.rt_genmask, OWN_MASK);
    address_put(&route.rt_gateway, PEER_ADDRESS);
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        addresses[i]->sa_family = 10;
        assert_int_equal(netconf_ioctl(SIOCADDRT, &route), -EAFNOSUPPORT);
        addresses[i]->sa_family = AF_INET;
    }
    /* To one host, no mask is needed. */
    route.rt_flags |= RTF_HOST;
    route.rt_genmask.sa_family = AF_UNSPEC;
    address_put(&route.rt_dst, BE32(0x0a000307));
    assert_int_equal(netconf_ioctl(SIOCADDRT, &route), 0);
}

static void test_arp_entries(void **state)
{
    (void)state;
    struct arpreq entry = {.arp_flags = ATF_PERM};
    address_put(&entry.arp_pa, BE32(0x0a000205));
    entry.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(entry.arp_ha.sa_data, "\x52\x54\0\0\0\x05", 6);
    entry.arp_pa.sa_family = 10;
    assert_int_equal(netconf_ioctl(SIOCSARP, &entry), -EAFNOSUPPORT);
    entry.arp_pa.sa_family = AF_INET;
    entry.arp_ha.sa_family = ARPHRD_LOOPBACK;
    assert_int_equal(netconf_ioctl(SIOCSARP, &entry), -EINVAL);
    entry.arp_ha.sa_family = ARPHRD_ETHER;
    assert_int_equal(netconf_ioctl(SIOCSARP, &entry), 0);
    struct arpreq found = {0};
    address_put(&found.arp_pa, BE32(0x0a000205));
    assert_int_equal(netconf_ioctl(SIOCGARP, &found), 0);
    assert_memory_equal(found.arp_ha.sa_data, entry.arp_ha.sa_data, 6);
    assert_true(found.arp_flags & ATF_COM);
    assert_int_equal(netconf_ioctl(SIOCDARP, &found), 0);
    assert_int_equal(netconf_ioctl(SIOCGARP, &found), -ENXIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_names_are_checked),
        FIXTURE_TEST(test_device_names_in_routes_and_arp_entries),
        FIXTURE_TEST(test_interface_facts),
        FIXTURE_TEST(test_addresses),
        FIXTURE_TEST(test_no_broadcast_address_of_one_or_two_hosts),
        FIXTURE_TEST(test_bad_addresses_are_refused),
        FIXTURE_TEST(test_address_and_mask_are_set_as_one),
        FIXTURE_TEST(test_mtu),
        FIXTURE_TEST(test_up_and_down),
        FIXTURE_TEST(test_facts_cannot_be_set),
        FIXTURE_TEST(test_receive_mode),
        FIXTURE_TEST(test_polled_mode),
        FIXTURE_TEST(test_routes),
        FIXTURE_TEST(test_route_families),
        FIXTURE_TEST(test_arp_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
