/* usertests [-q] [-l] [NAME...]: tests every system call from a program's side, and some of the library.
 *
 * Prints "NAME: OK" or "NAME: FAIL ..." for each test; the exit status is the number of failures
 * (125 at most). -q leaves out the slow ones, -l lists the names.
 *
 * Each test has a deadline: a second process, the watchdog, sleeps until then and kills the test's
 * process group. After each test the runner compares what the system has in use with what it had
 * before: processes, open files, memory pages, mbufs. A test may be the first to use something that
 * the kernel then keeps (a kernel stack, a table's page), so a difference counts only if a second
 * run of the test makes it again.
 */
#include "test.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILURES_MAX 125
#define COUNTERS_MAX 512
#define SETTLE_MS    3000

static const struct test *const tables[] = {
    memory_tests,  process_tests,    file_tests,    directory_tests,
    pipe_tests,    argument_tests,   socket_tests,  socket_error_tests,
    message_tests, exhaustion_tests, library_tests,
};

static const char *current_name; /* of the test that runs */
static char directory[32];       /* where tests run */

void test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[256];
    const char *base = strrchr(file, '/');
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    printf("%s: FAIL %s:%d: %s\n", current_name, base ? base + 1 : file, line, text);
    exit(1);
}

/* What a test must give back. */
struct usage {
    uint64_t processes, files, pages, mbufs;
};

/* How many mbufs are neither free nor in a device's rings. A ring of received buffers is always full, and
 * one that was sent is taken back when the device is polled next, which may be long after. */
static uint64_t mbufs_in_stack(void)
{
    static const char *const elsewhere[] = {"free", "rx_ring", "tx_ring"};
    static struct netcounter counters[COUNTERS_MAX];
    struct netlist list = {.count = COUNTERS_MAX, .entries = counters};
    uint64_t held = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || ioctl(fd, SIOCGCOUNTERS, &list))
        err(1, "counters");
    close(fd);
    for (uint32_t i = 0; i < list.count; i++) {
        if (strcmp(counters[i].group, "mbuf") != 0)
            continue;
        if (strcmp(counters[i].name, "total") == 0)
            held += counters[i].value;
        for (size_t j = 0; j < sizeof elsewhere / sizeof *elsewhere; j++)
            if (strcmp(counters[i].name, elsewhere[j]) == 0)
                held -= counters[i].value;
    }
    return held;
}

static struct usage usage_now(void)
{
    struct sysinfo info;

    if (sysinfo(&info))
        err(1, "sysinfo");
    return (struct usage){.processes = info.processes,
                          .files = info.open_files,
                          .pages = info.total_pages - info.free_pages,
                          .mbufs = mbufs_in_stack()};
}

static bool usage_exceeds(const struct usage *after, const struct usage *before)
{
    return after->processes > before->processes || after->files > before->files ||
           after->pages > before->pages || after->mbufs > before->mbufs;
}

/* What is in use once all is over that the test began: killed processes end, datagrams under way
 * arrive. There is no event to wait for, so it looks again and again. */
static struct usage usage_settled(const struct usage *before)
{
    int64_t deadline = now_ms() + SETTLE_MS;
    struct usage usage = usage_now();

    while (usage_exceeds(&usage, before) && now_ms() < deadline) {
        pause_ms(10);
        usage = usage_now();
    }
    return usage;
}

/* The first entry of a directory but . and .. as a path; false if there is none. */
static bool first_entry(const char *path, char *entry_path, size_t size)
{
    DIR *stream = opendir(path);
    bool found = false;

    if (!stream)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(stream));) {
        found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        snprintf(entry_path, size, "%s/%s", path, entry->d_name);
    }
    closedir(stream);
    return found;
}

/* Removes what has this path, with everything in it. False if it cannot be removed. */
static bool tree_remove(const char *path)
{
    char entry_path[PATH_MAX];

    while (first_entry(path, entry_path, sizeof entry_path)) {
        if (!tree_remove(entry_path))
            return false;
    }
    return unlink(path) == 0;
}

