/* The e1000 driver (dev/e1000*.c) against a model of the device: finding, starting, stopping and
 * recovering it. Interrupts and filters are the business of test_e1000_irq.c, frames that of
 * test_e1000_rx.c and test_e1000_tx.c. Rows E1K-* of the requirement table are named where they are
 * tested. */
#include "host.h"

#include "e1000_fixture.h"

/* --- probing --- */

/* E1K-EEPROM-1, -2, E1K-MAC-2: the address is the EEPROM's, each word's low byte first. */
static void test_address(void **state)
{
    (void)state;
    attach(8, 8);
    assert_memory_equal(dev->mac, our_mac, 6);
    assert_int_equal(dev->mtu, 1500);
    assert_true(dev->offload_checksum);
    assert_true(dev->link_up);
    assert_int_equal(PCI_SPACE_COMMAND(config), 0x0006); /* E1K-PCI-6 */
}

/* E1K-EEPROM-3: late is fine, never is an error. */
static void test_eeprom_slow(void **state)
{
    (void)state;
    model.eeprom_reads = 1000;
    attach(8, 8);
    assert_memory_equal(dev->mac, our_mac, 6);
}

static void probe_fails(int error, const char *message)
{
    size_t pages = host_pages_used();
    assert_int_equal(e1000_attach(&function, 8, 8), error);
    assert_true(host_log_contains(message));
    assert_null(netdev_get(2));
    assert_int_equal(host_pages_used(), pages);
    assert_int_equal(host_irq_handlers(SOURCE), 0);
}

static void test_eeprom_never_answers(void **state)
{
    (void)state;
    model.eeprom_reads = E1000_MODEL_NEVER;
    probe_fails(-EIO, "EEPROM does not answer: register 0x1, expected bit 4 set");
}

static void test_device_gone_at_probe(void **state)
{
    (void)state;
    model.gone = true;
    probe_fails(-EIO, "EEPROM does not answer: register 0xffffffff, expected bit 4 set");
}

static void test_eeprom_checksum(void **state)
{
    (void)state;
    model.eeprom[20] ^= 0x100;
    probe_fails(-EIO, "EEPROM checksum 0xbbba, expected 0xbaba");
}

static void test_eeprom_without_station_address(void **state)
{
    (void)state;
    model.eeprom[0] |= 1;
    e1000_model_eeprom_fix(&model);
    probe_fails(-EINVAL, "EEPROM has no station's address");
    model.eeprom[0] = model.eeprom[1] = model.eeprom[2] = 0;
    e1000_model_eeprom_fix(&model);
    probe_fails(-EINVAL, "EEPROM has no station's address");
}

static void test_no_registers(void **state)
{
    (void)state;
    function.info.regions[0].address = 0;
    assert_int_equal(e1000_attach(&function, 8, 8), -ENXIO);
    function.info.regions[0].address = BASE;
    function.info.regions[0].size = 0x10000;
    assert_int_equal(e1000_attach(&function, 8, 8), -ENXIO);
}

/* E1K-RX-2, E1K-TX-1 */
static void test_ring_sizes(void **state)
{
    (void)state;
    static const unsigned illegal[] = {0, 1, 7, 9, 12, 4104, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(illegal); i++) {
        assert_int_equal(e1000_attach(&function, illegal[i], 8), -EINVAL);
        assert_int_equal(e1000_attach(&function, 8, illegal[i]), -EINVAL);
    }
    attach(48, 4096);
    assert_int_equal(netdev_up(dev), 0);
    assert_int_equal(e1000_model_register(&model, 0x2808), 48 * 16);
    assert_int_equal(e1000_model_register(&model, 0x3808), 4096 * 16);
    assert_int_equal(e1000_model_posted(&model), 47);
}

/* Wherever memory runs out, nothing is left behind. */
static void test_probe_without_memory(void **state)
{
    (void)state;
    size_t before = host_pages_used();
    for (size_t pages = 0; pages < 5; pages++) {
        host_pages_limit(pages);
        assert_int_equal(e1000_attach(&function, 8, 8), -ENOMEM);
        assert_int_equal(host_pages_used(), before);
    }
    host_pages_limit(HOST_NO_LIMIT);
    host_kthread_fails = true;
    assert_int_equal(e1000_attach(&function, 8, 8), -ENOMEM);
    assert_int_equal(host_pages_used(), before);
}

