/* See frames.h. The guest has the addresses that rig.py gives it. */
#include "frames.h"

#include <string.h>

#define ETHERNET_HEADER 14
#define IP_HEADER       20
#define UDP_HEADER      8
#define TYPE_IP         0x0800
#define TYPE_ARP        0x0806
#define PROTOCOL_UDP    17

static const uint8_t our_mac[6] = {0x52, 0x55, 0x0a, 0x00, 0x02, 0x64};
static const uint8_t guest_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t our_ip[4] = {10, 0, 2, 100};
static const uint8_t guest_ip[4] = {10, 0, 2, 15};

/* The Internet checksum's sum (RFC 1071), eight bytes a step, in the machine's own byte order
 * (section 2 (B)). */
static uint64_t sum_add(uint64_t sum, const void *data, size_t n)
{
    const uint8_t *at = data;
    uint64_t word = 0;

    for (; n >= 8; at += 8, n -= 8) {
        memcpy(&word, at, 8);
        sum += word;
        sum += sum < word;
    }
    word = 0;
    memcpy(&word, at, n);
    sum += word;
    return sum + (sum < word);
}

static uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void put_sum(uint8_t *at, uint64_t sum)
{
    uint16_t value = (uint16_t)~sum_fold(sum);
    memcpy(at, &value, sizeof value);
}

/* Header and payload with the pseudo-header in front (RFC 768). */
static uint64_t udp_sum(const uint8_t *ip, size_t length)
{
    uint8_t pseudo[12] = {0};

    memcpy(pseudo, ip + 12, 8);
    pseudo[9] = PROTOCOL_UDP;
    put16(pseudo + 10, (uint16_t)length);
    return sum_add(sum_add(0, pseudo, sizeof pseudo), ip + IP_HEADER, length);
}

void udp_build(uint8_t *frame, uint16_t from_port, uint16_t to_port, const void *payload,
               size_t size)
{
    uint8_t *ip = frame + ETHERNET_HEADER, *udp = ip + IP_HEADER;

    memset(frame, 0, HEADERS);
    memcpy(frame, guest_mac, 6);
    memcpy(frame + 6, our_mac, 6);
    put16(frame + 12, TYPE_IP);
    ip[0] = 0x45;
    put16(ip + 2, (uint16_t)(IP_HEADER + UDP_HEADER + size));
    put16(ip + 6, 0x4000); /* do not fragment */
    ip[8] = 64;
    ip[9] = PROTOCOL_UDP;
    memcpy(ip + 12, our_ip, 4);
    memcpy(ip + 16, guest_ip, 4);
    put_sum(ip + 10, sum_add(0, ip, IP_HEADER));
    put16(udp, from_port);
    put16(udp + 2, to_port);
    put16(udp + 4, (uint16_t)(UDP_HEADER + size));
    memcpy(udp + UDP_HEADER, payload, size);
    put_sum(udp + 6, udp_sum(ip, UDP_HEADER + size));
    if (get16(udp + 6) == 0)
        put16(udp + 6, 0xffff); /* 0 would say: no checksum */
}

enum verdict udp_parse(const uint8_t *frame, size_t length, struct datagram *datagram)
{
    const uint8_t *ip = frame + ETHERNET_HEADER, *udp = ip + IP_HEADER;

    if (length < HEADERS || get16(frame + 12) != TYPE_IP || memcmp(frame, our_mac, 6) ||
        memcmp(ip + 16, our_ip, 4) || ip[9] != PROTOCOL_UDP)
        return FRAME_OTHER;
    size_t total = get16(ip + 2), udp_length = get16(udp + 4);
    if (ip[0] != 0x45 || (get16(ip + 6) & 0x3fff) || memcmp(ip + 12, guest_ip, 4) ||
        total > length - ETHERNET_HEADER || udp_length < UDP_HEADER ||
        udp_length + IP_HEADER != total || sum_fold(sum_add(0, ip, IP_HEADER)) != 0xffff)
        return FRAME_BAD;
    if (get16(udp + 6) && sum_fold(udp_sum(ip, udp_length)) != 0xffff)
        return FRAME_BAD;
    *datagram =
        (struct datagram){get16(udp), get16(udp + 2), udp + UDP_HEADER, udp_length - UDP_HEADER};
    return FRAME_DATAGRAM;
}

bool is_arp_request(const uint8_t *frame, size_t length)
{
    return length >= ARP_LENGTH && get16(frame + 12) == TYPE_ARP && get16(frame + 20) == 1 &&
           memcmp(frame + 38, our_ip, 4) == 0;
}

void arp_answer(uint8_t *frame, const uint8_t *request)
{
    memcpy(frame, request, ARP_LENGTH);
    memcpy(frame, request + 6, 6);
    memcpy(frame + 6, our_mac, 6);
    put16(frame + 20, 2);
    memcpy(frame + 22, our_mac, 6);
    memcpy(frame + 28, our_ip, 4);
    memcpy(frame + 32, request + 22, 10); /* sender's hardware and protocol address */
}
