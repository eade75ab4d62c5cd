/* Tests of sockets: what is refused, and with which error; options; interface requests. */
#include "socket_support.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

static char bytes[70000];

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    EXPECT_TRUE(fd >= 0);
    return fd;
}

static struct sockaddr_in address_of(uint32_t host, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr = {htonl(host)}, .sin_port = htons(port)};
}

static void test_socket_kinds(void)
{
    EXPECT_ERROR(socket(99, SOCK_DGRAM, 0), EAFNOSUPPORT);
    EXPECT_ERROR(socket(AF_INET6, SOCK_DGRAM, 0), EAFNOSUPPORT);
    EXPECT_TRUE(socket(AF_INET, SOCK_STREAM, 0) == -1);
    EXPECT_TRUE(errno == EPROTOTYPE || errno == EPROTONOSUPPORT);
    EXPECT_TRUE(socket(AF_INET, 77, 0) == -1);
    EXPECT_ERROR(socket(AF_INET, SOCK_DGRAM, 6), EPROTONOSUPPORT);
    EXPECT_TRUE(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) >= 0);
}

static void test_not_a_socket(void)
{
    struct sockaddr_in address = address_of(INADDR_LOOPBACK, 0);
    socklen_t length = sizeof address;

    file_make("f", 1);
    int fd = open("f", O_RDWR);
    EXPECT_ERROR(bind(fd, (struct sockaddr *)&address, length), ENOTSOCK);
    EXPECT_ERROR(connect(fd, (struct sockaddr *)&address, length), ENOTSOCK);
    EXPECT_ERROR(send(fd, "x", 1, 0), ENOTSOCK);
    EXPECT_ERROR(recv(fd, bytes, 1, 0), ENOTSOCK);
    EXPECT_ERROR(getsockname(fd, (struct sockaddr *)&address, &length), ENOTSOCK);
    EXPECT_ERROR(getpeername(fd, (struct sockaddr *)&address, &length), ENOTSOCK);
    EXPECT_ERROR(shutdown(fd, SHUT_RD), ENOTSOCK);
    EXPECT_ERROR(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &length, sizeof length), ENOTSOCK);
    EXPECT_ERROR(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, bytes, &length), ENOTSOCK);
    EXPECT_ERROR(lseek(socket_new(), 0, SEEK_SET), ESPIPE);
}

/* A port has one owner, an address must be ours, and a socket is bound once. */
static void test_bind_errors(void)
{
    struct sockaddr_in address;
    int fd = socket_bound(&address), second = socket_new();

    EXPECT_ERROR(bind(second, (struct sockaddr *)&address, sizeof address), EADDRINUSE);
    EXPECT_ERROR(bind(fd, (struct sockaddr *)&address, sizeof address), EINVAL); /* it is bound */
    EXPECT_ERROR(bind(second, (struct sockaddr *)&address, 8), EINVAL);
    EXPECT_ERROR(bind(second, (struct sockaddr *)&address, 0), EINVAL);
    struct sockaddr_in foreign = address_of(0xc0000201, 5000); /* 192.0.2.1 */
    EXPECT_ERROR(bind(second, (struct sockaddr *)&foreign, sizeof foreign), EADDRNOTAVAIL);
    foreign.sin_family = 77;
    EXPECT_ERROR(bind(second, (struct sockaddr *)&foreign, sizeof foreign), EAFNOSUPPORT);
    close(fd);
    EXPECT(bind(second, (struct sockaddr *)&address, sizeof address), 0);
}

static void test_send_errors(void)
{
    struct sockaddr_in address, target = address_of(INADDR_LOOPBACK, 0);
    int fd = socket_bound(&address);

    EXPECT_ERROR(send(fd, "x", 1, 0), EDESTADDRREQ);
    EXPECT_ERROR(send_to(fd, "x", 1, &target), EINVAL); /* port 0 */
    EXPECT_ERROR(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, 4), EINVAL);
    EXPECT_ERROR(sendto(fd, "x", 1, 0xff00, (struct sockaddr *)&address, sizeof address),
                 EOPNOTSUPP);
    EXPECT_ERROR(send_to(fd, bytes, 65508, &address), EMSGSIZE);
    EXPECT_ERROR(send_to(fd, bytes, sizeof bytes, &address), EMSGSIZE);
    EXPECT_ERROR(connect(fd, (struct sockaddr *)&target, 3), EINVAL);
    target = address;
    target.sin_family = 77;
    EXPECT_ERROR(send_to(fd, "x", 1, &target), EAFNOSUPPORT);
    EXPECT_ERROR(connect(fd, (struct sockaddr *)&target, sizeof target), EAFNOSUPPORT);
    EXPECT_ERROR(recv(fd, bytes, 1, 0xff00), EOPNOTSUPP);
}

static void test_broadcast_needs_permission(void)
{
    struct sockaddr_in target = address_of(INADDR_BROADCAST, 9);
    int fd = socket_new(), on = 1;

    EXPECT_ERROR(send_to(fd, "x", 1, &target), EACCES);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
    ssize_t n = send_to(fd, "x", 1, &target);
    EXPECT_TRUE(n == 1 || (n == -1 && (errno == ENETUNREACH || errno == ENETDOWN)));
}

static int option_get(int fd, int option)
{
    int value = -1;
    socklen_t length = sizeof value;

    EXPECT(getsockopt(fd, SOL_SOCKET, option, &value, &length), 0);
    EXPECT(length, sizeof value);
    return value;
}

