/* Spinlocks: mutual exclusion between harts, with interrupts off on the hart that holds one, so that an
 * interrupt handler may take the same lock. Held for short, never across a sleep. */
#ifndef PROC_SPINLOCK_H
#define PROC_SPINLOCK_H

#include "lib/types.h"

struct hart;

struct spinlock {
    uint32_t locked;     /* 0 free, 1 held; only by atomic swap */
    const char *name;    /* [I] for panic messages */
    struct hart *holder; /* who holds it; valid while held */
};

#define SPINLOCK_INITIALIZER(lock_name)                                                            \
    {                                                                                              \
        .name = lock_name                                                                          \
    }

void spinlock_init(struct spinlock *lock, const char *name);
void spinlock_acquire(struct spinlock *lock);
void spinlock_release(struct spinlock *lock);
bool spinlock_held(struct spinlock *lock); /* by this hart; for asserts */

/* Interrupts off, counted: they come back on with the last interrupts_restore() if they were on
 * before the first interrupts_disable(). */
void interrupts_disable(void);
void interrupts_restore(void);

#endif
