#include "proc/sleeplock.h"

#include "lib/assert.h"
#include "proc/sched.h"

void sleeplock_init(struct sleeplock *lock, const char *name)
{
    spinlock_init(&lock->guard, name);
    waitq_init(&lock->waiters, &lock->guard);
    lock->holder = NULL;
}

void sleeplock_acquire(struct sleeplock *lock)
{
    spinlock_acquire(&lock->guard);
    while (lock->holder)
        waitq_sleep_uninterruptible(&lock->waiters, NEVER);
    lock->holder = current_proc();
    spinlock_release(&lock->guard);
}

void sleeplock_release(struct sleeplock *lock)
{
    spinlock_acquire(&lock->guard);
    assert(lock->holder == current_proc());
    lock->holder = NULL;
    waitq_wake(&lock->waiters);
    spinlock_release(&lock->guard);
}
