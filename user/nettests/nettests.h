/* nettests: what its files share.
 *
 * main.c runs the tests, control.c talks with the peer about them, basics.c, delivery.c, errors.c
 * and processes.c are the tests, counts.c reads what only rvnet can tell. Everything but counts.c
 * is plain POSIX.
 *
 * A test is a function that runs in a process of its own. It opens a session with session_begin(),
 * does its work, and ends in session_end() with its proofs; the peer judges, from what it has seen
 * on the wire. Whatever goes wrong before that ends the process in fail(). So no test returns, and
 * none needs to tidy up. */
#ifndef NETTESTS_H
#define NETTESTS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define DATAGRAM_MAX    1472 /* 1500 - 20 (IP) - 8 (UDP) */
#define SECRET_MAX      1536 /* the longest datagram the tests receive, and a little more */
#define RECEIVE_TIMEOUT 3    /* seconds that a test waits for one datagram */

struct test {
    const char *name; /* as the peer knows it */
    void (*run)(const struct test *test);
    int argument;         /* of the test's function */
    int deadline_seconds; /* after which it is killed and has failed */
};

/* --- control.c --- */

extern struct sockaddr_in peer_address; /* port 0; set once, by main */
extern const struct test *current_test; /* set once in the test's process */
extern uint8_t session_id[8];           /* the fresh random number of this test's session */

/* Ends the process with "NAME: FAIL " and the text, which reads "expected ..., got ...". */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* fail() unless both are the same. */
void expect(const char *what, long expected, long got);
/* fail() with errno's text unless `good`. */
void expect_success(const char *call, int good);

/* Is there a peer? 1, or 0 after three requests without an answer (2.7 s). */
int peer_present(void);
/* Opens the session; the arguments are "NAME=VALUE ..." that this test's judge wants, or "". */
void session_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A number, or a word, of the peer's answer to session_begin(). */
long session_number(const char *name);
const char *session_word(const char *name);
/* The peer sends the test's datagrams. On return all of them have arrived, as this answer came
 * behind them. */
void session_go(void);
/* Hands over the proofs and ends the process with the peer's verdict. */
void session_end(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* --- helpers of the tests, in control.c --- */

struct sockaddr_in peer_at(long port); /* the peer's address with this port (host byte order) */
/* A UDP socket bound to a free port (*port, host byte order, may be NULL) with RECEIVE_TIMEOUT. */
int udp_open(long *port);
void udp_connect(int fd, long port);                             /* to the peer */
void udp_send(int fd, long port, const void *data, size_t size); /* to the peer */
/* One datagram; *from may be NULL. Returns its size; nothing in time is a failure. */
size_t udp_receive(int fd, void *data, size_t size, struct sockaddr_in *from);
/* All that is in the socket's queue now, joined, as hex digits: for proofs. Returns a static
 * buffer. */
const char *udp_drain_hex(int fd);

/* FNV-1a, as judges.py has it. */
uint64_t digest_add(uint64_t digest, const void *data, size_t size);
#define DIGEST_START 0xcbf29ce484222325ull
const char *hex_text(const void *data, size_t size, char *text); /* text: 2 * size + 1 bytes */

/* --- the tests --- */

void test_transmit(const struct test *test);
void test_receive(const struct test *test);
void test_echo(const struct test *test);
void test_too_long(const struct test *test);
void test_two_ports(const struct test *test);
void test_burst(const struct test *test);
void test_connected(const struct test *test);
void test_unconnected(const struct test *test);
void test_broadcast_send(const struct test *test);
void test_broadcast_receive(const struct test *test);
void test_dns(const struct test *test);
void test_bad_checksum(const struct test *test);
void test_refused(const struct test *test);
void test_closed_port(const struct test *test);
void test_chain(const struct test *test);
void test_kill_blocked(const struct test *test);
void test_no_leak(const struct test *test);

/* --- counts.c: rvnet's own requests --- */

/* Dropped at the socket bound to this port (host byte order) for want of room. */
long count_socket_drops(long port);
/* UDP datagrams dropped for their checksum since boot. */
long count_bad_checksums(void);
struct resources {
    long mbufs_total; /* over all owners */
    long mbufs_held;  /* not in the pool and not in a device's rings: in sockets, in the stack */
    long pages_free;
};
void count_resources(struct resources *now);

#endif
