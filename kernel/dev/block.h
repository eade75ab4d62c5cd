/* Block devices: what the buffer cache sees of a disk, and what a disk driver provides. */
#ifndef DEV_BLOCK_H
#define DEV_BLOCK_H

#include "lib/types.h"

#define SECTOR_SIZE 512u

struct block_device;

struct block_ops {
    /* Moves `bytes` (a multiple of SECTOR_SIZE) between the disk and a physically contiguous kernel buffer,
     * and sleeps until the device is done. Thread context, no spinlock held. The generic layer has
     * checked the range and the read-only flag. 0, -EIO, -EOPNOTSUPP. */
    int (*transfer)(struct block_device *disk, bool write, uint64_t sector, void *data,
                    uint32_t bytes);
    /* Returns 0 once every completed write is durable; -EIO. NULL if the disk has no volatile cache. */
    int (*flush)(struct block_device *disk);
};

struct block_device {
    char name[16];
    const struct block_ops *ops; /* [I] */
    void *driver;                /* [I] the driver's own record */
    uint64_t sectors;            /* capacity in units of SECTOR_SIZE; a driver may update it */
    bool read_only;              /* [I] */
};

/* Called by drivers while the kernel boots; the device stays registered for good. 0 or -ENOSPC. */
int block_register(struct block_device *disk);

/* The n-th registered disk, NULL if there are fewer. Disk 0 holds the root file system. */
struct block_device *block_device_get(unsigned n);

/* Checked transfers. -EINVAL: beyond the capacity or not whole sectors; -EROFS: write to a read-only
 * disk; -EIO: the device reported an error or did not answer. */
int block_read(struct block_device *disk, uint64_t sector, void *data, uint32_t bytes);
int block_write(struct block_device *disk, uint64_t sector, const void *data, uint32_t bytes);
int block_flush(struct block_device *disk);

#endif
