/* Descriptor tables: one a process, used by that process only. */
#include "fs/file.h"

#include "abi/errno.h"
#include "fs/fs.h"
#include "mm/kalloc.h"

/* A table takes a page: simple, and as many as there can be processes. */
_Static_assert(sizeof(struct fdtable) <= PAGE_SIZE, "a descriptor table fits into a page");

struct fdtable *fdtable_create(void)
{
    struct fdtable *table = page_alloc_zeroed();
    if (table)
        table->directory = inode_hold(fs_root());
    return table;
}

/* The files are shared, with their offsets and flags (POSIX fork()). */
struct fdtable *fdtable_clone(const struct fdtable *from)
{
    struct fdtable *table = page_alloc_zeroed();
    if (!table)
        return NULL;
    for (int fd = 0; fd < OPEN_MAX; fd++)
        if (from->files[fd])
            table->files[fd] = file_hold(from->files[fd]);
    table->directory = inode_hold(from->directory);
    return table;
}

void fdtable_destroy(struct fdtable *table)
{
    for (int fd = 0; fd < OPEN_MAX; fd++)
        if (table->files[fd])
            file_release(table->files[fd]);
    inode_release(table->directory);
    page_free(table);
}

int fd_find_free(const struct fdtable *table, int from)
{
    for (int fd = MAX(from, 0); fd < OPEN_MAX; fd++)
        if (!table->files[fd])
            return fd;
    return -EMFILE;
}

int fd_install(struct fdtable *table, struct file *file, int from)
{
    int fd = fd_find_free(table, from);
    if (fd >= 0)
        table->files[fd] = file;
    return fd;
}

struct file *fd_lookup(const struct fdtable *table, int fd)
{
    return fd >= 0 && fd < OPEN_MAX ? table->files[fd] : NULL;
}

struct file *fd_remove(struct fdtable *table, int fd)
{
    struct file *file = fd_lookup(table, fd);
    if (file)
        table->files[fd] = NULL;
    return file;
}
