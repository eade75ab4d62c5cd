/* nettests: who gets which datagram: ports, queues, connected sockets, broadcast, and a DNS query.
 */
#include "nettests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void test_two_ports(const struct test *test)
{
    long a, b;
    char text[256];
    (void)test;
    int first = udp_open(&a), second = udp_open(&b);
    session_begin("a=%ld b=%ld", a, b);
    session_go();
    snprintf(text, sizeof(text), "%s", udp_drain_hex(first));
    session_end("a=%s b=%s", text, udp_drain_hex(second));
}

#define BURST_ROUNDS 32 /* of 64 datagrams: a queue that keeps them all is as good as unbounded */

/* Nobody reads while the peer sends 64 datagrams, and 64 more until the socket has counted a drop.
 * When the peer's answer to "go" is here, all have been through the stack. The oldest must have
 * been kept. */
void test_burst(const struct test *test)
{
    static uint8_t data[SECRET_MAX];
    uint64_t digest = DIGEST_START;
    long port, kept = 0, dropped = 0;
    ssize_t n;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    for (int round = 0; round < BURST_ROUNDS && dropped == 0; round++) {
        session_go();
        dropped = count_socket_drops(port);
    }
    while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
        digest = digest_add(digest, data, n);
        kept++;
    }
    session_end("kept=%ld dropped=%ld digest=%016llx", kept, dropped, (unsigned long long)digest);
}

void test_connected(const struct test *test)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    long port;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    udp_connect(fd, session_number("port"));
    expect_success("getpeername()", getpeername(fd, (struct sockaddr *)&name, &length) == 0);
    expect("the peer's port in getpeername()", session_number("port"), ntohs(name.sin_port));
    expect("bytes sent", sizeof(session_id), send(fd, session_id, sizeof(session_id), 0));
    session_go();
    session_end("data=%s", udp_drain_hex(fd));
}

void test_unconnected(const struct test *test)
{
    uint8_t data[SECRET_MAX];
    struct sockaddr_in from;
    long port;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    session_go();
    for (int i = 0; i < 2; i++) {
        size_t size = udp_receive(fd, data, sizeof(data), &from);
        ssize_t n = sendto(fd, data, size, 0, (struct sockaddr *)&from, sizeof(from));
        expect("bytes sent back", size, n);
    }
    session_end("%s", "");
}

void test_broadcast_send(const struct test *test)
{
    int yes = 1;
    (void)test;
    int fd = udp_open(NULL);
    session_begin("%s", "");
    struct sockaddr_in all = peer_at(session_number("port")), subnet = all;
    all.sin_addr.s_addr = htonl(INADDR_BROADCAST);
    subnet.sin_addr.s_addr |= htonl(0xff); /* the test network is a /24 */

    ssize_t n = sendto(fd, "forbidden", 9, 0, (struct sockaddr *)&all, sizeof(all));
    int error = n < 0 ? errno : 0;
    expect_success("SO_BROADCAST",
                   setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes)) == 0);
    n = sendto(fd, session_id, sizeof(session_id), 0, (struct sockaddr *)&all, sizeof(all));
    expect_success("sendto() to 255.255.255.255", n >= 0);
    n = sendto(fd, session_id, sizeof(session_id), 0, (struct sockaddr *)&subnet, sizeof(subnet));
    expect_success("sendto() to the subnet's broadcast address", n >= 0);
    session_end("errno=%d", error);
}

void test_broadcast_receive(const struct test *test)
{
    long port;
    (void)test;
    int fd = udp_open(&port);
    session_begin("port=%ld", port);
    session_go();
    session_end("data=%s", udp_drain_hex(fd));
}

/* --- DNS (RFC 1035, 4.1) --- */

#define DNS_PORT   53
#define DNS_HEADER 12

/* A query for the A record of `name`, recursion desired. Returns its size. */
static size_t dns_query_make(uint8_t *query, unsigned id, const char *name)
{
    const uint8_t header[DNS_HEADER] = {id >> 8, id, 1, 0, 0, 1};
    static const uint8_t type_a_class_in[4] = {0, 1, 0, 1};
    memcpy(query, header, sizeof(header));
    uint8_t *at = query + DNS_HEADER;
    while (*name) {
        size_t length = 0; /* of this label, which it precedes */
        while (name[length] && name[length] != '.')
            length++;
        *at++ = length;
        memcpy(at, name, length);
        at += length;
        name += length + (name[length] == '.');
    }
    *at++ = 0;
    memcpy(at, type_a_class_in, sizeof(type_a_class_in));
    return at + sizeof(type_a_class_in) - query;
}

/* Asks the peer's server. Returns the answer code; the address, if there is one, is the answer's
 * last four bytes, as the peer answers with one record. */
static int dns_ask(int fd, unsigned id, const char *name, uint8_t address[4])
{
    uint8_t query[512], answer[512];
    size_t asked = dns_query_make(query, id, name);
    udp_send(fd, DNS_PORT, query, asked);
    size_t size = udp_receive(fd, answer, sizeof(answer), NULL);
    if (size < asked || answer[0] != query[0] || answer[1] != query[1] || !(answer[2] & 0x80))
        fail("expected the answer to DNS query %u, got %d other bytes", id, (int)size);
    if (memcmp(answer + DNS_HEADER, query + DNS_HEADER, asked - DNS_HEADER) != 0)
        fail("expected an answer about %s, got one about another name", name);
    if (answer[7] == 1 && size >= asked + 16)
        memcpy(address, answer + size - 4, 4);
    return answer[3] & 15;
}

void test_dns(const struct test *test)
{
    uint8_t address[4] = {0};
    (void)test;
    int fd = udp_open(NULL);
    session_begin("%s", "");
    int code = dns_ask(fd, 0x1234, session_word("name"), address);
    expect("answer code for a name that exists", 0, code);
    code = dns_ask(fd, 0x1235, session_word("missing"), (uint8_t[4]){0});
    session_end("address=%d.%d.%d.%d code=%d", address[0], address[1], address[2], address[3],
                code);
}
