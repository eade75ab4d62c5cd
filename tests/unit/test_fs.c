/* Contents of files, device nodes, what runs out, and mounting: the file system over a disk in
 * memory. After each test an independent checker looks at the image. Names are tested in
 * test_fs_names.c, crashes in test_fs_crash.c, damage in test_fs_damage.c. */
#include "fs_fixture.h"

/* A byte that tells where in the file it belongs. */
static uint8_t pattern(size_t at) { return (uint8_t)(at * 7 + at / 4096 * 13 + 1); }

static void pattern_fill(uint8_t *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = pattern(from + i);
}

/* --- contents --- */

/* A file of `size` bytes, written and read in pieces of `piece`. */
static void contents_try(size_t size, size_t piece)
{
    uint8_t *data = host_memory(piece), *expected = host_memory(piece);
    struct file *file = open_ok("/file", O_CREAT | O_RDWR | O_TRUNC);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = MIN(piece, size - at);
        pattern_fill(data, at, n);
        assert_int_equal(file_write(file, data, n), n);
    }
    assert_int_equal(file->ops->seek(file, 0, SEEK_SET), 0);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = MIN(piece, size - at);
        pattern_fill(expected, at, n);
        assert_int_equal(file_read(file, data, piece), n);
        assert_memory_equal(data, expected, n);
    }
    assert_int_equal(file_read(file, data, 1), 0);
    file_release(file);
    host_memory_free(data);
    host_memory_free(expected);
    assert_int_equal(file_stat("/file").st_size, size);
}

static void test_contents(void **unused)
{
    (void)unused;
    contents_try(0, 1);
    contents_try(1, 1);
    contents_try(4095, 100);
    contents_try(4097, 4096);
    contents_try(FS_DIRECT * 4096 + 1, 5000);
    contents_try(200000, 200000);
    /* Through the double indirect block: behind 22 + 1024 blocks. */
    contents_try(5u << 20, 123457);
    assert_int_equal(fs_unlink(NULL, "/file"), 0);
}

static void test_blocks_come_back(void **unused)
{
    struct fs_check check;
    (void)unused;
    contents_try(5u << 20, 1u << 20);
    fs_check_now(&check);
    /* Data, one indirect, one double indirect, one table below it. */
    assert_int_equal(check.used_blocks - fs_before.used_blocks, 1280 + 3);
    struct file *file = open_ok("/file", O_WRONLY | O_TRUNC);
    fs_check_now(&check);
    assert_int_equal(check.used_blocks, fs_before.used_blocks);
    file_release(file);
    contents_try(300000, 4096);
    assert_int_equal(fs_unlink(NULL, "/file"), 0);
    fs_check_now(&check);
    assert_int_equal(check.used_blocks, fs_before.used_blocks);
    assert_int_equal(check.files, fs_before.files);
    assert_true(check.fingerprint == fs_before.fingerprint);
}

static void test_holes_read_as_zeros(void **unused)
{
    uint8_t data[5000];
    struct fs_check check;
    struct file *file = open_ok("/sparse", O_CREAT | O_RDWR);
    (void)unused;
    assert_int_equal(file_write(file, "begin", 5), 5);
    assert_int_equal(file->ops->seek(file, 6000000, SEEK_SET), 6000000);
    assert_int_equal(file_write(file, "end", 3), 3);
    assert_int_equal(file->ops->seek(file, 3, SEEK_SET), 3);
    assert_int_equal(file_read(file, data, sizeof(data)), sizeof(data));
    assert_memory_equal(data, "in", 2);
    for (size_t i = 2; i < sizeof(data); i++)
        assert_int_equal(data[i], 0);
    assert_int_equal(file->ops->seek(file, -3, SEEK_END), 6000000);
    assert_int_equal(file_read(file, data, sizeof(data)), 3);
    assert_memory_equal(data, "end", 3);
    fs_check_now(&check);
    assert_int_equal(check.used_blocks - fs_before.used_blocks, 2 + 2);
    file_release(file);
}

static void test_seek(void **unused)
{
    struct file *file = open_ok("/seek", O_CREAT | O_RDWR);
    (void)unused;
    assert_int_equal(file_write(file, "0123456789", 10), 10);
    assert_int_equal(file->ops->seek(file, -4, SEEK_CUR), 6);
    assert_int_equal(file->ops->seek(file, -1, SEEK_SET), -EINVAL);
    assert_int_equal(file->ops->seek(file, -11, SEEK_END), -EINVAL);
    assert_int_equal(file->ops->seek(file, 0, 3), -EINVAL);
    assert_int_equal(file->ops->seek(file, INT64_MAX, SEEK_CUR), -EOVERFLOW);
    assert_int_equal(file->ops->seek(file, 0, SEEK_CUR), 6);
    assert_int_equal(file->ops->seek(file, (int64_t)FS_FILE_SIZE_MAX, SEEK_SET), FS_FILE_SIZE_MAX);
    assert_int_equal(file_write(file, "x", 1), -EFBIG);
    file_release(file);
}

