/* The socket system calls, but for those that take a struct msghdr (sysmsg.c): arguments in, results
 * out. Each turns descriptors, pointers and lengths of the calling process into kernel values, checks
 * them, and calls net/socket.h; what the calls mean is decided there. A pointer is followed only by
 * copy_from_user, copy_to_user or through a uio.
 */
#include "sys/sysnet.h"

#include "abi/errno.h"
#include "abi/netconf.h"
#include "fs/file.h"
#include "mm/vm.h"
#include "net/socket.h"
#include "proc/proc.h"
#include "sys/sys.h"

/* No option is longer than a timeval; of a longer buffer only this much is used. */
#define OPTION_SIZE_MAX sizeof(struct timeval)

/* --- Arguments --- */

int sysnet_argument_socket(struct socket **socket, struct file **file)
{
    struct file *found = syscall_argument_file(0);
    if (!found)
        return -EBADF;
    *socket = socket_from_file(found);
    if (file)
        *file = found;
    return *socket ? 0 : -ENOTSOCK;
}

/* A length that the user gives as socklen_t: as POSIX's int it must not be negative. */
static bool length_is_valid(socklen_t length) { return length <= INT32_MAX; }

/* What is beyond a sockaddr_in is of no interest; what is short of one shows in `length`, for the socket
 * layer to judge. */
int sysnet_address_from_user(struct sockaddr *address, uintptr_t user, socklen_t length)
{
    if (!length_is_valid(length))
        return -EINVAL;
    *address = (struct sockaddr){.sa_family = AF_UNSPEC};
    return copy_from_user(address, user, MIN(length, sizeof(*address)));
}

/* Gives an address out the POSIX way: as much as the caller's room takes, and the length it has. */
static int address_to_user(uintptr_t user, uintptr_t user_length, const struct sockaddr_in *address,
                           socklen_t room)
{
    socklen_t length = address->sin_family == AF_INET ? sizeof(*address) : 0;
    if (copy_to_user(user, address, MIN(room, length)) < 0)
        return -EFAULT;
    return copy_to_user(user_length, &length, sizeof(length));
}

/* The buffer in arguments 1 and 2. The largest count is what the result can express. */
static int argument_buffer(struct uio *uio)
{
    *uio =
        (struct uio){.base = syscall_argument(1), .remaining = syscall_argument(2), .user = true};
    return uio->remaining <= INT64_MAX ? 0 : -EINVAL;
}

/* --- Making and naming --- */

/* A table without a free descriptor costs the new socket its only reference, and thereby its
 * life. */
int64_t sys_socket(void)
{
    struct file *file;
    int result = socket_create(syscall_argument_int(0), syscall_argument_int(1),
                               syscall_argument_int(2), &file);
    if (result < 0)
        return result;
    int fd = fd_install(current_proc()->fds, file, 0);
    if (fd < 0)
        file_release(file);
    return fd;
}

/* bind and connect differ only in what they do with the address. */
static int64_t call_with_address(int (*call)(struct socket *, const struct sockaddr *, socklen_t))
{
    struct socket *socket;
    struct sockaddr address;
    socklen_t length = (socklen_t)syscall_argument(2);
    int result = sysnet_argument_socket(&socket, NULL);
    if (result == 0)
        result = sysnet_address_from_user(&address, syscall_argument(1), length);
    return result < 0 ? result : call(socket, &address, length);
}

int64_t sys_bind(void) { return call_with_address(socket_bind); }

int64_t sys_connect(void) { return call_with_address(socket_connect); }

/* So do getsockname and getpeername. */
static int64_t call_for_address(int (*call)(struct socket *, struct sockaddr_in *))
{
    struct socket *socket;
    struct sockaddr_in address;
    socklen_t room;
    int result = sysnet_argument_socket(&socket, NULL);
    if (result < 0)
        return result;
    if (copy_from_user(&room, syscall_argument(2), sizeof(room)) < 0)
        return -EFAULT;
    if (!length_is_valid(room))
        return -EINVAL;
    result = call(socket, &address);
    return result < 0 ? result
                      : address_to_user(syscall_argument(1), syscall_argument(2), &address, room);
}

int64_t sys_getsockname(void) { return call_for_address(socket_getsockname); }

int64_t sys_getpeername(void) { return call_for_address(socket_getpeername); }

/* The only call here that copies nothing. */
int64_t sys_shutdown(void)
{
    struct socket *socket;
    int result = sysnet_argument_socket(&socket, NULL);
    return result < 0 ? result : socket_shutdown(socket, syscall_argument_int(1));
}

