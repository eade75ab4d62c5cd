/* bench: the guest's side of `make bench`; user/bench/protocol.h says what it does on which port.
 *
 * Three processes, of which only the measured one has work at any time: echo and sink do nothing
 * but what is measured, in the plainest way a program would write it, and a third one controls.
 * All of them run until the machine ends.
 */
#include "protocol.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "../lib/netconf.h"

#define BATCH          128
#define INTERFACES_MAX 16
#define TEXT_MAX       16384
#define TEXT_PART      1400
#define CHILD_SOCKETS  25
#define CROWD_NETWORK  0x0a000800 /* 10.0.8.0 */

static char datagram[BENCH_PAYLOAD_MAX];
static struct sockaddr_in peer;
static socklen_t peer_length;

static int socket_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
        err(1, "port %u", port);
    return fd;
}

static ssize_t receive(int fd)
{
    peer_length = sizeof peer;
    ssize_t n = recvfrom(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&peer, &peer_length);
    if (n < 0)
        err(1, "receive");
    return n;
}

/* A full device queue loses the datagram, as a wire would: the peer counts what is missing. */
static bool reply(int fd, const void *data, size_t n)
{
    return sendto(fd, data, n, 0, (struct sockaddr *)&peer, peer_length) >= 0;
}

/* As many datagrams as are waiting, BATCH at most, are taken in one call. So aligned, neither a message nor a
 * short payload lies across two pages. */
static struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_in peers[BATCH];
    union {
        char bytes[BENCH_PAYLOAD_MAX];
        uint32_t question[2];
    } payloads[BATCH];
} batch __attribute__((aligned(64)));

static void batch_prepare(void)
{
    for (int i = 0; i < BATCH; i++) {
        batch.parts[i] = (struct iovec){&batch.payloads[i], sizeof batch.payloads[i]};
        batch.messages[i].msg_hdr = (struct msghdr){.msg_name = &batch.peers[i],
                                                    .msg_namelen = sizeof batch.peers[i],
                                                    .msg_iov = &batch.parts[i],
                                                    .msg_iovlen = 1};
    }
}

static int batch_receive(int fd)
{
    int count = recvmmsg(fd, batch.messages, BATCH, MSG_WAITFORONE, NULL);
    if (count < 0)
        err(1, "receive");
    return count;
}

/* All are answered in another call. */
static void echo_serve(void)
{
    int fd = socket_on(BENCH_ECHO_PORT);

    batch_prepare();
    for (;;) {
        int count = batch_receive(fd);
        for (int i = 0; i < count; i++)
            batch.parts[i].iov_len = batch.messages[i].msg_len;
        /* A message that cannot be sent is left out: the peer counts what is missing. */
        for (int i = 0, sent; i<count; i += sent> 0 ? sent : 1)
            sent = sendmmsg(fd, batch.messages + i, (unsigned)(count - i), 0);
        for (int i = 0; i < count; i++)
            batch.parts[i].iov_len = sizeof batch.payloads[i];
    }
}

/* Everything is counted but questions, which ask how much that was so far. */
static void sink_serve(void)
{
    int fd = socket_on(BENCH_SINK_PORT);

    batch_prepare();
    for (uint64_t count = 0;;) {
        int received = batch_receive(fd);
        for (int i = 0; i < received; i++) {
            const uint32_t *question = batch.payloads[i].question;
            if (batch.messages[i].msg_len < sizeof batch.payloads[i].question ||
                question[0] != htonl(BENCH_MAGIC)) {
                count++;
                continue;
            }
            struct bench_sunk sunk = {question[0], question[1], htonl((uint32_t)(count >> 32)),
                                      htonl((uint32_t)count)};
            peer = batch.peers[i];
            peer_length = sizeof peer;
            reply(fd, &sunk, sizeof sunk);
        }
    }
}

/* --- control --- */

static char text[TEXT_MAX];
static size_t text_length;

static void __attribute__((format(printf, 1, 2))) text_add(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text + text_length, sizeof text - text_length, format, arguments);
    va_end(arguments);
    if ((size_t)n < sizeof text - text_length)
        text_length += (size_t)n; /* else there is no room: the line is left out */
}

