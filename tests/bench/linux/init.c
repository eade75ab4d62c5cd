/* The first and only program of the Linux guest: loads the driver of the network card, sets the
 * address, and becomes user/bench/main.c. It runs from an initial RAM disk without anything else.
 *
 * With the argument "plain" (behind "--" on the kernel's command line) the echo program takes and
 * answers one datagram a call, as most programs do; without it, as many as are waiting.
 */
#include "rvnet.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../user/lib/netconf.h"

#define INTERFACE "eth0"
#define ADDRESS   "10.0.2.15" /* rig.py and frames.c know it, too */
#define NETMASK   "255.255.0.0"
#define STATS_MAX 1024 /* virtio_net has some 50 */

static bool plain;

int echo_receive(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *wait)
{
    struct msghdr *header = &messages->msg_hdr;

    if (!plain)
        return recvmmsg(fd, messages, count, flags, wait);
    ssize_t n = recvfrom(fd, header->msg_iov->iov_base, header->msg_iov->iov_len, 0,
                         header->msg_name, &header->msg_namelen);
    messages->msg_len = (unsigned)n;
    return n < 0 ? -1 : 1;
}

int echo_send(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    const struct msghdr *header = &messages->msg_hdr;

    if (!plain)
        return sendmmsg(fd, messages, count, flags);
    return sendto(fd, header->msg_iov->iov_base, header->msg_iov->iov_len, 0, header->msg_name,
                  header->msg_namelen) < 0
               ? -1
               : 1;
}

/* --- netconf.h, as far as main.c uses it --- */

int netconf_request(unsigned long request, void *argument)
{
    static int fd = -1;

    if (fd < 0)
        fd = socket(AF_INET, SOCK_DGRAM, 0);
    return ioctl(fd, request, argument);
}

struct sockaddr netconf_sockaddr(in_addr_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {address}};
    struct sockaddr result;

    memcpy(&result, &in, sizeof result);
    return result;
}

int interface_list(char names[][IFNAMSIZ], int room)
{
    strcpy(names[0], INTERFACE);
    return room > 0;
}

int interface_get(const char *name, unsigned long request, struct ifreq *result)
{
    strcpy(result->ifr_name, name);
    return netconf_request(request, result);
}

int interface_change_flags(const char *name, int set, int clear)
{
    (void)name, (void)set, (void)clear;
    errno = EOPNOTSUPP;
    return -1;
}

/* --- counters --- */

/* The sum of the numbers behind `key` in the lines of a file of /proc that contain `word`. */
static unsigned long proc_sum(const char *path, const char *word, const char *key)
{
    char line[512];
    unsigned long sum = 0;
    FILE *file = fopen(path, "r");

    if (!file)
        err(1, "%s", path);
    while (fgets(line, sizeof line, file)) {
        char *at = strstr(line, key), *end;
        if (!at || !strstr(line, word))
            continue;
        for (at += strlen(key);; at = end) {
            unsigned long number = strtoul(at, &end, 10);
            if (end == at)
                break;
            sum += number;
        }
    }
    fclose(file);
    return sum;
}

/* What the driver calls kicks, of its first pair of queues: it has no other. */
static unsigned long doorbells(void)
{
    static struct {
        struct ethtool_gstrings head;
        char name[STATS_MAX][ETH_GSTRING_LEN];
    } names = {.head = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS}};
    static struct {
        struct ethtool_stats head;
        uint64_t value[STATS_MAX];
    } stats = {.head = {.cmd = ETHTOOL_GSTATS}};
    struct ifreq ifr = {.ifr_name = INTERFACE, .ifr_data = (char *)&names};
    unsigned long sum = 0;

    if (netconf_request(SIOCETHTOOL, &ifr))
        return 0;
    ifr.ifr_data = (char *)&stats;
    if (netconf_request(SIOCETHTOOL, &ifr))
        return 0;
    for (uint32_t i = 0; i < stats.head.n_stats; i++) {
        if (strcmp(names.name[i], "rx0_kicks") == 0 || strcmp(names.name[i], "tx0_kicks") == 0)
            sum += stats.value[i];
    }
    return sum;
}

ssize_t list_fetch(unsigned long request, size_t entry_size, void **entries)
{
    struct netcounter counters[] = {
        {"linux", "doorbells", doorbells()},
        {"linux", "interrupts", proc_sum("/proc/interrupts", "virtio", ":")},
        {"linux", "switches", proc_sum("/proc/stat", "ctxt", "ctxt ")},
    };

    (void)request, (void)entry_size;
    *entries = malloc(sizeof counters);
    if (!*entries)
        return -1;
    memcpy(*entries, counters, sizeof counters);
    return sizeof counters / sizeof counters[0];
}

int procinfo(int index, struct procinfo *info)
{
    (void)index, (void)info;
    return -1;
}

/* --- start --- */

/* A driver that is not there is built into the kernel. */
static void module_load(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return;
    if (syscall(SYS_finit_module, fd, "", 0))
        err(1, "%s", path);
    close(fd);
}

static void address_set(unsigned long request, const char *address)
{
    struct ifreq ifr = {.ifr_name = INTERFACE, .ifr_addr = netconf_sockaddr(inet_addr(address))};

    if (netconf_request(request, &ifr))
        err(1, "%s %s", INTERFACE, address);
}

int main(int argc, char **argv)
{
    struct ifreq ifr = {.ifr_name = INTERFACE};

    plain = argc > 1 && strcmp(argv[1], "plain") == 0;
    mkdir("/proc", 0555);
    if (mount("proc", "/proc", "proc", 0, NULL))
        err(1, "/proc");
    /* Each needs the ones before it. */
    module_load("/failover.ko");
    module_load("/net_failover.ko");
    module_load("/virtio_net.ko");
    module_load("/virtio_mmio.ko");
    address_set(SIOCSIFADDR, ADDRESS);
    address_set(SIOCSIFNETMASK, NETMASK);
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    if (netconf_request(SIOCSIFFLAGS, &ifr))
        err(1, INTERFACE);
    return bench_main();
}
