/* The control queue of the virtio network driver (dev/virtio_net_control.c) against a model of the device:
 * rows NET-45 to NET-47, NETDEP-5, P-24 and P-28 of the requirement table. */
#include "virtio_net_fixture.h"

/* How the device answers the commands to come: the byte, the length it says, or not at all. */
static struct {
    uint8_t byte;
    uint32_t written;
    bool silent;
    unsigned commands;
    uint8_t last[3];
    int promisc, allmulti; /* -1: never told */
} answer;

/* What the driver waits for: the device takes the command and answers it. */
static int device_answers(struct waitq *queue, uint64_t deadline)
{
    struct model_chain chain;
    (void)deadline;
    if (answer.silent || !model_take(&model, CONTROL, &chain))
        return -ETIMEDOUT;
    assert_int_equal(chain.readable, 3); /* P-28 */
    assert_int_equal(chain.writable, 1);
    memcpy(answer.last, chain.segments[0].data, 3);
    answer.commands++;
    assert_int_equal(answer.last[0], VIRTIO_NET_CTRL_RX);
    assert_true(answer.last[1] <= 1 && answer.last[2] <= 1); /* NET-46 */
    *(answer.last[1] ? &answer.allmulti : &answer.promisc) = answer.last[2];
    *chain.segments[chain.n_out].data = answer.byte;
    unsigned wakes = host_wakes(queue);
    model_complete(&model, CONTROL, chain.head, answer.written);
    assert_int_equal(host_wakes(queue), wakes + 1);
    return 0;
}

static void start_with_control(uint64_t features)
{
    memset(&answer, 0, sizeof(answer));
    answer.promisc = answer.allmulti = -1;
    answer.written = 1;
    host_sleep_hook = device_answers;
    start(VIRTIO_NET_F_CTRL_VQ | features);
}

static int mode_set(uint16_t flags)
{
    dev->flags = (uint16_t)((dev->flags & ~(IFF_PROMISC | IFF_ALLMULTI)) | flags);
    int result = dev->ops->set_receive_mode(dev);
    assert_int_equal(host_locks_held(), 0);
    return result;
}

static void test_receive_mode_follows_the_flags(void **state)
{
    (void)state;
    for (int event_index = 0; event_index < 2; event_index++) {
        setup(NULL);
        start_with_control(VIRTIO_NET_F_CTRL_RX | (event_index ? VIRTIO_F_EVENT_IDX : 0));
        assert_int_equal(dev->counters.doorbells,
                         model.queues[RX].notifications + model.queues[CONTROL].notifications);
        /* Told at each start: the device may begin with either. */
        assert_int_equal(answer.promisc, 0);
        assert_int_equal(answer.allmulti, 0);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(mode_set(IFF_PROMISC), 0);
            assert_int_equal(answer.promisc, 1);
            assert_int_equal(mode_set(IFF_ALLMULTI), 0);
            assert_int_equal(answer.promisc, 0);
            assert_int_equal(answer.allmulti, 1);
        }
        netdev_down(dev);
        unsigned commands = answer.commands;
        assert_int_equal(mode_set(IFF_PROMISC), 0);
        assert_int_equal(answer.commands, commands); /* it is down */
        assert_int_equal(netdev_up(dev), 0);
        assert_int_equal(answer.promisc, 1);
        assert_int_equal(answer.allmulti, 0);
        teardown(NULL);
    }
}

/* The same after a start anew that the device has caused. */
static void test_receive_mode_outlives_a_reset(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    assert_int_equal(mode_set(IFF_PROMISC), 0);
    answer.promisc = -1;
    model.status |= VIRTIO_STATUS_NEEDS_RESET;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(answer.promisc, 1);
}

/* NET-45, NETDEP-5: no CTRL_RX without CTRL_VQ, no command without CTRL_RX. */
static void test_device_that_cannot_be_told(void **state)
{
    (void)state;
    start(VIRTIO_NET_F_CTRL_RX);
    assert_int_equal(model.accepted & (VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VQ), 0);
    assert_false(model.queues[CONTROL].live);
    assert_int_equal(mode_set(IFF_PROMISC), -EOPNOTSUPP);
    assert_int_equal(mode_set(0), 0);
    netdev_down(dev);
    setup(NULL);
    start_with_control(0);
    assert_int_equal(mode_set(IFF_PROMISC), -EOPNOTSUPP);
    assert_int_equal(mode_set(0), 0);
    assert_int_equal(answer.commands, 0);
}

