/* Tests of pipes and poll(). */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t buffer[8192];

static void pipe_make(int ends[2]) { EXPECT(pipe(ends), 0); }

static void test_pipe(void)
{
    int ends[2];

    pipe_make(ends);
    EXPECT(write(ends[1], "abc", 3), 3);
    EXPECT(read(ends[0], buffer, 2), 2);
    EXPECT(read(ends[0], buffer, 2), 1);
    EXPECT(buffer[0], 'c');
    EXPECT(read(ends[0], buffer, 0), 0);
    EXPECT_ERROR(write(ends[0], "x", 1), EBADF);
    EXPECT_ERROR(read(ends[1], buffer, 1), EBADF);
    EXPECT_ERROR(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    EXPECT(write(ends[1], "z", 1), 1);
    close(ends[1]);
    EXPECT(read(ends[0], buffer, 10), 1); /* what was written first, */
    EXPECT(read(ends[0], buffer, 10), 0); /* then the end */
}

static void write_without_reader(void)
{
    int ends[2];

    pipe_make(ends);
    close(ends[0]);
    write(ends[1], "x", 1);
}

/* There are no handlers, so SIGPIPE ends the writer. */
static void test_pipe_without_reader(void)
{
    int status = run_in_child(write_without_reader);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT(WTERMSIG(status), SIGPIPE);
}

/* Far more than the pipe holds: both sides wait for each other many times. */
static void test_pipe_transfer(void)
{
    enum { TOTAL = 500000, PIECE = 7001 };
    int ends[2];

    pipe_make(ends);
    pid_t pid = fork_checked();
    if (pid == 0) {
        for (size_t offset = 0; offset < TOTAL; offset += PIECE) {
            pattern_fill(buffer, offset, PIECE);
            EXPECT(write(ends[1], buffer, PIECE), PIECE);
        }
        _exit(0);
    }
    close(ends[1]);
    size_t offset = 0;
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0; offset += (size_t)n)
        EXPECT_TRUE(pattern_matches(buffer, offset, (size_t)n));
    EXPECT(offset, (TOTAL + PIECE - 1) / PIECE * PIECE);
    EXPECT(wait_status(pid), 0);
}

/* Small writes of several processes do not mix (POSIX: up to PIPE_BUF, at least 512). */
static void test_pipe_atomic_writes(void)
{
    enum { WRITERS = 4, WRITES = 50, RECORD = 512 };
    int ends[2];

    pipe_make(ends);
    for (int i = 0; i < WRITERS; i++) {
        if (fork_checked() == 0) {
            memset(buffer, 'a' + i, RECORD);
            for (int k = 0; k < WRITES; k++)
                EXPECT(write(ends[1], buffer, RECORD), RECORD);
            _exit(0);
        }
    }
    close(ends[1]);
    for (int record = 0; record < WRITERS * WRITES; record++) {
        for (size_t have = 0; have < RECORD;) {
            ssize_t n = read(ends[0], buffer + have, RECORD - have);
            EXPECT_TRUE(n > 0);
            have += (size_t)n;
        }
        for (int k = 1; k < RECORD; k++)
            EXPECT(buffer[k], buffer[0]);
    }
    EXPECT(read(ends[0], buffer, 1), 0);
}

static void test_pipe_nonblocking(void)
{
    int ends[2];
    long written = 0;

    pipe_make(ends);
    EXPECT(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    EXPECT(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    EXPECT_ERROR(read(ends[0], buffer, 1), EAGAIN);
    for (ssize_t n; (n = write(ends[1], buffer, 1000)) > 0;)
        written += n;
    EXPECT(errno, EAGAIN);
    EXPECT_TRUE(written >= 512);
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
        written -= n;
    EXPECT(written, 0);
}

static int poll_one(int fd, int events, int timeout_ms)
{
    struct pollfd each = {.fd = fd, .events = (int16_t)events};
    return poll(&each, 1, timeout_ms) < 0 ? -1 : each.revents;
}

/* Each end's states, one after the other. */
static void test_poll_pipe(void)
{
    int ends[2];

    pipe_make(ends);
    EXPECT(poll_one(ends[0], POLLIN, 0), 0);
    EXPECT(poll_one(ends[1], POLLOUT, 0), POLLOUT);
    EXPECT(write(ends[1], "x", 1), 1);
    EXPECT(poll_one(ends[0], POLLIN, 1000), POLLIN);
    EXPECT(poll_one(ends[0], 0, 0), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], buffer, sizeof buffer) > 0)
        continue;
    EXPECT(poll_one(ends[1], POLLOUT, 0), 0);
    close(ends[1]);
    EXPECT(poll_one(ends[0], POLLIN, 0), POLLIN | POLLHUP);
    while (read(ends[0], buffer, sizeof buffer) > 0)
        continue;
    EXPECT(poll_one(ends[0], POLLIN, 0) & POLLHUP, POLLHUP);
    pipe_make(ends);
    close(ends[0]);
    EXPECT(poll_one(ends[1], POLLOUT, 0) & POLLERR, POLLERR);
}

