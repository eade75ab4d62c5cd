/* The e1000 driver (dev/e1000.c, e1000_hw.c) against a model of the device: interrupts, the link,
 * and the filters of received frames. */
#include "host.h"

#include "e1000_fixture.h"
#include "net/net.h"
#include "net/wire.h"

/* --- interrupts --- */

/* E1K-IRQ-1, -3, E1K-PLIC-1: one read of the causes, the line drops, and they are acted on by a
 * poll. */
static void test_interrupt(void **state)
{
    (void)state;
    start();
    receive_unknown();
    unsigned reads = model.icr_reads;
    assert_int_equal(host_interrupts_serve(), 1);
    assert_int_equal(model.icr_reads, reads + 1);
    assert_false(host_wire_is_up(SOURCE));
    assert_true(dev->scheduled);
    assert_int_equal(dev->counters.interrupts, 1);
    /* E1K-IRQ-6: off until the poll has seen an empty ring. */
    assert_int_equal(model.ims, MODEL_LSC);
    receive_unknown();
    assert_int_equal(host_interrupts_serve(), 0);
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 2);
    assert_int_equal(model.ims, MODEL_LSC | MODEL_RXT0 | MODEL_RXDMT0 | MODEL_RXO); /* E1K-IRQ-5 */
}

/* E1K-IRQ-4: causes stay latched while they are masked; those of frames that were polled raise
 * nothing. */
static void test_no_interrupt_for_what_was_polled(void **state)
{
    (void)state;
    start();
    receive_unknown();
    host_interrupts_serve();
    receive_unknown();
    assert_false(netdev_poll_round(dev));
    assert_int_equal(host_interrupts_serve(), 0);
    receive_unknown(); /* but the next one does */
    assert_int_equal(host_interrupts_serve(), 1);
}

/* A frame that comes between the poll and the mask's opening is not left lying. */
static void test_late_frame(void **state)
{
    (void)state;
    start();
    dev->ops->irq_off(dev);
    assert_int_equal(dev->ops->poll(dev, 64), 0);
    receive_unknown();
    assert_true(dev->ops->irq_on(dev));
    dev->ops->irq_off(dev);
    assert_int_equal(dev->ops->poll(dev, 64), 1);
    assert_false(dev->ops->irq_on(dev));
}

/* A wake-up costs five accesses to registers: causes, mask shut, tail of what was sent, causes, mask opened. */
static void test_accesses_of_a_wake_up(void **state)
{
    (void)state;
    start();
    struct frame frame = {.length = 0};
    const be32_t us = BE32(0x0a00020f), peer = BE32(0x0a000264);
    assert_int_equal(ip_set_address(dev, us, BE32(0xffffff00)), 0);
    netdev_poll_round(dev);
    frame_ether(&frame, our_mac, peer_mac, ETHER_TYPE_ARP);
    frame_arp(&frame, ARP_REQUEST, peer_mac, peer, NULL, us);
    assert_true(e1000_model_receive(&model, frame.bytes, frame.length));
    unsigned reads = model.reads, writes = model.write_count, tails = model.tail_writes[1];
    assert_int_equal(host_interrupts_serve(), 1);
    assert_false(netdev_poll_round(dev));
    assert_int_equal(model.tail_writes[1], tails + 1);
    assert_int_equal(model.reads - reads, 2);
    assert_int_equal(model.write_count - writes, 3);
}

static void frame_arrives(struct e1000_model *device)
{
    device->before_unmask = NULL;
    receive_unknown();
}

/* A frame that comes between the last look and the mask's opening raises its interrupt then. */
static void test_frame_before_the_mask_opens(void **state)
{
    (void)state;
    start();
    dev->ops->irq_off(dev);
    model.before_unmask = frame_arrives;
    assert_false(dev->ops->irq_on(dev));
    assert_int_equal(host_interrupts_serve(), 1);
    assert_true(dev->scheduled);
}

static void frame_and_foreign_interrupt_arrive(struct e1000_model *device)
{
    frame_arrives(device);
    host_wire_set(SOURCE, 7, true);
    host_interrupts_serve();
    host_wire_set(SOURCE, 7, false);
}

/* The same, and another device on the line has the handler read, and so clear, the cause just then. */
static void test_foreign_interrupt_before_the_mask_opens(void **state)
{
    (void)state;
    start();
    dev->ops->irq_off(dev);
    dev->scheduled = false;
    model.before_unmask = frame_and_foreign_interrupt_arrive;
    dev->ops->irq_on(dev);
    assert_true(dev->scheduled);
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 1);
}

