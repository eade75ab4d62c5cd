/* Names: open flags, paths, links, directories. */
#include "fs_fixture.h"

static void test_open_flags(void **unused)
{
    (void)unused;
    assert_int_equal(open_error("/f", O_RDONLY), -ENOENT);
    file_make("/f", "text", 4);
    assert_int_equal(open_error("/f", O_CREAT | O_EXCL | O_RDWR), -EEXIST);
    assert_int_equal(open_error("/f", O_EXCL), 0);
    assert_int_equal(open_error("/f", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    assert_int_equal(open_error("/f", O_ACCMODE), -EINVAL);
    assert_int_equal(open_error("/f/", O_RDONLY), -ENOTDIR);
    assert_int_equal(open_error("/f/g", O_RDONLY), -ENOTDIR);
    assert_int_equal(open_error("/new/", O_CREAT | O_RDWR), -EISDIR);
    assert_int_equal(open_error("/dev", O_RDWR), -EISDIR);
    assert_int_equal(open_error("/dev", O_CREAT), -EISDIR);
    assert_int_equal(open_error("/dev/", O_RDONLY | O_DIRECTORY), 0);
    assert_int_equal(open_error("/", O_RDONLY), 0);
    assert_int_equal(open_error("", O_RDONLY), -ENOENT);
    assert_int_equal(open_error("/no/f", O_CREAT | O_RDWR), -ENOENT);
    /* O_TRUNC without the right to write changes nothing. */
    assert_int_equal(open_error("/f", O_RDONLY | O_TRUNC), 0);
    assert_int_equal(file_stat("/f").st_size, 4);
    assert_int_equal(open_error("/f", O_WRONLY | O_TRUNC), 0);
    assert_int_equal(file_stat("/f").st_size, 0);
}

static void test_long_names(void **unused)
{
    char path[NAME_MAX + 3] = "/";
    (void)unused;
    memset(path + 1, 'n', NAME_MAX);
    file_make(path, "x", 1);
    path[NAME_MAX] = 'm';
    assert_int_equal(open_error(path, O_RDONLY), -ENOENT);
    path[NAME_MAX] = 'n';
    assert_int_equal(open_error(path, O_RDONLY), 0);
    path[NAME_MAX + 1] = 'n';
    assert_int_equal(open_error(path, O_CREAT | O_RDWR), -ENAMETOOLONG);
    assert_int_equal(fs_mkdir(NULL, path, 0755), -ENAMETOOLONG);
}

static void test_deep_paths(void **unused)
{
    char path[PATH_MAX] = "";
    struct inode *inode, *root;
    (void)unused;
    for (unsigned depth = 0; depth < 60; depth++) {
        strlcpy(path + strlen(path), "/d", sizeof(path) - strlen(path));
        assert_int_equal(fs_mkdir(NULL, path, 0755), 0);
    }
    assert_int_equal(path_lookup(NULL, path, &inode), 0);
    file_make("/d/d/../d/./file", "x", 1);
    assert_int_equal(open_error("//d///d/file", O_RDONLY), 0);
    /* Relative paths, and up again. */
    char up[PATH_MAX] = "";
    for (unsigned depth = 0; depth < 60; depth++)
        strlcpy(up + strlen(up), "../", sizeof(up) - strlen(up));
    assert_int_equal(path_lookup(inode, up, &root), 0);
    assert_ptr_equal(root, fs_root());
    inode_release(root);
    assert_int_equal(path_lookup(inode, "../../../../../../../..////../nothing", &root), -ENOENT);
    inode_release(inode);
}

static void test_links(void **unused)
{
    (void)unused;
    file_make("/a", "same", 4);
    assert_int_equal(fs_link(NULL, "/a", "/dev/b"), 0);
    assert_int_equal(file_stat("/a").st_nlink, 2);
    assert_int_equal(file_stat("/a").st_ino, file_stat("/dev/b").st_ino);
    assert_int_equal(fs_link(NULL, "/a", "/dev/b"), -EEXIST);
    assert_int_equal(fs_link(NULL, "/dev", "/dev2"), -EPERM);
    assert_int_equal(fs_link(NULL, "/none", "/x"), -ENOENT);
    assert_int_equal(fs_link(NULL, "/a", "/"), -EEXIST);
    assert_int_equal(fs_unlink(NULL, "/a"), 0);
    assert_int_equal(file_stat("/dev/b").st_size, 4);
    assert_int_equal(fs_unlink(NULL, "/dev/b"), 0);
    assert_int_equal(fs_unlink(NULL, "/dev/b"), -ENOENT);
}

static void test_directories(void **unused)
{
    (void)unused;
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), 0);
    assert_int_equal(fs_mkdir(NULL, "/d/", 0755), -EEXIST);
    assert_int_equal(fs_mkdir(NULL, "/", 0755), -EEXIST);
    assert_int_equal(fs_mkdir(NULL, "/d/e/", 0755), 0);
    assert_int_equal(file_stat("/d").st_nlink, 3);
    assert_int_equal(fs_unlink(NULL, "/d"), -ENOTEMPTY);
    assert_int_equal(fs_unlink(NULL, "/d/e/."), -EINVAL);
    assert_int_equal(fs_unlink(NULL, "/d/e/.."), -EINVAL);
    assert_int_equal(fs_unlink(NULL, "/"), -EBUSY);
    assert_int_equal(fs_unlink(NULL, "/d/e"), 0);
    assert_int_equal(file_stat("/d").st_nlink, 2);
    assert_int_equal(fs_unlink(NULL, "/d"), 0);
    assert_int_equal(open_error("/d", O_RDONLY), -ENOENT);
}

