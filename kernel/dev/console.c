/* The console's line discipline, between the serial port (dev/uart.h) and readers and writers of
 * /dev/console.
 *
 * Input lies in one ring: first the complete lines that nobody has read yet, then the line being
 * typed.
 *
 *     read ............ committed ........ edit         free-running indices
 *     | complete lines | line being typed |
 *
 * How the first part divides into lines stands in a queue of lengths, because a line need not end
 * in a newline: ^D ends one too, and an empty one made by ^D is the end of file that read() reports
 * as 0.
 *
 * Both readers and writers wait on one queue, since a poll() may wait for either. Lock order: the
 * console's, then the port's. Processes are killed and listed with no lock held.
 */
#include "dev/console.h"

#include "abi/errno.h"
#include "abi/process.h"
#include "dev/uart.h"
#include "fs/file.h"
#include "lib/printf.h"
#include "proc/proc.h"
#include "proc/spinlock.h"
#include "proc/waitq.h"

#define INPUT_SIZE 2048u /* powers of two */
#define LINES_MAX  128u
#define CHUNK_SIZE 256 /* what a read or write moves under the lock at a time */

#define CONTROL(letter) ((letter) - '@')
#define DEL             0x7f

static struct {
    struct spinlock lock;
    struct waitq changed;   /* [lock] a line is complete, or output has room again */
    char input[INPUT_SIZE]; /* [lock], as all of the following */
    uint32_t read, committed, edit;
    uint16_t line_lengths[LINES_MAX]; /* bytes of each complete line that are still unread */
    uint32_t first_line, next_line;
    pid_t foreground;  /* group that ^C kills; 0: none */
    uint64_t overruns; /* characters refused for want of room */
} console = {.lock = SPINLOCK_INITIALIZER("console")};

/* Input. All of it runs in the serial port's interrupt handler. */

static void echo(const char *text, size_t n)
{
    /* A terminal that does not take its echo loses nothing but the echo. */
    uart_queue(text, n);
}

/* Bytes from 0x80 on are parts of UTF-8 characters and pass as they are. */
static bool is_control(char c) { return (uint8_t)c < ' ' || c == DEL; }

/* A control character shows as ^ and a letter; so does what is erased again know its width. */
static void echo_character(char c)
{
    char marked[2] = {'^', (char)(c ^ 0x40)};

    if (is_control(c) && c != '\n')
        echo(marked, 2);
    else
        echo(&c, 1);
}

/* Lock held. A character that cannot be kept is announced, so that nothing is lost silently. */
static void input_refuse(void)
{
    console.overruns++;
    echo("\a", 1);
}

/* Lock held. Hands the typed line to readers. */
static void line_commit(void)
{
    console.line_lengths[console.next_line++ % LINES_MAX] =
        (uint16_t)(console.edit - console.committed);
    console.committed = console.edit;
    waitq_wake(&console.changed);
}

/* Lock held. The last place is kept for the newline that ends the line. */
static void input_add(char c)
{
    uint32_t room = INPUT_SIZE - (console.edit - console.read);
    bool line_room = console.next_line - console.first_line < LINES_MAX;

    if (room < (c == '\n' ? 1 : 2) || (c == '\n' && !line_room)) {
        input_refuse();
        return;
    }
    console.input[console.edit++ % INPUT_SIZE] = c;
    echo_character(c);
    if (c == '\n')
        line_commit();
}

/* Lock held. ^D hands over what is typed; with nothing typed, a line of length 0, which read()
 * reports as the end. */
static void end_of_file(void)
{
    if (console.next_line - console.first_line < LINES_MAX)
        line_commit();
    else
        input_refuse();
}

/* Lock held. The last typed character; 0 if the line is empty. */
static char last_typed(void)
{
    return console.edit == console.committed ? 0 : console.input[(console.edit - 1) % INPUT_SIZE];
}

