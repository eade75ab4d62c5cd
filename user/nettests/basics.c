/* nettests: one datagram out, one in, and back, of every interesting size. */
#include "nettests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the peer expects where a datagram is to be filled: byte i is session[i % 8] + i. */
static void pattern_fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = session_id[i % 8] + i;
}

void test_transmit(const struct test *test)
{
    (void)test;
    session_begin("%s", "");
    udp_send(udp_open(NULL), session_number("port"), session_id, sizeof(session_id));
    session_end("%s", "");
}

void test_receive(const struct test *test)
{
    uint8_t data[SECRET_MAX];
    char text[2 * 64 + 1];
    long port;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    session_go();
    size_t size = udp_receive(fd, data, sizeof(data), NULL);
    if (size > 64)
        fail("expected a datagram of 16 bytes, got %d", (int)size);
    session_end("data=%s", hex_text(data, size, text));
}

/* The answer has the size of the question, but contents and source port of the peer's choice: its
 * digest and that port prove that it came in whole. */
void test_echo(const struct test *test)
{
    static uint8_t data[SECRET_MAX];
    struct sockaddr_in from;
    size_t size = test->argument;
    int fd = udp_open(NULL);

    session_begin("%s", "");
    pattern_fill(data, size);
    udp_send(fd, session_number("port"), data, size);
    size = udp_receive(fd, data, sizeof(data), &from);
    if (from.sin_addr.s_addr != peer_address.sin_addr.s_addr)
        fail("expected a reply from the peer, got one from %08x",
             (unsigned)ntohl(from.sin_addr.s_addr));
    session_end("length=%d port=%d digest=%016llx", (int)size, ntohs(from.sin_port),
                (unsigned long long)digest_add(DIGEST_START, data, size));
}

void test_too_long(const struct test *test)
{
    static uint8_t data[DATAGRAM_MAX + 1];
    (void)test;
    session_begin("%s", "");
    int fd = udp_open(NULL);
    struct sockaddr_in to = peer_at(session_number("port"));
    pattern_fill(data, sizeof(data));
    ssize_t n = sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to));
    int error = n < 0 ? errno : 0;
    udp_send(fd, session_number("port"), data, DATAGRAM_MAX);
    session_end("errno=%d", error);
}