/* E1K-INIT-2: what somebody left running is silenced, by the register that can do it. */
static void test_probe_silences(void **state)
{
    (void)state;
    model.ims = model.icr = UINT32_MAX;
    model.registers[0x100 / 4] = model.registers[0x400 / 4] = 2;
    attach(8, 8);
    assert_int_equal(model.ims, 0);
    assert_int_equal(e1000_model_register(&model, 0x100), 0);
    assert_int_equal(e1000_model_register(&model, 0x400), 0);
}

/* No interrupt to be had: the device works all the same. */
static void test_without_interrupt(void **state)
{
    (void)state;
    host_irq_register_result = -ENOSPC;
    attach(8, 8);
    assert_true(dev->flags & IFF_POLLED);
    assert_true(host_log_contains("no interrupt, error -28: polled"));
    assert_int_equal(netdev_up(dev), 0);
    receive_unknown();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 1);
    assert_int_equal(model.ims, MODEL_LSC);
    /* Nobody tells it of the link, nor of its end. */
    for (int up = 0; up < 2; up++) {
        e1000_model_link(&model, up);
        assert_false(netdev_poll_round(dev));
        assert_int_equal(dev->link_up, up);
    }
    model.gone = true;
    assert_false(netdev_poll_round(dev));
    assert_true(dev->broken);
}

/* Both identities, found on the bus, with the driver's own ring sizes. */
static void test_bus(void **state)
{
    (void)state;
    config->writable[0x12] = 0xfe;
    config->writable[0x13] = 0xff;
    pci_init();
    dev = netdev_get(2);
    assert_non_null(dev);
    keep();
    assert_int_equal(host_irq_handlers(SOURCE), 1);
}

/* --- starting --- */

/* E1K-INIT-1, -4, E1K-MAC-1, -3, -4, E1K-TX-13, E1K-RX-1, -3, -11: everything stands as it should,
 * whatever the reset left behind. */
static void test_start_registers(void **state)
{
    (void)state;
    for (int nothing = 0; nothing <= 1; nothing++) {
        setup(NULL);
        model.reset_does_nothing = nothing;
        attach(16, 8);
        assert_int_equal(netdev_up(dev), 0);
        assert_int_equal(model.resets, 1);
        assert_int_equal(e1000_model_register(&model, 0x5400), 0x12005452); /* 52:54:00:12:34:56 */
        assert_int_equal(e1000_model_register(&model, 0x5404), 0x80005634);
        for (unsigned i = 1; i < 16; i++)
            assert_int_equal(e1000_model_register(&model, 0x5404 + 8 * i), 0);
        assert_int_equal(e1000_model_register(&model, 0x5200), 1u << 16);
        for (unsigned i = 1; i < 128; i++)
            assert_int_equal(e1000_model_register(&model, 0x5200 + 4 * i), 0);
        assert_int_equal(e1000_model_register(&model, 0x100), 0x04008002);
        assert_int_equal(e1000_model_register(&model, 0x400), 0x0004010a);
        assert_int_equal(e1000_model_register(&model, 0x410), 10 | 8 << 10 | 6 << 20);
        assert_int_equal(e1000_model_register(&model, 0x2810), 0);
        assert_int_equal(e1000_model_register(&model, 0x2818), 15); /* E1K-RX-5 */
        assert_int_equal(e1000_model_register(&model, 0x3810), 0);
        assert_int_equal(e1000_model_register(&model, 0x3818), 0);
        /* Up, speed, no reset. */
        assert_int_equal(e1000_model_register(&model, 0) & 0x04000060, 0x60);
        static const unsigned zero[] = {0x28,   0x2c,   0x30,   0x170,  0xc4,
                                        0x2820, 0x282c, 0x3820, 0x3828, 0x382c};
        for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
            assert_int_equal(e1000_model_register(&model, zero[i]), 0); /* E1K-INIT-6, E1K-IRQ-8 */
        assert_int_equal(e1000_model_register(&model, 0x5000), 0x300);
        assert_int_equal(model.ims, MODEL_LSC); /* the rest is for the first poll */
        /* Probe, twice in the reset, once to start: E1K-RX-15. */
        assert_int_equal(model.rctl_writes, 4);
        teardown(NULL);
    }
}

