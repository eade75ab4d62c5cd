/* The PCI transport (virtio/virtio_pci.c) against a model of a device's structures, written from
 * virtio 1.2, 4.1: rows PCI-*, P-19 to P-21 and CF-5 of the requirement table. Rings are none of
 * the transport's business and are not played here; the bus under it is the real one. */
#include "host.h"

#include "dev/e1000.h"
#include "dev/pci.h"
#include "fs/file.h"
#include "pci_space.h"
#include "virtio/virtio.h"
#include "virtio/virtio_pci.h"

#define REGION 4 /* where QEMU's devices have their structures; QV-PCI-2 */
#define SIZE   0x4000u
#define ISR    0x1000u
#define DEVICE 0x2000u
#define NOTIFY 0x3000u
#define SOURCE 33 /* slot 1, pin A */
#define MSIX   0x11

#define COMMON_TYPE 1
#define NOTIFY_TYPE 2
#define ISR_TYPE    3
#define DEVICE_TYPE 4
#define CFG_TYPE    5

#define QUEUES 6 /* more than the transport has doorbells for */

/* The structures in region 4. What the driver writes is recorded, in order. */
struct structures {
    uintptr_t base;
    uint64_t offered, accepted;
    uint32_t feature_select[2]; /* the device's, the driver's */
    uint16_t queue, queue_count;
    struct {
        uint16_t size, enable, notify_off;
        uint32_t addresses[6];
    } queues[QUEUES + 1];
    uint8_t status, generation, isr;
    unsigned isr_reads;
    uint8_t config[16];
    uint32_t doorbell_offset; /* of the last doorbell rung */
    int doorbell_value;       /* -1: none */
    char trace[1024];
    size_t trace_length;
};

static struct pci_space space;
static struct structures device;
static struct pci_space_function *function;
static struct virtio_device *attached;
static unsigned queue_events, config_events, probes;
static int probe_result;

const struct pci_driver e1000_pci_driver = {.ids = &(const struct pci_id){0, 0}};
int device_register(unsigned major, const struct file_ops *ops)
{
    return major && ops ? 0 : -EINVAL;
}
const struct file_ops *device_ops(unsigned major) { return major ? NULL : NULL; }

/* --- stand in for the drivers --- */

static void *records[64]; /* a probed device's record stays for good: known here, so no leak */
static unsigned record_count;

static int probe(struct virtio_device *virtio)
{
    attached = records[record_count++] = virtio;
    probes++;
    if (probe_result == 0)
        virtio->context = &device;
    return probe_result;
}

static void events_count(struct virtio_device *virtio, uint32_t events)
{
    assert_ptr_equal(virtio, attached);
    queue_events += (events & VIRTIO_INTERRUPT_QUEUE) != 0;
    config_events += (events & VIRTIO_INTERRUPT_CONFIG) != 0;
}

const struct virtio_driver virtio_blk_driver = {VIRTIO_ID_BLOCK, "block", probe, events_count};
const struct virtio_driver virtio_net_driver = {VIRTIO_ID_NET, "network", probe, events_count};

/* --- the model --- */

static void trace(const char *word, uint32_t value)
{
    char text[32];
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(word);
    memcpy(text, word, n);
    text[n++] = '=';
    for (int shift = 28; shift >= 0; shift -= 4) {
        if (value >> shift || shift == 0)
            text[n++] = digits[value >> shift & 15];
    }
    text[n++] = ' ';
    assert_true(device.trace_length + n < sizeof(device.trace));
    memcpy(device.trace + device.trace_length, text, n);
    device.trace_length += n;
    device.trace[device.trace_length] = 0;
}

/* The registers of 4.1.4.3: offset, width of the field. */
static unsigned common_width(unsigned offset)
{
    if (offset < 0x10 || offset >= 0x20)
        return 4;
    return offset == 0x14 || offset == 0x15 ? 1 : 2;
}

