/* The virtio network driver (dev/virtio_net.c, virtio_net_data.c) against a model of the device: rows NET-*,
 * QV-NET-*, P-25 and CL-2 of the requirement table. Devices that fail or lie are in
 * test_virtio_net_hostile.c. */
#include "virtio_net_fixture.h"

#include "dev/virtio_net_internal.h"

/* --- probing --- */

static void test_probe_reads_the_configuration_and_stays_quiet(void **state)
{
    (void)state;
    probe();
    assert_memory_equal(dev->mac, our_mac, sizeof(our_mac)); /* NET-2 */
    assert_int_equal(dev->mtu, 1500);
    assert_int_equal(dev->mtu_max, 1500);
    assert_true(dev->link_up);
    assert_false(dev->offload_checksum);
    assert_int_equal(model.status, 0);
    assert_false(model.queues[RX].live || model.queues[TX].live);
}

static void test_without_mac_a_local_unicast_one(void **state)
{
    (void)state;
    uint8_t last[sizeof(our_mac)] = {0};
    for (unsigned i = 0; i < 16; i++) {
        setup(NULL);
        host_clock_advance(i * 12345);
        model.offered = VIRTIO_F_VERSION_1;
        probe();
        assert_int_equal(dev->mac[0] & 3, 2); /* NET-3 */
        assert_memory_not_equal(dev->mac, our_mac, sizeof(our_mac));
        assert_memory_not_equal(dev->mac, last, sizeof(last)); /* another one each time */
        memcpy(last, dev->mac, sizeof(last));
    }
}

/* CF-3: what is there only with a feature is not read without it. */
static void test_without_features_the_configuration_is_not_read(void **state)
{
    (void)state;
    model.offered = VIRTIO_F_VERSION_1;
    model.config[VIRTIO_NET_CONFIG_STATUS] = 0;
    start(0);
    assert_true(dev->link_up); /* NET-4 */
    assert_false(model_trace_contains(&model, "@"));
}

