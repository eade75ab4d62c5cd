/* The transport over memory-mapped registers (virtio/virtio_mmio.c) against slots written from virtio 1.2,
 * 4.2: rows MMIO-*, P-22 and P-23 of the requirement table. The slots fail the test at every access that is
 * forbidden. Rings are none of the transport's business, so there are none. */
#include "devices.h"

#include "arch/memlayout.h"
#include "virtio/virtio.h"
#include "virtio/virtio_mmio.h"

#define CONFIG_BYTES 16

/* One slot. Registers by their offset in 4.2.2, by number on purpose. */
struct slot {
    uint32_t magic, version, id;
    uint64_t offered, accepted;
    uint32_t device_sel, driver_sel, queue_sel;
    uint32_t status, reasons, acknowledged;
    struct {
        uint32_t max, size, ready;
        uint32_t address[6];
    } queues[2];
    unsigned doorbells[2];
    uint8_t config[CONFIG_BYTES];
    unsigned accesses, writes;
};

static struct slot slots[VIRTIO_MMIO_SLOTS];
static struct virtio_device *attached;
static unsigned probes, queue_events, config_events;

/* Stand in for the drivers: they only record. */
static int probe(struct virtio_device *device)
{
    probes++;
    attached = device;
    device->context = device;
    return 0;
}

static void events_count(struct virtio_device *device, uint32_t events)
{
    assert_ptr_equal(device, attached);
    queue_events += (events & VIRTIO_INTERRUPT_QUEUE) != 0;
    config_events += (events & VIRTIO_INTERRUPT_CONFIG) != 0;
}

const struct virtio_driver virtio_blk_driver = {VIRTIO_ID_BLOCK, "block", probe, events_count};
const struct virtio_driver virtio_net_driver = {VIRTIO_ID_NET, "network", probe, events_count};

/* --- the slots --- */

static void slot_lines(struct slot *slot)
{
    unsigned number = (unsigned)(slot - slots);
    host_wire_set(VIRTIO_MMIO_IRQ(number), 0, slot->reasons != 0);
}

static uint32_t slot_config(const struct slot *slot, unsigned offset, unsigned width)
{
    uint32_t value = 0;
    assert_true(offset + width <= CONFIG_BYTES);
    memcpy(&value, slot->config + offset, width);
    return value;
}

static uint32_t slot_read(void *model, unsigned offset, unsigned width)
{
    struct slot *slot = model;
    slot->accesses++;
    if (offset >= 0x100)
        return slot_config(slot, offset - 0x100, width);
    assert_int_equal(width, 4); /* MMIO-4 */
    switch (offset) {
    case 0x000:
        return slot->magic;
    case 0x004:
        return slot->version;
    case 0x008:
        return slot->id;
    case 0x010:
        assert_true(slot->device_sel <= 1); /* MMIO-12: after a reset it selects nonsense */
        return (uint32_t)(slot->offered >> 32 * slot->device_sel);
    case 0x034:
        return slot->queues[slot->queue_sel].max;
    case 0x044:
        return slot->queues[slot->queue_sel].ready;
    case 0x060:
        return slot->reasons;
    case 0x070:
        return slot->status;
    case 0x0fc:
        return 77;
    }
    fail_msg("read of offset 0x%x", offset); /* MMIO-1, MMIO-3 */
    return 0;
}

static void slot_write_queue(struct slot *slot, unsigned offset, uint32_t value)
{
    static const uint16_t addresses[6] = {0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4};
    unsigned index = slot->queue_sel;
    assert_true(index < 2);
    if (offset == 0x044) {
        for (unsigned i = 0; i < 6; i += 2)
            assert_int_not_equal(slot->queues[index].address[i], 0); /* P-22: all is set before */
        assert_int_not_equal(slot->queues[index].size, 0);
        assert_int_equal(value, 1);
        slot->queues[index].ready = 1;
        return;
    }
    assert_int_equal(slot->queues[index].ready, 0); /* MMIO-15 */
    if (offset == 0x038) {
        assert_true(value <= slot->queues[index].max); /* MMIO-14 */
        slot->queues[index].size = value;
        return;
    }
    for (unsigned i = 0; i < 6; i++) {
        if (addresses[i] == offset) {
            slot->queues[index].address[i] = value;
            return;
        }
    }
    fail_msg("write of 0x%x to offset 0x%x", value, offset); /* MMIO-1, MMIO-2 */
}

