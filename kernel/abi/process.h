/* Signals that end a process, the wait status, and what ps and the leak tests read. */
#ifndef ABI_PROCESS_H
#define ABI_PROCESS_H

#include "abi/types.h"

/* There are no handlers: each of these ends the process. 0 only asks whether the target exists. */
#define SIGINT       2
#define SIGILL       4
#define SIGTRAP      5
#define SIGBUS       7
#define SIGKILL      9
#define SIGSEGV      11
#define SIGPIPE      13
#define SIGTERM      15
#define SIGNAL_LIMIT 32

/* waitpid() status: exit code in bits 15:8, or the ending signal in bits 6:0. */
#define WNOHANG             1
#define WIFEXITED(status)   (((status)&0x7f) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WIFSIGNALED(status) (((status)&0x7f) != 0)
#define WTERMSIG(status)    ((status)&0x7f)

#define ARGUMENT_BYTES_MAX 4096 /* execve: all strings of argv with their closing zeros */
#define ARGUMENT_COUNT_MAX 64

struct timespec {
    int64_t tv_sec;
    int64_t tv_nsec;
};
#define CLOCK_REALTIME  0 /* there is no clock chip driver: counts from boot as well */
#define CLOCK_MONOTONIC 1

struct sysinfo {
    uint64_t uptime_ns;
    uint64_t total_pages;
    uint64_t free_pages;
    uint32_t page_size;
    uint32_t processes; /* user processes and kernel threads */
    uint32_t harts;
    uint32_t open_files;
};

enum process_state {
    PROCESS_UNUSED,
    PROCESS_NEW,
    PROCESS_RUNNABLE,
    PROCESS_RUNNING,
    PROCESS_SLEEPING,
    PROCESS_ZOMBIE
};

/* procinfo(index, &info): the index-th entry of the process table, -ESRCH past its end; an entry that is
 * not in use has pid 0. */
struct procinfo {
    pid_t pid;
    pid_t parent;
    pid_t group;
    int32_t state; /* enum process_state */
    int32_t hart;  /* where it ran last */
    int32_t kernel_thread;
    uint64_t memory_bytes;
    uint64_t run_ns; /* time spent running */
    uint64_t switches;
    char name[16];
};

#endif
