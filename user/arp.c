/* arp: shows and changes the ARP cache.
 *
 *   arp [-a]               all entries
 *   arp ADDRESS            one entry
 *   arp -d ADDRESS         removes an entry
 *   arp -s ADDRESS MAC     enters one for good
 *   arp -t [SECONDS]       shows or sets how long an entry stays without being confirmed
 */
#include "lib/netconf.h"
#include "lib/output.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAC_LENGTH 6

static void show(const struct arpreq *entry)
{
    const uint8_t *mac = (const uint8_t *)entry->arp_ha.sa_data;

    printf("%-16s ", address_text(netconf_address(&entry->arp_pa)));
    if (entry->arp_flags & ATF_COM)
        printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    else
        printf("%-17s", "incomplete");
    printf("  %s%s\n", entry->arp_dev, entry->arp_flags & ATF_PERM ? "  permanent" : "");
}

static int show_all(void)
{
    struct arpreq *entries;
    ssize_t count = list_fetch(SIOCGARPLIST, sizeof *entries, (void **)&entries);

    if (count < 0)
        err(1, "ARP list");
    for (ssize_t i = 0; i < count; i++)
        show(&entries[i]);
    free(entries);
    return 0;
}

static bool mac_read(const char *text, uint8_t *mac)
{
    for (int i = 0; i < MAC_LENGTH; i++) {
        char *end;
        unsigned long byte = strtoul(text, &end, 16);
        if (end == text || end - text > 2 || byte > 255 || *end != (i < MAC_LENGTH - 1 ? ':' : 0))
            return false;
        mac[i] = (uint8_t)byte;
        text = end + 1;
    }
    return true;
}

static int one_entry(unsigned long request, const char *address_word, const char *mac_word)
{
    struct arpreq entry = {.arp_ha = {.sa_family = ARPHRD_ETHER}};
    in_addr_t address;

    if (inet_pton(AF_INET, address_word, &address) != 1)
        errx(2, "%s: not an address", address_word);
    entry.arp_pa = netconf_sockaddr(address);
    if (mac_word) {
        if (!mac_read(mac_word, (uint8_t *)entry.arp_ha.sa_data))
            errx(2, "%s: not a hardware address", mac_word);
        entry.arp_flags = ATF_PERM | ATF_COM;
    }
    if (netconf_request(request, &entry))
        err(1, "%s", address_word);
    if (request == SIOCGARP)
        show(&entry);
    return 0;
}

static int timeout_show(void)
{
    uint32_t seconds;

    if (netconf_request(SIOCGARPTIMEOUT, &seconds))
        err(1, "timeout");
    printf("%u\n", seconds);
    return 0;
}

static int timeout_set(const char *word)
{
    const char *wrong;
    uint32_t seconds = (uint32_t)strtonum(word, 1, UINT32_MAX, &wrong);

    if (wrong)
        errx(2, "%s: not a number of seconds", word);
    if (netconf_request(SIOCSARPTIMEOUT, &seconds))
        err(1, "timeout");
    return 0;
}

int main(int argc, char **argv)
{
    const char *option = argc > 1 ? argv[1] : "-a";

    if (strcmp(option, "-a") == 0 && argc <= 2)
        return output_status(show_all(), 1);
    if (strcmp(option, "-d") == 0 && argc == 3)
        return one_entry(SIOCDARP, argv[2], NULL);
    if (strcmp(option, "-s") == 0 && argc == 4)
        return one_entry(SIOCSARP, argv[2], argv[3]);
    if (strcmp(option, "-t") == 0 && argc == 2)
        return output_status(timeout_show(), 1);
    if (strcmp(option, "-t") == 0 && argc == 3)
        return timeout_set(argv[2]);
    if (*option != '-' && argc == 2)
        return output_status(one_entry(SIOCGARP, option, NULL), 1);
    errx(2, "usage: arp [-a] | ADDRESS | -d ADDRESS | -s ADDRESS MAC | -t [SECONDS]");
}