/* Nothing can be found or made in a directory that is somebody's current one but has been
 * removed. */
static void test_removed_directory(void **unused)
{
    struct inode *directory, *other;
    struct file *file;
    (void)unused;
    assert_int_equal(fs_mkdir(NULL, "/gone", 0755), 0);
    assert_int_equal(path_lookup(NULL, "/gone", &directory), 0);
    assert_int_equal(fs_unlink(NULL, "/gone"), 0);
    assert_int_equal(path_lookup(directory, "..", &other), -ENOENT);
    assert_int_equal(fs_open(directory, "f", O_CREAT | O_RDWR, 0644, &file), -ENOENT);
    assert_int_equal(fs_mkdir(directory, "d", 0755), -ENOENT);
    inode_release(directory);
}

static void test_directory_is_read_in_records(void **unused)
{
    struct dirent entries[3];
    unsigned count = 0;
    (void)unused;
    for (char name[] = "/f0"; name[2] <= '9'; name[2]++)
        file_make(name, "", 0);
    assert_int_equal(fs_unlink(NULL, "/f4"), 0);
    struct file *file = open_ok("/", O_RDONLY);
    assert_int_equal(file_read(file, entries, sizeof(entries[0]) - 1), -EINVAL);
    for (;;) {
        ssize_t n = file_read(file, entries, sizeof(entries) - 1);
        assert_true(n >= 0 && n % (ssize_t)sizeof(entries[0]) == 0);
        if (n == 0)
            break;
        for (size_t i = 0; i < (size_t)n / sizeof(entries[0]); i++, count++) {
            assert_int_not_equal(entries[i].d_ino, 0);
            assert_int_not_equal(strcmp(entries[i].d_name, "f4"), 0);
        }
    }
    assert_int_equal(count, 3 + 9); /* . .. dev, and the files */
    file_release(file);
    assert_int_equal(open_error("/f0", O_RDONLY), 0);
}

static void test_unlink_while_open(void **unused)
{
    char data[8];
    struct fs_check check;
    struct file *file = open_ok("/temporary", O_CREAT | O_RDWR);
    (void)unused;
    file_write(file, "still", 5);
    assert_int_equal(fs_unlink(NULL, "/temporary"), 0);
    fs_check_now(&check);
    assert_int_equal(check.orphans, 1);
    /* The name is free again, the file lives. */
    file_make("/temporary", "other", 5);
    file_write(file, "!", 1);
    assert_int_equal(file->ops->seek(file, 0, SEEK_SET), 0);
    assert_int_equal(file_read(file, data, sizeof(data)), 6);
    assert_memory_equal(data, "still!", 6);
    file_release(file);
    fs_check_now(&check);
    assert_int_equal(check.orphans, 0);
    assert_int_equal(check.files, fs_before.files + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_setup, fs_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_open_flags),
        TEST(test_long_names),
        TEST(test_deep_paths),
        TEST(test_links),
        TEST(test_directories),
        TEST(test_removed_directory),
        TEST(test_directory_is_read_in_records),
        TEST(test_unlink_while_open),
    };
    return cmocka_run_group_tests_name("fs_names", tests, NULL, NULL);
}
