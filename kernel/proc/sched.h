/* The scheduler: one run queue a hart, both ends O(1), and direct switches from thread to thread.
 *
 * A run queue has two lists. Threads with some of their time slice left stand in the one that is served; who
 * has used its slice up gets a new one and joins the other; when the first is empty the two change places.
 * So a thread that sleeps most of the time goes ahead of one that computes, and nobody starves.
 *
 * Where a woken thread goes: it stays on the hart where it is woken if hardly anybody waits there, because
 * who runs there, be it the waker or somebody whom an interrupt came upon, tends to sleep next, and a signal
 * to another hart costs far more than a short wait. Threads that are known to compute are the exception: who
 * has run for most of a time slice without a break does, until it sleeps again. Beside such a one, or a long
 * queue, a woken thread goes to an idle hart, and a hart without work takes from the queue.
 *
 * Lock order: another hart's timer_lock -> a thread's lock -> this hart's timer_lock; run_lock is a leaf.
 */
#ifndef PROC_SCHED_H
#define PROC_SCHED_H

#include "arch/hart.h"
#include "arch/memlayout.h"
#include "lib/list.h"
#include "lib/types.h"
#include "proc/proc.h"
#include "proc/spinlock.h"

#define TIME_SLICE    (10 * NS_PER_MS)
#define RUN_QUEUE_OWN 2           /* so many may wait on one hart while others are idle */
#define TLB_REACH     (4ul << 20) /* bytes that QEMU is to keep translations of, at least */

/* Everything a hart has for itself; its address is in tp while it is in the kernel. */
struct hart {
    struct hart_head head; /* the thread that runs, and how deep interrupts are off */
    unsigned id;           /* [I] */
    bool online;           /* [I after boot] */
    /* Whom the thread that just came on has replaced; its lock is still held. */
    struct proc *previous;
    struct context idle;    /* sched_run()'s registers while a thread runs */
    struct vm_space *space; /* what satp translates with; NULL: the kernel's bare table */
    bool leave_space;       /* another hart wants it to be left if it is not in use */

    struct spinlock run_lock;
    struct list run_lists[2]; /* [run_lock] runnable threads */
    unsigned served;          /* [run_lock] which of the two is served now */
    uint32_t run_length;      /* [run_lock] of both; read without for a glance */
    bool waits;               /* for an interrupt, or is about to; written by the hart */

    struct spinlock timer_lock;
    struct list timers;   /* [timer_lock] parked threads with a deadline, the soonest first */
    uint64_t timer_armed; /* [timer_lock] ns; what stimecmp is set to */
    /* ns; when the tick comes that ends the present time slice; NEVER: no tick is due. */
    uint64_t slice_end;
    bool slice_over; /* the current thread has used its slice up */
    unsigned slices; /* that have ended in a thread since another space was loaded */
};

_Static_assert(offsetof(struct hart, head) == 0, "tp points to both");

extern struct hart harts[HART_MAX];

static inline struct hart *this_hart(void) { return (struct hart *)hart_head(); }

/* On the hart itself, before it takes interrupts. */
void sched_init_hart(unsigned id);

/* A hart's idle loop: runs threads, waits for interrupts when there are none. Never returns. */
void sched_run(void) __attribute__((noreturn));

/* Interrupt handlers. */
void sched_tick(void); /* the timer */
void sched_ipi(void);  /* another hart has put something here, or wants a space left */

/* The time slice is over and somebody else wants the hart. Interrupts off. */
bool sched_should_yield(void);

/* Makes a new thread runnable. */
void sched_start(struct proc *p);

/* Ends the thread's park, or the next one. Any context. */
void proc_wake(struct proc *p);

/* Parks the current thread until proc_wake(): 0; or until the deadline: -ETIMEDOUT; or, if interruptible,
 * until it is killed: -EINTR. No spinlock held. */
int sched_park(uint64_t deadline, bool interruptible);

/* Gives the hart up for good. Called with the thread's lock held and its state ZOMBIE. */
void sched_leave(void) __attribute__((noreturn));

/* Makes `space` (NULL: the kernel's bare table) the one this hart translates with. Does nothing if it is
 * loaded already, unless `stale` says that it may have changed while the process ran elsewhere. Interrupts
 * off. */
void sched_load_space(struct vm_space *space, bool stale);

/* Frees a space that no thread uses any more. Harts that still have it loaded, because only kernel threads
 * have run there since, leave it first: waits for them, so no spinlock is held. */
void sched_retire_space(struct vm_space *space);

#endif
