#include "proc/sched.h"

#include "abi/errno.h"
#include "arch/riscv.h"
#include "lib/assert.h"
#include "mm/kalloc.h"
#include "proc/clock.h"
#include "proc/kthread.h"

void context_switch(struct context *from, struct context *to);

struct hart harts[HART_MAX];
static unsigned hart_count; /* atomic: harts that are online; their ids are below it */

/* --- run queues --- */

/* Behind everybody who is served before the next change of places, or with `later` after it. */
static void queue_push(struct hart *hart, struct proc *p, bool later)
{
    spinlock_acquire(&hart->run_lock);
    list_push_back(&hart->run_lists[hart->served ^ later], &p->run_node);
    WRITE_ONCE(hart->run_length, hart->run_length + 1);
    spinlock_release(&hart->run_lock);
}

static struct proc *queue_pop(struct hart *hart)
{
    if (READ_ONCE(hart->run_length) == 0)
        return NULL;
    spinlock_acquire(&hart->run_lock);
    if (list_empty(&hart->run_lists[hart->served]))
        hart->served ^= 1;
    struct list_node *node = list_pop_front(&hart->run_lists[hart->served]);
    if (node)
        WRITE_ONCE(hart->run_length, hart->run_length - 1);
    spinlock_release(&hart->run_lock);
    return node ? LIST_ENTRY(node, struct proc, run_node) : NULL;
}

/* Who runs there will not make room soon. A hint: records of threads are never freed. */
static bool hart_computes(const struct hart *hart)
{
    struct proc *current = READ_ONCE(hart->head.current);
    return current && READ_ONCE(current->computes);
}

/* A hart's queue is long, or somebody in it must wait for one that computes: others may take from it. */
static bool queue_has_too_much(const struct hart *hart)
{
    uint32_t length = READ_ONCE(hart->run_length);
    return length > RUN_QUEUE_OWN || (length > 0 && hart_computes(hart));
}

/* Another hart whose queue has too much; NULL: none. */
static struct hart *hart_to_relieve(const struct hart *thief)
{
    unsigned count = READ_ONCE(hart_count);
    for (struct hart *hart = harts; hart < &harts[count]; hart++)
        if (hart != thief && queue_has_too_much(hart))
            return hart;
    return NULL;
}

/* Takes a thread from another hart's queue. That hart may still be switching away from it: its lock is free
 * only after that. A hart that yields never steals, so whoever is waited for here does not wait itself. */
static struct proc *queue_steal(struct hart *victim)
{
    struct proc *p = queue_pop(victim);
    if (p) {
        spinlock_acquire(&p->lock);
        spinlock_release(&p->lock);
    }
    return p;
}

/* Whom this hart runs next: one of its own, or one of a hart that has too much; NULL: nobody. Interrupts off.
 */
static struct proc *thread_next(struct hart *hart)
{
    struct proc *next = queue_pop(hart);
    struct hart *victim = next ? NULL : hart_to_relieve(hart);
    return victim ? queue_steal(victim) : next;
}

/* A hart that waits for an interrupt, or is about to; NULL: none. */
static struct hart *hart_find_idle(void)
{
    unsigned count = READ_ONCE(hart_count);
    for (struct hart *hart = harts; hart < &harts[count]; hart++)
        if (READ_ONCE(hart->waits))
            return hart;
    return NULL;
}

/* Has a hart look at the queues if it waits. Before that something was queued: either the hart has seen it,
 * or it is seen here that the hart waits. */
static void hart_call(const struct hart *hart)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (READ_ONCE(hart->waits))
        ipi_send(hart->id);
}

/* --- timers --- */

/* Sets the compare register to the soonest of the first deadline and the end of the slice. timer_lock held. */
static void timer_arm(struct hart *hart)
{
    struct list_node *first = list_front(&hart->timers);
    uint64_t when = hart->slice_end;
    if (first)
        when = MIN(when, LIST_ENTRY(first, struct proc, timer_node)->deadline);
    if (when == hart->timer_armed)
        return;
    hart->timer_armed = when;
    CSR_BY_NUMBER_WRITE(CSR_STIMECMP, when == NEVER ? NEVER : clock_to_timebase(when));
}

/* Enters the current thread in this hart's list. */
static struct hart *timer_add(struct proc *p, uint64_t deadline)
{
    interrupts_disable();
    struct hart *hart = this_hart();
    spinlock_acquire(&hart->timer_lock);
    p->deadline = deadline;
    p->timed_out = false;
    struct list_node *place = hart->timers.head.prev;
    while (place != &hart->timers.head &&
           LIST_ENTRY(place, struct proc, timer_node)->deadline > deadline)
        place = place->prev;
    list_insert_after(place, &p->timer_node);
    timer_arm(hart);
    spinlock_release(&hart->timer_lock);
    interrupts_restore();
    return hart;
}

