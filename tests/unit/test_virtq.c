/* The split virtqueue (virtio/virtq.c) against a model of the device: rows SQ-*, P-3 to P-7 and
 * CL-* of the requirement table, and what a hostile device may try. */
#include "virtq_device.h"

#include "virtio/virtq.h"

extern void (*host_handshake_hook)(void);

/* No driver is probed here. */
const struct virtio_driver virtio_blk_driver, virtio_net_driver;

static struct model model;
static struct virtq *queue;

static uint8_t memory[4096];   /* what segments point to */
static uint8_t tokens[100000]; /* &tokens[n] is the token of chain n */

/* Makes the device live with a queue of `wanted` entries of at most `max`. */
static void start(uint64_t features, unsigned max, unsigned wanted)
{
    host_reset();
    model_init(&model, VIRTIO_ID_NET, features, max);
    assert_int_equal(virtio_negotiate(&model.device, 0), 0);
    queue = virtq_create(&model.device, 0, wanted);
    assert_non_null(queue);
    assert_int_equal(virtq_start(queue), 0);
    virtio_driver_ok(&model.device);
}

static void start_flags(unsigned size) { start(0, 256, size); }
static void start_events(unsigned size) { start(VIRTIO_F_EVENT_IDX, 256, size); }

static int teardown(void **state)
{
    (void)state;
    host_handshake_hook = NULL;
    virtq_destroy(queue);
    queue = NULL;
    return 0;
}

/* Adds chain number n: n_out + n_in segments of 8 bytes each. */
static int add(unsigned n, unsigned n_out, unsigned n_in)
{
    struct virtq_segment segments[MODEL_SEGMENTS];
    for (unsigned i = 0; i < n_out + n_in; i++)
        segments[i] = (struct virtq_segment){memory + 8 * i, 8};
    /* Of the chains of one segment every second one. */
    if (n_out + n_in == 1 && n % 2)
        return n_out ? virtq_add_out(queue, segments->data, segments->length, &tokens[n])
                     : virtq_add_in(queue, segments->data, segments->length, &tokens[n]);
    return virtq_add(queue, segments, n_out, n_in, &tokens[n]);
}

static void add_and_kick(unsigned n, unsigned n_out, unsigned n_in)
{
    assert_int_equal(add(n, n_out, n_in), 0);
    virtq_kick(queue);
}

static struct model_chain take(void)
{
    struct model_chain chain;
    assert_true(model_take(&model, 0, &chain));
    return chain;
}

/* The next chain to come back is number n, with so many bytes written. */
static void expect_got(unsigned n, uint32_t bytes)
{
    void *token = NULL;
    uint32_t written = 0;
    assert_int_equal(virtq_get(queue, &token, &written), 1);
    assert_ptr_equal(token, &tokens[n]);
    assert_int_equal(written, bytes);
}

static void expect_none(int result)
{
    void *token = NULL;
    uint32_t written;
    assert_int_equal(virtq_get(queue, &token, &written), result);
    assert_null(token);
}

/* --- set-up --- */

