/* The virtio disk driver (dev/virtio_blk.c) against a model of the device: rows BLK-*, P-29, P-30, ST-4 and
 * V13-14 of the requirement table; and every way in which a device can fail a request.
 *
 * The device acts while the requesting thread sleeps: in host_sleep_hook. */
#include "virtq_device.h"

#include "dev/block.h"
#include "dev/virtio_blk.h"
#include "mm/kalloc.h"

extern void (*host_handshake_hook)(void);

const struct virtio_driver virtio_net_driver;

static struct model model;
static struct block_device *disk;
static int register_result;
static void *kept[64]; /* a disk's record stays for good: known here, so no leak */
static unsigned kept_count;

/* In place of dev/block.c. */
int block_register(struct block_device *registered)
{
    disk = register_result ? NULL : registered;
    return register_result;
}

/* --- the device's side: what it does with the next request --- */

static struct model_chain request; /* the last one taken */
static struct virtio_blk_header header;
static uint8_t status;    /* to answer with */
static uint32_t shortage; /* bytes by which the used length is too small */
static uint8_t media[4096];
static unsigned served;

static void serve(void)
{
    assert_true(model_take(&model, 0, &request));
    assert_int_equal(request.segments[0].length, 16);
    memcpy(&header, request.segments[0].data, sizeof(header));
    unsigned last = request.n_out + request.n_in - 1;
    assert_int_equal(request.segments[last].length, 1);
    if (header.type == VIRTIO_BLK_T_IN)
        memcpy(request.segments[1].data, media, request.segments[1].length);
    if (header.type == VIRTIO_BLK_T_OUT)
        memcpy(media, request.segments[1].data, request.segments[1].length);
    *request.segments[last].data = status;
    served++;
    model_complete(&model, 0, request.head, request.writable - shortage);
}

static int sleep_serving(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    serve();
    return 0;
}

static void probe(uint64_t features, unsigned queue_size)
{
    model_init(&model, VIRTIO_ID_BLOCK, features, queue_size);
    model.config[0] = 8; /* sectors */
    model.config[4] = 1; /* and 2^32 more */
    disk = NULL;
    if (virtio_attach(&model.device) == 0)
        kept[kept_count++] = model.device.context;
}

static int setup(void **state)
{
    (void)state;
    host_reset();
    register_result = 0;
    status = VIRTIO_BLK_S_OK;
    shortage = served = 0;
    memset(media, 0x5a, sizeof(media));
    probe(VIRTIO_BLK_F_FLUSH | VIRTIO_F_EVENT_IDX, 64);
    host_sleep_hook = sleep_serving;
    return 0;
}

static int transfer(bool write, uint64_t sector, void *data, uint32_t bytes)
{
    int result = disk->ops->transfer(disk, write, sector, data, bytes);
    assert_int_equal(host_locks_held(), 0);
    return result;
}

/* --- probing --- */

static void test_disk_is_described_by_its_configuration(void **state)
{
    (void)state;
    assert_int_equal(disk->sectors, (1ull << 32) + 8);
    assert_false(disk->read_only);
    assert_non_null(disk->ops->flush);
    assert_int_equal(model.status, 0xf);
    probe(VIRTIO_BLK_F_RO, 64);
    assert_true(disk->read_only); /* BLK-6 */
    assert_null(disk->ops->flush);
}

static void test_capacity_is_of_one_generation(void **state)
{
    (void)state;
    model.config_flips = 3;
    model.config[0] = 77;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG); /* V13-14 */
    assert_int_equal(disk->sectors, (1ull << 32) + 77);
    model.config_flips = MODEL_NEVER;
    model.config[0] = 78;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
    assert_int_equal(disk->sectors, (1ull << 32) + 77); /* what cannot be read is not used */
}

/* A device whose queue cannot hold one request fails before it is given memory. */
static void test_queue_too_small(void **state)
{
    (void)state;
    size_t pages = host_pages_used();
    probe(0, 2);
    assert_null(disk);
    assert_null(model.device.context);
    assert_int_equal(model.status & VIRTIO_STATUS_FAILED, VIRTIO_STATUS_FAILED);
    assert_false(model.queues[0].live);
    assert_int_equal(host_pages_used(), pages);
    assert_true(host_log_contains("queue of 2 entries, expected at least 3"));
}

