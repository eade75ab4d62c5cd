/* Tests of processes and time: fork, exec, wait, exit, kill, groups, sleeping. */
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void test_exit_status(void)
{
    static const int codes[] = {0, 1, 7, 255, 256, -1};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        pid_t pid = fork_checked();
        if (pid == 0)
            _exit(codes[i]);
        int status = wait_status(pid);
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT(WEXITSTATUS(status), codes[i] & 0xff);
    }
}

/* Waiting for one child leaves the others to be waited for. */
static void test_wait(void)
{
    int status;

    EXPECT_ERROR(wait(&status), ECHILD);
    EXPECT_ERROR(waitpid(1, &status, 0), ECHILD); /* not a child */
    EXPECT_ERROR(waitpid(getpid(), &status, 0), ECHILD);
    EXPECT_ERROR(waitpid(-1, &status, 0xff00), EINVAL);

    pid_t slow = fork_checked();
    if (slow == 0) {
        pause_ms(100);
        _exit(1);
    }
    EXPECT(waitpid(slow, &status, WNOHANG), 0);
    pid_t fast = fork_checked();
    if (fast == 0)
        _exit(2);
    EXPECT(waitpid(slow, &status, 0), slow);
    EXPECT(WEXITSTATUS(status), 1);
    EXPECT(waitpid(-1, NULL, 0), fast); /* nobody wants to know */
    EXPECT_ERROR(waitpid(fast, &status, 0), ECHILD);
}

static void test_many_children(void)
{
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 10; i++) {
            if (fork_checked() == 0)
                _exit(i);
        }
        int sum = 0, status;
        for (int i = 0; i < 10; i++) {
            EXPECT_TRUE(wait(&status) > 0);
            sum += WEXITSTATUS(status);
        }
        EXPECT(sum, 45);
        EXPECT_ERROR(wait(&status), ECHILD);
    }
}

/* Whose parent ends becomes a child of init. */
static void test_orphan(void)
{
    int ends[2];
    pid_t parent_of_orphan;

    EXPECT(pipe(ends), 0);
    pid_t pid = fork_checked();
    if (pid == 0) {
        pid_t child = getpid();
        if (fork_checked() == 0) {
            while (getppid() == child)
                pause_ms(5);
            parent_of_orphan = getppid();
            EXPECT(write(ends[1], &parent_of_orphan, sizeof parent_of_orphan),
                   sizeof parent_of_orphan);
        }
        _exit(0);
    }
    EXPECT(wait_status(pid), 0);
    EXPECT(read(ends[0], &parent_of_orphan, sizeof parent_of_orphan), sizeof parent_of_orphan);
    EXPECT(parent_of_orphan, 1);
}

static void spin(void)
{
    for (;;)
        __asm__ volatile("");
}

static void block_in_nanosleep(void) { sleep(1000); }

static void block_in_pipe_read(void)
{
    int ends[2];
    char c;

    EXPECT(pipe(ends), 0);
    read(ends[0], &c, 1);
}

static void block_in_pipe_write(void)
{
    int ends[2];
    static char block[1 << 16];

    EXPECT(pipe(ends), 0);
    write(ends[1], block, sizeof block);
}

static void block_in_console_read(void)
{
    char c;
    read(open("/dev/console", O_RDONLY), &c, 1);
}

static void block_in_wait(void)
{
    if (fork_checked() == 0)
        sleep(1000);
    wait(NULL);
}

/* In every kind of sleep, and before and after it began. */
static void test_kill(void)
{
    static void (*const blocked[])(void) = {spin,
                                            block_in_nanosleep,
                                            block_in_pipe_read,
                                            block_in_pipe_write,
                                            block_in_console_read,
                                            block_in_wait};

    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++) {
        for (int delay = 0; delay <= 20; delay += 20) { /* not yet, and already blocked */
            pid_t pid = fork_checked();
            if (pid == 0) {
                blocked[i]();
                _exit(99);
            }
            pause_ms(delay);
            EXPECT(kill(pid, SIGTERM), 0);
            int status = wait_status(pid);
            EXPECT_TRUE(WIFSIGNALED(status));
            EXPECT(WTERMSIG(status), SIGTERM);
        }
    }
}

static void test_kill_errors(void)
{
    EXPECT(kill(getpid(), 0), 0);
    EXPECT_ERROR(kill(99999999, SIGTERM), ESRCH);
    EXPECT_ERROR(kill(-99999999, SIGTERM), ESRCH);
    EXPECT_ERROR(kill(getpid(), -1), EINVAL);
    EXPECT_ERROR(kill(getpid(), SIGNAL_LIMIT), EINVAL);
    EXPECT_ERROR(kill(1, SIGKILL), EPERM); /* init */
    EXPECT_ERROR(kill(2, SIGKILL), EPERM); /* a kernel thread */
}

/* A process can be killed, to no effect, while it ends and until it is waited for. */
static void test_kill_while_ending(void)
{
    for (int round = 0; round < 100; round++) {
        pid_t pid = fork_checked();
        if (pid == 0)
            _exit(0);
        while (waitpid(pid, NULL, WNOHANG) == 0)
            EXPECT(kill(pid, 0), 0);
    }
}