/* Lock held. A terminal rubs out by backing up and writing a blank, twice for what shows as ^X. */
static void erase_character(void)
{
    char c = last_typed();
    if (console.edit == console.committed)
        return;
    console.edit--;
    echo("\b \b\b \b", is_control(c) ? 6 : 3);
}

/* Lock held. As in every shell: blanks behind the word go with it. */
static void erase_word(void)
{
    while (last_typed() == ' ')
        erase_character();
    while (console.edit != console.committed && last_typed() != ' ')
        erase_character();
}

static void erase_line(void)
{
    while (console.edit != console.committed)
        erase_character();
}

/* Lock held. Forgets all input. A reader that is not killed gets an empty line instead. */
static void interrupt_line(void)
{
    echo("^C", 2);
    console.read = console.committed = console.edit;
    console.first_line = console.next_line;
    if (console.foreground == 0)
        input_add('\n');
    else
        echo("\n", 1);
}

/* Lock held. */
static void input_edit(char c)
{
    switch (c) {
    case CONTROL('C'):
        return interrupt_line();
    case CONTROL('D'):
        return end_of_file();
    case CONTROL('U'):
        return erase_line();
    case CONTROL('W'):
        return erase_word();
    case '\b':
    case DEL:
        return erase_character();
    case '\r':
        return input_add('\n');
    default:
        return input_add(c);
    }
}

/* Part of ^P, so without a lock, like proc_dump(): a hung lock must not hide what hangs. */
static void status_print(void)
{
    const struct uart_counters *port = uart_get_counters();

    kprintf("console: foreground group %d, %lu characters refused; port: %lu overruns, %lu line "
            "errors, "
            "%lu timeouts\n",
            console.foreground, console.overruns, port->receive_overruns, port->receive_errors,
            port->send_timeouts);
}

/* One byte from the port. The signal goes out with no lock held: ending a process takes other
 * locks. */
static void console_receive(char c)
{
    if (c == CONTROL('P')) {
        proc_dump();
        status_print();
        return;
    }
    spinlock_acquire(&console.lock);
    input_edit(c);
    pid_t group = console.foreground;
    spinlock_release(&console.lock);

    /* An empty group is no error: the job may just have ended. */
    if (c == CONTROL('C') && group > 0)
        proc_kill(-group, SIGINT);
}

/* The port has room again. Under the lock, so that no writer is between its failed try and its
 * sleep. */
static void console_room(void)
{
    spinlock_acquire(&console.lock);
    waitq_wake(&console.changed);
    spinlock_release(&console.lock);
}

/* Reading and writing, in thread context. */

static bool line_ready(void) { return console.first_line != console.next_line; }

/* Lock held. Moves at most `size` bytes of the first complete line to `to`; the line goes when it
 * is used up. */
static size_t line_take(char *to, size_t size)
{
    uint16_t *length = &console.line_lengths[console.first_line % LINES_MAX];
    size_t n = size < *length ? size : *length;

    for (size_t i = 0; i < n; i++)
        to[i] = console.input[console.read++ % INPUT_SIZE];
    *length -= (uint16_t)n;
    if (*length == 0)
        console.first_line++;
    return n;
}

/* Lock held. Waits for a complete line: 0, -EAGAIN, -EINTR. */
static int line_wait(const struct file *file)
{
    while (!line_ready()) {
        if (file->flags & O_NONBLOCK)
            return -EAGAIN;
        int error = waitq_sleep(&console.changed, NEVER);
        if (error)
            return error;
    }
    return 0;
}

/* One line at most. It leaves the ring before it reaches the reader's memory, which may not be
 * touched under the lock, in pieces of a stack buffer's size. Meanwhile ^C or another reader may
 * take the rest of the line. */
static ssize_t console_read(struct file *file, struct uio *uio)
{
    char piece[CHUNK_SIZE];
    ssize_t total = 0;
    uint32_t line;
    bool more;

    spinlock_acquire(&console.lock);
    int error = uio->remaining > 0 ? line_wait(file) : 0;
    more = !error && uio->remaining > 0;
    line = console.first_line;
    while (more) {
        size_t n = line_take(piece, MIN(uio->remaining, sizeof piece));
        spinlock_release(&console.lock);
        error = uio_put(uio, piece, n);
        total += (ssize_t)n;
        spinlock_acquire(&console.lock);
        more = !error && console.first_line == line && uio->remaining > 0;
    }
    spinlock_release(&console.lock);
    return error ? error : total;
}

