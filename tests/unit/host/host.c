/* The kernel services of host.h. Simple on purpose: what is tested is who calls them, and when. */
#include "host.h"

#include <stdio.h>

#include "fs/file.h"
#include "lib/printf.h"
#include "mm/kalloc.h"
#include "proc/kthread.h"
#include "proc/sleeplock.h"
#include "proc/spinlock.h"

/* Not from <stdlib.h>: see host.h. */
void *aligned_alloc(size_t alignment, size_t size);
void *calloc(size_t count, size_t size);
void free(void *p);
void abort(void) __attribute__((noreturn));

#define THREADS_MAX    32
#define WAKES_MAX      64
#define LOG_SIZE       65536
#define CLOCK_START    NS_PER_SEC
#define UNDEFINED_BYTE 0xa5

struct thread {
    char name[32];
    void (*function)(void *argument);
    void *argument;
};

static struct {
    uint64_t clock;
    unsigned locks_held, interrupts_off;
    unsigned sleeps;
    unsigned wakes;
    struct {
        const struct waitq *queue;
        unsigned count;
    } wakes_of[WAKES_MAX];
    struct thread threads[THREADS_MAX];
    unsigned thread_count;
    bool thread_runs; /* inside host_thread_run */
    unsigned yields;
    jmp_buf thread_end;
    uint64_t thread_deadline;
    size_t pages_left, files_left;
    unsigned uio_calls_before_fault;
    bool uio_will_fault;
    char log[LOG_SIZE];
    size_t log_length;
} host;

static size_t pages_used, files_used;

int (*host_sleep_hook)(struct waitq *queue, uint64_t deadline);
void (*host_handshake_hook)(void);
bool host_kthread_fails;

/* A test that never calls host_reset() still finds the services as described. */
__attribute__((constructor)) void host_reset(void)
{
    memset(&host, 0, sizeof(host));
    host.clock = CLOCK_START;
    host.pages_left = host.files_left = HOST_NO_LIMIT;
    host_sleep_hook = NULL;
    host_handshake_hook = NULL;
    host_kthread_fails = false;
}

/* --- clock --- */

uint64_t clock_ns(void) { return host.clock; }
void host_clock_set(uint64_t ns) { host.clock = ns; }
void host_clock_advance(uint64_t ns) { host.clock += ns; }

/* --- log --- */

static void log_add(const char *fmt, va_list args)
{
    size_t room = LOG_SIZE - host.log_length;
    int n = vsnprintf(host.log + host.log_length, room, fmt, args);
    host.log_length += MIN((size_t)n, room - 1);
}

void kprintf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_add(fmt, args);
    va_end(args);
}

void panic(const char *fmt, ...)
{
    const char *text = host.log + host.log_length;
    va_list args;
    va_start(args, fmt);
    log_add(fmt, args);
    va_end(args);
    host.locks_held = 0;
    mock_assert(0, text, "panic", 0);
    abort();
}

const char *host_log(void) { return host.log; }

bool host_log_contains(const char *text)
{
    size_t n = strlen(text);
    for (const char *p = host.log; *p; p++) {
        if (strncmp(p, text, n) == 0)
            return true;
    }
    return false;
}

/* --- locks: with one thread, a lock that is found taken would be waited for forever --- */

void spinlock_init(struct spinlock *lock, const char *name)
{
    *lock = (struct spinlock){.name = name};
}

void spinlock_acquire(struct spinlock *lock)
{
    if (lock->locked)
        panic("host: lock %s taken twice", lock->name);
    lock->locked = 1;
    host.locks_held++;
}

void spinlock_release(struct spinlock *lock)
{
    if (!lock->locked)
        panic("host: lock %s released but not held", lock->name);
    lock->locked = 0;
    host.locks_held--;
}

bool spinlock_held(struct spinlock *lock) { return lock->locked; }
unsigned host_locks_held(void) { return host.locks_held; }
void interrupts_disable(void) { host.interrupts_off++; }

void interrupts_restore(void)
{
    if (host.interrupts_off == 0)
        panic("host: interrupts_restore without interrupts_disable");
    host.interrupts_off--;
}

/* --- wait queues --- */

void waitq_init(struct waitq *queue, struct spinlock *lock)
{
    queue->lock = lock;
    list_init(&queue->waiters);
}

