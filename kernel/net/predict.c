/* Header prediction: see predict.h.
 *
 * Datagrams that arrive together mostly belong together: same hosts, same ports, same length. What the layers
 * have found out about the first one (that it is for us, that its lengths fit each other, whose it is) is
 * then true for the next, and a few words compared say so. What may differ is checked: IP's identification
 * and TTL by IP's checksum, the payload by UDP's. A frame in which anything else differs, or whose checksum
 * is wrong, goes the usual way, which finds out and counts what is wrong with it.
 *
 * Who is taken here counts like all others, in each layer that it has passed. The layers must have agreed to
 * it: Ethernet and IP say that their headers are plain, UDP that the datagram is in order.
 */
#include "net/predict.h"

#include "net/capture.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/net.h"

typedef uint64_t __attribute__((may_alias)) header_word;

/* What may differ: in word 2 IP's identification, TTL and checksum, in word 4 UDP's checksum. */
#define IP_WORD  2
#define IP_SAME  0x0000ff00ffff0000 /* fragment, protocol */
#define UDP_WORD 4
#define UDP_SAME 0x0000ffffffffffff /* ports, length */

#define NONE_EXPECTED UINT32_MAX

struct prediction {
    unsigned version;      /* net_config_version, when this was last looked at */
    bool at_work;          /* predict_input() is */
    uint32_t frame_length; /* of the expected frame, bytes, padding included; or NONE_EXPECTED */
    uint32_t candidate_length; /* of the frame that goes the usual way now */
    uint32_t payload_length;   /* bytes */
    uint32_t sum;              /* headers_udp_sum() */
    struct headers headers;
};

static struct prediction predictions[NETDEV_MAX + 1]; /* by index; the device's poll thread's */

/* The words begin at the Ethernet header's third byte. */
static const header_word *words_of(const struct headers *headers)
{
    return (const header_word *)headers + 1;
}

static bool headers_are_same(const struct headers *one, const struct headers *other)
{
    const header_word *a = words_of(one), *b = words_of(other);
    uint64_t difference =
        (uint64_t)(*(const wire_half *)&one->ether ^ *(const wire_half *)&other->ether);
    difference |= (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[3] ^ b[3]);
    difference |= (a[IP_WORD] ^ b[IP_WORD]) & IP_SAME;
    difference |= (a[UDP_WORD] ^ b[UDP_WORD]) & UDP_SAME;
    return difference == 0;
}

/* The checksum over the expected header is right. So it is over one that differs in one word, if that has the
 * same one's complement sum. */
static bool ip_checksum_is_right(const struct headers *headers, const struct headers *expected)
{
    uint64_t a = words_of(headers)[IP_WORD], b = words_of(expected)[IP_WORD];
    return a == b || checksum_fold_16(checksum_fold_32(a)) == checksum_fold_16(checksum_fold_32(b));
}

/* Unless there is none, or the device has looked at it. */
static bool udp_checksum_is_right(const struct mbuf *m, const struct headers *headers,
                                  const struct prediction *expected)
{
    if (headers->udp.checksum == 0 || (m->flags & MBUF_CSUM_VERIFIED))
        return true;
    uint32_t sum = expected->sum + headers->udp.checksum;
    return checksum_finish(checksum_add(sum, headers + 1, expected->payload_length)) == 0;
}

static bool is_expected(const struct mbuf *m, const struct prediction *expected)
{
    if (m->length != expected->frame_length || !headers_are_aligned(m->data))
        return false;
    const struct headers *headers = headers_of(m->data);
    return headers_are_same(headers, &expected->headers) &&
           ip_checksum_is_right(headers, &expected->headers) &&
           udp_checksum_is_right(m, headers, expected);
}

/* Leaves the payload, and what the layers note in an mbuf on its way up. */
static void headers_take_off(struct mbuf *m, const struct prediction *expected)
{
    m->ip_header = m->data + sizeof(struct ether_header);
    m->ip_header_length = sizeof(struct ip_header);
    m->source = expected->headers.ip.source;
    m->destination = expected->headers.ip.destination;
    m->source_port = expected->headers.udp.source_port;
    m->data += HEADERS_SIZE;
    m->length = expected->payload_length;
}

/* Hands up the first n frames of the list, up to `last`, whose headers are off; n may be 0. */
static void run_deliver(struct netdev *dev, struct list *frames, struct list_node *last, unsigned n,
                        const struct prediction *expected)
{
    struct list run;
    if (n == 0)
        return;
    list_init(&run);
    list_move_front(&run, frames, last);
    net_count_many(NET_ether_received, n);
    net_count_many(NET_ip_received, n);
    net_count_many(NET_ip_delivered, n);
    net_count_many(NET_udp_received, n);
    net_count_many(NET_udp_predicted, n);
    udp_deliver(dev, &run, n, expected->headers.udp.destination_port);
}

/* The version is read before any frame is looked at: what is concluded from addresses that change
 * meanwhile is forgotten the next time. */
static NOINLINE struct prediction *prediction_begin(const struct netdev *dev)
{
    struct prediction *expected = &predictions[dev->index];
    unsigned version = __atomic_load_n(&net_config_version, __ATOMIC_ACQUIRE);
    if (expected->version != version)
        expected->frame_length = NONE_EXPECTED;
    expected->version = version;
    expected->at_work = true;
    return expected;
}

/* Expected frames stay in the list until another one comes, before which they go up: so the order stays. */
void predict_input(struct netdev *dev, struct list *frames)
{
    struct prediction *expected = prediction_begin(dev);
    struct list_node *last = &frames->head;
    unsigned n = 0;
    while (last->next != &frames->head) {
        struct mbuf *m = LIST_ENTRY(last->next, struct mbuf, node);
        capture(dev, m, PACKET_RECEIVED); /* here, so that it stands before its answer */
        if (is_expected(m, expected)) {
            headers_take_off(m, expected);
            last = last->next;
            n++;
            continue;
        }
        run_deliver(dev, frames, last, n, expected);
        last = &frames->head;
        n = 0;
        list_remove(&m->node);
        expected->candidate_length = m->length;
        ether_input(dev, m);
    }
    run_deliver(dev, frames, last, n, expected);
    expected->at_work = false;
}

void predict_learn(const struct netdev *dev, const struct mbuf *m)
{
    struct prediction *expected = &predictions[dev->index];
    const unsigned plain = MBUF_ETHER_PLAIN | MBUF_IP_PLAIN;
    if (!expected->at_work || (m->flags & plain) != plain)
        return;
    uint8_t *frame = m->ip_header - sizeof(struct ether_header);
    if (!headers_are_aligned(frame))
        return;
    expected->headers = *headers_of(frame);
    expected->frame_length = expected->candidate_length;
    expected->payload_length = m->length - (uint32_t)sizeof(struct udp_header);
    expected->sum = headers_udp_sum(&expected->headers);
}

void predict_forget(const struct netdev *dev)
{
    predictions[dev->index].frame_length = NONE_EXPECTED;
}
