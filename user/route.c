/* route: shows, adds and removes routes.
 *
 *   route
 *   route add|del default|ADDRESS[/PREFIX] [gw GATEWAY] [dev INTERFACE]
 *
 * A route is removed by the same words with which it was added.
 */
#include "lib/netconf.h"
#include "lib/output.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show(void)
{
    struct rtentry *routes;
    ssize_t count = list_fetch(SIOCGRTLIST, sizeof *routes, (void **)&routes);

    if (count < 0)
        err(1, "route list");
    printf("%-20s %-16s %s\n", "DESTINATION", "GATEWAY", "INTERFACE");
    for (ssize_t i = 0; i < count; i++) {
        const struct rtentry *r = &routes[i];
        in_addr_t gateway = netconf_address(&r->rt_gateway), mask = netconf_address(&r->rt_genmask);
        printf("%-20s %-16s %s\n",
               mask ? prefix_text(netconf_address(&r->rt_dst), mask) : "default",
               gateway ? address_text(gateway) : "on-link", r->rt_dev);
    }
    free(routes);
    return 0;
}

static int usage(void)
{
    errx(2, "usage: route [add|del default|ADDRESS[/PREFIX] [gw GATEWAY] [dev INTERFACE]]");
}

static int change(unsigned long request, char **words)
{
    in_addr_t destination = 0, mask = 0, gateway = 0;
    const char *name = *words++, *dev = NULL;

    if (strcmp(name, "default") != 0) {
        mask = INADDR_BROADCAST; /* an address alone is a host */
        if (!prefix_read(name, &destination, &mask))
            errx(2, "%s: not an address", name);
    }
    for (; words[0] && words[1]; words += 2) {
        if (strcmp(words[0], "dev") == 0)
            dev = words[1];
        else if (strcmp(words[0], "gw") != 0)
            usage();
        else if (inet_pton(AF_INET, words[1], &gateway) != 1)
            errx(2, "%s: not an address", words[1]);
    }
    if (words[0])
        usage();
    if (route_change(request, destination, mask, gateway, dev)) {
        if (errno == ESRCH)
            errx(1, "%s: no such route", name);
        err(1, "%s", name);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return output_status(show(), 1);
    if (argc >= 3 && strcmp(argv[1], "add") == 0)
        return change(SIOCADDRT, argv + 2);
    if (argc >= 3 && strcmp(argv[1], "del") == 0)
        return change(SIOCDELRT, argv + 2);
    return usage();
}
