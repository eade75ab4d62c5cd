/* The beginning of each hart's record (struct hart in proc/sched.h), which is where tp points while the hart
 * is in the kernel: what spinlocks and current_proc() need, so that they are a few instructions in their
 * callers. */
#ifndef ARCH_HART_H
#define ARCH_HART_H

#include "arch/riscv.h"
#include "lib/types.h"

struct proc;

struct hart_head {
    struct proc *current;     /* the thread that runs here; NULL: idle */
    int interrupts_off_depth; /* of nested interrupts_disable() */
    bool interrupt_held;      /* one came meanwhile, and waits for the end of the outermost */
};

/* The instructions of interrupts_disable() know these places. */
#define HART_INTERRUPTS_OFF_DEPTH 8
#define HART_INTERRUPT_HELD       12
_Static_assert(offsetof(struct hart_head, interrupts_off_depth) == HART_INTERRUPTS_OFF_DEPTH &&
                   offsetof(struct hart_head, interrupt_held) == HART_INTERRUPT_HELD,
               "as the instructions expect");

/* Volatile, because a thread may go on on another hart after any point where interrupts are on. */
static inline struct hart_head *hart_head(void)
{
    struct hart_head *head;
    __asm__ volatile("mv %0, tp" : "=r"(head));
    return head;
}

#endif
