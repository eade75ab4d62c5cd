/* nettests: tests the network from a user program's side, against a peer on the same Ethernet.
 *
 *     nettests [-p ADDRESS] [NAME...]      runs all tests, or those named
 *     nettests -l                          lists them
 *
 * Each test runs in a process of its own with a deadline, so a hang costs one test. The exit code
 * is the number of tests that failed; without a peer that is all of them, known within 3 s. The
 * peer is the scripted host of tests/harness, started by `make qemu` and `make demo`. */
#include "nettests.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEER_DEFAULT "10.0.2.100"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct test tests[] = {
    {"tx", test_transmit, 0, 10},
    {"rx", test_receive, 0, 10},
    {"echo-0", test_echo, 0, 10},
    {"echo-1", test_echo, 1, 10},
    {"echo-2", test_echo, 2, 10},
    {"echo-333", test_echo, 333, 10},
    {"echo-512", test_echo, 512, 10},
    {"echo-1471", test_echo, 1471, 10},
    {"echo-1472", test_echo, 1472, 10},
    {"too-long", test_too_long, 0, 10},
    {"two-ports", test_two_ports, 0, 10},
    {"burst", test_burst, 0, 10},
    {"ten-processes", test_chain, 0, 20},
    {"thousand", test_chain, 0, 30},
    {"connected", test_connected, 0, 10},
    {"unconnected", test_unconnected, 0, 10},
    {"bad-checksum", test_bad_checksum, 0, 10},
    {"refused", test_refused, 0, 10},
    {"closed-port", test_closed_port, 0, 10},
    {"broadcast-tx", test_broadcast_send, 0, 10},
    {"broadcast-rx", test_broadcast_receive, 0, 10},
    {"dns", test_dns, 0, 10},
    {"kill-blocked", test_kill_blocked, 0, 10},
    {"no-leak", test_no_leak, 0, 20},
};

/* Waits until the test's process has closed its end of the pipe, which is when it ends. Its own
 * children do not hold that end (processes.c). */
static int ended_in_time(int pipe_end, int seconds)
{
    struct pollfd wait = {.fd = pipe_end, .events = POLLIN};
    return poll(&wait, 1, seconds * 1000) > 0;
}

/* The process printed its own result, unless something else ended it. */
static int report(const struct test *test, int status, int in_time)
{
    if (!in_time) {
        printf("%s: FAIL expected an end within %d s, got none\n", test->name,
               test->deadline_seconds);
    } else if (WIFSIGNALED(status)) {
        printf("%s: FAIL expected a result, got signal %d\n", test->name, WTERMSIG(status));
    }
    return !in_time || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* 0: passed, 1: failed. */
static int run(const struct test *test)
{
    int ends[2];
    if (pipe(ends) < 0) {
        printf("%s: FAIL expected a pipe, got %s\n", test->name, strerror(errno));
        return 1;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        printf("%s: FAIL expected a process, got %s\n", test->name, strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return 1;
    }
    if (child == 0) {
        close(ends[0]);
        current_test = test;
        test->run(test);
        fail("expected a verdict, got none");
    }
    close(ends[1]);
    int in_time = ended_in_time(ends[0], test->deadline_seconds);
    if (!in_time)
        kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    close(ends[0]);
    return report(test, status, in_time);
}

static const struct test *find(const char *name)
{
    for (size_t i = 0; i < COUNT(tests); i++) {
        if (strcmp(tests[i].name, name) == 0)
            return &tests[i];
    }
    return NULL;
}

static int usage(void)
{
    fprintf(stderr, "usage: nettests [-p ADDRESS] [NAME...] | nettests -l\n");
    return 255;
}

static int names_known(char **names, int count)
{
    for (int i = 0; i < count; i++) {
        if (!find(names[i])) {
            fprintf(stderr, "nettests: no test is called %s; nettests -l lists them\n", names[i]);
            return 0;
        }
    }
    return 1;
}

/* The number that failed, of all tests if none are named. */
static int run_tests(char **names, int count)
{
    int failed = 0, wanted = count ? count : (int)COUNT(tests);
    if (!peer_present()) {
        fprintf(stderr,
                "nettests: no peer: expected an answer from %s port 7000 within 3 s, got none\n",
                inet_ntoa(peer_address.sin_addr));
        return wanted;
    }
    for (int i = 0; i < wanted; i++)
        failed += run(count ? find(names[i]) : &tests[i]);
    printf("nettests: %d of %d passed\n", wanted - failed, wanted);
    return failed;
}

int main(int argc, char **argv)
{
    const char *peer = PEER_DEFAULT;
    int first = 1;
    if (first < argc && strcmp(argv[first], "-l") == 0) {
        for (size_t i = 0; i < COUNT(tests); i++)
            printf("%s\n", tests[i].name);
        return 0;
    }
    if (first + 1 < argc && strcmp(argv[first], "-p") == 0) {
        peer = argv[first + 1];
        first += 2;
    }
    peer_address.sin_family = AF_INET;
    if ((first < argc && argv[first][0] == '-') ||
        inet_pton(AF_INET, peer, &peer_address.sin_addr) != 1)
        return usage();
    if (!names_known(argv + first, argc - first))
        return 255;
    return run_tests(argv + first, argc - first);
}
