/* net/netdev.c and net/loopback.c: the table, the poll thread, interrupt and polled mode, state changes,
 * deferral. */
#include "host.h"

#include "fakenet.h"
#include "net/net.h"

#include <pthread.h>

static struct fakenet eth0;
static const uint8_t small[60];

static int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    fakenet_init(&eth0, "eth0", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    netdev_down(&eth0.dev);
    netdev_down(&loopback_device);
    fakenet_clear(&eth0);
    fakenet_assert_no_leak();
    return 0;
}

static struct mbuf *frame(uint8_t mark)
{
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    *(uint8_t *)mbuf_append(m, 1) = mark;
    return m;
}

/* --- the table --- */

static void test_table(void **state)
{
    (void)state;
    assert_ptr_equal(netdev_get(1), &loopback_device);
    assert_ptr_equal(netdev_get(2), &eth0.dev);
    assert_int_equal(eth0.dev.index, 2);
    assert_null(netdev_get(0));
    assert_null(netdev_get(-1));
    assert_null(netdev_get(3));
    assert_ptr_equal(netdev_find("eth0"), &eth0.dev);
    assert_ptr_equal(netdev_find("lo"), &loopback_device);
    assert_null(netdev_find("eth9"));
    assert_true(eth0.dev.flags & IFF_BROADCAST);
    assert_true(host_thread_exists("eth0"));
}

static void test_table_is_bounded(void **state)
{
    (void)state;
    static struct fakenet more[NETDEV_MAX];
    char name[] = "net0";
    for (int i = 3; i <= NETDEV_MAX; i++) {
        name[3] = (char)('0' + i);
        fakenet_init(&more[i - 1], name, (uint8_t)i);
    }
    struct netdev last = {.name = "last"};
    assert_int_equal(netdev_register(&last), -ENOSPC);
    assert_null(netdev_find("last"));
}

static void test_no_thread_no_device(void **state)
{
    (void)state;
    struct netdev dev = {.name = "eth1"};
    host_kthread_fails = true;
    assert_int_equal(netdev_register(&dev), -ENOMEM);
    assert_null(netdev_find("eth1"));
}

/* --- the poll thread --- */

static void test_first_round_turns_the_interrupt_on(void **state)
{
    (void)state;
    assert_false(eth0.irq_enabled);
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_true(eth0.irq_enabled);
    assert_int_equal(eth0.polled, 1);
    assert_int_equal(host_thread_run("eth0"), NEVER); /* nothing to do: not even a poll */
    assert_int_equal(eth0.polled, 1);
}

static void test_schedule(void **state)
{
    (void)state;
    host_thread_run("eth0");
    unsigned wakes = host_wakes(&eth0.dev.poll_wait);
    fakenet_queue(&eth0, small, sizeof(small));
    netdev_schedule(&eth0.dev);
    assert_false(eth0.irq_enabled);
    assert_int_equal(host_wakes(&eth0.dev.poll_wait), wakes + 1);
    assert_int_equal(COUNTER(ether_received), 0);      /* the interrupt handler does nothing else */
    assert_int_equal(eth0.dev.counters.interrupts, 0); /* who schedules is not always the device */
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_int_equal(COUNTER(ether_received), 1);
    assert_true(eth0.irq_enabled);
    assert_int_equal(eth0.dev.counters.rx_packets, 1);
    assert_int_equal(eth0.dev.counters.rx_bytes, sizeof(small));
}

static void test_interrupt(void **state)
{
    (void)state;
    host_thread_run("eth0");
    unsigned wakes = host_wakes(&eth0.dev.poll_wait);
    netdev_interrupt(&eth0.dev);
    assert_false(eth0.irq_enabled);
    assert_int_equal(host_wakes(&eth0.dev.poll_wait), wakes + 1);
    assert_int_equal(eth0.dev.counters.interrupts, 1);
}

static void test_more_than_a_budget(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FAKENET_MBUFS - 1; i++)
        fakenet_queue(&eth0, small, sizeof(small));
    _Static_assert(FAKENET_MBUFS - 1 < NETDEV_POLL_BUDGET, "one round takes all");
    assert_false(netdev_poll_round(&eth0.dev));
    assert_int_equal(COUNTER(ether_received), FAKENET_MBUFS - 1);
}

