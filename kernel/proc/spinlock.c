#include "proc/spinlock.h"

#include "arch/riscv.h"
#include "lib/printf.h"
#include "proc/sched.h"

void interrupts_disable(void)
{
    bool were_on = interrupts_are_on();
    interrupts_off();
    struct hart *hart = this_hart();
    if (hart->interrupts_off_depth++ == 0)
        hart->interrupts_were_on = were_on;
}

void interrupts_restore(void)
{
    struct hart *hart = this_hart();
    if (--hart->interrupts_off_depth == 0 && hart->interrupts_were_on)
        interrupts_on();
}

void spinlock_init(struct spinlock *lock, const char *name)
{
    lock->locked = 0;
    lock->name = name;
    lock->holder = NULL;
}

bool spinlock_held(struct spinlock *lock)
{
    return READ_ONCE(lock->locked) && READ_ONCE(lock->holder) == this_hart();
}

void spinlock_acquire(struct spinlock *lock)
{
    interrupts_disable(); /* before the lock is taken: an interrupt handler here may want it too */
    if (spinlock_held(lock))
        panic("hart %u already holds spinlock %s", this_hart()->id, lock->name);
    while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE)) {
        while (READ_ONCE(lock->locked)) /* spin on a load: it leaves the line shared */
            ;
    }
    lock->holder = this_hart();
}

void spinlock_release(struct spinlock *lock)
{
    if (!spinlock_held(lock))
        panic("hart %u releases spinlock %s, which it does not hold", this_hart()->id, lock->name);
    lock->holder = NULL;
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    interrupts_restore();
}
