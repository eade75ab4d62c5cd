#include "proc/sleeplock.h"

#include "lib/assert.h"
#include "proc/sched.h"

void sleeplock_init(struct sleeplock *lock, const char *name)
{
    spinlock_init(&lock->guard, name);
    waitq_init(&lock->waiters, &lock->guard);
    lock->waiting = 0;
    lock->holder = NULL;
}

/* A free lock for which somebody waits is his: he has been woken, but a holder that takes it again at once
 * would be faster each time. */
void sleeplock_acquire(struct sleeplock *lock)
{
    spinlock_acquire(&lock->guard);
    if (lock->holder || lock->waiting > 0) {
        lock->waiting++;
        do
            waitq_sleep_uninterruptible(&lock->waiters, NEVER);
        while (lock->holder);
        lock->waiting--;
    }
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
