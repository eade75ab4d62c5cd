#include "proc/proc.h"

#include "abi/errno.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/vm.h"
#include "proc/kthread.h"
#include "proc/sched.h"

/* The table, the tree of parents and children, process groups and who has ended: one lock. Taken before a
 * thread's lock. */
static struct spinlock family_lock = SPINLOCK_INITIALIZER("family");
static struct proc table[PROC_MAX];
static struct list free_slots = LIST_INITIALIZER(free_slots); /* [family_lock] through run_node */
static unsigned in_use;                                       /* [family_lock] */
static pid_t next_pid = 1;                                    /* [family_lock] */
static struct proc *init_process;                             /* [I] the first one */

void proc_init(void)
{
    for (unsigned n = 0; n < PROC_MAX; n++) {
        struct proc *p = &table[n];
        p->slot = n;
        p->kstack_top = vm_kstack_map(n);
        if (!p->kstack_top)
            panic("no memory for kernel stacks");
        p->frame = (struct trapframe *)p->kstack_top - 1;
        spinlock_init(&p->lock, "thread");
        waitq_init(&p->child_exit, &family_lock);
        list_push_back(&free_slots, &p->run_node);
    }
}

/* Pids count up and wrap; the table is much smaller than their range, so a free one is near. family_lock
 * held. */
static pid_t pid_next(void)
{
    for (;;) {
        pid_t pid = next_pid;
        next_pid = next_pid == INT32_MAX ? 2 : next_pid + 1;
        unsigned n = 0;
        while (n < PROC_MAX && table[n].pid != pid)
            n++;
        if (n == PROC_MAX)
            return pid;
    }
}

struct proc *proc_create(const char *name)
{
    struct proc *parent = current_proc();

    spinlock_acquire(&family_lock);
    struct list_node *node = list_pop_front(&free_slots);
    if (!node) {
        spinlock_release(&family_lock);
        return NULL;
    }
    struct proc *p = LIST_ENTRY(node, struct proc, run_node);
    p->pid = pid_next();
    p->state = PROCESS_NEW;
    strlcpy(p->name, name, sizeof p->name);
    p->space = NULL;
    p->fds = NULL;
    p->start = NULL;
    p->wake_pending = false;
    p->killed = 0;
    p->hart = NULL;
    p->run_ns = p->switches = 0;
    list_node_init(&p->timer_node);
    list_init(&p->children);
    list_node_init(&p->sibling);
    p->parent = parent;
    p->group = parent ? parent->group : p->pid;
    if (parent)
        list_push_back(&parent->children, &p->sibling);
    if (!init_process)
        init_process = p;
    in_use++;
    spinlock_release(&family_lock);
    return p;
}

/* family_lock held. */
static void slot_free(struct proc *p)
{
    list_remove(&p->sibling);
    p->pid = 0;
    p->state = PROCESS_UNUSED;
    p->parent = NULL;
    in_use--;
    list_push_back(&free_slots, &p->run_node);
}

void proc_abandon(struct proc *p)
{
    assert(p->state == PROCESS_NEW && !p->space && !p->fds);
    spinlock_acquire(&family_lock);
    slot_free(p);
    spinlock_release(&family_lock);
}

void proc_start(struct proc *p) { sched_start(p); }

struct proc *kthread_create(const char *name, void (*function)(void *argument), void *argument)
{
    struct proc *p = proc_create(name);
    if (!p)
        return NULL;
    /* It belongs to nobody: who happened to create it must not wait for it, nor kill it with its group. */
    spinlock_acquire(&family_lock);
    list_remove(&p->sibling);
    p->parent = NULL;
    p->group = 0;
    spinlock_release(&family_lock);
    p->start = function;
    p->argument = argument;
    sched_start(p);
    return p;
}

/* Gives the children to init, which waits for all it gets. family_lock held. */
static void children_hand_over(struct proc *p)
{
    struct list_node *node;
    while ((node = list_pop_front(&p->children))) {
        LIST_ENTRY(node, struct proc, sibling)->parent = init_process;
        list_push_back(&init_process->children, node);
        waitq_wake(&init_process->child_exit);
    }
}

void proc_exit(int status)
{
    struct proc *p = current_proc();
    assert(!p->fds);
    if (p == init_process)
        panic("init has ended, status %#x", status);

    struct vm_space *space = p->space;
    p->space = NULL;
    p->memory = 0;
    sched_retire_space(space);

    spinlock_acquire(&family_lock);
    children_hand_over(p);
    p->exit_status = status;
    waitq_wake(&p->parent->child_exit);
    spinlock_acquire(&p->lock);
    p->state = PROCESS_ZOMBIE;
    spinlock_release(&family_lock);
    sched_leave();
}

/* A child that has ended, among those that `pid` asks for; *any tells whether there are such children at all.
 * family_lock held. */
