/* mkfs: makes a disk image with the file system of kernel/fs (layout: fs_format.h) and fills it.
 *
 * The image is a sparse file, mapped into memory and written in place, so that making one takes no
 * time to speak of. Blocks and inodes are handed out in order: the same arguments give the same
 * image. An image that cannot be completed is removed.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs_format.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the image is little-endian");

#define BLOCKS_PER_MB (1048576 / FS_BLOCK_SIZE)
#define MB_MAX        65536
#define LINE_MAX_SIZE 4096

static const char usage[] =
    "usage: mkfs IMAGE SIZE_MB [ITEM]...\n"
    "Makes IMAGE, a disk of SIZE_MB MiB with an rvnet file system that holds the items:\n"
    "  HOSTFILE=/PATH            a copy of a file of the host\n"
    "  dir=/PATH                 a directory\n"
    "  dev=/PATH,MAJOR,MINOR     a device node\n"
    "  link=/EXISTING,/PATH      a second name for a file\n"
    "  @LIST                     the items in the file LIST, one a line; # begins a comment line\n"
    "Directories on the way to a PATH are made as needed.\n"
    "Exit status: 0 done, 1 the image could not be made, 2 bad usage.\n";

static struct {
    const char *path; /* of the image once it exists */
    uint8_t *bytes;
    size_t size;
    struct fs_layout layout;
    uint32_t next_block, next_inode; /* handed out next */
} image;

