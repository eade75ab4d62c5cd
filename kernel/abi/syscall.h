/* System call numbers: in register a7, arguments in a0-a5, the result (or a negated errno) in a0. */
#ifndef ABI_SYSCALL_H
#define ABI_SYSCALL_H

/* X(name, number): the one list from which the kernel's table and the user stubs are made. */
#define SYSCALLS(X)                                                                                \
    X(fork, 1)                                                                                     \
    X(exit, 2)                                                                                     \
    X(waitpid, 3)                                                                                  \
    X(kill, 4)                                                                                     \
    X(execve, 5)                                                                                   \
    X(getpid, 6)                                                                                   \
    X(getppid, 7)                                                                                  \
    X(sbrk, 8)                                                                                     \
    X(nanosleep, 9)                                                                                \
    X(clock_gettime, 10)                                                                           \
    X(sched_yield, 11)                                                                             \
    X(setpgid, 12)                                                                                 \
    X(getpgid, 13)                                                                                 \
    X(sysinfo, 14)                                                                                 \
    X(procinfo, 15)                                                                                \
    X(poweroff, 16)                                                                                \
    X(open, 20)                                                                                    \
    X(close, 21)                                                                                   \
    X(read, 22)                                                                                    \
    X(write, 23)                                                                                   \
    X(lseek, 24)                                                                                   \
    X(fstat, 25)                                                                                   \
    X(dup, 26)                                                                                     \
    X(dup2, 27)                                                                                    \
    X(pipe, 28)                                                                                    \
    X(fcntl, 29)                                                                                   \
    X(ioctl, 30)                                                                                   \
    X(poll, 31)                                                                                    \
    X(link, 32)                                                                                    \
    X(unlink, 33)                                                                                  \
    X(mkdir, 34)                                                                                   \
    X(mknod, 35)                                                                                   \
    X(chdir, 36)                                                                                   \
    X(fsync, 37)                                                                                   \
    X(socket, 50)                                                                                  \
    X(bind, 51)                                                                                    \
    X(connect, 52)                                                                                 \
    X(sendto, 53)                                                                                  \
    X(recvfrom, 54)                                                                                \
    X(getsockname, 55)                                                                             \
    X(getpeername, 56)                                                                             \
    X(shutdown, 57)                                                                                \
    X(setsockopt, 58)                                                                              \
    X(getsockopt, 59)                                                                              \
    X(recvmsg, 60)                                                                                 \
    X(sendmsg, 61)                                                                                 \
    X(recvmmsg, 62)                                                                                \
    X(sendmmsg, 63)

#define SYSCALL_NUMBER(name, number) SYS_##name = number,
enum syscall_number { SYSCALLS(SYSCALL_NUMBER) SYSCALL_LIMIT = 64 };

#endif
