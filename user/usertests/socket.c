/* Tests of sockets over loopback: what they do when used right. */
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "socket_support.h"

static uint8_t sent[2048], received[2048];

static void test_datagram(void)
{
    static const size_t sizes[] = {0, 1, 2, 3, 63, 512, 1471, 1472};
    struct sockaddr_in server, client, from;
    int server_fd = socket_bound(&server), client_fd = socket_bound(&client);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pattern_fill(sent, i, sizes[i]);
        EXPECT(send_to(client_fd, sent, sizes[i], &server), sizes[i]);
        EXPECT(receive_from(server_fd, received, sizeof received, 0, &from), sizes[i]);
        EXPECT(memcmp(sent, received, sizes[i]), 0);
        EXPECT_TRUE(from.sin_family == AF_INET && from.sin_port == client.sin_port);
        EXPECT(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    }
}

static void test_datagrams_stay_apart_and_in_order(void)
{
    struct sockaddr_in first, second;
    int first_fd = socket_bound(&first), second_fd = socket_bound(&second);

    for (uint8_t i = 0; i < 16; i++)
        EXPECT(send_to(first_fd, &i, i % 3, i % 2 ? &first : &second), i % 3);
    for (uint8_t i = 0; i < 16; i++) {
        int fd = i % 2 ? first_fd : second_fd;
        received[0] = i;
        EXPECT(receive_from(fd, received, sizeof received, 0, NULL), i % 3);
        EXPECT(received[0], i);
    }
}

/* What does not fit is discarded, never given to the next receive. */
static void test_truncation(void)
{
    struct sockaddr_in address;
    int fd = socket_bound(&address);

    for (int round = 0; round < 2; round++) {
        send_to(fd, "0123456789", 10, &address);
        memset(received, 0xee, 16);
        EXPECT(receive_from(fd, received, 4, round ? MSG_TRUNC : 0, NULL), round ? 10 : 4);
        EXPECT(memcmp(received, "0123\xee", 5), 0);
    }
    send_to(fd, "next", 4, &address); /* the rest is gone */
    EXPECT(receive_from(fd, received, sizeof received, 0, NULL), 4);
    EXPECT(memcmp(received, "next", 4), 0);
    send_to(fd, "lost", 4, &address);
    EXPECT(receive_from(fd, received, 0, 0, NULL), 0);
    EXPECT_ERROR(recv(fd, received, 10, MSG_DONTWAIT), EAGAIN);
}

/* Looking does not take. */
static void test_peek(void)
{
    struct sockaddr_in address, from;
    int fd = socket_bound(&address), waiting = 0;

    EXPECT(ioctl(fd, FIONREAD, &waiting), 0);
    EXPECT(waiting, 0);
    send_to(fd, "first", 5, &address);
    send_to(fd, "second", 6, &address);
    for (int i = 0; i < 3; i++) {
        EXPECT(receive_from(fd, received, sizeof received, MSG_PEEK, &from), 5);
        EXPECT(from.sin_port, address.sin_port);
    }
    EXPECT(ioctl(fd, FIONREAD, &waiting), 0);
    EXPECT(waiting, 5);
    EXPECT(receive_from(fd, received, 2, MSG_PEEK | MSG_TRUNC, NULL), 5);
    EXPECT(receive_from(fd, received, sizeof received, 0, NULL), 5);
    EXPECT(receive_from(fd, received, sizeof received, 0, NULL), 6);
}

