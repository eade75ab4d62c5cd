/* What the tests have in common: see test.h. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long raw_syscall(long number, long a0, long a1, long a2, long a3, long a4, long a5)
{
    register long r0 __asm__("a0") = a0, r1 __asm__("a1") = a1, r2 __asm__("a2") = a2;
    register long r3 __asm__("a3") = a3, r4 __asm__("a4") = a4, r5 __asm__("a5") = a5;
    register long r7 __asm__("a7") = number;

    __asm__ volatile("ecall"
                     : "+r"(r0)
                     : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5), "r"(r7)
                     : "memory");
    return r0;
}

pid_t fork_checked(void)
{
    fflush(stdout);
    pid_t pid = fork();
    EXPECT_TRUE(pid >= 0);
    return pid;
}

int wait_status(pid_t pid)
{
    int status;
    pid_t ended = waitpid(pid, &status, 0);
    EXPECT_TRUE(ended > 0 && (pid < 0 || ended == pid));
    return status;
}

int run_in_child(void (*run)(void))
{
    pid_t pid = fork_checked();
    if (pid == 0) {
        run();
        _exit(0);
    }
    return wait_status(pid);
}

void pause_ms(int ms) { usleep((useconds_t)ms * 1000); }

int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void pattern_fill(void *to, size_t offset, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = pattern(offset + i);
}

bool pattern_matches(const void *from, size_t offset, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((const uint8_t *)from)[i] != pattern(offset + i))
            return false;
    }
    return true;
}

void file_make(const char *path, size_t size)
{
    static uint8_t chunk[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    EXPECT_TRUE(fd >= 0);
    for (size_t offset = 0; offset < size; offset += sizeof chunk) {
        size_t n = size - offset < sizeof chunk ? size - offset : sizeof chunk;
        pattern_fill(chunk, offset, n);
        EXPECT(write(fd, chunk, n), n);
    }
    EXPECT(close(fd), 0);
}
