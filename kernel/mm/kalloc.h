/* Physical memory: pages, and pools of equal objects. Any context, no lock needed. Memory that comes
 * from here is identity-mapped, so its address is also what a device is given. */
#ifndef MM_KALLOC_H
#define MM_KALLOC_H

#include "lib/list.h"
#include "proc/spinlock.h"

#define PAGE_SIZE 4096ul

/* Hands [start, end) to the allocator. */
void kalloc_init(uintptr_t start, uintptr_t end);

void *page_alloc(void);          /* contents undefined; NULL when memory is exhausted */
void *page_alloc_zeroed(void);   /* the same, all zero */
void page_free(void *page);      /* NULL is allowed */
void *pages_alloc(size_t count); /* contiguous, zeroed; for rings, at boot: slow. NULL if none */
void pages_free(void *first, size_t count);
size_t pages_free_count(void);
size_t pages_total_count(void);

/* A pool holds a fixed number of objects, all allocated when it is made: what it can hand out is bounded
 * and known, and running out is an ordinary error. */
struct pool {
    struct spinlock lock;
    void *free; /* [lock] singly linked through the objects */
    size_t object_size;
    size_t capacity;
    size_t used; /* [lock] */
};

/* Returns 0 or -ENOMEM. */
int pool_init(struct pool *pool, const char *name, size_t object_size, size_t capacity);
void *pool_alloc(struct pool *pool); /* zeroed; NULL when all are in use */
void pool_free(struct pool *pool, void *object);

#endif
