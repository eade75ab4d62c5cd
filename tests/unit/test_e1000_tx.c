/* The transmit ring of the e1000 driver (dev/e1000_tx.c) against a model of the device: rows
 * E1K-TX-*, E1K-CSUM-*. QEMU's device sends within the doorbell; this one takes its time
 * (E1K-TX-8). */
#include "host.h"

#include "arch/barrier.h"
#include "e1000_fixture.h"

static struct netdev_counters *counters(void) { return &dev->counters; }

static uint8_t mark_of(unsigned n)
{
    assert_true(n < model.sent_count);
    return model.sent[n].bytes[model.sent[n].length - 1];
}

/* --- frames --- */

static void test_one_frame(void **state)
{
    (void)state;
    start();
    assert_int_equal(transmit(5), 0);
    assert_int_equal(model.sent_count, 1);
    assert_int_equal(model.sent[0].length, FRAME);
    assert_int_equal(mark_of(0), 5);
    assert_int_equal(counters()->tx_packets, 1);
    assert_int_equal(counters()->tx_bytes, FRAME);
    assert_int_equal(model.contexts, 0);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
}

/* E1K-TX-7: filled with zeros, not with what the mbuf held before. */
static void test_short_frame(void **state)
{
    (void)state;
    static const uint8_t zeros[46];
    start();
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    memset(m->data, 0xaa, 100);
    mbuf_append(m, 14);
    assert_int_equal(dev->ops->transmit(dev, m, false), 0);
    assert_int_equal(model.sent[0].length, 60);
    assert_memory_equal(model.sent[0].bytes + 14, zeros, 46);
    assert_int_equal(counters()->tx_bytes, 14);
}

static void test_lengths(void **state)
{
    (void)state;
    start();
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    memset(mbuf_append(m, 1514), 1, 1514);
    assert_int_equal(dev->ops->transmit(dev, m, false), 0);
    assert_int_equal(model.sent[0].length, 1514);
    m = mbuf_alloc(MBUF_STACK);
    mbuf_append(m, 1515);
    assert_int_equal(dev->ops->transmit(dev, m, false), -EMSGSIZE);
    assert_int_equal(counters()->tx_too_long, 1);
}

/* --- completion --- */

/* E1K-TX-4, -8: an mbuf is the device's until its descriptor is done, whenever that is. */
static void test_delayed_completion(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 3; i++)
        transmit((uint8_t)i);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 3);
    e1000_model_send(&model, 2);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 1);
    e1000_model_send(&model, 1);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
    assert_int_equal(model.sent_count, 3);
}

/* E1K-TX-2: never more than the ring takes; the rest waits, in order, and only then is the
 * interrupt on. */
static void test_full_ring(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 6; i++)
        transmit((uint8_t)i);
    assert_int_equal(dev->tx_waiting_count, 0);
    assert_int_equal(model.ims & MODEL_TXDW, 0);
    for (unsigned i = 6; i < 20; i++)
        assert_int_equal(transmit((uint8_t)i), 0);
    assert_int_equal(dev->tx_waiting_count, 14);
    assert_int_equal(counters()->tx_deferred, 14);
    assert_int_equal(model.ims & MODEL_TXDW, MODEL_TXDW);

    unsigned rounds = 0;
    while (dev->tx_waiting_count > 0 && rounds++ < 20) {
        e1000_model_send(&model, 3);
        assert_int_equal(host_interrupts_serve(), 1); /* E1K-TX-11 */
        assert_int_equal(model.ims & MODEL_TXDW, 0);
        netdev_poll_round(dev);
    }
    assert_int_equal(model.ims & MODEL_TXDW, 0);
    e1000_model_send(&model, 20);
    assert_int_equal(host_interrupts_serve(), 0); /* nobody waits, nobody asks */
    assert_int_equal(model.sent_count, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(mark_of(i), i);
}

/* A full ring is looked at by who finds it full: no poll is needed. */
static void test_reclaim_by_sender(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(transmit((uint8_t)i), 0);
    assert_int_equal(model.sent_count, 100);
    assert_int_equal(counters()->tx_deferred, 0);
    assert_true(mbuf_count(MBUF_TX_RING) <= 7);
}

