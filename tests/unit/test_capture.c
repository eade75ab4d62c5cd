/* net/capture.c: copies of frames for programs, bounded and counted, that cost the frames themselves nothing.
 */
#include "socket_fixture.h"

#include "net/capture.h"
#include "net/wire.h"

static struct file *files[16];
static unsigned file_count;

static int setup(void **state)
{
    fixture_setup(state);
    file_count = 0;
    return 0;
}

static void listener_end(struct file *file)
{
    for (unsigned i = 0; i < file_count; i++) {
        if (files[i] == file)
            files[i] = files[--file_count];
    }
    file_release(file);
}

static int teardown(void **state)
{
    size_t pages = host_pages_used();
    unsigned open = file_count;
    while (file_count > 0)
        listener_end(files[0]);
    assert_int_equal(host_pages_used(), pages - open * PACKET_QUEUE_MAX / 2);
    assert_int_equal(capture_listeners, 0);
    return fixture_teardown(state);
}

static struct file *listen_on(int interface)
{
    struct file *file;
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, interface, &file), 0);
    return files[file_count++] = file;
}

static struct {
    struct packet_record record;
    uint8_t bytes[PACKET_BYTES_MAX];
} got;

static ssize_t take(struct file *file)
{
    struct uio uio = host_uio(&got, sizeof(got));
    memset(&got, 0xee, sizeof(got));
    return file->ops->read(file, &uio);
}

static const uint8_t sender[] = {2, 0, 0, 0, 0, 9};

static void frame_comes(uint8_t mark, size_t n)
{
    struct frame frame = {.length = 0};
    frame_ether(&frame, eth.dev.mac, sender, 0x9999);
    frame_data(&frame, mark, n - frame.length);
    fakenet_receive(&eth, frame.bytes, n);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    frame_comes(1, 60);
    assert_int_equal(counter(NET_capture_copied), 0);
    struct file *file = listen_on(0);
    assert_int_equal(take(file), -EAGAIN); /* only what comes from now on */
}

static void test_received_frame(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    host_clock_set(5 * NS_PER_SEC);
    assert_int_equal(file->ops->poll(file, NULL), 0);
    frame_comes(7, 60);
    assert_int_equal(file->ops->poll(file, NULL), POLLIN);
    assert_int_equal(take(file), sizeof(got.record) + 60);
    assert_int_equal(got.record.time_ns, 5 * NS_PER_SEC);
    assert_int_equal(got.record.length, 60);
    assert_int_equal(got.record.captured, 60);
    assert_int_equal(got.record.interface, eth.dev.index);
    assert_int_equal(got.record.direction, PACKET_RECEIVED);
    assert_int_equal(got.record.loopback, 0);
    assert_memory_equal(got.bytes, eth.dev.mac, 6);
    assert_int_equal(got.bytes[14], 7);
    assert_int_equal(COUNTER(ether_unknown_type), 1); /* and it went its way */
    assert_int_equal(take(file), -EAGAIN);
}

static void test_sent_frame(void **state)
{
    (void)state;
    struct file *file = listen_on(eth.dev.index);
    assert_int_equal(send_to(udp_socket(), "hello", 5, PEER_ADDRESS, 9), 5);
    assert_int_equal(take(file), sizeof(got.record) + 14 + 20 + 8 + 5);
    assert_int_equal(got.record.direction, PACKET_SENT);
    assert_int_equal(eth.frame_count, 1);
    assert_memory_equal(got.bytes, eth.frames[0].bytes, eth.frames[0].length);
}

/* A checksum that is left to the device is right in the copy, and the frame's is still to be made. */
static void test_checksum_is_completed_in_the_copy(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    eth.dev.offload_checksum = true;
    for (unsigned n = 0; n < 40; n++) {
        assert_int_equal(
            send_to(udp_socket(), "0123456789012345678901234567890123456789", n, PEER_ADDRESS, 9),
            n);
        assert_int_equal(take(file), sizeof(got.record) + 42 + n);
        uint16_t in_copy = get16(got.bytes + 40);
        assert_int_not_equal(in_copy, get16(eth.frames[n].bytes + 40));
        assert_true(eth.frames[n].flags & MBUF_CSUM_PARTIAL);
        got.bytes[40] = got.bytes[41] = 0;
        assert_int_equal(in_copy,
                         reference_checksum(OWN_ADDRESS, PEER_ADDRESS, got.bytes + 34, 8 + n));
    }
    eth.dev.offload_checksum = false;
}

/* Once, and with its checksum, though loopback makes none. */
static void test_loopback(void **state)
{
    (void)state;
    struct file *all = listen_on(0), *ethernet = listen_on(eth.dev.index);
    assert_int_equal(send_to(udp_socket(), "x", 1, BE32(INADDR_LOOPBACK), 9), 1);
    host_thread_run("lo");
    assert_int_equal(take(all), sizeof(got.record) + 29);
    assert_int_equal(got.record.loopback, 1);
    assert_int_equal(got.record.interface, loopback_device.index);
    assert_int_equal(got.bytes[0], 0x45);
    uint16_t sum = get16(got.bytes + 26);
    got.bytes[26] = got.bytes[27] = 0;
    assert_int_equal(
        sum, reference_checksum(BE32(INADDR_LOOPBACK), BE32(INADDR_LOOPBACK), got.bytes + 20, 9));
    assert_int_equal(take(all), sizeof(got.record) + 57); /* the answer: nobody is at port 9 */
    assert_int_equal(take(all), -EAGAIN);
    assert_int_equal(take(ethernet), -EAGAIN);
}

