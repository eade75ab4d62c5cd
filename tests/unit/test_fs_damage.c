/* What the file system does with a disk that holds something else, a log of somebody else's making,
 * or damage. */
#include "fs_fixture.h"

#include "fs_image.h"
#include "fs_script.h"

#define IMAGE_SIZE ((size_t)1 << 20)

static uint8_t image[IMAGE_SIZE]; /* what every try starts from */
static struct fs_layout layout;

static int setup(void **unused)
{
    const char *items[] = {"dir=/dev", NULL};
    const struct fs_super *super = (const void *)image;
    (void)unused;
    host_reset();
    fs_image_make(1, items, image);
    assert_true(fs_layout_compute(&layout, super->blocks, super->inodes, super->log_blocks));
    fs_disk_load(image, IMAGE_SIZE);
    return 0;
}

/* --- disks with something else on them --- */

static void refused(int error, const char *text)
{
    host_reset();
    assert_int_equal(fs_disk_mount(), error);
    if (!host_log_contains(text))
        fail_msg("expected a message with \"%s\", got: %s", text, host_log());
    assert_null(fs_root());
}

static void super_change(size_t field, uint32_t value, bool repair)
{
    struct fs_super *super = (void *)fs_disk.bytes;
    fs_disk_load(image, IMAGE_SIZE);
    super = (void *)fs_disk.bytes;
    ((uint32_t *)super)[field] = value;
    if (repair)
        super->checksum = fs_super_checksum(super);
}

static void test_foreign_images_are_refused(void **unused)
{
    static const uint8_t empty[8192];
    (void)unused;
    fs_disk_load(empty, sizeof(empty));
    refused(-EINVAL, "magic is 0x0, expected 0x6b6c4276");
    fs_disk_load(empty, 512);
    refused(-EINVAL, "too few");
    fs_disk_load(image, IMAGE_SIZE / 2);
    refused(-EINVAL, "blocks of the file system is 0x100, expected 0x80");
    super_change(1, 2, true);
    refused(-EINVAL, "version is 0x2, expected 0x1");
    super_change(3, 200, false);
    refused(-EINVAL, "superblock checksum");
    super_change(2, 1024, true);
    refused(-EINVAL, "block size");
    for (size_t field = 3; field <= 5; field++) {
        static const uint32_t sizes[] = {0, 1, 64, 0x7fffffff, 0xffffffff};
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
            if (field == 4 && sizes[i] == 64)
                continue; /* what mkfs chose */
            super_change(field, sizes[i], true);
            refused(-EINVAL, "not mounted");
        }
    }
    fs_disk_load(image, IMAGE_SIZE);
    fs_disk.bad_block = layout.log_start;
    refused(-EIO, "not mounted");
}

/* A complete transaction of one block of 0x11s for `target`. */
static void log_forge(uint32_t target)
{
    struct fs_log_header *header = (void *)(fs_disk.bytes + layout.log_start * FS_BLOCK_SIZE);
    fs_disk_load(image, IMAGE_SIZE);
    header = (void *)(fs_disk.bytes + layout.log_start * FS_BLOCK_SIZE);
    uint8_t *copy = (uint8_t *)header + FS_BLOCK_SIZE;
    memset(copy, 0x11, FS_BLOCK_SIZE);
    memset(header, 0, sizeof(*header));
    header->magic = FS_LOG_MAGIC;
    header->count = 1;
    header->targets[0] = target;
    header->checksum =
        fs_checksum(fs_checksum(FS_CHECKSUM_START, header, sizeof(*header)), copy, FS_BLOCK_SIZE);
}

