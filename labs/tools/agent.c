/* The grader's hand inside the guest: makes the socket calls that the host asks for.
 *
 * Requests come as lines on the console, which no lab touches:
 *
 *     sync WORD             answered by "sync WORD ok": one round of the guest's life, for pacing
 *     NONCE COMMAND ...     carried out, then reported
 *
 * A report is a datagram "NONCE RESULT..." to the port that the grader has chosen, never a line on the
 * console: only what arrives there counts. A number below 0 is a negated errno.
 *
 *     report PORT             where reports go from now on
 *     open S PORT [FLAGS [ADDRESS]]    socket number S, bound to PORT (0: not bound) of ADDRESS (any, if left out);
 *                             r reuse, b broadcast, n nonblocking, s room for SMALL datagrams, t receive timeout,
 *                             i ICMP: PORT is the identifier
 *     close S | connect S ADDRESS PORT | shut S | name S | error S
 *     send S ADDRESS PORT SIZE SEED    SIZE bytes, byte i is SEED[i % 8] + i; ADDRESS -: to the peer
 *     burst S PORT COUNT      COUNT datagrams to the peer, each its number in 4 bytes; the answer: how many were sent
 *     recv S COUNT [SIZE]     a child waits for COUNT datagrams, each one a report; the answer is its pid
 *     take S                  one datagram, without waiting
 *     batch S COUNT MS        a child waits in one recvmmsg(); a report of what that returns; the answer is its pid
 *     dropped PORT            how many datagrams the socket on PORT had no room for
 *     arp ADDRESS MAC         enters a neighbour for good; MAC: a number
 *     poll S MS | kill PID | bad S | badsend S ADDRESS PORT
 *     counters GROUP.NAME...  the kernel's counts
 *     set INTERFACE FLAG      up, down, polled, interrupt, promisc
 *     cat FILE                how many bytes it has, and their digest, read from the disk
 *     write FILE SIZE SEED    makes a file
 */
#include "lib/netconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PEER         "10.0.2.100"
#define SOCKETS      16
#define WORDS        32
#define DATAGRAM_MAX 65536
#define SHOWN_MAX    64 /* bytes of a datagram that a report quotes */
#define SMALL        8
#define SMALL_BYTES  (SMALL * 4096)
#define TIMEOUT_US   500000
#define BATCH_MAX    8

static int sockets[SOCKETS];
static int report_socket = -1;
static int held_child = -1; /* closed, it lets the child begin */
static struct sockaddr_in report_to;
static char nonce[32];
static uint8_t buffer[DATAGRAM_MAX];
static char *words[WORDS];
static int word_count;

static void report(const char *format, ...)
{
    char text[1200];
    va_list arguments;

    int n = snprintf(text, sizeof text, "%s ", nonce);
    va_start(arguments, format);
    n += vsnprintf(text + n, sizeof text - (size_t)n, format, arguments);
    va_end(arguments);
    sendto(report_socket, text, (size_t)n, 0, (struct sockaddr *)&report_to, sizeof report_to);
}

static long result_of(long value) { return value < 0 ? -errno : value; }

static const char *word(int i) { return i < word_count ? words[i] : ""; }

static long number(int i) { return strtol(word(i), NULL, 0); }

static int socket_of(int i) { return sockets[(unsigned long)number(i) % SOCKETS]; }

static struct sockaddr_in address_at(int i)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)number(i + 1))};
    inet_pton(AF_INET, word(i), &address.sin_addr);
    return address;
}

static uint64_t digest(const uint8_t *data, size_t n)
{
    uint64_t value = 0xcbf29ce484222325;
    for (size_t i = 0; i < n; i++)
        value = (value ^ data[i]) * 0x100000001b3;
    return value;
}

static void fill(size_t n, const char *seed)
{
    for (size_t i = 0; i < n; i++)
        buffer[i] = (uint8_t)(seed[i % 8] + (char)i);
}

/* --- commands on sockets --- */

static long do_open(void)
{
    const char *flags = word(4);
    int one = 1, small = SMALL_BYTES, kind = SOCK_DGRAM | (strchr(flags, 'n') ? SOCK_NONBLOCK : 0);
    struct timeval timeout = {.tv_usec = TIMEOUT_US};
    int fd = socket(AF_INET, kind, strchr(flags, 'i') ? IPPROTO_ICMP : 0);

    if (fd < 0)
        return -errno;
    sockets[(unsigned long)number(2) % SOCKETS] = fd;
    if (strchr(flags, 'r'))
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (strchr(flags, 'b'))
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
    if (strchr(flags, 's'))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (strchr(flags, 't'))
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (number(3) == 0)
        return 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(3))};
    if (word_count > 5)
        inet_pton(AF_INET, word(5), &address.sin_addr);
    long result = result_of(bind(fd, (struct sockaddr *)&address, sizeof address));
    if (result < 0)
        close(fd);
    return result;
}