/* A connected socket hears its peer only, and may be connected anew or to nobody. */
static void test_connected(void)
{
    struct sockaddr_in server, client, other, found;
    int server_fd = socket_bound(&server), client_fd = socket_bound(&client);
    int other_fd = socket_bound(&other);
    socklen_t length = sizeof found;

    EXPECT(connect(client_fd, (struct sockaddr *)&server, sizeof server), 0);
    EXPECT(getpeername(client_fd, (struct sockaddr *)&found, &length), 0);
    EXPECT(found.sin_port, server.sin_port);
    EXPECT(length, sizeof found);
    EXPECT(write(client_fd, "hello", 5), 5);
    EXPECT(receive_from(server_fd, received, sizeof received, 0, &found), 5);
    EXPECT(found.sin_port, client.sin_port);
    /* Only the peer is heard. */
    EXPECT(send_to(other_fd, "noise", 5, &client), 5);
    EXPECT(send_to(server_fd, "answer", 6, &client), 6);
    EXPECT(read(client_fd, received, sizeof received), 6);
    EXPECT_ERROR(recv(client_fd, received, sizeof received, MSG_DONTWAIT), EAGAIN);
    /* Another address for once, another peer, no peer. */
    EXPECT(send_to(client_fd, "aside", 5, &other), 5);
    EXPECT(connect(client_fd, (struct sockaddr *)&other, sizeof other), 0);
    EXPECT(send(client_fd, "x", 1, 0), 1);
    EXPECT(receive_from(other_fd, received, sizeof received, 0, NULL), 5);
    EXPECT(receive_from(other_fd, received, sizeof received, 0, NULL), 1);
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    EXPECT(connect(client_fd, &nobody, sizeof nobody), 0);
    EXPECT_ERROR(getpeername(client_fd, (struct sockaddr *)&found, &length), ENOTCONN);
    EXPECT_ERROR(send(client_fd, "x", 1, 0), EDESTADDRREQ);
}

static void test_ephemeral_ports(void)
{
    struct sockaddr_in addresses[8];

    for (int i = 0; i < 8; i++) {
        socket_bound(&addresses[i]);
        EXPECT_TRUE(ntohs(addresses[i].sin_port) >= 1024);
        for (int k = 0; k < i; k++)
            EXPECT_TRUE(addresses[k].sin_port != addresses[i].sin_port);
    }
    /* Sending gives a port, too. */
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = {0};
    socklen_t length = sizeof own;
    EXPECT(getsockname(fd, (struct sockaddr *)&own, &length), 0);
    EXPECT(own.sin_port, 0);
    EXPECT(send_to(fd, "x", 1, &addresses[0]), 1);
    EXPECT(getsockname(fd, (struct sockaddr *)&own, &length), 0);
    EXPECT_TRUE(own.sin_port != 0);
}

