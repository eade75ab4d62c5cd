/* The table of open files: a bounded pool, and a count of references in each. */
#include "fs/file.h"

#include "lib/assert.h"
#include "mm/kalloc.h"

#define FILE_MAX 256

static struct pool file_pool;
static uint32_t open_files; /* relaxed atomic */

void file_init(void)
{
    if (pool_init(&file_pool, "file", sizeof(struct file), FILE_MAX))
        panic("no memory for the file table at boot");
}

unsigned file_open_count(void) { return __atomic_load_n(&open_files, __ATOMIC_RELAXED); }

struct file *file_create(const struct file_ops *ops, void *object, uint32_t flags)
{
    struct file *file = pool_alloc(&file_pool);
    if (!file)
        return NULL;
    file->ops = ops;
    file->object = object;
    file->references = 1;
    file->flags = flags;
    __atomic_fetch_add(&open_files, 1, __ATOMIC_RELAXED);
    return file;
}

struct file *file_hold(struct file *file)
{
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
    return file;
}

void file_release(struct file *file)
{
    /* Release: what we did with the file comes before its end. Acquire: its end comes after what
     * all the others did. */
    uint32_t before = __atomic_fetch_sub(&file->references, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before > 1)
        return;
    if (file->ops->close)
        file->ops->close(file);
    __atomic_fetch_sub(&open_files, 1, __ATOMIC_RELAXED);
    pool_free(&file_pool, file);
}