/* E1K-IRQ-4: what was reported before anybody waited raises no interrupt now. */
static void test_old_reports(void **state)
{
    (void)state;
    start_held();
    transmit(0);
    e1000_model_send(&model, 1);
    for (unsigned i = 1; i < 10; i++)
        transmit((uint8_t)i);
    assert_true(dev->tx_waiting_count > 0);
    assert_int_equal(host_interrupts_serve(), 0);
}

static void send_all(struct e1000_model *device)
{
    device->before_clear = NULL;
    e1000_model_send(device, UINT32_MAX);
}

/* The device finishes just before the interrupt is asked for, so that none comes: it is seen all
 * the same. */
static void test_done_before_the_interrupt_is_on(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 6; i++)
        transmit((uint8_t)i);
    model.before_clear = send_all;
    transmit(6);
    assert_int_equal(dev->tx_waiting_count, 0);
    assert_int_equal(model.ims & MODEL_TXDW, 0);
    e1000_model_send(&model, 1);
    assert_int_equal(model.sent_count, 7);
}

/* A report that is read, and so cleared, while the mask for received frames is opened is not lost: the poll
 * that follows sends what waits. */
static void test_report_read_with_others(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 8; i++)
        transmit((uint8_t)i);
    unsigned waiting = dev->tx_waiting_count;
    assert_true(waiting > 0);
    assert_int_equal(model.ims & MODEL_TXDW, MODEL_TXDW);
    e1000_model_send(&model, 1);
    assert_true(dev->ops->irq_on(dev));
    netdev_poll_round(dev);
    assert_int_equal(dev->tx_waiting_count, waiting - 1);
}

/* E1K-ORDERING-1: a frame's memory is used again only behind a fence; see the model for the other
 * one. */
static void test_fence_before_reuse(void **state)
{
    (void)state;
    start_held();
    transmit(0);
    e1000_model_send(&model, 1);
    unsigned before = host_consumes;
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
    assert_true(host_consumes > before);
}

static void test_queue_is_bounded(void **state)
{
    (void)state;
    start_held();
    unsigned accepted = 0;
    for (unsigned i = 0; i < 6; i++)
        accepted += transmit((uint8_t)i) == 0;
    /* The pool is smaller than the queue's bound: so the bound is reached by hand. */
    dev->tx_waiting_count += NETDEV_TX_DEFER_MAX;
    assert_int_equal(transmit(6), -ENOBUFS);
    assert_int_equal(counters()->tx_ring_full, 1);
    dev->tx_waiting_count -= NETDEV_TX_DEFER_MAX;
    assert_int_equal(accepted, 6);
}

/* --- doorbells --- */

/* `more`, and frames sent while a poll runs, share one doorbell. */
static void test_doorbell_of_a_burst(void **state)
{
    (void)state;
    start();
    unsigned writes = model.tail_writes[1];
    uint64_t doorbells = counters()->doorbells;
    for (unsigned i = 0; i < 4; i++)
        dev->ops->transmit(dev, frame_to_send((uint8_t)i), i < 3);
    assert_int_equal(model.tail_writes[1], writes + 1);
    assert_int_equal(counters()->doorbells, doorbells + 1);
    assert_int_equal(model.sent_count, 4);
}

/* One longer than the ring: the device hears of it when the ring is full, since nothing else makes room. */
static void test_burst_longer_than_the_ring(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 7; i++)
        dev->ops->transmit(dev, frame_to_send((uint8_t)i), true);
    assert_true(model.sent_count >= 6);
    dev->ops->flush(dev);
    assert_int_equal(model.sent_count, 7);
}

