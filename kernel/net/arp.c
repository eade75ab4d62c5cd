/* Address resolution (RFC 826; RFC 1122, 2.3.2; RFC 5227 for address conflicts).
 *
 *   arp_input            learns from every packet about a neighbour we know, answers requests for our address
 *   arp_output           sends a datagram to a neighbour, after asking for its address if need be
 *   arp_find_neighbour   only looks, for whoever sends several datagrams at once
 *   arp_probe            asks whether an address that is to be ours is somebody else's
 *   arp_announce         makes our address known
 *
 * The cache itself is in arp_table.c. Requests are repeated, failures noticed, entries aged and
 * announcements sent by one thread, which sleeps until the earliest deadline of all, and without
 * one for good.
 *
 * Address conflicts (RFC 5227): an address is probed before it is used, announced when it is, and
 * defended as in 2.4(c), at most once in DEFEND_INTERVAL. Others' probes are answered. Two things
 * depart from the RFC. Probes are PROBE_INTERVAL apart and not one to two seconds, since a machine
 * that boots in a tenth of a second is not to wait for five. And only an address that is set while
 * its device runs is probed: when a device or its link comes up, what it has is announced without
 * a probe (2.1 wants one), since sockets may be using it already. Whoever else has the address is
 * still found out, by its answer to the announcement.
 */
#include "net/arp_table.h"

#include "abi/errno.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/net.h"
#include "net/wire.h"
#include "proc/kthread.h"
#include "proc/sleeplock.h"

#define PROBE_COUNT       3 /* RFC 5227, 1.1 */
#define PROBE_INTERVAL    (20 * NS_PER_MS)
#define ANNOUNCE_COUNT    2                 /* the same */
#define ANNOUNCE_INTERVAL (2 * NS_PER_SEC)  /* the same */
#define DEFEND_INTERVAL   (10 * NS_PER_SEC) /* the same */

static struct {
    struct waitq wait; /* [arp_lock] the timer thread */
    uint64_t wake_at;  /* [arp_lock] the deadline it sleeps for; 0 while it does not sleep */
    struct announcement {
        struct netdev *dev;
        be32_t address;
        unsigned left;               /* still to be sent; 0: none */
        uint64_t next;               /* ns */
        uint64_t defended;           /* ns, when the address was last defended; 0: never */
    } announcements[NETDEV_MAX + 1]; /* [arp_lock] by netdev index */
} timer;

/* The one address that is being probed, if any. */
static struct {
    struct sleeplock one_at_a_time;
    struct waitq wait;  /* [arp_lock] who probes */
    struct netdev *dev; /* [arp_lock] NULL: nobody probes */
    be32_t address;     /* [arp_lock] */
    bool taken;         /* [arp_lock] somebody uses the address, or probes it as well */
} probe;

/* [lab 4] */
static const uint8_t no_mac[ETHERNET_ADDRESS_LENGTH];

/* --- Sending packets --- */

/* [lab 4] */
/* Fills m with an ARP packet and sends it. target_mac NULL: not known, sent to all. */
static int packet_send(struct netdev *dev, struct mbuf *m, uint16_t operation, be32_t sender,
                       const uint8_t *target_mac, be32_t target)
{
    struct arp_packet *packet = mbuf_append(m, sizeof(*packet));
    packet->hardware_type = BE16(ARP_HARDWARE_ETHERNET);
    packet->protocol_type = BE16(ETHER_TYPE_IP);
    packet->hardware_length = ETHER_ADDRESS_BYTES;
    packet->protocol_length = sizeof(be32_t);
    packet->operation = htons(operation);
    memcpy(packet->sender_mac, dev->mac, sizeof(packet->sender_mac));
    packet->sender_ip = sender;
    memcpy(packet->target_mac, target_mac ? target_mac : no_mac, sizeof(packet->target_mac));
    packet->target_ip = target;
    return ether_output(dev, m, target_mac ? target_mac : ether_broadcast, ETHER_TYPE_ARP);
}

/* A request, to all or (target_mac) to the one that is to confirm its address. `counter` tells
 * requests and announcements apart. */
static void request_send(struct netdev *dev, be32_t sender, const uint8_t *target_mac,
                         be32_t target, enum net_counter counter)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    if (!m) {
        net_count(NET_arp_no_mbuf); /* as good as lost on the wire */
        return;
    }
    net_count(counter);
    packet_send(dev, m, ARP_REQUEST, sender, target_mac, target);
}