/* The part that all kinds of sleep share; no lock held. */
static int sleep_until(struct waitq *queue, uint64_t deadline)
{
    host.sleeps++;
    if (host.locks_held)
        panic("host: sleep with %u locks held", host.locks_held);
    if (host.thread_runs) {
        host.thread_deadline = deadline;
        longjmp(host.thread_end, 1);
    }
    int result = host_sleep_hook ? host_sleep_hook(queue, deadline) : -ETIMEDOUT;
    if (result != -ETIMEDOUT)
        return result;
    if (deadline == NEVER)
        fail_msg("a sleep without deadline that nothing ends");
    host.clock = MAX(host.clock, deadline);
    return -ETIMEDOUT;
}

int waitq_sleep(struct waitq *queue, uint64_t deadline)
{
    if (!spinlock_held(queue->lock))
        panic("host: waitq_sleep without the lock of the queue");
    spinlock_release(queue->lock);
    int result = sleep_until(queue, deadline);
    spinlock_acquire(queue->lock);
    return result;
}

int waitq_sleep_uninterruptible(struct waitq *queue, uint64_t deadline)
{
    int result = waitq_sleep(queue, deadline);
    return result == -EINTR ? 0 : result;
}

void waitq_wake(struct waitq *queue)
{
    if (!spinlock_held(queue->lock))
        panic("host: waitq_wake without the lock of the queue");
    host.wakes++;
    unsigned i = 0;
    while (i < WAKES_MAX - 1 && host.wakes_of[i].queue && host.wakes_of[i].queue != queue)
        i++;
    host.wakes_of[i].queue = queue;
    host.wakes_of[i].count++;
}

unsigned host_wakes(const struct waitq *queue)
{
    if (!queue)
        return host.wakes;
    for (unsigned i = 0; i < WAKES_MAX; i++) {
        if (host.wakes_of[i].queue == queue)
            return host.wakes_of[i].count;
    }
    return 0;
}

unsigned host_sleeps(void) { return host.sleeps; }

void waiter_add(struct waitq *queue, struct waiter *waiter)
{
    if (!spinlock_held(queue->lock))
        panic("host: waiter_add without the lock of the queue");
    waiter->queue = queue;
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

int thread_park(uint64_t deadline) { return sleep_until(NULL, deadline); }

/* --- threads --- */

struct proc *kthread_create(const char *name, void (*function)(void *argument), void *argument)
{
    if (host_kthread_fails || host.thread_count == THREADS_MAX)
        return NULL;
    struct thread *thread = &host.threads[host.thread_count++];
    strlcpy(thread->name, name, sizeof(thread->name));
    thread->function = function;
    thread->argument = argument;
    return (struct proc *)thread; /* nobody looks inside */
}

void thread_yield(void) { host.yields++; }
unsigned host_yields(void) { return host.yields; }
unsigned host_thread_count(void) { return host.thread_count; }

static struct thread *thread_find(const char *name)
{
    for (unsigned i = 0; i < host.thread_count; i++) {
        if (strcmp(host.threads[i].name, name) == 0)
            return &host.threads[i];
    }
    return NULL;
}

bool host_thread_exists(const char *name) { return thread_find(name) != NULL; }

uint64_t host_thread_run(const char *name)
{
    struct thread *thread = thread_find(name);
    if (!thread)
        fail_msg("no thread named %s", name);
    if (setjmp(host.thread_end) == 0) {
        host.thread_runs = true;
        thread->function(thread->argument);
        fail_msg("thread %s returned", name);
    }
    host.thread_runs = false;
    return host.thread_deadline;
}

/* --- memory --- */

void *host_memory(size_t n)
{
    /* calloc, not malloc: malloc(0) may be NULL, and the size must be exact. */
    uint8_t *p = calloc(1, n);
    if (!p)
        fail_msg("the host has no memory");
    if (n)
        memset(p, UNDEFINED_BYTE, n);
    return p;
}

void host_memory_free(void *p) { free(p); }

void *host_copy(const void *from, size_t n)
{
    void *p = host_memory(n);
    if (n)
        memcpy(p, from, n);
    return p;
}

void host_pages_limit(size_t pages) { host.pages_left = pages; }
size_t host_pages_used(void) { return pages_used; }

/* Books `count` pages; false if the test's limit is reached. */
static bool pages_take(size_t count)
{
    if (host.pages_left < count)
        return false;
    if (host.pages_left != HOST_NO_LIMIT)
        host.pages_left -= count;
    pages_used += count;
    return true;
}

static void *pages_get(size_t count, int fill)
{
    if (!pages_take(count))
        return NULL;
    void *p = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);
    return p ? memset(p, fill, count * PAGE_SIZE) : NULL;
}

void *page_alloc(void) { return pages_get(1, UNDEFINED_BYTE); }
void *page_alloc_zeroed(void) { return pages_get(1, 0); }
void *pages_alloc(size_t count) { return pages_get(count, 0); }

