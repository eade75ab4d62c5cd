/* netstat [-imsu]: what the network stack has counted.
 *
 *   -i  interfaces: their counters          -m  mbufs by owner
 *   -s  every layer's counters              -u  sockets
 * Without an option all of it. A counter of packets that were dropped is marked with a "!"; one
 * that is 0 is shown all the same, so that each reason can be seen.
 */
#include "lib/netconf.h"
#include "lib/output.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERFACES_MAX 16

static char interfaces[INTERFACES_MAX][IFNAMSIZ];
static int interface_count;

static bool is_interface(const char *group)
{
    for (int i = 0; i < interface_count; i++) {
        if (strcmp(interfaces[i], group) == 0)
            return true;
    }
    return false;
}

enum section { SECTION_INTERFACES, SECTION_MBUFS, SECTION_LAYERS };

/* A group that has an interface's name is that interface. */
static enum section section_of(const struct netcounter *counter)
{
    if (strcmp(counter->group, "mbuf") == 0)
        return SECTION_MBUFS;
    return is_interface(counter->group) ? SECTION_INTERFACES : SECTION_LAYERS;
}

static void show_counters(const struct netcounter *counters, ssize_t count, enum section section)
{
    const char *group = "";

    for (ssize_t i = 0; i < count; i++) {
        const struct netcounter *c = &counters[i];
        if (section_of(c) != section)
            continue;
        if (strcmp(group, c->group) != 0)
            printf("%s:\n", c->group);
        group = c->group;
        printf("  %c %12lu %s%s\n", c->is_drop ? '!' : ' ', c->value, c->name,
               c->is_gauge ? " (now)" : "");
    }
}

static const char *endpoint_text(const struct sockaddr_in *endpoint, char *text, size_t size)
{
    if (endpoint->sin_addr.s_addr == 0 && endpoint->sin_port == 0)
        return "*";
    snprintf(text, size, "%s:%u",
             endpoint->sin_addr.s_addr ? address_text(endpoint->sin_addr.s_addr) : "*",
             ntohs(endpoint->sin_port));
    return text;
}

/* DROPPED counts what found the queue full. */
static void show_sockets(void)
{
    struct sockinfo *sockets;
    ssize_t count = list_fetch(SIOCGSOCKLIST, sizeof *sockets, (void **)&sockets);
    char local[32], peer[32];

    if (count < 0)
        err(1, "socket list");
    printf("%-5s %8s %8s %8s %8s  %-22s %s\n", "PROTO", "QUEUED", "BYTES", "ROOM", "DROPPED",
           "LOCAL", "PEER");
    for (ssize_t i = 0; i < count; i++) {
        const struct sockinfo *s = &sockets[i];
        printf("%-5s %8u %8u %8u %8lu  %-22s %s\n", s->protocol == IPPROTO_ICMP ? "icmp" : "udp",
               s->queued_datagrams, s->queued_bytes, s->capacity_bytes, s->dropped,
               endpoint_text(&s->local, local, sizeof local),
               endpoint_text(&s->peer, peer, sizeof peer));
    }
    free(sockets);
}

static void show_counter_sections(const bool *wanted)
{
    struct netcounter *counters;
    ssize_t count = list_fetch(SIOCGCOUNTERS, sizeof *counters, (void **)&counters);

    if (count < 0)
        err(1, "counters");
    for (int section = SECTION_INTERFACES; section <= SECTION_LAYERS; section++) {
        if (wanted[section])
            show_counters(counters, count, (enum section)section);
    }
    free(counters);
}

int main(int argc, char **argv)
{
    bool wanted[3] = {false}, sockets = false;

    for (int option; (option = getopt(argc, argv, "imsu")) != -1;) {
        wanted[SECTION_INTERFACES] |= option == 'i';
        wanted[SECTION_MBUFS] |= option == 'm';
        wanted[SECTION_LAYERS] |= option == 's';
        sockets |= option == 'u';
        if (option == '?')
            errx(2, "usage: netstat [-imsu]");
    }
    if (optind < argc)
        errx(2, "usage: netstat [-imsu]");
    if (optind == 1)
        wanted[0] = wanted[1] = wanted[2] = sockets = true;

    interface_count = interface_list(interfaces, INTERFACES_MAX);
    show_counter_sections(wanted);
    if (sockets)
        show_sockets();
    return output_status(0, 1);
}
