/* malloc: blocks of powers of two, each size with its own list of free ones.
 *
 * A block is a header of 16 bytes and the memory behind it. Sizes, header included, are 32 bytes to
 * 2^(CLASSES + 4); a freed block goes onto its size's list and is handed out again for that size
 * only. So allocating and freeing take constant time and need no search and no merging; the price
 * is up to half of each block, which small programs do not notice. When a list is empty, the break
 * moves by one block, or by a page cut into blocks of the size.
 *
 * The header's mark tells a block in use from anything else: freeing something twice, or what was
 * never allocated, ends the program instead of spoiling the lists.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLASSES        26
#define SMALLEST_BLOCK 32ul   /* bytes */
#define SLAB_SIZE      4096ul /* how much the break moves at least */
#define MARK_IN_USE    0x6d616c6cu
#define MARK_FREE      0x66726565u

struct block {
    uint32_t mark;
    uint32_t class;     /* the block has SMALLEST_BLOCK << class bytes */
    struct block *next; /* free: the next one of the list */
};
_Static_assert(sizeof(struct block) == 16, "what malloc returns is aligned to 16 bytes");

static struct block *free_blocks[CLASSES];

static size_t class_size(unsigned class) { return SMALLEST_BLOCK << class; }

static void block_release(struct block *block, unsigned class)
{
    *block = (struct block){.mark = MARK_FREE, .class = class, .next = free_blocks[class]};
    free_blocks[class] = block;
}

/* Gets memory from the kernel and puts it on the class's list. */
static int class_refill(unsigned class)
{
    size_t size = class_size(class), total = size > SLAB_SIZE ? size : SLAB_SIZE;
    uintptr_t start = (uintptr_t)sbrk(0), misaligned = start % sizeof(struct block);

    if (misaligned && sbrk((intptr_t)(sizeof(struct block) - misaligned)) == (void *)-1)
        return -1;
    char *memory = sbrk((intptr_t)total);
    if (memory == (void *)-1)
        return -1;
    for (size_t offset = 0; offset < total; offset += size)
        block_release((struct block *)(memory + offset), class);
    return 0;
}

void *malloc(size_t size)
{
    unsigned class = 0;

    while (class < CLASSES && class_size(class) - sizeof(struct block) < size)
        class ++;
    if (class == CLASSES || (!free_blocks[class] && class_refill(class))) {
        errno = ENOMEM;
        return NULL;
    }
    struct block *block = free_blocks[class];
    free_blocks[class] = block->next;
    block->mark = MARK_IN_USE;
    return block + 1;
}

static struct block *block_of(void *memory, const char *caller)
{
    struct block *block = (struct block *)memory - 1;

    if (block->mark != MARK_IN_USE) {
        dprintf(STDERR_FILENO, "%s: %p was not allocated, or has been freed\n", caller, memory);
        abort();
    }
    return block;
}

void free(void *memory)
{
    if (memory) {
        struct block *block = block_of(memory, "free");
        block_release(block, block->class);
    }
}

void *calloc(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = malloc(total);
    return memory ? memset(memory, 0, total) : NULL;
}

void *realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    size_t room = class_size(block_of(memory, "realloc")->class) - sizeof(struct block);
    if (size <= room)
        return memory;

    void *larger = malloc(size);
    if (larger) {
        memcpy(larger, memory, room);
        free(memory);
    }
    return larger;
}