static void test_mtu(void **state)
{
    (void)state;
    static const struct {
        uint16_t offered, used;
        bool accepted;
    } cases[] = {{1400, 1400, true}, {68, 68, true},      {2034, 2034, true}, {67, 1500, false},
                 {0, 1500, false},   {2035, 1500, false}, {9000, 1500, false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setup(NULL);
        memcpy(model.config + VIRTIO_NET_CONFIG_MTU, &cases[i].offered, 2);
        start(VIRTIO_NET_F_MTU);
        assert_int_equal(dev->mtu, cases[i].used);
        assert_int_equal(dev->mtu_max, cases[i].used);
        assert_int_equal(!!(model.accepted & VIRTIO_NET_F_MTU), cases[i].accepted); /* NET-6 */
        struct model_chain chain;
        assert_true(model_take(&model, RX, &chain));
        assert_true(chain.writable >= HEADER + 14u + cases[i].used); /* NET-7 */
        for (uint32_t over = 0; over < 2; over++) {
            struct mbuf *m = frame_to_send(1);
            mbuf_append(m, cases[i].used + 14u - FRAME + over);
            assert_int_equal(dev->ops->transmit(dev, m, false), over ? -EMSGSIZE : 0); /* NET-8 */
        }
        teardown(NULL);
    }
}

/* NET-8: a device that offers its MTU only after it was probed, which is when that is read. It is not
 * accepted then, so it binds nobody. */
static void test_mtu_offered_later(void **state)
{
    (void)state;
    const uint16_t mtu = 576;
    probe();
    memcpy(model.config + VIRTIO_NET_CONFIG_MTU, &mtu, sizeof(mtu));
    model.offered |= VIRTIO_NET_F_MTU;
    assert_int_equal(netdev_up(dev), 0);
    assert_true(dev->mtu_max <= mtu || !(model.accepted & VIRTIO_NET_F_MTU));
    assert_true(model.accepted & VIRTIO_NET_F_STATUS);
}

static void test_probe_that_fails_keeps_nothing(void **state)
{
    (void)state;
    size_t pages = host_pages_used();
    for (size_t limit = 0; limit < 5; limit++) {
        host_pages_limit(limit);
        assert_true(virtio_attach(&model.device) < 0);
        assert_null(model.device.context);
        assert_int_equal(host_pages_used(), pages);
    }
    host_pages_limit(HOST_NO_LIMIT);
    model.offered |= VIRTIO_NET_F_CTRL_VQ;
    for (unsigned absent = RX; absent <= CONTROL; absent++) {
        model.queues[absent].size_max = 0; /* P-3 */
        assert_int_equal(virtio_attach(&model.device), -ENODEV);
        assert_int_equal(model.status & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
        assert_int_equal(host_pages_used(), pages);
        model.queues[absent].size_max = RING;
    }
}

/* IN-13: behind a refusal nothing more is asked of the device. */
static void test_probe_that_is_refused(void **state)
{
    (void)state;
    model.refuse_features = true;
    assert_int_equal(virtio_attach(&model.device), -EPROTO);
    assert_int_equal(model.status & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
    assert_false(model_trace_contains(&model, "@"));
}

/* --- starting and stopping --- */

static void test_receive_ring_is_full_when_up(void **state)
{
    (void)state;
    probe();
    assert_int_equal(netdev_up(dev), 0);
    assert_int_equal(model.status, 0xf);
    assert_int_equal(ring_posted(), RING);
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING);
    assert_int_equal(model_avail_flags(&model, RX), 1); /* interrupt off until the first poll */
    assert_false(netdev_poll_round(dev));
    assert_int_equal(model_avail_flags(&model, RX), 0);
    struct model_chain chain;
    assert_true(model_take(&model, RX, &chain));
    assert_int_equal(chain.n_in, 1); /* SQ-3 */
    assert_int_equal(chain.n_out, 0);
    assert_true(chain.writable >= 1526); /* NET-37 */
}

static void test_down_and_up_again(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(transmit(1, false), 0);
        receive_unknown();
        netdev_down(dev);
        assert_int_equal(model.status, 0);
        fakenet_assert_no_leak();
        assert_int_equal(transmit(2, false), -ENETDOWN);
        assert_int_equal(netdev_up(dev), 0);
        assert_false(netdev_poll_round(dev));
        assert_int_equal(ring_posted(), RING);
    }
    assert_int_equal(dev->counters.tx_down, 5);
}

static void test_up_without_mbufs(void **state)
{
    (void)state;
    struct list taken;
    probe();
    list_init(&taken);
    while (mbuf_count(MBUF_POOL) >= RING)
        list_push_back(&taken, &mbuf_alloc(MBUF_STACK)->node);
    assert_int_equal(netdev_up(dev), -ENOMEM);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
    mbuf_free_all(&taken);
    assert_int_equal(netdev_up(dev), 0);
}

/* CL-2: memory that the device may still write to is not freed, and the device not used again. */
static void test_stop_of_a_device_that_does_not_reset(void **state)
{
    (void)state;
    start(0);
    model.reset_reads = MODEL_NEVER;
    netdev_down(dev);
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING);
    assert_true(dev->broken);
    assert_int_equal(netdev_up(dev), -EIO);
    /* For the tests that follow: the device comes to its senses. */
    model.reset_reads = 0;
    dev->ops->stop(dev);
}

/* --- receiving --- */

static void test_frames_are_handed_up_and_replaced(void **state)
{
    (void)state;
    start(VIRTIO_F_EVENT_IDX);
    for (unsigned n = 1; n <= 1000; n++) {
        receive_unknown();
        assert_int_equal(ring_posted(), RING - 1);
        assert_false(netdev_poll_round(dev));
        assert_int_equal(ring_posted(), RING);
        assert_int_equal(dev->counters.rx_packets, n);
        assert_int_equal(dev->counters.rx_bytes, n * FRAME);
        assert_int_equal(COUNTER(ether_unknown_type), n);
    }
}

static void test_budget(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < 5; i++)
        receive_unknown();
    assert_int_equal(dev->ops->poll(dev, 3), 3);
    assert_int_equal(dev->ops->poll(dev, 3), 2);
    assert_int_equal(dev->ops->poll(dev, 3), 0);
    assert_int_equal(dev->counters.rx_packets, 5);
}

/* While every poll is full, half of the ring is shown with one doorbell; who finds less shows all. */
static void test_full_polls_share_a_doorbell(void **state)
{
    (void)state;
    start(0);
    unsigned before = model.queues[RX].notifications;
    for (int i = 0; i < 6; i++)
        receive_unknown();
    const struct {
        int found;
        unsigned notifications, posted;
    } polls[] = {{2, 0, RING - 6}, {2, 1, RING - 2}, {2, 1, RING - 2}, {0, 2, RING}};
    for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
        assert_int_equal(dev->ops->poll(dev, 2), polls[i].found);
        assert_int_equal(model.queues[RX].notifications - before, polls[i].notifications);
        assert_int_equal(model_available(&model, RX), polls[i].posted);
    }
}