static void test_receive_timeout(void)
{
    struct sockaddr_in address;
    int fd = socket_bound(&address);
    struct timeval limit = {.tv_usec = 50000}, found = {0};
    socklen_t length = sizeof found;

    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    EXPECT(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &found, &length), 0);
    EXPECT_TRUE(found.tv_sec == 0 && found.tv_usec == 50000);
    int64_t start = now_ms();
    EXPECT_ERROR(recv(fd, received, 1, 0), EAGAIN);
    EXPECT_TRUE(now_ms() - start >= 50);
    EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    start = now_ms();
    for (int i = 0; i < 100; i++)
        EXPECT_ERROR(recv(fd, received, 1, 0), EAGAIN);
    EXPECT_TRUE(now_ms() - start < 1000);
    int at_once = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    EXPECT(fcntl(at_once, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_ERROR(recv(at_once, received, 1, 0), EAGAIN);
}

static void test_poll_socket(void)
{
    struct sockaddr_in address;
    struct pollfd ready = {.fd = socket_bound(&address), .events = POLLIN | POLLOUT};

    EXPECT(poll(&ready, 1, 0), 1);
    EXPECT(ready.revents, POLLOUT);
    ready.events = POLLIN;
    int64_t start = now_ms();
    EXPECT(poll(&ready, 1, 50), 0);
    EXPECT_TRUE(now_ms() - start >= 50);
    pid_t pid = fork_checked();
    if (pid == 0) {
        pause_ms(20);
        EXPECT(send_to(ready.fd, "x", 1, &address), 1);
        _exit(0);
    }
    EXPECT(poll(&ready, 1, -1), 1);
    EXPECT(ready.revents, POLLIN);
    EXPECT(wait_status(pid), 0);
}

/* The ICMP error about a closed port reaches the sender, once. */
static void test_refused(void)
{
    struct sockaddr_in gone;
    int fd = socket_bound(&gone), error = -1;
    socklen_t length = sizeof error;

    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(connect(fd, (struct sockaddr *)&gone, sizeof gone), 0);
    EXPECT(send(fd, "x", 1, 0), 1);
    EXPECT_ERROR(recv(fd, received, 1, 0), ECONNREFUSED); /* waits until the error comes */
    EXPECT_ERROR(recv(fd, received, 1, MSG_DONTWAIT), EAGAIN);

    EXPECT(send(fd, "x", 1, 0), 1);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    EXPECT(poll(&ready, 1, 2000), 1);
    EXPECT_TRUE(ready.revents & POLLERR);
    EXPECT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT(error, ECONNREFUSED);
    EXPECT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    EXPECT(error, 0);
}

static int blocked_fd;
static void block_in_recv(void) { recv(blocked_fd, received, 1, 0); }

static void test_killed_while_receiving(void)
{
    struct sockaddr_in address;
    blocked_fd = socket_bound(&address);

    for (int delay = 0; delay <= 30; delay += 30) {
        pid_t pid = fork_checked();
        if (pid == 0) {
            block_in_recv();
            _exit(0);
        }
        pause_ms(delay);
        EXPECT(kill(pid, SIGTERM), 0);
        EXPECT(WTERMSIG(wait_status(pid)), SIGTERM);
    }
    EXPECT(send_to(blocked_fd, "x", 1, &address), 1); /* the socket is as it was */
    EXPECT(receive_from(blocked_fd, received, 10, 0, NULL), 1);
}

/* Nobody reads: sending goes on, the queue is bounded, the oldest are kept. */
static void test_queue_is_bounded(void)
{
    struct sockaddr_in address;
    struct timeval limit = {.tv_usec = 200000};
    int fd = socket_bound(&address), kept = 0;
    uint32_t number, wanted = 0;

    for (number = 0; number < 3000; number++) {
        while (send_to(fd, &number, sizeof number, &address) != sizeof number) {
            EXPECT(errno, ENOBUFS); /* loopback's own queue is bounded, too */
            pause_ms(1);
        }
    }
    /* Some may still be under way, and find room when others have been read. */
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    for (; recv(fd, &number, sizeof number, 0) == sizeof number; kept++) {
        EXPECT_TRUE(kept < 16 ? number == wanted : number >= wanted);
        wanted = number + 1;
    }
    EXPECT_TRUE(kept >= 16 && kept < 3000);
    EXPECT(send_to(fd, "x", 1, &address), 1);
    EXPECT(receive_from(fd, received, 10, 0, NULL), 1);
}

/* Ends one direction; a reader that waits is woken. */
static void test_shutdown(void)
{
    struct sockaddr_in address;
    int fd = socket_bound(&address);

    EXPECT_ERROR(shutdown(fd, SHUT_RD), ENOTCONN);
    EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    EXPECT_ERROR(shutdown(fd, 99), EINVAL);
    pid_t pid = fork_checked();
    if (pid == 0) {
        pause_ms(30);
        EXPECT(shutdown(fd, SHUT_RD), 0);
        _exit(0);
    }
    EXPECT(recv(fd, received, 10, 0), 0); /* woken by it */
    EXPECT(wait_status(pid), 0);
    EXPECT(shutdown(fd, SHUT_WR), 0);
    pid = fork_checked();
    if (pid == 0) {
        send(fd, "x", 1, 0);
        _exit(errno);
    }
    int status = wait_status(pid);
    EXPECT_TRUE((WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE) ||
                WEXITSTATUS(status) == EPIPE);
}

/* The socket lives until its last descriptor is closed, wherever that is. */
static void test_dup_and_fork(void)
{
    struct sockaddr_in address;
    int fd = socket_bound(&address), copy = dup(fd);

    close(fd);
    pid_t pid = fork_checked();
    if (pid == 0) {
        EXPECT(receive_from(copy, received, 10, 0, NULL), 5);
        _exit(0);
    }
    EXPECT(send_to(copy, "hello", 5, &address), 5);
    EXPECT(wait_status(pid), 0);
    close(copy);
    fd = socket(AF_INET, SOCK_DGRAM, 0); /* the port is free again */
    EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void echo_server(int fd)
{
    struct sockaddr_in from;

    for (;;) {
        ssize_t n = receive_from(fd, received, sizeof received, 0, &from);
        EXPECT(send_to(fd, received, (size_t)n, &from), n);
    }
}

/* Everyone gets his own answers, in order, though all use one server at once. */
static void test_many_clients(void)
{
    enum { CLIENTS = 6, ROUNDS = 50 };
    struct sockaddr_in server, own;
    int fd = socket_bound(&server);

    pid_t echo = fork_checked();
    if (echo == 0)
        echo_server(fd);
    for (uint32_t client = 0; client < CLIENTS; client++) {
        if (fork_checked() != 0)
            continue;
        fd = socket_bound(&own);
        for (uint32_t round = 0; round < ROUNDS; round++) {
            uint32_t message[2] = {client, round}, answer[2];
            EXPECT(send_to(fd, message, sizeof message, &server), sizeof message);
            EXPECT(receive_from(fd, answer, sizeof answer, 0, NULL), sizeof answer);
            EXPECT(memcmp(message, answer, sizeof answer), 0);
        }
        _exit(0);
    }
    for (int client = 0; client < CLIENTS; client++)
        EXPECT(wait_status(-1), 0);
}

static void test_ping(void)
{
    uint8_t request[16] = {8, 0, 0, 0, 0, 0, 0, 42, 'd', 'a', 't', 'a'};
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}},
                       from;
    int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

    EXPECT_TRUE(fd >= 0);
    EXPECT(send_to(fd, request, sizeof request, &loopback), sizeof request);
    EXPECT(receive_from(fd, received, sizeof received, 0, &from), sizeof request);
    EXPECT(received[0], 0);
    EXPECT(memcmp(received + 6, request + 6, 10), 0);
    EXPECT(from.sin_addr.s_addr, loopback.sin_addr.s_addr);
}

