/* Tests of messages: buffers in pieces, and several datagrams in one system call. */
#include "socket_support.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096
#define BATCH 8

static char bytes[PAGE];
static struct sockaddr_in own;

/* Waits until a datagram is there: those of loopback come through another thread. */
static void wait_ready(int fd)
{
    EXPECT(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 2000), 1);
}

static struct msghdr message_of(struct iovec *pieces, size_t count, struct sockaddr_in *name)
{
    return (struct msghdr){.msg_name = name,
                           .msg_namelen = name ? sizeof *name : 0,
                           .msg_iov = pieces,
                           .msg_iovlen = count,
                           .msg_flags = -1};
}

/* Five pieces go out as one datagram, which comes in as three: one empty, one that ends in the
 * middle of a sent one, one too long. */
static void test_gather_and_scatter(void)
{
    char to[2][8] = {"", ""};
    struct sockaddr_in from;
    struct iovec out[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}, {"f", 1}, {"gh", 2}};
    struct iovec in[] = {{to[0], 3}, {to[0], 0}, {to[1], 8}};
    int fd = socket_bound(&own);
    struct msghdr message = message_of(out, 5, &own);

    EXPECT(sendmsg(fd, &message, 0), 8);
    message = message_of(in, 3, &from);
    message.msg_control = bytes;
    message.msg_controllen = sizeof bytes;
    EXPECT(recvmsg(fd, &message, 0), 8);
    EXPECT(memcmp(to, "abc\0\0\0\0\0defgh\0\0", 16), 0);
    EXPECT(message.msg_flags, 0);
    EXPECT(message.msg_controllen, 0);
    EXPECT(CMSG_FIRSTHDR(&message), NULL);
    EXPECT(message.msg_namelen, sizeof from);
    EXPECT(memcmp(&from, &own, sizeof from), 0);
}

/* A short buffer sets MSG_TRUNC in msg_flags; the result is the real length only if MSG_TRUNC was
 * asked for. */
static void test_message_truncation(void)
{
    char to[4];
    struct iovec in[] = {{to, 1}, {to + 1, 2}};
    int fd = socket_bound(&own);

    for (int flags = 0; flags <= MSG_TRUNC; flags += MSG_TRUNC) {
        struct msghdr message = message_of(in, 2, NULL);
        EXPECT(send_to(fd, "abcdef", 6, &own), 6);
        EXPECT(recvmsg(fd, &message, flags), flags ? 6 : 3);
        EXPECT(message.msg_flags, MSG_TRUNC);
        EXPECT(memcmp(to, "abc", 3), 0);
    }
    struct msghdr message = message_of(in, 2, &own);
    message.msg_namelen = 4; /* a short address buffer is told by the length */
    struct sockaddr_in to_address = own;
    EXPECT(send_to(fd, "abc", 3, &to_address), 3);
    EXPECT(recvmsg(fd, &message, MSG_PEEK), 3);
    EXPECT(message.msg_flags, 0); /* just fits */
    EXPECT(message.msg_namelen, sizeof own);
    EXPECT(recvmsg(fd, &message, 0), 3);
    EXPECT_ERROR(recvmsg(fd, &message, MSG_DONTWAIT), EAGAIN);
}

/* POSIX, sendmsg and recvmsg: what is wrong with a header is said before anything is sent or taken.
 */