static int full_polls;
static bool polls_drop; /* what they find is damaged */
static int poll_full(struct netdev *dev, int budget)
{
    int found = full_polls-- > 0 ? budget : 0;
    dev->counters.rx_packets += polls_drop ? 0 : (unsigned)found;
    return found;
}

/* A poll that used its whole budget is followed by another, with the interrupt still off. */
static void test_whole_budget_means_again(void **state)
{
    (void)state;
    struct netdev_ops ops = *eth0.dev.ops;
    const struct netdev_ops *saved = eth0.dev.ops;
    ops.poll = poll_full;
    eth0.dev.ops = &ops;
    full_polls = 3;
    assert_true(netdev_poll_round(&eth0.dev));
    assert_false(eth0.irq_enabled);
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_int_equal(full_polls, -1);
    assert_true(eth0.irq_enabled);
    eth0.dev.ops = saved;
}

/* Every second time something has come in just now. */
static void comes_late(struct fakenet *fake) { fake->irq_on_result = !fake->irq_on_result; }

/* A flood keeps the hart from nobody, not even one of frames that are dropped; a few frames behind it do not
 * either. */
static void test_flood_yields(void **state)
{
    (void)state;
    struct netdev_ops ops = *eth0.dev.ops;
    const struct netdev_ops *saved = eth0.dev.ops;
    ops.poll = poll_full;
    eth0.dev.ops = &ops;
    full_polls = 5;
    host_thread_run("eth0");
    assert_int_equal(host_yields(), 5);
    polls_drop = true;
    full_polls = 13;
    netdev_schedule(&eth0.dev);
    host_thread_run("eth0");
    assert_int_equal(host_yields(), 5 + 3);
    polls_drop = false;
    full_polls = 1;
    eth0.on_irq_on = comes_late;
    netdev_schedule(&eth0.dev);
    host_thread_run("eth0");
    assert_int_equal(host_yields(), 5 + 3 + 1);
    eth0.dev.ops = saved;
}

static void frame_arrives(struct fakenet *fake)
{
    fake->on_irq_on = NULL;
    fakenet_queue(fake, small, sizeof(small));
}

/* A frame that comes in between the last poll and irq_on raises no interrupt, and is seen all the same. */
static void test_no_lost_wakeup(void **state)
{
    (void)state;
    eth0.on_irq_on = frame_arrives;
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_int_equal(COUNTER(ether_received), 1);
    assert_true(eth0.irq_enabled);
    assert_int_equal(eth0.polled, 2);
    assert_int_equal(eth0.polled_with_irq, 0); /* off again, as long as there is work */
    assert_int_equal(host_yields(), 0);        /* its reader is not in a hurry for the others */
}

static void interrupt_comes(struct fakenet *fake)
{
    fake->on_irq_on = NULL;
    fakenet_queue(fake, small, sizeof(small));
    netdev_schedule(&fake->dev);
    fake->irq_on_result = false;
}

/* The same with an interrupt, before the thread sleeps. */
static void test_interrupt_before_sleep(void **state)
{
    (void)state;
    eth0.on_irq_on = interrupt_comes;
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_int_equal(COUNTER(ether_received), 1);
    assert_true(eth0.irq_enabled);
}

static void test_polled_mode(void **state)
{
    (void)state;
    host_thread_run("eth0");
    assert_int_equal(netdev_set_polled(&eth0.dev, true), 0);
    assert_false(eth0.irq_enabled);
    assert_int_equal(host_thread_run("eth0"), clock_ns() + NETDEV_POLL_INTERVAL);
    assert_false(eth0.irq_enabled);
    assert_true(eth0.dev.flags & IFF_POLLED);
    fakenet_queue(&eth0, small, sizeof(small));
    assert_false(netdev_poll_round(&eth0.dev)); /* at the interval */
    assert_int_equal(COUNTER(ether_received), 1);
    assert_false(eth0.irq_enabled);
    assert_int_equal(netdev_set_polled(&eth0.dev, false), 0);
    assert_int_equal(host_thread_run("eth0"), NEVER);
    assert_true(eth0.irq_enabled);
}

