/* The lists that netstat, ifconfig, route and arp show: netconf_list(). Lists of a table that has a
 * lock are first gathered in kernel memory, since nothing is copied to a user with a lock held;
 * counters need no lock, so they go out one by one.
 */
#include "net/socket.h"

#include "abi/errno.h"
#include "lib/byteorder.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "net/counters.h"
#include "net/mbuf.h"
#include "net/net.h"

/* --- Counters --- */

/* Entries go out while there is room; all are numbered. */
struct counter_writer {
    struct uio *uio;
    uint32_t room;
    uint32_t number;
    int result;
};

enum counter_kind { SUM, DROP, GAUGE };

/* What does not fit is still numbered, so that the caller learns how much room to bring. */
static void counter_write(struct counter_writer *writer, const char *group, const char *name,
                          enum counter_kind kind, uint64_t value)
{
    if (writer->number++ >= writer->room || writer->result < 0)
        return;
    struct netcounter entry = {.value = value, .is_drop = kind == DROP, .is_gauge = kind == GAUGE};
    strlcpy(entry.group, group, sizeof(entry.group));
    strlcpy(entry.name, name, sizeof(entry.name));
    writer->result = uio_put(writer->uio, &entry, sizeof(entry));
}

/* The stack's own: names and kinds come from the one list in net/counters.h. */
static void counters_write_stack(struct counter_writer *writer)
{
    static const struct {
        const char *group, *name;
        enum counter_kind kind;
    } described[] = {
#define COUNTER_DESCRIPTION(group, name, kind) {#group, #name, kind},
        NET_COUNTERS(COUNTER_DESCRIPTION)};

    for (unsigned i = 0; i < NET_COUNTER_LIMIT; i++)
        counter_write(writer, described[i].group, described[i].name, described[i].kind,
                      __atomic_load_n(&net_counters[i], __ATOMIC_RELAXED));
}

/* The names are the fields', so that a reader of netstat finds them in net/netdev.h. */
static void counters_write_device(struct counter_writer *writer, const struct netdev *dev)
{
#define DEVICE_COUNTER(name, kind)                                                                 \
    {                                                                                              \
#name, offsetof(struct netdev_counters, name), kind                                        \
    }
    static const struct {
        const char *name;
        size_t offset;
        enum counter_kind kind;
    } described[] = {
        DEVICE_COUNTER(rx_packets, SUM),  DEVICE_COUNTER(rx_bytes, SUM),
        DEVICE_COUNTER(rx_no_mbuf, DROP), DEVICE_COUNTER(rx_bad_length, DROP),
        DEVICE_COUNTER(rx_errors, DROP),  DEVICE_COUNTER(rx_reset, DROP),
        DEVICE_COUNTER(tx_packets, SUM),  DEVICE_COUNTER(tx_bytes, SUM),
        DEVICE_COUNTER(tx_deferred, SUM), DEVICE_COUNTER(tx_ring_full, DROP),
        DEVICE_COUNTER(tx_down, DROP),    DEVICE_COUNTER(tx_too_long, DROP),
        DEVICE_COUNTER(tx_reset, DROP),   DEVICE_COUNTER(interrupts, SUM),
        DEVICE_COUNTER(polls, SUM),       DEVICE_COUNTER(doorbells, SUM),
        DEVICE_COUNTER(restarts, SUM),
    };
    _Static_assert(ARRAY_SIZE(described) * sizeof(uint64_t) == sizeof(struct netdev_counters),
                   "every counter of a device is listed");

    for (unsigned i = 0; i < ARRAY_SIZE(described); i++) {
        const char *at = (const char *)&dev->counters + described[i].offset;
        counter_write(writer, dev->name, described[i].name, described[i].kind,
                      READ_ONCE(*(const uint64_t *)at));
    }
}

/* Where the mbufs are. The numbers of one listing add up to `total` only while nothing moves. */
static void counters_write_mbuf(struct counter_writer *writer)
{
    counter_write(writer, "mbuf", "total", GAUGE, mbuf_total());
    for (unsigned owner = 0; owner < MBUF_OWNERS; owner++)
        counter_write(writer, "mbuf", mbuf_owner_name(owner), GAUGE, mbuf_count(owner));
    counter_write(writer, "mbuf", "alloc_failures", SUM, mbuf_alloc_failures());
}

/* All counters of one moment would need a lock on the data path; these are each right when they
 * are read. */
static int list_counters(struct netlist *list, struct uio *entries)
{
    struct counter_writer writer = {.uio = entries, .room = list->count};
    counters_write_stack(&writer);
    for (int i = 1; netdev_get(i); i++)
        counters_write_device(&writer, netdev_get(i));
    counters_write_mbuf(&writer);
    list->available = writer.number;
    list->count = MIN(list->count, writer.number);
    return writer.result;
}

/* --- Tables --- */

/* Every interface, also those that have no address yet (0.0.0.0): that is how ifconfig learns their
 * names. */
static uint32_t interface_list(struct ifreq *entries, uint32_t room)
{
    uint32_t count = 0;
    for (int i = 1; netdev_get(i); i++) {
        const struct netdev *dev = netdev_get(i);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {ip_address(dev)}};
        if (count < room) {
            strlcpy(entries[count].ifr_name, dev->name, IFNAMSIZ);
            memcpy(&entries[count].ifr_addr, &address, sizeof(address));
        }
        count++;
    }
    return count;
}

/* As many as the largest table holds, the ARP cache. It bounds the memory a request can ask for. */
#define LIST_ENTRIES_MAX 1024u

/* 0: the request is no list. */
static size_t entry_size(unsigned long request)
{
    switch (request) {
    case SIOCGIFCONF:
        return sizeof(struct ifreq);
    case SIOCGRTLIST:
        return sizeof(struct rtentry);
    case SIOCGARPLIST:
        return sizeof(struct arpreq);
    case SIOCGSOCKLIST:
        return sizeof(struct sockinfo);
    default:
        return 0;
    }
}

/* Each owner of a table fills what there is room for, and returns how much there is. */
static uint32_t table_gather(unsigned long request, void *entries, uint32_t room)
{
    switch (request) {
    case SIOCGIFCONF:
        return interface_list(entries, room);
    case SIOCGRTLIST:
        return ip_route_list(entries, room);
    case SIOCGARPLIST:
        return arp_list(entries, room);
    default:
        return socket_list(entries, room);
    }
}

/* The memory is for this call only, so that two programs that ask at the same time do not share
 * a buffer. */
int netconf_list(unsigned long request, struct netlist *list, struct uio *entries)
{
    if (request == SIOCGCOUNTERS)
        return list_counters(list, entries);
    size_t size = entry_size(request);
    if (size == 0)
        return -ENOTTY;
    uint32_t room = MIN(list->count, LIST_ENTRIES_MAX);
    size_t pages = (room * size + PAGE_SIZE - 1) / PAGE_SIZE;
    void *gathered = pages ? pages_alloc(pages) : NULL;
    if (pages && !gathered)
        return -ENOMEM;
    list->available = table_gather(request, gathered, room);
    list->count = MIN(room, list->available);
    int result = uio_put(entries, gathered, list->count * size);
    if (gathered)
        pages_free(gathered, pages);
    return result;
}