static uint32_t common_read(unsigned offset)
{
    uint16_t queue = MIN(device.queue, QUEUES);
    switch (offset) {
    case 0x04:
        return device.feature_select[0] > 1
                   ? 0
                   : (uint32_t)(device.offered >> 32 * device.feature_select[0]);
    case 0x12:
        return device.queue_count;
    case 0x14:
        return device.status;
    case 0x15:
        return device.generation;
    case 0x18:
        return device.queues[queue].size;
    case 0x1c:
        return device.queues[queue].enable;
    case 0x1e:
        return device.queues[queue].notify_off;
    }
    fail_msg("read of the common structure at 0x%x", offset);
    return 0;
}

static void common_write(unsigned offset, uint32_t value)
{
    static const struct {
        unsigned offset;
        const char *name;
    } names[] = {{0x00, "dfsel"}, {0x08, "gfsel"}, {0x0c, "gf"},    {0x14, "status"},
                 {0x16, "queue"}, {0x18, "size"},  {0x1c, "enable"}};
    if (offset >= 0x20) { /* queue_desc, queue_driver, queue_device in halves */
        assert_false(device.queues[device.queue].enable);
        device.queues[device.queue].addresses[(offset - 0x20) / 4] = value;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].offset == offset)
            trace(names[i].name, value);
    }
    switch (offset) {
    case 0x00:
        device.feature_select[0] = value;
        return;
    case 0x08:
        device.feature_select[1] = value;
        return;
    case 0x0c:
        assert_true(device.feature_select[1] <= 1);
        device.accepted |= (uint64_t)value << 32 * device.feature_select[1];
        return;
    case 0x14:
        device.status = (uint8_t)value;
        return;
    case 0x16:
        device.queue = (uint16_t)value;
        return;
    case 0x18:
        assert_true(IS_POWER_OF_TWO(value)); /* PCI-17 */
        device.queues[device.queue].size = (uint16_t)value;
        return;
    case 0x1c:
        assert_int_equal(value, 1); /* PCI-20 */
        device.queues[device.queue].enable = 1;
        return;
    }
    /* PCI-15, MSI-X vectors. */
    fail_msg("write of 0x%x to the common structure at 0x%x", value, offset);
}

static uint32_t structures_read(void *model, unsigned offset, unsigned width)
{
    (void)model;
    if (offset < ISR) {
        assert_int_equal(width, common_width(offset)); /* PCI-5 */
        return common_read(offset);
    }
    if (offset == ISR) {
        uint8_t isr = device.isr;
        assert_int_equal(width, 1);
        device.isr_reads++;
        device.isr = 0;
        host_wire_set(SOURCE, 0, false);
        return isr;
    }
    assert_true(offset >= DEVICE && offset + width <= DEVICE + sizeof(device.config));
    uint32_t value = 0;
    memcpy(&value, device.config + (offset - DEVICE), width);
    return value;
}

static void structures_write(void *model, unsigned offset, unsigned width, uint32_t value)
{
    (void)model;
    if (offset < ISR) {
        assert_int_equal(width, common_width(offset));
        common_write(offset, value);
        return;
    }
    assert_true(offset >= NOTIFY);
    assert_int_equal(width, 2);
    device.doorbell_offset = offset - NOTIFY;
    device.doorbell_value = (int)value;
}

static void interrupt(uint8_t isr)
{
    device.isr |= isr;
    host_wire_set(SOURCE, 0, true);
    host_interrupts_serve();
}

/* --- configuration space --- */

/* A virtio structure's capability (4.1.4) at `at`: cfg_type, bar, offset and length of the
 * structure. */
static void structure_add(unsigned at, uint8_t type, uint8_t region, uint32_t offset,
                          uint32_t length, uint32_t multiplier)
{
    uint8_t body[18] = {type == NOTIFY_TYPE ? 20 : 16, type, region};
    for (unsigned i = 0; i < 4; i++) {
        body[6 + i] = (uint8_t)(offset >> 8 * i);
        body[10 + i] = (uint8_t)(length >> 8 * i);
        body[14 + i] = (uint8_t)(multiplier >> 8 * i);
    }
    pci_space_capability(function, at, 0x09, body, 20);
}

