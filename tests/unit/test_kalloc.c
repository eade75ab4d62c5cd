/* kernel/mm/kalloc.c itself, over a piece of host memory, under other names than those of the host services. */
#include "host.h"

#include "lib/list.h"

#define kalloc_init       our_kalloc_init
#define page_alloc        our_page_alloc
#define page_alloc_zeroed our_page_alloc_zeroed
#define page_free         our_page_free
#define pages_alloc       our_pages_alloc
#define pages_free        our_pages_free
#define pages_free_count  our_pages_free_count
#define pages_total_count our_pages_total_count
#define pool_init         our_pool_init
#define pool_alloc        our_pool_alloc
#define pool_free         our_pool_free
#include "../../kernel/mm/kalloc.c"

#define PAGES 64

static char memory[(PAGES + 1) * PAGE_SIZE] __attribute__((aligned(4096)));

/* The allocator has no way back to its start but this: each test begins with all of the memory never used. */
static int set_up(void **state)
{
    (void)state;
    host_reset();
    spinlock_init(&lock, "pages"); /* a test that provoked an assertion has left it locked */
    list_init(&free_list);
    memset(free_map, 0, sizeof free_map);
    kalloc_init((uintptr_t)memory + 1, (uintptr_t)memory + sizeof memory - 1);
    return 0;
}

static void counts_whole_pages_only(void **state)
{
    (void)state;
    assert_int_equal(pages_total_count(), PAGES - 1);
    assert_int_equal(pages_free_count(), PAGES - 1);
}

static void gives_each_page_once_then_null(void **state)
{
    (void)state;
    char *pages[PAGES];
    for (unsigned i = 0; i < PAGES - 1; i++) {
        pages[i] = page_alloc();
        assert_non_null(pages[i]);
        assert_int_equal((uintptr_t)pages[i] % PAGE_SIZE, 0);
        assert_true(pages[i] >= memory && pages[i] + PAGE_SIZE <= memory + sizeof memory);
        memset(pages[i], (int)i, PAGE_SIZE);
    }
    assert_null(page_alloc());
    assert_null(page_alloc_zeroed());
    assert_null(pages_alloc(1));
    assert_int_equal(pages_free_count(), 0);
    for (unsigned i = 0; i < PAGES - 1; i++) {
        assert_int_equal(pages[i][PAGE_SIZE - 1], (char)i); /* nobody else has written here */
        page_free(pages[i]);
    }
    assert_int_equal(pages_free_count(), PAGES - 1);
}

static void zeroed_means_zero(void **state)
{
    (void)state;
    char *page = page_alloc();
    memset(page, 0x55, PAGE_SIZE);
    page_free(page);
    char *again = page_alloc_zeroed();
    assert_ptr_equal(again, page);
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(again[i], 0);
}

static void freeing_twice_is_a_bug_that_is_seen(void **state)
{
    (void)state;
    void *page = page_alloc();
    page_free(page);
    expect_assert_failure(page_free(page));
}

static void runs_are_contiguous_also_from_returned_pages(void **state)
{
    (void)state;
    char *pages[PAGES - 1];
    for (unsigned i = 0; i < PAGES - 1; i++)
        pages[i] = page_alloc();
    /* Every second page and one gap of five. */
    for (unsigned i = 0; i < 20; i += 2)
        page_free(pages[i]);
    for (unsigned i = 31; i < 36; i++)
        page_free(pages[i]);
    assert_null(pages_alloc(6));
    char *run = pages_alloc(5);
    assert_ptr_equal(run, pages[31]);
    assert_int_equal(pages_free_count(), 10);
    assert_null(pages_alloc(2));
    pages_free(run, 5);
    assert_int_equal(pages_free_count(), 15);
    for (unsigned i = 0; i < 15; i++)
        assert_non_null(page_alloc()); /* the list is still whole */
    assert_null(page_alloc());
}

static void a_pool_is_bounded_and_zeroes_its_objects(void **state)
{
    (void)state;
    struct pool pool;
    char *objects[10];
    size_t before = pages_free_count();
    assert_int_equal(pool_init(&pool, "test", 100, 10), 0);
    assert_int_equal(pages_free_count(), before - 1);
    for (int i = 0; i < 10; i++) {
        objects[i] = pool_alloc(&pool);
        assert_non_null(objects[i]);
        for (int j = 0; j < 100; j++)
            assert_int_equal(objects[i][j], 0);
        memset(objects[i], 0xee, 100);
    }
    assert_null(pool_alloc(&pool));
    assert_int_equal(pool.used, 10);
    pool_free(&pool, objects[3]);
    pool_free(&pool, NULL);
    assert_ptr_equal(pool_alloc(&pool), objects[3]);
    assert_int_equal(objects[3][50], 0);
    assert_int_equal(pool_init(&pool, "too large", PAGE_SIZE, PAGES), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counts_whole_pages_only, set_up),
        cmocka_unit_test_setup(gives_each_page_once_then_null, set_up),
        cmocka_unit_test_setup(zeroed_means_zero, set_up),
        cmocka_unit_test_setup(freeing_twice_is_a_bug_that_is_seen, set_up),
        cmocka_unit_test_setup(runs_are_contiguous_also_from_returned_pages, set_up),
        cmocka_unit_test_setup(a_pool_is_bounded_and_zeroes_its_objects, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