static void test_size_is_the_largest_power_of_two_allowed(void **state)
{
    (void)state;
    static const struct {
        unsigned max, wanted, size;
    } cases[] = {{1024, 256, 256}, {256, 256, 256}, {255, 256, 128}, {6, 64, 4}, {1, 64, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        start(0, cases[i].max, cases[i].wanted);
        assert_int_equal(virtq_size(queue), cases[i].size);
        assert_int_equal(virtq_free_count(queue), cases[i].size);
        assert_int_equal(model.queues[0].size, cases[i].size);
        teardown(NULL);
    }
}

static void test_absent_queue_is_refused(void **state)
{
    (void)state;
    start_flags(4);
    model.queues[1].size_max = 0;
    assert_null(virtq_create(&model.device, 1, 4));
    assert_true(host_log_contains("queue 1 does not exist"));
}

static void test_without_memory_nothing_is_kept(void **state)
{
    (void)state;
    start_flags(4);
    size_t used = host_pages_used();
    for (size_t pages = 0; pages < 2; pages++) {
        host_pages_limit(pages);
        assert_null(virtq_create(&model.device, 1, 4));
        assert_int_equal(host_pages_used(), used);
    }
    host_pages_limit(HOST_NO_LIMIT);
}

/* The model checks alignment and zeroed indices; here the memory is dirty from an earlier life. */
static void test_start_again_after_reset_begins_at_zero(void **state)
{
    (void)state;
    start_flags(4);
    add_and_kick(0, 1, 0);
    model_complete(&model, 0, take().head, 0);
    model_used_flags(&model, 0, 0xffff);
    expect_got(0, 0);
    assert_int_equal(virtio_negotiate(&model.device, 0), 0);
    assert_int_equal(virtq_start(queue), 0);
    virtio_driver_ok(&model.device);
    expect_none(0);
    add_and_kick(1, 1, 0);
    assert_int_equal(model.queues[0].notifications, 1);
}

static void test_live_queue_is_not_started_twice(void **state)
{
    (void)state;
    start_flags(4);
    model.status = VIRTIO_STATUS_FEATURES_OK;
    assert_int_equal(virtq_start(queue), -EBUSY);
    assert_true(host_log_contains("queue 0 does not start"));
}

static void test_device_that_shrank_its_queue_is_refused(void **state)
{
    (void)state;
    start_flags(8);
    assert_int_equal(virtio_negotiate(&model.device, 0), 0);
    model.queues[0].size_max = 4;
    assert_int_equal(virtq_start(queue), -EINVAL);
}

/* --- adding and getting --- */

static void test_chain_reaches_the_device_as_described(void **state)
{
    (void)state;
    start_flags(8);
    struct virtq_segment segments[] = {{memory, 16}, {memory + 100, 512}, {memory + 700, 1}};
    assert_int_equal(virtq_add(queue, segments, 1, 2, &tokens[5]), 0);
    assert_int_equal(virtq_free_count(queue), 5);
    virtq_kick(queue);

    struct model_chain chain = take();
    assert_int_equal(chain.n_out, 1);
    assert_int_equal(chain.n_in, 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(chain.segments[i].data, segments[i].data);
        assert_int_equal(chain.segments[i].length, segments[i].length);
    }
    model_complete(&model, 0, chain.head, 513);
    expect_got(5, 513);
    expect_none(0);
    assert_int_equal(virtq_free_count(queue), 8);
}

static void test_nothing_is_visible_before_the_kick(void **state)
{
    (void)state;
    start_flags(8);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(add(n, 1, 0), 0);
    assert_int_equal(model_available(&model, 0), 0);
    assert_true(virtq_kick(queue));
    assert_int_equal(model_available(&model, 0), 3);
    assert_int_equal(model.queues[0].notifications, 1);
    assert_false(virtq_kick(queue)); /* nothing new, no doorbell */
    assert_int_equal(model.queues[0].notifications, 1);
}

static void test_full_ring_refuses_and_keeps_its_state(void **state)
{
    (void)state;
    start_flags(4);
    assert_int_equal(add(9, 3, 2), -ENOSPC); /* SQ-8: longer than the queue */
    assert_int_equal(add(0, 2, 1), 0);
    assert_int_equal(add(1, 1, 1), -ENOSPC);
    assert_int_equal(add(2, 0, 1), 0);
    assert_int_equal(add(3, 1, 0), -ENOSPC);
    assert_int_equal(virtq_free_count(queue), 0);
    virtq_kick(queue);
    struct model_chain first = take(), second = take();
    assert_int_equal(model_available(&model, 0), 0);
    model_complete(&model, 0, second.head, 8);
    expect_got(2, 8);
    assert_int_equal(add(4, 1, 0), 0);
    model_complete(&model, 0, first.head, 8);
    expect_got(0, 8);
    assert_int_equal(virtq_free_count(queue), 3);
}

static void test_chains_come_back_in_any_order(void **state)
{
    (void)state;
    static const unsigned order[] = {3, 0, 4, 1, 2};
    struct model_chain chains[5];
    start_flags(16);
    for (unsigned n = 0; n < 5; n++)
        add_and_kick(n, 1, n % 3);
    for (unsigned n = 0; n < 5; n++)
        chains[n] = take();
    for (unsigned i = 0; i < 5; i++)
        model_complete(&model, 0, chains[order[i]].head, chains[order[i]].writable);
    for (unsigned i = 0; i < 5; i++)
        expect_got(order[i], 8 * (order[i] % 3));
    assert_int_equal(virtq_free_count(queue), 16);
}

/* More than 65536 chains of different lengths, two out of order at a time: indices, descriptors and
 * events go through the wrap (P-6). Every chain must come back, once. */
static void run_through_the_wrap(void)
{
    for (unsigned n = 0; n < 70000; n += 2) {
        add_and_kick(n, 1 + n % 2, n % 3 == 0);
        add_and_kick(n + 1, 1, 1);
        struct model_chain first = take(), second = take();
        model_complete(&model, 0, second.head, 5);
        model_complete(&model, 0, first.head, 0);
        expect_got(n + 1, 5);
        expect_got(n, 0);
        expect_none(0);
    }
    assert_int_equal(virtq_free_count(queue), virtq_size(queue));
    assert_false(virtq_broken(queue));
}

static void test_indices_wrap(void **state)
{
    (void)state;
    start_flags(8);
    run_through_the_wrap();
    assert_int_equal(model.queues[0].notifications, 70000);
}

static void test_indices_wrap_with_event_index(void **state)
{
    (void)state;
    start_events(8);
    virtq_irq_enable(queue);
    run_through_the_wrap();
}

/* The device may write to descriptors and available ring; nothing is read back from there (SQ-17,
 * CL-1). */
static void test_scribbled_rings_do_not_matter(void **state)
{
    (void)state;
    start_flags(8);
    add_and_kick(0, 2, 1);
    add_and_kick(1, 1, 1);
    struct model_chain first = take(), second = take();
    model_scribble(&model, 0);
    model_complete(&model, 0, first.head, 8);
    expect_got(0, 8);
    model_complete(&model, 0, second.head, 8);
    expect_got(1, 8);
    for (unsigned n = 2; n < 20; n += 2) {
        add_and_kick(n, 3, 1);
        add_and_kick(n + 1, 2, 2);
        first = take(), second = take();
        model_complete(&model, 0, first.head, 8);
        model_complete(&model, 0, second.head, 8);
        expect_got(n, 8);
        expect_got(n + 1, 8);
    }
}

/* CL-1: what describes a chain stays as it is while the device has it, whatever comes and goes beside it. */
static void test_what_the_device_holds_is_not_touched(void **state)
{
    (void)state;
    uint8_t before[3 * 16];
    start_flags(8);
    add_and_kick(0, 2, 1);
    struct model_chain held = take();
    assert_int_equal(held.head, 0); /* and so descriptors 0 to 2 */
    memcpy(before, model.queues[0].descriptors, sizeof(before));
    for (unsigned n = 1; n < 1000; n++) {
        add_and_kick(n, 1 + n % 3, n % 2);
        model_complete(&model, 0, take().head, 0);
        expect_got(n, 0);
        assert_memory_equal(model.queues[0].descriptors, before, sizeof(before));
    }
    model_complete(&model, 0, held.head, 8);
    expect_got(0, 8);
}

/* --- doorbells --- */

static void test_doorbell_follows_used_flags(void **state)
{
    (void)state;
    start_flags(16);
    model_avail_event(&model, 0, 12345); /* SQ-20: means nothing without event index */
    add_and_kick(0, 1, 0);
    assert_int_equal(model.queues[0].notifications, 1); /* SQ-22 */
    model_used_flags(&model, 0, 1);
    add_and_kick(1, 1, 0);
    assert_int_equal(model.queues[0].notifications, 1); /* SQ-21 */
    model_used_flags(&model, 0, 0);
    add_and_kick(2, 1, 0);
    assert_int_equal(model.queues[0].notifications, 2);
}

/* Brings the indices to `index` by chains that come and go. */
static void wind_to(uint16_t index)
{
    while (model_avail_index(&model, 0) != index) {
        add_and_kick(0, 1, 0);
        model_complete(&model, 0, take().head, 0);
        expect_got(0, 0);
    }
}

/* SQ-23 to SQ-25, exhaustively around the wrap: a batch of `batch` chains that begins at index
 * `old` rings exactly if entry number avail_event is among them. */
static void test_doorbell_follows_avail_event(void **state)
{
    (void)state;
    for (unsigned batch = 1; batch <= 4; batch++) {
        for (int distance = -6; distance <= 6; distance++) {
            start_events(8);
            wind_to((uint16_t)(batch == 1 ? 100 : 65534));
            model_used_flags(&model, 0, 1); /* SQ-23: means nothing with event index */
            uint16_t old = model_avail_index(&model, 0);
            model_avail_event(&model, 0, (uint16_t)(old + distance));
            unsigned before = model.queues[0].notifications;
            for (unsigned n = 0; n < batch; n++)
                assert_int_equal(add(n, 1, 0), 0);
            bool wanted = distance >= 0 && distance < (int)batch;
            assert_int_equal(virtq_kick(queue), wanted);
            assert_int_equal(model.queues[0].notifications - before, wanted);
            teardown(NULL);
        }
    }
}

/* Race A of the handshake: the device goes to sleep, asking for a doorbell, just when a chain is
 * shown. By the time the driver looks, the index must be visible and the answer read afresh. */
static void device_asks_for_doorbell(void)
{
    assert_int_equal(model_available(&model, 0), 1);
    if (model_event_index(&model))
        model_avail_event(&model, 0, 0);
    else
        model_used_flags(&model, 0, 0);
}

/* A chain, added while the device does not ask for a doorbell. */
static void add_unasked(bool events)
{
    start(events ? VIRTIO_F_EVENT_IDX : 0, 8, 8);
    model_used_flags(&model, 0, 1);
    model_avail_event(&model, 0, 100);
    assert_int_equal(add(0, 1, 0), 0);
}

static void test_doorbell_wanted_in_the_last_moment(void **state)
{
    (void)state;
    for (int events = 0; events < 2; events++) {
        add_unasked(events);
        host_handshake_hook = device_asks_for_doorbell;
        assert_true(virtq_kick(queue));
        teardown(NULL);
    }
}

static void device_asks_late(struct model *device)
{
    (void)device;
    device_asks_for_doorbell();
}

/* The same under QEMU with one hart, where the fence does nothing: what the device has stored is sure to be
 * seen only behind the access to a register, so there is a look behind it. */
static void test_doorbell_wanted_behind_the_fence(void **state)
{
    (void)state;
    for (int events = 0; events < 2; events++) {
        add_unasked(events);
        model.at_status = device_asks_late;
        assert_true(virtq_kick(queue));
        teardown(NULL);
    }
}

/* --- interrupts --- */

/* n chains go round; returns how many interrupts the device raised for them. */
static unsigned interrupts_of(unsigned n)
{
    unsigned before = model.queues[0].interrupts;
    for (unsigned i = 0; i < n; i++) {
        add_and_kick(i, 1, 0);
        model_complete(&model, 0, take().head, 0);
        expect_got(i, 0);
    }
    return model.queues[0].interrupts - before;
}

static void test_interrupts_by_flags(void **state)
{
    (void)state;
    start_flags(8);
    assert_int_equal(model_avail_flags(&model, 0), 1); /* off from the start */
    assert_int_equal(interrupts_of(10), 0);
    assert_false(virtq_irq_enable(queue));
    assert_int_equal(model_avail_flags(&model, 0), 0);
    assert_int_equal(interrupts_of(10), 10);
    virtq_irq_disable(queue);
    assert_int_equal(interrupts_of(10), 0);
}

static void test_interrupts_by_event_index(void **state)
{
    (void)state;
    start_events(8);
    assert_int_equal(interrupts_of(1), 1); /* the device's first decision is always yes */
    assert_int_equal(interrupts_of(1000), 0);
    for (int i = 0; i < 3; i++) {
        assert_false(virtq_irq_enable(queue));
        assert_int_equal(interrupts_of(100), 1); /* the next one only, unless enabled again */
    }
    assert_false(virtq_irq_enable(queue));
    virtq_irq_disable(queue);
    assert_int_equal(interrupts_of(65000), 0);
    assert_int_equal(model_avail_flags(&model, 0), 0); /* SQ-14 */
}

/* The event asked for is the next entry that the driver takes, not where the device happens to be.
 */
static void test_event_is_the_next_entry_to_take(void **state)
{
    (void)state;
    start_events(8);
    for (unsigned n = 0; n < 3; n++)
        add_and_kick(n, 1, 0);
    for (unsigned n = 0; n < 3; n++)
        model_complete(&model, 0, take().head, 0);
    expect_got(0, 0);
    assert_true(virtq_irq_enable(queue)); /* two are done already */
    assert_int_equal(model_used_event(&model, 0), 1);
}

/* Race B: the device finishes a chain between the driver's last look and the enabling. */
static struct model_chain racing;

static void device_completes(void)
{
    host_handshake_hook = NULL;
    model_complete(&model, 0, racing.head, 0);
}

static void race_begin(bool events)
{
    start(events ? VIRTIO_F_EVENT_IDX : 0, 8, 8);
    add_and_kick(0, 1, 0);
    racing = take();
    expect_none(0);
}

static void race_is_reported(void)
{
    assert_true(virtq_irq_enable(queue));
    expect_got(0, 0);
    teardown(NULL);
}

static void test_completion_while_enabling_is_reported(void **state)
{
    (void)state;
    for (int events = 0; events < 2; events++) {
        race_begin(events);
        host_handshake_hook = device_completes;
        race_is_reported();
    }
}

static void device_completes_late(struct model *device)
{
    device->at_status = NULL;
    device_completes();
}

/* As test_doorbell_wanted_behind_the_fence. */
static void test_completion_behind_the_fence_is_reported(void **state)
{
    (void)state;
    for (int events = 0; events < 2; events++) {
        race_begin(events);
        model.at_status = device_completes_late;
        race_is_reported();
    }
}

/* --- a device that breaks the rules --- */

/* Two chains are out, of 2 and 1 descriptors; the device has taken both. */
static void two_outstanding(struct model_chain *first, struct model_chain *second)
{
    start_flags(8);
    add_and_kick(0, 1, 1);
    add_and_kick(1, 0, 1);
    *first = take();
    *second = take();
}

/* Whatever was wrong: the queue says so once, gives nothing more and takes nothing more, and after
 * a reset gives back each of the n chains that never came, and works again. */
static void expect_broken(const char *reason, unsigned n)
{
    expect_none(-EIO);
    assert_true(virtq_broken(queue));
    assert_true(host_log_contains(reason));
    size_t logged = strlen(host_log());
    expect_none(-EIO);
    assert_int_equal(strlen(host_log()), logged);
    assert_int_equal(add(9, 1, 0), -EIO);
    assert_false(virtq_kick(queue));
    assert_false(virtq_irq_enable(queue)); /* else a poll loop would spin on it */

    assert_int_equal(virtio_negotiate(&model.device, 0), 0);
    for (unsigned i = 0; i < n; i++) {
        uint8_t *token = virtq_reclaim(queue);
        assert_non_null(token);
        assert_true(token >= tokens && token < tokens + 2);
    }
    assert_null(virtq_reclaim(queue));
    assert_int_equal(virtq_start(queue), 0);
    virtio_driver_ok(&model.device);
    assert_false(virtq_broken(queue));
    assert_int_equal(interrupts_of(20), 0);
}

static void test_id_out_of_range(void **state)
{
    (void)state;
    static const uint32_t ids[] = {8, 255, 65536, 65537, UINT32_MAX};
    struct model_chain first, second;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        two_outstanding(&first, &second);
        model_used_raw(&model, 0, ids[i], 0);
        expect_broken("model: queue 0: device returned buffer id", 2);
        teardown(NULL);
    }
}

