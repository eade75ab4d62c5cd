/* nc -u [-w SECONDS] [-p PORT] HOST PORT, nc -u -l [-w SECONDS] PORT: sends standard input as
 * datagrams and writes what comes in to standard output.
 *
 * Each read of standard input is one datagram: on the console a line, otherwise up to DATAGRAM_SIZE
 * bytes. -l listens on PORT (or -p PORT) and answers the first one that sends something. -p is the
 * local port. -w ends it when nothing has moved for so long; without -w only ^C does.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_SIZE 1472 /* what one Ethernet frame carries */
#define RECEIVE_SIZE  65536

static bool udp, listening;
static int idle_ms = -1;
static const char *local_port, *host, *port;

static void usage(void)
{
    errx(2, "usage: nc -u [-w SECONDS] [-p PORT] HOST PORT, or nc -u -l [-w SECONDS] PORT");
}

static in_port_t port_read(const char *text)
{
    const char *wrong;
    uint16_t number = (uint16_t)strtonum(text, 1, 65535, &wrong);

    if (wrong)
        errx(2, "%s: not a port", text);
    return htons(number);
}

/* As milliseconds, for poll(). */
static int seconds_read(const char *text)
{
    const char *wrong;
    int number = (int)strtonum(text, 1, INT_MAX / 1000, &wrong);

    if (wrong)
        errx(2, "%s: not a number of seconds", text);
    return number * 1000;
}

static void read_options(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "ulw:p:")) != -1;) {
        udp |= option == 'u';
        listening |= option == 'l';
        if (option == 'p')
            local_port = optarg;
        if (option == 'w')
            idle_ms = seconds_read(optarg);
        if (option == '?')
            usage();
    }
    if (!udp)
        errx(2, "there is only UDP: give -u");
    if (argc - optind == 2)
        host = argv[optind++];
    if (argc - optind == 1)
        port = argv[optind++];
    if (optind < argc || (listening ? host || !local_port == !port : !host))
        usage();
    if (listening && !local_port)
        local_port = port;
}

static int open_socket(void)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0)
        err(1, "socket");
    if (local_port) {
        local.sin_port = port_read(local_port);
        if (bind(fd, (struct sockaddr *)&local, sizeof local))
            err(1, "port %s", local_port);
    }
    return fd;
}

static void connect_to_host(int fd)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = port_read(port)};
    const struct hostent *entry = gethostbyname(host);

    if (!entry)
        errx(1, "%s: %s", host, hstrerror(h_errno));
    memcpy(&peer.sin_addr, entry->h_addr, sizeof peer.sin_addr);
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer))
        err(1, "%s", host);
}

/* Waits for the first datagram, without taking it, and makes its sender the peer. */
static void connect_to_first(int fd)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;

    if (poll(&ready, 1, idle_ms) == 0)
        errx(1, "nobody has sent anything");
    if (recvfrom(fd, &byte, sizeof byte, MSG_PEEK, (struct sockaddr *)&peer, &length) < 0)
        err(1, "receive");
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer))
        err(1, "connect to %s", inet_ntoa(peer.sin_addr));
}

/* Standard input to the socket; false at its end. */
static bool send_input(int fd)
{
    char datagram[DATAGRAM_SIZE];
    ssize_t n = read(STDIN_FILENO, datagram, sizeof datagram);

    if (n < 0)
        err(1, "standard input");
    if (n > 0 && send(fd, datagram, (size_t)n, 0) < 0)
        err(1, "send");
    return n > 0;
}

static void print_datagram(int fd)
{
    static char datagram[RECEIVE_SIZE];
    ssize_t n = recv(fd, datagram, sizeof datagram, MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN)
        err(1, "receive");
    if (n > 0 && write(STDOUT_FILENO, datagram, (size_t)n) < 0)
        err(1, "standard output");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    int fd = open_socket();
    if (listening)
        connect_to_first(fd);
    else
        connect_to_host(fd);

    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(fds, 2, idle_ms) > 0) {
        if (fds[0].revents)
            print_datagram(fd);
        if (fds[1].revents && !send_input(fd))
            fds[1].fd = -1; /* poll() passes over it */
    }
    return 0;
}