static void test_no_memory(void **state)
{
    (void)state;
    size_t pages = host_pages_used();
    for (size_t limit = 0; limit < 3; limit++) {
        host_pages_limit(limit);
        probe(0, 64);
        assert_null(disk);
        assert_int_equal(host_pages_used(), pages);
    }
    host_pages_limit(HOST_NO_LIMIT);
}

static void test_no_room_in_the_table_of_disks(void **state)
{
    (void)state;
    size_t pages = host_pages_used();
    register_result = -ENOSPC;
    probe(0, 64);
    assert_int_equal(model.status, 0); /* reset before its memory is freed */
    assert_int_equal(host_pages_used(), pages);
}

/* --- requests --- */

static void test_read(void **state)
{
    (void)state;
    uint8_t data[1024] = {0};
    assert_int_equal(transfer(false, 0x123456789aull, data, sizeof(data)), 0);
    assert_int_equal(header.type, VIRTIO_BLK_T_IN);
    assert_int_equal(header.sector, 0x123456789aull);
    assert_int_equal(header.reserved, 0);
    assert_int_equal(request.n_out, 1);
    assert_int_equal(request.n_in, 2);
    assert_memory_equal(data, media, sizeof(data));
}

/* More requests than there are records, with either way of asking for interrupts. */
static void test_many_requests(void **state)
{
    (void)state;
    uint8_t data[512];
    for (int events = 0; events < 2; events++) {
        probe(events ? VIRTIO_F_EVENT_IDX : 0, 64);
        served = 0;
        for (unsigned n = 1; n <= 100; n++) {
            assert_int_equal(transfer(false, n, data, 512), 0);
            assert_int_equal(served, n);
        }
    }
}

static void test_write(void **state)
{
    (void)state;
    uint8_t data[512];
    memset(data, 0x77, sizeof(data));
    assert_int_equal(transfer(true, 7, data, sizeof(data)), 0);
    assert_int_equal(header.type, VIRTIO_BLK_T_OUT);
    assert_int_equal(header.sector, 7);
    assert_int_equal(request.n_out, 2);
    assert_int_equal(request.n_in, 1);
    assert_memory_equal(media, data, sizeof(data));
}

static void test_flush(void **state)
{
    (void)state;
    assert_int_equal(transfer(true, 7, media, 512), 0);
    assert_int_equal(disk->ops->flush(disk), 0);
    assert_int_equal(header.type, VIRTIO_BLK_T_FLUSH);
    assert_int_equal(header.sector, 0);                /* BLK-7 */
    assert_int_equal(request.n_out + request.n_in, 2); /* BLK-8 */
    status = VIRTIO_BLK_S_IOERR;
    assert_int_equal(disk->ops->flush(disk), -EIO);
}

static void test_errors_reach_the_caller(void **state)
{
    (void)state;
    static const struct {
        uint8_t status;
        int result;
    } cases[] = {{0, 0}, {1, -EIO}, {2, -EOPNOTSUPP}, {3, -EIO}, {0xff, -EIO}};
    uint8_t data[512];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        status = cases[i].status;
        assert_int_equal(transfer(false, 0, data, 512), cases[i].result);
        assert_int_equal(transfer(true, 0, data, 512), cases[i].result);
    }
    assert_false(host_log_contains("given up"));
}

/* SQ-17: a success of which the device has not written all bytes is none. */
static void test_short_answer_is_an_error(void **state)
{
    (void)state;
    uint8_t data[512];
    static const uint32_t shortages[] = {1, 2, 512, 513};
    for (size_t i = 0; i < ARRAY_SIZE(shortages); i++) {
        shortage = shortages[i];
        assert_int_equal(transfer(false, 0, data, 512), -EIO);
    }
    shortage = 0;
    assert_int_equal(transfer(false, 0, data, 512), 0);
}

/* A second thread's request, made while the first one waits; the device answers the second one first. */
static uint8_t first_data[512], second_data[512];
static struct model_chain first;

static void answer(const struct model_chain *chain, uint8_t fill)
{
    memset(chain->segments[1].data, fill, chain->segments[1].length);
    *chain->segments[2].data = VIRTIO_BLK_S_OK;
    model_complete(&model, 0, chain->head, chain->writable);
}

static int sleep_of_the_second(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    struct model_chain second;
    assert_true(model_take(&model, 0, &first));
    assert_true(model_take(&model, 0, &second));
    answer(&second, 2);
    answer(&first, 1);
    return 0;
}