static void test_id_that_is_not_outstanding(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    model_used_raw(&model, 0, 7, 0);
    expect_broken("buffer id 7, expected one it holds, of 2", 2);
}

/* The second descriptor of a chain is no name for it. */
static void test_id_in_the_middle_of_a_chain(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    assert_int_equal(first.head, 0);
    assert_int_equal(second.head, 2);
    model_used_raw(&model, 0, 1, 0);
    expect_broken("buffer id 1, expected one it holds", 2);
}

static void test_double_completion(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    model_complete(&model, 0, first.head, 8);
    model_used_raw(&model, 0, first.head, 8);
    expect_got(0, 8);
    expect_broken("buffer id 0, expected one it holds, of 1", 1);
}

/* The id is in use again, but by a chain that the device has not been shown. */
static void test_double_completion_of_an_id_in_use_again(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    model_complete(&model, 0, first.head, 8);
    model_used_raw(&model, 0, first.head, 8);
    expect_got(0, 8);
    assert_int_equal(add(0, 1, 1), 0);
    expect_broken("buffer id 0, expected one it was shown, of 2", 2);
}

/* The device keeps one chain while 65535 others come and go. When that comes back, it is not one that the
 * device was never shown. */
static void test_chain_kept_through_the_wrap(void **state)
{
    (void)state;
    start_flags(8);
    add_and_kick(0, 1, 1);
    struct model_chain kept = take();
    for (unsigned n = 1; n < 65536; n++) {
        add_and_kick(n, 1, 1);
        struct model_chain chain = take();
        model_complete(&model, 0, chain.head, 8);
        expect_got(n, 8);
    }
    model_complete(&model, 0, kept.head, 8);
    expect_got(0, 8);
    assert_false(virtq_broken(queue));
}