static void test_poll_arguments(void)
{
    static struct pollfd fds[OPEN_MAX + 64];
    int64_t start = now_ms();

    EXPECT(poll(NULL, 0, 50), 0); /* a way to sleep */
    EXPECT_TRUE(now_ms() - start >= 50);
    EXPECT(poll_one(-1, POLLIN, 0), 0);
    EXPECT(poll_one(25, POLLIN, 0), POLLNVAL);
    EXPECT(poll_one(25, 0, -1), POLLNVAL);
    EXPECT_ERROR(poll(fds, 1ul << 40, 0), EINVAL);
    EXPECT_ERROR(poll(fds, UINT64_MAX, 0), EINVAL);
    file_make("f", 1);
    int fd = open("f", O_RDWR);
    EXPECT(poll_one(fd, POLLIN | POLLOUT, -1), POLLIN | POLLOUT);
    for (int i = 0; i < OPEN_MAX; i++)
        fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    EXPECT(poll(fds, OPEN_MAX, 0), OPEN_MAX);
}

/* One of several descriptors becomes ready while poll() waits. */
static void test_poll_wakes(void)
{
    int first[2], second[2];

    pipe_make(first);
    pipe_make(second);
    for (int round = 0; round < 10; round++) {
        int *ready = round % 2 ? first : second;
        pid_t pid = fork_checked();
        if (pid == 0) {
            pause_ms(round);
            EXPECT(write(ready[1], "x", 1), 1);
            _exit(0);
        }
        struct pollfd fds[] = {{.fd = first[0], .events = POLLIN},
                               {.fd = second[0], .events = POLLIN}};
        EXPECT(poll(fds, 2, -1), 1);
        EXPECT(fds[round % 2 ? 0 : 1].revents, POLLIN);
        EXPECT(fds[round % 2 ? 1 : 0].revents, 0);
        EXPECT(read(ready[0], buffer, 10), 1);
        EXPECT(wait_status(pid), 0);
    }
}

static void block_in_poll(void)
{
    int ends[2];

    pipe_make(ends);
    poll_one(ends[0], POLLIN, -1);
}

static void test_poll_killed(void)
{
    pid_t pid = fork_checked();
    if (pid == 0) {
        block_in_poll();
        _exit(0);
    }
    pause_ms(20);
    EXPECT(kill(pid, SIGKILL), 0);
    EXPECT(WTERMSIG(wait_status(pid)), SIGKILL);
}

/* select() is the library's, in terms of poll(). */
static void test_select(void)
{
    int ends[2];
    fd_set readable, writable;
    struct timeval none = {0};

    pipe_make(ends);
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(ends[0], &readable);
    FD_SET(ends[1], &writable);
    EXPECT(select(ends[1] + 1, &readable, &writable, NULL, &none), 1);
    EXPECT_TRUE(!FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable));
    EXPECT(write(ends[1], "x", 1), 1);
    FD_SET(ends[0], &readable);
    EXPECT(select(ends[1] + 1, &readable, NULL, NULL, NULL), 1);
    EXPECT_TRUE(FD_ISSET(ends[0], &readable));
}

/* A pipe without a writer is ready for reading. Asked about something else, select() waits its time
 * out: 0 means that the time is over. */
static void test_select_passes_over_what_is_not_asked(void)
{
    int ends[2];
    fd_set writable, failed;
    struct timeval timeout = {.tv_usec = 200000};
    int64_t start = now_ms();

    pipe_make(ends);
    close(ends[1]);
    FD_ZERO(&writable);
    FD_ZERO(&failed);
    FD_SET(ends[0], &failed);
    EXPECT(select(ends[0] + 1, NULL, &writable, &failed, &timeout), 0);
    EXPECT_TRUE(now_ms() - start >= 200);
    EXPECT_TRUE(!FD_ISSET(ends[0], &failed));
}

/* Above all a negative time does not mean for ever, nor does one too long for an int of
 * milliseconds. */
static void test_select_arguments(void)
{
    static const struct timeval wrong[] = {{-1, 0}, {0, -1}, {0, 1000000}, {INT64_MIN, 0}};
    struct timeval longest = {INT64_MAX, 999999}, none = {0};
    int ends[2];
    fd_set readable;

    pipe_make(ends);
    EXPECT(write(ends[1], "x", 1), 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct timeval timeout = wrong[i];
        EXPECT_ERROR(select(0, NULL, NULL, NULL, &timeout), EINVAL);
    }
    EXPECT_ERROR(select(-1, NULL, NULL, NULL, &none), EINVAL);
    EXPECT_ERROR(select(FD_SETSIZE + 1, NULL, NULL, NULL, &none), EINVAL);
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    EXPECT(select(ends[0] + 1, &readable, NULL, NULL, &longest), 1);
}

const struct test pipe_tests[] = {
    {"pipe", test_pipe, 10, false},
    {"pipe_without_reader", test_pipe_without_reader, 10, false},
    {"pipe_transfer", test_pipe_transfer, 20, false},
    {"pipe_atomic_writes", test_pipe_atomic_writes, 20, false},
    {"pipe_nonblocking", test_pipe_nonblocking, 10, false},
    {"poll_pipe", test_poll_pipe, 10, false},
    {"poll_arguments", test_poll_arguments, 10, false},
    {"poll_wakes", test_poll_wakes, 20, false},
    {"poll_killed", test_poll_killed, 10, false},
    {"select", test_select, 10, false},
    {"select_passes_over", test_select_passes_over_what_is_not_asked, 10, false},
    {"select_arguments", test_select_arguments, 10, false},
    {0},
};
