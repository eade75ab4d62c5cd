/* setsockopt and getsockopt: the options of SOL_SOCKET and IPPROTO_IP that rvnet has.
 *
 * An option is either an int or, for the two timeouts, a struct timeval. Values out of range are
 * refused, except sizes of buffers, which are brought into the permitted range as POSIX allows;
 * getsockopt shows what they have become.
 */
#include "net/socket_internal.h"

#include "abi/errno.h"
#include "lib/string.h"
#include "net/net.h"
#include "proc/clock.h"

/* A level and an option number in one value, for a switch. */
#define OPTION(level, number) ((level) << 16 | (number))

/* Seconds and microseconds, both as they ought to be; 0 means no limit (POSIX, SO_RCVTIMEO). */
static int timeout_parse(const void *value, socklen_t length, uint64_t *ns)
{
    struct timeval time;
    if (length < sizeof(time))
        return -EINVAL;
    memcpy(&time, value, sizeof(time));
    if (time.tv_sec < 0 || time.tv_usec < 0 || time.tv_usec >= 1000000)
        return -EINVAL;
    /* Longer than a century is no limit at all, and would overflow below. */
    if (time.tv_sec > 100ll * 366 * 86400)
        *ns = 0;
    else
        *ns = (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_usec * NS_PER_US;
    return 0;
}

/* At least one datagram, or the socket would be deaf; at most a small part of the mbuf pool. */
static unsigned capacity_clamp(int bytes)
{
    if (bytes < (int)SOCKET_CAPACITY_MIN)
        return SOCKET_CAPACITY_MIN;
    return MIN((unsigned)bytes, SOCKET_CAPACITY_MAX);
}

/* Lock held. What can only be asked (SO_TYPE, SO_ERROR...) is refused like what does not exist. */
static int option_set(struct socket *socket, int level, int option, int value)
{
    switch (OPTION(level, option)) {
    case OPTION(SOL_SOCKET, SO_BROADCAST):
        socket->broadcast_allowed = value != 0;
        return 0;
    case OPTION(SOL_SOCKET, SO_REUSEADDR):
        WRITE_ONCE(socket->reuse_address, value != 0);
        return 0;
    case OPTION(SOL_SOCKET, SO_RCVBUF):
        socket->capacity = capacity_clamp(value);
        return 0;
    case OPTION(SOL_SOCKET,
                SO_SNDBUF): /* kept for getsockopt: what is sent does not wait in the socket */
        socket->send_capacity = capacity_clamp(value);
        return 0;
    case OPTION(IPPROTO_IP,
                IP_TTL): /* RFC 1122, 3.2.1.7, 4.1.4: settable, never 0; -1: the default */
        if (value == 0 || value < -1 || value > UINT8_MAX)
            return -EINVAL;
        socket->ttl = value == -1 ? IP_TTL_DEFAULT : (uint8_t)value;
        return 0;
    case OPTION(IPPROTO_IP, IP_PKTINFO): /* RFC 1122, 4.1.3.5 */
        WRITE_ONCE(socket->packet_info, value != 0);
        return 0;
    case OPTION(IPPROTO_IP, IP_TOS): /* RFC 1122, 3.2.1.6, 4.1.4 */
        if (value < 0 || value > UINT8_MAX)
            return -EINVAL;
        socket->tos = (uint8_t)value;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* Lock held. The value of an int option, or -ENOPROTOOPT; no option's value is negative. */
static int option_get(struct socket *socket, int level, int option)
{
    switch (OPTION(level, option)) {
    case OPTION(SOL_SOCKET, SO_TYPE):
        return SOCK_DGRAM;
    case OPTION(SOL_SOCKET, SO_DOMAIN):
        return AF_INET;
    case OPTION(SOL_SOCKET, SO_PROTOCOL):
        return socket->protocol;
    case OPTION(SOL_SOCKET, SO_ERROR): /* asking is being told: it is reported once */
        return socket_take_error(socket);
    case OPTION(SOL_SOCKET, SO_BROADCAST):
        return socket->broadcast_allowed;
    case OPTION(SOL_SOCKET, SO_REUSEADDR):
        return socket->reuse_address;
    case OPTION(SOL_SOCKET, SO_RCVBUF):
        return (int)socket->capacity;
    case OPTION(SOL_SOCKET, SO_SNDBUF):
        return (int)socket->send_capacity;
    case OPTION(IPPROTO_IP, IP_PKTINFO):
        return socket->packet_info;
    case OPTION(IPPROTO_IP, IP_TTL):
        return socket->ttl;
    case OPTION(IPPROTO_IP, IP_TOS):
        return socket->tos;
    default:
        return -ENOPROTOOPT;
    }
}

/* Where a timeout option is kept; NULL: it is another option. */
static uint64_t *option_timeout(struct socket *socket, int level, int option)
{
    if (level != SOL_SOCKET)
        return NULL;
    if (option == SO_RCVTIMEO)
        return &socket->receive_timeout;
    return option == SO_SNDTIMEO ? &socket->send_timeout : NULL;
}

/* Outside these bounds OPTION() would confuse one option with another. */
static bool option_plausible(int level, int option)
{
    return level >= 0 && level <= INT16_MAX && option >= 0 && option <= INT16_MAX;
}

/* The value is taken apart before the lock, and changes nothing if it is bad. */
int socket_setsockopt(struct socket *socket, int level, int option, const void *value,
                      socklen_t length)
{
    if (!option_plausible(level, option))
        return -ENOPROTOOPT;
    uint64_t *timeout = option_timeout(socket, level, option);
    uint64_t ns = 0;
    int number = 0, result = 0;
    if (timeout)
        result = timeout_parse(value, length, &ns);
    else if (length < sizeof(number))
        result = -EINVAL;
    else
        memcpy(&number, value, sizeof(number));
    if (result < 0)
        return result;

    spinlock_acquire(&socket->lock);
    if (timeout)
        *timeout = ns;
    else
        result = option_set(socket, level, option, number);
    socket_changed(socket);
    spinlock_release(&socket->lock);
    return result;
}

/* Copies what fits, as POSIX has it: a short buffer gets the value's first bytes. */
static void value_copy(void *to, socklen_t *room, const void *from, size_t size)
{
    *room = MIN(*room, (socklen_t)size);
    memcpy(to, from, *room);
}

/* Asking for SO_ERROR changes the socket, so this takes the lock like a change. */
int socket_getsockopt(struct socket *socket, int level, int option, void *value, socklen_t *length)
{
    if (!option_plausible(level, option))
        return -ENOPROTOOPT;
    uint64_t *timeout = option_timeout(socket, level, option);
    spinlock_acquire(&socket->lock);
    uint64_t ns = timeout ? *timeout : 0;
    int number = timeout ? 0 : option_get(socket, level, option);
    spinlock_release(&socket->lock);
    if (timeout) {
        struct timeval time = {.tv_sec = (int64_t)(ns / NS_PER_SEC),
                               .tv_usec = (int64_t)(ns % NS_PER_SEC / NS_PER_US)};
        value_copy(value, length, &time, sizeof(time));
        return 0;
    }
    if (number < 0)
        return number;
    value_copy(value, length, &number, sizeof(number));
    return 0;
}
