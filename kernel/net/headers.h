/* The headers of a plain UDP frame in one piece: Ethernet, IP without options, UDP. For those who treat
 * datagrams that are alike together: predict.c when they come in, train.c when they go out.
 *
 * In an mbuf UDP's header begins at a multiple of 8 (MBUF_HEADROOM, MBUF_RX_ALIGN), so the headers are 5
 * words, which can be moved whole, behind the first two bytes.
 */
#ifndef NET_HEADERS_H
#define NET_HEADERS_H

#include "abi/socket.h"
#include "lib/types.h"
#include "net/mbuf.h"
#include "net/net.h"
#include "net/wire.h"

#define HEADERS_BEFORE (MBUF_RX_ALIGN % 8)
struct headers {
    uint8_t before[HEADERS_BEFORE]; /* not part of the frame */
    struct ether_header ether;
    struct ip_header ip;
    struct udp_header udp;
} __attribute__((packed, aligned(8)));
#define HEADERS_SIZE (sizeof(struct headers) - HEADERS_BEFORE) /* in the frame */
_Static_assert(offsetof(struct headers, udp) % 8 == 0, "headers in words");
_Static_assert((MBUF_HEADROOM - HEADERS_SIZE) % 8 == HEADERS_BEFORE, "also in front of a payload");

static inline bool headers_are_aligned(const uint8_t *frame)
{
    return ((uintptr_t)frame & 7) == HEADERS_BEFORE;
}

/* Of an aligned frame. */
static inline struct headers *headers_of(uint8_t *frame)
{
    return (struct headers *)(frame - HEADERS_BEFORE);
}

/* Over UDP's pseudo-header, and over its header without the checksum: less than 2^18, so that a checksum
 * can be added to it. */
static inline uint32_t headers_udp_sum(const struct headers *headers)
{
    const struct udp_header *udp = &headers->udp;
    uint32_t pseudo = checksum_pseudo(headers->ip.source, headers->ip.destination, IPPROTO_UDP,
                                      ntohs(udp->length));
    return checksum_fold_16(pseudo) + udp->source_port + udp->destination_port + udp->length;
}

#endif
