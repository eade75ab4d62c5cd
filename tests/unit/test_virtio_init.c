/* Initialisation and reset of a virtio device (virtio/virtio.c) against the recording model: rows
 * ST-*, FB-*, RS-1, CF-*, IN-* and RF-* of the requirement table, and the ways from a device to its
 * driver and from an interrupt to its handler. */
#include "virtq_device.h"

#include "virtio/virtq.h"

#define WHITELIST_NET (VIRTIO_FEATURE(5) | VIRTIO_FEATURE(16))

static struct model model;

/* Stand in for the drivers: they only record. */
static unsigned probes, queue_events, config_events;
static int probe_result;

static int probe(struct virtio_device *device)
{
    probes++;
    device->context = &model;
    return probe_result;
}

static void events_count(struct virtio_device *device, uint32_t events)
{
    assert_ptr_equal(device, &model.device);
    queue_events += (events & VIRTIO_INTERRUPT_QUEUE) != 0;
    config_events += (events & VIRTIO_INTERRUPT_CONFIG) != 0;
}

const struct virtio_driver virtio_blk_driver = {VIRTIO_ID_BLOCK, "block", probe, events_count};
const struct virtio_driver virtio_net_driver = {VIRTIO_ID_NET, "network", probe, events_count};

static int setup(void **state)
{
    (void)state;
    host_reset();
    model_init(&model, VIRTIO_ID_NET, WHITELIST_NET, 8);
    probes = queue_events = config_events = 0;
    probe_result = 0;
    return 0;
}

/* --- the steps of 3.1.1 --- */

static void test_steps_come_in_order(void **state)
{
    (void)state;
    model.offered |= VIRTIO_FEATURE(28); /* INDIRECT_DESC, which nobody asks for */
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    struct virtq *queue = virtq_create(&model.device, 0, 8);
    assert_int_equal(virtq_start(queue), 0);
    virtio_driver_ok(&model.device);
    assert_string_equal(model.trace, "status=0 ?0 ?0 status=1 ?1 status=3 offered accept=100010020 "
                                     "?3 status=b ?b start=0 ?b status=f ");
    virtq_destroy(queue);
}

static void test_only_the_whitelist_is_accepted(void **state)
{
    (void)state;
    model.offered = UINT64_MAX;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    uint64_t whitelist = WHITELIST_NET | VIRTIO_FEATURE(29) | VIRTIO_FEATURE(32) |
                         VIRTIO_FEATURE(33) | VIRTIO_FEATURE(36);
    assert_int_equal(model.accepted, whitelist);
    assert_int_equal(model.device.features, whitelist);
}

/* FB-3: each feature of the whitelist may be missing; the model fails the test if it is accepted
 * then. */
static void test_missing_features_are_done_without(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        if (bit == 32)
            continue;
        model.offered = ~VIRTIO_FEATURE(bit);
        assert_int_equal(virtio_negotiate(&model.device, UINT64_MAX), 0);
        assert_int_equal(model.device.features, model.offered);
    }
    model.offered = VIRTIO_F_VERSION_1;
    assert_int_equal(virtio_negotiate(&model.device, UINT64_MAX), 0);
    assert_int_equal(model.device.features, VIRTIO_F_VERSION_1);
}

static void test_device_without_version_1_is_refused(void **state)
{
    (void)state;
    model.offered = UINT64_MAX & ~VIRTIO_F_VERSION_1;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), -ENODEV);
    assert_int_equal(model.status & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
    assert_false(model_trace_contains(&model, "accept")); /* FB-4: nothing after the failure */
    assert_true(
        host_log_contains("model: VERSION_1 not among the offered features 0xfffffffeffffffff"));
}

static void test_refused_features_fail_the_device(void **state)
{
    (void)state;
    model.refuse_features = true;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), -EPROTO);
    assert_string_equal(model.trace, "status=0 ?0 ?0 status=1 ?1 status=3 offered accept=100010020 "
                                     "?3 status=b ?3 ?3 status=83 ");
    assert_true(
        host_log_contains("model: features 0x100010020 of the offered 0x100010020 refused"));
    /* ST-3: the next attempt begins with a reset. */
    model.trace_length = 0;
    model.refuse_features = false;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    assert_true(strncmp(model.trace, "status=0 ?0 ", 12) == 0);
}

/* --- reset --- */

/* The model fails the test if anything is written before the status has read 0. */
static void test_slow_reset_is_waited_for(void **state)
{
    (void)state;
    model.status = 0xf;
    model.reset_reads = 5;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    assert_true(strncmp(model.trace, "status=0 ?f ?f ?f ?f ?f ?0 ", 27) == 0);
}

static void test_reset_that_never_ends_is_given_up(void **state)
{
    (void)state;
    model.status = 0xf;
    model.reset_reads = MODEL_NEVER;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), -EIO);
    assert_false(model_trace_contains(&model, "status=1 "));
    assert_true(host_log_contains("model: reset not complete: status 0xf, expected 0"));
}

static void test_needs_reset_is_seen(void **state)
{
    (void)state;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    assert_false(virtio_needs_reset(&model.device));
    model.status |= VIRTIO_STATUS_NEEDS_RESET;
    assert_true(virtio_needs_reset(&model.device));
}

/* A status write keeps what the device itself has set (the model checks that no bit goes). */
static void test_status_bits_of_the_device_are_kept(void **state)
{
    (void)state;
    assert_int_equal(virtio_negotiate(&model.device, WHITELIST_NET), 0);
    model.status |= VIRTIO_STATUS_NEEDS_RESET;
    virtio_driver_ok(&model.device);
    virtio_fail(&model.device);
    assert_int_equal(model.status, 0xcf);
}

