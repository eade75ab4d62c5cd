/* Kernel threads: scheduled like processes, without a user address space. They run with interrupts on. */
#ifndef PROC_KTHREAD_H
#define PROC_KTHREAD_H

struct proc;

/* Starts a thread that runs function(argument). The function does not return. Returns NULL when the
 * process table or memory is exhausted. `name` is copied. */
struct proc *kthread_create(const char *name, void (*function)(void *argument), void *argument);

/* Lets every other runnable thread of this hart run first. No spinlock held. */
void thread_yield(void);

#endif