static void test_log_replay(void **unused)
{
    uint32_t target = layout.blocks - 1;
    const uint8_t *home = NULL;
    (void)unused;
    log_forge(target);
    fs_disk.device.read_only = true;
    refused(-EROFS, "attach it writable once");
    fs_disk.device.read_only = false;
    home = fs_disk.bytes + (size_t)target * FS_BLOCK_SIZE;
    assert_int_equal(home[0], 0);
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(home[0], 0x11);
    /* Once only. */
    fs_disk.bytes[(size_t)target * FS_BLOCK_SIZE] = 0x22;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(home[0], 0x22);
    static const uint32_t wrong[] = {0, 1, 65, 0xffffffff};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        log_forge(wrong[i]);
        refused(-EINVAL, "the log names block");
    }
    log_forge(layout.blocks);
    refused(-EINVAL, "the log names block");
    /* A count that no log can hold. */
    log_forge(target);
    ((struct fs_log_header *)(fs_disk.bytes + layout.log_start * FS_BLOCK_SIZE))->count =
        0xffffffff;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_disk.bytes[(size_t)target * FS_BLOCK_SIZE], 0);
    /* A copy that is not what the header was made for. */
    log_forge(target);
    fs_disk.bytes[(layout.log_start + 1) * FS_BLOCK_SIZE + 77] ^= 1;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_disk.bytes[(size_t)target * FS_BLOCK_SIZE], 0);
}

/* --- disks that are damaged --- */

static struct fs_disk_inode *inode_on_disk(uint32_t number)
{
    uint8_t *table = fs_disk.bytes + (size_t)layout.inode_table_start * FS_BLOCK_SIZE;
    return (struct fs_disk_inode *)table + number;
}

static struct fs_disk_entry *entry_on_disk(uint32_t directory, unsigned n)
{
    uint8_t *block = fs_disk.bytes + (size_t)inode_on_disk(directory)->direct[0] * FS_BLOCK_SIZE;
    return (struct fs_disk_entry *)block + n;
}

/* A mounted disk with /f, inode 3, whose blocks are then changed below the cache, and mounted
 * again. */
static void file_prepare(void)
{
    fs_disk_load(image, IMAGE_SIZE);
    assert_int_equal(fs_disk_mount(), 0);
    file_make("/f", "text", 4);
    assert_int_equal(file_stat("/f").st_ino, 3);
}

static void test_wrong_pointers(void **unused)
{
    static const uint32_t wrong[] = {1, 69, 256, 0xffffffff};
    char data[4];
    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        file_prepare();
        inode_on_disk(3)->direct[0] = wrong[i];
        inode_on_disk(3)->indirect = wrong[i];
        inode_on_disk(3)->double_indirect = wrong[i];
        assert_int_equal(fs_disk_mount(), 0);
        struct file *file = open_ok("/f", O_RDWR);
        assert_int_equal(file_read(file, data, sizeof(data)), -EIO);
        assert_int_equal(file_write(file, "harm", 4), -EIO);
        file_release(file);
        assert_int_equal(fs_volume.damage_reports, 2);
        assert_true(host_log_contains("inode 3 points to block"));
        /* It can still be removed. */
        assert_int_equal(fs_unlink(NULL, "/f"), 0);
    }
}

static void test_wrong_entries(void **unused)
{
    struct dirent entry;
    (void)unused;
    file_prepare();
    /* The root holds . .. dev f: what f is, changes. */
    assert_string_equal(entry_on_disk(1, 3)->name, "f");
    static const uint32_t wrong[] = {63, 64, 0x80000000}; /* free; there are 64 */
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        entry_on_disk(1, 3)->inode = wrong[i];
        assert_int_equal(fs_disk_mount(), 0);
        assert_int_equal(open_error("/f", O_RDWR), -EIO);
        assert_int_equal(fs_unlink(NULL, "/f"), -EIO);
    }
    assert_true(host_log_contains("inode 64 does not exist"));
    /* A directory within itself, and one without a closing 0. */
    entry_on_disk(1, 3)->inode = 1;
    memset(entry_on_disk(1, 3)->name, 'n', sizeof(entry.d_name));
    assert_int_equal(fs_disk_mount(), 0);
    struct file *file = open_ok("/", O_RDONLY);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(file_read(file, &entry, sizeof(entry)), sizeof(entry));
    file_release(file);
    assert_int_equal(strnlen(entry.d_name, sizeof(entry.d_name)), NAME_MAX);
    strlcpy(entry_on_disk(1, 3)->name, "f", sizeof(entry.d_name));
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_unlink(NULL, "/f"), -EIO);
    assert_int_equal(open_error("/f/f/f/dev", O_RDONLY), 0);
}

