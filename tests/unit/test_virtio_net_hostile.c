/* The virtio network driver (dev/virtio_net.c, virtio_net_data.c) against a device that lies, loses, delays
 * and fails: rows FB-*, NETDEP-*, CL-2, SQ-16, SQ-17 and ST-4 of the requirement table. Whatever the device
 * does, nothing is lost without being counted, no mbuf leaks, and the device is recovered or given up. */
#include "virtio_net_fixture.h"

/* --- features --- */

/* Bits that need another one (5.1.3.1), each offered without it; the newer ones of 1.3 among them. */
static void test_features_that_need_others_are_refused(void **state)
{
    (void)state;
    static const uint8_t dependent[] = {7,  8,  9,  10, 11, 12, 13, 14, 18, 19,
                                        20, 21, 22, 23, 52, 53, 56, 57, 60, 61};
    for (size_t i = 0; i < ARRAY_SIZE(dependent); i++) {
        setup(NULL);
        start(VIRTIO_FEATURE(dependent[i]));
        assert_int_equal(model.accepted & VIRTIO_FEATURE(dependent[i]), 0);
        assert_int_equal(model.status, 0xf);
        teardown(NULL);
    }
}

/* The device accepts every command. */
static int accept_commands(struct waitq *queue, uint64_t deadline)
{
    struct model_chain chain;
    (void)queue, (void)deadline;
    while (model_take(&model, CONTROL, &chain)) {
        *chain.segments[chain.n_out].data = 0;
        model_complete(&model, CONTROL, chain.head, 1);
    }
    return 0;
}

/* FB-3: with any one of its features missing the driver still moves frames. */
static void test_each_feature_may_be_missing(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        setup(NULL);
        model.config[VIRTIO_NET_CONFIG_MTU] = 1500 & 0xff;
        model.config[VIRTIO_NET_CONFIG_MTU + 1] = 1500 >> 8;
        host_sleep_hook = accept_commands;
        model.offered = VIRTIO_F_VERSION_1 | (UINT64_MAX & ~VIRTIO_FEATURE(bit));
        start(0);
        transmit(1, false);
        struct model_chain chain;
        assert_true(model_take(&model, TX, &chain));
        model_complete(&model, TX, chain.head, 0);
        receive_unknown();
        netdev_poll_round(dev);
        assert_int_equal(dev->counters.rx_packets, 1);
        teardown(NULL);
    }
}

/* --- memory --- */

/* Until its reset takes effect the device writes to every buffer that it was given. */
static void write_to_everything(struct model *m)
{
    struct model_chain chain;
    if (!m->queues[RX].live)
        return;
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING); /* CL-2: not one of them is free yet */
    while (model_take(m, RX, &chain))
        memset(chain.segments[0].data, 0xdd, chain.segments[0].length);
}

static void test_late_write_hits_no_freed_mbuf(void **state)
{
    (void)state;
    start(0);
    model.last_moment = write_to_everything;
    netdev_down(dev);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
    assert_int_equal(model.status, 0);
}

/* NET-12, NET-35: what was in the mbuf before does not show in the header. */
static void test_sent_header_is_clean(void **state)
{
    (void)state;
    struct list all;
    struct mbuf *m;
    struct model_chain chain;
    start(0);
    list_init(&all);
    while ((m = mbuf_alloc(MBUF_STACK))) {
        memset(m->data - MBUF_HEADROOM, 0xff, MBUF_HEADROOM + MBUF_DATA_SIZE);
        list_push_back(&all, &m->node);
    }
    mbuf_free_all(&all);
    transmit(1, false);
    assert_true(model_take(&model, TX, &chain));
    assert_memory_equal(chain.segments[0].data, "\0\0\0\0\0\0\0\0\0\0\0\0", HEADER);
}

/* --- order and interrupts --- */

/* Both rings are filled, and emptied in the opposite order. */
static void test_completion_in_any_order(void **state)
{
    (void)state;
    struct model_chain out[RING], in[RING];
    start(0);
    for (uint8_t n = 0; n < RING; n++)
        transmit(n, false);
    for (unsigned n = 0; n < RING; n++) {
        assert_true(model_take(&model, TX, &out[n]));
        assert_true(model_take(&model, RX, &in[n]));
    }
    for (unsigned n = RING; n-- > 0;) {
        model_complete(&model, TX, out[n].head, 0);
        memset(in[n].segments[0].data, 0, HEADER + FRAME);
        model_complete(&model, RX, in[n].head, HEADER + FRAME);
    }
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, RING);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
    assert_int_equal(ring_posted(), RING);
    assert_int_equal(dev->counters.restarts, 0);
}

