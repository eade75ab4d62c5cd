/* What unit tests stand on: the kernel services that the code under test calls (locks, wait queues,
 * threads, pages, pools, files, user buffers, clock, log, panic), implemented on the host, with
 * handles by which a test controls them and looks at what happened.
 *
 * A test includes this file first and no header of the C library that drags in <sys/types.h>
 * (stdlib.h does): its struct timeval would collide with abi/socket.h. lib/string.h and the
 * functions below do instead. Everything runs in one thread, so a lock that is taken twice, or held
 * where none may be, fails the test at that place.
 *
 * panic() and assert() end in cmocka's mock_assert(): unexpected, the test fails; a test that wants
 * one writes expect_assert_failure(call).
 */
#ifndef HOST_H
#define HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "abi/errno.h"
#include "lib/types.h"
#include "lib/string.h"
#include "mm/uio.h"
#include "proc/clock.h"
#include "proc/waitq.h"

/* Everything below as at the start of a process: clock 1 s, no limits, hooks, threads or held
 * locks, log empty. Pages, pools and files that are in use stay so. */
void host_reset(void);

/* --- clock: stands still unless the test or a sleep moves it --- */
void host_clock_set(uint64_t ns);
void host_clock_advance(uint64_t ns);

/* --- sleeping ---
 * waitq_sleep() and thread_park() release the queue's lock and call the hook, which plays the rest
 * of the world (queue is NULL in thread_park) and returns what the sleep returns: 0 or -EINTR, or
 * -ETIMEDOUT to let it time out. Without a hook every sleep times out at once: the clock jumps to
 * the deadline, and a deadline of NEVER fails the test. */
extern int (*host_sleep_hook)(struct waitq *queue, uint64_t deadline);
unsigned host_sleeps(void); /* how often anything slept */
unsigned host_yields(void); /* how often a thread did */
unsigned
host_wakes(const struct waitq *queue); /* waitq_wake calls since host_reset; NULL: on all queues */
unsigned host_locks_held(void);

/* --- threads: kthread_create() only records --- */
unsigned host_thread_count(void);
bool host_thread_exists(const char *name);
/* Runs the recorded thread from the start of its function until it sleeps, and returns the deadline
 * of that sleep. Its local variables are lost then, which a thread whose loop begins with its sleep
 * does not notice. */
uint64_t host_thread_run(const char *name);
extern bool host_kthread_fails; /* kthread_create returns NULL */

/* --- memory: each page, pool object and file is a heap block of its own, so that AddressSanitizer
 * sees every access past its end or after its return --- */
#define HOST_NO_LIMIT SIZE_MAX
void host_pages_limit(size_t pages); /* so many more pages can be had */
size_t host_pages_used(void);
void host_files_limit(size_t files); /* so many more files can be made */
size_t host_files_used(void);
void *
host_memory(size_t n); /* n bytes of heap, 0xa5 throughout; fails the test if there are none */
void host_memory_free(void *p);
void *host_copy(const void *from, size_t n); /* a heap block of exactly these n bytes */

/* --- chance: the same numbers after the same seed --- */
void host_random_seed(uint64_t seed);
unsigned host_random_below(unsigned n);

/* --- uio --- */
struct uio host_uio(void *base, size_t n);
/* One call of uio_get/uio_put gives -EFAULT: after so many good ones. */
void host_uio_fault(unsigned calls_before);

/* --- log: what kprintf and panic printed since host_reset --- */
const char *host_log(void);
bool host_log_contains(const char *text);

#endif