static struct proc *zombie_find(struct proc *parent, pid_t pid, bool *any)
{
    *any = false;
    LIST_FOR_EACH (node, &parent->children) {
        struct proc *child = LIST_ENTRY(node, struct proc, sibling);
        if (pid > 0 && child->pid != pid)
            continue;
        *any = true;
        /* Its lock is free only when it has left its stack for good. */
        spinlock_acquire(&child->lock);
        bool ended = child->state == PROCESS_ZOMBIE;
        spinlock_release(&child->lock);
        if (ended)
            return child;
    }
    return NULL;
}

pid_t proc_wait(pid_t pid, int *status, int options)
{
    struct proc *p = current_proc();
    pid_t result;
    bool any;

    if (options & ~WNOHANG || (pid != -1 && pid <= 0))
        return -EINVAL;
    spinlock_acquire(&family_lock);
    for (;;) {
        struct proc *child = zombie_find(p, pid, &any);
        if (child) {
            result = child->pid;
            *status = child->exit_status;
            slot_free(child);
            break;
        }
        if (!any || options & WNOHANG) {
            result = any ? 0 : -ECHILD;
            break;
        }
        if (waitq_sleep(&p->child_exit, NEVER) == -EINTR) {
            result = -EINTR;
            break;
        }
    }
    spinlock_release(&family_lock);
    return result;
}

/* --- signals and groups --- */

/* From fork() until it is waited for: one that is still being made must not escape a kill of its group, and
 * one that has given back its memory can still be named. Only kernel threads have no group. */
static bool is_user_process(const struct proc *p) { return p->pid && p->group != 0; }

/* family_lock held. */
static struct proc *proc_find(pid_t pid)
{
    for (struct proc *p = table; pid > 0 && p < table + PROC_MAX; p++)
        if (p->pid == pid)
            return p;
    return NULL;
}

int proc_kill(pid_t pid, int signal)
{
    int result = -ESRCH;

    if (signal < 0 || signal >= SIGNAL_LIMIT || pid == 0 || pid == -1)
        return -EINVAL;
    spinlock_acquire(&family_lock);
    for (struct proc *p = table; p < table + PROC_MAX; p++) {
        if (!p->pid || (pid > 0 ? p->pid != pid : p->group != -pid))
            continue;
        if (!is_user_process(p) || p == init_process) {
            if (result == -ESRCH)
                result = -EPERM;
            continue;
        }
        result = 0;
        if (signal && !p->killed) {
            WRITE_ONCE(p->killed, signal);
            proc_wake(p);
        }
    }
    spinlock_release(&family_lock);
    return result;
}

int proc_set_group(pid_t pid, pid_t group)
{
    int result = -ESRCH;

    if (group < 0)
        return -EINVAL;
    spinlock_acquire(&family_lock);
    struct proc *self = current_proc(), *p = pid ? proc_find(pid) : self;
    if (p && (p == self || p->parent == self)) {
        p->group = group ? group : p->pid;
        result = 0;
    }
    spinlock_release(&family_lock);
    return result;
}

pid_t proc_get_group(pid_t pid)
{
    spinlock_acquire(&family_lock);
    struct proc *p = pid ? proc_find(pid) : current_proc();
    pid_t group = p && is_user_process(p) ? p->group : -ESRCH;
    spinlock_release(&family_lock);
    return group;
}

/* With the lock: the parent may end, and its place in the table go to somebody else. */
pid_t proc_get_parent(void)
{
    spinlock_acquire(&family_lock);
    struct proc *parent = current_proc()->parent;
    pid_t pid = parent ? parent->pid : 0;
    spinlock_release(&family_lock);
    return pid;
}

/* --- what ps shows --- */

int proc_info(unsigned index, struct procinfo *info)
{
    if (index >= PROC_MAX)
        return -ESRCH;
    struct proc *p = &table[index];
    memset(info, 0, sizeof *info);
    spinlock_acquire(&family_lock); /* holds exits and reaping back, so the space stays */
    info->pid = p->pid;
    if (p->pid) {
        info->parent = p->parent ? p->parent->pid : 0;
        info->group = p->group;
        info->state = p->state;
        info->hart = p->hart ? (int)p->hart->id : -1;
        info->kernel_thread = !is_user_process(p);
        info->memory_bytes = p->memory;
        info->run_ns = p->run_ns;
        info->switches = p->switches;
        strlcpy(info->name, p->name, sizeof info->name);
    }
    spinlock_release(&family_lock);
    return 0;
}

unsigned proc_count(void) { return READ_ONCE(in_use); }

void proc_dump(void)
{
    static const char *const states[] = {"unused",  "new",      "runnable",
                                         "running", "sleeping", "zombie"};
    kprintf("\n  pid state     hart switches name\n");
    for (struct proc *p = table; p < table + PROC_MAX; p++)
        if (p->pid)
            kprintf("%5d %-9s %4d %8lu %s%s\n", p->pid, states[p->state],
                    p->hart ? (int)p->hart->id : -1, p->switches, p->name,
                    is_user_process(p) ? "" : " (kernel)");
}