/* An idle device is looked at less often, until it brings something. */
static void test_polled_mode_of_an_idle_device(void **state)
{
    (void)state;
    assert_int_equal(netdev_set_polled(&eth0.dev, true), 0);
    host_thread_run("eth0"); /* one look, for the switch */
    for (unsigned i = 1; i < NETDEV_IDLE_LOOKS; i++) {
        assert_int_equal(host_thread_run("eth0"), clock_ns() + NETDEV_POLL_INTERVAL);
        assert_false(netdev_poll_round(&eth0.dev));
    }
    assert_int_equal(host_thread_run("eth0"), clock_ns() + NETDEV_IDLE_INTERVAL);
    fakenet_queue(&eth0, small, sizeof(small));
    assert_false(netdev_poll_round(&eth0.dev));
    assert_int_equal(host_thread_run("eth0"), clock_ns() + NETDEV_POLL_INTERVAL);
}

/* --- administrative state --- */

static int poll_leaves(struct waitq *queue, uint64_t deadline)
{
    assert_ptr_equal(queue, &eth0.dev.poll_wait);
    assert_int_equal(deadline, NEVER);
    assert_int_equal(eth0.stopped, 0);
    eth0.dev.polling = false;
    return 0;
}

/* stop is not called while the poll thread uses the device. */
static void test_down_waits_for_the_poll(void **state)
{
    (void)state;
    eth0.dev.polling = true;
    host_sleep_hook = poll_leaves;
    assert_int_equal(netdev_down(&eth0.dev), 0);
    assert_int_equal(eth0.stopped, 1);
    assert_int_equal(host_sleeps(), 1);
    host_sleep_hook = NULL;
}

static int poll_brings_down(struct netdev *dev, int budget)
{
    (void)budget;
    dev->flags &= (uint16_t)~IFF_UP;
    return 0;
}

/* And the poll thread, when it leaves, wakes who waits for that. */
static void test_poll_wakes_who_waits(void **state)
{
    (void)state;
    struct netdev_ops ops = *eth0.dev.ops;
    const struct netdev_ops *saved = eth0.dev.ops;
    ops.poll = poll_brings_down;
    eth0.dev.ops = &ops;
    unsigned wakes = host_wakes(&eth0.dev.poll_wait);
    netdev_poll_round(&eth0.dev);
    assert_int_equal(host_wakes(&eth0.dev.poll_wait), wakes + 1);
    assert_false(eth0.dev.polling);
    eth0.dev.ops = saved;
}

static void test_up_and_down(void **state)
{
    (void)state;
    assert_int_equal(eth0.opened, 1);
    assert_int_equal(netdev_up(&eth0.dev), 0); /* already */
    assert_int_equal(eth0.opened, 1);
    assert_int_equal(netdev_down(&eth0.dev), 0);
    assert_int_equal(netdev_down(&eth0.dev), 0);
    assert_int_equal(eth0.stopped, 1);
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), -ENETDOWN);
    assert_int_equal(eth0.dev.counters.tx_down, 1);
    assert_false(netdev_poll_round(&eth0.dev)); /* a device that is down is not polled */
    assert_int_equal(eth0.polled, 0);
    eth0.open_result = -ENOMEM;
    assert_int_equal(netdev_up(&eth0.dev), -ENOMEM);
    assert_false(eth0.dev.flags & IFF_UP);
    eth0.open_result = 0;
    assert_int_equal(netdev_up(&eth0.dev), 0);
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), 0);
}

static void test_broken_device(void **state)
{
    (void)state;
    eth0.dev.broken = true;
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), -ENETDOWN);
    netdev_down(&eth0.dev);
    assert_int_equal(netdev_up(&eth0.dev), -EIO);
}

static void test_link(void **state)
{
    (void)state;
    netdev_set_link(&eth0.dev, false);
    assert_true(host_log_contains("eth0: link down"));
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), -ENETDOWN);
    assert_int_equal(eth0.dev.counters.tx_down, 1);
    netdev_set_link(&eth0.dev, true);
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), 0);
    assert_int_equal(eth0.frame_count, 1);
}