/* A child that is being made while its group is killed does not escape. */
static void test_group_that_forks(void)
{
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork_checked();
        if (pid == 0) {
            setpgid(0, 0);
            for (int child = 0; child < 20 && fork() > 0; child++)
                continue;
            sleep(1000);
        }
        setpgid(pid, pid);
        usleep((useconds_t)round * 200);
        EXPECT(kill(-pid, SIGKILL), 0);
        EXPECT(WTERMSIG(wait_status(pid)), SIGKILL);
        for (int64_t deadline = now_ms() + 2000; kill(-pid, 0) == 0;
             pause_ms(1)) /* init waits for the others */
            EXPECT_TRUE(now_ms() < deadline);
        EXPECT(errno, ESRCH);
    }
}

/* kill(-group) reaches exactly the members. */
static void test_groups(void)
{
    EXPECT(getpgid(0), getpid()); /* the runner's doing */
    EXPECT_ERROR(getpgid(99999999), ESRCH);
    EXPECT_ERROR(setpgid(99999999, 0), ESRCH);
    EXPECT_ERROR(setpgid(0, -5), EINVAL);

    pid_t first = fork_checked();
    if (first == 0)
        sleep(1000);
    EXPECT(getpgid(first), getpid());
    EXPECT(setpgid(first, 0), 0);
    EXPECT(getpgid(first), first);
    pid_t second = fork_checked();
    if (second == 0)
        sleep(1000);
    EXPECT(setpgid(second, first), 0);
    EXPECT(kill(-first, SIGINT), 0);
    EXPECT(WTERMSIG(wait_status(first)), SIGINT);
    EXPECT(WTERMSIG(wait_status(second)), SIGINT);
}

/* Runs a program whose output goes into a pipe and compares that. */
static void expect_output(char *const argv[], const char *wanted)
{
    char output[256];
    int ends[2], used = 0;
    ssize_t n;

    EXPECT(pipe(ends), 0);
    pid_t pid = fork_checked();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv("/bin/echo", argv);
        _exit(127);
    }
    close(ends[1]);
    while ((n = read(ends[0], output + used, sizeof output - 1 - (size_t)used)) > 0)
        used += (int)n;
    output[used] = 0;
    EXPECT(wait_status(pid), 0);
    close(ends[0]);
    if (strcmp(output, wanted) != 0)
        test_fail(__FILE__, __LINE__, "expected \"%s\", got \"%s\"", wanted, output);
}

static void test_exec(void)
{
    expect_output((char *[]){"echo", NULL}, "\n");
    expect_output((char *[]){"echo", "one", "", "three four", NULL}, "one  three four\n");
}

static void test_exec_errors(void)
{
    static char long_name[300], long_argument[ARGUMENT_BYTES_MAX + 1];
    char *argv[] = {"x", NULL}, *large[] = {"x", long_argument, NULL};
    char *many[ARGUMENT_COUNT_MAX + 2] = {NULL};

    EXPECT_ERROR(execv("nothing", argv), ENOENT);
    EXPECT_ERROR(execv("", argv), ENOENT);
    EXPECT_ERROR(execv("/bin/echo/x", argv), ENOTDIR);
    EXPECT_ERROR(execv("/bin", argv), EACCES);
    EXPECT_ERROR(execv("/dev/null", argv), EACCES);
    memset(long_name, 'x', sizeof long_name - 1);
    EXPECT_ERROR(execv(long_name, argv), ENAMETOOLONG);
    memset(long_argument, 'x', sizeof long_argument - 1);
    EXPECT_ERROR(execv("/bin/echo", large), E2BIG);
    for (int i = 0; i <= ARGUMENT_COUNT_MAX; i++)
        many[i] = "x";
    EXPECT_ERROR(execv("/bin/echo", many), E2BIG);
}

/* Files that look like programs and are not: the process that tries goes on as it was. */
static void test_exec_bad_files(void)
{
    static uint8_t image[8192];
    int fd = open("/bin/echo", O_RDONLY);
    ssize_t size = read(fd, image, sizeof image);

    EXPECT_TRUE(size > 64);
    close(fd);
    file_make("noise", 5000);
    EXPECT_ERROR(execv("noise", (char *[]){"x", NULL}), ENOEXEC);
    file_make("empty", 0);
    EXPECT_ERROR(execv("empty", (char *[]){"x", NULL}), ENOEXEC);
    /* Each byte of the ELF header and the first program header in turn. It may still be a program
     * after the change: then it ends, somehow. */
    for (int i = 0; i < 120; i++) {
        uint8_t saved = image[i];
        image[i] ^= 0x81;
        pid_t pid = fork_checked();
        if (pid == 0) {
            int changed = open("changed", O_WRONLY | O_CREAT | O_TRUNC, 0777);
            EXPECT(write(changed, image, (size_t)size), size);
            close(changed);
            close(STDOUT_FILENO);
            execv("changed", (char *[]){"x", NULL});
            _exit(1);
        }
        wait_status(pid);
        image[i] = saved;
    }
}

