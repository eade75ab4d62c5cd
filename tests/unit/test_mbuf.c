/* net/mbuf.c: the pool, the owners' arithmetic, and the ends of the data. */
#include "host.h"

#include "mm/kalloc.h"
#include "net/mbuf.h"

#define POOL 8

static int setup(void **state)
{
    (void)state;
    return mbuf_init(POOL);
}

static unsigned sum_of_counts(void)
{
    unsigned sum = 0;
    for (int owner = 0; owner < MBUF_OWNERS; owner++)
        sum += mbuf_count(owner);
    return sum;
}

static int nothing_leaked(void **state)
{
    (void)state;
    return mbuf_count(MBUF_POOL) == mbuf_total() && sum_of_counts() == mbuf_total() ? 0 : -1;
}

static void test_init_keeps_what_there_is(void **state)
{
    (void)state;
    host_pages_limit(9);
    assert_int_equal(mbuf_init(17), -ENOMEM);
    assert_int_equal(mbuf_total(), POOL + 16);
    assert_int_equal(mbuf_count(MBUF_POOL), POOL + 16);
    host_pages_limit(HOST_NO_LIMIT);
}

/* Side by side, none in another's place, each at a multiple of 256 bytes. */
static void test_places(void **state)
{
    (void)state;
    struct mbuf *m[POOL];
    for (int i = 0; i < POOL; i++) {
        m[i] = mbuf_alloc(MBUF_STACK);
        assert_int_equal((uintptr_t)m[i] % 256, 0);
        for (int other = 0; other < i; other++) {
            uint8_t *a = (uint8_t *)m[i], *b = (uint8_t *)m[other];
            assert_true(a + sizeof(struct mbuf) <= b || b + sizeof(struct mbuf) <= a);
        }
    }
    for (int i = 0; i < POOL; i++)
        mbuf_free(m[i]);
}

static void test_alloc_is_new(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    m->flags = 0xff;
    m->csum_start = m->csum_offset = m->ip_header_length = 1;
    m->ip_header = m->data;
    m->source = m->destination = 1;
    m->source_port = 1;
    m->dev = (struct netdev *)m;
    mbuf_append(m, 100);
    mbuf_free(m);
    struct mbuf *again = mbuf_alloc(MBUF_SOCKET);
    assert_ptr_equal(again, m); /* the last one freed comes first */
    assert_int_equal(m->owner, MBUF_SOCKET);
    assert_int_equal(m->length, 0);
    assert_int_equal(m->flags, 0);
    assert_int_equal(m->csum_start + m->csum_offset + m->ip_header_length, 0);
    assert_null(m->ip_header);
    assert_null(m->dev);
    assert_int_equal(m->source | m->destination | m->source_port, 0);
    assert_int_equal(mbuf_headroom(m), MBUF_HEADROOM);
    assert_true(mbuf_tailroom(m) >= MBUF_DATA_SIZE);
    assert_int_equal((uintptr_t)m->data % 8, 0);
    assert_false(list_is_linked(&m->node));
    mbuf_free(m);
}

static void test_pool_runs_out(void **state)
{
    (void)state;
    struct list taken;
    list_init(&taken);
    unsigned total = mbuf_total();
    uint64_t failures = mbuf_alloc_failures();
    for (unsigned i = 0; i < total; i++)
        list_push_back(&taken, &mbuf_alloc(MBUF_RX_RING)->node);
    assert_int_equal(mbuf_count(MBUF_RX_RING), total);
    assert_int_equal(mbuf_count(MBUF_POOL), 0);
    assert_null(mbuf_alloc(MBUF_STACK));
    assert_null(mbuf_alloc(MBUF_STACK));
    assert_int_equal(mbuf_alloc_failures(), failures + 2);
    assert_int_equal(sum_of_counts(), total);
    mbuf_free_all(&taken);
    assert_true(list_empty(&taken));
    assert_int_equal(mbuf_count(MBUF_POOL), total);
}

