/* Ethernet, ARP, IPv4 and UDP as the measuring peer needs them: frames from 10.0.2.100 to the
 * guest and back. Every field of what comes in is checked, the checksums too: a fast stack that
 * sends wrong frames is not fast. */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADERS    42 /* Ethernet 14, IPv4 20, UDP 8 */
#define ARP_LENGTH 42
#define FRAME_MAX  2048

enum verdict {
    FRAME_OTHER,    /* not for us to judge */
    FRAME_BAD,      /* UDP to us with something wrong */
    FRAME_DATAGRAM, /* a right datagram to us */
};

struct datagram {
    uint16_t from_port, to_port;
    const uint8_t *payload; /* inside the frame */
    size_t size;
};

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

/* Builds a frame of HEADERS + size bytes that carries the payload to a port of the guest. */
void udp_build(uint8_t *frame, uint16_t from_port, uint16_t to_port, const void *payload,
               size_t size);

enum verdict udp_parse(const uint8_t *frame, size_t length, struct datagram *datagram);

bool is_arp_request(const uint8_t *frame, size_t length); /* for our address */
void arp_answer(uint8_t *frame, const uint8_t *request);  /* ARP_LENGTH bytes */

#endif
