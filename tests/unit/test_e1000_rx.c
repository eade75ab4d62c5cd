/* The receive ring of the e1000 driver (dev/e1000_rx.c) against a model of the device: rows
 * E1K-RX-*. */
#include "host.h"

#include "arch/barrier.h"
#include "e1000_fixture.h"
#include "net/net.h"
#include "net/wire.h"

static struct netdev_counters *counters(void) { return &dev->counters; }

static unsigned mbufs_of_ring(void) { return mbuf_count(MBUF_RX_RING); }

/* A datagram to a port that nobody has, from a peer whose address is known: it is answered with an
 * ICMP error which quotes it, so that its bytes can be seen on the wire. */
static void datagram(struct frame *frame, size_t data)
{
    be32_t us = BE32(0x0a00020f), peer = BE32(0x0a000264);
    struct udp_header udp = {.source_port = BE16(7),
                             .destination_port = BE16(9),
                             .length = htons((uint16_t)(sizeof(udp) + data))};
    frame->length = 0;
    frame_ether(frame, our_mac, peer_mac, ETHER_TYPE_IP);
    frame_ip(frame, IPPROTO_UDP, peer, us, sizeof(udp) + data);
    size_t at = frame->length;
    memcpy(frame->bytes + at, &udp, sizeof(udp));
    frame->length += sizeof(udp);
    frame_data(frame, 1, data);
    uint32_t sum = checksum_pseudo(peer, us, IPPROTO_UDP, (uint16_t)(sizeof(udp) + data));
    uint16_t checksum = checksum_finish(checksum_add(sum, frame->bytes + at, sizeof(udp) + data));
    memcpy(frame->bytes + at + offsetof(struct udp_header, checksum), &checksum, sizeof(checksum));
}

static void start_ip(void)
{
    start();
    assert_int_equal(ip_set_address(dev, BE32(0x0a00020f), BE32(0xffffff00)), 0);
    e1000_model_clear(&model);
}

/* E1K-RX-6, -11: a frame arrives as it was, with its own length. */
static void test_one_frame(void **state)
{
    (void)state;
    struct frame frame;
    start_ip();
    datagram(&frame, 100);
    assert_true(e1000_model_receive(&model, frame.bytes, frame.length));
    assert_false(netdev_poll_round(dev));
    assert_int_equal(counters()->rx_packets, 1);
    assert_int_equal(counters()->rx_bytes, frame.length);
    assert_int_equal(COUNTER(udp_no_port), 1);
    assert_int_equal(mbufs_of_ring(), 8);
}

static void test_largest_frame(void **state)
{
    (void)state;
    struct frame frame;
    start_ip();
    datagram(&frame, 1472);
    assert_int_equal(frame.length, 1514);
    assert_true(e1000_model_receive(&model, frame.bytes, frame.length));
    netdev_poll_round(dev);
    assert_int_equal(COUNTER(udp_no_port), 1);
    frame.length = 1519; /* E1K-RX-10: more than 1522 bytes with the check sequence */
    assert_false(e1000_model_receive(&model, frame.bytes, frame.length));
}

/* E1K-RX-4: of N descriptors N - 1 are posted; what comes when all are full is the device's loss,
 * and reception goes on afterwards. */
static void test_full_ring(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 7; i++)
        receive_unknown();
    uint8_t bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
    assert_false(e1000_model_receive(&model, bytes, sizeof(bytes)));
    assert_int_equal(model.missed, 1);
    host_interrupts_serve();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(counters()->rx_packets, 7);
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_packets, 8);
}

/* E1K-RX-7, -5: what was taken is given back when it is three quarters of the ring, with one write of the
 * tail, which then names the descriptor freed last. */
static void test_tail_moves_in_steps(void **state)
{
    (void)state;
    start();
    unsigned writes = model.tail_writes[0];
    uint64_t doorbells = counters()->doorbells;
    for (int i = 0; i < 5; i++) {
        receive_unknown();
        netdev_poll_round(dev);
    }
    assert_int_equal(model.tail_writes[0], writes);
    assert_int_equal(e1000_model_posted(&model), 2);
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(model.tail_writes[0], writes + 1);
    assert_int_equal(counters()->doorbells, doorbells + 1);
    assert_int_equal(e1000_model_register(&model, 0x2818), 5);
    assert_int_equal(e1000_model_posted(&model), 7);
    netdev_poll_round(dev);
    assert_int_equal(model.tail_writes[0], writes + 1);
}