static void test_message_errors(void)
{
    struct iovec pieces[IOV_MAX + 1];
    int fd = socket_bound(&own);

    for (int i = 0; i <= IOV_MAX; i++)
        pieces[i] = (struct iovec){bytes + i, 1};
    struct msghdr message = message_of(pieces, IOV_MAX, &own);
    EXPECT(sendmsg(fd, &message, 0), IOV_MAX);
    for (size_t count = 0; count <= IOV_MAX + 1; count += IOV_MAX + 1) {
        message = message_of(pieces, count, &own);
        EXPECT_ERROR(sendmsg(fd, &message, 0), EMSGSIZE);
        EXPECT_ERROR(recvmsg(fd, &message, 0), EMSGSIZE);
    }
    pieces[1].iov_len = LONG_MAX;
    message = message_of(pieces, 2, &own);
    EXPECT_ERROR(sendmsg(fd, &message, 0), EINVAL);
    EXPECT_ERROR(recvmsg(fd, &message, 0), EINVAL);
    message = message_of(pieces, 1, &own);
    message.msg_control = bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    EXPECT_ERROR(sendmsg(fd, &message, 0), EINVAL);
    message = message_of(pieces, 1, NULL);
    EXPECT_ERROR(sendmsg(fd, &message, 0), EDESTADDRREQ);
    message = message_of(pieces, 1, &own);
    message.msg_namelen = (socklen_t)-1;
    EXPECT_ERROR(sendmsg(fd, &message, 0), EINVAL);
    EXPECT_ERROR(recvmsg(fd, &message, 0), EINVAL);
    EXPECT_ERROR(recvmsg(fd, &message, 0x4000), EINVAL);
    message.msg_namelen = sizeof own;
    EXPECT_ERROR(recvmsg(fd, &message, MSG_WAITFORONE), EOPNOTSUPP);
    EXPECT_ERROR(sendmsg(-1, &message, 0), EBADF);
    EXPECT_ERROR(recvmsg(STDIN_FILENO, &message, 0), ENOTSOCK);
    EXPECT(recvmsg(fd, &message, 0), 1); /* the only one that was sent is still there */
    EXPECT_ERROR(recvmsg(fd, &message, MSG_DONTWAIT), EAGAIN);
}

/* What IP_PKTINFO told about the datagram in a message. */
static void expect_info(struct msghdr *message, in_addr_t address, int interface)
{
    struct in_pktinfo info;
    struct cmsghdr *header = CMSG_FIRSTHDR(message);

    EXPECT_TRUE(header);
    EXPECT(message->msg_flags, 0);
    EXPECT(header->cmsg_level, IPPROTO_IP);
    EXPECT(header->cmsg_type, IP_PKTINFO);
    EXPECT(header->cmsg_len, CMSG_LEN(sizeof info));
    memcpy(&info, CMSG_DATA(header), sizeof info);
    EXPECT(info.ipi_addr.s_addr, address);
    EXPECT(info.ipi_spec_dst.s_addr, address);
    EXPECT(info.ipi_ifindex, interface);
    EXPECT(CMSG_NXTHDR(message, header), NULL);
}

/* Who is bound to no address can be told which one a datagram was sent to (RFC 1122, 4.1.3.5): one message at
 * a time, and of several each its own. */
static void test_packet_info(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control[2];
    struct iovec part = {bytes, 4};
    struct sockaddr_in to[2];
    struct mmsghdr both[2];
    int on = 1, fd = socket_bound(&own);

    EXPECT(close(fd), 0);
    own.sin_addr.s_addr = INADDR_ANY;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
    for (int i = 0; i < 2; i++) {
        to[i] = own;
        to[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i);
        both[i].msg_hdr = message_of(&part, 1, NULL);
        both[i].msg_hdr.msg_control = &control[i];
        both[i].msg_hdr.msg_controllen = sizeof control[i];
        EXPECT(send_to(fd, "data", 4, &to[i]), 4);
    }
    EXPECT(recvmmsg(fd, both, 2, 0, NULL), 2);
    for (int i = 0; i < 2; i++)
        expect_info(&both[i].msg_hdr, to[i].sin_addr.s_addr, 1);

    struct msghdr *message = &both[0].msg_hdr;
    EXPECT(send_to(fd, "data", 4, &to[1]), 4);
    message->msg_controllen = sizeof control[0];
    EXPECT(recvmsg(fd, message, MSG_PEEK), 4);
    expect_info(message, to[1].sin_addr.s_addr, 1);
    message->msg_controllen = CMSG_LEN(sizeof(struct in_pktinfo)) - 1;
    EXPECT(recvmsg(fd, message, MSG_PEEK), 4); /* there is no room for it */
    EXPECT(message->msg_flags, MSG_CTRUNC);
    EXPECT(message->msg_controllen, 0);
    message->msg_controllen = sizeof control[0];
    message->msg_control = (void *)8;
    EXPECT_ERROR(recvmsg(fd, message, 0), EFAULT);

    on = 0;
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
    EXPECT(send_to(fd, "data", 4, &to[1]), 4);
    message->msg_controllen = sizeof control[0];
    EXPECT(recvmsg(fd, message, 0), 4); /* nothing is written to that address now */
    EXPECT(message->msg_controllen, 0);
}

