/* Spinlocks: mutual exclusion between harts, with interrupts off on the hart that holds one, so that an
 * interrupt handler may take the same lock. Held for short, never across a sleep.
 *
 * Taking a free lock and releasing it is done in the caller, without a call: every datagram does it a dozen
 * times. */
#ifndef PROC_SPINLOCK_H
#define PROC_SPINLOCK_H

#include "arch/hart.h"
#include "lib/types.h"

struct spinlock {
    uint64_t locked;          /* 0: free; taken by atomic swap */
    const char *name;         /* [I] for panic messages */
    struct hart_head *holder; /* the hart that holds it, else NULL */
};

#define SPINLOCK_INITIALIZER(lock_name)                                                            \
    {                                                                                              \
        .name = lock_name                                                                          \
    }

void spinlock_init(struct spinlock *lock, const char *name);

/* The slow ways: another hart, or by a bug this one, holds the lock; this hart releases what it does not
 * hold. */
void spinlock_wait(struct spinlock *lock);
void spinlock_misuse(struct spinlock *lock) __attribute__((noreturn));
/* That of interrupts_restore(): an interrupt has been held back. */
void interrupts_let_in(void);

/* No interrupt handler runs on this hart from here to the interrupts_restore() that belongs to it. They nest.
 *
 * The hardware is not asked: QEMU leaves its fast path at every access to a CSR, and a datagram takes a
 * dozen locks. An interrupt that comes all the same finds the depth above 0: then trap.c holds it back, with
 * interrupts off in sstatus from there on, and the last interrupts_restore() turns them on again, which lets
 * it in.
 *
 * Through tp in each instruction: at depth 0 the thread may lose the hart between any two of them, and then
 * goes on with another one, whose depth is 0 as well. */
static inline void interrupts_disable(void)
{
    long depth;
    __asm__ volatile("lw %0, %1(tp)\n\taddiw %0, %0, 1\n\tsw %0, %1(tp)"
                     : "=&r"(depth)
                     : "i"(HART_INTERRUPTS_OFF_DEPTH)
                     : "memory");
}

static inline void interrupts_restore(void)
{
    long held;
    __asm__ volatile("lw %0, %1(tp)\n\taddiw %0, %0, -1\n\tsw %0, %1(tp)\n\tlbu %0, %2(tp)"
                     : "=&r"(held)
                     : "i"(HART_INTERRUPTS_OFF_DEPTH), "i"(HART_INTERRUPT_HELD)
                     : "memory");
    if (__builtin_expect(held, 0))
        interrupts_let_in();
}

/* By this hart; for asserts. */
static inline bool spinlock_held(const struct spinlock *lock)
{
    return READ_ONCE(lock->holder) == hart_head();
}

/* What is swapped in only has to differ from 0: tp is at hand. */
static inline void spinlock_acquire(struct spinlock *lock)
{
    uint64_t before;
    interrupts_disable(); /* before the lock is taken: an interrupt handler here may want it too */
    __asm__ volatile("amoswap.d.aq %0, tp, %1" : "=r"(before), "+A"(lock->locked)::"memory");
    if (__builtin_expect(before != 0, 0))
        spinlock_wait(lock);
    __asm__ volatile("sd tp, %0" : "=m"(lock->holder));
}

static inline void spinlock_release(struct spinlock *lock)
{
    __asm__ goto("bne %0, tp, %l1" ::"r"(READ_ONCE(lock->holder))::misuse);
    lock->holder = NULL;
    __atomic_thread_fence(__ATOMIC_RELEASE); /* the compiler's atomic store is an atomic swap */
    WRITE_ONCE(lock->locked, 0);
    interrupts_restore();
    return;
misuse:
    spinlock_misuse(lock);
}

#endif