static void test_queue_is_bounded(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PACKET_QUEUE_MAX + 5; i++)
            frame_comes((uint8_t)i, 60);
        for (unsigned i = 0; i < PACKET_QUEUE_MAX; i++) {
            assert_int_equal(take(file), sizeof(got.record) + 60);
            assert_int_equal(got.bytes[14], (uint8_t)i);
            assert_int_equal(got.record.missed, i == 0 && round > 0 ? 5 : 0);
        }
        assert_int_equal(take(file), -EAGAIN);
        assert_int_equal(counter(NET_capture_missed), 5 * (round + 1));
    }
    assert_int_equal(counter(NET_capture_copied), 3 * PACKET_QUEUE_MAX);
}

static void test_listeners_do_not_share(void **state)
{
    (void)state;
    struct file *first = listen_on(0), *second = listen_on(0);
    frame_comes(1, 60);
    assert_int_equal(take(first), sizeof(got.record) + 60);
    frame_comes(2, 60);
    listener_end(first);
    for (uint8_t mark = 1; mark <= 2; mark++) {
        assert_int_equal(take(second), sizeof(got.record) + 60);
        assert_int_equal(got.bytes[14], mark);
    }
    struct file *many[9];
    unsigned made = 0;
    while (socket_create(AF_PACKET, SOCK_RAW, 0, &many[made]) == 0)
        made++;
    assert_int_equal(made, 7); /* eight at a time */
    while (made > 0)
        file_release(many[--made]);
}

static void test_short_buffer_and_long_frame(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    struct uio uio = host_uio(&got, sizeof(got.record) - 1);
    frame_comes(1, 60);
    assert_int_equal(file->ops->read(file, &uio), -EINVAL);
    uio = host_uio(&got, sizeof(got.record) + 20);
    assert_int_equal(file->ops->read(file, &uio), sizeof(got.record) + 20);
    assert_int_equal(got.record.captured, 20);
    assert_int_equal(got.record.length, 60);
    frame_comes(1, 2046);
    assert_int_equal(take(file), sizeof(got.record) + PACKET_BYTES_MAX);
    assert_int_equal(got.record.captured, PACKET_BYTES_MAX);
    assert_int_equal(got.record.length, 2046);
}

static void test_bad_buffer_costs_one_frame(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    for (unsigned good_calls = 0; good_calls < 2; good_calls++) {
        frame_comes(1, 60);
        frame_comes(2, 60);
        host_uio_fault(good_calls);
        assert_int_equal(take(file), -EFAULT);
        assert_int_equal(take(file), sizeof(got.record) + 60);
        assert_int_equal(got.bytes[14], 2);
    }
}

static int frame_wakes(struct waitq *queue, uint64_t deadline)
{
    assert_int_equal(deadline, NEVER);
    unsigned wakes = host_wakes(queue);
    frame_comes(9, 60);
    assert_int_equal(host_wakes(queue), wakes + 1);
    return 0;
}

static int killed(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    return -EINTR;
}

static void test_reader_waits(void **state)
{
    (void)state;
    struct file *file = listen_on(0);
    file->flags &= ~(uint32_t)O_NONBLOCK;
    host_sleep_hook = frame_wakes;
    assert_int_equal(take(file), sizeof(got.record) + 60);
    assert_int_equal(got.bytes[14], 9);
    assert_int_equal(host_sleeps(), 1);
    host_sleep_hook = killed;
    assert_int_equal(take(file), -EINTR);
}

static void test_what_cannot_be_opened(void **state)
{
    (void)state;
    struct file *file;
    size_t pages = host_pages_used();
    assert_int_equal(socket_create(AF_PACKET, SOCK_DGRAM, 0, &file), -EPROTOTYPE);
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW, 99, &file), -ENODEV);
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW, -1, &file), -ENODEV);
    host_pages_limit(3);
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW, 0, &file), -ENOBUFS);
    host_pages_limit(HOST_NO_LIMIT);
    host_files_limit(0);
    assert_int_equal(socket_create(AF_PACKET, SOCK_RAW, 0, &file), -ENFILE);
    host_files_limit(HOST_NO_LIMIT);
    assert_int_equal(host_pages_used(), pages);
    assert_int_equal(capture_listeners, 0);
    file = listen_on(0);
    assert_null(socket_from_file(file));
    assert_null(file->ops->write);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nobody_listens),
        TEST(received_frame),
        TEST(sent_frame),
        TEST(checksum_is_completed_in_the_copy),
        TEST(loopback),
        TEST(queue_is_bounded),
        TEST(listeners_do_not_share),
        TEST(short_buffer_and_long_frame),
        TEST(bad_buffer_costs_one_frame),
        TEST(reader_waits),
        TEST(what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
