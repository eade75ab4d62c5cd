/* kernel/lib: formatting, strings, lists, byte order. format.c is linked as it is; string.c is included
 * under other names, because the host has functions of the same names. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/byteorder.h"
#include "lib/list.h"

/* The header once under the host's names, then the file's functions under ours. */
#include "lib/string.h"
#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define memchr  our_memchr
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#define strrchr our_strrchr
#define strlcpy our_strlcpy
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#undef LIB_STRING_H
#include "lib/string.h"
#include "../../kernel/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strlcpy

#define format    our_format
#define vsnprintf our_vsnprintf
#define snprintf  our_snprintf
#undef LIB_FORMAT_H
#include "../../kernel/lib/format.c"
#undef format
#undef vsnprintf
#undef snprintf

#define AREA 80

static int sign(int x) { return (x > 0) - (x < 0); }

/* Every alignment and every length around the word size, against the host's functions. */
static void copies_like_the_host(void **state)
{
    (void)state;
    for (size_t from = 0; from < 9; from++) {
        for (size_t to = 0; to < 9; to++) {
            for (size_t n = 0; n < 40; n++) {
                char a[AREA], b[AREA], expected[AREA];
                for (size_t i = 0; i < AREA; i++) {
                    a[i] = (char)i;
                    b[i] = expected[i] = (char)(200 - i);
                }
                memcpy(expected + to, a + from, n);
                assert_ptr_equal(our_memcpy(b + to, a + from, n), b + to);
                assert_memory_equal(b, expected, AREA);

                memcpy(expected, a, AREA);
                memmove(expected + to, expected + from, n);
                our_memmove(a + to, a + from, n);
                assert_memory_equal(a, expected, AREA);

                memset(expected + to, 0x5a + (int)n, n);
                our_memset(a + to, 0x5a + (int)n, n);
                assert_memory_equal(a, expected, AREA);
            }
        }
    }
}

static void compares_like_the_host(void **state)
{
    (void)state;
    static const char *const words[] = {"",    "a", "ab",   "abc",
                                        "abd", "b", "\xff", "abcabcabcabcabc"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (size_t j = 0; j < sizeof words / sizeof *words; j++) {
            const char *a = words[i], *b = words[j];
            size_t n = MIN(strlen(a), strlen(b));
            assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
            assert_int_equal(sign(our_strncmp(a, b, 2)), sign(strncmp(a, b, 2)));
            assert_int_equal(sign(our_memcmp(a, b, n)), sign(memcmp(a, b, n)));
        }
        const char *a = words[i];
        assert_int_equal(our_strlen(a), strlen(a));
        assert_int_equal(our_strnlen(a, 2), strnlen(a, 2));
        assert_ptr_equal(our_strchr(a, 'b'), strchr(a, 'b'));
        assert_ptr_equal(our_strrchr(a, 'b'), strrchr(a, 'b'));
        assert_ptr_equal(our_strchr(a, 0), strchr(a, 0));
        assert_ptr_equal(our_memchr(a, 'c', strlen(a)), memchr(a, 'c', strlen(a)));
    }
}

static void strlcpy_always_ends_the_copy(void **state)
{
    (void)state;
    char to[4] = "xxx";
    assert_int_equal(our_strlcpy(to, "abcdef", sizeof to), 6);
    assert_string_equal(to, "abc");
    assert_int_equal(our_strlcpy(to, "", sizeof to), 0);
    assert_string_equal(to, "");
    to[0] = 'y';
    assert_int_equal(our_strlcpy(to, "q", 0), 1);
    assert_int_equal(to[0], 'y');
}

/* The format comes through a variable, since some of what is tried is meant to look odd. */
static void check(const char *fmt, ...)
{
    char ours[200], theirs[200];
    va_list a, b;
    va_start(a, fmt);
    va_copy(b, a);
    int n = our_vsnprintf(ours, sizeof ours, fmt, a);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int m = vsnprintf(theirs, sizeof theirs, fmt, b);
#pragma GCC diagnostic pop
    va_end(a);
    va_end(b);
    assert_string_equal(ours, theirs);
    assert_int_equal(n, m);
}

