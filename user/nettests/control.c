/* nettests: the conversation with the peer, and what the tests have in common.
 *
 * The protocol is described in tests/harness/control.py: one datagram of words each way, to port
 * 7000. Each request has a sequence word; it is repeated up to twice if no answer comes, and
 * answers to others are ignored. */
#include "nettests.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define CONTROL_PORT    7000
#define ATTEMPTS        3
#define ATTEMPT_TIMEOUT 900 /* milliseconds: three make 2.7 s */
#define MESSAGE_MAX     1400
#define WORD_MAX        128

struct sockaddr_in peer_address;
const struct test *current_test;
uint8_t session_id[8];

static char session_name[17]; /* session_id in hex, as the peer wrote it */
static char begin_answer[MESSAGE_MAX];

void fail(const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    printf("%s: FAIL %s\n", current_test ? current_test->name : "nettests", text);
    exit(1);
}

void expect(const char *what, long expected, long got)
{
    if (expected != got)
        fail("expected %s %ld, got %ld", what, expected, got);
}

void expect_success(const char *call, int good)
{
    if (!good)
        fail("expected %s to succeed, got %s", call, strerror(errno));
}

/* Waits for the answer to `sequence`; gives what follows "SEQUENCE ". NULL: none in time. */
static const char *answer_wait(int fd, const char *sequence, char *answer, size_t size)
{
    size_t length = strlen(sequence);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (poll(&wait, 1, ATTEMPT_TIMEOUT) > 0) {
        ssize_t n = recv(fd, answer, size - 1, 0);
        if (n < 0)
            return NULL; /* port unreachable, for one: there is a host, but no peer */
        answer[n] = 0;
        if (strncmp(answer, sequence, length) == 0 && answer[length] == ' ')
            return answer + length + 1;
    }
    return NULL;
}

/* Sends "SEQUENCE request" and returns the answer behind the sequence word, in `answer`; NULL:
 * none. */
static const char *request_try(const char *request, char *answer, size_t size)
{
    static unsigned requests;
    char sequence[32], message[MESSAGE_MAX];
    struct sockaddr_in control = peer_at(CONTROL_PORT);
    const char *result = NULL;

    snprintf(sequence, sizeof(sequence), "%d.%u", (int)getpid(), ++requests);
    int length = snprintf(message, sizeof(message), "%s %s", sequence, request);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    expect_success("socket()", fd >= 0);
    expect_success("connect()", connect(fd, (struct sockaddr *)&control, sizeof(control)) == 0);
    for (int attempt = 0; attempt < ATTEMPTS && !result; attempt++) {
        /* A failed send is as good as a lost request: an earlier port unreachable is reported here.
         */
        send(fd, message, length, 0);
        result = answer_wait(fd, sequence, answer, size);
    }
    close(fd);
    return result;
}

/* A request that must be answered "ok": returns the words behind it. */
static const char *request(const char *text, char *answer, size_t size)
{
    const char *result = request_try(text, answer, size);
    if (!result)
        fail("expected an answer of the peer to \"%s\", got none", text);
    if (strncmp(result, "ok", 2) != 0)
        fail("%s", strncmp(result, "fail ", 5) == 0 ? result + 5 : result);
    return result + 2;
}

int peer_present(void)
{
    char answer[MESSAGE_MAX];
    return request_try("hello", answer, sizeof(answer)) != NULL;
}

const char *session_word(const char *name)
{
    static char value[WORD_MAX];
    size_t length = strlen(name);
    for (const char *at = begin_answer; *at; at++) {
        if (at[0] == ' ' && strncmp(at + 1, name, length) == 0 && at[length + 1] == '=') {
            at += length + 2;
            size_t n = 0;
            while (at[n] && at[n] != ' ' && n < sizeof(value) - 1)
                n++;
            memcpy(value, at, n);
            value[n] = 0;
            return value;
        }
    }
    fail("expected the word %s from the peer, got \"%s\"", name, begin_answer);
}

long session_number(const char *name) { return strtol(session_word(name), NULL, 10); }

void session_begin(const char *format, ...)
{
    char text[MESSAGE_MAX], answer[MESSAGE_MAX];
    va_list arguments;
    int length = snprintf(text, sizeof(text), "begin %s ", current_test->name);
    va_start(arguments, format);
    vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    snprintf(begin_answer, sizeof(begin_answer), "%s", request(text, answer, sizeof(answer)));
    snprintf(session_name, sizeof(session_name), "%s", session_word("session"));
    for (int i = 0; i < 8; i++) {
        char digits[3] = {session_name[2 * i], session_name[2 * i + 1], 0};
        session_id[i] = strtol(digits, NULL, 16);
    }
}

void session_go(void)
{
    char text[64], answer[MESSAGE_MAX];
    snprintf(text, sizeof(text), "go %s", session_name);
    request(text, answer, sizeof(answer));
}

void session_end(const char *format, ...)
{
    char text[MESSAGE_MAX], answer[MESSAGE_MAX];
    va_list arguments;
    int length = snprintf(text, sizeof(text), "end %s ", session_name);
    va_start(arguments, format);
    vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    request(text, answer, sizeof(answer));
    printf("%s: OK\n", current_test->name);
    exit(0);
}

struct sockaddr_in peer_at(long port)
{
    struct sockaddr_in address = peer_address;
    address.sin_port = htons(port);
    return address;
}

int udp_open(long *port)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t length = sizeof(own);
    struct timeval limit = {.tv_sec = RECEIVE_TIMEOUT};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    expect_success("socket()", fd >= 0);
    expect_success("bind()", bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
    expect_success("getsockname()", getsockname(fd, (struct sockaddr *)&own, &length) == 0);
    expect_success("SO_RCVTIMEO",
                   setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    if (port)
        *port = ntohs(own.sin_port);
    return fd;
}

void udp_connect(int fd, long port)
{
    struct sockaddr_in to = peer_at(port);
    expect_success("connect()", connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
}

void udp_send(int fd, long port, const void *data, size_t size)
{
    struct sockaddr_in to = peer_at(port);
    ssize_t n = sendto(fd, data, size, 0, (struct sockaddr *)&to, sizeof(to));
    expect_success("sendto()", n >= 0);
    expect("bytes sent", size, n);
}

size_t udp_receive(int fd, void *data, size_t size, struct sockaddr_in *from)
{
    socklen_t length = sizeof(*from);
    ssize_t n = recvfrom(fd, data, size, 0, (struct sockaddr *)from, from ? &length : NULL);
    if (n < 0)
        fail("expected a datagram within %d s, got %s", RECEIVE_TIMEOUT, strerror(errno));
    return n;
}

const char *udp_drain_hex(int fd)
{
    static char text[MESSAGE_MAX];
    uint8_t data[SECRET_MAX];
    size_t used = 0;
    ssize_t n;
    text[0] = 0;
    while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) >= 0) {
        if (used + 2 * n >= sizeof(text) - 200)
            fail("expected a few datagrams, got more than %d bytes", (int)used / 2);
        hex_text(data, n, text + used);
        used += 2 * n;
    }
    if (errno != EAGAIN)
        fail("expected EAGAIN from an empty queue, got %s", strerror(errno));
    return text;
}

uint64_t digest_add(uint64_t digest, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3ull;
    return digest;
}

const char *hex_text(const void *data, size_t size, char *text)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    text[2 * size] = 0;
    return text;
}
