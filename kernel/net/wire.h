/* What the protocols look like on the wire: the headers of Ethernet, ARP, IPv4, ICMP and UDP, and
 * their constants. Private to the stack. Multi-byte fields are in network byte order.
 *
 * The structures are packed, so that they have no holes, and aligned to 2: every header starts at
 * an even address, because frames do and all header lengths are even. The compiler may then load
 * halfwords; without that it would gather each field byte by byte. An IP header starts at a multiple
 * of 4: an Ethernet header, which is 14 bytes long, is put 2 bytes before one (mbuf.h).
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "lib/byteorder.h"
#include "lib/types.h"

#define WIRE_STRUCT    __attribute__((packed, aligned(2)))
#define WIRE_STRUCT_IP __attribute__((packed, aligned(4)))

/* A halfword or a word of a packet, whatever structure it is part of. */
typedef uint16_t __attribute__((may_alias)) wire_half;
typedef uint32_t __attribute__((may_alias)) wire_word;

/* --- Ethernet (RFC 894), and what follows a length field (RFC 1042) --- */

#define ETHER_ADDRESS_BYTES 6

struct ether_header {
    uint8_t destination[ETHER_ADDRESS_BYTES];
    uint8_t source[ETHER_ADDRESS_BYTES];
    be16_t type; /* up to ETHER_LENGTH_MAX: the length of an IEEE 802.3 frame's data instead */
} WIRE_STRUCT;
_Static_assert(sizeof(struct ether_header) == 14, "Ethernet header");

#define ETHER_TYPE_IP    0x0800
#define ETHER_TYPE_ARP   0x0806
#define ETHER_LENGTH_MAX 1500
#define ETHER_GROUP_BIT  0x01 /* in the first byte of an address: broadcast or multicast */

/* Ethernet addresses at even places, as they are in frames, devices and the ARP cache. */
static inline bool ether_address_equal(const uint8_t *a, const uint8_t *b)
{
    const wire_half *x = (const wire_half *)a, *y = (const wire_half *)b;
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

static inline void ether_address_copy(uint8_t *to, const uint8_t *from)
{
    wire_half *x = (wire_half *)to;
    const wire_half *y = (const wire_half *)from;
    x[0] = y[0];
    x[1] = y[1];
    x[2] = y[2];
}

struct snap_header {
    uint8_t service_points[2];
    uint8_t control;
    uint8_t organization[3];
    be16_t type;
} WIRE_STRUCT;
_Static_assert(sizeof(struct snap_header) == 8, "LLC and SNAP header");

/* --- ARP for IPv4 over Ethernet (RFC 826) --- */

struct arp_packet {
    be16_t hardware_type;
    be16_t protocol_type;
    uint8_t hardware_length;
    uint8_t protocol_length;
    be16_t operation;
    uint8_t sender_mac[ETHER_ADDRESS_BYTES];
    be32_t sender_ip;
    uint8_t target_mac[ETHER_ADDRESS_BYTES];
    be32_t target_ip;
} WIRE_STRUCT;
_Static_assert(sizeof(struct arp_packet) == 28, "ARP packet");

#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST           1
#define ARP_REPLY             2

/* --- IPv4 (RFC 791, 3.1) --- */

struct ip_header {
    uint8_t version_length; /* version in bits 7:4, header length in words of 4 bytes in 3:0 */
    uint8_t tos;
    be16_t total_length; /* header and payload, bytes */
    be16_t id;
    be16_t fragment; /* flags, and offset in units of 8 bytes */
    uint8_t ttl;
    uint8_t protocol;
    be16_t checksum; /* of the header */
    be32_t source;
    be32_t destination;
} WIRE_STRUCT_IP;
_Static_assert(sizeof(struct ip_header) == 20, "IPv4 header without options");

#define IP_VERSION_LENGTH_PLAIN 0x45 /* version 4, no options */
#define IP_DONT_FRAGMENT        0x4000
#define IP_MORE_FRAGMENTS       0x2000
#define IP_FRAGMENT_OFFSET      0x1fff

#define IP_OPTION_END  0
#define IP_OPTION_NONE 1 /* "no operation"; like the end, one byte without a length */

static inline unsigned ip_header_version(const struct ip_header *header)
{
    return header->version_length >> 4;
}

static inline unsigned ip_header_length(const struct ip_header *header)
{
    return (header->version_length & 0x0fu) * 4;
}

/* --- ICMP (RFC 792) --- */

struct icmp_header {
    uint8_t type;
    uint8_t code;
    be16_t checksum; /* of the whole message */
    union {
        struct {
            be16_t identifier;
            be16_t sequence;
        } WIRE_STRUCT echo;
        be32_t unused; /* errors: 0; pointer or next-hop MTU in some */
    } WIRE_STRUCT;
} WIRE_STRUCT;
_Static_assert(sizeof(struct icmp_header) == 8, "ICMP header");

#define ICMP_ECHO_REPLY        0
#define ICMP_UNREACHABLE       3
#define ICMP_SOURCE_QUENCH     4
#define ICMP_REDIRECT          5
#define ICMP_ECHO_REQUEST      8
#define ICMP_TIME_EXCEEDED     11
#define ICMP_PARAMETER_PROBLEM 12

/* Codes of ICMP_UNREACHABLE (RFC 792; 6 and up: RFC 1122, 3.2.2.1, and RFC 1812, 5.2.7.1) */
#define ICMP_UNREACHABLE_NET            0
#define ICMP_UNREACHABLE_HOST           1
#define ICMP_UNREACHABLE_PROTOCOL       2
#define ICMP_UNREACHABLE_PORT           3
#define ICMP_UNREACHABLE_FRAGMENTATION  4
#define ICMP_UNREACHABLE_SOURCE_ROUTE   5
#define ICMP_UNREACHABLE_NET_UNKNOWN    6
#define ICMP_UNREACHABLE_NET_PROHIBITED 9
#define ICMP_UNREACHABLE_NET_SERVICE    11
#define ICMP_UNREACHABLE_PRECEDENCE     15 /* the last one defined */
#define ICMP_QUOTED_DATA_MIN            8 /* an error quotes at least so much behind the IP header */

/* --- UDP (RFC 768) --- */

struct udp_header {
    be16_t source_port;
    be16_t destination_port;
    be16_t length;   /* header and payload */
    be16_t checksum; /* 0: none was made */
} WIRE_STRUCT;
_Static_assert(sizeof(struct udp_header) == 8, "UDP header");

#endif
