/* System call dispatch and argument access. */
#include "sys/sys.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "mm/vm.h"
#include "proc/proc.h"

typedef int64_t (*syscall_handler)(void);

#define SYSCALL_ENTRY(name, number) [number] = sys_##name,
static const syscall_handler handlers[SYSCALL_LIMIT] = {SYSCALLS(SYSCALL_ENTRY)};

int syscall_argument_path(unsigned n, char *path, size_t size)
{
    ssize_t length = copy_string_from_user(path, syscall_argument(n), size);
    if (length < 0)
        return (int)length;
    return length == 0 ? -ENOENT : 0;
}

struct file *syscall_argument_file(unsigned n)
{
    return fd_lookup(current_proc()->fds, syscall_argument_int(n));
}

void syscall_dispatch(void)
{
    struct trapframe *frame = current_proc()->frame;
    uint64_t number = frame->a[7];
    syscall_handler handler = number < SYSCALL_LIMIT ? handlers[number] : NULL;
    int64_t result = handler ? handler() : -ENOSYS;
    if (number == SYS_execve && result == 0)
        trap_return(); /* to another program, with all its registers */
    frame->a[0] = (uint64_t)result;
}
