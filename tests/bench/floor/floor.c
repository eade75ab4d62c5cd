/* The floor: what the emulator and a card allow when there is no operating system at all.
 *
 * One hart in machine mode, no page table, no trap, no stack of protocols: a loop that takes
 * what the card has received, turns each UDP datagram round in its own buffer, gives the batch
 * to the card with one doorbell, and sleeps until the card's next interrupt. It serves
 * user/bench/protocol.h like the kernel's program bench, so that the same peer measures both,
 * and every figure of the kernel can be given as a ratio to this one.
 */
#include "../../../user/bench/protocol.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "arch/riscv.h"
#include "lib/byteorder.h"
#include "lib/format.h"
#include "lib/string.h"
#include "net/wire.h"
#include "nic.h"

#define PACKETS      2048 /* for all rings, and some to work with */
#define BATCH        64
#define TICKS_PER_MS 10000 /* the virt machine's timebase is 10 MHz */
#define MIE_MEIE     (1ul << 11)
#define PROTOCOL_UDP 17
#define EXIT_NO_CARD (1u << 16 | 0x3333) /* to the test finisher: ends QEMU with code 1 */

/* The PLIC's context of hart 0's machine mode. */
#define PLIC_PRIORITY(source) (PLIC + 4 * (source))
#define PLIC_ENABLE(source)   (PLIC + 0x2000 + 4 * ((source) / 32))
#define PLIC_THRESHOLD        (PLIC + 0x200000)
#define PLIC_CLAIM            (PLIC + 0x200004)

/* Its frames do not begin where the kernel's do. */
typedef struct ip_header ip_header_anywhere __attribute__((aligned(2)));

struct headers {
    struct ether_header ether;
    ip_header_anywhere ip;
    struct udp_header udp;
    uint8_t payload[];
} WIRE_STRUCT;

uint64_t floor_doorbells;
static uint64_t interrupts, polls, received, transmitted, sunk;
static bool polled;

static const struct nic *nic;
static struct packet packets[PACKETS], *pool;

/* A blast in progress: the packet that asked for it is the pattern of what is sent, and of the
 * answer. */
static struct packet *blast_packet;
static struct bench_request blast_request;
static uint16_t blast_serial; /* never 0 */
static uint64_t blast_end;
static uint32_t blast_count;
static be32_t blast_answered; /* serial number of the last one: asked again, it is answered again */

void floor_main(void);

static void packet_free(struct packet *packet)
{
    packet->next = pool;
    pool = packet;
}

static void packet_send(struct packet *packet)
{
    if (nic->send(packet))
        transmitted++;
    else
        packet_free(packet);
}

/* --- turning a datagram round --- */

static struct headers *headers_of(struct packet *packet) { return (struct headers *)packet->frame; }

/* Whoever sent it receives it. No checksum changes with these exchanges, since sums commute
 * (RFC 1071). */
static void turn_round(struct headers *h)
{
    uint16_t *mac = (uint16_t *)&h->ether;
    for (int i = 0; i < 3; i++) {
        uint16_t half = mac[i];
        mac[i] = mac[i + 3];
        mac[i + 3] = half;
    }
    be32_t address = h->ip.source;
    h->ip.source = h->ip.destination;
    h->ip.destination = address;
    be16_t port = h->udp.source_port;
    h->udp.source_port = h->udp.destination_port;
    h->udp.destination_port = port;
}

/* A payload of another size is in place: lengths and the header's checksum follow; UDP needs none
 * (RFC 768). */
static void resize(struct packet *packet, size_t size)
{
    struct headers *h = headers_of(packet);
    uint16_t *half = (uint16_t *)&h->ip;
    uint32_t sum = 0;

    packet->length = (uint16_t)(sizeof *h + size);
    h->ip.total_length = htons((uint16_t)(sizeof h->ip + sizeof h->udp + size));
    h->udp.length = htons((uint16_t)(sizeof h->udp + size));
    h->udp.checksum = 0;
    h->ip.checksum = 0;
    for (size_t i = 0; i < sizeof h->ip / 2; i++)
        sum += half[i];
    sum = (sum & 0xffff) + (sum >> 16);
    h->ip.checksum = (be16_t) ~(sum + (sum >> 16));
}

static void answer(struct packet *packet, size_t size)
{
    resize(packet, size);
    packet_send(packet);
}

/* --- the three services --- */

static void sink(struct packet *packet)
{
    struct bench_sunk *question = (struct bench_sunk *)headers_of(packet)->payload;

    if (packet->length < sizeof(struct headers) + 8 || question->magic != BE32(BENCH_MAGIC)) {
        sunk++;
        packet_free(packet);
        return;
    }
    turn_round(headers_of(packet));
    question->datagrams_high = htonl((uint32_t)(sunk >> 32));
    question->datagrams_low = htonl((uint32_t)sunk);
    answer(packet, sizeof *question);
}

