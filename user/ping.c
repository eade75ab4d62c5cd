/* ping [-c COUNT] [-s SIZE] [-W SECONDS] HOST: sends ICMP echo requests (RFC 792), one a second,
 * and reports the replies. COUNT is 4 if not given; SIZE is that of the data behind the ICMP
 * header, 56 if not given; an answer is waited for SECONDS long, 3 if not given. Exit status: 0
 * each was answered, 1 not all, 2 an error.
 */
#include "lib/output.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ECHO_REQUEST 8
#define ECHO_REPLY   0
#define SIZE_MAXIMUM 65507
#define INTERVAL_NS  1000000000

/* The kernel fills in checksum and identifier. */
struct icmp_echo {
    uint8_t type, code;
    uint16_t checksum, identifier, sequence;
    uint8_t data[];
};

static long count = 4, size = 56, wait_seconds = 3;
static int fd;
static uint64_t sent, received, shortest = UINT64_MAX, longest, total; /* times in ns */

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What the data of request number n consists of: other bytes for each, so that a wrong reply shows.
 */
static uint8_t data_byte(long n, long offset) { return (uint8_t)(offset + 31 * n); }

/* An error, such as no route, counts as one request not answered. */
static bool request_send(long n, struct icmp_echo *packet)
{
    *packet = (struct icmp_echo){.type = ECHO_REQUEST, .sequence = htons((uint16_t)n)};
    for (long i = 0; i < size; i++)
        packet->data[i] = data_byte(n, i);
    if (send(fd, packet, sizeof *packet + (size_t)size, 0) < 0) {
        warn("send");
        return false;
    }
    sent++;
    return true;
}

static bool data_is_right(long n, const struct icmp_echo *packet)
{
    for (long i = 0; i < size; i++) {
        if (packet->data[i] != data_byte(n, i))
            return false;
    }
    return true;
}

static void reply_count(long n, ssize_t length, uint64_t time_ns)
{
    received++;
    total += time_ns;
    shortest = time_ns < shortest ? time_ns : shortest;
    longest = time_ns > longest ? time_ns : longest;
    printf("%ld bytes: seq=%ld time=%lu.%03lu ms\n", length, n, time_ns / 1000000,
           time_ns / 1000 % 1000);
}

/* Waits for the reply to request n; what comes late for an earlier one is reported and passed over.
 */
static void reply_wait(long n, struct icmp_echo *packet, uint64_t sent_at)
{
    uint64_t deadline = sent_at + (uint64_t)wait_seconds * 1000000000, now;

    while ((now = now_ns()) < deadline) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, (int)((deadline - now + 999999) / 1000000)) <= 0)
            continue;
        ssize_t length = recv(fd, packet, sizeof *packet + SIZE_MAXIMUM, MSG_DONTWAIT);
        if (length < 0 && errno != EAGAIN) {
            warn("seq=%ld", n);
            return;
        }
        if (length < (ssize_t)sizeof *packet || packet->type != ECHO_REPLY)
            continue;
        if (ntohs(packet->sequence) != (uint16_t)n)
            printf("seq=%u came late\n", ntohs(packet->sequence));
        else if (length != (ssize_t)sizeof *packet + size || !data_is_right(n, packet))
            printf("seq=%ld: wrong data\n", n);
        else {
            reply_count(n, length, now_ns() - sent_at);
            return;
        }
    }
    printf("seq=%ld: no reply\n", n);
}

static long number_read(const char *text, long least, long most)
{
    const char *wrong;
    long n = strtonum(text, least, most, &wrong);

    if (wrong)
        errx(2, "%s: not a number from %ld to %ld", text, least, most);
    return n;
}

static void read_options(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "c:s:W:")) != -1;) {
        if (option == 'c')
            count = number_read(optarg, 1, 1000000);
        else if (option == 's')
            size = number_read(optarg, 0, SIZE_MAXIMUM);
        else if (option == 'W')
            wait_seconds = number_read(optarg, 1, 3600);
        else
            optind = argc;
    }
    if (optind + 1 != argc)
        errx(2, "usage: ping [-c COUNT] [-s SIZE] [-W SECONDS] HOST");
}

/* The name is resolved once. */
static void open_socket(const char *host)
{
    const struct hostent *entry = gethostbyname(host);

    if (!entry)
        errx(2, "%s: %s", host, hstrerror(h_errno));
    struct sockaddr_in address = {.sin_family = AF_INET};
    memcpy(&address.sin_addr, entry->h_addr, sizeof address.sin_addr);
    fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    if (fd < 0)
        err(2, "socket");
    /* Connected, so that only this host's replies, and errors about requests to it, come in. */
    if (connect(fd, (struct sockaddr *)&address, sizeof address))
        err(2, "%s", host);
    printf("ping %s (%s): %ld bytes of data\n", host, inet_ntoa(address.sin_addr), size);
}

static void interval_wait(uint64_t since)
{
    uint64_t passed = now_ns() - since;
    struct timespec rest = {.tv_nsec = (int64_t)(INTERVAL_NS - passed)};

    if (passed < INTERVAL_NS)
        nanosleep(&rest, NULL);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    open_socket(argv[optind]);
    struct icmp_echo *packet = malloc(sizeof *packet + SIZE_MAXIMUM);
    if (!packet)
        err(2, "memory");

    for (long n = 1; n <= count; n++) {
        uint64_t sent_at = now_ns();
        if (request_send(n, packet))
            reply_wait(n, packet, sent_at);
        if (n < count)
            interval_wait(sent_at);
    }
    printf("%lu sent, %lu received", sent, received);
    if (received)
        printf(", round trip least/mean/most %lu/%lu/%lu us", shortest / 1000,
               total / received / 1000, longest / 1000);
    putchar('\n');
    return output_status(received == (uint64_t)count ? 0 : 1, 2);
}