static void test_length_beyond_what_was_writable(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    model_complete(&model, 0, second.head, 9);
    expect_broken("written length 9, expected at most 8", 2);
}

static void test_length_of_a_chain_with_nothing_writable(void **state)
{
    (void)state;
    start_flags(8);
    add_and_kick(0, 2, 0);
    model_complete(&model, 0, take().head, 1);
    expect_broken("written length 1, expected at most 0", 1);
}

static void test_invented_completions(void **state)
{
    (void)state;
    static const uint16_t counts[] = {3, 8, 100, 32768, 65535};
    struct model_chain first, second;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        two_outstanding(&first, &second);
        model_used_skip(&model, 0, counts[i]);
        expect_broken("expected at most 2", 2);
        teardown(NULL);
    }
}

static void test_completion_on_an_empty_queue(void **state)
{
    (void)state;
    start_flags(8);
    model_used_raw(&model, 0, 0, 0);
    expect_broken("expected at most 0", 0);
}

/* What was right before the wrong entry still counts. */
static void test_entries_before_a_bad_one_are_delivered(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    model_complete(&model, 0, second.head, 3);
    model_used_raw(&model, 0, 200, 0);
    expect_got(1, 3);
    expect_broken("buffer id 200, expected below 8", 1);
}

/* A chain added but not yet shown when the queue breaks stays unseen, and is reclaimed like the others. */
static void test_broken_queue_shows_nothing_more(void **state)
{
    (void)state;
    start_flags(8);
    add_and_kick(0, 1, 1);
    assert_int_equal(add(1, 1, 0), 0);
    model_used_raw(&model, 0, 200, 0);
    expect_none(-EIO);
    assert_false(virtq_kick(queue));
    assert_int_equal(model_avail_index(&model, 0), 1);
    expect_broken("buffer id 200, expected below 8", 2);
}

