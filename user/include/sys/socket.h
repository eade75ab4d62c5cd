/* <sys/socket.h>: datagram sockets. */
#ifndef USER_SYS_SOCKET_H
#define USER_SYS_SOCKET_H

#include "abi/socket.h"
#include <sys/types.h>

/* Room for every kind of address, aligned for all of them. */
struct sockaddr_storage {
    sa_family_t ss_family;
    char ss_padding[118];
    uint64_t ss_alignment;
};

/* Walks over ancillary data. */
#define CMSG_FIRSTHDR(message)                                                                     \
    ((message)->msg_controllen >= sizeof(struct cmsghdr)                                           \
         ? (struct cmsghdr *)(message)->msg_control                                                \
         : (struct cmsghdr *)NULL)
/* The header after this one, NULL after the last. */
#define CMSG_NXTHDR(message, header) cmsg_next(message, header)

static inline struct cmsghdr *cmsg_next(const struct msghdr *message, const struct cmsghdr *header)
{
    char *next = (char *)header + CMSG_ALIGN(header->cmsg_len);
    char *end = (char *)message->msg_control + message->msg_controllen;
    return next + sizeof(*header) <= end ? (struct cmsghdr *)next : NULL;
}

struct timespec; /* <time.h> */

int socket(int domain, int type, int protocol);
int bind(int fd, const struct sockaddr *address, socklen_t length);
int connect(int fd, const struct sockaddr *address, socklen_t length);
ssize_t send(int fd, const void *from, size_t n, int flags);
ssize_t sendto(int fd, const void *from, size_t n, int flags, const struct sockaddr *to,
               socklen_t length);
ssize_t recv(int fd, void *to, size_t n, int flags);
ssize_t recvfrom(int fd, void *restrict to, size_t n, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict length);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t recvmsg(int fd, struct msghdr *message, int flags);
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length);
int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict length);
int shutdown(int fd, int how);
int setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict length);

#endif