/* --- Data --- */

/* send() is this call with a NULL address. The payload is not looked at here: the socket layer
 * copies it straight into the mbuf it will travel in. */
int64_t sys_sendto(void)
{
    struct socket *socket;
    struct file *file;
    struct uio uio;
    struct sockaddr address;
    uintptr_t user = syscall_argument(4);
    socklen_t length = (socklen_t)syscall_argument(5);
    int result = sysnet_argument_socket(&socket, &file);
    if (result == 0)
        result = argument_buffer(&uio);
    if (result == 0 && user)
        result = sysnet_address_from_user(&address, user, length);
    if (result < 0)
        return result;
    int flags = syscall_argument_int(3) | (file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
    return socket_sendto(socket, &uio, flags, user ? &address : NULL, length);
}

/* The address length is read before a datagram is taken: a bad pointer there costs none. */
int64_t sys_recvfrom(void)
{
    struct socket *socket;
    struct file *file;
    struct uio uio;
    struct sockaddr_in from;
    socklen_t room = 0;
    uintptr_t user = syscall_argument(4), user_length = syscall_argument(5);
    int result = sysnet_argument_socket(&socket, &file);
    if (result == 0)
        result = argument_buffer(&uio);
    if (result < 0)
        return result;
    if (user && copy_from_user(&room, user_length, sizeof(room)) < 0)
        return -EFAULT;
    if (!length_is_valid(room))
        return -EINVAL;
    int flags = syscall_argument_int(3) | (file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
    ssize_t received = socket_recvfrom(socket, &uio, flags, &from);
    if (received >= 0 && user && address_to_user(user, user_length, &from, room) < 0)
        return -EFAULT;
    return received;
}

/* --- Options --- */

/* The value is cut to the longest that any option has; one that is too short for its option is
 * refused below. */
int64_t sys_setsockopt(void)
{
    struct socket *socket;
    uint8_t value[OPTION_SIZE_MAX] = {0};
    socklen_t length = (socklen_t)syscall_argument(4);
    int result = sysnet_argument_socket(&socket, NULL);
    if (result < 0)
        return result;
    if (!length_is_valid(length))
        return -EINVAL;
    length = MIN(length, OPTION_SIZE_MAX);
    if (copy_from_user(value, syscall_argument(3), length) < 0)
        return -EFAULT;
    return socket_setsockopt(socket, syscall_argument_int(1), syscall_argument_int(2), value,
                             length);
}

/* The length goes in as the room there is and comes out as what was used of it. */
int64_t sys_getsockopt(void)
{
    struct socket *socket;
    uint8_t value[OPTION_SIZE_MAX];
    socklen_t length;
    uintptr_t user_length = syscall_argument(4);
    int result = sysnet_argument_socket(&socket, NULL);
    if (result < 0)
        return result;
    if (copy_from_user(&length, user_length, sizeof(length)) < 0)
        return -EFAULT;
    if (!length_is_valid(length))
        return -EINVAL;
    length = MIN(length, OPTION_SIZE_MAX);
    result =
        socket_getsockopt(socket, syscall_argument_int(1), syscall_argument_int(2), value, &length);
    if (result < 0)
        return result;
    if (copy_to_user(syscall_argument(3), value, length) < 0)
        return -EFAULT;
    return copy_to_user(user_length, &length, sizeof(length));
}

/* --- ioctl --- */

enum copy_direction { COPY_IN = 1, COPY_OUT = 2, COPY_BOTH = COPY_IN | COPY_OUT };

/* The requests with one structure of a fixed size. This table is all that has to be known of a
 * request to carry it over the user boundary; what it means is the business of net/netconf.c. */
static const struct fixed_request {
    unsigned long request;
    size_t size;
    enum copy_direction direction;
} fixed_requests[] = {
    {FIONREAD, sizeof(int32_t), COPY_OUT},
    {SIOCADDRT, sizeof(struct rtentry), COPY_IN},
    {SIOCDELRT, sizeof(struct rtentry), COPY_IN},
    {SIOCGIFFLAGS, sizeof(struct ifreq), COPY_BOTH},
    {SIOCSIFFLAGS, sizeof(struct ifreq), COPY_IN},
    {SIOCGIFADDR, sizeof(struct ifreq), COPY_BOTH},
    {SIOCSIFADDR, sizeof(struct ifreq), COPY_IN},
    {SIOCGIFBRDADDR, sizeof(struct ifreq), COPY_BOTH},
    {SIOCGIFNETMASK, sizeof(struct ifreq), COPY_BOTH},
    {SIOCSIFNETMASK, sizeof(struct ifreq), COPY_IN},
    {SIOCSIFPREFIX, sizeof(struct ifprefixreq), COPY_IN},
    {SIOCGIFMTU, sizeof(struct ifreq), COPY_BOTH},
    {SIOCSIFMTU, sizeof(struct ifreq), COPY_IN},
    {SIOCGIFHWADDR, sizeof(struct ifreq), COPY_BOTH},
    {SIOCGIFINDEX, sizeof(struct ifreq), COPY_BOTH},
    {SIOCDARP, sizeof(struct arpreq), COPY_IN},
    {SIOCGARP, sizeof(struct arpreq), COPY_BOTH},
    {SIOCSARP, sizeof(struct arpreq), COPY_IN},
    {SIOCGARPTIMEOUT, sizeof(uint32_t), COPY_OUT},
    {SIOCSARPTIMEOUT, sizeof(uint32_t), COPY_IN},
};

/* NULL: there is no such request. A search is fast enough for what a person types. */
static const struct fixed_request *fixed_request_find(unsigned long request)
{
    for (size_t i = 0; i < ARRAY_SIZE(fixed_requests); i++) {
        if (fixed_requests[i].request == request)
            return &fixed_requests[i];
    }
    return NULL;
}

/* The copy is zero where the user's structure is not read, so that nothing of the kernel's stack
 * goes out. */
static int64_t ioctl_fixed(struct file *file, const struct fixed_request *fixed, uintptr_t user)
{
    union {
        struct ifreq interface;
        struct ifprefixreq prefix;
        struct rtentry route;
        struct arpreq arp;
        uint32_t number;
    } argument = {0};
    if ((fixed->direction & COPY_IN) && copy_from_user(&argument, user, fixed->size) < 0)
        return -EFAULT;
    int result = file->ops->ioctl(file, fixed->request, &argument);
    if (result == 0 && (fixed->direction & COPY_OUT))
        result = copy_to_user(user, &argument, fixed->size);
    return result;
}

/* A list request: the caller's array goes to netconf as a uio. Its size need not be honest: every
 * byte that is put there is checked, and no more are put than there are entries. */
static int64_t ioctl_list(unsigned long request, uintptr_t user)
{
    struct netlist list;
    if (copy_from_user(&list, user, sizeof(list)) < 0)
        return -EFAULT;
    struct uio entries = {.base = (uintptr_t)list.entries, .remaining = SIZE_MAX, .user = true};
    int result = netconf_list(request, &list, &entries);
    return result < 0 ? result : copy_to_user(user, &list, sizeof(list));
}

/* SIOCGIFCONF is a list request with a structure of its own. Without a buffer it asks for the size
 * that one would need. */
static int64_t ioctl_interfaces(uintptr_t user)
{
    struct ifconf ifconf;
    if (copy_from_user(&ifconf, user, sizeof(ifconf)) < 0)
        return -EFAULT;
    if (ifconf.ifc_len < 0)
        return -EINVAL;
    struct netlist list = {.count = (uint32_t)ifconf.ifc_len / sizeof(struct ifreq)};
    if (!ifconf.ifc_buf)
        list.count = 0;
    struct uio entries = {.base = (uintptr_t)ifconf.ifc_buf, .remaining = SIZE_MAX, .user = true};
    int result = netconf_list(SIOCGIFCONF, &list, &entries);
    if (result < 0)
        return result;
    uint32_t shown = ifconf.ifc_buf ? list.count : list.available;
    ifconf.ifc_len = (int32_t)(shown * sizeof(struct ifreq));
    return copy_to_user(user, &ifconf, sizeof(ifconf));
}

int64_t sysnet_ioctl(struct file *file, unsigned long request, uintptr_t user_argument)
{
    switch (request) {
    case SIOCGIFCONF:
        return ioctl_interfaces(user_argument);
    case SIOCGRTLIST:
    case SIOCGARPLIST:
    case SIOCGCOUNTERS:
    case SIOCGSOCKLIST:
        return ioctl_list(request, user_argument);
    default:
        break;
    }
    const struct fixed_request *fixed = fixed_request_find(request);
    return fixed ? ioctl_fixed(file, fixed, user_argument) : -ENOTTY;
}