/* E1K-INIT-1: masked, reset, masked again; then the link, addresses, rings, and interrupts last of
 * all. */
static void test_start_order(void **state)
{
    (void)state;
    attach(8, 8);
    model.write_count = 0;
    netdev_up(dev);
    static const struct {
        unsigned offset;
        uint32_t bits;
    } steps[] = {
        {0xd8, UINT32_MAX}, {0x0, 1u << 26},    {0xd8, UINT32_MAX}, {0x0, 1u << 6},
        {0x5400, 0},        {0x5404, 1u << 31}, {0x5200, 0},        {0x3808, 0x80},
        {0x2808, 0x80},     {0x400, 2},         {0x100, 2},         {0xd0, MODEL_LSC},
    };
    int at = -1;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int found = e1000_model_written(&model, at + 1, steps[i].offset, steps[i].bits);
        assert_true(found > at);
        at = found;
    }
    assert_int_equal(e1000_model_written(&model, 0, 0xd0, 0), at); /* no interrupt before the end */
}

/* Addresses above 4 GiB need both halves of the base. */
static void test_ring_base(void **state)
{
    (void)state;
    attach(8, 8);
    netdev_up(dev);
    struct e1000 *nic = dev->driver;
    uint64_t rx = (uintptr_t)nic->rx.descriptors, tx = (uintptr_t)nic->tx.descriptors;
    assert_int_equal(e1000_model_register(&model, 0x2800), (uint32_t)rx);
    assert_int_equal(e1000_model_register(&model, 0x2804), rx >> 32);
    assert_int_equal(e1000_model_register(&model, 0x3800), (uint32_t)tx);
    assert_int_equal(e1000_model_register(&model, 0x3804), tx >> 32);
}

/* E1K-INIT-3: the reset takes its time; the model fails the test if it is not left alone. */
static void test_reset_is_slow(void **state)
{
    (void)state;
    model.reset_reads = 5;
    attach(8, 8);
    assert_int_equal(netdev_up(dev), 0);
}

static void test_reset_never_ends(void **state)
{
    (void)state;
    attach(8, 8);
    model.reset_reads = E1000_MODEL_NEVER;
    assert_int_equal(netdev_up(dev), -EIO);
    assert_true(host_log_contains("reset not complete: control 0x"));
    assert_false(dev->flags & IFF_UP);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
    model.reset_reads = model.reset_left = 0;
    assert_int_equal(netdev_up(dev), 0); /* it has thought better of it */
}

static void test_open_without_mbufs(void **state)
{
    (void)state;
    attach(FAKENET_MBUFS + 8, 8);
    assert_int_equal(netdev_up(dev), -ENOMEM);
    assert_int_equal(mbuf_count(MBUF_RX_RING), 0);
    assert_int_equal(e1000_model_register(&model, 0x100), 0);
    assert_int_equal(model.ims, 0);
}

/* --- stopping --- */

static void test_stop_and_start(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 5; i++) {
        receive_unknown();
        assert_int_equal(transmit(0), 0);
        assert_int_equal(netdev_down(dev), 0);
        fakenet_assert_no_leak();
        assert_int_equal(model.ims, 0);
        assert_int_equal(e1000_model_register(&model, 0x100), 0);
        assert_int_equal(e1000_model_register(&model, 0x400), 0);
        assert_int_equal(transmit(0), -ENETDOWN);
        assert_int_equal(netdev_up(dev), 0);
        assert_false(netdev_poll_round(dev));
        assert_int_equal(e1000_model_posted(&model), 7);
    }
    assert_int_equal(model.resets, 11); /* the last stop is to come */
}

