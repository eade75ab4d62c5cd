/* The ARP cache: entries, their states and their ageing. Private to arp.c, which sends and
 * receives, and arp_table.c, which keeps the entries; both work under arp_lock.
 *
 *   (none)    --a datagram to send-->                  RESOLVING
 *   RESOLVING --an answer-->                           COMPLETE
 *   RESOLVING --3 requests unanswered-->               FAILED
 *   FAILED    --hold-down-->                           (none)
 *   COMPLETE  --not confirmed for arp_timeout-->       (none)
 *   COMPLETE  --not confirmed for so long, in use-->   RESOLVING, but still usable
 *   RESOLVING, still usable --3 requests unanswered--> (none)
 *
 * An entry that is in use when its time is up is asked for again, by unicast (RFC 1122, 2.3.2.1,
 * method 2), and keeps serving meanwhile, so a steady flow never stops for its own cache. It goes
 * if no answer comes, and the next datagram has all asked: the neighbour may have moved.
 *
 * Each state has a list, in the order in which entries entered it, and one duration for all. So the
 * head of each list is the next to expire, and the next deadline, the victim for eviction and every
 * transition are found without a search; a hash finds an entry by address. None of this grows with
 * the number of entries.
 */
#ifndef NET_ARP_TABLE_H
#define NET_ARP_TABLE_H

#include "lib/list.h"
#include "lib/types.h"
#include "net/mbuf.h"
#include "net/netdev.h"
#include "proc/spinlock.h"

#define ARP_ENTRIES_MAX      1024
#define ARP_REQUEST_INTERVAL NS_PER_SEC /* RFC 1122, 2.3.2.1: at most one a second per address */
#define ARP_REQUESTS_MAX     3
#define ARP_HOLD_DOWN        (2 * NS_PER_SEC) /* how long a failure is remembered */

enum arp_state { ARP_FREE, ARP_RESOLVING, ARP_COMPLETE, ARP_FAILED, ARP_PERMANENT, ARP_STATES };

/* All fields: [arp_lock]. */
struct arp_entry {
    struct list_node hash_node;
    struct list_node state_node;
    struct netdev *dev;
    be32_t address;
    uint8_t mac[ETHERNET_ADDRESS_LENGTH] ETHER_ALIGNED; /* valid if `known` */
    uint8_t state;                                      /* enum arp_state */
    uint8_t requests;                                   /* RESOLVING: sent so far */
    bool known;
    bool used;            /* COMPLETE: since it was confirmed */
    uint64_t since;       /* ns, when it entered its state, or that state's present round */
    struct mbuf *waiting; /* the newest datagram that waits for the address (RFC 1122, 2.3.2.2) */
};

extern struct spinlock arp_lock;

/* All under arp_lock. */
void arp_table_init(void);
struct arp_entry *arp_table_find(const struct netdev *dev, be32_t address); /* NULL: none */
/* A new entry in state RESOLVING; takes the place of an older one when the table is full; NULL if
 * all are permanent. */
struct arp_entry *arp_table_create(struct netdev *dev, be32_t address);
void arp_entry_enter(struct arp_entry *entry, enum arp_state state); /* from now on */
/* The address is known now. Returns the datagram that waited for it, if any: the caller sends it.
 */
struct mbuf *arp_entry_confirm(struct arp_entry *entry, const uint8_t *mac);
/* When the next entry is due: ns, or NEVER. */
uint64_t arp_table_deadline(void);
/* Treats one due entry. If its address is to be asked for, returns true, and *asked is a copy of
 * the entry. */
bool arp_table_expire(uint64_t now, struct arp_entry *asked);

/* Tells the timer thread (in arp.c) that a deadline may be sooner than the one it sleeps for.
 * arp_lock held. */
void arp_timer_update(uint64_t deadline);

#endif