void pages_free(void *first, size_t count)
{
    if (!first)
        return;
    pages_used -= count;
    if (host.pages_left != HOST_NO_LIMIT)
        host.pages_left += count;
    free(first);
}

void page_free(void *page) { pages_free(page, 1); }
size_t pages_free_count(void) { return host.pages_left; }

int pool_init(struct pool *pool, const char *name, size_t object_size, size_t capacity)
{
    *pool = (struct pool){.object_size = object_size, .capacity = capacity};
    spinlock_init(&pool->lock, name);
    return host.pages_left == 0 ? -ENOMEM : 0;
}

void *pool_alloc(struct pool *pool)
{
    if (pool->used == pool->capacity)
        return NULL;
    pool->used++;
    return calloc(1, pool->object_size);
}

void pool_free(struct pool *pool, void *object)
{
    if (pool->used == 0)
        panic("host: pool_free of more objects than were taken");
    pool->used--;
    free(object);
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);
    if (size) {
        size_t n = MIN(length, size - 1);
        memcpy(to, from, n);
        to[n] = 0;
    }
    return length;
}

/* --- chance --- */

static uint64_t random_state;

void host_random_seed(uint64_t seed) { random_state = seed; }

unsigned host_random_below(unsigned n)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % n;
}

/* --- user buffers --- */

struct uio host_uio(void *base, size_t n)
{
    return (struct uio){.base = (uintptr_t)base, .remaining = n};
}

void host_uio_fault(unsigned calls_before)
{
    host.uio_calls_before_fault = calls_before;
    host.uio_will_fault = true;
}

/* True if this call shall go on; advances the uio then. */
static bool uio_step(struct uio *uio, size_t n)
{
    if (n > uio->remaining)
        panic("host: uio of %zu bytes asked for %zu", uio->remaining, n);
    if (host.locks_held)
        panic("host: uio with a lock held");
    if (host.uio_will_fault && host.uio_calls_before_fault-- == 0) {
        host.uio_will_fault = false;
        return false;
    }
    uio->base += n;
    uio->remaining -= n;
    return true;
}

int uio_put(struct uio *uio, const void *from, size_t n)
{
    void *to = (void *)uio->base;
    if (!uio_step(uio, n))
        return -EFAULT;
    if (n)
        memcpy(to, from, n);
    return 0;
}

int uio_get(struct uio *uio, void *to, size_t n)
{
    const void *from = (const void *)uio->base;
    if (!uio_step(uio, n)) {
        /* As the real one, which copies up to the page that is missing. */
        memcpy(to, from, n / 2);
        return -EFAULT;
    }
    if (n)
        memcpy(to, from, n);
    return 0;
}

/* Half of all buffers: those that begin at an even address. */
const void *uio_in_place(struct uio *uio, size_t n)
{
    const void *place = (const void *)uio->base;
    if (host.uio_will_fault || uio->base % 2 != 0)
        return NULL;
    return uio_step(uio, n) ? place : NULL;
}

/* --- files: weak, so that a test of kernel/fs/file.c gets that one --- */

#define REPLACEABLE __attribute__((weak))

void host_files_limit(size_t files) { host.files_left = files; }
size_t host_files_used(void) { return files_used; }

REPLACEABLE struct file *file_create(const struct file_ops *ops, void *object, uint32_t flags)
{
    if (host.files_left == 0)
        return NULL;
    if (host.files_left != HOST_NO_LIMIT)
        host.files_left--;
    files_used++;
    struct file *file = calloc(1, sizeof(*file));
    *file = (struct file){.ops = ops, .object = object, .references = 1, .flags = flags};
    return file;
}

REPLACEABLE struct file *file_hold(struct file *file)
{
    file->references++;
    return file;
}

REPLACEABLE void file_release(struct file *file)
{
    if (--file->references > 0)
        return;
    if (file->ops->close)
        file->ops->close(file);
    files_used--;
    free(file);
}

/* --- sleeplocks: with one thread, waiting for one would be forever --- */

void sleeplock_init(struct sleeplock *lock, const char *name)
{
    *lock = (struct sleeplock){.holder = NULL};
    spinlock_init(&lock->guard, name);
}

void sleeplock_acquire(struct sleeplock *lock)
{
    if (lock->holder)
        panic("host: sleeplock %s taken twice", lock->guard.name);
    lock->holder = (struct proc *)lock; /* anything but NULL */
}

void sleeplock_release(struct sleeplock *lock)
{
    if (!lock->holder)
        panic("host: sleeplock %s released but not held", lock->guard.name);
    lock->holder = NULL;
}