static void blast_begin(struct packet *packet, const struct bench_request *request)
{
    uint32_t size = ntohl(request->argument[0]), milliseconds = ntohl(request->argument[1]);
    struct headers *h = headers_of(packet);

    if (blast_packet || size > BENCH_PAYLOAD_MAX || milliseconds > BENCH_DURATION_MAX) {
        packet_free(packet);
        return;
    }
    turn_round(h);
    blast_packet = packet;
    blast_request = *request;
    blast_request.argument[1] = h->udp.destination_port; /* the answer goes there */
    h->udp.destination_port = htons((uint16_t)ntohl(request->argument[2]));
    memset(h->payload, 0, size);
    resize(packet, size);
    blast_serial = blast_serial == UINT16_MAX ? 1 : blast_serial + 1;
    blast_count = 0;
    blast_end = timebase_read() + (uint64_t)milliseconds * TICKS_PER_MS;
}

static void blast_finish(void)
{
    struct packet *packet = blast_packet;
    struct bench_answer *to = (struct bench_answer *)headers_of(packet)->payload;

    blast_answered = blast_request.serial;
    *to = (struct bench_answer){BE32(BENCH_MAGIC), blast_answered, htonl(blast_count)};
    headers_of(packet)->udp.destination_port = (be16_t)blast_request.argument[1];
    blast_packet = NULL;
    answer(packet, sizeof *to);
}

/* Sends what the ring takes. A packet that holds the pattern from last time is not copied again. */
static void blast_step(void)
{
    if (timebase_read() >= blast_end) {
        blast_finish();
        return;
    }
    while (pool) {
        struct packet *packet = pool;
        if (packet->blast != blast_serial) {
            memcpy(packet->frame, blast_packet->frame, blast_packet->length);
            packet->length = blast_packet->length;
            packet->blast = blast_serial;
        }
        if (!nic->send(packet))
            return;
        pool = packet->next;
        transmitted++;
        blast_count++;
    }
}

static void control(struct packet *packet)
{
    struct bench_answer *to = (struct bench_answer *)headers_of(packet)->payload;
    struct bench_request request = *(struct bench_request *)to;
    int text = 0;

    if (packet->length < sizeof(struct headers) + sizeof request ||
        request.magic != BE32(BENCH_MAGIC)) {
        packet_free(packet);
        return;
    }
    if (request.command == BE32(BENCH_BLAST) && request.serial != blast_answered) {
        blast_begin(packet, &request);
        return;
    }
    to->value = 0;
    if (request.command == BE32(BENCH_BLAST)) {
        to->value = htonl(blast_count);
    } else if (request.command == BE32(BENCH_POLLED)) {
        polled = request.argument[0] != 0;
    } else {
        text = snprintf(
            to->text, 512,
            "floor.doorbells %lu\nfloor.interrupts %lu\nfloor.polls %lu\nfloor.rx_packets %lu\n"
            "floor.tx_packets %lu\n",
            floor_doorbells, interrupts, polls, received, transmitted);
        to->value = htonl((uint32_t)text);
    }
    to->serial = request.serial;
    turn_round(headers_of(packet));
    answer(packet, sizeof *to + (size_t)text);
}

/* The peer sends nothing that is broken, and only to us: what is looked at is what tells one
 * service from another. */
static void packet_take(struct packet *packet)
{
    struct headers *h = headers_of(packet);

    received++;
    packet->blast = 0;
    if (packet->length < sizeof *h || h->ether.type != BE16(ETHER_TYPE_IP) ||
        h->ip.protocol != PROTOCOL_UDP) {
        packet_free(packet);
        return;
    }
    switch (h->udp.destination_port) {
    case BE16(BENCH_ECHO_PORT):
        turn_round(h);
        packet_send(packet);
        break;
    case BE16(BENCH_SINK_PORT):
        sink(packet);
        break;
    case BE16(BENCH_CONTROL_PORT):
        control(packet);
        break;
    default:
        packet_free(packet);
    }
}

/* --- the loop --- */

/* Interrupts are never taken: one that is pending ends the wait, and is claimed here. */
static void interrupt_wait(void)
{
    wait_for_interrupt();
    uint32_t source = mmio_read32(PLIC_CLAIM);
    if (source == 0)
        return;
    interrupts++;
    nic->acknowledge();
    mmio_write32(PLIC_CLAIM, source);
}

static unsigned round_run(void)
{
    struct packet *packet;
    unsigned count = 0;

    polls++;
    while (count < BATCH && (packet = nic->receive())) {
        packet_take(packet);
        count++;
    }
    while ((packet = nic->sent()))
        packet_free(packet);
    while (pool && nic->post(pool))
        pool = pool->next;
    if (blast_packet)
        blast_step();
    nic->flush();
    return count;
}

static const struct nic *nic_find(void)
{
    const struct nic *found = virtio_mmio_find();
    if (!found)
        found = virtio_pci_find();
    return found ? found : e1000_find();
}

void floor_main(void)
{
    nic = nic_find();
    if (!nic) {
        mmio_write32(TEST_FINISHER, EXIT_NO_CARD);
        return;
    }
    for (int i = 0; i < PACKETS; i++)
        packet_free(&packets[i]);
    mmio_write32(CLINT_MTIMECMP(0) + 4, ~0u); /* as the kernel's start.c does, and why */
    mmio_write32(PLIC_PRIORITY(nic->interrupt), 1);
    mmio_write32(PLIC_ENABLE(nic->interrupt), 1u << (nic->interrupt % 32));
    mmio_write32(PLIC_THRESHOLD, 0);
    CSR_SET(mie, MIE_MEIE);
    for (;;) {
        if (round_run() == 0 && !blast_packet && !polled && !nic->arm())
            interrupt_wait();
    }
}