/* An announcement is a request for our own address (RFC 5227, 3). */
static void announcement_send(struct netdev *dev, be32_t address)
{
    request_send(dev, address, NULL, address, NET_arp_announcements_sent);
}

/* --- The timer thread --- */

/* While the thread does not sleep, wake_at is 0 and nobody wakes it: it looks at all deadlines
 * before it sleeps. */
void arp_timer_update(uint64_t deadline)
{
    if (deadline < timer.wake_at)
        waitq_wake(&timer.wait);
}

/* The slot that is due first; NULL if nothing is to be announced. There is one a device, so a
 * search is short. */
static struct announcement *announcement_next(void)
{
    struct announcement *next = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(timer.announcements); i++) {
        struct announcement *each = &timer.announcements[i];
        if (each->left > 0 && (!next || each->next < next->next))
            next = each;
    }
    return next;
}

static uint64_t timer_deadline(void)
{
    const struct announcement *next = announcement_next();
    return MIN(next ? next->next : NEVER, arp_table_deadline());
}

/* Takes one due announcement; its slot's copy is in *due. */
static bool announcement_take(uint64_t now, struct announcement *due)
{
    struct announcement *next = announcement_next();
    if (!next || next->next > now)
        return false;
    next->left--;
    next->next = now + ANNOUNCE_INTERVAL;
    *due = *next;
    return true;
}

/* Waits for the next thing to do, and does it. */
static void timer_step(void)
{
    struct announcement announcement;
    struct arp_entry asked;
    uint64_t deadline, now;
    spinlock_acquire(&arp_lock);
    while ((deadline = timer_deadline()) > clock_ns()) {
        timer.wake_at = deadline;
        waitq_sleep_uninterruptible(&timer.wait, deadline);
    }
    timer.wake_at = 0;
    now = clock_ns();
    bool announce = announcement_take(now, &announcement);
    bool ask = !announce && arp_table_expire(now, &asked);
    spinlock_release(&arp_lock);
    /* The address may have been changed since. */
    if (announce && ip_address(announcement.dev) == announcement.address)
        announcement_send(announcement.dev, announcement.address);
    if (ask)
        request_send(asked.dev, ip_address(asked.dev), asked.known ? asked.mac : NULL,
                     asked.address, NET_arp_requests_sent);
}

static void timer_thread(void *unused)
{
    (void)unused;
    for (;;)
        timer_step();
}

/* Without its thread ARP still answers and asks once, which is enough on a good wire. */
void arp_init(void)
{
    spinlock_init(&arp_lock, "arp");
    arp_table_init();
    memset(&timer, 0, sizeof(timer));
    waitq_init(&timer.wait, &arp_lock);
    sleeplock_init(&probe.one_at_a_time, "arp probe");
    waitq_init(&probe.wait, &arp_lock);
    probe.dev = NULL;
    if (!kthread_create("arp", timer_thread, NULL))
        kprintf("arp: no thread for timers: requests are not repeated, entries do not expire\n");
}

/* Begins anew if an announcement was under way: the address may be another one, and then it was not defended
 * yet. */
void arp_announce(struct netdev *dev, be32_t address)
{
    struct announcement *announcement = &timer.announcements[dev->index];
    spinlock_acquire(&arp_lock);
    announcement->dev = dev;
    if (announcement->address != address)
        announcement->defended = 0;
    announcement->address = address;
    announcement->left = ANNOUNCE_COUNT;
    announcement->next = clock_ns();
    arp_timer_update(announcement->next);
    spinlock_release(&arp_lock);
}

/* --- Probing (RFC 5227, 2.1.1) --- */

/* Sends one probe, and waits. False: the address is taken. */
static bool probe_round(struct netdev *dev, be32_t address)
{
    uint64_t deadline = clock_ns() + PROBE_INTERVAL;
    int slept = 0;
    request_send(dev, 0, NULL, address, NET_arp_probes_sent);
    spinlock_acquire(&arp_lock);
    while (!probe.taken && slept != -ETIMEDOUT)
        slept = waitq_sleep_uninterruptible(&probe.wait, deadline);
    bool taken = probe.taken;
    spinlock_release(&arp_lock);
    return !taken;
}

static void probe_set(struct netdev *dev, be32_t address)
{
    spinlock_acquire(&arp_lock);
    probe.dev = dev;
    probe.address = address;
    probe.taken = false;
    spinlock_release(&arp_lock);
}

