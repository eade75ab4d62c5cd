/* Mounting: the superblock, what a crash left behind, and the report of damage. */
#include "fs/fs.h"

#include "abi/errno.h"
#include "dev/block.h"
#include "fs/buf.h"
#include "fs/fs_format.h"
#include "fs/inode.h"
#include "fs/log.h"
#include "lib/format.h"
#include "lib/printf.h"
#include "mm/kalloc.h"

#define DAMAGE_REPORTS_MAX 20

struct fs_volume fs_volume;

struct inode *fs_root(void) { return fs_volume.root; }
int fs_sync(void) { return log_sync(); }

int fs_damaged(const char *fmt, ...)
{
    char text[120];
    va_list args;
    uint64_t before = __atomic_fetch_add(&fs_volume.damage_reports, 1, __ATOMIC_RELAXED);
    if (before >= DAMAGE_REPORTS_MAX)
        return -EIO;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    kprintf("fs: damaged disk: %s%s\n", text,
            before + 1 == DAMAGE_REPORTS_MAX ? " (last report)" : "");
    return -EIO;
}

/* Says why the disk is not mounted; returns -EINVAL. */
static int super_refuse(const char *disk, const char *what, uint64_t found, uint64_t expected)
{
    kprintf("fs: %s: %s is 0x%lx, expected 0x%lx\n", disk, what, (unsigned long)found,
            (unsigned long)expected);
    return -EINVAL;
}

/* Everything that the rest of the file system takes for granted about the layout is checked
 * here. */
static int super_check(const struct fs_super *super, const struct block_device *disk)
{
    uint64_t disk_blocks = disk->sectors / (FS_BLOCK_SIZE / SECTOR_SIZE);
    if (super->magic != FS_MAGIC)
        return super_refuse(disk->name, "no rvnet file system: magic", super->magic, FS_MAGIC);
    if (super->version != FS_VERSION)
        return super_refuse(disk->name, "version", super->version, FS_VERSION);
    if (super->checksum != fs_super_checksum(super))
        return super_refuse(disk->name, "superblock checksum", super->checksum,
                            fs_super_checksum(super));
    if (super->block_size != FS_BLOCK_SIZE)
        return super_refuse(disk->name, "block size", super->block_size, FS_BLOCK_SIZE);
    if (super->blocks > disk_blocks)
        return super_refuse(disk->name, "blocks of the file system", super->blocks, disk_blocks);
    if (!fs_layout_compute(&fs_volume.layout, super->blocks, super->inodes, super->log_blocks)) {
        kprintf("fs: %s: %u blocks, %u inodes, %u log blocks make no file system\n", disk->name,
                super->blocks, super->inodes, super->log_blocks);
        return -EINVAL;
    }
    return 0;
}

/* Reads and checks the superblock, and computes the layout from it. */
static int super_read(const struct block_device *disk)
{
    void *page = page_alloc();
    if (!page)
        return -ENOMEM;
    int error = buf_disk_read(0, page);
    if (error == -EINVAL)
        kprintf("fs: %s: %lu sectors are too few\n", disk->name, (unsigned long)disk->sectors);
    else if (error)
        kprintf("fs: %s: cannot read the superblock (%d)\n", disk->name, error);
    else
        error = super_check(page, disk);
    page_free(page);
    return error;
}

/* Which inodes among those of one table block have no name but are not free: bit i = the i-th. */
static uint32_t orphans_in_block(const struct fs_disk_inode *inodes)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < FS_INODES_PER_BLOCK; i++)
        if (inodes[i].mode != 0 && inodes[i].links == 0)
            found |= 1u << i;
    return found;
}

/* Files that were open without a name when the system stopped: one reference, and dropping it frees
 * them. */
static int orphans_free(void)
{
    const struct fs_layout *layout = &fs_volume.layout;
    unsigned freed = 0;
    for (uint32_t first = 0; first < layout->inodes; first += FS_INODES_PER_BLOCK) {
        struct buf *buf;
        int error = buf_read(layout->inode_table_start + first / FS_INODES_PER_BLOCK, &buf);
        if (error)
            return error;
        uint32_t found = orphans_in_block((const struct fs_disk_inode *)buf->data);
        buf_release(buf);
        for (uint32_t i = 0; i < FS_INODES_PER_BLOCK; i++) {
            struct inode *inode;
            /* One that cannot be loaded has been reported, and stays. */
            if ((found & (1u << i)) && inode_get(first + i, &inode) == 0) {
                inode_release(inode);
                freed++;
            }
        }
    }
    if (freed > 0)
        kprintf("fs: freed %u files that were deleted while open\n", freed);
    return 0;
}

/* The root stays referenced for good. */
static int root_open(void)
{
    struct inode *root;
    int error = inode_get(FS_ROOT_INODE, &root);
    if (!error && !inode_is(root, FS_MODE_DIRECTORY)) {
        error = fs_damaged("the root is not a directory");
        inode_release(root);
    }
    if (!error)
        fs_volume.root = root;
    return error;
}

int fs_mount_root(void)
{
    struct block_device *disk = block_device_get(0);
    if (!disk) {
        kprintf("fs: there is no disk\n");
        return -ENODEV;
    }
    fs_volume = (struct fs_volume){.read_only = disk->read_only};
    sleeplock_init(&fs_volume.names, "names");
    /* The log before anything that reads through the cache: replaying changes blocks below it. */
    int error = buf_init(disk);
    if (!error)
        error = inode_table_init();
    if (!error)
        error = super_read(disk);
    if (!error)
        error = log_mount(&fs_volume.layout, disk->read_only);
    if (!error && !disk->read_only)
        error = orphans_free();
    if (!error)
        error = root_open();
    if (error) {
        kprintf("fs: %s: not mounted (%d)\n", disk->name, error);
        return error;
    }
    kprintf("fs: %s: %u blocks of 4 KiB, %u inodes%s\n", disk->name, fs_volume.layout.blocks,
            fs_volume.layout.inodes, disk->read_only ? ", read-only" : "");
    return 0;
}