static void slot_write(void *model, unsigned offset, unsigned width, uint32_t value)
{
    struct slot *slot = model;
    slot->accesses++;
    slot->writes++;
    assert_int_equal(width, 4);
    switch (offset) {
    case 0x014:
        slot->device_sel = value;
        return;
    case 0x020:
        assert_true(slot->driver_sel <= 1); /* MMIO-13 */
        slot->accepted |= (uint64_t)value << 32 * slot->driver_sel;
        return;
    case 0x024:
        slot->driver_sel = value;
        return;
    case 0x030:
        slot->queue_sel = value;
        return;
    case 0x050:
        assert_true(value < 2);
        slot->doorbells[value]++;
        return;
    case 0x064:
        slot->acknowledged |= value;
        slot->reasons &= ~value;
        slot_lines(slot);
        return;
    case 0x070:
        slot->status = value;
        return;
    }
    slot_write_queue(slot, offset, value);
}

static int setup(void **state)
{
    (void)state;
    host_reset();
    host_devices_reset();
    attached = NULL;
    probes = queue_events = config_events = 0;
    for (unsigned n = 0; n < VIRTIO_MMIO_SLOTS; n++) {
        slots[n] =
            (struct slot){.magic = 0x74726976, .version = 2, .device_sel = 5, .driver_sel = 5};
        slots[n].queues[0].max = slots[n].queues[1].max = 1024;
        host_region_add(
            &(struct host_region){VIRTIO_MMIO(n), 0x200, &slots[n], slot_read, slot_write});
    }
    return 0;
}

/* A network device in slot 3, found. */
static struct slot *start(void)
{
    slots[3].id = VIRTIO_ID_NET;
    virtio_mmio_init();
    assert_non_null(attached);
    return &slots[3];
}

static void raise(struct slot *slot, uint32_t reasons)
{
    slot->reasons |= reasons;
    slot_lines(slot);
    host_interrupts_serve();
}

/* --- finding devices --- */

/* MMIO-10, MMIO-11, MMIO-26, MMIO-27: three reads, no write, not a word. */
static void test_empty_slots(void **state)
{
    (void)state;
    virtio_mmio_init();
    for (unsigned n = 0; n < VIRTIO_MMIO_SLOTS; n++) {
        assert_int_equal(slots[n].accesses, 3);
        assert_int_equal(slots[n].writes, 0);
    }
    assert_int_equal(probes, 0);
    assert_string_equal(host_log(), "");
}

/* MMIO-6, MMIO-7: one read, and the devices in other slots are found all the same. */
static void test_slot_with_another_magic(void **state)
{
    (void)state;
    slots[7].magic = 0x74726977;
    slots[7].id = VIRTIO_ID_NET;
    slots[0].id = VIRTIO_ID_BLOCK;
    virtio_mmio_init();
    assert_int_equal(slots[7].accesses, 1);
    assert_int_equal(probes, 1);
    assert_int_equal(attached->id, VIRTIO_ID_BLOCK);
    assert_true(host_log_contains("slot 7: magic 0x74726977, expected 0x74726976"));
}

/* MMIO-8, MMIO-9: only version 2 is driven; for the others the log says what was found. */
static void test_versions(void **state)
{
    (void)state;
    static const uint32_t versions[] = {0, 1, 3, 0xffffffff};
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        setup(NULL);
        slots[5].id = VIRTIO_ID_NET;
        slots[5].version = versions[i];
        virtio_mmio_init();
        assert_int_equal(probes, 0);
        assert_int_equal(slots[5].writes, 0);
        assert_true(host_log_contains("slot 5: device type 1 has version"));
        assert_int_equal(host_log_contains("force-legacy=false"), versions[i] == 1);
    }
}

static void test_all_slots_are_used(void **state)
{
    (void)state;
    for (unsigned n = 0; n < VIRTIO_MMIO_SLOTS; n++)
        slots[n].id = VIRTIO_ID_NET;
    virtio_mmio_init();
    assert_int_equal(probes, VIRTIO_MMIO_SLOTS);
}

static void test_no_interrupt(void **state)
{
    (void)state;
    host_irq_register_result = -EBUSY;
    slots[3].id = VIRTIO_ID_NET;
    virtio_mmio_init();
    assert_int_equal(probes, 0);
    assert_true(host_log_contains("slot 3: no interrupt"));
}

/* --- registers --- */

/* MMIO-12, MMIO-13: both halves, each behind its selector, which stand at nonsense before. */
static void test_features(void **state)
{
    (void)state;
    struct slot *slot = start();
    slot->offered = 0x123456789abcdef0ull;
    assert_int_equal(attached->transport->features_offered(attached), 0x123456789abcdef0ull);
    attached->transport->features_accept(attached, 0x1000000100000020ull);
    assert_int_equal(slot->accepted, 0x1000000100000020ull);
}

