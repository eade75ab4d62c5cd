/* See link.h. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 20000

uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t in_ms(uint64_t milliseconds) { return now_ns() + milliseconds * 1000000; }

bool link_gone;
uint64_t link_bad;

static int link_fd;
static uint8_t in_buffer[1 << 20], out_buffer[1 << 20];
static size_t in_start, in_end, out_start, out_end;

void out_flush(void)
{
    while (out_start < out_end && !link_gone) {
        ssize_t n = send(link_fd, out_buffer + out_start, out_end - out_start, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR)
            link_gone = true;
        if (n > 0)
            out_start += (size_t)n;
    }
    out_start = out_end = 0;
}

uint8_t *out_frame(size_t length)
{
    uint8_t *at = out_buffer + out_end;

    if (sizeof out_buffer - out_end < 4 + length)
        return NULL;
    put32(at, (uint32_t)length);
    out_end += 4 + length;
    return at + 4;
}

void link_wait(uint64_t deadline)
{
    struct pollfd pollfd = {link_fd, (short)(POLLIN | (out_start < out_end ? POLLOUT : 0)), 0};
    uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000000), (long)(left % 1000000000)};

    if (ppoll(&pollfd, 1, &timeout, NULL) <= 0)
        return;
    out_flush();
    if (in_start > 0) {
        memmove(in_buffer, in_buffer + in_start, in_end - in_start);
        in_end -= in_start;
        in_start = 0;
    }
    ssize_t n = recv(link_fd, in_buffer + in_end, sizeof in_buffer - in_end, 0);
    if (n > 0)
        in_end += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        link_gone = true;
}

uint8_t *in_frame(size_t *length)
{
    size_t have = in_end - in_start;

    if (have < 4)
        return NULL;
    *length = get32(in_buffer + in_start);
    if (*length > FRAME_MAX) {
        link_gone = true; /* out of step: nothing that follows can be understood */
        return NULL;
    }
    if (have < 4 + *length)
        return NULL;
    uint8_t *frame = in_buffer + in_start + 4;
    in_start += 4 + *length;
    return frame;
}

void send_datagram(uint16_t from, uint16_t to, const void *payload, size_t size)
{
    uint8_t *frame = out_frame(HEADERS + size);

    if (frame)
        udp_build(frame, from, to, payload, size);
}

bool frame_take(uint8_t *frame, size_t length, struct datagram *datagram)
{
    if (is_arp_request(frame, length)) {
        uint8_t *answer = out_frame(ARP_LENGTH);
        if (answer)
            arp_answer(answer, frame);
        return false;
    }
    enum verdict verdict = udp_parse(frame, length, datagram);
    link_bad += verdict == FRAME_BAD;
    return verdict == FRAME_DATAGRAM;
}

bool datagram_wait(uint16_t port, struct datagram *datagram, uint64_t deadline)
{
    for (;;) {
        size_t length;
        uint8_t *frame;
        while ((frame = in_frame(&length))) {
            if (frame_take(frame, length, datagram) && datagram->to_port == port)
                return true;
        }
        out_flush();
        if (link_gone || now_ns() >= deadline)
            return false;
        link_wait(deadline);
    }
}

void in_ignore(void)
{
    struct datagram ignored;
    size_t length;

    for (uint8_t *frame; (frame = in_frame(&length));)
        frame_take(frame, length, &ignored);
}

bool out_finish(uint64_t deadline)
{
    while (out_start < out_end && !link_gone && now_ns() < deadline) {
        link_wait(deadline);
        in_ignore();
    }
    return out_start == out_end;
}

bool link_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "peer: %s: too long for a socket's name\n", path);
        return false;
    }
    strcpy(address.sun_path, path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, 1)) {
        perror(path);
        return false;
    }
    printf("{\"listening\": true}\n");
    struct pollfd pollfd = {listener, POLLIN, 0};
    if (poll(&pollfd, 1, CONNECT_MS) != 1) {
        fprintf(stderr, "peer: QEMU does not connect within %d s\n", CONNECT_MS / 1000);
        return false;
    }
    link_fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
    return link_fd >= 0;
}