/* So does what one poll takes: however many, there is one write. */
static void test_one_doorbell_a_poll(void **state)
{
    (void)state;
    start();
    unsigned writes = model.tail_writes[0];
    for (int i = 0; i < 7; i++)
        receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(model.tail_writes[0], writes + 1);
    assert_int_equal(e1000_model_register(&model, 0x2818), 6);
    assert_int_equal(e1000_model_posted(&model), 7);
}

/* A stop between two steps forgets what was taken: the next start posts the whole ring. */
static void test_stop_between_two_steps(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 5; i++)
        receive_unknown();
    netdev_poll_round(dev);
    netdev_down(dev);
    netdev_up(dev);
    assert_int_equal(e1000_model_posted(&model), 7);
    unsigned writes = model.tail_writes[0];
    for (int i = 0; i < 5; i++)
        receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(model.tail_writes[0], writes);
}

static void test_budget(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 6; i++)
        receive_unknown();
    assert_int_equal(dev->ops->poll(dev, 4), 4);
    assert_int_equal(counters()->rx_packets, 4);
    assert_true(dev->ops->irq_on(dev));
    assert_int_equal(dev->ops->poll(dev, 4), 2);
    assert_false(dev->ops->irq_on(dev));
}

/* Bursts of all lengths over many laps, on rings of several sizes: nothing lost, doubled or out of
 * order. */
static void test_laps(void **state)
{
    (void)state;
    static const unsigned sizes[] = {8, 16, 24}; /* and as many mbufs again for what is received */
    for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
        setup(NULL);
        attach(sizes[s], 8);
        netdev_up(dev);
        ip_set_address(dev, BE32(0x0a00020f), BE32(0xffffff00));
        uint64_t received = 0, bytes = 0;
        uint32_t random = 1;
        struct frame frame;
        for (unsigned round = 0; round < 300; round++) {
            random = random * 1664525u + 1013904223u;
            for (unsigned n = (random >> 16) % sizes[s]; n > 0; n--) {
                datagram(&frame, 18 + received % 1000);
                if (!e1000_model_receive(&model, frame.bytes, frame.length))
                    break;
                received++;
                bytes += frame.length;
            }
            netdev_poll_round(dev);
            host_clock_advance(NS_PER_SEC);
            e1000_model_clear(&model);
        }
        assert_int_equal(counters()->rx_packets, received);
        assert_int_equal(counters()->rx_bytes, bytes);
        assert_int_equal(COUNTER(udp_no_port), received);
        assert_int_equal(mbufs_of_ring(), sizes[s]);
        teardown(NULL);
    }
}

/* --- bad frames --- */

/* E1K-RX-9: a frame in pieces is dropped as one, and the next one arrives. */
static void test_long_frame(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    start();
    assert_true(e1000_model_receive_as(&model, bytes, sizeof(bytes), MODEL_IXSM, 0));
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_bad_length, 1);
    assert_int_equal(counters()->rx_packets, 1);
    assert_int_equal(mbufs_of_ring(), 8);
}

/* Its end comes in another poll. */
static void test_long_frame_in_two_polls(void **state)
{
    (void)state;
    start();
    e1000_model_receive_raw(&model, 2048, MODEL_DD, 0);
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_bad_length, 0);
    e1000_model_receive_raw(&model, 100, MODEL_DD | MODEL_EOP, 0);
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_bad_length, 1);
    assert_int_equal(counters()->rx_packets, 0);
}

/* A frame that never ends occupies nothing. */
static void test_frame_without_end(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 50; i++) {
        e1000_model_receive_raw(&model, 2048, MODEL_DD, 0);
        netdev_poll_round(dev);
    }
    assert_int_equal(counters()->rx_packets, 0);
    assert_int_equal(mbufs_of_ring(), 8);
    /* A stop in the middle forgets it. */
    netdev_down(dev);
    netdev_up(dev);
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_packets, 1);
}

static void test_impossible_lengths(void **state)
{
    (void)state;
    static const uint16_t lengths[] = {0, 2049, 16384, 65535};
    start();
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        e1000_model_receive_raw(&model, lengths[i], MODEL_DD | MODEL_EOP, 0);
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_bad_length, ARRAY_SIZE(lengths));
    assert_int_equal(counters()->rx_packets, 0);
}

/* A buffer that is posted again and again stays where it is. */
static void test_buffers_stay_in_place(void **state)
{
    (void)state;
    start();
    struct e1000 *nic = dev->driver;
    uint64_t first = nic->rx.descriptors[0].address;
    for (int i = 0; i < 8 * 300; i++) {
        e1000_model_receive_raw(&model, 0, MODEL_DD | MODEL_EOP, 0);
        netdev_poll_round(dev);
    }
    assert_true(nic->rx.descriptors[0].address == first);
    assert_int_equal(first % 8,
                     (uintptr_t)(nic->rx.mbufs[0]->buffer + MBUF_HEADROOM + MBUF_RX_ALIGN) % 8);
}