int arp_probe(struct netdev *dev, be32_t address)
{
    bool is_free = true;
    sleeplock_acquire(&probe.one_at_a_time);
    probe_set(dev, address);
    for (int i = 0; i < PROBE_COUNT && is_free; i++)
        is_free = probe_round(dev, address);
    probe_set(NULL, 0);
    sleeplock_release(&probe.one_at_a_time);
    if (is_free)
        return 0;
    net_count(NET_arp_conflicts);
    kprintf("%s: the address to be used is already in use on this network\n", dev->name);
    return -EADDRINUSE;
}

/* Another host's packet: from the address, or a probe for it, since then two want it. */
static void probe_look(struct netdev *dev, const struct arp_packet *packet)
{
    if (READ_ONCE(probe.dev) != dev)
        return;
    spinlock_acquire(&arp_lock);
    bool asks_too = packet->sender_ip == 0 && packet->target_ip == probe.address;
    if (probe.dev == dev && (packet->sender_ip == probe.address || asks_too)) {
        probe.taken = true;
        waitq_wake(&probe.wait);
    }
    spinlock_release(&arp_lock);
}

/* --- Datagrams to neighbours --- */

/* [lab 4] */
/* Makes m the datagram that waits for the entry, in place of an older one. arp_lock held. */
static void wait_for(struct arp_entry *entry, struct mbuf *m)
{
    if (entry->waiting) {
        net_count(NET_arp_wait_replaced);
        mbuf_free(entry->waiting);
    }
    mbuf_set_owner(m, MBUF_ARP_WAIT);
    /* Its sender goes on: it is another's to send then, and that one flushes no device. */
    m->flags &= (uint16_t) ~(MBUF_ADMITTED | MBUF_MORE);
    entry->waiting = m;
}

/* [lab 4] */
static int refuse(struct mbuf *m, enum net_counter reason, int error)
{
    net_count(reason);
    mbuf_free(m);
    return error;
}

/* [lab 4] */
/* What becomes of a datagram that cannot be sent at once: it waits, or it is refused. Sets *ask if
 * the address is now to be asked for. arp_lock held. */
static int output_unknown(struct netdev *dev, struct arp_entry *entry, struct mbuf *m,
                          be32_t next_hop, bool *ask)
{
    if (entry && entry->state == ARP_FAILED)
        return refuse(m, NET_arp_unreachable, -EHOSTUNREACH);
    if (!entry) {
        entry = arp_table_create(dev, next_hop);
        if (!entry)
            return refuse(m, NET_arp_table_full, -ENOBUFS);
        entry->requests = 1;
        *ask = true;
    }
    wait_for(entry, m);
    return 0;
}