/* With frames in flight both ways and others waiting. */
static void test_stop_under_traffic(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    for (unsigned i = 0; i < 3; i++)
        receive_unknown();
    unsigned waiting = dev->tx_waiting_count;
    assert_true(waiting > 0);
    netdev_down(dev);
    fakenet_assert_no_leak();
    assert_int_equal(dev->counters.tx_down, waiting);
    assert_int_equal(dev->counters.tx_reset, 10 - waiting);
    assert_int_equal(dev->counters.rx_reset, 3);
    assert_int_equal(netdev_up(dev), 0);
    model.tx_held = false;
    assert_int_equal(transmit(1), 0);
    assert_int_equal(model.sent_count, 1); /* nothing of before: the ring is a new one */
}

/* What the device has sent is no loss, nor is what has been handed up. */
static void test_stop_counts_what_is_lost(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 4; i++)
        receive_unknown();
    netdev_poll_round(dev);
    receive_unknown();
    e1000_model_receive_raw(&model, 2048, MODEL_DD, 0); /* the beginning of a frame */
    for (unsigned i = 0; i < 5; i++)
        transmit((uint8_t)i);
    e1000_model_send(&model, 2);
    netdev_down(dev);
    assert_int_equal(dev->counters.tx_packets, 5);
    assert_int_equal(dev->counters.tx_reset, 3);
    assert_int_equal(dev->counters.rx_packets, 4);
    assert_int_equal(dev->counters.rx_reset, 1);
    assert_int_equal(netdev_up(dev), 0);
    netdev_down(dev); /* an empty ring costs nothing */
    assert_int_equal(dev->counters.tx_reset, 3);
    assert_int_equal(dev->counters.rx_reset, 1);
}

/* A device that does not confirm the reset is cut off from memory, which then is ours. */
static void test_stop_without_an_end(void **state)
{
    (void)state;
    start_held();
    transmit(0);
    model.reset_reads = E1000_MODEL_NEVER;
    netdev_down(dev);
    fakenet_assert_no_leak();
    assert_int_equal(PCI_SPACE_COMMAND(config), 0x0400);
    assert_true(dev->broken);
    assert_int_equal(netdev_up(dev), -EIO);
}

/* --- failure --- */

/* The device vanishes under way: given up, nothing lost but what it had. */
static void test_gone(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    model.gone = true;
    host_wire_set(SOURCE, 0, true);
    host_interrupts_serve();
    assert_false(netdev_poll_round(dev));
    assert_true(dev->broken);
    assert_false(dev->link_up);
    fakenet_assert_no_leak();
    assert_true(host_log_contains("given up"));
    assert_int_equal(netdev_transmit(dev, frame_to_send(0)), -ENETDOWN);
    assert_false(netdev_poll_round(dev)); /* and further polls do no harm */
    assert_int_equal(netdev_down(dev), 0);
    assert_int_equal(netdev_up(dev), -EIO);
}

/* Frames 0 to 11 for a device that sends nothing, until the driver has noticed; the device would go on now. */
static void stall(void)
{
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    /* A ring of 8 takes 6: room for a context is kept, and one stays free. */
    assert_int_equal(dev->tx_waiting_count, 4);
    host_clock_advance(NS_PER_SEC);
    transmit(10);
    assert_false(dev->scheduled);
    host_clock_advance(2 * NS_PER_SEC);
    transmit(11);
    assert_true(dev->scheduled);
    model.tx_held = false;
}

/* The device sends nothing any more: after a while it is started anew, and what waited goes out, in
 * order. */
static void test_transmit_stall(void **state)
{
    (void)state;
    stall();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.restarts, 1);
    assert_int_equal(dev->counters.tx_reset, 6);
    assert_false(dev->broken);
    assert_int_equal(model.sent_count, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(model.sent[i].bytes[59], 6 + i);
    assert_int_equal(e1000_model_posted(&model), 7);
    receive_unknown();
    host_interrupts_serve();
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 1);
    netdev_poll_round(dev);
    assert_int_equal(mbuf_count(MBUF_TX_RING), 0);
}

static unsigned sent_meanwhile;

