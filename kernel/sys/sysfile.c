/* System calls on descriptors: their arguments, and the copies from and to user memory. What the
 * calls do is the business of fs/ and of the operations behind each file. */
#include "sys/sys.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/pipe.h"
#include "mm/vm.h"
#include "net/socket.h"
#include "proc/proc.h"
#include "sys/sysnet.h"

/* Puts a new file into the lowest free descriptor >= from; on -EMFILE the reference is dropped. */
static int64_t file_install(struct file *file, int from)
{
    int fd = fd_install(current_proc()->fds, file, from);
    if (fd < 0)
        file_release(file);
    return fd;
}

/* An open() that fails makes and empties no file (POSIX), so whether a descriptor is left is asked
 * before the file is looked for. */
int64_t sys_open(void)
{
    char path[PATH_MAX];
    struct fdtable *fds = current_proc()->fds;
    struct file *file;
    int error = syscall_argument_path(0, path, sizeof(path));
    if (error)
        return error;
    int fd = fd_find_free(fds, 0);
    if (fd < 0)
        return fd;
    error = fs_open(fds->directory, path, syscall_argument_int(1), (uint32_t)syscall_argument(2),
                    &file);
    return error ? error : file_install(file, 0);
}

/* The descriptor is free before the file is closed, which may take a while. */
int64_t sys_close(void)
{
    struct file *file = fd_remove(current_proc()->fds, syscall_argument_int(0));
    if (!file)
        return -EBADF;
    file_release(file);
    return 0;
}

/* The buffer that arguments 1 and 2 describe. A length that does not fit ssize_t is cut: a short
 * count is always allowed, and no memory is that large. */
static struct uio argument_buffer(void)
{
    return (struct uio){.base = syscall_argument(1),
                        .remaining = MIN(syscall_argument(2), (uint64_t)INT64_MAX),
                        .user = true};
}