static void test_unknown_system_calls(void)
{
    static const long numbers[] = {0,  17,   19, 49,        48,        64,          66,
                                   65, 1000, -1, INT64_MIN, INT64_MAX, 1l << 32 | 6};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        EXPECT(raw_syscall(numbers[i], 0, 0, 0, 0, 0, 0), -ENOSYS);
}

/* The trap path saves and restores all registers. */
static void test_registers_survive(void)
{
    /* A system call changes a0 only; the rest is the program's. */
    long sum;
    __asm__ volatile("li a7, %1\n li t0, 1\n li t6, 2\n li s11, 3\n li a5, 4\n li a1, 5\n ecall\n"
                     "add %0, t0, t6\n add %0, %0, s11\n add %0, %0, a5\n add %0, %0, a1"
                     : "=&r"(sum)
                     : "i"(SYS_getpid)
                     : "a0", "a1", "a5", "a7", "t0", "t6", "s11", "memory");
    EXPECT(sum, 15);
}

/* Sleeping takes at least as long as asked for. */
static void test_clock(void)
{
    struct timespec earlier, later, bad[] = {{0, -1}, {0, 1000000000}, {-1, 0}};
    struct timespec tenth = {.tv_nsec = 100000000};

    EXPECT(clock_gettime(CLOCK_MONOTONIC, &earlier), 0);
    EXPECT(nanosleep(&tenth, NULL), 0);
    EXPECT(clock_gettime(CLOCK_MONOTONIC, &later), 0);
    int64_t passed = (later.tv_sec - earlier.tv_sec) * 1000000000 + later.tv_nsec - earlier.tv_nsec;
    EXPECT_TRUE(passed >= 100000000);
    EXPECT(clock_gettime(CLOCK_REALTIME, &later), 0);
    EXPECT_ERROR(clock_gettime(77, &later), EINVAL);
    for (int i = 0; i < 3; i++)
        EXPECT_ERROR(nanosleep(&bad[i], NULL), EINVAL);
}

static void test_processor_is_shared(void)
{
    /* Eight spinning processes do not keep a ninth from running. */
    for (int i = 0; i < 8; i++) {
        if (fork_checked() == 0)
            spin();
    }
    for (int i = 0; i < 5; i++)
        pause_ms(10);
    EXPECT(sched_yield(), 0);
}

/* Bitmap of the harts that the children of this process run on. */
static uint32_t harts_of_children(void)
{
    struct procinfo info;
    uint32_t seen = 0;
    for (unsigned index = 0; procinfo(index, &info) == 0; index++) {
        if (info.pid && info.parent == getpid() && info.hart >= 0)
            seen |= 1u << info.hart;
    }
    return seen;
}

/* As many processes as harts that do nothing but compute: sooner or later each has one for itself. */
static void test_processors_are_used(void)
{
    struct sysinfo system;

    EXPECT(sysinfo(&system), 0);
    for (unsigned i = 0; i < system.harts; i++) {
        if (fork_checked() == 0)
            spin();
    }
    while (harts_of_children() != (1u << system.harts) - 1)
        pause_ms(10);
}

static void test_process_list(void)
{
    struct procinfo info = {0};
    struct sysinfo system;
    unsigned index = 0, used = 0;
    bool found = false;

    EXPECT(sysinfo(&system), 0);
    for (; procinfo(index, &info) == 0; index++) {
        used += info.pid != 0;
        if (info.pid == getpid()) {
            found = true;
            EXPECT(info.parent, getppid());
            EXPECT(info.group, getpgrp());
            EXPECT(info.state, PROCESS_RUNNING);
            EXPECT(strcmp(info.name, "usertests"), 0);
        }
    }
    EXPECT(errno, ESRCH);
    EXPECT_TRUE(found && used >= 3 && system.processes >= 3);
    EXPECT_ERROR(procinfo(0xffffffff, &info), ESRCH);
    EXPECT(system.page_size, 4096);
    EXPECT_TRUE(system.free_pages < system.total_pages && system.harts >= 1);
}

const struct test process_tests[] = {
    {"exit_status", test_exit_status, 10, false},
    {"wait", test_wait, 10, false},
    {"many_children", test_many_children, 20, false},
    {"orphan", test_orphan, 10, false},
    {"kill", test_kill, 20, false},
    {"kill_errors", test_kill_errors, 10, false},
    {"kill_while_ending", test_kill_while_ending, 20, false},
    {"group_that_forks", test_group_that_forks, 30, false},
    {"groups", test_groups, 10, false},
    {"exec", test_exec, 10, false},
    {"exec_errors", test_exec_errors, 10, false},
    {"exec_bad_files", test_exec_bad_files, 60, false},
    {"unknown_system_calls", test_unknown_system_calls, 10, false},
    {"registers_survive", test_registers_survive, 10, false},
    {"clock", test_clock, 10, false},
    {"processor_is_shared", test_processor_is_shared, 20, false},
    {"processors_are_used", test_processors_are_used, 20, false},
    {"process_list", test_process_list, 10, false},
    {0},
};