static void __attribute__((format(printf, 2, 3), noreturn)) fail(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("mkfs: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    if (image.path)
        unlink(image.path);
    exit(status);
}

/* --- Blocks and inodes --- */

static void *block_bytes(uint32_t block) { return image.bytes + (size_t)block * FS_BLOCK_SIZE; }

static void bit_set(uint32_t map_start, uint32_t bit)
{
    uint8_t *map = block_bytes(map_start);
    map[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static uint32_t block_alloc(void)
{
    if (image.next_block == image.layout.blocks)
        fail(1, "%s: full (%u blocks); give it more MiB", image.path, image.layout.blocks);
    bit_set(image.layout.block_map_start, image.next_block);
    return image.next_block++;
}

static struct fs_disk_inode *inode_at(uint32_t number)
{
    return (struct fs_disk_inode *)block_bytes(image.layout.inode_table_start) + number;
}

static uint32_t inode_alloc(uint32_t mode)
{
    if (image.next_inode == image.layout.inodes)
        fail(1, "%s: all %u inodes are used; give it more MiB", image.path, image.layout.inodes);
    bit_set(image.layout.inode_map_start, image.next_inode);
    inode_at(image.next_inode)->mode = mode;
    return image.next_inode++;
}

/* The block that *pointer leads to, newly allocated if there is none. */
static void *pointer_follow(struct fs_disk_inode *inode, uint32_t *pointer)
{
    if (*pointer == 0) {
        *pointer = block_alloc();
        inode->blocks++;
    }
    return block_bytes(*pointer);
}

static uint8_t *inode_block(struct fs_disk_inode *inode, uint64_t index)
{
    if (index < FS_DIRECT)
        return pointer_follow(inode, &inode->direct[index]);
    index -= FS_DIRECT;
    if (index < FS_POINTERS_PER_BLOCK) {
        uint32_t *table = pointer_follow(inode, &inode->indirect);
        return pointer_follow(inode, &table[index]);
    }
    index -= FS_POINTERS_PER_BLOCK;
    uint32_t *tables = pointer_follow(inode, &inode->double_indirect);
    uint32_t *table = pointer_follow(inode, &tables[index / FS_POINTERS_PER_BLOCK]);
    return pointer_follow(inode, &table[index % FS_POINTERS_PER_BLOCK]);
}

static void inode_append(struct fs_disk_inode *inode, const void *data, size_t n)
{
    const uint8_t *from = data;
    while (n > 0) {
        size_t at = inode->size % FS_BLOCK_SIZE;
        size_t piece = n < FS_BLOCK_SIZE - at ? n : FS_BLOCK_SIZE - at;
        if (inode->size >= FS_FILE_SIZE_MAX)
            fail(1, "a file is larger than %llu bytes", (unsigned long long)FS_FILE_SIZE_MAX);
        memcpy(inode_block(inode, inode->size / FS_BLOCK_SIZE) + at, from, piece);
        from += piece;
        n -= piece;
        inode->size += piece;
    }
}

/* --- Directories and paths --- */

static void directory_enter(uint32_t directory, const char *name, uint32_t number)
{
    struct fs_disk_entry entry = {.inode = number};
    strncpy(entry.name, name, sizeof(entry.name) - 1);
    inode_append(inode_at(directory), &entry, sizeof(entry));
    inode_at(number)->links++;
}

static uint32_t directory_make(uint32_t parent)
{
    uint32_t number = inode_alloc(FS_MODE_DIRECTORY | 0755);
    directory_enter(number, ".", number);
    directory_enter(number, "..", parent ? parent : number);
    return number;
}

/* The inode number of a name, 0 if it is not there. */
static uint32_t directory_find(uint32_t directory, const char *name)
{
    struct fs_disk_inode *inode = inode_at(directory);
    for (uint64_t at = 0; at < inode->size; at += sizeof(struct fs_disk_entry)) {
        const struct fs_disk_entry *entry =
            (const void *)(inode_block(inode, at / FS_BLOCK_SIZE) + at % FS_BLOCK_SIZE);
        if (strcmp(entry->name, name) == 0)
            return entry->inode;
    }
    return 0;
}

/* Walks to the directory of the last component of `path`, making what is missing, and copies that
 * component to `name`, which is empty for the root. Returns the directory. */
static uint32_t path_walk(const char *path, char name[60])
{
    uint32_t directory = FS_ROOT_INODE;
    const char *at = path + strspn(path, "/");
    if (*path != '/')
        fail(2, "%s: a path in the image begins with /", path);
    name[0] = 0;
    while (*at) {
        size_t n = strcspn(at, "/");
        if (n > sizeof(((struct fs_disk_entry *)0)->name) - 1)
            fail(2, "%s: a name is longer than 59 characters", path);
        memcpy(name, at, n);
        name[n] = 0;
        at += n;
        at += strspn(at, "/");
        if (*at == 0)
            break;
        uint32_t next = directory_find(directory, name);
        if (!next) {
            next = directory_make(directory);
            directory_enter(directory, name, next);
        } else if ((inode_at(next)->mode & FS_MODE_TYPE) != FS_MODE_DIRECTORY) {
            fail(2, "%s: %s is not a directory", path, name);
        }
        directory = next;
    }
    return directory;
}

/* The same for a path that is about to be made. */
static uint32_t path_walk_new(const char *path, char name[60])
{
    uint32_t directory = path_walk(path, name);
    if (name[0] == 0 || directory_find(directory, name))
        fail(2, "%s: exists already", path);
    return directory;
}

/* --- Items --- */

static void directory_add(const char *path)
{
    char name[60];
    uint32_t parent = path_walk_new(path, name);
    directory_enter(parent, name, directory_make(parent));
}

static void file_add(const char *host_path, const char *path)
{
    char name[60], buffer[65536];
    uint32_t directory = path_walk_new(path, name);
    struct stat host;
    ssize_t n;
    int fd = open(host_path, O_RDONLY);
    if (fd < 0 || fstat(fd, &host) < 0)
        fail(1, "%s: %s", host_path, strerror(errno));
    uint32_t number = inode_alloc(FS_MODE_FILE | (host.st_mode & 0777));
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        inode_append(inode_at(number), buffer, (size_t)n);
    if (n < 0)
        fail(1, "%s: %s", host_path, strerror(errno));
    close(fd);
    directory_enter(directory, name, number);
}

/* Reads a decimal number up to `most` in front of the character `end`; returns what stands behind
 * that, NULL if it is none. (sscanf() takes a sign, and cuts off what does not fit.) */
static const char *number_read(const char *text, char end, unsigned most, unsigned *number)
{
    char *rest;
    unsigned long value = strtoul(text, &rest, 10);
    if (!isdigit((unsigned char)*text) || *rest != end || value > most)
        return NULL;
    *number = (unsigned)value;
    return rest + 1;
}

static void device_add(char *item)
{
    char name[60];
    unsigned major, minor;
    char *comma = strchr(item, ',');
    const char *second = comma ? number_read(comma + 1, ',', 255, &major) : NULL;
    if (!second || !number_read(second, 0, 255, &minor))
        fail(2, "dev=%s: expected dev=/PATH,MAJOR,MINOR with numbers up to 255", item);
    *comma = 0;
    uint32_t directory = path_walk_new(item, name);
    uint32_t number = inode_alloc(FS_MODE_DEVICE | 0666);
    inode_at(number)->device = major << 8 | minor;
    directory_enter(directory, name, number);
}

static void link_add(char *item)
{
    char name[60];
    char *comma = strchr(item, ',');
    if (!comma)
        fail(2, "link=%s: expected link=/EXISTING,/PATH", item);
    *comma = 0;
    uint32_t directory = path_walk(item, name), number = directory_find(directory, name);
    if (!number || (inode_at(number)->mode & FS_MODE_TYPE) == FS_MODE_DIRECTORY)
        fail(2, "link: %s is not a file in the image", item);
    directory = path_walk_new(comma + 1, name);
    directory_enter(directory, name, number);
}

static void list_add(const char *path);

static void item_add(char *item)
{
    char *equals = strstr(item, "=/");
    if (*item == '@') {
        list_add(item + 1);
        return;
    }
    if (!equals)
        fail(2, "%s: not an item; see mkfs --help", item);
    *equals = 0;
    if (strcmp(item, "dir") == 0)
        directory_add(equals + 1);
    else if (strcmp(item, "dev") == 0)
        device_add(equals + 1);
    else if (strcmp(item, "link") == 0)
        link_add(equals + 1);
    else
        file_add(item, equals + 1);
}

static void list_add(const char *path)
{
    char line[LINE_MAX_SIZE];
    FILE *list = fopen(path, "r");
    if (!list)
        fail(1, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof(line), list)) {
        if (strlen(line) == sizeof(line) - 1 && !strchr(line, '\n'))
            fail(2, "%s: a line is longer than %zu characters", path, sizeof(line) - 2);
        line[strcspn(line, "\r\n")] = 0;
        if (line[0] == '@')
            fail(2, "%s: a list names another list", path);
        if (line[0] != 0 && line[0] != '#')
            item_add(line);
    }
    if (ferror(list))
        fail(1, "%s: %s", path, strerror(errno));
    fclose(list);
}

/* --- The image --- */

static void image_create(const char *path, uint32_t blocks)
{
    image.size = (size_t)blocks * FS_BLOCK_SIZE;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        fail(1, "%s: %s", path, strerror(errno));
    image.path = path;
    if (ftruncate(fd, (off_t)image.size) < 0)
        fail(1, "%s: %s", path, strerror(errno));
    image.bytes = mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (image.bytes == MAP_FAILED)
        fail(1, "%s: %s", path, strerror(errno));
    close(fd);
}

/* One inode for 32 KiB; a log of at most 128 blocks, of which the kernel uses no more. */
static void image_format(uint32_t blocks)
{
    uint32_t inodes = blocks / 8 > 64 ? blocks / 8 : 64;
    uint32_t log_blocks = blocks / 64 > 128 ? 128 : blocks / 64;
    if (log_blocks < FS_LOG_BLOCKS_MIN)
        log_blocks = FS_LOG_BLOCKS_MIN;
    if (!fs_layout_compute(&image.layout, blocks, inodes, log_blocks))
        fail(2, "%s: %u blocks are too few", image.path, blocks);

    struct fs_super *super = block_bytes(0);
    *super = (struct fs_super){FS_MAGIC, FS_VERSION, FS_BLOCK_SIZE, blocks, inodes, log_blocks, 0};
    super->checksum = fs_super_checksum(super);

    struct fs_log_header *header = block_bytes(image.layout.log_start);
    header->magic = FS_LOG_MAGIC;
    header->checksum = fs_checksum(FS_CHECKSUM_START, header, sizeof(*header));

    for (uint32_t block = 0; block < image.layout.data_start; block++)
        bit_set(image.layout.block_map_start, block);
    bit_set(image.layout.inode_map_start, 0);
    image.next_block = image.layout.data_start;
    image.next_inode = FS_ROOT_INODE;
    directory_make(0);
}

int main(int argc, char **argv)
{
    unsigned megabytes;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 3) {
        fputs(usage, stderr);
        return 2;
    }
    if (!number_read(argv[2], 0, MB_MAX, &megabytes) || megabytes < 1)
        fail(2, "%s: the size is a number of MiB from 1 to %d", argv[2], MB_MAX);
    image_create(argv[1], megabytes * BLOCKS_PER_MB);
    image_format(megabytes * BLOCKS_PER_MB);
    for (int i = 3; i < argc; i++)
        item_add(argv[i]);
    if (munmap(image.bytes, image.size) < 0)
        fail(1, "%s: %s", argv[1], strerror(errno));
    return 0;
}