static void test_without_mbufs_frames_are_dropped_and_the_ring_stays_full(void **state)
{
    (void)state;
    struct list taken;
    struct mbuf *m;
    start(0);
    list_init(&taken);
    while ((m = mbuf_alloc(MBUF_STACK)))
        list_push_back(&taken, &m->node);
    for (int i = 0; i < 20; i++) {
        receive_unknown();
        assert_false(netdev_poll_round(dev));
        assert_int_equal(ring_posted(), RING);
    }
    assert_int_equal(dev->counters.rx_no_mbuf, 20);
    assert_int_equal(dev->counters.rx_packets, 0);
    mbuf_free_all(&taken);
    receive_unknown();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 1);
}

static void test_impossible_lengths(void **state)
{
    (void)state;
    start(0);
    for (uint32_t length = 0; length <= HEADER; length++) {
        struct model_chain chain;
        assert_true(model_take(&model, RX, &chain));
        model_complete(&model, RX, chain.head, length);
        assert_false(netdev_poll_round(dev));
        assert_int_equal(dev->counters.rx_bad_length, length + 1);
        assert_int_equal(ring_posted(), RING);
    }
    assert_int_equal(dev->counters.rx_packets, 0);
}

/* A buffer that is posted again and again stays where it is, or the device would write beyond its mbuf. All
 * mbufs begin at a multiple of 64 bytes. */
static void test_buffers_stay_in_place(void **state)
{
    (void)state;
    const size_t place = offsetof(struct mbuf, buffer) + MBUF_HEADROOM + MBUF_RX_ALIGN - HEADER;
    start(0);
    for (unsigned n = 0; n < RING * 300; n++) {
        struct model_chain chain;
        assert_true(model_take(&model, RX, &chain));
        assert_int_equal((uintptr_t)chain.segments[0].data % 64, place % 64);
        assert_true(place + chain.segments[0].length <= sizeof(struct mbuf));
        model_complete(&model, RX, chain.head, 0);
        netdev_poll_round(dev);
    }
}

/* A UDP datagram with a wrong checksum: how many reached UDP's check and failed it? (NET-40, NET-44) */
static uint64_t bad_checksums_with(uint64_t features, uint8_t flags)
{
    setup(NULL);
    start(features);
    ip_set_address(dev, BE32(0x0a00020f), BE32(0xffffff00));
    struct frame frame = {.length = 0};
    frame_ether(&frame, our_mac, peer_mac, 0x0800);
    frame_ip(&frame, 17, BE32(0x0a000202), BE32(0x0a00020f), 8 + 4);
    memcpy(frame.bytes + frame.length,
           "\x13\x88\x00\x07\x00\x0c\xba\xd1"
           "data",
           12);
    receive(flags, frame.bytes, (uint32_t)frame.length + 12);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 1);
    uint64_t bad = COUNTER(udp_bad_checksum);
    ip_set_address(dev, 0, 0);
    teardown(NULL);
    return bad;
}

static void test_checksum_is_verified_unless_the_device_did(void **state)
{
    (void)state;
    assert_int_equal(bad_checksums_with(0, 0), 1);
    assert_int_equal(bad_checksums_with(0, 0xfb), 1); /* flags mean nothing without GUEST_CSUM */
    assert_int_equal(bad_checksums_with(VIRTIO_NET_F_GUEST_CSUM, 0), 1);
    assert_int_equal(bad_checksums_with(VIRTIO_NET_F_GUEST_CSUM, 0xf8), 1);
    assert_int_equal(bad_checksums_with(VIRTIO_NET_F_GUEST_CSUM, 1), 0);
    assert_int_equal(bad_checksums_with(VIRTIO_NET_F_GUEST_CSUM, 2), 0);
}

/* A frame that comes between the last look and the enabling of the interrupt (P-7). */
static void receive_at_handshake(void)
{
    host_handshake_hook = NULL;
    model.hold_interrupts = true;
    receive_unknown();
    model.hold_interrupts = false;
}

