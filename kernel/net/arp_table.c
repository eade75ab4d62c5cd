/* The ARP cache; see arp_table.h for its states. Also the requests by which users read and change it:
 * arp_entry_get, arp_entry_set, arp_entry_delete, arp_list, arp_flush, arp_set_timeout. */
#include "net/arp_table.h"

#include "abi/errno.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/wire.h"

#define BUCKET_BITS 10

uint64_t arp_timeout = 20 * 60 * NS_PER_SEC;
struct spinlock arp_lock = SPINLOCK_INITIALIZER("arp");

/* All: [arp_lock]. An entry is on the list of its state; every one that is not ARP_FREE is in one
 * bucket too. */
static struct arp_entry entries[ARP_ENTRIES_MAX];
static struct list by_state[ARP_STATES];
static struct list buckets[1 << BUCKET_BITS];

/* Neighbours' addresses differ in their last bits; the multiplication spreads those over the upper
 * ones. */
static struct list *bucket_of(be32_t address)
{
    return &buckets[(uint32_t)(ntohl(address) * 0x9e3779b1u) >> (32 - BUCKET_BITS)];
}

void arp_table_init(void)
{
    for (unsigned i = 0; i < ARP_STATES; i++)
        list_init(&by_state[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(buckets); i++)
        list_init(&buckets[i]);
    for (unsigned i = 0; i < ARP_ENTRIES_MAX; i++) {
        entries[i] = (struct arp_entry){.state = ARP_FREE};
        list_node_init(&entries[i].hash_node);
        list_push_back(&by_state[ARP_FREE], &entries[i].state_node);
    }
}

/* The same address may be known on two devices, so both make the key; the device needs no part
 * in the hash. */
struct arp_entry *arp_table_find(const struct netdev *dev, be32_t address)
{
    LIST_FOR_EACH (node, bucket_of(address)) {
        struct arp_entry *entry = LIST_ENTRY(node, struct arp_entry, hash_node);
        if (entry->address == address && entry->dev == dev)
            return entry;
    }
    return NULL;
}

/* How long an entry stays in a state; NEVER: it does not leave by itself. */
static uint64_t state_duration(enum arp_state state)
{
    switch (state) {
    case ARP_RESOLVING:
        return ARP_REQUEST_INTERVAL;
    case ARP_COMPLETE:
        return arp_timeout;
    case ARP_FAILED:
        return ARP_HOLD_DOWN;
    default:
        return NEVER;
    }
}

/* Being put last keeps every list in the order of its deadlines, because all entries of a state
 * stay equally long. */
void arp_entry_enter(struct arp_entry *entry, enum arp_state state)
{
    uint64_t duration = state_duration(state);
    list_remove(&entry->state_node);
    list_push_back(&by_state[state], &entry->state_node);
    entry->state = (uint8_t)state;
    entry->since = clock_ns();
    if (duration != NEVER)
        arp_timer_update(entry->since + duration);
}

/* Drops the datagram that waits, if there is one. */
static void waiting_drop(struct arp_entry *entry, enum net_counter reason)
{
    if (!entry->waiting)
        return;
    net_count(reason);
    mbuf_free(entry->waiting);
    entry->waiting = NULL;
}

/* Whatever state it was in. Who waits is not told: it is as if the datagram were lost on the
 * wire. */
static void entry_free(struct arp_entry *entry)
{
    waiting_drop(entry, NET_arp_wait_flushed);
    list_remove(&entry->hash_node);
    arp_entry_enter(entry, ARP_FREE);
}

static struct arp_entry *state_oldest(enum arp_state state)
{
    struct list_node *node = list_front(&by_state[state]);
    return node ? LIST_ENTRY(node, struct arp_entry, state_node) : NULL;
}

/* Makes room when all entries are taken: the least loss is a failure, then what was confirmed
 * longest ago. */
static struct arp_entry *entry_evict(void)
{
    static const enum arp_state order[] = {ARP_FAILED, ARP_COMPLETE, ARP_RESOLVING};
    struct arp_entry *victim = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(order) && !victim; i++)
        victim = state_oldest(order[i]);
    if (victim) {
        net_count(NET_arp_evicted);
        entry_free(victim);
    }
    return victim;
}

