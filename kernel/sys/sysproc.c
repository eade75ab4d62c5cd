/* System calls about processes, memory and time. */
#include "sys/sys.h"

#include "abi/errno.h"
#include "abi/process.h"
#include "arch/memlayout.h"
#include "arch/trap.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "mm/vm.h"
#include "proc/clock.h"
#include "proc/exec.h"
#include "proc/kthread.h"
#include "proc/sched.h"

void process_exit(int status)
{
    struct proc *p = current_proc();
    struct fdtable *fds = p->fds;
    p->fds = NULL;
    fdtable_destroy(fds);
    proc_exit(status);
}

int64_t sys_exit(void) { process_exit((syscall_argument_int(0) & 0xff) << 8); }

int64_t sys_fork(void)
{
    struct proc *parent = current_proc(), *child = proc_create(parent->name);
    if (!child)
        return -EAGAIN;

    /* From here on a kill of the group reaches the child as well; one before has reached only us. */
    if (READ_ONCE(parent->killed)) {
        proc_abandon(child);
        return -EINTR;
    }
    child->space = vm_space_clone(parent->space);
    child->fds = child->space ? fdtable_clone(parent->fds) : NULL;
    if (!child->fds) {
        if (child->space)
            vm_space_destroy(child->space);
        child->space = NULL;
        proc_abandon(child);
        return -ENOMEM;
    }
    child->memory = parent->memory;
    *child->frame = *parent->frame;
    child->frame->a[0] = 0;
    pid_t pid = child->pid;
    proc_start(child);
    return pid;
}

/* waitpid(pid, status, options); status may be NULL. */
int64_t sys_waitpid(void)
{
    uintptr_t to = syscall_argument(1);
    int status = 0;

    if (to && !vm_user_allows(current_proc()->space, to, sizeof status, VM_WRITE))
        return -EFAULT; /* found out before a child is reaped for nothing */
    pid_t pid = proc_wait(syscall_argument_int(0), &status, syscall_argument_int(2));
    if (pid > 0 && to && copy_to_user(to, &status, sizeof status))
        return -EFAULT;
    return pid;
}

int64_t sys_kill(void) { return proc_kill(syscall_argument_int(0), syscall_argument_int(1)); }
int64_t sys_getpid(void) { return current_proc()->pid; }

int64_t sys_getppid(void) { return proc_get_parent(); }

int64_t sys_setpgid(void)
{
    return proc_set_group(syscall_argument_int(0), syscall_argument_int(1));
}

int64_t sys_getpgid(void) { return proc_get_group(syscall_argument_int(0)); }

int64_t sys_sched_yield(void)
{
    thread_yield();
    return 0;
}

/* --- execve --- */

static ssize_t inode_source_read(void *context, void *to, uint64_t offset, size_t n)
{
    return inode_read_kernel(context, to, offset, n);
}

int sys_exec_path(const char *path, const struct exec_arguments *arguments)
{
    struct inode *inode;
    struct exec_image image;

    int error = path_lookup(current_proc()->fds->directory, path, &inode);
    if (error)
        return error;
    struct exec_source source = {.read = inode_source_read, .context = inode};
    error = exec_build(&source, arguments, &image);
    inode_release(inode);
    if (error)
        return error == -EISDIR || error == -EINVAL ? -EACCES : error;

    const char *slash = strrchr(path, '/');
    exec_commit(&image, arguments, slash ? slash + 1 : path);
    return 0;
}

/* Collects the strings of a user argv, which ends with a NULL pointer. */
static int arguments_collect(uintptr_t argv, struct exec_arguments *arguments)
{
    arguments->count = 0;
    arguments->bytes = 0;
    for (;;) {
        uint64_t string;
        if (copy_from_user(&string, argv + arguments->count * sizeof string, sizeof string))
            return -EFAULT;
        if (!string)
            return 0;
        if (arguments->count == ARGUMENT_COUNT_MAX)
            return -E2BIG;
        ssize_t length = copy_string_from_user(arguments->strings + arguments->bytes, string,
                                               ARGUMENT_BYTES_MAX - arguments->bytes);
        if (length < 0)
            return length == -ENAMETOOLONG ? -E2BIG : (int)length;
        arguments->bytes += (size_t)length + 1;
        arguments->count++;
    }
}

