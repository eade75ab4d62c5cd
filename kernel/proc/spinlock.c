#include "proc/spinlock.h"

#include "lib/printf.h"

void spinlock_init(struct spinlock *lock, const char *name)
{
    lock->locked = 0;
    lock->name = name;
    lock->holder = NULL;
}

/* Spins on a load: that leaves the line shared until the lock is free. A hart that holds the lock itself
 * would wait for ever. */
void spinlock_wait(struct spinlock *lock)
{
    do {
        if (READ_ONCE(lock->holder) == hart_head())
            panic("spinlock %s is taken twice by one hart", lock->name);
        while (READ_ONCE(lock->locked))
            ;
    } while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE));
}

/* Cleared first: when interrupts are on, the next one may be held back at once. */
void interrupts_let_in(void)
{
    if (hart_head()->interrupts_off_depth > 0)
        return; /* not the outermost */
    hart_head()->interrupt_held = false;
    interrupts_on();
}

void spinlock_misuse(struct spinlock *lock)
{
    panic("spinlock %s is released by a hart that does not hold it", lock->name);
}
