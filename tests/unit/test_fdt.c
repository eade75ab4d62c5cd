/* kernel/boot/fdt.c: a well-formed tree is read, a damaged one gives the defaults and never an access
 * outside it. */
#include "host.h"

#include "arch/memlayout.h"
#include "lib/byteorder.h"

#include "../../kernel/boot/fdt.c"

#define ROOM 1024

struct builder {
    uint8_t *bytes; /* of the whole tree */
    uint32_t at;    /* in the structure block */
    uint32_t strings;
};

#define STRUCTURE 64u
#define STRINGS   768u

static void put_word(struct builder *b, uint32_t word)
{
    word = htonl(word);
    memcpy(b->bytes + STRUCTURE + b->at, &word, 4);
    b->at += 4;
}

static void put_bytes(struct builder *b, const void *bytes, uint32_t n)
{
    memcpy(b->bytes + STRUCTURE + b->at, bytes, n);
    b->at = ALIGN_UP(b->at + n, 4);
}

static void begin_node(struct builder *b, const char *name)
{
    put_word(b, FDT_BEGIN_NODE);
    put_bytes(b, name, (uint32_t)strlen(name) + 1);
}

static void property(struct builder *b, const char *name, const void *value, uint32_t n)
{
    uint32_t length = (uint32_t)strlen(name) + 1;
    memcpy(b->bytes + STRINGS + b->strings, name, length);
    put_word(b, FDT_PROP);
    put_word(b, n);
    put_word(b, b->strings);
    put_bytes(b, value, n);
    b->strings += length;
}

/* A tree such as QEMU makes: two harts, 64 MiB, a command line. */
static uint8_t *tree_build(void)
{
    static const char arguments[] = "net.virtio0=10.1.1.2/24 run=ls -l";
    const be32_t reg[] = {0, htonl(RAM_BASE), 0, htonl(64u << 20)};
    struct builder b = {.bytes = host_memory(ROOM)};
    memset(b.bytes, 0, ROOM);
    begin_node(&b, "");
    begin_node(&b, "chosen");
    property(&b, "bootargs", arguments, sizeof arguments);
    put_word(&b, FDT_END_NODE);
    begin_node(&b, "memory@80000000");
    property(&b, "reg", reg, sizeof reg);
    put_word(&b, FDT_END_NODE);
    put_word(&b, FDT_NOP);
    for (int hart = 0; hart < 2; hart++) {
        begin_node(&b, hart ? "cpu@1" : "cpu@0");
        property(&b, "reg", &hart, 4);
        put_word(&b, FDT_END_NODE);
    }
    put_word(&b, FDT_END_NODE);
    put_word(&b, 9); /* end */

    struct fdt_header *header = (void *)b.bytes;
    header->magic = htonl(FDT_MAGIC);
    header->total_size = htonl(ROOM);
    header->structure_offset = htonl(STRUCTURE);
    header->structure_size = htonl(b.at);
    header->strings_offset = htonl(STRINGS);
    header->strings_size = htonl(b.strings);
    return b.bytes;
}

static void a_good_tree_is_read(void **state)
{
    (void)state;
    struct fdt_facts facts;
    uint8_t *tree = tree_build();
    fdt_read(tree, &facts);
    assert_string_equal(facts.bootargs, "net.virtio0=10.1.1.2/24 run=ls -l");
    assert_int_equal(facts.ram_size, 64u << 20);
    assert_int_equal(facts.harts, 2);
    host_memory_free(tree);
}

static void no_tree_gives_the_defaults(void **state)
{
    (void)state;
    struct fdt_facts facts;
    uint8_t *tree = tree_build();
    tree[0] ^= 1;
    const void *const bad[] = {NULL, tree, tree + 1};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        fdt_read(bad[i], &facts);
        assert_int_equal(facts.ram_size, RAM_SIZE_DEFAULT);
        assert_string_equal(facts.bootargs, "");
    }
    host_memory_free(tree);
}

/* Every byte of the header and the structure set to every kind of extreme: AddressSanitizer watches. */
static void a_damaged_tree_is_survived(void **state)
{
    (void)state;
    static const uint8_t extremes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct fdt_facts facts;
    uint8_t *tree = tree_build();
    for (unsigned at = 4; at < STRINGS; at++) {
        uint8_t right = tree[at];
        for (unsigned i = 0; i < ARRAY_SIZE(extremes); i++) {
            tree[at] = extremes[i];
            fdt_read(tree, &facts);
            assert_true(facts.ram_size > 0 && facts.ram_size <= RAM_SIZE_MAX);
            assert_true(facts.harts <= HART_MAX);
            assert_true(strnlen(facts.bootargs, sizeof facts.bootargs) < sizeof facts.bootargs);
        }
        tree[at] = right;
    }
    host_memory_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_tree_is_read),
        cmocka_unit_test(no_tree_gives_the_defaults),
        cmocka_unit_test(a_damaged_tree_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