/* --- several messages --- */

static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_in names[BATCH];
static uint32_t values[BATCH];

/* Each message is one number: 100, 101 and so on to send, and addressed to `own`. */
static void messages_set(bool sending)
{
    for (unsigned i = 0; i < BATCH; i++) {
        values[i] = sending ? 100 + i : 0;
        parts[i] = (struct iovec){&values[i], sizeof values[i]};
        names[i] = own;
        messages[i] = (struct mmsghdr){message_of(&parts[i], 1, &names[i]), 99};
    }
}

static void messages_send(int fd, unsigned count)
{
    messages_set(true);
    EXPECT(sendmmsg(fd, messages, count, 0), count);
    for (unsigned i = 0; i < BATCH; i++)
        EXPECT(messages[i].msg_len, i < count ? sizeof values[0] : 99);
    messages_set(false);
}

static void messages_expect(unsigned count)
{
    for (unsigned i = 0; i < BATCH; i++) {
        EXPECT(values[i], i < count ? 100 + i : 0);
        EXPECT(messages[i].msg_len, i < count ? sizeof values[0] : 99);
        EXPECT(messages[i].msg_hdr.msg_flags, i < count ? 0 : -1);
        EXPECT(memcmp(&names[i], &own, sizeof own), 0);
    }
}

static void test_batch(void)
{
    int fd = socket_bound(&own);

    messages_send(fd, BATCH);
    EXPECT(recvmmsg(fd, messages, BATCH, 0, NULL), BATCH);
    messages_expect(BATCH);
    EXPECT(recvmmsg(fd, messages, 0, 0, NULL), 0);
    EXPECT(sendmmsg(fd, messages, 0, 0), 0);
    EXPECT_ERROR(recvmmsg(fd, messages, 3, MSG_DONTWAIT, NULL), EAGAIN);
    messages_send(fd, 3);
    usleep(20000);
    EXPECT(recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL), 3);
    messages_expect(3);
}

/* More than MMSG_MAX: the rest stays for the next call. */
static void test_batch_is_bounded(void)
{
    static struct mmsghdr many[MMSG_MAX + 2];
    struct iovec part = {bytes, 1};
    int fd = socket_bound(&own);

    for (int i = 0; i < MMSG_MAX + 2; i++)
        many[i].msg_hdr = message_of(&part, 1, &own);
    EXPECT(sendmmsg(fd, many, MMSG_MAX + 2, 0), MMSG_MAX);
    EXPECT(sendmmsg(fd, many, UINT_MAX, 0), MMSG_MAX);
    EXPECT(recvmmsg(fd, many, UINT_MAX, MSG_WAITFORONE, NULL) <= MMSG_MAX, 1);
}

/* It waits for one, and takes only what is there then. */
static void test_wait_for_one(void)
{
    int fd = socket_bound(&own);

    pid_t pid = fork_checked();
    if (pid == 0) {
        pause_ms(100);
        messages_send(fd, 2);
        _exit(0);
    }
    messages_set(false);
    int64_t start = now_ms();
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    EXPECT_TRUE(count == 1 || count == 2);
    EXPECT_TRUE(now_ms() - start >= 50);
    messages_expect((unsigned)count);
    EXPECT(wait_status(pid), 0);
}

