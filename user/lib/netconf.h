/* What ifconfig, route, arp, netstat and init have in common: the interface, route and list
 * requests of abi/netconf.h as functions. Addresses in network byte order. Unless said otherwise:
 * 0, or -1 and errno. */
#ifndef USER_LIB_NETCONF_H
#define USER_LIB_NETCONF_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

/* Makes an ioctl on a socket opened for it. */
int netconf_request(unsigned long request, void *argument);

struct sockaddr netconf_sockaddr(in_addr_t address);
in_addr_t netconf_address(const struct sockaddr *address);

/* Interface requests by name. */
int interface_get(const char *name, unsigned long request, struct ifreq *result);
int interface_set_address(const char *name, unsigned long request, in_addr_t address);
int interface_set_prefix(const char *name, in_addr_t address, in_addr_t mask);
int interface_set_number(const char *name, unsigned long request, int value); /* SIOCSIFMTU */
int interface_change_flags(const char *name, int set, int clear);

/* The names of all interfaces: how many, or -1. */
int interface_list(char names[][IFNAMSIZ], int room);

/* Adds or removes a route (SIOCADDRT, SIOCDELRT). gateway 0: on-link; dev NULL: whichever fits. */
int route_change(unsigned long request, in_addr_t destination, in_addr_t mask, in_addr_t gateway,
                 const char *dev);

/* One of rvnet's lists (SIOCG...LIST, SIOCGCOUNTERS), in memory from malloc(). Returns the number
 * of entries, -1 on failure; then *entries is NULL. */
ssize_t list_fetch(unsigned long request, size_t entry_size, void **entries);

/* Reads ADDRESS/PREFIX or ADDRESS (then *mask is left alone); false if it is neither. */
bool prefix_read(const char *text, in_addr_t *address, in_addr_t *mask);
int prefix_length(in_addr_t mask); /* -1: not a row of ones followed by zeros */
/* "10.0.2.0/24" in a buffer that is valid until the fourth call after. */
const char *prefix_text(in_addr_t address, in_addr_t mask);
const char *address_text(in_addr_t address); /* the same for one address */

#endif
