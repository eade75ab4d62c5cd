/* Filters: words that must all fit a frame.
 *
 *     arp | ip | icmp | udp | host ADDRESS | port NUMBER      with "and" in between or not
 *     src or dst in front of host and port: only that end;    not in front of a word: it must not fit
 */
#include "tcpdump.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#define CONDITIONS_MAX 16

enum kind { ARP, IP, ICMP, UDP, HOST, PORT };
enum end { EITHER, SOURCE, DESTINATION };

static struct condition {
    enum kind kind;
    enum end end;
    bool negated;
    in_addr_t address;
    in_port_t port; /* host order */
} conditions[CONDITIONS_MAX];
static unsigned count;

static const char *const kind_names[] = {
    [ARP] = "arp", [IP] = "ip", [ICMP] = "icmp", [UDP] = "udp", [HOST] = "host", [PORT] = "port",
};

static in_port_t port_read(const char *text)
{
    const char *wrong;
    in_port_t port = (in_port_t)strtonum(text, 0, 65535, &wrong);

    if (wrong)
        errx(2, "%s: not a port", text);
    return port;
}

/* Takes the word if it is there. */
static bool word_take(char ***words, const char *word)
{
    if (!**words || strcmp(**words, word) != 0)
        return false;
    ++*words;
    return true;
}

static const char *value_take(char ***words, const char *what)
{
    if (!**words)
        errx(2, "%s needs a value", what);
    return *(*words)++;
}

static enum kind kind_take(char ***words)
{
    for (unsigned kind = 0; kind < sizeof kind_names / sizeof kind_names[0]; kind++) {
        if (word_take(words, kind_names[kind]))
            return (enum kind)kind;
    }
    errx(2, "%s: expected arp, ip, icmp, udp, host ADDRESS or port NUMBER",
         **words ? **words : "end");
}

static struct condition condition_take(char ***words)
{
    struct condition c = {.negated = word_take(words, "not")};

    if (word_take(words, "src"))
        c.end = SOURCE;
    else if (word_take(words, "dst"))
        c.end = DESTINATION;
    c.kind = kind_take(words);
    if (c.end != EITHER && c.kind != HOST && c.kind != PORT)
        errx(2, "src and dst go with host and port");
    if (c.kind == PORT)
        c.port = port_read(value_take(words, "port"));
    if (c.kind == HOST) {
        const char *text = value_take(words, "host");
        if (inet_pton(AF_INET, text, &c.address) != 1)
            errx(2, "%s: not an address", text);
    }
    return c;
}

void filter_read(char **words)
{
    while (*words) {
        if (count > 0)
            word_take(&words, "and");
        if (count == CONDITIONS_MAX)
            errx(2, "a filter has at most %d conditions", CONDITIONS_MAX);
        conditions[count++] = condition_take(&words);
    }
}

static bool end_fits(enum end end, bool source_fits, bool destination_fits)
{
    return (end != DESTINATION && source_fits) || (end != SOURCE && destination_fits);
}

static bool fits(const struct condition *c, const struct frame *frame)
{
    bool has_ports = frame->is_ip && frame->protocol == IPPROTO_UDP && frame->transport;

    switch (c->kind) {
    case ARP:
        return frame->is_arp;
    case IP:
        return frame->is_ip;
    case ICMP:
        return frame->is_ip && frame->protocol == IPPROTO_ICMP;
    case UDP:
        return frame->is_ip && frame->protocol == IPPROTO_UDP;
    case HOST:
        return (frame->is_ip || frame->is_arp) &&
               end_fits(c->end, frame->source == c->address, frame->destination == c->address);
    case PORT:
        return has_ports &&
               end_fits(c->end, frame->source_port == c->port, frame->destination_port == c->port);
    }
    return false;
}

bool filter_wants(const struct frame *frame)
{
    for (unsigned i = 0; i < count; i++) {
        if (fits(&conditions[i], frame) == conditions[i].negated)
            return false;
    }
    return true;
}
