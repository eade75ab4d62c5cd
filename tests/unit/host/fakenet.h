/* A network device for unit tests: records what is transmitted, refuses or defers on demand, and hands
 * received frames to the stack in memory that ends where the frame ends, as far into a word as drivers do.
 * Also brings the stack up for a test. */
#ifndef FAKENET_H
#define FAKENET_H

#include "host.h"
#include "net/mbuf.h"
#include "net/counters.h"
#include "net/netdev.h"

#define FAKENET_FRAMES_MAX     256
#define FAKENET_HEADROOM       12 /* a driver's own header may want so much in front of a frame */
#define FAKENET_ROOM_UNLIMITED UINT32_MAX
#define FAKENET_MBUFS          64 /* in the pool */

struct fakenet_frame {
    uint8_t *bytes; /* heap block of exactly this length */
    size_t length;
    uint16_t flags; /* of the mbuf */
    uint16_t csum_start, csum_offset;
    bool more;
};

struct fakenet {
    struct netdev dev;
    struct fakenet_frame frames[FAKENET_FRAMES_MAX]; /* transmitted, oldest first */
    unsigned frame_count;
    uint32_t room;        /* frames that transmit still accepts; then it defers (netdev_tx_defer) */
    int refuse;           /* not 0: transmit drops and returns this */
    int open_result;      /* what ops->open returns */
    struct list incoming; /* received frames that ops->poll will hand up */
    bool irq_enabled;
    unsigned unannounced; /* frames sent with `more` since the last doorbell */
    unsigned flushes;
    unsigned opened, stopped, polled;
    unsigned polled_with_irq;                /* polls while the interrupt was on */
    void (*on_irq_on)(struct fakenet *fake); /* a frame may come in at this very moment */
    bool irq_on_result;
};

/* Fills the pool, for a test that wants another number than FAKENET_MBUFS. Once, before the first
 * fakenet_stack_init(). */
void fakenet_mbufs_make(unsigned count);

/* Resets the host services and brings the whole stack up as net_init() does, with a pool of
 * FAKENET_MBUFS. May be called again for each test; the mbufs of the first call are used on. */
void fakenet_stack_init(void);

/* Registers the device under `name` with link up and the MAC 52:54:00:00:00:<last>, and brings it
 * up. Its record must outlive the test's use of the stack. */
void fakenet_init(struct fakenet *fake, const char *name, uint8_t last);

/* An mbuf as a driver would give it up, owner MBUF_STACK, dev set: its data lie at the very end of
 * its heap block. */
struct mbuf *fakenet_mbuf(struct fakenet *fake, const void *bytes, size_t n);
/* fakenet_mbuf + netdev_input */
void fakenet_receive(struct fakenet *fake, const void *bytes, size_t n);
/* For the next ops->poll. */
void fakenet_queue(struct fakenet *fake, const void *bytes, size_t n);

/* For tests of drivers: a frame to send, FRAME bytes with `mark` as the last. */
#define FRAME 60
struct mbuf *frame_to_send(uint8_t mark);
/* Has the driver send n of them together, marked `first` and on. */
void fakenet_transmit_frames(struct netdev *dev, uint8_t first, unsigned n, bool more);
/* Three together, marked 1 to 3, of which the middle one is longer than the device takes. */
void fakenet_transmit_too_long(struct netdev *dev);

void fakenet_clear(struct fakenet *fake); /* forgets the transmitted frames */

/* The value of a counter: COUNTER(ip_received). */
#define COUNTER(name) net_counters[NET_##name]

/* Builds frames: each function appends to `frame` and returns its new length. */
#define FRAME_MAX    2048
#define FRAME_OFFSET 2 /* as in an mbuf: what follows the Ethernet header lies at a multiple of 4 */
struct frame {
    uint8_t before[FRAME_OFFSET];
    uint8_t bytes[FRAME_MAX];
    size_t length;
};
void frame_ether(struct frame *frame, const uint8_t *to, const uint8_t *from, uint16_t type);
void frame_arp(struct frame *frame, uint16_t operation, const uint8_t *sender_mac, be32_t sender_ip,
               const uint8_t *target_mac, be32_t target_ip);
/* The IP header of a datagram with `payload` bytes to come; checksum right. */
void frame_ip(struct frame *frame, uint8_t protocol, be32_t from, be32_t to, size_t payload);
/* Recomputes the checksum of the IP header at `offset` after a test has changed it. */
void frame_ip_fix(struct frame *frame, size_t offset);
/* n data bytes, counting up from `first`. */
void frame_data(struct frame *frame, uint8_t first, size_t n);
/* An ICMP message of a header and n data bytes, checksum right. `rest`: the header's second word.
 */
void frame_icmp(struct frame *frame, uint8_t type, uint8_t code, be32_t rest, const void *data,
                size_t n);

/* Fails the test unless every mbuf is free again. */
void fakenet_assert_no_leak(void);

#endif