int64_t sys_read(void)
{
    struct file *file = syscall_argument_file(0);
    struct uio uio = argument_buffer();
    if (!file || (file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    return file->ops->read ? file->ops->read(file, &uio) : -EINVAL;
}

int64_t sys_write(void)
{
    struct file *file = syscall_argument_file(0);
    struct uio uio = argument_buffer();
    if (!file || (file->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (!file->ops->write)
        return -EINVAL;
    int64_t result = file->ops->write(file, &uio);
    /* POSIX write(): a pipe without readers also raises SIGPIPE; send() on a datagram socket does
     * not. */
    if (result == -EPIPE && !socket_from_file(file))
        proc_kill(current_proc()->pid, SIGPIPE);
    return result;
}

/* What cannot be positioned (pipes, sockets, devices) has no seek operation. */
int64_t sys_lseek(void)
{
    struct file *file = syscall_argument_file(0);
    if (!file)
        return -EBADF;
    if (!file->ops->seek)
        return -ESPIPE;
    return file->ops->seek(file, (int64_t)syscall_argument(1), syscall_argument_int(2));
}

int64_t sys_fstat(void)
{
    struct file *file = syscall_argument_file(0);
    /* Drivers need not tell: what has no stat operation is a character device. */
    struct stat stat = {.st_mode = S_IFCHR | 0666, .st_nlink = 1};
    if (!file)
        return -EBADF;
    int error = file->ops->stat ? file->ops->stat(file, &stat) : 0;
    return error ? error : copy_to_user(syscall_argument(1), &stat, sizeof(stat));
}

int64_t sys_fsync(void)
{
    struct file *file = syscall_argument_file(0);
    if (!file)
        return -EBADF;
    return file->ops->sync ? file->ops->sync(file) : -EINVAL;
}

int64_t sys_dup(void)
{
    struct file *file = syscall_argument_file(0);
    return file ? file_install(file_hold(file), 0) : -EBADF;
}

/* Closes what `target` was; a descriptor onto itself stays as it is (POSIX dup2()). */
int64_t sys_dup2(void)
{
    struct fdtable *fds = current_proc()->fds;
    struct file *file = syscall_argument_file(0);
    int target = syscall_argument_int(1);
    if (!file || target < 0 || target >= OPEN_MAX)
        return -EBADF;
    if (target == syscall_argument_int(0))
        return target;
    struct file *before = fd_remove(fds, target);
    fd_install(fds, file_hold(file), target);
    /* Last: closing may sleep, and the new file is in place by then. */
    if (before)
        file_release(before);
    return target;
}

/* Both descriptors or none: also when their numbers cannot be told to the caller. */
int64_t sys_pipe(void)
{
    struct fdtable *table = current_proc()->fds;
    struct file *ends[2];
    int fds[2];
    int error = pipe_create(&ends[0], &ends[1]);
    if (error)
        return error;
    fds[0] = fd_install(table, ends[0], 0);
    fds[1] = fd_install(table, ends[1], 0);
    if (fds[0] < 0 || fds[1] < 0)
        error = -EMFILE;
    else
        error = copy_to_user(syscall_argument(0), fds, sizeof(fds));
    if (error)
        for (int i = 0; i < 2; i++) {
            fd_remove(table, fds[i]);
            file_release(ends[i]);
        }
    return error;
}

/* Flags belong to the open file: descriptors made by dup() or fork() share them. */
int64_t sys_fcntl(void)
{
    const uint32_t settable = O_APPEND | O_NONBLOCK;
    struct file *file = syscall_argument_file(0);
    int argument = syscall_argument_int(2);
    if (!file)
        return -EBADF;
    switch (syscall_argument_int(1)) {
    case F_DUPFD:
        if (argument < 0 || argument >= OPEN_MAX)
            return -EINVAL;
        return file_install(file_hold(file), argument);
    case F_GETFD:
    case F_SETFD:
        /* There is no close-on-exec: its flag reads as 0. */
        return 0;
    case F_GETFL:
        return file->flags;
    case F_SETFL:
        WRITE_ONCE(file->flags, (file->flags & ~settable) | ((uint32_t)argument & settable));
        return 0;
    default:
        return -EINVAL;
    }
}

/* A request tells how large its argument is, and which way it goes; sockets have a table of their
 * own. The requests of consoles and pipes all carry one int. */
int64_t sys_ioctl(void)
{
    struct file *file = syscall_argument_file(0);
    unsigned long request = syscall_argument(1);
    uintptr_t user = syscall_argument(2);
    int argument = 0;
    if (!file)
        return -EBADF;
    if (socket_from_file(file))
        return sysnet_ioctl(file, request, user);
    if (request != TIOCGPGRP && request != TIOCSPGRP && request != FIONREAD)
        return -ENOTTY;
    if (!file->ops->ioctl)
        return -ENOTTY;
    int error = 0;
    if (request == TIOCSPGRP)
        error = copy_from_user(&argument, user, sizeof(argument));
    if (!error)
        error = file->ops->ioctl(file, request, &argument);
    if (!error && request != TIOCSPGRP)
        error = copy_to_user(user, &argument, sizeof(argument));
    return error;
}

/* --- Names --- */

int64_t sys_link(void)
{
    char existing[PATH_MAX], path[PATH_MAX];
    int error = syscall_argument_path(0, existing, sizeof(existing));
    if (!error)
        error = syscall_argument_path(1, path, sizeof(path));
    return error ? error : fs_link(current_proc()->fds->directory, existing, path);
}

int64_t sys_unlink(void)
{
    char path[PATH_MAX];
    int error = syscall_argument_path(0, path, sizeof(path));
    return error ? error : fs_unlink(current_proc()->fds->directory, path);
}

int64_t sys_mkdir(void)
{
    char path[PATH_MAX];
    int error = syscall_argument_path(0, path, sizeof(path));
    if (error)
        return error;
    return fs_mkdir(current_proc()->fds->directory, path, (uint32_t)syscall_argument(1));
}

int64_t sys_mknod(void)
{
    char path[PATH_MAX];
    int error = syscall_argument_path(0, path, sizeof(path));
    if (error)
        return error;
    return fs_mknod(current_proc()->fds->directory, path, (uint32_t)syscall_argument(1),
                    (uint32_t)syscall_argument(2));
}

/* The directory stays referenced, so it outlives its removal as long as somebody is in it. */
int64_t sys_chdir(void)
{
    char path[PATH_MAX];
    struct fdtable *fds = current_proc()->fds;
    struct inode *inode;
    int error = syscall_argument_path(0, path, sizeof(path));
    if (!error)
        error = path_lookup(fds->directory, path, &inode);
    if (error)
        return error;
    if (!S_ISDIR(inode_mode(inode))) {
        inode_release(inode);
        return -ENOTDIR;
    }
    struct inode *before = fds->directory;
    fds->directory = inode;
    inode_release(before);
    return 0;
}