static void test_resolver(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list;
    struct in_addr address;
    char text[INET_ADDRSTRLEN];

    EXPECT(inet_aton("127.1", &address), 1);
    EXPECT(address.s_addr, htonl(INADDR_LOOPBACK));
    EXPECT_TRUE(!inet_aton("1.2.3.256", &address) && !inet_aton("1.2.3.4.5", &address) &&
                !inet_aton("a", &address) && !inet_aton("", &address));
    EXPECT_TRUE(inet_pton(AF_INET, "1.2.3", &address) == 0 &&
                inet_pton(AF_INET, "1.2.3.4x", &address) == 0);
    EXPECT(inet_pton(AF_INET, "192.0.2.255", &address), 1);
    EXPECT(strcmp(inet_ntop(AF_INET, &address, text, sizeof text), "192.0.2.255"), 0);
    EXPECT(inet_ntop(AF_INET, &address, text, 8), NULL);

    EXPECT(getaddrinfo("localhost", "53", &hints, &list), 0);
    struct sockaddr_in *found = (struct sockaddr_in *)list->ai_addr;
    EXPECT_TRUE(found->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && found->sin_port == htons(53));
    EXPECT(list->ai_next, NULL);
    freeaddrinfo(list);
    hints.ai_socktype = SOCK_STREAM;
    EXPECT(getaddrinfo("localhost", "53", &hints, &list), EAI_SOCKTYPE);
    EXPECT(getaddrinfo(NULL, "http", NULL, &list), EAI_SERVICE);
    EXPECT(getaddrinfo(NULL, NULL, NULL, &list), EAI_NONAME);
}

const struct test socket_tests[] = {
    {"datagram", test_datagram, 10, false},
    {"datagrams_stay_apart_and_in_order", test_datagrams_stay_apart_and_in_order, 10, false},
    {"truncation", test_truncation, 10, false},
    {"peek", test_peek, 10, false},
    {"connected", test_connected, 10, false},
    {"ephemeral_ports", test_ephemeral_ports, 10, false},
    {"receive_timeout", test_receive_timeout, 10, false},
    {"poll_socket", test_poll_socket, 10, false},
    {"refused", test_refused, 10, false},
    {"killed_while_receiving", test_killed_while_receiving, 10, false},
    {"queue_is_bounded", test_queue_is_bounded, 20, false},
    {"shutdown", test_shutdown, 10, false},
    {"dup_and_fork", test_dup_and_fork, 10, false},
    {"many_clients", test_many_clients, 30, false},
    {"ping", test_ping, 10, false},
    {"resolver", test_resolver, 10, false},
    {0},
};