/* The address is made known whenever others begin to hear us (A6). */
static void test_link_up_announces(void **state)
{
    (void)state;
    host_thread_run("arp");
    assert_int_equal(ip_set_address(&eth0.dev, BE32(0x0a00020f), BE32(0xffffff00)), 0);
    for (int i = 0; i < 3; i++, host_clock_advance(2 * NS_PER_SEC))
        host_thread_run("arp");
    assert_int_equal(COUNTER(arp_announcements_sent), 2);
    netdev_set_link(&eth0.dev, true); /* no change */
    host_thread_run("arp");
    assert_int_equal(COUNTER(arp_announcements_sent), 2);
    netdev_set_link(&eth0.dev, false);
    netdev_set_link(&eth0.dev, true);
    host_thread_run("arp");
    assert_int_equal(COUNTER(arp_announcements_sent), 3);
    netdev_down(&eth0.dev);
    netdev_up(&eth0.dev);
    host_thread_run("arp");
    assert_int_equal(COUNTER(arp_announcements_sent), 4);
}

static void test_mtu(void **state)
{
    (void)state;
    assert_int_equal(netdev_set_mtu(&eth0.dev, 67), -EINVAL);
    assert_int_equal(netdev_set_mtu(&eth0.dev, 1501), -EINVAL);
    assert_int_equal(netdev_set_mtu(&eth0.dev, UINT32_MAX), -EINVAL);
    assert_int_equal(eth0.dev.mtu, 1500);
    assert_int_equal(netdev_set_mtu(&eth0.dev, 68), 0);
    assert_int_equal(netdev_set_mtu(&eth0.dev, 1500), 0);
}

/* --- frames that wait for ring room --- */

static void test_deferred_frames_keep_order(void **state)
{
    (void)state;
    eth0.room = 1;
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(netdev_transmit(&eth0.dev, frame(i)), 0);
    assert_int_equal(eth0.frame_count, 1);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 4);
    assert_int_equal(eth0.dev.counters.tx_deferred, 4);
    eth0.room = 3;
    netdev_poll_round(&eth0.dev);
    assert_int_equal(eth0.frame_count, 4);
    assert_int_equal(eth0.dev.tx_waiting_count, 1);
    eth0.room = 3;
    netdev_poll_round(&eth0.dev);
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(eth0.frames[i].bytes[0], i);
    assert_null(netdev_tx_resume(&eth0.dev));
}

static void test_deferral_is_bounded(void **state)
{
    (void)state;
    eth0.room = 0;
    eth0.dev.tx_waiting_count = NETDEV_TX_DEFER_MAX - 1;
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), 0);
    assert_int_equal(netdev_transmit(&eth0.dev, frame(2)), -ENOBUFS);
    assert_int_equal(eth0.dev.counters.tx_ring_full, 1);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 1);
    eth0.dev.tx_waiting_count = 1;
}

/* --- senders that wait for room --- */

/* So many frames of others wait for room; they are only numbers. */
static unsigned others;
static void queue_fill(void)
{
    eth0.room = 0;
    others = eth0.dev.tx_waiting_count = NETDEV_TX_DEFER_MAX - 1;
    assert_false(netdev_tx_is_full(&eth0.dev));
    assert_int_equal(netdev_transmit(&eth0.dev, frame(1)), 0);
    assert_true(netdev_tx_is_full(&eth0.dev));
}

static int queue_moves(struct waitq *queue, uint64_t deadline)
{
    (void)deadline;
    unsigned wakes = host_wakes(queue);
    assert_ptr_equal(queue, &eth0.dev.tx_room);
    eth0.room = 1;
    eth0.dev.ops->poll(&eth0.dev, 1);
    assert_int_equal(host_wakes(queue), wakes + 1); /* or the sender would sleep for ever */
    return 0;
}

static void test_sender_waits_for_room(void **state)
{
    (void)state;
    assert_int_equal(netdev_tx_wait(&eth0.dev, NEVER), 0);
    assert_int_equal(host_sleeps(), 0); /* there is room */
    queue_fill();
    host_sleep_hook = queue_moves;
    assert_int_equal(netdev_tx_wait(&eth0.dev, NEVER), 0);
    assert_int_equal(host_sleeps(), 1);
    assert_false(netdev_tx_is_full(&eth0.dev));
    assert_int_equal(eth0.frame_count, 1);
    host_sleep_hook = NULL;
    eth0.dev.tx_waiting_count -= others;
}