/* A change of the link that is read on the way to the mask is acted on like any other. */
static void test_link_before_the_mask_opens(void **state)
{
    (void)state;
    start();
    dev->ops->irq_off(dev);
    e1000_model_link(&model, false);
    assert_true(dev->ops->irq_on(dev));
    dev->ops->irq_off(dev);
    assert_false(netdev_poll_round(dev));
    assert_false(dev->link_up);
}

/* E1K-PCI-10: the line is another device's. */
static void test_interrupt_of_another_device(void **state)
{
    (void)state;
    start();
    host_wire_set(SOURCE, 7, true);
    assert_int_equal(host_interrupts_serve(), 1);
    assert_false(dev->scheduled);
    assert_int_equal(dev->counters.interrupts, 0);
    receive_unknown(); /* while the other one keeps the line up */
    assert_int_equal(host_interrupts_serve(), 1);
    assert_true(dev->scheduled);
}

/* Causes that nobody asked for are not ours to act on: in polled mode the device stays quiet. */
static void test_masked_causes(void **state)
{
    (void)state;
    start();
    netdev_set_polled(dev, true);
    netdev_poll_round(dev);
    receive_unknown();
    host_wire_set(SOURCE, 7, true);
    host_interrupts_serve();
    assert_int_equal(dev->counters.interrupts, 0);
    netdev_poll_round(dev);
    assert_int_equal(dev->counters.rx_packets, 1);
}

/* What happened before the device was opened is forgotten, also by one whose reset forgets nothing.
 */
static void test_causes_of_before(void **state)
{
    (void)state;
    model.reset_does_nothing = true;
    attach(8, 8);
    model.icr = UINT32_MAX;
    netdev_up(dev);
    netdev_poll_round(dev);
    assert_int_equal(host_interrupts_serve(), 0);
}

/* Invented ones lead to a poll that finds nothing. */
static void test_invented_interrupts(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 20; i++) {
        e1000_model_interrupt(&model, UINT32_MAX >> (i % 32));
        host_interrupts_serve();
        assert_false(netdev_poll_round(dev));
    }
    assert_int_equal(dev->counters.rx_packets, 0);
    assert_true(dev->link_up);
    assert_int_equal(dev->counters.restarts, 0);
}

/* A lost one costs time, no frame. */
static void test_lost_interrupt(void **state)
{
    (void)state;
    start();
    model.interrupts_lost = true;
    receive_unknown();
    assert_int_equal(host_interrupts_serve(), 0);
    model.interrupts_lost = false;
    receive_unknown();
    assert_int_equal(host_interrupts_serve(), 1);
    assert_false(netdev_poll_round(dev));
    assert_int_equal(dev->counters.rx_packets, 2);
}

/* Before it is opened and after it is stopped the device says nothing, and is asked in vain. */
static void test_interrupt_while_down(void **state)
{
    (void)state;
    attach(8, 8);
    e1000_model_interrupt(&model, UINT32_MAX);
    host_wire_set(SOURCE, 7, true);
    host_interrupts_serve();
    assert_int_equal(dev->counters.interrupts, 0);
}

/* E1K-PCI-10: two cards on one line. */
static void test_shared_line(void **state)
{
    (void)state;
    static struct e1000_model other_model;
    static struct pci_function other;
    start();
    struct netdev *first = dev;
    uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
    e1000_model_init(&other_model, BASE + E1000_MODEL_SIZE, SOURCE, 1, mac);
    other = function;
    other.info.regions[0].address = BASE + E1000_MODEL_SIZE;
    assert_int_equal(e1000_attach(&other, 8, 8), 0);
    dev = netdev_get(3);
    keep();
    assert_memory_equal(dev->mac, mac, 6);
    assert_int_not_equal(strcmp(dev->name, first->name), 0);
    netdev_up(dev);
    netdev_poll_round(dev);
    uint8_t bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x99, 0x99};
    assert_true(e1000_model_receive(&other_model, bytes, sizeof(bytes)));
    assert_true(e1000_model_receive(&model, bytes, sizeof(bytes)));
    host_interrupts_serve();
    assert_true(first->scheduled);
    assert_true(dev->scheduled);
    assert_false(host_wire_is_up(SOURCE));
    netdev_down(dev);
    e1000_model_clear(&other_model);
    dev = first;
}

/* --- link --- */

/* E1K-INIT-5 */
static void test_link(void **state)
{
    (void)state;
    start();
    e1000_model_link(&model, false);
    assert_int_equal(host_interrupts_serve(), 1);
    netdev_poll_round(dev);
    assert_false(dev->link_up);
    assert_int_equal(netdev_transmit(dev, frame_to_send(0)), -ENETDOWN);
    e1000_model_link(&model, true);
    host_interrupts_serve();
    netdev_poll_round(dev);
    assert_true(dev->link_up);
    assert_int_equal(dev->counters.restarts, 0);
    /* It is looked at for such an event, and once: then a poll reads the causes, and nothing else. */
    unsigned reads = model.reads;
    netdev_poll_round(dev);
    assert_int_equal(model.reads, reads + 1);
}

