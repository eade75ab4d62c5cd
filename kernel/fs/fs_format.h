/* The layout of a disk, shared by the kernel, mkfs and the checker of the tests.
 *
 * A disk is an array of 4096-byte blocks; all numbers are little-endian:
 *
 *   | superblock | log header, log copies | inode bitmap | block bitmap | inode table | data ... |
 *   0            1                                                                    data_start
 *
 * The superblock names three sizes (blocks, inodes, log blocks); where each area lies follows from
 * them by fs_layout_compute(), so a superblock cannot contradict itself. Bit n of a bitmap is bit n
 * % 8 of byte n / 8, 1 = in use; the bits of the blocks before data_start are always 1, and so is
 * that of inode 0, which does not exist. Block number 0 in a file's map means a hole that reads as
 * zeros.
 */
#ifndef FS_FS_FORMAT_H
#define FS_FS_FORMAT_H

#include "lib/types.h"

#define FS_MAGIC      0x6b6c4276u
#define FS_VERSION    1u
#define FS_BLOCK_SIZE 4096u

#define FS_BITS_PER_BLOCK     (FS_BLOCK_SIZE * 8)
#define FS_POINTERS_PER_BLOCK (FS_BLOCK_SIZE / 4)
#define FS_INODES_PER_BLOCK   (FS_BLOCK_SIZE / 128)
#define FS_ENTRIES_PER_BLOCK  (FS_BLOCK_SIZE / 64)

#define FS_ROOT_INODE 1u
#define FS_DIRECT     22u

/* The largest file, in blocks: direct, through one indirect block, through the double indirect
 * one. */
#define FS_FILE_BLOCKS_MAX                                                                         \
    (FS_DIRECT + FS_POINTERS_PER_BLOCK + (uint64_t)FS_POINTERS_PER_BLOCK * FS_POINTERS_PER_BLOCK)
#define FS_FILE_SIZE_MAX (FS_FILE_BLOCKS_MAX * FS_BLOCK_SIZE)

/* The types of inodes: the values of S_IFMT in abi/file.h, which mkfs cannot include beside the
 * host's. */
#define FS_MODE_TYPE      0170000u
#define FS_MODE_FILE      0100000u
#define FS_MODE_DIRECTORY 0040000u
#define FS_MODE_DEVICE    0020000u

/* Block 0; the rest of the block is not used. */
struct fs_super {
    uint32_t magic;
    uint32_t version;
    uint32_t block_size;
    uint32_t blocks;     /* the whole disk, this block included */
    uint32_t inodes;     /* inode numbers are 1 .. inodes - 1 */
    uint32_t log_blocks; /* with the header */
    uint64_t checksum;   /* fs_checksum() of the fields above */
};

/* One inode: 128 bytes. mode 0 = free. */
struct fs_disk_inode {
    uint32_t mode;   /* FS_MODE_* and permission bits */
    uint32_t links;  /* names that lead here; 0 = to be freed, at the latest at the next mount */
    uint64_t size;   /* bytes */
    uint32_t device; /* FS_MODE_DEVICE: major << 8 | minor */
    uint32_t blocks; /* allocated to it, blocks of pointers included */
    uint32_t direct[FS_DIRECT];
    uint32_t indirect;        /* a block of pointers to data */
    uint32_t double_indirect; /* a block of pointers to blocks of pointers to data */
    uint32_t reserved[2];     /* zero */
};

/* Directories are files of these. inode 0 = a free slot. */
struct fs_disk_entry {
    uint32_t inode;
    char name[60]; /* closed by a 0, so 59 characters at most */
};

/* The first log block. When `count` is not 0 and the checksum is right, the following `count` log
 * blocks are copies of a finished transaction, and targets[i] is where copy i belongs. Any other
 * content, such as a header of which only some sectors were written, means that there is nothing to
 * replay. */
#define FS_LOG_MAGIC       0x676f4c76u
#define FS_LOG_TARGETS_MAX ((FS_BLOCK_SIZE - 16) / 4)
struct fs_log_header {
    uint32_t magic;
    uint32_t count;
    uint64_t checksum; /* of the header with this field 0, continued over the copies */
    uint32_t targets[FS_LOG_TARGETS_MAX];
};

/* Fewer log blocks than this cannot hold two operations at once. */
#define FS_LOG_BLOCKS_MIN 65u
#define FS_LOG_BLOCKS_MAX (FS_LOG_TARGETS_MAX + 1)

_Static_assert(sizeof(struct fs_disk_inode) == 128, "inode size");
_Static_assert(sizeof(struct fs_disk_entry) == 64, "directory entry size");
_Static_assert(sizeof(struct fs_log_header) == FS_BLOCK_SIZE, "log header size");

/* Where the areas begin, in blocks. */
struct fs_layout {
    uint32_t blocks, inodes, log_blocks; /* as in the superblock */
    uint32_t log_start;
    uint32_t inode_map_start;
    uint32_t block_map_start;
    uint32_t inode_table_start;
    uint32_t data_start;
};

#define FS_CHECKSUM_START 0xcbf29ce484222325ull

/* FNV-1a over 32-bit words, 64 bits wide; `size` is a multiple of 4. Pass FS_CHECKSUM_START, or the
 * result for what precedes the data. */
static inline uint64_t fs_checksum(uint64_t sum, const void *data, size_t size)
{
    const uint32_t *words = data;
    for (size_t i = 0; i < size / 4; i++)
        sum = (sum ^ words[i]) * 0x100000001b3ull;
    return sum;
}

static inline uint64_t fs_super_checksum(const struct fs_super *super)
{
    return fs_checksum(FS_CHECKSUM_START, super, offsetof(struct fs_super, checksum));
}

/* Fills *layout from the three sizes; false if no disk can look like that. */
static inline bool fs_layout_compute(struct fs_layout *layout, uint32_t blocks, uint32_t inodes,
                                     uint32_t log_blocks)
{
    uint64_t next = 1;
    if (inodes < 2 || log_blocks < FS_LOG_BLOCKS_MIN || log_blocks > FS_LOG_BLOCKS_MAX)
        return false;
    layout->blocks = blocks;
    layout->inodes = inodes;
    layout->log_blocks = log_blocks;
    layout->log_start = (uint32_t)next;
    next += log_blocks;
    layout->inode_map_start = (uint32_t)next;
    next += ((uint64_t)inodes + FS_BITS_PER_BLOCK - 1) / FS_BITS_PER_BLOCK;
    layout->block_map_start = (uint32_t)next;
    next += ((uint64_t)blocks + FS_BITS_PER_BLOCK - 1) / FS_BITS_PER_BLOCK;
    layout->inode_table_start = (uint32_t)next;
    next += ((uint64_t)inodes + FS_INODES_PER_BLOCK - 1) / FS_INODES_PER_BLOCK;
    layout->data_start = (uint32_t)next;
    return next < blocks;
}

#endif