static void test_configuration(void **state)
{
    (void)state;
    struct slot *slot = start();
    for (unsigned i = 0; i < CONFIG_BYTES; i++)
        slot->config[i] = (uint8_t)(i + 1);
    assert_int_equal(attached->transport->config_read8(attached, 5), 6);
    assert_int_equal(attached->transport->config_read16(attached, 6), 0x0807);
    assert_int_equal(attached->transport->config_read32(attached, 8), 0x0c0b0a09);
    assert_int_equal(attached->transport->config_generation(attached), 77);
}

/* P-22: the slot checks the order; the addresses arrive in halves. */
static void test_queue_start(void **state)
{
    (void)state;
    struct slot *slot = start();
    slot->queues[1].max = 256;
    assert_int_equal(attached->transport->queue_size_max(attached, 1), 256);
    assert_int_equal(attached->transport->queue_start(attached, 1, 128, 0x1234567810ul,
                                                      0x2234567820ul, 0x3234567830ul),
                     0);
    static const uint32_t expected[6] = {0x34567810, 0x12, 0x34567820, 0x22, 0x34567830, 0x32};
    assert_memory_equal(slot->queues[1].address, expected, sizeof(expected));
    assert_int_equal(slot->queues[1].size, 128);
    assert_int_equal(slot->queues[1].ready, 1);
    assert_int_equal(slot->queues[0].ready, 0);
}

/* MMIO-15: the slot fails the test if anything of it is written. */
static void test_live_queue_is_left_alone(void **state)
{
    (void)state;
    struct slot *slot = start();
    slot->queues[0].ready = 1;
    assert_int_equal(attached->transport->queue_start(attached, 0, 8, 16, 16, 16), -EBUSY);
}

/* P-23 */
static void test_doorbells(void **state)
{
    (void)state;
    struct slot *slot = start();
    attached->transport->notify(attached, 1);
    attached->transport->notify(attached, 1);
    attached->transport->notify(attached, 0);
    assert_int_equal(slot->doorbells[0], 1);
    assert_int_equal(slot->doorbells[1], 2);
}

/* --- interrupts --- */

/* MMIO-19, MMIO-30, MMIO-32: what is shown is acknowledged, so the line drops, and passed on. */
static void test_interrupt_reasons(void **state)
{
    (void)state;
    for (uint32_t reasons = 1; reasons <= 3; reasons++) {
        setup(NULL);
        struct slot *slot = start();
        raise(slot, reasons);
        assert_int_equal(slot->acknowledged, reasons);
        assert_false(host_wire_is_up(VIRTIO_MMIO_IRQ(3)));
        assert_int_equal(queue_events, reasons & 1);
        assert_int_equal(config_events, reasons >> 1);
    }
}

/* MMIO-18, MMIO-20: bits that mean nothing are neither acted on nor acknowledged, and do not hang the
 * handler. */
static void test_undefined_reasons(void **state)
{
    (void)state;
    struct slot *slot = start();
    raise(slot, 0xfffffffc);
    assert_int_equal(queue_events + config_events, 0);
    assert_int_equal(slot->acknowledged, 0);
    setup(NULL);
    slot = start();
    raise(slot, 0xffffffff);
    assert_int_equal(queue_events, 1);
    assert_int_equal(config_events, 1);
    assert_int_equal(slot->acknowledged, 3);
}

/* QV-PLIC-3: the line was up for a moment, and nobody says why. */
static void test_interrupt_without_reason(void **state)
{
    (void)state;
    struct slot *slot = start();
    unsigned writes = slot->writes;
    host_wire_set(VIRTIO_MMIO_IRQ(3), 0, true);
    host_wire_set(VIRTIO_MMIO_IRQ(3), 0, false);
    assert_int_equal(host_interrupts_serve(), 1);
    assert_int_equal(queue_events + config_events, 0);
    assert_int_equal(slot->writes, writes);
}

/* The device interrupts while its driver has not taken it, or has given it up. */
static void test_interrupt_without_driver(void **state)
{
    (void)state;
    struct slot *slot = start();
    attached->context = NULL;
    raise(slot, 3);
    assert_int_equal(queue_events + config_events, 0);
    assert_int_equal(slot->acknowledged, 3);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty_slots),
        TEST(test_slot_with_another_magic),
        TEST(test_versions),
        TEST(test_all_slots_are_used),
        TEST(test_no_interrupt),
        TEST(test_features),
        TEST(test_configuration),
        TEST(test_queue_start),
        TEST(test_live_queue_is_left_alone),
        TEST(test_doorbells),
        TEST(test_interrupt_reasons),
        TEST(test_undefined_reasons),
        TEST(test_interrupt_without_reason),
        TEST(test_interrupt_without_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
