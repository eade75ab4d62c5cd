/* Addresses and routes: which addresses are ours, and which way a datagram goes (RFC
 * 1122, 3.2.1.3, 3.3.1, 3.3.6).
 *
 *   ip_set_address, ip_set_netmask                 one address per interface
 *   ip_is_own, ip_is_multicast                     what kind of address this is
 *   ip_route                                       device, next hop and source for a destination
 *   ip_route_add, delete, list, ip_on_link         the table
 *
 * The table is sorted by length of mask, longest first, so the first entry that covers a
 * destination is the best one. Routes of equal masks stand in order of entry; among them the first
 * whose device is running is taken, so there may be several default gateways (RFC 1122, 3.3.1.2). A
 * dead device is not got round by a shorter mask: who lives on that network is not reachable
 * through another one. Each address brings the route to its own network; such a route is
 * `automatic` and goes with the address.
 *
 * Interface addresses are read without a lock, once per datagram or more often: a pair of address
 * and mask that is half changed means one datagram treated as before or after the change.
 */
#include "net/net.h"

#include "abi/errno.h"
#include "lib/string.h"

#define ROUTES_MAX 64
#define ALL_ONES   BE32(INADDR_BROADCAST)

struct route {
    be32_t destination; /* no bits outside the mask */
    be32_t mask;
    be32_t gateway; /* 0: on-link */
    struct netdev *dev;
    bool automatic;
};

static struct {
    struct spinlock lock;
    struct route routes[ROUTES_MAX]; /* [lock] longest mask first */
    unsigned count;                  /* [lock] */
} table;

struct ip_interface ip_interfaces[NETDEV_MAX + 1]; /* written under table.lock */
/* The highest index that ever had an address; it bounds the search for an own address. */
static int interface_last;

/* --- Kinds of addresses --- */

static unsigned first_byte(be32_t address) { return ntohl(address) >> 24; }
static bool is_loopback(be32_t address) { return first_byte(address) == 127; }
bool ip_is_multicast(be32_t address) { return first_byte(address) >> 4 == 0xe; }

/* The mask of an address's class (RFC 791, 3.2). */
static be32_t class_mask(be32_t address)
{
    if (first_byte(address) < 128)
        return BE32(0xff000000);
    return first_byte(address) < 192 ? BE32(0xffff0000) : BE32(0xffffff00);
}

/* Networks of one or two addresses have no broadcast address (RFC 3021), nor has that of loopback:
 * all of 127/8 is this host (RFC 1122, 3.2.1.3(g)). One that is larger than its class has no other
 * than its own: the class's would be one of its hosts. table.lock held. */
static void interface_set(struct ip_interface *interface, be32_t address, be32_t mask)
{
    bool has_broadcast = address != 0 && !is_loopback(address) && ntohl(mask) < 0xfffffffe;
    WRITE_ONCE(interface->address, address);
    WRITE_ONCE(interface->mask, address != 0 ? mask : 0);
    WRITE_ONCE(interface->subnet_broadcast, has_broadcast ? address | ~mask : ALL_ONES);
    WRITE_ONCE(interface->net_broadcast,
               has_broadcast ? address | ~(class_mask(address) & mask) : ALL_ONES);
    net_config_changed();
}

/* The interface that has this address. */
static struct netdev *owner_of(be32_t address)
{
    for (int i = 1; i <= READ_ONCE(interface_last) && address != 0; i++) {
        if (READ_ONCE(ip_interfaces[i].address) == address)
            return netdev_get(i);
    }
    return NULL;
}

bool ip_is_own(be32_t address) { return is_loopback(address) || owner_of(address) != NULL; }

/* Whether an address can be one host's, as far as can be seen without its mask. */
static bool is_host_address(be32_t address)
{
    return first_byte(address) > 0 && first_byte(address) < 224;
}

/* --- The table --- */

void ip_init(void)
{
    spinlock_init(&table.lock, "routes");
    table.count = 0;
    interface_last = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(ip_interfaces); i++)
        interface_set(&ip_interfaces[i], 0, 0);
}

/* Finds the route to an address. 0, -ENETUNREACH, -ENETDOWN: there is one, but its device is not
 * running. Lock held. */
