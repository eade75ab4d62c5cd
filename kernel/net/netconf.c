/* Configuration and inspection of the stack: the requests of abi/netconf.h.
 *
 *   netconf_ioctl   one request about one interface, route or ARP entry
 *   netconf_list    interfaces, routes, ARP entries, sockets, counters as arrays
 *
 * The structures come from user programs, as kernel copies. Here their form is checked: names end
 * with a 0, IP addresses say that they are. Whether the values make sense is checked, and the
 * change made, by the module that owns them (netdev, ip, arp), under its locks. So a request is
 * either carried out or refused as a whole, and this file has no state and no lock of its own.
 */
#include "net/socket.h"

#include "abi/errno.h"
#include "lib/string.h"
#include "net/net.h"

/* --- Checks and conversions --- */

/* Searches go on until the 0, so one that is missing must show before any search. */
static bool name_is_terminated(const char *name) { return strnlen(name, IFNAMSIZ) < IFNAMSIZ; }

/* A sockaddr has no room for the alignment of a sockaddr_in's address: it is copied, never cast. */
static be32_t address_get(const struct sockaddr *address)
{
    struct sockaddr_in in;
    memcpy(&in, address, sizeof(in));
    return in.sin_addr.s_addr;
}

static void address_put(struct sockaddr *address, be32_t value)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {value}};
    memcpy(address, &in, sizeof(in));
}

/* --- Interfaces --- */

/* IFF_RUNNING is no stored flag: it follows from the device's state, link included. */
static int16_t flags_get(const struct netdev *dev)
{
    return (int16_t)(dev->flags | (netdev_is_running(dev) ? IFF_RUNNING : 0));
}

/* Which frames the device lets through. The flags are set first, since the driver reads them
 * there, and no lock is held during its call; if the device refuses, they are set back. */
static int receive_mode_set(struct netdev *dev, uint16_t mode)
{
    const uint16_t mask = IFF_PROMISC | IFF_ALLMULTI;
    spinlock_acquire(&dev->lock);
    uint16_t before = dev->flags;
    dev->flags = (uint16_t)((before & ~mask) | mode);
    spinlock_release(&dev->lock);
    if ((before & mask) == mode || !dev->ops->set_receive_mode)
        return 0;
    int result = dev->ops->set_receive_mode(dev);
    if (result < 0) {
        spinlock_acquire(&dev->lock);
        dev->flags = (uint16_t)((dev->flags & ~mask) | (before & mask));
        spinlock_release(&dev->lock);
    }
    return result;
}

/* Applies the flags that a user may change; the others are facts, and what is asked of them is
 * ignored. Up or down comes last, so that a device comes up in the mode it is to have. */
static int flags_set(struct netdev *dev, uint16_t flags)
{
    int result = receive_mode_set(dev, flags & (IFF_PROMISC | IFF_ALLMULTI));
    uint16_t changed = (uint16_t)(flags ^ dev->flags);
    if (result == 0 && (changed & IFF_POLLED))
        result = netdev_set_polled(dev, (flags & IFF_POLLED) != 0);
    if (result == 0 && (changed & IFF_UP))
        result = flags & IFF_UP ? netdev_up(dev) : netdev_down(dev);
    return result;
}

/* The type of the address stands where an IP address has its family. */
static void hardware_address_get(const struct netdev *dev, struct sockaddr *address)
{
    *address =
        (struct sockaddr){.sa_family = dev->flags & IFF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER};
    memcpy(address->sa_data, dev->mac, sizeof(dev->mac));
}

/* One of the three values that follow from an interface's address. */
static int interface_address_get(const struct netdev *dev, unsigned long request,
                                 struct sockaddr *to)
{
    be32_t address = ip_address(dev);
    if (address == 0)
        return -EADDRNOTAVAIL;
    if (request == SIOCGIFNETMASK)
        address = ip_netmask(dev);
    else if (request == SIOCGIFBRDADDR)
        address = ip_subnet_broadcast(dev);
    address_put(to, address);
    return 0;
}

/* Sets an address; mask 0: that of its class. A new one is asked for on the wire first, where that can be
 * asked: only about one that the interface can have. */
static int interface_address_change(struct netdev *dev, be32_t address, be32_t mask)
{
    bool can_ask = netdev_is_running(dev) && !(dev->flags & IFF_LOOPBACK);
    int result = 0;
    if (address != 0 && address != ip_address(dev)) {
        result = ip_check_address(dev, address, mask);
        if (result == 0 && can_ask)
            result = arp_probe(dev, address);
    }
    return result < 0 ? result : ip_set_address(dev, address, mask);
}

/* Without a mask of its own an address has that of its class, until SIOCSIFNETMASK sets another. */
static int interface_address_set(struct netdev *dev, unsigned long request,
                                 const struct sockaddr *from)
{
    be32_t value = address_get(from);
    if (from->sa_family != AF_INET)
        return -EAFNOSUPPORT;
    if (request == SIOCSIFNETMASK)
        return ip_set_netmask(dev, value);
    return interface_address_change(dev, value, 0);
}