/* Removes it again; true if its time had come. A deadline that was armed for it may still bring one needless
 * timer interrupt, which is cheaper than setting the timer anew each time. */
static bool timer_remove(struct hart *hart, struct proc *p)
{
    spinlock_acquire(&hart->timer_lock);
    list_remove(&p->timer_node);
    bool timed_out = p->timed_out;
    spinlock_release(&hart->timer_lock);
    return timed_out;
}

/* Charges a thread for the time since it came on, or was charged by a tick. */
static inline void run_charge(struct proc *p, uint64_t now)
{
    p->run_ns += now - p->run_started;
    p->slice_left -= (int64_t)(now - p->run_started);
}

/* QEMU changes the size of a hart's TLB only when that is flushed: to twice as much if it was full, to less if
 * little was in it. So after a change of processes at a quiet moment it would be too small for any load, and in
 * the midst of one it may become too small. Therefore a load flushes it, ever more rarely, after a look at so
 * many pages that it gets at least as many places. On silicon that costs next to nothing. */
static void tlb_adapt(struct hart *hart)
{
    hart->slices++;
    if (!IS_POWER_OF_TWO(hart->slices))
        return;
    for (uintptr_t page = RAM_BASE; page < RAM_BASE + TLB_REACH; page += PAGE_SIZE)
        (void)READ_ONCE(*(const uint8_t *)page);
    tlb_flush();
}

/* Who has run for most of the slice without a break computes; but not the kernel's own threads, which yield
 * by themselves whenever they have served a batch. */
static void slice_ends(struct hart *hart, uint64_t now)
{
    struct proc *current = hart->head.current;
    hart->slice_over = true;
    hart->slice_end = current ? now + TIME_SLICE : NEVER; /* an idle hart has no ticks */
    if (current && current->space && now - current->run_started > TIME_SLICE / 2)
        WRITE_ONCE(current->computes, true);
    if (current) { /* it may be long until it leaves */
        run_charge(current, now);
        current->run_started = now;
        tlb_adapt(hart);
    }
    struct hart *idle = queue_has_too_much(hart) ? hart_find_idle() : NULL;
    if (idle)
        hart_call(idle);
}

void sched_tick(void)
{
    struct hart *hart = this_hart();
    uint64_t now = clock_ns();

    spinlock_acquire(&hart->timer_lock);
    struct list_node *node;
    while ((node = list_front(&hart->timers))) {
        struct proc *p = LIST_ENTRY(node, struct proc, timer_node);
        if (p->deadline > now)
            break;
        list_remove(node);
        p->timed_out = true;
        proc_wake(p);
    }
    if (hart->slice_end <= now)
        slice_ends(hart, now);
    hart->timer_armed = 0;
    timer_arm(hart);
    spinlock_release(&hart->timer_lock);
}

/* --- switching --- */

/* Runs first on every thread that comes on: what it replaced has fully left its stack. */
static void switch_finish(void)
{
    struct hart *hart = this_hart();
    struct proc *previous = hart->previous;
    hart->previous = NULL;
    if (previous)
        spinlock_release(&previous->lock);
    else
        interrupts_restore(); /* the idle loop's */
}

/* Charges the time until now to who leaves, and sees to it that a tick will end the slice of who comes. */
static void account_switch(struct hart *hart, struct proc *from, struct proc *to)
{
    uint64_t now = clock_ns();
    if (from)
        run_charge(from, now);
    if (!to)
        return;
    to->run_started = now;
    to->switches++;
    hart->slice_over = false;
    if (hart->slice_end == NEVER) {
        spinlock_acquire(&hart->timer_lock);
        hart->slice_end = now + TIME_SLICE;
        timer_arm(hart);
        spinlock_release(&hart->timer_lock);
    }
}

/* From `from` (NULL: the idle loop) to `to` (NULL: the idle loop). from->lock is held (the idle loop has
 * interrupts disabled once instead); whoever runs next releases it. Returns when `from` runs again, maybe on
 * another hart, with nothing held. */
static void switch_threads(struct proc *from, struct proc *to)
{
    struct hart *hart = this_hart();
    assert(hart->head.interrupts_off_depth == 1);

    account_switch(hart, from, to);
    if (to) {
        bool moved = to->hart != hart;
        to->hart = hart;
        to->state = PROCESS_RUNNING;
        if (to->space && (moved || to->space != hart->space))
            sched_load_space(to->space, moved);
    }
    hart->head.current = to;
    hart->previous = from;
    context_switch(from ? &from->context : &hart->idle, to ? &to->context : &hart->idle);
    switch_finish();
}

/* A new thread's first steps: it comes here from context_switch. */
static void thread_begin(void)
{
    switch_finish();
    struct proc *p = current_proc();
    if (p->start)
        p->start(p->argument);
    if (!p->space)
        panic("kernel thread %s has returned", p->name);
    trap_return();
}

