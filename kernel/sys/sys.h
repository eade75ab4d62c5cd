/* System calls: how sys/ takes arguments from user registers and gives results back. Each call is a function
 * sys_NAME(void) that returns its result or a negated errno; no protocol and no file-system code here. */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include "abi/syscall.h"
#include "lib/types.h"
#include "proc/proc.h"

#define SYSCALL_DECLARE(name, number) int64_t sys_##name(void);
SYSCALLS(SYSCALL_DECLARE)

/* The n-th argument (0..5) of the system call that the current process makes. */
static inline uint64_t syscall_argument(unsigned n) { return current_proc()->frame->a[n]; }
static inline int syscall_argument_int(unsigned n) { return (int)syscall_argument(n); }

/* Copies the 0-terminated path argument n. 0, -EFAULT, -ENAMETOOLONG, -ENOENT (empty). */
int syscall_argument_path(unsigned n, char *path, size_t size);

struct exec_arguments;
struct file;
struct timespec;
struct uio;

/* The file behind descriptor argument n, borrowed; NULL: -EBADF. */
struct file *syscall_argument_file(unsigned n);

/* A duration that a user gives, cut to a hundred years, so that it can be added to the time of day. 0,
 * -EINVAL. */
int timespec_to_ns(const struct timespec *time, uint64_t *ns);

/* Replaces the current process's program by the one at `path`. 0 or a negated errno, then the old one goes
 * on. Also starts the first program. */
int sys_exec_path(const char *path, const struct exec_arguments *arguments);

/* From the trap handler. */
void syscall_dispatch(void);

/* Ends the current process: closes its files, then proc_exit(). `status` as waitpid() gives it. */
void process_exit(int status) __attribute__((noreturn));

#endif