/* The timeout ends the wait: for the first with an error, for a later one with what there is. */
static void test_batch_timeout(void)
{
    struct timespec timeout = {0, 100 * 1000000};
    int fd = socket_bound(&own);

    messages_set(false);
    int64_t start = now_ms();
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, 0, &timeout), EAGAIN);
    EXPECT_TRUE(now_ms() - start >= 99);
    messages_send(fd, 2);
    start = now_ms();
    EXPECT(recvmmsg(fd, messages, BATCH, 0, &timeout), 2);
    EXPECT_TRUE(now_ms() - start >= 99);
    messages_expect(2);
    timeout.tv_nsec = -1;
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, 0, &timeout), EINVAL);
    timeout = (struct timespec){0};
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, 0, &timeout), EAGAIN);
}

/* The messages before a bad one go out, and the call says how many; the next call meets the bad one
 * first. */
static void test_batch_ends_early(void)
{
    int fd = socket_bound(&own);

    messages_set(true);
    parts[3].iov_base = (void *)1;
    EXPECT(sendmmsg(fd, messages, BATCH, 0), 3);
    EXPECT_ERROR(sendmmsg(fd, messages + 3, BATCH - 3, 0), EFAULT);
    messages_set(true);
    names[2].sin_family = AF_UNSPEC;
    EXPECT(sendmmsg(fd, messages, BATCH, 0), 2);
    EXPECT_ERROR(sendmmsg(fd, messages + 2, BATCH - 2, 0), EAFNOSUPPORT);
    usleep(20000);
    messages_set(false);
    parts[4].iov_base = (void *)1;
    EXPECT(recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL), 4);
    EXPECT_TRUE(values[2] == 102 && values[3] == 100 && values[4] == 0);
    /* And that one is lost. */
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL), EAGAIN);
}

/* An ICMP error that comes to a batch which has received something is told by the next call. */
static void test_batch_leaves_the_error(void)
{
    struct sockaddr_in peer;
    struct timespec timeout = {0, 500 * 1000000};
    int fd = socket_bound(&own), other = socket_bound(&peer);

    EXPECT(connect(fd, (struct sockaddr *)&peer, sizeof peer), 0);
    EXPECT(connect(other, (struct sockaddr *)&own, sizeof own), 0);
    EXPECT(send(other, "abcd", 4, 0), 4);
    wait_ready(fd);
    pid_t pid = fork_checked();
    if (pid == 0) {
        pause_ms(100);
        close(other);
        send(fd, "x", 1, 0);
        _exit(0);
    }
    close(other);
    messages_set(false);
    EXPECT(recvmmsg(fd, messages, BATCH, 0, &timeout), 1);
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL), ECONNREFUSED);
    EXPECT_ERROR(recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL), EAGAIN);
    EXPECT(wait_status(pid), 0);
}

/* Headers, arrays of pieces and addresses wherever they may lie: across a page boundary, at an odd
 * address. */
static void test_messages_anywhere(void)
{
    uintptr_t page = ((uintptr_t)sbrk(4 * PAGE) + 2 * PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    static const int offsets[] = {0, 1, -1, -8, -20, -40, -63, -64, -65, -128, -100};
    int fd = socket_bound(&own);

    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        messages_set(true);
        char *place = (char *)page + offsets[i];
        memcpy(place, messages, 3 * sizeof messages[0]);
        EXPECT(sendmmsg(fd, (struct mmsghdr *)place, 3, 0), 3);
        messages_set(false);
        memcpy(place, messages, 3 * sizeof messages[0]);
        EXPECT(recvmmsg(fd, (struct mmsghdr *)place, 3, 0, NULL), 3);
        memcpy(messages, place, 3 * sizeof messages[0]);
        messages_expect(3);

        messages_set(true);
        struct iovec *piece = memcpy(place, &parts[0], sizeof parts[0]);
        messages[0].msg_hdr.msg_iov = piece;
        EXPECT(sendmsg(fd, &messages[0].msg_hdr, 0), sizeof values[0]);
        messages[0].msg_hdr = message_of(&parts[0], 1, memset(place, 0, sizeof own));
        EXPECT(recvmsg(fd, &messages[0].msg_hdr, 0), sizeof values[0]);
        EXPECT(memcmp(place, &own, sizeof own), 0);
        EXPECT(sendmsg(fd, &messages[0].msg_hdr, 0), sizeof values[0]);
        EXPECT(recvmsg(fd, &messages[0].msg_hdr, 0), sizeof values[0]);
    }
}