/* --- the rest --- */

static void test_reclaim_of_a_full_ring(void **state)
{
    (void)state;
    bool seen[16] = {false};
    start_flags(16);
    for (unsigned n = 0; n < 16; n++)
        add_and_kick(n, 1, 0);
    assert_int_equal(virtio_reset(&model.device), 0);
    for (unsigned n = 0; n < 16; n++) {
        uint8_t *token = virtq_reclaim(queue);
        assert_false(seen[token - tokens]);
        seen[token - tokens] = true;
    }
    assert_null(virtq_reclaim(queue));
    assert_int_equal(virtq_free_count(queue), 16);
}

static void test_misuse_by_the_driver_is_a_bug(void **state)
{
    (void)state;
    start_flags(8);
    struct virtq_segment segment = {memory, 8};
    expect_assert_failure(virtq_add(queue, &segment, 1, 0, NULL));
    expect_assert_failure(virtq_add(queue, &segment, 0, 0, &tokens[0]));
    expect_assert_failure(virtq_add_out(queue, segment.data, segment.length, NULL));
    expect_assert_failure(virtq_create(&model.device, 1, 3));
    add_and_kick(0, 1, 0);
    expect_assert_failure(virtq_start(queue));
}

static void test_dump_shows_what_is_outstanding(void **state)
{
    (void)state;
    struct model_chain first, second;
    two_outstanding(&first, &second);
    virtq_dump(queue);
    assert_true(host_log_contains("model queue 0: size 8, free 5"));
    assert_true(host_log_contains("available: added 2, published 2, flags 1"));
    assert_true(host_log_contains("chain 0: 2 descriptors, 8 bytes writable"));
    assert_true(host_log_contains("chain 2: 1 descriptors, 8 bytes writable"));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_size_is_the_largest_power_of_two_allowed),
        TEST(test_absent_queue_is_refused),
        TEST(test_without_memory_nothing_is_kept),
        TEST(test_start_again_after_reset_begins_at_zero),
        TEST(test_live_queue_is_not_started_twice),
        TEST(test_device_that_shrank_its_queue_is_refused),
        TEST(test_chain_reaches_the_device_as_described),
        TEST(test_nothing_is_visible_before_the_kick),
        TEST(test_full_ring_refuses_and_keeps_its_state),
        TEST(test_chains_come_back_in_any_order),
        TEST(test_indices_wrap),
        TEST(test_indices_wrap_with_event_index),
        TEST(test_scribbled_rings_do_not_matter),
        TEST(test_what_the_device_holds_is_not_touched),
        TEST(test_doorbell_follows_used_flags),
        TEST(test_doorbell_follows_avail_event),
        TEST(test_doorbell_wanted_in_the_last_moment),
        TEST(test_doorbell_wanted_behind_the_fence),
        TEST(test_interrupts_by_flags),
        TEST(test_interrupts_by_event_index),
        TEST(test_event_is_the_next_entry_to_take),
        TEST(test_completion_while_enabling_is_reported),
        TEST(test_completion_behind_the_fence_is_reported),
        TEST(test_id_out_of_range),
        TEST(test_id_that_is_not_outstanding),
        TEST(test_id_in_the_middle_of_a_chain),
        TEST(test_double_completion),
        TEST(test_double_completion_of_an_id_in_use_again),
        TEST(test_chain_kept_through_the_wrap),
        TEST(test_length_beyond_what_was_writable),
        TEST(test_length_of_a_chain_with_nothing_writable),
        TEST(test_invented_completions),
        TEST(test_completion_on_an_empty_queue),
        TEST(test_entries_before_a_bad_one_are_delivered),
        TEST(test_broken_queue_shows_nothing_more),
        TEST(test_reclaim_of_a_full_ring),
        TEST(test_misuse_by_the_driver_is_a_bug),
        TEST(test_dump_shows_what_is_outstanding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
