/* What the socket tests have in common. */
#ifndef USERTESTS_SOCKET_SUPPORT_H
#define USERTESTS_SOCKET_SUPPORT_H

#include "test.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* A socket on loopback with a port that the kernel chooses; *address is what it is bound to. */
static inline int socket_bound(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_TRUE(fd >= 0);
    EXPECT(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    EXPECT(getsockname(fd, (struct sockaddr *)address, &length), 0);
    EXPECT(length, sizeof *address);
    return fd;
}

static inline ssize_t send_to(int fd, const void *from, size_t n, const struct sockaddr_in *to)
{
    return sendto(fd, from, n, 0, (const struct sockaddr *)to, sizeof *to);
}

/* `from` may be NULL. */
static inline ssize_t receive_from(int fd, void *to, size_t n, int flags, struct sockaddr_in *from)
{
    socklen_t length = sizeof *from;
    return recvfrom(fd, to, n, flags, (struct sockaddr *)from, from ? &length : NULL);
}

#endif