static void test_wrong_inodes(void **unused)
{
    (void)unused;
    file_prepare();
    inode_on_disk(3)->size = FS_FILE_SIZE_MAX + 1;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(open_error("/f", O_RDONLY), -EIO);
    inode_on_disk(3)->size = 4;
    inode_on_disk(3)->mode = 0644;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(open_error("/f", O_RDONLY), -EIO);
    /* A bitmap that says the file's block is free: said so, once it is freed. */
    inode_on_disk(3)->mode = S_IFREG | 0644;
    uint32_t block = inode_on_disk(3)->direct[0];
    fs_disk.bytes[(size_t)layout.block_map_start * FS_BLOCK_SIZE + block / 8] &=
        (uint8_t) ~(1u << block % 8);
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_unlink(NULL, "/f"), 0);
    assert_true(host_log_contains("was in use but free in the bitmap"));
    /* A bitmap that says the root is free: its number is not given to another file. */
    fs_disk.bytes[(size_t)layout.inode_map_start * FS_BLOCK_SIZE] = 1;
    assert_int_equal(fs_disk_mount(), 0);
    assert_int_equal(fs_mkdir(NULL, "/d", 0755), -EIO);
    assert_int_equal(fs_mkdir(NULL, "/dev/d", 0755), -EIO);
    assert_int_equal(fs_mkdir(NULL, "/dev/d", 0755), 0);
    inode_on_disk(1)->mode = S_IFREG;
    refused(-EIO, "the root is not a directory");
}

/* --- a disk that cannot be read for a while --- */

#define LARGE_SIZE ((size_t)3 << 20)

/* Reads so much else that no block of inodes stays in the cache. */
static void cache_fill(struct file *large)
{
    static uint8_t data[LARGE_SIZE];
    assert_int_equal(large->ops->seek(large, 0, SEEK_SET), 0);
    assert_int_equal(file_read(large, data, LARGE_SIZE), LARGE_SIZE);
}

static int open_truncating(void) { return open_error("/f", O_WRONLY | O_TRUNC); }
static int open_creating(void) { return open_error("/new", O_WRONLY | O_CREAT); }
static int make_directory(void) { return fs_mkdir(NULL, "/new", 0755); }
static int link_file(void) { return fs_link(NULL, "/f", "/new"); }
static int unlink_file(void) { return fs_unlink(NULL, "/f"); }

/* What fails because a block of inodes cannot be read changes nothing, although it has changed
 * others before it needs that one: here the `block`th of inodes, where 0 holds that of the root, 1
 * that of the open file /f and of the next new one. */
static void unreadable_try(int (*operation)(void), uint32_t block)
{
    static const uint8_t data[LARGE_SIZE];
    struct fs_check before, after;
    char name[] = "/00";
    fs_mount_new(8);
    file_make("/large", data, LARGE_SIZE);
    for (unsigned i = 0; i < 40; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        file_make(name, "", 0);
    }
    file_make("/f", data, 100000);
    struct file *large = open_ok("/large", O_RDONLY), *file = open_ok("/f", O_RDONLY);
    assert_int_equal(file_stat("/f").st_ino / FS_INODES_PER_BLOCK, 1);
    fs_check_now(&before);

    cache_fill(large);
    fs_disk.bad_block = fs_volume.layout.inode_table_start + block;
    assert_int_equal(operation(), -EIO);
    fs_disk.bad_block = 0;
    fs_check_now(&after);
    assert_true(after.fingerprint == before.fingerprint);
    assert_int_equal(after.used_blocks, before.used_blocks);
    assert_int_equal(operation(), 0); /* now it can be done */
    file_release(file);
    file_release(large);
    fs_check_now(&after);
    assert_int_equal(fs_volume.damage_reports, 0);
}

static void test_unreadable_inodes(void **unused)
{
    (void)unused;
    unreadable_try(open_truncating, 1);
    unreadable_try(open_creating, 0);
    unreadable_try(make_directory, 0);
    unreadable_try(link_file, 0);
    unreadable_try(link_file, 1);
    unreadable_try(unlink_file, 0);
    unreadable_try(unlink_file, 1);
}

