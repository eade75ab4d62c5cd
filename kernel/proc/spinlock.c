#include "proc/spinlock.h"

#include "arch/riscv.h"
#include "lib/printf.h"
#include "proc/sched.h"

void interrupts_disable(void)
{
    uint64_t before;
    __asm__ volatile("csrrci %0, sstatus, %1" : "=r"(before) : "i"(SSTATUS_SIE) : "memory");
    struct hart *hart = this_hart();
    if (hart->interrupts_off_depth++ == 0)
        hart->interrupts_were_on = before & SSTATUS_SIE;
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

/* Somebody else holds the lock, or this hart itself, which would then wait for ever. Spins on a load: that leaves the
 * line shared until the lock is free. */
static void __attribute__((noinline)) spinlock_wait(struct spinlock *lock)
{
    do {
        if (READ_ONCE(lock->holder) == this_hart())
            panic("hart %u already holds spinlock %s", this_hart()->id, lock->name);
        while (READ_ONCE(lock->locked))
            ;
    } while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE));
}

void spinlock_acquire(struct spinlock *lock)
{
    interrupts_disable(); /* before the lock is taken: an interrupt handler here may want it too */
    if (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
        spinlock_wait(lock);
    lock->holder = this_hart();
}

void spinlock_release(struct spinlock *lock)
{
    if (lock->holder != this_hart())
        panic("hart %u releases spinlock %s, which it does not hold", this_hart()->id, lock->name);
    lock->holder = NULL;
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    interrupts_restore();
}
