/* Pipes: one page of bytes, used as a ring, between two files.
 *
 * The counts of bytes written and read only grow (and wrap together at 2^32, a multiple of the
 * ring's size); their difference is what the ring holds. A uio must not be touched under a
 * spinlock, so who copies first marks his side as busy, which keeps the bytes he works on his own,
 * and moves his count afterwards.
 */
#include "fs/pipe.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "lib/assert.h"
#include "mm/kalloc.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define PIPE_MAX 128

_Static_assert(PIPE_SIZE == PAGE_SIZE, "the ring is a page");

struct pipe {
    struct spinlock lock;
    struct waitq readable, writable; /* [lock] */
    uint8_t *ring;                   /* [I] its bytes belong to the side that marked itself busy */
    uint32_t read, written;          /* [lock] bytes since the beginning */
    bool read_busy, write_busy;      /* [lock] one thread of that side copies */
    bool reader_open, writer_open;   /* [lock] */
};

static struct pool pipe_pool;

void pipe_init(void)
{
    if (pool_init(&pipe_pool, "pipe", sizeof(struct pipe), PIPE_MAX))
        panic("no memory for pipes at boot");
}

static uint32_t pipe_used(const struct pipe *pipe) { return pipe->written - pipe->read; }
static uint32_t pipe_room(const struct pipe *pipe) { return PIPE_SIZE - pipe_used(pipe); }

/* Copies n bytes between the ring from count `at` on and the uio, around the ring's end if need
 * be. */
static int pipe_copy(struct pipe *pipe, uint32_t at, struct uio *uio, uint32_t n, bool into_ring)
{
    while (n > 0) {
        uint32_t start = at % PIPE_SIZE, piece = MIN(n, PIPE_SIZE - start);
        int error = into_ring ? uio_get(uio, pipe->ring + start, piece)
                              : uio_put(uio, pipe->ring + start, piece);
        if (error)
            return error;
        at += piece;
        n -= piece;
    }
    return 0;
}

/* Waits until there is something to read or no writer any more. 0, -EAGAIN, -EINTR. Lock held. */
static int pipe_wait_data(struct pipe *pipe, bool nonblocking)
{
    while (pipe->read_busy || (pipe_used(pipe) == 0 && pipe->writer_open)) {
        /* Another reader's copy ends by itself, so it is waited for in any case. */
        if (nonblocking && !pipe->read_busy)
            return -EAGAIN;
        int error = waitq_sleep(&pipe->readable, NEVER);
        if (error)
            return error;
    }
    return 0;
}

/* Takes what is there, without waiting for more (POSIX read()); 0 when the last writer is gone. */
static ssize_t pipe_read(struct file *file, struct uio *uio)
{
    struct pipe *pipe = file->object;
    if (uio->remaining == 0)
        return 0;
    spinlock_acquire(&pipe->lock);
    int error = pipe_wait_data(pipe, file->flags & O_NONBLOCK);
    uint32_t n = error ? 0 : (uint32_t)MIN(uio->remaining, pipe_used(pipe));
    if (n > 0) {
        pipe->read_busy = true;
        spinlock_release(&pipe->lock);
        error = pipe_copy(pipe, pipe->read, uio, n, false);
        spinlock_acquire(&pipe->lock);
        pipe->read_busy = false;
        /* Bytes that could not be delivered stay. */
        if (!error)
            pipe->read += n;
        waitq_wake(&pipe->writable);
        waitq_wake(&pipe->readable);
    }
    spinlock_release(&pipe->lock);
    return error ? error : (ssize_t)n;
}

/* Waits for room for `need` bytes. 0, -EPIPE, -EAGAIN, -EINTR. Lock held. */
static int pipe_wait_room(struct pipe *pipe, uint32_t need, bool nonblocking)
{
    while (pipe->reader_open && (pipe->write_busy || pipe_room(pipe) < need)) {
        if (nonblocking && !pipe->write_busy)
            return -EAGAIN;
        int error = waitq_sleep(&pipe->writable, NEVER);
        if (error)
            return error;
    }
    return pipe->reader_open ? 0 : -EPIPE;
}

/* Writes what fits, but at least `need` bytes. */
static ssize_t pipe_write_piece(struct pipe *pipe, struct uio *uio, uint32_t need, bool nonblocking)
{
    spinlock_acquire(&pipe->lock);
    int error = pipe_wait_room(pipe, need, nonblocking);
    uint32_t n = error ? 0 : (uint32_t)MIN(uio->remaining, pipe_room(pipe));
    if (n > 0) {
        pipe->write_busy = true;
        spinlock_release(&pipe->lock);
        error = pipe_copy(pipe, pipe->written, uio, n, true);
        spinlock_acquire(&pipe->lock);
        pipe->write_busy = false;
        if (!error)
            pipe->written += n;
        waitq_wake(&pipe->readable);
        waitq_wake(&pipe->writable);
    }
    spinlock_release(&pipe->lock);
    return error ? error : (ssize_t)n;
}

