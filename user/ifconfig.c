/* ifconfig [INTERFACE [SETTING]...]: shows interfaces, or changes one.
 *
 * Settings: ADDRESS/PREFIX, or ADDRESS and "netmask MASK"; up, down; mtu N; polled, interrupt (how
 * the device is served); promisc, -promisc, allmulti, -allmulti. They take effect one after the other.
 */
#include "lib/netconf.h"
#include "lib/output.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACES_MAX 16

static const struct {
    int flag;
    const char *name;
} flag_names[] = {
    {IFF_UP, "up"},
    {IFF_RUNNING, "link"},
    {IFF_BROADCAST, "broadcast"},
    {IFF_LOOPBACK, "loopback"},
    {IFF_MULTICAST, "multicast"},
    {IFF_PROMISC, "promisc"},
    {IFF_ALLMULTI, "allmulti"},
    {IFF_POLLED, "polled"},
};

static const struct {
    const char *word;
    int set, clear;
} flag_words[] = {
    {"up", IFF_UP, 0},
    {"down", 0, IFF_UP},
    {"polled", IFF_POLLED, 0},
    {"interrupt", 0, IFF_POLLED},
    {"promisc", IFF_PROMISC, 0},
    {"-promisc", 0, IFF_PROMISC},
    {"allmulti", IFF_ALLMULTI, 0},
    {"-allmulti", 0, IFF_ALLMULTI},
};

static void show_flags(int flags)
{
    const char *separator = "";

    putchar('<');
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if (flags & flag_names[i].flag) {
            printf("%s%s", separator, flag_names[i].name);
            separator = ",";
        }
    }
    putchar('>');
}

static void show_hardware_address(const char *name)
{
    struct ifreq ifr;

    if (interface_get(name, SIOCGIFHWADDR, &ifr) || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return;
    const uint8_t *mac = (const uint8_t *)ifr.ifr_hwaddr.sa_data;
    printf("    ether %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1], mac[2], mac[3], mac[4],
           mac[5]);
}

static void show_address(const char *name)
{
    struct ifreq address, mask, broadcast;

    if (interface_get(name, SIOCGIFADDR, &address) || interface_get(name, SIOCGIFNETMASK, &mask) ||
        netconf_address(&address.ifr_addr) == 0)
        return;
    printf("    inet %s",
           prefix_text(netconf_address(&address.ifr_addr), netconf_address(&mask.ifr_netmask)));
    if (interface_get(name, SIOCGIFBRDADDR, &broadcast) == 0 &&
        netconf_address(&broadcast.ifr_broadaddr))
        printf(" broadcast %s", address_text(netconf_address(&broadcast.ifr_broadaddr)));
    putchar('\n');
}

static int show(const char *name)
{
    struct ifreq flags, mtu;

    if (interface_get(name, SIOCGIFFLAGS, &flags) || interface_get(name, SIOCGIFMTU, &mtu)) {
        warn("%s", name);
        return 1;
    }
    printf("%s: ", name);
    show_flags(flags.ifr_flags);
    printf(" mtu %d\n", mtu.ifr_mtu);
    show_hardware_address(name);
    show_address(name);
    return 0;
}

static int show_all(void)
{
    char names[INTERFACES_MAX][IFNAMSIZ];
    int count = interface_list(names, INTERFACES_MAX), failed = 0;

    if (count < 0)
        err(1, "interface list");
    for (int i = 0; i < count; i++)
        failed |= show(names[i]);
    return failed;
}

static const char *word_after(char **words, const char *what)
{
    if (!words[1])
        errx(2, "%s needs a value", what);
    return words[1];
}

static in_addr_t mask_read(const char *text)
{
    in_addr_t mask;

    if (inet_pton(AF_INET, text, &mask) != 1 || prefix_length(mask) < 0)
        errx(2, "%s: not a netmask", text);
    return mask;
}

/* In each of these: not `now` only looks whether the words make sense. */
static void set_mask(const char *name, const char *text, bool now)
{
    in_addr_t mask = mask_read(text);

    if (now && interface_set_address(name, SIOCSIFNETMASK, mask))
        err(1, "%s: netmask %s", name, text);
}

static void set_mtu(const char *name, const char *text, bool now)
{
    const char *wrong;
    int mtu = (int)strtonum(text, 1, 65535, &wrong);

    if (wrong)
        errx(2, "%s: not an MTU", text);
    if (now && interface_set_number(name, SIOCSIFMTU, mtu))
        err(1, "%s: mtu %s", name, text);
}

/* An address and the mask behind it are set as one: see SIOCSIFPREFIX. Without a mask the address
 * gets that of its class. Returns how many words it took. */
static int set_address(const char *name, char **words, bool now)
{
    const char *text = words[0];
    in_addr_t address, mask = 0;
    bool masked = strchr(text, '/'), mask_follows = words[1] && strcmp(words[1], "netmask") == 0;

    if (!prefix_read(text, &address, &mask))
        errx(2, "%s: neither an address nor a setting", text);
    if (mask_follows)
        mask = mask_read(word_after(words + 1, words[1]));
    if (now && (masked || mask_follows ? interface_set_prefix(name, address, mask)
                                       : interface_set_address(name, SIOCSIFADDR, address)))
        err(1, "%s: address %s%s%s", name, text, mask_follows ? " netmask " : "",
            mask_follows ? words[2] : "");
    return mask_follows ? 3 : 1;
}

/* Carries out the setting at *words; returns how many words it took. */
static int apply(const char *name, char **words, bool now)
{
    for (size_t i = 0; i < sizeof flag_words / sizeof flag_words[0]; i++) {
        if (strcmp(words[0], flag_words[i].word) == 0) {
            if (now && interface_change_flags(name, flag_words[i].set, flag_words[i].clear))
                err(1, "%s: %s", name, words[0]);
            return 1;
        }
    }
    if (strcmp(words[0], "netmask") == 0)
        set_mask(name, word_after(words, "netmask"), now);
    else if (strcmp(words[0], "mtu") == 0)
        set_mtu(name, word_after(words, "mtu"), now);
    else
        return set_address(name, words, now);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return output_status(show_all(), 1);
    if (argc == 2)
        return output_status(show(argv[1]), 1);
    /* Nothing is changed before every word has been understood. */
    for (int now = false; now <= true; now++) {
        for (char **words = argv + 2; *words;)
            words += apply(argv[1], words, now);
    }
    return 0;
}
