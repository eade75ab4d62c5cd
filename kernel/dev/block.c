/* The table of disks, and the checks that every transfer passes before a driver sees it. Disks are
 * entered while one hart boots and never leave, so the table needs no lock. */
#include "dev/block.h"

#include "abi/errno.h"

#define DISK_MAX 4

static struct block_device *disks[DISK_MAX];
static unsigned disk_count;

int block_register(struct block_device *disk)
{
    if (disk_count == DISK_MAX)
        return -ENOSPC;
    disks[disk_count++] = disk;
    return 0;
}

struct block_device *block_device_get(unsigned n) { return n < disk_count ? disks[n] : NULL; }

static int block_transfer(struct block_device *disk, bool write, uint64_t sector, void *data,
                          uint32_t bytes)
{
    /* A driver may shrink or grow the capacity meanwhile; each transfer is judged by one value. */
    uint64_t sectors = READ_ONCE(disk->sectors);
    if (bytes == 0 || bytes % SECTOR_SIZE != 0)
        return -EINVAL;
    if (sector > sectors || bytes / SECTOR_SIZE > sectors - sector)
        return -EINVAL;
    return disk->ops->transfer(disk, write, sector, data, bytes);
}

int block_read(struct block_device *disk, uint64_t sector, void *data, uint32_t bytes)
{
    return block_transfer(disk, false, sector, data, bytes);
}

int block_write(struct block_device *disk, uint64_t sector, const void *data, uint32_t bytes)
{
    if (disk->read_only)
        return -EROFS;
    return block_transfer(disk, true, sector, (void *)data, bytes);
}

int block_flush(struct block_device *disk) { return disk->ops->flush ? disk->ops->flush(disk) : 0; }