/* MMIO-31: an interrupt does not tell which queue it is for. */
static void test_one_interrupt_serves_both_rings(void **state)
{
    (void)state;
    for (int both = 1; both <= 3; both++) {
        setup(NULL);
        start(0);
        transmit(1, false);
        model.hold_interrupts = true;
        if (both & 1)
            receive_unknown();
        if (both & 2)
            sent(1);
        model.hold_interrupts = false;
        model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
        netdev_poll_round(dev);
        assert_int_equal(dev->counters.rx_packets, both & 1);
        assert_int_equal(mbuf_count(MBUF_TX_RING), !(both & 2));
        teardown(NULL);
    }
}

/* Interrupts get lost: the next one, or the next poll for any reason, finds all that has come. */
static void test_lost_interrupts(void **state)
{
    (void)state;
    start(VIRTIO_F_EVENT_IDX);
    dev->scheduled = false;
    model.hold_interrupts = true;
    for (int i = 0; i < 5; i++)
        receive_unknown();
    model.hold_interrupts = false;
    assert_false(dev->scheduled);
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 5);
    assert_int_equal(ring_posted(), RING);
}

/* One interrupt for a queue and for the configuration is one interrupt. */
static void test_interrupt_with_both_reasons(void **state)
{
    (void)state;
    start(0);
    uint64_t interrupts = dev->counters.interrupts;
    dev->scheduled = false;
    model.config[VIRTIO_NET_CONFIG_STATUS] = 0;
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(dev->counters.interrupts, interrupts + 1);
    assert_true(dev->scheduled);
    netdev_poll_round(dev);
    assert_false(dev->link_up);
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(dev->counters.interrupts, interrupts + 2);
}

static void test_stray_interrupts(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < 1000; i++) {
        model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
        assert_false(netdev_poll_round(dev));
    }
    netdev_down(dev);
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);
    assert_false(netdev_poll_round(dev));
}

/* --- a device that breaks the rules, or breaks down --- */

static void break_with_needs_reset(void)
{
    model.status |= VIRTIO_STATUS_NEEDS_RESET;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
}

static void break_receive_ring(void) { model_used_raw(&model, RX, 4711, 60); }
static void break_transmit_ring(void) { model_used_raw(&model, TX, 4711, 0); }

/* Whatever the device did: it is started anew, what waited is sent, and it works as before. */
static void recovers_from(void (*break_device)(void))
{
    setup(NULL);
    start(0);
    for (uint8_t n = 0; n < RING + 3; n++)
        transmit(n, false);
    break_device();
    dev->scheduled = false;
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_false(dev->broken);
    assert_int_equal(model.status, 0xf);
    assert_int_equal(ring_posted(), RING);
    assert_true(dev->scheduled); /* the next poll: */
    netdev_poll_round(dev);
    for (uint8_t n = RING; n < RING + 3; n++)
        sent(n);
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 1);

    /* Two seconds later it is granted another start; at once after that, it is given up. */
    host_clock_advance(2 * NS_PER_SEC);
    break_device();
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 2);
    assert_false(dev->broken);
    for (uint8_t n = 0; n < RING + 3; n++)
        transmit(n, false);
    break_device();
    netdev_poll_round(dev);
    assert_true(dev->broken);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 0);
    assert_false(dev->link_up);
    assert_int_equal(model.status, 0);
    assert_int_equal(transmit(1, false), -ENETDOWN);
    assert_true(host_log_contains("given up"));
    netdev_down(dev);
    assert_int_equal(netdev_up(dev), -EIO);
    teardown(NULL);
}

static void test_recovery(void **state)
{
    (void)state;
    recovers_from(break_with_needs_reset);
    recovers_from(break_receive_ring);
    recovers_from(break_transmit_ring);
}

static void receive_two_more(struct model *m)
{
    for (int n = 0; m->queues[RX].live && n < 2; n++)
        receive_unknown();
}

/* Frames in = handed up + dropped + queued, and frames out likewise: what a reset costs is counted, those
 * that come until it takes effect included; what the device has sent is no loss. */
