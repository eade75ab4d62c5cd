/* Interface, route and list requests: see netconf.h. */
#include "netconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Any socket will do, so one is made for the occasion. */
int netconf_request(unsigned long request, void *argument)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        return -1;
    int result = ioctl(fd, request, argument), saved = errno;
    close(fd);
    errno = saved;
    return result;
}

/* Copied instead of cast: struct sockaddr and struct sockaddr_in may not alias. */
struct sockaddr netconf_sockaddr(in_addr_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    struct sockaddr result;

    memcpy(&result, &in, sizeof result);
    return result;
}

in_addr_t netconf_address(const struct sockaddr *address)
{
    struct sockaddr_in in;

    memcpy(&in, address, sizeof in);
    return in.sin_addr.s_addr;
}

int interface_get(const char *name, unsigned long request, struct ifreq *result)
{
    memset(result, 0, sizeof *result);
    strlcpy(result->ifr_name, name, sizeof result->ifr_name);
    return netconf_request(request, result);
}

int interface_set_address(const char *name, unsigned long request, in_addr_t address)
{
    struct ifreq ifr = {.ifr_addr = netconf_sockaddr(address)};

    strlcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    return netconf_request(request, &ifr);
}

int interface_set_prefix(const char *name, in_addr_t address, in_addr_t mask)
{
    struct ifprefixreq prefix = {.ifp_addr = netconf_sockaddr(address),
                                 .ifp_netmask = netconf_sockaddr(mask)};

    strlcpy(prefix.ifp_name, name, sizeof prefix.ifp_name);
    return netconf_request(SIOCSIFPREFIX, &prefix);
}

int interface_set_number(const char *name, unsigned long request, int value)
{
    struct ifreq ifr = {.ifr_mtu = value};

    strlcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);
    return netconf_request(request, &ifr);
}

/* Read, change, write: the flags not named stay as they are. */
int interface_change_flags(const char *name, int set, int clear)
{
    struct ifreq ifr;

    if (interface_get(name, SIOCGIFFLAGS, &ifr))
        return -1;
    ifr.ifr_flags = (int16_t)((ifr.ifr_flags & ~clear) | set);
    return netconf_request(SIOCSIFFLAGS, &ifr);
}

int interface_list(char names[][IFNAMSIZ], int room)
{
    struct ifreq entries[16];
    struct ifconf conf = {.ifc_len = sizeof entries, .ifc_req = entries};

    if (netconf_request(SIOCGIFCONF, &conf))
        return -1;
    int count = conf.ifc_len / (int)sizeof entries[0];
    if (count > room)
        count = room;
    for (int i = 0; i < count; i++)
        strlcpy(names[i], entries[i].ifr_name, IFNAMSIZ);
    return count;
}

/* The flags follow from the arguments. */
int route_change(unsigned long request, in_addr_t destination, in_addr_t mask, in_addr_t gateway,
                 const char *dev)
{
    struct rtentry route = {.rt_dst = netconf_sockaddr(destination),
                            .rt_gateway = netconf_sockaddr(gateway),
                            .rt_genmask = netconf_sockaddr(mask),
                            .rt_flags = RTF_UP};

    if (gateway)
        route.rt_flags |= RTF_GATEWAY;
    if (mask == INADDR_BROADCAST)
        route.rt_flags |= RTF_HOST;
    if (dev)
        strlcpy(route.rt_dev, dev, sizeof route.rt_dev);
    return netconf_request(request, &route);
}

/* Whoever frees the list whatever came of it must find nothing there. */
static ssize_t list_give_up(void **entries)
{
    int saved = errno;

    free(*entries);
    *entries = NULL;
    errno = saved;
    return -1;
}

ssize_t list_fetch(unsigned long request, size_t entry_size, void **entries)
{
    struct netlist list = {.count = 32};

    *entries = NULL;
    for (;;) { /* until the list fits: it may grow meanwhile */
        void *larger = realloc(*entries, list.count * entry_size);
        if (!larger)
            return list_give_up(entries);
        *entries = list.entries = larger;
        uint32_t room = list.count;
        if (netconf_request(request, &list))
            return list_give_up(entries);
        if (list.available <= room)
            return list.count;
        list.count = list.available + 8;
    }
}

/* A shift by 32 would be undefined, so /0 is a case of its own. */
bool prefix_read(const char *text, in_addr_t *address, in_addr_t *mask)
{
    char host[INET_ADDRSTRLEN];
    const char *wrong;
    size_t length = strcspn(text, "/");

    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    if (inet_pton(AF_INET, host, address) != 1)
        return false;
    if (text[length] == 0)
        return true;
    int bits = (int)strtonum(text + length + 1, 0, 32, &wrong);
    if (wrong)
        return false;
    *mask = bits ? htonl(0xffffffffu << (32 - bits)) : 0;
    return true;
}

/* The ones are counted from the left; whatever is left then must be zeros. */
int prefix_length(in_addr_t mask)
{
    uint32_t bits = ntohl(mask);
    int length = 0;

    for (; bits & 0x80000000u; bits <<= 1)
        length++;
    return bits ? -1 : length;
}

/* Several texts may be wanted in one printf(). */
static char *text_buffer(void)
{
    static char buffers[4][2 * INET_ADDRSTRLEN];
    static unsigned next;
    return buffers[next++ % 4];
}

const char *address_text(in_addr_t address)
{
    return inet_ntop(AF_INET, &address, text_buffer(), INET_ADDRSTRLEN);
}

const char *prefix_text(in_addr_t address, in_addr_t mask)
{
    char *text = text_buffer();
    int length = prefix_length(mask);

    if (length < 0)
        snprintf(text, 2 * INET_ADDRSTRLEN, "%s/%x", address_text(address), ntohl(mask));
    else
        snprintf(text, 2 * INET_ADDRSTRLEN, "%s/%d", address_text(address), length);
    return text;
}