static void test_interrupt_off_and_on(void **state)
{
    (void)state;
    start(0);
    dev->ops->irq_off(dev);
    receive_unknown();
    assert_int_equal(model.queues[RX].interrupts, 0);
    assert_true(dev->ops->irq_on(dev)); /* one is there already */
    dev->ops->poll(dev, 64);
    assert_false(dev->ops->irq_on(dev));
    receive_unknown();
    assert_int_equal(model.queues[RX].interrupts, 1);
    assert_int_equal(model_avail_flags(&model, RX), 1); /* netdev_schedule() turned it off */
}

/* The rings of a stopped device still show a frame that came: it is not to be touched. */
static void test_stopped_device_is_left_alone(void **state)
{
    (void)state;
    start(0);
    receive_unknown();
    netdev_down(dev);
    assert_false(dev->ops->irq_on(dev));
    assert_int_equal(dev->ops->poll(dev, 64), 0);
    assert_int_equal(dev->counters.rx_packets, 0);
    assert_false(host_log_contains("device returned"));
}

static void test_frame_while_the_interrupt_is_turned_on(void **state)
{
    (void)state;
    start(0);
    dev->ops->irq_off(dev);
    host_handshake_hook = receive_at_handshake;
    assert_true(dev->ops->irq_on(dev));
    assert_int_equal(dev->ops->poll(dev, 64), 1);
}

/* --- sending --- */

static void test_frame_and_header_on_the_way_out(void **state)
{
    (void)state;
    struct model_chain chain;
    uint8_t expected[FRAME];
    start(0);
    assert_int_equal(transmit(0x11, false), 0);
    assert_true(model_take(&model, TX, &chain));
    assert_int_equal(chain.n_out, 1);
    assert_int_equal(chain.n_in, 0);
    assert_int_equal(chain.readable, HEADER + FRAME);
    /* NET-12, NET-13, NET-29, NET-35 */
    assert_memory_equal(chain.segments[0].data, "\0\0\0\0\0\0\0\0\0\0\0\0", HEADER);
    memset(expected, 0x11, FRAME);
    assert_memory_equal(chain.segments[0].data + HEADER, expected, FRAME);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 1);
    assert_int_equal(dev->counters.tx_packets, 1);
    assert_int_equal(dev->counters.tx_bytes, FRAME);
    model_complete(&model, TX, chain.head, 0);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
}

static void test_checksum_left_to_the_device(void **state)
{
    (void)state;
    struct model_chain chain;
    start(VIRTIO_NET_F_CSUM);
    assert_true(dev->offload_checksum);
    struct mbuf *m = frame_to_send(1);
    m->flags |= MBUF_CSUM_PARTIAL;
    m->csum_start = 34;
    m->csum_offset = 6;
    assert_int_equal(dev->ops->transmit(dev, m, false), 0);
    assert_true(model_take(&model, TX, &chain));
    assert_memory_equal(chain.segments[0].data, "\1\0\0\0\0\0\x22\0\6\0\0\0", HEADER); /* NET-28 */
}

static void test_frame_longer_than_the_device_takes(void **state)
{
    (void)state;
    start(0);
    for (uint32_t over = 0; over < 2; over++) {
        struct mbuf *m = frame_to_send(1);
        mbuf_append(m, 1514 - FRAME + over);
        assert_int_equal(dev->ops->transmit(dev, m, false), over ? -EMSGSIZE : 0); /* NET-8 */
    }
    assert_int_equal(dev->counters.tx_too_long, 1);
}

static void test_one_doorbell_for_a_burst(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < 5; n++)
        transmit(n, n < 4);
    assert_int_equal(model.queues[TX].notifications, 1);
    assert_int_equal(dev->counters.doorbells, model.queues[RX].notifications + 1);
    for (uint8_t n = 0; n < 5; n++)
        sent(n);
}

/* `more` that nothing follows: flush rings for it, once; on a stopped device not at all. */
static void test_flush(void **state)
{
    (void)state;
    start(0);
    transmit(1, true);
    transmit(2, true);
    assert_int_equal(model.queues[TX].notifications, 0);
    netdev_flush(dev);
    assert_int_equal(model.queues[TX].notifications, 1);
    sent(1);
    sent(2);
    netdev_flush(dev);
    assert_int_equal(model.queues[TX].notifications, 1);
    transmit(3, true);
    netdev_down(dev);
    unsigned before = model.queues[TX].notifications;
    netdev_flush(dev);
    assert_int_equal(model.queues[TX].notifications, before);
    assert_int_equal(host_locks_held(), 0);
}