/* Frames that come together share a doorbell. What the ring has no room for waits; all have their owner. */
static void test_frames_together(void **state)
{
    (void)state;
    start_held();
    unsigned writes = model.tail_writes[1];
    fakenet_transmit_frames(dev, 0, 2, true);
    assert_int_equal(model.tail_writes[1], writes);
    fakenet_transmit_frames(dev, 2, 3, false);
    assert_int_equal(model.tail_writes[1], writes + 1);
    fakenet_transmit_frames(dev, 5, 4, false); /* room is for 6 of 9 */
    assert_int_equal(mbuf_count(MBUF_TX_RING), 6);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 3);
    e1000_model_send(&model, 6);
    netdev_poll_round(dev);
    e1000_model_send(&model, 3);
    assert_int_equal(model.sent_count, 9);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(mark_of(i), i);
    fakenet_transmit_too_long(dev);
    e1000_model_send(&model, 3);
    assert_int_equal(model.sent_count, 11);
    netdev_down(dev);
    fakenet_transmit_frames(dev, 0, 2, false);
    assert_int_equal(counters()->tx_down, 2);
}

/* Who has said `more` and has nothing more after all. */
static void test_flush(void **state)
{
    (void)state;
    start();
    unsigned writes = model.tail_writes[1];
    dev->ops->transmit(dev, frame_to_send(1), true);
    assert_int_equal(model.sent_count, 0);
    dev->ops->flush(dev);
    assert_int_equal(model.sent_count, 1);
    dev->ops->flush(dev);
    assert_int_equal(model.tail_writes[1], writes + 1);
    e1000_tx_poll_begin(dev->driver);
    dev->ops->transmit(dev, frame_to_send(2), true);
    dev->ops->flush(dev);
    assert_int_equal(model.sent_count, 1); /* the poll's end does it */
    e1000_tx_poll_end(dev->driver);
    assert_int_equal(model.sent_count, 2);
    netdev_down(dev);
    dev->ops->flush(dev);
}

static void test_doorbell_of_a_poll(void **state)
{
    (void)state;
    start();
    struct e1000 *nic = dev->driver;
    unsigned writes = model.tail_writes[1];
    e1000_tx_poll_begin(nic);
    for (unsigned i = 0; i < 4; i++)
        transmit((uint8_t)i);
    fakenet_transmit_frames(dev, 4, 2, false);
    assert_int_equal(model.tail_writes[1], writes);
    e1000_tx_poll_end(nic);
    assert_int_equal(model.tail_writes[1], writes + 1);
    assert_int_equal(model.sent_count, 6);
}

/* A burst longer than the ring, inside a poll: what was not shown yet cannot get done. */
static void test_burst_of_a_poll_fills_the_ring(void **state)
{
    (void)state;
    start();
    struct e1000 *nic = dev->driver;
    e1000_tx_poll_begin(nic);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(transmit((uint8_t)i), 0);
    e1000_tx_poll_end(nic);
    assert_int_equal(dev->tx_waiting_count, 0);
    assert_int_equal(model.sent_count, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(mark_of(i), i);
}

/* --- checksums --- */

/* A frame whose transport part begins at `at` and wants its sum at at + 6, seeded as UDP does it.
 */
static struct mbuf *frame_to_sum(size_t length, uint16_t at, uint16_t seed)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    uint8_t *bytes = mbuf_append(m, (uint32_t)length);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7);
    bytes[at + 6] = (uint8_t)(seed >> 8);
    bytes[at + 7] = (uint8_t)seed;
    m->flags |= MBUF_CSUM_PARTIAL;
    m->csum_start = at;
    m->csum_offset = 6;
    return m;
}

/* The one's complement sum of the transport part together with what the seed stood for must be all
 * ones. */
static void sum_is_right(unsigned n, uint16_t at, uint16_t seed)
{
    const struct e1000_model_frame *frame = &model.sent[n];
    uint32_t sum = seed;
    for (size_t i = at; i < frame->length; i++)
        sum += (i - at) % 2 ? frame->bytes[i] : (uint32_t)frame->bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
}

/* E1K-CSUM-1 to -5: one context for all frames that want the same; legacy frames in between do not
 * mind. */
static void test_checksum(void **state)
{
    (void)state;
    static const size_t lengths[] = {60, 61, 100, 1513, 1514};
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
        assert_int_equal(dev->ops->transmit(dev, frame_to_sum(lengths[i], 34, 0x1234), false), 0);
        transmit(1);
        sum_is_right(2 * i, 34, 0x1234);
        assert_int_equal(mark_of(2 * i + 1), 1);
    }
    assert_int_equal(model.contexts, 1);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0); /* E1K-CSUM-5 */
}