/* The caller knows that there is no entry for this address yet. */
struct arp_entry *arp_table_create(struct netdev *dev, be32_t address)
{
    struct arp_entry *entry = state_oldest(ARP_FREE);
    if (!entry)
        entry = entry_evict();
    if (!entry)
        return NULL;
    entry->dev = dev;
    entry->address = address;
    entry->requests = 0;
    entry->known = entry->used = false;
    entry->waiting = NULL;
    list_push_front(bucket_of(address), &entry->hash_node);
    arp_entry_enter(entry, ARP_RESOLVING);
    return entry;
}

/* Also the way out of FAILED: a neighbour that says something is back. */
struct mbuf *arp_entry_confirm(struct arp_entry *entry, const uint8_t *mac)
{
    struct mbuf *waiting = entry->waiting;
    if (!entry->known)
        net_count(NET_arp_resolved);
    memcpy(entry->mac, mac, sizeof(entry->mac));
    entry->known = true;
    entry->used = false;
    entry->waiting = NULL;
    arp_entry_enter(entry, ARP_COMPLETE);
    if (waiting)
        mbuf_set_owner(waiting, MBUF_STACK);
    return waiting;
}

/* --- Ageing --- */

/* Three looks, however many entries there are. */
uint64_t arp_table_deadline(void)
{
    uint64_t deadline = NEVER;
    for (enum arp_state state = ARP_RESOLVING; state <= ARP_FAILED; state++) {
        const struct arp_entry *oldest = state_oldest(state);
        if (oldest)
            deadline = MIN(deadline, oldest->since + state_duration(state));
    }
    return deadline;
}

/* [lab 4] */
/* No answer came in time: one more request, or the address is given up. True: ask. A neighbour that
 * was known is forgotten then (RFC 1122, 2.3.2.1, method 2), so that the next datagram for it asks
 * all: it may have another station now. Only an address that was asked of all has failed. */
static bool resolving_expire(struct arp_entry *entry)
{
    if (entry->requests < ARP_REQUESTS_MAX) {
        entry->requests++;
        arp_entry_enter(entry, ARP_RESOLVING);
        return true;
    }
    net_count(NET_arp_failed);
    if (entry->known) {
        entry_free(entry);
        return false;
    }
    waiting_drop(entry, NET_arp_wait_failed);
    arp_entry_enter(entry, ARP_FAILED);
    return false;
}

/* [lab 4] */
/* Not confirmed for too long (RFC 1122, 2.3.2.1). True: still in use, so ask. */
static bool complete_expire(struct arp_entry *entry)
{
    net_count(NET_arp_expired);
    if (!entry->used) {
        entry_free(entry);
        return false;
    }
    entry->requests = 1;
    arp_entry_enter(entry, ARP_RESOLVING);
    return true;
}

/* One entry a call, so that the caller can send with the lock free and come back for the next. */
bool arp_table_expire(uint64_t now, struct arp_entry *asked)
{
    for (enum arp_state state = ARP_RESOLVING; state <= ARP_FAILED; state++) {
        struct arp_entry *entry = state_oldest(state);
        if (!entry || entry->since + state_duration(state) > now)
            continue;
        bool ask = false;
        if (state == ARP_RESOLVING)
            ask = resolving_expire(entry);
        else if (state == ARP_COMPLETE)
            ask = complete_expire(entry);
        else
            entry_free(entry);
        *asked = *entry;
        return ask;
    }
    return false;
}

/* By hand, or when a device goes down or changes its address: rare, so this walks the whole
 * table. */
void arp_flush(struct netdev *dev)
{
    spinlock_acquire(&arp_lock);
    for (unsigned i = 0; i < ARP_ENTRIES_MAX; i++) {
        if (entries[i].state != ARP_FREE && (!dev || entries[i].dev == dev))
            entry_free(&entries[i]);
    }
    spinlock_release(&arp_lock);
}

/* --- Requests by users --- */

/* The lists stay in the order of their deadlines, since all of them move alike. */
int arp_set_timeout(uint32_t seconds)
{
    if (seconds == 0)
        return -EINVAL;
    spinlock_acquire(&arp_lock);
    arp_timeout = seconds * NS_PER_SEC;
    arp_timer_update(arp_table_deadline());
    spinlock_release(&arp_lock);
    return 0;
}