/* A burst longer than the ring: the device hears of it when the ring is full, since nothing else makes
 * room. */
static void test_burst_longer_than_the_ring(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n <= RING; n++)
        transmit(n, true);
    assert_int_equal(dev->tx_waiting_count, 1);
    assert_true(model.queues[TX].notifications >= 1);
    for (uint8_t n = 0; n < RING; n++)
        sent(n);
    netdev_poll_round(dev);
    netdev_flush(dev);
    sent(RING);
}

/* Frames that come together share a doorbell. What the ring has no room for waits; all have their owner. */
static void test_frames_together(void **state)
{
    (void)state;
    start(0);
    fakenet_transmit_frames(dev, 0, 2, true);
    assert_int_equal(model.queues[TX].notifications, 0);
    fakenet_transmit_frames(dev, 2, 3, false);
    assert_int_equal(model.queues[TX].notifications, 1);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 5);
    for (uint8_t n = 0; n < 5; n++)
        sent(n);
    fakenet_transmit_frames(dev, 5, RING + 3, false);
    assert_int_equal(mbuf_count(MBUF_TX_RING), RING);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 3);
    for (uint8_t n = 0; n < RING; n++)
        sent((uint8_t)(5 + n));
    netdev_poll_round(dev);
    for (uint8_t n = 0; n < 3; n++)
        sent((uint8_t)(5 + RING + n));
    assert_int_equal(dev->counters.tx_packets, RING + 8);
    fakenet_transmit_too_long(dev);
    sent(1);
    sent(3);
    netdev_down(dev);
    fakenet_transmit_frames(dev, 0, 2, false);
    assert_int_equal(dev->counters.tx_down, 2);
}

/* Three ARP requests in one poll: their answers share the doorbell at its end. */
static void test_one_doorbell_for_what_a_poll_sends(void **state)
{
    (void)state;
    struct frame frame = {.length = 0};
    start(0);
    ip_set_address(dev, BE32(0x0a00020f), BE32(0xffffff00));
    netdev_poll_round(dev);
    unsigned before = model.queues[TX].notifications;
    unsigned frames = model_available(&model, TX); /* the announcement of the address */
    frame_ether(&frame, ether_broadcast, peer_mac, 0x0806);
    frame_arp(&frame, 1, peer_mac, BE32(0x0a000202), (uint8_t[6]){0}, BE32(0x0a00020f));
    for (int i = 0; i < 3; i++)
        receive(0, frame.bytes, (uint32_t)frame.length);
    netdev_poll_round(dev);
    assert_int_equal(model_available(&model, TX), frames + 3);
    assert_int_equal(model.queues[TX].notifications - before, 1);
    ip_set_address(dev, 0, 0);

    ((struct virtio_net *)dev->driver)->polling = true; /* as on another hart, just now */
    fakenet_transmit_frames(dev, 0, 2, false);
    assert_int_equal(model.queues[TX].notifications - before, 1);
    netdev_poll_round(dev);
    assert_int_equal(model_available(&model, TX), frames + 5);
    assert_int_equal(model.queues[TX].notifications - before, 2);
}

/* The device sends nothing for a while: frames wait, none is lost, and go out in order when it does. */
static void ring_full_and_restart(uint64_t features)
{
    setup(NULL);
    start(features);
    for (uint8_t n = 0; n < RING; n++)
        assert_int_equal(transmit(n, false), 0);
    assert_int_equal(mbuf_count(MBUF_TX_RING), RING);
    unsigned interrupts = model.queues[TX].interrupts;
    for (uint8_t n = RING; n < RING + 7; n++)
        assert_int_equal(transmit(n, false), 0);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 7);
    assert_int_equal(dev->counters.tx_deferred, 7);

    /* Now there is an interrupt when room appears, and its poll fills the room. */
    for (uint8_t n = 0; n < RING + 7; n++) {
        sent(n);
        assert_true(dev->scheduled || n >= 7);
        netdev_poll_round(dev);
        dev->scheduled = false;
    }
    assert_true(model.queues[TX].interrupts > interrupts);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE) + mbuf_count(MBUF_TX_RING), 0);
    assert_int_equal(dev->counters.tx_packets, RING + 7);

    /* When nothing waits any more, none is wanted. */
    interrupts = model.queues[TX].interrupts;
    transmit(99, false);
    sent(99);
    assert_int_equal(model.queues[TX].interrupts, interrupts);
    teardown(NULL);
}