static int table_find(be32_t address, struct route *found)
{
    int result = -ENETUNREACH;
    for (unsigned i = 0; i < table.count; i++) {
        const struct route *route = &table.routes[i];
        if (result == -ENETDOWN && route->mask != found->mask)
            break;
        if ((address & route->mask) != route->destination)
            continue;
        *found = *route;
        if (netdev_is_running(route->dev))
            return 0;
        result = -ENETDOWN;
    }
    return result;
}

static int route_find(be32_t address, struct route *found)
{
    spinlock_acquire(&table.lock);
    int result = table_find(address, found);
    spinlock_release(&table.lock);
    return result;
}

/* A network whose device is down is still on that link, so that entries can be made ahead. */
struct netdev *ip_on_link(be32_t address)
{
    struct route route;
    int result = route_find(address, &route);
    return result != -ENETUNREACH && route.gateway == 0 ? route.dev : NULL;
}

/* Puts a route behind all of the same or a longer mask. Lock held, room checked. */
static void table_insert(const struct route *route)
{
    unsigned place = table.count++;
    for (; place > 0 && ntohl(table.routes[place - 1].mask) < ntohl(route->mask); place--)
        table.routes[place] = table.routes[place - 1];
    table.routes[place] = *route;
    net_config_changed();
}

/* Keeps the order. Lock held. */
static void table_remove(unsigned place)
{
    table.count--;
    for (; place < table.count; place++)
        table.routes[place] = table.routes[place + 1];
    net_config_changed();
}

/* --- The way of a datagram --- */

/* Through which device a datagram goes that no route decides: to all hosts, or to a group. The one
 * that has the source address, or else the first that can send. */
static struct netdev *device_for_group(be32_t source)
{
    struct netdev *dev;
    if (source)
        return owner_of(source);
    for (int i = 1; (dev = netdev_get(i)) != NULL; i++) {
        if (!(dev->flags & IFF_LOOPBACK) && netdev_is_running(dev) && ip_address(dev) != 0)
            return dev;
    }
    return NULL;
}

static int way_for_group(be32_t source, be32_t destination, struct ip_destination *way)
{
    way->dev = device_for_group(source);
    if (!way->dev)
        return -ENETUNREACH;
    way->next_hop = destination;
    way->broadcast = destination == ALL_ONES;
    return netdev_is_running(way->dev) ? 0 : -ENETDOWN;
}

/* To ourselves: through loopback, whichever of our addresses it is, so that nothing of it shows on
 * a wire. */
static int way_to_self(be32_t destination, struct ip_destination *way)
{
    way->dev = &loopback_device;
    way->next_hop = destination;
    way->source = is_loopback(destination) ? ip_address(&loopback_device) : destination;
    way->broadcast = false;
    return netdev_is_running(way->dev) ? 0 : -ENETDOWN;
}

/* A broadcast address behind a gateway is an address like any other to us: only the last router
 * knows. */
static int way_by_table(be32_t destination, struct ip_destination *way)
{
    struct route route;
    int result = route_find(destination, &route);
    if (result < 0)
        return result;
    way->dev = route.dev;
    way->next_hop = route.gateway ? route.gateway : destination;
    way->broadcast = route.gateway == 0 && ip_is_broadcast(route.dev, destination);
    if (ip_is_multicast(destination))
        way->next_hop =
            destination; /* a group is sent to on the link itself, whatever the route says */
    return 0;
}

/* First what no table decides, then the table, then the source, which depends on the device. */
int ip_route(be32_t source, be32_t destination, struct ip_destination *way)
{
    int result;
    /* 0.0.0.0 is no destination, nor is anything else of that network or class E (RFC
     * 1122, 3.2.1.3). */
    if (first_byte(destination) == 0 || (first_byte(destination) >= 240 && destination != ALL_ONES))
        return -EINVAL;
    if (source && !ip_is_own(source))
        return -EADDRNOTAVAIL;
    way->source = 0;
    way->neighbour_known = false;
    if (ip_is_own(destination))
        result = way_to_self(destination, way);
    else if (destination == ALL_ONES)
        result = way_for_group(source, destination, way);
    else
        result = way_by_table(destination, way);
    if (result == -ENETUNREACH && ip_is_multicast(destination))
        result = way_for_group(source, destination, way);
    if (result < 0)
        return result;
    if (source)
        way->source = source;
    else if (way->source == 0)
        way->source = ip_address(way->dev);
    /* 127/8 appears on no wire, as source no more than as destination (RFC 1122, 3.2.1.3(g)). */
    bool leaks = is_loopback(way->source) && !(way->dev->flags & IFF_LOOPBACK);
    return way->source == 0 || leaks ? -EADDRNOTAVAIL : 0;
}

