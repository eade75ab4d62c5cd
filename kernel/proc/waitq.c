#include "proc/waitq.h"

#include "abi/errno.h"
#include "lib/assert.h"
#include "proc/sched.h"
#include "proc/spinlock.h"

void waitq_init(struct waitq *queue, struct spinlock *lock)
{
    queue->lock = lock;
    list_init(&queue->waiters);
}

void waiter_add(struct waitq *queue, struct waiter *waiter)
{
    assert(spinlock_held(queue->lock));
    waiter->queue = queue;
    waiter->thread = current_proc();
    list_push_back(&queue->waiters, &waiter->node);
}

void waiter_remove(struct waiter *waiter)
{
    if (!waiter->queue)
        return;
    spinlock_acquire(waiter->queue->lock);
    list_remove(&waiter->node);
    spinlock_release(waiter->queue->lock);
    waiter->queue = NULL;
}

/* A woken thread leaves the queue here, so that a second wake-up before it has run costs nothing. Its waiter
 * lies on its stack: that cannot go away while the queue's lock is held, because waiter_remove takes it. */
void waitq_wake(struct waitq *queue)
{
    assert(spinlock_held(queue->lock));
    struct list_node *node;
    while ((node = list_pop_front(&queue->waiters)))
        proc_wake(LIST_ENTRY(node, struct waiter, node)->thread);
}

static int sleep_on(struct waitq *queue, uint64_t deadline, bool interruptible)
{
    struct waiter waiter;

    waiter_add(queue, &waiter);
    spinlock_release(queue->lock);
    int result = sched_park(deadline, interruptible);
    spinlock_acquire(queue->lock);
    list_remove(&waiter.node);
    return result;
}

int waitq_sleep(struct waitq *queue, uint64_t deadline) { return sleep_on(queue, deadline, true); }

int waitq_sleep_uninterruptible(struct waitq *queue, uint64_t deadline)
{
    return sleep_on(queue, deadline, false);
}

int thread_park(uint64_t deadline) { return sched_park(deadline, true); }
