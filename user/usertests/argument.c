/* Tests of bad pointers: every system call that takes one, with every kind of address that is not
 * the program's. */
#include "test.h"

#include "arch/memlayout.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BAD INT64_MIN /* in an argument list: here the bad address goes */

/* What the kernel does with the memory: first reads it, or only writes it; and whether a null
 * pointer may say that there is none. */
enum { READS = 0, WRITES = 1, OPTIONAL = 2 };

/* Descriptors that the calls below may use; udp has a datagram waiting. */
static int file, pipe_ends[2], udp;
static struct sockaddr_in address;
static char bytes[64];
static socklen_t length = sizeof address;
static struct timespec moment = {.tv_nsec = 1};
static char *no_arguments[] = {NULL};

struct call {
    const char *name;
    int number;
    int use;
    long arguments[6];
};

/* Descriptors are known only when the test runs, so the table is filled then. */
static size_t calls_make(struct call *calls)
{
    const long text = (long)bytes, there = (long)&address, size = (long)&length;
    const struct call table[] = {
        {"execve path", SYS_execve, READS, {BAD, (long)no_arguments, 0}},
        {"execve argv", SYS_execve, READS, {(long)"/bin/echo", BAD, 0}},
        {"nanosleep", SYS_nanosleep, READS, {BAD, 0}},
        {"clock_gettime", SYS_clock_gettime, WRITES, {CLOCK_MONOTONIC, BAD}},
        {"sysinfo", SYS_sysinfo, WRITES, {BAD}},
        {"procinfo", SYS_procinfo, WRITES, {0, BAD}},
        {"open", SYS_open, READS, {BAD, O_RDONLY}},
        {"read file", SYS_read, WRITES, {file, BAD, 10}},
        {"read pipe", SYS_read, WRITES, {pipe_ends[0], BAD, 10}},
        {"write file", SYS_write, READS, {file, BAD, 10}},
        {"write pipe", SYS_write, READS, {pipe_ends[1], BAD, 10}},
        {"write console", SYS_write, READS, {STDOUT_FILENO, BAD, 10}},
        {"fstat", SYS_fstat, WRITES, {file, BAD}},
        {"pipe", SYS_pipe, WRITES, {BAD}},
        {"poll", SYS_poll, WRITES, {BAD, 1, 0}},
        {"link from", SYS_link, READS, {BAD, text}},
        {"link to", SYS_link, READS, {(long)"f", BAD}},
        {"unlink", SYS_unlink, READS, {BAD}},
        {"mkdir", SYS_mkdir, READS, {BAD, 0777}},
        {"mknod", SYS_mknod, READS, {BAD, S_IFCHR, 0}},
        {"chdir", SYS_chdir, READS, {BAD}},
        {"bind", SYS_bind, READS, {udp, BAD, sizeof address}},
        {"connect", SYS_connect, READS, {udp, BAD, sizeof address}},
        {"sendto data", SYS_sendto, READS, {udp, BAD, 10, 0, there, sizeof address}},
        {"sendto address", SYS_sendto, READS | OPTIONAL, {udp, text, 10, 0, BAD, sizeof address}},
        {"recvfrom data", SYS_recvfrom, WRITES, {udp, BAD, 10, MSG_PEEK, 0, 0}},
        {"recvfrom address", SYS_recvfrom, WRITES | OPTIONAL, {udp, text, 10, MSG_PEEK, BAD, size}},
        {"recvfrom length", SYS_recvfrom, READS, {udp, text, 10, MSG_PEEK, there, BAD}},
        {"sendmsg", SYS_sendmsg, READS, {udp, BAD, 0}},
        {"recvmsg", SYS_recvmsg, WRITES, {udp, BAD, MSG_PEEK}},
        {"sendmmsg", SYS_sendmmsg, WRITES, {udp, BAD, 1, 0}},
        {"recvmmsg", SYS_recvmmsg, WRITES, {udp, BAD, 1, MSG_PEEK, 0}},
        {"getsockname address", SYS_getsockname, WRITES, {udp, BAD, size}},
        {"getsockname length", SYS_getsockname, READS, {udp, there, BAD}},
        {"setsockopt", SYS_setsockopt, READS, {udp, SOL_SOCKET, SO_RCVBUF, BAD, sizeof(int)}},
        {"getsockopt value", SYS_getsockopt, WRITES, {udp, SOL_SOCKET, SO_RCVBUF, BAD, size}},
        {"getsockopt length", SYS_getsockopt, READS, {udp, SOL_SOCKET, SO_RCVBUF, text, BAD}},
        {"ioctl flags", SYS_ioctl, READS, {udp, SIOCGIFFLAGS, BAD}},
        {"ioctl list", SYS_ioctl, READS, {udp, SIOCGCOUNTERS, BAD}},
    };
    memcpy(calls, table, sizeof table);
    return sizeof table / sizeof table[0];
}