/* --- Configuration: addresses --- */

static bool mask_is_contiguous(be32_t mask)
{
    uint32_t host_bits = ~ntohl(mask);
    return (host_bits & (host_bits + 1)) == 0;
}

/* 0, or why dev cannot have this address. Lock held. */
static int address_check(const struct netdev *dev, be32_t address, be32_t mask)
{
    uint32_t host_bits = ~ntohl(mask), host = ntohl(address) & host_bits;
    bool whole_network = host_bits > 1 && (host == 0 || host == host_bits);
    if (!is_host_address(address) || mask == 0 || !mask_is_contiguous(mask) || whole_network)
        return -EINVAL;
    if (is_loopback(address) != ((dev->flags & IFF_LOOPBACK) != 0))
        return -EINVAL;
    const struct netdev *holder = owner_of(address);
    if (holder && holder != dev)
        return -EADDRINUSE;
    return table.count < ROUTES_MAX ? 0 : -ENOSPC;
}

/* Whether a route without a gateway, whoever made it, leads to an address through dev. Lock
 * held. */
static bool is_neighbour(const struct netdev *dev, be32_t address)
{
    for (unsigned i = 0; i < table.count; i++) {
        const struct route *route = &table.routes[i];
        if (route->dev == dev && route->gateway == 0 &&
            (address & route->mask) == route->destination)
            return true;
    }
    return false;
}

/* Takes out what the old address brought, and the routes by gateways that are no longer on-link, or
 * are ourselves now. Lock held. */
static void routes_renew(struct netdev *dev, be32_t address, be32_t mask)
{
    for (unsigned i = table.count; i-- > 0;) {
        const struct route *route = &table.routes[i];
        if (route->dev == dev && (route->automatic || address == 0))
            table_remove(i);
    }
    if (address == 0)
        return;
    table_insert(&(struct route){
        .destination = address & mask, .mask = mask, .dev = dev, .automatic = true});
    for (unsigned i = table.count; i-- > 0;) {
        const struct route *route = &table.routes[i];
        bool lost = route->dev == dev && route->gateway != 0 && !is_neighbour(dev, route->gateway);
        if (lost || route->gateway == address)
            table_remove(i);
    }
}

/* Everything about the routes happens under one lock, so no datagram meets half of the change. Lock
 * held. */
static int address_change(struct netdev *dev, be32_t address, be32_t mask)
{
    int result = address != 0 ? address_check(dev, address, mask) : 0;
    if (result < 0)
        return result;
    interface_set(&ip_interfaces[dev->index], address, mask);
    interface_last = MAX(interface_last, dev->index);
    routes_renew(dev, address, mask);
    return 0;
}

int ip_check_address(const struct netdev *dev, be32_t address, be32_t mask)
{
    spinlock_acquire(&table.lock);
    int result = address_check(dev, address, mask ? mask : class_mask(address));
    spinlock_release(&table.lock);
    return result;
}

int ip_set_address(struct netdev *dev, be32_t address, be32_t mask)
{
    if (address != 0 && mask == 0)
        mask = class_mask(address);
    spinlock_acquire(&table.lock);
    bool moved = address != ip_address(dev);
    int result = address_change(dev, address, mask);
    spinlock_release(&table.lock);
    if (result < 0 || (dev->flags & IFF_LOOPBACK))
        return result;
    if (!moved)
        return 0;
    arp_flush(dev); /* what was learnt for the old address's network */
    if (address != 0 && netdev_is_running(dev))
        arp_announce(dev, address);
    return 0;
}

/* The address is read under the lock under which it is set again: one that another thread sets at
 * this time is not undone. */
int ip_set_netmask(struct netdev *dev, be32_t mask)
{
    spinlock_acquire(&table.lock);
    be32_t address = ip_address(dev);
    int result = address != 0 ? address_change(dev, address, mask) : -EADDRNOTAVAIL;
    spinlock_release(&table.lock);
    return result;
}

/* --- Configuration: routes --- */

static be32_t sockaddr_address(const struct sockaddr *from)
{
    struct sockaddr_in in;
    memcpy(&in, from, sizeof(in));
    return in.sin_addr.s_addr;
}

static void sockaddr_fill(struct sockaddr *to, be32_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    memcpy(to, &in, sizeof(in));
}

