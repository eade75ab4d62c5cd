/* nettests: several processes at once, a process killed while it waits, and what all that leaves
 * behind. */
#include "nettests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_SIZE  8
#define DESCRIPTORS 32

/* A child that holds none of the parent's descriptors but the terminal's and the two to keep (-1:
 * none): main waits for the end of the test by the end of its pipe, and must not wait for a
 * grandchild. */
static pid_t fork_clean(int keep, int keep_too)
{
    fflush(stdout);
    pid_t child = fork();
    expect_success("fork()", child >= 0);
    if (child == 0) {
        for (int fd = 3; fd < DESCRIPTORS; fd++) {
            if (fd != keep && fd != keep_too)
                close(fd);
        }
    }
    return child;
}

struct chain_message {
    uint8_t session[8];
    uint8_t stream[2]; /* big endian, as index */
    uint8_t index[2];
    uint8_t token[TOKEN_SIZE];
};

/* `count` echoes one after the other. Each message carries the token of the answer before, and one
 * more, which is not answered, that of the last. */
static void chain_run(int stream, int count, long port)
{
    struct chain_message message = {.stream = {stream >> 8, stream}}, answer;
    int fd = udp_open(NULL);
    udp_connect(fd, port);
    memcpy(message.session, session_id, sizeof(session_id));
    for (int index = 0; index <= count; index++) {
        message.index[0] = index >> 8;
        message.index[1] = index;
        expect("bytes sent", sizeof(message), send(fd, &message, sizeof(message), 0));
        if (index == count)
            break;
        size_t size = udp_receive(fd, &answer, sizeof(answer), NULL);
        expect("bytes of an answer", sizeof(answer), size);
        if (memcmp(&answer, &message, offsetof(struct chain_message, token)) != 0)
            fail("expected answer %d, got %d", index, answer.index[0] << 8 | answer.index[1]);
        memcpy(message.token, answer.token, TOKEN_SIZE);
    }
    close(fd);
}

/* One child for each stream; all must succeed. */
static void chains_run(void)
{
    int streams = session_number("streams"), count = session_number("count");
    long port = session_number("port");
    for (int stream = 0; stream < streams; stream++) {
        if (fork_clean(-1, -1) == 0) {
            chain_run(stream, count, port);
            exit(0);
        }
    }
    int failed = 0;
    for (int i = 0; i < streams; i++) {
        int status;
        expect_success("waitpid()", waitpid(-1, &status, 0) > 0);
        failed += status != 0;
    }
    if (failed)
        exit(1); /* the children have said why */
}

void test_chain(const struct test *test)
{
    (void)test;
    session_begin("%s", "");
    if (session_number("streams") == 1)
        chain_run(0, session_number("count"), session_number("port"));
    else
        chains_run();
    session_end("%s", "");
}

/* The child of the next test: passes on what it receives until it is killed. */
static void relay(int fd, int pipe_end)
{
    uint8_t data[SECRET_MAX];
    for (;;) {
        ssize_t n = recvfrom(fd, data, sizeof(data), 0, NULL, NULL);
        if (n < 0 || write(pipe_end, data, n) != n)
            fail("expected a datagram and a pipe to write it to, got %s", strerror(errno));
    }
}

/* The child shows with a first datagram that it receives, and waits in recvfrom() for a second. The
 * request to the peer in between gives it ample time to get there. Its socket, of which it holds
 * the only descriptor, must go with it. */
void test_kill_blocked(const struct test *test)
{
    int ends[2], status;
    long port;
    uint8_t data[64];
    char text[2 * sizeof(data) + 1];
    struct timeval forever = {0};
    (void)test;
    expect_success("pipe()", pipe(ends) == 0);
    int fd = udp_open(&port);
    expect_success("SO_RCVTIMEO",
                   setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever)) == 0);
    pid_t child = fork_clean(fd, ends[1]);
    if (child == 0)
        relay(fd, ends[1]);
    close(fd);
    close(ends[1]);
    session_begin("port=%ld", port);
    session_go();
    ssize_t size = read(ends[0], data, sizeof(data));
    expect_success("the child's first receive", size > 0);
    peer_present();
    expect_success("kill()", kill(child, SIGKILL) == 0);
    expect("the killed process", child, waitpid(child, &status, 0));
    session_go();
    session_end("data=%s signal=%d", hex_text(data, size, text),
                WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void send_to_self(int fd, long port, const void *data, size_t size)
{
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    self.sin_port = htons(port);
    ssize_t n = sendto(fd, data, size, 0, (struct sockaddr *)&self, sizeof(self));
    expect("bytes sent", size, n);
}

/* Everything that takes mbufs and pages and must give them back: datagrams left unread in a closed socket,
 * failed sends, processes that are killed with open sockets. Loopback keeps the order: when the second
 * socket has its datagram, the first has all of its own. */
static void make_waste(void)
{
    static uint8_t data[DATAGRAM_MAX + 1];
    struct sockaddr_in peer = peer_at(9);
    long port, fence_port;
    for (int round = 0; round < 8; round++) {
        int fd = udp_open(&port), fence = udp_open(&fence_port);
        for (int i = 0; i < 4; i++)
            send_to_self(fence, port, data, 100 * i);
        send_to_self(fence, fence_port, data, 1);
        udp_receive(fence, data, sizeof(data), NULL);
        expect("sendto() of too much", -1,
               sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, sizeof(peer)));
        close(fd);
        close(fence);
    }
    pid_t child = fork_clean(-1, -1);
    if (child == 0) {
        uint8_t byte;
        struct timeval forever = {0};
        int fd = udp_open(NULL);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
        recv(fd, &byte, 1, 0);
        exit(0);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

#define SAMPLES_AT_REST 4
#define SAMPLES_MAX     200

static int same(const struct resources *a, const struct resources *b)
{
    return a->mbufs_total == b->mbufs_total && a->mbufs_held == b->mbufs_held &&
           a->pages_free == b->pages_free;
}

/* Counts when nothing moves: what was sent last may still be in some thread's hands, or wait for an address
 * that nobody answers for, which takes seconds. So the same must be found several times in a row, 20 ms
 * apart, with no mbuf held; if some are held for good, they are counted in the end. */
static void count_at_rest(struct resources *rest)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int equal = 0;
    count_resources(rest);
    for (int i = 0; i < SAMPLES_MAX && (equal < SAMPLES_AT_REST || rest->mbufs_held); i++) {
        struct resources next;
        nanosleep(&pause, NULL);
        count_resources(&next);
        equal = same(&next, rest) ? equal + 1 : 0;
        *rest = next;
    }
}

void test_no_leak(const struct test *test)
{
    struct resources before, after;
    (void)test;
    session_begin("%s", "");
    make_waste(); /* once before counting: what is allocated once and kept is no leak */
    count_at_rest(&before);
    chains_run();
    for (int i = 0; i < 4; i++)
        make_waste();
    count_at_rest(&after);
    expect("mbufs in all", before.mbufs_total, after.mbufs_total);
    session_end("mbufs=%ld pages=%ld", after.mbufs_held - before.mbufs_held,
                before.pages_free - after.pages_free);
}