static void test_begin(const struct test *test) __attribute__((noreturn));
/* In the test's own process. */
static void test_begin(const struct test *test)
{
    setpgid(0, 0);
    if (mkdir(directory, 0777) || chdir(directory))
        test_fail(__FILE__, __LINE__, "cannot make %s (errno %d)", directory, errno);
    test->run();
    exit(0);
}

/* A process of its own, since there is no alarm signal and the runner waits for the test. */
static pid_t watchdog_start(pid_t group, int seconds)
{
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        sleep((unsigned)seconds);
        kill(-group, SIGKILL);
        _exit(0);
    }
    return pid;
}

/* Runs a test once; true if it succeeded. If not, a line about it has been printed. */
static bool test_run(const struct test *test)
{
    int64_t start = now_ms();
    int status;

    current_name = test->name;
    tree_remove(directory);
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        test_begin(test);
    setpgid(pid, pid);
    pid_t watchdog = watchdog_start(pid, test->seconds);
    waitpid(pid, &status, 0);
    kill(-pid, SIGKILL); /* what the test has left running */
    kill(watchdog, SIGKILL);
    waitpid(watchdog, NULL, 0);
    tree_remove(directory);

    if (WIFSIGNALED(status) && now_ms() - start >= test->seconds * 1000)
        printf("%s: FAIL not done after %d s\n", test->name, test->seconds);
    else if (WIFSIGNALED(status))
        printf("%s: FAIL ended by signal %d\n", test->name, WTERMSIG(status));
    return status == 0;
}

/* See the top of the file for why there may be a second round. */
static bool test_run_checked(const struct test *test)
{
    struct usage before, after;

    for (int round = 0; round < 2; round++) {
        before = usage_now();
        if (!test_run(test))
            return false;
        after = usage_settled(&before);
        if (!usage_exceeds(&after, &before)) {
            printf("%s: OK\n", test->name);
            return true;
        }
    }
    printf("%s: FAIL leaks: processes %lu -> %lu, files %lu -> %lu, pages %lu -> %lu, mbufs %lu -> "
           "%lu\n",
           test->name, before.processes, after.processes, before.files, after.files, before.pages,
           after.pages, before.mbufs, after.mbufs);
    return false;
}

/* Names given on the command line choose slow tests, too. */
static bool is_named(const struct test *test, char **names)
{
    for (; *names; names++) {
        if (strcmp(*names, test->name) == 0)
            return true;
    }
    return false;
}

static const struct test *test_find(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct test *test = tables[i]; test->name; test++) {
            if (strcmp(test->name, name) == 0)
                return test;
        }
    }
    return NULL;
}

/* Runs, or only lists, the tests that are asked for. Returns how many failed. */
static int run_all(char **names, bool quick, bool list)
{
    int failed = 0, passed = 0;

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct test *test = tables[i]; test->name; test++) {
            if (*names ? !is_named(test, names) : quick && test->slow)
                continue;
            if (list)
                puts(test->name);
            else if (test_run_checked(test))
                passed++;
            else
                failed++;
        }
    }
    if (!list)
        printf("usertests: %d passed, %d failed\n", passed, failed);
    return failed;
}

int main(int argc, char **argv)
{
    bool quick = false, list = false;

    for (int option; (option = getopt(argc, argv, "ql")) != -1;) {
        quick |= option == 'q';
        list |= option == 'l';
        if (option == '?')
            errx(FAILURES_MAX, "usage: usertests [-q] [-l] [NAME...]");
    }
    for (char **name = argv + optind; *name; name++) {
        if (!test_find(*name))
            errx(FAILURES_MAX, "%s: no such test", *name);
    }
    snprintf(directory, sizeof directory, "/tmp/usertests.%d", getpid());
    int failed = run_all(argv + optind, quick, list);
    return failed > FAILURES_MAX ? FAILURES_MAX : failed;
}
