/* The file system when the power goes at any block that it writes, and on a disk that fails. */
#include "fs_fixture.h"

#include "fs_image.h"
#include "fs_script.h"

#define IMAGE_SIZE ((size_t)1 << 20)

static uint8_t image[IMAGE_SIZE]; /* what every try starts from */

static int setup(void **unused)
{
    const char *items[] = {"dir=/dev", NULL};
    (void)unused;
    host_reset();
    fs_image_make(1, items, image);
    fs_disk_load(image, IMAGE_SIZE);
    return 0;
}

/* --- power cuts --- */

static void check_image(struct fs_check *check, const char *when, unsigned cut)
{
    fs_check(fs_disk.bytes, IMAGE_SIZE, check);
    if (check->problems)
        fail_msg("%s, power cut at write %u: %u problems, first: %s", when, cut, check->problems,
                 check->first);
}

/* The states between the operations, as fingerprints; the number of writes of the whole script. */
static unsigned script_record(uint64_t states[FS_SCRIPT_LENGTH + 1])
{
    struct fs_check check;
    fs_disk_load(image, IMAGE_SIZE);
    assert_int_equal(fs_disk_mount(), 0);
    unsigned mounting = fs_disk.writes;
    for (size_t i = 0; i < FS_SCRIPT_LENGTH; i++) {
        check_image(&check, "without a crash", 0);
        states[i] = check.fingerprint;
        assert_int_equal(fs_script[i].run(), 0);
    }
    check_image(&check, "without a crash", 0);
    states[FS_SCRIPT_LENGTH] = check.fingerprint;
    return fs_disk.writes - mounting;
}

/* /large is written and cut in several steps, but at every moment it is the beginning of the whole
 * file. */
static void check_large(unsigned cut)
{
    static uint8_t data[300000];
    struct file *file;
    if (fs_open(NULL, "/large", O_RDONLY, 0, &file))
        return;
    ssize_t n = file_read(file, data, sizeof(data));
    for (ssize_t i = 0; i < n; i++)
        if (data[i] != FS_LARGE_BYTE)
            fail_msg("power cut at write %u: /large has 0x%x at %ld", cut, data[i], i);
    file_release(file);
}

/* One power cut at write `cut`, and perhaps a second one while the first is recovered from. */
static void crash_try(const uint64_t *states, unsigned cut, enum fs_disk_crash kind, bool again)
{
    struct fs_check check;
    fs_disk_load(image, IMAGE_SIZE);
    assert_int_equal(fs_disk_mount(), 0);
    fs_disk.writes_left = cut;
    size_t done = fs_script_run();
    fs_disk_crash(kind, cut * 3 + kind);
    if (again) {
        fs_disk.writes_left = cut % 11;
        fs_disk_mount();
        fs_disk_crash(kind, cut * 5 + kind);
    }
    assert_int_equal(fs_disk_mount(), 0);
    check_image(&check, "recovered", cut);
    assert_int_equal(check.orphans, 0);
    /* What was reported as done is there, and what was cut is there as a whole or not at all. */
    if (check.fingerprint != states[done] && (done == FS_SCRIPT_LENGTH || fs_script[done].atomic) &&
        (done == FS_SCRIPT_LENGTH || check.fingerprint != states[done + 1]))
        fail_msg("power cut at write %u, in operation %zu: neither the state before nor after", cut,
                 done);
    check_large(cut);
    /* And it goes on working. */
    assert_int_equal(fs_mkdir(NULL, "/after", 0755), 0);
    check_image(&check, "used after recovery", cut);
    assert_int_equal(fs_volume.damage_reports, 0);
}

static void crash_everywhere(enum fs_disk_crash kind, bool again)
{
    uint64_t states[FS_SCRIPT_LENGTH + 1];
    unsigned writes = script_record(states);
    assert_true(writes > 200);
    for (unsigned cut = 0; cut <= writes; cut++)
        crash_try(states, cut, kind, again);
}

static void test_power_cut_keeps_all(void **unused)
{
    (void)unused;
    crash_everywhere(CRASH_KEEPS_ALL, false);
}

static void test_power_cut_keeps_flushed(void **unused)
{
    (void)unused;
    crash_everywhere(CRASH_KEEPS_NONE, false);
}

static void test_power_cut_keeps_some(void **unused)
{
    (void)unused;
    crash_everywhere(CRASH_KEEPS_SOME, false);
}

static void test_power_cut_in_recovery(void **unused)
{
    (void)unused;
    crash_everywhere(CRASH_KEEPS_SOME, true);
}

/* --- disks that fail --- */

static void test_write_error_stops_changes(void **unused)
{
    struct file *file;
    char data[4];
    (void)unused;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_write_at("/f", O_CREAT, 0, 4, 'x'), 0);
    fs_disk.writes_left = 3;
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), -EIO);
    /* The power did not go, only writes fail: reading goes on, and nothing more is written. */
    fs_disk.writes_left = UINT32_MAX;
    unsigned writes = fs_disk.writes;
    assert_int_equal(fs_mkdir(NULL, "/e", 0755), -EIO);
    assert_int_equal(fs_write_at("/f", 0, 0, 4, 'y'), -EIO);
    assert_int_equal(fs_open(NULL, "/f", O_RDONLY, 0, &file), 0);
    struct uio uio = host_uio(data, sizeof(data));
    assert_int_equal(file->ops->read(file, &uio), 4);
    assert_memory_equal(data, "xxxx", 4);
    assert_int_equal(file->ops->sync(file), -EIO);
    file_release(file);
    assert_int_equal(fs_disk.writes, writes);
    assert_true(host_log_contains("no more changes"));
}

static void test_read_error_reaches_the_caller(void **unused)
{
    struct inode *inode;
    char data[4];
    (void)unused;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_write_at("/f", O_CREAT, 0, 4, 'x'), 0);
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(path_lookup(NULL, "/f", &inode), 0);
    fs_disk.bad_block = inode->disk.direct[0];
    assert_int_equal(inode_read_kernel(inode, data, 0, 4), -EIO);
    assert_int_equal(fs_write_at("/f", 0, 0, 4, 'x'), -EIO);
    fs_disk.bad_block = 0;
    assert_int_equal(inode_read_kernel(inode, data, 0, 4), 4);
    inode_release(inode);
}

static void test_fsync_and_flush_order(void **unused)
{
    struct file *file;
    (void)unused;
    assert_int_equal(fs_disk_mount(), 0);
    unsigned flushes = fs_disk.flushes;
    assert_int_equal(fs_open(NULL, "/f", O_CREAT | O_RDWR, 0644, &file), 0);
    /* After the copies, after the header, after the blocks in their places. */
    assert_int_equal(fs_disk.flushes, flushes + 3);
    assert_int_equal(file->ops->sync(file), 0);
    file_release(file);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_power_cut_keeps_all),       TEST(test_power_cut_keeps_flushed),
        TEST(test_power_cut_keeps_some),      TEST(test_power_cut_in_recovery),
        TEST(test_write_error_stops_changes), TEST(test_read_error_reaches_the_caller),
        TEST(test_fsync_and_flush_order),
    };
    return cmocka_run_group_tests_name("fs_crash", tests, NULL, NULL);
}
