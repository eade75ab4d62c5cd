/* The frame of usertests: what a test looks like and how it says that something is wrong.
 *
 * A test is a function that returns if all is well. It runs in a process of its own, in a process
 * group of its own and in an empty directory, which is its current one and is removed afterwards;
 * whatever it leaves running is killed. So a test cleans up nothing but what would make itself
 * fail.
 */
#ifndef USERTESTS_TEST_H
#define USERTESTS_TEST_H

#include "abi/syscall.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct test {
    const char *name;
    void (*run)(void);
    int seconds; /* deadline */
    bool slow;   /* left out by -q */
};

/* One table per file, ended by an entry without a name. */
extern const struct test memory_tests[], process_tests[], file_tests[], directory_tests[],
    pipe_tests[], exhaustion_tests[], argument_tests[], socket_tests[], socket_error_tests[],
    message_tests[], library_tests[];

/* Prints what was expected and found, and ends the test. */
void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* The value of an expression, both as long. */
#define EXPECT(expression, wanted)                                                                 \
    do {                                                                                           \
        long found_ = (long)(expression), wanted_ = (long)(wanted);                                \
        if (found_ != wanted_)                                                                     \
            test_fail(__FILE__, __LINE__, "%s: expected %ld, got %ld (errno %d)", #expression,     \
                      wanted_, found_, errno);                                                     \
    } while (0)

/* A call that must fail with this errno. */
#define EXPECT_ERROR(expression, error)                                                            \
    do {                                                                                           \
        long found_ = (long)(expression);                                                          \
        if (found_ != -1 || errno != (error))                                                      \
            test_fail(__FILE__, __LINE__, "%s: expected -1 and errno %d, got %ld and errno %d",    \
                      #expression, error, found_, errno);                                          \
    } while (0)

#define EXPECT_TRUE(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "expected %s (errno %d)", #condition, errno);            \
    } while (0)

/* Makes a system call with exactly these arguments, past the library. The kernel's own result. */
long raw_syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5);

pid_t fork_checked(void);
int wait_status(pid_t pid); /* waits for this child (-1: for any); its status */
/* The status of a child that only does this and exits with 0. */
int run_in_child(void (*run)(void));
void pause_ms(int ms);
int64_t now_ms(void);
/* A new file with this many bytes of pattern(offset). */
void file_make(const char *path, size_t size);
static inline uint8_t pattern(size_t offset) { return (uint8_t)(offset * 7 + offset / 251); }
void pattern_fill(void *to, size_t offset, size_t n);
bool pattern_matches(const void *from, size_t offset, size_t n);

#endif