/* The device of an entry there is, for an address that is not on-link any more; NULL: there is none. */
static struct netdev *entry_device(be32_t address)
{
    struct netdev *dev = NULL;
    spinlock_acquire(&arp_lock);
    LIST_FOR_EACH (node, bucket_of(address)) {
        struct arp_entry *entry = LIST_ENTRY(node, struct arp_entry, hash_node);
        if (entry->address == address)
            dev = entry->dev;
    }
    spinlock_release(&arp_lock);
    return dev;
}

/* What an arpreq names: its address, and its device or the one on whose network the address is, or
 * was. 0, or -EINVAL (not an address of one host), -ENODEV, -ENETUNREACH. */
static int request_parse(const struct arpreq *request, struct netdev **dev, be32_t *address)
{
    struct sockaddr_in in;
    memcpy(&in, &request->arp_pa, sizeof(in));
    *address = in.sin_addr.s_addr;
    if (in.sin_family != AF_INET || *address == 0)
        return -EINVAL;
    *dev = request->arp_dev[0] ? netdev_find(request->arp_dev) : ip_on_link(*address);
    if (!*dev && !request->arp_dev[0])
        *dev = entry_device(*address);
    if (!*dev)
        return request->arp_dev[0] ? -ENODEV : -ENETUNREACH;
    bool one_host = !ip_is_multicast(*address) && !ip_is_broadcast(*dev, *address);
    return one_host && !((*dev)->flags & IFF_LOOPBACK) ? 0 : -EINVAL;
}

/* An entry without ATF_COM is one that is being asked for, or did not answer. */
static void entry_to_request(const struct arp_entry *entry, struct arpreq *request)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {entry->address}};
    *request = (struct arpreq){.arp_ha = {.sa_family = ARPHRD_ETHER}};
    memcpy(&request->arp_pa, &in, sizeof(in));
    if (entry->known) {
        memcpy(request->arp_ha.sa_data, entry->mac, sizeof(entry->mac));
        request->arp_flags = ATF_COM;
    }
    if (entry->state == ARP_PERMANENT)
        request->arp_flags |= ATF_PERM;
    strlcpy(request->arp_dev, entry->dev->name, sizeof(request->arp_dev));
}

int arp_entry_get(struct arpreq *request)
{
    struct netdev *dev;
    be32_t address;
    int result = request_parse(request, &dev, &address);
    if (result < 0)
        return result;
    spinlock_acquire(&arp_lock);
    const struct arp_entry *entry = arp_table_find(dev, address);
    if (entry)
        entry_to_request(entry, request);
    spinlock_release(&arp_lock);
    return entry ? 0 : -ENXIO;
}

/* Serves a datagram that has been waiting, just as an answer from the wire would. */
int arp_entry_set(const struct arpreq *request)
{
    struct netdev *dev;
    struct mbuf *waiting = NULL;
    be32_t address;
    int result = request_parse(request, &dev, &address);
    if (result < 0)
        return result;
    const uint8_t *mac = (const uint8_t *)request->arp_ha.sa_data;
    if (request->arp_ha.sa_family != ARPHRD_ETHER || (mac[0] & ETHER_GROUP_BIT))
        return -EINVAL;
    spinlock_acquire(&arp_lock);
    struct arp_entry *entry = arp_table_find(dev, address);
    if (!entry)
        entry = arp_table_create(dev, address);
    if (entry) {
        waiting = arp_entry_confirm(entry, mac);
        if (request->arp_flags & ATF_PERM)
            arp_entry_enter(entry, ARP_PERMANENT);
    }
    spinlock_release(&arp_lock);
    if (waiting)
        ether_output(dev, waiting, mac, ETHER_TYPE_IP);
    return entry ? 0 : -ENOSPC;
}

int arp_entry_delete(const struct arpreq *request)
{
    struct netdev *dev;
    be32_t address;
    int result = request_parse(request, &dev, &address);
    if (result < 0)
        return result;
    spinlock_acquire(&arp_lock);
    struct arp_entry *entry = arp_table_find(dev, address);
    if (entry)
        entry_free(entry);
    spinlock_release(&arp_lock);
    return entry ? 0 : -ENXIO;
}

uint32_t arp_list(struct arpreq *list, uint32_t room)
{
    uint32_t count = 0;
    spinlock_acquire(&arp_lock);
    for (unsigned i = 0; i < ARP_ENTRIES_MAX; i++) {
        if (entries[i].state == ARP_FREE)
            continue;
        if (count < room)
            entry_to_request(&entries[i], &list[count]);
        count++;
    }
    spinlock_release(&arp_lock);
    return count;
}