static int spurious, killed_after;
static int nothing_moves(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    if (killed_after-- == 0)
        return -EINTR;
    return spurious-- > 0 ? 0 : -ETIMEDOUT;
}

/* A wake-up proves nothing; a deadline and a kill end the wait. */
static void test_wait_for_room_ends(void **state)
{
    (void)state;
    queue_fill();
    host_sleep_hook = nothing_moves;
    spurious = 3;
    killed_after = -1;
    uint64_t deadline = clock_ns() + NS_PER_SEC;
    assert_int_equal(netdev_tx_wait(&eth0.dev, deadline), -ETIMEDOUT);
    assert_int_equal(host_sleeps(), 4);
    assert_int_equal(clock_ns(), deadline);
    unsigned wakes = host_wakes(&eth0.dev.poll_wait);
    killed_after = 2;
    spurious = 1;
    assert_int_equal(netdev_tx_wait(&eth0.dev, NEVER), -EINTR);
    /* After a second in vain the driver has been made to look at its device. */
    assert_int_equal(host_wakes(&eth0.dev.poll_wait), wakes + 1);
    host_sleep_hook = NULL;
    eth0.dev.tx_waiting_count -= others;
}

static void (*world)(void);
static int world_changes(struct waitq *queue, uint64_t deadline)
{
    (void)deadline;
    unsigned wakes = host_wakes(queue);
    world();
    assert_true(host_wakes(queue) > wakes);
    return 0;
}

static void link_goes(void) { netdev_set_link(&eth0.dev, false); }
static void device_goes(void)
{
    eth0.dev.tx_waiting_count -= others;
    others = 0;
    netdev_down(&eth0.dev);
}

/* Who waits for a device that cannot send any more is told. */
static void test_dead_device_ends_the_wait(void **state)
{
    (void)state;
    void (*const ends[])(void) = {link_goes, device_goes};
    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        queue_fill();
        world = ends[i];
        host_sleep_hook = world_changes;
        assert_int_equal(netdev_tx_wait(&eth0.dev, NEVER), 0);
        assert_int_equal(host_sleeps(), i + 1);
        host_sleep_hook = NULL;
        eth0.dev.tx_waiting_count -= others;
        netdev_down(&eth0.dev);
        netdev_set_link(&eth0.dev, true);
        assert_int_equal(netdev_up(&eth0.dev), 0);
        netdev_tx_set_full(&eth0.dev, false);
    }
}

/* What has waited for room is taken, even if others have been faster. */
static void test_admitted_frames_are_taken(void **state)
{
    (void)state;
    queue_fill();
    struct mbuf *m = frame(2);
    m->flags = MBUF_ADMITTED;
    assert_int_equal(netdev_transmit(&eth0.dev, m), 0);
    assert_int_equal(eth0.dev.counters.tx_ring_full, 0);
    eth0.room = 1;
    eth0.dev.ops->poll(&eth0.dev, 1);
    assert_true(netdev_tx_is_full(&eth0.dev)); /* still as many as there may be */
    eth0.room = 1;
    eth0.dev.ops->poll(&eth0.dev, 1);
    assert_false(netdev_tx_is_full(&eth0.dev));
    eth0.dev.tx_waiting_count -= others;
}

/* --- loopback --- */

/* A datagram that nobody wants, so that it is freed and counted on its way up. */
static struct mbuf *stray(void) { return frame(0x45); }

static void test_loopback_passes_through_the_poll_thread(void **state)
{
    (void)state;
    assert_int_equal(ip_address(&loopback_device), BE32(INADDR_LOOPBACK));
    assert_int_equal(host_thread_run("lo"), NEVER);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
    assert_int_equal(COUNTER(ip_received), 0);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 1);
    unsigned wakes = host_wakes(&loopback_device.poll_wait);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
    assert_int_equal(host_wakes(&loopback_device.poll_wait), wakes); /* woken once for both */
    assert_int_equal(host_thread_run("lo"), NEVER);
    assert_int_equal(COUNTER(ip_received), 2);
    assert_int_equal(COUNTER(ether_received), 0);
    assert_int_equal(COUNTER(ip_too_short), 2);
    wakes = host_wakes(&loopback_device.poll_wait);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
    assert_int_equal(host_wakes(&loopback_device.poll_wait), wakes + 1);
}

