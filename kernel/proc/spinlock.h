/* Spinlocks: mutual exclusion between harts, with interrupts off on the hart that holds one, so that an interrupt
 * handler may take the same lock. Held for short, never across a sleep.
 *
 * Taking a free lock and releasing it is done in the caller, without a call: every datagram does it a dozen times. */
#ifndef PROC_SPINLOCK_H
#define PROC_SPINLOCK_H

#include "arch/hart.h"
#include "lib/types.h"

struct spinlock {
    uint32_t locked;          /* 0 free, 1 held; only by atomic swap */
    const char *name;         /* [I] for panic messages */
    struct hart_head *holder; /* the hart that holds it, else NULL */
};

#define SPINLOCK_INITIALIZER(lock_name)                                                            \
    {                                                                                              \
        .name = lock_name                                                                          \
    }

void spinlock_init(struct spinlock *lock, const char *name);
bool spinlock_held(struct spinlock *lock); /* by this hart; for asserts */

/* The slow ways: another hart, or by a bug this one, holds the lock; this hart releases what it does not hold. */
void spinlock_wait(struct spinlock *lock);
void spinlock_misuse(struct spinlock *lock) __attribute__((noreturn));

/* Interrupts off, counted: they come back on with the last interrupts_restore() if they were on before the first
 * interrupts_disable(). */
static inline void interrupts_disable(void)
{
    uint64_t before;
    __asm__ volatile("csrrci %0, sstatus, %1" : "=r"(before) : "i"(SSTATUS_SIE) : "memory");
    struct hart_head *hart = hart_head();
    if (hart->interrupts_off_depth++ == 0)
        hart->interrupts_were_on = before & SSTATUS_SIE;
}

static inline void interrupts_restore(void)
{
    struct hart_head *hart = hart_head();
    if (--hart->interrupts_off_depth == 0 && hart->interrupts_were_on)
        interrupts_on();
}

static inline void spinlock_acquire(struct spinlock *lock)
{
    interrupts_disable(); /* before the lock is taken: an interrupt handler here may want it too */
    if (__builtin_expect(__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE), 0))
        spinlock_wait(lock);
    lock->holder = hart_head();
}

static inline void spinlock_release(struct spinlock *lock)
{
    if (__builtin_expect(lock->holder != hart_head(), 0))
        spinlock_misuse(lock);
    lock->holder = NULL;
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    interrupts_restore();
}

#endif
