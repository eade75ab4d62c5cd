/* Giving and taking names: create, mkdir, mknod, link, unlink.
 *
 * Each is one log operation under fs_volume.names, so that what was looked up in a directory still
 * holds when the directory is changed. A new inode begins without a name; if giving it one fails,
 * dropping the last reference frees it again, and nothing has to be undone by hand.
 */
#include "fs/names.h"

#include "abi/errno.h"
#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/log.h"
#include "lib/string.h"

#define LINK_MAX 65535

/* Begins the operation and takes `names`, in the order that all keep. */
static int names_begin(void)
{
    int error = log_begin();
    if (!error)
        sleeplock_acquire(&fs_volume.names);
    return error;
}

/* Returns the operation's own error if it had one, else that of the commit. */
static int names_end(int error)
{
    sleeplock_release(&fs_volume.names);
    int ended = log_end();
    return error ? error : ended;
}

/* Whether `name` can be added to the directory, which is locked. */
static int name_check(struct inode *directory, const char *name)
{
    if (directory->disk.links == 0)
        return -ENOENT;
    int error = dir_find(directory, name, NULL, NULL);
    return error == -ENOENT ? 0 : error ? error : -EEXIST;
}

/* Gives the new inode its first name, and a new directory its own two entries. Directory locked. */
static int inode_name_first(struct inode *directory, const char *name, struct inode *inode)
{
    bool is_directory = inode_is(inode, FS_MODE_DIRECTORY);
    int error = 0;
    inode_lock(inode);
    if (is_directory)
        error = dir_add(inode, ".", inode->number);
    if (!error && is_directory)
        error = dir_add(inode, "..", directory->number);
    if (!error)
        error = dir_add(directory, name, inode->number);
    if (!error) {
        inode->disk.links = is_directory ? 2 : 1;
        error = inode_store(inode);
    }
    inode_unlock(inode);
    if (!error && is_directory) {
        directory->disk.links++;
        error = inode_store(directory);
    }
    return error;
}

/* *inode gets a reference also when naming it failed, to be dropped after the operation. Directory
 * locked. */
static int create_locked(struct inode *directory, const char *name, uint32_t mode, uint32_t device,
                         struct inode **inode)
{
    int error = name_check(directory, name);
    if (!error && S_ISDIR(mode) && directory->disk.links >= LINK_MAX)
        error = -EMLINK;
    if (!error)
        error = inode_create(mode, device, inode);
    return error ? error : inode_name_first(directory, name, *inode);
}

int fs_create(struct inode *start, const char *path, uint32_t mode, uint32_t device,
              struct inode **result)
{
    char name[NAME_MAX + 1];
    bool slash;
    struct inode *directory, *inode = NULL;
    int error = path_parent(start, path, &directory, name, &slash);
    if (error)
        return error;
    if (name[0] == 0)
        error = -EEXIST;
    else if (slash && !S_ISDIR(mode))
        error = -EISDIR;
    else
        error = names_begin();
    if (!error) {
        inode_lock(directory);
        error = create_locked(directory, name, mode, device, &inode);
        inode_unlock(directory);
        error = names_end(error);
    }
    inode_release(directory);
    if (!error && result)
        *result = inode;
    else
        inode_release(inode);
    return error;
}

int fs_mkdir(struct inode *start, const char *path, uint32_t mode)
{
    return fs_create(start, path, S_IFDIR | (mode & 0777), 0, NULL);
}

int fs_mknod(struct inode *start, const char *path, uint32_t mode, uint32_t device)
{
    uint32_t type = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
    if (type != S_IFREG && type != S_IFCHR)
        return -EINVAL;
    return fs_create(start, path, type | (mode & 0777), type == S_IFCHR ? device : 0, NULL);
}

/* Under `names`: link counts do not change between the check and the increment. */
static int link_locked(struct inode *inode, struct inode *directory, const char *name)
{
    inode_lock(directory);
    int error = inode->disk.links == 0          ? -ENOENT
                : inode->disk.links >= LINK_MAX ? -EMLINK
                                                : name_check(directory, name);
    inode_lock(inode);
    if (!error)
        error = inode_store(inode); /* before the name that it must count */
    if (!error)
        error = dir_add(directory, name, inode->number);
    if (!error) {
        inode->disk.links++;
        error = inode_store(inode);
    }
    inode_unlock(inode);
    inode_unlock(directory);
    return error;
}

int fs_link(struct inode *start, const char *existing, const char *path)
{
    char name[NAME_MAX + 1];
    bool slash;
    struct inode *inode, *directory;
    int error = path_lookup(start, existing, &inode);
    if (error)
        return error;
    error = inode_is(inode, FS_MODE_DIRECTORY) ? -EPERM
                                               : path_parent(start, path, &directory, name, &slash);
    if (!error) {
        error = name[0] == 0 ? -EEXIST : slash ? -ENOENT : names_begin();
        if (!error)
            error = names_end(link_locked(inode, directory, name));
        inode_release(directory);
    }
    inode_release(inode);
    return error;
}

/* Takes the entry at `offset` away, which names `inode`. Both are locked. */
static int unlink_entry(struct inode *directory, uint64_t offset, struct inode *inode, bool slash)
{
    bool is_directory = inode_is(inode, FS_MODE_DIRECTORY);
    int error = is_directory ? dir_is_empty(inode) : slash ? -ENOTDIR : 0;
    if (!error)
        error = inode_store(inode); /* before the name that it counts */
    if (!error)
        error = dir_remove(directory, offset);
    if (error)
        return error;
    if (is_directory || inode->disk.links <= 1)
        inode->disk.links = 0;
    else
        inode->disk.links--;
    error = inode_store(inode);
    if (!error && is_directory) {
        /* Its .. no longer counts. A count that was too low on the disk does not go below 0. */
        directory->disk.links -= directory->disk.links > 0;
        error = inode_store(directory);
    }
    return error;
}

/* *inode gets a reference to what was unlinked, to be dropped after the operation. Directory
 * locked. */
static int unlink_locked(struct inode *directory, const char *name, bool slash,
                         struct inode **inode)
{
    uint32_t number;
    uint64_t offset;
    int error = directory->disk.links == 0 ? -ENOENT : dir_find(directory, name, &number, &offset);
    if (error)
        return error;
    if (number == directory->number || number == FS_ROOT_INODE)
        return fs_damaged("directory %u holds inode %u", directory->number, number);
    error = inode_get(number, inode);
    if (error)
        return error;
    inode_lock(*inode);
    error = unlink_entry(directory, offset, *inode, slash);
    inode_unlock(*inode);
    return error;
}

int fs_unlink(struct inode *start, const char *path)
{
    char name[NAME_MAX + 1];
    bool slash;
    struct inode *directory, *inode = NULL;
    int error = path_parent(start, path, &directory, name, &slash);
    if (error)
        return error;
    if (name[0] == 0)
        error = -EBUSY;
    else if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        error = -EINVAL;
    else
        error = names_begin();
    if (!error) {
        inode_lock(directory);
        error = unlink_locked(directory, name, slash, &inode);
        inode_unlock(directory);
        error = names_end(error);
    }
    inode_release(directory);
    /* The content goes here, if nobody has the file open. */
    inode_release(inode);
    return error;
}