static int sends_while_it_sleeps(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    if (dev->counters.restarts == 1) {
        struct mbuf *m = mbuf_alloc(MBUF_STACK);
        mbuf_append(m, dev->mtu_max + 15);
        assert_int_equal(netdev_transmit(dev, m), -EMSGSIZE);
        assert_int_equal(transmit((uint8_t)(100 + sent_meanwhile++)), 0);
    }
    return -ETIMEDOUT;
}

/* Who sends just while the device is started anew, with its rings full, emptied or begun again, is not told
 * that the network is down, and the frame goes out afterwards. */
static void test_sender_meets_a_recovery(void **state)
{
    (void)state;
    stall();
    sent_meanwhile = 0;
    host_sleep_hook = sends_while_it_sleeps;
    netdev_poll_round(dev);
    host_sleep_hook = NULL;
    assert_int_equal(dev->counters.restarts, 1);
    assert_true(sent_meanwhile >= 4); /* two resets, each of two pauses */
    assert_int_equal(dev->counters.tx_down, 0);
    netdev_poll_round(dev);
    assert_int_equal(model.sent_count, 6 + sent_meanwhile);
    for (unsigned i = 0; i < sent_meanwhile; i++)
        assert_int_equal(model.sent[6 + i].bytes[59], 100 + i);
    netdev_down(dev);
    assert_int_equal(transmit(1), -ENETDOWN); /* the recovery is over */
}

/* Again and again, and also when nobody sends any more, because all wait for room. */
static void test_transmit_stalls(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 30; i++)
        transmit((uint8_t)i);
    for (unsigned restarts = 1; restarts <= 3; restarts++) {
        netdev_poll_round(dev);
        host_clock_advance(3 * NS_PER_SEC);
        netdev_schedule(dev);
        netdev_poll_round(dev);
        assert_int_equal(dev->counters.restarts, restarts);
    }
    assert_int_equal(dev->tx_waiting_count, 30 - 4 * 6);
}

/* A link that is down explains it, and the time without it does not count once it is up again. */
static void test_no_stall_without_link(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    e1000_model_link(&model, false);
    host_interrupts_serve();
    netdev_poll_round(dev);
    host_clock_advance(3 * NS_PER_SEC);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 0);

    e1000_model_link(&model, true);
    host_interrupts_serve();
    netdev_poll_round(dev);
    netdev_poll_round(dev);
    assert_true(dev->link_up);
    assert_int_equal(dev->counters.restarts, 0);
    host_clock_advance(3 * NS_PER_SEC);
    netdev_poll_round(dev);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 1);
}

/* Slow is not stuck: as long as something gets done, nobody resets. */
static void test_slow_transmission(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    for (unsigned i = 0; i < 20; i++) {
        transmit((uint8_t)i);
        host_clock_advance(NS_PER_SEC);
        e1000_model_send(&model, 1);
        netdev_poll_round(dev);
        assert_true(dev->tx_waiting_count > 0);
    }
    assert_int_equal(dev->counters.restarts, 0);
}

/* Found stuck, but it goes on before anybody has come to start it anew: nothing is lost then. */
static void test_device_goes_on_at_the_last_moment(void **state)
{
    (void)state;
    stall();
    e1000_model_send(&model, 6);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.restarts, 0);
    assert_int_equal(dev->counters.tx_reset, 0);
    assert_int_equal(dev->tx_waiting_count, 0);
}

static struct list taken;

/* Others are quicker: what the rings gave back is gone before the new start. */
static int take_all_mbufs(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    mbuf_alloc_many(&taken, mbuf_total(), MBUF_STACK);
    return -ETIMEDOUT;
}

/* That there was no memory at that moment is no fault of the device's: it can be taken up again later. */
static void test_recovery_without_mbufs(void **state)
{
    (void)state;
    stall();
    list_init(&taken);
    host_sleep_hook = take_all_mbufs;
    netdev_poll_round(dev);
    host_sleep_hook = NULL;
    assert_int_equal(dev->counters.restarts, 1);
    assert_false(netdev_is_running(dev));
    assert_int_equal(netdev_down(dev), 0);
    assert_int_equal(netdev_up(dev), -ENOMEM);
    mbuf_free_all(&taken);
    assert_int_equal(netdev_up(dev), 0);
    assert_true(netdev_is_running(dev));
}