/* The four structures as QEMU has them. */
static void structures_add(void)
{
    structure_add(0x40, COMMON_TYPE, REGION, 0, 0x1000, 0);
    structure_add(0x54, ISR_TYPE, REGION, ISR, 0x1000, 0);
    structure_add(0x68, DEVICE_TYPE, REGION, DEVICE, sizeof(device.config), 0);
    structure_add(0x7c, NOTIFY_TYPE, REGION, NOTIFY, 0x1000, 4);
}

static void function_add(uint16_t id, uint8_t revision)
{
    function = pci_space_add(&space, 1, 0, 0x1af4, id, 0x02000000u | revision);
    pci_space_region(function, 0, 32, 1);
    pci_space_region(function, 1, 0x1000, 0);
    pci_space_region(function, REGION, SIZE, 0xc);
}

static int setup(void **state)
{
    (void)state;
    host_reset();
    host_devices_reset();
    pci_space_init(&space);
    device = (struct structures){
        .offered = VIRTIO_F_VERSION_1, .queue_count = QUEUES, .doorbell_value = -1};
    for (uint16_t i = 0; i < QUEUES; i++) {
        device.queues[i].size = 256;
        device.queues[i].notify_off = i;
    }
    attached = NULL;
    queue_events = config_events = probes = 0;
    probe_result = 0;
    function_add(0x1041, 1);
    return 0;
}

/* Scans the bus. The window's first 4 KiB are region 1, so region 4 begins at its own size. */
static void scan(void)
{
    struct host_region region = {0x40000000ul + SIZE, SIZE, &device, structures_read,
                                 structures_write};
    host_region_add(&region);
    pci_init();
}

static void start(void)
{
    structures_add();
    scan();
    assert_non_null(attached);
}

/* --- discovery --- */

static void test_modern_ids(void **state)
{
    (void)state;
    start();
    assert_int_equal(attached->id, VIRTIO_ID_NET);
    assert_ptr_equal(attached->driver, &virtio_net_driver);
    assert_string_equal(attached->name, "virtio-pci 01.0");
    assert_int_equal(PCI_SPACE_COMMAND(function) & 0x7, 0x6);
    assert_int_equal(function->command_writes, 2); /* PCI-14: off while sizing, on for the driver */
    setup(state);
    function_add(0x1042, 0xff); /* PCI-3 */
    start();
    assert_int_equal(attached->id, VIRTIO_ID_BLOCK);
    assert_ptr_equal(attached->driver, &virtio_blk_driver);
}

/* PCI-2, PCI-3: transitional devices are driven by their modern half, whatever the revision. */
static void test_transitional_ids(void **state)
{
    (void)state;
    function_add(0x1001, 0x7f);
    start();
    assert_int_equal(attached->id, VIRTIO_ID_BLOCK);
    setup(state);
    function_add(0x1000, 0);
    start();
    assert_int_equal(attached->id, VIRTIO_ID_NET);
}

static void test_other_ids(void **state)
{
    (void)state;
    function_add(0x1044, 1); /* entropy */
    structures_add();
    scan();
    assert_int_equal(probes, 0);
    assert_true(host_log_contains("no driver for 1af4:1044"));
}

/* P-31: no virtio capability at all. */
static void test_legacy_device(void **state)
{
    (void)state;
    function_add(0x1000, 0);
    scan();
    assert_int_equal(probes, 0);
    assert_true(host_log_contains("no structure for common configuration, doorbells, interrupts, "
                                  "device configuration: a legacy device?"));
    assert_int_equal(PCI_SPACE_COMMAND(function) & 0x7, 0);
}

static void test_each_structure_is_needed(void **state)
{
    (void)state;
    for (uint8_t missing = COMMON_TYPE; missing <= DEVICE_TYPE; missing++) {
        setup(NULL);
        structures_add();
        for (unsigned at = 0x40; at <= 0x7c; at += 0x14) {
            if (function->bytes[at + 3] == missing)
                function->bytes[at + 3] = CFG_TYPE;
        }
        scan();
        assert_int_equal(probes, 0);
    }
}