static void test_full_ring_restarts(void **state)
{
    (void)state;
    ring_full_and_restart(0);
    ring_full_and_restart(VIRTIO_F_EVENT_IDX);
}

/* Room that is there already is used without waiting. */
static void test_full_ring_is_reclaimed_by_the_sender(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < 5 * RING; n++) {
        assert_int_equal(transmit(n, false), 0);
        sent(n);
    }
    assert_int_equal(dev->counters.tx_deferred, 0);
}

/* The last look, too, finds room: no interrupt would come for it. */
static void send_at_handshake(void)
{
    struct model_chain chain;
    host_handshake_hook = NULL;
    model.hold_interrupts = true;
    while (model_take(&model, TX, &chain))
        model_complete(&model, TX, chain.head, 0);
    model.hold_interrupts = false;
}

static void test_room_while_the_transmit_interrupt_is_turned_on(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < RING; n++)
        transmit(n, false);
    host_handshake_hook = send_at_handshake;
    assert_int_equal(transmit(RING, false), 0);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 0);
    sent(RING);
}

static void test_queue_of_waiting_frames_is_bounded(void **state)
{
    (void)state;
    start(0);
    unsigned lost = 0, n = 0;
    dev->tx_waiting_count = NETDEV_TX_DEFER_MAX; /* as if so many waited */
    for (; n < 10; n++)
        lost += transmit(1, false) == -ENOBUFS;
    dev->tx_waiting_count = 0;
    assert_int_equal(lost, 10);
    assert_int_equal(dev->counters.tx_ring_full, 10);
}

/* --- events --- */

static void test_link_follows_the_device(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < 6; i++) {
        model.config[VIRTIO_NET_CONFIG_STATUS] = (uint8_t)(0xfe | i % 2); /* bit 0 alone counts */
        model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
        assert_true(dev->scheduled);
        netdev_poll_round(dev);
        assert_int_equal(dev->link_up, i % 2); /* NET-5 */
    }
    /* It is looked at for such an event, and once: each look costs a poll several accesses. */
    model.trace_length = 0;
    model.trace[0] = '\0';
    receive_unknown();
    netdev_poll_round(dev);
    assert_false(model_trace_contains(&model, "@"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_probe_reads_the_configuration_and_stays_quiet),
        TEST(test_without_mac_a_local_unicast_one),
        TEST(test_without_features_the_configuration_is_not_read),
        TEST(test_mtu),
        TEST(test_mtu_offered_later),
        TEST(test_probe_that_fails_keeps_nothing),
        TEST(test_probe_that_is_refused),
        TEST(test_receive_ring_is_full_when_up),
        TEST(test_down_and_up_again),
        TEST(test_up_without_mbufs),
        TEST(test_stop_of_a_device_that_does_not_reset),
        TEST(test_frames_are_handed_up_and_replaced),
        TEST(test_budget),
        TEST(test_full_polls_share_a_doorbell),
        TEST(test_without_mbufs_frames_are_dropped_and_the_ring_stays_full),
        TEST(test_impossible_lengths),
        TEST(test_buffers_stay_in_place),
        TEST(test_checksum_is_verified_unless_the_device_did),
        TEST(test_interrupt_off_and_on),
        TEST(test_stopped_device_is_left_alone),
        TEST(test_frame_while_the_interrupt_is_turned_on),
        TEST(test_frame_and_header_on_the_way_out),
        TEST(test_checksum_left_to_the_device),
        TEST(test_frame_longer_than_the_device_takes),
        TEST(test_one_doorbell_for_a_burst),
        TEST(test_flush),
        TEST(test_burst_longer_than_the_ring),
        TEST(test_frames_together),
        TEST(test_one_doorbell_for_what_a_poll_sends),
        TEST(test_full_ring_restarts),
        TEST(test_full_ring_is_reclaimed_by_the_sender),
        TEST(test_room_while_the_transmit_interrupt_is_turned_on),
        TEST(test_queue_of_waiting_frames_is_bounded),
        TEST(test_link_follows_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
