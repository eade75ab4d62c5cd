/* Tests of running out: of descriptors, files, processes, sockets, pipes, memory, inodes, disk
 * blocks. Each time the call that finds nothing left fails with the right error, what was there
 * before goes on working, and all comes back. */
#include "test.h"

#include "../lib/netconf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEGABYTE (1 << 20)
#define PAGE     4096

/* Twice: all must have come back after the first time. */
static void test_descriptors(void)
{
    file_make("f", 10);
    for (int round = 0; round < 2; round++) {
        int opened = 0;
        while (open("f", O_RDONLY) >= 0)
            opened++;
        EXPECT(errno, EMFILE);
        EXPECT_TRUE(opened >= OPEN_MAX - 8);
        int ends[2];
        EXPECT_ERROR(dup(0), EMFILE);
        EXPECT_ERROR(pipe(ends), EMFILE);
        EXPECT_ERROR(socket(AF_INET, SOCK_DGRAM, 0), EMFILE);
        EXPECT_ERROR(open("new", O_CREAT | O_WRONLY, 0666), EMFILE);
        void *routes = &opened; /* the library's: a caller may free() what it gets, here too */
        EXPECT_ERROR(list_fetch(SIOCGRTLIST, sizeof(struct rtentry), &routes), EMFILE);
        EXPECT_TRUE(routes == NULL);
        EXPECT_ERROR(open("f", O_WRONLY | O_TRUNC), EMFILE);
        close(OPEN_MAX - 1); /* for a pipe, one is too few */
        EXPECT_ERROR(pipe(ends), EMFILE);
        EXPECT(dup(0), OPEN_MAX - 1);
        for (int fd = 3; fd < OPEN_MAX; fd++)
            close(fd);
        /* What could not be opened has been neither made nor emptied. */
        struct stat info;
        EXPECT_ERROR(stat("new", &info), ENOENT);
        EXPECT(stat("f", &info), 0);
        EXPECT(info.st_size, 10);
    }
}

/* Starts a child that does `take` until that fails, which must be for want of descriptors, files or
 * buffers, and holds on to what it has got until it is killed. Returns how often it went well. */
static int child_takes(bool (*take)(void))
{
    int ends[2], count = 0;

    if (pipe(ends)) { /* nothing is left even for this */
        EXPECT(errno, ENFILE);
        return 0;
    }
    pid_t pid = fork_checked();
    if (pid == 0) {
        close(ends[0]);
        while (take())
            count++;
        EXPECT_TRUE(errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
        EXPECT(write(ends[1], &count, sizeof count), sizeof count);
        sleep(1000);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], &count, sizeof count);
    close(ends[0]);
    if (n != sizeof count)
        exit(1); /* the child has said why */
    return count;
}

/* Starts such children until nothing is left for another one. Returns how much they have taken
 * together. */
static int children_take(bool (*take)(void), int children)
{
    int total = 0, taken;

    while (children-- > 0 && (taken = child_takes(take)) > 0)
        total += taken;
    return total;
}

static bool take_file(void) { return open("f", O_RDONLY) >= 0; }

static void test_open_files(void)
{
    file_make("f", 10);
    EXPECT_TRUE(children_take(take_file, 60) >= 100);
}

static bool take_socket(void) { return socket(AF_INET, SOCK_DGRAM, 0) >= 0; }
static void test_sockets(void) { EXPECT_TRUE(children_take(take_socket, 60) >= 32); }

static bool take_pipe(void)
{
    int ends[2];
    return pipe(ends) == 0;
}

static void test_pipes(void) { EXPECT_TRUE(children_take(take_pipe, 60) >= 32); }

/* Kills what stands at this place of the process table if it is a child of ours; false past its
 * end. */
static bool child_kill(unsigned index)
{
    struct procinfo info;

    if (procinfo(index, &info))
        return false;
    if (info.pid && info.parent == getpid())
        kill(info.pid, SIGKILL);
    return true;
}

/* Every slot of the process table, or all memory for kernel stacks, whichever is less. */
static void test_processes(void)
{
    for (int round = 0; round < 2; round++) {
        pid_t pid;
        int count = 0;
        while ((pid = fork()) > 0)
            count++;
        if (pid == 0) {
            sleep(1000);
            _exit(0);
        }
        EXPECT_TRUE(errno == EAGAIN || errno == ENOMEM);
        EXPECT_TRUE(count >= 20);
        for (unsigned index = 0; child_kill(index); index++)
            continue;
        for (; count > 0; count--)
            EXPECT(WTERMSIG(wait_status(-1)), SIGKILL);
        EXPECT_ERROR(wait(NULL), ECHILD);
    }
}

static bool take_memory(void) { return sbrk(MEGABYTE / 4) != (void *)-1; }

static void test_memory(void)
{
    int quarters = child_takes(take_memory);

    EXPECT_TRUE(quarters > 16);
    /* Others get an error and live on. Little is left, so this may work or not, but must not hang
     * or kill. */
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    EXPECT_TRUE(pid > 0 ? wait_status(pid) == 0 : errno == ENOMEM);
    EXPECT_TRUE(sbrk(64 * MEGABYTE) == (void *)-1 && errno == ENOMEM);
    file_make("f", 10000);
}