/* PCI-7 to PCI-13: what is passed over. Capabilities are put in front, so these are met first. */
static void test_useless_structures_are_passed_over(void **state)
{
    (void)state;
    structures_add();
    structure_add(0x90, COMMON_TYPE, 6, 0, 0x1000, 0);             /* no such region */
    structure_add(0xa4, COMMON_TYPE, 2, 0, 0x1000, 0);             /* not there */
    structure_add(0xb8, COMMON_TYPE, 0, 0, 0x1000, 0);             /* ports */
    structure_add(0xcc, COMMON_TYPE, REGION, 0x1800, 0x37, 0);     /* too short */
    structure_add(0xe0, COMMON_TYPE, REGION, SIZE - 4, 0x1000, 0); /* ends too early */
    scan();
    assert_int_equal(probes, 1);
    attached->transport->status_set(attached, 1);
    assert_int_equal(device.status, 1);
}

/* 4.1.4.3, 4.1.4.4, 4.1.4.6: where no aligned access reaches the fields; the host fails the test at any
 * other. Capabilities at the odd offset are met first, and the ones behind them count. */
static void test_misaligned_structures_are_passed_over(void **state)
{
    (void)state;
    structures_add();
    structure_add(0x90, COMMON_TYPE, REGION, 2, 0x1000, 0);
    structure_add(0xa4, NOTIFY_TYPE, REGION, NOTIFY + 1, 0x100, 4);
    structure_add(0xb8, DEVICE_TYPE, REGION, DEVICE + 1, 16, 0);
    scan();
    assert_int_equal(probes, 1);
    assert_int_equal(virtio_negotiate(attached, 0), 0);
    assert_int_equal(attached->transport->queue_start(attached, 1, 8, 0, 0, 0), 0);
    attached->transport->notify(attached, 1);
    assert_int_equal(device.doorbell_offset, 4);
    uint32_t word;
    assert_int_equal(virtio_config_read(attached, 0, &word, 4, 1), 0);
}

static void test_reserved_types(void **state)
{
    (void)state;
    structures_add();
    structure_add(0x90, 0, REGION, 0, 0x1000, 0);
    structure_add(0xa4, 6, REGION, 0, 0x1000, 0);
    structure_add(0xb8, 0x55, REGION, 0, 0x1000, 0);
    pci_space_capability(function, 0xcc, MSIX, "\0\0\0\0\0\0\0\0\0\0", 12);
    scan();
    assert_int_equal(probes, 1);
}

/* PCI-8: the first usable instance counts. */
static void test_first_instance(void **state)
{
    (void)state;
    structure_add(0x90, ISR_TYPE, REGION, 0x1800, 1, 0); /* a trap: last in the list */
    structures_add();
    scan();
    interrupt(1);
    assert_int_equal(device.isr_reads, 1);
}

/* PCI-9, PCI-12: longer than documented, longer than the region. */
static void test_lengths(void **state)
{
    (void)state;
    structures_add();
    function->bytes[0x40 + 2] = 0x40;
    pci_space_put(function, 0x40 + 12, 4, 0x10000000);
    pci_space_put(function, 0x68 + 12, 4, 0xffffffff);
    scan();
    assert_int_equal(probes, 1);
    assert_int_equal(attached->config_size, SIZE - DEVICE);
}

static void test_probe_fails(void **state)
{
    (void)state;
    probe_result = -EIO;
    structures_add();
    scan();
    assert_int_equal(PCI_SPACE_COMMAND(function), 0x0400);
    interrupt(3); /* the handler is still there, for others on the line */
    assert_int_equal(queue_events, 0);
}

static void test_no_interrupt(void **state)
{
    (void)state;
    structures_add();
    function->bytes[0x3d] = 0;
    scan();
    assert_int_equal(probes, 0);
    assert_true(host_log_contains("virtio-pci driver gives up"));
}

/* --- operations --- */