/* What a user's entry says, unchecked; without RTF_GATEWAY its gateway does not count. */
static struct route route_from(const struct rtentry *entry)
{
    return (struct route){
        .destination = sockaddr_address(&entry->rt_dst),
        .mask = entry->rt_flags & RTF_HOST ? ALL_ONES : sockaddr_address(&entry->rt_genmask),
        .gateway = entry->rt_flags & RTF_GATEWAY ? sockaddr_address(&entry->rt_gateway) : 0,
        .dev = entry->rt_dev[0] ? netdev_find(entry->rt_dev) : NULL,
    };
}

/* The same network, and no device of two: none means any, as in a request to delete. */
static bool route_alike(const struct route *a, const struct route *b)
{
    return a->destination == b->destination && a->mask == b->mask &&
           (!a->dev || !b->dev || a->dev == b->dev);
}

/* The place of a route in the table, or `count`. Lock held. */
static unsigned table_place(const struct route *route, bool any_gateway)
{
    unsigned i = 0;
    while (i < table.count && !(route_alike(&table.routes[i], route) &&
                                (any_gateway || table.routes[i].gateway == route->gateway)))
        i++;
    return i;
}

/* Checks a new route and finds its device from the gateway, which must be one neighbour. Lock held.
 */
static int route_complete(struct route *route)
{
    struct route to_gateway;
    if (!mask_is_contiguous(route->mask) || (route->destination & ~route->mask))
        return -EINVAL;
    if (route->gateway == 0)
        return route->dev ? 0 : -EINVAL;
    if (!is_host_address(route->gateway) || ip_is_own(route->gateway))
        return -EINVAL;
    if (table_find(route->gateway, &to_gateway) == -ENETUNREACH || to_gateway.gateway != 0)
        return -ENETUNREACH;
    if (route->dev && route->dev != to_gateway.dev)
        return -ENETUNREACH;
    if (ip_is_broadcast(to_gateway.dev, route->gateway))
        return -EINVAL;
    route->dev = to_gateway.dev;
    return 0;
}

/* The device is found from the gateway, so a user need not name it; one that is named must
 * agree. */
int ip_route_add(const struct rtentry *entry)
{
    struct route route = route_from(entry);
    if (entry->rt_dev[0] && !route.dev)
        return -ENODEV;
    if ((entry->rt_flags & RTF_GATEWAY) && route.gateway == 0)
        return -EINVAL;
    spinlock_acquire(&table.lock);
    int result = route_complete(&route);
    if (result == 0 && table_place(&route, false) < table.count)
        result = -EEXIST;
    if (result == 0 && table.count == ROUTES_MAX)
        result = -ENOSPC;
    if (result == 0)
        table_insert(&route);
    spinlock_release(&table.lock);
    return result;
}

/* An interface's own route can be deleted too, and comes back with its address. Without a gateway the route
 * that has none is meant, or else the first one to that network. */
int ip_route_delete(const struct rtentry *entry)
{
    struct route route = route_from(entry);
    if (entry->rt_dev[0] && !route.dev)
        return -ENODEV;
    spinlock_acquire(&table.lock);
    unsigned place = table_place(&route, false);
    if (place == table.count && route.gateway == 0)
        place = table_place(&route, true);
    bool found = place < table.count;
    if (found)
        table_remove(place);
    spinlock_release(&table.lock);
    return found ? 0 : -ESRCH;
}

static void route_to_entry(const struct route *route, struct rtentry *entry)
{
    *entry = (struct rtentry){0};
    sockaddr_fill(&entry->rt_dst, route->destination);
    sockaddr_fill(&entry->rt_gateway, route->gateway);
    sockaddr_fill(&entry->rt_genmask, route->mask);
    entry->rt_flags =
        (uint16_t)((netdev_is_running(route->dev) ? RTF_UP : 0) |
                   (route->gateway ? RTF_GATEWAY : 0) | (route->mask == ALL_ONES ? RTF_HOST : 0));
    strlcpy(entry->rt_dev, route->dev->name, sizeof(entry->rt_dev));
}

uint32_t ip_route_list(struct rtentry *entries, uint32_t room)
{
    spinlock_acquire(&table.lock);
    uint32_t count = table.count;
    for (uint32_t i = 0; i < MIN(count, room); i++)
        route_to_entry(&table.routes[i], &entries[i]);
    spinlock_release(&table.lock);
    return count;
}