/* Takes all memory there is but for `pages`. */
static void memory_leave(int pages)
{
    while (take_memory())
        continue;
    while (sbrk(PAGE) != (void *)-1)
        continue;
    EXPECT(errno, ENOMEM);
    EXPECT_TRUE(sbrk(-pages * PAGE) != (void *)-1);
}

static void expect_done_or(long result, int error)
{
    if (result < 0)
        EXPECT(errno, error);
}

/* Every call that may need memory, in a system that has next to none: it works, or says why not. What needs
 * none works. Ends as another program, if that is possible. */
static void calls_without_memory(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int ends[2];
    char c;

    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    expect_done_or(pid, ENOMEM);
    if (pid > 0)
        EXPECT(wait_status(pid), 0);
    int result = pipe(ends);
    expect_done_or(result, ENOMEM);
    if (result == 0) {
        EXPECT(write(ends[1], "c", 1), 1);
        EXPECT(read(ends[0], &c, 1), 1);
    }
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_TRUE(udp >= 0); /* its memory is set aside at boot, as that of files and datagrams */
    EXPECT(bind(udp, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT(getsockname(udp, (struct sockaddr *)&address, &length), 0);
    EXPECT(sendto(udp, "data", 4, 0, (struct sockaddr *)&address, sizeof address), 4);
    EXPECT(poll(&(struct pollfd){.fd = udp, .events = POLLIN}, 1, 5000), 1);
    EXPECT(recv(udp, &c, 1, 0), 1);
    EXPECT(mkdir("d", 0777), 0);
    file_make("d/f", 5000);
    EXPECT(link("d/f", "d/g"), 0);
    EXPECT(unlink("d/f"), 0);
    EXPECT(unlink("d/g"), 0);
    EXPECT(unlink("d"), 0);
    EXPECT_ERROR((long)sbrk(MEGABYTE), ENOMEM);
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execv("/bin/echo", (char *[]){"echo", NULL});
    _exit(errno == ENOMEM ? 0 : 1);
}

/* Each number of pages makes another allocation the one that fails. */
static void test_calls_without_memory(void)
{
    for (int pages = 0; pages < 64; pages += pages < 12 ? 1 : 6) {
        pid_t pid = fork_checked();
        if (pid == 0) {
            memory_leave(pages);
            calls_without_memory();
        }
        EXPECT(wait_status(pid), 0);
    }
}

/* fork() of something so large that a few copies do not fit. */
static void test_fork_without_memory(void)
{
    int failures = 0;

    EXPECT_TRUE(sbrk(24 * MEGABYTE) != (void *)-1);
    for (int i = 0; i < 8; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            sleep(1000);
            _exit(0);
        }
        failures += pid < 0 && errno == ENOMEM;
    }
    EXPECT_TRUE(failures > 0);
}

/* Names can still be added and removed when no inode is left. */
static void test_inodes(void)
{
    char name[16];
    int count = 0, fd;

    for (;; count++) {
        snprintf(name, sizeof name, "%d", count);
        fd = open(name, O_CREAT | O_WRONLY, 0666);
        if (fd < 0)
            break;
        close(fd);
    }
    EXPECT(errno, ENOSPC);
    EXPECT_TRUE(count > 100);
    EXPECT_ERROR(mkdir("d", 0777), ENOSPC);
    EXPECT_ERROR(mknod("n", S_IFCHR | 0666, DEVICE_NUMBER(1, 3)), ENOSPC);
    EXPECT(link("0", "l"), 0); /* takes none */
    EXPECT(unlink("l"), 0);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        EXPECT(unlink(name), 0);
    }
    file_make("again", 10);
}

/* A write that runs out may be short, but what it reports as written is there. */
static void test_disk_blocks(void)
{
    static char chunk[65536];
    long total = 0, back = 0;
    ssize_t n;

    memset(chunk, 'x', sizeof chunk);
    int fd = open("large", O_CREAT | O_RDWR, 0666);
    while ((n = write(fd, chunk, sizeof chunk)) > 0)
        total += n;
    EXPECT_TRUE(n == -1 && errno == ENOSPC);
    EXPECT_TRUE(total > MEGABYTE);
    int other = open("other", O_CREAT | O_WRONLY, 0666);
    EXPECT_TRUE(other < 0 || write(other, chunk, sizeof chunk) < (ssize_t)sizeof chunk);
    EXPECT(lseek(fd, 0, SEEK_SET), 0); /* all that was reported as written is there */
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        back += n;
    EXPECT(back, total);
    close(fd);
    EXPECT(unlink("large"), 0);
    file_make("again", 100000);
}

const struct test exhaustion_tests[] = {
    {"descriptors", test_descriptors, 10, false},
    {"open_files", test_open_files, 30, false},
    {"sockets", test_sockets, 30, false},
    {"pipes", test_pipes, 30, false},
    {"processes", test_processes, 60, false},
    {"memory", test_memory, 60, false},
    {"calls_without_memory", test_calls_without_memory, 60, false},
    {"fork_without_memory", test_fork_without_memory, 60, true},
    {"inodes", test_inodes, 180, true},
    {"disk_blocks", test_disk_blocks, 180, true},
    {0},
};