/* --- configuration space --- */

static void test_fields_are_read_at_their_width(void **state)
{
    (void)state;
    uint8_t bytes[6];
    uint16_t half;
    uint32_t words[2];
    for (unsigned i = 0; i < MODEL_CONFIG; i++)
        model.config[i] = (uint8_t)i;
    assert_int_equal(virtio_config_read(&model.device, 0, bytes, 1, 6), 0);
    assert_memory_equal(bytes, model.config, 6);
    assert_int_equal(virtio_config_read(&model.device, 6, &half, 2, 1), 0);
    assert_int_equal(half, 0x0706);
    assert_int_equal(virtio_config_read(&model.device, 8, words, 4, 2), 0);
    assert_int_equal(words[0], 0x0b0a0908);
    assert_int_equal(words[1], 0x0f0e0d0c);
    assert_string_equal(model.trace,
                        "generation r8@0 r8@1 r8@2 r8@3 r8@4 r8@5 generation "
                        "generation r16@6 generation generation r32@8 r32@12 generation ");
}

/* Every byte of the configuration goes up by one: a value made of two generations has unequal
 * bytes. */
static void config_increment(struct model *m)
{
    for (unsigned i = 0; i < MODEL_CONFIG; i++)
        m->config[i]++;
}

static void test_value_is_of_one_generation(void **state)
{
    (void)state;
    for (unsigned flips = 0; flips < 8; flips++) {
        uint32_t words[2];
        model.config_flips = flips;
        model.config_flip = config_increment;
        assert_int_equal(virtio_config_read(&model.device, 0, words, 4, 2), 0);
        assert_int_equal(words[0], words[1]);
        assert_int_equal(words[0] & 0xff, model.config[0]);
    }
}

static void test_configuration_that_never_stands_still(void **state)
{
    (void)state;
    uint32_t words[2];
    model.config_flips = MODEL_NEVER;
    assert_int_equal(virtio_config_read(&model.device, 0, words, 4, 2), -EIO);
    assert_true(host_log_contains("model: configuration at offset 0 changed"));
}

static void test_a_width_that_does_not_exist_is_a_bug(void **state)
{
    (void)state;
    uint64_t x;
    expect_assert_failure(virtio_config_read(&model.device, 0, &x, 8, 1));
}

/* --- drivers and interrupts --- */

static void test_device_finds_its_driver(void **state)
{
    (void)state;
    assert_int_equal(virtio_attach(&model.device), 0);
    assert_ptr_equal(model.device.driver, &virtio_net_driver);
    model.device.id = VIRTIO_ID_BLOCK;
    assert_int_equal(virtio_attach(&model.device), 0);
    assert_ptr_equal(model.device.driver, &virtio_blk_driver);
    assert_int_equal(probes, 2);
    assert_string_equal(host_log(), "");
}

static void test_device_without_driver_is_passed_over(void **state)
{
    (void)state;
    model.device.id = 16;
    assert_int_equal(virtio_attach(&model.device), -ENODEV);
    assert_int_equal(probes, 0);
    assert_string_equal(model.trace, "");
    assert_true(host_log_contains("model: no driver for device type 16"));
}

static void test_failed_probe_is_reported(void **state)
{
    (void)state;
    probe_result = -ENOMEM;
    assert_int_equal(virtio_attach(&model.device), -ENOMEM);
    assert_true(host_log_contains("model: network driver gives up, error -12"));
}

static void test_interrupts_reach_the_driver(void **state)
{
    (void)state;
    /* Before there is a driver, and thus a record: tolerated (SQ-16). */
    virtio_interrupt(&model.device, VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(queue_events + config_events, 0);
    assert_int_equal(virtio_attach(&model.device), 0);
    model.device.context = NULL;
    virtio_interrupt(&model.device, VIRTIO_INTERRUPT_QUEUE);
    assert_int_equal(queue_events, 0);
    model.device.context = &model;
    virtio_interrupt(&model.device, 0);
    assert_int_equal(queue_events + config_events, 0);
    virtio_interrupt(&model.device, VIRTIO_INTERRUPT_QUEUE);
    assert_int_equal(queue_events, 1);
    assert_int_equal(config_events, 0);
    virtio_interrupt(&model.device, VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(queue_events, 1);
    assert_int_equal(config_events, 1);
    virtio_interrupt(&model.device, VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG); /* PCI-37 */
    assert_int_equal(queue_events, 2);
    assert_int_equal(config_events, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_steps_come_in_order),
        TEST(test_only_the_whitelist_is_accepted),
        TEST(test_missing_features_are_done_without),
        TEST(test_device_without_version_1_is_refused),
        TEST(test_refused_features_fail_the_device),
        TEST(test_slow_reset_is_waited_for),
        TEST(test_reset_that_never_ends_is_given_up),
        TEST(test_needs_reset_is_seen),
        TEST(test_status_bits_of_the_device_are_kept),
        TEST(test_fields_are_read_at_their_width),
        TEST(test_value_is_of_one_generation),
        TEST(test_configuration_that_never_stands_still),
        TEST(test_a_width_that_does_not_exist_is_a_bug),
        TEST(test_device_finds_its_driver),
        TEST(test_device_without_driver_is_passed_over),
        TEST(test_failed_probe_is_reported),
        TEST(test_interrupts_reach_the_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