static int sleep_of_the_first(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    host_sleep_hook = sleep_of_the_second;
    assert_int_equal(transfer(false, 2, second_data, 512), 0);
    return 0;
}

static void test_two_requests_finish_in_any_order(void **state)
{
    (void)state;
    host_sleep_hook = sleep_of_the_first;
    assert_int_equal(transfer(false, 1, first_data, 512), 0);
    for (unsigned i = 0; i < 512; i++)
        assert_true(first_data[i] == 1 && second_data[i] == 2);
}

/* A completion at the very moment at which the interrupt handler turns interrupts on again. */
static void complete_at_handshake(void)
{
    host_handshake_hook = NULL;
    model.hold_interrupts = true;
    serve();
    model.hold_interrupts = false;
}

static int sleep_with_race(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    host_handshake_hook = complete_at_handshake;
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
    host_handshake_hook = NULL;
    return 0;
}

static void test_completion_in_the_handlers_last_moment(void **state)
{
    (void)state;
    uint8_t data[512];
    /* Before it there was one, so the device's first-time interrupt is used up. */
    assert_int_equal(transfer(false, 0, data, 512), 0);
    model.queues[0].signalled_valid = true;
    host_sleep_hook = sleep_with_race;
    assert_int_equal(transfer(false, 0, data, 512), 0);
    assert_int_equal(served, 2);
}

static int sleep_with_stray_interrupts(struct waitq *queue, uint64_t deadline)
{
    for (int i = 0; i < 100; i++)
        model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
    return sleep_serving(queue, deadline);
}

static void test_stray_interrupts(void **state)
{
    (void)state;
    uint8_t data[512];
    host_sleep_hook = sleep_with_stray_interrupts;
    assert_int_equal(transfer(false, 0, data, 512), 0);
    assert_int_equal(served, 1);
}

/* The interrupt gets lost: the answer is found when the wait is over, late but whole. */
static int sleep_without_interrupt(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    model.hold_interrupts = true;
    serve();
    model.hold_interrupts = false;
    host_clock_advance(deadline - clock_ns());
    return -ETIMEDOUT;
}

static void test_lost_interrupt(void **state)
{
    (void)state;
    uint8_t data[512] = {0};
    host_sleep_hook = sleep_without_interrupt;
    assert_int_equal(transfer(false, 0, data, 512), 0);
    assert_memory_equal(data, media, 512);
    assert_true(host_log_contains("without an interrupt"));
    host_sleep_hook = sleep_serving;
    assert_int_equal(transfer(false, 0, data, 512), 0);
}

/* The thread's time is up, but before it runs again the interrupt handler has found the answer. */
static int sleep_answered_at_the_deadline(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    host_clock_advance(deadline - clock_ns());
    serve();
    return -ETIMEDOUT;
}

static void test_answer_at_the_deadline(void **state)
{
    (void)state;
    uint8_t data[512] = {0};
    host_sleep_hook = sleep_answered_at_the_deadline;
    assert_int_equal(transfer(false, 0, data, 512), 0);
    assert_memory_equal(data, media, 512);
    assert_false(host_log_contains("no answer"));
    host_sleep_hook = sleep_serving;
    assert_int_equal(transfer(false, 0, data, 512), 0);
}

/* --- devices that fail; each ends the waiting request, and the disk for good --- */

static void expect_dead(const char *reason)
{
    uint8_t data[512];
    size_t pages = host_pages_used();
    assert_int_equal(transfer(false, 0, data, 512), -EIO);
    assert_true(host_log_contains(reason));
    assert_true(host_log_contains("given up"));
    assert_int_equal(model.status, 0); /* ST-4, CL-2: reset before the request ended */
    assert_int_equal(host_pages_used(), pages);

    /* From now on errors come at once: no sleep, no access to the device. */
    unsigned sleeps = host_sleeps();
    model.trace_length = 0;
    model.trace[0] = 0;
    assert_int_equal(transfer(true, 0, data, 512), -EIO);
    assert_int_equal(disk->ops->flush(disk), -EIO);
    assert_int_equal(host_sleeps(), sleeps);
    assert_string_equal(model.trace, "");
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE); /* late ones do no harm */
}

