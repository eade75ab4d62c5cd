/* See fs_fixture.h. */
#include "fs_fixture.h"

#include "fs_image.h"

#define IMAGE_MB 8

static uint8_t image[(size_t)IMAGE_MB << 20];
static size_t files_before;

struct fs_check fs_before;

void fs_check_now(struct fs_check *check)
{
    fs_check(fs_disk.bytes, fs_disk.size, check);
    if (check->problems)
        fail_msg("%u problems, first: %s", check->problems, check->first);
}

void fs_mount_new(unsigned megabytes)
{
    const char *items[] = {"dir=/dev", NULL};
    fs_image_make(megabytes, items, image);
    fs_disk_load(image, (size_t)megabytes << 20);
    assert_int_equal(fs_disk_mount(), 0);
    fs_check_now(&fs_before);
}

int fs_setup(void **unused)
{
    (void)unused;
    host_reset();
    fs_mount_new(IMAGE_MB);
    files_before = host_files_used();
    return 0;
}

int fs_teardown(void **unused)
{
    struct fs_check check;
    (void)unused;
    assert_int_equal(host_files_used(), files_before);
    fs_check_now(&check);
    assert_int_equal(check.orphans, 0);
    assert_int_equal(fs_volume.damage_reports, 0);
    return 0;
}

struct file *open_ok(const char *path, int flags)
{
    struct file *file = NULL;
    int error = fs_open(NULL, path, flags, 0644, &file);
    if (error)
        fail_msg("open %s: %d", path, error);
    return file;
}

int open_error(const char *path, int flags)
{
    struct file *file = NULL;
    int error = fs_open(NULL, path, flags, 0644, &file);
    if (!error)
        file_release(file);
    return error;
}

ssize_t file_write(struct file *file, const void *data, size_t n)
{
    struct uio uio = host_uio((void *)data, n);
    return file->ops->write(file, &uio);
}

ssize_t file_read(struct file *file, void *data, size_t n)
{
    struct uio uio = host_uio(data, n);
    return file->ops->read(file, &uio);
}

void file_make(const char *path, const void *data, size_t n)
{
    struct file *file = open_ok(path, O_CREAT | O_WRONLY | O_TRUNC);
    assert_int_equal(file_write(file, data, n), n);
    file_release(file);
}

struct stat file_stat(const char *path)
{
    struct stat stat;
    struct file *file = open_ok(path, O_RDONLY);
    assert_int_equal(file->ops->stat(file, &stat), 0);
    file_release(file);
    return stat;
}