static void formats_like_the_host(void **state)
{
    (void)state;
    static const char *const integers[] = {"%d",   "%5d|",   "%-5d|", "%05d", "%+d",
                                           "%.3d", "%8.3d|", "%u",    "%x",   "%#x",
                                           "%08x", "%X",     "%o",    "%i",   "%-8x|"};
    static const int values[] = {0, 1, -1, 7, 42, -12345, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++)
            check(integers[i], values[j]);
    check("%ld %lu %lx", LONG_MIN, ULONG_MAX, ULONG_MAX);
    check("%lld %zu %hd %hhu", LLONG_MIN, (size_t)-1, 7, 200);
    check("[%s] [%10s] [%-10s] [%.2s] [%10.2s]", "abc", "abc", "abc", "abc", "abc");
    check("%c%c%%|%*d|%-*d|%.*s", 'x', 'y', 6, 42, 6, 42, 2, "abc");
    check("%p", (void *)0x80001234);
    static const char *const octals[] = {"%#o",   "%#.0o",  "%#.1o",   "%#.2o",
                                         "%#.5o", "%#05o|", "%#6.3o|", "%#-6o|"};
    for (size_t i = 0; i < sizeof octals / sizeof *octals; i++)
        for (unsigned j = 0; j < 70; j += 7)
            check(octals[i], j);
}

static void a_short_buffer_is_respected(void **state)
{
    (void)state;
    char to[6] = "zzzzz";
    assert_int_equal(our_snprintf(to, 4, "%s-%d", "abc", 12), 6);
    assert_string_equal(to, "abc");
    assert_int_equal(to[4], 'z');
    assert_int_equal(our_snprintf(NULL, 0, "%d", 1234), 4);
}

struct item {
    int value;
    struct list_node node;
};

static int item_take(struct list *list)
{
    struct list_node *node = list_pop_front(list);
    return node ? LIST_ENTRY(node, struct item, node)->value : -1;
}

static void lists_keep_their_order(void **state)
{
    (void)state;
    struct list list, other;
    struct item items[4];
    list_init(&list);
    list_init(&other);
    assert_true(list_empty(&list));
    assert_null(list_pop_front(&list));
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        list_node_init(&items[i].node);
        list_push_back(&list, &items[i].node);
    }
    list_remove(&items[1].node);
    assert_false(list_is_linked(&items[1].node));
    list_remove(&items[1].node); /* harmless */
    list_push_front(&other, &items[1].node);
    list_splice_back(&other, &list);
    assert_true(list_empty(&list));
    list_splice_back(&other, &list); /* nothing to move */
    assert_int_equal(item_take(&other), 1);
    assert_int_equal(item_take(&other), 0);
    assert_int_equal(item_take(&other), 2);
    assert_int_equal(item_take(&other), 3);
    assert_int_equal(item_take(&other), -1);
}

static void network_order_is_big_endian(void **state)
{
    (void)state;
    uint16_t port = htons(0x1234);
    uint32_t address = htonl(0x0a00020f);
    assert_memory_equal(&port, "\x12\x34", 2);
    assert_memory_equal(&address, "\x0a\x00\x02\x0f", 4);
    assert_int_equal(ntohs(port), 0x1234);
    assert_int_equal(ntohl(address), 0x0a00020f);
    assert_int_equal(BE16(0x1234), port);
    assert_int_equal(BE32(0x0a00020f), address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_like_the_host),         cmocka_unit_test(compares_like_the_host),
        cmocka_unit_test(strlcpy_always_ends_the_copy), cmocka_unit_test(formats_like_the_host),
        cmocka_unit_test(a_short_buffer_is_respected),  cmocka_unit_test(lists_keep_their_order),
        cmocka_unit_test(network_order_is_big_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