/* Lengths are checked, and a short buffer is not written beyond. */
static void test_options(void)
{
    int fd = socket_new(), value = 20000;
    socklen_t length = sizeof value;
    struct timeval wrong = {.tv_usec = 1000000};

    EXPECT(option_get(fd, SO_TYPE), SOCK_DGRAM);
    EXPECT(option_get(fd, SO_ERROR), 0);
    EXPECT(option_get(fd, SO_BROADCAST), 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value), 0);
    EXPECT_TRUE(option_get(fd, SO_RCVBUF) >= 20000);
    EXPECT_ERROR(setsockopt(fd, SOL_SOCKET, 9999, &value, sizeof value), ENOPROTOOPT);
    EXPECT_ERROR(setsockopt(fd, 9999, SO_RCVBUF, &value, sizeof value), ENOPROTOOPT);
    EXPECT_ERROR(getsockopt(fd, SOL_SOCKET, 9999, &value, &length), ENOPROTOOPT);
    EXPECT_ERROR(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, 2), EINVAL);
    EXPECT_TRUE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof wrong) == -1);
    EXPECT_TRUE(errno == EINVAL);
    /* A short buffer gets as much of the value as fits. */
    uint8_t low = 0xee;
    length = 1;
    EXPECT(getsockopt(fd, SOL_SOCKET, SO_TYPE, &low, &length), 0);
    EXPECT_TRUE(length == 1 && low == SOCK_DGRAM);
}

static void test_interface_requests(void)
{
    struct ifreq ifr = {.ifr_name = "lo"};
    int fd = socket_new();

    EXPECT(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
    EXPECT(ifr.ifr_flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
    EXPECT(ioctl(fd, SIOCGIFADDR, &ifr), 0);
    EXPECT(((struct sockaddr_in *)&ifr.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    EXPECT(ioctl(fd, SIOCGIFMTU, &ifr), 0);
    EXPECT_TRUE(ifr.ifr_mtu >= 1500);
    strcpy(ifr.ifr_name, "nothing9");
    EXPECT_ERROR(ioctl(fd, SIOCGIFFLAGS, &ifr), ENODEV);
    EXPECT_ERROR(ioctl(fd, SIOCSIFADDR, &ifr), ENODEV);
    memset(ifr.ifr_name, 'x', sizeof ifr.ifr_name); /* without an end */
    EXPECT_TRUE(ioctl(fd, SIOCGIFFLAGS, &ifr) == -1 && (errno == EINVAL || errno == ENODEV));
    EXPECT_ERROR(ioctl(fd, 0x89ff, &ifr), ENOTTY);
    file_make("f", 1);
    EXPECT_ERROR(ioctl(open("f", O_RDWR), SIOCGIFFLAGS, &ifr), ENOTTY);
}

/* The kernel writes no more entries than there is room for, and says how many there are. */
static void test_lists(void)
{
    struct sockaddr_in address;
    struct sockinfo sockets[2];
    struct netlist list = {.count = 0, .entries = sockets};
    int fd = socket_bound(&address);

    EXPECT(ioctl(fd, SIOCGSOCKLIST, &list), 0);
    EXPECT(list.count, 0);
    EXPECT_TRUE(list.available >= 1);
    list.count = 1;
    EXPECT(ioctl(fd, SIOCGSOCKLIST, &list), 0);
    EXPECT(list.count, 1);
    struct ifreq one[1];
    struct ifconf conf = {.ifc_len = sizeof one, .ifc_req = one};
    EXPECT(ioctl(fd, SIOCGIFCONF, &conf), 0);
    EXPECT(conf.ifc_len, sizeof one);
    conf.ifc_len = 0;
    EXPECT(ioctl(fd, SIOCGIFCONF, &conf), 0);
    EXPECT(conf.ifc_len, 0);
}

/* Nothing here may change the tables. */
static void test_route_errors(void)
{
    struct rtentry route = {.rt_dst = {.sa_family = AF_INET},
                            .rt_gateway = {.sa_family = AF_INET},
                            .rt_genmask = {.sa_family = AF_INET}};
    struct arpreq entry = {.arp_pa = {.sa_family = AF_INET}};
    int fd = socket_new();

    memcpy(route.rt_dst.sa_data + 2, "\xc0\x00\x02\x00", 4);
    memcpy(route.rt_genmask.sa_data + 2, "\xff\xff\xff\x00", 4);
    memcpy(route.rt_gateway.sa_data + 2, "\xc6\x33\x64\x01", 4); /* 198.51.100.1, on no link */
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    EXPECT_ERROR(ioctl(fd, SIOCADDRT, &route), ENETUNREACH);
    EXPECT_ERROR(ioctl(fd, SIOCDELRT, &route), ESRCH);
    memcpy(route.rt_genmask.sa_data + 2, "\xff\x00\xff\x00", 4);
    EXPECT_ERROR(ioctl(fd, SIOCADDRT, &route), EINVAL);
    memcpy(entry.arp_pa.sa_data + 2, "\xc6\x33\x64\x01", 4);
    EXPECT_ERROR(ioctl(fd, SIOCGARP, &entry), ENETUNREACH);
    EXPECT_ERROR(ioctl(fd, SIOCDARP, &entry), ENETUNREACH);
}

const struct test socket_error_tests[] = {
    {"socket_kinds", test_socket_kinds, 10, false},
    {"not_a_socket", test_not_a_socket, 10, false},
    {"bind_errors", test_bind_errors, 10, false},
    {"send_errors", test_send_errors, 10, false},
    {"broadcast_needs_permission", test_broadcast_needs_permission, 10, false},
    {"options", test_options, 10, false},
    {"interface_requests", test_interface_requests, 10, false},
    {"lists", test_lists, 10, false},
    {"route_errors", test_route_errors, 10, false},
    {0},
};
