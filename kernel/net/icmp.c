/* ICMP (RFC 792; RFC 1122, 3.2.2).
 *
 *   icmp_input        answers echo requests; hands echo replies, and errors about what we sent, to sockets
 *   icmp_send_error   tells a sender that its datagram could not be delivered
 *
 * An answer is made in the mbuf of what it answers, so it needs no memory. Errors are the dangerous
 * messages: one about the wrong datagram can multiply without end, so the rules of RFC 1122, 3.2.2
 * decide whether one may be sent at all, and a token bucket how many (RFC 1812, 4.3.2.8).
 *
 * Not answered, on purpose: echo requests to a broadcast address (RFC 1122, 3.2.2.6 permits it),
 * address mask, timestamp and information requests (3.2.2.7 to .9). Not acted on: Source Quench
 * (RFC 6633), Redirect.
 */
#include "net/net.h"

#include "abi/errno.h"
#include "lib/string.h"
#include "net/counters.h"
#include "net/wire.h"

#define ERROR_BURST    32               /* errors that may follow one another at once */
#define ERROR_INTERVAL (10 * NS_PER_MS) /* and after that, one each */
#define ERROR_SIZE_MAX 576 /* RFC 1812, 4.3.2.3: no error is longer, IP header included */

/* Headroom that a message needs in front of its ICMP header, virtio's header included. */
#define OUTPUT_HEADROOM (MBUF_HEADROOM - sizeof(struct udp_header))

static struct {
    struct spinlock lock;
    /* [lock] errors that may be sent now, besides those that `filled` is due for. */
    unsigned tokens;
    uint64_t filled; /* [lock] ns, up to when tokens have been given */
} bucket = {.lock = SPINLOCK_INITIALIZER("icmp bucket"), .tokens = ERROR_BURST};

static void drop(struct mbuf *m, enum net_counter reason)
{
    net_count(reason);
    mbuf_free(m);
}

/* Sees to room for the headers in front of a message. One that came with less is moved: that is
 * rare, so the drivers and layers below need not think of it. */
static bool headroom_ensure(struct mbuf *m)
{
    if (mbuf_headroom(m) >= OUTPUT_HEADROOM)
        return true;
    if (m->length > MBUF_DATA_SIZE)
        return false;
    m->data = memmove(m->buffer + MBUF_HEADROOM, m->data, m->length);
    return true;
}

/* Sends a message whose ICMP header is complete back to where m came from, from the address it went
 * to. 0 or a negated errno. */
static int message_send(struct mbuf *m, be32_t source, be32_t destination, uint8_t tos)
{
    struct ip_send send = {.source = source,
                           .destination = destination,
                           .protocol = IPPROTO_ICMP,
                           .ttl = IP_TTL_DEFAULT,
                           .tos = tos};
    struct ip_destination way;
    int result = headroom_ensure(m) ? ip_route(source, destination, &way) : -ENOBUFS;
    /* IP has compared the sender with the broadcast addresses of the interface it came in on. On
     * another one its address may be that of all, whom no message may reach (RFC 1122, 3.2.2). */
    if (result == 0 && way.broadcast)
        result = -EACCES;
    if (result < 0) {
        mbuf_free(m);
        return result;
    }
    m->flags = 0;
    return ip_output(m, &send, &way);
}

/* --- Echo --- */

/* [lab 5] */
/* Turns a request into its reply, in place: the data stay as they are, and the checksum changes by what
 * the type changes (RFC 1624, 3: HC' = ~(~HC + ~m + m'), which gives 0 for a message of nothing but
 * zeros: its checksum is 0xffff). Counted are echo_broadcast, echo_no_way or echo_replies_sent. */
static void echo_answer(struct mbuf *m)
{
    struct icmp_header *header = (struct icmp_header *)m->data;
    const struct ip_header *ip = (const struct ip_header *)m->ip_header;
    bool to_group =
        (m->flags & (MBUF_LINK_BROADCAST | MBUF_LINK_MULTICAST)) || !ip_is_own(m->destination);
    if (to_group) {
        drop(m, NET_icmp_echo_broadcast);
        return;
    }
    uint32_t sum = (uint16_t)~header->checksum;
    sum += (uint16_t)~BE16(ICMP_ECHO_REQUEST << 8);
    header->type = ICMP_ECHO_REPLY;
    header->checksum = checksum_finish(sum + BE16(ICMP_ECHO_REPLY << 8));
    /* Of a reply of nothing but zeros the sum is 0, which this arithmetic takes for 0xffff; of any other
     * both checksums are right (RFC 1624, 3). */
    if (header->checksum == 0)
        header->checksum = 0xffff;
    /* From the address that was asked (RFC 1122, 3.2.2.6), with the type of service of the request
     * (3.2.1.6). */
    int result = message_send(m, m->destination, m->source, ip->tos);
    net_count(result < 0 ? NET_icmp_echo_no_way : NET_icmp_echo_replies_sent);
}

