/* What the tests of the virtio network driver share: one card with its model, the network stack above it,
 * and rings of 8 entries, so that they are soon full. The poll thread's round is called by hand. */
#ifndef VIRTIO_NET_FIXTURE_H
#define VIRTIO_NET_FIXTURE_H

#include "fakenet.h"
#include "virtq_device.h"

#include "abi/netconf.h"
#include "dev/virtio_net.h"
#include "lib/format.h"
#include "net/net.h"

/* Between a store and the look at the device's answer to it. */
extern void (*host_handshake_hook)(void);

const struct virtio_driver virtio_blk_driver; /* no disk here */

#define RX      VIRTIO_NET_RECEIVE_QUEUE
#define TX      VIRTIO_NET_TRANSMIT_QUEUE
#define CONTROL VIRTIO_NET_CONTROL_QUEUE
#define RING    8
#define HEADER  12

static const uint8_t our_mac[] = {0x52, 0x54, 0x00, 0x01, 0x02, 0x03};
static const uint8_t peer_mac[] = {0x02, 0, 0, 0, 0, 9};

static struct model model;
static struct netdev *dev; /* after probe() */
static void *kept[128];    /* a device's record stays for good: known here, so no leak */
static unsigned kept_count;

static inline int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    model_init(&model, VIRTIO_ID_NET, VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS, RING);
    memcpy(model.config, our_mac, sizeof(our_mac));
    model.config[VIRTIO_NET_CONFIG_STATUS] = 1;
    return 0;
}

static inline void probe(void)
{
    assert_int_equal(virtio_attach(&model.device), 0);
    dev = netdev_find(model.device.name);
    assert_non_null(dev);
    kept[kept_count++] = model.device.context;
}

static inline void probe_with(uint64_t features)
{
    model.offered |= features;
    probe();
}

/* Probed, up, and polled once, so that interrupts are on. */
static inline void start(uint64_t features)
{
    probe_with(features);
    assert_int_equal(netdev_up(dev), 0);
    assert_false(netdev_poll_round(dev));
}

static inline int teardown(void **state)
{
    (void)state;
    host_handshake_hook = NULL;
    if (dev)
        netdev_down(dev);
    dev = NULL;
    fakenet_assert_no_leak();
    return 0;
}

/* The device receives a frame: header flags as given, junk in the fields that mean nothing (NET-41, NET-43). */
static inline void receive(uint8_t flags, const void *bytes, uint32_t n)
{
    struct model_chain chain;
    assert_true(model_take(&model, RX, &chain));
    uint8_t *to = chain.segments[0].data;
    memset(to, 0xee, HEADER);
    to[0] = flags;
    memcpy(to + HEADER, bytes, n);
    model_complete(&model, RX, chain.head, HEADER + n);
}

/* A frame of a type that the stack does not know: it ends as a counted drop there. */
static inline void receive_unknown(void)
{
    struct frame frame = {.length = 0};
    frame_ether(&frame, our_mac, peer_mac, 0x9999);
    frame_data(&frame, 1, FRAME - frame.length);
    receive(0, frame.bytes, FRAME);
}

static inline int transmit(uint8_t mark, bool more)
{
    int result = dev->ops->transmit(dev, frame_to_send(mark), more);
    assert_int_equal(host_locks_held(), 0);
    return result;
}

/* The device sends its next frame, which must be the one with this mark. */
static inline void sent(uint8_t mark)
{
    struct model_chain chain;
    assert_true(model_take(&model, TX, &chain));
    assert_int_equal(chain.segments[0].data[chain.readable - 1], mark);
    model_complete(&model, TX, chain.head, 0);
}

static inline unsigned ring_posted(void) { return model_available(&model, RX); }

#endif