static void test_frames_lost_with_the_rings_are_counted(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < 5; n++)
        transmit(n, false);
    sent(0);
    sent(1);
    model.last_moment = receive_two_more;
    break_with_needs_reset();
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(dev->counters.rx_reset, 2);
    assert_int_equal(dev->counters.tx_reset, 3);

    transmit(5, false);
    transmit(6, false);
    sent(5);
    netdev_down(dev);
    assert_int_equal(transmit(7, false), -ENETDOWN); /* the recovery of before is over */
    assert_int_equal(dev->counters.rx_reset, 4);
    assert_int_equal(dev->counters.tx_reset, 4);
    assert_int_equal(dev->counters.tx_packets, 7);
    assert_int_equal(dev->counters.rx_packets, 0);
}

static void send_one(struct model *m)
{
    if (m->queues[TX].live)
        assert_int_equal(transmit(9, false), 0);
}

/* Who sends just while the device is started anew is not told that the network is down; who sends when it is
 * given up is. */
static void test_sender_meets_a_recovery(void **state)
{
    (void)state;
    start(0);
    model.last_moment = send_one;
    break_with_needs_reset();
    netdev_poll_round(dev);
    model.last_moment = NULL;
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(dev->counters.tx_down, 0);
    netdev_poll_round(dev);
    sent(9);
    break_with_needs_reset(); /* at once */
    netdev_poll_round(dev);
    assert_true(dev->broken);
    assert_int_equal(transmit(10, false), -ENETDOWN);
}

static void send_two(struct model *m)
{
    if (m->queues[TX].live)
        fakenet_transmit_frames(dev, 9, 2, false);
}

/* They wait until the first poll after it, and others do not overtake them. */
static void test_frames_together_meet_a_recovery(void **state)
{
    (void)state;
    start(0);
    model.last_moment = send_two;
    break_with_needs_reset();
    netdev_poll_round(dev);
    model.last_moment = NULL;
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 2);
    fakenet_transmit_frames(dev, 11, 2, false);
    netdev_poll_round(dev);
    for (uint8_t n = 9; n < 13; n++)
        sent(n);
    assert_int_equal(dev->counters.tx_down, 0);
}

/* A broken ring does not tell what was done: all that it holds is taken for lost. */
static void test_frames_lost_with_a_broken_ring_are_counted(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < 5; n++)
        transmit(n, false);
    break_transmit_ring();
    sent(0);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(dev->counters.tx_reset, 5);
}

/* The sender is the first to see that the ring is broken: the poll thread is called. */
static void test_sender_that_finds_the_ring_broken(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < RING; n++)
        transmit(n, false);
    break_transmit_ring();
    dev->scheduled = false;
    transmit(RING, false);
    assert_true(dev->scheduled);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
}

/* The poll finds a ring broken that has room: what is sent from then on, here the answer to a request that
 * came in the same poll, waits for the new start instead of being lost. */
static void test_frame_for_a_broken_ring_waits(void **state)
{
    (void)state;
    struct frame frame = {.length = 0};
    start(0);
    ip_set_address(dev, BE32(0x0a00020f), BE32(0xffffff00));
    netdev_poll_round(dev);
    frame_ether(&frame, ether_broadcast, peer_mac, 0x0806);
    frame_arp(&frame, 1, peer_mac, BE32(0x0a000202), (uint8_t[6]){0}, BE32(0x0a00020f));
    receive(0, frame.bytes, (uint32_t)frame.length);
    break_transmit_ring();
    netdev_poll_round(dev);
    assert_int_equal(COUNTER(arp_replies_sent), 1);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(dev->counters.tx_down, 0);
    netdev_poll_round(dev);
    assert_int_equal(model_available(&model, TX), 1);
    ip_set_address(dev, 0, 0);
}

/* There is something for the device to lie about. */
static struct model_chain take_any(unsigned queue)
{
    struct model_chain chain;
    if (model_available(&model, queue) == 0)
        transmit(200, false);
    assert_true(model_take(&model, queue, &chain));
    return chain;
}

/* The same id twice, on either ring. */
static void repeat(unsigned queue, uint32_t written)
{
    struct model_chain chain = take_any(queue);
    model_complete(&model, queue, chain.head, written);
    model_used_raw(&model, queue, chain.head, written);
}

static void break_receive_ring_by_repetition(void) { repeat(RX, HEADER + FRAME); }
static void break_transmit_ring_by_repetition(void) { repeat(TX, 0); }

/* More was written than there was room for; anything at all where there was none. */
static void break_receive_ring_by_length(void) { model_used_raw(&model, RX, 0, 100000); }

static void break_transmit_ring_by_length(void)
{
    struct model_chain chain = take_any(TX);
    model_complete(&model, TX, chain.head, 1);
}