/* Everything that netstat shows, and what each process and kernel thread has done. */
static void snapshot(void)
{
    struct netcounter *counters = NULL;
    ssize_t count = list_fetch(SIOCGCOUNTERS, sizeof *counters, (void **)&counters);
    struct procinfo info;

    text_length = 0;
    for (ssize_t i = 0; i < count; i++) {
        if (counters[i].value)
            text_add("%s.%s %lu\n", counters[i].group, counters[i].name, counters[i].value);
    }
    free(counters);
    for (int i = 0; procinfo(i, &info) == 0; i++) {
        if (info.pid)
            text_add("process.%d.%s.switches %lu\n", info.pid, info.name, info.switches);
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The same datagram again and again, BATCH in a call. The clock is read once in a while, so that sending is
 * what is measured. */
static uint32_t blast(int fd, uint32_t size, uint32_t milliseconds, uint32_t port)
{
    struct sockaddr_in to = peer;
    uint32_t sent = 0;

    if (size > BENCH_PAYLOAD_MAX || milliseconds > BENCH_DURATION_MAX)
        return 0;
    to.sin_port = htons((uint16_t)port);
    batch_prepare();
    for (int i = 0; i < BATCH; i++) {
        batch.peers[i] = to;
        batch.parts[i].iov_len = size;
    }
    for (uint64_t end = now_ns() + milliseconds * 1000000ull; now_ns() < end;) {
        for (int i = 0, n; i < 4; i++) {
            n = sendmmsg(fd, batch.messages, BATCH, 0);
            sent += n > 0 ? (uint32_t)n : 0;
        }
    }
    return sent;
}

static uint32_t set_polled(bool polled)
{
    char names[INTERFACES_MAX][IFNAMSIZ];
    int count = interface_list(names, INTERFACES_MAX);
    struct ifreq ifr;

    for (int i = 0; i < count; i++) {
        if (interface_get(names[i], SIOCGIFHWADDR, &ifr) ||
            ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
            continue;
        if (interface_change_flags(names[i], polled ? IFF_POLLED : 0, polled ? 0 : IFF_POLLED))
            return (uint32_t)errno;
    }
    return 0;
}

/* More sockets than one process may have are opened by children, which then wait for good. */
static uint32_t crowd_sockets(uint32_t count)
{
    for (; count > 0; count -= count < CHILD_SOCKETS ? count : CHILD_SOCKETS) {
        pid_t pid = fork();
        if (pid < 0)
            return (uint32_t)errno;
        if (pid > 0)
            continue;
        int fd = socket_on(0);
        for (uint32_t opened = 1; opened < count && opened < CHILD_SOCKETS; opened++)
            fd = socket_on(0);
        for (;;)
            receive(fd);
    }
    return 0;
}

/* Hosts that do not exist, on the guest's own network. */
static uint32_t crowd_arp(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct arpreq entry = {
            .arp_pa = netconf_sockaddr(htonl(CROWD_NETWORK + i)),
            .arp_ha = {ARPHRD_ETHER, {0x52, 0x55, 1, 0, (char)(i >> 8), (char)i}},
            .arp_flags = ATF_PERM};
        if (netconf_request(SIOCSARP, &entry))
            return (uint32_t)errno;
    }
    return 0;
}

static uint32_t carry_out(int fd, uint32_t command, const uint32_t *argument)
{
    switch (command) {
    case BENCH_BLAST:
        return blast(fd, argument[0], argument[1], argument[2]);
    case BENCH_POLLED:
        return set_polled(argument[0]);
    case BENCH_CROWD: {
        uint32_t error = crowd_sockets(argument[0]);
        return error ? error : crowd_arp(argument[1]);
    }
    default:
        return EINVAL;
    }
}

/* A part of the counters' text; its length. */
static size_t counters_part(uint32_t offset, char *to)
{
    if (offset == 0)
        snapshot();
    if (offset >= text_length)
        return 0;
    size_t part = text_length - offset;
    part = part < TEXT_PART ? part : TEXT_PART;
    memcpy(to, text + offset, part);
    return part;
}

static void control(int fd, const struct bench_request *request)
{
    static char buffer[sizeof(struct bench_answer) + TEXT_PART];
    static uint32_t done_serial, result;
    struct bench_answer *answer = (struct bench_answer *)buffer;
    uint32_t command = ntohl(request->command), argument[3];
    size_t part = 0;

    for (int i = 0; i < 3; i++)
        argument[i] = ntohl(request->argument[i]);
    if (command == BENCH_COUNTERS)
        part = counters_part(argument[0], answer->text);
    else if (request->serial != done_serial)
        result = carry_out(fd, command, argument);
    done_serial = request->serial;
    answer->magic = htonl(BENCH_MAGIC);
    answer->serial = request->serial;
    answer->value = htonl(command == BENCH_COUNTERS ? (uint32_t)text_length : result);
    reply(fd, answer, sizeof *answer + part);
}

static void control_serve(void)
{
    int fd = socket_on(BENCH_CONTROL_PORT);
    struct bench_request request;

    for (;;) {
        ssize_t n = receive(fd);
        memcpy(&request, datagram, sizeof request);
        if (n >= (ssize_t)sizeof request && request.magic == htonl(BENCH_MAGIC))
            control(fd, &request);
    }
}

static void start(void (*serve)(void))
{
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        serve();
}

int main(void)
{
    start(echo_serve);
    start(sink_serve);
    printf("bench: ready\n");
    control_serve();
    return 0;
}
