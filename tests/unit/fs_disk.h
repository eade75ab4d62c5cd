/* A disk in memory for the file-system tests: disk 0 of block_device_get(). It has a volatile write
 * cache, as real disks do: a write is seen by reads at once, but after a power cut only what was
 * flushed is sure to be there. */
#ifndef FS_DISK_H
#define FS_DISK_H

#include "dev/block.h"
#include "lib/types.h"

/* What a power cut leaves of the writes since the last flush. */
enum fs_disk_crash { CRASH_KEEPS_ALL, CRASH_KEEPS_NONE, CRASH_KEEPS_SOME };

struct fs_disk {
    struct block_device device;
    uint8_t *bytes; /* what a read sees */
    size_t size;
    unsigned writes; /* of blocks, since the load */
    unsigned flushes;
    unsigned writes_left; /* then the power goes: every transfer and flush fails */
    uint32_t bad_block;   /* reading this block fails; 0 = none */
};

extern struct fs_disk fs_disk;

void fs_disk_load(const uint8_t *image, size_t size); /* a copy of it, all flushed, the power on */

/* The power comes back: `bytes` becomes what was flushed and what the crash kept of the rest.
 * CRASH_KEEPS_SOME keeps some of the writes, in any order, one of them perhaps only in part (whole
 * sectors), as `seed` says. */
void fs_disk_crash(enum fs_disk_crash kind, unsigned seed);

/* Mounts it, dropping what an earlier mount left in memory. Result of fs_mount_root(). */
int fs_disk_mount(void);

#endif
