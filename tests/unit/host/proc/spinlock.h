/* The kernel's spinlocks as unit tests see them: functions of host.c, which check how they are used. */
#ifndef PROC_SPINLOCK_H
#define PROC_SPINLOCK_H

#include "lib/types.h"

struct hart;

struct spinlock {
    uint32_t locked;
    const char *name;
    struct hart *holder;
};

#define SPINLOCK_INITIALIZER(lock_name)                                                            \
    {                                                                                              \
        .name = lock_name                                                                          \
    }

void spinlock_init(struct spinlock *lock, const char *name);
void spinlock_acquire(struct spinlock *lock);
void spinlock_release(struct spinlock *lock);
bool spinlock_held(struct spinlock *lock);
void interrupts_disable(void);
void interrupts_restore(void);

#endif