/* The reset of a stalled device does not end. */
static void test_recovery_fails(void **state)
{
    (void)state;
    start_held();
    for (unsigned i = 0; i < 10; i++)
        transmit((uint8_t)i);
    host_clock_advance(3 * NS_PER_SEC);
    transmit(11);
    model.reset_reads = E1000_MODEL_NEVER;
    assert_false(netdev_poll_round(dev));
    assert_true(dev->broken);
    fakenet_assert_no_leak();
    assert_int_equal(PCI_SPACE_COMMAND(config), 0x0400);
    assert_int_equal(dev->counters.tx_down, 5);
}

/* It resets after all, but only when the driver has stopped waiting, and has cut it off from memory: so it is
 * not started again. */
static void test_recovery_with_a_late_reset(void **state)
{
    (void)state;
    stall();
    model.reset_reads = 10; /* the driver looks 10 times */
    assert_false(netdev_poll_round(dev));
    assert_true(dev->broken);
    assert_int_equal(model.resets, 2); /* that of the first start, and this one */
    assert_int_equal(PCI_SPACE_COMMAND(config), 0x0400);
    fakenet_assert_no_leak();
}

static int second_reset_hangs(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    if (model.resets == 2)
        model.reset_reads = E1000_MODEL_NEVER; /* from the next one on */
    return -ETIMEDOUT;
}

/* It lets itself be stopped, but not started. */
static void test_recovery_stops_half_way(void **state)
{
    (void)state;
    stall();
    host_sleep_hook = second_reset_hangs;
    assert_false(netdev_poll_round(dev));
    host_sleep_hook = NULL;
    assert_true(dev->broken);
    assert_false(netdev_is_running(dev));
    fakenet_assert_no_leak();
}

static unsigned late_frames, late_resets;

/* What the device was at when reception was turned off comes to its end. */
static int frame_ends_late(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    if (late_frames++ == 0) {
        assert_int_equal(model.resets, late_resets); /* it was given the time for that */
        e1000_model_receive_raw(&model, FRAME, MODEL_DD | MODEL_EOP, 0);
    }
    return -ETIMEDOUT;
}

/* The same with a frame in the ring that nobody has taken: it is counted, and the polls that follow leave the
 * ring alone. */
static void test_given_up_with_a_received_frame(void **state)
{
    (void)state;
    stall();
    late_frames = 0;
    late_resets = model.resets;
    host_sleep_hook = frame_ends_late;
    model.reset_reads = E1000_MODEL_NEVER;
    assert_false(netdev_poll_round(dev));
    host_sleep_hook = NULL;
    assert_true(dev->broken);
    assert_int_equal(dev->counters.rx_reset, 1);
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 0);
    fakenet_assert_no_leak();
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_address),
        TEST(test_eeprom_slow),
        TEST(test_eeprom_never_answers),
        TEST(test_device_gone_at_probe),
        TEST(test_eeprom_checksum),
        TEST(test_eeprom_without_station_address),
        TEST(test_no_registers),
        TEST(test_ring_sizes),
        TEST(test_probe_without_memory),
        TEST(test_probe_silences),
        TEST(test_without_interrupt),
        TEST(test_bus),
        TEST(test_start_registers),
        TEST(test_start_order),
        TEST(test_ring_base),
        TEST(test_reset_is_slow),
        TEST(test_reset_never_ends),
        TEST(test_open_without_mbufs),
        TEST(test_stop_and_start),
        TEST(test_stop_under_traffic),
        TEST(test_stop_counts_what_is_lost),
        TEST(test_stop_without_an_end),
        TEST(test_gone),
        TEST(test_transmit_stall),
        TEST(test_sender_meets_a_recovery),
        TEST(test_transmit_stalls),
        TEST(test_no_stall_without_link),
        TEST(test_device_goes_on_at_the_last_moment),
        TEST(test_recovery_without_mbufs),
        TEST(test_slow_transmission),
        TEST(test_recovery_fails),
        TEST(test_recovery_with_a_late_reset),
        TEST(test_recovery_stops_half_way),
        TEST(test_given_up_with_a_received_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