/* Options in the IP header move it: another context each time it changes. */
static void test_checksum_elsewhere(void **state)
{
    (void)state;
    static const uint16_t starts[] = {34, 38, 38, 74, 34};
    start();
    for (unsigned i = 0; i < ARRAY_SIZE(starts); i++) {
        dev->ops->transmit(dev, frame_to_sum(200, starts[i], (uint16_t)(i * 999)), false);
        sum_is_right(i, starts[i], (uint16_t)(i * 999));
    }
    assert_int_equal(model.contexts, 4);
}

/* A padded frame's sum is that of the unpadded one. */
static void test_checksum_of_a_short_frame(void **state)
{
    (void)state;
    start();
    for (size_t length = 42; length < 48; length++) {
        dev->ops->transmit(dev, frame_to_sum(length, 34, 77), false);
        sum_is_right((unsigned)(length - 42), 34, 77);
        assert_int_equal(model.sent[length - 42].length, 60);
    }
}

/* After a reset the device knows no context any more. */
static void test_context_after_reset(void **state)
{
    (void)state;
    start();
    dev->ops->transmit(dev, frame_to_sum(100, 34, 1), false);
    netdev_down(dev);
    netdev_up(dev);
    e1000_model_clear(&model);
    dev->ops->transmit(dev, frame_to_sum(100, 34, 1), false);
    sum_is_right(0, 34, 1);
}

/* Both kinds at random on a ring that is mostly full, sent in pieces: over many laps nothing is
 * lost, doubled or out of order, and every sum is right. */
static void test_laps(void **state)
{
    (void)state;
    uint32_t random = 7;
    unsigned submitted = 0, checked = 0;
    start_held();
    for (unsigned round = 0; round < 2000; round++) {
        random = random * 1664525u + 1013904223u;
        unsigned choice = random >> 24;
        if (choice < 150 && dev->tx_waiting_count < 20) {
            uint16_t at = choice % 3 ? 34 : 38;
            struct mbuf *m = choice % 2 ? frame_to_sum(64, at, 0) : frame_to_send(0);
            m->data[0] = (uint8_t)submitted++;
            m->data[1] = choice % 2 ? (uint8_t)at : 0;
            assert_int_equal(dev->ops->transmit(dev, m, choice % 5 == 0), 0);
        } else if (choice < 220) {
            e1000_model_send(&model, choice % 4 + 1);
            host_interrupts_serve();
        } else {
            netdev_poll_round(dev);
        }
        for (unsigned n = 0; n < model.sent_count; n++, checked++) {
            assert_int_equal(model.sent[n].bytes[0], checked & 0xff);
            if (model.sent[n].bytes[1])
                sum_is_right(n, model.sent[n].bytes[1], 0);
        }
        for (unsigned n = 0; n < model.sent_count; n++)
            host_memory_free(model.sent[n].bytes);
        model.sent_count = 0;
    }
    model.tx_held = false;
    for (int i = 0; i < 20; i++) {
        e1000_model_send(&model, 8);
        netdev_poll_round(dev);
    }
    assert_int_equal(checked + model.sent_count, submitted);
    assert_true(submitted > 500);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
    assert_int_equal(counters()->tx_packets, submitted);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_frame),
        TEST(test_short_frame),
        TEST(test_lengths),
        TEST(test_delayed_completion),
        TEST(test_full_ring),
        TEST(test_reclaim_by_sender),
        TEST(test_old_reports),
        TEST(test_done_before_the_interrupt_is_on),
        TEST(test_report_read_with_others),
        TEST(test_fence_before_reuse),
        TEST(test_queue_is_bounded),
        TEST(test_doorbell_of_a_burst),
        TEST(test_burst_longer_than_the_ring),
        TEST(test_frames_together),
        TEST(test_flush),
        TEST(test_doorbell_of_a_poll),
        TEST(test_burst_of_a_poll_fills_the_ring),
        TEST(test_checksum),
        TEST(test_checksum_elsewhere),
        TEST(test_checksum_of_a_short_frame),
        TEST(test_context_after_reset),
        TEST(test_laps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