/* The whole message goes up: ping looks at sequence number and data itself. ICMP has no ports: the mbuf's
 * source_port is 0, recvfrom shows that, and it is what a connected socket has as its peer's. */
static void echo_reply_deliver(struct mbuf *m)
{
    const struct icmp_header *header = (const struct icmp_header *)m->data;
    if (socket_deliver(m, IPPROTO_ICMP, header->echo.identifier))
        net_count(NET_icmp_echo_replies_delivered);
    else
        drop(m, NET_icmp_echo_no_socket);
}

/* --- Errors about what we sent --- */

/* What the sender of a datagram is told. Codes 0, 1, 5 and the like are hints, nothing more: routes
 * and ARP stay as they are (RFC 1122, 3.2.2.1). 0: no such message. */
static int error_number(uint8_t type, uint8_t code)
{
    if (type == ICMP_TIME_EXCEEDED)
        return EHOSTUNREACH;
    if (type == ICMP_PARAMETER_PROBLEM)
        return EPROTO;
    switch (code) {
    case ICMP_UNREACHABLE_PROTOCOL:
    case ICMP_UNREACHABLE_PORT:
        return ECONNREFUSED;
    case ICMP_UNREACHABLE_FRAGMENTATION:
        return EMSGSIZE;
    case ICMP_UNREACHABLE_NET:
    case ICMP_UNREACHABLE_NET_UNKNOWN:
    case ICMP_UNREACHABLE_NET_PROHIBITED:
    case ICMP_UNREACHABLE_NET_SERVICE:
        return ENETUNREACH;
    default:
        return code <= ICMP_UNREACHABLE_PRECEDENCE ? EHOSTUNREACH : 0;
    }
}

/* [lab 5] */
/* Whether the quotation behind the ICMP header is a first fragment with a whole header and 8 bytes
 * of data. */
static bool quote_is_sound(const struct mbuf *m)
{
    const struct ip_header *quoted =
        (const struct ip_header *)(m->data + sizeof(struct icmp_header));
    size_t room = m->length - sizeof(struct icmp_header);
    if (room < sizeof(*quoted) || ip_header_version(quoted) != 4)
        return false;
    unsigned header_length = ip_header_length(quoted);
    return header_length >= sizeof(*quoted) && header_length + ICMP_QUOTED_DATA_MIN <= room &&
           (quoted->fragment & BE16(IP_FRAGMENT_OFFSET)) == 0;
}

/* Tells the socket that sent the quoted datagram. False: it is of no kind that sockets send. */
static bool error_tell(const struct ip_header *quoted, int error)
{
    const uint8_t *transport = (const uint8_t *)quoted + ip_header_length(quoted);
    const struct udp_header *udp = (const struct udp_header *)transport;
    const struct icmp_header *icmp = (const struct icmp_header *)transport;
    if (quoted->protocol == IPPROTO_UDP)
        socket_icmp_error(IPPROTO_UDP, quoted->source, udp->source_port, quoted->destination,
                          udp->destination_port, error);
    else if (quoted->protocol == IPPROTO_ICMP && icmp->type == ICMP_ECHO_REQUEST)
        socket_icmp_error(IPPROTO_ICMP, quoted->source, icmp->echo.identifier, quoted->destination,
                          0, error);
    else
        return false;
    return true;
}

/* Whether we can have sent the quoted datagram to where the error came from: what goes to ourselves is on no
 * wire, so an error about it that comes from one is made up. */
static bool quote_is_ours(const struct mbuf *m, const struct ip_header *quoted)
{
    return ip_is_own(quoted->source) &&
           ((m->flags & MBUF_LOOPBACK) || !ip_is_own(quoted->destination));
}

/* Whatever becomes of it, an error is never answered (RFC 1122, 3.2.2). */
static void error_deliver(struct mbuf *m)
{
    const struct icmp_header *header = (const struct icmp_header *)m->data;
    const struct ip_header *quoted = (const struct ip_header *)(header + 1);
    int error = error_number(header->type, header->code);
    if (error == 0)
        net_count(NET_icmp_unknown_type);
    else if (!quote_is_sound(m))
        net_count(NET_icmp_error_bad_quote);
    else if (!quote_is_ours(m, quoted) || !error_tell(quoted, error))
        net_count(NET_icmp_error_not_ours);
    else
        net_count(NET_icmp_errors_delivered);
    mbuf_free(m);
}

/* --- Input --- */

/* One check of the length serves all types, since every header is 8 bytes; one of the checksum,
 * the whole message. */
