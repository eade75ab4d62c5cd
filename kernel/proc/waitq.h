/* Wait queues: how a thread sleeps until something happens to an object.
 *
 * A queue belongs to an object and is protected by that object's lock, which it names. Who sleeps looks
 * at the object and joins the queue under the lock; who changes the object wakes under the same lock; so
 * no wake-up falls between the look and the sleep. Waking costs one look at an empty list when nobody
 * sleeps, and touches only the threads on this one queue.
 *
 * A thread may stand on several queues at once (poll does): it adds one waiter to each, then parks. A
 * wake-up that comes before the park is remembered, so the park returns at once. Wake-ups may be
 * spurious: look at the object again.
 */
#ifndef PROC_WAITQ_H
#define PROC_WAITQ_H

#include "lib/list.h"
#include "lib/types.h"
#include "proc/clock.h"

struct proc;
struct spinlock;

struct waitq {
    struct spinlock *lock; /* [I] the object's lock */
    struct list waiters;   /* [lock] */
};

struct waiter {
    struct list_node node; /* [queue->lock] */
    struct proc *thread;
    struct waitq *queue;
};

void waitq_init(struct waitq *queue, struct spinlock *lock);

/* Sleeps until woken. Called with the queue's lock held, returns with it held; it is free meanwhile.
 * `deadline` is a clock_ns() time or NEVER. Returns 0 when woken, -ETIMEDOUT at the deadline, -EINTR if
 * the process has been killed (also when it already was: a killed process does not sleep). */
int waitq_sleep(struct waitq *queue, uint64_t deadline);

/* The same for waits that a kill must not cut short, such as disk I/O: returns 0 or -ETIMEDOUT. */
int waitq_sleep_uninterruptible(struct waitq *queue, uint64_t deadline);

/* Wakes everyone on the queue. Lock held. Any context, interrupt handlers included. */
void waitq_wake(struct waitq *queue);

/* The parts, for waiting on several queues. waiter_add: lock held. waiter_remove: lock not held;
 * harmless for a waiter whose `queue` is NULL. */
void waiter_add(struct waitq *queue, struct waiter *waiter);
void waiter_remove(struct waiter *waiter);

/* Sleeps until one of the queues is woken; no spinlock held. Results as waitq_sleep. */
int thread_park(uint64_t deadline);

#endif
