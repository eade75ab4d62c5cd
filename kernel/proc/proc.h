/* Processes and kernel threads. What belongs to the file system is behind `fds`, which this layer only keeps;
 * sys/ opens, clones and closes it. */
#ifndef PROC_PROC_H
#define PROC_PROC_H

#include "abi/process.h"
#include "arch/trap.h"
#include "lib/list.h"
#include "lib/types.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define PROC_MAX      128
#define PROC_NAME_MAX 16

struct fdtable;
struct hart;
struct vm_space;

/* What a thread's registers hold while it does not run: those that a function call preserves. */
struct context {
    uint64_t ra, sp, s[12];
};

struct proc {
    /* [I] from creation to reaping */
    pid_t pid;
    unsigned slot;
    struct trapframe *frame; /* at the top of the kernel stack */
    uintptr_t kstack_top;
    char name[PROC_NAME_MAX]; /* changed by exec, by the process itself */

    /* Used by the process itself only, or while it is being made or reaped */
    struct vm_space *space; /* NULL: kernel thread */
    size_t memory;          /* bytes of user memory, for ps */
    struct fdtable *fds;    /* NULL: kernel thread or exiting */
    struct context context;
    void (*start)(void *argument);
    void *argument;

    struct spinlock lock;
    enum process_state state;  /* [lock] */
    bool wake_pending;         /* [lock] a wake-up came before the park */
    struct hart *hart;         /* [lock] where it runs or ran last */
    struct list_node run_node; /* [run queue's lock] */

    int killed; /* signal that ends it, 0 = none; set once, read without a lock */

    /* [timer lock of the hart it parked on] */
    uint64_t deadline; /* ns */
    bool timed_out;    /* the deadline came */
    struct list_node timer_node;

    struct proc *parent; /* [family lock], as all of these */
    struct list children;
    struct list_node sibling;
    struct waitq child_exit;
    int exit_status;
    pid_t group;

    /* By the hart that runs it; run_started: when it came on, or the last tick since */
    uint64_t run_started, run_ns, switches;
    int64_t slice_left; /* ns */
    bool computes;      /* for most of a slice since it last slept; others look at it as a hint */
};

/* The thread this hart runs. In the kernel's own threads and in system calls that is the caller, whatever
 * hart it is on; in an interrupt handler it may be NULL. */
static inline struct proc *current_proc(void)
{
    /* tp holds the hart's record, whose first member this is. One instruction, so that no interrupt can move
     * the thread to another hart between the load of the hart and that of the thread. */
    struct proc *current;
    __asm__ volatile("ld %0, 0(tp)" : "=r"(current));
    return current;
}

void proc_init(void);

/* A new process in state NEW, child of the current one, with no space and no files yet. NULL: the process
 * table or memory is exhausted. */
struct proc *proc_create(const char *name);
void proc_start(struct proc *p);   /* makes it runnable; the caller no longer touches it */
void proc_abandon(struct proc *p); /* undoes proc_create; the caller has taken space and fds back */

/* The current process ends. Its files are already closed; its space goes here, the rest when its parent
 * waits for it. Orphans go to init. */
void proc_exit(int status) __attribute__((noreturn));

/* waitpid(): -1 = any child, > 0 = that one. The pid and *status; 0 with WNOHANG if none has ended; -ECHILD,
 * -EINTR. */
pid_t proc_wait(pid_t pid, int *status, int options);

/* pid > 0: that process; < -1: the group -pid. Signal 0 only asks. 0, -ESRCH, -EINVAL, -EPERM (init and
 * kernel threads are not killed). Any context. */
int proc_kill(pid_t pid, int signal);

int proc_set_group(pid_t pid, pid_t group); /* setpgid() */
pid_t proc_get_group(pid_t pid);            /* getpgid() */
pid_t proc_get_parent(void);                /* getppid(); 0: none */

/* Fills *info for table entry `index`; -ESRCH past the end. */
int proc_info(unsigned index, struct procinfo *info);
unsigned proc_count(void);
void proc_dump(void); /* for ^P: prints the table; takes no lock, so it works when things hang */

#endif
