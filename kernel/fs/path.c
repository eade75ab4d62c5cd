/* Paths: from a string to an inode, one directory at a time. */
#include "fs/inode.h"

#include "abi/errno.h"
#include "fs/fs.h"
#include "lib/string.h"

static const char *slashes_skip(const char *path)
{
    while (*path == '/')
        path++;
    return path;
}

/* Takes the next component off *path, empty at its end. 0 or -ENAMETOOLONG. */
static int path_next(const char **path, char name[NAME_MAX + 1])
{
    const char *from = slashes_skip(*path);
    size_t n = 0;
    while (from[n] != 0 && from[n] != '/')
        n++;
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, from, n);
    name[n] = 0;
    *path = from + n;
    return 0;
}

/* Replaces the reference *at by one to what `name` is there; on an error *at stays as it was. */
static int path_step(struct inode **at, const char *name)
{
    struct inode *directory = *at, *child = NULL;
    uint32_t number;
    if (!inode_is(directory, FS_MODE_DIRECTORY))
        return -ENOTDIR;
    inode_lock(directory);
    /* The entries of a removed directory, .. among them, may name inodes that have been reused. */
    int error = directory->disk.links == 0 ? -ENOENT : dir_find(directory, name, &number, NULL);
    /* The reference is taken before the entry can change, the inode read when the directory is
     * free. */
    if (!error && (child = inode_find(number)) == NULL)
        error = -ENFILE;
    inode_unlock(directory);
    if (!error)
        error = inode_load(child);
    if (error) {
        inode_release(child);
        return error;
    }
    inode_release(directory);
    *at = child;
    return 0;
}

int path_parent(struct inode *start, const char *path, struct inode **directory,
                char name[NAME_MAX + 1], bool *slash)
{
    /* A reference of our own from the beginning: the walk drops what it leaves behind. */
    struct inode *at = *path == '/' || !start ? fs_root() : start;
    int error = *path == 0 || !at ? -ENOENT : 0;
    inode_hold(at);
    while (!error) {
        error = path_next(&path, name);
        if (!error && *slashes_skip(path) == 0)
            break;
        if (!error)
            error = path_step(&at, name);
    }
    if (!error && !inode_is(at, FS_MODE_DIRECTORY))
        error = -ENOTDIR;
    if (error) {
        inode_release(at);
        return error;
    }
    *slash = *path == '/';
    *directory = at;
    return 0;
}

int path_lookup(struct inode *start, const char *path, struct inode **inode)
{
    char name[NAME_MAX + 1];
    bool slash;
    struct inode *at;
    int error = path_parent(start, path, &at, name, &slash);
    if (error)
        return error;
    /* An empty name: the path consists of slashes. */
    if (name[0] != 0)
        error = path_step(&at, name);
    if (!error && slash && !inode_is(at, FS_MODE_DIRECTORY))
        error = -ENOTDIR;
    if (error)
        inode_release(at);
    else
        *inode = at;
    return error;
}