/* E1K-IRQ-2: who clears a cause that was reported before clears that one alone. Here the link goes down just
 * before frames begin to wait, and the interrupt is taken afterwards. */
static void test_link_before_a_report_is_asked_for(void **state)
{
    (void)state;
    start_held();
    for (uint8_t n = 0; n < 6; n++)
        transmit(n);
    e1000_model_link(&model, false);
    transmit(6);
    assert_int_equal(dev->tx_waiting_count, 1);
    host_interrupts_serve();
    netdev_poll_round(dev);
    assert_false(dev->link_up);
}

/* Also when receive interrupts are off. */
static void test_link_in_polled_mode(void **state)
{
    (void)state;
    start();
    netdev_set_polled(dev, true);
    netdev_poll_round(dev);
    e1000_model_link(&model, false);
    host_interrupts_serve();
    netdev_poll_round(dev);
    assert_false(dev->link_up);
}

static void test_link_down_at_open(void **state)
{
    (void)state;
    attach(8, 8);
    e1000_model_link(&model, false);
    netdev_up(dev);
    assert_false(dev->link_up);
    e1000_model_link(&model, true);
    host_interrupts_serve();
    netdev_poll_round(dev);
    assert_true(dev->link_up);
}

/* --- filters --- */

static bool receive_to(uint8_t first, uint8_t last)
{
    uint8_t bytes[60] = {first, 0x00, 0x5e, 0x00, 0x00, last, 2, 0, 0, 0, 0, 9, 0x99, 0x99};
    return e1000_model_receive(&model, bytes, sizeof(bytes));
}

/* E1K-MAC-1, -5, -6 */
static void test_filters(void **state)
{
    (void)state;
    uint8_t bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x99, 0x99};
    start();
    assert_true(e1000_model_receive(&model, bytes, sizeof(bytes)));
    memcpy(bytes, our_mac, 6);
    assert_true(e1000_model_receive(&model, bytes, sizeof(bytes)));
    bytes[5] ^= 1;
    assert_false(e1000_model_receive(&model, bytes, sizeof(bytes)));
    assert_true(receive_to(0x01, 0x01)); /* all hosts */
    /* Another group: its bit is numbered 0x01... too, by bits 47-36. */
    assert_false(receive_to(0x01, 0xfb));
}

/* E1K-RX-15: the register is written exactly when something changes. */
static void test_receive_modes(void **state)
{
    (void)state;
    start();
    unsigned writes = model.rctl_writes;
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_int_equal(model.rctl_writes, writes);
    dev->flags |= IFF_ALLMULTI;
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_true(receive_to(0x01, 0xfb));
    assert_false(receive_to(0x02, 0x55));
    dev->flags |= IFF_PROMISC;
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_true(receive_to(0x02, 0x55));
    dev->flags &= (uint16_t)~IFF_ALLMULTI; /* which says nothing more in this mode */
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_true(receive_to(0x01, 0xfb));
    assert_true(receive_to(0x02, 0x55));
    dev->flags &= (uint16_t)~IFF_PROMISC;
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_false(receive_to(0x01, 0xfb));
    assert_int_equal(model.rctl_writes, writes + 3);
}

/* A mode set while the device is down comes into force when it is opened. */
static void test_receive_mode_while_down(void **state)
{
    (void)state;
    attach(8, 8);
    unsigned writes = model.rctl_writes;
    dev->flags |= IFF_PROMISC;
    assert_int_equal(dev->ops->set_receive_mode(dev), 0);
    assert_int_equal(model.rctl_writes, writes);
    netdev_up(dev);
    assert_true(receive_to(0x02, 0x55));
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_interrupt),
        TEST(test_no_interrupt_for_what_was_polled),
        TEST(test_late_frame),
        TEST(test_accesses_of_a_wake_up),
        TEST(test_frame_before_the_mask_opens),
        TEST(test_foreign_interrupt_before_the_mask_opens),
        TEST(test_link_before_the_mask_opens),
        TEST(test_interrupt_of_another_device),
        TEST(test_masked_causes),
        TEST(test_causes_of_before),
        TEST(test_invented_interrupts),
        TEST(test_lost_interrupt),
        TEST(test_interrupt_while_down),
        TEST(test_shared_line),
        TEST(test_link),
        TEST(test_link_before_a_report_is_asked_for),
        TEST(test_link_in_polled_mode),
        TEST(test_link_down_at_open),
        TEST(test_filters),
        TEST(test_receive_modes),
        TEST(test_receive_mode_while_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
