/* What the parts of tcpdump share: main.c reads frames and writes them to a file, decode.c takes one apart
 * and prints it, filter.c decides whether it is wanted. */
#ifndef TCPDUMP_H
#define TCPDUMP_H

#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdbool.h>
#include <stdint.h>

/* A frame taken apart as far as it goes: what a broken or cut off one lacks is NULL or 0. */
struct frame {
    const struct packet_record *record;
    const uint8_t *bytes;

    uint16_t type;          /* Ethernet type, host order; loopback's datagrams: IP's */
    const uint8_t *network; /* what follows the Ethernet header */
    unsigned network_length;

    bool is_arp, is_ip;            /* whole and well-formed headers */
    in_addr_t source, destination; /* of IP; ARP's sender and target */
    uint8_t protocol;              /* IP: of what follows its header */
    unsigned fragment_offset;      /* bytes */
    bool more_fragments;
    const uint8_t *transport; /* NULL unless its whole header is there: never in a later fragment */
    unsigned transport_length;               /* as IP's header says, with its own header */
    in_port_t source_port, destination_port; /* UDP, host order */
};

/* decode.c */
void frame_decode(struct frame *frame, const struct packet_record *record, const uint8_t *bytes);
void frame_print(const struct frame *frame, const char *interface);

/* filter.c */
/* Reads the words of a filter; ends the program with a message if they are none. */
void filter_read(char **words);
bool filter_wants(const struct frame *frame);

#endif
