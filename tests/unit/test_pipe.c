/* Pipes: what the two ends see of each other. The other process is played by the sleep hook. */
#include "host.h"

#include "abi/file.h"
#include "fs/file.h"
#include "fs/pipe.h"

static struct file *reader, *writer;
static uint8_t data[3 * PIPE_SIZE], got[3 * PIPE_SIZE];

static ssize_t pipe_put(size_t n)
{
    struct uio uio = host_uio(data, n);
    return writer->ops->write(writer, &uio);
}

static ssize_t pipe_get(size_t n)
{
    struct uio uio = host_uio(got, n);
    return reader->ops->read(reader, &uio);
}

static int setup(void **unused)
{
    static bool initialised;
    (void)unused;
    host_reset();
    if (!initialised)
        pipe_init();
    initialised = true;
    assert_int_equal(pipe_create(&reader, &writer), 0);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31 + i / 256);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    if (reader)
        file_release(reader);
    if (writer)
        file_release(writer);
    assert_int_equal(host_pages_used(), 0);
    assert_int_equal(host_files_used(), 0);
    assert_int_equal(host_locks_held(), 0);
    return 0;
}

static void close_end(struct file **end)
{
    file_release(*end);
    *end = NULL;
}

/* --- the other process --- */

static unsigned other_steps;
static size_t other_reads;

static int other_writes(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    other_steps++;
    assert_int_equal(pipe_put(5), 5);
    return 0;
}

static int other_closes_writer(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    close_end(&writer);
    return 0;
}

static int other_closes_reader(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    close_end(&reader);
    return 0;
}

static int other_reads_some(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    struct uio uio = host_uio(got + other_reads, 1000);
    ssize_t n = reader->ops->read(reader, &uio);
    assert_true(n > 0);
    other_reads += (size_t)n;
    other_steps++;
    return 0;
}

static int killed(struct waitq *queue, uint64_t deadline)
{
    (void)queue, (void)deadline;
    return -EINTR;
}

/* --- the tests --- */

static void test_bytes_come_in_order(void **unused)
{
    size_t put = 0, taken = 0;
    (void)unused;
    /* Pieces that do not divide the ring, so that every position of the end is met. */
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t byte[3] = {(uint8_t)put, (uint8_t)(put + 1), (uint8_t)(put + 2)};
        struct uio uio = host_uio(byte, 3);
        assert_int_equal(writer->ops->write(writer, &uio), 3);
        put += 3;
        ssize_t n = pipe_get(i % 2 ? 5 : 2);
        for (ssize_t k = 0; k < n; k++)
            assert_int_equal(got[k], (uint8_t)taken++);
    }
}

static void test_reader_waits(void **unused)
{
    (void)unused;
    other_steps = 0;
    host_sleep_hook = other_writes;
    assert_int_equal(pipe_get(100), 5);
    assert_int_equal(other_steps, 1);
    assert_memory_equal(got, data, 5);
    host_sleep_hook = killed;
    assert_int_equal(pipe_get(100), -EINTR);
}

static void test_end_of_file(void **unused)
{
    (void)unused;
    assert_int_equal(pipe_put(3), 3);
    close_end(&writer);
    assert_int_equal(reader->ops->poll(reader, NULL), POLLIN | POLLHUP);
    assert_int_equal(pipe_get(100), 3);
    assert_int_equal(pipe_get(100), 0);
    assert_int_equal(reader->ops->poll(reader, NULL), POLLHUP);
}

static void test_end_of_file_while_waiting(void **unused)
{
    (void)unused;
    host_sleep_hook = other_closes_writer;
    assert_int_equal(pipe_get(100), 0);
}

static void test_no_reader(void **unused)
{
    (void)unused;
    assert_int_equal(pipe_put(PIPE_SIZE), PIPE_SIZE);
    host_sleep_hook = other_closes_reader;
    assert_int_equal(pipe_put(1), -EPIPE);
    assert_int_equal(writer->ops->poll(writer, NULL), POLLERR);
}