/* NETDEP-5: a device that had a control queue when it was probed, and then offers CTRL_RX without one, never
 * becomes live. */
static void test_control_queue_withdrawn(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    netdev_down(dev);
    model.offered &= ~VIRTIO_NET_F_CTRL_VQ;
    assert_int_equal(netdev_up(dev), -EPROTO);
    assert_int_equal(model.status & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
    assert_int_equal(model.status & VIRTIO_STATUS_DRIVER_OK, 0);
    assert_true(host_log_contains("not offered any more"));
    model.offered |= VIRTIO_NET_F_CTRL_VQ;
    assert_int_equal(netdev_up(dev), 0);
}

/* A queue of one entry holds no command: two segments are the least (2.7.4.2). Then the device is as one that
 * cannot be told, and works otherwise. */
static void test_control_queue_too_small(void **state)
{
    (void)state;
    model.queues[CONTROL].size_max = 1;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    assert_int_equal(model.accepted & (VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VQ), 0);
    assert_false(model.queues[CONTROL].live);
    assert_int_equal(mode_set(IFF_PROMISC), -EOPNOTSUPP);
    assert_int_equal(mode_set(0), 0);
    assert_int_equal(transmit(1, false), 0);
    sent(1);
}

static void test_command_refused(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    answer.byte = VIRTIO_NET_CTRL_ERROR;
    assert_int_equal(mode_set(IFF_PROMISC), -EIO);
    assert_true(host_log_contains("refused"));
    answer.byte = 0; /* the byte is right, but the device says that it wrote none */
    answer.written = 0;
    assert_int_equal(mode_set(IFF_PROMISC), -EIO);
    answer.written = 1;
    assert_int_equal(mode_set(IFF_PROMISC), 0);
    answer.byte = VIRTIO_NET_CTRL_ERROR;
    netdev_down(dev);
    assert_int_equal(netdev_up(dev), -EIO);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
}

/* One bound, one error; and no second command while the device may still write the first one's answer. */
static void test_command_that_is_not_answered(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    unsigned commands = answer.commands;
    answer.silent = true;
    uint64_t before = clock_ns();
    assert_int_equal(mode_set(IFF_PROMISC), -EIO);
    assert_int_equal(clock_ns() - before, NS_PER_SEC);
    assert_true(host_log_contains("no answer"));
    assert_int_equal(mode_set(IFF_PROMISC), -EBUSY);
    assert_int_equal(model_available(&model, CONTROL), 1);
    answer.silent = false;
    assert_int_equal(mode_set(IFF_PROMISC), 0); /* the late answer first, then both commands */
    assert_int_equal(answer.commands, commands + 3);
    answer.silent = true;
    assert_int_equal(mode_set(0), -EIO);
    netdev_down(dev);
    answer.silent = false;
    assert_int_equal(netdev_up(dev), 0); /* the reset has ended it */
    assert_int_equal(answer.promisc, 0);
}

static int device_hangs(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    model.reset_reads = MODEL_NEVER;
    return -ETIMEDOUT;
}

/* It hangs while it is started, so that its reset is not confirmed either: what it may still write to
 * stays its own, and it is not started again, not even when it has come to its senses. */
static void test_device_hangs_during_the_start(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    netdev_down(dev);
    host_sleep_hook = device_hangs;
    assert_int_equal(netdev_up(dev), -EIO);
    assert_int_equal(mbuf_count(MBUF_RX_RING), RING);
    model.reset_reads = 0;
    host_sleep_hook = device_answers;
    assert_int_equal(netdev_up(dev), -EIO);
    assert_true(dev->broken);
    dev->ops->stop(dev); /* for the tests that follow */
}

static int device_invents_an_answer(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    model_used_raw(&model, CONTROL, 4711, 1);
    return 0;
}

static void test_broken_control_queue(void **state)
{
    (void)state;
    start_with_control(VIRTIO_NET_F_CTRL_RX);
    host_sleep_hook = device_invents_an_answer;
    assert_int_equal(mode_set(IFF_PROMISC), -EIO);
    host_sleep_hook = device_answers;
    assert_true(dev->scheduled);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(mode_set(IFF_PROMISC), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_receive_mode_follows_the_flags), TEST(test_receive_mode_outlives_a_reset),
        TEST(test_device_that_cannot_be_told),     TEST(test_control_queue_withdrawn),
        TEST(test_control_queue_too_small),        TEST(test_command_refused),
        TEST(test_command_that_is_not_answered),   TEST(test_device_hangs_during_the_start),
        TEST(test_broken_control_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
