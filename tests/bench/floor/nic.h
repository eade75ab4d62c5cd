/* What the floor asks of a network card: the least that moves frames in batches. One card, one
 * hart, no locks.
 *
 * Every packet belongs to one party: the pool, the card for reception, the card for sending, or
 * the caller. post() and send() give it to the card, receive() and sent() take it back. Neither
 * makes the card look: flush() does, once for a whole batch.
 */
#ifndef FLOOR_NIC_H
#define FLOOR_NIC_H

#include "lib/types.h"

#define RING_SIZE         256 /* of each direction; a card may have more for reception */
#define PACKET_ROOM       2048
#define VIRTIO_NET_HEADER 12 /* virtio 1.2, 5.1.6: with VERSION_1 it always has num_buffers */

struct packet {
    struct packet *next;                      /* in the pool */
    uint16_t length;                          /* of the frame */
    uint16_t blast;                           /* the blast whose frame it holds; 0: of none */
    uint8_t virtio_header[VIRTIO_NET_HEADER]; /* directly in front of the frame */
    uint8_t frame[PACKET_ROOM];
};
_Static_assert(offsetof(struct packet, frame) ==
                   offsetof(struct packet, virtio_header) + VIRTIO_NET_HEADER,
               "header and frame are one buffer");

struct nic {
    const char *name;
    unsigned interrupt; /* PLIC source */
    /* False: its ring is full, the packet stays the caller's. */
    bool (*post)(struct packet *packet);
    bool (*send)(struct packet *packet);
    struct packet *(*receive)(void); /* NULL: nothing has arrived */
    struct packet *(*sent)(void);    /* NULL: nothing more has been sent */
    void (*flush)(void);
    bool (*arm)(void); /* asks for an interrupt on the next frame; true: one is there already */
    void (*acknowledge)(void);
};

extern uint64_t floor_doorbells;

/* Each looks for a card of its kind, makes it work and returns it; NULL: there is none. */
const struct nic *virtio_mmio_find(void);
const struct nic *virtio_pci_find(void);
const struct nic *e1000_find(void);

#endif