/* Sends a chunk, waiting for room as needed. Returns how much was sent; if nothing, -EAGAIN or
 * -EINTR. */
static ssize_t chunk_write(const struct file *file, const char *chunk, size_t n)
{
    size_t sent = 0;
    int error = 0;

    spinlock_acquire(&console.lock);
    while (!error && (sent += uart_queue(chunk + sent, n - sent)) < n)
        error = file->flags & O_NONBLOCK ? -EAGAIN : waitq_sleep(&console.changed, NEVER);
    spinlock_release(&console.lock);
    return sent > 0 ? (ssize_t)sent : error;
}

/* The user's bytes are copied first, in chunks, because that cannot be done under the lock. What
 * was written before an error counts. */
static ssize_t console_write(struct file *file, struct uio *uio)
{
    char chunk[CHUNK_SIZE];
    ssize_t total = 0;

    while (uio->remaining > 0) {
        size_t n = MIN(uio->remaining, sizeof chunk);
        if (uio_get(uio, chunk, n))
            return total > 0 ? total : -EFAULT;
        ssize_t sent = chunk_write(file, chunk, n);
        if (sent < 0)
            return total > 0 ? total : sent;
        total += sent;
        if ((size_t)sent < n)
            break;
    }
    return total;
}

/* Joins the queue before looking, as waitq.h asks, so that a change in between wakes. */
static int console_poll(struct file *file, struct waiter *waiter)
{
    (void)file;
    spinlock_acquire(&console.lock);
    if (waiter)
        waiter_add(&console.changed, waiter);
    int events = (line_ready() ? POLLIN : 0) | (uart_has_room() ? POLLOUT : 0);
    spinlock_release(&console.lock);
    return events;
}

/* The foreground group is not checked for existence: a job may end before the shell has named
 * it. */
static int console_ioctl(struct file *file, unsigned long request, void *argument)
{
    int error = 0;

    (void)file;
    spinlock_acquire(&console.lock);
    switch (request) {
    case TIOCGPGRP:
        *(pid_t *)argument = console.foreground;
        break;
    case TIOCSPGRP:
        if (*(pid_t *)argument < 0)
            error = -EINVAL;
        else
            console.foreground = *(pid_t *)argument;
        break;
    case FIONREAD:
        *(int *)argument = line_ready() ? console.line_lengths[console.first_line % LINES_MAX] : 0;
        break;
    default:
        error = -ENOTTY;
    }
    spinlock_release(&console.lock);
    return error;
}

/* A device file is not its node: what the disk knows of that is not asked for here. */
static int console_stat(struct file *file, struct stat *stat)
{
    unsigned minor = (unsigned)(uintptr_t)file->object;

    *stat = (struct stat){.st_mode = S_IFCHR | 0620,
                          .st_nlink = 1,
                          .st_rdev = DEVICE_NUMBER(DEVICE_MAJOR_CONSOLE, minor),
                          .st_blksize = CHUNK_SIZE};
    return 0;
}

static const struct file_ops console_ops = {
    .read = console_read,
    .write = console_write,
    .poll = console_poll,
    .ioctl = console_ioctl,
    .stat = console_stat,
};

static const struct uart_client console_client = {
    .receive = console_receive,
    .room = console_room,
};

void console_init(void)
{
    waitq_init(&console.changed, &console.lock);
    uart_init();
}

/* The node's operations first: with interrupts on, somebody may already type. */
int console_attach(void)
{
    int error = device_register(DEVICE_MAJOR_CONSOLE, &console_ops);
    return error ? error : uart_attach(&console_client);
}

void console_write_sync(const char *text, size_t length) { uart_write_sync(text, length); }