static void test_append(void **unused)
{
    char data[8];
    struct file *one = open_ok("/log", O_CREAT | O_WRONLY | O_APPEND);
    struct file *two = open_ok("/log", O_RDWR | O_APPEND);
    (void)unused;
    file_write(one, "a", 1);
    file_write(two, "b", 1);
    file_write(one, "c", 1);
    assert_int_equal(two->ops->seek(two, 0, SEEK_SET), 0);
    assert_int_equal(file_read(two, data, sizeof(data)), 3);
    assert_memory_equal(data, "abc", 3);
    file_release(one);
    file_release(two);
}

/* What could be copied before a bad address stays, what lies behind the end of the file does
 * not. */
static void test_bad_address(void **unused)
{
    struct fs_check check;
    uint8_t data[10000];
    struct file *file = open_ok("/fault", O_CREAT | O_RDWR);
    (void)unused;
    memset(data, 'x', sizeof(data));
    assert_int_equal(file_write(file, data, 10), 10);
    host_uio_fault(0);
    assert_int_equal(file_write(file, data, 100), -EFAULT);
    assert_int_equal(file_stat("/fault").st_size, 10);
    fs_check_now(&check); /* which looks behind the end, too */
    assert_int_equal(file->ops->seek(file, 0, SEEK_SET), 0);
    host_uio_fault(1);
    assert_int_equal(file_write(file, data, sizeof(data)), 4096);
    assert_int_equal(file_stat("/fault").st_size, 4096);
    assert_int_equal(file->ops->seek(file, 0, SEEK_SET), 0);
    host_uio_fault(0);
    assert_int_equal(file_read(file, data, 100), -EFAULT);
    file_release(file);
}

/* --- devices --- */

static int device_minor;

static ssize_t device_write(struct file *file, struct uio *uio)
{
    device_minor = (int)(uintptr_t)file->object;
    return (ssize_t)uio->remaining;
}

static void test_device_nodes(void **unused)
{
    static const struct file_ops ops = {.write = device_write};
    struct inode *inode;
    (void)unused;
    assert_int_equal(device_register(7, &ops), 0);
    assert_int_equal(device_register(7, &ops), -EINVAL);
    assert_int_equal(device_register(1000000, &ops), -EINVAL);
    assert_int_equal(fs_mknod(NULL, "/dev/x", S_IFCHR | 0600, DEVICE_NUMBER(7, 9)), 0);
    assert_int_equal(fs_mknod(NULL, "/dev/y", S_IFCHR | 0600, DEVICE_NUMBER(8, 9)), 0);
    assert_int_equal(fs_mknod(NULL, "/dev/z", S_IFCHR | 0600, 0xffffffff), 0);
    assert_int_equal(fs_mknod(NULL, "/dev/s", S_IFSOCK, 0), -EINVAL);
    assert_int_equal(fs_mknod(NULL, "/plain", 0644, 0), 0);
    struct file *file = open_ok("/dev/x", O_WRONLY | O_TRUNC);
    assert_int_equal(file_write(file, "x", 1), 1);
    assert_int_equal(device_minor, 9);
    file_release(file);
    assert_int_equal(open_error("/dev/y", O_RDWR), -ENXIO);
    assert_int_equal(open_error("/dev/z", O_RDWR), -ENXIO);
    assert_int_equal(path_lookup(NULL, "/dev/x", &inode), 0);
    char byte;
    assert_int_equal(inode_read_kernel(inode, &byte, 0, 1), -EINVAL);
    inode_release(inode);
}

static void test_read_for_exec(void **unused)
{
    struct inode *inode;
    char data[16];
    (void)unused;
    file_make("/program", "0123456789", 10);
    assert_int_equal(path_lookup(NULL, "/program", &inode), 0);
    assert_int_equal(inode_read_kernel(inode, data, 4, 4), 4);
    assert_memory_equal(data, "4567", 4);
    assert_int_equal(inode_read_kernel(inode, data, 8, 16), 2);
    assert_int_equal(inode_read_kernel(inode, data, UINT64_MAX, 16), 0);
    inode_release(inode);
    assert_int_equal(inode_read_kernel(fs_root(), data, 0, 4), -EISDIR);
}

/* --- when something runs out --- */