static long do_connect(void)
{
    struct sockaddr_in address = address_at(3);
    return result_of(connect(socket_of(2), (struct sockaddr *)&address, sizeof address));
}

static long do_send(void)
{
    struct sockaddr_in address = address_at(3);
    bool connected = strcmp(word(3), "-") == 0;
    size_t size = (size_t)number(5) % DATAGRAM_MAX;

    fill(size, word(6));
    return result_of(sendto(socket_of(2), buffer, size, 0,
                            connected ? NULL : (struct sockaddr *)&address,
                            connected ? 0 : sizeof address));
}

/* A child, which begins when the answer to the request has been sent: its own reports come behind that. */
static int fork_held(void)
{
    int ends[2];
    char none;

    if (pipe(ends) != 0)
        return -1;
    int pid = fork();
    if (pid == 0) {
        close(ends[1]);
        read(ends[0], &none, 1);
    } else {
        held_child = ends[1];
    }
    close(ends[0]);
    return pid;
}

/* In a child: a full device makes senders wait. */
static long do_burst(void)
{
    struct sockaddr_in peer = report_to;
    long sent = 0;
    int pid = fork_held();

    if (pid != 0)
        return result_of(pid);
    peer.sin_port = htons((uint16_t)number(3));
    for (long i = 0; i < number(4); i++) {
        uint32_t count = htonl((uint32_t)i);
        sent += sendto(socket_of(2), &count, sizeof count, 0, (struct sockaddr *)&peer,
                       sizeof peer) == sizeof count;
    }
    report("%ld", sent);
    _exit(0);
}

/* Reports one datagram, or the error in its place. */
static void report_receive(int fd, size_t room, int flags)
{
    static const char digits[] = "0123456789abcdef";
    struct sockaddr_in from = {0};
    socklen_t length = sizeof from;
    char shown[2 * SHOWN_MAX + 1];
    ssize_t n = recvfrom(fd, buffer, room, flags, (struct sockaddr *)&from, &length);
    size_t quoted = n < 0 ? 0 : (size_t)n < SHOWN_MAX ? (size_t)n : SHOWN_MAX;

    for (size_t i = 0; i < quoted; i++) {
        shown[2 * i] = digits[buffer[i] >> 4];
        shown[2 * i + 1] = digits[buffer[i] & 15];
    }
    shown[2 * quoted] = 0;
    report("%ld %s %u %016lx %s", result_of(n), inet_ntoa(from.sin_addr), ntohs(from.sin_port),
           n < 0 ? 0 : digest(buffer, (size_t)n), quoted ? shown : "-");
}

/* In a child, so that the wait is a real one, and requests are served meanwhile. */
static long do_recv(void)
{
    size_t room = word_count > 4 ? (size_t)number(4) : sizeof buffer;
    int pid = fork_held();
    if (pid != 0)
        return result_of(pid);
    for (long left = number(3); left > 0; left--)
        report_receive(socket_of(2), room, 0);
    _exit(0);
}

/* In a child as well. What the datagrams hold is not looked at. */
static long do_batch(void)
{
    struct iovec part = {buffer, sizeof buffer};
    struct mmsghdr messages[BATCH_MAX];
    struct timespec timeout = {.tv_nsec = number(4) * 1000000};
    unsigned count = (unsigned)number(3) % (BATCH_MAX + 1);
    int pid = fork_held();

    if (pid != 0)
        return result_of(pid);
    for (unsigned i = 0; i < count; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
    report("%ld", result_of(recvmmsg(socket_of(2), messages, count, 0, &timeout)));
    _exit(0);
}

static long do_poll(void)
{
    struct pollfd waiting = {.fd = socket_of(2), .events = POLLIN};
    int n = poll(&waiting, 1, (int)number(3));
    return n < 0 ? -errno : waiting.revents;
}

static long do_error(void)
{
    int error = 0;
    socklen_t length = sizeof error;
    long result = result_of(getsockopt(socket_of(2), SOL_SOCKET, SO_ERROR, &error, &length));
    return result < 0 ? result : error;
}

static long do_name(void)
{
    struct sockaddr_in name = {0};
    socklen_t length = sizeof name;
    long result = result_of(getsockname(socket_of(2), (struct sockaddr *)&name, &length));
    return result < 0 ? result : ntohs(name.sin_port);
}

static long do_close(void) { return result_of(close(socket_of(2))); }

static long do_shut(void) { return result_of(shutdown(socket_of(2), SHUT_RD)); }

/* Addresses that a program has no right to: in the kernel, and nowhere. */
static long do_bad(void)
{
    return result_of(recvfrom(socket_of(2), (void *)0x80200000, 64, MSG_DONTWAIT, NULL, NULL));
}

static long do_badsend(void)
{
    struct sockaddr_in address = address_at(3);
    return result_of(sendto(socket_of(2), (void *)0x80200000, 64, 0, (struct sockaddr *)&address,
                            sizeof address));
}

static long do_kill(void)
{
    long result = result_of(kill((int)number(2), SIGKILL));
    waitpid((int)number(2), NULL, 0);
    return result;
}

/* --- the rest --- */

static long do_dropped(void)
{
    struct sockinfo *list;
    ssize_t count = list_fetch(SIOCGSOCKLIST, sizeof *list, (void **)&list);
    long dropped = -ENOENT;

    for (ssize_t i = 0; i < count; i++) {
        if (ntohs(list[i].local.sin_port) == number(2))
            dropped = (long)list[i].dropped;
    }
    if (count >= 0)
        free(list);
    return dropped;
}

static long do_arp(void)
{
    struct arpreq entry = {.arp_ha = {.sa_family = ARPHRD_ETHER}, .arp_flags = ATF_PERM | ATF_COM};
    uint64_t mac = strtoull(word(3), NULL, 16);
    in_addr_t address = 0;

    inet_pton(AF_INET, word(2), &address);
    entry.arp_pa = netconf_sockaddr(address);
    for (int i = 0; i < 6; i++)
        entry.arp_ha.sa_data[i] = (char)(mac >> (40 - 8 * i));
    return result_of(netconf_request(SIOCSARP, &entry));
}

static long do_report_to(void)
{
    report_to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number(2))};
    inet_pton(AF_INET, PEER, &report_to.sin_addr);
    return 0;
}

