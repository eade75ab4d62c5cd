/* nettests: the kernel's own counts, through rvnet's ioctls and sysinfo(). The one file that is not
 * POSIX. */
#include "nettests.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define ENTRIES_MAX 256

/* Fills the array; returns how many entries there are. */
static unsigned list_read(unsigned long request, void *entries)
{
    struct netlist list = {.count = ENTRIES_MAX, .entries = entries};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    expect_success("socket()", fd >= 0);
    expect_success("the ioctl for counters or sockets", ioctl(fd, request, &list) == 0);
    close(fd);
    if (list.available > ENTRIES_MAX)
        fail("expected at most %d counters or sockets, got %u", ENTRIES_MAX,
             (unsigned)list.available);
    return list.count;
}

long count_socket_drops(long port)
{
    static struct sockinfo sockets[ENTRIES_MAX];
    unsigned count = list_read(SIOCGSOCKLIST, sockets);
    for (unsigned i = 0; i < count; i++) {
        if (sockets[i].protocol == IPPROTO_UDP && sockets[i].local.sin_port == htons(port))
            return sockets[i].dropped;
    }
    fail("expected the socket of port %ld in the kernel's list, got none", port);
}

static struct netcounter counters[ENTRIES_MAX];

long count_bad_checksums(void)
{
    long sum = 0;
    unsigned count = list_read(SIOCGCOUNTERS, counters), found = 0;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(counters[i].group, "udp") == 0 && strstr(counters[i].name, "checksum") &&
            counters[i].is_drop) {
            sum += counters[i].value;
            found++;
        }
    }
    if (!found)
        fail("expected a drop counter for UDP checksums, got none");
    return sum;
}

/* In the pool, or posted to or parked at a device: how many are where changes with the traffic. */
static int is_parked(const char *owner)
{
    static const char *const parked[] = {"free", "rx_ring", "tx_ring", "dev_queue"};
    for (unsigned i = 0; i < sizeof(parked) / sizeof(parked[0]); i++) {
        if (strcmp(owner, parked[i]) == 0)
            return 1;
    }
    return 0;
}

void count_resources(struct resources *now)
{
    struct sysinfo info;
    unsigned count = list_read(SIOCGCOUNTERS, counters);
    now->mbufs_total = now->mbufs_held = 0;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(counters[i].group, "mbuf") == 0 && counters[i].is_gauge &&
            strcmp(counters[i].name, "total") != 0) {
            now->mbufs_total += counters[i].value;
            if (!is_parked(counters[i].name))
                now->mbufs_held += counters[i].value;
        }
    }
    if (now->mbufs_total == 0)
        fail("expected the numbers of mbufs by owner, got none");
    expect_success("sysinfo()", sysinfo(&info) == 0);
    now->pages_free = info.free_pages;
}