static void test_out_of_blocks(void **unused)
{
    static uint8_t data[65536];
    struct fs_check check, filled;
    ssize_t n;
    (void)unused;
    fs_mount_new(1);
    struct file *file = open_ok("/fill", O_CREAT | O_WRONLY);
    while ((n = file_write(file, data, sizeof(data))) == sizeof(data))
        ;
    assert_true(n > 0);
    assert_int_equal(file_write(file, data, sizeof(data)), -ENOSPC);
    fs_check_now(&filled);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), -ENOSPC);
    /* A name still fits into the root's block, and what failed has left nothing. */
    assert_int_equal(open_error("/empty", O_CREAT | O_WRONLY), 0);
    assert_int_equal(fs_unlink(NULL, "/empty"), 0);
    fs_check_now(&check);
    assert_int_equal(check.files, filled.files);
    file_release(file);
    assert_int_equal(fs_unlink(NULL, "/fill"), 0);
    fs_check_now(&check);
    assert_int_equal(check.used_blocks, fs_before.used_blocks);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), 0);
}

/* The disk fills up between a block of pointers and the first block it is to point to; the free
 * blocks are not zero. */
static void test_out_of_blocks_in_between(void **unused)
{
    static uint8_t data[4096];
    struct fs_check check;
    (void)unused;
    memset(data, 0xff, sizeof(data));
    for (unsigned already = 0; already < 2; already++) {
        fs_mount_new(1);
        struct file *files[8], *file = open_ok("/fill", O_CREAT | O_WRONLY);
        while (file_write(file, data, sizeof(data)) > 0)
            ;
        file_release(file);
        assert_int_equal(fs_unlink(NULL, "/fill"), 0);
        file_make("/already", data, already * sizeof(data));
        for (char path[] = "/0"; path[1] < '8'; path[1]++)
            files[path[1] - '0'] = open_ok(path, O_CREAT | O_WRONLY);
        for (unsigned i = 0; file_write(files[i % 8], data, sizeof(data)) > 0; i++)
            ;
        for (unsigned i = 0; i < 8; i++)
            file_release(files[i]);
        /* The image itself is looked at, not what is in memory. */
        fs_check_now(&check);
    }
}

static void test_out_of_inodes(void **unused)
{
    char path[] = "/dev/00";
    unsigned made = 0;
    int error;
    (void)unused;
    fs_mount_new(1);
    while ((error = fs_mknod(NULL, path, S_IFREG, 0)) == 0) {
        made++;
        path[5] = (char)('0' + made / 64);
        path[6] = (char)('0' + made % 64);
    }
    assert_int_equal(error, -ENOSPC);
    assert_int_equal(made, 64 - 1 - fs_before.files);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), -ENOSPC);
    assert_int_equal(fs_unlink(NULL, "/dev/00"), 0);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), 0);
}

static void test_out_of_files(void **unused)
{
    struct fs_check check;
    (void)unused;
    host_files_limit(0);
    assert_int_equal(open_error("/f", O_CREAT | O_RDWR), -ENFILE);
    host_files_limit(HOST_NO_LIMIT);
    fs_check_now(&check);
    assert_int_equal(check.files, fs_before.files); /* not made either */
}

/* --- mounting --- */

static void test_contents_survive_mounting(void **unused)
{
    char data[8];
    (void)unused;
    file_make("/dev/kept", "kept", 4);
    assert_int_equal(fs_disk_mount(), 0);
    struct file *file = open_ok("/dev/kept", O_RDONLY);
    assert_int_equal(file_read(file, data, sizeof(data)), 4);
    assert_memory_equal(data, "kept", 4);
    file_release(file);
}

static void test_read_only_disk(void **unused)
{
    (void)unused;
    file_make("/f", "text", 4);
    fs_disk.device.read_only = true;
    assert_int_equal(fs_disk_mount(), 0);
    unsigned writes = fs_disk.writes;
    assert_int_equal(file_stat("/f").st_size, 4);
    assert_int_equal(open_error("/f", O_RDWR), -EROFS);
    assert_int_equal(open_error("/f", O_WRONLY | O_TRUNC), -EROFS);
    assert_int_equal(open_error("/g", O_CREAT), -EROFS);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), -EROFS);
    assert_int_equal(fs_unlink(NULL, "/f"), -EROFS);
    assert_int_equal(fs_link(NULL, "/f", "/g"), -EROFS);
    assert_int_equal(fs_disk.writes, writes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_setup, fs_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_contents),
        TEST(test_blocks_come_back),
        TEST(test_holes_read_as_zeros),
        TEST(test_seek),
        TEST(test_append),
        TEST(test_bad_address),
        TEST(test_device_nodes),
        TEST(test_read_for_exec),
        TEST(test_out_of_blocks),
        TEST(test_out_of_blocks_in_between),
        TEST(test_out_of_inodes),
        TEST(test_out_of_files),
        TEST(test_contents_survive_mounting),
        TEST(test_read_only_disk),
    };
    return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