static void test_owners(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_RX_RING);
    for (int owner = MBUF_RX_RING; owner < MBUF_OWNERS; owner++) {
        mbuf_set_owner(m, owner);
        assert_int_equal(m->owner, owner);
        assert_int_equal(mbuf_count(owner), 1);
        assert_int_equal(sum_of_counts(), mbuf_total());
        assert_non_null(mbuf_owner_name(owner));
    }
    mbuf_free(m); /* any owner's */
    mbuf_free(NULL);
    assert_string_equal(mbuf_owner_name(MBUF_POOL), "free");
}

/* Several owners in one list, each in a row of its own. */
static void test_owners_of_a_list(void **state)
{
    (void)state;
    static const struct {
        enum mbuf_owner owner;
        unsigned n;
    } rows[] = {{MBUF_STACK, 2}, {MBUF_SOCKET, 3}, {MBUF_RX_RING, 1}, {MBUF_SOCKET, 1}};
    struct list list;
    list_init(&list);
    mbuf_set_owner_all(&list, MBUF_SOCKET); /* of nobody */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(mbuf_alloc_many(&list, rows[i].n, rows[i].owner), rows[i].n);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 4);
    mbuf_set_owner_all(&list, MBUF_SOCKET);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 7);
    assert_int_equal(mbuf_count(MBUF_STACK) + mbuf_count(MBUF_RX_RING), 0);
    LIST_FOR_EACH (node, &list)
        assert_int_equal(LIST_ENTRY(node, struct mbuf, node)->owner, MBUF_SOCKET);
    mbuf_free_all(&list);
    assert_int_equal(mbuf_count(MBUF_SOCKET), 0);
    assert_int_equal(mbuf_count(MBUF_POOL), mbuf_total());
}

static void test_double_free_is_a_bug(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    mbuf_free(m);
    expect_assert_failure(mbuf_free(m));
}

static void test_ends(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    uint8_t *start = m->data;
    uint8_t *payload = mbuf_append(m, 10);
    assert_ptr_equal(payload, start);
    memset(payload, 7, 10);
    assert_ptr_equal(mbuf_append(m, 5), start + 10);
    assert_ptr_equal(mbuf_push(m, 8), start - 8);
    assert_int_equal(m->length, 23);
    assert_int_equal(mbuf_headroom(m), MBUF_HEADROOM - 8);
    assert_ptr_equal(mbuf_pull(m, 10), start + 2);
    assert_int_equal(m->length, 13);
    mbuf_truncate(m, 3);
    assert_int_equal(m->length, 3);
    assert_int_equal(start[9], 7);
    mbuf_reset(m);
    assert_ptr_equal(m->data, start);
    assert_int_equal(m->length, 0);
    assert_int_equal(m->owner, MBUF_STACK);
    mbuf_free(m);
}

/* The buffer's last byte can be written, and not one more can be asked for. */
static void test_room_is_bounded(void **state)
{
    (void)state;
    struct mbuf *m = mbuf_alloc(MBUF_STACK);
    uint32_t room = mbuf_tailroom(m);
    memset(mbuf_append(m, room), 1, room);
    assert_int_equal(m->data[room - 1], 1);
    assert_ptr_equal(m->data + room, m->buffer + sizeof(m->buffer));
    expect_assert_failure(mbuf_append(m, 1));
    mbuf_push(m, MBUF_HEADROOM);
    expect_assert_failure(mbuf_push(m, 1));
    expect_assert_failure(mbuf_pull(m, m->length + 1));
    expect_assert_failure(mbuf_truncate(m, m->length + 1));
    mbuf_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_init_keeps_what_there_is, nothing_leaked),
        cmocka_unit_test_teardown(test_places, nothing_leaked),
        cmocka_unit_test_teardown(test_alloc_is_new, nothing_leaked),
        cmocka_unit_test_teardown(test_pool_runs_out, nothing_leaked),
        cmocka_unit_test_teardown(test_owners, nothing_leaked),
        cmocka_unit_test_teardown(test_owners_of_a_list, nothing_leaked),
        cmocka_unit_test_teardown(test_double_free_is_a_bug, nothing_leaked),
        cmocka_unit_test_teardown(test_ends, nothing_leaked),
        cmocka_unit_test_teardown(test_room_is_bounded, nothing_leaked),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