void icmp_input(struct netdev *dev, struct mbuf *m)
{
    const struct icmp_header *header = (const struct icmp_header *)m->data;
    (void)dev;
    net_count(NET_icmp_received);
    if (m->length < sizeof(*header)) {
        drop(m, NET_icmp_too_short);
        return;
    }
    if (checksum_finish(checksum_add(0, m->data, m->length)) != 0) {
        drop(m, NET_icmp_bad_checksum);
        return;
    }
    switch (header->type) {
    case ICMP_ECHO_REQUEST:
        echo_answer(m);
        break;
    case ICMP_ECHO_REPLY:
        echo_reply_deliver(m);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        error_deliver(m);
        break;
    case ICMP_SOURCE_QUENCH:
        drop(m, NET_icmp_source_quench);
        break;
    case ICMP_REDIRECT:
        drop(m, NET_icmp_redirect);
        break;
    default: /* RFC 1122, 3.2.2: silently discarded */
        drop(m, NET_icmp_unknown_type);
    }
}

/* --- Errors about what we received --- */

/* [lab 5] */
/* Whether a received ICMP datagram is itself an error; unknown types are taken for errors. */
static bool is_icmp_error(const struct mbuf *m)
{
    const struct ip_header *ip = (const struct ip_header *)m->ip_header;
    const uint8_t *type = m->ip_header + m->ip_header_length;
    if (ip->protocol != IPPROTO_ICMP)
        return false;
    bool present = type < m->data + m->length;
    return !present || (*type != ICMP_ECHO_REQUEST && *type != ICMP_ECHO_REPLY);
}

/* [lab 5] */
/* The cases in which no error may be sent (RFC 1122, 3.2.2): about any ICMP message but an echo, about what
 * went to more than one host by its IP or link address, about a fragment that is not the first, to what is
 * not one host: 0/8, a broadcast address, 224/3, and outside loopback (MBUF_LOOPBACK) 127/8. */
static bool error_is_forbidden(const struct netdev *dev, const struct mbuf *m)
{
    const struct ip_header *ip = (const struct ip_header *)m->ip_header;
    if (is_icmp_error(m) || !ip_is_own(ip->destination))
        return true;
    if (m->flags & (MBUF_LINK_BROADCAST | MBUF_LINK_MULTICAST))
        return true;
    if (ip->fragment & BE16(IP_FRAGMENT_OFFSET))
        return true;
    unsigned first = ntohl(ip->source) >> 24;
    bool outside_loopback = first == 127 && !(m->flags & MBUF_LOOPBACK);
    return first == 0 || first >= 224 || outside_loopback || ip_is_broadcast(dev, ip->source);
}

/* Takes a token; false: errors have been sent too fast. Another hart may have read the clock later
 * and be faster with the lock: then `filled` lies ahead of our `now`, and nothing is due. */
static bool token_take(void)
{
    uint64_t now = clock_ns();
    spinlock_acquire(&bucket.lock);
    uint64_t due = now > bucket.filled ? (now - bucket.filled) / ERROR_INTERVAL : 0;
    bucket.filled += due * ERROR_INTERVAL;
    bucket.tokens = (unsigned)MIN(bucket.tokens + due, (uint64_t)ERROR_BURST);
    bool taken = bucket.tokens > 0;
    if (taken)
        bucket.tokens--;
    spinlock_release(&bucket.lock);
    return taken;
}

/* [lab 5] */
/* Makes of m the error about it: the datagram, from its header on and unchanged, as far as ERROR_SIZE_MAX
 * allows, behind an ICMP header. m->data may be anywhere behind m->ip_header. */
static void error_build(struct mbuf *m, uint8_t type, uint8_t code)
{
    const unsigned quote_max =
        ERROR_SIZE_MAX - sizeof(struct ip_header) - sizeof(struct icmp_header);
    mbuf_push(m, (uint32_t)(m->data - m->ip_header));
    mbuf_truncate(m, MIN(m->length, quote_max));
    headroom_ensure(m); /* so short a message always fits */
    struct icmp_header *header = mbuf_push(m, sizeof(*header));
    *header = (struct icmp_header){.type = type, .code = code};
    header->checksum = checksum_finish(checksum_add(0, m->data, m->length));
}

/* Permission comes before the token, so that what may not be answered takes none away. */
void icmp_send_error(struct netdev *dev, struct mbuf *m, uint8_t type, uint8_t code)
{
    if (error_is_forbidden(dev, m)) {
        drop(m, NET_icmp_errors_suppressed);
        return;
    }
    if (!token_take()) {
        drop(m, NET_icmp_errors_rate_limited);
        return;
    }
    error_build(m, type, code);
    int result = message_send(m, m->destination, m->source, 0);
    net_count(result < 0 ? NET_icmp_errors_no_way : NET_icmp_errors_sent);
}