/* execve(path, argv, envp); there is no environment, so envp is not looked at. */
int64_t sys_execve(void)
{
    char path[PATH_MAX];
    struct exec_arguments arguments = {.strings = page_alloc()};

    if (!arguments.strings)
        return -ENOMEM;
    int error = syscall_argument_path(0, path, sizeof path);
    if (!error)
        error = arguments_collect(syscall_argument(1), &arguments);
    if (!error)
        error = sys_exec_path(path, &arguments);
    page_free(arguments.strings);
    return error;
}

/* --- memory and time --- */

/* sbrk(increment): the old break. */
int64_t sys_sbrk(void)
{
    struct proc *p = current_proc();
    struct vm_space *space = p->space;
    int64_t increment = (int64_t)syscall_argument(0);
    uintptr_t old = space->top, limit = space->stack - PAGE_SIZE;

    if (increment > 0 && (uint64_t)increment > limit - old)
        return -ENOMEM;
    if (increment < 0 && -(uint64_t)increment > old - space->heap_start)
        return -EINVAL;
    uintptr_t top = old + (uintptr_t)increment;
    if (increment > 0) {
        int error = vm_space_map(space, ALIGN_UP(old, PAGE_SIZE), ALIGN_UP(top, PAGE_SIZE),
                                 VM_READ | VM_WRITE);
        if (error)
            return error;
    } else {
        vm_space_unmap(space, ALIGN_UP(top, PAGE_SIZE), ALIGN_UP(old, PAGE_SIZE));
    }
    space->top = top;
    p->memory += (size_t)increment;
    return (int64_t)old;
}

int timespec_to_ns(const struct timespec *time, uint64_t *ns)
{
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= (int64_t)NS_PER_SEC)
        return -EINVAL;
    if ((uint64_t)time->tv_sec > UINT32_MAX)
        *ns = UINT32_MAX * NS_PER_SEC; /* over a hundred years: as good as for ever */
    else
        *ns = (uint64_t)time->tv_sec * NS_PER_SEC + (uint64_t)time->tv_nsec;
    return 0;
}

static struct timespec ns_to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (int64_t)(ns / NS_PER_SEC),
                             .tv_nsec = (int64_t)(ns % NS_PER_SEC)};
}

/* nanosleep(request, remaining); remaining may be NULL and is written only when a kill cuts the sleep short,
 * which the caller does not live to see. */
int64_t sys_nanosleep(void)
{
    struct timespec request;
    uint64_t ns;

    if (copy_from_user(&request, syscall_argument(0), sizeof request))
        return -EFAULT;
    if (timespec_to_ns(&request, &ns))
        return -EINVAL;
    uint64_t deadline = clock_ns() + ns;
    for (;;) {
        int result = thread_park(deadline);
        if (result == -EINTR)
            return -EINTR;
        if (result == -ETIMEDOUT)
            return 0;
    }
}

int64_t sys_clock_gettime(void)
{
    int id = syscall_argument_int(0);
    struct timespec now = ns_to_timespec(clock_ns());
    if (id != CLOCK_REALTIME && id != CLOCK_MONOTONIC)
        return -EINVAL;
    return copy_to_user(syscall_argument(1), &now, sizeof now);
}

/* --- facts --- */

int64_t sys_sysinfo(void)
{
    struct sysinfo info = {
        .uptime_ns = clock_ns(),
        .total_pages = pages_total_count(),
        .free_pages = pages_free_count(),
        .page_size = PAGE_SIZE,
        .processes = proc_count(),
        .open_files = file_open_count(),
    };
    for (unsigned n = 0; n < HART_MAX; n++)
        info.harts += harts[n].online;
    return copy_to_user(syscall_argument(0), &info, sizeof info);
}

int64_t sys_procinfo(void)
{
    struct procinfo info;
    uint64_t index = syscall_argument(0);
    int error = index > UINT32_MAX ? -ESRCH : proc_info((unsigned)index, &info);
    return error ? error : copy_to_user(syscall_argument(1), &info, sizeof info);
}

/* poweroff(code) */
int64_t sys_poweroff(void)
{
    int code = syscall_argument_int(0) & 0xff;
    /* A call of the file system that has returned may belong to a transaction that others still keep open. A
     * disk that fails here has said so, and is no reason to stay. */
    fs_sync();
    /* This also lets out what programs have written so far. */
    kprintf("poweroff: exit code %d\n", code);
    machine_poweroff(code);
}