static void break_receive_ring_by_index(void) { model_used_skip(&model, RX, 30000); }
static void break_transmit_ring_by_index(void) { model_used_skip(&model, TX, 65535); }

static void test_recovery_from_lies(void **state)
{
    (void)state;
    static void (*const lies[])(void) = {
        break_receive_ring_by_length,  break_transmit_ring_by_repetition,
        break_transmit_ring_by_length, break_receive_ring_by_index,
        break_transmit_ring_by_index,
    };
    for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
        recovers_from(lies[i]);
}

/* A ring stays broken when its device is given up; that is no reason to look at it again and again, for as
 * long as nobody takes the interface down. */
static void test_device_given_up_needs_no_poll(void **state)
{
    (void)state;
    start(0);
    for (int n = 0; n < 2; n++) {
        break_receive_ring();
        netdev_poll_round(dev);
    }
    assert_true(dev->broken);
    dev->scheduled = false;
    assert_false(netdev_poll_round(dev));
    assert_false(dev->scheduled);
}

/* What came before the repetition was right, and is delivered. */
static void test_repeated_frame_is_delivered_once(void **state)
{
    (void)state;
    start(0);
    break_receive_ring_by_repetition();
    netdev_poll_round(dev);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 1);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(ring_posted(), RING);
}

/* The device sends nothing any more: after a while it is started anew, and what waited goes out, in order. */
static void test_transmit_stall(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < RING + 3; n++)
        transmit(n, false);
    host_clock_advance(4 * NS_PER_SEC);
    transmit(RING + 3, false);
    dev->scheduled = false;
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 0);
    host_clock_advance(2 * NS_PER_SEC);
    transmit(RING + 4, false);
    assert_true(dev->scheduled);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_false(dev->broken);
    netdev_poll_round(dev);
    for (uint8_t n = RING; n < RING + 5; n++)
        sent(n);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING) + mbuf_count(MBUF_DEV_QUEUE), 0);
}

/* More waits than fits into the ring of the new start: the time before it does not count against that one. */
static void test_long_queue_after_a_stall(void **state)
{
    (void)state;
    start(0);
    for (unsigned n = 0; n < 3 * RING; n++)
        transmit((uint8_t)n, false);
    host_clock_advance(6 * NS_PER_SEC);
    transmit(3 * RING, false);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    netdev_poll_round(dev);
    assert_true(dev->tx_waiting_count > 0);
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG); /* has the device looked at */
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_false(dev->broken);
    for (uint8_t n = RING; n <= 3 * RING; n++) {
        sent(n);
        netdev_poll_round(dev);
    }
}

/* Slow is not stuck: as long as something gets done, nobody resets. Nor is a ring that is merely full while
 * the cable is out. */
static void test_slow_transmission(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < RING + 3; n++)
        transmit(n, false);
    for (uint8_t n = 0; n < 40; n++) {
        host_clock_advance(4 * NS_PER_SEC);
        sent(n);
        netdev_poll_round(dev);
        transmit((uint8_t)(RING + 3 + n), false);
    }
    assert_int_equal(dev->counters.restarts, 0);
    model.config[VIRTIO_NET_CONFIG_STATUS] = 0;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
    netdev_poll_round(dev);
    for (uint8_t n = 0; n < 5; n++) {
        host_clock_advance(6 * NS_PER_SEC);
        transmit(n, false);
        netdev_poll_round(dev);
    }
    assert_int_equal(dev->counters.restarts, 0);
}

/* Found stuck, but it goes on before anybody has come to start it anew: nothing is lost then. */
static void test_device_goes_on_at_the_last_moment(void **state)
{
    (void)state;
    start(0);
    for (uint8_t n = 0; n < RING + 1; n++)
        transmit(n, false);
    host_clock_advance(6 * NS_PER_SEC);
    dev->scheduled = false;
    transmit(RING + 1, false);
    assert_true(dev->scheduled);
    for (uint8_t n = 0; n < RING; n++)
        sent(n);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 0);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 2);
}

/* Recovery meets a device that has changed its mind, or does not come back: it is given up, with nothing
 * leaked. */
static void refuse_features(void) { model.refuse_features = true; }
static void shrink_receive_queue(void) { model.queues[RX].size_max = RING / 2; }
static void shrink_transmit_queue(void) { model.queues[TX].size_max = RING / 2; }
static void withdraw_version_1(void) { model.offered = 0; }
static void withdraw_checksum(void) { model.offered &= ~VIRTIO_NET_F_CSUM; }