static void open_descriptors(void)
{
    file_make("f", 100);
    file = open("f", O_RDWR);
    EXPECT(pipe(pipe_ends), 0);
    EXPECT(write(pipe_ends[1], bytes, sizeof bytes), sizeof bytes);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT(bind(udp, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT(getsockname(udp, (struct sockaddr *)&address, &length), 0);
    EXPECT(sendto(udp, bytes, 20, 0, (struct sockaddr *)&address, sizeof address), 20);
    EXPECT(poll(&(struct pollfd){.fd = udp, .events = POLLIN}, 1, 1000), 1);
}

static void expect_fault(const struct call *call, uintptr_t bad)
{
    long a[6];

    for (int i = 0; i < 6; i++)
        a[i] = call->arguments[i] == BAD ? (long)bad : call->arguments[i];
    long result = raw_syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result != -EFAULT)
        test_fail(__FILE__, __LINE__, "%s with address 0x%lx: expected %d, got %ld", call->name,
                  bad, -EFAULT, result);
}

static void test_bad_pointers(void)
{
    static const uintptr_t bad[] = {
        0, /* first: see OPTIONAL */

        1,
        4096,
        UART0,
        RAM_BASE,
        KSTACK_SLOT(0) + KSTACK_SIZE,
        USER_BASE - 1,
        USER_END - USER_STACK_SIZE - 4096,
        USER_END,
        USER_END - 1 + (1ul << 39),
        0xffffffff80000000ul,
        UINTPTR_MAX,
        UINTPTR_MAX - 4096,
    };
    struct call calls[64];

    open_descriptors();
    size_t count = calls_make(calls);
    for (size_t call = 0; call < count; call++) {
        for (size_t i = calls[call].use & OPTIONAL ? 1 : 0; i < sizeof bad / sizeof bad[0]; i++)
            expect_fault(&calls[call], bad[i]);
        if (calls[call].use & WRITES)
            expect_fault(&calls[call], (uintptr_t)raw_syscall & ~15ul); /* text */
    }
}

/* Memory that ends in the middle of what the kernel is to read or write. */
static void test_pointers_at_an_edge(void)
{
    struct call calls[64];
    char *edge;

    open_descriptors();
    size_t count = calls_make(calls);
    for (edge = sbrk(0); (uintptr_t)edge % 4096; edge = sbrk(0))
        sbrk((intptr_t)(4096 - (uintptr_t)edge % 4096));
    sbrk(4096);
    edge = sbrk(0);
    memset(edge - 4096, 'x', 4096); /* strings there have no end */
    for (size_t call = 0; call < count; call++) {
        int number = calls[call].number;
        /* What was moved before the edge may be reported instead; that is tested below. */
        if (number != SYS_read && number != SYS_write && !strstr(calls[call].name, "length"))
            expect_fault(&calls[call], (uintptr_t)edge - 1);
    }
    ssize_t n = read(file, edge - 5, 50);
    EXPECT_TRUE(n == 5 || (n == -1 && errno == EFAULT));
    n = write(pipe_ends[1], edge - 5, 50);
    EXPECT_TRUE(n == 5 || (n == -1 && errno == EFAULT));
}

static void test_huge_counts(void)
{
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2, 1ul << 40};

    open_descriptors();
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        /* No buffer is so large, but a file that is shorter ends the read before. */
        ssize_t n = read(file, bytes, counts[i]);
        EXPECT_TRUE(n >= -1 && n <= 100);
        EXPECT_TRUE(write(file, (void *)USER_BASE, counts[i]) < (ssize_t)(16 << 20));
        EXPECT_TRUE(sendto(udp, (void *)USER_BASE, counts[i], 0, (struct sockaddr *)&address,
                           sizeof address) == -1);
        EXPECT(recvfrom(udp, bytes, counts[i], MSG_PEEK, NULL, NULL) <= 20, 1);
    }
}

/* Pointers inside of structures. */
static void test_inner_pointers(void)
{
    open_descriptors();
    struct ifconf conf = {.ifc_len = 10 * sizeof(struct ifreq), .ifc_buf = (char *)RAM_BASE};
    EXPECT_ERROR(ioctl(udp, SIOCGIFCONF, &conf), EFAULT);
    struct netlist list = {.count = 10, .entries = (void *)RAM_BASE};
    EXPECT_ERROR(ioctl(udp, SIOCGCOUNTERS, &list), EFAULT);
    list.count = UINT32_MAX;
    EXPECT_ERROR(ioctl(udp, SIOCGCOUNTERS, &list), EFAULT);
    char *bad_argument[] = {"echo", (char *)RAM_BASE, NULL};
    EXPECT_ERROR(execv("/bin/echo", bad_argument), EFAULT);
    struct timespec *unmapped = (void *)4096;
    EXPECT(nanosleep(&moment, unmapped), 0); /* is not touched when the time is over */
}

static void test_wait_bad_pointer(void)
{
    pid_t pid = fork_checked();
    if (pid == 0)
        _exit(3);
    EXPECT_ERROR(waitpid(pid, (int *)RAM_BASE, 0), EFAULT);
    EXPECT_ERROR(waitpid(pid, (int *)raw_syscall, 0), EFAULT);
    char *top = sbrk(0);
    sbrk((intptr_t)(-(uintptr_t)top % 4096)); /* status ends behind the last page of the heap */
    EXPECT_ERROR(waitpid(pid, (int *)((char *)sbrk(0) - 2), 0), EFAULT);
    EXPECT(WEXITSTATUS(wait_status(pid)), 3); /* the child has not been lost */
}

const struct test argument_tests[] = {
    {"bad_pointers", test_bad_pointers, 30, false},
    {"pointers_at_an_edge", test_pointers_at_an_edge, 10, false},
    {"huge_counts", test_huge_counts, 30, false},
    {"inner_pointers", test_inner_pointers, 10, false},
    {"wait_bad_pointer", test_wait_bad_pointer, 10, false},
    {0},
};
