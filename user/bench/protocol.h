/* What the host's measuring peer and the program in the guest say to each other. The kernel's guest
 * program (main.c) and the bare-metal floor (tests/bench/floor) serve the same ports, so one peer
 * measures both.
 *
 *   ECHO_PORT     every datagram goes back to where it came from
 *   SINK_PORT     datagrams are counted; one that begins with BENCH_MAGIC is a question, and is
 *                 answered with a struct bench_sunk: the guest alone knows what was delivered
 *   CONTROL_PORT  a struct bench_request is carried out and answered
 *
 * All integers in network byte order. Every question may be repeated: a flood can drown it.
 */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include <stdint.h>

#define BENCH_ECHO_PORT    7
#define BENCH_SINK_PORT    9
#define BENCH_CONTROL_PORT 7001

#define BENCH_MAGIC        0x62656e63u /* "benc": no measured payload begins with it */
#define BENCH_PAYLOAD_MAX  1472        /* what fits an Ethernet frame */
#define BENCH_DURATION_MAX 10000       /* ms: a peer that is gone stops nobody for longer */

enum bench_command {
    BENCH_COUNTERS = 1, /* argument[0]: offset into the text; 0 takes a new snapshot */
    BENCH_BLAST = 2,    /* argument: payload size, milliseconds, port of the sender to send to */
    BENCH_POLLED = 3,   /* argument[0]: 1 polled, 0 interrupts, for every Ethernet device */
    BENCH_CROWD = 4,    /* argument: so many more open sockets, so many more ARP entries */
};

struct bench_request {
    uint32_t magic;
    uint32_t command;
    uint32_t serial; /* comes back in the answer */
    uint32_t argument[3];
};

/* The answer. COUNTERS: value is the length of the whole text, whose part from the offset
 * follows: lines "NAME VALUE". BLAST: how many datagrams were passed to the stack without an
 * error. POLLED, CROWD: 0 or errno. A request that comes again with the same serial number is
 * answered, not carried out, again. */
struct bench_answer {
    uint32_t magic;
    uint32_t serial;
    uint32_t value;
    char text[];
};

struct bench_sunk {
    uint32_t magic;
    uint32_t serial; /* the question's second word */
    uint32_t datagrams_high, datagrams_low;
};

#endif