static ssize_t pipe_write(struct file *file, struct uio *uio)
{
    ssize_t total = 0;
    /* POSIX write(): up to PIPE_BUF bytes go in one piece or not at all; more may be cut
     * anywhere. */
    uint32_t need = uio->remaining <= PIPE_SIZE ? (uint32_t)uio->remaining : 1;
    while (uio->remaining > 0) {
        ssize_t moved = pipe_write_piece(file->object, uio, need, file->flags & O_NONBLOCK);
        if (moved < 0)
            return total > 0 ? total : moved;
        total += moved;
    }
    return total;
}

/* Data that was written before the last writer went can still be read: then both bits are set. */
static int pipe_poll_reader(struct file *file, struct waiter *waiter)
{
    struct pipe *pipe = file->object;
    int events = 0;
    spinlock_acquire(&pipe->lock);
    if (waiter)
        waiter_add(&pipe->readable, waiter);
    if (pipe_used(pipe) > 0)
        events |= POLLIN;
    if (!pipe->writer_open)
        events |= POLLHUP;
    spinlock_release(&pipe->lock);
    return events;
}

/* Room for one byte makes the end writable, as a write of one byte would not wait. */
static int pipe_poll_writer(struct file *file, struct waiter *waiter)
{
    struct pipe *pipe = file->object;
    int events = 0;
    spinlock_acquire(&pipe->lock);
    if (waiter)
        waiter_add(&pipe->writable, waiter);
    if (!pipe->reader_open)
        events = POLLERR;
    else if (pipe_room(pipe) > 0)
        events = POLLOUT;
    spinlock_release(&pipe->lock);
    return events;
}

/* FIONREAD on either end. */
static int pipe_ioctl(struct file *file, unsigned long request, void *argument)
{
    struct pipe *pipe = file->object;
    if (request != FIONREAD)
        return -ENOTTY;
    spinlock_acquire(&pipe->lock);
    *(int *)argument = (int)pipe_used(pipe);
    spinlock_release(&pipe->lock);
    return 0;
}

static int pipe_stat(struct file *file, struct stat *stat)
{
    (void)file;
    *stat = (struct stat){.st_mode = S_IFIFO | 0600, .st_nlink = 1, .st_blksize = PIPE_SIZE};
    return 0;
}

/* The side whose flag is `open` goes; the last one takes the pipe along. */
static void pipe_close_side(struct pipe *pipe, bool *open)
{
    spinlock_acquire(&pipe->lock);
    *open = false;
    bool last = !pipe->reader_open && !pipe->writer_open;
    waitq_wake(&pipe->readable);
    waitq_wake(&pipe->writable);
    spinlock_release(&pipe->lock);
    if (last) {
        page_free(pipe->ring);
        pool_free(&pipe_pool, pipe);
    }
}

static void pipe_close_reader(struct file *file)
{
    struct pipe *pipe = file->object;
    pipe_close_side(pipe, &pipe->reader_open);
}

static void pipe_close_writer(struct file *file)
{
    struct pipe *pipe = file->object;
    pipe_close_side(pipe, &pipe->writer_open);
}

static const struct file_ops reader_ops = {
    .read = pipe_read,
    .poll = pipe_poll_reader,
    .ioctl = pipe_ioctl,
    .stat = pipe_stat,
    .close = pipe_close_reader,
};

static const struct file_ops writer_ops = {
    .write = pipe_write,
    .poll = pipe_poll_writer,
    .ioctl = pipe_ioctl,
    .stat = pipe_stat,
    .close = pipe_close_writer,
};

static int pipe_alloc(struct pipe **result)
{
    struct pipe *pipe = pool_alloc(&pipe_pool);
    if (!pipe)
        return -ENFILE;
    pipe->ring = page_alloc();
    if (!pipe->ring) {
        pool_free(&pipe_pool, pipe);
        return -ENOMEM;
    }
    spinlock_init(&pipe->lock, "pipe");
    waitq_init(&pipe->readable, &pipe->lock);
    waitq_init(&pipe->writable, &pipe->lock);
    pipe->reader_open = true;
    pipe->writer_open = true;
    *result = pipe;
    return 0;
}

int pipe_create(struct file **reader, struct file **writer)
{
    struct pipe *pipe;
    int error = pipe_alloc(&pipe);
    if (error)
        return error;
    *reader = file_create(&reader_ops, pipe, O_RDONLY);
    *writer = *reader ? file_create(&writer_ops, pipe, O_WRONLY) : NULL;
    if (*writer)
        return 0;
    /* Each side that has no file is closed by hand, the other one by its file. */
    pipe_close_side(pipe, &pipe->writer_open);
    if (*reader)
        file_release(*reader);
    else
        pipe_close_side(pipe, &pipe->reader_open);
    return -ENFILE;
}
