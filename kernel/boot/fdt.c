#include "boot/fdt.h"

#include "arch/memlayout.h"
#include "lib/byteorder.h"
#include "lib/string.h"

#define FDT_MAGIC      0xd00dfeed
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE   2
#define FDT_PROP       3
#define FDT_NOP        4
#define FDT_SIZE_MAX   (2u << 20)

struct fdt_header {
    be32_t magic, total_size, structure_offset, strings_offset, reserve_offset, version,
        compatible_version, boot_hart, strings_size, structure_size;
};

struct fdt_cursor {
    const uint8_t *structure;
    uint32_t size, at; /* at: offset of the next token */
    const char *strings;
    uint32_t strings_size;
};

static uint32_t token_next(struct fdt_cursor *cursor)
{
    if (cursor->size < 4 || cursor->at > cursor->size - 4)
        return 0;
    uint32_t token = ntohl(*(const be32_t *)(cursor->structure + cursor->at));
    cursor->at += 4;
    return token;
}

/* Steps over n bytes and the padding behind them; returns where they are, NULL beyond the end. */
static const void *bytes_take(struct fdt_cursor *cursor, uint32_t n)
{
    if (n > cursor->size - cursor->at)
        return NULL;
    const void *bytes = cursor->structure + cursor->at;
    cursor->at = MIN(ALIGN_UP(cursor->at + n, 4), cursor->size);
    return bytes;
}

static void property_use(struct fdt_facts *facts, const char *node, const char *name,
                         const void *value, uint32_t length)
{
    if (!strcmp(node, "chosen") && !strcmp(name, "bootargs")) {
        size_t n = strnlen(value, MIN(length, sizeof facts->bootargs - 1));
        memcpy(facts->bootargs, value, n);
        facts->bootargs[n] = 0;
    } else if (!strncmp(node, "memory", 6) && !strcmp(name, "reg") && length >= 16) {
        const be32_t *cells = value; /* two cells of address, two of size */
        uint64_t base = (uint64_t)ntohl(cells[0]) << 32 | ntohl(cells[1]);
        uint64_t size = (uint64_t)ntohl(cells[2]) << 32 | ntohl(cells[3]);
        if (base == RAM_BASE && size)
            facts->ram_size = MIN(size, RAM_SIZE_MAX);
    } else if (!strncmp(node, "cpu@", 4) && !strcmp(name, "reg")) {
        facts->harts = MIN(facts->harts + 1, HART_MAX);
    }
}

/* Goes through the properties in order. A property belongs to the node that began last: nodes list their
 * properties before their children. */
static void tree_walk(struct fdt_cursor *cursor, struct fdt_facts *facts)
{
    const char *node = "";

    for (;;) {
        switch (token_next(cursor)) {
        case FDT_BEGIN_NODE: {
            const char *name = (const char *)cursor->structure + cursor->at;
            uint32_t room = cursor->size - cursor->at;
            uint32_t length = (uint32_t)strnlen(name, room);
            if (length == room || !bytes_take(cursor, length + 1))
                return;
            node = name;
            break;
        }
        case FDT_PROP: {
            uint32_t length = token_next(cursor), name = token_next(cursor);
            const void *value = bytes_take(cursor, length);
            if (!value || name >= cursor->strings_size)
                return;
            property_use(facts, node, cursor->strings + name, value, length);
            break;
        }
        case FDT_END_NODE:
        case FDT_NOP:
            break;
        default:
            return;
        }
    }
}

void fdt_read(const void *tree, struct fdt_facts *facts)
{
    const struct fdt_header *header = tree;
    facts->bootargs[0] = 0;
    facts->ram_size = RAM_SIZE_DEFAULT;
    facts->harts = 0;
    if (!tree || (uintptr_t)tree % 4 || ntohl(header->magic) != FDT_MAGIC)
        return;

    uint32_t total = ntohl(header->total_size);
    uint32_t structure = ntohl(header->structure_offset), size = ntohl(header->structure_size);
    uint32_t strings = ntohl(header->strings_offset), strings_size = ntohl(header->strings_size);
    if (total > FDT_SIZE_MAX || structure % 4 || structure > total || size > total - structure ||
        strings > total || strings_size > total - strings)
        return;

    struct fdt_cursor cursor = {
        .structure = (const uint8_t *)tree + structure,
        .size = size,
        .strings = (const char *)tree + strings,
        .strings_size = strings_size,
    };
    tree_walk(&cursor, facts);
}
