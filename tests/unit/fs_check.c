/* See fs_check.h. One walk from the root over every name marks what is in use; then link counts and
 * both bitmaps must agree with what the walk saw. */
#include "fs_check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs_format.h"

#define DEPTH_MAX 64

static struct {
    struct fs_check *check;
    const uint8_t *image;
    struct fs_layout layout;
    uint8_t *block_seen;  /* how often a block is pointed to */
    uint32_t *names_seen; /* how often an inode is named */
    uint8_t *inode_seen;  /* its content has been walked */
} state;

static void __attribute__((format(printf, 1, 2))) problem(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (state.check->problems++ == 0)
        vsnprintf(state.check->first, sizeof(state.check->first), fmt, args);
    va_end(args);
}

static void mix(const void *data, size_t n)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++)
        state.check->fingerprint = (state.check->fingerprint ^ bytes[i]) * 0x100000001b3ull;
}

static const void *block_at(uint32_t block) { return state.image + (size_t)block * FS_BLOCK_SIZE; }

static const struct fs_disk_inode *inode_at(uint32_t number)
{
    return (const struct fs_disk_inode *)block_at(state.layout.inode_table_start) + number;
}

static bool bit_at(uint32_t map_start, uint32_t bit)
{
    const uint8_t *map = block_at(map_start);
    return map[bit / 8] & (1u << bit % 8);
}

/* Marks a block that inode `number` points to. False: it cannot be followed. */
static bool block_use(uint32_t number, uint32_t block)
{
    if (block < state.layout.data_start || block >= state.layout.blocks) {
        problem("inode %u points to block %u", number, block);
        return false;
    }
    if (state.block_seen[block]++)
        problem("block %u is used twice, the second time by inode %u", block, number);
    return true;
}

/* The data blocks of a file in order, 0 = hole. */
struct content {
    uint32_t *blocks;
    uint64_t count; /* as many as its size needs */
    uint64_t index; /* of the walk */
};

/* Collects the data blocks that `pointer` leads to, and returns how many blocks of all kinds there
 * are. */
static uint32_t blocks_walk(uint32_t number, uint32_t pointer, unsigned depth,
                            struct content *content)
{
    uint32_t used = 0, span = 1;
    for (unsigned i = 0; i < depth; i++)
        span *= FS_POINTERS_PER_BLOCK;
    if (pointer == 0 || !block_use(number, pointer)) {
        content->index += span;
        return 0;
    }
    if (depth == 0) {
        if (content->index < content->count)
            content->blocks[content->index] = pointer;
        content->index++;
        return 1;
    }
    const uint32_t *entries = block_at(pointer);
    for (unsigned i = 0; i < FS_POINTERS_PER_BLOCK; i++)
        used += blocks_walk(number, entries[i], depth - 1, content);
    return used + 1;
}

static uint32_t *inode_blocks(uint32_t number)
{
    const struct fs_disk_inode *inode = inode_at(number);
    struct content content = {.count = inode->size / FS_BLOCK_SIZE + 1};
    uint32_t used = 0;
    content.blocks = calloc(content.count, sizeof(uint32_t));
    for (unsigned i = 0; i < FS_DIRECT; i++)
        used += blocks_walk(number, inode->direct[i], 0, &content);
    used += blocks_walk(number, inode->indirect, 1, &content);
    used += blocks_walk(number, inode->double_indirect, 2, &content);
    if (used != inode->blocks)
        problem("inode %u has %u blocks but says %u", number, used, inode->blocks);
    return content.blocks;
}

static void content_check(uint32_t number, const uint32_t *data)
{
    static const uint8_t zeros[FS_BLOCK_SIZE];
    uint64_t size = inode_at(number)->size;
    for (uint64_t at = 0; at < size; at += FS_BLOCK_SIZE) {
        uint32_t block = data[at / FS_BLOCK_SIZE];
        size_t n = size - at < FS_BLOCK_SIZE ? size - at : FS_BLOCK_SIZE;
        const uint8_t *bytes = block ? block_at(block) : zeros;
        mix(bytes, n);
        /* Behind the end everything is zero, for files that grow. */
        for (size_t i = n; i < FS_BLOCK_SIZE; i++)
            if (bytes[i] != 0) {
                problem("inode %u has data behind its end", number);
                break;
            }
    }
}

static uint32_t inode_walk(uint32_t number, uint32_t parent, unsigned depth);

static const struct fs_disk_entry *entry_at(const uint32_t *data, uint64_t at)
{
    static const struct fs_disk_entry none;
    uint32_t block = data[at / FS_BLOCK_SIZE];
    return block ? (const void *)((const uint8_t *)block_at(block) + at % FS_BLOCK_SIZE) : &none;
}

static void name_check(uint32_t directory, const uint32_t *data, uint64_t at)
{
    const struct fs_disk_entry *entry = entry_at(data, at);
    if (entry->name[0] == 0 || memchr(entry->name, 0, sizeof(entry->name)) == NULL ||
        strchr(entry->name, '/'))
        problem("directory %u has a bad name", directory);
    for (uint64_t before = 0; before < at; before += sizeof(*entry)) {
        const struct fs_disk_entry *other = entry_at(data, before);
        if (other->inode && strncmp(other->name, entry->name, sizeof(entry->name)) == 0)
            problem("directory %u has the name %.59s twice", directory, entry->name);
    }
}

