/* poll(): waits until one of several files is ready. */
#include "sys/sys.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "mm/vm.h"
#include "proc/proc.h"
#include "proc/waitq.h"

/* Reported whether asked for or not (POSIX poll()). */
#define ALWAYS_REPORTED (POLLERR | POLLHUP | POLLNVAL)

/* Looks at one descriptor, and joins its queue if `waiter` is not NULL. */
static int16_t poll_one(const struct fdtable *table, const struct pollfd *entry,
                        struct waiter *waiter)
{
    /* Negative descriptors are how a program leaves entries out (POSIX poll()). */
    if (entry->fd < 0)
        return 0;
    struct file *file = fd_lookup(table, entry->fd);
    if (!file)
        return POLLNVAL;
    int events = file->ops->poll ? file->ops->poll(file, waiter) : POLLIN | POLLOUT;
    return (int16_t)(events & (entry->events | ALWAYS_REPORTED));
}

/* Fills in revents; returns how many descriptors are ready. `waiters` is one for each, or NULL. */
static int poll_all(struct pollfd *entries, unsigned count, struct waiter *waiters)
{
    const struct fdtable *table = current_proc()->fds;
    int ready = 0;
    for (unsigned i = 0; i < count; i++) {
        entries[i].revents = poll_one(table, &entries[i], waiters ? &waiters[i] : NULL);
        ready += entries[i].revents != 0;
    }
    return ready;
}

/* Harmless for those that stand on no queue. */
static void waiters_remove(struct waiter *waiters, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        waiter_remove(&waiters[i]);
}

/* The number that are ready, 0 at the deadline, -EINTR. */
static int poll_wait(struct pollfd *entries, unsigned count, uint64_t deadline)
{
    struct waiter waiters[OPEN_MAX] = {0};
    int parked = 0, ready;
    /* Each look joins the queues first, so a change after the look ends the park; a wake-up has
     * taken the thread off its queue, so the next look joins anew. */
    while ((ready = poll_all(entries, count, waiters)) == 0 && parked == 0) {
        parked = thread_park(deadline);
        waiters_remove(waiters, count);
    }
    waiters_remove(waiters, count);
    return ready == 0 && parked == -EINTR ? -EINTR : ready;
}

/* poll(fds, count, timeout in ms; negative = no limit) */
int64_t sys_poll(void)
{
    struct pollfd entries[OPEN_MAX];
    uintptr_t user = syscall_argument(0);
    nfds_t count = syscall_argument(1);
    int timeout = syscall_argument_int(2);
    if (count > OPEN_MAX)
        return -EINVAL;
    size_t bytes = count * sizeof(entries[0]);
    int error = copy_from_user(entries, user, bytes);
    if (error)
        return error;
    int ready;
    if (timeout == 0)
        ready = poll_all(entries, (unsigned)count, NULL);
    else
        ready = poll_wait(entries, (unsigned)count,
                          timeout < 0 ? NEVER : clock_ns() + (uint64_t)timeout * NS_PER_MS);
    if (ready < 0)
        return ready;
    error = copy_to_user(user, entries, bytes);
    return error ? error : ready;
}