static void test_features(void **state)
{
    (void)state;
    device.offered = 0x123456789abcdef0;
    start();
    assert_true(attached->transport->features_offered(attached) == device.offered);
    attached->transport->features_accept(attached, 0x1000000080000020);
    assert_true(device.accepted == 0x1000000080000020);
    assert_string_equal(device.trace, "dfsel=0 dfsel=1 gfsel=0 gf=80000020 gfsel=1 gf=10000000 ");
}

/* 3.1.1 through this transport. */
static void test_initialisation(void **state)
{
    (void)state;
    start();
    assert_int_equal(virtio_negotiate(attached, 0), 0);
    virtio_driver_ok(attached);
    assert_string_equal(device.trace,
                        "status=0 status=1 status=3 dfsel=0 dfsel=1 gfsel=0 gf=0 gfsel=1 gf=1 "
                        "status=b status=f ");
}

static void test_configuration(void **state)
{
    (void)state;
    uint8_t bytes[6];
    uint16_t half;
    uint32_t words[2];
    for (uint8_t i = 0; i < sizeof(device.config); i++)
        device.config[i] = (uint8_t)(0x10 + i);
    start();
    assert_int_equal(virtio_config_read(attached, 0, bytes, 1, 6), 0);
    assert_memory_equal(bytes, device.config, 6);
    assert_int_equal(virtio_config_read(attached, 6, &half, 2, 1), 0);
    assert_int_equal(half, 0x1716);
    assert_int_equal(virtio_config_read(attached, 8, words, 4, 2), 0);
    assert_int_equal(words[1], 0x1f1e1d1c);
}

/* CF-5: exactly fitting is enough, one byte less is an error, and nobody reads beyond. */
static void test_configuration_too_short(void **state)
{
    (void)state;
    uint32_t words[2];
    structures_add();
    pci_space_put(function, 0x68 + 12, 4, 7);
    scan();
    assert_int_equal(virtio_config_read(attached, 0, words, 4, 2), -EIO);
    assert_true(host_log_contains("configuration of 7 bytes, expected at least 8"));
    assert_int_equal(virtio_config_read(attached, 0, words, 4, 1), 0);
}

static void test_queue_size(void **state)
{
    (void)state;
    device.queues[1].size = 0;
    start();
    assert_int_equal(attached->transport->queue_size_max(attached, 0), 256);
    assert_int_equal(attached->transport->queue_size_max(attached, 1), 0); /* P-21: absent */
    assert_int_equal(attached->transport->queue_size_max(attached, 3), 256);
    assert_int_equal(attached->transport->queue_size_max(attached, 4), 0);
    assert_int_equal(attached->transport->queue_size_max(attached, QUEUES), 0);
    assert_int_equal(attached->transport->queue_size_max(attached, 70000), 0);
    device.queue_count = 2;
    assert_int_equal(attached->transport->queue_size_max(attached, 2), 0);
}

/* PCI-5, PCI-18: addresses in halves, and everything before the enable. */
static void test_queue_start(void **state)
{
    (void)state;
    start();
    assert_int_equal(
        attached->transport->queue_start(attached, 2, 64, 0x123456000, 0x223456000, 0x323456000),
        0);
    assert_string_equal(device.trace, "queue=2 size=40 enable=1 ");
    static const uint32_t expected[] = {0x23456000, 1, 0x23456000, 2, 0x23456000, 3};
    assert_memory_equal(device.queues[2].addresses, expected, sizeof(expected));
    assert_int_equal(attached->transport->queue_start(attached, 2, 64, 0, 0, 0), -EBUSY);
}

/* P-19: each queue's doorbell is where its offset times the multiplier leads, and gets the queue's
 * index. */
static void test_doorbells(void **state)
{
    (void)state;
    static const uint32_t multipliers[] = {0, 2, 4, 0x100};
    for (size_t i = 0; i < ARRAY_SIZE(multipliers); i++) {
        setup(NULL);
        structures_add();
        pci_space_put(function, 0x7c + 16, 4, multipliers[i]);
        device.queues[1].notify_off = 7;
        scan();
        assert_int_equal(attached->transport->queue_start(attached, 1, 8, 0, 0, 0), 0);
        attached->transport->notify(attached, 1);
        assert_int_equal(device.doorbell_offset, 7 * multipliers[i]);
        assert_int_equal(device.doorbell_value, 1);
    }
}