static void test_no_answer(void **state)
{
    (void)state;
    host_sleep_hook = NULL; /* every sleep lasts until its deadline */
    uint64_t before = clock_ns();
    expect_dead("disk");
    assert_true(host_log_contains("no answer within 30 s"));
    assert_int_equal(clock_ns() - before, 30 * NS_PER_SEC);
}

static int sleep_with_bad_id(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    model_used_raw(&model, 0, 63, 0);
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
    return 0;
}

static void test_bad_id(void **state)
{
    (void)state;
    host_sleep_hook = sleep_with_bad_id;
    expect_dead("device returned buffer id 63");
}

/* The answer to a request that was answered already; a length beyond what there was room for. */
static int sleep_with_repetition(struct waitq *queue, uint64_t deadline)
{
    uint16_t head = request.head;
    (void)queue;
    (void)deadline;
    model_used_raw(&model, 0, head ? 0 : 3, 1); /* not the head of the one that is under way */
    model_interrupt(&model, VIRTIO_INTERRUPT_QUEUE);
    return 0;
}

static void test_answer_to_nobody(void **state)
{
    (void)state;
    uint8_t data[512];
    assert_int_equal(transfer(false, 0, data, 512), 0);
    assert_int_equal(request.head, 0); /* as will be the next one's */
    host_sleep_hook = sleep_with_repetition;
    expect_dead("expected one it holds");
}

static int sleep_with_long_answer(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    assert_true(model_take(&model, 0, &request));
    model_complete(&model, 0, request.head, request.writable + 1);
    return 0;
}

static void test_answer_longer_than_the_buffers(void **state)
{
    (void)state;
    host_sleep_hook = sleep_with_long_answer;
    expect_dead("written length 514, expected at most 513");
}

static int sleep_with_needs_reset(struct waitq *queue, uint64_t deadline)
{
    (void)queue;
    (void)deadline;
    model.status |= VIRTIO_STATUS_NEEDS_RESET;
    model_interrupt(&model, VIRTIO_INTERRUPT_CONFIG);
    return 0;
}

static void test_needs_reset_while_a_request_waits(void **state)
{
    (void)state;
    host_sleep_hook = sleep_with_needs_reset;
    expect_dead("the device asks for a reset");
}

static void test_needs_reset_while_idle(void **state)
{
    (void)state;
    sleep_with_needs_reset(NULL, NEVER);
    expect_dead("the device asks for a reset");
}

/* With one record, a second thread waits for it; the device fails both. */
static int sleep_of_both(struct waitq *queue, uint64_t deadline)
{
    uint8_t data[512];
    assert_int_not_equal(deadline, NEVER);
    host_sleep_hook = sleep_with_needs_reset;
    assert_int_equal(transfer(false, 2, data, 512), -EIO);
    (void)queue;
    return 0;
}

static void test_failure_also_ends_the_wait_for_a_record(void **state)
{
    (void)state;
    probe(VIRTIO_BLK_F_FLUSH, 4);
    host_sleep_hook = sleep_of_both;
    expect_dead("the device asks for a reset");
}

static void test_device_that_does_not_even_reset(void **state)
{
    (void)state;
    uint8_t data[512];
    host_sleep_hook = NULL;
    model.reset_reads = MODEL_NEVER;
    assert_int_equal(transfer(false, 0, data, 512), -EIO);
    assert_true(host_log_contains("reset not complete"));
    assert_int_equal(transfer(false, 0, data, 512), -EIO);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_disk_is_described_by_its_configuration),
        TEST(test_capacity_is_of_one_generation),
        TEST(test_queue_too_small),
        TEST(test_no_memory),
        TEST(test_no_room_in_the_table_of_disks),
        TEST(test_read),
        TEST(test_many_requests),
        TEST(test_write),
        TEST(test_flush),
        TEST(test_errors_reach_the_caller),
        TEST(test_short_answer_is_an_error),
        TEST(test_two_requests_finish_in_any_order),
        TEST(test_completion_in_the_handlers_last_moment),
        TEST(test_stray_interrupts),
        TEST(test_lost_interrupt),
        TEST(test_answer_at_the_deadline),
        TEST(test_no_answer),
        TEST(test_answer_to_nobody),
        TEST(test_answer_longer_than_the_buffers),
        TEST(test_bad_id),
        TEST(test_needs_reset_while_a_request_waits),
        TEST(test_needs_reset_while_idle),
        TEST(test_failure_also_ends_the_wait_for_a_record),
        TEST(test_device_that_does_not_even_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