/* The last close of a file without a name: what cannot be freed now is freed by the next mount. */
static void test_unreadable_at_the_last_close(void **unused)
{
    static const uint8_t data[LARGE_SIZE];
    struct fs_check check;
    (void)unused;
    fs_mount_new(8);
    file_make("/large", data, LARGE_SIZE);
    file_make("/f", data, 100000);
    struct file *large = open_ok("/large", O_RDONLY), *file = open_ok("/f", O_RDONLY);
    assert_int_equal(fs_unlink(NULL, "/f"), 0);
    cache_fill(large);
    fs_disk.bad_block = fs_volume.layout.inode_table_start;
    file_release(file);
    fs_disk.bad_block = 0;
    file_release(large);
    fs_check_now(&check);
    assert_int_equal(check.orphans, 1);
    assert_int_equal(fs_disk_mount(), 0);
    fs_check_now(&check);
    assert_int_equal(check.orphans, 0);
}

static unsigned random_state;
static unsigned random_next(void)
{
    random_state = random_state * 1103515245u + 12345u;
    return random_state >> 16;
}

/* Overwrites some of the inode table, the bitmaps and the first data blocks (directories, blocks of
 * pointers) with small numbers, which look like block and inode numbers, or with anything. */
static void damage(unsigned seed)
{
    uint32_t first = layout.inode_map_start * FS_BLOCK_SIZE / 4;
    random_state = seed;
    for (unsigned n = 1 + random_next() % 8; n > 0; n--) {
        uint32_t range = random_next() % 4 ? 4096 : 40 * FS_BLOCK_SIZE / 4;
        uint32_t at = random_next() % 2
                          ? layout.inode_table_start * FS_BLOCK_SIZE / 4 + random_next() % 320
                          : first + random_next() % range;
        uint32_t value = random_next() % 3 ? random_next() % 260 : random_next() << 17;
        ((uint32_t *)fs_disk.bytes)[at] = value;
    }
}

/* Everything that can be done; only that it ends, with whatever result, and breaks nothing. */
static void everything(void)
{
    static uint8_t data[8192];
    static const char *const paths[] = {"/", "/d", "/d/e", "/dev", "/d/a", "/large", "/d/e/../.."};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct file *file;
        if (fs_open(NULL, paths[i], O_RDONLY, 0, &file))
            continue;
        file_read(file, data, sizeof(data));
        file_read(file, data, sizeof(data));
        file_release(file);
    }
    fs_script_run();
    fs_script_run_all();
    fs_unlink(NULL, "/large");
    fs_unlink(NULL, "/d/a");
    fs_unlink(NULL, "/d/n");
    fs_unlink(NULL, "/d");
}

static void test_damaged_disks_do_no_harm(void **unused)
{
    static uint8_t filled[IMAGE_SIZE];
    unsigned mounted = 0, reported = 0;
    (void)unused;
    assert_int_equal(fs_disk_mount(), 0);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(fs_script[i].run(), 0);
    memcpy(filled, fs_disk.bytes, IMAGE_SIZE);
    for (unsigned seed = 0; seed < 400; seed++) {
        host_reset();
        fs_disk_load(filled, IMAGE_SIZE);
        damage(seed);
        if (fs_disk_mount() == 0) {
            mounted++;
            everything();
            reported += fs_volume.damage_reports > 0;
        }
        assert_int_equal(host_locks_held(), 0);
    }
    /* The damage is such that most disks mount, and many of them show it. */
    assert_true(mounted > 200 && reported > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_foreign_images_are_refused),
        TEST(test_log_replay),
        TEST(test_wrong_pointers),
        TEST(test_wrong_entries),
        TEST(test_wrong_inodes),
        TEST(test_unreadable_inodes),
        TEST(test_unreadable_at_the_last_close),
        TEST(test_damaged_disks_do_no_harm),
    };
    return cmocka_run_group_tests_name("fs_damage", tests, NULL, NULL);
}
