/* dev/block.c, what stands between the file system and every disk driver: rows BLK-5, BLK-6 and BLK-9 of the
 * requirement table. A request that the disk must not see does not reach it. */
#include "host.h"

#include "dev/block.h"

static struct block_device disk;
static unsigned transfers, flushes;
static uint8_t data[4096];

static int transfer(struct block_device *device, bool write, uint64_t sector, void *to,
                    uint32_t bytes)
{
    (void)write;
    assert_ptr_equal(device, &disk);
    assert_ptr_equal(to, data);
    assert_true(bytes % 512 == 0 && bytes > 0 && sector + bytes / 512 <= disk.sectors);
    transfers++;
    return 0;
}

static int flush(struct block_device *device)
{
    (void)device;
    flushes++;
    return 0;
}

static const struct block_ops cached = {.transfer = transfer, .flush = flush};
static const struct block_ops uncached = {.transfer = transfer};

static int setup(void **state)
{
    (void)state;
    host_reset();
    disk = (struct block_device){.name = "disk", .ops = &cached, .sectors = 100};
    transfers = flushes = 0;
    return 0;
}

/* --- what reaches the disk --- */

static void test_range(void **state)
{
    (void)state;
    static const struct {
        uint64_t sector;
        uint32_t bytes;
        int result;
    } cases[] = {
        {0, 512, 0},
        {99, 512, 0},
        {92, 4096, 0},
        {100, 512, -EINVAL},
        {99, 1024, -EINVAL},
        {93, 4096, -EINVAL},
        {UINT64_MAX, 512, -EINVAL}, /* the end wraps */
        {UINT64_MAX - 7, 4096, -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        transfers = 0;
        assert_int_equal(block_read(&disk, cases[i].sector, data, cases[i].bytes), cases[i].result);
        assert_int_equal(block_write(&disk, cases[i].sector, data, cases[i].bytes),
                         cases[i].result);
        assert_int_equal(transfers, cases[i].result ? 0 : 2);
    }
}

/* BLK-9: whole sectors only. */
static void test_lengths(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 1, 511, 513, 1023, 4095};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        assert_int_equal(block_read(&disk, 0, data, lengths[i]), -EINVAL);
        assert_int_equal(block_write(&disk, 0, data, lengths[i]), -EINVAL);
    }
    assert_int_equal(transfers, 0);
}

/* BLK-6: a read-only disk is never asked to write. */
static void test_read_only(void **state)
{
    (void)state;
    disk.read_only = true;
    assert_int_equal(block_write(&disk, 0, data, 512), -EROFS);
    assert_int_equal(transfers, 0);
    assert_int_equal(block_read(&disk, 0, data, 512), 0);
}

/* A disk without a cache has nothing to flush. */
static void test_flush(void **state)
{
    (void)state;
    assert_int_equal(block_flush(&disk), 0);
    assert_int_equal(flushes, 1);
    disk.ops = &uncached;
    assert_int_equal(block_flush(&disk), 0);
    assert_int_equal(flushes, 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_range),
        TEST(test_lengths),
        TEST(test_read_only),
        TEST(test_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