/* POSIX write(): up to PIPE_BUF bytes in one piece; a larger write in pieces that fit. */
static void test_small_writes_are_whole(void **unused)
{
    (void)unused;
    assert_int_equal(pipe_put(PIPE_SIZE - 10), PIPE_SIZE - 10);
    writer->flags |= O_NONBLOCK;
    assert_int_equal(pipe_put(11), -EAGAIN);
    assert_int_equal(pipe_put(PIPE_SIZE + 1), 10);
    assert_int_equal(pipe_put(1), -EAGAIN);
    assert_int_equal(writer->ops->poll(writer, NULL), 0);
    assert_int_equal(pipe_get(sizeof(got)), PIPE_SIZE);
    reader->flags |= O_NONBLOCK;
    assert_int_equal(pipe_get(1), -EAGAIN);
    assert_int_equal(pipe_get(0), 0);
    assert_int_equal(pipe_put(0), 0);
}

static void test_small_write_waits_for_all_its_room(void **unused)
{
    (void)unused;
    assert_int_equal(pipe_put(PIPE_SIZE), PIPE_SIZE);
    other_steps = other_reads = 0;
    host_sleep_hook = other_reads_some;
    assert_int_equal(pipe_put(2500), 2500);
    assert_int_equal(other_steps, 3);
}

static void test_large_write(void **unused)
{
    (void)unused;
    other_steps = other_reads = 0;
    host_sleep_hook = other_reads_some;
    assert_int_equal(pipe_put(sizeof(data)), sizeof(data));
    while (other_reads < sizeof(data))
        other_reads_some(NULL, 0);
    assert_memory_equal(got, data, sizeof(data));
}

static void test_killed_after_a_part(void **unused)
{
    (void)unused;
    host_sleep_hook = killed;
    assert_int_equal(pipe_put(sizeof(data)), PIPE_SIZE);
    assert_int_equal(pipe_put(sizeof(data)), -EINTR);
}

/* A bad address loses nothing and adds nothing. */
static void test_bad_address(void **unused)
{
    int waiting;
    (void)unused;
    assert_int_equal(pipe_put(7), 7);
    host_uio_fault(0);
    assert_int_equal(pipe_put(7), -EFAULT);
    host_uio_fault(0);
    assert_int_equal(pipe_get(7), -EFAULT);
    assert_int_equal(reader->ops->ioctl(reader, FIONREAD, &waiting), 0);
    assert_int_equal(waiting, 7);
    assert_int_equal(pipe_get(100), 7);
    assert_memory_equal(got, data, 7);
}

static void test_wakes(void **unused)
{
    struct waiter in = {0}, out = {0};
    (void)unused;
    assert_int_equal(reader->ops->poll(reader, &in), 0);
    assert_int_equal(writer->ops->poll(writer, &out), POLLOUT);
    assert_int_equal(host_wakes(in.queue), 0);
    pipe_put(1);
    assert_int_not_equal(host_wakes(in.queue), 0);
    unsigned before = host_wakes(out.queue);
    pipe_get(1);
    assert_true(host_wakes(out.queue) > before);
    waiter_remove(&in);
    waiter_remove(&out);
}

static void test_nothing_left_over(void **unused)
{
    struct file *ends[2];
    (void)unused;
    for (unsigned files = 0; files < 2; files++) {
        host_files_limit(files);
        assert_int_equal(pipe_create(&ends[0], &ends[1]), -ENFILE);
        assert_int_equal(host_files_used(), 2);
        assert_int_equal(host_pages_used(), 1);
    }
    host_files_limit(HOST_NO_LIMIT);
    host_pages_limit(0);
    assert_int_equal(pipe_create(&ends[0], &ends[1]), -ENOMEM);
    host_pages_limit(HOST_NO_LIMIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_come_in_order),
        TEST(test_reader_waits),
        TEST(test_end_of_file),
        TEST(test_end_of_file_while_waiting),
        TEST(test_no_reader),
        TEST(test_small_writes_are_whole),
        TEST(test_small_write_waits_for_all_its_room),
        TEST(test_large_write),
        TEST(test_killed_after_a_part),
        TEST(test_bad_address),
        TEST(test_wakes),
        TEST(test_nothing_left_over),
    };
    return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
