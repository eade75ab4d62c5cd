/* Pages that were never used are handed out from the front of RAM, so nothing has to be prepared for them at
 * boot; pages that came back are on a list, linked through themselves. A bitmap tells which of the used part
 * are free: it finds runs for pages_alloc() and catches a page that is freed twice. */
#include "mm/kalloc.h"

#include "abi/errno.h"
#include "arch/memlayout.h"
#include "lib/assert.h"
#include "lib/string.h"

static struct spinlock lock = SPINLOCK_INITIALIZER("pages");
static uintptr_t first_page; /* [I] */
static uintptr_t end_page;   /* [I] */
static uintptr_t fresh_page; /* [lock] pages from here on were never used */
static struct list free_list = LIST_INITIALIZER(free_list); /* [lock] */
static size_t free_count;                                /* [lock]; read without for statistics */
static uint64_t free_map[RAM_SIZE_MAX / PAGE_SIZE / 64]; /* [lock] of the pages below fresh_page */

static size_t page_index(uintptr_t page) { return (page - first_page) / PAGE_SIZE; }
static bool map_test(size_t index) { return free_map[index / 64] >> (index % 64) & 1; }
static void map_flip(size_t index) { free_map[index / 64] ^= 1ull << (index % 64); }

void kalloc_init(uintptr_t start, uintptr_t end)
{
    first_page = fresh_page = ALIGN_UP(start, PAGE_SIZE);
    end_page = ALIGN_DOWN(end, PAGE_SIZE);
    assert(first_page < end_page && end_page - first_page <= RAM_SIZE_MAX);
    free_count = (end_page - first_page) / PAGE_SIZE;
}

void *page_alloc(void)
{
    void *page = NULL;

    spinlock_acquire(&lock);
    struct list_node *node = list_pop_front(&free_list);
    if (node) {
        page = node;
        map_flip(page_index((uintptr_t)page));
    } else if (fresh_page < end_page) {
        page = (void *)fresh_page;
        fresh_page += PAGE_SIZE;
    }
    if (page)
        free_count--;
    spinlock_release(&lock);
    return page;
}

void *page_alloc_zeroed(void)
{
    void *page = page_alloc();
    if (page)
        memset(page, 0, PAGE_SIZE);
    return page;
}

/* Lock held. */
static void page_give_back(uintptr_t page)
{
    assert(page % PAGE_SIZE == 0 && page >= first_page && page < fresh_page);
    assert(!map_test(page_index(page)));
    map_flip(page_index(page));
    list_push_front(&free_list, (struct list_node *)page);
    free_count++;
}

void page_free(void *page)
{
    if (!page)
        return;
    spinlock_acquire(&lock);
    page_give_back((uintptr_t)page);
    spinlock_release(&lock);
}

/* Finds `count` neighbouring free pages among those that were used before, and takes them. Lock held. */
static uintptr_t run_take(size_t count)
{
    size_t used = page_index(fresh_page), run = 0;

    for (size_t i = 0; i < used; i++) {
        run = map_test(i) ? run + 1 : 0;
        if (run < count)
            continue;
        uintptr_t first = first_page + (i + 1 - count) * PAGE_SIZE;
        for (size_t n = 0; n < count; n++) {
            list_remove((struct list_node *)(first + n * PAGE_SIZE));
            map_flip(page_index(first) + n);
        }
        return first;
    }
    return 0;
}

void *pages_alloc(size_t count)
{
    uintptr_t first;

    spinlock_acquire(&lock);
    if (count <= (end_page - fresh_page) / PAGE_SIZE) {
        first = fresh_page;
        fresh_page += count * PAGE_SIZE;
    } else {
        first = run_take(count);
    }
    if (first)
        free_count -= count;
    spinlock_release(&lock);

    if (first)
        memset((void *)first, 0, count * PAGE_SIZE);
    return (void *)first;
}

void pages_free(void *first, size_t count)
{
    if (!first)
        return;
    spinlock_acquire(&lock);
    for (size_t n = 0; n < count; n++)
        page_give_back((uintptr_t)first + n * PAGE_SIZE);
    spinlock_release(&lock);
}

size_t pages_free_count(void) { return READ_ONCE(free_count); }
size_t pages_total_count(void) { return (end_page - first_page) / PAGE_SIZE; }

int pool_init(struct pool *pool, const char *name, size_t object_size, size_t capacity)
{
    object_size = ALIGN_UP(MAX(object_size, sizeof(void *)), 16);
    size_t pages = ALIGN_UP(object_size * capacity, PAGE_SIZE) / PAGE_SIZE;
    char *memory = pages_alloc(pages);
    if (!memory)
        return -ENOMEM;

    spinlock_init(&pool->lock, name);
    pool->object_size = object_size;
    pool->capacity = capacity;
    pool->used = 0;
    pool->free = NULL;
    for (size_t n = capacity; n-- > 0;) {
        void **object = (void **)(memory + n * object_size);
        *object = pool->free;
        pool->free = object;
    }
    return 0;
}

void *pool_alloc(struct pool *pool)
{
    spinlock_acquire(&pool->lock);
    void **object = pool->free;
    if (object) {
        pool->free = *object;
        pool->used++;
    }
    spinlock_release(&pool->lock);
    if (object)
        memset(object, 0, pool->object_size);
    return object;
}

void pool_free(struct pool *pool, void *object)
{
    if (!object)
        return;
    spinlock_acquire(&pool->lock);
    assert(pool->used > 0);
    *(void **)object = pool->free;
    pool->free = object;
    pool->used--;
    spinlock_release(&pool->lock);
}