/* Both values at once; no class comes in here, so there must be a mask. */
static int interface_prefix_set(struct netdev *dev, const struct ifprefixreq *prefix)
{
    be32_t address = address_get(&prefix->ifp_addr), mask = address_get(&prefix->ifp_netmask);
    if (prefix->ifp_addr.sa_family != AF_INET || prefix->ifp_netmask.sa_family != AF_INET)
        return -EAFNOSUPPORT;
    return address != 0 && mask == 0 ? -EINVAL : interface_address_change(dev, address, mask);
}

/* Single values are read without a lock: each is one load, and may be old when the user sees it
 * anyway. */
static int interface_get(const struct netdev *dev, unsigned long request, struct ifreq *ifreq)
{
    switch (request) {
    case SIOCGIFFLAGS:
        ifreq->ifr_flags = flags_get(dev);
        return 0;
    case SIOCGIFMTU:
        ifreq->ifr_mtu = dev->mtu;
        return 0;
    case SIOCGIFINDEX:
        ifreq->ifr_ifindex = dev->index;
        return 0;
    case SIOCGIFHWADDR:
        hardware_address_get(dev, &ifreq->ifr_hwaddr);
        return 0;
    default:
        return interface_address_get(dev, request, &ifreq->ifr_addr);
    }
}

static int interface_set(struct netdev *dev, unsigned long request, const struct ifreq *ifreq)
{
    switch (request) {
    case SIOCSIFFLAGS:
        return flags_set(dev, (uint16_t)ifreq->ifr_flags);
    case SIOCSIFMTU:
        return netdev_set_mtu(dev, (unsigned)ifreq->ifr_mtu);
    default:
        return interface_address_set(dev, request, &ifreq->ifr_addr);
    }
}

/* The name stands first in every request about an interface. */
static int interface_find(const char *name, struct netdev **dev)
{
    if (!name_is_terminated(name))
        return -EINVAL;
    *dev = netdev_find(name);
    return *dev ? 0 : -ENODEV;
}

/* --- Routes and ARP entries --- */

/* An address that the flags make irrelevant may be of any family. */
static int route_check(const struct rtentry *entry)
{
    bool host = entry->rt_flags & RTF_HOST, gateway = entry->rt_flags & RTF_GATEWAY;
    if (entry->rt_dst.sa_family != AF_INET || (!host && entry->rt_genmask.sa_family != AF_INET) ||
        (gateway && entry->rt_gateway.sa_family != AF_INET))
        return -EAFNOSUPPORT;
    return name_is_terminated(entry->rt_dev) ? 0 : -EINVAL;
}

static int route_change(unsigned long request, const struct rtentry *entry)
{
    int result = route_check(entry);
    if (result < 0)
        return result;
    return request == SIOCADDRT ? ip_route_add(entry) : ip_route_delete(entry);
}

/* SIOCGARP fills the entry in; the others only read it. */
static int arp_change(unsigned long request, struct arpreq *entry)
{
    if (!name_is_terminated(entry->arp_dev))
        return -EINVAL;
    if (entry->arp_pa.sa_family != AF_INET)
        return -EAFNOSUPPORT;
    switch (request) {
    case SIOCGARP:
        return arp_entry_get(entry);
    case SIOCSARP:
        return arp_entry_set(entry);
    default:
        return arp_entry_delete(entry);
    }
}

/* The requests fall into those about an interface, whose name is looked up first, and the rest. */
int netconf_ioctl(unsigned long request, void *argument)
{
    struct netdev *dev;
    int result;
    switch (request) {
    case SIOCADDRT:
    case SIOCDELRT:
        return route_change(request, argument);
    case SIOCGARP:
    case SIOCSARP:
    case SIOCDARP:
        return arp_change(request, argument);
    case SIOCGARPTIMEOUT:
        *(uint32_t *)argument = (uint32_t)(READ_ONCE(arp_timeout) / NS_PER_SEC);
        return 0;
    case SIOCSARPTIMEOUT:
        return arp_set_timeout(*(const uint32_t *)argument);
    case SIOCGIFFLAGS:
    case SIOCGIFADDR:
    case SIOCGIFBRDADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFMTU:
    case SIOCGIFHWADDR:
    case SIOCGIFINDEX:
        result = interface_find(argument, &dev);
        return result < 0 ? result : interface_get(dev, request, argument);
    case SIOCSIFFLAGS:
    case SIOCSIFADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFMTU:
        result = interface_find(argument, &dev);
        return result < 0 ? result : interface_set(dev, request, argument);
    case SIOCSIFPREFIX:
        result = interface_find(argument, &dev);
        return result < 0 ? result : interface_prefix_set(dev, argument);
    default:
        return -ENOTTY;
    }
}