static long do_set(void)
{
    static const struct {
        const char *word;
        int set, clear;
    } words_of_flags[] = {
        {"up", IFF_UP, 0},           {"down", 0, IFF_UP},
        {"polled", IFF_POLLED, 0},   {"interrupt", 0, IFF_POLLED},
        {"promisc", IFF_PROMISC, 0},
    };
    for (size_t i = 0; i < sizeof words_of_flags / sizeof words_of_flags[0]; i++) {
        if (strcmp(word(3), words_of_flags[i].word) == 0)
            return result_of(
                interface_change_flags(word(2), words_of_flags[i].set, words_of_flags[i].clear));
    }
    return -EINVAL;
}

static void do_counters(void)
{
    struct netcounter *counters;
    char text[1024] = "";
    ssize_t count = list_fetch(SIOCGCOUNTERS, sizeof *counters, (void **)&counters);

    for (int w = 2; w < word_count; w++) {
        long value = -1;
        for (ssize_t i = 0; i < count; i++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", counters[i].group, counters[i].name);
            if (strcmp(name, words[w]) == 0)
                value = (long)counters[i].value;
        }
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%ld ", value);
    }
    if (count >= 0)
        free(counters);
    report("%s", text);
}

static void do_cat(void)
{
    int fd = open(word(2), O_RDONLY);
    ssize_t size = fd < 0 ? -errno : read(fd, buffer, sizeof buffer);
    report("%ld %016lx", (long)size, size < 0 ? 0 : digest(buffer, (size_t)size));
    close(fd);
}

static long do_write(void)
{
    size_t size = (size_t)number(3) % DATAGRAM_MAX;
    int fd = open(word(2), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        return -errno;
    fill(size, word(4));
    long result = result_of(write(fd, buffer, size));
    close(fd);
    return result;
}

static const struct {
    const char *name;
    long (*run)(void);
} commands[] = {
    {"report", do_report_to}, {"open", do_open},       {"connect", do_connect}, {"send", do_send},
    {"recv", do_recv},        {"poll", do_poll},       {"error", do_error},     {"name", do_name},
    {"close", do_close},      {"shut", do_shut},       {"bad", do_bad},         {"kill", do_kill},
    {"set", do_set},          {"badsend", do_badsend}, {"write", do_write},     {"burst", do_burst},
    {"batch", do_batch},      {"dropped", do_dropped}, {"arp", do_arp},
};

static void execute(void)
{
    const char *command = word(1);

    strlcpy(nonce, words[0], sizeof nonce);
    if (strcmp(command, "counters") == 0) {
        do_counters();
    } else if (strcmp(command, "take") == 0) {
        report_receive(socket_of(2), sizeof buffer, MSG_DONTWAIT);
    } else if (strcmp(command, "cat") == 0) {
        do_cat();
    } else {
        long result = -ENOSYS;
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            if (strcmp(command, commands[i].name) == 0)
                result = commands[i].run();
        }
        report("%ld", result);
    }
    close(held_child);
    held_child = -1;
}

int main(void)
{
    static char line[2048];

    report_socket = socket(AF_INET, SOCK_DGRAM, 0);
    printf("agent ready\n");
    while (fgets(line, sizeof line, stdin)) {
        word_count = 0;
        for (char *w = strtok(line, " \n"); w && word_count < WORDS; w = strtok(NULL, " \n"))
            words[word_count++] = w;
        if (word_count >= 2 && strcmp(words[0], "sync") == 0)
            printf("sync %s ok\n", words[1]);
        else if (word_count >= 2)
            execute();
    }
    return 0;
}