static void test_recovery_fails(void **state)
{
    (void)state;
    static void (*const changes[])(void) = {refuse_features, shrink_receive_queue,
                                            shrink_transmit_queue, withdraw_version_1,
                                            withdraw_checksum};
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        setup(NULL);
        start(VIRTIO_NET_F_CSUM);
        for (uint8_t n = 0; n < RING + 3; n++)
            transmit(n, false);
        changes[i]();
        break_with_needs_reset();
        netdev_poll_round(dev);
        assert_true(dev->broken);
        assert_true(host_log_contains("given up"));
        assert_int_equal(dev->counters.tx_down, 3);
        /* IN-13: no doorbell after a failure. */
        assert_int_equal(model.queues[RX].notifications, 0);
        teardown(NULL);
    }
}

static struct list taken;

/* Others are quicker: what the rings gave back is gone before the new start. */
static void take_all_mbufs(struct model *m)
{
    (void)m;
    mbuf_alloc_many(&taken, mbuf_total(), MBUF_STACK);
}

/* That there was no memory at that moment is no fault of the device's: it can be taken up again later. */
static void test_recovery_without_mbufs(void **state)
{
    (void)state;
    start(0);
    list_init(&taken);
    model.last_moment = take_all_mbufs;
    break_with_needs_reset();
    netdev_poll_round(dev);
    model.last_moment = NULL;
    assert_false(netdev_is_running(dev));
    dev->scheduled = false;
    assert_false(netdev_poll_round(dev));
    assert_false(dev->scheduled);
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG); /* what it says of its link is no way */
    assert_false(netdev_poll_round(dev));
    assert_false(netdev_is_running(dev));
    assert_int_equal(netdev_down(dev), 0);
    assert_int_equal(netdev_up(dev), -ENOMEM);
    mbuf_free_all(&taken);
    assert_int_equal(netdev_up(dev), 0);
    assert_true(netdev_is_running(dev));
    assert_int_equal(ring_posted(), RING);
}

/* The device does not even reset: what it may still write to stays its own. That it goes on is no reason to
 * poll. */
static void test_recovery_without_reset(void **state)
{
    (void)state;
    start(0);
    model.reset_reads = MODEL_NEVER;
    break_with_needs_reset();
    netdev_poll_round(dev);
    assert_true(dev->broken);
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING);
    receive_unknown();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 0);
    /* For the tests that follow: the device comes to its senses. */
    model.reset_reads = 0;
    dev->ops->stop(dev);
}

/* It resets after all, but only when the driver has stopped waiting: nobody knows then what of its rings it
 * still has, so they are not given to it again. */
static void test_recovery_with_a_late_reset(void **state)
{
    (void)state;
    start(0);
    model.reset_reads = 1000001; /* the driver waits for 1000000 */
    break_with_needs_reset();
    netdev_poll_round(dev);
    assert_true(dev->broken);
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING);
    assert_int_not_equal(model.status, 0);
    model.reset_reads = 0;
    dev->ops->stop(dev);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_features_that_need_others_are_refused),
        TEST(test_each_feature_may_be_missing),
        TEST(test_late_write_hits_no_freed_mbuf),
        TEST(test_sent_header_is_clean),
        TEST(test_completion_in_any_order),
        TEST(test_one_interrupt_serves_both_rings),
        TEST(test_lost_interrupts),
        TEST(test_interrupt_with_both_reasons),
        TEST(test_stray_interrupts),
        TEST(test_recovery),
        TEST(test_frames_lost_with_the_rings_are_counted),
        TEST(test_sender_meets_a_recovery),
        TEST(test_frames_together_meet_a_recovery),
        TEST(test_frames_lost_with_a_broken_ring_are_counted),
        TEST(test_sender_that_finds_the_ring_broken),
        TEST(test_frame_for_a_broken_ring_waits),
        TEST(test_recovery_from_lies),
        TEST(test_device_given_up_needs_no_poll),
        TEST(test_repeated_frame_is_delivered_once),
        TEST(test_transmit_stall),
        TEST(test_long_queue_after_a_stall),
        TEST(test_slow_transmission),
        TEST(test_device_goes_on_at_the_last_moment),
        TEST(test_recovery_fails),
        TEST(test_recovery_without_mbufs),
        TEST(test_recovery_without_reset),
        TEST(test_recovery_with_a_late_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