void sched_start(struct proc *p)
{
    p->context.ra = (uint64_t)thread_begin;
    p->context.sp = (uint64_t)p->frame;
    p->slice_left = TIME_SLICE;
    p->computes = false;
    /* With the lock: a kill of its group may wake it first, and must then find all of the above. */
    spinlock_acquire(&p->lock);
    p->state = PROCESS_SLEEPING;
    spinlock_release(&p->lock);
    proc_wake(p);
}

/* The rule is in sched.h. p->lock held. */
static struct hart *hart_choose(struct proc *p)
{
    struct hart *here = this_hart(), *last = p->hart ? p->hart : here;
    if (here->run_length < RUN_QUEUE_OWN && !hart_computes(here))
        return here;

    struct hart *idle = READ_ONCE(last->waits) ? last : hart_find_idle();
    return idle ? idle : last;
}

void proc_wake(struct proc *p)
{
    spinlock_acquire(&p->lock);
    if (p->state == PROCESS_SLEEPING) {
        p->state = PROCESS_RUNNABLE;
        struct hart *hart = hart_choose(p);
        bool later = p->slice_left <= 0;
        if (later)
            p->slice_left = TIME_SLICE;
        queue_push(hart, p, later);
        if (hart != this_hart())
            hart_call(hart);
    } else {
        p->wake_pending = true;
    }
    spinlock_release(&p->lock);
}

int sched_park(uint64_t deadline, bool interruptible)
{
    struct proc *p = current_proc();
    struct hart *timer_hart = NULL;

    if (interruptible && READ_ONCE(p->killed))
        return -EINTR;
    if (deadline != NEVER)
        timer_hart = timer_add(p, deadline);

    spinlock_acquire(&p->lock);
    if (!p->wake_pending) {
        p->state = PROCESS_SLEEPING;
        WRITE_ONCE(p->computes, false);
        switch_threads(p, thread_next(this_hart()));
    } else {
        p->wake_pending = false;
        spinlock_release(&p->lock);
    }

    bool timed_out = timer_hart && timer_remove(timer_hart, p);
    if (interruptible && READ_ONCE(p->killed))
        return -EINTR;
    return timed_out ? -ETIMEDOUT : 0;
}

bool sched_should_yield(void)
{
    struct hart *hart = this_hart();
    return hart->slice_over && READ_ONCE(hart->run_length) > 0;
}

void thread_yield(void)
{
    struct proc *p = current_proc();
    spinlock_acquire(&p->lock);
    struct hart *hart = this_hart();
    struct proc *next = queue_pop(hart);
    if (!next) {
        spinlock_release(&p->lock);
        return;
    }
    p->state = PROCESS_RUNNABLE;
    p->slice_left = TIME_SLICE; /* account_switch still charges the time until now */
    queue_push(hart, p, true);
    switch_threads(p, next);
}

void sched_leave(void)
{
    struct proc *p = this_hart()->head.current;
    assert(spinlock_held(&p->lock) && p->state == PROCESS_ZOMBIE);
    switch_threads(p, thread_next(this_hart()));
    panic("%s[%d] runs after its end", p->name, p->pid);
}

/* --- harts --- */

void sched_init_hart(unsigned id)
{
    struct hart *hart = &harts[id];
    hart->id = id;
    spinlock_init(&hart->run_lock, "run queue");
    list_init(&hart->run_lists[0]);
    list_init(&hart->run_lists[1]);
    spinlock_init(&hart->timer_lock, "timers");
    list_init(&hart->timers);
    hart->slice_end = hart->timer_armed = NEVER;
    CSR_BY_NUMBER_WRITE(CSR_STIMECMP, NEVER);
    __atomic_store_n(&hart->online, true, __ATOMIC_RELEASE);
    unsigned seen = READ_ONCE(hart_count); /* harts come up in any order, several at a time */
    while (seen <= id && !__atomic_compare_exchange_n(&hart_count, &seen, id + 1, false,
                                                      __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
}

/* Interrupts stay off between the last look at the queues and wfi, which ends on a pending interrupt all the
 * same: so no wake-up falls between. They are not even turned on for the interrupt that ends the wait, but
 * served by hand: a trap would save and restore registers that nobody needs. */
static struct proc *hart_wait(struct hart *hart)
{
    struct proc *next;

    interrupts_off();
    WRITE_ONCE(hart->waits, true);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* hart_call() has the other one */
    while (!(next = thread_next(hart))) {
        wait_for_interrupt();
        interrupts_serve();
    }
    WRITE_ONCE(hart->waits, false);
    interrupts_on();
    return next;
}

void sched_run(void)
{
    struct hart *hart = this_hart();

    for (;;) {
        struct proc *next = hart_wait(hart);
        interrupts_disable();
        switch_threads(NULL, next);
    }
}