/* [lab 4] */
/* The first branch is the way of nearly every datagram: one lock, one look, no allocation. */
int arp_output(struct netdev *dev, struct mbuf *m, be32_t next_hop)
{
    uint8_t mac[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED;
    bool ask = false;
    spinlock_acquire(&arp_lock);
    struct arp_entry *entry = arp_table_find(dev, next_hop);
    if (entry && entry->known) {
        entry->used = true;
        ether_address_copy(mac, entry->mac);
        spinlock_release(&arp_lock);
        return ether_output(dev, m, mac, ETHER_TYPE_IP);
    }
    int result = output_unknown(dev, entry, m, next_hop, &ask);
    spinlock_release(&arp_lock);
    if (ask)
        request_send(dev, ip_address(dev), NULL, next_hop, NET_arp_requests_sent);
    return result;
}

/* Only who has an entry has a neighbour: groups, broadcasts and loopback never do. */
void arp_find_neighbour(struct ip_destination *way)
{
    spinlock_acquire(&arp_lock);
    struct arp_entry *entry = arp_table_find(way->dev, way->next_hop);
    way->neighbour_known = entry && entry->known && !way->broadcast;
    if (way->neighbour_known) {
        entry->used = true;
        ether_address_copy(way->neighbour, entry->mac);
    }
    spinlock_release(&arp_lock);
}

/* --- Receiving --- */

/* [lab 4] */
/* RFC 826, "Packet reception": hardware and protocol must be the ones we speak. */
static bool packet_is_sound(const struct mbuf *m, enum net_counter *reason)
{
    const struct arp_packet *packet = (const struct arp_packet *)m->data;
    *reason = NET_arp_too_short;
    if (m->length < sizeof(*packet))
        return false;
    *reason = NET_arp_bad_format;
    if (packet->hardware_type != BE16(ARP_HARDWARE_ETHERNET) ||
        packet->protocol_type != BE16(ETHER_TYPE_IP) ||
        packet->hardware_length != ETHER_ADDRESS_BYTES || packet->protocol_length != sizeof(be32_t))
        return false;
    *reason = NET_arp_bad_sender;
    return !(packet->sender_mac[0] & ETHER_GROUP_BIT) &&
           memcmp(packet->sender_mac, no_mac, sizeof(no_mac)) != 0;
}

/* [lab 4] */
/* Somebody else claims our address. It is ours all the same: this is logged, and the address
 * announced again, but no more often than every DEFEND_INTERVAL, so that two machines that both
 * insist do not flood the net (RFC 5227, 2.4(c)). */
static void conflict_handle(struct netdev *dev, const struct arp_packet *packet)
{
    struct announcement *slot = &timer.announcements[dev->index];
    const uint8_t *mac = packet->sender_mac;
    uint64_t now = clock_ns();
    net_count(NET_arp_conflicts);
    spinlock_acquire(&arp_lock);
    bool defend = slot->defended == 0 || now - slot->defended >= DEFEND_INTERVAL;
    if (defend)
        slot->defended = now;
    spinlock_release(&arp_lock);
    if (!defend)
        return;
    kprintf("%s: our address is also used by %02x:%02x:%02x:%02x:%02x:%02x\n", dev->name, mac[0],
            mac[1], mac[2], mac[3], mac[4], mac[5]);
    announcement_send(dev, packet->sender_ip);
}

/* [lab 4] */
/* Whether a sender can get an entry: one host on the network of this device. */
static bool sender_is_neighbour(const struct netdev *dev, be32_t sender)
{
    return sender != 0 && !ip_is_multicast(sender) && !ip_is_broadcast(dev, sender) &&
           ip_on_link(sender) == dev;
}

/* [lab 4] */
/* Learns the sender's address: an entry there is, is updated; a new one is made only if the packet
 * is for us (RFC 826). Sends what waited for it. */
static void sender_learn(struct netdev *dev, const struct arp_packet *packet, bool for_us)
{
    struct mbuf *waiting = NULL;
    bool create = for_us && sender_is_neighbour(dev, packet->sender_ip);
    spinlock_acquire(&arp_lock);
    struct arp_entry *entry = arp_table_find(dev, packet->sender_ip);
    if (!entry && create)
        entry = arp_table_create(dev, packet->sender_ip);
    if (entry && entry->state != ARP_PERMANENT)
        waiting = arp_entry_confirm(entry, packet->sender_mac);
    spinlock_release(&arp_lock);
    if (waiting)
        ether_output(dev, waiting, packet->sender_mac, ETHER_TYPE_IP);
}

/* [lab 4] */
/* Answers a request in its own mbuf, to the asker alone. A probe, from 0.0.0.0, is answered the
 * same way: it asks whether the address is taken (RFC 5227, 2.1.1). */
static void reply_send(struct netdev *dev, struct mbuf *m)
{
    struct arp_packet request = *(const struct arp_packet *)m->data;
    mbuf_reset(m);
    net_count(NET_arp_replies_sent);
    packet_send(dev, m, ARP_REPLY, request.target_ip, request.sender_mac, request.sender_ip);
}

/* [lab 4] */
/* In RFC 826's order: is it sound, learn from its sender, then see what it asks. */
void arp_input(struct netdev *dev, struct mbuf *m)
{
    enum net_counter reason;
    net_count(NET_arp_received);
    if (!packet_is_sound(m, &reason)) {
        net_count(reason);
        mbuf_free(m);
        return;
    }
    const struct arp_packet *packet = (const struct arp_packet *)m->data;
    be32_t own = ip_address(dev);
    bool ours_came_back = memcmp(packet->sender_mac, dev->mac, sizeof(dev->mac)) == 0;
    bool for_us = own != 0 && packet->target_ip == own;
    bool request = packet->operation == BE16(ARP_REQUEST);
    if (!request && packet->operation != BE16(ARP_REPLY))
        net_count(NET_arp_unknown_operation);
    if (!ours_came_back)
        probe_look(dev, packet);
    bool conflict = !ours_came_back && own != 0 && packet->sender_ip == own;
    if (conflict)
        conflict_handle(dev, packet);
    else if (!ours_came_back)
        sender_learn(dev, packet, for_us); /* before the operation matters (RFC 826) */
    if (request && for_us && !conflict && !ours_came_back)
        reply_send(dev, m);
    else
        mbuf_free(m);
}