/* A doorbell outside its structure is not rung, and not enabled for. */
static void test_doorbell_outside(void **state)
{
    (void)state;
    start();
    device.queues[0].notify_off = 0x400;
    assert_int_equal(attached->transport->queue_start(attached, 0, 8, 0, 0, 0), -EINVAL);
    assert_int_equal(device.queues[0].enable, 0);
    assert_true(host_log_contains("doorbell of queue 0 misaligned or outside the 0x1000 bytes"));
    device.queues[0].notify_off = 0x3ff;
    assert_int_equal(attached->transport->queue_start(attached, 0, 8, 0, 0, 0), 0);
}

/* Nor one at an odd address, where a multiplier that is odd would put it. */
static void test_doorbell_misaligned(void **state)
{
    (void)state;
    structures_add();
    pci_space_put(function, 0x7c + 16, 4, 3);
    scan();
    assert_int_equal(attached->transport->queue_start(attached, 1, 8, 0, 0, 0), -EINVAL);
    assert_int_equal(device.queues[1].enable, 0);
    assert_int_equal(attached->transport->queue_start(attached, 2, 8, 0, 0, 0), 0);
    attached->transport->notify(attached, 2);
    assert_int_equal(device.doorbell_offset, 6);
}

/* --- interrupts --- */

/* P-20, PCI-37: one read, both reasons. */
static void test_interrupt_reasons(void **state)
{
    (void)state;
    start();
    interrupt(1);
    assert_int_equal(queue_events, 1);
    assert_int_equal(config_events, 0);
    interrupt(2);
    assert_int_equal(config_events, 1);
    interrupt(3);
    assert_int_equal(queue_events, 2);
    assert_int_equal(config_events, 2);
    assert_int_equal(device.isr_reads, 3);
    assert_false(host_wire_is_up(SOURCE));
}

/* E1K-PCI-10, QV-PCI-5: another device's interrupt on the same line. */
static void test_interrupt_of_another_device(void **state)
{
    (void)state;
    start();
    host_wire_set(SOURCE, 5, true);
    host_interrupts_serve();
    assert_int_equal(device.isr_reads, 1);
    assert_int_equal(queue_events + config_events, 0);
    interrupt(1); /* while the other one keeps the line up */
    assert_int_equal(queue_events, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_modern_ids, setup),
        cmocka_unit_test_setup(test_transitional_ids, setup),
        cmocka_unit_test_setup(test_other_ids, setup),
        cmocka_unit_test_setup(test_legacy_device, setup),
        cmocka_unit_test_setup(test_each_structure_is_needed, setup),
        cmocka_unit_test_setup(test_useless_structures_are_passed_over, setup),
        cmocka_unit_test_setup(test_misaligned_structures_are_passed_over, setup),
        cmocka_unit_test_setup(test_reserved_types, setup),
        cmocka_unit_test_setup(test_first_instance, setup),
        cmocka_unit_test_setup(test_lengths, setup),
        cmocka_unit_test_setup(test_probe_fails, setup),
        cmocka_unit_test_setup(test_no_interrupt, setup),
        cmocka_unit_test_setup(test_features, setup),
        cmocka_unit_test_setup(test_initialisation, setup),
        cmocka_unit_test_setup(test_configuration, setup),
        cmocka_unit_test_setup(test_configuration_too_short, setup),
        cmocka_unit_test_setup(test_queue_size, setup),
        cmocka_unit_test_setup(test_queue_start, setup),
        cmocka_unit_test_setup(test_doorbells, setup),
        cmocka_unit_test_setup(test_doorbell_outside, setup),
        cmocka_unit_test_setup(test_doorbell_misaligned, setup),
        cmocka_unit_test_setup(test_interrupt_reasons, setup),
        cmocka_unit_test_setup(test_interrupt_of_another_device, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
