/* Sleeplocks: held across disk I/O; who has to wait sleeps, and goes before who comes later. Never taken in
 * an interrupt handler or with a spinlock held. */
#ifndef PROC_SLEEPLOCK_H
#define PROC_SLEEPLOCK_H

#include "proc/spinlock.h"
#include "proc/waitq.h"

struct sleeplock {
    struct spinlock guard;
    struct waitq waiters; /* [guard] */
    unsigned waiting;     /* [guard] threads that have begun to wait and do not hold it yet */
    struct proc *holder;  /* [guard] NULL when free */
};

void sleeplock_init(struct sleeplock *lock, const char *name);
void sleeplock_acquire(struct sleeplock *lock); /* not cut short by a kill */
void sleeplock_release(struct sleeplock *lock);

#endif