/* Walks what the directory holds; checks its link count: its name, `.`, and the `..` of each
 * subdirectory. */
static void directory_walk(uint32_t number, uint32_t parent, const uint32_t *data, unsigned depth)
{
    uint64_t size = inode_at(number)->size;
    uint32_t subdirectories = 0;
    bool self = false, up = false;
    for (uint64_t at = 0; at + sizeof(struct fs_disk_entry) <= size;
         at += sizeof(struct fs_disk_entry)) {
        const struct fs_disk_entry *entry = entry_at(data, at);
        if (entry->inode == 0)
            continue;
        name_check(number, data, at);
        mix(entry->name, strnlen(entry->name, sizeof(entry->name)));
        if (strcmp(entry->name, ".") == 0)
            self = entry->inode == number;
        else if (strcmp(entry->name, "..") == 0)
            up = entry->inode == parent;
        else if (inode_walk(entry->inode, number, depth + 1) == FS_MODE_DIRECTORY)
            subdirectories++;
    }
    if (!self || !up)
        problem("directory %u lacks a right . or ..", number);
    if (inode_at(number)->links != 2 + subdirectories)
        problem("directory %u has %u links, not %u", number, inode_at(number)->links,
                2 + subdirectories);
}

/* Counts a name of the inode and, the first time, walks its content. Returns its type, 0 if it has
 * none. */
static uint32_t inode_walk(uint32_t number, uint32_t parent, unsigned depth)
{
    if (number == 0 || number >= state.layout.inodes || depth > DEPTH_MAX) {
        problem("a name leads to inode %u at depth %u", number, depth);
        return 0;
    }
    const struct fs_disk_inode *inode = inode_at(number);
    uint32_t type = inode->mode & FS_MODE_TYPE;
    state.names_seen[number]++;
    mix(&inode->mode, sizeof(inode->mode));
    mix(&inode->links, sizeof(inode->links));
    mix(&inode->device, sizeof(inode->device));
    if (state.inode_seen[number]) {
        if (type == FS_MODE_DIRECTORY)
            problem("directory %u has two names", number);
        return type;
    }
    state.inode_seen[number] = 1;
    state.check->files++;
    if (inode->size > FS_FILE_SIZE_MAX) {
        problem("inode %u has size %llu", number, (unsigned long long)inode->size);
        return type;
    }
    uint32_t *data = inode_blocks(number);
    if (type != FS_MODE_DIRECTORY)
        content_check(number, data);
    if (type == FS_MODE_DIRECTORY)
        directory_walk(number, parent, data, depth);
    else if (type != FS_MODE_FILE && type != FS_MODE_DEVICE)
        problem("inode %u is named but has mode %o", number, inode->mode);
    free(data);
    return type;
}

static void inodes_compare(void)
{
    for (uint32_t number = 1; number < state.layout.inodes; number++) {
        const struct fs_disk_inode *inode = inode_at(number);
        bool marked = bit_at(state.layout.inode_map_start, number);
        if (marked != (inode->mode != 0))
            problem("inode %u has mode %o but bit %d", number, inode->mode, marked);
        if (inode->mode != 0 && !state.inode_seen[number]) {
            if (inode->links != 0)
                problem("inode %u has %u links but no name", number, inode->links);
            state.check->orphans++;
            free(inode_blocks(number));
        }
        if (state.inode_seen[number] && (inode->mode & FS_MODE_TYPE) != FS_MODE_DIRECTORY &&
            inode->links != state.names_seen[number])
            problem("inode %u has %u links but %u names", number, inode->links,
                    state.names_seen[number]);
    }
}

static void blocks_compare(void)
{
    for (uint32_t block = 0; block < state.layout.blocks; block++) {
        bool expected = block < state.layout.data_start || state.block_seen[block];
        if (bit_at(state.layout.block_map_start, block) != expected)
            problem("block %u is %s but its bit is not", block, expected ? "used" : "free");
        state.check->used_blocks += state.block_seen[block] > 0;
    }
}

void fs_check(const uint8_t *image, size_t size, struct fs_check *check)
{
    const struct fs_super *super = (const void *)image;
    memset(check, 0, sizeof(*check));
    check->fingerprint = 0xcbf29ce484222325ull;
    state.check = check;
    state.image = image;
    if (super->magic != FS_MAGIC || super->version != FS_VERSION ||
        super->checksum != fs_super_checksum(super) || super->blocks > size / FS_BLOCK_SIZE ||
        !fs_layout_compute(&state.layout, super->blocks, super->inodes, super->log_blocks)) {
        problem("bad superblock");
        return;
    }
    state.block_seen = calloc(super->blocks, 1);
    state.inode_seen = calloc(super->inodes, 1);
    state.names_seen = calloc(super->inodes, sizeof(*state.names_seen));
    inode_walk(FS_ROOT_INODE, FS_ROOT_INODE, 0);
    inodes_compare();
    blocks_compare();
    free(state.block_seen);
    free(state.inode_seen);
    free(state.names_seen);
}
