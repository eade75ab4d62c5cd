/* See fs_disk.h. */
#include "host.h"

#include "fs_disk.h"

#include "fs/fs.h"
#include "fs/fs_format.h"
#include "fs/inode.h"

#define PENDING_MAX 4096

struct pending {
    size_t offset;
    uint8_t *data;
    uint32_t bytes;
};

struct fs_disk fs_disk;

static uint8_t *durable;
static struct pending pending[PENDING_MAX]; /* written since the last flush, oldest first */
static unsigned pending_count;
static unsigned random_state;

static unsigned random_next(void)
{
    random_state = random_state * 1103515245u + 12345u;
    return random_state >> 16;
}

static void pending_drop(void)
{
    for (unsigned i = 0; i < pending_count; i++)
        host_memory_free(pending[i].data);
    pending_count = 0;
}

static int disk_transfer(struct block_device *device, bool write, uint64_t sector, void *data,
                         uint32_t bytes)
{
    size_t offset = sector * SECTOR_SIZE;
    (void)device;
    if (fs_disk.writes_left == 0)
        return -EIO;
    if (!write) {
        if (fs_disk.bad_block && offset / FS_BLOCK_SIZE == fs_disk.bad_block)
            return -EIO;
        memcpy(data, fs_disk.bytes + offset, bytes);
        return 0;
    }
    if (pending_count == PENDING_MAX)
        fail_msg("the test writes too much without a flush");
    pending[pending_count++] = (struct pending){offset, host_copy(data, bytes), bytes};
    memcpy(fs_disk.bytes + offset, data, bytes);
    fs_disk.writes++;
    fs_disk.writes_left--;
    return 0;
}

static int disk_flush(struct block_device *device)
{
    (void)device;
    if (fs_disk.writes_left == 0)
        return -EIO;
    for (unsigned i = 0; i < pending_count; i++)
        memcpy(durable + pending[i].offset, pending[i].data, pending[i].bytes);
    pending_drop();
    fs_disk.flushes++;
    return 0;
}

static const struct block_ops disk_ops = {.transfer = disk_transfer, .flush = disk_flush};

void fs_disk_load(const uint8_t *image, size_t size)
{
    pending_drop();
    if (size != fs_disk.size) {
        host_memory_free(durable);
        host_memory_free(fs_disk.bytes);
        durable = host_memory(size);
        fs_disk.bytes = host_memory(size);
        fs_disk.size = size;
    }
    memcpy(durable, image, size);
    memcpy(fs_disk.bytes, image, size);
    fs_disk.writes = fs_disk.flushes = 0;
    fs_disk.writes_left = UINT32_MAX;
    fs_disk.bad_block = 0;
    fs_disk.device.sectors = size / SECTOR_SIZE;
    fs_disk.device.read_only = false;
    if (!fs_disk.device.ops) {
        strlcpy(fs_disk.device.name, "ram0", sizeof(fs_disk.device.name));
        fs_disk.device.ops = &disk_ops;
        block_register(&fs_disk.device);
    }
}

void fs_disk_crash(enum fs_disk_crash kind, unsigned seed)
{
    random_state = seed;
    unsigned torn = pending_count > 0 ? random_next() % pending_count : 0;
    for (unsigned i = 0; i < pending_count; i++) {
        uint32_t bytes = kind == CRASH_KEEPS_NONE ? 0 : pending[i].bytes;
        if (kind == CRASH_KEEPS_SOME && random_next() % 2 == 0)
            bytes = 0;
        else if (kind == CRASH_KEEPS_SOME && i == torn)
            bytes = random_next() % (bytes / SECTOR_SIZE) * SECTOR_SIZE;
        memcpy(durable + pending[i].offset, pending[i].data, bytes);
    }
    pending_drop();
    memcpy(fs_disk.bytes, durable, fs_disk.size);
    fs_disk.writes_left = UINT32_MAX;
}

int fs_disk_mount(void)
{
    /* A real kernel never unmounts: the root's reference is all that a test has to take back. */
    inode_release(fs_root());
    fs_volume.root = NULL;
    return fs_mount_root();
}
