/* Takes frames apart and prints them, one line each. The bytes come from the wire, so every length is checked
 * before what it covers is looked at. */
#include "tcpdump.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ETHERNET_HEADER 14u
#define ARP_LENGTH      28u
#define IP_HEADER       20u
#define UDP_HEADER      8u
#define ICMP_HEADER     8u
#define TYPE_IP         0x0800
#define TYPE_ARP        0x0806
#define ARP_REQUEST     1
#define ARP_REPLY       2
#define MORE_FRAGMENTS  0x2000
#define FRAGMENT_OFFSET 0x1fff

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static in_addr_t get_address(const uint8_t *at)
{
    in_addr_t address;
    memcpy(&address, at, sizeof address);
    return address;
}

/* --- Taking apart --- */

static void decode_arp(struct frame *frame)
{
    static const uint8_t ethernet_and_ip[] = {0, 1, 8, 0, 6, 4};

    if (frame->network_length < ARP_LENGTH ||
        memcmp(frame->network, ethernet_and_ip, sizeof ethernet_and_ip) != 0)
        return;
    frame->is_arp = true;
    frame->source = get_address(frame->network + 14);
    frame->destination = get_address(frame->network + 24);
}

/* Only a datagram's first fragment has the header of what it carries. */
static void decode_transport(struct frame *frame, const uint8_t *transport, unsigned there)
{
    unsigned header = frame->protocol == IPPROTO_UDP    ? UDP_HEADER
                      : frame->protocol == IPPROTO_ICMP ? ICMP_HEADER
                                                        : 0;

    if (frame->fragment_offset > 0 || there < header || frame->transport_length < header)
        return;
    frame->transport = transport;
    if (frame->protocol == IPPROTO_UDP) {
        frame->source_port = get16(transport);
        frame->destination_port = get16(transport + 2);
    }
}

static void decode_ip(struct frame *frame)
{
    const uint8_t *ip = frame->network;

    if (frame->network_length < IP_HEADER || ip[0] >> 4 != 4)
        return;
    unsigned header = (ip[0] & 0xfu) * 4, total = get16(ip + 2), fragment = get16(ip + 6);
    if (header < IP_HEADER || header > frame->network_length || total < header)
        return;
    frame->is_ip = true;
    frame->source = get_address(ip + 12);
    frame->destination = get_address(ip + 16);
    frame->protocol = ip[9];
    frame->fragment_offset = (fragment & FRAGMENT_OFFSET) * 8;
    frame->more_fragments = fragment & MORE_FRAGMENTS;
    frame->transport_length = total - header;
    decode_transport(frame, ip + header, frame->network_length - header);
}

void frame_decode(struct frame *frame, const struct packet_record *record, const uint8_t *bytes)
{
    unsigned header = record->loopback ? 0 : ETHERNET_HEADER;

    *frame = (struct frame){.record = record, .bytes = bytes, .type = TYPE_IP};
    if (record->captured < header)
        return;
    if (header)
        frame->type = get16(bytes + 12);
    frame->network = bytes + header;
    frame->network_length = record->captured - header;
    if (frame->type == TYPE_ARP)
        decode_arp(frame);
    if (frame->type == TYPE_IP)
        decode_ip(frame);
}

/* --- Printing --- */

static void print_address(in_addr_t address) { printf("%s", inet_ntoa((struct in_addr){address})); }

static void print_mac(const uint8_t *mac)
{
    printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_arp(const struct frame *frame)
{
    unsigned operation = get16(frame->network + 6);

    printf("ARP, ");
    if (operation == ARP_REPLY) {
        printf("Reply ");
        print_address(frame->source);
        printf(" is-at ");
        print_mac(frame->network + 8);
    } else {
        if (operation == ARP_REQUEST)
            printf("Request who-has ");
        else
            printf("operation %u, target ", operation);
        print_address(frame->destination);
        printf(" tell ");
        print_address(frame->source);
    }
    printf(", length %u", frame->network_length);
}

static void print_icmp(const struct frame *frame)
{
    const uint8_t *icmp = frame->transport;
    static const char *const unreachable[] = {"net", "host", "protocol", "port"};

    if (icmp[0] == 8 || icmp[0] == 0)
        printf("ICMP echo %s, id %u, seq %u", icmp[0] ? "request" : "reply", get16(icmp + 4),
               get16(icmp + 6));
    else if (icmp[0] == 3 && icmp[1] < sizeof unreachable / sizeof unreachable[0])
        printf("ICMP %s unreachable", unreachable[icmp[1]]);
    else if (icmp[0] == 11)
        printf("ICMP time exceeded%s", icmp[1] ? " in reassembly" : "");
    else
        printf("ICMP type %u code %u", icmp[0], icmp[1]);
    printf(", length %u", frame->transport_length);
}

/* The length is what the sender claims: one without room for the header is shown as it stands. */
static void print_udp(const struct frame *frame)
{
    unsigned length = get16(frame->transport + 4);

    if (length < UDP_HEADER)
        printf("UDP, bad length %u", length);
    else
        printf("UDP, length %u", length - UDP_HEADER);
}

static void print_port(const struct frame *frame, in_port_t port)
{
    if (frame->protocol == IPPROTO_UDP && frame->transport)
        printf(".%u", port);
}

static void print_ip(const struct frame *frame)
{
    printf("IP ");
    print_address(frame->source);
    print_port(frame, frame->source_port);
    printf(" > ");
    print_address(frame->destination);
    print_port(frame, frame->destination_port);
    printf(": ");
    if (frame->protocol == IPPROTO_UDP && frame->transport)
        print_udp(frame);
    else if (frame->protocol == IPPROTO_ICMP && frame->transport)
        print_icmp(frame);
    else
        printf("protocol %u, length %u", frame->protocol, frame->transport_length);
    if (frame->fragment_offset || frame->more_fragments)
        printf(", fragment at %u%s", frame->fragment_offset, frame->more_fragments ? "+" : "");
}

void frame_print(const struct frame *frame, const char *interface)
{
    const struct packet_record *record = frame->record;

    printf("%lu.%06lu %s %s ", record->time_ns / 1000000000, record->time_ns / 1000 % 1000000,
           interface, record->direction == PACKET_SENT ? "Out" : "In ");
    if (frame->is_arp)
        print_arp(frame);
    else if (frame->is_ip)
        print_ip(frame);
    else
        printf("type 0x%04x", frame->type);
    printf("%s\n", record->captured < record->length ? " (cut off)" : "");
}