/* A pointer in a header, an array or the header itself that is not the program's, and one that it
 * may only read. */
static void test_message_pointers(void)
{
    static const struct msghdr constant;
    int fd = socket_bound(&own);
    struct iovec part = {bytes, 4};

    for (int i = 0; i < 6; i++) {
        struct msghdr message = message_of(&part, 1, &own);
        void *kernels = (void *)(INT64_MIN + PAGE);
        void *bad[] = {kernels, (void *)PAGE, kernels, NULL, NULL, (void *)8};
        bool array = i % 3 == 1, name = i % 3 == 2;
        part.iov_base = array || name ? bytes : bad[i];
        if (array)
            message.msg_iov = bad[i];
        if (name)
            message.msg_name = bad[i];
        EXPECT_ERROR(sendmsg(fd, &message, 0), EFAULT);
        EXPECT(send_to(fd, "data", 4, &own), 4);
        wait_ready(fd);
        EXPECT_ERROR(recvmsg(fd, &message, 0), EFAULT);
        if (array) /* found before a datagram was taken */
            EXPECT(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), 4);
        EXPECT_ERROR(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), EAGAIN);
    }
    EXPECT_ERROR(recvmsg(fd, (struct msghdr *)&constant, 0), EFAULT);
    EXPECT_ERROR(sendmsg(fd, &constant, 0), EMSGSIZE);
    EXPECT_ERROR(sendmsg(fd, NULL, 0), EFAULT);
    EXPECT_ERROR(recvmsg(fd, NULL, 0), EFAULT);
    EXPECT_ERROR(sendmmsg(fd, NULL, 1, 0), EFAULT);
    EXPECT_ERROR(recvmmsg(fd, NULL, 1, 0, NULL), EFAULT);
    EXPECT_ERROR(sendmmsg(fd, (struct mmsghdr *)8, 1, 0), EFAULT);
    EXPECT_ERROR(recvmmsg(fd, messages, 1, 0, (struct timespec *)8), EFAULT);
}

/* A receiver that waits for more datagrams dies at once, and what it has taken is freed. */
static void test_killed_in_a_batch(void)
{
    int fd = socket_bound(&own);

    messages_send(fd, 2);
    pid_t pid = fork_checked();
    if (pid == 0) {
        recvmmsg(fd, messages, BATCH, 0, NULL);
        _exit(0);
    }
    pause_ms(100);
    EXPECT(kill(pid, SIGKILL), 0);
    EXPECT(wait_status(pid), SIGKILL);
}

const struct test message_tests[] = {
    {"gather_and_scatter", test_gather_and_scatter, 10, false},
    {"message_truncation", test_message_truncation, 10, false},
    {"message_errors", test_message_errors, 10, false},
    {"packet_info", test_packet_info, 10, false},
    {"batch", test_batch, 10, false},
    {"batch_is_bounded", test_batch_is_bounded, 10, false},
    {"wait_for_one", test_wait_for_one, 10, false},
    {"batch_timeout", test_batch_timeout, 10, false},
    {"batch_ends_early", test_batch_ends_early, 10, false},
    {"batch_leaves_the_error", test_batch_leaves_the_error, 10, false},
    {"messages_anywhere", test_messages_anywhere, 10, false},
    {"message_pointers", test_message_pointers, 10, false},
    {"killed_in_a_batch", test_killed_in_a_batch, 10, false},
    {0},
};