/* What is sent between the last poll and irq_on is not announced, so irq_on tells of it. */
static void test_loopback_loses_no_wakeup(void **state)
{
    (void)state;
    assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
    assert_true(loopback_device.ops->irq_on(&loopback_device));
    host_thread_run("lo");
    assert_int_equal(COUNTER(ip_received), 1);
    assert_false(loopback_device.ops->irq_on(&loopback_device));
}

static void test_loopback_is_bounded(void **state)
{
    (void)state;
    mbuf_init(300 - mbuf_total());
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), -ENOBUFS);
    assert_int_equal(loopback_device.counters.tx_ring_full, 1);
    assert_true(netdev_tx_is_full(&loopback_device));
    struct mbuf *admitted = stray();
    admitted->flags = MBUF_ADMITTED;
    assert_int_equal(netdev_transmit(&loopback_device, admitted), 0);
    unsigned wakes = host_wakes(&loopback_device.tx_room);
    netdev_poll_round(&loopback_device);
    assert_false(netdev_tx_is_full(&loopback_device));
    assert_int_equal(host_wakes(&loopback_device.tx_room), wakes + 1);
    const struct netdev_counters *counters = &loopback_device.counters;
    unsigned queued = mbuf_count(MBUF_DEV_QUEUE);
    assert_true(queued > 0);
    assert_int_equal(netdev_down(&loopback_device), 0);
    assert_int_equal(mbuf_count(MBUF_DEV_QUEUE), 0);
    assert_int_equal(counters->tx_reset, queued); /* lost, but not silently */
    assert_int_equal(counters->tx_packets, counters->rx_packets + counters->tx_reset);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), -ENETDOWN);
    assert_int_equal(netdev_up(&loopback_device), 0);
    assert_int_equal(netdev_transmit(&loopback_device, stray()), 0);
}

#define DROPS 100000u

static unsigned elsewhere;
static bool enough;

/* What netdev_transmit() does on another hart that has seen the device go down. */
static void *count_drops(void *unused)
{
    (void)unused;
    for (elsewhere = 0; !READ_ONCE(enough); elsewhere++)
        __atomic_fetch_add(&loopback_device.counters.tx_down, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Drops are counted in two places, of which one holds no lock: none gets lost. Without atomic additions this
 * fails where two threads do run at the same time. */
static void test_loopback_counts_all_drops(void **state)
{
    (void)state;
    pthread_t other;
    assert_int_equal(netdev_down(&loopback_device), 0);
    assert_int_equal(pthread_create(&other, NULL, count_drops, NULL), 0);
    for (unsigned i = 0; i < DROPS; i++)
        loopback_device.ops->transmit(&loopback_device, stray(), false);
    WRITE_ONCE(enough, true);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(loopback_device.counters.tx_down, elsewhere + DROPS);
    assert_int_equal(netdev_up(&loopback_device), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(table),
        TEST(table_is_bounded),
        TEST(no_thread_no_device),
        TEST(first_round_turns_the_interrupt_on),
        TEST(schedule),
        TEST(interrupt),
        TEST(more_than_a_budget),
        TEST(whole_budget_means_again),
        TEST(flood_yields),
        TEST(no_lost_wakeup),
        TEST(interrupt_before_sleep),
        TEST(polled_mode),
        TEST(polled_mode_of_an_idle_device),
        TEST(down_waits_for_the_poll),
        TEST(poll_wakes_who_waits),
        TEST(up_and_down),
        TEST(broken_device),
        TEST(link),
        TEST(link_up_announces),
        TEST(mtu),
        TEST(deferred_frames_keep_order),
        TEST(deferral_is_bounded),
        TEST(sender_waits_for_room),
        TEST(wait_for_room_ends),
        TEST(dead_device_ends_the_wait),
        TEST(admitted_frames_are_taken),
        TEST(loopback_passes_through_the_poll_thread),
        TEST(loopback_loses_no_wakeup),
        TEST(loopback_is_bounded),
        TEST(loopback_counts_all_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
