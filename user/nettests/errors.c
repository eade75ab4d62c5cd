/* nettests: what happens to datagrams that nobody can take, in both directions. */
#include "nettests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void test_bad_checksum(const struct test *test)
{
    long port;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    long before = count_bad_checksums();
    session_go();
    session_end("data=%s counted=%ld", udp_drain_hex(fd), count_bad_checksums() - before);
}

/* Sends to eight ports of the peer, each over a connected socket; some are closed. The answer to
 * session_go(), which has nothing else to do here, comes behind the peer's ICMP messages. */
void test_refused(const struct test *test)
{
    char ports[128];
    int sockets[8];
    unsigned refused = 0;
    (void)test;
    session_begin("%s", "");
    snprintf(ports, sizeof(ports), "%s", session_word("ports"));
    char *at = ports;
    for (int i = 0; i < 8; i++) {
        long port = strtol(at, &at, 10);
        at += *at == ',';
        sockets[i] = udp_open(NULL);
        udp_connect(sockets[i], port);
        expect("bytes sent", sizeof(session_id),
               send(sockets[i], session_id, sizeof(session_id), 0));
    }
    session_go();
    for (int i = 0; i < 8; i++) {
        uint8_t byte;
        expect("recv() of nothing", -1, recv(sockets[i], &byte, 1, MSG_DONTWAIT));
        if (errno == ECONNREFUSED)
            refused |= 1u << i;
        else if (errno != EAGAIN)
            fail("expected ECONNREFUSED or EAGAIN, got %s", strerror(errno));
        /* The error is reported once. */
        expect("recv() after that", -1, recv(sockets[i], &byte, 1, MSG_DONTWAIT));
        expect("errno (EAGAIN)", EAGAIN, errno);
    }
    session_end("refused=%02x", refused);
}

void test_closed_port(const struct test *test)
{
    long port;
    (void)test;
    close(udp_open(&port)); /* it was free, and is again */
    session_begin("port=%ld", port);
    session_go();
    session_end("%s", "");
}