/* E1K-ORDERING-1: what the device wrote is read behind the bits that say so: a poll that finds frames has a
 * fence more than one that finds none. */
static void test_fence_before_reading(void **state)
{
    (void)state;
    start();
    unsigned before = host_consumes;
    netdev_poll_round(dev);
    unsigned without = host_consumes - before;
    before = host_consumes;
    receive_unknown();
    receive_unknown();
    netdev_poll_round(dev);
    assert_true(host_consumes - before > without);
}

static void test_damaged_frames(void **state)
{
    (void)state;
    static const uint8_t errors[] = {0x01, 0x02, 0x04, 0x10, 0x80};
    start();
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        e1000_model_receive_raw(&model, 60, MODEL_DD | MODEL_EOP | MODEL_IXSM, errors[i]);
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_errors, ARRAY_SIZE(errors));
    assert_int_equal(counters()->rx_packets, 0);
    assert_int_equal(mbufs_of_ring(), 8);
}

/* No mbuf to put in its place: counted, and the old one posted again, so that reception goes on. */
static void test_no_mbuf(void **state)
{
    (void)state;
    start();
    struct mbuf *taken[FAKENET_MBUFS];
    unsigned n = 0;
    while ((taken[n] = mbuf_alloc(MBUF_STACK)))
        n++;
    for (int i = 0; i < 5; i++)
        receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_no_mbuf, 5);
    assert_int_equal(counters()->rx_packets, 0);
    assert_int_equal(mbufs_of_ring(), 8);
    while (n > 0)
        mbuf_free(taken[--n]);
    receive_unknown();
    netdev_poll_round(dev);
    assert_int_equal(counters()->rx_packets, 1);
}

/* --- checksums --- */

/* What becomes of a datagram whose checksum is wrong, by what the device says about it. */
static void receive_bad_checksum(uint8_t status, uint8_t errors)
{
    struct frame frame;
    datagram(&frame, 64);
    frame.bytes[frame.length - 1] ^= 1;
    assert_true(e1000_model_receive_as(&model, frame.bytes, frame.length, status, errors));
    netdev_poll_round(dev);
}

/* E1K-RX-13: no verdict is no verdict, whatever the other bits say. */
static void test_checksum_without_verdict(void **state)
{
    (void)state;
    start_ip();
    receive_bad_checksum(MODEL_IXSM, 0);
    receive_bad_checksum(MODEL_IXSM | MODEL_TCPCS, 0);
    receive_bad_checksum(0, 0);
    assert_int_equal(COUNTER(udp_bad_checksum), 3);
}

/* The device has looked: it is believed that the sum is right, hence the datagram passes unseen. */
static void test_checksum_verified_by_device(void **state)
{
    (void)state;
    start_ip();
    receive_bad_checksum(MODEL_TCPCS, 0);
    assert_int_equal(COUNTER(udp_bad_checksum), 0);
    assert_int_equal(COUNTER(udp_no_port), 1);
}

/* But not that it is wrong: the stack looks, and counts. */
static void test_checksum_wrong_for_device(void **state)
{
    (void)state;
    struct frame frame;
    start_ip();
    receive_bad_checksum(MODEL_TCPCS, MODEL_TCPE);
    assert_int_equal(COUNTER(udp_bad_checksum), 1);
    datagram(&frame, 64);
    assert_true(e1000_model_receive_as(&model, frame.bytes, frame.length, MODEL_TCPCS, MODEL_TCPE));
    netdev_poll_round(dev);
    assert_int_equal(COUNTER(udp_no_port), 1);
    assert_int_equal(counters()->rx_errors, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_frame),
        TEST(test_largest_frame),
        TEST(test_full_ring),
        TEST(test_tail_moves_in_steps),
        TEST(test_one_doorbell_a_poll),
        TEST(test_stop_between_two_steps),
        TEST(test_budget),
        TEST(test_laps),
        TEST(test_long_frame),
        TEST(test_long_frame_in_two_polls),
        TEST(test_frame_without_end),
        TEST(test_impossible_lengths),
        TEST(test_buffers_stay_in_place),
        TEST(test_fence_before_reading),
        TEST(test_damaged_frames),
        TEST(test_no_mbuf),
        TEST(test_checksum_without_verdict),
        TEST(test_checksum_verified_by_device),
        TEST(test_checksum_wrong_for_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
